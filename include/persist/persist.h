/* persist.h - the persistence of the server: snapshots, the append-only file, loading; one facade
 * for all.
 *
 *  thread     does
 *  saver      runs one job at a time (BGSAVE, SAVE, rewrite, fresh base), save points, the guard's
 *             wants; sweeps the keyspace in slices of some 20 us of a shard lock
 *  log        reads the propagation log, writes the current increment; with `always` it syncs too
 *  sync       fdatasync once a second (`everysec`); it alone waits for a stalled disk
 *  lazyfree   frees what others hand to it (persist/lazyfree.h)
 *
 * Everything that is written passes the guard's gate. No function here blocks on the disk unless
 * it says so. Order of a start: persist_new, keyspace_set_hooks with persist_before_change and
 * persist_before_flush among them, threads of the workers (which answer LOADING), persist_load,
 * persist_start. Of a stop: workers stop running commands, persist_stop, persist_free.
 */
#ifndef SPILLWAY_PERSIST_PERSIST_H
#define SPILLWAY_PERSIST_PERSIST_H

#include "base/bytes.h"
#include "keyspace/keyspace.h"

struct persist;
struct plog;
struct guard;

enum persist_fsync { PERSIST_FSYNC_NO, PERSIST_FSYNC_EVERYSEC, PERSIST_FSYNC_ALWAYS };
enum persist_damage { PERSIST_STOP_AT_DAMAGE, PERSIST_REFUSE_DAMAGE }; /* aof-damage */

#define PERSIST_SAVE_POINTS_MAX 64
struct persist_save_point {
    int64_t seconds, changes;
};

/* What configuration may change while the server runs; named as the directives. */
struct persist_options {
    const char *dir;        /* absolute; copied */
    const char *dbfilename; /* below dir; copied */
    bool appendonly;
    enum persist_fsync appendfsync;
    bool no_appendfsync_on_rewrite;
    bool aof_load_truncated, aof_use_rdb_preamble, aof_timestamp_enabled;
    enum persist_damage aof_damage;
    bool rdbcompression, rdbchecksum;
    bool rdb_any_version; /* rdb-version-check relaxed */
    struct persist_save_point save[PERSIST_SAVE_POINTS_MAX];
    uint32_t save_count;
    int64_t rdb_key_save_delay, key_load_delay; /* for tests: as in clock_delay_us */
    uint64_t snapshot_buffer_limit; /* bytes captured and not yet written, at most; 0 = 64 MiB */
    uint64_t
        aof_buffer_limit; /* bytes of log waiting for the disk before it is given up; 0 = 1 GiB */
};
void persist_options_default(struct persist_options *out); /* all but dir */

/* What is set once. Strings are copied. */
struct persist_parts {
    struct keyspace *keyspace;
    struct plog *plog;
    struct guard *guard;
    const char *appendfilename, *appenddirname; /* "appendonly.aof", "appendonlydir" */
    unsigned lanes;                             /* how many values hold->lane takes on */
    void *ctx;                                  /* of the functions below */
    /* Runs one record of a log while loading (on the thread in persist_load; the keyspace is nobody
     * else's). False: not a command this server can run; a text for the log in *why (static). */
    bool (*execute)(void *ctx, uint32_t db, uint32_t argc, const struct slice *argv,
                    const char **why);
    /* Changes since start, monotonic ("dirty" without resets). Any persistence thread. */
    uint64_t (*changes)(void *ctx);
    /* persist_durable moved: wake the lanes whose clients wait for it. Log, sync or saver thread.
     * May be NULL. */
    void (*durable_moved)(void *ctx);
};

struct persist *persist_new(const struct persist_parts *parts,
                            const struct persist_options *options);
void persist_free(struct persist *p); /* after persist_stop, or if it was never started */
/* Takes over new options; also switches the log on (a fresh base is written in the background) or
 * off. Any thread. Does not touch the disk. */
void persist_configure(struct persist *p, const struct persist_options *options);

/* ---- start and stop ---- */

enum persist_loaded {
    PERSIST_LOADED_NOTHING, /* no files: an empty data set */
    PERSIST_LOADED_RDB,
    PERSIST_LOADED_AOF,
    PERSIST_LOAD_FAILED /* damaged and not allowed to go on, or in use: why is in the log */
};
/* Locks the log's directory, sweeps leftovers of ours, loads the log if appendonly and there is
 * one, else the dump file. Blocks; needs no successful write. Call once, before persist_start. */
enum persist_loaded persist_load(struct persist *p) NODISCARD;
/* Starts the threads. If appendonly: opens the log; if it cannot be opened the server is
 * `suspended` and a fresh base is written when the disk allows. Never fails for a reason of the
 * disk. */
