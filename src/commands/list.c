/* list.c - the list family: adding at the ends and within, taking away, looking, and its rows. */
#include "commands/list.h"

#include "commands/commands.h"
#include "base/panic.h"
#include "commands/plain.h"
#include "engine/aside.h"
#include "engine/block.h"

#define NEAR_PART 16 /* of the elements from which on a search runs aside: looked at before */

/* ---- what the family shares ---- */

bool list_read_end(struct call *call, uint32_t at, bool *front)
{
    *front = slice_is(call->argv[at], "left");
    if (*front || slice_is(call->argv[at], "right"))
        return true;
    call_syntax_error(call);
    return false;
}

size_t list_push_values(struct call *call, const struct key *key, struct entry *entry,
                        const struct slice *values, size_t count, bool front)
{
    struct value list = entry != NULL ? keyspace_edit_value(&call->hold, key, entry) : list_new();
    list_push(&list, list_limits_of(call), values, count, front);
    return list_pushed(call, key, entry, list, front);
}

size_t list_pushed(struct call *call, const struct key *key, struct entry *entry, struct value list,
                   bool front)
{
    if (entry != NULL) {
        keyspace_value_edited(entry, list);
        call_ready(call, key); /* to those who wait for more than one element */
    } else {
        keyspace_put_value(&call->hold, key, NULL, list, EXPIRE_NONE);
    }
    call_notify(call, 'l', front ? "lpush" : "rpush", key);
    return list_count(list);
}

/* Replies `count` elements, all of them there, from a place on, which is done then. */
static void reply_elements(struct call *call, struct value list, struct list_at *at, size_t count,
                           bool backwards)
{
    char room[LISTPACK_TEXT];
    reply_array(call->reply, count);
    for (size_t i = 0; i < count; i++) {
        if (i != 0)
            backwards ? list_prev(list, at) : list_next(list, at);
        reply_bulk(call->reply, list_text(list, at, room));
    }
    list_done(list, at);
}

void list_reply_end(struct call *call, struct value list, size_t count, bool front)
{
    struct list_at at;
    list_seek(list, front ? 0 : -1, &at);
    reply_elements(call, list, &at, count, !front);
}

void list_take_range(struct call *call, struct value *list, size_t index, size_t count)
{
    struct value rest;
    list_cut_range(list, index, count, &rest);
    if (rest.pointer != NULL)
        keyspace_discard(&call->hold, rest, false);
}

bool list_take_back(struct call *call, const struct key *key, struct entry **entry)
{
    if (LIKELY(!call->aside))
        return true;
    if (!call_take_back(call))
        return false;
    bool found = list_find(call, key, FIND_PEEK, entry) && *entry != NULL;
    ASSERT(found);
    return true;
}

void list_shrunk(struct call *call, const struct key *key, struct entry *entry, struct value list,
                 size_t removed, const char *event)
{
    call_changed(call, removed);
    call_notify(call, 'l', event, key);
    if (list_count(list) != 0) {
        list_settle(&list, list_limits_of(call), true);
        keyspace_value_edited(entry, list);
        return;
    }
    keyspace_value_edited(entry, list);
    keyspace_remove(&call->hold, key, entry, false);
    call_notify(call, 'g', "del", key);
}

/* ---- LPUSH, RPUSH, LPUSHX, RPUSHX ---- */

static void push(struct call *call, bool front, bool only_existing)
{
    struct key key = call_first_key(call);
    struct entry *entry;
    if (!list_find(call, &key, FIND_WRITE, &entry))
        return;
    if (entry == NULL && only_existing) {
        reply_int(call->reply, 0);
        return;
    }
    size_t len = list_push_values(call, &key, entry, call->argv + 2, call->argc - 2, front);
    call_changed(call, call->argc - 2);
    reply_int(call->reply, (int64_t)len);
}

static void lpush_command(struct call *call)
{
    push(call, true, false);
}

static void rpush_command(struct call *call)
{
    push(call, false, false);
}

static void lpushx_command(struct call *call)
{
    push(call, true, true);
}

static void rpushx_command(struct call *call)
{
    push(call, false, true);
}

/* ---- LPOP, RPOP ---- */

