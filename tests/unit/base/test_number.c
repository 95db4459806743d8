/* test_number.c - numbers are read and printed as Redis does, at every bound. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/number.h"

static void expect_i64(const char *text, int64_t expected)
{
    int64_t value = 77;
    char out[NUMBER_TEXT_MAX];
    assert_true(number_parse_i64(slice_str(text), &value));
    assert_int_equal(value, expected);
    size_t len = number_print_i64(out, expected);
    assert_true(slice_eq(slice_of(out, len), slice_str(text)));
}

static void refuse_i64(const char *text)
{
    int64_t value = 77;
    assert_false(number_parse_i64(slice_str(text), &value));
}

static void test_i64(void **state)
{
    expect_i64("0", 0);
    expect_i64("1", 1);
    expect_i64("-1", -1);
    expect_i64("99", 99);
    expect_i64("100", 100);
    expect_i64("9223372036854775807", INT64_MAX);
    expect_i64("-9223372036854775808", INT64_MIN);
    expect_i64("-9223372036854775807", -INT64_MAX);
    expect_i64("4294967296", INT64_C(1) << 32);
    const char *const wrong[] = {"",
                                 "-",
                                 "-0",
                                 "+1",
                                 "01",
                                 "-01",
                                 "00",
                                 " 1",
                                 "1 ",
                                 "1.0",
                                 "1e3",
                                 "0x1",
                                 "abc",
                                 "--1",
                                 "1-",
                                 "\t1",
                                 "1a",
                                 "-a",
                                 "9223372036854775808",
                                 "-9223372036854775809",
                                 "18446744073709551616",
                                 "99999999999999999999",
                                 "10000000000000000000",
                                 "100000000000000000000"};
    for (size_t i = 0; i < COUNT_OF(wrong); i++)
        refuse_i64(wrong[i]);
    int64_t value = 77;
    assert_false(number_parse_i64(slice_of("1\0", 2), &value));
    assert_true(number_parse_i64(slice_of("123", 2), &value)); /* not beyond the slice */
    assert_int_equal(value, 12);
    assert_false(number_parse_i64((struct slice){NULL, 0}, &value));
}

static void test_u64(void **state)
{
    uint64_t value = 77;
    char out[NUMBER_TEXT_MAX];
    assert_true(number_parse_u64(SLICE("18446744073709551615"), &value));
    assert_int_equal(value, UINT64_MAX);
    assert_true(number_parse_u64(SLICE("0"), &value));
    assert_int_equal(value, 0);
    const char *const wrong[] = {"",
                                 "-1",
                                 "-0",
                                 "00",
                                 "+0",
                                 "18446744073709551616",
                                 "18446744073709551620",
                                 "20000000000000000000",
                                 "184467440737095516150"};
    for (size_t i = 0; i < COUNT_OF(wrong); i++)
        assert_false(number_parse_u64(slice_str(wrong[i]), &value));
    assert_int_equal(number_print_u64(out, UINT64_MAX), 20);
    assert_memory_equal(out, "18446744073709551615", 20);
}

static void test_digits_at_every_power(void **state)
{
    char out[NUMBER_TEXT_MAX], expected[NUMBER_TEXT_MAX];
    uint64_t power = 1;
    for (unsigned digits = 1; digits <= 20; digits++, power *= 10) {
        assert_int_equal(number_digits_u64(power), digits);
        assert_int_equal(number_digits_u64(power - 1), MAX_OF(digits - 1, 1u));
        for (uint64_t v = power - 1; v <= power + 1; v++) {
            int len = snprintf(expected, sizeof(expected), "%llu", (unsigned long long)v);
            assert_int_equal(number_print_u64(out, v), len);
            assert_memory_equal(out, expected, (size_t)len);
        }
    }
    assert_int_equal(number_digits_u64(0), 1);
    assert_int_equal(number_digits_u64(UINT64_MAX), 20);
}

static void expect_double(const char *text, double expected)
{
    double value = 77;
    if (!number_parse_double(slice_str(text), &value))
        fail_msg("'%s' was refused", text);
    assert_memory_equal(&value, &expected, sizeof(value));
    long double longer = 77;
    assert_true(number_parse_long_double(slice_str(text), &longer));
    assert_true((double)longer == expected);
}

static const char *const not_floats[] = {
    "",   " 1", "1 ",  "\t1",   "\n1", "1\n", "abc", "1a",   ".",  "-",     "-.",     "+",
    "e5", "1e", "1e+", "1.2.3", "--1", "nan", "NaN", "-nan", "in", "infin", "nan(1)", "1,5"};

