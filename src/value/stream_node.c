/* stream_node.c - reading, writing and distrusting the listpack of a node (stream_node.h). */
#include "value/stream_node.h"
#include "base/mem.h"
#include "base/panic.h"

#define ENTRY_HEAD 3  /* elements before an entry's fields: flags, ms, seq */
#define ON_STACK   72 /* elements of an entry that is put together without an allocation */

/* ---- elements ---- */

/* Of a listpack that is known to be good. */
static int64_t integer_at(const unsigned char *lp, uint32_t at)
{
    return listpack_take_integer(lp, &at);
}

static uint32_t skip(const unsigned char *lp, uint32_t at, size_t elements)
{
    while (elements-- > 0)
        at = listpack_next(lp, at);
    return at;
}

/* Position of the master entry's first field name. */
static uint32_t names_at(const unsigned char *lp)
{
    uint32_t at = LISTPACK_HEAD;
    for (int i = 0; i < 3; i++)
        listpack_take_integer(lp, &at);
    return at;
}

static void add_integer(struct listpack_value **to, int64_t v)
{
    *(*to)++ = (struct listpack_value){.integer = v};
}

static void add_text(struct listpack_value **to, struct slice text)
{
    *(*to)++ = (struct listpack_value){.data = text.data != NULL ? text.data : "",
                                       .len = (uint32_t)text.len};
}

/* ---- writing ---- */

/* The elements of an entry, of its values only or of its fields too. */
static void add_entry(struct listpack_value **to, struct stream_id delta, bool same,
                      const struct slice *pairs, size_t count)
{
    size_t fields = count / 2;
    add_integer(to, same ? STREAM_SAME_FIELDS : 0);
    add_integer(to, (int64_t)delta.ms);
    add_integer(to, (int64_t)delta.seq);
    if (!same)
        add_integer(to, (int64_t)fields);
    for (size_t i = same; i < count; i += 1 + same)
        add_text(to, pairs[i]);
    add_integer(to, (int64_t)(same ? ENTRY_HEAD + fields : ENTRY_HEAD + 1 + count));
}

struct stream_node *stream_node_new(struct stream_id id, const struct slice *pairs, size_t count)
{
    struct listpack_value on_stack[ON_STACK], *values = on_stack, *to;
    struct stream_node *node = mem_alloc(sizeof *node);
    if (count + 8 > ON_STACK)
        values = mem_alloc((count + 8) * sizeof *values);
    to = values;
    add_integer(&to, 1);
    add_integer(&to, 0);
    add_integer(&to, (int64_t)(count / 2));
    for (size_t i = 0; i < count; i += 2)
        add_text(&to, pairs[i]);
    add_integer(&to, 0);
    add_entry(&to, (struct stream_id){0, 0}, true, pairs, count);
    stream_id_to_bytes(node->id, id);
    node->names = (uint32_t)(count / 2);
    node->lp = listpack_new(0);
    listpack_append_values(&node->lp, values, (size_t)(to - values));
    if (values != on_stack)
        mem_free(values);
    return node;
}

struct stream_node *stream_node_of(struct stream_id id, const unsigned char *lp)
{
    struct stream_node *node = mem_alloc(sizeof *node);
    stream_id_to_bytes(node->id, id);
    node->names = (uint32_t)integer_at(lp, skip(lp, LISTPACK_HEAD, 2));
    node->lp = listpack_copy(lp);
    return node;
}

void stream_node_free(struct stream_node *node)
{
    listpack_free(node->lp);
    mem_free(node);
}

bool stream_node_has_room(const struct stream_node *node, const struct value_limits *limits,
                          size_t bytes)
{
    uint64_t max_bytes = (uint64_t)RELAXED_LOAD(&limits->stream_node_max_bytes);
    int64_t max_entries = RELAXED_LOAD(&limits->stream_node_max_entries);
    const unsigned char *lp = node->lp;
    if (max_bytes == 0 || max_bytes > LISTPACK_BYTES_MAX)
        max_bytes = LISTPACK_BYTES_MAX;
    if (listpack_bytes(lp) + bytes >= max_bytes)
        return false;
    uint32_t at = LISTPACK_HEAD;
    int64_t entries = listpack_take_integer(lp, &at);
    entries += listpack_take_integer(lp, &at); /* deleted ones count too */
    return max_entries == 0 || entries < max_entries;
}

static bool has_names(const struct stream_node *node, const struct slice *pairs, size_t count)
{
    uint32_t at = names_at(node->lp);
    if (node->names != count / 2)
        return false;
    for (size_t i = 0; i < count; i += 2, at = listpack_next(node->lp, at))
        if (!listpack_equals(node->lp, at, pairs[i]))
            return false;
    return true;
}

void stream_node_add(struct stream_node *node, struct stream_id id, const struct slice *pairs,
                     size_t count)
{
    struct listpack_value on_stack[ON_STACK], *values = on_stack, *to;
    struct stream_id master = stream_id_of_bytes(node->id);
    struct stream_id delta = {id.ms - master.ms, id.seq - master.seq};
    if (count + 8 > ON_STACK)
        values = mem_alloc((count + 8) * sizeof *values);
    to = values;
    add_entry(&to, delta, has_names(node, pairs, count), pairs, count);
    listpack_append_values(&node->lp, values, (size_t)(to - values));
    listpack_replace_integer(&node->lp, LISTPACK_HEAD, (int64_t)stream_node_live(node) + 1);
    if (values != on_stack)
        mem_free(values);
}

