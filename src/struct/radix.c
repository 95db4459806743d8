/* radix.c - an ordered index of records by keys of bytes: an adaptive radix tree.
 *
 * Every inner node has at least two children and tells them apart by one byte of the key, at the
 * offset `depth`, before which all keys below the node are the same. What they share is not written
 * down: every record has its key, so a walk goes down by single bytes, compares whole keys once, at
 * the record it comes to, and so knows the offset where the keys part.
 *
 *      +--------+-------+-----------------------------+----------------+----------------+
 *      | parent | depth | count, capacity, end, label | capacity * ptr | capacity bytes |
 *      +--------+-------+-----------------------------+----------------+----------------+
 *       8        4       4                              children         their bytes, rising
 *
 * A child is a node or, with the lowest bit set, a record. A key that ends at `depth` has no byte
 * there: it is the first child and `end` says so (its place among the bytes is idle). `label` is
 * the node's own byte in its parent, for going up.
 *
 * Why so. Ids are 16 bytes of which a stream's share the first five or six, then there are one or
 * two bytes in which they differ densely, and then mostly zeros (the sequence). A trie with the
 * bytes in its nodes would store those zeros for each id, a table would not be ordered, a B+ tree
 * would hold 16 bytes of key or a pointer to chase at each comparison. Here the shared front costs
 * nothing, neither does the tail, and a dense byte costs 9 bytes a child in a node of up to 256.
 * There is one kind of node of any capacity: it fills what the allocator's size class has, and
 * grows class by class, so ids that rise leave nodes full, and names, of which there are few, take
 * 48 bytes for the first three. Compare: crit-bit trees take 32 bytes a key and twenty steps for a
 * million, ART's four fixed sizes waste half of a node on the average.
 */
#include "struct/radix.h"
#include "base/mem.h"
#include "base/pace.h"
#include "base/panic.h"

#define CHILDREN_MAX 257 /* all bytes, and the end */
#define CHILDREN_MIN 3   /* of a new node: 48 bytes */
#define CHILD_BYTES  (sizeof(void *) + 1)
#define END          (-1) /* the symbol of a key that has no byte there */

struct radix_node {
    struct radix_node *parent; /* NULL: the root */
    uint32_t depth;            /* bytes */
    unsigned count : 9, capacity : 9, end : 1, label : 8;
    void *children[];
};

/* ---- keys ---- */

static int symbol_at(struct slice key, size_t depth)
{
    return depth < key.len ? (unsigned char)key.data[depth] : END;
}

/* Bytes that two keys have in common. */
static size_t common(struct slice a, struct slice b)
{
    size_t len = MIN_OF(a.len, b.len), i = 0;
    for (; i + 8 <= len; i += 8) {
        uint64_t x, y;
        memcpy(&x, a.data + i, 8);
        memcpy(&y, b.data + i, 8);
        if (x != y)
            break;
    }
    while (i < len && a.data[i] == b.data[i])
        i++;
    return i;
}

/* ---- children ---- */

static bool is_record(const void *child)
{
    return (uintptr_t)child & 1;
}

static void *record_of(const void *child)
{
    return (char *)child - 1;
}

static void *child_of(void *record)
{
    return (char *)record + 1;
}

static unsigned char *bytes_of(const struct radix_node *node)
{
    return (unsigned char *)(node->children + node->capacity);
}

static int symbol_of(const struct radix_node *node, unsigned index)
{
    return index == 0 && node->end ? END : bytes_of(node)[index];
}

/* The first child whose symbol is that one or higher; count if there is none. */
static unsigned lower(const struct radix_node *node, int symbol)
{
    const unsigned char *bytes = bytes_of(node);
    unsigned from = node->end, to = node->count;
    if (symbol == END)
        return 0;
    if (to > from && bytes[to - 1] < symbol)
        return to;
    while (from < to) {
        unsigned middle = (from + to) / 2;
        if (bytes[middle] < symbol)
            from = middle + 1;
        else
            to = middle;
    }
    return from;
}

