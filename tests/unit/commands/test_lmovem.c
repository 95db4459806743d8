/* test_lmovem.c - LMOVEM: which elements go where, and what is logged.
 *
 * The reference is too old for it. Known of it are the options; that OBO turns the order round at
 * the target and BULK does not; and that with EXACTLY all or none are moved, none being answered
 * with null. Assumed is: without options one element is moved; the reply is an array in any case,
 * of the elements as they were taken, with BULK as they stood; OBO is as many LMOVEs, so from an
 * end to the same end of the same list nothing changes.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include "commands/commands.h"
#include "engine_fixture.h"

static struct engine_fixture f;

/* The bodies of an array of bulk strings, one behind the other. */
static const char *letters(const char *line)
{
    static char out[256];
    size_t len = 0;
    const char *p = fixture_run(&f, line);
    if (*p != '*' || p[1] == '-')
        return p;
    while ((p = strchr(p, '$')) != NULL) {
        p = strchr(p, '\n') + 1;
        while (*p != '\r')
            out[len++] = *p++;
    }
    out[len] = '\0';
    return out;
}

static void make(const char *source, const char *target)
{
    static const char *const names[] = {"s", "t"};
    const char *elements[] = {source, target};
    fixture_reset(&f);
    for (int i = 0; i < 2; i++) {
        for (const char *c = elements[i]; *c; c++) {
            char line[32];
            snprintf(line, sizeof line, "RPUSH %s %c", names[i], *c);
            fixture_run(&f, line);
        }
    }
    fixture_log(&f);
    fixture_events(&f);
    fixture_dirty(&f);
}

/* Moves between "abcde" and "xy", and checks the reply and both lists. */
static void check(const char *options, const char *reply, const char *source, const char *target)
{
    char line[128];
    make("abcde", "xy");
    snprintf(line, sizeof line, "LMOVEM s t %s", options);
    assert_string_equal(letters(line), reply);
    assert_string_equal(letters("LRANGE s 0 -1"), source);
    assert_string_equal(letters("LRANGE t 0 -1"), target);
}

static void test_orders(void **state)
{
    check("LEFT LEFT", "a", "bcde", "axy");
    check("RIGHT RIGHT", "e", "abcd", "xye");
    check("LEFT LEFT COUNT 3 OBO", "abc", "de", "cbaxy");
    check("LEFT LEFT COUNT 3 BULK", "abc", "de", "abcxy");
    check("LEFT RIGHT COUNT 3 OBO", "abc", "de", "xyabc");
    check("LEFT RIGHT COUNT 3 BULK", "abc", "de", "xyabc");
    check("RIGHT LEFT COUNT 3 OBO", "edc", "ab", "cdexy");
    check("RIGHT LEFT COUNT 3 BULK", "cde", "ab", "cdexy");
    check("RIGHT RIGHT COUNT 3 OBO", "edc", "ab", "xyedc");
    check("right right exactly 3 bulk", "cde", "ab", "xycde");
    check("LEFT LEFT EXACTLY 5 OBO", "abcde", "", "edcbaxy");
    check("LEFT LEFT COUNT 9 BULK", "abcde", "", "abcdexy");
    check("LEFT LEFT COUNT 9223372036854775807 BULK", "abcde", "", "abcdexy");
    check("LEFT LEFT EXACTLY 6 OBO", "*-1\r\n", "abcde", "xy");
}

/* Onto the same list. */
static void check_same(const char *options, const char *reply, const char *after)
{
    char line[128];
    make("abcde", "");
    snprintf(line, sizeof line, "LMOVEM s s %s", options);
    assert_string_equal(letters(line), reply);
    assert_string_equal(letters("LRANGE s 0 -1"), after);
}

static void test_same_list(void **state)
{
    check_same("LEFT RIGHT COUNT 2 OBO", "ab", "cdeab");
    check_same("RIGHT LEFT COUNT 2 OBO", "ed", "deabc");
    check_same("RIGHT LEFT COUNT 2 BULK", "de", "deabc");
    check_same("LEFT RIGHT EXACTLY 5 BULK", "abcde", "abcde");
    check_same("LEFT RIGHT COUNT 9 OBO", "abcde", "abcde");
    check_same("LEFT LEFT COUNT 2 OBO", "aa", "abcde");
    EXPECT_LOG(&f, "");
    check_same("RIGHT RIGHT COUNT 2 BULK", "de", "abcde");
}

