/* test_set.c - sets: when they change their form, and that every form does what a set does. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include "base/mem.h"
#include "base/number.h"
#include "value/set.h"

static const struct value_limits *const defaults = &value_limits_default;
static struct rand chance;

static struct slice text_of(const char *prefix, int64_t number, char room[64])
{
    return slice_of(room, (size_t)snprintf(room, 64, "%s%lld", prefix, (long long)number));
}

static bool add(struct value *set, const struct value_limits *limits, const char *member)
{
    return set_add(set, limits, slice_str(member));
}

/* Members 0 to count - 1 behind a prefix. */
static struct value filled(const char *prefix, int count)
{
    char room[64];
    struct value set = set_new(defaults, text_of(prefix, 0, room), 1);
    for (int i = 0; i < count; i++)
        assert_true(set_add(&set, defaults, text_of(prefix, i, room)));
    assert_int_equal(set_count(set), count);
    return set;
}

static void expect_form(struct value set, enum value_encoding encoding)
{
    assert_int_equal(set.type, TYPE_SET);
    assert_int_equal(set.encoding, encoding);
    value_free(set);
}

static void test_new(void **state)
{
    expect_form(set_new(defaults, SLICE("1"), 512), ENCODING_INTSET);
    expect_form(set_new(defaults, SLICE("1"), 513), ENCODING_HASHTABLE);
    expect_form(set_new(defaults, SLICE("01"), 128), ENCODING_LISTPACK);
    expect_form(set_new(defaults, SLICE("a"), 129), ENCODING_HASHTABLE);
    struct value_limits limits = value_limits_default;
    limits.set_max_intset_entries = 3;
    expect_form(set_new(&limits, SLICE("1"), 4), ENCODING_LISTPACK);
    limits.set_max_listpack_entries = 0;
    expect_form(set_new(&limits, SLICE("a"), 1), ENCODING_HASHTABLE);
}

static void test_bounds(void **state)
{
    char room[64];
    expect_form(filled("", 512), ENCODING_INTSET);
    expect_form(filled("", 513), ENCODING_HASHTABLE);
    expect_form(filled("m", 128), ENCODING_LISTPACK);
    expect_form(filled("m", 129), ENCODING_HASHTABLE);

    struct value set = filled("", 127);
    assert_true(add(&set, defaults, "a"));
    assert_int_equal(set_count(set), 128);
    assert_false(add(&set, defaults, "5"));
    expect_form(set, ENCODING_LISTPACK);
    set = filled("", 128);
    assert_true(add(&set, defaults, "a"));
    for (int i = 0; i < 128; i++)
        assert_true(set_has(set, text_of("", i, room)));
    expect_form(set, ENCODING_HASHTABLE);

    char member[66];
    memset(member, 'x', sizeof member);
    set = filled("m", 1);
    assert_true(set_add(&set, defaults, slice_of(member, 64)));
    assert_int_equal(set.encoding, ENCODING_LISTPACK);
    assert_true(set_add(&set, defaults, slice_of(member, 65)));
    assert_int_equal(set_count(set), 3);
    expect_form(set, ENCODING_HASHTABLE);

    struct value_limits limits = value_limits_default;
    limits.set_max_listpack_value = 3;
    set = filled("", 1);
    set_add(&set, &limits, SLICE("1234"));
    assert_true(add(&set, &limits, "a")); /* an integer is too long for a listpack */
    expect_form(set, ENCODING_HASHTABLE);
}

static void test_expect(void **state)
{
    struct value set = filled("m", 2);
    set_expect(&set, defaults, 128);
    assert_int_equal(set.encoding, ENCODING_LISTPACK);
    set_expect(&set, defaults, 129);
    assert_int_equal(set_count(set), 2);
    expect_form(set, ENCODING_HASHTABLE);
    set = filled("", 2);
    set_expect(&set, defaults, 512);
    assert_int_equal(set.encoding, ENCODING_INTSET);
    set_expect(&set, defaults, 513);
    expect_form(set, ENCODING_HASHTABLE);
}

static void test_compact(void **state)
{
    struct value set = filled("", 100);
    add(&set, defaults, "a");
    set_compact(&set, defaults);
    assert_int_equal(set.encoding, ENCODING_LISTPACK);
    assert_true(set_remove(&set, SLICE("a")));
    set_compact(&set, defaults);
    assert_int_equal(set_count(set), 100);
    expect_form(set, ENCODING_INTSET);
    set = filled("", 513);
    set_compact(&set, defaults);
    assert_int_equal(set.encoding, ENCODING_HASHTABLE);
    set_remove(&set, SLICE("7"));
    set_compact(&set, defaults);
    assert_false(set_has(set, SLICE("7")));
    expect_form(set, ENCODING_INTSET);
}

struct seen {
    const char *prefix;
    unsigned char times[2000];
    size_t count, most;
};

static bool see(void *ctx, struct slice member)
{
    struct seen *seen = ctx;
    int64_t number;
    size_t skip = strlen(seen->prefix);
    assert_true(number_parse_i64(slice_of(member.data + skip, member.len - skip), &number));
    assert_true(number >= 0 && number < 2000);
    seen->times[number]++;
    return ++seen->count != seen->most;
}

