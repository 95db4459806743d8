/* slowlog.c - calls that took long or had many bytes, kept for a look later: SLOWLOG and
 * COMMANDLOG.
 *
 * A list of entries under a lock of its own, newest first. An entry holds copies of the first
 * arguments, cut to SLOWLOG_ARGUMENT_MAX bytes.
 */
#include "ops/slowlog.h"
#include "base/mem.h"
#include "engine/settings.h"
#include "ops/commands.h"
#include "ops/config.h"
#include "ops/state.h"

struct slowlog_entry {
    struct slowlog_entry *newer, *older;
    uint64_t id, value; /* microseconds or bytes */
    int64_t time_s;
    char *peer, *name;
    struct bytes text; /* the arguments one behind the other */
    uint32_t argc;
    size_t ends[SLOWLOG_ARGUMENTS_MAX]; /* of each argument in the text */
};

/* ---- entries ---- */

/* HELLO ... AUTH user password: is argument `at` one of the two? */
static bool is_hello_secret(const struct call *call, uint32_t at)
{
    return (at >= 3 && slice_is(call->argv[at - 1], "auth")) ||
           (at >= 4 && slice_is(call->argv[at - 2], "auth"));
}

static bool is_secret(const struct call *call, uint32_t at)
{
    const char *name = call->command->name;
    const char *parent = call->parent != NULL ? call->parent->name : "";
    if (strcmp(name, "auth") == 0)
        return at >= 1;
    if (strcmp(name, "hello") == 0)
        return is_hello_secret(call, at);
    if (strcmp(parent, "config") == 0 && strcmp(name, "set") == 0)
        return at >= 3 && at % 2 == 1 && config_is_sensitive(call->argv[at - 1]);
    return false;
}

static void copy_argument(struct slowlog_entry *e, const struct call *call, uint32_t at)
{
    struct slice arg = call->argv[at];
    if (is_secret(call, at))
        arg = SLICE("(redacted)");
    bytes_append(&e->text, arg.data, MIN_OF(arg.len, SLOWLOG_ARGUMENT_MAX));
    if (arg.len > SLOWLOG_ARGUMENT_MAX)
        bytes_printf(&e->text, "... (%zu more bytes)", arg.len - SLOWLOG_ARGUMENT_MAX);
}

static struct slowlog_entry *entry_new(const struct call *call, uint64_t value)
{
    struct slowlog_entry *e = mem_zalloc(sizeof *e);
    e->value = value;
    e->time_s = call->lane->now_ms / 1000;
    e->peer = mem_strdup(call->client->peer);
    e->name = mem_strdup(call->client->name != NULL ? call->client->name : "");
    e->argc = MIN_OF(call->argc, SLOWLOG_ARGUMENTS_MAX);
    for (uint32_t i = 0; i < e->argc; i++) {
        if (i == e->argc - 1 && e->argc < call->argc)
            bytes_printf(&e->text, "... (%u more arguments)", call->argc - e->argc + 1);
        else
            copy_argument(e, call, i);
        e->ends[i] = e->text.len;
    }
    return e;
}

static void entry_free(struct slowlog_entry *e)
{
    bytes_free(&e->text);
    mem_free(e->peer);
    mem_free(e->name);
    mem_free(e);
}

/* ---- the list ---- */

/* Takes the oldest off; the lock is held. */
static struct slowlog_entry *take_oldest(struct slowlog *log)
{
    struct slowlog_entry *e = log->oldest;
    log->oldest = e->newer;
    if (log->oldest != NULL)
        log->oldest->older = NULL;
    else
        log->newest = NULL;
    log->len--;
    return e;
}

void slowlog_add(struct slowlog *log, const struct call *call, uint64_t value, size_t max_len)
{
    struct slowlog_entry *e = entry_new(call, value);
    lock_take(&log->lock);
    e->id = log->next_id++;
    e->older = log->newest;
    if (log->newest != NULL)
        log->newest->newer = e;
    else
        log->oldest = e;
    log->newest = e;
    log->len++;
    while (log->len > max_len)
        entry_free(take_oldest(log));
    lock_drop(&log->lock);
}

