/* test_glob.c - glob patterns: every item, their ends, and a pattern that would explode by
 * recursion. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/glob.h"

static bool is(const char *pattern, const char *text)
{
    return glob_match(slice_str(pattern), slice_str(text));
}

static void test_items(void **state)
{
    (void)state;
    assert_true(is("", ""));
    assert_false(is("", "a"));
    assert_true(is("*", ""));
    assert_true(is("h?llo", "hallo"));
    assert_false(is("h?llo", "hllo"));
    assert_true(is("h*llo", "heeello"));
    assert_true(is("*a*b*", "xxaxxbxx"));
    assert_false(is("*a*b", "xxaxxbxx"));
    assert_true(is("h[ae]llo", "hello"));
    assert_false(is("h[ae]llo", "hillo"));
    assert_true(is("h[^e]llo", "hallo"));
    assert_false(is("h[^e]llo", "hello"));
    assert_true(is("h[a-b]llo", "hbllo"));
    assert_true(is("h[b-a]llo", "hallo"));
    assert_true(is("a\\*b", "a*b"));
    assert_false(is("a\\*b", "axb"));
    assert_true(is("[\\]]", "]"));
}

static void test_ends(void **state)
{
    (void)state;
    assert_true(is("a\\", "a\\"));
    assert_true(is("[abc", "b"));
    assert_false(is("[", "["));
    assert_false(is("[]", "a"));
    assert_true(is("[^]", "a"));
    assert_true(is("[a-", "-"));
    assert_true(is("a**", "a"));
    assert_false(is("a?", "a"));
    assert_true(glob_match((struct slice){"a\0*", 3}, (struct slice){"a\0bc", 4}));
}

static void test_case(void **state)
{
    (void)state;
    assert_false(is("ABC", "abc"));
    assert_true(glob_match_nocase(SLICE("A[B-C]*"), SLICE("abX")));
    assert_true(glob_match_nocase(SLICE("max*"), SLICE("MAXMEMORY")));
    assert_true(glob_is_literal(SLICE("maxmemory")));
    assert_false(glob_is_literal(SLICE("max?")));
}

static void test_no_explosion(void **state)
{
    (void)state;
    char text[2001];
    memset(text, 'a', 2000);
    text[2000] = '\0';
    assert_false(is("a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b", text));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_items), cmocka_unit_test(test_ends),
                                       cmocka_unit_test(test_case),
                                       cmocka_unit_test(test_no_explosion)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
