/* world.h - a keyspace, a propagation log, a guard and the persistence over a directory of its own,
 * with the few commands that the tests of persistence need; without engine and network. */
#ifndef SPILLWAY_TESTS_PERSIST_WORLD_H
#define SPILLWAY_TESTS_PERSIST_WORLD_H

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/number.h"
#include "guard/guard.h"
#include "persist/persist.h"
#include "plog/plog.h"

#define WORLD_LANES 4

struct world {
    char dir[64];
    struct keyspace *ks;
    struct plog *log;
    struct guard *guard;
    struct persist *persist;
    struct guard_options guard_options;
    struct persist_options options;
    uint64_t changes; /* atomic */
    uint64_t woken;   /* atomic: calls of durable_moved */
    bool guarded;     /* the guard's threads run; else the test is the guard */
};

static inline void world_dir(char dir[64])
{
    const char *base = getenv("TMPDIR");
    snprintf(dir, 64, "%s/persist-XXXXXX", base ? base : "/tmp");
    assert_non_null(mkdtemp(dir));
}

static inline void world_remove(const char *dir)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", dir);
    assert_int_equal(system(command), 0);
}

/* ---- commands, as the loader and the writers run them ---- */

static inline void world_apply(struct world *w, struct hold *hold, uint32_t db, uint32_t argc,
                               const struct slice *argv)
{
    struct key key = keyspace_key(keyspace_seed(w->ks), db, argc > 1 ? argv[1] : SLICE(""));
    if (slice_is(argv[0], "flushall")) {
        for (uint32_t i = 0; i < keyspace_options(w->ks)->databases; i++)
            keyspace_flush_db(hold, i, false);
        return;
    }
    struct entry *e = keyspace_find(hold, &key, FIND_WRITE);
    int64_t n = 0;
    if (slice_is(argv[0], "set")) {
        int64_t expire_ms = EXPIRE_NONE;
        if (argc == 5)
            number_parse_i64(argv[4], &expire_ms);
        keyspace_put_string(hold, &key, e, argv[2], expire_ms);
    } else if (slice_is(argv[0], "incr")) {
        char text[NUMBER_TEXT_MAX];
        if (e)
            number_parse_i64(entry_string(e), &n);
        keyspace_put_string(hold, &key, e, slice_of(text, number_print_i64(text, n + 1)),
                            EXPIRE_NONE);
    } else if (e && slice_is(argv[0], "pexpireat")) {
        number_parse_i64(argv[2], &n);
        keyspace_set_expire(hold, &key, e, n);
    } else if (e) {
        keyspace_remove(hold, &key, e, false);
    }
}

static inline bool world_knows(struct slice name)
{
    return slice_is(name, "set") || slice_is(name, "incr") || slice_is(name, "del") ||
           slice_is(name, "flushall") || slice_is(name, "pexpireat");
}

static inline bool world_execute(void *ctx, uint32_t db, uint32_t argc, const struct slice *argv,
                                 const char **why)
{
    struct world *w = ctx;
    if (!world_knows(argv[0]) || (argc < 2 && !slice_is(argv[0], "flushall"))) {
        *why = "unknown command";
        return false;
    }
    struct keyspace_stats stats = {0};
    struct hold hold = {
        .keyspace = w->ks, .now_ms = clock_wall_ms(), .flags = HOLD_LOADING, .stats = &stats};
    hold_take(&hold, HOLD_ALL);
    world_apply(w, &hold, db, argc, argv);
    hold_drop(&hold);
    return true;
}

/* One command of a client: applied and logged in one hold. Returns the log's end behind it. */
static inline uint64_t world_run(struct world *w, uint32_t lane, uint32_t db, const char *line)
{
    struct slice argv[8];
    uint32_t argc = 0;
    struct bytes record = {0};
    for (const char *at = line; *at;) {
        size_t len = strcspn(at, " ");
        argv[argc++] = slice_of(at, len);
        at += len + (at[len] == ' ');
    }
    bytes_printf(&record, "*%u\r\n", argc);
    for (uint32_t i = 0; i < argc; i++)
        bytes_printf(&record, "$%zu\r\n%.*s\r\n", argv[i].len, (int)argv[i].len, argv[i].data);
    struct keyspace_stats stats = {0};
    struct hold hold = {
        .keyspace = w->ks, .now_ms = clock_wall_ms(), .lane = lane, .stats = &stats};
    struct key key = keyspace_key(keyspace_seed(w->ks), db, argc > 1 ? argv[1] : SLICE(""));
    bool all = slice_is(argv[0], "flushall");
    hold_take(&hold, all ? HOLD_ALL : shard_bit(key.hash));
    world_apply(w, &hold, db, argc, argv);
    uint64_t end = plog_append(w->log, db, bytes_slice(&record),
                               slice_is(argv[0], "del") || all ? PLOG_SHRINK : PLOG_GROW);
    hold_drop(&hold);
    RELAXED_ADD(&w->changes, 1);
    bytes_free(&record);
    return end;
}

/* The string under a key, mem_free it; NULL: none. */
static inline char *world_get(struct world *w, uint32_t db, const char *name)
{
    struct keyspace_stats stats = {0};
    struct hold hold = {.keyspace = w->ks, .now_ms = clock_wall_ms(), .stats = &stats};
    struct key key = keyspace_key(keyspace_seed(w->ks), db, slice_str(name));
    hold_take(&hold, shard_bit(key.hash));
    struct entry *e = keyspace_find(&hold, &key, FIND_PEEK);
    char *text = e ? slice_to_str(entry_string(e)) : NULL;
    hold_drop(&hold);
    return text;
}

