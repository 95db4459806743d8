/* test_zset.c - the sorted-set family: replies, what is logged, which events are fired, when keys
 * go.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include "commands/commands.h"
#include "engine_fixture.h"

static struct engine_fixture f;

static void forget(void)
{
    fixture_log(&f);
    fixture_events(&f);
    fixture_dirty(&f);
}

static void test_add(void **state)
{
    fixture_reset(&f);
    EXPECT(&f, "ZADD k XX 1 a", ":0");
    EXPECT(&f, "ZADD k XX INCR 1 a", "$-1");
    EXPECT_LOG(&f, "");
    EXPECT_EVENTS(&f, "");
    EXPECT(&f, "ZADD k 1 a 2 b 1 a", ":2");
    EXPECT(&f, "ZADD k CH 3 a 2 b 0.1 c", ":2");
    EXPECT_BULK(&f, "ZADD k INCR 1 a", "4");
    EXPECT(&f, "ZADD k NX 9 a", ":0");
    EXPECT_BULK(&f, "ZINCRBY k -1.5 a", "2.5");
    EXPECT_LOG(&f, "ZADD k 1 a 2 b 1 a; ZADD k CH 3 a 2 b 0.1 c; ZADD k INCR 1 a; "
                   "ZINCRBY k -1.5 a");
    EXPECT_EVENTS(&f, "z:zadd:k z:zadd:k z:zincr:k z:zincr:k");
    EXPECT_DIRTY(&f, 6);
    EXPECT(&f, "ZADD k NX XX 1 a", "-ERR XX and NX options at the same time are not compatible");
    EXPECT(&f, "ZADD k GT LT 1 a",
           "-ERR GT, LT, and/or NX options at the same time are not compatible");
    EXPECT(&f, "ZADD k INCR 1 a 2 b", "-ERR INCR option supports a single increment-element pair");
    EXPECT(&f, "ZADD k 1 a 2", SYNTAX);
    EXPECT(&f, "ZADD k 1 new nan b", "-ERR value is not a valid float");
    EXPECT(&f, "ZSCORE k new", "$-1");
    EXPECT(&f, "ZADD k inf i", ":1");
    EXPECT(&f, "ZINCRBY k -inf i", "-ERR resulting score is not a number (NaN)");
    EXPECT(&f, "SET s v", "+OK");
    EXPECT(&f, "ZADD s 1 a", WRONG_TYPE);
}

static void test_many_pairs(void **state)
{
    char line[2048] = "ZADD k";
    fixture_reset(&f);
    for (int i = 0; i < 129; i++)
        snprintf(line + strlen(line), sizeof line - strlen(line), " %d m%d", i % 7, i);
    EXPECT(&f, line, ":129");
    assert_string_equal(fixture_encoding(&f, "k"), "skiplist");
    EXPECT(&f, "ZREMRANGEBYRANK k 0 0", ":1");
    EXPECT(&f, "ZUNIONSTORE l 1 k", ":128");
    assert_string_equal(fixture_encoding(&f, "l"), "listpack");
    EXPECT(&f, "ZRANGESTORE l k 0 -1", ":128");
    assert_string_equal(fixture_encoding(&f, "l"), "listpack");
}

static void test_remove(void **state)
{
    fixture_reset(&f);
    EXPECT(&f, "ZADD k 1 a 2 b 3 c 4 d 5 e", ":5");
    forget();
    EXPECT(&f, "ZREM k none", ":0");
    EXPECT(&f, "ZREM k a none a", ":1");
    EXPECT(&f, "ZREMRANGEBYSCORE k (2 3", ":1");
    EXPECT(&f, "ZREMRANGEBYRANK k -1 -1", ":1");
    EXPECT(&f, "ZREMRANGEBYLEX k [x [z", ":0");
    EXPECT_LOG(&f, "ZREM k a none a; ZREMRANGEBYSCORE k (2 3; ZREMRANGEBYRANK k -1 -1");
    EXPECT_DIRTY(&f, 3);
    EXPECT(&f, "ZREMRANGEBYRANK k 0 -1", ":2");
    EXPECT_EVENTS(&f, "z:zrem:k z:zremrangebyscore:k z:zremrangebyrank:k "
                      "z:zremrangebyrank:k g:del:k");
    EXPECT(&f, "EXISTS k", ":0");
}

static void test_pop(void **state)
{
    fixture_reset(&f);
    EXPECT(&f, "ZADD k 1 a 2 b 3 c 4 d", ":4");
    forget();
    EXPECT(&f, "ZPOPMIN k", "*2\r\n$1\r\na\r\n$1\r\n1");
    EXPECT(&f, "ZMPOP 2 none k MAX COUNT 1", "*2\r\n$1\r\nk\r\n*1\r\n*2\r\n$1\r\nd\r\n$1\r\n4");
    EXPECT(&f, "ZPOPMAX k 0", "*0");
    EXPECT(&f, "ZMPOP 1 k MIN COUNT 0", "-ERR count should be greater than 0");
    EXPECT(&f, "ZMPOP 0 k MIN", "-ERR numkeys should be greater than 0");
    EXPECT(&f, "ZMPOP 1 k MID", SYNTAX);
    EXPECT(&f, "ZMPOP 1 k MIN COUNT 9",
           "*2\r\n$1\r\nk\r\n*2\r\n*2\r\n$1\r\nb\r\n$1\r\n2\r\n*2\r\n$1\r\nc\r\n$1\r\n3");
    EXPECT_LOG(&f, "ZPOPMIN k; ZPOPMAX k 1; ZPOPMIN k 2");
    EXPECT_EVENTS(&f, "z:zpopmin:k z:zpopmax:k z:zpopmin:k g:del:k");
    EXPECT(&f, "ZPOPMIN k", "*0");
    EXPECT(&f, "ZMPOP 1 k MIN", "*-1");
    f.client.resp = 3;
    EXPECT(&f, "ZADD k 1 a 2 b", ":2");
    EXPECT(&f, "ZPOPMIN k", "*2\r\n$1\r\na\r\n,1");
    EXPECT(&f, "ZPOPMIN k 1", "*1\r\n*2\r\n$1\r\nb\r\n,2");
}

/* WITHSCORE is of 7.2: no reference of 7.0 can be asked. */
static void test_rank(void **state)
{
    fixture_reset(&f);
    EXPECT(&f, "ZADD k 1 a 2.5 b 3 c", ":3");
    EXPECT(&f, "ZRANK k b", ":1");
    EXPECT(&f, "ZREVRANK k c", ":0");
    EXPECT(&f, "ZRANK k b withscore", "*2\r\n:1\r\n$3\r\n2.5");
    EXPECT(&f, "ZREVRANK k a WITHSCORE", "*2\r\n:2\r\n$1\r\n1");
    EXPECT(&f, "ZRANK k none", "$-1");
    EXPECT(&f, "ZRANK k none WITHSCORE", "*-1");
    EXPECT(&f, "ZRANK none a WITHSCORE", "*-1");
    EXPECT(&f, "ZRANK k a WITHSCORES", SYNTAX);
    EXPECT(&f, "ZRANK k a WITHSCORE x", "-ERR wrong number of arguments for 'zrank' command");
    f.client.resp = 3;
    EXPECT(&f, "ZRANK k b WITHSCORE", "*2\r\n:1\r\n,2.5");
    EXPECT(&f, "ZRANGE k 0 0 WITHSCORES", "*1\r\n*2\r\n$1\r\na\r\n,1");
}

