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
    return hash_set(hash, defaults, text_of('f', number, field), text_of('v', number, value),
                    HASH_NO_EXPIRY);
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
    assert_true(hash_has(hash, HASH_SEE_ALL, field));
    assert_true(hash_get(hash, HASH_SEE_ALL, field, room, &value));
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
    hash_set(&hash, &limits, SLICE("f"), SLICE("v"), HASH_NO_EXPIRY);
    expect_form(hash, ENCODING_HASHTABLE);
}

static void test_length_bounds(void **state)
{
    char text[66];
    memset(text, 'x', sizeof text);
    for (int part = 0; part < 2; part++) {
        struct slice at = slice_of(text, 64), above = slice_of(text, 65), other = SLICE("1");
        struct value hash = filled(3);
        hash_set(&hash, defaults, part ? other : at, part ? at : other, HASH_NO_EXPIRY);
        assert_int_equal(hash.encoding, ENCODING_LISTPACK);
        hash_set(&hash, defaults, part ? other : above, part ? above : other, HASH_NO_EXPIRY);
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
            assert_int_equal(hash_set(&hash, defaults, SLICE("f1"), values[i], HASH_NO_EXPIRY), 0);
            expect_field(hash, SLICE("f1"), values[i]);
            assert_true(hash_set(&hash, defaults, values[i], SLICE("as field"), HASH_NO_EXPIRY) ||
                        i == 6);
            expect_field(hash, values[i], SLICE("as field"));
            expect_field(hash, SLICE("f2"), SLICE("v2"));
        }
        /* A value that equals a field is not found as one. */
        hash_set(&hash, defaults, SLICE("f1"), SLICE("only a value"), HASH_NO_EXPIRY);
        assert_false(hash_has(hash, HASH_SEE_ALL, SLICE("only a value")));
        assert_false(hash_remove(&hash, SLICE("only a value")));
        value_free(hash);
    }
}

struct seen {
    unsigned char times[2000];
    size_t count, most;
};

static bool see(void *ctx, const struct hash_field *at)
{
    struct slice field = at->name, value = at->value;
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
    assert_true(hash_each(hash, HASH_SEE_ALL, see, &seen));
    expect_seen(&seen, (size_t)count);
    seen = (struct seen){.most = 3};
    assert_false(hash_each(hash, HASH_SEE_ALL, see, &seen));
    expect_seen(&seen, 3);

    seen = (struct seen){.count = 0};
    uint64_t cursor = 0;
    do
        cursor = hash_scan(hash, HASH_SEE_ALL, cursor, 7, see, &seen);
    while (cursor != 0);
    expect_seen(&seen, (size_t)count);

    size_t sizes[] = {0, 1, 5, (size_t)count - 1, (size_t)count, SIZE_MAX};
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        seen = (struct seen){.count = 0};
        hash_sample(hash, HASH_SEE_ALL, &chance, sizes[i], see, &seen);
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
        hash_set(&hash, &limits, SLICE("f9"), SLICE("v9"), HASH_NO_EXPIRY);
        assert_int_equal(hash.encoding, form ? ENCODING_HASHTABLE : ENCODING_LISTPACK);
        unsigned times[10] = {0};
        for (int i = 0; i < 10000; i++) {
            struct seen seen = {.count = 0};
            hash_pick(hash, HASH_SEE_ALL, &chance, see, &seen);
            assert_int_equal(seen.count, 1);
            hash_sample(hash, HASH_SEE_ALL, &chance, 2, see, &seen);
            for (int field = 0; field < 10; field++)
                times[field] += seen.times[field];
        }
        for (int i = 0; i < 10; i++)
            assert_in_range(times[i], 2700, 3300);
        value_free(hash);
    }
}

/* ---- fields that expire ---- */

#define NOW INT64_C(1700000000000)

static bool set_timed(struct value *hash, const char *name, int64_t expire_ms)
{
    return hash_set(hash, defaults, slice_str(name), SLICE("v"), expire_ms);
}

static int64_t expiry_of(struct value hash, const char *name)
{
    char room[HASH_TEXT];
    struct hash_field field;
    assert_true(hash_find_field(hash, HASH_SEE_ALL, slice_str(name), room, &field));
    return field.expire_ms;
}

static bool append_name(void *text, const struct hash_field *field)
{
    strncat(text, field->name.data, field->name.len);
    strcat(text, " ");
    return true;
}

static const char *names_seen(struct value hash, int64_t now_ms)
{
    static char text[8000];
    text[0] = '\0';
    assert_true(hash_each(hash, now_ms, append_name, text));
    return text;
}

