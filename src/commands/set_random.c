/* set_random.c - SPOP and SRANDMEMBER.
 *
 * What chance has taken is logged as the SREM that repeats it, or DEL if nothing is left; where that
 * is less, as DEL and the SADD of what is left.
 */
#include "commands/set.h"

#include "base/mem.h"
#include "base/pace.h"
#include "commands/plain.h"
#include "engine/aside.h"
#include "engine/settings.h"
#include "struct/members.h"

#define EFFECT_MEMBERS 1024      /* of one SREM that is logged */
#define SPLIT_SHARE    16        /* what takes one of so many, aside, leaves another table */
#define REPEATS_MAX    100000000 /* members, repeated or not, that one reply may be asked to have */

/* ---- SPOP ---- */

static void pop_one(struct call *call, const struct key *key, struct entry *entry)
{
    char room[SET_TEXT];
    struct value set = keyspace_edit_value(&call->hold, key, entry);
    struct slice member = set_pick(set, &call->lane->random, room);
    struct slice effect[] = {SLICE("SREM"), key->name, member};
    reply_bulk(call->reply, member);
    call_effect(call, COUNT_OF(effect), effect);
    set_remove(&set, member);
    set_shrunk(call, key, entry, set, 1, "spop");
}

/* Everything is taken: the key goes as by DEL. */
static void pop_all(struct call *call, const struct key *key, struct entry *entry)
{
    bool lazy = RELAXED_LOAD(&call->server->settings->lazyfree_lazy_server_del);
    struct value set = entry_value(entry);
    call_let_go(call, &set, 1);
    set_reply_all(call, set);
    if (!call_take_back(call))
        return;
    if (UNLIKELY(call->aside))
        entry = keyspace_find(&call->hold, key, FIND_PEEK);
    call_changed(call, set_count(set));
    call_notify(call, 's', "spop", key);
    keyspace_remove(&call->hold, key, entry, lazy);
    plain_effect_delete(call, key->name, lazy);
    call_notify(call, 'g', "del", key);
}

/* Members until they make a command that is logged. */
struct logged {
    struct call *call;
    struct slice command, key;
    struct bytes text;
    size_t lens[EFFECT_MEMBERS];
    uint32_t count;
};

static void log_members(struct logged *logged)
{
    struct slice *argv = mem_alloc((logged->count + 2) * sizeof *argv);
    const char *at = bytes_slice(&logged->text).data;
    argv[0] = logged->command;
    argv[1] = logged->key;
    for (uint32_t i = 0; i < logged->count; i++) {
        argv[i + 2] = slice_of(at, logged->lens[i]);
        at += logged->lens[i];
    }
    call_effect(logged->call, logged->count + 2, argv);
    mem_free(argv);
    logged->text.len = 0;
    logged->count = 0;
}

static bool log_member(void *ctx, struct slice member)
{
    struct logged *logged = ctx;
    bytes_append(&logged->text, member.data, member.len);
    logged->lens[logged->count++] = member.len;
    if (logged->count == EFFECT_MEMBERS)
        log_members(logged);
    return true;
}

static void end_log(struct logged *logged)
{
    if (logged->count != 0)
        log_members(logged);
    bytes_free(&logged->text);
}

static bool take(void *ctx, struct slice member)
{
    struct logged *logged = ctx;
    reply_bulk(logged->call->reply, member);
    return log_member(logged, member);
}

static void pop_some(struct call *call, const struct key *key, struct entry *entry, size_t count)
{
    struct logged taken = {.call = call, .command = SLICE("SREM"), .key = key->name};
    struct value set = keyspace_edit_value(&call->hold, key, entry);
    reply_set(call->reply, count);
    set_pop(&set, &call->lane->random, count, take, &taken);
    end_log(&taken);
    set_shrunk(call, key, entry, set, count, "spop");
}

/* ---- large counts, aside: all but the change itself is done while the shard is let go ---- */

/* A few of a table: chosen first, taken out in the end. */
static void pop_few_aside(struct call *call, const struct key *key, struct value set, size_t count)
{
    struct logged taken = {.call = call, .command = SLICE("SREM"), .key = key->name};
    struct member **chosen = mem_alloc(count * sizeof *chosen);
    call_let_go(call, &set, 1);
    reply_set(call->reply, count);
    members_sample(set.pointer, rand_next(&call->lane->random), chosen, count);
    for (size_t i = 0; i < count; i++, pace())
        take(&taken, member_name(chosen[i]));
    end_log(&taken);
    if (call_take_back(call)) {
        struct entry *entry = keyspace_find(&call->hold, key, FIND_PEEK);
        set = keyspace_edit_value(&call->hold, key, entry);
        members_remove_many(set.pointer, chosen, count);
        set_shrunk(call, key, entry, set, count, "spop");
    }
    mem_free(chosen);
}

