/* test_hash_expiry.c - random commands on hashes whose fields expire, against a model, while time
 * goes by in leaps.
 *
 * After each command its reply is what the model says; from time to time what is due is removed in
 * the background. The log is run on a second server as a loader runs it, whatever the time is, and
 * then has exactly the fields, values and times that the first one holds, seen or not; so has what
 * DUMP and RESTORE make of each hash. SEED and STEPS come from the environment.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include "base/rand.h"
#include "commands/commands.h"
#include "persist/dump.h"
#include "value/hash.h"
#include "../unit/commands/engine_fixture.h"

#define KEYS   3
#define FIELDS 600 /* more than are looked at one by one in a table (struct/members.c) */
#define NAMES  200 /* at most, in one command */

struct model_field {
    bool there;
    int64_t value, expire_ms; /* HASH_NO_EXPIRY */
};

static struct engine_fixture primary, replica;
static struct model_field model[KEYS][FIELDS];
static struct rand r;
static uint32_t names[NAMES]; /* fields that the command being made names */
static uint32_t name_count;
static struct bytes line, wanted, last_log;
static unsigned key;   /* of the command being made */
static int64_t now_ms; /* of the last command, or leap in time */

/* ---- the model ---- */

static bool is_seen(const struct model_field *field)
{
    return field->there && !hash_is_past(field->expire_ms, now_ms);
}

static void forget_past(void)
{
    for (unsigned k = 0; k < KEYS; k++)
        for (unsigned f = 0; f < FIELDS; f++)
            if (!is_seen(&model[k][f]))
                model[k][f].there = false;
}

static size_t count_of(unsigned k)
{
    size_t count = 0;
    for (unsigned f = 0; f < FIELDS; f++)
        count += model[k][f].there;
    return count;
}

static void want_int(int64_t value)
{
    bytes_printf(&wanted, ":%lld\r\n", (long long)value);
}

static void want_array(size_t count)
{
    bytes_printf(&wanted, "*%zu\r\n", count);
}

static void want_value(const struct model_field *field)
{
    char text[32];
    if (field->there)
        bytes_printf(&wanted, "$%d\r\n%s\r\n",
                     snprintf(text, sizeof text, "%lld", (long long)field->value), text);
    else
        bytes_append_str(&wanted, "$-1\r\n");
}

static void set_field(struct model_field *field, int64_t value, int64_t expire_ms)
{
    if (expire_ms == HASH_KEEP_EXPIRY)
        expire_ms = field->there ? field->expire_ms : HASH_NO_EXPIRY;
    *field = (struct model_field){true, value, expire_ms};
}

/* ---- making commands ---- */

static void choose_names(uint32_t most)
{
    uint32_t count = 1 + (uint32_t)rand_below(&r, most), range = rand_below(&r, 2) ? FIELDS : 12;
    name_count = count;
    for (uint32_t i = 0; i < count; i++)
        names[i] = (uint32_t)rand_below(&r, range);
}

static void begin(const char *command)
{
    line.len = wanted.len = 0;
    bytes_printf(&line, "%s k%u", command, key);
}

static void add_names(bool with_fields, bool with_values)
{
    if (with_fields)
        bytes_printf(&line, " FIELDS %u", name_count);
    for (uint32_t i = 0; i < name_count; i++) {
        bytes_printf(&line, " f%u", names[i]);
        if (with_values)
            bytes_printf(&line, " %u", names[i] + i);
    }
}

static int64_t random_ttl(void)
{
    static const int64_t times[] = {0, 1, 40, 200, 1000, 5000, 30000, 1000000};
    return times[rand_below(&r, COUNT_OF(times))];
}

/* The lane's clock may have gone on since. */
static void note_time(struct call *call, uint64_t us, uint64_t reply_bytes)
{
    (void)us, (void)reply_bytes;
    now_ms = call->hold.now_ms;
}

