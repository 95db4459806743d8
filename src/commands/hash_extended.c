/* hash_extended.c - fields got or set and something done about their times to live in the same
 * step: HGETDEL, HGETEX, HSETEX. */
#include "base/mem.h"
#include "base/number.h"
#include "commands/hash.h"
#include "commands/plain.h"

/* ---- HGETDEL, HGETEX ---- */

enum what_to_do { LEAVE, EXPIRE, PERSIST, DELETE };

/* Answers the field's value; true if something was done. */
static bool get_one(struct call *call, struct value *hash, struct slice name, enum what_to_do what,
                    int64_t when_ms)
{
    char room[HASH_TEXT];
    struct hash_field field;
    if (!hash_find_field(*hash, hash_now(call), name, room, &field)) {
        reply_null(call->reply);
        return false;
    }
    reply_bulk(call->reply, field.value);
    if (what == DELETE)
        return hash_remove(hash, name);
    if (what == LEAVE || (what == PERSIST && field.expire_ms == HASH_NO_EXPIRY))
        return false;
    hash_set_expiry(hash, name, what == PERSIST ? HASH_NO_EXPIRY : when_ms);
    return true;
}

static void get_and_change(struct call *call, const struct key *key, struct entry *entry,
                           const struct hash_names *names, enum what_to_do what, int64_t when_ms)
{
    static const char *const events[] = {
        [EXPIRE] = "hexpire", [PERSIST] = "hpersist", [DELETE] = "hdel"};
    struct slice *changed = mem_alloc(names->count * sizeof *changed);
    uint32_t count = 0;
    struct hash_edit edit = hash_begin(call, key, entry);
    for (uint32_t i = 0; i < names->count; i++) {
        struct slice name = call->argv[names->at + i];
        if (get_one(call, &edit.value, name, what, when_ms))
            changed[count++] = name;
    }
    if (count != 0) {
        call_changed(call, count);
        call_notify(call, 'h', events[what], key);
    }
    hash_end(call, key, &edit);
    if (what == DELETE)
        hash_effect_delete(call, key->name, changed, count);
    else
        hash_effect_expire(call, key->name, what == PERSIST ? HASH_NO_EXPIRY : when_ms, changed,
                           count);
    mem_free(changed);
}

static void get_all(struct call *call, const struct key *key, struct entry *entry,
                    const struct hash_names *names, enum what_to_do what, int64_t when_ms)
{
    hash_remove_past(call, key, names, &entry);
    reply_array(call->reply, names->count);
    if (entry != NULL && what != LEAVE) {
        get_and_change(call, key, entry, names, what, when_ms);
        return;
    }
    for (uint32_t i = 0; i < names->count; i++) {
        struct value hash;
        if (entry == NULL) {
            reply_null(call->reply);
        } else {
            hash = entry_value(entry);
            get_one(call, &hash, call->argv[names->at + i], LEAVE, 0);
        }
    }
}

void hash_hgetdel(struct call *call)
{
    struct key key = call_first_key(call);
    struct entry *entry;
    struct hash_names names;
    if (hash_find(call, &key, FIND_READ, &entry) &&
        hash_read_names(call, 2, HASH_COUNT_ERROR, &names))
        get_all(call, &key, entry, &names, DELETE, 0);
}

/* Words that are followed by a time. */
static const struct time_word {
    const char *word;
    bool seconds, absolute;
} time_words[] = {
    {"ex", true, false}, {"px", false, false}, {"exat", true, true}, {"pxat", false, true}};

static const struct time_word *find_time_word(struct slice argument)
{
    for (size_t i = 0; i < COUNT_OF(time_words); i++)
        if (slice_is(argument, time_words[i].word))
            return &time_words[i];
    return NULL;
}