void slowlog_reset(struct slowlog *log)
{
    lock_take(&log->lock);
    while (log->len != 0)
        entry_free(take_oldest(log));
    lock_drop(&log->lock);
}

/* ---- commands ---- */

static void reply_entry(struct reply_buffer *r, const struct slowlog_entry *e)
{
    size_t at = 0;
    reply_array(r, 6);
    reply_int(r, (int64_t)e->id);
    reply_int(r, e->time_s);
    reply_int(r, (int64_t)e->value);
    reply_array(r, e->argc);
    for (uint32_t i = 0; i < e->argc; i++) {
        reply_bulk(r, slice_of(e->text.data + at, e->ends[i] - at));
        at = e->ends[i];
    }
    reply_bulk_str(r, e->peer);
    reply_bulk_str(r, e->name);
}

static void reply_newest(struct call *call, struct slowlog *log, int64_t count)
{
    lock_take(&log->lock);
    size_t shown = count < 0 || (uint64_t)count > log->len ? log->len : (size_t)count;
    reply_array(call->reply, shown);
    const struct slowlog_entry *e = log->newest;
    for (size_t i = 0; i < shown; i++, e = e->older)
        reply_entry(call->reply, e);
    lock_drop(&log->lock);
}

static bool read_count(struct call *call, uint32_t at, int64_t *count)
{
    return call_i64_range(call, at, -1, INT64_MAX, count,
                          "ERR count should be greater than or equal to -1");
}

static void reply_len(struct call *call, struct slowlog *log)
{
    lock_take(&log->lock);
    size_t len = log->len;
    lock_drop(&log->lock);
    reply_int(call->reply, (int64_t)len);
}

static struct slowlog *slow(struct call *call)
{
    return &call->server->ops->logs[SLOWLOG_SLOW];
}

static void slowlog_get_command(struct call *call)
{
    int64_t count = 10;
    if (call->argc > 3) {
        call_errorf(
            call,
            "ERR unknown subcommand or wrong number of arguments for '%.*s'. Try SLOWLOG HELP.",
            (int)MIN_OF(call->argv[1].len, 128), call->argv[1].data);
        return;
    }
    if (call->argc == 2 || read_count(call, 2, &count))
        reply_newest(call, slow(call), count);
}

static void slowlog_len_command(struct call *call)
{
    reply_len(call, slow(call));
}

static void slowlog_reset_command(struct call *call)
{
    slowlog_reset(slow(call));
    reply_ok(call->reply);
}

static void slowlog_help_command(struct call *call)
{
    static const char *const lines[] = {
        "GET [<count>]",
        "    The newest <count> entries, 10 by default, all with -1: id, Unix time, microseconds,",
        "    arguments, address and name of the client.",
        "LEN",
        "    How many entries there are.",
        "RESET",
        "    Forget all entries.",
        NULL};
    reply_help(call->reply, "SLOWLOG", lines);
}

/* The list named at argument `at`; NULL after replying that there is none of this name. */
static struct slowlog *read_kind(struct call *call, uint32_t at)
{
    static const char *const names[SLOWLOG_KINDS] = {"slow", "large-request", "large-reply"};
    for (int kind = 0; kind < SLOWLOG_KINDS; kind++)
        if (slice_is(call->argv[at], names[kind]))
            return &call->server->ops->logs[kind];
    call_error(call, "ERR type should be one of the following: slow, large-request, large-reply");
    return NULL;
}

static void commandlog_get_command(struct call *call)
{
    int64_t count;
    if (!read_count(call, 2, &count))
        return;
    struct slowlog *log = read_kind(call, 3);
    if (log != NULL)
        reply_newest(call, log, count);
}

static void commandlog_len_command(struct call *call)
{
    struct slowlog *log = read_kind(call, 2);
    if (log != NULL)
        reply_len(call, log);
}

static void commandlog_reset_command(struct call *call)
{
    struct slowlog *log = read_kind(call, 2);
    if (log == NULL)
        return;
    slowlog_reset(log);
    reply_ok(call->reply);
}