void list_pop_one(struct call *call, const struct key *key, struct entry *entry, bool front)
{
    char room[LISTPACK_TEXT];
    struct list_at at;
    struct value list = keyspace_edit_value(&call->hold, key, entry);
    list_seek(list, front ? 0 : -1, &at);
    reply_bulk(call->reply, list_text(list, &at, room));
    list_remove_range(&list, front ? 0 : list_count(list) - 1, 1);
    list_shrunk(call, key, entry, list, 1, front ? "lpop" : "rpop");
}

/* A command that may have to wait for a key cannot run aside. */
size_t list_pop_many(struct call *call, const struct key *key, struct entry *entry, uint64_t wanted,
                     bool front, bool named)
{
    struct value list = entry_value(entry);
    size_t len = list_count(list), count = (size_t)MIN_OF(wanted, len);
    if (!(call->command->flags & CMD_BLOCKING)) {
        if (call_aside(call, count))
            return 0;
        call_let_go(call, &list, 1);
    }
    if (named) {
        reply_array(call->reply, 2);
        reply_bulk(call->reply, key->name);
    }
    list_reply_end(call, list, count, front);
    if (!list_take_back(call, key, &entry))
        return 0;
    list = keyspace_edit_value(&call->hold, key, entry);
    list_take_range(call, &list, front ? 0 : len - count, count);
    list_shrunk(call, key, entry, list, count, front ? "lpop" : "rpop");
    return count;
}

static void pop(struct call *call, bool front)
{
    struct key key = call_first_key(call);
    struct entry *entry;
    int64_t wanted = 1;
    bool counted = call->argc == 3;
    if (call->argc > 3) {
        call_wrong_arity(call);
        return;
    }
    if (counted && !call_i64_range(call, 2, 0, INT64_MAX, &wanted,
                                   "ERR value is out of range, must be positive"))
        return;
    if (!list_find(call, &key, FIND_WRITE, &entry))
        return;
    if (entry == NULL) {
        counted ? reply_null_array(call->reply) : reply_null(call->reply);
    } else if (!counted) {
        list_pop_one(call, &key, entry, front);
    } else if (wanted == 0) {
        reply_array(call->reply, 0);
    } else {
        list_pop_many(call, &key, entry, (uint64_t)wanted, front, false);
    }
}

static void lpop_command(struct call *call)
{
    pop(call, true);
}

static void rpop_command(struct call *call)
{
    pop(call, false);
}

/* ---- looking ---- */

static void llen_command(struct call *call)
{
    struct key key = call_first_key(call);
    struct entry *entry;
    if (list_find(call, &key, FIND_READ, &entry))
        reply_int(call->reply, entry ? (int64_t)list_count(entry_value(entry)) : 0);
}

static void lindex_command(struct call *call)
{
    struct key key = call_first_key(call);
    struct entry *entry;
    struct list_at at;
    char room[LISTPACK_TEXT];
    int64_t index = 0;
    if (!list_find(call, &key, FIND_READ, &entry) || (entry && !call_i64(call, 2, &index, NULL)))
        return;
    struct value list = entry ? entry_value(entry) : (struct value){0};
    if (entry && list_seek(list, index, &at)) {
        reply_bulk(call->reply, list_text(list, &at, room));
        list_done(list, &at);
    } else {
        reply_null(call->reply);
    }
}

/* The elements from `start` to `stop`, both counted and from the end if negative, of `len`: the
 * first of them, and how many. */
static size_t range_of(int64_t start, int64_t stop, size_t len, size_t *first)
{
    int64_t n = (int64_t)len;
    start = start < 0 ? MAX_OF(start + n, 0) : start;
    stop = stop < 0 ? stop + n : MIN_OF(stop, n - 1);
    *first = (size_t)start;
    return start > stop || start >= n ? 0 : (size_t)(stop - start) + 1;
}

static void lrange_command(struct call *call)
{
    struct key key = call_first_key(call);
    struct entry *entry;
    struct list_at at;
    int64_t start, stop;
    if (!call_i64(call, 2, &start, NULL) || !call_i64(call, 3, &stop, NULL) ||
        !list_find(call, &key, FIND_READ, &entry))
        return;
    struct value list = {0};
    size_t first, count = 0;
    if (entry) {
        list = entry_value(entry);
        count = range_of(start, stop, list_count(list), &first);
    }
    if (count == 0) {
        reply_array(call->reply, 0);
        return;
    }
    if (call_aside(call, count))
        return;
    call_let_go(call, &list, 1);
    list_seek(list, (int64_t)first, &at);
    reply_elements(call, list, &at, count, false);
}

