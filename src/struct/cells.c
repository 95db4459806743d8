/* cells.c - an allocator for small flat records: size classes in runs of aligned chunks.
 *
 * A chunk is 64 KiB on a multiple of 64 KiB, so the chunk of a record is found by masking its
 * address. It is divided into 32 granules, and these are handed out in runs of 1, 2, 4, 8 or all
 * 32; a run serves one size class at a time. Memory that was never used is not resident, so a
 * small heap costs the pages it has touched.
 *
 *      +------+-------+------------------+-------+----------- - - -+-------+-------------------+
 *      | head | run 0 | records of run 0 | run 1 | records         | run 3 | records           |
 *      +------+-------+------------------+-------+----------- - - -+-------+-------------------+
 *      | granule 0                       | granules 1 and 2        | granules 3 to 6 ...
 *
 * There are 64 heaps (one for each shard) of 64 classes each, so what a class has at hand must
 * follow what it uses, be it one record or a million. A class that needs a run takes the length by
 * which it loses least: half a run stands empty on average, though of a long one most is never
 * touched, which speaks for a short one; what the head and the last bit of a run lose is lost in
 * each of its runs, which speaks for long ones once it has much.
 *
 * Within a run records follow each other without gaps. Freed ones form a list (a 2-byte link inside
 * the record: its successor's place in units of 4 bytes from the chunk's start, 0 ends it); memory
 * that was never used is taken from `fresh` on. Runs with room are in a list per class, in the
 * order in which they got some: records are taken from the latest, which is in the cache and nearly
 * full, while sparse runs have the time to become empty. An empty run goes back to its chunk, an
 * empty chunk to the system, but for one that each heap keeps.
 *
 * To free a record is to write to its run's head, which is seldom in the cache. So a class with
 * much memory keeps a few freed records aside (`recent`) and gives them out again first:
 * overwriting and evicting in a steady state go without the runs.
 *
 * Cost: see tests/bench/bench_cells.c. In 64 heaps, 124-byte records take 124.4 bytes each if there
 * are ten million of them, 124.9 resident if one million.
 *
 * In test builds freed records are overwritten, and poisoned under the address sanitizer.
 */
#include <string.h>

#include "base/lock.h"
#include "base/mem.h"
#include "base/pace.h"
#include "base/panic.h"
#include "struct/cells.h"

#if defined(__SANITIZE_ADDRESS__)
#define CELLS_ASAN
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define CELLS_ASAN
#endif
#endif
#ifdef CELLS_ASAN
#include <sanitizer/asan_interface.h>
#define HIDE(p, size) __asan_poison_memory_region((p), (size))
#define SHOW(p, size) __asan_unpoison_memory_region((p), (size))
#else
#define HIDE(p, size) ((void)(p), (void)(size))
#define SHOW(p, size) ((void)(p), (void)(size))
#endif

#define CHUNK         ((size_t)65536)
#define GRANULE       ((size_t)2048)
#define GRANULES      32
#define CLASSES       64
#define UNIT          4
#define FREED_PATTERN 0xDB
#define EMPTY_MAX     ((size_t)4096)      /* what a run's empty half costs at most */
#define RECENT_FROM   ((size_t)512 << 10) /* bytes in use from which on a class has some ... */
#define RECENT_MAX    16                  /* ... recent records, and how many */

/* The lengths of runs in granules, and masks of where one may begin. */
enum { LENGTHS = 5 };
static const uint8_t LENGTH[LENGTHS] = {1, 2, 4, 8, GRANULES};
static const uint32_t BEGIN[LENGTHS] = {~UINT32_C(0), 0x55555555, 0x11111111, 0x01010101, 1};

struct run {
    struct run *next, *prev; /* the class's runs with room */
    uint16_t free;           /* first free record; this and the next two count units of the chunk */
    uint16_t fresh;          /* never used from here on ... */
    uint16_t end;            /* ... to here */
    uint16_t used;           /* records */
    uint8_t class;
    uint8_t length; /* index into LENGTH */
};

