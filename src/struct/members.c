/* members.c - large sets and hashes, and sorted sets by name; see members.h for what a record is.
 *
 * The table is a struct table of records, so hash order is the order of walks, and growth is its
 * affair. This file knows records: where they lie, what is in them, which of them expire.
 *
 * Where. There may be a million collections of a few hundred members and one of a million. A heap
 * of its own (struct cells) rounds records to 4 bytes instead of 16 and is freed by the chunk, but
 * costs 2.5 KB and some half-empty pages. So a collection has one from HEAP_FROM members on;
 * records that are there by then stay in allocations of their own, as do those that are too large
 * for a heap (MEMBER_OUTSIDE). Only these must be found when all is freed.
 *
 * Expiry. Up to SWEEP_MAX members nothing is kept but a bound of the earliest expiry: when that
 * has come, all members are looked at. Beyond it, the first time something may be due a calendar
 * is made and filled, some members a step. It holds a token (the hash) due at or before the expiry
 * of every field that has one, behind the cursor of the filling. Tokens are never taken
 * back, so when most of them are stale it is emptied and filled anew.
 *
 * Shrinking. Random removals leave a heap full of holes. When more is idle than in use, its records
 * are moved to another heap, or to allocations of their own if there are few, some at each
 * members_compact_step: the head of a record says which of the two heaps it is in (MEMBER_SIDE).
 *
 * Cost: see tests/bench/bench_members.c.
 */
#include "base/hash.h"
#include "base/mem.h"
#include "base/pace.h"
#include "base/panic.h"
#include "base/rand.h"
#include "struct/calendar.h"
#include "struct/cells.h"
#include "struct/members.h"

#define HEAP_FROM     4096 /* members */
#define SWEEP_MAX     256  /* members */
#define STALE_TOKENS  1024 /* on top of twice the live ones and some for each member: fill anew */
#define FILL_ITEMS    64   /* members, and buckets, looked at in a step of filling */
#define FILL_BUCKETS  32
#define DUE_MAX       64   /* fields removed at a time */
#define SEGMENT_ITEMS 256  /* what freeing a segment of the table costs, in records ... */
#define CHUNK_ITEMS   1024 /* ... and a chunk of the heap */
#define FREED_AT_ONCE 4096 /* records between two offers of the processor */
#define RANDOM_TRIES  128
#define SAMPLE_PACE   64               /* records chosen between two offers */
#define REMOVED_AHEAD 16               /* records brought to the cache ahead of their removal */
#define IDLE_MIN      ((size_t)131072) /* bytes of a heap that may be idle anyway */
#define MOVE_MAX      128              /* records moved in a step of compaction */

/* Under way while records are moved out of a heap. */
struct compaction {
    struct cells *from;
    uint64_t cursor; /* all records before it are out */
};

struct members {
    struct table *table;
    uint64_t seed;
    struct cells *heap;            /* where new records go; NULL until HEAP_FROM */
    struct compaction *compaction; /* NULL mostly */
    struct calendar *calendar;     /* NULL while there is no use for it */
    size_t bytes;                  /* of the allocations of all records */
    size_t outside;                /* records with MEMBER_OUTSIDE */
    size_t expiring;
    int64_t earliest; /* without a calendar: nothing is due before this */
    uint64_t cursor;  /* of filling the calendar, else MEMBERS_END; of freeing */
    uint8_t kind;
    uint8_t side; /* MEMBER_SIDE or 0, as the records in `heap` have it */
    bool freeing; /* set once */
};

static uint64_t hash_name(const struct members *m, struct slice name)
{
    return hash_bytes(name.data, name.len, m->seed);
}

static uint64_t hash_of(const void *item, void *ctx)
{
    return hash_name(ctx, member_name(item));
}

static bool has_name(const void *item, const void *key, void *ctx)
{
    const struct slice *name = key;
    struct slice own = member_name(item);
    return own.len == name->len && bytes_equal(own.data, name->data, own.len);
}

/* ---- Records --------------------------------------------------------------------------------- */

/* What a record is to hold. */
struct content {
    struct slice name, value;
    int64_t expire_ms;
    double score;
};

