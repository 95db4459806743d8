/* test_evict.c - who is evicted under each of the eight policies. SPILLWAY_SEED repeats a run. */
#include "world.h"

#define KEYS 4000

/* Evicts so many keys; fails if that is not possible. */
static void evict(struct world *w, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        size_t freed = keyspace_evict(&w->hold, &w->random, 1, 1, REMOVED_EVICTED);
        assert_true(freed > 8 && freed < 200);
    }
    assert_int_equal(w->stats.evicted, w->evicted);
}

static struct entry *find_number(struct world *w, const char *prefix, unsigned i)
{
    char name[32];
    snprintf(name, sizeof name, "%s%u", prefix, i);
    return world_find(w, name, FIND_PEEK);
}

/* How many of the keys [from, to) are left. */
static unsigned left_between(struct world *w, const char *prefix, unsigned from, unsigned to)
{
    unsigned left = 0;
    for (unsigned i = from; i < to; i++)
        left += find_number(w, prefix, i) != NULL;
    return left;
}

static void test_nothing_to_evict(void **state)
{
    (void)state;
    for (int policy = EVICT_VOLATILE_LRU; policy <= EVICT_NONE; policy++) {
        struct world w;
        world_open(&w, policy);
        assert_int_equal(keyspace_evict(&w.hold, &w.random, 1, 100, REMOVED_EVICTED), 0);
        world_fill(&w, 0, "k", 1000, EXPIRE_NONE);
        bool takes = policy >= EVICT_ALLKEYS_LRU && policy != EVICT_NONE;
        size_t freed = keyspace_evict(&w.hold, &w.random, SIZE_MAX, 10, REMOVED_EVICTED_DISK);
        assert_int_equal(freed != 0, takes);
        assert_int_equal(keyspace_size(w.ks, 0), takes ? 990 : 1000);
        assert_int_equal(w.stats.evicted_disk, takes ? 10 : 0);
        assert_int_equal(w.stats.evicted, 0);
        world_close(&w);
    }
}

static void test_until_all_are_gone(void **state)
{
    (void)state;
    for (int policy = EVICT_VOLATILE_LRU; policy < EVICT_NONE; policy++) {
        struct world w;
        world_open(&w, policy);
        world_fill(&w, 0, "k", 500, WORLD_NOW + 100000);
        world_fill(&w, 3, "k", 300, WORLD_NOW + 100000);
        assert_true(keyspace_evict(&w.hold, &w.random, SIZE_MAX, 10000, REMOVED_EVICTED) > 8000);
        assert_int_equal(w.evicted, 800);
        assert_int_equal(keyspace_evict(&w.hold, &w.random, 1, 100, REMOVED_EVICTED), 0);
        world_close(&w);
    }
}

static void test_bytes_and_tries_bound_it(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, EVICT_ALLKEYS_RANDOM);
    world_fill(&w, 0, "k", 1000, EXPIRE_NONE);
    assert_true(keyspace_evict(&w.hold, &w.random, 0, 100, REMOVED_EVICTED) == 0);
    assert_int_equal(w.evicted, 0);
    size_t freed = keyspace_evict(&w.hold, &w.random, 300, 100, REMOVED_EVICTED);
    assert_in_range(freed, 300, 400);
    assert_true(w.evicted < 20);
    static char big[100000];
    world_set_in(&w, 1, SLICE("big"), slice_of(big, sizeof big), EXPIRE_NONE);
    while (keyspace_size(w.ks, 1) != 0)
        freed = keyspace_evict(&w.hold, &w.random, 1, 1, REMOVED_EVICTED);
    assert_true(freed > sizeof big); /* blobs count */
    world_close(&w);
}

/* A tenth of the keys is evicted; nearly all of them come from the worse half, most from the
 * worst. */
static void check_quality(struct world *w, const char *prefix)
{
    evict(w, KEYS / 10);
    assert_int_equal(left_between(w, prefix, 0, KEYS), KEYS - KEYS / 10);
    assert_true(left_between(w, prefix, 0, KEYS / 4) < KEYS / 4 - KEYS / 10 * 9 / 10);
    assert_true(left_between(w, prefix, KEYS / 2, KEYS) >= KEYS / 2 - KEYS / 1000);
}

static void test_lru_takes_the_idle(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct world w;
        world_open(&w, i == 0 ? EVICT_ALLKEYS_LRU : EVICT_VOLATILE_LRU);
        world_fill(&w, 0, "k", KEYS, WORLD_NOW + 1000000);
        for (unsigned k = 0; k < KEYS; k++)
            keyspace_set_idle(&w.hold, find_number(&w, "k", k), KEYS - k);
        check_quality(&w, "k");
        world_close(&w);
    }
}

/* What another worker has touched in the second that has just begun for it is not idle for us. */
static void test_lru_spares_what_is_touched_now(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, EVICT_ALLKEYS_LRU);
    world_fill(&w, 0, "k", 1000, EXPIRE_NONE);
    w.hold.now_ms += 10000;
    world_fill(&w, 0, "hot", 1000, EXPIRE_NONE);
    w.hold.now_ms -= 1000;
    evict(&w, 300);
    assert_true(world_left(&w, 0, "hot", 1000) > 980); /* a sample may hold hot keys only */
    world_close(&w);
}

