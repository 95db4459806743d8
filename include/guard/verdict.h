/* verdict.h - what the disk-budget guard has decided, as words that any thread may read without
 * a lock.
 *
 * The guard thread (and, for an ENOSPC just met, the thread that met it) writes; everybody else
 * reads relaxed. Each field is true by itself; two fields read one after the other may come from
 * two different ticks, and nothing here is hurt by that. Admission is by cost, before execution:
 * the guard keeps `credit`, the log bytes that still have room (room that is already allocated
 * to us where the file system guarantees it), refills it every tick, and workers draw from it in
 * chunks kept in a purse of their own, so that the shared line is touched once in
 * GUARD_CHUNK_BYTES. A refill starts a new epoch: what is left in purses then lapses.
 */
#ifndef SPILLWAY_GUARD_VERDICT_H
#define SPILLWAY_GUARD_VERDICT_H

#include "base/common.h"

/* Worst last, except unknown (no sample for 10 s), which is acted on as high but never evicts. */
enum guard_level { GUARD_OK, GUARD_LOW, GUARD_HIGH, GUARD_CRITICAL, GUARD_FULL, GUARD_UNKNOWN };
#define GUARD_LEVELS 6

/* Persistence health, independent of the level. */
enum guard_health {
    GUARD_DURABLE,   /* the log, or snapshots, keep what they promise */
    GUARD_LAGGING,   /* an fsync is older than 2 s, or writes fail and are tried again */
    GUARD_SUSPENDED, /* nothing is logged: the log has a gap from here on */
    GUARD_REPAIRING  /* a fresh base is wanted or being written, after a gap or a failed fsync */
};

enum guard_cause {
    GUARD_CAUSE_NONE,
    GUARD_CAUSE_SPACE,
    GUARD_CAUSE_QUOTA,
    GUARD_CAUSE_INODE,
    GUARD_CAUSE_READONLY,
    GUARD_CAUSE_IOERROR,
    GUARD_CAUSE_FSYNC,
    GUARD_CAUSE_STALL,
    GUARD_CAUSE_MOUNT,
    GUARD_CAUSE_CONFIG
};

enum guard_policy {
    GUARD_POLICY_AUTO,
    GUARD_POLICY_EVICT,
    GUARD_POLICY_MEMORY_ONLY,
    GUARD_POLICY_SHED,
    GUARD_POLICY_STRICT
};

/* What happens to a command that can make the log or the data set larger. */
enum guard_growth {
    GUARD_GROWTH_FREE,    /* nothing is logged: no accounting */
    GUARD_GROWTH_METERED, /* draw from the credit; out of credit: wait for the next refill */
    GUARD_GROWTH_REFUSED  /* refuse with guard_refusal_text */
};

/* Why a rewrite of the log is wanted. */
enum guard_trigger {
    GUARD_TRIGGER_NONE,
    GUARD_TRIGGER_GROWTH,
    GUARD_TRIGGER_SPACE,
    GUARD_TRIGGER_RETRY,
    GUARD_TRIGGER_REPAIR,
    GUARD_TRIGGER_COMMAND
};

const char *guard_level_name(enum guard_level level); /* "ok", "low", ... */
const char *guard_health_name(enum guard_health health);
const char *guard_cause_name(enum guard_cause cause);    /* "none", "space", ... */
const char *guard_policy_name(enum guard_policy policy); /* "auto", "memory-only", ... */
const char *guard_trigger_name(enum guard_trigger trigger);
/* False, and *out untouched, if the word is none of the policies' names (no case). */
bool guard_policy_parse(const char *word, enum guard_policy *out);

#define GUARD_CHUNK_BYTES (64 * 1024)

struct guard_verdict {
    /* atomic, all of them; written by the guard */
    uint8_t level;           /* enum guard_level */
    uint8_t health;          /* enum guard_health */
    uint8_t cause;           /* enum guard_cause */
    uint8_t policy;          /* enum guard_policy, never AUTO: the one in force */
    uint8_t growth;          /* enum guard_growth */
    uint8_t log_on;          /* a log, if any, is written; 0 = memory-only: drop the buffer */
    uint8_t evict_on;        /* evict for disk: take quotas with guard_evict_take */
    uint8_t snapshot_on;     /* save points and full-sync temp files may be written */
    uint8_t repair_on;       /* a fresh base from memory is wanted now; then the log may go on */
    uint8_t compact;         /* enum guard_trigger: a rewrite is wanted now */
    uint8_t replace_old;     /* the emergency: remove the old files before the base is written */
    uint8_t link_on;         /* a save point may be a hard link to a fresh base */
    uint8_t sweep_on;        /* leftovers of ours are to be removed */
    uint32_t epoch;          /* of the credit */
    uint32_t retry_ms;       /* how long a delayed command should wait before it asks again */
    uint32_t slow_us;        /* at high: pause a session so long per growing command; 0 = do not */
    uint64_t predicted_base; /* bytes to preallocate for the next base */
    uint64_t base_limit;     /* bytes: abort a rewrite whose base grows beyond */
    uint64_t largest;        /* log bytes: one command may not cost more */
    uint64_t used, budget, free_bytes; /* bytes: own used, ceiling (0 = none), effective free */
    uint64_t transitions;              /* level changes since start: changes iff the level did */
    /* drawn from by workers, on a line of their own */
    int64_t credit ALIGNED(CACHE_LINE); /* log bytes */
    int64_t evict_quota;                /* data-set bytes that this tick may still evict */
    uint64_t starved;                   /* times the credit was empty when asked */
    uint64_t refused;                   /* commands refused for disk, all workers */
};

/* One per worker; zero it to start. Never shared. */
struct guard_purse {
    int64_t left;
    uint32_t epoch;
};

enum guard_answer {
    GUARD_ADMIT,
    GUARD_DELAY, /* not now: ask again in verdict->retry_ms; a caller that cannot wait admits */
    GUARD_REFUSE /* reply guard_refusal_text */
};

enum guard_answer guard_admit_slow(struct guard_verdict *v, struct guard_purse *purse,
                                   uint64_t bytes);

/* May a growing command that will append about `bytes` to the log run? Asked before execution,
 * by the worker that owns the purse. O(1); touches shared memory once in GUARD_CHUNK_BYTES. For
 * MULTI ask at queue time (bytes of the queued command) and again at EXEC (bytes 0: only the
 * state counts); scripts at start. */
ALWAYS_INLINE enum guard_answer guard_admit_growth(struct guard_verdict *v,
                                                   struct guard_purse *purse, uint64_t bytes)
{
    if (LIKELY(RELAXED_LOAD(&v->growth) == GUARD_GROWTH_FREE))
        return GUARD_ADMIT;
    if (LIKELY(purse->epoch == RELAXED_LOAD(&v->epoch) && (uint64_t)purse->left >= bytes)) {
        purse->left -= (int64_t)bytes;
        return GUARD_ADMIT;
    }
    return guard_admit_slow(v, purse, bytes);
}

/* Takes up to `max` bytes of this tick's eviction quota; 0 = nothing to evict for disk now. Any
 * worker. What was then evicted is told with guard_note_evicted. */
uint64_t guard_evict_take(struct guard_verdict *v, uint64_t max);

#endif