/* The child with that symbol, or -1. */
static int find_child(const struct radix_node *node, int symbol)
{
    unsigned i = lower(node, symbol);
    return i < node->count && symbol_of(node, i) == symbol ? (int)i : -1;
}

/* ---- nodes ---- */

static size_t node_size(unsigned capacity)
{
    return sizeof(struct radix_node) + capacity * CHILD_BYTES;
}

static unsigned capacity_of(const struct radix_node *node)
{
    size_t room = (mem_usable(node) - sizeof *node) / CHILD_BYTES;
    return (unsigned)MIN_OF(room, (size_t)CHILDREN_MAX);
}

static struct radix_node *node_new(struct radix *r, size_t depth)
{
    struct radix_node *node = mem_alloc(node_size(CHILDREN_MIN));
    *node = (struct radix_node){.depth = (uint32_t)depth};
    node->capacity = capacity_of(node);
    r->inner++;
    r->inner_bytes += mem_usable(node);
    return node;
}

static void node_free(struct radix *r, struct radix_node *node)
{
    r->inner--;
    r->inner_bytes -= mem_usable(node);
    mem_free(node);
}

static void set_child(struct radix_node *node, unsigned index, void *child)
{
    node->children[index] = child;
    if (!is_record(child)) {
        ((struct radix_node *)child)->parent = node;
        ((struct radix_node *)child)->label = bytes_of(node)[index];
    }
}

/* Where the pointer to the node is. */
static void **slot_of(struct radix *r, const struct radix_node *node)
{
    struct radix_node *parent = node->parent;
    return parent == NULL ? &r->root : &parent->children[lower(parent, node->label)];
}

/* The node with another capacity; it may have moved. Its bytes stand behind the children, so they
 * go first when it shrinks and last when it grows. */
static struct radix_node *node_resize(struct radix *r, struct radix_node *node, unsigned capacity)
{
    void **slot = slot_of(r, node);
    unsigned char *old = bytes_of(node);
    r->inner_bytes -= mem_usable(node);
    if (capacity < node->capacity) {
        memmove(node->children + capacity, old, node->count);
        node->capacity = capacity;
    }
    struct radix_node *moved = mem_realloc(node, node_size(capacity));
    unsigned char *bytes = bytes_of(moved);
    moved->capacity = capacity_of(moved);
    memmove(bytes_of(moved), bytes, moved->count);
    r->inner_bytes += mem_usable(moved);
    *slot = moved;
    for (unsigned i = 0; moved != node && i < moved->count; i++)
        if (!is_record(moved->children[i]))
            ((struct radix_node *)moved->children[i])->parent = moved;
    return moved;
}

static void node_add(struct radix *r, struct radix_node *node, int symbol, void *child)
{
    if (node->count == node->capacity)
        node = node_resize(r, node, node->capacity + 1u);
    unsigned at = lower(node, symbol), behind = node->count - at;
    unsigned char *bytes = bytes_of(node);
    if (behind > 0) {
        memmove(node->children + at + 1, node->children + at, behind * sizeof(void *));
        memmove(bytes + at + 1, bytes + at, behind);
    }
    bytes[at] = (unsigned char)MAX_OF(symbol, 0);
    node->count++;
    if (symbol == END)
        node->end = 1;
    set_child(node, at, child);
}

/* A node with one child gives its place to it. */
static void node_dissolve(struct radix *r, struct radix_node *node)
{
    void *child = node->children[0];
    struct radix_node *parent = node->parent;
    if (parent != NULL) {
        set_child(parent, lower(parent, node->label), child);
    } else {
        r->root = child;
        if (!is_record(child))
            ((struct radix_node *)child)->parent = NULL;
    }
    node_free(r, node);
}

static void node_take(struct radix *r, struct radix_node *node, unsigned at)
{
    unsigned char *bytes = bytes_of(node);
    unsigned behind = node->count - at - 1;
    if (at == 0)
        node->end = 0;
    memmove(node->children + at, node->children + at + 1, behind * sizeof(void *));
    memmove(bytes + at, bytes + at + 1, behind);
    node->count--;
    if (node->count == 1)
        node_dissolve(r, node);
    else if (node->count > CHILDREN_MIN && node->count < node->capacity * 3u / 4 &&
             mem_good_size(node_size(node->count)) < mem_usable(node))
        node_resize(r, node, node->count);
}

