/* ranked.c - a B+ tree with subtree counts ("counted B-tree"); see ranked.h.
 *
 * ranked_node.h shows the nodes. The separator of an inner node's first child is not kept: what
 * stands there is never read. All others are exact, and thus point to records in the tree; whatever
 * changes the first entry of a leaf also changes its separator, in the nearest node above where the
 * way down is not through the first child (set_first).
 *
 * After a removal a node under a quarter is merged with a neighbour if the two fill three quarters
 * of one, else they share evenly. So every leaf but the first and last has RANKED_LEAF_MIN entries
 * or more, no leaf of several is empty, and every inner node has at least two children.
 *
 * A path is the way from the root to an entry; its levels count from the lowest inner nodes up, so
 * that a new root does not shift them.
 */
#include "base/mem.h"
#include "base/pace.h"
#include "base/panic.h"
#include "struct/ranked_node.h"

struct path {
    struct ranked_leaf *leaf;
    unsigned index; /* in the leaf, 0..n */
    unsigned at[RANKED_HEIGHT_MAX];
    struct ranked_inner *node[RANKED_HEIGHT_MAX];
};

/* What points to the path's node below this level; of the leaf for level 0. */
static void **slot_below(struct ranked *r, const struct path *p, unsigned level)
{
    return level == r->height ? &r->root : &ranked_inner_children(p->node[level])[p->at[level]];
}

/* ---- Search within a node -------------------------------------------------------------------- */

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
        equal = ranked_scores_below(scores, n, score, true);
    return members_below(r, items, equal, r->member_of(item), after);
}

