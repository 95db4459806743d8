/* pin.c - a short list of values and a lock that is held while they must not be changed.
 *
 * Why nobody misses a pin: values are pinned under the locks of their shards, and who is about to
 * change one holds that lock too; who frees one got it from somebody who took it out of its key
 * under that lock. Entries of the list are atomic because others, of other shards, may be compared
 * with while they are written; who finds that a value is not among them, because they are others
 * by now, has seen the end of its pin.
 *
 * Why the watching thread misses no change: `broken` is set under the shard's lock before the
 * change, and read under the locks of all the shards.
 *
 * The lock is not fair: somebody who waits for it under a shard's lock could meet one pin after the
 * other. So those who wait are counted, and the next pin begins when there are none.
 */
#include "keyspace/pin.h"
#include "base/clock.h"
#include "base/panic.h"
#include "keyspace/shard.h"

#define GIVE_WAY_US 20

void keyspace_pins_begin(struct keyspace *ks)
{
    while (__atomic_load_n(&ks->pins.waiting, __ATOMIC_ACQUIRE) != 0)
        clock_sleep_us(GIVE_WAY_US);
}

void keyspace_pin(struct hold *hold, const struct value *values, uint32_t count)
{
    struct pins *pins = &hold->keyspace->pins;
    ASSERT(count <= PINS_MAX && !pins->held && pins->count == 0);
    lock_take(&pins->lock);
    pins->held = true;
    RELAXED_STORE(&pins->broken, false);
    for (uint32_t i = 0; i < count; i++)
        __atomic_store_n(&pins->values[i], values[i].pointer, __ATOMIC_RELEASE);
    __atomic_store_n(&pins->count, count, __ATOMIC_RELEASE);
}

void keyspace_pins_watch(struct keyspace *ks)
{
    struct pins *pins = &ks->pins;
    if (!pins->held)
        return;
    pins->held = false;
    lock_drop(&pins->lock);
}

bool keyspace_pins_are_broken(const struct keyspace *ks)
{
    return RELAXED_LOAD(&ks->pins.broken);
}

void keyspace_pins_end(struct keyspace *ks)
{
    __atomic_store_n(&ks->pins.count, 0, __ATOMIC_RELEASE);
    keyspace_pins_watch(ks);
}

bool keyspace_has_pins(const struct keyspace *ks)
{
    return RELAXED_LOAD(&ks->pins.count) != 0 && lock_is_taken(&ks->pins.lock);
}

bool value_is_pinned(const struct keyspace *ks, struct value value)
{
    uint32_t count = __atomic_load_n(&ks->pins.count, __ATOMIC_ACQUIRE);
    for (uint32_t i = 0; i < count; i++)
        if (__atomic_load_n(&ks->pins.values[i], __ATOMIC_ACQUIRE) == value.pointer)
            return true;
    return false;
}

bool keyspace_is_pinned(const struct hold *hold, const struct key *key)
{
    struct hold peek = *hold;
    peek.flags |= HOLD_LOADING; /* to remove what has expired is the command's affair */
    const struct entry *e = keyspace_find(&peek, key, FIND_PEEK);
    return e != NULL && entry_type(e) != TYPE_STRING && keyspace_has_pins(hold->keyspace) &&
           value_is_pinned(hold->keyspace, entry_value(e));
}

void keyspace_await_unpinned(struct keyspace *ks, struct value value)
{
    struct pins *pins = &ks->pins;
    if (LIKELY(!value_is_pinned(ks, value)))
        return;
    RELAXED_STORE(&pins->broken, true);
    __atomic_fetch_add(&pins->waiting, 1, __ATOMIC_ACQ_REL);
    lock_take(&pins->lock);
    lock_drop(&pins->lock);
    __atomic_fetch_sub(&pins->waiting, 1, __ATOMIC_ACQ_REL);
}
