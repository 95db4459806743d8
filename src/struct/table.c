/* table.c - the hash table of the keyspace; see table.h for what a bucket looks like.
 *
 * In place. All buckets are in one array, kept in segments of 256 buckets behind a directory, and a
 * growth from n to m buckets respreads it from the top down: the items of old bucket i go to buckets
 * from i * m / n on, and those are either new or were emptied before. A shrink goes from the bottom
 * up, for the same reason. So there is never a second array: segments come one by one as the
 * frontier reaches them and go as it leaves them, and memory follows the number of items closely,
 * in the middle of a growth as well.
 *
 *      growth     [ 0 .. frontier )               old spread: `below` = n buckets
 *                 [ home of split in m .. m )     new spread: `above` = m, maybe behind a hole
 *      shrink     [ 0 .. home of split in m ]     new spread: `below` = m
 *                 [ frontier .. n )               old spread: `above` = n
 *
 * `split` is the first position of old bucket `frontier`, so a lookup goes to exactly one bucket
 * and needs only one comparison (table_home). When nothing moves, split is UINT64_MAX and below
 * equals above. Every bucket that is the home of some position is allocated, always.
 *
 * Sizes are powers of two and one and a half times those. A growth begins at LOAD_MAX items per
 * bucket. Every insert or remove meanwhile moves one bucket (two of a shrink), which ends a growth
 * long before the next one is due. The items that the next step has to hash are prefetched by the
 * step before.
 *
 * Numbers: see tests/bench/bench_table.c.
 */
#include <string.h>

#include "base/mem.h"
#include "base/panic.h"
#include "struct/table.h"

#define SLOT_LAST (TABLE_SLOTS - 1)
#define LOAD_MAX  10 /* mean items per bucket at which a growth begins */
#define LOAD_MIN  2  /* ... and under which a shrink does */
#define PAUSE     64 /* changes between two attempts to get memory */

static uint64_t slot_of(uint64_t hash, const void *item)
{
    return hash << 48 | (uint64_t)(uintptr_t)item;
}

static uint64_t position_of(uint64_t hash)
{
    return hash >> 16 << 22;
}

static uint64_t home_of(uint64_t position, uint64_t buckets)
{
    return (uint64_t)(((unsigned __int128)position * buckets) >> 64);
}

/* The first position, right-aligned, of bucket b of n; TABLE_END for b == n. */
static uint64_t first_of(uint64_t b, uint64_t n)
{
    if (LIKELY(b < UINT64_C(1) << 21))
        return ((b << TABLE_POSITION_BITS) + n - 1) / n;
    return (uint64_t)((((unsigned __int128)b << TABLE_POSITION_BITS) + n - 1) / n);
}

static bool is_moving(const struct table *t)
{
    return t->below != t->above;
}

static struct table_bucket *bucket_at(const struct table *t, uint64_t b)
{
    return &t->segments[b >> TABLE_SEGMENT_BITS][b & (TABLE_SEGMENT - 1)];
}

static struct table_bucket *home(const struct table *t, uint64_t hash)
{
    return (struct table_bucket *)table_home(t, hash);
}

/* ---- Chains ---------------------------------------------------------------------------------- */

static size_t chain_pairs(uint64_t link)
{
    return link >> 48;
}

static uint64_t *chain_of(uint64_t link)
{
    return (uint64_t *)table_slot_chain(link);
}

static uint64_t link_to(const uint64_t *chain, size_t pairs)
{
    return (uint64_t)pairs << 48 | (uint64_t)(uintptr_t)chain | TABLE_LINK;
}

/* Items in the chain; only its very last slot may be empty. */
static size_t chain_length(uint64_t link)
{
    size_t slots = chain_pairs(link) * 2;
    return slots - (chain_of(link)[slots - 1] == 0);
}

static size_t chain_bytes(size_t pairs)
{
    size_t size = pairs * 2 * sizeof(uint64_t);
    return size <= 128 ? size : mem_good_size(size);
}

static uint64_t *chain_resize(struct table *t, uint64_t *chain, size_t old_pairs, size_t pairs)
{
    ASSERT(pairs <= 0xFFFF);
    t->bytes += chain_bytes(pairs) - (old_pairs ? chain_bytes(old_pairs) : 0);
    return mem_realloc(chain, pairs * 2 * sizeof(uint64_t));
}

static void chain_free(struct table *t, uint64_t link)
{
    t->bytes -= chain_bytes(chain_pairs(link));
    mem_free_sized(chain_of(link), chain_pairs(link) * 2 * sizeof(uint64_t));
}

