/* test_expire.c - active expiry: due times added, postponed, brought forward and removed; stale
 * tokens. */
#include "world.h"
#include "keyspace/shard.h"

static void expire_all(struct world *w)
{
    while (keyspace_expire_slice(&w->hold, 1))
        ;
}

static void upkeep_all(struct world *w)
{
    while (keyspace_upkeep_slice(&w->hold, 1))
        ;
}

static size_t tokens(struct world *w)
{
    size_t sum = 0;
    for (unsigned i = 0; i < SHARD_COUNT; i++)
        for (unsigned d = 0; d < WORLD_DBS; d++)
            if (w->ks->shards[i].dbs[d].due != NULL)
                sum += calendar_count(w->ks->shards[i].dbs[d].due);
    return sum;
}

static void test_due_keys_go(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, EVICT_NONE);
    world_fill(&w, 0, "a", 500, WORLD_NOW + 1000);
    world_fill(&w, 2, "b", 500, WORLD_NOW + 5000);
    world_fill(&w, 0, "c", 500, EXPIRE_NONE);
    expire_all(&w);
    assert_int_equal(w.removed, 0);
    w.hold.now_ms += 1000; /* is still there at its very time */
    expire_all(&w);
    assert_int_equal(keyspace_size(w.ks, 0), 1000);
    w.hold.now_ms += CALENDAR_GRAIN_MS + 1;
    expire_all(&w);
    assert_int_equal(w.removed, 500);
    assert_int_equal(w.stats.expired, 500);
    assert_int_equal(keyspace_size(w.ks, 0), 500);
    assert_int_equal(keyspace_expires(w.ks, 0), 0);
    assert_int_equal(keyspace_size(w.ks, 2), 500);
    w.hold.now_ms += 5000;
    expire_all(&w);
    assert_int_equal(w.removed, 1000);
    assert_int_equal(tokens(&w), 0);
    assert_int_equal(world_left(&w, 0, "c", 500), 500);
    world_close(&w);
}

static void test_switched_off(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, EVICT_NONE);
    keyspace_options(w.ks)->active_expire = false;
    world_fill(&w, 0, "a", 100, WORLD_NOW + 10);
    w.hold.now_ms += 10000;
    expire_all(&w);
    assert_int_equal(keyspace_size(w.ks, 0), 100); /* the size counts what nobody has looked at */
    assert_int_equal(world_left(&w, 0, "a", 100), 0);
    assert_int_equal(keyspace_size(w.ks, 0), 0);
    world_close(&w);
}

static void test_extended_shortened_removed(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, EVICT_NONE);
    world_set(&w, "extended", "v", WORLD_NOW + 1000);
    world_expire(&w, "extended", WORLD_NOW + 60000);
    assert_int_equal(tokens(&w), 1); /* costs nothing */
    world_set(&w, "shortened", "v", WORLD_NOW + 60000);
    world_expire(&w, "shortened", WORLD_NOW + 1000);
    assert_int_equal(tokens(&w), 3);
    world_set(&w, "rewritten", "v", WORLD_NOW + 60000);
    world_set(&w, "rewritten", "w", WORLD_NOW + 1000);
    world_set(&w, "persistent", "v", WORLD_NOW + 1000);
    world_expire(&w, "persistent", EXPIRE_NONE);
    world_set(&w, "again", "v", WORLD_NOW + 60000);
    world_expire(&w, "again", EXPIRE_NONE);
    world_expire(&w, "again", WORLD_NOW + 1000);
    world_set(&w, "made new", "v", WORLD_NOW + 1000);
    world_remove(&w, "made new");
    world_set(&w, "made new", "v", WORLD_NOW + 60000);
    w.hold.now_ms += 2000;
    expire_all(&w);
    assert_int_equal(w.removed, 3);
    assert_null(world_find(&w, "shortened", FIND_PEEK));
    assert_null(world_find(&w, "rewritten", FIND_PEEK));
    assert_null(world_find(&w, "again", FIND_PEEK));
    assert_int_equal(w.removed, 3); /* finding them had nothing to do */
    assert_true(world_has(&w, "persistent", "v"));
    w.hold.now_ms += 60000;
    expire_all(&w);
    assert_int_equal(w.removed, 5);
    assert_int_equal(keyspace_size(w.ks, 0), 1);
    assert_true(world_has(&w, "persistent", "v"));
    world_expire(&w, "persistent", w.hold.now_ms + 1000);
    w.hold.now_ms += 2000;
    expire_all(&w);
    assert_int_equal(keyspace_size(w.ks, 0), 0);
    world_close(&w);
}

static void test_renamed_keys_are_due_too(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, EVICT_NONE);
    world_set(&w, "from", "v", WORLD_NOW + 1000);
    struct key from = world_key(&w, "from"), to = world_key(&w, "another name");
    hold_take(&w.hold, shard_bit(from.hash) | shard_bit(to.hash));
    keyspace_rename(&w.hold, &from, keyspace_find(&w.hold, &from, FIND_PEEK), &to);
    hold_drop(&w.hold);
    w.hold.now_ms += 2000;
    expire_all(&w);
    assert_string_equal(w.last_removed, "another name");
    assert_int_equal(keyspace_size(w.ks, 0), 0);
    world_close(&w);
}

