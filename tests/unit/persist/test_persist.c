/* test_persist.c - the whole of persistence without trouble: log, rewrite, snapshots, restarts. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "world.h"

static void a_log_is_written_and_loaded(void **state)
{
    const enum persist_fsync modes[] = {PERSIST_FSYNC_NO, PERSIST_FSYNC_EVERYSEC,
                                        PERSIST_FSYNC_ALWAYS};
    for (size_t i = 0; i < COUNT_OF(modes); i++) {
        struct world w;
        char dir[64];
        world_dir(dir);
        world_init(&w, dir, true);
        w.options.appendfsync = modes[i];
        assert_int_equal(world_load(&w), PERSIST_LOADED_NOTHING);
        world_start(&w);
        world_run(&w, 0, 0, "set a 1");
        world_run(&w, 0, 5, "set b 2");
        world_run(&w, 0, 0, "incr a");
        world_run(&w, 0, 5, "set c 3 PXAT 4102444800000");
        world_run(&w, 0, 5, "del b");
        assert_int_equal(world_close(&w), 0);
        for (int again = 0; again < 2; again++) {
            assert_int_equal(world_open(&w, dir, true), PERSIST_LOADED_AOF);
            world_expect(&w, 0, "a", again ? "3" : "2");
            world_expect(&w, 5, "b", NULL);
            world_expect(&w, 5, "c", "3");
            assert_int_equal(keyspace_expires(w.ks, 5), 1);
            world_run(&w, 0, 0, "incr a");
            assert_int_equal(world_close(&w), 0);
        }
        world_remove(dir);
    }
}

static void always_is_durable_when_it_says_so(void **state)
{
    struct world w, after;
    char dir[64], crash[64], line[64];
    world_dir(dir);
    world_init(&w, dir, true);
    w.options.appendfsync = PERSIST_FSYNC_ALWAYS;
    assert_int_equal(world_load(&w), PERSIST_LOADED_NOTHING);
    world_start(&w);
    for (int round = 0; round < 5; round++) {
        uint64_t end = 0;
        for (int i = 0; i < 50; i++) {
            snprintf(line, sizeof line, "set k%d %d", i, round);
            end = world_run(&w, 0, 0, line);
        }
        WORLD_WAIT(persist_durable(w.persist) >= end);
        assert_true(persist_synced(w.persist) >= end);
        WORLD_WAIT(RELAXED_LOAD(&w.woken) > 0);
        world_snapshot_files(dir, crash);
        assert_int_equal(world_open(&after, crash, true), PERSIST_LOADED_AOF);
        snprintf(line, sizeof line, "%d", round);
        for (int i = 0; i < 50; i++) {
            char name[16];
            snprintf(name, sizeof name, "k%d", i);
            world_expect(&after, 0, name, line);
        }
        assert_int_equal(world_close(&after), 0);
        world_remove(crash);
    }
    assert_int_equal(world_close(&w), 0);
    world_remove(dir);
}

static void everysec_syncs_within_two_seconds(void **state)
{
    struct world w;
    char dir[64];
    world_dir(dir);
    world_open(&w, dir, true);
    uint64_t end = world_run(&w, 0, 0, "set a 1");
    assert_true(persist_durable(w.persist) == UINT64_MAX);
    uint64_t began = clock_mono_ms();
    WORLD_WAIT(persist_synced(w.persist) >= end);
    assert_true(clock_mono_ms() - began < 9000);
    assert_int_equal(world_close(&w), 0);
    world_remove(dir);
}

/* ---- rewriting under traffic ---- */

#define TRAFFIC 3
#define NAMES   400

struct traffic {
    struct world *world;
    uint32_t lane;
    uint32_t stop; /* atomic */
    uint64_t counts[NAMES];
};

static void *run_traffic(void *arg)
{
    struct traffic *t = arg;
    char line[64];
    for (uint64_t n = 0; !RELAXED_LOAD(&t->stop); n++) {
        uint32_t name = (uint32_t)(n * 7919 % NAMES);
        snprintf(line, sizeof line, "incr t%u:%u", t->lane, name);
        world_run(t->world, t->lane, t->lane, line);
        t->counts[name]++;
        if (n % 64 == 0)
            clock_sleep_us(200);
    }
    return NULL;
}

static void expect_counts(struct world *w, const struct traffic *t)
{
    for (uint32_t i = 0; i < NAMES; i++) {
        char name[32], value[32];
        snprintf(name, sizeof name, "t%u:%u", t->lane, i);
        snprintf(value, sizeof value, "%llu", (unsigned long long)t->counts[i]);
        world_expect(w, t->lane, name, t->counts[i] ? value : NULL);
    }
}

