/* lock.h - the shard lock: test-and-test-and-set with bounded spinning, then a futex park.
 *
 * Four bytes, so that it shares a line with what it guards. Not recursive, not fair; critical
 * sections are short. States: 0 free, 1 taken, 2 taken and somebody is parked.
 */
#ifndef SPILLWAY_BASE_LOCK_H
#define SPILLWAY_BASE_LOCK_H

#include "base/common.h"

struct lock {
    uint32_t state; /* atomic */
};

void lock_take_slow(struct lock *lock);
void lock_drop_slow(struct lock *lock);

ALWAYS_INLINE bool lock_try(struct lock *lock)
{
    uint32_t expected = 0;
    return __atomic_compare_exchange_n(&lock->state, &expected, 1, false, __ATOMIC_ACQUIRE,
                                       __ATOMIC_RELAXED);
}

ALWAYS_INLINE void lock_take(struct lock *lock)
{
    if (UNLIKELY(!lock_try(lock)))
        lock_take_slow(lock);
}

ALWAYS_INLINE void lock_drop(struct lock *lock)
{
    if (UNLIKELY(__atomic_exchange_n(&lock->state, 0, __ATOMIC_RELEASE) == 2))
        lock_drop_slow(lock);
}

/* Of a lock that is taken: somebody is parked, or was. */
ALWAYS_INLINE bool lock_is_wanted(const struct lock *lock)
{
    return __atomic_load_n(&lock->state, __ATOMIC_RELAXED) == 2;
}

ALWAYS_INLINE bool lock_is_taken(const struct lock *lock)
{
    return __atomic_load_n(&lock->state, __ATOMIC_RELAXED) != 0;
}

#endif
