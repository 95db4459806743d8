/* client.c - what a connection may say about itself and its replies, and pausing all of them:
 * the CLIENT family. */
#include "commands/client.h"
#include "base/mem.h"
#include "commands/commands.h"
#include "commands/connection.h"
#include "engine/block.h"
#include "engine/settings.h"

static void set_flags(struct client *client, uint32_t set, uint32_t clear)
{
    RELAXED_STORE(&client->flags, (client->flags & ~clear) | set);
}

/* ON or OFF at argument 2 as a flag of the client; replies. */
static void set_flag_by_word(struct call *call, uint32_t flag)
{
    if (slice_is(call->argv[2], "on")) {
        set_flags(call->client, flag, 0);
    } else if (slice_is(call->argv[2], "off")) {
        set_flags(call->client, 0, flag);
    } else {
        call_syntax_error(call);
        return;
    }
    reply_ok(call->reply);
}

static void id_command(struct call *call)
{
    reply_int(call->reply, (int64_t)call->client->id);
}

static void getname_command(struct call *call)
{
    if (call->client->name != NULL)
        reply_bulk_str(call->reply, call->client->name);
    else
        reply_null(call->reply);
}

static void setname_command(struct call *call)
{
    if (!connection_name_is_valid(call->argv[2])) {
        call_error(call, "ERR Client names cannot contain spaces, newlines or special characters.");
        return;
    }
    connection_set_text(call->client, &call->client->name, call->argv[2]);
    reply_ok(call->reply);
}

static void setinfo_command(struct call *call)
{
    struct client *client = call->client;
    struct slice name = call->argv[2];
    char **field = slice_is(name, "lib-name")  ? &client->lib_name
                   : slice_is(name, "lib-ver") ? &client->lib_version
                                               : NULL;
    int shown = (int)MIN_OF(name.len, 128);
    if (field == NULL) {
        call_errorf(call, "ERR Unrecognized option '%.*s'", shown, name.data);
    } else if (!connection_name_is_valid(call->argv[3])) {
        call_errorf(call, "ERR %.*s cannot contain spaces, newlines or special characters.", shown,
                    name.data);
    } else {
        connection_set_text(client, field, call->argv[3]);
        reply_ok(call->reply);
    }
}

static void reply_command(struct call *call)
{
    const uint32_t off = CLIENT_REPLY_OFF | CLIENT_REPLY_SKIP | CLIENT_REPLY_SKIP_NEXT;
    if (slice_is(call->argv[2], "on")) {
        set_flags(call->client, 0, off);
        call->reply->muted = false;
        reply_ok(call->reply);
    } else if (slice_is(call->argv[2], "off")) {
        set_flags(call->client, CLIENT_REPLY_OFF, 0);
    } else if (slice_is(call->argv[2], "skip")) {
        if (!(call->client->flags & CLIENT_REPLY_OFF))
            set_flags(call->client, CLIENT_REPLY_SKIP_NEXT, 0);
    } else {
        call_syntax_error(call);
    }
}

static void no_evict_command(struct call *call)
{
    set_flag_by_word(call, CLIENT_NO_EVICT);
}

static void no_touch_command(struct call *call)
{
    set_flag_by_word(call, CLIENT_NO_TOUCH);
}

static void import_source_command(struct call *call)
{
    if (!RELAXED_LOAD(&call->server->settings->import_mode) && slice_is(call->argv[2], "on"))
        call_error(call, "ERR Server is not in import mode");
    else
        set_flag_by_word(call, CLIENT_IMPORT_SOURCE);
}

/* Capabilities say what a client can understand; one that is not known says nothing to us. */
static void capa_command(struct call *call)
{
    reply_ok(call->reply);
}

/* No connection redirects invalidations anywhere. */
static void getredir_command(struct call *call)
{
    reply_int(call->reply, -1);
}

static void unblock_command(struct call *call)
{
    int64_t id;
    if (call->argc > 4) {
        call_errorf(
            call,
            "ERR unknown subcommand or wrong number of arguments for '%.*s'. Try CLIENT HELP.",
            (int)MIN_OF(call->argv[1].len, 128), call->argv[1].data);
        return;
    }
    if (call->argc == 4 && !slice_is(call->argv[3], "timeout") &&
        !slice_is(call->argv[3], "error")) {
        call_error(call, "ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR");
        return;
    }
    bool with_error = call->argc == 4 && slice_is(call->argv[3], "error");
    if (call_i64(call, 2, &id, NULL))
        reply_int(call->reply,
                  id > 0 && block_end(call->server, call->lane, (uint64_t)id, with_error));
}