static size_t name_length_bytes(size_t length)
{
    return length < MEMBER_LENGTH_BYTE ? 0 : length <= UINT8_MAX ? 1 : sizeof(uint32_t);
}

static size_t value_length_bytes(size_t length)
{
    return length < MEMBER_VALUE_LONG ? 1 : 1 + sizeof(uint32_t);
}

static size_t content_size(const struct members *m, const struct content *c)
{
    size_t size = offsetof(struct member, rest) + name_length_bytes(c->name.len) + c->name.len;
    if (m->kind == MEMBERS_ZSET)
        return size + sizeof(double);
    if (m->kind == MEMBERS_SET)
        return size;
    size += c->expire_ms == MEMBER_NO_EXPIRY ? 0 : sizeof(int64_t);
    return size + value_length_bytes(c->value.len) + c->value.len;
}

static size_t record_size(const struct members *m, const struct member *r)
{
    struct slice last = m->kind == MEMBERS_HASH ? member_value(r) : member_name(r);
    size_t size = (size_t)(last.data + last.len - (const char *)r);
    return m->kind == MEMBERS_ZSET ? size + sizeof(double) : size;
}

/* What an allocation for `size` bytes takes. */
static size_t room_of(size_t size, bool outside)
{
    return outside ? mem_good_size(size) : cells_class_size(size);
}

/* Writes what is behind the name. The value may be the record's own. */
static void write_tail(const struct members *m, struct member *r, const struct content *c)
{
    struct slice name = member_name(r);
    char *at = (char *)name.data + name.len;
    if (m->kind == MEMBERS_ZSET)
        memcpy(at, &c->score, sizeof(c->score));
    if (m->kind != MEMBERS_HASH)
        return;
    uint32_t length = (uint32_t)c->value.len;
    size_t length_bytes = value_length_bytes(length);
    bool expires = c->expire_ms != MEMBER_NO_EXPIRY;
    char *value = at + (expires ? sizeof(int64_t) : 0) + length_bytes;
    memmove(value, c->value.data, length); /* first, because the rest may lie where it was */
    if (length_bytes > 1)
        memcpy(value - sizeof(length), &length, sizeof(length));
    *(value - length_bytes) = (char)(length_bytes > 1 ? MEMBER_VALUE_LONG : length);
    if (expires)
        memcpy(at, &c->expire_ms, sizeof(c->expire_ms));
    r->head = (uint8_t)((r->head & ~MEMBER_EXPIRES) | (expires ? MEMBER_EXPIRES : 0));
}

static void write_name(struct member *r, struct slice name)
{
    uint32_t length = (uint32_t)name.len;
    size_t length_bytes = name_length_bytes(length);
    r->head |= (uint8_t)(length_bytes == 0   ? length
                         : length_bytes == 1 ? MEMBER_LENGTH_BYTE
                                             : MEMBER_LENGTH_LONG);
    if (length_bytes == 1)
        r->rest[0] = (char)length;
    else if (length_bytes > 1)
        memcpy(r->rest, &length, sizeof(length));
    memcpy(r->rest + length_bytes, name.data, length);
}

/* Memory for a record of `size` bytes, with its head set but for the length, or NULL. */
static struct member *record_alloc(struct members *m, size_t size)
{
    if (UNLIKELY(!m->heap && table_count(m->table) >= HEAP_FROM))
        m->heap = cells_new();
    bool outside = !m->heap || size > CELLS_MAX;
    size_t room = room_of(size, outside);
    struct member *r = outside ? mem_try_alloc(room) : cells_alloc(m->heap, room);
    if (!r)
        return NULL;
    m->outside += outside;
    m->bytes += room;
    r->head = outside ? MEMBER_OUTSIDE : m->side;
    return r;
}

static void record_free(struct members *m, struct member *r)
{
    bool outside = r->head & MEMBER_OUTSIDE;
    size_t room = room_of(record_size(m, r), outside);
    m->outside -= outside;
    m->bytes -= room;
    if (outside)
        mem_free_sized(r, room);
    else
        cells_free((r->head & MEMBER_SIDE) == m->side ? m->heap : m->compaction->from, r, room);
}

