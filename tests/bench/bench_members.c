/* What a large collection costs: resident bytes per member, nanoseconds per operation, and how
 * long it takes to free it.
 *
 * Usage: bench_members [members]. Without arguments (a million) it takes some ten seconds. Names
 * are 8 to 16 bytes, values 16.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/rand.h"
#include "struct/members.h"

struct name {
    char text[17];
    uint8_t length;
};

static struct name *names_new(size_t n)
{
    struct name *names = mem_alloc(n * sizeof(*names));
    struct rand rand;
    rand_seed(&rand, 1);
    for (size_t i = 0; i < n; i++) {
        names[i].length = (uint8_t)(8 + rand_below(&rand, 9));
        snprintf(names[i].text, sizeof(names[i].text), "%07zx", i);
        for (unsigned at = 7; at < names[i].length; at++)
            names[i].text[at] = (char)('a' + rand_below(&rand, 26));
    }
    return names;
}

static struct slice name_of(const struct name *name)
{
    return slice_of(name->text, name->length);
}

static double ns_per(uint64_t since, size_t n)
{
    return (double)(clock_mono_ns() - since) / (double)n;
}

static void add(struct members *m, const struct name *name)
{
    bool added;
    struct member *r = NULL;
    if (members_kind(m) == MEMBERS_SET)
        r = members_add(m, name_of(name), &added);
    else if (members_kind(m) == MEMBERS_HASH)
        r = members_add_value(m, name_of(name), SLICE("sixteen bytes..."), &added);
    else
        r = members_add_score(m, name_of(name), (double)name->length, &added);
    if (!r || !added)
        exit(1);
}

static void ignore(struct member *r, void *ctx)
{
    ++*(size_t *)ctx;
}

/* Frees it in steps; prints the total and the longest step. */
static void free_in_steps(struct members *m)
{
    uint64_t begin = clock_mono_ns(), last = begin, longest = 0, steps = 0;
    for (bool done = false; !done; steps++) {
        done = members_free_step(m, 4096);
        uint64_t now = clock_mono_ns();
        longest = MAX_OF(longest, now - last);
        last = now;
    }
    printf("             freed in %llu steps: %.2f ms, longest %.0f us\n",
           (unsigned long long)steps, (double)(last - begin) / 1e6, (double)longest / 1e3);
}

/* One collection of n. */
static void one(enum members_kind kind, const struct name *names, size_t n)
{
    static const char *const KIND[] = {"set", "hash", "zset"};
    size_t before = mem_rss();
    struct members *m = members_new(kind, 12345);
    uint64_t begin = clock_mono_ns(), last = begin, worst = 0;
    for (size_t i = 0; i < n; i++) {
        add(m, &names[i]);
        uint64_t now = clock_mono_ns();
        worst = MAX_OF(worst, now - last);
        last = now;
    }
    double insert = ns_per(begin, n);
    double resident = (double)(mem_rss() - before) / (double)n;
    size_t rounds = MIN_OF(n, 1000000), found = 0, visited = 0;
    struct rand rand;
    rand_seed(&rand, 7);
    begin = clock_mono_ns();
    for (size_t i = 0; i < rounds; i++)
        found += members_find(m, name_of(&names[rand_below(&rand, n)])) != NULL;
    double find = ns_per(begin, rounds);
    begin = clock_mono_ns();
    for (size_t i = 0; i < rounds; i++)
        found += members_random(m, rand_next(&rand)) != NULL;
    double random = ns_per(begin, rounds);
    begin = clock_mono_ns();
    members_scan(m, 0, SIZE_MAX, SIZE_MAX, ignore, &visited);
    double walk = ns_per(begin, n);
    if (found != rounds * 2 || visited != n)
        exit(1);
    printf("%9zu %-4s: %5.1f bytes each, %5.1f resident, idle %.1f; add %.0f ns (worst %.0f us), "
           "find %.0f, random %.0f, walk %.1f\n",
           n, KIND[kind], (double)members_bytes(m) / (double)n, resident,
           (double)members_idle(m) / (double)n, insert, (double)worst / 1e3, find, random, walk);
    if (n >= 100000) {
        free_in_steps(m);
        return;
    }
    begin = clock_mono_ns();
    for (size_t i = 0; i < n; i++)
        members_remove_name(m, name_of(&names[i]));
    printf("             removed one by one: %.0f ns each\n", ns_per(begin, n));
    members_free(m);
}

/* Many collections of n each: what one costs, all in all. */
static void many(enum members_kind kind, const struct name *names, size_t n, size_t total)
{
    size_t count = total / n, before = mem_rss(), used = mem_used(), bytes = 0, idle = 0;
    struct members **all = mem_alloc(count * sizeof(struct members *));
    for (size_t i = 0; i < count; i++) {
        all[i] = members_new(kind, i);
        for (size_t k = 0; k < n; k++)
            add(all[i], &names[i * n + k]);
        bytes += members_bytes(all[i]);
        idle += members_idle(all[i]);
    }
    printf("%6zu of %6zu: %6.1f bytes each, %6.1f resident, %6.1f allocated, %5.1f idle\n", count,
           n, (double)bytes / (double)total, (double)(mem_rss() - before) / (double)total,
           (double)(mem_used() - used) / (double)total, (double)idle / (double)total);
    uint64_t begin = clock_mono_ns();
    for (size_t i = 0; i < count; i++)
        members_free(all[i]);
    printf("             freed: %.1f us each\n", ns_per(begin, count) / 1e3);
    mem_free(all);
    mem_purge();
}

int main(int argc, char **argv)
{
    size_t max = argc > 1 ? strtoull(argv[1], NULL, 0) : 1000000;
    mem_thread_join();
    struct name *names = names_new(max);
    for (size_t n = 1000; n <= max; n *= 10)
        for (unsigned kind = MEMBERS_SET; kind <= MEMBERS_ZSET; kind++) {
            one((enum members_kind)kind, names, n);
            mem_purge();
        }
    static const size_t SIZES[] = {1, 3, 10, 130, 600, 1500, 2000, 2500, 3000, 5000, 20000};
    for (size_t i = 0; i < COUNT_OF(SIZES); i++)
        many(MEMBERS_SET, names, SIZES[i], max / SIZES[i] * SIZES[i]);
    mem_free(names);
    mem_thread_leave();
    return 0;
}
