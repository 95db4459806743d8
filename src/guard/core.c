/* core.c - the guard's arithmetic: one step from what it was told to what it wants.
 *
 * A step reads like the specification: forecast, budget, level, health, eviction, policy,
 * rewrite, credit. Each part reads what the earlier ones left in the core and writes its own
 * part of core->out.
 */
#include "guard/core.h"

#include <errno.h>

#define KIB                 1024ull
#define MIB                 (1024 * KIB)
#define RETRY_AFTER_MS      10000 /* a failed rewrite that fits is tried again then in any case */
#define PROBE_EVERY_MS      1000  /* while a repair waits for the disk to work */
#define NOTHING_LEFT_MS     1000
#define HOPELESS_MS         1000 /* evict: so long with neither room nor hope */
#define STUCK_MS            5000 /* evict: so long without room, then memory-only or shed */
#define STUCK_REWRITING_MS  30000
#define NEIGHBOUR_HORIZON_S 60 /* eviction must still help when the neighbours went on so long */
#define STARVED_POLL_MS     20
#define BACKLOG_MAX         (64 * MIB)
#define POLL_BYTES_PER_MS   (4 * MIB) /* faster than that nobody fills a disk */

static uint64_t minus(uint64_t a, uint64_t b)
{
    return a > b ? a - b : 0;
}

void core_init(struct core *core, const struct guard_options *options)
{
    *core = (struct core){.options = *options};
    core->out.data_target = UINT64_MAX;
    core->out.critical_in_s = core->out.full_in_s = core->out.full_after_s = FORECAST_NEVER;
}

enum guard_policy core_policy(const struct core *core)
{
    const struct guard_options *o = &core->options;
    return policy_in_force(o->policy, o->fsync, o->eviction);
}

bool core_undersized(const struct core *core)
{
    return core->sampled && (core->budget.scaled || core->budget.one_copy);
}

static uint64_t chain_bytes(const struct core *core)
{
    const struct gate_stats *gate = &core->in.gate;
    uint64_t told = core->base_bytes + core->increment_bytes;
    uint64_t counted = gate->class[GATE_COMPACTION].own_bytes + gate->class[GATE_LOG].own_bytes +
                       gate->class[GATE_SHRINK].own_bytes;
    return told ? told : minus(counted, gate->building + gate->log_room);
}

/* ---- what it is told ---- */

void core_tell_full(struct core *core, int error)
{
    core->full_seen = true;
    core->full_cause = error == EDQUOT ? GUARD_CAUSE_QUOTA : GUARD_CAUSE_SPACE;
}

void core_tell_suspended(struct core *core, enum guard_cause cause, uint64_t now_ms)
{
    durability_suspend(&core->durability, cause);
    durability_failing(&core->durability, GUARD_CAUSE_NONE); /* nobody tries again */
    core->told_ms = now_ms;
}

void core_tell_poisoned(struct core *core, enum guard_cause cause, uint64_t now_ms)
{
    durability_poison(&core->durability, cause);
    core->told_ms = now_ms;
}

void core_tell_rewrite_started(struct core *core, bool replaces_old)
{
    core->rewriting = true;
    core->building_peak = 0;
    core->data_at_start = core->in.data_bytes;
    core->chain_at_start = chain_bytes(core);
    core->compaction_asked = false;
    if (durability_needs_repair(&core->durability))
        durability_repair_begin(&core->durability);
    core->counters.emergency_rewrites += replaces_old;
}