/* A record that is not in the table yet, or NULL. */
static struct member *record_new(struct members *m, const struct content *c)
{
    ASSERT(c->name.len <= UINT32_MAX && c->value.len <= UINT32_MAX);
    struct member *r = record_alloc(m, content_size(m, c));
    if (!r)
        return NULL;
    write_name(r, c->name);
    write_tail(m, r, c);
    return r;
}

/* Gives a field other contents behind its name. NULL: no memory. */
static struct member *record_change(struct members *m, struct member *r, const struct content *c)
{
    ASSERT(c->value.len <= UINT32_MAX);
    size_t size = content_size(m, c);
    bool outside = r->head & MEMBER_OUTSIDE;
    if ((outside || size <= CELLS_MAX) &&
        room_of(size, outside) == room_of(record_size(m, r), outside)) {
        write_tail(m, r, c);
        return r;
    }
    struct member *fresh = record_new(m, c);
    if (!fresh)
        return NULL;
    table_replace(m->table, hash_of(r, m), r, fresh);
    record_free(m, r);
    return fresh;
}

/* ---- New, freed ------------------------------------------------------------------------------ */

static void start(struct members *m, enum members_kind kind, uint64_t seed)
{
    *m = (struct members){
        .table = table_new_private(hash_of, m),
        .seed = seed,
        .earliest = MEMBERS_NOTHING_DUE,
        .cursor = MEMBERS_END,
        .kind = (uint8_t)kind,
    };
}

struct members *members_new(enum members_kind kind, uint64_t seed)
{
    struct members *m = mem_alloc(sizeof(*m));
    start(m, kind, seed);
    return m;
}

static void free_outside(void *item, void *ctx)
{
    struct member *r = item;
    if (r->head & MEMBER_OUTSIDE)
        record_free(ctx, r);
}

static bool heap_free_step(struct cells **heap, size_t budget)
{
    if (*heap && !cells_free_step(*heap, budget / CHUNK_ITEMS + 1))
        return false;
    *heap = NULL;
    return true;
}

/* Frees all but the head; true when that is done. */
static bool empty_step(struct members *m, size_t budget)
{
    if (!m->freeing) {
        calendar_free(m->calendar);
        m->freeing = true;
        m->cursor = 0;
    }
    if (m->outside > 0) {
        m->cursor = table_scan(m->table, m->cursor, budget, budget, free_outside, m);
        ASSERT(m->outside == 0 || m->cursor < MEMBERS_END);
        if (m->outside > 0)
            return false;
    }
    if (m->table && !table_free_step(m->table, budget / SEGMENT_ITEMS + 1))
        return false;
    m->table = NULL;
    if (m->compaction && !heap_free_step(&m->compaction->from, budget))
        return false;
    mem_free(m->compaction);
    m->compaction = NULL;
    return heap_free_step(&m->heap, budget);
}

bool members_free_step(struct members *m, size_t budget)
{
    if (m && !empty_step(m, budget))
        return false;
    mem_free(m);
    return true;
}

void members_free(struct members *m)
{
    while (!members_free_step(m, FREED_AT_ONCE))
        pace();
}

void members_clear(struct members *m)
{
    while (!empty_step(m, SIZE_MAX))
        ;
    start(m, (enum members_kind)m->kind, m->seed);
}

enum members_kind members_kind(const struct members *m)
{
    return (enum members_kind)m->kind;
}

size_t members_count(const struct members *m)
{
    return table_count(m->table);
}

/* What a heap takes besides its records and what is idle. */
static size_t heap_head(const struct cells *heap)
{
    struct cells_stats stats;
    if (!heap)
        return 0;
    cells_stats(heap, &stats);
    return stats.held_bytes - stats.live_bytes - cells_idle(heap);
}

size_t members_bytes(const struct members *m)
{
    size_t bytes = mem_good_size(sizeof(*m)) + table_bytes(m->table) + m->bytes;
    if (m->calendar)
        bytes += calendar_bytes(m->calendar);
    return bytes + heap_head(m->heap) + (m->compaction ? heap_head(m->compaction->from) : 0);
}

size_t members_idle(const struct members *m)
{
    size_t idle = m->compaction ? cells_idle(m->compaction->from) : 0;
    return m->heap ? idle + cells_idle(m->heap) : idle;
}

/* ---- By name --------------------------------------------------------------------------------- */