static void test_log(void **state)
{
    make("abc", "x");
    letters("LMOVEM s t RIGHT LEFT COUNT 2 OBO");
    EXPECT_LOG(&f, "MULTI; LPUSH t c b; RPOP s 2; EXEC");
    EXPECT_EVENTS(&f, "l:lpush:t l:rpop:s");
    EXPECT_DIRTY(&f, 2);
    letters("LMOVEM s t LEFT LEFT EXACTLY 1 BULK");
    EXPECT_LOG(&f, "MULTI; LPUSH t a; LPOP s 1; EXEC");
    EXPECT_EVENTS(&f, "l:lpush:t l:lpop:s g:del:s");
    EXPECT(&f, "EXISTS s", ":0");
    /* A list that is moved onto itself as a whole keeps its time to live here and there. */
    make("abc", "");
    EXPECT(&f, "EXPIRE s 1000", ":1");
    fixture_log(&f);
    letters("LMOVEM s s LEFT RIGHT COUNT 3 BULK");
    EXPECT_LOG(&f, "MULTI; RPUSH s a b c; LPOP s 3; EXEC");
    EXPECT(&f, "TTL s", ":1000");
}

static void test_many(void **state)
{
    fixture_reset(&f);
    for (int i = 0; i < 30; i++)
        fixture_run(&f, "RPUSH s 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 "
                        "25 26 27 28 29 30 31 32 33 34 35 36 37 38 39 40 41 42 43 44 45 46 47 48 "
                        "49 50 51 52 53 54 55 56 57 58 59 60 61 62 63 64 65 66 67 68 69 70");
    fixture_log(&f);
    assert_memory_equal(fixture_run(&f, "LMOVEM s t LEFT RIGHT COUNT 2100 BULK"), "*2100\r\n", 7);
    EXPECT(&f, "LLEN t", ":2100");
    EXPECT_BULK(&f, "LINDEX t 1023", "44");
    EXPECT_BULK(&f, "LINDEX t 1024", "45");
    const char *log = fixture_log(&f);
    int pushes = 0;
    for (const char *p = log; (p = strstr(p, "RPUSH t")) != NULL; p++)
        pushes++;
    assert_int_equal(pushes, 3);
    assert_non_null(strstr(log, "LPOP s 2100"));
}

static void test_mistakes(void **state)
{
    make("abc", "");
    EXPECT(&f, "LMOVEM none t LEFT LEFT", "*-1");
    EXPECT(&f, "LMOVEM none t LEFT LEFT COUNT 2 OBO", "*-1");
    EXPECT(&f, "LMOVEM s t LEFT MIDDLE", SYNTAX);
    EXPECT(&f, "LMOVEM s t LEFT LEFT COUNT 2", SYNTAX);
    EXPECT(&f, "LMOVEM s t LEFT LEFT OBO", SYNTAX);
    EXPECT(&f, "LMOVEM s t LEFT LEFT COUNT 2 OBO x", SYNTAX);
    EXPECT(&f, "LMOVEM s t LEFT LEFT ALL 2 OBO", SYNTAX);
    EXPECT(&f, "LMOVEM s t LEFT LEFT COUNT 2 ONE", SYNTAX);
    EXPECT(&f, "LMOVEM s t LEFT LEFT COUNT 0 OBO", "-ERR count should be greater than 0");
    EXPECT(&f, "LMOVEM s t LEFT LEFT EXACTLY -1 OBO", "-ERR count should be greater than 0");
    EXPECT(&f, "LMOVEM s t LEFT LEFT COUNT x OBO", "-ERR count should be greater than 0");
    EXPECT(&f, "SET k v", "+OK");
    EXPECT(&f, "LMOVEM k t LEFT LEFT", WRONG_TYPE);
    EXPECT(&f, "LMOVEM s k LEFT LEFT", WRONG_TYPE);
    EXPECT(&f, "LMOVEM none k LEFT LEFT", "*-1");
    EXPECT(&f, "LLEN s", ":3");
    f.client.resp = 3;
    EXPECT(&f, "LMOVEM none t LEFT LEFT", "_");
}

static int open_fixture(void **state)
{
    static const struct command *const families[] = {list_commands, string_commands,
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
        cmocka_unit_test(test_orders), cmocka_unit_test(test_same_list), cmocka_unit_test(test_log),
        cmocka_unit_test(test_many),   cmocka_unit_test(test_mistakes),
    };
    return cmocka_run_group_tests(tests, open_fixture, close_fixture);
}
