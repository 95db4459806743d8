/* guard.h - the disk-budget guard: no state of the disk may stop the server.
 *
 * inputs    volume samples (statvfs), own bytes and errors (gate), data-set bytes and log backlog
 *           (hooks), sizes and results of rewrites, age of the running fsync, settings
 * numbers   F = min(available, budget - own); R_compact = 1.15 x next base + log growth
 *           meanwhile; R_reclaim = 4 MiB; R_meta = max(1 MiB, 64 blocks)         guard/budget
 * levels    ok > low > high > critical > full by marks over F, with hysteresis, dwell and
 *           probe; unknown when there is no sample for 10 s                      guard/level
 * health    durable, lagging, suspended, repairing, each with a cause        guard/durability
 * outputs   verdict (growth, eviction, log, snapshots), wants (compact, repair), floors of
 *           the gate, ballast, log lines, texts            guard/policy, verdict, gate, report
 *
 * threads   guard thread    a step of arithmetic every 100 ms to 1 s; never touches the disk
 *           guard-volume    statvfs; guard-disk: probe, ballast, count of own files. Either may
 *                           hang: the guard thread notices
 *           workers         guard_verdict, guard_admit_growth, guard_evict_take,
 *                           guard_refusal_text: relaxed loads; note_evicted, texts: a short lock
 *           persistence     writes through guard_gate; polls guard_wants; guard_token_*; tells what
 *                           happened with guard_note_*
 *
 * The guard calls nobody above it: everything upward is polled, or a hook given at creation.
 */
#ifndef SPILLWAY_GUARD_GUARD_H
#define SPILLWAY_GUARD_GUARD_H

#include "base/bytes.h"
#include "guard/gate.h"
#include "guard/verdict.h"

enum guard_fsync { GUARD_FSYNC_NO, GUARD_FSYNC_EVERYSEC, GUARD_FSYNC_ALWAYS };
enum guard_eviction { GUARD_EVICTION_NONE, GUARD_EVICTION_VOLATILE, GUARD_EVICTION_ALLKEYS };

#define GUARD_BALLAST_AUTO UINT64_MAX

/* Settings. guard_options_default fills all but dir. Strings are copied. */
struct guard_options {
    const char *dir;            /* working directory: dump file, temp files, ballast */
    const char *append_dirname; /* below dir; "" = none */
    const char *dump_name;      /* below dir */
    bool appendonly;            /* a log is kept */
    bool save_points;           /* snapshots by time are configured */
    enum guard_fsync fsync;
    enum guard_eviction eviction;       /* family of maxmemory-policy */
    enum guard_policy policy;           /* disk-full-policy */
    bool enabled;                       /* false: count and show, never refuse, evict or skip */
    uint64_t budget_bytes;              /* disk-budget as bytes; 0 = none */
    unsigned budget_percent;            /* or as a share of the volume; 0 = none; both 0 = auto */
    uint64_t ballast_bytes;             /* 0 = none, GUARD_BALLAST_AUTO */
    bool emergency_rewrite;             /* disk-emergency-rewrite */
    uint64_t stall_timeout_ms;          /* disk-stall-timeout: 20000 */
    uint64_t lagging_ms;                /* disk-lag-seconds: 2000 */
    uint64_t dwell_ms;                  /* disk-dwell-seconds: 10000 */
    uint64_t unknown_ms;                /* disk-unknown-seconds: 10000 */
    uint64_t poll_min_ms, poll_max_ms;  /* 100 and 1000 */
    uint64_t log_every_ms;              /* one line per transition in so long at most: 60000 */
    unsigned low_percent, high_percent; /* of the capacity: 10 and 5 */
    uint64_t low_limit, high_limit;     /* bytes, the percentages count no more: 2 GiB, 1 GiB */
    uint64_t low_time_s;                /* low when critical is nearer than this: 900; 0 = never */
    unsigned leave_factor_x100;         /* low is left at so much of its entry mark: 125 */
    unsigned rewrite_margin_percent;    /* added to the predicted base: 15 */
    uint64_t meta_reserve, reclaim_reserve; /* bytes: 1 MiB (at least 64 blocks) and 4 MiB */
    uint64_t inode_reserve;                 /* 64, at most a sixteenth of the volume's */
    unsigned rewrite_percent;               /* auto-aof-rewrite-percentage, 0 = not by growth */
    uint64_t rewrite_min_bytes;             /* auto-aof-rewrite-min-size */
    uint64_t aof_max_bytes;                 /* aof-max-size; 0 = auto, by space */
};
void guard_options_default(struct guard_options *out);
/* NULL, or what is wrong with them (a leave mark at or below its entry mark ...). */
const char *guard_options_check(const struct guard_options *options);

/* Called on the guard thread; may be NULL. They must not block. */
struct guard_hooks {
    void *ctx;
    uint64_t (*data_bytes)(void *ctx);  /* bytes of the data set in memory */
    uint64_t (*log_pending)(void *ctx); /* bytes executed and not yet written to the log file */
    /* The level changed; text is the log line. For the channel __disk__:level. */
    void (*transition)(void *ctx, enum guard_level from, enum guard_level to, const char *text);
};

struct guard;

/* Builds the guard; nothing runs and no disk is touched yet. Options must have passed the check. */
struct guard *guard_create(const struct guard_options *options, const struct guard_hooks *hooks);
void guard_start(struct guard *g);   /* starts both threads; never fails for a reason of the disk */
void guard_stop(struct guard *g);    /* ends them; a hung volume thread is left behind after 1 s */
void guard_destroy(struct guard *g); /* after guard_stop */
/* Settings at run time (policy, budget, marks ...). Any thread. dir may change: a new volume is
 * sampled. */