static void commandlog_help_command(struct call *call)
{
    static const char *const lines[] = {
        "GET <count> <type>",
        "    The newest <count> entries, all with -1: id, Unix time, microseconds or bytes, "
        "arguments,",
        "    address and name of the client. <type> is slow, large-request or large-reply.",
        "LEN <type>",
        "    How many entries there are.",
        "RESET <type>",
        "    Forget the entries.",
        NULL};
    reply_help(call->reply, "COMMANDLOG", lines);
}

/* ---- rows ---- */

#define FOR_ADMINS .flags = CMD_ADMIN | CMD_LOADING | CMD_STALE, .group = GROUP_SERVER
#define FOR_ALL    .flags = CMD_LOADING | CMD_STALE, .group = GROUP_SERVER
#define CONSTANT   .complexity = "O(1)"
#define PER_ENTRY  .complexity = "O(N) where N is the number of entries."
#define CONTAINER                                                                                  \
    .flags = CMD_PARENT, .group = GROUP_SERVER, .complexity = "Depends on the subcommand."

static const char *const get_tips[] = {"request_policy:all_nodes", "nondeterministic_output", NULL};
static const char *const len_tips[] = {"request_policy:all_nodes", "response_policy:agg_sum",
                                       "nondeterministic_output", NULL};
static const char *const reset_tips[] = {"request_policy:all_nodes",
                                         "response_policy:all_succeeded", NULL};

static const struct command slowlog_subcommands[] = {
    {.name = "get",
     .run = slowlog_get_command,
     .arity = -2,
     .usage = "[count:integer]",
     .history = "4.0.0 Entries tell address and name of the client.",
     .since = "2.2.12",
     .summary = "Answers the newest slow calls.",
     .tips = get_tips,
     PER_ENTRY,
     FOR_ADMINS},
    {.name = "help",
     .run = slowlog_help_command,
     .arity = 2,
     .since = "6.2.0",
     .summary = "Lists the subcommands.",
     CONSTANT,
     FOR_ALL},
    {.name = "len",
     .run = slowlog_len_command,
     .arity = 2,
     .since = "2.2.12",
     .summary = "Counts the slow calls that are kept.",
     .tips = len_tips,
     CONSTANT,
     FOR_ADMINS},
    {.name = "reset",
     .run = slowlog_reset_command,
     .arity = 2,
     .since = "2.2.12",
     .summary = "Forgets the slow calls.",
     .tips = reset_tips,
     PER_ENTRY,
     FOR_ADMINS},
    {.name = NULL}};

static const struct command commandlog_subcommands[] = {
    {.name = "get",
     .run = commandlog_get_command,
     .arity = 4,
     .usage = "count:integer type(SLOW | LARGE-REQUEST | LARGE-REPLY)",
     .since = "8.1.0",
     .summary = "Answers the newest calls that were slow, or had large requests or replies.",
     .tips = get_tips,
     PER_ENTRY,
     FOR_ADMINS},
    {.name = "help",
     .run = commandlog_help_command,
     .arity = 2,
     .since = "8.1.0",
     .summary = "Lists the subcommands.",
     CONSTANT,
     FOR_ALL},
    {.name = "len",
     .run = commandlog_len_command,
     .arity = 3,
     .usage = "type(SLOW | LARGE-REQUEST | LARGE-REPLY)",
     .since = "8.1.0",
     .summary = "Counts the calls of a kind that are kept.",
     .tips = len_tips,
     CONSTANT,
     FOR_ADMINS},
    {.name = "reset",
     .run = commandlog_reset_command,
     .arity = 3,
     .usage = "type(SLOW | LARGE-REQUEST | LARGE-REPLY)",
     .since = "8.1.0",
     .summary = "Forgets the calls of a kind.",
     .tips = reset_tips,
     PER_ENTRY,
     FOR_ADMINS},
    {.name = NULL}};

const struct command slowlog_commands[] = {{.name = "commandlog",
                                            .arity = -2,
                                            .since = "8.1.0",
                                            .summary = "Commands about slow and large calls.",
                                            .subcommands = commandlog_subcommands,
                                            CONTAINER},
                                           {.name = "slowlog",
                                            .arity = -2,
                                            .since = "2.2.12",
                                            .summary = "Commands about slow calls.",
                                            .subcommands = slowlog_subcommands,
                                            CONTAINER},
                                           {.name = NULL}};