/* ---- the tree ---- */

void radix_init(struct radix *r, radix_key_fn key_of)
{
    *r = (struct radix){.key_of = key_of};
}

/* A record that shares as much of the key as any in the tree, which is not empty. */
static void *nearest(const struct radix *r, struct slice key)
{
    const void *child = r->root;
    while (!is_record(child)) {
        const struct radix_node *node = child;
        unsigned i = lower(node, symbol_at(key, node->depth));
        child = node->children[MIN_OF(i, node->count - 1u)];
    }
    return record_of(child);
}

/* The way down to what stands where keys part at `depth` from `key`: nodes above it have a child
 * on the way. */
struct way {
    struct radix_node *node; /* NULL: it is the root */
    unsigned index;
    void *child;
};

static struct way descend(const struct radix *r, struct slice key, size_t depth)
{
    struct way way = {.child = r->root};
    while (!is_record(way.child) && ((struct radix_node *)way.child)->depth < depth) {
        way.node = way.child;
        way.index = lower(way.node, symbol_at(key, way.node->depth));
        way.child = way.node->children[way.index];
    }
    return way;
}

void *radix_find(const struct radix *r, struct slice key)
{
    const void *child = r->root;
    if (child == NULL)
        return NULL;
    while (!is_record(child)) {
        const struct radix_node *node = child;
        int i = find_child(node, symbol_at(key, node->depth));
        if (i < 0)
            return NULL;
        child = node->children[i];
    }
    void *record = record_of(child);
    return slice_eq(r->key_of(record), key) ? record : NULL;
}

bool radix_insert(struct radix *r, void *record)
{
    struct slice key = r->key_of(record);
    DEBUG_ASSERT(!is_record(record) && key.len < UINT32_MAX);
    if (r->root == NULL) {
        r->root = child_of(record);
        r->count = 1;
        return true;
    }
    struct slice other = r->key_of(nearest(r, key));
    size_t depth = common(key, other);
    if (depth == key.len && depth == other.len)
        return false;
    struct way way = descend(r, key, depth);
    struct radix_node *node = way.child;
    if (is_record(node) || node->depth != depth) {
        node = node_new(r, depth);
        if (way.node != NULL)
            set_child(way.node, way.index, node);
        else
            r->root = node;
        node_add(r, node, symbol_at(other, depth), way.child);
    }
    node_add(r, node, symbol_at(key, depth), child_of(record));
    r->count++;
    return true;
}

void *radix_remove(struct radix *r, struct slice key)
{
    struct way way = {.child = r->root};
    if (r->root == NULL)
        return NULL;
    while (!is_record(way.child)) {
        way.node = way.child;
        int i = find_child(way.node, symbol_at(key, way.node->depth));
        if (i < 0)
            return NULL;
        way.index = (unsigned)i;
        way.child = way.node->children[i];
    }
    void *record = record_of(way.child);
    if (!slice_eq(r->key_of(record), key))
        return NULL;
    if (way.node != NULL)
        node_take(r, way.node, way.index);
    else
        r->root = NULL;
    r->count--;
    return record;
}

/* ---- joining ---- */

static void *edge(const struct radix *r, bool last)
{
    const void *child = r->root;
    while (!is_record(child)) {
        const struct radix_node *node = child;
        child = node->children[last ? node->count - 1 : 0];
    }
    return record_of(child);
}

/* What stands in that place from now on. Answers it if it is a node. */
static struct radix_node *put(struct radix *r, const struct way *way, void *child)
{
    if (way->node != NULL) {
        set_child(way->node, way->index, child);
    } else {
        r->root = child;
        if (!is_record(child))
            ((struct radix_node *)child)->parent = NULL;
    }
    return is_record(child) ? NULL : child;
}

/* Children of `from` from that index on go to the end of `node`, which may move. */
static struct radix_node *node_append(struct radix *r, struct radix_node *node,
                                      const struct radix_node *from, unsigned index)
{
    unsigned count = node->count + from->count - index;
    if (count > node->capacity)
        node = node_resize(r, node, count);
    for (; index < from->count; index++)
        node_add(r, node, symbol_of(from, index), from->children[index]);
    return node;
}

