/* debug.c - DEBUG: what tests of clients and servers ask for. Allowed by enable-debug-command. */
#include "commands/debug.h"
#include "base/clock.h"
#include "base/glob.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/number.h"
#include "base/rand.h"
#include "commands/commands.h"
#include "engine/aside.h"
#include "engine/call.h"
#include "engine/settings.h"
#include "persist/rdb_value.h"
#include "struct/members.h"
#include "value/zset.h"

static void wrong_arguments(struct call *call)
{
    call_errorf(call,
                "ERR unknown subcommand or wrong number of arguments for '%.*s'. Try DEBUG HELP.",
                (int)MIN_OF(call->argv[1].len, 128), call->argv[1].data);
}

/* Every shard is held meanwhile, so that other workers run no commands on keys either. */
static void debug_sleep(struct call *call)
{
    double seconds = 0;
    if (!number_parse_double(call->argv[2], &seconds) || !(seconds > 0))
        seconds = 0;
    hold_take(&call->hold, HOLD_ALL);
    clock_sleep_us((uint64_t)(MIN_OF(seconds, 1e6) * 1e6));
    hold_drop(&call->hold);
    reply_ok(call->reply);
}

static void debug_set_active_expire(struct call *call)
{
    int64_t on;
    if (!number_parse_i64(call->argv[2], &on))
        on = 0;
    RELAXED_STORE(&keyspace_options(call->server->keyspace)->active_expire, on != 0);
    reply_ok(call->reply);
}

/* Never so near 4 GiB that a node with its header could pass it. */
#define PACKED_THRESHOLD_MAX ((UINT64_C(4) << 30) - (1 << 20))

static void debug_quicklist_packed_threshold(struct call *call)
{
    uint64_t bytes;
    if (call->argv[2].len == 0)
        bytes = 0;
    else if (!number_parse_memory(call->argv[2], &bytes))
        bytes = UINT64_MAX;
    if (bytes > PACKED_THRESHOLD_MAX) {
        call_error(call, "ERR argument must be a memory value bigger than 1 and smaller than 4gb");
        return;
    }
    RELAXED_STORE(&keyspace_options(call->server->keyspace)->limits.list_packed_threshold, bytes);
    reply_ok(call->reply);
}

static void debug_aside_threshold(struct call *call)
{
    uint64_t elements;
    if (!number_parse_u64(call->argv[2], &elements)) {
        call_error(call, "ERR argument must be a number of elements");
        return;
    }
    RELAXED_STORE(&call->server->aside_from, elements != 0 ? elements : ASIDE_ELEMENTS);
    reply_ok(call->reply);
}

static void debug_error(struct call *call)
{
    struct bytes text = {0};
    bytes_append(&text, call->argv[2].data, call->argv[2].len);
    call_error(call, bytes_str(&text));
    bytes_free(&text);
}

static void debug_log(struct call *call)
{
    LOG_WARNING("DEBUG LOG: %.*s", (int)MIN_OF(call->argv[2].len, 1000), call->argv[2].data);
    reply_ok(call->reply);
}

static void debug_change_repl_id(struct call *call)
{
    struct settings *settings = call->server->settings;
    char id[41] = "";
    rand_hex(id, 40);
    lock_take(&settings->lock);
    memcpy(call->server->repl_id, id, sizeof id);
    lock_drop(&settings->lock);
    LOG_NOTICE("Changing replication IDs after receiving change-repl-id");
    reply_ok(call->reply);
}

/* A string of so many 'a' against a pattern: how long matching takes. */
static void debug_stringmatch_len(struct call *call)
{
    int64_t len;
    if (!call_i64_range(call, 2, 0, 1 << 30, &len, NULL))
        return;
    char *text = mem_try_alloc((size_t)len + 1);
    if (text == NULL) {
        call_error(call, "ERR no memory for a string of this length");
        return;
    }
    memset(text, 'a', (size_t)len);
    reply_int(call->reply, glob_match(call->argv[3], slice_of(text, (size_t)len)));
    mem_free(text);
}

/* ---- keys ---- */

/* The nodes of a list: how many, how full, whether any may be compressed, and their bytes if none
 * were. */
