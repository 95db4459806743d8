/* test_hash.c - hashes: when they change their form, and that both forms do what a hash does. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include "base/mem.h"
#include "base/number.h"
#include "value/hash.h"

static const struct value_limits *const defaults = &value_limits_default;
static struct rand chance;

static struct slice text_of(char prefix, int number, char room[64])
{
    return slice_of(room, (size_t)snprintf(room, 64, "%c%d", prefix, number));
}

static bool set_number(struct value *hash, int number)
{
    char field[64], value[64];
    return hash_set(hash, defaults, text_of('f', number, field), text_of('v', number, value));
}

static struct value filled(int count)
{
    struct value hash = hash_new();
    for (int i = 0; i < count; i++)
        assert_true(set_number(&hash, i));
    assert_int_equal(hash_count(hash), count);
    return hash;
}

static void expect_form(struct value hash, enum value_encoding encoding)
{
    assert_int_equal(hash.type, TYPE_HASH);
    assert_int_equal(hash.encoding, encoding);
    value_free(hash);
}

static void expect_field(struct value hash, struct slice field, struct slice wanted)
{
    char room[HASH_TEXT];
    struct slice value;
    assert_true(hash_has(hash, field));
    assert_true(hash_get(hash, field, room, &value));
    assert_true(slice_eq(value, wanted));
}

static void test_count_bounds(void **state)
{
    expect_form(hash_new(), ENCODING_LISTPACK);
    expect_form(filled(512), ENCODING_LISTPACK);
    expect_form(filled(513), ENCODING_HASHTABLE);
    struct value hash = filled(512);
    assert_false(set_number(&hash, 7)); /* no new one */
    expect_form(hash, ENCODING_LISTPACK);

    hash = filled(1);
    hash_expect(&hash, defaults, 512);
    assert_int_equal(hash.encoding, ENCODING_LISTPACK);
    hash_expect(&hash, defaults, 513);
    expect_field(hash, SLICE("f0"), SLICE("v0"));
    expect_form(hash, ENCODING_HASHTABLE);
    struct value_limits limits = value_limits_default;
    limits.hash_max_listpack_entries = 0;
    hash = hash_new();
    hash_set(&hash, &limits, SLICE("f"), SLICE("v"));
    expect_form(hash, ENCODING_HASHTABLE);
}

static void test_length_bounds(void **state)
{
    char text[66];
    memset(text, 'x', sizeof text);
    for (int part = 0; part < 2; part++) {
        struct slice at = slice_of(text, 64), above = slice_of(text, 65), other = SLICE("1");
        struct value hash = filled(3);
        hash_set(&hash, defaults, part ? other : at, part ? at : other);
        assert_int_equal(hash.encoding, ENCODING_LISTPACK);
        hash_set(&hash, defaults, part ? other : above, part ? above : other);
        assert_int_equal(hash_count(hash), part ? 4 : 5);
        expect_field(hash, part ? other : above, part ? above : other);
        expect_field(hash, SLICE("f2"), SLICE("v2"));
        expect_form(hash, ENCODING_HASHTABLE);
    }
}

static void test_values(void **state)
{
    static const struct slice values[] = {
        {"", 0},     {"12", 2},   {"-9223372036854775808", 20}, {"\0\xff", 2}, {"012", 3},
        {"text", 4}, {"text", 4}, {"longer text", 11}};
    for (int form = 0; form < 2; form++) {
        struct value hash = filled(form ? 600 : 3);
        for (size_t i = 0; i < COUNT_OF(values); i++) {
            assert_int_equal(hash_set(&hash, defaults, SLICE("f1"), values[i]), 0);
            expect_field(hash, SLICE("f1"), values[i]);
            assert_true(hash_set(&hash, defaults, values[i], SLICE("as field")) || i == 6);
            expect_field(hash, values[i], SLICE("as field"));
            expect_field(hash, SLICE("f2"), SLICE("v2"));
        }
        /* A value that equals a field is not found as one. */
        hash_set(&hash, defaults, SLICE("f1"), SLICE("only a value"));
        assert_false(hash_has(hash, SLICE("only a value")));
        assert_false(hash_remove(&hash, SLICE("only a value")));
        value_free(hash);
    }
}

