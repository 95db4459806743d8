/* zset.c - sorted sets in their two forms, and when one becomes the other.
 *
 * In the large form a record is found by name, and its score, which is in the record, finds it in
 * the tree. So whatever changes a score tells the tree first.
 */
#include "value/zset.h"
#include <stdio.h>
#include "base/hash.h"
#include "base/mem.h"
#include "base/panic.h"
#include "base/rand.h"

#define COMPACTED   64     /* records moved, after a removal, to give memory back */
#define INTEGER_MAX 0x1p62 /* scores between -this and this are kept as integers if they are */
#define CUT_MIN     1024   /* members removed at once: what is left is moved instead ... */
#define LEAVING_MAX 256    /* removed from the index by name at a time */
#define CUT_SHARE   4      /* ... if it is at most one member to so many */

static bool is_small(struct value z)
{
    return z.encoding == ENCODING_LISTPACK;
}

static const struct zset *large_of(struct value z)
{
    return z.pointer;
}

/* ---- scores ---- */

static bool score_is_integer(double score, int64_t *out)
{
    if (!(score >= -INTEGER_MAX && score <= INTEGER_MAX))
        return false;
    *out = (int64_t)score;
    return (double)*out == score;
}

size_t zset_print_score(char out[ZSET_SCORE_TEXT], double score)
{
    return number_print_double(out, score);
}

/* As it is kept in a listpack: there is no -0. */
static struct slice kept_score(char out[ZSET_SCORE_TEXT], double score)
{
    int64_t integer;
    return slice_of(out, score_is_integer(score, &integer) ? number_print_i64(out, integer)
                                                           : zset_print_score(out, score));
}

static bool read_score(const unsigned char *lp, uint32_t at, double *out)
{
    struct listpack_value value;
    listpack_get(lp, at, &value);
    if (value.data == NULL) {
        *out = (double)value.integer;
        return true;
    }
    return number_parse_double(slice_of(value.data, value.len), out);
}

/* Of a listpack that was made here, or looked at by zset_of_listpack. */
static double score_at(const unsigned char *lp, uint32_t member)
{
    double score = 0;
    bool ok = read_score(lp, listpack_next(lp, member), &score);
    ASSERT(ok);
    return score;
}

/* ---- forms ---- */

static struct slice member_of(const void *record)
{
    return member_name(record);
}

struct value zset_new(void)
{
    return (struct value){listpack_new(0), TYPE_ZSET, ENCODING_LISTPACK};
}

struct value zset_new_large(void)
{
    struct zset *zset = mem_alloc(sizeof *zset);
    zset->members = members_new(MEMBERS_ZSET, rand_system());
    zset->ranked = ranked_new(member_of);
    return (struct value){zset, TYPE_ZSET, ENCODING_SKIPLIST};
}

size_t zset_count(struct value z)
{
    return is_small(z) ? listpack_count(z.pointer) / 2 : ranked_count(large_of(z)->ranked);
}

static void large_add(struct value z, struct slice member, double score)
{
    bool added;
    struct member *record = members_add_score(large_of(z)->members, member, score, &added);
    if (record == NULL)
        PANIC("no memory for a member of %zu bytes", member.len);
    ASSERT(added);
    ranked_insert(large_of(z)->ranked, score, record);
}

/* Every member of one into a new one of the large form. */
static struct value copy_to_large(struct value z)
{
    struct value large = zset_new_large();
    struct zset_at at;
    struct zset_item item;
    zset_seek(z, 0, &at);
    while (zset_next(z, &at, &item))
        large_add(large, item.member, item.score);
    return large;
}

static void to_large(struct value *z)
{
    struct value large = copy_to_large(*z);
    listpack_free(z->pointer);
    *z = large;
}

static size_t append_pair(unsigned char **lp, struct slice member, double score)
{
    char text[ZSET_SCORE_TEXT];
    struct slice pair[] = {member, kept_score(text, score)};
    return listpack_append_many(lp, pair, COUNT_OF(pair));
}

static bool fits_small(const struct value_limits *limits, size_t count, size_t longest)
{
    return count <= (uint64_t)RELAXED_LOAD(&limits->zset_max_listpack_entries) &&
           longest <= (uint64_t)RELAXED_LOAD(&limits->zset_max_listpack_value);
}

static void class_free(struct value z);

