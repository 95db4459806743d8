/* test_generic.c - commands on keys of any type: replies, order of errors, effects, events. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include "commands/commands.h"
#include "engine_fixture.h"

#define BAD_TIME(name) "-ERR invalid expire time in '" name "' command"

static struct engine_fixture f;

static void test_del_and_friends(void **state)
{
    (void)state;
    fixture_reset(&f);
    EXPECT(&f, "MSET a 1 b 2 c 3", "+OK");
    fixture_make_list(&f, "l");
    EXPECT(&f, "EXISTS a a none l", ":3");
    EXPECT(&f, "TOUCH a a none", ":2");
    EXPECT(&f, "TYPE a", "+string");
    EXPECT(&f, "TYPE l", "+list");
    EXPECT(&f, "TYPE none", "+none");
    fixture_log(&f);
    fixture_events(&f);
    fixture_dirty(&f);
    EXPECT(&f, "DEL a a none", ":1");
    EXPECT(&f, "UNLINK b l", ":2");
    EXPECT(&f, "DEL none", ":0");
    EXPECT_LOG(&f, "DEL a a none; UNLINK b l");
    EXPECT_EVENTS(&f, "g:del:a g:del:b g:del:l");
    EXPECT_DIRTY(&f, 3);
    EXPECT(&f, "EXISTS a b c l", ":1");
}

static void test_expire(void **state)
{
    (void)state;
    fixture_reset(&f);
    EXPECT(&f, "SET k v", "+OK");
    EXPECT(&f, "TTL k", ":-1");
    EXPECT(&f, "PEXPIRETIME k", ":-1");
    EXPECT(&f, "TTL none", ":-2");
    EXPECT(&f, "EXPIRETIME none", ":-2");
    fixture_log(&f);
    fixture_events(&f);
    EXPECT(&f, "EXPIREAT k 99999999999", ":1");
    EXPECT(&f, "EXPIRETIME k", ":99999999999");
    EXPECT(&f, "PEXPIREAT k 99999999999499", ":1");
    EXPECT(&f, "EXPIRETIME k", ":99999999999");
    EXPECT(&f, "PEXPIREAT k 99999999999500", ":1");
    EXPECT(&f, "EXPIRETIME k", ":100000000000");
    EXPECT_LOG(&f, "PEXPIREAT k 99999999999000; PEXPIREAT k 99999999999499; "
                   "PEXPIREAT k 99999999999500");
    EXPECT(&f, "PERSIST k", ":1");
    EXPECT(&f, "PERSIST k", ":0");
    EXPECT(&f, "PERSIST none", ":0");
    EXPECT(&f, "EXPIRE none 10", ":0");
    EXPECT_LOG(&f, "PERSIST k");
    EXPECT_EVENTS(&f, "g:expire:k g:expire:k g:expire:k g:persist:k");
    EXPECT(&f, "EXPIRE k 100", ":1");
    EXPECT(&f, "TTL k", ":100");
    EXPECT(&f, "PEXPIRE k 1500", ":1");
    int64_t left = strtoll(fixture_run(&f, "PTTL k") + 1, NULL, 10);
    assert_in_range(left, 500, 1500);
    fixture_log(&f);
    fixture_events(&f);
    EXPECT(&f, "EXPIRE k 0", ":1");
    EXPECT(&f, "EXISTS k", ":0");
    EXPECT_LOG(&f, "DEL k");
    EXPECT_EVENTS(&f, "g:del:k");
    f.settings.lazyfree_lazy_expire = true;
    EXPECT(&f, "SET k v", "+OK");
    EXPECT(&f, "EXPIREAT k -1", ":1");
    EXPECT_LOG(&f, "SET k v; UNLINK k");
    f.settings.lazyfree_lazy_expire = false;
}

static void test_expire_conditions(void **state)
{
    (void)state;
    fixture_reset(&f);
    EXPECT(&f, "SET k v", "+OK");
    EXPECT(&f, "EXPIREAT k 99999999999 XX", ":0");
    EXPECT(&f, "EXPIREAT k 99999999999 GT", ":0");
    EXPECT(&f, "EXPIREAT k 99999999999 NX", ":1");
    EXPECT(&f, "EXPIREAT k 99999999998 NX", ":0");
    EXPECT(&f, "EXPIREAT k 99999999999 GT", ":0");
    EXPECT(&f, "EXPIREAT k 99999999999 LT", ":0");
    EXPECT(&f, "EXPIREAT k 99999999998 LT", ":1");
    EXPECT(&f, "EXPIREAT k 99999999997 gt xx", ":0");
    EXPECT(&f, "EXPIREAT k 99999999999 XX GT", ":1");
    EXPECT(&f, "PERSIST k", ":1");
    EXPECT(&f, "EXPIREAT k 99999999999 LT", ":1");
    EXPECT(&f, "EXPIRE k a FOO", "-ERR Unsupported option FOO");
    EXPECT(&f, "EXPIRE k a", NOT_INTEGER);
    EXPECT(&f, "EXPIRE none a", NOT_INTEGER);
    EXPECT(&f, "EXPIRE none 1 NX GT",
           "-ERR NX and XX, GT or LT options at the same time are not compatible");
    EXPECT(&f, "EXPIRE none 1 GT LT", "-ERR GT and LT options at the same time are not compatible");
}

static void test_expire_bounds(void **state)
{
    (void)state;
    fixture_reset(&f);
    EXPECT(&f, "SET k v", "+OK");
    EXPECT(&f, "EXPIRE k 9223372036854775807", BAD_TIME("expire"));
    EXPECT(&f, "EXPIRE k 9223372036854775", BAD_TIME("expire"));
    EXPECT(&f, "EXPIRE none -9223372036854776", BAD_TIME("expire"));
    EXPECT(&f, "EXPIRE none -9223372036854775", ":0");
    EXPECT(&f, "PEXPIRE k 9223372036854775807", BAD_TIME("pexpire"));
    EXPECT(&f, "EXPIREAT k 9223372036854776", BAD_TIME("expireat"));
    EXPECT(&f, "EXPIREAT k 9223372036854775", ":1");
    EXPECT(&f, "PEXPIREAT k 9223372036854775807", ":1");
    EXPECT(&f, "PEXPIRETIME k", ":9223372036854775807");
    EXPECT(&f, "EXPIRETIME k", ":9223372036854776");
    EXPECT(&f, "PEXPIRE none -9223372036854775808", ":0");
    EXPECT(&f, "PEXPIREAT k -9223372036854775808", ":1");
    EXPECT(&f, "EXISTS k", ":0");
}

static void test_rename(void **state)
{
    (void)state;
    fixture_reset(&f);
    EXPECT(&f, "SET a 1 PXAT 99999999999999", "+OK");
    EXPECT(&f, "SET b 2", "+OK");
    fixture_log(&f);
    fixture_events(&f);
    EXPECT(&f, "RENAME a a", "+OK");
    EXPECT(&f, "RENAMENX a a", ":0");
    EXPECT(&f, "RENAMENX a b", ":0");
    EXPECT(&f, "RENAME none none", "-ERR no such key");
    EXPECT(&f, "RENAMENX none b", "-ERR no such key");
    EXPECT_LOG(&f, "");
    EXPECT(&f, "RENAME a b", "+OK");
    EXPECT(&f, "RENAMENX b c", ":1");
    EXPECT_LOG(&f, "RENAME a b; RENAMENX b c");
    EXPECT_EVENTS(&f, "g:rename_from:a g:rename_to:b g:rename_from:b g:rename_to:c");
    EXPECT(&f, "PEXPIRETIME c", ":99999999999999");
    EXPECT_BULK(&f, "GET c", "1");
    EXPECT(&f, "EXISTS a b", ":0");
}

static void test_move_and_copy(void **state)
{
    (void)state;
    fixture_reset(&f);
    EXPECT(&f, "SET a 1 PXAT 99999999999999", "+OK");
    EXPECT(&f, "MOVE a x", NOT_INTEGER);
    EXPECT(&f, "MOVE a 16", "-ERR DB index is out of range");
    EXPECT(&f, "MOVE a -1", "-ERR DB index is out of range");
    EXPECT(&f, "MOVE a 99999999999",
           "-ERR value is out of range, value must between -2147483648 and 2147483647");
    EXPECT(&f, "MOVE none 0", "-ERR source and destination objects are the same");
    EXPECT(&f, "MOVE none 1", ":0");
    fixture_log(&f);
    fixture_events(&f);
    EXPECT(&f, "MOVE a 15", ":1");
    EXPECT_EVENTS(&f, "g:move_from:a g:move_to:a");
    EXPECT(&f, "EXISTS a", ":0");
    f.client.db = 15;
    EXPECT(&f, "PEXPIRETIME a", ":99999999999999");
    EXPECT(&f, "COPY a a DB 0", ":1");
    EXPECT(&f, "MOVE a 0", ":0");
    EXPECT_LOG(&f, "MOVE a 15; COPY a a DB 0");
    f.client.db = 0;
    EXPECT_BULK(&f, "GET a", "1");
    EXPECT(&f, "PEXPIRETIME a", ":99999999999999");
    EXPECT(&f, "COPY a b", ":1");
    EXPECT(&f, "COPY a b", ":0");
    EXPECT(&f, "COPY none b REPLACE", ":0");
    EXPECT(&f, "SET b 2", "+OK");
    EXPECT(&f, "COPY b a REPLACE replace DB 0", ":1");
    EXPECT_BULK(&f, "GET a", "2");
    EXPECT(&f, "TTL a", ":-1");
    EXPECT(&f, "COPY a a", "-ERR source and destination objects are the same");
    EXPECT(&f, "COPY none none DB 0", "-ERR source and destination objects are the same");
    EXPECT(&f, "COPY a b DB", SYNTAX);
    EXPECT(&f, "COPY a b FOO", SYNTAX);
    EXPECT(&f, "COPY a b DB x", NOT_INTEGER);
    EXPECT(&f, "COPY a b DB 16", "-ERR DB index is out of range");
}

/* A copy of a large string shares its bytes until one of the two is written. */
static void test_copy_of_large_string(void **state)
{
    (void)state;
    fixture_reset(&f);
    EXPECT(&f, "SETRANGE a 99999 x", ":100000");
    EXPECT(&f, "COPY a b", ":1");
    EXPECT(&f, "SETRANGE b 0 B", ":100000");
    EXPECT(&f, "APPEND a A", ":100001");
    EXPECT(&f, "STRLEN b", ":100000");
    fixture_run(&f, "GETRANGE a 0 0");
    assert_memory_equal(f.reply.data, "$1\r\n\0\r\n", 7);
    EXPECT_BULK(&f, "GETRANGE b 0 0", "B");
}

