/* rand.h - random numbers: seeds from the kernel, a fast generator per owner (xoshiro256**,
 * Blackman and Vigna 2018). */
#ifndef SPILLWAY_BASE_RAND_H
#define SPILLWAY_BASE_RAND_H

#include "base/common.h"

struct rand {
    uint64_t s[4];
};

void rand_fill_system(void *out, size_t len); /* kernel randomness; panics if there is none */
uint64_t rand_system(void);
void rand_seed(struct rand *r, uint64_t seed); /* the same seed gives the same sequence */
uint64_t rand_next(struct rand *r);
uint64_t rand_below(struct rand *r, uint64_t bound); /* uniform in [0, bound); bound > 0 */
void rand_hex(char *out, size_t digits); /* system randomness as lower-case hex, no NUL */

#endif