struct chunk {
    struct chunk *next, *prev; /* those with as much room */
    struct block *block;       /* set once: where it is from */
    uint32_t idle;             /* bit for each granule that is in no run */
    uint8_t room;              /* longest idle run: its index into LENGTH plus one, or 0 */
    bool whole;                /* one run over all granules: `begin` need not be read */
    struct run first;          /* of granule 0; other runs begin with theirs */
    uint8_t begin[GRANULES];   /* granule in which the run of a granule begins */
};

struct cells {
    struct run *runs[CLASSES]; /* with room; records are taken from the first */
    size_t bytes[CLASSES];     /* in runs of the class */
    size_t live[CLASSES];      /* records in use */
    void *recent[CLASSES];     /* freed but still counted in their runs; newest first */
    uint8_t recents[CLASSES];
    struct chunk *chunks[LENGTHS + 1]; /* by room */
    struct chunk *spare;               /* an empty one, not among the chunks, or NULL */
    size_t held;                       /* bytes of chunks, the spare's too */
    size_t used;                       /* bytes of records in use */
};

static unsigned class_of(size_t size)
{
    if (size <= 128)
        return (unsigned)((size + 3) / 4 - 1);
    if (size <= 256)
        return (unsigned)(32 + (size - 129) / 8);
    return (unsigned)(48 + (size - 257) / 16);
}

static size_t size_of(unsigned class)
{
    if (class < 32)
        return 4 * (class + 1);
    if (class < 48)
        return 136 + 8 * (size_t)(class - 32);
    return 272 + 16 * (size_t)(class - 48);
}

static struct chunk *chunk_of(const void *inside)
{
    return (struct chunk *)((uintptr_t)inside & ~(CHUNK - 1));
}

static struct run *run_at(struct chunk *c, unsigned granule)
{
    return granule == 0 ? &c->first : (struct run *)((char *)c + granule * GRANULE);
}

static struct run *run_of(struct chunk *c, size_t offset)
{
    return c->whole ? &c->first : run_at(c, c->begin[offset / GRANULE]);
}

static char *at_unit(struct run *r, size_t unit)
{
    return (char *)chunk_of(r) + unit * UNIT;
}

static bool has_room(const struct run *r, size_t size)
{
    return r->free || r->fresh + size / UNIT <= r->end;
}

/* ---- The pool --------------------------------------------------------------------------------

   All heaps take their chunks from blocks of 16, because the allocator's bookkeeping and padding
   would cost a fiftieth of each. Pages of a chunk that comes back are given to the system at once,
   the block when all of its chunks are back, but for one that waits for the next chunk. */

#define BLOCK_CHUNKS 16
#define BLOCK_IDLE   ((UINT32_C(1) << BLOCK_CHUNKS) - 1)

struct block {
    struct block *next, *prev; /* those with idle chunks */
    char *base;
    uint32_t idle; /* bit for each chunk that nobody has */
};

static struct lock pool_lock;
static struct block *pool_blocks; /* pool_lock */
static size_t pool_idle;          /* atomic: bytes of blocks that are in no chunk */

static void block_link(struct block *b)
{
    b->prev = NULL;
    b->next = pool_blocks;
    if (b->next)
        b->next->prev = b;
    pool_blocks = b;
}

static void block_unlink(struct block *b)
{
    if (b->prev)
        b->prev->next = b->next;
    else
        pool_blocks = b->next;
    if (b->next)
        b->next->prev = b->prev;
}

static struct block *block_new(void)
{
    struct block *b = mem_alloc(sizeof(*b));
    b->base = mem_try_zalloc_aligned(CHUNK, BLOCK_CHUNKS * CHUNK);
    if (!b->base)
        PANIC("out of memory: %zu bytes for records", BLOCK_CHUNKS * CHUNK);
    b->idle = BLOCK_IDLE;
    HIDE(b->base, BLOCK_CHUNKS * CHUNK);
    RELAXED_ADD(&pool_idle, BLOCK_CHUNKS * CHUNK);
    block_link(b);
    return b;
}

