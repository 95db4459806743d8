/* clock.c - time, the only door to it. */
#include "base/clock.h"

#include <errno.h>
#include <time.h>

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

void clock_shift_ms(int64_t ms)
{
    RELAXED_ADD(&shift_us, ms * 1000);
}

#if defined(__x86_64__)
#include <x86intrin.h>
#include "base/lock.h"

/* Ticks are scaled by a 32.32 fixed-point factor that is measured once, over at least CALIBRATE_NS. */
#define CALIBRATE_NS 200000

static struct lock calibrate_lock;
static uint64_t us_per_tick_q32; /* atomic; 0 = not measured yet */

static uint64_t calibrate(void)
{
    lock_take(&calibrate_lock);
    uint64_t factor = __atomic_load_n(&us_per_tick_q32, __ATOMIC_RELAXED);
    if (factor == 0) {
        uint64_t ns0 = clock_mono_ns(), t0 = __rdtsc(), ns1;
        while ((ns1 = clock_mono_ns()) - ns0 < CALIBRATE_NS)
            continue;
        uint64_t ticks = __rdtsc() - t0;
        factor = (uint64_t)((double)(ns1 - ns0) / 1000.0 / (double)(ticks ? ticks : 1) * 4294967296.0);
        __atomic_store_n(&us_per_tick_q32, factor, __ATOMIC_RELAXED);
    }
    lock_drop(&calibrate_lock);
    return factor;
}

uint64_t clock_ticks_us(void)
{
    uint64_t factor = __atomic_load_n(&us_per_tick_q32, __ATOMIC_RELAXED);
    if (UNLIKELY(factor == 0))
        factor = calibrate();
    return (uint64_t)((unsigned __int128)__rdtsc() * factor >> 32);
}
#else
uint64_t clock_ticks_us(void)
{
    return clock_mono_us();
}
#endif
