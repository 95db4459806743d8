/* report.c - the guard's numbers as text: INFO, DISK's answers, metrics, log lines. */
#include "guard/report.h"

#include <errno.h>
#include <string.h>
#include "base/number.h"

/* A human size for use inside one printf; each has a buffer of its own. */
#define HUMAN(bytes) human((char[32]){0}, bytes)

static const char *human(char out[32], uint64_t bytes)
{
    number_print_human(out, bytes);
    return out;
}

static unsigned long long u(uint64_t v)
{
    return v;
}

static const char *writer_name(enum guard_writer writer)
{
    static const char *const names[] = {"none", "rewrite", "snapshot", "sync"};
    return names[writer];
}

static long long or_minus_one(uint64_t seconds)
{
    return seconds == FORECAST_NEVER ? -1 : (long long)seconds;
}

static uint64_t own_bytes(const struct core *core)
{
    return MAX_OF(core->in.gate.own_bytes, core->in.sample.own);
}

static uint64_t errors_of(const struct gate_stats *stats)
{
    uint64_t errors = stats->other_errors;
    for (size_t i = 0; i < GATE_ERRNOS; i++)
        errors += stats->by_errno[i].count;
    return errors;
}

static uint64_t sum(const uint64_t *counts)
{
    uint64_t total = 0;
    for (size_t i = 0; i < CORE_TRIGGERS; i++)
        total += counts[i];
    return total;
}

static int64_t wall_of(const struct core *core, uint64_t mono_ms)
{
    return core->in.wall_ms - (int64_t)(core->in.now_ms - mono_ms);
}

/* Names of what a disk says; the C library's own function for this is not everywhere. */
static const char *errno_name(int error)
{
    static const struct {
        int error;
        const char *name;
    } names[] = {{ENOENT, "ENOENT"}, {EIO, "EIO"},       {ENOMEM, "ENOMEM"},
                 {EACCES, "EACCES"}, {EPERM, "EPERM"},   {ENODEV, "ENODEV"},
                 {EINVAL, "EINVAL"}, {EMFILE, "EMFILE"}, {EFBIG, "EFBIG"},
                 {ENOSPC, "ENOSPC"}, {EROFS, "EROFS"},   {ESTALE, "ESTALE"},
                 {EDQUOT, "EDQUOT"}, {EEXIST, "EEXIST"}, {ETIMEDOUT, "ETIMEDOUT"}};
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (names[i].error == error)
            return names[i].name;
    return "OTHER";
}

/* ---- INFO ---- */

static void info_state(const struct report *r, struct bytes *out)
{
    const struct core *core = &r->core;
    const struct guard_options *o = &core->options;
    bytes_printf(out, "disk_guard:%s\r\n", o->enabled ? "on" : "off");
    bytes_printf(out, "disk_level:%s\r\n", guard_level_name(core->level.level));
    bytes_printf(out, "disk_level_since:%lld\r\n",
                 (long long)(wall_of(core, core->level.since_ms) / 1000));
    bytes_printf(out, "disk_level_seconds:%llu\r\n",
                 u((core->in.now_ms - core->level.since_ms) / 1000));
    bytes_printf(out, "disk_persistence:%s\r\n", guard_health_name(core->durability.health));
    bytes_printf(out, "disk_persistence_since:%lld\r\n",
                 (long long)(wall_of(core, core->durability.since_ms) / 1000));
    bytes_printf(out, "disk_cause:%s\r\n", guard_cause_name(core->durability.cause));
    bytes_printf(out, "disk_policy:%s\r\n", guard_policy_name(core_policy(core)));
    bytes_printf(out, "disk_policy_configured:%s\r\n", guard_policy_name(o->policy));
    bytes_printf(out, "disk_growth:%s\r\n",
                 core->out.act.growth == GUARD_GROWTH_REFUSED   ? "refused"
                 : core->out.act.growth == GUARD_GROWTH_METERED ? "metered"
                                                                : "free");
    bytes_printf(out, "disk_undersized:%d\r\n", core_undersized(core));
    bytes_printf(out, "disk_big_writer:%s\r\n", writer_name(r->writer));
}

