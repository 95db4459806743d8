/* plog.c - the propagation log as a list of segments under one lock.
 *
 *      oldest                                            newest
 *      +------------------+   +------------------+   +-----------+------+
 *      | used ............|-->| used ............|-->| used .... | room |
 *      +------------------+   +------------------+   +-----------+------+
 *         ^ reader A                                      ^ reader B
 *
 * A record never spans two segments: one that does not fit into the room left begins a segment of
 * its own size or SEGMENT_BYTES, whichever is larger. So what plog_peek returns always ends with
 * a whole record.
 *
 * Appending holds `lock`: it copies, then publishes the segment's length and the end of the log
 * (release). Readers look at those without the lock (acquire); they take it only to step to the
 * next segment, which is also when memory behind the slowest reader is given back. Offsets of
 * readers are written by their thread and read by whoever trims.
 *
 * Waiting: a waiter says with wake_at how far the log must grow; an append that passes it
 * broadcasts once. wake_at is guarded by `lock`, and a waiter holds `mutex` from before it sets
 * wake_at until it sleeps, so no wake is lost. Lock order: mutex < lock for waiters; appenders
 * take mutex after they have dropped lock.
 */
#include "plog/plog.h"

#include <pthread.h>
#include <time.h>
#include "base/clock.h"
#include "base/lock.h"
#include "base/mem.h"
#include "base/panic.h"

#define SEGMENT_BYTES (256u * 1024 - 64) /* with its head an allocation of 256 KiB */
#define NO_DB         UINT32_MAX
#define SELECT_MAX    48 /* bytes of the longest SELECT */

struct segment {
    struct segment *next; /* atomic, set once */
    uint64_t start;       /* log offset of data[0] */
    size_t used;          /* atomic; grows */
    size_t cap;
    char data[];
};

struct plog_reader {
    struct plog *log;
    struct plog_reader *next; /* plog lock */
    struct segment *segment;  /* owner, changed under the plog lock */
    uint64_t at;              /* atomic, written by the owner */
};

struct plog {
    struct plog_shared shared;
    struct lock lock;
    uint64_t end; /* atomic, written under lock */
    uint32_t db;  /* lock: what the log has selected, NO_DB at its start and behind a cut */
    uint64_t appended[PLOG_CLASS_COUNT]; /* atomic, written under lock */
    uint64_t memory;                     /* atomic, written under lock: bytes of all segments */
    struct segment *oldest, *newest;     /* lock; NULL: nothing is held */
    struct segment *spare;               /* lock: one empty segment of the usual size, or NULL */
    struct plog_reader *list;            /* lock */
    uint64_t wake_at; /* lock: an append that ends behind this wakes the waiters */

    pthread_mutex_t mutex;
    pthread_cond_t cond;
    uint64_t kicks; /* mutex */
};

struct plog *plog_new(uint64_t first_offset)
{
    struct plog *log = mem_zalloc(sizeof *log);
    log->end = first_offset;
    log->db = NO_DB;
    log->wake_at = UINT64_MAX;
    pthread_mutex_init(&log->mutex, NULL);
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&log->cond, &attributes);
    pthread_condattr_destroy(&attributes);
    return log;
}

void plog_free(struct plog *log)
{
    ASSERT(log->list == NULL);
    for (struct segment *s = log->oldest, *next; s; s = next) {
        next = s->next;
        mem_free(s);
    }
    mem_free(log->spare);
    pthread_cond_destroy(&log->cond);
    pthread_mutex_destroy(&log->mutex);
    mem_free(log);
}

/* ---- segments ---- */

/* lock. Begins a new segment with room for `need` bytes. */
static struct segment *segment_begin(struct plog *log, size_t need)
{
    struct segment *s = log->spare;
    if (s && need <= s->cap) {
        log->spare = NULL;
    } else {
        size_t cap = MAX_OF(need, (size_t)SEGMENT_BYTES);
        s = mem_alloc(sizeof *s + cap);
        s->cap = cap;
        OWNER_ADD(&log->memory, sizeof *s + cap);
    }
    s->next = NULL;
    s->start = log->end;
    s->used = 0;
    if (log->newest)
        __atomic_store_n(&log->newest->next, s, __ATOMIC_RELEASE);
    else
        log->oldest = s;
    log->newest = s;
    return s;
}

