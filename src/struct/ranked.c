/* ranked.c - a B+ tree with subtree counts ("counted B-tree"); see ranked.h.
 *
 * Leaves, linked in order, hold the entries, scores and items apart, so that a search reads scores
 * only. Inner nodes hold per child: a separator, which is the child's first entry; the child; and
 * the count of entries under it:
 *
 *      leaf    n, room, next, prev | score[room] | item[room]
 *      inner   n, room             | score[room] | item[room] | child[room] | count[room]
 *
 * The separator of an inner node's first child is not kept: what stands there is never read. All
 * others are exact, and thus point to records in the tree; whatever changes the first entry of a
 * leaf also changes its separator, in the nearest node above where the way down is not through the
 * first child (set_first).
 *
 * Nodes are of variable size: they grow by allocation classes up to 1 KiB, and are split only then.
 * So leaves are filled to nine tenths whatever the order of insertion, without moving entries
 * between neighbours, and a small set is small. At either edge of the tree a full leaf stays full
 * and a new one begins. Leaves of 2 KiB would take 0.8 bytes less per item and search no faster.
 *
 * After a removal a node under a quarter is merged with a neighbour if the two fill three quarters
 * of one, else they share evenly. So every leaf but the first and last has at least LEAF_MIN
 * entries, no leaf of several is empty, and every inner node has at least two children.
 *
 * A path is the way from the root to an entry; its levels count from the lowest inner nodes up, so
 * that a new root does not shift them.
 */
#ifdef __SSE2__
#include <emmintrin.h>
#endif
#include <string.h>

#include "base/mem.h"
#include "base/panic.h"
#include "struct/ranked.h"

#define LEAF_MAX   62 /* entries of a leaf of 1 KiB */
#define LEAF_MIN   15
#define LEAF_MERGE 46 /* most entries of two leaves that become one */
#define LEAF_HALF  30 /* entries of a leaf of 512 bytes: what a split leaves on the quiet side */

#define INNER_MAX   31 /* children of an inner node of 1 KiB */
#define INNER_MIN   7
#define INNER_MERGE 23

#define HEIGHT_MAX 24 /* levels of inner nodes; all but the edges have INNER_MIN children */

