/* test_stream.c - entries of streams: replies, what is logged, which events are fired; ids, trims,
 * ranges, and reading without groups.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include "commands/commands.h"
#include "engine_fixture.h"

static struct engine_fixture f;

#define NOT_AN_ID "-ERR Invalid stream ID specified as stream command argument"
#define TOO_LOW                                                                                    \
    "-ERR The ID specified in XADD is equal or smaller than the target "                           \
    "stream top item"
#define LAST      "18446744073709551615"
#define ENTRY(id) "*2\r\n$3\r\n" id "\r\n*2\r\n$1\r\nf\r\n$1\r\nv"

static void quiet(void)
{
    fixture_log(&f);
    fixture_events(&f);
    fixture_dirty(&f);
}

/* Entries 1-1, 2-1 ... under s. */
static void make(int count)
{
    char line[64];
    fixture_reset(&f);
    for (int i = 1; i <= count; i++) {
        snprintf(line, sizeof line, "XADD s %d-1 f v", i);
        fixture_run(&f, line);
    }
    quiet();
}

static void test_add(void **state)
{
    fixture_reset(&f);
    EXPECT(&f, "XADD s NOMKSTREAM 1-1 f v", "$-1");
    EXPECT(&f, "EXISTS s", ":0");
    EXPECT_BULK(&f, "XADD s 1-1 f v", "1-1");
    EXPECT_BULK(&f, "XADD s 1-* f v", "1-2");
    EXPECT_BULK(&f, "XADD s 5 f v g 1", "5-0");
    EXPECT_LOG(&f, "XADD s 1-1 f v; XADD s 1-2 f v; XADD s 5 f v g 1");
    EXPECT_EVENTS(&f, "t:xadd:s t:xadd:s t:xadd:s");
    EXPECT_DIRTY(&f, 3);
    EXPECT(&f, "XLEN s", ":3");
    EXPECT(&f, "XADD s 5-0 f v", TOO_LOW);
    EXPECT(&f, "XADD s 4-* f v", TOO_LOW);
    EXPECT(&f, "XADD s 0-0 f v", "-ERR The ID specified in XADD must be greater than 0-0");
    EXPECT(&f, "XADD new 0-0 f v", "-ERR The ID specified in XADD must be greater than 0-0");
    EXPECT(&f, "EXISTS new", ":0");
    EXPECT_BULK(&f, "XADD zero 0-* f v", "0-1");
    EXPECT(&f, "XADD s x f v", NOT_AN_ID);
    EXPECT(&f, "XADD s - f v", NOT_AN_ID);
    EXPECT(&f, "XADD s 7-0 f", "-ERR wrong number of arguments for 'xadd' command");
    EXPECT(&f, "XADD s 7-0 f v g", "-ERR wrong number of arguments for 'xadd' command");
    EXPECT(&f, "XADD s nomkstream nomkstream nomkstream",
           "-ERR wrong number of arguments for 'xadd' command");
    EXPECT(&f, "SET string v", "+OK");
    EXPECT(&f, "XADD string 1-1 f v", WRONG_TYPE);
    EXPECT(&f, "XADD string NOMKSTREAM 1-1 f v", WRONG_TYPE);
    EXPECT(&f, "XLEN string", WRONG_TYPE);
    EXPECT(&f, "XLEN none", ":0");
}

static void test_last_ids(void **state)
{
    fixture_reset(&f);
    EXPECT_BULK(&f, "XADD s 7-" LAST " f v", "7-" LAST);
    EXPECT(&f, "XADD s 7-* f v", TOO_LOW);
    EXPECT_BULK(&f, "XADD s " LAST "-5 f v", LAST "-5");
    EXPECT_BULK(&f, "XADD s * f v", LAST "-6");
    EXPECT_BULK(&f, "XADD s " LAST "-" LAST " f v", LAST "-" LAST);
    EXPECT(&f, "XADD s * f v",
           "-ERR The stream has exhausted the last possible ID, unable to add more items");
    EXPECT(&f, "XRANGE s (" LAST "-" LAST " +", "-ERR invalid start ID for the interval");
    EXPECT(&f, "XRANGE s - (0-0", "-ERR invalid end ID for the interval");
    EXPECT(&f, "XADD s 18446744073709551616-0 f v", NOT_AN_ID);
}