/* ---- PAUSE ---- */

/* The end of a pause of so many milliseconds; false after replying the error. */
static bool read_pause_end(struct call *call, uint32_t at, uint64_t *end_ms)
{
    int64_t ms, now_ms = call->lane->now_ms;
    if (!call_i64(call, at, &ms, "ERR timeout is not an integer or out of range"))
        return false;
    if (ms < 0) {
        call_error(call, "ERR timeout is negative");
        return false;
    }
    if (ms > INT64_MAX - now_ms) {
        call_error(call, "ERR timeout is out of range");
        return false;
    }
    *end_ms = (uint64_t)(now_ms + ms);
    return true;
}

static void pause_command(struct call *call)
{
    struct server *server = call->server;
    bool writes_only = call->argc > 3 && slice_is(call->argv[3], "write");
    uint64_t end_ms;
    if (call->argc > 4) {
        call_errorf(
            call,
            "ERR unknown subcommand or wrong number of arguments for '%.*s'. Try CLIENT HELP.",
            (int)MIN_OF(call->argv[1].len, 128), call->argv[1].data);
        return;
    }
    if (call->argc == 4 && !writes_only && !slice_is(call->argv[3], "all")) {
        call_error(call, "ERR CLIENT PAUSE mode must be WRITE or ALL");
        return;
    }
    if (!read_pause_end(call, 2, &end_ms))
        return;
    /* A pause under way is only ever made longer and stricter. */
    uint64_t until = RELAXED_LOAD(&server->pause_until_ms);
    if (until <= (uint64_t)call->lane->now_ms)
        RELAXED_STORE(&server->pause_all, !writes_only);
    else if (!writes_only)
        RELAXED_STORE(&server->pause_all, 1);
    RELAXED_STORE(&server->pause_until_ms, MAX_OF(until, end_ms));
    reply_ok(call->reply);
}

static void unpause_command(struct call *call)
{
    RELAXED_STORE(&call->server->pause_until_ms, 0);
    reply_ok(call->reply);
}

static void help_command(struct call *call)
{
    static const char *const lines[] = {
        "CAPA <capability> [<capability> ...]",
        "    Say what this client understands, such as redirect.",
        "GETNAME",
        "    The name of this connection.",
        "GETREDIR",
        "    The id of the client that invalidations are redirected to, or -1.",
        "ID",
        "    The id of this connection.",
        "IMPORT-SOURCE (ON|OFF)",
        "    Mark this connection as the one that feeds data in import mode.",
        "INFO",
        "    This connection's line of CLIENT LIST.",
        "KILL <ip:port>",
        "    Close the connection from this address.",
        "KILL <option> <value> [<option> <value> [...]]",
        "    Close every connection that fits all of the options:",
        "    * ID <id> [<id> ...]",
        "    * TYPE (NORMAL|MASTER|REPLICA|PUBSUB)",
        "    * ADDR (<ip:port>|<unixsocket>:0), LADDR (<ip:port>|<unixsocket>:0)",
        "    * USER <username>, NAME <name>",
        "    * MAXAGE <seconds>: connected for so long or longer",
        "    * SKIPME (YES|NO): whether to spare this connection (default: yes)",
        "LIST [<options of KILL> ...]",
        "    One line per connection. SKIPME is no by default.",
        "NO-EVICT (ON|OFF)",
        "    Spare this connection when clients are closed to save memory.",
        "NO-TOUCH (ON|OFF)",
        "    Leave the access times of keys alone.",
        "PAUSE <timeout> [WRITE|ALL]",
        "    Hold back all commands, or those that write, for <timeout> milliseconds.",
        "REPLY (ON|OFF|SKIP)",
        "    Whether to reply to this connection; SKIP leaves out the next reply.",
        "SETINFO (LIB-NAME|LIB-VER) <value>",
        "    Tell which client library speaks.",
        "SETNAME <name>",
        "    Name this connection.",
        "UNBLOCK <clientid> [TIMEOUT|ERROR]",
        "    End the waiting of a client that is blocked.",
        "UNPAUSE",
        "    End a pause.",
        NULL};
    reply_help(call->reply, "CLIENT", lines);
}

