/* ranked_node.h - the nodes of the ordered index: layout, memory, and searching one. For ranked.c.
 *
 * Leaves, linked in order, hold the entries, scores and items apart, so that a search reads scores
 * only. Inner nodes hold per child: a separator, which is the child's first entry; the child; and
 * the count of entries under it:
 *
 *      leaf    n, room, next, prev | score[room] | item[room]
 *      inner   n, room             | score[room] | item[room] | child[room] | count[room]
 *
 * Nodes are of variable size: they grow by allocation classes up to 1 KiB, and are split only then.
 * So leaves are filled to nine tenths whatever the order of insertion, without moving entries
 * between neighbours, and a small set is small. At either edge of the tree a full leaf stays full
 * and a new one begins. Leaves of 2 KiB would take 0.8 bytes less per item and search no faster.
 */
#ifndef SPILLWAY_STRUCT_RANKED_NODE_H
#define SPILLWAY_STRUCT_RANKED_NODE_H

#ifdef __SSE2__
#include <emmintrin.h>
#endif
#include <string.h>

#include "struct/ranked.h"

/* Entries of a leaf: at most (1 KiB); at least, but for the first and last leaf; when two become
 * one; in 512 bytes, which is what a split leaves on the side that does not grow. */
#define RANKED_LEAF_MAX   62
#define RANKED_LEAF_MIN   15
#define RANKED_LEAF_MERGE 46
#define RANKED_LEAF_HALF  30

/* Children of an inner node likewise; levels of inner nodes. */
#define RANKED_INNER_MAX   31
#define RANKED_INNER_MIN   7
#define RANKED_INNER_MERGE 23
#define RANKED_HEIGHT_MAX  24

struct ranked_inner {
    uint16_t n, room;
    double scores[]; /* [room], then void *items[room], void *children[room], size_t counts[room] */
};

struct ranked {
    void *root; /* a leaf if height is 0 */
    struct ranked_leaf *first, *last;
    size_t count, bytes;
    ranked_member_fn member_of;
    unsigned height; /* levels of inner nodes */
};

ALWAYS_INLINE void **ranked_inner_items(const struct ranked_inner *in)
{
    return (void **)(uintptr_t)(in->scores + in->room);
}

ALWAYS_INLINE void **ranked_inner_children(const struct ranked_inner *in)
{
    return ranked_inner_items(in) + in->room;
}

ALWAYS_INLINE size_t *ranked_inner_counts(const struct ranked_inner *in)
{
    return (size_t *)(ranked_inner_items(in) + 2u * in->room);
}

/* A node of room for n entries or a few more, and none in it. */
struct ranked_leaf *ranked_leaf_new(struct ranked *r, unsigned n);
struct ranked_inner *ranked_inner_new(struct ranked *r, unsigned n);
void ranked_leaf_free(struct ranked *r, struct ranked_leaf *leaf);
void ranked_inner_free(struct ranked *r, struct ranked_inner *in);
/* Makes the leaf's neighbours, or the head, know it. */
void ranked_leaf_link(struct ranked *r, struct ranked_leaf *leaf);
/* Gives the node of this slot of its parent (or the root's) room for n entries or a few more; n is
 * not below what it has. */
struct ranked_leaf *ranked_leaf_resize(struct ranked *r, void **slot, unsigned n);
struct ranked_inner *ranked_inner_resize(struct ranked *r, void **slot, unsigned n);
/* Moves entries between neighbours, the two of slots[0..2), until the left one has `keep`. The
 * separator between inner nodes stands in the right one before and after. */
void ranked_leaf_share(struct ranked *r, void **slots, unsigned keep);
void ranked_inner_share(struct ranked *r, void **slots, unsigned keep);

/* Copies n entries; the leaves may be the same one, and the parts overlap. */
ALWAYS_INLINE void ranked_leaf_copy(struct ranked_leaf *to, unsigned at,
                                    const struct ranked_leaf *from, unsigned i, unsigned n)
{
    memmove(to->scores + at, from->scores + i, n * sizeof(double));
    memmove(ranked_leaf_items(to) + at, ranked_leaf_items(from) + i, n * sizeof(void *));
}

ALWAYS_INLINE void ranked_inner_copy(struct ranked_inner *to, unsigned at,
                                     const struct ranked_inner *from, unsigned i, unsigned n)
{
    memmove(to->scores + at, from->scores + i, n * sizeof(double));
    memmove(ranked_inner_items(to) + at, ranked_inner_items(from) + i, n * sizeof(void *));
    memmove(ranked_inner_children(to) + at, ranked_inner_children(from) + i, n * sizeof(void *));
    memmove(ranked_inner_counts(to) + at, ranked_inner_counts(from) + i, n * sizeof(size_t));
}

/* Whether the entry i of the leaf is below (score, member of item). */
ALWAYS_INLINE bool ranked_is_below(const struct ranked *r, const struct ranked_leaf *leaf,
                                   unsigned i, double score, const void *item)
{
    if (leaf->scores[i] != score)
        return leaf->scores[i] < score;
    return slice_compare(r->member_of(ranked_leaf_items(leaf)[i]), r->member_of(item)) < 0;
}

#define RANKED_WINDOW 16

/* How many of these RANKED_WINDOW scores are below `score`; with `after`, not above it. */
ALWAYS_INLINE unsigned ranked_window_below(const double *scores, double score, bool after)
{
#ifdef __SSE2__
    __m128d bound = _mm_set1_pd(score);
    __m128i even = _mm_setzero_si128(), odd = _mm_setzero_si128();
    for (unsigned i = 0; i < RANKED_WINDOW; i += 4) {
        __m128d a = _mm_loadu_pd(scores + i), b = _mm_loadu_pd(scores + i + 2);
        a = after ? _mm_cmple_pd(a, bound) : _mm_cmplt_pd(a, bound);
        b = after ? _mm_cmple_pd(b, bound) : _mm_cmplt_pd(b, bound);
        even = _mm_sub_epi64(even, _mm_castpd_si128(a)); /* all ones is -1 */
        odd = _mm_sub_epi64(odd, _mm_castpd_si128(b));
    }
    even = _mm_add_epi64(even, odd);
    even = _mm_add_epi64(even, _mm_unpackhi_epi64(even, even));
    return (unsigned)_mm_cvtsi128_si32(even);
#else
    unsigned count = 0;
    for (unsigned i = 0; i < RANKED_WINDOW; i++)
        count += after ? scores[i] <= score : scores[i] < score;
    return count;
#endif
}

/* How many of n ascending scores are below `score`; with `after`, not above it. Without branches
 * that depend on the scores, which would be mispredicted every other time: halved until a window
 * remains, whose scores are all compared. */
ALWAYS_INLINE unsigned ranked_scores_below(const double *scores, unsigned n, double score,
                                           bool after)
{
    unsigned base = 0, count = 0;
    if (UNLIKELY(n < RANKED_WINDOW)) {
        for (unsigned i = 0; i < n; i++)
            count += after ? scores[i] <= score : scores[i] < score;
        return count;
    }
    for (unsigned left = n; left > RANKED_WINDOW; left -= left / 2) {
        double middle = scores[base + left / 2 - 1];
        base += (after ? middle <= score : middle < score) ? left / 2 : 0;
    }
    base = MIN_OF(base, n - RANKED_WINDOW);
    return base + ranked_window_below(scores + base, score, after);
}

#endif
