/* test_gate.c - the gate on real files and on injected faults: floors, accounting, errors. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/mem.h"
#include "guard/gate.h"

#define KIB 1024ull

struct fixture {
    char dir[64];
    struct gate *gate;
    struct gate_error last;
    unsigned errors, releases, sync_begins, sync_ends, rooms;
    int sync_error, log_error;
    unsigned log_states;
    bool has_ballast;
};

static void on_error(void *ctx, const struct gate_error *error)
{
    struct fixture *f = ctx;
    f->last = *error;
    f->errors++;
}

static bool on_release(void *ctx)
{
    struct fixture *f = ctx;
    bool had = f->has_ballast;
    f->has_ballast = false;
    f->releases += had;
    return had;
}

static void on_sync_begin(void *ctx, enum gate_class class)
{
    ((struct fixture *)ctx)->sync_begins++;
}

static void on_sync_end(void *ctx, enum gate_class class, int error)
{
    ((struct fixture *)ctx)->sync_ends++;
    ((struct fixture *)ctx)->sync_error = error;
}

static void on_room(void *ctx)
{
    ((struct fixture *)ctx)->rooms++;
}

static void on_log_state(void *ctx, int error)
{
    ((struct fixture *)ctx)->log_states++;
    ((struct fixture *)ctx)->log_error = error;
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    snprintf(f->dir, sizeof(f->dir), "/tmp/spillway-gate-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    f->gate = gate_create(&(struct gate_hooks){.ctx = f,
                                               .error = on_error,
                                               .release = on_release,
                                               .sync_begin = on_sync_begin,
                                               .sync_end = on_sync_end,
                                               .room = on_room,
                                               .log_state = on_log_state});
    *state = f;
    return 0;
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
    gate_destroy(f->gate);
    assert_int_equal(file_list(f->dir, remove_one, f->dir), 0);
    assert_int_equal(rmdir(f->dir), 0);
    free(f);
    return 0;
}

static const char *in(const struct fixture *f, const char *name)
{
    static char paths[4][256];
    static unsigned turn;
    char *path = paths[turn++ % 4];
    snprintf(path, sizeof(paths[0]), "%s/%s", f->dir, name);
    return path;
}

static void fault(const char *text)
{
    struct file_fault rule;
    assert_true(file_fault_parse(slice_str(text), &rule));
    assert_true(file_fault_add(&rule) > 0);
}

static struct gate_file *open_as(struct fixture *f, const char *name, enum gate_class class)
{
    struct gate_file *file;
    assert_int_equal(gate_open(f->gate, in(f, name), FILE_CREATE, class, &file), 0);
    return file;
}

static int64_t taken(struct fixture *f)
{
    struct gate_stats stats;
    gate_stats(f->gate, &stats);
    return stats.taken_bytes;
}

static void limit(struct fixture *f, uint64_t available, enum gate_class class, uint64_t floor)
{
    struct gate_limits limits = {
        .available = available, .taken_at_sample = taken(f), .ceiling = UINT64_MAX};
    limits.floor[class] = floor;
    gate_set_limits(f->gate, &limits);
}

static char data[256 * KIB];

static void blocks_are_counted_by_class(void **state)
{
    struct fixture *f = *state;
    struct gate_stats stats;
    struct gate_file *file = open_as(f, "log", GATE_LOG);
    assert_int_equal(gate_write(file, data, 10000, 0, NULL), 0);
    assert_int_equal(gate_sync(file), 0);
    gate_stats(f->gate, &stats);
    assert_int_equal(stats.own_bytes, 12288);
    assert_int_equal(stats.class[GATE_LOG].own_bytes, 12288);
    assert_int_equal(stats.class[GATE_LOG].written_bytes, 10000);
    assert_int_equal(stats.class[GATE_LOG].syncs, 1);
    assert_int_equal(f->sync_begins, 1);
    assert_int_equal(f->sync_ends, 1);
    /* overwriting takes nothing, truncation gives back, closing keeps, removing ends it */
    assert_int_equal(gate_write(file, data, 10000, 0, NULL), 0);
    assert_int_equal(gate_own_bytes(f->gate), 12288);
    assert_int_equal(gate_truncate(file, 4096), 0);
    assert_int_equal(gate_own_bytes(f->gate), 4096);
    gate_close(file);
    assert_int_equal(gate_own_bytes(f->gate), 4096);
    assert_int_equal(gate_remove(f->gate, in(f, "log")), 0);
    assert_int_equal(gate_own_bytes(f->gate), 0);
    assert_int_equal(gate_remove(f->gate, in(f, "log")), 0); /* a missing file is success */
}

