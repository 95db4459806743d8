/* test_hash_expire.c - times to live of fields: answers, errors, effects, events; and what other
 * commands make of them. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include "commands/commands.h"
#include "engine_fixture.h"

#define FAR     "4102444800000" /* ms: the year 2100 */
#define FARTHER "4102444900000"

static struct engine_fixture f;

static void forget(void)
{
    fixture_log(&f);
    fixture_events(&f);
    fixture_dirty(&f);
}

static void fresh(const char *hset)
{
    fixture_reset(&f);
    fixture_run(&f, hset);
    forget();
}

static void test_expire(void **state)
{
    fresh("HSET k a 1 b 2 c 3");
    EXPECT(&f, "HPEXPIREAT k " FAR " FIELDS 3 a x b", "*3\r\n:1\r\n:-2\r\n:1");
    EXPECT(&f, "HEXPIREAT k 4102444900 fields 1 a", "*1\r\n:1");
    EXPECT_LOG(&f, "HPEXPIREAT k " FAR " FIELDS 2 a b; HPEXPIREAT k " FARTHER " FIELDS 1 a");
    EXPECT_EVENTS(&f, "h:hexpire:k h:hexpire:k");
    EXPECT_DIRTY(&f, 3);
    assert_string_equal(fixture_encoding(&f, "k"), "listpackex");
    EXPECT(&f, "HPEXPIRETIME k FIELDS 4 a b c x", "*4\r\n:" FARTHER "\r\n:" FAR "\r\n:-1\r\n:-2");
    EXPECT(&f, "HEXPIRETIME k FIELDS 1 a", "*1\r\n:4102444900");
    EXPECT(&f, "HPEXPIREAT k 4102444800001 FIELDS 1 c", "*1\r\n:1");
    EXPECT(&f, "HEXPIRETIME k FIELDS 1 c", "*1\r\n:4102444801"); /* rounded up */
    EXPECT(&f, "HEXPIRE k 100 FIELDS 1 c", "*1\r\n:1");
    EXPECT(&f, "HTTL k FIELDS 1 c", "*1\r\n:100");
    EXPECT(&f, "HPEXPIRE k 100000 FIELDS 1 c", "*1\r\n:1");
    EXPECT(&f, "HTTL k FIELDS 2 c x", "*2\r\n:100\r\n:-2");
    EXPECT(&f, "HPEXPIRE none 1 FIELDS 2 a b", "*2\r\n:-2\r\n:-2");
    EXPECT(&f, "HTTL none FIELDS 2 a b", "*2\r\n:-2\r\n:-2");
    EXPECT(&f, "EXISTS none", ":0");
}

static void test_conditions(void **state)
{
    fresh("HSET k a 1 b 2");
    EXPECT(&f, "HPEXPIREAT k " FAR " XX FIELDS 1 a", "*1\r\n:0");
    EXPECT(&f, "HPEXPIREAT k " FAR " GT FIELDS 1 a", "*1\r\n:0");
    EXPECT_LOG(&f, "");
    EXPECT_EVENTS(&f, "");
    EXPECT_DIRTY(&f, 0);
    EXPECT(&f, "HPEXPIREAT k " FAR " LT FIELDS 1 a", "*1\r\n:1");
    EXPECT(&f, "HPEXPIREAT k " FARTHER " NX FIELDS 2 a b", "*2\r\n:0\r\n:1");
    EXPECT(&f, "HPEXPIREAT k " FAR " gt FIELDS 2 a b", "*2\r\n:0\r\n:0");
    EXPECT(&f, "HPEXPIREAT k " FARTHER " LT FIELDS 2 a b", "*2\r\n:0\r\n:0");
    EXPECT(&f, "HPEXPIREAT k " FARTHER " GT FIELDS 2 a b", "*2\r\n:1\r\n:0");
    EXPECT(&f, "HPEXPIREAT k " FAR " LT FIELDS 2 a b", "*2\r\n:1\r\n:1");
    EXPECT(&f, "HPEXPIREAT k " FARTHER " XX FIELDS 2 a b", "*2\r\n:1\r\n:1");
    /* A time that is past: the condition comes first. */
    EXPECT(&f, "HPEXPIREAT k 1 GT FIELDS 1 a", "*1\r\n:0");
    EXPECT(&f, "HPEXPIREAT k 1 LT FIELDS 1 a", "*1\r\n:2");
}

