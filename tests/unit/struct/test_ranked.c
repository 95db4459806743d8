/* The ordered index of sorted sets: every operation at its bounds, and the sizes at which nodes
 * grow, split, merge and go. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/rand.h"
#include "struct/ranked.h"

#define LEAF  62 /* entries of a full leaf */
#define INNER 31 /* children of a full inner node */

struct item {
    double score;
    char member[24];
};

static struct slice member_of(const void *item)
{
    return slice_str(((const struct item *)item)->member);
}

/* Items of scores first, first + 1 ... */
static struct item *items_new(size_t n, double first)
{
    struct item *items = mem_zalloc((n + 1) * sizeof(*items));
    for (size_t i = 0; i < n; i++) {
        items[i].score = first + (double)i;
        snprintf(items[i].member, sizeof(items[i].member), "%08zu", i);
    }
    return items;
}

static struct ranked *filled(struct item *items, size_t n)
{
    struct ranked *r = ranked_new(member_of);
    for (size_t i = 0; i < n; i++)
        ranked_insert(r, items[i].score, &items[i]);
    ranked_check(r);
    assert_int_equal(ranked_count(r), n);
    return r;
}

/* The tree holds exactly these, in this order, by every way of reading it. */
static void assert_order(const struct ranked *r, struct item *const *items, size_t n)
{
    struct ranked_cursor at;
    double score;
    void *item;
    ranked_check(r);
    assert_int_equal(ranked_count(r), n);
    assert_int_equal(ranked_seek_rank(r, 0, &at), 0);
    for (size_t i = 0; i < n; i++) {
        assert_true(ranked_next(&at, &score, &item));
        assert_ptr_equal(item, items[i]);
        assert_true(score == items[i]->score);
        assert_ptr_equal(ranked_select(r, i, &score), items[i]);
        assert_int_equal(ranked_seek_item(r, items[i]->score, items[i], NULL), i);
    }
    assert_false(ranked_next(&at, &score, &item));
    assert_int_equal(ranked_seek_rank(r, SIZE_MAX, &at), n);
    for (size_t i = n; i-- > 0;) {
        assert_true(ranked_prev(&at, &score, &item));
        assert_ptr_equal(item, items[i]);
    }
    assert_false(ranked_prev(&at, &score, &item));
    assert_null(ranked_select(r, n, NULL));
}

static void assert_run(const struct ranked *r, struct item *items, size_t n)
{
    struct item **order = mem_alloc((n + 1) * sizeof(struct item *));
    for (size_t i = 0; i < n; i++)
        order[i] = &items[i];
    assert_order(r, order, n);
    mem_free(order);
}

static void test_empty(void **state)
{
    struct ranked *r = ranked_new(member_of);
    struct ranked_cursor at;
    double score;
    void *item;
    assert_order(r, NULL, 0);
    assert_null(ranked_pop_min(r, &score));
    assert_null(ranked_pop_max(r, &score));
    assert_int_equal(ranked_seek_score(r, 0, true, &at), 0);
    assert_false(ranked_next(&at, &score, &item));
    assert_false(ranked_prev(&at, &score, &item));
    assert_int_equal(ranked_seek_member(r, SLICE("a"), false, &at), 0);
    assert_false(ranked_next(&at, &score, &item));
    assert_int_equal(ranked_remove_range(r, 0, 10, NULL, NULL), 0);
    assert_true(ranked_bytes(r) <= 128);
    assert_false(ranked_free_step(r, 1, NULL, NULL));
    ranked_free(NULL);
}