static void info_space(const struct report *r, struct bytes *out)
{
    const struct core *core = &r->core;
    const struct budget *b = &core->budget;
    const struct file_volume *v = &core->in.sample.volume;
    bytes_printf(out, "disk_budget_bytes:%llu\r\n", b->ceiling == BUDGET_NONE ? 0 : u(b->ceiling));
    bytes_printf(out, "disk_budget:%s\r\n", b->ceiling == BUDGET_NONE ? "auto" : HUMAN(b->ceiling));
    bytes_printf(out, "disk_volume_total_bytes:%llu\r\n", u(v->total));
    bytes_printf(out, "disk_volume_free_bytes:%llu\r\n", u(v->available));
    bytes_printf(out, "disk_effective_free_bytes:%llu\r\n", u(b->free_bytes));
    bytes_printf(out, "disk_own_used_bytes:%llu\r\n", u(own_bytes(core)));
    for (int c = 0; c < GATE_CLASSES; c++)
        bytes_printf(out, "disk_own_%s_bytes:%llu\r\n", gate_class_name((enum gate_class)c),
                     u(core->in.gate.class[c].own_bytes));
    bytes_printf(out, "disk_neighbour_bytes:%llu\r\n", u(b->neighbour));
    bytes_printf(out, "disk_inodes_total:%llu\r\n", u(v->inodes));
    bytes_printf(out, "disk_inodes_free:%llu\r\n", u(v->inodes_free));
    bytes_printf(out, "disk_inodes_reserved:%llu\r\n", u(b->spare_inodes));
    bytes_printf(out, "disk_read_only:%d\r\n", v->read_only);
    bytes_printf(out, "disk_mount_lost:%d\r\n", core->out.mount_lost);
    bytes_printf(out, "disk_sample_age_ms:%lld\r\n",
                 core->in.sample.at_ms ? (long long)(r->now_ms - core->in.sample.at_ms) : -1);
}

static void info_reserves(const struct report *r, struct bytes *out)
{
    const struct core *core = &r->core;
    const struct budget *b = &core->budget;
    bytes_printf(out, "disk_reserve_compact_bytes:%llu\r\n", u(b->r_compact));
    bytes_printf(out, "disk_reserve_reclaim_bytes:%llu\r\n", u(b->r_reclaim));
    bytes_printf(out, "disk_reserve_meta_bytes:%llu\r\n", u(b->r_meta));
    for (int l = GUARD_LOW; l <= GUARD_FULL; l++) {
        const char *name = guard_level_name((enum guard_level)l);
        bytes_printf(out, "disk_mark_%s_enter_bytes:%llu\r\n", name, u(b->enter[l]));
        bytes_printf(out, "disk_mark_%s_leave_bytes:%llu\r\n", name, u(b->leave[l]));
    }
    bytes_printf(out, "disk_ballast_bytes:%llu\r\n", u(core->in.ballast_held));
    bytes_printf(out, "disk_ballast_wanted_bytes:%llu\r\n", u(core->out.ballast_want));
    bytes_printf(out, "disk_ballast_effective:%d\r\n", r->ballast_effective);
    bytes_printf(out, "disk_ballast_releases:%llu\r\n", u(r->ballast_releases));
}

