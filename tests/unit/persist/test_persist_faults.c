/* test_persist_faults.c - every step of a rewrite and of a save may fail, and every write of the
 * log.
 *
 * What must hold each time: what is on disk loads (a copy of the files is loaded after each
 * fault), nothing temporary is left, and when the fault is gone all is well again by itself.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "faults.h"

/* ---- rewrites ---- */

/* Runs a rewrite into the fault; true if the fault struck. */
static bool rewrite_into(struct world *w, const char *dir, enum file_op op, const char *part,
                         uint32_t skip, int error)
{
    int id = fault(op, part, skip, 1, error);
    world_run(w, 0, 0, "incr n");
    assert_int_equal(persist_rewrite(w->persist), PERSIST_STARTED);
    world_run(w, 0, 0, "incr n");
    WORLD_WAIT(!persist_rewrite_in_progress(w->persist));
    world_run(w, 0, 0, "incr n");
    wait_written(w);
    bool struck = file_fault_hits(id) > 0;
    file_fault_clear();
    return struck;
}

static void every_step_of_a_rewrite_may_fail(void **state)
{
    static const struct {
        enum file_op op;
        const char *part;
        int error;
    } points[] = {
        {FILE_OP_CREATE, "incr.aof", ENOSPC},
        {FILE_OP_CREATE, "temp-rewriteaof", ENOSPC},
        {FILE_OP_WRITE, "temp-rewrite", ENOSPC},
        {FILE_OP_WRITE, "temp-rewrite", EIO},
        {FILE_OP_ALLOCATE, "temp-rewrite", ENOSPC},
        {FILE_OP_SYNC, "temp-rewrite", EIO},
        {FILE_OP_TRUNCATE, "temp-rewrite", EIO},
        {FILE_OP_RENAME, "temp-rewrite", ENOSPC},
        {FILE_OP_CREATE, "manifest", ENOSPC},
        {FILE_OP_WRITE, "manifest", ENOSPC},
        {FILE_OP_SYNC, "manifest", EIO},
        {FILE_OP_RENAME, "manifest", ENOSPC},
        {FILE_OP_SYNC_DIR, "appendonlydir", EIO},
        {FILE_OP_REMOVE, "appendonlydir", EIO},
    };
    struct world w;
    char dir[64], value[32];
    world_dir(dir);
    world_open(&w, dir, true);
    fill(&w);
    unsigned n = 0, struck = 0;
    for (size_t i = 0; i < COUNT_OF(points); i++) {
        for (uint32_t skip = 0; skip < 2; skip++) {
            bool hit = rewrite_into(&w, dir, points[i].op, points[i].part, skip, points[i].error);
            struck += hit;
            n += 3;
            snprintf(value, sizeof value, "%u", n);
            expect_on_disk(dir, "n", value);
            expect_on_disk(dir, "k2999", "value-2999");
            expect_no_leftovers(dir);
            if (!hit)
                break;
        }
        WORLD_WAIT(!persist_rewrite_in_progress(w.persist));
        assert_int_equal(persist_rewrite(w.persist), PERSIST_STARTED);
        WORLD_WAIT(!persist_rewrite_in_progress(w.persist));
        assert_true(info_says(&w, "aof_last_bgrewrite_status:ok"));
    }
    assert_true(struck >= 14);
    assert_int_equal(world_close(&w), 0);
    snprintf(value, sizeof value, "%u", n);
    assert_int_equal(world_open(&w, dir, true), PERSIST_LOADED_AOF);
    world_expect(&w, 0, "n", value);
    assert_int_equal(world_close(&w), 0);
    world_remove(dir);
}

/* ---- saves ---- */

static void every_step_of_a_save_may_fail(void **state)
{
    static const struct {
        enum file_op op;
        int error;
    } points[] = {{FILE_OP_CREATE, ENOSPC},
                  {FILE_OP_WRITE, ENOSPC},
                  {FILE_OP_SYNC, EIO},
                  {FILE_OP_TRUNCATE, EIO},
                  {FILE_OP_RENAME, ENOSPC}};
    struct world w, after;
    char dir[64], crash[64];
    world_dir(dir);
    world_open(&w, dir, false);
    world_run(&w, 0, 0, "set a 1");
    assert_int_equal(persist_bgsave(w.persist, false, NULL, NULL), PERSIST_STARTED);
    WORLD_WAIT(!persist_bgsave_in_progress(w.persist));
    world_run(&w, 0, 0, "set a 2");
    for (size_t i = 0; i < COUNT_OF(points); i++) {
        int id = fault(points[i].op, "temp-", 0, 1, points[i].error);
        assert_int_equal(persist_bgsave(w.persist, false, NULL, NULL), PERSIST_STARTED);
        WORLD_WAIT(!persist_bgsave_in_progress(w.persist));
        assert_int_equal(file_fault_hits(id), 1);
        assert_true(persist_save_failed(w.persist));
        assert_true(info_says(&w, "rdb_last_bgsave_status:err"));
        assert_int_equal(persist_changes(w.persist), 1);
        assert_int_equal(world_count_files(dir, "temp"), 0);
        world_snapshot_files(dir, crash);
        assert_int_equal(world_open(&after, crash, false), PERSIST_LOADED_RDB);
        world_expect(&after, 0, "a", "1");
        world_close(&after);
        world_remove(crash);
    }
    file_fault_clear();
    assert_int_equal(persist_bgsave(w.persist, false, NULL, NULL), PERSIST_STARTED);
    WORLD_WAIT(!persist_bgsave_in_progress(w.persist));
    assert_false(persist_save_failed(w.persist));
    fault(FILE_OP_WRITE, "temp-", 0, 1, ENOSPC);
    assert_int_equal(world_close_saving(&w, true), -ENOSPC); /* said, but the server ends */
    assert_int_equal(world_open(&w, dir, false), PERSIST_LOADED_RDB);
    world_expect(&w, 0, "a", "2");
    world_close(&w);
    world_remove(dir);
}

/* ---- the log ---- */

static void writes_that_fail_are_tried_again(void **state)
{
    static const int errors[] = {ENOSPC, EIO};
    for (size_t i = 0; i < COUNT_OF(errors); i++) {
        for (uint32_t part = 0; part < 30; part += 13) {
            struct world w;
            char dir[64];
            world_dir(dir);
            world_open(&w, dir, true);
            world_run(&w, 0, 0, "set a 1");
            wait_written(&w);
            struct file_fault f = {.op = FILE_OP_WRITE,
                                   .path_part = "incr",
                                   .error = errors[i],
                                   .times = 2,
                                   .short_bytes = part};
            int id = file_fault_add(&f);
            world_run(&w, 0, 0, "set b 2");
            world_run(&w, 0, 0, "set c 3");
            WORLD_WAIT(file_fault_hits(id) >= 1);
            WORLD_WAIT(persist_log_failed(w.persist) || file_fault_hits(id) == 2);
            wait_written(&w);
            WORLD_WAIT(!persist_log_failed(w.persist));
            expect_on_disk(dir, "b", "2");
            expect_on_disk(dir, "c", "3");
            file_fault_clear();
            assert_int_equal(world_close(&w), 0);
            world_remove(dir);
        }
    }
}

int main(void)
{
    log_set_level(getenv("VERBOSE") ? LOG_LEVEL_DEBUG : LOG_LEVEL_NOTHING);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(every_step_of_a_rewrite_may_fail, clear_faults),
        cmocka_unit_test_teardown(every_step_of_a_save_may_fail, clear_faults),
        cmocka_unit_test_teardown(writes_that_fail_are_tried_again, clear_faults),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
