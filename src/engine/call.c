/* call.c - the verbs of a handler: keys, arguments, errors, effects. */
#include "engine/call.h"
#include "engine/registry.h"
#include <stdarg.h>
#include <stdio.h>
#include "base/mem.h"
#include "base/number.h"
#include "base/panic.h"
#include "plog/plog.h"

#define REPLY_BY_REFERENCE_MIN (16 * 1024) /* bytes from which a string is sent without a copy */

struct key call_key(const struct call *call, uint32_t at)
{
    for (uint32_t i = 0; i < call->key_count; i++)
        if (call->key_at[i] == at)
            return (struct key){.name = call->argv[at], .hash = call->key_hash[i], .db = call->db};
    return call_key_in(call, call->argv[at], call->db);
}

struct key call_key_in(const struct call *call, struct slice name, uint32_t db)
{
    return keyspace_key(call->server->seed, db, name);
}

/* ---- effects ---- */

static void append_command(struct bytes *out, uint32_t argc, const struct slice *argv)
{
    char head[NUMBER_TEXT_MAX + 4];
    head[0] = '*';
    size_t len = 1 + number_print_u64(head + 1, argc);
    head[len++] = '\r';
    head[len++] = '\n';
    bytes_append(out, head, len);
    for (uint32_t i = 0; i < argc; i++) {
        head[0] = '$';
        len = 1 + number_print_u64(head + 1, argv[i].len);
        head[len++] = '\r';
        head[len++] = '\n';
        bytes_reserve(out, len + argv[i].len + 2);
        bytes_append(out, head, len);
        bytes_append(out, argv[i].data, argv[i].len);
        bytes_append(out, "\r\n", 2);
    }
}

static const char multi[] = "*1\r\n$5\r\nMULTI\r\n"; /* before the first effect in a record */
#define MULTI_LEN       (sizeof multi - 1)
#define RECORD_KEPT_MAX (1u << 20) /* bytes of a buffer that is used again */

void call_effect(struct call *call, uint32_t argc, const struct slice *argv)
{
    /* A log that nobody reads now stays so until the shards are dropped. */
    if (call->hold.mask != 0 && !plog_is_active(call->server->plog))
        return;
    struct bytes *record = &call->lane->record;
    call->effect_replaced = true;
    if (call->effect_count++ == 0) { /* there may be others */
        record->len = 0;
        if (UNLIKELY(record->cap > RECORD_KEPT_MAX))
            bytes_free(record);
        bytes_append(record, multi, MULTI_LEN);
    }
    append_command(record, argc, argv);
}

void call_effect_none(struct call *call)
{
    call->effect_replaced = true;
    call->effect_count = 0;
}

struct slice call_record(struct call *call)
{
    static const char exec[] = "*1\r\n$4\r\nEXEC\r\n";
    struct bytes *record = &call->lane->record;
    if (!call->effect_replaced) {
        if (call->raw.len != 0)
            return call->raw;
        record->len = 0;
        append_command(record, call->argc, call->argv);
    } else if (call->effect_count == 0) {
        record->len = 0;
    } else if (call->effect_count == 1) {
        return slice_of(record->data + MULTI_LEN, record->len - MULTI_LEN);
    } else {
        bytes_append(record, exec, sizeof exec - 1);
    }
    return bytes_slice(record);
}

/* ---- errors ---- */

void call_error(struct call *call, const char *text)
{
    call->failed = true;
    lane_count_error(call->lane, text, strlen(text));
    reply_error(call->reply, text);
}

void call_errorf(struct call *call, const char *format, ...)
{
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    call_error(call, text);
}

void call_syntax_error(struct call *call)
{
    call_error(call, "ERR syntax error");
}

void call_wrong_type(struct call *call)
{
    call_error(call, "WRONGTYPE Operation against a key holding the wrong kind of value");
}

