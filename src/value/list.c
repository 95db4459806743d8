/* list.c - lists over a listpack or chunks of them, and when one becomes the other. */
#include "value/list.h"
#include "base/mem.h"
#include "base/panic.h"

#define COUNTED_BYTES_MAX 8192 /* of a chunk whose limit is a count of elements */

/* ---- limits ---- */

struct chunks_limits list_limits(const struct value_limits *limits)
{
    static const size_t sizes[] = {4096, 8192, 16384, 32768, 65536};
    int64_t size = RELAXED_LOAD(&limits->list_max_listpack_size);
    uint64_t threshold = RELAXED_LOAD(&limits->list_packed_threshold);
    struct chunks_limits out;
    if (size < 0) {
        size_t level = size < -(int64_t)COUNT_OF(sizes) ? COUNT_OF(sizes) : (size_t)-size;
        out = (struct chunks_limits){.bytes = sizes[level - 1], .count = UINT16_MAX - 1};
    } else {
        out = (struct chunks_limits){.bytes = COUNTED_BYTES_MAX,
                                     .count = (size_t)MIN_OF(MAX_OF(size, 1), UINT16_MAX - 1)};
    }
    out.plain_min = out.bytes + 1;
    if (threshold != 0)
        out.plain_min = (size_t)MIN_OF(threshold, (uint64_t)LISTPACK_BYTES_MAX / 2);
    return out;
}

static size_t depth_of(const struct value_limits *limits)
{
    return (size_t)RELAXED_LOAD(&limits->list_compress_depth);
}

/* ---- forms ---- */

static bool is_small(struct value list)
{
    return list.encoding == ENCODING_LISTPACK;
}

struct value list_new(void)
{
    return (struct value){listpack_new(0), TYPE_LIST, ENCODING_LISTPACK};
}

size_t list_count(struct value list)
{
    return is_small(list) ? listpack_count(list.pointer) : ((struct chunks *)list.pointer)->count;
}

static void to_chunks(struct value *list, const struct value_limits *limits)
{
    struct chunks *chunks = chunks_new(depth_of(limits));
    if (listpack_first(list->pointer) != 0)
        chunks_adopt(chunks, list->pointer);
    else
        listpack_free(list->pointer);
    list->pointer = chunks;
    list->encoding = ENCODING_QUICKLIST;
}

/* To be called before values are added: whether the listpack would grow too large. */
static void make_room(struct value *list, const struct value_limits *limits,
                      const struct chunks_limits *most, const struct slice *values, size_t count)
{
    if (!is_small(*list))
        return;
    size_t bytes = listpack_bytes(list->pointer), elements = listpack_count(list->pointer);
    bool fits = count <= most->count && elements <= most->count - count;
    for (size_t i = 0; fits && i < count; i++) {
        bytes += values[i].len;
        fits = bytes <= most->bytes && values[i].len < most->plain_min;
    }
    if (!fits)
        to_chunks(list, limits);
}

void list_settle(struct value *list, const struct value_limits *limits, bool shrinking)
{
    struct chunks_limits most = list_limits(limits);
    if (is_small(*list)) {
        make_room(list, limits, &most, NULL, 0);
        if (is_small(*list) && listpack_bytes(list->pointer) > most.bytes)
            to_chunks(list, limits);
        return;
    }
    const struct chunks *chunks = list->pointer;
    if (chunks->chunk_count != 1 || chunks->first->plain)
        return;
    unsigned share = shrinking ? 2 : 1;
    if (chunks->first->bytes <= most.bytes / share && chunks->count <= most.count / share) {
        list->pointer = chunks_give_up(list->pointer);
        list->encoding = ENCODING_LISTPACK;
    }
}

/* ---- going about ---- */

bool list_seek(struct value list, int64_t index, struct list_at *at)
{
    if (!is_small(list))
        return chunks_seek(list.pointer, index, &at->place);
    at->place = (struct chunks_at){.position = listpack_seek(list.pointer, index)};
    return at->place.position != 0;
}

bool list_next(struct value list, struct list_at *at)
{
    if (!is_small(list))
        return chunks_next(&at->place);
    at->place.position = listpack_next(list.pointer, at->place.position);
    return at->place.position != 0;
}

