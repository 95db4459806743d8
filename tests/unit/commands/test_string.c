/* test_string.c - the string family: replies, errors and their order, effects, events,
 * encodings. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include "commands/commands.h"
#include "engine_fixture.h"

static struct engine_fixture f;

static void test_set_and_get(void **state)
{
    (void)state;
    fixture_reset(&f);
    EXPECT(&f, "GET k", "$-1");
    EXPECT(&f, "SET k v", "+OK");
    EXPECT_LOG(&f, "SET k v");
    EXPECT_EVENTS(&f, "$:set:k");
    EXPECT_DIRTY(&f, 1);
    EXPECT_BULK(&f, "get k", "v");
    EXPECT_LOG(&f, "");
    EXPECT(&f, "SET k \"\"", "+OK");
    EXPECT_BULK(&f, "GET k", "");
    EXPECT(&f, "SET k \"\\x00\\xff\\r\\n\"", "+OK");
    EXPECT(&f, "STRLEN k", ":4");
    EXPECT(&f, "STRLEN none", ":0");
    fixture_make_list(&f, "l");
    EXPECT(&f, "GET l", WRONG_TYPE);
    EXPECT(&f, "STRLEN l", WRONG_TYPE);
    EXPECT(&f, "SET l s", "+OK");
    EXPECT_BULK(&f, "GET l", "s");
    EXPECT(&f, "GET", "-ERR wrong number of arguments for 'get' command");
    f.client.resp = 3;
    EXPECT(&f, "GET none", "_");
}

static void test_set_conditions(void **state)
{
    (void)state;
    fixture_reset(&f);
    EXPECT(&f, "SET k 1 XX", "$-1");
    EXPECT(&f, "SET k 1 NX", "+OK");
    EXPECT(&f, "SET k 2 NX", "$-1");
    EXPECT(&f, "SET k 3 XX", "+OK");
    EXPECT_LOG(&f, "SET k 1 NX; SET k 3 XX");
    EXPECT_DIRTY(&f, 2);
    EXPECT_EVENTS(&f, "$:set:k $:set:k");
    EXPECT_BULK(&f, "SET k 4 GET", "3");
    EXPECT_BULK(&f, "SET k 5 NX GET", "4");
    EXPECT(&f, "SET new 1 NX GET", "$-1");
    EXPECT_BULK(&f, "SET k 6 XX GET KEEPTTL", "4");
    EXPECT(&f, "SET absent 6 XX GET", "$-1");
    EXPECT_LOG(&f, "SET k 4; SET new 1 NX; SET k 6 XX KEEPTTL");
    EXPECT_BULK(&f, "GET k", "6");
    EXPECT(&f, "SET k v NX XX", SYNTAX);
    EXPECT(&f, "SET k v GETT", SYNTAX);
    EXPECT(&f, "SET k v EX", SYNTAX);
    EXPECT(&f, "SET k v EX 10 KEEPTTL", SYNTAX);
    EXPECT(&f, "SET k v EX 10 PX 10", SYNTAX);
    EXPECT(&f, "SET k v PERSIST", SYNTAX);
    EXPECT(&f, "SET k v NX NX EX 5 EX 10 GET GET", "$1\r\n6");
    fixture_make_list(&f, "l");
    EXPECT(&f, "SET l v EX abc GET", NOT_INTEGER);
    EXPECT(&f, "SET l v EX 0 GET", "-ERR invalid expire time in 'set' command");
    EXPECT(&f, "SET l v GET", WRONG_TYPE);
    EXPECT(&f, "SET l v NX GET", WRONG_TYPE);
    EXPECT(&f, "SET l v NX", "$-1");
}

static void test_set_comparisons(void **state)
{
    (void)state;
    fixture_reset(&f);
    EXPECT(&f, "SET k v IFEQ v", "$-1");
    EXPECT(&f, "SET k a IFNE v", "+OK");
    EXPECT(&f, "SET k b IFEQ x", "$-1");
    EXPECT(&f, "SET k b IFEQ a", "+OK");
    EXPECT(&f, "SET k c IFNE b", "$-1");
    EXPECT_BULK(&f, "SET k c IFEQ x GET", "b");
    EXPECT_BULK(&f, "SET k c IFEQ b GET", "b");
    EXPECT_LOG(&f, "SET k a; SET k b; SET k c");
    EXPECT(&f, "SET k d IFEQ", SYNTAX);
    EXPECT(&f, "SET k d IFEQ c NX", SYNTAX);
    EXPECT(&f, "SET k d IFEQ c IFNE d", SYNTAX);
    char digest[17] = {0}, line[128];
    memcpy(digest, fixture_run(&f, "DIGEST k") + 5, 16);
    snprintf(line, sizeof line, "SET k d IFDNE %s", digest);
    EXPECT(&f, line, "$-1");
    snprintf(line, sizeof line, "SET k d IFDEQ %s", digest);
    EXPECT(&f, line, "+OK");
    EXPECT(&f, line, "$-1");
    EXPECT(&f, "SET k d IFDEQ 123", "-ERR digest must be exactly 16 hexadecimal characters");
    EXPECT(&f, "SET k d IFDEQ 000000000000000g",
           "-ERR digest must be exactly 16 hexadecimal characters");
    fixture_make_list(&f, "l");
    EXPECT(&f, "SET l d IFEQ x", WRONG_TYPE);
    EXPECT(&f, "DIGEST l", WRONG_TYPE);
    EXPECT(&f, "DIGEST none", "$-1");
    EXPECT(&f, "SET e \"\"", "+OK");
    EXPECT_BULK(&f, "DIGEST e", "2d06800538d394c2"); /* XXH3 of nothing, as xxhash documents it */
}

