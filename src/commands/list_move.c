/* list_move.c - from the end of one list to another (LMOVE, RPOPLPUSH), and from the first of
 * several (LMPOP).
 */
#include "commands/list.h"

#include "base/mem.h"
#include "base/number.h"

/* ---- LMOVE, RPOPLPUSH ---- */

/* The element is copied: adding it may move what it was borrowed from. */
bool list_move(struct call *call, bool from_front, bool to_front)
{
    struct key from = call_key(call, 1), to = call_key(call, 2);
    struct entry *source, *target;
    if (!list_find(call, &from, FIND_WRITE, &source))
        return true;
    if (source == NULL)
        return false;
    if (!list_find(call, &to, FIND_WRITE, &target))
        return true;
    char room[LISTPACK_TEXT];
    struct list_at at;
    struct value list = keyspace_edit_value(&call->hold, &from, source);
    list_seek(list, from_front ? 0 : -1, &at);
    struct slice text = list_text(list, &at, room);
    struct bytes element = {0};
    bytes_append(&element, text.data, text.len);
    list_remove_range(&list, from_front ? 0 : list_count(list) - 1, 1);
    keyspace_value_edited(source, list);

    struct slice moved = bytes_slice(&element);
    list_push_values(call, &to, target, &moved, 1, to_front);
    reply_bulk(call->reply, moved);
    bytes_free(&element);
    /* Of the same name: one list, which is filed already and is not empty. Filing a new target
     * leaves other entries where they are. */
    list_shrunk(call, &from, source, entry_value(source), 1, from_front ? "lpop" : "rpop");
    return true;
}

void list_lmove(struct call *call)
{
    bool from_front, to_front;
    if (list_read_end(call, 3, &from_front) && list_read_end(call, 4, &to_front) &&
        !list_move(call, from_front, to_front))
        reply_null(call->reply);
}

void list_rpoplpush(struct call *call)
{
    if (!list_move(call, false, true))
        reply_null(call->reply);
}

/* ---- LMPOP ---- */

/* Takes elements and replies the key with them; logged as the pop of one list that it is. */
static void pop_from(struct call *call, const struct key *key, struct entry *entry, int64_t wanted,
                     bool front)
{
    size_t count = list_pop_many(call, key, entry, (uint64_t)wanted, front, true);
    if (UNLIKELY(count == 0))
        return;
    char digits[NUMBER_TEXT_MAX];
    struct slice argv[] = {front ? SLICE("LPOP") : SLICE("RPOP"), key->name,
                           slice_of(digits, number_print_u64(digits, count))};
    call_effect(call, COUNT_OF(argv), argv);
}

/* The number of keys, the keys, the end, and COUNT if there is one. */
bool list_read_mpop(struct call *call, uint32_t at, struct list_mpop *out)
{
    static const char wrong_count[] = "ERR count should be greater than 0";
    int64_t number;
    *out = (struct list_mpop){.first_key = at + 1, .count = 1};
    if (!call_i64_range(call, at, 1, INT64_MAX, &number, "ERR numkeys should be greater than 0"))
        return false;
    if (number >= call->argc - at - 1) {
        call_syntax_error(call);
        return false;
    }
    out->keys = (uint32_t)number;
    at += 1 + out->keys;
    if (!list_read_end(call, at, &out->front))
        return false;
    if (at + 1 == call->argc)
        return true;
    if (at + 3 != call->argc || !slice_is(call->argv[at + 1], "count")) {
        /* The first COUNT is read before what follows it is found to be wrong. */
        if (at + 3 > call->argc || !slice_is(call->argv[at + 1], "count") ||
            call_i64_range(call, at + 2, 1, INT64_MAX, &out->count, wrong_count))
            call_syntax_error(call);
        return false;
    }
    return call_i64_range(call, at + 2, 1, INT64_MAX, &out->count, wrong_count);
}

bool list_mpop(struct call *call, const struct list_mpop *what)
{
    for (uint32_t i = 0; i < what->keys; i++) {
        struct key key = call_key(call, what->first_key + i);
        struct entry *entry;
        if (!list_find(call, &key, FIND_WRITE, &entry))
            return true;
        if (entry != NULL) {
            pop_from(call, &key, entry, what->count, what->front);
            return true;
        }
    }
    return false;
}

void list_lmpop(struct call *call)
{
    struct list_mpop what;
    if (list_read_mpop(call, 1, &what) && !list_mpop(call, &what))
        reply_null_array(call->reply);
}