struct inner {
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

struct path {
    struct ranked_leaf *leaf;
    unsigned index; /* in the leaf, 0..n */
    unsigned at[HEIGHT_MAX];
    struct inner *node[HEIGHT_MAX];
};

ALWAYS_INLINE void **leaf_items(const struct ranked_leaf *leaf)
{
    return ranked_leaf_items(leaf);
}

ALWAYS_INLINE void **inner_items(const struct inner *in)
{
    return (void **)(uintptr_t)(in->scores + in->room);
}

ALWAYS_INLINE void **inner_children(const struct inner *in)
{
    return inner_items(in) + in->room;
}

ALWAYS_INLINE size_t *inner_counts(const struct inner *in)
{
    return (size_t *)(inner_items(in) + 2u * in->room);
}

/* ---- Memory of nodes ------------------------------------------------------------------------- */

/* Allocation classes of jemalloc. */
static const uint16_t leaf_sizes[] = {64, 128, 192, 256, 320, 384, 448, 512, 640, 768, 896, 1024};
static const uint16_t inner_sizes[] = {128, 256, 512, 1024};

static size_t leaf_size(unsigned room)
{
    return (sizeof(struct ranked_leaf) + room * 16 + 15) / 16 * 16;
}

static size_t inner_size(unsigned room)
{
    return (sizeof(struct inner) + room * 32 + 31) / 32 * 32;
}

/* The room of the smallest leaf for n entries. */
static unsigned leaf_room(unsigned n)
{
    unsigned i = 0, room;
    while ((room = (leaf_sizes[i] - sizeof(struct ranked_leaf)) / 16) < n)
        i++;
    return room;
}

static unsigned inner_room(unsigned n)
{
    unsigned i = 0, room;
    while ((room = (inner_sizes[i] - sizeof(struct inner)) / 32) < n)
        i++;
    return room;
}

static struct ranked_leaf *leaf_new(struct ranked *r, unsigned room)
{
    struct ranked_leaf *leaf = mem_alloc(leaf_size(room));
    leaf->n = 0;
    leaf->room = (uint16_t)room;
    r->bytes += leaf_size(room);
    return leaf;
}

static void leaf_free(struct ranked *r, struct ranked_leaf *leaf)
{
    r->bytes -= leaf_size(leaf->room);
    mem_free_sized(leaf, leaf_size(leaf->room));
}

static struct inner *inner_new(struct ranked *r, unsigned room)
{
    struct inner *in = mem_alloc(inner_size(room));
    in->n = 0;
    in->room = (uint16_t)room;
    r->bytes += inner_size(room);
    return in;
}

static void inner_free(struct ranked *r, struct inner *in)
{
    r->bytes -= inner_size(in->room);
    mem_free_sized(in, inner_size(in->room));
}

/* Copies n entries; the leaves may be the same one, and the parts overlap. */
static void leaf_copy(struct ranked_leaf *to, unsigned at, const struct ranked_leaf *from,
                      unsigned i, unsigned n)
{
    memmove(to->scores + at, from->scores + i, n * sizeof(double));
    memmove(leaf_items(to) + at, leaf_items(from) + i, n * sizeof(void *));
}

static void inner_copy(struct inner *to, unsigned at, const struct inner *from, unsigned i,
                       unsigned n)
{
    memmove(to->scores + at, from->scores + i, n * sizeof(double));
    memmove(inner_items(to) + at, inner_items(from) + i, n * sizeof(void *));
    memmove(inner_children(to) + at, inner_children(from) + i, n * sizeof(void *));
    memmove(inner_counts(to) + at, inner_counts(from) + i, n * sizeof(size_t));
}

/* Makes the leaf's neighbours, or the head, know it. */
static void leaf_link(struct ranked *r, struct ranked_leaf *leaf)
{
    *(leaf->prev ? &leaf->prev->next : &r->first) = leaf;
    *(leaf->next ? &leaf->next->prev : &r->last) = leaf;
}

/* Gives the leaf of this slot of a node (or the root's) another room, for all of its entries. */
static struct ranked_leaf *leaf_resize(struct ranked *r, void **slot, unsigned room)
{
    struct ranked_leaf *old = *slot;
    if (old->room == room)
        return old;
    struct ranked_leaf *leaf = leaf_new(r, room);
    leaf_copy(leaf, 0, old, 0, old->n);
    leaf->n = old->n;
    leaf->next = old->next;
    leaf->prev = old->prev;
    leaf_link(r, leaf);
    leaf_free(r, old);
    *slot = leaf;
    return leaf;
}

static struct inner *inner_resize(struct ranked *r, void **slot, unsigned room)
{
    struct inner *old = *slot;
    if (old->room == room)
        return old;
    struct inner *in = inner_new(r, room);
    inner_copy(in, 0, old, 0, old->n);
    in->n = old->n;
    inner_free(r, old);
    *slot = in;
    return in;
}

/* What points to the path's node below this level; of the leaf for level 0. */
static void **slot_below(struct ranked *r, const struct path *p, unsigned level)
{
    return level == r->height ? &r->root : &inner_children(p->node[level])[p->at[level]];
}

/* ---- Search within a node -------------------------------------------------------------------- */

#define WINDOW 16

/* How many of these WINDOW scores are below `score`; with `after`, not above it. */
ALWAYS_INLINE unsigned window_below(const double *scores, double score, bool after)
{
#ifdef __SSE2__
    __m128d bound = _mm_set1_pd(score);
    __m128i even = _mm_setzero_si128(), odd = _mm_setzero_si128();
    for (unsigned i = 0; i < WINDOW; i += 4) {
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
    for (unsigned i = 0; i < WINDOW; i++)
        count += after ? scores[i] <= score : scores[i] < score;
    return count;
#endif
}

/* How many of n ascending scores are below `score`; with `after`, not above it. Without branches
 * that depend on the scores, which would be mispredicted every other time: halved until a window
 * remains, whose scores are all compared. */
ALWAYS_INLINE unsigned scores_below(const double *scores, unsigned n, double score, bool after)
{
    unsigned base = 0, count = 0;
    if (UNLIKELY(n < WINDOW)) {
        for (unsigned i = 0; i < n; i++)
            count += after ? scores[i] <= score : scores[i] < score;
        return count;
    }
    for (unsigned left = n; left > WINDOW; left -= left / 2) {
        double middle = scores[base + left / 2 - 1];
        base += (after ? middle <= score : middle < score) ? left / 2 : 0;
    }
    base = MIN_OF(base, n - WINDOW);
    return base + window_below(scores + base, score, after);
}

/* How many of n items, ascending by member, are below `member`; with `after`, not above it. The
 * records are most probably far away, so both that may be next are fetched while one is read. */
static unsigned members_below(const struct ranked *r, void *const *items, unsigned n,
                              struct slice member, bool after)
{
    unsigned low = 0;
    while (low < n) {
        unsigned middle = (low + n) / 2;
        PREFETCH(items[(low + middle) / 2]);
        PREFETCH(items[(middle + n) / 2]);
        int order = slice_compare(r->member_of(items[middle]), member);
        if (order < 0 || (after && order == 0))
            low = middle + 1;
        else
            n = middle;
    }
    return low;
}

static NOINLINE unsigned ties_below(const struct ranked *r, const double *scores,
                                    void *const *items, unsigned n, double score, const void *item,
                                    bool after)
{
    if (items[0] == item)
        return after;
    unsigned equal = 1;
    if (n > 1 && scores[1] == score)
        equal = scores_below(scores, n, score, true);
    return members_below(r, items, equal, r->member_of(item), after);
}

/* How many of n entries are below (score, member of item); with `after`, not above it. */
ALWAYS_INLINE unsigned entries_below(const struct ranked *r, const double *scores,
                                     void *const *items, unsigned n, double score, const void *item,
                                     bool after)
{
    unsigned i = scores_below(scores, n, score, false);
    if (i < n && scores[i] == score)
        i += ties_below(r, scores + i, items + i, n - i, score, item, after);
    return i;
}

/* Fetches the scores of a node that is about to be searched, all lines at once. */
ALWAYS_INLINE void prefetch_node(const void *node)
{
    for (unsigned i = 0; i < 8; i++)
        PREFETCH((const char *)node + i * CACHE_LINE);
}

/* ---- The way down ---------------------------------------------------------------------------- */

ALWAYS_INLINE unsigned child_of_entry(const struct ranked *r, const struct inner *in, double score,
                                      const void *item)
{
    return entries_below(r, in->scores + 1, inner_items(in) + 1, in->n - 1u, score, item, true);
}

static void path_to_entry(const struct ranked *r, struct path *p, double score, const void *item)
{
    void *node = r->root;
    for (unsigned level = r->height; level-- > 0;) {
        struct inner *in = p->node[level] = node;
        unsigned i = p->at[level] = child_of_entry(r, in, score, item);
        node = inner_children(in)[i];
        prefetch_node(node);
    }
    struct ranked_leaf *leaf = p->leaf = node;
    p->index = entries_below(r, leaf->scores, leaf_items(leaf), leaf->n, score, item, false);
}

/* The path to an item of the tree. */
static void path_to_item(const struct ranked *r, struct path *p, double score, const void *item)
{
    path_to_entry(r, p, score, item);
    ASSERT(p->index < p->leaf->n && leaf_items(p->leaf)[p->index] == item);
}

static void path_to_edge(const struct ranked *r, struct path *p, bool last)
{
    void *node = r->root;
    for (unsigned level = r->height; level-- > 0;) {
        struct inner *in = p->node[level] = node;
        p->at[level] = last ? in->n - 1u : 0;
        node = inner_children(in)[p->at[level]];
    }
    p->leaf = node;
    p->index = last ? p->leaf->n : 0;
}

/* Which of the counts *rank falls into; it becomes the rest. The sum is above it. */
static unsigned child_of_rank(const size_t *counts, size_t *rank)
{
    unsigned i = 0;
    while (*rank >= counts[i])
        *rank -= counts[i++];
    return i;
}

/* rank < count. */
static void path_to_rank(const struct ranked *r, struct path *p, size_t rank)
{
    void *node = r->root;
    for (unsigned level = r->height; level-- > 0;) {
        struct inner *in = p->node[level] = node;
        p->at[level] = child_of_rank(inner_counts(in), &rank);
        node = inner_children(in)[p->at[level]];
    }
    p->leaf = node;
    p->index = (unsigned)rank;
}

/* The first entry of the path's leaf is another now. */
static void set_first(const struct ranked *r, const struct path *p, double score, void *item)
{
    for (unsigned level = 0; level < r->height; level++) {
        if (p->at[level] == 0)
            continue;
        p->node[level]->scores[p->at[level]] = score;
        inner_items(p->node[level])[p->at[level]] = item;
        return;
    }
}

/* Adds to the counts of the path. */
static void path_count(struct ranked *r, const struct path *p, size_t more)
{
    r->count += more;
    for (unsigned level = 0; level < r->height; level++)
        inner_counts(p->node[level])[p->at[level]] += more;
}

/* ---- Inserting ------------------------------------------------------------------------------- */

static size_t counts_sum(const size_t *counts, unsigned n)
{
    size_t even = 0, odd = 0;
    unsigned i = 0;
    for (; i + 1 < n; i += 2)
        even += counts[i], odd += counts[i + 1];
    return even + odd + (i < n ? counts[i] : 0);
}

static void root_raise(struct ranked *r, struct path *p)
{
    ASSERT(r->height < HEIGHT_MAX);
    struct inner *root = inner_new(r, inner_room(2));
    root->n = 1;
    inner_children(root)[0] = r->root;
    inner_counts(root)[0] = r->count;
    r->root = root;
    p->node[r->height] = root;
    p->at[r->height++] = 0;
}

static void child_insert(struct ranked *r, struct path *p, unsigned level, void *child,
                         double score, void *item, size_t count);

/* Splits the path's node of this level, which is full, such that the path stays the same way. */
static void inner_split(struct ranked *r, struct path *p, unsigned level)
{
    struct inner *in = p->node[level];
    unsigned n = in->n, at = p->at[level];
    /* At the edges of the tree, which may be loaded in order, most stays on the inner side. */
    unsigned keep = at == n - 1u ? n - n / 8 : at == 0 ? n / 8 : n / 2;
    struct inner *right = inner_new(r, inner_room(MAX_OF(n - keep + 1, n / 2)));
    inner_copy(right, 0, in, keep, n - keep);
    right->n = (uint16_t)(n - keep);
    in->n = (uint16_t)keep;
    child_insert(r, p, level + 1, right, in->scores[keep], inner_items(in)[keep],
                 counts_sum(inner_counts(right), n - keep));
    if (at < keep)
        return;
    p->node[level] = right;
    p->at[level] -= keep;
    p->at[level + 1]++;
}

/* Hangs a node that was split off, with its first entry and its count, behind the path's node below
 * this level. */
static void child_insert(struct ranked *r, struct path *p, unsigned level, void *child,
                         double score, void *item, size_t count)
{
    if (level == r->height)
        root_raise(r, p);
    struct inner *in = p->node[level];
    if (in->n == in->room && in->room < INNER_MAX)
        p->node[level] = inner_resize(r, slot_below(r, p, level + 1), inner_room(in->n + 1u));
    else if (in->n == in->room)
        inner_split(r, p, level);
    in = p->node[level];
    unsigned at = p->at[level] + 1;
    inner_copy(in, at + 1, in, at, in->n - at);
    in->n++;
    in->scores[at] = score;
    inner_items(in)[at] = item;
    inner_children(in)[at] = child;
    inner_counts(in)[at] = count;
    inner_counts(in)[at - 1] -= count;
}

/* Splits the path's leaf, which is full, to make room for an entry at the path's index. */
static void leaf_split(struct ranked *r, struct path *p, double score, void *item)
{
    struct ranked_leaf *leaf = p->leaf;
    unsigned n = leaf->n, keep = p->index > n / 2 ? LEAF_HALF : n - LEAF_HALF;
    if (!leaf->next && p->index == n)
        keep = n;
    else if (!leaf->prev && p->index == 0)
        keep = 0;
    bool to_right = p->index > keep || keep == n;
    struct ranked_leaf *right = leaf_new(r, keep == n ? LEAF_MAX : leaf_room(n - keep + to_right));
    leaf_copy(right, 0, leaf, keep, n - keep);
    right->n = (uint16_t)(n - keep);
    leaf->n = (uint16_t)keep;
    right->prev = leaf;
    right->next = leaf->next;
    leaf_link(r, right);
    if (keep > 0 && keep < n)
        p->leaf = leaf_resize(r, slot_below(r, p, 0), leaf_room(keep + !to_right));
    if (keep < n)
        score = right->scores[0], item = leaf_items(right)[0];
    child_insert(r, p, 0, right, score, item, right->n);
    if (!to_right)
        return;
    p->leaf = right;
    p->index -= keep;
    p->at[0]++;
}

static void insert_at(struct ranked *r, struct path *p, double score, void *item)
{
    struct ranked_leaf *leaf = p->leaf;
    if (UNLIKELY(leaf->n == leaf->room)) {
        if (leaf->room < LEAF_MAX)
            p->leaf = leaf_resize(r, slot_below(r, p, 0), leaf_room(leaf->n + 1u));
        else
            leaf_split(r, p, score, item);
        leaf = p->leaf;
    }
    leaf_copy(leaf, p->index + 1, leaf, p->index, leaf->n - p->index);
    leaf->scores[p->index] = score;
    leaf_items(leaf)[p->index] = item;
    leaf->n++;
    path_count(r, p, 1);
}

/* Whether the entry i of the leaf is below (score, member of item). */
static bool is_below(const struct ranked *r, const struct ranked_leaf *leaf, unsigned i,
                     double score, const void *item)
{
    if (leaf->scores[i] != score)
        return leaf->scores[i] < score;
    return slice_compare(r->member_of(leaf_items(leaf)[i]), r->member_of(item)) < 0;
}

void ranked_insert(struct ranked *r, double score, void *item)
{
    struct path p;
    if (r->count > 0 && is_below(r, r->last, r->last->n - 1u, score, item))
        path_to_edge(r, &p, true);
    else if (r->count > 0 && !is_below(r, r->first, 0, score, item))
        path_to_edge(r, &p, false);
    else
        path_to_entry(r, &p, score, item);
    insert_at(r, &p, score, item);
}

/* ---- Removing -------------------------------------------------------------------------------- */

static void inner_rebalance(struct ranked *r, struct path *p, unsigned level);

/* Takes child i out of the path's node of this level; its entries are elsewhere. */
static void child_remove(struct ranked *r, struct path *p, unsigned level, unsigned i)
{
    struct inner *in = p->node[level];
    inner_copy(in, i, in, i + 1, in->n - i - 1u);
    in->n--;
    if (in->n < INNER_MIN)
        inner_rebalance(r, p, level);
}

/* Moves entries between neighbours, the two of slots[0..2), until the left one has `keep`. */
static void leaf_share(struct ranked *r, void **slots, unsigned keep)
{
    struct ranked_leaf *left = slots[0], *right = slots[1];
    unsigned n = left->n, m = right->n, rest = n + m - keep;
    if (keep > left->room)
        left = leaf_resize(r, &slots[0], leaf_room(keep));
    if (rest > right->room)
        right = leaf_resize(r, &slots[1], leaf_room(rest));
    if (keep > n) {
        leaf_copy(left, n, right, 0, keep - n);
        leaf_copy(right, 0, right, keep - n, rest);
    } else {
        leaf_copy(right, n - keep, right, 0, m);
        leaf_copy(right, 0, left, keep, n - keep);
    }
    left->n = (uint16_t)keep;
    right->n = (uint16_t)rest;
}

/* The path's leaf has few entries, perhaps none, and neighbours: merges it with one of them, or
 * lets one give some. Nothing but the path's inner nodes is good afterwards. */
static void leaf_rebalance(struct ranked *r, struct path *p)
{
    struct inner *in = p->node[0];
    p->at[0] -= p->at[0] == in->n - 1u;
    unsigned i = p->at[0];
    void **slots = &inner_children(in)[i];
    struct ranked_leaf *left = slots[0], *right = slots[1];
    unsigned sum = left->n + right->n, keep = sum <= LEAF_MERGE ? sum : sum / 2;
    if (keep == sum)
        left = leaf_resize(r, &slots[0], leaf_room(sum));
    leaf_share(r, slots, keep);
    left = slots[0], right = slots[1];
    inner_counts(in)[i] = left->n;
    inner_counts(in)[i + 1] = right->n;
    set_first(r, p, left->scores[0], leaf_items(left)[0]);
    if (right->n > 0) {
        in->scores[i + 1] = right->scores[0];
        inner_items(in)[i + 1] = leaf_items(right)[0];
        return;
    }
    left->next = right->next;
    leaf_link(r, left);
    leaf_free(r, right);
    child_remove(r, p, 0, i + 1);
}

/* As leaf_share; the separator between the two stands in the right one. */
static void inner_share(struct ranked *r, void **slots, unsigned keep)
{
    struct inner *left = slots[0], *right = slots[1];
    unsigned n = left->n, m = right->n, rest = n + m - keep;
    if (keep > left->room)
        left = inner_resize(r, &slots[0], inner_room(keep));
    if (rest > right->room)
        right = inner_resize(r, &slots[1], inner_room(rest));
    if (keep > n) {
        inner_copy(left, n, right, 0, keep - n);
        inner_copy(right, 0, right, keep - n, rest);
    } else {
        inner_copy(right, n - keep, right, 0, m);
        inner_copy(right, 0, left, keep, n - keep);
    }
    left->n = (uint16_t)keep;
    right->n = (uint16_t)rest;
}

/* The path's node of this level has few children, at least one. */
static void inner_rebalance(struct ranked *r, struct path *p, unsigned level)
{
    if (level == r->height - 1) {
        struct inner *root = p->node[level];
        if (root->n == 1) {
            r->root = inner_children(root)[0];
            r->height--;
            inner_free(r, root);
        } else if (root->n <= root->room / 4) {
            inner_resize(r, &r->root, inner_room(root->n));
        }
        return;
    }
    struct inner *above = p->node[level + 1];
    p->at[level + 1] -= p->at[level + 1] == above->n - 1u;
    unsigned i = p->at[level + 1];
    void **slots = &inner_children(above)[i];
    struct inner *left = slots[0], *right = slots[1];
    right->scores[0] = above->scores[i + 1];
    inner_items(right)[0] = inner_items(above)[i + 1];
    unsigned sum = left->n + right->n, keep = sum <= INNER_MERGE ? sum : sum / 2;
    size_t total = inner_counts(above)[i] + inner_counts(above)[i + 1];
    inner_share(r, slots, keep);
    left = slots[0], right = slots[1];
    inner_counts(above)[i] = counts_sum(inner_counts(left), left->n);
    inner_counts(above)[i + 1] = total - inner_counts(above)[i];
    if (right->n > 0) {
        above->scores[i + 1] = right->scores[0];
        inner_items(above)[i + 1] = inner_items(right)[0];
        return;
    }
    inner_free(r, right);
    child_remove(r, p, level + 1, i + 1);
}

/* Takes n entries from the path's index on out of its leaf. The path is void afterwards. */
static void cut(struct ranked *r, struct path *p, unsigned n)
{
    struct ranked_leaf *leaf = p->leaf;
    leaf_copy(leaf, p->index, leaf, p->index + n, leaf->n - p->index - n);
    leaf->n -= (uint16_t)n;
    path_count(r, p, (size_t)0 - n);
    if (p->index == 0 && leaf->n > 0)
        set_first(r, p, leaf->scores[0], leaf_items(leaf)[0]);
    if (UNLIKELY(leaf->n < LEAF_MIN && r->height > 0))
        leaf_rebalance(r, p);
    else if (UNLIKELY(leaf->n + leaf->n / 4 + 4u < leaf->room))
        leaf_resize(r, slot_below(r, p, 0), leaf_room(leaf->n));
}

void ranked_remove(struct ranked *r, double score, const void *item)
{
    struct path p;
    path_to_item(r, &p, score, item);
    cut(r, &p, 1);
}

void *ranked_pop_min(struct ranked *r, double *score)
{
    if (r->count == 0)
        return NULL;
    struct path p;
    path_to_edge(r, &p, false);
    void *item = leaf_items(p.leaf)[0];
    *score = p.leaf->scores[0];
    cut(r, &p, 1);
    return item;
}

void *ranked_pop_max(struct ranked *r, double *score)
{
    if (r->count == 0)
        return NULL;
    struct path p;
    path_to_edge(r, &p, true);
    p.index--;
    void *item = leaf_items(p.leaf)[p.index];
    *score = p.leaf->scores[p.index];
    cut(r, &p, 1);
    return item;
}

static void visit_entries(const struct ranked_leaf *leaf, unsigned i, unsigned n,
                          ranked_visit_fn visit, void *ctx)
{
    if (!visit)
        return;
    void **items = leaf_items(leaf);
    for (unsigned end = i + n; i < end; i++) {
        PREFETCH(items[MIN_OF(i + RANKED_AHEAD, end - 1)]);
        visit(leaf->scores[i], items[i], ctx);
    }
}

size_t ranked_remove_range(struct ranked *r, size_t rank, size_t count, ranked_visit_fn visit,
                           void *ctx)
{
    size_t removed = 0;
    while (removed < count && rank < r->count) {
        struct path p;
        path_to_rank(r, &p, rank);
        unsigned n = (unsigned)MIN_OF(count - removed, (size_t)p.leaf->n - p.index);
        visit_entries(p.leaf, p.index, n, visit, ctx);
        cut(r, &p, n);
        removed += n;
    }
    return removed;
}

/* ---- Changing an entry ----------------------------------------------------------------------- */

/* Moves the path's entry within its leaf if its new score leaves it there. */
static bool move_within(struct ranked *r, const struct path *p, double new_score)
{
    struct ranked_leaf *leaf = p->leaf;
    unsigned n = leaf->n, from = p->index, to = from;
    void **items = leaf_items(leaf), *item = items[from];
    if (from + 1u < n && is_below(r, leaf, from + 1, new_score, item))
        to = from + entries_below(r, leaf->scores + from + 1, items + from + 1, n - from - 1u,
                                  new_score, item, false);
    else if (from > 0 && !is_below(r, leaf, from - 1, new_score, item))
        to = entries_below(r, leaf->scores, items, from, new_score, item, false);
    if (to == n - 1u && leaf->next && is_below(r, leaf->next, 0, new_score, item))
        return false;
    if (to == 0 && leaf->prev && !is_below(r, leaf->prev, leaf->prev->n - 1u, new_score, item))
        return false;
    if (to > from)
        leaf_copy(leaf, from, leaf, from + 1, to - from);
    else
        leaf_copy(leaf, to + 1, leaf, to, from - to);
    leaf->scores[to] = new_score;
    items[to] = item;
    if (from == 0 || to == 0)
        set_first(r, p, leaf->scores[0], items[0]);
    return true;
}

void ranked_move(struct ranked *r, double score, const void *item, double new_score)
{
    struct path p;
    path_to_item(r, &p, score, item);
    if (move_within(r, &p, new_score))
        return;
    void *moved = leaf_items(p.leaf)[p.index];
    cut(r, &p, 1);
    ranked_insert(r, new_score, moved);
}

void ranked_replace(struct ranked *r, double score, const void *item, void *with)
{
    struct path p;
    path_to_item(r, &p, score, item);
    leaf_items(p.leaf)[p.index] = with;
    if (p.index == 0)
        set_first(r, &p, p.leaf->scores[0], with);
}

/* ---- Ranks and bounds ------------------------------------------------------------------------ */

static void cursor_set(struct ranked_cursor *at, const struct ranked_leaf *leaf, unsigned index)
{
    if (at)
        *at = (struct ranked_cursor){leaf, index};
}

size_t ranked_seek_item(const struct ranked *r, double score, const void *item,
                        struct ranked_cursor *at)
{
    size_t rank = 0;
    const void *node = r->root;
    for (unsigned level = r->height; level-- > 0;) {
        const struct inner *in = node;
        unsigned i = child_of_entry(r, in, score, item);
        node = inner_children(in)[i];
        prefetch_node(node);
        rank += counts_sum(inner_counts(in), i);
    }
    const struct ranked_leaf *leaf = node;
    unsigned i = entries_below(r, leaf->scores, leaf_items(leaf), leaf->n, score, item, false);
    cursor_set(at, leaf, i);
    return rank + i;
}

size_t ranked_seek_score(const struct ranked *r, double score, bool after, struct ranked_cursor *at)
{
    size_t rank = 0;
    const void *node = r->root;
    for (unsigned level = r->height; level-- > 0;) {
        const struct inner *in = node;
        unsigned i = scores_below(in->scores + 1, in->n - 1u, score, after);
        node = inner_children(in)[i];
        prefetch_node(node);
        rank += counts_sum(inner_counts(in), i);
    }
    const struct ranked_leaf *leaf = node;
    unsigned i = scores_below(leaf->scores, leaf->n, score, after);
    cursor_set(at, leaf, i);
    return rank + i;
}

size_t ranked_seek_member(const struct ranked *r, struct slice member, bool after,
                          struct ranked_cursor *at)
{
    size_t rank = 0;
    const void *node = r->root;
    for (unsigned level = r->height; level-- > 0;) {
        const struct inner *in = node;
        unsigned i = members_below(r, inner_items(in) + 1, in->n - 1u, member, after);
        node = inner_children(in)[i];
        rank += counts_sum(inner_counts(in), i);
    }
    const struct ranked_leaf *leaf = node;
    unsigned i = members_below(r, leaf_items(leaf), leaf->n, member, after);
    cursor_set(at, leaf, i);
    return rank + i;
}

size_t ranked_seek_rank(const struct ranked *r, size_t rank, struct ranked_cursor *at)
{
    if (rank >= r->count) {
        cursor_set(at, r->last, r->last->n);
        return r->count;
    }
    struct path p;
    path_to_rank(r, &p, rank);
    cursor_set(at, p.leaf, p.index);
    return rank;
}

void *ranked_select(const struct ranked *r, size_t rank, double *score)
{
    if (rank >= r->count)
        return NULL;
    struct path p;
    path_to_rank(r, &p, rank);
    if (score)
        *score = p.leaf->scores[p.index];
    return leaf_items(p.leaf)[p.index];
}

/* ---- The whole tree -------------------------------------------------------------------------- */

struct ranked *ranked_new(ranked_member_fn member_of)
{
    struct ranked *r = mem_zalloc(sizeof(*r));
    r->bytes = mem_good_size(sizeof(*r));
    r->member_of = member_of;
    r->root = r->first = r->last = leaf_new(r, leaf_room(1));
    r->first->next = r->first->prev = NULL;
    return r;
}

/* Takes the last leaf off the path along the last children, and the nodes above that it leaves
 * empty. False: that was the last one. */
static bool free_last(struct ranked *r, ranked_visit_fn visit, void *ctx)
{
    struct path p;
    path_to_edge(r, &p, true);
    visit_entries(p.leaf, 0, p.leaf->n, visit, ctx);
    leaf_free(r, p.leaf);
    for (unsigned level = 0; level < r->height; level++) {
        if (--p.node[level]->n > 0)
            return true;
        inner_free(r, p.node[level]);
    }
    return false;
}

bool ranked_free_step(struct ranked *r, size_t leaves, ranked_visit_fn visit, void *ctx)
{
    while (leaves-- > 0) {
        if (!free_last(r, visit, ctx)) {
            mem_free_sized(r, sizeof(*r));
            return false;
        }
    }
    return true;
}

void ranked_free(struct ranked *r)
{
    if (r)
        while (ranked_free_step(r, SIZE_MAX, NULL, NULL))
            ;
}

size_t ranked_count(const struct ranked *r)
{
    return r->count;
}

size_t ranked_bytes(const struct ranked *r)
{
    return r->bytes;
}

/* ---- Checking -------------------------------------------------------------------------------- */

struct check {
    const struct ranked *r;
    const struct ranked_leaf *expected; /* the next leaf in order */
    size_t bytes;
    double score;     /* the entry before the next; */
    const void *item; /* NULL if there is none */
};

static void check_leaf(struct check *c, const struct ranked_leaf *leaf)
{
    ASSERT(leaf == c->expected && leaf->n <= leaf->room && leaf->room <= LEAF_MAX);
    ASSERT(leaf->room == leaf_room(leaf->room));
    ASSERT(leaf->n > 0 || c->r->height == 0);
    ASSERT(leaf->n >= LEAF_MIN || !leaf->next || !leaf->prev);
    ASSERT(leaf->next ? leaf->next->prev == leaf : c->r->last == leaf);
    for (unsigned i = 0; i < leaf->n; i++) {
        ASSERT(!c->item || !is_below(c->r, leaf, i, c->score, c->item));
        ASSERT(leaf_items(leaf)[i] != c->item);
        c->score = leaf->scores[i];
        c->item = leaf_items(leaf)[i];
    }
    c->expected = leaf->next;
    c->bytes += leaf_size(leaf->room);
}

/* Returns the count of entries under the node. */
static size_t check_node(struct check *c, const void *node, unsigned level)
{
    if (level == 0) {
        check_leaf(c, node);
        return ((const struct ranked_leaf *)node)->n;
    }
    const struct inner *in = node;
    size_t count = 0;
    ASSERT(in->n >= 2 && in->n <= in->room && in->room == inner_room(in->room));
    for (unsigned i = 0; i < in->n; i++) {
        const struct ranked_leaf *leaf = c->expected; /* the child's first */
        ASSERT(leaf && leaf->n > 0);
        ASSERT(i == 0 ||
               (in->scores[i] == leaf->scores[0] && inner_items(in)[i] == leaf_items(leaf)[0]));
        size_t under = check_node(c, inner_children(in)[i], level - 1);
        ASSERT(under == inner_counts(in)[i]);
        count += under;
    }
    c->bytes += inner_size(in->room);
    return count;
}

void ranked_check(const struct ranked *r)
{
    struct check c = {.r = r, .expected = r->first, .bytes = mem_good_size(sizeof(*r))};
    ASSERT(r->first->prev == NULL && r->last->next == NULL);
    ASSERT(check_node(&c, r->root, r->height) == r->count);
    ASSERT(c.expected == NULL && c.bytes == r->bytes);
}