static void test_one(void **state)
{
    struct item item = {.score = 1.5, .member = "m"};
    struct ranked *r = filled(&item, 1);
    struct ranked_cursor at;
    double score;
    void *found;
    assert_run(r, &item, 1);
    assert_int_equal(ranked_seek_score(r, 1.5, false, NULL), 0);
    assert_int_equal(ranked_seek_score(r, 1.5, true, NULL), 1);
    assert_int_equal(ranked_seek_score(r, 1.4, true, NULL), 0);
    assert_int_equal(ranked_seek_score(r, 1.6, false, &at), 1);
    assert_false(ranked_next(&at, &score, &found));
    assert_true(ranked_prev(&at, &score, &found));
    assert_ptr_equal(found, &item);
    item.score = -3;
    ranked_move(r, 1.5, &item, -3);
    assert_run(r, &item, 1);
    assert_ptr_equal(ranked_pop_max(r, &score), &item);
    assert_true(score == -3);
    assert_order(r, NULL, 0);
    ranked_insert(r, item.score, &item);
    ranked_remove(r, item.score, &item);
    assert_order(r, NULL, 0);
    ranked_free(r);
}

/* Ascending, descending and from the middle, at all counts around those where nodes change. */
static void test_growth(void **state)
{
    static const size_t counts[] = {2,
                                    3,
                                    6,
                                    7,
                                    14,
                                    LEAF - 1,
                                    LEAF,
                                    LEAF + 1,
                                    2 * LEAF,
                                    2 * LEAF + 1,
                                    3 * LEAF + 1,
                                    1000,
                                    LEAF * INNER,
                                    LEAF * INNER + 1,
                                    LEAF * INNER + LEAF,
                                    9000};
    for (size_t c = 0; c < COUNT_OF(counts); c++) {
        size_t n = counts[c];
        struct item *items = items_new(n, -10);
        struct ranked *up = filled(items, n), *down = ranked_new(member_of);
        struct ranked *out = ranked_new(member_of);
        for (size_t i = n; i-- > 0;)
            ranked_insert(down, items[i].score, &items[i]);
        for (size_t i = 0; i < n; i++) { /* ends first, the middle last */
            size_t k = i % 2 ? n - 1 - i / 2 : i / 2;
            ranked_insert(out, items[k].score, &items[k]);
        }
        assert_run(up, items, n);
        assert_run(down, items, n);
        assert_run(out, items, n);
        if (n > 1000) { /* 2 KiB: a leaf just begun, an inner node that fills */
            assert_true(ranked_bytes(up) < n * 35 / 2 + 2048);
            assert_true(ranked_bytes(down) < n * 35 / 2 + 2048);
            assert_true(ranked_bytes(out) < n * 22);
        }
        ranked_free(up);
        ranked_free(down);
        ranked_free(out);
        mem_free(items);
    }
}

static void shuffle(struct rand *rand, struct item **order, size_t n)
{
    for (size_t i = n; i > 1; i--) {
        size_t j = rand_below(rand, i);
        struct item *item = order[i - 1];
        order[i - 1] = order[j];
        order[j] = item;
    }
}

/* From three levels of nodes down to none, checked at every step near the end. */
static void test_shrinking(void **state)
{
    enum { N = 12000 };
    struct item *items = items_new(N, 0), **order = mem_alloc(N * sizeof(*order));
    for (unsigned way = 0; way < 3; way++) {
        struct ranked *r = filled(items, N);
        struct rand rand;
        rand_seed(&rand, way);
        for (size_t i = 0; i < N; i++)
            order[i] = way == 0 ? &items[i] : &items[N - 1 - i];
        if (way == 2)
            shuffle(&rand, order, N);
        for (size_t i = 0; i < N; i++) {
            ranked_remove(r, order[i]->score, order[i]);
            if (i % 97 == 0 || i > N - 300)
                ranked_check(r);
            assert_true(ranked_bytes(r) <= (N - i) * 64 + 1200);
        }
        assert_order(r, NULL, 0);
        assert_true(ranked_bytes(r) <= 128);
        ranked_free(r);
    }
    mem_free(order);
    mem_free(items);
}

static void test_pops(void **state)
{
    enum { N = 5000 };
    struct item *items = items_new(N, 0);
    struct ranked *r = filled(items, N);
    double score;
    for (size_t i = 0; i < N / 2; i++) {
        assert_ptr_equal(ranked_pop_min(r, &score), &items[i]);
        assert_true(score == (double)i);
        assert_ptr_equal(ranked_pop_max(r, &score), &items[N - 1 - i]);
        assert_true(score == (double)(N - 1 - i));
        if (i % 50 == 0)
            ranked_check(r);
    }
    assert_null(ranked_pop_min(r, &score));
    ranked_free(r);
    mem_free(items);
}

