/* verdict.c - the words of the guard, and the slow halves of admission and eviction quotas. */
#include "base/bytes.h"
#include "guard/verdict.h"

static const char *const levels[] = {"ok", "low", "high", "critical", "full", "unknown"};
static const char *const healths[] = {"durable", "lagging", "suspended", "repairing"};
static const char *const causes[] = {"none",    "space", "quota", "inode", "readonly",
                                     "ioerror", "fsync", "stall", "mount", "config"};
static const char *const policies[] = {"auto", "evict", "memory-only", "shed", "strict"};
static const char *const triggers[] = {"none", "growth", "space", "retry", "repair", "command"};

const char *guard_level_name(enum guard_level level)
{
    return levels[level];
}

const char *guard_health_name(enum guard_health health)
{
    return healths[health];
}

const char *guard_cause_name(enum guard_cause cause)
{
    return causes[cause];
}

const char *guard_policy_name(enum guard_policy policy)
{
    return policies[policy];
}

const char *guard_trigger_name(enum guard_trigger trigger)
{
    return triggers[trigger];
}

bool guard_policy_parse(const char *word, enum guard_policy *out)
{
    for (size_t i = 0; i < COUNT_OF(policies); i++)
        if (slice_is(slice_str(word), policies[i])) {
            *out = (enum guard_policy)i;
            return true;
        }
    return false;
}

/* A command may overdraw the credit by itself, never by more than there is room above the
 * critical mark. */
enum guard_answer guard_admit_slow(struct guard_verdict *v, struct guard_purse *purse,
                                   uint64_t bytes)
{
    uint32_t epoch = RELAXED_LOAD(&v->epoch);
    int64_t chunk;
    if (RELAXED_LOAD(&v->growth) == GUARD_GROWTH_REFUSED)
        return GUARD_REFUSE;
    if (purse->epoch != epoch)
        *purse = (struct guard_purse){0, epoch};
    if (bytes > RELAXED_LOAD(&v->largest))
        return GUARD_REFUSE;
    if (RELAXED_LOAD(&v->credit) <= 0) {
        RELAXED_ADD(&v->starved, 1);
        return GUARD_DELAY;
    }
    chunk = (int64_t)MAX_OF(bytes, (uint64_t)GUARD_CHUNK_BYTES);
    RELAXED_ADD(&v->credit, -chunk);
    purse->left += chunk - (int64_t)bytes;
    return GUARD_ADMIT;
}

uint64_t guard_evict_take(struct guard_verdict *v, uint64_t max)
{
    int64_t left = RELAXED_LOAD(&v->evict_quota), take;
    if (!RELAXED_LOAD(&v->evict_on))
        return 0;
    do {
        if (left <= 0)
            return 0;
        take = MIN_OF(left, (int64_t)MIN_OF(max, (uint64_t)INT64_MAX));
    } while (!__atomic_compare_exchange_n(&v->evict_quota, &left, left - take, true,
                                          __ATOMIC_RELAXED, __ATOMIC_RELAXED));
    return (uint64_t)take;
}
