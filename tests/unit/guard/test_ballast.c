/* test_ballast.c - the ballast on real files and injected faults. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "guard/ballast.h"

#define MIB (1024ull * 1024)

struct fixture {
    char dir[64], path[128];
    struct gate *gate;
    struct ballast ballast;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    snprintf(f->dir, sizeof(f->dir), "/tmp/spillway-ballast-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    snprintf(f->path, sizeof(f->path), "%s/%s", f->dir, BALLAST_NAME);
    f->gate = gate_create(NULL);
    ballast_init(&f->ballast, f->gate, f->dir);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    file_fault_clear();
    ballast_destroy(&f->ballast);
    gate_destroy(f->gate);
    unlink(f->path);
    assert_int_equal(rmdir(f->dir), 0);
    free(f);
    return 0;
}

static void fault(const char *text)
{
    struct file_fault rule;
    assert_true(file_fault_parse(slice_str(text), &rule));
    assert_true(file_fault_add(&rule) > 0);
}

static uint64_t blocks(const struct fixture *f)
{
    struct file_info info;
    return file_info_path(f->path, &info) == 0 ? info.allocated : 0;
}

static void sizes_at_their_bounds(void **state)
{
    assert_int_equal(ballast_size(BALLAST_AUTO, 1024 * 1024 * MIB, 4096), 64 * MIB);
    assert_int_equal(ballast_size(BALLAST_AUTO, 6400 * MIB, 4096), 64 * MIB);
    assert_int_equal(ballast_size(BALLAST_AUTO, 1000 * MIB, 4096), 10 * MIB);
    assert_int_equal(ballast_size(BALLAST_AUTO, 400 * MIB, 4096), 4 * MIB);
    assert_int_equal(ballast_size(BALLAST_AUTO, 64 * MIB, 4096), 4 * MIB);
    assert_in_range(ballast_size(BALLAST_AUTO, 64 * MIB - 1, 4096), 600 * 1024, MIB);
    assert_int_equal(ballast_size(BALLAST_AUTO, 8 * MIB, 4096), 80 * 1024);
    assert_int_equal(ballast_size(BALLAST_AUTO, 6 * MIB, 4096), 0);
    assert_int_equal(ballast_size(0, 1000 * MIB, 4096), 0);
    assert_int_equal(ballast_size(MIB + 1, 1000 * MIB, 4096), MIB);
    assert_int_equal(ballast_size(900 * MIB, 1000 * MIB, 4096), 250 * MIB);
}

static void it_really_holds_blocks_and_gives_them_back(void **state)
{
    struct fixture *f = *state;
    ballast_tend(&f->ballast, MIB, false);
    assert_int_equal(blocks(f), 0); /* no room for it */
    ballast_tend(&f->ballast, MIB, true);
    assert_int_equal(blocks(f), MIB);
    assert_true(ballast_effective(&f->ballast, MIB));
    assert_int_equal(gate_own_bytes(f->gate), MIB);
    assert_true(ballast_release(&f->ballast));
    assert_false(ballast_release(&f->ballast));
    assert_int_equal(blocks(f), 0);
    assert_int_equal(gate_own_bytes(f->gate), 0);
    assert_false(ballast_effective(&f->ballast, MIB));
    ballast_tend(&f->ballast, MIB, false);
    assert_int_equal(blocks(f), 0);
    ballast_tend(&f->ballast, MIB, true);
    assert_int_equal(blocks(f), MIB);
    assert_int_equal(f->ballast.releases, 1);
}

static void what_is_there_at_start_is_kept(void **state)
{
    struct fixture *f = *state;
    struct ballast again;
    ballast_tend(&f->ballast, MIB, true);
    ballast_init(&again, f->gate, f->dir);
    assert_false(ballast_effective(&again, MIB));
    ballast_tend(&again, MIB, false);
    assert_true(ballast_effective(&again, MIB));
    ballast_destroy(&again);
}

static void deleted_or_sparse_ballast_is_not_effective(void **state)
{
    struct fixture *f = *state;
    ballast_tend(&f->ballast, MIB, true);
    unlink(f->path);
    ballast_tend(&f->ballast, MIB, false);
    assert_false(ballast_effective(&f->ballast, MIB));
    assert_int_equal(gate_own_bytes(f->gate), 0);
    int fd = file_open(f->path, FILE_CREATE_NEW);
    assert_true(fd >= 0);
    assert_int_equal(file_truncate(fd, MIB), 0); /* a hole */
    file_close(fd);
    ballast_tend(&f->ballast, MIB, false);
    assert_false(ballast_effective(&f->ballast, MIB));
    assert_false(ballast_release(&f->ballast));
    ballast_tend(&f->ballast, MIB, true);
    assert_true(ballast_effective(&f->ballast, MIB));
    assert_int_equal(blocks(f), MIB);
}

static void a_new_size_is_taken_over(void **state)
{
    struct fixture *f = *state;
    ballast_tend(&f->ballast, MIB, true);
    ballast_tend(&f->ballast, 2 * MIB, false);
    assert_false(ballast_effective(&f->ballast, 2 * MIB));
    ballast_tend(&f->ballast, 2 * MIB, true);
    assert_true(ballast_effective(&f->ballast, 2 * MIB));
    ballast_tend(&f->ballast, 0, true);
    assert_int_equal(blocks(f), 0);
    assert_int_equal(gate_own_bytes(f->gate), 0);
}

static void a_failed_creation_leaves_nothing(void **state)
{
    static const char *const faults[] = {
        "op=create,errno=ENOSPC,times=1", "op=truncate,errno=EIO,times=1",
        "op=allocate,errno=ENOSPC,times=1", "op=sync,errno=EIO,times=1"};
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
        fault(faults[i]);
        ballast_tend(&f->ballast, MIB, true);
        assert_false(file_exists(f->path));
        assert_false(ballast_effective(&f->ballast, MIB));
        assert_int_equal(gate_own_bytes(f->gate), 0);
        assert_true(f->ballast.last_error > 0);
        file_fault_clear();
    }
    /* where nothing can be preallocated it would hold nothing: then there is none */
    fault("op=allocate,errno=EOPNOTSUPP");
    ballast_tend(&f->ballast, MIB, true);
    assert_false(file_exists(f->path));
    file_fault_clear();
    ballast_tend(&f->ballast, MIB, true);
    assert_true(ballast_effective(&f->ballast, MIB));
}

static void a_release_that_fails_is_not_one(void **state)
{
    struct fixture *f = *state;
    ballast_tend(&f->ballast, MIB, true);
    fault("op=remove,errno=EROFS,times=1");
    assert_false(ballast_release(&f->ballast));
    assert_true(ballast_effective(&f->ballast, MIB));
    assert_true(ballast_release(&f->ballast));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(sizes_at_their_bounds),           TEST(it_really_holds_blocks_and_gives_them_back),
        TEST(what_is_there_at_start_is_kept),  TEST(deleted_or_sparse_ballast_is_not_effective),
        TEST(a_new_size_is_taken_over),        TEST(a_failed_creation_leaves_nothing),
        TEST(a_release_that_fails_is_not_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