/* Runs it; what the model forgets by then is forgotten. */
static void run(void)
{
    fixture_run(&primary, bytes_str(&line));
    forget_past();
}

static void check(void)
{
    if (!slice_eq(bytes_slice(&primary.reply), bytes_slice(&wanted)))
        fail_msg("%s\nwanted %s\ngot    %s", bytes_str(&line), bytes_str(&wanted),
                 bytes_str(&primary.reply));
}

#define EACH_NAME(field)                                                                           \
    for (uint32_t each_name = 0; each_name < name_count; each_name++)                              \
        for (struct model_field *field = &model[key][names[each_name]]; field; field = NULL)

/* ---- one function per command ---- */

static void do_hset(void)
{
    size_t added = 0;
    choose_names(NAMES);
    begin("HSET");
    add_names(false, true);
    run();
    EACH_NAME(field)
    {
        added += !field->there;
        set_field(field, names[each_name] + each_name, HASH_NO_EXPIRY);
    }
    want_int((int64_t)added);
}

static void do_hsetnx(void)
{
    choose_names(1);
    begin("HSETNX");
    add_names(false, true);
    run();
    want_int(!model[key][names[0]].there);
    if (!model[key][names[0]].there)
        set_field(&model[key][names[0]], names[0], HASH_NO_EXPIRY);
}

static void do_hincrby(void)
{
    bool is_float = rand_below(&r, 2);
    choose_names(1);
    begin(is_float ? "HINCRBYFLOAT" : "HINCRBY");
    add_names(false, false);
    bytes_append_str(&line, " 3");
    run();
    struct model_field *field = &model[key][names[0]];
    set_field(field, field->there ? field->value + 3 : 3, HASH_KEEP_EXPIRY);
    if (is_float)
        want_value(field);
    else
        want_int(field->value);
}

static void do_hdel(void)
{
    size_t removed = 0;
    choose_names(20);
    begin("HDEL");
    add_names(false, false);
    run();
    EACH_NAME(field)
    {
        removed += field->there;
        field->there = false;
    }
    want_int((int64_t)removed);
}

static void do_get(void)
{
    choose_names(20);
    if (rand_below(&r, 2)) {
        begin("HMGET");
        add_names(false, false);
    } else {
        begin("HGETEX");
        add_names(true, false);
    }
    run();
    want_array(name_count);
    EACH_NAME(field) want_value(field);
}

static void do_hpexpire(void)
{
    static const char *const conditions[] = {"", " NX", " XX", " GT", " LT"};
    unsigned condition = rand_below(&r, 2) ? (unsigned)rand_below(&r, 5) : 0;
    int64_t ttl_ms = random_ttl();
    choose_names(NAMES);
    begin("HPEXPIRE");
    bytes_printf(&line, " %lld%s", (long long)ttl_ms, conditions[condition]);
    add_names(true, false);
    run();
    int64_t when_ms = now_ms + ttl_ms;
    want_array(name_count);
    EACH_NAME(field)
    {
        bool expires = field->expire_ms != HASH_NO_EXPIRY;
        if (!field->there) {
            want_int(-2);
        } else if ((condition == 1 && expires) || (condition == 2 && !expires) ||
                   (condition == 3 && (!expires || when_ms <= field->expire_ms)) ||
                   (condition == 4 && expires && when_ms >= field->expire_ms)) {
            want_int(0);
        } else {
            field->expire_ms = when_ms;
            field->there = ttl_ms > 0;
            want_int(ttl_ms > 0 ? 1 : 2);
        }
    }
}

static void do_hpersist(void)
{
    choose_names(20);
    begin("HPERSIST");
    add_names(true, false);
    run();
    want_array(name_count);
    EACH_NAME(field)
    {
        want_int(!field->there ? -2 : field->expire_ms == HASH_NO_EXPIRY ? -1 : 1);
        field->expire_ms = HASH_NO_EXPIRY;
    }
}