/* How many of n entries are below (score, member of item); with `after`, not above it. */
ALWAYS_INLINE unsigned entries_below(const struct ranked *r, const double *scores,
                                     void *const *items, unsigned n, double score, const void *item,
                                     bool after)
{
    unsigned i = ranked_scores_below(scores, n, score, false);
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

ALWAYS_INLINE unsigned child_of_entry(const struct ranked *r, const struct ranked_inner *in,
                                      double score, const void *item)
{
    return entries_below(r, in->scores + 1, ranked_inner_items(in) + 1, in->n - 1u, score, item,
                         true);
}

static void path_to_entry(const struct ranked *r, struct path *p, double score, const void *item)
{
    void *node = r->root;
    for (unsigned level = r->height; level-- > 0;) {
        struct ranked_inner *in = p->node[level] = node;
        unsigned i = p->at[level] = child_of_entry(r, in, score, item);
        node = ranked_inner_children(in)[i];
        prefetch_node(node);
    }
    struct ranked_leaf *leaf = p->leaf = node;
    p->index = entries_below(r, leaf->scores, ranked_leaf_items(leaf), leaf->n, score, item, false);
}

/* The path to an item of the tree. */
static void path_to_item(const struct ranked *r, struct path *p, double score, const void *item)
{
    path_to_entry(r, p, score, item);
    ASSERT(p->index < p->leaf->n && ranked_leaf_items(p->leaf)[p->index] == item);
}

static void path_to_edge(const struct ranked *r, struct path *p, bool last)
{
    void *node = r->root;
    for (unsigned level = r->height; level-- > 0;) {
        struct ranked_inner *in = p->node[level] = node;
        p->at[level] = last ? in->n - 1u : 0;
        node = ranked_inner_children(in)[p->at[level]];
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
        struct ranked_inner *in = p->node[level] = node;
        p->at[level] = child_of_rank(ranked_inner_counts(in), &rank);
        node = ranked_inner_children(in)[p->at[level]];
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
        ranked_inner_items(p->node[level])[p->at[level]] = item;
        return;
    }
}

/* Adds to the counts of the path. */
static void path_count(struct ranked *r, const struct path *p, size_t more)
{
    r->count += more;
    for (unsigned level = 0; level < r->height; level++)
        ranked_inner_counts(p->node[level])[p->at[level]] += more;
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
    ASSERT(r->height < RANKED_HEIGHT_MAX);
    struct ranked_inner *root = ranked_inner_new(r, 2);
    root->n = 1;
    ranked_inner_children(root)[0] = r->root;
    ranked_inner_counts(root)[0] = r->count;
    r->root = root;
    p->node[r->height] = root;
    p->at[r->height++] = 0;
}

static void child_insert(struct ranked *r, struct path *p, unsigned level, void *child,
                         double score, void *item, size_t count);

/* Splits the path's node of this level, which is full, such that the path stays the same way. The
 * path's leaf was split; its new half is linked already. */
static void inner_split(struct ranked *r, struct path *p, unsigned level)
{
    struct ranked_inner *in = p->node[level];
    unsigned n = in->n, at = p->at[level];
    /* At the edges of the tree, which may be loaded in order, most stays on the inner side. */
    bool last = at == n - 1u && p->leaf->next == r->last, first = at == 0 && p->leaf == r->first;
    unsigned keep = last ? n - n / 8 : first ? n / 8 : n / 2;
    struct ranked_inner *right = ranked_inner_new(r, MAX_OF(n - keep + 1, n / 2));
    ranked_inner_copy(right, 0, in, keep, n - keep);
    right->n = (uint16_t)(n - keep);
    in->n = (uint16_t)keep;
    child_insert(r, p, level + 1, right, in->scores[keep], ranked_inner_items(in)[keep],
                 counts_sum(ranked_inner_counts(right), n - keep));
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
    struct ranked_inner *in = p->node[level];
    if (in->n == in->room && in->room < RANKED_INNER_MAX)
        p->node[level] = ranked_inner_resize(r, slot_below(r, p, level + 1), in->n + 1u);
    else if (in->n == in->room)
        inner_split(r, p, level);
    in = p->node[level];
    unsigned at = p->at[level] + 1;
    ranked_inner_copy(in, at + 1, in, at, in->n - at);
    in->n++;
    in->scores[at] = score;
    ranked_inner_items(in)[at] = item;
    ranked_inner_children(in)[at] = child;
    ranked_inner_counts(in)[at] = count;
    ranked_inner_counts(in)[at - 1] -= count;
}

/* Splits the path's leaf, which is full, to make room for an entry at the path's index. */
static void leaf_split(struct ranked *r, struct path *p, double score, void *item)
{
    struct ranked_leaf *leaf = p->leaf;
    unsigned n = leaf->n, keep = p->index > n / 2 ? RANKED_LEAF_HALF : n - RANKED_LEAF_HALF;
    if (!leaf->next && p->index == n)
        keep = n;
    else if (!leaf->prev && p->index == 0)
        keep = 0;
    bool to_right = p->index > keep || keep == n;
    struct ranked_leaf *right =
        ranked_leaf_new(r, keep == n ? RANKED_LEAF_MAX : n - keep + to_right);
    ranked_leaf_copy(right, 0, leaf, keep, n - keep);
    right->n = (uint16_t)(n - keep);
    leaf->n = (uint16_t)keep;
    right->prev = leaf;
    right->next = leaf->next;
    ranked_leaf_link(r, right);
    if (keep > 0 && keep < n)
        p->leaf = ranked_leaf_resize(r, slot_below(r, p, 0), keep + !to_right);
    if (keep < n)
        score = right->scores[0], item = ranked_leaf_items(right)[0];
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
        if (leaf->room < RANKED_LEAF_MAX)
            p->leaf = ranked_leaf_resize(r, slot_below(r, p, 0), leaf->n + 1u);
        else
            leaf_split(r, p, score, item);
        leaf = p->leaf;
    }
    ranked_leaf_copy(leaf, p->index + 1, leaf, p->index, leaf->n - p->index);
    leaf->scores[p->index] = score;
    ranked_leaf_items(leaf)[p->index] = item;
    leaf->n++;
    path_count(r, p, 1);
}

void ranked_insert(struct ranked *r, double score, void *item)
{
    struct path p;
    if (r->count > 0 && ranked_is_below(r, r->last, r->last->n - 1u, score, item))
        path_to_edge(r, &p, true);
    else if (r->count > 0 && !ranked_is_below(r, r->first, 0, score, item))
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
    struct ranked_inner *in = p->node[level];
    ranked_inner_copy(in, i, in, i + 1, in->n - i - 1u);
    in->n--;
    if (in->n < RANKED_INNER_MIN)
        inner_rebalance(r, p, level);
}

