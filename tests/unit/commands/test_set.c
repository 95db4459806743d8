/* test_set.c - the set family: what is logged, which events are fired, when keys go. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include "commands/commands.h"
#include "engine_fixture.h"

static struct engine_fixture f;

static void test_add_and_remove(void **state)
{
    fixture_reset(&f);
    EXPECT(&f, "SADD k a b a", ":2");
    EXPECT(&f, "SADD k a", ":0");
    EXPECT(&f, "SREM k x", ":0");
    EXPECT(&f, "SREM k a x", ":1");
    EXPECT_LOG(&f, "SADD k a b a; SREM k a x");
    EXPECT_DIRTY(&f, 3);
    EXPECT(&f, "SREM k b b", ":1");
    EXPECT_EVENTS(&f, "s:sadd:k s:srem:k s:srem:k g:del:k");
    EXPECT(&f, "EXISTS k", ":0");
    EXPECT(&f, "SET s v", "+OK");
    EXPECT(&f, "SADD s a", WRONG_TYPE);
    EXPECT(&f, "SADD k", "-ERR wrong number of arguments for 'sadd' command");
}

static void test_move(void **state)
{
    fixture_reset(&f);
    EXPECT(&f, "SADD a x y", ":2");
    EXPECT(&f, "SADD b y", ":1");
    fixture_log(&f), fixture_events(&f), fixture_dirty(&f);
    EXPECT(&f, "SMOVE a a x", ":1");
    EXPECT(&f, "SMOVE a b z", ":0");
    EXPECT(&f, "SMOVE none b z", ":0");
    EXPECT_LOG(&f, "");
    EXPECT_DIRTY(&f, 0);
    EXPECT(&f, "SMOVE a b y", ":1"); /* there already */
    EXPECT_DIRTY(&f, 1);
    EXPECT(&f, "SMOVE a c x", ":1");
    EXPECT_DIRTY(&f, 2);
    EXPECT_LOG(&f, "SMOVE a b y; SMOVE a c x");
    EXPECT_EVENTS(&f, "s:srem:a s:srem:a g:del:a s:sadd:c");
    EXPECT(&f, "SET s v", "+OK");
    EXPECT(&f, "SMOVE c s x", WRONG_TYPE);
    EXPECT(&f, "SMOVE none s x", ":0");
    EXPECT(&f, "SCARD c", ":1");
}

static void test_pop(void **state)
{
    fixture_reset(&f);
    EXPECT(&f, "SADD k a", ":1");
    EXPECT(&f, "SADD l a b c", ":3");
    EXPECT(&f, "SADD m 1 2 3 4", ":4");
    fixture_log(&f), fixture_events(&f), fixture_dirty(&f);
    EXPECT_BULK(&f, "SPOP k", "a");
    EXPECT_LOG(&f, "SREM k a");
    EXPECT(&f, "SPOP l 0", "*0");
    EXPECT_LOG(&f, "");
    EXPECT(&f, "SPOP m 4", "*4\r\n$1\r\n1\r\n$1\r\n2\r\n$1\r\n3\r\n$1\r\n4");
    EXPECT_LOG(&f, "DEL m");
    EXPECT_DIRTY(&f, 5);
    EXPECT_EVENTS(&f, "s:spop:k g:del:k s:spop:m g:del:m");
    EXPECT(&f, "SPOP k", "$-1");
    EXPECT(&f, "SPOP k 3", "*0");
    EXPECT(&f, "SPOP l -1", "-ERR value is out of range, must be positive");
    EXPECT(&f, "SPOP l 1 1", "-ERR syntax error");
    EXPECT(&f, "SRANDMEMBER l -100000001", "-ERR value is out of range");
    EXPECT(&f, "EXISTS k l m", ":1");
}

static void test_store(void **state)
{
    fixture_reset(&f);
    EXPECT(&f, "SADD a 1 2 3", ":3");
    EXPECT(&f, "SADD b 2 3 x", ":3");
    EXPECT(&f, "SET to v", "+OK");
    fixture_log(&f), fixture_events(&f), fixture_dirty(&f);
    EXPECT(&f, "SINTERSTORE to a b", ":2");
    EXPECT(&f, "SUNIONSTORE a a b", ":4");
    EXPECT(&f, "SDIFFSTORE to b a", ":0");
    EXPECT(&f, "SINTERSTORE to b none", ":0");
    EXPECT_LOG(&f, "SINTERSTORE to a b; SUNIONSTORE a a b; SDIFFSTORE to b a");
    EXPECT_EVENTS(&f, "s:sinterstore:to s:sunionstore:a g:del:to");
    EXPECT_DIRTY(&f, 3);
    EXPECT(&f, "EXISTS to", ":0");
    assert_string_equal(fixture_encoding(&f, "a"), "listpack");
    EXPECT(&f, "SET s v", "+OK");
    EXPECT(&f, "SINTERSTORE to none s", WRONG_TYPE);
    EXPECT(&f, "SINTERCARD 0 a", "-ERR numkeys should be greater than 0");
    EXPECT(&f, "SINTERCARD 2 a", "-ERR Number of keys can't be greater than number of args");
    EXPECT(&f, "SINTERCARD 1 a LIMIT -1", "-ERR LIMIT can't be negative");
    EXPECT(&f, "SINTERCARD 1 a LIMIT 2", ":2");
}

