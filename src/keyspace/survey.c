/* survey.c - looking around in the keyspace: sizes, SCAN, sampling, and the view a snapshot pass
 * has. */
#include "keyspace/shard.h"
#include "base/mem.h"

#define SCAN_BUCKETS_PER_KEY 10 /* empty buckets looked at for one key asked for */
#define RANDOM_TRIES         128
#define TTL_SAMPLES          64

size_t keyspace_size(const struct keyspace *ks, uint32_t db)
{
    size_t sum = 0;
    for (uint32_t i = 0; i < SHARD_COUNT; i++)
        sum += RELAXED_LOAD(&ks->shards[i].dbs[db].count);
    return sum;
}

size_t keyspace_expires(const struct keyspace *ks, uint32_t db)
{
    size_t sum = 0;
    for (uint32_t i = 0; i < SHARD_COUNT; i++)
        sum += RELAXED_LOAD(&ks->shards[i].dbs[db].expires);
    return sum;
}

size_t keyspace_elements_expire(const struct keyspace *ks, uint32_t db)
{
    size_t sum = 0;
    for (uint32_t i = 0; i < SHARD_COUNT; i++)
        sum += RELAXED_LOAD(&ks->shards[i].dbs[db].elements);
    return sum;
}

size_t keyspace_idle_memory(const struct keyspace *ks)
{
    size_t sum = cells_pool_idle();
    for (uint32_t i = 0; i < SHARD_COUNT; i++)
        sum += RELAXED_LOAD(&ks->shards[i].idle);
    return sum;
}

/* Takes one shard unless the hold has it already; give the answer to leave_shard. */
static bool enter_shard(struct hold *hold, uint32_t shard)
{
    if (hold->mask & UINT64_C(1) << shard)
        return false;
    hold_take(hold, UINT64_C(1) << shard);
    return true;
}

static void leave_shard(struct hold *hold, bool taken)
{
    if (taken)
        hold_drop(hold);
}

struct visitor {
    struct hold *hold;
    uint32_t db;
    keyspace_visit_fn visit;
    keyspace_past_fn past; /* or NULL */
    void *ctx;
    size_t seen;
    bool expired_too;
    struct bytes gone; /* names to be removed: their lengths, each followed by the name */
};

static void note_gone(struct visitor *v, const struct key *key, const struct entry *e)
{
    uint32_t len = (uint32_t)key->name.len;
    if (v->past == NULL || v->hold->flags & HOLD_READER || !v->past(key, e, v->ctx))
        return;
    bytes_append(&v->gone, &len, sizeof len);
    bytes_append(&v->gone, key->name.data, len);
}

/* Finding removes what has expired. */
static void remove_gone(struct visitor *v)
{
    for (size_t at = 0; at < v->gone.len;) {
        uint32_t len;
        memcpy(&len, v->gone.data + at, sizeof len);
        struct slice name = slice_of(v->gone.data + at + sizeof len, len);
        struct key key = keyspace_key(v->hold->keyspace->seed, v->db, name);
        (void)!keyspace_find(v->hold, &key, FIND_PEEK);
        at += sizeof len + len;
    }
    v->gone.len = 0;
}

static void visit_entry(void *item, void *ctx)
{
    struct visitor *v = ctx;
    struct entry *e = item;
    bool all = v->expired_too || v->hold->flags & (HOLD_LOADING | HOLD_SOURCE);
    struct key key = {.name = entry_key(e), .hash = entry_hash(e, v->hold->keyspace), .db = v->db};
    if (!all && entry_is_expired(e, v->hold->now_ms)) {
        note_gone(v, &key, e);
        return;
    }
    v->seen++;
    v->visit(v->hold, &key, e, v->ctx);
}