static void rewrites_lose_and_double_nothing(void **state)
{
    static struct traffic traffic[TRAFFIC];
    struct world w;
    char dir[64], path[128];
    pthread_t threads[TRAFFIC];
    world_dir(dir);
    world_open(&w, dir, true);
    memset(traffic, 0, sizeof traffic);
    for (uint32_t i = 0; i < TRAFFIC; i++) {
        traffic[i] = (struct traffic){.world = &w, .lane = i};
        pthread_create(&threads[i], NULL, run_traffic, &traffic[i]);
    }
    for (int i = 0; i < 5; i++) {
        clock_sleep_us(30000);
        assert_int_equal(persist_rewrite(w.persist), PERSIST_STARTED);
        WORLD_WAIT(!persist_rewrite_in_progress(w.persist));
    }
    clock_sleep_us(20000);
    for (uint32_t i = 0; i < TRAFFIC; i++) {
        RELAXED_STORE(&traffic[i].stop, 1);
        pthread_join(threads[i], NULL);
    }
    assert_int_equal(world_close(&w), 0);
    snprintf(path, sizeof path, "%s/appendonlydir", dir);
    assert_int_equal(world_count_files(path, ".base."), 1);
    assert_int_equal(world_count_files(path, ".incr."), 1);
    assert_int_equal(world_count_files(path, "temp"), 0);
    assert_int_equal(world_open(&w, dir, true), PERSIST_LOADED_AOF);
    for (uint32_t i = 0; i < TRAFFIC; i++)
        expect_counts(&w, &traffic[i]);
    assert_int_equal(world_close(&w), 0);
    world_remove(dir);
}

static void a_crash_at_any_moment_of_a_rewrite_leaves_a_chain(void **state)
{
    static struct traffic traffic;
    struct world w, after;
    char dir[64], crash[64];
    pthread_t thread;
    world_dir(dir);
    world_open(&w, dir, true);
    traffic = (struct traffic){.world = &w};
    pthread_create(&thread, NULL, run_traffic, &traffic);
    for (int i = 0; i < 15; i++) {
        persist_rewrite(w.persist);
        clock_sleep_us((uint64_t)i * 700);
        world_snapshot_files(dir, crash);
        /* The copy is not taken at one instant, so files may be missing from it; but when the
         * manifest's files are there, what they hold is consistent. */
        world_init(&after, crash, true);
        enum persist_loaded loaded = world_load(&after);
        assert_true(loaded == PERSIST_LOADED_AOF || loaded == PERSIST_LOADED_NOTHING);
        world_start(&after);
        world_close(&after);
        world_remove(crash);
    }
    RELAXED_STORE(&traffic.stop, 1);
    pthread_join(thread, NULL);
    WORLD_WAIT(!persist_rewrite_in_progress(w.persist));
    assert_int_equal(world_close(&w), 0);
    assert_int_equal(world_open(&w, dir, true), PERSIST_LOADED_AOF);
    expect_counts(&w, &traffic);
    assert_int_equal(world_close(&w), 0);
    world_remove(dir);
}

static void a_base_may_be_commands_and_records_carry_the_time(void **state)
{
    struct world w;
    char dir[64], below[96];
    world_dir(dir);
    world_init(&w, dir, true);
    w.options.aof_use_rdb_preamble = false;
    w.options.aof_timestamp_enabled = true;
    world_load(&w);
    world_start(&w);
    world_run(&w, 0, 0, "set a 1");
    world_run(&w, 0, 7, "set b 2 PXAT 4102444800000");
    assert_int_equal(persist_rewrite(w.persist), PERSIST_STARTED);
    WORLD_WAIT(!persist_rewrite_in_progress(w.persist));
    world_run(&w, 0, 7, "set c 3");
    assert_int_equal(world_close(&w), 0);
    snprintf(below, sizeof below, "%s/appendonlydir", dir);
    struct bytes base = world_read_file(below, "appendonly.aof.2.base.aof");
    assert_string_equal(bytes_str(&base), "*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n"
                                          "*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\n1\r\n"
                                          "*2\r\n$6\r\nSELECT\r\n$1\r\n7\r\n"
                                          "*3\r\n$3\r\nSET\r\n$1\r\nb\r\n$1\r\n2\r\n"
                                          "*3\r\n$9\r\nPEXPIREAT\r\n$1\r\nb\r\n"
                                          "$13\r\n4102444800000\r\n");
    bytes_free(&base);
    struct bytes increment = world_read_file(below, "appendonly.aof.2.incr.aof");
    assert_memory_equal(increment.data, "#TS:", 4);
    bytes_free(&increment);
    assert_int_equal(world_open(&w, dir, true), PERSIST_LOADED_AOF);
    world_expect(&w, 0, "a", "1");
    world_expect(&w, 7, "b", "2");
    world_expect(&w, 7, "c", "3");
    assert_int_equal(keyspace_expires(w.ks, 7), 1);
    assert_int_equal(world_close(&w), 0);
    world_remove(dir);
}