static void info_forecast(const struct report *r, struct bytes *out)
{
    const struct core *core = &r->core;
    bytes_printf(out, "disk_predicted_base_bytes:%llu\r\n", u(core->out.predicted_base));
    bytes_printf(out, "disk_predicted_log_growth_bytes:%llu\r\n", u(core->out.predicted_growth));
    bytes_printf(out, "disk_base_ratio:%.3f\r\n", forecast_ratio_milli(&core->forecast) / 1000.0);
    bytes_printf(out, "disk_reclaimable_bytes:%llu\r\n", u(core->out.reclaimable));
    bytes_printf(out, "disk_data_target_bytes:%lld\r\n",
                 core->out.data_target == UINT64_MAX ? -1 : (long long)core->out.data_target);
    bytes_printf(out, "disk_fill_rate_own:%.0f\r\n", core->forecast.log_rate);
    bytes_printf(out, "disk_fill_rate_neighbour:%.0f\r\n", core->forecast.neighbour_rate);
    bytes_printf(out, "disk_seconds_to_critical:%lld\r\n", or_minus_one(core->out.critical_in_s));
    bytes_printf(out, "disk_seconds_to_full:%lld\r\n", or_minus_one(core->out.full_in_s));
    bytes_printf(out, "disk_seconds_to_full_after_compaction:%lld\r\n",
                 or_minus_one(core->out.full_after_s));
    bytes_printf(out, "disk_log_room_bytes:%llu\r\n", u(core->in.gate.log_room));
    bytes_printf(out, "disk_credit_bytes:%lld\r\n", (long long)core->out.credit);
}

static void info_errors(const struct report *r, struct bytes *out)
{
    const struct gate_stats *gate = &r->core.in.gate;
    const struct gate_error *last = &gate->last;
    bytes_printf(out, "disk_last_error:%s\r\n", last->error ? errno_name(last->error) : "none");
    bytes_printf(out, "disk_last_error_op:%s\r\n", last->error ? file_op_name(last->op) : "");
    bytes_printf(out, "disk_last_error_class:%s\r\n",
                 last->error ? gate_class_name(last->class) : "");
    bytes_printf(out, "disk_last_error_time:%lld\r\n", (long long)(last->at_ms / 1000));
    bytes_printf(out, "disk_errors:%llu\r\n", u(errors_of(gate)));
    for (size_t i = 0; i < GATE_ERRNOS && gate->by_errno[i].error; i++)
        bytes_printf(out, "disk_errors_%s:%llu\r\n", errno_name(gate->by_errno[i].error),
                     u(gate->by_errno[i].count));
}

static void info_counters(const struct report *r, struct bytes *out)
{
    const struct core *core = &r->core;
    const struct core_counters *c = &core->counters;
    bytes_printf(out, "disk_refused_commands:%llu\r\n", u(r->refused));
    bytes_printf(out, "disk_delayed_commands:%llu\r\n", u(r->delayed));
    bytes_printf(out, "disk_memory_only:%d\r\n", core->out.act.memory_only);
    bytes_printf(out, "disk_memory_only_entered:%llu\r\n", u(c->memory_only));
    bytes_printf(out, "disk_evicted_keys:%llu\r\n", u(c->evicted_keys));
    bytes_printf(out, "disk_evicted_bytes:%llu\r\n", u(c->evicted_bytes));
    bytes_printf(out, "disk_compactions:%llu\r\n", u(sum(c->rewrites_ok)));
    bytes_printf(out, "disk_compactions_failed:%llu\r\n", u(sum(c->rewrites_failed)));
    for (int t = 0; t < CORE_TRIGGERS; t++)
        bytes_printf(out, "disk_compactions_by_%s:ok=%llu,failed=%llu\r\n",
                     guard_trigger_name((enum guard_trigger)t), u(c->rewrites_ok[t]),
                     u(c->rewrites_failed[t]));
    bytes_printf(out, "disk_emergency_rewrites:%llu\r\n", u(c->emergency_rewrites));
    bytes_printf(out, "disk_snapshots_skipped:%llu\r\n", u(c->snapshots_skipped));
    bytes_printf(out, "disk_log_lines_dropped:%llu\r\n", u(c->dropped_log_lines));
    bytes_printf(out, "disk_transitions:%llu\r\n", u(core->level.transitions));
    bytes_printf(out, "disk_gap:%d\r\n", core->durability.gap);
    bytes_printf(out, "disk_gaps:%llu\r\n", u(core->durability.gaps));
}

