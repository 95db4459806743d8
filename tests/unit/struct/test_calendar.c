/* The calendar: when tokens come back, at the bounds of slots and levels, and what they cost. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/rand.h"
#include "struct/calendar.h"

#define NOW INT64_C(1700000000000)

static size_t take(struct calendar *c, int64_t now)
{
    uint64_t tokens[64];
    size_t taken = 0;
    bool more = true;
    while (more)
        taken += calendar_take(c, now, tokens, COUNT_OF(tokens), &more);
    return taken;
}

static void test_due_within_a_grain(void **state)
{
    for (int64_t due = NOW; due < NOW + 300; due++) {
        struct calendar *c = calendar_new(NOW);
        calendar_add(c, due, 7);
        assert_int_equal(due > NOW ? take(c, due - 1) : 0, 0);
        assert_true(calendar_next(c) < due + CALENDAR_GRAIN_MS);
        assert_int_equal(take(c, due + CALENDAR_GRAIN_MS - 1), 1);
        assert_int_equal(calendar_count(c), 0);
        calendar_free(c);
    }
}

static void test_past_is_due_at_once(void **state)
{
    struct calendar *c = calendar_new(NOW);
    calendar_add(c, 0, 1);
    calendar_add(c, -5, 2);
    calendar_add(c, INT64_MIN, 3);
    assert_true(calendar_next(c) <= NOW);
    assert_int_equal(take(c, NOW), 3);
    calendar_free(c);
}

/* One token per power of two, and one beside each. */
static void test_level_bounds(void **state)
{
    for (int64_t distance = 1; distance < INT64_C(1) << 41; distance *= 2)
        for (int64_t beside = -1; beside <= 1; beside++) {
            struct calendar *c = calendar_new(NOW);
            int64_t due = NOW + distance + beside;
            calendar_add(c, due, 1);
            if (due > NOW)
                assert_int_equal(take(c, due - 1), 0);
            assert_int_equal(take(c, due + CALENDAR_GRAIN_MS - 1), 1);
            calendar_free(c);
        }
}

static void test_far_future(void **state)
{
    struct calendar *c = calendar_new(NOW);
    calendar_add(c, INT64_MAX, 1);
    assert_int_equal(take(c, NOW + (INT64_C(1) << 42)), 0);
    assert_int_equal(calendar_count(c), 1);
    assert_int_equal(take(c, INT64_C(1) << 43), 1);
    calendar_free(c);
}

static void test_backward_clock_is_waited_for(void **state)
{
    struct calendar *c = calendar_new(NOW);
    calendar_add(c, NOW + 1000, 1);
    assert_int_equal(take(c, NOW + 500), 0);
    assert_int_equal(take(c, NOW - 100000), 0);
    calendar_add(c, NOW - 50000, 2);
    assert_int_equal(take(c, NOW - 40000), 0);
    assert_int_equal(take(c, NOW + 500), 1);
    assert_int_equal(take(c, NOW + 2000), 1);
    calendar_free(c);
}

static void test_max_is_kept(void **state)
{
    struct calendar *c = calendar_new(NOW);
    for (uint64_t i = 0; i < 1000; i++)
        calendar_add(c, NOW + 100000, i);
    bool seen[1000] = {false}, more = true;
    size_t calls = 0, taken = 0;
    while (more) {
        uint64_t tokens[10];
        size_t n = calendar_take(c, NOW + 200000, tokens, COUNT_OF(tokens), &more);
        assert_true(n <= COUNT_OF(tokens));
        for (size_t i = 0; i < n; i++) {
            assert_false(seen[tokens[i]]);
            seen[tokens[i]] = true;
        }
        taken += n;
        calls++;
    }
    assert_int_equal(taken, 1000);
    assert_true(calls >= 100 && calls < 310); /* filed anew twice at most */
    calendar_free(c);
}

