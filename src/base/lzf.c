/* lzf.c - the only user of liblzf. */
#include "base/lzf.h"

#include <liblzf/lzf.h>

size_t lzf_pack(struct slice plain, void *out, size_t room)
{
    if (plain.len == 0 || plain.len > UINT32_MAX)
        return 0;
    return lzf_compress(plain.data, (unsigned)plain.len, out, (unsigned)MIN_OF(room, UINT32_MAX));
}

bool lzf_unpack(struct slice packed, void *out, size_t len)
{
    if (packed.len > UINT32_MAX || len == 0 || len > UINT32_MAX)
        return false;
    return lzf_decompress(packed.data, (unsigned)packed.len, out, (unsigned)len) == len;
}
