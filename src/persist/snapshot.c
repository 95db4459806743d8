/* snapshot.c - a pass: a cut under all locks, a sweep in small slices, donations by writers who
 * come first.
 *
 * The cut. Under HOLD_ALL: a new epoch, the log's offset. Entries whose epoch is not the new one
 * belong to the pass and are captured exactly once: by the sweep, or by before_change in the hold
 * of whoever is about to change or remove one. Captured means copied (small values), shared by
 * reference (blobs, which a writer copies before it changes them), or taken: a large collection
 * whose key goes is given up to the saver, who frees it when it is written.
 *
 * The sweep is the saver's own: it takes one shard's lock for some entries (SLICE_KEYS, fewer where
 * they are large), copies them, drops the lock, and only then encodes, compresses, sums and writes.
 * Between slices it first writes what was donated, so donations are never behind the sweep. A
 * donation goes into the buffer of the donor's lane, guarded by a lock of that buffer (lock order:
 * shards < buffers), which the saver takes just long enough to carry the buffer off.
 *
 * Collections of SLICED_FROM and more (rdb_value_weight) are captured in slices, by name, when the
 * sweep has met them: the saver takes the shard's lock for one slice, drops it, writes that, and so
 * on, with `open` saying which entry that is and how far it has come. Readers pass between the
 * slices. Whoever is about to change the value in the meantime, which before_change sees, captures
 * the rest of it in the saver's place (`ended`); if the key goes, the value becomes the saver's
 * (`owned`). So the entry is the same, and unchanged, whenever the saver finds it still open. What
 * is donated meanwhile is written behind it: records do not mix.
 *
 * A command that would change a collection of WAITED_FROM and more in place waits before it runs
 * (snapshot_must_wait) while the saver captures that one next, and first copies all of it, up to
 * HASTE_BYTES, before it writes any; unless the saver has stood still for STUCK_US: so no worker
 * copies a large value, as long as the disk takes what is written.
 * before_change alone is sound too, so whatever cannot wait (an expiry, EXEC, scripts) need not.
 *
 * When the sweep is over every entry is captured, and every donation was made in a hold before
 * the sweep passed that shard, so it is in a buffer: the saver writes the last ones and the file
 * is the state at the cut.
 *
 * What happens to keys during a pass:
 *   SET, DEL, APPEND, EXPIRE ...  before_change, then the change; a new key has the new epoch.
 *                                 What is overwritten or removed may be taken
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
 * donating and the pass fails with -ENOBUFS. Values that were taken count for the first, not for
 * the second: they are no copies, so memory is not more than it was at the cut.
 */
#include "persist/snapshot.h"

#include <errno.h>
#include "base/clock.h"
#include "base/lock.h"
#include "base/mem.h"
#include "base/pace.h"
#include "base/panic.h"
#include "keyspace/pin.h"
#include "persist/captured.h"
#include "persist/rdb_parts.h"
#include "persist/rdb_value.h"
#include "plog/plog.h"
#include "struct/table.h"

#define SLICE_KEYS     64              /* entries copied in one hold, at most: some 10 us */
#define SLICE_BYTES    (64u * 1024)    /* of them, about */
#define FLUSH_KEYS_MAX 10000           /* captured under HOLD_ALL within some milliseconds */
#define TAKEN_FROM     RDB_SLICE_ITEMS /* weights: taken rather than copied */
#define DAWDLE_US      1000 /* between looks at what others want, of a pass that is slowed */
#define SLICED_FROM    (2 * RDB_SLICE_ITEMS) /* captured in slices */
#define WAITED_FROM    (8 * RDB_SLICE_ITEMS) /* so large that writers had better wait */
#define STUCK_US       1000000
#define HASTE_BYTES    (32u * 1024 * 1024)
#define WANTED_MAX     64 /* keys that writers wait for, at a time */
#define MEMORY_SAMPLES 4

struct donor {
    struct lock lock;
    struct captured_list list; /* lock */
    struct bytes parts;        /* lock: scratch */
} ALIGNED(CACHE_LINE);

