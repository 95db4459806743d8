/* block.h - commands that wait for a key: what their handlers call, and how they are woken.
 *
 * A handler that finds nothing to answer asks call_may_block, and if it may calls call_block, says
 * nothing else and returns. Its client then runs nothing more until it is answered:
 *
 *   - something happened to one of the keys that may be what it waits for: the handler runs again,
 *     with the same arguments, perhaps on another lane (call->lane is that one's; call->client a
 *     stand-in that has the client's id, flags, dialect, database and names). It replies, or calls
 *     call_block again: then it waits on, in its place in the queue. Its effect is logged right
 *     behind the one of the command that woke it;
 *   - its time is over: a null array is replied for it;
 *   - CLIENT UNBLOCK ends it, or the client goes away.
 *
 * So a handler is written as if it were run once, looks at all of its keys each time, and keeps no
 * state. Those who wait for a key are served in the order in which they began to wait for it.
 */
#ifndef SPILLWAY_ENGINE_BLOCK_H
#define SPILLWAY_ENGINE_BLOCK_H

#include "engine/call.h"

#define BLOCK_FOR_EVER 0

struct block_options {
    enum value_type type; /* woken when a key holds this */
    bool on_removal;      /* and when it is removed, or replaced by whatever (XREADGROUP) */
    bool moves;           /* serving it may fill the last of its declared keys (BLMOVE) */
    uint32_t keys;        /* it waits for the first so many of its declared keys; 0 = all of them */
    uint64_t until_us;    /* as call_block_until gave it, or BLOCK_FOR_EVER */
    /* Runs again with these instead of call->argv: as many, keys in the same places. Copied. NULL:
     * those of the call (XREAD puts the present last id for "$"). */
    const struct slice *argv;
};

/* False where nothing may wait: while loading, in transactions and scripts. The handler then
 * replies what it would reply at the end of its time. */
ALWAYS_INLINE bool call_may_block(const struct call *call)
{
    return !(call->client->flags & (CLIENT_INTERNAL | CLIENT_DENY_BLOCKING));
}

/* The call's keys are held, call_may_block, nothing was replied. Takes copies. */
void call_block(struct call *call, const struct block_options *options);

/* Reads a timeout, in seconds with a fraction or in whole milliseconds, to the moment at which it
 * is over (monotonic microseconds), or BLOCK_FOR_EVER for 0. False after replying the
 * error. */
bool call_block_until(struct call *call, struct slice timeout, bool milliseconds,
                      uint64_t *until_us);

/* A value that was changed in place may be what somebody waits for: XADD, after its change. (Keys
 * that come into being, are replaced or go are noticed by the keyspace.) */
void call_ready(struct call *call, const struct key *key);

/* For a command that holds shards of its own choice (EXEC): takes those too that serving whoever
 * waits for keys of these hashes will need, so that nobody comes between what it brings and them.
 * The first thing its handler does, for the hold may be dropped and taken anew. For declared keys
 * the dispatcher does it. */
void call_widen(struct call *call, const uint64_t *key_hashes, uint32_t count);

/* ---- for the CLIENT family; any thread, holding no shard ---- */

/* Ends the waiting of the client as if its time were over, or with an error. False: no such client,
 * or it is not blocked (any more). */
bool block_end(struct server *server, struct lane *lane, uint64_t client_id, bool with_error);
/* Bytes that are kept for a blocked client, 0 for others. Its lane's registry lock is held, or the
 * caller is the owner. */
size_t block_memory(const struct client *client);
/* It has its answer, though its owner has yet to hear of it (CLIENT_BLOCKED). As above. */
bool block_is_answered(const struct client *client);

/* ---- for net/; the owner of a blocked client ---- */

/* Whoever serves the client may send it the answer itself, by lane->send_directly, on whatever
 * thread: all that it was to be sent before is with its connection, which needs no more for sending
 * (encryption would). Until it is answered, nothing else is sent to it without block_take_back. */
void block_allow_direct(struct client *client);
/* Something else is to be sent to the client now (messages it subscribed to, invalidations). From
 * now on nobody but the owner sends to it. Returns what has to be sent before, the rest of an
 * answer of which the beginning is sent, for the caller to empty; or NULL. May wait for another
 * thread's send. For clients that are not blocked it does nothing. */
struct reply_buffer *block_take_back(struct client *client);

#endif