/* ---- changing within ---- */

static void lset_command(struct call *call)
{
    struct key key = call_first_key(call);
    struct entry *entry;
    int64_t index;
    if (!list_find(call, &key, FIND_WRITE, &entry))
        return;
    if (entry == NULL) {
        call_error(call, "ERR no such key");
        return;
    }
    if (!call_i64(call, 2, &index, NULL))
        return;
    int64_t len = (int64_t)list_count(entry_value(entry));
    if (index >= len || index < -len) {
        call_error(call, "ERR index out of range");
        return;
    }
    struct value list = keyspace_edit_value(&call->hold, &key, entry);
    list_set(&list, list_limits_of(call), index, call->argv[3]);
    keyspace_value_edited(entry, list);
    call_changed(call, 1);
    call_notify(call, 'l', "lset", &key);
    reply_ok(call->reply);
}

/* Whether the call was sent aside because it may have to look at very many elements until it has
 * found `wanted` (0: all) that equal value. What is near is found here. */
static bool search_aside(struct call *call, struct value list, struct slice value, uint64_t wanted,
                         bool backwards)
{
    size_t count = list_count(list), from = RELAXED_LOAD(&call->server->aside_from);
    if (LIKELY(count < from) || list.encoding != ENCODING_QUICKLIST || call->aside)
        return false;
    if (wanted != 0 && list_has_near(list, value, wanted, from / NEAR_PART, backwards))
        return false;
    return call_aside(call, count);
}

/* Whether the list may be let go while it is searched. */
static bool is_searched_aside(const struct call *call, struct value list)
{
    return UNLIKELY(call->aside) && list.encoding == ENCODING_QUICKLIST;
}

static void reply_inserted(struct call *call, const struct key *key, struct entry *entry,
                           struct value list)
{
    keyspace_value_edited(entry, list);
    call_changed(call, 1);
    call_ready(call, key);
    call_notify(call, 'l', "linsert", key);
    reply_int(call->reply, (int64_t)list_count(list));
}

static void insert_aside(struct call *call, const struct key *key, struct entry *entry, bool behind)
{
    struct list_at at;
    struct value list = entry_value(entry);
    call_let_go(call, &list, 1);
    if (!list_search(list, call->argv[3], &at)) {
        reply_int(call->reply, -1);
        return;
    }
    if (!list_take_back(call, key, &entry)) {
        list_forget(&at);
        return;
    }
    list = keyspace_edit_value(&call->hold, key, entry);
    list_insert_at(&list, list_limits_of(call), &at, call->argv[4], behind);
    reply_inserted(call, key, entry, list);
}

static void insert_here(struct call *call, const struct key *key, struct entry *entry, bool behind)
{
    struct value list = keyspace_edit_value(&call->hold, key, entry);
    if (list_insert(&list, list_limits_of(call), call->argv[3], call->argv[4], behind)) {
        reply_inserted(call, key, entry, list);
    } else {
        keyspace_value_edited(entry, list);
        reply_int(call->reply, -1);
    }
}

static void linsert_command(struct call *call)
{
    struct key key = call_first_key(call);
    struct entry *entry;
    bool behind = slice_is(call->argv[2], "after");
    if (!behind && !slice_is(call->argv[2], "before")) {
        call_syntax_error(call);
        return;
    }
    if (!list_find(call, &key, FIND_WRITE, &entry))
        return;
    if (entry == NULL) {
        reply_int(call->reply, 0);
        return;
    }
    struct value list = entry_value(entry);
    if (search_aside(call, list, call->argv[3], 1, false))
        return;
    if (is_searched_aside(call, list))
        insert_aside(call, &key, entry, behind);
    else
        insert_here(call, &key, entry, behind);
}

/* ---- taking away ---- */

