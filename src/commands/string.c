/* string.c - commands on strings: SET and its relatives, counters, ranges, several keys at once.
 *
 * A handler finds the entry once and hands it to the keyspace together with the new bytes, which
 * are copied once, from the read buffer into place. After a change the entry is not looked at
 * again.
 */
#include "commands/commands.h"
#include "commands/plain.h"
#include "commands/string.h"

#include "base/hash.h"
#include "engine/settings.h"

enum string_option {
    OPT_NX = 1 << 0,
    OPT_XX = 1 << 1,
    OPT_IFEQ = 1 << 2,
    OPT_IFNE = 1 << 3,
    OPT_IFDEQ = 1 << 4,
    OPT_IFDNE = 1 << 5,
    OPT_GET = 1 << 6,
    OPT_EX = 1 << 7,
    OPT_PX = 1 << 8,
    OPT_EXAT = 1 << 9,
    OPT_PXAT = 1 << 10,
    OPT_KEEPTTL = 1 << 11,
    OPT_PERSIST = 1 << 12,

    OPT_COMPARES = OPT_IFEQ | OPT_IFNE | OPT_IFDEQ | OPT_IFDNE,
    OPT_CONDITIONS = OPT_NX | OPT_XX | OPT_COMPARES,
    OPT_TIMES = OPT_EX | OPT_PX | OPT_EXAT | OPT_PXAT,
    OPT_EXPIRY = OPT_TIMES | OPT_KEEPTTL | OPT_PERSIST
};

#define DIGEST_DIGITS 16 /* of the 64-bit XXH3 in hex */

struct string_options {
    unsigned flags;      /* enum string_option */
    uint32_t expiry_at;  /* argument of the time, with OPT_TIMES */
    uint32_t compare_at; /* argument to compare with, with OPT_COMPARES */
    int64_t expire_ms;   /* what read_times made of it, else EXPIRE_NONE */
};

static const struct option_word {
    const char *word;
    unsigned flag;
    unsigned group; /* at most one of these */
    bool argument;
} option_words[] = {
    {"ex", OPT_EX, OPT_EXPIRY, true},
    {"px", OPT_PX, OPT_EXPIRY, true},
    {"nx", OPT_NX, OPT_CONDITIONS, false},
    {"xx", OPT_XX, OPT_CONDITIONS, false},
    {"get", OPT_GET, OPT_GET, false},
    {"keepttl", OPT_KEEPTTL, OPT_EXPIRY, false},
    {"exat", OPT_EXAT, OPT_EXPIRY, true},
    {"pxat", OPT_PXAT, OPT_EXPIRY, true},
    {"persist", OPT_PERSIST, OPT_EXPIRY, false},
    {"ifeq", OPT_IFEQ, OPT_CONDITIONS, true},
    {"ifne", OPT_IFNE, OPT_CONDITIONS, true},
    {"ifdeq", OPT_IFDEQ, OPT_CONDITIONS, true},
    {"ifdne", OPT_IFDNE, OPT_CONDITIONS, true},
};

static const struct option_word *find_option(struct slice word, unsigned allowed)
{
    for (size_t i = 0; i < COUNT_OF(option_words); i++)
        if (option_words[i].flag & allowed && slice_is(word, option_words[i].word))
            return &option_words[i];
    return NULL;
}

/* Reads the options from argument `from` on; false after replying a syntax error. The same option
 * may be given again (the last one counts), another one of its group may not. */
static bool read_options(struct call *call, uint32_t from, unsigned allowed,
                         struct string_options *out)
{
    *out = (struct string_options){.expire_ms = EXPIRE_NONE};
    for (uint32_t i = from; i < call->argc; i++) {
        const struct option_word *option = find_option(call->argv[i], allowed);
        if (option == NULL || out->flags & option->group & ~option->flag ||
            (option->argument && i + 1 == call->argc)) {
            call_syntax_error(call);
            return false;
        }
        out->flags |= option->flag;
        if (option->argument) {
            i++;
            *(option->flag & OPT_TIMES ? &out->expiry_at : &out->compare_at) = i;
        }
    }
    return true;
}

