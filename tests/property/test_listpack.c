/* The listpack against an array of strings: after every edit each element is where it should be,
 * forwards, backwards and by value; and damaged bytes are refused or safe.
 *
 * SPILLWAY_SEED chooses the run (printed), SPILLWAY_ROUNDS how many runs there are.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include "base/mem.h"
#include "base/rand.h"
#include "struct/listpack.h"

#define ELEMENTS_MAX 200
#define STEPS        1500
#define BATCH        5

struct model {
    struct slice list[ELEMENTS_MAX + BATCH]; /* owned */
    size_t count, count_max;
    unsigned char *lp;
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

static struct slice owned(struct slice s)
{
    return slice_of(mem_dup(s.data, s.len), s.len);
}

/* Integers of every width, near misses of integers, strings of every width. Few different ones, so
 * that finding finds. Owned. */
static struct slice random_value(struct model *m)
{
    static const size_t lens[] = {0, 1, 63, 64, 125, 126, 4095, 4096, 16378};
    char text[LISTPACK_TEXT + 1];
    int64_t n = (int64_t)(rand_next(&m->rand) >> rand_below(&m->rand, 64));
    size_t len = 0;
    switch (rand_below(&m->rand, 8)) {
    case 0:
    case 1:
        n = rand_below(&m->rand, 2) ? n : -n;
        return owned(slice_of(text, number_print_i64(text, n)));
    case 2:
        return owned(slice_of(text, number_print_u64(text, rand_below(&m->rand, 20))));
    case 3:
        text[0] = "0+- -"[rand_below(&m->rand, 5)];
        len = 1 + number_print_i64(text + 1, n);
        return owned(slice_of(text, len));
    case 4:
        len = lens[rand_below(&m->rand, rand_below(&m->rand, 20) ? 6 : COUNT_OF(lens))];
        break;
    default:
        len = rand_below(&m->rand, 12);
    }
    char *data = mem_alloc(len);
    for (size_t i = 0; i < len; i++)
        data[i] = (char)('0' + rand_below(&m->rand, len < 3 ? 4 : 200));
    return slice_of(data, len);
}

/* ---- the array ---- */

static void array_insert(struct model *m, size_t index, struct slice value)
{
    memmove(m->list + index + 1, m->list + index, (m->count - index) * sizeof *m->list);
    m->list[index] = value;
    m->count++;
}

static void array_remove(struct model *m, size_t index, size_t count)
{
    for (size_t i = 0; i < count; i++)
        mem_free((void *)m->list[index + i].data);
    m->count -= count;
    memmove(m->list + index, m->list + index + count, (m->count - index) * sizeof *m->list);
}

/* ---- looking ---- */

static uint32_t at_index(const struct model *m, size_t index)
{
    return index < m->count ? listpack_seek(m->lp, (int64_t)index) : 0;
}

static void check(struct model *m)
{
    char room[LISTPACK_TEXT];
    size_t i = 0, bytes = LISTPACK_EMPTY;
    assert_true(listpack_validate(m->lp, listpack_bytes(m->lp), true, NULL, NULL));
    assert_true(mem_usable(m->lp) >= listpack_bytes(m->lp));
    assert_int_equal(listpack_count(m->lp), m->count);
    for (uint32_t at = listpack_first(m->lp); at; at = listpack_next(m->lp, at), i++) {
        assert_true(i < m->count);
        assert_true(slice_eq(listpack_text(m->lp, at, room), m->list[i]));
        bytes += listpack_size_of(m->list[i]);
    }
    assert_int_equal(i, m->count);
    assert_int_equal(listpack_bytes(m->lp), bytes);
    for (uint32_t at = listpack_last(m->lp); at; at = listpack_prev(m->lp, at))
        assert_true(slice_eq(listpack_text(m->lp, at, room), m->list[--i]));
    assert_int_equal(i, 0);
}

static void look(struct model *m)
{
    int64_t index = (int64_t)rand_below(&m->rand, 2 * m->count + 3) - (int64_t)m->count - 1;
    int64_t real = index < 0 ? index + (int64_t)m->count : index;
    uint32_t at = listpack_seek(m->lp, index);
    assert_int_equal(at != 0, real >= 0 && real < (int64_t)m->count);
    if (at == 0)
        return;
    assert_true(listpack_equals(m->lp, at, m->list[real]));

    size_t from = rand_below(&m->rand, m->count), skip = rand_below(&m->rand, 3);
    struct slice value = rand_below(&m->rand, 4) ? owned(m->list[real]) : random_value(m);
    size_t expected = from;
    while (expected < m->count && !slice_eq(m->list[expected], value))
        expected += 1 + skip;
    assert_int_equal(listpack_find(m->lp, at_index(m, from), value, (uint32_t)skip),
                     at_index(m, expected));
    mem_free((void *)value.data);
}

