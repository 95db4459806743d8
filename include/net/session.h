/* session.h - one connection: a socket, the engine's client, its unread input and unsent output.
 * Private to net/.
 */
#ifndef SPILLWAY_NET_SESSION_H
#define SPILLWAY_NET_SESSION_H

#include "net/outbox.h"
#include "net/worker.h"

/* What the front hands to a worker. */
struct handover {
    struct lane_message message;
    int descriptor; /* non-blocking */
    bool unix_socket;
    char peer[64], local[64];
};

struct session {
    uv_poll_t poll;
    struct worker *worker;
    int descriptor;
    uint8_t events; /* what is polled: UV_READABLE ... */
    bool stalled;   /* the engine stopped: `input` waits for client_ready */
    bool held;      /* `input` holds commands that wait for the outbox to be drained */
    bool throttled; /* not read until its outbox is drained */
    bool closing;   /* closed when the outbox is empty; nothing is run any more */
    bool ended;     /* the peer sends nothing more; closed when all that came has been run */
    bool hung_up;   /* the same, but there is more to be read */
    bool closed;
    bool impatient; /* its lane knows that `input` waits for the answer to a blocked command */
    bool in_ready, in_gated;
    uint8_t parked;     /* 1 + index of its replies in worker->parked; 0 = none */
    struct bytes input; /* kept bytes: an incomplete command, or what must not run yet */
    size_t wanted;      /* bytes that the incomplete command still needs, at least */
    struct outbox out;
    uint64_t soft_since_us; /* above the soft output limit since; 0 = is not */
    struct session *next_ready, *next_gated, *previous_gated;
    struct client client;
};

void session_take(struct lane *lane, struct lane_message *message); /* runs a handover */
/* lane->client_ready. */
void session_client_ready(struct lane *lane, struct client *client);
/* lane->send_directly. */
uint64_t session_send_directly(struct client *client, const struct reply_buffer *reply);
void session_run_ready(struct worker *worker); /* those that became ready during somebody's feed */
void session_run_gated(struct worker *worker); /* the log is durable further */
void session_send_parked(struct worker *worker); /* the replies of the turn */
/* Looks at the next few sessions for idle timeouts and output limits. */
void session_sweep(struct worker *worker, uint32_t count);
void session_stop_all(struct worker *worker, bool now); /* now: without waiting for outboxes */

#endif