/* The large value that is being captured in slices. All of it is guarded by the lock of its shard;
 * who holds another one may only compare `entry` with an entry of that one. */
struct open_capture {
    struct entry *entry; /* atomic; NULL: none, or the saver goes on without it */
    struct rdb_walk walk;
    bool owned;        /* the value is the saver's */
    bool ended;        /* `rest` is what was left */
    struct bytes rest; /* parts */
    uint64_t held;     /* bytes of the value or of `rest`, counted in snapshot.held */
    uint32_t hasty;    /* atomic: somebody waits for it */
};

/* A key whose writers wait for its capture. */
struct wanted_key {
    uint64_t hash;
    uint32_t db;
    struct bytes name;
};

struct wanted {
    struct lock lock; /* a leaf */
    uint32_t count;   /* lock to change, atomic to read */
    struct wanted_key keys[WANTED_MAX];
};

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
    uint64_t held;                  /* atomic: bytes kept and not yet written */
    uint64_t taken;                 /* atomic: those of them that are no copies */
    uint64_t moved_us;              /* atomic: when the saver last got on */
    uint64_t keys_done, keys_total; /* atomic */

    /* the thread in snapshot_run */
    struct snapshot_job *job;
    struct rdb_writer writer;
    struct captured_list slice; /* what the sweep has copied in this hold */
    struct bytes parts;         /* scratch of the sweep, and of captures in slices */
    size_t slice_bytes;         /* of collections copied in this hold */
    size_t slice_keys;          /* for the next one */
    struct bytes met;           /* large ones met in this hold: lengths and names */
    struct open_capture open;   /* see there */
    struct keyspace_stats stats;

    struct wanted wanted;
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
    for (unsigned i = 0; i < s->donor_count; i++)
        bytes_free(&s->donors[i].parts);
    for (unsigned i = 0; i < WANTED_MAX; i++)
        bytes_free(&s->wanted.keys[i].name);
    mem_free(s->donors);
    mem_free(s);
}

/* ---- capturing an entry ---- */

static void captured_recency(const struct snapshot *s, const struct hold *hold,
                             const struct entry *e, struct captured *out)
{
    out->recency_kind = s->recency_kind;
    if (s->recency_kind == RDB_RECENCY_IDLE)
        out->recency = keyspace_idle_s(hold, e);
    else if (s->recency_kind == RDB_RECENCY_FREQ)
        out->recency = keyspace_frequency(hold, e);
}

static void head_of(const struct snapshot *s, const struct hold *hold, uint32_t db,
                    const struct entry *e, struct captured *out)
{
    *out =
        (struct captured){.expire_ms = entry_expire_ms(e), .db = db, .rdb_type = rdb_value_type(e)};
    captured_recency(s, hold, e, out);
}

/* All parts of an entry's value that is no string, into a buffer that is replaced. */
static void gather(const struct entry *e, struct bytes *parts)
{
    struct rdb_walk walk;
    struct value value = entry_value(e);
    parts->len = 0;
    if (rdb_value_has_slices(value)) {
        rdb_walk_init(&walk, value);
        while (rdb_walk_slice(&walk, SIZE_MAX, parts))
            ;
        return;
    }
    struct bytes encoded = {0};
    rdb_value_append(e, false, &encoded);
    rdb_parts_add(parts, bytes_slice(&encoded).data, encoded.len, false);
    bytes_free(&encoded);
}

static void note_held(struct snapshot *s, uint64_t bytes)
{
    RELAXED_ADD(&s->held, bytes);
}

static void note_written(struct snapshot *s, uint64_t bytes)
{
    __atomic_fetch_sub(&s->held, bytes, __ATOMIC_RELAXED);
}

/* Takes the value of an entry that is going. */
static struct value take_value(struct snapshot *s, struct entry *e, size_t *bytes)
{
    struct value value = keyspace_take_value(e);
    *bytes = value_memory(value, MEMORY_SAMPLES);
    RELAXED_ADD(&s->taken, *bytes);
    return value;
}