void core_tell_rewrite_done(struct core *core, const struct guard_rewrite *r, uint64_t now_ms)
{
    bool ok = r->error == 0;
    core->rewriting = false;
    core->last_failed = !ok;
    core->counters.rewrites_ok[r->trigger] += ok;
    core->counters.rewrites_failed[r->trigger] += !ok;
    if (ok) {
        /* predictions begin with what the hook says, so the ratio must */
        uint64_t data = core->data_at_start ? core->data_at_start : r->data_bytes;
        forecast_learn(&core->forecast, r->base_bytes, data, r->duration_ms);
        core->base_bytes = r->base_bytes;
        core->increment_bytes = r->log_bytes;
    } else {
        core->last_failed_for_space = r->error == ENOSPC || r->error == EDQUOT;
        core->failed_ms = now_ms;
        core->failed_slack = INT64_MAX;               /* measured when the leftovers are gone */
        if (r->base_bytes > core->out.predicted_base) /* or it would fail for ever */
            forecast_learn(&core->forecast, r->base_bytes, core->data_at_start, 0);
    }
    if (r->repair || !ok)
        durability_repair_end(&core->durability, ok);
    core->durability.repairing = false;
}

void core_tell_evicted(struct core *core, uint64_t keys, uint64_t bytes, bool nothing_left,
                       uint64_t now_ms)
{
    core->counters.evicted_keys += keys;
    core->counters.evicted_bytes += bytes;
    if (nothing_left)
        core->nothing_left_ms = now_ms;
}

/* ---- budget ---- */

static struct budget_settings budget_settings(const struct guard_options *o)
{
    return (struct budget_settings){
        .budget_bytes = o->budget_bytes,
        .budget_percent = o->budget_percent,
        .low_percent = o->low_percent,
        .high_percent = o->high_percent,
        .low_limit = o->low_limit,
        .high_limit = o->high_limit,
        .leave_factor_x100 = o->leave_factor_x100,
        .rewrite_margin_percent = o->rewrite_margin_percent,
        .meta_reserve = o->meta_reserve,
        .reclaim_reserve = o->reclaim_reserve,
        .inode_reserve = o->inode_reserve,
    };
}

/* Own bytes now, and what the volume offered less what we took since, or more what we gave back.
 * Files without a name count as gone, and what was going at the sample and still is (of them or
 * others) as not taken since. */
static struct budget_inputs budget_inputs(const struct core *core)
{
    const struct core_inputs *in = &core->in;
    const struct file_volume *v = &in->sample.volume;
    uint64_t own = in->gate.own_bytes ? in->gate.own_bytes : in->sample.own;
    uint64_t going = minus(in->sample.given, in->gate.given_back);
    int64_t taken = in->gate.taken_bytes - in->sample.taken;
    taken -= (int64_t)MAX_OF(in->gate.leaving, going);
    uint64_t available = taken > 0 ? minus(v->available, (uint64_t)taken)
                                   : MIN_OF(v->available + (uint64_t)-taken, v->total);
    return (struct budget_inputs){
        .total = v->total,
        .available = available,
        .block = v->block,
        .inodes = v->inodes,
        .inodes_free = v->inodes_free,
        .own = minus(own, in->gate.leaving),
        .ballast = in->ballast_held,
        .predicted_base = core->out.predicted_base,
        .surest_base = core->out.surest_base,
        .predicted_growth = core->out.predicted_growth,
        .building = core->building_peak,
    };
}

/* What the next base cannot exceed: the last base and all that was logged since, or the data set as
 * it lies in memory. The ratio may say much less, and be wrong as soon as values compress worse
 * than those it was learnt from: what must fit is kept for this. */
static uint64_t surest_base(const struct core *core, uint64_t predicted)
{
    uint64_t chain = core->base_bytes + core->increment_bytes;
    return MAX_OF(predicted, MIN_OF(core->in.data_bytes, chain));
}

/* While a rewrite runs its prediction stands: what it has taken is taken, the log grows into the
 * reserve that was kept for that, and memory says more than the data set (captured copies). */
static void predict(struct core *core)
{
    const struct guard_options *o = &core->options;
    uint64_t base = forecast_base(&core->forecast, core->in.data_bytes);
    bool needed = o->appendonly || o->save_points;
    if (core->rewriting && core->out.base_limit) {
        core->building_peak = MAX_OF(core->building_peak, core->in.gate.building);
        core->out.predicted_growth = 0;
        return;
    }
    core->building_peak = 0;
    core->out.predicted_base = needed ? base : 0;
    core->out.surest_base = needed ? surest_base(core, base) : 0;
    core->out.base_limit =
        core->out.surest_base + budget_percent_of(core->out.surest_base, o->rewrite_margin_percent);
    core->out.predicted_growth = o->appendonly ? forecast_growth(&core->forecast, base) : 0;
}

