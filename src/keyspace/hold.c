/* hold.c - taking and dropping shard locks, always in ascending order. */
#include "keyspace/shard.h"
#include "base/clock.h"

#define GIVE_WAY_US 20 /* and what it takes to wake up, which is what the others need too */

static void drop_mask(struct keyspace *ks, uint64_t mask)
{
    while (mask != 0) {
        lock_drop(&ks->shards[__builtin_ctzll(mask)].lock);
        mask &= mask - 1;
    }
}

void hold_take(struct hold *hold, uint64_t mask)
{
    DEBUG_ASSERT(hold->mask == 0);
    struct keyspace *ks = hold->keyspace;
    uint32_t waited = 0;
    for (uint64_t left = mask; left != 0; left &= left - 1) {
        struct shard *shard = &ks->shards[__builtin_ctzll(left)];
        lock_take(&shard->lock);
        waited += shard->waiters;
    }
    hold->waited = waited;
    hold->mask = mask;
}

bool hold_try(struct hold *hold, uint64_t mask)
{
    DEBUG_ASSERT(hold->mask == 0);
    struct keyspace *ks = hold->keyspace;
    uint32_t waited = 0;
    for (uint64_t left = mask; left != 0; left &= left - 1) {
        struct shard *shard = &ks->shards[__builtin_ctzll(left)];
        if (!lock_try(&shard->lock)) {
            drop_mask(ks, mask & ~left);
            return false;
        }
        waited += shard->waiters;
    }
    hold->waited = waited;
    hold->mask = mask;
    return true;
}

void hold_drop(struct hold *hold)
{
    uint64_t mask = hold->mask;
    hold->mask = 0;
    drop_mask(hold->keyspace, mask);
}

void hold_give_way(struct hold *hold)
{
    bool wanted = false;
    for (uint64_t left = hold->mask; left != 0 && !wanted; left &= left - 1)
        wanted = lock_is_wanted(&hold->keyspace->shards[__builtin_ctzll(left)].lock);
    hold_drop(hold);
    if (UNLIKELY(wanted))
        clock_sleep_us(GIVE_WAY_US);
}
