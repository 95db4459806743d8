/* test_level.c - the level over a fake clock and fake free space. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/rand.h"
#include "guard/level.h"

static const uint64_t enter[GUARD_LEVELS] = {
    [GUARD_LOW] = 400, [GUARD_HIGH] = 200, [GUARD_CRITICAL] = 100, [GUARD_FULL] = 10};
static const uint64_t leave[GUARD_LEVELS] = {
    [GUARD_LOW] = 500, [GUARD_HIGH] = 400, [GUARD_CRITICAL] = 200, [GUARD_FULL] = 100};
static const struct level_settings settings = {
    .dwell_ms = 10000, .unknown_ms = 10000, .low_time_s = 900};

struct world {
    struct level_state state;
    struct level_inputs in;
};

static struct world begin(void)
{
    return (struct world){.in = {.now_ms = 1000000,
                                 .free_bytes = 1000,
                                 .enter = enter,
                                 .leave = leave,
                                 .critical_in_s = UINT64_MAX,
                                 .inodes_back = true}};
}

/* One step with a probe that has just succeeded. */
static enum guard_level at(struct world *w, uint64_t free_bytes)
{
    w->in.free_bytes = free_bytes;
    w->in.probe_ok_at_ms = w->in.now_ms;
    level_step(&w->state, &settings, &w->in);
    w->in.full_seen = false;
    return w->state.level;
}

static enum guard_level after(struct world *w, uint64_t ms, uint64_t free_bytes)
{
    w->in.now_ms += ms;
    return at(w, free_bytes);
}

static void each_level_is_entered_below_its_mark(void **state)
{
    for (int level = GUARD_LOW; level <= GUARD_FULL; level++) {
        struct world w = begin();
        assert_int_equal(at(&w, enter[level]), level - 1);
        assert_int_equal(after(&w, 100, enter[level] - 1), level);
        w = begin();
        assert_int_equal(at(&w, 1000), GUARD_OK);
        assert_int_equal(after(&w, 100, enter[level] - 1), level); /* several at once */
        assert_int_equal(w.state.transitions, 1);
    }
}

static void each_level_is_left_at_its_leave_mark(void **state)
{
    for (int level = GUARD_LOW; level <= GUARD_FULL; level++) {
        struct world w = begin();
        at(&w, enter[level] - 1);
        assert_int_equal(after(&w, 20000, enter[level]), level);
        assert_int_equal(after(&w, 100, leave[level] - 1), level);
        assert_int_equal(after(&w, 100, leave[level]), level - 1);
    }
}

static void several_levels_are_left_at_once(void **state)
{
    struct world w = begin();
    at(&w, 5);
    assert_int_equal(after(&w, 10000, 1000), GUARD_OK);
    assert_int_equal(w.state.transitions, 2);
    w = begin();
    at(&w, 5);
    assert_int_equal(after(&w, 10000, 450), GUARD_LOW);
}

static void the_dwell_counts_from_entering(void **state)
{
    struct world w = begin();
    at(&w, 50);
    assert_int_equal(after(&w, 9999, 1000), GUARD_CRITICAL);
    assert_int_equal(after(&w, 1, 1000), GUARD_OK);
    /* space that returns after the dwell is used at once */
    w = begin();
    at(&w, 50);
    assert_int_equal(after(&w, 30000, 50), GUARD_CRITICAL);
    assert_int_equal(after(&w, 100, 1000), GUARD_OK);
}

static void getting_worse_does_not_wait(void **state)
{
    struct world w = begin();
    assert_int_equal(at(&w, 399), GUARD_LOW);
    assert_int_equal(after(&w, 1, 199), GUARD_HIGH);
    assert_int_equal(after(&w, 1, 99), GUARD_CRITICAL);
    assert_int_equal(after(&w, 1, 9), GUARD_FULL);
}

static void leaving_needs_a_probe(void **state)
{
    struct world w = begin();
    at(&w, 50);
    w.in.now_ms += 8000;
    w.in.free_bytes = 1000;
    assert_true(level_wants_probe(&w.state, &w.in));
    w.in.free_bytes = 199;
    assert_false(level_wants_probe(&w.state, &w.in));
    w.in.free_bytes = 1000;
    w.in.now_ms += 4000;
    assert_false(level_step(&w.state, &settings, &w.in));
    w.in.probe_ok_at_ms = w.in.now_ms - LEVEL_PROBE_MS - 1;
    assert_false(level_step(&w.state, &settings, &w.in));
    w.in.probe_ok_at_ms = w.in.now_ms - LEVEL_PROBE_MS;
    assert_false(level_wants_probe(&w.state, &w.in));
    assert_true(level_step(&w.state, &settings, &w.in));
}

