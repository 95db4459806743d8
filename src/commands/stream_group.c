/* stream_group.c - consumer groups made, moved and removed: XGROUP. */
#include "commands/stream.h"

#include "engine/aside.h"

#define DETACHED_FROM 64 /* pending entries of a consumer who has all */

#include "engine/block.h"

/* ---- arguments ---- */

struct group_options {
    bool make_stream;
    int64_t entries_read;
};

/* MKSTREAM (of CREATE) and ENTRIESREAD n, from argument 5 on. */
static bool read_options(struct call *call, bool creates, struct group_options *out)
{
    *out = (struct group_options){.entries_read = STREAM_UNKNOWN};
    for (uint32_t at = 5; at < call->argc; at++) {
        if (creates && slice_is(call->argv[at], "mkstream")) {
            out->make_stream = true;
        } else if (at + 1 < call->argc && slice_is(call->argv[at], "entriesread")) {
            if (!call_i64(call, ++at, &out->entries_read, NULL))
                return false;
            if (out->entries_read < 0 && out->entries_read != STREAM_UNKNOWN) {
                call_error(call, "ERR value for ENTRIESREAD must be positive or -1");
                return false;
            }
        } else {
            stream_wrong_subcommand(call);
            return false;
        }
    }
    return true;
}

/* The id a group is to have come to: "$" is the stream's last. `loose`: "-" and "+" are ids. */
static bool read_group_id(struct call *call, const struct stream *s, bool loose,
                          struct stream_id *out)
{
    struct slice text = call->argv[4];
    if (slice_eq(text, SLICE("$"))) {
        *out = s != NULL ? s->last_id : STREAM_ID_MIN;
        return true;
    }
    return loose ? stream_read_id_or_end(call, text, 0, out) : stream_read_id(call, text, 0, out);
}

/* The stream of the key: false after replying that there is none. */
static bool need_stream(struct call *call, struct stream_of_group *out)
{
    if (!stream_find_group(call, 2, FIND_WRITE, out))
        return false;
    if (out->stream != NULL)
        return true;
    call_error(call, "ERR The XGROUP subcommand requires the key to exist. Note that for CREATE "
                     "you may want to use the MKSTREAM option to create an empty stream "
                     "automatically.");
    return false;
}

/* The group as well. */
static bool need_group(struct call *call, struct stream_of_group *out)
{
    if (!need_stream(call, out))
        return false;
    if (out->group != NULL)
        return true;
    call_errorf(call, "NOGROUP No such consumer group '%.*s' for key name '%.*s'",
                (int)call->argv[3].len, call->argv[3].data, (int)call->argv[2].len,
                call->argv[2].data);
    return false;
}

/* ---- CREATE, SETID, DESTROY ---- */

static void create_command(struct call *call)
{
    struct group_options options;
    struct stream_of_group of;
    struct stream_id id;
    if (!read_options(call, true, &options))
        return;
    if (!(options.make_stream ? stream_find_group(call, 2, FIND_WRITE, &of)
                              : need_stream(call, &of)))
        return;
    if (call->argc > 8) {
        stream_wrong_subcommand(call);
        return;
    }
    if (!read_group_id(call, of.stream, false, &id))
        return;
    if (of.group != NULL) {
        call_error(call, "BUSYGROUP Consumer Group name already exists");
        return;
    }
    struct stream *s = of.stream != NULL ? stream_edit(call, &of.key, of.entry) : stream_new();
    stream_group_create(s, call->argv[3], id, options.entries_read);
    if (of.entry == NULL)
        keyspace_put_value(&call->hold, &of.key, NULL, stream_value(s), EXPIRE_NONE);
    reply_ok(call->reply);
    call_changed(call, 1);
    call_notify(call, 't', "xgroup-create", &of.key);
}

static void setid_command(struct call *call)
{
    struct group_options options;
    struct stream_of_group of;
    struct stream_id id;
    if (!read_options(call, false, &options) || !need_group(call, &of))
        return;
    if (call->argc != 5 && call->argc != 7) {
        stream_wrong_subcommand(call);
        return;
    }
    if (!read_group_id(call, of.stream, true, &id))
        return;
    stream_edit(call, &of.key, of.entry);
    of.group->last_id = id;
    of.group->entries_read = options.entries_read;
    reply_ok(call->reply);
    call_changed(call, 1);
    call_notify(call, 't', "xgroup-setid", &of.key);
}

/* Those who wait to read as this group find that it is gone. */
static void destroy_command(struct call *call)
{
    struct stream_of_group of;
    if (!need_stream(call, &of))
        return;
    if (of.group == NULL) {
        reply_int(call->reply, 0);
        return;
    }
    struct stream *s = stream_edit(call, &of.key, of.entry);
    keyspace_discard(&call->hold, stream_group_detach(s, of.group), false);
    reply_int(call->reply, 1);
    call_changed(call, 1);
    call_notify(call, 't', "xgroup-destroy", &of.key);
    call_ready(call, &of.key);
}

/* ---- CREATECONSUMER, DELCONSUMER ---- */

static void createconsumer_command(struct call *call)
{
    struct stream_of_group of;
    if (!need_group(call, &of))
        return;
    bool fresh = stream_consumer_find(of.group, call->argv[4]) == NULL;
    if (fresh) {
        stream_edit(call, &of.key, of.entry);
        stream_consumer_create(of.group, call->argv[4], call->hold.now_ms);
        call_changed(call, 1);
        call_notify(call, 't', "xgroup-createconsumer", &of.key);
    }
    reply_int(call->reply, fresh);
}