void zset_settle(struct value *z, const struct value_limits *limits, size_t longest)
{
    size_t count = zset_count(*z);
    bool small = fits_small(limits, count, longest) &&
                 (longest + NUMBER_TEXT_MAX) * count <= LISTPACK_BYTES_MAX / 2;
    if (small == is_small(*z))
        return;
    if (!small) {
        to_large(z);
        return;
    }
    unsigned char *lp = listpack_new(0);
    struct zset_at at;
    struct zset_item item;
    zset_seek(*z, 0, &at);
    while (zset_next(*z, &at, &item))
        append_pair(&lp, item.member, item.score);
    class_free(*z);
    *z = (struct value){lp, TYPE_ZSET, ENCODING_LISTPACK};
}

/* ---- the small form ---- */

/* The place of a member, or 0. */
static uint32_t small_find(struct value z, struct slice member)
{
    return listpack_find(z.pointer, listpack_first(z.pointer), member, 1);
}

static uint32_t next_member(const unsigned char *lp, uint32_t member)
{
    return listpack_next(lp, listpack_next(lp, member));
}

/* Where the member at that place stands to a score and member. */
static int compare_at(const unsigned char *lp, uint32_t at, double score, struct slice member)
{
    char room[LISTPACK_TEXT];
    double own = score_at(lp, at);
    if (own != score)
        return own < score ? -1 : 1;
    return slice_compare(listpack_text(lp, at, room), member);
}

/* The first member that comes behind it, or 0. Often it goes behind all. */
static uint32_t place_for(const unsigned char *lp, double score, struct slice member)
{
    uint32_t last = listpack_last(lp);
    if (last == 0 || compare_at(lp, listpack_prev(lp, last), score, member) < 0)
        return 0;
    uint32_t at = listpack_first(lp);
    while (compare_at(lp, at, score, member) < 0)
        at = next_member(lp, at);
    return at;
}

static void small_insert(struct value *z, struct slice member, double score)
{
    char text[ZSET_SCORE_TEXT];
    struct slice pair[] = {member, kept_score(text, score)};
    unsigned char *lp = z->pointer;
    listpack_splice(&lp, place_for(lp, score, member), 0, pair, COUNT_OF(pair));
    z->pointer = lp;
}

static void small_delete(struct value *z, uint32_t at)
{
    unsigned char *lp = z->pointer;
    listpack_delete_many(&lp, at, 2);
    z->pointer = lp;
}

/* ---- by member ---- */

bool zset_score(struct value z, struct slice member, double *score)
{
    if (is_small(z)) {
        uint32_t at = small_find(z, member);
        if (at != 0)
            *score = score_at(z.pointer, at);
        return at != 0;
    }
    const struct member *record = members_find(large_of(z)->members, member);
    if (record != NULL)
        *score = member_score(record);
    return record != NULL;
}

static bool small_rank(struct value z, struct slice member, size_t *rank, double *score)
{
    const unsigned char *lp = z.pointer;
    *rank = 0;
    for (uint32_t at = listpack_first(lp); at != 0; at = next_member(lp, at), ++*rank) {
        if (listpack_equals(lp, at, member)) {
            *score = score_at(lp, at);
            return true;
        }
    }
    return false;
}

bool zset_rank(struct value z, struct slice member, size_t *rank, double *score)
{
    if (is_small(z))
        return small_rank(z, member, rank, score);
    const struct member *record = members_find(large_of(z)->members, member);
    if (record == NULL)
        return false;
    *score = member_score(record);
    *rank = ranked_seek_item(large_of(z)->ranked, *score, record, NULL);
    return true;
}

void zset_add(struct value *z, const struct value_limits *limits, struct slice member, double score)
{
    if (is_small(*z) &&
        (!fits_small(limits, zset_count(*z) + 1, member.len) ||
         !listpack_fits(z->pointer, listpack_size_of(member) + ZSET_SCORE_TEXT + 2)))
        to_large(z);
    if (is_small(*z))
        small_insert(z, member, score);
    else
        large_add(*z, member, score);
}

void zset_move(struct value *z, struct slice member, double old, double score)
{
    if (is_small(*z)) {
        small_delete(z, small_find(*z, member));
        small_insert(z, member, score);
        return;
    }
    struct member *record = members_find(large_of(*z)->members, member);
    ranked_move(large_of(*z)->ranked, old, record, score);
    members_set_score(large_of(*z)->members, record, score);
}

static void record_moved(const struct member *from, struct member *to, void *ranked)
{
    ranked_replace(ranked, member_score(from), from, to);
}

/* After removals: some of the memory that they have left goes back. */
static void compact(struct value z)
{
    members_compact_step(large_of(z)->members, COMPACTED, record_moved, large_of(z)->ranked);
}