static void enospc_is_full_at_once_and_outdates_probes(void **state)
{
    struct world w = begin();
    at(&w, 1000);
    w.in.full_seen = true;
    assert_int_equal(after(&w, 100, 1000), GUARD_FULL);
    assert_int_equal(after(&w, 9999, 1000), GUARD_FULL);
    w.in.full_seen = true;
    assert_int_equal(after(&w, 1, 1000), GUARD_FULL);
    w.in.now_ms += 10;
    w.in.probe_ok_at_ms = w.in.now_ms - 11; /* from before the error */
    assert_false(level_step(&w.state, &settings, &w.in));
    assert_true(level_wants_probe(&w.state, &w.in));
    assert_int_equal(after(&w, 10, 1000), GUARD_OK);
}

/* A sample from before the error says that there is plenty: that is neither a reason to leave
 * nor a sign of oscillation when the next one says that there is nothing. */
static void an_old_sample_proves_nothing(void **state)
{
    struct world w = begin();
    at(&w, 1000);
    w.in.full_seen = true;
    w.in.sample_age_ms = 150;
    assert_int_equal(after(&w, 100, 1000), GUARD_FULL);
    w.in.sample_age_ms = 200;
    assert_int_equal(after(&w, 50, 1000), GUARD_FULL);
    w.in.sample_age_ms = 0;
    assert_int_equal(after(&w, 50, 5), GUARD_FULL);
    assert_int_equal(after(&w, 20000, 5), GUARD_FULL);
    assert_int_equal(after(&w, 100, 1000), GUARD_OK);
}

static void inodes_count(void **state)
{
    struct world w = begin();
    w.in.inodes_out = true;
    w.in.inodes_back = false;
    assert_int_equal(at(&w, 1000), GUARD_FULL);
    w.in.inodes_out = false;
    assert_int_equal(after(&w, 11000, 1000), GUARD_FULL);
    w.in.inodes_back = true;
    assert_int_equal(after(&w, 100, 1000), GUARD_OK);
}

static void low_comes_by_time_too(void **state)
{
    struct world w = begin();
    w.in.critical_in_s = 900;
    assert_int_equal(at(&w, 1000), GUARD_OK);
    w.in.critical_in_s = 899;
    assert_int_equal(after(&w, 100, 1000), GUARD_LOW);
    w.in.critical_in_s = 1124;
    assert_int_equal(after(&w, 11000, 1000), GUARD_LOW);
    w.in.critical_in_s = 1125;
    assert_int_equal(after(&w, 100, 1000), GUARD_OK);
}

static void no_sample_is_unknown_and_acts_as_high(void **state)
{
    struct world w = begin();
    at(&w, 1000);
    w.in.now_ms += 20000;
    w.in.sample_age_ms = 9999;
    assert_int_equal(at(&w, 1000), GUARD_OK);
    w.in.sample_age_ms = 10000;
    assert_int_equal(at(&w, 1000), GUARD_UNKNOWN);
    assert_int_equal(level_acting(&w.state), GUARD_HIGH);
    w.in.sample_age_ms = 0;
    assert_int_equal(after(&w, 100, 1000), GUARD_OK);
    /* what was worse than high stays worse */
    w = begin();
    at(&w, 50);
    w.in.now_ms += 20000;
    w.in.sample_age_ms = 10000;
    assert_int_equal(at(&w, 50), GUARD_UNKNOWN);
    assert_int_equal(level_acting(&w.state), GUARD_CRITICAL);
    w.in.sample_age_ms = 0;
    assert_int_equal(after(&w, 100, 150), GUARD_CRITICAL);
}

static void never_a_sample_is_unknown_after_ten_seconds(void **state)
{
    struct world w = begin();
    w.in.sample_age_ms = UINT64_MAX;
    assert_int_equal(at(&w, 0), GUARD_OK);
    assert_int_equal(after(&w, 9999, 0), GUARD_OK);
    assert_int_equal(after(&w, 1, 0), GUARD_UNKNOWN);
    w.in.full_seen = true;
    assert_int_equal(after(&w, 1, 0), GUARD_FULL);
}

/* Transitions within any minute of ten, F swinging between two values with a period. */
static unsigned most_in_a_minute(uint64_t period_ms, uint64_t down, uint64_t up)
{
    struct world w = begin();
    uint64_t times[1000], begun = w.in.now_ms;
    unsigned count = 0, most = 0;
    at(&w, 1000);
    while (w.in.now_ms < begun + 600000) {
        uint64_t phase = (w.in.now_ms - begun) % period_ms, seen = w.state.transitions;
        after(&w, 100, phase < period_ms / 2 ? down : up);
        if (w.state.transitions != seen && count < 1000)
            times[count++] = w.in.now_ms;
    }
    for (unsigned i = 0; i < count; i++) {
        unsigned within = 0;
        for (unsigned j = i; j < count && times[j] - times[i] < 60000; j++)
            within++;
        most = within > most ? within : most;
    }
    return most;
}

