/* What the table costs: bytes per item over the growth curve, nanoseconds per insert, find and
 * walk.
 *
 * Usage: bench_table [max-items-per-table] [tables]. Without arguments it stays under ten seconds.
 * Items are 64 bytes (a small entry), keys 8; hashing an item means reading its line, as in the
 * keyspace.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/rand.h"
#include "struct/table.h"

struct item {
    uint64_t key;
    uint64_t value[7];
};

static uint64_t hash_of(const void *item, void *ctx)
{
    return hash_bytes(&((const struct item *)item)->key, sizeof(uint64_t), 12345);
}

static uint64_t hash_key(uint64_t key)
{
    return hash_bytes(&key, sizeof(key), 12345);
}

static bool matches(const void *item, const void *key, void *ctx)
{
    return ((const struct item *)item)->key == *(const uint64_t *)key;
}

static double ns_per(uint64_t since, size_t n)
{
    return (double)(clock_mono_ns() - since) / (double)n;
}

/* Whether the item is in its bucket's own line. */
static bool is_near(const struct table *t, const struct item *item)
{
    const struct table_bucket *b = table_home(t, hash_key(item->key));
    for (unsigned i = 0; i < TABLE_SLOTS; i++)
        if (table_slot_item(b->slots[i]) == item)
            return true;
    return false;
}

/* Mean, lowest and highest bytes per item while one table grows between two counts. */
static void curve(struct item *items, size_t from, size_t to)
{
    struct table *t = table_new(hash_of, NULL);
    double sum = 0, low = 1e9, high = 0;
    size_t near = 0;
    for (size_t i = 0; i < to; i++) {
        table_insert(t, hash_key(items[i].key), &items[i]);
        if (i < from)
            continue;
        double bytes = (double)table_bytes(t) / (double)(i + 1);
        sum += bytes;
        low = bytes < low ? bytes : low;
        high = bytes > high ? bytes : high;
    }
    for (size_t i = 0; i < to; i++)
        near += is_near(t, &items[i]);
    printf("%9zu .. %9zu items: %6.2f bytes per item (%.2f .. %.2f), %.0f %% in chains\n", from, to,
           sum / (double)(to - from), low, high, 100 - 100.0 * (double)near / (double)to);
    table_free(t);
}

/* How long `n` inserts and the slowest of them take in one table. */
static void growth(struct item *items, size_t n)
{
    struct table *t = table_new(hash_of, NULL);
    uint64_t worst = 0, over = 0, begin = clock_mono_ns(), last = begin;
    for (size_t i = 0; i < n; i++) {
        table_insert(t, hash_key(items[i].key), &items[i]);
        uint64_t now = clock_mono_ns();
        worst = now - last > worst ? now - last : worst;
        over += now - last > 20000;
        last = now;
    }
    printf("%9zu inserts: %6.1f ns each, worst %.1f us, %zu over 20 us\n", n, ns_per(begin, n),
           (double)worst / 1000, (size_t)over);
    begin = clock_mono_ns();
    for (size_t i = 0; i < n; i++)
        table_remove(t, hash_key(items[i].key), &items[i]);
    printf("%9zu removes: %6.1f ns each\n", n, ns_per(begin, n));
    table_free(t);
}

/* Random finds over many tables, one by one and in batches of 64 with the sweep of a batch. */
static void finds(struct item *items, size_t n, size_t tables, bool warm)
{
    struct table **t = mem_alloc(tables * sizeof(*t));
    for (size_t i = 0; i < tables; i++)
        t[i] = table_new(hash_of, NULL);
    uint64_t begin = clock_mono_ns();
    for (size_t i = 0; i < n; i++) {
        uint64_t hash = hash_key(items[i].key);
        table_insert(t[hash >> 58 & (tables - 1)], hash, &items[i]);
    }
    double insert = ns_per(begin, n);
    size_t bytes = 0, found = 0, rounds = warm ? 2000000 : 1000000;
    for (size_t i = 0; i < tables; i++)
        bytes += table_bytes(t[i]);
    struct rand rand;
    rand_seed(&rand, 7);
    double times[3];
    for (unsigned kind = 0; kind < 3; kind++) {
        begin = clock_mono_ns();
        for (size_t i = 0; i < rounds / 64; i++) {
            uint64_t keys[64], hashes[64];
            for (unsigned k = 0; k < 64; k++) {
                keys[k] = items[rand_below(&rand, n)].key + (kind == 1 ? UINT64_C(1) << 63 : 0);
                hashes[k] = hash_key(keys[k]);
            }
            for (unsigned k = 0; kind == 2 && k < 64; k++)
                table_prefetch_bucket(t[hashes[k] >> 58 & (tables - 1)], hashes[k]);
            for (unsigned k = 0; kind == 2 && k < 64; k++)
                PREFETCH(table_candidate_place(
                    table_candidate(t[hashes[k] >> 58 & (tables - 1)], hashes[k])));
            for (unsigned k = 0; k < 64; k++)
                found += table_find(t[hashes[k] >> 58 & (tables - 1)], hashes[k], matches, &keys[k],
                                    NULL) != NULL;
        }
        times[kind] = ns_per(begin, rounds / 64 * 64);
    }
    printf("%9zu items in %2zu: %5.2f bytes each, insert %5.1f ns, hit %5.1f ns, miss %5.1f ns, "
           "hit in a batch %5.1f ns\n",
           n, tables, (double)bytes / (double)n, insert, times[0], times[1], times[2]);
    if (found != rounds / 64 * 64 * 2)
        printf("lost items: %zu of %zu\n", found, rounds / 64 * 64 * 2);
    for (size_t i = 0; i < tables; i++)
        table_free(t[i]);
    mem_free(t);
}

static void ignore(void *item, void *ctx)
{
    ++*(size_t *)ctx;
}

static void walk(struct item *items, size_t n)
{
    struct table *t = table_new(hash_of, NULL);
    for (size_t i = 0; i < n; i++)
        table_insert(t, hash_key(items[i].key), &items[i]);
    size_t visited = 0;
    uint64_t begin = clock_mono_ns(), at = 0;
    while (at < TABLE_END)
        at = table_scan(t, at, 10, 100, ignore, &visited);
    printf("%9zu items: walk in steps of 10: %.1f ns per item\n", n, ns_per(begin, visited));
    table_free(t);
}

int main(int argc, char **argv)
{
    size_t max = argc > 1 ? strtoull(argv[1], NULL, 0) : 1000000;
    size_t tables = argc > 2 ? strtoull(argv[2], NULL, 0) : 64;
    struct item *items = mem_alloc(max * sizeof(*items));
    struct rand rand;
    rand_seed(&rand, 1);
    for (size_t i = 0; i < max; i++)
        items[i] = (struct item){.key = rand_next(&rand) >> 1};
    for (size_t n = 100; n < max; n *= 10)
        curve(items, n, MIN_OF(n * 10, max));
    curve(items, 10000, 20000);
    for (size_t n = 10000; n <= max; n *= 10)
        growth(items, n);
    for (size_t n = 10000; n < max; n *= 10)
        finds(items, n, tables, n < 100000);
    finds(items, max, tables, false);
    walk(items, MIN_OF(max, 1000000));
    mem_free(items);
    return 0;
}