/* The path's leaf has few entries, perhaps none, and neighbours: merges it with one of them, or
 * lets one give some. Nothing but the path's inner nodes is good afterwards. */
static void leaf_rebalance(struct ranked *r, struct path *p)
{
    struct ranked_inner *in = p->node[0];
    p->at[0] -= p->at[0] == in->n - 1u;
    unsigned i = p->at[0];
    void **slots = &ranked_inner_children(in)[i];
    struct ranked_leaf *left = slots[0], *right = slots[1];
    unsigned sum = left->n + right->n, keep = sum <= RANKED_LEAF_MERGE ? sum : sum / 2;
    if (keep == sum)
        left = ranked_leaf_resize(r, &slots[0], sum);
    ranked_leaf_share(r, slots, keep);
    left = slots[0], right = slots[1];
    ranked_inner_counts(in)[i] = left->n;
    ranked_inner_counts(in)[i + 1] = right->n;
    set_first(r, p, left->scores[0], ranked_leaf_items(left)[0]);
    if (right->n > 0) {
        in->scores[i + 1] = right->scores[0];
        ranked_inner_items(in)[i + 1] = ranked_leaf_items(right)[0];
        return;
    }
    left->next = right->next;
    ranked_leaf_link(r, left);
    ranked_leaf_free(r, right);
    child_remove(r, p, 0, i + 1);
}

/* The path's node of this level has few children, at least one. */
static void inner_rebalance(struct ranked *r, struct path *p, unsigned level)
{
    if (level == r->height - 1) {
        struct ranked_inner *root = p->node[level];
        if (root->n == 1) {
            r->root = ranked_inner_children(root)[0];
            r->height--;
            ranked_inner_free(r, root);
        } else if (root->n <= root->room / 4) {
            ranked_inner_resize(r, &r->root, root->n);
        }
        return;
    }
    struct ranked_inner *above = p->node[level + 1];
    p->at[level + 1] -= p->at[level + 1] == above->n - 1u;
    unsigned i = p->at[level + 1];
    void **slots = &ranked_inner_children(above)[i];
    struct ranked_inner *left = slots[0], *right = slots[1];
    right->scores[0] = above->scores[i + 1];
    ranked_inner_items(right)[0] = ranked_inner_items(above)[i + 1];
    unsigned sum = left->n + right->n, keep = sum <= RANKED_INNER_MERGE ? sum : sum / 2;
    size_t total = ranked_inner_counts(above)[i] + ranked_inner_counts(above)[i + 1];
    ranked_inner_share(r, slots, keep);
    left = slots[0], right = slots[1];
    ranked_inner_counts(above)[i] = counts_sum(ranked_inner_counts(left), left->n);
    ranked_inner_counts(above)[i + 1] = total - ranked_inner_counts(above)[i];
    if (right->n > 0) {
        above->scores[i + 1] = right->scores[0];
        ranked_inner_items(above)[i + 1] = ranked_inner_items(right)[0];
        return;
    }
    ranked_inner_free(r, right);
    child_remove(r, p, level + 1, i + 1);
}

/* Takes n entries from the path's index on out of its leaf. The path is void afterwards. */
static void cut(struct ranked *r, struct path *p, unsigned n)
{
    struct ranked_leaf *leaf = p->leaf;
    ranked_leaf_copy(leaf, p->index, leaf, p->index + n, leaf->n - p->index - n);
    leaf->n -= (uint16_t)n;
    path_count(r, p, (size_t)0 - n);
    if (p->index == 0 && leaf->n > 0)
        set_first(r, p, leaf->scores[0], ranked_leaf_items(leaf)[0]);
    if (UNLIKELY(leaf->n < RANKED_LEAF_MIN && r->height > 0))
        leaf_rebalance(r, p);
    else if (UNLIKELY(leaf->n + leaf->n / 4 + 4u < leaf->room))
        ranked_leaf_resize(r, slot_below(r, p, 0), leaf->n);
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
    void *item = ranked_leaf_items(p.leaf)[0];
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
    void *item = ranked_leaf_items(p.leaf)[p.index];
    *score = p.leaf->scores[p.index];
    cut(r, &p, 1);
    return item;
}