uint64_t keyspace_scan(struct hold *hold, uint32_t db, uint64_t cursor, size_t count,
                       keyspace_visit_fn visit, keyspace_past_fn past, void *ctx)
{
    struct keyspace *ks = hold->keyspace;
    struct visitor v = {.hold = hold, .db = db, .visit = visit, .past = past, .ctx = ctx};
    size_t buckets =
        count > SIZE_MAX / SCAN_BUCKETS_PER_KEY ? SIZE_MAX : count * SCAN_BUCKETS_PER_KEY;
    uint64_t position = cursor & TABLE_POSITION_MASK;
    uint64_t first = cursor >> TABLE_POSITION_BITS, next = 0;
    for (uint32_t i = (uint32_t)MIN_OF(first, SHARD_COUNT); i < SHARD_COUNT && next == 0;
         i++, position = 0) {
        if (RELAXED_LOAD(&ks->shards[i].dbs[db].count) == 0)
            continue;
        bool taken = enter_shard(hold, i);
        position = table_scan(ks->shards[i].dbs[db].keys, position, count - v.seen, buckets,
                              visit_entry, &v);
        remove_gone(&v);
        leave_shard(hold, taken);
        if (position != TABLE_END) {
            next = (uint64_t)i << TABLE_POSITION_BITS | position;
        } else if (v.seen >= count) {
            next = i + 1 < SHARD_COUNT ? (uint64_t)(i + 1) << TABLE_POSITION_BITS : 0;
            break;
        }
    }
    bytes_free(&v.gone);
    return next;
}

void keyspace_each(struct hold *hold, uint32_t db, keyspace_visit_fn visit, void *ctx)
{
    struct visitor v = {.hold = hold, .db = db, .visit = visit, .ctx = ctx};
    for (uint64_t left = hold->mask; left != 0; left &= left - 1) {
        struct table *keys = hold->keyspace->shards[__builtin_ctzll(left)].dbs[db].keys;
        for (uint64_t at = 0; at != TABLE_END;)
            at = table_scan(keys, at, SIZE_MAX, SIZE_MAX, visit_entry, &v);
    }
}

/* One live entry of a bucket chosen at random, or NULL. */
static struct entry *sample_live(struct hold *hold, struct shard_db *db, uint64_t random)
{
    void *items[64];
    size_t count = table_sample(db->keys, random, items, COUNT_OF(items));
    for (size_t i = 0; i < count; i++) { /* the sample begins anywhere in the bucket */
        struct entry *e = items[i];
        if (hold->flags & HOLD_SOURCE || !entry_is_expired(e, hold->now_ms))
            return e;
    }
    return NULL;
}

struct first_live {
    struct bytes *name;
    bool found;
};

static void take_first(struct hold *hold, const struct key *key, struct entry *e, void *ctx)
{
    struct first_live *f = ctx;
    (void)hold, (void)e;
    if (!f->found) {
        f->name->len = 0;
        bytes_append(f->name, key->name.data, key->name.len);
        f->found = true;
    }
}

static bool any_past(const struct key *key, const struct entry *e, void *ctx)
{
    (void)key, (void)e, (void)ctx;
    return true;
}

bool keyspace_random(struct hold *hold, uint32_t db, uint64_t random, struct bytes *name)
{
    struct keyspace *ks = hold->keyspace;
    size_t total = keyspace_size(ks, db);
    struct rand r;
    rand_seed(&r, random);
    for (int tries = 0; total != 0 && tries < RANDOM_TRIES; tries++) {
        /* A shard with probability proportional to its keys. */
        size_t pick = rand_below(&r, total);
        uint32_t i = 0;
        for (; i + 1 < SHARD_COUNT; i++) {
            size_t count = RELAXED_LOAD(&ks->shards[i].dbs[db].count);
            if (pick < count)
                break;
            pick -= count;
        }
        bool taken = enter_shard(hold, i);
        struct entry *e = sample_live(hold, &ks->shards[i].dbs[db], rand_next(&r));
        if (e != NULL) {
            name->len = 0;
            bytes_append(name, entry_key(e).data, entry_key(e).len);
        }
        leave_shard(hold, taken);
        if (e != NULL)
            return true;
    }
    /* Nearly everything is expired or the database is tiny: walk to the first live key. */
    struct first_live f = {name, false};
    uint64_t cursor = 0;
    do {
        cursor = keyspace_scan(hold, db, cursor, 1, take_first, any_past, &f);
    } while (cursor != 0 && !f.found);
    return f.found;
}

