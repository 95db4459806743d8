/* pace.h - threads in the background make way for those that answer clients.
 *
 * Where a processor is shared, the scheduler lets a running thread finish its slice before one that
 * wakes gets it, at worst until the next tick: a millisecond to four. A thread in the background has
 * less claim to the processor, does not interrupt whoever wakes it, and offers the processor to
 * others many times in a slice: long loops that it runs call pace().
 */
#ifndef SPILLWAY_BASE_PACE_H
#define SPILLWAY_BASE_PACE_H

#include "base/common.h"

/* The calling thread works in the background from now on. */
void pace_background(void);
/* While the calling thread has a lock that others wait for it keeps the processor: pace() does
 * nothing. */
void pace_keep(bool keep);
/* To be called about every 10 to 100 us of a long loop, whoever runs it. On a thread in the
 * background it offers the processor to others; else it costs about a nanosecond. */
void pace(void);

#endif
