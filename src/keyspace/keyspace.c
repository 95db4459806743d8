/* keyspace.c - finding and changing keys: every path that builds, replaces or removes an entry is
 * here. */
#include "keyspace/shard.h"
#include "base/mem.h"

#define PAGE_MIN 4096 /* bytes; no page is smaller */

uint64_t entry_hash(const void *item, void *ctx)
{
    const struct keyspace *ks = ctx;
    struct slice key = entry_key(item);
    return hash_bytes(key.data, key.len, ks->seed);
}

ALWAYS_INLINE bool name_matches(const void *item, const void *key, void *ctx)
{
    (void)ctx;
    return entry_has_key(item, *(const struct slice *)key);
}

bool entry_matches(const void *item, const void *key, void *ctx)
{
    return name_matches(item, key, ctx);
}

struct keyspace *keyspace_new(const struct keyspace_options *options)
{
    struct keyspace *ks = mem_try_zalloc_aligned(CACHE_LINE, sizeof *ks);
    ASSERT(ks != NULL);
    ks->options = *options;
    ks->seed = rand_system();
    for (uint32_t i = 0; i < SHARD_COUNT; i++) {
        struct shard *shard = &ks->shards[i];
        shard->index = i;
        shard->keyspace = ks;
        shard->cells = cells_new();
        shard->dbs = mem_zalloc(options->databases * sizeof *shard->dbs);
        for (uint32_t d = 0; d < options->databases; d++) {
            shard->dbs[d].keys = table_new(entry_hash, ks);
            shard->dbs[d].rebuild_at = TABLE_END;
        }
    }
    return ks;
}

void keyspace_free(struct keyspace *ks)
{
    for (uint32_t i = 0; i < SHARD_COUNT; i++) {
        struct shard *shard = &ks->shards[i];
        for (uint32_t d = 0; d < ks->options.databases; d++) {
            shard_free_values(shard->dbs[d].keys, NULL);
            table_free(shard->dbs[d].keys);
            if (shard->dbs[d].due != NULL)
                calendar_free(shard->dbs[d].due);
        }
        mem_free(shard->dbs);
        cells_free_all(shard->cells);
        ASSERT(shard->waiters == 0);
        table_free(ks->queues[i]);
    }
    mem_free(ks);
}

struct keyspace_options *keyspace_options(struct keyspace *ks)
{
    return &ks->options;
}

void keyspace_set_hooks(struct keyspace *ks, const struct keyspace_hooks *hooks)
{
    ks->hooks = *hooks;
}

uint64_t keyspace_seed(const struct keyspace *ks)
{
    return ks->seed;
}

/* ---- finding ---- */

static NOINLINE struct entry *find_expired(struct hold *hold, const struct key *key,
                                           struct entry *e)
{
    if (hold->flags & (HOLD_LOADING | HOLD_SOURCE))
        return e;
    if (!(hold->flags & HOLD_READER)) {
        /* The name may be the entry's own; it is not used after the removal. */
        expire_remove(hold, key, e);
    }
    return NULL;
}

struct entry *keyspace_find(struct hold *hold, const struct key *key, unsigned how)
{
    struct shard *shard = keyspace_shard(hold->keyspace, key->hash);
    DEBUG_ASSERT(hold->mask & shard_bit(key->hash));
    struct entry *e =
        table_find(shard->dbs[key->db].keys, key->hash, name_matches, &key->name, NULL);
    if (e != NULL && UNLIKELY(entry_is_expired(e, hold->now_ms)))
        e = find_expired(hold, key, e);
    if (how & FIND_COUNT && hold->stats != NULL)
        OWNER_ADD(e != NULL ? &hold->stats->hits : &hold->stats->misses, 1);
    if (e != NULL && how & FIND_TOUCH && !(hold->flags & HOLD_NO_TOUCH))
        recency_touch(hold, e);
    return e;
}

#if defined(SPILLWAY_JEMALLOC)
/* Where the value outside of an entry is. Read without the lock, so the entry may be anything by
 * now: nothing beyond the page it begins in is read. */
