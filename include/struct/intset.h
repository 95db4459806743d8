/* intset.h - a sorted set of integers in one block of bytes, byte for byte as Redis lays it out, so
 * that RDB carries it as it is in both directions.
 *
 *      +----------------+----------------+-----------+-----------+- - -+
 *      | width: u32     | count: u32     | smallest  | ...       |     |   little endian
 *      +----------------+----------------+-----------+-----------+- - -+
 *
 * All integers have the same width, 2, 4 or 8 bytes: the narrowest that held every integer there
 * ever was (removing does not narrow it). They ascend and none is there twice.
 *
 * An intset *is* its bytes: an `unsigned char *` from intset_new, freed by intset_free. What reads
 * takes `const unsigned char *`, at any address; what writes takes `unsigned char **`, because the
 * block may move; it is grown to the allocator's next size class and no further.
 *
 * Cost: O(log n) to find, O(n) to add or remove (a memmove; adding at either end by a wider value
 * rewrites all). Memory: 8 bytes and width times count.
 *
 * Bytes that came from outside must pass intset_validate first: all other functions trust them.
 * Not locked: the owner guards it.
 */
#ifndef SPILLWAY_STRUCT_INTSET_H
#define SPILLWAY_STRUCT_INTSET_H

#include "struct/flat.h"

#define INTSET_HEAD 8 /* bytes of an empty one */

unsigned char *intset_new(void) __attribute__((returns_nonnull));
void intset_free(unsigned char *set); /* NULL is allowed */
unsigned char *intset_copy(const unsigned char *set) __attribute__((returns_nonnull));

ALWAYS_INLINE uint32_t intset_width(const unsigned char *set) /* bytes of an integer */
{
    return (uint32_t)flat_load(set, 4);
}

ALWAYS_INLINE uint32_t intset_count(const unsigned char *set)
{
    return (uint32_t)flat_load(set + 4, 4);
}

ALWAYS_INLINE size_t intset_bytes(const unsigned char *set)
{
    return INTSET_HEAD + (size_t)intset_count(set) * intset_width(set);
}

size_t intset_memory(const unsigned char *set); /* bytes the block takes */

/* The index-th smallest; index < count. O(1). */
int64_t intset_get(const unsigned char *set, uint32_t index);
/* Whether value is there; *index (may be NULL) is its place, or that of the next larger one. */
bool intset_find(const unsigned char *set, int64_t value, uint32_t *index);
int64_t intset_min(const unsigned char *set); /* of a set that is not empty; the same below */
int64_t intset_max(const unsigned char *set);
/* One of them, chosen by a random number of the caller: as evenly as 64 bits can be. */
int64_t intset_pick(const unsigned char *set, uint64_t random);

/* False: it was there already, or UINT32_MAX integers are. */
bool intset_add(unsigned char **set, int64_t value);
/* False: it was not there. */
bool intset_remove(unsigned char **set, int64_t value);
/* Bytes the set would have after adding value. O(log n). */
size_t intset_bytes_with(const unsigned char *set, int64_t value);

/* Whether `len` bytes are an intset, and not an empty one (Redis writes none and reads none); reads
 * nothing beyond them, whatever they are. Not deep: only the head, O(1). Deep: the order too, O(n).
 * */
bool intset_validate(const unsigned char *bytes, size_t len, bool deep) NODISCARD;

#endif
