/* level.h - the level as a state machine over marks: hysteresis, dwell, probe, oscillation,
 * unknown. Pure.
 *
 * Getting worse is immediate; getting better waits for all of: F at the leave mark, the dwell
 * (10 s, counted from entering the level), a probe that succeeded since, and after the last
 * ENOSPC. One step may pass several levels.
 *
 * Oscillation, at most two transitions a minute: F that rises to the leave mark and falls below
 * the entry mark again while the level waits restarts the dwell at one minute; so does a level
 * that is entered again within a minute of having been left. Low and high, which only plan and
 * compact, are entered a third time within a minute only after that minute; what they do is done
 * meanwhile all the same, or nothing would keep a growing log from critical. Critical and full are
 * never delayed: safety comes first. A dwell of 0 turns all this off.
 */
#ifndef SPILLWAY_GUARD_LEVEL_H
#define SPILLWAY_GUARD_LEVEL_H

#include "guard/verdict.h"

#define LEVEL_CALM_MS  60000 /* the minute of the oscillation rule */
#define LEVEL_PROBE_MS 5000  /* a probe is believed for so long */

struct level_settings {
    uint64_t dwell_ms, unknown_ms;
    uint64_t low_time_s; /* low when critical is nearer; 0 = never by time */
};

struct level_inputs {
    uint64_t now_ms;
    uint64_t sample_age_ms; /* UINT64_MAX: never sampled */
    uint64_t free_bytes;
    const uint64_t *enter, *leave; /* of struct budget */
    uint64_t critical_in_s;        /* forecast; UINT64_MAX = not in sight */
    bool inodes_out, inodes_back;
    bool full_seen;          /* ENOSPC or EDQUOT since the last step */
    uint64_t probe_ok_at_ms; /* when the last successful probe began; 0 = none */
};

struct level_state {
    enum guard_level level;
    enum guard_level known; /* the level under `unknown` */
    enum guard_level meant; /* low or high while it is put off, else ok */
    uint64_t since_ms;
    uint64_t dwell_from_ms;
    uint64_t dwell_ms;              /* of this stay */
    uint64_t full_at_ms;            /* ENOSPC or EDQUOT was last seen */
    bool risen;                     /* F has been at the leave mark during this stay */
    uint64_t left_ms[GUARD_LEVELS]; /* when each was last left for a better one; 0 = never */
    uint64_t last_ms[2];            /* the last two transitions, newest first; 0 = none */
    uint64_t transitions;
    bool started;
};

/* Returns true if the level changed. */
bool level_step(struct level_state *state, const struct level_settings *s,
                const struct level_inputs *in);
/* A probe is what is missing, or will be within two seconds, to leave the level. */
bool level_wants_probe(const struct level_state *state, const struct level_inputs *in);
/* The level to act on: one that is put off counts, unknown counts as high, or as worse if it
 * was. */
enum guard_level level_acting(const struct level_state *state);

#endif