static void test_lfu_takes_the_rare(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct world w;
        world_open(&w, i == 0 ? EVICT_ALLKEYS_LFU : EVICT_VOLATILE_LFU);
        world_fill(&w, 0, "k", KEYS, WORLD_NOW + 1000000);
        for (unsigned k = 0; k < KEYS; k++)
            keyspace_set_frequency(&w.hold, find_number(&w, "k", k), (uint8_t)(k / 20));
        check_quality(&w, "k");
        world_close(&w);
    }
}

static void test_ttl_takes_what_is_due_first(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, EVICT_VOLATILE_TTL);
    char name[32];
    for (unsigned k = 0; k < KEYS; k++) {
        snprintf(name, sizeof name, "k%u", k);
        world_set(&w, name, "v",
                  k == KEYS - 1 ? INT64_MAX : WORLD_NOW + 100000 + (int64_t)k * 10000);
    }
    world_fill(&w, 0, "persistent", 1000, EXPIRE_NONE);
    check_quality(&w, "k");
    assert_int_equal(world_left(&w, 0, "persistent", 1000), 1000);
    world_close(&w);
}

static void test_random_takes_any(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct world w;
        world_open(&w, i == 0 ? EVICT_ALLKEYS_RANDOM : EVICT_VOLATILE_RANDOM);
        world_fill(&w, 0, "k", KEYS, WORLD_NOW + 1000000);
        evict(&w, KEYS / 2);
        for (unsigned part = 0; part < 4; part++) /* 500 of each 1000, deviation 16 */
            assert_in_range(left_between(&w, "k", part * KEYS / 4, (part + 1) * KEYS / 4), 400,
                            600);
        world_close(&w);
    }
}

static void test_databases_by_their_share(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, EVICT_ALLKEYS_RANDOM);
    world_fill(&w, 1, "k", 6000, EXPIRE_NONE);
    world_fill(&w, 3, "k", 2000, EXPIRE_NONE);
    evict(&w, 800);
    assert_in_range(keyspace_size(w.ks, 1), 6000 - 700, 6000 - 500);
    world_close(&w);
}

/* Few keys in few shards: each as likely. */
static void test_few_keys(void **state)
{
    (void)state;
    unsigned first[4] = {0};
    for (unsigned round = 0; round < 400; round++) {
        struct world w;
        world_open(&w, EVICT_ALLKEYS_RANDOM);
        rand_seed(&w.random, round);
        world_fill(&w, 0, "k", 4, EXPIRE_NONE);
        evict(&w, 1);
        for (unsigned i = 0; i < 4; i++)
            first[i] += find_number(&w, "k", i) == NULL;
        world_close(&w);
    }
    for (unsigned i = 0; i < 4; i++)
        assert_in_range(first[i], 60, 140);
}

static void test_volatile_policies_spare_the_persistent(void **state)
{
    (void)state;
    for (int policy = EVICT_VOLATILE_LRU; policy <= EVICT_VOLATILE_RANDOM; policy++) {
        struct world w;
        world_open(&w, policy);
        world_fill(&w, 0, "persistent", 3000, EXPIRE_NONE);
        world_fill(&w, 0, "volatile", 1000, WORLD_NOW + 100000);
        evict(&w, 1000);
        assert_int_equal(keyspace_evict(&w.hold, &w.random, 1, 1, REMOVED_EVICTED), 0);
        assert_int_equal(world_left(&w, 0, "persistent", 3000), 3000);
        assert_int_equal(keyspace_expires(w.ks, 0), 0);
        world_close(&w);
    }
}

/* A handful of volatile keys among very many is found every time. */
static void test_rare_volatile_keys_are_found(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, EVICT_VOLATILE_LRU);
    world_fill(&w, 0, "persistent", MANY_NAMES, EXPIRE_NONE);
    for (unsigned round = 0; round < 50; round++) {
        world_fill(&w, 0, "rare", 3, WORLD_NOW + 1000 * (int64_t)(round + 1) * (round + 1));
        evict(&w, 3);
        assert_int_equal(keyspace_evict(&w.hold, &w.random, 1, 1, REMOVED_EVICTED), 0);
    }
    assert_int_equal(keyspace_size(w.ks, 0), MANY_NAMES);
    world_close(&w);
}

/* What is evicted leaves its token behind; the others are found all the same. */
static void test_rare_volatile_keys_go_to_the_last(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, EVICT_VOLATILE_TTL);
    world_fill(&w, 0, "persistent", MANY_NAMES, EXPIRE_NONE);
    world_fill(&w, 0, "rare", 2000, WORLD_NOW + INT64_C(100000000));
    evict(&w, 2000);
    assert_int_equal(keyspace_size(w.ks, 0), MANY_NAMES);
    assert_int_equal(keyspace_evict(&w.hold, &w.random, 1, 1, REMOVED_EVICTED), 0);
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_to_evict),
        cmocka_unit_test(test_until_all_are_gone),
        cmocka_unit_test(test_bytes_and_tries_bound_it),
        cmocka_unit_test(test_lru_takes_the_idle),
        cmocka_unit_test(test_lru_spares_what_is_touched_now),
        cmocka_unit_test(test_lfu_takes_the_rare),
        cmocka_unit_test(test_ttl_takes_what_is_due_first),
        cmocka_unit_test(test_random_takes_any),
        cmocka_unit_test(test_databases_by_their_share),
        cmocka_unit_test(test_few_keys),
        cmocka_unit_test(test_volatile_policies_spare_the_persistent),
        cmocka_unit_test(test_rare_volatile_keys_are_found),
        cmocka_unit_test(test_rare_volatile_keys_go_to_the_last),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