static void test_past_times_delete(void **state)
{
    fresh("HSET k a 1 b 2 c 3");
    EXPECT(&f, "HEXPIRE k 0 FIELDS 3 a a x", "*3\r\n:2\r\n:-2\r\n:-2");
    EXPECT(&f, "HPEXPIREAT k 0 FIELDS 1 b", "*1\r\n:2");
    EXPECT_EVENTS(&f, "h:hdel:k h:hdel:k");
    EXPECT(&f, "HEXPIREAT k 1000 FIELDS 1 c", "*1\r\n:2");
    EXPECT_LOG(&f, "HDEL k a; HDEL k b; HDEL k c");
    EXPECT_EVENTS(&f, "h:hdel:k g:del:k");
    EXPECT_DIRTY(&f, 3);
    EXPECT(&f, "EXISTS k", ":0");
}

static void test_persist(void **state)
{
    fresh("HSET k a 1 b 2");
    EXPECT(&f, "HPEXPIREAT k " FAR " FIELDS 1 a", "*1\r\n:1");
    forget();
    EXPECT(&f, "HPERSIST k FIELDS 3 a b x", "*3\r\n:1\r\n:-1\r\n:-2");
    EXPECT_LOG(&f, "HPERSIST k FIELDS 3 a b x");
    EXPECT(&f, "HPERSIST k FIELDS 1 a", "*1\r\n:-1");
    EXPECT(&f, "HPERSIST none FIELDS 1 a", "*1\r\n:-2");
    EXPECT_LOG(&f, "");
    EXPECT_EVENTS(&f, "h:hpersist:k");
    EXPECT_DIRTY(&f, 1);
    assert_string_equal(fixture_encoding(&f, "k"), "listpack");
}

#define NO_FIELDS "-ERR Mandatory argument FIELDS is missing or not at the right position"
#define MISMATCH  "-ERR The `numfields` parameter must match the number of arguments"
#define TOO_FEW   "-ERR Parameter `numFields` should be greater than 0"
#define NO_COUNT  "-ERR Number of fields must be a positive integer"
#define NEGATIVE  "-ERR invalid expire time, must be >= 0"

static void test_errors(void **state)
{
    fresh("HSET k a 1");
    EXPECT(&f, "HEXPIRE k 1 FIELDS 1", "-ERR wrong number of arguments for 'hexpire' command");
    EXPECT(&f, "HEXPIRE k 1 FIELD 1 a", NO_FIELDS);
    EXPECT(&f, "HEXPIRE k 1 NX XX FIELDS 1 a", NO_FIELDS);
    EXPECT(&f, "HEXPIRE k 1 1 a FIELDS", NO_FIELDS);
    EXPECT(&f, "HEXPIRE k 1 FIELDS 0 a", TOO_FEW);
    EXPECT(&f, "HEXPIRE k 1 FIELDS x a", TOO_FEW);
    EXPECT(&f, "HEXPIRE k 1 FIELDS 2 a", MISMATCH);
    EXPECT(&f, "HEXPIRE k 1 FIELDS 1 a b", MISMATCH);
    EXPECT(&f, "HEXPIRE k 1 NX FIELDS 1", MISMATCH);
    EXPECT(&f, "HEXPIRE k x FIELDS 1 a", NOT_INTEGER);
    EXPECT(&f, "HEXPIRE k -1 FIELDS 1 a", NEGATIVE);
    EXPECT(&f, "HPEXPIREAT k 70368744177663 FIELDS 1 a", "*1\r\n:1");
    EXPECT(&f, "HPEXPIREAT k 70368744177664 FIELDS 1 a",
           "-ERR invalid expire time in 'hpexpireat' command");
    EXPECT(&f, "HEXPIREAT k 70368744177 FIELDS 1 a", "*1\r\n:1");
    EXPECT(&f, "HEXPIREAT k 70368744178 FIELDS 1 a",
           "-ERR invalid expire time in 'hexpireat' command");
    EXPECT(&f, "HPEXPIRE k 70368744177663 FIELDS 1 a",
           "-ERR invalid expire time in 'hpexpire' command");
    EXPECT(&f, "HEXPIRE k 9223372036854775807 FIELDS 1 a",
           "-ERR invalid expire time in 'hexpire' command");
    EXPECT(&f, "HTTL k FIELDS 0 a", NO_COUNT);
    EXPECT(&f, "HTTL k FIELDS 2 a", MISMATCH);
    EXPECT(&f, "HTTL k a 1 FIELDS", NO_FIELDS);
    EXPECT(&f, "HPERSIST k FIELDS -1 a", NO_COUNT);
    EXPECT(&f, "HPERSIST k FIELDS 2 a", MISMATCH);
    EXPECT(&f, "HGETDEL k FIELD 1 a", NO_FIELDS);
    EXPECT(&f, "HGETDEL k FIELDS 0 a", NO_COUNT);
    EXPECT(&f, "HGETDEL k FIELDS 2 a", MISMATCH);
    EXPECT(&f, "HGETEX k PXAT 1 1", NO_FIELDS);
    EXPECT(&f, "HGETEX k PERSIST 1 FIELDS 1 a", NO_FIELDS);
    EXPECT(&f, "HGETEX k EX -1 FIELDS 1 a", NEGATIVE);
    EXPECT(&f, "HGETEX k FIELDS 0 a", NO_COUNT);
    EXPECT(&f, "HGETEX k FIELDS 2 a", MISMATCH);
    EXPECT(&f, "SET s v", "+OK");
    EXPECT(&f, "HEXPIRE s x FIELDS 1 a", WRONG_TYPE);
    EXPECT(&f, "HTTL s FIELDS 1 a", WRONG_TYPE);
    EXPECT(&f, "HPERSIST s FIELDS 1 a", WRONG_TYPE);
    EXPECT(&f, "HGETDEL s FIELDS 1 a", WRONG_TYPE);
    EXPECT(&f, "HGETEX s FIELDS 1 a", WRONG_TYPE);
    EXPECT(&f, "HSETEX s FIELDS 1 a 1", WRONG_TYPE);
}