/* A zeroed chunk. */
static struct chunk *pool_take(void)
{
    lock_take(&pool_lock);
    struct block *b = pool_blocks ? pool_blocks : block_new();
    unsigned i = (unsigned)__builtin_ctz(b->idle);
    b->idle &= b->idle - 1;
    if (b->idle == 0)
        block_unlink(b);
    lock_drop(&pool_lock);
    RELAXED_ADD(&pool_idle, -CHUNK);
    struct chunk *c = (struct chunk *)(b->base + i * CHUNK);
    SHOW(c, CHUNK);
    c->block = b;
    return c;
}

static void pool_give(struct chunk *c)
{
    struct block *b = c->block;
    unsigned i = (unsigned)(((char *)c - b->base) / (ptrdiff_t)CHUNK);
    SHOW(c, CHUNK);
    mem_discard(c, CHUNK);
    HIDE(c, CHUNK);
    RELAXED_ADD(&pool_idle, CHUNK);
    lock_take(&pool_lock);
    if (b->idle == 0)
        block_link(b);
    b->idle |= UINT32_C(1) << i;
    bool surplus = b->idle == BLOCK_IDLE && (b->next || b->prev);
    if (surplus)
        block_unlink(b);
    lock_drop(&pool_lock);
    if (surplus) {
        RELAXED_ADD(&pool_idle, -(BLOCK_CHUNKS * CHUNK));
        SHOW(b->base, BLOCK_CHUNKS * CHUNK);
        mem_free(b->base);
        mem_free(b);
    }
}

size_t cells_pool_idle(void)
{
    return RELAXED_LOAD(&pool_idle);
}

/* ---- Chunks ---------------------------------------------------------------------------------- */

/* The granules in which an idle run of LENGTH[i] may begin. */
static uint32_t idle_runs(const struct chunk *c, unsigned i)
{
    uint32_t m = c->idle;
    for (unsigned shift = 1; shift < LENGTH[i]; shift *= 2)
        m &= m >> shift;
    return m & BEGIN[i];
}

static unsigned room_in(const struct chunk *c)
{
    unsigned i = LENGTHS;
    while (i > 0 && !idle_runs(c, i - 1))
        i--;
    return i;
}

static void chunk_link(struct cells *cells, struct chunk *c)
{
    c->room = (uint8_t)room_in(c);
    c->prev = NULL;
    c->next = cells->chunks[c->room];
    if (c->next)
        c->next->prev = c;
    cells->chunks[c->room] = c;
}

static void chunk_unlink(struct cells *cells, struct chunk *c)
{
    if (c->prev)
        c->prev->next = c->next;
    else
        cells->chunks[c->room] = c->next;
    if (c->next)
        c->next->prev = c->prev;
}

static void chunk_discard(struct cells *cells, struct chunk *c)
{
    cells->held -= CHUNK;
    pool_give(c);
}

/* An idle chunk, not in a list yet. */
static struct chunk *chunk_new(struct cells *cells)
{
    struct chunk *c = cells->spare;
    if (c) {
        cells->spare = NULL;
        return c;
    }
    c = pool_take();
    c->idle = UINT32_MAX;
    cells->held += CHUNK;
    HIDE(c + 1, CHUNK - sizeof(*c));
    return c;
}

/* An idle chunk, which is in no list, waits as the heap's spare or leaves it. Without a spare, one
 * record that comes and goes would make its heap go to the system again and again. */
static void chunk_retire(struct cells *cells, struct chunk *c)
{
    if (cells->spare)
        chunk_discard(cells, c);
    else
        cells->spare = c;
}

/* ---- Runs ------------------------------------------------------------------------------------ */

static void run_link(struct cells *cells, struct run *r)
{
    r->prev = NULL;
    r->next = cells->runs[r->class];
    if (r->next)
        r->next->prev = r;
    cells->runs[r->class] = r;
}