/* lock. Takes the segments that no reader needs any more off the list; the caller frees what is
 * returned, after it has dropped the lock. The newest segment stays while there are readers. */
static struct segment *segments_trim(struct plog *log)
{
    uint64_t slowest = UINT64_MAX;
    for (struct plog_reader *r = log->list; r; r = r->next)
        slowest = MIN_OF(slowest, r->segment ? r->segment->start : RELAXED_LOAD(&r->at));
    struct segment *garbage = NULL;
    while (log->oldest && (log->oldest != log->newest || !log->list)) {
        struct segment *s = log->oldest;
        if (s->start + s->used > slowest)
            break;
        log->oldest = s->next;
        if (!log->oldest)
            log->newest = NULL;
        if (!log->spare && s->cap == SEGMENT_BYTES && log->list) {
            log->spare = s;
            continue;
        }
        OWNER_ADD(&log->memory, -(sizeof *s + s->cap));
        s->next = garbage;
        garbage = s;
    }
    if (!log->list && log->spare) {
        OWNER_ADD(&log->memory, -(sizeof *log->spare + log->spare->cap));
        log->spare->next = garbage;
        garbage = log->spare;
        log->spare = NULL;
    }
    return garbage;
}

static void segments_free(struct segment *s)
{
    for (struct segment *next; s; s = next) {
        next = s->next;
        mem_free(s);
    }
}

/* ---- appending ---- */

static size_t select_text(char out[SELECT_MAX], uint32_t db)
{
    char digits[12];
    size_t n = 0;
    do {
        digits[n++] = (char)('0' + db % 10);
        db /= 10;
    } while (db);
    size_t len = sizeof "*2\r\n$6\r\nSELECT\r\n$" - 1;
    memcpy(out, "*2\r\n$6\r\nSELECT\r\n$", len);
    out[len++] = (char)('0' + n); /* a database has at most 5 digits */
    out[len++] = '\r';
    out[len++] = '\n';
    while (n)
        out[len++] = digits[--n];
    out[len++] = '\r';
    out[len++] = '\n';
    return len;
}

static void wake_waiters(struct plog *log)
{
    pthread_mutex_lock(&log->mutex);
    pthread_cond_broadcast(&log->cond);
    pthread_mutex_unlock(&log->mutex);
}

uint64_t plog_append(struct plog *log, uint32_t db, struct slice record, enum plog_class class)
{
    if (!plog_is_active(log))
        return plog_end(log);
    char select[SELECT_MAX];
    size_t select_len = 0;

    lock_take(&log->lock);
    if (UNLIKELY(log->db != db)) {
        select_len = select_text(select, db);
        log->db = db;
    }
    size_t need = select_len + record.len;
    struct segment *s = log->newest;
    if (UNLIKELY(!s || s->cap - s->used < need))
        s = segment_begin(log, need);
    size_t used = s->used;
    if (UNLIKELY(select_len))
        memcpy(s->data + used, select, select_len);
    memcpy(s->data + used + select_len, record.data, record.len);
    uint64_t end = log->end + need;
    OWNER_ADD(&log->appended[class], need);
    __atomic_store_n(&s->used, used + need, __ATOMIC_RELEASE);
    __atomic_store_n(&log->end, end, __ATOMIC_RELEASE);
    bool wake = end > log->wake_at;
    if (UNLIKELY(wake))
        log->wake_at = UINT64_MAX;
    lock_drop(&log->lock);

    if (UNLIKELY(wake))
        wake_waiters(log);
    return end;
}

uint64_t plog_end(const struct plog *log)
{
    return __atomic_load_n(&log->end, __ATOMIC_ACQUIRE);
}

uint64_t plog_appended(const struct plog *log, enum plog_class class)
{
    return RELAXED_LOAD(&log->appended[class]);
}

size_t plog_memory(const struct plog *log)
{
    return RELAXED_LOAD(&log->memory);
}

uint64_t plog_cut(struct plog *log)
{
    lock_take(&log->lock);
    log->db = NO_DB;
    uint64_t end = log->end;
    lock_drop(&log->lock);
    return end;
}