/* The number in the last argument of what was logged last. */
static int64_t logged_time(const char *log)
{
    const char *at = strrchr(log, ' ');
    return at ? strtoll(at, NULL, 10) : 0;
}

static void expect_logged_time(const char *begin, int64_t in_ms)
{
    const char *log = fixture_log(&f);
    int64_t late = clock_wall_ms() + in_ms - logged_time(log);
    if (strncmp(log, begin, strlen(begin)) != 0 || late < 0 || late > 1000)
        fail_msg("logged %s, wanted %s%lld", log, begin, (long long)(clock_wall_ms() + in_ms));
}

static int64_t expiry_of(const char *name)
{
    char line[128];
    snprintf(line, sizeof line, "PEXPIRETIME %s", name);
    return strtoll(fixture_run(&f, line) + 1, NULL, 10);
}

static void test_set_with_expiry(void **state)
{
    (void)state;
    fixture_reset(&f);
    EXPECT(&f, "SET k v EX 100", "+OK");
    expect_logged_time("SET k v PXAT ", 100000);
    EXPECT_EVENTS(&f, "$:set:k g:expire:k");
    EXPECT(&f, "SET k v2 KEEPTTL", "+OK");
    EXPECT_LOG(&f, "SET k v2 KEEPTTL");
    assert_true(expiry_of("k") > clock_wall_ms());
    EXPECT(&f, "SET k v", "+OK");
    assert_int_equal(expiry_of("k"), -1);
    fixture_log(&f);
    EXPECT(&f, "SET k v PX 5000 GET", "$1\r\nv");
    expect_logged_time("SET k v PXAT ", 5000);
    EXPECT(&f, "SET k v PXAT 99999999999999", "+OK");
    EXPECT_LOG(&f, "SET k v PXAT 99999999999999");
    EXPECT(&f, "SET k v EXAT 99999999999", "+OK");
    EXPECT_LOG(&f, "SET k v PXAT 99999999999000");
    EXPECT(&f, "SETEX k 100 w", "+OK");
    expect_logged_time("SET k w PXAT ", 100000);
    EXPECT(&f, "PSETEX k 100 w", "+OK");
    expect_logged_time("SET k w PXAT ", 100);
    EXPECT(&f, "SET k v XX EX 10 GET", "$1\r\nw");
    expect_logged_time("SET k v PXAT ", 10000);
}

