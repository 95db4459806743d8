/* What listpacks and intsets cost: nanoseconds for each operation, and bytes of small hashes in
 * blocks of their own and in cells.
 *
 * Usage: bench_listpack [rounds]. Without arguments it stays under ten seconds.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/rand.h"
#include "struct/cells.h"
#include "struct/intset.h"
#include "struct/listpack.h"

static uint64_t sink;

static void report(const char *name, uint64_t since, size_t n)
{
    printf("%-46s %8.1f ns\n", name, (double)(clock_mono_ns() - since) / (double)n);
}

static struct slice field_name(char room[32], unsigned i)
{
    return slice_of(room, (size_t)snprintf(room, 32, "field%u", i));
}

static struct slice field_value(char room[32], unsigned i)
{
    return i % 2 ? slice_of(room, (size_t)snprintf(room, 32, "%u", i * 1000))
                 : slice_of(room, (size_t)snprintf(room, 32, "value-%u-abc", i));
}

static unsigned char *hash_of(unsigned fields)
{
    char name[32], value[32];
    unsigned char *lp = listpack_new(0);
    for (unsigned i = 0; i < fields; i++) {
        listpack_append(&lp, field_name(name, i));
        listpack_append(&lp, field_value(value, i));
    }
    return lp;
}

static void bench_chunk(size_t rounds, size_t chunk_bytes)
{
    struct slice value = SLICE("an element of 24 bytes ..");
    size_t appended = 0;
    uint64_t since = clock_mono_ns();
    char name[64];
    for (size_t r = 0; r < rounds; r++) {
        unsigned char *lp = listpack_new(0);
        for (; listpack_bytes(lp) < chunk_bytes; appended++)
            listpack_append(&lp, value);
        listpack_free(lp);
    }
    snprintf(name, sizeof name, "append until %zu bytes", chunk_bytes);
    report(name, since, appended);

    unsigned char *lp = listpack_new(0);
    while (listpack_bytes(lp) < chunk_bytes)
        listpack_append(&lp, value);
    size_t count = listpack_count(lp), moves = rounds * 50;
    since = clock_mono_ns();
    for (size_t i = 0; i < moves; i++) {
        listpack_append(&lp, value);
        listpack_delete(&lp, LISTPACK_HEAD);
    }
    report("  append and delete the first", since, moves);
    since = clock_mono_ns();
    for (size_t i = 0; i < moves; i++) {
        listpack_prepend(&lp, value);
        listpack_delete(&lp, listpack_last(lp));
    }
    report("  prepend and delete the last", since, moves);
    since = clock_mono_ns();
    for (size_t r = 0; r < rounds; r++)
        for (uint32_t at = listpack_first(lp); at; at = listpack_next(lp, at)) {
            char room[LISTPACK_TEXT];
            sink += listpack_text(lp, at, room).len;
        }
    report("  walk, each element", since, rounds * count);
    since = clock_mono_ns();
    for (size_t r = 0; r < rounds; r++)
        sink += listpack_seek(lp, (int64_t)count / 2);
    report("  seek to the middle", since, rounds);
    listpack_free(lp);
}

static void bench_hash(size_t rounds, unsigned fields)
{
    unsigned char *lp = hash_of(fields);
    struct slice names[512];
    static char room[512][32];
    char name[64], value[32];
    for (unsigned i = 0; i < fields; i++)
        names[i] = field_name(room[i], i);
    rounds *= 16;
    uint64_t since = clock_mono_ns();
    for (size_t r = 0; r < rounds; r++)
        sink += listpack_find(lp, listpack_first(lp), names[r % fields], 1);
    snprintf(name, sizeof name, "find in a hash of %u fields", fields);
    report(name, since, rounds);
    since = clock_mono_ns();
    for (size_t r = 0; r < rounds; r++) {
        uint32_t at = listpack_find(lp, listpack_first(lp), names[r % fields], 1);
        listpack_replace(&lp, listpack_next(lp, at), field_value(value, (unsigned)r % 1000));
    }
    report("  find and replace", since, rounds);
    listpack_free(lp);
}

static void bench_intset(size_t rounds, unsigned count)
{
    unsigned char *set = intset_new();
    char name[64];
    for (unsigned i = 0; i < count; i++)
        intset_add(&set, (int64_t)i * 7);
    rounds *= 16;
    uint64_t since = clock_mono_ns();
    for (size_t r = 0; r < rounds; r++)
        sink += intset_find(set, (int64_t)(r * 31 % (count * 7)), NULL);
    snprintf(name, sizeof name, "find in an intset of %u", count);
    report(name, since, rounds);
    since = clock_mono_ns();
    for (size_t r = 0; r < rounds; r++) {
        int64_t value = (int64_t)(r * 31 % count) * 7 + 3;
        intset_add(&set, value);
        intset_remove(&set, value);
    }
    report("  add and remove", since, rounds);
    intset_free(set);
}

/* Hashes of 8 fields, built field by field. */
static void bench_memory(size_t hashes)
{
    unsigned char **list = mem_alloc(hashes * sizeof *list);
    struct cells *cells = cells_new();
    struct cells_stats stats;
    size_t bytes = 0, used = mem_used();
    for (size_t i = 0; i < hashes; i++) {
        list[i] = hash_of(8);
        bytes += listpack_bytes(list[i]);
    }
    used = mem_used() - used;
    printf("hash of 8 fields: %.1f bytes, %.1f in a block", (double)bytes / (double)hashes,
           (double)used / (double)hashes);
    for (size_t i = 0; i < hashes; i++) {
        size_t size = listpack_bytes(list[i]);
        memcpy(cells_alloc(cells, size), list[i], size);
        listpack_free(list[i]);
    }
    cells_stats(cells, &stats);
    printf(", %.1f in cells\n", (double)stats.held_bytes / (double)hashes);
    cells_free_all(cells);
    mem_free(list);
}

int main(int argc, char **argv)
{
    size_t rounds = argc > 1 ? strtoul(argv[1], NULL, 0) : 20000;
    mem_thread_join();
    bench_chunk(rounds, 512);
    bench_chunk(rounds, 8192);
    bench_hash(rounds, 8);
    bench_hash(rounds, 128);
    bench_hash(rounds / 4, 512);
    bench_intset(rounds, 16);
    bench_intset(rounds, 512);
    bench_memory(100000);
    return sink == 1;
}
