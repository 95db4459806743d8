/* chunks.c - linked listpacks: finding a place, splitting and merging where something is written,
 * and packing what is far from the ends.
 *
 * With a depth, between two calls: `inner` is true of exactly the chunks that have at least `depth`
 * others on each side, none of the rest is packed, and every inner chunk is packed or `vain`, but
 * one from which an element was removed by a place that is still there. Which chunks are inner
 * changes only when chunks come or go; what links or unlinks them says so (unsettled), a chunk that
 * comes between inner ones is one itself, and settle() walks `depth` chunks from each end to set
 * right the rest.
 */
#include "struct/chunks.h"
#include "base/lzf.h"
#include "base/mem.h"
#include "base/pace.h"
#include "base/panic.h"

#define DOUBLING_FROM 4  /* chunks */
#define ELEMENT_MAX   10 /* bytes that a listpack needs for an element besides its text */
#define ADDED_MAX     2  /* chunks that one change adds */
#define CHANGED_MAX   5  /* chunks in a row that one change may leave unpacked */
#define CUT_FROM      64 /* chunks, elements: what is cut out of fewer is freed at once */

/* ---- chunks ---- */

static struct chunk *chunk_new(unsigned char *data, size_t bytes, uint32_t count, bool plain)
{
    struct chunk *chunk = mem_alloc(sizeof *chunk);
    *chunk = (struct chunk){.data = data, .bytes = bytes, .count = count, .plain = plain};
    return chunk;
}

/* A chunk of one element, plain if the limits say so. */
static struct chunk *chunk_of(const struct chunks_limits *limits, struct slice value)
{
    if (value.len >= limits->plain_min) {
        unsigned char *data = mem_alloc(MAX_OF(value.len, 1u));
        if (value.len != 0)
            memcpy(data, value.data, value.len);
        return chunk_new(data, value.len, 1, true);
    }
    unsigned char *listpack = listpack_new(0);
    listpack_append(&listpack, value);
    return chunk_new(listpack, listpack_bytes(listpack), 1, false);
}

/* What was allocated for the data. */
static unsigned char *block_of(const struct chunk *chunk)
{
    return chunk->data - chunk->gap;
}

static void chunk_free(struct chunk *chunk)
{
    mem_free(block_of(chunk));
    mem_free(chunk);
}

/* Links a chunk behind `before`; NULL: as the first. */
static void link_behind(struct chunks *c, struct chunk *before, struct chunk *chunk)
{
    chunk->prev = before;
    chunk->next = before != NULL ? before->next : c->first;
    if (chunk->prev != NULL)
        chunk->prev->next = chunk;
    else
        c->first = chunk;
    if (chunk->next != NULL)
        chunk->next->prev = chunk;
    else
        c->last = chunk;
    chunk->inner =
        (chunk->prev != NULL && chunk->prev->inner) || (chunk->next != NULL && chunk->next->inner);
    c->chunk_count++;
    c->unsettled = true;
}

/* Takes a chunk out, with its links as they were. */
static void detach(struct chunks *c, struct chunk *chunk)
{
    if (chunk->prev != NULL)
        chunk->prev->next = chunk->next;
    else
        c->first = chunk->next;
    if (chunk->next != NULL)
        chunk->next->prev = chunk->prev;
    else
        c->last = chunk->prev;
    c->chunk_count--;
    c->unsettled = true;
}

static void unlink_chunk(struct chunks *c, struct chunk *chunk)
{
    detach(c, chunk);
    chunk_free(chunk);
}

/* Adds a chunk that is nobody's to those that are to be freed. */
static void give_to(struct chunks *rest, struct chunk *chunk)
{
    link_behind(rest, rest->last, chunk);
    rest->count += chunk->count;
}

/* To be called when the chunk's listpack has changed by so many elements. */
static void chunk_changed(struct chunks *c, struct chunk *chunk, int64_t elements)
{
    chunk->bytes = listpack_bytes(chunk->data);
    chunk->count = (uint32_t)(chunk->count + elements);
    c->count = (size_t)((int64_t)c->count + elements);
}

