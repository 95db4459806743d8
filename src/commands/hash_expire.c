/* hash_expire.c - times to live of fields: setting, reading and removing them.
 *
 * Each field named is answered with an integer. All of them get the same time, so the effect of a
 * command is one record: HPEXPIREAT of the fields that got it, or, if it is past, HDEL of those
 * that were there.
 */
#include "base/mem.h"
#include "commands/hash.h"
#include "commands/plain.h"

enum answer { NO_FIELD = -2, NO_EXPIRY = -1, NOT_MET = 0, DONE = 1, DELETED = 2 };

/* ---- arguments ---- */

bool hash_read_time(struct call *call, uint32_t at, bool seconds, bool absolute, int64_t *when_ms)
{
    int64_t time, base_ms = absolute ? 0 : call->hold.now_ms;
    if (!call_i64(call, at, &time, NULL))
        return false;
    if (time < 0) {
        call_error(call, "ERR invalid expire time, must be >= 0");
        return false;
    }
    if (time > HASH_EXPIRE_MAX / (seconds ? 1000 : 1) ||
        time * (seconds ? 1000 : 1) > HASH_EXPIRE_MAX - base_ms) {
        call_errorf(call, "ERR invalid expire time in '%s' command", call->command->name);
        return false;
    }
    *when_ms = time * (seconds ? 1000 : 1) + base_ms;
    return true;
}

bool hash_read_names(struct call *call, uint32_t at, const char *count_error,
                     struct hash_names *names)
{
    int64_t count;
    if (at + 1 >= call->argc || !slice_is(call->argv[at], "fields")) {
        call_error(call, "ERR Mandatory argument FIELDS is missing or not at the right position");
        return false;
    }
    if (!call_i64_range(call, at + 1, 1, INT64_MAX, &count, count_error))
        return false;
    if (count != (int64_t)call->argc - at - 2) {
        call_error(call, "ERR The `numfields` parameter must match the number of arguments");
        return false;
    }
    *names = (struct hash_names){.at = at + 2, .count = (uint32_t)count, .step = 1};
    return true;
}

static void reply_all(struct call *call, uint32_t count, enum answer answer)
{
    reply_array(call->reply, count);
    for (uint32_t i = 0; i < count; i++)
        reply_int(call->reply, answer);
}

/* ---- HEXPIRE and its like ---- */

enum condition { ALWAYS, IF_NX, IF_XX, IF_GT, IF_LT };

/* Without any, *at stays. */
static enum condition read_condition(const struct call *call, uint32_t *at)
{
    static const char *const words[] = {[IF_NX] = "nx", [IF_XX] = "xx", [IF_GT] = "gt", "lt"};
    for (unsigned i = IF_NX; i < COUNT_OF(words); i++)
        if (slice_is(call->argv[*at], words[i])) {
            ++*at;
            return (enum condition)i;
        }
    return ALWAYS;
}

/* A field without expiry lives for ever: later than any time. */
static bool condition_holds(enum condition condition, int64_t current_ms, int64_t when_ms)
{
    bool expires = current_ms != HASH_NO_EXPIRY;
    return condition == ALWAYS || (condition == IF_NX && !expires) ||
           (condition == IF_XX && expires) ||
           (condition == IF_GT && expires && when_ms > current_ms) ||
           (condition == IF_LT && (!expires || when_ms < current_ms));
}

static enum answer expire_one(struct value *hash, struct slice name, enum condition condition,
                              int64_t when_ms, bool is_past)
{
    char room[HASH_TEXT];
    struct hash_field field;
    if (!hash_find_field(*hash, HASH_SEE_ALL, name, room, &field))
        return NO_FIELD;
    if (!condition_holds(condition, field.expire_ms, when_ms))
        return NOT_MET;
    if (is_past) {
        hash_remove(hash, name);
        return DELETED;
    }
    hash_set_expiry(hash, name, when_ms);
    return DONE;
}

static void expire_all(struct call *call, const struct key *key, struct entry *entry,
                       const struct hash_names *names, enum condition condition, int64_t when_ms)
{
    struct slice *changed = mem_alloc(names->count * sizeof *changed);
    uint32_t count = 0;
    bool is_past = plain_is_past(call, when_ms);
    struct hash_edit edit = hash_begin(call, key, entry);
    when_ms = MAX_OF(when_ms, 1); /* while loading, what is past stays until the log says so */
    reply_array(call->reply, names->count);
    for (uint32_t i = 0; i < names->count; i++) {
        struct slice name = call->argv[names->at + i];
        enum answer answer = expire_one(&edit.value, name, condition, when_ms, is_past);
        if (answer == DONE || answer == DELETED)
            changed[count++] = name;
        reply_int(call->reply, answer);
    }
    if (count != 0) {
        call_changed(call, count);
        call_notify(call, 'h', is_past ? "hdel" : "hexpire", key);
    }
    hash_end(call, key, &edit);
    if (is_past)
        hash_effect_delete(call, key->name, changed, count);
    else
        hash_effect_expire(call, key->name, when_ms, changed, count);
    mem_free(changed);
}