static void remove_aside(struct call *call, const struct key *key, struct entry *entry,
                         uint64_t most, bool backwards)
{
    struct value list = entry_value(entry), rest;
    call_let_go(call, &list, 1);
    struct chunks_removal *plan = list_plan_removal(list, call->argv[3], most, backwards);
    if (plan == NULL) {
        reply_int(call->reply, 0);
        return;
    }
    if (!list_take_back(call, key, &entry)) {
        chunks_forget_removal(plan);
        return;
    }
    list = keyspace_edit_value(&call->hold, key, entry);
    size_t removed = list_remove_planned(&list, plan, &rest);
    keyspace_discard(&call->hold, rest, false);
    list_shrunk(call, key, entry, list, removed, "lrem");
    reply_int(call->reply, (int64_t)removed);
}

static void remove_here(struct call *call, const struct key *key, struct entry *entry,
                        uint64_t most, bool backwards)
{
    struct value list = keyspace_edit_value(&call->hold, key, entry);
    size_t removed = list_remove(&list, call->argv[3], most, backwards);
    if (removed != 0)
        list_shrunk(call, key, entry, list, removed, "lrem");
    reply_int(call->reply, (int64_t)removed);
}

static void lrem_command(struct call *call)
{
    struct key key = call_first_key(call);
    struct entry *entry;
    int64_t count;
    if (!call_i64(call, 2, &count, NULL) || !list_find(call, &key, FIND_WRITE, &entry))
        return;
    if (entry == NULL) {
        reply_int(call->reply, 0);
        return;
    }
    bool backwards = count < 0;
    uint64_t most = backwards ? -(uint64_t)count : (uint64_t)count;
    struct value list = entry_value(entry);
    if (search_aside(call, list, call->argv[3], most, backwards))
        return;
    if (is_searched_aside(call, list))
        remove_aside(call, &key, entry, most, backwards);
    else
        remove_here(call, &key, entry, most, backwards);
}

static void ltrim_command(struct call *call)
{
    struct key key = call_first_key(call);
    struct entry *entry;
    int64_t start, stop;
    if (!call_i64(call, 2, &start, NULL) || !call_i64(call, 3, &stop, NULL) ||
        !list_find(call, &key, FIND_WRITE, &entry))
        return;
    if (entry) {
        struct value list = keyspace_edit_value(&call->hold, &key, entry);
        size_t first, len = list_count(list), kept = range_of(start, stop, len, &first);
        if (kept != 0) {
            list_take_range(call, &list, first + kept, len - first - kept);
            list_take_range(call, &list, 0, first);
        } else {
            list_take_range(call, &list, 0, len);
        }
        list_shrunk(call, &key, entry, list, len - kept, "ltrim");
    }
    reply_ok(call->reply);
}

/* ---- rows ---- */

#define IN_FAMILY .acl = ACL_LIST, .group = GROUP_LIST

