/* test_survey.c - SCAN over shards, cursors that nobody gave out, random keys, and what a pass
 * sees. */
#include "world.h"
#include "keyspace/shard.h"

struct seen {
    unsigned count;
    unsigned *times; /* by the number behind the name's first letter; NULL: not wanted */
};

static void note(struct hold *hold, const struct key *key, struct entry *e, void *ctx)
{
    struct seen *s = ctx;
    assert_true(hold->mask & shard_bit(key->hash));
    assert_true(entry_has_key(e, key->name));
    s->count++;
    if (s->times != NULL && key->name.data[0] == 'k') {
        char number[16] = "";
        memcpy(number, key->name.data + 1, key->name.len - 1);
        s->times[atoi(number)]++;
    }
}

static unsigned scan_all(struct world *w, uint32_t db, size_t count, unsigned *times)
{
    struct seen s = {.times = times};
    uint64_t cursor = 0;
    do {
        unsigned before = s.count;
        uint64_t next = keyspace_scan(&w->hold, db, cursor, count, note, NULL, &s);
        assert_true(w->hold.mask == 0);
        assert_true(next < UINT64_C(1) << 48);
        assert_true(next == 0 || next > cursor);
        assert_true(s.count - before < MIN_OF(count, (size_t)1 << 40) + 64);
        cursor = next;
    } while (cursor != 0);
    return s.count;
}

static void test_scan_sees_each_key_once(void **state)
{
    (void)state;
    static const size_t counts[] = {1, 7, 10, 1000, 100000, SIZE_MAX};
    struct world w;
    world_open(&w, EVICT_NONE);
    for (size_t i = 0; i < COUNT_OF(counts); i++)
        assert_int_equal(scan_all(&w, 0, counts[i], NULL), 0);
    world_fill(&w, 0, "k", 5000, EXPIRE_NONE);
    for (size_t i = 0; i < COUNT_OF(counts); i++) {
        unsigned times[5000] = {0};
        assert_int_equal(scan_all(&w, 0, counts[i], times), 5000);
        for (unsigned k = 0; k < 5000; k++)
            assert_int_equal(times[k], 1);
    }
    assert_int_equal(scan_all(&w, 1, 10, NULL), 0);
    world_close(&w);
}

/* Keys that stay are seen, however many come and go meanwhile in all shards. */
static void test_scan_while_it_grows_and_shrinks(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, EVICT_NONE);
    world_fill(&w, 0, "k", 2000, EXPIRE_NONE);
    unsigned times[2000] = {0};
    struct seen s = {.times = times};
    uint64_t cursor = 0;
    unsigned made = 0, gone = 0, step = 0;
    do {
        cursor = keyspace_scan(&w.hold, 0, cursor, 10, note, NULL, &s);
        char name[32];
        for (unsigned i = 0; i < 200; i++) {
            bool grow = step % 200 < 120;
            if (!grow && gone == made)
                break;
            snprintf(name, sizeof name, "x%u", grow ? made++ : gone++);
            if (grow)
                world_set(&w, name, "v", EXPIRE_NONE);
            else
                assert_true(world_remove(&w, name));
        }
        if (step++ % 3 == 0)
            keyspace_upkeep_slice(&w.hold, 1);
    } while (cursor != 0);
    for (unsigned k = 0; k < 2000; k++)
        assert_int_equal(times[k], 1);
    world_close(&w);
}

static void test_cursors_nobody_gave_out(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, EVICT_NONE);
    world_fill(&w, 0, "k", 3000, EXPIRE_NONE);
    const uint64_t end = UINT64_C(1) << 48;
    struct seen s = {0};
    assert_int_equal(keyspace_scan(&w.hold, 0, end, SIZE_MAX, note, NULL, &s), 0);
    assert_int_equal(keyspace_scan(&w.hold, 0, end + 1, SIZE_MAX, note, NULL, &s), 0);
    assert_int_equal(keyspace_scan(&w.hold, 0, UINT64_MAX, SIZE_MAX, note, NULL, &s), 0);
    assert_int_equal(s.count, 0);
    assert_int_equal(keyspace_scan(&w.hold, 0, end - 1, SIZE_MAX, note, NULL, &s), 0);
    assert_in_range(s.count, 0, 64); /* the last bucket at most */
    for (unsigned i = 0; i < 20000; i++) {
        uint64_t cursor = rand_next(&w.random) >> rand_below(&w.random, 64);
        uint64_t next = keyspace_scan(&w.hold, 0, cursor, 1, note, NULL, &s);
        assert_true(next == 0 || (next > cursor && next < end));
        assert_true(w.hold.mask == 0);
    }
    world_close(&w);
}

