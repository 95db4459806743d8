/* The record heap: size classes, limits, what records cost, and that memory goes back. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#endif

#include "base/mem.h"
#include "struct/cells.h"

static size_t held(struct cells *cells)
{
    struct cells_stats stats;
    cells_stats(cells, &stats);
    return stats.held_bytes;
}

static void test_classes(void **state)
{
    size_t before = 0;
    for (size_t size = 1; size <= CELLS_MAX; size++) {
        size_t step = size <= 128 ? 4 : size <= 256 ? 8 : 16;
        size_t rounded = (size + step - 1) / step * step;
        assert_int_equal(cells_class_size(size), rounded);
        assert_true(rounded >= before);
        before = rounded;
    }
}

static void test_every_size(void **state)
{
    struct cells *cells = cells_new();
    unsigned char *records[CELLS_MAX + 1];
    for (size_t size = 1; size <= CELLS_MAX; size++) {
        records[size] = cells_alloc(cells, size);
        memset(records[size], (int)size, size);
    }
    for (size_t size = 1; size <= CELLS_MAX; size++) {
        assert_int_equal(records[size][0], size & 0xFF);
        assert_int_equal(records[size][size - 1], size & 0xFF);
        cells_free(cells, records[size], size);
    }
    struct cells_stats stats;
    cells_stats(cells, &stats);
    assert_int_equal(stats.records, 0);
    assert_int_equal(stats.live_bytes, 0);
    cells_free_all(cells);
}

static void test_last_freed_is_next(void **state)
{
    struct cells *cells = cells_new();
    void *a = cells_alloc(cells, 60), *b = cells_alloc(cells, 60);
    assert_ptr_not_equal(a, b);
    cells_free(cells, a, 60);
    assert_ptr_equal(cells_alloc(cells, 57), a);
    cells_free_all(cells);
}

/* What n records of a size take in all, per record, in thousandths of a byte. */
static size_t cost(size_t n, size_t size)
{
    struct cells *cells = cells_new();
    for (size_t i = 0; i < n; i++)
        cells_alloc(cells, size);
    size_t bytes = held(cells) * 1000 / n;
    cells_free_all(cells);
    return bytes;
}

static void test_cost_at_scale(void **state)
{
    assert_true(cost(1000000, 124) < 125500);
    static const size_t sizes[] = {16, 40, 64, 100, 128, 200, 256};
    for (size_t i = 0; i < COUNT_OF(sizes); i++)
        assert_true(cost(500000, sizes[i]) < sizes[i] * 1010);
    assert_true(cost(200000, 512) < 512 * 1020);
}

static void test_cost_when_small(void **state)
{
    assert_true(cost(1, 40) < 70000 * 1000);
    assert_true(cost(100, 40) < 700 * 1000);
    assert_true(cost(1000, 100) < 200 * 1000);
}

static void test_memory_goes_back(void **state)
{
    struct cells *cells = cells_new();
    enum { N = 50000 };
    void **records = mem_alloc(N * sizeof(*records));
    for (size_t i = 0; i < N; i++)
        records[i] = cells_alloc(cells, 80 + i % 40);
    size_t full = held(cells);
    for (size_t i = 0; i < N; i++)
        cells_free(cells, records[i], 80 + i % 40);
    assert_true(full > N * 80);
    assert_true(held(cells) < 70000);
    mem_free(records);
    cells_free_all(cells);
}

/* Also while much is still in use; and a class that had much begins small again. */
static void test_memory_follows_use(void **state)
{
    struct cells *cells = cells_new();
    enum { N = 50000 };
    void **records = mem_alloc(N * sizeof(*records));
    for (size_t i = 0; i < N; i++)
        records[i] = cells_alloc(cells, 100);
    size_t full = held(cells);
    for (size_t i = 0; i < N / 2; i++)
        cells_free(cells, records[i], 100);
    assert_true(held(cells) < full * 6 / 10);
    for (size_t i = N / 2; i < N; i++)
        cells_free(cells, records[i], 100);
    cells_alloc(cells, 100);
    assert_true(held(cells) < 70000);
    mem_free(records);
    cells_free_all(cells);
}

static void test_reset(void **state)
{
    struct cells *cells = cells_new();
    size_t empty = held(cells);
    for (size_t i = 0; i < 5000; i++)
        memset(cells_alloc(cells, 1 + i % CELLS_MAX), 7, 1 + i % CELLS_MAX);
    cells_reset(cells);
    assert_int_equal(held(cells), empty);
    memset(cells_alloc(cells, 99), 1, 99);
    cells_free_all(cells);
    cells_free_all(NULL);
}

static void test_free_in_steps(void **state)
{
    for (size_t records = 0; records <= 3000; records += 1000) {
        struct cells *cells = cells_new();
        for (size_t i = 0; i < records; i++)
            memset(cells_alloc(cells, 500), 7, 500);
        if (records == 3000)
            for (unsigned i = 0; i < 200; i++)
                cells_free(cells, cells_alloc(cells, 90 + i), 90 + i);
        size_t chunks = held(cells) / 65536, steps = 1;
        while (!cells_free_step(cells, 3))
            steps++;
        assert_true(steps >= chunks / 3 && steps <= chunks / 3 + 1);
    }
}

static void test_freed_is_poisoned(void **state)
{
#ifdef __SANITIZE_ADDRESS__
    struct cells *cells = cells_new();
    cells_alloc(cells, 64);
    char *record = cells_alloc(cells, 64);
    assert_false(__asan_address_is_poisoned(record + 63));
    assert_true(__asan_address_is_poisoned(record + 64)); /* never handed out */
    cells_free(cells, record, 64);
    assert_true(__asan_address_is_poisoned(record));
    assert_true(__asan_address_is_poisoned(record + 63));
    cells_free_all(cells);
#else
    skip();
#endif
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_classes),
        cmocka_unit_test(test_every_size),
        cmocka_unit_test(test_last_freed_is_next),
        cmocka_unit_test(test_cost_at_scale),
        cmocka_unit_test(test_cost_when_small),
        cmocka_unit_test(test_memory_goes_back),
        cmocka_unit_test(test_memory_follows_use),
        cmocka_unit_test(test_reset),
        cmocka_unit_test(test_free_in_steps),
        cmocka_unit_test(test_freed_is_poisoned),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