static void append_nodes(const struct call *call, const struct chunks *chunks, struct bytes *text)
{
    size_t bytes = 0;
    for (const struct chunk *chunk = chunks->first; chunk != NULL; chunk = chunk->next)
        bytes += chunk->bytes;
    bytes_printf(text,
                 " ql_nodes:%zu ql_avg_node:%.2f ql_listpack_max:%lld ql_compressed:%d "
                 "ql_uncompressed_size:%zu",
                 (size_t)chunks->chunk_count, (double)chunks->count / (double)chunks->chunk_count,
                 (long long)RELAXED_LOAD(&call->server->settings->list_max_listpack_size),
                 chunks->depth != 0, bytes);
}

static void debug_object(struct call *call)
{
    struct key key = call_key(call, 2);
    hold_take(&call->hold, shard_bit(key.hash));
    const struct entry *entry = keyspace_find(&call->hold, &key, FIND_PEEK);
    if (entry == NULL) {
        call_error(call, "ERR no such key");
    } else {
        struct bytes saved = {0}, text = {0};
        rdb_value_append(entry, RELAXED_LOAD(&call->server->settings->rdbcompression), &saved);
        bytes_printf(&text,
                     "Value at:%p refcount:1 encoding:%s serializedlength:%zu lru:%u "
                     "lru_seconds_idle:%llu",
                     (const void *)entry, value_encoding_name(entry_encoding(entry)), saved.len,
                     entry_clock(entry), (unsigned long long)keyspace_idle_s(&call->hold, entry));
        if (entry_encoding(entry) == ENCODING_QUICKLIST)
            append_nodes(call, entry_pointer(entry), &text);
        reply_simple(call->reply, bytes_str(&text));
        bytes_free(&saved);
        bytes_free(&text);
    }
    hold_drop(&call->hold);
}

static void debug_htstats(struct call *call)
{
    struct bytes text = {0};
    int64_t db;
    if (!call_i64(call, 2, &db, NULL))
        return;
    if (db < 0 || db >= keyspace_options(call->server->keyspace)->databases) {
        call_error(call, "ERR Out of range database");
        return;
    }
    keyspace_table_stats(&call->hold, (uint32_t)db, &text);
    reply_verbatim(call->reply, "txt", bytes_slice(&text));
    bytes_free(&text);
}

/* The members of a value that has a table of them, or NULL. */
static const struct members *members_of(const struct entry *entry)
{
    if (entry_type(entry) == TYPE_STRING)
        return NULL;
    struct value value = entry_value(entry);
    if (value.encoding == ENCODING_SKIPLIST)
        return ((const struct zset *)value.pointer)->members;
    return value.encoding == ENCODING_HASHTABLE ? value.pointer : NULL;
}

static void debug_htstats_key(struct call *call)
{
    struct key key = call_key(call, 2);
    struct bytes text = {0};
    hold_take(&call->hold, shard_bit(key.hash));
    const struct entry *entry = keyspace_find(&call->hold, &key, FIND_PEEK);
    const struct members *members = entry != NULL ? members_of(entry) : NULL;
    if (members != NULL)
        members_table_stats(members, &text);
    hold_drop(&call->hold);
    if (members != NULL)
        reply_verbatim(call->reply, "txt", bytes_slice(&text));
    else
        call_error(call, entry != NULL
                             ? "ERR The value stored at the specified key is not represented using "
                               "an hash table"
                             : "ERR no such key");
    bytes_free(&text);
}

/* Creates "<prefix>:<i>" unless it is there, with "value:<i>" cut or filled with zeros to
 * `size`. */
static void populate_one(struct call *call, struct bytes *name, struct bytes *value, int64_t i,
                         int64_t size)
{
    bytes_printf(value, "value:%lld", (long long)i);
    if (size > 0 && value->len < (size_t)size) {
        size_t more = (size_t)size - value->len;
        bytes_reserve(value, more);
        memset(value->data + value->len, 0, more);
    }
    if (size > 0)
        value->len = (size_t)size;
    struct key key = call_key_in(call, bytes_slice(name), call->db);
    hold_take(&call->hold, shard_bit(key.hash));
    if (keyspace_find(&call->hold, &key, FIND_PEEK) == NULL)
        keyspace_put_string(&call->hold, &key, NULL, bytes_slice(value), EXPIRE_NONE);
    hold_drop(&call->hold);
}