const struct command list_commands[] = {
    {.name = "blmove",
     .run = list_blmove,
     .arity = 6,
     .flags = CMD_WRITE | CMD_DENYOOM | CMD_BLOCKING,
     .keys = {{.flags = KEY_RW | KEY_ACCESS | KEY_DELETE, .begin = 1, .step = 1},
              {.flags = KEY_RW | KEY_INSERT, .begin = 2, .step = 1}},
     .usage = "source#0 destination#1 wherefrom(LEFT | RIGHT) whereto(LEFT | RIGHT) timeout:double",
     .since = "6.2.0",
     .summary = "Moves an element from an end of a list to an end of another and answers it; waits "
                "for one if there is none.",
     .complexity = "O(1)",
     IN_FAMILY},
    {.name = "blmovem",
     .run = list_blmovem,
     .arity = -6,
     .flags = CMD_WRITE | CMD_DENYOOM | CMD_BLOCKING,
     .keys = {{.flags = KEY_RW | KEY_ACCESS | KEY_DELETE, .begin = 1, .step = 1},
              {.flags = KEY_RW | KEY_INSERT, .begin = 2, .step = 1}},
     .usage = "source#0 destination#1 wherefrom(LEFT | RIGHT) whereto(LEFT | RIGHT) "
              "timeout:double [amount(count-block(COUNT count:integer order(OBO | BULK)) | "
              "exactly-block(EXACTLY count:integer order(OBO | BULK)))]",
     .since = "8.10.0",
     .summary = "Moves elements from an end of a list to an end of another and answers them; waits "
                "if there are not enough.",
     .complexity = "O(N) with the number of elements moved",
     IN_FAMILY},
    {.name = "blmpop",
     .run = list_blmpop,
     .arity = -5,
     .flags = CMD_WRITE | CMD_BLOCKING | CMD_MOVABLEKEYS | CMD_SHRINK,
     .keys = {{.flags = KEY_RW | KEY_ACCESS | KEY_DELETE,
               .begin = 2,
               .counted = true,
               .count_at = 0,
               .first = 1,
               .step = 1}},
     .usage = "timeout:double numkeys:integer key#0... where(LEFT | RIGHT) [COUNT count:integer]",
     .since = "7.0.0",
     .summary = "Takes elements from the first of several lists that is not empty; waits if all "
                "are.",
     .complexity = "O(N+M) with the number of keys and of elements taken",
     IN_FAMILY},
    {.name = "blpop",
     .run = list_blpop,
     .arity = -3,
     .flags = CMD_WRITE | CMD_BLOCKING | CMD_SHRINK,
     .keys = {{.flags = KEY_RW | KEY_ACCESS | KEY_DELETE, .begin = 1, .last = -2, .step = 1}},
     .usage = "key#0... timeout:double",
     .history = "6.0.0 The time may be a fraction of seconds.",
     .since = "2.0.0",
     .summary = "Takes the first element of the first of several lists that is not empty; waits if "
                "all are.",
     .complexity = "O(N) with the number of keys",
     IN_FAMILY},
    {.name = "brpop",
     .run = list_brpop,
     .arity = -3,
     .flags = CMD_WRITE | CMD_BLOCKING | CMD_SHRINK,
     .keys = {{.flags = KEY_RW | KEY_ACCESS | KEY_DELETE, .begin = 1, .last = -2, .step = 1}},
     .usage = "key#0... timeout:double",
     .history = "6.0.0 The time may be a fraction of seconds.",
     .since = "2.0.0",
     .summary = "Takes the last element of the first of several lists that is not empty; waits if "
                "all are.",
     .complexity = "O(N) with the number of keys",
     IN_FAMILY},
    {.name = "brpoplpush",
     .run = list_brpoplpush,
     .arity = 4,
     .flags = CMD_WRITE | CMD_DENYOOM | CMD_BLOCKING,
     .keys = {{.flags = KEY_RW | KEY_ACCESS | KEY_DELETE, .begin = 1, .step = 1},
              {.flags = KEY_RW | KEY_INSERT, .begin = 2, .step = 1}},
     .usage = "source#0 destination#1 timeout:double",
     .history = "6.0.0 The time may be a fraction of seconds.",
     .since = "2.2.0",
     .summary = "Moves the last element of a list to the front of another and answers it; waits "
                "for one if there is none.",
     .complexity = "O(1)",
     .deprecated_since = "6.2.0",
     .replaced_by = "`BLMOVE` with the `RIGHT` and `LEFT` arguments",
     IN_FAMILY},
    {.name = "lindex",
     .run = lindex_command,
     .arity = 3,
     .flags = CMD_READONLY,
     .keys = KEYS_ONE(KEY_RO | KEY_ACCESS),
     .usage = "key#0 index:integer",
     .since = "1.0.0",
     .summary = "Answers an element of a list by its index.",
     .complexity = "O(N) with the elements between it and the nearer end",
     IN_FAMILY},
    {.name = "linsert",
     .run = linsert_command,
     .arity = 5,
     .flags = CMD_WRITE | CMD_DENYOOM,
     .keys = KEYS_ONE(KEY_RW | KEY_INSERT),
     .usage = "key#0 where(BEFORE | AFTER) pivot element",
     .since = "2.2.0",
     .summary = "Inserts an element before or after the first one of a given value.",
     .complexity = "O(N) with the elements up to that one",
     IN_FAMILY},
    {.name = "llen",
     .run = llen_command,
     .arity = 2,
     .flags = CMD_READONLY | CMD_FAST,
     .keys = KEYS_ONE(KEY_RO),
     .usage = "key#0",
     .since = "1.0.0",
     .summary = "Answers the length of a list.",
     .complexity = "O(1)",
     IN_FAMILY},
    {.name = "lmove",
     .run = list_lmove,
     .arity = 5,
     .flags = CMD_WRITE | CMD_DENYOOM,
     .keys = {{.flags = KEY_RW | KEY_ACCESS | KEY_DELETE, .begin = 1, .step = 1},
              {.flags = KEY_RW | KEY_INSERT, .begin = 2, .step = 1}},
     .usage = "source#0 destination#1 wherefrom(LEFT | RIGHT) whereto(LEFT | RIGHT)",
     .since = "6.2.0",
     .summary = "Takes an element from an end of a list, adds it to an end of another, and answers "
                "it.",
     .complexity = "O(1)",
     IN_FAMILY},
    {.name = "lmovem",
     .run = list_lmovem,
     .arity = -5,
     .flags = CMD_WRITE | CMD_DENYOOM,
     .keys = {{.flags = KEY_RW | KEY_ACCESS | KEY_DELETE, .begin = 1, .step = 1},
              {.flags = KEY_RW | KEY_INSERT, .begin = 2, .step = 1}},
     .usage = "source#0 destination#1 wherefrom(LEFT | RIGHT) whereto(LEFT | RIGHT) "
              "[amount(count-block(COUNT count:integer order(OBO | BULK)) | "
              "exactly-block(EXACTLY count:integer order(OBO | BULK)))]",
     .since = "8.10.0",
     .summary = "Moves elements from an end of a list to an end of another and answers them.",
     .complexity = "O(N) with the number of elements moved",
     IN_FAMILY},
    {.name = "lmpop",
     .run = list_lmpop,
     .arity = -4,
     .flags = CMD_WRITE | CMD_MOVABLEKEYS | CMD_SHRINK,
     .keys = {{.flags = KEY_RW | KEY_ACCESS | KEY_DELETE,
               .begin = 1,
               .counted = true,
               .count_at = 0,
               .first = 1,
               .step = 1}},
     .usage = "numkeys:integer key#0... where(LEFT | RIGHT) [COUNT count:integer]",
     .since = "7.0.0",
     .summary = "Takes elements from the first of several lists that is not empty.",
     .complexity = "O(N+M) with the number of keys and of elements taken",
     IN_FAMILY},
    {.name = "lpop",
     .run = lpop_command,
     .arity = -2,
     .flags = CMD_WRITE | CMD_FAST | CMD_SHRINK,
     .keys = KEYS_ONE(KEY_RW | KEY_ACCESS | KEY_DELETE),
     .usage = "key#0 [count:integer@6.2.0]",
     .history = "6.2.0 A count.",
     .since = "1.0.0",
     .summary = "Takes elements from the front of a list.",
     .complexity = "O(N) with the number of elements taken",
     IN_FAMILY},
    {.name = "lpos",
     .run = list_lpos,
     .arity = -3,
     .flags = CMD_READONLY,
     .keys = KEYS_ONE(KEY_RO | KEY_ACCESS),
     .usage = "key#0 element [RANK rank:integer] [COUNT num-matches:integer] [MAXLEN len:integer]",
     .since = "6.0.6",
     .summary = "Answers the indexes of elements of a given value.",
     .complexity = "O(N) with the elements looked at",
     IN_FAMILY},
    {.name = "lpush",
     .run = lpush_command,
     .arity = -3,
     .flags = CMD_WRITE | CMD_DENYOOM | CMD_FAST,
     .keys = KEYS_ONE(KEY_RW | KEY_INSERT),
     .usage = "key#0 element...",
     .history = "2.4.0 Several elements.",
     .since = "1.0.0",
     .summary = "Adds elements at the front of a list, which is created if absent.",
     .complexity = "O(N) with the number of elements added",
     IN_FAMILY},
    {.name = "lpushx",
     .run = lpushx_command,
     .arity = -3,
     .flags = CMD_WRITE | CMD_DENYOOM | CMD_FAST,
     .keys = KEYS_ONE(KEY_RW | KEY_INSERT),
     .usage = "key#0 element...",
     .history = "4.0.0 Several elements.",
     .since = "2.2.0",
     .summary = "Adds elements at the front of a list if there is one.",
     .complexity = "O(N) with the number of elements added",
     IN_FAMILY},
    {.name = "lrange",
     .run = lrange_command,
     .arity = 4,
     .flags = CMD_READONLY,
     .keys = KEYS_ONE(KEY_RO | KEY_ACCESS),
     .usage = "key#0 start:integer stop:integer",
     .since = "1.0.0",
     .summary = "Answers a part of a list, by its first and last index.",
     .complexity = "O(S+N) with the distance of the part from the nearer end and its length",
     IN_FAMILY},
    {.name = "lrem",
     .run = lrem_command,
     .arity = 4,
     .flags = CMD_WRITE | CMD_SHRINK,
     .keys = KEYS_ONE(KEY_RW | KEY_DELETE),
     .usage = "key#0 count:integer element",
     .since = "1.0.0",
     .summary = "Removes elements of a given value.",
     .complexity = "O(N) with the length of the list",
     IN_FAMILY},
    {.name = "lset",
     .run = lset_command,
     .arity = 4,
     .flags = CMD_WRITE | CMD_DENYOOM,
     .keys = KEYS_ONE(KEY_RW | KEY_UPDATE),
     .usage = "key#0 index:integer element",
     .since = "1.0.0",
     .summary = "Sets an element of a list by its index.",
     .complexity = "O(N) with the elements between it and the nearer end",
     IN_FAMILY},
    {.name = "ltrim",
     .run = ltrim_command,
     .arity = 4,
     .flags = CMD_WRITE | CMD_SHRINK,
     .keys = KEYS_ONE(KEY_RW | KEY_DELETE),
     .usage = "key#0 start:integer stop:integer",
     .since = "1.0.0",
     .summary = "Removes all elements but a part of a list, given by its first and last index.",
     .complexity = "O(N) with the number of elements removed",
     IN_FAMILY},
    {.name = "rpop",
     .run = rpop_command,
     .arity = -2,
     .flags = CMD_WRITE | CMD_FAST | CMD_SHRINK,
     .keys = KEYS_ONE(KEY_RW | KEY_ACCESS | KEY_DELETE),
     .usage = "key#0 [count:integer@6.2.0]",
     .history = "6.2.0 A count.",
     .since = "1.0.0",
     .summary = "Takes elements from the end of a list.",
     .complexity = "O(N) with the number of elements taken",
     IN_FAMILY},
    {.name = "rpoplpush",
     .run = list_rpoplpush,
     .arity = 3,
     .flags = CMD_WRITE | CMD_DENYOOM,
     .keys = {{.flags = KEY_RW | KEY_ACCESS | KEY_DELETE, .begin = 1, .step = 1},
              {.flags = KEY_RW | KEY_INSERT, .begin = 2, .step = 1}},
     .usage = "source#0 destination#1",
     .since = "1.2.0",
     .summary =
         "Takes the last element of a list, adds it at the front of another, and answers it.",
     .complexity = "O(1)",
     .deprecated_since = "6.2.0",
     .replaced_by = "`LMOVE` with the `RIGHT` and `LEFT` arguments",
     IN_FAMILY},
    {.name = "rpush",
     .run = rpush_command,
     .arity = -3,
     .flags = CMD_WRITE | CMD_DENYOOM | CMD_FAST,
     .keys = KEYS_ONE(KEY_RW | KEY_INSERT),
     .usage = "key#0 element...",
     .history = "2.4.0 Several elements.",
     .since = "1.0.0",
     .summary = "Adds elements at the end of a list, which is created if absent.",
     .complexity = "O(N) with the number of elements added",
     IN_FAMILY},
    {.name = "rpushx",
     .run = rpushx_command,
     .arity = -3,
     .flags = CMD_WRITE | CMD_DENYOOM | CMD_FAST,
     .keys = KEYS_ONE(KEY_RW | KEY_INSERT),
     .usage = "key#0 element...",
     .history = "4.0.0 Several elements.",
     .since = "2.2.0",
     .summary = "Adds elements at the end of a list if there is one.",
     .complexity = "O(N) with the number of elements added",
     IN_FAMILY},
    {.name = NULL}};
