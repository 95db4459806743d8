/* stream_node.h - the nodes of a stream: what their listpacks hold, for value/stream*.c and the
 * codecs.
 *
 * A node is a listpack that begins with a master entry, which holds no data but counts and the
 * field names that most entries share, and goes on with entries:
 *
 *      live | deleted | fields | name ... | 0                            the master entry
 *      flags | ms | seq | value ...                                | back   STREAM_SAME_FIELDS
 *      flags | ms | seq | fields | name | value | name | value ... | back   others
 *
 * all of them elements of the listpack. ms and seq are differences to the master's id, which is
 * that of the first entry. `back` is how many elements are before it in the entry, for going
 * backwards; the 0 ends the master entry in the same way. (Source: the format as documented in
 * Redis's t_stream.c.)
 */
#ifndef SPILLWAY_VALUE_STREAM_NODE_H
#define SPILLWAY_VALUE_STREAM_NODE_H

#include "value/stream.h"

enum stream_entry_flags { STREAM_ENTRY_DELETED = 1, STREAM_SAME_FIELDS = 2 };

struct stream_node {
    unsigned char id[STREAM_ID_BYTES]; /* of the master entry, as a key */
    unsigned char *lp;
    uint32_t names; /* fields of the master entry */
};

/* An entry of a node, as its elements say. */
struct stream_place {
    struct stream_id id;
    uint32_t at;   /* position of its flags */
    uint32_t part; /* of its first field or value */
    uint32_t left; /* how many fields and values there are from `part` on */
    uint32_t pairs;
    uint8_t flags;
};

/* A node with one entry of `count` slices, field and value by turns. */
struct stream_node *stream_node_new(struct stream_id id, const struct slice *pairs, size_t count);
/* One with a copy of these bytes, which are good. */
struct stream_node *stream_node_of(struct stream_id id, const unsigned char *lp);
void stream_node_free(struct stream_node *node);
/* Whether an entry of so many bytes of fields and values may be added. */
bool stream_node_has_room(const struct stream_node *node, const struct value_limits *limits,
                          size_t bytes);
/* The id is above all in the node. */
void stream_node_add(struct stream_node *node, struct stream_id id, const struct slice *pairs,
                     size_t count);

uint64_t stream_node_live(const struct stream_node *node);
uint32_t stream_node_names(const struct stream_node *node); /* position of the first, or 0 */
/* Positions of entries, 0 if there is none: the first and last one, the ones beside. */
uint32_t stream_node_first(const struct stream_node *node);
uint32_t stream_node_last(const struct stream_node *node);
uint32_t stream_node_prev(const struct stream_node *node, uint32_t at);
/* Behind `left` elements from `part` on, those that are left of an entry. */
uint32_t stream_node_next(const struct stream_node *node, uint32_t part, uint32_t left);
void stream_node_read(const struct stream_node *node, uint32_t at, struct stream_place *out);
/* Makes a tombstone of the live entry at that position; returns where it is then. */
uint32_t stream_node_bury(struct stream_node *node, uint32_t at);

/* Whether the bytes are a node under that id: every element, every count, one entry at least, live
 * ones that rise from the master's id on (tombstones need not: XSETID may go back behind one). Says
 * how many are live and which id is the last of those. O(len) */
bool stream_node_validate(struct slice bytes, struct stream_id master, uint64_t *live,
                          struct stream_id *last) NODISCARD;

#endif