static void test_ids_of_the_clock(void **state)
{
    fixture_reset(&f);
    char id[64], line[128], wanted[160];
    assert_true(sscanf(fixture_run(&f, "XADD s * f v"), "$%*d %63s", id) == 1);
    int64_t ms = strtoll(id, NULL, 10), now = clock_wall_ms();
    assert_true(ms <= now && ms > now - 60000);
    snprintf(wanted, sizeof wanted, "XADD s %s f v", id);
    EXPECT_LOG(&f, wanted);
    snprintf(line, sizeof line, "XADD s NOMKSTREAM MAXLEN 5 %lld-* f v", (long long)ms + 90000);
    snprintf(wanted, sizeof wanted, "%lld-0", (long long)ms + 90000);
    EXPECT_BULK(&f, line, wanted);
    snprintf(wanted, sizeof wanted, "XADD s NOMKSTREAM MAXLEN = 5 %lld-0 f v",
             (long long)ms + 90000);
    EXPECT_LOG(&f, wanted);
    snprintf(wanted, sizeof wanted, "%lld-1", (long long)ms + 90000);
    EXPECT_BULK(&f, "XADD s * f v", wanted);
}

static void test_trim(void **state)
{
    make(5);
    EXPECT(&f, "XTRIM s MAXLEN 5", ":0");
    EXPECT_LOG(&f, "");
    EXPECT(&f, "XTRIM s MAXLEN 3", ":2");
    EXPECT(&f, "XTRIM s MINID = 4", ":1");
    EXPECT_LOG(&f, "XTRIM s MAXLEN 3; XTRIM s MINID = 4");
    EXPECT_EVENTS(&f, "t:xtrim:s t:xtrim:s");
    EXPECT_DIRTY(&f, 3);
    EXPECT(&f, "XTRIM s MAXLEN 0", ":2");
    EXPECT(&f, "EXISTS s", ":1");
    EXPECT(&f, "XTRIM none MAXLEN 0", ":0");
    EXPECT(&f, "XTRIM s MAXLEN -1", "-ERR The MAXLEN argument must be >= 0.");
    EXPECT(&f, "XTRIM s MAXLEN x", NOT_INTEGER);
    EXPECT(&f, "XTRIM s MINID x", NOT_AN_ID);
    EXPECT(&f, "XTRIM s FOO 5", SYNTAX);
    EXPECT(&f, "XTRIM s LIMIT 0",
           "-ERR syntax error, XTRIM must be called with a trimming strategy");
    EXPECT(&f, "XTRIM s LIMIT 5",
           "-ERR syntax error, LIMIT cannot be used without specifying a trimming strategy");
    EXPECT(&f, "XTRIM s MAXLEN 5 LIMIT 5",
           "-ERR syntax error, LIMIT cannot be used without the special ~ option");
    EXPECT(&f, "XTRIM s MAXLEN ~ 5 LIMIT -1", "-ERR The LIMIT argument must be >= 0.");
    EXPECT(&f, "XTRIM s MAXLEN 5 MINID 5",
           "-ERR syntax error, MAXLEN and MINID options at the same time are not compatible");
}

/* Nodes of three entries: whole ones go, and what is logged is exact. */
static void test_trim_about(void **state)
{
    struct value_limits *limits = &keyspace_options(f.server.keyspace)->limits;
    limits->stream_node_max_entries = 3;
    make(10);
    EXPECT(&f, "XTRIM s MAXLEN ~ 8", ":0");
    EXPECT(&f, "XTRIM s MAXLEN ~ 2 LIMIT 4", ":3");
    EXPECT(&f, "XTRIM s MINID ~ 7-1 LIMIT 0", ":3");
    EXPECT_LOG(&f, "XTRIM s MAXLEN = 7; XTRIM s MINID = 7-1");
    EXPECT_BULK(&f, "XADD s MAXLEN ~ 2 LIMIT 100 11-1 f v", "11-1");
    EXPECT_BULK(&f, "XADD s MINID ~ 11-1 12-1 f v", "12-1");
    EXPECT_LOG(&f, "XADD s MAXLEN = 2 11-1 f v; XADD s MINID = 10-1 12-1 f v");
    EXPECT_EVENTS(&f, "t:xtrim:s t:xtrim:s t:xadd:s t:xtrim:s t:xadd:s");
    EXPECT(&f, "XTRIM s MINID ~ 99-1", ":3");
    EXPECT_LOG(&f, "XTRIM s MINID = " LAST "-" LAST);
    limits->stream_node_max_entries = value_limits_default.stream_node_max_entries;
}

