/* stream_info.c - what is known of a stream, its groups and their consumers: XINFO. */
#include "commands/stream.h"

#include "engine/aside.h"

#define FULL_COUNT 10 /* entries that XINFO STREAM FULL shows of each collection */

static void reply_name(struct call *call, const char *field, struct slice name)
{
    reply_bulk_str(call->reply, field);
    reply_bulk(call->reply, name);
}

static void reply_number(struct call *call, const char *field, int64_t number)
{
    reply_bulk_str(call->reply, field);
    reply_int(call->reply, number);
}

/* A count that may be unknown. */
static void reply_known(struct call *call, const char *field, int64_t number)
{
    reply_bulk_str(call->reply, field);
    if (number == STREAM_UNKNOWN)
        reply_null(call->reply);
    else
        reply_int(call->reply, number);
}

static void reply_field_id(struct call *call, const char *field, struct stream_id id)
{
    reply_bulk_str(call->reply, field);
    stream_reply_id(call, id);
}

/* If so much is to be looked at that it is done aside: true if it was sent there. */
static bool look_aside(struct call *call, const struct stream *s, uint64_t elements)
{
    struct value value = {(void *)s, TYPE_STREAM, ENCODING_STREAM};
    if (call_aside(call, elements))
        return true;
    call_let_go(call, &value, 1);
    return false;
}

/* The stream under argument 2; NULL after replying that there is none. */
static const struct stream *find(struct call *call)
{
    struct key key = call_key(call, 2);
    struct entry *entry;
    if (!stream_find(call, &key, FIND_READ, &entry))
        return NULL;
    if (entry != NULL)
        return stream_of(entry_value(entry));
    call_error(call, "ERR no such key");
    return NULL;
}

/* ---- STREAM ---- */

static void reply_end(struct call *call, const char *field, const struct stream *s, bool last)
{
    struct stream_iterator it;
    struct stream_entry entry;
    reply_bulk_str(call->reply, field);
    stream_seek(s, STREAM_ID_MIN, STREAM_ID_MAX, last, &it);
    if (stream_next(&it, &entry))
        stream_reply_entry(call, &it, &entry);
    else
        reply_null(call->reply);
}

/* The first pending entries of a group, or of a consumer, who is not named then. */
static void reply_pending(struct call *call, const struct radix *pending, uint64_t count,
                          bool named)
{
    uint64_t all = radix_count(pending), n = count != 0 ? MIN_OF(count, all) : all;
    struct radix_cursor at;
    reply_bulk_str(call->reply, "pending");
    reply_array(call->reply, n);
    radix_first(pending, &at);
    for (uint64_t i = 0; i < n; i++) {
        const struct stream_nack *nack = stream_pending_next(&at);
        reply_array(call->reply, named ? 4 : 3);
        stream_reply_id(call, stream_nack_id(nack));
        if (named)
            reply_bulk(call->reply, stream_consumer_name(nack->consumer));
        reply_int(call->reply, nack->delivered_ms);
        reply_int(call->reply, (int64_t)nack->deliveries);
    }
}

static void reply_full_consumer(struct call *call, const struct stream_consumer *c, uint64_t count)
{
    reply_map(call->reply, 5);
    reply_name(call, "name", stream_consumer_name(c));
    reply_number(call, "seen-time", c->seen_ms);
    reply_number(call, "active-time", c->active_ms);
    reply_number(call, "pel-count", (int64_t)radix_count(&c->pending));
    reply_pending(call, &c->pending, count, false);
}

static void reply_full_group(struct call *call, const struct stream *s,
                             const struct stream_group *g, uint64_t count)
{
    const struct stream_consumer *c;
    struct radix_cursor at;
    reply_map(call->reply, 7);
    reply_name(call, "name", stream_group_name(g));
    reply_field_id(call, "last-delivered-id", g->last_id);
    reply_known(call, "entries-read", g->entries_read);
    reply_known(call, "lag", stream_lag(s, g));
    reply_number(call, "pel-count", (int64_t)radix_count(&g->pending));
    reply_pending(call, &g->pending, count, true);
    reply_bulk_str(call->reply, "consumers");
    reply_array(call->reply, radix_count(&g->consumers));
    radix_first(&g->consumers, &at);
    while ((c = stream_consumer_next(&at)) != NULL)
        reply_full_consumer(call, c, count);
}

