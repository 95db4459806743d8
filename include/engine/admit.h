/* admit.h - may this command run now? One table of checks, in Redis's order, before any lock is
 * taken. */
#ifndef SPILLWAY_ENGINE_ADMIT_H
#define SPILLWAY_ENGINE_ADMIT_H

#include "engine/call.h"

enum admission {
    ADMIT_RUN,
    ADMIT_REJECTED, /* an error was replied */
    ADMIT_WAIT /* not now: keep the input and ask again (CLIENT PAUSE, the disk guard's metering) */
};

/* Called by the dispatcher on the client's lane, holding nothing. */
enum admission admit(struct call *call);
/* True while every check but the disk's would pass for any command with keys: asked once a batch,
 * and again after a command without keys, so that the hot path asks one question instead of
 * seven. */
bool admit_is_quiet(const struct lane *lane, const struct client *client);
/* The disk's check alone, for commands with keys while it is quiet. */
enum admission admit_quietly(struct call *call);
/* Makes the client wait until a value is not pinned any more, or for what persist_must_wait is
 * about. */
void admit_after_use(struct call *call, bool pinned);
/* Whether a client that was told ADMIT_WAIT should try again. */
bool admit_may_retry(struct lane *lane, const struct client *client);
/* Evicts until used memory is below maxmemory again, in bounded steps; sets lane->over_memory and
 * lane->room_until, up to where the lane may allocate before this is asked again. Holds nothing.
 * True: it ran out of time, ask again soon. */
bool admit_make_room(struct lane *lane);

#endif