/* ---- readers ---- */

struct plog_reader *plog_reader_open(struct plog *log)
{
    struct plog_reader *r = mem_zalloc(sizeof *r);
    r->log = log;
    lock_take(&log->lock);
    r->at = log->end;
    r->segment = log->newest;
    r->next = log->list;
    log->list = r;
    log->db = NO_DB;
    RELAXED_STORE(&log->shared.readers, log->shared.readers + 1);
    lock_drop(&log->lock);
    return r;
}

void plog_reader_close(struct plog_reader *reader)
{
    struct plog *log = reader->log;
    lock_take(&log->lock);
    struct plog_reader **link = &log->list;
    while (*link != reader)
        link = &(*link)->next;
    *link = reader->next;
    RELAXED_STORE(&log->shared.readers, log->shared.readers - 1);
    struct segment *garbage = segments_trim(log);
    lock_drop(&log->lock);
    segments_free(garbage);
    mem_free(reader);
}

/* Goes on to the first segment that has bytes at or behind the reader's position, and trims. */
static void reader_step(struct plog_reader *r)
{
    struct plog *log = r->log;
    lock_take(&log->lock);
    if (!r->segment)
        r->segment = log->oldest;
    while (r->segment && r->segment->next && r->segment->start + r->segment->used <= r->at)
        r->segment = r->segment->next;
    struct segment *garbage = segments_trim(log);
    lock_drop(&log->lock);
    segments_free(garbage);
}

struct slice plog_peek(struct plog_reader *reader)
{
    for (;;) {
        struct segment *s = reader->segment;
        if (s) {
            size_t from = (size_t)(reader->at - s->start);
            size_t used = __atomic_load_n(&s->used, __ATOMIC_ACQUIRE);
            if (used > from)
                return slice_of(s->data + from, used - from);
        }
        if (plog_end(reader->log) == reader->at)
            return slice_of(NULL, 0);
        reader_step(reader);
    }
}

void plog_advance(struct plog_reader *reader, size_t len)
{
    struct segment *s = reader->segment;
    ASSERT(len == 0 || (s && reader->at + len <= s->start + RELAXED_LOAD(&s->used)));
    RELAXED_STORE(&reader->at, reader->at + len);
    if (s && __atomic_load_n(&s->next, __ATOMIC_ACQUIRE) && s->start + s->used <= reader->at)
        reader_step(reader);
}

uint64_t plog_reader_at(const struct plog_reader *reader)
{
    return RELAXED_LOAD(&reader->at);
}

uint64_t plog_skip_to_end(struct plog_reader *reader)
{
    struct plog *log = reader->log;
    lock_take(&log->lock);
    uint64_t skipped = log->end - reader->at;
    RELAXED_STORE(&reader->at, log->end);
    reader->segment = log->newest;
    log->db = NO_DB;
    struct segment *garbage = segments_trim(log);
    lock_drop(&log->lock);
    segments_free(garbage);
    return skipped;
}

/* ---- waiting ---- */

bool plog_wait(struct plog *log, uint64_t offset, uint32_t timeout_ms)
{
    uint64_t until = clock_mono_ns() + (uint64_t)timeout_ms * 1000000;
    struct timespec deadline = {.tv_sec = (time_t)(until / 1000000000),
                                .tv_nsec = (long)(until % 1000000000)};
    pthread_mutex_lock(&log->mutex);
    uint64_t kicks = log->kicks;
    bool more;
    for (;;) {
        lock_take(&log->lock);
        more = log->end > offset;
        if (!more)
            log->wake_at = MIN_OF(log->wake_at, offset);
        lock_drop(&log->lock);
        if (more || log->kicks != kicks || clock_mono_ns() >= until)
            break;
        pthread_cond_timedwait(&log->cond, &log->mutex, &deadline);
    }
    pthread_mutex_unlock(&log->mutex);
    return more;
}

void plog_kick(struct plog *log)
{
    pthread_mutex_lock(&log->mutex);
    log->kicks++;
    pthread_cond_broadcast(&log->cond);
    pthread_mutex_unlock(&log->mutex);
}
