/* guard.c - the facade: owns the gate, the ballast, the threads and the core; carries out what
 * the core wants.
 *
 * One lock guards the core. It is held for arithmetic only: never across a call of the disk or a
 * hook. Lock order: the gate's lock is taken alone, before or after, never inside the guard's,
 * and vice versa.
 */
#include "guard/guard.h"

#include <errno.h>
#include <stdio.h>
#include "base/clock.h"
#include "base/lock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/number.h"
#include "base/panic.h"
#include "guard/report.h"
#include "guard/ticker.h"

#define FIRST_SAMPLE_MS 250 /* a start waits so long for the first sample, and no longer */
#define STOP_MS         1000
#define TRANSITIONS_MAX 8

struct transition {
    enum guard_level from, to;
};

struct guard {
    struct guard_verdict verdict; /* first: its own lines */
    struct gate *gate;
    struct ballast ballast;
    struct volume *volume;
    struct ticker *ticker; /* atomic: NULL until started */
    struct guard_hooks hooks;
    uint32_t writer;                  /* atomic: enum guard_writer, the token */
    uint64_t data_bytes, log_pending; /* atomic: what the hooks said last */
    struct lock lock;                 /* guards what follows */
    struct core core;
    char *dir, *append_dirname, *dump_name;
    uint32_t syncs_running;
    struct transition moved[TRANSITIONS_MAX]; /* not yet announced */
    size_t moved_count;
    bool said_undersized;
    bool left_behind; /* after guard_stop */
    /* guard thread only */
    uint64_t logged_ms;
    struct transition unlogged;
    bool has_unlogged;
};

/* Set once; the volume's threads may look before it is. */
static struct ticker *ticker_of(struct guard *g)
{
    return __atomic_load_n(&g->ticker, __ATOMIC_ACQUIRE);
}

/* ---- options ---- */

void guard_options_default(struct guard_options *out)
{
    const uint64_t mib = 1024 * 1024;
    *out = (struct guard_options){
        .dir = ".",
        .append_dirname = "appendonlydir",
        .dump_name = "dump.rdb",
        .fsync = GUARD_FSYNC_EVERYSEC,
        .policy = GUARD_POLICY_AUTO,
        .enabled = true,
        .ballast_bytes = GUARD_BALLAST_AUTO,
        .stall_timeout_ms = 20000,
        .lagging_ms = 2000,
        .dwell_ms = 10000,
        .unknown_ms = 10000,
        .poll_min_ms = 100,
        .poll_max_ms = 1000,
        .log_every_ms = 60000,
        .low_percent = 10,
        .high_percent = 5,
        .low_limit = 2048 * mib,
        .high_limit = 1024 * mib,
        .low_time_s = 900,
        .leave_factor_x100 = 125,
        .rewrite_margin_percent = 15,
        .meta_reserve = 1 * mib,
        .reclaim_reserve = 4 * mib,
        .inode_reserve = 64,
        .rewrite_percent = 100,
        .rewrite_min_bytes = 64 * mib,
    };
}

const char *guard_options_check(const struct guard_options *o)
{
    struct budget_settings settings = {
        .budget_percent = o->budget_percent,
        .low_percent = o->low_percent,
        .high_percent = o->high_percent,
        .low_limit = o->low_limit,
        .high_limit = o->high_limit,
        .leave_factor_x100 = o->leave_factor_x100,
    };
    if (!o->dir || !o->dir[0])
        return "dir: the guard needs a directory";
    if (o->budget_bytes && o->budget_percent)
        return "disk-budget: either bytes or a share of the volume";
    if (o->poll_min_ms == 0 || o->poll_min_ms > o->poll_max_ms)
        return "disk-poll-min-ms must be above 0 and not above disk-poll-max-ms";
    return budget_check(&settings);
}

