/* hooks.h - what the keyspace tells the engine: keys that expired or were evicted, changes during a
 * pass. */
#ifndef SPILLWAY_ENGINE_HOOKS_H
#define SPILLWAY_ENGINE_HOOKS_H

#include "engine/server.h"

/* Sets the keyspace's hooks for this server: removals are logged as DEL and told to notify; a
 * snapshot pass sees changes first. Once, before workers start; server->keyspace, plog and persist
 * are set (persist may be NULL). */
void hooks_install(struct server *server);

#endif