static void test_clear(void **state)
{
    struct calendar *c = calendar_new(NOW);
    size_t empty = calendar_bytes(c);
    for (uint64_t i = 0; i < 10000; i++)
        calendar_add(c, NOW + (int64_t)(i * i * i), i);
    calendar_clear(c);
    assert_int_equal(calendar_count(c), 0);
    assert_int_equal(calendar_bytes(c), empty);
    assert_int_equal(calendar_next(c), INT64_MAX);
    assert_int_equal(take(c, NOW + (INT64_C(1) << 42)), 0);
    calendar_free(c);
    calendar_free(NULL);
}

/* 100000 due times spread over a span, as a shard of a server with many expiring keys has. */
static double bytes_per_token(int64_t span_ms)
{
    struct calendar *c = calendar_new(NOW);
    struct rand rand;
    rand_seed(&rand, 1);
    for (uint64_t i = 0; i < 100000; i++)
        calendar_add(c, NOW + (int64_t)rand_below(&rand, (uint64_t)span_ms), i);
    double bytes = (double)calendar_bytes(c) / 100000;
    calendar_free(c);
    return bytes;
}

static void test_cost(void **state)
{
    assert_true(bytes_per_token(60 * 1000) < 10.0);
    assert_true(bytes_per_token(10 * 60 * 1000) < 11.0);
    assert_true(bytes_per_token(3600 * 1000) < 11.0);
    assert_true(bytes_per_token(7 * 24 * 3600 * 1000) < 12.5);
    struct calendar *c = calendar_new(NOW);
    calendar_add(c, NOW + 1000000, 1);
    assert_true(calendar_bytes(c) < 1024);
    calendar_free(c);
}

static void test_samples(void **state)
{
    struct calendar *c = calendar_new(NOW);
    struct rand r;
    uint64_t tokens[64];
    rand_seed(&r, 1);
    assert_int_equal(calendar_sample(c, 1, tokens, 64), 0);
    /* One token alone is found wherever it is. */
    for (int64_t ahead = 1; ahead < INT64_C(1) << 42; ahead *= 3) {
        calendar_add(c, NOW + ahead, 42);
        for (unsigned i = 0; i < 20; i++) {
            tokens[0] = 0;
            assert_int_equal(calendar_sample(c, rand_next(&r), tokens, 64), 1);
            assert_int_equal(tokens[0], 42);
        }
        calendar_clear(c);
    }
    /* Among many, over a day and due already, every sample has some and all are met in time. */
    bool met[500] = {false};
    for (uint64_t i = 0; i < 500; i++)
        calendar_add(c, NOW + (int64_t)rand_below(&r, 24 * 3600 * 1000) - 3600 * 1000, i);
    for (unsigned round = 0; round < 20000; round++) {
        size_t max = 1 + rand_below(&r, 64);
        size_t count = calendar_sample(c, rand_next(&r), tokens, max);
        assert_in_range(count, 1, max);
        for (size_t i = 0; i < count; i++) {
            assert_in_range(tokens[i], 0, 499);
            met[tokens[i]] = true;
        }
    }
    unsigned sum = 0;
    for (unsigned i = 0; i < 500; i++)
        sum += met[i];
    assert_true(sum > 490);
    assert_int_equal(calendar_count(c), 500); /* they stay */
    /* Half-way through moving a slot to lower levels, too. */
    bool more;
    calendar_take(c, NOW + 12 * 3600 * 1000, tokens, 1, &more);
    assert_true(calendar_sample(c, 0, tokens, 64) >= 1);
    calendar_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_due_within_a_grain),
        cmocka_unit_test(test_past_is_due_at_once),
        cmocka_unit_test(test_level_bounds),
        cmocka_unit_test(test_far_future),
        cmocka_unit_test(test_backward_clock_is_waited_for),
        cmocka_unit_test(test_max_is_kept),
        cmocka_unit_test(test_clear),
        cmocka_unit_test(test_cost),
        cmocka_unit_test(test_samples),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
