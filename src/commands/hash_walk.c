/* hash_walk.c - fields by the many: HGETALL, HKEYS, HVALS, HRANDFIELD, HSCAN. */
#include "commands/hash.h"

#include "base/pace.h"
#include "commands/scan.h"
#include "engine/aside.h"

#define REPEATS_MAX 100000000 /* fields, repeated or not, that one reply may be asked to have */

/* ---- replying a field ---- */

static bool reply_name(void *reply, const struct hash_field *field)
{
    reply_bulk(reply, field->name);
    return true;
}

static bool reply_value(void *reply, const struct hash_field *field)
{
    reply_bulk(reply, field->value);
    return true;
}

static bool reply_both(void *reply, const struct hash_field *field)
{
    reply_bulk(reply, field->name);
    reply_bulk(reply, field->value);
    return true;
}

/* An array of both, in RESP3. */
static bool reply_pair(void *reply, const struct hash_field *field)
{
    if (((struct reply_buffer *)reply)->resp3)
        reply_array(reply, 2);
    return reply_both(reply, field);
}

/* ---- all of them ---- */

static void reply_all(struct call *call, hash_visit_fn visit)
{
    struct key key = call_first_key(call);
    struct entry *entry;
    if (!hash_find(call, &key, FIND_READ, &entry))
        return;
    struct value hash = {0};
    size_t count = 0;
    if (entry != NULL) {
        hash = entry_value(entry);
        if (call_aside(call, hash_count(hash)))
            return;
        call_let_go(call, &hash, 1);
        count = hash_count_seen(hash, hash_now(call));
    }
    if (visit == reply_both)
        reply_map(call->reply, count);
    else
        reply_array(call->reply, count);
    if (entry != NULL)
        hash_each(hash, hash_now(call), visit, call->reply);
}

void hash_hgetall(struct call *call)
{
    reply_all(call, reply_both);
}

void hash_hkeys(struct call *call)
{
    reply_all(call, reply_name);
}

void hash_hvals(struct call *call)
{
    reply_all(call, reply_value);
}

/* ---- HRANDFIELD ---- */

/* The count and WITHVALUES; false after replying what is wrong with them. */
static bool read_hrandfield(struct call *call, int64_t *count, bool *with_values)
{
    *with_values = call->argc == 4;
    if (!call_i64_range(call, 2, -INT64_MAX, INT64_MAX, count, NULL))
        return false;
    if (call->argc > 4 || (*with_values && !slice_is(call->argv[3], "withvalues"))) {
        call_syntax_error(call);
        return false;
    }
    if (*with_values && (*count < -INT64_MAX / 2 || *count > INT64_MAX / 2)) {
        call_error(call, "ERR value is out of range");
        return false;
    }
    return true;
}

static void reply_head(struct call *call, uint64_t fields, bool with_values)
{
    reply_array(call->reply, with_values && !call->reply->resp3 ? fields * 2 : fields);
}

/* How many there will be is known last: some may be past their expiry. */
static void reply_distinct(struct call *call, struct value hash, uint64_t count, bool with_values)
{
    struct reply_buffer fields;
    reply_buffer_init(&fields);
    fields.resp3 = call->reply->resp3;
    reply_head(call,
               hash_sample(hash, hash_now(call), &call->lane->random, count,
                           with_values ? reply_pair : reply_name, &fields),
               with_values);
    reply_raw(call->reply, bytes_slice(&fields.bytes));
    reply_buffer_free(&fields);
}

static bool ignore(void *ctx, const struct hash_field *field)
{
    return true;
}

static void reply_repeated(struct call *call, struct value hash, uint64_t count, bool with_values)
{
    struct rand *random = &call->lane->random;
    if (!hash_pick(hash, hash_now(call), random, ignore, NULL))
        count = 0;
    reply_head(call, count, with_values);
    for (uint64_t i = 0; i < count; i++, pace())
        hash_pick(hash, hash_now(call), random, with_values ? reply_pair : reply_name, call->reply);
}

static void reply_some(struct call *call, struct value hash, int64_t count, bool with_values)
{
    if (count < -REPEATS_MAX) {
        call_error(call, "ERR value is out of range");
        return;
    }
    size_t all = hash_count(hash);
    uint64_t most = count < 0 ? (uint64_t)-count : MIN_OF((uint64_t)count, all);
    if (call_aside(call, aside_chosen(most, all)))
        return;
    call_let_go(call, &hash, 1);
    if (count < 0)
        reply_repeated(call, hash, (uint64_t)-count, with_values);
    else
        reply_distinct(call, hash, (uint64_t)count, with_values);
}

static void reply_one(struct call *call, struct value hash)
{
    if (!hash_pick(hash, hash_now(call), &call->lane->random, reply_name, call->reply))
        reply_null(call->reply);
}

void hash_hrandfield(struct call *call)
{
    struct key key = call_first_key(call);
    struct entry *entry;
    bool counted = call->argc > 2, with_values = false;
    int64_t count = 1;
    if ((counted && !read_hrandfield(call, &count, &with_values)) ||
        !hash_find(call, &key, FIND_READ, &entry))
        return;
    if (entry == NULL)
        counted ? reply_array(call->reply, 0) : reply_null(call->reply);
    else if (!counted)
        reply_one(call, entry_value(entry));
    else
        reply_some(call, entry_value(entry), count, with_values);
}

/* ---- HSCAN ---- */

struct hscan {
    const struct scan_options *options;
    struct scan_reply *reply;
};

static bool visit_match(void *ctx, const struct hash_field *field)
{
    struct hscan *scan = ctx;
    struct scan_reply *reply = scan->reply;
    if (!scan_matches(scan->options, field->name))
        return true;
    reply->count += scan->options->no_values ? 1 : 2;
    return scan->options->no_values ? reply_name(&reply->elements, field)
                                    : reply_both(&reply->elements, field);
}

void hash_hscan(struct call *call)
{
    struct key key = call_first_key(call);
    struct entry *entry;
    struct scan_options options;
    struct scan_reply reply;
    uint64_t cursor;
    if (!scan_read_cursor(call, 2, &cursor) || !hash_find(call, &key, FIND_READ, &entry))
        return;
    /* As in Redis, options matter only if there is a hash. */
    if (entry != NULL && !scan_read_options(call, 3, SCAN_NO_VALUES, &options))
        return;
    struct value hash = {0};
    if (entry != NULL) {
        hash = entry_value(entry);
        if (call_aside(call, MIN_OF((uint64_t)options.count, hash_count(hash))))
            return;
        call_let_go(call, &hash, 1);
    }
    scan_begin(call, &reply);
    struct hscan scan = {&options, &reply};
    cursor = entry == NULL ? 0
                           : hash_scan(hash, hash_now(call), cursor, (uint64_t)options.count,
                                       visit_match, &scan);
    scan_end(call, &reply, cursor);
}
