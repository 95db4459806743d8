/* expire.c - keys with a time to live, and values with elements that have one: exact on access, and
 * removed in the background by each shard's calendar.
 *
 * The calendar holds a token (the key's hash) at or before the due time of every entry that
 * expires or has an element that does; ENTRY_IN_CALENDAR says so. Tokens are never taken back: one
 * whose key is gone, persistent or postponed is found out when it falls due. Extending a time to
 * live therefore costs nothing. Where stale tokens outnumber the live ones, a sweep files every
 * expiry anew.
 *
 * Of a value it is known here only when something in it is due (value_due_ms) and how to remove
 * what is (value_expire), in steps: what a slice does not get done is filed as due at once.
 * Elements of a large value that a pass has not captured yet stay until it has: it would have to be
 * copied as a whole before the first of them goes. Those of a pinned one (keyspace/pin.h) stay until
 * it is not any more. Nobody sees them meanwhile.
 */
#include "keyspace/shard.h"
#include "base/clock.h"

#define SLICE_NS        40000 /* of one expire or upkeep slice */
#define TOKENS_PER_TAKE 16
#define STALE_TOKENS    8192 /* beyond twice the live ones: rebuild */
#define ELEMENTS_STEP   64   /* elements removed between two looks at the clock */
#define COPIED_EFFORT   1024 /* of a value that may be copied for a pass */
#define IN_USE_WAIT_MS  100  /* until one whose elements must stay is looked at again */

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
    calendar_add(db->due, entry_due_ms(e), hash);
    e->flags |= ENTRY_IN_CALENDAR;
}

/* Its elements must stay for now. */
static bool is_in_use(const struct hold *hold, const struct entry *e)
{
    const struct keyspace *ks = hold->keyspace;
    if (UNLIKELY(value_is_pinned(ks, entry_value(e))))
        return true;
    return UNLIKELY(ks->pass_active) && entry_epoch(e) != ks->epoch &&
           value_effort(entry_value(e)) > COPIED_EFFORT;
}

/* ---- elements ---- */

static void note_elements(struct shard_db *db, struct entry *e)
{
    int change = entry_note_elements(e);
    if (change != 0)
        RELAXED_STORE(&db->elements, db->elements + (size_t)change);
}

void keyspace_elements_timed(struct hold *hold, const struct key *key, struct entry *e,
                             int64_t due_before_ms)
{
    struct shard_db *db = &keyspace_shard(hold->keyspace, key->hash)->dbs[key->db];
    note_elements(db, e);
    if (!(e->flags & ENTRY_ELEMENTS_EXPIRE))
        return;
    bool filed = e->flags & ENTRY_IN_CALENDAR;
    if (entry_expires(e))
        due_before_ms = MIN_OF(due_before_ms, entry_expire_ms(e));
    if (!filed || entry_due_ms(e) < due_before_ms)
        expire_file(hold, db, e, key->hash);
}

void keyspace_expiring_element(struct hold *hold, const struct key *key, struct slice element)
{
    struct keyspace *ks = hold->keyspace;
    if (ks->hooks.removing_element != NULL)
        ks->hooks.removing_element(ks->hooks.ctx, hold, key, element);
    if (hold->stats != NULL)
        OWNER_ADD(&hold->stats->expired_elements, 1);
}

void keyspace_elements_expired(struct hold *hold, const struct key *key, bool emptied)
{
    struct keyspace *ks = hold->keyspace;
    if (ks->hooks.removed_elements != NULL)
        ks->hooks.removed_elements(ks->hooks.ctx, hold, key, emptied);
}

struct expiring {
    struct hold *hold;
    const struct key *key;
    bool any;
};

static void element_gone(void *ctx, struct slice element)
{
    struct expiring *x = ctx;
    keyspace_expiring_element(x->hold, x->key, element);
    x->any = true;
}