static const char *value_unlocked(const struct entry *e)
{
    uint8_t flags = RELAXED_LOAD(&e->flags);
    size_t at = sizeof *e + (flags & ENTRY_EXPIRES ? 8u : 0u) + RELAXED_LOAD(&e->key_len);
    const char *value;
    if ((flags & (ENTRY_OUTLINE | ENTRY_LONG_KEY)) != ENTRY_OUTLINE ||
        (uintptr_t)e % PAGE_MIN + at + sizeof value > PAGE_MIN)
        return NULL;
    memcpy(&value, (const char *)e + at, sizeof value);
    return value;
}
#endif

/* Tight loops: a processor overlaps the page walks and misses of as many prefetches as fit
 * its window of instructions. They read tables without their lock, on purpose: what they compute is
 * only ever prefetched, and the allocator keeps the address space of freed tables mapped. Race
 * detectors would report them, so they do nothing there. */
void keyspace_prefetch(const struct keyspace *ks, uint32_t db, const uint64_t *hashes,
                       uint32_t count, bool values)
{
#if defined(SPILLWAY_JEMALLOC)
    const char *entries[KEYSPACE_SWEEP];
    uint64_t candidates[KEYSPACE_SWEEP];
    for (uint32_t i = 0; i < count; i++)
        table_prefetch_bucket(ks->shards[shard_index(hashes[i])].dbs[db].keys, hashes[i]);
    for (uint32_t i = 0; i < count; i++) {
        candidates[i] = table_candidate(ks->shards[shard_index(hashes[i])].dbs[db].keys, hashes[i]);
        PREFETCH(table_candidate_place(candidates[i]));
    }
    for (uint32_t i = 0; i < count; i++) {
        const char *entry = entries[i] = table_candidate_item(candidates[i], hashes[i]);
        uint32_t bytes = RELAXED_LOAD(&ks->shards[shard_index(hashes[i])].mean_size) >> MEAN_SHIFT;
        for (uint32_t at = 0; at < bytes + CACHE_LINE - 4; at += CACHE_LINE)
            PREFETCH(entry + at);
    }
    for (uint32_t i = 0; values && i < count; i++) {
        const char *value =
            entries[i] != NULL ? value_unlocked((const struct entry *)entries[i]) : NULL;
        if (value == NULL)
            continue;
        PREFETCH(value);
        PREFETCH(value + CACHE_LINE);
    }
#else
    (void)ks, (void)db, (void)hashes, (void)count, (void)values;
#endif
}

void keyspace_prefetch_elements(const struct hold *hold, const struct key *key,
                                const struct slice *names, size_t count)
{
    const struct shard *shard = keyspace_shard(hold->keyspace, key->hash);
    DEBUG_ASSERT(hold->mask & shard_bit(key->hash));
    const struct entry *e =
        table_find(shard->dbs[key->db].keys, key->hash, name_matches, &key->name, NULL);
    if (e != NULL && entry_type(e) != TYPE_STRING)
        value_prefetch(entry_value(e), names, count);
}

/* ---- changing ---- */

static NOINLINE void note_db_used(struct keyspace *ks, uint32_t db)
{
    uint32_t used = RELAXED_LOAD(&ks->dbs_used);
    while (used <= db && !__atomic_compare_exchange_n(&ks->dbs_used, &used, db + 1, true,
                                                      __ATOMIC_RELAXED, __ATOMIC_RELAXED))
        ;
}

/* Whether a flush has to walk to it. */
static bool is_outside_cells(const struct entry *e)
{
    return e->flags & ENTRY_OUTLINE || (e->flags & ENTRY_LONG_KEY && entry_size(e) > CELLS_MAX);
}

/* Files `fresh` under the key in place of `old` (NULL = a new key) and settles the counters; frees
 * old's shell, and its value unless it was moved into the fresh one. */
