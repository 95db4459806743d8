/* hyperloglog.c - commands that count different elements: PFADD, PFCOUNT, PFMERGE, and PFDEBUG and
 * PFSELFTEST for tests.
 *
 * A sketch is a string (value/hyperloglog.h). A dense one is changed in place; a sparse one is
 * changed in a copy, for it may grow, and put back if all went well. PFCOUNT of one key keeps the
 * count in the string, as in Redis: a change by a command that must not fail as a write does, so it
 * is left out while writes are held back.
 */
#include "commands/commands.h"
#include "commands/plain.h"

#include "engine/settings.h"
#include "guard/guard.h"
#include "persist/persist.h"
#include "value/hyperloglog.h"

#define COUNT_RECORD 64 /* bytes of PFCOUNT in the log besides the key, about */

static void no_sketch(struct call *call)
{
    call_error(call, "WRONGTYPE Key is not a valid HyperLogLog string value.");
}

static void corrupt(struct call *call)
{
    call_error(call, "INVALIDOBJ Corrupted HLL object detected");
}

/* The sketch under a key: false after replying an error. *entry NULL = absent. */
static bool find_sketch(struct call *call, const struct key *key, unsigned how,
                        struct entry **entry)
{
    if (!call_find_string(call, key, how, entry))
        return false;
    if (*entry == NULL || hll_is(entry_string(*entry)))
        return true;
    no_sketch(call);
    return false;
}

static int64_t sparse_max(const struct call *call)
{
    return RELAXED_LOAD(&keyspace_options(call->hold.keyspace)->limits.hll_sparse_max_bytes);
}

static void put_sketch(struct call *call, const struct key *key, struct entry *entry,
                       const struct bytes *value)
{
    char *place;
    keyspace_string_edit(&call->hold, key, entry, value->len, &place);
    memcpy(place, value->data, value->len);
}

/* ---- PFADD ---- */

static void add_in_place(struct call *call, const struct key *key, struct entry *entry, uint32_t at,
                         uint64_t *changes)
{
    char *place;
    keyspace_string_edit(&call->hold, key, entry, HLL_DENSE_BYTES, &place);
    for (; at < call->argc; at++)
        *changes += hll_add_dense(place, hll_point_of(call->argv[at]));
    hll_invalidate_count(place);
}

/* entry NULL = a new key. False: corrupt, nothing was changed. */
static bool add_in_copy(struct call *call, const struct key *key, struct entry *entry, uint32_t at,
                        uint64_t *changes)
{
    struct bytes copy = {0};
    enum hll_result result = HLL_SAME;
    if (entry != NULL) {
        struct slice value = entry_string(entry);
        bytes_append(&copy, value.data, value.len);
    } else {
        hll_init(&copy);
        *changes += 1;
    }
    for (; at < call->argc && result != HLL_CORRUPT; at++) {
        result = hll_add(&copy, hll_point_of(call->argv[at]), sparse_max(call));
        *changes += result == HLL_CHANGED;
    }
    if (result != HLL_CORRUPT) {
        hll_invalidate_count(copy.data);
        put_sketch(call, key, entry, &copy);
    }
    bytes_free(&copy);
    return result != HLL_CORRUPT;
}

static void pfadd_command(struct call *call)
{
    struct key key = call_first_key(call);
    struct entry *entry;
    uint64_t changes = 0;
    uint32_t at = 2;
    if (!find_sketch(call, &key, FIND_WRITE, &entry))
        return;
    enum hll_result look = HLL_CHANGED;
    if (entry != NULL) {
        look = HLL_SAME;
        while (at < call->argc &&
               (look = hll_look(entry_string(entry), hll_point_of(call->argv[at]))) == HLL_SAME)
            at++;
    }
    bool good = look != HLL_CORRUPT;
    if (look == HLL_CHANGED && entry && hll_encoding_of(entry_string(entry)) == HLL_DENSE)
        add_in_place(call, &key, entry, at, &changes);
    else if (look == HLL_CHANGED)
        good = add_in_copy(call, &key, entry, at, &changes);
    if (!good) {
        corrupt(call);
        return;
    }
    if (changes != 0) {
        call_changed(call, changes);
        call_notify(call, '$', "pfadd", &key);
    }
    reply_int(call->reply, changes != 0);
}

/* ---- PFCOUNT ---- */

/* Whether a count may be kept now; if not, it is answered all the same. */
static bool may_keep_count(struct call *call, const struct key *key)
{
    const struct server *server = call->server;
    if (call->client->flags & CLIENT_INTERNAL)
        return true;
    if (call->hold.flags & HOLD_READER || call->lane->over_memory ||
        (server->persist != NULL && persist_is_saturated(server->persist)))
        return false;
    return server->guard == NULL ||
           guard_admit_growth(guard_verdict(server->guard), &call->lane->purse,
                              key->name.len + COUNT_RECORD) == GUARD_ADMIT;
}