static void test_timed_form(void **state)
{
    struct value hash = hash_new();
    set_timed(&hash, "b", HASH_NO_EXPIRY);
    assert_int_equal(value_due_ms(hash), VALUE_NEVER_DUE);
    assert_true(set_timed(&hash, "late", NOW + 30));
    assert_int_equal(hash.encoding, ENCODING_LISTPACKEX);
    assert_true(set_timed(&hash, "soon", NOW + 10));
    assert_true(set_timed(&hash, "12", NOW + 20));
    assert_true(set_timed(&hash, "a", HASH_NO_EXPIRY));
    assert_string_equal(names_seen(hash, NOW), "soon 12 late b a ");
    assert_int_equal(value_due_ms(hash), NOW + 11);
    assert_int_equal(hash_first_expiry(hash), NOW + 10);
    hash_set_expiry(&hash, SLICE("late"), NOW + 5);
    hash_set_expiry(&hash, SLICE("a"), NOW + 10); /* behind its equal */
    assert_string_equal(names_seen(hash, NOW), "late soon a 12 b ");
    /* Setting a value takes the expiry away unless it is to be kept. */
    assert_false(set_timed(&hash, "soon", HASH_KEEP_EXPIRY));
    assert_false(set_timed(&hash, "late", HASH_NO_EXPIRY));
    assert_int_equal(expiry_of(hash, "soon"), NOW + 10);
    assert_int_equal(expiry_of(hash, "late"), HASH_NO_EXPIRY);
    assert_string_equal(names_seen(hash, NOW), "soon a 12 b late ");
    struct value copy = value_copy(hash);
    assert_string_equal(names_seen(copy, NOW + 20), "12 b late ");
    value_free(copy);
    /* Without any expiry it is a list of pairs again. */
    assert_true(hash_remove(&hash, SLICE("a")));
    hash_set_expiry(&hash, SLICE("12"), HASH_NO_EXPIRY);
    assert_int_equal(hash.encoding, ENCODING_LISTPACKEX);
    hash_set_expiry(&hash, SLICE("soon"), HASH_NO_EXPIRY);
    assert_int_equal(hash_count(hash), 4);
    assert_false(hash_expires(hash));
    expect_form(hash, ENCODING_LISTPACK);
}

static void count_gone(void *count, struct slice name)
{
    assert_int_equal(name.data[0], 'f');
    ++*(unsigned *)count;
}

/* Fields f0 ... of which every third expires at NOW + its number. */
static struct value filled_timed(int count, bool table)
{
    struct value hash = filled(count);
    char name[64];
    if (table)
        hash_expect(&hash, defaults, 1000);
    for (int i = 0; i < count; i += 3)
        hash_set_expiry(&hash, text_of('f', i, name), NOW + i);
    return hash;
}

static void expect_expiry(struct value hash, int64_t now_ms, size_t seen)
{
    char room[HASH_TEXT];
    struct hash_field field;
    struct seen visited = {.count = 0};
    assert_int_equal(hash_count_seen(hash, now_ms), seen);
    hash_each(hash, now_ms, see, &visited);
    expect_seen(&visited, seen);
    for (int i = 0; i < 2000; i++) {
        char name[64];
        bool there = hash_find_field(hash, now_ms, text_of('f', i, name), room, &field);
        assert_int_equal(there, visited.times[i]);
        if (there)
            assert_int_equal(field.expire_ms, i % 3 ? HASH_NO_EXPIRY : NOW + i);
    }
    for (int i = 0; i < 20; i++) {
        struct seen picked = {.count = 0};
        assert_true(hash_pick(hash, now_ms, &chance, see, &picked));
        size_t many = hash_sample(hash, now_ms, &chance, 2, see, &picked);
        assert_int_equal(many, MIN_OF(seen, 2u));
        for (int f = 0; f < 2000; f++)
            assert_true(visited.times[f] || !picked.times[f]);
    }
    visited = (struct seen){.count = 0};
    assert_int_equal(hash_sample(hash, now_ms, &chance, SIZE_MAX, see, &visited), seen);
    expect_seen(&visited, seen);
}