static void an_open_file_counts_until_closed(void **state)
{
    struct fixture *f = *state;
    struct gate_file *file = open_as(f, "a", GATE_COMPACTION);
    struct gate_stats stats;
    assert_int_equal(gate_write(file, data, 8192, 0, NULL), 0);
    gate_stats(f->gate, &stats);
    assert_int_equal(stats.building, 8192);
    assert_int_equal(gate_remove(f->gate, in(f, "a")), 0);
    assert_true(gate_displaced(file));
    assert_int_equal(gate_own_bytes(f->gate), 8192);
    gate_close(file);
    gate_stats(f->gate, &stats);
    assert_int_equal(stats.own_bytes, 0);
    assert_int_equal(stats.building, 0);
}

static void renames_and_links_keep_the_sum_true(void **state)
{
    struct fixture *f = *state;
    struct gate_file *file = open_as(f, "temp", GATE_COMPACTION);
    assert_int_equal(gate_write(file, data, 40960, 0, NULL), 0);
    gate_close(file);
    file = open_as(f, "base", GATE_COMPACTION);
    assert_int_equal(gate_write(file, data, 4096, 0, NULL), 0);
    gate_close(file);
    assert_int_equal(gate_own_bytes(f->gate), 45056);
    assert_int_equal(gate_rename(f->gate, in(f, "temp"), in(f, "base")), 0);
    assert_int_equal(gate_own_bytes(f->gate), 40960);
    assert_int_equal(gate_link(f->gate, in(f, "base"), in(f, "dump.rdb")), 0);
    assert_int_equal(gate_own_bytes(f->gate), 40960);
    gate_refresh(f->gate);
    assert_int_equal(gate_own_bytes(f->gate), 40960);
    assert_int_equal(gate_remove(f->gate, in(f, "base")), 0);
    assert_int_equal(gate_own_bytes(f->gate), 40960);
    assert_int_equal(gate_remove(f->gate, in(f, "dump.rdb")), 0);
    assert_int_equal(gate_own_bytes(f->gate), 0);
}

static void what_others_remove_is_noticed(void **state)
{
    struct fixture *f = *state;
    struct gate_file *file = open_as(f, "a", GATE_LOG);
    assert_int_equal(gate_write(file, data, 8192, 0, NULL), 0);
    assert_false(gate_displaced(file));
    unlink(in(f, "a"));
    assert_true(gate_displaced(file));
    gate_refresh(f->gate);
    assert_int_equal(gate_own_bytes(f->gate), 8192);
    gate_close(file);
    gate_refresh(f->gate);
    assert_int_equal(gate_own_bytes(f->gate), 0);
}

static void a_scan_adopts_by_glob(void **state)
{
    struct fixture *f = *state;
    struct gate_stats stats;
    const char *names[] = {"a.1.base.rdb", "a.1.incr.aof", "a.manifest", "foreign.txt"};
    for (int i = 0; i < 4; i++)
        assert_int_equal(file_replace(in(f, names[i]), data, 4096), 0);
    assert_int_equal(gate_scan(f->gate, f->dir, "a.*.base.*", GATE_COMPACTION), 0);
    assert_int_equal(gate_scan(f->gate, f->dir, "a.*.incr.*", GATE_LOG), 0);
    assert_int_equal(gate_scan(f->gate, f->dir, "a.*", GATE_METADATA), 0);
    gate_stats(f->gate, &stats);
    assert_int_equal(stats.own_bytes, 3 * 4096);
    assert_int_equal(stats.class[GATE_METADATA].own_bytes, 4096);
    assert_int_equal(gate_scan(f->gate, in(f, "nowhere"), "*", GATE_LOG), 0);
    assert_int_equal(taken(f), 0); /* they were there when the volume was sampled */
}

