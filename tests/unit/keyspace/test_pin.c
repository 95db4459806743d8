/* test_pin.c - pinned values: who changes or frees them waits, whoever moves their keys does not.
 */
#include "world.h"

#include <pthread.h>
#include "base/clock.h"
#include "keyspace/pin.h"
#include "value/list.h"

static struct value new_list(void)
{
    struct value_limits limits = value_limits_default;
    struct value list = list_new();
    list_push(&list, &limits, &SLICE("element"), 1, false);
    return list;
}

static struct value put(struct world *w, const char *name)
{
    struct key key = world_key(w, name);
    struct value list = new_list();
    hold_take(&w->hold, shard_bit(key.hash));
    keyspace_put_value(&w->hold, &key, keyspace_find(&w->hold, &key, FIND_WRITE), list,
                       EXPIRE_NONE);
    hold_drop(&w->hold);
    return list;
}

static void pin(struct world *w, const char *name)
{
    struct key key = world_key(w, name);
    keyspace_pins_begin(w->ks);
    hold_take(&w->hold, shard_bit(key.hash));
    struct value value = entry_value(keyspace_find(&w->hold, &key, FIND_PEEK));
    keyspace_pin(&w->hold, &value, 1);
    hold_drop(&w->hold);
}

static bool is_pinned(struct world *w, const char *name)
{
    struct key key = world_key(w, name);
    hold_take(&w->hold, shard_bit(key.hash));
    bool pinned = keyspace_is_pinned(&w->hold, &key);
    hold_drop(&w->hold);
    return pinned;
}

static void test_what_is_pinned(void **state)
{
    struct world w;
    world_open(&w, EVICT_NONE);
    put(&w, "k");
    put(&w, "other");
    world_set(&w, "string", "v", EXPIRE_NONE);
    assert_false(keyspace_has_pins(w.ks));
    assert_false(is_pinned(&w, "k"));
    pin(&w, "k");
    assert_true(keyspace_has_pins(w.ks));
    assert_true(is_pinned(&w, "k"));
    assert_false(is_pinned(&w, "other"));
    assert_false(is_pinned(&w, "string"));
    assert_false(is_pinned(&w, "none"));
    put(&w, "k"); /* another value */
    assert_false(is_pinned(&w, "k"));
    keyspace_pins_end(w.ks);
    assert_false(keyspace_has_pins(w.ks));
    keyspace_pins_end(w.ks); /* nothing is: nothing happens */
    world_close(&w);
}

static void test_names_move_on(void **state)
{
    struct world w;
    world_open(&w, EVICT_NONE);
    put(&w, "k");
    pin(&w, "k");
    struct key from = world_key(&w, "k"), to = world_key(&w, "target");
    hold_take(&w.hold, shard_bit(from.hash) | shard_bit(to.hash));
    keyspace_rename(&w.hold, &from, keyspace_find(&w.hold, &from, FIND_WRITE), &to);
    hold_drop(&w.hold);
    world_expire(&w, "target", WORLD_NOW + 1000);
    assert_true(is_pinned(&w, "target"));
    assert_false(keyspace_pins_are_broken(w.ks));
    keyspace_pins_end(w.ks);
    world_close(&w);
}

/* However small, it is freed by the other thread, which waits. */
static void test_removed_while_pinned(void **state)
{
    struct world w;
    world_open(&w, EVICT_NONE);
    struct value list = put(&w, "k");
    pin(&w, "k");
    world_remove(&w, "k");
    assert_int_equal(w.later_count, 1);
    assert_int_equal(list_count(list), 1); /* a sanitizer would say so */
    keyspace_pins_end(w.ks);
    world_close(&w);
}

static void test_flushed_while_pinned(void **state)
{
    struct world w;
    world_open(&w, EVICT_NONE);
    struct value list = put(&w, "k");
    pin(&w, "k");
    hold_take(&w.hold, HOLD_ALL);
    keyspace_flush_db(&w.hold, 0, false);
    hold_drop(&w.hold);
    assert_int_equal(list_count(list), 1);
    keyspace_pins_end(w.ks);
    world_close(&w);
}

static void test_as_many_as_there_may_be(void **state)
{
    struct world w;
    struct value values[PINS_MAX];
    char name[16];
    world_open(&w, EVICT_NONE);
    for (unsigned i = 0; i < PINS_MAX; i++) {
        snprintf(name, sizeof name, "%u", i);
        values[i] = put(&w, name);
    }
    put(&w, "one more");
    keyspace_pins_begin(w.ks);
    hold_take(&w.hold, HOLD_ALL);
    keyspace_pin(&w.hold, values, PINS_MAX);
    hold_drop(&w.hold);
    assert_true(is_pinned(&w, "0"));
    assert_true(is_pinned(&w, name));
    assert_false(is_pinned(&w, "one more"));
    keyspace_pins_end(w.ks);
    world_close(&w);
}

