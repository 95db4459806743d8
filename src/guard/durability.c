/* durability.c - persistence health as a state machine over what the persistence threads tell. */
#include "guard/durability.h"

void durability_failing(struct durability *d, enum guard_cause cause)
{
    d->failing = cause != GUARD_CAUSE_NONE;
    d->failing_for = cause;
}

void durability_suspend(struct durability *d, enum guard_cause cause)
{
    if (!d->gap)
        d->gaps++;
    d->suspended = d->gap = true;
    d->told = cause;
}

void durability_poison(struct durability *d, enum guard_cause cause)
{
    d->poisoned = true;
    if (!d->suspended)
        d->told = cause;
}

void durability_resume(struct durability *d)
{
    d->suspended = d->gap = false;
}

void durability_repair_begin(struct durability *d)
{
    d->repairing = true;
}

void durability_repair_end(struct durability *d, bool ok)
{
    d->repairing = false;
    if (ok)
        d->suspended = d->gap = d->poisoned = false;
}

bool durability_needs_repair(const struct durability *d)
{
    return d->gap || d->poisoned;
}

static uint64_t age(uint64_t started_ms, uint64_t now_ms)
{
    return started_ms && now_ms > started_ms ? now_ms - started_ms : 0;
}

uint64_t durability_wait_ms(const struct durability *d, uint64_t now_ms)
{
    return MAX_OF(age(d->sync_started_ms, now_ms), age(d->write_started_ms, now_ms));
}

static enum guard_health health_of(const struct durability *d, bool logged, uint64_t lagging_ms,
                                   uint64_t now_ms)
{
    if (!logged)
        return GUARD_DURABLE;
    if (d->suspended && !d->repairing)
        return GUARD_SUSPENDED;
    if (d->suspended || d->gap || d->poisoned)
        return GUARD_REPAIRING;
    if (d->failing || durability_wait_ms(d, now_ms) >= lagging_ms)
        return GUARD_LAGGING;
    return GUARD_DURABLE;
}

bool durability_step(struct durability *d, bool logged, uint64_t lagging_ms, uint64_t now_ms)
{
    enum guard_health health = health_of(d, logged, lagging_ms, now_ms);
    bool changed = health != d->health;
    if (health == GUARD_DURABLE)
        d->cause = logged ? GUARD_CAUSE_NONE : GUARD_CAUSE_CONFIG;
    else if (health == GUARD_LAGGING)
        d->cause = d->failing ? d->failing_for : GUARD_CAUSE_STALL;
    else
        d->cause = d->told;
    if (changed || !d->since_ms)
        d->since_ms = now_ms;
    d->health = health;
    return changed;
}
