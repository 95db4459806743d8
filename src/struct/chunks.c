/* chunks.c - linked listpacks: finding a place, and splitting and merging where something is
 * written. */
#include "struct/chunks.h"
#include "base/mem.h"
#include "base/panic.h"

#define DOUBLING_FROM 4  /* chunks */
#define ELEMENT_MAX   10 /* bytes that a listpack needs for an element besides its text */

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
    c->chunk_count++;
}

static void unlink_chunk(struct chunks *c, struct chunk *chunk)
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
    chunk_free(chunk);
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

/* ---- the whole ---- */

struct chunks *chunks_new(void)
{
    return mem_zalloc(sizeof(struct chunks));
}

void chunks_free(struct chunks *c)
{
    for (struct chunk *chunk = c->first, *next; chunk != NULL; chunk = next) {
        next = chunk->next;
        chunk_free(chunk);
    }
    mem_free(c);
}

struct chunks *chunks_copy(const struct chunks *c)
{
    struct chunks *copy = chunks_new();
    for (const struct chunk *chunk = c->first; chunk != NULL; chunk = chunk->next) {
        unsigned char *data = mem_dup(chunk->data, MAX_OF(chunk->bytes, 1u));
        link_behind(copy, copy->last, chunk_new(data, chunk->bytes, chunk->count, chunk->plain));
    }
    copy->count = c->count;
    return copy;
}

void chunks_adopt(struct chunks *c, unsigned char *listpack)
{
    size_t count = listpack_count(listpack);
    ASSERT(count != 0);
    link_behind(c, c->last, chunk_new(listpack, listpack_bytes(listpack), (uint32_t)count, false));
    c->count += count;
}

void chunks_adopt_plain(struct chunks *c, void *data, size_t len)
{
    link_behind(c, c->last, chunk_new(data, len, 1, true));
    c->count++;
}

unsigned char *chunks_give_up(struct chunks *c)
{
    ASSERT(c->chunk_count == 1 && !c->first->plain);
    unsigned char *listpack = *whole(c->first);
    mem_free(c->first);
    mem_free(c);
    return listpack;
}

size_t chunks_memory(const struct chunks *c, size_t samples)
{
    size_t bytes = 0, seen = 0;
    for (const struct chunk *chunk = c->first; chunk != NULL && (samples == 0 || seen < samples);
         chunk = chunk->next, seen++)
        bytes += mem_usable(chunk) + mem_usable(block_of(chunk));
    if (seen != 0 && seen < c->chunk_count)
        bytes = (size_t)((double)bytes / (double)seen * (double)c->chunk_count);
    return mem_usable(c) + bytes;
}

/* ---- going about ---- */

static void to_first(struct chunks_at *at, struct chunk *chunk)
{
    at->chunk = chunk;
    at->position = chunk->plain ? 0 : listpack_first(chunk->data);
}

static void to_last(struct chunks_at *at, struct chunk *chunk)
{
    at->chunk = chunk;
    at->position = chunk->plain ? 0 : listpack_last(chunk->data);
}

bool chunks_seek(const struct chunks *c, int64_t index, struct chunks_at *at)
{
    uint64_t from_end = index < 0 ? -(uint64_t)index : c->count - (uint64_t)index; /* 1: the last */
    if (index < 0 ? from_end > c->count : (uint64_t)index >= c->count)
        return false;
    uint64_t skip = c->count - from_end;
    struct chunk *chunk;
    if (skip < from_end) {
        for (chunk = c->first; skip >= chunk->count; chunk = chunk->next)
            skip -= chunk->count;
    } else {
        for (chunk = c->last; from_end > chunk->count; chunk = chunk->prev)
            from_end -= chunk->count;
        skip = chunk->count - from_end;
    }
    at->chunk = chunk;
    at->position = chunk->plain ? 0 : listpack_seek(chunk->data, (int64_t)skip);
    return true;
}

bool chunks_next(struct chunks_at *at)
{
    if (!at->chunk->plain) {
        at->position = listpack_next(at->chunk->data, at->position);
        if (at->position != 0)
            return true;
    }
    if (at->chunk->next == NULL)
        return false;
    to_first(at, at->chunk->next);
    return true;
}

bool chunks_prev(struct chunks_at *at)
{
    if (!at->chunk->plain) {
        at->position = listpack_prev(at->chunk->data, at->position);
        if (at->position != 0)
            return true;
    }
    if (at->chunk->prev == NULL)
        return false;
    to_last(at, at->chunk->prev);
    return true;
}

struct slice chunks_text(const struct chunks_at *at, char room[LISTPACK_TEXT])
{
    if (at->chunk->plain)
        return slice_of(at->chunk->data, at->chunk->bytes);
    return listpack_text(at->chunk->data, at->position, room);
}

