/* The ordered index against a sorted array: random changes, ranks, bounds, ranges and walks, over
 * few and many distinct scores, small sets and large.
 *
 * SPILLWAY_SEED chooses the run (printed), SPILLWAY_ROUNDS how many runs there are.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/rand.h"
#include "struct/ranked.h"

struct item {
    double score;
    size_t len;
    char member[24];
};

struct model {
    struct ranked *ranked;
    struct item **in; /* in order */
    size_t count, room;
    struct rand rand;
    uint64_t kinds; /* of scores */
    uint64_t serial;
};

static uint64_t seed_base(void)
{
    const char *seed = getenv("SPILLWAY_SEED");
    return seed ? strtoull(seed, NULL, 0) : rand_system();
}

static unsigned rounds(unsigned by_default)
{
    const char *n = getenv("SPILLWAY_ROUNDS");
    return n ? (unsigned)atoi(n) : by_default;
}

static struct slice member_of(const void *item)
{
    return slice_of(((const struct item *)item)->member, ((const struct item *)item)->len);
}

static int compare(double score, struct slice member, const struct item *item)
{
    if (score != item->score)
        return score < item->score ? -1 : 1;
    return slice_compare(member, member_of(item));
}

/* How many of the model's items are below (score, member). */
static size_t model_rank(const struct model *m, double score, struct slice member)
{
    size_t low = 0, high = m->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (compare(score, member, m->in[middle]) > 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static double new_score(struct model *m)
{
    uint64_t random = rand_below(&m->rand, m->kinds);
    if (random == 0)
        return rand_below(&m->rand, 2) ? -0.0 : 0.0;
    if (random == 1)
        return rand_below(&m->rand, 2) ? -INFINITY : INFINITY;
    return ((double)random - (double)m->kinds / 2) / 8;
}

static void model_insert(struct model *m, struct item *item)
{
    if (m->count == m->room) {
        m->room = m->room ? m->room * 2 : 64;
        m->in = mem_realloc(m->in, m->room * sizeof(*m->in));
    }
    size_t i = model_rank(m, item->score, member_of(item));
    memmove(m->in + i + 1, m->in + i, (m->count - i) * sizeof(*m->in));
    m->in[i] = item;
    m->count++;
}

static void model_remove(struct model *m, size_t i, size_t n)
{
    memmove(m->in + i, m->in + i + n, (m->count - i - n) * sizeof(*m->in));
    m->count -= n;
}

static void forget(struct item *item)
{
    memset(item, 0xA5, sizeof(*item)); /* what the tree must not look at any more */
    mem_free(item);
}

static struct item *new_item(struct model *m)
{
    struct item *item = mem_zalloc(sizeof(*item));
    item->score = new_score(m);
    uint64_t random = rand_next(&m->rand) >> rand_below(&m->rand, 64), serial = m->serial++;
    memcpy(item->member, &random, 8); /* the serial at the end makes it unlike any other */
    item->len = rand_below(&m->rand, 9);
    memcpy(item->member + item->len, &serial, 8);
    item->len += 8;
    for (size_t i = model_rank(m, item->score, member_of(item));
         i < m->count && compare(item->score, member_of(item), m->in[i]) == 0;)
        item->member[item->len++] = 'x'; /* all but never */
    return item;
}

static void insert(struct model *m)
{
    struct item *item = new_item(m);
    ranked_insert(m->ranked, item->score, item);
    model_insert(m, item);
}

static void drop(struct model *m, size_t i)
{
    struct item *item = m->in[i];
    ranked_remove(m->ranked, item->score, item);
    model_remove(m, i, 1);
    forget(item);
}

static void pop(struct model *m)
{
    bool max = rand_below(&m->rand, 2);
    struct item *item = m->in[max ? m->count - 1 : 0];
    double score;
    void *popped = max ? ranked_pop_max(m->ranked, &score) : ranked_pop_min(m->ranked, &score);
    assert_ptr_equal(popped, item);
    assert_true(score == item->score);
    model_remove(m, max ? m->count - 1 : 0, 1);
    forget(item);
}

/* The new score is near the old one, or any. */
static void move(struct model *m)
{
    size_t i = rand_below(&m->rand, m->count);
    struct item *item = m->in[i];
    double from = item->score, to = new_score(m);
    size_t near = rand_below(&m->rand, 4);
    if (near < 3 && i + near < m->count && i >= near)
        to = rand_below(&m->rand, 2) ? m->in[i + near]->score : m->in[i - near]->score;
    model_remove(m, i, 1);
    item->score = to;
    while (true) { /* the member must be new there */
        size_t k = model_rank(m, to, member_of(item));
        if (k == m->count || compare(to, member_of(item), m->in[k]) != 0)
            break;
        item->score = to = from;
    }
    ranked_move(m->ranked, from, item, to);
    model_insert(m, item);
}

static void replace(struct model *m)
{
    size_t i = rand_below(&m->rand, m->count);
    struct item *item = m->in[i], *with = mem_dup(item, sizeof(*item));
    ranked_replace(m->ranked, item->score, item, with);
    m->in[i] = with;
    forget(item);
}

struct removing {
    struct model *m;
    size_t at;
};

static void removed(double score, void *item, void *ctx)
{
    struct removing *removing = ctx;
    struct item *expected = removing->m->in[removing->at++];
    assert_ptr_equal(item, expected);
    assert_true(score == expected->score);
    forget(item);
}

static void remove_range(struct model *m)
{
    size_t rank = rand_below(&m->rand, m->count + 1);
    size_t count = rand_below(&m->rand, rand_below(&m->rand, 8) ? 5 : m->count / 4 + 2);
    size_t there = MIN_OF(count, m->count - rank);
    struct removing removing = {.m = m, .at = rank};
    assert_int_equal(ranked_remove_range(m->ranked, rank, count, removed, &removing), there);
    assert_int_equal(removing.at, rank + there);
    model_remove(m, rank, there);
}

/* A few steps from a place of this rank, up or down. */
static void walk(struct model *m, struct ranked_cursor at, size_t rank)
{
    double score;
    void *item;
    bool up = rand_below(&m->rand, 2);
    for (size_t n = rand_below(&m->rand, rand_below(&m->rand, 50) ? 4 : 300); n > 0; n--) {
        bool more = up ? ranked_next(&at, &score, &item) : ranked_prev(&at, &score, &item);
        assert_int_equal(more, up ? rank < m->count : rank > 0);
        if (!more)
            return;
        rank -= !up;
        assert_ptr_equal(item, m->in[rank]);
        assert_true(score == m->in[rank]->score);
        rank += up;
    }
}

static void seek(struct model *m)
{
    struct ranked_cursor at;
    size_t rank = rand_below(&m->rand, m->count + 1);
    assert_int_equal(ranked_seek_rank(m->ranked, rank, &at), rank);
    walk(m, at, rank);
    struct item *item = rank < m->count ? m->in[rank] : NULL;
    double score = item && rand_below(&m->rand, 2) ? item->score : new_score(m);
    assert_ptr_equal(ranked_select(m->ranked, rank, NULL), item);
    if (item)
        assert_int_equal(ranked_seek_item(m->ranked, item->score, item, NULL), rank);
    struct item *absent = new_item(m);
    rank = model_rank(m, absent->score, member_of(absent));
    assert_int_equal(ranked_seek_item(m->ranked, absent->score, absent, &at), rank);
    walk(m, at, rank);
    mem_free(absent);
    rank = model_rank(m, score, SLICE(""));
    assert_int_equal(ranked_seek_score(m->ranked, score, false, &at), rank);
    walk(m, at, rank);
    char last[25];
    memset(last, 0xFF, sizeof(last));
    rank = model_rank(m, score, slice_of(last, sizeof(last)));
    assert_int_equal(ranked_seek_score(m->ranked, score, true, &at), rank);
    walk(m, at, rank);
}

static void check_all(struct model *m)
{
    struct ranked_cursor at;
    double score;
    void *item;
    ranked_check(m->ranked);
    assert_int_equal(ranked_count(m->ranked), m->count);
    ranked_seek_rank(m->ranked, 0, &at);
    for (size_t i = 0; i < m->count; i++) {
        assert_true(ranked_next(&at, &score, &item));
        assert_ptr_equal(item, m->in[i]);
    }
    assert_false(ranked_next(&at, &score, &item));
}

/* Random operations that drive the count towards `goal` and let it wander there. */
static void drive(struct model *m, size_t goal, size_t operations)
{
    for (size_t i = 0; i < operations; i++) {
        bool up = rand_below(&m->rand, 100) < (m->count < goal ? 90u : 10u);
        if (up || m->count == 0)
            insert(m);
        else
            drop(m, rand_below(&m->rand, m->count));
        if (m->count == 0)
            continue;
        switch (rand_below(&m->rand, 16)) {
        case 0:
            replace(m);
            break;
        case 1:
        case 2:
        case 3:
            move(m);
            break;
        case 4:
        case 5:
            seek(m);
            break;
        case 6:
            pop(m);
            break;
        case 7:
            if (rand_below(&m->rand, 30) == 0)
                remove_range(m);
            break;
        case 8:
            if (rand_below(&m->rand, 100) == 0)
                ranked_check(m->ranked);
            break;
        default:
            break;
        }
    }
    check_all(m);
}

/* A sorted stream on top of what is there, from either side, then changes within. */
static void load(struct model *m, size_t n)
{
    bool up = rand_below(&m->rand, 2);
    for (size_t i = 0; i < n; i++) {
        struct item *item = new_item(m);
        item->score = up ? 1e6 + (double)(i / 3) : -1e6 - (double)(i / 3);
        ranked_insert(m->ranked, item->score, item);
        model_insert(m, item);
    }
    check_all(m);
}

static void one_round(uint64_t seed, uint64_t kinds, size_t scale)
{
    struct model m = {.kinds = kinds};
    rand_seed(&m.rand, seed);
    m.ranked = ranked_new(member_of);
    size_t goals[] = {scale, scale / 3, scale / 2, scale / 50, scale / 5};
    for (size_t i = 0; i < COUNT_OF(goals); i++) {
        drive(&m, goals[i], scale + scale / 2);
        if (i == 3)
            load(&m, scale);
    }
    if (seed % 2)
        drive(&m, 0, scale * 2);
    while (m.count > 0 && seed % 2)
        drop(&m, rand_below(&m.rand, m.count));
    check_all(&m);
    ranked_free(m.ranked);
    for (size_t i = 0; i < m.count; i++)
        mem_free(m.in[i]);
    mem_free(m.in);
}

static void test_against_model(void **state)
{
    static const uint64_t kinds[] = {1, 2, 30, 1000, UINT64_C(1) << 40};
    uint64_t seed = seed_base();
    print_message("SPILLWAY_SEED=%llu\n", (unsigned long long)seed);
    for (unsigned i = 0; i < rounds(5); i++) {
        one_round(seed + i, kinds[i % COUNT_OF(kinds)], 100 + seed % 97);
        one_round(seed + i, kinds[i % COUNT_OF(kinds)], 2000);
        one_round(seed + i + 1, kinds[i % COUNT_OF(kinds)], 9000);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_against_model)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