/* Goes on in the saver's place with the entry that it has open. Returns the bytes that are kept. */
static size_t settle_open(struct snapshot *s, struct entry *e, bool going)
{
    struct open_capture *open = &s->open;
    size_t bytes;
    if (going) {
        open->walk.value = take_value(s, e, &bytes); /* the same */
        open->owned = true;
    } else {
        while (rdb_walk_slice(&open->walk, SIZE_MAX, &open->rest))
            ;
        open->ended = true;
        bytes = open->rest.cap;
    }
    open->held = bytes;
    RELAXED_STORE(&open->entry, NULL);
    keyspace_mark_captured(s->keyspace, e);
    return bytes;
}

/* Captures one entry at the end of the list; returns the bytes it keeps alive. going: its value may
 * be taken. */
static size_t capture(struct snapshot *s, struct hold *hold, uint32_t db, struct entry *e,
                      bool going, struct captured_list *list, struct bytes *parts)
{
    if (UNLIKELY(e == RELAXED_LOAD(&s->open.entry)))
        return settle_open(s, e, going);
    struct captured head;
    struct slice key = entry_key(e);
    size_t bytes;
    head_of(s, hold, db, e, &head);
    if (entry_type(e) == TYPE_STRING) {
        bytes = e->flags & ENTRY_OUTLINE
                    ? captured_blob(list, &head, key, blob_share(entry_pointer(e)))
                    : captured_string(list, &head, key, entry_string(e));
    } else if (going && rdb_value_weight(entry_value(e)) >= TAKEN_FROM) {
        size_t taken;
        struct value value = take_value(s, e, &taken);
        bytes = captured_value(list, &head, key, value, taken);
    } else {
        gather(e, parts);
        if (list == &s->slice)
            s->slice_bytes += parts->len;
        bytes = captured_parts(list, &head, key, parts);
    }
    keyspace_mark_captured(s->keyspace, e);
    return bytes;
}

/* ---- writing what was captured ---- */

static int pass_error(const struct snapshot *s)
{
    if (s->writer.error)
        return s->writer.error;
    if (RELAXED_LOAD(&s->cancelled))
        return -ECANCELED;
    return RELAXED_LOAD(&s->overrun) ? -ENOBUFS : 0;
}

static void write_value(struct snapshot *s, const struct rdb_record *record, struct value value)
{
    struct rdb_walk walk;
    struct bytes parts = {0};
    rdb_walk_init(&walk, value);
    rdb_begin_record(&s->writer, record);
    for (bool more = true; more && !pass_error(s);) {
        parts.len = 0;
        more = rdb_walk_slice(&walk, RDB_SLICE_ITEMS, &parts);
        rdb_put_parts(&s->writer, bytes_slice(&parts));
        RELAXED_STORE(&s->moved_us, clock_mono_us());
    }
    rdb_end_record(&s->writer, record);
    bytes_free(&parts);
}

static struct rdb_record record_of(const struct captured *head, struct slice key)
{
    return (struct rdb_record){.db = head->db,
                               .type = head->rdb_type,
                               .recency_kind = head->recency_kind,
                               .recency = head->recency,
                               .expire_ms = head->expire_ms,
                               .key = key};
}

static void write_one(void *ctx, const struct captured *head, struct slice key,
                      const struct captured_content *content)
{
    struct snapshot *s = ctx;
    struct rdb_record record = record_of(head, key);
    switch ((enum captured_kind)head->kind) {
    case CAPTURED_STRING:
        record.value = content->string;
        rdb_put_record(&s->writer, &record);
        break;
    case CAPTURED_BLOB:
        record.value = slice_of(content->blob->data, content->blob->len);
        rdb_put_record(&s->writer, &record);
        break;
    case CAPTURED_PARTS:
        rdb_begin_record(&s->writer, &record);
        rdb_put_parts(&s->writer, content->parts);
        rdb_end_record(&s->writer, &record);
        break;
    case CAPTURED_VALUE:
        write_value(s, &record, content->value);
        __atomic_fetch_sub(&s->taken, content->value_bytes, __ATOMIC_RELAXED);
        break;
    }
}

