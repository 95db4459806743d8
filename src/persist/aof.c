/* aof.c - log thread, sync thread, and the state they share.
 *
 *      plog ----> log thread ----> current increment <---- sync thread (own calls of fdatasync)
 *                     |                  ^
 *                     +-- at its start: current -> retired, next -> current
 *
 * What is written ends at `boundary`: a pair of file size and log offset at which a whole record
 * ended. A write that fails in the middle of a record is continued there when the disk works
 * again; if the log is given up instead, the file is cut off at the boundary.
 *
 * `mutex` guards the choice of files and the states; it is never held during I/O, and a thread may
 * take it while it holds shards. Offsets that others read are atomic. To sync, a thread reads the
 * written offset first and then, under the mutex, takes references to the retired files and the
 * current one: everything up to that offset is in them, because a file is retired before the first
 * byte goes to its successor.
 */
#include "persist/aof.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <time.h>
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/panic.h"
#include "plog/plog.h"

#define RETRY_MS        100  /* between two tries of a write that fails */
#define IDLE_MS         100  /* longest sleep of the log thread */
#define GATHER_US       1000 /* everysec, no: how long records gather before they are written */
#define SYNC_EVERY_MS   1000
#define SYNC_DELAYED_MS 2000
#define GUARD_POLL_MS   100

struct aof_file {
    struct gate_file *gate;
    struct aof_file *next; /* mutex: in the list of coming or retired files */
    uint64_t start;        /* set once: log offset of its first record, unless appended to */
    uint32_t references;   /* mutex */
    bool fresh;            /* atomic: belongs to no chain on disk yet */
    bool poisoned;         /* mutex */
    uint64_t size;         /* log thread: bytes written; atomic */
    /* log thread: where the last whole record ends */
    uint64_t boundary_size;
};

struct aof {
    struct plog *plog;
    struct guard *guard;
    void (*durable_moved)(void *ctx);
    void *ctx;
    int fsync;                /* atomic: enum persist_fsync */
    bool no_fsync_on_rewrite; /* atomic */
    bool timestamps;          /* atomic */
    bool rewriting;           /* atomic */
    uint64_t buffer_limit;    /* atomic */

    pthread_mutex_t mutex;
    pthread_cond_t changed;     /* with mutex: states that others wait for */
    struct plog_reader *reader; /* mutex to change it; its thread is the log thread */
    struct aof_file *current;   /* mutex */
    struct aof_file *next;      /* mutex: list of those that follow, by their start */
    struct aof_file *retired;   /* mutex: written before the current, not synced yet */
    uint64_t covered;           /* mutex: records before this need no writing */
    uint64_t close_at;          /* mutex: turn off behind this offset; UINT64_MAX = no */
    bool gap, poisoned, stop;   /* mutex to change; atomic to read */
    bool promised;              /* mutex: there is, or was, a chain on disk that holds everything */
    bool syncing;               /* mutex */
    uint64_t stop_until_ms;     /* mutex */
    uint64_t rejected_at;       /* mutex: start of the last file that a gap made useless */

    uint64_t written;                      /* atomic: log offset of the boundary */
    uint64_t synced;                       /* atomic, changed under mutex */
    uint64_t durable;                      /* atomic, changed under mutex */
    uint64_t reader_at;                    /* atomic: for aof_pending */
    uint64_t total;                        /* atomic: bytes written */
    uint64_t sync_began_ms, delayed_syncs; /* atomic */
    int write_error, sync_error;           /* atomic: negative errno */

    /* log thread */
    uint64_t group_end; /* always: sync when the reader is there; 0 = nothing unsynced */
    uint64_t guard_polled_ms;
    int64_t stamped_s; /* the last time line's second */
    bool log_wanted;

    pthread_t log_thread, sync_thread;
    bool started, log_ended, sync_ended;
};

/* ---- files ---- */

int aof_file_open(struct gate *gate, const char *path, bool append, struct aof_file **out)
{
    struct gate_file *opened;
    struct file_info info = {0};
    int error =
        gate_open(gate, path, append ? FILE_CREATE : FILE_CREATE_TRUNCATE, GATE_LOG, &opened);
    if (!error && append && (error = file_info_fd(gate_fd(opened), &info)) != 0)
        gate_close(opened);
    if (error)
        return error;
    struct aof_file *f = mem_zalloc(sizeof *f);
    *f = (struct aof_file){
        .gate = opened, .references = 1, .size = info.size, .boundary_size = info.size};
    *out = f;
    return 0;
}

