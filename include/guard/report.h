/* report.h - the guard's numbers as text: INFO, DISK STATUS, PLAN and SIMULATE, metrics, log
 * lines. Pure. */
#ifndef SPILLWAY_GUARD_REPORT_H
#define SPILLWAY_GUARD_REPORT_H

#include "guard/core.h"

/* What is shown: a copy of the core, taken under the guard's lock, and what lies beside it. */
struct report {
    struct core core;
    uint64_t now_ms;
    uint64_t refused, delayed;
    uint64_t ballast_releases;
    bool ballast_effective;
    enum guard_writer writer;
};

void report_info(const struct report *r, struct bytes *out);
void report_status(const struct report *r, struct bytes *out);
void report_plan(const struct report *r, struct bytes *out);
void report_simulate(const struct report *r, uint64_t bytes, bool own, struct bytes *out);
void report_metrics(const struct report *r, struct bytes *out);
/* One line for a change of level, with the numbers and the advice. */
void report_transition(const struct core *core, enum guard_level from, enum guard_level to,
                       struct bytes *out);
/* One line for a place too small for the marks; false and nothing if it is not. */
bool report_undersized(const struct core *core, struct bytes *out);

#endif
