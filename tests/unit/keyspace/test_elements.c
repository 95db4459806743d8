/* test_elements.c - values with elements that have times of their own: counted, filed, removed in
 * the background and on request, and told to the hooks. */
#include "world.h"
#include "value/hash.h"

static struct {
    unsigned elements, batches, emptied;
    char last[64];
} told;

static void removing_element(void *ctx, struct hold *hold, const struct key *key,
                             struct slice element)
{
    told.elements++;
    snprintf(told.last, sizeof told.last, "%.*s", (int)element.len, element.data);
}

static void removed_elements(void *ctx, struct hold *hold, const struct key *key, bool emptied)
{
    told.batches++;
    told.emptied += emptied;
}

static void open_world(struct world *w)
{
    world_open(w, EVICT_NONE);
    struct keyspace_hooks hooks = {.ctx = w,
                                   .removing = world_removing,
                                   .removing_element = removing_element,
                                   .removed_elements = removed_elements,
                                   .before_change = world_before_change,
                                   .before_flush = world_before_flush,
                                   .free_later = world_free_later};
    keyspace_set_hooks(w->ks, &hooks);
    memset(&told, 0, sizeof told);
}

/* `count` fields; the i-th expires at first_ms + i * step_ms, all never if first_ms says so. */
static struct value new_hash(unsigned count, int64_t first_ms, int64_t step_ms)
{
    struct value hash = hash_new();
    for (unsigned i = 0; i < count; i++) {
        char name[32];
        int len = snprintf(name, sizeof name, "f%u", i);
        hash_set(&hash, &value_limits_default, slice_of(name, (size_t)len), SLICE("v"),
                 first_ms == HASH_NO_EXPIRY ? first_ms : first_ms + (int64_t)i * step_ms);
    }
    return hash;
}

static void put(struct world *w, const char *name, struct value value, int64_t expire_ms)
{
    struct key key = world_key(w, name);
    hold_take(&w->hold, shard_bit(key.hash));
    keyspace_put_value(&w->hold, &key, keyspace_find(&w->hold, &key, FIND_WRITE), value, expire_ms);
    hold_drop(&w->hold);
}

/* Sets (or removes) the time of a field of a hash that is there, as a command does. */
static void set_time(struct world *w, const char *name, const char *field, int64_t expire_ms)
{
    struct key key = world_key(w, name);
    hold_take(&w->hold, shard_bit(key.hash));
    struct entry *e = keyspace_find(&w->hold, &key, FIND_WRITE);
    int64_t due_ms = value_due_ms(entry_value(e));
    struct value hash = keyspace_edit_value(&w->hold, &key, e);
    hash_set_expiry(&hash, slice_str(field), expire_ms);
    keyspace_value_edited(e, hash);
    keyspace_elements_timed(&w->hold, &key, e, due_ms);
    hold_drop(&w->hold);
}

static void run_until(struct world *w, int64_t now_ms)
{
    w->hold.now_ms = now_ms;
    for (int i = 0; keyspace_expire_slice(&w->hold, 1); i++)
        assert_true(i < 100000);
}

static size_t fields_of(struct world *w, const char *name)
{
    struct entry *e = world_find(w, name, FIND_PEEK);
    return e != NULL ? hash_count(entry_value(e)) : 0;
}

#define timed(w) keyspace_elements_expire((w)->ks, 0)