void aof_file_discard(struct aof_file *f)
{
    gate_close(f->gate);
    mem_free(f);
}

/* mutex. Returns the file if this was the last reference: the caller discards it without the
 * mutex. */
static struct aof_file *unref(struct aof_file *f)
{
    return f && --f->references == 0 ? f : NULL;
}

static void discard(struct aof_file *f)
{
    if (f)
        aof_file_discard(f);
}

/* mutex. Takes the whole list of retired files away. */
static struct aof_file *take_retired(struct aof *a)
{
    struct aof_file *list = a->retired;
    a->retired = NULL;
    return list;
}

static void discard_list(struct aof *a, struct aof_file *list)
{
    for (struct aof_file *f = list, *next; f; f = next) {
        next = f->next;
        pthread_mutex_lock(&a->mutex);
        struct aof_file *last = unref(f);
        pthread_mutex_unlock(&a->mutex);
        discard(last);
    }
}

/* ---- state that others see ---- */

static enum persist_fsync fsync_mode(const struct aof *a)
{
    return (enum persist_fsync)RELAXED_LOAD(&a->fsync);
}

static bool is_strict(const struct aof *a)
{
    return RELAXED_LOAD(&guard_verdict(a->guard)->policy) == GUARD_POLICY_STRICT;
}

/* mutex. Returns true if waiting clients should look again (call durable_moved, without the
 * mutex). */
static bool publish(struct aof *a)
{
    uint64_t durable = a->synced;
    if (fsync_mode(a) != PERSIST_FSYNC_ALWAYS || !a->promised)
        durable = UINT64_MAX;
    else if (a->gap && !is_strict(a))
        durable = UINT64_MAX;
    bool moved = durable != a->durable;
    __atomic_store_n(&a->durable, durable, __ATOMIC_RELEASE);
    return moved;
}

static void unlock_and_tell(struct aof *a)
{
    bool moved = publish(a);
    pthread_cond_broadcast(&a->changed);
    pthread_mutex_unlock(&a->mutex);
    if (moved && a->durable_moved)
        a->durable_moved(a->ctx);
}

static void wait_changed(struct aof *a, uint64_t ms) /* mutex */
{
    uint64_t until = clock_mono_ns() + ms * 1000000;
    struct timespec deadline = {.tv_sec = (time_t)(until / 1000000000),
                                .tv_nsec = (long)(until % 1000000000)};
    pthread_cond_timedwait(&a->changed, &a->mutex, &deadline);
}

struct aof *aof_new(struct plog *plog, struct guard *guard, void (*durable_moved)(void *ctx),
                    void *ctx)
{
    struct aof *a = mem_zalloc(sizeof *a);
    a->plog = plog;
    a->guard = guard;
    a->durable_moved = durable_moved;
    a->ctx = ctx;
    a->fsync = PERSIST_FSYNC_EVERYSEC;
    a->buffer_limit = AOF_BUFFER_LIMIT;
    a->close_at = a->durable = a->reader_at = a->rejected_at = UINT64_MAX;
    a->log_wanted = true;
    pthread_mutex_init(&a->mutex, NULL);
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&a->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    return a;
}

void aof_free(struct aof *a)
{
    discard(a->current);
    discard_list(a, a->next);
    discard_list(a, take_retired(a));
    if (a->reader)
        plog_reader_close(a->reader);
    pthread_cond_destroy(&a->changed);
    pthread_mutex_destroy(&a->mutex);
    mem_free(a);
}

void aof_configure(struct aof *a, enum persist_fsync fsync, bool no_fsync_on_rewrite,
                   bool timestamps, uint64_t buffer_limit)
{
    pthread_mutex_lock(&a->mutex);
    RELAXED_STORE(&a->fsync, (int)fsync);
    RELAXED_STORE(&a->no_fsync_on_rewrite, no_fsync_on_rewrite);
    RELAXED_STORE(&a->timestamps, timestamps);
    RELAXED_STORE(&a->buffer_limit, buffer_limit ? buffer_limit : AOF_BUFFER_LIMIT);
    unlock_and_tell(a);
    plog_kick(a->plog);
}