static void test_store(void **state)
{
    fixture_reset(&f);
    EXPECT(&f, "ZADD a 1 x 2 y", ":2");
    EXPECT(&f, "ZADD b 10 y 20 z", ":2");
    EXPECT(&f, "SET t text", "+OK");
    forget();
    EXPECT(&f, "ZINTERSTORE t 2 a b WEIGHTS 2 1", ":1");
    EXPECT(&f, "ZRANGE t 0 -1 WITHSCORES", "*2\r\n$1\r\ny\r\n$2\r\n14");
    EXPECT(&f, "ZUNIONSTORE a 2 a b AGGREGATE MAX", ":3");
    EXPECT(&f, "ZRANGE a 0 -1", "*3\r\n$1\r\nx\r\n$1\r\ny\r\n$1\r\nz");
    EXPECT(&f, "ZDIFFSTORE t 2 b a", ":0");
    EXPECT(&f, "EXISTS t", ":0");
    EXPECT(&f, "ZDIFFSTORE t 2 b a", ":0");
    EXPECT(&f, "ZRANGESTORE b b 1 1", ":1");
    EXPECT_EVENTS(&f, "z:zinterstore:t z:zunionstore:a g:del:t z:zrangestore:b");
    EXPECT_LOG(&f, "ZINTERSTORE t 2 a b WEIGHTS 2 1; ZUNIONSTORE a 2 a b AGGREGATE MAX; DEL t; "
                   "ZRANGESTORE b b 1 1");
    EXPECT(&f, "ZINTERCARD 2 a b", ":1");
    EXPECT(&f, "ZINTERCARD 2 a a LIMIT 2", ":2");
    EXPECT(&f, "ZINTERCARD 1 a LIMIT -1", "-ERR LIMIT can't be negative");
    EXPECT(&f, "ZUNIONSTORE t 0 a",
           "-ERR at least 1 input key is needed for 'zunionstore' command");
    EXPECT(&f, "ZUNION 2 a", SYNTAX);
    EXPECT(&f, "ZUNION 1 a WEIGHTS x", "-ERR weight value is not a float");
}

