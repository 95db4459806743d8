/* generic_scan.c - commands that look for keys: KEYS, SCAN, RANDOMKEY.
 *
 * SCAN and RANDOMKEY remove what they meet that has expired, KEYS does not. They take one shard at a time while they look at it, so other lanes go on meanwhile. Names are
 * copied to the reply while their shard is held.
 */
#include "commands/generic.h"

#include "commands/scan.h"

struct scan_filter {
    const struct scan_options *options;
    struct reply_buffer *reply;
    size_t matches;
};

static bool passes(const struct key *key, const struct entry *entry, void *ctx)
{
    const struct scan_filter *filter = ctx;
    struct slice type = filter->options->type;
    return (type.data == NULL || slice_is(type, value_type_name(entry_type(entry)))) &&
           scan_matches(filter->options, key->name);
}

static void visit_key(struct hold *hold, const struct key *key, struct entry *entry, void *ctx)
{
    struct scan_filter *filter = ctx;
    (void)hold;
    if (!passes(key, entry, filter))
        return;
    reply_bulk(filter->reply, key->name);
    filter->matches++;
}

void generic_keys(struct call *call)
{
    struct scan_options options = {0};
    struct scan_filter filter = {.options = &options, .reply = call->reply};
    if (!slice_eq(call->argv[1], SLICE("*")))
        options.pattern = call->argv[1];
    size_t mark = reply_array_deferred(call->reply);
    keyspace_scan(&call->hold, call->db, 0, SIZE_MAX, visit_key, NULL, &filter);
    reply_array_patch(call->reply, mark, filter.matches);
}

void generic_scan(struct call *call)
{
    struct scan_options options;
    struct scan_reply reply;
    uint64_t cursor;
    if (!scan_read_cursor(call, 1, &cursor) || !scan_read_options(call, 2, SCAN_TYPE, &options))
        return;
    scan_begin(call, &reply);
    struct scan_filter filter = {.options = &options, .reply = &reply.elements};
    cursor = keyspace_scan(&call->hold, call->db, cursor, (size_t)options.count, visit_key, passes,
                           &filter);
    reply.count = filter.matches;
    scan_end(call, &reply, cursor);
}

void generic_randomkey(struct call *call)
{
    struct bytes name = {0};
    if (keyspace_random(&call->hold, call->db, rand_next(&call->lane->random), &name))
        reply_bulk(call->reply, bytes_slice(&name));
    else
        reply_null(call->reply);
    bytes_free(&name);
}