void guard_configure(struct guard *g, const struct guard_options *options);
void guard_options_get(struct guard *g, struct guard_options *out); /* strings stay the guard's */

struct guard_verdict *guard_verdict(struct guard *g);
struct gate *guard_gate(struct guard *g);

/* ---- workers ---- */

/* "MISCONF disk budget: ..." with used, budget, free, level and what still works, no CRLF; for a
 * reply of type error. Returns its length (< size). Any thread, no lock. */
size_t guard_refusal_text(const struct guard *g, char *out, size_t size);
void guard_note_refused(struct guard *g); /* counts one refusal; the refusing worker calls it */
/* Result of eviction for disk. Nothing left: the policy falls back to memory-only or shed. */
void guard_note_evicted(struct guard *g, uint64_t keys, uint64_t bytes, bool nothing_left);

/* ---- persistence ---- */

struct guard_wants {
    bool log; /* write the log; false: stop, drop the buffer, call guard_note_suspended */
    enum guard_trigger compact; /* rewrite now for this reason, NONE = no */
    bool repair; /* write a fresh base from memory, sync, switch, then guard_note_rewrite_done */
    bool replace_old; /* allowed to remove the old files first (counted and logged by the guard) */
    bool snapshot;    /* save points may run; false = skip, which is no save error */
    bool sweep;       /* remove leftovers of ours (temp files of dead runs) now */
    bool link_snapshot;      /* a save point may be satisfied by a hard link to a fresh RDB base */
    uint64_t predicted_base; /* bytes: preallocate so much */
    uint64_t base_limit;     /* bytes: abort the rewrite beyond this */
};
/* What persistence should do now. Lock-free; poll it about every 100 ms. */
void guard_wants(const struct guard *g, struct guard_wants *out);

/* The one big writer: rewrite, BGSAVE and full-sync temp share one token. */
enum guard_writer {
    GUARD_WRITER_NONE,
    GUARD_WRITER_REWRITE,
    GUARD_WRITER_SNAPSHOT,
    GUARD_WRITER_SYNC
};
bool guard_token_take(struct guard *g, enum guard_writer who); /* false: another has it */
void guard_token_give(struct guard *g, enum guard_writer who);
enum guard_writer guard_token_holder(const struct guard *g);

struct guard_rewrite {
    bool repair; /* it was the fresh base that ends a gap or replaces a poisoned file */
    int error;   /* 0, or positive errno, or ECANCELED */
    enum guard_trigger trigger;
    uint64_t base_bytes; /* of the new base */
    uint64_t data_bytes; /* of the data set at the cut; used if there is no hook for it */
    uint64_t log_bytes;  /* written to increments while it ran */
    uint64_t duration_ms;
};
void guard_note_rewrite_started(struct guard *g, enum guard_trigger trigger);
void guard_note_rewrite_done(struct guard *g, const struct guard_rewrite *result);
void guard_note_aof_sizes(struct guard *g, uint64_t base_bytes, uint64_t increment_bytes);
void guard_note_log_bytes(struct guard *g, uint64_t total); /* appended since start, monotonic */
/* The log has a gap: records were dropped or could not be written. Idempotent until repaired. */
void guard_note_suspended(struct guard *g, enum guard_cause cause);
/* Records could be written again without a gap (they were kept): ends `suspended` without a
 * fresh base. */
void guard_note_resumed(struct guard *g);
/* A file can no longer be trusted (failed fsync, removed under us, position lost): repair. */
void guard_note_poisoned(struct guard *g, enum guard_cause cause);
void guard_note_snapshot_skipped(struct guard *g);
void guard_note_dropped_log_lines(struct guard *g, uint64_t lines);
enum guard_cause guard_cause_of_errno(int error); /* positive errno */

/* ---- administration ---- */

void guard_info(struct guard *g,
                struct bytes *out); /* lines of INFO's disk section, without its title */
void guard_status(struct guard *g, struct bytes *out); /* one screen of name: value lines */
void guard_plan(struct guard *g, struct bytes *out);   /* in words: what happens next, what to do */
/* What would hold if `bytes` more were written: by us if own, else by a neighbour. */
void guard_simulate(struct guard *g, uint64_t bytes, bool own, struct bytes *out);
void guard_want_compaction(struct guard *g); /* DISK COMPACT: honoured when it fits */
void guard_want_probe(struct guard *g);      /* DISK PROBE: write and fsync on the volume thread */
/* Result of the last probe: 0 = none yet, else its wall time; *error 0 or positive errno; *us
 * its duration. */
int64_t guard_probe_result(struct guard *g, int *error, uint64_t *us);
void guard_metrics(struct guard *g, struct bytes *out); /* Prometheus text, names spillway_disk_* */

/* ---- tests: one step with given numbers instead of the threads ---- */

struct guard_sample {
    struct file_volume volume;
    int64_t taken;   /* so many of the gate's taken_bytes it counts at least: see volume_taken */
    uint64_t given;  /* the gate's given_back, once all has gone that was going then */
    uint64_t own;    /* bytes of blocks of our own files, just before */
    uint64_t device; /* st_dev of dir; another one than before: the mount is gone */
    int error;       /* positive errno of the last try, which left the rest as it was; 0 = good */
    uint64_t at_ms;  /* monotonic, of the last good try; 0 = never sampled */
};
/* Runs the arithmetic once at monotonic time now_ms; returns ms until the next step is wanted. */
unsigned guard_step(struct guard *g, const struct guard_sample *sample, uint64_t now_ms);

#endif
