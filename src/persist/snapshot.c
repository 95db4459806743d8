/* snapshot.c - a pass: a cut under all locks, a sweep in small slices, donations by writers who
 * come first.
 *
 * The cut. Under HOLD_ALL: a new epoch, the log's offset. Entries whose epoch is not the new one
 * belong to the pass and are captured exactly once: by the sweep, or by before_change in the hold
 * of whoever is about to change or remove one. Captured means copied (small values), or shared by
 * reference (blobs, which a writer copies before it changes them).
 *
 * The sweep is the saver's own: it takes one shard's lock for SLICE_KEYS entries, copies them,
 * drops the lock, and only then encodes, compresses, sums and writes. Between slices it first
 * writes what was donated, so donations are never behind the sweep. A donation goes into the
 * buffer of the donor's lane, guarded by a lock of that buffer (lock order: shards < buffers),
 * which the saver takes just long enough to carry the buffer off.
 *
 * When the sweep is over every entry is captured, and every donation was made in a hold before
 * the sweep passed that shard, so it is in a buffer: the saver writes the last ones and the file
 * is the state at the cut.
 *
 * What happens to keys during a pass:
 *   SET, DEL, APPEND, EXPIRE ...  before_change, then the change; a new key has the new epoch
 *   RENAME, MOVE                  before_change of the source (old name, old database) and of
 *                                 what is overwritten; the moved entry has the new epoch
 *   expiry, eviction              are removals: before_change. What has expired but is still
 *                                 there at the cut is part of the state, with its time
 *   FLUSHDB, FLUSHALL, SWAPDB     before_flush under HOLD_ALL: what is uncaptured in that
 *                                 database is captured on the spot if it has at most
 *                                 FLUSH_KEYS_MAX keys; else the pass is void (-EAGAIN) and the
 *                                 caller begins again. A job that insists captures however large
 *                                 it is, so that a program that flushes all the time cannot keep
 *                                 a pass from ever ending
 *
 * Memory: donated bytes (blobs counted with their length) are limited. Above the limit
 * snapshot_is_saturated asks the engine to slow writers down; at twice the limit donors stop
 * donating and the pass fails with -ENOBUFS.
 */
#include "persist/snapshot.h"

#include <errno.h>
#include "base/clock.h"
#include "base/lock.h"
#include "base/mem.h"
#include "base/panic.h"
#include "persist/rdb_value.h"
#include "plog/plog.h"
#include "struct/table.h"

#define SLICE_KEYS     64           /* entries copied in one hold: some 10 us */
#define CHUNK_BYTES    (64u * 1024) /* donations are collected in pieces of this size */
#define FLUSH_KEYS_MAX 10000        /* captured under HOLD_ALL within some milliseconds */

/* ---- captured entries, packed one after the other in chunks ---- */

enum captured_kind { CAPTURED_BYTES, CAPTURED_BLOB };

struct captured {
    int64_t expire_ms;
    uint64_t recency;
    uint64_t value_len;
    uint32_t key_len;
    uint32_t db;
    uint8_t rdb_type, recency_kind, kind;
    /* key, then the value or a pointer to its blob; padded to 8 bytes */
    char rest[] ALIGNED(8);
};

struct chunk {
    struct chunk *next;
    size_t len, cap;
    char data[] ALIGNED(8);
};

struct chunk_list { /* oldest first */
    struct chunk *first, *last;
};

struct donor {
    struct lock lock;
    struct chunk_list list; /* lock */
} ALIGNED(CACHE_LINE);

enum pass_state { PASS_NONE, PASS_RUNNING, PASS_VOID };

struct snapshot {
    struct keyspace *keyspace;
    struct plog *log;
    unsigned donor_count;
    struct donor *donors;
    enum pass_state state;          /* written under HOLD_ALL, read under any hold */
    bool insist;                    /* same */
    uint8_t recency_kind;           /* same: enum rdb_recency of the pass */
    uint64_t limit;                 /* same */
    uint32_t cancelled;             /* atomic */
    uint32_t overrun;               /* atomic: donors have given up */
    uint64_t held;                  /* atomic: bytes donated and not yet written */
    uint64_t keys_done, keys_total; /* atomic */

    /* the thread in snapshot_run */
    struct snapshot_job *job;
    struct rdb_writer writer;
    struct chunk_list slice; /* what the sweep has copied in this hold; one chunk at least */
    struct keyspace_stats stats;
};

struct snapshot *snapshot_new(struct keyspace *ks, struct plog *log, unsigned lanes)
{
    struct snapshot *s = mem_zalloc(sizeof *s);
    s->keyspace = ks;
    s->log = log;
    s->donor_count = MAX_OF(lanes, 1u);
    s->donors = mem_try_zalloc_aligned(CACHE_LINE, s->donor_count * sizeof *s->donors);
    ASSERT(s->donors);
    return s;
}

