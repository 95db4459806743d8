/* test_persist_load.c - what a start makes of the files it finds: torn, damaged, missing,
 * foreign. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <sys/stat.h>
#include "world.h"

#define RECORD(name, value) "*3\r\n$3\r\nset\r\n$1\r\n" name "\r\n$1\r\n" value "\r\n"
#define MANIFEST_1          "file appendonly.aof.1.incr.aof seq 1 type i\n"
#define MANIFEST_2          MANIFEST_1 "file appendonly.aof.2.incr.aof seq 2 type i\n"

static char logs[96];

/* A fresh directory with a log in it. */
static void make_log(char dir[64], const char *manifest, const char *first, size_t first_len,
                     const char *second, size_t second_len)
{
    world_dir(dir);
    snprintf(logs, sizeof logs, "%s/appendonlydir", dir);
    assert_int_equal(mkdir(logs, 0755), 0);
    world_write_file(logs, "appendonly.aof.manifest", slice_str(manifest));
    world_write_file(logs, "appendonly.aof.1.incr.aof", slice_of(first, first_len));
    if (second)
        world_write_file(logs, "appendonly.aof.2.incr.aof", slice_of(second, second_len));
}

/* Loads, checks a and b, appends c, restarts, checks all. */
static void expect_and_go_on(const char *dir, const char *a, const char *b)
{
    struct world w;
    assert_int_equal(world_open(&w, dir, true), PERSIST_LOADED_AOF);
    world_expect(&w, 0, "a", a);
    world_expect(&w, 0, "b", b);
    WORLD_WAIT(plog_is_active(w.log));
    world_run(&w, 0, 0, "set c 3");
    WORLD_WAIT(!persist_rewrite_in_progress(w.persist));
    assert_int_equal(world_close(&w), 0);
    assert_int_equal(world_open(&w, dir, true), PERSIST_LOADED_AOF);
    world_expect(&w, 0, "a", a);
    world_expect(&w, 0, "b", b);
    world_expect(&w, 0, "c", "3");
    assert_int_equal(world_close(&w), 0);
}

static void a_torn_tail_is_cut_off_at_every_byte(void **state)
{
    static const char text[] = RECORD("a", "1") RECORD("b", "2");
    size_t one = strlen(RECORD("a", "1"));
    for (size_t len = one; len < 2 * one; len += len < one + 3 ? 1 : 5) {
        char dir[64];
        make_log(dir, MANIFEST_1, text, len, NULL, 0);
        expect_and_go_on(dir, "1", NULL);
        world_remove(dir);
    }
}

static void a_tail_of_zero_bytes_is_a_torn_one(void **state)
{
    static char text[5000] = RECORD("a", "1") "*3\r\n$3\r\nse";
    char dir[64];
    make_log(dir, MANIFEST_1, text, sizeof text, NULL, 0);
    expect_and_go_on(dir, "1", NULL);
    world_remove(dir);
}

static void a_group_without_its_end_is_not_run(void **state)
{
    static const char text[] = RECORD("a", "1") "*1\r\n$5\r\nMULTI\r\n" RECORD("b", "2");
    char dir[64];
    make_log(dir, MANIFEST_1, text, sizeof text - 1, NULL, 0);
    expect_and_go_on(dir, "1", NULL);
    world_remove(dir);
}

static void whole_groups_and_comments_are_read(void **state)
{
    static const char text[] = "#TS:1700000000\r\n*1\r\n$5\r\nMULTI\r\n" RECORD("a", "1")
        RECORD("b", "2") "*1\r\n$4\r\nEXEC\r\n#TS:1700000001\r\n";
    char dir[64];
    make_log(dir, MANIFEST_1, text, sizeof text - 1, NULL, 0);
    expect_and_go_on(dir, "1", "2");
    world_remove(dir);
}

static void a_torn_file_before_an_empty_one_is_torn(void **state)
{
    static const char text[] = RECORD("a", "1") "*3\r\n";
    char dir[64];
    make_log(dir, MANIFEST_2, text, sizeof text - 1, "", 0);
    expect_and_go_on(dir, "1", NULL);
    world_remove(dir);
}

static void expect_refused(const char *dir, bool truncated_is_fine)
{
    struct world w;
    world_init(&w, dir, true);
    w.options.aof_damage = PERSIST_REFUSE_DAMAGE;
    w.options.aof_load_truncated = truncated_is_fine;
    assert_int_equal(world_load(&w), PERSIST_LOAD_FAILED);
    world_close(&w);
}

