/* test_small_volume.c - the guard on a small file system that a neighbour fills for real.
 *
 * Needs a file system of 8 to 128 MiB of its own, empty: SPILLWAY_SMALL_VOLUME=/mnt/small (tmpfs
 * or ext4). Without it nothing is tested.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/log.h"
#include "guard/guard.h"

#define RECORD 4096

static const char *dir;
static char path[4][256]; /* log, neighbour, base, ballast */
static struct guard *guard;
static struct gate_file *file;
static struct guard_purse purse;
static uint64_t position;

static void begin(enum guard_policy policy)
{
    struct guard_options options;
    log_set_level(LOG_LEVEL_NOTHING);
    guard_options_default(&options);
    options.dir = dir;
    options.appendonly = true;
    options.policy = policy;
    options.low_time_s = 0;
    options.dwell_ms = 500;
    assert_null(guard_options_check(&options));
    guard = guard_create(&options, NULL);
    guard_start(guard);
    position = 0;
    memset(&purse, 0, sizeof(purse));
    assert_int_equal(gate_open(guard_gate(guard), path[0], FILE_CREATE_TRUNCATE, GATE_LOG, &file),
                     0);
}

static void end(void)
{
    gate_close(file);
    guard_stop(guard);
    guard_destroy(guard);
    for (int i = 0; i < 4; i++)
        unlink(path[i]);
}

/* Writes 1 MiB pieces until the disk is full. */
static void *fill(void *unused)
{
    static char piece[1024 * 1024];
    int fd = file_open(path[1], FILE_CREATE);
    assert_true(fd >= 0);
    uint64_t at = 0;
    size_t len = sizeof(piece), written;
    (void)unused;
    while (len >= 512) {
        int result = file_write_at(fd, piece, len, at, &written);
        at += written;
        if (result != 0)
            len /= 2;
    }
    file_close(fd);
    return NULL;
}

/* One record: admitted, then written. The gate's errors are returned, a refusal is 1. */
static int append(void)
{
    static const char record[RECORD];
    enum guard_answer answer;
    while ((answer = guard_admit_growth(guard_verdict(guard), &purse, RECORD)) == GUARD_DELAY)
        clock_sleep_us(1000);
    if (answer == GUARD_REFUSE)
        return 1;
    int result = gate_write(file, record, RECORD, position, NULL);
    if (result == 0)
        position += RECORD;
    return result;
}

static void await_room(void)
{
    uint64_t until = clock_mono_ms() + 30000;
    while (RELAXED_LOAD(&guard_verdict(guard)->growth) == GUARD_GROWTH_REFUSED &&
           clock_mono_ms() < until)
        clock_sleep_us(1000);
    assert_int_not_equal(RELAXED_LOAD(&guard_verdict(guard)->growth), GUARD_GROWTH_REFUSED);
}

/* However fast the neighbour is: no record that was admitted meets a full disk. */
static void refusal_comes_before_enospc(void **state)
{
    if (!dir)
        skip();
    for (int round = 0; round < 3; round++) {
        pthread_t neighbour;
        int result = 0;
        begin(GUARD_POLICY_SHED);
        for (int i = 0; i < 100 && result == 0; i++)
            result = append();
        assert_int_equal(result, 0);
        pthread_create(&neighbour, NULL, fill, NULL);
        while ((result = append()) == 0)
            clock_sleep_us(200);
        pthread_join(neighbour, NULL);
        assert_int_equal(result, 1);
        /* what deletes is still written, from the reserve or from blocks of ours */
        clock_sleep_us(700 * 1000);
        assert_int_equal(append(), 1);
        assert_int_equal(gate_write(file, "x", 1, position, NULL), 0);
        assert_int_equal(gate_sync(file), 0);
        /* space returns: by itself, and soon */
        unlink(path[1]);
        await_room();
        assert_int_equal(append(), 0);
        end();
    }
}

/* A log that grows without end is refused in time, and room for the base is left. */
static void the_reserve_is_kept_for_the_base(void **state)
{
    struct gate_file *base;
    struct guard_wants wants;
    if (!dir)
        skip();
    begin(GUARD_POLICY_SHED);
    int result;
    while ((result = append()) == 0)
        clock_sleep_us(20);
    assert_int_equal(result, 1);
    guard_wants(guard, &wants);
    assert_true(wants.predicted_base > 0);
    assert_int_equal(gate_open(guard_gate(guard), path[2], FILE_CREATE_NEW, GATE_COMPACTION, &base),
                     0);
    assert_int_equal(gate_allocate(base, 0, wants.predicted_base), 0);
    gate_close(base);
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refusal_comes_before_enospc),
        cmocka_unit_test(the_reserve_is_kept_for_the_base),
    };
    dir = getenv("SPILLWAY_SMALL_VOLUME");
    snprintf(path[0], sizeof(path[0]), "%s/log", dir ? dir : "");
    snprintf(path[1], sizeof(path[1]), "%s/neighbour", dir ? dir : "");
    snprintf(path[2], sizeof(path[2]), "%s/base", dir ? dir : "");
    snprintf(path[3], sizeof(path[3]), "%s/spillway.ballast", dir ? dir : "");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
