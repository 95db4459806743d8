/* hash.h - handlers of the hash family that are kept in files of their own, for its rows, and what
 * they share: finding a hash, and changing one.
 */
#ifndef SPILLWAY_COMMANDS_HASH_H
#define SPILLWAY_COMMANDS_HASH_H

#include "engine/call.h"
#include "value/hash.h"

ALWAYS_INLINE const struct value_limits *hash_limits_of(const struct call *call)
{
    return &keyspace_options(call->hold.keyspace)->limits;
}

/* What the command takes for the time, to functions of value/hash.h: fields past it are not seen;
 * all are while loading, where the log says which went, and by the source of an import. */
ALWAYS_INLINE int64_t hash_now(const struct call *call)
{
    return call->hold.flags & (HOLD_LOADING | HOLD_SOURCE) ? HASH_SEE_ALL : call->hold.now_ms;
}

/* The hash under a key: false after replying WRONGTYPE. *entry NULL = absent. Some fields that are
 * past their expiry are removed first, mostly all of them. */
bool hash_find(struct call *call, const struct key *key, unsigned how, struct entry **entry);

/* Arguments that name fields: argv[at], argv[at + step] ..., `count` of them. */
struct hash_names {
    uint32_t at, count, step;
};
/* After hash_find, for a command that is about to change fields: of those it names, what is past
 * its expiry is removed, so that what is there is seen. *entry may be NULL, or become so. */
void hash_remove_past(struct call *call, const struct key *key, const struct hash_names *names,
                      struct entry **entry);
/* Both. */
bool hash_find_to_change(struct call *call, const struct key *key, const struct hash_names *names,
                         struct entry **entry);

/* A hash that is being changed: its value, to be changed between hash_begin and hash_end. */
struct hash_edit {
    struct value value;
    struct entry *entry; /* NULL: a new one */
    int64_t due_ms;      /* of the value as it was */
};
struct hash_edit hash_begin(struct call *call, const struct key *key, struct entry *entry);
/* Files it under its key; without fields, the key goes and "del" is notified. */
void hash_end(struct call *call, const struct key *key, struct hash_edit *edit);

/* Sets one field of the hash under the key (entry NULL = a new one), which keeps its expiry, and
 * counts and notifies it as `event`. */
void hash_put(struct call *call, const struct key *key, struct entry *entry, struct slice field,
              struct slice value, const char *event);

/* What is logged instead of the command: HPEXPIREAT, or, with HASH_NO_EXPIRY, HPERSIST of fields;
 * HDEL of fields. Nothing, if count is 0. */
void hash_effect_expire(struct call *call, struct slice key, int64_t expire_ms,
                        const struct slice *names, uint32_t count);
void hash_effect_delete(struct call *call, struct slice key, const struct slice *names,
                        uint32_t count);

/* hash_number.c */
void hash_hincrby(struct call *call);
void hash_hincrbyfloat(struct call *call);

/* hash_walk.c */
void hash_hgetall(struct call *call);
void hash_hkeys(struct call *call);
void hash_hvals(struct call *call);
void hash_hrandfield(struct call *call);
void hash_hscan(struct call *call);

/* hash_expire.c */
/* A time of a field at an argument as an absolute one in ms, from 0 on; false after replying what
 * is wrong with it. */
bool hash_read_time(struct call *call, uint32_t at, bool seconds, bool absolute, int64_t *when_ms);
/* FIELDS, a count and as many names as arguments from `at` on to the last. False after replying
 * what is wrong; count_error: with the count. */
bool hash_read_names(struct call *call, uint32_t at, const char *count_error,
                     struct hash_names *names);
#define HASH_COUNT_ERROR "ERR Number of fields must be a positive integer"
void hash_hexpire(struct call *call);
void hash_hexpireat(struct call *call);
void hash_hpexpire(struct call *call);
void hash_hpexpireat(struct call *call);
void hash_httl(struct call *call);
void hash_hpttl(struct call *call);
void hash_hexpiretime(struct call *call);
void hash_hpexpiretime(struct call *call);
void hash_hpersist(struct call *call);

/* hash_extended.c */
void hash_hgetdel(struct call *call);
void hash_hgetex(struct call *call);
void hash_hsetex(struct call *call);

#endif
