/* generic_value.c - commands on values whatever their type: COPY, DUMP, RESTORE, OBJECT.
 *
 * Strings know how to be copied: their bytes are, or their blob is shared. Other values leave that
 * to their class.
 */
#include "commands/generic.h"

#include "base/mem.h"
#include "base/number.h"
#include "commands/plain.h"
#include "engine/aside.h"
#include "engine/settings.h"
#include "persist/dump.h"

static bool policy_is_lfu(const struct call *call)
{
    return RELAXED_LOAD(&call->server->settings->maxmemory_policy) & MAXMEMORY_LFU;
}

/* ---- COPY ---- */

static bool read_copy_options(struct call *call, uint32_t *db, bool *replace)
{
    *db = call->db;
    *replace = false;
    for (uint32_t i = 3; i < call->argc; i++) {
        if (slice_is(call->argv[i], "replace")) {
            *replace = true;
        } else if (slice_is(call->argv[i], "db") && i + 1 < call->argc) {
            if (!generic_read_db(call, ++i, db))
                return false;
        } else {
            call_syntax_error(call);
            return false;
        }
    }
    return true;
}

static void copy_string(struct call *call, const struct entry *from, const struct key *to,
                        struct entry *old)
{
    struct slice value = entry_string(from);
    int64_t expire_ms = entry_expire_ms(from);
    if (from->flags & ENTRY_OUTLINE && value.len > ENTRY_INLINE_MAX)
        keyspace_put_blob(&call->hold, to, old, blob_share(entry_pointer(from)), expire_ms);
    else
        keyspace_put_string_as(&call->hold, to, old, value, expire_ms, entry_encoding(from));
}

/* Finds both again, as others may have come in between. False: nothing is copied after all. */
static bool copy_other(struct call *call, const struct entry *from, const struct key *from_key,
                       const struct key *to, bool replace)
{
    struct value value = entry_value(from);
    call_let_go(call, &value, 1);
    struct value copy = value_copy(value);
    struct entry *old = NULL;
    bool there = call_take_back(call) &&
                 (from = keyspace_find(&call->hold, from_key, FIND_PEEK)) != NULL &&
                 ((old = keyspace_find(&call->hold, to, FIND_PEEK)) == NULL || replace);
    if (there)
        keyspace_put_value(&call->hold, to, old, copy, entry_expire_ms(from));
    else
        value_free(copy);
    return there;
}

#define BYTES_AS_ELEMENT 64 /* so many bytes are as much work as an element, about */
#define MEMORY_SAMPLES   5

/* How much work it is to read all of a value, in elements. */
static uint64_t weight_of(const struct entry *entry)
{
    if (entry_type(entry) == TYPE_STRING)
        return 0;
    return value_memory(entry_value(entry), MEMORY_SAMPLES) / BYTES_AS_ELEMENT;
}

void generic_copy(struct call *call)
{
    struct key from = call_key(call, 1), to = call_key(call, 2);
    bool replace;
    if (!read_copy_options(call, &to.db, &replace))
        return;
    if (from.db == to.db && slice_eq(from.name, to.name)) {
        call_error(call, "ERR source and destination objects are the same");
        return;
    }
    struct entry *entry = keyspace_find(&call->hold, &from, FIND_READ);
    struct entry *old = entry ? keyspace_find(&call->hold, &to, FIND_WRITE) : NULL;
    bool go_on = entry && (!old || replace);
    if (go_on) {
        if (call_aside(call, weight_of(entry)))
            return;
        if (entry_type(entry) == TYPE_STRING)
            copy_string(call, entry, &to, old);
        else
            go_on = copy_other(call, entry, &from, &to, replace);
    }
    if (call->blocked)
        return;
    if (go_on) {
        call_changed(call, 1);
        call_notify(call, 'g', "copy_to", &to);
    }
    reply_int(call->reply, go_on);
}

/* ---- DUMP and RESTORE ---- */

void generic_dump(struct call *call)
{
    struct key key = call_first_key(call);
    const struct entry *entry = keyspace_find(&call->hold, &key, FIND_READ);
    if (entry == NULL) {
        reply_null(call->reply);
        return;
    }
    bool compress = RELAXED_LOAD(&call->server->settings->rdbcompression);
    struct bytes payload = {0};
    if (call_aside(call, weight_of(entry)))
        return;
    if (entry_type(entry) == TYPE_STRING) {
        dump_append(entry, compress, &payload);
    } else {
        struct value value = entry_value(entry);
        call_let_go(call, &value, 1);
        dump_append_value(value, compress, &payload);
    }
    reply_bulk_reference(call->reply, bytes_slice(&payload), mem_free, payload.data);
}