static void test_counted(void **state)
{
    struct world w;
    open_world(&w);
    put(&w, "k", new_hash(3, WORLD_NOW + 1000, 0), EXPIRE_NONE);
    put(&w, "other", new_hash(3, HASH_NO_EXPIRY, 0), EXPIRE_NONE);
    assert_int_equal(timed(&w), 1);
    assert_int_equal(keyspace_expires(w.ks, 0), 0);
    set_time(&w, "other", "f1", WORLD_NOW + 2000);
    set_time(&w, "other", "f2", WORLD_NOW + 3000);
    assert_int_equal(timed(&w), 2);
    world_expire(&w, "k", WORLD_NOW + 100000); /* the entry is built anew */
    world_expire(&w, "k", WORLD_NOW + 200000); /* and changed in place */
    world_expire(&w, "k", EXPIRE_NONE);
    assert_int_equal(timed(&w), 2);
    struct key from = world_key(&w, "k"), to = world_key(&w, "renamed");
    hold_take(&w.hold, HOLD_ALL);
    keyspace_rename(&w.hold, &from, keyspace_find(&w.hold, &from, FIND_PEEK), &to);
    keyspace_swap_db(&w.hold, 0, 3);
    assert_int_equal(timed(&w), 0);
    assert_int_equal(keyspace_elements_expire(w.ks, 3), 2);
    keyspace_swap_db(&w.hold, 0, 3);
    hold_drop(&w.hold);
    set_time(&w, "other", "f1", HASH_NO_EXPIRY);
    assert_int_equal(timed(&w), 2);
    set_time(&w, "other", "f2", HASH_NO_EXPIRY);
    assert_int_equal(timed(&w), 1);
    world_set(&w, "renamed", "a string", EXPIRE_NONE);
    assert_int_equal(timed(&w), 0);
    put(&w, "a", new_hash(3, WORLD_NOW + 1000, 0), EXPIRE_NONE);
    put(&w, "b", new_hash(3, WORLD_NOW + 1000, 0), EXPIRE_NONE);
    assert_true(world_remove(&w, "a"));
    assert_int_equal(timed(&w), 1);
    hold_take(&w.hold, HOLD_ALL);
    keyspace_flush_db(&w.hold, 0, false);
    hold_drop(&w.hold);
    assert_int_equal(timed(&w), 0);
    world_close(&w);
}

/* Fields go when they are due, not before, and the key with the last. */
static void test_removed_in_time(void **state)
{
    static const unsigned counts[] = {5, 600, 3000}; /* listpack, table, table with a heap */
    for (size_t i = 0; i < COUNT_OF(counts); i++) {
        struct world w;
        open_world(&w);
        unsigned count = counts[i];
        put(&w, "k", new_hash(count, WORLD_NOW + 1000, 10), EXPIRE_NONE);
        run_until(&w, WORLD_NOW + 1000); /* at the time itself it is there still */
        assert_int_equal(told.elements, 0);
        run_until(&w, WORLD_NOW + 1500);
        assert_true(fields_of(&w, "k") < count);
        for (unsigned left = count; left > 1; left -= left / 2) {
            int64_t now_ms = WORLD_NOW + 1000 + (int64_t)(count - left) * 10 + 1;
            if (now_ms < w.hold.now_ms)
                continue;
            run_until(&w, now_ms);
            assert_true(fields_of(&w, "k") >= left - 1); /* less than two grains of 128 ms late */
            assert_true(fields_of(&w, "k") <= left + 26);
        }
        run_until(&w, WORLD_NOW + 1000 + (int64_t)count * 10 + 256);
        run_until(&w, WORLD_NOW + 1000 + (int64_t)count * 10 + 512);
        assert_null(world_find(&w, "k", FIND_PEEK));
        assert_int_equal(told.elements, count);
        assert_int_equal(told.emptied, 1);
        assert_true(told.batches <= told.elements);
        assert_int_equal(w.removed, 0); /* the key did not expire */
        assert_int_equal(w.stats.expired_elements, count);
        assert_int_equal(timed(&w), 0);
        world_close(&w);
    }
}