static void test_hgetdel(void **state)
{
    fresh("HSET k a 1 b 2");
    EXPECT(&f, "HGETDEL k FIELDS 3 a x a", "*3\r\n$1\r\n1\r\n$-1\r\n$-1");
    EXPECT(&f, "HGETDEL k FIELDS 1 x", "*1\r\n$-1");
    EXPECT(&f, "HGETDEL none FIELDS 2 a b", "*2\r\n$-1\r\n$-1");
    EXPECT(&f, "HGETDEL k FIELDS 1 b", "*1\r\n$1\r\n2");
    EXPECT_LOG(&f, "HDEL k a; HDEL k b");
    EXPECT_EVENTS(&f, "h:hdel:k h:hdel:k g:del:k");
    EXPECT_DIRTY(&f, 2);
    EXPECT(&f, "EXISTS k", ":0");
}

static void test_hgetex(void **state)
{
    fresh("HSET k a 1 b 2");
    EXPECT(&f, "HGETEX k FIELDS 2 a x", "*2\r\n$1\r\n1\r\n$-1");
    EXPECT_LOG(&f, "");
    EXPECT(&f, "HGETEX k PXAT " FAR " FIELDS 2 a x", "*2\r\n$1\r\n1\r\n$-1");
    EXPECT(&f, "HGETEX k EXAT 4102444900 FIELDS 1 b", "*1\r\n$1\r\n2");
    EXPECT_LOG(&f, "HPEXPIREAT k " FAR " FIELDS 1 a; HPEXPIREAT k " FARTHER " FIELDS 1 b");
    EXPECT(&f, "HPEXPIRETIME k FIELDS 2 a b", "*2\r\n:" FAR "\r\n:" FARTHER);
    EXPECT(&f, "HGETEX k PERSIST FIELDS 1 a", "*1\r\n$1\r\n1");
    EXPECT(&f, "HGETEX k PERSIST FIELDS 1 a", "*1\r\n$1\r\n1");
    EXPECT_LOG(&f, "HPERSIST k FIELDS 1 a");
    EXPECT(&f, "HGETEX k EX 0 FIELDS 2 a b", "*2\r\n$1\r\n1\r\n$1\r\n2");
    EXPECT_LOG(&f, "HDEL k a b");
    EXPECT_EVENTS(&f, "h:hexpire:k h:hexpire:k h:hpersist:k h:hdel:k g:del:k");
    EXPECT_DIRTY(&f, 5);
    EXPECT(&f, "HGETEX k EX 10 FIELDS 1 a", "*1\r\n$-1");
    EXPECT(&f, "EXISTS k", ":0");
}