void report_info(const struct report *r, struct bytes *out)
{
    info_state(r, out);
    info_space(r, out);
    info_reserves(r, out);
    info_forecast(r, out);
    info_errors(r, out);
    info_counters(r, out);
}

/* ---- words ---- */

static void marks_line(const struct core *core, struct bytes *out)
{
    const struct budget *b = &core->budget;
    bytes_printf(out, "low %s, high %s, critical %s, full %s", HUMAN(b->enter[GUARD_LOW]),
                 HUMAN(b->enter[GUARD_HIGH]), HUMAN(b->enter[GUARD_CRITICAL]),
                 HUMAN(b->enter[GUARD_FULL]));
}

void report_status(const struct report *r, struct bytes *out)
{
    const struct core *core = &r->core;
    const struct budget *b = &core->budget;
    const struct gate_error *last = &core->in.gate.last;
    bytes_printf(out, "level: %s for %llu s\n", guard_level_name(core->level.level),
                 u((core->in.now_ms - core->level.since_ms) / 1000));
    bytes_printf(out, "persistence: %s (%s)\n", guard_health_name(core->durability.health),
                 guard_cause_name(core->durability.cause));
    bytes_printf(out, "policy: %s\n", guard_policy_name(core_policy(core)));
    bytes_printf(out, "own: %s of %s\n", HUMAN(own_bytes(core)),
                 b->ceiling == BUDGET_NONE ? "what the volume offers" : HUMAN(b->ceiling));
    bytes_printf(out, "volume: %s, free %s, neighbours %s\n", HUMAN(core->in.sample.volume.total),
                 HUMAN(core->in.sample.volume.available), HUMAN(b->neighbour));
    bytes_printf(out, "effective free: %s\nmarks: ", HUMAN(b->free_bytes));
    marks_line(core, out);
    bytes_printf(out, "\nnext base: %s, log meanwhile %s, reclaimable %s\n",
                 HUMAN(core->out.predicted_base), HUMAN(core->out.predicted_growth),
                 HUMAN(core->out.reclaimable));
    bytes_printf(out, "ballast: %s, %s\n", HUMAN(core->in.ballast_held),
                 r->ballast_effective ? "effective" : "not effective");
    if (last->error)
        bytes_printf(out, "last error: %s in %s (%s)\n", errno_name(last->error),
                     file_op_name(last->op), gate_class_name(last->class));
    else
        bytes_append_str(out, "last error: none\n");
}

/* What the level will do, by policy. */
static void plan_growth(const struct core *core, struct bytes *out)
{
    static const char *const acts[] = {
        [GUARD_POLICY_AUTO] = "",
        [GUARD_POLICY_EVICT] =
            "keys are evicted from the high mark on and the log is compacted; with nothing left to "
            "evict the server goes on without logging (allkeys) or refuses growing commands "
            "(volatile)",
        [GUARD_POLICY_MEMORY_ONLY] = "logging stops at the critical mark, every command goes on, "
                                     "and a fresh base is written "
                                     "when space returns",
        [GUARD_POLICY_SHED] = "growing commands are refused at the critical mark",
        [GUARD_POLICY_STRICT] = "growing commands are refused at the critical mark, and nothing is "
                                "acknowledged that is "
                                "not on disk"};
    if (!core->options.enabled)
        bytes_append_str(out, "The guard is off: it counts and shows, and changes nothing.\n");
    else if (!core->options.appendonly)
        bytes_append_str(out, "No log is kept: only save points are skipped from high on.\n");
    else
        bytes_printf(out, "Policy %s: %s.\n", guard_policy_name(core_policy(core)),
                     acts[core_policy(core)]);
}

