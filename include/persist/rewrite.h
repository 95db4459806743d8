/* rewrite.h - one rewrite of the log: a new base from memory, and the switch to it. */
#ifndef SPILLWAY_PERSIST_REWRITE_H
#define SPILLWAY_PERSIST_REWRITE_H

#include "persist/aof.h"
#include "persist/aof_dir.h"
#include "persist/snapshot.h"

struct rewrite {
    struct aof *aof;
    struct aof_dir *dir;
    struct snapshot *snapshot;
    struct guard *guard;
    bool compress, checksum;
    bool commands; /* a base of commands instead of an RDB: aof-use-rdb-preamble no */
    bool insist;   /* as in struct snapshot_job */
    uint64_t buffer_limit;
    int64_t key_delay; /* as in struct snapshot_job */
    enum guard_trigger trigger;
    bool fresh;       /* the chain on disk ends in a gap, or there is none: begin one of its own */
    bool replace_old; /* remove the old files first; implies fresh */
    bool base_only;   /* no log is kept: a chain that is nothing but a base; implies fresh */
    void (*at_cut)(void *ctx); /* HOLD_ALL: for what must be noted with the cut. May be NULL */
    void *ctx;
    /* results */
    uint64_t base_bytes, keys, peak_bytes, cut_us, data_bytes; /* as in struct snapshot_job */
    uint64_t cut;                                              /* log offset */
};

/* Runs it; blocks. 0, or a negative errno: the old chain stands (unless replace_old had removed it)
 * and nothing is left behind; -EAGAIN: it was void (a large database was flushed), run it again.
 * Saver thread. */
int rewrite_run(struct rewrite *r) NODISCARD;

#endif