static void a_flush_during_a_rewrite_is_right(void **state)
{
    struct world w;
    char dir[64], line[64];
    world_dir(dir);
    world_open(&w, dir, true);
    for (int round = 0; round < 6; round++) {
        for (int i = 0; i < 20000; i++) {
            snprintf(line, sizeof line, "set k%d %d", i, round);
            world_run(&w, 0, 0, line);
        }
        persist_rewrite(w.persist);
        clock_sleep_us((uint64_t)round * 1500);
        world_run(&w, 0, 0, "flushall");
        snprintf(line, sizeof line, "set round %d", round);
        world_run(&w, 0, 0, line);
        WORLD_WAIT(!persist_rewrite_in_progress(w.persist));
    }
    assert_int_equal(world_close(&w), 0);
    assert_int_equal(world_open(&w, dir, true), PERSIST_LOADED_AOF);
    world_expect(&w, 0, "round", "5");
    assert_int_equal(keyspace_size(w.ks, 0), 1);
    assert_int_equal(world_close(&w), 0);
    world_remove(dir);
}

/* ---- on and off ---- */

static void the_log_is_turned_on_and_off_while_running(void **state)
{
    struct world w;
    char dir[64];
    world_dir(dir);
    world_open(&w, dir, false);
    world_run(&w, 0, 0, "set before 1");
    assert_false(plog_is_active(w.log));
    w.options.appendonly = w.guard_options.appendonly = true;
    guard_configure(w.guard, &w.guard_options);
    persist_configure(w.persist, &w.options);
    WORLD_WAIT(plog_is_active(w.log) && !persist_rewrite_in_progress(w.persist));
    world_run(&w, 0, 0, "set during 2");
    w.options.appendonly = w.guard_options.appendonly = false;
    persist_configure(w.persist, &w.options);
    guard_configure(w.guard, &w.guard_options);
    WORLD_WAIT(!plog_is_active(w.log));
    world_run(&w, 0, 0, "set after 3");
    assert_int_equal(world_close(&w), 0);

    assert_int_equal(world_open(&w, dir, true), PERSIST_LOADED_AOF);
    world_expect(&w, 0, "before", "1");
    world_expect(&w, 0, "during", "2");
    world_expect(&w, 0, "after", NULL);
    w.options.appendonly = false;
    persist_configure(w.persist, &w.options);
    WORLD_WAIT(!plog_is_active(w.log));
    world_run(&w, 0, 0, "set again 4");
    w.options.appendonly = true;
    persist_configure(w.persist, &w.options);
    WORLD_WAIT(plog_is_active(w.log));
    world_run(&w, 0, 0, "set and 5");
    WORLD_WAIT(!persist_rewrite_in_progress(w.persist));
    assert_int_equal(world_close(&w), 0);

    assert_int_equal(world_open(&w, dir, true), PERSIST_LOADED_AOF);
    world_expect(&w, 0, "again", "4");
    world_expect(&w, 0, "and", "5");
    assert_int_equal(world_close(&w), 0);
    world_remove(dir);
}

static void a_rewrite_without_a_log_writes_a_base(void **state)
{
    struct world w;
    char dir[64];
    world_dir(dir);
    world_open(&w, dir, false);
    world_run(&w, 0, 3, "set a 1");
    assert_int_equal(persist_rewrite(w.persist), PERSIST_STARTED);
    WORLD_WAIT(!persist_rewrite_in_progress(w.persist));
    assert_int_equal(world_close(&w), 0);
    assert_int_equal(world_open(&w, dir, true), PERSIST_LOADED_AOF);
    world_expect(&w, 3, "a", "1");
    world_run(&w, 0, 3, "set b 2");
    assert_int_equal(world_close(&w), 0);
    assert_int_equal(world_open(&w, dir, true), PERSIST_LOADED_AOF);
    world_expect(&w, 3, "b", "2");
    assert_int_equal(world_close(&w), 0);
    world_remove(dir);
}

static void a_dump_file_becomes_the_base_of_a_log(void **state)
{
    struct world w;
    char dir[64];
    world_dir(dir);
    world_open(&w, dir, false);
    world_run(&w, 0, 0, "set a 1");
    assert_int_equal(world_close_saving(&w, true), 0);
    assert_int_equal(world_open(&w, dir, true), PERSIST_LOADED_RDB);
    world_expect(&w, 0, "a", "1");
    WORLD_WAIT(plog_is_active(w.log));
    world_run(&w, 0, 0, "set b 2");
    WORLD_WAIT(!persist_rewrite_in_progress(w.persist));
    assert_int_equal(world_close(&w), 0);
    assert_int_equal(world_open(&w, dir, true), PERSIST_LOADED_AOF);
    world_expect(&w, 0, "a", "1");
    world_expect(&w, 0, "b", "2");
    assert_int_equal(world_close(&w), 0);
    world_remove(dir);
}

