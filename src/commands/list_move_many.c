/* list_move_many.c - several elements from the end of one list to an end of another: LMOVEM, and
 * BLMOVEM, which waits for them.
 *
 * One by one (OBO) is as many LMOVEs: what is taken first is put first. As a block (BULK) they keep
 * their order. What is logged are pushes and a pop, which every server knows; the pushes come
 * first, so that a list that is moved onto itself is never empty in between.
 *
 * Very many elements are moved aside (engine/aside.h): all is made of them before the shards are
 * taken back, the record for the log too, and then cut out of one list and joined to the other.
 */
#include "commands/list.h"

#include "base/mem.h"
#include "base/number.h"
#include "base/pace.h"
#include "engine/aside.h"
#include "engine/block.h"

#define LOGGED_AT_ONCE 1024 /* elements in one command */
#define PACE_ELEMENTS  256  /* between two looks whether others want the processor */

struct moving {
    bool from_front, to_front;
    bool exactly; /* all or none; else as many as there are, up to count */
    bool block;
    int64_t count;
};

/* The ends at two arguments, and the options from argument `at` on. */
static bool read_moving(struct call *call, uint32_t at, struct moving *out)
{
    *out = (struct moving){.count = 1};
    if (!list_read_end(call, 3, &out->from_front) || !list_read_end(call, 4, &out->to_front))
        return false;
    if (call->argc == at)
        return true;
    bool good = call->argc == at + 3;
    if (good) {
        struct slice how_many = call->argv[at], order = call->argv[at + 2];
        out->exactly = slice_is(how_many, "exactly");
        out->block = slice_is(order, "bulk");
        good =
            (out->exactly || slice_is(how_many, "count")) && (out->block || slice_is(order, "obo"));
    }
    if (!good) {
        call_syntax_error(call);
        return false;
    }
    return call_i64_range(call, at + 1, 1, INT64_MAX, &out->count,
                          "ERR count should be greater than 0");
}

/* Copies of elements, for what they are borrowed from will change. */
struct taken {
    struct slice *values; /* in the order in which they are taken */
    size_t count;
    struct bytes text;
};

static void take(struct value list, bool front, size_t count, struct taken *out)
{
    char room[LISTPACK_TEXT];
    struct list_at at;
    size_t *lengths = mem_alloc(count * sizeof *lengths);
    bool there = list_seek(list, front ? 0 : -1, &at);
    *out = (struct taken){.values = mem_alloc(count * sizeof *out->values)};
    for (; out->count < count && there; out->count++) {
        struct slice text = list_text(list, &at, room);
        bytes_append(&out->text, text.data, text.len);
        lengths[out->count] = text.len;
        there = front ? list_next(list, &at) : list_prev(list, &at);
    }
    if (there)
        list_done(list, &at);
    const char *data = bytes_slice(&out->text).data;
    for (size_t i = 0; i < out->count; i++) {
        out->values[i] = slice_of(data, lengths[i]);
        data += lengths[i];
    }
    mem_free(lengths);
}

static void turn_round(struct taken *taken)
{
    for (size_t i = 0, j = taken->count; i + 1 < j; i++) {
        struct slice value = taken->values[--j];
        taken->values[j] = taken->values[i];
        taken->values[i] = value;
    }
}

static void reply_taken(struct call *call, const struct taken *taken)
{
    reply_array(call->reply, taken->count);
    for (size_t i = 0; i < taken->count; i++) {
        if (i % PACE_ELEMENTS == 0)
            pace();
        reply_bulk(call->reply, taken->values[i]);
    }
}

static void log_move(struct call *call, const struct moving *how, struct slice from,
                     struct slice to, const struct taken *taken)
{
    char digits[NUMBER_TEXT_MAX];
    struct slice pop[] = {how->from_front ? SLICE("LPOP") : SLICE("RPOP"), from,
                          slice_of(digits, number_print_u64(digits, taken->count))};
    size_t most = MIN_OF(taken->count, (size_t)LOGGED_AT_ONCE);
    struct slice *push = mem_alloc((2 + most) * sizeof *push);
    push[0] = how->to_front ? SLICE("LPUSH") : SLICE("RPUSH");
    push[1] = to;
    for (size_t i = 0, count; i < taken->count; i += count) {
        count = MIN_OF(taken->count - i, most);
        memcpy(push + 2, taken->values + i, count * sizeof *push);
        call_effect(call, (uint32_t)(2 + count), push);
        pace();
    }
    call_effect(call, COUNT_OF(pop), pop);
    mem_free(push);
}

/* From an end of a list to the same end of the same list nothing moves: it is the first element
 * again and again, or a block that stays. */
