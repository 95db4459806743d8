/* saver.c - the saver thread: what is due, and running it.
 *
 * Every 100 ms, or when woken: follow the settings (log on or off), tell the guard sizes, then run
 * at most one job: a fresh base that is wanted, a rewrite (asked for, or wanted by the guard), a
 * save (asked for, or due by a save point). A job runs on this thread, or, if nothing waits for it,
 * on one of its own that makes way for workers (base/pace.h), whose end this thread awaits. Where it
 * shares their processor it then gets about a seventh: with much more the clients would feel it,
 * with much less they would donate faster than it can write.
 */
#include <errno.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/pace.h"
#include "persist/rewrite.h"
#include "persist/save.h"
#include "persist/state.h"
#include "plog/plog.h"

#define TURN_MS         100
#define SAVE_RETRY_MS   5000 /* after a save by a save point that failed */
#define LOG_CLOSE_MS    10000
#define REWRITE_TRIES   3    /* of one that turns void; the last insists */
#define REWRITE_REST_MS 1000 /* after one that failed */

static int64_t now_s(void)
{
    return clock_wall_ms() / 1000;
}

static uint64_t changes_now(const struct persist *p)
{
    return p->parts.changes ? p->parts.changes(p->parts.ctx) : 0;
}

/* ---- jobs ---- */

struct job_run {
    int (*run)(void *ctx);
    void *ctx;
    int result;
};

static void *run_gently(void *arg)
{
    struct job_run *job = arg;
    mem_thread_join();
    pace_background(); /* this thread, which could not go back */
    job->result = job->run(job->ctx);
    mem_thread_leave();
    return NULL;
}

/* Runs a job and waits for its end; gently: so that it steps back where others want its
 * processor. */
static int run_job(int (*run)(void *ctx), void *ctx, bool gently)
{
    struct job_run job = {.run = run, .ctx = ctx};
    pthread_t thread;
    if (!gently || pthread_create(&thread, NULL, run_gently, &job) != 0)
        return run(ctx);
    pthread_join(thread, NULL);
    return job.result;
}

/* False: the server is stopping. */
static bool begin_job(struct persist *p, enum job job)
{
    pthread_mutex_lock(&p->mutex);
    bool begin = !p->stop;
    if (begin) {
        RELAXED_STORE(job == JOB_SAVE ? &p->want_save : &p->want_rewrite, false);
        RELAXED_STORE(&p->c.job_began_ms, clock_mono_ms());
        RELAXED_STORE(&p->job, (uint32_t)job);
        snapshot_arm(p->snapshot);
    }
    pthread_mutex_unlock(&p->mutex);
    return begin;
}

static uint64_t end_job(struct persist *p)
{
    RELAXED_STORE(&p->job, (uint32_t)JOB_NONE);
    return clock_mono_ms() - p->c.job_began_ms;
}

/* ---- saves ---- */

static struct save_waiter *take_waiters(struct persist *p, struct save_waiter **list)
{
    pthread_mutex_lock(&p->mutex);
    struct save_waiter *waiters = *list;
    *list = NULL;
    pthread_mutex_unlock(&p->mutex);
    return waiters;
}

static void answer_waiters(struct save_waiter *list, int error)
{
    for (struct save_waiter *w = list, *next; w; w = next) {
        next = w->next;
        w->done(w->ctx, error);
        mem_free(w);
    }
}

static void note_changes(void *ctx)
{
    struct persist *p = ctx;
    p->save_changes_at_cut = changes_now(p);
    answer_waiters(take_waiters(p, &p->cut_waiters), 0);
}

