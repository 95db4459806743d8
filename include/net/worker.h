/* worker.h - one thread, one loop, one lane. Private to net/.
 *
 * A turn of the loop: wait for events; on the first of them the lane's clocks are read; each ready
 * connection is read and its commands run; then the check handle ends the turn: the replies are
 * sent, one connection after the other, and the lane has its tick. Clients that read their replies
 * while others are still being read would go to sleep and be woken between any two of them. A timer
 * turns an idle loop every TICK_MS, a quiet one every TICK_QUIET_MS, so that background slices and
 * idle timeouts run without traffic.
 */
#ifndef SPILLWAY_NET_WORKER_H
#define SPILLWAY_NET_WORKER_H

#include <uv.h>
#include "engine/lane.h"

#define WORKER_READ_BUFFER   (64 * 1024) /* bytes; one per worker, shared by its connections */
#define WORKER_TICK_MS       10
#define WORKER_TICK_QUIET_MS 100

#define WORKER_PARKED 64 /* connections whose replies wait for the end of the turn */

struct session;
struct front;

/* Replies that are sent at the end of the turn. */
struct parked {
    struct session *session; /* NULL: it was closed meanwhile */
    struct reply_buffer reply;
};

struct worker {
    struct lane lane;        /* first: aligned to cache lines */
    bool in_turn;            /* the clocks were read since the loop woke */
    bool stopping;           /* sessions are closed as soon as their outboxes are empty */
    bool quiet;              /* the timer ticks slowly */
    bool more;               /* lane_tick wants to be called again soon */
    uint32_t idle_ticks;     /* timer calls since the last event of a connection */
    struct session *feeding; /* whose commands are being run; else NULL */
    struct session *ready;   /* list of those that became ready meanwhile */
    struct session *gated;   /* list of those whose outbox waits for the log */
    struct client *sweep;    /* where the walk for timeouts and limits goes on */
    uint64_t outbox_bytes;   /* of all sessions */
    uint64_t stop_by_us;     /* stopping: what is open then is closed anyway */
    uint32_t sessions; /* atomic; the front adds (when handing one over), the owner subtracts */
    uint32_t gates;    /* atomic: gated is not empty */
    uint32_t durable_moved; /* atomic: look at `gated` */
    struct net *net;
    uv_loop_t loop;
    uv_async_t async;
    uv_check_t check;
    uv_idle_t idle;
    uv_timer_t timer;
    uv_timer_t deadline;
    uint64_t deadline_us; /* what it is set to, of lane->timeout_us */
    uv_thread_t thread;
    bool started;
    char *read_buffer;
    uint32_t parked_count;
    struct parked parked[WORKER_PARKED];
};

/* The whole network side; reached from any lane by net_of. */
struct net {
    struct server *server;
    struct front *front;
    uint64_t (*durable)(const struct server *server); /* set once */
    uv_sem_t wake;
    uint32_t clients; /* atomic: connections handed out and not closed; compared with maxclients */
    bool stopped;
};

ALWAYS_INLINE struct worker *worker_of(const struct lane *lane)
{
    return lane->loop;
}

struct net *net_of(const struct server *server); /* NULL without lanes */

/* Creates the loop and the lane; the thread is not running. Returns 0 or a negative errno. */
int worker_new(struct net *net, unsigned index, struct worker **out) NODISCARD;
int worker_start(struct worker *worker) NODISCARD;
void worker_stop(struct worker *worker, uint32_t timeout_ms); /* asks; any thread but its own */
void worker_join(struct worker *worker);
void worker_free(struct worker *worker); /* not running */
/* First thing in every callback of a connection: the clocks, once a turn. */
void worker_begin_turn_slow(struct worker *worker);

ALWAYS_INLINE void worker_begin_turn(struct worker *worker)
{
    if (!worker->in_turn)
        worker_begin_turn_slow(worker);
}

#endif