/* A token that was filed for one time serves a later one; an earlier one has one of its own. */
static void test_times_that_change(void **state)
{
    struct world w;
    open_world(&w);
    put(&w, "k", new_hash(3, HASH_NO_EXPIRY, 0), EXPIRE_NONE);
    set_time(&w, "k", "f0", WORLD_NOW + 10000);
    set_time(&w, "k", "f1", WORLD_NOW + 1000);
    set_time(&w, "k", "f1", WORLD_NOW + 5000);
    run_until(&w, WORLD_NOW + 2000);
    assert_int_equal(told.elements, 0);
    set_time(&w, "k", "f0", WORLD_NOW + 3000);
    run_until(&w, WORLD_NOW + 3200);
    assert_string_equal(told.last, "f0");
    assert_int_equal(told.elements, 1);
    set_time(&w, "k", "f1", HASH_NO_EXPIRY);
    run_until(&w, WORLD_NOW + 100000);
    assert_int_equal(told.elements, 1);
    set_time(&w, "k", "f2", WORLD_NOW + 100500);
    run_until(&w, WORLD_NOW + 101000);
    assert_string_equal(told.last, "f2");
    assert_int_equal(fields_of(&w, "k"), 1);
    assert_int_equal(timed(&w), 0);
    world_close(&w);
}

/* The key's own expiry and those of its fields, whichever is first. */
static void test_keys_that_expire_too(void **state)
{
    struct world w;
    open_world(&w);
    put(&w, "fields first", new_hash(2, WORLD_NOW + 1000, 10000), WORLD_NOW + 5000);
    put(&w, "key first", new_hash(2, WORLD_NOW + 5000, 0), WORLD_NOW + 1000);
    put(&w, "later", new_hash(2, WORLD_NOW + 1000, 10000), EXPIRE_NONE);
    world_expire(&w, "later", WORLD_NOW + 20000);
    run_until(&w, WORLD_NOW + 1300);
    assert_int_equal(fields_of(&w, "fields first"), 1);
    assert_int_equal(fields_of(&w, "later"), 1);
    assert_null(world_find(&w, "key first", FIND_PEEK));
    assert_int_equal(w.removed, 1);
    run_until(&w, WORLD_NOW + 5300);
    assert_null(world_find(&w, "fields first", FIND_PEEK));
    run_until(&w, WORLD_NOW + 11500);
    assert_null(world_find(&w, "later", FIND_PEEK));
    assert_int_equal(told.emptied, 1);
    assert_int_equal(told.elements, 3);
    world_close(&w);
}

/* What many keys hold does not all fit in one slice, and other keys expire meanwhile. */
static void test_slices(void **state)
{
    struct world w;
    open_world(&w);
    put(&w, "large", new_hash(200000, WORLD_NOW + 1000, 0), EXPIRE_NONE);
    world_fill(&w, 0, "s", 1000, WORLD_NOW + 1000);
    w.hold.now_ms = WORLD_NOW + 2000;
    assert_true(keyspace_expire_slice(&w.hold, 1));
    assert_true(told.elements < 200000);
    run_until(&w, WORLD_NOW + 2000);
    assert_int_equal(told.elements, 200000);
    assert_int_equal(w.removed, 1000);
    assert_int_equal(keyspace_size(w.ks, 0), 0);
    world_close(&w);
}

static struct entry *expire_at(struct world *w, const char *name, int64_t now_ms, size_t budget)
{
    struct key key = world_key(w, name);
    w->hold.now_ms = now_ms;
    hold_take(&w->hold, shard_bit(key.hash));
    struct entry *e = keyspace_find(&w->hold, &key, FIND_PEEK);
    e = keyspace_expire_elements(&w->hold, &key, e, budget);
    hold_drop(&w->hold);
    return e;
}

static void test_on_request(void **state)
{
    struct world w;
    open_world(&w);
    put(&w, "k", new_hash(10, WORLD_NOW + 1000, 0), EXPIRE_NONE);
    assert_non_null(expire_at(&w, "k", WORLD_NOW + 1000, 64));
    w.hold.flags = HOLD_READER;
    assert_non_null(expire_at(&w, "k", WORLD_NOW + 1001, 64));
    w.hold.flags = HOLD_LOADING;
    assert_non_null(expire_at(&w, "k", WORLD_NOW + 1001, 64));
    assert_int_equal(told.elements, 0);
    w.hold.flags = 0;
    assert_non_null(expire_at(&w, "k", WORLD_NOW + 1001, 4));
    assert_int_equal(told.elements, 4);
    assert_null(expire_at(&w, "k", WORLD_NOW + 1001, 64));
    assert_int_equal(told.elements, 10);
    assert_int_equal(told.batches, 2);
    assert_null(world_find(&w, "k", FIND_PEEK));
    world_close(&w);
}

