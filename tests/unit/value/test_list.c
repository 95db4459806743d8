/* test_list.c - lists: when they change their form, and that both forms do the same. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include "base/mem.h"
#include "value/list.h"

static struct value_limits limits_of(int64_t size)
{
    struct value_limits limits = value_limits_default;
    limits.list_max_listpack_size = size;
    return limits;
}

static void push_text(struct value *list, const struct value_limits *limits, const char *text)
{
    struct slice value = slice_str(text);
    list_push(list, limits, &value, 1, false);
}

static void push_of(struct value *list, const struct value_limits *limits, size_t len)
{
    char *data = mem_alloc(len);
    memset(data, 'x', len);
    struct slice value = slice_of(data, len);
    list_push(list, limits, &value, 1, false);
    mem_free(data);
}

static const char *joined(struct value list)
{
    static char text[4096];
    char room[LISTPACK_TEXT];
    struct list_at at;
    size_t len = 0;
    text[0] = 0;
    for (bool more = list_seek(list, 0, &at); more; more = list_next(list, &at)) {
        struct slice s = list_text(list, &at, room);
        len += (size_t)snprintf(text + len, sizeof text - len, "%s%.*s", len ? " " : "", (int)s.len,
                                s.data);
    }
    return text;
}

static void test_limits(void **state)
{
    static const size_t sizes[] = {4096, 8192, 16384, 32768, 65536};
    for (int i = 0; i < 5; i++) {
        struct value_limits limits = limits_of(-1 - i);
        assert_int_equal(list_limits(&limits).bytes, sizes[i]);
        assert_int_equal(list_limits(&limits).plain_min, sizes[i] + 1);
    }
    struct value_limits limits = limits_of(-100);
    assert_int_equal(list_limits(&limits).bytes, 65536);
    limits = limits_of(INT32_MIN);
    assert_int_equal(list_limits(&limits).bytes, 65536);
    limits = limits_of(0);
    assert_int_equal(list_limits(&limits).count, 1);
    limits = limits_of(7);
    assert_int_equal(list_limits(&limits).count, 7);
    assert_int_equal(list_limits(&limits).bytes, 8192);
    limits = limits_of(INT32_MAX);
    assert_true(list_limits(&limits).count < 65535);
    limits.list_packed_threshold = 5;
    assert_int_equal(list_limits(&limits).plain_min, 5);
    limits.list_packed_threshold = UINT64_MAX;
    assert_true(list_limits(&limits).plain_min < LISTPACK_BYTES_MAX);
}

/* Up at the limit, down at half of it. */
static void test_form_by_count(void **state)
{
    struct value_limits limits = limits_of(4);
    struct value list = list_new();
    for (int i = 0; i < 4; i++)
        push_text(&list, &limits, "a");
    assert_int_equal(list.encoding, ENCODING_LISTPACK);
    push_text(&list, &limits, "b");
    assert_int_equal(list.encoding, ENCODING_QUICKLIST);
    assert_string_equal(joined(list), "a a a a b");
    list_remove_range(&list, 4, 1);
    list_settle(&list, &limits, true);
    assert_int_equal(list.encoding, ENCODING_QUICKLIST);
    list_remove_range(&list, 3, 1);
    list_settle(&list, &limits, true);
    assert_int_equal(list.encoding, ENCODING_QUICKLIST);
    list_remove_range(&list, 2, 1);
    list_settle(&list, &limits, true);
    assert_int_equal(list.encoding, ENCODING_LISTPACK);
    assert_string_equal(joined(list), "a a");
    value_free(list);
}

