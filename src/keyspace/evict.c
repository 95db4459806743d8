/* evict.c - choosing victims: approximate LRU, LFU, TTL or random, over whole buckets.
 *
 * A victim is the best candidate of `samples` buckets of one shard chosen at random by its share of the keys: a bucket is one line
 * and gives about eight candidates, so the default of 5 compares some forty keys. One shard is held at a time. Where few keys are volatile,
 * buckets are walked on from the random one until some candidate is found.
 */
#include "keyspace/shard.h"

#define SHARD_TRIES  64  /* random shards asked before giving up on a victim */
#define WALK_BUCKETS 512 /* buckets walked to find one volatile key */
#define BUCKET_ITEMS 64

struct choice {
    struct hold *hold;
    int policy;
    struct entry *best;
    uint64_t score; /* higher goes first */
    struct rand *random;
};

static bool policy_is_volatile(int policy)
{
    return policy == EVICT_VOLATILE_LRU || policy == EVICT_VOLATILE_LFU ||
           policy == EVICT_VOLATILE_TTL || policy == EVICT_VOLATILE_RANDOM;
}

static uint64_t score_of(const struct choice *c, const struct entry *e)
{
    switch (c->policy) {
    case EVICT_VOLATILE_LRU:
    case EVICT_ALLKEYS_LRU:
        return keyspace_idle_s(c->hold, e) + 1;
    case EVICT_VOLATILE_LFU:
    case EVICT_ALLKEYS_LFU:
        return 256u - keyspace_frequency(c->hold, e);
    case EVICT_VOLATILE_TTL:
        return (uint64_t)INT64_MAX - (uint64_t)MAX_OF(entry_expire_ms(e), 0);
    default:
        return (rand_next(c->random) >> 1) + 1;
    }
}

static void consider(void *item, void *ctx)
{
    struct choice *c = ctx;
    struct entry *e = item;
    if (policy_is_volatile(c->policy) && !entry_expires(e))
        return;
    uint64_t score = score_of(c, e);
    if (c->best == NULL || score > c->score) {
        c->best = e;
        c->score = score;
    }
}

static void choose(struct choice *c, struct table *keys)
{
    int samples = RELAXED_LOAD(&c->hold->keyspace->options.samples);
    void *items[BUCKET_ITEMS];
    for (int i = 0; i < samples; i++) {
        size_t count = table_sample(keys, rand_next(c->random), items, COUNT_OF(items));
        for (size_t n = 0; n < count; n++)
            consider(items[n], c);
    }
    if (c->best == NULL) {
        uint64_t at = rand_next(c->random) & TABLE_POSITION_MASK;
        for (unsigned walked = 0; c->best == NULL && walked < WALK_BUCKETS; walked += 8) {
            at = table_scan(keys, at, SIZE_MAX, 8, consider, c);
            at = at == TABLE_END ? 0 : at;
        }
    }
}

/* A database and shard that have candidates, chosen by share; false if there are none at all. */
static bool choose_shard(struct keyspace *ks, bool only_volatile, struct rand *random,
                         uint32_t *shard, uint32_t *db)
{
    size_t total = 0;
    for (uint32_t d = 0; d < ks->options.databases; d++)
        total += only_volatile ? keyspace_expires(ks, d) : keyspace_size(ks, d);
    if (total == 0)
        return false;
    size_t pick = rand_below(random, total);
    for (uint32_t d = 0; d < ks->options.databases; d++) {
        for (uint32_t i = 0; i < SHARD_COUNT; i++) {
            const struct shard_db *own = &ks->shards[i].dbs[d];
            size_t count = only_volatile ? RELAXED_LOAD(&own->expires) : RELAXED_LOAD(&own->count);
            if (pick < count) {
                *shard = i;
                *db = d;
                return true;
            }
            pick -= count;
        }
    }
    return false; /* counts moved while we looked */
}

static size_t evict_one(struct hold *hold, struct rand *random, int policy, enum removal why)
{
    struct keyspace *ks = hold->keyspace;
    for (int tries = 0; tries < SHARD_TRIES; tries++) {
        uint32_t i, d;
        if (!choose_shard(ks, policy_is_volatile(policy), random, &i, &d))
            return 0;
        hold_take(hold, UINT64_C(1) << i);
        struct choice c = {.hold = hold, .policy = policy, .random = random};
        choose(&c, ks->shards[i].dbs[d].keys);
        size_t freed = 0;
        if (c.best != NULL) {
            freed = entry_memory(c.best) + sizeof(uint64_t);
            struct key key = {.name = entry_key(c.best), .hash = entry_hash(c.best, ks), .db = d};
            if (ks->hooks.removing != NULL)
                ks->hooks.removing(ks->hooks.ctx, hold, &key, why);
            if (hold->stats != NULL)
                OWNER_ADD(
                    why == REMOVED_EVICTED ? &hold->stats->evicted : &hold->stats->evicted_disk, 1);
            shard_remove(hold, &key, c.best, RELAXED_LOAD(&ks->options.lazy_evict));
        }
        hold_drop(hold);
        if (freed != 0)
            return freed;
    }
    return 0;
}

size_t keyspace_evict(struct hold *hold, struct rand *random, size_t bytes, unsigned tries,
                      enum removal why)
{
    int policy = RELAXED_LOAD(&hold->keyspace->options.policy);
    size_t freed = 0;
    if (policy == EVICT_NONE)
        return 0;
    for (unsigned i = 0; i < tries && freed < bytes; i++) {
        size_t one = evict_one(hold, random, policy, why);
        if (one == 0)
            break;
        freed += one;
    }
    return freed;
}
