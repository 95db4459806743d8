/* mem.c - counted allocation.
 *
 * With jemalloc (SPILLWAY_JEMALLOC) each thread's totals are kept by the allocator itself; joining
 * a thread registers where they are, so counting costs nothing on the hot path. Without it (the
 * sanitizers bring their own allocator) we count malloc_usable_size in the same two totals; threads
 * that have not joined share one pair.
 *
 * mem_used reads the totals of running threads without stopping them: first what was freed, then
 * what was allocated, so that a block passing between threads can only be counted too long, never
 * negative. The list of threads is guarded by a lock, because a leaving thread's totals live in its
 * thread-local storage.
 */
#include "base/mem.h"

#include <sys/mman.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#ifdef SPILLWAY_JEMALLOC
#include <jemalloc/jemalloc.h>
#else
#include <malloc.h>
#endif
#include "base/lock.h"
#include "base/panic.h"

struct thread_totals {
    const uint64_t *allocated, *freed;       /* written by their thread only; read relaxed by any */
    struct thread_totals *next;              /* registry lock */
    uint64_t folded_allocated, folded_freed; /* owner thread; added to left_* when it last left */
    bool joined;                             /* owner thread */
};

static _Thread_local struct thread_totals self;
static _Thread_local uint64_t fail_in; /* try-allocations until one fails; 0 = never */

static struct lock registry_lock;
static struct thread_totals *registry;      /* registry lock */
static uint64_t left_allocated, left_freed; /* registry lock; folded totals of threads that left */
static pthread_key_t leave_key;             /* set once */
static pthread_once_t leave_once = PTHREAD_ONCE_INIT;

#ifdef SPILLWAY_JEMALLOC

/* Pages freed by a cache are wanted again soon, so they stay a few seconds; then one background
 * thread gives them back, also while the server is idle. An arena is made only when a thread first
 * needs it, so the default bound on their number costs an empty server nothing. */
__attribute__((used, visibility("default"))) const char *malloc_conf =
    "background_thread:true,max_background_threads:1,dirty_decay_ms:5000,muzzy_decay_ms:0";

static void *heap_alloc(size_t size)
{
    return malloc(size);
}
static void *heap_zalloc(size_t size)
{
    return calloc(1, size);
}
static void *heap_realloc(void *p, size_t size)
{
    return realloc(p, size);
}

static void *heap_zalloc_aligned(size_t align, size_t size)
{
    return mallocx(size, MALLOCX_ALIGN(align) | MALLOCX_ZERO);
}

static void heap_free(void *p)
{
    free(p);
}
static void heap_free_sized(void *p, size_t size)
{
    sdallocx(p, size, 0);
}

#else

#define HEAP_MAX                                                                                   \
    ((size_t)1 << 38) /* sanitizers abort on what no machine has; a try must return NULL */

static _Thread_local uint64_t own_allocated, own_freed;
static uint64_t shared_allocated, shared_freed; /* atomic; threads that have not joined */

static void count_alloc(void *p)
{
    uint64_t size = malloc_usable_size(p);
    if (self.joined)
        OWNER_ADD(&own_allocated, size);
    else
        RELAXED_ADD(&shared_allocated, size);
}

static void count_free(uint64_t size)
{
    if (self.joined)
        OWNER_ADD(&own_freed, size);
    else
        RELAXED_ADD(&shared_freed, size);
}

static void *heap_alloc(size_t size)
{
    void *p = size <= HEAP_MAX ? malloc(size) : NULL;
    if (p)
        count_alloc(p);
    return p;
}

static void *heap_zalloc(size_t size)
{
    void *p = size <= HEAP_MAX ? calloc(1, size) : NULL;
    if (p)
        count_alloc(p);
    return p;
}

static void *heap_realloc(void *p, size_t size)
{
    uint64_t before = malloc_usable_size(p);
    void *q = size <= HEAP_MAX ? realloc(p, size) : NULL;
    if (q) {
        count_free(before);
        count_alloc(q);
    }
    return q;
}