static void each_class_stops_at_its_floor(void **state)
{
    struct fixture *f = *state;
    struct gate_file *file = open_as(f, "snap", GATE_SNAPSHOT);
    limit(f, 64 * KIB, GATE_SNAPSHOT, 16 * KIB);
    assert_true(gate_allows(f->gate, GATE_SNAPSHOT, 48 * KIB));
    assert_false(gate_allows(f->gate, GATE_SNAPSHOT, 48 * KIB + 1));
    assert_true(gate_allows(f->gate, GATE_LOG, 64 * KIB));
    assert_false(gate_allows(f->gate, GATE_LOG, 64 * KIB + 1));
    assert_true(gate_allows(f->gate, GATE_METADATA, 1024 * KIB));
    size_t written = 1;
    assert_int_equal(gate_write(file, data, 52 * KIB, 0, &written), -ENOSPC);
    assert_int_equal(written, 0);
    assert_int_equal(f->errors, 0); /* ours, not the disk's */
    assert_int_equal(gate_write(file, data, 48 * KIB, 0, NULL), 0);
    assert_int_equal(gate_free_bytes(f->gate), 16 * KIB);
    assert_int_equal(gate_write(file, data, 1, 48 * KIB, NULL), -ENOSPC);
    assert_int_equal(gate_write(file, data, 48 * KIB, 0, NULL), 0); /* own blocks */
    struct gate_stats stats;
    gate_stats(f->gate, &stats);
    assert_int_equal(stats.class[GATE_SNAPSHOT].refused, 2);
    gate_close(file);
    struct gate_file *more;
    assert_int_equal(gate_open(f->gate, in(f, "b"), FILE_CREATE_NEW, GATE_SNAPSHOT, &more),
                     -ENOSPC);
    assert_null(more);
    assert_false(file_exists(in(f, "b")));
}

static void the_budget_is_a_ceiling(void **state)
{
    struct fixture *f = *state;
    struct gate_limits limits = {.available = UINT64_MAX, .ceiling = 32 * KIB};
    gate_set_limits(f->gate, &limits);
    struct gate_file *file = open_as(f, "log", GATE_LOG);
    uint64_t at = 0;
    while (gate_write(file, data, 3000, at, NULL) == 0)
        at += 3000;
    assert_int_equal(at, 30000);
    assert_true(gate_own_bytes(f->gate) <= 32 * KIB);
    gate_close(file);
}

static void preallocated_blocks_are_ours(void **state)
{
    struct fixture *f = *state;
    struct gate_file *file = open_as(f, "base", GATE_COMPACTION);
    struct file_info info;
    assert_int_equal(gate_allocate(file, 0, 100 * KIB), 0);
    assert_int_equal(gate_allocated(file), 100 * KIB);
    assert_int_equal(file_info_fd(gate_fd(file), &info), 0);
    assert_int_equal(info.size, 0);
    limit(f, 0, GATE_COMPACTION, 0);
    assert_int_equal(gate_write(file, data, 100 * KIB, 0, NULL), 0);
    assert_int_equal(gate_write(file, data, 1, 100 * KIB, NULL), -ENOSPC);
    limit(f, 1024 * KIB, GATE_COMPACTION, 0);
    assert_int_equal(gate_allocate(file, 100 * KIB, 100 * KIB), 0);
    gate_close(file); /* what was not written goes back */
    assert_int_equal(gate_own_bytes(f->gate), 100 * KIB);
}

