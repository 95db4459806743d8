/* test_policy.c - the table of levels and policies, cell by cell. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "guard/policy.h"

static struct policy_outputs decide(enum guard_policy policy, enum guard_level level)
{
    struct policy_inputs in = {.enabled = true,
                               .logged = true,
                               .policy = policy,
                               .eviction = GUARD_EVICTION_ALLKEYS,
                               .level = level,
                               .acting = level == GUARD_UNKNOWN ? GUARD_HIGH : level,
                               .evict_useful = true};
    struct policy_outputs out;
    policy_decide(&in, &out);
    return out;
}

static void what_is_the_same_for_all(void **state)
{
    for (int p = GUARD_POLICY_EVICT; p <= GUARD_POLICY_STRICT; p++) {
        struct policy_outputs ok = decide(p, GUARD_OK), low = decide(p, GUARD_LOW);
        struct policy_outputs high = decide(p, GUARD_HIGH), full = decide(p, GUARD_FULL);
        struct policy_outputs critical = decide(p, GUARD_CRITICAL);
        assert_int_equal(ok.rewrite, POLICY_REWRITE_BY_GROWTH);
        assert_int_equal(low.rewrite, POLICY_REWRITE_IF_SAVES);
        assert_int_equal(high.rewrite, POLICY_REWRITE_AT_ONCE);
        assert_int_equal(critical.rewrite, POLICY_REWRITE_AT_ONCE);
        assert_int_equal(full.rewrite, POLICY_REWRITE_RELEASED);
        assert_true(ok.snapshot_on && low.snapshot_on);
        assert_false(high.snapshot_on || critical.snapshot_on || full.snapshot_on);
        assert_true(high.link_snapshot);
        assert_false(ok.link_snapshot || critical.link_snapshot || full.link_snapshot);
        assert_false(ok.sweep);
        assert_true(low.sweep && high.sweep && critical.sweep && full.sweep);
        assert_true(high.slow);
        assert_false(ok.slow || low.slow);
        assert_int_equal(ok.growth, GUARD_GROWTH_METERED);
        assert_int_equal(low.growth, GUARD_GROWTH_METERED);
        assert_int_equal(high.growth, GUARD_GROWTH_METERED);
        assert_true(ok.log_on && low.log_on && high.log_on);
        assert_int_equal(decide(p, GUARD_UNKNOWN).growth, GUARD_GROWTH_METERED);
        assert_false(decide(p, GUARD_UNKNOWN).evict_on);
    }
}

static void shed_and_strict_refuse_from_critical(void **state)
{
    for (int p = GUARD_POLICY_SHED; p <= GUARD_POLICY_STRICT; p++)
        for (int l = GUARD_CRITICAL; l <= GUARD_FULL; l++) {
            assert_int_equal(decide(p, l).growth, GUARD_GROWTH_REFUSED);
            assert_true(decide(p, l).log_on);
            assert_false(decide(p, l).evict_on);
        }
}

static void memory_only_stops_logging_and_accepts(void **state)
{
    for (int l = GUARD_CRITICAL; l <= GUARD_FULL; l++) {
        struct policy_outputs out = decide(GUARD_POLICY_MEMORY_ONLY, l);
        assert_int_equal(out.growth, GUARD_GROWTH_FREE);
        assert_false(out.log_on);
        assert_true(out.memory_only);
    }
}

static void evict_begins_at_high_and_waits_at_critical(void **state)
{
    assert_false(decide(GUARD_POLICY_EVICT, GUARD_LOW).evict_on);
    for (int l = GUARD_HIGH; l <= GUARD_FULL; l++) {
        struct policy_outputs out = decide(GUARD_POLICY_EVICT, l);
        assert_true(out.evict_on);
        assert_int_equal(out.growth, GUARD_GROWTH_METERED);
        assert_true(out.log_on);
    }
}

static void evict_falls_back_by_family(void **state)
{
    struct policy_inputs in = {.enabled = true,
                               .logged = true,
                               .policy = GUARD_POLICY_EVICT,
                               .eviction = GUARD_EVICTION_ALLKEYS,
                               .level = GUARD_CRITICAL,
                               .acting = GUARD_CRITICAL,
                               .stuck = true};
    struct policy_outputs out;
    policy_decide(&in, &out);
    assert_true(out.memory_only);
    assert_false(out.evict_on);
    in.eviction = GUARD_EVICTION_VOLATILE;
    policy_decide(&in, &out);
    assert_false(out.memory_only);
    assert_int_equal(out.growth, GUARD_GROWTH_REFUSED);
    in.eviction = GUARD_EVICTION_NONE;
    policy_decide(&in, &out);
    assert_int_equal(out.growth, GUARD_GROWTH_REFUSED);
}

static void a_log_that_cannot_be_written_counts_like_critical(void **state)
{
    struct policy_inputs in = {.enabled = true, .logged = true, .health = GUARD_SUSPENDED};
    struct policy_outputs out;
    in.policy = GUARD_POLICY_SHED;
    policy_decide(&in, &out);
    assert_int_equal(out.growth, GUARD_GROWTH_REFUSED);
    in.policy = GUARD_POLICY_MEMORY_ONLY;
    policy_decide(&in, &out);
    assert_int_equal(out.growth, GUARD_GROWTH_FREE);
    assert_true(out.log_on); /* so that it can be repaired */
    in.health = GUARD_REPAIRING;
    in.policy = GUARD_POLICY_SHED;
    policy_decide(&in, &out);
    assert_int_equal(out.growth, GUARD_GROWTH_METERED);
    in.policy = GUARD_POLICY_STRICT;
    policy_decide(&in, &out);
    assert_int_equal(out.growth, GUARD_GROWTH_REFUSED);
}