static void reply_full(struct call *call, const struct stream *s, uint64_t count)
{
    const struct stream_group *g;
    struct radix_cursor at;
    reply_bulk_str(call->reply, "entries");
    stream_reply_range(call, s, STREAM_ID_MIN, STREAM_ID_MAX, count, false);
    reply_bulk_str(call->reply, "groups");
    reply_array(call->reply, radix_count(&s->groups));
    radix_first(&s->groups, &at);
    while ((g = stream_group_next(&at)) != NULL)
        reply_full_group(call, s, g, count);
}

/* How many entries and pending entries that are. */
static uint64_t full_size(const struct stream *s, uint64_t count)
{
    const struct stream_group *g;
    struct radix_cursor at;
    uint64_t most = count != 0 ? count : UINT64_MAX, size = MIN_OF(s->length, most);
    radix_first(&s->groups, &at);
    while ((g = stream_group_next(&at)) != NULL) {
        uint64_t pending = radix_count(&g->pending), consumers = radix_count(&g->consumers);
        size += MIN_OF(pending, most) + consumers; /* those of consumers are among them */
    }
    return size;
}

/* [FULL [COUNT n]] */
static bool read_full(struct call *call, bool *full, int64_t *count)
{
    *full = call->argc > 3;
    *count = FULL_COUNT;
    if (!*full)
        return true;
    if ((call->argc != 4 && call->argc != 6) || !slice_is(call->argv[3], "full") ||
        (call->argc == 6 && !slice_is(call->argv[4], "count"))) {
        stream_wrong_subcommand(call);
        return false;
    }
    if (call->argc == 6 && !call_i64(call, 5, count, NULL))
        return false;
    if (*count < 0)
        *count = FULL_COUNT;
    return true;
}

static void stream_command(struct call *call)
{
    bool full;
    int64_t count;
    const struct stream *s = find(call);
    if (s == NULL || !read_full(call, &full, &count) ||
        (full && look_aside(call, s, full_size(s, (uint64_t)count))))
        return;
    reply_map(call->reply, full ? 9 : 10);
    reply_number(call, "length", (int64_t)s->length);
    reply_number(call, "radix-tree-keys", (int64_t)radix_count(&s->nodes));
    reply_number(call, "radix-tree-nodes", (int64_t)radix_nodes(&s->nodes));
    reply_field_id(call, "last-generated-id", s->last_id);
    reply_field_id(call, "max-deleted-entry-id", s->max_deleted_id);
    reply_number(call, "entries-added", (int64_t)s->entries_added);
    reply_field_id(call, "recorded-first-entry-id", s->first_id);
    if (full) {
        reply_full(call, s, (uint64_t)count);
        return;
    }
    reply_number(call, "groups", (int64_t)radix_count(&s->groups));
    reply_end(call, "first-entry", s, false);
    reply_end(call, "last-entry", s, true);
}

/* ---- GROUPS, CONSUMERS ---- */

static void groups_command(struct call *call)
{
    const struct stream *s = find(call);
    const struct stream_group *g;
    struct radix_cursor at;
    if (s == NULL || look_aside(call, s, radix_count(&s->groups)))
        return;
    reply_array(call->reply, radix_count(&s->groups));
    radix_first(&s->groups, &at);
    while ((g = stream_group_next(&at)) != NULL) {
        reply_map(call->reply, 6);
        reply_name(call, "name", stream_group_name(g));
        reply_number(call, "consumers", (int64_t)radix_count(&g->consumers));
        reply_number(call, "pending", (int64_t)radix_count(&g->pending));
        reply_field_id(call, "last-delivered-id", g->last_id);
        reply_known(call, "entries-read", g->entries_read);
        reply_known(call, "lag", stream_lag(s, g));
    }
}