static bool read_times(struct call *call, struct string_options *options)
{
    unsigned flags = options->flags;
    if (!(flags & OPT_TIMES))
        return true;
    return plain_read_expiry(call, options->expiry_at, flags & (OPT_EX | OPT_EXAT),
                             flags & (OPT_EXAT | OPT_PXAT), &options->expire_ms);
}

static bool is_string(const struct entry *entry)
{
    return entry_type(entry) == TYPE_STRING;
}

static uint64_t digest_of(struct slice value)
{
    return hash_bytes(value.data, value.len, 0);
}

/* Hex digits of either case; false if it is no digest. */
static bool parse_digest(struct slice text, uint64_t *out)
{
    *out = 0;
    for (size_t i = 0; i < text.len; i++) {
        int c = (unsigned char)text.data[i];
        int digit = c >= '0' && c <= '9' ? c - '0' : (c | 32) - 'a' + 10;
        if (digit < 0 || digit > 15 || (c > '9' && digit < 10))
            return false;
        *out = *out << 4 | (unsigned)digit;
    }
    return text.len == DIGEST_DIGITS;
}

/* Replies an error if the argument to compare with cannot be a digest. */
static bool check_digest(struct call *call, const struct string_options *options)
{
    uint64_t digest;
    if (!(options->flags & (OPT_IFDEQ | OPT_IFDNE)) ||
        parse_digest(call->argv[options->compare_at], &digest))
        return true;
    call_errorf(call, "ERR digest must be exactly %d hexadecimal characters", DIGEST_DIGITS);
    return false;
}

/* Whether the string satisfies the IF option. */
static bool compare_holds(const struct call *call, const struct string_options *options,
                          struct slice value)
{
    struct slice with = call->argv[options->compare_at];
    if (options->flags & (OPT_IFEQ | OPT_IFNE))
        return slice_eq(value, with) == !!(options->flags & OPT_IFEQ);
    uint64_t digest = 0;
    parse_digest(with, &digest);
    return (digest_of(value) == digest) == !!(options->flags & OPT_IFDEQ);
}

/* ---- SET and its relatives ---- */

/* Whether the condition lets SET go on. An absent key satisfies NX and the negative comparisons. */
static bool set_condition_holds(const struct call *call, const struct string_options *options,
                                const struct entry *entry)
{
    if (entry == NULL)
        return !(options->flags & (OPT_XX | OPT_IFEQ | OPT_IFDEQ));
    if (options->flags & OPT_COMPARES)
        return compare_holds(call, options, entry_string(entry));
    return !(options->flags & OPT_NX);
}

/* Puts the string and tells everyone. With a time in the past the key goes instead. */
static void store(struct call *call, const struct key *key, struct entry *entry, struct slice value,
                  int64_t expire_ms, bool new_expiry)
{
    if (new_expiry && plain_is_past(call, expire_ms)) {
        if (entry)
            plain_remove(call, key, entry,
                         RELAXED_LOAD(&call->server->settings->lazyfree_lazy_expire));
        return;
    }
    keyspace_put_string(&call->hold, key, entry, value, expire_ms);
    call_changed(call, 1);
    call_notify(call, '$', "set", key);
    if (new_expiry) {
        plain_effect_set(call, key->name, value, expire_ms, false);
        call_notify(call, 'g', "expire", key);
    }
}

/* SET without GET, comparisons and times is logged as it was sent; the rest in words every server
   knows. */
static void set_effect(struct call *call, const struct string_options *options)
{
    if (options->flags & OPT_TIMES || !(options->flags & (OPT_GET | OPT_COMPARES)))
        return;
    struct slice argv[5] = {SLICE("SET"), call->argv[1], call->argv[2]};
    uint32_t argc = 3;
    if (options->flags & (OPT_NX | OPT_XX))
        argv[argc++] = options->flags & OPT_NX ? SLICE("NX") : SLICE("XX");
    if (options->flags & OPT_KEEPTTL)
        argv[argc++] = SLICE("KEEPTTL");
    call_effect(call, argc, argv);
}