static void test_dump_and_restore(void **state)
{
    (void)state;
    fixture_reset(&f);
    EXPECT(&f, "DUMP none", "$-1");
    EXPECT(&f, "SET a 10", "+OK");
    fixture_run(&f, "DUMP a");
    /* type 0, the number 10 as one byte, version and check sum of 10 bytes */
    assert_int_equal(f.reply.len, 5 + 13 + 2);
    assert_memory_equal(f.reply.data, "$13\r\n\0\xc0\n", 8);
    char quoted[128] = "\"";
    for (size_t i = 0; i < 13; i++)
        snprintf(quoted + 1 + 4 * i, 5, "\\x%02x", (unsigned char)f.reply.data[5 + i]);
    strcat(quoted, "\"");
    char line[256];
    fixture_log(&f);
    fixture_events(&f);
    snprintf(line, sizeof line, "RESTORE b 0 %s", quoted);
    EXPECT(&f, line, "+OK");
    EXPECT_EVENTS(&f, "g:restore:b");
    EXPECT(&f, line, "-BUSYKEY Target key name already exists.");
    EXPECT_BULK(&f, "GET b", "10");
    EXPECT(&f, "PTTL b", ":-1");
    assert_string_equal(fixture_encoding(&f, "b"), "int");
    fixture_log(&f);
    snprintf(line, sizeof line, "RESTORE b 1000 %s REPLACE IDLETIME 500", quoted);
    EXPECT(&f, line, "+OK");
    const char *log = fixture_log(&f);
    assert_memory_equal(log, "RESTORE b ", 10);
    assert_in_range(strtoll(log + 10, NULL, 10), clock_wall_ms(), clock_wall_ms() + 1000);
    EXPECT(&f, "OBJECT IDLETIME b", ":500");
    snprintf(line, sizeof line, "RESTORE b 99999999999999 %s REPLACE ABSTTL", quoted);
    EXPECT(&f, line, "+OK");
    EXPECT(&f, "PEXPIRETIME b", ":99999999999999");
    fixture_log(&f);
    snprintf(line, sizeof line, "RESTORE b 1 %s REPLACE ABSTTL", quoted);
    EXPECT(&f, line, "+OK");
    EXPECT_LOG(&f, "DEL b");
    EXPECT(&f, line, "+OK");
    EXPECT_LOG(&f, "");
    EXPECT(&f, "EXISTS b", ":0");
    quoted[4] ^= 1; /* another type: the check sum does not fit */
    snprintf(line, sizeof line, "RESTORE b 0 %s", quoted);
    EXPECT(&f, line, "-ERR DUMP payload version or checksum are wrong");
}

