/* clock.h - time, the only door to it. Tests may shift the wall clock. */
#ifndef SPILLWAY_BASE_CLOCK_H
#define SPILLWAY_BASE_CLOCK_H

#include "base/common.h"

int64_t clock_wall_ms(void);  /* Unix time in milliseconds */
int64_t clock_wall_us(void);  /* Unix time in microseconds */
uint64_t clock_mono_ns(void); /* monotonic, for durations */
ALWAYS_INLINE uint64_t clock_mono_us(void)
{
    return clock_mono_ns() / 1000;
}
ALWAYS_INLINE uint64_t clock_mono_ms(void)
{
    return clock_mono_ns() / 1000000;
}
/* A monotonic microsecond clock for timing commands: the time stamp counter where it is invariant
 * (a few ns a reading), else clock_mono_us. Drifts against the others: for short durations only.
 * The first call takes 200 us. */
uint64_t clock_ticks_us(void);
void clock_sleep_us(uint64_t us); /* sleeps the calling thread; never on a worker */
/* What slows a pass over items, for tests: `us` microseconds for each behind the first `from` of
 * them, up to `to`; below 0: one microsecond for every -us of them. */
uint64_t clock_delay_us(int64_t us, uint64_t from, uint64_t to);
void clock_shift_ms(int64_t ms); /* tests: added to every wall reading from now on */

#endif
