/* test_hash.c - the hash family: what is logged, which events are fired, when keys go. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include "commands/commands.h"
#include "engine_fixture.h"

static struct engine_fixture f;

static void test_set(void **state)
{
    fixture_reset(&f);
    EXPECT(&f, "HSET k a 1 b 2 a 3", ":2");
    EXPECT(&f, "HMSET k a 4", "+OK");
    EXPECT(&f, "HSETNX k a 5", ":0");
    EXPECT(&f, "HSETNX k c 6", ":1");
    EXPECT_LOG(&f, "HSET k a 1 b 2 a 3; HMSET k a 4; HSETNX k c 6");
    EXPECT_EVENTS(&f, "h:hset:k h:hset:k h:hset:k");
    EXPECT_DIRTY(&f, 5);
    EXPECT_BULK(&f, "HGET k a", "4");
    EXPECT(&f, "HMGET k b x", "*2\r\n$1\r\n2\r\n$-1");
    EXPECT(&f, "HSET k a 1 b", "-ERR wrong number of arguments for 'hset' command");
    EXPECT(&f, "HMSET k a 1 b", "-ERR wrong number of arguments for 'hmset' command");
    EXPECT(&f, "SET s v", "+OK");
    EXPECT(&f, "HSET s a 1", WRONG_TYPE);
    EXPECT(&f, "HGETALL s", WRONG_TYPE);
}

static void test_delete(void **state)
{
    fixture_reset(&f);
    EXPECT(&f, "HSET k a 1 b 2 c 3", ":3");
    fixture_log(&f), fixture_events(&f), fixture_dirty(&f);
    EXPECT(&f, "HDEL k x", ":0");
    EXPECT(&f, "HDEL k a x a", ":1");
    EXPECT(&f, "HDEL k b c", ":2");
    EXPECT(&f, "HDEL k b", ":0");
    EXPECT_LOG(&f, "HDEL k a x a; HDEL k b c");
    EXPECT_EVENTS(&f, "h:hdel:k h:hdel:k g:del:k");
    EXPECT_DIRTY(&f, 3);
    EXPECT(&f, "EXISTS k", ":0");
}

static void test_numbers(void **state)
{
    fixture_reset(&f);
    EXPECT(&f, "HINCRBY k n 9223372036854775807", ":9223372036854775807");
    EXPECT(&f, "HINCRBY k n 1", "-ERR increment or decrement would overflow");
    EXPECT(&f, "HINCRBY k n -1", ":9223372036854775806");
    EXPECT_LOG(&f, "HINCRBY k n 9223372036854775807; HINCRBY k n -1");
    EXPECT_BULK(&f, "HINCRBYFLOAT k f 0.1", "0.1");
    EXPECT_BULK(&f, "HINCRBYFLOAT k f 0.2", "0.3");
    EXPECT_LOG(&f, "HSET k f 0.1; HSET k f 0.3");
    EXPECT_EVENTS(&f, "h:hincrby:k h:hincrby:k h:hincrbyfloat:k h:hincrbyfloat:k");
    EXPECT_DIRTY(&f, 4);
    EXPECT(&f, "HINCRBY k f 1", "-ERR hash value is not an integer");
    EXPECT(&f, "HINCRBY none f x", "-ERR value is not an integer or out of range");
    EXPECT(&f, "HINCRBYFLOAT k f inf", "-ERR value is NaN or Infinity");
    EXPECT(&f, "HSET k t text", ":1");
    EXPECT(&f, "HINCRBYFLOAT k t 1", "-ERR hash value is not a float");
    EXPECT(&f, "EXISTS none", ":0");
}

static void test_walks(void **state)
{
    fixture_reset(&f);
    EXPECT(&f, "HSET k a 1", ":1");
    EXPECT(&f, "HSCAN k 0", "*2\r\n$1\r\n0\r\n*2\r\n$1\r\na\r\n$1\r\n1");
    EXPECT(&f, "HSCAN k 0 NOVALUES", "*2\r\n$1\r\n0\r\n*1\r\n$1\r\na");
    EXPECT(&f, "HSCAN k 0 TYPE hash", "-ERR syntax error");
    EXPECT(&f, "HSCAN none 0 x", "*2\r\n$1\r\n0\r\n*0");
    EXPECT(&f, "HRANDFIELD k 5 WITHVALUES", "*2\r\n$1\r\na\r\n$1\r\n1");
    EXPECT(&f, "HRANDFIELD k -2", "*2\r\n$1\r\na\r\n$1\r\na");
    EXPECT(&f, "HRANDFIELD k -100000001", "-ERR value is out of range");
    EXPECT(&f, "HRANDFIELD k 1 x", "-ERR syntax error");
    EXPECT_BULK(&f, "HRANDFIELD k", "a");
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
        cmocka_unit_test(test_set),
        cmocka_unit_test(test_delete),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_walks),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
