/* hash.c - the hash family: setting, getting and removing fields, and its rows. */
#include "commands/hash.h"

#include "commands/commands.h"

/* ---- setting ---- */

static struct value edit(struct call *call, const struct key *key, struct entry *entry)
{
    return entry != NULL ? keyspace_edit_value(&call->hold, key, entry) : hash_new();
}

static void file(struct call *call, const struct key *key, struct entry *entry, struct value hash)
{
    if (entry != NULL)
        keyspace_value_edited(entry, hash);
    else
        keyspace_put_value(&call->hold, key, NULL, hash, EXPIRE_NONE);
}

bool hash_put(struct call *call, const struct key *key, struct entry *entry, struct slice field,
              struct slice value, const char *event)
{
    struct value hash = edit(call, key, entry);
    bool added = hash_set(&hash, hash_limits_of(call), field, value);
    file(call, key, entry, hash);
    call_changed(call, 1);
    call_notify(call, 'h', event, key);
    return added;
}

/* How many fields were new; false after replying an error. */
static bool set_all(struct call *call, size_t *added)
{
    struct key key = call_first_key(call);
    const struct value_limits *limits = hash_limits_of(call);
    struct entry *entry;
    if (call->argc % 2 != 0) {
        call_wrong_arity(call);
        return false;
    }
    if (!hash_find(call, &key, FIND_WRITE, &entry))
        return false;
    size_t pairs = (call->argc - 2) / 2;
    struct value hash = edit(call, &key, entry);
    hash_expect(&hash, limits, pairs);
    *added = 0;
    for (uint32_t i = 2; i < call->argc; i += 2)
        *added += hash_set(&hash, limits, call->argv[i], call->argv[i + 1]);
    file(call, &key, entry, hash);
    call_changed(call, pairs);
    call_notify(call, 'h', "hset", &key);
    return true;
}

static void hset_command(struct call *call)
{
    size_t added;
    if (set_all(call, &added))
        reply_int(call->reply, (int64_t)added);
}

static void hmset_command(struct call *call)
{
    size_t added;
    if (set_all(call, &added))
        reply_ok(call->reply);
}

static void hsetnx_command(struct call *call)
{
    struct key key = call_first_key(call);
    struct entry *entry;
    if (!hash_find(call, &key, FIND_WRITE, &entry))
        return;
    bool there = entry != NULL && hash_has(entry_value(entry), call->argv[2]);
    if (!there)
        hash_put(call, &key, entry, call->argv[2], call->argv[3], "hset");
    reply_int(call->reply, !there);
}

/* ---- getting ---- */

static void reply_field(struct call *call, const struct entry *entry, struct slice field)
{
    char room[HASH_TEXT];
    struct slice value;
    if (entry != NULL && hash_get(entry_value(entry), field, room, &value))
        reply_bulk(call->reply, value);
    else
        reply_null(call->reply);
}

static void hget_command(struct call *call)
{
    struct key key = call_first_key(call);
    struct entry *entry;
    if (hash_find(call, &key, FIND_READ, &entry))
        reply_field(call, entry, call->argv[2]);
}

static void hmget_command(struct call *call)
{
    struct key key = call_first_key(call);
    struct entry *entry;
    if (!hash_find(call, &key, FIND_READ, &entry))
        return;
    reply_array(call->reply, call->argc - 2);
    for (uint32_t i = 2; i < call->argc; i++)
        reply_field(call, entry, call->argv[i]);
}

static void hlen_command(struct call *call)
{
    struct key key = call_first_key(call);
    struct entry *entry;
    if (hash_find(call, &key, FIND_READ, &entry))
        reply_int(call->reply, entry != NULL ? (int64_t)hash_count(entry_value(entry)) : 0);
}

static void hstrlen_command(struct call *call)
{
    struct key key = call_first_key(call);
    struct entry *entry;
    char room[HASH_TEXT];
    struct slice value = {NULL, 0};
    if (!hash_find(call, &key, FIND_READ, &entry))
        return;
    bool there = entry != NULL && hash_get(entry_value(entry), call->argv[2], room, &value);
    reply_int(call->reply, there ? (int64_t)value.len : 0);
}