static void set_with_options(struct call *call)
{
    struct string_options options;
    if (!read_options(call, 3, OPT_CONDITIONS | OPT_GET | OPT_TIMES | OPT_KEEPTTL, &options) ||
        !read_times(call, &options) || !check_digest(call, &options))
        return;
    bool get = options.flags & OPT_GET;
    struct key key = call_first_key(call);
    struct entry *entry = keyspace_find(&call->hold, &key, get ? FIND_READ : FIND_WRITE);
    if (entry && options.flags & (OPT_GET | OPT_COMPARES) && !is_string(entry)) {
        call_wrong_type(call);
        return;
    }
    bool go_on = set_condition_holds(call, &options, entry);
    if (get && entry)
        call_reply_string(call, entry);
    else if (get || !go_on)
        reply_null(call->reply);
    if (!go_on)
        return;
    if (options.flags & OPT_KEEPTTL && entry)
        options.expire_ms = entry_expire_ms(entry);
    store(call, &key, entry, call->argv[2], options.expire_ms, options.flags & OPT_TIMES);
    set_effect(call, &options);
    if (!get)
        reply_ok(call->reply);
}

static void set_command(struct call *call)
{
    if (UNLIKELY(call->argc > 3)) {
        set_with_options(call);
        return;
    }
    struct key key = call_first_key(call);
    struct entry *entry = keyspace_find(&call->hold, &key, FIND_WRITE);
    store(call, &key, entry, call->argv[2], EXPIRE_NONE, false);
    reply_ok(call->reply);
}

static void setnx_command(struct call *call)
{
    struct key key = call_first_key(call);
    struct entry *entry = keyspace_find(&call->hold, &key, FIND_WRITE);
    if (entry == NULL)
        store(call, &key, NULL, call->argv[2], EXPIRE_NONE, false);
    reply_int(call->reply, entry == NULL);
}

static void set_with_expiry(struct call *call, bool seconds)
{
    int64_t expire_ms;
    if (!plain_read_expiry(call, 2, seconds, false, &expire_ms))
        return;
    struct key key = call_first_key(call);
    struct entry *entry = keyspace_find(&call->hold, &key, FIND_WRITE);
    store(call, &key, entry, call->argv[3], expire_ms, true);
    reply_ok(call->reply);
}

static void setex_command(struct call *call)
{
    set_with_expiry(call, true);
}

static void psetex_command(struct call *call)
{
    set_with_expiry(call, false);
}

/* ---- GET and its relatives ---- */

/* Replies the string or null; false if it was an error. */
static bool get_and_reply(struct call *call, const struct key *key, struct entry **entry)
{
    if (!call_find_string(call, key, FIND_READ, entry))
        return false;
    if (*entry)
        call_reply_string(call, *entry);
    else
        reply_null(call->reply);
    return true;
}

static void get_command(struct call *call)
{
    struct key key = call_first_key(call);
    struct entry *entry;
    get_and_reply(call, &key, &entry);
}

static void getset_command(struct call *call)
{
    struct key key = call_first_key(call);
    struct entry *entry;
    if (!get_and_reply(call, &key, &entry))
        return;
    store(call, &key, entry, call->argv[2], EXPIRE_NONE, false);
    plain_effect_set(call, key.name, call->argv[2], EXPIRE_NONE, false);
}

static void getdel_command(struct call *call)
{
    struct key key = call_first_key(call);
    struct entry *entry;
    if (get_and_reply(call, &key, &entry) && entry)
        plain_remove(call, &key, entry,
                     RELAXED_LOAD(&call->server->settings->lazyfree_lazy_user_del));
}

/* What GETEX does to the expiry of the key it has replied. */
static void getex_change(struct call *call, const struct key *key, struct entry *entry,
                         const struct string_options *options)
{
    if (options->flags & OPT_TIMES) {
        if (plain_is_past(call, options->expire_ms)) {
            plain_remove(call, key, entry,
                         RELAXED_LOAD(&call->server->settings->lazyfree_lazy_expire));
            return;
        }
        keyspace_set_expire(&call->hold, key, entry, options->expire_ms);
        call_changed(call, 1);
        plain_effect_expire(call, key->name, options->expire_ms);
        call_notify(call, 'g', "expire", key);
    } else if (options->flags & OPT_PERSIST && entry_expires(entry)) {
        keyspace_set_expire(&call->hold, key, entry, EXPIRE_NONE);
        call_changed(call, 1);
        call_effect(call, 2, (struct slice[]){SLICE("PERSIST"), key->name});
        call_notify(call, 'g', "persist", key);
    }
}

