/* test_guard.c - the whole guard with its threads, on a real directory and on injected faults. */
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

#define KIB         1024ull
#define MIB         (1024ull * 1024)
#define PATIENCE_MS 30000 /* what takes longer does not end */

struct fixture {
    char dir[64];
    struct guard_options options;
    struct guard *guard;
    struct gate_file *file;           /* closed with the test */
    uint64_t data_bytes, log_pending; /* atomic */
    uint32_t transitions;             /* atomic */
    uint32_t last;                    /* atomic: enum guard_level */
};

static uint64_t data_of(void *ctx)
{
    return RELAXED_LOAD(&((struct fixture *)ctx)->data_bytes);
}

static uint64_t pending_of(void *ctx)
{
    return RELAXED_LOAD(&((struct fixture *)ctx)->log_pending);
}

static void moved(void *ctx, enum guard_level from, enum guard_level to, const char *text)
{
    struct fixture *f = ctx;
    assert_non_null(strstr(text, guard_level_name(to)));
    RELAXED_STORE(&f->last, to);
    RELAXED_ADD(&f->transitions, 1);
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    log_set_level(LOG_LEVEL_NOTHING);
    snprintf(f->dir, sizeof(f->dir), "/tmp/spillway-guard-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    guard_options_default(&f->options);
    f->options.dir = f->dir;
    f->options.appendonly = true;
    f->options.budget_bytes = 32 * MIB;
    f->options.dwell_ms = 300;
    f->options.poll_min_ms = 20;
    f->options.low_time_s = 0;
    *state = f;
    return 0;
}

static void begin(struct fixture *f)
{
    assert_null(guard_options_check(&f->options));
    f->guard = guard_create(&f->options, &(struct guard_hooks){.ctx = f,
                                                               .data_bytes = data_of,
                                                               .log_pending = pending_of,
                                                               .transition = moved});
    guard_start(f->guard);
}

static int remove_one(const char *name, void *ctx)
{
    char path[512];
    snprintf(path, sizeof(path), "%s/%s", (const char *)ctx, name);
    return unlink(path);
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    file_fault_clear();
    gate_close(f->file);
    if (f->guard) {
        guard_stop(f->guard);
        guard_destroy(f->guard);
    }
    assert_int_equal(file_list(f->dir, remove_one, f->dir), 0);
    assert_int_equal(rmdir(f->dir), 0);
    free(f);
    return 0;
}

static const char *in(const struct fixture *f, const char *name)
{
    static char path[256];
    snprintf(path, sizeof(path), "%s/%s", f->dir, name);
    return path;
}

static void fault(const char *text)
{
    struct file_fault rule;
    assert_true(file_fault_parse(slice_str(text), &rule));
    assert_true(file_fault_add(&rule) > 0);
}

static enum guard_level level(struct fixture *f)
{
    return (enum guard_level)RELAXED_LOAD(&guard_verdict(f->guard)->level);
}

/* Waits for the level; returns how many ms it took. */
static unsigned await(struct fixture *f, enum guard_level wanted)
{
    uint64_t begun = clock_mono_ms();
    while (level(f) != wanted && clock_mono_ms() - begun < PATIENCE_MS)
        clock_sleep_us(2000);
    assert_int_equal(level(f), wanted);
    return (unsigned)(clock_mono_ms() - begun);
}

static bool await_growth(struct fixture *f, enum guard_growth growth)
{
    uint64_t begun = clock_mono_ms();
    while (RELAXED_LOAD(&guard_verdict(f->guard)->growth) != growth &&
           clock_mono_ms() - begun < PATIENCE_MS)
        clock_sleep_us(2000);
    return RELAXED_LOAD(&guard_verdict(f->guard)->growth) == growth;
}

static char block[MIB];

static void own_bytes_fill_the_budget_and_deletion_frees_it(void **state)
{
    struct fixture *f = *state;
    struct guard_purse purse = {0};
    begin(f);
    assert_int_equal(level(f), GUARD_OK);
    assert_int_equal(guard_admit_growth(guard_verdict(f->guard), &purse, 100), GUARD_ADMIT);
    assert_int_equal(gate_open(guard_gate(f->guard), in(f, "log"), FILE_CREATE, GATE_LOG, &f->file),
                     0);
    uint64_t at = 0;
    for (;;) {
        enum guard_answer answer = guard_admit_growth(guard_verdict(f->guard), &purse, 64 * KIB);
        if (answer == GUARD_REFUSE)
            break;
        if (answer == GUARD_ADMIT) {
            assert_int_equal(gate_write(f->file, block, 64 * KIB, at, NULL), 0);
            at += 64 * KIB;
        }
        assert_true(gate_own_bytes(guard_gate(f->guard)) <= 32 * MIB);
        clock_sleep_us(answer == GUARD_ADMIT ? 100 : 2000);
    }
    assert_in_range(at, 28 * MIB, 32 * MIB);
    assert_true(level(f) >= GUARD_HIGH);
    /* what deletes is still logged, from the reserve */
    while (level(f) != GUARD_CRITICAL) {
        assert_int_equal(gate_write(f->file, block, 64 * KIB, at, NULL), 0);
        at += 64 * KIB;
        clock_sleep_us(30000);
    }
    char text[512];
    assert_true(guard_refusal_text(f->guard, text, sizeof(text)) < sizeof(text));
    assert_memory_equal(text, "MISCONF disk budget: used ", 26);
    assert_non_null(strstr(text, "budget 32.00M"));
    assert_non_null(strstr(text, "level critical"));
    assert_true(guard_refusal_text(f->guard, text, 20) < 20);
    gate_close(f->file);
    f->file = NULL;
    assert_int_equal(gate_remove(guard_gate(f->guard), in(f, "log")), 0);
    assert_true(await_growth(f, GUARD_GROWTH_METERED));
    await(f, GUARD_OK);
    assert_true(RELAXED_LOAD(&f->transitions) >= 2);
    assert_int_equal(RELAXED_LOAD(&f->last), GUARD_OK);
}

static void enospc_is_full_before_the_call_returns(void **state)
{
    struct fixture *f = *state;
    struct guard_purse purse = {0};
    f->options.ballast_bytes = 0;
    begin(f);
    assert_int_equal(gate_open(guard_gate(f->guard), in(f, "log"), FILE_CREATE, GATE_LOG, &f->file),
                     0);
    assert_int_equal(guard_admit_growth(guard_verdict(f->guard), &purse, 100), GUARD_ADMIT);
    fault("op=write,path=log,errno=EDQUOT");
    assert_int_equal(gate_write(f->file, block, 100, 0, NULL), -EDQUOT);
    assert_int_equal(level(f), GUARD_FULL);
    assert_int_equal(guard_admit_growth(guard_verdict(f->guard), &purse, 100), GUARD_REFUSE);
    file_fault_clear();
    assert_true(await(f, GUARD_OK) < 2500);
}

static bool info_says(struct fixture *f, const char *line)
{
    struct bytes out = {0};
    guard_info(f->guard, &out);
    bool says = strstr(bytes_str(&out), line) != NULL;
    bytes_free(&out);
    return says;
}

static void a_log_that_cannot_be_written_refuses_until_it_can(void **state)
{
    struct fixture *f = *state;
    begin(f);
    assert_int_equal(gate_open(guard_gate(f->guard), in(f, "log"), FILE_CREATE, GATE_LOG, &f->file),
                     0);
    fault("op=write,path=log,errno=EROFS");
    assert_int_equal(gate_write(f->file, block, 100, 0, NULL), -EROFS);
    assert_int_equal(RELAXED_LOAD(&guard_verdict(f->guard)->growth), GUARD_GROWTH_REFUSED);
    assert_int_equal(RELAXED_LOAD(&guard_verdict(f->guard)->health), GUARD_LAGGING);
    assert_int_equal(RELAXED_LOAD(&guard_verdict(f->guard)->cause), GUARD_CAUSE_READONLY);
    assert_int_equal(level(f), GUARD_OK);
    file_fault_clear();
    assert_int_equal(gate_write(f->file, block, 100, 0, NULL), 0);
    assert_int_equal(RELAXED_LOAD(&guard_verdict(f->guard)->growth), GUARD_GROWTH_METERED);
}

static void ballast_is_held_and_given(void **state)
{
    struct fixture *f = *state;
    f->options.budget_bytes = 64 * MIB;
    begin(f);
    uint64_t begun = clock_mono_ms();
    while (!info_says(f, "disk_ballast_effective:1") && clock_mono_ms() - begun < PATIENCE_MS)
        clock_sleep_us(2000);
    /* where its blocks lie apart, the file system takes one more to find them by */
    assert_in_range(gate_own_bytes(guard_gate(f->guard)), 4 * MIB, 4 * MIB + 64 * KIB);
    assert_true(info_says(f, "disk_own_ballast_bytes:419") ||
                info_says(f, "disk_own_ballast_bytes:42"));
    assert_int_equal(gate_open(guard_gate(f->guard), in(f, "log"), FILE_CREATE, GATE_LOG, &f->file),
                     0);
    fault("op=write,path=log,errno=ENOSPC,times=1");
    assert_int_equal(gate_write(f->file, block, 100, 0, NULL), 0);
    assert_int_equal(level(f), GUARD_OK); /* the ballast helped */
    assert_false(file_exists(in(f, "spillway.ballast")));
}

static void a_failed_fsync_wants_a_fresh_base(void **state)
{
    struct fixture *f = *state;
    struct guard_wants wants;
    begin(f);
    assert_int_equal(gate_open(guard_gate(f->guard), in(f, "log"), FILE_CREATE, GATE_LOG, &f->file),
                     0);
    fault("op=sync,path=log,errno=EIO,times=1");
    assert_int_equal(gate_sync(f->file), -EIO);
    uint64_t begun = clock_mono_ms();
    do {
        clock_sleep_us(1000);
        guard_wants(f->guard, &wants);
    } while (!wants.repair && clock_mono_ms() - begun < PATIENCE_MS);
    assert_true(wants.repair);
    assert_int_equal(RELAXED_LOAD(&guard_verdict(f->guard)->health), GUARD_REPAIRING);
    assert_true(guard_token_take(f->guard, GUARD_WRITER_REWRITE));
    assert_false(guard_token_take(f->guard, GUARD_WRITER_SNAPSHOT));
    guard_note_rewrite_started(f->guard, GUARD_TRIGGER_REPAIR);
    clock_sleep_us(100000);
    guard_wants(f->guard, &wants);
    assert_false(wants.repair); /* nobody starts twice */
    guard_note_rewrite_done(
        f->guard, &(struct guard_rewrite){.repair = true, .trigger = GUARD_TRIGGER_REPAIR});
    guard_token_give(f->guard, GUARD_WRITER_REWRITE);
    assert_int_equal(guard_token_holder(f->guard), GUARD_WRITER_NONE);
    begun = clock_mono_ms();
    while (RELAXED_LOAD(&guard_verdict(f->guard)->health) != GUARD_DURABLE &&
           clock_mono_ms() - begun < PATIENCE_MS)
        clock_sleep_us(1000);
    assert_int_equal(RELAXED_LOAD(&guard_verdict(f->guard)->health), GUARD_DURABLE);
}

static void *sync_it(void *file)
{
    (void)!gate_sync(file);
    return NULL;
}

static void a_stalled_fsync_lags_and_stops_nobody_else(void **state)
{
    struct fixture *f = *state;
    pthread_t thread;
    f->options.lagging_ms = 100;
    f->options.stall_timeout_ms = 300;
    begin(f);
    assert_int_equal(gate_open(guard_gate(f->guard), in(f, "log"), FILE_CREATE, GATE_LOG, &f->file),
                     0);
    fault("op=sync,path=log,stall=2500,times=1");
    pthread_create(&thread, NULL, sync_it, f->file);
    assert_true(await_growth(f, GUARD_GROWTH_REFUSED));
    assert_int_equal(RELAXED_LOAD(&guard_verdict(f->guard)->health), GUARD_LAGGING);
    assert_int_equal(RELAXED_LOAD(&guard_verdict(f->guard)->cause), GUARD_CAUSE_STALL);
    pthread_join(thread, NULL);
    assert_true(await_growth(f, GUARD_GROWTH_METERED));
}

static void a_hanging_statvfs_is_unknown(void **state)
{
    struct fixture *f = *state;
    f->options.unknown_ms = 200;
    begin(f);
    assert_int_equal(level(f), GUARD_OK);
    fault("op=statvfs,stall=2500,times=1");
    await(f, GUARD_UNKNOWN);
    assert_true(await(f, GUARD_OK) > 300);
}

static void a_start_does_not_wait_for_the_disk(void **state)
{
    struct fixture *f = *state;
    fault("op=statvfs,stall=1000,times=1");
    uint64_t begun = clock_mono_ms();
    begin(f);
    assert_true(clock_mono_ms() - begun < 990);
    assert_int_equal(level(f), GUARD_OK);
}

static void options_change_at_run_time(void **state)
{
    struct fixture *f = *state;
    struct guard_options now;
    begin(f);
    f->options.policy = GUARD_POLICY_MEMORY_ONLY;
    f->options.budget_bytes = 16 * MIB;
    guard_configure(f->guard, &f->options);
    assert_int_equal(RELAXED_LOAD(&guard_verdict(f->guard)->policy), GUARD_POLICY_MEMORY_ONLY);
    assert_int_equal(RELAXED_LOAD(&guard_verdict(f->guard)->budget), 16 * MIB);
    guard_options_get(f->guard, &now);
    assert_int_equal(now.budget_bytes, 16 * MIB);
    assert_string_equal(now.dir, f->dir);
    f->options.poll_min_ms = 2000;
    assert_non_null(guard_options_check(&f->options));
}

static void texts_say_what_they_should(void **state)
{
    static const char *const fields[] = {
        "disk_guard:on\r\n",        "disk_level:ok\r\n",          "disk_cause:",
        "disk_persistence:durable", "disk_policy:shed\r\n",       "disk_budget_bytes:33554432\r\n",
        "disk_volume_total_bytes:", "disk_volume_free_bytes:",    "disk_effective_free_bytes:",
        "disk_own_used_bytes:",     "disk_own_log_bytes:",        "disk_neighbour_bytes:",
        "disk_inodes_free:",        "disk_reserve_meta_bytes:",   "disk_reserve_reclaim_bytes:",
        "disk_ballast_effective:",  "disk_predicted_base_bytes:", "disk_reclaimable_bytes:",
        "disk_fill_rate_own:",      "disk_fill_rate_neighbour:",  "disk_seconds_to_full:",
        "disk_last_error:none",     "disk_refused_commands:0",    "disk_evicted_keys:0",
        "disk_compactions:0",       "disk_transitions:0",         "disk_gap:0",
        "disk_undersized:1",        "disk_snapshots_skipped:0",   "disk_level_since:"};
    struct fixture *f = *state;
    struct bytes out = {0};
    int error;
    uint64_t us;
    begin(f);
    guard_info(f->guard, &out);
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
        if (!strstr(bytes_str(&out), fields[i])) {
            print_error("missing: %s\n", fields[i]);
            fail();
        }
    out.len = 0;
    guard_plan(f->guard, &out);
    assert_non_null(strstr(bytes_str(&out), "What to do: "));
    assert_non_null(strstr(bytes_str(&out), "refused at the critical mark"));
    out.len = 0;
    guard_status(f->guard, &out);
    assert_non_null(strstr(bytes_str(&out), "level: ok"));
    out.len = 0;
    guard_simulate(f->guard, 31 * MIB + 512 * KIB, true, &out);
    assert_non_null(strstr(bytes_str(&out), "level critical"));
    out.len = 0;
    guard_metrics(f->guard, &out);
    assert_non_null(strstr(bytes_str(&out), "spillway_disk_level{level=\"ok\"} 1\n"));
    bytes_free(&out);
    guard_want_probe(f->guard);
    uint64_t begun = clock_mono_ms();
    while (guard_probe_result(f->guard, &error, &us) == 0 && clock_mono_ms() - begun < PATIENCE_MS)
        clock_sleep_us(1000);
    assert_true(guard_probe_result(f->guard, &error, &us) > 0);
    assert_int_equal(error, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(own_bytes_fill_the_budget_and_deletion_frees_it),
        TEST(enospc_is_full_before_the_call_returns),
        TEST(a_log_that_cannot_be_written_refuses_until_it_can),
        TEST(ballast_is_held_and_given),
        TEST(a_failed_fsync_wants_a_fresh_base),
        TEST(a_stalled_fsync_lags_and_stops_nobody_else),
        TEST(a_hanging_statvfs_is_unknown),
        TEST(a_start_does_not_wait_for_the_disk),
        TEST(options_change_at_run_time),
        TEST(texts_say_what_they_should),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