static void a_stall_is_met_by_policy(void **state)
{
    struct policy_inputs in = {.enabled = true, .logged = true, .stalled = true};
    struct policy_outputs out;
    in.policy = GUARD_POLICY_SHED;
    policy_decide(&in, &out);
    assert_int_equal(out.growth, GUARD_GROWTH_REFUSED);
    in.policy = GUARD_POLICY_EVICT;
    in.eviction = GUARD_EVICTION_ALLKEYS;
    policy_decide(&in, &out);
    assert_true(out.memory_only);
}

static void failing_writes_are_met_by_policy(void **state)
{
    struct policy_inputs in = {.enabled = true, .logged = true, .failing = true};
    struct policy_outputs out;
    in.policy = GUARD_POLICY_SHED;
    policy_decide(&in, &out);
    assert_int_equal(out.growth, GUARD_GROWTH_REFUSED);
    in.policy = GUARD_POLICY_MEMORY_ONLY;
    policy_decide(&in, &out);
    assert_true(out.memory_only);
    in.policy = GUARD_POLICY_EVICT;
    in.eviction = GUARD_EVICTION_ALLKEYS;
    policy_decide(&in, &out);
    assert_true(out.memory_only);
    in.level = in.acting = GUARD_FULL; /* for want of space: evict first */
    policy_decide(&in, &out);
    assert_false(out.memory_only);
    assert_int_equal(out.growth, GUARD_GROWTH_METERED);
}

static void without_a_log_or_a_guard_nothing_is_refused(void **state)
{
    struct policy_inputs in = {
        .enabled = true, .policy = GUARD_POLICY_SHED, .level = GUARD_FULL, .acting = GUARD_FULL};
    struct policy_outputs out;
    policy_decide(&in, &out);
    assert_int_equal(out.growth, GUARD_GROWTH_FREE);
    assert_false(out.snapshot_on);
    in.enabled = false;
    in.logged = true;
    policy_decide(&in, &out);
    assert_int_equal(out.growth, GUARD_GROWTH_FREE);
    assert_true(out.snapshot_on && out.log_on);
}

static void auto_follows_the_other_settings(void **state)
{
    assert_int_equal(policy_in_force(GUARD_POLICY_AUTO, GUARD_FSYNC_ALWAYS, GUARD_EVICTION_ALLKEYS),
                     GUARD_POLICY_STRICT);
    assert_int_equal(policy_in_force(GUARD_POLICY_AUTO, GUARD_FSYNC_EVERYSEC, GUARD_EVICTION_NONE),
                     GUARD_POLICY_SHED);
    assert_int_equal(policy_in_force(GUARD_POLICY_AUTO, GUARD_FSYNC_NO, GUARD_EVICTION_ALLKEYS),
                     GUARD_POLICY_EVICT);
    assert_int_equal(
        policy_in_force(GUARD_POLICY_AUTO, GUARD_FSYNC_EVERYSEC, GUARD_EVICTION_VOLATILE),
        GUARD_POLICY_EVICT);
    assert_int_equal(
        policy_in_force(GUARD_POLICY_MEMORY_ONLY, GUARD_FSYNC_ALWAYS, GUARD_EVICTION_NONE),
        GUARD_POLICY_MEMORY_ONLY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_the_same_for_all),
        cmocka_unit_test(shed_and_strict_refuse_from_critical),
        cmocka_unit_test(memory_only_stops_logging_and_accepts),
        cmocka_unit_test(evict_begins_at_high_and_waits_at_critical),
        cmocka_unit_test(evict_falls_back_by_family),
        cmocka_unit_test(a_log_that_cannot_be_written_counts_like_critical),
        cmocka_unit_test(a_stall_is_met_by_policy),
        cmocka_unit_test(failing_writes_are_met_by_policy),
        cmocka_unit_test(without_a_log_or_a_guard_nothing_is_refused),
        cmocka_unit_test(auto_follows_the_other_settings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