void persist_start(struct persist *p);
/* Ends the threads: the log is written and synced as far as the disk lets it within timeout_ms.
 * save: a final snapshot is tried first. Returns 0, or the negative errno of that snapshot or of
 * the log's last sync (logged); -ETIMEDOUT: a thread hangs in the disk and is left behind (stopping
 * may be tried again). No worker may change keys any more. Blocks, not much beyond timeout_ms. */
int persist_stop(struct persist *p, bool save, uint32_t timeout_ms);

/* ---- the engine ---- */

/* With appendfsync always: replies to a record may go out once this is >= the record's log
 * offset. Otherwise UINT64_MAX. Also UINT64_MAX while the log is off, while its first base is
 * being written, and while it is given up (memory-only, unless the policy is strict). Atomic, any
 * thread. */
uint64_t persist_durable(const struct persist *p);
/* Log offset up to which records are synced, whatever appendfsync says (WAITAOF). 0 while the log
 * is off. */
uint64_t persist_synced(const struct persist *p);
/* True while a snapshot pass holds more captured bytes than it should: growing commands are best
 * delayed by a millisecond or so. At twice the limit the pass is given up. */
bool persist_is_saturated(const struct persist *p);
/* The last background save failed (a skipped one did not): stop-writes-on-bgsave-error's
 * condition. */
bool persist_save_failed(const struct persist *p);
/* The log could not be written or synced at the last try: MISCONF's other condition. */
bool persist_log_failed(const struct persist *p);

/* The keyspace's hooks while a pass runs; ctx is the struct persist. See struct keyspace_hooks. */
void persist_before_change(void *ctx, struct hold *hold, uint32_t db, struct entry *entry,
                           bool going);
void persist_before_flush(void *ctx, struct hold *hold, uint32_t db, bool going);
/* Whether a command that may change the value of this key in place, whose shard is held, had better
 * wait: a save has not captured it yet, and it is so large that the command would have to do that
 * for long. Asks the saver to see to it. */
bool persist_must_wait(struct persist *p, struct hold *hold, const struct key *key);
/* Bytes of used memory that a save keeps for what has changed or gone since. Any thread. */
uint64_t persist_held(const struct persist *p);

/* ---- commands ---- */

enum persist_answer {
    PERSIST_STARTED,
    PERSIST_SCHEDULED,      /* will start when what runs now is over */
    PERSIST_SAVE_RUNNING,   /* refused: a save is already running */
    PERSIST_REWRITE_RUNNING /* refused: a rewrite is already running */
};
/* BGSAVE [SCHEDULE]. If PERSIST_STARTED: begun(ctx, error) is called once, on the saver thread,
 * when the cut was made (what changes from then on is not in the file) or could not be; it must
 * be quick: all shards are held. begun may be NULL. */
enum persist_answer persist_bgsave(struct persist *p, bool schedule,
                                   void (*begun)(void *ctx, int error), void *ctx);
enum persist_answer persist_rewrite(struct persist *p); /* BGREWRITEAOF */
/* SAVE: done(ctx, error) is called on the saver thread, once, with 0 or a negative errno. Refused
 * (PERSIST_SAVE_RUNNING) while a save runs; waits for a rewrite under way. */
enum persist_answer persist_save(struct persist *p, void (*done)(void *ctx, int error), void *ctx);
/* DEBUG LOADAOF: when all that was appended is in the log's files (and a rewrite that is wanted or
 * under way is over), the keyspace is emptied and loaded from them as at a start; nothing of that
 * is logged. With the log off: from the files it left. No other thread may run commands until
 * done(ctx, error) is called, once, on the saver thread: 0 or a negative errno. The keyspace was
 * not touched if that is -ENOENT (there are no files, or one is missing), -EAGAIN (they do not hold
 * everything: no good base yet, or the disk does not take the rest) or -ECANCELED (stopping). Else
 * it holds what could be loaded; a fresh base is written and the damaged files are set aside. */
void persist_reload_log(struct persist *p, void (*done)(void *ctx, int error), void *ctx);
/* FLUSHALL has emptied everything: a running save is void (it is given up), and if there are save
 * points an empty snapshot is wanted now. */
void persist_flushed_all(struct persist *p);
bool persist_bgsave_in_progress(const struct persist *p);
bool persist_rewrite_in_progress(const struct persist *p);
int64_t persist_lastsave_s(
    const struct persist *p); /* Unix time of the last good save, or of the start */
bool persist_is_loading(const struct persist *p);
/* Lines of INFO's persistence section, without its title. Any thread. */
void persist_info(struct persist *p, struct bytes *out);
uint64_t persist_log_pending(
    const struct persist *p); /* bytes of log not yet written: mem_aof_buffer */
uint64_t persist_changes(const struct persist *p); /* since the last good save */

#endif