static void note_save(struct persist *p, const struct save *save, int error)
{
    uint64_t ms = end_job(p);
    RELAXED_STORE(&p->c.save_seconds, (int64_t)(ms / 1000));
    RELAXED_STORE(&p->c.save_peak, save->peak_bytes);
    RELAXED_STORE(&p->c.cut_us, save->cut_us);
    RELAXED_ADD(&p->c.passes, 1);
    RELAXED_STORE(&p->c.save_failed, error && error != -ECANCELED);
    if (error) {
        LOG_WARNING("Saving the DB failed: %s", strerror(-error));
        p->save_tried_ms = clock_mono_ms();
        return;
    }
    RELAXED_ADD(&p->c.saves, 1);
    RELAXED_STORE(&p->c.lastsave_s, now_s());
    RELAXED_STORE(&p->c.changes_saved, p->save_changes_at_cut);
    p->save_tried_ms = 0;
    LOG_NOTICE("DB saved on disk: %llu keys, %llu bytes in %.3f seconds, %llu bytes held at most",
               (unsigned long long)save->keys, (unsigned long long)save->bytes, (double)ms / 1000,
               (unsigned long long)save->peak_bytes);
}

static int run_save_job(void *ctx)
{
    return save_run(ctx);
}

int saver_save(struct persist *p, bool gently)
{
    struct persist_options options;
    persist_options_now(p, &options);
    struct save save = {.snapshot = p->snapshot,
                        .gate = guard_gate(p->parts.guard),
                        .dir = options.dir,
                        .name = options.dbfilename,
                        .compress = options.rdbcompression,
                        .checksum = options.rdbchecksum,
                        .buffer_limit = options.snapshot_buffer_limit,
                        .key_delay = options.rdb_key_save_delay,
                        .at_cut = note_changes,
                        .ctx = p};
    RELAXED_STORE(&p->c.job_began_ms, clock_mono_ms());
    aof_set_rewriting(p->aof, true);
    int error = run_job(run_save_job, &save, gently);
    aof_set_rewriting(p->aof, false);
    note_save(p, &save, error);
    options_free(&options);
    return error;
}

/* False: another big writer has the token. */
static bool run_save(struct persist *p)
{
    if (!guard_token_take(p->parts.guard, GUARD_WRITER_SNAPSHOT))
        return false;
    if (begin_job(p, JOB_SAVE)) {
        struct save_waiter *waiters = take_waiters(p, &p->waiters);
        int error = saver_save(p, !waiters);
        answer_waiters(take_waiters(p, &p->cut_waiters), error);
        answer_waiters(waiters, error);
    }
    guard_token_give(p->parts.guard, GUARD_WRITER_SNAPSHOT);
    return true;
}

/* The base of the log, written since the last save, serves as the dump file by a second name. */
static bool link_base(struct persist *p, const struct persist_options *options)
{
    struct gate *gate = p->dir.gate;
    const struct manifest_file *base = p->log_on ? manifest_base(&p->dir.manifest) : NULL;
    size_t len = base ? strlen(base->name) : 0;
    if (len < 4 || strcmp(base->name + len - 4, ".rdb") != 0 ||
        p->base_changes <= RELAXED_LOAD(&p->c.changes_saved))
        return false;
    struct bytes temp = {0}, to = {0};
    char *from = aof_dir_path(&p->dir, base->name);
    bytes_printf(&temp, "%s/temp-%d.rdb", options->dir, (int)getpid());
    bytes_printf(&to, "%s/%s", options->dir, options->dbfilename);
    int error = gate_link(gate, from, bytes_str(&temp));
    if (!error && (error = gate_rename(gate, temp.data, bytes_str(&to))) != 0)
        (void)!gate_remove(gate, temp.data);
    if (!error) {
        RELAXED_STORE(&p->c.changes_saved, p->base_changes);
        RELAXED_STORE(&p->c.lastsave_s, now_s());
        LOG_NOTICE("No room for a snapshot: the base of the log serves as %s", options->dbfilename);
    }
    mem_free(from);
    bytes_free(&temp);
    bytes_free(&to);
    return error == 0;
}