static void hexists_command(struct call *call)
{
    struct key key = call_first_key(call);
    struct entry *entry;
    if (hash_find(call, &key, FIND_READ, &entry))
        reply_int(call->reply, entry != NULL && hash_has(entry_value(entry), call->argv[2]));
}

/* ---- removing ---- */

static void hdel_command(struct call *call)
{
    struct key key = call_first_key(call);
    struct entry *entry;
    if (!hash_find(call, &key, FIND_WRITE, &entry))
        return;
    size_t removed = 0;
    if (entry != NULL) {
        struct value hash = keyspace_edit_value(&call->hold, &key, entry);
        for (uint32_t i = 2; i < call->argc; i++)
            removed += hash_remove(&hash, call->argv[i]);
        keyspace_value_edited(entry, hash);
        if (removed != 0) {
            call_changed(call, removed);
            call_notify(call, 'h', "hdel", &key);
        }
        if (hash_count(hash) == 0) {
            keyspace_remove(&call->hold, &key, entry, false);
            call_notify(call, 'g', "del", &key);
        }
    }
    reply_int(call->reply, (int64_t)removed);
}

/* ---- rows ---- */

static const char *const any_order[] = {"nondeterministic_output_order", NULL};
static const char *const any_output[] = {"nondeterministic_output", NULL};

#define IN_FAMILY .acl = ACL_HASH, .group = GROUP_HASH

