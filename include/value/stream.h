/* stream.h - streams: entries in listpacks under a radix tree, and the groups that consume them.
 *
 * ENCODING_STREAM, the only one: the pointer is a struct stream, which never moves. Entries lie in
 * nodes (stream_node.h), listpacks byte for byte as Redis keeps them, each under the id of its
 * master entry. The last node is cached, so adding walks no tree. A deleted entry stays as a
 * tombstone until its node has no live one left.
 *
 * A group's pending entries are records (struct stream_nack) under their ids, each in the group's
 * tree and in that of the consumer who has it. A pending entry may name an entry that is not in the
 * stream any more.
 *
 * Times are wall-clock ms and are given by the caller; the value knows no clock. Fields of these
 * structures may be read by everyone who holds the value, and are written through the functions
 * unless they are marked "may be set". n below is the count of nodes, p of pending entries.
 */
#ifndef SPILLWAY_VALUE_STREAM_H
#define SPILLWAY_VALUE_STREAM_H

#include "struct/listpack.h"
#include "struct/radix.h"
#include "value/class.h"
#include "value/limits.h"

/* ---- ids ------------------------------------------------------------------------------------ */

#define STREAM_ID_BYTES 16                    /* of an id as a key: big endian, ms then seq */
#define STREAM_ID_TEXT  (2 * NUMBER_TEXT_MAX) /* room for "ms-seq" */

struct stream_id {
    uint64_t ms, seq;
};

#define STREAM_ID_MIN ((struct stream_id){0, 0})
#define STREAM_ID_MAX ((struct stream_id){UINT64_MAX, UINT64_MAX})

ALWAYS_INLINE int stream_id_compare(struct stream_id a, struct stream_id b) /* < 0, 0, > 0 */
{
    if (a.ms != b.ms)
        return a.ms < b.ms ? -1 : 1;
    return a.seq == b.seq ? 0 : a.seq < b.seq ? -1 : 1;
}

ALWAYS_INLINE bool stream_id_is_zero(struct stream_id id)
{
    return id.ms == 0 && id.seq == 0;
}

/* The next higher or lower id. False: it is the highest (lowest) already, and stays. */
bool stream_id_increment(struct stream_id *id);
bool stream_id_decrement(struct stream_id *id);
/* "ms-seq" into out; returns its length; no NUL. */
size_t stream_id_print(char out[STREAM_ID_TEXT], struct stream_id id);

enum stream_id_form {
    STREAM_ID_BAD,       /* not an id; *out is untouched */
    STREAM_ID_FULL,      /* "ms-seq" */
    STREAM_ID_ONLY_MS,   /* "ms": seq is what the caller said */
    STREAM_ID_MS_AND_ANY /* "ms-*", only if allowed: seq is 0 */
};
/* Reads an id as Redis does ("-", "+", "*", "$", ">", "(" are the caller's). */
enum stream_id_form stream_id_parse(struct slice text, uint64_t missing_seq, bool allow_any,
                                    struct stream_id *out) NODISCARD;
void stream_id_to_bytes(unsigned char out[STREAM_ID_BYTES], struct stream_id id);
struct stream_id stream_id_of_bytes(const unsigned char bytes[STREAM_ID_BYTES]);

/* ---- the stream ----------------------------------------------------------------------------- */

#define STREAM_UNKNOWN (-1) /* as a count of entries read */

struct stream_node;

struct stream {
    uint64_t length;                 /* entries, deleted ones not counted */
    struct stream_id last_id;        /* of the last entry ever added, or as XSETID said; may be set
                                        to what is not below the last entry */
    struct stream_id first_id;       /* of the first entry; 0-0 if there is none */
    struct stream_id max_deleted_id; /* highest one that was deleted by id; may be set */
    uint64_t entries_added;          /* ever, INT64_MAX at most; may be set */
    struct radix nodes;              /* of struct stream_node (stream_node.h) */
    struct stream_node *tail;        /* the last node, or NULL */
    struct radix groups;             /* of struct stream_group, by name */
};

/* Empty: to be filed before anyone sees it (streams, unlike other types, may stay empty). */
struct stream *stream_new(void);

ALWAYS_INLINE struct value stream_value(struct stream *s)
{
    return (struct value){s, TYPE_STREAM, ENCODING_STREAM};
}

