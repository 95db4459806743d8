/* core.h - the guard's arithmetic: everything it knows, and one step from what it was told to
 * what it wants.
 *
 * No thread, no disk, no clock: the facade (guard.c) calls it under its lock with the time, the
 * last sample and what the gate counted, and carries out what is in `out`. Tests drive it with
 * numbers of their own.
 */
#ifndef SPILLWAY_GUARD_CORE_H
#define SPILLWAY_GUARD_CORE_H

#include "guard/budget.h"
#include "guard/durability.h"
#include "guard/forecast.h"
#include "guard/guard.h"
#include "guard/level.h"
#include "guard/policy.h"
#include "guard/volume.h"

#define CORE_TRIGGERS 6

struct core_counters {
    uint64_t rewrites_ok[CORE_TRIGGERS], rewrites_failed[CORE_TRIGGERS];
    uint64_t evicted_keys, evicted_bytes;
    uint64_t snapshots_skipped, memory_only, emergency_rewrites, dropped_log_lines;
};

struct core_inputs {
    uint64_t now_ms; /* monotonic */
    int64_t wall_ms;
    struct guard_sample sample;
    struct volume_probe probe;
    struct gate_stats gate;
    uint64_t data_bytes, log_pending;
    uint64_t ballast_held;
    uint64_t refused; /* commands so far */
    uint64_t starved; /* delays for want of credit so far */
};

/* What to do now, and the numbers behind it. */
struct core_outputs {
    struct policy_outputs act;
    enum guard_trigger compact;
    bool repair, replace_old;
    bool mount_lost;
    uint64_t evict_quota; /* bytes */
    int64_t credit;       /* log bytes */
    uint64_t largest;     /* log bytes of one command */
    uint32_t slow_us, retry_ms;
    uint64_t predicted_base, surest_base, base_limit, predicted_growth;
    uint64_t base_cap; /* a rewrite ends if its base grows beyond: base_limit and what is spare */
    uint64_t reclaimable; /* bytes that a rewrite would give back */
    uint64_t data_target; /* bytes: evict down to this; UINT64_MAX = no need */
    uint64_t log_step;
    uint64_t floor[GATE_CLASSES];
    uint64_t ballast_want;
    struct volume_chores chores;
    uint64_t critical_in_s, full_in_s, full_after_s;
    unsigned poll_ms;
};

struct core {
    struct guard_options options; /* its strings are the facade's */
    struct level_state level;
    struct durability durability;
    struct forecast forecast;
    struct budget budget;
    struct core_counters counters;
    struct core_inputs in; /* of the last step */
    struct core_outputs out;
    /* told since the last step, or before */
    bool full_seen;
    enum guard_cause full_cause;
    bool sampled;            /* a sample has been seen */
    uint64_t device;         /* of the first sample */
    uint64_t last_sample_ms; /* the one the forecast has seen */
    uint64_t base_bytes, increment_bytes, log_total;
    bool rewriting;
    uint64_t building_peak; /* blocks of the base being written */
    uint64_t data_at_start; /* bytes, when the running rewrite started */
    bool last_failed;       /* the last rewrite failed */
    bool last_failed_for_space;
    int64_t failed_slack; /* F - R_compact then */
    uint64_t failed_ms;
    uint64_t chain_at_start; /* bytes of base and increments then, which its end gives back */
    uint64_t told_ms;        /* when durability was last told of trouble */
    bool compaction_asked, probe_asked;
    uint64_t nothing_left_ms;   /* eviction found nothing then; 0 = never */
    uint64_t hopeless_since_ms; /* tight, and nothing to evict or being rewritten; 0 = not */
    uint64_t tight_since_ms;    /* critical or worse since; 0 = not */
    uint64_t data_peak;         /* largest data set since F was last ample */
    bool stuck;                 /* the policy evict has fallen back, until critical is left */
    bool was_memory_only;
    uint64_t last_starved;
    uint64_t steps;
};

void core_init(struct core *core, const struct guard_options *options);
/* What the persistence threads tell, between steps. */
void core_tell_full(struct core *core, int error); /* ENOSPC or EDQUOT was met */
void core_tell_suspended(struct core *core, enum guard_cause cause, uint64_t now_ms);
void core_tell_poisoned(struct core *core, enum guard_cause cause, uint64_t now_ms);
void core_tell_rewrite_started(struct core *core, bool replaces_old);
void core_tell_rewrite_done(struct core *core, const struct guard_rewrite *result, uint64_t now_ms);
void core_tell_evicted(struct core *core, uint64_t keys, uint64_t bytes, bool nothing_left,
                       uint64_t now_ms);
/* Takes what it was told and `in` to core->out. Returns true if the level changed. */
bool core_step(struct core *core, const struct core_inputs *in);
/* The same numbers if `bytes` more were written by us or by a neighbour; nothing is changed. */
void core_simulate(const struct core *core, uint64_t bytes, bool own, struct budget *budget,
                   enum guard_level *level);
bool core_undersized(const struct core *core);
enum guard_policy core_policy(const struct core *core);

#endif
