/* rewrite.c - the steps of a rewrite, and what each undoes when it fails.
 *
 *      ordinary                                   fresh (gap, or no chain yet)
 *      1 new increment, listed in the manifest    1 new increment under a temporary name
 *      2 cut: records behind it go there          2 the same
 *      3 base: temporary file, sync, rename       3 the same
 *      4                                          4 increment: rename
 *      5 manifest: base, increments since         5 manifest: base, this increment
 *      6 older records need no writing any more   6 and the gap is closed
 *      7 history is removed                       7 the same
 *
 * An ordinary rewrite that fails after step 1 leaves a chain with one increment more, which is as
 * good as before. A fresh one leaves what was there. The switch is step 5: until the new manifest
 * is in place the old chain is whole, after it the new one is.
 */
#include "persist/rewrite.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "persist/rdb_file.h"

#define LIMIT_MIN (1024u * 1024) /* bytes: smaller bases are never too large */

struct step {
    struct rewrite *r;
    struct rdb_file base;
    struct aof_file *increment; /* until the cut: ours */
    char *increment_name;       /* final name */
    uint64_t seq;               /* of the increment, and of the base */
    uint64_t cut;               /* log offset; valid once cut_made */
    bool cut_made;
};

/* Log thread goes over to the new increment at the cut. */
static void at_cut(void *ctx, struct hold *hold, uint64_t offset)
{
    struct step *s = ctx;
    (void)hold;
    if (s->increment)
        aof_switch_at(s->r->aof, s->increment, offset, s->r->fresh);
    s->increment = NULL;
    s->cut = offset;
    s->cut_made = true;
    if (s->r->at_cut)
        s->r->at_cut(s->r->ctx);
}

static char *temp_increment_path(const struct aof_dir *d)
{
    struct bytes path = {0};
    bytes_printf(&path, "%s/temp-%s.incr", d->path, d->filename);
    bytes_str(&path);
    return path.data;
}

static char *increment_path(const struct step *s)
{
    struct aof_dir *d = s->r->dir;
    return s->r->fresh ? temp_increment_path(d) : aof_dir_path(d, s->increment_name);
}

static void remove_path(struct step *s, char *path)
{
    int error = gate_remove(s->r->dir->gate, path);
    if (error)
        LOG_WARNING("Cannot remove %s: %s", path, strerror(-error));
    mem_free(path);
}

/* ---- the increment ---- */

static int list_increment(struct step *s)
{
    struct aof_dir *d = s->r->dir;
    int error = gate_sync_dir(d->gate, d->path);
    if (error)
        return error;
    manifest_add(&d->manifest, s->increment_name, s->seq, MANIFEST_INCREMENT);
    error = aof_dir_write(d);
    /* It may be in place although the write failed. */
    return manifest_has(&d->manifest, s->increment_name) ? 0 : error;
}

static int open_increment(struct step *s)
{
    struct aof_dir *d = s->r->dir;
    int error = aof_dir_make(d);
    if (error)
        return error;
    s->seq = aof_dir_next_seq(d);
    if (s->r->base_only)
        return 0;
    s->increment_name = aof_dir_name(d, s->seq, "incr.aof");
    char *path = increment_path(s);
    error = aof_file_open(d->gate, path, false, &s->increment);
    mem_free(path);
    if (!error && !s->r->fresh)
        error = list_increment(s);
    return error;
}

/* Undoes open_increment, or, once the log writes there, what can be undone. */
static void drop_increment(struct step *s)
{
    if (s->increment)
        aof_file_discard(s->increment);
    s->increment = NULL;
    if (!s->increment_name)
        return;
    if (s->cut_made && s->r->fresh)
        aof_abandon(s->r->aof);
    if (s->r->fresh)
        remove_path(s, increment_path(s));
    else if (!manifest_has(&s->r->dir->manifest, s->increment_name))
        aof_dir_discard(s->r->dir, s->increment_name);
    /* Listed and in use, or listed and empty: part of the chain. */
}

/* ---- the base ---- */

static char *temp_base_path(const struct aof_dir *d)
{
    struct bytes path = {0};
    bytes_printf(&path, "%s/temp-rewriteaof-bg-%d.aof", d->path, (int)getpid());
    bytes_str(&path);
    return path.data;
}

/* Nothing can be kept beside the new base: the old files go first. A crash from here on until the
 * base is written loses what was on disk. */
static int remove_old(struct step *s)
{
    LOG_WARNING("Two copies of the data set do not fit on this disk: removing the old log before "
                "the new base is written");
    return aof_dir_retire(s->r->dir);
}