/* ---- snapshots ---- */

static void note_error(void *ctx, int error)
{
    __atomic_store_n((int *)ctx, error, __ATOMIC_RELEASE);
}

static void saves_are_made_and_loaded(void **state)
{
    struct world w;
    char dir[64];
    int error = 1;
    world_dir(dir);
    world_open(&w, dir, false);
    world_run(&w, 0, 0, "set a 1");
    assert_int_equal(persist_changes(w.persist), 1);
    assert_int_equal(persist_save(w.persist, note_error, &error), PERSIST_STARTED);
    WORLD_WAIT(__atomic_load_n(&error, __ATOMIC_ACQUIRE) != 1);
    assert_int_equal(error, 0);
    assert_int_equal(persist_changes(w.persist), 0);
    world_run(&w, 0, 0, "set b 2");
    assert_int_equal(persist_bgsave(w.persist, false, NULL, NULL), PERSIST_STARTED);
    WORLD_WAIT(!persist_bgsave_in_progress(w.persist));
    world_run(&w, 0, 0, "set c 3");
    assert_int_equal(world_close(&w), 0);
    assert_int_equal(world_open(&w, dir, false), PERSIST_LOADED_RDB);
    world_expect(&w, 0, "b", "2");
    world_expect(&w, 0, "c", NULL);
    world_run(&w, 0, 0, "set d 4");
    assert_int_equal(world_close_saving(&w, true), 0);
    assert_int_equal(world_open(&w, dir, false), PERSIST_LOADED_RDB);
    world_expect(&w, 0, "d", "4");
    assert_int_equal(world_close(&w), 0);
    assert_int_equal(world_count_files(dir, "temp"), 0);
    world_remove(dir);
}

static void save_points_save(void **state)
{
    struct world w;
    char dir[64];
    world_dir(dir);
    world_init(&w, dir, false);
    w.options.save[0] = (struct persist_save_point){.seconds = 1, .changes = 3};
    w.options.save_count = 1;
    world_load(&w);
    world_start(&w);
    world_run(&w, 0, 0, "set a 1");
    world_run(&w, 0, 0, "set b 1");
    clock_sleep_us(1300000);
    assert_int_equal(world_count_files(dir, "dump.rdb"), 0);
    world_run(&w, 0, 0, "set c 1");
    WORLD_WAIT(world_count_files(dir, "dump.rdb") == 1);
    WORLD_WAIT(persist_changes(w.persist) == 0);
    assert_int_equal(world_close(&w), 0);
    world_remove(dir);
}

static void info_has_every_field(void **state)
{
    static const char *const fields[] = {"loading:0",
                                         "rdb_changes_since_last_save:",
                                         "rdb_bgsave_in_progress:0",
                                         "rdb_last_bgsave_status:ok",
                                         "rdb_last_bgsave_time_sec:-1",
                                         "aof_enabled:1",
                                         "aof_rewrite_in_progress:0",
                                         "aof_last_bgrewrite_status:ok",
                                         "aof_last_write_status:ok",
                                         "aof_current_size:",
                                         "aof_base_size:",
                                         "aof_buffer_length:",
                                         "aof_delayed_fsync:0"};
    struct world w;
    char dir[64];
    world_dir(dir);
    world_open(&w, dir, true);
    struct bytes text = {0};
    persist_info(w.persist, &text);
    for (size_t i = 0; i < COUNT_OF(fields); i++)
        if (!strstr(bytes_str(&text), fields[i]))
            fail_msg("no %s in:\n%s", fields[i], text.data);
    bytes_free(&text);
    assert_int_equal(world_close(&w), 0);
    world_remove(dir);
}

int main(void)
{
    log_set_level(getenv("VERBOSE") ? LOG_LEVEL_DEBUG : LOG_LEVEL_NOTHING);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_log_is_written_and_loaded),
        cmocka_unit_test(always_is_durable_when_it_says_so),
        cmocka_unit_test(everysec_syncs_within_two_seconds),
        cmocka_unit_test(rewrites_lose_and_double_nothing),
        cmocka_unit_test(a_crash_at_any_moment_of_a_rewrite_leaves_a_chain),
        cmocka_unit_test(a_base_may_be_commands_and_records_carry_the_time),
        cmocka_unit_test(a_flush_during_a_rewrite_is_right),
        cmocka_unit_test(the_log_is_turned_on_and_off_while_running),
        cmocka_unit_test(a_rewrite_without_a_log_writes_a_base),
        cmocka_unit_test(a_dump_file_becomes_the_base_of_a_log),
        cmocka_unit_test(saves_are_made_and_loaded),
        cmocka_unit_test(save_points_save),
        cmocka_unit_test(info_has_every_field),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