static void run_unlink(struct cells *cells, struct run *r)
{
    if (r->prev)
        r->prev->next = r->next;
    else
        cells->runs[r->class] = r->next;
    if (r->next)
        r->next->prev = r->prev;
}

/* The length (index) for the next run of a class, by what is lost with it; see the top. */
static unsigned best_length(const struct cells *cells, unsigned class)
{
    unsigned best = 0;
    size_t least = SIZE_MAX;
    for (unsigned i = 0; i < LENGTHS; i++) {
        size_t whole = LENGTH[i] * GRANULE, size = size_of(class);
        size_t head = LENGTH[i] == GRANULES ? sizeof(struct chunk) : sizeof(struct run);
        size_t filled = (whole - head) / size * size;
        size_t loss =
            MIN_OF(whole / 2, EMPTY_MAX) + cells->bytes[class] * (whole - filled) / filled;
        if (loss < least)
            least = loss, best = i;
    }
    return best;
}

/* Granules for a run of LENGTH[i], from the fullest chunk that has them. */
static struct run *granules_take(struct cells *cells, unsigned i)
{
    struct chunk *c = NULL;
    for (unsigned room = i + 1; !c && room <= LENGTHS; room++)
        c = cells->chunks[room];
    if (c)
        chunk_unlink(cells, c);
    else
        c = chunk_new(cells);
    unsigned begin = (unsigned)__builtin_ctz(idle_runs(c, i));
    uint32_t taken = UINT32_MAX >> (GRANULES - LENGTH[i]) << begin;
    c->idle &= ~taken;
    c->whole = LENGTH[i] == GRANULES;
    memset(c->begin + begin, (int)begin, LENGTH[i]);
    chunk_link(cells, c);
    return run_at(c, begin);
}

/* An empty run for the class, in its list. */
static NOINLINE struct run *run_take(struct cells *cells, unsigned class)
{
    unsigned i = best_length(cells, class);
    struct run *r = granules_take(cells, i);
    struct chunk *c = chunk_of(r);
    SHOW(r, sizeof(*r));
    size_t begin = r == &c->first ? 0 : (size_t)((char *)r - (char *)c);
    size_t records = begin == 0 ? sizeof(*c) : begin + sizeof(*r);
    *r = (struct run){
        .fresh = (uint16_t)(records / UNIT),
        .end = (uint16_t)((begin + LENGTH[i] * GRANULE) / UNIT),
        .class = (uint8_t) class,
        .length = (uint8_t)i,
    };
    cells->bytes[class] += LENGTH[i] * GRANULE;
    run_link(cells, r);
    return r;
}

/* Takes an empty run back. */
static NOINLINE void run_give(struct cells *cells, struct run *r)
{
    struct chunk *c = chunk_of(r);
    unsigned length = LENGTH[r->length];
    unsigned begin = r == &c->first ? 0 : (unsigned)(((char *)r - (char *)c) / GRANULE);
    run_unlink(cells, r);
    cells->bytes[r->class] -= length * GRANULE;
    if (begin > 0)
        HIDE(r, sizeof(*r));
    chunk_unlink(cells, c);
    c->idle |= UINT32_MAX >> (GRANULES - length) << begin;
    if (c->idle == UINT32_MAX)
        chunk_retire(cells, c);
    else
        chunk_link(cells, c);
}

/* Puts a record on its run's list. */
static void run_put(struct cells *cells, void *record, unsigned class)
{
    struct chunk *c = chunk_of(record);
    size_t offset = (size_t)((char *)record - (char *)c), size = size_of(class);
    struct run *r = run_of(c, offset);
    ASSERT(r->class == class && r->used > 0); /* else the size is not the one of the allocation */
    bool was_full = !has_room(r, size);
    memcpy(record, &r->free, sizeof(r->free));
    HIDE(record, size);
    r->free = (uint16_t)(offset / UNIT);
    r->used--;
    if (UNLIKELY(was_full))
        run_link(cells, r);
    if (UNLIKELY(r->used == 0))
        run_give(cells, r);
}

