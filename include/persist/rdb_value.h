/* rdb_value.h - how each type of value is written to and read from RDB: one pair of functions per
 * type.
 *
 * A type is added by its rows in rdb_value.c: the RDB type that each of its encodings is written
 * as, the RDB types it reads, and the functions, which are in a file of the type's own
 * (rdb_<type>.c) and are declared at the end here. A value that is being read belongs to no key yet
 * (struct dump_value).
 */
#ifndef SPILLWAY_PERSIST_RDB_VALUE_H
#define SPILLWAY_PERSIST_RDB_VALUE_H

#include "persist/dump.h"
#include "persist/rdb.h"
#include "persist/rdb_load.h"
#include "struct/chunks.h"
#include "struct/members.h"
#include "value/stream.h"
#include "value/zset.h"

/* The RDB type byte under which the entry's value is written. The entry is held. */
uint8_t rdb_value_type(const struct entry *entry);
/* Appends the value, without its type byte. The entry is held. */
void rdb_value_append(const struct entry *entry, bool compress, struct bytes *out);

/* What comes next of a stream. */
enum stream_walk_next {
    STREAM_WALK_BEGIN,
    STREAM_WALK_NODE,
    STREAM_WALK_GROUP,
    STREAM_WALK_PENDING, /* an entry of a group */
    STREAM_WALK_CONSUMER,
    STREAM_WALK_OWNED, /* an entry of a consumer */
    STREAM_WALK_END
};

struct stream_walk {
    enum stream_walk_next next;
    struct radix_cursor outer; /* of nodes, then of groups */
    const struct stream_group *group;
    struct radix_cursor consumers, pending;
};

/* A walk over a value that is being copied, slice by slice, to be written (persist/rdb_parts.h).
 * The value must not change between the slices. Walks are for forms that have slices:
 * rdb_value_weight says 0 of others. */
struct rdb_walk {
    struct value value;
    bool begun;
    /* where it goes on: of a table of members, of a sorted set, of a list (NULL: at its first) */
    uint64_t position;
    struct zset_at place;
    const struct chunk *chunk;
    struct stream_walk stream;
    /* of a hash whose fields expire: the earliest expiry, which is looked for first */
    int64_t first_ms;
    bool first_known;
};

#define RDB_SLICE_ITEMS  256 /* elements, or so many bytes: some 30 us of copying */
#define RDB_SLICE_BYTES  65536
#define RDB_WEIGHT_BYTES (RDB_SLICE_BYTES / RDB_SLICE_ITEMS)

/* How much work it is, about, to copy the value, in elements: its elements and its bytes by
 * RDB_WEIGHT_BYTES. 0: little, or it can only be written as a whole. O(1). */
size_t rdb_value_weight(struct value value);
/* Whether the value can be walked over. */
bool rdb_value_has_slices(struct value value);
void rdb_walk_init(struct rdb_walk *walk, struct value value);
/* Appends parts of the next `items` elements, about, or of RDB_SLICE_BYTES; SIZE_MAX: of all.
 * False: these were the last. */
bool rdb_walk_slice(struct rdb_walk *walk, size_t items, struct bytes *parts);

/* Reads a value of an RDB type. False: the reader has failed and *out needs no freeing. */
bool rdb_value_read(struct rdb_reader *r, uint8_t rdb_type, struct dump_value *out) NODISCARD;

/* ---- the functions of the types, for the tables in rdb_value.c. Writers: without the type byte;
 * slices as rdb_walk_slice. Readers: as rdb_value_read, out->type is set already. ---- */

/* rdb_value.c: what several of them need. */
/* The whole value is one string: a listpack. */
bool rdb_slice_listpack(struct rdb_walk *walk, size_t items, struct bytes *parts);
/* Goes on with a table of members, which `visit` gets one by one. */
bool rdb_slice_members(struct rdb_walk *walk, size_t items, const struct bytes *parts,
                       members_visit_fn visit, void *ctx);

/* rdb_list.c */
void rdb_list_append_listpack(const struct entry *entry, bool compress, struct bytes *out);
void rdb_list_append_quicklist(const struct entry *entry, bool compress, struct bytes *out);
bool rdb_list_slice_listpack(struct rdb_walk *walk, size_t items, struct bytes *parts);
bool rdb_list_slice_quicklist(struct rdb_walk *walk, size_t items, struct bytes *parts);
bool rdb_list_read(struct rdb_reader *r, uint8_t rdb_type, struct dump_value *out) NODISCARD;

/* rdb_set.c */
void rdb_set_append_intset(const struct entry *entry, bool compress, struct bytes *out);
void rdb_set_append_members(const struct entry *entry, bool compress, struct bytes *out);
bool rdb_set_slice_intset(struct rdb_walk *walk, size_t items, struct bytes *parts);
bool rdb_set_slice_listpack(struct rdb_walk *walk, size_t items, struct bytes *parts);
bool rdb_set_slice_table(struct rdb_walk *walk, size_t items, struct bytes *parts);
bool rdb_set_read(struct rdb_reader *r, uint8_t rdb_type, struct dump_value *out) NODISCARD;

/* rdb_hash.c */
void rdb_hash_append_listpack(const struct entry *entry, bool compress, struct bytes *out);
void rdb_hash_append_fields(const struct entry *entry, bool compress, struct bytes *out);
void rdb_hash_append_timed_listpack(const struct entry *entry, bool compress, struct bytes *out);
void rdb_hash_append_timed_fields(const struct entry *entry, bool compress, struct bytes *out);
bool rdb_hash_slice_table(struct rdb_walk *walk, size_t items, struct bytes *parts);
bool rdb_hash_slice_timed_listpack(struct rdb_walk *walk, size_t items, struct bytes *parts);
bool rdb_hash_slice_timed_table(struct rdb_walk *walk, size_t items, struct bytes *parts);
bool rdb_hash_read(struct rdb_reader *r, uint8_t rdb_type, struct dump_value *out) NODISCARD;

/* rdb_zset.c */
void rdb_zset_append_listpack(const struct entry *entry, bool compress, struct bytes *out);
void rdb_zset_append_large(const struct entry *entry, bool compress, struct bytes *out);
bool rdb_zset_slice_large(struct rdb_walk *walk, size_t items, struct bytes *parts);
bool rdb_zset_read(struct rdb_reader *r, uint8_t rdb_type, struct dump_value *out) NODISCARD;

/* rdb_stream.c */
void rdb_stream_append(const struct entry *entry, bool compress, struct bytes *out);
bool rdb_stream_slice(struct rdb_walk *walk, size_t items, struct bytes *parts);
bool rdb_stream_read(struct rdb_reader *r, uint8_t rdb_type, struct dump_value *out) NODISCARD;

#endif
