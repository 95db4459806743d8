/* volume.c - the two threads that ask the disk on the guard's behalf; either may hang there. */
#include "guard/volume.h"

#include "base/clock.h"
#include "base/lock.h"
#include "base/mem.h"
#include "guard/ticker.h"

#define REFRESH_MS    1000
#define DEFAULT_MS    100
#define LOOKS_MAX     20 /* tries to look while little moves */
#define LOOK_PAUSE_US 500
#define LOOK_STILL    (64 * 1024) /* bytes in doubt that are good enough */

struct volume {
    struct gate *gate;
    struct ballast *ballast;
    void (*sampled)(void *ctx);
    void *ctx;
    struct ticker *sampler, *handyman;
    unsigned interval_ms; /* atomic */
    struct lock lock;     /* guards what follows */
    char *dir, *append_dirname, *dump_name;
    struct guard_sample sample;
    struct volume_probe probe;
    struct volume_chores chores;
    bool counted;          /* own files were counted once */
    uint64_t refreshed_ms; /* handyman only */
};

struct volume *volume_create(struct gate *gate, struct ballast *ballast, const char *dir,
                             const char *append_dirname, const char *dump_name,
                             void (*sampled)(void *ctx), void *ctx)
{
    struct volume *v = mem_zalloc(sizeof(*v));
    v->gate = gate;
    v->ballast = ballast;
    v->sampled = sampled;
    v->ctx = ctx;
    v->interval_ms = DEFAULT_MS;
    v->dir = mem_strdup(dir);
    v->append_dirname = mem_strdup(append_dirname ? append_dirname : "");
    v->dump_name = mem_strdup(dump_name ? dump_name : "");
    return v;
}

void volume_destroy(struct volume *v)
{
    mem_free(v->dir);
    mem_free(v->append_dirname);
    mem_free(v->dump_name);
    mem_free(v);
}

static char *copy_dir(struct volume *v)
{
    lock_take(&v->lock);
    char *dir = mem_strdup(v->dir);
    lock_drop(&v->lock);
    return dir;
}

void volume_set_dir(struct volume *v, const char *dir)
{
    char *copy = mem_strdup(dir);
    lock_take(&v->lock);
    char *old = v->dir;
    v->dir = copy;
    v->counted = false;
    v->sample = (struct guard_sample){0};
    lock_drop(&v->lock);
    mem_free(old);
    ticker_wake(v->sampler);
}

void volume_set_interval(struct volume *v, unsigned ms)
{
    RELAXED_STORE(&v->interval_ms, ms);
}

/* ---- the sampler ---- */

int64_t volume_taken(const struct gate_stats *before, const struct gate_stats *after,
                     uint64_t *doubt)
{
    int64_t given = (int64_t)(after->given_back - before->given_back);
    int64_t most = after->taken_bytes - (int64_t)after->unasked + given;
    int64_t least = before->taken_bytes - (int64_t)(before->unasked + before->asking) - given -
                    (int64_t)after->giving;
    *doubt = most > least ? (uint64_t)(most - least) : 0;
    return least;
}

/* Asks the file system how much is free, some times over while larger parts of our own blocks are
 * on their way to us or back; the answer with the least doubt is the sample. What is in doubt
 * then counts as taken twice, until the next sample. */
static int look(const struct volume *v, const char *dir, struct guard_sample *sample)
{
    uint64_t least = UINT64_MAX;
    for (unsigned tries = 0; tries < LOOKS_MAX && least > LOOK_STILL; tries++) {
        struct gate_stats before, after;
        struct file_volume volume;
        uint64_t doubt;
        if (tries != 0)
            clock_sleep_us(LOOK_PAUSE_US);
        gate_stats(v->gate, &before);
        int result = file_volume(dir, &volume);
        gate_stats(v->gate, &after);
        if (result != 0)
            return result;
        int64_t taken = volume_taken(&before, &after, &doubt);
        if (doubt >= least)
            continue;
        least = doubt;
        sample->volume = volume;
        sample->own = before.own_bytes;
        sample->taken = taken;
        sample->given = after.given_back + after.giving;
    }
    return 0;
}

void volume_sample_now(struct volume *v)
{
    char *dir = copy_dir(v);
    struct guard_sample sample = {0};
    struct file_info info = {0};
    int result = look(v, dir, &sample);
    if (result == 0)
        result = file_info_path(dir, &info);
    sample.device = info.device;
    sample.at_ms = clock_mono_ms();
    lock_take(&v->lock);
    if (strcmp(dir, v->dir) != 0)
        ; /* another directory by now */
    else if (result == 0)
        v->sample = sample;
    else
        v->sample.error = -result;
    lock_drop(&v->lock);
    mem_free(dir);
}