int64_t keyspace_average_ttl_ms(struct hold *hold, uint32_t db)
{
    struct keyspace *ks = hold->keyspace;
    int64_t samples = 0;
    double mean = 0; /* times may be so far off that their sum is no int64_t */
    struct rand r;
    rand_seed(&r, (uint64_t)hold->now_ms);
    for (uint32_t tries = 0; tries < TTL_SAMPLES; tries++) {
        uint32_t i = (uint32_t)rand_below(&r, SHARD_COUNT);
        if (RELAXED_LOAD(&ks->shards[i].dbs[db].expires) == 0)
            continue;
        bool taken = enter_shard(hold, i);
        void *items[64];
        size_t count =
            table_sample(ks->shards[i].dbs[db].keys, rand_next(&r), items, COUNT_OF(items));
        for (size_t n = 0; n < count; n++) {
            const struct entry *e = items[n];
            if (entry_expires(e) && entry_expire_ms(e) > hold->now_ms) {
                samples++;
                mean += ((double)(entry_expire_ms(e) - hold->now_ms) - mean) / (double)samples;
            }
        }
        leave_shard(hold, taken);
    }
    return mean < 9e18 ? (int64_t)mean : INT64_MAX;
}

size_t keyspace_overhead(struct hold *hold, uint32_t db)
{
    size_t sum = 0;
    for (uint32_t i = 0; i < SHARD_COUNT; i++) {
        bool taken = enter_shard(hold, i);
        struct shard_db *own = &hold->keyspace->shards[i].dbs[db];
        sum += table_bytes(own->keys) + (own->due != NULL ? calendar_bytes(own->due) : 0);
        leave_shard(hold, taken);
    }
    return sum;
}

void keyspace_table_stats(struct hold *hold, uint32_t db, struct bytes *out)
{
    size_t items = 0, buckets = 0, bytes = 0, live = 0, held = 0;
    unsigned longest = 0;
    for (uint32_t i = 0; i < SHARD_COUNT; i++) {
        bool taken = enter_shard(hold, i);
        struct shard *shard = &hold->keyspace->shards[i];
        struct table *keys = shard->dbs[db].keys;
        struct cells_stats cells;
        cells_stats(shard->cells, &cells);
        items += table_count(keys);
        buckets += table_buckets(keys);
        bytes += table_bytes(keys);
        longest = MAX_OF(longest, table_longest(keys));
        live += cells.live_bytes;
        held += cells.held_bytes;
        leave_shard(hold, taken);
    }
    bytes_printf(out, "[Dictionary HT]\n");
    bytes_printf(out, " shards: %d\n number of elements: %zu\n buckets: %zu\n table bytes: %zu\n",
                 SHARD_COUNT, items, buckets, bytes);
    bytes_printf(out, " longest bucket: %u\n avg items per bucket: %.02f\n", longest,
                 buckets != 0 ? (double)items / (double)buckets : 0.0);
    bytes_printf(out, " cell bytes live: %zu\n cell bytes held: %zu\n", live, held);
    bytes_printf(out, "[Expires HT]\n number of elements: %zu\n",
                 keyspace_expires(hold->keyspace, db));
}

/* ---- the snapshot's view ---- */

static void mark_current(struct hold *hold, const struct key *key, struct entry *e, void *ctx)
{
    (void)key, (void)ctx;
    keyspace_mark_captured(hold->keyspace, e);
}