static void test_hsetex(void **state)
{
    fresh("HSET k a 1");
    EXPECT(&f, "HSETEX k PXAT " FAR " FIELDS 2 a 2 b 3", ":1");
    EXPECT(&f, "HSETEX k KEEPTTL FIELDS 1 a 4", ":1");
    EXPECT(&f, "HSETEX k FIELDS 1 b 5", ":1");
    EXPECT_LOG(&f, "HSETEX k PXAT " FAR " FIELDS 2 a 2 b 3; HSETEX k KEEPTTL FIELDS 1 a 4; "
                   "HSET k b 5");
    EXPECT_EVENTS(&f, "h:hset:k h:hexpire:k h:hset:k h:hset:k");
    EXPECT_DIRTY(&f, 4);
    EXPECT(&f, "HPEXPIRETIME k FIELDS 2 a b", "*2\r\n:" FAR "\r\n:-1");
    EXPECT(&f, "HSETEX k FNX FIELDS 2 c 1 a 1", ":0");
    EXPECT(&f, "HSETEX k FXX FIELDS 2 c 1 a 1", ":0");
    EXPECT(&f, "HSETEX k NX FIELDS 1 c 1", ":0");
    EXPECT(&f, "HSETEX none XX FIELDS 1 c 1", ":0");
    EXPECT(&f, "HSETEX none FXX FIELDS 1 c 1", ":0");
    EXPECT(&f, "EXISTS none", ":0");
    EXPECT_LOG(&f, "");
    EXPECT(&f, "HSETEX k XX FXX PXAT " FAR " FIELDS 1 b 6", ":1");
    EXPECT(&f, "HSETEX new fnx nx pxat " FAR " fields 1 c 1", ":1");
    EXPECT_LOG(&f, "HSETEX k PXAT " FAR " FIELDS 1 b 6; HSETEX new PXAT " FAR " FIELDS 1 c 1");
    forget();
    /* What is past when it is set is removed. */
    EXPECT(&f, "HSETEX k PX 0 FIELDS 2 a 1 x 2", ":1");
    EXPECT(&f, "HSETEX k EXAT 1 FIELDS 1 x 2", ":1");
    EXPECT(&f, "HSETEX none EXAT 1 FIELDS 1 x 2", ":1");
    EXPECT(&f, "HSETEX k EXAT 1 FIELDS 2 b 1 b 2", ":1");
    EXPECT_LOG(&f, "HDEL k a; HDEL k b");
    EXPECT_EVENTS(&f, "h:hdel:k h:hdel:k g:del:k");
    EXPECT(&f, "EXISTS k none", ":0");
}

static void test_hsetex_errors(void **state)
{
    static const char arity[] = "-ERR wrong number of arguments for 'hsetex' command";
    static const char expiry[] =
        "-ERR Only one of EX, PX, EXAT, PXAT or KEEPTTL arguments can be specified";
    fixture_reset(&f);
    EXPECT(&f, "HSETEX k FIELDS 1 a", arity);
    EXPECT(&f, "HSETEX k EX 1 FIELDS 1 a", arity);
    EXPECT(&f, "HSETEX k FIELDS 1 a 1 b", arity);
    EXPECT(&f, "HSETEX k FIELDS 2 a 1 b", arity);
    EXPECT(&f, "HSETEX k FIELDS 1 a 1 b 2", arity);
    EXPECT(&f, "HSETEX k FIELDS 0 a 1", "-ERR invalid number of fields");
    EXPECT(&f, "HSETEX k EX 1 PX 1 FIELDS 1 a 1", expiry);
    EXPECT(&f, "HSETEX k KEEPTTL PX 1 FIELDS 1 a 1", expiry);
    EXPECT(&f, "HSETEX k EX 1 KEEPTTL FIELDS 1 a 1", expiry);
    EXPECT(&f, "HSETEX k FNX FXX FIELDS 1 a 1",
           "-ERR Only one of FXX or FNX arguments can be specified");
    EXPECT(&f, "HSETEX k XX NX FIELDS 1 a 1",
           "-ERR Only one of NX or XX arguments can be specified");
    EXPECT(&f, "HSETEX k NX FIELD 1 a 1", "-ERR unknown argument: FIELD");
    EXPECT(&f, "HSETEX k NX NX NX NX", "-ERR missing FIELDS argument");
    EXPECT(&f, "HSETEX k NX FNX NX EX", "-ERR missing expire time");
    EXPECT(&f, "HSETEX k EX -1 FIELDS 1 a 1", NEGATIVE);
    EXPECT(&f, "HSETEX k EX x FIELDS 1 a 1", NOT_INTEGER);
    EXPECT(&f, "EXISTS k", ":0");
}