/* Two trees at one place: low's last key and high's first one part at `depth`, which is above
 * neither of their nodes that are done with. The way goes down low's last children and high's first
 * ones, whichever tells keys apart earlier. */
static void join_at(struct radix *r, struct way way, void *high, struct slice low_key,
                    struct slice high_key, size_t depth)
{
    for (;;) {
        void *low = way.child;
        size_t low_depth = is_record(low) ? SIZE_MAX : ((struct radix_node *)low)->depth;
        size_t high_depth = is_record(high) ? SIZE_MAX : ((struct radix_node *)high)->depth;
        if (depth < low_depth && depth < high_depth) {
            struct radix_node *node = put(r, &way, node_new(r, depth));
            node_add(r, node, symbol_at(low_key, depth), low);
            node_add(r, node, symbol_at(high_key, depth), high);
            return;
        }
        if (low_depth == high_depth) {
            struct radix_node *node = put(r, &way, low), *other = high;
            bool share = depth > low_depth;
            way.index = node->count - 1u;
            node = node_append(r, node, other, share);
            high = other->children[0];
            node_free(r, other);
            if (!share)
                return;
            way.node = node;
        } else if (low_depth < high_depth) {
            struct radix_node *node = put(r, &way, low);
            if (depth == low_depth) {
                node_add(r, node, symbol_at(high_key, depth), high);
                return;
            }
            way.node = node;
            way.index = node->count - 1u;
        } else {
            struct radix_node *node = put(r, &way, high);
            if (depth == high_depth) {
                node_add(r, node, symbol_at(low_key, depth), low);
                return;
            }
            way = (struct way){.node = node, .index = 0, .child = low};
            high = node->children[0];
            continue;
        }
        way.child = way.node->children[way.index];
    }
}

bool radix_join(struct radix *r, struct radix *from)
{
    DEBUG_ASSERT(r->key_of == from->key_of);
    if (from->root == NULL)
        return true;
    if (r->root != NULL) {
        struct slice low = r->key_of(edge(r, true)), high = r->key_of(edge(from, false));
        size_t depth = common(low, high);
        if (symbol_at(low, depth) >= symbol_at(high, depth))
            return false;
        r->count += from->count;
        r->inner += from->inner;
        r->inner_bytes += from->inner_bytes;
        join_at(r, (struct way){.child = r->root}, from->root, low, high, depth);
    } else {
        *r = *from;
    }
    radix_init(from, from->key_of);
    return true;
}

/* ---- emptying ---- */

/* The last record of the tree leaves it. A node that has lost all goes too; one may stay with a
 * single child for as long as the tree is being emptied. */
static void *clear_one(struct radix *r)
{
    struct radix_node *node = NULL;
    void *child = r->root;
    while (!is_record(child)) {
        node = child;
        child = node->children[node->count - 1];
    }
    for (; node != NULL && --node->count == 0;) {
        struct radix_node *parent = node->parent;
        node_free(r, node);
        node = parent;
    }
    if (node == NULL)
        r->root = NULL;
    r->count--;
    return record_of(child);
}

bool radix_clear_step(struct radix *r, size_t records, radix_visit_fn visit, void *ctx)
{
    for (; r->root != NULL && records > 0; records--) {
        void *record = clear_one(r);
        if (visit != NULL)
            visit(record, ctx);
        pace();
    }
    return r->root != NULL;
}

void radix_clear(struct radix *r, radix_visit_fn visit, void *ctx)
{
    bool more = radix_clear_step(r, SIZE_MAX, visit, ctx);
    ASSERT(!more);
}

/* ---- going about ---- */

/* Before the first record of what stands at that place. */
static void before(struct radix_cursor *at, const struct radix_node *node, unsigned index,
                   const void *child)
{
    while (!is_record(child)) {
        node = child;
        index = 0;
        child = node->children[0];
    }
    at->node = node;
    at->index = index;
}