/* ---- donations ---- */

static void donated(struct snapshot *s, size_t bytes)
{
    note_held(s, bytes);
    uint64_t held = RELAXED_LOAD(&s->held), taken = RELAXED_LOAD(&s->taken);
    if (UNLIKELY(held > taken && held - taken > 2 * s->limit))
        RELAXED_STORE(&s->overrun, 1);
}

void snapshot_before_change(struct snapshot *s, struct hold *hold, uint32_t db, struct entry *entry,
                            bool going)
{
    if (s->state != PASS_RUNNING || RELAXED_LOAD(&s->overrun))
        return;
    struct donor *donor = &s->donors[hold->lane % s->donor_count];
    lock_take(&donor->lock);
    size_t bytes = capture(s, hold, db, entry, going, &donor->list, &donor->parts);
    donated(s, bytes); /* before the saver can see it and take it off again */
    lock_drop(&donor->lock);
}

struct flush_sweep {
    struct snapshot *s;
    struct donor *donor;
    bool going;
    size_t bytes;
};

static void flush_visit(struct hold *hold, const struct key *key, struct entry *entry, void *ctx)
{
    struct flush_sweep *f = ctx;
    f->bytes += capture(f->s, hold, key->db, entry, f->going, &f->donor->list, &f->donor->parts);
}

void snapshot_before_flush(struct snapshot *s, struct hold *hold, uint32_t db, bool going)
{
    ASSERT(hold->mask == HOLD_ALL);
    if (s->state != PASS_RUNNING || RELAXED_LOAD(&s->overrun))
        return;
    if (!s->insist && keyspace_size(s->keyspace, db) > FLUSH_KEYS_MAX) {
        s->state = PASS_VOID;
        keyspace_epoch_end(hold, false);
        return;
    }
    struct flush_sweep f = {
        .s = s, .donor = &s->donors[hold->lane % s->donor_count], .going = going};
    lock_take(&f.donor->lock);
    for (uint32_t shard = 0; shard < SHARD_COUNT; shard++)
        for (uint64_t at = 0; at != TABLE_END;)
            at = keyspace_sweep(hold, shard, db, at, SIZE_MAX, flush_visit, &f);
    if (s->insist)
        note_held(s, f.bytes);
    else
        donated(s, f.bytes);
    lock_drop(&f.donor->lock);
}

/* Values that were taken are freed behind these. */
static void write_donated(void *ctx, const struct captured *head, struct slice key,
                          const struct captured_content *content)
{
    struct snapshot *s = ctx;
    write_one(s, head, key, content);
    if (head->kind == CAPTURED_VALUE)
        keyspace_await_unpinned(s->keyspace, content->value);
}

static void drop_donated(void *ctx, const struct captured *head, struct slice key,
                         const struct captured_content *content)
{
    struct snapshot *s = ctx;
    (void)key;
    if (head->kind == CAPTURED_VALUE)
        keyspace_await_unpinned(s->keyspace, content->value);
}

