/* test_clock.c - clocks agree with the system's, never run back, and shift for tests. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <time.h>
#include "base/clock.h"

static void test_wall(void **state)
{
    int64_t now_ms = (int64_t)time(NULL) * 1000;
    assert_true(llabs(clock_wall_ms() - now_ms) < 2000);
    assert_true(llabs(clock_wall_us() / 1000 - clock_wall_ms()) < 1000);
}

static void test_mono(void **state)
{
    uint64_t last = clock_mono_ns();
    for (int i = 0; i < 10000; i++) {
        uint64_t now = clock_mono_ns();
        assert_true(now >= last);
        last = now;
    }
    assert_true(clock_mono_us() - last / 1000 < 1000000);
    assert_true(clock_mono_ms() - last / 1000000 < 1000);
}

static void test_sleep(void **state)
{
    uint64_t start = clock_mono_us();
    clock_sleep_us(3000);
    assert_true(clock_mono_us() - start >= 3000);
    start = clock_mono_us();
    clock_sleep_us(0);
    clock_sleep_us(1000001); /* more than a second */
    assert_true(clock_mono_us() - start >= 1000001);
}

static void test_ticks(void **state)
{
    uint64_t start_us = clock_mono_us(), start = clock_ticks_us(), last = start;
    for (int i = 0; i < 10000; i++) {
        uint64_t now = clock_ticks_us();
        assert_true(now >= last);
        last = now;
    }
    clock_sleep_us(50000);
    uint64_t ticks = clock_ticks_us() - start, us = clock_mono_us() - start_us;
    assert_true(ticks >= 49000 && ticks <= us + us / 50); /* the calibration is within 2 % */
}

static void test_shift(void **state)
{
    int64_t before = clock_wall_ms();
    uint64_t mono = clock_mono_ms();
    clock_shift_ms(86400000);
    clock_shift_ms(5);
    assert_true(clock_wall_ms() - before >= 86400005);
    assert_true(clock_wall_ms() - before < 86410000);
    assert_true(clock_mono_ms() - mono < 10000); /* durations know no shift */
    clock_shift_ms(-86400005);
    assert_true(llabs(clock_wall_ms() - before) < 10000);
}

static void test_delay(void **state)
{
    assert_int_equal(clock_delay_us(0, 5, 500), 0);
    assert_int_equal(clock_delay_us(7, 5, 5), 0);
    assert_int_equal(clock_delay_us(7, 5, 8), 21);
    assert_int_equal(clock_delay_us(INT32_MAX, 0, 64), UINT64_C(64) * INT32_MAX);
    assert_int_equal(clock_delay_us(-1, 5, 8), 3);
    assert_int_equal(clock_delay_us(-10, 0, 9), 0);
    assert_int_equal(clock_delay_us(-10, 9, 10), 1);
    assert_int_equal(clock_delay_us(-10, 10, 19), 0);
    assert_int_equal(clock_delay_us(INT32_MIN, 0, UINT64_C(1) << 31), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wall),  cmocka_unit_test(test_mono),  cmocka_unit_test(test_sleep),
        cmocka_unit_test(test_ticks), cmocka_unit_test(test_shift), cmocka_unit_test(test_delay),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