void snapshot_free(struct snapshot *s)
{
    ASSERT(s->state != PASS_RUNNING);
    mem_free(s->donors);
    mem_free(s);
}

static size_t round_up(size_t n)
{
    return (n + 7) & ~(size_t)7;
}

/* Room for `need` bytes at the end of the list. */
static struct chunk *list_room(struct chunk_list *list, size_t need)
{
    struct chunk *c = list->last;
    if (c && c->cap - c->len >= need)
        return c;
    size_t cap = MAX_OF(need, (size_t)CHUNK_BYTES - sizeof *c);
    c = mem_alloc(sizeof *c + cap);
    *c = (struct chunk){.cap = cap};
    if (list->last)
        list->last->next = c;
    else
        list->first = c;
    list->last = c;
    return c;
}

static void captured_recency(const struct snapshot *s, const struct hold *hold,
                             const struct entry *e, struct captured *out)
{
    out->recency_kind = s->recency_kind;
    if (s->recency_kind == RDB_RECENCY_IDLE)
        out->recency = keyspace_idle_s(hold, e);
    else if (s->recency_kind == RDB_RECENCY_FREQ)
        out->recency = keyspace_frequency(hold, e);
}

/* Captures one entry at the end of the list; returns the bytes it keeps alive. */
static size_t capture(struct snapshot *s, struct hold *hold, uint32_t db, struct entry *e,
                      struct chunk_list *list)
{
    struct slice key = entry_key(e), value;
    struct captured head = {.expire_ms = entry_expire_ms(e),
                            .db = db,
                            .key_len = (uint32_t)key.len,
                            .rdb_type = rdb_value_type(e)};
    struct bytes encoded = {0};
    void *blob = NULL;
    size_t kept = 0;
    captured_recency(s, hold, e, &head);
    if (entry_type(e) != TYPE_STRING) {
        rdb_value_append(e, false, &encoded);
        value = bytes_slice(&encoded);
    } else if (e->flags & ENTRY_OUTLINE) {
        head.kind = CAPTURED_BLOB;
        blob = blob_share(entry_pointer(e));
        kept = ((struct blob *)blob)->len;
        value = slice_of(&blob, sizeof blob);
    } else {
        value = entry_string(e);
    }
    head.value_len = value.len;

    size_t need = round_up(sizeof head + key.len + value.len);
    struct chunk *c = list_room(list, need);
    char *to = c->data + c->len;
    memcpy(to, &head, sizeof head);
    memcpy(to + sizeof head, key.data, key.len);
    memcpy(to + sizeof head + key.len, value.data, value.len);
    c->len += need;
    bytes_free(&encoded);
    keyspace_mark_captured(s->keyspace, e);
    return need + kept;
}

typedef void (*consume_fn)(struct snapshot *s, const struct captured *head, struct slice key,
                           struct slice value);

/* Walks a chunk: calls each for every captured entry, or only gives up what they hold (each
 * NULL). Returns the bytes they kept alive. */
static size_t chunk_consume(struct snapshot *s, struct chunk *c, consume_fn each)
{
    size_t kept = 0;
    for (size_t at = 0; at < c->len;) {
        struct captured head;
        memcpy(&head, c->data + at, sizeof head);
        struct slice key = slice_of(c->data + at + sizeof head, head.key_len);
        struct slice value = slice_of(key.data + key.len, head.value_len);
        size_t size = round_up(sizeof head + head.key_len + head.value_len);
        struct blob *blob = NULL;
        if (head.kind == CAPTURED_BLOB) {
            memcpy(&blob, value.data, sizeof blob);
            value = slice_of(blob->data, blob->len);
            kept += blob->len;
        }
        if (each)
            each(s, &head, key, value);
        if (blob)
            blob_release(blob);
        kept += size;
        at += size;
    }
    c->len = 0;
    return kept;
}

static void write_one(struct snapshot *s, const struct captured *head, struct slice key,
                      struct slice value)
{
    rdb_put_record(&s->writer, &(struct rdb_record){.db = head->db,
                                                    .type = head->rdb_type,
                                                    .recency_kind = head->recency_kind,
                                                    .recency = head->recency,
                                                    .expire_ms = head->expire_ms,
                                                    .key = key,
                                                    .value = value});
}

/* ---- donations ---- */

static void donated(struct snapshot *s, size_t bytes)
{
    uint64_t held = RELAXED_ADD(&s->held, bytes) + bytes;
    if (UNLIKELY(held > 2 * s->limit))
        RELAXED_STORE(&s->overrun, 1);
}