static void getex_command(struct call *call)
{
    struct string_options options;
    if (!read_options(call, 2, OPT_TIMES | OPT_PERSIST, &options))
        return;
    struct key key = call_first_key(call);
    struct entry *entry;
    if (!call_find_string(call, &key, FIND_READ, &entry))
        return;
    if (entry == NULL) {
        reply_null(call->reply);
        return;
    }
    if (!read_times(call, &options))
        return;
    call_reply_string(call, entry);
    getex_change(call, &key, entry, &options);
}

static void strlen_command(struct call *call)
{
    struct key key = call_first_key(call);
    struct entry *entry;
    if (call_find_string(call, &key, FIND_READ, &entry))
        reply_int(call->reply, entry ? (int64_t)entry_string(entry).len : 0);
}

static void digest_command(struct call *call)
{
    struct key key = call_first_key(call);
    struct entry *entry;
    if (!call_find_string(call, &key, FIND_READ, &entry))
        return;
    if (entry)
        reply_bulkf(call->reply, "%016llx", (unsigned long long)digest_of(entry_string(entry)));
    else
        reply_null(call->reply);
}

/* ---- removing by value ---- */

static void delifeq_command(struct call *call)
{
    struct key key = call_first_key(call);
    struct entry *entry;
    if (!call_find_string(call, &key, FIND_WRITE, &entry))
        return;
    bool remove = entry && slice_eq(entry_string(entry), call->argv[2]);
    if (remove)
        plain_remove(call, &key, entry,
                     RELAXED_LOAD(&call->server->settings->lazyfree_lazy_user_del));
    reply_int(call->reply, remove);
}

static void delex_command(struct call *call)
{
    struct string_options options;
    if (call->argc != 2 && call->argc != 4) {
        call_wrong_arity(call);
        return;
    }
    if (!read_options(call, 2, OPT_COMPARES, &options) || !check_digest(call, &options))
        return;
    struct key key = call_first_key(call);
    struct entry *entry = keyspace_find(&call->hold, &key, FIND_WRITE);
    if (entry && options.flags && !is_string(entry)) {
        call_wrong_type(call);
        return;
    }
    bool remove = entry && (!options.flags || compare_holds(call, &options, entry_string(entry)));
    if (remove)
        plain_remove(call, &key, entry,
                     RELAXED_LOAD(&call->server->settings->lazyfree_lazy_user_del));
    reply_int(call->reply, remove);
}

/* ---- several keys at once ---- */

static void mget_command(struct call *call)
{
    reply_array(call->reply, call->key_count);
    for (uint32_t i = 0; i < call->key_count; i++) {
        struct key key = plain_key(call, i);
        struct entry *entry = keyspace_find(&call->hold, &key, FIND_READ);
        if (entry && is_string(entry))
            call_reply_string(call, entry);
        else
            reply_null(call->reply);
    }
}

/* Whether one of the declared keys is there (or, with `there` false, is not). */
static bool any_key(struct call *call, bool there)
{
    for (uint32_t i = 0; i < call->key_count; i++) {
        struct key key = plain_key(call, i);
        if ((keyspace_find(&call->hold, &key, FIND_WRITE) != NULL) == there)
            return true;
    }
    return false;
}

/* Sets every declared key to the argument behind it. A key may be named more than once. */
static void put_pairs(struct call *call)
{
    for (uint32_t i = 0; i < call->key_count; i++) {
        struct key key = plain_key(call, i);
        struct entry *entry = keyspace_find(&call->hold, &key, FIND_WRITE);
        store(call, &key, entry, call->argv[call->key_at[i] + 1], EXPIRE_NONE, false);
    }
}

static void mset_command(struct call *call)
{
    if (call->argc % 2 == 0) {
        call_wrong_arity(call);
        return;
    }
    put_pairs(call);
    reply_ok(call->reply);
}

static void msetnx_command(struct call *call)
{
    if (call->argc % 2 == 0) {
        call_wrong_arity(call);
        return;
    }
    bool free_names = !any_key(call, true);
    if (free_names)
        put_pairs(call);
    reply_int(call->reply, free_names);
}