/* ---- rows ---- */

#define ANY_TIME   (CMD_NOSCRIPT | CMD_LOADING | CMD_STALE)
#define FOR_ADMINS (CMD_ADMIN | CMD_NOSCRIPT | CMD_LOADING | CMD_STALE)
#define IN_FAMILY  .acl = ACL_CONNECTION, .group = GROUP_CONNECTION
#define CONSTANT   .complexity = "O(1)"
#define PER_CLIENT .complexity = "O(N) where N is the number of connections."

static const char *const varies[] = {"nondeterministic_output", NULL};

static const struct command subcommands[] = {
    {.name = "capa",
     .run = capa_command,
     .arity = -3,
     .flags = ANY_TIME | CMD_ALLOW_BUSY,
     .usage = "capability...",
     .since = "8.0.0",
     .summary = "Says what the client understands.",
     CONSTANT,
     IN_FAMILY},
    {.name = "getname",
     .run = getname_command,
     .arity = 2,
     .flags = ANY_TIME | CMD_ALLOW_BUSY,
     .since = "2.6.9",
     .summary = "Answers the name of the connection.",
     CONSTANT,
     IN_FAMILY},
    {.name = "getredir",
     .run = getredir_command,
     .arity = 2,
     .flags = ANY_TIME | CMD_ALLOW_BUSY,
     .since = "6.0.0",
     .summary = "Answers which client gets the connection's invalidations.",
     CONSTANT,
     IN_FAMILY},
    {.name = "help",
     .run = help_command,
     .arity = 2,
     .flags = CMD_LOADING | CMD_STALE,
     .since = "5.0.0",
     .summary = "Lists the subcommands.",
     CONSTANT,
     IN_FAMILY},
    {.name = "id",
     .run = id_command,
     .arity = 2,
     .flags = ANY_TIME | CMD_ALLOW_BUSY,
     .since = "5.0.0",
     .summary = "Answers the id of the connection.",
     CONSTANT,
     IN_FAMILY},
    {.name = "import-source",
     .run = import_source_command,
     .arity = 3,
     .flags = ANY_TIME,
     .usage = "enabled(ON | OFF)",
     .since = "8.1.0",
     .summary = "Marks the connection as the source of an import.",
     CONSTANT,
     IN_FAMILY},
    {.name = "info",
     .run = client_info_command,
     .arity = 2,
     .flags = ANY_TIME,
     .since = "6.2.0",
     .summary = "Describes the connection in one line.",
     .tips = varies,
     CONSTANT,
     IN_FAMILY},
    {.name = "kill",
     .run = client_kill_command,
     .arity = -3,
     .flags = FOR_ADMINS,
     .usage =
         "filter(old-format=ip:port:string!2.8.12 | new-format([ID client-id:integer@2.8.12...] | "
         "[TYPE client-type(NORMAL | MASTER@3.2.0 | SLAVE | REPLICA@5.0.0 | PUBSUB)@2.8.12] | "
         "[USER username] | [ADDR addr=ip:port:string] | [LADDR laddr=ip:port:string@6.2.0] | "
         "[SKIPME skipme(YES | NO)] | [MAXAGE maxage:integer@7.4.0] | [NAME name@9.0.0])...)",
     .history = "2.8.12 Filters instead of an address.\n"
                "2.8.12 The option ID.\n"
                "3.2.0 The type master.\n"
                "5.0.0 The type replica, of which slave is the older name.\n"
                "6.2.0 The option LADDR.\n"
                "7.4.0 The option MAXAGE.\n"
                "8.1.0 Several ids.\n"
                "9.0.0 The option NAME.",
     .since = "2.4.0",
     .summary = "Closes connections.",
     PER_CLIENT,
     IN_FAMILY},
    {.name = "list",
     .run = client_list_command,
     .arity = -2,
     .flags = FOR_ADMINS,
     .usage = "[TYPE client-type(NORMAL | MASTER | REPLICA | PUBSUB)@5.0.0] "
              "[ID client-id:integer@6.2.0...] [USER username@8.1.0] "
              "[ADDR addr=ip:port:string@8.1.0] [LADDR laddr=ip:port:string@8.1.0] "
              "[SKIPME skipme(YES | NO)@8.1.0] [MAXAGE maxage:integer@8.1.0] [NAME name@9.0.0]",
     .history = "2.8.12 Clients have ids.\n"
                "5.0.0 The option TYPE.\n"
                "6.0.0 The field user.\n"
                "6.2.0 ID, and the fields argv-mem, tot-mem, laddr and redir.\n"
                "7.0.0 The fields resp, multi-mem, rbs and rbp.\n"
                "7.0.3 The field ssub.\n"
                "7.2.0 The fields lib-name and lib-ver.\n"
                "8.1.0 The filters of CLIENT KILL, all at once.\n"
                "9.0.0 The option NAME.",
     .since = "2.4.0",
     .summary = "Describes every connection in one line each.",
     .tips = varies,
     PER_CLIENT,
     IN_FAMILY},
    {.name = "no-evict",
     .run = no_evict_command,
     .arity = 3,
     .flags = FOR_ADMINS | CMD_ALLOW_BUSY,
     .usage = "enabled(ON | OFF)",
     .since = "7.0.0",
     .summary = "Spares the connection when clients are closed to save memory.",
     CONSTANT,
     IN_FAMILY},
    {.name = "no-touch",
     .run = no_touch_command,
     .arity = 3,
     .flags = ANY_TIME | CMD_ALLOW_BUSY,
     .usage = "enabled(ON | OFF)",
     .since = "7.2.0",
     .summary = "Keeps the connection's commands from changing access times.",
     CONSTANT,
     IN_FAMILY},
    {.name = "pause",
     .run = pause_command,
     .arity = -3,
     .flags = FOR_ADMINS,
     .usage = "timeout:integer [mode(WRITE | ALL)@6.2.0]",
     .history = "6.2.0 Which calls wait: WRITE or ALL.",
     .since = "3.0.0",
     .summary = "Holds back commands of all connections for a while.",
     CONSTANT,
     IN_FAMILY},
    {.name = "reply",
     .run = reply_command,
     .arity = 3,
     .flags = ANY_TIME | CMD_ALLOW_BUSY | CMD_NO_MULTI,
     .usage = "action(ON | OFF | SKIP)",
     .since = "3.2.0",
     .summary = "Turns replies to the connection on or off.",
     CONSTANT,
     IN_FAMILY},
    {.name = "setinfo",
     .run = setinfo_command,
     .arity = 4,
     .flags = ANY_TIME | CMD_ALLOW_BUSY,
     .usage = "attr(LIB-NAME libname | LIB-VER libver)",
     .since = "7.2.0",
     .summary = "Notes name or version of the client's library.",
     CONSTANT,
     IN_FAMILY},
    {.name = "setname",
     .run = setname_command,
     .arity = 3,
     .flags = ANY_TIME | CMD_ALLOW_BUSY,
     .usage = "connection-name",
     .since = "2.6.9",
     .summary = "Names the connection.",
     CONSTANT,
     IN_FAMILY},
    {.name = "unblock",
     .run = unblock_command,
     .arity = -3,
     .flags = FOR_ADMINS,
     .usage = "client-id:integer [unblock-type(TIMEOUT | ERROR)]",
     .since = "5.0.0",
     .summary = "Ends the waiting of a blocked client.",
     .complexity = "O(log N) where N is the number of connections.",
     IN_FAMILY},
    {.name = "unpause",
     .run = unpause_command,
     .arity = 2,
     .flags = FOR_ADMINS,
     .since = "6.2.0",
     .summary = "Ends a pause.",
     .complexity = "O(N) where N is the number of paused connections.",
     IN_FAMILY},
    {.name = NULL}};

const struct command client_commands[] = {{.name = "client",
                                           .arity = -2,
                                           .flags = CMD_PARENT,
                                           .group = GROUP_CONNECTION,
                                           .since = "2.4.0",
                                           .summary = "Commands about connections.",
                                           .complexity = "Depends on the subcommand.",
                                           .subcommands = subcommands},
                                          {.name = NULL}};