/* ---- syncing ---- */

static void poison(struct aof *a, struct aof_file *f) /* mutex */
{
    if (f)
        f->poisoned = true;
    RELAXED_STORE(&a->poisoned, true);
}

/* Syncs all that is written; by the sync thread, the log thread (always, end), one at a time. */
static int sync_all(struct aof *a)
{
    uint64_t target = __atomic_load_n(&a->written, __ATOMIC_ACQUIRE);
    pthread_mutex_lock(&a->mutex);
    while (a->syncing)
        wait_changed(a, IDLE_MS);
    a->syncing = true;
    struct aof_file *retired = take_retired(a), *current = a->current;
    if (current)
        current->references++;
    pthread_mutex_unlock(&a->mutex);

    RELAXED_STORE(&a->sync_began_ms, clock_mono_ms());
    int error = 0, retired_error = 0;
    for (struct aof_file *f = retired; f; f = f->next) {
        int one = gate_sync(f->gate);
        retired_error = retired_error ? retired_error : one;
    }
    discard_list(a, retired);
    if (current)
        error = gate_sync(current->gate);
    RELAXED_STORE(&a->sync_began_ms, 0);

    pthread_mutex_lock(&a->mutex);
    a->syncing = false;
    bool needed = target > a->covered; /* else a base has made these files needless meanwhile */
    if (retired_error && needed)
        poison(a, NULL);
    if (error && needed)
        poison(a, current);
    if (!error && !retired_error && current && !current->fresh && !a->poisoned && !a->gap)
        RELAXED_STORE(&a->synced, MAX_OF(a->synced, target));
    RELAXED_STORE(&a->sync_error, error ? error : retired_error);
    struct aof_file *last = unref(current);
    unlock_and_tell(a);
    discard(last);
    if (error || retired_error)
        LOG_WARNING("The log could not be synced: %s. A fresh base will be written from memory",
                    strerror(-(error ? error : retired_error)));
    return error ? error : retired_error;
}

/* ---- the log thread ---- */

static bool still_wanted(struct aof *a)
{
    uint64_t now = clock_mono_ms();
    if (now - a->guard_polled_ms >= GUARD_POLL_MS) {
        struct guard_wants wants;
        guard_wants(a->guard, &wants);
        a->log_wanted = wants.log;
        a->guard_polled_ms = now;
    }
    return a->log_wanted;
}

/* Drops records: the file ends at its last whole record, and there is a gap from here on. */
static void give_up(struct aof *a, enum guard_cause cause)
{
    pthread_mutex_lock(&a->mutex);
    struct aof_file *f = a->current;
    a->current = NULL;
    RELAXED_STORE(&a->gap, true);
    pthread_mutex_unlock(&a->mutex);
    if (f && f->size != f->boundary_size) {
        int error = gate_truncate(f->gate, f->boundary_size);
        if (error)
            LOG_WARNING("Cannot cut the log off behind its last record: %s", strerror(-error));
    }
    LOG_WARNING("The log is suspended (%s): changes are kept in memory only until a fresh base "
                "can be written",
                guard_cause_name(cause));
    guard_note_suspended(a->guard, cause);
    pthread_mutex_lock(&a->mutex);
    struct aof_file *last = unref(f);
    unlock_and_tell(a);
    discard(last);
    RELAXED_STORE(&a->write_error, 0);
    a->group_end = 0;
}

static void advance(struct aof *a, size_t len)
{
    plog_advance(a->reader, len);
    RELAXED_STORE(&a->reader_at, plog_reader_at(a->reader));
}

static void write_failed(struct aof *a, int error)
{
    if (RELAXED_LOAD(&a->write_error) != error)
        LOG_WARNING("Cannot write to the log: %s. Trying again until it works", strerror(-error));
    RELAXED_STORE(&a->write_error, error);
    if (aof_pending(a) > RELAXED_LOAD(&a->buffer_limit)) {
        give_up(a, guard_cause_of_errno(-error));
        return;
    }
    pthread_mutex_lock(&a->mutex);
    if (!a->stop)
        wait_changed(a, RETRY_MS);
    else if (clock_mono_ms() < a->stop_until_ms)
        wait_changed(a, 10);
    pthread_mutex_unlock(&a->mutex);
}

