/* stream.h - what the files of the stream family share, and their handlers, for its rows. */
#ifndef SPILLWAY_COMMANDS_STREAM_H
#define SPILLWAY_COMMANDS_STREAM_H

#include "engine/call.h"
#include "value/stream.h"

/* ---- stream.c ---- */

/* The stream under a key: false after replying WRONGTYPE. *entry NULL = absent. */
ALWAYS_INLINE bool stream_find(struct call *call, const struct key *key, unsigned how,
                               struct entry **entry)
{
    return call_find_value(call, key, how, TYPE_STREAM, entry);
}

/* The stream of an entry, to be changed: what a pass still needs of it is captured. A stream never
 * moves, so nothing needs filing afterwards. */
struct stream *stream_edit(struct call *call, const struct key *key, struct entry *entry);

/* An id as an argument: "ms" or "ms-seq"; false after replying that it is none. */
bool stream_read_id(struct call *call, struct slice text, uint64_t missing_seq,
                    struct stream_id *out);
/* The same, or "-" or "+". */
bool stream_read_id_or_end(struct call *call, struct slice text, uint64_t missing_seq,
                           struct stream_id *out);
/* The lower or upper bound of a range: also with "(" before it. False after replying an error. */
bool stream_read_bound(struct call *call, struct slice text, bool upper, struct stream_id *out);
/* All arguments from `at` on as ids, in *ids, to be given to stream_free_ids; false (and nothing to
 * free) after replying that one is none. */
#define STREAM_IDS_AT_ONCE 16
struct stream_ids {
    struct stream_id *items, room[STREAM_IDS_AT_ONCE];
    uint32_t count;
};
bool stream_read_ids(struct call *call, uint32_t at, struct stream_ids *out);
void stream_free_ids(struct stream_ids *ids);

void stream_reply_id(struct call *call, struct stream_id id);
/* [id, [field, value ...]]: the entry that the iterator yielded last. */
void stream_reply_entry(struct call *call, struct stream_iterator *it,
                        const struct stream_entry *entry);
/* Entries of a range as an array, `count` at most (0: all). How many there were. */
size_t stream_reply_range(struct call *call, const struct stream *s, struct stream_id from,
                          struct stream_id to, uint64_t count, bool reverse);

/* How many entries a range holds if they came evenly; for call_aside. */
uint64_t stream_likely_entries(const struct stream *s, struct stream_id from, struct stream_id to);

/* A group that a command is about. */
struct stream_of_group {
    struct key key;
    struct entry *entry; /* NULL: no such key */
    struct stream *stream;
    struct stream_group *group; /* NULL: no such group, or key */
};
/* Key and group are the arguments at `at` and behind it. False after replying WRONGTYPE. */
bool stream_find_group(struct call *call, uint32_t at, unsigned how, struct stream_of_group *out);
/* The same where both must be there. */
bool stream_need_group(struct call *call, uint32_t at, unsigned how, struct stream_of_group *out);

/* The consumer that reads or claims: created, with all that belongs to it, if it is not there. */
struct stream_consumer *stream_use_consumer(struct call *call, const struct stream_of_group *of,
                                            struct slice name);
/* What belongs to creating one, but for the log. */
void stream_tell_consumer(struct call *call, const struct key *key);
/* To be called for a pending entry that `c` was given just now. */
void stream_set_active(struct call *call, struct stream_consumer *c, int64_t delivered_ms);

/* One delivery more. */
void stream_count_delivery(struct stream_nack *nack);

/* Milliseconds since a time that a stream keeps: clocks of workers may differ a little, and times
 * that were loaded may be any, so never below 0, and not beyond what can be. */
ALWAYS_INLINE int64_t stream_ms_since(const struct call *call, int64_t then_ms)
{
    int64_t ms;
    if (__builtin_sub_overflow(call->hold.now_ms, then_ms, &ms))
        return then_ms < 0 ? INT64_MAX : 0;
    return MAX_OF(ms, 0);
}

/* What is logged of commands that read, claim and acknowledge: the state they led to, so that it
 * may be loaded any number of times. Each counts no change. */
void stream_log_consumer(struct call *call, const struct stream_of_group *of, struct slice name);
void stream_log_group_id(struct call *call, const struct stream_of_group *of,
                         struct stream_id last_id, int64_t entries_read);
/* Claims: in one XCLAIM all that follow each other with the same consumer, time and count. */
#define STREAM_CLAIMS_AT_ONCE 64
struct stream_claims {
    struct call *call; /* NULL: nothing is logged */
    const struct stream_of_group *of;
    const struct stream_id *last_id; /* of the group: read when they are logged */
    const struct stream_consumer *consumer;
    int64_t delivered_ms;
    uint64_t deliveries;
    uint32_t count;
    struct stream_id ids[STREAM_CLAIMS_AT_ONCE];
};
void stream_claims_begin(struct stream_claims *claims, struct call *call,
                         const struct stream_of_group *of, const struct stream_id *last_id);
