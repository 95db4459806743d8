/* faults.h - what the tests of persistence over a failing disk share. */
#ifndef SPILLWAY_TESTS_PERSIST_FAULTS_H
#define SPILLWAY_TESTS_PERSIST_FAULTS_H

#include "world.h"

static inline int fault(enum file_op op, const char *part, uint32_t skip, uint32_t times, int error)
{
    struct file_fault f = {.op = op, .skip = skip, .times = times, .error = error};
    snprintf(f.path_part, sizeof f.path_part, "%s", part);
    int id = file_fault_add(&f);
    assert_true(id > 0);
    return id;
}

static inline int clear_faults(void **state)
{
    file_fault_clear();
    return 0;
}

/* What a crash now would leave holds these. */
static inline void expect_on_disk(const char *dir, const char *name, const char *value)
{
    struct world after;
    char crash[64];
    world_snapshot_files(dir, crash);
    world_init(&after, crash, true);
    after.options.aof_damage = PERSIST_REFUSE_DAMAGE;
    assert_int_equal(world_load(&after), PERSIST_LOADED_AOF);
    world_expect(&after, 0, name, value);
    world_close(&after);
    world_remove(crash);
}

static inline void expect_no_leftovers(const char *dir)
{
    char below[96];
    snprintf(below, sizeof below, "%s/appendonlydir", dir);
    assert_int_equal(world_count_files(dir, "temp"), 0);
    assert_int_equal(world_count_files(dir, "tmp"), 0);
    assert_int_equal(world_count_files(below, "temp"), 0);
    assert_int_equal(world_count_files(below, "tmp"), 0);
    assert_int_equal(world_count_files(below, "damaged"), 0);
}

/* Until the last record is in the file (not necessarily synced). */
static inline void wait_written(struct world *w)
{
    WORLD_WAIT(persist_log_pending(w->persist) == 0);
}

static inline bool info_says(struct world *w, const char *line)
{
    struct bytes text = {0};
    persist_info(w->persist, &text);
    bool says = strstr(bytes_str(&text), line) != NULL;
    bytes_free(&text);
    return says;
}

static inline enum guard_health health(struct world *w)
{
    return (enum guard_health)RELAXED_LOAD(&guard_verdict(w->guard)->health);
}

static inline void fill(struct world *w)
{
    char line[64];
    for (int i = 0; i < 3000; i++) {
        snprintf(line, sizeof line, "set k%d value-%d", i, i);
        world_run(w, 0, 0, line);
    }
}

#endif