static void *heap_zalloc_aligned(size_t align, size_t size)
{
    void *p = NULL;
    if (size > HEAP_MAX || posix_memalign(&p, align, size) != 0)
        return NULL;
    count_alloc(p);
    return memset(p, 0, size);
}

static void heap_free(void *p)
{
    if (!p)
        return;
    count_free(malloc_usable_size(p));
    free(p);
}

static void heap_free_sized(void *p, size_t size)
{
    heap_free(p);
}

#endif

static NORETURN NOINLINE void out_of_memory(size_t size)
{
    PANIC("out of memory allocating %zu bytes", size);
}

/* A size of 0 is served as 1, so that a block is always a block. */
static size_t block_size(size_t size)
{
    return size ? size : 1;
}

void *mem_alloc(size_t size)
{
    void *p = heap_alloc(block_size(size));
    if (UNLIKELY(!p))
        out_of_memory(size);
    return p;
}

void *mem_zalloc(size_t size)
{
    void *p = heap_zalloc(block_size(size));
    if (UNLIKELY(!p))
        out_of_memory(size);
    return p;
}

void *mem_realloc(void *p, size_t size)
{
    void *q = heap_realloc(p, block_size(size));
    if (UNLIKELY(!q))
        out_of_memory(size);
    return q;
}

static bool must_fail(void)
{
    return UNLIKELY(fail_in > 0) && --fail_in == 0;
}

void *mem_try_alloc(size_t size)
{
    return must_fail() ? NULL : heap_alloc(block_size(size));
}

void *mem_try_realloc(void *p, size_t size)
{
    return must_fail() ? NULL : heap_realloc(p, block_size(size));
}

void *mem_try_zalloc_aligned(size_t align, size_t size)
{
    ASSERT(align >= 16 && (align & (align - 1)) == 0);
    return must_fail() ? NULL : heap_zalloc_aligned(align, block_size(size));
}

void mem_free(void *p)
{
    heap_free(p);
}

void mem_free_sized(void *p, size_t size)
{
    if (p)
        heap_free_sized(p, block_size(size));
}

char *mem_strdup(const char *s)
{
    return mem_dup(s, strlen(s) + 1);
}

void *mem_dup(const void *data, size_t size)
{
    void *copy = mem_alloc(size);
    if (size)
        memcpy(copy, data, size);
    return copy;
}

size_t mem_usable(const void *p)
{
#ifdef SPILLWAY_JEMALLOC
    return sallocx(p, 0);
#else
    return malloc_usable_size((void *)p);
#endif
}

size_t mem_good_size(size_t size)
{
#ifdef SPILLWAY_JEMALLOC
    size_t good = nallocx(block_size(size), 0);
    return good ? good : size; /* 0: larger than any class; the allocation will say so */
#else
    return (block_size(size) + 15) & ~(size_t)15;
#endif
}

void mem_inject_failure(uint64_t nth)
{
    fail_in = nth;
}

/* A thread that forgot to leave: its totals must not be read after its storage is gone. */
static void leave_at_exit(void *unused)
{
    mem_thread_leave();
}

static void create_leave_key(void)
{
    ASSERT(pthread_key_create(&leave_key, leave_at_exit) == 0);
}

void mem_thread_join(void)
{
    if (self.joined)
        return;
    pthread_once(&leave_once, create_leave_key);
    pthread_setspecific(leave_key, &self);
#ifdef SPILLWAY_JEMALLOC
    size_t size = sizeof(uint64_t *);
    ASSERT(mallctl("thread.allocatedp", &self.allocated, &size, NULL, 0) == 0);
    ASSERT(mallctl("thread.deallocatedp", &self.freed, &size, NULL, 0) == 0);
#else
    self.allocated = &own_allocated;
    self.freed = &own_freed;
#endif
    self.joined = true;
    lock_take(&registry_lock);
    left_allocated -= self.folded_allocated; /* the totals go on from where they were */
    left_freed -= self.folded_freed;
    self.next = registry;
    registry = &self;
    lock_drop(&registry_lock);
}

