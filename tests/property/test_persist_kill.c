/* test_persist_kill.c - a process that writes over a failing disk and is killed at any moment loses
 * nothing that it had promised to keep.
 *
 * A child counts up, rewrites and saves, while faults of all kinds are put in its way; it tells the
 * parent through shared memory which count is durable and which it has begun. The parent kills it,
 * loads the directory and expects a count between the two; then a new child goes on there.
 * KILL_ROUNDS and SEED may be given in the environment.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include "../unit/persist/world.h"
#include "base/rand.h"

#define RING 4096

struct shared {
    uint64_t begun;   /* atomic: the largest count that was begun */
    uint64_t durable; /* atomic: the largest count that is promised */
    uint32_t running; /* atomic: the child has loaded */
    uint64_t faults;  /* atomic: struck so far */
};

static uint64_t seed;

/* ---- the child ---- */

static void random_fault(struct rand *r)
{
    static const enum file_op ops[] = {FILE_OP_WRITE,    FILE_OP_WRITE,    FILE_OP_SYNC,
                                       FILE_OP_CREATE,   FILE_OP_RENAME,   FILE_OP_TRUNCATE,
                                       FILE_OP_ALLOCATE, FILE_OP_SYNC_DIR, FILE_OP_REMOVE};
    static const char *const parts[] = {"incr", "incr", "manifest", "temp", "base", ""};
    static const int errors[] = {ENOSPC, EIO, EDQUOT};
    struct file_fault f = {.op = ops[rand_below(r, COUNT_OF(ops))],
                           .skip = (uint32_t)rand_below(r, 3),
                           .times = 1 + (uint32_t)rand_below(r, 3),
                           .error = errors[rand_below(r, COUNT_OF(errors))]};
    snprintf(f.path_part, sizeof f.path_part, "%s", parts[rand_below(r, COUNT_OF(parts))]);
    if (f.op == FILE_OP_WRITE)
        f.short_bytes = (uint32_t)rand_below(r, 60);
    if (file_fault_add(&f) < 0)
        file_fault_clear();
}

static uint64_t count_of(struct world *w)
{
    char *text = world_get(w, 0, "n");
    uint64_t n = text ? strtoull(text, NULL, 10) : 0;
    mem_free(text);
    return n;
}

static void count_up(struct world *w, struct shared *shared, struct rand *r)
{
    static uint64_t offsets[RING];
    uint64_t begun = count_of(w), durable = begun;
    for (;;) {
        uint64_t dice = rand_below(r, 1000);
        if (dice < 8)
            random_fault(r);
        else if (dice < 14)
            file_fault_clear();
        else if (dice < 18)
            persist_rewrite(w->persist);
        else if (dice < 20)
            persist_bgsave(w->persist, true, NULL, NULL);
        RELAXED_STORE(&shared->begun, ++begun);
        offsets[begun % RING] = world_run(w, 0, 0, "incr n");
        uint64_t synced = persist_synced(w->persist);
        while (durable < begun && offsets[(durable + 1) % RING] <= synced)
            durable++;
        RELAXED_STORE(&shared->durable, durable);
        if (begun - durable > RING / 2 || dice % 16 == 0)
            clock_sleep_us(begun - durable > RING / 2 ? 2000 : 100);
        if (begun - durable > RING - 2)
            file_fault_clear(); /* nothing is forgotten: wait for the log */
        while (begun - durable > RING - 2) {
            clock_sleep_us(1000);
            synced = persist_synced(w->persist);
            while (durable < begun && offsets[(durable + 1) % RING] <= synced)
                durable++;
        }
    }
}

static void run_child(const char *dir, struct shared *shared, uint64_t number)
{
    struct world w;
    struct rand r;
    rand_seed(&r, number);
    world_init(&w, dir, true);
    w.options.appendfsync = number % 3 ? PERSIST_FSYNC_ALWAYS : PERSIST_FSYNC_EVERYSEC;
    w.options.aof_damage = PERSIST_REFUSE_DAMAGE;
    w.options.aof_timestamp_enabled = number % 2;
    if (world_load(&w) == PERSIST_LOAD_FAILED)
        _exit(3);
    if (rand_below(&r, 4) == 0)
        random_fault(&r);
    world_start(&w);
    RELAXED_STORE(&shared->running, 1);
    count_up(&w, shared, &r);
}

/* ---- the parent ---- */

static void kill_child(pid_t pid)
{
    int status;
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
        fail_msg("the child ended by itself: status %#x", (unsigned)status);
}

/* Loads a copy, so that the next child finds what its predecessor left. */
static void check_files(const char *dir, const struct shared *shared)
{
    struct world w;
    char copy[64];
    world_snapshot_files(dir, copy);
    world_init(&w, copy, true);
    w.options.aof_damage = PERSIST_REFUSE_DAMAGE;
    assert_int_not_equal(world_load(&w), PERSIST_LOAD_FAILED);
    uint64_t n = count_of(&w);
    if (n < shared->durable || n > shared->begun)
        fail_msg("loaded %llu, durable was %llu, begun %llu; files in %s", (unsigned long long)n,
                 (unsigned long long)shared->durable, (unsigned long long)shared->begun, copy);
    world_close(&w);
    world_remove(copy);
}

static void killed_at_any_moment(void **state)
{
    const char *text = getenv("KILL_ROUNDS");
    int rounds = text ? atoi(text) : 25;
    char dir[64];
    struct rand r;
    struct shared *shared =
        mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(shared != MAP_FAILED);
    world_dir(dir);
    rand_seed(&r, seed);
    for (int i = 0; i < rounds; i++) {
        shared->running = 0;
        uint64_t number = rand_next(&r);
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0)
            run_child(dir, shared, number);
        for (int wait = 0; wait < 10000 && !RELAXED_LOAD(&shared->running); wait++) {
            clock_sleep_us(1000);
            int status;
            if (waitpid(pid, &status, WNOHANG) == pid)
                fail_msg("the child could not load: status %#x; files in %s", (unsigned)status,
                         dir);
        }
        clock_sleep_us(1000 + rand_below(&r, 250000));
        kill_child(pid);
        check_files(dir, shared);
        if (getenv("VERBOSE"))
            print_message("round %d: durable %llu, begun %llu\n", i,
                          (unsigned long long)shared->durable, (unsigned long long)shared->begun);
    }
    print_message("%d kills, counted to %llu\n", rounds, (unsigned long long)shared->begun);
    munmap(shared, sizeof *shared);
    world_remove(dir);
}

int main(void)
{
    const char *text = getenv("SEED");
    seed = text ? strtoull(text, NULL, 0) : rand_system();
    printf("SEED=%llu\n", (unsigned long long)seed);
    fflush(stdout);
    log_set_level(getenv("VERBOSE") ? LOG_LEVEL_DEBUG : LOG_LEVEL_NOTHING);
    const struct CMUnitTest tests[] = {cmocka_unit_test(killed_at_any_moment)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