/* A comment line with the time, between two records. False: it could not be written (and is cut off
 * again, as far as that goes: the next write begins where it did). */
static bool write_timestamp(struct aof *a, struct aof_file *f)
{
    int64_t now_s = clock_wall_ms() / 1000;
    char line[40];
    if (now_s == a->stamped_s || f->size != f->boundary_size)
        return true;
    int len = snprintf(line, sizeof line, "#TS:%lld\r\n", (long long)now_s);
    int error = gate_write(f->gate, line, (size_t)len, f->size, NULL);
    if (error) {
        (void)!gate_truncate(f->gate, f->size);
        write_failed(a, error);
        return false;
    }
    a->stamped_s = now_s;
    RELAXED_STORE(&f->size, f->size + (uint64_t)len);
    f->boundary_size = f->size;
    return true;
}

/* Writes the slice, which ends with a whole record. */
static void write_some(struct aof *a, struct aof_file *f, struct slice s)
{
    size_t written = 0;
    if (RELAXED_LOAD(&a->timestamps) && !write_timestamp(a, f))
        return;
    int error = gate_write(f->gate, s.data, s.len, f->size, &written);
    OWNER_ADD(&a->total, written);
    RELAXED_STORE(&f->size, f->size + written);
    advance(a, written);
    if (error && written < s.len) {
        write_failed(a, error);
        return;
    }
    f->boundary_size = f->size;
    __atomic_store_n(&a->written, plog_reader_at(a->reader), __ATOMIC_RELEASE);
    if (UNLIKELY(RELAXED_LOAD(&a->write_error))) {
        LOG_NOTICE("The log can be written again, nothing was lost");
        RELAXED_STORE(&a->write_error, 0);
        guard_note_resumed(a->guard);
    }
    if (a->group_end == 0)
        a->group_end = plog_end(a->plog);
}

/* The reader is at a cut: the next file becomes the current one. Takes the mutex over, drops it. */
static void take_next(struct aof *a)
{
    struct aof_file *old = a->current, *next = a->next, *needless = NULL;
    a->next = next->next;
    next->next = NULL;
    if (a->gap && !next->fresh) {
        a->rejected_at = next->start;
        needless = next; /* what it would hold does not follow what is on disk */
    } else {
        bool in_base =
            a->covered >= next->start; /* so it needs no sync, and its blocks may go now */
        a->current = next;
        if (old && in_base) {
            needless = unref(old);
        } else if (old) {
            old->next = a->retired;
            a->retired = old;
        }
    }
    unlock_and_tell(a);
    discard(needless);
    a->stamped_s = 0;
    a->guard_polled_ms = 0; /* what was true of the last file need not be of this one */
}

/* Turned off, or the end: all is written that can be. `f` is the current file, or NULL. */
static void finish(struct aof *a, struct aof_file *f)
{
    if (f && f->size != f->boundary_size && gate_truncate(f->gate, f->boundary_size) != 0)
        LOG_WARNING("The log ends in a part of a record, which will be cut off when it is loaded");
    if (f)
        (void)!sync_all(a); /* its error is kept in sync_error */
    pthread_mutex_lock(&a->mutex);
    while (a->syncing)
        wait_changed(a, IDLE_MS);
    struct aof_file *next = a->next, *retired = take_retired(a), *last = unref(a->current);
    struct plog_reader *reader = a->reader;
    a->current = a->next = NULL;
    a->reader = NULL;
    a->close_at = UINT64_MAX;
    a->promised = false;
    RELAXED_STORE(&a->gap, false);
    RELAXED_STORE(&a->poisoned, false);
    RELAXED_STORE(&a->reader_at, UINT64_MAX);
    plog_reader_close(reader);
    unlock_and_tell(a);
    discard(last);
    discard_list(a, next);
    discard_list(a, retired);
    a->group_end = 0;
}

static bool group_is_whole(const struct aof *a, uint64_t at)
{
    return fsync_mode(a) == PERSIST_FSYNC_ALWAYS && a->group_end && at >= a->group_end;
}