/* Lock held, or not yet shared. */
static void take_options(struct guard *g, const struct guard_options *options)
{
    g->core.options = *options;
    g->core.options.dir = g->dir;
    g->core.options.append_dirname = g->append_dirname;
    g->core.options.dump_name = g->dump_name;
}

void guard_options_get(struct guard *g, struct guard_options *out)
{
    lock_take(&g->lock);
    *out = g->core.options;
    lock_drop(&g->lock);
}

/* ---- the step ---- */

static void publish(struct guard *g)
{
    struct guard_verdict *v = &g->verdict;
    const struct core *core = &g->core;
    const struct core_outputs *out = &core->out;
    RELAXED_STORE(&v->level, (uint8_t)core->level.level);
    RELAXED_STORE(&v->health, (uint8_t)core->durability.health);
    RELAXED_STORE(&v->cause, (uint8_t)core->durability.cause);
    RELAXED_STORE(&v->policy, (uint8_t)core_policy(core));
    RELAXED_STORE(&v->log_on, out->act.log_on);
    RELAXED_STORE(&v->snapshot_on, out->act.snapshot_on && !out->mount_lost);
    RELAXED_STORE(&v->link_on, out->act.link_snapshot && !out->mount_lost);
    RELAXED_STORE(&v->sweep_on, out->act.sweep && !out->mount_lost);
    RELAXED_STORE(&v->repair_on, out->repair);
    RELAXED_STORE(&v->compact, (uint8_t)out->compact);
    RELAXED_STORE(&v->replace_old, out->replace_old);
    RELAXED_STORE(&v->retry_ms, out->retry_ms);
    RELAXED_STORE(&v->slow_us, out->slow_us);
    RELAXED_STORE(&v->predicted_base, out->predicted_base);
    RELAXED_STORE(&v->base_limit, out->base_cap);
    RELAXED_STORE(&v->largest, out->largest);
    RELAXED_STORE(&v->used, MAX_OF(core->in.gate.own_bytes, core->in.sample.own));
    RELAXED_STORE(&v->budget, core->budget.ceiling == BUDGET_NONE ? 0 : core->budget.ceiling);
    RELAXED_STORE(&v->free_bytes, core->budget.free_bytes);
    RELAXED_STORE(&v->transitions, core->level.transitions);
    RELAXED_STORE(&v->evict_quota, (int64_t)out->evict_quota);
    RELAXED_STORE(&v->evict_on, out->act.evict_on);
    RELAXED_STORE(&v->credit, out->credit);
    RELAXED_STORE(&v->growth, (uint8_t)out->act.growth);
    __atomic_fetch_add(&v->epoch, 1, __ATOMIC_RELEASE); /* purses lapse */
}

static void set_limits(struct guard *g, const struct core *core)
{
    struct gate_limits limits = {
        .available = core->sampled ? core->in.sample.volume.available : UINT64_MAX,
        .taken_at_sample = core->in.sample.taken,
        .given_by_sample = core->in.sample.given,
        .ceiling = core->options.enabled ? core->budget.ceiling : UINT64_MAX,
        .log_step = core->out.log_step,
        .refuse = core->out.mount_lost ? ENODEV : 0,
    };
    if (!core->options.enabled) /* what ENOSPC there is, the file system says */
        limits.available = UINT64_MAX;
    memcpy(limits.floor, core->out.floor, sizeof(limits.floor));
    gate_set_limits(g->gate, &limits);
}

/* Lock held: runs the core and publishes; the caller carries out the rest without the lock. */
static void step_locked(struct guard *g, const struct core_inputs *in)
{
    enum guard_level from = g->core.level.level;
    bool changed = core_step(&g->core, in);
    publish(g);
    if (changed && g->moved_count < TRANSITIONS_MAX)
        g->moved[g->moved_count++] = (struct transition){from, g->core.level.level};
}