static void a_log_is_extended_ahead(void **state)
{
    struct fixture *f = *state;
    struct gate_limits limits = {
        .available = 1024 * KIB, .ceiling = UINT64_MAX, .log_step = 64 * KIB};
    struct gate_stats stats;
    gate_set_limits(f->gate, &limits);
    struct gate_file *file = open_as(f, "log", GATE_LOG);
    gate_stats(f->gate, &stats);
    assert_int_equal(stats.log_room, 64 * KIB);
    assert_int_equal(f->rooms, 1);
    assert_int_equal(gate_write(file, data, 31 * KIB, 0, NULL), 0);
    assert_int_equal(f->rooms, 1);
    assert_int_equal(gate_write(file, data, KIB, 31 * KIB, NULL), 0);
    gate_stats(f->gate, &stats);
    assert_int_equal(f->rooms, 2);
    assert_int_equal(stats.log_room, 64 * KIB);
    /* what has room is written though the disk is full by now */
    limits.available = 0;
    limits.taken_at_sample = taken(f);
    gate_set_limits(f->gate, &limits);
    assert_int_equal(gate_write(file, data, 64 * KIB, 32 * KIB, NULL), 0);
    assert_int_equal(gate_write(file, data, 1, 96 * KIB, NULL), -ENOSPC);
    gate_close(file);
}

/* What a killed server had allocated ahead is room again: deletions are kept on a full volume. */
static void room_survives_a_crash(void **state)
{
    struct fixture *f = *state;
    struct gate_stats stats;
    int fd = file_open(in(f, "log"), FILE_CREATE);
    assert_true(fd >= 0);
    assert_int_equal(file_write_at(fd, data, 5000, 0, NULL), 0);
    assert_int_equal(file_allocate(fd, 8 * KIB, 56 * KIB, true), 0);
    file_close(fd);
    limit(f, 0, GATE_LOG, 0);
    struct gate_file *file = open_as(f, "log", GATE_LOG);
    gate_stats(f->gate, &stats);
    assert_int_equal(stats.log_room, 64 * KIB - 5000);
    assert_int_equal(gate_write(file, data, 64 * KIB - 5000, 5000, NULL), 0);
    assert_int_equal(gate_write(file, data, 1, 64 * KIB, NULL), -ENOSPC);
    gate_close(file);
    file = open_as(f, "another", GATE_LOG); /* an empty one may always be had */
    gate_close(file);
}

static void enospc_meets_the_allocator_first(void **state)
{
    struct fixture *f = *state;
    struct gate_limits limits = {
        .available = 1024 * KIB, .ceiling = UINT64_MAX, .log_step = 64 * KIB};
    gate_set_limits(f->gate, &limits);
    struct gate_file *file = open_as(f, "log", GATE_LOG);
    fault("op=allocate,errno=ENOSPC");
    fault("op=write,errno=ENOSPC,skip=1");
    assert_int_equal(gate_write(file, data, 40 * KIB, 0, NULL), 0);
    assert_int_equal(f->errors, 1);
    assert_int_equal(f->last.op, FILE_OP_ALLOCATE);
    assert_int_equal(f->last.error, ENOSPC);
    file_fault_clear();
    /* the room that there was is still ours */
    limits.available = limits.log_step = 0;
    limits.taken_at_sample = taken(f);
    gate_set_limits(f->gate, &limits);
    assert_int_equal(gate_write(file, data, 24 * KIB, 40 * KIB, NULL), 0);
    assert_int_equal(gate_write(file, data, 1, 64 * KIB, NULL), -ENOSPC);
    gate_close(file);
}

