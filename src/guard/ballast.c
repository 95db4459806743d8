/* ballast.c - a really allocated file that is given back when the disk is full. */
#include "guard/ballast.h"

#include <errno.h>
#include "base/mem.h"

#define MIB           (1024ull * 1024)
#define LARGEST       (64 * MIB)
#define LEAST         (4 * MIB)
#define LEAST_BLOCKS  16
#define BEARS_LEAST   (16 * LEAST) /* a volume of 64 MiB can bear 4 */
#define CAPACITY_PART 4

void ballast_init(struct ballast *b, struct gate *gate, const char *dir)
{
    struct bytes path = {0};
    bytes_printf(&path, "%s/%s", dir, BALLAST_NAME);
    *b = (struct ballast){.gate = gate, .path = mem_strdup(bytes_str(&path))};
    bytes_free(&path);
}

void ballast_destroy(struct ballast *b)
{
    mem_free(b->path);
    b->path = NULL;
}

uint64_t ballast_size(uint64_t setting, uint64_t capacity, uint64_t block)
{
    uint64_t size = setting;
    if (setting == BALLAST_AUTO) {
        size = MIN_OF(capacity / 100, LARGEST);
        if (capacity >= BEARS_LEAST)
            size = MAX_OF(size, LEAST);
    }
    size = MIN_OF(size, capacity / CAPACITY_PART);
    block = MAX_OF(block, 512);
    size -= size % block;
    return size < LEAST_BLOCKS * block ? 0 : size;
}

static bool change(struct ballast *b, enum ballast_state from, enum ballast_state to)
{
    uint32_t expected = from;
    return __atomic_compare_exchange_n(&b->state, &expected, to, false, __ATOMIC_ACQ_REL,
                                       __ATOMIC_RELAXED);
}

static void settle(struct ballast *b, enum ballast_state state, uint64_t held)
{
    RELAXED_STORE(&b->held, held);
    __atomic_store_n(&b->state, state, __ATOMIC_RELEASE);
}

/* Allocates the file under its name; a file that cannot be had whole is not kept. The state is
 * BUSY. */
static void create(struct ballast *b, uint64_t want)
{
    struct gate_file *file;
    int result = gate_open(b->gate, b->path, FILE_CREATE_TRUNCATE, GATE_BALLAST, &file);
    uint64_t held = 0;
    if (result == 0) {
        /* the length first, so that closing does not give the blocks back */
        result = gate_truncate(file, want);
        if (result == 0)
            result = gate_allocate(file, 0, want);
        if (result == 0)
            result = gate_sync(file);
        held = gate_allocated(file);
        gate_close(file);
    }
    RELAXED_STORE(&b->last_error, -result);
    if (result == 0 && held >= want) {
        settle(b, BALLAST_HELD, held);
        return;
    }
    (void)!gate_remove(b->gate, b->path);
    settle(b, BALLAST_ABSENT, 0);
}

/* What the name holds now: 0 if it is gone. False if the disk does not say. */
static bool look(struct ballast *b, uint64_t *held)
{
    struct file_info info;
    int result = file_info_path(b->path, &info);
    *held = result == 0 ? info.allocated : 0;
    return result == 0 || result == -ENOENT;
}

void ballast_tend(struct ballast *b, uint64_t want, bool may_create)
{
    uint64_t held;
    enum ballast_state was = __atomic_load_n(&b->state, __ATOMIC_ACQUIRE);
    if (was == BALLAST_BUSY || !change(b, was, BALLAST_BUSY))
        return;
    if (!look(b, &held)) {
        settle(b, was, RELAXED_LOAD(&b->held));
        return;
    }
    gate_adopt(b->gate, b->path, GATE_BALLAST);
    if (held && held >= want && held - want <= want / 4 && want) {
        settle(b, BALLAST_HELD, held);
    } else if (want && may_create) {
        create(b, want);
    } else if (want == 0 || held > want) {
        if (held)
            (void)!gate_remove(b->gate, b->path);
        settle(b, BALLAST_ABSENT, 0);
    } else {
        settle(b, held ? BALLAST_HELD : BALLAST_ABSENT, held);
    }
}

bool ballast_release(struct ballast *b)
{
    bool gave;
    if (!change(b, BALLAST_HELD, BALLAST_BUSY))
        return false;
    gave = RELAXED_LOAD(&b->held) > 0 && gate_remove(b->gate, b->path) == 0;
    if (gave)
        RELAXED_ADD(&b->releases, 1);
    settle(b, gave ? BALLAST_ABSENT : BALLAST_HELD, gave ? 0 : RELAXED_LOAD(&b->held));
    return gave;
}

bool ballast_effective(const struct ballast *b, uint64_t want)
{
    return want && __atomic_load_n(&b->state, __ATOMIC_ACQUIRE) == BALLAST_HELD &&
           RELAXED_LOAD(&b->held) >= want;
}
