/* test_persist_repair.c - a log that was given up, poisoned, removed or never opened is begun
 * anew by itself, and a disk that hangs holds nobody up. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "faults.h"

static void a_full_buffer_makes_a_gap_that_is_repaired(void **state)
{
    struct world w;
    char dir[64], line[64];
    world_dir(dir);
    world_init(&w, dir, true);
    w.options.aof_buffer_limit = 10000;
    world_load(&w);
    world_start(&w);
    world_run(&w, 0, 0, "set a 1");
    wait_written(&w);
    /* a part of a record gets into the file and must be cut off again */
    struct file_fault f = {
        .op = FILE_OP_WRITE, .path_part = "incr", .error = EIO, .short_bytes = 10};
    file_fault_add(&f);
    for (int i = 0; i < 1000; i++) {
        snprintf(line, sizeof line, "set k%d %d", i, i);
        world_run(&w, 0, 0, line);
    }
    WORLD_WAIT(health(&w) == GUARD_SUSPENDED || health(&w) == GUARD_REPAIRING);
    wait_written(&w); /* dropped, that is */
    expect_on_disk(dir, "a", "1");
    file_fault_clear();
    WORLD_WAIT(health(&w) == GUARD_DURABLE);
    world_run(&w, 0, 0, "set b 2");
    wait_written(&w);
    expect_on_disk(dir, "k999", "999");
    expect_on_disk(dir, "b", "2");
    expect_no_leftovers(dir);
    assert_int_equal(world_close(&w), 0);
    world_remove(dir);
}

static void a_failed_sync_is_cured_by_a_fresh_base(void **state)
{
    for (int mode = PERSIST_FSYNC_EVERYSEC; mode <= PERSIST_FSYNC_ALWAYS; mode++) {
        struct world w;
        char dir[64];
        world_dir(dir);
        world_init(&w, dir, true);
        w.options.appendfsync = (enum persist_fsync)mode;
        world_load(&w);
        world_start(&w);
        world_run(&w, 0, 0, "set a 1");
        int id = fault(FILE_OP_SYNC, "incr", 0, 1, EIO);
        uint64_t end = world_run(&w, 0, 0, "set b 2");
        WORLD_WAIT(file_fault_hits(id) == 1);
        WORLD_WAIT(persist_synced(w.persist) >= end); /* not by a later sync of the same file */
        WORLD_WAIT(!info_says(&w, "aof_rewrites:0"));
        assert_true(info_says(&w, "aof_last_bgrewrite_status:ok"));
        WORLD_WAIT(!persist_log_failed(w.persist));
        end = world_run(&w, 0, 0, "set c 3");
        WORLD_WAIT(persist_durable(w.persist) >= end);
        wait_written(&w);
        expect_on_disk(dir, "b", "2");
        expect_on_disk(dir, "c", "3");
        WORLD_WAIT(health(&w) == GUARD_DURABLE);
        assert_int_equal(world_close(&w), 0);
        world_remove(dir);
        file_fault_clear();
    }
}

static void a_failed_sync_is_not_forgotten_when_the_repair_fails_too(void **state)
{
    struct world w;
    char dir[64];
    world_dir(dir);
    world_init(&w, dir, true);
    w.options.appendfsync = PERSIST_FSYNC_ALWAYS;
    world_load(&w);
    world_start(&w);
    uint64_t before = world_run(&w, 0, 0, "set a 1");
    WORLD_WAIT(persist_durable(w.persist) >= before);
    fault(FILE_OP_SYNC, "incr", 0, 1, EIO);
    int id = fault(FILE_OP_WRITE, "temp-rewrite", 0, 1, EIO);
    uint64_t end = world_run(&w, 0, 0, "set b 2");
    WORLD_WAIT(file_fault_hits(id) == 1);
    assert_true(persist_durable(w.persist) < end);
    assert_int_equal(persist_rewrite(w.persist) == PERSIST_SCHEDULED, 0);
    WORLD_WAIT(persist_durable(w.persist) >= end);
    expect_on_disk(dir, "b", "2");
    assert_int_equal(world_close(&w), 0);
    world_remove(dir);
}

static void a_removed_log_is_noticed_and_written_anew(void **state)
{
    struct world w;
    char dir[64], command[128];
    world_dir(dir);
    world_open(&w, dir, true);
    world_run(&w, 0, 0, "set a 1");
    wait_written(&w);
    snprintf(command, sizeof command, "rm -r '%s/appendonlydir'", dir);
    assert_int_equal(system(command), 0);
    WORLD_WAIT(!info_says(&w, "aof_rewrites:0") && !persist_rewrite_in_progress(w.persist));
    world_run(&w, 0, 0, "set b 2");
    wait_written(&w);
    expect_on_disk(dir, "a", "1");
    expect_on_disk(dir, "b", "2");
    assert_int_equal(world_close(&w), 0);
    world_remove(dir);
}