static void measure(struct core *core)
{
    struct budget_settings settings = budget_settings(&core->options);
    struct budget_inputs inputs;
    predict(core);
    inputs = budget_inputs(core);
    budget_compute(&settings, &inputs, &core->budget);
    /* A wrong prediction matters where room is short. Elsewhere the base may take what is free. */
    core->out.base_cap =
        core->options.enabled
            ? core->out.base_limit + minus(core->budget.free_bytes, core->budget.enter[GUARD_HIGH])
            : UINT64_MAX;
    core->out.ballast_want = ballast_size(core->options.ballast_bytes, core->budget.capacity,
                                          core->in.sample.volume.block);
}

static void look_ahead(struct core *core)
{
    struct forecast *f = &core->forecast;
    const struct budget *b = &core->budget;
    uint64_t above = minus(b->free_bytes, b->enter[GUARD_CRITICAL]);
    if (core->in.sample.at_ms != core->last_sample_ms)
        forecast_observe(f, core->in.now_ms, core->log_total, b->neighbour);
    core->last_sample_ms = core->in.sample.at_ms;
    core->out.reclaimable = minus(chain_bytes(core), core->out.predicted_base);
    core->out.critical_in_s = forecast_seconds(f, above);
    core->out.full_in_s = forecast_seconds(f, b->free_bytes);
    core->out.full_after_s = forecast_seconds(f, b->free_bytes + core->out.reclaimable);
}

/* ---- level and health ---- */

static uint64_t sample_age(const struct core *core)
{
    return core->in.sample.at_ms ? minus(core->in.now_ms, core->in.sample.at_ms) : UINT64_MAX;
}

static struct level_inputs level_inputs(const struct core *core)
{
    return (struct level_inputs){
        .now_ms = core->in.now_ms,
        .sample_age_ms = sample_age(core),
        .free_bytes = core->budget.free_bytes,
        .enter = core->budget.enter,
        .leave = core->budget.leave,
        .critical_in_s = core->out.critical_in_s,
        .inodes_out = core->budget.inodes_out,
        .inodes_back = core->budget.inodes_back,
        .full_seen = core->full_seen,
        .probe_ok_at_ms = core->in.probe.ok_began_ms,
    };
}

static bool judge_level(struct core *core)
{
    struct level_settings settings = {.dwell_ms = core->options.dwell_ms,
                                      .unknown_ms = core->options.unknown_ms,
                                      .low_time_s = core->options.low_time_s};
    struct level_inputs inputs = level_inputs(core);
    bool changed = level_step(&core->level, &settings, &inputs);
    core->full_seen = false;
    core->out.chores.probe = level_wants_probe(&core->level, &inputs) || core->probe_asked;
    core->probe_asked = false;
    return changed;
}

/* Another device under the same name: what was mounted there is gone. Nothing is written over
 * its place. */
static void judge_mount(struct core *core)
{
    const struct guard_sample *sample = &core->in.sample;
    if (sample->at_ms && !core->sampled)
        core->device = sample->device;
    core->sampled |= sample->at_ms != 0;
    bool lost = core->sampled && sample->at_ms && sample->device != core->device;
    if (lost && !core->out.mount_lost && core->options.appendonly)
        core_tell_suspended(core, GUARD_CAUSE_MOUNT, core->in.now_ms);
    core->out.mount_lost = lost;
}

static bool stalled(const struct core *core)
{
    return durability_wait_ms(&core->durability, core->in.now_ms) >= core->options.stall_timeout_ms;
}

/* ---- eviction ---- */