/* Of more members than one SREM that is logged has. */
static void test_pop_many(void **state)
{
    fixture_reset(&f);
    char line[64];
    for (int i = 0; i < 3000; i++) {
        snprintf(line, sizeof line, "SADD k m%d", i);
        EXPECT(&f, line, ":1");
    }
    fixture_log(&f), fixture_events(&f), fixture_dirty(&f);
    fixture_run(&f, "SPOP k 2500");
    EXPECT_DIRTY(&f, 2500);
    EXPECT_EVENTS(&f, "s:spop:k");
    EXPECT(&f, "SCARD k", ":500");
    const char *log = fixture_log(&f);
    assert_memory_equal(log, "MULTI; SREM k m", 15);
    int commands = 0;
    for (; (log = strstr(log, "SREM k ")) != NULL; log++)
        commands++;
    assert_int_equal(commands, 3);
}

/* Of commands that the reference is too old for: assumed are the errors of SINTERCARD, options in
 * any order, and that APPROX is what PFCOUNT would say of the union. */
static void test_count(void **state)
{
    fixture_reset(&f);
    EXPECT(&f, "SADD a 1 2 3 4", ":4");
    EXPECT(&f, "SADD b 3 4 5", ":3");
    EXPECT(&f, "SADD c x 4", ":2");
    EXPECT(&f, "SUNIONCARD 3 a b c", ":6");
    EXPECT(&f, "SUNIONCARD 4 a none a b", ":5");
    EXPECT(&f, "SUNIONCARD 1 a", ":4");
    EXPECT(&f, "SUNIONCARD 1 none", ":0");
    EXPECT(&f, "SUNIONCARD 3 a b c LIMIT 5", ":5");
    EXPECT(&f, "SUNIONCARD 3 a b c LIMIT 6", ":6");
    EXPECT(&f, "SUNIONCARD 3 a b c LIMIT 7", ":6");
    EXPECT(&f, "SUNIONCARD 3 a b c LIMIT 0", ":6");
    EXPECT(&f, "SUNIONCARD 1 a LIMIT 2", ":2");
    EXPECT(&f, "SUNIONCARD 2 a b LIMIT 1", ":1");
    EXPECT(&f, "SUNIONCARD 3 a b c APPROX", ":6");
    EXPECT(&f, "SUNIONCARD 3 a b c LIMIT 5 approx", ":5");
    EXPECT(&f, "SUNIONCARD 1 none APPROX", ":0");
    EXPECT(&f, "SDIFFCARD 2 a b", ":2");
    EXPECT(&f, "SDIFFCARD 3 a none c", ":3");
    EXPECT(&f, "SDIFFCARD 1 a", ":4");
    EXPECT(&f, "SDIFFCARD 2 none a", ":0");
    EXPECT(&f, "SDIFFCARD 2 a a", ":0");
    EXPECT(&f, "SDIFFCARD 2 a c LIMIT 2", ":2");
    EXPECT(&f, "SDIFFCARD 2 a c LIMIT 3", ":3");
    EXPECT(&f, "SDIFFCARD 2 a c LIMIT 0", ":3");
    EXPECT(&f, "SDIFFCARD 2 a b APPROX", SYNTAX);
    EXPECT(&f, "SDIFFCARD 2 a b LIMIT", SYNTAX);
    EXPECT(&f, "SDIFFCARD 0 a", "-ERR numkeys should be greater than 0");
    EXPECT(&f, "SDIFFCARD 3 a b", "-ERR Number of keys can't be greater than number of args");
    EXPECT(&f, "SUNIONCARD 1 a LIMIT -1", "-ERR LIMIT can't be negative");
    EXPECT(&f, "SUNIONCARD 1 a b", SYNTAX);
    EXPECT(&f, "SET s v", "+OK");
    EXPECT(&f, "SUNIONCARD 2 a s", WRONG_TYPE);
    EXPECT(&f, "SDIFFCARD 2 none s", WRONG_TYPE);
}

static void test_count_of_many(void **state)
{
    char line[64];
    fixture_reset(&f);
    for (int i = 0; i < 3000; i++) {
        snprintf(line, sizeof line, "SADD k%d m%d m%d", i % 3, i, i + 1);
        fixture_run(&f, line);
    }
    EXPECT(&f, "SUNIONCARD 3 k0 k1 k2", ":3001");
    EXPECT(&f, "SUNIONCARD 2 k0 k1 LIMIT 1234", ":1234");
    EXPECT(&f, "SDIFFCARD 2 k0 k1", ":1000");
    long about = strtol(fixture_run(&f, "SUNIONCARD 3 k0 k1 k2 APPROX") + 1, NULL, 10);
    assert_in_range(about, 2850, 3150);
}

static int setup(void **state)
{
    static const struct command *const families[] = {set_commands, string_commands,
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
        cmocka_unit_test(test_add_and_remove),
        cmocka_unit_test(test_move),
        cmocka_unit_test(test_pop),
        cmocka_unit_test(test_store),
        cmocka_unit_test(test_pop_many),
        cmocka_unit_test(test_count),
        cmocka_unit_test(test_count_of_many),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