static void debug_populate(struct call *call)
{
    static const char *const negative = "ERR value is out of range, must be positive";
    struct bytes name = {0}, value = {0};
    int64_t count, size = 0;
    struct slice prefix = call->argc > 3 ? call->argv[3] : SLICE("key");
    if (!call_i64_range(call, 2, 0, INT64_MAX, &count, negative))
        return;
    if (call->argc > 4 && !call_i64_range(call, 4, 0, 512 << 20, &size, negative))
        return;
    for (int64_t i = 0; i < count; i++) {
        name.len = value.len = 0;
        bytes_append(&name, prefix.data, prefix.len);
        bytes_printf(&name, ":%lld", (long long)i);
        populate_one(call, &name, &value, i, size);
    }
    bytes_free(&name);
    bytes_free(&value);
    reply_ok(call->reply);
}

/* ---- PROTOCOL ---- */

static void protocol_null(struct call *call)
{
    reply_null(call->reply);
}

static void protocol_string(struct call *call)
{
    reply_bulk_str(call->reply, "Hello World");
}

static void protocol_integer(struct call *call)
{
    reply_int(call->reply, 12345);
}

static void protocol_double(struct call *call)
{
    reply_double(call->reply, 3.141);
}

static void protocol_bignum(struct call *call)
{
    reply_big_number(call->reply, SLICE("1234567999999999999999999999999999999"));
}

static void protocol_array(struct call *call)
{
    reply_array(call->reply, 3);
    for (int i = 0; i < 3; i++)
        reply_int(call->reply, i);
}

static void protocol_set(struct call *call)
{
    reply_set(call->reply, 3);
    for (int i = 0; i < 3; i++)
        reply_int(call->reply, i);
}

static void protocol_map(struct call *call)
{
    reply_map(call->reply, 3);
    for (int i = 0; i < 3; i++) {
        reply_int(call->reply, i);
        reply_bool(call->reply, i == 1);
    }
}

static void protocol_attribute(struct call *call)
{
    if (call->reply->resp3) {
        reply_attribute(call->reply, 1);
        reply_bulk_str(call->reply, "key-popularity");
        reply_array(call->reply, 2);
        reply_bulk_str(call->reply, "key:123");
        reply_int(call->reply, 90);
    }
    reply_bulk_str(call->reply, "Some real reply following the attribute");
}

static void protocol_push(struct call *call)
{
    if (!call->reply->resp3) {
        call_error(call, "ERR RESP2 is not supported by this command");
        return;
    }
    reply_push(call->reply, 2);
    reply_bulk_str(call->reply, "server-cpu-usage");
    reply_int(call->reply, 42);
    reply_bulk_str(call->reply, "Some real reply following the push reply");
}

static void protocol_verbatim(struct call *call)
{
    reply_verbatim(call->reply, "txt", SLICE("This is a verbatim\nstring"));
}

static void protocol_true(struct call *call)
{
    reply_bool(call->reply, true);
}

static void protocol_false(struct call *call)
{
    reply_bool(call->reply, false);
}

static void debug_protocol(struct call *call)
{
    static const struct {
        const char *name;
        void (*reply)(struct call *call);
    } types[] = {{"string", protocol_string},     {"integer", protocol_integer},
                 {"double", protocol_double},     {"bignum", protocol_bignum},
                 {"null", protocol_null},         {"array", protocol_array},
                 {"set", protocol_set},           {"map", protocol_map},
                 {"attrib", protocol_attribute},  {"push", protocol_push},
                 {"verbatim", protocol_verbatim}, {"true", protocol_true},
                 {"false", protocol_false}};
    for (size_t i = 0; i < COUNT_OF(types); i++) {
        if (slice_is(call->argv[2], types[i].name)) {
            types[i].reply(call);
            return;
        }
    }
    call_error(call,
               "ERR Wrong protocol type name. Please use one of the following: "
               "string|integer|double|bignum|null|array|set|map|attrib|push|verbatim|true|false");
}