static struct entry *shard_store(struct hold *hold, const struct key *key, struct entry *old,
                                 struct entry *fresh, bool value_moved)
{
    struct shard *shard = keyspace_shard(hold->keyspace, key->hash);
    struct shard_db *db = &shard->dbs[key->db];
    int expires = entry_expires(fresh), outline = is_outside_cells(fresh);
    int elements = entry_note_elements(fresh);
    if (UNLIKELY(shard->waiters != 0) && !(old != NULL && value_moved))
        wait_signal(hold, key);
    if (old == NULL) {
        if (UNLIKELY(key->db >= keyspace_dbs_used(shard->keyspace)))
            note_db_used(shard->keyspace, key->db);
        table_insert(db->keys, key->hash, fresh);
        RELAXED_STORE(&db->count, db->count + 1);
    } else {
        table_replace(db->keys, key->hash, old, fresh);
        expires -= entry_expires(old);
        outline -= is_outside_cells(old);
        elements -= (old->flags & ENTRY_ELEMENTS_EXPIRE) != 0;
        if (!value_moved)
            entry_free_value(shard->keyspace, old,
                             RELAXED_LOAD(&shard->keyspace->options.lazy_server_del));
        entry_free_shell(shard, old);
    }
    if (expires != 0)
        RELAXED_STORE(&db->expires, db->expires + (size_t)expires);
    if (UNLIKELY(elements != 0))
        RELAXED_STORE(&db->elements, db->elements + (size_t)elements);
    db->outline += (size_t)outline;
    if (fresh->flags & (ENTRY_EXPIRES | ENTRY_ELEMENTS_EXPIRE) &&
        !(fresh->flags & ENTRY_IN_CALENDAR))
        expire_file(hold, db, fresh, key->hash);
    return fresh;
}

/* Whether a token already filed for `old` also serves an entry that expires at expire_ms and has
 * an element that is due at elements_ms. */
static uint8_t calendar_flag(const struct entry *old, int64_t expire_ms, int64_t elements_ms)
{
    if (old == NULL || !(old->flags & ENTRY_IN_CALENDAR))
        return 0;
    int64_t due_ms = expire_ms != EXPIRE_NONE ? MIN_OF(expire_ms, elements_ms) : elements_ms;
    if (due_ms == VALUE_NEVER_DUE)
        return ENTRY_IN_CALENDAR;
    int64_t old_ms = entry_due_ms(old);
    return old_ms != VALUE_NEVER_DUE && due_ms >= old_ms ? ENTRY_IN_CALENDAR : 0;
}

static struct entry *put_shape(struct hold *hold, const struct key *key, struct entry *old,
                               struct entry_shape *shape, bool value_moved)
{
    struct shard *shard = keyspace_shard(hold->keyspace, key->hash);
    struct value value = {shape->pointer, (uint8_t)shape->type, (uint8_t)shape->encoding};
    int64_t elements_ms = shape->pointer != NULL && shape->type != TYPE_STRING ? value_due_ms(value)
                                                                               : VALUE_NEVER_DUE;
    shape->keep_flags = calendar_flag(old, shape->expire_ms, elements_ms);
    return shard_store(hold, key, old, entry_build(shard, shape), value_moved);
}

/* Overwrites a string in place where the new one fits the old one's cell and shape. */
static bool overwrite(struct hold *hold, struct entry *e, struct slice value, int64_t expire_ms,
                      enum value_encoding encoding)
{
    if (e->flags & ENTRY_OUTLINE || entry_type(e) != TYPE_STRING ||
        entry_expires(e) != (expire_ms != EXPIRE_NONE))
        return false;
    size_t size = entry_size(e), fresh = size - e->value_len + value.len;
    if (size != fresh && (MAX_OF(size, fresh) > ENTRY_INLINE_MAX ||
                          cells_class_size(size) != cells_class_size(fresh)))
        return false;
    if (expire_ms != EXPIRE_NONE && expire_ms < entry_expire_ms(e))
        return false; /* needs an earlier token: the general path files it */
    memmove(entry_value_place(e), value.data, value.len);
    e->value_len = (uint16_t)value.len;
    e->type_encoding = (uint8_t)(TYPE_STRING | encoding << 4);
    if (expire_ms != EXPIRE_NONE)
        memcpy(e->rest, &expire_ms, 8);
    e->flags =
        (uint8_t)((e->flags & ~ENTRY_EPOCH_MASK) | hold->keyspace->epoch << ENTRY_EPOCH_SHIFT);
    recency_replace(hold, e);
    return true;
}

