/* evict.c - choosing victims: approximate LRU, LFU, TTL or random, over whole buckets.
 *
 * A victim is the best candidate of a few buckets of one shard, chosen at random by its share of
 * the keys: a bucket is one line and gives about eight candidates, so three buckets, some
 * twenty-seven keys, serve the default of 5 samples. One shard is held at a time. Where few keys
 * are volatile, candidates come from their calendar too; if all of that finds none, buckets are
 * walked on from a random one.
 */
#include "keyspace/shard.h"

#define SAMPLES_PER_BUCKET 2
#define SHARD_TRIES        64 /* random shards asked before giving up on a victim */
#define SHARD_MANY         64 /* candidates from which a shard is as good as any other */
#define SPARSE             16 /* so many keys to a volatile one: ask the calendar */
#define CALENDAR_TOKENS    32
#define WALK_BUCKETS       512 /* buckets walked to find one volatile key */
#define BUCKET_ITEMS       64
#define MEMORY_SAMPLES     5 /* parts of a large value looked at to tell its size */

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

struct token_search {
    const struct choice *choice;
    uint64_t token;
};

static bool token_matches(const void *item, const void *key, void *ctx)
{
    const struct token_search *search = key;
    return entry_hash(item, search->choice->hold->keyspace) == search->token;
}

/* Where few keys are volatile, buckets hardly show any: their calendar does. */
static void consider_calendar(struct choice *c, const struct shard_db *db)
{
    uint64_t tokens[CALENDAR_TOKENS];
    if (db->due == NULL)
        return;
    size_t count = calendar_sample(db->due, rand_next(c->random), tokens, COUNT_OF(tokens));
    for (size_t i = 0; i < count; i++) {
        struct token_search search = {c, tokens[i]};
        struct entry *e = table_find(db->keys, tokens[i], token_matches, &search, NULL);
        if (e != NULL)
            consider(e, c);
    }
}

static void walk(struct choice *c, const struct table *keys)
{
    uint64_t at = rand_next(c->random) & TABLE_POSITION_MASK;
    for (unsigned walked = 0; c->best == NULL && walked < WALK_BUCKETS; walked += 8) {
        at = table_scan(keys, at, SIZE_MAX, 8, consider, c);
        at = at == TABLE_END ? 0 : at;
    }
}

static void choose(struct choice *c, const struct shard_db *db)
{
    int samples = RELAXED_LOAD(&c->hold->keyspace->options.samples);
    void *items[BUCKET_ITEMS];
    for (int i = 0; i < samples; i += SAMPLES_PER_BUCKET) {
        size_t count = table_sample(db->keys, rand_next(c->random), items, COUNT_OF(items));
        for (size_t n = 0; n < count; n++)
            consider(items[n], c);
    }
    if (policy_is_volatile(c->policy) && db->expires * SPARSE <= db->count)
        consider_calendar(c, db);
    if (c->best == NULL)
        walk(c, db->keys);
}

ALWAYS_INLINE size_t candidates(const struct shard_db *db, bool only_volatile)
{
    return only_volatile ? RELAXED_LOAD(&db->expires) : RELAXED_LOAD(&db->count);
}

static size_t shard_candidates(const struct shard *shard, uint32_t dbs, bool only_volatile)
{
    size_t sum = 0;
    for (uint32_t d = 0; d < dbs; d++)
        sum += candidates(&shard->dbs[d], only_volatile);
    return sum;
}

/* A shard that has candidates, and how many: chosen by its share of them. Hashing fills shards
 * evenly, so any that has many will do; only among few keys do all have to be counted. 0: there are
 * none. */
static size_t choose_shard(const struct keyspace *ks, uint32_t dbs, bool only_volatile,
                           struct rand *random, uint32_t *shard)
{
    size_t counts[SHARD_COUNT], total = 0;
    *shard = (uint32_t)rand_below(random, SHARD_COUNT);
    size_t own = shard_candidates(&ks->shards[*shard], dbs, only_volatile);
    if (LIKELY(own >= SHARD_MANY))
        return own;
    for (uint32_t i = 0; i < SHARD_COUNT; i++) {
        counts[i] = shard_candidates(&ks->shards[i], dbs, only_volatile);
        total += counts[i];
    }
    if (total == 0)
        return 0;
    size_t pick = rand_below(random, total);
    for (*shard = 0; pick >= counts[*shard]; (*shard)++)
        pick -= counts[*shard];
    return counts[*shard];
}

/* The database of the pick-th candidate of a shard. */
static uint32_t choose_db(const struct shard *shard, uint32_t dbs, bool only_volatile, size_t pick)
{
    uint32_t d = 0;
    for (; d + 1 < dbs; d++) {
        size_t count = candidates(&shard->dbs[d], only_volatile);
        if (pick < count)
            break;
        pick -= count;
    }
    return d;
}

static size_t evict_one(struct hold *hold, struct rand *random, int policy, enum removal why)
{
    struct keyspace *ks = hold->keyspace;
    for (int tries = 0; tries < SHARD_TRIES; tries++) {
        bool only_volatile = policy_is_volatile(policy);
        uint32_t i, dbs = keyspace_dbs_used(ks);
        size_t count = choose_shard(ks, dbs, only_volatile, random, &i);
        if (count == 0)
            return 0;
        hold_take(hold, UINT64_C(1) << i);
        struct choice c = {.hold = hold, .policy = policy, .random = random};
        uint32_t d = choose_db(&ks->shards[i], dbs, only_volatile, rand_below(random, count));
        choose(&c, &ks->shards[i].dbs[d]);
        size_t freed = 0;
        if (c.best != NULL) {
            freed = entry_memory(c.best, MEMORY_SAMPLES) + sizeof(uint64_t);
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
    if (policy == EVICT_NONE || RELAXED_LOAD(&hold->keyspace->options.import_mode))
        return 0;
    for (unsigned i = 0; i < tries && freed < bytes; i++) {
        size_t one = evict_one(hold, random, policy, why);
        if (one == 0)
            break;
        freed += one;
    }
    return freed;
}