/* Times that are brought forward again and again leave tokens; a sweep files what lives anew. */
static void test_stale_tokens_are_swept(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, EVICT_NONE);
    struct key key = world_key(&w, "k");
    unsigned shard = shard_index(key.hash);
    world_fill(&w, 0, "others ", 5000, WORLD_NOW + 10000000);
    for (int64_t i = 0; i < 10000; i++)
        world_set(&w, "k", "v", WORLD_NOW + 9000000 - i);
    size_t before = calendar_count(w.ks->shards[shard].dbs[0].due);
    assert_true(before > 10000);
    upkeep_all(&w);
    size_t after = calendar_count(w.ks->shards[shard].dbs[0].due);
    assert_int_equal(after, w.ks->shards[shard].dbs[0].expires);
    w.hold.now_ms += 8999000;
    expire_all(&w);
    assert_int_equal(w.removed, 1);
    w.hold.now_ms += 2000000;
    expire_all(&w);
    assert_int_equal(w.removed, 5001);
    world_close(&w);
}

/* Changes between the slices of such a sweep lose no due time. */
static void test_changes_during_the_sweep(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, EVICT_NONE);
    const unsigned count = 60000;
    world_fill(&w, 0, "k", count, WORLD_NOW + 10000000);
    struct shard *shard = &w.ks->shards[5];
    for (unsigned round = 0; round < 2; round++) /* ask for it in one shard */
        for (uint64_t i = 0; i < 10000; i++)
            calendar_add(shard->dbs[0].due, WORLD_NOW + 20000000, i);
    unsigned due = 0;
    char name[32];
    for (unsigned i = 0; i < count; i++) {
        if (i % 100 == 0)
            keyspace_upkeep_slice(&w.hold, 1);
        snprintf(name, sizeof name, "k%u", i);
        switch (i % 5) {
        case 0:
            world_expire(&w, name, WORLD_NOW + 1000);
            due++;
            break;
        case 1:
            world_expire(&w, name, EXPIRE_NONE);
            break;
        case 2:
            world_expire(&w, name, EXPIRE_NONE);
            world_expire(&w, name, WORLD_NOW + 1000);
            due++;
            break;
        case 3:
            world_set(&w, name, "a value of another size", WORLD_NOW + 20000000);
            break;
        default:
            world_remove(&w, name);
        }
    }
    upkeep_all(&w);
    w.hold.now_ms += 2000;
    expire_all(&w);
    assert_int_equal(w.removed, due);
    w.hold.now_ms += 30000000;
    expire_all(&w);
    assert_int_equal(w.removed, due + count / 5);
    assert_int_equal(keyspace_size(w.ks, 0), count / 5);
    assert_int_equal(keyspace_expires(w.ks, 0), 0);
    world_close(&w);
}

/* Nothing is left to hold memory for when all keys are deleted. */
static void test_an_emptied_keyspace_gives_memory_back(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, EVICT_NONE);
    size_t before = keyspace_overhead(&w.hold, 0);
    world_fill(&w, 0, "k", 100000, WORLD_NOW + INT64_C(1000000000));
    assert_true(keyspace_overhead(&w.hold, 0) > before + 1000000);
    char name[32];
    for (unsigned i = 0; i < 100000; i++) {
        snprintf(name, sizeof name, "k%u", i);
        world_remove(&w, name);
    }
    upkeep_all(&w);
    assert_int_equal(tokens(&w), 0);
    assert_true(keyspace_overhead(&w.hold, 0) < before + 64 * 1024);
    world_close(&w);
}

/* Each lane cares for its own shards; together for all. */
static void test_lanes_share_the_shards(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, EVICT_NONE);
    world_fill(&w, 0, "k", 1000, WORLD_NOW + 10);
    w.hold.now_ms += 1000;
    size_t left = 1000;
    for (w.hold.lane = 0; w.hold.lane < 3; w.hold.lane++) {
        while (keyspace_expire_slice(&w.hold, 3))
            ;
        assert_in_range(left - keyspace_size(w.ks, 0), 250, 420);
        left = keyspace_size(w.ks, 0);
    }
    assert_int_equal(left, 0);
    w.hold.lane = 64; /* more lanes than shards */
    assert_false(keyspace_expire_slice(&w.hold, 70));
    assert_false(keyspace_upkeep_slice(&w.hold, 70));
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_due_keys_go),
        cmocka_unit_test(test_switched_off),
        cmocka_unit_test(test_extended_shortened_removed),
        cmocka_unit_test(test_renamed_keys_are_due_too),
        cmocka_unit_test(test_stale_tokens_are_swept),
        cmocka_unit_test(test_changes_during_the_sweep),
        cmocka_unit_test(test_an_emptied_keyspace_gives_memory_back),
        cmocka_unit_test(test_lanes_share_the_shards),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