/* ---- which ---- */

static void debug_help(struct call *call)
{
    static const char *const lines[] = {
        "ASIDE-THRESHOLD <elements>",
        "    Commands on so many elements and more run on a thread of their own. 0: the default.",
        "CHANGE-REPL-ID",
        "    Give the data set's history a new id.",
        "DIGEST",
        "    40 hexadecimal digits, the same for the same data.",
        "DIGEST-VALUE <key> [<key> ...]",
        "    The same for single values.",
        "ERROR <string>",
        "    Reply with this error.",
        "HTSTATS <dbid>",
        "    How full the tables of a database are.",
        "HTSTATS-KEY <key>",
        "    The same for a value that is a table.",
        "LOADAOF",
        "    Write the log to its end, drop the data set, load it from the log.",
        "LOG <message>",
        "    Write to the server's log.",
        "OBJECT <key>",
        "    How a value is kept.",
        "POPULATE <count> [<prefix>] [<size>]",
        "    Create keys <prefix>:<number>, key:<number> by default, that are not there. Not "
        "logged.",
        "PROTOCOL <type>",
        "    Reply with a value of a type: string, integer, double, bignum, null, array, set, map,",
        "    attrib, push, verbatim, true, false.",
        "QUICKLIST-PACKED-THRESHOLD <size>",
        "    Size of an element from which on a list keeps it in a node of its own. 0, the "
        "default: larger than nodes may grow.",
        "RELOAD [NOSAVE] [NOFLUSH] [MERGE]",
        "    Save the data set, drop it, load it. NOSAVE loads the dump file that is there, "
        "NOFLUSH",
        "    loads on top of what is there.",
        "SET-ACTIVE-EXPIRE (0|1)",
        "    Whether keys that nobody asks for are removed when their time is over.",
        "SLEEP <seconds>",
        "    Run no commands on keys for so long. Decimals are allowed.",
        "STRINGMATCH-LEN <length> <pattern>",
        "    Match a string of so many 'a' against a pattern.",
        NULL};
    reply_help(call->reply, "DEBUG", lines);
}

static const struct {
    const char *name;
    uint32_t min, max; /* arguments, DEBUG and the name counted */
    void (*run)(struct call *call);
} subcommands[] = {{"aside-threshold", 3, 3, debug_aside_threshold},
                   {"change-repl-id", 2, 2, debug_change_repl_id},
                   {"digest", 2, 2, debug_digest},
                   {"digest-value", 2, UINT32_MAX, debug_digest_value},
                   {"error", 3, 3, debug_error},
                   {"help", 2, 2, debug_help},
                   {"htstats", 3, 3, debug_htstats},
                   {"htstats-key", 3, 3, debug_htstats_key},
                   {"loadaof", 2, 2, debug_loadaof},
                   {"log", 3, 3, debug_log},
                   {"object", 3, 3, debug_object},
                   {"populate", 3, 5, debug_populate},
                   {"protocol", 3, 3, debug_protocol},
                   {"quicklist-packed-threshold", 3, 3, debug_quicklist_packed_threshold},
                   {"reload", 2, UINT32_MAX, debug_reload},
                   {"set-active-expire", 3, 3, debug_set_active_expire},
                   {"sleep", 3, 3, debug_sleep},
                   {"stringmatch-len", 4, 4, debug_stringmatch_len}};

static void debug_command(struct call *call)
{
    for (size_t i = 0; i < COUNT_OF(subcommands); i++) {
        if (slice_is(call->argv[1], subcommands[i].name) && call->argc >= subcommands[i].min &&
            call->argc <= subcommands[i].max) {
            subcommands[i].run(call);
            return;
        }
    }
    wrong_arguments(call);
}

const struct command debug_commands[] = {
    {
        .name = "debug",
        .run = debug_command,
        .arity = -2,
        .flags = CMD_SYSCMD | CMD_ADMIN | CMD_NOSCRIPT | CMD_LOADING | CMD_STALE | CMD_NO_HOLD,
        .group = GROUP_SERVER,
        .since = "1.0.0",
        .summary = "Commands for tests.",
        .complexity = "Depends on the subcommand.",
    },
    {.name = NULL}};