static void a_log_that_cannot_be_opened_is_begun_later(void **state)
{
    static const struct {
        enum file_op op;
        const char *part;
        int error;
    } points[] = {{FILE_OP_MKDIR, "appendonlydir", EROFS},
                  {FILE_OP_CREATE, "incr", ENOSPC},
                  {FILE_OP_RENAME, "manifest", EIO}};
    for (size_t i = 0; i < COUNT_OF(points); i++) {
        struct world w;
        char dir[64];
        world_dir(dir);
        fault(points[i].op, points[i].part, 0, 0, points[i].error);
        assert_int_equal(world_open(&w, dir, true), PERSIST_LOADED_NOTHING);
        world_run(&w, 0, 0, "set a 1");
        WORLD_WAIT(health(&w) == GUARD_SUSPENDED || health(&w) == GUARD_REPAIRING);
        file_fault_clear();
        WORLD_WAIT(health(&w) == GUARD_DURABLE);
        world_run(&w, 0, 0, "set b 2");
        wait_written(&w);
        expect_on_disk(dir, "a", "1");
        expect_on_disk(dir, "b", "2");
        expect_no_leftovers(dir);
        assert_int_equal(world_close(&w), 0);
        world_remove(dir);
    }
}

static void a_torn_tail_that_cannot_be_cut_off_is_covered_by_a_base(void **state)
{
    struct world w;
    char dir[64], below[96];
    world_dir(dir);
    world_open(&w, dir, true);
    world_run(&w, 0, 0, "set a 1");
    assert_int_equal(world_close(&w), 0);
    snprintf(below, sizeof below, "%s/appendonlydir", dir);
    struct bytes file = world_read_file(below, "appendonly.aof.1.incr.aof");
    bytes_append_str(&file, "*3\r\n$3\r\nset\r\n");
    world_write_file(below, "appendonly.aof.1.incr.aof", bytes_slice(&file));
    bytes_free(&file);
    fault(FILE_OP_TRUNCATE, "incr", 0, 1, EROFS);
    assert_int_equal(world_open(&w, dir, true), PERSIST_LOADED_AOF);
    world_run(&w, 0, 0, "set b 2");
    WORLD_WAIT(health(&w) == GUARD_DURABLE && plog_is_active(w.log));
    wait_written(&w);
    expect_on_disk(dir, "a", "1");
    expect_on_disk(dir, "b", "2");
    assert_int_equal(world_close(&w), 0);
    world_remove(dir);
}

static void a_log_the_guard_does_not_want_is_given_up_and_begun_anew(void **state)
{
    struct world w;
    char dir[64];
    world_dir(dir);
    world_init(&w, dir, true);
    w.options.appendfsync = PERSIST_FSYNC_ALWAYS;
    world_load(&w);
    persist_start(w.persist);
    RELAXED_STORE(&guard_verdict(w.guard)->policy, GUARD_POLICY_MEMORY_ONLY);
    world_run(&w, 0, 0, "set a 1");
    wait_written(&w);
    RELAXED_STORE(&guard_verdict(w.guard)->log_on, 0);
    WORLD_WAIT(persist_durable(w.persist) == UINT64_MAX);
    world_run(&w, 0, 0, "set b 2");
    assert_true(persist_durable(w.persist) == UINT64_MAX);
    wait_written(&w);
    expect_on_disk(dir, "a", "1");
    RELAXED_STORE(&guard_verdict(w.guard)->log_on, 1);
    RELAXED_STORE(&guard_verdict(w.guard)->repair_on, 1);
    WORLD_WAIT(!info_says(&w, "aof_rewrites:0"));
    world_run(&w, 0, 0, "set c 3");
    wait_written(&w);
    expect_on_disk(dir, "b", "2");
    expect_on_disk(dir, "c", "3");
    assert_int_equal(world_close(&w), 0);
    world_remove(dir);
}

static void old_files_go_first_where_two_copies_do_not_fit(void **state)
{
    struct world w;
    char dir[64];
    world_dir(dir);
    world_init(&w, dir, true);
    world_load(&w);
    persist_start(w.persist);
    fill(&w);
    wait_written(&w);
    int id = fault(FILE_OP_RENAME, "manifest", 0, 1, EIO);
    for (int try = 0; try < 2; try++) { /* the first fails in the end: nothing is on disk then */
        RELAXED_STORE(&guard_verdict(w.guard)->replace_old, 1);
        RELAXED_STORE(&guard_verdict(w.guard)->compact, GUARD_TRIGGER_SPACE);
        WORLD_WAIT(RELAXED_LOAD(&guard_verdict(w.guard)->compact) == GUARD_TRIGGER_NONE);
        WORLD_WAIT(!persist_rewrite_in_progress(w.persist));
        assert_int_equal(file_fault_hits(id), 1);
        expect_no_leftovers(dir);
    }
    world_run(&w, 0, 0, "set c 3");
    wait_written(&w);
    expect_on_disk(dir, "k2999", "value-2999");
    expect_on_disk(dir, "c", "3");
    assert_int_equal(world_close(&w), 0);
    world_remove(dir);
}