/* ---- another thread ---- */

struct editor {
    struct world *w;
    const char *name;
    pthread_t thread;
    uint32_t begun, done; /* atomic */
};

static void *edit(void *ctx)
{
    struct editor *e = ctx;
    struct keyspace_stats stats = {0};
    struct hold hold = {.keyspace = e->w->ks, .now_ms = WORLD_NOW, .stats = &stats};
    struct key key = world_key(e->w, e->name);
    struct value_limits limits = value_limits_default;
    mem_thread_join();
    hold_take(&hold, shard_bit(key.hash));
    __atomic_store_n(&e->begun, 1, __ATOMIC_RELEASE);
    struct entry *entry = keyspace_find(&hold, &key, FIND_WRITE);
    struct value value = keyspace_edit_value(&hold, &key, entry);
    list_push(&value, &limits, &SLICE("more"), 1, false);
    keyspace_value_edited(entry, value);
    __atomic_store_n(&e->done, 1, __ATOMIC_RELEASE);
    hold_drop(&hold);
    mem_thread_leave();
    return NULL;
}

static void begin_edit(struct editor *e, struct world *w, const char *name)
{
    *e = (struct editor){.w = w, .name = name};
    assert_int_equal(pthread_create(&e->thread, NULL, edit, e), 0);
    while (!__atomic_load_n(&e->begun, __ATOMIC_ACQUIRE))
        clock_sleep_us(100);
    clock_sleep_us(5000);
}

static void test_who_changes_it_waits(void **state)
{
    struct world w;
    struct editor first, other;
    world_open(&w, EVICT_NONE);
    struct value list = put(&w, "k");
    put(&w, "other");
    pin(&w, "k");
    begin_edit(&first, &w, "k");
    begin_edit(&other, &w, "other");
    pthread_join(other.thread, NULL);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(list_count(list), 1);
    assert_false(__atomic_load_n(&first.done, __ATOMIC_ACQUIRE));
    keyspace_pins_end(w.ks);
    pthread_join(first.thread, NULL);
    assert_true(first.done);
    world_close(&w);
}

/* Who waits for the pin holds the shard that the pinning thread takes next. */
static void test_watched_before_the_shards_are_taken(void **state)
{
    struct world w;
    struct editor editor;
    world_open(&w, EVICT_NONE);
    put(&w, "k");
    struct key key = world_key(&w, "k");
    pin(&w, "k");
    begin_edit(&editor, &w, "k");
    keyspace_pins_watch(w.ks);
    assert_false(keyspace_has_pins(w.ks));
    hold_take(&w.hold, shard_bit(key.hash));
    assert_true(keyspace_pins_are_broken(w.ks));
    assert_int_equal(list_count(entry_value(keyspace_find(&w.hold, &key, FIND_PEEK))), 2);
    hold_drop(&w.hold);
    keyspace_pins_end(w.ks);
    pthread_join(editor.thread, NULL);

    pin(&w, "k"); /* as new */
    assert_false(keyspace_pins_are_broken(w.ks));
    keyspace_pins_watch(w.ks);
    assert_false(is_pinned(&w, "k"));
    begin_edit(&editor, &w, "k"); /* does not wait */
    pthread_join(editor.thread, NULL);
    assert_true(keyspace_pins_are_broken(w.ks));
    keyspace_pins_end(w.ks);
    world_close(&w);
}

static void test_one_pin_after_the_other(void **state)
{
    struct world w;
    struct editor editor;
    world_open(&w, EVICT_NONE);
    put(&w, "k");
    put(&w, "other");
    pin(&w, "k");
    begin_edit(&editor, &w, "k");
    keyspace_pins_end(w.ks);
    for (int i = 0; i < 100; i++) {
        pin(&w, "other");
        assert_true(__atomic_load_n(&editor.done, __ATOMIC_ACQUIRE)); /* it came first */
        keyspace_pins_end(w.ks);
    }
    pthread_join(editor.thread, NULL);
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_pinned),
        cmocka_unit_test(test_names_move_on),
        cmocka_unit_test(test_removed_while_pinned),
        cmocka_unit_test(test_flushed_while_pinned),
        cmocka_unit_test(test_as_many_as_there_may_be),
        cmocka_unit_test(test_who_changes_it_waits),
        cmocka_unit_test(test_watched_before_the_shards_are_taken),
        cmocka_unit_test(test_one_pin_after_the_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
