/* generic.c - commands on keys whatever they hold: removing, renaming, moving, asking. */
#include "commands/generic.h"

#include "commands/commands.h"
#include "commands/plain.h"
#include "engine/settings.h"

bool generic_read_db(struct call *call, uint32_t at, uint32_t *db)
{
    int64_t number;
    if (!call_i64(call, at, &number, NULL))
        return false;
    if (number < INT32_MIN || number > INT32_MAX) {
        call_error(call, "ERR value is out of range, value must between -2147483648 and "
                         "2147483647");
        return false;
    }
    if (number < 0 || number >= RELAXED_LOAD(&call->server->settings->databases)) {
        call_error(call, "ERR DB index is out of range");
        return false;
    }
    *db = (uint32_t)number;
    return true;
}

static void remove_all(struct call *call, bool lazy)
{
    int64_t removed = 0;
    for (uint32_t i = 0; i < call->key_count; i++) {
        struct key key = plain_key(call, i);
        struct entry *entry = keyspace_find(&call->hold, &key, FIND_PEEK);
        if (entry == NULL)
            continue;
        keyspace_remove(&call->hold, &key, entry, lazy);
        call_notify(call, 'g', "del", &key);
        removed++;
    }
    call_changed(call, (uint64_t)removed);
    reply_int(call->reply, removed);
}

static void del_command(struct call *call)
{
    remove_all(call, RELAXED_LOAD(&call->server->settings->lazyfree_lazy_user_del));
}

static void unlink_command(struct call *call)
{
    remove_all(call, true);
}

static void count_all(struct call *call, enum find_how how)
{
    int64_t count = 0;
    for (uint32_t i = 0; i < call->key_count; i++) {
        struct key key = plain_key(call, i);
        count += keyspace_find(&call->hold, &key, how) != NULL;
    }
    reply_int(call->reply, count);
}

static void exists_command(struct call *call)
{
    count_all(call, FIND_COUNT);
}

static void touch_command(struct call *call)
{
    count_all(call, FIND_READ);
}

static void type_command(struct call *call)
{
    struct key key = call_first_key(call);
    const struct entry *entry = keyspace_find(&call->hold, &key, FIND_COUNT);
    reply_simple(call->reply, entry ? value_type_name(entry_type(entry)) : "none");
}

/* Renames; returns false after an error, or if `only_new` and the new name is taken. */
static bool rename_key(struct call *call, bool only_new)
{
    struct key from = call_key(call, 1), to = call_key(call, 2);
    struct entry *entry = keyspace_find(&call->hold, &from, FIND_WRITE);
    if (entry == NULL) {
        call_error(call, "ERR no such key");
        return false;
    }
    if (slice_eq(from.name, to.name))
        return !only_new;
    if (only_new && keyspace_find(&call->hold, &to, FIND_WRITE))
        return false;
    keyspace_rename(&call->hold, &from, entry, &to);
    call_changed(call, 1);
    call_notify(call, 'g', "rename_from", &from);
    call_notify(call, 'g', "rename_to", &to);
    return true;
}

static void rename_command(struct call *call)
{
    if (rename_key(call, false))
        reply_ok(call->reply);
}

static void renamenx_command(struct call *call)
{
    bool renamed = rename_key(call, true);
    if (!call->failed)
        reply_int(call->reply, renamed);
}

static void move_command(struct call *call)
{
    struct key from = call_first_key(call), to = from;
    if (!generic_read_db(call, 2, &to.db))
        return;
    if (from.db == to.db) {
        call_error(call, "ERR source and destination objects are the same");
        return;
    }
    struct entry *entry = keyspace_find(&call->hold, &from, FIND_WRITE);
    bool go_on = entry && !keyspace_find(&call->hold, &to, FIND_WRITE);
    if (go_on) {
        keyspace_rename(&call->hold, &from, entry, &to);
        call_changed(call, 1);
        call_notify(call, 'g', "move_from", &from);
        call_notify(call, 'g', "move_to", &to);
    }
    reply_int(call->reply, go_on);
}

/* ---- rows ---- */

#define IN_FAMILY .acl = ACL_KEYSPACE, .group = GROUP_GENERIC

static const char *const each_shard_tips[] = {"request_policy:multi_shard",
                                              "response_policy:agg_sum", NULL};
static const char *const varying_tips[] = {"nondeterministic_output", NULL};
static const char *const keys_tips[] = {"request_policy:all_shards",
                                        "nondeterministic_output_order", NULL};
