/* What a stream costs: bytes an entry and a pending entry, nanoseconds per operation.
 *
 * Usage: bench_stream [entries]. Without an argument it stays under ten seconds. Entries have one
 * small field, or three; ids are as a clock gives them, several within some milliseconds.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/mem.h"
#include "base/rand.h"
#include "value/stream.h"

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

struct ids {
    struct stream_id *at;
    size_t count;
};

static struct stream *filled(size_t n, size_t parts, struct ids *ids, double *ns)
{
    struct stream *s = stream_new();
    struct rand rand;
    uint64_t ms = UINT64_C(1700000000000), sum = 0;
    rand_seed(&rand, 1);
    ids->at = mem_alloc(n * sizeof *ids->at);
    ids->count = n;
    uint64_t begin = cpu_ns();
    for (size_t i = 0; i < n; i++) {
        char value[16];
        int len = snprintf(value, sizeof value, "%zu", i);
        struct slice pairs[] = {SLICE("sensor"),      slice_of(value, (size_t)len),
                                SLICE("temperature"), SLICE("19.4"),
                                SLICE("state"),       SLICE("ok")};
        ms += rand_below(&rand, 3) == 0;
        if (!stream_next_id(s, ms, &ids->at[i]))
            abort();
        sum += stream_add(s, &value_limits_default, ids->at[i], pairs, parts);
    }
    *ns = ns_per(begin, n);
    if (sum != n * STREAM_ADDED)
        printf("lost entries\n");
    return s;
}

static double reading(const struct stream *s)
{
    struct stream_iterator it;
    struct stream_entry entry;
    size_t bytes = 0;
    uint64_t begin = cpu_ns();
    stream_seek(s, STREAM_ID_MIN, STREAM_ID_MAX, false, &it);
    while (stream_next(&it, &entry)) {
        for (size_t i = 0; i < entry.pairs; i++) {
            struct slice field, value;
            stream_pair(&it, &field, &value);
            bytes += field.len + value.len;
        }
    }
    if (bytes == 0)
        printf("lost entries\n");
    return ns_per(begin, s->length);
}

static double finding(const struct stream *s, const struct ids *ids, size_t rounds)
{
    struct rand rand;
    size_t found = 0;
    rand_seed(&rand, 2);
    uint64_t begin = cpu_ns();
    for (size_t i = 0; i < rounds; i++)
        found += stream_has(s, ids->at[rand_below(&rand, ids->count)]);
    if (found != rounds)
        printf("lost entries\n");
    return ns_per(begin, rounds);
}

static void pending(struct stream *s, const struct ids *ids)
{
    struct stream_group *g = stream_group_create(s, SLICE("group"), STREAM_ID_MIN, STREAM_UNKNOWN);
    struct stream_consumer *c = stream_consumer_create(g, SLICE("consumer"), 0);
    size_t before = mem_used(), gone = 0;
    uint64_t begin = cpu_ns();
    for (size_t i = 0; i < ids->count; i++)
        stream_deliver(g, c, ids->at[i], 1);
    double deliver = ns_per(begin, ids->count);
    double bytes = (double)(mem_used() - before) / (double)ids->count;
    begin = cpu_ns();
    for (size_t i = 0; i < ids->count; i++)
        gone += stream_acknowledge(g, ids->at[i]);
    printf("pending: %.1f bytes; ns: deliver %.0f, acknowledge %.0f\n", bytes, deliver,
           ns_per(begin, ids->count));
    if (gone != ids->count)
        printf("lost pending entries\n");
}

static void measure(size_t n, size_t parts)
{
    struct ids ids;
    double add;
    size_t before = mem_used();
    struct stream *s = filled(n, parts, &ids, &add);
    size_t bytes = mem_used() - before - mem_usable(ids.at);
    printf("%zu entries of %zu pairs, %zu nodes: %.1f bytes each (said: %.1f); ns: add %.0f, ", n,
           parts / 2, radix_count(&s->nodes), (double)bytes / (double)n,
           (double)value_memory(stream_value(s), 0) / (double)n, add);
    printf("read %.0f, find %.0f\n", reading(s), finding(s, &ids, 300000));
    pending(s, &ids);
    struct stream_trim all = {.max_length = 0};
    uint64_t begin = cpu_ns();
    uint64_t gone = stream_trim(s, &all);
    printf("trim %.1f ns an entry\n", ns_per(begin, gone));
    value_free(stream_value(s));
    mem_free(ids.at);
}

int main(int argc, char **argv)
{
    size_t n = argc > 1 ? strtoull(argv[1], NULL, 0) : 1000000;
    mem_thread_join();
    measure(n, 2);
    measure(n, 6);
    return 0;
}