static void a_file_system_without_allocation_is_no_error(void **state)
{
    struct fixture *f = *state;
    struct gate_stats stats;
    struct gate_limits limits = {
        .available = 1024 * KIB, .ceiling = UINT64_MAX, .log_step = 64 * KIB};
    gate_set_limits(f->gate, &limits);
    fault("op=allocate,errno=EOPNOTSUPP");
    struct gate_file *file = open_as(f, "log", GATE_LOG);
    gate_stats(f->gate, &stats);
    assert_false(stats.can_allocate);
    assert_int_equal(stats.log_room, 0);
    assert_int_equal(f->errors, 0);
    assert_int_equal(gate_write(file, data, 10 * KIB, 0, NULL), 0);
    assert_int_equal(gate_allocated(file), 12 * KIB);
    gate_close(file);
}

static void a_failed_allocation_costs_nothing(void **state)
{
    struct fixture *f = *state;
    struct gate_file *file = open_as(f, "base", GATE_COMPACTION);
    fault("op=allocate,errno=ENOSPC,times=1");
    assert_int_equal(gate_allocate(file, 0, 100 * KIB), -ENOSPC);
    assert_int_equal(gate_own_bytes(f->gate), 0);
    assert_int_equal(f->errors, 1);
    fault("op=allocate,errno=ENOSPC,skip=2,times=1"); /* after two pieces */
    assert_int_equal(gate_allocate(file, 0, 1024 * KIB), -ENOSPC);
    assert_int_equal(gate_own_bytes(f->gate), 0);
    struct gate_stats stats;
    gate_stats(f->gate, &stats);
    assert_int_equal(stats.taken_bytes, 0);
    assert_int_equal(stats.unasked + stats.asking + stats.giving, 0);
    assert_int_equal(gate_allocate(file, 0, 100 * KIB), 0);
    gate_close(file);
}

static void short_writes_say_how_far_they_got(void **state)
{
    struct fixture *f = *state;
    struct gate_file *file = open_as(f, "log", GATE_LOG);
    size_t written = 0;
    fault("op=write,errno=EIO,short=5000,times=1");
    assert_int_equal(gate_write(file, data, 9000, 0, &written), -EIO);
    assert_int_equal(written, 5000);
    assert_int_equal(f->last.error, EIO);
    assert_int_equal(f->last.op, FILE_OP_WRITE);
    assert_int_equal(f->last.class, GATE_LOG);
    assert_true(f->last.at_ms > 0);
    assert_non_null(strstr(f->last.path, "/log"));
    assert_int_equal(gate_own_bytes(f->gate), 8192);
    assert_int_equal(gate_truncate(file, 0), 0);
    assert_int_equal(gate_own_bytes(f->gate), 0);
    gate_close(file);
}

static void enospc_releases_the_ballast_and_tries_again(void **state)
{
    struct fixture *f = *state;
    struct gate_file *log = open_as(f, "log", GATE_LOG);
    struct gate_file *snap = open_as(f, "snap", GATE_SNAPSHOT);
    size_t written = 0;
    f->has_ballast = true;
    fault("op=write,path=snap,errno=ENOSPC,times=1");
    assert_int_equal(gate_write(snap, data, 9000, 0, NULL), -ENOSPC);
    assert_int_equal(f->releases, 0); /* not for a snapshot */
    assert_int_equal(f->errors, 1);
    fault("op=write,path=log,errno=EDQUOT,short=5000,times=1");
    assert_int_equal(gate_write(log, data, 9000, 0, &written), 0);
    assert_int_equal(written, 9000);
    assert_int_equal(f->releases, 1);
    assert_int_equal(f->errors, 1);
    fault("op=write,path=log,errno=ENOSPC,times=1");
    assert_int_equal(gate_write(log, data, 9000, 9000, NULL),
                     -ENOSPC); /* nothing left to release */
    assert_int_equal(f->errors, 2);
    gate_close(log);
    gate_close(snap);
}