uint32_t stream_node_bury(struct stream_node *node, uint32_t at)
{
    int64_t live = (int64_t)stream_node_live(node);
    listpack_replace_integer(&node->lp, at, integer_at(node->lp, at) | STREAM_ENTRY_DELETED);
    size_t bytes = listpack_bytes(node->lp);
    uint32_t dead = listpack_next(node->lp, LISTPACK_HEAD);
    listpack_replace_integer(&node->lp, dead, integer_at(node->lp, dead) + 1);
    listpack_replace_integer(&node->lp, LISTPACK_HEAD, live - 1);
    return at + (uint32_t)(listpack_bytes(node->lp) - bytes);
}

/* ---- reading ---- */

uint64_t stream_node_live(const struct stream_node *node)
{
    return (uint64_t)integer_at(node->lp, LISTPACK_HEAD);
}

uint32_t stream_node_names(const struct stream_node *node)
{
    return names_at(node->lp);
}

uint32_t stream_node_first(const struct stream_node *node)
{
    return skip(node->lp, names_at(node->lp), (size_t)node->names + 1);
}

/* The entry whose `back` is at that position; the master entry's is 0. */
static uint32_t entry_of_back(const unsigned char *lp, uint32_t at)
{
    int64_t back = integer_at(lp, at);
    for (int64_t i = 0; i < back; i++)
        at = listpack_prev(lp, at);
    return back != 0 ? at : 0;
}

uint32_t stream_node_last(const struct stream_node *node)
{
    return entry_of_back(node->lp, listpack_last(node->lp));
}

uint32_t stream_node_prev(const struct stream_node *node, uint32_t at)
{
    return entry_of_back(node->lp, listpack_prev(node->lp, at));
}

uint32_t stream_node_next(const struct stream_node *node, uint32_t part, uint32_t left)
{
    return skip(node->lp, part, (size_t)left + 1);
}

void stream_node_read(const struct stream_node *node, uint32_t at, struct stream_place *out)
{
    const unsigned char *lp = node->lp;
    struct stream_id master = stream_id_of_bytes(node->id);
    out->at = at;
    out->flags = (uint8_t)listpack_take_integer(lp, &at);
    out->id.ms = master.ms + (uint64_t)listpack_take_integer(lp, &at);
    out->id.seq = master.seq + (uint64_t)listpack_take_integer(lp, &at);
    if (out->flags & STREAM_SAME_FIELDS) {
        out->pairs = out->left = node->names;
    } else {
        out->pairs = (uint32_t)listpack_take_integer(lp, &at);
        out->left = out->pairs * 2;
    }
    out->part = at;
}

/* ---- bytes from outside ---- */

/* A walk over elements that may be anything, in a listpack whose elements are in order. */
struct doubt {
    const unsigned char *lp;
    uint32_t at; /* 0: behind the last one */
};

static bool take_integer(struct doubt *d, int64_t min, int64_t max, int64_t *out)
{
    if (d->at == 0 || !listpack_integer(d->lp, d->at, out) || *out < min || *out > max)
        return false;
    d->at = listpack_next(d->lp, d->at);
    return true;
}

static bool take_any(struct doubt *d, int64_t elements)
{
    for (; elements > 0 && d->at != 0; elements--)
        d->at = listpack_next(d->lp, d->at);
    return elements == 0;
}

struct master_entry {
    struct stream_id id;
    int64_t live, deleted, names;
};

static bool take_entry(struct doubt *d, const struct master_entry *master, bool *deleted,
                       struct stream_id *id)
{
    int64_t flags, ms, seq, fields = master->names, elements = fields, back;
    if (!take_integer(d, 0, STREAM_ENTRY_DELETED | STREAM_SAME_FIELDS, &flags) ||
        !take_integer(d, INT64_MIN, INT64_MAX, &ms) || !take_integer(d, INT64_MIN, INT64_MAX, &seq))
        return false;
    if (!(flags & STREAM_SAME_FIELDS)) {
        if (!take_integer(d, 1, INT32_MAX, &fields))
            return false;
        elements = 1 + fields * 2;
    }
    int64_t ahead = flags & STREAM_SAME_FIELDS ? elements : elements - 1;
    if (!take_any(d, ahead) ||
        !take_integer(d, ENTRY_HEAD + elements, ENTRY_HEAD + elements, &back))
        return false;
    *deleted = flags & STREAM_ENTRY_DELETED;
    *id = (struct stream_id){master->id.ms + (uint64_t)ms, master->id.seq + (uint64_t)seq};
    return true;
}

bool stream_node_validate(struct slice bytes, struct stream_id id, uint64_t *live,
                          struct stream_id *last)
{
    struct doubt d = {.lp = (const unsigned char *)bytes.data};
    struct master_entry master = {.id = id};
    int64_t zero, counts[2] = {0, 0};
    if (!listpack_validate(d.lp, bytes.len, true, NULL, NULL) || bytes.len > LISTPACK_BYTES_MAX * 2)
        return false;
    d.at = listpack_first(d.lp);
    if (!take_integer(&d, 0, INT64_MAX, &master.live) ||
        !take_integer(&d, 0, INT64_MAX, &master.deleted) ||
        !take_integer(&d, 1, INT32_MAX, &master.names) || !take_any(&d, master.names) ||
        !take_integer(&d, 0, 0, &zero))
        return false;
    while (d.at != 0) {
        struct stream_id own;
        bool deleted;
        if (!take_entry(&d, &master, &deleted, &own))
            return false;
        counts[deleted]++;
        if (deleted)
            continue;
        int order = stream_id_compare(own, counts[0] == 1 ? id : *last);
        if (order < 0 || (order == 0 && counts[0] > 1))
            return false;
        *last = own;
    }
    *live = (uint64_t)counts[0];
    return counts[0] == master.live && counts[1] == master.deleted && counts[0] + counts[1] > 0;
}