static int write_base(struct step *s)
{
    struct rewrite *r = s->r;
    struct guard_wants wants;
    guard_wants(r->guard, &wants);
    struct snapshot_job job = {.sink = rdb_file_sink,
                               .sink_ctx = &s->base,
                               .compress = r->compress,
                               .checksum = r->checksum,
                               .aof_base = true,
                               .commands = r->commands,
                               .insist = r->insist,
                               .buffer_limit = r->buffer_limit,
                               .key_delay = r->key_delay,
                               .at_cut = at_cut,
                               .ctx = s};
    if (wants.base_limit)
        s->base.limit = MAX_OF(wants.base_limit, (uint64_t)LIMIT_MIN);
    int error = snapshot_run(r->snapshot, &job);
    r->base_bytes = s->base.size;
    r->keys = job.keys;
    r->peak_bytes = job.peak_bytes;
    r->cut_us = job.cut_us;
    r->data_bytes = job.data_bytes;
    return error;
}

static int open_base(struct step *s)
{
    struct guard_wants wants;
    guard_wants(s->r->guard, &wants);
    return rdb_file_open(&s->base, s->r->dir->gate, temp_base_path(s->r->dir), GATE_COMPACTION,
                         wants.predicted_base);
}

/* ---- the switch ---- */

static int rename_increment(struct step *s)
{
    struct aof_dir *d = s->r->dir;
    char *from = temp_increment_path(d), *to = aof_dir_path(d, s->increment_name);
    int error = gate_rename(d->gate, from, to);
    mem_free(from);
    mem_free(to);
    return error;
}

/* The manifest that makes the new base the truth. *listed: it is in place, whatever is returned. */
static int list_base(struct step *s, const char *base_name, bool *listed)
{
    struct aof_dir *d = s->r->dir;
    manifest_retire(&d->manifest, s->r->fresh ? UINT64_MAX : s->seq - 1);
    manifest_add(&d->manifest, base_name, s->seq, MANIFEST_BASE);
    if (s->increment_name && s->r->fresh)
        manifest_add(&d->manifest, s->increment_name, s->seq, MANIFEST_INCREMENT);
    int error = aof_dir_write(d); /* on an error d->manifest is what is on disk */
    const struct manifest_file *base = manifest_base(&d->manifest);
    *listed = base && strcmp(base->name, base_name) == 0;
    return error;
}

/* Base and increment are complete under their temporary names. */
static int switch_over(struct step *s)
{
    struct aof_dir *d = s->r->dir;
    bool named, listed = false;
    char *base_name = aof_dir_name(d, s->seq, s->r->commands ? "base.aof" : "base.rdb");
    int error = rdb_file_finish(&s->base, d->path, base_name, &named);
    bool renamed = !error && s->r->fresh && s->increment_name;
    if (renamed && (error = rename_increment(s)) != 0)
        renamed = false;
    if (!error)
        error = list_base(s, base_name, &listed);
    if (!listed) {
        if (named)
            aof_dir_discard(d, base_name);
        if (renamed)
            aof_dir_discard(d, s->increment_name);
    } else if (error) {
        /* In place, but not yet sure to survive a power failure: the old files stay until then. */
        LOG_WARNING("The new manifest could not be synced: %s", strerror(-error));
    } else {
        aof_dir_clear_history(d);
        aof_dir_finish_retired(d);
        aof_dir_remove_superseded(d);
    }
    mem_free(base_name);
    return listed ? 0 : error;
}

int rewrite_run(struct rewrite *r)
{
    struct step s = {.r = r};
    r->fresh |= r->replace_old || r->base_only;
    aof_set_rewriting(r->aof, true);
    aof_dir_collect(r->dir);
    int error = open_increment(&s);
    if (!error && r->replace_old)
        error = remove_old(&s);
    if (!error)
        error = open_base(&s);
    if (!error) {
        error = write_base(&s);
        if (!error && !r->fresh && aof_cut_is_lost(r->aof, s.cut))
            error = -EIO; /* the log was given up before the cut: this chain would have a hole */
        if (error)
            rdb_file_discard(&s.base);
        else
            error = switch_over(&s);
    }
    if (error)
        drop_increment(&s);
    else if (!r->base_only)
        aof_covered(r->aof, s.cut, r->fresh);
    r->cut = s.cut;
    mem_free(s.increment_name);
    aof_set_rewriting(r->aof, false);
    return error;
}
