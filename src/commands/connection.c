/* connection.c - who is connected and how it speaks: AUTH, HELLO, SELECT, PING, ECHO, QUIT,
 * RESET. */
#include "commands/connection.h"
#include "base/mem.h"
#include "base/version.h"
#include "commands/commands.h"
#include "engine/settings.h"
#include "guard/guard.h"

bool connection_name_is_valid(struct slice name)
{
    for (size_t i = 0; i < name.len; i++)
        if (name.data[i] < '!' || name.data[i] > '~')
            return false;
    return true;
}

void connection_set_text(struct client *client, char **field, struct slice value)
{
    char *fresh = value.len != 0 ? slice_to_str(value) : NULL;
    lock_take(&client->lane->registry);
    char *old = *field;
    *field = fresh;
    lock_drop(&client->lane->registry);
    mem_free(old);
}

/* Compares in a time that depends on the length of what was offered only. */
static bool equal_in_constant_time(struct slice offered, struct slice secret)
{
    unsigned char difference = offered.len != secret.len;
    for (size_t i = 0; i < offered.len; i++)
        difference |=
            (unsigned char)(offered.data[i] ^ (secret.len != 0 ? secret.data[i % secret.len] : 1));
    return difference == 0;
}

static bool authenticate(struct call *call, struct slice user, struct slice password)
{
    struct settings *settings = call->server->settings;
    bool known = slice_eq(user, SLICE("default"));
    if (known && !settings_text_is_empty(settings, &settings->requirepass)) {
        char *secret = settings_text_copy(settings, &settings->requirepass);
        known = equal_in_constant_time(password, slice_str(secret));
        mem_free(secret);
    }
    if (known) {
        call->client->authenticated = true;
        connection_set_text(call->client, &call->client->user, user);
        return true;
    }
    call_error(call, "WRONGPASS invalid username-password pair or user is disabled.");
    return false;
}

static void auth_command(struct call *call)
{
    struct settings *settings = call->server->settings;
    if (call->argc > 3) {
        call_syntax_error(call);
        return;
    }
    if (call->argc == 2 && settings_text_is_empty(settings, &settings->requirepass)) {
        call_error(
            call,
            "ERR AUTH <password> called without any password configured for the default user. "
            "Are you sure your configuration is correct?");
        return;
    }
    bool named = call->argc == 3;
    if (authenticate(call, named ? call->argv[1] : SLICE("default"), call->argv[named ? 2 : 1]))
        reply_ok(call->reply);
}

static void reply_hello(struct call *call)
{
    struct reply_buffer *r = call->reply;
    char *zone =
        settings_text_copy(call->server->settings, &call->server->settings->availability_zone);
    reply_map(r, zone[0] != 0 ? 8 : 7);
    reply_bulk_str(r, "server");
    reply_bulk_str(r, "redis");
    reply_bulk_str(r, "version");
    reply_bulk_str(r, SPILLWAY_REDIS_VERSION);
    reply_bulk_str(r, "proto");
    reply_int(r, call->client->resp);
    reply_bulk_str(r, "id");
    reply_int(r, (int64_t)call->client->id);
    reply_bulk_str(r, "mode");
    reply_bulk_str(r, "standalone");
    reply_bulk_str(r, "role");
    reply_bulk_str(r, "master");
    reply_bulk_str(r, "modules");
    reply_array(r, 0);
    if (zone[0] != 0) {
        reply_bulk_str(r, "availability_zone");
        reply_bulk_str(r, zone);
    }
    mem_free(zone);
}

struct hello_options {
    struct slice user, password, name;
    bool auth, set_name;
};

/* Options behind the version; false after replying the error. */
static bool read_hello_options(struct call *call, struct hello_options *out)
{
    for (uint32_t i = 2; i < call->argc; i++) {
        uint32_t more = call->argc - 1 - i;
        if (slice_is(call->argv[i], "auth") && more >= 2) {
            out->auth = true;
            out->user = call->argv[i + 1];
            out->password = call->argv[i + 2];
            i += 2;
        } else if (slice_is(call->argv[i], "setname") && more >= 1) {
            out->set_name = true;
            out->name = call->argv[++i];
            if (!connection_name_is_valid(out->name)) {
                call_error(
                    call,
                    "ERR Client names cannot contain spaces, newlines or special characters.");
                return false;
            }
        } else {
            call_errorf(call, "ERR Syntax error in HELLO option '%.*s'",
                        (int)MIN_OF(call->argv[i].len, 128), call->argv[i].data);
            return false;
        }
    }
    return true;
}

static void hello_command(struct call *call)
{
    struct client *client = call->client;
    struct hello_options options = {.auth = false};
    int64_t version = client->resp;
    if (call->argc > 1) {
        if (!call_i64(call, 1, &version, "ERR Protocol version is not an integer or out of range"))
            return;
        if (version != 2 && version != 3) {
            call_error(call, "NOPROTO unsupported protocol version");
            return;
        }
    }
    if (!read_hello_options(call, &options))
        return;
    if (options.auth && !authenticate(call, options.user, options.password))
        return;
    if (!client->authenticated) {
        call_error(
            call,
            "NOAUTH HELLO must be called with the client already authenticated, otherwise the "
            "HELLO "
            "AUTH <user> <pass> option can be used to authenticate the client and select the RESP "
            "protocol version at the same time");
        return;
    }
    if (options.set_name)
        connection_set_text(client, &client->name, options.name);
    RELAXED_STORE(&client->resp, (uint8_t)version);
    call->reply->resp3 = version == 3;
    reply_hello(call);
}

