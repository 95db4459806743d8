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

/* The RDB type byte under which the entry's value is written. The entry is held. */
uint8_t rdb_value_type(const struct entry *entry);
/* Appends the value, without its type byte. The entry is held. */
void rdb_value_append(const struct entry *entry, bool compress, struct bytes *out);
/* Reads a value of an RDB type. False: the reader has failed and *out needs no freeing. */
bool rdb_value_read(struct rdb_reader *r, uint8_t rdb_type, struct dump_value *out) NODISCARD;

/* ---- the functions of the types, for the tables in rdb_value.c. Writers: without the type byte.
 * Readers: as rdb_value_read, out->type is set already. ---- */

/* rdb_list.c */
void rdb_list_append_listpack(const struct entry *entry, bool compress, struct bytes *out);
void rdb_list_append_quicklist(const struct entry *entry, bool compress, struct bytes *out);
bool rdb_list_read(struct rdb_reader *r, uint8_t rdb_type, struct dump_value *out) NODISCARD;

/* rdb_set.c */
void rdb_set_append_intset(const struct entry *entry, bool compress, struct bytes *out);
void rdb_set_append_members(const struct entry *entry, bool compress, struct bytes *out);
bool rdb_set_read(struct rdb_reader *r, uint8_t rdb_type, struct dump_value *out) NODISCARD;

/* rdb_hash.c */
void rdb_hash_append_listpack(const struct entry *entry, bool compress, struct bytes *out);
void rdb_hash_append_fields(const struct entry *entry, bool compress, struct bytes *out);
void rdb_hash_append_timed_listpack(const struct entry *entry, bool compress, struct bytes *out);
void rdb_hash_append_timed_fields(const struct entry *entry, bool compress, struct bytes *out);
bool rdb_hash_read(struct rdb_reader *r, uint8_t rdb_type, struct dump_value *out) NODISCARD;

/* rdb_zset.c */
void rdb_zset_append_listpack(const struct entry *entry, bool compress, struct bytes *out);
void rdb_zset_append_large(const struct entry *entry, bool compress, struct bytes *out);
bool rdb_zset_read(struct rdb_reader *r, uint8_t rdb_type, struct dump_value *out) NODISCARD;

/* rdb_stream.c */
void rdb_stream_append(const struct entry *entry, bool compress, struct bytes *out);
bool rdb_stream_read(struct rdb_reader *r, uint8_t rdb_type, struct dump_value *out) NODISCARD;

#endif