static struct core_inputs gather(struct guard *g, uint64_t now_ms)
{
    struct core_inputs in = {.now_ms = now_ms, .wall_ms = clock_wall_ms()};
    volume_read(g->volume, &in.sample, &in.probe);
    gate_stats(g->gate, &in.gate);
    in.data_bytes = RELAXED_LOAD(&g->data_bytes);
    in.log_pending = RELAXED_LOAD(&g->log_pending);
    in.ballast_held = RELAXED_LOAD(&g->ballast.held);
    in.refused = RELAXED_LOAD(&g->verdict.refused);
    in.starved = RELAXED_LOAD(&g->verdict.starved);
    return in;
}

/* One step on any thread; announcements are left to the guard thread. Returns the next poll. */
static unsigned step(struct guard *g, const struct core_inputs *in)
{
    lock_take(&g->lock);
    step_locked(g, in);
    struct core core = g->core;
    lock_drop(&g->lock);
    set_limits(g, &core);
    volume_do_chores(g->volume, &core.out.chores);
    volume_set_interval(g->volume, core.out.poll_ms < core.options.poll_min_ms
                                       ? (unsigned)core.options.poll_min_ms
                                       : core.out.poll_ms);
    return core.out.poll_ms;
}

/* ---- announcements: guard thread ---- */

static void log_transition(struct guard *g, const struct transition *t, const char *text,
                           uint64_t now_ms, uint64_t every_ms)
{
    if (g->logged_ms && now_ms - g->logged_ms < every_ms) {
        if (!g->has_unlogged)
            g->unlogged.from = t->from;
        g->unlogged.to = t->to;
        g->has_unlogged = true;
        return;
    }
    if (t->to > t->from)
        LOG_WARNING("%s", text);
    else
        LOG_NOTICE("%s", text);
    g->logged_ms = now_ms;
    g->has_unlogged = false;
}

/* Changes that were kept back are told in one line, if they led somewhere. */
static void log_late(struct guard *g, const struct core *core, uint64_t now_ms)
{
    struct bytes text = {0};
    if (!g->has_unlogged || now_ms - g->logged_ms < core->options.log_every_ms)
        return;
    g->has_unlogged = false;
    if (g->unlogged.from == g->unlogged.to)
        return;
    report_transition(core, g->unlogged.from, g->unlogged.to, &text);
    LOG_NOTICE("%s", bytes_str(&text));
    g->logged_ms = now_ms;
    bytes_free(&text);
}

static void announce(struct guard *g, uint64_t now_ms)
{
    struct transition moved[TRANSITIONS_MAX];
    struct bytes text = {0};
    lock_take(&g->lock);
    struct core core = g->core;
    size_t count = g->moved_count;
    memcpy(moved, g->moved, sizeof(moved));
    g->moved_count = 0;
    bool first = !g->said_undersized && core_undersized(&core);
    g->said_undersized |= first;
    lock_drop(&g->lock);
    for (size_t i = 0; i < count; i++) {
        text.len = 0;
        report_transition(&core, moved[i].from, moved[i].to, &text);
        log_transition(g, &moved[i], bytes_str(&text), now_ms, core.options.log_every_ms);
        if (g->hooks.transition)
            g->hooks.transition(g->hooks.ctx, moved[i].from, moved[i].to, bytes_str(&text));
    }
    log_late(g, &core, now_ms);
    text.len = 0;
    if (first && report_undersized(&core, &text))
        LOG_WARNING("%s", bytes_str(&text));
    bytes_free(&text);
}

static void ask_hooks(struct guard *g)
{
    if (g->hooks.data_bytes)
        RELAXED_STORE(&g->data_bytes, g->hooks.data_bytes(g->hooks.ctx));
    if (g->hooks.log_pending)
        RELAXED_STORE(&g->log_pending, g->hooks.log_pending(g->hooks.ctx));
}

static unsigned turn(void *ctx)
{
    struct guard *g = ctx;
    uint64_t now = clock_mono_ms();
    ask_hooks(g);
    struct core_inputs in = gather(g, now);
    unsigned poll = step(g, &in);
    announce(g, now);
    return poll;
}

