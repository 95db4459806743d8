/* probes.h - what the HTTP probes and metrics (ops/health.h) say of this server. */
#ifndef SPILLWAY_OPS_PROBES_H
#define SPILLWAY_OPS_PROBES_H

#include "engine/server.h"

struct probes;

/* Starts the HTTP threads if there is an http-port. Lanes must have been built. */
struct probes *probes_start(struct server *server);
/* Before lanes and guard are torn down. A worker that never turned again is left its heartbeat. */
void probes_stop(struct probes *probes);

#endif
