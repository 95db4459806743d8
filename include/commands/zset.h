/* zset.h - what the files of the sorted-set family share, and their handlers, for its rows. */
#ifndef SPILLWAY_COMMANDS_ZSET_H
#define SPILLWAY_COMMANDS_ZSET_H

#include "engine/call.h"
#include "value/zset.h"

ALWAYS_INLINE const struct value_limits *zset_limits_of(const struct call *call)
{
    return &keyspace_options(call->hold.keyspace)->limits;
}

/* The sorted set under a key: false after replying WRONGTYPE. *entry NULL = absent. */
ALWAYS_INLINE bool zset_find(struct call *call, const struct key *key, unsigned how,
                             struct entry **entry)
{
    return call_find_value(call, key, how, TYPE_ZSET, entry);
}

/* ---- zset.c ---- */

/* To be called after members were taken from the value by `event`: counts the changes, notifies,
 * and files the value, or removes its key if it is empty now. */
void zset_shrunk(struct call *call, const struct key *key, struct entry *entry, struct value z,
                 size_t removed, const char *event);
/* Files a result under a key in place of what is there, or removes the key if the result is empty
 * (which is freed then); notifies, and replies the count. */
void zset_store(struct call *call, const struct key *key, struct value z, const char *event);

/* A part of a sorted set, by rank. */
struct zset_part {
    size_t first, count;
    bool reverse; /* in which order it is wanted: from the last on */
};
/* Takes a part that is not empty out of `z`, the value of an entry: counts the changes, notifies,
 * and removes the key if nothing is left. To be called between call_let_go and call_take_back: it
 * calls the latter. False: it was too late, and the command runs again. */
bool zset_cut(struct call *call, const struct key *key, struct entry *entry, struct value z,
              const struct zset_part *part, const char *event);
enum zset_shape { ZSET_MEMBERS, ZSET_FLAT, ZSET_PAIRS }; /* pairs: arrays of two */
/* How members with scores are replied by commands that have pairs in RESP3 only. */
ALWAYS_INLINE enum zset_shape zset_shape_of(const struct call *call)
{
    return call->reply->resp3 ? ZSET_PAIRS : ZSET_FLAT;
}
void zset_reply_part(struct call *call, struct value z, const struct zset_part *part,
                     enum zset_shape shape);
void zset_reply_item(struct call *call, struct slice member, double score, enum zset_shape shape);
/* The announcement of as many of them. */
void zset_reply_count(struct call *call, size_t count, enum zset_shape shape);

void zset_zadd(struct call *call);
void zset_zincrby(struct call *call);
void zset_zrem(struct call *call);
void zset_zcard(struct call *call);
void zset_zscore(struct call *call);
void zset_zmscore(struct call *call);
void zset_zrank(struct call *call);
void zset_zrevrank(struct call *call);

/* ---- zset_range.c ---- */

void zset_zrange(struct call *call);
void zset_zrevrange(struct call *call);
void zset_zrangebyscore(struct call *call);
void zset_zrevrangebyscore(struct call *call);
void zset_zrangebylex(struct call *call);
void zset_zrevrangebylex(struct call *call);
void zset_zrangestore(struct call *call);
void zset_zcount(struct call *call);
void zset_zlexcount(struct call *call);
void zset_zremrangebyrank(struct call *call);
void zset_zremrangebyscore(struct call *call);
void zset_zremrangebylex(struct call *call);

/* ---- zset_pop.c ---- */

/* Takes up to `count` members and replies them. How many there were; 0: it ran aside, and runs
 * again. */
size_t zset_pop(struct call *call, const struct key *key, struct entry *entry, uint64_t count,
                bool highest, enum zset_shape shape);
/* What ZMPOP takes: from the first of so many keys, from which argument on. */
struct zset_mpop {
    uint32_t first_key, keys;
    bool highest;
    bool aside; /* large counts: not for what may wait for a key, which must not do so there */
    int64_t count;
};
/* From the argument that is the number of keys on; false after replying the error. */
bool zset_read_mpop(struct call *call, uint32_t at, struct zset_mpop *out);
/* Takes the members and replies them, or an error. False: there is none, and nothing was
 * replied. */
bool zset_mpop(struct call *call, const struct zset_mpop *what);
void zset_zpopmin(struct call *call);
void zset_zpopmax(struct call *call);
void zset_zmpop(struct call *call);
void zset_zrandmember(struct call *call);

/* ---- zset_block.c ---- */

void zset_bzpopmin(struct call *call);
void zset_bzpopmax(struct call *call);
void zset_bzmpop(struct call *call);

/* ---- zset_combine.c ---- */

void zset_zunion(struct call *call);
void zset_zinter(struct call *call);
void zset_zdiff(struct call *call);
void zset_zunionstore(struct call *call);
void zset_zinterstore(struct call *call);
void zset_zdiffstore(struct call *call);
void zset_zintercard(struct call *call);

/* ---- zset_scan.c ---- */

void zset_zscan(struct call *call);

#endif
