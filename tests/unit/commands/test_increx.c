/* test_increx.c - INCREX: bounds, saturation, times to live, what is logged.
 *
 * The reference is too old for it. Known of it are the options, that the reply is the value with
 * the step that was made, and that a sum out of bounds changes nothing and is answered with a step
 * of 0 unless SATURATE is given. Assumed is: without a time option the key keeps its time to live; ENX
 * sets one only where there is none and needs a time; a saturated sum sets it even if the step is
 * 0; a bound that does not fit the other, or an option twice, is an error.
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

static void test_counts(void **state)
{
    fixture_reset(&f);
    EXPECT(&f, "INCREX k", "*2\r\n:1\r\n:1");
    EXPECT(&f, "increx k byint 5", "*2\r\n:6\r\n:5");
    EXPECT(&f, "INCREX k BYINT -10", "*2\r\n:-4\r\n:-10");
    EXPECT(&f, "INCREX k BYINT 0", "*2\r\n:-4\r\n:0");
    EXPECT_BULK(&f, "GET k", "-4");
    EXPECT_LOG(&f, "SET k 1; SET k 6; SET k -4; SET k -4");
    EXPECT_EVENTS(&f, "$:incrby:k $:incrby:k $:incrby:k $:incrby:k");
    EXPECT_DIRTY(&f, 4);
    assert_string_equal(fixture_encoding(&f, "k"), "int");
    EXPECT(&f, "SET s v", "+OK");
    EXPECT(&f, "INCREX s", NOT_INTEGER);
    fixture_make_list(&f, "l");
    EXPECT(&f, "INCREX l", WRONG_TYPE);
}

static void test_bounds(void **state)
{
    fixture_reset(&f);
    EXPECT(&f, "INCREX k BYINT 3 UBOUND 3", "*2\r\n:3\r\n:3");
    forget();
    EXPECT(&f, "INCREX k UBOUND 3 EX 100", "*2\r\n:3\r\n:0");
    EXPECT(&f, "INCREX k BYINT -4 LBOUND 0", "*2\r\n:3\r\n:0");
    EXPECT(&f, "INCREX none BYINT 5 UBOUND 4", "*2\r\n:0\r\n:0");
    EXPECT(&f, "EXISTS none", ":0");
    EXPECT(&f, "TTL k", ":-1");
    EXPECT_LOG(&f, "");
    EXPECT_EVENTS(&f, "");
    EXPECT(&f, "INCREX k BYINT 9 UBOUND 5 SATURATE", "*2\r\n:5\r\n:2");
    EXPECT(&f, "INCREX k BYINT -9 LBOUND 0 SATURATE UBOUND 5", "*2\r\n:0\r\n:-5");
    EXPECT(&f, "INCREX k BYINT -1 LBOUND 0 SATURATE PX 100000", "*2\r\n:0\r\n:0");
    EXPECT(&f, "PERSIST k", ":1");
    /* Far outside, and back at once. */
    EXPECT(&f, "SET k 100", "+OK");
    EXPECT(&f, "INCREX k UBOUND 10", "*2\r\n:100\r\n:0");
    EXPECT(&f, "INCREX k UBOUND 10 SATURATE", "*2\r\n:10\r\n:-90");
    EXPECT(&f, "INCREX k LBOUND 2 UBOUND 1", "-ERR LBOUND can't be greater than UBOUND");
    EXPECT(&f, "INCREX k LBOUND 11 UBOUND 11", "*2\r\n:11\r\n:1");
}

static void test_type_limits(void **state)
{
    fixture_reset(&f);
    EXPECT(&f, "SET k 9223372036854775806", "+OK");
    EXPECT(&f, "INCREX k", "*2\r\n:9223372036854775807\r\n:1");
    EXPECT(&f, "INCREX k", "*2\r\n:9223372036854775807\r\n:0");
    EXPECT(&f, "INCREX k SATURATE BYINT 9", "*2\r\n:9223372036854775807\r\n:0");
    EXPECT(&f, "INCREX k BYINT -9223372036854775808", "*2\r\n:-1\r\n:-9223372036854775808");
    EXPECT(&f, "INCREX k BYINT -9223372036854775808", "*2\r\n:-1\r\n:0");
    EXPECT(&f, "INCREX k BYINT -9223372036854775808 SATURATE",
           "*2\r\n:-9223372036854775808\r\n:-9223372036854775807");
    EXPECT(&f, "INCREX k LBOUND 9 UBOUND 9223372036854775807 SATURATE",
           "*2\r\n:9\r\n:9223372036854775807");
    EXPECT(&f, "INCREX k BYINT 9223372036854775808", NOT_INTEGER);
    EXPECT(&f, "INCREX k BYINT 1.5", NOT_INTEGER);
    EXPECT(&f, "INCREX k UBOUND 1.5", NOT_INTEGER);
}

