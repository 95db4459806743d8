/* crc64.h - CRC-64 with the Jones polynomial 0xad93d23594c935a9, reflected, as RDB files and DUMP
 * use it. */
#ifndef SPILLWAY_BASE_CRC64_H
#define SPILLWAY_BASE_CRC64_H

#include "base/common.h"

/* Continues `crc` (0 at the start) over len bytes. Slicing by 8; thread-safe. */
uint64_t crc64(uint64_t crc, const void *data, size_t len);

#endif