/* Tight loops, so that as many misses overlap as the processor can have under way. */
void members_prefetch(const struct members *m, const struct slice *names, size_t count)
{
    uint64_t hashes[MEMBERS_AHEAD], candidates[MEMBERS_AHEAD];
    DEBUG_ASSERT(count <= MEMBERS_AHEAD);
    for (size_t i = 0; i < count; i++) {
        hashes[i] = hash_name(m, names[i]);
        table_prefetch_bucket(m->table, hashes[i]);
    }
    for (size_t i = 0; i < count; i++) {
        candidates[i] = table_candidate(m->table, hashes[i]);
        PREFETCH(table_candidate_place(candidates[i]));
    }
    for (size_t i = 0; i < count; i++) {
        const char *record = table_candidate_item(candidates[i], hashes[i]);
        if (record == NULL)
            continue;
        PREFETCH(record);
        PREFETCH(record + names[i].len); /* its last byte but a few; mostly the same line */
    }
}

struct member *members_find(const struct members *m, struct slice name)
{
    return table_find(m->table, hash_name(m, name), has_name, &name, NULL);
}

static struct member *add(struct members *m, const struct content *c, bool *added)
{
    uint64_t hash = hash_name(m, c->name);
    struct member *r = table_find(m->table, hash, has_name, &c->name, NULL);
    *added = false;
    if (r)
        return r;
    r = record_new(m, c);
    if (!r)
        return NULL;
    table_insert(m->table, hash, r);
    *added = true;
    return r;
}

struct member *members_add(struct members *m, struct slice name, bool *added)
{
    DEBUG_ASSERT(m->kind == MEMBERS_SET);
    struct content c = {.name = name, .expire_ms = MEMBER_NO_EXPIRY};
    return add(m, &c, added);
}

struct member *members_add_value(struct members *m, struct slice name, struct slice value,
                                 bool *added)
{
    DEBUG_ASSERT(m->kind == MEMBERS_HASH);
    struct content c = {.name = name, .value = value, .expire_ms = MEMBER_NO_EXPIRY};
    return add(m, &c, added);
}

struct member *members_add_score(struct members *m, struct slice name, double score, bool *added)
{
    DEBUG_ASSERT(m->kind == MEMBERS_ZSET);
    struct content c = {.name = name, .score = score, .expire_ms = MEMBER_NO_EXPIRY};
    return add(m, &c, added);
}

struct member *members_set_value(struct members *m, struct member *r, struct slice value)
{
    DEBUG_ASSERT(m->kind == MEMBERS_HASH);
    struct content c = {.name = member_name(r), .value = value, .expire_ms = member_expire_ms(r)};
    return record_change(m, r, &c);
}

void members_set_score(struct members *m, struct member *r, double score)
{
    DEBUG_ASSERT(m->kind == MEMBERS_ZSET);
    struct slice name = member_name(r);
    memcpy((char *)name.data + name.len, &score, sizeof(score));
}

/* One field less has an expiry. Without any, nothing is kept that looks for them. */
static void expiry_gone(struct members *m)
{
    if (--m->expiring > 0)
        return;
    calendar_free(m->calendar);
    m->calendar = NULL;
    m->cursor = MEMBERS_END;
    m->earliest = MEMBERS_NOTHING_DUE;
}

static void take_out(struct members *m, struct member *r, uint64_t hash)
{
    if (m->kind == MEMBERS_HASH && r->head & MEMBER_EXPIRES)
        expiry_gone(m);
    table_remove(m->table, hash, r);
    record_free(m, r);
}

void members_remove(struct members *m, struct member *r)
{
    take_out(m, r, hash_of(r, m));
}

/* The records are brought to the cache some removals ahead of their own, and then their buckets,
 * which reading a record tells. */
void members_remove_many(struct members *m, struct member *const *records, size_t count)
{
    uint64_t hashes[REMOVED_AHEAD];
    size_t read = 0;
    for (size_t i = 0; i < MIN_OF(count, (size_t)REMOVED_AHEAD); i++)
        PREFETCH(records[i]);
    for (size_t i = 0; i < count; i++) {
        for (; read < MIN_OF(count, i + REMOVED_AHEAD); read++) {
            hashes[read % REMOVED_AHEAD] = hash_of(records[read], m);
            table_prefetch_bucket(m->table, hashes[read % REMOVED_AHEAD]);
            if (read + REMOVED_AHEAD < count)
                PREFETCH(records[read + REMOVED_AHEAD]);
        }
        take_out(m, records[i], hashes[i % REMOVED_AHEAD]);
    }
}