/* Whether one more element may stand in the chunk. */
static bool has_room(const struct chunk *chunk, const struct chunks_limits *limits,
                     struct slice value)
{
    if (chunk == NULL || chunk->plain || value.len >= limits->plain_min ||
        chunk->count >= limits->count || chunk->bytes >= limits->bytes)
        return false;
    size_t room = limits->bytes - chunk->bytes;
    return value.len + ELEMENT_MAX <= room || listpack_size_of(value) <= room;
}

/* ---- the gap ---- */

/* The listpack at the beginning of its block, as what may move the block wants it. */
static unsigned char **whole(struct chunk *chunk)
{
    if (UNLIKELY(chunk->gap != 0)) {
        chunk->data = memmove(block_of(chunk), chunk->data, chunk->bytes);
        chunk->gap = 0;
    }
    return &chunk->data;
}

/* Moves the listpack to the end of its block, or of one that has `more` bytes to spare. The first
 * of several chunks, which will most likely go on growing, gets twice its bytes: that is little of
 * the whole. */
static void open_gap(const struct chunks *c, const struct chunks_limits *limits,
                     struct chunk *chunk, size_t more)
{
    unsigned char *block = block_of(chunk), *old = NULL;
    size_t usable = mem_usable(block), wanted = chunk->bytes + more;
    if (usable < wanted) {
        if (chunk == c->first && c->chunk_count >= DOUBLING_FROM)
            wanted = MAX_OF(wanted, MIN_OF(chunk->bytes * 2, limits->bytes));
        old = block;
        block = mem_alloc(wanted);
        usable = mem_usable(block);
    }
    unsigned char *to = block + usable - chunk->bytes;
    memmove(to, chunk->data, chunk->bytes);
    chunk->data = to;
    chunk->gap = (uint32_t)(to - block);
    mem_free(old);
}

static void trim(struct chunk *chunk)
{
    if (mem_good_size(chunk->bytes) < mem_usable(block_of(chunk)))
        chunk->data = mem_realloc(*whole(chunk), chunk->bytes);
}

/* After a removal that did not touch the block: gives memory back once a quarter is idle. */
static void give_back(struct chunk *chunk)
{
    size_t usable = mem_usable(block_of(chunk));
    if (UNLIKELY(chunk->bytes <= usable - usable / 4))
        trim(chunk);
}

/* ---- packing ---- */

/* Packs an inner chunk that is not packed, if it is worth it. */
static void pack(struct chunk *chunk)
{
    if (!chunk->inner || chunk->packed != 0 || chunk->vain)
        return;
    chunk->vain = true;
    if (chunk->bytes < CHUNK_PACK_MIN || chunk->bytes > UINT32_MAX)
        return;
    unsigned char *packed = mem_try_alloc(chunk->bytes);
    if (packed == NULL)
        return;
    size_t len = lzf_pack(slice_of(chunk->data, chunk->bytes), packed, chunk->bytes);
    if (len != 0 && len + CHUNK_PACK_SAVES <= chunk->bytes) {
        mem_free(block_of(chunk));
        chunk->data = mem_dup(packed, len);
        chunk->gap = 0;
        chunk->packed = (uint32_t)len;
        chunk->vain = false;
    }
    mem_free(packed);
}

/* What the chunk holds, which is packed, in a block of its own. */
static unsigned char *unpacked(const struct chunk *chunk)
{
    unsigned char *data = mem_alloc(chunk->bytes);
    bool whole = lzf_unpack(slice_of(chunk->data, chunk->packed), data, chunk->bytes);
    if (UNLIKELY(!whole))
        PANIC("a packed chunk of a list does not unpack");
    return data;
}

static void unpack_to(struct chunk *chunk, unsigned char *data)
{
    mem_free(chunk->data);
    chunk->data = data;
    chunk->packed = 0;
}

/* To be called before a chunk that may be an inner one is changed or merged. */
static void open_chunk(struct chunk *chunk)
{
    if (LIKELY(!chunk->inner))
        return;
    if (chunk->packed != 0)
        unpack_to(chunk, unpacked(chunk));
    chunk->vain = false;
}