bool list_prev(struct value list, struct list_at *at)
{
    if (!is_small(list))
        return chunks_prev(&at->place);
    at->place.position = listpack_prev(list.pointer, at->place.position);
    return at->place.position != 0;
}

void list_done(struct value list, struct list_at *at)
{
    if (!is_small(list))
        chunks_done(&at->place);
}

void list_forget(struct list_at *at)
{
    chunks_forget(&at->place);
}

struct slice list_text(struct value list, const struct list_at *at, char room[LISTPACK_TEXT])
{
    return is_small(list) ? listpack_text(list.pointer, at->place.position, room)
                          : chunks_text(&at->place, room);
}

bool list_equals(struct value list, const struct list_at *at, struct slice value)
{
    return is_small(list) ? listpack_equals(list.pointer, at->place.position, value)
                          : chunks_equals(&at->place, value);
}

/* ---- adding and changing ---- */

static void push_one(struct value *list, const struct chunks_limits *limits, struct slice value,
                     bool front)
{
    unsigned char *listpack = list->pointer;
    if (!is_small(*list)) {
        chunks_push(list->pointer, limits, value, front);
        return;
    }
    if (front)
        listpack_prepend(&listpack, value);
    else
        listpack_append(&listpack, value);
    list->pointer = listpack;
}

void list_push(struct value *list, const struct value_limits *limits, const struct slice *values,
               size_t count, bool front)
{
    struct chunks_limits most = list_limits(limits);
    make_room(list, limits, &most, values, count);
    for (size_t i = 0; i < count; i++)
        push_one(list, &most, values[i], front);
}

bool list_join(struct value *list, struct value more, bool front)
{
    return !is_small(*list) && !is_small(more) && chunks_join(list->pointer, more.pointer, front);
}

/* Goes to the first element from `at` on that equals value. */
static bool find(struct value list, struct list_at *at, struct slice value, bool backwards)
{
    while (!list_equals(list, at, value))
        if (!(backwards ? list_prev(list, at) : list_next(list, at)))
            return false;
    return true;
}

bool list_search(struct value list, struct slice value, struct list_at *at)
{
    return list_seek(list, 0, at) && find(list, at, value, false);
}

bool list_has_near(struct value list, struct slice value, size_t wanted, size_t near,
                   bool backwards)
{
    struct list_at at;
    bool more = near != 0 && list_seek(list, backwards ? -1 : 0, &at);
    for (size_t looked = 1; more; looked++) {
        if (list_equals(list, &at, value))
            wanted--;
        if (wanted == 0 || looked == near)
            break;
        more = backwards ? list_prev(list, &at) : list_next(list, &at);
    }
    if (more)
        list_done(list, &at);
    return wanted == 0;
}

void list_insert_at(struct value *list, const struct value_limits *limits, struct list_at *at,
                    struct slice value, bool behind)
{
    struct chunks_limits most = list_limits(limits);
    ASSERT(!is_small(*list));
    chunks_insert(list->pointer, &most, &at->place, value, behind);
}

bool list_insert(struct value *list, const struct value_limits *limits, struct slice pivot,
                 struct slice value, bool behind)
{
    struct chunks_limits most = list_limits(limits);
    struct list_at at;
    make_room(list, limits, &most, &value, 1);
    if (!list_search(*list, pivot, &at))
        return false;
    if (!is_small(*list)) {
        chunks_insert(list->pointer, &most, &at.place, value, behind);
        return true;
    }
    unsigned char *listpack = list->pointer;
    if (behind)
        listpack_insert_after(&listpack, at.place.position, value);
    else
        listpack_insert_before(&listpack, at.place.position, value);
    list->pointer = listpack;
    return true;
}

bool list_set(struct value *list, const struct value_limits *limits, int64_t index,
              struct slice value)
{
    struct chunks_limits most = list_limits(limits);
    struct list_at at;
    if (!list_seek(*list, index, &at))
        return false;
    if (is_small(*list)) {
        make_room(list, limits, &most, &value, 1);
        if (!is_small(*list) && !list_seek(*list, index, &at))
            return false;
    }
    if (is_small(*list)) {
        unsigned char *listpack = list->pointer;
        listpack_replace(&listpack, at.place.position, value);
        list->pointer = listpack;
        return true;
    }
    chunks_replace(list->pointer, &most, &at.place, value);
    list_settle(list, limits, true);
    return true;
}