/* ---- Buckets --------------------------------------------------------------------------------- */

/* Items in the bucket's own slots. */
static unsigned own_length(const struct table_bucket *b)
{
    unsigned n = 0;
    while (n < TABLE_SLOTS && b->slots[n] && !(b->slots[n] & TABLE_LINK))
        n++;
    return n;
}

/* Returns how many items the bucket has now. */
static unsigned bucket_push(struct table *t, struct table_bucket *b, uint64_t slot)
{
    uint64_t last = b->slots[SLOT_LAST];
    if (last == 0) {
        unsigned n = own_length(b);
        b->slots[n] = slot;
        return n + 1;
    }
    uint64_t *chain;
    size_t pairs, length;
    if (!(last & TABLE_LINK)) {
        pairs = 1, length = 2;
        chain = chain_resize(t, NULL, 0, 1);
        chain[0] = last, chain[1] = slot;
    } else {
        pairs = chain_pairs(last), length = chain_length(last) + 1;
        chain = chain_of(last);
        if (length > pairs * 2) {
            chain = chain_resize(t, chain, pairs, pairs + 1);
            pairs++;
            chain[length] = 0;
        }
        chain[length - 1] = slot;
    }
    b->slots[SLOT_LAST] = link_to(chain, pairs);
    return (unsigned)(SLOT_LAST + length);
}

/* Takes the last item of the chain off and returns its slot. */
static uint64_t chain_pop(struct table *t, struct table_bucket *b)
{
    uint64_t link = b->slots[SLOT_LAST], *chain = chain_of(link);
    size_t pairs = chain_pairs(link), length = chain_length(link);
    uint64_t slot = chain[length - 1];
    chain[length - 1] = 0;
    if (length == 2) {
        b->slots[SLOT_LAST] = chain[0];
        chain_free(t, link);
    } else if (length % 2) {
        b->slots[SLOT_LAST] = link_to(chain_resize(t, chain, pairs, pairs - 1), pairs - 1);
    }
    return slot;
}

/* Where the item's slot is: in the bucket or in its chain. It must be there. */
static uint64_t *bucket_find(struct table_bucket *b, uint64_t slot)
{
    for (unsigned i = 0; i < TABLE_SLOTS; i++)
        if (b->slots[i] == slot)
            return &b->slots[i];
    uint64_t link = b->slots[SLOT_LAST];
    if (link & TABLE_LINK) {
        uint64_t *chain = chain_of(link);
        for (size_t i = 0, n = chain_length(link); i < n; i++)
            if (chain[i] == slot)
                return &chain[i];
    }
    PANIC("table: the item is not in it");
}

/* Takes out a slot, keeping bucket and chain without holes. */
static void bucket_remove(struct table *t, struct table_bucket *b, uint64_t slot)
{
    uint64_t *at = bucket_find(b, slot), link = b->slots[SLOT_LAST];
    if (link & TABLE_LINK) {
        *at = chain_of(link)[chain_length(link) - 1];
        chain_pop(t, b); /* behind the copy: it may move the chain */
        return;
    }
    unsigned n = own_length(b);
    *at = b->slots[n - 1];
    b->slots[n - 1] = 0;
}

/* ---- Memory of buckets ----------------------------------------------------------------------- */

static size_t segment_of(uint64_t b)
{
    return b >> TABLE_SEGMENT_BITS;
}

/* Buckets in segment i of a table of n. */
static size_t segment_room(uint64_t n, size_t i)
{
    return MIN_OF(n - ((uint64_t)i << TABLE_SEGMENT_BITS), TABLE_SEGMENT);
}

/* Zeroed memory for `room` buckets, or NULL. */
static struct table_bucket *segment_new(struct table *t, size_t room)
{
    size_t size = room * sizeof(struct table_bucket);
    struct table_bucket *segment = mem_try_zalloc_aligned(sizeof(struct table_bucket), size);
    if (segment)
        t->bytes += mem_good_size(size);
    return segment;
}

static void segment_free(struct table *t, struct table_bucket *segment, size_t room)
{
    if (!segment || segment == &t->first)
        return;
    t->bytes -= mem_good_size(room * sizeof(struct table_bucket));
    mem_free(segment);
}

/* Gives the last segment (i) room for `room` buckets. */
static bool tail_resize(struct table *t, size_t i, size_t room)
{
    if (t->tail == room)
        return true;
    struct table_bucket *old = t->segments[i];
    struct table_bucket *segment = i == 0 && room == 1 ? &t->first : segment_new(t, room);
    if (!segment)
        return false;
    memcpy(segment, old, MIN_OF(t->tail, room) * sizeof(*segment));
    segment_free(t, old, t->tail);
    t->segments[i] = segment;
    t->tail = room;
    return true;
}

