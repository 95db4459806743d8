/* set.h - handlers of the set family that are kept in files of their own, for its rows, and what
 * they share.
 */
#ifndef SPILLWAY_COMMANDS_SET_H
#define SPILLWAY_COMMANDS_SET_H

#include "engine/call.h"
#include "value/set.h"

ALWAYS_INLINE const struct value_limits *set_limits_of(const struct call *call)
{
    return &keyspace_options(call->hold.keyspace)->limits;
}

/* The set under a key: false after replying WRONGTYPE. *entry NULL = absent. */
ALWAYS_INLINE bool set_find(struct call *call, const struct key *key, unsigned how,
                            struct entry **entry)
{
    return call_find_value(call, key, how, TYPE_SET, entry);
}

/* A set_visit_fn: replies the member; ctx is a struct reply_buffer. */
bool set_reply_member(void *reply, struct slice member);
/* Replies all members of a set (RESP3: as a set). */
void set_reply_all(struct call *call, struct value set);
/* To be called after `removed` members, not 0, were taken from the set by `event`: counts the
 * changes, notifies, and files the set, or removes its key if it is empty now. */
void set_shrunk(struct call *call, const struct key *key, struct entry *entry, struct value set,
                size_t removed, const char *event);

/* set_random.c */
void set_spop(struct call *call);
void set_srandmember(struct call *call);

/* set_algebra.c */
void set_sinter(struct call *call);
void set_sintercard(struct call *call);
void set_sinterstore(struct call *call);
void set_sunion(struct call *call);
void set_sunionstore(struct call *call);
void set_sunioncard(struct call *call);
void set_sdiff(struct call *call);
void set_sdiffstore(struct call *call);
void set_sdiffcard(struct call *call);

#endif