unsigned guard_step(struct guard *g, const struct guard_sample *sample, uint64_t now_ms)
{
    ask_hooks(g);
    struct core_inputs in = gather(g, now_ms);
    in.sample = *sample;
    in.probe.ok_began_ms = in.probe.began_ms = now_ms;
    unsigned poll = step(g, &in);
    announce(g, now_ms);
    return poll;
}

static void sampled(void *ctx)
{
    struct guard *g = ctx;
    ticker_wake(ticker_of(g));
}

/* ---- what the gate tells ---- */

/* ENOSPC does not wait for the next step: whoever met it makes the verdict full before going on. */
static void met_full(struct guard *g, int error)
{
    struct core_inputs in = gather(g, clock_mono_ms());
    lock_take(&g->lock);
    core_tell_full(&g->core, error);
    step_locked(g, &in);
    struct core core = g->core;
    lock_drop(&g->lock);
    set_limits(g, &core);
    ticker_wake(ticker_of(g));
}

static void gate_error_met(void *ctx, const struct gate_error *error)
{
    struct guard *g = ctx;
    bool space = error->error == ENOSPC || error->error == EDQUOT;
    if (space && error->class != GATE_BALLAST)
        met_full(g, error->error);
}

static bool gate_release(void *ctx)
{
    struct guard *g = ctx;
    return ballast_release(&g->ballast);
}

static bool keeps_promises(enum gate_class class)
{
    return class == GATE_LOG || class == GATE_SHRINK || class == GATE_METADATA;
}

static void gate_sync_begin(void *ctx, enum gate_class class)
{
    struct guard *g = ctx;
    if (!keeps_promises(class))
        return;
    lock_take(&g->lock);
    if (g->syncs_running++ == 0)
        g->core.durability.sync_started_ms = clock_mono_ms();
    lock_drop(&g->lock);
}

static void gate_sync_end(void *ctx, enum gate_class class, int error)
{
    struct guard *g = ctx;
    if (!keeps_promises(class))
        return;
    lock_take(&g->lock);
    if (--g->syncs_running == 0)
        g->core.durability.sync_started_ms = 0;
    if (error && class != GATE_METADATA)
        core_tell_poisoned(&g->core, GUARD_CAUSE_FSYNC, clock_mono_ms());
    lock_drop(&g->lock);
    if (error)
        ticker_wake(ticker_of(g));
}

/* The log was allocated further: the credit is filled up at once if workers wait for it. */
static void gate_room(void *ctx)
{
    struct guard *g = ctx;
    if (RELAXED_LOAD(&g->verdict.credit) <= 0)
        ticker_wake(ticker_of(g));
}

static void gate_log_state(void *ctx, int error)
{
    struct guard *g = ctx;
    enum guard_cause cause = error ? guard_cause_of_errno(error) : GUARD_CAUSE_NONE;
    struct core_inputs in = gather(g, clock_mono_ms());
    lock_take(&g->lock);
    durability_failing(&g->core.durability, cause);
    step_locked(g, &in);
    lock_drop(&g->lock);
    ticker_wake(ticker_of(g));
}

/* ---- life ---- */

