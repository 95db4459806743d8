/* geo.h - what the files of the geo family share, and their handlers, for its rows. */
#ifndef SPILLWAY_COMMANDS_GEO_H
#define SPILLWAY_COMMANDS_GEO_H

#include "engine/call.h"
#include "value/geo.h"

/* Longitude and latitude at two arguments; false after replying that they are none, or out of
 * bounds. */
bool geo_read_point(struct call *call, uint32_t at, struct geo_point *out);
/* The metres of a unit; false after replying that it is none. */
bool geo_read_unit(struct call *call, uint32_t at, double *metres);
/* The point of a member; false: it is not in the sorted set. */
bool geo_point_of(struct value z, struct slice member, struct geo_point *out);
void geo_reply_point(struct call *call, struct geo_point p);
void geo_reply_distance(struct call *call, double distance); /* with four decimals */

/* geo_search.c */
void geo_georadius(struct call *call);
void geo_georadius_ro(struct call *call);
void geo_georadiusbymember(struct call *call);
void geo_georadiusbymember_ro(struct call *call);
void geo_geosearch(struct call *call);
void geo_geosearchstore(struct call *call);
/* A command_keys_fn: the sorted set, and what stands behind STORE and STOREDIST. */
int geo_radius_keys(uint32_t argc, const struct slice *argv, uint32_t *positions, uint16_t *flags,
                    uint32_t max);

#endif