static void test_expiry_bounds(void **state)
{
    (void)state;
    fixture_reset(&f);
    EXPECT(&f, "SET k v EX 0", "-ERR invalid expire time in 'set' command");
    EXPECT(&f, "SET k v EX -1", "-ERR invalid expire time in 'set' command");
    EXPECT(&f, "SET k v EX 9223372036854776", "-ERR invalid expire time in 'set' command");
    EXPECT(&f, "SET k v EX 9223372036854775", "-ERR invalid expire time in 'set' command");
    EXPECT(&f, "SET k v EXAT 9223372036854775", "+OK");
    EXPECT(&f, "SET k v PX 9223372036854775807", "-ERR invalid expire time in 'set' command");
    EXPECT(&f, "SET k v PXAT 9223372036854775807", "+OK");
    assert_int_equal(expiry_of("k"), INT64_MAX);
    EXPECT(&f, "SET k v PX 9223372036854775808", NOT_INTEGER);
    EXPECT(&f, "SETEX k 0 v", "-ERR invalid expire time in 'setex' command");
    EXPECT(&f, "SETEX k a v", NOT_INTEGER);
    EXPECT(&f, "PSETEX k -1 v", "-ERR invalid expire time in 'psetex' command");
    EXPECT(&f, "GETEX k EX 0", "-ERR invalid expire time in 'getex' command");
    fixture_log(&f);
    EXPECT(&f, "SET k v PXAT 1", "+OK");
    EXPECT_LOG(&f, "DEL k");
    EXPECT(&f, "EXISTS k", ":0");
    fixture_events(&f);
    fixture_dirty(&f);
    EXPECT(&f, "SET k v PXAT 1", "+OK");
    EXPECT_LOG(&f, "");
    EXPECT_EVENTS(&f, "");
    EXPECT_DIRTY(&f, 0);
}

static void test_keys_expire(void **state)
{
    (void)state;
    fixture_reset(&f);
    EXPECT(&f, "SET k v PX 10", "+OK");
    fixture_log(&f);
    clock_shift_ms(11);
    EXPECT(&f, "GET k", "$-1");
    EXPECT_LOG(&f, "DEL k");
    clock_shift_ms(-11);
}

static void test_getex(void **state)
{
    (void)state;
    fixture_reset(&f);
    fixture_make_list(&f, "l");
    EXPECT(&f, "GETEX none EX abc", "$-1");
    EXPECT(&f, "GETEX none FOO", SYNTAX);
    EXPECT(&f, "GETEX l EX abc", WRONG_TYPE);
    EXPECT(&f, "SET k v", "+OK");
    fixture_log(&f);
    fixture_events(&f);
    EXPECT(&f, "GETEX k EX abc", NOT_INTEGER);
    EXPECT(&f, "GETEX k EX 10 PERSIST", SYNTAX);
    EXPECT(&f, "GETEX k KEEPTTL", SYNTAX);
    EXPECT_BULK(&f, "GETEX k", "v");
    EXPECT_BULK(&f, "GETEX k PERSIST", "v");
    EXPECT_LOG(&f, "");
    EXPECT_BULK(&f, "GETEX k EX 10", "v");
    expect_logged_time("PEXPIREAT k ", 10000);
    EXPECT_BULK(&f, "GETEX k PERSIST", "v");
    EXPECT_LOG(&f, "PERSIST k");
    EXPECT_BULK(&f, "GETEX k EXAT 1", "v");
    EXPECT_LOG(&f, "DEL k");
    EXPECT_EVENTS(&f, "g:expire:k g:persist:k g:del:k");
    EXPECT(&f, "GET k", "$-1");
}

static void test_get_and_change(void **state)
{
    (void)state;
    fixture_reset(&f);
    fixture_make_list(&f, "l");
    EXPECT(&f, "GETSET k 1", "$-1");
    EXPECT(&f, "GETSET k 2", "$1\r\n1");
    EXPECT_LOG(&f, "SET k 1; SET k 2");
    EXPECT(&f, "GETSET l 2", WRONG_TYPE);
    EXPECT(&f, "GETDEL l", WRONG_TYPE);
    EXPECT(&f, "GETDEL none", "$-1");
    EXPECT(&f, "GETDEL k", "$1\r\n2");
    EXPECT_LOG(&f, "DEL k");
    EXPECT_EVENTS(&f, "$:set:k $:set:k g:del:k");
    EXPECT(&f, "SETNX k 1", ":1");
    EXPECT(&f, "SETNX k 2", ":0");
    EXPECT_LOG(&f, "SETNX k 1");
    EXPECT(&f, "SET k v EX 10", "+OK");
    EXPECT(&f, "GETSET k w", "$1\r\nv");
    assert_int_equal(expiry_of("k"), -1);
}