/* Each member at most once, `count` in all; and no others than the set had. */
static void expect_seen(const struct seen *seen, size_t count)
{
    assert_int_equal(seen->count, count);
    for (int i = 0; i < 2000; i++)
        assert_true(seen->times[i] <= 1);
}

static void check_form(const char *prefix, int count, enum value_encoding encoding)
{
    char room[64], pick[SET_TEXT];
    struct value set = filled(prefix, count);
    assert_int_equal(set.encoding, encoding);
    assert_true(value_memory(set, 5) > 0 && value_effort(set) > 0);
    assert_false(set_add(&set, defaults, text_of(prefix, count / 2, room)));
    assert_false(set_remove(&set, SLICE("none")));
    assert_false(set_has(set, SLICE("none")));
    assert_false(set_has(set, text_of(prefix, count, room)));

    struct seen seen = {.prefix = prefix};
    assert_true(set_each(set, see, &seen));
    expect_seen(&seen, (size_t)count);
    seen = (struct seen){.prefix = prefix, .most = 3};
    assert_false(set_each(set, see, &seen));
    expect_seen(&seen, 3);

    seen = (struct seen){.prefix = prefix};
    uint64_t cursor = 0;
    do
        cursor = set_scan(set, cursor, 7, see, &seen);
    while (cursor != 0);
    expect_seen(&seen, (size_t)count);
    assert_int_equal(set_scan(set, UINT64_MAX, UINT64_MAX, see, &seen), 0);

    size_t sizes[] = {0, 1, 5, (size_t)count - 1, (size_t)count, SIZE_MAX};
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        seen = (struct seen){.prefix = prefix};
        set_sample(set, &chance, sizes[i], see, &seen);
        expect_seen(&seen, MIN_OF(sizes[i], (size_t)count));
    }

    seen = (struct seen){.prefix = prefix};
    struct value rest = set_split(set, &chance, (size_t)count / 3, see, &seen);
    assert_int_equal(set_count(rest), count - count / 3);
    for (int i = 0; i < count; i++)
        assert_int_equal(set_has(rest, text_of(prefix, i, room)), !seen.times[i]);
    expect_form(rest, encoding);
    assert_int_equal(set_count(set), count);

    struct value copy = value_copy(set);
    assert_int_equal(copy.encoding, encoding);
    seen = (struct seen){.prefix = prefix};
    set_pop(&copy, &chance, 0, see, &seen);
    set_pop(&copy, &chance, (size_t)count / 2, see, &seen);
    assert_int_equal(set_count(copy), count - count / 2);
    for (int i = 0; i < count; i++)
        assert_int_equal(set_has(copy, text_of(prefix, i, room)), !seen.times[i]);
    set_pop(&copy, &chance, SIZE_MAX, see, &seen);
    expect_seen(&seen, (size_t)count);
    assert_int_equal(set_count(copy), 0);
    value_free(copy);

    for (int left = count; left > 0; left--) {
        struct slice one = set_pick(set, &chance, pick);
        assert_true(set_has(set, one));
        assert_true(set_remove(&set, one));
    }
    assert_int_equal(set_count(set), 0);
    expect_form(set, encoding);
}

static void test_forms(void **state)
{
    rand_seed(&chance, 1);
    check_form("", 512, ENCODING_INTSET);
    check_form("m", 128, ENCODING_LISTPACK);
    check_form("m", 2000, ENCODING_HASHTABLE);
    check_form("", 600, ENCODING_HASHTABLE);
}

/* Every member is picked, in every form, and about as often as any other. */
static void test_chance(void **state)
{
    static const enum value_encoding forms[] = {ENCODING_INTSET, ENCODING_LISTPACK,
                                                ENCODING_HASHTABLE};
    char room[SET_TEXT];
    rand_seed(&chance, 2);
    for (size_t form = 0; form < COUNT_OF(forms); form++) {
        unsigned times[10] = {0}, sampled[10] = {0}, split[10] = {0};
        struct value set = set_new_as(forms[form], 10);
        for (int i = 0; i < 10; i++)
            set_add(&set, defaults, slice_of(&"0123456789"[i], 1));
        for (int i = 0; i < 10000; i++) {
            struct seen seen = {.prefix = ""};
            times[set_pick(set, &chance, room).data[0] - '0']++;
            set_sample(set, &chance, 2, see, &seen);
            for (int member = 0; member < 10; member++)
                sampled[member] += seen.times[member];
            value_free(set_split(set, &chance, 2, see, &seen));
            for (int member = 0; member < 10; member++)
                split[member] += seen.times[member];
        }
        for (int i = 0; i < 10; i++) {
            assert_in_range(times[i], 850, 1150);
            assert_in_range(sampled[i], 1800, 2200);
            assert_in_range(split[i] - sampled[i], 1800, 2200);
        }
        value_free(set);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_new),    cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_expect), cmocka_unit_test(test_compact),
        cmocka_unit_test(test_forms),  cmocka_unit_test(test_chance),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
