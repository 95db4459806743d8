/* radix.h - an ordered index of records by keys of bytes: an adaptive radix tree.
 *
 * A record is the owner's and holds its key itself, where a callback shows it; the tree keeps only
 * what tells keys apart. Order is memcmp's, a key that another one begins with comes first. No two
 * records have the same key. Records are aligned to 2 bytes at least and their keys do not change.
 *
 * Meant for ids of 16 bytes that mostly begin alike (a stream's nodes, its pending entries) and for
 * sets of names (groups, consumers). Cost of find, insert, remove and seek: O(levels), of which
 * there are no more than bytes in the key, and 2 to 4 for a million ids made from a clock. Memory:
 * 9 to 11 bytes a record for ids that follow each other (radix.c says why). Not locked: the owner
 * guards it; concurrent readers are fine. Out of memory is a panic: nodes are small.
 */
#ifndef SPILLWAY_STRUCT_RADIX_H
#define SPILLWAY_STRUCT_RADIX_H

#include "base/bytes.h"

/* The key of a record; borrowed. */
typedef struct slice (*radix_key_fn)(const void *record);
/* Called for a record that leaves the tree; must not touch the tree; may free the record. */
typedef void (*radix_visit_fn)(void *record, void *ctx);

struct radix_node;

struct radix { /* lies in its owner; private but for what is below */
    void *root;
    radix_key_fn key_of;
    size_t count, inner, inner_bytes;
};

void radix_init(struct radix *r, radix_key_fn key_of); /* empty; allocates nothing */

ALWAYS_INLINE size_t radix_count(const struct radix *r) /* records */
{
    return r->count;
}

/* Nodes: those that branch, the records, and the head. */
ALWAYS_INLINE size_t radix_nodes(const struct radix *r)
{
    return r->inner + r->count + 1;
}

/* Memory of the tree in bytes, neither its head nor its records. O(1) */
ALWAYS_INLINE size_t radix_bytes(const struct radix *r)
{
    return r->inner_bytes;
}

void *radix_find(const struct radix *r, struct slice key); /* NULL: there is none */
/* False: one with this key is there, and stays. */
bool radix_insert(struct radix *r, void *record);
void *radix_remove(struct radix *r, struct slice key); /* NULL: there was none */

/* Moves all records of `from`, a tree of keys of the same kind, to r: O(levels). False, and nothing
 * is moved, unless each key of `from` is above all of r's. */
bool radix_join(struct radix *r, struct radix *from) NODISCARD;

/* Empties the tree, showing each record to `visit` (NULL: to nobody), in no order. */
void radix_clear(struct radix *r, radix_visit_fn visit, void *ctx);
/* The same for up to `records` of them. True: more is left, call again and call nothing else. */
bool radix_clear_step(struct radix *r, size_t records, radix_visit_fn visit, void *ctx) NODISCARD;

/* ---- going about ---- */

/* A place between two records, before the first, or behind the last. Void after a change. */
struct radix_cursor {
    const struct radix_node *node; /* with index: the record behind the place. NULL: see index */
    uint32_t index;                /* without node: 0 before the only record, 1 behind all */
    const struct radix *tree;
};

void radix_first(const struct radix *r, struct radix_cursor *at); /* before the first */
void radix_last(const struct radix *r, struct radix_cursor *at);  /* behind the last */
/* Before the first record whose key is `key` or higher; with `after`, higher. */
void radix_seek(const struct radix *r, struct slice key, bool after, struct radix_cursor *at);
/* The record behind the place, or before it, which is passed. NULL: there is none. */
void *radix_next(struct radix_cursor *at);
void *radix_prev(struct radix_cursor *at);

/* Tests: panics unless all that radix.c says of the nodes holds, and the counts do. O(n) */
void radix_check(const struct radix *r);

#endif
