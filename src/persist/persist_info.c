/* persist_info.c - INFO's persistence section, in the names and order of Redis 7. */
#include "base/clock.h"
#include "persist/state.h"
#include "plog/plog.h"

static void put(struct bytes *out, const char *name, int64_t value)
{
    bytes_printf(out, "%s:%lld\r\n", name, (long long)value);
}

static void put_status(struct bytes *out, const char *name, bool failed)
{
    bytes_printf(out, "%s:%s\r\n", name, failed ? "err" : "ok");
}

static int64_t job_seconds(const struct persist *p)
{
    return (int64_t)((clock_mono_ms() - RELAXED_LOAD(&p->c.job_began_ms)) / 1000);
}

static void put_pass(const struct persist *p, struct bytes *out)
{
    bool running = RELAXED_LOAD(&p->job) != JOB_NONE;
    uint64_t held = running ? snapshot_held(p->snapshot) : 0;
    uint64_t done = running ? snapshot_keys_done(p->snapshot) : 0;
    uint64_t total = running ? snapshot_keys_total(p->snapshot) : 0;
    double percent = total ? 100.0 * (double)MIN_OF(done, total) / (double)total : 0;
    put(out, "current_cow_peak", (int64_t)held);
    put(out, "current_cow_size", (int64_t)held);
    put(out, "current_cow_size_age", 0);
    bytes_printf(out, "current_fork_perc:%.2f\r\n", percent);
    put(out, "current_save_keys_processed", (int64_t)done);
    put(out, "current_save_keys_total", (int64_t)total);
}

static void put_rdb(const struct persist *p, struct bytes *out)
{
    const struct persist_counters *c = &p->c;
    bool running = RELAXED_LOAD(&p->job) == JOB_SAVE;
    put(out, "rdb_changes_since_last_save", (int64_t)persist_changes(p));
    put(out, "rdb_bgsave_in_progress", persist_bgsave_in_progress(p));
    put(out, "rdb_last_save_time", RELAXED_LOAD(&c->lastsave_s));
    put_status(out, "rdb_last_bgsave_status", RELAXED_LOAD(&c->save_failed));
    put(out, "rdb_last_bgsave_time_sec", RELAXED_LOAD(&c->save_seconds));
    put(out, "rdb_current_bgsave_time_sec", running ? job_seconds(p) : -1);
    put(out, "rdb_saves", (int64_t)RELAXED_LOAD(&c->saves));
    put(out, "rdb_last_cow_size", (int64_t)RELAXED_LOAD(&c->save_peak));
    put(out, "rdb_last_load_keys_expired", (int64_t)RELAXED_LOAD(&c->load_expired));
    put(out, "rdb_last_load_keys_loaded", (int64_t)RELAXED_LOAD(&c->load_keys));
    put(out, "load_damaged_files", RELAXED_LOAD(&c->load_damaged));
}

static void put_aof(const struct persist *p, struct bytes *out)
{
    const struct persist_counters *c = &p->c;
    enum job job = (enum job)RELAXED_LOAD(&p->job);
    put(out, "aof_enabled", RELAXED_LOAD(&p->log_on));
    put(out, "aof_rewrite_in_progress", persist_rewrite_in_progress(p));
    put(out, "aof_rewrite_scheduled", job == JOB_SAVE && RELAXED_LOAD(&p->want_rewrite));
    put(out, "aof_last_rewrite_time_sec", RELAXED_LOAD(&c->rewrite_seconds));
    put(out, "aof_current_rewrite_time_sec", job == JOB_REWRITE ? job_seconds(p) : -1);
    put_status(out, "aof_last_bgrewrite_status", RELAXED_LOAD(&c->rewrite_failed));
    put(out, "aof_rewrites", (int64_t)RELAXED_LOAD(&c->rewrites));
    put(out, "aof_rewrites_consecutive_failures", (int64_t)RELAXED_LOAD(&c->rewrite_failures));
    put_status(out, "aof_last_write_status", persist_log_failed(p));
    put(out, "aof_last_cow_size", (int64_t)RELAXED_LOAD(&c->rewrite_peak));
    put(out, "module_fork_in_progress", 0);
    put(out, "module_fork_last_cow_size", 0);
}

/* Only while the log is on. */
static void put_log(const struct persist *p, struct bytes *out)
{
    const struct persist_counters *c = &p->c;
    struct aof_stats stats;
    aof_stats(p->aof, &stats);
    uint64_t pending = aof_pending(p->aof), base = RELAXED_LOAD(&c->base_bytes);
    uint64_t at = plog_end(p->parts.plog) - pending, from = RELAXED_LOAD(&c->increments_from);
    uint64_t increments = RELAXED_LOAD(&c->increments_before) + (at > from ? at - from : 0);
    put(out, "aof_current_size", (int64_t)(base + increments));
    put(out, "aof_base_size", (int64_t)base);
    put(out, "aof_pending_rewrite", RELAXED_LOAD(&p->want_rewrite));
    put(out, "aof_buffer_length", (int64_t)pending);
    put(out, "aof_pending_bio_fsync", stats.sync_running);
    put(out, "aof_delayed_fsync", (int64_t)stats.delayed_syncs);
}

static void put_loading(const struct persist *p, struct bytes *out)
{
    const struct persist_counters *c = &p->c;
    uint64_t total = RELAXED_LOAD(&c->load_total), done = RELAXED_LOAD(&c->load_done);
    int64_t began = RELAXED_LOAD(&c->load_began_s), elapsed = clock_wall_ms() / 1000 - began;
    double percent = total ? 100.0 * (double)done / (double)total : 0;
    int64_t eta =
        done ? (int64_t)((double)elapsed * (double)(total - MIN_OF(done, total)) / (double)done)
             : 1;
    put(out, "loading_start_time", began);
    put(out, "loading_total_bytes", (int64_t)total);
    put(out, "loading_rdb_used_mem", 0);
    put(out, "loading_loaded_bytes", (int64_t)done);
    bytes_printf(out, "loading_loaded_perc:%.2f\r\n", percent);
    put(out, "loading_eta_seconds", eta);
}

void persist_info(struct persist *p, struct bytes *out)
{
    bool loading = persist_is_loading(p);
    put(out, "loading", loading);
    put(out, "async_loading", 0);
    put_pass(p, out);
    put_rdb(p, out);
    put_aof(p, out);
    if (RELAXED_LOAD(&p->log_on))
        put_log(p, out);
    if (loading)
        put_loading(p, out);
}