/* The same for the chunk of a place, which may have unpacked it already. */
static void open_at(struct chunks_at *at)
{
    if (UNLIKELY(at->owned))
        unpack_to(at->chunk, at->data);
    at->owned = false;
    at->chunk->vain = false;
}

static void drop_copy(struct chunks_at *at)
{
    if (UNLIKELY(at->owned))
        mem_free(at->data);
    at->owned = false;
}

void chunks_leave(struct chunks_at *at)
{
    drop_copy(at);
    pack(at->chunk);
}

void chunks_forget(struct chunks_at *at)
{
    drop_copy(at);
}

static void make_outer(struct chunk *chunk)
{
    open_chunk(chunk);
    chunk->inner = false;
}

static void make_inner(struct chunk *chunk)
{
    chunk->inner = true;
    pack(chunk);
}

/* Says of each chunk whether it is an inner one. Those that have become one are next to the ends'
 * chunks. O(depth). */
static void settle_ends(struct chunks *c)
{
    struct chunk *front = c->first, *back = c->last;
    size_t ends = 2 * (size_t)c->depth;
    c->unsettled = false;
    if (c->chunk_count <= ends) {
        for (; c->zoned && front != NULL; front = front->next)
            make_outer(front);
        c->zoned = false;
        return;
    }
    c->zoned = true;
    for (size_t i = 0; i < c->depth; i++, front = front->next, back = back->prev) {
        make_outer(front);
        make_outer(back);
    }
    size_t inner = MIN_OF(c->chunk_count - ends, (size_t)ADDED_MAX);
    for (size_t i = 0; i < inner; i++, front = front->next, back = back->prev) {
        make_inner(front);
        make_inner(back);
    }
}

/* To be called at the end of a change, with the chunk where those begin that may have been opened
 * for it; NULL: the first. */
static void settle(struct chunks *c, struct chunk *near)
{
    if (LIKELY(c->depth == 0))
        return;
    if (c->unsettled)
        settle_ends(c);
    if (near == NULL)
        near = c->first;
    for (size_t i = 0; c->zoned && i < CHANGED_MAX && near != NULL; i++, near = near->next)
        pack(near);
}

/* For settle: a chunk that no change at `chunk` frees, in front of all that it opens. */
static struct chunk *before_change(const struct chunks *c, const struct chunk *chunk)
{
    return c->depth != 0 && chunk->prev != NULL ? chunk->prev->prev : NULL;
}

/* ---- the whole ---- */

struct chunks *chunks_new(size_t depth)
{
    struct chunks *c = mem_zalloc(sizeof *c);
    c->depth = MIN_OF(depth, (size_t)CHUNKS_DEPTH_MAX);
    return c;
}

void chunks_free(struct chunks *c)
{
    for (struct chunk *chunk = c->first, *next; chunk != NULL; chunk = next) {
        next = chunk->next;
        chunk_free(chunk);
        pace();
    }
    mem_free(c);
}

struct chunks *chunks_copy(const struct chunks *c)
{
    struct chunks *copy = chunks_new(c->depth);
    for (const struct chunk *chunk = c->first; chunk != NULL; chunk = chunk->next) {
        size_t bytes = chunk->packed != 0 ? chunk->packed : MAX_OF(chunk->bytes, 1u);
        struct chunk *other =
            chunk_new(mem_dup(chunk->data, bytes), chunk->bytes, chunk->count, chunk->plain);
        link_behind(copy, copy->last, other);
        other->packed = chunk->packed;
        other->inner = chunk->inner;
        other->vain = chunk->vain;
    }
    copy->count = c->count;
    copy->zoned = c->zoned;
    copy->unsettled = c->unsettled;
    return copy;
}

void chunks_adopt(struct chunks *c, unsigned char *listpack)
{
    size_t count = listpack_count(listpack);
    ASSERT(count != 0);
    link_behind(c, c->last, chunk_new(listpack, listpack_bytes(listpack), (uint32_t)count, false));
    c->count += count;
    settle(c, c->last);
}

