/* calendar.c - due times: a hierarchical timing wheel with slots of packed tokens.
 *
 * Time is counted in ticks of 128 ms; a due time is rounded up to one. A tick is a number of six
 * digits to the base 64, and the wheel has a level of 64 slots for each digit. `base` is the tick
 * that the wheel stands at. A token with tick t > base is on the level of the highest digit in
 * which t differs from base, in the slot of t's digit there: the slot says what the upper digits of
 * t are, and the lower ones, the rest, are stored beside the token in as few bytes as the level
 * needs.
 *
 *      level       0        1        2        3         4        5
 *      slot      128 ms    8 s      9 min    9.3 h    25 days  4.4 years
 *      rest         -     1 byte   2 bytes  3 bytes   3 bytes  4 bytes
 *
 * It follows that every occupied slot of a level lies ahead of base's digit there, that the next
 * thing to happen is the first occupied slot of the lowest level that has any, and that base may
 * step to any tick before that without moving a token. When base arrives at a slot of level 0, all
 * its tokens are due: the list as a whole becomes `due`. When it arrives at one of a higher level,
 * its tokens are filed anew (now they differ in a lower digit only), some in each call; until that
 * is done (`cascade`), base stays. A token is moved at most once per level.
 *
 * A slot is a list of chunks, 64 bytes to 2 KiB as the slot fills: tokens first, then the rests.
 */
#include <string.h>

#include "base/mem.h"
#include "base/panic.h"
#include "struct/calendar.h"

#define GRAIN_SHIFT  7 /* 128 ms */
#define DIGIT_BITS   6
#define SLOTS        64
#define LEVELS       6
#define CHUNK_MIN    ((size_t)64)
#define CHUNK_MAX    ((size_t)2048)
#define SAMPLE_REACH 64 /* chunks of a list that samples come from */

_Static_assert(CALENDAR_GRAIN_MS == 1 << GRAIN_SHIFT, "a tick is the grain");

struct chunk {
    struct chunk *next;
    uint16_t count;
    uint16_t size; /* of the chunk, in bytes */
    uint64_t tokens[];
};

struct level {
    uint64_t occupied; /* bit for each slot with tokens */
    struct chunk *slots[SLOTS];
};

struct calendar {
    int64_t base;                 /* tick */
    struct chunk *due;            /* ticks up to base, no rests */
    struct level *levels[LEVELS]; /* NULL until used */
    unsigned cascade;             /* level whose slot at base is being filed anew; 0: none */
    size_t count, bytes;
};

static const uint8_t REST_BYTES[LEVELS] = {0, 1, 2, 3, 3, 4};

/* The first tick at which something due at due_ms is due. */
static int64_t tick_of(int64_t due_ms)
{
    const int64_t last = (INT64_C(1) << (DIGIT_BITS * LEVELS)) - 1;
    if (due_ms < 0)
        return 0;
    return due_ms > last << GRAIN_SHIFT ? last : (due_ms + CALENDAR_GRAIN_MS - 1) >> GRAIN_SHIFT;
}

static unsigned digit_of(int64_t tick, unsigned level)
{
    return (unsigned)(tick >> (DIGIT_BITS * level)) & (SLOTS - 1);
}

/* ---- Chunks ---------------------------------------------------------------------------------- */

static size_t chunk_room(size_t size, unsigned level)
{
    return (size - sizeof(struct chunk)) / (sizeof(uint64_t) + REST_BYTES[level]);
}

static unsigned char *chunk_rests(struct chunk *chunk, unsigned level)
{
    return (unsigned char *)&chunk->tokens[chunk_room(chunk->size, level)];
}

/* Two chunks of a size, then two of double the size, so that little is empty. */
static size_t next_size(const struct chunk *first)
{
    if (!first)
        return CHUNK_MIN;
    bool pair = first->next && first->next->size == first->size;
    return pair && first->size < CHUNK_MAX ? first->size * (size_t)2 : first->size;
}

static struct chunk *chunk_push(struct calendar *c, struct chunk *first)
{
    size_t size = next_size(first);
    struct chunk *chunk = mem_alloc(size);
    chunk->next = first;
    chunk->count = 0;
    chunk->size = (uint16_t)size;
    c->bytes += size;
    return chunk;
}

