/* test_recency.c - the LRU and LFU clocks of entries: what moves them, their wraps, clocks that
 * differ. */
#include "world.h"

#define SECOND   INT64_C(1000)
#define MINUTE   (60 * SECOND)
#define LRU_WRAP (SECOND << 24)
#define LFU_WRAP (MINUTE << 16)

static uint64_t idle(struct world *w, const char *name)
{
    return keyspace_idle_s(&w->hold, world_find(w, name, FIND_PEEK));
}

static unsigned frequency(struct world *w, const char *name)
{
    return keyspace_frequency(&w->hold, world_find(w, name, FIND_PEEK));
}

static void test_lru_is_moved_by_touching(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, EVICT_ALLKEYS_LRU);
    world_set(&w, "k", "v", EXPIRE_NONE);
    assert_int_equal(idle(&w, "k"), 0);
    w.hold.now_ms += 10 * SECOND;
    assert_int_equal(idle(&w, "k"), 10);
    world_find(&w, "k", FIND_COUNT);
    assert_int_equal(idle(&w, "k"), 10);
    w.hold.flags = HOLD_NO_TOUCH;
    world_find(&w, "k", FIND_READ);
    world_set(&w, "k", "another value, of another size", EXPIRE_NONE);
    assert_int_equal(idle(&w, "k"), 10);
    w.hold.flags = 0;
    world_expire(&w, "k", WORLD_NOW + 1000 * SECOND);
    assert_int_equal(idle(&w, "k"), 10);
    world_find(&w, "k", FIND_READ);
    assert_int_equal(idle(&w, "k"), 0);
    w.hold.now_ms += 5 * SECOND;
    world_set(&w, "k", "v", EXPIRE_NONE);
    assert_int_equal(idle(&w, "k"), 0);
    world_close(&w);
}

static void test_lru_at_its_wrap(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, EVICT_ALLKEYS_LRU);
    /* 24 bits of seconds are full at multiples of this. */
    w.hold.now_ms = (WORLD_NOW / LRU_WRAP + 1) * LRU_WRAP - 3 * SECOND;
    world_set(&w, "k", "v", EXPIRE_NONE);
    for (unsigned i = 0; i < 10; i++) {
        assert_int_equal(idle(&w, "k"), i);
        w.hold.now_ms += SECOND;
    }
    world_find(&w, "k", FIND_READ);
    assert_int_equal(idle(&w, "k"), 0);
    w.hold.now_ms += LRU_WRAP / 2;
    assert_int_equal(idle(&w, "k"), 1 << 23);
    world_close(&w);
}

/* Another worker whose clock was read earlier, or a wall clock set back: touched just now. */
static void test_lru_touched_in_our_future(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, EVICT_ALLKEYS_LRU);
    world_set(&w, "k", "v", EXPIRE_NONE);
    for (int64_t ahead = SECOND; ahead <= 3600 * SECOND; ahead *= 2) {
        w.hold.now_ms = WORLD_NOW - ahead;
        assert_int_equal(idle(&w, "k"), 0);
    }
    world_close(&w);
}

static void test_idle_time_can_be_set(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, EVICT_ALLKEYS_LRU);
    struct entry *e = world_set(&w, "k", "v", EXPIRE_NONE);
    const uint64_t most = 0xffffff - 3600;
    keyspace_set_idle(&w.hold, e, 1000);
    assert_int_equal(idle(&w, "k"), 1000);
    keyspace_set_idle(&w.hold, e, most);
    assert_int_equal(idle(&w, "k"), most);
    keyspace_set_idle(&w.hold, e, most + 1); /* never young again by being too old */
    assert_int_equal(idle(&w, "k"), most);
    keyspace_set_idle(&w.hold, e, UINT64_MAX);
    assert_int_equal(idle(&w, "k"), most);
    world_close(&w);
}

static void test_lfu_begins_at_five_and_decays(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, EVICT_ALLKEYS_LFU);
    struct entry *e = world_set(&w, "k", "v", EXPIRE_NONE);
    assert_int_equal(frequency(&w, "k"), 5);
    keyspace_set_frequency(&w.hold, e, 100);
    for (unsigned i = 0; i <= 110; i++) {
        assert_int_equal(frequency(&w, "k"), i < 100 ? 100 - i : 0);
        w.hold.now_ms += MINUTE;
    }
    keyspace_options(w.ks)->lfu_decay_minutes = 10;
    keyspace_set_frequency(&w.hold, e, 100);
    w.hold.now_ms += 99 * MINUTE;
    assert_int_equal(frequency(&w, "k"), 91);
    keyspace_options(w.ks)->lfu_decay_minutes = 0; /* never */
    assert_int_equal(frequency(&w, "k"), 100);
    world_close(&w);
}