static void count_one(struct call *call)
{
    struct key key = call_first_key(call);
    struct entry *entry;
    uint64_t count = 0;
    if (!find_sketch(call, &key, FIND_READ, &entry))
        return;
    struct slice value = entry != NULL ? entry_string(entry) : SLICE("");
    if (entry != NULL && !hll_cached_count(value, &count)) {
        if (!hll_count(value, &count)) {
            corrupt(call);
            return;
        }
        if (may_keep_count(call, &key)) {
            char *place;
            keyspace_string_edit(&call->hold, &key, entry, value.len, &place);
            hll_cache_count(place, count);
            call_changed(call, 1);
        }
    }
    reply_int(call->reply, (int64_t)count);
}

/* Merges the sketches of the declared keys into HLL_REGISTERS registers that are 0. False after
 * replying an error. *dense: one of them is. */
static bool merge_keys(struct call *call, uint8_t *registers, bool *dense)
{
    *dense = false;
    for (uint32_t i = 0; i < call->key_count; i++) {
        struct key key = plain_key(call, i);
        struct entry *entry;
        if (!find_sketch(call, &key, FIND_READ, &entry))
            return false;
        if (entry == NULL)
            continue;
        struct slice value = entry_string(entry);
        *dense |= hll_encoding_of(value) == HLL_DENSE;
        if (!hll_merge(registers, value)) {
            corrupt(call);
            return false;
        }
    }
    return true;
}

static void pfcount_command(struct call *call)
{
    if (call->argc == 2) {
        count_one(call);
        return;
    }
    uint8_t registers[HLL_REGISTERS] = {0};
    bool dense;
    if (merge_keys(call, registers, &dense))
        reply_int(call->reply, (int64_t)hll_count_registers(registers));
}

/* ---- PFMERGE ---- */

/* The target's bytes with all registers raised; sparse where the bound allows, if no source is
 * dense. False: corrupt. */
static bool merge_into(struct call *call, struct bytes *value, const uint8_t *registers, bool dense)
{
    if (dense && !hll_to_dense(value))
        return false;
    for (unsigned i = 0; i < HLL_REGISTERS; i++) {
        struct hll_point point = {.index = (uint16_t)i, .rank = registers[i]};
        if (point.rank != 0 && hll_add(value, point, sparse_max(call)) == HLL_CORRUPT)
            return false;
    }
    hll_invalidate_count(value->data);
    return true;
}

static void pfmerge_command(struct call *call)
{
    uint8_t registers[HLL_REGISTERS] = {0};
    struct bytes merged = {0};
    bool dense;
    if (!merge_keys(call, registers, &dense))
        return;
    struct key key = call_first_key(call);
    struct entry *entry = keyspace_find(&call->hold, &key, FIND_WRITE);
    if (entry != NULL) {
        struct slice value = entry_string(entry);
        bytes_append(&merged, value.data, value.len);
    } else {
        hll_init(&merged);
    }
    if (merge_into(call, &merged, registers, dense)) {
        put_sketch(call, &key, entry, &merged);
        call_changed(call, 1);
        call_notify(call, '$', "pfadd", &key);
        reply_ok(call->reply);
    } else {
        corrupt(call);
    }
    bytes_free(&merged);
}

/* ---- PFDEBUG, PFSELFTEST ---- */

/* Makes a sparse sketch dense: a change that is logged. False after replying an error. */
static bool make_dense(struct call *call, const struct key *key, struct entry *entry)
{
    struct slice value = entry_string(entry);
    struct bytes dense = {0};
    bytes_append(&dense, value.data, MIN_OF(value.len, (size_t)HLL_SPARSE_MOST + 1));
    bool good = hll_to_dense(&dense);
    if (good) {
        put_sketch(call, key, entry, &dense);
        call_changed(call, 1);
    } else {
        corrupt(call);
    }
    bytes_free(&dense);
    return good;
}

static void debug_registers(struct call *call, const struct key *key, struct entry *entry)
{
    uint8_t registers[HLL_REGISTERS] = {0};
    if (hll_encoding_of(entry_string(entry)) == HLL_SPARSE && !make_dense(call, key, entry))
        return;
    entry = keyspace_find(&call->hold, key, FIND_PEEK);
    hll_merge(registers, entry_string(entry));
    reply_array(call->reply, HLL_REGISTERS);
    for (unsigned i = 0; i < HLL_REGISTERS; i++)
        reply_int(call->reply, registers[i]);
}

