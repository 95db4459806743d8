/* test_value_keys.c - keys whose value is no string: owned, changed in place, captured once,
 * renamed, and freed at once or later.
 */
#include "world.h"
#include "value/list.h"

static struct value new_list(unsigned elements, int64_t max_size)
{
    struct value_limits limits = value_limits_default;
    struct value list = list_new();
    limits.list_max_listpack_size = max_size;
    for (unsigned i = 0; i < elements; i++)
        list_push(&list, &limits, &SLICE("element"), 1, false);
    return list;
}

static struct entry *put(struct world *w, const char *name, struct value value, int64_t expire_ms)
{
    struct key key = world_key(w, name);
    hold_take(&w->hold, shard_bit(key.hash));
    struct entry *e = keyspace_put_value(&w->hold, &key, keyspace_find(&w->hold, &key, FIND_WRITE),
                                         value, expire_ms);
    hold_drop(&w->hold);
    return e;
}

static void test_in_place_of_others(void **state)
{
    struct world w;
    world_open(&w, EVICT_NONE);
    char large[2000] = {0};
    world_set(&w, "k", "short", WORLD_NOW + 1000);
    struct value list = new_list(3, -2);
    struct entry *e = put(&w, "k", list, EXPIRE_NONE);
    assert_int_equal(entry_type(e), TYPE_LIST);
    assert_int_equal(entry_encoding(e), ENCODING_LISTPACK);
    assert_ptr_equal(entry_value(e).pointer, list.pointer);
    assert_int_equal(keyspace_expires(w.ks, 0), 0);
    put(&w, "k", new_list(1, -2),
        WORLD_NOW + 1000); /* the first is freed: a leak checker says so */
    assert_int_equal(keyspace_expires(w.ks, 0), 1);
    world_set_in(&w, 0, SLICE("k"), slice_of(large, sizeof large), EXPIRE_NONE);
    put(&w, "k", new_list(1, -2), EXPIRE_NONE);
    world_set(&w, "k", "short", EXPIRE_NONE);
    assert_true(world_has(&w, "k", "short"));
    put(&w, "left", new_list(100, 1), EXPIRE_NONE); /* freed with the keyspace */
    world_close(&w);
}

static void test_expiry_and_names_keep_the_value(void **state)
{
    struct world w;
    world_open(&w, EVICT_NONE);
    struct value list = new_list(5, 2);
    put(&w, "k", list, EXPIRE_NONE);
    world_expire(&w, "k", WORLD_NOW + 1000);
    world_expire(&w, "k", WORLD_NOW + 2000);
    assert_ptr_equal(entry_value(world_find(&w, "k", FIND_PEEK)).pointer, list.pointer);
    world_expire(&w, "k", EXPIRE_NONE);
    struct key from = world_key(&w, "k"), to = world_key(&w, "target");
    put(&w, "target", new_list(5, 2), EXPIRE_NONE);
    hold_take(&w.hold, shard_bit(from.hash) | shard_bit(to.hash));
    keyspace_rename(&w.hold, &from, keyspace_find(&w.hold, &from, FIND_WRITE), &to);
    struct entry *e = keyspace_find(&w.hold, &to, FIND_PEEK);
    assert_ptr_equal(entry_value(e).pointer, list.pointer);
    assert_int_equal(entry_encoding(e), ENCODING_QUICKLIST);
    assert_int_equal(list_count(entry_value(e)), 5);
    hold_drop(&w.hold);
    assert_null(world_find(&w, "k", FIND_PEEK));
    world_close(&w);
}

static void test_an_edit_tells_the_pass_once(void **state)
{
    struct world w;
    world_open(&w, EVICT_NONE);
    struct entry *e = put(&w, "k", new_list(2, 2), EXPIRE_NONE);
    struct key key = world_key(&w, "k");
    hold_take(&w.hold, HOLD_ALL);
    keyspace_epoch_begin(&w.hold);
    w.changes = 0;
    for (int i = 0; i < 3; i++) {
        struct value value = keyspace_edit_value(&w.hold, &key, e);
        assert_int_equal(w.changes, 1);
        assert_true(keyspace_is_captured(w.ks, e));
        struct value_limits limits = value_limits_default;
        limits.list_max_listpack_size = 2;
        list_push(&value, &limits, &SLICE("more"), 1, true);
        keyspace_value_edited(e, value);
        assert_ptr_equal(keyspace_find(&w.hold, &key, FIND_PEEK), e);
        assert_int_equal(entry_encoding(e), ENCODING_QUICKLIST);
        assert_int_equal(list_count(entry_value(e)), 3 + (size_t)i);
    }
    keyspace_remove(&w.hold, &key, e, false);
    assert_int_equal(w.changes, 1);
    keyspace_epoch_end(&w.hold, true);
    hold_drop(&w.hold);
    world_close(&w);
}