/* disk-ping-reports-error: replies why writes are refused for want of disk; false if they are
 * not. */
static bool ping_reports_disk(struct call *call)
{
    struct guard *guard = call->server->guard;
    char text[512];
    if (!RELAXED_LOAD(&call->server->settings->disk_ping_reports_error) || guard == NULL ||
        RELAXED_LOAD(&guard_verdict(guard)->growth) != GUARD_GROWTH_REFUSED)
        return false;
    guard_refusal_text(guard, text, sizeof text);
    call_error(call, text);
    return true;
}

static void ping_command(struct call *call)
{
    if (call->argc > 2)
        call_wrong_arity(call);
    else if (ping_reports_disk(call))
        return;
    else if (call->argc == 2)
        reply_bulk(call->reply, call->argv[1]);
    else
        reply_simple(call->reply, "PONG");
}

static void echo_command(struct call *call)
{
    reply_bulk(call->reply, call->argv[1]);
}

static void select_command(struct call *call)
{
    int64_t db;
    if (!call_i64(call, 1, &db, NULL))
        return;
    if (db < INT32_MIN || db > INT32_MAX) {
        call_errorf(call, "ERR value is out of range, value must between %d and %d", INT32_MIN,
                    INT32_MAX);
        return;
    }
    if (db < 0 || db >= call->server->settings->databases) {
        call_error(call, "ERR DB index is out of range");
        return;
    }
    RELAXED_STORE(&call->client->db, (uint32_t)db);
    reply_ok(call->reply);
}

static void set_flags(struct client *client, uint32_t set, uint32_t clear)
{
    RELAXED_STORE(&client->flags, (client->flags & ~clear) | set);
}

static void quit_command(struct call *call)
{
    reply_ok(call->reply);
    set_flags(call->client, CLIENT_CLOSE_AFTER_REPLY, 0);
}

static void reset_command(struct call *call)
{
    struct client *client = call->client;
    struct settings *settings = call->server->settings;
    RELAXED_STORE(&client->db, 0);
    RELAXED_STORE(&client->resp, settings_default_resp(settings));
    call->reply->resp3 = client->resp == 3;
    connection_set_text(client, &client->name, SLICE(""));
    connection_set_text(client, &client->user, SLICE(""));
    set_flags(client, 0,
              CLIENT_NO_EVICT | CLIENT_NO_TOUCH | CLIENT_IMPORT_SOURCE | CLIENT_REPLY_OFF |
                  CLIENT_REPLY_SKIP | CLIENT_READONLY);
    client->authenticated = settings_text_is_empty(settings, &settings->requirepass);
    call->reply->muted = false;
    reply_simple(call->reply, "RESET");
}

#define SESSION_FLAGS                                                                              \
    (CMD_NOSCRIPT | CMD_LOADING | CMD_STALE | CMD_FAST | CMD_NO_AUTH | CMD_ALLOW_BUSY)
#define IN_FAMILY .acl = ACL_CONNECTION, .group = GROUP_CONNECTION, .complexity = "O(1)"

static const char *const ping_tips[] = {"request_policy:all_shards",
                                        "response_policy:all_succeeded", NULL};

const struct command connection_commands[] = {
    {.name = "auth",
     .run = auth_command,
     .arity = -2,
     .flags = SESSION_FLAGS,
     .usage = "[username@6.0.0] password",
     .history = "6.0.0 A user may be named.",
     .since = "1.0.0",
     .summary = "Authenticates the connection by password, or by user and password.",
     IN_FAMILY},
    {.name = "echo",
     .run = echo_command,
     .arity = 2,
     .flags = CMD_LOADING | CMD_STALE | CMD_FAST,
     .usage = "message",
     .since = "1.0.0",
     .summary = "Answers its argument.",
     IN_FAMILY},
    {.name = "hello",
     .run = hello_command,
     .arity = -1,
     .flags = SESSION_FLAGS,
     .usage = "[arguments(protover:integer [AUTH auth(username password)] [SETNAME clientname])]",
     .history = "6.2.0 Without arguments it tells of the connection as it is.",
     .since = "6.0.0",
     .summary = "Chooses the protocol version, and may authenticate and name the connection.",
     IN_FAMILY},
    {.name = "ping",
     .run = ping_command,
     .arity = -1,
     .flags = CMD_FAST,
     .usage = "[message]",
     .since = "1.0.0",
     .summary = "Answers PONG, or its argument: is the server there?",
     .tips = ping_tips,
     IN_FAMILY},
    {.name = "quit",
     .run = quit_command,
     .arity = -1,
     .flags = SESSION_FLAGS,
     .since = "1.0.0",
     .summary = "Closes the connection after its reply.",
     .deprecated_since = "7.2.0",
     .replaced_by = "just closing the connection",
     IN_FAMILY},
    {.name = "reset",
     .run = reset_command,
     .arity = 1,
     .flags = SESSION_FLAGS,
     .since = "6.2.0",
     .summary = "Brings the connection back to how it was when it was made.",
     IN_FAMILY},
    {.name = "select",
     .run = select_command,
     .arity = 2,
     .flags = CMD_LOADING | CMD_STALE | CMD_FAST | CMD_ALLOW_BUSY,
     .usage = "index:integer",
     .since = "1.0.0",
     .summary = "Chooses the database of the connection.",
     IN_FAMILY},
    {.name = NULL}};
