/* list.h - handlers of the list family that are kept in files of their own, for its rows, and what
 * they share.
 */
#ifndef SPILLWAY_COMMANDS_LIST_H
#define SPILLWAY_COMMANDS_LIST_H

#include "engine/call.h"
#include "value/list.h"

ALWAYS_INLINE const struct value_limits *list_limits_of(const struct call *call)
{
    return &keyspace_options(call->hold.keyspace)->limits;
}

/* The list under a key: false after replying WRONGTYPE. *entry NULL = absent. */
ALWAYS_INLINE bool list_find(struct call *call, const struct key *key, unsigned how,
                             struct entry **entry)
{
    return call_find_value(call, key, how, TYPE_LIST, entry);
}

/* LEFT or RIGHT at an argument; false after replying a syntax error. */
bool list_read_end(struct call *call, uint32_t at, bool *front);
/* Adds values at an end of the list under the key (entry NULL = a new one), and notifies. Returns
 * the list's length. */
size_t list_push_values(struct call *call, const struct key *key, struct entry *entry,
                        const struct slice *values, size_t count, bool front);
/* Replies `count` elements, which are there, from the first on; backwards: from the last on. */
void list_reply_end(struct call *call, struct value list, size_t count, bool front);
/* To be called after `removed` elements were taken from the list by `event`: counts the changes,
 * notifies, and files the list, or removes its key if it is empty now. */
void list_shrunk(struct call *call, const struct key *key, struct entry *entry, struct value list,
                 size_t removed, const char *event);

/* list_move.c */
void list_lmove(struct call *call);
void list_rpoplpush(struct call *call);
void list_lmpop(struct call *call);

/* list_pos.c */
void list_lpos(struct call *call);

#endif