static void test_restore_errors(void **state)
{
    (void)state;
    fixture_reset(&f);
    EXPECT(&f, "SET k v", "+OK");
    EXPECT(&f, "RESTORE k a b", "-BUSYKEY Target key name already exists.");
    EXPECT(&f, "RESTORE n a b", NOT_INTEGER);
    EXPECT(&f, "RESTORE n -1 b", "-ERR Invalid TTL value, must be >= 0");
    EXPECT(&f, "RESTORE n 0 b", "-ERR DUMP payload version or checksum are wrong");
    EXPECT(&f, "RESTORE k 0 b FOO", SYNTAX);
    EXPECT(&f, "RESTORE k a b IDLETIME", SYNTAX);
    EXPECT(&f, "RESTORE k a b IDLETIME -1", "-ERR Invalid IDLETIME value, must be >= 0");
    EXPECT(&f, "RESTORE k a b FREQ 256", "-ERR Invalid FREQ value, must be >= 0 and <= 255");
    EXPECT(&f, "RESTORE k a b FREQ 1 IDLETIME 1", SYNTAX);
    EXPECT(&f, "RESTORE k a b FREQ x", NOT_INTEGER);
    EXPECT(&f, "RESTORE n 9223372036854775808 b", NOT_INTEGER);
    EXPECT(&f, "RESTORE n 9223372036854775807 b",
           "-ERR DUMP payload version or checksum are wrong");
    EXPECT(&f, "RESTORE n 9223372036854775807 b ABSTTL",
           "-ERR DUMP payload version or checksum are wrong");
}