static bool save_point_due(struct persist *p, const struct persist_options *options)
{
    uint64_t changes = persist_changes(p);
    int64_t age = now_s() - RELAXED_LOAD(&p->c.lastsave_s);
    if (p->save_tried_ms && clock_mono_ms() - p->save_tried_ms < SAVE_RETRY_MS)
        return false;
    for (uint32_t i = 0; i < options->save_count; i++)
        if (changes >= (uint64_t)MAX_OF(options->save[i].changes, 1) &&
            age >= options->save[i].seconds)
            return true;
    return false;
}

/* True if a save is due by a save point and may be written. */
static bool save_wanted(struct persist *p, const struct persist_options *options,
                        const struct guard_wants *wants)
{
    if (!save_point_due(p, options)) {
        p->skip_noted = false;
        return false;
    }
    if (wants->snapshot)
        return true;
    if (wants->link_snapshot && link_base(p, options))
        return false;
    if (!p->skip_noted) {
        LOG_WARNING("A snapshot is due and skipped for lack of disk space");
        guard_note_snapshot_skipped(p->parts.guard);
    }
    p->skip_noted = true;
    return false;
}

/* ---- rewrites ---- */

static void note_base_changes(void *ctx)
{
    struct persist *p = ctx;
    p->base_changes = changes_now(p);
}

static int rewrite_until_whole(void *ctx)
{
    struct rewrite *r = ctx;
    int error = -EAGAIN;
    for (int try = 1; error == -EAGAIN && try <= REWRITE_TRIES; try++) {
        r->insist = try == REWRITE_TRIES;
        error = rewrite_run(r);
    }
    return error;
}

static void note_rewrite(struct persist *p, const struct rewrite *r, int error, uint64_t log_bytes)
{
    uint64_t ms = end_job(p);
    RELAXED_STORE(&p->c.rewrite_seconds, (int64_t)(ms / 1000));
    RELAXED_STORE(&p->c.rewrite_failed, error && error != -ECANCELED);
    RELAXED_STORE(&p->c.rewrite_peak, r->peak_bytes);
    RELAXED_STORE(&p->c.cut_us, r->cut_us);
    RELAXED_ADD(&p->c.passes, 1);
    RELAXED_ADD(&p->c.rewrites, 1);
    RELAXED_STORE(&p->c.rewrite_failures, error ? p->c.rewrite_failures + 1 : 0);
    p->rewrite_tried_ms = error ? clock_mono_ms() : 0;
    if (error) {
        LOG_WARNING("Rewriting the log failed: %s", strerror(-error));
        return;
    }
    RELAXED_STORE(&p->c.base_bytes, r->base_bytes);
    RELAXED_STORE(&p->c.increments_before, 0);
    RELAXED_STORE(&p->c.increments_from, r->cut);
    LOG_NOTICE("Log rewritten: %llu keys, base of %llu bytes in %.3f seconds, %llu bytes logged "
               "meanwhile",
               (unsigned long long)r->keys, (unsigned long long)r->base_bytes, (double)ms / 1000,
               (unsigned long long)log_bytes);
}

/* What the guard learns; and that a trouble which the rewrite did not cure is still there. */
static void tell_guard(struct persist *p, const struct rewrite *r, int error, uint64_t log_bytes)
{
    struct guard *g = p->parts.guard;
    bool whole = !aof_has_gap(p->aof) && !aof_is_poisoned(p->aof);
    struct guard_rewrite result = {.repair = whole,
                                   .error = -error,
                                   .trigger = r->trigger,
                                   .base_bytes = r->base_bytes,
                                   .data_bytes = r->data_bytes,
                                   .log_bytes = log_bytes,
                                   .duration_ms = clock_mono_ms() - p->c.job_began_ms};
    guard_note_rewrite_done(g, &result);
    if (aof_has_gap(p->aof) && error != -ECANCELED)
        guard_note_suspended(g, error ? guard_cause_of_errno(-error) : GUARD_CAUSE_SPACE);
}

