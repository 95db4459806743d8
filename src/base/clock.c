/* clock.c - time, the only door to it. */
#include "base/clock.h"

#include <errno.h>
#include <time.h>
#if defined(__x86_64__)
#include <cpuid.h>
#include <x86intrin.h>
#endif
#include "base/lock.h"

static int64_t shift_us; /* atomic */

int64_t clock_wall_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000 + RELAXED_LOAD(&shift_us);
}

int64_t clock_wall_ms(void)
{
    return clock_wall_us() / 1000;
}

uint64_t clock_mono_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

void clock_sleep_us(uint64_t us)
{
    struct timespec left = {(time_t)(us / 1000000), (long)(us % 1000000) * 1000};
    while (clock_nanosleep(CLOCK_MONOTONIC, 0, &left, &left) == EINTR)
        continue;
}

uint64_t clock_delay_us(int64_t us, uint64_t from, uint64_t to)
{
    if (us >= 0)
        return (uint64_t)us * (to - from);
    uint64_t every = -(uint64_t)us;
    return to / every - from / every;
}

void clock_shift_ms(int64_t ms)
{
    RELAXED_ADD(&shift_us, ms * 1000);
}

#if defined(__x86_64__)

/* Ticks become microseconds by a 32.32 fixed-point factor, measured once, over CALIBRATE_NS. */
#define CALIBRATE_NS UINT64_C(200000)
#define READINGS     16         /* of both clocks, for the best of them */
#define NO_COUNTER   UINT64_MAX /* in place of the factor: the counter is no clock */

static struct lock calibrate_lock;
static uint64_t us_per_tick_q32; /* atomic; 0 = not measured yet */

/* CPUID's "invariant TSC": the counter runs at one rate whatever the processor's frequency and
 * sleep. */
static bool counter_is_invariant(void)
{
    unsigned a, b, c, d;
    return __get_cpuid(0x80000007, &a, &b, &c, &d) && (d & (1u << 8));
}

/* Both clocks at one moment: of some readings the one that was interrupted least, since a thread
 * that loses its processor between the two would be wrong for ever. */
static void read_both(uint64_t *ns, uint64_t *ticks)
{
    uint64_t least = UINT64_MAX;
    for (int i = 0; i < READINGS; i++) {
        uint64_t before = clock_mono_ns(), now = __rdtsc(), took = clock_mono_ns() - before;
        if (took < least) {
            least = took;
            *ns = before + took / 2;
            *ticks = now;
        }
    }
}

static uint64_t measure_factor(void)
{
    if (!counter_is_invariant())
        return NO_COUNTER;
    uint64_t start_ns = 0, start = 0, end_ns = 0, end = 0;
    read_both(&start_ns, &start);
    while (clock_mono_ns() - start_ns < CALIBRATE_NS)
        ;
    read_both(&end_ns, &end);
    double us = (double)(end_ns - start_ns) / 1000;
    return end > start ? (uint64_t)(us / (double)(end - start) * 4294967296.0) : NO_COUNTER;
}

static NOINLINE uint64_t calibrate(void)
{
    lock_take(&calibrate_lock);
    if (us_per_tick_q32 == 0)
        RELAXED_STORE(&us_per_tick_q32, measure_factor());
    uint64_t factor = us_per_tick_q32;
    lock_drop(&calibrate_lock);
    return factor;
}

uint64_t clock_ticks_us(void)
{
    uint64_t factor = RELAXED_LOAD(&us_per_tick_q32);
    if (UNLIKELY(factor == 0))
        factor = calibrate();
    if (UNLIKELY(factor == NO_COUNTER))
        return clock_mono_us();
    return (uint64_t)((unsigned __int128)__rdtsc() * factor >> 32);
}

#else

uint64_t clock_ticks_us(void)
{
    return clock_mono_us();
}

#endif
