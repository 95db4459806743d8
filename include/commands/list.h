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
/* The same after the list was changed: files and notifies. */
size_t list_pushed(struct call *call, const struct key *key, struct entry *entry, struct value list,
                   bool front);
/* Replies `count` elements, which are there, from the first on; backwards: from the last on. */
void list_reply_end(struct call *call, struct value list, size_t count, bool front);
/* Removes elements of a list that is being edited; what takes long to free another thread frees. */
void list_take_range(struct call *call, struct value *list, size_t index, size_t count);
/* To be called after `removed` elements were taken from the list by `event`: counts the changes,
 * notifies, and files the list, or removes its key if it is empty now. */
void list_shrunk(struct call *call, const struct key *key, struct entry *entry, struct value list,
                 size_t removed, const char *event);

/* After call_let_go: false as call_take_back. The entry of a list that was read is as it was, but it
 * may be elsewhere. */
bool list_take_back(struct call *call, const struct key *key, struct entry **entry);
/* Takes up to `wanted` elements (not 0) and replies them as an array; named: behind the key, in an
 * array of two. How many there were; 0: the command runs elsewhere or again. */
size_t list_pop_many(struct call *call, const struct key *key, struct entry *entry, uint64_t wanted,
                     bool front, bool named);
/* Takes one element and replies it. */
void list_pop_one(struct call *call, const struct key *key, struct entry *entry, bool front);

/* list_move.c */
/* Moves an element of the list at argument 1 to the one at argument 2 and replies it, or an error.
 * False: there is none, and nothing was replied. */
bool list_move(struct call *call, bool from_front, bool to_front);
/* What LMPOP takes: from the first of so many keys, from which argument on. */
struct list_mpop {
    uint32_t first_key, keys;
    bool front;
    int64_t count;
};
/* From the argument that is the number of keys on; false after replying the error. */
bool list_read_mpop(struct call *call, uint32_t at, struct list_mpop *out);
/* Takes the elements and replies them, or an error. False: there is none, and nothing was
 * replied. */
bool list_mpop(struct call *call, const struct list_mpop *what);
void list_lmove(struct call *call);
void list_rpoplpush(struct call *call);
void list_lmpop(struct call *call);

/* list_move_many.c */
void list_lmovem(struct call *call);
void list_blmovem(struct call *call);

/* list_block.c */
void list_blpop(struct call *call);
void list_brpop(struct call *call);
void list_blmove(struct call *call);
void list_brpoplpush(struct call *call);
void list_blmpop(struct call *call);

/* list_pos.c */
void list_lpos(struct call *call);

#endif
