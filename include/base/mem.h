/* mem.h - counted allocation over jemalloc; the only door to the heap.
 *
 * Every thread's allocations are counted (by jemalloc itself, or by us where a sanitizer replaces
 * the allocator), so used memory is a sum over threads and costs the hot path nothing. Functions
 * without "try" never return NULL: a cache that cannot allocate 40 bytes has no honest way on and
 * panics. Anything whose size a client chooses (values, buffers, table arrays) uses the try
 * variants.
 */
#ifndef SPILLWAY_BASE_MEM_H
#define SPILLWAY_BASE_MEM_H

#include "base/common.h"

void *mem_alloc(size_t size) __attribute__((malloc, alloc_size(1), returns_nonnull));
void *mem_zalloc(size_t size) __attribute__((malloc, alloc_size(1), returns_nonnull));
void *mem_realloc(void *p, size_t size) __attribute__((returns_nonnull));
void *mem_try_alloc(size_t size) NODISCARD;
void *mem_try_realloc(void *p, size_t size) NODISCARD; /* on NULL the old block is untouched */
/* Zeroed block aligned to `align` (a power of two, at least 16), or NULL. Free with mem_free. */
void *mem_try_zalloc_aligned(size_t align, size_t size) NODISCARD;
/* Gives the pages of [p, p + size) back to the system; the block stays allocated and reads as zeros
 * there. Both on page bounds, inside one block. */
void mem_discard(void *p, size_t size);
void mem_free(void *p);                    /* NULL is allowed */
void mem_free_sized(void *p, size_t size); /* size as asked for; faster than mem_free */
char *mem_strdup(const char *s);
void *mem_dup(const void *data, size_t size); /* copies size bytes */

size_t mem_usable(const void *p);  /* bytes really taken by p */
size_t mem_good_size(size_t size); /* bytes that a request of `size` would take */

/* Each thread calls mem_thread_join before its first allocation of note, mem_thread_leave last. */
void mem_thread_join(void);
void mem_thread_leave(void);

size_t mem_used(void); /* bytes allocated by all joined threads; any thread */
/* Bytes the calling thread has allocated so far, whatever was freed since; it has joined. A few
 * ns. */
uint64_t mem_thread_allocated(void);
/* Where the total that the calling thread has freed is kept; it has joined. Others may read it
 * (RELAXED_LOAD) as long as the thread runs. */
const uint64_t *mem_thread_freed(void);
struct mem_stats {
    size_t allocated, active, resident, mapped, retained, metadata; /* bytes */
};
void mem_stats_read(struct mem_stats *out); /* slow (refreshes the allocator's epoch) */
void mem_purge(void);                       /* give unused pages back to the system */
size_t mem_rss(void);                       /* resident bytes of the process */
const char *mem_allocator_name(void);       /* e.g. "jemalloc-5.3.0" */

/* Tests: the n-th try-allocation of this thread from now on (1 = the next) is NULL; 0 = never. */
void mem_inject_failure(uint64_t nth);

#endif
