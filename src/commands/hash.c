/* hash.c - hashes: finding one and changing it; setting, getting and removing fields. */
#include "commands/hash.h"

#include "base/mem.h"
#include "base/number.h"
#include "commands/commands.h"

#define EXPIRED_AT_ONCE 64 /* fields past their expiry that a command removes before it looks */

/* ---- finding ---- */

bool hash_find(struct call *call, const struct key *key, unsigned how, struct entry **entry)
{
    if (!call_find_value(call, key, how, TYPE_HASH, entry))
        return false;
    if (*entry != NULL && UNLIKELY((*entry)->flags & ENTRY_ELEMENTS_EXPIRE))
        *entry = keyspace_expire_elements(&call->hold, key, *entry, EXPIRED_AT_ONCE);
    return true;
}

static bool is_there_but_past(const struct call *call, const struct entry *entry, struct slice name)
{
    char room[HASH_TEXT];
    struct hash_field field;
    return hash_find_field(entry_value(entry), HASH_SEE_ALL, name, room, &field) &&
           hash_is_past(field.expire_ms, call->hold.now_ms);
}

/* Returns the entry, or NULL if it had no other fields. */
static struct entry *remove_past(struct call *call, const struct key *key, struct entry *entry,
                                 struct slice name)
{
    int64_t due_ms = value_due_ms(entry_value(entry));
    struct value hash = keyspace_edit_value(&call->hold, key, entry);
    keyspace_expiring_element(&call->hold, key, name);
    hash_remove(&hash, name);
    keyspace_value_edited(entry, hash);
    bool emptied = hash_count(hash) == 0;
    keyspace_elements_expired(&call->hold, key, emptied);
    if (!emptied) {
        keyspace_elements_timed(&call->hold, key, entry, due_ms);
        return entry;
    }
    keyspace_remove(&call->hold, key, entry, false);
    return NULL;
}

void hash_remove_past(struct call *call, const struct key *key, const struct hash_names *names,
                      struct entry **entry)
{
    if (call->hold.flags & (HOLD_LOADING | HOLD_READER | HOLD_SOURCE))
        return;
    for (uint32_t i = 0; i < names->count; i++) {
        struct slice name = call->argv[names->at + i * names->step];
        if (*entry == NULL || LIKELY(!((*entry)->flags & ENTRY_ELEMENTS_EXPIRE)))
            return;
        if (is_there_but_past(call, *entry, name))
            *entry = remove_past(call, key, *entry, name);
    }
}

bool hash_find_to_change(struct call *call, const struct key *key, const struct hash_names *names,
                         struct entry **entry)
{
    bool found = hash_find(call, key, FIND_WRITE, entry);
    if (found)
        hash_remove_past(call, key, names, entry);
    return found;
}

/* ---- changing ---- */

struct hash_edit hash_begin(struct call *call, const struct key *key, struct entry *entry)
{
    struct hash_edit edit = {.entry = entry, .due_ms = VALUE_NEVER_DUE};
    if (entry == NULL) {
        edit.value = hash_new();
        return edit;
    }
    if (UNLIKELY(entry->flags & ENTRY_ELEMENTS_EXPIRE))
        edit.due_ms = value_due_ms(entry_value(entry));
    edit.value = keyspace_edit_value(&call->hold, key, entry);
    return edit;
}

void hash_end(struct call *call, const struct key *key, struct hash_edit *edit)
{
    bool empty = hash_count(edit->value) == 0;
    if (edit->entry == NULL && empty) {
        value_free(edit->value);
    } else if (edit->entry == NULL) {
        keyspace_put_value(&call->hold, key, NULL, edit->value, EXPIRE_NONE);
    } else {
        keyspace_value_edited(edit->entry, edit->value);
        if (empty) {
            keyspace_remove(&call->hold, key, edit->entry, false);
            call_notify(call, 'g', "del", key);
        } else if (UNLIKELY(edit->due_ms != VALUE_NEVER_DUE || hash_expires(edit->value))) {
            keyspace_elements_timed(&call->hold, key, edit->entry, edit->due_ms);
        }
    }
}