const struct command hash_commands[] = {
    {.name = "hdel",
     .run = hdel_command,
     .arity = -3,
     .flags = CMD_WRITE | CMD_FAST | CMD_SHRINK,
     .keys = KEYS_ONE(KEY_RW | KEY_DELETE),
     .element_at = 2,
     .element_step = 1,
     .since = "2.0.0",
     .summary = "Removes fields from a hash.",
     .complexity = "O(N) with the number of fields given",
     IN_FAMILY},
    {.name = "hexists",
     .run = hexists_command,
     .arity = 3,
     .flags = CMD_READONLY | CMD_FAST,
     .keys = KEYS_ONE(KEY_RO),
     .element_at = 2,
     .since = "2.0.0",
     .summary = "Answers whether a hash has a field.",
     .complexity = "O(1)",
     IN_FAMILY},
    {.name = "hget",
     .run = hget_command,
     .arity = 3,
     .flags = CMD_READONLY | CMD_FAST,
     .keys = KEYS_ONE(KEY_RO | KEY_ACCESS),
     .element_at = 2,
     .since = "2.0.0",
     .summary = "Answers the value of a field.",
     .complexity = "O(1)",
     IN_FAMILY},
    {.name = "hgetall",
     .run = hash_hgetall,
     .arity = 2,
     .flags = CMD_READONLY,
     .keys = KEYS_ONE(KEY_RO | KEY_ACCESS),
     .since = "2.0.0",
     .summary = "Answers all fields of a hash with their values.",
     .complexity = "O(N) with the size of the hash",
     .tips = any_order,
     IN_FAMILY},
    {.name = "hincrby",
     .run = hash_hincrby,
     .arity = 4,
     .flags = CMD_WRITE | CMD_DENYOOM | CMD_FAST,
     .keys = KEYS_ONE(KEY_RW | KEY_ACCESS | KEY_UPDATE),
     .element_at = 2,
     .since = "2.0.0",
     .summary = "Adds an integer to the value of a field, which is 0 if absent.",
     .complexity = "O(1)",
     IN_FAMILY},
    {.name = "hincrbyfloat",
     .run = hash_hincrbyfloat,
     .arity = 4,
     .flags = CMD_WRITE | CMD_DENYOOM | CMD_FAST,
     .keys = KEYS_ONE(KEY_RW | KEY_ACCESS | KEY_UPDATE),
     .element_at = 2,
     .since = "2.6.0",
     .summary = "Adds a number to the value of a field, which is 0 if absent.",
     .complexity = "O(1)",
     IN_FAMILY},
    {.name = "hkeys",
     .run = hash_hkeys,
     .arity = 2,
     .flags = CMD_READONLY,
     .keys = KEYS_ONE(KEY_RO | KEY_ACCESS),
     .since = "2.0.0",
     .summary = "Answers all fields of a hash.",
     .complexity = "O(N) with the size of the hash",
     .tips = any_order,
     IN_FAMILY},
    {.name = "hlen",
     .run = hlen_command,
     .arity = 2,
     .flags = CMD_READONLY | CMD_FAST,
     .keys = KEYS_ONE(KEY_RO),
     .since = "2.0.0",
     .summary = "Answers how many fields a hash has.",
     .complexity = "O(1)",
     IN_FAMILY},
    {.name = "hmget",
     .run = hmget_command,
     .arity = -3,
     .flags = CMD_READONLY | CMD_FAST,
     .keys = KEYS_ONE(KEY_RO | KEY_ACCESS),
     .element_at = 2,
     .element_step = 1,
     .since = "2.0.0",
     .summary = "Answers the values of several fields.",
     .complexity = "O(N) with the number of fields asked for",
     IN_FAMILY},
    {.name = "hmset",
     .run = hmset_command,
     .arity = -4,
     .flags = CMD_WRITE | CMD_DENYOOM | CMD_FAST,
     .keys = KEYS_ONE(KEY_RW | KEY_UPDATE),
     .element_at = 2,
     .element_step = 2,
     .since = "2.0.0",
     .summary = "Sets the values of several fields.",
     .complexity = "O(N) with the number of fields set",
     .deprecated_since = "4.0.0",
     .replaced_by = "`HSET` with multiple field-value pairs",
     IN_FAMILY},
    {.name = "hrandfield",
     .run = hash_hrandfield,
     .arity = -2,
     .flags = CMD_READONLY,
     .keys = KEYS_ONE(KEY_RO | KEY_ACCESS),
     .since = "6.2.0",
     .summary = "Answers random fields of a hash.",
     .complexity = "O(N) with the number of fields asked for",
     .tips = any_output,
     IN_FAMILY},
    {.name = "hscan",
     .run = hash_hscan,
     .arity = -3,
     .flags = CMD_READONLY,
     .keys = KEYS_ONE(KEY_RO | KEY_ACCESS),
     .since = "2.8.0",
     .summary = "Walks over the fields of a hash in parts.",
     .complexity = "O(1) for each call, O(N) for a whole walk",
     .tips = any_output,
     IN_FAMILY},
    {.name = "hset",
     .run = hset_command,
     .arity = -4,
     .flags = CMD_WRITE | CMD_DENYOOM | CMD_FAST,
     .keys = KEYS_ONE(KEY_RW | KEY_UPDATE),
     .element_at = 2,
     .element_step = 2,
     .since = "2.0.0",
     .summary = "Sets the values of fields of a hash, which is created if absent.",
     .complexity = "O(N) with the number of fields set",
     IN_FAMILY},
    {.name = "hsetnx",
     .run = hsetnx_command,
     .arity = 4,
     .flags = CMD_WRITE | CMD_DENYOOM | CMD_FAST,
     .keys = KEYS_ONE(KEY_RW | KEY_INSERT),
     .element_at = 2,
     .since = "2.0.0",
     .summary = "Sets the value of a field unless the field is there.",
     .complexity = "O(1)",
     IN_FAMILY},
    {.name = "hstrlen",
     .run = hstrlen_command,
     .arity = 3,
     .flags = CMD_READONLY | CMD_FAST,
     .keys = KEYS_ONE(KEY_RO),
     .element_at = 2,
     .since = "3.2.0",
     .summary = "Answers the length of the value of a field.",
     .complexity = "O(1)",
     IN_FAMILY},
    {.name = "hvals",
     .run = hash_hvals,
     .arity = 2,
     .flags = CMD_READONLY,
     .keys = KEYS_ONE(KEY_RO | KEY_ACCESS),
     .since = "2.0.0",
     .summary = "Answers the values of all fields of a hash.",
     .complexity = "O(N) with the size of the hash",
     .tips = any_order,
     IN_FAMILY},
    {.name = NULL}};