/* Logs whatever is less: those that are taken, or the set of those that stay; the latter lacks
 * its time to live yet. */
static struct value split(struct call *call, const struct key *key, struct value set, size_t count)
{
    bool fewer_stay = set_count(set) - count < count;
    struct logged logged = {
        .call = call, .command = fewer_stay ? SLICE("SADD") : SLICE("SREM"), .key = key->name};
    struct value rest;
    if (fewer_stay) {
        rest = set_split(set, &call->lane->random, count, set_reply_member, call->reply);
        plain_effect_delete(call, key->name, true);
        set_each(rest, log_member, &logged);
    } else {
        rest = set_split(set, &call->lane->random, count, take, &logged);
    }
    end_log(&logged);
    return rest;
}

/* Many: those that stay become the set. */
static void pop_many_aside(struct call *call, const struct key *key, struct value set, size_t count)
{
    bool fewer_stay = set_count(set) - count < count;
    call_let_go(call, &set, 1);
    reply_set(call->reply, count);
    struct value rest = split(call, key, set, count);
    if (!call_take_back(call)) {
        value_free(rest);
        return;
    }
    struct entry *entry = keyspace_find(&call->hold, key, FIND_PEEK);
    int64_t expire_ms = entry_expire_ms(entry);
    if (fewer_stay && expire_ms != EXPIRE_NONE)
        plain_effect_expire(call, key->name, expire_ms);
    keyspace_put_value(&call->hold, key, entry, rest, expire_ms);
    call_changed(call, count);
    call_notify(call, 's', "spop", key);
}

static void pop_aside(struct call *call, const struct key *key, struct value set, size_t count)
{
    if (set.encoding == ENCODING_HASHTABLE && count < set_count(set) / SPLIT_SHARE)
        pop_few_aside(call, key, set, count);
    else
        pop_many_aside(call, key, set, count);
}

static void pop_counted(struct call *call, const struct key *key, struct entry *entry,
                        uint64_t count)
{
    struct value set = entry_value(entry);
    uint64_t taken = MIN_OF(count, set_count(set));
    if (call_aside(call, aside_chosen(taken, set_count(set))))
        return;
    if (taken == set_count(set))
        pop_all(call, key, entry);
    else if (UNLIKELY(call->aside))
        pop_aside(call, key, set, (size_t)taken);
    else
        pop_some(call, key, entry, (size_t)taken);
}

void set_spop(struct call *call)
{
    struct key key = call_first_key(call);
    struct entry *entry;
    int64_t count = 1;
    bool counted = call->argc == 3;
    if (call->argc > 3) {
        call_syntax_error(call);
        return;
    }
    if (counted && !call_i64_range(call, 2, 0, INT64_MAX, &count,
                                   "ERR value is out of range, must be positive"))
        return;
    if (!set_find(call, &key, FIND_WRITE, &entry))
        return;
    if (entry == NULL || count == 0)
        counted ? reply_set(call->reply, 0) : reply_null(call->reply);
    else if (!counted)
        pop_one(call, &key, entry);
    else
        pop_counted(call, &key, entry, (uint64_t)count);
}

/* ---- SRANDMEMBER ---- */

static void reply_repeated(struct call *call, struct value set, uint64_t count)
{
    char room[SET_TEXT];
    reply_array(call->reply, count);
    for (uint64_t i = 0; i < count; i++, pace())
        reply_bulk(call->reply, set_pick(set, &call->lane->random, room));
}

void set_srandmember(struct call *call)
{
    struct key key = call_first_key(call);
    struct entry *entry;
    int64_t count = 1;
    bool counted = call->argc == 3;
    if (call->argc > 3) {
        call_syntax_error(call);
        return;
    }
    if ((counted && !call_i64_range(call, 2, -INT64_MAX, INT64_MAX, &count, NULL)) ||
        !set_find(call, &key, FIND_READ, &entry))
        return;
    if (entry == NULL) {
        counted ? reply_array(call->reply, 0) : reply_null(call->reply);
        return;
    }
    struct value set = entry_value(entry);
    char room[SET_TEXT];
    if (!counted) {
        reply_bulk(call->reply, set_pick(set, &call->lane->random, room));
        return;
    }
    if (count < -REPEATS_MAX) {
        call_error(call, "ERR value is out of range");
        return;
    }
    uint64_t most = count < 0 ? (uint64_t)-count : MIN_OF((uint64_t)count, set_count(set));
    if (call_aside(call, aside_chosen(most, set_count(set))))
        return;
    call_let_go(call, &set, 1);
    if (count < 0) {
        reply_repeated(call, set, most);
    } else {
        reply_array(call->reply, most);
        set_sample(set, &call->lane->random, (size_t)count, set_reply_member, call->reply);
    }
}