/* A directory of `entries`; new ones are NULL, and those that fall off are. */
static bool directory_resize(struct table *t, size_t entries)
{
    if (entries == t->directory)
        return true;
    struct table_bucket **segments = &t->first_segment, **old = t->segments;
    if (entries > 1) {
        segments = mem_try_alloc(entries * sizeof(*segments));
        if (!segments)
            return false;
        t->bytes += mem_good_size(entries * sizeof(*segments));
        memset(segments, 0, entries * sizeof(*segments));
    }
    memcpy(segments, old, MIN_OF(entries, t->directory) * sizeof(*segments));
    if (old != &t->first_segment) {
        t->bytes -= mem_good_size(t->directory * sizeof(*segments));
        mem_free(old);
    }
    t->segments = segments;
    t->directory = entries;
    return true;
}

/* The segments first..last of the `n` buckets exist. */
static bool segments_reach(struct table *t, uint64_t n, size_t first, size_t last)
{
    for (size_t i = first; i <= last; i++)
        if (!t->segments[i] && !(t->segments[i] = segment_new(t, segment_room(n, i))))
            return false;
    return true;
}

/* ---- Growing and shrinking ------------------------------------------------------------------- */

static uint64_t size_above(uint64_t n)
{
    return n == 1 ? 2 : (n & (n - 1)) == 0 ? n + n / 2 : n / 3 * 4;
}

/* Nothing moves (any more): all positions are spread over `buckets`. */
static void settle(struct table *t, uint64_t buckets)
{
    t->below = t->above = buckets;
    t->split = UINT64_MAX;
    t->grow_at = buckets == 1 ? TABLE_SLOTS : buckets * LOAD_MAX;
    t->shrink_at = buckets == 1 ? 0 : buckets * LOAD_MIN;
}

/* Old bucket `frontier` is the first one above the split. */
static void frontier_set(struct table *t, uint64_t frontier)
{
    uint64_t old = t->growing ? t->below : t->above;
    t->frontier = frontier;
    t->split = frontier == old ? UINT64_MAX : first_of(frontier, old) << 22;
}

/* To n buckets from fewer. False: no memory; nothing changed that matters. */
static bool grow_begin(struct table *t, uint64_t n)
{
    uint64_t old = t->below;
    size_t last = segment_of(old - 1), new_last = segment_of(n - 1);
    if (!tail_resize(t, last, MAX_OF(segment_room(n, last), t->tail)) ||
        (new_last >= t->directory && !directory_resize(t, new_last + 1)))
        return false;
    if (new_last > last)
        t->tail = segment_room(n, new_last);
    t->above = n;
    t->growing = true;
    frontier_set(t, old);
    return true;
}

static void shrink_begin(struct table *t)
{
    t->below /= 2;
    t->growing = false;
    frontier_set(t, 0);
}

static void shrink_end(struct table *t, uint64_t old)
{
    uint64_t n = t->below;
    size_t last = segment_of(n - 1);
    if (last < segment_of(old - 1))
        t->tail = TABLE_SEGMENT;
    settle(t, n);
    /* Failing leaves a little memory unused, no more. */
    (void)(tail_resize(t, last, segment_room(n, last)) && directory_resize(t, last + 1));
}

/* Has the items of a bucket in the cache by the time that the next step wants their hashes. */
static void prefetch_items(const struct table_bucket *b)
{
    for (unsigned i = 0; i < TABLE_SLOTS; i++)
        PREFETCH((const void *)(uintptr_t)(b->slots[i] & TABLE_POINTER & ~TABLE_LINK));
}

/* Files the items of an old bucket anew; it was emptied, and the split is past it. */
static void respread(struct table *t, const struct table_bucket *old)
{
    uint64_t link = old->slots[SLOT_LAST], *chain = NULL;
    size_t length = 0;
    if (link & TABLE_LINK) {
        chain = chain_of(link), length = chain_length(link);
        for (size_t i = 0; i < length; i++)
            PREFETCH(table_slot_item(chain[i]));
    }
    for (unsigned i = 0, own = own_length(old); i < own; i++)
        bucket_push(t, home(t, t->hash_of(table_slot_item(old->slots[i]), t->ctx)), old->slots[i]);
    for (size_t i = 0; i < length; i++)
        bucket_push(t, home(t, t->hash_of(table_slot_item(chain[i]), t->ctx)), chain[i]);
    if (chain)
        chain_free(t, link);
}