/* Stores the pairs with one expiry for all; logged as one SET or DEL each. */
static void msetex_store(struct call *call, const struct string_options *options)
{
    bool new_expiry = options->flags & OPT_TIMES;
    for (uint32_t i = 0; i < call->key_count; i++) {
        struct key key = plain_key(call, i);
        struct slice value = call->argv[call->key_at[i] + 1];
        struct entry *entry = keyspace_find(&call->hold, &key, FIND_WRITE);
        int64_t expire_ms =
            options->flags & OPT_KEEPTTL && entry ? entry_expire_ms(entry) : options->expire_ms;
        store(call, &key, entry, value, expire_ms, new_expiry);
        if (!new_expiry)
            plain_effect_set(call, key.name, value, EXPIRE_NONE, options->flags & OPT_KEEPTTL);
    }
}

static void msetex_command(struct call *call)
{
    int64_t pairs;
    struct string_options options;
    if (!call_i64_range(call, 1, 1, INT32_MAX, &pairs, "ERR invalid numkeys value"))
        return;
    if (pairs > (call->argc - 2) / 2) {
        call_error(call, "ERR wrong number of key-value pairs");
        return;
    }
    if (!read_options(call, 2 + 2 * (uint32_t)pairs, OPT_NX | OPT_XX | OPT_TIMES | OPT_KEEPTTL,
                      &options) ||
        !read_times(call, &options))
        return;
    bool refused = (options.flags & OPT_NX && any_key(call, true)) ||
                   (options.flags & OPT_XX && any_key(call, false));
    if (!refused)
        msetex_store(call, &options);
    reply_int(call->reply, !refused);
}

/* ---- rows ---- */

#define IN_FAMILY .acl = ACL_STRING, .group = GROUP_STRING

static const char *const mget_tips[] = {"request_policy:multi_shard", NULL};
static const char *const mset_tips[] = {"request_policy:multi_shard",
                                        "response_policy:all_succeeded", NULL};
static const char *const msetnx_tips[] = {"request_policy:multi_shard", "response_policy:agg_min",
                                          NULL};

