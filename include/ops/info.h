/* info.h - INFO's text, and setting its counters back to zero. */
#ifndef SPILLWAY_OPS_INFO_H
#define SPILLWAY_OPS_INFO_H

#include "engine/lane.h"
#include "engine/server.h"

/* CONFIG RESETSTAT: what INFO counts from here on starts at zero. Lanes go on counting; what they
 * have counted so far is remembered and taken off. Any thread. */
void stats_reset(struct server *server);

/* Appends the sections named (as INFO's arguments; count 0 = the default ones) to out. The hold has
 * everything set but its mask, which must be 0: shards are taken one at a time for the key counts.
 * On a lane, or any thread with a hold of its own. */
void info_append(struct server *server, struct hold *hold, const struct slice *sections,
                 size_t count, struct bytes *out);

#endif