/* A pass sees the value as it was before the first field of it goes. */
static void test_captured_before(void **state)
{
    struct world w;
    open_world(&w);
    put(&w, "k", new_hash(10, WORLD_NOW + 1000, 500), EXPIRE_NONE);
    hold_take(&w.hold, HOLD_ALL);
    keyspace_epoch_begin(&w.hold);
    hold_drop(&w.hold);
    run_until(&w, WORLD_NOW + 2300);
    assert_true(told.elements >= 2);
    assert_int_equal(w.changes, 1);
    run_until(&w, WORLD_NOW + 20000);
    assert_int_equal(w.changes, 1);
    hold_take(&w.hold, HOLD_ALL);
    keyspace_epoch_end(&w.hold, true);
    hold_drop(&w.hold);
    world_close(&w);
}

/* A large value is not copied for that: its fields stay until the pass has captured it. */
static void test_large_ones_wait_for_the_pass(void **state)
{
    static const unsigned counts[] = {1024, 1025, 3000};
    for (size_t i = 0; i < COUNT_OF(counts); i++) {
        struct world w;
        open_world(&w);
        bool waits = counts[i] > 1024;
        put(&w, "k", new_hash(counts[i], WORLD_NOW + 1000, 1), EXPIRE_NONE);
        hold_take(&w.hold, HOLD_ALL);
        keyspace_epoch_begin(&w.hold);
        hold_drop(&w.hold);
        run_until(&w, WORLD_NOW + 1500);
        run_until(&w, WORLD_NOW + 1700);
        assert_int_equal(told.elements == 0, waits);
        assert_int_equal(w.changes, !waits);
        struct entry *e = expire_at(&w, "k", WORLD_NOW + 1800, 1000);
        assert_int_equal(told.elements == 0, waits);
        keyspace_mark_captured(w.ks, e); /* what the sweep does */
        run_until(&w, WORLD_NOW + 2100);
        assert_in_range(told.elements, 800, 1101);
        assert_int_equal(w.changes, !waits);
        run_until(&w, WORLD_NOW + 10000);
        assert_int_equal(told.elements, counts[i]);
        hold_take(&w.hold, HOLD_ALL);
        keyspace_epoch_end(&w.hold, true);
        hold_drop(&w.hold);
        world_close(&w);
    }
}

/* Tokens that no longer stand for anything are cleared away; those of fields stay. */
static void test_stale_tokens(void **state)
{
    struct world w;
    open_world(&w);
    put(&w, "k", new_hash(2, WORLD_NOW + 1000000, 0), EXPIRE_NONE);
    for (int64_t i = 0; i < 20000; i++) /* each earlier than the one before */
        set_time(&w, "k", "f1", WORLD_NOW + 900000 - i);
    for (int i = 0; keyspace_upkeep_slice(&w.hold, 1); i++)
        assert_true(i < 100000);
    run_until(&w, WORLD_NOW + 900300);
    assert_string_equal(told.last, "f1");
    assert_int_equal(told.elements, 1);
    run_until(&w, WORLD_NOW + 1000300);
    assert_int_equal(told.elements, 2);
    assert_int_equal(keyspace_size(w.ks, 0), 0);
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counted),
        cmocka_unit_test(test_removed_in_time),
        cmocka_unit_test(test_times_that_change),
        cmocka_unit_test(test_keys_that_expire_too),
        cmocka_unit_test(test_slices),
        cmocka_unit_test(test_on_request),
        cmocka_unit_test(test_captured_before),
        cmocka_unit_test(test_large_ones_wait_for_the_pass),
        cmocka_unit_test(test_stale_tokens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