static bool string_fits_inline(const struct key *key, size_t value_len, int64_t expire_ms)
{
    struct entry_shape shape = {
        .key = key->name, .value = {NULL, value_len}, .expire_ms = expire_ms};
    return value_len <= sizeof(void *) || entry_shape_size(&shape) <= ENTRY_INLINE_MAX;
}

struct entry *keyspace_put_string(struct hold *hold, const struct key *key, struct entry *old,
                                  struct slice value, int64_t expire_ms)
{
    return keyspace_put_string_as(hold, key, old, value, expire_ms, string_encoding_of(value));
}

struct entry *keyspace_put_string_as(struct hold *hold, const struct key *key, struct entry *old,
                                     struct slice value, int64_t expire_ms,
                                     enum value_encoding encoding)
{
    if (old != NULL) {
        entry_before_change(hold, key->db, old, true);
        if (overwrite(hold, old, value, expire_ms, encoding))
            return old;
    }
    struct entry_shape shape = {.key = key->name,
                                .type = TYPE_STRING,
                                .encoding = encoding,
                                .value = value,
                                .expire_ms = expire_ms,
                                .clock = recency_replaced(hold, old)};
    if (!string_fits_inline(key, value.len, expire_ms))
        shape.pointer = blob_new(value.data, value.len, value.len);
    return put_shape(hold, key, old, &shape, false);
}

struct entry *keyspace_put_blob(struct hold *hold, const struct key *key, struct entry *old,
                                struct blob *blob, int64_t expire_ms)
{
    struct slice value = slice_of(blob->data, blob->len);
    if (string_fits_inline(key, value.len, expire_ms)) {
        struct entry *e = keyspace_put_string(hold, key, old, value, expire_ms);
        blob_release(blob);
        return e;
    }
    if (old != NULL)
        entry_before_change(hold, key->db, old, true);
    struct entry_shape shape = {.key = key->name,
                                .type = TYPE_STRING,
                                .encoding = string_encoding_of(value),
                                .pointer = blob,
                                .expire_ms = expire_ms,
                                .clock = recency_replaced(hold, old)};
    return put_shape(hold, key, old, &shape, false);
}

/* The string of an outline entry made `len` bytes long in its own blob; the entry stays where it
 * is. */
static char *edit_blob(struct hold *hold, struct entry *e, size_t len)
{
    struct blob *blob = entry_pointer(e);
    blob = blob_writable(blob, MAX_OF(len, blob->len));
    if (len > blob->len)
        memset(blob->data + blob->len, 0, len - blob->len);
    blob->len = len;
    memcpy(entry_value_place(e), &blob, sizeof blob);
    e->type_encoding = (uint8_t)(TYPE_STRING | ENCODING_RAW << 4);
    e->flags =
        (uint8_t)((e->flags & ~ENTRY_EPOCH_MASK) | hold->keyspace->epoch << ENTRY_EPOCH_SHIFT);
    return blob->data;
}

struct entry *keyspace_string_edit(struct hold *hold, const struct key *key, struct entry *old,
                                   size_t len, char **place)
{
    int64_t expire_ms = EXPIRE_NONE;
    struct slice value = {NULL, 0};
    uint32_t clock = recency_replaced(hold, old);
    if (old != NULL) {
        entry_before_change(hold, key->db, old, false);
        expire_ms = entry_expire_ms(old);
        value = entry_string(old);
        if (old->flags & ENTRY_OUTLINE && !string_fits_inline(key, len, expire_ms)) {
            *place = edit_blob(hold, old, len);
            return old;
        }
        if (len == value.len && overwrite(hold, old, value, expire_ms, ENCODING_RAW)) {
            *place = entry_value_place(old);
            return old;
        }
    }
    struct entry_shape shape = {.key = key->name,
                                .type = TYPE_STRING,
                                .encoding = ENCODING_RAW,
                                .value = {NULL, len},
                                .expire_ms = expire_ms,
                                .clock = clock,
                                .keep_flags = calendar_flag(old, expire_ms, VALUE_NEVER_DUE)};
    struct blob *blob = NULL;
    if (!string_fits_inline(key, len, expire_ms))
        shape.pointer = blob = blob_new(NULL, len, old == NULL ? len : len + len / 4);
    struct entry *fresh = entry_build(keyspace_shard(hold->keyspace, key->hash), &shape);
    *place = blob != NULL ? blob->data : entry_value_place(fresh);
    size_t kept = MIN_OF(value.len, len);
    if (kept != 0)
        memcpy(*place, value.data, kept);
    memset(*place + kept, 0, len - kept);
    return shard_store(hold, key, old, fresh, false);
}