/* ---- effects ---- */

static void effect_on_names(struct call *call, const struct slice *head, uint32_t head_count,
                            const struct slice *names, uint32_t count)
{
    struct slice *argv = mem_alloc((head_count + count) * sizeof *argv);
    memcpy(argv, head, head_count * sizeof *argv);
    memcpy(argv + head_count, names, count * sizeof *argv);
    call_effect(call, head_count + count, argv);
    mem_free(argv);
}

void hash_effect_expire(struct call *call, struct slice key, int64_t expire_ms,
                        const struct slice *names, uint32_t count)
{
    char when[NUMBER_TEXT_MAX], many[NUMBER_TEXT_MAX];
    struct slice number = slice_of(many, number_print_u64(many, count));
    struct slice time = slice_of(when, number_print_i64(when, expire_ms));
    const struct slice set[] = {SLICE("HPEXPIREAT"), key, time, SLICE("FIELDS"), number};
    const struct slice persist[] = {SLICE("HPERSIST"), key, SLICE("FIELDS"), number};
    if (count == 0)
        call_effect_none(call);
    else if (expire_ms != HASH_NO_EXPIRY)
        effect_on_names(call, set, COUNT_OF(set), names, count);
    else
        effect_on_names(call, persist, COUNT_OF(persist), names, count);
}

void hash_effect_delete(struct call *call, struct slice key, const struct slice *names,
                        uint32_t count)
{
    const struct slice head[] = {SLICE("HDEL"), key};
    if (count == 0)
        call_effect_none(call);
    else
        effect_on_names(call, head, COUNT_OF(head), names, count);
}

/* ---- setting ---- */

void hash_put(struct call *call, const struct key *key, struct entry *entry, struct slice field,
              struct slice value, const char *event)
{
    struct hash_edit edit = hash_begin(call, key, entry);
    hash_set(&edit.value, hash_limits_of(call), field, value, HASH_KEEP_EXPIRY);
    hash_end(call, key, &edit);
    call_changed(call, 1);
    call_notify(call, 'h', event, key);
}

/* How many fields were new; false after replying an error. */
static bool set_all(struct call *call, size_t *added)
{
    struct key key = call_first_key(call);
    const struct value_limits *limits = hash_limits_of(call);
    struct hash_names names = {.at = 2, .count = (call->argc - 2) / 2, .step = 2};
    struct entry *entry;
    if (call->argc % 2 != 0) {
        call_wrong_arity(call);
        return false;
    }
    if (!hash_find_to_change(call, &key, &names, &entry))
        return false;
    struct hash_edit edit = hash_begin(call, &key, entry);
    hash_expect(&edit.value, limits, names.count);
    *added = 0;
    for (uint32_t i = 2; i < call->argc; i += 2)
        *added += hash_set(&edit.value, limits, call->argv[i], call->argv[i + 1], HASH_NO_EXPIRY);
    hash_end(call, &key, &edit);
    call_changed(call, names.count);
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
    struct hash_names names = {.at = 2, .count = 1};
    struct entry *entry;
    if (!hash_find_to_change(call, &key, &names, &entry))
        return;
    bool there = entry != NULL && hash_has(entry_value(entry), HASH_SEE_ALL, call->argv[2]);
    if (!there)
        hash_put(call, &key, entry, call->argv[2], call->argv[3], "hset");
    reply_int(call->reply, !there);
}

/* ---- getting ---- */

static void reply_field(struct call *call, const struct entry *entry, struct slice field)
{
    char room[HASH_TEXT];
    struct slice value;
    if (entry != NULL && hash_get(entry_value(entry), hash_now(call), field, room, &value))
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

/* Fields of a table that are past their expiry count until they are removed, as in Redis: that is
 * done within a quarter of a second unless very many are due at once. */
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
    bool there =
        entry != NULL && hash_get(entry_value(entry), hash_now(call), call->argv[2], room, &value);
    reply_int(call->reply, there ? (int64_t)value.len : 0);
}