static void test_trim_of_acknowledged(void **state)
{
    make(4);
    fixture_run(&f, "XGROUP CREATE s g 0");
    fixture_run(&f, "XREADGROUP GROUP g c COUNT 3 STREAMS s >");
    EXPECT(&f, "XACK s g 1-1 3-1", ":2");
    quiet();
    EXPECT(&f, "XTRIM s MAXLEN 0 ACKED", ":2");
    EXPECT_LOG(&f, "XDEL s 1-1 3-1");
    EXPECT(&f, "XTRIM s ACKED MAXLEN 0", ":0");
    EXPECT_LOG(&f, "");
    EXPECT_BULK(&f, "XADD s ACKED MAXLEN 1 5-* f v", "5-0");
    EXPECT_LOG(&f, "XADD s 5-0 f v");
    EXPECT_BULK(&f, "XADD s DELREF MAXLEN 1 6-1 f v", "6-1");
    EXPECT_LOG(&f, "MULTI; XADD s 6-1 f v; XACK s g 2-1; XTRIM s MAXLEN = 1; EXEC");
    EXPECT_BULK(&f, "XADD s KEEPREF MAXLEN 1 7-1 f v", "7-1");
    EXPECT_LOG(&f, "XADD s MAXLEN = 1 7-1 f v");
}

static void test_delete(void **state)
{
    make(4);
    EXPECT(&f, "XDEL s 1-1 1-1 9-9 3-1", ":2");
    EXPECT(&f, "XDEL s 9-9", ":0");
    EXPECT_LOG(&f, "XDEL s 1-1 1-1 9-9 3-1");
    EXPECT_EVENTS(&f, "t:xdel:s");
    EXPECT_DIRTY(&f, 2);
    EXPECT(&f, "XDEL s 2-1 x", NOT_AN_ID);
    EXPECT(&f, "XLEN s", ":2");
    EXPECT(&f, "XDEL none x", ":0");
    EXPECT(&f, "XDEL s 2-1 4-1", ":2");
    EXPECT(&f, "EXISTS s", ":1");
    EXPECT(&f, "XRANGE s - +", "*0");
    EXPECT(&f, "XADD s 4-1 f v", TOO_LOW);
    make(2);
    EXPECT(&f, "XDELEX s IDS 2 1-1 9-9", "*2\r\n:1\r\n:-1");
    EXPECT_LOG(&f, "XDEL s 1-1");
    EXPECT(&f, "XDELEX s DELREF IDS 1 1-1", "*1\r\n:-1");
    EXPECT_LOG(&f, "");
}

/* More ids than are kept on the stack. */
static void test_many_ids(void **state)
{
    struct bytes line = {0};
    make(40);
    bytes_append_str(&line, "XDEL s");
    for (int i = 1; i <= 40; i++)
        bytes_printf(&line, " %d-1", i);
    EXPECT(&f, bytes_str(&line), ":40");
    bytes_append_str(&line, " x");
    EXPECT(&f, bytes_str(&line), NOT_AN_ID);
    line.len = 0;
    bytes_append_str(&line, "XADD s MAXLEN ~ 5 50-*");
    for (int i = 1; i <= 40; i++)
        bytes_printf(&line, " f%d v", i);
    EXPECT_BULK(&f, bytes_str(&line), "50-0");
    bytes_free(&line);
    EXPECT(&f, "XLEN s", ":1");
}

static void test_range(void **state)
{
    make(4);
    EXPECT(&f, "XRANGE s 2 3", "*2\r\n" ENTRY("2-1") "\r\n" ENTRY("3-1"));
    EXPECT(&f, "XRANGE s (2-1 +", "*2\r\n" ENTRY("3-1") "\r\n" ENTRY("4-1"));
    EXPECT(&f, "XREVRANGE s (3-1 -", "*2\r\n" ENTRY("2-1") "\r\n" ENTRY("1-1"));
    EXPECT(&f, "XRANGE s - + COUNT 1", "*1\r\n" ENTRY("1-1"));
    EXPECT(&f, "XREVRANGE s + - COUNT 9 COUNT 1", "*1\r\n" ENTRY("4-1"));
    EXPECT(&f, "XRANGE s - + COUNT 0", "*-1");
    EXPECT(&f, "XRANGE s - + COUNT -3", "*-1");
    EXPECT(&f, "XRANGE none - + COUNT 0", "*0");
    EXPECT(&f, "XRANGE s + -", "*0");
    EXPECT(&f, "XRANGE s - + COUNT", SYNTAX);
    EXPECT(&f, "XRANGE s - + COUNT x", NOT_INTEGER);
    EXPECT(&f, "XRANGE s - + FOO 1", SYNTAX);
    EXPECT(&f, "XRANGE s (- +", NOT_AN_ID);
    EXPECT(&f, "XRANGE s ( +", NOT_AN_ID);
    EXPECT(&f, "XRANGE s \" 1\" +1", "*1\r\n" ENTRY("1-1"));
    EXPECT(&f, "XRANGE s - 1--1", NOT_AN_ID);
}