static void test_floats(void **state)
{
    fixture_reset(&f);
    EXPECT(&f, "INCREX k BYFLOAT 1.5", "*2\r\n$3\r\n1.5\r\n$3\r\n1.5");
    EXPECT(&f, "INCREX k BYFLOAT 1.5 UBOUND 2.5", "*2\r\n$3\r\n1.5\r\n$1\r\n0");
    EXPECT(&f, "INCREX k BYFLOAT 1.5 UBOUND 2.5 SATURATE", "*2\r\n$3\r\n2.5\r\n$1\r\n1");
    EXPECT_LOG(&f, "SET k 1.5; SET k 2.5");
    EXPECT_EVENTS(&f, "$:incrbyfloat:k $:incrbyfloat:k");
    EXPECT(&f, "INCREX k BYFLOAT -inf", "-ERR increment would produce NaN or Infinity");
    EXPECT(&f, "INCREX k BYFLOAT -inf LBOUND -2", "*2\r\n$3\r\n2.5\r\n$1\r\n0");
    EXPECT(&f, "INCREX k BYFLOAT -inf LBOUND -2 SATURATE", "*2\r\n$2\r\n-2\r\n$4\r\n-4.5");
    EXPECT(&f, "INCREX k BYFLOAT nan", "-ERR value is not a valid float");
    EXPECT(&f, "INCREX k", "*2\r\n:-1\r\n:1");
    EXPECT(&f, "INCREX k BYFLOAT 0.5", "*2\r\n$4\r\n-0.5\r\n$3\r\n0.5");
    EXPECT(&f, "INCREX k", NOT_INTEGER);
    f.client.resp = 3;
    EXPECT(&f, "INCREX k BYFLOAT 0.25", "*2\r\n,-0.25\r\n,0.25");
    EXPECT(&f, "SET s v", "+OK");
    EXPECT(&f, "INCREX s BYFLOAT 1", "-ERR value is not a valid float");
}

static void test_times(void **state)
{
    fixture_reset(&f);
    EXPECT(&f, "INCREX k PXAT 99999999999999", "*2\r\n:1\r\n:1");
    EXPECT(&f, "INCREX k", "*2\r\n:2\r\n:1");
    EXPECT(&f, "INCREX k EXAT 88888888888 ENX", "*2\r\n:3\r\n:1");
    EXPECT_LOG(&f, "SET k 1 PXAT 99999999999999; SET k 2 PXAT 99999999999999; "
                   "SET k 3 PXAT 99999999999999");
    EXPECT_EVENTS(&f, "$:incrby:k g:expire:k $:incrby:k $:incrby:k");
    EXPECT(&f, "INCREX k EXAT 88888888888", "*2\r\n:4\r\n:1");
    EXPECT(&f, "PEXPIRETIME k", ":88888888888000");
    EXPECT(&f, "INCREX k PERSIST", "*2\r\n:5\r\n:1");
    EXPECT(&f, "TTL k", ":-1");
    EXPECT(&f, "INCREX k PXAT 99999999999999 ENX", "*2\r\n:6\r\n:1");
    EXPECT(&f, "PEXPIRETIME k", ":99999999999999");
    forget();
    EXPECT(&f, "INCREX k EXAT 1", "*2\r\n:7\r\n:1");
    EXPECT(&f, "EXISTS k", ":0");
    EXPECT_LOG(&f, "DEL k");
    EXPECT(&f, "INCREX k EXAT 1", "*2\r\n:1\r\n:1");
    EXPECT(&f, "EXISTS k", ":0");
}

static void test_mistakes(void **state)
{
    fixture_reset(&f);
    static const char *const lines[] = {"INCREX k 5",
                                        "INCREX k BYINT",
                                        "INCREX k BYINT 1 BYFLOAT 1",
                                        "INCREX k BYINT 1 BYINT 1",
                                        "INCREX k UBOUND 1 UBOUND 1",
                                        "INCREX k EX 1 PX 1",
                                        "INCREX k EX 1 PERSIST",
                                        "INCREX k PERSIST EX 1",
                                        "INCREX k ENX",
                                        "INCREX k PERSIST ENX",
                                        "INCREX k SATURATE SATURATE",
                                        "INCREX k KEEPTTL",
                                        "INCREX k EX"};
    for (size_t i = 0; i < COUNT_OF(lines); i++)
        EXPECT(&f, lines[i], SYNTAX);
    EXPECT(&f, "INCREX k EX 0", "-ERR invalid expire time in 'increx' command");
    EXPECT(&f, "INCREX k EX x", NOT_INTEGER);
    EXPECT(&f, "INCREX", "-ERR wrong number of arguments for 'increx' command");
    EXPECT(&f, "EXISTS k", ":0");
    EXPECT_LOG(&f, "");
}

static int open_fixture(void **state)
{
    static const struct command *const families[] = {string_commands, generic_commands, NULL};
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
        cmocka_unit_test(test_counts),      cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_type_limits), cmocka_unit_test(test_floats),
        cmocka_unit_test(test_times),       cmocka_unit_test(test_mistakes),
    };
    return cmocka_run_group_tests(tests, open_fixture, close_fixture);
}
