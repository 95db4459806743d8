/* crc64.c - CRC-64/Jones by slicing: eight bytes per step, one table lookup for each. */
#include "base/crc64.h"

#include <string.h>

#define POLYNOMIAL 0x95ac9329ac4bc9b5 /* 0xad93d23594c935a9, bits reversed */

static uint64_t
    table[8][256]; /* set once, before main; table[k][b]: the effect of byte b, k bytes ago */

__attribute__((constructor)) static void build_tables(void)
{
    for (unsigned byte = 0; byte < 256; byte++) {
        uint64_t crc = byte;
        for (int bit = 0; bit < 8; bit++)
            crc = crc & 1 ? (crc >> 1) ^ POLYNOMIAL : crc >> 1;
        table[0][byte] = crc;
    }
    for (unsigned byte = 0; byte < 256; byte++)
        for (int k = 1; k < 8; k++)
            table[k][byte] = table[0][table[k - 1][byte] & 255] ^ (table[k - 1][byte] >> 8);
}

uint64_t crc64(uint64_t crc, const void *data, size_t len)
{
    const unsigned char *at = data;
    for (; len >= 8; at += 8, len -= 8) {
        uint64_t word;
        memcpy(&word, at, 8);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
        word = __builtin_bswap64(word);
#endif
        crc ^= word;
        crc = table[7][crc & 255] ^ table[6][(crc >> 8) & 255] ^ table[5][(crc >> 16) & 255] ^
              table[4][(crc >> 24) & 255] ^ table[3][(crc >> 32) & 255] ^
              table[2][(crc >> 40) & 255] ^ table[1][(crc >> 48) & 255] ^ table[0][crc >> 56];
    }
    for (; len > 0; at++, len--)
        crc = table[0][(crc ^ *at) & 255] ^ (crc >> 8);
    return crc;
}