static void *recent_pop(struct cells *cells, unsigned class)
{
    void *record = cells->recent[class];
    SHOW(record, size_of(class));
    memcpy(&cells->recent[class], record, sizeof(void *));
    cells->recents[class]--;
    return record;
}

static void recent_push(struct cells *cells, void *record, unsigned class)
{
    DEBUG_ASSERT(run_of(chunk_of(record), (uintptr_t)record % CHUNK)->class == class);
    memcpy(record, &cells->recent[class], sizeof(void *));
    HIDE(record, size_of(class));
    cells->recent[class] = record;
    cells->recents[class]++;
}

static void recent_flush(struct cells *cells, unsigned class)
{
    while (cells->recent[class])
        run_put(cells, recent_pop(cells, class), class);
}

/* A record from the class's first run with room. */
static void *run_get(struct cells *cells, unsigned class, size_t size)
{
    struct run *r = cells->runs[class];
    if (UNLIKELY(!r))
        r = run_take(cells, class);
    char *record;
    if (r->free) {
        record = at_unit(r, r->free);
        SHOW(record, size);
        memcpy(&r->free, record, sizeof(r->free));
    } else {
        record = at_unit(r, r->fresh);
        SHOW(record, size);
        r->fresh = (uint16_t)(r->fresh + size / UNIT);
    }
    r->used++;
    if (UNLIKELY(!has_room(r, size)))
        run_unlink(cells, r);
    return record;
}

/* ---- The interface --------------------------------------------------------------------------- */

struct cells *cells_new(void)
{
    return mem_zalloc(sizeof(struct cells));
}

void cells_reset(struct cells *cells)
{
    for (unsigned room = 0; room <= LENGTHS; room++)
        for (struct chunk *c = cells->chunks[room], *next; c; c = next) {
            next = c->next;
            chunk_discard(cells, c);
            pace();
        }
    if (cells->spare)
        chunk_discard(cells, cells->spare);
    memset(cells, 0, sizeof(*cells));
}

void cells_free_all(struct cells *cells)
{
    if (!cells)
        return;
    cells_reset(cells);
    mem_free(cells);
}

bool cells_free_step(struct cells *cells, size_t chunks)
{
    for (unsigned room = 0; room <= LENGTHS; room++)
        for (struct chunk *c; (c = cells->chunks[room]) != NULL; chunks--) {
            if (chunks == 0)
                return false;
            cells->chunks[room] = c->next;
            chunk_discard(cells, c);
            pace();
        }
    cells_free_all(cells);
    return true;
}

void *cells_alloc(struct cells *cells, size_t size)
{
    DEBUG_ASSERT(size >= 1 && size <= CELLS_MAX);
    unsigned class = class_of(size);
    size = size_of(class);
    cells->live[class]++;
    cells->used += size;
    if (cells->recent[class])
        return recent_pop(cells, class);
    return run_get(cells, class, size);
}

void cells_free(struct cells *cells, void *record, size_t size)
{
    unsigned class = class_of(size);
    size = size_of(class);
    cells->used -= size;
#ifdef SPILLWAY_DEBUG
    memset(record, FREED_PATTERN, size);
#endif
    bool much = --cells->live[class] * size >= RECENT_FROM;
    if (much && cells->recents[class] < RECENT_MAX && size >= sizeof(void *)) {
        recent_push(cells, record, class);
        return;
    }
    run_put(cells, record, class);
    if (!much && cells->recent[class])
        recent_flush(cells, class);
}

size_t cells_class_size(size_t size)
{
    return size_of(class_of(size));
}

size_t cells_idle(const struct cells *cells)
{
    return cells->held - cells->used;
}

void cells_stats(const struct cells *cells, struct cells_stats *out)
{
    *out = (struct cells_stats){.held_bytes = cells->held + mem_good_size(sizeof(*cells))};
    for (unsigned class = 0; class < CLASSES; class ++) {
        out->records += cells->live[class];
        out->live_bytes += cells->live[class] * size_of(class);
    }
}