bool members_remove_name(struct members *m, struct slice name)
{
    uint64_t hash = hash_name(m, name);
    struct member *r = table_find(m->table, hash, has_name, &name, NULL);
    if (r)
        take_out(m, r, hash);
    return r != NULL;
}

bool members_expect(struct members *m, size_t count)
{
    return table_expect(m->table, count);
}

bool members_step(struct members *m, unsigned buckets)
{
    return table_step(m->table, buckets);
}

/* ---- Compaction ------------------------------------------------------------------------------ */

struct moves {
    const struct members *members;
    struct member *list[MOVE_MAX];
    size_t count;
    bool all; /* what should be in the list is */
};

static void moves_visit(void *item, void *ctx)
{
    struct moves *s = ctx;
    struct member *r = item;
    if (r->head & MEMBER_OUTSIDE || (r->head & MEMBER_SIDE) == s->members->side)
        return;
    if (s->count < MOVE_MAX)
        s->list[s->count++] = r;
    else
        s->all = false;
}

static bool move(struct members *m, struct member *r, members_moved_fn moved, void *ctx)
{
    size_t size = record_size(m, r);
    struct member *fresh = record_alloc(m, size);
    if (!fresh)
        return false;
    uint8_t place = fresh->head;
    memcpy(fresh, r, size);
    fresh->head = (uint8_t)((r->head & ~(MEMBER_OUTSIDE | MEMBER_SIDE)) | place);
    table_replace(m->table, hash_of(r, m), r, fresh);
    if (moved)
        moved(r, fresh, ctx);
    record_free(m, r);
    return true;
}

static bool is_sparse(const struct members *m)
{
    if (!m->heap)
        return false;
    return table_count(m->table) < HEAP_FROM / 8 ||
           cells_idle(m->heap) > MAX_OF(IDLE_MIN, m->bytes);
}

bool members_compact_step(struct members *m, size_t budget, members_moved_fn moved, void *ctx)
{
    if (!m->compaction) {
        if (LIKELY(!is_sparse(m)))
            return false;
        m->compaction = mem_alloc(sizeof(*m->compaction));
        *m->compaction = (struct compaction){.from = m->heap};
        m->heap = NULL;
        m->side ^= MEMBER_SIDE;
    }
    struct compaction *c = m->compaction;
    struct moves moves = {.members = m, .all = true};
    uint64_t next =
        table_scan(m->table, c->cursor, MIN_OF(budget, MOVE_MAX / 2), budget, moves_visit, &moves);
    for (size_t i = 0; i < moves.count; i++)
        if (!move(m, moves.list[i], moved, ctx))
            return true;
    if (!moves.all)
        return true;
    c->cursor = next;
    if (next < MEMBERS_END)
        return true;
    cells_free_all(c->from);
    mem_free(c);
    m->compaction = NULL;
    return false;
}

/* ---- Walks and samples ----------------------------------------------------------------------- */

struct walk {
    members_visit_fn visit;
    void *ctx;
};

static void walk_visit(void *item, void *ctx)
{
    const struct walk *w = ctx;
    w->visit(item, w->ctx);
}

uint64_t members_scan(const struct members *m, uint64_t from, size_t items, size_t buckets,
                      members_visit_fn visit, void *ctx)
{
    struct walk w = {visit, ctx};
    return table_scan(m->table, from, items, buckets, walk_visit, &w);
}

static void keep_first(void *item, void *ctx)
{
    struct member **r = ctx;
    if (!*r)
        *r = item;
}

/* Only a table that could not follow its count for want of memory is so sparse that picks fail. */
static NOINLINE struct member *any_from(const struct members *m, uint64_t position)
{
    struct member *r = NULL;
    table_scan(m->table, position, 1, SIZE_MAX, keep_first, &r);
    if (!r)
        table_scan(m->table, 0, 1, SIZE_MAX, keep_first, &r);
    return r;
}