static void expire(struct call *call, bool seconds, bool absolute)
{
    struct key key = call_first_key(call);
    struct entry *entry;
    struct hash_names names;
    int64_t when_ms;
    uint32_t at = 3;
    if (!hash_find(call, &key, FIND_WRITE, &entry) ||
        !hash_read_time(call, 2, seconds, absolute, &when_ms))
        return;
    enum condition condition = read_condition(call, &at);
    if (!hash_read_names(call, at, "ERR Parameter `numFields` should be greater than 0", &names))
        return;
    hash_remove_past(call, &key, &names, &entry);
    if (entry != NULL)
        expire_all(call, &key, entry, &names, condition, when_ms);
    else
        reply_all(call, names.count, NO_FIELD);
}

void hash_hexpire(struct call *call)
{
    expire(call, true, false);
}

void hash_hexpireat(struct call *call)
{
    expire(call, true, true);
}

void hash_hpexpire(struct call *call)
{
    expire(call, false, false);
}

void hash_hpexpireat(struct call *call)
{
    expire(call, false, true);
}

/* ---- HTTL and its like ---- */

static int64_t time_of(const struct call *call, const struct entry *entry, struct slice name,
                       bool seconds, bool absolute)
{
    char room[HASH_TEXT];
    struct hash_field field;
    if (!hash_find_field(entry_value(entry), hash_now(call), name, room, &field))
        return NO_FIELD;
    if (field.expire_ms == HASH_NO_EXPIRY)
        return NO_EXPIRY;
    int64_t time = field.expire_ms;
    if (!absolute)
        time = MAX_OF(time - call->hold.now_ms, 0);
    return seconds ? time / 1000 + (time % 1000 != 0) : time;
}

/* Seconds are rounded up. */
static void reply_times(struct call *call, bool seconds, bool absolute)
{
    struct key key = call_first_key(call);
    struct entry *entry;
    struct hash_names names;
    if (!hash_find(call, &key, FIND_COUNT, &entry) ||
        !hash_read_names(call, 2, HASH_COUNT_ERROR, &names))
        return;
    if (entry == NULL) {
        reply_all(call, names.count, NO_FIELD);
        return;
    }
    reply_array(call->reply, names.count);
    for (uint32_t i = 0; i < names.count; i++)
        reply_int(call->reply, time_of(call, entry, call->argv[names.at + i], seconds, absolute));
}

void hash_httl(struct call *call)
{
    reply_times(call, true, false);
}

void hash_hpttl(struct call *call)
{
    reply_times(call, false, false);
}

void hash_hexpiretime(struct call *call)
{
    reply_times(call, true, true);
}

void hash_hpexpiretime(struct call *call)
{
    reply_times(call, false, true);
}

/* ---- HPERSIST ---- */

static enum answer persist_one(struct value *hash, struct slice name)
{
    char room[HASH_TEXT];
    struct hash_field field;
    if (!hash_find_field(*hash, HASH_SEE_ALL, name, room, &field))
        return NO_FIELD;
    if (field.expire_ms == HASH_NO_EXPIRY)
        return NO_EXPIRY;
    hash_set_expiry(hash, name, HASH_NO_EXPIRY);
    return DONE;
}

void hash_hpersist(struct call *call)
{
    struct key key = call_first_key(call);
    struct entry *entry;
    struct hash_names names;
    uint64_t changes = 0;
    if (!hash_find(call, &key, FIND_WRITE, &entry) ||
        !hash_read_names(call, 2, HASH_COUNT_ERROR, &names))
        return;
    hash_remove_past(call, &key, &names, &entry);
    if (entry == NULL) {
        reply_all(call, names.count, NO_FIELD);
        return;
    }
    struct hash_edit edit = hash_begin(call, &key, entry);
    reply_array(call->reply, names.count);
    for (uint32_t i = 0; i < names.count; i++) {
        enum answer answer = persist_one(&edit.value, call->argv[names.at + i]);
        changes += answer == DONE;
        reply_int(call->reply, answer);
    }
    hash_end(call, &key, &edit);
    if (changes != 0) {
        call_changed(call, changes);
        call_notify(call, 'h', "hpersist", &key);
    }
}