/* always: something is written that should be durable and is not known to be. */
static bool owes_sync(const struct aof *a, const struct aof_file *f)
{
    return !RELAXED_LOAD(&f->fresh) && fsync_mode(a) == PERSIST_FSYNC_ALWAYS &&
           !RELAXED_LOAD(&a->poisoned) && !RELAXED_LOAD(&a->gap) &&
           RELAXED_LOAD(&a->written) > RELAXED_LOAD(&a->synced);
}

/* Nothing to write: sync what is not, or sleep. */
static void idle(struct aof *a, const struct aof_file *f, uint64_t at)
{
    if (f && owes_sync(a, f)) {
        a->group_end = 0;
        (void)!sync_all(a);
    } else if (plog_wait(a->plog, at, IDLE_MS) && fsync_mode(a) != PERSIST_FSYNC_ALWAYS) {
        clock_sleep_us(GATHER_US);
    }
}

/* Writes or drops what the log holds before `limit`. f: the current file, or NULL. */
static void work(struct aof *a, struct aof_file *f, uint64_t covered, uint64_t limit)
{
    uint64_t at = plog_reader_at(a->reader);
    if (f && !still_wanted(a)) {
        give_up(a, GUARD_CAUSE_SPACE);
        return;
    }
    struct slice s = plog_peek(a->reader);
    if (s.len == 0) {
        idle(a, f, at);
        return;
    }
    s.len = (size_t)MIN_OF((uint64_t)s.len, limit - at);
    if (at < covered)
        advance(a, (size_t)MIN_OF((uint64_t)s.len, covered - at));
    else if (!f)
        advance(a, s.len);
    else
        write_some(a, f, s);
    if (group_is_whole(a, plog_reader_at(a->reader))) {
        a->group_end = 0;
        (void)!sync_all(a);
    }
}

/* One step. False: the thread is done. */
static bool log_turn(struct aof *a)
{
    pthread_mutex_lock(&a->mutex);
    if (!a->reader) {
        bool stop = a->stop;
        if (!stop)
            wait_changed(a, IDLE_MS);
        pthread_mutex_unlock(&a->mutex);
        return !stop;
    }
    uint64_t at = plog_reader_at(a->reader);
    uint64_t end = a->stop ? MIN_OF(a->close_at, plog_end(a->plog)) : a->close_at;
    bool late = a->stop && clock_mono_ms() >= a->stop_until_ms;
    if (a->next && at >= a->next->start) {
        take_next(a);
        return true;
    }
    struct aof_file *f = a->current;
    if (f)
        f->references++;
    uint64_t covered = a->covered, limit = a->next ? a->next->start : UINT64_MAX;
    pthread_mutex_unlock(&a->mutex);

    if (at >= end || late)
        finish(a, f);
    else
        work(a, f, covered, limit);

    pthread_mutex_lock(&a->mutex);
    struct aof_file *last = unref(f);
    pthread_mutex_unlock(&a->mutex);
    discard(last);
    return true;
}

static void *log_main(void *arg)
{
    mem_thread_join();
    while (log_turn(arg))
        ;
    mem_thread_leave();
    return NULL;
}

/* ---- the sync thread ---- */

/* The file was removed or replaced under us: what is written to it will not be found again. */
static void check_displaced(struct aof *a)
{
    pthread_mutex_lock(&a->mutex);
    struct aof_file *f = a->current;
    if (f && !f->poisoned && !f->fresh)
        f->references++;
    else
        f = NULL;
    pthread_mutex_unlock(&a->mutex);
    if (!f)
        return;
    bool displaced = gate_displaced(f->gate);
    pthread_mutex_lock(&a->mutex);
    if (displaced && f == a->current)
        poison(a, f);
    else
        displaced = false;
    struct aof_file *last = unref(f);
    unlock_and_tell(a);
    discard(last);
    if (displaced) {
        LOG_WARNING("The log file was removed or replaced by somebody else. A fresh base will be "
                    "written from memory");
        guard_note_poisoned(a->guard, GUARD_CAUSE_IOERROR);
    }
}

