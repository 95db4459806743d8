/* generic_expire.c - times to live of keys: setting, reading and removing them. */
#include "commands/generic.h"

#include "commands/plain.h"
#include "engine/settings.h"

enum expire_condition { IF_NX = 1, IF_XX = 2, IF_GT = 4, IF_LT = 8 };

static bool read_conditions(struct call *call, unsigned *conditions)
{
    static const struct {
        const char *word;
        unsigned flag;
    } words[] = {{"nx", IF_NX}, {"xx", IF_XX}, {"gt", IF_GT}, {"lt", IF_LT}};
    *conditions = 0;
    for (uint32_t i = 3; i < call->argc; i++) {
        struct slice arg = call->argv[i];
        size_t w = 0;
        while (w < COUNT_OF(words) && !slice_is(arg, words[w].word))
            w++;
        if (w == COUNT_OF(words)) {
            call_errorf(call, "ERR Unsupported option %.*s", (int)MIN_OF(arg.len, 900u), arg.data);
            return false;
        }
        *conditions |= words[w].flag;
    }
    if (*conditions & IF_NX && *conditions & ~(unsigned)IF_NX)
        call_error(call, "ERR NX and XX, GT or LT options at the same time are not compatible");
    else if (*conditions & IF_GT && *conditions & IF_LT)
        call_error(call, "ERR GT and LT options at the same time are not compatible");
    else
        return true;
    return false;
}

/* The time at argument 2 as an absolute time in ms, which may be negative. */
static bool read_time(struct call *call, bool seconds, bool absolute, int64_t *when_ms)
{
    int64_t time;
    if (!call_i64(call, 2, &time, NULL))
        return false;
    if ((!seconds || !__builtin_mul_overflow(time, 1000, &time)) &&
        !__builtin_add_overflow(time, absolute ? 0 : call->hold.now_ms, when_ms))
        return true;
    call_errorf(call, "ERR invalid expire time in '%s' command", call->command->name);
    return false;
}

/* A key without expiry lives for ever: later than any time. */
static bool conditions_hold(unsigned conditions, const struct entry *entry, int64_t when_ms)
{
    bool expires = entry_expires(entry);
    int64_t current = entry_expire_ms(entry);
    return !(conditions & IF_NX && expires) && !(conditions & IF_XX && !expires) &&
           !(conditions & IF_GT && (!expires || when_ms <= current)) &&
           !(conditions & IF_LT && expires && when_ms >= current);
}

static void set_time(struct call *call, const struct key *key, struct entry *entry, int64_t when_ms)
{
    if (plain_is_past(call, when_ms)) {
        plain_remove(call, key, entry, RELAXED_LOAD(&call->server->settings->lazyfree_lazy_expire));
        return;
    }
    when_ms = MAX_OF(when_ms, 0); /* a replica keeps what is past until it is told */
    keyspace_set_expire(&call->hold, key, entry, when_ms);
    call_changed(call, 1);
    plain_effect_expire(call, key->name, when_ms);
    call_notify(call, 'g', "expire", key);
}

static void expire(struct call *call, bool seconds, bool absolute)
{
    unsigned conditions;
    int64_t when_ms;
    if (!read_conditions(call, &conditions) || !read_time(call, seconds, absolute, &when_ms))
        return;
    struct key key = call_first_key(call);
    struct entry *entry = keyspace_find(&call->hold, &key, FIND_WRITE);
    bool go_on = entry && conditions_hold(conditions, entry, when_ms);
    if (go_on)
        set_time(call, &key, entry, when_ms);
    reply_int(call->reply, go_on);
}

void generic_expire(struct call *call)
{
    expire(call, true, false);
}

void generic_expireat(struct call *call)
{
    expire(call, true, true);
}

void generic_pexpire(struct call *call)
{
    expire(call, false, false);
}

void generic_pexpireat(struct call *call)
{
    expire(call, false, true);
}

/* Replies -2 without the key, -1 without an expiry, else its time, from now or since 1970; seconds
 * are rounded to the nearest. */
static void reply_time(struct call *call, bool seconds, bool absolute)
{
    struct key key = call_first_key(call);
    const struct entry *entry = keyspace_find(&call->hold, &key, FIND_COUNT);
    int64_t time = entry ? -1 : -2;
    if (entry && entry_expires(entry)) {
        time = entry_expire_ms(entry);
        if (!absolute)
            time = MAX_OF(time - call->hold.now_ms, 0);
        if (seconds)
            time = time / 1000 + (time % 1000 >= 500);
    }
    reply_int(call->reply, time);
}

void generic_ttl(struct call *call)
{
    reply_time(call, true, false);
}

void generic_pttl(struct call *call)
{
    reply_time(call, false, false);
}

void generic_expiretime(struct call *call)
{
    reply_time(call, true, true);
}

void generic_pexpiretime(struct call *call)
{
    reply_time(call, false, true);
}

void generic_persist(struct call *call)
{
    struct key key = call_first_key(call);
    struct entry *entry = keyspace_find(&call->hold, &key, FIND_WRITE);
    bool expires = entry && entry_expires(entry);
    if (expires) {
        keyspace_set_expire(&call->hold, &key, entry, EXPIRE_NONE);
        call_changed(call, 1);
        call_notify(call, 'g', "persist", &key);
    }
    reply_int(call->reply, expires);
}