void snapshot_before_change(struct snapshot *s, struct hold *hold, uint32_t db, struct entry *entry)
{
    if (s->state != PASS_RUNNING || RELAXED_LOAD(&s->overrun))
        return;
    struct donor *donor = &s->donors[hold->lane % s->donor_count];
    lock_take(&donor->lock);
    size_t bytes = capture(s, hold, db, entry, &donor->list);
    lock_drop(&donor->lock);
    donated(s, bytes);
}

struct flush_sweep {
    struct snapshot *s;
    struct donor *donor;
    size_t bytes;
};

static void flush_visit(struct hold *hold, const struct key *key, struct entry *entry, void *ctx)
{
    struct flush_sweep *f = ctx;
    f->bytes += capture(f->s, hold, key->db, entry, &f->donor->list);
}

void snapshot_before_flush(struct snapshot *s, struct hold *hold, uint32_t db)
{
    ASSERT(hold->mask == HOLD_ALL);
    if (s->state != PASS_RUNNING || RELAXED_LOAD(&s->overrun))
        return;
    if (!s->insist && keyspace_size(s->keyspace, db) > FLUSH_KEYS_MAX) {
        s->state = PASS_VOID;
        keyspace_epoch_end(hold, false);
        return;
    }
    struct flush_sweep f = {.s = s, .donor = &s->donors[hold->lane % s->donor_count]};
    lock_take(&f.donor->lock);
    for (uint32_t shard = 0; shard < SHARD_COUNT; shard++)
        for (uint64_t at = 0; at != TABLE_END;)
            at = keyspace_sweep(hold, shard, db, at, SIZE_MAX, flush_visit, &f);
    lock_drop(&f.donor->lock);
    if (s->insist)
        RELAXED_ADD(&s->held, f.bytes);
    else
        donated(s, f.bytes);
}

/* Carries off and consumes what was donated since the last time. */
static void drain(struct snapshot *s, consume_fn each)
{
    s->job->peak_bytes = MAX_OF(s->job->peak_bytes, RELAXED_LOAD(&s->held));
    for (unsigned i = 0; i < s->donor_count; i++) {
        struct donor *donor = &s->donors[i];
        lock_take(&donor->lock);
        struct chunk_list list = donor->list;
        donor->list = (struct chunk_list){0};
        lock_drop(&donor->lock);
        for (struct chunk *c = list.first, *next; c; c = next) {
            next = c->next;
            size_t bytes = chunk_consume(s, c, each);
            __atomic_fetch_sub(&s->held, bytes, __ATOMIC_RELAXED);
            mem_free(c);
        }
    }
}

/* ---- the pass ---- */

static struct hold saver_hold(struct snapshot *s)
{
    return (struct hold){.keyspace = s->keyspace,
                         .now_ms = clock_wall_ms(),
                         .flags = HOLD_NO_TOUCH | HOLD_READER,
                         .lane = s->donor_count - 1,
                         .stats = &s->stats};
}

static uint8_t recency_of_policy(const struct keyspace *ks)
{
    switch (RELAXED_LOAD(&keyspace_options((struct keyspace *)ks)->policy)) {
    case EVICT_VOLATILE_LRU:
    case EVICT_ALLKEYS_LRU:
        return RDB_RECENCY_IDLE;
    case EVICT_VOLATILE_LFU:
    case EVICT_ALLKEYS_LFU:
        return RDB_RECENCY_FREQ;
    default:
        return RDB_RECENCY_NONE;
    }
}

/* The sizes of all databases at the cut, as hints for the loader. */
static void put_sizes(struct snapshot *s)
{
    uint64_t total = 0;
    for (uint32_t db = 0; db < keyspace_options(s->keyspace)->databases; db++) {
        size_t keys = keyspace_size(s->keyspace, db);
        if (keys)
            rdb_put_resize(&s->writer, db, keys, keyspace_expires(s->keyspace, db));
        total += keys;
    }
    RELAXED_STORE(&s->keys_total, total);
}

static bool has_timed_fields(const struct snapshot *s)
{
    for (uint32_t db = 0; db < keyspace_options(s->keyspace)->databases; db++)
        if (keyspace_elements_expire(s->keyspace, db) != 0)
            return true;
    return false;
}

static void cut(struct snapshot *s)
{
    struct hold hold = saver_hold(s);
    hold_take(&hold, HOLD_ALL);
    uint64_t begin = clock_mono_us();
    keyspace_epoch_begin(&hold);
    s->job->log_offset = plog_cut(s->log);
    s->insist = s->job->insist;
    RELAXED_STORE(&s->limit, s->job->buffer_limit ? s->job->buffer_limit : SNAPSHOT_BUFFER_LIMIT);
    s->recency_kind = recency_of_policy(s->keyspace);
    s->state = PASS_RUNNING;
    rdb_put_header(&s->writer, hold.now_ms / 1000, mem_used(), s->job->aof_base,
                   has_timed_fields(s));
    put_sizes(s);
    if (s->job->at_cut)
        s->job->at_cut(s->job->ctx, &hold, s->job->log_offset);
    hold_drop(&hold);
    s->job->cut_us = clock_mono_us() - begin;
    s->job->data_bytes = mem_used();
}

