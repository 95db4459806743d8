/* snapshot.h - a pass over the keyspace that writes its state at one moment, while everybody goes
 * on working.
 *
 * One pass at a time, run by the thread that calls snapshot_run (the saver). Its rules stand at
 * the top of snapshot.c.
 */
#ifndef SPILLWAY_PERSIST_SNAPSHOT_H
#define SPILLWAY_PERSIST_SNAPSHOT_H

#include "keyspace/keyspace.h"
#include "persist/rdb_save.h"

struct snapshot;
struct plog;

#define SNAPSHOT_BUFFER_LIMIT (UINT64_C(64) * 1024 * 1024) /* where the setting says 0 */

/* What a pass is for. */
struct snapshot_job {
    rdb_sink_fn sink;
    void *sink_ctx;
    bool compress, checksum, aof_base;
    bool commands; /* as in struct rdb_writer */
    /* Never void: a database that is emptied or swapped is captured on the spot, however large.
     * For the last of several tries: it stalls everybody for the time of the copy. */
    bool insist;
    uint64_t buffer_limit; /* bytes donated and not yet written; 0 = SNAPSHOT_BUFFER_LIMIT */
    int64_t key_delay;     /* of each key that is swept, as in clock_delay_us */
    /* Called at the cut under HOLD_ALL, with the log's offset. May be NULL. */
    void (*at_cut)(void *ctx, struct hold *hold, uint64_t log_offset);
    void *ctx;
    /* results */
    uint64_t log_offset; /* of the cut */
    uint64_t keys, bytes;
    uint64_t peak_bytes; /* most bytes donated and not yet written */
    uint64_t cut_us;     /* how long all shards were held at the cut */
    uint64_t data_bytes; /* used memory at the cut */
};

struct snapshot *snapshot_new(struct keyspace *ks, struct plog *log, unsigned lanes);
void snapshot_free(struct snapshot *s);

/* Runs one pass; blocks until it is over. 0; the sink's error; -ECANCELED after snapshot_cancel;
 * -EAGAIN: a large database was emptied or swapped, the pass is void and may be run again;
 * -ENOBUFS: writers donated twice the limit. */
int snapshot_run(struct snapshot *s, struct snapshot_job *job) NODISCARD;
/* Any thread: the pass that runs, and all that follow until snapshot_arm, end soon. */
void snapshot_cancel(struct snapshot *s);
void snapshot_arm(struct snapshot *s);

/* The keyspace's hooks (struct keyspace_hooks). */
void snapshot_before_change(struct snapshot *s, struct hold *hold, uint32_t db, struct entry *entry,
                            bool going);
void snapshot_before_flush(struct snapshot *s, struct hold *hold, uint32_t db, bool going);
/* Before a command changes the value of this key in place; its shard is held: true if the pass has
 * not captured it yet, so large a value that before_change would take long, and the saver, which is
 * told of it, will do that within a time that is worth waiting for. */
bool snapshot_must_wait(struct snapshot *s, struct hold *hold, const struct key *key);

/* Any thread. */
bool snapshot_is_saturated(const struct snapshot *s); /* donations are above the limit */
uint64_t snapshot_held(const struct snapshot *s);     /* bytes kept for it and not yet written */
uint64_t snapshot_keys_done(const struct snapshot *s);
uint64_t snapshot_keys_total(const struct snapshot *s); /* at the cut */

#endif
