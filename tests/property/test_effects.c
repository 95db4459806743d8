/* test_effects.c - what is logged does on another server what the command did on the first.
 *
 * Random commands run on one server; its log is run on a second one. Then both hold the same keys
 * with the same values and the same expiry: once with strings, bits, sketches and keys of any kind,
 * once with commands that log something else than themselves, or read several keys, on lists, sets,
 * hashes and sorted sets. SEED and STEPS come from the environment.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include "base/rand.h"
#include "commands/commands.h"
#include "../unit/commands/engine_fixture.h"

#define DATABASES    3
#define KEYS         6
#define KEYS_OF_TYPE 3

static struct engine_fixture primary, replica;
static struct rand r;

/* What %-letters of a template stand for. */
static void append_value(struct bytes *out)
{
    static const char *const values[] = {"v",
                                         "\"\"",
                                         "12",
                                         "-1",
                                         "abc",
                                         "3.5",
                                         "\"\\xff\\x00\"",
                                         "9223372036854775807",
                                         "0",
                                         "1e3",
                                         "0123456789012345678901234567890123456789xyz01"};
    bytes_append_str(out, values[rand_below(&r, COUNT_OF(values))]);
}

static void append_time(struct bytes *out)
{
    static const char *const times[] = {
        "EX 1000", "PX 1000000", "EXAT 99999999999", "PXAT 99999999999999", "PXAT 1", "EXAT 1"};
    bytes_append_str(out, times[rand_below(&r, COUNT_OF(times))]);
}

static void append_condition(struct bytes *out)
{
    static const char *const words[] = {"",       "NX",  "XX",     "IFEQ v",
                                        "IFNE v", "GET", "NX GET", "XX GET"};
    bytes_append_str(out, words[rand_below(&r, COUNT_OF(words))]);
}

/* k: key, v: value, n: number, b: bit offset, t: time option, c: condition, s: seconds, d:
 * database; L, S, Z: key of a list, set, sorted set; e: element, o: end of a list, p: place */
static void append_item(struct bytes *out, char item)
{
    static const char *const seconds[] = {"1000", "2000", "-1", "0"};
    switch (item) {
    case 'k':
        bytes_printf(out, "k%llu", (unsigned long long)rand_below(&r, KEYS));
        break;
    case 'v':
        append_value(out);
        break;
    case 'n':
        bytes_printf(out, "%lld", (long long)rand_below(&r, 200) - 100);
        break;
    case 'b':
        bytes_printf(out, "%llu", (unsigned long long)rand_below(&r, 500));
        break;
    case 't':
        append_time(out);
        break;
    case 'c':
        append_condition(out);
        break;
    case 's':
        bytes_append_str(out, seconds[rand_below(&r, COUNT_OF(seconds))]);
        break;
    case 'L':
    case 'S':
    case 'Z':
        bytes_printf(out, "%c%llu", item, (unsigned long long)rand_below(&r, KEYS_OF_TYPE));
        break;
    case 'e':
        bytes_printf(out, "%llu", (unsigned long long)rand_below(&r, 12));
        break;
    case 'o':
        bytes_append_str(out, rand_below(&r, 2) ? "LEFT" : "RIGHT");
        break;
    case 'p':
        bytes_printf(out, "%llu %lld", (unsigned long long)rand_below(&r, 181),
                     (long long)rand_below(&r, 171) - 85);
        break;
    default:
        bytes_printf(out, "%llu", (unsigned long long)rand_below(&r, DATABASES));
    }
}

static const char *const templates[] = {
    "SET %k %v",
    "SET %k %v %c",
    "SET %k %v %c %t",
    "SET %k %v KEEPTTL %c",
    "SETNX %k %v",
    "SETEX %k 1000 %v",
    "PSETEX %k 1000000 %v",
    "GETSET %k %v",
    "GETDEL %k",
    "GETEX %k %t",
    "GETEX %k PERSIST",
    "APPEND %k %v",
    "SETRANGE %k %b %v",
    "INCR %k",
    "INCRBY %k %n",
    "DECRBY %k %n",
    "INCRBYFLOAT %k 0.%b",
    "MSET %k %v %k %v %k %v",
    "MSETNX %k %v %k %v",
    "MSETEX 2 %k %v %k %v %t",
    "MSETEX 2 %k %v %k %v KEEPTTL",
    "DELIFEQ %k %v",
    "DELEX %k IFNE %v",
    "SETBIT %k %b 1",
    "SETBIT %k %b 0",
    "BITOP AND %k %k %k",
    "BITOP NOT %k %k",
    "BITOP DIFF %k %k %k",
    "BITOP ONE %k %k %k %k",
    "BITFIELD %k INCRBY i13 %b %n SET u7 %b 99",
    "BITFIELD %k OVERFLOW FAIL INCRBY u3 %b 5",
    "PFADD %k %v %v %n",
    "PFADD %k %b",
    "PFCOUNT %k",
    "PFMERGE %k %k %k",
    "PFDEBUG TODENSE %k",
    "DEL %k",
    "UNLINK %k %k",
    "EXPIRE %k %s",
    "EXPIRE %k %s NX",
    "PEXPIRE %k 500000 GT",
    "EXPIREAT %k 99999999999 XX",
    "PERSIST %k",
    "RENAME %k %k",
    "RENAMENX %k %k",
    "MOVE %k %d",
    "COPY %k %k REPLACE",
    "COPY %k %k DB %d",
};