static const char *const randomkey_tips[] = {"request_policy:all_shards", "nondeterministic_output",
                                             NULL};
static const char *const scan_tips[] = {"nondeterministic_output", "request_policy:special", NULL};

const struct command generic_commands[] = {
    {.name = "copy",
     .run = generic_copy,
     .arity = -3,
     .flags = CMD_WRITE | CMD_DENYOOM,
     .keys = {{.flags = KEY_RO | KEY_ACCESS, .begin = 1, .step = 1},
              {.flags = KEY_OW | KEY_UPDATE, .begin = 2, .step = 1}},
     .usage = "source#0 destination#1 [DB destination-db:integer] [REPLACE]",
     .since = "6.2.0",
     .summary = "Copies the value and expiry of a key to another name or database.",
     .complexity = "O(N) with the size of a collection, O(1) for strings",
     IN_FAMILY},
    {.name = "del",
     .run = del_command,
     .arity = -2,
     .flags = CMD_WRITE | CMD_SHRINK,
     .keys = KEYS_ALL(KEY_RM | KEY_DELETE),
     .usage = "key#0...",
     .since = "1.0.0",
     .summary = "Removes keys.",
     .complexity = "O(N) with the number of keys, and of the elements they hold",
     .tips = each_shard_tips,
     IN_FAMILY},
    {.name = "dump",
     .run = generic_dump,
     .arity = 2,
     .flags = CMD_READONLY,
     .keys = KEYS_ONE(KEY_RO | KEY_ACCESS),
     .usage = "key#0",
     .since = "2.6.0",
     .summary = "Answers the value of a key as bytes that RESTORE takes.",
     .complexity = "O(N) with the size of the value",
     .tips = varying_tips,
     IN_FAMILY},
    {.name = "exists",
     .run = exists_command,
     .arity = -2,
     .flags = CMD_READONLY | CMD_FAST,
     .keys = KEYS_ALL(KEY_RO),
     .usage = "key#0...",
     .history = "3.0.3 Several keys.",
     .since = "1.0.0",
     .summary = "Counts how many of the keys are there.",
     .complexity = "O(N) with the number of keys",
     .tips = each_shard_tips,
     IN_FAMILY},
    {.name = "expire",
     .run = generic_expire,
     .arity = -3,
     .flags = CMD_WRITE | CMD_FAST | CMD_SHRINK,
     .keys = KEYS_ONE(KEY_RW | KEY_UPDATE),
     .usage = "key#0 seconds:integer [condition(NX | XX | GT | LT)@7.0.0]",
     .history = "7.0.0 The options NX, XX, GT and LT.",
     .since = "1.0.0",
     .summary = "Sets the time to live of a key in seconds.",
     .complexity = "O(1)",
     IN_FAMILY},
    {.name = "expireat",
     .run = generic_expireat,
     .arity = -3,
     .flags = CMD_WRITE | CMD_FAST | CMD_SHRINK,
     .keys = KEYS_ONE(KEY_RW | KEY_UPDATE),
     .usage = "key#0 unix-time-seconds:unix-time [condition(NX | XX | GT | LT)@7.0.0]",
     .history = "7.0.0 The options NX, XX, GT and LT.",
     .since = "1.2.0",
     .summary = "Sets when a key expires, as a Unix time in seconds.",
     .complexity = "O(1)",
     IN_FAMILY},
    {.name = "expiretime",
     .run = generic_expiretime,
     .arity = 2,
     .flags = CMD_READONLY | CMD_FAST,
     .keys = KEYS_ONE(KEY_RO | KEY_ACCESS),
     .usage = "key#0",
     .since = "7.0.0",
     .summary = "Answers when a key expires, as a Unix time in seconds.",
     .complexity = "O(1)",
     IN_FAMILY},
    {.name = "keys",
     .run = generic_keys,
     .arity = 2,
     .flags = CMD_READONLY | CMD_NO_HOLD,
     .usage = "pattern:pattern",
     .since = "1.0.0",
     .summary = "Answers all names of keys that match a pattern.",
     .complexity = "O(N) with the number of keys of the database",
     .tips = keys_tips,
     .acl = ACL_KEYSPACE | ACL_DANGEROUS,
     .group = GROUP_GENERIC},
    {.name = "move",
     .run = move_command,
     .arity = 3,
     .flags = CMD_WRITE | CMD_FAST | CMD_NEUTRAL,
     .keys = KEYS_ONE(KEY_RW | KEY_ACCESS | KEY_UPDATE),
     .usage = "key#0 db:integer",
     .since = "1.0.0",
     .summary = "Moves a key to another database.",
     .complexity = "O(1)",
     IN_FAMILY},
    {.name = "object",
     .run = NULL,
     .arity = -2,
     .flags = CMD_PARENT,
     .since = "2.2.3",
     .summary = "Container of commands that look into values.",
     .complexity = "Depends on the subcommand",
     .subcommands = generic_object_commands,
     .acl = 0,
     .group = GROUP_GENERIC},
    {.name = "persist",
     .run = generic_persist,
     .arity = 2,
     .flags = CMD_WRITE | CMD_FAST | CMD_NEUTRAL,
     .keys = KEYS_ONE(KEY_RW | KEY_UPDATE),
     .usage = "key#0",
     .since = "2.2.0",
     .summary = "Removes the expiry of a key.",
     .complexity = "O(1)",
     IN_FAMILY},
    {.name = "pexpire",
     .run = generic_pexpire,
     .arity = -3,
     .flags = CMD_WRITE | CMD_FAST | CMD_SHRINK,
     .keys = KEYS_ONE(KEY_RW | KEY_UPDATE),
     .usage = "key#0 milliseconds:integer [condition(NX | XX | GT | LT)@7.0.0]",
     .history = "7.0.0 The options NX, XX, GT and LT.",
     .since = "2.6.0",
     .summary = "Sets the time to live of a key in milliseconds.",
     .complexity = "O(1)",
     IN_FAMILY},
    {.name = "pexpireat",
     .run = generic_pexpireat,
     .arity = -3,
     .flags = CMD_WRITE | CMD_FAST | CMD_SHRINK,
     .keys = KEYS_ONE(KEY_RW | KEY_UPDATE),
     .usage = "key#0 unix-time-milliseconds:unix-time [condition(NX | XX | GT | LT)@7.0.0]",
     .history = "7.0.0 The options NX, XX, GT and LT.",
     .since = "2.6.0",
     .summary = "Sets when a key expires, as a Unix time in milliseconds.",
     .complexity = "O(1)",
     IN_FAMILY},
    {.name = "pexpiretime",
     .run = generic_pexpiretime,
     .arity = 2,
     .flags = CMD_READONLY | CMD_FAST,
     .keys = KEYS_ONE(KEY_RO | KEY_ACCESS),
     .usage = "key#0",
     .since = "7.0.0",
     .summary = "Answers when a key expires, as a Unix time in milliseconds.",
     .complexity = "O(1)",
     IN_FAMILY},
    {.name = "pttl",
     .run = generic_pttl,
     .arity = 2,
     .flags = CMD_READONLY | CMD_FAST,
     .keys = KEYS_ONE(KEY_RO | KEY_ACCESS),
     .usage = "key#0",
     .history = "2.8.0 -2 for a key that is absent.",
     .since = "2.6.0",
     .summary = "Answers the time to live of a key in milliseconds.",
     .complexity = "O(1)",
     .tips = varying_tips,
     IN_FAMILY},
    {.name = "randomkey",
     .run = generic_randomkey,
     .arity = 1,
     .flags = CMD_READONLY | CMD_NO_HOLD,
     .since = "1.0.0",
     .summary = "Answers the name of a key chosen at random.",
     .complexity = "O(1)",
     .tips = randomkey_tips,
     IN_FAMILY},
    {.name = "rename",
     .run = rename_command,
     .arity = 3,
     .flags = CMD_WRITE | CMD_NEUTRAL,
     .keys = {{.flags = KEY_RW | KEY_ACCESS | KEY_DELETE, .begin = 1, .step = 1},
              {.flags = KEY_OW | KEY_UPDATE, .begin = 2, .step = 1}},
     .usage = "key#0 newkey#1",
     .since = "1.0.0",
     .summary = "Gives a key a new name, in place of what is there.",
     .complexity = "O(1), and as DEL for what is replaced",
     IN_FAMILY},
    {.name = "renamenx",
     .run = renamenx_command,
     .arity = 3,
     .flags = CMD_WRITE | CMD_FAST | CMD_NEUTRAL,
     .keys = {{.flags = KEY_RW | KEY_ACCESS | KEY_DELETE, .begin = 1, .step = 1},
              {.flags = KEY_OW | KEY_INSERT, .begin = 2, .step = 1}},
     .usage = "key#0 newkey#1",
     .history = "3.2.0 A key may be renamed to itself.",
     .since = "1.0.0",
     .summary = "Gives a key a new name unless that is taken.",
     .complexity = "O(1)",
     IN_FAMILY},
    {.name = "restore",
     .run = generic_restore,
     .arity = -4,
     .flags = CMD_WRITE | CMD_DENYOOM,
     .keys = KEYS_ONE(KEY_OW | KEY_UPDATE),
     .usage = "key#0 ttl:integer serialized-value [REPLACE@3.0.0] [ABSTTL@5.0.0] "
              "[IDLETIME seconds:integer@5.0.0] [FREQ frequency:integer@5.0.0]",
     .history = "3.0.0 The option REPLACE.\n"
                "5.0.0 The option ABSTTL.\n"
                "5.0.0 The options IDLETIME and FREQ.",
     .since = "2.6.0",
     .summary = "Makes a key from what DUMP answered.",
     .complexity = "O(N) with the size of the value",
     .acl = ACL_KEYSPACE | ACL_DANGEROUS,
     .group = GROUP_GENERIC},
    {.name = "restore-asking",
     .run = generic_restore,
     .arity = -4,
     .flags = CMD_SYSCMD | CMD_WRITE | CMD_DENYOOM | CMD_ASKING,
     .keys = KEYS_ONE(KEY_OW | KEY_UPDATE),
     .usage = "key#0 ttl:integer serialized-value [REPLACE@3.0.0] [ABSTTL@5.0.0] "
              "[IDLETIME seconds:integer@5.0.0] [FREQ frequency:integer@5.0.0]",
     .history = "3.0.0 The option REPLACE.\n"
                "5.0.0 The option ABSTTL.\n"
                "5.0.0 The options IDLETIME and FREQ.",
     .since = "3.0.0",
     .summary = "RESTORE as a cluster uses it while slots move.",
     .complexity = "O(N) with the size of the value",
     .acl = ACL_KEYSPACE | ACL_DANGEROUS,
     .group = GROUP_SERVER},
    {.name = "scan",
     .run = generic_scan,
     .arity = -2,
     .flags = CMD_READONLY | CMD_NO_HOLD,
     .usage = "cursor:integer [MATCH pattern:pattern] [COUNT count:integer] [TYPE type@6.0.0]",
     .history = "6.0.0 The option TYPE.",
     .since = "2.8.0",
     .summary = "Goes through the names of all keys, a few at each call.",
     .complexity = "O(1) a call, O(N) for all keys",
     .tips = scan_tips,
     IN_FAMILY},
    {.name = "touch",
     .run = touch_command,
     .arity = -2,
     .flags = CMD_READONLY | CMD_FAST,
     .keys = KEYS_ALL(KEY_RO),
     .usage = "key#0...",
     .since = "3.2.1",
     .summary = "Counts how many of the keys are there and marks them as just used.",
     .complexity = "O(N) with the number of keys",
     .tips = each_shard_tips,
     IN_FAMILY},
    {.name = "ttl",
     .run = generic_ttl,
     .arity = 2,
     .flags = CMD_READONLY | CMD_FAST,
     .keys = KEYS_ONE(KEY_RO | KEY_ACCESS),
     .usage = "key#0",
     .history = "2.8.0 -2 for a key that is absent.",
     .since = "1.0.0",
     .summary = "Answers the time to live of a key in seconds.",
     .complexity = "O(1)",
     .tips = varying_tips,
     IN_FAMILY},
    {.name = "type",
     .run = type_command,
     .arity = 2,
     .flags = CMD_READONLY | CMD_FAST,
     .keys = KEYS_ONE(KEY_RO),
     .usage = "key#0",
     .since = "1.0.0",
     .summary = "Answers what type of value a key holds.",
     .complexity = "O(1)",
     IN_FAMILY},
    {.name = "unlink",
     .run = unlink_command,
     .arity = -2,
     .flags = CMD_WRITE | CMD_FAST | CMD_SHRINK,
     .keys = KEYS_ALL(KEY_RM | KEY_DELETE),
     .usage = "key#0...",
     .since = "4.0.0",
     .summary = "Removes keys; large values are freed in the background.",
     .complexity = "O(N) with the number of keys",
     .tips = each_shard_tips,
     IN_FAMILY},
    {.name = NULL}};