struct guard *guard_create(const struct guard_options *options, const struct guard_hooks *hooks)
{
    ASSERT(guard_options_check(options) == NULL);
    struct guard *g = mem_try_zalloc_aligned(CACHE_LINE, sizeof(*g));
    ASSERT(g);
    struct gate_hooks gate_hooks = {.ctx = g,
                                    .error = gate_error_met,
                                    .release = gate_release,
                                    .sync_begin = gate_sync_begin,
                                    .sync_end = gate_sync_end,
                                    .room = gate_room,
                                    .log_state = gate_log_state};
    if (hooks)
        g->hooks = *hooks;
    g->dir = mem_strdup(options->dir);
    g->append_dirname = mem_strdup(options->append_dirname ? options->append_dirname : "");
    g->dump_name = mem_strdup(options->dump_name ? options->dump_name : "");
    core_init(&g->core, options);
    take_options(g, options);
    g->gate = gate_create(&gate_hooks);
    ballast_init(&g->ballast, g->gate, g->dir);
    g->volume =
        volume_create(g->gate, &g->ballast, g->dir, g->append_dirname, g->dump_name, sampled, g);
    g->verdict.log_on = 1;
    g->verdict.snapshot_on = 1;
    g->verdict.growth = GUARD_GROWTH_FREE;
    g->verdict.epoch = 1;
    g->verdict.retry_ms = 10;
    g->verdict.largest = UINT64_MAX;
    g->verdict.policy = (uint8_t)core_policy(&g->core);
    return g;
}

void guard_start(struct guard *g)
{
    struct guard_sample sample = {0};
    struct volume_probe probe;
    volume_start(g->volume);
    uint64_t until = clock_mono_ms() + FIRST_SAMPLE_MS;
    while (sample.at_ms == 0 && sample.error == 0 && clock_mono_ms() < until) {
        clock_sleep_us(1000);
        volume_read(g->volume, &sample, &probe);
    }
    turn(g);
    struct ticker *ticker = ticker_start("guard", turn, g);
    __atomic_store_n(&g->ticker, ticker, __ATOMIC_RELEASE);
}

void guard_stop(struct guard *g)
{
    bool ended = volume_stop(g->volume, STOP_MS);
    bool own = ticker_stop(ticker_of(g), STOP_MS);
    __atomic_store_n(&g->ticker, NULL, __ATOMIC_RELEASE);
    g->left_behind = !ended || !own;
}

void guard_destroy(struct guard *g)
{
    if (g->left_behind)
        return; /* a thread that hangs in the disk may come back to all of it */
    volume_destroy(g->volume);
    ballast_destroy(&g->ballast);
    gate_destroy(g->gate);
    mem_free(g->dir);
    mem_free(g->append_dirname);
    mem_free(g->dump_name);
    mem_free(g);
}

void guard_configure(struct guard *g, const struct guard_options *options)
{
    char *dir = mem_strdup(options->dir);
    lock_take(&g->lock);
    bool moved = strcmp(dir, g->dir) != 0;
    char *old = g->dir;
    g->dir = dir;
    take_options(g, options);
    if (moved)
        g->core.sampled = false;
    lock_drop(&g->lock);
    if (moved)
        volume_set_dir(g->volume, options->dir);
    mem_free(old);
    struct core_inputs in = gather(g, clock_mono_ms());
    step(g, &in);
    ticker_wake(ticker_of(g));
}

struct guard_verdict *guard_verdict(struct guard *g)
{
    return &g->verdict;
}

struct gate *guard_gate(struct guard *g)
{
    return g->gate;
}

/* ---- workers ---- */

size_t guard_refusal_text(const struct guard *g, char *out, size_t size)
{
    const struct guard_verdict *v = &g->verdict;
    uint64_t limit = RELAXED_LOAD(&v->budget);
    enum guard_health health = (enum guard_health)RELAXED_LOAD(&v->health);
    char used[32], budget[32] = "none", left[32];
    int len;
    number_print_human(used, RELAXED_LOAD(&v->used));
    number_print_human(left, RELAXED_LOAD(&v->free_bytes));
    if (limit)
        number_print_human(budget, limit);
    len = snprintf(
        out, size,
        "MISCONF disk budget: used %s, budget %s, free %s, level %s%s%s%s%s. Commands "
        "that add data are refused until space returns; reads and commands that delete or "
        "expire data still work. See DISK PLAN.",
        used, budget, left, guard_level_name((enum guard_level)RELAXED_LOAD(&v->level)),
        health == GUARD_DURABLE ? "" : ", persistence ",
        health == GUARD_DURABLE ? "" : guard_health_name(health),
        health == GUARD_DURABLE ? "" : " because of ",
        health == GUARD_DURABLE ? "" : guard_cause_name((enum guard_cause)RELAXED_LOAD(&v->cause)));
    return (size_t)len < size ? (size_t)len : size - 1;
}