static bool sync_is_due(const struct aof *a)
{
    if (RELAXED_LOAD(&a->rewriting) && RELAXED_LOAD(&a->no_fsync_on_rewrite))
        return false;
    return fsync_mode(a) == PERSIST_FSYNC_EVERYSEC && !RELAXED_LOAD(&a->poisoned) &&
           __atomic_load_n(&a->written, __ATOMIC_ACQUIRE) > RELAXED_LOAD(&a->synced);
}

static void *sync_main(void *arg)
{
    struct aof *a = arg;
    uint64_t last_ms = clock_mono_ms();
    mem_thread_join();
    for (;;) {
        pthread_mutex_lock(&a->mutex);
        bool stop = a->stop;
        if (!stop)
            wait_changed(a, IDLE_MS);
        pthread_mutex_unlock(&a->mutex);
        if (stop)
            break;
        uint64_t now = clock_mono_ms();
        if (now - last_ms < SYNC_EVERY_MS)
            continue;
        last_ms = now;
        check_displaced(a);
        if (sync_is_due(a)) {
            (void)!sync_all(a);
            if (clock_mono_ms() - now > SYNC_DELAYED_MS)
                RELAXED_ADD(&a->delayed_syncs, 1);
        }
    }
    mem_thread_leave();
    return NULL;
}

/* ---- start and stop ---- */

void aof_start(struct aof *a)
{
    a->started = true;
    pthread_create(&a->log_thread, NULL, log_main, a);
    pthread_create(&a->sync_thread, NULL, sync_main, a);
}

/* Joins, or leaves behind a thread that hangs in the disk. */
static bool join_until(pthread_t thread, uint64_t until_ms)
{
    uint64_t left = until_ms > clock_mono_ms() ? until_ms - clock_mono_ms() : 0;
    struct timespec deadline;
    int64_t at = clock_wall_ms() + (int64_t)left + 200;
    deadline.tv_sec = at / 1000;
    deadline.tv_nsec = at % 1000 * 1000000;
    return pthread_timedjoin_np(thread, NULL, &deadline) == 0;
}

int aof_stop(struct aof *a, uint32_t timeout_ms)
{
    if (!a->started)
        return 0;
    uint64_t until = clock_mono_ms() + timeout_ms;
    pthread_mutex_lock(&a->mutex);
    a->stop = true;
    a->stop_until_ms = until;
    unlock_and_tell(a);
    plog_kick(a->plog);
    a->log_ended = a->log_ended || join_until(a->log_thread, until);
    a->sync_ended = a->sync_ended || join_until(a->sync_thread, until);
    if (!a->log_ended || !a->sync_ended) {
        LOG_WARNING("The disk does not answer: leaving the log's thread behind");
        return -ETIMEDOUT; /* still started: must not be freed */
    }
    a->started = false;
    int error = RELAXED_LOAD(&a->write_error);
    return error ? error : RELAXED_LOAD(&a->sync_error);
}

/* ---- the saver's part ---- */

void aof_switch_at(struct aof *a, struct aof_file *file, uint64_t at, bool fresh)
{
    pthread_mutex_lock(&a->mutex);
    RELAXED_STORE(&file->fresh, fresh);
    file->start = at;
    if (!a->reader) {
        a->reader = plog_reader_open(a->plog);
        RELAXED_STORE(&a->reader_at, at);
        RELAXED_STORE(&a->written, at);
        RELAXED_STORE(&a->synced, fresh && at ? at - 1 : at); /* fresh: nothing is on disk yet */
    }
    a->promised |= !fresh;
    a->close_at = UINT64_MAX;
    struct aof_file **link = &a->next;
    while (*link)
        link = &(*link)->next;
    *link = file;
    publish(a);
    pthread_cond_broadcast(&a->changed);
    pthread_mutex_unlock(&a->mutex);
    plog_kick(a->plog);
}

void aof_covered(struct aof *a, uint64_t at, bool fresh)
{
    pthread_mutex_lock(&a->mutex);
    a->covered = MAX_OF(a->covered, at);
    struct aof_file *retired = take_retired(a);
    struct aof_file *newest = a->current;
    for (struct aof_file *f = a->next; f; f = f->next)
        newest = f;
    if (newest)
        RELAXED_STORE(&newest->fresh, false);
    if (fresh && newest)
        RELAXED_STORE(&a->gap, false);
    if (!newest || !newest->poisoned) {
        RELAXED_STORE(&a->poisoned, false);
        RELAXED_STORE(&a->sync_error, 0);
        RELAXED_STORE(&a->synced, MAX_OF(a->synced, at));
    }
    a->promised = true;
    unlock_and_tell(a);
    discard_list(a, retired);
    plog_kick(a->plog);
}