bool zset_remove(struct value *z, struct slice member)
{
    if (is_small(*z)) {
        uint32_t at = small_find(*z, member);
        if (at != 0)
            small_delete(z, at);
        return at != 0;
    }
    struct member *record = members_find(large_of(*z)->members, member);
    if (record == NULL)
        return false;
    ranked_remove(large_of(*z)->ranked, member_score(record), record);
    members_remove(large_of(*z)->members, record);
    compact(*z);
    return true;
}

/* ---- by rank ---- */

/* Records that are in no rank any more. */
struct leaving {
    struct members *members;
    struct member *records[LEAVING_MAX];
    size_t count;
};

static void remove_leaving(struct leaving *leaving)
{
    members_remove_many(leaving->members, leaving->records, leaving->count);
    leaving->count = 0;
}

static void leave(double score, void *record, void *ctx)
{
    struct leaving *leaving = ctx;
    (void)score;
    leaving->records[leaving->count++] = record;
    if (leaving->count == LEAVING_MAX)
        remove_leaving(leaving);
}

size_t zset_remove_range(struct value *z, size_t rank, size_t count)
{
    size_t all = zset_count(*z);
    if (rank >= all)
        return 0;
    count = MIN_OF(count, all - rank);
    if (!is_small(*z)) {
        struct leaving leaving;
        leaving.members = large_of(*z)->members;
        leaving.count = 0;
        ranked_remove_range(large_of(*z)->ranked, rank, count, leave, &leaving);
        remove_leaving(&leaving);
        compact(*z);
        return count;
    }
    unsigned char *lp = z->pointer;
    listpack_delete_range(&lp, (int64_t)rank * 2, count * 2);
    z->pointer = lp;
    return count;
}

struct value zset_copy_outside(struct value z, size_t rank, size_t count)
{
    struct value copy = zset_new_large();
    struct zset_at at;
    struct zset_item item;
    zset_seek(z, 0, &at);
    for (size_t i = 0; i < rank && zset_next(z, &at, &item); i++)
        large_add(copy, item.member, item.score);
    zset_seek(z, rank + count, &at);
    while (zset_next(z, &at, &item))
        large_add(copy, item.member, item.score);
    return copy;
}

size_t zset_cut_range(struct value *z, size_t rank, size_t count, struct value *rest)
{
    size_t all = zset_count(*z);
    *rest = (struct value){0};
    count = rank < all ? MIN_OF(count, all - rank) : 0;
    if (is_small(*z) || count < CUT_MIN || (all - count) * CUT_SHARE > count)
        return zset_remove_range(z, rank, count);
    *rest = *z;
    *z = zset_copy_outside(*rest, rank, count);
    return count;
}

size_t zset_below_score(struct value z, double score, bool after)
{
    if (!is_small(z))
        return ranked_seek_score(large_of(z)->ranked, score, after, NULL);
    const unsigned char *lp = z.pointer;
    size_t count = 0;
    for (uint32_t at = listpack_first(lp); at != 0; at = next_member(lp, at), count++) {
        double own = score_at(lp, at);
        if (after ? own > score : own >= score)
            break;
    }
    return count;
}

size_t zset_below_member(struct value z, struct slice member, bool after)
{
    if (!is_small(z))
        return ranked_seek_member(large_of(z)->ranked, member, after, NULL);
    const unsigned char *lp = z.pointer;
    size_t count = 0;
    for (uint32_t at = listpack_first(lp); at != 0; at = next_member(lp, at), count++) {
        char room[LISTPACK_TEXT];
        int order = slice_compare(listpack_text(lp, at, room), member);
        if (after ? order > 0 : order >= 0)
            break;
    }
    return count;
}

void zset_seek(struct value z, size_t rank, struct zset_at *at)
{
    if (!is_small(z)) {
        ranked_seek_rank(large_of(z)->ranked, rank, &at->cursor);
        return;
    }
    const unsigned char *lp = z.pointer;
    bool there = rank < zset_count(z);
    at->behind = there ? listpack_seek(lp, (int64_t)rank * 2) : 0;
    uint32_t score = there ? listpack_prev(lp, at->behind) : listpack_last(lp);
    at->before = score != 0 ? listpack_prev(lp, score) : 0;
}

static void small_item(const unsigned char *lp, uint32_t at, struct zset_item *out)
{
    out->member = listpack_text(lp, at, out->room);
    out->score = score_at(lp, at);
}

