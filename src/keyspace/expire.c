/* expire.c - keys with a time to live: exact on access, and removed in the background by each
 * shard's calendar.
 *
 * The calendar holds a token (the key's hash) at or before the due time of every entry that
 * expires; ENTRY_IN_CALENDAR says so. Tokens are never taken back: one whose key is gone,
 * persistent or postponed is found out when it falls due. Extending a time to live therefore costs
 * nothing. Where stale tokens outnumber the live ones, a sweep files every expiry anew.
 */
#include "keyspace/shard.h"
#include "base/clock.h"

#define SLICE_NS        40000 /* of one expire or upkeep slice */
#define TOKENS_PER_TAKE 16
#define STALE_TOKENS    8192 /* beyond twice the live ones: rebuild */

void expire_remove(struct hold *hold, const struct key *key, struct entry *e)
{
    struct keyspace *ks = hold->keyspace;
    /* The key's name may lie in the entry that goes: the hook runs first. */
    if (ks->hooks.removing != NULL)
        ks->hooks.removing(ks->hooks.ctx, hold, key, REMOVED_EXPIRED);
    if (hold->stats != NULL)
        OWNER_ADD(&hold->stats->expired, 1);
    shard_remove(hold, key, e, RELAXED_LOAD(&ks->options.lazy_expire));
}

void expire_file(struct hold *hold, struct shard_db *db, struct entry *e, uint64_t hash)
{
    if (db->due == NULL)
        db->due = calendar_new(hold->now_ms);
    calendar_add(db->due, entry_expire_ms(e), hash);
    e->flags |= ENTRY_IN_CALENDAR;
}

struct token_search {
    struct keyspace *keyspace;
    uint64_t token;
};

static bool token_matches(const void *item, const void *key, void *ctx)
{
    const struct token_search *search = key;
    return entry_hash(item, search->keyspace) == search->token;
}

static void token_due(struct hold *hold, struct shard_db *db, uint32_t db_index, uint64_t token)
{
    struct token_search search = {hold->keyspace, token};
    struct entry *e = table_find(db->keys, token, token_matches, &search, NULL);
    if (e == NULL)
        return;
    if (entry_is_expired(e, hold->now_ms)) {
        struct key key = {.name = entry_key(e), .hash = token, .db = db_index};
        expire_remove(hold, &key, e);
    } else if (entry_expires(e)) {
        expire_file(hold, db, e, token);
    } else {
        e->flags &= (uint8_t)~ENTRY_IN_CALENDAR;
    }
}

/* One database of one held shard; false when the slice's time is over. */
static bool expire_db(struct hold *hold, struct shard_db *db, uint32_t index, uint64_t end_ns)
{
    if (db->due == NULL || calendar_count(db->due) == 0)
        return true;
    uint64_t tokens[TOKENS_PER_TAKE];
    bool more = true;
    while (more) {
        size_t count = calendar_take(db->due, hold->now_ms, tokens, TOKENS_PER_TAKE, &more);
        for (size_t i = 0; i < count; i++)
            token_due(hold, db, index, tokens[i]);
        if (more && clock_mono_ns() > end_ns)
            return false;
    }
    return true;
}

/* How many shards are this lane's. Slices begin at any of them, by the clock, so that one where
 * much is due does not keep the others waiting. */
static unsigned own_shards(const struct hold *hold, unsigned lanes)
{
    return hold->lane < SHARD_COUNT ? (SHARD_COUNT - hold->lane + lanes - 1) / lanes : 0;
}

bool keyspace_expire_slice(struct hold *hold, unsigned lanes)
{
    struct keyspace *ks = hold->keyspace;
    if (!RELAXED_LOAD(&ks->options.active_expire))
        return false;
    uint64_t end_ns = clock_mono_ns() + SLICE_NS;
    bool more = false;
    for (unsigned n = 0, own = own_shards(hold, lanes); n < own && !more; n++) {
        unsigned i = hold->lane + (n + (unsigned)(end_ns / SLICE_NS)) % own * lanes;
        struct shard *shard = &ks->shards[i];
        hold_take(hold, UINT64_C(1) << i);
        for (uint32_t d = 0; d < keyspace_dbs_used(ks) && !more; d++)
            more = !expire_db(hold, &shard->dbs[d], d, end_ns);
        hold_drop(hold);
    }
    return more;
}

struct rebuild {
    struct hold *hold;
    struct shard_db *db;
};

static void rebuild_visit(void *item, void *ctx)
{
    struct rebuild *r = ctx;
    struct entry *e = item;
    if (entry_expires(e))
        expire_file(r->hold, r->db, e, entry_hash(e, r->hold->keyspace));
}

static bool upkeep_db(struct hold *hold, struct shard_db *db)
{
    bool more = table_step(db->keys, 16);
    if (db->rebuild_at != TABLE_END) {
        struct rebuild r = {hold, db};
        db->rebuild_at = table_scan(db->keys, db->rebuild_at, 256, 64, rebuild_visit, &r);
        more = true;
    } else if (db->due != NULL && db->expires == 0 && calendar_count(db->due) != 0) {
        calendar_clear(db->due);
    } else if (db->due != NULL && calendar_count(db->due) > 2 * db->expires + STALE_TOKENS) {
        calendar_clear(db->due);
        db->rebuild_at = 0;
        more = true;
    }
    return more;
}

bool keyspace_upkeep_slice(struct hold *hold, unsigned lanes)
{
    struct keyspace *ks = hold->keyspace;
    uint64_t end_ns = clock_mono_ns() + SLICE_NS;
    bool more = false;
    for (unsigned n = 0, own = own_shards(hold, lanes); n < own; n++) {
        unsigned i = hold->lane + (n + (unsigned)(end_ns / SLICE_NS)) % own * lanes;
        hold_take(hold, UINT64_C(1) << i);
        for (uint32_t d = 0; d < keyspace_dbs_used(ks); d++)
            more |= upkeep_db(hold, &ks->shards[i].dbs[d]);
        hold_drop(hold);
        if (clock_mono_ns() > end_ns)
            return true;
    }
    return more;
}
