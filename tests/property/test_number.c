/* test_number.c - every number survives being printed and read, in the fewest digits there are. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/number.h"
#include "base/rand.h"

static struct rand source;
static uint64_t rounds;

/* Bits of all kinds, decimals as people write them, and neighbours of round numbers. */
static double random_double(void)
{
    double v;
    uint64_t bits = rand_next(&source);
    switch (rand_below(&source, 5)) {
    case 0:
        memcpy(&v, &bits, sizeof(v));
        return v;
    case 1:
        v = (double)(int64_t)rand_below(&source, 1000000000) / pow(10, rand_below(&source, 10));
        return bits & 1 ? -v : v;
    case 2:
        return nextafter((double)(bits % 100000) / 1000, bits & 1 ? INFINITY : -INFINITY);
    case 3:
        return ldexp((double)(bits >> 11), (int)rand_below(&source, 120) - 60);
    default:
        return (double)(int64_t)bits;
    }
}

/* Significant digits of a printed number. */
static int count_digits(const char *text)
{
    char digits[NUMBER_TEXT_MAX + 8];
    int count = 0;
    for (; *text && *text != 'e'; text++)
        if (*text >= '0' && *text <= '9' && (count || *text != '0'))
            digits[count++] = *text;
    while (count > 1 && digits[count - 1] == '0')
        count--;
    return count;
}

/* The fewest digits with which the C library prints something that reads back. */
static int fewest_digits(double v)
{
    char text[64];
    for (int precision = 1; precision < 17; precision++) {
        snprintf(text, sizeof(text), "%.*e", precision - 1, v);
        if (strtod(text, NULL) == v)
            return precision;
    }
    return 17;
}

static void test_doubles(void **state)
{
    for (uint64_t i = 0; i < rounds; i++) {
        double v = random_double(), back;
        char text[NUMBER_TEXT_MAX + 8];
        if (isnan(v))
            continue;
        size_t len = number_print_double(text, v);
        assert_true(len < sizeof(text));
        text[len] = '\0';
        if (!number_parse_double(slice_of(text, len), &back) || memcmp(&back, &v, sizeof(v)) != 0 ||
            strtod(text, NULL) != v)
            fail_msg("%a was printed as %s and read back as %a", v, text, back);
        if (isfinite(v) && fabs(v) > (double)(INT64_MAX / 2) &&
            count_digits(text) > fewest_digits(v))
            fail_msg("%s has more digits than needed", text);
        if (isfinite(v) && v != floor(v) && count_digits(text) > fewest_digits(v))
            fail_msg("%s has more digits than needed", text);
    }
}

/* The short way of reading must agree with the C library's on every decimal. */
static void test_decimals(void **state)
{
    for (uint64_t i = 0; i < rounds; i++) {
        char text[64];
        uint64_t digits = rand_next(&source) >> rand_below(&source, 64);
        int len = snprintf(text, sizeof(text), "%s%llu", rand_below(&source, 2) ? "-" : "",
                           (unsigned long long)digits);
        int point = (int)rand_below(&source, (uint64_t)len + 1);
        memmove(text + point + 1, text + point, (size_t)(len - point) + 1);
        text[point] = rand_below(&source, 8) ? '.' : 'e';
        char *end;
        double v = 1, expected = strtod(text, &end);
        bool whole = *end == '\0' && isfinite(expected);
        /* "1e-400": too small to be read, like what is too large */
        if (expected == 0 && strpbrk(text, "123456789") &&
            strpbrk(text, "123456789") < strchr(text, 'e'))
            continue;
        assert_int_equal(number_parse_double(slice_of(text, (size_t)len + 1), &v), whole);
        if (whole)
            assert_memory_equal(&v, &expected, sizeof(v));
    }
}

static void test_integers(void **state)
{
    for (uint64_t i = 0; i < rounds; i++) {
        uint64_t u = rand_next(&source) >> rand_below(&source, 64), u_back;
        int64_t s = (int64_t)rand_next(&source) >> rand_below(&source, 64), s_back;
        char text[NUMBER_TEXT_MAX], expected[NUMBER_TEXT_MAX];
        size_t len = number_print_u64(text, u);
        assert_int_equal(len, number_digits_u64(u));
        assert_true(number_parse_u64(slice_of(text, len), &u_back) && u_back == u);
        len = number_print_i64(text, s);
        assert_int_equal(len, snprintf(expected, sizeof(expected), "%lld", (long long)s));
        assert_memory_equal(text, expected, len);
        assert_true(number_parse_i64(slice_of(text, len), &s_back) && s_back == s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_doubles),
        cmocka_unit_test(test_decimals),
        cmocka_unit_test(test_integers),
    };
    const char *seed_text = getenv("SPILLWAY_SEED"), *rounds_text = getenv("SPILLWAY_ROUNDS");
    uint64_t seed = seed_text ? strtoull(seed_text, NULL, 10) : rand_system();
    rounds = rounds_text ? strtoull(rounds_text, NULL, 10) : 20000;
    print_message("seed %llu\n", (unsigned long long)seed);
    rand_seed(&source, seed);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