static struct member *pick(const struct members *m, struct rand *rand)
{
    for (unsigned i = 0; i < RANDOM_TRIES; i++) {
        struct member *r = table_pick(m->table, rand_next(rand));
        if (r)
            return r;
    }
    return any_from(m, rand_below(rand, TABLE_END));
}

struct member *members_random(const struct members *m, uint64_t random)
{
    if (table_count(m->table) == 0)
        return NULL;
    struct rand rand;
    rand_seed(&rand, random);
    return pick(m, &rand);
}

struct selection {
    struct member **out;
    size_t taken, wanted, left; /* left: records still to come */
    struct rand rand;
};

/* Takes each with the chance wanted : left (Knuth, TAOCP 3.4.2, algorithm S). */
static void select_visit(void *item, void *ctx)
{
    struct selection *s = ctx;
    if (rand_below(&s->rand, s->left--) >= s->wanted)
        return;
    s->out[s->taken++] = item;
    s->wanted--;
}

/* True if p was not in the set of pointers yet; size is a power of two. */
static bool note(const void **set, size_t size, const void *p)
{
    size_t i = (size_t)(((uint64_t)(uintptr_t)p * UINT64_C(0x9E3779B97F4A7C15)) >> 20);
    for (;; i++) {
        const void **at = &set[i & (size - 1)];
        if (*at == p)
            return false;
        if (!*at) {
            *at = p;
            return true;
        }
    }
}

size_t members_sample(const struct members *m, uint64_t random, struct member **out, size_t n)
{
    size_t count = table_count(m->table);
    struct selection s = {.out = out, .wanted = MIN_OF(n, count), .left = count};
    rand_seed(&s.rand, random);
    if (s.wanted >= count / 3) {
        for (uint64_t at = 0; at < TABLE_END; pace())
            at = table_scan(m->table, at, SAMPLE_PACE, SIZE_MAX, select_visit, &s);
        return s.taken;
    }
    size_t size = 4;
    while (size < 2 * s.wanted)
        size *= 2;
    const void **seen = mem_zalloc(size * sizeof(*seen));
    while (s.taken < s.wanted) {
        struct member *r = pick(m, &s.rand);
        if (note(seen, size, r))
            out[s.taken++] = r;
        if (s.taken % SAMPLE_PACE == 0)
            pace();
    }
    mem_free(seen);
    return s.taken;
}

/* ---- Fields with an expiry ------------------------------------------------------------------- */

size_t members_expiring(const struct members *m)
{
    return m->expiring;
}

int64_t members_expire_next(const struct members *m)
{
    if (!m->calendar)
        return m->earliest;
    return m->cursor < MEMBERS_END ? INT64_MIN : calendar_next(m->calendar);
}

/* The first moment at which a field with this expiry is past it. */
static int64_t due_ms(int64_t expire_ms)
{
    return expire_ms < INT64_MAX ? expire_ms + 1 : expire_ms;
}

static void fill_visit(void *item, void *ctx)
{
    struct members *m = ctx;
    int64_t expire_ms = member_expire_ms(item);
    if (expire_ms != MEMBER_NO_EXPIRY)
        calendar_add(m->calendar, due_ms(expire_ms), hash_of(item, m));
}

static void fill(struct members *m)
{
    if (m->cursor < MEMBERS_END)
        m->cursor = table_scan(m->table, m->cursor, FILL_ITEMS, FILL_BUCKETS, fill_visit, m);
}

/* A field, which is in the table, has got an expiry that is earlier than the one before. */
static void file_expiry(struct members *m, const struct member *r, int64_t expire_ms)
{
    if (!m->calendar) {
        m->earliest = MIN_OF(m->earliest, due_ms(expire_ms));
        return;
    }
    calendar_add(m->calendar, due_ms(expire_ms), hash_of(r, m));
    fill(m);
    size_t live = 2 * m->expiring + table_count(m->table) / 8;
    if (m->cursor == MEMBERS_END && calendar_count(m->calendar) > live + STALE_TOKENS) {
        calendar_clear(m->calendar);
        m->cursor = 0;
    }
}