static void test_parse_double(void **state)
{
    expect_double("0", 0.0);
    expect_double("-0", -0.0);
    expect_double("-0.0", -0.0);
    expect_double("3.14", 3.14);
    expect_double("+3.14", 3.14);
    expect_double("-17", -17);
    expect_double("5.", 5);
    expect_double(".5", 0.5);
    expect_double("007", 7);
    expect_double("1e3", 1000);
    expect_double("1E-3", 0.001);
    expect_double("0x10", 16);
    expect_double("inf", INFINITY);
    expect_double("+Inf", INFINITY);
    expect_double("-INFINITY", -INFINITY);
    expect_double("123456789012345", 123456789012345);
    expect_double("0.00000000000001", 1e-14);
    expect_double("9007199254740993", 9007199254740992);
    expect_double("1.7976931348623157e308", DBL_MAX);
    expect_double("2.2250738585072014e-308", DBL_MIN);
    double value = 77;
    assert_true(number_parse_double(SLICE("5e-324"), &value)); /* subnormal: not an error */
    assert_true(value == 5e-324);
    for (size_t i = 0; i < COUNT_OF(not_floats); i++)
        if (number_parse_double(slice_str(not_floats[i]), &value))
            fail_msg("'%s' was accepted", not_floats[i]);
    assert_false(number_parse_double(SLICE("1e309"), &value));
    assert_false(number_parse_double(SLICE("-1e309"), &value));
    assert_false(number_parse_double(SLICE("1e-400"), &value));
    assert_false(number_parse_double(slice_of("1\0", 2), &value));
    assert_false(number_parse_double(slice_of("\0", 1), &value));
}

static void test_parse_long_double(void **state)
{
    long double value = 77;
    assert_true(number_parse_long_double(SLICE("1e309"), &value)); /* beyond a double */
    assert_true(value == 1e309L);
    assert_true(number_parse_long_double(SLICE("3.0000000000000000005"), &value));
    assert_true(value > 3.0L);
    for (size_t i = 0; i < COUNT_OF(not_floats); i++)
        if (number_parse_long_double(slice_str(not_floats[i]), &value))
            fail_msg("'%s' was accepted", not_floats[i]);
    assert_false(number_parse_long_double(SLICE("1e5000"), &value));
    assert_false(number_parse_long_double(SLICE("1e-6000"), &value));
}

static void test_float_text_bound(void **state)
{
    char text[NUMBER_FLOAT_TEXT_MAX + 1];
    double value = 77;
    long double longer = 77;
    memset(text, '0', sizeof(text));
    memcpy(text, "0.", 2);
    text[NUMBER_FLOAT_TEXT_MAX - 2] = '0';
    text[2] = '5';
    assert_true(number_parse_double(slice_of(text, NUMBER_FLOAT_TEXT_MAX - 1), &value));
    assert_true(value == 0.5);
    assert_true(number_parse_long_double(slice_of(text, NUMBER_FLOAT_TEXT_MAX - 1), &longer));
    assert_false(number_parse_double(slice_of(text, NUMBER_FLOAT_TEXT_MAX), &value));
    assert_false(number_parse_long_double(slice_of(text, NUMBER_FLOAT_TEXT_MAX), &longer));
}

static void expect_printed(double v, const char *expected)
{
    char out[NUMBER_TEXT_MAX + 8] = {0};
    size_t len = number_print_double(out, v);
    out[len] = '\0';
    assert_string_equal(out, expected);
}

static void test_print_double(void **state)
{
    expect_printed(0.0, "0");
    expect_printed(-0.0, "-0");
    expect_printed(NAN, "nan");
    expect_printed(-NAN, "nan");
    expect_printed(INFINITY, "inf");
    expect_printed(-INFINITY, "-inf");
    expect_printed(3, "3");
    expect_printed(-1000000, "-1000000");
    expect_printed(0.1, "0.1");
    expect_printed(0.1 + 0.2, "0.30000000000000004");
    expect_printed(-3.14, "-3.14");
    expect_printed(17.0 / 3, "5.666666666666667");
    expect_printed(2.5, "2.5");
    expect_printed(1e18, "1000000000000000000");
    expect_printed(9007199254740993.0, "9007199254740992");
    expect_printed(4611686018427387904.0, "4611686018427387904"); /* 2^62 is the last in full */
    expect_printed(-4611686018427387904.0, "-4611686018427387904");
    expect_printed(4611686018427388928.0, "4611686018427389000");
    expect_printed(5e18, "5e+18");
    expect_printed(1e20, "1e+20");
    expect_printed(-1e20, "-1e+20");
    expect_printed(1.5e300, "1.5e+300");
    expect_printed(0.00001, "0.00001");
    expect_printed(0.000001, "0.000001");
    expect_printed(1e-7, "1e-7");
    expect_printed(0.0000015, "1.5e-6"); /* seven decimals and far from the point */
    expect_printed(0.0012345678, "0.0012345678");
    expect_printed(0.00012345678, "1.2345678e-4");
    expect_printed(1234.5678901, "1234.5678901");
    expect_printed(12345.6789012, "1.23456789012e+4");
    expect_printed(123456.789012, "123456.789012"); /* six decimals are always in full */
    expect_printed(DBL_MAX, "1.7976931348623157e+308");
    expect_printed(DBL_MIN, "2.2250738585072014e-308");
    expect_printed(5e-324, "5e-324");
    expect_printed(-1e-320, "-1e-320");
    expect_printed(-2.2250738585072014e-308, "-2.2250738585072014e-308"); /* the longest */
}