/* ---- removing ---- */

/* Removes the element and goes on; false: that was the last one. */
static bool delete_at(struct value *list, struct list_at *at, bool backwards)
{
    if (!is_small(*list))
        return chunks_delete(list->pointer, &at->place, backwards);
    unsigned char *listpack = list->pointer;
    uint32_t before = backwards ? listpack_prev(listpack, at->place.position) : 0;
    uint32_t next = listpack_delete(&listpack, at->place.position);
    list->pointer = listpack;
    at->place.position = backwards ? before : next;
    return at->place.position != 0;
}

size_t list_remove(struct value *list, struct slice value, size_t most, bool backwards)
{
    struct list_at at;
    size_t removed = 0;
    bool more = list_seek(*list, backwards ? -1 : 0, &at);
    while (more && find(*list, &at, value, backwards)) {
        more = delete_at(list, &at, backwards);
        if (++removed == most) {
            if (more)
                list_done(*list, &at);
            break;
        }
    }
    return removed;
}

size_t list_remove_range(struct value *list, size_t index, size_t count)
{
    if (!is_small(*list))
        return chunks_delete_range(list->pointer, index, count);
    if (index > INT64_MAX)
        return 0;
    unsigned char *listpack = list->pointer;
    size_t removed = listpack_delete_range(&listpack, (int64_t)index, count);
    list->pointer = listpack;
    return removed;
}

static struct value rest_of(struct chunks *chunks)
{
    return (struct value){chunks, TYPE_LIST, ENCODING_QUICKLIST};
}

size_t list_cut_range(struct value *list, size_t index, size_t count, struct value *rest)
{
    struct chunks *chunks = NULL;
    size_t removed = is_small(*list) ? list_remove_range(list, index, count)
                                     : chunks_cut_range(list->pointer, index, count, &chunks);
    *rest = rest_of(chunks);
    return removed;
}

struct chunks_removal *list_plan_removal(struct value list, struct slice value, size_t most,
                                         bool backwards)
{
    ASSERT(!is_small(list));
    return chunks_plan_removal(list.pointer, value, most, backwards);
}

size_t list_remove_planned(struct value *list, struct chunks_removal *plan, struct value *rest)
{
    struct chunks *chunks;
    size_t removed = chunks_remove_planned(list->pointer, plan, &chunks);
    *rest = rest_of(chunks);
    return removed;
}

/* ---- reading RDB ---- */

struct value list_begin(const struct value_limits *limits)
{
    return (struct value){chunks_new(depth_of(limits)), TYPE_LIST, ENCODING_QUICKLIST};
}

void list_adopt(struct value list, unsigned char *listpack)
{
    chunks_adopt(list.pointer, listpack);
}

void list_adopt_plain(struct value list, struct slice element)
{
    void *data = element.len != 0 ? mem_dup(element.data, element.len) : mem_alloc(1);
    chunks_adopt_plain(list.pointer, data, element.len);
}

void list_append(struct value list, const struct value_limits *limits, struct slice element)
{
    struct chunks_limits most = list_limits(limits);
    chunks_push(list.pointer, &most, element, false);
}

/* ---- the class ---- */

static void class_free(struct value list)
{
    if (is_small(list))
        listpack_free(list.pointer);
    else
        chunks_free(list.pointer);
}

static size_t class_effort(struct value list)
{
    return is_small(list) ? 1 : ((struct chunks *)list.pointer)->chunk_count;
}

static size_t class_memory(struct value list, size_t samples)
{
    return is_small(list) ? listpack_memory(list.pointer) : chunks_memory(list.pointer, samples);
}

static struct value class_copy(struct value list)
{
    list.pointer = is_small(list) ? (void *)listpack_copy(list.pointer) : chunks_copy(list.pointer);
    return list;
}

static void class_each(struct value list, value_visit_fn visit, void *ctx)
{
    struct list_at at;
    for (bool more = list_seek(list, 0, &at); more; more = list_next(list, &at)) {
        char room[LISTPACK_TEXT];
        struct slice element = list_text(list, &at, room);
        visit(ctx, &element, 1);
    }
}

const struct value_class list_class = {
    .ordered = true,
    .free = class_free,
    .effort = class_effort,
    .memory = class_memory,
    .copy = class_copy,
    .each = class_each,
};
