/* ticker.h - a thread that runs a function again and again, and that may be left behind if the
 * disk holds it. */
#ifndef SPILLWAY_GUARD_TICKER_H
#define SPILLWAY_GUARD_TICKER_H

#include "base/common.h"

struct ticker;

/* Starts a thread that calls run(ctx), waits as many milliseconds as it returned or until woken,
 * and so on. name: at most 15 characters. NULL if no thread can be had. */
struct ticker *ticker_start(const char *name, unsigned (*run)(void *ctx), void *ctx);
void ticker_wake(struct ticker *t); /* any thread; NULL allowed */
/* Asks it to end and waits at most timeout_ms. False: it hangs in run and was left behind; ctx
 * must stay valid for ever. NULL allowed (true). */
bool ticker_stop(struct ticker *t, unsigned timeout_ms);

#endif