struct restore_options {
    bool replace, absolute;
    uint32_t idle_at, frequency_at; /* their arguments, 0 without */
    int64_t idle_s, frequency;
    int64_t expire_ms; /* EXPIRE_NONE: none */
};

static bool read_idle(struct call *call, uint32_t at, struct restore_options *out)
{
    if (!call_i64(call, at, &out->idle_s, NULL))
        return false;
    out->idle_at = at;
    if (out->idle_s < 0)
        call_error(call, "ERR Invalid IDLETIME value, must be >= 0");
    return out->idle_s >= 0;
}

static bool read_frequency(struct call *call, uint32_t at, struct restore_options *out)
{
    if (!call_i64(call, at, &out->frequency, NULL))
        return false;
    out->frequency_at = at;
    bool valid = out->frequency >= 0 && out->frequency <= 255;
    if (!valid)
        call_error(call, "ERR Invalid FREQ value, must be >= 0 and <= 255");
    return valid;
}

static bool read_restore_options(struct call *call, struct restore_options *out)
{
    *out = (struct restore_options){.expire_ms = EXPIRE_NONE};
    for (uint32_t i = 4; i < call->argc; i++) {
        struct slice word = call->argv[i];
        bool more = i + 1 < call->argc;
        if (slice_is(word, "replace")) {
            out->replace = true;
        } else if (slice_is(word, "absttl")) {
            out->absolute = true;
        } else if (more && !out->frequency_at && slice_is(word, "idletime")) {
            if (!read_idle(call, ++i, out))
                return false;
        } else if (more && !out->idle_at && slice_is(word, "freq")) {
            if (!read_frequency(call, ++i, out))
                return false;
        } else {
            call_syntax_error(call);
            return false;
        }
    }
    return true;
}

/* A time to live beyond the end of time wraps around, as in Redis: it is one of the past. */
static bool read_restore_time(struct call *call, struct restore_options *out)
{
    int64_t ttl;
    if (!call_i64(call, 2, &ttl, NULL))
        return false;
    if (ttl < 0) {
        call_error(call, "ERR Invalid TTL value, must be >= 0");
        return false;
    }
    int64_t base_ms = out->absolute ? 0 : call->hold.now_ms;
    if (ttl > 0)
        out->expire_ms = (int64_t)((uint64_t)ttl + (uint64_t)base_ms);
    return true;
}

/* A time to live is logged as an absolute one. */
static void restore_effect(struct call *call, const struct restore_options *options)
{
    char digits[NUMBER_TEXT_MAX];
    struct slice argv[8] = {SLICE("RESTORE"), call->argv[1],
                            slice_of(digits, number_print_i64(digits, options->expire_ms)),
                            call->argv[3]};
    uint32_t argc = 4;
    if (options->replace)
        argv[argc++] = SLICE("REPLACE");
    argv[argc++] = SLICE("ABSTTL");
    if (options->idle_at) {
        argv[argc++] = SLICE("IDLETIME");
        argv[argc++] = call->argv[options->idle_at];
    } else if (options->frequency_at) {
        argv[argc++] = SLICE("FREQ");
        argv[argc++] = call->argv[options->frequency_at];
    }
    call_effect(call, argc, argv);
}

static void restore_put(struct call *call, const struct key *key, struct entry *old,
                        struct dump_value *value, const struct restore_options *options)
{
    struct entry *entry = dump_put(&call->hold, key, old, value, options->expire_ms);
    if (options->idle_at && !policy_is_lfu(call))
        keyspace_set_idle(&call->hold, entry, (uint64_t)options->idle_s);
    else if (options->frequency_at && policy_is_lfu(call))
        keyspace_set_frequency(&call->hold, entry, (uint8_t)options->frequency);
    call_changed(call, 1);
    if (options->expire_ms != EXPIRE_NONE && !options->absolute)
        restore_effect(call, options);
    call_notify(call, 'g', "restore", key);
}

/* The value in the payload; false after replying what is wrong with it. */
static bool read_payload(struct call *call, struct dump_value *value)
{
    const struct value_limits *limits = &keyspace_options(call->server->keyspace)->limits;
    enum dump_result result = RELAXED_LOAD(&call->server->settings->rdb_version_check_relaxed)
                                  ? dump_parse_any(call->argv[3], limits, value)
                                  : dump_parse(call->argv[3], limits, value);
    if (result == DUMP_BAD_CHECKSUM)
        call_error(call, "ERR DUMP payload version or checksum are wrong");
    else if (result != DUMP_OK)
        call_error(call, "ERR Bad data format");
    return result == DUMP_OK;
}

