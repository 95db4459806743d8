/* test_forecast.c - the learnt ratio, rates and time left. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "guard/forecast.h"

#define MIB (1024ull * 1024)

static void the_ratio_is_the_worst_of_the_last_three(void **state)
{
    struct forecast f = {0};
    assert_int_equal(forecast_ratio_milli(&f), 1000);
    forecast_learn(&f, 5 * MIB, 10 * MIB, 100);
    assert_int_equal(forecast_ratio_milli(&f), 500);
    forecast_learn(&f, 8 * MIB, 10 * MIB, 100);
    forecast_learn(&f, 4 * MIB, 10 * MIB, 100);
    forecast_learn(&f, 3 * MIB, 10 * MIB, 100);
    assert_int_equal(forecast_ratio_milli(&f), 800);
    forecast_learn(&f, 2 * MIB, 10 * MIB, 100);
    assert_int_equal(forecast_ratio_milli(&f), 400);
    assert_int_equal(forecast_base(&f, 100 * MIB), 40 * MIB + 4096);
}

static void tiny_data_sets_teach_nothing(void **state)
{
    struct forecast f = {0};
    forecast_learn(&f, 1000, 64 * 1024 - 1, 10);
    assert_int_equal(forecast_ratio_milli(&f), 1000);
    forecast_learn(&f, 32 * 1024, 64 * 1024, 10);
    assert_int_equal(forecast_ratio_milli(&f), 500);
    forecast_learn(&f, 0, 0, 0);
    assert_int_equal(forecast_ratio_milli(&f), 500);
}

static void rates_say_nothing_before_ten_seconds(void **state)
{
    struct forecast f = {0};
    uint64_t log = 0;
    for (uint64_t ms = 1000; ms < 11000; ms += 100) {
        forecast_observe(&f, ms, log += MIB / 10, 0);
        assert_true(forecast_seconds(&f, 100 * MIB) == FORECAST_NEVER);
    }
    for (uint64_t ms = 11000; ms < 101000; ms += 100)
        forecast_observe(&f, ms, log += MIB / 10, 0);
    assert_in_range(forecast_seconds(&f, 100 * MIB), 99, 101);
}

static void neighbours_count_and_may_shrink(void **state)
{
    struct forecast f = {0};
    for (uint64_t s = 1; s < 200; s++)
        forecast_observe(&f, s * 1000, 0, 1000 * MIB + s * MIB);
    assert_in_range(forecast_seconds(&f, 100 * MIB), 99, 101);
    for (uint64_t s = 200; s < 400; s++)
        forecast_observe(&f, s * 1000, 0, 1000 * MIB - s * MIB);
    assert_true(f.neighbour_rate < 0);
    assert_true(forecast_seconds(&f, 100 * MIB) == FORECAST_NEVER);
}

static void growth_during_a_rewrite_is_bounded_by_the_base(void **state)
{
    struct forecast f = {.base_bytes_per_s = 10 * MIB, .log_rate = 1.0 * MIB};
    assert_int_equal(forecast_growth(&f, 100 * MIB), 10 * MIB);
    f.log_rate = 100.0 * MIB;
    assert_int_equal(forecast_growth(&f, 100 * MIB), 100 * MIB);
    assert_int_equal(forecast_growth(&f, 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_ratio_is_the_worst_of_the_last_three),
        cmocka_unit_test(tiny_data_sets_teach_nothing),
        cmocka_unit_test(rates_say_nothing_before_ten_seconds),
        cmocka_unit_test(neighbours_count_and_may_shrink),
        cmocka_unit_test(growth_during_a_rewrite_is_bounded_by_the_base),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