static uint64_t target_at(const struct core *core, uint64_t reach)
{
    struct budget_settings settings = budget_settings(&core->options);
    return budget_data_target(&settings, &core->budget, reach, core->in.ballast_held,
                              core->out.predicted_growth, forecast_ratio_milli(&core->forecast));
}

/* Whether eviction would cure: the target can be reached, still can when the neighbours go on
 * for a minute, and either our own bytes are what fills the place or no more than half of the
 * data set would go. */
static bool curable(const struct core *core)
{
    const struct budget *b = &core->budget;
    double rate = core->forecast.neighbour_rate;
    uint64_t growth = rate > 0 ? (uint64_t)(rate * NEIGHBOUR_HORIZON_S) : 0;
    uint64_t own = b->reach - b->free_bytes;
    uint64_t of_volume = own + minus(core->in.sample.volume.available, growth);
    uint64_t reach = MIN_OF(b->reach, of_volume);
    bool ours = reach == b->reach && (b->reach == b->ceiling || own >= b->neighbour);
    uint64_t target = target_at(core, reach);
    return ours ? target > 0 : target >= core->data_peak / 2 && target > 0;
}

/* Down to where the data fits beside its log; and at least to where the next base fits into what
 * is free, when only a rewrite can give back the log. */
static uint64_t evict_target(const struct core *core)
{
    const struct budget *b = &core->budget;
    uint64_t target = target_at(core, b->reach);
    uint64_t room = minus(b->free_bytes, b->r_meta + b->r_meta / 4);
    uint64_t fitting = room / forecast_ratio_milli(&core->forecast) * 1000;
    bool worth = core->out.reclaimable >= b->capacity / 10;
    return worth && !core->rewriting ? MIN_OF(target, fitting) : target;
}

static bool evict_useful(struct core *core)
{
    uint64_t data = core->in.data_bytes, now = core->in.now_ms;
    bool ample = core->budget.free_bytes >= core->budget.leave[GUARD_HIGH];
    core->data_peak = ample ? data : MAX_OF(core->data_peak, data);
    core->out.data_target = evict_target(core);
    if (core->options.eviction == GUARD_EVICTION_NONE || data <= core->out.data_target)
        return false;
    if (core->nothing_left_ms && now - core->nothing_left_ms < NOTHING_LEFT_MS)
        return false;
    return curable(core);
}

/* The policy evict gives up waiting for room: for a while there was nothing to evict and nothing
 * was being written that would bring any, or it took too long. Room ends it, whatever the
 * level's dwell. */
static bool judge_stuck(struct core *core, bool useful)
{
    const struct budget *b = &core->budget;
    uint64_t now = core->in.now_ms, free_bytes = b->free_bytes;
    bool full = core->level.level == GUARD_FULL;
    bool critical = level_acting(&core->level) >= GUARD_CRITICAL;
    bool hopeful = useful || core->rewriting || core->out.compact;
    if (!critical || (!full && free_bytes >= b->enter[GUARD_CRITICAL]))
        core->tight_since_ms = core->hopeless_since_ms = 0;
    else if (!core->tight_since_ms)
        core->tight_since_ms = now;
    if (!core->tight_since_ms || hopeful)
        core->hopeless_since_ms = 0;
    else if (!core->hopeless_since_ms)
        core->hopeless_since_ms = now;
    if (!critical || (!full && free_bytes >= b->leave[GUARD_CRITICAL]))
        core->stuck = false;
    if (core->hopeless_since_ms && now - core->hopeless_since_ms >= HOPELESS_MS)
        core->stuck = true;
    if (core->tight_since_ms &&
        now - core->tight_since_ms >= (core->rewriting ? STUCK_REWRITING_MS : STUCK_MS))
        core->stuck = true;
    return core->stuck;
}

/* The log's thread hangs in a write: it cannot drop what waits for it, so growth must end. */
static void bound_backlog(struct core *core)
{
    if (core->in.gate.log_write_began_ms && stalled(core) &&
        core->out.act.growth == GUARD_GROWTH_FREE && core->in.log_pending > BACKLOG_MAX)
        core->out.act.growth = GUARD_GROWTH_REFUSED;
}