bool chunks_equals(const struct chunks_at *at, struct slice value)
{
    if (at->chunk->plain)
        return slice_eq(slice_of(at->chunk->data, at->chunk->bytes), value);
    return listpack_equals(at->chunk->data, at->position, value);
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
    if (!has_room(front ? c->first : c->last, limits, value))
        insert_chunk(c, limits, front ? NULL : c->last, value);
    else if (front)
        prepend_to(c, limits, c->first, value);
    else
        append_to(c, c->last, value);
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
    if (has_room(before, limits, value))
        append_to(c, before, value);
    else if (has_room(after, limits, value))
        prepend_to(c, limits, after, value);
    else
        insert_chunk(c, limits, before, value);
}

void chunks_insert(struct chunks *c, const struct chunks_limits *limits, const struct chunks_at *at,
                   struct slice value, bool behind)
{
    struct chunk *chunk = at->chunk;
    if (has_room(chunk, limits, value)) {
        if (behind)
            listpack_insert_after(whole(chunk), at->position, value);
        else
            listpack_insert_before(whole(chunk), at->position, value);
        chunk_changed(c, chunk, 1);
        return;
    }
    uint32_t position = 0; /* of the element that will follow; 0: it is in the next chunk */
    if (!chunk->plain)
        position = behind ? listpack_next(chunk->data, at->position) : at->position;
    if (behind && position == 0) {
        insert_between(c, limits, chunk, chunk->next, value);
    } else if (chunk->plain || position == listpack_first(chunk->data)) {
        insert_between(c, limits, chunk->prev, chunk, value);
    } else {
        split(c, chunk, position);
        struct chunk *rest = chunk->next;
        insert_between(c, limits, chunk, rest, value);
        merge_with_next(c, limits, rest);
        merge_with_next(c, limits, chunk->prev);
    }
}

/* ---- changing and removing ---- */

void chunks_replace(struct chunks *c, const struct chunks_limits *limits,
                    const struct chunks_at *at, struct slice value)
{
    struct chunk *chunk = at->chunk;
    bool plain = value.len >= limits->plain_min;
    if (!chunk->plain && !plain) {
        size_t fresh =
            chunk->bytes - listpack_size_at(chunk->data, at->position) + listpack_size_of(value);
        if (chunk->count == 1 || fresh <= MAX_OF(limits->bytes, chunk->bytes)) {
            listpack_replace(whole(chunk), at->position, value);
            chunk_changed(c, chunk, 0);
            return;
        }
    }
    if (chunk->count == 1) { /* the element is the chunk: another one takes its place */
        insert_chunk(c, limits, chunk, value);
        unlink_chunk(c, chunk);
        c->count--;
        return;
    }
    /* What follows the element is split off, the element goes, and the value comes between. */
    uint32_t next = listpack_next(chunk->data, at->position);
    if (next != 0)
        split(c, chunk, next);
    struct chunk *before = chunk, *after = chunk->next;
    listpack_delete(whole(chunk), at->position);
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
    struct chunk *chunk = at->chunk;
    struct chunks_at other = *at;
    if (chunk->count == 1) {
        bool more = backwards ? chunks_prev(&other) : chunks_next(&other);
        unlink_chunk(c, chunk);
        c->count--;
        *at = other;
        return more;
    }
    bool more = !backwards || chunks_prev(&other); /* before it: stays where it is */
    uint32_t next = delete_in(c, chunk, at->position, 1);
    if (!backwards && next != 0) {
        other.position = next;
    } else if (!backwards) {
        more = chunk->next != NULL;
        if (more)
            to_first(&other, chunk->next);
    }
    *at = other;
    return more;
}

size_t chunks_delete_range(struct chunks *c, size_t index, size_t count)
{
    struct chunks_at at;
    if (index > INT64_MAX || !chunks_seek(c, (int64_t)index, &at))
        return 0;
    count = MIN_OF(count, c->count - index);
    size_t left = count;
    struct chunk *chunk = at.chunk;
    uint32_t position = at.position;
    while (left != 0) {
        struct chunk *next = chunk->next;
        bool from_first = chunk->plain || position == listpack_first(chunk->data);
        if (from_first && chunk->count <= left) {
            left -= chunk->count;
            c->count -= chunk->count;
            unlink_chunk(c, chunk);
        } else {
            uint32_t was = chunk->count;
            delete_in(c, chunk, position, left);
            left -= was - chunk->count;
        }
        chunk = next;
        position = chunk == NULL || chunk->plain ? 0 : listpack_first(chunk->data);
    }
    return count;
}