void guard_note_refused(struct guard *g)
{
    RELAXED_ADD(&g->verdict.refused, 1);
}

void guard_note_evicted(struct guard *g, uint64_t keys, uint64_t bytes, bool nothing_left)
{
    lock_take(&g->lock);
    core_tell_evicted(&g->core, keys, bytes, nothing_left, clock_mono_ms());
    lock_drop(&g->lock);
}

/* ---- persistence ---- */

void guard_wants(const struct guard *g, struct guard_wants *out)
{
    const struct guard_verdict *v = &g->verdict;
    *out = (struct guard_wants){
        .log = RELAXED_LOAD(&v->log_on),
        .compact = (enum guard_trigger)RELAXED_LOAD(&v->compact),
        .repair = RELAXED_LOAD(&v->repair_on),
        .replace_old = RELAXED_LOAD(&v->replace_old),
        .snapshot = RELAXED_LOAD(&v->snapshot_on),
        .link_snapshot = RELAXED_LOAD(&v->link_on),
        .sweep = RELAXED_LOAD(&v->sweep_on),
        .predicted_base = RELAXED_LOAD(&v->predicted_base),
        .base_limit = RELAXED_LOAD(&v->base_limit),
    };
}

bool guard_token_take(struct guard *g, enum guard_writer who)
{
    uint32_t nobody = GUARD_WRITER_NONE;
    return __atomic_compare_exchange_n(&g->writer, &nobody, (uint32_t)who, false, __ATOMIC_ACQ_REL,
                                       __ATOMIC_RELAXED);
}

void guard_token_give(struct guard *g, enum guard_writer who)
{
    ASSERT(RELAXED_LOAD(&g->writer) == (uint32_t)who);
    __atomic_store_n(&g->writer, GUARD_WRITER_NONE, __ATOMIC_RELEASE);
}

enum guard_writer guard_token_holder(const struct guard *g)
{
    return (enum guard_writer)RELAXED_LOAD(&g->writer);
}

/* The wants of the last step are void as soon as something was told: nobody shall start twice. */
static void void_wants(struct guard *g)
{
    RELAXED_STORE(&g->verdict.compact, GUARD_TRIGGER_NONE);
    RELAXED_STORE(&g->verdict.repair_on, 0);
    ticker_wake(ticker_of(g));
}

void guard_note_rewrite_started(struct guard *g, enum guard_trigger trigger)
{
    lock_take(&g->lock);
    core_tell_rewrite_started(&g->core, RELAXED_LOAD(&g->verdict.replace_old) != 0);
    lock_drop(&g->lock);
    LOG_NOTICE("disk: rewrite of the log started, trigger %s, predicted base %llu bytes",
               guard_trigger_name(trigger),
               (unsigned long long)RELAXED_LOAD(&g->verdict.predicted_base));
    void_wants(g);
}

void guard_note_rewrite_done(struct guard *g, const struct guard_rewrite *result)
{
    lock_take(&g->lock);
    core_tell_rewrite_done(&g->core, result, clock_mono_ms());
    lock_drop(&g->lock);
    void_wants(g);
}

void guard_note_aof_sizes(struct guard *g, uint64_t base_bytes, uint64_t increment_bytes)
{
    lock_take(&g->lock);
    g->core.base_bytes = base_bytes;
    g->core.increment_bytes = increment_bytes;
    lock_drop(&g->lock);
}

void guard_note_log_bytes(struct guard *g, uint64_t total)
{
    lock_take(&g->lock);
    g->core.log_total = total;
    lock_drop(&g->lock);
}