static void judge_policy(struct core *core)
{
    const struct guard_options *o = &core->options;
    bool useful = evict_useful(core);
    struct policy_inputs inputs = {
        .enabled = o->enabled,
        .logged = o->appendonly,
        .policy = core_policy(core),
        .eviction = o->eviction,
        .level = core->level.level,
        .acting = level_acting(&core->level),
        .health = core->durability.health,
        .cause = core->durability.cause,
        .failing = core->durability.failing,
        .stalled = stalled(core),
        .evict_useful = useful,
        .stuck = judge_stuck(core, useful),
    };
    policy_decide(&inputs, &core->out.act);
    core->out.evict_quota = 0;
    if (core->out.act.evict_on) {
        /* a little beyond the target, or the last bytes would take for ever */
        uint64_t data = core->in.data_bytes;
        uint64_t excess = minus(data, core->out.data_target) + data / 50;
        core->out.evict_quota = MIN_OF(excess, MAX_OF(256 * KIB, data / 20));
    }
    if (core->out.act.memory_only && !core->was_memory_only) {
        core->counters.memory_only++;
        core_tell_suspended(core,
                            inputs.stalled            ? GUARD_CAUSE_STALL
                            : inputs.failing          ? core->durability.failing_for
                            : core->budget.inodes_out ? GUARD_CAUSE_INODE
                            : core->full_cause        ? core->full_cause
                                                      : GUARD_CAUSE_SPACE,
                            core->in.now_ms);
    }
    bound_backlog(core);
    core->was_memory_only = core->out.act.memory_only;
    if (core->level.level < GUARD_CRITICAL)
        core->full_cause = GUARD_CAUSE_NONE;
}

/* ---- rewrites ---- */

/* At critical the prediction alone must fit: preallocation makes a failure cheap. The log may grow
 * meanwhile as far as there is credit. */
static bool rewrite_fits(const struct core *core, uint64_t more)
{
    const struct budget *b = &core->budget;
    bool pressing = level_acting(&core->level) >= GUARD_CRITICAL;
    uint64_t need = pressing ? core->out.predicted_base : core->out.base_limit;
    return b->free_bytes + more >= need + b->r_meta && !b->inodes_out;
}

/* What F has above the need of a rewrite. */
static int64_t slack(const struct core *core)
{
    return (int64_t)core->budget.free_bytes - (int64_t)core->budget.r_compact;
}

static void note_failed_slack(struct core *core)
{
    if (core->last_failed && core->failed_slack == INT64_MAX && !core->rewriting)
        core->failed_slack = slack(core);
}

/* After a failure: F rose against what is needed, or the disk works again after a while. */
static bool retry_due(const struct core *core)
{
    uint64_t since = core->in.now_ms - core->failed_ms;
    int64_t step = (int64_t)MAX_OF(64 * KIB, MIN_OF(core->budget.capacity / 100, 16 * MIB));
    if (!core->last_failed)
        return true;
    if (core->failed_slack != INT64_MAX && slack(core) >= core->failed_slack + step)
        return true;
    if (core->last_failed_for_space)
        return since >= RETRY_AFTER_MS;
    return since >= PROBE_EVERY_MS && core->in.probe.ok_began_ms > core->failed_ms;
}

static bool wants_growth(const struct core *core)
{
    const struct guard_options *o = &core->options;
    uint64_t chain = core->base_bytes + core->increment_bytes;
    uint64_t base = MAX_OF(core->base_bytes, 1);
    if (!o->rewrite_percent || chain < o->rewrite_min_bytes)
        return false;
    return (double)(chain - core->base_bytes) * 100 / (double)base >= o->rewrite_percent;
}

