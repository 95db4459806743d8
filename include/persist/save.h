/* save.h - one RDB snapshot to the dump file. */
#ifndef SPILLWAY_PERSIST_SAVE_H
#define SPILLWAY_PERSIST_SAVE_H

#include "guard/guard.h"
#include "persist/snapshot.h"

struct save {
    struct snapshot *snapshot;
    struct gate *gate;
    const char *dir, *name; /* borrowed */
    bool compress, checksum;
    uint64_t buffer_limit;
    int64_t key_delay;         /* as in struct snapshot_job */
    void (*at_cut)(void *ctx); /* HOLD_ALL. May be NULL */
    void *ctx;
    /* results */
    uint64_t keys, bytes, peak_bytes, cut_us;
};

/* Writes temp-<pid>.rdb, syncs it, renames it to the dump file; again from the start when the pass
 * was void. 0, or a negative errno: the old dump file stands and nothing is left behind. Blocks. */
int save_run(struct save *s) NODISCARD;

#endif
