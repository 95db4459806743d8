/* set.c - the set family: adding, removing, asking, moving, walking, and its rows. */
#include "commands/set.h"

#include "commands/commands.h"
#include "commands/scan.h"
#include "engine/aside.h"

/* ---- what the family shares ---- */

bool set_reply_member(void *reply, struct slice member)
{
    reply_bulk(reply, member);
    return true;
}

void set_reply_all(struct call *call, struct value set)
{
    reply_set(call->reply, set_count(set));
    set_each(set, set_reply_member, call->reply);
}

void set_shrunk(struct call *call, const struct key *key, struct entry *entry, struct value set,
                size_t removed, const char *event)
{
    keyspace_value_edited(entry, set);
    call_changed(call, removed);
    call_notify(call, 's', event, key);
    if (set_count(set) != 0)
        return;
    keyspace_remove(&call->hold, key, entry, false);
    call_notify(call, 'g', "del", key);
}

/* ---- adding and removing ---- */

static void sadd_command(struct call *call)
{
    struct key key = call_first_key(call);
    const struct value_limits *limits = set_limits_of(call);
    struct entry *entry;
    if (!set_find(call, &key, FIND_WRITE, &entry))
        return;
    size_t added = 0, count = call->argc - 2;
    struct value set = entry != NULL ? keyspace_edit_value(&call->hold, &key, entry)
                                     : set_new(limits, call->argv[2], count);
    set_expect(&set, limits, count);
    for (uint32_t i = 2; i < call->argc; i++)
        added += set_add(&set, limits, call->argv[i]);
    if (entry != NULL)
        keyspace_value_edited(entry, set);
    else
        keyspace_put_value(&call->hold, &key, NULL, set, EXPIRE_NONE);
    if (added != 0) {
        call_changed(call, added);
        call_notify(call, 's', "sadd", &key);
    }
    reply_int(call->reply, (int64_t)added);
}

static void srem_command(struct call *call)
{
    struct key key = call_first_key(call);
    struct entry *entry;
    if (!set_find(call, &key, FIND_WRITE, &entry))
        return;
    size_t removed = 0;
    if (entry != NULL) {
        struct value set = keyspace_edit_value(&call->hold, &key, entry);
        for (uint32_t i = 2; i < call->argc; i++)
            removed += set_remove(&set, call->argv[i]);
        if (removed != 0)
            set_shrunk(call, &key, entry, set, removed, "srem");
        else
            keyspace_value_edited(entry, set);
    }
    reply_int(call->reply, (int64_t)removed);
}

/* Adds the member to the set under `key`, or to a new one. */
static void move_to(struct call *call, const struct key *key, struct entry *entry,
                    struct slice member)
{
    const struct value_limits *limits = set_limits_of(call);
    struct value set =
        entry != NULL ? keyspace_edit_value(&call->hold, key, entry) : set_new(limits, member, 1);
    bool added = set_add(&set, limits, member);
    if (entry != NULL)
        keyspace_value_edited(entry, set);
    else
        keyspace_put_value(&call->hold, key, NULL, set, EXPIRE_NONE);
    if (added) {
        call_changed(call, 1);
        call_notify(call, 's', "sadd", key);
    }
}

static void smove_command(struct call *call)
{
    struct key from = call_key(call, 1), to = call_key(call, 2);
    struct slice member = call->argv[3];
    struct entry *source, *target = NULL;
    if (!set_find(call, &from, FIND_WRITE, &source) ||
        (source != NULL && !set_find(call, &to, FIND_WRITE, &target)))
        return;
    bool there = source != NULL && set_has(entry_value(source), member);
    if (there && source != target) {
        struct value set = keyspace_edit_value(&call->hold, &from, source);
        set_remove(&set, member);
        set_shrunk(call, &from, source, set, 1, "srem");
        move_to(call, &to, target, member);
    }
    reply_int(call->reply, there);
}

