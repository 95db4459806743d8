/* level.c - the level as a state machine over marks. */
#include "guard/level.h"

/* The worst level whose entry condition holds. */
static enum guard_level raw_level(const struct level_settings *s, const struct level_inputs *in)
{
    if (in->full_seen || in->inodes_out)
        return GUARD_FULL;
    for (int level = GUARD_FULL; level >= GUARD_LOW; level--)
        if (in->free_bytes < in->enter[level])
            return (enum guard_level)level;
    return in->critical_in_s < s->low_time_s ? GUARD_LOW : GUARD_OK;
}

static bool may_leave(const struct level_settings *s, const struct level_inputs *in,
                      enum guard_level level)
{
    if (in->free_bytes < in->leave[level])
        return false;
    if (level == GUARD_FULL && (in->full_seen || (in->inodes_out || !in->inodes_back)))
        return false;
    /* as the mark itself: a quarter above */
    if (level == GUARD_LOW && in->critical_in_s < s->low_time_s + s->low_time_s / 4)
        return false;
    return true;
}

/* Where F alone would let the level sink to. */
static enum guard_level floor_level(const struct level_settings *s, const struct level_inputs *in,
                                    enum guard_level level)
{
    while (level > GUARD_OK && may_leave(s, in, level))
        level--;
    return level;
}

/* With a rest of 0 levels are left as soon as they may be, however often. */
static bool recent(const struct level_settings *s, uint64_t then, uint64_t now)
{
    return s->dwell_ms && then && now - then < LEVEL_CALM_MS;
}

static void move(struct level_state *state, const struct level_settings *s, uint64_t now,
                 enum guard_level to)
{
    bool again = to != GUARD_UNKNOWN && recent(s, state->left_ms[to], now);
    if (to < state->level)
        for (int left = to + 1; left <= (int)state->level; left++)
            state->left_ms[left] = now;
    state->level = to;
    state->since_ms = state->dwell_from_ms = now;
    state->dwell_ms = again ? MAX_OF(s->dwell_ms, (uint64_t)LEVEL_CALM_MS) : s->dwell_ms;
    state->risen = false;
    state->last_ms[1] = state->last_ms[0];
    state->last_ms[0] = now;
    state->transitions++;
}

/* A third transition within a minute is put off, unless it protects. */
static bool put_off(const struct level_state *state, const struct level_settings *s, uint64_t now,
                    enum guard_level to)
{
    if (to >= GUARD_CRITICAL || !recent(s, state->last_ms[1], now))
        return false;
    return recent(s, state->left_ms[to], now);
}

/* F was measured after the level was entered, and after the last ENOSPC: what was measured
 * before knows nothing of its reason. */
static bool seen_since(const struct level_state *state, const struct level_inputs *in)
{
    return in->now_ms - MIN_OF(in->sample_age_ms, in->now_ms) >
           MAX_OF(state->since_ms, state->full_at_ms);
}

static void watch_oscillation(struct level_state *state, const struct level_settings *s,
                              const struct level_inputs *in, enum guard_level raw)
{
    if (state->level == GUARD_OK || !seen_since(state, in))
        return;
    if (may_leave(s, in, state->level)) {
        state->risen = true;
    } else if (state->risen && raw >= state->level && !in->full_seen && s->dwell_ms) {
        state->risen = false;
        state->dwell_from_ms = in->now_ms;
        state->dwell_ms = MAX_OF(s->dwell_ms, (uint64_t)LEVEL_CALM_MS);
    }
}

static bool probed(const struct level_state *state, const struct level_inputs *in)
{
    return in->probe_ok_at_ms > MAX_OF(state->since_ms, state->full_at_ms) &&
           in->now_ms - in->probe_ok_at_ms <= LEVEL_PROBE_MS;
}

static bool rested(const struct level_state *state, const struct level_inputs *in)
{
    return in->now_ms - state->dwell_from_ms >= state->dwell_ms && probed(state, in);
}

static bool step_known(struct level_state *state, const struct level_settings *s,
                       const struct level_inputs *in)
{
    enum guard_level raw = raw_level(s, in), to;
    state->meant = GUARD_OK;
    if (raw > state->level) {
        if (put_off(state, s, in->now_ms, raw)) {
            state->meant = raw;
            return false;
        }
        move(state, s, in->now_ms, raw);
        return true;
    }
    watch_oscillation(state, s, in, raw);
    to = floor_level(s, in, state->level);
    if (to >= state->level || !rested(state, in) || !seen_since(state, in))
        return false;
    move(state, s, in->now_ms, to);
    return true;
}

/* Back from unknown: what the numbers say now, at least what was known before unless it may be
 * left. */
static bool recover(struct level_state *state, const struct level_settings *s,
                    const struct level_inputs *in)
{
    enum guard_level raw = raw_level(s, in), to = floor_level(s, in, state->known);
    state->level = state->known;
    move(state, s, in->now_ms, MAX_OF(raw, to));
    return true;
}

bool level_step(struct level_state *state, const struct level_settings *s,
                const struct level_inputs *in)
{
    if (!state->started) {
        state->started = true;
        state->since_ms = state->dwell_from_ms = in->now_ms;
        state->dwell_ms = s->dwell_ms;
    }
    if (in->full_seen)
        state->full_at_ms = in->now_ms;
    if (in->full_seen && state->level == GUARD_UNKNOWN)
        return recover(state, s, in);
    if (in->sample_age_ms >= s->unknown_ms && in->now_ms - state->since_ms >= s->unknown_ms) {
        if (state->level == GUARD_UNKNOWN || state->level == GUARD_FULL)
            return in->full_seen ? step_known(state, s, in) : false;
        state->known = state->level;
        move(state, s, in->now_ms, GUARD_UNKNOWN);
        return true;
    }
    if (in->sample_age_ms == UINT64_MAX && !in->full_seen)
        return false;
    if (state->level == GUARD_UNKNOWN)
        return in->sample_age_ms < s->unknown_ms ? recover(state, s, in) : false;
    return step_known(state, s, in);
}

bool level_wants_probe(const struct level_state *state, const struct level_inputs *in)
{
    uint64_t rest = in->now_ms - state->dwell_from_ms;
    if (state->level == GUARD_OK || state->level == GUARD_UNKNOWN)
        return false;
    return in->free_bytes >= in->leave[state->level] && rest + 2000 >= state->dwell_ms &&
           !probed(state, in);
}

enum guard_level level_acting(const struct level_state *state)
{
    if (state->level != GUARD_UNKNOWN)
        return MAX_OF(state->level, state->meant);
    return MAX_OF(state->known, GUARD_HIGH);
}
