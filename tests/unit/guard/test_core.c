/* test_core.c - the guard's arithmetic over a fake clock and a fake volume. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>
#include "guard/core.h"

#define KIB (1024ull)
#define MIB (1024ull * 1024)

/* A volume, a neighbour, and a server that logs and rewrites as the guard wants it to. */
struct world {
    struct core core;
    struct core_inputs in;
    uint64_t total, neighbour, base, increment, data;
    bool probe_fails;
};

static struct world begin(uint64_t total, enum guard_policy policy, enum guard_eviction eviction)
{
    struct world w = {.total = total};
    struct guard_options o;
    guard_options_default(&o);
    o.appendonly = true;
    o.policy = policy;
    o.eviction = eviction;
    o.rewrite_percent = 0;
    o.low_time_s = 0;
    core_init(&w.core, &o);
    w.in.now_ms = 1000000;
    w.in.wall_ms = 1700000000000;
    w.in.gate.can_allocate = true;
    return w;
}

static void step(struct world *w, uint64_t ms)
{
    uint64_t own = w->base + w->increment;
    w->in.now_ms += ms;
    w->in.wall_ms += (int64_t)ms;
    w->in.sample.volume = (struct file_volume){.total = w->total, .block = 4096};
    w->in.sample.volume.available = w->total - own - w->neighbour;
    w->in.sample.own = own;
    w->in.sample.device = 7;
    w->in.sample.at_ms = w->in.now_ms;
    w->in.gate.own_bytes = own;
    w->in.data_bytes = w->data;
    if (!w->probe_fails)
        w->in.probe.ok_began_ms = w->in.now_ms;
    w->in.probe.began_ms = w->in.now_ms;
    core_step(&w->core, &w->in);
}

static void sizes(struct world *w)
{
    w->core.base_bytes = w->base;
    w->core.increment_bytes = w->increment;
}

/* A rewrite from start to end, as persistence reports it. */
static void rewrite(struct world *w, int error)
{
    struct guard_rewrite r = {
        .trigger = w->core.out.compact, .data_bytes = w->data, .error = error};
    r.repair = w->core.out.repair;
    core_tell_rewrite_started(&w->core, false);
    if (!error) {
        w->base = w->data;
        w->increment = 0;
    }
    r.base_bytes = w->base;
    r.duration_ms = 10;
    core_tell_rewrite_done(&w->core, &r, w->in.now_ms);
}

static enum guard_level level(const struct world *w)
{
    return w->core.level.level;
}

static void shed_refuses_and_recovers_by_itself(void **state)
{
    struct world w = begin(64 * MIB, GUARD_POLICY_SHED, GUARD_EVICTION_NONE);
    w.data = w.base = 4 * MIB;
    step(&w, 100);
    assert_int_equal(level(&w), GUARD_OK);
    assert_int_equal(w.core.out.act.growth, GUARD_GROWTH_METERED);
    assert_true(w.core.out.credit > 0);
    w.neighbour = 60 * MIB;
    step(&w, 100);
    assert_int_equal(level(&w), GUARD_FULL);
    assert_int_equal(w.core.out.act.growth, GUARD_GROWTH_REFUSED);
    assert_true(w.core.out.act.log_on);
    step(&w, 20000);
    w.neighbour = 0;
    step(&w, 100);
    assert_int_equal(level(&w), GUARD_OK); /* the dwell was over: at once */
    assert_int_equal(w.core.out.act.growth, GUARD_GROWTH_METERED);
}

static void refusal_comes_with_cost_before_the_mark(void **state)
{
    struct world w = begin(64 * MIB, GUARD_POLICY_SHED, GUARD_EVICTION_NONE);
    w.data = w.base = 4 * MIB;
    step(&w, 100);
    uint64_t above = w.core.budget.free_bytes - w.core.budget.enter[GUARD_CRITICAL];
    /* a byte costs itself and 1.15 of the next base */
    assert_in_range(w.core.out.largest, above * 100 / 216, above * 100 / 214);
    assert_true(w.core.out.credit <= (int64_t)above);
    w.core.options.policy = GUARD_POLICY_MEMORY_ONLY;
    step(&w, 100);
    assert_true(w.core.out.largest == UINT64_MAX);
}

