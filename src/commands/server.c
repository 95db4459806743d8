/* server.c - commands about the whole server and whole databases: DBSIZE, FLUSHALL, SWAPDB,
 * TIME, ROLE, MODULE. */
#include "base/clock.h"
#include "commands/commands.h"
#include "commands/server.h"
#include "engine/call.h"
#include "engine/settings.h"
#include "persist/persist.h"

static void dbsize_command(struct call *call)
{
    reply_int(call->reply, (int64_t)keyspace_size(call->server->keyspace, call->db));
}

static void time_command(struct call *call)
{
    int64_t now_us = clock_wall_us();
    reply_array(call->reply, 2);
    reply_bulk_int(call->reply, now_us / 1000000);
    reply_bulk_int(call->reply, now_us % 1000000);
}

static void role_command(struct call *call)
{
    reply_array(call->reply, 3);
    reply_bulk_str(call->reply, "master");
    reply_int(call->reply, 0);
    reply_array(call->reply, 0);
}

/* ---- emptying and swapping ---- */

/* [ASYNC|SYNC]; false after replying the error. */
static bool read_flush_mode(struct call *call, bool *lazy)
{
    *lazy = RELAXED_LOAD(&call->server->settings->lazyfree_lazy_user_flush);
    if (call->argc == 1)
        return true;
    *lazy = slice_is(call->argv[1], "async");
    if (call->argc == 2 && (*lazy || slice_is(call->argv[1], "sync")))
        return true;
    call_syntax_error(call);
    return false;
}

static void flushdb_command(struct call *call)
{
    bool lazy;
    if (!read_flush_mode(call, &lazy))
        return;
    call_changed(call, keyspace_flush_db(&call->hold, call->db, lazy));
    reply_ok(call->reply);
}

static void flushall_command(struct call *call)
{
    bool lazy;
    if (!read_flush_mode(call, &lazy))
        return;
    uint32_t databases = keyspace_options(call->server->keyspace)->databases;
    for (uint32_t db = 0; db < databases; db++)
        call_changed(call, keyspace_flush_db(&call->hold, db, lazy));
    if (call->server->persist != NULL && !(call->client->flags & CLIENT_INTERNAL))
        persist_flushed_all(call->server->persist);
    reply_ok(call->reply);
}

static bool read_db(struct call *call, uint32_t at, const char *error, int64_t *db)
{
    return call_i64_range(call, at, INT32_MIN, INT32_MAX, db, error);
}

static void swapdb_command(struct call *call)
{
    int64_t a, b, databases = keyspace_options(call->server->keyspace)->databases;
    if (!read_db(call, 1, "ERR invalid first DB index", &a) ||
        !read_db(call, 2, "ERR invalid second DB index", &b))
        return;
    if (a < 0 || a >= databases || b < 0 || b >= databases) {
        call_error(call, "ERR DB index is out of range");
        return;
    }
    if (a != b)
        keyspace_swap_db(&call->hold, (uint32_t)a, (uint32_t)b);
    call_changed(call, 1);
    reply_ok(call->reply);
}

/* ---- MODULE ---- */

static void module_list_command(struct call *call)
{
    reply_array(call->reply, 0);
}

static void module_load_command(struct call *call)
{
    call_error(call, "ERR Error loading the extension. This server does not run modules.");
}

static void module_unload_command(struct call *call)
{
    call_error(call, "ERR Error unloading module: no such module with that name");
}

static void module_help_command(struct call *call)
{
    static const char *const lines[] = {
        "LIST",
        "    The loaded modules: none, this server does not run any.",
        "LOAD <path> [<arg> ...]",
        "    Refused.",
        "LOADEX <path> [[CONFIG <name> <value>] ...] [ARGS <arg> ...]",
        "    Refused.",
        "UNLOAD <name>",
        "    Refused.",
        NULL};
    reply_help(call->reply, "MODULE", lines);
}

/* ---- rows ---- */