static void do_ttl(void)
{
    bool absolute = rand_below(&r, 2);
    choose_names(20);
    begin(absolute ? "HPEXPIRETIME" : "HPTTL");
    add_names(true, false);
    run();
    want_array(name_count);
    EACH_NAME(field)
    want_int(!field->there                        ? -2
             : field->expire_ms == HASH_NO_EXPIRY ? -1
                                                  : field->expire_ms - (absolute ? 0 : now_ms));
}

static void do_hgetdel(void)
{
    choose_names(8);
    begin("HGETDEL");
    add_names(true, false);
    run();
    want_array(name_count);
    EACH_NAME(field)
    {
        want_value(field);
        field->there = false;
    }
}

static void do_hgetex(void)
{
    bool persist = rand_below(&r, 3) == 0;
    int64_t ttl_ms = random_ttl();
    choose_names(rand_below(&r, 4) ? 3 : NAMES);
    begin("HGETEX");
    if (persist)
        bytes_append_str(&line, " PERSIST");
    else
        bytes_printf(&line, " PX %lld", (long long)ttl_ms);
    add_names(true, false);
    run();
    int64_t when_ms = now_ms + ttl_ms;
    want_array(name_count);
    EACH_NAME(field)
    {
        want_value(field);
        field->expire_ms = persist ? HASH_NO_EXPIRY : when_ms;
        field->there = field->there && (persist || ttl_ms > 0);
    }
}

static void do_hsetex(void)
{
    unsigned condition = (unsigned)rand_below(&r, 6), time = (unsigned)rand_below(&r, 3);
    static const char *const conditions[] = {"", "", " FNX", " FXX", " NX", " XX"};
    int64_t ttl_ms = random_ttl();
    choose_names(condition == 0 ? NAMES : 3);
    begin("HSETEX");
    bytes_append_str(&line, conditions[condition]);
    if (time == 0)
        bytes_append_str(&line, " KEEPTTL");
    else if (time == 1)
        bytes_printf(&line, " PX %lld", (long long)ttl_ms);
    add_names(true, true);
    run();
    size_t there = 0;
    EACH_NAME(field) there += field->there;
    bool met = condition == 2   ? there == 0
               : condition == 3 ? there == name_count
               : condition == 4 ? count_of(key) == 0
               : condition == 5 ? count_of(key) != 0
                                : true;
    want_int(met);
    if (!met)
        return;
    EACH_NAME(field)
    {
        set_field(field, names[each_name] + each_name,
                  time == 0   ? HASH_KEEP_EXPIRY
                  : time == 1 ? now_ms + ttl_ms
                              : HASH_NO_EXPIRY);
        field->there = time != 1 || ttl_ms > 0;
    }
}

static void do_random(void)
{
    begin("HRANDFIELD");
    bytes_append_str(&line, " -1");
    run();
    unsigned f;
    if (sscanf(bytes_str(&primary.reply), "*1\r\n$%*d\r\nf%u", &f) == 1)
        assert_true(f < FIELDS && model[key][f].there);
    else
        assert_int_equal(count_of(key), 0);
    begin("HRANDFIELD");
    bytes_append_str(&line, " 7");
    run();
    assert_int_equal(strtol(bytes_str(&primary.reply) + 1, NULL, 10), MIN_OF(count_of(key), 7u));
    bytes_append(&wanted, primary.reply.data, primary.reply.len);
}

static void do_all(void)
{
    begin(rand_below(&r, 2) ? "HKEYS" : "HVALS");
    run();
    assert_int_equal(strtol(bytes_str(&primary.reply) + 1, NULL, 10), count_of(key));
    bytes_append(&wanted, primary.reply.data, primary.reply.len);
}