static void pending_records_are_already_spent(void **state)
{
    struct world w = begin(64 * MIB, GUARD_POLICY_SHED, GUARD_EVICTION_NONE);
    step(&w, 100);
    int64_t before = w.core.out.credit;
    w.in.log_pending = 3 * MIB;
    step(&w, 100);
    assert_int_equal(w.core.out.credit, before - (int64_t)(3 * MIB));
}

static void a_rewrite_starts_by_space(void **state)
{
    struct world w = begin(64 * MIB, GUARD_POLICY_SHED, GUARD_EVICTION_NONE);
    w.data = w.base = 8 * MIB;
    w.increment = 20 * MIB;
    sizes(&w);
    step(&w, 100);
    assert_int_equal(level(&w), GUARD_OK);
    assert_int_equal(w.core.out.compact, GUARD_TRIGGER_NONE);
    w.increment = 34 * MIB;
    sizes(&w);
    step(&w, 100);
    assert_int_equal(level(&w), GUARD_LOW);
    assert_int_equal(w.core.out.compact, GUARD_TRIGGER_SPACE);
    w.increment = 44 * MIB;
    sizes(&w);
    step(&w, 100);
    assert_int_equal(level(&w), GUARD_HIGH);
    assert_int_equal(w.core.out.compact, GUARD_TRIGGER_SPACE);
    assert_true(w.core.out.slow_us > 0);
    rewrite(&w, 0);
    step(&w, 11000);
    assert_int_equal(level(&w), GUARD_OK);
    assert_int_equal(w.core.out.compact, GUARD_TRIGGER_NONE);
    assert_int_equal(w.core.counters.rewrites_ok[GUARD_TRIGGER_SPACE], 1);
}

static void a_fresh_base_is_not_written_again_and_again(void **state)
{
    struct world w = begin(64 * MIB, GUARD_POLICY_SHED, GUARD_EVICTION_NONE);
    w.data = w.base = 8 * MIB;
    sizes(&w);
    w.neighbour = 46 * MIB;
    step(&w, 100);
    assert_true(level(&w) >= GUARD_HIGH);
    assert_int_equal(w.core.out.compact, GUARD_TRIGGER_NONE);
}

static void growth_triggers_as_configured(void **state)
{
    struct world w = begin(10240 * MIB, GUARD_POLICY_SHED, GUARD_EVICTION_NONE);
    w.core.options.rewrite_percent = 100;
    w.core.options.rewrite_min_bytes = 64 * MIB;
    w.data = w.base = 40 * MIB;
    w.increment = 40 * MIB - 1;
    sizes(&w);
    step(&w, 100);
    assert_int_equal(w.core.out.compact, GUARD_TRIGGER_NONE);
    w.increment = 40 * MIB;
    sizes(&w);
    step(&w, 100);
    assert_int_equal(w.core.out.compact, GUARD_TRIGGER_GROWTH);
    w.base = 20 * MIB; /* under the least size */
    sizes(&w);
    w.increment = 44 * MIB - 1;
    sizes(&w);
    step(&w, 100);
    assert_int_equal(w.core.out.compact, GUARD_TRIGGER_NONE);
}

static void a_failed_rewrite_waits_for_space_not_for_time(void **state)
{
    struct world w = begin(64 * MIB, GUARD_POLICY_SHED, GUARD_EVICTION_NONE);
    w.data = w.base = 8 * MIB;
    w.increment = 43 * MIB;
    sizes(&w);
    step(&w, 100);
    assert_int_equal(w.core.out.compact, GUARD_TRIGGER_SPACE);
    rewrite(&w, ENOSPC);
    step(&w, 100);
    assert_int_equal(w.core.out.compact, GUARD_TRIGGER_NONE);
    step(&w, 5000);
    assert_int_equal(w.core.out.compact, GUARD_TRIGGER_NONE);
    w.data -= MIB; /* the next base got smaller: as good as space */
    step(&w, 100);
    assert_int_equal(w.core.out.compact, GUARD_TRIGGER_RETRY);
    rewrite(&w, 0);
    assert_int_equal(w.core.counters.rewrites_failed[GUARD_TRIGGER_SPACE], 1);
    assert_int_equal(w.core.counters.rewrites_ok[GUARD_TRIGGER_RETRY], 1);
}

