/* rdb.h - the RDB format: its constants, and its smallest parts as bytes.
 *
 *  "REDIS" "0010"                     magic, version in four digits
 *  opcode ...                         AUX, SELECTDB, RESIZEDB, EXPIRETIME(_MS), IDLE, FREQ, ...
 *  type  key  value                   one key; opcodes before it: expiry, idle time, frequency
 *  ...
 *  EOF  crc64                         of all bytes before; 8 bytes little endian; 0 = not computed
 *
 * A length is 1, 2, 5 or 9 bytes: the top two bits of the first say 6 bits follow in it (00), 14
 * bits with the next byte (01), or 0x80: 32 bits, 0x81: 64 bits, both big endian. 11 marks a
 * string that is not plain bytes: 0xC0, 0xC1, 0xC2 a number of 8, 16, 32 bits little endian, 0xC3
 * LZF: compressed length, plain length, bytes.
 *
 * Versions. We write 10, which redis-server 7.0 and later read, unless a field of a hash has an
 * expiry; then 12, which is redis-server 7.4 and later, and the two types for such hashes that came
 * with it. (Valkey 9 has another one for them, in files that begin with "VALKEY080"; of the two,
 * Redis's is read by more servers.) We read versions to 12, and Valkey's.
 */
#ifndef SPILLWAY_PERSIST_RDB_H
#define SPILLWAY_PERSIST_RDB_H

#include "base/bytes.h"

#define RDB_VERSION_WRITTEN 10 /* redis-server 7.0 and later */
#define RDB_VERSION_TIMED   12 /* with fields of hashes that expire: 7.4 and later */
#define RDB_VERSION_MAX     12
#define RDB_VALKEY_MIN      80 /* versions of Valkey's own, since 9.0 */
#define RDB_VALKEY_MAX      89
#define RDB_LENGTH_MAX      9 /* bytes of an encoded length */

enum rdb_opcode {
    RDB_OP_SLOT_INFO = 244,
    RDB_OP_FUNCTION2 = 245,
    RDB_OP_FUNCTION_PRE_GA = 246,
    RDB_OP_MODULE_AUX = 247,
    RDB_OP_IDLE = 248,
    RDB_OP_FREQ = 249,
    RDB_OP_AUX = 250,
    RDB_OP_RESIZEDB = 251,
    RDB_OP_EXPIRETIME_MS = 252,
    RDB_OP_EXPIRETIME = 253,
    RDB_OP_SELECTDB = 254,
    RDB_OP_EOF = 255
};

enum rdb_type {
    RDB_TYPE_STRING = 0,
    RDB_TYPE_LIST = 1,
    RDB_TYPE_SET = 2,
    RDB_TYPE_ZSET = 3,
    RDB_TYPE_HASH = 4,
    RDB_TYPE_ZSET_2 = 5,
    RDB_TYPE_MODULE = 6,
    RDB_TYPE_MODULE_2 = 7,
    RDB_TYPE_HASH_ZIPMAP = 9,
    RDB_TYPE_LIST_ZIPLIST = 10,
    RDB_TYPE_SET_INTSET = 11,
    RDB_TYPE_ZSET_ZIPLIST = 12,
    RDB_TYPE_HASH_ZIPLIST = 13,
    RDB_TYPE_LIST_QUICKLIST = 14,
    RDB_TYPE_STREAM_LISTPACKS = 15,
    RDB_TYPE_HASH_LISTPACK = 16,
    RDB_TYPE_ZSET_LISTPACK = 17,
    RDB_TYPE_LIST_QUICKLIST_2 = 18,
    RDB_TYPE_STREAM_LISTPACKS_2 = 19,
    RDB_TYPE_SET_LISTPACK = 20,
    RDB_TYPE_STREAM_LISTPACKS_3 = 21,
    RDB_TYPE_HASH_2 = 22, /* Valkey's; in files of prereleases of Redis 7.4 something else */
    RDB_TYPE_HASH_PRE_GA_2 = 23,
    RDB_TYPE_HASH_METADATA = 24,
    RDB_TYPE_HASH_LISTPACK_EX = 25
};

#define RDB_ENC_INT8     0xC0
#define RDB_ENC_INT16    0xC1
#define RDB_ENC_INT32    0xC2
#define RDB_ENC_LZF      0xC3
#define RDB_LEN_14       0x40
#define RDB_LEN_32       0x80
#define RDB_LEN_64       0x81
#define RDB_COMPRESS_MIN 21                  /* bytes: shorter strings are not worth it */
#define RDB_COMPRESS_MAX (16u * 1024 * 1024) /* larger ones are written as they are */

#define RDB_PACKED_HEAD_MAX (1 + 2 * RDB_LENGTH_MAX)

/* Encodes a length into out; returns how many bytes it took. */
size_t rdb_length(uint8_t out[RDB_LENGTH_MAX], uint64_t len);
/* Appends a string: as a number if it is one, compressed if asked for and smaller, else plain. */
void rdb_append_string(struct bytes *out, struct slice s, bool compress);
/* What stands in front of the bytes of a string of `len` bytes that is compressed to packed_len;
 * returns its length. */
size_t rdb_packed_head(uint8_t out[RDB_PACKED_HEAD_MAX], size_t packed_len, size_t len);
void rdb_append_length(struct bytes *out, uint64_t len);

#endif
