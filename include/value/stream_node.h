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
};

/* Live entries, and deleted ones. */
uint64_t stream_node_live(const struct stream_node *node);
uint64_t stream_node_deleted(const struct stream_node *node);

#endif