static void plan_next(const struct core *core, struct bytes *out)
{
    const struct budget *b = &core->budget;
    enum guard_level level = core->level.level;
    if (level < GUARD_FULL) {
        enum guard_level next = (enum guard_level)(level + 1);
        bytes_printf(out,
                     "Level %s. It turns %s when effective free space falls from %s below %s.\n",
                     guard_level_name(level), guard_level_name(next), HUMAN(b->free_bytes),
                     HUMAN(b->enter[next]));
    }
    if (level == GUARD_UNKNOWN)
        bytes_append_str(out, "Level unknown: the volume has not answered for a while; it is "
                              "treated as high and nothing is evicted.\n");
    else if (level > GUARD_OK)
        bytes_printf(out, "%s is left at %s, after %llu s and a successful probe.\n",
                     guard_level_name(level), HUMAN(b->leave[level]),
                     u(core->level.dwell_ms / 1000));
    if (core->out.critical_in_s != FORECAST_NEVER)
        bytes_printf(out, "At the present rates critical is %lld s away, full %lld s.\n",
                     or_minus_one(core->out.critical_in_s), or_minus_one(core->out.full_in_s));
}

static void plan_rewrite(const struct core *core, struct bytes *out)
{
    const struct budget *b = &core->budget;
    if (core->rewriting)
        bytes_append_str(out, "A rewrite of the log is running.\n");
    else if (core->out.repair)
        bytes_append_str(out, "A fresh base will be written now, to end the gap in the log.\n");
    else if (core->out.compact)
        bytes_printf(out, "The log will be rewritten now (%s), which gives back about %s.\n",
                     guard_trigger_name(core->out.compact), HUMAN(core->out.reclaimable));
    else if (core->options.appendonly)
        bytes_printf(out, "A rewrite now would need %s and give back %s; it %s.\n",
                     HUMAN(b->r_compact + b->r_meta), HUMAN(core->out.reclaimable),
                     b->free_bytes >= b->r_compact + b->r_meta ? "fits" : "does not fit");
    if (core->out.act.evict_on)
        bytes_printf(out, "Keys are being evicted until the data set is %s (now %s).\n",
                     HUMAN(core->out.data_target), HUMAN(core->in.data_bytes));
    if (durability_needs_repair(&core->durability) && !core->out.repair && !core->rewriting)
        bytes_printf(out,
                     "The log has a gap or a file that cannot be trusted (%s); a fresh base "
                     "follows as soon as the disk allows.\n",
                     guard_cause_name(core->durability.told));
}

/* What the operator should do; the one sentence that log lines carry too. */
static void advice(const struct core *core, struct bytes *out)
{
    const struct budget *b = &core->budget;
    enum guard_level level = core->level.level;
    if (core->out.mount_lost)
        bytes_append_str(out, "mount the volume again; nothing is written in its place");
    else if (core->in.sample.volume.read_only)
        bytes_append_str(out, "the volume is mounted read-only: remount it writable");
    else if (level == GUARD_UNKNOWN)
        bytes_append_str(out, "see whether the volume still answers");
    else if (b->inodes_out)
        bytes_append_str(out, "the volume is out of inodes: remove small files");
    else if (level == GUARD_OK)
        bytes_append_str(out, "nothing to do");
    else if (b->neighbour > own_bytes(core) && b->reach != b->ceiling)
        bytes_printf(out,
                     "neighbours hold %s of the volume: free space there or grow the volume; "
                     "no restart is needed",
                     HUMAN(b->neighbour));
    else if (b->one_copy)
        bytes_append_str(out,
                         "two copies of the data cannot fit: grow the volume or the budget, or "
                         "delete data");
    else
        bytes_printf(out, "%s; no restart is needed",
                     level >= GUARD_CRITICAL
                         ? "grow the volume or the budget, or delete data"
                         : "the log is compacted as needed; plan for a larger volume or budget");
}

void report_plan(const struct report *r, struct bytes *out)
{
    const struct core *core = &r->core;
    plan_next(core, out);
    plan_growth(core, out);
    plan_rewrite(core, out);
    report_undersized(core, out);
    if (core_undersized(core))
        bytes_append_char(out, '\n');
    bytes_append_str(out, "What to do: ");
    advice(core, out);
    bytes_append_str(out, ".\n");
}

