/* test_bytes.c - comparing slices, and a buffer that grows without losing what it holds. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include "base/bytes.h"
#include "base/mem.h"

static void test_slice_eq(void **state)
{
    struct slice none = {NULL, 0};
    assert_true(slice_eq(none, SLICE("")));
    assert_true(slice_eq(SLICE("a\0b"), slice_of("a\0b", 3)));
    assert_false(slice_eq(SLICE("a\0b"), SLICE("a\0c")));
    assert_false(slice_eq(SLICE("ab"), SLICE("abc")));
}

static void test_slice_is(void **state)
{
    assert_true(slice_is(SLICE("gEt"), "GET"));
    assert_true(slice_is(SLICE(""), ""));
    assert_false(slice_is(SLICE("get"), "gets"));
    assert_false(slice_is(SLICE("gets"), "get"));
    assert_false(slice_is(slice_of("get\0", 4), "get"));
    assert_false(slice_is(SLICE(""), "x"));
    assert_false(slice_is(SLICE("["), "{")); /* 0x5b and 0x7b: only letters have a case */
    assert_false(slice_is(SLICE("@"), "`"));
    assert_false(slice_is(SLICE("\xc1"), "\xe1"));
}

static void test_slice_compare(void **state)
{
    assert_int_equal(slice_compare(SLICE("abc"), SLICE("abc")), 0);
    assert_true(slice_compare(SLICE("ab"), SLICE("abc")) < 0);
    assert_true(slice_compare(SLICE("abc"), SLICE("ab")) > 0);
    assert_true(slice_compare(SLICE("b"), SLICE("abc")) > 0);
    assert_true(slice_compare(SLICE("\xff"), SLICE("a")) > 0); /* unsigned bytes */
    assert_true(slice_compare((struct slice){NULL, 0}, SLICE("")) == 0);
    assert_true(slice_compare((struct slice){NULL, 0}, SLICE("a")) < 0);
}

static void test_slice_to_str(void **state)
{
    char *empty = slice_to_str((struct slice){NULL, 0}), *text = slice_to_str(slice_of("abcd", 2));
    assert_string_equal(empty, "");
    assert_string_equal(text, "ab");
    mem_free(empty);
    mem_free(text);
}

static void test_append(void **state)
{
    struct bytes b = {0};
    assert_int_equal(bytes_slice(&b).len, 0);
    bytes_append(&b, NULL, 0);
    assert_null(b.data);
    for (int i = 0; i < 10000; i++) {
        char two[2] = {(char)i, (char)(i >> 8)};
        bytes_append(&b, two, 2);
        assert_true(b.cap >= b.len);
    }
    assert_int_equal(b.len, 20000);
    for (int i = 0; i < 10000; i++)
        assert_true(b.data[2 * i] == (char)i && b.data[2 * i + 1] == (char)(i >> 8));
    assert_true(b.cap < 2 * b.len);
    bytes_free(&b);
    assert_null(b.data);
    bytes_append_str(&b, "again");
    bytes_append_char(&b, '!');
    assert_string_equal(bytes_str(&b), "again!");
    assert_int_equal(b.len, 6);
    bytes_free(&b);
}

static void test_terminator_at_full_buffer(void **state)
{
    struct bytes b = {0};
    bytes_reserve(&b, 1);
    while (b.len < b.cap)
        bytes_append_char(&b, 'x');
    assert_int_equal(strlen(bytes_str(&b)), b.len);
    bytes_free(&b);
    assert_string_equal(bytes_str(&b), "");
    bytes_free(&b);
}

static void test_printf(void **state)
{
    struct bytes b = {0};
    char expected[300];
    for (int width = 0; width < 200; width++) { /* across every state of the buffer's room */
        b.len = 0;
        bytes_append_str(&b, "<");
        bytes_printf(&b, "%*d|%s", width, 42, "end");
        snprintf(expected, sizeof(expected), "<%*d|end", width, 42);
        assert_string_equal(bytes_str(&b), expected);
        if (width % 3 == 0)
            bytes_free(&b);
    }
    bytes_free(&b);
}

/* Every length around the widths it compares by, and a difference at every place; nothing beyond
 * the bytes is read. */
static void test_equal(void **state)
{
    for (size_t len = 0; len <= 130; len++) {
        char *a = mem_alloc(len + 1), *b = mem_alloc(len + 1);
        memset(a, 'x', len);
        memset(b + 1, 'x', len);
        assert_true(bytes_equal(a, b + 1, len)); /* at another alignment, up to the last byte */
        for (size_t i = 0; i < len; i++) {
            b[1 + i] ^= 0x40;
            assert_false(bytes_equal(a, b + 1, len));
            assert_false(bytes_equal(b + 1, a, len));
            b[1 + i] ^= 0x40;
        }
        mem_free(a);
        mem_free(b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_equal),
        cmocka_unit_test(test_slice_eq),
        cmocka_unit_test(test_slice_is),
        cmocka_unit_test(test_slice_compare),
        cmocka_unit_test(test_slice_to_str),
        cmocka_unit_test(test_append),
        cmocka_unit_test(test_terminator_at_full_buffer),
        cmocka_unit_test(test_printf),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