struct entry *keyspace_put_value(struct hold *hold, const struct key *key, struct entry *old,
                                 struct value value, int64_t expire_ms)
{
    ASSERT(value.type != TYPE_STRING && value.pointer != NULL);
    if (old != NULL)
        entry_before_change(hold, key->db, old, true);
    struct entry_shape shape = {.key = key->name,
                                .type = value.type,
                                .encoding = value.encoding,
                                .pointer = value.pointer,
                                .expire_ms = expire_ms,
                                .clock = recency_replaced(hold, old)};
    return put_shape(hold, key, old, &shape, false);
}

struct value keyspace_edit_value(struct hold *hold, const struct key *key, struct entry *e)
{
    ASSERT(entry_type(e) != TYPE_STRING);
    keyspace_await_unpinned(hold->keyspace, entry_value(e));
    entry_before_change(hold, key->db, e, false);
    keyspace_mark_captured(hold->keyspace, e);
    return entry_value(e);
}

void keyspace_value_edited(struct entry *e, struct value value)
{
    ASSERT(entry_type(e) == value.type && value.pointer != NULL);
    memcpy(entry_value_place(e), &value.pointer, sizeof value.pointer);
    e->type_encoding = (uint8_t)(value.type | value.encoding << 4);
}

struct entry *keyspace_set_expire(struct hold *hold, const struct key *key, struct entry *e,
                                  int64_t expire_ms)
{
    if (entry_expire_ms(e) == expire_ms)
        return e;
    entry_before_change(hold, key->db, e, false);
    struct shard_db *db = &keyspace_shard(hold->keyspace, key->hash)->dbs[key->db];
    if (entry_expires(e) && expire_ms != EXPIRE_NONE) {
        int64_t elements_ms =
            e->flags & ENTRY_ELEMENTS_EXPIRE ? value_due_ms(entry_value(e)) : VALUE_NEVER_DUE;
        uint8_t keep = calendar_flag(e, expire_ms, elements_ms);
        memcpy(e->rest, &expire_ms, 8);
        e->flags = (uint8_t)((e->flags & ~(ENTRY_EPOCH_MASK | ENTRY_IN_CALENDAR)) | keep |
                             hold->keyspace->epoch << ENTRY_EPOCH_SHIFT);
        if (!keep)
            expire_file(hold, db, e, key->hash);
        return e;
    }
    struct entry_shape shape = {.key = entry_key(e),
                                .type = entry_type(e),
                                .encoding = entry_encoding(e),
                                .expire_ms = expire_ms,
                                .clock = entry_clock(e)};
    if (e->flags & ENTRY_OUTLINE)
        shape.pointer = entry_pointer(e);
    else
        shape.value = slice_of(entry_value_place(e), e->value_len);
    if (shape.pointer == NULL && !string_fits_inline(key, shape.value.len, expire_ms)) {
        shape.pointer = blob_new(shape.value.data, shape.value.len, shape.value.len);
        return put_shape(hold, key, e, &shape, false);
    }
    return put_shape(hold, key, e, &shape, true);
}