static void slice_visit(struct hold *hold, const struct key *key, struct entry *entry, void *ctx)
{
    struct snapshot *s = ctx;
    capture(s, hold, key->db, entry, &s->slice);
}

/* Consumes what the slice holds; one chunk is kept for the next. */
static void slice_consume(struct snapshot *s, consume_fn each)
{
    struct chunk *kept = s->slice.first;
    chunk_consume(s, kept, each);
    for (struct chunk *c = kept->next, *next; c; c = next) {
        next = c->next;
        chunk_consume(s, c, each);
        mem_free(c);
    }
    kept->next = NULL;
    s->slice.last = kept;
}

static int pass_error(const struct snapshot *s)
{
    if (s->writer.error)
        return s->writer.error;
    if (RELAXED_LOAD(&s->cancelled))
        return -ECANCELED;
    return RELAXED_LOAD(&s->overrun) ? -ENOBUFS : 0;
}

static int sweep_shard(struct snapshot *s, uint32_t db, uint32_t shard)
{
    for (uint64_t at = 0; at != TABLE_END;) {
        if (RELAXED_LOAD(&s->held))
            drain(s, write_one);
        int error = pass_error(s);
        if (error)
            return error;
        struct hold hold = saver_hold(s);
        hold_take(&hold, UINT64_C(1) << shard);
        bool running = s->state == PASS_RUNNING;
        if (running)
            at = keyspace_sweep(&hold, shard, db, at, SLICE_KEYS, slice_visit, s);
        hold_drop(&hold);
        if (!running)
            return -EAGAIN;
        slice_consume(s, write_one);
        RELAXED_STORE(&s->keys_done, s->writer.keys);
    }
    return 0;
}

/* A database that is empty now has nothing of the pass left in it: whoever emptied it has
 * donated. */
static int sweep(struct snapshot *s)
{
    for (uint32_t db = 0; db < keyspace_options(s->keyspace)->databases; db++) {
        for (uint32_t shard = 0; shard < SHARD_COUNT && keyspace_size(s->keyspace, db); shard++) {
            int error = sweep_shard(s, db, shard);
            if (error)
                return error;
        }
    }
    return 0;
}

/* Ends the epoch. A pass may turn void until then. */
static int end(struct snapshot *s, int error)
{
    struct hold hold = saver_hold(s);
    hold_take(&hold, HOLD_ALL);
    if (s->state == PASS_RUNNING)
        keyspace_epoch_end(&hold, error == 0);
    else if (!error)
        error = -EAGAIN;
    s->state = PASS_NONE;
    hold_drop(&hold);
    drain(s, error ? NULL : write_one);
    return error;
}

int snapshot_run(struct snapshot *s, struct snapshot_job *job)
{
    s->job = job;
    RELAXED_STORE(&s->overrun, 0);
    RELAXED_STORE(&s->keys_done, 0);
    rdb_writer_init(&s->writer, job->sink, job->sink_ctx, job->compress, job->checksum);
    s->writer.commands = job->commands;
    s->slice = (struct chunk_list){0};
    list_room(&s->slice, 0);

    cut(s);
    int error = end(s, sweep(s));
    if (!error)
        error = RELAXED_LOAD(&s->overrun) ? -ENOBUFS : rdb_writer_finish(&s->writer);
    job->keys = s->writer.keys;
    job->bytes = s->writer.written;

    slice_consume(s, NULL);
    mem_free(s->slice.first);
    rdb_writer_free(&s->writer);
    s->job = NULL;
    return error;
}

void snapshot_arm(struct snapshot *s)
{
    RELAXED_STORE(&s->cancelled, 0);
}

void snapshot_cancel(struct snapshot *s)
{
    RELAXED_STORE(&s->cancelled, 1);
}

bool snapshot_is_saturated(const struct snapshot *s)
{
    return UNLIKELY(RELAXED_LOAD(&s->held) > 0) && RELAXED_LOAD(&s->held) > RELAXED_LOAD(&s->limit);
}

uint64_t snapshot_held(const struct snapshot *s)
{
    return RELAXED_LOAD(&s->held);
}

uint64_t snapshot_keys_done(const struct snapshot *s)
{
    return RELAXED_LOAD(&s->keys_done);
}

uint64_t snapshot_keys_total(const struct snapshot *s)
{
    return RELAXED_LOAD(&s->keys_total);
}