void guard_note_suspended(struct guard *g, enum guard_cause cause)
{
    lock_take(&g->lock);
    if (!g->core.durability.suspended)
        core_tell_suspended(&g->core, cause, clock_mono_ms());
    lock_drop(&g->lock);
    ticker_wake(ticker_of(g));
}

void guard_note_resumed(struct guard *g)
{
    lock_take(&g->lock);
    durability_resume(&g->core.durability);
    lock_drop(&g->lock);
    ticker_wake(ticker_of(g));
}

void guard_note_poisoned(struct guard *g, enum guard_cause cause)
{
    lock_take(&g->lock);
    core_tell_poisoned(&g->core, cause, clock_mono_ms());
    lock_drop(&g->lock);
    ticker_wake(ticker_of(g));
}

void guard_note_snapshot_skipped(struct guard *g)
{
    lock_take(&g->lock);
    g->core.counters.snapshots_skipped++;
    lock_drop(&g->lock);
}

void guard_note_dropped_log_lines(struct guard *g, uint64_t lines)
{
    lock_take(&g->lock);
    g->core.counters.dropped_log_lines += lines;
    lock_drop(&g->lock);
}

enum guard_cause guard_cause_of_errno(int error)
{
    switch (error) {
    case ENOSPC:
        return GUARD_CAUSE_SPACE;
    case EDQUOT:
        return GUARD_CAUSE_QUOTA;
    case EROFS:
        return GUARD_CAUSE_READONLY;
    case ENODEV:
    case ENOENT:
    case ENOTDIR:
    case ESTALE:
        return GUARD_CAUSE_MOUNT;
    default:
        return GUARD_CAUSE_IOERROR;
    }
}

/* ---- administration ---- */

static void take_report(struct guard *g, struct report *r)
{
    struct gate_stats stats;
    gate_stats(g->gate, &stats);
    lock_take(&g->lock);
    r->core = g->core;
    lock_drop(&g->lock);
    r->core.in.gate = stats;
    r->now_ms = clock_mono_ms();
    r->refused = RELAXED_LOAD(&g->verdict.refused);
    r->delayed = RELAXED_LOAD(&g->verdict.starved);
    r->ballast_releases = RELAXED_LOAD(&g->ballast.releases);
    r->ballast_effective = ballast_effective(&g->ballast, r->core.out.ballast_want);
    r->writer = guard_token_holder(g);
}

void guard_info(struct guard *g, struct bytes *out)
{
    struct report r;
    take_report(g, &r);
    report_info(&r, out);
}

void guard_status(struct guard *g, struct bytes *out)
{
    struct report r;
    take_report(g, &r);
    report_status(&r, out);
}

void guard_plan(struct guard *g, struct bytes *out)
{
    struct report r;
    take_report(g, &r);
    report_plan(&r, out);
}

void guard_simulate(struct guard *g, uint64_t bytes, bool own, struct bytes *out)
{
    struct report r;
    take_report(g, &r);
    report_simulate(&r, bytes, own, out);
}

void guard_metrics(struct guard *g, struct bytes *out)
{
    struct report r;
    take_report(g, &r);
    report_metrics(&r, out);
}

void guard_want_compaction(struct guard *g)
{
    lock_take(&g->lock);
    g->core.compaction_asked = true;
    lock_drop(&g->lock);
    ticker_wake(ticker_of(g));
}

void guard_want_probe(struct guard *g)
{
    lock_take(&g->lock);
    g->core.probe_asked = true;
    lock_drop(&g->lock);
    ticker_wake(ticker_of(g));
}

int64_t guard_probe_result(struct guard *g, int *error, uint64_t *us)
{
    struct guard_sample sample;
    struct volume_probe probe;
    volume_read(g->volume, &sample, &probe);
    *error = probe.error;
    *us = probe.us;
    return probe.at_ms;
}
