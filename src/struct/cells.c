/* cells.c - an allocator for small flat records: size classes in pieces of aligned chunks.
 *
 * A chunk starts on a multiple of 32 KiB, so the chunk of a record is found by masking its address.
 * It is divided into pieces of one size, each of which serves one size class at a time:
 *
 *      kind        chunk     pieces         for a class that holds
 *      SMALL       16 KiB    16 of 1 KiB    less than 8 KiB (records up to 256 bytes)
 *      MIDDLE      16 KiB     4 of 4 KiB    less than 64 KiB
 *      LARGE       32 KiB     1             more
 *
 * So a class never has much more at hand than it uses, be it one record or a million: there are 64
 * heaps (one for each shard) of 64 classes each. The chunk's head and its pieces' descriptors take
 * the front of the first piece.
 *
 *      +------+--------------------+----------------+----------- - - -+-------------------+
 *      | head | piece[0] piece[1]  | records of 0   | records of 1    |                   |
 *      +------+--------------------+----------------+----------- - - -+-------------------+
 *
 * Within a piece records follow each other without gaps. Freed ones form a list (a 2-byte link
 * inside the record: its successor's place in units of 4 bytes from the chunk's start, 0 ends it);
 * memory that was never used is taken from `fresh` on, so a new chunk is not touched before it is
 * needed. Pieces with room are in a ring per class; records are taken from the ring's first piece
 * until it is full, and a full piece of which a record is freed becomes its last, so that sparse
 * pieces have a chance to become empty. An empty piece goes back to its chunk, an empty chunk to
 * the system, but for one that a heap keeps where it does not matter.
 *
 * A 124-byte record takes 124.6 bytes; the allocator's own page data about 0.5 more
 * (tests/bench/bench_cells.c).
 *
 * In test builds freed records are overwritten, and poisoned under the address sanitizer.
 */
#include <string.h>

#include "base/mem.h"
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

#define CHUNK_ALIGN   ((size_t)32768)
#define CLASSES       64
#define UNIT          4
#define FREED_PATTERN 0xDB

enum kind { SMALL, MIDDLE, LARGE, KINDS };

static const struct {
    size_t chunk;
    unsigned shift, pieces;
} KIND[KINDS] = {
    [SMALL] = {16384, 10, 16},
    [MIDDLE] = {16384, 12, 4},
    [LARGE] = {32768, 15, 1},
};

/* A heap of this many chunks' size keeps an empty one; of SMALL ones always. */
#define SPARE_FROM 8

/* A class takes SMALL pieces while it has less than this, then MIDDLE ones, then LARGE. */
#define SMALL_BELOW  ((size_t)8 * 1024)
#define SMALL_SIZE   256 /* largest record in a SMALL piece */
#define MIDDLE_BELOW ((size_t)64 * 1024)

struct piece {
    struct piece *next, *prev; /* ring of the class's pieces that have room; NULL when not in it */
    uint16_t
        free; /* first free record; this and the next two are in units from the chunk's start */
    uint16_t fresh; /* never used from here on ... */
    uint16_t end;   /* ... to here */
    uint16_t used;  /* records */
    uint8_t class;
};

struct chunk {
    struct chunk *next, *prev;           /* all of the heap */
    struct chunk *room_next, *room_prev; /* those of the kind with an idle piece */
    uint16_t idle;                       /* bit for each piece that serves no class */
    uint8_t kind;
    struct piece pieces[];
};

struct cells {
    struct piece *room[CLASSES]; /* first of the ring */
    size_t bytes[CLASSES];       /* in pieces of the class */
    struct chunk *chunks, *with_idle[KINDS];
    struct chunk *spare[KINDS]; /* an empty one, not among the chunks, or NULL */
    struct cells_stats stats;
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
    return (struct chunk *)((uintptr_t)inside & ~(CHUNK_ALIGN - 1));
}

static char *at_unit(struct piece *p, size_t unit)
{
    return (char *)chunk_of(p) + unit * UNIT;
}

static bool has_room(const struct piece *p, size_t size)
{
    return p->free || p->fresh + size / UNIT <= p->end;
}

/* ---- Chunks ---------------------------------------------------------------------------------- */