ALWAYS_INLINE struct stream *stream_of(struct value value)
{
    return (struct stream *)value.pointer;
}

/* ---- adding. O(bytes of the entry) ---------------------------------------------------------- */

/* The id of "*": {now_ms, 0}, or the one behind last_id if that is not lower. False: last_id is
 * the highest there is. */
bool stream_next_id(const struct stream *s, uint64_t now_ms, struct stream_id *out) NODISCARD;
/* The id of "ms-*". False: there is none above last_id within that ms (its sequence is used up, or
 * last_id is later): "... equal or smaller than the target stream top item". */
bool stream_next_seq(const struct stream *s, uint64_t ms, struct stream_id *out) NODISCARD;

enum stream_added {
    STREAM_ADDED,
    STREAM_NOT_ABOVE, /* the id is not above last_id */
    STREAM_TOO_LARGE  /* the fields and values have more than LISTPACK_BYTES_MAX bytes */
};
/* Adds an entry of `count` slices, field and value by turns (an even number, 2 at least). Nothing
 * is changed unless it is STREAM_ADDED. */
enum stream_added stream_add(struct stream *s, const struct value_limits *limits,
                             struct stream_id id, const struct slice *pairs,
                             size_t count) NODISCARD;

/* ---- reading -------------------------------------------------------------------------------- */

/* A walk from an end of a range to the other. Void after a change of entries. All private. */
struct stream_iterator {
    struct radix_cursor cursor; /* of nodes */
    struct stream_id from, to;  /* both inclusive */
    bool reverse;
    const struct stream_node *node; /* whose entries are walked, or NULL */
    uint32_t entry;                 /* the one looked at last: its flags; 0: none in this node */
    uint32_t part;                  /* its next field or value */
    uint32_t left;                  /* fields and values from `part` on */
    uint32_t master;                /* the next field's name in the master entry, or 0 */
    char room[2][LISTPACK_TEXT];    /* a field and a value that are integers */
};

struct stream_entry {
    struct stream_id id;
    size_t pairs; /* fields with their values */
};

/* Entries with from <= id <= to, the lowest first or, in reverse, the highest. O(log n) */
void stream_seek(const struct stream *s, struct stream_id from, struct stream_id to, bool reverse,
                 struct stream_iterator *it);
/* The next one. False: there is none. Its fields need not be read. */
bool stream_next(struct stream_iterator *it, struct stream_entry *out);
/* The next field of the entry that stream_next yielded, for up to out->pairs times. Borrowed from
 * the stream or the iterator, until the next call. */
void stream_pair(struct stream_iterator *it, struct slice *field, struct slice *value);

/* For those who look for one entry after the other: on with an iterator, from stream_seek to
 * STREAM_ID_MAX and not in reverse, that yielded `entry` last ({0}: nothing yet), to the entry of a
 * higher id. False: there is none, `entry` may be one behind it. O(1) if they are near each other,
 * else O(log n). */
bool stream_find_on(const struct stream *s, struct stream_iterator *it, struct stream_id id,
                    struct stream_entry *entry);

bool stream_has(const struct stream *s, struct stream_id id); /* O(log n) */
/* The id of the first (last) entry that is there. False, and 0-0: there is none. O(1) for the
 * first; for the last O(log n), more if it follows tombstones. */
bool stream_edge(const struct stream *s, bool last, struct stream_id *out);

/* ---- deleting ------------------------------------------------------------------------------- */

/* What becomes of pending entries that name a deleted one. */
enum stream_references {
    STREAM_KEEP_REFERENCES,   /* KEEPREF: they stay, as in all of XDEL, XTRIM, XADD before 8.2 */
    STREAM_DELETE_REFERENCES, /* DELREF: they go with it, in all groups */
    STREAM_ACKNOWLEDGED_ONLY  /* ACKED: what is referenced (stream_is_referenced) is not deleted */
};

enum stream_deleted {
    STREAM_NO_ENTRY,   /* -1 of XDELEX; with STREAM_DELETE_REFERENCES, references went anyway */
    STREAM_DELETED,    /* 1 */
    STREAM_REFERENCED, /* 2: not deleted */
};

/* Removes an entry; length, first_id and max_deleted_id follow. False: there is none. O(log n) */
bool stream_delete(struct stream *s, struct stream_id id);
/* The same with a policy. O(log n + groups * log p) */
enum stream_deleted stream_delete_with(struct stream *s, struct stream_id id,
                                       enum stream_references references);