/* Thousands of one score: order by member, lexicographic bounds. */
static void test_equal_scores(void **state)
{
    enum { N = 7000 };
    struct item *items = items_new(N, 0), **order = mem_alloc(N * sizeof(*order));
    struct ranked *r = ranked_new(member_of);
    struct rand rand;
    rand_seed(&rand, 3);
    for (size_t i = 0; i < N; i++) {
        items[i].score = 7;
        order[i] = &items[i];
    }
    shuffle(&rand, order, N);
    for (size_t i = 0; i < N; i++)
        ranked_insert(r, 7, order[i]);
    assert_run(r, items, N);
    for (size_t i = 0; i < N; i += 7) {
        struct slice member = member_of(&items[i]);
        struct ranked_cursor at;
        double score;
        void *item;
        assert_int_equal(ranked_seek_member(r, member, false, &at), i);
        assert_true(ranked_next(&at, &score, &item));
        assert_ptr_equal(item, &items[i]);
        assert_int_equal(ranked_seek_member(r, member, true, &at), i + 1);
        assert_true(ranked_prev(&at, &score, &item));
        assert_ptr_equal(item, &items[i]);
        member.len--; /* the prefix of ten */
        assert_int_equal(ranked_seek_member(r, member, true, NULL), i - i % 10);
    }
    assert_int_equal(ranked_seek_member(r, SLICE(""), true, NULL), 0);
    assert_int_equal(ranked_seek_member(r, SLICE("x"), false, NULL), N);
    assert_int_equal(ranked_seek_score(r, 7, false, NULL), 0);
    assert_int_equal(ranked_seek_score(r, 7, true, NULL), N);
    for (size_t i = 0; i < N; i++)
        ranked_remove(r, 7, order[i]);
    assert_order(r, NULL, 0);
    ranked_free(r);
    mem_free(order);
    mem_free(items);
}

/* Bytes above 127 come last, a prefix comes first, a NUL counts. */
static struct slice raw_member(const void *item)
{
    return *(const struct slice *)item;
}

static void test_member_order(void **state)
{
    struct slice order[] = {SLICE(""),   SLICE("\0"), SLICE("\0a"),  SLICE("a"),   SLICE("a\0"),
                            SLICE("aa"), SLICE("b"),  SLICE("\x80"), SLICE("\xff")};
    struct ranked *r = ranked_new(raw_member);
    for (size_t i = COUNT_OF(order); i-- > 0;)
        ranked_insert(r, i % 2 ? 0.0 : -0.0, &order[i]); /* the same score */
    ranked_check(r);
    for (size_t i = 0; i < COUNT_OF(order); i++) {
        assert_ptr_equal(ranked_select(r, i, NULL), &order[i]);
        assert_int_equal(ranked_seek_item(r, 0, &order[i], NULL), i);
        assert_int_equal(ranked_seek_member(r, order[i], true, NULL), i + 1);
    }
    ranked_free(r);
}

static void test_infinities(void **state)
{
    struct item items[] = {{-INFINITY, "b"}, {-INFINITY, "c"}, {-1.7e308, "a"}, {-0.0, "a"},
                           {0.0, "b"},       {5e-324, "a"},    {INFINITY, "a"}, {INFINITY, "b"}};
    struct ranked *r = ranked_new(member_of);
    for (size_t i = COUNT_OF(items); i-- > 0;)
        ranked_insert(r, items[i].score, &items[i]);
    assert_run(r, items, COUNT_OF(items));
    assert_int_equal(ranked_seek_score(r, -INFINITY, false, NULL), 0);
    assert_int_equal(ranked_seek_score(r, -INFINITY, true, NULL), 2);
    assert_int_equal(ranked_seek_score(r, 0.0, false, NULL), 3);
    assert_int_equal(ranked_seek_score(r, -0.0, true, NULL), 5);
    assert_int_equal(ranked_seek_score(r, INFINITY, false, NULL), 6);
    assert_int_equal(ranked_seek_score(r, INFINITY, true, NULL), 8);
    ranked_free(r);
}