static void do_key(void)
{
    unsigned other = (unsigned)rand_below(&r, KEYS);
    static const char *const commands[] = {"DEL", "RENAME", "COPY"};
    unsigned which = rand_below(&r, 3) == 0 ? 0 : 1 + (unsigned)rand_below(&r, 2);
    begin(commands[which]);
    if (which != 0)
        bytes_printf(&line, " k%u%s", other, which == 2 ? " REPLACE" : "");
    fixture_run(&primary, bytes_str(&line));
    bool done = primary.reply.data[0] == '+' || primary.reply.data[1] == '1';
    if (done && which != 0 && other != key)
        memcpy(model[other], model[key], sizeof model[key]);
    if (done && (which == 0 || (which == 1 && other != key)))
        memset(model[key], 0, sizeof model[key]);
    forget_past();
    bytes_append(&wanted, primary.reply.data, primary.reply.len);
}

static void do_time(void)
{
    static const int64_t leaps[] = {1, 30, 150, 150, 1000, 6000, 2000000};
    clock_shift_ms(leaps[rand_below(&r, rand_below(&r, 8) ? 5 : COUNT_OF(leaps))]);
    line.len = wanted.len = 0;
    bytes_append_str(&line, "(time)");
    lane_turn(&primary.lane);
    now_ms = primary.lane.now_ms;
    forget_past();
    if (rand_below(&r, 2)) {
        primary.lane.next_slice_us = 0;
        lane_tick(&primary.lane);
    }
    primary.reply.len = 0;
}

/* ---- comparing ---- */

static struct entry *find(struct engine_fixture *f, struct hold *hold, unsigned k)
{
    char name[8];
    struct slice text = slice_of(name, (size_t)snprintf(name, sizeof name, "k%u", k));
    struct key found = keyspace_key(f->server.seed, 0, text);
    *hold = (struct hold){.keyspace = f->server.keyspace, .flags = HOLD_LOADING | HOLD_NO_TOUCH};
    hold_take(hold, shard_bit(found.hash));
    return keyspace_find(hold, &found, FIND_PEEK);
}

struct comparison {
    struct value other;
    bool good;
};

static bool compare_field(void *ctx, const struct hash_field *field)
{
    struct comparison *c = ctx;
    char room[HASH_TEXT];
    struct hash_field same;
    c->good = hash_find_field(c->other, HASH_SEE_ALL, field->name, room, &same) &&
              slice_eq(field->value, same.value) && field->expire_ms == same.expire_ms;
    return c->good;
}

static bool equal(struct value a, struct value b)
{
    struct comparison c = {b, true};
    return hash_count(a) == hash_count(b) && hash_each(a, HASH_SEE_ALL, compare_field, &c) &&
           hash_expires(a) == hash_expires(b);
}

static bool model_knows(void *ctx, const struct hash_field *field)
{
    const struct model_field *of_key = ctx;
    int64_t number, value;
    assert_true(number_parse_i64(slice_of(field->name.data + 1, field->name.len - 1), &number));
    const struct model_field *known = &of_key[number];
    return hash_is_past(field->expire_ms, now_ms) ||
           (number_parse_i64(field->value, &value) && known->there && value == known->value &&
            known->expire_ms == field->expire_ms);
}

static void compare_dump(const struct entry *entry)
{
    struct bytes payload = {0};
    struct dump_value out;
    dump_append(entry, true, &payload);
    assert_int_equal(
        dump_parse(bytes_slice(&payload), &keyspace_options(primary.server.keyspace)->limits, &out),
        DUMP_OK);
    assert_true(equal(entry_value(entry), out.value));
    dump_value_free(&out);
    bytes_free(&payload);
}

