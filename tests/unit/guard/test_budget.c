/* test_budget.c - effective free space, reserves and marks. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "guard/budget.h"

#define MIB (1024ull * 1024)
#define GIB (1024 * MIB)

static const struct budget_settings defaults = {
    .low_percent = 10,
    .high_percent = 5,
    .low_limit = 2 * GIB,
    .high_limit = 1 * GIB,
    .leave_factor_x100 = 125,
    .rewrite_margin_percent = 15,
    .meta_reserve = 1 * MIB,
    .reclaim_reserve = 4 * MIB,
    .inode_reserve = 64,
};

static struct budget_inputs volume(uint64_t total, uint64_t available, uint64_t own)
{
    return (struct budget_inputs){
        .total = total, .available = available, .block = 4096, .own = own};
}

static struct budget compute(const struct budget_settings *s, struct budget_inputs in)
{
    struct budget out;
    budget_compute(s, &in, &out);
    return out;
}

static void free_is_the_lesser_of_volume_and_budget(void **state)
{
    struct budget_settings s = defaults;
    assert_int_equal(compute(&s, volume(GIB, 300 * MIB, 100 * MIB)).free_bytes, 300 * MIB);
    s.budget_bytes = 150 * MIB;
    assert_int_equal(compute(&s, volume(GIB, 300 * MIB, 100 * MIB)).free_bytes, 50 * MIB);
    assert_int_equal(compute(&s, volume(GIB, 49 * MIB, 100 * MIB)).free_bytes, 49 * MIB);
    assert_int_equal(compute(&s, volume(GIB, 300 * MIB, 150 * MIB)).free_bytes, 0);
    assert_int_equal(compute(&s, volume(GIB, 300 * MIB, 151 * MIB)).free_bytes, 0);
    s.budget_bytes = 0;
    s.budget_percent = 25;
    assert_int_equal(compute(&s, volume(GIB, 300 * MIB, 100 * MIB)).ceiling, 256 * MIB);
}

static void neighbours_are_what_is_left(void **state)
{
    struct budget b = compute(&defaults, volume(GIB, 300 * MIB, 100 * MIB));
    assert_int_equal(b.neighbour, GIB - 400 * MIB);
    assert_int_equal(b.reach, 400 * MIB);
    assert_int_equal(compute(&defaults, volume(GIB, GIB, 0)).neighbour, 0);
}

static void marks_are_the_specified_sums(void **state)
{
    struct budget_inputs in = volume(10 * GIB, 5 * GIB, GIB);
    in.predicted_base = 100 * MIB;
    in.predicted_growth = 7 * MIB;
    struct budget b = compute(&defaults, in);
    assert_int_equal(b.r_compact, 122 * MIB);
    assert_int_equal(b.enter[GUARD_LOW], 244 * MIB + GIB);
    assert_int_equal(b.enter[GUARD_HIGH], 122 * MIB + GIB / 2);
    assert_int_equal(b.enter[GUARD_CRITICAL], 127 * MIB);
    assert_int_equal(b.enter[GUARD_FULL], 1 * MIB);
    assert_int_equal(b.leave[GUARD_LOW], b.enter[GUARD_LOW] / 4 * 5);
    assert_int_equal(b.leave[GUARD_HIGH], b.enter[GUARD_LOW]);
    assert_int_equal(b.leave[GUARD_CRITICAL], b.enter[GUARD_HIGH]);
    assert_int_equal(b.leave[GUARD_FULL], b.enter[GUARD_CRITICAL]);
    assert_false(b.scaled);
    assert_false(b.one_copy);
}

static void growth_yields_before_it_is_critical(void **state)
{
    struct budget_inputs in = volume(10 * GIB, 5 * GIB, GIB);
    in.predicted_base = 100 * MIB;
    in.predicted_growth = 40 * MIB;
    assert_int_equal(compute(&defaults, in).enter[GUARD_CRITICAL], 160 * MIB);
    in.available = 200 * MIB; /* 80 above what does not yield */
    assert_int_equal(compute(&defaults, in).enter[GUARD_CRITICAL], 160 * MIB);
    in.available = 160 * MIB;
    assert_int_equal(compute(&defaults, in).enter[GUARD_CRITICAL], 140 * MIB);
    in.available = 120 * MIB;
    assert_int_equal(compute(&defaults, in).enter[GUARD_CRITICAL], 120 * MIB);
    in.available = 119 * MIB;
    assert_int_equal(compute(&defaults, in).enter[GUARD_CRITICAL], 120 * MIB);
    assert_int_equal(compute(&defaults, in).r_compact, 155 * MIB);
}

static void shares_are_capped(void **state)
{
    struct budget b = compute(&defaults, volume(1024 * GIB, 512 * GIB, 0));
    assert_int_equal(b.enter[GUARD_LOW], 2 * GIB);
    assert_int_equal(b.enter[GUARD_HIGH], 1 * GIB);
    b = compute(&defaults, volume(20 * GIB, GIB, 0));
    assert_int_equal(b.enter[GUARD_LOW], 2 * GIB);
    b = compute(&defaults, volume(19 * GIB, GIB, 0));
    assert_true(b.enter[GUARD_LOW] < 2 * GIB);
}

static void meta_is_at_least_64_blocks(void **state)
{
    struct budget_inputs in = volume(10 * GIB, 5 * GIB, 0);
    in.block = 65536;
    assert_int_equal(compute(&defaults, in).r_meta, 4 * MIB);
    in.block = 16384;
    assert_int_equal(compute(&defaults, in).r_meta, 1 * MIB);
}