static void test_delete_by_value(void **state)
{
    (void)state;
    fixture_reset(&f);
    fixture_make_list(&f, "l");
    EXPECT(&f, "DELIFEQ none v", ":0");
    EXPECT(&f, "DELIFEQ l v", WRONG_TYPE);
    EXPECT(&f, "SET k v", "+OK");
    EXPECT(&f, "DELIFEQ k w", ":0");
    fixture_log(&f);
    EXPECT(&f, "DELIFEQ k v", ":1");
    EXPECT_LOG(&f, "DEL k");
    EXPECT(&f, "DELEX k", ":0");
    EXPECT(&f, "DELEX k IFNE v", ":0");
    EXPECT(&f, "DELEX k IFEQ", "-ERR wrong number of arguments for 'delex' command");
    EXPECT(&f, "DELEX k FOO v", SYNTAX);
    EXPECT(&f, "DELEX l IFEQ v", WRONG_TYPE);
    EXPECT(&f, "DELEX l", ":1");
    EXPECT(&f, "SET k v", "+OK");
    EXPECT(&f, "DELEX k IFEQ w", ":0");
    EXPECT(&f, "DELEX k IFNE v", ":0");
    EXPECT(&f, "DELEX k IFNE w", ":1");
    EXPECT(&f, "SET e \"\"", "+OK");
    EXPECT(&f, "DELEX e IFDNE 2D06800538D394C2", ":0");
    EXPECT(&f, "DELEX e IFDEQ 2D06800538D394C2", ":1");
    EXPECT(&f, "EXISTS e k l", ":0");
}

static void test_many_keys(void **state)
{
    (void)state;
    fixture_reset(&f);
    fixture_make_list(&f, "l");
    EXPECT(&f, "MSET a 1 b 2 a 3", "+OK");
    EXPECT_LOG(&f, "MSET a 1 b 2 a 3");
    EXPECT_EVENTS(&f, "$:set:a $:set:b $:set:a");
    EXPECT_DIRTY(&f, 3);
    EXPECT(&f, "MGET a none l b a", "*5\r\n$1\r\n3\r\n$-1\r\n$-1\r\n$1\r\n2\r\n$1\r\n3");
    EXPECT(&f, "MSET a 1 b", "-ERR wrong number of arguments for 'mset' command");
    EXPECT(&f, "MSETNX a 1 b", "-ERR wrong number of arguments for 'msetnx' command");
    EXPECT(&f, "MSETNX c 1 a 2", ":0");
    EXPECT(&f, "EXISTS c", ":0");
    EXPECT(&f, "MSETNX c 1 c 2", ":1");
    EXPECT_BULK(&f, "GET c", "2");
    EXPECT(&f, "SET a 1 EX 100", "+OK");
    EXPECT(&f, "MSET a 2", "+OK");
    assert_int_equal(expiry_of("a"), -1);
}