static const char *const templates_of_types[] = {
    "RPUSH %L %e %e %e",
    "LPUSH %L %e",
    "SADD %S %e %e %e",
    "SREM %S %e",
    "ZADD %Z %n %e %n %e",
    "ZINCRBY %Z 0.1 %e",
    "GEOADD %Z %p %e %p %e",
    "GEOADD %Z CH XX %p %e",
    "GEORADIUS %Z %p 5000 km STORE %Z",
    "GEORADIUSBYMEMBER %Z %e 9000 km STOREDIST %Z",
    "GEOSEARCHSTORE %Z %Z FROMMEMBER %e BYBOX 9000 9000 km COUNT 3",
    "GEOSEARCHSTORE %Z %Z BYPOLYGON 3 %p %p %p STOREDIST",
    "SORT %L STORE %L",
    "SORT %S BY nosort STORE %L",
    "SORT %Z BY w_* GET # GET h_*->f DESC STORE %L",
    "SORT %L BY h_*->f LIMIT 0 %e ALPHA STORE %L",
    "SET w_%e %n",
    "DEL w_%e",
    "HSET h_%e f %n",
    "HEXPIREAT h_%e 99999999999 FIELDS 1 f",
    "HPERSIST h_%e FIELDS 1 f",
    "HDEL h_%e f",
    "LMOVE %L %L %o %o",
    "LMOVEM %L %L %o %o",
    "LMOVEM %L %L %o %o COUNT %e OBO",
    "LMOVEM %L %L %o %o COUNT %e BULK",
    "LMOVEM %L %L %o %o EXACTLY %e BULK",
    "LMPOP 2 %L %L %o COUNT %e",
    "SPOP %S",
    "SPOP %S %e",
    "SMOVE %S %S %e",
    "SUNIONSTORE %S %S %S",
    "SDIFFSTORE %S %S %S",
    "SINTERSTORE %S %S %S",
    "ZUNIONSTORE %Z 3 %Z %S %Z AGGREGATE COUNT",
    "ZUNIONSTORE %Z 2 %Z %Z WEIGHTS 0.5 %n AGGREGATE COUNT",
    "ZINTERSTORE %Z 2 %Z %S AGGREGATE COUNT",
    "ZINTERSTORE %Z 2 %Z %Z WEIGHTS %n 2",
    "ZDIFFSTORE %Z 2 %Z %S",
    "ZMPOP 2 %Z %Z MIN COUNT %e",
    "ZRANGESTORE %Z %Z 1 -1 REV",
    "ZREMRANGEBYRANK %Z 3 -3",
    "INCREX w_%e BYINT %n LBOUND 0 UBOUND 100",
    "INCREX w_%e BYFLOAT 0.%b UBOUND 20 SATURATE %t",
    "INCREX w_%e %t ENX",
    "INCREX w_%e PERSIST",
    "EXPIRE %L %s",
    "EXPIRE %Z 1000",
    "COPY %L %L REPLACE",
    "RENAME %Z %Z",
};

/* What a run is made of. */
struct mix {
    const char *const *templates;
    size_t template_count;
    const char *const *keys; /* formats with a number */
    size_t key_count;
    unsigned numbers; /* how many of each */
    unsigned every;   /* steps between two comparisons */
    const char *const *questions;
    size_t question_count;
};

static const char *random_line(const struct mix *mix, struct bytes *line)
{
    line->len = 0;
    for (const char *p = mix->templates[rand_below(&r, mix->template_count)]; *p; p++) {
        if (*p == '%')
            append_item(line, *++p);
        else
            bytes_append_char(line, *p);
    }
    return bytes_str(line);
}

