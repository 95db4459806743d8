/* test_wait.c - queues of waiters per key: their order, what wakes them, and what it takes to serve
 * them. */
#include "world.h"
#include "keyspace/wait.h"
#include "value/list.h"

static struct world w;
static char told[512]; /* names of the keys that the hook told of, each with its database */

static void note_ready(void *ctx, struct hold *hold, const struct key *key)
{
    (void)ctx;
    assert_true(hold->mask & shard_bit(key->hash));
    snprintf(told + strlen(told), sizeof told - strlen(told), "%.*s@%u ", (int)key->name.len,
             key->name.data, key->db);
}

static int setup(void **state)
{
    (void)state;
    world_open(&w, EVICT_NONE);
    struct keyspace_hooks hooks = {.ctx = &w, .removing = world_removing, .ready = note_ready};
    keyspace_set_hooks(w.ks, &hooks);
    told[0] = '\0';
    hold_take(&w.hold, HOLD_ALL);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    if (w.hold.mask != 0)
        hold_drop(&w.hold);
    world_close(&w);
    return 0;
}

static void check_told(const char *want)
{
    assert_string_equal(told, want);
    told[0] = '\0';
}

static bool join(struct wait_node *node, const char *name, void *owner)
{
    struct key key = world_key(&w, name);
    node->owner = owner;
    node->shards |= shard_bit(key.hash);
    return wait_join(&w.hold, &key, node);
}

static void serve_again(const char *name) /* as whoever serves a key does first */
{
    struct key key = world_key(&w, name);
    wait_taken_up(&w.hold, &key);
}

static void put(const char *name, const char *value)
{
    struct key key = world_key(&w, name);
    keyspace_put_string(&w.hold, &key, keyspace_find(&w.hold, &key, FIND_PEEK), slice_str(value),
                        EXPIRE_NONE);
}

static void put_list(const char *name)
{
    struct key key = world_key(&w, name);
    struct value list = list_new();
    struct slice one = SLICE("1");
    list_push(&list, &keyspace_options(w.ks)->limits, &one, 1, true);
    keyspace_put_value(&w.hold, &key, keyspace_find(&w.hold, &key, FIND_PEEK), list, EXPIRE_NONE);
}

static void remove_key(const char *name)
{
    struct key key = world_key(&w, name);
    keyspace_remove(&w.hold, &key, keyspace_find(&w.hold, &key, FIND_PEEK), false);
}

/* ---- queues ---- */

static void check_queue(const char *name, struct wait_node *const *nodes, size_t count)
{
    struct key key = world_key(&w, name);
    struct wait_node *node = wait_first(&w.hold, &key);
    for (size_t i = 0; i < count; i++, node = node->next) {
        assert_ptr_equal(node, nodes[i]);
        assert_ptr_equal(node->previous, i > 0 ? nodes[i - 1] : NULL);
        assert_true(i == 0 || node->ticket > nodes[i - 1]->ticket);
        assert_true(wait_last_ticket(node) == nodes[count - 1]->ticket);
    }
    assert_null(node);
}

static void test_first_come_first(void **state)
{
    (void)state;
    struct wait_node n[4] = {0};
    for (size_t i = 0; i < 4; i++)
        assert_true(join(&n[i], "k", &n[i]));
    check_queue("k", (struct wait_node *[]){&n[0], &n[1], &n[2], &n[3]}, 4);
    wait_leave(&w.hold, &n[1]);
    wait_leave(&w.hold, &n[1]); /* stands nowhere */
    check_queue("k", (struct wait_node *[]){&n[0], &n[2], &n[3]}, 3);
    wait_leave(&w.hold, &n[0]);
    wait_leave(&w.hold, &n[3]);
    check_queue("k", (struct wait_node *[]){&n[2]}, 1);
    assert_true(join(&n[0], "k", &n[0]));
    check_queue("k", (struct wait_node *[]){&n[2], &n[0]}, 2);
    wait_leave(&w.hold, &n[2]);
    wait_leave(&w.hold, &n[0]);
    check_queue("k", NULL, 0);
}

static void test_whoever_names_a_key_twice_stands_once(void **state)
{
    (void)state;
    struct wait_node n[3] = {0};
    assert_true(join(&n[0], "k", &w));
    assert_false(join(&n[1], "k", &w));
    assert_null(n[1].key);
    assert_true(join(&n[2], "k2", &w));
    assert_int_equal(wait_keys(w.ks), 2);
    for (size_t i = 0; i < 3; i++)
        wait_leave(&w.hold, &n[i]);
    assert_int_equal(wait_keys(w.ks), 0);
}