/* Empties old bucket b and moves the frontier to `frontier`, behind or before it. */
static void bucket_move(struct table *t, uint64_t b, uint64_t frontier)
{
    struct table_bucket *at = bucket_at(t, b), old = *at;
    memset(at, 0, sizeof(*at));
    frontier_set(t, frontier);
    respread(t, &old);
}

/* Moves the bucket under the frontier. False: no memory for where it goes. */
static bool grow_step(struct table *t)
{
    uint64_t old = t->below, n = t->above, b = t->frontier - 1;
    uint64_t low = home_of(first_of(b, old) << 22, n);
    uint64_t high = home_of((first_of(b + 1, old) - 1) << 22, n);
    if (!segments_reach(t, n, segment_of(low), segment_of(high)))
        return false;
    bucket_move(t, b, b);
    if (b == 0) {
        settle(t, n);
        return true;
    }
    prefetch_items(bucket_at(t, b - 1));
    if (b > 1)
        PREFETCH(bucket_at(t, b - 2));
    return true;
}

static void shrink_step(struct table *t)
{
    uint64_t old = t->above, b = t->frontier;
    size_t i = segment_of(b);
    bucket_move(t, b, b + 1);
    bool done = b + 1 == old;
    if ((done || segment_of(b + 1) != i) && i > segment_of(t->below - 1)) {
        segment_free(t, t->segments[i], done ? t->tail : TABLE_SEGMENT);
        t->segments[i] = NULL;
    }
    if (done) {
        shrink_end(t, old);
        return;
    }
    prefetch_items(bucket_at(t, b + 1));
    if (b + 2 < old)
        PREFETCH(bucket_at(t, b + 2));
}

static bool step(struct table *t)
{
    if (!t->growing) {
        shrink_step(t);
        return true;
    }
    return grow_step(t);
}

/* What every insert and remove adds to the work under way. */
static void advance(struct table *t)
{
    if (t->pause > 0)
        t->pause--;
    else if (!step(t))
        t->pause = PAUSE;
    else if (is_moving(t) && !t->growing)
        shrink_step(t);
}

/* ---- The interface --------------------------------------------------------------------------- */

static void start(struct table *t)
{
    t->first_segment = &t->first;
    t->segments = &t->first_segment;
    t->directory = 1;
    t->tail = 1;
    t->bytes = mem_good_size(sizeof(*t));
    settle(t, 1);
}

struct table *table_new(table_hash_fn hash_of, void *ctx)
{
    struct table *t = mem_zalloc(sizeof(*t));
    t->hash_of = hash_of;
    t->ctx = ctx;
    start(t);
    return t;
}

static void free_segment(struct table *t, size_t i, size_t room)
{
    struct table_bucket *segment = t->segments[i];
    for (size_t b = 0; segment && b < room; b++)
        if (segment[b].slots[SLOT_LAST] & TABLE_LINK)
            chain_free(t, segment[b].slots[SLOT_LAST]);
    segment_free(t, segment, room);
}

void table_clear(struct table *t)
{
    size_t last = segment_of(MAX_OF(t->below, t->above) - 1);
    for (size_t i = 0; i <= last; i++)
        free_segment(t, i, i == last ? t->tail : TABLE_SEGMENT);
    if (t->segments != &t->first_segment)
        mem_free(t->segments);
    memset(&t->first, 0, sizeof(t->first));
    t->count = 0;
    t->pause = 0;
    start(t);
}

void table_free(struct table *t)
{
    if (!t)
        return;
    table_clear(t);
    mem_free(t);
}

size_t table_count(const struct table *t)
{
    return t->count;
}

size_t table_bytes(const struct table *t)
{
    return t->bytes;
}

size_t table_buckets(const struct table *t)
{
    return MAX_OF(t->below, t->above);
}

void table_insert(struct table *t, uint64_t hash, void *item)
{
    DEBUG_ASSERT(item && ((uintptr_t)item & ~(TABLE_POINTER & ~UINT64_C(3))) == 0);
    unsigned length = bucket_push(t, home(t, hash), slot_of(hash, item));
    if (UNLIKELY(length > t->longest))
        t->longest = length;
    t->count++;
    if (is_moving(t)) {
        advance(t);
    } else if (UNLIKELY(t->count > t->grow_at)) {
        if (t->pause > 0)
            t->pause--;
        else if (grow_begin(t, size_above(t->below)))
            advance(t);
        else
            t->pause = PAUSE;
    }
}