void hash_hgetex(struct call *call)
{
    struct key key = call_first_key(call);
    struct entry *entry;
    struct hash_names names;
    const struct time_word *word = find_time_word(call->argv[2]);
    enum what_to_do what = word != NULL                         ? EXPIRE
                           : slice_is(call->argv[2], "persist") ? PERSIST
                                                                : LEAVE;
    uint32_t at = what == EXPIRE ? 4 : what == PERSIST ? 3 : 2;
    int64_t when_ms = 0;
    if (!hash_find(call, &key, FIND_READ, &entry) ||
        (word != NULL && !hash_read_time(call, 3, word->seconds, word->absolute, &when_ms)) ||
        !hash_read_names(call, at, HASH_COUNT_ERROR, &names))
        return;
    if (what == EXPIRE && plain_is_past(call, when_ms))
        what = DELETE;
    get_all(call, &key, entry, &names, what, MAX_OF(when_ms, 1));
}

/* ---- HSETEX ---- */

struct set_options {
    bool key_absent, key_present;       /* NX, XX */
    bool fields_absent, fields_present; /* FNX, FXX */
    bool keep_ttl, expires;
    int64_t when_ms;         /* with expires */
    struct hash_names names; /* each followed by its value */
};

/* FIELDS at `at`, its count, and pairs to the end. */
static bool read_pairs(struct call *call, uint32_t at, struct hash_names *names)
{
    int64_t count;
    if (at + 3 >= call->argc) {
        call_wrong_arity(call);
        return false;
    }
    if (!call_i64_range(call, at + 1, 1, INT32_MAX, &count, "ERR invalid number of fields"))
        return false;
    uint32_t given = call->argc - at - 2;
    if (given % 2 != 0 || count != given / 2) {
        call_wrong_arity(call);
        return false;
    }
    *names = (struct hash_names){.at = at + 2, .count = (uint32_t)count, .step = 2};
    return true;
}

/* Sets one of two flags that exclude each other; false after replying that the other one is set. */
static bool choose(struct call *call, bool *chosen, const bool *other, const char *words)
{
    *chosen = true;
    if (*other)
        call_errorf(call, "ERR Only one of %s arguments can be specified", words);
    return !*other;
}

/* A time to live at *at, or KEEPTTL; false after replying what is wrong. */
static bool read_expiry(struct call *call, uint32_t *at, struct set_options *options)
{
    const struct time_word *word = find_time_word(call->argv[*at]);
    if (options->expires || options->keep_ttl) {
        call_error(call,
                   "ERR Only one of EX, PX, EXAT, PXAT or KEEPTTL arguments can be specified");
        return false;
    }
    options->expires = word != NULL;
    options->keep_ttl = word == NULL;
    if (word == NULL)
        return true;
    if (++*at < call->argc)
        return hash_read_time(call, *at, word->seconds, word->absolute, &options->when_ms);
    call_error(call, "ERR missing expire time");
    return false;
}

static bool read_set_options(struct call *call, struct set_options *options)
{
    for (uint32_t at = 2; at < call->argc; at++) {
        struct slice word = call->argv[at];
        bool good = true;
        if (slice_is(word, "fields"))
            return read_pairs(call, at, &options->names);
        if (slice_is(word, "nx"))
            good = choose(call, &options->key_absent, &options->key_present, "NX or XX");
        else if (slice_is(word, "xx"))
            good = choose(call, &options->key_present, &options->key_absent, "NX or XX");
        else if (slice_is(word, "fnx"))
            good = choose(call, &options->fields_absent, &options->fields_present, "FXX or FNX");
        else if (slice_is(word, "fxx"))
            good = choose(call, &options->fields_present, &options->fields_absent, "FXX or FNX");
        else if (slice_is(word, "keepttl") || find_time_word(word) != NULL)
            good = read_expiry(call, &at, options);
        else
            call_errorf(call, "ERR unknown argument: %.*s", (int)MIN_OF(word.len, 900u), word.data);
        if (!good || call->failed)
            return false;
    }
    call_error(call, "ERR missing FIELDS argument");
    return false;
}

