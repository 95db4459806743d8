/* test_list.c - the list family: replies, what is logged, which events are fired, when keys go. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include "commands/commands.h"
#include "engine_fixture.h"

static struct engine_fixture f;

static void test_push(void **state)
{
    fixture_reset(&f);
    EXPECT(&f, "LPUSHX k a", ":0");
    EXPECT(&f, "RPUSHX k a", ":0");
    EXPECT_LOG(&f, "");
    EXPECT_EVENTS(&f, "");
    EXPECT(&f, "RPUSH k a b", ":2");
    EXPECT(&f, "LPUSH k 1 2", ":4");
    EXPECT(&f, "LPUSHX k x", ":5");
    EXPECT(&f, "RPUSHX k y", ":6");
    EXPECT_LOG(&f, "RPUSH k a b; LPUSH k 1 2; LPUSHX k x; RPUSHX k y");
    EXPECT_EVENTS(&f, "l:rpush:k l:lpush:k l:lpush:k l:rpush:k");
    EXPECT_DIRTY(&f, 6);
    EXPECT(&f, "LRANGE k 0 -1",
           "*6\r\n$1\r\nx\r\n$1\r\n2\r\n$1\r\n1\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\ny");
    assert_string_equal(fixture_encoding(&f, "k"), "listpack");
    EXPECT(&f, "LPUSH k", "-ERR wrong number of arguments for 'lpush' command");
    EXPECT(&f, "SET s v", "+OK");
    EXPECT(&f, "LPUSH s a", WRONG_TYPE);
    EXPECT(&f, "RPUSHX s a", WRONG_TYPE);
}

static void test_pop(void **state)
{
    fixture_reset(&f);
    EXPECT(&f, "RPUSH k a b c d e", ":5");
    fixture_log(&f), fixture_events(&f), fixture_dirty(&f);
    EXPECT_BULK(&f, "LPOP k", "a");
    EXPECT(&f, "RPOP k 2", "*2\r\n$1\r\ne\r\n$1\r\nd");
    EXPECT(&f, "LPOP k 0", "*0");
    EXPECT_LOG(&f, "LPOP k; RPOP k 2");
    EXPECT_DIRTY(&f, 3);
    EXPECT(&f, "LPOP k -1", "-ERR value is out of range, must be positive");
    EXPECT(&f, "LPOP k x", "-ERR value is out of range, must be positive");
    EXPECT(&f, "LPOP k 1 1", "-ERR wrong number of arguments for 'lpop' command");
    EXPECT(&f, "LPOP k 9223372036854775807", "*2\r\n$1\r\nb\r\n$1\r\nc");
    EXPECT_EVENTS(&f, "l:lpop:k l:rpop:k l:lpop:k g:del:k");
    EXPECT(&f, "EXISTS k", ":0");
    EXPECT(&f, "LPOP k", "$-1");
    EXPECT(&f, "LPOP k 3", "*-1");
    EXPECT(&f, "RPOP k 0", "*-1");
}

static void test_within(void **state)
{
    fixture_reset(&f);
    EXPECT(&f, "LSET k 0 x", "-ERR no such key");
    EXPECT(&f, "LINSERT k BEFORE a x", ":0");
    EXPECT(&f, "LINSERT k MIDDLE a x", SYNTAX);
    EXPECT(&f, "RPUSH k a b c", ":3");
    fixture_log(&f), fixture_events(&f), fixture_dirty(&f);
    EXPECT(&f, "LSET k -1 z", "+OK");
    EXPECT(&f, "LSET k 3 z", "-ERR index out of range");
    EXPECT(&f, "LSET k x z", NOT_INTEGER);
    EXPECT(&f, "LINSERT k after b x", ":4");
    EXPECT(&f, "LINSERT k before none x", ":-1");
    EXPECT_LOG(&f, "LSET k -1 z; LINSERT k after b x");
    EXPECT_EVENTS(&f, "l:lset:k l:linsert:k");
    EXPECT_DIRTY(&f, 2);
    EXPECT_BULK(&f, "LINDEX k 2", "x");
    EXPECT(&f, "LINDEX k 4", "$-1");
    EXPECT(&f, "LINDEX none x", "$-1");
    EXPECT(&f, "LINDEX k x", NOT_INTEGER);
    EXPECT(&f, "LLEN k", ":4");
    EXPECT(&f, "LLEN none", ":0");
}

static void test_remove(void **state)
{
    fixture_reset(&f);
    EXPECT(&f, "RPUSH k a b a c a", ":5");
    fixture_log(&f), fixture_events(&f), fixture_dirty(&f);
    EXPECT(&f, "LREM k -1 a", ":1");
    EXPECT(&f, "LREM k 5 z", ":0");
    EXPECT(&f, "LTRIM k 0 -1", "+OK"); /* fires, but changes nothing */
    EXPECT_LOG(&f, "LREM k -1 a");
    EXPECT_EVENTS(&f, "l:lrem:k l:ltrim:k");
    EXPECT_DIRTY(&f, 1);
    EXPECT(&f, "LTRIM k 1 2", "+OK");
    EXPECT_DIRTY(&f, 2);
    EXPECT(&f, "LRANGE k -100 100", "*2\r\n$1\r\nb\r\n$1\r\na");
    EXPECT(&f, "LTRIM k 5 1", "+OK");
    EXPECT_DIRTY(&f, 2);
    EXPECT(&f, "EXISTS k", ":0");
    EXPECT(&f, "RPUSH k a a", ":2");
    fixture_events(&f);
    EXPECT(&f, "LREM k 0 a", ":2");
    EXPECT_EVENTS(&f, "l:lrem:k g:del:k");
    EXPECT(&f, "LTRIM none x 1", NOT_INTEGER);
    EXPECT(&f, "LREM none x a", NOT_INTEGER);
}

