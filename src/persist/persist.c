/* persist.c - the facade: life, options, questions, requests. The work is in load.c and saver.c. */
#include "persist/persist.h"

#include <errno.h>
#include <time.h>
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "persist/state.h"
#include "plog/plog.h"

/* ---- options ---- */

void persist_options_default(struct persist_options *out)
{
    *out = (struct persist_options){.dbfilename = "dump.rdb",
                                    .appendfsync = PERSIST_FSYNC_EVERYSEC,
                                    .aof_load_truncated = true,
                                    .aof_use_rdb_preamble = true,
                                    .rdbcompression = true,
                                    .rdbchecksum = true};
}

void options_copy(const struct persist_options *from, struct persist_options *to)
{
    *to = *from;
    to->dir = mem_strdup(from->dir);
    to->dbfilename = mem_strdup(from->dbfilename);
}

void options_free(struct persist_options *options)
{
    mem_free((char *)options->dir);
    mem_free((char *)options->dbfilename);
}

void persist_options_now(struct persist *p, struct persist_options *out)
{
    pthread_mutex_lock(&p->mutex);
    options_copy(&p->options, out);
    pthread_mutex_unlock(&p->mutex);
}

static void configure_log(struct persist *p, const struct persist_options *options)
{
    aof_configure(p->aof, options->appendfsync, options->no_appendfsync_on_rewrite,
                  options->aof_timestamp_enabled, options->aof_buffer_limit);
}

void persist_configure(struct persist *p, const struct persist_options *options)
{
    struct persist_options old, fresh;
    options_copy(options, &fresh);
    pthread_mutex_lock(&p->mutex);
    old = p->options;
    p->options = fresh;
    RELAXED_STORE(&p->key_load_delay, fresh.key_load_delay);
    bool turned_off = old.appendonly && !fresh.appendonly;
    if (turned_off && RELAXED_LOAD(&p->job) == JOB_REWRITE)
        snapshot_cancel(p->snapshot);
    pthread_cond_broadcast(&p->wake);
    pthread_mutex_unlock(&p->mutex);
    options_free(&old);
    configure_log(p, options);
}

/* ---- life ---- */

static void durable_moved(void *ctx)
{
    struct persist *p = ctx;
    if (p->parts.durable_moved)
        p->parts.durable_moved(p->parts.ctx);
}

struct persist *persist_new(const struct persist_parts *parts,
                            const struct persist_options *options)
{
    struct persist *p = mem_zalloc(sizeof *p);
    p->parts = *parts;
    p->parts.appendfilename = mem_strdup(parts->appendfilename);
    p->parts.appenddirname = mem_strdup(parts->appenddirname);
    options_copy(options, &p->options);
    p->key_load_delay = options->key_load_delay;
    p->snapshot = snapshot_new(parts->keyspace, parts->plog, parts->lanes + 1);
    p->aof = aof_new(parts->plog, parts->guard, durable_moved, p);
    p->c.lastsave_s = clock_wall_ms() / 1000;
    p->c.save_seconds = p->c.rewrite_seconds = -1;
    pthread_mutex_init(&p->mutex, NULL);
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&p->wake, &attributes);
    pthread_condattr_destroy(&attributes);
    configure_log(p, options);
    return p;
}

void persist_free(struct persist *p)
{
    if (p->started)
        return; /* a thread of it hangs in the disk: it is left behind with all it uses */
    aof_free(p->aof);
    snapshot_free(p->snapshot);
    if (p->dir_ready)
        aof_dir_free(&p->dir);
    options_free(&p->options);
    mem_free(p->torn);
    mem_free((char *)p->parts.appendfilename);
    mem_free((char *)p->parts.appenddirname);
    pthread_cond_destroy(&p->wake);
    pthread_mutex_destroy(&p->mutex);
    mem_free(p);
}