/* ---- edits ---- */

static void add_one(struct model *m)
{
    struct slice value = random_value(m);
    size_t index = rand_below(&m->rand, m->count + 1);
    size_t size = listpack_bytes(m->lp) + listpack_size_of(value);
    uint32_t at;
    int64_t n;
    bool integer = number_parse_i64(value, &n) && rand_below(&m->rand, 2);
    switch (rand_below(&m->rand, 4)) {
    case 0:
        index = m->count;
        at = integer ? listpack_append_integer(&m->lp, n) : listpack_append(&m->lp, value);
        break;
    case 1:
        index = 0;
        at = integer ? listpack_prepend_integer(&m->lp, n) : listpack_prepend(&m->lp, value);
        break;
    case 2:
        if (m->count > 0) {
            index = 1 + rand_below(&m->rand, m->count);
            at = listpack_insert_after(&m->lp, at_index(m, index - 1), value);
            break;
        } /* fall through */
    default:
        at = listpack_insert_before(&m->lp, at_index(m, index), value);
    }
    array_insert(m, index, value);
    assert_int_equal(at, at_index(m, index));
    assert_int_equal(listpack_bytes(m->lp), size);
}

static void replace_one(struct model *m)
{
    size_t index = rand_below(&m->rand, m->count + 1);
    uint32_t at = at_index(m, index);
    int64_t n;
    if (at == 0)
        return;
    struct slice value = random_value(m);
    if (number_parse_i64(value, &n) && rand_below(&m->rand, 2))
        listpack_replace_integer(&m->lp, at, n);
    else
        listpack_replace(&m->lp, at, value);
    mem_free((void *)m->list[index].data);
    m->list[index] = value;
    assert_int_equal(at, at_index(m, index));
}

static void delete_some(struct model *m)
{
    size_t index = rand_below(&m->rand, m->count + 1), count = rand_below(&m->rand, 8);
    size_t gone = MIN_OF(count, m->count - index);
    uint32_t at = at_index(m, index), followed;
    if (at && rand_below(&m->rand, 3) == 0) {
        gone = 1;
        followed = listpack_delete(&m->lp, at);
    } else if (rand_below(&m->rand, 2)) {
        int64_t from_end = (int64_t)index - (int64_t)m->count;
        bool back = from_end < 0 && rand_below(&m->rand, 2);
        assert_int_equal(listpack_delete_range(&m->lp, back ? from_end : (int64_t)index, count),
                         gone);
        array_remove(m, index, gone);
        return;
    } else {
        followed = listpack_delete_many(&m->lp, at, count);
    }
    array_remove(m, index, gone);
    assert_int_equal(followed, at_index(m, index));
}

/* By listpack_splice, or in a block of our own that has exactly the size that was said. */
static void splice(struct model *m)
{
    struct slice values[BATCH];
    size_t index = rand_below(&m->rand, m->count + 1);
    size_t removed = rand_below(&m->rand, 5), added = rand_below(&m->rand, BATCH + 1);
    uint32_t at = at_index(m, index), answer;
    for (size_t i = 0; i < added; i++)
        values[i] = random_value(m);
    size_t size = listpack_splice_size(m->lp, at, removed, values, added);
    if (rand_below(&m->rand, 2)) {
        answer = listpack_splice(&m->lp, at, removed, values, added);
    } else {
        unsigned char *copy = mem_alloc(MAX_OF(size, listpack_bytes(m->lp)));
        memcpy(copy, m->lp, listpack_bytes(m->lp));
        listpack_free(m->lp);
        m->lp = copy;
        answer = listpack_splice_in(m->lp, at, removed, values, added);
    }
    assert_int_equal(listpack_bytes(m->lp), size);
    array_remove(m, index, MIN_OF(removed, m->count - index));
    for (size_t i = 0; i < added; i++)
        array_insert(m, index + i, values[i]);
    assert_int_equal(answer, at_index(m, index));
}

