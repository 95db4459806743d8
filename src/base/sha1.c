/* sha1.c - SHA-1 as FIPS 180-4 describes it: 80 rounds over blocks of 64 bytes. */
#include "base/sha1.h"
#include <string.h>

static uint32_t rotate(uint32_t x, unsigned by)
{
    return x << by | x >> (32 - by);
}

static uint32_t load_be(const unsigned char *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void store_be(unsigned char *p, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        p[i] = (unsigned char)(v >> (24 - 8 * i));
}

/* The function and constant of round t. */
static uint32_t mix(int t, uint32_t b, uint32_t c, uint32_t d)
{
    if (t < 20)
        return ((b & c) | (~b & d)) + 0x5a827999;
    if (t < 40)
        return (b ^ c ^ d) + 0x6ed9eba1;
    if (t < 60)
        return ((b & c) | (b & d) | (c & d)) + 0x8f1bbcdc;
    return (b ^ c ^ d) + 0xca62c1d6;
}

static void run_block(uint32_t state[5], const unsigned char block[64])
{
    uint32_t w[80], v[5];
    for (int t = 0; t < 16; t++)
        w[t] = load_be(block + 4 * t);
    for (int t = 16; t < 80; t++)
        w[t] = rotate(w[t - 3] ^ w[t - 8] ^ w[t - 14] ^ w[t - 16], 1);
    memcpy(v, state, sizeof v);
    for (int t = 0; t < 80; t++) {
        uint32_t next = rotate(v[0], 5) + mix(t, v[1], v[2], v[3]) + v[4] + w[t];
        v[4] = v[3];
        v[3] = v[2];
        v[2] = rotate(v[1], 30);
        v[1] = v[0];
        v[0] = next;
    }
    for (int i = 0; i < 5; i++)
        state[i] += v[i];
}

void sha1_init(struct sha1 *s)
{
    static const uint32_t start[5] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
    memcpy(s->state, start, sizeof start);
    s->len = 0;
}

void sha1_update(struct sha1 *s, const void *data, size_t len)
{
    const unsigned char *p = data;
    while (len > 0) {
        size_t at = s->len % 64, take = MIN_OF(len, 64 - at);
        memcpy(s->block + at, p, take);
        s->len += take;
        p += take;
        len -= take;
        if (at + take == 64)
            run_block(s->state, s->block);
    }
}

void sha1_final(struct sha1 *s, unsigned char out[SHA1_SIZE])
{
    static const unsigned char padding[64] = {0x80};
    unsigned char bits[8];
    uint64_t count = s->len * 8;
    store_be(bits, (uint32_t)(count >> 32));
    store_be(bits + 4, (uint32_t)count);
    sha1_update(s, padding, 1 + (119 - s->len % 64) % 64);
    sha1_update(s, bits, sizeof bits);
    for (int i = 0; i < 5; i++)
        store_be(out + 4 * i, s->state[i]);
}

void sha1_bytes(const void *data, size_t len, unsigned char out[SHA1_SIZE])
{
    struct sha1 s;
    sha1_init(&s);
    sha1_update(&s, data, len);
    sha1_final(&s, out);
}

void sha1_hex(const unsigned char digest[SHA1_SIZE], char out[SHA1_SIZE * 2 + 1])
{
    static const char digits[] = "0123456789abcdef";
    for (int i = 0; i < SHA1_SIZE; i++) {
        out[2 * i] = digits[digest[i] >> 4];
        out[2 * i + 1] = digits[digest[i] & 15];
    }
    out[SHA1_SIZE * 2] = '\0';
}
