/* latency.h - when something took too long, by kind of event: the latency monitor. */
#ifndef SPILLWAY_OPS_LATENCY_H
#define SPILLWAY_OPS_LATENCY_H

#include "base/lock.h"
#include "base/common.h"

#define LATENCY_EVENTS_MAX 16
#define LATENCY_SAMPLES    160 /* of one event; one a second at most */

struct latency_sample {
    int64_t time_s; /* Unix */
    uint64_t ms;
};

struct latency_event {
    const char *name; /* static; NULL = free */
    uint64_t max_ms;  /* since the last reset */
    uint32_t at, count;
    struct latency_sample samples[LATENCY_SAMPLES]; /* a ring; at = where the next one goes */
};

struct latency {
    struct lock lock;
    struct latency_event events[LATENCY_EVENTS_MAX]; /* lock */
};

/* Notes that an event took so long. Several within one second count as the longest of them.
 * `name` is of static lifetime. Any thread; takes only the latency's own lock. */
void latency_add(struct latency *l, const char *name, int64_t time_s, uint64_t ms);

#endif