#define IN_FAMILY   .group = GROUP_SERVER
#define CONSTANT    .complexity = "O(1)"
#define FLUSH_FLAGS (CMD_WRITE | CMD_WHOLE_KEYSPACE | CMD_SHRINK)

static const char *const varies[] = {"nondeterministic_output", NULL};
static const char *const order_varies[] = {"nondeterministic_output_order", NULL};
static const char *const sums_shards[] = {"request_policy:all_shards", "response_policy:agg_sum",
                                          NULL};
static const char *const asks_shards[] = {"request_policy:all_shards",
                                          "response_policy:all_succeeded", NULL};

static const struct command module_subcommands[] = {
    {.name = "help",
     .run = module_help_command,
     .arity = 2,
     .flags = CMD_LOADING | CMD_STALE,
     .since = "5.0.0",
     .summary = "Lists the subcommands.",
     CONSTANT,
     IN_FAMILY},
    {.name = "list",
     .run = module_list_command,
     .arity = 2,
     .flags = CMD_ADMIN | CMD_NOSCRIPT,
     .since = "4.0.0",
     .summary = "Answers the loaded modules.",
     .complexity = "O(N) where N is the number of loaded modules.",
     .tips = order_varies,
     IN_FAMILY},
    {.name = "load",
     .run = module_load_command,
     .arity = -3,
     .flags = CMD_ADMIN | CMD_NOSCRIPT | CMD_NO_ASYNC_LOADING,
     .usage = "path [arg...]",
     .since = "4.0.0",
     .summary = "Refused: modules are not run.",
     CONSTANT,
     IN_FAMILY},
    {.name = "loadex",
     .run = module_load_command,
     .arity = -3,
     .flags = CMD_ADMIN | CMD_NOSCRIPT | CMD_NO_ASYNC_LOADING,
     .usage = "path [CONFIG configs(name value)]... [ARGS args...]",
     .since = "7.0.0",
     .summary = "Refused: modules are not run.",
     CONSTANT,
     IN_FAMILY},
    {.name = "unload",
     .run = module_unload_command,
     .arity = 3,
     .flags = CMD_ADMIN | CMD_NOSCRIPT | CMD_NO_ASYNC_LOADING,
     .usage = "name",
     .since = "4.0.0",
     .summary = "Refused: there is none to unload.",
     CONSTANT,
     IN_FAMILY},
    {.name = NULL}};

