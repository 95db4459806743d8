/* recency.c - the 24-bit clock of an entry: seconds for LRU, or minutes and a logarithmic counter for LFU.
 *
 * LFU is Morris's approximate counter (1978): 8 bits, incremented with probability 1 / (base * factor + 1), fresh
 * keys start at 5, and it loses one per lfu-decay-time minutes of silence. Clocks are written only when they change,
 * so that reading a hot key does not dirty its line.
 */
#include "keyspace/shard.h"

#define LFU_INITIAL 5

static bool policy_is_lfu(const struct keyspace *ks)
{
    int policy = RELAXED_LOAD(&ks->options.policy);
    return policy == EVICT_VOLATILE_LFU || policy == EVICT_ALLKEYS_LFU;
}

static uint32_t lru_now(const struct hold *hold)
{
    return (uint32_t)(hold->now_ms / 1000) & 0xffffff;
}

static uint16_t minutes_now(const struct hold *hold)
{
    return (uint16_t)(hold->now_ms / 60000);
}

static void clock_store(struct entry *e, uint32_t clock)
{
    e->clock[0] = (uint8_t)clock;
    e->clock[1] = (uint8_t)(clock >> 8);
    e->clock[2] = (uint8_t)(clock >> 16);
}

uint32_t recency_fresh(const struct hold *hold)
{
    if (UNLIKELY(policy_is_lfu(hold->keyspace)))
        return (uint32_t)minutes_now(hold) << 8 | LFU_INITIAL;
    return lru_now(hold);
}

uint8_t keyspace_frequency(const struct hold *hold, const struct entry *e)
{
    uint32_t clock = entry_clock(e);
    uint8_t counter = (uint8_t)clock;
    uint16_t silent = (uint16_t)(minutes_now(hold) - (uint16_t)(clock >> 8));
    int decay = RELAXED_LOAD(&hold->keyspace->options.lfu_decay_minutes);
    uint32_t lost = decay > 0 ? silent / (uint32_t)decay : 0;
    return lost > counter ? 0 : (uint8_t)(counter - lost);
}

static uint8_t lfu_count_up(const struct hold *hold, const struct entry *e, uint8_t counter)
{
    if (counter == 255)
        return 255;
    uint32_t base = counter > LFU_INITIAL ? counter - LFU_INITIAL : 0;
    uint64_t odds =
        (uint64_t)base * (uint64_t)RELAXED_LOAD(&hold->keyspace->options.lfu_log_factor) + 1;
    /* A cheap draw: the time in ms and the entry's address, mixed. */
    uint64_t draw =
        ((uint64_t)hold->now_ms ^ (uint64_t)(uintptr_t)e ^ (uint64_t)entry_clock(e) << 40) *
        UINT64_C(0x9e3779b97f4a7c15);
    return (draw >> 20) % odds == 0 ? (uint8_t)(counter + 1) : counter;
}

void recency_touch(const struct hold *hold, struct entry *e)
{
    uint32_t clock;
    if (UNLIKELY(policy_is_lfu(hold->keyspace)))
        clock =
            (uint32_t)minutes_now(hold) << 8 | lfu_count_up(hold, e, keyspace_frequency(hold, e));
    else
        clock = lru_now(hold);
    if (entry_clock(e) != clock)
        clock_store(e, clock);
}

uint64_t keyspace_idle_s(const struct hold *hold, const struct entry *e)
{
    return (lru_now(hold) - entry_clock(e)) & 0xffffff;
}

void keyspace_set_idle(struct hold *hold, struct entry *e, uint64_t idle_s)
{
    clock_store(e, (lru_now(hold) - (uint32_t)MIN_OF(idle_s, 0xffffff)) & 0xffffff);
}

void keyspace_set_frequency(struct hold *hold, struct entry *e, uint8_t counter)
{
    clock_store(e, (uint32_t)minutes_now(hold) << 8 | counter);
}