const struct command string_commands[] = {
    {.name = "append",
     .run = string_append,
     .arity = 3,
     .flags = CMD_WRITE | CMD_DENYOOM | CMD_FAST,
     .keys = KEYS_ONE(KEY_RW | KEY_INSERT),
     .usage = "key#0 value",
     .since = "2.0.0",
     .summary = "Adds bytes to the end of a string, which is created if it is absent.",
     .complexity = "O(1) amortised over a growing string",
     IN_FAMILY},
    {.name = "decr",
     .run = string_decr,
     .arity = 2,
     .flags = CMD_WRITE | CMD_DENYOOM | CMD_FAST,
     .keys = KEYS_ONE(KEY_RW | KEY_ACCESS | KEY_UPDATE),
     .usage = "key#0",
     .since = "1.0.0",
     .summary = "Subtracts one from a number; an absent key counts as 0.",
     .complexity = "O(1)",
     IN_FAMILY},
    {.name = "decrby",
     .run = string_decrby,
     .arity = 3,
     .flags = CMD_WRITE | CMD_DENYOOM | CMD_FAST,
     .keys = KEYS_ONE(KEY_RW | KEY_ACCESS | KEY_UPDATE),
     .usage = "key#0 decrement:integer",
     .since = "1.0.0",
     .summary = "Subtracts an integer from a number; an absent key counts as 0.",
     .complexity = "O(1)",
     IN_FAMILY},
    {.name = "delex",
     .run = delex_command,
     .arity = -2,
     .flags = CMD_WRITE | CMD_FAST | CMD_SHRINK,
     .keys = KEYS_ONE(KEY_RM | KEY_ACCESS | KEY_DELETE),
     .usage = "key#0 [condition(IFEQ ifeq-value | IFNE ifne-value | IFDEQ ifdeq-digest | "
              "IFDNE ifdne-digest)]",
     .since = "8.4.0",
     .summary =
         "Removes a key, if wanted only when its string or the digest of it compares as asked.",
     .complexity = "O(1), with a comparison O(N) with the length of the string",
     IN_FAMILY},
    {.name = "delifeq",
     .run = delifeq_command,
     .arity = 3,
     .flags = CMD_WRITE | CMD_FAST | CMD_SHRINK,
     .keys = KEYS_ONE(KEY_RM | KEY_ACCESS | KEY_DELETE),
     .usage = "key#0 value",
     .since = "9.0.0",
     .summary = "Removes a key if it holds exactly the given string.",
     .complexity = "O(N) with the length of the string",
     IN_FAMILY},
    {.name = "digest",
     .run = digest_command,
     .arity = 2,
     .flags = CMD_READONLY | CMD_FAST,
     .keys = KEYS_ONE(KEY_RO | KEY_ACCESS),
     .usage = "key#0",
     .since = "8.4.0",
     .summary = "Answers the XXH3 hash of a string in hex.",
     .complexity = "O(N) with the length of the string",
     IN_FAMILY},
    {.name = "get",
     .run = get_command,
     .arity = 2,
     .flags = CMD_READONLY | CMD_FAST,
     .keys = KEYS_ONE(KEY_RO | KEY_ACCESS),
     .usage = "key#0",
     .since = "1.0.0",
     .summary = "Answers the string under a key.",
     .complexity = "O(1)",
     IN_FAMILY},
    {.name = "getdel",
     .run = getdel_command,
     .arity = 2,
     .flags = CMD_WRITE | CMD_FAST | CMD_SHRINK,
     .keys = KEYS_ONE(KEY_RW | KEY_ACCESS | KEY_DELETE),
     .usage = "key#0",
     .since = "6.2.0",
     .summary = "Answers the string under a key and removes the key.",
     .complexity = "O(1)",
     IN_FAMILY},
    {.name = "getex",
     .run = getex_command,
     .arity = -2,
     .flags = CMD_WRITE | CMD_FAST | CMD_NEUTRAL,
     .keys = KEYS_ONE(KEY_RW | KEY_ACCESS | KEY_UPDATE),
     .usage = "key#0 [expiration(EX seconds:integer | PX milliseconds:integer | "
              "EXAT unix-time-seconds:unix-time | PXAT unix-time-milliseconds:unix-time | "
              "PERSIST)]",
     .since = "6.2.0",
     .summary = "Answers the string under a key and sets or removes its time to live.",
     .complexity = "O(1)",
     IN_FAMILY},
    {.name = "getrange",
     .run = string_getrange,
     .arity = 4,
     .flags = CMD_READONLY,
     .keys = KEYS_ONE(KEY_RO | KEY_ACCESS),
     .usage = "key#0 start:integer end:integer",
     .since = "2.4.0",
     .summary = "Answers a part of a string, by its first and last byte.",
     .complexity = "O(N) with the length of the answer",
     IN_FAMILY},
    {.name = "getset",
     .run = getset_command,
     .arity = 3,
     .flags = CMD_WRITE | CMD_DENYOOM | CMD_FAST,
     .keys = KEYS_ONE(KEY_RW | KEY_ACCESS | KEY_UPDATE),
     .usage = "key#0 value",
     .since = "1.0.0",
     .summary = "Sets a string and answers the one it replaces.",
     .complexity = "O(1)",
     .deprecated_since = "6.2.0",
     .replaced_by = "`SET` with the `!GET` argument",
     IN_FAMILY},
    {.name = "incr",
     .run = string_incr,
     .arity = 2,
     .flags = CMD_WRITE | CMD_DENYOOM | CMD_FAST,
     .keys = KEYS_ONE(KEY_RW | KEY_ACCESS | KEY_UPDATE),
     .usage = "key#0",
     .since = "1.0.0",
     .summary = "Adds one to a number; an absent key counts as 0.",
     .complexity = "O(1)",
     IN_FAMILY},
    {.name = "incrby",
     .run = string_incrby,
     .arity = 3,
     .flags = CMD_WRITE | CMD_DENYOOM | CMD_FAST,
     .keys = KEYS_ONE(KEY_RW | KEY_ACCESS | KEY_UPDATE),
     .usage = "key#0 increment:integer",
     .since = "1.0.0",
     .summary = "Adds an integer to a number; an absent key counts as 0.",
     .complexity = "O(1)",
     IN_FAMILY},
    {.name = "incrbyfloat",
     .run = string_incrbyfloat,
     .arity = 3,
     .flags = CMD_WRITE | CMD_DENYOOM | CMD_FAST,
     .keys = KEYS_ONE(KEY_RW | KEY_ACCESS | KEY_UPDATE),
     .usage = "key#0 increment:double",
     .since = "2.6.0",
     .summary = "Adds a decimal fraction to a number; an absent key counts as 0.",
     .complexity = "O(1)",
     IN_FAMILY},
    {.name = "increx",
     .run = string_increx,
     .arity = -2,
     .flags = CMD_WRITE | CMD_DENYOOM | CMD_FAST,
     .keys = KEYS_ONE(KEY_RW | KEY_ACCESS | KEY_UPDATE),
     .usage = "key#0 [increment(BYINT byint=increment:integer | "
              "BYFLOAT byfloat=increment:double)] [LBOUND lowerbound:double] "
              "[UBOUND upperbound:double] [SATURATE] "
              "[expiration(EX seconds:integer | PX milliseconds:integer | "
              "EXAT unix-time-seconds:unix-time | PXAT unix-time-milliseconds:unix-time | "
              "PERSIST)] [ENX]",
     .since = "8.8.0",
     .summary = "Adds to a number within bounds, and sets or removes its time to live.",
     .complexity = "O(1)",
     IN_FAMILY},
    {.name = "lcs",
     .run = string_lcs,
     .arity = -3,
     .flags = CMD_READONLY,
     .keys = {{.flags = KEY_RO | KEY_ACCESS, .begin = 1, .last = 1, .step = 1}},
     .usage = "key1#0 key2#0 [LEN] [IDX] [MINMATCHLEN min-match-len:integer] [WITHMATCHLEN]",
     .since = "7.0.0",
     .summary = "Answers the longest common subsequence of two strings.",
     .complexity = "O(N*M) with the lengths of the two strings",
     IN_FAMILY},
    {.name = "mget",
     .run = mget_command,
     .arity = -2,
     .flags = CMD_READONLY | CMD_FAST,
     .keys = KEYS_ALL(KEY_RO | KEY_ACCESS),
     .usage = "key#0...",
     .since = "1.0.0",
     .summary = "Answers the strings under several keys.",
     .complexity = "O(N) with the number of keys",
     .tips = mget_tips,
     IN_FAMILY},
    {.name = "mset",
     .run = mset_command,
     .arity = -3,
     .flags = CMD_WRITE | CMD_DENYOOM,
     .keys = KEYS_PAIRS(KEY_OW | KEY_UPDATE),
     .usage = "data(key#0 value)...",
     .since = "1.0.1",
     .summary = "Sets several keys to strings in one step.",
     .complexity = "O(N) with the number of keys",
     .tips = mset_tips,
     IN_FAMILY},
    {.name = "msetex",
     .run = msetex_command,
     .arity = -4,
     .flags = CMD_WRITE | CMD_DENYOOM | CMD_MOVABLEKEYS,
     .keys = {{.flags = KEY_OW | KEY_UPDATE,
               .begin = 1,
               .counted = true,
               .count_at = 0,
               .first = 1,
               .step = 2}},
     .usage = "numkeys:integer data(key#0 value)... [condition(NX | XX)] "
              "[expiration(EX seconds:integer | PX milliseconds:integer | "
              "EXAT unix-time-seconds:unix-time | PXAT unix-time-milliseconds:unix-time | "
              "KEEPTTL)]",
     .since = "8.4.0",
     .summary = "Sets several keys to strings in one step, with one time to live and one condition "
                "for all.",
     .complexity = "O(N) with the number of keys",
     .tips = mset_tips,
     IN_FAMILY},
    {.name = "msetnx",
     .run = msetnx_command,
     .arity = -3,
     .flags = CMD_WRITE | CMD_DENYOOM,
     .keys = KEYS_PAIRS(KEY_OW | KEY_INSERT),
     .usage = "data(key#0 value)...",
     .since = "1.0.1",
     .summary = "Sets several keys to strings in one step, unless one of them is there already.",
     .complexity = "O(N) with the number of keys",
     .tips = msetnx_tips,
     IN_FAMILY},
    {.name = "psetex",
     .run = psetex_command,
     .arity = 4,
     .flags = CMD_WRITE | CMD_DENYOOM,
     .keys = KEYS_ONE(KEY_OW | KEY_UPDATE),
     .usage = "key#0 milliseconds:integer value",
     .since = "2.6.0",
     .summary = "Sets a string with a time to live in milliseconds.",
     .complexity = "O(1)",
     .deprecated_since = "2.6.12",
     .replaced_by = "`SET` with the `PX` argument",
     IN_FAMILY},
    {.name = "set",
     .run = set_command,
     .arity = -3,
     .flags = CMD_WRITE | CMD_DENYOOM,
     .keys = KEYS_ONE(KEY_RW | KEY_ACCESS | KEY_UPDATE | KEY_VARIABLE_FLAGS),
     .usage = "key#0 value [condition(NX | XX | IFEQ ifeq-value@8.4.0 | IFNE ifne-value@8.4.0 | "
              "IFDEQ ifdeq-digest@8.4.0 | IFDNE ifdne-digest@8.4.0)@2.6.12] [GET@6.2.0] "
              "[expiration(EX seconds:integer@2.6.12 | PX milliseconds:integer@2.6.12 | "
              "EXAT unix-time-seconds:unix-time@6.2.0 | "
              "PXAT unix-time-milliseconds:unix-time@6.2.0 | KEEPTTL@6.0.0)]",
     .history = "2.6.12 The options EX, PX, NX and XX.\n"
                "6.0.0 The option KEEPTTL.\n"
                "6.2.0 The options GET, EXAT and PXAT.\n"
                "7.0.0 NX and GET at once.\n"
                "8.4.0 The options IFEQ, IFNE, IFDEQ and IFDNE.",
     .since = "1.0.0",
     .summary = "Sets a key to a string, with conditions and a time to live if wanted.",
     .complexity = "O(1)",
     IN_FAMILY},
    {.name = "setex",
     .run = setex_command,
     .arity = 4,
     .flags = CMD_WRITE | CMD_DENYOOM,
     .keys = KEYS_ONE(KEY_OW | KEY_UPDATE),
     .usage = "key#0 seconds:integer value",
     .since = "2.0.0",
     .summary = "Sets a string with a time to live in seconds.",
     .complexity = "O(1)",
     .deprecated_since = "2.6.12",
     .replaced_by = "`SET` with the `EX` argument",
     IN_FAMILY},
    {.name = "setnx",
     .run = setnx_command,
     .arity = 3,
     .flags = CMD_WRITE | CMD_DENYOOM | CMD_FAST,
     .keys = KEYS_ONE(KEY_OW | KEY_INSERT),
     .usage = "key#0 value",
     .since = "1.0.0",
     .summary = "Sets a string unless the key is there already.",
     .complexity = "O(1)",
     .deprecated_since = "2.6.12",
     .replaced_by = "`SET` with the `NX` argument",
     IN_FAMILY},
    {.name = "setrange",
     .run = string_setrange,
     .arity = 4,
     .flags = CMD_WRITE | CMD_DENYOOM,
     .keys = KEYS_ONE(KEY_RW | KEY_UPDATE),
     .usage = "key#0 offset:integer value",
     .since = "2.2.0",
     .summary = "Overwrites a part of a string from an offset on; gaps are filled with zero bytes.",
     .complexity = "O(N) with the bytes written",
     IN_FAMILY},
    {.name = "strlen",
     .run = strlen_command,
     .arity = 2,
     .flags = CMD_READONLY | CMD_FAST,
     .keys = KEYS_ONE(KEY_RO),
     .usage = "key#0",
     .since = "2.2.0",
     .summary = "Answers the length of a string in bytes.",
     .complexity = "O(1)",
     IN_FAMILY},
    {.name = "substr",
     .run = string_getrange,
     .arity = 4,
     .flags = CMD_READONLY,
     .keys = KEYS_ONE(KEY_RO | KEY_ACCESS),
     .usage = "key#0 start:integer end:integer",
     .since = "1.0.0",
     .summary = "Older name of GETRANGE.",
     .complexity = "O(N) with the length of the answer",
     .deprecated_since = "2.0.0",
     .replaced_by = "`GETRANGE`",
     IN_FAMILY},
    {.name = NULL}};