/* Splits anywhere and puts the halves together again, in either order. */
static void turn(struct model *m)
{
    size_t index = rand_below(&m->rand, m->count + 1);
    bool in_front = rand_below(&m->rand, 2);
    unsigned char *tail = listpack_split(&m->lp, at_index(m, index));
    assert_int_equal(listpack_count(m->lp), index);
    assert_int_equal(listpack_count(tail), m->count - index);
    listpack_merge(&m->lp, tail, in_front);
    listpack_free(tail);
    if (in_front) {
        struct slice old[ELEMENTS_MAX + BATCH];
        memcpy(old, m->list, sizeof old);
        for (size_t i = 0; i < m->count; i++)
            m->list[i] = old[(index + i) % m->count];
    }
}

static void step(struct model *m)
{
    switch (rand_below(&m->rand, 10)) {
    case 0:
    case 1:
        replace_one(m);
        break;
    case 2:
    case 3:
        delete_some(m);
        break;
    case 4:
        splice(m);
        break;
    case 5:
        turn(m);
        break;
    default:
        add_one(m);
    }
    if (m->count > m->count_max) {
        size_t left = rand_below(&m->rand, m->count_max);
        listpack_delete_range(&m->lp, (int64_t)left, SIZE_MAX);
        array_remove(m, left, m->count - left);
    }
}

static void one_round(uint64_t seed)
{
    struct model *m = mem_zalloc(sizeof *m);
    rand_seed(&m->rand, seed);
    m->count_max = 1 + rand_below(&m->rand, ELEMENTS_MAX);
    m->lp = listpack_new(rand_below(&m->rand, 2) ? 0 : 1000);
    for (unsigned i = 0; i < STEPS; i++) {
        step(m);
        look(m);
        check(m);
    }
    array_remove(m, 0, m->count);
    listpack_free(m->lp);
    mem_free(m);
}

static void test_against_model(void **state)
{
    uint64_t seed = seed_base();
    print_message("SPILLWAY_SEED=%llu\n", (unsigned long long)seed);
    for (unsigned i = 0; i < rounds(8); i++)
        one_round(seed + i);
}

/* ---- damaged bytes ---- */

static void read_and_edit(const unsigned char *bytes)
{
    unsigned char *lp = listpack_copy(bytes);
    char room[LISTPACK_TEXT];
    size_t count = 0;
    for (uint32_t at = listpack_first(lp); at; at = listpack_next(lp, at), count++)
        assert_true(listpack_equals(lp, at, listpack_text(lp, at, room)));
    assert_int_equal(count, listpack_count(lp));
    listpack_append(&lp, SLICE("end"));
    listpack_prepend(&lp, SLICE("12345"));
    listpack_delete_range(&lp, (int64_t)count / 2, 2);
    assert_true(listpack_validate(lp, listpack_bytes(lp), true, NULL, NULL));
    assert_int_equal(listpack_count(lp), count + 2 - MIN_OF(2, count + 2 - count / 2));
    listpack_free(lp);
}

/* A few bytes changed, or cut, in a block of exactly that size. */
static void test_damaged(void **state)
{
    uint64_t seed = seed_base();
    print_message("SPILLWAY_SEED=%llu\n", (unsigned long long)seed);
    for (unsigned i = 0; i < 3000 * rounds(8); i++) {
        struct model m = {0};
        rand_seed(&m.rand, seed + i);
        m.lp = listpack_new(0);
        for (size_t n = rand_below(&m.rand, 12); n > 0; n--) {
            struct slice value = random_value(&m);
            listpack_append(&m.lp, value);
            mem_free((void *)value.data);
        }
        size_t len = listpack_bytes(m.lp);
        for (size_t n = rand_below(&m.rand, 4); n > 0; n--) {
            unsigned char *byte = m.lp + rand_below(&m.rand, len);
            *byte = (unsigned char)(rand_below(&m.rand, 2) ? rand_next(&m.rand) : *byte + 1u);
        }
        if (rand_below(&m.rand, 4) == 0)
            len = rand_below(&m.rand, len + 1);
        unsigned char *exact = mem_dup(m.lp, len);
        if (listpack_validate(exact, len, true, NULL, NULL))
            read_and_edit(exact);
        mem_free(exact);
        listpack_free(m.lp);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_against_model),
                                       cmocka_unit_test(test_damaged)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