static void a_base_serves_as_a_snapshot_where_there_is_no_room(void **state)
{
    struct world w, after;
    char dir[64];
    world_dir(dir);
    world_init(&w, dir, true);
    w.options.save[0] = (struct persist_save_point){.seconds = 1, .changes = 1};
    w.options.save_count = 1;
    world_load(&w);
    RELAXED_STORE(&guard_verdict(w.guard)->snapshot_on, 0);
    RELAXED_STORE(&guard_verdict(w.guard)->link_on, 1);
    persist_start(w.persist);
    world_run(&w, 0, 0, "set a 1");
    clock_sleep_us(1300000);
    assert_int_equal(world_count_files(dir, "dump.rdb"), 0); /* skipped, and no error */
    assert_false(persist_save_failed(w.persist));
    assert_int_equal(persist_rewrite(w.persist), PERSIST_STARTED);
    WORLD_WAIT(world_count_files(dir, "dump.rdb") == 1);
    WORLD_WAIT(persist_changes(w.persist) == 0);
    assert_int_equal(world_close(&w), 0);
    assert_int_equal(world_open(&after, dir, false), PERSIST_LOADED_RDB);
    world_expect(&after, 0, "a", "1");
    world_close(&after);
    world_remove(dir);
}

static void a_disk_that_hangs_does_not_hold_up_the_end(void **state)
{
    struct world w;
    char dir[64];
    world_dir(dir);
    world_open(&w, dir, true);
    struct file_fault f = {.op = FILE_OP_SYNC, .path_part = "incr", .stall_ms = 3000};
    file_fault_add(&f);
    world_run(&w, 0, 0, "set a 1");
    uint64_t began = clock_mono_ms();
    assert_int_equal(persist_stop(w.persist, false, 200), -ETIMEDOUT);
    assert_true(clock_mono_ms() - began < 2800);
    file_fault_clear();
    clock_sleep_us(3200000);
    assert_int_equal(persist_stop(w.persist, false, 5000), 0); /* for the sake of the test */
    guard_stop(w.guard);
    persist_free(w.persist);
    guard_destroy(w.guard);
    plog_free(w.log);
    keyspace_free(w.ks);
    world_remove(dir);
}

static void a_stalled_sync_stops_neither_writers_nor_the_end(void **state)
{
    struct world w;
    char dir[64];
    world_dir(dir);
    world_open(&w, dir, true);
    struct file_fault f = {.op = FILE_OP_SYNC, .path_part = "incr", .stall_ms = 3000, .times = 1};
    int id = file_fault_add(&f);
    world_run(&w, 0, 0, "set a 1");
    WORLD_WAIT(file_fault_hits(id) == 1);
    uint64_t began = clock_mono_ms();
    world_run(&w, 0, 0, "set b 2");
    wait_written(&w); /* the log goes on while its sync hangs */
    assert_true(clock_mono_ms() - began < 2800);
    expect_on_disk(dir, "b", "2");
    assert_int_equal(world_close(&w), 0);
    world_remove(dir);
}

int main(void)
{
    log_set_level(getenv("VERBOSE") ? LOG_LEVEL_DEBUG : LOG_LEVEL_NOTHING);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(a_full_buffer_makes_a_gap_that_is_repaired, clear_faults),
        cmocka_unit_test_teardown(a_failed_sync_is_cured_by_a_fresh_base, clear_faults),
        cmocka_unit_test_teardown(a_failed_sync_is_not_forgotten_when_the_repair_fails_too,
                                  clear_faults),
        cmocka_unit_test_teardown(a_removed_log_is_noticed_and_written_anew, clear_faults),
        cmocka_unit_test_teardown(a_log_that_cannot_be_opened_is_begun_later, clear_faults),
        cmocka_unit_test_teardown(a_torn_tail_that_cannot_be_cut_off_is_covered_by_a_base,
                                  clear_faults),
        cmocka_unit_test_teardown(a_log_the_guard_does_not_want_is_given_up_and_begun_anew,
                                  clear_faults),
        cmocka_unit_test_teardown(old_files_go_first_where_two_copies_do_not_fit, clear_faults),
        cmocka_unit_test_teardown(a_base_serves_as_a_snapshot_where_there_is_no_room, clear_faults),
        cmocka_unit_test_teardown(a_disk_that_hangs_does_not_hold_up_the_end, clear_faults),
        cmocka_unit_test_teardown(a_stalled_sync_stops_neither_writers_nor_the_end, clear_faults),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