void chunks_adopt_plain(struct chunks *c, void *data, size_t len)
{
    link_behind(c, c->last, chunk_new(data, len, 1, true));
    c->count++;
    settle(c, c->last);
}

unsigned char *chunks_give_up(struct chunks *c)
{
    ASSERT(c->chunk_count == 1 && !c->first->plain);
    unsigned char *listpack = *whole(c->first);
    mem_free(c->first);
    mem_free(c);
    return listpack;
}

/* What `count` chunks take of which `seen` take `bytes`. */
static size_t estimate(size_t bytes, size_t seen, double count)
{
    if (seen == 0 || (double)seen >= count)
        return bytes;
    return (size_t)((double)bytes / (double)seen * count);
}

size_t chunks_memory(const struct chunks *c, size_t samples)
{
    size_t bytes[2] = {0, 0}, seen[2] = {0, 0}; /* of the ends' chunks, of the inner ones */
    for (const struct chunk *chunk = c->first;
         chunk != NULL && (samples == 0 || seen[0] + seen[1] < samples); chunk = chunk->next) {
        bytes[chunk->inner] += mem_usable(chunk) + mem_usable(block_of(chunk));
        seen[chunk->inner]++;
    }
    double inner = seen[1] != 0 ? (double)c->chunk_count - 2.0 * (double)c->depth : 0;
    double ends = (double)c->chunk_count - inner;
    return mem_usable(c) + estimate(bytes[0], seen[0], ends) + estimate(bytes[1], seen[1], inner);
}

/* ---- going about ---- */

/* Goes into a chunk, but to no element of it yet. */
static void enter(struct chunks_at *at, struct chunk *chunk)
{
    at->chunk = chunk;
    at->owned = chunk->packed != 0;
    at->data = LIKELY(!at->owned) ? chunk->data : unpacked(chunk);
}

/* Goes to the first or last element of a chunk; false: there is no chunk. */
static bool to_end_of(struct chunks_at *at, struct chunk *chunk, bool last)
{
    if (chunk == NULL)
        return false;
    enter(at, chunk);
    if (chunk->plain)
        at->position = 0;
    else
        at->position = last ? listpack_last(at->data) : listpack_first(at->data);
    return true;
}

/* The chunk of the index-th element, and how many elements of it are in front of that one; NULL:
 * there is none. */
ALWAYS_INLINE struct chunk *locate(const struct chunks *c, int64_t index, uint64_t *skip)
{
    uint64_t from_end = index < 0 ? -(uint64_t)index : c->count - (uint64_t)index; /* 1: the last */
    if (index < 0 ? from_end > c->count : (uint64_t)index >= c->count)
        return NULL;
    struct chunk *chunk;
    uint64_t before = c->count - from_end;
    if (before < from_end) {
        for (chunk = c->first; before >= chunk->count; chunk = chunk->next)
            before -= chunk->count;
    } else {
        for (chunk = c->last; from_end > chunk->count; chunk = chunk->prev)
            from_end -= chunk->count;
        before = chunk->count - from_end;
    }
    *skip = before;
    return chunk;
}

bool chunks_seek(const struct chunks *c, int64_t index, struct chunks_at *at)
{
    uint64_t skip;
    struct chunk *chunk = locate(c, index, &skip);
    if (chunk == NULL)
        return false;
    enter(at, chunk);
    at->position = chunk->plain ? 0 : listpack_seek(at->data, (int64_t)skip);
    return true;
}

bool chunks_next(struct chunks_at *at)
{
    if (at->position != 0) {
        at->position = listpack_next(at->data, at->position);
        if (at->position != 0)
            return true;
    }
    struct chunk *next = at->chunk->next;
    chunks_done(at);
    pace();
    return to_end_of(at, next, false);
}