static void oscillation_gives_two_transitions_a_minute(void **state)
{
    static const uint64_t periods[] = {200, 1000, 3000, 7000, 9900};
    for (size_t i = 0; i < sizeof(periods) / sizeof(periods[0]); i++)
        for (int level = GUARD_LOW; level <= GUARD_FULL; level++) {
            /* around the mark, within the hysteresis; and across both marks */
            assert_in_range(most_in_a_minute(periods[i], enter[level] - 1, enter[level]), 1, 2);
            assert_in_range(most_in_a_minute(periods[i], enter[level] - 1, leave[level]), 1, 2);
            assert_in_range(most_in_a_minute(periods[i], enter[level] - 1, 1000), 1, 2);
        }
}

/* Slower than the dwell: planning levels wait for their minute; those that protect may come back
 * at once, once. */
static void slow_oscillation_is_bounded_too(void **state)
{
    static const uint64_t periods[] = {12000, 19000, 25000, 40000, 59000};
    for (size_t i = 0; i < sizeof(periods) / sizeof(periods[0]); i++) {
        assert_in_range(most_in_a_minute(periods[i], 399, 1000), 1, 2);
        assert_in_range(most_in_a_minute(periods[i], 199, 1000), 1, 2);
        assert_in_range(most_in_a_minute(periods[i], 99, 1000), 1, 3);
    }
}

/* Low and high may be kept from the counts, what they do may not. */
static void a_level_that_is_put_off_is_acted_on(void **state)
{
    struct world w = begin();
    assert_int_equal(at(&w, 1000), GUARD_OK);
    assert_int_equal(after(&w, 100, 399), GUARD_LOW);
    assert_int_equal(after(&w, 11000, 1000), GUARD_OK);
    assert_int_equal(after(&w, 100, 399), GUARD_OK);
    assert_int_equal(level_acting(&w.state), GUARD_LOW);
    assert_int_equal(after(&w, 100, 199), GUARD_HIGH); /* was never left: not put off */
    w = begin();
    assert_int_equal(at(&w, 199), GUARD_HIGH);
    assert_int_equal(after(&w, 11000, 1000), GUARD_OK);
    assert_int_equal(after(&w, 100, 199), GUARD_OK);
    assert_int_equal(level_acting(&w.state), GUARD_HIGH);
    assert_int_equal(after(&w, 100, 1000), GUARD_OK);
    assert_int_equal(level_acting(&w.state), GUARD_OK);
    assert_int_equal(after(&w, 100, 99), GUARD_CRITICAL);
}

static void a_dwell_of_0_leaves_at_once_every_time(void **state)
{
    struct level_settings at_once = settings;
    struct world w = begin();
    at_once.dwell_ms = 0;
    for (int round = 0; round < 10; round++) {
        w.in.now_ms += 10;
        w.in.free_bytes = 0;
        level_step(&w.state, &at_once, &w.in);
        assert_int_equal(w.state.level, GUARD_FULL);
        w.in.now_ms += 10;
        w.in.free_bytes = 1000;
        w.in.probe_ok_at_ms = w.in.now_ms;
        level_step(&w.state, &at_once, &w.in);
        assert_int_equal(w.state.level, GUARD_OK);
    }
}

/* Whatever F does: never better than the marks allow, unless low or high is put off; never stuck
 * at the end. */
static void random_walks_keep_the_invariants(void **state)
{
    const char *text = getenv("SEED");
    uint64_t seed = text ? strtoull(text, NULL, 10) : rand_system();
    struct rand r;
    rand_seed(&r, seed);
    for (int round = 0; round < 200; round++) {
        struct world w = begin();
        for (int i = 0; i < 500; i++) {
            uint64_t f = rand_below(&r, 700);
            enum guard_level level = after(&w, 1 + rand_below(&r, 3000), f);
            if ((f < enter[GUARD_FULL] && level != GUARD_FULL) ||
                (f < enter[GUARD_CRITICAL] && level < GUARD_CRITICAL)) {
                print_error("seed %llu\n", (unsigned long long)seed);
                fail();
            }
        }
        after(&w, 61000, 1000);
        assert_int_equal(after(&w, 61000, 1000), GUARD_OK);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_level_is_entered_below_its_mark),
        cmocka_unit_test(each_level_is_left_at_its_leave_mark),
        cmocka_unit_test(several_levels_are_left_at_once),
        cmocka_unit_test(the_dwell_counts_from_entering),
        cmocka_unit_test(getting_worse_does_not_wait),
        cmocka_unit_test(leaving_needs_a_probe),
        cmocka_unit_test(enospc_is_full_at_once_and_outdates_probes),
        cmocka_unit_test(an_old_sample_proves_nothing),
        cmocka_unit_test(inodes_count),
        cmocka_unit_test(low_comes_by_time_too),
        cmocka_unit_test(no_sample_is_unknown_and_acts_as_high),
        cmocka_unit_test(never_a_sample_is_unknown_after_ten_seconds),
        cmocka_unit_test(oscillation_gives_two_transitions_a_minute),
        cmocka_unit_test(slow_oscillation_is_bounded_too),
        cmocka_unit_test(a_level_that_is_put_off_is_acted_on),
        cmocka_unit_test(a_dwell_of_0_leaves_at_once_every_time),
        cmocka_unit_test(random_walks_keep_the_invariants),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
