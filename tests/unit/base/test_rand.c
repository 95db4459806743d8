/* test_rand.c - the published sequence, uniform draws within their bound, and kernel randomness. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include "base/common.h"
#include "base/rand.h"

/* xoshiro256** from the state 1, 2, 3, 4 and seeded by splitmix64(0): the authors' reference code.
 */
static void test_reference_sequence(void **state)
{
    struct rand r = {{1, 2, 3, 4}};
    const uint64_t expected[] = {11520, 0, 1509978240, 1215971899390074240};
    for (size_t i = 0; i < COUNT_OF(expected); i++)
        assert_int_equal(rand_next(&r), expected[i]);
    rand_seed(&r, 0);
    assert_int_equal(r.s[0], 0xe220a8397b1dcdaf);
    assert_int_equal(rand_next(&r), 0x99ec5f36cb75f2b4);
}

static void test_same_seed_same_sequence(void **state)
{
    struct rand a, b, c;
    rand_seed(&a, 42);
    rand_seed(&b, 42);
    rand_seed(&c, 43);
    int same = 0;
    for (int i = 0; i < 100; i++) {
        uint64_t value = rand_next(&a);
        assert_int_equal(value, rand_next(&b));
        same += value == rand_next(&c);
    }
    assert_int_equal(same, 0);
}

static void test_below(void **state)
{
    struct rand r;
    rand_seed(&r, 7);
    for (int i = 0; i < 100; i++)
        assert_int_equal(rand_below(&r, 1), 0);
    for (int i = 0; i < 10000; i++) {
        assert_true(rand_below(&r, 3) < 3);
        assert_true(rand_below(&r, UINT64_MAX) < UINT64_MAX);
        assert_true(rand_below(&r, (UINT64_C(1) << 63) + 1) <= UINT64_C(1) << 63);
    }
    unsigned seen[10] = {0};
    for (int i = 0; i < 100000; i++)
        seen[rand_below(&r, 10)]++;
    for (int i = 0; i < 10; i++)
        assert_in_range(seen[i], 9500, 10500); /* five standard deviations are 474 */
}

/* A bound of 3/4 of the range: without redrawing, a third of the results would come up twice as
 * often. */
static void test_below_is_fair_for_large_bounds(void **state)
{
    struct rand r;
    rand_seed(&r, 11);
    const uint64_t quarter = UINT64_C(1) << 62;
    unsigned seen[3] = {0};
    for (int i = 0; i < 30000; i++)
        seen[rand_below(&r, 3 * quarter) % 3]++;
    for (int i = 0; i < 3; i++)
        assert_in_range(seen[i], 9600, 10400);
}

static void test_system(void **state)
{
    unsigned char a[300] = {0}, b[300] = {0};
    rand_fill_system(a, 0);
    rand_fill_system(a, sizeof(a));
    rand_fill_system(b, sizeof(b));
    assert_memory_not_equal(a, b, sizeof(a));
    assert_memory_not_equal(a + 284, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 16);
    assert_int_not_equal(rand_system(), rand_system());
}

static void test_hex(void **state)
{
    char text[101], other[100];
    memset(text, '?', sizeof(text));
    rand_hex(text, 100); /* more than one draw */
    rand_hex(other, 100);
    assert_int_equal(strspn(text, "0123456789abcdef"), 100);
    assert_int_equal(text[100], '?');
    assert_memory_not_equal(text, other, 100);
    rand_hex(text, 0);
    char odd[4] = "....";
    rand_hex(odd, 3);
    assert_int_equal(odd[3], '.');
    bool seen[256] = {0};
    for (int i = 0; i < 2000; i++) {
        rand_hex(text, 1);
        seen[(unsigned char)text[0]] = true;
    }
    for (const char *digit = "0123456789abcdef"; *digit; digit++)
        assert_true(seen[(unsigned char)*digit]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reference_sequence),
        cmocka_unit_test(test_same_seed_same_sequence),
        cmocka_unit_test(test_below),
        cmocka_unit_test(test_below_is_fair_for_large_bounds),
        cmocka_unit_test(test_system),
        cmocka_unit_test(test_hex),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