static void test_setid(void **state)
{
    make(2);
    EXPECT(&f, "XSETID s 9-1 ENTRIESADDED 7 MAXDELETEDID 8-1", "+OK");
    EXPECT_LOG(&f, "XSETID s 9-1 ENTRIESADDED 7 MAXDELETEDID 8-1");
    EXPECT_EVENTS(&f, "t:xsetid:s");
    EXPECT(&f, "XADD s 9-1 f v", TOO_LOW);
    EXPECT(&f, "XSETID s 8-0",
           "-ERR The ID specified in XSETID is smaller than current max_deleted_entry_id");
    EXPECT(&f, "XSETID s 8-5 MAXDELETEDID 8-6",
           "-ERR The ID specified in XSETID is smaller than the provided max_deleted_entry_id");
    EXPECT(&f, "XSETID s 9-1 ENTRIESADDED 1",
           "-ERR The entries_added specified in XSETID is smaller than the target stream length");
    EXPECT(&f, "XSETID s 9-1 ENTRIESADDED -1", "-ERR entries_added must be positive");
    EXPECT(&f, "XSETID s 9-1 ENTRIESADDED", SYNTAX);
    EXPECT(&f, "XSETID none 9-1", "-ERR no such key");
    make(2);
    EXPECT(&f, "XSETID s 1-5",
           "-ERR The ID specified in XSETID is smaller than the target stream top item");
    EXPECT(&f, "XSETID s 2-1", "+OK");
}

#define ONE(id) "*1\r\n*2\r\n$1\r\ns\r\n*1\r\n" ENTRY(id)

static void test_read(void **state)
{
    make(3);
    EXPECT(&f, "XREAD STREAMS s 2-1", ONE("3-1"));
    EXPECT(&f, "XREAD COUNT 1 STREAMS none s 0 1", ONE("1-1"));
    EXPECT(&f, "XREAD STREAMS s $", "*-1");
    EXPECT(&f, "XREAD STREAMS s 3-1", "*-1");
    EXPECT(&f, "XREAD STREAMS s " LAST "-" LAST, "*-1");
    EXPECT(&f, "XREAD STREAMS s +", ONE("3-1"));
    EXPECT(&f, "XDEL s 3-1", ":1");
    EXPECT(&f, "XREAD STREAMS s 2-1", "*-1");
    EXPECT(&f, "XREAD STREAMS s +", ONE("2-1"));
    f.client.resp = 3;
    EXPECT(&f, "XREAD STREAMS s 1-1", "%1\r\n$1\r\ns\r\n*1\r\n" ENTRY("2-1"));
    EXPECT(&f, "XREAD STREAMS s 9", "_");
    f.client.resp = 2;
    EXPECT(&f, "XREAD STREAMS s >",
           "-ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group> "
           "<consumer> option.");
    EXPECT(&f, "XREAD STREAMS s 0 1",
           "-ERR Unbalanced 'xread' list of streams: for each stream key an ID or '$' must be "
           "specified.");
    EXPECT(&f, "XREAD COUNT 1 BLOCK 1", SYNTAX);
    EXPECT(&f, "XREAD COUNT x STREAMS s 0", NOT_INTEGER);
    EXPECT(&f, "XREAD NOACK STREAMS s 0",
           "-ERR The NOACK option is only supported by XREADGROUP. You called XREAD instead.");
    EXPECT(&f, "SET string v", "+OK");
    EXPECT(&f, "XREAD STREAMS s string 0 0", WRONG_TYPE);
}

/* More streams than are kept on the stack. */
static void test_read_many(void **state)
{
    struct bytes line = {0}, wanted = {0};
    fixture_reset(&f);
    bytes_append_str(&line, "XREAD STREAMS");
    bytes_append_str(&wanted, "*20");
    for (int i = 10; i < 30; i++) {
        char add[64];
        snprintf(add, sizeof add, "XADD s%d 1-1 f v", i);
        fixture_run(&f, add);
        bytes_printf(&line, " s%d", i);
        bytes_printf(&wanted, "\r\n*2\r\n$3\r\ns%d\r\n*1\r\n" ENTRY("1-1"), i);
    }
    for (int i = 10; i < 30; i++)
        bytes_append_str(&line, " 0");
    EXPECT(&f, bytes_str(&line), bytes_str(&wanted));
    bytes_free(&line);
    bytes_free(&wanted);
}

static int setup(void **state)
{
    static const struct command *const families[] = {stream_commands, string_commands,
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
        cmocka_unit_test(test_add),
        cmocka_unit_test(test_last_ids),
        cmocka_unit_test(test_ids_of_the_clock),
        cmocka_unit_test(test_trim),
        cmocka_unit_test(test_trim_about),
        cmocka_unit_test(test_trim_of_acknowledged),
        cmocka_unit_test(test_delete),
        cmocka_unit_test(test_many_ids),
        cmocka_unit_test(test_range),
        cmocka_unit_test(test_setid),
        cmocka_unit_test(test_read),
        cmocka_unit_test(test_read_many),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