void generic_restore(struct call *call)
{
    struct restore_options options;
    struct dump_value value;
    if (!read_restore_options(call, &options))
        return;
    struct key key = call_first_key(call);
    struct entry *old = keyspace_find(&call->hold, &key, FIND_WRITE);
    if (old && !options.replace) {
        call_error(call, "BUSYKEY Target key name already exists.");
        return;
    }
    if (!read_restore_time(call, &options) ||
        call_aside(call, call->argv[3].len / BYTES_AS_ELEMENT))
        return;
    call_let_go(call, NULL, 0);
    if (!read_payload(call, &value))
        return;
    if (!call_take_back(call)) {
        dump_value_free(&value);
        return;
    }
    old = keyspace_find(&call->hold, &key, FIND_WRITE);
    if (old && !options.replace) {
        dump_value_free(&value);
        call_error(call, "BUSYKEY Target key name already exists.");
        return;
    }
    if (options.expire_ms != EXPIRE_NONE && plain_is_past(call, options.expire_ms)) {
        dump_value_free(&value);
        if (old)
            plain_remove(call, &key, old,
                         RELAXED_LOAD(&call->server->settings->lazyfree_lazy_server_del));
    } else {
        restore_put(call, &key, old, &value, &options);
    }
    reply_ok(call->reply);
}

/* ---- OBJECT ---- */

/* The entry of the key behind the subcommand; NULL after replying null. */
static const struct entry *object_entry(struct call *call)
{
    struct key key = call_key(call, 2);
    const struct entry *entry = keyspace_find(&call->hold, &key, FIND_COUNT);
    if (entry == NULL)
        reply_null(call->reply);
    return entry;
}

static void object_encoding(struct call *call)
{
    const struct entry *entry = object_entry(call);
    if (entry)
        reply_bulk_str(call->reply, value_encoding_name(entry_encoding(entry)));
}

static void object_refcount(struct call *call)
{
    if (object_entry(call))
        reply_int(call->reply, 1);
}

static void object_idletime(struct call *call)
{
    const struct entry *entry = object_entry(call);
    if (entry && policy_is_lfu(call))
        call_error(call, "ERR An LFU maxmemory policy is selected, idle time not tracked. Please "
                         "note that when switching between policies at runtime LRU and LFU data "
                         "will take some time to adjust.");
    else if (entry)
        reply_int(call->reply, (int64_t)keyspace_idle_s(&call->hold, entry));
}

static void object_freq(struct call *call)
{
    const struct entry *entry = object_entry(call);
    if (entry && !policy_is_lfu(call))
        call_error(call, "ERR An LFU maxmemory policy is not selected, access frequency not "
                         "tracked. Please note that when switching between policies at runtime "
                         "LRU and LFU data will take some time to adjust.");
    else if (entry)
        reply_int(call->reply, keyspace_frequency(&call->hold, entry));
}

static void object_help(struct call *call)
{
    static const char *const lines[] = {
        "ENCODING <key>",
        "    Answers how the value is kept in memory (int, embstr, raw, listpack ...).",
        "FREQ <key>",
        "    Answers the logarithmic counter of accesses to the key, with an LFU policy.",
        "IDLETIME <key>",
        "    Answers the seconds since the key was last read or written, unless with an LFU "
        "policy.",
        "REFCOUNT <key>",
        "    Answers how many users the value has, which is always 1.",
        NULL};
    reply_help(call->reply, "OBJECT", lines);
}

static const char *const object_tips[] = {"nondeterministic_output", NULL};

#define IN_FAMILY .acl = ACL_KEYSPACE, .group = GROUP_GENERIC
#define LOOKS_AT_KEY                                                                               \
    .arity = 3, .flags = CMD_READONLY, .keys = KEYS_SECOND(KEY_RO), .tips = object_tips,           \
    .complexity = "O(1)", IN_FAMILY

const struct command generic_object_commands[] = {
    {.name = "encoding",
     .run = object_encoding,
     .usage = "key#0",
     .since = "2.2.3",
     .summary = "Answers how the value of a key is kept in memory.",
     LOOKS_AT_KEY},
    {.name = "freq",
     .run = object_freq,
     .usage = "key#0",
     .since = "4.0.0",
     .summary = "Answers the counter of accesses to a key.",
     LOOKS_AT_KEY},
    {.name = "help",
     .run = object_help,
     .arity = 2,
     .flags = CMD_LOADING | CMD_STALE,
     .since = "6.2.0",
     .summary = "Answers what the subcommands of OBJECT do.",
     .complexity = "O(1)",
     IN_FAMILY},
    {.name = "idletime",
     .run = object_idletime,
     .usage = "key#0",
     .since = "2.2.3",
     .summary = "Answers for how long a key was not used.",
     LOOKS_AT_KEY},
    {.name = "refcount",
     .run = object_refcount,
     .usage = "key#0",
     .since = "2.2.3",
     .summary = "Answers how many users the value of a key has.",
     LOOKS_AT_KEY},
    {.name = NULL}};
