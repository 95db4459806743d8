/* The intset against a sorted array, and damaged bytes: refused or safe.
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
#include "struct/intset.h"

#define VALUES_MAX 300
#define STEPS      4000

struct model {
    int64_t list[VALUES_MAX + 1];
    uint32_t count;
    int64_t widest[2]; /* smallest and largest that was ever in it */
    unsigned char *set;
    struct rand rand;
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

/* Mostly small ones; now and then one that widens. */
static int64_t random_value(struct model *m)
{
    unsigned bits = rand_below(&m->rand, 300) ? 8 : 1 + (unsigned)rand_below(&m->rand, 64);
    uint64_t n = rand_next(&m->rand) >> (64 - bits);
    return (int64_t)(rand_below(&m->rand, 2) ? n : 0 - n);
}

static uint32_t place_of(const struct model *m, int64_t value)
{
    uint32_t at = 0;
    while (at < m->count && m->list[at] < value)
        at++;
    return at;
}

static uint32_t expected_width(const struct model *m)
{
    if (m->widest[0] < INT32_MIN || m->widest[1] > INT32_MAX)
        return 8;
    return m->widest[0] < INT16_MIN || m->widest[1] > INT16_MAX ? 4 : 2;
}

static void check(struct model *m)
{
    assert_int_equal(intset_count(m->set), m->count);
    assert_int_equal(intset_width(m->set), expected_width(m));
    assert_int_equal(intset_bytes(m->set), INTSET_HEAD + (size_t)m->count * expected_width(m));
    assert_true(mem_usable(m->set) >= intset_bytes(m->set));
    assert_int_equal(intset_validate(m->set, intset_bytes(m->set), true), m->count > 0);
    for (uint32_t i = 0; i < m->count; i++)
        assert_true(intset_get(m->set, i) == m->list[i]);
    if (m->count == 0)
        return;
    assert_true(intset_min(m->set) == m->list[0]);
    assert_true(intset_max(m->set) == m->list[m->count - 1]);
    int64_t picked = intset_pick(m->set, rand_next(&m->rand));
    assert_true(m->list[place_of(m, picked)] == picked);
}

static void step(struct model *m)
{
    int64_t value = random_value(m);
    if (m->count > 0 && rand_below(&m->rand, 3) == 0)
        value = m->list[rand_below(&m->rand, m->count)];
    uint32_t at = place_of(m, value), found;
    bool there = at < m->count && m->list[at] == value;
    assert_int_equal(intset_find(m->set, value, &found), there);
    assert_int_equal(found, at);
    if (rand_below(&m->rand, 2) && m->count < VALUES_MAX) {
        size_t bytes = intset_bytes_with(m->set, value);
        assert_int_equal(intset_add(&m->set, value), !there);
        if (!there) {
            memmove(m->list + at + 1, m->list + at, (m->count - at) * sizeof *m->list);
            m->list[at] = value;
            m->count++;
            m->widest[0] = MIN_OF(m->widest[0], value);
            m->widest[1] = MAX_OF(m->widest[1], value);
        }
        assert_int_equal(intset_bytes(m->set), bytes);
    } else {
        assert_int_equal(intset_remove(&m->set, value), there);
        if (there) {
            m->count--;
            memmove(m->list + at, m->list + at + 1, (m->count - at) * sizeof *m->list);
        }
    }
}

static void test_against_model(void **state)
{
    uint64_t seed = seed_base();
    print_message("SPILLWAY_SEED=%llu\n", (unsigned long long)seed);
    for (unsigned i = 0; i < rounds(20); i++) {
        struct model m = {.set = intset_new()};
        rand_seed(&m.rand, seed + i);
        for (unsigned s = 0; s < STEPS; s++) {
            step(&m);
            if (s % 16 == 0)
                check(&m);
        }
        check(&m);
        intset_free(m.set);
    }
}

/* A few bytes changed, or cut, in a block of exactly that size. */
static void test_damaged(void **state)
{
    uint64_t seed = seed_base();
    print_message("SPILLWAY_SEED=%llu\n", (unsigned long long)seed);
    for (unsigned i = 0; i < 5000 * rounds(20); i++) {
        struct model m = {.set = intset_new()};
        rand_seed(&m.rand, seed + i);
        for (uint64_t n = rand_below(&m.rand, 10); n > 0; n--)
            intset_add(&m.set, random_value(&m));
        size_t len = intset_bytes(m.set);
        for (uint64_t n = rand_below(&m.rand, 3); n > 0; n--)
            m.set[rand_below(&m.rand, len)] = (unsigned char)rand_below(&m.rand, 256);
        if (rand_below(&m.rand, 4) == 0)
            len = rand_below(&m.rand, len + 1);
        unsigned char *exact = mem_dup(m.set, len);
        if (intset_validate(exact, len, true)) {
            for (uint32_t n = 0; n < intset_count(exact); n++)
                assert_true(intset_find(exact, intset_get(exact, n), NULL));
            intset_add(&exact, random_value(&m));
            intset_remove(&exact, intset_min(exact));
        }
        intset_free(exact);
        intset_free(m.set);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_against_model),
                                       cmocka_unit_test(test_damaged)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