bool zset_next(struct value z, struct zset_at *at, struct zset_item *out)
{
    void *record;
    if (is_small(z)) {
        if (at->behind == 0)
            return false;
        small_item(z.pointer, at->behind, out);
        at->before = at->behind;
        at->behind = next_member(z.pointer, at->behind);
        return true;
    }
    if (!ranked_next(&at->cursor, &out->score, &record))
        return false;
    out->member = member_name(record);
    return true;
}

bool zset_prev(struct value z, struct zset_at *at, struct zset_item *out)
{
    void *record;
    if (is_small(z)) {
        if (at->before == 0)
            return false;
        small_item(z.pointer, at->before, out);
        at->behind = at->before;
        uint32_t score = listpack_prev(z.pointer, at->before);
        at->before = score != 0 ? listpack_prev(z.pointer, score) : 0;
        return true;
    }
    if (!ranked_prev(&at->cursor, &out->score, &record))
        return false;
    out->member = member_name(record);
    return true;
}

/* ---- reading RDB ---- */

/* What a walk over bytes from outside has seen. */
struct sieve {
    struct members *seen;
    struct slice member;
    char room[LISTPACK_TEXT];
    double score;
    bool sorted, any;
};

/* The element of each pair in order; that of the score comes second. */
static bool check_element(void *context, const unsigned char *lp, uint32_t at, size_t index)
{
    struct sieve *sieve = context;
    double score;
    if (index % 2 == 0) {
        char room[LISTPACK_TEXT];
        bool added;
        return members_add(sieve->seen, listpack_text(lp, at, room), &added) != NULL && added;
    }
    if (!read_score(lp, at, &score))
        return false;
    uint32_t member = listpack_prev(lp, at);
    if (sieve->any && compare_at(lp, member, sieve->score, sieve->member) <= 0)
        sieve->sorted = false;
    sieve->any = true;
    sieve->score = score;
    sieve->member = listpack_text(lp, member, sieve->room);
    return true;
}

struct value zset_of_listpack(struct slice bytes, const struct value_limits *limits)
{
    const unsigned char *lp = (const unsigned char *)bytes.data;
    struct sieve sieve = {.seen = members_new(MEMBERS_SET, rand_system()), .sorted = true};
    bool good = listpack_validate(lp, bytes.len, true, check_element, &sieve) &&
                listpack_count(lp) % 2 == 0 && sieve.any;
    size_t longest = 0;
    members_free(sieve.seen);
    if (!good)
        return (struct value){0};
    struct value z = {listpack_copy(lp), TYPE_ZSET, ENCODING_LISTPACK};
    for (uint32_t at = listpack_first(lp); at != 0; at = next_member(lp, at)) {
        char room[LISTPACK_TEXT];
        longest = MAX_OF(longest, listpack_text(lp, at, room).len);
    }
    if (!sieve.sorted)
        to_large(&z); /* which brings them into order */
    zset_settle(&z, limits, longest);
    return z;
}

/* ---- the class ---- */

static void class_free(struct value z)
{
    if (is_small(z)) {
        listpack_free(z.pointer);
        return;
    }
    ranked_free(large_of(z)->ranked);
    members_free(large_of(z)->members);
    mem_free(z.pointer);
}

/* Records of smaller ones are allocations of their own, those of larger ones lie in chunks. */
static size_t class_effort(struct value z)
{
    size_t count = zset_count(z);
    return is_small(z) ? 1 : MIN_OF(count, 4096) + count / 32;
}

static size_t class_memory(struct value z, size_t samples)
{
    (void)samples;
    return is_small(z) ? listpack_memory(z.pointer)
                       : mem_usable(z.pointer) + members_bytes(large_of(z)->members) +
                             ranked_bytes(large_of(z)->ranked);
}

static struct value class_copy(struct value z)
{
    if (!is_small(z))
        return copy_to_large(z);
    z.pointer = listpack_copy(z.pointer);
    return z;
}

static void class_each(struct value z, value_visit_fn visit, void *ctx)
{
    struct zset_at at;
    struct zset_item item;
    char text[ZSET_SCORE_TEXT];
    zset_seek(z, 0, &at);
    while (zset_next(z, &at, &item)) {
        int len = snprintf(text, sizeof text, "%.17g", item.score);
        struct slice parts[] = {item.member, slice_of(text, (size_t)len)};
        visit(ctx, parts, COUNT_OF(parts));
    }
}

const struct value_class zset_class = {
    .ordered = false,
    .free = class_free,
    .effort = class_effort,
    .memory = class_memory,
    .copy = class_copy,
    .each = class_each,
};