static bool wants_space(const struct core *core)
{
    const struct budget *b = &core->budget;
    uint64_t gain = core->out.reclaimable, chain = chain_bytes(core);
    enum policy_rewrite mode = core->out.act.rewrite;
    if (core->options.aof_max_bytes && chain > core->options.aof_max_bytes && gain > chain / 10)
        return true;
    if (mode == POLICY_REWRITE_BY_GROWTH)
        return false;
    uint64_t large = MIN_OF(b->capacity / 10, 64 * MIB);
    /* not low, or not high any more, by the numbers: only what is well worth it */
    enum guard_level by_mark = mode == POLICY_REWRITE_IF_SAVES ? GUARD_LOW : GUARD_HIGH;
    if (b->free_bytes >= b->enter[by_mark])
        return gain >= MAX_OF(chain / 2, large);
    if (mode == POLICY_REWRITE_IF_SAVES)
        return gain >= MAX_OF(chain / 10, large);
    /* eviction first, while it has far to go and there is room for its records: the smaller base
     * leaves twice the room for the log */
    uint64_t excess = minus(core->in.data_bytes, core->out.data_target);
    if (core->out.act.evict_on && excess > core->in.data_bytes / 20 &&
        b->free_bytes >= b->enter[GUARD_CRITICAL])
        return false;
    return gain >= MAX_OF(64 * KIB, MIN_OF(b->capacity / 50, 64 * MIB));
}

static bool wants_replacement(const struct core *core)
{
    const struct budget *b = &core->budget;
    return core->options.emergency_rewrite && b->one_copy && !core->out.act.evict_on &&
           level_acting(&core->level) >= GUARD_CRITICAL &&
           core->out.predicted_base + b->r_meta <= b->free_bytes + chain_bytes(core);
}

static enum guard_trigger wanted_trigger(const struct core *core)
{
    if (core->compaction_asked)
        return GUARD_TRIGGER_COMMAND;
    if (wants_space(core))
        return core->last_failed ? GUARD_TRIGGER_RETRY : GUARD_TRIGGER_SPACE;
    if (wants_growth(core))
        return core->last_failed ? GUARD_TRIGGER_RETRY : GUARD_TRIGGER_GROWTH;
    return GUARD_TRIGGER_NONE;
}

static void judge_rewrite(struct core *core)
{
    struct core_outputs *out = &core->out;
    bool released = out->act.rewrite == POLICY_REWRITE_RELEASED;
    out->compact = GUARD_TRIGGER_NONE;
    out->replace_old = false;
    if (core->rewriting || out->mount_lost || !core->sampled || !core->options.appendonly ||
        (out->act.log_on && durability_needs_repair(&core->durability)) || !retry_due(core))
        return; /* a repair is a rewrite; without logging a rewrite gives back space all the same */
    enum guard_trigger trigger = wanted_trigger(core);
    if (trigger == GUARD_TRIGGER_NONE)
        return;
    if (rewrite_fits(core, 0)) {
        out->compact = trigger;
    } else if (released && core->in.ballast_held && rewrite_fits(core, core->in.ballast_held)) {
        out->chores.release = true; /* next step it fits */
    } else if (wants_replacement(core)) {
        out->compact = trigger;
        out->replace_old = true;
    }
}

/* Causes after which the disk must first show that it works. */
static bool needs_proof(enum guard_cause cause)
{
    return cause == GUARD_CAUSE_READONLY || cause == GUARD_CAUSE_IOERROR ||
           cause == GUARD_CAUSE_MOUNT || cause == GUARD_CAUSE_STALL;
}

static void judge_repair(struct core *core)
{
    struct core_outputs *out = &core->out;
    const struct volume_probe *probe = &core->in.probe;
    bool proven = !needs_proof(core->durability.told) || probe->ok_began_ms > core->told_ms;
    bool wanted = core->options.appendonly && durability_needs_repair(&core->durability) &&
                  !core->rewriting && !out->mount_lost && out->act.log_on;
    out->repair = wanted && proven && retry_due(core) && rewrite_fits(core, 0);
    if (wanted && !out->repair && rewrite_fits(core, 0) &&
        core->in.now_ms - probe->began_ms >= PROBE_EVERY_MS)
        out->chores.probe = true;
    if (wanted && proven && retry_due(core) && !out->repair && wants_replacement(core))
        out->repair = out->replace_old = true;
}