static void shard_unlink(struct hold *hold, const struct key *key, struct entry *e)
{
    struct shard *shard = keyspace_shard(hold->keyspace, key->hash);
    struct shard_db *db = &shard->dbs[key->db];
    if (UNLIKELY(shard->waiters != 0))
        wait_removed(hold, key);
    table_remove(db->keys, key->hash, e);
    RELAXED_STORE(&db->count, db->count - 1);
    if (entry_expires(e))
        RELAXED_STORE(&db->expires, db->expires - 1);
    if (UNLIKELY(e->flags & ENTRY_ELEMENTS_EXPIRE))
        RELAXED_STORE(&db->elements, db->elements - 1);
    if (is_outside_cells(e))
        db->outline--;
}

void shard_remove(struct hold *hold, const struct key *key, struct entry *e, bool lazy)
{
    struct shard *shard = keyspace_shard(hold->keyspace, key->hash);
    entry_before_change(hold, key->db, e, true);
    shard_unlink(hold, key, e);
    entry_free_value(shard->keyspace, e, lazy);
    entry_free_shell(shard, e);
}

void keyspace_remove(struct hold *hold, const struct key *key, struct entry *e, bool lazy)
{
    shard_remove(hold, key, e, lazy);
}

void keyspace_discard(struct hold *hold, struct value value, bool lazy)
{
    value_discard(hold->keyspace, value, lazy);
}

void keyspace_rename(struct hold *hold, const struct key *from, struct entry *e,
                     const struct key *to)
{
    struct keyspace *ks = hold->keyspace;
    struct entry *target = keyspace_find(hold, to, FIND_PEEK);
    if (target != NULL)
        shard_remove(hold, to, target, RELAXED_LOAD(&ks->options.lazy_server_del));
    entry_before_change(hold, from->db, e, false);
    struct entry_shape shape = {.key = to->name,
                                .type = entry_type(e),
                                .encoding = entry_encoding(e),
                                .expire_ms = entry_expire_ms(e),
                                .clock = entry_clock(e)};
    bool moved = e->flags & ENTRY_OUTLINE;
    if (moved)
        shape.pointer = entry_pointer(e);
    else
        shape.value = slice_of(entry_value_place(e), e->value_len);
    if (!moved && !string_fits_inline(to, shape.value.len, shape.expire_ms))
        shape.pointer = blob_new(shape.value.data, shape.value.len, shape.value.len);
    struct shard *source = keyspace_shard(ks, from->hash);
    struct entry *fresh = entry_build(keyspace_shard(ks, to->hash), &shape);
    shard_unlink(hold, from, e);
    entry_free_shell(source, e);
    shard_store(hold, to, NULL, fresh, false);
}

/* ---- whole databases ---- */

/* Field by field: the counters are read without the lock. */
static void shard_swap(struct shard_db *a, struct shard_db *b)
{
    struct shard_db was = *a;
    a->keys = b->keys;
    a->due = b->due;
    a->rebuild_at = b->rebuild_at;
    RELAXED_STORE(&a->count, b->count);
    RELAXED_STORE(&a->expires, b->expires);
    RELAXED_STORE(&a->elements, b->elements);
    a->outline = b->outline;
    b->keys = was.keys;
    b->due = was.due;
    b->rebuild_at = was.rebuild_at;
    RELAXED_STORE(&b->count, was.count);
    RELAXED_STORE(&b->expires, was.expires);
    RELAXED_STORE(&b->elements, was.elements);
    b->outline = was.outline;
}

void keyspace_swap_db(struct hold *hold, uint32_t a, uint32_t b)
{
    struct keyspace *ks = hold->keyspace;
    ASSERT(hold->mask == HOLD_ALL);
    if (a == b)
        return;
    if (ks->pass_active && ks->hooks.before_flush != NULL) {
        ks->hooks.before_flush(ks->hooks.ctx, hold, a, false);
        ks->hooks.before_flush(ks->hooks.ctx, hold, b, false);
    }
    if (MAX_OF(a, b) >= keyspace_dbs_used(ks))
        note_db_used(ks, MAX_OF(a, b));
    for (uint32_t i = 0; i < SHARD_COUNT; i++)
        shard_swap(&ks->shards[i].dbs[a], &ks->shards[i].dbs[b]);
    if (UNLIKELY(hold->waited != 0)) {
        wait_database_changed(hold, a, false);
        wait_database_changed(hold, b, false);
    }
}