bool chunks_prev(struct chunks_at *at)
{
    if (at->position != 0) {
        at->position = listpack_prev(at->data, at->position);
        if (at->position != 0)
            return true;
    }
    struct chunk *prev = at->chunk->prev;
    chunks_done(at);
    pace();
    return to_end_of(at, prev, true);
}

struct slice chunks_text(const struct chunks_at *at, char room[LISTPACK_TEXT])
{
    if (at->position == 0)
        return slice_of(at->data, at->chunk->bytes);
    return listpack_text(at->data, at->position, room);
}

bool chunks_equals(const struct chunks_at *at, struct slice value)
{
    if (at->position == 0)
        return slice_eq(slice_of(at->data, at->chunk->bytes), value);
    return listpack_equals(at->data, at->position, value);
}

/* ---- adding ---- */

/* A chunk of its own for one element, behind `before` (NULL: in front of all). */
static void insert_chunk(struct chunks *c, const struct chunks_limits *limits, struct chunk *before,
                         struct slice value)
{
    if (before == NULL && c->first != NULL && !c->first->plain)
        trim(c->first); /* it is not going to grow any more */
    link_behind(c, before, chunk_of(limits, value));
    c->count++;
}

static void append_to(struct chunks *c, struct chunk *chunk, struct slice value)
{
    if (chunk->gap != 0 &&
        mem_usable(block_of(chunk)) - chunk->gap - chunk->bytes >= value.len + ELEMENT_MAX)
        listpack_splice_in(chunk->data, 0, 0, &value, 1);
    else
        listpack_append(whole(chunk), value);
    chunk_changed(c, chunk, 1);
}

static void prepend_to(struct chunks *c, const struct chunks_limits *limits, struct chunk *chunk,
                       struct slice value)
{
    unsigned char *data = listpack_prepend_in(chunk->data, chunk->gap, value);
    if (UNLIKELY(data == NULL)) {
        open_gap(c, limits, chunk, listpack_size_of(value));
        data = listpack_prepend_in(chunk->data, chunk->gap, value);
    }
    size_t size = (size_t)(chunk->data - data);
    chunk->gap -= (uint32_t)size;
    chunk->data = data;
    chunk->bytes += size;
    chunk->count++;
    c->count++;
}

void chunks_push(struct chunks *c, const struct chunks_limits *limits, struct slice value,
                 bool front)
{
    if (!has_room(front ? c->first : c->last, limits, value)) {
        insert_chunk(c, limits, front ? NULL : c->last, value);
        settle(c, c->last);
    } else if (front) {
        prepend_to(c, limits, c->first, value);
    } else {
        append_to(c, c->last, value);
    }
}

bool chunks_join(struct chunks *c, struct chunks *more, bool front)
{
    struct chunks *before = front ? more : c, *after = front ? c : more;
    if (c->depth != 0 || more->depth != 0)
        return false;
    if (before->first != NULL && after->first != NULL) {
        if (!after->first->plain)
            trim(after->first); /* it is not going to grow any more */
        before->last->next = after->first;
        after->first->prev = before->last;
    }
    struct chunk *first = before->first != NULL ? before->first : after->first;
    struct chunk *last = after->last != NULL ? after->last : before->last;
    c->first = first;
    c->last = last;
    c->count += more->count;
    c->chunk_count += more->chunk_count;
    mem_free(more);
    return true;
}

/* Makes one chunk of `chunk` and the next if the limits allow. */
static void merge_with_next(struct chunks *c, const struct chunks_limits *limits,
                            struct chunk *chunk)
{
    struct chunk *next = chunk != NULL ? chunk->next : NULL;
    if (next == NULL || chunk->plain || next->plain ||
        chunk->bytes + next->bytes - LISTPACK_EMPTY > limits->bytes ||
        (size_t)chunk->count + next->count > limits->count)
        return;
    open_chunk(chunk);
    open_chunk(next);
    listpack_merge(whole(chunk), next->data, false);
    chunk->bytes = listpack_bytes(chunk->data);
    chunk->count += next->count;
    unlink_chunk(c, next);
}

