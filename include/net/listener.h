/* listener.h - the front thread: listening sockets, handing out connections, signals. Private to
 * net/.
 *
 * Its own thread, so that a storm of connections or a slow command costs nobody else, a signal is
 * taken while workers are busy, and CONFIG SET on a worker can wait for sockets to be reopened.
 */
#ifndef SPILLWAY_NET_LISTENER_H
#define SPILLWAY_NET_LISTENER_H

#include "net/net.h"
#include "net/worker.h"

struct front;

int front_new(struct net *net, const struct net_options *options, struct front **out) NODISCARD;
int front_bind(struct front *front) NODISCARD; /* before front_start */
int front_start(struct front *front) NODISCARD;
int front_rebind(struct front *front) NODISCARD; /* any thread but the front's */
void front_close(struct front *front);           /* stop accepting; any thread but the front's */
void front_free(struct front *front);            /* joins the thread if it runs */

#endif
