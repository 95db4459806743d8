/* ballast.h - a really allocated file that is given back when the disk is full.
 *
 * Absent or ineffective ballast is never an error. It is created only while F is four times its
 * size, released by whoever meets ENOSPC first (one unlink), and checked: deleted or sparse
 * ballast holds nothing. States pass by compare-and-swap, so that a release never waits for a
 * creation that hangs on the disk.
 */
#ifndef SPILLWAY_GUARD_BALLAST_H
#define SPILLWAY_GUARD_BALLAST_H

#include "guard/gate.h"

#define BALLAST_NAME "spillway.ballast"
#define BALLAST_AUTO UINT64_MAX

enum ballast_state { BALLAST_ABSENT, BALLAST_BUSY, BALLAST_HELD };

struct ballast {
    struct gate *gate;
    char *path;
    uint32_t state;    /* atomic: enum ballast_state */
    uint64_t held;     /* atomic: bytes of blocks really allocated */
    uint64_t releases; /* atomic */
    int last_error;    /* atomic: positive errno of the last creation, 0 = good */
};

void ballast_init(struct ballast *b, struct gate *gate, const char *dir);
void ballast_destroy(struct ballast *b); /* the file stays */
/* Size to hold for a capacity: min(1 %, 64 MiB), at least 4 MiB from 64 MiB of capacity on;
 * whole blocks; 0 under 16 blocks. setting: bytes, 0 = none, BALLAST_AUTO. Never more than a
 * quarter of the capacity. */
uint64_t ballast_size(uint64_t setting, uint64_t capacity, uint64_t block);
/* Volume thread: brings the file in line with `want` bytes: checks what is there, creates it if
 * may_create (level ok and F at least four times want), removes it if want is 0 or the file is
 * of another size. */
void ballast_tend(struct ballast *b, uint64_t want, bool may_create);
/* Any thread. True if blocks were given back. */
bool ballast_release(struct ballast *b);
bool ballast_effective(const struct ballast *b, uint64_t want);

#endif