static void damage_is_refused_or_set_aside(void **state)
{
    static const char bad[] = RECORD("a", "1") "garbage\r\n" RECORD("b", "2");
    static const char unknown[] = RECORD("a", "1") "*1\r\n$3\r\nfoo\r\n" RECORD("b", "2");
    static const char torn[] = RECORD("a", "1") "*3\r\n$3\r\n";
    static const char more[] = RECORD("b", "2");
    const struct {
        const char *first;
        size_t first_len;
        const char *second;
        size_t second_len;
    } cases[] = {
        {bad, sizeof bad - 1, NULL, 0},
        {unknown, sizeof unknown - 1, NULL, 0},
        {torn, sizeof torn - 1, more, sizeof more - 1}, /* torn, but not at the end of the chain */
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char dir[64];
        make_log(dir, cases[i].second ? MANIFEST_2 : MANIFEST_1, cases[i].first, cases[i].first_len,
                 cases[i].second, cases[i].second_len);
        expect_refused(dir, true);
        struct bytes kept = world_read_file(logs, "appendonly.aof.1.incr.aof");
        assert_int_equal(kept.len, cases[i].first_len); /* refusing changes nothing */
        bytes_free(&kept);
        expect_and_go_on(dir, "1", NULL);
        assert_int_equal(world_count_files(logs, ".damaged-"), cases[i].second ? 2 : 1);
        world_remove(dir);
    }
}

static void a_torn_tail_may_be_forbidden(void **state)
{
    static const char torn[] = RECORD("a", "1") "*3\r\n";
    char dir[64];
    make_log(dir, MANIFEST_1, torn, sizeof torn - 1, NULL, 0);
    expect_refused(dir, false);
    world_remove(dir);
}

static void a_missing_file_is_damage(void **state)
{
    static const char text[] = RECORD("a", "1");
    char dir[64];
    make_log(dir, MANIFEST_2, text, sizeof text - 1, NULL, 0);
    expect_refused(dir, true);
    expect_and_go_on(dir, "1", NULL);
    world_remove(dir);
}

static void a_senseless_manifest_is_refused_or_set_aside(void **state)
{
    static const char text[] = RECORD("a", "1");
    char dir[64];
    make_log(dir, "nonsense\n", text, sizeof text - 1, NULL, 0);
    expect_refused(dir, true);
    struct world w;
    assert_int_equal(world_open(&w, dir, true), PERSIST_LOADED_NOTHING);
    WORLD_WAIT(plog_is_active(w.log));
    world_run(&w, 0, 0, "set c 3");
    struct bytes info = {0};
    persist_info(w.persist, &info);
    assert_non_null(strstr(bytes_str(&info), "load_damaged_files:1"));
    bytes_free(&info);
    WORLD_WAIT(!persist_rewrite_in_progress(w.persist));
    assert_int_equal(world_close(&w), 0);
    assert_int_equal(world_count_files(logs, "manifest.damaged-"), 1);
    /* what it may have listed is never overwritten, nor removed by a later rewrite */
    assert_int_equal(world_count_files(logs, "appendonly.aof.1.incr.aof.damaged-"), 1);
    assert_int_equal(world_open(&w, dir, true), PERSIST_LOADED_AOF);
    world_expect(&w, 0, "c", "3");
    assert_int_equal(world_close(&w), 0);
    world_remove(dir);
}

static void a_log_of_old_redis_is_taken_over(void **state)
{
    static const char text[] = RECORD("a", "1") RECORD("b", "2");
    char dir[64];
    world_dir(dir);
    snprintf(logs, sizeof logs, "%s/appendonlydir", dir);
    world_write_file(dir, "appendonly.aof", slice_str(text));
    expect_and_go_on(dir, "1", "2");
    assert_int_equal(world_count_files(logs, ".base.rdb"), 1);
    world_remove(dir);
}

static void a_damaged_dump_is_refused_or_set_aside(void **state)
{
    struct world w;
    char dir[64];
    world_dir(dir);
    world_open(&w, dir, false);
    world_run(&w, 0, 0, "set a 1");
    assert_int_equal(world_close_saving(&w, true), 0);
    struct bytes file = world_read_file(dir, "dump.rdb");
    file.data[file.len - 1] ^= 1;
    world_write_file(dir, "dump.rdb", bytes_slice(&file));
    bytes_free(&file);
    world_init(&w, dir, false);
    w.options.aof_damage = PERSIST_REFUSE_DAMAGE;
    assert_int_equal(world_load(&w), PERSIST_LOAD_FAILED);
    world_close(&w);
    assert_int_equal(world_count_files(dir, "damaged"), 0);
    assert_int_equal(world_open(&w, dir, false), PERSIST_LOADED_RDB);
    world_expect(&w, 0, "a", "1");
    assert_int_equal(world_close(&w), 0);
    assert_int_equal(world_count_files(dir, "dump.rdb.damaged-"), 1);
    world_remove(dir);
}