static void errors_are_counted_by_errno(void **state)
{
    struct fixture *f = *state;
    struct gate_stats stats;
    struct gate_file *file = open_as(f, "log", GATE_LOG);
    fault("op=write,errno=EIO,times=2");
    fault("op=write,errno=EDQUOT,times=1");
    for (int i = 0; i < 3; i++)
        assert_true(gate_write(file, data, 10, 0, NULL) < 0);
    gate_stats(f->gate, &stats);
    assert_int_equal(stats.by_errno[0].error, EIO);
    assert_int_equal(stats.by_errno[0].count, 2);
    assert_int_equal(stats.by_errno[1].error, EDQUOT);
    assert_int_equal(stats.by_errno[1].count, 1);
    assert_int_equal(stats.class[GATE_LOG].errors, 3);
    gate_close(file);
}

static void a_failed_sync_poisons_for_ever(void **state)
{
    struct fixture *f = *state;
    struct gate_file *file = open_as(f, "log", GATE_LOG);
    fault("op=sync,path=log,errno=EIO,times=1");
    assert_false(gate_poisoned(file));
    assert_int_equal(gate_sync(file), -EIO);
    assert_int_equal(f->sync_error, EIO);
    assert_true(gate_poisoned(file));
    assert_int_equal(gate_sync(file), 0);
    assert_true(gate_poisoned(file)); /* a later success proves nothing */
    gate_close(file);
}

static void failing_logs_are_told_once(void **state)
{
    struct fixture *f = *state;
    struct gate_file *log = open_as(f, "log", GATE_LOG), *snap = open_as(f, "snap", GATE_SNAPSHOT);
    fault("op=write,errno=EROFS,times=3");
    assert_int_equal(gate_write(snap, data, 10, 0, NULL), -EROFS);
    assert_int_equal(f->log_states, 0);
    assert_int_equal(gate_write(log, data, 10, 0, NULL), -EROFS);
    assert_int_equal(gate_write(log, data, 10, 0, NULL), -EROFS);
    assert_int_equal(f->log_states, 1);
    assert_int_equal(f->log_error, EROFS);
    assert_int_equal(gate_write(log, data, 10, 0, NULL), 0);
    assert_int_equal(gate_write(log, data, 10, 0, NULL), 0);
    assert_int_equal(f->log_states, 2);
    assert_int_equal(f->log_error, 0);
    limit(f, 0, GATE_LOG, 0);
    assert_int_equal(gate_write(log, data, 5000, 0, NULL), -ENOSPC);
    assert_int_equal(f->log_states, 3);
    gate_close(log);
    assert_int_equal(f->log_states, 4);
    assert_int_equal(f->log_error, 0);
    gate_close(snap);
}

static void metadata_is_always_written_while_the_disk_lets_it(void **state)
{
    struct fixture *f = *state;
    limit(f, 0, GATE_LOG, 0);
    assert_int_equal(gate_replace(f->gate, in(f, "manifest"), "x", 1, GATE_METADATA), 0);
    assert_int_equal(gate_own_bytes(f->gate), 4096);
    assert_int_equal(gate_replace(f->gate, in(f, "report"), "x", 1, GATE_DIAGNOSTIC), -ENOSPC);
    f->has_ballast = true;
    fault("op=write,path=manifest,errno=ENOSPC,times=1");
    assert_int_equal(gate_replace(f->gate, in(f, "manifest"), "y", 1, GATE_METADATA), 0);
    assert_int_equal(f->releases, 1);
    fault("op=rename,path=manifest,errno=EROFS,times=1");
    assert_int_equal(gate_replace(f->gate, in(f, "manifest"), "z", 1, GATE_METADATA), -EROFS);
    char *text;
    size_t len;
    assert_int_equal(file_read_all(in(f, "manifest"), 100, &text, &len), 0);
    assert_int_equal(len, 1);
    assert_int_equal(text[0], 'y');
    mem_free(text);
}

