/* dump.h - one value as bytes and back: the payload of DUMP and RESTORE.
 *
 *      +-----------+------------------------+--------------+------------+
 *      | type: 1   | value as in RDB files  | version: 2   | crc64: 8   |   little endian
 *      +-----------+------------------------+--------------+------------+
 *
 * The check sum covers everything before it. We write RDB version 10, which redis-server 7.0 and
 * later read, or 12 for hashes whose fields expire, and accept the versions that we read in files
 * (persist/rdb.h). Parsing never reads beyond the payload, whatever is in it.
 */
#ifndef SPILLWAY_PERSIST_DUMP_H
#define SPILLWAY_PERSIST_DUMP_H

#include "base/bytes.h"
#include "keyspace/keyspace.h"

/* Appends the payload of the entry's value to out. The entry is held. compress: rdbcompression. */
void dump_append(const struct entry *entry, bool compress, struct bytes *out);

/* The same of a value that is no string and need not belong to an entry. */
void dump_append_value(struct value value, bool compress, struct bytes *out);

/* The same for a value that is RDB bytes already, without its type. */
void dump_frame(uint8_t rdb_type, struct slice value, struct bytes *out);

/* A value that belongs to no key yet. */
struct dump_value {
    enum value_type type;
    struct value value;   /* not a string: owned; pointer NULL: given away */
    struct blob *blob;    /* a large string, owned */
    struct slice string;  /* a string's bytes: in the blob, in storage, or in the payload */
    struct bytes storage; /* owned */
};

enum dump_result {
    DUMP_OK,
    DUMP_BAD_CHECKSUM, /* or version: "ERR DUMP payload version or checksum are wrong" */
    DUMP_BAD_FORMAT    /* "ERR Bad data format" */
};
/* Only the frame: length, version, check sum. */
bool dump_verify(struct slice payload);
/* Verifies and parses. On DUMP_OK *out is the caller's, to be given to dump_put or
 * dump_value_free; its string may point into the payload. */
enum dump_result dump_parse(struct slice payload, const struct value_limits *limits,
                            struct dump_value *out) NODISCARD;
/* The same of any version from 1 on (rdb-version-check relaxed): what it cannot read is bad. */
enum dump_result dump_parse_any(struct slice payload, const struct value_limits *limits,
                                struct dump_value *out) NODISCARD;
/* Files the value under key (entry: what keyspace_find answered, or NULL) and takes it over. */
struct entry *dump_put(struct hold *hold, const struct key *key, struct entry *entry,
                       struct dump_value *value, int64_t expire_ms);
void dump_value_free(struct dump_value *value);

#endif