static void small_places_scale_the_reserves(void **state)
{
    struct budget at = compute(&defaults, volume(167 * MIB, 60 * MIB, 0));
    assert_false(at.scaled);
    assert_int_equal(at.r_reclaim + at.r_meta, 5 * MIB);
    struct budget below = compute(&defaults, volume(166 * MIB, 60 * MIB, 0));
    assert_true(below.scaled);
    for (uint64_t size = 8; size <= 64; size *= 2) {
        struct budget b = compute(&defaults, volume(size * MIB, size * MIB / 2, 0));
        assert_true(b.scaled);
        assert_true(b.r_reclaim + b.r_meta <= size * MIB * 3 / 100);
        assert_true(b.r_meta >= 11 * 4096);
        assert_true(b.leave[GUARD_LOW] < size * MIB / 4);
        for (int l = GUARD_LOW; l <= GUARD_FULL; l++)
            assert_true(b.leave[l] > b.enter[l]);
        for (int l = GUARD_LOW; l < GUARD_FULL; l++)
            assert_true(b.enter[l] > b.enter[l + 1]);
    }
    struct budget_settings s = defaults;
    s.budget_bytes = 32 * MIB;
    assert_true(compute(&s, volume(100 * GIB, 50 * GIB, 0)).scaled);
}

static void marks_stay_ordered_whatever_is_set(void **state)
{
    struct budget_settings s = defaults;
    s.low_percent = s.high_percent = 0;
    struct budget b = compute(&s, volume(10 * GIB, GIB, 0));
    for (int l = GUARD_LOW; l < GUARD_FULL; l++)
        assert_true(b.enter[l] > b.enter[l + 1]);
    for (int l = GUARD_LOW; l <= GUARD_FULL; l++)
        assert_true(b.leave[l] > b.enter[l]);
}

static void two_copies_that_cannot_fit_are_noticed(void **state)
{
    struct budget_inputs in = volume(64 * MIB, 20 * MIB, 40 * MIB);
    in.predicted_base = 28 * MIB;
    assert_false(compute(&defaults, in).one_copy); /* 28 + 32.2 + 1.9 = 62.1 */
    in.predicted_base = 29 * MIB;
    assert_true(compute(&defaults, in).one_copy);
}

static void what_a_rewrite_has_taken_is_not_reserved_twice(void **state)
{
    struct budget_inputs in = volume(GIB, 500 * MIB, 0);
    in.predicted_base = 100 * MIB;
    in.building = 100 * MIB;
    assert_int_equal(compute(&defaults, in).r_compact, 15 * MIB);
    in.building = 200 * MIB;
    assert_int_equal(compute(&defaults, in).r_compact, 0);
}

static void inodes_have_a_reserve(void **state)
{
    struct budget_inputs in = volume(GIB, 500 * MIB, 0);
    assert_int_equal(compute(&defaults, in).spare_inodes, 0);
    assert_false(compute(&defaults, in).inodes_out);
    in.inodes = 65536;
    in.inodes_free = 64;
    assert_int_equal(compute(&defaults, in).spare_inodes, 64);
    assert_false(compute(&defaults, in).inodes_out);
    assert_false(compute(&defaults, in).inodes_back);
    in.inodes_free = 63;
    assert_true(compute(&defaults, in).inodes_out);
    in.inodes_free = 128;
    assert_true(compute(&defaults, in).inodes_back);
    in.inodes = 32;
    in.inodes_free = 4;
    assert_false(compute(&defaults, in).inodes_out);
}

static void the_target_brings_high_to_its_leave_mark(void **state)
{
    for (unsigned ratio = 200; ratio <= 3000; ratio += 400) {
        struct budget_inputs in = volume(64 * MIB, 10 * MIB, 54 * MIB);
        struct budget b = compute(&defaults, in);
        uint64_t target = budget_data_target(&defaults, &b, b.reach, 0, 0, ratio);
        uint64_t base = target * ratio / 1000;
        in.own = base;
        in.available = 64 * MIB - base;
        in.predicted_base = base;
        b = compute(&defaults, in);
        assert_true(b.free_bytes + 4096 >= b.leave[GUARD_HIGH]);
        assert_true(b.free_bytes <= b.leave[GUARD_HIGH] + MIB);
    }
    struct budget b = compute(&defaults, volume(64 * MIB, 1 * MIB, 2 * MIB));
    assert_int_equal(budget_data_target(&defaults, &b, b.reach, 0, 0, 1000), 0);
}

static void wrong_settings_are_named(void **state)
{
    struct budget_settings s = defaults;
    assert_null(budget_check(&s));
    s.leave_factor_x100 = 101;
    assert_null(budget_check(&s));
    s.leave_factor_x100 = 100;
    assert_non_null(budget_check(&s));
    s = defaults;
    s.high_percent = 11;
    assert_non_null(budget_check(&s));
    s = defaults;
    s.budget_percent = 101;
    assert_non_null(budget_check(&s));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(free_is_the_lesser_of_volume_and_budget),
        cmocka_unit_test(neighbours_are_what_is_left),
        cmocka_unit_test(marks_are_the_specified_sums),
        cmocka_unit_test(growth_yields_before_it_is_critical),
        cmocka_unit_test(shares_are_capped),
        cmocka_unit_test(meta_is_at_least_64_blocks),
        cmocka_unit_test(small_places_scale_the_reserves),
        cmocka_unit_test(marks_stay_ordered_whatever_is_set),
        cmocka_unit_test(two_copies_that_cannot_fit_are_noticed),
        cmocka_unit_test(what_a_rewrite_has_taken_is_not_reserved_twice),
        cmocka_unit_test(inodes_have_a_reserve),
        cmocka_unit_test(the_target_brings_high_to_its_leave_mark),
        cmocka_unit_test(wrong_settings_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
