/* hyperloglog.h - HyperLogLog sketches as Redis keeps them in strings: how many different elements
 * were added, to about 0.81 %, in at most 12 KiB.
 *
 * All of this works on bytes and knows no keys. Whatever the bytes are, nothing outside of them is
 * read or written; what has no sense is reported as corrupt. The byte layout is in hyperloglog.c.
 */
#ifndef SPILLWAY_VALUE_HYPERLOGLOG_H
#define SPILLWAY_VALUE_HYPERLOGLOG_H

#include "base/bytes.h"

#define HLL_REGISTERS    16384
#define HLL_REGISTER_MAX 63 /* what six bits hold; elements lead to 51 at most */
#define HLL_HEAD         16
#define HLL_DENSE_BYTES  (HLL_HEAD + HLL_REGISTERS * 6 / 8)
/* No valid sparse value is longer: an opcode takes two bytes at most and covers a register. */
#define HLL_SPARSE_MOST (HLL_HEAD + 2 * HLL_REGISTERS)

enum hll_encoding { HLL_DENSE, HLL_SPARSE };

enum hll_result {
    HLL_CORRUPT = -1,
    HLL_SAME = 0,
    HLL_CHANGED = 1 /* or, where nothing is changed yet: would change */
};

/* What an element says: register `index` is to be at least `rank`. */
struct hll_point {
    uint16_t index; /* < HLL_REGISTERS */
    uint8_t rank;   /* 1 to HLL_REGISTER_MAX */
};

struct hll_point hll_point_of(struct slice element);

/* True if the bytes have the head of a sketch and, if dense, its length. Required by all functions
 * below that take a value. */
bool hll_is(struct slice value);
enum hll_encoding hll_encoding_of(struct slice value);

/* An empty sparse sketch, into an empty buffer. The cached count is 0 and valid. */
void hll_init(struct bytes *value);

/* What hll_add would answer. O(1) if dense, else O(length). */
enum hll_result hll_look(struct slice value, struct hll_point point);
/* Raises a register. A sparse value becomes dense if it would grow beyond sparse_max bytes (head
 * included) or if the rank is more than an opcode can say. The cached count is not touched. On
 * HLL_CORRUPT the bytes are as before. */
enum hll_result hll_add(struct bytes *value, struct hll_point point, int64_t sparse_max);
/* hll_add for a dense value in place; true = changed. */
bool hll_add_dense(char *value, struct hll_point point);
/* False: corrupt, and the bytes are as before. A dense value stays as it is. */
bool hll_to_dense(struct bytes *value);

/* Raises each of HLL_REGISTERS registers to that of the value. False: corrupt; some may be raised
 * then. */
bool hll_merge(uint8_t *registers, struct slice value);
/* The estimated number of different elements; false: corrupt. O(length). */
bool hll_count(struct slice value, uint64_t *count);
uint64_t hll_count_registers(const uint8_t *registers); /* of HLL_REGISTERS, each <= 63 */

/* The count kept in the head; false if it is out of date. */
bool hll_cached_count(struct slice value, uint64_t *count);
void hll_cache_count(char *value, uint64_t count);
void hll_invalidate_count(char *value);

/* The opcodes of a sparse value as text: "Z:" and "z:" runs of zeros in two bytes and in one,
 * "v:value,run". False: an opcode is cut off. */
bool hll_describe(struct slice value, struct bytes *out);

/* Registers, both forms, and the estimates against known sets; some 50 ms. NULL = all is well, else
 * what is wrong. */
const char *hll_self_test(void);

#endif