static void test_form_by_bytes(void **state)
{
    struct value_limits limits = limits_of(-1);
    struct value list = list_new();
    push_of(&list, &limits, 4096 - LISTPACK_EMPTY); /* as Redis: lengths count, not their heads */
    assert_int_equal(list.encoding, ENCODING_LISTPACK);
    value_free(list);
    list = list_new();
    push_of(&list, &limits, 4096 - LISTPACK_EMPTY + 1);
    assert_int_equal(list.encoding, ENCODING_QUICKLIST);
    list_settle(&list, &limits, true);
    assert_int_equal(list.encoding, ENCODING_QUICKLIST); /* more than half */
    assert_true(list_set(&list, &limits, 0, SLICE("small")));
    assert_int_equal(list.encoding, ENCODING_LISTPACK);
    assert_string_equal(joined(list), "small");
    value_free(list);
}

/* A plain element keeps its list a quicklist. */
static void test_plain(void **state)
{
    struct value_limits limits = limits_of(-2);
    struct value list = list_new();
    limits.list_packed_threshold = 10;
    push_text(&list, &limits, "short");
    assert_int_equal(list.encoding, ENCODING_LISTPACK);
    push_text(&list, &limits, "ten bytes!");
    assert_int_equal(list.encoding, ENCODING_QUICKLIST);
    assert_true(((struct chunks *)list.pointer)->last->plain);
    list_remove_range(&list, 0, 1);
    list_settle(&list, &limits, true);
    assert_int_equal(list.encoding, ENCODING_QUICKLIST);
    assert_string_equal(joined(list), "ten bytes!");
    value_free(list);
}

static void edit(struct value_limits limits, enum value_encoding encoding)
{
    struct value list = list_new();
    struct list_at at;
    for (int i = 0; i < 6; i++)
        push_text(&list, &limits, (char[]){(char)("abcabc"[i]), 0});
    assert_int_equal(list.encoding, encoding);
    assert_int_equal(list_count(list), 6);
    assert_true(list_insert(&list, &limits, SLICE("b"), SLICE("1"), true));
    assert_true(list_insert(&list, &limits, SLICE("b"), SLICE("2"), false));
    assert_false(list_insert(&list, &limits, SLICE("z"), SLICE("3"), false));
    assert_string_equal(joined(list), "a 2 b 1 c a b c");
    assert_true(list_set(&list, &limits, -1, SLICE("last")));
    assert_true(list_set(&list, &limits, 0, SLICE("77")));
    assert_false(list_set(&list, &limits, 8, SLICE("x")));
    assert_false(list_set(&list, &limits, -9, SLICE("x")));
    assert_string_equal(joined(list), "77 2 b 1 c a b last");
    assert_true(list_seek(list, 3, &at));
    assert_true(list_equals(list, &at, SLICE("1")));
    assert_true(list_prev(list, &at));
    assert_true(list_equals(list, &at, SLICE("b")));
    struct value copy = value_copy(list);
    assert_int_equal(list_remove(&list, SLICE("b"), 1, true), 1);
    assert_string_equal(joined(list), "77 2 b 1 c a last");
    assert_int_equal(list_remove(&list, SLICE("b"), 0, false), 1);
    assert_int_equal(list_remove(&list, SLICE("b"), 0, false), 0);
    assert_int_equal(list_remove_range(&list, 1, 3), 3);
    assert_string_equal(joined(list), "77 a last");
    assert_int_equal(list_remove_range(&list, 3, 3), 0);
    assert_int_equal(list_remove_range(&list, 0, SIZE_MAX), 3);
    assert_int_equal(list_count(list), 0);
    value_free(list);
    assert_string_equal(joined(copy), "77 2 b 1 c a b last");
    assert_true(value_memory(copy, 0) > 0 && value_effort(copy) >= 1);
    value_free(copy);
}

static void test_edits(void **state)
{
    edit(limits_of(-2), ENCODING_LISTPACK);
    edit(limits_of(2), ENCODING_QUICKLIST);
    edit(limits_of(1), ENCODING_QUICKLIST);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_limits),        cmocka_unit_test(test_form_by_count),
        cmocka_unit_test(test_form_by_bytes), cmocka_unit_test(test_plain),
        cmocka_unit_test(test_edits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
