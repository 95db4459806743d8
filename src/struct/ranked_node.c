/* ranked_node.c - memory of the ordered index's nodes, and the check of a tree. */
#include "base/mem.h"
#include "base/panic.h"
#include "struct/ranked_node.h"

/* Allocation classes of jemalloc. */
static const uint16_t leaf_sizes[] = {64, 128, 192, 256, 320, 384, 448, 512, 640, 768, 896, 1024};
static const uint16_t inner_sizes[] = {128, 256, 512, 1024};

static size_t leaf_size(unsigned room)
{
    return (sizeof(struct ranked_leaf) + room * 16 + 15) / 16 * 16;
}

static size_t inner_size(unsigned room)
{
    return (sizeof(struct ranked_inner) + room * 32 + 31) / 32 * 32;
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
    while ((room = (inner_sizes[i] - sizeof(struct ranked_inner)) / 32) < n)
        i++;
    return room;
}

struct ranked_leaf *ranked_leaf_new(struct ranked *r, unsigned n)
{
    unsigned room = leaf_room(n);
    struct ranked_leaf *leaf = mem_alloc(leaf_size(room));
    leaf->n = 0;
    leaf->room = (uint16_t)room;
    r->bytes += leaf_size(room);
    return leaf;
}

void ranked_leaf_free(struct ranked *r, struct ranked_leaf *leaf)
{
    r->bytes -= leaf_size(leaf->room);
    mem_free_sized(leaf, leaf_size(leaf->room));
}

struct ranked_inner *ranked_inner_new(struct ranked *r, unsigned n)
{
    unsigned room = inner_room(n);
    struct ranked_inner *in = mem_alloc(inner_size(room));
    in->n = 0;
    in->room = (uint16_t)room;
    r->bytes += inner_size(room);
    return in;
}

void ranked_inner_free(struct ranked *r, struct ranked_inner *in)
{
    r->bytes -= inner_size(in->room);
    mem_free_sized(in, inner_size(in->room));
}

void ranked_leaf_link(struct ranked *r, struct ranked_leaf *leaf)
{
    *(leaf->prev ? &leaf->prev->next : &r->first) = leaf;
    *(leaf->next ? &leaf->next->prev : &r->last) = leaf;
}

struct ranked_leaf *ranked_leaf_resize(struct ranked *r, void **slot, unsigned n)
{
    struct ranked_leaf *old = *slot;
    if (old->room == leaf_room(n))
        return old;
    struct ranked_leaf *leaf = ranked_leaf_new(r, n);
    ranked_leaf_copy(leaf, 0, old, 0, old->n);
    leaf->n = old->n;
    leaf->next = old->next;
    leaf->prev = old->prev;
    ranked_leaf_link(r, leaf);
    ranked_leaf_free(r, old);
    *slot = leaf;
    return leaf;
}

struct ranked_inner *ranked_inner_resize(struct ranked *r, void **slot, unsigned n)
{
    struct ranked_inner *old = *slot;
    if (old->room == inner_room(n))
        return old;
    struct ranked_inner *in = ranked_inner_new(r, n);
    ranked_inner_copy(in, 0, old, 0, old->n);
    in->n = old->n;
    ranked_inner_free(r, old);
    *slot = in;
    return in;
}

void ranked_leaf_share(struct ranked *r, void **slots, unsigned keep)
{
    struct ranked_leaf *left = slots[0], *right = slots[1];
    unsigned n = left->n, m = right->n, rest = n + m - keep;
    if (keep > left->room)
        left = ranked_leaf_resize(r, &slots[0], keep);
    if (rest > right->room)
        right = ranked_leaf_resize(r, &slots[1], rest);
    if (keep > n) {
        ranked_leaf_copy(left, n, right, 0, keep - n);
        ranked_leaf_copy(right, 0, right, keep - n, rest);
    } else {
        ranked_leaf_copy(right, n - keep, right, 0, m);
        ranked_leaf_copy(right, 0, left, keep, n - keep);
    }
    left->n = (uint16_t)keep;
    right->n = (uint16_t)rest;
}

void ranked_inner_share(struct ranked *r, void **slots, unsigned keep)
{
    struct ranked_inner *left = slots[0], *right = slots[1];
    unsigned n = left->n, m = right->n, rest = n + m - keep;
    if (keep > left->room)
        left = ranked_inner_resize(r, &slots[0], keep);
    if (rest > right->room)
        right = ranked_inner_resize(r, &slots[1], rest);
    if (keep > n) {
        ranked_inner_copy(left, n, right, 0, keep - n);
        ranked_inner_copy(right, 0, right, keep - n, rest);
    } else {
        ranked_inner_copy(right, n - keep, right, 0, m);
        ranked_inner_copy(right, 0, left, keep, n - keep);
    }
    left->n = (uint16_t)keep;
    right->n = (uint16_t)rest;
}

/* ---- Checking -------------------------------------------------------------------------------- */

struct check {
    const struct ranked *r;
    const struct ranked_leaf *expected; /* the next leaf in order */
    size_t bytes;
    double score; /* of the entry before the next one, which is item (NULL: none) */
    const void *item;
};

static void check_leaf(struct check *c, const struct ranked_leaf *leaf)
{
    ASSERT(leaf == c->expected && leaf->n <= leaf->room && leaf->room <= RANKED_LEAF_MAX);
    ASSERT(leaf->room == leaf_room(leaf->room));
    ASSERT(leaf->n > 0 || c->r->height == 0);
    ASSERT(leaf->n >= RANKED_LEAF_MIN || !leaf->next || !leaf->prev);
    ASSERT(leaf->next ? leaf->next->prev == leaf : c->r->last == leaf);
    for (unsigned i = 0; i < leaf->n; i++) {
        ASSERT(!c->item || !ranked_is_below(c->r, leaf, i, c->score, c->item));
        ASSERT(ranked_leaf_items(leaf)[i] != c->item);
        c->score = leaf->scores[i];
        c->item = ranked_leaf_items(leaf)[i];
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
    const struct ranked_inner *in = node;
    size_t count = 0;
    ASSERT(in->n >= 2 && in->n <= in->room && in->room == inner_room(in->room));
    for (unsigned i = 0; i < in->n; i++) {
        const struct ranked_leaf *leaf = c->expected; /* the child's first */
        ASSERT(leaf && leaf->n > 0);
        ASSERT(i == 0 || (in->scores[i] == leaf->scores[0] &&
                          ranked_inner_items(in)[i] == ranked_leaf_items(leaf)[0]));
        size_t under = check_node(c, ranked_inner_children(in)[i], level - 1);
        ASSERT(under == ranked_inner_counts(in)[i]);
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