static void test_msetex(void **state)
{
    (void)state;
    fixture_reset(&f);
    EXPECT(&f, "MSETEX 2 a 1 b 2", ":1");
    EXPECT_LOG(&f, "MULTI; SET a 1; SET b 2; EXEC");
    EXPECT(&f, "MSETEX 2 a 3 c 4 NX", ":0");
    EXPECT(&f, "MSETEX 2 a 3 c 4 XX", ":0");
    EXPECT(&f, "MSETEX 2 a 3 b 4 XX PXAT 99999999999999", ":1");
    EXPECT_LOG(&f, "MULTI; SET a 3 PXAT 99999999999999; SET b 4 PXAT 99999999999999; EXEC");
    EXPECT(&f, "MSETEX 1 a 5 KEEPTTL", ":1");
    EXPECT_LOG(&f, "SET a 5 KEEPTTL");
    assert_int_equal(expiry_of("a"), 99999999999999);
    EXPECT(&f, "MSETEX 1 a 6", ":1");
    assert_int_equal(expiry_of("a"), -1);
    EXPECT(&f, "MSETEX 2 x 5 x 6 NX", ":1");
    EXPECT_BULK(&f, "GET x", "6");
    EXPECT(&f, "MSETEX 0 a 1", "-ERR invalid numkeys value");
    EXPECT(&f, "MSETEX -1 a 1", "-ERR invalid numkeys value");
    EXPECT(&f, "MSETEX 2147483648 a 1", "-ERR invalid numkeys value");
    EXPECT(&f, "MSETEX 2 a 1 b", "-ERR wrong number of key-value pairs");
    EXPECT(&f, "MSETEX 1 a 1 b", SYNTAX);
    EXPECT(&f, "MSETEX 1 a 1 NX XX", SYNTAX);
    EXPECT(&f, "MSETEX 1 a 1 EX 0", "-ERR invalid expire time in 'msetex' command");
    fixture_log(&f);
    EXPECT(&f, "MSETEX 2 a 1 new 2 PXAT 1", ":1");
    EXPECT_LOG(&f, "DEL a");
}

static void test_counters(void **state)
{
    (void)state;
    fixture_reset(&f);
    fixture_make_list(&f, "l");
    EXPECT(&f, "INCR n", ":1");
    EXPECT(&f, "INCRBY n 41", ":42");
    EXPECT(&f, "DECR n", ":41");
    EXPECT(&f, "DECRBY n -1", ":42");
    EXPECT_LOG(&f, "INCR n; INCRBY n 41; DECR n; DECRBY n -1");
    EXPECT_EVENTS(&f, "$:incrby:n $:incrby:n $:incrby:n $:incrby:n");
    assert_string_equal(fixture_encoding(&f, "n"), "int");
    EXPECT(&f, "INCR l", WRONG_TYPE);
    EXPECT(&f, "INCRBY l x", NOT_INTEGER);
    EXPECT(&f, "SET n 9223372036854775806", "+OK");
    EXPECT(&f, "INCR n", ":9223372036854775807");
    EXPECT(&f, "INCR n", "-ERR increment or decrement would overflow");
    EXPECT(&f, "DECRBY n -1", "-ERR increment or decrement would overflow");
    EXPECT(&f, "DECRBY n -9223372036854775808", "-ERR decrement would overflow");
    EXPECT(&f, "SET n -9223372036854775807", "+OK");
    EXPECT(&f, "DECR n", ":-9223372036854775808");
    EXPECT(&f, "DECR n", "-ERR increment or decrement would overflow");
    EXPECT(&f, "INCRBY n 9223372036854775807", ":-1");
    EXPECT(&f, "SET n \" 1\"", "+OK");
    EXPECT(&f, "INCR n", NOT_INTEGER);
    EXPECT(&f, "SET n 1.0", "+OK");
    EXPECT(&f, "INCR n", NOT_INTEGER);
    EXPECT(&f, "SET n 9223372036854775808", "+OK");
    EXPECT(&f, "INCR n", NOT_INTEGER);
    EXPECT(&f, "SET n 5 PXAT 99999999999999", "+OK");
    EXPECT(&f, "INCR n", ":6");
    assert_int_equal(expiry_of("n"), 99999999999999);
}

static void test_incrbyfloat(void **state)
{
    (void)state;
    fixture_reset(&f);
    fixture_make_list(&f, "l");
    EXPECT_BULK(&f, "INCRBYFLOAT n 10.5", "10.5");
    EXPECT_BULK(&f, "INCRBYFLOAT n 0.1", "10.6");
    EXPECT_LOG(&f, "SET n 10.5 KEEPTTL; SET n 10.6 KEEPTTL");
    EXPECT_EVENTS(&f, "$:incrbyfloat:n $:incrbyfloat:n");
    EXPECT(&f, "SET n 3.0e3", "+OK");
    EXPECT_BULK(&f, "INCRBYFLOAT n 200", "3200");
    EXPECT_BULK(&f, "INCRBYFLOAT n -200.3333333333333", "2999.66666666666670005");
    EXPECT_BULK(&f, "INCRBYFLOAT h 0x10", "16");
    EXPECT(&f, "INCRBYFLOAT l a", WRONG_TYPE);
    EXPECT(&f, "SET n abc", "+OK");
    EXPECT(&f, "INCRBYFLOAT n a", "-ERR value is not a valid float");
    EXPECT(&f, "SET n \" 1\"", "+OK");
    EXPECT(&f, "INCRBYFLOAT n 1", "-ERR value is not a valid float");
    EXPECT(&f, "INCRBYFLOAT none inf", "-ERR increment would produce NaN or Infinity");
    EXPECT(&f, "INCRBYFLOAT none nan", "-ERR value is not a valid float");
    EXPECT(&f, "INCRBYFLOAT none 1e5000", "-ERR value is not a valid float");
    EXPECT(&f, "EXISTS none", ":0");
    EXPECT(&f, "SET n 1e4932", "+OK");
    EXPECT(&f, "INCRBYFLOAT n 1.1e4932", "-ERR increment would produce NaN or Infinity");
}

