/* What the ordered index of a sorted set costs: bytes per item, nanoseconds per operation.
 *
 * Usage: bench_ranked [items]. Without an argument it stays under ten seconds. Items are records of
 * a score and a member of 12 bytes, visited in an order that caches cannot foresee. nudge: a new
 * score that leaves the order as it is; move: any new score.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "base/rand.h"
#include "struct/ranked.h"

struct item {
    double score;
    char member[16];
};

struct set {
    struct ranked *ranked;
    struct item *items, **order; /* the items, and how they are visited: at random */
    double *scores;              /* in that order: knowing an item is not its record's cost */
    size_t n;
    struct rand rand;
};

static struct slice member_of(const void *item)
{
    return slice_of(((const struct item *)item)->member, 12);
}

/* The thread's own time: what else the machine does counts only through the caches. */
static uint64_t cpu_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static double ns_per(uint64_t since, size_t n)
{
    return (double)(cpu_ns() - since) / (double)n;
}

static double bytes_each(const struct set *s)
{
    return (double)ranked_bytes(s->ranked) / (double)s->n;
}

static void scores_read(struct set *s)
{
    for (size_t i = 0; i < s->n; i++)
        s->scores[i] = s->order[i]->score;
}

/* Scores: all different, of `kinds` values. */
static struct set set_new(size_t n, uint64_t kinds)
{
    struct set s = {.n = n, .items = mem_alloc(n * sizeof(*s.items))};
    s.order = mem_alloc(n * sizeof(struct item *));
    rand_seed(&s.rand, 1);
    for (size_t i = 0; i < n; i++) {
        uint64_t random = rand_next(&s.rand) >> 12;
        s.items[i].score = (double)(kinds ? random % kinds : random);
        snprintf(s.items[i].member, sizeof(s.items[i].member), "m%011zx",
                 (size_t)(rand_next(&s.rand) & 0xFFFFFFFFFFF));
        s.order[i] = &s.items[i];
    }
    for (size_t i = n; i > 1; i--) {
        size_t j = rand_below(&s.rand, i);
        struct item *item = s.order[i - 1];
        s.order[i - 1] = s.order[j];
        s.order[j] = item;
    }
    s.scores = mem_alloc(n * sizeof(double));
    scores_read(&s);
    s.ranked = ranked_new(member_of);
    return s;
}

static void set_free(struct set *s)
{
    ranked_free(s->ranked);
    mem_free(s->items);
    mem_free(s->order);
    mem_free(s->scores);
}

static struct item *any(struct set *s)
{
    return s->order[rand_below(&s->rand, s->n)];
}

static double inserts(struct set *s)
{
    uint64_t begin = cpu_ns();
    for (size_t i = 0; i < s->n; i++)
        ranked_insert(s->ranked, s->scores[i], s->order[i]);
    return ns_per(begin, s->n);
}

static double removes(struct set *s)
{
    uint64_t begin = cpu_ns();
    for (size_t i = 0; i < s->n; i++)
        ranked_remove(s->ranked, s->order[i]->score, s->order[i]);
    return ns_per(begin, s->n);
}

static double moves(struct set *s, double by, size_t rounds)
{
    uint64_t begin = cpu_ns();
    for (size_t i = 0; i < rounds; i++) {
        struct item *item = any(s);
        double to = by > 0 ? item->score + by : (double)(rand_next(&s->rand) >> 12);
        ranked_move(s->ranked, item->score, item, to);
        item->score = to;
    }
    return ns_per(begin, rounds);
}

static double ranks(struct set *s, size_t rounds)
{
    size_t sum = 0;
    uint64_t begin = cpu_ns();
    for (size_t i = 0, k = 0; i < rounds; i++, k = k + 1 == s->n ? 0 : k + 1)
        sum += ranked_seek_item(s->ranked, s->scores[k], s->order[k], NULL);
    double ns = ns_per(begin, rounds);
    if (sum < rounds / s->n * (s->n / 2) * (s->n - 1))
        printf("lost items\n");
    return ns;
}

static double selects(struct set *s, size_t rounds)
{
    uint64_t begin = cpu_ns(), found = 0;
    for (size_t i = 0; i < rounds; i++)
        found += ranked_select(s->ranked, rand_below(&s->rand, s->n), NULL) != NULL;
    double ns = ns_per(begin, rounds);
    if (found != rounds)
        printf("lost items\n");
    return ns;
}