/* Carries off and consumes what was donated since the last time. */
static void drain(struct snapshot *s, captured_fn each)
{
    s->job->peak_bytes = MAX_OF(s->job->peak_bytes, RELAXED_LOAD(&s->held));
    for (unsigned i = 0; i < s->donor_count; i++) {
        struct donor *donor = &s->donors[i];
        lock_take(&donor->lock);
        struct captured_list list = donor->list;
        donor->list = (struct captured_list){0};
        lock_drop(&donor->lock);
        note_written(s, captured_consume(&list, each, s, false));
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

/* While it has shards the saver keeps the processor: others wait for them. */
static void saver_take(struct hold *hold, uint64_t mask)
{
    pace_keep(true);
    hold_take(hold, mask);
}

static void saver_drop(struct hold *hold)
{
    hold_drop(hold);
    pace_keep(false);
}

static void saver_give_way(struct hold *hold)
{
    hold_give_way(hold);
    pace_keep(false);
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
    saver_take(&hold, HOLD_ALL);
    uint64_t begin = clock_mono_us();
    keyspace_epoch_begin(&hold);
    s->job->log_offset = plog_cut(s->log);
    s->insist = s->job->insist;
    RELAXED_STORE(&s->limit, s->job->buffer_limit ? s->job->buffer_limit : SNAPSHOT_BUFFER_LIMIT);
    s->recency_kind = recency_of_policy(s->keyspace);
    RELAXED_STORE(&s->moved_us, begin);
    s->state = PASS_RUNNING;
    rdb_put_header(&s->writer, hold.now_ms / 1000, mem_used(), s->job->aof_base,
                   has_timed_fields(s));
    put_sizes(s);
    if (s->job->at_cut)
        s->job->at_cut(s->job->ctx, &hold, s->job->log_offset);
    saver_drop(&hold);
    s->job->cut_us = clock_mono_us() - begin;
    s->job->data_bytes = mem_used();
}

/* ---- large values, in slices ---- */

/* Finds the entry and begins. False: it is not there any more, or captured. */
static bool open_begin(struct snapshot *s, struct hold *hold, const struct key *key,
                       struct captured *head)
{
    struct entry *e = keyspace_find(hold, key, FIND_PEEK);
    if (e == NULL || keyspace_is_captured(s->keyspace, e))
        return false;
    head_of(s, hold, key->db, e, head);
    rdb_walk_init(&s->open.walk, entry_value(e));
    s->parts.len = 0;
    RELAXED_STORE(&s->open.entry, e);
    return true;
}

/* The next parts behind s->parts, unless they are in `rest`. False: the last ones. */
static bool open_slice(struct snapshot *s)
{
    struct open_capture *open = &s->open;
    if (open->ended)
        return false;
    bool more = rdb_walk_slice(&open->walk, RDB_SLICE_ITEMS, &s->parts);
    if (!more && open->entry != NULL) {
        keyspace_mark_captured(s->keyspace, open->entry);
        RELAXED_STORE(&open->entry, NULL);
    }
    return more;
}

/* Nobody else can know of the value any more. */
static void open_end(struct snapshot *s)
{
    struct open_capture *open = &s->open;
    note_written(s, open->held);
    if (open->owned) {
        __atomic_fetch_sub(&s->taken, open->held, __ATOMIC_RELAXED);
        keyspace_await_unpinned(s->keyspace, open->walk.value);
        value_free(open->walk.value);
    }
    bytes_free(&open->rest);
    open->owned = open->ended = false;
    open->held = 0;
    if (s->parts.cap > HASTE_BYTES / 8)
        bytes_free(&s->parts);
}

/* Under the shard's lock: why the capture cannot go on, or 0. */
static int open_check(struct snapshot *s, struct hold *hold)
{
    int error = s->state == PASS_RUNNING ? pass_error(s) : -EAGAIN;
    if (error)
        RELAXED_STORE(&s->open.entry, NULL);
    return error;
}

/* Writes what has been copied of the value: not yet if somebody waits for the rest. */
static void open_write(struct snapshot *s, bool more)
{
    bool later = more && RELAXED_LOAD(&s->open.hasty) && s->parts.len < HASTE_BYTES;
    if (!later) {
        rdb_put_parts(&s->writer, bytes_slice(&s->parts));
        s->parts.len = 0;
    }
    if (!more)
        rdb_put_parts(&s->writer, bytes_slice(&s->open.rest));
    RELAXED_STORE(&s->moved_us, clock_mono_us());
}

/* Captures and writes one value, if it is still to be. hasty: somebody waits for it. */
static int capture_in_slices(struct snapshot *s, const struct key *key, bool hasty)
{
    struct hold hold = saver_hold(s);
    struct captured head;
    hold.flags |= HOLD_LOADING; /* what has expired since belongs to the pass */
    saver_take(&hold, shard_bit(key->hash));
    bool running = s->state == PASS_RUNNING;
    bool more = running && open_begin(s, &hold, key, &head);
    if (!more) {
        saver_drop(&hold);
        return running ? 0 : -EAGAIN;
    }
    struct rdb_record record = record_of(&head, key->name);
    RELAXED_STORE(&s->open.hasty, hasty);
    int error = 0;
    for (bool first = true; more && !error; first = false) {
        more = open_slice(s);
        saver_give_way(&hold);
        if (first)
            rdb_begin_record(&s->writer, &record);
        open_write(s, more);
        if (more) {
            if (!RELAXED_LOAD(&s->open.hasty))
                pace();
            saver_take(&hold, shard_bit(key->hash));
            error = open_check(s, &hold);
        }
    }
    if (error)
        saver_drop(&hold);
    else
        rdb_end_record(&s->writer, &record);
    open_end(s);
    return error;
}

/* ---- what writers wait for ---- */

/* False: too many are waited for. */
static bool want(struct snapshot *s, const struct key *key)
{
    struct wanted *wanted = &s->wanted;
    lock_take(&wanted->lock);
    uint32_t i = 0;
    while (i < wanted->count &&
           !(wanted->keys[i].hash == key->hash && wanted->keys[i].db == key->db))
        i++;
    bool room = i < WANTED_MAX;
    if (room && i == wanted->count) {
        struct wanted_key *k = &wanted->keys[i];
        k->hash = key->hash;
        k->db = key->db;
        k->name.len = 0;
        bytes_append(&k->name, key->name.data, key->name.len);
        RELAXED_STORE(&wanted->count, i + 1);
    }
    lock_drop(&wanted->lock);
    return room;
}

bool snapshot_must_wait(struct snapshot *s, struct hold *hold, const struct key *key)
{
    if (s->state != PASS_RUNNING || RELAXED_LOAD(&s->overrun))
        return false;
    struct hold peek = *hold;
    peek.flags |= HOLD_LOADING; /* to remove what has expired is the command's affair */
    const struct entry *e = keyspace_find(&peek, key, FIND_PEEK);
    if (e == NULL || entry_type(e) == TYPE_STRING ||
        (entry_expires(e) && entry_expire_ms(e) < hold->now_ms) ||
        keyspace_is_captured(s->keyspace, e) || rdb_value_weight(entry_value(e)) < WAITED_FROM)
        return false;
    uint64_t moved_us = RELAXED_LOAD(&s->moved_us);
    if (clock_mono_us() - moved_us > STUCK_US)
        return false;
    if (e != RELAXED_LOAD(&s->open.entry))
        return want(s, key);
    RELAXED_STORE(&s->open.hasty, 1);
    return true;
}

/* Captures what writers wait for, oldest first. */
static int serve_wanted(struct snapshot *s)
{
    struct wanted *wanted = &s->wanted;
    int error = 0;
    while (RELAXED_LOAD(&wanted->count) != 0 && !error) {
        lock_take(&wanted->lock);
        struct wanted_key first = wanted->keys[0];
        memmove(wanted->keys, wanted->keys + 1, (wanted->count - 1) * sizeof first);
        wanted->keys[wanted->count - 1].name = (struct bytes){0};
        RELAXED_STORE(&wanted->count, wanted->count - 1);
        lock_drop(&wanted->lock);
        struct key key = {.name = bytes_slice(&first.name), .hash = first.hash, .db = first.db};
        error = capture_in_slices(s, &key, true);
        bytes_free(&first.name);
    }
    return error;
}

/* ---- the sweep ---- */

static void slice_visit(struct hold *hold, const struct key *key, struct entry *entry, void *ctx)
{
    struct snapshot *s = ctx;
    if (entry_type(entry) != TYPE_STRING && rdb_value_weight(entry_value(entry)) >= SLICED_FROM) {
        bytes_append(&s->met, &key->name.len, sizeof key->name.len);
        bytes_append(&s->met, key->name.data, key->name.len);
        return;
    }
    capture(s, hold, key->db, entry, false, &s->slice, &s->parts);
}

/* Fewer keys where the values are large, so that no hold is long. */
static void adapt_slice(struct snapshot *s)
{
    if (s->slice_bytes > 2 * SLICE_BYTES)
        s->slice_keys = MAX_OF(s->slice_keys / 2, (size_t)1);
    else if (s->slice_bytes < SLICE_BYTES / 2)
        s->slice_keys = MIN_OF(s->slice_keys * 2, (size_t)SLICE_KEYS);
    s->slice_bytes = 0;
}

/* Captures the large ones that the last slice has met. */
static int capture_met(struct snapshot *s, uint32_t db)
{
    int error = 0;
    for (size_t at = 0; at < s->met.len && !error;) {
        struct slice name = {0};
        memcpy(&name.len, s->met.data + at, sizeof name.len);
        name.data = s->met.data + at + sizeof name.len;
        struct key key = keyspace_key(keyspace_seed(s->keyspace), db, name);
        error = capture_in_slices(s, &key, false);
        at += sizeof name.len + name.len;
    }
    s->met.len = 0;
    return error;
}

/* Writes what others have captured, and captures what they wait for. */
static int serve(struct snapshot *s)
{
    RELAXED_STORE(&s->moved_us, clock_mono_us());
    if (RELAXED_LOAD(&s->held))
        drain(s, write_donated);
    int error = pass_error(s);
    return error ? error : serve_wanted(s);
}

/* Slows the pass, for tests. */
static int dawdle(struct snapshot *s, uint64_t us)
{
    int error = 0;
    for (uint64_t until = clock_mono_us() + us, now; !error && (now = clock_mono_us()) < until;) {
        clock_sleep_us(MIN_OF(until - now, (uint64_t)DAWDLE_US));
        error = serve(s);
    }
    return error;
}

static int sweep_shard(struct snapshot *s, uint32_t db, uint32_t shard)
{
    int error = 0;
    for (uint64_t at = 0; at != TABLE_END && !error;) {
        error = serve(s);
        if (error)
            return error;
        uint64_t keys = s->writer.keys;
        struct hold hold = saver_hold(s);
        saver_take(&hold, UINT64_C(1) << shard);
        bool running = s->state == PASS_RUNNING;
        if (running)
            at = keyspace_sweep(&hold, shard, db, at, s->slice_keys, slice_visit, s);
        saver_give_way(&hold);
        if (!running)
            return -EAGAIN;
        captured_consume(&s->slice, write_one, s, true);
        adapt_slice(s);
        error = capture_met(s, db);
        pace();
        RELAXED_STORE(&s->keys_done, s->writer.keys);
        if (UNLIKELY(s->job->key_delay != 0) && !error)
            error = dawdle(s, clock_delay_us(s->job->key_delay, keys, s->writer.keys));
    }
    return error;
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
    saver_take(&hold, HOLD_ALL);
    if (s->state == PASS_RUNNING)
        keyspace_epoch_end(&hold, error == 0);
    else if (!error)
        error = -EAGAIN;
    s->state = PASS_NONE;
    saver_drop(&hold);
    drain(s, error ? drop_donated : write_donated);
    RELAXED_STORE(&s->taken, 0);
    RELAXED_STORE(&s->wanted.count, 0); /* nobody asks any more */
    return error;
}

int snapshot_run(struct snapshot *s, struct snapshot_job *job)
{
    s->job = job;
    RELAXED_STORE(&s->overrun, 0);
    RELAXED_STORE(&s->keys_done, 0);
    rdb_writer_init(&s->writer, job->sink, job->sink_ctx, job->compress, job->checksum);
    s->writer.commands = job->commands;
    s->slice_keys = SLICE_KEYS;

    cut(s);
    int error = end(s, sweep(s));
    if (!error)
        error = RELAXED_LOAD(&s->overrun) ? -ENOBUFS : rdb_writer_finish(&s->writer);
    job->keys = s->writer.keys;
    job->bytes = s->writer.written;

    captured_consume(&s->slice, NULL, s, false);
    bytes_free(&s->parts);
    bytes_free(&s->met);
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