static void test_other_commands(void **state)
{
    fresh("HSETEX k PXAT " FAR " FIELDS 4 a 1 b 2 c 3 d 4");
    EXPECT(&f, "HSET k a 5", ":0");
    EXPECT(&f, "HINCRBY k b 1", ":3");
    EXPECT_BULK(&f, "HINCRBYFLOAT k c 0.5", "3.5");
    EXPECT_LOG(&f, "HSET k a 5; HINCRBY k b 1; MULTI; HSET k c 3.5; HPEXPIREAT k " FAR
                   " FIELDS 1 c; EXEC");
    EXPECT(&f, "HSETNX k d 5", ":0");
    EXPECT(&f, "HPEXPIRETIME k FIELDS 4 a b c d", "*4\r\n:-1\r\n:" FAR "\r\n:" FAR "\r\n:" FAR);
    EXPECT(&f, "COPY k copy", ":1");
    EXPECT(&f, "RENAME k other", "+OK");
    EXPECT(&f, "HPEXPIRETIME other FIELDS 2 a b", "*2\r\n:-1\r\n:" FAR);
    EXPECT(&f, "HPEXPIRETIME copy FIELDS 2 a b", "*2\r\n:-1\r\n:" FAR);
    EXPECT(&f, "PEXPIREAT copy " FARTHER, ":1");
    EXPECT(&f, "HPEXPIRETIME copy FIELDS 2 a b", "*2\r\n:-1\r\n:" FAR);
    assert_int_equal(keyspace_elements_expire(f.server.keyspace, 0), 2);
    EXPECT(&f, "HDEL copy b c d", ":3");
    assert_int_equal(keyspace_elements_expire(f.server.keyspace, 0), 1);
    EXPECT(&f, "DEL other", ":1");
    assert_int_equal(keyspace_elements_expire(f.server.keyspace, 0), 0);
}

/* ---- fields whose time has come ---- */

/* Nobody but commands removes what is past; there are more of such fields than one looks at. */
static void fill_past(void)
{
    char line[128];
    fixture_reset(&f);
    for (int i = 0; i < 200; i++) {
        snprintf(line, sizeof line, "HSETEX k PX 100000 FIELDS 1 past%d 7", i);
        EXPECT(&f, line, ":1");
    }
    EXPECT(&f, "HSET k a 1", ":1");
    EXPECT(&f, "HSETEX all PX 100000 FIELDS 2 a 1 b 2", ":1");
    clock_shift_ms(100001);
    forget();
}

static void test_past_is_not_seen(void **state)
{
    fill_past();
    EXPECT(&f, "HGETALL k", "*2\r\n$1\r\na\r\n$1\r\n1");
    EXPECT(&f, "HKEYS k", "*1\r\n$1\r\na");
    EXPECT(&f, "HVALS k", "*1\r\n$1\r\n1");
    EXPECT(&f, "HLEN k", ":1");
    EXPECT(&f, "HLEN all", ":0");
    EXPECT(&f, "EXISTS all", ":0");
    const char *log = fixture_log(&f);
    assert_non_null(strstr(log, "HDEL k past0"));
    assert_non_null(strstr(log, "; HDEL all "));
    assert_null(strstr(log, "HDEL k a"));
    assert_int_equal(f.lane.stats.keyspace.expired_elements, 202);
}

/* As a client sees it that may not remove anything: CLIENT PAUSE. */
static void test_past_is_not_seen_where_it_stays(void **state)
{
    fill_past();
    f.server.pause_until_ms = UINT64_MAX;
    EXPECT(&f, "HGETALL k", "*2\r\n$1\r\na\r\n$1\r\n1");
    EXPECT(&f, "HLEN k", ":201");
    EXPECT(&f, "HEXISTS k past3", ":0");
    EXPECT(&f, "HMGET k past3 a", "*2\r\n$-1\r\n$1\r\n1");
    EXPECT(&f, "HSTRLEN k past3", ":0");
    EXPECT(&f, "HPTTL k FIELDS 2 past3 a", "*2\r\n:-2\r\n:-1");
    EXPECT(&f, "HRANDFIELD k 300", "*1\r\n$1\r\na");
    EXPECT(&f, "HRANDFIELD k -2", "*2\r\n$1\r\na\r\n$1\r\na");
    EXPECT(&f, "HRANDFIELD all -2", "*0");
    EXPECT(&f, "HRANDFIELD all 2", "*0");
    EXPECT(&f, "HRANDFIELD all", "$-1");
    EXPECT(&f, "HSCAN k 0 COUNT 1000", "*2\r\n$1\r\n0\r\n*2\r\n$1\r\na\r\n$1\r\n1");
    EXPECT(&f, "HGETALL all", "*0");
    EXPECT_LOG(&f, "");
    f.server.pause_until_ms = 0;
}