/* ---- asking ---- */

static void sismember_command(struct call *call)
{
    struct key key = call_first_key(call);
    struct entry *entry;
    if (set_find(call, &key, FIND_READ, &entry))
        reply_int(call->reply, entry != NULL && set_has(entry_value(entry), call->argv[2]));
}

static void smismember_command(struct call *call)
{
    struct key key = call_first_key(call);
    struct entry *entry;
    if (!set_find(call, &key, FIND_READ, &entry))
        return;
    reply_array(call->reply, call->argc - 2);
    for (uint32_t i = 2; i < call->argc; i++)
        reply_int(call->reply, entry != NULL && set_has(entry_value(entry), call->argv[i]));
}

static void scard_command(struct call *call)
{
    struct key key = call_first_key(call);
    struct entry *entry;
    if (set_find(call, &key, FIND_READ, &entry))
        reply_int(call->reply, entry != NULL ? (int64_t)set_count(entry_value(entry)) : 0);
}

static void smembers_command(struct call *call)
{
    struct key key = call_first_key(call);
    struct entry *entry;
    if (!set_find(call, &key, FIND_READ, &entry))
        return;
    if (entry == NULL) {
        reply_set(call->reply, 0);
        return;
    }
    struct value set = entry_value(entry);
    if (call_aside(call, set_count(set)))
        return;
    call_let_go(call, &set, 1);
    set_reply_all(call, set);
}

struct sscan {
    const struct scan_options *options;
    struct scan_reply *reply;
};

static bool visit_match(void *ctx, struct slice member)
{
    struct sscan *scan = ctx;
    if (scan_matches(scan->options, member)) {
        reply_bulk(&scan->reply->elements, member);
        scan->reply->count++;
    }
    return true;
}

static void sscan_command(struct call *call)
{
    struct key key = call_first_key(call);
    struct entry *entry;
    struct scan_options options;
    struct scan_reply reply;
    uint64_t cursor;
    if (!scan_read_cursor(call, 2, &cursor) || !set_find(call, &key, FIND_READ, &entry))
        return;
    /* As in Redis, options matter only if there is a set. */
    if (entry != NULL && !scan_read_options(call, 3, 0, &options))
        return;
    struct value set = {0};
    if (entry != NULL) {
        set = entry_value(entry);
        if (call_aside(call, MIN_OF((uint64_t)options.count, set_count(set))))
            return;
        call_let_go(call, &set, 1);
    }
    scan_begin(call, &reply);
    struct sscan scan = {&options, &reply};
    cursor = entry == NULL ? 0 : set_scan(set, cursor, (uint64_t)options.count, visit_match, &scan);
    scan_end(call, &reply, cursor);
}

/* ---- rows ---- */

static const char *const any_order[] = {"nondeterministic_output_order", NULL};
static const char *const any_output[] = {"nondeterministic_output", NULL};

#define IN_FAMILY .acl = ACL_SET, .group = GROUP_SET
#define STORES                                                                                     \
    .arity = -3, .flags = CMD_WRITE | CMD_DENYOOM,                                                 \
    .keys = {{.flags = KEY_OW | KEY_UPDATE, .begin = 1, .step = 1},                                \
             {.flags = KEY_RO | KEY_ACCESS, .begin = 2, .last = -1, .step = 1}},                   \
    IN_FAMILY
#define COUNTS                                                                                     \
    .arity = -3, .flags = CMD_READONLY | CMD_MOVABLEKEYS,                                          \
    .keys = {{.flags = KEY_RO | KEY_ACCESS,                                                        \
              .begin = 1,                                                                          \
              .counted = true,                                                                     \
              .count_at = 0,                                                                       \
              .first = 1,                                                                          \
              .step = 1}},                                                                         \
    IN_FAMILY
#define COMBINES                                                                                   \
    .arity = -2, .flags = CMD_READONLY, .keys = KEYS_ALL(KEY_RO | KEY_ACCESS), .tips = any_order,  \
    IN_FAMILY