static inline void world_expect(struct world *w, uint32_t db, const char *name, const char *value)
{
    char *text = world_get(w, db, name);
    if (!value)
        assert_null(text);
    else if (!text)
        fail_msg("%s is missing", name);
    else
        assert_string_equal(text, value);
    mem_free(text);
}

/* ---- life ---- */

static inline uint64_t world_changes(void *ctx)
{
    return RELAXED_LOAD(&((struct world *)ctx)->changes);
}

static inline void world_durable_moved(void *ctx)
{
    RELAXED_ADD(&((struct world *)ctx)->woken, 1);
}

static inline void world_before_change(void *ctx, struct hold *hold, uint32_t db, struct entry *e,
                                       bool going)
{
    persist_before_change(((struct world *)ctx)->persist, hold, db, e, going);
}

static inline void world_before_flush(void *ctx, struct hold *hold, uint32_t db, bool going)
{
    persist_before_flush(((struct world *)ctx)->persist, hold, db, going);
}

static inline uint64_t world_data_bytes(void *ctx)
{
    return 1024 * 1024;
}

/* Everything but the files; options are the defaults over dir. */
static inline void world_init(struct world *w, const char *dir, bool appendonly)
{
    memset(w, 0, sizeof *w);
    snprintf(w->dir, sizeof w->dir, "%s", dir);
    persist_options_default(&w->options);
    w->options.dir = w->dir;
    w->options.appendonly = appendonly;
    guard_options_default(&w->guard_options);
    w->guard_options.dir = w->dir;
    w->guard_options.append_dirname = "appendonlydir";
    w->guard_options.dump_name = "dump.rdb";
    w->guard_options.appendonly = appendonly;
    w->guard_options.ballast_bytes = 0;
}

/* Builds it and loads what is there. */
static inline enum persist_loaded world_load(struct world *w)
{
    struct keyspace_options keyspace = {.databases = 16,
                                        .policy = EVICT_NONE,
                                        .samples = 5,
                                        .limits = value_limits_default,
                                        .lfu_decay_minutes = 1,
                                        .active_expire = true};
    w->ks = keyspace_new(&keyspace);
    w->log = plog_new(1000);
    struct guard_hooks guard_hooks = {.ctx = w, .data_bytes = world_data_bytes};
    w->guard_options.fsync = (enum guard_fsync)w->options.appendfsync;
    w->guard = guard_create(&w->guard_options, &guard_hooks);
    struct persist_parts parts = {.keyspace = w->ks,
                                  .plog = w->log,
                                  .guard = w->guard,
                                  .appendfilename = "appendonly.aof",
                                  .appenddirname = "appendonlydir",
                                  .lanes = WORLD_LANES,
                                  .ctx = w,
                                  .execute = world_execute,
                                  .changes = world_changes,
                                  .durable_moved = world_durable_moved};
    w->persist = persist_new(&parts, &w->options);
    struct keyspace_hooks hooks = {
        .ctx = w, .before_change = world_before_change, .before_flush = world_before_flush};
    keyspace_set_hooks(w->ks, &hooks);
    return persist_load(w->persist);
}

static inline void world_start(struct world *w)
{
    w->guarded = true;
    guard_start(w->guard);
    persist_start(w->persist);
}

static inline enum persist_loaded world_open(struct world *w, const char *dir, bool appendonly)
{
    world_init(w, dir, appendonly);
    enum persist_loaded loaded = world_load(w);
    world_start(w);
    return loaded;
}

/* Returns what persist_stop did. */
static inline int world_close_saving(struct world *w, bool save)
{
    int error = persist_stop(w->persist, save, 5000);
    if (w->guarded)
        guard_stop(w->guard);
    persist_free(w->persist);
    guard_destroy(w->guard);
    plog_free(w->log);
    keyspace_free(w->ks);
    return error;
}

static inline int world_close(struct world *w)
{
    return world_close_saving(w, false);
}

/* What a crash now would leave: the files as they are, in a directory of their own. */
static inline void world_snapshot_files(const char *from, char to[64])
{
    char command[256];
    world_dir(to);
    snprintf(command, sizeof command, "cp -a '%s/.' '%s/' 2>/dev/null || true", from, to);
    assert_int_equal(system(command), 0);
}

/* Waits up to ten seconds for a condition. */
#define WORLD_WAIT(condition)                                                                      \
    do {                                                                                           \
        for (int tries_ = 0; !(condition); tries_++) {                                             \
            if (tries_ == 10000)                                                                   \
                fail_msg("waited in vain for: %s", #condition);                                    \
            clock_sleep_us(1000);                                                                  \
        }                                                                                          \
    } while (0)

static inline unsigned world_count_files(const char *dir, const char *part)
{
    unsigned count = 0;
    DIR *d = opendir(dir);
    for (struct dirent *e; d && (e = readdir(d)) != NULL;)
        count += strstr(e->d_name, part) != NULL;
    if (d)
        closedir(d);
    return count;
}

static inline void world_write_file(const char *dir, const char *name, struct slice text)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(fwrite(text.data, 1, text.len, f), text.len);
    fclose(f);
}

static inline void world_rename(const char *dir, const char *from, const char *to)
{
    char old[256], new[256];
    snprintf(old, sizeof old, "%s/%s", dir, from);
    snprintf(new, sizeof new, "%s/%s", dir, to);
    assert_int_equal(rename(old, new), 0);
}

static inline struct bytes world_read_file(const char *dir, const char *name)
{
    char path[256], *data;
    struct bytes b = {0};
    snprintf(path, sizeof path, "%s/%s", dir, name);
    size_t len;
    if (file_read_all(path, 1 << 30, &data, &len) == 0)
        b = (struct bytes){data, len, len + 1};
    return b;
}

#endif
