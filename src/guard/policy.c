/* policy.c - what each level does, as a table, and what each policy makes of critical and full. */
#include "guard/policy.h"

/* The part of the table that is the same for all policies, by acting level. */
static const struct row {
    enum policy_rewrite rewrite;
    bool snapshot_on, link_snapshot, sweep, slow;
} rows[] = {
    [GUARD_OK] = {POLICY_REWRITE_BY_GROWTH, true, false, false, false},
    [GUARD_LOW] = {POLICY_REWRITE_IF_SAVES, true, false, true, false},
    [GUARD_HIGH] = {POLICY_REWRITE_AT_ONCE, false, true, true, true},
    [GUARD_CRITICAL] = {POLICY_REWRITE_AT_ONCE, false, false, true, false},
    [GUARD_FULL] = {POLICY_REWRITE_RELEASED, false, false, true, false},
};

enum guard_policy policy_in_force(enum guard_policy policy, enum guard_fsync fsync,
                                  enum guard_eviction eviction)
{
    if (policy != GUARD_POLICY_AUTO)
        return policy;
    if (fsync == GUARD_FSYNC_ALWAYS)
        return GUARD_POLICY_STRICT;
    return eviction == GUARD_EVICTION_NONE ? GUARD_POLICY_SHED : GUARD_POLICY_EVICT;
}

/* The log may not take growing records now: no room, or the disk does not answer. */
static bool tight(const struct policy_inputs *in)
{
    return in->acting >= GUARD_CRITICAL || in->stalled || in->failing;
}

/* Stops logging while it is tight. With room, but a log that could not be written, everything
 * goes on and logging is wanted, so that it can be repaired. */
static void decide_memory_only(const struct policy_inputs *in, struct policy_outputs *out)
{
    if (tight(in)) {
        out->log_on = false;
        out->memory_only = true;
    }
    if (tight(in) || in->health == GUARD_SUSPENDED)
        out->growth = GUARD_GROWTH_FREE;
}

static void decide_shed(const struct policy_inputs *in, struct policy_outputs *out)
{
    bool strict = in->policy == GUARD_POLICY_STRICT;
    if (tight(in) || in->health == GUARD_SUSPENDED || (strict && in->health == GUARD_REPAIRING))
        out->growth = GUARD_GROWTH_REFUSED;
}

/* Growth that waits for room is metered growth: there is credit only as eviction and rewrite
 * bring it. */
static void decide_evict(const struct policy_inputs *in, struct policy_outputs *out)
{
    bool waits =
        in->acting >= GUARD_CRITICAL && !in->stalled && !in->stuck && in->health != GUARD_SUSPENDED;
    out->evict_on = in->acting >= GUARD_HIGH && in->level != GUARD_UNKNOWN && in->evict_useful;
    if (waits)
        return;
    if (in->eviction == GUARD_EVICTION_ALLKEYS)
        decide_memory_only(in, out);
    else
        decide_shed(in, out);
}

void policy_decide(const struct policy_inputs *in, struct policy_outputs *out)
{
    const struct row *row = &rows[in->acting];
    *out = (struct policy_outputs){
        .growth = in->logged ? GUARD_GROWTH_METERED : GUARD_GROWTH_FREE,
        .log_on = true,
        .rewrite = row->rewrite,
        .snapshot_on = row->snapshot_on,
        .link_snapshot = row->link_snapshot,
        .sweep = row->sweep,
        .slow = row->slow && in->logged,
    };
    if (!in->enabled) {
        out->growth = GUARD_GROWTH_FREE;
        out->snapshot_on = true;
        out->slow = false;
        return;
    }
    if (!in->logged)
        return; /* nothing is promised that growth could break */
    if (in->policy == GUARD_POLICY_EVICT)
        decide_evict(in, out);
    else if (in->policy == GUARD_POLICY_MEMORY_ONLY)
        decide_memory_only(in, out);
    else
        decide_shed(in, out);
}