/* Splits the chunk: the element at `position`, which is not the first, begins the next one. */
static void split(struct chunks *c, struct chunk *chunk, uint32_t position)
{
    unsigned char *rest = listpack_split(whole(chunk), position);
    uint32_t count = (uint32_t)listpack_count(rest);
    chunk->bytes = listpack_bytes(chunk->data);
    chunk->count -= count;
    link_behind(c, chunk, chunk_new(rest, listpack_bytes(rest), count, false));
}

/* Between `before` and `after`, neighbours of which one may be NULL, not both. */
static void insert_between(struct chunks *c, const struct chunks_limits *limits,
                           struct chunk *before, struct chunk *after, struct slice value)
{
    if (has_room(before, limits, value)) {
        open_chunk(before);
        append_to(c, before, value);
    } else if (has_room(after, limits, value)) {
        open_chunk(after);
        prepend_to(c, limits, after, value);
    } else {
        insert_chunk(c, limits, before, value);
    }
}

static void insert_at(struct chunks *c, const struct chunks_limits *limits, struct chunks_at *at,
                      struct slice value, bool behind)
{
    struct chunk *chunk = at->chunk;
    if (has_room(chunk, limits, value)) {
        open_at(at);
        if (behind)
            listpack_insert_after(whole(chunk), at->position, value);
        else
            listpack_insert_before(whole(chunk), at->position, value);
        chunk_changed(c, chunk, 1);
        return;
    }
    uint32_t position = 0; /* of the element that will follow; 0: it is in the next chunk */
    if (!chunk->plain)
        position = behind ? listpack_next(at->data, at->position) : at->position;
    if (behind && position == 0) {
        drop_copy(at);
        insert_between(c, limits, chunk, chunk->next, value);
    } else if (chunk->plain || position == LISTPACK_HEAD) {
        drop_copy(at);
        insert_between(c, limits, chunk->prev, chunk, value);
    } else {
        open_at(at);
        split(c, chunk, position);
        struct chunk *rest = chunk->next;
        insert_between(c, limits, chunk, rest, value);
        merge_with_next(c, limits, rest);
        merge_with_next(c, limits, chunk->prev);
    }
}

void chunks_insert(struct chunks *c, const struct chunks_limits *limits, struct chunks_at *at,
                   struct slice value, bool behind)
{
    struct chunk *near = before_change(c, at->chunk);
    insert_at(c, limits, at, value, behind);
    settle(c, near);
}

/* ---- changing and removing ---- */

/* Of an element that is a chunk of its own: another one takes its place. */
static void replace_chunk(struct chunks *c, const struct chunks_limits *limits, struct chunk *chunk,
                          struct slice value)
{
    insert_chunk(c, limits, chunk, value);
    unlink_chunk(c, chunk);
    c->count--;
}

/* What follows the element is split off, the element goes, and the value comes between. */
static void replace_by_split(struct chunks *c, const struct chunks_limits *limits,
                             struct chunk *chunk, uint32_t position, struct slice value)
{
    uint32_t next = listpack_next(chunk->data, position);
    if (next != 0)
        split(c, chunk, next);
    struct chunk *before = chunk, *after = chunk->next;
    listpack_delete(whole(chunk), position);
    chunk_changed(c, chunk, -1);
    if (chunk->count == 0) {
        before = chunk->prev;
        unlink_chunk(c, chunk);
    }
    insert_between(c, limits, before, after, value);
    if (next != 0)
        merge_with_next(c, limits, after);
    merge_with_next(c, limits, before != NULL ? before->prev : NULL);
}

/* Whether the value may stand in the listpack instead of the element. */
static bool replaces_in_place(const struct chunks_limits *limits, const struct chunks_at *at,
                              struct slice value)
{
    const struct chunk *chunk = at->chunk;
    if (chunk->plain || value.len >= limits->plain_min)
        return false;
    size_t fresh =
        chunk->bytes - listpack_size_at(at->data, at->position) + listpack_size_of(value);
    return chunk->count == 1 || fresh <= MAX_OF(limits->bytes, chunk->bytes);
}