static void test_lfu_at_its_wrap(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, EVICT_ALLKEYS_LFU);
    w.hold.now_ms = (WORLD_NOW / LFU_WRAP + 1) * LFU_WRAP - 3 * MINUTE;
    keyspace_set_frequency(&w.hold, world_set(&w, "k", "v", EXPIRE_NONE), 200);
    for (unsigned i = 0; i < 10; i++) {
        assert_int_equal(frequency(&w, "k"), 200 - i);
        w.hold.now_ms += MINUTE;
    }
    world_close(&w);
}

static void test_lfu_touched_in_our_future(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, EVICT_ALLKEYS_LFU);
    keyspace_set_frequency(&w.hold, world_set(&w, "k", "v", EXPIRE_NONE), 200);
    w.hold.now_ms -= MINUTE;
    assert_int_equal(frequency(&w, "k"), 200);
    world_find(&w, "k", FIND_READ); /* must not be forgotten by a touch either */
    assert_true(frequency(&w, "k") >= 200);
    world_close(&w);
}

/* The counter is the key's: writing the key again is one more access, whatever the value's size. */
static void test_lfu_survives_overwriting(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, EVICT_ALLKEYS_LFU);
    keyspace_set_frequency(&w.hold, world_set(&w, "k", "v", EXPIRE_NONE), 250);
    static char big[5000];
    world_set(&w, "k", "w", EXPIRE_NONE);
    world_set(&w, "k", "a value of another size", EXPIRE_NONE);
    world_set(&w, "k", "v", WORLD_NOW + MINUTE);
    world_set_in(&w, 0, SLICE("k"), slice_of(big, sizeof big), EXPIRE_NONE);
    world_set(&w, "k", "v", EXPIRE_NONE);
    assert_in_range(frequency(&w, "k"), 250, 252);
    world_close(&w);
}

/* Counted hits against the expectation of Morris's counter: with factor 10 about 18 after 100
 * hits, 142 after 100,000 (the table of redis.conf says 10 and 142), in one turn of a worker
 * too. */
static void test_lfu_counts_logarithmically(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, EVICT_ALLKEYS_LFU);
    for (unsigned turn = 0; turn < 2; turn++) {
        uint64_t sum_100 = 0, sum_10000 = 0;
        const unsigned keys = 20;
        for (unsigned k = 0; k < keys; k++) {
            char name[16];
            snprintf(name, sizeof name, "%u:%u", turn, k);
            world_set(&w, name, "v", EXPIRE_NONE);
            for (unsigned i = 0; i < 10000; i++) {
                world_find(&w, name, FIND_READ);
                sum_100 += i == 99 ? frequency(&w, name) : 0;
                w.hold.now_ms += turn; /* 0: a pipeline within one millisecond */
            }
            w.hold.now_ms = WORLD_NOW;
            sum_10000 += frequency(&w, name);
        }
        assert_in_range(sum_100 / keys, 8, 12);
        assert_in_range(sum_10000 / keys, 40, 56);
    }
    struct entry *e = world_set(&w, "top", "v", EXPIRE_NONE);
    keyspace_set_frequency(&w.hold, e, 255);
    world_find(&w, "top", FIND_READ);
    assert_int_equal(frequency(&w, "top"), 255);
    keyspace_options(w.ks)->lfu_log_factor = 0; /* every access counts */
    keyspace_set_frequency(&w.hold, e, 100);
    for (unsigned i = 0; i < 200; i++)
        world_find(&w, "top", FIND_READ);
    assert_int_equal(frequency(&w, "top"), 255);
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lru_is_moved_by_touching),
        cmocka_unit_test(test_lru_at_its_wrap),
        cmocka_unit_test(test_lru_touched_in_our_future),
        cmocka_unit_test(test_idle_time_can_be_set),
        cmocka_unit_test(test_lfu_begins_at_five_and_decays),
        cmocka_unit_test(test_lfu_at_its_wrap),
        cmocka_unit_test(test_lfu_touched_in_our_future),
        cmocka_unit_test(test_lfu_survives_overwriting),
        cmocka_unit_test(test_lfu_counts_logarithmically),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