static void test_move(void **state)
{
    fixture_reset(&f);
    EXPECT(&f, "LMOVE k l LEFT RIGHT", "$-1");
    EXPECT(&f, "LMOVE k l LEFT UP", SYNTAX);
    EXPECT(&f, "RPUSH k a b", ":2");
    fixture_log(&f), fixture_events(&f), fixture_dirty(&f);
    EXPECT_BULK(&f, "LMOVE k l LEFT RIGHT", "a");
    EXPECT_BULK(&f, "RPOPLPUSH k l", "b");
    EXPECT_LOG(&f, "LMOVE k l LEFT RIGHT; RPOPLPUSH k l");
    EXPECT_EVENTS(&f, "l:rpush:l l:lpop:k l:lpush:l l:rpop:k g:del:k");
    EXPECT_DIRTY(&f, 2);
    EXPECT(&f, "LRANGE l 0 -1", "*2\r\n$1\r\nb\r\n$1\r\na");
    EXPECT_BULK(&f, "LMOVE l l LEFT RIGHT", "b");
    EXPECT(&f, "LPOP l 5", "*2\r\n$1\r\na\r\n$1\r\nb");
    EXPECT(&f, "RPUSH one x", ":1");
    fixture_events(&f);
    EXPECT_BULK(&f, "RPOPLPUSH one one", "x"); /* never empty in between for others */
    EXPECT_EVENTS(&f, "l:lpush:one l:rpop:one");
    EXPECT(&f, "LLEN one", ":1");
    EXPECT(&f, "SET s v", "+OK");
    EXPECT(&f, "RPOPLPUSH one s", WRONG_TYPE);
    EXPECT(&f, "RPOPLPUSH s one", WRONG_TYPE);
    EXPECT(&f, "RPOPLPUSH none s", "$-1");
    EXPECT(&f, "LLEN one", ":1");
}

