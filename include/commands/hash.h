/* hash.h - handlers of the hash family that are kept in files of their own, for its rows, and what
 * they share.
 */
#ifndef SPILLWAY_COMMANDS_HASH_H
#define SPILLWAY_COMMANDS_HASH_H

#include "engine/call.h"
#include "value/hash.h"

ALWAYS_INLINE const struct value_limits *hash_limits_of(const struct call *call)
{
    return &keyspace_options(call->hold.keyspace)->limits;
}

/* The hash under a key: false after replying WRONGTYPE. *entry NULL = absent. */
ALWAYS_INLINE bool hash_find(struct call *call, const struct key *key, unsigned how,
                             struct entry **entry)
{
    return call_find_value(call, key, how, TYPE_HASH, entry);
}

/* Sets one field of the hash under the key (entry NULL = a new one) and counts and notifies it as
 * `event`. True: the field is new. */
bool hash_put(struct call *call, const struct key *key, struct entry *entry, struct slice field,
              struct slice value, const char *event);

/* hash_number.c */
void hash_hincrby(struct call *call);
void hash_hincrbyfloat(struct call *call);

/* hash_walk.c */
void hash_hgetall(struct call *call);
void hash_hkeys(struct call *call);
void hash_hvals(struct call *call);
void hash_hrandfield(struct call *call);
void hash_hscan(struct call *call);

#endif