/* Runs what the primary logged, but for the frames of groups, on the replica. */
static void replicate(void)
{
    struct bytes log = {0}, command = {0};
    struct slice part;
    while ((part = plog_peek(primary.log)).len) {
        bytes_append(&log, part.data, part.len);
        plog_advance(primary.log, part.len);
    }
    const char *p = log.data, *end = log.data + log.len;
    while (p < end) {
        const char *begin = p;
        long count = strtol(p + 1, (char **)&p, 10);
        struct slice first = {0}, second = {0};
        p += 2;
        for (long i = 0; i < count; i++) {
            long len = strtol(p + 1, (char **)&p, 10);
            *(i ? &second : &first) = slice_of(p + 2, (size_t)len);
            p += 2 + len + 2;
        }
        if (slice_is(first, "select")) {
            replica.client.db = (uint32_t)strtol(second.data, NULL, 10);
        } else if (!slice_is(first, "multi") && !slice_is(first, "exec")) {
            command.len = 0;
            bytes_append(&command, begin, (size_t)(p - begin));
            if (fixture_feed(&replica, &command)[0] == '-')
                fail_msg("refused %.*s: %s", (int)(p - begin), begin, replica.reply.data);
        }
    }
    bytes_free(&log);
    bytes_free(&command);
}

static void ask_both(const char *after, uint32_t db, const char *line)
{
    fixture_run(&primary, line);
    fixture_run(&replica, line);
    if (bytes_str(&primary.reply)[0] == '-')
        fail_msg("%s: %s", line, bytes_str(&primary.reply));
    if (!slice_eq(bytes_slice(&primary.reply), bytes_slice(&replica.reply)))
        fail_msg("after %s, in database %u: %s answers %s and, from the log, %s", after, db, line,
                 bytes_str(&primary.reply), bytes_str(&replica.reply));
}

static void compare(const struct mix *mix, const char *after)
{
    char key[32], line[64];
    uint32_t db = primary.client.db, replica_db = replica.client.db;
    for (uint32_t d = 0; d < DATABASES; d++) {
        primary.client.db = replica.client.db = d;
        for (size_t k = 0; k < mix->key_count * mix->numbers; k++) {
            snprintf(key, sizeof key, "%s%u", mix->keys[k / mix->numbers],
                     (unsigned)(k % mix->numbers));
            for (size_t q = 0; q < mix->question_count; q++) {
                snprintf(line, sizeof line, "%s %s", mix->questions[q], key);
                ask_both(after, d, line);
            }
        }
    }
    primary.client.db = db;
    replica.client.db = replica_db;
}

static uint64_t from_environment(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    return text ? strtoull(text, NULL, 10) : otherwise;
}

static void run(const struct mix *mix, const struct command *const *families, uint64_t steps)
{
    struct bytes line = {0};
    uint64_t seed = from_environment("SEED", rand_system());
    steps = from_environment("STEPS", steps);
    printf("SEED=%llu STEPS=%llu\n", (unsigned long long)seed, (unsigned long long)steps);
    rand_seed(&r, seed);
    fixture_open(&replica, families);
    fixture_open(&primary, families);
    primary.settings.enable_debug_command = replica.settings.enable_debug_command = ACTION_YES;
    for (uint64_t i = 0; i < steps; i++) {
        primary.client.db = (uint32_t)rand_below(&r, DATABASES);
        fixture_run(&primary, random_line(mix, &line));
        replicate();
        if (i % mix->every == 0)
            compare(mix, bytes_str(&line));
    }
    bytes_free(&line);
    fixture_close(&primary);
    fixture_close(&replica);
}

static void test_log_makes_the_same_keys(void **state)
{
    (void)state;
    static const struct command *const families[] = {string_commands, bitmap_commands,
                                                     hyperloglog_commands, generic_commands, NULL};
    static const char *const questions[] = {"GET", "PEXPIRETIME", "TYPE"};
    static const char *const keys[] = {"k"};
    const struct mix mix = {.templates = templates,
                            .template_count = COUNT_OF(templates),
                            .keys = keys,
                            .key_count = COUNT_OF(keys),
                            .numbers = KEYS,
                            .every = 1,
                            .questions = questions,
                            .question_count = COUNT_OF(questions)};
    run(&mix, families, 5000);
}

static void test_log_makes_the_same_values(void **state)
{
    (void)state;
    static const struct command *const families[] = {
        string_commands, list_commands, set_commands,     hash_commands,  zset_commands,
        geo_commands,    sort_commands, generic_commands, debug_commands, NULL};
    static const char *const questions[] = {"DEBUG DIGEST-VALUE", "PEXPIRETIME"};
    static const char *const keys[] = {"L", "S", "Z", "w_", "h_"};
    const struct mix mix = {.templates = templates_of_types,
                            .template_count = COUNT_OF(templates_of_types),
                            .keys = keys,
                            .key_count = COUNT_OF(keys),
                            .numbers = 12,
                            .every = 10,
                            .questions = questions,
                            .question_count = COUNT_OF(questions)};
    run(&mix, families, 3000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_log_makes_the_same_keys),
                                       cmocka_unit_test(test_log_makes_the_same_values)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