/* A prediction far too small: with room to spare it is no limit, without it is corrected. */
static void a_wrong_prediction_does_not_fail_for_ever(void **state)
{
    struct world w = begin(64 * MIB, GUARD_POLICY_SHED, GUARD_EVICTION_NONE);
    w.data = 8 * MIB;
    w.base = 32 * MIB; /* more than the data are said to be */
    sizes(&w);
    step(&w, 100);
    uint64_t predicted = w.core.out.predicted_base;
    assert_true(w.core.out.base_cap < w.base + w.base);
    rewrite(&w, ENOSPC);
    step(&w, 100);
    assert_true(predicted < w.base && w.core.out.predicted_base >= w.base);

    w = begin(64 * 1024 * MIB, GUARD_POLICY_SHED, GUARD_EVICTION_NONE);
    w.data = 8 * MIB;
    step(&w, 100);
    assert_true(w.core.out.predicted_base < 9 * MIB && w.core.out.base_cap > 1024 * MIB);
}

static void full_gives_the_ballast_for_a_rewrite(void **state)
{
    struct world w = begin(64 * MIB, GUARD_POLICY_SHED, GUARD_EVICTION_NONE);
    w.data = w.base = 2 * MIB;
    w.increment = 30 * MIB;
    sizes(&w);
    w.in.ballast_held = 4 * MIB;
    w.neighbour = 32 * MIB - 100 * KIB;
    step(&w, 100);
    assert_int_equal(level(&w), GUARD_FULL);
    assert_int_equal(w.core.out.compact, GUARD_TRIGGER_NONE);
    assert_true(w.core.out.chores.release);
    w.in.ballast_held = 0;
    w.neighbour -= 4 * MIB;
    step(&w, 100);
    assert_int_equal(w.core.out.compact, GUARD_TRIGGER_SPACE);
    assert_false(w.core.out.chores.release);
}

static void memory_only_stops_and_repairs(void **state)
{
    struct world w = begin(64 * MIB, GUARD_POLICY_MEMORY_ONLY, GUARD_EVICTION_ALLKEYS);
    w.data = w.base = 4 * MIB;
    step(&w, 100);
    w.neighbour = 59 * MIB;
    step(&w, 100);
    assert_int_equal(level(&w), GUARD_CRITICAL);
    assert_false(w.core.out.act.log_on);
    assert_int_equal(w.core.out.act.growth, GUARD_GROWTH_FREE);
    assert_int_equal(w.core.durability.health, GUARD_SUSPENDED);
    assert_int_equal(w.core.durability.cause, GUARD_CAUSE_SPACE);
    assert_false(w.core.out.repair);
    w.data = 5 * MIB;
    step(&w, 20000);
    w.neighbour = 0;
    step(&w, 100);
    assert_int_equal(level(&w), GUARD_OK);
    assert_true(w.core.out.act.log_on);
    assert_true(w.core.out.repair);
    rewrite(&w, 0);
    step(&w, 100);
    assert_int_equal(w.core.durability.health, GUARD_DURABLE);
    assert_false(w.core.out.repair);
    assert_int_equal(w.core.counters.memory_only, 1);
}

