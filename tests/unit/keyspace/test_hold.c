/* test_hold.c - shard locks: all or nothing, and never two holders of one shard. */
#include "world.h"
#include <pthread.h>
#include "base/clock.h"

static void test_try_is_all_or_nothing(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, EVICT_NONE);
    struct hold other = w.hold;
    hold_take(&w.hold, UINT64_C(1) << 7 | UINT64_C(1) << 63);
    assert_true(w.hold.mask == (UINT64_C(1) << 7 | UINT64_C(1) << 63));
    assert_false(hold_try(&other, HOLD_ALL));
    assert_true(other.mask == 0);
    assert_false(hold_try(&other, UINT64_C(1) << 63));
    assert_true(hold_try(&other, HOLD_ALL & ~w.hold.mask)); /* nothing was left behind */
    hold_drop(&other);
    hold_drop(&w.hold);
    assert_true(w.hold.mask == 0);
    assert_true(hold_try(&other, HOLD_ALL));
    hold_drop(&other);
    hold_take(&other, 0); /* a command without keys */
    hold_drop(&other);
    world_close(&w);
}

#define THREADS 4
#define ROUNDS  2000

struct taker {
    struct world *world;
    unsigned index;
    uint64_t *counts; /* [SHARD_COUNT]; shard lock */
};

static void *take_many(void *arg)
{
    struct taker *t = arg;
    struct hold hold = {.keyspace = t->world->ks};
    struct rand r;
    rand_seed(&r, t->index + 1);
    for (unsigned i = 0; i < ROUNDS; i++) {
        uint64_t mask = rand_next(&r) & rand_next(&r) & rand_next(&r);
        if (i % 100 == 0)
            mask = HOLD_ALL;
        if (i % 3 != 0)
            hold_take(&hold, mask);
        else if (!hold_try(&hold, mask))
            continue;
        for (unsigned s = 0; s < SHARD_COUNT; s++)
            if (mask >> s & 1)
                t->counts[s]++;
        hold_drop(&hold);
    }
    return NULL;
}

static void test_holders_exclude_each_other(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, EVICT_NONE);
    uint64_t counts[SHARD_COUNT] = {0};
    pthread_t threads[THREADS];
    struct taker takers[THREADS];
    for (unsigned i = 0; i < THREADS; i++) {
        takers[i] = (struct taker){&w, i, counts};
        assert_int_equal(pthread_create(&threads[i], NULL, take_many, &takers[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_true(counts[0] > ROUNDS / 100 * THREADS / 2);
    world_close(&w);
}

/* Takes a shard again and again, giving way, until somebody else got it. */
static void *hog(void *arg)
{
    struct taker *t = arg;
    struct hold hold = {.keyspace = t->world->ks};
    for (bool other = false; !other;) {
        hold_take(&hold, 1);
        other = t->counts[0] != 0;
        t->counts[1]++;
        for (uint64_t until = clock_mono_us() + 50; clock_mono_us() < until;)
            ;
        hold_give_way(&hold);
        assert_true(hold.mask == 0);
    }
    return NULL;
}

static void test_giving_way(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, EVICT_NONE);
    uint64_t counts[SHARD_COUNT] = {0};
    struct taker taker = {&w, 0, counts};
    pthread_t thread;
    hold_take(&w.hold, 1);
    assert_int_equal(pthread_create(&thread, NULL, hog, &taker), 0);
    hold_drop(&w.hold);
    for (bool begun = false; !begun;) { /* whoever waits gets it every time */
        hold_take(&w.hold, 1);
        begun = counts[1] != 0;
        counts[0] = begun;
        hold_drop(&w.hold);
    }
    pthread_join(thread, NULL);
    assert_true(hold_try(&w.hold, HOLD_ALL));
    hold_drop(&w.hold);
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_try_is_all_or_nothing),
        cmocka_unit_test(test_holders_exclude_each_other),
        cmocka_unit_test(test_giving_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