static void a_lost_mount_takes_nothing(void **state)
{
    struct fixture *f = *state;
    struct gate_file *file = open_as(f, "log", GATE_LOG), *other;
    struct gate_limits limits = {.available = UINT64_MAX, .ceiling = UINT64_MAX, .refuse = ENODEV};
    gate_set_limits(f->gate, &limits);
    assert_int_equal(gate_write(file, data, 1, 0, NULL), -ENODEV);
    assert_int_equal(gate_replace(f->gate, in(f, "m"), "x", 1, GATE_METADATA), -ENODEV);
    assert_int_equal(gate_open(f->gate, in(f, "n"), FILE_CREATE, GATE_METADATA, &other), -ENODEV);
    assert_int_equal(gate_rename(f->gate, in(f, "log"), in(f, "gol")), -ENODEV);
    assert_int_equal(gate_mkdir(f->gate, in(f, "d")), -ENODEV);
    gate_close(file);
}

/* Every operation of the gate, failing once with each errno: reported, counted, and the next try
 * works. */
static void each_operation_reports_each_error(void **state)
{
    static const char *const ops[] = {"create", "write",  "sync",     "allocate", "truncate",
                                      "rename", "remove", "sync_dir", "link"};
    static const char *const errors[] = {"ENOSPC", "EDQUOT", "EIO", "EROFS"};
    struct fixture *f = *state;
    for (size_t o = 0; o < sizeof(ops) / sizeof(ops[0]); o++)
        for (size_t e = 0; e < sizeof(errors) / sizeof(errors[0]); e++) {
            for (int try = 0; try < 2; try++) {
                char text[64];
                int failures = 0;
                unsigned before = f->errors;
                struct gate_file *file = NULL;
                snprintf(text, sizeof(text), "op=%s,errno=%s,times=1", ops[o], errors[e]);
                if (try == 0)
                    fault(text);
                failures +=
                    gate_open(f->gate, in(f, "a"), FILE_CREATE, GATE_COMPACTION, &file) != 0;
                if (file) {
                    failures += gate_allocate(file, 0, 16 * KIB) != 0;
                    failures += gate_write(file, data, 5000, 0, NULL) != 0;
                    failures += gate_sync(file) != 0;
                    failures += gate_truncate(file, 5000) != 0;
                    gate_close(file);
                    failures += gate_rename(f->gate, in(f, "a"), in(f, "b")) != 0;
                    if (failures == 0)
                        failures += gate_link(f->gate, in(f, "b"), in(f, "c")) != 0;
                    failures += gate_sync_dir(f->gate, f->dir) != 0;
                }
                failures += gate_remove(f->gate, in(f, "a")) != 0;
                failures += gate_remove(f->gate, in(f, "b")) != 0;
                failures += gate_remove(f->gate, in(f, "c")) != 0;
                assert_int_equal(failures > 0, try == 0);
                assert_int_equal(f->errors - before, failures);
                if (try)
                    assert_int_equal(gate_own_bytes(f->gate), 0);
            }
            file_fault_clear();
        }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(blocks_are_counted_by_class),
        TEST(an_open_file_counts_until_closed),
        TEST(renames_and_links_keep_the_sum_true),
        TEST(what_others_remove_is_noticed),
        TEST(a_scan_adopts_by_glob),
        TEST(each_class_stops_at_its_floor),
        TEST(the_budget_is_a_ceiling),
        TEST(preallocated_blocks_are_ours),
        TEST(a_log_is_extended_ahead),
        TEST(room_survives_a_crash),
        TEST(enospc_meets_the_allocator_first),
        TEST(a_file_system_without_allocation_is_no_error),
        TEST(a_failed_allocation_costs_nothing),
        TEST(short_writes_say_how_far_they_got),
        TEST(enospc_releases_the_ballast_and_tries_again),
        TEST(errors_are_counted_by_errno),
        TEST(a_failed_sync_poisons_for_ever),
        TEST(failing_logs_are_told_once),
        TEST(metadata_is_always_written_while_the_disk_lets_it),
        TEST(a_lost_mount_takes_nothing),
        TEST(each_operation_reports_each_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