/* A rewrite that failed for another reason than space is tried again once the disk has shown that
 * it works; without logging nothing else would make it show that. */
static void ask_for_proof(struct core *core)
{
    const struct volume_probe *probe = &core->in.probe;
    uint64_t now = core->in.now_ms;
    bool waits = core->last_failed && !core->last_failed_for_space && core->options.appendonly &&
                 !core->rewriting && !core->out.mount_lost && probe->ok_began_ms <= core->failed_ms;
    if (waits && now - core->failed_ms >= PROBE_EVERY_MS && now - probe->began_ms >= PROBE_EVERY_MS)
        core->out.chores.probe = true;
}

/* ---- credit ---- */

/* What is left above the critical mark; while a rewrite runs, also above the mark that will hold
 * when it has ended and the old files are gone. */
static uint64_t above_critical(const struct core *core)
{
    const struct budget *b = &core->budget;
    uint64_t now = minus(b->free_bytes, b->enter[GUARD_CRITICAL]);
    if (!core->rewriting)
        return now;
    uint64_t margin = 100 + core->options.rewrite_margin_percent;
    uint64_t base = budget_percent_of(forecast_base(&core->forecast, core->in.data_bytes), margin);
    uint64_t need = base + b->r_reclaim + b->r_meta;
    return MIN_OF(now, minus(b->free_bytes + core->chain_at_start, need));
}

/* One log byte costs itself and, in the next base, up to ratio x margin more. */
static uint64_t affordable(const struct core *core)
{
    double ratio = forecast_ratio_milli(&core->forecast) / 1000.0;
    double margin = 1 + core->options.rewrite_margin_percent / 100.0;
    return (uint64_t)((double)above_critical(core) / (1 + ratio * margin));
}

static void grant_credit(struct core *core)
{
    struct core_outputs *out = &core->out;
    /* Files that were removed and are still open count as free for the level, which would waver
     * otherwise; but until they are closed nobody can write where they are. */
    uint64_t some_day = affordable(core), soft = minus(some_day, core->in.gate.leaving);
    uint64_t room = core->in.gate.log_room, credit;
    bool waits =
        core_policy(core) == GUARD_POLICY_EVICT || core_policy(core) == GUARD_POLICY_MEMORY_ONLY;
    if (!core->sampled)
        credit = MIB;
    else if (level_acting(&core->level) == GUARD_OK || !core->in.gate.can_allocate)
        credit = MAX_OF(room, soft / 2);
    else
        credit = soft ? MAX_OF(room, MIN_OF(soft / 2, 4 * MIB)) : 0;
    out->credit = (int64_t)MIN_OF(credit, (uint64_t)INT64_MAX) - (int64_t)core->in.log_pending;
    out->largest = waits || !core->sampled ? UINT64_MAX : some_day;
    out->retry_ms = 10;
}

/* The log is allocated ahead for about a second of writing, and never into the reserve. */
static void choose_log_step(struct core *core)
{
    uint64_t above = above_critical(core);
    uint64_t least = MIN_OF(4 * MIB, core->budget.capacity / 64);
    double rate = MIN_OF(core->forecast.log_rate, 64.0 * MIB);
    uint64_t step = MIN_OF(MAX_OF(least, (uint64_t)rate), above / 8);
    step -= step % 4096;
    core->out.log_step = core->options.appendonly && core->sampled && step >= 32 * KIB ? step : 0;
}

