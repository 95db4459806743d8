/* policy.h - what each level does, as a table, and what each policy makes of critical and full.
 *
 *                   low           high           critical             full
 *   rewrite         if it saves   at once        at once, reserve     if it fits without ballast
 *   save points     keep          skip or link   skip                 skip
 *   sweep           yes           yes            yes                  yes, first
 *   growing writes  accept        slow           policy               policy
 *
 *   shed, strict    critical, full, or the log cannot be written: refuse
 *   memory-only     the same: stop logging, accept everything; a fresh base when the level is left
 *   evict           from high: evict while that can cure; critical: growth waits for room. Nothing
 *                   left to evict, or no way to cure: memory-only for allkeys-*, shed for
 *                   volatile-* (and for noeviction)
 *
 * Pure: no state, no clock.
 */
#ifndef SPILLWAY_GUARD_POLICY_H
#define SPILLWAY_GUARD_POLICY_H

#include "guard/guard.h"

enum policy_rewrite {
    POLICY_REWRITE_BY_GROWTH, /* only by growth percentage */
    POLICY_REWRITE_IF_SAVES,  /* 10 % of the capacity */
    POLICY_REWRITE_AT_ONCE,
    POLICY_REWRITE_RELEASED /* at once, the ballast counted as free */
};

struct policy_inputs {
    bool enabled;             /* the guard acts; else everything is admitted */
    bool logged;              /* a log is configured */
    enum guard_policy policy; /* in force, never AUTO */
    enum guard_eviction eviction;
    enum guard_level level;  /* as shown */
    enum guard_level acting; /* unknown resolved */
    enum guard_health health;
    enum guard_cause cause;
    bool failing;      /* writes of the log fail now */
    bool stalled;      /* an fsync is older than disk-stall-timeout */
    bool evict_useful; /* there is data to evict, more than the target, and it can cure */
    bool stuck;        /* eviction has had its time and found nothing, or did not help */
};

struct policy_outputs {
    enum guard_growth growth;
    enum policy_rewrite rewrite;
    bool log_on, evict_on, snapshot_on, link_snapshot, sweep, slow;
    bool memory_only; /* logging is off because of the policy */
};

/* auto resolved: always -> strict; noeviction -> shed; allkeys, volatile -> evict. */
enum guard_policy policy_in_force(enum guard_policy policy, enum guard_fsync fsync,
                                  enum guard_eviction eviction);
void policy_decide(const struct policy_inputs *in, struct policy_outputs *out);

#endif