static void hexists_command(struct call *call)
{
    struct key key = call_first_key(call);
    struct entry *entry;
    if (hash_find(call, &key, FIND_READ, &entry))
        reply_int(call->reply,
                  entry != NULL && hash_has(entry_value(entry), hash_now(call), call->argv[2]));
}

/* ---- removing ---- */

static void hdel_command(struct call *call)
{
    struct key key = call_first_key(call);
    struct hash_names names = {.at = 2, .count = call->argc - 2, .step = 1};
    struct entry *entry;
    if (!hash_find_to_change(call, &key, &names, &entry))
        return;
    size_t removed = 0;
    if (entry != NULL) {
        struct hash_edit edit = hash_begin(call, &key, entry);
        for (uint32_t i = 2; i < call->argc; i++)
            removed += hash_remove(&edit.value, call->argv[i]);
        if (removed != 0) {
            call_changed(call, removed);
            call_notify(call, 'h', "hdel", &key);
        }
        hash_end(call, &key, &edit);
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
     .usage = "key#0 field...",
     .history = "2.4.0 Several fields.",
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
     .usage = "key#0 field",
     .since = "2.0.0",
     .summary = "Answers whether a hash has a field.",
     .complexity = "O(1)",
     IN_FAMILY},
    {.name = "hexpire",
     .run = hash_hexpire,
     .arity = -6,
     .flags = CMD_WRITE | CMD_FAST | CMD_NEUTRAL,
     .keys = KEYS_ONE(KEY_RW | KEY_UPDATE),
     .usage = "key#0 seconds:integer [condition(NX | XX | GT | LT)] "
              "FIELDS fields(numfields:integer field...)",
     .since = "7.4.0",
     .summary = "Sets the time to live of fields in seconds.",
     .complexity = "O(N) with the number of fields given",
     IN_FAMILY},
    {.name = "hexpireat",
     .run = hash_hexpireat,
     .arity = -6,
     .flags = CMD_WRITE | CMD_FAST | CMD_NEUTRAL,
     .keys = KEYS_ONE(KEY_RW | KEY_UPDATE),
     .usage = "key#0 unix-time-seconds:unix-time [condition(NX | XX | GT | LT)] "
              "FIELDS fields(numfields:integer field...)",
     .since = "7.4.0",
     .summary = "Sets the Unix time in seconds at which fields expire.",
     .complexity = "O(N) with the number of fields given",
     IN_FAMILY},
    {.name = "hexpiretime",
     .run = hash_hexpiretime,
     .arity = -5,
     .flags = CMD_READONLY | CMD_FAST,
     .keys = KEYS_ONE(KEY_RO | KEY_ACCESS),
     .usage = "key#0 FIELDS fields(numfields:integer field...)",
     .since = "7.4.0",
     .summary = "Answers the Unix time in seconds at which fields expire.",
     .complexity = "O(N) with the number of fields given",
     IN_FAMILY},
    {.name = "hget",
     .run = hget_command,
     .arity = 3,
     .flags = CMD_READONLY | CMD_FAST,
     .keys = KEYS_ONE(KEY_RO | KEY_ACCESS),
     .element_at = 2,
     .usage = "key#0 field",
     .since = "2.0.0",
     .summary = "Answers the value of a field.",
     .complexity = "O(1)",
     IN_FAMILY},
    {.name = "hgetall",
     .run = hash_hgetall,
     .arity = 2,
     .flags = CMD_READONLY,
     .keys = KEYS_ONE(KEY_RO | KEY_ACCESS),
     .usage = "key#0",
     .since = "2.0.0",
     .summary = "Answers all fields of a hash with their values.",
     .complexity = "O(N) with the size of the hash",
     .tips = any_order,
     IN_FAMILY},
    {.name = "hgetdel",
     .run = hash_hgetdel,
     .arity = -5,
     .flags = CMD_WRITE | CMD_FAST | CMD_SHRINK,
     .keys = KEYS_ONE(KEY_RW | KEY_ACCESS | KEY_DELETE),
     .usage = "key#0 FIELDS fields(numfields:integer field...)",
     .since = "8.0.0",
     .summary = "Answers the values of fields and removes the fields.",
     .complexity = "O(N) with the number of fields given",
     IN_FAMILY},
    {.name = "hgetex",
     .run = hash_hgetex,
     .arity = -5,
     .flags = CMD_WRITE | CMD_FAST | CMD_NEUTRAL,
     .keys = KEYS_ONE(KEY_RW | KEY_ACCESS | KEY_UPDATE),
     .usage = "key#0 [expiration(EX seconds:integer | PX milliseconds:integer | "
              "EXAT unix-time-seconds:unix-time | PXAT unix-time-milliseconds:unix-time | "
              "PERSIST)] FIELDS fields(numfields:integer field...)",
     .since = "8.0.0",
     .summary = "Answers the values of fields and sets or removes their time to live.",
     .complexity = "O(N) with the number of fields given",
     IN_FAMILY},
    {.name = "hincrby",
     .run = hash_hincrby,
     .arity = 4,
     .flags = CMD_WRITE | CMD_DENYOOM | CMD_FAST,
     .keys = KEYS_ONE(KEY_RW | KEY_ACCESS | KEY_UPDATE),
     .element_at = 2,
     .usage = "key#0 field increment:integer",
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
     .usage = "key#0 field increment:double",
     .since = "2.6.0",
     .summary = "Adds a number to the value of a field, which is 0 if absent.",
     .complexity = "O(1)",
     IN_FAMILY},
    {.name = "hkeys",
     .run = hash_hkeys,
     .arity = 2,
     .flags = CMD_READONLY,
     .keys = KEYS_ONE(KEY_RO | KEY_ACCESS),
     .usage = "key#0",
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
     .usage = "key#0",
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
     .usage = "key#0 field...",
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
     .usage = "key#0 data(field value)...",
     .since = "2.0.0",
     .summary = "Sets the values of several fields.",
     .complexity = "O(N) with the number of fields set",
     .deprecated_since = "4.0.0",
     .replaced_by = "`HSET` with multiple field-value pairs",
     IN_FAMILY},
    {.name = "hpersist",
     .run = hash_hpersist,
     .arity = -5,
     .flags = CMD_WRITE | CMD_FAST | CMD_NEUTRAL,
     .keys = KEYS_ONE(KEY_RW | KEY_UPDATE),
     .usage = "key#0 FIELDS fields(numfields:integer field...)",
     .since = "7.4.0",
     .summary = "Takes the time to live of fields away.",
     .complexity = "O(N) with the number of fields given",
     IN_FAMILY},
    {.name = "hpexpire",
     .run = hash_hpexpire,
     .arity = -6,
     .flags = CMD_WRITE | CMD_FAST | CMD_NEUTRAL,
     .keys = KEYS_ONE(KEY_RW | KEY_UPDATE),
     .usage = "key#0 milliseconds:integer [condition(NX | XX | GT | LT)] "
              "FIELDS fields(numfields:integer field...)",
     .since = "7.4.0",
     .summary = "Sets the time to live of fields in milliseconds.",
     .complexity = "O(N) with the number of fields given",
     IN_FAMILY},
    {.name = "hpexpireat",
     .run = hash_hpexpireat,
     .arity = -6,
     .flags = CMD_WRITE | CMD_FAST | CMD_NEUTRAL,
     .keys = KEYS_ONE(KEY_RW | KEY_UPDATE),
     .usage = "key#0 unix-time-milliseconds:unix-time [condition(NX | XX | GT | LT)] "
              "FIELDS fields(numfields:integer field...)",
     .since = "7.4.0",
     .summary = "Sets the Unix time in milliseconds at which fields expire.",
     .complexity = "O(N) with the number of fields given",
     IN_FAMILY},
    {.name = "hpexpiretime",
     .run = hash_hpexpiretime,
     .arity = -5,
     .flags = CMD_READONLY | CMD_FAST,
     .keys = KEYS_ONE(KEY_RO | KEY_ACCESS),
     .usage = "key#0 FIELDS fields(numfields:integer field...)",
     .since = "7.4.0",
     .summary = "Answers the Unix time in milliseconds at which fields expire.",
     .complexity = "O(N) with the number of fields given",
     IN_FAMILY},
    {.name = "hpttl",
     .run = hash_hpttl,
     .arity = -5,
     .flags = CMD_READONLY | CMD_FAST,
     .keys = KEYS_ONE(KEY_RO | KEY_ACCESS),
     .usage = "key#0 FIELDS fields(numfields:integer field...)",
     .since = "7.4.0",
     .summary = "Answers the time to live of fields in milliseconds.",
     .complexity = "O(N) with the number of fields given",
     .tips = any_output,
     IN_FAMILY},
    {.name = "hrandfield",
     .run = hash_hrandfield,
     .arity = -2,
     .flags = CMD_READONLY,
     .keys = KEYS_ONE(KEY_RO | KEY_ACCESS),
     .usage = "key#0 [options(count:integer [WITHVALUES])]",
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
     .usage = "key#0 cursor:integer [MATCH pattern:pattern] [COUNT count:integer] [NOVALUES@7.4.0]",
     .history = "7.4.0 The option NOVALUES.",
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
     .usage = "key#0 data(field value)...",
     .history = "4.0.0 Several fields.",
     .since = "2.0.0",
     .summary = "Sets the values of fields of a hash, which is created if absent.",
     .complexity = "O(N) with the number of fields set",
     IN_FAMILY},
    {.name = "hsetex",
     .run = hash_hsetex,
     .arity = -6,
     .flags = CMD_WRITE | CMD_DENYOOM | CMD_FAST,
     .keys = KEYS_ONE(KEY_RW | KEY_UPDATE),
     .usage = "key#0 [key-condition(NX | XX)] [condition(FNX | FXX)] "
              "[expiration(EX seconds:integer | PX milliseconds:integer | "
              "EXAT unix-time-seconds:unix-time | PXAT unix-time-milliseconds:unix-time | "
              "KEEPTTL)] FIELDS fields(numfields:integer data(field value)...)",
     .since = "8.0.0",
     .summary = "Sets the values of fields and their time to live.",
     .complexity = "O(N) with the number of fields given",
     IN_FAMILY},
    {.name = "hsetnx",
     .run = hsetnx_command,
     .arity = 4,
     .flags = CMD_WRITE | CMD_DENYOOM | CMD_FAST,
     .keys = KEYS_ONE(KEY_RW | KEY_INSERT),
     .element_at = 2,
     .usage = "key#0 field value",
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
     .usage = "key#0 field",
     .since = "3.2.0",
     .summary = "Answers the length of the value of a field.",
     .complexity = "O(1)",
     IN_FAMILY},
    {.name = "httl",
     .run = hash_httl,
     .arity = -5,
     .flags = CMD_READONLY | CMD_FAST,
     .keys = KEYS_ONE(KEY_RO | KEY_ACCESS),
     .usage = "key#0 FIELDS fields(numfields:integer field...)",
     .since = "7.4.0",
     .summary = "Answers the time to live of fields in seconds.",
     .complexity = "O(N) with the number of fields given",
     .tips = any_output,
     IN_FAMILY},
    {.name = "hvals",
     .run = hash_hvals,
     .arity = 2,
     .flags = CMD_READONLY,
     .keys = KEYS_ONE(KEY_RO | KEY_ACCESS),
     .usage = "key#0",
     .since = "2.0.0",
     .summary = "Answers the values of all fields of a hash.",
     .complexity = "O(N) with the size of the hash",
     .tips = any_order,
     IN_FAMILY},
    {.name = NULL}};