static void test_scan(void **state)
{
    fixture_reset(&f);
    EXPECT(&f, "ZADD k 1 a 0.1 b", ":2");
    EXPECT(&f, "ZSCAN k 0", "*2\r\n$1\r\n0\r\n*4\r\n$1\r\nb\r\n$3\r\n0.1\r\n$1\r\na\r\n$1\r\n1");
    EXPECT(&f, "ZSCAN k 0 MATCH a NOSCORES", "*2\r\n$1\r\n0\r\n*1\r\n$1\r\na");
    EXPECT(&f, "ZSCAN k x", "-ERR invalid cursor");
    EXPECT(&f, "ZSCAN k 0 NOVALUES", SYNTAX);
    EXPECT(&f, "ZSCAN none 0 NOVALUES", "*2\r\n$1\r\n0\r\n*0");
    for (int i = 0; i < 1000; i++) {
        char line[64];
        snprintf(line, sizeof line, "ZADD large %d m%d", i, i);
        EXPECT(&f, line, ":1");
    }
    bool seen[1000] = {false};
    unsigned found = 0, calls = 0;
    for (unsigned long long cursor = 0; calls == 0 || cursor != 0; calls++) {
        char line[64];
        snprintf(line, sizeof line, "ZSCAN large %llu COUNT 20 NOSCORES", cursor);
        const char *reply = fixture_run(&f, line);
        cursor = strtoull(strstr(reply, "\r\n") + 2 + strcspn(strstr(reply, "\r\n") + 2, "\n") + 1,
                          NULL, 10);
        while ((reply = strchr(reply + 1, 'm')) != NULL) {
            assert_false(seen[strtol(reply + 1, NULL, 10)]);
            seen[strtol(reply + 1, NULL, 10)] = true;
            found++;
        }
    }
    assert_int_equal(found, 1000);
    assert_true(calls > 5);
    EXPECT(&f, "ZSCAN large 18446744073709551615", "*2\r\n$1\r\n0\r\n*0");
}

/* Chance decides who is answered, not how many, nor whether one is answered twice. */
static void test_random(void **state)
{
    fixture_reset(&f);
    EXPECT(&f, "ZADD k 1 a", ":1");
    EXPECT_BULK(&f, "ZRANDMEMBER k", "a");
    EXPECT(&f, "ZRANDMEMBER k 5", "*1\r\n$1\r\na");
    EXPECT(&f, "ZRANDMEMBER k -2 WITHSCORES", "*4\r\n$1\r\na\r\n$1\r\n1\r\n$1\r\na\r\n$1\r\n1");
    EXPECT(&f, "ZRANDMEMBER k 0", "*0");
    EXPECT(&f, "ZRANDMEMBER none", "$-1");
    EXPECT(&f, "ZRANDMEMBER none 1", "*0");
    EXPECT(&f, "ZRANDMEMBER k 1 x", SYNTAX);
    EXPECT(&f, "ZRANDMEMBER k -9223372036854775807", "-ERR value is out of range");
    EXPECT(&f, "ZRANDMEMBER k -16777217", "-ERR value is out of range");
    for (int i = 0; i < 1000; i++) {
        char line[64];
        snprintf(line, sizeof line, "ZADD large %d m%d", i, i);
        EXPECT(&f, line, ":1");
    }
    static const char *const commands[] = {"ZRANDMEMBER large 3", "ZRANDMEMBER large 900",
                                           "ZRANDMEMBER large 1001"};
    static const long counts[] = {3, 900, 1000};
    for (size_t c = 0; c < COUNT_OF(commands); c++) {
        bool seen[1000] = {false};
        const char *reply = fixture_run(&f, commands[c]);
        assert_int_equal(strtol(reply + 1, NULL, 10), counts[c]);
        for (long i = 0; i < counts[c]; i++) {
            reply = strchr(reply + 1, 'm');
            assert_non_null(reply);
            long number = strtol(reply + 1, NULL, 10);
            assert_false(seen[number]);
            seen[number] = true;
        }
    }
}