static void test_counts(void **state)
{
    (void)state;
    struct wait_node n[4] = {{0}, {.on_removal = true}, {.on_removal = true}, {0}};
    join(&n[0], "a", &n[0]);
    assert_false(wait_hears_removals(&n[0]));
    join(&n[1], "a", &n[1]);
    assert_true(wait_hears_removals(&n[0]));
    join(&n[2], "a", &n[2]);
    join(&n[3], "b", &n[3]);
    assert_int_equal(wait_keys(w.ks), 2);
    assert_int_equal(wait_keys_on_removal(w.ks), 1);
    assert_int_equal(w.hold.waited, 4);
    hold_drop(&w.hold);
    struct key a = world_key(&w, "a"), b = world_key(&w, "b");
    hold_take(&w.hold, shard_bit(a.hash));
    assert_int_equal(w.hold.waited, shard_bit(a.hash) == shard_bit(b.hash) ? 4 : 3);
    hold_drop(&w.hold);
    hold_take(&w.hold, ~(shard_bit(a.hash) | shard_bit(b.hash)));
    assert_int_equal(w.hold.waited, 0);
    hold_drop(&w.hold);
    assert_true(hold_try(&w.hold, HOLD_ALL));
    assert_int_equal(w.hold.waited, 4);
    for (size_t i = 0; i < 4; i++)
        wait_leave(&w.hold, &n[i]);
    assert_int_equal(w.hold.waited, 0);
    assert_int_equal(wait_keys_on_removal(w.ks), 0);
}

/* ---- what wakes ---- */

static void test_what_comes_into_being(void **state)
{
    (void)state;
    struct wait_node n = {0};
    join(&n, "k", &n);
    put("other", "1");
    check_told("");
    put("k", "1");
    check_told("k@0 ");
    put("k", "2"); /* nobody took it up */
    check_told("");
    serve_again("k");
    remove_key("k");
    check_told(""); /* nobody asked for that */
    put("k", "1");
    check_told("k@0 ");
    serve_again("k");
    put_list("k"); /* of another type, in its place */
    check_told("k@0 ");
    serve_again("k");
    struct key key = world_key(&w, "k"), other = world_key(&w, "other");
    keyspace_set_expire(&w.hold, &key, keyspace_find(&w.hold, &key, FIND_PEEK), WORLD_NOW + 1000);
    check_told("");
    remove_key("k");
    keyspace_rename(&w.hold, &other, keyspace_find(&w.hold, &other, FIND_PEEK), &key);
    check_told("k@0 ");
    serve_again("k");
    wait_signal(&w.hold, &key);
    wait_signal(&w.hold, &other);
    check_told("k@0 ");
    wait_leave(&w.hold, &n);
    remove_key("k");
    put("k", "1");
    check_told("");
}

static void test_what_goes(void **state)
{
    (void)state;
    struct wait_node n = {.on_removal = true};
    put("k", "1");
    join(&n, "k", &n);
    remove_key("k");
    check_told("k@0 ");
    serve_again("k");
    struct key key = world_key(&w, "k"), to = world_key(&w, "to");
    keyspace_put_string(&w.hold, &key, NULL, SLICE("1"), WORLD_NOW + 5);
    check_told("k@0 ");
    serve_again("k");
    w.hold.now_ms = WORLD_NOW + 6;
    assert_null(keyspace_find(&w.hold, &key, FIND_PEEK)); /* expires */
    check_told("k@0 ");
    serve_again("k");
    put("k", "1");
    serve_again("k");
    told[0] = '\0';
    keyspace_rename(&w.hold, &key, keyspace_find(&w.hold, &key, FIND_PEEK), &to);
    check_told("k@0 ");
    serve_again("k");
    put("k", "1");
    serve_again("k");
    told[0] = '\0';
    keyspace_flush_db(&w.hold, 1, false);
    check_told("");
    keyspace_flush_db(&w.hold, 0, false);
    check_told("k@0 ");
    wait_leave(&w.hold, &n);
}

static void test_databases(void **state)
{
    (void)state;
    struct wait_node n[2] = {0};
    struct key key = world_key(&w, "k"), there = world_key_in(&w, 2, SLICE("k"));
    for (size_t i = 0; i < 2; i++) {
        n[i].owner = &n[i];
        n[i].shards = shard_bit(key.hash);
    }
    wait_join(&w.hold, &key, &n[0]);
    wait_join(&w.hold, &there, &n[1]);
    assert_int_equal(wait_keys(w.ks), 2);
    keyspace_put_string(&w.hold, &there, NULL, SLICE("1"), EXPIRE_NONE);
    check_told("k@2 ");
    wait_taken_up(&w.hold, &there);
    keyspace_flush_db(&w.hold, 0, false);
    check_told(""); /* nothing that anybody waits for */
    keyspace_swap_db(&w.hold, 0, 2);
    check_told("k@0 k@2 ");
    wait_leave(&w.hold, &n[0]);
    wait_leave(&w.hold, &n[1]);
}