static void visit_entries(const struct ranked_leaf *leaf, unsigned i, unsigned n,
                          ranked_visit_fn visit, void *ctx)
{
    if (!visit)
        return;
    void **items = ranked_leaf_items(leaf);
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
    void **items = ranked_leaf_items(leaf), *item = items[from];
    if (from + 1u < n && ranked_is_below(r, leaf, from + 1, new_score, item))
        to = from + entries_below(r, leaf->scores + from + 1, items + from + 1, n - from - 1u,
                                  new_score, item, false);
    else if (from > 0 && !ranked_is_below(r, leaf, from - 1, new_score, item))
        to = entries_below(r, leaf->scores, items, from, new_score, item, false);
    if (to == n - 1u && leaf->next && ranked_is_below(r, leaf->next, 0, new_score, item))
        return false;
    if (to == 0 && leaf->prev &&
        !ranked_is_below(r, leaf->prev, leaf->prev->n - 1u, new_score, item))
        return false;
    if (to > from)
        ranked_leaf_copy(leaf, from, leaf, from + 1, to - from);
    else
        ranked_leaf_copy(leaf, to + 1, leaf, to, from - to);
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
    void *moved = ranked_leaf_items(p.leaf)[p.index];
    cut(r, &p, 1);
    ranked_insert(r, new_score, moved);
}

void ranked_replace(struct ranked *r, double score, const void *item, void *with)
{
    struct path p;
    path_to_item(r, &p, score, item);
    ranked_leaf_items(p.leaf)[p.index] = with;
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
        const struct ranked_inner *in = node;
        unsigned i = child_of_entry(r, in, score, item);
        node = ranked_inner_children(in)[i];
        prefetch_node(node);
        rank += counts_sum(ranked_inner_counts(in), i);
    }
    const struct ranked_leaf *leaf = node;
    unsigned i =
        entries_below(r, leaf->scores, ranked_leaf_items(leaf), leaf->n, score, item, false);
    cursor_set(at, leaf, i);
    return rank + i;
}

size_t ranked_seek_score(const struct ranked *r, double score, bool after, struct ranked_cursor *at)
{
    size_t rank = 0;
    const void *node = r->root;
    for (unsigned level = r->height; level-- > 0;) {
        const struct ranked_inner *in = node;
        unsigned i = ranked_scores_below(in->scores + 1, in->n - 1u, score, after);
        node = ranked_inner_children(in)[i];
        prefetch_node(node);
        rank += counts_sum(ranked_inner_counts(in), i);
    }
    const struct ranked_leaf *leaf = node;
    unsigned i = ranked_scores_below(leaf->scores, leaf->n, score, after);
    cursor_set(at, leaf, i);
    return rank + i;
}

size_t ranked_seek_member(const struct ranked *r, struct slice member, bool after,
                          struct ranked_cursor *at)
{
    size_t rank = 0;
    const void *node = r->root;
    for (unsigned level = r->height; level-- > 0;) {
        const struct ranked_inner *in = node;
        unsigned i = members_below(r, ranked_inner_items(in) + 1, in->n - 1u, member, after);
        node = ranked_inner_children(in)[i];
        rank += counts_sum(ranked_inner_counts(in), i);
    }
    const struct ranked_leaf *leaf = node;
    unsigned i = members_below(r, ranked_leaf_items(leaf), leaf->n, member, after);
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
    return ranked_leaf_items(p.leaf)[p.index];
}

/* ---- The whole tree -------------------------------------------------------------------------- */

struct ranked *ranked_new(ranked_member_fn member_of)
{
    struct ranked *r = mem_zalloc(sizeof(*r));
    r->bytes = mem_good_size(sizeof(*r));
    r->member_of = member_of;
    r->root = r->first = r->last = ranked_leaf_new(r, 1);
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
    ranked_leaf_free(r, p.leaf);
    for (unsigned level = 0; level < r->height; level++) {
        if (--p.node[level]->n > 0)
            return true;
        ranked_inner_free(r, p.node[level]);
    }
    return false;
}

bool ranked_free_step(struct ranked *r, size_t leaves, ranked_visit_fn visit, void *ctx)
{
    while (leaves-- > 0) {
        pace();
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
