/* recency.c - the 24-bit clock of an entry: seconds for LRU, or minutes and a logarithmic counter
 * for LFU.
 *
 * LFU is Morris's approximate counter (1978): 8 bits, incremented with probability 1 / (base *
 * factor + 1), fresh keys start at 5, and it loses one per lfu-decay-time minutes of silence.
 * Clocks are written only when they change, so that reading a hot key does not dirty its line.
 */
#include "keyspace/shard.h"

#define LFU_INITIAL 5

/* Workers read their clocks once a turn, and wall clocks are set back: an entry touched by another
 * may be ahead of us, and that must not look like a whole turn of the clock without a touch. What
 * is ahead by up to so much was touched just now. */
#define LRU_SKEW_S      3600
#define LFU_SKEW_MIN    60
#define LRU_CLOCK_MAX   0xffffffu
#define LFU_MINUTES_MAX 0xffffu

static bool policy_is_lfu(const struct keyspace *ks)
{
    int policy = RELAXED_LOAD(&ks->options.policy);
    return policy == EVICT_VOLATILE_LFU || policy == EVICT_ALLKEYS_LFU;
}

static uint32_t lru_now(const struct hold *hold)
{
    return (uint32_t)(hold->now_ms / 1000) & LRU_CLOCK_MAX;
}

static uint32_t minutes_now(const struct hold *hold)
{
    return (uint32_t)(hold->now_ms / 60000) & LFU_MINUTES_MAX;
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
        return minutes_now(hold) << 8 | LFU_INITIAL;
    return lru_now(hold);
}

uint32_t recency_replaced(const struct hold *hold, const struct entry *old)
{
    if (old == NULL)
        return recency_fresh(hold);
    if (hold->flags & HOLD_NO_TOUCH || UNLIKELY(policy_is_lfu(hold->keyspace)))
        return entry_clock(old); /* finding it has counted */
    return lru_now(hold);
}

uint8_t keyspace_frequency(const struct hold *hold, const struct entry *e)
{
    uint32_t clock = entry_clock(e), counter = clock & 0xff;
    uint32_t silent = (minutes_now(hold) - (clock >> 8)) & LFU_MINUTES_MAX;
    int decay = RELAXED_LOAD(&hold->keyspace->options.lfu_decay_minutes);
    if (decay <= 0 || silent > LFU_MINUTES_MAX - LFU_SKEW_MIN)
        return (uint8_t)counter;
    uint32_t lost = silent / (uint32_t)decay;
    return lost > counter ? 0 : (uint8_t)(counter - lost);
}

/* A number that looks random, from the worker's own state: a hot key is met many times in one
 * turn, and each time must be a draw of its own. */
static uint64_t draw(const struct hold *hold, const struct entry *e)
{
    uint64_t x = (uint64_t)hold->now_ms ^ (uint64_t)(uintptr_t)e << 20;
    if (hold->stats != NULL) {
        OWNER_ADD(&hold->stats->draws, 1);
        x += hold->stats->draws * UINT64_C(0x9e3779b97f4a7c15);
    }
    /* The finalizer of SplitMix64 (Steele, Lea and Flood 2014). */
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

static uint8_t lfu_count_up(const struct hold *hold, const struct entry *e, uint8_t counter)
{
    if (counter == 255)
        return 255;
    uint64_t base = counter > LFU_INITIAL ? counter - LFU_INITIAL : 0;
    uint64_t factor = (uint64_t)MAX_OF(RELAXED_LOAD(&hold->keyspace->options.lfu_log_factor), 0);
    uint64_t odds = base * factor + 1;
    return odds == 1 || draw(hold, e) % odds == 0 ? (uint8_t)(counter + 1) : counter;
}

void recency_touch(const struct hold *hold, struct entry *e)
{
    uint32_t clock;
    if (UNLIKELY(policy_is_lfu(hold->keyspace)))
        clock = minutes_now(hold) << 8 | lfu_count_up(hold, e, keyspace_frequency(hold, e));
    else
        clock = lru_now(hold);
    if (entry_clock(e) != clock)
        clock_store(e, clock);
}

void recency_replace(const struct hold *hold, struct entry *e)
{
    uint32_t clock = recency_replaced(hold, e);
    if (entry_clock(e) != clock)
        clock_store(e, clock);
}

uint64_t keyspace_idle_s(const struct hold *hold, const struct entry *e)
{
    uint32_t idle = (lru_now(hold) - entry_clock(e)) & LRU_CLOCK_MAX;
    return idle > LRU_CLOCK_MAX - LRU_SKEW_S ? 0 : idle;
}

void keyspace_set_idle(struct hold *hold, struct entry *e, uint64_t idle_s)
{
    uint32_t idle = (uint32_t)MIN_OF(idle_s, (uint64_t)(LRU_CLOCK_MAX - LRU_SKEW_S));
    clock_store(e, (lru_now(hold) - idle) & LRU_CLOCK_MAX);
}

void keyspace_set_frequency(struct hold *hold, struct entry *e, uint8_t counter)
{
    clock_store(e, minutes_now(hold) << 8 | counter);
}
