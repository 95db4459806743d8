/* cells.h - an allocator for small flat records of one owner: no metadata per record, no padding to
 * powers.
 *
 * A shard keeps its entries here. Sizes are rounded to 4 bytes up to 128, 8 up to 256, 16 up to
 * CELLS_MAX, so a 124-byte record takes 124 bytes. The size is given again when a record is freed.
 * Not locked: whoever owns the heap guards it (for a shard: the shard lock).
 */
#ifndef SPILLWAY_STRUCT_CELLS_H
#define SPILLWAY_STRUCT_CELLS_H

#include "base/common.h"

#define CELLS_MAX 512 /* largest record in bytes */

struct cells;

struct cells *cells_new(void);
/* Every record at once, and the heap itself (NULL is allowed). O(chunks). */
void cells_free_all(struct cells *cells);
/* The same in steps of up to `chunks` chunks of 64 KiB; true when the heap is gone. After the first
 * step nothing else may be done with it. */
bool cells_free_step(struct cells *cells, size_t chunks);
/* Every record at once; the heap stays usable. O(chunks). */
void cells_reset(struct cells *cells);

/* 4-byte aligned memory of at least `size` bytes, 1 <= size <= CELLS_MAX. O(1). */
void *cells_alloc(struct cells *cells, size_t size) __attribute__((returns_nonnull));
void cells_free(struct cells *cells, void *record, size_t size);
/* Bytes that a record of `size` occupies. Two sizes with the same answer are interchangeable in
 * cells_free. */
size_t cells_class_size(size_t size);

struct cells_stats {
    size_t live_bytes; /* in records */
    size_t held_bytes; /* taken from the system allocator */
    size_t records;
};
/* Bytes held that are in no record: freed ones, and room not used yet. O(1). */
size_t cells_idle(const struct cells *cells);
/* Bytes allocated for the chunks of all heaps that no heap has. Any thread. */
size_t cells_pool_idle(void);
void cells_stats(const struct cells *cells, struct cells_stats *out);

#endif
