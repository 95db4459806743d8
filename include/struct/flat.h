/* flat.h - memory of structures that are one block of bytes without a capacity of their own.
 *
 * The allocator knows how large a block is, so it is not written down twice. A block is grown to
 * what is needed and no further: size classes, each about a fifth above the one before, make adding
 * amortised O(1) (not so under a sanitizer, whose blocks have no room to spare). It is shrunk once
 * a quarter is idle, so that adding and removing by turns does not move it each time.
 */
#ifndef SPILLWAY_STRUCT_FLAT_H
#define SPILLWAY_STRUCT_FLAT_H

#include <string.h>
#include "base/mem.h"

#define FLAT_IS_NATIVE (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__)

/* Little endian numbers at any address. */
ALWAYS_INLINE uint64_t flat_load(const unsigned char *p, unsigned bytes)
{
    uint64_t v = 0;
    if (FLAT_IS_NATIVE && __builtin_constant_p(bytes)) {
        memcpy(&v, p, bytes); /* one instruction, which a loop is not always made into */
        return v;
    }
    for (unsigned i = 0; i < bytes; i++)
        v |= (uint64_t)p[i] << 8 * i;
    return v;
}

ALWAYS_INLINE void flat_store(unsigned char *p, uint64_t v, unsigned bytes)
{
    if (FLAT_IS_NATIVE && __builtin_constant_p(bytes)) {
        memcpy(p, &v, bytes);
        return;
    }
    for (unsigned i = 0; i < bytes; i++)
        p[i] = (unsigned char)(v >> 8 * i);
}

/* The block with room for `wanted` bytes; it may have moved. */
ALWAYS_INLINE unsigned char *flat_grow(unsigned char *block, size_t wanted)
{
    return mem_usable(block) >= wanted ? block : mem_realloc(block, wanted);
}

/* The block, smaller if much of it is idle; it may have moved. */
ALWAYS_INLINE unsigned char *flat_shrink(unsigned char *block, size_t used)
{
    size_t usable = mem_usable(block);
    if (LIKELY(used > usable - usable / 4) || mem_good_size(used) >= usable)
        return block;
    return mem_realloc(block, used);
}

#endif