static double counts(struct set *s, size_t rounds)
{
    size_t sum = 0;
    uint64_t begin = cpu_ns();
    for (size_t i = 0, k = 0; i < rounds; i++, k = k + 1 == s->n ? 0 : k + 1)
        sum += ranked_seek_score(s->ranked, s->scores[k] * 1.01, true, NULL) -
               ranked_seek_score(s->ranked, s->scores[k], false, NULL);
    double ns = ns_per(begin, rounds);
    if (sum < rounds)
        printf("lost items\n");
    return ns;
}

/* Ranges of 100 by rank, reading the members. */
static double ranges(struct set *s, size_t rounds, bool backward)
{
    uint64_t begin = cpu_ns(), sum = 0;
    for (size_t i = 0; i < rounds; i++) {
        struct ranked_cursor at;
        ranked_seek_rank(s->ranked, rand_below(&s->rand, s->n - 100) + (backward ? 100 : 0), &at);
        for (unsigned k = 0; k < 100; k++) {
            double score;
            void *item;
            if (backward ? ranked_prev(&at, &score, &item) : ranked_next(&at, &score, &item))
                sum += (unsigned char)member_of(item).data[0];
        }
    }
    double ns = ns_per(begin, rounds);
    if (sum != rounds * 100 * 'm')
        printf("lost items\n");
    return ns;
}

static void random_order(size_t n, uint64_t kinds)
{
    struct set s = set_new(n, kinds);
    size_t rounds = MAX_OF(n, (size_t)200000);
    double insert = inserts(&s);
    printf("%8zu items, %-13s %5.2f bytes each; ns: insert %5.1f, ", n,
           kinds == 0   ? "all scores:"
           : kinds == 1 ? "one score:"
                        : "1000 scores:",
           bytes_each(&s), insert);
    printf("rank %5.1f, select %5.1f, count %5.1f, ", ranks(&s, rounds), selects(&s, rounds),
           counts(&s, rounds));
    printf("100 up %5.0f, down %5.0f, ", ranges(&s, rounds / 20, false),
           ranges(&s, rounds / 20, true));
    printf("nudge %5.1f, move %5.1f, ", moves(&s, 0.001, rounds), moves(&s, 0, rounds));
    printf("then %.2f bytes, ", bytes_each(&s));
    printf("remove %5.1f\n", removes(&s));
    set_free(&s);
}

static int by_score(const void *a, const void *b)
{
    const struct item *x = *(struct item *const *)a, *y = *(struct item *const *)b;
    return x->score < y->score ? -1 : x->score > y->score;
}

static void forget(double score, void *item, void *ctx)
{
    ++*(size_t *)ctx;
}

static void sorted_order(size_t n)
{
    struct set s = set_new(n, 0);
    qsort(s.order, n, sizeof(struct item *), by_score);
    scores_read(&s);
    double ns = inserts(&s), bytes = bytes_each(&s), score;
    printf("%8zu items, ascending:    %5.2f bytes each; ns: insert %5.1f, ", n, bytes, ns);
    uint64_t begin = cpu_ns();
    for (size_t i = 0; i < n; i++)
        ranked_pop_min(s.ranked, &score);
    printf("pop min %5.1f\n", ns_per(begin, n));
    for (size_t i = 0; i < n / 2; i++) {
        struct item *item = s.order[i];
        s.order[i] = s.order[n - 1 - i];
        s.order[n - 1 - i] = item;
    }
    scores_read(&s);
    ns = inserts(&s), bytes = bytes_each(&s);
    size_t removed = 0;
    begin = cpu_ns();
    ranked_remove_range(s.ranked, n / 4, n / 2, forget, &removed);
    double range = ns_per(begin, removed);
    uint64_t worst = 0, steps = 0;
    for (bool more = true; more; steps++) {
        begin = cpu_ns();
        more = ranked_free_step(s.ranked, 100, NULL, NULL);
        worst = MAX_OF(worst, cpu_ns() - begin);
    }
    printf("%8zu items, descending:   %5.2f bytes each; ns: insert %5.1f, remove half %5.1f, free "
           "by 100 leaves: worst %.1f us\n",
           n, bytes, ns, range, (double)worst / 1000);
    s.ranked = ranked_new(member_of);
    set_free(&s);
}

int main(int argc, char **argv)
{
    size_t n = argc > 1 ? strtoull(argv[1], NULL, 0) : 200000;
    mem_thread_join();
    for (size_t few = 1000; few < n; few *= 10)
        random_order(few, 0);
    random_order(n, 0);
    random_order(n, 1000);
    random_order(n, 1);
    if (argc < 2)
        random_order(1000000, 0);
    sorted_order(n);
    return 0;
}
