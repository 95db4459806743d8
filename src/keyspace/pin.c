/* pin.c - a short list of values and a lock that is held as long as it is not empty.
 *
 * Why nobody misses a pin: values are pinned under the locks of their shards, and who is about to
 * change one holds that lock too; who frees one got it from somebody who took it out of its key
 * under that lock. Entries of the list are atomic because others, of other shards, may be compared
 * with while they are written.
 */
#include "keyspace/pin.h"
#include "base/panic.h"
#include "keyspace/shard.h"

void keyspace_pins_begin(struct keyspace *ks)
{
    lock_take(&ks->pins.lock);
}

void keyspace_pin(struct hold *hold, const struct value *values, uint32_t count)
{
    struct pins *pins = &hold->keyspace->pins;
    ASSERT(count <= PINS_MAX && pins->count == 0 && lock_is_taken(&pins->lock));
    for (uint32_t i = 0; i < count; i++)
        RELAXED_STORE(&pins->values[i], values[i].pointer);
    __atomic_store_n(&pins->count, count, __ATOMIC_RELEASE);
}

void keyspace_pins_end(struct keyspace *ks)
{
    __atomic_store_n(&ks->pins.count, 0, __ATOMIC_RELEASE);
    lock_drop(&ks->pins.lock);
}

bool keyspace_has_pins(const struct keyspace *ks)
{
    return RELAXED_LOAD(&ks->pins.count) != 0;
}

bool value_is_pinned(const struct keyspace *ks, struct value value)
{
    uint32_t count = __atomic_load_n(&ks->pins.count, __ATOMIC_ACQUIRE);
    for (uint32_t i = 0; i < count; i++)
        if (RELAXED_LOAD(&ks->pins.values[i]) == value.pointer)
            return true;
    return false;
}

bool keyspace_is_pinned(const struct hold *hold, const struct key *key)
{
    struct hold peek = *hold;
    peek.flags |= HOLD_LOADING; /* to remove what has expired is the command's affair */
    const struct entry *e = keyspace_find(&peek, key, FIND_PEEK);
    return e != NULL && entry_type(e) != TYPE_STRING &&
           value_is_pinned(hold->keyspace, entry_value(e));
}

void keyspace_await_pins(struct keyspace *ks)
{
    if (LIKELY(__atomic_load_n(&ks->pins.count, __ATOMIC_ACQUIRE) == 0))
        return;
    lock_take(&ks->pins.lock);
    lock_drop(&ks->pins.lock);
}
