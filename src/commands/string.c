/* string.c - commands on strings: SET and its relatives, reading, comparing, several keys at once.
 *
 * A handler finds the entry once and hands it to the keyspace together with the new bytes, which
 * are copied once, from the read buffer into place. After a change the entry is not looked at
 * again.
 */
#include "commands/string.h"

#include "base/hash.h"
#include "commands/plain.h"
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

void string_set(struct call *call)
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

void string_setnx(struct call *call)
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

void string_setex(struct call *call)
{
    set_with_expiry(call, true);
}

void string_psetex(struct call *call)
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

void string_get(struct call *call)
{
    struct key key = call_first_key(call);
    struct entry *entry;
    get_and_reply(call, &key, &entry);
}

void string_getset(struct call *call)
{
    struct key key = call_first_key(call);
    struct entry *entry;
    if (!get_and_reply(call, &key, &entry))
        return;
    store(call, &key, entry, call->argv[2], EXPIRE_NONE, false);
    plain_effect_set(call, key.name, call->argv[2], EXPIRE_NONE, false);
}

void string_getdel(struct call *call)
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

void string_getex(struct call *call)
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

void string_strlen(struct call *call)
{
    struct key key = call_first_key(call);
    struct entry *entry;
    if (call_find_string(call, &key, FIND_READ, &entry))
        reply_int(call->reply, entry ? (int64_t)entry_string(entry).len : 0);
}

void string_digest(struct call *call)
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

void string_delifeq(struct call *call)
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

void string_delex(struct call *call)
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

void string_mget(struct call *call)
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

void string_mset(struct call *call)
{
    if (call->argc % 2 == 0) {
        call_wrong_arity(call);
        return;
    }
    put_pairs(call);
    reply_ok(call->reply);
}

void string_msetnx(struct call *call)
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

void string_msetex(struct call *call)
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