static void debug_decode(struct call *call, const struct key *key, struct entry *entry)
{
    struct slice value = entry_string(entry);
    struct bytes text = {0};
    if (hll_encoding_of(value) != HLL_SPARSE)
        call_error(call, "ERR HLL encoding is not sparse");
    else if (!hll_describe(value, &text))
        corrupt(call);
    else
        reply_bulk(call->reply, bytes_slice(&text));
    bytes_free(&text);
}

static void debug_encoding(struct call *call, const struct key *key, struct entry *entry)
{
    bool dense = hll_encoding_of(entry_string(entry)) == HLL_DENSE;
    reply_simple(call->reply, dense ? "dense" : "sparse");
}

static void debug_to_dense(struct call *call, const struct key *key, struct entry *entry)
{
    bool sparse = hll_encoding_of(entry_string(entry)) == HLL_SPARSE;
    if (!sparse || make_dense(call, key, entry))
        reply_int(call->reply, sparse);
}

static const struct {
    const char *name;
    void (*run)(struct call *call, const struct key *key, struct entry *entry);
} debug_words[] = {{"getreg", debug_registers},
                   {"decode", debug_decode},
                   {"encoding", debug_encoding},
                   {"todense", debug_to_dense}};

static void pfdebug_command(struct call *call)
{
    struct key key = plain_key(call, 0);
    struct slice word = call->argv[1];
    struct entry *entry;
    if (!find_sketch(call, &key, FIND_WRITE, &entry))
        return;
    if (entry == NULL) {
        call_error(call, "ERR The specified key does not exist");
        return;
    }
    for (size_t i = 0; i < COUNT_OF(debug_words); i++) {
        if (slice_is(word, debug_words[i].name)) {
            debug_words[i].run(call, &key, entry);
            return;
        }
    }
    call_errorf(call, "ERR Unknown PFDEBUG subcommand '%.*s'", (int)MIN_OF(word.len, 128u),
                word.data);
}

static void pfselftest_command(struct call *call)
{
    const char *wrong = hll_self_test();
    if (wrong == NULL)
        reply_ok(call->reply);
    else
        call_errorf(call, "TESTFAILED %s", wrong);
}

/* ---- rows ---- */

#define IN_FAMILY .acl = ACL_HYPERLOGLOG, .group = GROUP_HYPERLOGLOG

const struct command hyperloglog_commands[] = {
    {.name = "pfadd",
     .run = pfadd_command,
     .arity = -2,
     .flags = CMD_WRITE | CMD_DENYOOM | CMD_FAST,
     .keys = KEYS_ONE(KEY_RW | KEY_INSERT),
     .usage = "key#0 [element...]",
     .since = "2.8.9",
     .summary = "Adds elements to a HyperLogLog sketch, which is made if it is not there.",
     .complexity = "O(1) for each element, or O(N) with the bytes of a sparse sketch",
     IN_FAMILY},
    {.name = "pfcount",
     .run = pfcount_command,
     .arity = -2,
     .flags = CMD_READONLY,
     .keys = KEYS_ALL(KEY_RW | KEY_ACCESS),
     .usage = "key#0...",
     .since = "2.8.9",
     .summary = "Estimates how many different elements were added to one sketch or to several.",
     .complexity = "O(1) for a sketch that did not change since, else O(N) with the sketches",
     IN_FAMILY},
    {.name = "pfdebug",
     .run = pfdebug_command,
     .arity = 3,
     .flags = CMD_SYSCMD | CMD_WRITE | CMD_DENYOOM | CMD_ADMIN,
     .keys = KEYS_SECOND(KEY_RW | KEY_ACCESS),
     .usage = "subcommand key#0",
     .since = "2.8.9",
     .summary = "Shows or converts the inside of a sketch, for tests.",
     .complexity = "O(N) with the registers",
     IN_FAMILY},
    {.name = "pfmerge",
     .run = pfmerge_command,
     .arity = -2,
     .flags = CMD_WRITE | CMD_DENYOOM,
     .keys = {{.flags = KEY_RW | KEY_ACCESS | KEY_INSERT, .begin = 1, .step = 1},
              {.flags = KEY_RO | KEY_ACCESS, .begin = 2, .last = -1, .step = 1}},
     .usage = "destkey#0 [sourcekey#1...]",
     .since = "2.8.9",
     .summary = "Merges sketches into the first one.",
     .complexity = "O(N) with the number of sketches",
     IN_FAMILY},
    {.name = "pfselftest",
     .run = pfselftest_command,
     .arity = 1,
     .flags = CMD_SYSCMD | CMD_ADMIN,
     .since = "2.8.9",
     .summary = "Tests the estimates and the two forms of sketches.",
     .complexity = "O(1), but slow",
     IN_FAMILY},
    {.name = NULL}};