static void remove_key(struct world *w, const char *name, bool lazy)
{
    struct key key = world_key(w, name);
    hold_take(&w->hold, shard_bit(key.hash));
    keyspace_remove(&w->hold, &key, keyspace_find(&w->hold, &key, FIND_PEEK), lazy);
    hold_drop(&w->hold);
}

static void test_large_values_are_freed_later(void **state)
{
    struct world w;
    world_open(&w, EVICT_NONE);
    put(&w, "few", new_list(64, 1), EXPIRE_NONE);
    put(&w, "many", new_list(65, 1), EXPIRE_NONE);
    put(&w, "now", new_list(65, 1), EXPIRE_NONE);
    put(&w, "replaced", new_list(65, 1), EXPIRE_NONE);
    remove_key(&w, "few", true);
    remove_key(&w, "now", false);
    assert_int_equal(w.later_count, 0);
    remove_key(&w, "many", true);
    assert_int_equal(w.later_count, 1);
    world_set(&w, "replaced", "v", EXPIRE_NONE);
    assert_int_equal(w.later_count, 1);
    put(&w, "replaced", new_list(65, 1), EXPIRE_NONE);
    keyspace_options(w.ks)->lazy_server_del = true;
    world_set(&w, "replaced", "v", EXPIRE_NONE);
    assert_int_equal(w.later_count, 2);
    keyspace_options(w.ks)->lazy_server_del = false;
    put(&w, "still now", new_list(512, 1), EXPIRE_NONE);
    put(&w, "would stall", new_list(513, 1), EXPIRE_NONE);
    put(&w, "replaced", new_list(513, 1), EXPIRE_NONE);
    remove_key(&w, "still now", false);
    assert_int_equal(w.later_count, 2);
    remove_key(&w, "would stall", false);
    assert_int_equal(w.later_count, 3);
    world_set(&w, "replaced", "v", EXPIRE_NONE);
    assert_int_equal(w.later_count, 4);
    world_close(&w); /* frees them */
}

/* FLUSHDB ASYNC of one database while another is in use: values go one by one, the large ones
 * later. */
static void test_flush_beside_another_database(void **state)
{
    struct world w;
    world_open(&w, EVICT_NONE);
    for (int i = 0; i < 64 * 40; i++) {
        char name[16]; /* every shard gets some */
        snprintf(name, sizeof name, "k%d", i);
        world_set_in(&w, 1, slice_str(name), SLICE("v"), EXPIRE_NONE);
    }
    put(&w, "large", new_list(65, 1), EXPIRE_NONE);
    put(&w, "small", new_list(5, -2), EXPIRE_NONE);
    hold_take(&w.hold, HOLD_ALL);
    assert_int_equal(keyspace_flush_db(&w.hold, 0, true), 2);
    hold_drop(&w.hold);
    assert_int_equal(keyspace_size(w.ks, 1), 64 * 40);
    assert_int_equal(w.later_count, 1);
    world_free_now(&w);
    put(&w, "again", new_list(65, 1), EXPIRE_NONE);
    put(&w, "long", new_list(513, 1), EXPIRE_NONE);
    hold_take(&w.hold, HOLD_ALL);
    assert_int_equal(keyspace_flush_db(&w.hold, 0, false), 2);
    hold_drop(&w.hold);
    assert_int_equal(w.later_count, 1);
    world_close(&w);
}

static void test_memory(void **state)
{
    struct world w;
    world_open(&w, EVICT_NONE);
    struct entry *small = put(&w, "s", new_list(1, -2), EXPIRE_NONE);
    struct entry *large = put(&w, "l", new_list(1000, 1), EXPIRE_NONE);
    assert_true(entry_memory(small, 0) > entry_size(small));
    size_t whole = entry_memory(large, 0);
    assert_true(whole > 1000 * sizeof(struct chunk));
    assert_int_equal(entry_memory(large, 5), whole); /* all chunks are alike */
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_in_place_of_others),
        cmocka_unit_test(test_expiry_and_names_keep_the_value),
        cmocka_unit_test(test_an_edit_tells_the_pass_once),
        cmocka_unit_test(test_large_values_are_freed_later),
        cmocka_unit_test(test_flush_beside_another_database),
        cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
