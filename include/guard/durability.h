/* durability.h - persistence health as a state machine over what the persistence threads tell.
 * Pure.
 *
 * A gap (records dropped) or a poisoned file (failed fsync, lost file) is ended by one thing
 * only: a fresh base from memory, synced and switched to. A later fsync that succeeds proves
 * nothing about the failed one.
 */
#ifndef SPILLWAY_GUARD_DURABILITY_H
#define SPILLWAY_GUARD_DURABILITY_H

#include "guard/verdict.h"

struct durability {
    enum guard_health health; /* as of the last step */
    enum guard_cause cause;
    uint64_t since_ms;
    bool suspended; /* told: nothing is being logged */
    bool gap;       /* told: records are missing from the log */
    bool poisoned;  /* told: a file cannot be trusted */
    bool repairing; /* a fresh base is being written */
    bool failing;   /* writes of the log fail; the records are still kept */
    enum guard_cause failing_for;
    enum guard_cause told;     /* why suspended or poisoned */
    uint64_t sync_started_ms;  /* oldest running fsync; 0 = none */
    uint64_t write_started_ms; /* running write of the log; 0 = none */
    uint64_t gaps;             /* since start */
};

/* Writes of the log fail, or do no more (GUARD_CAUSE_NONE). */
void durability_failing(struct durability *d, enum guard_cause cause);
void durability_suspend(struct durability *d, enum guard_cause cause);
void durability_poison(struct durability *d, enum guard_cause cause);
void durability_resume(struct durability *d); /* nothing was lost */
void durability_repair_begin(struct durability *d);
void durability_repair_end(struct durability *d, bool ok);
bool durability_needs_repair(const struct durability *d);
/* Age of the running fsync or write of the log, the older one, in ms; 0 = none. */
uint64_t durability_wait_ms(const struct durability *d, uint64_t now_ms);
/* Recomputes health and cause. logged: a log is configured. True if health changed. */
bool durability_step(struct durability *d, bool logged, uint64_t lagging_ms, uint64_t now_ms);

#endif
