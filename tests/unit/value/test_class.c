/* test_class.c - the table of value classes: names, strings as values, types that are not there. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include "value/blob.h"
#include "value/class.h"

static void test_names(void **state)
{
    static const char *const types[] = {"string", "list", "set", "zset", "hash", "stream"};
    for (unsigned type = 0; type < TYPE_COUNT; type++)
        assert_string_equal(value_type_name(type), types[type]);
    for (unsigned encoding = 0; encoding < ENCODING_COUNT; encoding++)
        assert_non_null(value_encoding_name(encoding));
    assert_string_equal(value_encoding_name(ENCODING_LISTPACK), "listpack");
    assert_true(value_type_is_known(TYPE_STRING));
    assert_false(value_type_is_known(TYPE_COUNT));
}

static void take(void *ctx, const struct slice *parts, unsigned count)
{
    assert_int_equal(count, 1);
    *(struct slice *)ctx = parts[0];
}

static void test_string(void **state)
{
    struct blob *blob = blob_new("abc", 3, 1000);
    struct value value = {blob, TYPE_STRING, ENCODING_RAW};
    struct slice seen = {NULL, 0};
    assert_true(value_is_ordered(TYPE_STRING));
    assert_int_equal(value_effort(value), 1);
    assert_true(value_memory(value, 0) >= sizeof *blob + 1000);
    assert_true(value_memory(value, 5) >= sizeof *blob + 1000);
    value_each(value, take, &seen);
    assert_true(slice_eq(seen, SLICE("abc")));

    struct value copy = value_copy(value);
    assert_int_equal(blob->references, 2);
    value_free(value);
    assert_int_equal(((struct blob *)copy.pointer)->references, 1);
    value_free(copy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_names), cmocka_unit_test(test_string)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
