/* forecast.h - what the disk will look like: next base, log growth, rates, time left. Pure.
 *
 * The ratio of base bytes to data-set bytes is learnt from each rewrite; the worst of the last
 * three counts, 1.0 before the first. Rates are exponentially weighted with a time constant of
 * 10 s, and say nothing before they have seen 10 s.
 */
#ifndef SPILLWAY_GUARD_FORECAST_H
#define SPILLWAY_GUARD_FORECAST_H

#include "base/common.h"

#define FORECAST_NEVER UINT64_MAX

struct forecast {
    unsigned ratio_milli[3];         /* of the last bases, newest first; 0 = none */
    uint64_t base_bytes_per_s;       /* of the last rewrite; 0 = unknown */
    double log_rate, neighbour_rate; /* bytes per second */
    uint64_t last_ms, first_ms;
    uint64_t last_log, last_neighbour;
};

/* One finished base. Data sets under 64 KiB teach nothing. */
void forecast_learn(struct forecast *f, uint64_t base_bytes, uint64_t data_bytes,
                    uint64_t duration_ms);
unsigned forecast_ratio_milli(const struct forecast *f);
uint64_t forecast_base(const struct forecast *f, uint64_t data_bytes);
/* Log bytes written while a base of so many bytes is written; at most as many as the base. */
uint64_t forecast_growth(const struct forecast *f, uint64_t base_bytes);
/* log_total: bytes logged since start, monotonic. neighbour: bytes of others on the volume. */
void forecast_observe(struct forecast *f, uint64_t now_ms, uint64_t log_total, uint64_t neighbour);
/* Seconds until `bytes` are taken at the present rates, FORECAST_NEVER if they are not. */
uint64_t forecast_seconds(const struct forecast *f, uint64_t bytes);

#endif