void table_replace(struct table *t, uint64_t hash, const void *item, void *with)
{
    *bucket_find(home(t, hash), slot_of(hash, item)) = slot_of(hash, with);
}

void table_remove(struct table *t, uint64_t hash, const void *item)
{
    bucket_remove(t, home(t, hash), slot_of(hash, item));
    t->count--;
    if (!is_moving(t)) {
        if (LIKELY(t->count >= t->shrink_at))
            return;
        shrink_begin(t);
    }
    advance(t);
}

bool table_step(struct table *t, unsigned buckets)
{
    while (is_moving(t) && buckets-- > 0)
        if (!step(t))
            return false;
    return is_moving(t);
}

bool table_expect(struct table *t, size_t count)
{
    uint64_t old, n;
    while (is_moving(t))
        if (!step(t))
            return false;
    for (old = n = t->below; n * LOAD_MAX < count;)
        n = size_above(n);
    if (n == old)
        return true;
    if (!grow_begin(t, n))
        return false;
    size_t first = segment_of(old - 1), last = segment_of(n - 1), room = t->tail;
    if (first < last)
        room = TABLE_SEGMENT;
    if (!segments_reach(t, n, first, last)) {
        for (size_t i = first + 1; i <= last; i++) {
            segment_free(t, t->segments[i], segment_room(n, i));
            t->segments[i] = NULL;
        }
        t->tail = room;
        settle(t, old);
        return false;
    }
    while (is_moving(t))
        step(t);
    return true;
}

/* ---- Scanning -------------------------------------------------------------------------------- */

/* Visits the slots[0..n) whose position is not before `from` (0: all of them). */
static size_t visit_slots(const struct table *t, const uint64_t *slots, size_t n, uint64_t from,
                          table_visit_fn visit, void *ctx)
{
    size_t visited = 0;
    for (size_t i = 0; i < n; i++) {
        void *item = table_slot_item(slots[i]);
        if (from && position_of(t->hash_of(item, t->ctx)) >> 22 < from)
            continue;
        visit(item, ctx);
        visited++;
    }
    return visited;
}

static size_t visit_bucket(const struct table *t, const struct table_bucket *b, uint64_t from,
                           table_visit_fn visit, void *ctx)
{
    size_t visited = visit_slots(t, b->slots, own_length(b), from, visit, ctx);
    uint64_t link = b->slots[SLOT_LAST];
    if (link & TABLE_LINK)
        visited += visit_slots(t, chain_of(link), chain_length(link), from, visit, ctx);
    return visited;
}

/* The positions [*start, *end) that share the bucket of `at`, which is among them. */
static const struct table_bucket *bucket_around(const struct table *t, uint64_t at, uint64_t *start,
                                                uint64_t *end)
{
    uint64_t split = t->split == UINT64_MAX ? TABLE_END : t->split >> 22;
    uint64_t n = at < split ? t->below : t->above;
    uint64_t b = home_of(at << 22, n);
    *start = first_of(b, n);
    *end = first_of(b + 1, n);
    if (at < split)
        *end = MIN_OF(*end, split);
    else
        *start = MAX_OF(*start, split);
    return bucket_at(t, b);
}

uint64_t table_scan(const struct table *t, uint64_t from, size_t items, size_t buckets,
                    table_visit_fn visit, void *ctx)
{
    size_t visited = 0, looked = 0;
    while (from < TABLE_END) {
        uint64_t start, end;
        const struct table_bucket *b = bucket_around(t, from, &start, &end);
        visited += visit_bucket(t, b, from > start ? from : 0, visit, ctx);
        from = end;
        if (visited >= items || ++looked >= buckets)
            break;
    }
    return from;
}

size_t table_sample(const struct table *t, uint64_t random, void **out, size_t max)
{
    uint64_t start, end;
    const struct table_bucket *b = bucket_around(t, random >> 22, &start, &end);
    uint64_t link = b->slots[SLOT_LAST];
    size_t own = own_length(b), length = own + (link & TABLE_LINK ? chain_length(link) : 0);
    size_t taken = MIN_OF(length, max);
    for (size_t i = 0, at = length ? random % (UINT64_C(1) << 22) % length : 0; i < taken; i++) {
        out[i] = table_slot_item(at < own ? b->slots[at] : chain_of(link)[at - own]);
        at = at + 1 == length ? 0 : at + 1;
    }
    return taken;
}

unsigned table_longest(struct table *t)
{
    unsigned longest = t->longest;
    t->longest = 0;
    return longest;
}