static void leftovers_go_and_foreign_files_stay(void **state)
{
    static const char *const ours[] = {"temp-4194300.rdb", "temp-rewriteaof-4194300.aof",
                                       "temp-rewriteaof-bg-4194300.aof"};
    static const char *const ours_below[] = {"temp-rewriteaof-bg-4194300.aof",
                                             "temp-appendonly.aof.incr",
                                             "appendonly.aof.manifest.4194300.0a1b2c3d.tmp"};
    static const char *const foreign[] = {"temp-x.rdb",         "temp-12.rdb.bak", "temp-1.aof",
                                          "appendonly.aof.txt", "my.tmp",          "temp-.rdb",
                                          "temp-1.rdb"}; /* 1 is alive and not us */
    char dir[64];
    make_log(dir, MANIFEST_1, "", 0, NULL, 0);
    for (size_t i = 0; i < COUNT_OF(ours); i++)
        world_write_file(dir, ours[i], SLICE("x"));
    for (size_t i = 0; i < COUNT_OF(ours_below); i++)
        world_write_file(logs, ours_below[i], SLICE("x"));
    for (size_t i = 0; i < COUNT_OF(foreign); i++) {
        world_write_file(dir, foreign[i], SLICE("x"));
        world_write_file(logs, foreign[i], SLICE("x"));
    }
    struct world w;
    assert_int_equal(world_open(&w, dir, true), PERSIST_LOADED_AOF);
    for (size_t i = 0; i < COUNT_OF(ours); i++)
        assert_int_equal(world_count_files(dir, ours[i]), 0);
    for (size_t i = 0; i < COUNT_OF(ours_below); i++)
        assert_int_equal(world_count_files(logs, ours_below[i]), 0);
    for (size_t i = 0; i < COUNT_OF(foreign); i++) {
        assert_true(world_count_files(dir, foreign[i]) >= 1);
        assert_true(world_count_files(logs, foreign[i]) >= 1);
    }
    assert_int_equal(world_close(&w), 0);
    world_remove(dir);
}

/* Files of older chains that nobody could remove in time go with the next rewrite, and not before:
 * until then they may be all there is. What has a larger number, or another name, stays. */
static void superseded_files_go_with_a_rewrite(void **state)
{
    static const char *const old[] = {"appendonly.aof.2.base.rdb", "appendonly.aof.2.incr.aof",
                                      "appendonly.aof.3.base.aof"};
    static const char *const kept[] = {"appendonly.aof.2.base.rdb.damaged-1",
                                       "appendonly.aof.2.txt", "other.aof.2.base.rdb"};
    char dir[64];
    make_log(dir, MANIFEST_1, "", 0, NULL, 0);
    for (size_t i = 0; i < COUNT_OF(old); i++)
        world_write_file(logs, old[i], SLICE("x"));
    for (size_t i = 0; i < COUNT_OF(kept); i++)
        world_write_file(logs, kept[i], SLICE("x"));
    struct world w;
    assert_int_equal(world_open(&w, dir, true), PERSIST_LOADED_AOF);
    world_run(&w, 0, 0, "set a 1");
    for (size_t i = 0; i < COUNT_OF(old); i++)
        assert_true(world_count_files(logs, old[i]) >= 1);
    persist_rewrite(w.persist);
    WORLD_WAIT(!persist_rewrite_in_progress(w.persist));
    for (size_t i = 1; i < COUNT_OF(old); i++)
        assert_int_equal(world_count_files(logs, old[i]), 0);
    assert_int_equal(world_count_files(logs, old[0]), 1); /* the one set aside */
    for (size_t i = 0; i < COUNT_OF(kept); i++)
        assert_int_equal(world_count_files(logs, kept[i]), 1);
    assert_int_equal(world_close(&w), 0);
    assert_int_equal(world_open(&w, dir, true), PERSIST_LOADED_AOF);
    world_expect(&w, 0, "a", "1");
    assert_int_equal(world_close(&w), 0);
    world_remove(dir);
}