void persist_start(struct persist *p)
{
    struct persist_options options;
    persist_options_now(p, &options);
    RELAXED_STORE(&p->log_on, options.appendonly);
    if (options.appendonly && !p->dir_ready)
        persist_open_dir(p, &options);
    if (options.appendonly && !p->fresh_wanted) {
        int error = persist_open_log(p);
        if (error) {
            LOG_WARNING("The log cannot be opened: %s. Changes are kept in memory only until a "
                        "fresh base can be written",
                        strerror(-error));
            aof_begin_gap(p->aof);
            guard_note_suspended(p->parts.guard, guard_cause_of_errno(-error));
        }
    } else if (options.appendonly) {
        aof_begin_gap(p->aof);
    }
    options_free(&options);
    aof_start(p->aof);
    p->started = true;
    p->saver_runs = true;
    pthread_create(&p->thread, NULL, saver_main, p);
}

/* Joins the saver, or leaves it behind. */
static bool join_saver(struct persist *p, uint32_t timeout_ms)
{
    int64_t at = clock_wall_ms() + timeout_ms;
    struct timespec deadline = {.tv_sec = at / 1000, .tv_nsec = at % 1000 * 1000000};
    return pthread_timedjoin_np(p->thread, NULL, &deadline) == 0;
}

int persist_stop(struct persist *p, bool save, uint32_t timeout_ms)
{
    if (!p->started)
        return 0;
    uint64_t began = clock_mono_ms();
    pthread_mutex_lock(&p->mutex);
    p->stop = true;
    snapshot_cancel(p->snapshot);
    pthread_cond_broadcast(&p->wake);
    pthread_mutex_unlock(&p->mutex);
    if (p->saver_runs && !join_saver(p, timeout_ms)) {
        LOG_WARNING("The disk does not answer: leaving the saver behind");
        return -ETIMEDOUT;
    }
    p->saver_runs = false;
    snapshot_arm(p->snapshot);
    int error = save ? saver_save(p, false) : 0;
    uint64_t spent = clock_mono_ms() - began;
    int log_error = aof_stop(p->aof, spent < timeout_ms ? (uint32_t)(timeout_ms - spent) : 0);
    if (log_error != -ETIMEDOUT)
        p->started = false;
    if (log_error)
        LOG_WARNING("The log could not be finished: %s", strerror(-log_error));
    return error ? error : log_error;
}

/* ---- the engine ---- */

uint64_t persist_durable(const struct persist *p)
{
    return aof_durable(p->aof);
}

uint64_t persist_synced(const struct persist *p)
{
    return aof_synced(p->aof);
}

bool persist_is_saturated(const struct persist *p)
{
    return snapshot_is_saturated(p->snapshot);
}

bool persist_save_failed(const struct persist *p)
{
    return RELAXED_LOAD(&p->c.save_failed);
}

bool persist_log_failed(const struct persist *p)
{
    struct aof_stats stats;
    aof_stats(p->aof, &stats);
    return stats.write_error || stats.sync_error;
}

void persist_before_change(void *ctx, struct hold *hold, uint32_t db, struct entry *entry,
                           bool going)
{
    struct persist *p = ctx;
    snapshot_before_change(p->snapshot, hold, db, entry, going);
}

void persist_before_flush(void *ctx, struct hold *hold, uint32_t db, bool going)
{
    struct persist *p = ctx;
    snapshot_before_flush(p->snapshot, hold, db, going);
}

bool persist_must_wait(struct persist *p, struct hold *hold, const struct key *key)
{
    return snapshot_must_wait(p->snapshot, hold, key);
}

uint64_t persist_held(const struct persist *p)
{
    return snapshot_held(p->snapshot);
}

/* ---- requests ---- */

enum persist_answer persist_bgsave(struct persist *p, bool schedule,
                                   void (*begun)(void *ctx, int error), void *ctx)
{
    pthread_mutex_lock(&p->mutex);
    enum job job = (enum job)RELAXED_LOAD(&p->job);
    enum persist_answer answer = PERSIST_STARTED;
    if (p->want_save || job == JOB_SAVE)
        answer = PERSIST_SAVE_RUNNING;
    else if (job == JOB_REWRITE)
        answer = schedule ? PERSIST_SCHEDULED : PERSIST_REWRITE_RUNNING;
    if (answer == PERSIST_STARTED && begun != NULL) {
        struct save_waiter *waiter = mem_alloc(sizeof *waiter);
        *waiter = (struct save_waiter){.next = p->cut_waiters, .done = begun, .ctx = ctx};
        p->cut_waiters = waiter;
    }
    if (answer == PERSIST_STARTED || answer == PERSIST_SCHEDULED)
        RELAXED_STORE(&p->want_save, true);
    pthread_cond_broadcast(&p->wake);
    pthread_mutex_unlock(&p->mutex);
    return answer;
}