/* Bounds at, just below and just above every score, with runs of equal ones across leaves. */
static void test_score_bounds(void **state)
{
    enum { N = 3000, RUN = 70 };
    struct item *items = items_new(N, 0);
    for (size_t i = 0; i < N; i++)
        items[i].score = (double)(i / RUN);
    struct ranked *r = filled(items, N);
    for (size_t run = 0; run <= N / RUN; run++) {
        size_t from = run * RUN, to = MIN_OF(from + RUN, (size_t)N);
        double score = (double)run, found;
        struct ranked_cursor at;
        void *item;
        assert_int_equal(ranked_seek_score(r, nextafter(score, -1), true, NULL), from);
        assert_int_equal(ranked_seek_score(r, score, false, &at), from);
        assert_true(ranked_next(&at, &found, &item));
        assert_ptr_equal(item, &items[from]);
        assert_int_equal(ranked_seek_score(r, score, true, &at), to);
        assert_true(ranked_prev(&at, &found, &item));
        assert_ptr_equal(item, &items[to - 1]);
        assert_int_equal(ranked_seek_score(r, nextafter(score, 1e9), false, NULL), to);
    }
    ranked_free(r);
    mem_free(items);
}

static void test_moves(void **state)
{
    enum { N = 4500 };
    struct item *items = items_new(N, 0);
    struct ranked *r = filled(items, N);
    for (size_t i = 0; i < N; i++) { /* all stay where they are */
        ranked_move(r, (double)i, &items[i], items[i].score = (double)i + 0.5);
        ranked_move(r, items[i].score, &items[i], items[i].score);
    }
    assert_run(r, items, N);
    for (size_t i = 0; i < N; i++) { /* each to the end, so that the order turns round at last */
        double from = items[i].score;
        ranked_move(r, from, &items[i], items[i].score = (double)(N + i));
        if (i % 500 == 0)
            ranked_check(r);
    }
    assert_run(r, items, N);
    for (size_t i = 0; i < N; i++) { /* past one neighbour and back, across leaves too */
        double from = items[i].score;
        items[i].score = from + 1.5;
        ranked_move(r, from, &items[i], from + 1.5);
        assert_int_equal(ranked_seek_item(r, from + 1.5, &items[i], NULL), MIN_OF(i + 1, N - 1u));
        ranked_check(r);
        ranked_move(r, from + 1.5, &items[i], items[i].score = from);
    }
    assert_run(r, items, N);
    for (size_t i = N; i-- > 0;) /* all to one score: the order of members */
        ranked_move(r, items[i].score, &items[i], 0), items[i].score = 0;
    assert_run(r, items, N);
    ranked_free(r);
    mem_free(items);
}

static void test_replace(void **state)
{
    enum { N = 4500 };
    struct item *items = items_new(N, 0), *other = items_new(N, 0);
    struct ranked *r = filled(items, N);
    for (size_t i = 0; i < N; i++) {
        ranked_replace(r, items[i].score, &items[i], &other[i]);
        memset(&items[i], 0xA5, sizeof(items[i]));
    }
    assert_run(r, other, N);
    ranked_free(r);
    mem_free(items);
    mem_free(other);
}

struct seen {
    struct item *next;
    size_t count;
};

static void expect_next(double score, void *item, void *ctx)
{
    struct seen *seen = ctx;
    assert_ptr_equal(item, seen->next);
    assert_true(score == seen->next->score);
    memset(item, 0xA5, sizeof(struct item)); /* as if it were freed */
    seen->next++;
    seen->count++;
}