/* The log's directory, for a chain that was not loaded at the start. */
static void prepare_dir(struct persist *p, const struct persist_options *options)
{
    const char *why;
    uint32_t line;
    persist_open_dir(p, options);
    int error = aof_dir_make(&p->dir);
    error = error ? error : aof_dir_lock(&p->dir);
    if (error)
        LOG_WARNING("Cannot use %s for the log: %s", p->dir.path, strerror(-error));
    error = aof_dir_read(&p->dir, &why, &line);
    if (error && error != -ENOENT)
        LOG_WARNING("The old manifest in %s cannot be read and will be replaced", p->dir.path);
}

/* False: another big writer has the token. */
static bool run_rewrite(struct persist *p, enum guard_trigger trigger, bool replace_old)
{
    struct guard *g = p->parts.guard;
    if (!guard_token_take(g, GUARD_WRITER_REWRITE))
        return false;
    if (!begin_job(p, JOB_REWRITE)) {
        guard_token_give(g, GUARD_WRITER_REWRITE);
        return true;
    }
    struct persist_options options;
    persist_options_now(p, &options);
    if (!p->dir_ready)
        prepare_dir(p, &options);
    struct rewrite r = {.aof = p->aof,
                        .dir = &p->dir,
                        .snapshot = p->snapshot,
                        .guard = g,
                        .compress = options.rdbcompression,
                        .checksum = options.rdbchecksum,
                        .commands = !options.aof_use_rdb_preamble,
                        .buffer_limit = options.snapshot_buffer_limit,
                        .key_delay = options.rdb_key_save_delay,
                        .trigger = trigger,
                        .fresh = aof_has_gap(p->aof),
                        .replace_old = replace_old && p->log_on,
                        .base_only = !p->log_on,
                        .at_cut = note_base_changes,
                        .ctx = p};
    uint64_t end_before = plog_end(p->parts.plog);
    guard_note_rewrite_started(g, trigger);
    /* Gently only where no space and no durability waits for it. */
    bool gently = trigger == GUARD_TRIGGER_COMMAND || trigger == GUARD_TRIGGER_GROWTH;
    int error = run_job(rewrite_until_whole, &r, gently);
    uint64_t log_bytes = plog_end(p->parts.plog) - (error ? end_before : r.cut);
    tell_guard(p, &r, error, log_bytes);
    note_rewrite(p, &r, error, log_bytes);
    p->fresh_wanted &= error == -ECANCELED; /* by turning the log off and on again */
    guard_token_give(g, GUARD_WRITER_REWRITE);
    options_free(&options);
    return true;
}

static bool rested(const struct persist *p)
{
    return !p->rewrite_tried_ms || clock_mono_ms() - p->rewrite_tried_ms >= REWRITE_REST_MS;
}

/* ---- loading again ---- */

/* False: a base is on its way, which must be there first. */
static bool run_reload(struct persist *p)
{
    if (p->log_on && (p->fresh_wanted || RELAXED_LOAD(&p->want_rewrite)))
        return false;
    pthread_mutex_lock(&p->mutex);
    struct save_waiter *waiters = p->reload_waiters;
    p->reload_waiters = NULL;
    RELAXED_STORE(&p->want_reload, false);
    pthread_mutex_unlock(&p->mutex);
    if (waiters != NULL)
        answer_waiters(waiters, load_log_again(p));
    return true;
}

/* ---- the log on and off ---- */

static void follow_appendonly(struct persist *p, const struct persist_options *options)
{
    if (options->appendonly == p->log_on)
        return;
    if (!options->appendonly) {
        aof_close(p->aof, LOG_CLOSE_MS);
        RELAXED_STORE(&p->log_on, false);
        p->fresh_wanted = false;
        guard_note_resumed(p->parts.guard); /* a gap of the log that was is none of the next one */
        LOG_NOTICE("The append only file is turned off");
        return;
    }
    prepare_dir(p, options);
    RELAXED_STORE(&p->log_on, true);
    aof_begin_gap(p->aof);
    p->fresh_wanted = true;
    LOG_NOTICE("The append only file is turned on: writing a base");
}

