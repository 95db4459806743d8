/* aof.h - the threads that write and sync the increment of the append-only log.
 *
 * The log thread reads the propagation log and writes what it holds to the current increment, at
 * its own offset. The sync thread syncs once a second (appendfsync everysec); with `always` the log
 * thread itself syncs after each group of records. The saver changes files: at a cut
 * (aof_switch_at) and when a base has made older records needless (aof_covered). Three troubles:
 *
 *      failing    a write failed; records are kept and tried again every 100 ms
 *      gap        records were dropped: nothing is written until a fresh base covers the gap
 *      poisoned   a sync failed or the file was removed under us: records go on being written,
 *                 but nothing counts as durable until a base covers the file
 *
 * No caller waits for the disk unless it says so.
 */
#ifndef SPILLWAY_PERSIST_AOF_H
#define SPILLWAY_PERSIST_AOF_H

#include "guard/guard.h"
#include "persist/persist.h"

struct aof;
struct aof_file;

#define AOF_BUFFER_LIMIT (UINT64_C(1024) * 1024 * 1024) /* where the setting says 0 */

struct aof *aof_new(struct plog *plog, struct guard *guard, void (*durable_moved)(void *ctx),
                    void *ctx);
void aof_free(struct aof *a); /* after aof_stop, or if it was never started */
/* timestamps: a comment line with the time before the first record of each second. Any thread. */
void aof_configure(struct aof *a, enum persist_fsync fsync, bool no_fsync_on_rewrite,
                   bool timestamps, uint64_t buffer_limit);
void aof_start(struct aof *a);
/* Writes and syncs what is left, as far as that goes within timeout_ms, closes the log and ends
 * the threads; one that hangs in the disk is left behind. 0 or the negative errno of what failed.
 * Blocks. */
int aof_stop(struct aof *a, uint32_t timeout_ms);

/* ---- files; saver or starting thread; blocks ---- */

/* Opens an increment for writing: created or emptied, or (append) as it is, to be written behind
 * its `size` bytes. */
int aof_file_open(struct gate *gate, const char *path, bool append,
                  struct aof_file **out) NODISCARD;
void aof_file_discard(struct aof_file *f); /* one that was never given to the functions below */

/* ---- the saver ---- */

/* HOLD_ALL (or nobody writes yet): records from log offset `at` on go to this file, which is
 * taken over. Opens the log's reader if there is none. With a gap the file is only used if it
 * begins a chain of its own (fresh); otherwise it is closed and the gap stays. */
void aof_switch_at(struct aof *a, struct aof_file *file, uint64_t at, bool fresh);
/* A durable base holds everything before `at`: unwritten records before it are dropped, older files
 * are no longer synced, their poison is healed. fresh: so is the gap. */
void aof_covered(struct aof *a, uint64_t at, bool fresh);
/* The file of an ordinary switch at this cut got, or will get, no records: the log was given up
 * before them. */
bool aof_cut_is_lost(struct aof *a, uint64_t at);
/* The fresh chain that began at the last switch will not come: its file is closed, the gap is
 * back. */
void aof_abandon(struct aof *a);
/* There is a gap from the start: a fresh base must be written first. */
void aof_begin_gap(struct aof *a);
/* Turns the log off: writes and syncs what was appended until now, closes the file. Blocks up to
 * timeout_ms. */
void aof_close(struct aof *a, uint32_t timeout_ms);
/* Waits until all that was appended until now is written (not: synced). False: it is not after
 * timeout_ms, or the log was given up. Blocks. */
bool aof_drain(struct aof *a, uint32_t timeout_ms);
void aof_set_rewriting(struct aof *a, bool running); /* a big write: no-appendfsync-on-rewrite */

/* ---- any thread ---- */

bool aof_has_gap(const struct aof *a);
bool aof_is_poisoned(const struct aof *a);
uint64_t aof_durable(const struct aof *a); /* see persist_durable */
uint64_t aof_synced(const struct aof *a);
uint64_t aof_pending(const struct aof *a); /* bytes of log not yet written */

struct aof_stats {
    uint64_t file_bytes;    /* size of the current increment */
    uint64_t written_bytes; /* since start, monotonic */
    uint64_t delayed_syncs; /* a sync was due while one had been running for 2 s */
    bool sync_running;
    int write_error, sync_error; /* of the last try: negative errno, or 0 */
};
void aof_stats(const struct aof *a, struct aof_stats *out);

#endif