static struct chunk *chunk_pop(struct calendar *c, struct chunk *first)
{
    struct chunk *next = first->next;
    c->bytes -= first->size;
    mem_free_sized(first, first->size);
    return next;
}

/* Appends to a list of chunks; `rest` is the lower digits of the tick. */
static void list_add(struct calendar *c, struct chunk **list, unsigned level, uint64_t token,
                     uint64_t rest)
{
    if (!*list || (*list)->count == chunk_room((*list)->size, level))
        *list = chunk_push(c, *list);
    struct chunk *chunk = *list;
    unsigned i = chunk->count++;
    chunk->tokens[i] = token;
    unsigned char *out = chunk_rests(chunk, level) + (size_t)i * REST_BYTES[level];
    for (unsigned b = 0; b < REST_BYTES[level]; b++)
        out[b] = (unsigned char)(rest >> (8 * b));
}

static uint64_t rest_at(struct chunk *chunk, unsigned level, unsigned i)
{
    const unsigned char *in = chunk_rests(chunk, level) + (size_t)i * REST_BYTES[level];
    uint64_t rest = 0;
    for (unsigned b = 0; b < REST_BYTES[level]; b++)
        rest |= (uint64_t)in[b] << (8 * b);
    return rest;
}

static void list_free(struct calendar *c, struct chunk **list)
{
    while (*list)
        *list = chunk_pop(c, *list);
}

/* ---- The wheel ------------------------------------------------------------------------------- */

static void file(struct calendar *c, int64_t tick, uint64_t token)
{
    if (tick <= c->base) {
        list_add(c, &c->due, 0, token, 0);
        return;
    }
    unsigned level = (63 - (unsigned)__builtin_clzll((uint64_t)(tick ^ c->base))) / DIGIT_BITS;
    if (!c->levels[level]) {
        c->levels[level] = mem_zalloc(sizeof(struct level));
        c->bytes += mem_good_size(sizeof(struct level));
    }
    struct level *l = c->levels[level];
    unsigned slot = digit_of(tick, level);
    uint64_t rest = (uint64_t)tick & ((UINT64_C(1) << (DIGIT_BITS * level)) - 1);
    l->occupied |= UINT64_C(1) << slot;
    list_add(c, &l->slots[slot], level, token, rest);
}

/* The lowest level that has tokens and the tick of its first slot; false if there is none. */
static bool next_slot(const struct calendar *c, unsigned *level, int64_t *tick)
{
    for (unsigned i = 0; i < LEVELS; i++)
        if (c->levels[i] && c->levels[i]->occupied) {
            unsigned shift = DIGIT_BITS * i;
            int64_t above = c->base >> shift >> DIGIT_BITS << DIGIT_BITS;
            *level = i;
            *tick = (above | __builtin_ctzll(c->levels[i]->occupied)) << shift;
            return true;
        }
    return false;
}

/* Brings base to the next slot if that is not after `now`; else to now. False: nothing (more) is
 * due. */
static bool advance(struct calendar *c, int64_t now)
{
    unsigned level;
    int64_t tick;
    if (!next_slot(c, &level, &tick) || tick > now) {
        c->base = now;
        return false;
    }
    c->base = tick;
    if (level > 0) {
        c->cascade = level;
        return true;
    }
    struct level *l = c->levels[0];
    unsigned slot = digit_of(tick, 0);
    c->due = l->slots[slot];
    l->slots[slot] = NULL;
    l->occupied &= ~(UINT64_C(1) << slot);
    return true;
}

/* Files up to `max` tokens of the slot at base anew; returns how many. */
static size_t cascade(struct calendar *c, size_t max)
{
    unsigned level = c->cascade, slot = digit_of(c->base, level);
    struct chunk **list = &c->levels[level]->slots[slot];
    size_t moved = 0;
    while (*list && moved < max) {
        struct chunk *chunk = *list;
        unsigned i = --chunk->count;
        file(c, c->base | (int64_t)rest_at(chunk, level, i), chunk->tokens[i]);
        if (chunk->count == 0)
            *list = chunk_pop(c, chunk);
        moved++;
    }
    if (!*list) {
        c->levels[level]->occupied &= ~(UINT64_C(1) << slot);
        c->cascade = 0;
    }
    return moved;
}

