/* net.h - the network side of the server as main sees it: workers, listening sockets, signals.
 *
 *      thread     does
 *      worker-N   one loop, one lane, the connections that were handed to it, for their whole life
 *      front      accepts and hands out connections, opens and closes listening sockets, takes
 *                 signals
 *
 * Order of a start: net_new (lanes exist), whatever else needs lanes, net_start (sockets are bound,
 * threads run; commands answer LOADING as long as the server's phase says so), net_wait. Of a stop:
 * net_stop, then what writes to disk, then net_free. Threads are created, so daemonize before
 * net_new.
 */
#ifndef SPILLWAY_NET_NET_H
#define SPILLWAY_NET_NET_H

#include "engine/server.h"

#define NET_SIGNALS_MAX 8

struct net_options {
    int signals[NET_SIGNALS_MAX]; /* to catch; 0 = no more */
    /* Called on the front thread for each of them; must not block. */
    void (*on_signal)(struct server *server, int signal);
    /* Log offset up to which replies may go out; any worker. NULL = persist_durable's. */
    uint64_t (*durable)(const struct server *server);
};

/* Creates settings->io_threads workers, each with an initialised lane, and fills server->lanes and
 * lane_count. The registry, the keyspace and the settings must exist. Returns 0 or a negative errno
 * (logged). `options` may be NULL; it is copied. */
int net_new(struct server *server, const struct net_options *options) NODISCARD;
/* Raises the limit of open files for maxclients (or lowers maxclients to what is allowed), binds
 * all listening sockets and starts the threads. Returns 0 or a negative errno (logged); then
 * nothing runs, and only net_free may follow. SIGPIPE is ignored from now on. */
int net_start(struct server *server) NODISCARD;
/* Blocks the caller (main) until net_wake; a wake before the wait counts. */
void net_wait(struct server *server);
void net_wake(struct server *server); /* any thread, also from on_signal */
/* Stops accepting, runs no more input, sends what is in the outboxes for at most timeout_ms, closes
 * all connections, and joins the workers. The front thread goes on taking signals until net_free.
 * Not on a worker. */
void net_stop(struct server *server, uint32_t timeout_ms);
/* After net_stop, or if net_start failed or was not called. Frees the lanes. No other thread may
 * use them any more. */
void net_free(struct server *server);

/* `bind`, `port` or `tcp-backlog` have changed: closes the listening sockets of TCP and opens them
 * as the settings say now; connections stay. On failure the old ones are opened again and a
 * negative errno is returned (logged). Any thread, also a worker; blocks for some microseconds.
 * Other directives (maxclients, timeout, tcp-keepalive, protected-mode, max-new-connections-per-
 * cycle, the buffer limits) are read where they are used and need no call; net_maxclients checks
 * one. */
int net_rebind(struct server *server) NODISCARD;
/* Can so many clients be served within the limit of open files? Raises the limit if it may. Returns
 * the number that can. Any thread. */
int64_t net_maxclients(int64_t wanted);
/* persist_durable has moved: replies that waited for it are sent. For persist's durable_moved, with
 * the server as its ctx. Any thread. */
void net_durable_moved(void *server);

#endif