static void reply_standing(struct call *call, const struct moving *how, struct value list,
                           size_t count)
{
    struct taken taken;
    take(list, how->from_front, count, &taken);
    for (size_t i = 1; i < taken.count && !how->block; i++)
        taken.values[i] = taken.values[0];
    if (how->block && !how->from_front)
        turn_round(&taken);
    reply_taken(call, &taken);
    mem_free(taken.values);
    bytes_free(&taken.text);
}

/* A list of what was taken, so that only the two lists have to be joined in the end. */
static struct value list_of(struct call *call, const struct taken *taken, bool front)
{
    struct value list = list_new();
    for (size_t i = 0, count; i < taken->count; i += count) {
        count = MIN_OF(taken->count - i, (size_t)PACE_ELEMENTS);
        list_push(&list, list_limits_of(call), taken->values + i, count, front);
        pace();
    }
    return list;
}

/* `list`, if there is one, has the same as what was taken. */
static void put(struct call *call, const struct key *key, struct entry *entry,
                const struct taken *taken, struct value list, bool front)
{
    if (list.pointer != NULL && entry == NULL) {
        list_pushed(call, key, NULL, list, front);
        return;
    }
    if (list.pointer != NULL) {
        struct value target = keyspace_edit_value(&call->hold, key, entry);
        if (list_join(&target, list, front)) {
            list_pushed(call, key, entry, target, front);
            return;
        }
        value_free(list);
    }
    list_push_values(call, key, entry, taken->values, taken->count, front);
}

/* The ends of a move: what is under the keys, which are lists or nothing. */
struct ends {
    struct key from, to;
    struct entry *source, *target;
};

static void move_taken(struct call *call, const struct moving *how, struct ends *ends,
                       struct taken *taken)
{
    struct value fresh = {0};
    if (how->block && !how->from_front)
        turn_round(taken); /* as they stood */
    reply_taken(call, taken);
    if (how->block && how->to_front)
        turn_round(taken); /* as they are to be pushed */
    log_move(call, how, ends->from.name, ends->to.name, taken);
    if (UNLIKELY(call->aside))
        fresh = list_of(call, taken, how->to_front);
    if (!list_take_back(call, &ends->from, &ends->source)) {
        value_free(fresh);
        return;
    }
    if (UNLIKELY(call->aside))
        ends->target = keyspace_find(&call->hold, &ends->to, FIND_PEEK);
    struct value list = keyspace_edit_value(&call->hold, &ends->from, ends->source);
    list_take_range(call, &list, how->from_front ? 0 : list_count(list) - taken->count,
                    taken->count);
    keyspace_value_edited(ends->source, list);
    put(call, &ends->to, ends->target, taken, fresh, how->to_front);
    list_shrunk(call, &ends->from, ends->source, entry_value(ends->source), taken->count,
                how->from_front ? "lpop" : "rpop");
}

/* False: there is not enough to move, and nothing was replied. */
static bool move_many(struct call *call, const struct moving *how)
{
    struct ends ends = {.from = call_key(call, 1), .to = call_key(call, 2)};
    struct taken taken;
    if (!list_find(call, &ends.from, FIND_WRITE, &ends.source))
        return true;
    if (ends.source == NULL)
        return false;
    if (!list_find(call, &ends.to, FIND_WRITE, &ends.target))
        return true;
    struct value list = entry_value(ends.source);
    size_t len = list_count(list);
    if (how->exactly && len < (uint64_t)how->count)
        return false;
    size_t count = (size_t)MIN_OF((uint64_t)how->count, len);
    if (!(call->command->flags & CMD_BLOCKING)) {
        if (call_aside(call, count))
            return true;
        call_let_go(call, &list, 1);
    }
    if (ends.source == ends.target && how->from_front == how->to_front) {
        reply_standing(call, how, list, count);
        return true;
    }
    take(list, how->from_front, count, &taken);
    move_taken(call, how, &ends, &taken);
    mem_free(taken.values);
    bytes_free(&taken.text);
    return true;
}

void list_lmovem(struct call *call)
{
    struct moving how;
    if (read_moving(call, 5, &how) && !move_many(call, &how))
        reply_null_array(call->reply);
}

void list_blmovem(struct call *call)
{
    struct moving how;
    struct block_options options = {.type = TYPE_LIST, .moves = true, .keys = 1};
    if (!read_moving(call, 6, &how) ||
        !call_block_until(call, call->argv[5], false, &options.until_us) || move_many(call, &how))
        return;
    if (call_may_block(call))
        call_block(call, &options);
    else
        reply_null_array(call->reply);
}