bool aof_cut_is_lost(struct aof *a, uint64_t at)
{
    pthread_mutex_lock(&a->mutex);
    bool lost = a->gap && a->rejected_at == at;
    for (struct aof_file *f = a->next; f; f = f->next)
        lost |= a->gap && f->start == at;
    pthread_mutex_unlock(&a->mutex);
    return lost;
}

void aof_abandon(struct aof *a)
{
    pthread_mutex_lock(&a->mutex);
    struct aof_file *next = NULL, *last = NULL, **link = &a->next;
    RELAXED_STORE(&a->gap, true);
    while (*link && !(*link)->fresh)
        link = &(*link)->next;
    next = *link; /* a fresh file is the last of its list */
    *link = NULL;
    if (a->current && a->current->fresh) {
        last = unref(a->current);
        a->current = NULL;
    }
    unlock_and_tell(a);
    discard_list(a, next);
    discard(last);
}

void aof_begin_gap(struct aof *a)
{
    pthread_mutex_lock(&a->mutex);
    RELAXED_STORE(&a->gap, true);
    unlock_and_tell(a);
}

void aof_close(struct aof *a, uint32_t timeout_ms)
{
    uint64_t until = clock_mono_ms() + timeout_ms;
    pthread_mutex_lock(&a->mutex);
    if (!a->reader)
        RELAXED_STORE(&a->gap, false);
    else
        a->close_at = plog_end(a->plog);
    pthread_mutex_unlock(&a->mutex);
    plog_kick(a->plog);
    pthread_mutex_lock(&a->mutex);
    while (a->reader && clock_mono_ms() < until)
        wait_changed(a, IDLE_MS);
    struct aof_file *last = NULL;
    if (a->reader) { /* the disk does not take it: what is left is dropped */
        RELAXED_STORE(&a->gap, true);
        last = unref(a->current);
        a->current = NULL;
        LOG_WARNING("The end of the log could not be written");
    }
    unlock_and_tell(a);
    discard(last);
}

bool aof_drain(struct aof *a, uint32_t timeout_ms)
{
    uint64_t until = clock_mono_ms() + timeout_ms;
    while (aof_pending(a) && !aof_has_gap(a) && clock_mono_ms() < until)
        clock_sleep_us(GATHER_US);
    return aof_pending(a) == 0 && !aof_has_gap(a);
}

void aof_set_rewriting(struct aof *a, bool running)
{
    RELAXED_STORE(&a->rewriting, running);
}

bool aof_has_gap(const struct aof *a)
{
    return RELAXED_LOAD(&a->gap);
}

bool aof_is_poisoned(const struct aof *a)
{
    return RELAXED_LOAD(&a->poisoned);
}

uint64_t aof_durable(const struct aof *a)
{
    return __atomic_load_n(&a->durable, __ATOMIC_ACQUIRE);
}

uint64_t aof_synced(const struct aof *a)
{
    return RELAXED_LOAD(&a->synced);
}

uint64_t aof_pending(const struct aof *a)
{
    uint64_t end = plog_end(a->plog), at = RELAXED_LOAD(&a->reader_at);
    return end > at ? end - at : 0;
}

void aof_stats(const struct aof *a, struct aof_stats *out)
{
    pthread_mutex_t *mutex = (pthread_mutex_t *)&a->mutex;
    pthread_mutex_lock(mutex);
    out->file_bytes = a->current ? RELAXED_LOAD(&a->current->size) : 0;
    pthread_mutex_unlock(mutex);
    out->written_bytes = RELAXED_LOAD(&a->total);
    out->delayed_syncs = RELAXED_LOAD(&a->delayed_syncs);
    out->sync_running = RELAXED_LOAD(&a->sync_began_ms) != 0;
    out->write_error = RELAXED_LOAD(&a->write_error);
    out->sync_error = RELAXED_LOAD(&a->sync_error);
}
