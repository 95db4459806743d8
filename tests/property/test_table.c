/* The table against a model: random inserts, removes, replacements, lookups and walks while it
 * grows and shrinks.
 *
 * SPILLWAY_SEED chooses the run (printed), SPILLWAY_ROUNDS how many runs there are.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/rand.h"
#include "struct/table.h"

/* An item that knows whether it is in the table, and what walks have seen of it. */
struct item {
    uint64_t hash;
    size_t place;   /* in model.in */
    uint64_t seen;  /* number of the walk that saw it last */
    uint64_t since; /* walk that was under way when it was inserted */
    uint32_t times; /* ... and how often it was visited in it */
};

struct model {
    struct table *table;
    struct item **in; /* the items in the table, in any order */
    size_t count, room;
    struct rand rand;
    unsigned hash_kind;
    uint64_t cursor, walk;
    size_t walks;
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

static uint64_t hash_of(const void *item, void *ctx)
{
    return ((const struct item *)item)->hash;
}

static bool is_item(const void *item, const void *key, void *ctx)
{
    return item == key;
}

/* Hashes of several tempers: spread well, clustered, with colliding tags, or all but equal. */
static uint64_t new_hash(struct model *m)
{
    uint64_t h = rand_next(&m->rand);
    switch (m->hash_kind) {
    case 1: /* a few tags, 0 (the tag of an empty slot) and 1 (that of a link) among them */
        return (h & ~UINT64_C(0xFFFF)) | (h >> 8 & 3);
    case 2: /* both ends of the order */
        return h & 1 ? h | UINT64_C(0x03FFFFFF00000000) : h & ~UINT64_C(0x03FFFFFF00000000);
    case 3: /* positions next to each other */
        return (h & ~UINT64_C(0x03FFFFFFFFF00000)) | UINT64_C(0x0123456789000000);
    default:
        return h;
    }
}

static void insert(struct model *m)
{
    struct item *item = mem_zalloc(sizeof(*item));
    item->hash = new_hash(m);
    item->since = m->walk;
    item->place = m->count;
    if (m->count == m->room) {
        m->room = m->room ? m->room * 2 : 64;
        m->in = mem_realloc(m->in, m->room * sizeof(*m->in));
    }
    m->in[m->count++] = item;
    table_insert(m->table, item->hash, item);
}

static void drop(struct model *m, struct item *item)
{
    m->in[item->place] = m->in[--m->count];
    m->in[item->place]->place = item->place;
    table_remove(m->table, item->hash, item);
    memset(item, 0xA5, sizeof(*item)); /* what a table must not look at any more */
    mem_free(item);
}

static struct item *any(struct model *m)
{
    return m->in[rand_below(&m->rand, m->count)];
}

static void replace(struct model *m)
{
    struct item *item = any(m), *with = mem_dup(item, sizeof(*item));
    table_replace(m->table, item->hash, item, with);
    m->in[with->place] = with;
    mem_free(item);
}

static void find(struct model *m)
{
    struct item absent = {.hash = new_hash(m)}, *item = any(m);
    assert_ptr_equal(table_find(m->table, item->hash, is_item, item, NULL), item);
    uint64_t candidate = table_candidate(m->table, item->hash);
    assert_true(candidate != 0);
    table_candidate_item(candidate, item->hash); /* what it finds is only likely */
    table_prefetch_bucket(m->table, absent.hash);
    assert_null(table_find(m->table, absent.hash, is_item, &absent, NULL));
    assert_null(table_find(m->table, item->hash, is_item, &absent, NULL));
}

static void visit(void *p, void *ctx)
{
    struct item *item = p;
    struct model *m = ctx;
    assert_true(item->place < m->count && m->in[item->place] == item);
    item->times = item->seen == m->walk ? item->times + 1 : 1;
    item->seen = m->walk;
    assert_int_equal(item->times, 1);
}

/* A step of the walk under way; at its end, all that were there throughout must have been seen. */
static void walk(struct model *m)
{
    size_t items = 1 + rand_below(&m->rand, 30), buckets = 1 + rand_below(&m->rand, 12);
    uint64_t next = table_scan(m->table, m->cursor, items, buckets, visit, m);
    assert_true(next > m->cursor && next <= TABLE_END);
    m->cursor = next;
    if (next < TABLE_END)
        return;
    for (size_t i = 0; i < m->count; i++)
        assert_true(m->in[i]->since == m->walk || m->in[i]->seen == m->walk);
    m->cursor = 0;
    m->walk++;
    m->walks++;
}

static void sample(struct model *m)
{
    void *out[64];
    size_t max = rand_below(&m->rand, COUNT_OF(out) + 1);
    size_t n = table_sample(m->table, rand_next(&m->rand), out, max);
    assert_true(n <= max);
    for (size_t i = 0; i < n; i++) {
        struct item *item = out[i];
        assert_ptr_equal(m->in[item->place], item);
        for (size_t j = 0; j < i; j++)
            assert_ptr_not_equal(out[j], item);
    }
}

static void check_all(struct model *m)
{
    assert_int_equal(table_count(m->table), m->count);
    for (size_t i = 0; i < m->count; i++)
        assert_ptr_equal(table_find(m->table, m->in[i]->hash, is_item, m->in[i], NULL), m->in[i]);
}

/* Random operations that drive the count towards `goal` and let it wander there. */
static void drive(struct model *m, size_t goal, size_t operations)
{
    for (size_t i = 0; i < operations; i++) {
        bool up = rand_below(&m->rand, 100) < (m->count < goal ? 90u : 10u);
        if (up || m->count == 0)
            insert(m);
        else
            drop(m, any(m));
        if (m->count == 0)
            continue;
        switch (rand_below(&m->rand, 16)) {
        case 0:
            replace(m);
            break;
        case 1:
        case 2:
            find(m);
            break;
        case 3:
        case 4:
            walk(m);
            break;
        case 5:
            sample(m);
            break;
        case 6:
            if (rand_below(&m->rand, 50) == 0)
                table_step(m->table, (unsigned)rand_below(&m->rand, 40));
            break;
        case 7:
            if (rand_below(&m->rand, 200) == 0)
                (void)table_expect(m->table, rand_below(&m->rand, 2 * goal + 2));
            break;
        case 8: /* some allocation in the near future fails */
            mem_inject_failure(rand_below(&m->rand, 3));
            break;
        default:
            break;
        }
    }
    mem_inject_failure(0);
    check_all(m);
}

static void one_round(uint64_t seed, unsigned hash_kind, size_t scale)
{
    struct model m = {.hash_kind = hash_kind, .walk = 1};
    rand_seed(&m.rand, seed);
    m.table = table_new(hash_of, NULL);
    size_t goals[] = {scale, scale / 3, scale / 2, scale / 50, scale / 5, 0};
    for (size_t i = 0; i < COUNT_OF(goals); i++)
        drive(&m, goals[i], scale + scale / 2);
    while (m.count > 0)
        drop(&m, any(&m));
    assert_int_equal(table_count(m.table), 0);
    assert_int_equal(table_scan(m.table, 0, SIZE_MAX, SIZE_MAX, visit, &m), TABLE_END);
    table_free(m.table);
    mem_free(m.in);
}

static void test_against_model(void **state)
{
    uint64_t seed = seed_base();
    print_message("SPILLWAY_SEED=%llu\n", (unsigned long long)seed);
    for (unsigned i = 0; i < rounds(6); i++) {
        one_round(seed + i, i % 4, 300 + seed % 97);
        one_round(seed + i, i % 2, 12000);
        one_round(seed + i, 2, 4000);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_against_model)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