void mem_thread_leave(void)
{
    if (!self.joined)
        return;
    pthread_setspecific(leave_key, NULL);
    lock_take(&registry_lock);
    struct thread_totals **at = &registry;
    while (*at != &self)
        at = &(*at)->next;
    *at = self.next;
    left_allocated += self.folded_allocated = *self.allocated;
    left_freed += self.folded_freed = *self.freed;
    lock_drop(&registry_lock);
    self.joined = false;
}

uint64_t mem_thread_allocated(void)
{
    return LIKELY(self.joined) ? *self.allocated : 0;
}

const uint64_t *mem_thread_freed(void)
{
    ASSERT(self.joined);
    return self.freed;
}

size_t mem_used(void)
{
    lock_take(&registry_lock);
    uint64_t freed = left_freed, allocated = left_allocated;
#ifndef SPILLWAY_JEMALLOC
    freed += __atomic_load_n(&shared_freed, __ATOMIC_ACQUIRE);
#endif
    for (const struct thread_totals *t = registry; t; t = t->next)
        freed += __atomic_load_n(t->freed, __ATOMIC_ACQUIRE); /* before the loads below */
    for (const struct thread_totals *t = registry; t; t = t->next)
        allocated += RELAXED_LOAD(t->allocated);
#ifndef SPILLWAY_JEMALLOC
    allocated += RELAXED_LOAD(&shared_allocated);
#endif
    lock_drop(&registry_lock);
    return allocated > freed ? allocated - freed : 0;
}

#ifdef SPILLWAY_JEMALLOC

#define TEXT_OF_TOKEN(x) #x
#define TEXT_OF(x)       TEXT_OF_TOKEN(x)

static size_t read_size(const char *name)
{
    size_t value = 0, size = sizeof(value);
    return mallctl(name, &value, &size, NULL, 0) == 0 ? value : 0;
}

void mem_stats_read(struct mem_stats *out)
{
    uint64_t epoch = 1;
    size_t size = sizeof(epoch);
    mallctl("epoch", &epoch, &size, &epoch, size);
    out->allocated = read_size("stats.allocated");
    out->active = read_size("stats.active");
    out->resident = read_size("stats.resident");
    out->mapped = read_size("stats.mapped");
    out->retained = read_size("stats.retained");
    out->metadata = read_size("stats.metadata");
}

void mem_purge(void)
{
    char name[64];
    snprintf(name, sizeof(name), "arena.%u.purge", (unsigned)MALLCTL_ARENAS_ALL);
    mallctl(name, NULL, NULL, NULL, 0);
}

const char *mem_allocator_name(void)
{
    return "jemalloc-" TEXT_OF(JEMALLOC_VERSION_MAJOR) "." TEXT_OF(
        JEMALLOC_VERSION_MINOR) "." TEXT_OF(JEMALLOC_VERSION_BUGFIX);
}

#else

void mem_stats_read(struct mem_stats *out)
{
    size_t used = mem_used(), resident = mem_rss();
    *out = (struct mem_stats){.allocated = used,
                              .active = used,
                              .resident = MAX_OF(resident, used),
                              .mapped = MAX_OF(resident, used)};
}

void mem_purge(void)
{
    malloc_trim(0);
}

const char *mem_allocator_name(void)
{
    return "libc";
}

#endif

size_t mem_rss(void)
{
    char text[128];
    int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    ssize_t got = read(fd, text, sizeof(text) - 1);
    close(fd);
    if (got <= 0)
        return 0;
    text[got] = '\0';
    unsigned long total, resident;
    if (sscanf(text, "%lu %lu", &total, &resident) != 2)
        return 0;
    return resident * (size_t)sysconf(_SC_PAGESIZE);
}

void mem_discard(void *p, size_t size)
{
    /* A hint: where it cannot be followed the memory is merely not given back, but it must read as
     * zeros. */
    if (madvise(p, size, MADV_DONTNEED) != 0)
        memset(p, 0, size);
}
