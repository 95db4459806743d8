/* test_zset.c - sorted sets: when they change their form, and that both forms are what a sorted
 * array is.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include "base/mem.h"
#include "base/rand.h"
#include "value/zset.h"

static struct value_limits limits_of(int64_t entries, int64_t value)
{
    struct value_limits limits = value_limits_default;
    limits.zset_max_listpack_entries = entries;
    limits.zset_max_listpack_value = value;
    return limits;
}

static void add_number(struct value *z, const struct value_limits *limits, int number)
{
    char text[16];
    struct slice member = slice_of(text, (size_t)snprintf(text, sizeof text, "m%d", number));
    zset_add(z, limits, member, number);
}

/* ---- forms ---- */

static void test_entries_at_the_bound(void **state)
{
    struct value_limits limits = limits_of(4, 64);
    struct value z = zset_new();
    for (int i = 0; i < 4; i++)
        add_number(&z, &limits, i);
    assert_int_equal(z.encoding, ENCODING_LISTPACK);
    zset_move(&z, SLICE("m1"), 1, 9);
    assert_int_equal(z.encoding, ENCODING_LISTPACK);
    add_number(&z, &limits, 4);
    assert_int_equal(z.encoding, ENCODING_SKIPLIST);
    assert_int_equal(zset_count(z), 5);
    assert_true(zset_remove(&z, SLICE("m4")));
    assert_int_equal(z.encoding, ENCODING_SKIPLIST);
    zset_settle(&z, &limits, 2);
    assert_int_equal(z.encoding, ENCODING_LISTPACK);
    limits.zset_max_listpack_entries = 3;
    zset_settle(&z, &limits, 2);
    assert_int_equal(z.encoding, ENCODING_SKIPLIST);
    value_free(z);
}

static void test_values_at_the_bound(void **state)
{
    struct value_limits limits = limits_of(128, 5);
    struct value z = zset_new();
    zset_add(&z, &limits, SLICE("12345"), 1);
    assert_int_equal(z.encoding, ENCODING_LISTPACK);
    zset_add(&z, &limits, SLICE("123456"), 1);
    assert_int_equal(z.encoding, ENCODING_SKIPLIST);
    zset_settle(&z, &limits, 6);
    assert_int_equal(z.encoding, ENCODING_SKIPLIST);
    limits.zset_max_listpack_value = 6;
    zset_settle(&z, &limits, 6);
    assert_int_equal(z.encoding, ENCODING_LISTPACK);
    value_free(z);
    limits = limits_of(0, 64);
    z = zset_new();
    zset_add(&z, &limits, SLICE(""), 0);
    assert_int_equal(z.encoding, ENCODING_SKIPLIST);
    value_free(z);
}

/* As Redis lays them out: integers as integers, others as their shortest text, -0 as 0. */
static void test_scores_in_a_listpack(void **state)
{
    static const struct {
        double score;
        const char *text;
    } cases[] = {{-0.0, "0"},
                 {3, "3"},
                 {-1.5, "-1.5"},
                 {0.1, "0.1"},
                 {1e20, "1e+20"},
                 {INFINITY, "inf"},
                 {0x1p62, "4611686018427387904"},
                 {-INFINITY, "-inf"}};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct value z = zset_new();
        char room[LISTPACK_TEXT];
        double score;
        zset_add(&z, &value_limits_default, SLICE("m"), cases[i].score);
        struct slice text = listpack_text(z.pointer, listpack_last(z.pointer), room);
        assert_true(slice_eq(text, slice_str(cases[i].text)));
        assert_true(zset_score(z, SLICE("m"), &score) && score == cases[i].score);
        value_free(z);
    }
}

/* ---- against a sorted array ---- */

#define NAMES 48

struct model {
    size_t count;
    struct {
        double score;
        struct slice name;
    } items[NAMES];
};

static char names[NAMES][8];

static struct slice name_of(unsigned i)
{
    return slice_str(names[i]);
}

static int compare_items(const void *a, const void *b)
{
    double x, y;
    struct slice p, q;
    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    memcpy(&p, (const char *)a + sizeof x, sizeof p);
    memcpy(&q, (const char *)b + sizeof y, sizeof q);
    return x < y ? -1 : x > y ? 1 : slice_compare(p, q);
}

static size_t model_find(const struct model *m, struct slice name)
{
    size_t i = 0;
    while (i < m->count && !slice_eq(m->items[i].name, name))
        i++;
    return i;
}

static void model_sort(struct model *m)
{
    qsort(m->items, m->count, sizeof m->items[0], compare_items);
}

static void model_remove(struct model *m, size_t first, size_t count)
{
    memmove(&m->items[first], &m->items[first + count],
            (m->count - first - count) * sizeof m->items[0]);
    m->count -= count;
}

static void expect_bounds(struct value z, const struct model *m, double score)
{
    size_t below = 0, upto = 0;
    for (size_t i = 0; i < m->count; i++) {
        below += m->items[i].score < score;
        upto += m->items[i].score <= score;
    }
    assert_int_equal(zset_below_score(z, score, false), below);
    assert_int_equal(zset_below_score(z, score, true), upto);
}