static void test_object(void **state)
{
    (void)state;
    fixture_reset(&f);
    EXPECT(&f, "SET k v", "+OK");
    EXPECT_BULK(&f, "OBJECT ENCODING k", "embstr");
    EXPECT(&f, "OBJECT REFCOUNT k", ":1");
    EXPECT(&f, "OBJECT IDLETIME k", ":0");
    EXPECT(&f, "OBJECT FREQ k",
           "-ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please "
           "note that when switching between policies at runtime LRU and LFU data will take some "
           "time to adjust.");
    EXPECT(&f, "OBJECT ENCODING none", "$-1");
    EXPECT(&f, "OBJECT FREQ none", "$-1");
    f.settings.maxmemory_policy = MAXMEMORY_ALLKEYS_LFU;
    EXPECT(&f, "OBJECT IDLETIME k",
           "-ERR An LFU maxmemory policy is selected, idle time not tracked. Please note that when "
           "switching between policies at runtime LRU and LFU data will take some time to adjust.");
    assert_int_equal(fixture_run(&f, "OBJECT FREQ k")[0], ':');
    f.settings.maxmemory_policy = MAXMEMORY_NOEVICTION;
    EXPECT(&f, "OBJECT", "-ERR wrong number of arguments for 'object' command");
    EXPECT(&f, "OBJECT foo k", "-ERR unknown subcommand 'foo'. Try OBJECT HELP.");
    EXPECT(&f, "OBJECT ENCODING", "-ERR wrong number of arguments for 'object|encoding' command");
    EXPECT(&f, "OBJECT HELP x", "-ERR wrong number of arguments for 'object|help' command");
    assert_int_equal(fixture_run(&f, "OBJECT HELP")[0], '*');
}

static void test_keys(void **state)
{
    (void)state;
    fixture_reset(&f);
    EXPECT(&f, "KEYS *", "*0");
    EXPECT(&f, "RANDOMKEY", "$-1");
    EXPECT(&f, "SET hello 1", "+OK");
    EXPECT_BULK(&f, "RANDOMKEY", "hello");
    EXPECT(&f, "SET gone 1 PX 1", "+OK");
    EXPECT(&f, "SET help 1 PX 1", "+OK");
    clock_shift_ms(10);
    EXPECT(&f, "KEYS *", "*1\r\n$5\r\nhello");
    EXPECT_BULK(&f, "RANDOMKEY", "hello");
    clock_shift_ms(-10);
    EXPECT(&f, "KEYS h*o", "*1\r\n$5\r\nhello");
    EXPECT(&f, "KEYS h[^e]*", "*0");
    f.client.db = 3;
    EXPECT(&f, "KEYS *", "*0");
}

