/* set_random.c - SPOP and SRANDMEMBER.
 *
 * What chance has taken is logged as the SREM that repeats it, or DEL if nothing is left.
 */
#include "commands/set.h"

#include "base/mem.h"
#include "commands/plain.h"
#include "engine/aside.h"
#include "engine/settings.h"

#define EFFECT_MEMBERS 1024      /* of one SREM that is logged */
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
    set_reply_all(call, entry_value(entry));
    call_changed(call, set_count(entry_value(entry)));
    call_notify(call, 's', "spop", key);
    keyspace_remove(&call->hold, key, entry, lazy);
    plain_effect_delete(call, key->name, lazy);
    call_notify(call, 'g', "del", key);
}

/* Members that were taken, until they make an SREM. */
struct taken {
    struct call *call;
    struct slice key;
    struct bytes text;
    size_t lens[EFFECT_MEMBERS];
    uint32_t count;
};

static void log_taken(struct taken *taken)
{
    struct slice *argv = mem_alloc((taken->count + 2) * sizeof *argv);
    const char *at = bytes_slice(&taken->text).data;
    argv[0] = SLICE("SREM");
    argv[1] = taken->key;
    for (uint32_t i = 0; i < taken->count; i++) {
        argv[i + 2] = slice_of(at, taken->lens[i]);
        at += taken->lens[i];
    }
    call_effect(taken->call, taken->count + 2, argv);
    mem_free(argv);
    taken->text.len = 0;
    taken->count = 0;
}

static bool take(void *ctx, struct slice member)
{
    struct taken *taken = ctx;
    reply_bulk(taken->call->reply, member);
    bytes_append(&taken->text, member.data, member.len);
    taken->lens[taken->count++] = member.len;
    if (taken->count == EFFECT_MEMBERS)
        log_taken(taken);
    return true;
}

static void pop_some(struct call *call, const struct key *key, struct entry *entry, size_t count)
{
    struct taken taken = {.call = call, .key = key->name};
    struct value set = keyspace_edit_value(&call->hold, key, entry);
    reply_set(call->reply, count);
    set_pop(&set, &call->lane->random, count, take, &taken);
    if (taken.count != 0)
        log_taken(&taken);
    bytes_free(&taken.text);
    set_shrunk(call, key, entry, set, count, "spop");
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
    else if ((uint64_t)count >= set_count(entry_value(entry)))
        pop_all(call, &key, entry);
    else
        pop_some(call, &key, entry, (size_t)count);
}

/* ---- SRANDMEMBER ---- */

static void reply_repeated(struct call *call, struct value set, uint64_t count)
{
    char room[SET_TEXT];
    reply_array(call->reply, count);
    for (uint64_t i = 0; i < count; i++)
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
    if (call_aside(call, most))
        return;
    call_let_go(call, &set, 1);
    if (count < 0) {
        reply_repeated(call, set, most);
    } else {
        reply_array(call->reply, most);
        set_sample(set, &call->lane->random, (size_t)count, set_reply_member, call->reply);
    }
}
