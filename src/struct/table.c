/* table.c - the hash table of the keyspace; see table.h for what a bucket looks like.
 *
 * In place. All buckets are in one array, kept in segments of 2 KiB behind a directory. While the
 * number of buckets changes from n to m > n, or back, positions before `split` are spread over n
 * buckets (`below`) and the others over m (`above`):
 *
 *      [ 0 .. home of the position before split in n ]     spread over `below` = n buckets
 *      ( ... )                                             empty, perhaps not allocated
 *      [ home of split in m .. m )                         spread over `above` = m buckets
 *
 * A growth moves the split down, bucket by bucket of n: the items of bucket i go to i * m / n and
 * the buckets behind it, which are empty or in the upper part already. A shrink moves the split up,
 * by buckets of m, for the same reason. Either may turn into the other at any time. So there is
 * never a second array; segments come one by one as a part reaches them and go as it leaves them. A
 * lookup goes to exactly one bucket and needs one comparison (table_home). When below equals above,
 * split is UINT64_MAX and nothing moves.
 *
 * The pace is set by the count: a bucket moves whenever the mean load is above LOAD_MAX, or under
 * LOAD_MIN, which is about every third insert of a growing table. Thus the load is level, and so is
 * the memory per item, whatever the count; the buckets are loaded between LOAD_MAX * 3 / 2 and
 * LOAD_MAX * 2 / 3. The sizes n, m are neighbours among the powers of two and one and a half times
 * those. Nearer neighbours make chains rarer, but every insert pays n / (m - n) moves of an item.
 *
 * Readers without the lock (table_candidate) read a bucket through the head and a directory. A
 * wrong bucket does no harm, but a wrong pointer to one would. So heads and directories are never
 * given back to the allocator: they wait in a pool to become heads and directories again, and hold
 * pointers to segments or NULL at any time. There are few of them: a directory takes 0.4 % of its
 * table.
 *
 * Cost: see tests/bench/bench_table.c. A large table takes 9.4 bytes per item, a small one (10 to
 * 20 thousand items) 9.7, at any count. About 28 % of the items are in chains.
 */
#include <string.h>

#include "base/lock.h"
#include "base/mem.h"
#include "base/pace.h"
#include "base/panic.h"
#include "struct/table.h"

#define SLOT_LAST (TABLE_SLOTS - 1)
#define LOAD_MAX  37 /* mean items in four buckets above which the table grows */
#define LOAD_MIN  16 /* ... and under which it shrinks */
#define STEPS     2  /* most buckets moved in one insert or remove */
#define PAUSE     64 /* inserts between two attempts to get memory */

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

/* The split as a right-aligned position. */
static uint64_t split_of(const struct table *t)
{
    return t->split == UINT64_MAX ? TABLE_END : t->split >> 22;
}