/* Walks with SCAN and counts how often each of `keys` names "k:<n>" was answered. */
static void scan_all(const char *options, int keys, int *seen)
{
    char line[128];
    uint64_t cursor = 0;
    int calls = 0;
    do {
        snprintf(line, sizeof line, "SCAN %llu %s", (unsigned long long)cursor, options);
        const char *reply = fixture_run(&f, line), *p = strchr(reply + 4, '\n') + 1;
        assert_memory_equal(reply, "*2\r\n$", 5);
        cursor = strtoull(p, NULL, 10);
        while ((p = strstr(p, "k:"))) {
            p += 2;
            int n = atoi(p);
            assert_in_range(n, 0, keys - 1);
            seen[n]++;
        }
        assert_true(++calls < 10000);
    } while (cursor != 0);
}

static void test_scan(void **state)
{
    (void)state;
    enum { KEYS = 1000 };
    static int seen[KEYS];
    char line[64];
    fixture_reset(&f);
    EXPECT(&f, "SCAN 0", "*2\r\n$1\r\n0\r\n*0");
    for (int i = 0; i < KEYS; i++) {
        snprintf(line, sizeof line, "SET k:%d v", i);
        EXPECT(&f, line, "+OK");
    }
    memset(seen, 0, sizeof seen);
    scan_all("", KEYS, seen);
    for (int i = 0; i < KEYS; i++)
        assert_true(seen[i] >= 1);
    memset(seen, 0, sizeof seen);
    scan_all("COUNT 1 MATCH k:1?? TYPE string", KEYS, seen);
    for (int i = 0; i < KEYS; i++)
        assert_int_equal(seen[i] > 0, i >= 100 && i <= 199);
    memset(seen, 0, sizeof seen);
    scan_all("COUNT 9223372036854775807 TYPE list", KEYS, seen);
    for (int i = 0; i < KEYS; i++)
        assert_int_equal(seen[i], 0);
}

static void test_scan_errors(void **state)
{
    (void)state;
    fixture_reset(&f);
    EXPECT(&f, "SCAN a", "-ERR invalid cursor");
    EXPECT(&f, "SCAN \" 0\"", "-ERR invalid cursor");
    EXPECT(&f, "SCAN 0x1", "-ERR invalid cursor");
    EXPECT(&f, "SCAN 18446744073709551616", "-ERR invalid cursor");
    EXPECT(&f, "SCAN 18446744073709551615", "*2\r\n$1\r\n0\r\n*0");
    EXPECT(&f, "SCAN -1", "*2\r\n$1\r\n0\r\n*0");
    EXPECT(&f, "SCAN 00", "*2\r\n$1\r\n0\r\n*0");
    EXPECT(&f, "SCAN a foo", "-ERR invalid cursor");
    EXPECT(&f, "SCAN 0 COUNT", SYNTAX);
    EXPECT(&f, "SCAN 0 COUNT a", NOT_INTEGER);
    EXPECT(&f, "SCAN 0 COUNT 0", SYNTAX);
    EXPECT(&f, "SCAN 0 FOO", SYNTAX);
    EXPECT(&f, "SCAN 0 FOO bar", SYNTAX);
}

static int open_fixture(void **state)
{
    static const struct command *const families[] = {string_commands, generic_commands, NULL};
    (void)state;
    fixture_open(&f, families);
    return 0;
}

static int close_fixture(void **state)
{
    (void)state;
    fixture_close(&f);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_del_and_friends),
        cmocka_unit_test(test_expire),
        cmocka_unit_test(test_expire_conditions),
        cmocka_unit_test(test_expire_bounds),
        cmocka_unit_test(test_rename),
        cmocka_unit_test(test_move_and_copy),
        cmocka_unit_test(test_copy_of_large_string),
        cmocka_unit_test(test_dump_and_restore),
        cmocka_unit_test(test_restore_errors),
        cmocka_unit_test(test_object),
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_scan),
        cmocka_unit_test(test_scan_errors),
    };
    return cmocka_run_group_tests(tests, open_fixture, close_fixture);
}
