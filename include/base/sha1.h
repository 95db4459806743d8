/* sha1.h - SHA-1 (FIPS 180-4): names of scripts and digests of data sets; no protection against
 * anyone. */
#ifndef SPILLWAY_BASE_SHA1_H
#define SPILLWAY_BASE_SHA1_H

#include "base/common.h"

#define SHA1_SIZE 20

struct sha1 {
    uint32_t state[5];
    uint64_t len; /* bytes so far */
    unsigned char block[64];
};

void sha1_init(struct sha1 *s);
void sha1_update(struct sha1 *s, const void *data, size_t len);
void sha1_final(struct sha1 *s, unsigned char out[SHA1_SIZE]); /* *s is used up */
void sha1_bytes(const void *data, size_t len, unsigned char out[SHA1_SIZE]);
void sha1_hex(const unsigned char digest[SHA1_SIZE], char out[SHA1_SIZE * 2 + 1]);

#endif
