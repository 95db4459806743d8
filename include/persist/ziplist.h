/* ziplist.h - reads the flat lists that RDB files of redis-server before 7.0 hold. Never written.
 *
 *      +------------+-----------+----------+-------+- -+------+
 *      | bytes: u32 | tail: u32 | count: u16 | entry | ... | 0xFF |    little endian
 *      +------------+-----------+----------+-------+- -+------+
 *
 * (Source: the format as documented in Redis's ziplist.c.)
 */
#ifndef SPILLWAY_PERSIST_ZIPLIST_H
#define SPILLWAY_PERSIST_ZIPLIST_H

#include "base/bytes.h"

/* Called for each element; the slice is borrowed for the call. False: stop, the list is refused. */
typedef bool (*ziplist_visit_fn)(void *ctx, struct slice element);
/* Walks the elements of a ziplist of exactly these bytes. False: it is damaged (elements up to the
 * damage were visited), or visit said so. Reads nothing beyond the bytes. */
bool ziplist_each(struct slice bytes, ziplist_visit_fn visit, void *ctx) NODISCARD;

#endif
