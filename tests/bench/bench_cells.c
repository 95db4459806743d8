/* What records cost in cells and straight from the allocator: bytes (counted and resident) and
 * time.
 *
 * Usage: bench_cells [max-records] [heaps]. Without arguments it stays under ten seconds.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/rand.h"
#include "struct/cells.h"

struct bench {
    struct cells **heaps; /* NULL: the system allocator */
    size_t count, records;
    void **record;
    uint16_t *size;
};

static void *take(struct bench *b, size_t i)
{
    return b->heaps ? cells_alloc(b->heaps[i & (b->count - 1)], b->size[i]) : mem_alloc(b->size[i]);
}

static void give(struct bench *b, size_t i)
{
    if (b->heaps)
        cells_free(b->heaps[i & (b->count - 1)], b->record[i], b->size[i]);
    else
        mem_free_sized(b->record[i], b->size[i]);
}

static double ns_per(uint64_t since, size_t n)
{
    return (double)(clock_mono_ns() - since) / (double)n;
}

static size_t held_bytes(const struct bench *b)
{
    size_t sum = 0;
    for (size_t i = 0; i < b->count; i++) {
        struct cells_stats stats;
        cells_stats(b->heaps[i], &stats);
        sum += stats.held_bytes;
    }
    return sum;
}

static void run(struct bench *b, const char *name, size_t low, size_t high)
{
    struct rand rand;
    rand_seed(&rand, 5);
    size_t n = b->records, asked = 0, used = mem_used(), rss = mem_rss();
    uint64_t begin = clock_mono_ns();
    for (size_t i = 0; i < n; i++) {
        b->size[i] = (uint16_t)(low + rand_below(&rand, high - low + 1));
        asked += b->size[i];
        b->record[i] = take(b, i);
        memset(b->record[i], 1, b->size[i]);
    }
    double fill = ns_per(begin, n);
    size_t bytes = b->heaps ? held_bytes(b) : mem_used() - used;
    double resident = (double)(mem_rss() - rss) / (double)n;
    size_t churns = MIN_OF(n, 500000);
    begin = clock_mono_ns();
    for (size_t i = 0; i < churns; i++) { /* an overwrite: the new record first */
        size_t at = rand_below(&rand, n), size = low + rand_below(&rand, high - low + 1);
        struct bench old = *b;
        void *before = b->record[at];
        uint16_t before_size = b->size[at];
        b->size[at] = (uint16_t)size;
        void *now = take(b, at);
        memset(now, 1, size);
        b->size[at] = before_size;
        old.record[at] = before;
        give(&old, at);
        b->size[at] = (uint16_t)size;
        b->record[at] = now;
    }
    double churn = ns_per(begin, churns);
    begin = clock_mono_ns();
    for (size_t i = 0; i < n; i++)
        give(b, i);
    printf("%-9s %8zu records of %3zu..%3zu: %6.1f bytes asked, %6.1f held, %6.1f resident; "
           "fill %5.1f ns, overwrite %5.1f ns, free %5.1f ns\n",
           name, n, low, high, (double)asked / (double)n, (double)bytes / (double)n, resident, fill,
           churn, ns_per(begin, n));
    mem_purge();
}

int main(int argc, char **argv)
{
    size_t max = argc > 1 ? strtoull(argv[1], NULL, 0) : 1000000;
    size_t heaps = argc > 2 ? strtoull(argv[2], NULL, 0) : 64;
    static const size_t ranges[][2] = {{124, 124}, {40, 40}, {60, 120}, {16, 500}};
    mem_thread_join();
    for (size_t k = 0; k < COUNT_OF(ranges); k++)
        for (size_t n = 10000; n <= max; n *= 10) {
            struct bench b = {.count = heaps, .records = n};
            b.record = mem_zalloc(n * sizeof(*b.record));
            b.size = mem_zalloc(n * sizeof(*b.size));
            memset(b.record, 1, n * sizeof(*b.record)); /* resident before we measure */
            memset(b.size, 1, n * sizeof(*b.size));
            run(&b, "allocator", ranges[k][0], ranges[k][1]);
            b.heaps = mem_alloc(heaps * sizeof(*b.heaps));
            for (size_t i = 0; i < heaps; i++)
                b.heaps[i] = cells_new();
            run(&b, "cells", ranges[k][0], ranges[k][1]);
            for (size_t i = 0; i < heaps; i++)
                cells_free_all(b.heaps[i]);
            mem_free(b.heaps);
            mem_free(b.record);
            mem_free(b.size);
        }
    mem_thread_leave();
    return 0;
}