void stream_claims_add_slow(struct stream_claims *claims, const struct stream_nack *nack);
void stream_claims_end(struct stream_claims *claims); /* before anything else is logged */
ALWAYS_INLINE void stream_claims_add(struct stream_claims *claims, const struct stream_nack *nack)
{
    if (claims->call != NULL)
        stream_claims_add_slow(claims, nack);
}
/* XACK of an id, XDEL of several. */
void stream_log_ack(struct call *call, struct slice key, struct slice group, struct stream_id id);
void stream_log_delete(struct call *call, struct slice key, const struct stream_id *ids,
                       size_t count);

/* Pending entries that are changed while the stream is pinned and no shard is held: those of a copy
 * of the group, which takes the group's place. */
struct stream_apart {
    struct stream *copy;
    bool logged; /* what is done to it */
};
/* Whether so many changes, of entries here and there, are worth a copy of the group. */
bool stream_worth_copying(const struct stream_group *g, uint64_t changes);
/* From here on of->group is the copy; without a consumer, unless NULL. Consumers may be created in
 * it, and changes counted. */
void stream_apart_begin(struct call *call, struct stream_of_group *of,
                        const struct stream_consumer *without, struct stream_apart *apart);
enum stream_apart_end {
    STREAM_APART_DONE, /* the shards are held again, and the copy is in its place */
    STREAM_APART_VOID, /* the call runs again; nothing is held */
    STREAM_APART_AGAIN /* do it at once: the shards are held, nothing is changed, of is as it was,
                          the log has begun meanwhile */
};
enum stream_apart_end stream_apart_end(struct call *call, struct stream_of_group *of,
                                       struct stream_apart *apart) NODISCARD;
/* The entry of a stream that was pinned, when its shard is held again: it is there. */
struct entry *stream_entry_again(struct call *call, const struct key *key);

/* "unknown subcommand or wrong number of arguments", of a container's subcommand. */
void stream_wrong_subcommand(struct call *call);

void stream_xlen(struct call *call);
void stream_xrange(struct call *call);
void stream_xrevrange(struct call *call);
void stream_xsetid(struct call *call);

/* ---- stream_add.c ---- */

void stream_xadd(struct call *call);
void stream_xtrim(struct call *call);

/* ---- stream_delete.c ---- */

/* KEEPREF, DELREF or ACKED; false: it is none of them. */
bool stream_read_references(struct slice word, enum stream_references *out);
/* Takes the id from all groups that have it pending, and logs that; how many had it. */
uint64_t stream_acknowledge_all(struct call *call, struct slice key, struct stream *s,
                                struct stream_id id);

void stream_xdel(struct call *call);
void stream_xdelex(struct call *call);
void stream_xack(struct call *call);
void stream_xackdel(struct call *call);

/* ---- stream_read.c ---- */

int stream_read_keys(uint32_t argc, const struct slice *argv, uint32_t *positions, uint16_t *flags,
                     uint32_t max);
void stream_xread(struct call *call);
void stream_xreadgroup(struct call *call);

/* ---- stream_deliver.c ---- */

/* What a consumer reads of one stream, and what comes of it. */
struct stream_delivery {
    const struct stream_of_group *of;
    struct slice consumer;
    struct stream_id after; /* unless fresh */
    uint64_t count;         /* 0: all */
    bool fresh;             /* entries that the group did not have yet, else the consumer's */
    bool no_ack;            /* they do not become pending */

    bool apart;                 /* nothing is changed before stream_delivery_apply */
    struct stream_group *group; /* that is changed: it, or one that takes its place */
    struct stream *copy;        /* ... which is here then, else NULL */
    bool moved;                 /* the group is at another entry: */
    struct stream_id last_id;   /* ... this one */
    int64_t entries_read;       /* ... after so many */
    uint64_t delivered;         /* entries */
    int64_t now_ms;             /* when that was */
    struct stream_batch batch;  /* if apart: new pending entries, and who has them */
    struct bytes again;         /* if apart: pointers to the pending entries that were read again */
};
/* How many entries it will be, about. */
uint64_t stream_delivery_size(const struct stream_delivery *d);
/* Apart: while the values are pinned and no shard is held. Replies nothing. */
void stream_delivery_begin(struct call *call, struct stream_delivery *d, bool apart);
/* Replies the entries, and logs. */
void stream_delivery_reply(struct call *call, struct stream_delivery *d);
/* Of one that is apart, once its shards are held again and the stream is the same. */
void stream_delivery_apply(struct call *call, struct stream_delivery *d);
void stream_delivery_free(struct stream_delivery *d); /* of one that is apart */

/* ---- stream_group.c ---- */

extern const struct command stream_xgroup_commands[];

/* ---- stream_claim.c ---- */

void stream_xpending(struct call *call);
void stream_xclaim(struct call *call);
void stream_xautoclaim(struct call *call);

/* ---- stream_info.c ---- */

extern const struct command stream_xinfo_commands[];

#endif