static void consumers_command(struct call *call)
{
    const struct stream *s = find(call);
    const struct stream_consumer *c;
    struct radix_cursor at;
    if (s == NULL)
        return;
    const struct stream_group *g = stream_group_find(s, call->argv[3]);
    if (g == NULL) {
        call_errorf(call, "NOGROUP No such consumer group '%.*s' for key name '%.*s'",
                    (int)call->argv[3].len, call->argv[3].data, (int)call->argv[2].len,
                    call->argv[2].data);
        return;
    }
    if (look_aside(call, s, radix_count(&g->consumers)))
        return;
    reply_array(call->reply, radix_count(&g->consumers));
    radix_first(&g->consumers, &at);
    while ((c = stream_consumer_next(&at)) != NULL) {
        reply_map(call->reply, 4);
        reply_name(call, "name", stream_consumer_name(c));
        reply_number(call, "pending", (int64_t)radix_count(&c->pending));
        reply_number(call, "idle", stream_ms_since(call, c->seen_ms));
        reply_number(call, "inactive", c->active_ms < 0 ? -1 : stream_ms_since(call, c->active_ms));
    }
}

/* ---- HELP, and the rows ---- */

static void help_command(struct call *call)
{
    static const char *const lines[] = {
        "CONSUMERS <key> <group>",
        "    Answers the consumers of a group, what they have pending, and when they were there.",
        "GROUPS <key>",
        "    Answers the groups of a stream, and how far they are.",
        "STREAM <key> [FULL [COUNT <count>]]",
        "    Answers the lengths, ids and counts of a stream. FULL: with the first entries, groups",
        "    and consumers, so many of each, or all with a count of 0.",
        NULL};
    reply_help(call->reply, "XINFO", lines);
}

#define IN_FAMILY .acl = ACL_STREAM, .group = GROUP_STREAM

static const char *const any_output[] = {"nondeterministic_output", NULL};

const struct command stream_xinfo_commands[] = {
    {.name = "consumers",
     .run = consumers_command,
     .arity = 4,
     .flags = CMD_READONLY,
     .keys = KEYS_SECOND(KEY_RO | KEY_ACCESS),
     .usage = "key#0 group",
     .history = "7.2.0 The field inactive.",
     .since = "5.0.0",
     .summary = "Answers the consumers of a group.",
     .complexity = "O(N) with the number of consumers",
     .tips = any_output,
     IN_FAMILY},
    {.name = "groups",
     .run = groups_command,
     .arity = 3,
     .flags = CMD_READONLY,
     .keys = KEYS_SECOND(KEY_RO | KEY_ACCESS),
     .usage = "key#0",
     .history = "7.0.0 The fields entries-read and lag.",
     .since = "5.0.0",
     .summary = "Answers the groups of a stream.",
     .complexity = "O(N) with the number of groups",
     IN_FAMILY},
    {.name = "help",
     .run = help_command,
     .arity = 2,
     .flags = CMD_LOADING | CMD_STALE,
     .since = "5.0.0",
     .summary = "Answers what the subcommands of XINFO do.",
     .complexity = "O(1)",
     IN_FAMILY},
    {.name = "stream",
     .run = stream_command,
     .arity = -3,
     .flags = CMD_READONLY,
     .keys = KEYS_SECOND(KEY_RO | KEY_ACCESS),
     .usage = "key#0 [FULL full-block([COUNT count:integer])]",
     .history = "6.0.0 The option FULL.\n"
                "7.0.0 The fields max-deleted-entry-id, entries-added, recorded-first-entry-id, "
                "entries-read and lag.\n"
                "7.2.0 The field active-time; seen-time tells of attempts as well.",
     .since = "5.0.0",
     .summary = "Answers what is known of a stream.",
     .complexity = "O(N) with the number of entries shown",
     IN_FAMILY},
    {.name = NULL}};