static void test_expiry(void **state)
{
    rand_seed(&chance, 3);
    for (int form = 0; form < 3; form++) {
        int count = form < 2 ? 30 : 1500; /* listpack, small table, table with a calendar */
        struct value hash = filled_timed(count, form > 0);
        assert_int_equal(hash.encoding, form ? ENCODING_HASHTABLE : ENCODING_LISTPACKEX);
        assert_true(hash_expires(hash) && value_due_ms(hash) <= NOW + 1);
        assert_int_equal(hash_first_expiry(hash), NOW);
        expect_expiry(hash, HASH_SEE_ALL, (size_t)count);
        expect_expiry(hash, NOW, (size_t)count);
        expect_expiry(hash, NOW + 1, (size_t)count - 1);
        expect_expiry(hash, NOW + 9, (size_t)count - 3);
        struct value copy = value_copy(hash);
        assert_int_equal(copy.encoding, hash.encoding);
        expect_expiry(copy, NOW + 5000, (size_t)count / 3 * 2);

        unsigned gone = 0;
        enum value_expired result;
        while ((result = value_expire(&copy, NOW + 5000, 4, count_gone, &gone)) == VALUE_MORE_DUE)
            assert_true(gone <= (unsigned)count / 3);
        assert_int_equal(result, VALUE_EXPIRED_ALL);
        assert_int_equal(gone, count / 3);
        assert_int_equal(hash_count(copy), count / 3 * 2);
        assert_int_equal(value_due_ms(copy), VALUE_NEVER_DUE);
        expect_form(copy, form ? ENCODING_HASHTABLE : ENCODING_LISTPACK);

        for (int i = 0; i < count; i++) {
            char name[64];
            if (i % 3)
                assert_true(hash_remove(&hash, text_of('f', i, name)));
        }
        assert_false(hash_pick(hash, NOW + 5000, &chance, see, NULL));
        assert_int_equal(hash_sample(hash, NOW + 5000, &chance, 5, see, NULL), 0);
        while ((result = value_expire(&hash, NOW + 5000, 64, count_gone, &gone)) == VALUE_MORE_DUE)
            ;
        assert_int_equal(result, VALUE_EMPTIED);
        assert_int_equal(hash_count(hash), 0);
        value_free(hash);
    }
}

/* Most fields of a large hash go; those that stay have their values and times, wherever they are
 * moved to. */
static void test_expiry_of_most(void **state)
{
    struct value hash = hash_new();
    char name[64], value[80], room[HASH_TEXT];
    unsigned gone = 0;
    memset(value, 'v', sizeof value);
    for (int i = 0; i < 20000; i++)
        hash_set(&hash, defaults, text_of('f', i, name), slice_of(value, (size_t)(20 + i % 50)),
                 NOW + (i % 40 ? i % 7 : 100000 + i));
    size_t before = value_memory(hash, 0);
    while (value_expire(&hash, NOW + 50, 64, count_gone, &gone) == VALUE_MORE_DUE)
        ;
    while (value_expire(&hash, NOW + 500, 64, count_gone, &gone) == VALUE_MORE_DUE)
        ;
    assert_int_equal(gone, 19500);
    for (int i = 0; i < 20000; i += 40) {
        struct hash_field field;
        assert_true(hash_find_field(hash, NOW, text_of('f', i, name), room, &field));
        assert_int_equal(field.value.len, 20 + i % 50);
        assert_int_equal(field.expire_ms, NOW + 100000 + i);
    }
    assert_int_equal(hash_count_seen(hash, NOW + 500), 500);
    assert_true(value_memory(hash, 0) < before / 4);
    while (value_expire(&hash, NOW + 500000, 64, count_gone, &gone) == VALUE_MORE_DUE)
        ;
    assert_int_equal(hash_count(hash), 0);
    value_free(hash);
}

/* Times go along when a hash outgrows its listpack, and set one off: by count or by length. */
static void test_timed_bounds(void **state)
{
    for (int by_length = 0; by_length < 2; by_length++) {
        struct value hash = filled_timed(512, false);
        assert_int_equal(hash.encoding, ENCODING_LISTPACKEX);
        char text[65], name[64];
        memset(text, 'x', sizeof text);
        if (by_length)
            hash_set(&hash, defaults, SLICE("f3"), slice_of(text, 65), HASH_KEEP_EXPIRY);
        else
            assert_true(set_number(&hash, 512));
        assert_int_equal(hash.encoding, ENCODING_HASHTABLE);
        for (int i = 0; i < 512; i++)
            assert_int_equal(expiry_of(hash, text_of('f', i, name).data),
                             i % 3 ? HASH_NO_EXPIRY : NOW + i);
        value_free(hash);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_count_bounds),   cmocka_unit_test(test_length_bounds),
        cmocka_unit_test(test_values),         cmocka_unit_test(test_forms),
        cmocka_unit_test(test_chance),         cmocka_unit_test(test_timed_form),
        cmocka_unit_test(test_expiry),         cmocka_unit_test(test_timed_bounds),
        cmocka_unit_test(test_expiry_of_most),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
