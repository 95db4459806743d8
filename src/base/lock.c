/* lock.c - the slow paths of the shard lock: spin a little, then park on a futex.
 *
 * The state is set to 2 by whoever is about to park, and by a thread that was woken and takes the
 * lock: it cannot know whether others are still parked, so its drop wakes one more. The price is
 * one futex call without a sleeper after a contended phase; the gain is that the fast paths are one
 * instruction each.
 */
#include "base/lock.h"

#include <linux/futex.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SPIN_ROUNDS                                                                                \
    48 /* looks at the state before parking: a few microseconds with the pauses between */

static void cpu_pause(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("isb" ::: "memory");
#endif
}

/* With one processor the holder cannot run while we spin. */
static unsigned spin_rounds(void)
{
    static unsigned rounds_plus_one; /* atomic; 0 = not known yet */
    unsigned known = RELAXED_LOAD(&rounds_plus_one);
    if (LIKELY(known != 0))
        return known - 1;
    cpu_set_t set;
    bool single = sched_getaffinity(0, sizeof(set), &set) == 0 && CPU_COUNT(&set) <= 1;
    known = (single ? 0 : SPIN_ROUNDS) + 1;
    RELAXED_STORE(&rounds_plus_one, known);
    return known - 1;
}

void lock_take_slow(struct lock *lock)
{
    unsigned rounds = spin_rounds();
    for (unsigned i = 0; i < rounds; i++) {
        if (!lock_is_taken(lock) && lock_try(lock))
            return;
        for (unsigned pauses = 0; pauses <= MIN_OF(i, 8u); pauses++)
            cpu_pause();
    }
    while (__atomic_exchange_n(&lock->state, 2, __ATOMIC_ACQUIRE) != 0)
        syscall(SYS_futex, &lock->state, FUTEX_WAIT_PRIVATE, 2, NULL, NULL, 0);
}

void lock_drop_slow(struct lock *lock)
{
    syscall(SYS_futex, &lock->state, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}