static size_t head_size(unsigned kind)
{
    return sizeof(struct chunk) + KIND[kind].pieces * sizeof(struct piece);
}

static void room_link(struct cells *cells, struct chunk *c)
{
    c->room_prev = NULL;
    c->room_next = cells->with_idle[c->kind];
    if (c->room_next)
        c->room_next->room_prev = c;
    cells->with_idle[c->kind] = c;
}

static void room_unlink(struct cells *cells, struct chunk *c)
{
    if (c->room_prev)
        c->room_prev->room_next = c->room_next;
    else
        cells->with_idle[c->kind] = c->room_next;
    if (c->room_next)
        c->room_next->room_prev = c->room_prev;
}

static void chunk_link(struct cells *cells, struct chunk *c)
{
    c->prev = NULL;
    c->next = cells->chunks;
    if (c->next)
        c->next->prev = c;
    cells->chunks = c;
}

static void chunk_unlink(struct cells *cells, struct chunk *c)
{
    if (c->prev)
        c->prev->next = c->next;
    else
        cells->chunks = c->next;
    if (c->next)
        c->next->prev = c->prev;
}

static void chunk_discard(struct cells *cells, struct chunk *c)
{
    size_t size = KIND[c->kind].chunk;
    cells->stats.held_bytes -= size;
    SHOW(c, size);
    mem_free(c);
}

/* An idle chunk, in the lists. */
static struct chunk *chunk_new(struct cells *cells, unsigned kind)
{
    struct chunk *c = cells->spare[kind];
    if (c) {
        cells->spare[kind] = NULL;
    } else {
        c = mem_try_zalloc_aligned(CHUNK_ALIGN, KIND[kind].chunk);
        if (!c)
            PANIC("out of memory: %zu bytes for records", KIND[kind].chunk);
        cells->stats.held_bytes += KIND[kind].chunk;
        c->kind = (uint8_t)kind;
        HIDE((char *)c + head_size(kind), KIND[kind].chunk - head_size(kind));
    }
    c->idle = (uint16_t)((1u << KIND[kind].pieces) - 1);
    chunk_link(cells, c);
    room_link(cells, c);
    return c;
}

/* Whether the heap is large enough for an empty chunk not to matter. */
static bool affords_spare(const struct cells *cells, unsigned kind)
{
    size_t size = KIND[kind].chunk;
    return cells->stats.held_bytes >= size * (kind == SMALL ? 1 : SPARE_FROM);
}

/* An idle chunk leaves the heap, or waits as its spare. */
static void chunk_retire(struct cells *cells, struct chunk *c)
{
    room_unlink(cells, c);
    chunk_unlink(cells, c);
    if (!cells->spare[c->kind] && affords_spare(cells, c->kind))
        cells->spare[c->kind] = c;
    else
        chunk_discard(cells, c);
    for (unsigned kind = 0; kind < KINDS; kind++)
        if (cells->spare[kind] && !affords_spare(cells, kind)) {
            chunk_discard(cells, cells->spare[kind]);
            cells->spare[kind] = NULL;
        }
}

/* ---- Pieces ---------------------------------------------------------------------------------- */

/* Makes it the last of its class's ring. */
static void ring_add(struct cells *cells, struct piece *p)
{
    struct piece *first = cells->room[p->class];
    if (!first) {
        p->next = p->prev = p;
        cells->room[p->class] = p;
        return;
    }
    p->next = first;
    p->prev = first->prev;
    p->prev->next = p;
    first->prev = p;
}

static void ring_remove(struct cells *cells, struct piece *p)
{
    if (p->next == p) {
        cells->room[p->class] = NULL;
    } else {
        p->next->prev = p->prev;
        p->prev->next = p->next;
        if (cells->room[p->class] == p)
            cells->room[p->class] = p->next;
    }
    p->next = p->prev = NULL;
}

static unsigned kind_for(const struct cells *cells, unsigned class)
{
    if (cells->bytes[class] < SMALL_BELOW && size_of(class) <= SMALL_SIZE)
        return SMALL;
    return cells->bytes[class] < MIDDLE_BELOW ? MIDDLE : LARGE;
}