static struct table_bucket *bucket_at(const struct table *t, uint64_t b)
{
    return &t->directory->segments[b >> TABLE_SEGMENT_BITS][b & (TABLE_SEGMENT - 1)];
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

/* Items in the bucket's own slots. Without a branch: how full a bucket is cannot be predicted. */
static unsigned own_length(const struct table_bucket *b)
{
    unsigned n = 0;
    for (unsigned i = 0; i < TABLE_SLOTS; i++)
        n += b->slots[i] != 0;
    return n - (unsigned)(b->slots[SLOT_LAST] & TABLE_LINK);
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
    struct table_bucket *old = t->directory->segments[i];
    struct table_bucket *segment = i == 0 && room == 1 ? &t->first : segment_new(t, room);
    if (!segment)
        return false;
    memcpy(segment, old, MIN_OF(t->tail, room) * sizeof(*segment));
    segment_free(t, old, t->tail);
    __atomic_store_n(&t->directory->segments[i], segment, __ATOMIC_RELEASE);
    t->tail = room;
    return true;
}

/* The pool: heads and directories of freed tables, and directories that were outgrown. They are
 * used again for the same purpose only; see the top. Those of private tables never come here. */
static struct {
    struct lock lock;
    struct table *heads;                     /* linked by `ctx`; pool lock */
    struct table_directory *directories[64]; /* by binary logarithm of entries; pool lock */
} pool;

static size_t directory_bytes(size_t entries)
{
    return sizeof(struct table_directory) + entries * sizeof(struct table_bucket *);
}

/* A directory of NULLs; `entries` is a power of two. NULL: no memory. */
static struct table_directory *directory_new(const struct table *t, size_t entries)
{
    struct table_directory *d = NULL;
    if (!t->is_private) {
        struct table_directory **list = &pool.directories[__builtin_ctzll(entries)];
        lock_take(&pool.lock);
        d = *list;
        if (d)
            *list = d->next;
        lock_drop(&pool.lock);
    }
    if (!d)
        d = mem_try_alloc(directory_bytes(entries));
    if (!d)
        return NULL;
    d->entries = entries;
    memset(d->segments, 0, entries * sizeof(*d->segments));
    return d;
}

static void directory_free(const struct table *t, struct table_directory *d)
{
    if (t->is_private) {
        mem_free_sized(d, directory_bytes(d->entries));
        return;
    }
    struct table_directory **list = &pool.directories[__builtin_ctzll(d->entries)];
    lock_take(&pool.lock);
    d->next = *list;
    *list = d;
    lock_drop(&pool.lock);
}

/* The directory of a table of one segment. */
static struct table_directory *only_directory(struct table *t)
{
    _Static_assert(sizeof(t->only) == sizeof(struct table_directory) + sizeof(void *), "one entry");
    return (struct table_directory *)(void *)t->only;
}

/* Gives the table a directory for at least `entries` segments, and not for many more. */
static bool directory_resize(struct table *t, size_t entries)
{
    struct table_directory *old = t->directory, *d = only_directory(t);
    if (entries <= old->entries && entries > old->entries / 4)
        return true;
    if (entries > 1) {
        d = directory_new(t, (size_t)1 << (64 - __builtin_clzll(entries - 1)));
        if (!d)
            return false;
        t->bytes += directory_bytes(d->entries);
    }
    memcpy(d->segments, old->segments, MIN_OF(d->entries, old->entries) * sizeof(*d->segments));
    __atomic_store_n(&t->directory, d, __ATOMIC_RELEASE);
    if (old != only_directory(t)) {
        t->bytes -= directory_bytes(old->entries);
        directory_free(t, old);
    }
    return true;
}

/* Room in segment i of t->above buckets. */
static size_t room_of(const struct table *t, size_t i)
{
    return i == segment_of(t->above - 1) ? t->tail : TABLE_SEGMENT;
}

static void segment_drop(struct table *t, size_t i)
{
    segment_free(t, t->directory->segments[i], room_of(t, i));
    t->directory->segments[i] = NULL;
}

/* The buckets first..last are allocated. False: not all; no memory. */
static bool buckets_reach(struct table *t, uint64_t first, uint64_t last)
{
    for (size_t i = segment_of(first); i <= segment_of(last); i++)
        if (!t->directory->segments[i] &&
            !(t->directory->segments[i] = segment_new(t, room_of(t, i))))
            return false;
    return true;
}

/* ---- Growing and shrinking ------------------------------------------------------------------- */

static uint64_t size_above(uint64_t n)
{
    return n == 1 ? 2 : (n & (n - 1)) == 0 ? n / 2 * 3 : n / 3 * 4;
}

static uint64_t size_below(uint64_t n)
{
    return n == 2 ? 1 : (n & (n - 1)) == 0 ? n / 4 * 3 : n / 3 * 2;
}

/* The items that the buckets hold, as many as there are by now, at `load` for every four. */
static size_t items_at(const struct table *t, unsigned load)
{
    unsigned __int128 missing = (unsigned __int128)(t->above - t->below) * split_of(t) * load;
    return t->above * load / 4 - (size_t)(missing >> (TABLE_POSITION_BITS + 2));
}

static void limits_set(struct table *t)
{
    t->grow_at = items_at(t, LOAD_MAX);
    t->shrink_at = t->above == 1 ? 0 : items_at(t, LOAD_MIN);
}

/* Prepares a growth to n buckets, which moves nothing yet. False: no memory. */
static bool grow_begin(struct table *t, uint64_t n)
{
    size_t last = segment_of(t->below - 1), new_last = segment_of(n - 1);
    if (!directory_resize(t, new_last + 1) ||
        !tail_resize(t, last, MAX_OF(segment_room(n, last), t->tail)))
        return false;
    if (new_last > last)
        t->tail = segment_room(n, new_last);
    __atomic_store_n(&t->above, n, __ATOMIC_RELEASE); /* behind the longer segment */
    return true;
}

/* Has the next step's memory in the cache by the time of that step: its items, whose hashes it
 * wants, the bucket it goes to, and the bucket of the step after it. */
static void prefetch_step(const struct table *t, uint64_t b, uint64_t to, uint64_t after)
{
    const struct table_bucket *bucket = bucket_at(t, b);
    for (unsigned i = 0; i < TABLE_SLOTS; i++)
        PREFETCH((const void *)(uintptr_t)(bucket->slots[i] & TABLE_POINTER & ~TABLE_LINK));
    if (t->directory->segments[segment_of(to)])
        PREFETCH(bucket_at(t, to));
    PREFETCH(bucket_at(t, after));
}

/* Files the items of a bucket anew; the bucket was emptied, and the split is past it. */
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

/* Empties bucket b, which `split` has to pass. */
static void bucket_move(struct table *t, uint64_t b, uint64_t split)
{
    struct table_bucket *at = bucket_at(t, b), old = *at;
    memset(at, 0, sizeof(*at));
    t->split = split << 22;
    respread(t, &old);
}

static void grow_end(struct table *t)
{
    t->below = t->above;
    t->split = UINT64_MAX;
}

/* Moves the last bucket of the lower part up. False: no memory for where it goes. */
static bool grow_step(struct table *t, bool keep_segments)
{
    if (!is_moving(t) && !grow_begin(t, size_above(t->below)))
        return false;
    uint64_t end = split_of(t), b = home_of((end - 1) << 22, t->below);
    uint64_t start = first_of(b, t->below), to = home_of(start << 22, t->above);
    if (!buckets_reach(t, to, home_of((end - 1) << 22, t->above)))
        return false;
    bucket_move(t, b, start);
    if (b % TABLE_SEGMENT == 0 && segment_of(b) < segment_of(to) && !keep_segments)
        segment_drop(t, segment_of(b));
    if (b == 0) {
        grow_end(t);
        return true;
    }
    prefetch_step(t, b - 1, to - 1, b - MIN_OF(b, 2));
    return true;
}

/* Nothing is in the upper part (any more): lets go of its memory. */
static void shrink_end(struct table *t)
{
    size_t last = segment_of(t->below - 1), old_last = segment_of(t->above - 1);
    for (size_t i = last + 1; i <= old_last; i++)
        segment_drop(t, i);
    if (last < old_last)
        t->tail = TABLE_SEGMENT;
    t->above = t->below;
    t->split = UINT64_MAX;
    /* Failing leaves a little memory unused, no more. */
    (void)(tail_resize(t, last, segment_room(t->below, last)) && directory_resize(t, last + 1));
}

/* Moves the first bucket of the upper part down. False: no memory for where it goes. */
static bool shrink_step(struct table *t)
{
    if (!is_moving(t)) {
        t->below = size_below(t->above);
        t->split = 0;
    } else if (split_of(t) == TABLE_END) { /* a growth that found no memory for its first step */
        shrink_end(t);
        return true;
    }
    uint64_t start = split_of(t), b = home_of(start << 22, t->above);
    uint64_t end = first_of(b + 1, t->above), to = home_of((end - 1) << 22, t->below);
    if (!buckets_reach(t, home_of(start << 22, t->below), to))
        return false;
    if (end == TABLE_END) {
        struct table_bucket *at = bucket_at(t, b), old = *at;
        memset(at, 0, sizeof(*at));
        shrink_end(t);
        respread(t, &old);
        return true;
    }
    bucket_move(t, b, end);
    if ((b + 1) % TABLE_SEGMENT == 0 && segment_of(b) > segment_of(to))
        segment_drop(t, segment_of(b));
    prefetch_step(t, b + 1, to + 1, MIN_OF(b + 2, t->above - 1));
    return true;
}

/* Follows the count; false: not far enough, for want of memory. */
static bool grow(struct table *t, unsigned steps)
{
    while (t->count > t->grow_at && steps-- > 0) {
        bool ok = grow_step(t, false);
        limits_set(t);
        if (!ok) {
            t->grow_at = t->count + PAUSE;
            return false;
        }
    }
    return true;
}

static bool shrink(struct table *t, unsigned steps)
{
    while (t->count < t->shrink_at && steps-- > 0) {
        bool ok = shrink_step(t);
        limits_set(t);
        if (!ok) {
            t->shrink_at = t->count - MIN_OF(t->count, PAUSE);
            return false;
        }
    }
    return true;
}

/* ---- The interface --------------------------------------------------------------------------- */

static void start(struct table *t)
{
    struct table_directory *only = only_directory(t);
    only->entries = 1;
    only->segments[0] = &t->first;
    __atomic_store_n(&t->directory, only, __ATOMIC_RELEASE);
    t->tail = 1;
    t->bytes = mem_good_size(sizeof(*t));
    t->below = t->above = 1;
    t->split = UINT64_MAX;
    limits_set(t);
}

struct table *table_new(table_hash_fn hash_of, void *ctx)
{
    lock_take(&pool.lock);
    struct table *t = pool.heads;
    if (t)
        pool.heads = t->ctx;
    lock_drop(&pool.lock);
    if (!t) {
        t = mem_zalloc(sizeof(*t));
        start(t);
    }
    t->hash_of = hash_of;
    t->ctx = ctx;
    t->longest = 0;
    return t;
}

static void free_segment(struct table *t, size_t i, size_t room)
{
    struct table_bucket *segment = t->directory->segments[i];
    for (size_t b = 0; segment && b < room; b++)
        if (segment[b].slots[SLOT_LAST] & TABLE_LINK)
            chain_free(t, segment[b].slots[SLOT_LAST]);
    segment_free(t, segment, room);
}

void table_clear(struct table *t)
{
    size_t last = segment_of(MAX_OF(t->below, t->above) - 1);
    for (size_t i = 0; i <= last; i++) {
        free_segment(t, i, i == last ? t->tail : TABLE_SEGMENT);
        pace();
    }
    if (t->directory != only_directory(t))
        directory_free(t, t->directory);
    memset(&t->first, 0, sizeof(t->first));
    t->count = 0;
    start(t);
}

struct table *table_new_private(table_hash_fn hash_of, void *ctx)
{
    struct table *t = mem_zalloc(sizeof(*t));
    t->is_private = true;
    t->hash_of = hash_of;
    t->ctx = ctx;
    start(t);
    return t;
}

void table_free(struct table *t)
{
    if (!t)
        return;
    table_clear(t);
    if (t->is_private) {
        mem_free_sized(t, sizeof(*t));
        return;
    }
    lock_take(&pool.lock);
    t->ctx = pool.heads;
    pool.heads = t;
    lock_drop(&pool.lock);
}

bool table_free_step(struct table *t, size_t segments)
{
    size_t last = segment_of(MAX_OF(t->below, t->above) - 1);
    for (; last > 0 && segments > 0; last--, segments--) {
        free_segment(t, last, t->tail);
        t->directory->segments[last] = NULL;
        t->below = t->above = (uint64_t)last << TABLE_SEGMENT_BITS;
        t->split = UINT64_MAX;
        t->tail = TABLE_SEGMENT;
        pace();
    }
    if (last > 0)
        return false;
    table_free(t);
    return true;
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
    if (++t->count > t->grow_at)
        grow(t, STEPS);
}

void table_replace(struct table *t, uint64_t hash, const void *item, void *with)
{
    *bucket_find(home(t, hash), slot_of(hash, item)) = slot_of(hash, with);
}

void table_remove(struct table *t, uint64_t hash, const void *item)
{
    bucket_remove(t, home(t, hash), slot_of(hash, item));
    if (--t->count < t->shrink_at)
        shrink(t, STEPS);
}

bool table_step(struct table *t, unsigned buckets)
{
    if (!grow(t, buckets) || !shrink(t, buckets))
        return false;
    return t->count > t->grow_at || t->count < t->shrink_at;
}

/* All memory that a growth to n buckets needs, or no more than there was. */
static bool expect_memory(struct table *t, uint64_t n)
{
    if (grow_begin(t, n) && buckets_reach(t, t->below, n - 1))
        return true;
    shrink_end(t);
    return false;
}

bool table_expect(struct table *t, size_t count)
{
    uint64_t n = t->above;
    while (size_above(n) * LOAD_MAX / 4 <= count)
        n = size_above(n);
    if (n == t->above)
        return true;
    while (is_moving(t))
        if (!grow_step(t, true))
            return false;
    if (!expect_memory(t, n))
        return false;
    while (is_moving(t))
        grow_step(t, true);
    limits_set(t);
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
    uint64_t split = split_of(t), n = at < split ? t->below : t->above;
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

/* Every position has as many places as the table has for each: twice the items and eight for every
 * bucket, which is more than a bucket holds but for rare exceptions. One place is chosen; an item
 * has it or nobody. */
void *table_pick(const struct table *t, uint64_t random)
{
    uint64_t start, end, low = random & ((UINT64_C(1) << 22) - 1);
    const struct table_bucket *b = bucket_around(t, random >> 22, &start, &end);
    uint64_t link = b->slots[SLOT_LAST];
    size_t own = own_length(b), length = own + (link & TABLE_LINK ? chain_length(link) : 0);
    unsigned __int128 places = (unsigned __int128)(end - start) * (2 * t->count + 8 * t->above);
    places = MAX_OF(places, (unsigned __int128)length << TABLE_POSITION_BITS);
    size_t at = (size_t)(((places >> 20) * low) >> (TABLE_POSITION_BITS + 2));
    if (at >= length)
        return NULL;
    return table_slot_item(at < own ? b->slots[at] : chain_of(link)[at - own]);
}

unsigned table_longest(struct table *t)
{
    unsigned longest = t->longest;
    t->longest = 0;
    return longest;
}