static void expect_long(long double v, const char *expected)
{
    static char out[NUMBER_FLOAT_TEXT_MAX];
    size_t len = number_print_long_double(out, v);
    assert_true(slice_eq(slice_of(out, len), slice_str(expected)));
}

static void test_print_long_double(void **state)
{
    expect_long(0.0L, "0");
    expect_long(-0.0L, "0");
    expect_long(-1e-30L, "0");
    expect_long(3.0L, "3");
    expect_long(10.0L, "10");
    expect_long(-100.0L, "-100");
    expect_long(10.6L, "10.6");
    expect_long(0.1L, "0.1");
    expect_long(5.0e3L, "5000");
    expect_long(1e-17L, "0.00000000000000001");
    expect_long(INFINITY, "inf");
    expect_long(-INFINITY, "-inf");
    expect_long(NAN, "nan");
    static char out[NUMBER_FLOAT_TEXT_MAX];
    assert_int_equal(number_print_long_double(out, -LDBL_MAX), 4934);
}

static void expect_size(const char *text, uint64_t expected)
{
    uint64_t bytes = 77;
    assert_true(number_parse_memory(slice_str(text), &bytes));
    assert_int_equal(bytes, expected);
}

static void test_memory(void **state)
{
    expect_size("0", 0);
    expect_size("100", 100);
    expect_size("007", 7);
    expect_size("1b", 1);
    expect_size("1k", 1000);
    expect_size("1kb", 1024);
    expect_size("2M", 2000000);
    expect_size("2Mb", 2097152);
    expect_size("3g", 3000000000);
    expect_size("3GB", 3221225472);
    expect_size("1t", 1000000000000);
    expect_size("1TB", UINT64_C(1) << 40);
    expect_size("18446744073709551615", UINT64_MAX);
    expect_size("16777215tb", UINT64_C(16777215) << 40);
    const char *const wrong[] = {"",
                                 "kb",
                                 "-1",
                                 "-1mb",
                                 "1.5gb",
                                 "1 gb",
                                 "1kbb",
                                 "gb1",
                                 "1x",
                                 " 1",
                                 "18446744073709551616",
                                 "16777216tb",
                                 "99999999999999999999999"};
    uint64_t bytes;
    for (size_t i = 0; i < COUNT_OF(wrong); i++)
        if (number_parse_memory(slice_str(wrong[i]), &bytes))
            fail_msg("'%s' was accepted", wrong[i]);
}

static void expect_human(uint64_t bytes, const char *expected)
{
    char out[32];
    number_print_human(out, bytes);
    assert_string_equal(out, expected);
}

static void test_human(void **state)
{
    expect_human(0, "0B");
    expect_human(1023, "1023B");
    expect_human(1024, "1.00K");
    expect_human(1536 * 1024, "1.50M");
    expect_human(1024 * 1024 - 1, "1024.00K");
    expect_human(UINT64_C(1) << 30, "1.00G");
    expect_human(UINT64_C(5) << 40, "5.00T");
    expect_human(UINT64_C(1) << 50, "1.00P");
    expect_human(UINT64_MAX, "16.00E");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_i64),
        cmocka_unit_test(test_u64),
        cmocka_unit_test(test_digits_at_every_power),
        cmocka_unit_test(test_parse_double),
        cmocka_unit_test(test_parse_long_double),
        cmocka_unit_test(test_float_text_bound),
        cmocka_unit_test(test_print_double),
        cmocka_unit_test(test_print_long_double),
        cmocka_unit_test(test_memory),
        cmocka_unit_test(test_human),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
