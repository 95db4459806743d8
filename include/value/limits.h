/* limits.h - up to where values keep their compact forms.
 *
 * One of these belongs to each keyspace. Fields are written by configuration with RELAXED_STORE and
 * read with RELAXED_LOAD; a value follows a changed limit when it is next changed.
 */
#ifndef SPILLWAY_VALUE_LIMITS_H
#define SPILLWAY_VALUE_LIMITS_H

#include "base/common.h"

struct value_limits {               /* named as their directives; sizes in bytes */
    int64_t list_max_listpack_size; /* > 0 elements; -1 to -5 = 4, 8, 16, 32, 64 KiB */
    int64_t list_compress_depth;    /* nodes at each end that stay uncompressed; 0 = all */
    /* An element of so many bytes gets a node of its own; 0 = what is larger than a node may grow
     * (DEBUG QUICKLIST-PACKED-THRESHOLD). */
    uint64_t list_packed_threshold;
    int64_t hash_max_listpack_entries, hash_max_listpack_value;
    int64_t set_max_intset_entries, set_max_listpack_entries, set_max_listpack_value;
    int64_t zset_max_listpack_entries, zset_max_listpack_value;
    int64_t hll_sparse_max_bytes;
    int64_t stream_node_max_bytes, stream_node_max_entries; /* 0 = no limit */
};

/* The defaults of the directives. */
extern const struct value_limits value_limits_default;

#endif
