/* health.h - probes and metrics over HTTP, on threads that nothing else can hold up.
 *
 *      GET /livez                   200 if every worker turns
 *      GET /startupz                200 once the data is loaded
 *      GET /readyz?exclude=disk     200 if commands are served; exclude: whatever the disk does
 *      GET /metrics                 Prometheus text
 *
 * Bodies are plain text that says why. It knows nothing of the server but the functions it is
 * handed.
 */
#ifndef SPILLWAY_OPS_HEALTH_H
#define SPILLWAY_OPS_HEALTH_H

#include "base/bytes.h"

struct health;

/* Called on a thread of health's; may take a second, never wait for the disk. Each appends why
 * (a line or more) and returns whether all is well. */
struct health_parts {
    void *ctx;
    bool (*live)(void *ctx, struct bytes *why);
    bool (*started)(void *ctx, struct bytes *why);
    bool (*ready)(void *ctx, bool exclude_disk, struct bytes *why);
    void (*metrics)(void *ctx, struct bytes *out);
};

/* Listens on each address of `bind` (blank separated, IPv4 or IPv6, "*" = all); port 0 = any
 * free one. NULL if it could listen on none; each that failed is a warning in the log. */
struct health *health_start(const char *bind, uint16_t port, const struct health_parts *parts);
void health_stop(struct health *h);           /* NULL allowed; waits for running requests */
uint16_t health_port(const struct health *h); /* of the first address */

#endif