static void test_append(void **state)
{
    (void)state;
    fixture_reset(&f);
    fixture_make_list(&f, "l");
    EXPECT(&f, "APPEND k 123", ":3");
    assert_string_equal(fixture_encoding(&f, "k"), "int");
    EXPECT(&f, "APPEND k 4", ":4");
    assert_string_equal(fixture_encoding(&f, "k"), "raw");
    EXPECT_BULK(&f, "GET k", "1234");
    EXPECT(&f, "INCR k", ":1235");
    assert_string_equal(fixture_encoding(&f, "k"), "int");
    EXPECT(&f, "APPEND k \"\"", ":4");
    EXPECT_LOG(&f, "APPEND k 123; APPEND k 4; INCR k; APPEND k ");
    EXPECT_EVENTS(&f, "$:append:k $:append:k $:incrby:k $:append:k");
    EXPECT(&f, "APPEND none \"\"", ":0");
    EXPECT(&f, "EXISTS none", ":1");
    EXPECT(&f, "APPEND l x", WRONG_TYPE);
    f.settings.proto_max_bulk_len = 1000;
    char line[1024] = "APPEND k ";
    memset(line + 9, 'x', 996);
    EXPECT(&f, line, ":1000");
    EXPECT(&f, "APPEND k y", "-ERR string exceeds maximum allowed size (proto-max-bulk-len)");
    EXPECT(&f, "STRLEN k", ":1000");
    EXPECT(&f, "SET t v PXAT 99999999999999", "+OK");
    EXPECT(&f, "APPEND t w", ":2");
    assert_int_equal(expiry_of("t"), 99999999999999);
}

/* From a few bytes in the entry to a blob, by small steps: what was there stays. */
static void test_append_grows(void **state)
{
    (void)state;
    char line[64], wanted[16];
    fixture_reset(&f);
    for (int i = 1; i <= 3000; i++) {
        snprintf(line, sizeof line, "APPEND k %c", 'a' + i % 26);
        snprintf(wanted, sizeof wanted, ":%d", i);
        EXPECT(&f, line, wanted);
    }
    const char *reply = fixture_run(&f, "GET k");
    for (int i = 1; i <= 3000; i++)
        assert_int_equal(reply[6 + i], 'a' + i % 26);
}

static void test_setrange(void **state)
{
    (void)state;
    fixture_reset(&f);
    fixture_make_list(&f, "l");
    EXPECT(&f, "SETRANGE k 5 \"\"", ":0");
    EXPECT(&f, "EXISTS k", ":0");
    EXPECT(&f, "SETRANGE k 2 ab", ":4");
    fixture_run(&f, "GET k");
    assert_memory_equal(f.reply.data, "$4\r\n\0\0ab\r\n", 10);
    assert_string_equal(fixture_encoding(&f, "k"), "raw");
    EXPECT(&f, "SETRANGE k 0 xy", ":4");
    EXPECT_BULK(&f, "GET k", "xyab");
    EXPECT(&f, "SETRANGE k 3 zz", ":5");
    EXPECT(&f, "SETRANGE k 100 \"\"", ":5");
    EXPECT_LOG(&f, "SETRANGE k 2 ab; SETRANGE k 0 xy; SETRANGE k 3 zz");
    EXPECT_EVENTS(&f, "$:setrange:k $:setrange:k $:setrange:k");
    EXPECT(&f, "SETRANGE l -1 a", "-ERR offset is out of range");
    EXPECT(&f, "SETRANGE l x a", NOT_INTEGER);
    EXPECT(&f, "SETRANGE l 0 a", WRONG_TYPE);
    EXPECT(&f, "SETRANGE k 9223372036854775807 ab",
           "-ERR string exceeds maximum allowed size (proto-max-bulk-len)");
    EXPECT(&f, "SETRANGE k 536870911 ab",
           "-ERR string exceeds maximum allowed size (proto-max-bulk-len)");
    f.settings.proto_max_bulk_len = 2000;
    EXPECT(&f, "SETRANGE k 1999 a", ":2000");
    EXPECT(&f, "SETRANGE k 2000 a",
           "-ERR string exceeds maximum allowed size (proto-max-bulk-len)");
    EXPECT_BULK(&f, "GETRANGE k 0 4", "xyazz");
}