/* Behind all records of what stands at that place. */
static void behind(struct radix_cursor *at, const struct radix_node *node, unsigned index)
{
    while (node != NULL && ++index == node->count) {
        index = node->parent != NULL ? lower(node->parent, node->label) : 0;
        node = node->parent;
    }
    if (node != NULL)
        before(at, node, index, node->children[index]);
    else
        *at = (struct radix_cursor){.tree = at->tree, .index = 1};
}

void radix_first(const struct radix *r, struct radix_cursor *at)
{
    *at = (struct radix_cursor){.tree = r, .index = r->root == NULL};
    if (r->root != NULL)
        before(at, NULL, 0, r->root);
}

void radix_last(const struct radix *r, struct radix_cursor *at)
{
    *at = (struct radix_cursor){.tree = r, .index = 1};
}

void radix_seek(const struct radix *r, struct slice key, bool after, struct radix_cursor *at)
{
    radix_last(r, at);
    if (r->root == NULL)
        return;
    struct slice other = r->key_of(nearest(r, key));
    size_t depth = common(key, other);
    bool there = depth == key.len && depth == other.len;
    struct way way = descend(r, key, there ? SIZE_MAX : depth);
    if (there) {
        before(at, way.node, way.index, way.child);
        if (after)
            behind(at, way.node, way.index);
        return;
    }
    int symbol = symbol_at(key, depth);
    const struct radix_node *node = way.child;
    if (!is_record(node) && node->depth == depth) {
        unsigned i = lower(node, symbol);
        if (i < node->count) {
            before(at, node, i, node->children[i]);
            return;
        }
    } else if (symbol < symbol_at(other, depth)) {
        before(at, way.node, way.index, way.child);
        return;
    }
    behind(at, way.node, way.index);
}

void *radix_next(struct radix_cursor *at)
{
    const void *child;
    if (at->node == NULL) {
        if (at->index == 1)
            return NULL;
        child = at->tree->root;
    } else {
        child = at->node->children[at->index];
    }
    behind(at, at->node, at->index);
    pace();
    return record_of(child);
}

void *radix_prev(struct radix_cursor *at)
{
    const struct radix_node *node = at->node;
    unsigned index = at->index;
    const void *child;
    if (node == NULL) { /* before all there are, or behind */
        if (at->tree->root == NULL || index == 0)
            return NULL;
        child = at->tree->root;
    } else {
        while (index == 0) {
            if (node->parent == NULL)
                return NULL;
            index = lower(node->parent, node->label);
            node = node->parent;
        }
        child = node->children[--index];
    }
    if (node == NULL)
        index = 0;
    while (!is_record(child)) {
        node = child;
        index = node->count - 1u;
        child = node->children[index];
    }
    pace();
    at->node = node;
    at->index = index;
    return record_of(child);
}

/* ---- tests ---- */

struct checking {
    const struct radix *r;
    size_t records, inner, inner_bytes;
};

static void check_node(struct checking *c, const struct radix_node *node)
{
    ASSERT(node->count >= 2 && node->count <= node->capacity);
    ASSERT(node_size(node->capacity) <= mem_usable(node));
    c->inner++;
    c->inner_bytes += mem_usable(node);
    for (unsigned i = 0; i < node->count; i++) {
        const struct radix_node *child = node->children[i];
        ASSERT(i == 0 || symbol_of(node, i - 1) < symbol_of(node, i));
        if (is_record(child)) {
            c->records++;
            ASSERT(symbol_at(c->r->key_of(record_of(child)), node->depth) == symbol_of(node, i));
        } else {
            ASSERT(child->parent == node && child->depth > node->depth);
            ASSERT(symbol_of(node, i) == child->label);
            check_node(c, child);
        }
    }
}

void radix_check(const struct radix *r)
{
    struct checking c = {.r = r};
    if (r->root != NULL && !is_record(r->root)) {
        ASSERT(((struct radix_node *)r->root)->parent == NULL);
        check_node(&c, r->root);
    } else {
        c.records = r->root != NULL;
    }
    ASSERT(c.records == r->count && c.inner == r->inner && c.inner_bytes == r->inner_bytes);
}
