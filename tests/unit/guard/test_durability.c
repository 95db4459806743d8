/* test_durability.c - persistence health and what ends its troubles. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "guard/durability.h"

static enum guard_health health(struct durability *d, uint64_t now_ms)
{
    durability_step(d, true, 2000, now_ms);
    return d->health;
}

static void an_old_fsync_is_lagging(void **state)
{
    struct durability d = {0};
    assert_int_equal(health(&d, 1000), GUARD_DURABLE);
    d.sync_started_ms = 1000;
    assert_int_equal(health(&d, 2999), GUARD_DURABLE);
    assert_int_equal(health(&d, 3000), GUARD_LAGGING);
    assert_int_equal(d.cause, GUARD_CAUSE_STALL);
    d.sync_started_ms = 0;
    assert_int_equal(health(&d, 3100), GUARD_DURABLE);
    assert_int_equal(d.cause, GUARD_CAUSE_NONE);
}

static void a_gap_ends_with_a_fresh_base_only(void **state)
{
    struct durability d = {0};
    durability_suspend(&d, GUARD_CAUSE_SPACE);
    assert_int_equal(health(&d, 1), GUARD_SUSPENDED);
    assert_int_equal(d.cause, GUARD_CAUSE_SPACE);
    durability_repair_begin(&d);
    assert_int_equal(health(&d, 2), GUARD_REPAIRING);
    durability_repair_end(&d, false);
    assert_int_equal(health(&d, 3), GUARD_SUSPENDED);
    assert_true(durability_needs_repair(&d));
    durability_repair_begin(&d);
    durability_repair_end(&d, true);
    assert_int_equal(health(&d, 4), GUARD_DURABLE);
    assert_int_equal(d.gaps, 1);
}

static void a_poisoned_file_stays_so_until_repaired(void **state)
{
    struct durability d = {0};
    durability_poison(&d, GUARD_CAUSE_FSYNC);
    assert_int_equal(health(&d, 1), GUARD_REPAIRING);
    assert_int_equal(d.cause, GUARD_CAUSE_FSYNC);
    durability_resume(&d);
    assert_int_equal(health(&d, 2), GUARD_REPAIRING);
    durability_repair_begin(&d);
    durability_repair_end(&d, true);
    assert_int_equal(health(&d, 3), GUARD_DURABLE);
}

static void failing_writes_lag_until_given_up(void **state)
{
    struct durability d = {0};
    durability_failing(&d, GUARD_CAUSE_READONLY);
    assert_int_equal(health(&d, 1), GUARD_LAGGING);
    assert_int_equal(d.cause, GUARD_CAUSE_READONLY);
    durability_failing(&d, GUARD_CAUSE_NONE);
    assert_int_equal(health(&d, 2), GUARD_DURABLE);
    assert_false(durability_needs_repair(&d));
}

static void without_a_log_nothing_is_promised(void **state)
{
    struct durability d = {0};
    durability_step(&d, false, 2000, 1);
    assert_int_equal(d.health, GUARD_DURABLE);
    assert_int_equal(d.cause, GUARD_CAUSE_CONFIG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_old_fsync_is_lagging),
        cmocka_unit_test(a_gap_ends_with_a_fresh_base_only),
        cmocka_unit_test(a_poisoned_file_stays_so_until_repaired),
        cmocka_unit_test(failing_writes_lag_until_given_up),
        cmocka_unit_test(without_a_log_nothing_is_promised),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