void chunks_replace(struct chunks *c, const struct chunks_limits *limits, struct chunks_at *at,
                    struct slice value)
{
    struct chunk *chunk = at->chunk, *near = before_change(c, chunk);
    if (replaces_in_place(limits, at, value)) {
        open_at(at);
        listpack_replace(whole(chunk), at->position, value);
        chunk_changed(c, chunk, 0);
    } else if (chunk->count == 1) {
        drop_copy(at);
        replace_chunk(c, limits, chunk, value);
    } else {
        open_at(at);
        replace_by_split(c, limits, chunk, at->position, value);
    }
    settle(c, near);
}

/* Removes elements, not all, from a chunk that is a listpack; returns as listpack_delete_many. */
static uint32_t delete_in(struct chunks *c, struct chunk *chunk, uint32_t position, size_t count)
{
    uint32_t was = chunk->count;
    if (position == LISTPACK_HEAD) {
        unsigned char *data = listpack_drop_in(chunk->data, count);
        chunk->gap += (uint32_t)(data - chunk->data);
        chunk->data = data;
    } else {
        position = listpack_splice_in(chunk->data, position, count, NULL, 0);
    }
    chunk_changed(c, chunk, (int64_t)listpack_count(chunk->data) - (int64_t)was);
    give_back(chunk);
    return position;
}

bool chunks_delete(struct chunks *c, struct chunks_at *at, bool backwards)
{
    struct chunk *chunk = at->chunk, *other = backwards ? chunk->prev : chunk->next;
    if (chunk->count == 1) {
        drop_copy(at);
        unlink_chunk(c, chunk);
        c->count--;
        settle(c, other);
        return to_end_of(at, other, backwards);
    }
    open_at(at);
    uint32_t before = backwards ? listpack_prev(chunk->data, at->position) : 0;
    uint32_t next = delete_in(c, chunk, at->position, 1);
    at->data = chunk->data;
    at->position = backwards ? before : next;
    if (at->position != 0)
        return true;
    chunks_done(at);
    return to_end_of(at, other, backwards);
}

/* Chunks that go as a whole are given to `rest`; NULL: freed. */
static size_t delete_range(struct chunks *c, size_t index, size_t count, struct chunks *rest)
{
    uint64_t skip;
    struct chunk *chunk = index <= INT64_MAX ? locate(c, (int64_t)index, &skip) : NULL;
    if (chunk == NULL)
        return 0;
    count = MIN_OF(count, c->count - index);
    size_t left = count;
    struct chunk *near = chunk->prev;
    while (left != 0) {
        struct chunk *next = chunk->next;
        if (skip == 0 && chunk->count <= left) {
            left -= chunk->count;
            c->count -= chunk->count;
            if (rest != NULL) {
                detach(c, chunk);
                give_to(rest, chunk);
            } else {
                unlink_chunk(c, chunk);
            }
        } else {
            uint32_t was = chunk->count;
            open_chunk(chunk);
            delete_in(c, chunk, listpack_seek(chunk->data, (int64_t)skip), left);
            left -= was - chunk->count;
        }
        chunk = next;
        skip = 0;
    }
    settle(c, near);
    return count;
}

size_t chunks_delete_range(struct chunks *c, size_t index, size_t count)
{
    return delete_range(c, index, count, NULL);
}

size_t chunks_cut_range(struct chunks *c, size_t index, size_t count, struct chunks **rest)
{
    *rest = count >= CUT_FROM && c->chunk_count >= CUT_FROM ? chunks_new(0) : NULL;
    return delete_range(c, index, count, *rest);
}

/* ---- removing in two steps ---- */

struct chunk_edit {
    struct chunk *chunk; /* of the sequence */
    struct chunk *fresh; /* what it becomes; NULL: nothing is left of it */
};

struct chunks_removal {
    struct chunk_edit *edits; /* each of another chunk */
    size_t count, room;
    size_t elements; /* that go */
};

