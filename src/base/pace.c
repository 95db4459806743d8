/* pace.c - threads in the background make way for those that answer clients.
 *
 * Offering the processor gives up what is left of the slice, so a thread that did it too often beside
 * busy ones would hardly run at all. How long others took tells: it then works for a quarter of that
 * time before it offers again, within bounds.
 */
#include "base/pace.h"

#include <pthread.h>
#include <sched.h>
#include <unistd.h>
#include "base/clock.h"

#define BACKGROUND_NICE 5
#define WORK_MIN_US     100
#define WORK_MAX_US     500
#define WORK_SHARE      4 /* of the time that others took */

static _Thread_local uint64_t offer_at_us; /* by clock_ticks_us; 0 = not in the background */
static _Thread_local bool keeps;           /* has a lock */

void pace_background(void)
{
    (void)!nice(BACKGROUND_NICE); /* of this thread alone */
    pthread_setschedparam(pthread_self(), SCHED_BATCH, &(struct sched_param){0});
    offer_at_us = clock_ticks_us() + WORK_MIN_US;
}

void pace_keep(bool keep)
{
    keeps = keep;
}

static NOINLINE void offer(void)
{
    if (keeps)
        return;
    uint64_t before = clock_ticks_us();
    if (before < offer_at_us)
        return;
    sched_yield();
    uint64_t after = clock_ticks_us(), work = (after - before) / WORK_SHARE;
    offer_at_us = after + MIN_OF(MAX_OF(work, (uint64_t)WORK_MIN_US), (uint64_t)WORK_MAX_US);
}

void pace(void)
{
    if (UNLIKELY(offer_at_us != 0))
        offer();
}