struct member *members_set_expiry(struct members *m, struct member *r, int64_t expire_ms)
{
    DEBUG_ASSERT(m->kind == MEMBERS_HASH);
    int64_t old_ms = member_expire_ms(r);
    struct content c = {.name = member_name(r), .value = member_value(r), .expire_ms = expire_ms};
    r = record_change(m, r, &c);
    if (!r)
        return NULL;
    if (expire_ms == MEMBER_NO_EXPIRY) {
        if (old_ms != MEMBER_NO_EXPIRY)
            expiry_gone(m);
        return r;
    }
    m->expiring += old_ms == MEMBER_NO_EXPIRY;
    if (old_ms == MEMBER_NO_EXPIRY || expire_ms < old_ms)
        file_expiry(m, r, expire_ms);
    return r;
}

struct sweep {
    int64_t now_ms, earliest; /* earliest: when the first that stays is due */
    size_t count, max;
    struct member *due[DUE_MAX];
};

static void sweep_visit(void *item, void *ctx)
{
    struct sweep *s = ctx;
    int64_t expire_ms = member_expire_ms(item);
    if (expire_ms == MEMBER_NO_EXPIRY)
        return;
    if (s->now_ms >= due_ms(expire_ms) && s->count < s->max)
        s->due[s->count++] = item;
    else
        s->earliest = MIN_OF(s->earliest, due_ms(expire_ms));
}

/* Looks at all members. */
static bool sweep(struct members *m, int64_t now_ms, size_t budget, members_visit_fn removed,
                  void *ctx)
{
    struct sweep s = {.now_ms = now_ms, .max = MIN_OF(budget, DUE_MAX)};
    s.earliest = MEMBERS_NOTHING_DUE;
    table_scan(m->table, 0, SIZE_MAX, SIZE_MAX, sweep_visit, &s);
    m->earliest = s.earliest;
    for (size_t i = 0; i < s.count; i++) {
        if (removed)
            removed(s.due[i], ctx);
        members_remove(m, s.due[i]);
    }
    return m->earliest <= now_ms;
}

struct token {
    struct members *members;
    uint64_t hash;
};

static bool is_token(const void *item, const void *key, void *ctx)
{
    const struct token *token = key;
    return hash_of(item, token->members) == token->hash;
}

static void token_due(struct members *m, uint64_t hash, int64_t now_ms, members_visit_fn removed,
                      void *ctx)
{
    struct token token = {m, hash};
    struct member *r = table_find(m->table, hash, is_token, &token, NULL);
    int64_t expire_ms = r ? member_expire_ms(r) : MEMBER_NO_EXPIRY;
    if (expire_ms == MEMBER_NO_EXPIRY)
        return;
    if (now_ms < due_ms(expire_ms)) {
        calendar_add(m->calendar, due_ms(expire_ms), hash);
        return;
    }
    if (removed)
        removed(r, ctx);
    take_out(m, r, hash);
}

bool members_expire_step(struct members *m, int64_t now_ms, size_t budget, members_visit_fn removed,
                         void *ctx)
{
    if (now_ms < members_expire_next(m))
        return false;
    if (!m->calendar && table_count(m->table) <= SWEEP_MAX)
        return sweep(m, now_ms, budget, removed, ctx);
    if (!m->calendar) {
        m->calendar = calendar_new(now_ms);
        m->cursor = 0;
    }
    fill(m);
    bool more = true;
    while (m->calendar && more && budget > 0) {
        uint64_t tokens[DUE_MAX];
        size_t n = calendar_take(m->calendar, now_ms, tokens, MIN_OF(budget, DUE_MAX), &more);
        for (size_t i = 0; i < n && m->calendar; i++)
            token_due(m, tokens[i], now_ms, removed, ctx);
        budget -= n;
    }
    return m->calendar && (more || m->cursor < MEMBERS_END);
}

void members_table_stats(const struct members *m, struct bytes *out)
{
    size_t items = table_count(m->table), buckets = table_buckets(m->table);
    bytes_printf(out,
                 "[Dictionary HT]\n number of elements: %zu\n buckets: %zu\n table bytes: %zu\n"
                 " longest bucket: %u\n avg items per bucket: %.02f\n",
                 items, buckets, table_bytes(m->table), table_longest(m->table),
                 buckets != 0 ? (double)items / (double)buckets : 0.0);
}