void call_wrong_arity(struct call *call)
{
    char name[64];
    call_errorf(call, "ERR wrong number of arguments for '%s' command",
                command_full_name(call->command, call->parent, name));
}

void call_unknown_subcommand(struct call *call)
{
    const struct command *top = call->parent != NULL ? call->parent : call->command;
    char upper[64];
    size_t len = strlen(top->name);
    for (size_t i = 0; i <= len; i++)
        upper[i] =
            top->name[i] >= 'a' && top->name[i] <= 'z' ? (char)(top->name[i] - 32) : top->name[i];
    call_errorf(call, "ERR unknown subcommand '%.*s'. Try %s HELP.",
                (int)MIN_OF(call->argv[1].len, 128), call->argv[1].data, upper);
}

/* ---- arguments ---- */

bool call_i64(struct call *call, uint32_t at, int64_t *out, const char *error)
{
    if (LIKELY(number_parse_i64(call->argv[at], out)))
        return true;
    call_error(call, error != NULL ? error : "ERR value is not an integer or out of range");
    return false;
}

bool call_i64_range(struct call *call, uint32_t at, int64_t min, int64_t max, int64_t *out,
                    const char *error)
{
    if (!call_i64(call, at, out, error))
        return false;
    if (*out >= min && *out <= max)
        return true;
    if (error != NULL)
        call_error(call, error);
    else
        call_errorf(call, "ERR value is out of range, value must between %lld and %lld",
                    (long long)min, (long long)max);
    return false;
}

bool call_double(struct call *call, uint32_t at, double *out, const char *error)
{
    if (number_parse_double(call->argv[at], out))
        return true;
    call_error(call, error != NULL ? error : "ERR value is not a valid float");
    return false;
}

bool call_long_double(struct call *call, uint32_t at, long double *out, const char *error)
{
    if (number_parse_long_double(call->argv[at], out))
        return true;
    call_error(call, error != NULL ? error : "ERR value is not a valid float");
    return false;
}

/* ---- values ---- */

bool call_find_string(struct call *call, const struct key *key, unsigned how, struct entry **entry)
{
    *entry = keyspace_find(&call->hold, key, how);
    if (*entry == NULL || LIKELY(entry_type(*entry) == TYPE_STRING))
        return true;
    call_wrong_type(call);
    return false;
}

bool call_find_value(struct call *call, const struct key *key, unsigned how, enum value_type type,
                     struct entry **entry)
{
    *entry = keyspace_find(&call->hold, key, how);
    if (*entry == NULL || LIKELY(entry_type(*entry) == type))
        return true;
    call_wrong_type(call);
    return false;
}

void call_reply_string(struct call *call, const struct entry *entry)
{
    struct slice value = entry_string(entry);
    if (LIKELY(value.len < REPLY_BY_REFERENCE_MIN || !(entry->flags & ENTRY_OUTLINE)))
        reply_bulk(call->reply, value);
    else
        reply_bulk_reference(call->reply, value, blob_release, blob_share(entry_pointer(entry)));
}

void call_notify(struct call *call, char class, const char *event, const struct key *key)
{
    if (UNLIKELY(call->server->notify != NULL))
        call->server->notify(call, class, event, key);
}

/* ---- replies that come later ---- */

void call_defer(struct call *call, void *state, void (*cancel)(struct client *client))
{
    struct client *client = call->client;
    ASSERT(!(client->flags & CLIENT_DEFERRED));
    client->deferred = state;
    client->deferred_cancel = cancel;
    RELAXED_STORE(&client->flags, client->flags | CLIENT_DEFERRED);
}

void client_complete(struct client *client)
{
    ASSERT(client->flags & CLIENT_DEFERRED);
    client->deferred = NULL;
    client->deferred_cancel = NULL;
    RELAXED_STORE(&client->flags, client->flags & ~(uint32_t)CLIENT_DEFERRED);
    if (client->lane->client_ready != NULL)
        client->lane->client_ready(client->lane, client);
}