void report_simulate(const struct report *r, uint64_t bytes, bool own, struct bytes *out)
{
    const struct core *core = &r->core;
    struct budget then;
    enum guard_level level;
    core_simulate(core, bytes, own, &then, &level);
    bytes_printf(out,
                 "With %s more written by %s: effective free %s (now %s), level %s (now %s).\n",
                 HUMAN(bytes), own ? "this server" : "neighbours", HUMAN(then.free_bytes),
                 HUMAN(core->budget.free_bytes), guard_level_name(level),
                 guard_level_name(core->level.level));
    if (level >= GUARD_CRITICAL && core->options.appendonly)
        plan_growth(core, out);
    if (core->options.appendonly)
        bytes_printf(out, "A rewrite would then need %s: it %s.\n",
                     HUMAN(then.r_compact + then.r_meta),
                     then.free_bytes >= then.r_compact + then.r_meta ? "fits" : "does not fit");
}

void report_transition(const struct core *core, enum guard_level from, enum guard_level to,
                       struct bytes *out)
{
    const struct budget *b = &core->budget;
    bytes_printf(out,
                 "disk: level %s -> %s: effective free %s, own %s, budget %s, neighbours %s, next "
                 "base %s, marks ",
                 guard_level_name(from), guard_level_name(to), HUMAN(b->free_bytes),
                 HUMAN(own_bytes(core)), b->ceiling == BUDGET_NONE ? "auto" : HUMAN(b->ceiling),
                 HUMAN(b->neighbour), HUMAN(core->out.predicted_base));
    marks_line(core, out);
    bytes_append_str(out, "; ");
    advice(core, out);
}

bool report_undersized(const struct core *core, struct bytes *out)
{
    const struct budget *b = &core->budget;
    if (!core_undersized(core))
        return false;
    bytes_printf(out, "disk: undersized: capacity %s is too small for ", HUMAN(b->capacity));
    if (b->one_copy)
        bytes_printf(out, "two copies of the data (next base %s) beside reserves of %s",
                     HUMAN(core->out.predicted_base), HUMAN(b->r_reclaim + b->r_meta));
    else
        bytes_printf(out, "reserves of %s; they are scaled to %s, and the marks with them",
                     HUMAN(core->options.reclaim_reserve + core->options.meta_reserve),
                     HUMAN(b->r_reclaim + b->r_meta));
    return true;
}

/* ---- metrics ---- */

static void gauge(struct bytes *out, const char *name, const char *help, double value)
{
    bytes_printf(out, "# HELP spillway_disk_%s %s\n# TYPE spillway_disk_%s gauge\n", name, help,
                 name);
    bytes_printf(out, "spillway_disk_%s %.17g\n", name, value);
}

static void counter(struct bytes *out, const char *name, const char *help, uint64_t value)
{
    bytes_printf(out, "# HELP spillway_disk_%s %s\n# TYPE spillway_disk_%s counter\n", name, help,
                 name);
    bytes_printf(out, "spillway_disk_%s %llu\n", name, u(value));
}

static void one_of(struct bytes *out, const char *name, const char *help, const char *label,
                   const char *(*name_of)(int), int count, int now)
{
    bytes_printf(out, "# HELP spillway_disk_%s %s\n# TYPE spillway_disk_%s gauge\n", name, help,
                 name);
    for (int i = 0; i < count; i++)
        bytes_printf(out, "spillway_disk_%s{%s=\"%s\"} %d\n", name, label, name_of(i), i == now);
}

static const char *level_name(int level)
{
    return guard_level_name((enum guard_level)level);
}

static const char *health_name(int health)
{
    return guard_health_name((enum guard_health)health);
}

