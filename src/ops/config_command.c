/* config_command.c - CONFIG GET, SET, RESETSTAT, REWRITE and HELP over the configuration of
 * ops/config.h.
 *
 * REWRITE is the one that waits for the disk: a thread of its own does it, and the reply comes by a
 * message to the client's lane.
 */
#include <errno.h>
#include <stdio.h>

#include "base/log.h"
#include "base/mem.h"
#include "engine/call.h"
#include "engine/registry.h"
#include "guard/guard.h"
#include "ops/commands.h"
#include "ops/config.h"
#include "ops/info.h"

/* ---- GET ---- */

struct get_reply {
    struct reply_buffer *reply;
    size_t pairs;
};

static void reply_pair(void *ctx, struct slice name, struct slice value)
{
    struct get_reply *get = ctx;
    reply_bulk(get->reply, name);
    reply_bulk(get->reply, value);
    get->pairs++;
}

static void config_get_command(struct call *call)
{
    struct get_reply get = {.reply = call->reply};
    size_t mark = reply_array_deferred(call->reply);
    config_get(call->server->config, call->argv + 2, call->argc - 2, reply_pair, &get);
    reply_map_patch(call->reply, mark, get.pairs);
}

/* ---- SET ---- */

static bool is_local(const struct client *client)
{
    return (RELAXED_LOAD(&client->flags) & CLIENT_UNIX_SOCKET) != 0 ||
           strncmp(client->peer, "127.", 4) == 0 || strncmp(client->peer, "[::1]:", 6) == 0;
}

static void config_set_command(struct call *call)
{
    struct bytes error = {0};
    unsigned flags = is_local(call->client) ? CONFIG_SET_LOCAL : 0;
    if (RELAXED_LOAD(&call->server->phase) == SERVER_LOADING)
        flags |= CONFIG_SET_LOADING;
    if (config_set(call->server->config, call->argv + 2, call->argc - 2, flags, &error))
        reply_ok(call->reply);
    else
        call_error(call, bytes_str(&error));
    bytes_free(&error);
}

/* ---- RESETSTAT ---- */

static void config_resetstat(struct call *call)
{
    stats_reset(call->server);
    reply_ok(call->reply);
}

/* ---- REWRITE ---- */

struct rewrite_answer {
    struct lane_message message;
    struct lane *lane;
    uint64_t client_id;
    int error; /* negative errno */
};

static void reply_rewritten(struct lane *lane, struct lane_message *message)
{
    struct rewrite_answer *answer = CONTAINER_OF(message, struct rewrite_answer, message);
    struct client *client = lane_find_client(lane, answer->client_id);
    if (client != NULL && client->deferred == answer) {
        if (answer->error == 0)
            reply_ok(&lane->reply);
        else
            reply_errorf(&lane->reply, "ERR Rewriting config file: %s", strerror(-answer->error));
        client_complete(client);
    }
    mem_free(answer);
}

/* On the rewriting thread. */
static void rewritten(void *ctx, int error)
{
    struct rewrite_answer *answer = ctx;
    answer->error = error;
    if (error == 0)
        LOG_NOTICE("CONFIG REWRITE executed with success.");
    else
        LOG_WARNING("CONFIG REWRITE failed: %s", strerror(-error));
    lane_post(answer->lane, &answer->message);
}

static void config_rewrite_command(struct call *call)
{
    struct server *server = call->server;
    if (config_path(server->config) == NULL) {
        call_error(call, "ERR The server is running without a config file");
        return;
    }
    struct rewrite_answer *answer = mem_zalloc(sizeof(*answer));
    answer->message.run = reply_rewritten;
    answer->lane = call->lane;
    answer->client_id = call->client->id;
    struct gate *gate = server->guard != NULL ? guard_gate(server->guard) : NULL;
    call_defer(call, answer, NULL);
    if (!config_rewrite_start(server->config, gate, rewritten, answer))
        rewritten(answer, -EAGAIN);
}

/* ---- HELP ---- */

static void config_help(struct call *call)
{
    static const char *const lines[] = {
        "GET <pattern> [<pattern> ...]",
        "    Answers the directives whose names match, with their values.",
        "SET <directive> <value> [<directive> <value> ...]",
        "    Changes directives: all of them, or none if one cannot be changed.",
        "RESETSTAT",
        "    Sets the counters that INFO shows back to zero.",
        "REWRITE",
        "    Writes what is true now to the configuration file, keeping its comments and order.",
        NULL};
    reply_help(call->reply, "CONFIG", lines);
}

#define IN_FAMILY   .group = GROUP_SERVER
#define ADMIN_FLAGS CMD_ADMIN | CMD_NOSCRIPT | CMD_LOADING | CMD_STALE

static const char *const set_tips[] = {"request_policy:all_nodes", "response_policy:all_succeeded",
                                       NULL};

static const struct command config_subcommands[] = {
    {.name = "get",
     .run = config_get_command,
     .arity = -3,
     .flags = ADMIN_FLAGS,
     .usage = "parameter(parameter)...",
     .history = "7.0.0 Several patterns.",
     .since = "2.0.0",
     .summary = "Answers the values of configuration directives.",
     .complexity = "O(N) with N patterns times directives",
     IN_FAMILY},
    {.name = "help",
     .run = config_help,
     .arity = 2,
     .flags = CMD_LOADING | CMD_STALE,
     .since = "5.0.0",
     .summary = "Answers what the subcommands of CONFIG do.",
     .complexity = "O(1)",
     IN_FAMILY},
    {.name = "resetstat",
     .run = config_resetstat,
     .arity = 2,
     .flags = ADMIN_FLAGS,
     .since = "2.0.0",
     .summary = "Sets the server's counters back to zero.",
     .complexity = "O(1)",
     IN_FAMILY},
    {.name = "rewrite",
     .run = config_rewrite_command,
     .arity = 2,
     .flags = ADMIN_FLAGS | CMD_NO_MULTI,
     .since = "2.8.0",
     .summary = "Writes the configuration in force to the configuration file.",
     .complexity = "O(1)",
     IN_FAMILY},
    {.name = "set",
     .run = config_set_command,
     .arity = -4,
     .flags = ADMIN_FLAGS,
     .usage = "data(parameter value)...",
     .history = "7.0.0 Several directives, all or none.",
     .since = "2.0.0",
     .summary = "Changes configuration directives while the server runs.",
     .complexity = "O(N) with N directives",
     .tips = set_tips,
     IN_FAMILY},
    {.name = NULL}};

const struct command config_commands[] = {
    {.name = "config",
     .run = NULL,
     .arity = -2,
     .flags = CMD_PARENT,
     .since = "2.0.0",
     .summary = "Container of commands about the configuration.",
     .complexity = "Depends on the subcommand",
     .subcommands = config_subcommands,
     IN_FAMILY},
    {.name = NULL}};