/* Overwrites under the policy evict, three times the volume in all: never over, never stuck. */
static void evict_keeps_within_the_volume(void **state)
{
    struct world w = begin(64 * MIB, GUARD_POLICY_EVICT, GUARD_EVICTION_ALLKEYS);
    uint64_t written = 0, steps = 0;
    unsigned rewrites = 0;
    w.data = 64 * KIB;
    while (written < 192 * MIB && steps++ < 20000) {
        sizes(&w);
        step(&w, 100);
        assert_true(w.core.out.act.log_on);
        uint64_t take = w.core.out.credit > 0 ? MIN_OF((uint64_t)w.core.out.credit, MIB) : 0;
        uint64_t evict = MIN_OF(w.core.out.evict_quota, w.data);
        w.data += take;
        w.data -= MIN_OF(evict, w.data);
        w.increment += take + evict / 20;
        written += take;
        core_tell_evicted(&w.core, 1, evict, false, w.in.now_ms);
        assert_true(w.base + w.increment + w.data <= w.total); /* both copies, always */
        if (w.core.out.compact) {
            rewrite(&w, 0);
            rewrites++;
        }
    }
    assert_true(written >= 192 * MIB);
    assert_true(steps < 192 * 4); /* a MiB every fourth tick at worst */
    assert_true(rewrites >= 3);
    assert_true(w.data >= 8 * MIB);
}

static void a_neighbour_is_not_evicted_for(void **state)
{
    for (uint64_t speed = 64 * KIB; speed <= 16 * MIB; speed *= 4) {
        struct world w = begin(64 * MIB, GUARD_POLICY_EVICT, GUARD_EVICTION_ALLKEYS);
        w.data = w.base = 6 * MIB;
        sizes(&w);
        for (int i = 0; i < 200; i++)
            step(&w, 100);
        while (w.neighbour + speed < 58 * MIB) {
            step(&w, 100);
            assert_false(w.core.out.act.evict_on);
            w.neighbour += speed;
        }
        w.neighbour = 58 * MIB;
        for (int i = 0; i < 100; i++)
            step(&w, 100);
        assert_false(w.core.out.act.evict_on);
        assert_true(w.core.out.act.memory_only); /* nothing of ours can cure it */
    }
}

static void a_static_neighbour_is_made_room_beside(void **state)
{
    struct world w = begin(64 * MIB, GUARD_POLICY_EVICT, GUARD_EVICTION_VOLATILE);
    w.neighbour = 20 * MIB;
    w.data = w.base = 14 * MIB;
    w.increment = 14 * MIB;
    sizes(&w);
    for (int i = 0; i < 300; i++)
        step(&w, 100);
    assert_true(level(&w) >= GUARD_HIGH);
    assert_true(w.core.out.act.evict_on);
    assert_in_range(w.core.out.data_target, 7 * MIB, 14 * MIB);
    assert_true(w.core.out.evict_quota <= MAX_OF(256 * KIB, w.data / 20));
    /* nothing volatile left: refuse */
    w.increment = 29 * MIB;
    sizes(&w);
    core_tell_evicted(&w.core, 0, 0, true, w.in.now_ms);
    step(&w, 100);
    assert_false(w.core.out.act.evict_on);
}

static void unknown_evicts_nothing_and_refuses_nothing(void **state)
{
    struct world w = begin(64 * MIB, GUARD_POLICY_EVICT, GUARD_EVICTION_ALLKEYS);
    w.data = w.base = 18 * MIB;
    w.increment = 22 * MIB + 512 * KIB;
    sizes(&w);
    step(&w, 100);
    assert_int_equal(level(&w), GUARD_HIGH);
    assert_true(w.core.out.act.evict_on);
    for (int i = 0; i < 101; i++) {
        w.in.now_ms += 100; /* the sample grows old */
        core_step(&w.core, &w.in);
    }
    assert_int_equal(level(&w), GUARD_UNKNOWN);
    assert_false(w.core.out.act.evict_on);
    assert_int_equal(w.core.out.act.growth, GUARD_GROWTH_METERED);
    step(&w, 100);
    assert_int_equal(level(&w), GUARD_HIGH);
}

static void io_errors_are_repaired_after_a_probe(void **state)
{
    struct world w = begin(1024 * MIB, GUARD_POLICY_SHED, GUARD_EVICTION_NONE);
    w.data = w.base = 4 * MIB;
    step(&w, 100);
    w.probe_fails = true;
    core_tell_suspended(&w.core, GUARD_CAUSE_READONLY, w.in.now_ms);
    step(&w, 1000);
    assert_int_equal(w.core.out.act.growth, GUARD_GROWTH_REFUSED);
    assert_false(w.core.out.repair);
    w.in.probe.began_ms = 0;
    core_step(&w.core, &w.in);
    assert_true(w.core.out.chores.probe);
    w.probe_fails = false;
    step(&w, 1000);
    assert_true(w.core.out.repair);
    rewrite(&w, 0);
    step(&w, 100);
    assert_int_equal(w.core.out.act.growth, GUARD_GROWTH_METERED);
}

