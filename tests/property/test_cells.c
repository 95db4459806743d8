/* The record heap against a model: records keep their bytes, never overlap, and the numbers add up.
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
#include "struct/cells.h"

#define RECORDS 20000

struct record {
    unsigned char *data;
    uint16_t size;
    unsigned char fill;
};

struct model {
    struct cells *cells;
    struct record *records;
    size_t count, bytes;
    size_t low, high; /* sizes of the run */
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

static void check_record(const struct record *r)
{
    for (size_t i = 0; i < r->size; i++)
        if (r->data[i] != (unsigned char)(r->fill + i))
            fail_msg("byte %zu of a record of %u has changed", i, r->size);
}

static void add(struct model *m)
{
    if (m->count == RECORDS)
        return;
    struct record *r = &m->records[m->count++];
    r->size = (uint16_t)(m->low + rand_below(&m->rand, m->high - m->low + 1));
    r->fill = (unsigned char)rand_next(&m->rand);
    r->data = cells_alloc(m->cells, r->size);
    assert_int_equal((uintptr_t)r->data % 4, 0);
    for (size_t i = 0; i < r->size; i++)
        r->data[i] = (unsigned char)(r->fill + i);
    m->bytes += cells_class_size(r->size);
}

static void take(struct model *m)
{
    struct record *r = &m->records[rand_below(&m->rand, m->count)];
    check_record(r);
    m->bytes -= cells_class_size(r->size);
    /* Any size of the class will do. */
    size_t size = r->size;
    if (size < CELLS_MAX && cells_class_size(size + 1) == cells_class_size(size))
        size++;
    cells_free(m->cells, r->data, size);
    *r = m->records[--m->count];
}

static void check_stats(struct model *m)
{
    struct cells_stats stats;
    cells_stats(m->cells, &stats);
    assert_int_equal(stats.records, m->count);
    assert_int_equal(stats.live_bytes, m->bytes);
    assert_true(stats.held_bytes >= stats.live_bytes);
}

static int by_address(const void *a, const void *b)
{
    const struct record *x = a, *y = b;
    return x->data < y->data ? -1 : x->data > y->data;
}

static void check_all(struct model *m)
{
    check_stats(m);
    qsort(m->records, m->count, sizeof(*m->records), by_address);
    for (size_t i = 0; i < m->count; i++) {
        check_record(&m->records[i]);
        if (i > 0) {
            struct record *before = &m->records[i - 1];
            assert_true(before->data + cells_class_size(before->size) <= m->records[i].data);
        }
    }
}

/* Lets the number of records wander to `goal`. */
static void drive(struct model *m, size_t goal, size_t operations)
{
    for (size_t i = 0; i < operations; i++) {
        if (rand_below(&m->rand, 100) < (m->count < goal ? 85u : 15u) || m->count == 0)
            add(m);
        else
            take(m);
    }
    check_all(m);
}

static void one_round(uint64_t seed)
{
    static const size_t ranges[][2] = {{1, CELLS_MAX}, {124, 124}, {1, 8}, {100, 140}, {250, 300}};
    struct model m = {.cells = cells_new()};
    m.records = mem_alloc(RECORDS * sizeof(*m.records));
    rand_seed(&m.rand, seed);
    for (unsigned phase = 0; phase < 12; phase++) {
        const size_t *range = ranges[rand_below(&m.rand, COUNT_OF(ranges))];
        m.low = range[0], m.high = range[1];
        size_t goal = rand_below(&m.rand, 3) == 0 ? 0 : rand_below(&m.rand, RECORDS);
        drive(&m, goal, 8000);
        if (rand_below(&m.rand, 6) == 0) {
            cells_reset(m.cells);
            m.count = m.bytes = 0;
            check_stats(&m);
        }
    }
    while (m.count > 0)
        take(&m);
    check_stats(&m);
    struct cells_stats stats;
    cells_stats(m.cells, &stats);
    assert_true(stats.held_bytes < 70000); /* no more than a chunk and the head */
    drive(&m, 100, 100);
    cells_free_all(m.cells);
    mem_free(m.records);
}

static void test_against_model(void **state)
{
    uint64_t seed = seed_base();
    print_message("SPILLWAY_SEED=%llu\n", (unsigned long long)seed);
    for (unsigned i = 0; i < rounds(10); i++)
        one_round(seed + i);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_against_model)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