static void metrics_by_label(const struct report *r, struct bytes *out)
{
    const struct gate_stats *gate = &r->core.in.gate;
    bytes_append_str(out, "# HELP spillway_disk_own_bytes Blocks of our files, by class.\n"
                          "# TYPE spillway_disk_own_bytes gauge\n");
    for (int c = 0; c < GATE_CLASSES; c++)
        bytes_printf(out, "spillway_disk_own_bytes{class=\"%s\"} %llu\n",
                     gate_class_name((enum gate_class)c), u(gate->class[c].own_bytes));
    bytes_append_str(out, "# HELP spillway_disk_errors_total Failed disk operations, by errno.\n"
                          "# TYPE spillway_disk_errors_total counter\n");
    for (size_t i = 0; i < GATE_ERRNOS && gate->by_errno[i].error; i++)
        bytes_printf(out, "spillway_disk_errors_total{errno=\"%s\"} %llu\n",
                     errno_name(gate->by_errno[i].error), u(gate->by_errno[i].count));
    bytes_append_str(out,
                     "# HELP spillway_disk_compactions_total Rewrites, by trigger and result.\n"
                     "# TYPE spillway_disk_compactions_total counter\n");
    for (int t = 0; t < CORE_TRIGGERS; t++) {
        const char *name = guard_trigger_name((enum guard_trigger)t);
        bytes_printf(out, "spillway_disk_compactions_total{trigger=\"%s\",result=\"ok\"} %llu\n",
                     name, u(r->core.counters.rewrites_ok[t]));
        bytes_printf(out,
                     "spillway_disk_compactions_total{trigger=\"%s\",result=\"failed\"} %llu\n",
                     name, u(r->core.counters.rewrites_failed[t]));
    }
}

void report_metrics(const struct report *r, struct bytes *out)
{
    const struct core *core = &r->core;
    const struct budget *b = &core->budget;
    const struct file_volume *v = &core->in.sample.volume;
    one_of(out, "level", "1 for the present level.", "level", level_name, GUARD_LEVELS,
           (int)core->level.level);
    one_of(out, "persistence", "1 for the present persistence health.", "state", health_name, 4,
           (int)core->durability.health);
    if (b->ceiling != BUDGET_NONE)
        gauge(out, "budget_bytes", "Ceiling for our files.", (double)b->ceiling);
    gauge(out, "volume_total_bytes", "Size of the volume.", (double)v->total);
    gauge(out, "volume_free_bytes", "Free on the volume.", (double)v->available);
    gauge(out, "effective_free_bytes", "What may still be taken.", (double)b->free_bytes);
    gauge(out, "neighbour_bytes", "Taken by others on the volume.", (double)b->neighbour);
    gauge(out, "inodes_free", "Free inodes of the volume.", (double)v->inodes_free);
    gauge(out, "reserve_compact_bytes", "Kept for the next rewrite.", (double)b->r_compact);
    gauge(out, "ballast_bytes", "Held by the ballast.", (double)core->in.ballast_held);
    gauge(out, "predicted_base_bytes", "Predicted size of the next base.",
          (double)core->out.predicted_base);
    gauge(out, "reclaimable_bytes", "What a rewrite would give back.",
          (double)core->out.reclaimable);
    gauge(out, "fill_rate_own", "Log bytes per second.", core->forecast.log_rate);
    gauge(out, "fill_rate_neighbour", "Bytes per second of others.", core->forecast.neighbour_rate);
    gauge(out, "seconds_to_full", "At present rates; -1 = not in sight.",
          (double)or_minus_one(core->out.full_in_s));
    gauge(out, "gap", "1 if the log lacks records.", core->durability.gap);
    gauge(out, "undersized", "1 if the place is too small.", core_undersized(core));
    metrics_by_label(r, out);
    counter(out, "refused_commands_total", "Growing commands refused.", r->refused);
    counter(out, "delayed_commands_total", "Growing commands delayed.", r->delayed);
    counter(out, "memory_only_total", "Times logging was stopped.", core->counters.memory_only);
    counter(out, "evicted_keys_total", "Keys evicted for the disk.", core->counters.evicted_keys);
    counter(out, "snapshots_skipped_total", "Save points skipped.",
            core->counters.snapshots_skipped);
    counter(out, "transitions_total", "Changes of the level.", core->level.transitions);
}
