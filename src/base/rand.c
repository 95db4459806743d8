/* rand.c - kernel randomness, and xoshiro256** (Blackman and Vigna, "Scrambled linear pseudorandom
 * number generators", 2018) seeded by splitmix64 as its authors advise. */
#include "base/rand.h"

#include <errno.h>
#include <sys/random.h>
#include "base/panic.h"

void rand_fill_system(void *out, size_t len)
{
    unsigned char *at = out;
    while (len > 0) {
        ssize_t got = getrandom(at, len, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            PANIC("no kernel randomness: errno %d", errno);
        at += got;
        len -= (size_t)got;
    }
}

uint64_t rand_system(void)
{
    uint64_t value;
    rand_fill_system(&value, sizeof(value));
    return value;
}

static uint64_t splitmix_next(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

void rand_seed(struct rand *r, uint64_t seed)
{
    for (size_t i = 0; i < COUNT_OF(r->s); i++)
        r->s[i] = splitmix_next(&seed);
}

static uint64_t rotate_left(uint64_t x, int bits)
{
    return (x << bits) | (x >> (64 - bits));
}

uint64_t rand_next(struct rand *r)
{
    uint64_t *s = r->s;
    uint64_t result = rotate_left(s[1] * 5, 7) * 9;
    uint64_t shifted = s[1] << 17;

    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= shifted;
    s[3] = rotate_left(s[3], 45);
    return result;
}

/* Multiply and shift, redrawing the few products that would favour small results (Lemire, "Fast
 * random integer generation in an interval", 2019). */
uint64_t rand_below(struct rand *r, uint64_t bound)
{
    ASSERT(bound > 0);
    unsigned __int128 product = (unsigned __int128)rand_next(r) * bound;
    if (UNLIKELY((uint64_t)product < bound)) {
        uint64_t unfair = -bound % bound;
        while ((uint64_t)product < unfair)
            product = (unsigned __int128)rand_next(r) * bound;
    }
    return (uint64_t)(product >> 64);
}

void rand_hex(char *out, size_t digits)
{
    unsigned char raw[32];
    for (size_t done = 0; done < digits; done++) {
        size_t at = done % (2 * sizeof(raw));
        if (at == 0)
            rand_fill_system(raw, sizeof(raw));
        out[done] = "0123456789abcdef"[at % 2 ? raw[at / 2] & 15 : raw[at / 2] >> 4];
    }
}