static void test_getrange(void **state)
{
    (void)state;
    fixture_reset(&f);
    fixture_make_list(&f, "l");
    EXPECT(&f, "SET k foobar", "+OK");
    EXPECT_BULK(&f, "GETRANGE k 0 -1", "foobar");
    EXPECT_BULK(&f, "SUBSTR k 1 3", "oob");
    EXPECT_BULK(&f, "GETRANGE k -3 -1", "bar");
    EXPECT_BULK(&f, "GETRANGE k -1 -3", "");
    EXPECT_BULK(&f, "GETRANGE k -100 2", "foo");
    EXPECT_BULK(&f, "GETRANGE k -100 -90", "f");
    EXPECT_BULK(&f, "GETRANGE k 2 100", "obar");
    EXPECT_BULK(&f, "GETRANGE k 6 100", "");
    EXPECT_BULK(&f, "GETRANGE k -9223372036854775808 9223372036854775807", "foobar");
    EXPECT_BULK(&f, "GETRANGE none 0 1", "");
    EXPECT(&f, "GETRANGE none a 1", NOT_INTEGER);
    EXPECT(&f, "GETRANGE l 0 b", NOT_INTEGER);
    EXPECT(&f, "GETRANGE l 0 1", WRONG_TYPE);
    EXPECT(&f, "SET e \"\"", "+OK");
    EXPECT_BULK(&f, "GETRANGE e 0 -1", "");
}

/* Large strings are replied by reference; what was replied does not change under a later write. */
static void test_large_values(void **state)
{
    (void)state;
    enum { SIZE = 100000 };
    fixture_reset(&f);
    f.input.len = 0;
    bytes_append_str(&f.input, "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$100000\r\n");
    for (int i = 0; i < SIZE; i++)
        bytes_append_char(&f.input, (char)('a' + i % 26));
    bytes_append_str(&f.input, "\r\n*2\r\n$3\r\nGET\r\n$1\r\nk\r\n"
                               "*4\r\n$8\r\nSETRANGE\r\n$1\r\nk\r\n$1\r\n0\r\n$3\r\nXYZ\r\n"
                               "*4\r\n$8\r\nGETRANGE\r\n$1\r\nk\r\n$1\r\n0\r\n$5\r\n19999\r\n"
                               "*2\r\n$6\r\nGETDEL\r\n$1\r\nk\r\n");
    const char *reply = fixture_feed(&f, &f.input);
    assert_memory_equal(reply, "+OK\r\n$100000\r\nabc", 17);
    size_t at = 5 + 9 + SIZE + 2;
    assert_memory_equal(reply + at, ":100000\r\n$20000\r\nXYZd", 21);
    at += 9 + 8 + 20000 + 2;
    assert_memory_equal(reply + at, "$100000\r\nXYZd", 13);
    assert_int_equal(f.reply.len, at + 9 + SIZE + 2);
    EXPECT(&f, "GET k", "$-1");
}