static void test_expired_keys_are_not_shown(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, EVICT_NONE);
    world_fill(&w, 0, "k", 500, WORLD_NOW + 10);
    w.hold.now_ms += 11;
    world_set(&w, "live", "v", w.hold.now_ms);
    assert_int_equal(scan_all(&w, 0, 3, NULL), 1);
    struct seen s = {0};
    hold_take(&w.hold, HOLD_ALL);
    keyspace_each(&w.hold, 0, note, &s);
    assert_int_equal(s.count, 1);
    w.hold.flags = HOLD_LOADING;
    keyspace_each(&w.hold, 0, note, &s);
    assert_int_equal(s.count, 502);
    w.hold.flags = 0;
    hold_drop(&w.hold);
    struct bytes name = {0};
    w.hold.flags = HOLD_READER;
    for (uint64_t i = 0; i < 50; i++) {
        assert_true(keyspace_random(&w.hold, 0, i, &name));
        assert_true(slice_is(bytes_slice(&name), "live"));
    }
    w.hold.now_ms++;
    assert_false(keyspace_random(&w.hold, 0, 1, &name));
    w.hold.flags = 0;
    assert_int_equal(scan_all(&w, 0, 3, NULL), 0);
    assert_int_equal(keyspace_size(w.ks, 0), 501); /* looking around removes nothing ... */
    assert_int_equal(w.removed, 0);
    assert_false(keyspace_random(&w.hold, 0, 1, &name));
    assert_int_equal(keyspace_size(w.ks, 0), 0); /* ... but what a random key was looked for in */
    assert_int_equal(w.removed, 501);
    bytes_free(&name);
    world_close(&w);
}

static void test_random_keys(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, EVICT_NONE);
    struct bytes name = {0};
    assert_false(keyspace_random(&w.hold, 0, 1, &name));
    world_fill(&w, 0, "k", 50, EXPIRE_NONE);
    world_fill(&w, 1, "other", 1000, EXPIRE_NONE);
    unsigned times[50] = {0};
    for (unsigned i = 0; i < 10000; i++) {
        assert_true(keyspace_random(&w.hold, 0, rand_next(&w.random), &name));
        times[atoi(bytes_str(&name) + 1)]++;
    }
    for (unsigned k = 0; k < 50; k++)
        assert_in_range(times[k], 50, 800);
    bytes_free(&name);
    world_close(&w);
}

static void test_times_to_live_beyond_all_measure(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, EVICT_NONE);
    assert_int_equal(keyspace_average_ttl_ms(&w.hold, 0), 0);
    world_fill(&w, 0, "k", 500, WORLD_NOW + 5000);
    assert_in_range(keyspace_average_ttl_ms(&w.hold, 0), 4999, 5000);
    world_fill(&w, 1, "k", 500, INT64_MAX);
    assert_true(keyspace_average_ttl_ms(&w.hold, 1) > INT64_MAX / 2);
    world_close(&w);
}

/* ---- what a pass sees ---- */

/* A sweep does not hash the names it shows. */
static void note_swept(struct hold *hold, const struct key *key, struct entry *e, void *ctx)
{
    struct seen *s = ctx;
    assert_true(entry_has_key(e, key->name));
    assert_false(keyspace_is_captured(hold->keyspace, e));
    s->count++;
}

static void test_the_sweep_sees_what_is_not_captured(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, EVICT_NONE);
    world_fill(&w, 0, "k", 1000, EXPIRE_NONE);
    world_fill(&w, 0, "gone", 10, WORLD_NOW - 1);
    hold_take(&w.hold, HOLD_ALL);
    keyspace_epoch_begin(&w.hold);
    hold_drop(&w.hold);
    world_fill(&w, 0, "fresh", 100, EXPIRE_NONE);
    struct seen s = {0};
    for (uint32_t i = 0; i < SHARD_COUNT; i++) {
        hold_take(&w.hold, UINT64_C(1) << i);
        for (uint64_t at = 0; at != TABLE_END;)
            at = keyspace_sweep(&w.hold, i, 0, at, 5, note_swept, &s);
        hold_drop(&w.hold);
    }
    assert_int_equal(s.count, 1010); /* the expired ones, too */
    hold_take(&w.hold, HOLD_ALL);
    keyspace_epoch_end(&w.hold, true);
    hold_drop(&w.hold);
    world_close(&w);
}

static void test_logged_offsets(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, EVICT_NONE);
    hold_take(&w.hold, 6);
    keyspace_note_logged(&w.hold, 100);
    hold_drop(&w.hold);
    hold_take(&w.hold, 4);
    keyspace_note_logged(&w.hold, 200);
    hold_drop(&w.hold);
    assert_int_equal(keyspace_logged(w.ks, 1), 0);
    assert_int_equal(keyspace_logged(w.ks, 2), 100);
    assert_int_equal(keyspace_logged(w.ks, 3), 100);
    assert_int_equal(keyspace_logged(w.ks, HOLD_ALL), 200);
    assert_int_equal(keyspace_logged(w.ks, 0), 0);
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scan_sees_each_key_once),
        cmocka_unit_test(test_scan_while_it_grows_and_shrinks),
        cmocka_unit_test(test_cursors_nobody_gave_out),
        cmocka_unit_test(test_expired_keys_are_not_shown),
        cmocka_unit_test(test_random_keys),
        cmocka_unit_test(test_times_to_live_beyond_all_measure),
        cmocka_unit_test(test_the_sweep_sees_what_is_not_captured),
        cmocka_unit_test(test_logged_offsets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