const struct command set_commands[] = {
    {.name = "sadd",
     .run = sadd_command,
     .arity = -3,
     .flags = CMD_WRITE | CMD_DENYOOM | CMD_FAST,
     .keys = KEYS_ONE(KEY_RW | KEY_INSERT),
     .element_at = 2,
     .element_step = 1,
     .usage = "key#0 member...",
     .history = "2.4.0 Several members.",
     .since = "1.0.0",
     .summary = "Adds members to a set, which is created if absent.",
     .complexity = "O(N) with the number of members given",
     IN_FAMILY},
    {.name = "scard",
     .run = scard_command,
     .arity = 2,
     .flags = CMD_READONLY | CMD_FAST,
     .keys = KEYS_ONE(KEY_RO),
     .usage = "key#0",
     .since = "1.0.0",
     .summary = "Answers how many members a set has.",
     .complexity = "O(1)",
     IN_FAMILY},
    {.name = "sdiff",
     .run = set_sdiff,
     .usage = "key#0...",
     .since = "1.0.0",
     .summary = "Answers the members of a set that are in none of the others.",
     .complexity = "O(N) with the members of all sets",
     COMBINES},
    {.name = "sdiffcard",
     .run = set_sdiffcard,
     .usage = "numkeys:integer key#0... [LIMIT limit:integer]",
     .since = "8.10.0",
     .summary = "Answers how many members of a set are in none of the others.",
     .complexity = "O(N*M) with the members of the first set and the number of sets",
     COUNTS},
    {.name = "sdiffstore",
     .run = set_sdiffstore,
     .usage = "destination#0 key#1...",
     .since = "1.0.0",
     .summary = "Stores the members of a set that are in none of the others.",
     .complexity = "O(N) with the members of all sets",
     STORES},
    {.name = "sinter",
     .run = set_sinter,
     .usage = "key#0...",
     .since = "1.0.0",
     .summary = "Answers the members that all sets have.",
     .complexity = "O(N*M) with the members of the smallest set and the number of sets",
     COMBINES},
    {.name = "sintercard",
     .run = set_sintercard,
     .usage = "numkeys:integer key#0... [LIMIT limit:integer]",
     .since = "7.0.0",
     .summary = "Answers how many members all sets have in common.",
     .complexity = "O(N*M) with the members of the smallest set and the number of sets",
     COUNTS},
    {.name = "sinterstore",
     .run = set_sinterstore,
     .usage = "destination#0 key#1...",
     .since = "1.0.0",
     .summary = "Stores the members that all sets have.",
     .complexity = "O(N*M) with the members of the smallest set and the number of sets",
     .arity = -3,
     .flags = CMD_WRITE | CMD_DENYOOM,
     .keys = {{.flags = KEY_RW | KEY_UPDATE, .begin = 1, .step = 1},
              {.flags = KEY_RO | KEY_ACCESS, .begin = 2, .last = -1, .step = 1}},
     IN_FAMILY},
    {.name = "sismember",
     .run = sismember_command,
     .arity = 3,
     .flags = CMD_READONLY | CMD_FAST,
     .keys = KEYS_ONE(KEY_RO),
     .element_at = 2,
     .usage = "key#0 member",
     .since = "1.0.0",
     .summary = "Answers whether a set has a member.",
     .complexity = "O(1)",
     IN_FAMILY},
    {.name = "smembers",
     .run = smembers_command,
     .arity = 2,
     .flags = CMD_READONLY,
     .keys = KEYS_ONE(KEY_RO | KEY_ACCESS),
     .usage = "key#0",
     .since = "1.0.0",
     .summary = "Answers all members of a set.",
     .complexity = "O(N) with the size of the set",
     .tips = any_order,
     IN_FAMILY},
    {.name = "smismember",
     .run = smismember_command,
     .arity = -3,
     .flags = CMD_READONLY | CMD_FAST,
     .keys = KEYS_ONE(KEY_RO | KEY_ACCESS),
     .element_at = 2,
     .element_step = 1,
     .usage = "key#0 member...",
     .since = "6.2.0",
     .summary = "Answers for each of several members whether a set has it.",
     .complexity = "O(N) with the number of members asked for",
     IN_FAMILY},
    {.name = "smove",
     .run = smove_command,
     .arity = 4,
     .flags = CMD_WRITE | CMD_FAST | CMD_NEUTRAL,
     .keys = {{.flags = KEY_RW | KEY_ACCESS | KEY_DELETE, .begin = 1, .step = 1},
              {.flags = KEY_RW | KEY_INSERT, .begin = 2, .step = 1}},
     .element_at = 3,
     .usage = "source#0 destination#1 member",
     .since = "1.0.0",
     .summary = "Moves a member from one set to another.",
     .complexity = "O(1)",
     IN_FAMILY},
    {.name = "spop",
     .run = set_spop,
     .arity = -2,
     .flags = CMD_WRITE | CMD_FAST | CMD_SHRINK,
     .keys = KEYS_ONE(KEY_RW | KEY_ACCESS | KEY_DELETE),
     .usage = "key#0 [count:integer@3.2.0]",
     .history = "3.2.0 A count.",
     .since = "1.0.0",
     .summary = "Takes random members from a set and answers them.",
     .complexity = "O(N) with the number of members taken",
     .tips = any_output,
     IN_FAMILY},
    {.name = "srandmember",
     .run = set_srandmember,
     .arity = -2,
     .flags = CMD_READONLY,
     .keys = KEYS_ONE(KEY_RO | KEY_ACCESS),
     .usage = "key#0 [count:integer@2.6.0]",
     .history = "2.6.0 A count.",
     .since = "1.0.0",
     .summary = "Answers random members of a set.",
     .complexity = "O(N) with the number of members asked for",
     .tips = any_output,
     IN_FAMILY},
    {.name = "srem",
     .run = srem_command,
     .arity = -3,
     .flags = CMD_WRITE | CMD_FAST | CMD_SHRINK,
     .keys = KEYS_ONE(KEY_RW | KEY_DELETE),
     .element_at = 2,
     .element_step = 1,
     .usage = "key#0 member...",
     .history = "2.4.0 Several members.",
     .since = "1.0.0",
     .summary = "Removes members from a set.",
     .complexity = "O(N) with the number of members given",
     IN_FAMILY},
    {.name = "sscan",
     .run = sscan_command,
     .arity = -3,
     .flags = CMD_READONLY,
     .keys = KEYS_ONE(KEY_RO | KEY_ACCESS),
     .usage = "key#0 cursor:integer [MATCH pattern:pattern] [COUNT count:integer]",
     .since = "2.8.0",
     .summary = "Walks over the members of a set in parts.",
     .complexity = "O(1) for each call, O(N) for a whole walk",
     .tips = any_output,
     IN_FAMILY},
    {.name = "sunion",
     .run = set_sunion,
     .usage = "key#0...",
     .since = "1.0.0",
     .summary = "Answers the members that any of the sets has.",
     .complexity = "O(N) with the members of all sets",
     COMBINES},
    {.name = "sunioncard",
     .run = set_sunioncard,
     .usage = "numkeys:integer key#0... [APPROX] [LIMIT limit:integer]",
     .since = "8.10.0",
     .summary = "Answers how many members the sets have together, exactly or about.",
     .complexity = "O(N) with the members of all sets",
     COUNTS},
    {.name = "sunionstore",
     .run = set_sunionstore,
     .usage = "destination#0 key#1...",
     .since = "1.0.0",
     .summary = "Stores the members that any of the sets has.",
     .complexity = "O(N) with the members of all sets",
     STORES},
    {.name = NULL}};