uint8_t keyspace_epoch_begin(struct hold *hold)
{
    struct keyspace *ks = hold->keyspace;
    ASSERT(hold->mask == HOLD_ALL && !ks->pass_active);
    /* Eight epochs: before entries left behind by abandoned passes could look captured, bring all
     * to the present one. */
    if (ks->incomplete_passes >= 6) {
        struct visitor v = {.hold = hold, .visit = mark_current, .expired_too = true};
        for (uint32_t i = 0; i < SHARD_COUNT; i++)
            for (v.db = 0; v.db < keyspace_dbs_used(ks); v.db++)
                for (uint64_t at = 0; at != TABLE_END;)
                    at = table_scan(ks->shards[i].dbs[v.db].keys, at, SIZE_MAX, SIZE_MAX,
                                    visit_entry, &v);
        ks->incomplete_passes = 0;
    }
    ks->epoch = (uint8_t)((ks->epoch + 1) & 7);
    ks->pass_active = true;
    return ks->epoch;
}

void keyspace_epoch_end(struct hold *hold, bool complete)
{
    struct keyspace *ks = hold->keyspace;
    ASSERT(hold->mask == HOLD_ALL && ks->pass_active);
    ks->pass_active = false;
    ks->incomplete_passes = complete ? 0 : (uint8_t)(ks->incomplete_passes + 1);
}

bool keyspace_epoch_active(const struct keyspace *ks)
{
    return ks->pass_active;
}

bool keyspace_is_captured(const struct keyspace *ks, const struct entry *e)
{
    return entry_epoch(e) == ks->epoch;
}

void keyspace_mark_captured(struct keyspace *ks, struct entry *e)
{
    e->flags = (uint8_t)((e->flags & ~ENTRY_EPOCH_MASK) | ks->epoch << ENTRY_EPOCH_SHIFT);
}

struct value keyspace_take_value(struct entry *e)
{
    struct value value = entry_value(e);
    ASSERT(e->flags & ENTRY_OUTLINE && value.type != TYPE_STRING && value.pointer != NULL);
    memset(entry_value_place(e), 0, sizeof(void *));
    return value;
}

/* A sweep looks at many entries that nobody else has touched lately: they are gathered first, so
 * that their lines arrive together, and then visited. */
struct sweep {
    struct hold *hold;
    uint32_t db;
    keyspace_visit_fn visit;
    void *ctx;
    uint32_t gathered;
    struct entry *entries[64];
};

static void sweep_visit(struct sweep *s)
{
    for (uint32_t i = 0; i < s->gathered; i++) {
        struct entry *e = s->entries[i];
        if (entry_epoch(e) == s->hold->keyspace->epoch)
            continue;
        struct key key = {.name = entry_key(e), .db = s->db};
        s->visit(s->hold, &key, e, s->ctx);
    }
    s->gathered = 0;
}

static void sweep_gather(void *item, void *ctx)
{
    struct sweep *s = ctx;
    PREFETCH(item);
    PREFETCH((char *)item + CACHE_LINE);
    s->entries[s->gathered++] = item;
    if (s->gathered == COUNT_OF(s->entries))
        sweep_visit(s);
}

uint64_t keyspace_sweep(struct hold *hold, uint32_t shard, uint32_t db, uint64_t position,
                        size_t count, keyspace_visit_fn visit, void *ctx)
{
    DEBUG_ASSERT(hold->mask & UINT64_C(1) << shard);
    struct sweep s = {.hold = hold, .db = db, .visit = visit, .ctx = ctx};
    position = table_scan(hold->keyspace->shards[shard].dbs[db].keys, position, count, count,
                          sweep_gather, &s);
    sweep_visit(&s);
    return position;
}

void keyspace_note_logged(struct hold *hold, uint64_t log_end)
{
    for (uint64_t left = hold->mask; left != 0; left &= left - 1)
        RELAXED_STORE(&hold->keyspace->shards[__builtin_ctzll(left)].logged, log_end);
}

uint64_t keyspace_logged(const struct keyspace *ks, uint64_t mask)
{
    uint64_t latest = 0;
    for (; mask != 0; mask &= mask - 1) {
        uint64_t at = RELAXED_LOAD(&ks->shards[__builtin_ctzll(mask)].logged);
        latest = MAX_OF(latest, at);
    }
    return latest;
}
