/* ranked.h - the ordered index of a large sorted set: a B+ tree of (score, item) that knows ranks.
 *
 * Items are records of the owner, who keeps their score too and finds them by member elsewhere. The
 * order is that of ZRANGE: by score, equal scores by the member's bytes (memcmp order, shorter
 * first), which a callback shows. The tree looks at a member only to tell equal scores apart.
 * Scores are never NaN; -0 equals 0; infinities are scores like others. No two items of one score
 * have the same member.
 *
 * Ranks count from 0 at the lowest. n below is the count of items. An item costs 17 bytes after
 * inserts in order, 19 in any order, 21 after many removals (tests/bench/bench_ranked.c). Not
 * locked: the owner guards it; concurrent readers are fine.
 */
#ifndef SPILLWAY_STRUCT_RANKED_H
#define SPILLWAY_STRUCT_RANKED_H

#include "base/bytes.h"
#include "base/common.h"
#include "base/pace.h"

struct ranked;
struct ranked_leaf;

/* The member's bytes of an item in the tree; borrowed for the time of a comparison. */
typedef struct slice (*ranked_member_fn)(const void *item);
/* Must not touch the tree; the item may be freed. */
typedef void (*ranked_visit_fn)(double score, void *item, void *ctx);

/* A place between two items, before the first, or behind the last. Good until the next change. */
struct ranked_cursor {
    const struct ranked_leaf *leaf;
    unsigned index;
};

struct ranked *ranked_new(ranked_member_fn member_of);
/* The tree, not its items. O(n / 40) at once; NULL is allowed. */
void ranked_free(struct ranked *r);
/* Frees up to `leaves` leaves (of up to 62 items each), showing each of their items to `visit`
 * (NULL: to nobody). True: more is left, call again, and call nothing else any more. False: the
 * tree is gone, its head too. */
bool ranked_free_step(struct ranked *r, size_t leaves, ranked_visit_fn visit, void *ctx) NODISCARD;

size_t ranked_count(const struct ranked *r);
size_t ranked_bytes(const struct ranked *r); /* memory of the tree, its head included */

/* ---- Changes. O(log n) ----------------------------------------------------------------------- */

/* The item must not be in the tree. Sorted streams, ascending or descending, are the fastest, and
 * leave full leaves; so this is the bulk load too. */
void ranked_insert(struct ranked *r, double score, void *item);
/* The item must be in the tree under this score. Comparing wants its member: free it afterwards. */
void ranked_remove(struct ranked *r, double score, const void *item);
/* Gives an item another score; mostly in place when its rank changes by little or not at all. */
void ranked_move(struct ranked *r, double score, const void *item, double new_score);
/* The record is elsewhere now, `with`: same score, same member. Both still must be readable. */
void ranked_replace(struct ranked *r, double score, const void *item, void *with);
/* Take the lowest or highest item out; NULL if the tree is empty. */
void *ranked_pop_min(struct ranked *r, double *score);
void *ranked_pop_max(struct ranked *r, double *score);
/* Removes up to `count` items from `rank` on, in order, and shows each to `visit` (NULL: to
 * nobody). Returns how many there were. O(log n + count); slice what may be long. */
size_t ranked_remove_range(struct ranked *r, size_t rank, size_t count, ranked_visit_fn visit,
                           void *ctx);

/* ---- Ranks and bounds. O(log n) -------------------------------------------------------------- */

/* Each of these returns a count of items, which is the rank of the place behind them, and puts
 * *at (unless NULL) there: ranked_next yields the first item not counted, ranked_prev the last
 * one counted. The items between two bounds are the difference of two counts. */

/* Items below (score, member of item), which need not be in the tree: the rank of one that is. */
size_t ranked_seek_item(const struct ranked *r, double score, const void *item,
                        struct ranked_cursor *at);
/* Items of scores below `score`; with `after`, those of that score as well. */
size_t ranked_seek_score(const struct ranked *r, double score, bool after,
                         struct ranked_cursor *at);
/* Items of members below `member`, with `after` that member too. All scores must be equal, or the
 * answer is any count. */
size_t ranked_seek_member(const struct ranked *r, struct slice member, bool after,
                          struct ranked_cursor *at);
/* The place before the item of that rank; behind the last for any rank from n on. */
size_t ranked_seek_rank(const struct ranked *r, size_t rank, struct ranked_cursor *at);

/* The item of that rank; NULL from n on. score may be NULL. */
void *ranked_select(const struct ranked *r, size_t rank, double *score);

/* Yields the item behind the cursor and moves past it. False at the end. */
ALWAYS_INLINE bool ranked_next(struct ranked_cursor *at, double *score, void **item);
/* Yields the item before the cursor and moves before it. False at the beginning. */
ALWAYS_INLINE bool ranked_prev(struct ranked_cursor *at, double *score, void **item);

/* Tests: asserts that the tree is as ranked.c says. O(n). */
void ranked_check(const struct ranked *r);

/* ---- Private from here on: what the inline functions need. ----------------------------------- */

#define RANKED_AHEAD 8 /* items whose records a walk has fetched ahead */

struct ranked_leaf {
    uint16_t n, room;
    struct ranked_leaf *next, *prev;
    double scores[]; /* [room], then the items, void *[room] */
};

ALWAYS_INLINE void **ranked_leaf_items(const struct ranked_leaf *leaf)
{
    return (void **)(uintptr_t)(leaf->scores + leaf->room);
}

ALWAYS_INLINE bool ranked_next(struct ranked_cursor *at, double *score, void **item)
{
    const struct ranked_leaf *leaf = at->leaf;
    if (UNLIKELY(at->index == leaf->n)) {
        if (!leaf->next)
            return false;
        at->leaf = leaf = leaf->next;
        at->index = 0;
        PREFETCH(leaf->next);
        pace();
    }
    void **items = ranked_leaf_items(leaf);
    unsigned ahead = at->index + RANKED_AHEAD;
    PREFETCH(items[ahead < leaf->n ? ahead : leaf->n - 1u]);
    *score = leaf->scores[at->index];
    *item = items[at->index++];
    return true;
}

ALWAYS_INLINE bool ranked_prev(struct ranked_cursor *at, double *score, void **item)
{
    const struct ranked_leaf *leaf = at->leaf;
    if (UNLIKELY(at->index == 0)) {
        if (!leaf->prev)
            return false;
        at->leaf = leaf = leaf->prev;
        at->index = leaf->n;
        PREFETCH(leaf->prev);
        pace();
    }
    void **items = ranked_leaf_items(leaf);
    at->index--;
    PREFETCH(items[at->index > RANKED_AHEAD ? at->index - RANKED_AHEAD : 0]);
    *score = leaf->scores[at->index];
    *item = items[at->index];
    return true;
}

#endif