/* A consumer with most of what is pending goes in a copy of the group that is without him. True: he
 * did, or will when the command runs again. */
static bool delete_apart(struct call *call, struct stream_of_group *of,
                         const struct stream_consumer *c)
{
    struct value value = stream_value(of->stream);
    struct stream_apart apart;
    if (stream_worth_copying(of->group, radix_count(&c->pending)))
        call_let_go(call, &value, 1);
    if (call->aside != ASIDE_LET_GO)
        return false;
    stream_apart_begin(call, of, c, &apart);
    return stream_apart_end(call, of, &apart) != STREAM_APART_AGAIN;
}

static void delete_at_once(struct call *call, const struct stream_of_group *of,
                           struct stream_consumer *c)
{
    uint64_t pending = radix_count(&c->pending);
    stream_edit(call, &of->key, of->entry);
    if (pending >= DETACHED_FROM && pending == radix_count(&of->group->pending))
        keyspace_discard(&call->hold, stream_pending_detach(of->group, c), false);
    stream_consumer_delete(of->group, c);
}

static void delconsumer_command(struct call *call)
{
    struct stream_of_group of;
    uint64_t pending = 0;
    if (!need_group(call, &of))
        return;
    struct stream_consumer *c = stream_consumer_find(of.group, call->argv[4]);
    if (c != NULL) {
        pending = radix_count(&c->pending);
        bool others = pending != radix_count(&of.group->pending);
        if (others && call_aside(call, pending))
            return;
        if (!others || !delete_apart(call, &of, c))
            delete_at_once(call, &of, c);
        if (call->blocked)
            return;
        call_changed(call, 1);
        call_notify(call, 't', "xgroup-delconsumer", &of.key);
    }
    reply_int(call->reply, (int64_t)pending);
}

/* ---- HELP, and the rows ---- */

static void help_command(struct call *call)
{
    static const char *const lines[] = {
        "CREATE <key> <group> <id|$> [MKSTREAM] [ENTRIESREAD <count>]",
        "    Makes a group that is to read what comes behind the id ($: behind the last entry).",
        "    MKSTREAM: with an empty stream if there is none. ENTRIESREAD: as if it had read so",
        "    many entries, which tells its lag.",
        "CREATECONSUMER <key> <group> <consumer>",
        "    Makes a consumer; answers whether there was none of that name.",
        "DELCONSUMER <key> <group> <consumer>",
        "    Removes a consumer with what it has pending, and answers how much that was.",
        "DESTROY <key> <group>",
        "    Removes a group; answers whether there was one.",
        "SETID <key> <group> <id|$> [ENTRIESREAD <count>]",
        "    Lets a group go on reading behind another id.",
        NULL};
    reply_help(call->reply, "XGROUP", lines);
}

#define IN_FAMILY .acl = ACL_STREAM, .group = GROUP_STREAM

const struct command stream_xgroup_commands[] = {
    {.name = "create",
     .run = create_command,
     .arity = -5,
     .flags = CMD_WRITE | CMD_DENYOOM,
     .keys = KEYS_SECOND(KEY_RW | KEY_INSERT),
     .usage =
         "key#0 group id-selector(id | new-id='$') [MKSTREAM] [ENTRIESREAD entries-read:integer]",
     .history = "7.0.0 The option ENTRIESREAD.",
     .since = "5.0.0",
     .summary = "Makes a consumer group.",
     .complexity = "O(1)",
     IN_FAMILY},
    {.name = "createconsumer",
     .run = createconsumer_command,
     .arity = 5,
     .flags = CMD_WRITE | CMD_DENYOOM,
     .keys = KEYS_SECOND(KEY_RW | KEY_INSERT),
     .usage = "key#0 group consumer",
     .since = "6.2.0",
     .summary = "Makes a consumer in a group.",
     .complexity = "O(1)",
     IN_FAMILY},
    {.name = "delconsumer",
     .run = delconsumer_command,
     .arity = 5,
     .flags = CMD_WRITE | CMD_SHRINK,
     .keys = KEYS_SECOND(KEY_RW | KEY_DELETE),
     .usage = "key#0 group consumer",
     .since = "5.0.0",
     .summary = "Removes a consumer from a group, with what it has pending.",
     .complexity = "O(N) with the number of entries it has pending",
     IN_FAMILY},
    {.name = "destroy",
     .run = destroy_command,
     .arity = 4,
     .flags = CMD_WRITE | CMD_SHRINK,
     .keys = KEYS_SECOND(KEY_RW | KEY_DELETE),
     .usage = "key#0 group",
     .since = "5.0.0",
     .summary = "Removes a consumer group.",
     .complexity = "O(N) with the number of entries it has pending",
     IN_FAMILY},
    {.name = "help",
     .run = help_command,
     .arity = 2,
     .flags = CMD_LOADING | CMD_STALE,
     .since = "5.0.0",
     .summary = "Answers what the subcommands of XGROUP do.",
     .complexity = "O(1)",
     IN_FAMILY},
    {.name = "setid",
     .run = setid_command,
     .arity = -5,
     .flags = CMD_WRITE | CMD_NEUTRAL,
     .keys = KEYS_SECOND(KEY_RW | KEY_UPDATE),
     .usage = "key#0 group id-selector(id | new-id='$') [ENTRIESREAD entries-read:integer]",
     .history = "7.0.0 The option ENTRIESREAD.",
     .since = "5.0.0",
     .summary = "Sets the id behind which a group goes on reading.",
     .complexity = "O(1)",
     IN_FAMILY},
    {.name = NULL}};