static void test_loading_wakes_nobody(void **state)
{
    (void)state;
    struct wait_node n = {.on_removal = true};
    join(&n, "k", &n);
    w.hold.flags = HOLD_LOADING;
    put("k", "1");
    remove_key("k");
    w.hold.flags = 0;
    check_told("");
    wait_leave(&w.hold, &n);
}

/* Each lane that makes it ready is told, and told anew when it was taken up. */
static void test_each_lane_is_told(void **state)
{
    (void)state;
    struct wait_node n = {0};
    struct key key = world_key(&w, "k");
    join(&n, "k", &n);
    for (uint16_t lane = 0; lane < 3; lane++) {
        w.hold.lane = lane;
        wait_signal(&w.hold, &key);
        wait_signal(&w.hold, &key);
    }
    check_told("k@0 k@0 k@0 ");
    w.hold.lane = 1;
    wait_taken_up(&w.hold, &key); /* lane 2 was the last that was told */
    w.hold.lane = 2;
    wait_signal(&w.hold, &key);
    check_told("");
    wait_taken_up(&w.hold, &key);
    wait_signal(&w.hold, &key);
    check_told("k@0 ");
    wait_leave(&w.hold, &n);
}

/* ---- shards ---- */

static uint64_t bit(const char *name)
{
    return shard_bit(world_key(&w, name).hash);
}

static uint64_t shards_for(const char *name)
{
    return wait_shards(&w.hold, world_key(&w, name).hash);
}

static void mover(struct wait_node *node, const char *from, const char *to)
{
    *node = (struct wait_node){.shards = bit(to), .moves = true, .feeds = world_key(&w, to).hash};
    join(node, from, node);
}

static void test_shards_of_other_keys(void **state)
{
    (void)state;
    struct wait_node n[3] = {{.shards = bit("x") | bit("y")}, {0}, {.shards = bit("z")}};
    assert_true(shards_for("k") == 0);
    join(&n[0], "k", &n[0]);
    join(&n[1], "k", &n[1]);
    join(&n[2], "k", &n[2]);
    assert_true(shards_for("k") == (bit("k") | bit("x") | bit("y") | bit("z")));
    wait_leave(&w.hold, &n[0]);
    wait_leave(&w.hold, &n[2]);
    assert_true(shards_for("k") == bit("k")); /* nobody is left who needs others */
    hold_drop(&w.hold);
    hold_take(&w.hold, ~bit("k"));
    assert_true(shards_for("k") == 0); /* not held: not looked into */
    hold_drop(&w.hold);
    hold_take(&w.hold, HOLD_ALL);
    wait_leave(&w.hold, &n[1]);
}

static void test_shards_of_what_is_fed(void **state)
{
    (void)state;
    struct wait_node n[5] = {0};
    mover(&n[0], "a", "b");
    mover(&n[1], "b", "c");
    mover(&n[2], "c", "a"); /* in a circle */
    mover(&n[3], "s", "s");
    n[4].shards = bit("far");
    join(&n[4], "c", &n[4]);
    uint64_t all = bit("a") | bit("b") | bit("c") | bit("far");
    assert_true(shards_for("a") == all);
    assert_true(shards_for("b") == all);
    assert_true(shards_for("s") == bit("s"));
    for (size_t i = 0; i < 5; i++)
        wait_leave(&w.hold, &n[i]);
}

/* However much there is to follow, the work is bounded. */
static void test_long_chains(void **state)
{
    (void)state;
    enum { LENGTH = 300 };
    static struct wait_node n[LENGTH][4];
    char from[16], to[16];
    for (unsigned i = 0; i < LENGTH; i++) {
        for (unsigned j = 0; j < 4; j++) {
            snprintf(from, sizeof from, "%u", i);
            snprintf(to, sizeof to, "%u", (i * 4 + j) % LENGTH);
            mover(&n[i][j], from, to);
        }
    }
    assert_true(shards_for("1") & bit("4"));
    for (unsigned i = 0; i < LENGTH; i++)
        for (unsigned j = 0; j < 4; j++)
            wait_leave(&w.hold, &n[i][j]);
    assert_int_equal(wait_keys(w.ks), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_first_come_first),
        TEST(test_whoever_names_a_key_twice_stands_once),
        TEST(test_counts),
        TEST(test_what_comes_into_being),
        TEST(test_what_goes),
        TEST(test_databases),
        TEST(test_loading_wakes_nobody),
        TEST(test_each_lane_is_told),
        TEST(test_shards_of_other_keys),
        TEST(test_shards_of_what_is_fed),
        TEST(test_long_chains),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