static size_t take_due(struct calendar *c, uint64_t *tokens, size_t max)
{
    size_t taken = 0;
    while (c->due && taken < max) {
        struct chunk *chunk = c->due;
        size_t n = MIN_OF(max - taken, chunk->count);
        chunk->count = (uint16_t)(chunk->count - n);
        memcpy(tokens + taken, chunk->tokens + chunk->count, n * sizeof(*tokens));
        taken += n;
        if (chunk->count == 0)
            c->due = chunk_pop(c, chunk);
    }
    c->count -= taken;
    return taken;
}

/* ---- The interface --------------------------------------------------------------------------- */

struct calendar *calendar_new(int64_t now_ms)
{
    struct calendar *c = mem_zalloc(sizeof(*c));
    c->base = MAX_OF(now_ms, 0) >> GRAIN_SHIFT;
    c->bytes = mem_good_size(sizeof(*c));
    return c;
}

void calendar_clear(struct calendar *c)
{
    list_free(c, &c->due);
    for (unsigned i = 0; i < LEVELS; i++) {
        if (!c->levels[i])
            continue;
        for (unsigned slot = 0; slot < SLOTS; slot++)
            list_free(c, &c->levels[i]->slots[slot]);
        mem_free(c->levels[i]);
        c->levels[i] = NULL;
    }
    c->bytes = mem_good_size(sizeof(*c));
    c->count = 0;
    c->cascade = 0;
}

void calendar_free(struct calendar *c)
{
    if (!c)
        return;
    calendar_clear(c);
    mem_free(c);
}

void calendar_add(struct calendar *c, int64_t due_ms, uint64_t token)
{
    file(c, tick_of(due_ms), token);
    c->count++;
}

size_t calendar_take(struct calendar *c, int64_t now_ms, uint64_t *tokens, size_t max, bool *more)
{
    int64_t now = MAX_OF(now_ms, 0) >> GRAIN_SHIFT;
    size_t taken = 0, moved = 0;
    *more = false;
    if (now < c->base)
        return 0;
    for (;;) {
        taken += take_due(c, tokens + taken, max - taken);
        if (c->due)
            break;
        if (c->cascade) {
            moved += cascade(c, max - moved);
            if (c->cascade && moved == max)
                break;
        } else if (!advance(c, now)) {
            return taken;
        }
    }
    *more = true;
    return taken;
}

size_t calendar_count(const struct calendar *c)
{
    return c->count;
}

/* The list chosen by `random`: each level and, on it, each slot alike. NULL: no token at all. */
static const struct chunk *random_list(const struct calendar *c, uint64_t random)
{
    for (unsigned i = 0; i < LEVELS + 1; i++) {
        unsigned at = (unsigned)((random & 0xff) + i) % (LEVELS + 1);
        if (at == LEVELS) {
            if (c->due)
                return c->due;
        } else if (c->levels[at] && c->levels[at]->occupied) {
            uint64_t occupied = c->levels[at]->occupied;
            for (unsigned skip = (random >> 8) % (unsigned)__builtin_popcountll(occupied); skip;
                 skip--)
                occupied &= occupied - 1;
            return c->levels[at]->slots[__builtin_ctzll(occupied)];
        }
    }
    return NULL;
}

size_t calendar_sample(const struct calendar *c, uint64_t random, uint64_t *tokens, size_t max)
{
    const struct chunk *list = random_list(c, random), *k = list;
    size_t taken = 0;
    for (unsigned skip = list ? (unsigned)(random >> 40) % SAMPLE_REACH : 0; skip; skip--)
        k = k->next ? k->next : list;
    for (; k && taken < max; k = k->next) {
        /* A run from somewhere in the chunk. */
        size_t n = MIN_OF(max - taken, k->count);
        size_t from = (random >> 16) % (k->count - n + 1);
        memcpy(tokens + taken, k->tokens + from, n * sizeof *tokens);
        taken += n;
    }
    return taken;
}

size_t calendar_bytes(const struct calendar *c)
{
    return c->bytes;
}

int64_t calendar_next(const struct calendar *c)
{
    unsigned level;
    int64_t tick = c->base;
    if (!c->due && !c->cascade && !next_slot(c, &level, &tick))
        return INT64_MAX;
    return tick << GRAIN_SHIFT;
}