enum persist_answer persist_save(struct persist *p, void (*done)(void *ctx, int error), void *ctx)
{
    struct save_waiter *waiter = mem_alloc(sizeof *waiter);
    pthread_mutex_lock(&p->mutex);
    enum persist_answer answer = PERSIST_STARTED;
    if (p->stop || p->want_save || RELAXED_LOAD(&p->job) == JOB_SAVE) {
        answer = PERSIST_SAVE_RUNNING;
    } else {
        *waiter = (struct save_waiter){.next = p->waiters, .done = done, .ctx = ctx};
        p->waiters = waiter;
        RELAXED_STORE(&p->want_save, true);
        waiter = NULL;
    }
    pthread_cond_broadcast(&p->wake);
    pthread_mutex_unlock(&p->mutex);
    mem_free(waiter);
    return answer;
}

enum persist_answer persist_rewrite(struct persist *p)
{
    pthread_mutex_lock(&p->mutex);
    enum job job = (enum job)RELAXED_LOAD(&p->job);
    enum persist_answer answer = PERSIST_STARTED;
    if (job == JOB_REWRITE || (p->want_rewrite && job != JOB_SAVE))
        answer = PERSIST_REWRITE_RUNNING;
    else if (job == JOB_SAVE)
        answer = PERSIST_SCHEDULED;
    if (answer != PERSIST_REWRITE_RUNNING)
        RELAXED_STORE(&p->want_rewrite, true);
    pthread_cond_broadcast(&p->wake);
    pthread_mutex_unlock(&p->mutex);
    return answer;
}

void persist_reload_log(struct persist *p, void (*done)(void *ctx, int error), void *ctx)
{
    struct save_waiter *waiter = mem_alloc(sizeof *waiter);
    pthread_mutex_lock(&p->mutex);
    *waiter = (struct save_waiter){.next = p->reload_waiters, .done = done, .ctx = ctx};
    p->reload_waiters = waiter;
    RELAXED_STORE(&p->want_reload, true);
    pthread_cond_broadcast(&p->wake);
    pthread_mutex_unlock(&p->mutex);
}

void persist_flushed_all(struct persist *p)
{
    pthread_mutex_lock(&p->mutex);
    if (p->options.save_count && !p->stop)
        RELAXED_STORE(&p->want_save, true);
    pthread_cond_broadcast(&p->wake);
    pthread_mutex_unlock(&p->mutex);
}

/* ---- questions ---- */

bool persist_bgsave_in_progress(const struct persist *p)
{
    enum job job = (enum job)RELAXED_LOAD(&p->job);
    return job == JOB_SAVE || (job == JOB_NONE && RELAXED_LOAD(&p->want_save));
}

bool persist_rewrite_in_progress(const struct persist *p)
{
    enum job job = (enum job)RELAXED_LOAD(&p->job);
    return job == JOB_REWRITE || (job == JOB_NONE && RELAXED_LOAD(&p->want_rewrite));
}

int64_t persist_lastsave_s(const struct persist *p)
{
    return RELAXED_LOAD(&p->c.lastsave_s);
}

bool persist_is_loading(const struct persist *p)
{
    return RELAXED_LOAD(&p->c.loading);
}

uint64_t persist_log_pending(const struct persist *p)
{
    return RELAXED_LOAD(&p->log_on) ? aof_pending(p->aof) : 0;
}

uint64_t persist_changes(const struct persist *p)
{
    uint64_t now = p->parts.changes ? p->parts.changes(p->parts.ctx) : 0;
    uint64_t saved = RELAXED_LOAD(&p->c.changes_saved);
    return now > saved ? now - saved : 0;
}
