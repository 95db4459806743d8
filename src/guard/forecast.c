/* forecast.c - what the disk will look like: next base, log growth, rates, time left. */
#include <math.h>
#include "guard/forecast.h"

#define TEACHING_BYTES   (64 * 1024)
#define SMALLEST_BASE    4096
#define DEFAULT_BASE_BPS (50ull * 1024 * 1024)
#define TIME_CONSTANT_S  10.0
#define WARM_MS          10000
#define MIN_STEP_MS      50

void forecast_learn(struct forecast *f, uint64_t base_bytes, uint64_t data_bytes,
                    uint64_t duration_ms)
{
    double milli;
    if (duration_ms && base_bytes >= TEACHING_BYTES)
        f->base_bytes_per_s = base_bytes * 1000 / duration_ms;
    if (data_bytes < TEACHING_BYTES)
        return;
    milli = ceil((double)base_bytes * 1000 / (double)data_bytes);
    f->ratio_milli[2] = f->ratio_milli[1];
    f->ratio_milli[1] = f->ratio_milli[0];
    f->ratio_milli[0] = (unsigned)MAX_OF(1.0, MIN_OF(milli, 100000.0));
}

unsigned forecast_ratio_milli(const struct forecast *f)
{
    unsigned worst = 0;
    for (size_t i = 0; i < COUNT_OF(f->ratio_milli); i++)
        worst = MAX_OF(worst, f->ratio_milli[i]);
    return worst ? worst : 1000;
}

uint64_t forecast_base(const struct forecast *f, uint64_t data_bytes)
{
    uint64_t ratio = forecast_ratio_milli(f);
    return data_bytes / 1000 * ratio + data_bytes % 1000 * ratio / 1000 + SMALLEST_BASE;
}

uint64_t forecast_growth(const struct forecast *f, uint64_t base_bytes)
{
    uint64_t speed = f->base_bytes_per_s ? f->base_bytes_per_s : DEFAULT_BASE_BPS;
    double growth = f->log_rate * (double)base_bytes / (double)MAX_OF(speed, 1);
    return growth >= (double)base_bytes ? base_bytes : (uint64_t)growth;
}

void forecast_observe(struct forecast *f, uint64_t now_ms, uint64_t log_total, uint64_t neighbour)
{
    double seconds, weight, log, others;
    if (!f->first_ms) {
        f->first_ms = f->last_ms = now_ms;
        f->last_log = log_total;
        f->last_neighbour = neighbour;
        return;
    }
    if (now_ms < f->last_ms + MIN_STEP_MS)
        return;
    seconds = (double)(now_ms - f->last_ms) / 1000;
    weight = 1 - exp(-seconds / TIME_CONSTANT_S);
    log = log_total > f->last_log ? (double)(log_total - f->last_log) / seconds : 0;
    others = ((double)neighbour - (double)f->last_neighbour) / seconds;
    f->log_rate += weight * (log - f->log_rate);
    f->neighbour_rate += weight * (others - f->neighbour_rate);
    f->last_ms = now_ms;
    f->last_log = log_total;
    f->last_neighbour = neighbour;
}

uint64_t forecast_seconds(const struct forecast *f, uint64_t bytes)
{
    double rate = f->log_rate + f->neighbour_rate, seconds;
    if (f->last_ms - f->first_ms < WARM_MS || rate < 1)
        return FORECAST_NEVER;
    seconds = (double)bytes / rate;
    return seconds >= 1e12 ? FORECAST_NEVER : (uint64_t)seconds;
}