/* Whether a group has it pending, or has not come to it yet (its last_id is lower). */
bool stream_is_referenced(const struct stream *s, struct stream_id id);
/* Takes the id out of the pending entries of all groups; how many had it. */
size_t stream_unreference(struct stream *s, struct stream_id id);

struct stream_trim {
    bool by_id;              /* MINID, else MAXLEN */
    bool approximate;        /* "~": only whole nodes */
    uint64_t max_length;     /* entries that stay at most */
    struct stream_id min_id; /* the lowest that stays */
    uint64_t limit;          /* stop before more than so many are gone; 0: no limit */
    enum stream_references references;
    /* Where references are looked at: called before an entry goes. It may touch groups only. NULL:
     * nobody is told. */
    void (*going)(void *ctx, struct stream_id id);
    void *ctx;
};
/* Removes entries from the front; how many. first_id follows, max_deleted_id does not. Whole nodes
 * cost O(log n) each unless the policy wants each entry looked at. */
uint64_t stream_trim(struct stream *s, const struct stream_trim *how);

/* ---- groups, consumers. O(log) of their number ---------------------------------------------- */

struct stream_group {
    struct stream_id last_id; /* the last one delivered; may be set */
    int64_t entries_read;     /* or STREAM_UNKNOWN; may be set */
    struct radix pending;     /* of struct stream_nack, by id */
    struct radix consumers;   /* of struct stream_consumer, by name */
    uint32_t name_len;
    char name[];
};

struct stream_consumer {
    int64_t seen_ms;      /* the last try to read or claim; may be set */
    int64_t active_ms;    /* the last one with success, or -1; may be set */
    struct radix pending; /* of the same records as the group's, those that it has */
    uint32_t name_len;
    char name[];
};

/* A pending entry: delivered, not acknowledged. */
struct stream_nack {
    unsigned char id[STREAM_ID_BYTES]; /* as a key; stream_nack_id reads it */
    struct stream_consumer *consumer;
    int64_t delivered_ms; /* the last time; may be set */
    uint64_t deliveries;  /* may be set */
};

ALWAYS_INLINE struct slice stream_group_name(const struct stream_group *g)
{
    return slice_of(g->name, g->name_len);
}

ALWAYS_INLINE struct slice stream_consumer_name(const struct stream_consumer *c)
{
    return slice_of(c->name, c->name_len);
}

ALWAYS_INLINE struct stream_id stream_nack_id(const struct stream_nack *nack)
{
    return stream_id_of_bytes(nack->id);
}

struct stream_group *stream_group_find(const struct stream *s, struct slice name); /* or NULL */
/* NULL: there is one of that name. */
struct stream_group *stream_group_create(struct stream *s, struct slice name,
                                         struct stream_id last_id, int64_t entries_read);
void stream_group_destroy(struct stream *s, struct stream_group *g); /* O(p) */
/* The same, but for the freeing: a stream of nothing but that group, to be freed where there is
 * time. O(log) */
struct value stream_group_detach(struct stream *s, struct stream_group *g);

/* A stream of nothing but a copy of the group, without one consumer and what he has pending (NULL:
 * with all): to be changed while others read the group, and to take its place. O(p) */
struct stream *stream_group_copy(const struct stream_group *g,
                                 const struct stream_consumer *without);
/* The groups of that name, of which each stream has one, change places. O(log) */
void stream_group_exchange(struct stream *s, struct stream *with, struct slice name);

struct stream_consumer *stream_consumer_find(const struct stream_group *g, struct slice name);
/* NULL: there is one of that name. seen_ms is now_ms, active_ms -1. */
struct stream_consumer *stream_consumer_create(struct stream_group *g, struct slice name,
                                               int64_t now_ms);
/* Its pending entries go too; how many there were. O(those) */
uint64_t stream_consumer_delete(struct stream_group *g, struct stream_consumer *c);
/* All pending entries, which are one consumer's; he has none then: a stream of nothing but them, to
 * be freed where there is time. O(log) */
struct value stream_pending_detach(struct stream_group *g, struct stream_consumer *c);

/* In the order of their names: to walk, radix_first(&s->groups, &at), then until NULL. */
ALWAYS_INLINE struct stream_group *stream_group_next(struct radix_cursor *at)
{
    return (struct stream_group *)radix_next(at);
}

