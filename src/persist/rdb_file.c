/* rdb_file.c - a sink for RDBs that writes to a temporary file. */
#include "persist/rdb_file.h"

#include <errno.h>
#include "base/log.h"
#include "base/mem.h"

/* Syncing in steps keeps the last sync short and the disk's queue free for the log. */
#define SYNC_STEP (32u * 1024 * 1024)

int rdb_file_open(struct rdb_file *f, struct gate *gate, char *path, enum gate_class class,
                  uint64_t expected)
{
    *f = (struct rdb_file){.gate = gate, .path = path};
    int error = gate_open(gate, path, FILE_CREATE_TRUNCATE, class, &f->file);
    if (!error && expected)
        error = gate_allocate(f->file, 0, expected);
    if (error)
        rdb_file_discard(f);
    return error;
}

int rdb_file_sink(void *ctx, const void *data, size_t len)
{
    struct rdb_file *f = ctx;
    if (f->limit && f->size + len > f->limit)
        return -ENOSPC;
    size_t written;
    int error = gate_write(f->file, data, len, f->size, &written);
    if (error)
        return error;
    f->size += len;
    if (f->size - f->synced < SYNC_STEP)
        return 0;
    f->synced = f->size;
    return gate_sync(f->file);
}

int rdb_file_finish(struct rdb_file *f, const char *dir, const char *name, bool *named)
{
    bool ignored;
    named = named ? named : &ignored;
    *named = false;
    int error = gate_truncate(f->file, f->size); /* what was allocated ahead */
    error = error ? error : gate_sync(f->file);
    if (error) {
        rdb_file_discard(f);
        return error;
    }
    gate_close(f->file);
    f->file = NULL;
    struct bytes to = {0};
    bytes_printf(&to, "%s/%s", dir, name);
    error = gate_rename(f->gate, f->path, bytes_str(&to));
    bytes_free(&to);
    if (error) {
        rdb_file_discard(f);
        return error;
    }
    *named = true;
    mem_free(f->path);
    f->path = NULL;
    return gate_sync_dir(f->gate, dir);
}

void rdb_file_discard(struct rdb_file *f)
{
    gate_close(f->file);
    f->file = NULL;
    if (!f->path)
        return;
    int error = gate_remove(f->gate, f->path);
    if (error)
        LOG_WARNING("Cannot remove the temporary file %s: %s", f->path, strerror(-error));
    mem_free(f->path);
    f->path = NULL;
}