static void test_remove_range(void **state)
{
    static const size_t sizes[] = {1, 10, LEAF, LEAF + 1, 500, 6000};
    for (size_t s = 0; s < COUNT_OF(sizes); s++) {
        size_t n = sizes[s];
        for (unsigned part = 0; part < 6; part++) {
            size_t from = part < 3 ? 0 : part == 3 ? n / 3 : part == 4 ? n / 2 : n - 1;
            size_t count = part == 0 ? 1 : part == 1 ? n : part == 2 ? n - 1 : n / 3 + 1;
            size_t removed = MIN_OF(count, n - from);
            struct item *items = items_new(n, 0), **order = mem_alloc(n * sizeof(*order));
            struct ranked *r = filled(items, n);
            struct seen seen = {.next = &items[from]};
            assert_int_equal(ranked_remove_range(r, from, count, expect_next, &seen), removed);
            assert_int_equal(seen.count, removed);
            size_t kept = 0;
            for (size_t i = 0; i < n; i++)
                if (i < from || i >= from + removed)
                    order[kept++] = &items[i];
            assert_order(r, order, kept);
            assert_int_equal(ranked_remove_range(r, kept, 1, NULL, NULL), 0);
            assert_int_equal(ranked_remove_range(r, 0, SIZE_MAX, NULL, NULL), kept);
            assert_order(r, NULL, 0);
            ranked_free(r);
            mem_free(order);
            mem_free(items);
        }
    }
}

static void count_item(double score, void *item, void *ctx)
{
    ++*(size_t *)ctx;
}

/* The whole tree in steps of a few leaves; all memory comes back (or the sanitizer says so). */
static void test_free_steps(void **state)
{
    static const size_t sizes[] = {0, 1, LEAF, LEAF + 1, LEAF * INNER + 1, 20000};
    for (size_t s = 0; s < COUNT_OF(sizes); s++) {
        struct item *items = items_new(sizes[s], 0);
        struct ranked *r = filled(items, sizes[s]);
        size_t seen = 0, before = 0, steps = 1;
        while (ranked_free_step(r, 3, count_item, &seen)) {
            assert_true(seen > before && seen <= before + 3 * LEAF);
            before = seen;
            steps++;
        }
        assert_int_equal(seen, sizes[s]);
        assert_true(steps >= sizes[s] / (3 * LEAF));
        mem_free(items);
    }
}

/* Many thousands at random, so that there are four levels: it stays level and well filled. */
static void test_large(void **state)
{
    enum { N = 300000 };
    struct item *items = items_new(N, 0), **order = mem_alloc(N * sizeof(*order));
    struct rand rand;
    rand_seed(&rand, 5);
    for (size_t i = 0; i < N; i++)
        order[i] = &items[i];
    shuffle(&rand, order, N);
    struct ranked *r = ranked_new(member_of);
    for (size_t i = 0; i < N; i++)
        ranked_insert(r, order[i]->score, order[i]);
    ranked_check(r);
    assert_true(ranked_bytes(r) < (size_t)N * 20);
    for (size_t i = 0; i < N; i += 11) {
        assert_int_equal(ranked_seek_item(r, items[i].score, &items[i], NULL), i);
        assert_ptr_equal(ranked_select(r, i, NULL), &items[i]);
    }
    for (size_t i = 0; i < N - 1000; i++)
        ranked_remove(r, order[i]->score, order[i]);
    ranked_check(r);
    assert_int_equal(ranked_count(r), 1000);
    assert_true(ranked_bytes(r) < 1000 * 40);
    ranked_free(r);
    mem_free(order);
    mem_free(items);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty),        cmocka_unit_test(test_one),
        cmocka_unit_test(test_growth),       cmocka_unit_test(test_shrinking),
        cmocka_unit_test(test_pops),         cmocka_unit_test(test_equal_scores),
        cmocka_unit_test(test_member_order), cmocka_unit_test(test_infinities),
        cmocka_unit_test(test_score_bounds), cmocka_unit_test(test_moves),
        cmocka_unit_test(test_replace),      cmocka_unit_test(test_remove_range),
        cmocka_unit_test(test_free_steps),   cmocka_unit_test(test_large),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