ALWAYS_INLINE struct stream_consumer *stream_consumer_next(struct radix_cursor *at)
{
    return (struct stream_consumer *)radix_next(at);
}

/* ---- pending entries. O(log p) -------------------------------------------------------------- */

struct stream_nack *stream_pending_find(const struct stream_group *g, struct stream_id id);
/* XREADGROUP: the entry is the consumer's, delivered once, at now_ms; of whoever's it was before.
 */
struct stream_nack *stream_deliver(struct stream_group *g, struct stream_consumer *c,
                                   struct stream_id id, int64_t now_ms);
/* XCLAIM, XAUTOCLAIM: another consumer has it from now on (or the same one). */
void stream_claim(struct stream_nack *nack, struct stream_consumer *c);
/* XCLAIM FORCE, and codecs: pending without ever having been delivered (deliveries 0, time
 * now_ms). NULL: it is pending already. */
struct stream_nack *stream_pending_create(struct stream_group *g, struct stream_consumer *c,
                                          struct stream_id id, int64_t now_ms);
/* XACK: false if it was not pending. */
bool stream_acknowledge(struct stream_group *g, struct stream_id id);
/* The same for one that was found; frees it. */
void stream_pending_delete(struct stream_group *g, struct stream_nack *nack);

/* Before the first one whose id is `from` or higher, of a group's or a consumer's. To walk while
 * deleting, seek again behind each one that went. */
void stream_pending_seek(const struct radix *pending, struct stream_id from,
                         struct radix_cursor *at);
ALWAYS_INLINE struct stream_nack *stream_pending_next(struct radix_cursor *at)
{
    return (struct stream_nack *)radix_next(at);
}

ALWAYS_INLINE struct stream_nack *stream_pending_prev(struct radix_cursor *at)
{
    return (struct stream_nack *)radix_prev(at);
}

/* Deliveries that are prepared while others read the stream, and become the group's all at once. */
struct stream_batch {
    struct radix pending, of_consumer; /* the new ones, as the group's and as the consumer's */
    struct stream_consumer *consumer;
    bool is_new; /* the group does not have the consumer yet */
};

/* For the consumer of that name, who is made if there is none. The group must not lose him before
 * the batch is attached or freed. */
void stream_batch_init(struct stream_batch *b, const struct stream_group *g, struct slice consumer,
                       int64_t now_ms);
/* As stream_deliver; ids must rise. */
const struct stream_nack *stream_batch_deliver(struct stream_batch *b, struct stream_id id,
                                               int64_t now_ms);
/* Nothing is left in the batch. O(log p) if all ids are above those pending, else as
 * stream_deliver for each. */
void stream_batch_attach(struct stream_batch *b, struct stream_group *g);
void stream_batch_free(struct stream_batch *b); /* of one that was not attached */

/* ---- how far a group is. O(1) --------------------------------------------------------------- */

/* Entries that were ever added up to and with this id, or STREAM_UNKNOWN: entries deleted by id
 * make it so. */
int64_t stream_position(const struct stream *s, struct stream_id id);
/* Whether entries may have been deleted by id within from <= id <= to: the highest deleted id lies
 * there, and is not below the first entry. */
bool stream_has_tombstones(const struct stream *s, struct stream_id from, struct stream_id to);
/* XREADGROUP has come to this entry: last_id and entries_read follow, if it is above last_id. True:
 * they changed. As Redis 7.2.6 counts: 7.0 went wrong after XTRIM and after XDEL ahead of a group.
 */
bool stream_group_advance(const struct stream *s, struct stream_group *g, struct stream_id id);
/* XINFO: entries the group has yet to come to, or STREAM_UNKNOWN. As Redis 7.2.6 as well. */
int64_t stream_lag(const struct stream *s, const struct stream_group *g);

/* ---- for the codecs of RDB ------------------------------------------------------------------ */

/* Appends a node of a listpack's bytes from outside, which are copied. False: the bytes are no node
 * of a stream, or do not follow what is there: master ids rise, and so do entries. Adds the live
 * entries to length; last_id, first_id, entries_added are the caller's. O(bytes) */
bool stream_adopt_node(struct stream *s, struct stream_id master, struct slice bytes) NODISCARD;

#endif