static void expect_equal(struct value z, const struct model *m, size_t from)
{
    struct zset_at at;
    struct zset_item item;
    size_t rank;
    double score;
    assert_int_equal(zset_count(z), m->count);
    zset_seek(z, from, &at);
    for (size_t i = from; i < m->count; i++) {
        assert_true(zset_next(z, &at, &item));
        assert_true(slice_eq(item.member, m->items[i].name) && item.score == m->items[i].score);
        assert_true(zset_rank(z, m->items[i].name, &rank, &score));
        assert_int_equal(rank, i);
    }
    assert_false(zset_next(z, &at, &item));
    zset_seek(z, from, &at);
    for (size_t i = MIN_OF(from, m->count); i-- > 0;) {
        assert_true(zset_prev(z, &at, &item));
        assert_true(slice_eq(item.member, m->items[i].name));
    }
    assert_false(zset_prev(z, &at, &item));
}

static void step(struct value *z, struct model *m, const struct value_limits *limits,
                 struct rand *random)
{
    static const double scores[] = {0, 1, 1, 2, -3, 0.5, 1e30, INFINITY, -INFINITY};
    struct slice name = name_of((unsigned)rand_below(random, NAMES));
    double score = scores[rand_below(random, COUNT_OF(scores))], old;
    size_t at = model_find(m, name);
    bool there = zset_score(*z, name, &old);
    assert_int_equal(there, at < m->count);
    switch (rand_below(random, 8)) {
    case 0:
        assert_int_equal(zset_remove(z, name), there);
        if (there)
            model_remove(m, at, 1);
        break;
    case 1: {
        size_t first = (size_t)rand_below(random, NAMES), count = (size_t)rand_below(random, 4);
        size_t gone = first < m->count ? MIN_OF(count, m->count - first) : 0;
        struct value rest = {0};
        assert_int_equal(gone % 2 ? zset_cut_range(z, first, count, &rest)
                                  : zset_remove_range(z, first, count),
                         gone);
        assert_null(rest.pointer); /* too few */
        if (gone != 0)
            model_remove(m, first, gone);
        break;
    }
    default:
        if (there) {
            assert_true(old == m->items[at].score);
            zset_move(z, name, old, score);
            m->items[at].score = score;
        } else {
            zset_add(z, limits, name, score);
            m->items[m->count].score = score;
            m->items[m->count++].name = name;
        }
        model_sort(m);
    }
    expect_bounds(*z, m, score);
}

static void run_against_model(uint64_t seed, const struct value_limits *limits)
{
    struct rand random;
    struct model m = {0};
    struct value z = zset_new();
    rand_seed(&random, seed);
    for (unsigned i = 0; i < 2000; i++) {
        step(&z, &m, limits, &random);
        if (i % 16 == 0) {
            struct value copy = value_copy(z);
            assert_int_equal(copy.encoding, z.encoding);
            expect_equal(copy, &m, (size_t)rand_below(&random, NAMES + 1));
            expect_equal(z, &m, 0);
            assert_true(value_memory(copy, 0) > 0 && value_effort(copy) > 0);
            value_free(copy);
        }
        if (i % 100 == 99)
            zset_settle(&z, limits, 2);
    }
    value_free(z);
}

/* What is left of a large range is what is left, whichever way it was removed. */
static void cut(size_t all, size_t rank, size_t count, bool moves)
{
    struct value z = zset_new_large(), other, rest;
    char name[16];
    for (size_t i = 0; i < all; i++)
        zset_add(&z, &value_limits_default,
                 slice_of(name, (size_t)snprintf(name, sizeof name, "m%zu", i * 11 % all)),
                 (double)(i / 3));
    other = value_copy(z);
    size_t gone = zset_remove_range(&other, rank, count);
    assert_int_equal(zset_cut_range(&z, rank, count, &rest), gone);
    assert_int_equal(rest.pointer != NULL, moves);
    assert_int_equal(zset_count(z), all - gone);
    assert_int_equal(z.encoding, ENCODING_SKIPLIST);
    struct zset_at at, other_at;
    struct zset_item item, other_item;
    zset_seek(z, 0, &at);
    zset_seek(other, 0, &other_at);
    while (zset_next(other, &other_at, &other_item)) {
        assert_true(zset_next(z, &at, &item));
        assert_true(slice_eq(item.member, other_item.member));
        assert_true(item.score == other_item.score);
        assert_true(zset_score(z, item.member, &item.score));
    }
    if (moves) {
        assert_int_equal(zset_count(rest), all);
        value_free(rest);
    }
    value_free(z);
    value_free(other);
}

static void test_cut(void **state)
{
    cut(1401, 100, 1023, false);
    cut(1280, 100, 1024, true); /* 256 are left: one to four */
    cut(1281, 100, 1024, false);
    cut(1500, 0, SIZE_MAX, true);
    cut(5000, 7, 4990, true);
    cut(5000, 5000, 1, false);
    cut(5000, 100, SIZE_MAX - 50, true);
}