/* COUNT is of Redis 8.8. Assumed is that a source gives its weight to whatever it has; what is
 * stored is logged in words of before. */
static void test_aggregate_count(void **state)
{
    fixture_reset(&f);
    EXPECT(&f, "ZADD a 5 x 7 y", ":2");
    EXPECT(&f, "ZADD b -inf x 3 z", ":2");
    EXPECT(&f, "ZUNION 2 a b AGGREGATE COUNT WITHSCORES",
           "*6\r\n$1\r\ny\r\n$1\r\n1\r\n$1\r\nz\r\n$1\r\n1\r\n$1\r\nx\r\n$1\r\n2");
    EXPECT(&f, "ZUNION 2 a b WEIGHTS 0.5 4 AGGREGATE count WITHSCORES",
           "*6\r\n$1\r\ny\r\n$3\r\n0.5\r\n$1\r\nz\r\n$1\r\n4\r\n$1\r\nx\r\n$3\r\n4.5");
    EXPECT(&f, "ZINTER 3 a b a AGGREGATE COUNT WITHSCORES", "*2\r\n$1\r\nx\r\n$1\r\n3");
    EXPECT(&f, "ZINTER 2 a b AGGREGATE COUNT WEIGHTS inf -inf WITHSCORES",
           "*2\r\n$1\r\nx\r\n$1\r\n0");
    forget();
    EXPECT(&f, "ZUNIONSTORE t 2 a b AGGREGATE COUNT", ":3");
    EXPECT_LOG(&f, "MULTI; DEL t; ZADD t 1 y 1 z 2 x; EXEC");
    EXPECT_EVENTS(&f, "z:zunionstore:t");
    EXPECT_DIRTY(&f, 1);
    EXPECT(&f, "ZINTERSTORE t 2 a none AGGREGATE COUNT", ":0");
    EXPECT_LOG(&f, "DEL t");
    EXPECT(&f, "ZDIFF 2 a b AGGREGATE COUNT", SYNTAX);
    char line[4096] = "ZADD many";
    for (int i = 0; i < 96; i++)
        snprintf(line + strlen(line), sizeof line - strlen(line), " %d m%d", i, i);
    EXPECT(&f, line, ":96");
    forget();
    EXPECT(&f, "ZUNIONSTORE t 1 many AGGREGATE COUNT", ":96");
    const char *log = fixture_log(&f);
    int commands = 0;
    for (; (log = strstr(log, "ZADD t ")) != NULL; log++)
        commands++;
    assert_int_equal(commands, 3);
}

static int open_fixture(void **state)
{
    static const struct command *const families[] = {zset_commands, string_commands,
                                                     generic_commands, NULL};
    fixture_open(&f, families);
    return 0;
}

static int close_fixture(void **state)
{
    fixture_close(&f);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_add),
        cmocka_unit_test(test_many_pairs),
        cmocka_unit_test(test_remove),
        cmocka_unit_test(test_pop),
        cmocka_unit_test(test_rank),
        cmocka_unit_test(test_store),
        cmocka_unit_test(test_random),
        cmocka_unit_test(test_scan),
        cmocka_unit_test(test_aggregate_count),
    };
    return cmocka_run_group_tests(tests, open_fixture, close_fixture);
}