static unsigned sample_turn(void *ctx)
{
    struct volume *v = ctx;
    volume_sample_now(v);
    if (v->sampled)
        v->sampled(v->ctx);
    return RELAXED_LOAD(&v->interval_ms);
}

/* ---- the handyman ---- */

static void join(struct bytes *out, const char *dir, const char *name)
{
    out->len = 0;
    bytes_printf(out, "%s/%s", dir, name);
}

/* What is there from before: counted once for each directory. */
static void count_own(struct volume *v, const char *dir)
{
    struct bytes path = {0};
    if (v->append_dirname[0]) {
        join(&path, dir, v->append_dirname);
        (void)!gate_scan(v->gate, bytes_str(&path), "*.base.*", GATE_COMPACTION);
        (void)!gate_scan(v->gate, bytes_str(&path), "*.incr.*", GATE_LOG);
        (void)!gate_scan(v->gate, bytes_str(&path), "*", GATE_METADATA);
    }
    (void)!gate_scan(v->gate, dir, "temp-*", GATE_SNAPSHOT);
    (void)!gate_scan(v->gate, dir, BALLAST_NAME, GATE_BALLAST);
    if (v->dump_name[0]) {
        join(&path, dir, v->dump_name);
        gate_adopt(v->gate, bytes_str(&path), GATE_SNAPSHOT);
    }
    bytes_free(&path);
}

static int write_probe(struct volume *v, const char *path)
{
    static const char zeros[VOLUME_PROBE_BYTES];
    struct gate_file *file;
    int result = gate_open(v->gate, path, FILE_CREATE_TRUNCATE, GATE_METADATA, &file), removed;
    if (result != 0)
        return result;
    result = gate_write(file, zeros, sizeof(zeros), 0, NULL);
    if (result == 0)
        result = gate_sync(file);
    gate_close(file);
    removed = gate_remove(v->gate, path);
    return result ? result : removed;
}

static void probe(struct volume *v, const char *dir)
{
    struct bytes path = {0};
    uint64_t began_ms = clock_mono_ms(), began_us = clock_mono_us();
    join(&path, dir, VOLUME_PROBE_NAME);
    int result = write_probe(v, bytes_str(&path));
    bytes_free(&path);
    lock_take(&v->lock);
    v->probe.began_ms = began_ms;
    v->probe.us = clock_mono_us() - began_us;
    v->probe.at_ms = clock_wall_ms();
    v->probe.error = -result;
    if (result == 0)
        v->probe.ok_began_ms = began_ms;
    lock_drop(&v->lock);
}

static unsigned handyman_turn(void *ctx)
{
    struct volume *v = ctx;
    char *dir = copy_dir(v);
    uint64_t now = clock_mono_ms();
    lock_take(&v->lock);
    struct volume_chores chores = v->chores;
    bool count = !v->counted;
    v->counted = true;
    v->chores.probe = v->chores.release = false;
    lock_drop(&v->lock);
    if (count)
        count_own(v, dir);
    if (chores.release)
        ballast_release(v->ballast);
    if (chores.probe)
        probe(v, dir);
    if (!v->refreshed_ms || now - v->refreshed_ms >= REFRESH_MS) {
        gate_refresh(v->gate);
        if (chores.tend)
            ballast_tend(v->ballast, chores.ballast_bytes, chores.ballast_create);
        v->refreshed_ms = now;
    }
    mem_free(dir);
    if (v->sampled && (count || chores.probe || chores.release))
        v->sampled(v->ctx);
    return REFRESH_MS;
}

void volume_do_chores(struct volume *v, const struct volume_chores *chores)
{
    lock_take(&v->lock);
    bool urgent = (chores->probe && !v->chores.probe) || (chores->release && !v->chores.release);
    bool was_probe = v->chores.probe, was_release = v->chores.release;
    v->chores = *chores;
    v->chores.probe |= was_probe;
    v->chores.release |= was_release;
    lock_drop(&v->lock);
    if (urgent)
        ticker_wake(v->handyman);
}

/* ---- both ---- */

void volume_start(struct volume *v)
{
    v->sampler = ticker_start("guard-volume", sample_turn, v);
    v->handyman = ticker_start("guard-disk", handyman_turn, v);
}

bool volume_stop(struct volume *v, unsigned timeout_ms)
{
    bool sampler = ticker_stop(v->sampler, timeout_ms);
    bool handyman = ticker_stop(v->handyman, timeout_ms);
    v->sampler = v->handyman = NULL;
    return sampler && handyman;
}

void volume_read(struct volume *v, struct guard_sample *sample, struct volume_probe *out)
{
    lock_take(&v->lock);
    *sample = v->sample;
    *out = v->probe;
    lock_drop(&v->lock);
}
