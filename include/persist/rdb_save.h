/* rdb_save.h - writes an RDB file as a stream into a sink.
 *
 * The writer buffers, sums and compresses; it knows neither files nor the keyspace. Errors of the
 * sink stick: after the first, everything is dropped and rdb_writer_finish returns it. Used by
 * one thread at a time.
 */
#ifndef SPILLWAY_PERSIST_RDB_SAVE_H
#define SPILLWAY_PERSIST_RDB_SAVE_H

#include "keyspace/entry.h"
#include "persist/rdb.h"

/* Takes len bytes. Returns 0 or a negative errno. */
typedef int (*rdb_sink_fn)(void *ctx, const void *data, size_t len);

struct rdb_writer {
    rdb_sink_fn sink;
    void *ctx;
    bool compress, checksum;
    bool commands; /* write records as RESP commands instead: no header, no footer */
    struct bytes buffer;
    struct bytes scratch; /* for compression */
    struct bytes payload; /* with `commands`: the value whose parts come */
    uint64_t crc;
    uint64_t written; /* bytes given to the sink */
    uint32_t db;      /* what the file has selected; UINT32_MAX: nothing yet */
    uint64_t keys;    /* records written */
    int error;        /* 0 or the sink's negative errno */
    uint32_t in_vain; /* strings that did not compress since the last one that did */
    uint32_t skipped; /* strings that were not tried for that reason */
};

enum rdb_recency { RDB_RECENCY_NONE, RDB_RECENCY_IDLE, RDB_RECENCY_FREQ };

/* One key. The value is `string` for RDB_TYPE_STRING, else bytes that are encoded already. */
struct rdb_record {
    uint32_t db;
    uint8_t type;            /* enum rdb_type */
    uint8_t recency_kind;    /* enum rdb_recency */
    uint64_t recency;        /* idle seconds, or frequency 0 to 255 */
    int64_t expire_ms;       /* or EXPIRE_NONE */
    struct slice key, value; /* borrowed for the call */
};

void rdb_writer_init(struct rdb_writer *w, rdb_sink_fn sink, void *ctx, bool compress,
                     bool checksum);
void rdb_writer_free(struct rdb_writer *w);
/* Magic and the usual aux fields. aof_base: the file is the base of a multi-part AOF. timed: hashes
 * whose fields expire may follow; else none may. */
void rdb_put_header(struct rdb_writer *w, int64_t now_s, uint64_t used_memory, bool aof_base,
                    bool timed);
void rdb_put_aux(struct rdb_writer *w, struct slice name, struct slice value);
/* A hint before the first key of a database: how many keys, how many with an expiry. */
void rdb_put_resize(struct rdb_writer *w, uint32_t db, uint64_t keys, uint64_t expires);
void rdb_put_record(struct rdb_writer *w, const struct rdb_record *record);
/* The same for a value that is no string and comes in parts (persist/rdb_parts.h): the record,
 * whose value is not looked at, parts as often as there are some, and the end with the same
 * record. */
void rdb_begin_record(struct rdb_writer *w, const struct rdb_record *record);
void rdb_put_parts(struct rdb_writer *w, struct slice parts);
void rdb_end_record(struct rdb_writer *w, const struct rdb_record *record);
/* EOF, check sum, and the rest of the buffer. Returns the first error of the sink, or 0. */
int rdb_writer_finish(struct rdb_writer *w) NODISCARD;

#endif