static bool may_set(const struct call *call, const struct entry *entry,
                    const struct set_options *options)
{
    if ((options->key_absent && entry != NULL) || (options->key_present && entry == NULL))
        return false;
    if (!options->fields_absent && !options->fields_present)
        return true;
    for (uint32_t i = 0; i < options->names.count; i++) {
        struct slice name = call->argv[options->names.at + 2 * i];
        bool there = entry != NULL && hash_has(entry_value(entry), HASH_SEE_ALL, name);
        if (there != options->fields_present)
            return false;
    }
    return true;
}

/* Values whose time is past before they are set: the fields go. */
static void delete_all(struct call *call, const struct key *key, struct entry *entry,
                       const struct hash_names *names)
{
    if (entry == NULL)
        return;
    struct slice *removed = mem_alloc(names->count * sizeof *removed);
    uint32_t count = 0;
    struct hash_edit edit = hash_begin(call, key, entry);
    for (uint32_t i = 0; i < names->count; i++) {
        struct slice name = call->argv[names->at + 2 * i];
        if (hash_remove(&edit.value, name))
            removed[count++] = name;
    }
    if (count != 0) {
        call_changed(call, count);
        call_notify(call, 'h', "hdel", key);
    }
    hash_end(call, key, &edit);
    hash_effect_delete(call, key->name, removed, count);
    mem_free(removed);
}

/* Logged with an absolute time and without conditions; without a time, as the HSET it is. */
static void effect_set(struct call *call, struct slice key, const struct set_options *options)
{
    char when[NUMBER_TEXT_MAX];
    const struct hash_names *names = &options->names;
    uint32_t pairs = names->count * 2, argc = 0;
    struct slice *argv = mem_alloc((pairs + 6) * sizeof *argv);
    bool plain = !options->expires && !options->keep_ttl;
    argv[argc++] = plain ? SLICE("HSET") : SLICE("HSETEX");
    argv[argc++] = key;
    if (options->keep_ttl)
        argv[argc++] = SLICE("KEEPTTL");
    if (options->expires) {
        argv[argc++] = SLICE("PXAT");
        argv[argc++] = slice_of(when, number_print_i64(when, options->when_ms));
    }
    if (!plain) {
        argv[argc++] = SLICE("FIELDS");
        argv[argc++] = call->argv[names->at - 1];
    }
    memcpy(argv + argc, call->argv + names->at, pairs * sizeof *argv);
    call_effect(call, argc + pairs, argv);
    mem_free(argv);
}

static void set_all(struct call *call, const struct key *key, struct entry *entry,
                    const struct set_options *options)
{
    const struct hash_names *names = &options->names;
    const struct value_limits *limits = hash_limits_of(call);
    int64_t expire_ms = options->keep_ttl  ? HASH_KEEP_EXPIRY
                        : options->expires ? MAX_OF(options->when_ms, 1)
                                           : HASH_NO_EXPIRY;
    struct hash_edit edit = hash_begin(call, key, entry);
    hash_expect(&edit.value, limits, names->count);
    for (uint32_t i = 0; i < names->count; i++) {
        const struct slice *pair = &call->argv[names->at + 2 * i];
        hash_set(&edit.value, limits, pair[0], pair[1], expire_ms);
    }
    hash_end(call, key, &edit);
    call_changed(call, names->count);
    call_notify(call, 'h', "hset", key);
    if (options->expires)
        call_notify(call, 'h', "hexpire", key);
    effect_set(call, key->name, options);
}

void hash_hsetex(struct call *call)
{
    struct key key = call_first_key(call);
    struct entry *entry;
    struct set_options options = {.when_ms = 0};
    if (!read_set_options(call, &options) ||
        !hash_find_to_change(call, &key, &options.names, &entry))
        return;
    bool good = may_set(call, entry, &options);
    if (good && options.expires && plain_is_past(call, options.when_ms))
        delete_all(call, &key, entry, &options.names);
    else if (good)
        set_all(call, &key, entry, &options);
    reply_int(call->reply, good);
}