/* Without logging too, when only a rewrite can give back the space that is missing. */
static void a_failed_rewrite_asks_for_a_probe(void **state)
{
    struct world w = begin(64 * MIB, GUARD_POLICY_MEMORY_ONLY, GUARD_EVICTION_NONE);
    w.data = w.base = 2 * MIB;
    w.increment = 20 * MIB;
    sizes(&w);
    step(&w, 100);
    w.neighbour = 64 * MIB - w.base - w.increment - 4 * MIB;
    step(&w, 100);
    assert_true(w.core.out.act.memory_only && !w.core.out.act.log_on);
    assert_true(w.core.out.compact != GUARD_TRIGGER_NONE);
    w.probe_fails = true;
    rewrite(&w, EIO);
    step(&w, 1000);
    assert_int_equal(w.core.out.compact, GUARD_TRIGGER_NONE);
    w.in.now_ms += 1000;
    core_step(&w.core, &w.in);
    assert_true(w.core.out.chores.probe);
    w.probe_fails = false;
    step(&w, 100);
    assert_true(w.core.out.compact != GUARD_TRIGGER_NONE);
}

static void removed_files_give_no_credit_until_they_are_closed(void **state)
{
    struct world w = begin(1024 * MIB, GUARD_POLICY_SHED, GUARD_EVICTION_NONE);
    w.core.options.budget_bytes = 32 * MIB;
    w.data = w.base = 1 * MIB;
    w.increment = 24 * MIB;
    w.in.gate.leaving = 23 * MIB;
    step(&w, 100);
    assert_int_equal(level(&w), GUARD_OK);
    assert_int_equal(w.core.out.credit, 0);
    w.increment = 1 * MIB;
    w.in.gate.leaving = 0;
    step(&w, 100);
    assert_true(w.core.out.credit > 1 * (int64_t)MIB);
}

static void a_failed_fsync_is_repaired_at_once(void **state)
{
    struct world w = begin(1024 * MIB, GUARD_POLICY_SHED, GUARD_EVICTION_NONE);
    w.data = w.base = 4 * MIB;
    step(&w, 100);
    core_tell_poisoned(&w.core, GUARD_CAUSE_FSYNC, w.in.now_ms);
    w.probe_fails = true;
    step(&w, 100);
    assert_true(w.core.out.repair);
    assert_int_equal(w.core.durability.health, GUARD_REPAIRING);
    rewrite(&w, EIO);
    step(&w, 100);
    assert_false(w.core.out.repair); /* not before the disk has shown that it works */
    w.probe_fails = false;
    step(&w, 1000);
    assert_true(w.core.out.repair);
    rewrite(&w, 0);
    step(&w, 100);
    assert_int_equal(w.core.durability.health, GUARD_DURABLE);
}

static void a_stall_is_met_at_its_timeout(void **state)
{
    struct world w = begin(1024 * MIB, GUARD_POLICY_SHED, GUARD_EVICTION_NONE);
    step(&w, 100);
    w.core.durability.sync_started_ms = w.in.now_ms;
    step(&w, 2000);
    assert_int_equal(w.core.durability.health, GUARD_LAGGING);
    assert_int_equal(w.core.out.act.growth, GUARD_GROWTH_METERED);
    step(&w, 17999);
    assert_int_equal(w.core.out.act.growth, GUARD_GROWTH_METERED);
    step(&w, 1);
    assert_int_equal(w.core.out.act.growth, GUARD_GROWTH_REFUSED);
    w.core.durability.sync_started_ms = 0;
    step(&w, 100);
    assert_int_equal(w.core.out.act.growth, GUARD_GROWTH_METERED);
}