static void test_model(void **state)
{
    uint64_t seed = rand_system();
    const char *given = getenv("SEED");
    if (given)
        seed = strtoull(given, NULL, 10);
    printf("SEED=%llu\n", (unsigned long long)seed);
    for (unsigned i = 0; i < NAMES; i++) /* some of them integers */
        snprintf(names[i], sizeof names[i], i % 2 ? "%u" : "n%u", i);
    static const int64_t entries[] = {128, 0, 10};
    for (size_t i = 0; i < COUNT_OF(entries); i++) {
        struct value_limits limits = limits_of(entries[i], 64);
        run_against_model(seed + i, &limits);
    }
}

static void test_members_in_order(void **state)
{
    for (int64_t entries = 0; entries <= 128; entries += 128) {
        struct value_limits limits = limits_of(entries, 64);
        struct value z = zset_new();
        zset_add(&z, &limits, SLICE("b"), 0);
        zset_add(&z, &limits, SLICE("\xff"), 0);
        zset_add(&z, &limits, SLICE("a"), 0);
        zset_add(&z, &limits, SLICE("ab"), 0);
        assert_int_equal(zset_below_member(z, SLICE(""), true), 0);
        assert_int_equal(zset_below_member(z, SLICE("a"), false), 0);
        assert_int_equal(zset_below_member(z, SLICE("a"), true), 1);
        assert_int_equal(zset_below_member(z, SLICE("aa"), true), 1);
        assert_int_equal(zset_below_member(z, SLICE("b"), true), 3);
        assert_int_equal(zset_below_member(z, SLICE("\xff\xff"), true), 4);
        value_free(z);
    }
}

/* Records that are moved to give memory back are still found by rank. */
static void test_shrinking(void **state)
{
    struct value z = zset_new_large();
    struct zset_at at;
    struct zset_item item;
    for (int i = 0; i < 20000; i++)
        add_number(&z, &value_limits_default, i);
    size_t full = value_memory(z, 0);
    for (int i = 0; i < 20000; i++) {
        char text[16];
        if (i % 16 != 0)
            assert_true(
                zset_remove(&z, slice_of(text, (size_t)snprintf(text, sizeof text, "m%d", i))));
    }
    assert_int_equal(zset_remove_range(&z, 0, 250), 250);
    zset_seek(z, 0, &at);
    for (int i = 4000; i < 20000; i += 16) {
        double score;
        assert_true(zset_next(z, &at, &item) && item.score == i);
        assert_true(zset_score(z, item.member, &score) && score == i);
    }
    assert_false(zset_next(z, &at, &item));
    assert_true(value_memory(z, 0) < full / 4);
    value_free(z);
}

/* ---- from outside ---- */

static struct value of_elements(const char *const *elements, size_t count)
{
    unsigned char *lp = listpack_new(0);
    for (size_t i = 0; i < count; i++)
        listpack_append(&lp, slice_str(elements[i]));
    struct value z = zset_of_listpack(slice_of(lp, listpack_bytes(lp)), &value_limits_default);
    listpack_free(lp);
    return z;
}

static void test_listpacks_from_outside(void **state)
{
    static const char *const good[] = {"a", "1", "b", "1.5", "c", "inf"};
    static const char *const unsorted[] = {"a", "2", "b", "1", "c", "1"};
    static const char *const twice[] = {"a", "1", "b", "2", "a", "3"};
    static const char *const no_number[] = {"a", "nan", "b", "x"};
    struct value z = of_elements(good, 6);
    assert_int_equal(z.encoding, ENCODING_LISTPACK);
    assert_int_equal(zset_count(z), 3);
    value_free(z);
    z = of_elements(unsorted, 6);
    assert_int_equal(z.encoding, ENCODING_LISTPACK);
    size_t rank;
    double score;
    assert_true(zset_rank(z, SLICE("a"), &rank, &score) && rank == 2 && score == 2);
    assert_true(zset_rank(z, SLICE("b"), &rank, &score) && rank == 0 && score == 1);
    value_free(z);
    assert_null(of_elements(good, 0).pointer);
    assert_null(of_elements(good, 3).pointer);
    assert_null(of_elements(twice, 6).pointer);
    assert_null(of_elements(no_number, 2).pointer);
    assert_null(of_elements(no_number + 2, 2).pointer);
    assert_null(zset_of_listpack(SLICE(""), &value_limits_default).pointer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_entries_at_the_bound),
        cmocka_unit_test(test_values_at_the_bound),
        cmocka_unit_test(test_scores_in_a_listpack),
        cmocka_unit_test(test_model),
        cmocka_unit_test(test_cut),
        cmocka_unit_test(test_members_in_order),
        cmocka_unit_test(test_shrinking),
        cmocka_unit_test(test_listpacks_from_outside),
    };
    mem_thread_join();
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    mem_thread_leave();
    return failed;
}