/* Removes up to `most` elements that equal value from a listpack; how many there were. */
static size_t strip(unsigned char *data, struct slice value, size_t most, bool backwards)
{
    size_t removed = 0;
    uint32_t next, at = backwards ? listpack_last(data) : listpack_first(data);
    for (; at != 0 && removed < most; at = next) {
        bool equals = listpack_equals(data, at, value);
        next = backwards ? listpack_prev(data, at) : listpack_next(data, at);
        if (equals) {
            uint32_t behind = listpack_splice_in(data, at, 1, NULL, 0);
            next = backwards ? next : behind;
            removed++;
        }
    }
    return removed;
}

/* What becomes of a chunk whose data, in a block of its own, has lost so many elements. */
static struct chunk *stripped(const struct chunk *chunk, unsigned char *data, size_t removed)
{
    if (removed == chunk->count) {
        mem_free(data);
        return NULL;
    }
    struct chunk *fresh =
        chunk_new(data, listpack_bytes(data), chunk->count - (uint32_t)removed, false);
    fresh->inner = chunk->inner;
    trim(fresh);
    pack(fresh);
    return fresh;
}

/* How many elements of the chunk go, and what becomes of it then. */
static size_t plan_chunk(const struct chunk *chunk, struct slice value, size_t most, bool backwards,
                         struct chunk **fresh)
{
    unsigned char *copy = chunk->packed != 0 ? unpacked(chunk) : NULL;
    const unsigned char *data = copy != NULL ? copy : chunk->data;
    *fresh = NULL;
    if (chunk->plain || listpack_find(data, listpack_first(data), value, 0) == 0) {
        bool goes = chunk->plain && slice_eq(slice_of(data, chunk->bytes), value);
        mem_free(copy);
        return goes;
    }
    if (copy == NULL)
        copy = mem_dup(data, chunk->bytes);
    size_t removed = strip(copy, value, most, backwards);
    *fresh = stripped(chunk, copy, removed);
    return removed;
}

static void add_edit(struct chunks_removal *r, struct chunk_edit edit)
{
    if (r->count == r->room) {
        r->room = MAX_OF(r->room * 2, (size_t)8);
        r->edits = mem_realloc(r->edits, r->room * sizeof *r->edits);
    }
    r->edits[r->count++] = edit;
}

struct chunks_removal *chunks_plan_removal(const struct chunks *c, struct slice value, size_t most,
                                           bool backwards)
{
    struct chunks_removal r = {0};
    size_t left = most != 0 ? most : SIZE_MAX;
    for (struct chunk *chunk = backwards ? c->last : c->first, *fresh; chunk != NULL && left != 0;
         chunk = backwards ? chunk->prev : chunk->next) {
        size_t removed = plan_chunk(chunk, value, left, backwards, &fresh);
        if (removed != 0)
            add_edit(&r, (struct chunk_edit){chunk, fresh});
        r.elements += removed;
        left -= removed;
        pace();
    }
    return r.count != 0 ? mem_dup(&r, sizeof r) : NULL;
}

void chunks_forget_removal(struct chunks_removal *r)
{
    for (size_t i = 0; i < r->count; i++)
        if (r->edits[i].fresh != NULL)
            chunk_free(r->edits[i].fresh);
    mem_free(r->edits);
    mem_free(r);
}

/* Exchanges what two chunks hold; their places stay. */
static void exchange(struct chunk *a, struct chunk *b)
{
    struct chunk was = *a;
    *a = *b;
    a->prev = was.prev;
    a->next = was.next;
    *b = was;
}

size_t chunks_remove_planned(struct chunks *c, struct chunks_removal *r, struct chunks **rest)
{
    size_t removed = r->elements;
    *rest = chunks_new(0);
    for (size_t i = 0; i < r->count; i++) {
        struct chunk *chunk = r->edits[i].chunk, *fresh = r->edits[i].fresh;
        if (fresh != NULL)
            exchange(chunk, fresh);
        else
            detach(c, chunk);
        give_to(*rest, fresh != NULL ? fresh : chunk);
    }
    c->count -= removed;
    settle(c, NULL);
    mem_free(r->edits);
    mem_free(r);
    return removed;
}
