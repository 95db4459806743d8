/* The calendar against a model: every token comes back once, not before it is due and not a grain
 * after.
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
#include "struct/calendar.h"

#define TOKENS 30000

struct model {
    struct calendar *calendar;
    int64_t due[TOKENS]; /* by token; -1: not in the calendar */
    uint32_t idle[TOKENS];
    size_t idle_count;
    int64_t now;
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

/* A span whose magnitude is random: milliseconds to centuries. */
static int64_t span(struct model *m, unsigned max_bits)
{
    return (int64_t)rand_below(&m->rand, UINT64_C(1) << rand_below(&m->rand, max_bits + 1));
}

static void add(struct model *m)
{
    if (m->idle_count == 0 || m->now >> 42) /* the last years that the calendar knows */
        return;
    uint32_t token = m->idle[--m->idle_count];
    int64_t due = rand_below(&m->rand, 20) ? m->now + span(m, 42) : m->now - span(m, 30);
    m->due[token] = MAX_OF(due, 0);
    calendar_add(m->calendar, m->due[token], token);
}

static void check_none_missed(struct model *m)
{
    int64_t first = INT64_MAX;
    for (size_t i = 0; i < TOKENS; i++)
        if (m->due[i] >= 0)
            first = MIN_OF(first, m->due[i]);
    assert_true(first > m->now - CALENDAR_GRAIN_MS);
    int64_t next = calendar_next(m->calendar);
    assert_true(next > m->now);
    assert_true(first == INT64_MAX ? next == INT64_MAX : next < first + CALENDAR_GRAIN_MS);
}

static void give_back(struct model *m, uint64_t token)
{
    assert_true(token < TOKENS);
    assert_true(m->due[token] >= 0);
    assert_true(m->due[token] <= m->now);
    m->due[token] = -1;
    m->idle[m->idle_count++] = (uint32_t)token;
}

/* Takes what is due, perhaps not all of it. */
static void take(struct model *m, bool all)
{
    uint64_t tokens[100];
    size_t max = 1 + rand_below(&m->rand, COUNT_OF(tokens));
    bool more = true;
    while (more && (all || rand_below(&m->rand, 4) > 0)) {
        size_t n = calendar_take(m->calendar, m->now, tokens, max, &more);
        assert_true(n <= max);
        for (size_t i = 0; i < n; i++)
            give_back(m, tokens[i]);
        if (more && rand_below(&m->rand, 3) == 0)
            add(m);
    }
    assert_int_equal(calendar_count(m->calendar), TOKENS - m->idle_count);
    if (all && !more)
        check_none_missed(m);
}

static void one_round(uint64_t seed)
{
    struct model *m = mem_zalloc(sizeof(*m));
    rand_seed(&m->rand, seed);
    m->now = (int64_t)rand_below(&m->rand, UINT64_C(1) << rand_below(&m->rand, 41));
    m->calendar = calendar_new(m->now);
    for (uint32_t i = 0; i < TOKENS; i++) {
        m->due[i] = -1;
        m->idle[m->idle_count++] = i;
    }
    for (unsigned i = 0; i < 400; i++) {
        for (size_t n = rand_below(&m->rand, 500); n > 0; n--)
            add(m);
        m->now += rand_below(&m->rand, 10) ? span(m, 20) : span(m, 37);
        if (rand_below(&m->rand, 30) == 0) { /* the clock steps back for a while */
            int64_t back = span(m, 20);
            m->now = MAX_OF(m->now - back, 0);
            take(m, false);
            m->now += back;
        }
        take(m, rand_below(&m->rand, 4) == 0);
    }
    m->now += INT64_C(1) << 43;
    take(m, true);
    assert_int_equal(m->idle_count, TOKENS);
    assert_int_equal(calendar_next(m->calendar), INT64_MAX);
    calendar_free(m->calendar);
    mem_free(m);
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
