/* rdb_load.h - reads RDB: a bounds-checked reader over a file or bytes, and the loader into a
 * keyspace.
 *
 * Nothing that stands in the input is believed: lengths only ever allocate what bytes have really
 * been read for, and what LZF may expand to is bounded by its own limits. The first failure
 * sticks.
 */
#ifndef SPILLWAY_PERSIST_RDB_LOAD_H
#define SPILLWAY_PERSIST_RDB_LOAD_H

#include "base/bytes.h"
#include "base/clock.h"
#include "keyspace/keyspace.h"

struct rdb_reader {
    /* Source: up to len bytes into data; returns how many, 0 at the end, or a negative errno.
     * NULL: only the bytes given to rdb_reader_init. */
    ssize_t (*fill)(void *ctx, void *data, size_t len);
    void *ctx;
    const char *data; /* the window: unread bytes are data[at..len) */
    size_t at, len;
    char *window;    /* owned; NULL without fill */
    uint64_t offset; /* in the input, of data[0] */
    size_t summed;   /* data[0..summed) is in crc */
    uint64_t crc;
    const char *why; /* set once something failed: what */
    int error;       /* negative errno of the source, or 0 */
    bool truncated;  /* it failed because the input ended */
    bool valkey;     /* the numbers of types mean what they mean in Valkey 9 */
    /* What decides how values are kept. Set by rdb_load and dump_parse; at first the defaults. */
    const struct value_limits *limits;
};

void rdb_reader_init(struct rdb_reader *r, struct slice bytes);
void rdb_reader_init_source(struct rdb_reader *r, ssize_t (*fill)(void *, void *, size_t),
                            void *ctx);
void rdb_reader_free(struct rdb_reader *r);
uint64_t rdb_reader_offset(const struct rdb_reader *r); /* of the next byte */
/* Fails the reader with a static text, unless it has failed already. Returns false. */
bool rdb_fail(struct rdb_reader *r, const char *why);

/* All of these: false = failed. */
bool rdb_read(struct rdb_reader *r, void *out, size_t len) NODISCARD;
bool rdb_read_byte(struct rdb_reader *r, uint8_t *out) NODISCARD;
bool rdb_read_u64(struct rdb_reader *r, uint64_t *out) NODISCARD; /* 8 bytes little endian */
bool rdb_read_length(struct rdb_reader *r, uint64_t *out) NODISCARD;
/* A string into out (replaced, not appended). */
bool rdb_read_string(struct rdb_reader *r, struct bytes *out) NODISCARD;
bool rdb_skip_string(struct rdb_reader *r) NODISCARD;

/* ---- whole files ---- */

struct rdb_load_options {
    bool keep_expired;        /* the base of a log: later records may name keys expired since */
    bool checksum;            /* verify it if the file has one */
    uint32_t lane;            /* for the hold */
    bool any_version;         /* of versions beyond those we know as well, what can be read */
    const int64_t *key_delay; /* atomic; of each key, as in clock_delay_us. NULL: none */
    /* Called every few thousand keys with the offset. May be NULL. */
    void (*progress)(void *ctx, uint64_t offset);
    void *ctx;
};

struct rdb_load_result {
    uint64_t keys, expired; /* loaded; left out because their time was over */
    uint64_t offset;        /* behind the last byte that was understood */
    int64_t created_s;      /* aux ctime, 0 = not said */
    int version;
    int error;       /* negative errno of reading, or 0 */
    const char *why; /* NULL = all is well; else a static text */
    bool truncated;  /* the file ends too early */
    bool is_rdb;     /* the magic was there */
};

/* Sleeps behind key `nth`, from 1 on. */
ALWAYS_INLINE void load_delay(const int64_t *key_delay, uint64_t nth)
{
    int64_t us = key_delay != NULL ? RELAXED_LOAD(key_delay) : 0;
    if (UNLIKELY(us != 0))
        clock_sleep_us(clock_delay_us(us, nth - 1, nth));
}

/* Loads what the reader holds, up to and with the check sum, under holds of its own. False: see
 * result->why; keys loaded until then stay. Bytes behind the end are not touched. */
bool rdb_load(struct rdb_reader *r, struct keyspace *ks, const struct rdb_load_options *options,
              struct rdb_load_result *result) NODISCARD;

#endif
