/* save.c - the dump file, by way of a temporary one. */
#include "persist/save.h"

#include <errno.h>
#include <unistd.h>
#include "persist/rdb_file.h"

#define TRIES 3 /* the last insists */

static void forward_cut(void *ctx, struct hold *hold, uint64_t offset)
{
    struct save *s = ctx;
    (void)hold, (void)offset;
    if (s->at_cut)
        s->at_cut(s->ctx);
}

static int save_once(struct save *s, bool insist)
{
    struct bytes path = {0};
    bytes_printf(&path, "%s/temp-%d.rdb", s->dir, (int)getpid());
    bytes_str(&path);
    struct rdb_file file;
    int error = rdb_file_open(&file, s->gate, path.data, GATE_SNAPSHOT, 0);
    if (error)
        return error;
    struct snapshot_job job = {.sink = rdb_file_sink,
                               .sink_ctx = &file,
                               .compress = s->compress,
                               .checksum = s->checksum,
                               .insist = insist,
                               .buffer_limit = s->buffer_limit,
                               .key_delay = s->key_delay,
                               .at_cut = forward_cut,
                               .ctx = s};
    error = snapshot_run(s->snapshot, &job);
    s->keys = job.keys;
    s->bytes = job.bytes;
    s->peak_bytes = job.peak_bytes;
    s->cut_us = job.cut_us;
    if (error)
        rdb_file_discard(&file);
    else
        error = rdb_file_finish(&file, s->dir, s->name, NULL);
    return error;
}

int save_run(struct save *s)
{
    int error = -EAGAIN;
    for (int try = 1; error == -EAGAIN && try <= TRIES; try++)
        error = save_once(s, try == TRIES);
    return error;
}