static void test_encodings(void **state)
{
    (void)state;
    static const struct {
        const char *value, *encoding;
    } rows[] = {{"1", "int"},
                {"-1", "int"},
                {"9223372036854775807", "int"},
                {"9223372036854775808", "embstr"},
                {"01", "embstr"},
                {"", "embstr"},
                {"1234567890123456789012345678901234567890abcd", "embstr"},
                {"1234567890123456789012345678901234567890abcde", "raw"}};
    char line[128];
    fixture_reset(&f);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        snprintf(line, sizeof line, "SET k \"%s\"", rows[i].value);
        EXPECT(&f, line, "+OK");
        assert_string_equal(fixture_encoding(&f, "k"), rows[i].encoding);
        EXPECT_BULK(&f, "GET k", rows[i].value);
    }
}

static void test_lcs(void **state)
{
    (void)state;
    fixture_reset(&f);
    fixture_make_list(&f, "l");
    EXPECT(&f, "MSET a ohmytext b mynewtext", "+OK");
    EXPECT_BULK(&f, "LCS a b", "mytext");
    EXPECT(&f, "LCS a b LEN", ":6");
    EXPECT(&f, "LCS a b IDX",
           "*4\r\n$7\r\nmatches\r\n*2\r\n*2\r\n*2\r\n:4\r\n:7\r\n*2\r\n:5\r\n:8\r\n"
           "*2\r\n*2\r\n:2\r\n:3\r\n*2\r\n:0\r\n:1\r\n$3\r\nlen\r\n:6");
    EXPECT(&f, "LCS a b IDX MINMATCHLEN 4 WITHMATCHLEN",
           "*4\r\n$7\r\nmatches\r\n*1\r\n*3\r\n*2\r\n:4\r\n:7\r\n*2\r\n:5\r\n:8\r\n:4\r\n"
           "$3\r\nlen\r\n:6");
    EXPECT(&f, "LCS a b IDX MINMATCHLEN 5", "*4\r\n$7\r\nmatches\r\n*0\r\n$3\r\nlen\r\n:6");
    f.client.resp = 3;
    EXPECT(&f, "LCS a none IDX", "%2\r\n$7\r\nmatches\r\n*0\r\n$3\r\nlen\r\n:0");
    f.client.resp = 2;
    EXPECT_BULK(&f, "LCS a none", "");
    EXPECT_BULK(&f, "LCS none none", "");
    EXPECT(&f, "LCS none none LEN", ":0");
    EXPECT_BULK(&f, "LCS a a MINMATCHLEN -5", "ohmytext");
    EXPECT(&f, "LCS a l FOO", "-ERR The specified keys must contain string values");
    EXPECT(&f, "LCS a b FOO", SYNTAX);
    EXPECT(&f, "LCS a b MINMATCHLEN", SYNTAX);
    EXPECT(&f, "LCS a b MINMATCHLEN x LEN IDX", NOT_INTEGER);
    EXPECT(&f, "LCS a b LEN IDX",
           "-ERR If you want both the length and indexes, please just use IDX.");
    f.settings.proto_max_bulk_len = 9 * 10 * 4;
    EXPECT(&f, "LCS a b LEN", ":6");
    f.settings.proto_max_bulk_len = 9 * 10 * 4 - 1;
    EXPECT(&f, "LCS a b",
           "-ERR Insufficient memory, transient memory for LCS exceeds "
           "proto-max-bulk-len");
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
        cmocka_unit_test(test_set_and_get),     cmocka_unit_test(test_set_conditions),
        cmocka_unit_test(test_set_comparisons), cmocka_unit_test(test_set_with_expiry),
        cmocka_unit_test(test_expiry_bounds),   cmocka_unit_test(test_keys_expire),
        cmocka_unit_test(test_getex),           cmocka_unit_test(test_get_and_change),
        cmocka_unit_test(test_delete_by_value), cmocka_unit_test(test_many_keys),
        cmocka_unit_test(test_msetex),          cmocka_unit_test(test_counters),
        cmocka_unit_test(test_incrbyfloat),     cmocka_unit_test(test_append),
        cmocka_unit_test(test_append_grows),    cmocka_unit_test(test_setrange),
        cmocka_unit_test(test_getrange),        cmocka_unit_test(test_large_values),
        cmocka_unit_test(test_encodings),       cmocka_unit_test(test_lcs),
    };
    return cmocka_run_group_tests(tests, open_fixture, close_fixture);
}