const struct command server_commands[] = {
    {.name = "bgrewriteaof",
     .run = server_bgrewriteaof,
     .arity = 1,
     .flags = CMD_ADMIN | CMD_NOSCRIPT | CMD_NO_ASYNC_LOADING,
     .since = "1.0.0",
     .summary = "Writes the append-only file afresh, in the background.",
     CONSTANT,
     IN_FAMILY},
    {.name = "bgsave",
     .run = server_bgsave,
     .arity = -1,
     .flags = CMD_ADMIN | CMD_NOSCRIPT | CMD_NO_ASYNC_LOADING,
     .usage = "[SCHEDULE@3.2.2]",
     .history = "3.2.2 The option SCHEDULE.",
     .since = "1.0.0",
     .summary = "Saves the data set to disk, in the background.",
     CONSTANT,
     IN_FAMILY},
    {.name = "dbsize",
     .run = dbsize_command,
     .arity = 1,
     .flags = CMD_READONLY | CMD_FAST,
     .acl = ACL_KEYSPACE,
     .since = "1.0.0",
     .summary = "Counts the keys of the database.",
     .tips = sums_shards,
     CONSTANT,
     IN_FAMILY},
    {.name = "flushall",
     .run = flushall_command,
     .arity = -1,
     .flags = FLUSH_FLAGS,
     .acl = ACL_KEYSPACE | ACL_DANGEROUS,
     .usage = "[flush-type(ASYNC@4.0.0 | SYNC@6.2.0)]",
     .history = "4.0.0 The option ASYNC.\n"
                "6.2.0 The option SYNC.",
     .since = "1.0.0",
     .summary = "Removes every key of every database.",
     .complexity = "O(N) where N is the number of keys in all databases.",
     .tips = asks_shards,
     IN_FAMILY},
    {.name = "flushdb",
     .run = flushdb_command,
     .arity = -1,
     .flags = FLUSH_FLAGS,
     .acl = ACL_KEYSPACE | ACL_DANGEROUS,
     .usage = "[flush-type(ASYNC@4.0.0 | SYNC@6.2.0)]",
     .history = "4.0.0 The option ASYNC.\n"
                "6.2.0 The option SYNC.",
     .since = "1.0.0",
     .summary = "Removes every key of the database.",
     .complexity = "O(N) where N is the number of keys in the database.",
     .tips = asks_shards,
     IN_FAMILY},
    {.name = "lastsave",
     .run = server_lastsave,
     .arity = 1,
     .flags = CMD_LOADING | CMD_STALE | CMD_FAST,
     .acl = ACL_ADMIN | ACL_DANGEROUS,
     .since = "1.0.0",
     .summary = "Answers when the data set was last saved, as Unix time.",
     .tips = varies,
     CONSTANT,
     IN_FAMILY},
    {.name = "module",
     .arity = -2,
     .flags = CMD_PARENT,
     .since = "4.0.0",
     .summary = "Commands about modules.",
     .complexity = "Depends on the subcommand.",
     .subcommands = module_subcommands,
     IN_FAMILY},
    {.name = "role",
     .run = role_command,
     .arity = 1,
     .flags = CMD_NOSCRIPT | CMD_LOADING | CMD_STALE | CMD_FAST,
     .acl = ACL_ADMIN | ACL_DANGEROUS,
     .since = "2.8.12",
     .summary = "Answers the server's part in replication.",
     CONSTANT,
     IN_FAMILY},
    {.name = "save",
     .run = server_save,
     .arity = 1,
     .flags = CMD_ADMIN | CMD_NOSCRIPT | CMD_NO_ASYNC_LOADING | CMD_NO_MULTI,
     .since = "1.0.0",
     .summary = "Saves the data set to disk and answers when that is done.",
     .complexity = "O(N) where N is the number of keys in all databases.",
     IN_FAMILY},
    {.name = "shutdown",
     .run = server_shutdown,
     .arity = -1,
     .flags = CMD_ADMIN | CMD_NOSCRIPT | CMD_LOADING | CMD_STALE | CMD_NO_MULTI | CMD_ALLOW_BUSY,
     .usage = "[save-selector(NOSAVE | SAVE)] [NOW@7.0.0] [FORCE@7.0.0] [ABORT@7.0.0]",
     .history = "7.0.0 The options NOW, FORCE and ABORT.",
     .since = "1.0.0",
     .summary = "Saves the data set, if so configured or asked, and ends the server.",
     .complexity =
         "O(N) when saving, where N is the number of keys in all databases; otherwise O(1).",
     IN_FAMILY},
    {.name = "swapdb",
     .run = swapdb_command,
     .arity = 3,
     .flags = CMD_WRITE | CMD_FAST | CMD_WHOLE_KEYSPACE | CMD_NEUTRAL,
     .acl = ACL_KEYSPACE | ACL_DANGEROUS,
     .usage = "index1:integer index2:integer",
     .since = "4.0.0",
     .summary = "Exchanges the keys of two databases.",
     .complexity = "O(1) besides the clients that wait for keys or watch them.",
     IN_FAMILY},
    {.name = "time",
     .run = time_command,
     .arity = 1,
     .flags = CMD_LOADING | CMD_STALE | CMD_FAST,
     .since = "2.6.0",
     .summary = "Answers the server's time: Unix seconds, and microseconds within.",
     .tips = varies,
     CONSTANT,
     IN_FAMILY},
    {.name = NULL}};