struct seen {
    unsigned char times[2000];
    size_t count, most;
};

static bool see(void *ctx, struct slice field, struct slice value)
{
    struct seen *seen = ctx;
    int64_t number, same;
    assert_true(number_parse_i64(slice_of(field.data + 1, field.len - 1), &number));
    assert_true(number_parse_i64(slice_of(value.data + 1, value.len - 1), &same));
    assert_true(number == same && number >= 0 && number < 2000);
    assert_true(field.data[0] == 'f' && value.data[0] == 'v');
    seen->times[number]++;
    return ++seen->count != seen->most;
}

static void expect_seen(const struct seen *seen, size_t count)
{
    assert_int_equal(seen->count, count);
    for (int i = 0; i < 2000; i++)
        assert_true(seen->times[i] <= 1);
}

static void check_form(int count, enum value_encoding encoding)
{
    char field[64];
    struct value hash = filled(count);
    assert_int_equal(hash.encoding, encoding);
    assert_true(value_memory(hash, 5) > 0 && value_effort(hash) > 0);

    struct seen seen = {.count = 0};
    assert_true(hash_each(hash, see, &seen));
    expect_seen(&seen, (size_t)count);
    seen = (struct seen){.most = 3};
    assert_false(hash_each(hash, see, &seen));
    expect_seen(&seen, 3);

    seen = (struct seen){.count = 0};
    uint64_t cursor = 0;
    do
        cursor = hash_scan(hash, cursor, 7, see, &seen);
    while (cursor != 0);
    expect_seen(&seen, (size_t)count);

    size_t sizes[] = {0, 1, 5, (size_t)count - 1, (size_t)count, SIZE_MAX};
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        seen = (struct seen){.count = 0};
        hash_sample(hash, &chance, sizes[i], see, &seen);
        expect_seen(&seen, MIN_OF(sizes[i], (size_t)count));
    }

    struct value copy = value_copy(hash);
    assert_int_equal(copy.encoding, encoding);
    for (int i = 0; i < count; i++) {
        assert_true(hash_remove(&copy, text_of('f', i, field)));
        assert_false(hash_remove(&copy, text_of('f', i, field)));
    }
    assert_int_equal(hash_count(copy), 0);
    value_free(copy);
    assert_int_equal(hash_count(hash), count);
    expect_form(hash, encoding);
}

static void test_forms(void **state)
{
    rand_seed(&chance, 1);
    check_form(512, ENCODING_LISTPACK);
    check_form(2000, ENCODING_HASHTABLE);
}

/* Every field is picked about as often as any other. */
static void test_chance(void **state)
{
    rand_seed(&chance, 2);
    for (int form = 0; form < 2; form++) {
        struct value_limits limits = value_limits_default;
        limits.hash_max_listpack_entries = form ? 9 : 10;
        struct value hash = filled(9);
        hash_set(&hash, &limits, SLICE("f9"), SLICE("v9"));
        assert_int_equal(hash.encoding, form ? ENCODING_HASHTABLE : ENCODING_LISTPACK);
        unsigned times[10] = {0};
        for (int i = 0; i < 10000; i++) {
            struct seen seen = {.count = 0};
            hash_pick(hash, &chance, see, &seen);
            assert_int_equal(seen.count, 1);
            hash_sample(hash, &chance, 2, see, &seen);
            for (int field = 0; field < 10; field++)
                times[field] += seen.times[field];
        }
        for (int i = 0; i < 10; i++)
            assert_in_range(times[i], 2700, 3300);
        value_free(hash);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_count_bounds), cmocka_unit_test(test_length_bounds),
        cmocka_unit_test(test_values),       cmocka_unit_test(test_forms),
        cmocka_unit_test(test_chance),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