static void test_lmpop(void **state)
{
    fixture_reset(&f);
    EXPECT(&f, "LMPOP 2 k l LEFT", "*-1");
    EXPECT(&f, "RPUSH l a b c", ":3");
    fixture_log(&f), fixture_events(&f), fixture_dirty(&f);
    EXPECT(&f, "LMPOP 2 k l RIGHT COUNT 2", "*2\r\n$1\r\nl\r\n*2\r\n$1\r\nc\r\n$1\r\nb");
    EXPECT(&f, "LMPOP 2 k l LEFT COUNT 9", "*2\r\n$1\r\nl\r\n*1\r\n$1\r\na");
    EXPECT_LOG(&f, "RPOP l 2; LPOP l 1");
    EXPECT_EVENTS(&f, "l:rpop:l l:lpop:l g:del:l");
    EXPECT_DIRTY(&f, 3);
    EXPECT(&f, "LMPOP 0 k LEFT", "-ERR numkeys should be greater than 0");
    EXPECT(&f, "LMPOP x k LEFT", "-ERR numkeys should be greater than 0");
    EXPECT(&f, "LMPOP 9223372036854775807 k LEFT", SYNTAX);
    EXPECT(&f, "LMPOP 2 k LEFT", SYNTAX);
    EXPECT(&f, "LMPOP 1 k LEFT COUNT", SYNTAX);
    EXPECT(&f, "LMPOP 1 k LEFT COUNT 0", "-ERR count should be greater than 0");
    EXPECT(&f, "LMPOP 1 k LEFT COUNT 1 COUNT 1", SYNTAX);
    EXPECT(&f, "LMPOP 1 k LEFT COUNT 0 COUNT 1", "-ERR count should be greater than 0");
}

static void test_lpos(void **state)
{
    fixture_reset(&f);
    EXPECT(&f, "RPUSH k a b c a b c a", ":7");
    EXPECT(&f, "LPOS k a", ":0");
    EXPECT(&f, "LPOS k a RANK -1", ":6");
    EXPECT(&f, "LPOS k a RANK 2 COUNT 0", "*2\r\n:3\r\n:6");
    EXPECT(&f, "LPOS k a COUNT 2 RANK -2", "*2\r\n:3\r\n:0");
    EXPECT(&f, "LPOS k a MAXLEN 3 COUNT 0", "*1\r\n:0");
    EXPECT(&f, "LPOS k a MAXLEN 3 RANK 2", "$-1");
    EXPECT(&f, "LPOS k z COUNT 1", "*0");
    EXPECT(&f, "LPOS none z COUNT 1", "*0");
    EXPECT(&f, "LPOS none z", "$-1");
    EXPECT(&f, "LPOS k a COUNT -1", "-ERR COUNT can't be negative");
    EXPECT(&f, "LPOS k a MAXLEN -1", "-ERR MAXLEN can't be negative");
    EXPECT(&f, "LPOS k a RANK", SYNTAX);
    EXPECT(&f, "LPOS k a NOPE 1", SYNTAX);
}

/* The limits that the keyspace carries are what commands use, and a copy is a value of its own. */
static void test_forms_and_copies(void **state)
{
    fixture_reset(&f);
    struct value_limits *limits = &keyspace_options(f.server.keyspace)->limits;
    limits->list_max_listpack_size = 3;
    EXPECT(&f, "RPUSH k a b c", ":3");
    assert_string_equal(fixture_encoding(&f, "k"), "listpack");
    EXPECT(&f, "LINSERT k before a z", ":4");
    assert_string_equal(fixture_encoding(&f, "k"), "quicklist");
    EXPECT(&f, "COPY k copy", ":1");
    EXPECT(&f, "RENAME k moved", "+OK");
    EXPECT(&f, "PEXPIREAT moved 99999999999999", ":1");
    EXPECT(&f, "LTRIM moved 0 0", "+OK");
    EXPECT(&f, "PERSIST moved", ":1");
    assert_string_equal(fixture_encoding(&f, "moved"), "listpack");
    assert_string_equal(fixture_encoding(&f, "copy"), "quicklist");
    EXPECT(&f, "LRANGE copy 0 -1", "*4\r\n$1\r\nz\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc");
    EXPECT(&f, "SET copy string", "+OK");
    EXPECT(&f, "DEL moved copy", ":2");
    *limits = value_limits_default;
}

static int setup(void **state)
{
    static const struct command *const families[] = {list_commands, string_commands,
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
        cmocka_unit_test(test_push),   cmocka_unit_test(test_pop),
        cmocka_unit_test(test_within), cmocka_unit_test(test_remove),
        cmocka_unit_test(test_move),   cmocka_unit_test(test_lmpop),
        cmocka_unit_test(test_lpos),   cmocka_unit_test(test_forms_and_copies),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