static void a_retired_log_is_taken_back_while_it_is_whole(void **state)
{
    static const char a[] = RECORD("a", "1"), b[] = RECORD("b", "2");
    char dir[64];
    make_log(dir, MANIFEST_2, a, sizeof a - 1, b, sizeof b - 1);
    world_rename(logs, "appendonly.aof.manifest", "appendonly.aof.manifest.retired");
    expect_and_go_on(dir, "1", "2");
    assert_int_equal(world_count_files(logs, "retired"), 0);
    world_remove(dir);
    /* One file has gone: so go the others. */
    make_log(dir, MANIFEST_2, a, sizeof a - 1, NULL, 0);
    world_rename(logs, "appendonly.aof.1.incr.aof", "appendonly.aof.2.incr.aof");
    world_rename(logs, "appendonly.aof.manifest", "appendonly.aof.manifest.retired");
    struct world w;
    assert_int_equal(world_open(&w, dir, true), PERSIST_LOADED_NOTHING);
    assert_int_equal(world_count_files(logs, "appendonly.aof.2.incr.aof"), 0);
    assert_int_equal(world_count_files(logs, "retired"), 0);
    assert_int_equal(world_close(&w), 0);
    world_remove(dir);
    /* Another log has taken its place already: nothing of that is touched. */
    make_log(dir, MANIFEST_1, a, sizeof a - 1, NULL, 0);
    world_write_file(logs, "appendonly.aof.manifest.retired", slice_str(MANIFEST_2));
    world_write_file(logs, "appendonly.aof.2.incr.aof", slice_of(b, sizeof b - 1));
    expect_and_go_on(dir, "1", NULL);
    assert_int_equal(world_count_files(logs, "retired"), 0);
    world_remove(dir);
}

static void a_directory_in_use_is_refused(void **state)
{
    struct world w, second;
    char dir[64];
    make_log(dir, MANIFEST_1, "", 0, NULL, 0);
    assert_int_equal(world_open(&w, dir, true), PERSIST_LOADED_AOF);
    world_init(&second, dir, true);
    assert_int_equal(world_load(&second), PERSIST_LOAD_FAILED);
    world_close(&second);
    assert_int_equal(world_close(&w), 0);
    assert_int_equal(world_open(&w, dir, true), PERSIST_LOADED_AOF);
    assert_int_equal(world_close(&w), 0);
    world_remove(dir);
}

static void large_records_are_read_through_the_window(void **state)
{
    struct bytes text = {0};
    size_t len = 3 * 1024 * 1024 + 17;
    char dir[64];
    for (int i = 0; i < 3; i++) {
        bytes_printf(&text, "*3\r\n$3\r\nset\r\n$1\r\n%c\r\n$%zu\r\n", "xyz"[i], len + (size_t)i);
        bytes_reserve(&text, len + 10);
        memset(text.data + text.len, 'v', len + (size_t)i);
        text.len += len + (size_t)i;
        bytes_append_str(&text, "\r\n");
    }
    bytes_append_str(&text, RECORD("a", "1"));
    make_log(dir, MANIFEST_1, text.data, text.len, NULL, 0);
    struct world w;
    assert_int_equal(world_open(&w, dir, true), PERSIST_LOADED_AOF);
    char *value = world_get(&w, 0, "z");
    assert_int_equal(strlen(value), len + 2);
    mem_free(value);
    world_expect(&w, 0, "a", "1");
    assert_int_equal(world_close(&w), 0);
    world_remove(dir);
    bytes_free(&text);
}

int main(void)
{
    log_set_level(getenv("VERBOSE") ? LOG_LEVEL_DEBUG : LOG_LEVEL_NOTHING);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_torn_tail_is_cut_off_at_every_byte),
        cmocka_unit_test(a_tail_of_zero_bytes_is_a_torn_one),
        cmocka_unit_test(a_group_without_its_end_is_not_run),
        cmocka_unit_test(whole_groups_and_comments_are_read),
        cmocka_unit_test(a_torn_file_before_an_empty_one_is_torn),
        cmocka_unit_test(damage_is_refused_or_set_aside),
        cmocka_unit_test(a_torn_tail_may_be_forbidden),
        cmocka_unit_test(a_missing_file_is_damage),
        cmocka_unit_test(a_senseless_manifest_is_refused_or_set_aside),
        cmocka_unit_test(a_log_of_old_redis_is_taken_over),
        cmocka_unit_test(a_damaged_dump_is_refused_or_set_aside),
        cmocka_unit_test(leftovers_go_and_foreign_files_stay),
        cmocka_unit_test(superseded_files_go_with_a_rewrite),
        cmocka_unit_test(a_retired_log_is_taken_back_while_it_is_whole),
        cmocka_unit_test(a_directory_in_use_is_refused),
        cmocka_unit_test(large_records_are_read_through_the_window),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