/* At high growing writes get slower the nearer critical is, so that the rewrite can finish. */
static void choose_slowness(struct core *core)
{
    const struct budget *b = &core->budget;
    uint64_t high = b->enter[GUARD_HIGH], critical = b->enter[GUARD_CRITICAL];
    core->out.slow_us = 0;
    if (!core->out.act.slow || b->free_bytes >= high || high <= critical)
        return;
    if (core->rewriting || core->out.compact)
        core->out.slow_us = (uint32_t)(2000.0 * (double)(high - MAX_OF(b->free_bytes, critical)) /
                                       (double)(high - critical));
}

/* ---- the rest ---- */

static void choose_floors(struct core *core)
{
    const struct budget *b = &core->budget;
    bool full = core->level.level == GUARD_FULL;
    uint64_t *floor = core->out.floor;
    memset(core->out.floor, 0, sizeof(core->out.floor));
    if (!core->options.enabled || !core->sampled)
        return;
    floor[GATE_COMPACTION] = b->r_meta;
    floor[GATE_SHRINK] = floor[GATE_LOG] = full ? 0 : b->r_meta;
    floor[GATE_SNAPSHOT] = floor[GATE_DIAGNOSTIC] = b->enter[GUARD_HIGH];
}

static void choose_chores(struct core *core)
{
    struct volume_chores *chores = &core->out.chores;
    const struct budget *b = &core->budget;
    uint64_t want = core->sampled && core->options.enabled ? core->out.ballast_want : 0;
    chores->tend = core->sampled;
    chores->ballast_bytes = want;
    chores->ballast_create = want && core->level.level == GUARD_OK && !core->out.mount_lost &&
                             !core->in.sample.volume.read_only && b->free_bytes >= 4 * want &&
                             b->free_bytes - want >= b->leave[GUARD_LOW];
}

static void choose_poll(struct core *core)
{
    const struct guard_options *o = &core->options;
    uint64_t above = minus(core->budget.free_bytes, core->budget.enter[GUARD_LOW]);
    uint64_t poll = MIN_OF(MAX_OF(above / POLL_BYTES_PER_MS, o->poll_min_ms), o->poll_max_ms);
    if (level_acting(&core->level) != GUARD_OK || !core->sampled)
        poll = o->poll_min_ms;
    if (core->in.starved != core->last_starved)
        poll = MIN_OF(poll, (uint64_t)STARVED_POLL_MS);
    core->last_starved = core->in.starved;
    core->out.poll_ms = (unsigned)poll;
}

bool core_step(struct core *core, const struct core_inputs *in)
{
    core->in = *in;
    core->out.chores = (struct volume_chores){0};
    core->steps++;
    core->durability.write_started_ms = in->gate.log_write_began_ms;
    if (!in->sample.volume.total && in->sample.at_ms) /* a file system that does not count */
        core->in.sample.volume.total = core->in.sample.volume.available = UINT64_MAX / 4;
    judge_mount(core);
    measure(core);
    look_ahead(core);
    bool changed = judge_level(core);
    durability_step(&core->durability, core->options.appendonly, core->options.lagging_ms,
                    in->now_ms);
    judge_policy(core);
    durability_step(&core->durability, core->options.appendonly, core->options.lagging_ms,
                    in->now_ms);
    note_failed_slack(core);
    judge_rewrite(core);
    judge_repair(core);
    ask_for_proof(core);
    grant_credit(core);
    choose_log_step(core);
    choose_slowness(core);
    choose_floors(core);
    choose_chores(core);
    choose_poll(core);
    return changed;
}

void core_simulate(const struct core *core, uint64_t bytes, bool own, struct budget *budget,
                   enum guard_level *level)
{
    struct budget_settings settings = budget_settings(&core->options);
    struct budget_inputs inputs = budget_inputs(core);
    inputs.available = minus(inputs.available, bytes);
    if (own)
        inputs.own += bytes;
    budget_compute(&settings, &inputs, budget);
    *level = GUARD_OK;
    for (int l = GUARD_FULL; l >= GUARD_LOW && *level == GUARD_OK; l--)
        if (budget->free_bytes < budget->enter[l])
            *level = (enum guard_level)l;
}
