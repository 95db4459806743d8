/* aside.h - commands that look at very many elements run aside: on a thread of their own, with the
 * values they read pinned and no shard held, so that they keep nobody waiting but those who would
 * change these values.
 *
 * A handler asks as soon as it knows how many elements it will look at, before it has replied or
 * changed anything:
 *
 *      if (call_aside(call, count))
 *          return;
 *      call_let_go(call, &value, 1);
 *      ... reads the value, builds a reply or another value ...
 *      if (!call_take_back(call))
 *          ... frees what it has built, and returns: it runs again ...
 *      ... finds its destination and puts what it has built ...
 *
 * call_aside answers true if the call was sent aside: its client waits, and the handler runs again
 * there from its beginning, with the same arguments, perhaps finding other values by then. In all
 * other cases it answers false, and the next two do nothing unless the call runs aside. Between
 * them the handler must use nothing of the keyspace but the pinned values: no key, no entry, no
 * notification; and after call_take_back none of the values. A handler that only replies need not
 * take back; one that takes back looks at its destination again, of which something else may have
 * become. What it replied before it is forgotten if it has to run again.
 *
 * call_take_back answers false if a key that the command reads (KEY_RO, KEY_RW) does not hold the
 * same value any more, unchanged: one that takes elements out can reply them first, and finds them
 * there still.
 *
 * What is not run aside however much it is: BLMPOP, BLMOVEM, BZMPOP and XTRIM; what takes out or
 * puts in as many as it has arguments (XCLAIM too); XREAD and XREADGROUP with BLOCK; commands on
 * the whole keyspace (KEYS, SORT with patterns that look at other keys) and DEBUG; and all within
 * what may not wait.
 *
 * One thread runs them one after the other. A client's order of commands stays, since it waits; the
 * effect of a command is logged when it is done, under the shards of its keys.
 */
#ifndef SPILLWAY_ENGINE_ASIDE_H
#define SPILLWAY_ENGINE_ASIDE_H

#include "engine/call.h"

#define ASIDE_ELEMENTS 10000 /* from so many on a command runs aside: about a millisecond */
#define ASIDE_CHANCE   4     /* elements that one of few which chance chooses counts as */

struct aside;

/* Once, when all lanes of workers are there: server->lane_count is set. The thread is begun by the
 * first command that needs it. NULL in server->aside (tests): nothing runs aside. */
struct aside *aside_new(struct server *server);
/* Waits for the command that runs now, at most so long; what waits is dropped. Lanes must not be
 * freed before. */
void aside_stop(struct aside *aside, uint32_t timeout_ms);
/* After aside_stop, of a server whose clients are gone. */
void aside_free(struct aside *aside);

bool call_aside_slow(struct call *call);
void call_let_go_slow(struct call *call, const struct value *values, uint32_t count);
NODISCARD bool call_take_back_slow(struct call *call);

ALWAYS_INLINE bool call_aside(struct call *call, uint64_t elements)
{
    return UNLIKELY(elements >= RELAXED_LOAD(&call->server->aside_from)) && call_aside_slow(call);
}

/* What to tell call_aside of so many elements chosen by chance among `all`: where few are, each
 * misses the caches some times, which those of a walk do not. */
ALWAYS_INLINE uint64_t aside_chosen(uint64_t count, uint64_t all)
{
    return count < all / ASIDE_CHANCE ? count * ASIDE_CHANCE : count;
}

/* `values`, read from entries under the call's hold, are pinned; the hold is dropped. With more
 * than PINS_MAX of them it is kept. */
ALWAYS_INLINE void call_let_go(struct call *call, const struct value *values, uint32_t count)
{
    if (UNLIKELY(call->aside))
        call_let_go_slow(call, values, count);
}

/* The same shards are held again; whatever was found in them before may be gone. False: nothing is
 * held; the handler does nothing more and will run again. */
ALWAYS_INLINE NODISCARD bool call_take_back(struct call *call)
{
    return LIKELY(!call->aside) || call_take_back_slow(call);
}

#endif