static void compare_key(unsigned k, bool dumps)
{
    struct hold hold, other;
    struct entry *mine = find(&primary, &hold, k), *loaded = find(&replica, &other, k);
    bool good = (mine != NULL) == (loaded != NULL);
    if (good && mine != NULL) {
        struct value hash = entry_value(mine);
        good = equal(hash, entry_value(loaded)) && hash_count_seen(hash, now_ms) == count_of(k) &&
               hash_each(hash, HASH_SEE_ALL, model_knows, model[k]) &&
               hash_expires(hash) == (value_due_ms(hash) != VALUE_NEVER_DUE) &&
               !(hash.encoding == ENCODING_LISTPACKEX && !hash_expires(hash)) &&
               hash_expires(hash) == ((mine->flags & ENTRY_ELEMENTS_EXPIRE) != 0);
        if (dumps)
            compare_dump(mine);
    } else if (good) {
        good = count_of(k) == 0;
    }
    hold_drop(&hold);
    hold_drop(&other);
    if (!good)
        fail_msg("after %s, logged as %s: key %u differs", bytes_str(&line), bytes_str(&last_log),
                 k);
}

/* Runs what the primary logged as the loader does. */
static void replicate(void)
{
    const char *text = fixture_log(&primary);
    last_log.len = 0;
    bytes_append_str(&last_log, text);
    char *copy = mem_strdup(text), *rest = copy;
    for (char *command = rest; command != NULL && *command; command = rest) {
        rest = strstr(command, "; ");
        if (rest != NULL) {
            *rest = '\0';
            rest += 2;
        }
        if (strcmp(command, "MULTI") != 0 && strcmp(command, "EXEC") != 0 &&
            fixture_run(&replica, command)[0] == '-')
            fail_msg("refused: %s: %s", command, bytes_str(&replica.reply));
    }
    mem_free(copy);
}

static uint64_t from_environment(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    return text ? strtoull(text, NULL, 10) : otherwise;
}

static void run_with(int64_t entries, uint64_t steps)
{
    static const struct command *const families[] = {hash_commands, generic_commands, NULL};
    static void (*const actions[])(void) = {
        do_hset,     do_hset,     do_hsetnx, do_hincrby, do_hdel,   do_get,    do_hpexpire,
        do_hpexpire, do_hpersist, do_ttl,    do_hgetdel, do_hgetex, do_hsetex, do_hsetex,
        do_random,   do_all,      do_time,   do_time,    do_time};
    fixture_open(&replica, families);
    fixture_open(&primary, families);
    replica.client.flags |= CLIENT_INTERNAL;
    primary.server.notable_call = note_time;
    keyspace_options(primary.server.keyspace)->limits.hash_max_listpack_entries = entries;
    memset(model, 0, sizeof model);
    for (uint64_t i = 0; i < steps; i++) {
        key = (unsigned)rand_below(&r, KEYS);
        if (rand_below(&r, 60) == 0)
            do_key();
        else
            actions[rand_below(&r, COUNT_OF(actions))]();
        check();
        replicate();
        for (unsigned k = 0; k < KEYS; k++)
            if (k == key ? rand_below(&r, 2) : rand_below(&r, 10) == 0)
                compare_key(k, rand_below(&r, 8) == 0);
    }
    /* In the end all goes that may. */
    clock_shift_ms(5000000);
    for (int i = 0; i < 100; i++) {
        lane_turn(&primary.lane);
        primary.lane.next_slice_us = 0;
        lane_tick(&primary.lane);
        clock_shift_ms(200);
    }
    now_ms = primary.lane.now_ms;
    assert_int_equal(keyspace_elements_expire(primary.server.keyspace, 0), 0);
    forget_past();
    replicate();
    for (unsigned k = 0; k < KEYS; k++)
        compare_key(k, true);
    fixture_close(&primary);
    fixture_close(&replica);
}

static void test_against_model(void **state)
{
    (void)state;
    uint64_t seed = from_environment("SEED", rand_system());
    uint64_t steps = from_environment("STEPS", 1000);
    printf("SEED=%llu STEPS=%llu\n", (unsigned long long)seed, (unsigned long long)steps);
    rand_seed(&r, seed);
    run_with(512, steps);
    run_with(10, steps);
    bytes_free(&line);
    bytes_free(&wanted);
    bytes_free(&last_log);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_against_model)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