/* An empty piece for the class, in its ring. */
static NOINLINE struct piece *piece_take(struct cells *cells, unsigned class)
{
    unsigned kind = kind_for(cells, class);
    struct chunk *c = cells->with_idle[kind] ? cells->with_idle[kind] : chunk_new(cells, kind);
    unsigned i = (unsigned)__builtin_ctz(c->idle);
    c->idle &= (uint16_t)(c->idle - 1);
    if (!c->idle)
        room_unlink(cells, c);
    struct piece *p = &c->pieces[i];
    size_t start = i == 0 ? head_size(kind) : (size_t)i << KIND[kind].shift;
    *p = (struct piece){
        .fresh = (uint16_t)(start / UNIT),
        .end = (uint16_t)(((size_t)i + 1) << KIND[kind].shift >> 2),
        .class = (uint8_t) class,
    };
    cells->bytes[class] += (size_t)1 << KIND[kind].shift;
    ring_add(cells, p);
    return p;
}

static NOINLINE void piece_give(struct cells *cells, struct piece *p)
{
    struct chunk *c = chunk_of(p);
    cells->bytes[p->class] -= (size_t)1 << KIND[c->kind].shift;
    if (!c->idle)
        room_link(cells, c);
    c->idle |= (uint16_t)(1u << (p - c->pieces));
    if (c->idle == (1u << KIND[c->kind].pieces) - 1)
        chunk_retire(cells, c);
}

/* ---- The interface --------------------------------------------------------------------------- */

struct cells *cells_new(void)
{
    return mem_zalloc(sizeof(struct cells));
}

void cells_reset(struct cells *cells)
{
    for (struct chunk *c = cells->chunks, *next; c; c = next) {
        next = c->next;
        chunk_discard(cells, c);
    }
    for (unsigned kind = 0; kind < KINDS; kind++)
        if (cells->spare[kind])
            chunk_discard(cells, cells->spare[kind]);
    memset(cells, 0, sizeof(*cells));
}

void cells_free_all(struct cells *cells)
{
    if (!cells)
        return;
    cells_reset(cells);
    mem_free(cells);
}

void *cells_alloc(struct cells *cells, size_t size)
{
    DEBUG_ASSERT(size >= 1 && size <= CELLS_MAX);
    unsigned class = class_of(size);
    size = size_of(class);
    struct piece *p = cells->room[class];
    if (UNLIKELY(!p))
        p = piece_take(cells, class);
    char *record;
    if (p->free) {
        record = at_unit(p, p->free);
        SHOW(record, size);
        memcpy(&p->free, record, sizeof(p->free));
    } else {
        record = at_unit(p, p->fresh);
        SHOW(record, size);
        p->fresh = (uint16_t)(p->fresh + size / UNIT);
    }
    p->used++;
    if (UNLIKELY(!has_room(p, size)))
        ring_remove(cells, p);
    cells->stats.live_bytes += size;
    cells->stats.records++;
    return record;
}

void cells_free(struct cells *cells, void *record, size_t size)
{
    struct chunk *c = chunk_of(record);
    size_t offset = (size_t)((char *)record - (char *)c);
    struct piece *p = &c->pieces[offset >> KIND[c->kind].shift];
    unsigned class = class_of(size);
    ASSERT(p->class == class && p->used > 0); /* else the size is not the one of the allocation */
    size = size_of(class);
    bool was_full = !has_room(p, size);
#ifdef SPILLWAY_DEBUG
    memset(record, FREED_PATTERN, size);
#endif
    memcpy(record, &p->free, sizeof(p->free));
    HIDE(record, size);
    p->free = (uint16_t)(offset / UNIT);
    p->used--;
    cells->stats.live_bytes -= size;
    cells->stats.records--;
    if (UNLIKELY(was_full))
        ring_add(cells, p);
    if (UNLIKELY(p->used == 0)) {
        ring_remove(cells, p);
        piece_give(cells, p);
    }
}

size_t cells_class_size(size_t size)
{
    return size_of(class_of(size));
}

void cells_stats(const struct cells *cells, struct cells_stats *out)
{
    *out = cells->stats;
    out->held_bytes += mem_good_size(sizeof(*cells));
}
