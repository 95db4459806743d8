/* hash.h - the keyed 64-bit hash of every table (XXH3 with a secret seed, by libxxhash). */
#ifndef SPILLWAY_BASE_HASH_H
#define SPILLWAY_BASE_HASH_H

#define XXH_INLINE_ALL
#include <xxhash.h>
#include "base/common.h"

ALWAYS_INLINE uint64_t hash_bytes(const void *data, size_t len, uint64_t seed)
{
    return XXH3_64bits_withSeed(data, len, seed);
}

#endif