/* Sizes; and a trouble that the guard believes cured, so that it never stays. */
static void tell_state(struct persist *p)
{
    struct aof_stats stats;
    if (!p->log_on)
        return;
    uint8_t health = RELAXED_LOAD(&guard_verdict(p->parts.guard)->health);
    if (health == GUARD_DURABLE || health == GUARD_LAGGING) {
        if (aof_has_gap(p->aof) && !p->fresh_wanted)
            guard_note_suspended(p->parts.guard, GUARD_CAUSE_SPACE);
        else if (aof_is_poisoned(p->aof))
            guard_note_poisoned(p->parts.guard, GUARD_CAUSE_FSYNC);
    }
    aof_stats(p->aof, &stats);
    uint64_t at = plog_end(p->parts.plog) - aof_pending(p->aof);
    uint64_t from = RELAXED_LOAD(&p->c.increments_from);
    uint64_t increments = RELAXED_LOAD(&p->c.increments_before) + (at > from ? at - from : 0);
    guard_note_aof_sizes(p->parts.guard, RELAXED_LOAD(&p->c.base_bytes), increments);
    guard_note_log_bytes(p->parts.guard, stats.written_bytes);
}

/* ---- the thread ---- */

/* At most one job. */
static void run_what_is_due(struct persist *p, const struct persist_options *options)
{
    struct guard_wants wants;
    guard_wants(p->parts.guard, &wants);
    if (wants.sweep) {
        aof_sweep_leftovers(guard_gate(p->parts.guard), options->dir, NULL);
        if (p->dir_ready) {
            aof_sweep_leftovers(p->dir.gate, p->dir.path, p->dir.filename);
            aof_dir_remove_superseded(&p->dir);
        }
    }
    if (UNLIKELY(RELAXED_LOAD(&p->want_reload)) && run_reload(p))
        return;
    if (p->log_on && p->fresh_wanted && run_rewrite(p, GUARD_TRIGGER_REPAIR, false))
        return;
    if (p->log_on && wants.repair && rested(p) &&
        run_rewrite(p, GUARD_TRIGGER_REPAIR, wants.replace_old))
        return;
    if (RELAXED_LOAD(&p->want_rewrite) && run_rewrite(p, GUARD_TRIGGER_COMMAND, false))
        return;
    if (p->log_on && wants.compact != GUARD_TRIGGER_NONE && rested(p) &&
        run_rewrite(p, wants.compact, wants.replace_old))
        return;
    if (RELAXED_LOAD(&p->want_save) || save_wanted(p, options, &wants))
        (void)!run_save(p);
}

static bool wait_for_work(struct persist *p)
{
    uint64_t until = clock_mono_ns() + TURN_MS * UINT64_C(1000000);
    struct timespec deadline = {.tv_sec = (time_t)(until / 1000000000),
                                .tv_nsec = (long)(until % 1000000000)};
    pthread_mutex_lock(&p->mutex);
    if (!p->stop && !p->want_save && !p->want_rewrite && !p->want_reload)
        pthread_cond_timedwait(&p->wake, &p->mutex, &deadline);
    bool stop = p->stop;
    pthread_mutex_unlock(&p->mutex);
    return !stop;
}

void *saver_main(void *arg)
{
    struct persist *p = arg;
    mem_thread_join();
    while (wait_for_work(p)) {
        struct persist_options options;
        persist_options_now(p, &options);
        follow_appendonly(p, &options);
        tell_state(p);
        run_what_is_due(p, &options);
        options_free(&options);
    }
    answer_waiters(take_waiters(p, &p->cut_waiters), -ECANCELED);
    answer_waiters(take_waiters(p, &p->waiters), -ECANCELED);
    answer_waiters(take_waiters(p, &p->reload_waiters), -ECANCELED);
    mem_thread_leave();
    return NULL;
}