static void a_write_that_hangs_is_a_stall_too(void **state)
{
    struct world w = begin(1024 * MIB, GUARD_POLICY_MEMORY_ONLY, GUARD_EVICTION_NONE);
    step(&w, 100);
    w.in.gate.log_write_began_ms = w.in.now_ms;
    step(&w, 2000);
    assert_int_equal(w.core.durability.health, GUARD_LAGGING);
    assert_int_equal(w.core.durability.cause, GUARD_CAUSE_STALL);
    step(&w, 18000);
    assert_int_equal(w.core.out.act.growth, GUARD_GROWTH_FREE);
    w.in.log_pending = 64 * MIB; /* its thread cannot drop them: they are bounded */
    step(&w, 100);
    assert_int_equal(w.core.out.act.growth, GUARD_GROWTH_FREE);
    w.in.log_pending++;
    step(&w, 100);
    assert_int_equal(w.core.out.act.growth, GUARD_GROWTH_REFUSED);
    w.in.gate.log_write_began_ms = 0;
    w.in.log_pending = 0;
    step(&w, 100);
    assert_int_equal(w.core.out.act.growth, GUARD_GROWTH_FREE);
    assert_int_equal(w.core.durability.health, GUARD_SUSPENDED);
    assert_true(w.core.out.act.log_on);
}

static void a_lost_mount_is_not_written_over(void **state)
{
    struct world w = begin(1024 * MIB, GUARD_POLICY_MEMORY_ONLY, GUARD_EVICTION_ALLKEYS);
    w.data = w.base = 4 * MIB;
    step(&w, 100);
    w.in.now_ms += 100;
    w.in.sample.device = 8;
    w.in.sample.at_ms = w.in.now_ms;
    core_step(&w.core, &w.in);
    assert_true(w.core.out.mount_lost);
    assert_false(w.core.out.repair);
    assert_int_equal(w.core.durability.cause, GUARD_CAUSE_MOUNT);
    step(&w, 100);
    assert_false(w.core.out.mount_lost);
    assert_true(w.core.out.repair);
}

static void two_copies_that_never_fit(void **state)
{
    struct world w = begin(32 * MIB, GUARD_POLICY_SHED, GUARD_EVICTION_NONE);
    w.data = w.base = 15 * MIB;
    w.increment = 10 * MIB;
    sizes(&w);
    step(&w, 100);
    assert_true(core_undersized(&w.core));
    assert_int_equal(level(&w), GUARD_CRITICAL);
    assert_int_equal(w.core.out.compact, GUARD_TRIGGER_NONE);
    w.core.options.emergency_rewrite = true;
    step(&w, 100);
    assert_int_equal(w.core.out.compact, GUARD_TRIGGER_SPACE);
    assert_true(w.core.out.replace_old);
    /* deleting cures it without */
    w.core.options.emergency_rewrite = false;
    w.data = 4 * MIB;
    step(&w, 100);
    assert_int_equal(w.core.out.compact, GUARD_TRIGGER_SPACE);
    assert_false(w.core.out.replace_old);
}

static void a_running_rewrite_spends_its_own_reserve(void **state)
{
    struct world w = begin(1024 * MIB, GUARD_POLICY_SHED, GUARD_EVICTION_NONE);
    w.data = w.base = 200 * MIB;
    w.increment = 400 * MIB;
    sizes(&w);
    step(&w, 100);
    enum guard_level before = level(&w);
    assert_int_equal(before, GUARD_LOW);
    core_tell_rewrite_started(&w.core, false);
    w.in.gate.building = 200 * MIB;
    w.neighbour = 200 * MIB; /* stands for the temp file */
    step(&w, 100);
    assert_int_equal(level(&w), before);
    assert_int_equal(w.core.out.compact, GUARD_TRIGGER_NONE);
}

