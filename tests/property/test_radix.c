/* The radix tree against a sorted array: random inserts, removals, seeks and walks, over ids like a
 * stream's, names that begin alike or with one another, and bytes of any kind.
 *
 * SPILLWAY_SEED chooses the run (printed), SPILLWAY_ROUNDS how many runs there are.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/rand.h"
#include "struct/radix.h"

struct item {
    uint32_t len;
    char key[60];
};

enum kind { IDS, IDS_SPARSE, NAMES, CHAINS, BYTES, KINDS };

struct model {
    struct radix radix;
    struct item **in; /* in order */
    size_t count, room;
    struct rand rand;
    enum kind kind;
    uint64_t ms, seq;
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

static struct slice key_of(const void *item)
{
    return slice_of(((const struct item *)item)->key, ((const struct item *)item)->len);
}

/* Items whose key is lower than that one, or with `after` not higher. */
static size_t model_rank(const struct model *m, struct slice key, bool after)
{
    size_t low = 0, high = m->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        int order = slice_compare(key_of(m->in[middle]), key);
        if (after ? order <= 0 : order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void put_id(struct item *item, uint64_t ms, uint64_t seq)
{
    for (int i = 0; i < 8; i++) {
        item->key[i] = (char)(ms >> (56 - 8 * i));
        item->key[8 + i] = (char)(seq >> (56 - 8 * i));
    }
    item->len = 16;
}

static void random_key(struct model *m, struct item *item)
{
    struct rand *r = &m->rand;
    switch (m->kind) {
    case IDS: /* mostly rising */
        if (rand_below(r, 3) != 0)
            m->seq++;
        else {
            m->ms += 1 + rand_below(r, rand_below(r, 20) ? 3 : 100000);
            m->seq = 0;
        }
        if (rand_below(r, 4) != 0)
            put_id(item, m->ms, m->seq);
        else
            put_id(item, m->ms - rand_below(r, 2000), rand_below(r, 3));
        break;
    case IDS_SPARSE:
        put_id(item, rand_next(r) >> rand_below(r, 64), rand_next(r) >> rand_below(r, 64));
        break;
    case NAMES:
        memcpy(item->key, "consumer-", 9);
        item->len = 9 + (uint32_t)rand_below(r, 5);
        for (uint32_t i = 9; i < item->len; i++)
            item->key[i] = (char)('0' + rand_below(r, 10));
        break;
    case CHAINS: /* each begins with others */
        item->len = (uint32_t)rand_below(r, sizeof item->key + 1);
        memset(item->key, 'a', item->len);
        if (item->len > 0 && rand_below(r, 2))
            item->key[rand_below(r, item->len)] = (char)rand_next(r);
        break;
    default:
        item->len = (uint32_t)rand_below(r, 4);
        for (uint32_t i = 0; i < item->len; i++)
            item->key[i] = (char)rand_next(r);
    }
}

static void insert(struct model *m)
{
    struct item *item = mem_zalloc(sizeof *item);
    random_key(m, item);
    size_t at = model_rank(m, key_of(item), false);
    bool there = at < m->count && slice_eq(key_of(m->in[at]), key_of(item));
    assert_int_equal(radix_insert(&m->radix, item), !there);
    if (there) {
        assert_ptr_equal(radix_find(&m->radix, key_of(item)), m->in[at]);
        mem_free(item);
        return;
    }
    if (m->count == m->room) {
        m->room = m->room ? m->room * 2 : 64;
        m->in = mem_realloc(m->in, m->room * sizeof *m->in);
    }
    memmove(m->in + at + 1, m->in + at, (m->count - at) * sizeof *m->in);
    m->in[at] = item;
    m->count++;
}

static void drop(struct model *m)
{
    size_t at = rand_below(&m->rand, 3) ? rand_below(&m->rand, m->count) : 0;
    struct item *item = m->in[at];
    assert_ptr_equal(radix_remove(&m->radix, key_of(item)), item);
    assert_null(radix_remove(&m->radix, key_of(item)));
    mem_free(item);
    memmove(m->in + at, m->in + at + 1, (m->count - at - 1) * sizeof *m->in);
    m->count--;
}

/* Steps from a place, in both directions by turns. */
static void walk(struct model *m, struct radix_cursor at, size_t rank)
{
    bool up = rand_below(&m->rand, 2);
    for (size_t n = rand_below(&m->rand, rand_below(&m->rand, 50) ? 6 : 400); n > 0; n--) {
        struct item *item = up ? radix_next(&at) : radix_prev(&at);
        if (up ? rank == m->count : rank == 0) {
            assert_null(item);
        } else {
            rank -= !up;
            assert_ptr_equal(item, m->in[rank]);
            rank += up;
        }
        up ^= rand_below(&m->rand, 8) == 0;
    }
}

static void seek(struct model *m)
{
    struct radix_cursor at;
    struct item item;
    bool after = rand_below(&m->rand, 2);
    random_key(m, &item);
    struct slice key = key_of(&item);
    if (m->count > 0 && rand_below(&m->rand, 2))
        key = key_of(m->in[rand_below(&m->rand, m->count)]);
    size_t rank = model_rank(m, key, after);
    radix_seek(&m->radix, key, after, &at);
    walk(m, at, rank);
    rank = model_rank(m, key, false);
    bool there = rank < m->count && slice_eq(key_of(m->in[rank]), key);
    assert_ptr_equal(radix_find(&m->radix, key), there ? m->in[rank] : NULL);
    radix_first(&m->radix, &at);
    walk(m, at, 0);
    radix_last(&m->radix, &at);
    walk(m, at, m->count);
}

static void check_all(struct model *m)
{
    struct radix_cursor at;
    radix_check(&m->radix);
    assert_int_equal(radix_count(&m->radix), m->count);
    assert_in_range(radix_nodes(&m->radix), m->count + 1, m->count * 2 + 1);
    radix_first(&m->radix, &at);
    for (size_t i = 0; i < m->count; i++)
        assert_ptr_equal(radix_next(&at), m->in[i]);
    assert_null(radix_next(&at));
    for (size_t i = m->count; i > 0; i--)
        assert_ptr_equal(radix_prev(&at), m->in[i - 1]);
    assert_null(radix_prev(&at));
}

/* The records from a rank on leave the tree for one of their own, and come back at once. */
static void part_and_join(struct model *m)
{
    size_t from = rand_below(&m->rand, m->count + 1);
    struct radix high;
    radix_init(&high, key_of);
    for (size_t i = from; i < m->count; i++) {
        assert_ptr_equal(radix_remove(&m->radix, key_of(m->in[i])), m->in[i]);
        assert_true(radix_insert(&high, m->in[i]));
    }
    if (from > 0 && from < m->count) { /* it is no order the other way round, or with one in both */
        assert_false(radix_join(&high, &m->radix));
        assert_true(radix_insert(&m->radix, m->in[from]));
        assert_false(radix_join(&m->radix, &high));
        assert_ptr_equal(radix_remove(&m->radix, key_of(m->in[from])), m->in[from]);
    }
    assert_true(radix_join(&m->radix, &high));
    assert_int_equal(radix_count(&high), 0);
    assert_int_equal(radix_bytes(&high), 0);
    check_all(m);
}

static void drive(struct model *m, size_t goal, size_t operations)
{
    for (size_t i = 0; i < operations; i++) {
        if (rand_below(&m->rand, 100) < (m->count < goal ? 80u : 20u) || m->count == 0)
            insert(m);
        else
            drop(m);
        if (rand_below(&m->rand, 4) == 0)
            seek(m);
        if (rand_below(&m->rand, 300) == 0)
            radix_check(&m->radix);
    }
    check_all(m);
}

static void count_visit(void *item, void *ctx)
{
    mem_free(item);
    ++*(size_t *)ctx;
}

static void one_round(uint64_t seed, enum kind kind, size_t scale)
{
    struct model m = {.kind = kind, .ms = UINT64_C(1700000000000)};
    size_t seen = 0;
    rand_seed(&m.rand, seed);
    radix_init(&m.radix, key_of);
    check_all(&m);
    drive(&m, scale, scale * 2);
    drive(&m, scale / 50, scale * 2);
    for (int i = 0; i < 20; i++)
        part_and_join(&m);
    drive(&m, scale / 2, scale);
    for (int i = 0; i < 5; i++)
        part_and_join(&m);
    if (seed % 2)
        while (m.count > 0)
            drop(&m);
    check_all(&m);
    while (radix_clear_step(&m.radix, 1 + rand_below(&m.rand, 30), count_visit, &seen))
        assert_int_equal(radix_count(&m.radix), m.count - seen);
    assert_int_equal(seen, m.count);
    assert_int_equal(radix_nodes(&m.radix), 1);
    assert_int_equal(radix_bytes(&m.radix), 0);
    mem_free(m.in);
}

static void test_against_model(void **state)
{
    uint64_t seed = seed_base();
    print_message("SPILLWAY_SEED=%llu\n", (unsigned long long)seed);
    for (unsigned i = 0; i < rounds(3); i++)
        for (enum kind kind = 0; kind < KINDS; kind++) {
            one_round(seed + i, kind, 50);
            one_round(seed + i + 1, kind, 3000);
        }
}

/* What the header promises of memory. */
static void test_memory(void **state)
{
    enum { COUNT = 200000 };
    struct item *items = mem_zalloc(COUNT * sizeof *items);
    struct radix r;
    radix_init(&r, key_of);
    for (size_t i = 0; i < COUNT; i++) {
        put_id(&items[i], UINT64_C(1700000000000) + i, 0);
        assert_true(radix_insert(&r, &items[i]));
    }
    assert_in_range(radix_bytes(&r), COUNT * 9, COUNT * 11);
    radix_clear(&r, NULL, NULL);
    assert_int_equal(radix_bytes(&r), 0);
    mem_free(items);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_against_model),
                                       cmocka_unit_test(test_memory)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
