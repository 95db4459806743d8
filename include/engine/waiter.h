/* waiter.h - a client that waits for keys, as its lane and those that serve it see it. Private to
 * engine/; the design is in block.c.
 */
#ifndef SPILLWAY_ENGINE_WAITER_H
#define SPILLWAY_ENGINE_WAITER_H

#include "engine/block.h"
#include "keyspace/wait.h"

enum waiter_state {
    WAITER_WAITING,
    WAITER_CLAIMED, /* whoever made it so decides how it ends, or lets it wait on */
    WAITER_SENDING, /* claimed, and its reply is being sent: client and socket have to stay */
    WAITER_SENT,    /* that is over; the message to the owner follows */
    WAITER_ORPHANED /* claimed, and its client has gone away */
};
/* Beside the first two: whoever serves it may send the reply (block_allow_direct). */
#define WAITER_DIRECT 0x100u

enum waiter_outcome { /* why it does not wait any more */
                      OUTCOME_SERVED,
                      OUTCOME_SENT, /* served, and all of the reply is sent */
                      OUTCOME_TIMEOUT,
                      OUTCOME_ERROR
};

struct waiter {
    uint32_t state;        /* atomic: enum waiter_state, WAITER_DIRECT */
    struct lane *lane;     /* set once: the owner's */
    struct client *client; /* owner; others while SENDING. NULL: it is gone */
    uint64_t until_us;     /* owner; 0 = for ever */
    uint32_t due_at;       /* owner: place in the lane's heap of timeouts */

    /* Set once. */
    uint64_t client_id;
    uint32_t client_flags;
    uint32_t db;
    bool resp3, muted;
    const struct command *command, *parent;
    uint32_t index; /* of the row */
    uint32_t argc, key_count;
    struct slice *argv;
    uint32_t *key_at;
    uint64_t *key_hash;
    char *client_name, *client_user; /* NULL = none */
    size_t size;                     /* bytes of all of it */
    char peer[64];
    uint64_t shards; /* of all declared keys */
    enum value_type type;
    bool on_removal;

    /* Whoever claimed it writes these, then posts the message to the owner. */
    struct lane_message message;
    enum waiter_outcome outcome;
    struct reply_buffer reply;  /* what of it is not sent yet */
    uint64_t log_gate;          /* what the reply depends on */
    uint64_t sent;              /* bytes of the reply that were sent directly */
    struct waiter *next_served; /* in the list of the lane that served it */

    uint32_t node_count;
    struct wait_node nodes[]; /* shards' locks */
};

/* What a lane keeps for all of this. */
struct blocking {
    struct bytes ready, spare; /* struct ready_key with its name, one after the other */
    struct waiter **due;       /* heap: a waiter is not due before the one at (i - 1) / 2 */
    uint32_t due_count, due_cap;
    struct waiter *served, *last_served; /* list: other lanes', to be told when no shard is held */
    uint32_t served_count;
    struct client stand_in; /* of the client whose command is being run again */
};

/* ---- block.c ---- */

struct blocking *blocking_new(void);
void blocking_free(struct blocking *b);
/* Ends those whose time is over. On the owner's lane, holding nothing. */
void block_timeouts(struct lane *lane);
ALWAYS_INLINE enum waiter_state waiter_state(const struct waiter *w)
{
    return (enum waiter_state)(__atomic_load_n(&w->state, __ATOMIC_ACQUIRE) & ~WAITER_DIRECT);
}
/* WAITER_DIRECT stays as it is. */
ALWAYS_INLINE bool waiter_move(struct waiter *w, enum waiter_state from, enum waiter_state to)
{
    uint32_t seen = RELAXED_LOAD(&w->state);
    do
        if ((seen & ~WAITER_DIRECT) != from)
            return false;
    while (!__atomic_compare_exchange_n(&w->state, &seen, to | (seen & WAITER_DIRECT), true,
                                        __ATOMIC_ACQ_REL, __ATOMIC_RELAXED));
    return true;
}
ALWAYS_INLINE bool waiter_is_orphan(const struct waiter *w)
{
    return waiter_state(w) == WAITER_ORPHANED;
}
/* What is left of a call that is answered later, with room for so many nodes; the client is told to
 * wait. On the client's lane. */
struct waiter *waiter_begin(struct call *call, const struct block_options *options, uint32_t nodes,
                            enum waiter_state state);
void waiter_free(struct waiter *w);                            /* the owner; in no queue */
void waiter_leave_queues(struct waiter *w, struct hold *hold); /* w->shards are held */
/* Claimed: it will not wait any more. Once, by who claimed it. */
void waiter_ended(struct waiter *w);
/* ... and its lane is to answer the client with what is not sent yet. `from`: the lane this runs
 * on. The waiter is the owner's from now on. */
void waiter_post(struct waiter *w, struct lane *from, enum waiter_outcome outcome);

/* ---- block_due.c: the lane's heap of timeouts ---- */

void due_add(struct lane *lane, struct waiter *w);
void due_remove(struct lane *lane, struct waiter *w); /* does nothing without a timeout */
void due_put_off(struct lane *lane, struct waiter *w, uint64_t until_us);
struct waiter *due_first(const struct lane *lane); /* NULL: none */

/* ---- block_serve.c ---- */

/* Runs the call of a waiter that was claimed, under all of its shards, on whatever lane; the reply
 * and the effect go to w->reply and the log. *call is how it ended: zeroed before but for `aside`.
 * What the handler did to its hold is done to *hold. */
void waiter_run(struct waiter *w, struct lane *lane, struct hold *hold, struct call *call);
/* The keyspace's hook: notes the key for block_serve. */
void block_key_is_ready(struct lane *lane, const struct key *key);
/* Serves whoever waits for what became ready, and for what that made ready, until nothing is. The
 * hold may be dropped and taken with more shards meanwhile; it may be empty. If clients of other
 * lanes were served it is dropped in the end, and their replies are sent or are on their way. */
void block_serve(struct lane *lane, struct hold *hold);

#endif