static void without_a_log_only_snapshots_are_skipped(void **state)
{
    struct world w = begin(64 * MIB, GUARD_POLICY_SHED, GUARD_EVICTION_NONE);
    w.core.options.appendonly = false;
    w.core.options.save_points = true;
    w.data = 4 * MIB;
    w.neighbour = 60 * MIB;
    step(&w, 100);
    assert_true(level(&w) >= GUARD_CRITICAL);
    assert_int_equal(w.core.out.act.growth, GUARD_GROWTH_FREE);
    assert_false(w.core.out.act.snapshot_on);
    assert_int_equal(w.core.out.compact, GUARD_TRIGGER_NONE);
}

static void ballast_is_made_at_four_times_its_size(void **state)
{
    struct world w = begin(64 * MIB, GUARD_POLICY_SHED, GUARD_EVICTION_NONE);
    w.neighbour = 48 * MIB;
    step(&w, 100);
    assert_int_equal(w.core.out.chores.ballast_bytes, 4 * MIB);
    assert_true(w.core.out.chores.ballast_create);
    w.neighbour = 48 * MIB + 1;
    step(&w, 100);
    assert_false(w.core.out.chores.ballast_create);
}

static void polling_is_adaptive(void **state)
{
    struct world w = begin(64 * MIB, GUARD_POLICY_SHED, GUARD_EVICTION_NONE);
    step(&w, 100);
    assert_int_equal(w.core.out.poll_ms, 100);
    w = begin(100 * 1024 * MIB, GUARD_POLICY_SHED, GUARD_EVICTION_NONE);
    step(&w, 100);
    assert_int_equal(w.core.out.poll_ms, 1000);
    w.neighbour = 99 * 1024 * MIB;
    step(&w, 100);
    assert_int_equal(w.core.out.poll_ms, 100);
}

static void simulation_changes_nothing(void **state)
{
    struct world w = begin(64 * MIB, GUARD_POLICY_SHED, GUARD_EVICTION_NONE);
    struct budget then;
    enum guard_level l;
    step(&w, 100);
    struct core before = w.core;
    core_simulate(&w.core, 64 * MIB, false, &then, &l);
    assert_int_equal(l, GUARD_FULL);
    core_simulate(&w.core, MIB, true, &then, &l);
    assert_int_equal(l, GUARD_OK);
    assert_int_equal(then.free_bytes, 63 * MIB);
    assert_memory_equal(&before, &w.core, sizeof(before));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shed_refuses_and_recovers_by_itself),
        cmocka_unit_test(refusal_comes_with_cost_before_the_mark),
        cmocka_unit_test(pending_records_are_already_spent),
        cmocka_unit_test(a_rewrite_starts_by_space),
        cmocka_unit_test(a_fresh_base_is_not_written_again_and_again),
        cmocka_unit_test(growth_triggers_as_configured),
        cmocka_unit_test(a_failed_rewrite_waits_for_space_not_for_time),
        cmocka_unit_test(a_wrong_prediction_does_not_fail_for_ever),
        cmocka_unit_test(full_gives_the_ballast_for_a_rewrite),
        cmocka_unit_test(memory_only_stops_and_repairs),
        cmocka_unit_test(evict_keeps_within_the_volume),
        cmocka_unit_test(a_neighbour_is_not_evicted_for),
        cmocka_unit_test(a_static_neighbour_is_made_room_beside),
        cmocka_unit_test(unknown_evicts_nothing_and_refuses_nothing),
        cmocka_unit_test(io_errors_are_repaired_after_a_probe),
        cmocka_unit_test(a_failed_rewrite_asks_for_a_probe),
        cmocka_unit_test(removed_files_give_no_credit_until_they_are_closed),
        cmocka_unit_test(a_failed_fsync_is_repaired_at_once),
        cmocka_unit_test(a_stall_is_met_at_its_timeout),
        cmocka_unit_test(a_write_that_hangs_is_a_stall_too),
        cmocka_unit_test(a_lost_mount_is_not_written_over),
        cmocka_unit_test(two_copies_that_never_fit),
        cmocka_unit_test(a_running_rewrite_spends_its_own_reserve),
        cmocka_unit_test(without_a_log_only_snapshots_are_skipped),
        cmocka_unit_test(ballast_is_made_at_four_times_its_size),
        cmocka_unit_test(polling_is_adaptive),
        cmocka_unit_test(simulation_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