/* Whoever changes a field that is past finds it absent, and the log says that it went first. */
static void test_changing_what_is_past(void **state)
{
    static const struct {
        const char *command, *reply, *log;
    } cases[] = {
        {"HINCRBY k past199 1", ":1", "HDEL k past199; HINCRBY k past199 1"},
        {"HINCRBYFLOAT k past199 1", "$1\r\n1", "HDEL k past199; HSET k past199 1"},
        {"HSETNX k past199 x", ":1", "HDEL k past199; HSETNX k past199 x"},
        {"HSET k past199 x", ":1", "HDEL k past199; HSET k past199 x"},
        {"HSETEX k FNX KEEPTTL FIELDS 1 past199 x", ":1",
         "HDEL k past199; HSETEX k KEEPTTL FIELDS 1 past199 x"},
        {"HSETEX k FXX FIELDS 1 past199 x", ":0", "HDEL k past199"},
        {"HDEL k past199", ":0", "HDEL k past199"},
        {"HEXPIRE k 10 FIELDS 1 past199", "*1\r\n:-2", "HDEL k past199"},
        {"HPERSIST k FIELDS 1 past199", "*1\r\n:-2", "HDEL k past199"},
        {"HGETDEL k FIELDS 1 past199", "*1\r\n$-1", "HDEL k past199"},
        {"HGETEX k PERSIST FIELDS 1 past199", "*1\r\n$-1", "HDEL k past199"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        fill_past();
        EXPECT(&f, cases[i].command, cases[i].reply);
        const char *log = fixture_log(&f), *tail = strstr(log, "HDEL k past199");
        assert_non_null(tail);
        assert_string_equal(tail, cases[i].log);
    }
    fixture_reset(&f);
    EXPECT(&f, "HSETEX k PX 1 FIELDS 1 a 5", ":1");
    clock_shift_ms(2);
    EXPECT(&f, "HINCRBY k a 1", ":1");
    EXPECT(&f, "HTTL k FIELDS 1 a", "*1\r\n:-1");
}

/* The loader's client sees what the log says, whatever the time is. */
static void test_loading(void **state)
{
    fresh("HSET k a 1");
    f.client.flags |= CLIENT_INTERNAL;
    EXPECT(&f, "HPEXPIREAT k 1000 FIELDS 1 a", "*1\r\n:1");
    EXPECT(&f, "HSETEX k PXAT 2000 FIELDS 1 b 5", ":1");
    EXPECT(&f, "HSETEX k KEEPTTL FIELDS 1 b 6", ":1");
    EXPECT(&f, "HINCRBY k b 1", ":7");
    EXPECT(&f, "HSETNX k a x", ":0");
    EXPECT(&f, "HPEXPIRETIME k FIELDS 2 a b", "*2\r\n:1000\r\n:2000");
    f.client.flags &= ~(uint32_t)CLIENT_INTERNAL;
    EXPECT(&f, "HLEN k", ":0");
    EXPECT(&f, "EXISTS k", ":0");
}

static int setup(void **state)
{
    static const struct command *const families[] = {hash_commands, string_commands,
                                                     generic_commands, NULL};
    fixture_open(&f, families);
    return 0;
}

static int teardown(void **state)
{
    fixture_close(&f);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_expire),
        cmocka_unit_test(test_conditions),
        cmocka_unit_test(test_past_times_delete),
        cmocka_unit_test(test_persist),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_hgetdel),
        cmocka_unit_test(test_hgetex),
        cmocka_unit_test(test_hsetex),
        cmocka_unit_test(test_hsetex_errors),
        cmocka_unit_test(test_other_commands),
        cmocka_unit_test(test_past_is_not_seen),
        cmocka_unit_test(test_past_is_not_seen_where_it_stays),
        cmocka_unit_test(test_changing_what_is_past),
        cmocka_unit_test(test_loading),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