/* A step; *more: something is due still. NULL: the entry is gone. */
static struct entry *expire_elements(struct hold *hold, const struct key *key, struct entry *e,
                                     size_t budget, bool *more)
{
    struct shard_db *db = &keyspace_shard(hold->keyspace, key->hash)->dbs[key->db];
    struct expiring x = {hold, key, false};
    struct value value = keyspace_edit_value(hold, key, e);
    enum value_expired result = value_expire(&value, hold->now_ms, budget, element_gone, &x);
    keyspace_value_edited(e, value);
    *more = result == VALUE_MORE_DUE;
    if (x.any)
        keyspace_elements_expired(hold, key, result == VALUE_EMPTIED);
    if (result == VALUE_EMPTIED) {
        shard_remove(hold, key, e, RELAXED_LOAD(&hold->keyspace->options.lazy_expire));
        return NULL;
    }
    note_elements(db, e); /* what is left is due later: the token there is serves it */
    return e;
}

static bool elements_are_due(const struct hold *hold, const struct entry *e)
{
    return UNLIKELY(e->flags & ENTRY_ELEMENTS_EXPIRE) &&
           value_due_ms(entry_value(e)) <= hold->now_ms;
}

struct entry *keyspace_expire_elements(struct hold *hold, const struct key *key, struct entry *e,
                                       size_t budget)
{
    bool more;
    if (hold->flags & (HOLD_LOADING | HOLD_READER | HOLD_SOURCE) || !elements_are_due(hold, e) ||
        is_in_use(hold, e))
        return e;
    return expire_elements(hold, key, e, budget, &more);
}

/* ---- the calendar's work ---- */

struct token_search {
    struct keyspace *keyspace;
    uint64_t token;
};

static bool token_matches(const void *item, const void *key, void *ctx)
{
    const struct token_search *search = key;
    return entry_hash(item, search->keyspace) == search->token;
}

/* True: some of it is due still, and the time is over. */
static bool token_due(struct hold *hold, struct shard_db *db, uint32_t db_index, uint64_t token,
                      uint64_t end_ns)
{
    struct token_search search = {hold->keyspace, token};
    struct entry *e = table_find(db->keys, token, token_matches, &search, NULL);
    if (e == NULL)
        return false;
    struct key key = {.name = entry_key(e), .hash = token, .db = db_index};
    if (entry_is_expired(e, hold->now_ms)) {
        expire_remove(hold, &key, e);
        return false;
    }
    bool more = elements_are_due(hold, e);
    if (more && is_in_use(hold, e)) {
        calendar_add(db->due, hold->now_ms + IN_USE_WAIT_MS, token);
        return false;
    }
    while (more && e != NULL) {
        e = expire_elements(hold, &key, e, ELEMENTS_STEP, &more);
        if (more && clock_mono_ns() > end_ns)
            break;
    }
    if (e == NULL)
        return false;
    if (entry_due_ms(e) != VALUE_NEVER_DUE)
        expire_file(hold, db, e, token);
    else
        e->flags &= (uint8_t)~ENTRY_IN_CALENDAR;
    return more;
}

/* One database of one held shard; false when the slice's time is over. */
static bool expire_db(struct hold *hold, struct shard_db *db, uint32_t index, uint64_t end_ns)
{
    if (db->due == NULL || calendar_count(db->due) == 0)
        return true;
    uint64_t tokens[TOKENS_PER_TAKE];
    bool more = true, unfinished = false;
    while (more) {
        size_t count = calendar_take(db->due, hold->now_ms, tokens, TOKENS_PER_TAKE, &more);
        for (size_t i = 0; i < count; i++)
            unfinished |= token_due(hold, db, index, tokens[i], end_ns);
        if (more && clock_mono_ns() > end_ns)
            return false;
    }
    return !unfinished;
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
    if (!RELAXED_LOAD(&ks->options.active_expire) || RELAXED_LOAD(&ks->options.import_mode))
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
    if (entry_due_ms(e) != VALUE_NEVER_DUE)
        expire_file(r->hold, r->db, e, entry_hash(e, r->hold->keyspace));
}

static bool upkeep_db(struct hold *hold, struct shard_db *db)
{
    bool more = table_step(db->keys, 16);
    size_t timed = db->expires + db->elements;
    if (db->rebuild_at != TABLE_END) {
        struct rebuild r = {hold, db};
        db->rebuild_at = table_scan(db->keys, db->rebuild_at, 256, 64, rebuild_visit, &r);
        more = true;
    } else if (db->due != NULL && timed == 0 && calendar_count(db->due) != 0) {
        calendar_clear(db->due);
    } else if (db->due != NULL && calendar_count(db->due) > 2 * timed + STALE_TOKENS) {
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
