/* test_stream_group.c - groups of streams: what is delivered, pending, claimed and acknowledged,
 * and what of it is logged.
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
#define ENTRY(id) "*2\r\n$3\r\n" id "\r\n*2\r\n$1\r\nf\r\n$1\r\nv"
#define ONE(id)   "*1\r\n*2\r\n$1\r\ns\r\n*1\r\n" ENTRY(id)
#define ID(id)    "$3\r\n" id

/* What was logged, times left out: "... TIME T RETRYCOUNT ..." */
static const char *log_of(void)
{
    static struct bytes out;
    out.len = 0;
    for (const char *at = fixture_log(&f); *at != '\0';) {
        const char *time = strstr(at, " TIME ");
        if (time == NULL) {
            bytes_append_str(&out, at);
            break;
        }
        bytes_append(&out, at, (size_t)(time - at));
        bytes_append_str(&out, " TIME T");
        at = time + 6 + strspn(time + 6, "-0123456789");
    }
    return bytes_str(&out);
}

/* Whether the reply is the wanted one, in which "?" stands for any digits. */
static bool is_like(const char *reply, const char *wanted)
{
    for (; *wanted != '\0'; wanted++) {
        if (*wanted != '?') {
            if (*reply++ != *wanted)
                return false;
            continue;
        }
        size_t digits = strspn(reply, "0123456789");
        if (digits == 0)
            return false;
        reply += digits;
    }
    return strcmp(reply, "\r\n") == 0;
}

#define EXPECT_LIKE(line, wanted)                                                                  \
    do {                                                                                           \
        if (!is_like(fixture_run(&f, line), wanted))                                               \
            fail_msg("%s\nwanted %s\ngot    %s", line, wanted, bytes_str(&f.reply));               \
    } while (0)
#define EXPECT_LOGGED(wanted) assert_string_equal(log_of(), wanted)

static void quiet(void)
{
    fixture_log(&f);
    fixture_events(&f);
    fixture_dirty(&f);
}

/* Entries 1-1 to 4-1, and a group that was given none yet. */
static void make(void)
{
    fixture_reset(&f);
    fixture_run(&f, "XADD s 1-1 f v");
    fixture_run(&f, "XADD s 2-1 f v");
    fixture_run(&f, "XADD s 3-1 f v");
    fixture_run(&f, "XADD s 4-1 f v");
    fixture_run(&f, "XGROUP CREATE s g 0");
    quiet();
}

static void test_groups(void **state)
{
    fixture_reset(&f);
    EXPECT(&f, "XGROUP CREATE s g $",
           "-ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may "
           "want to use the MKSTREAM option to create an empty stream automatically.");
    EXPECT(&f, "XGROUP CREATE s g $ MKSTREAM ENTRIESREAD 3", "+OK");
    EXPECT(&f, "XGROUP CREATE s g 0", "-BUSYGROUP Consumer Group name already exists");
    EXPECT(&f, "XGROUP CREATE s h x", NOT_AN_ID);
    EXPECT(&f, "XGROUP CREATE s h - MKSTREAM", NOT_AN_ID);
    EXPECT(&f, "XGROUP SETID s g +", "+OK");
    EXPECT(&f, "XGROUP SETID s g 1-1 ENTRIESREAD -1", "+OK");
    EXPECT(&f, "XGROUP SETID s g 1-1 ENTRIESREAD -2",
           "-ERR value for ENTRIESREAD must be positive or -1");
    EXPECT(&f, "XGROUP SETID s g 1-1 MKSTREAM",
           "-ERR unknown subcommand or wrong number of arguments for 'SETID'. Try XGROUP HELP.");
    EXPECT(&f, "XGROUP SETID s none 1-1",
           "-NOGROUP No such consumer group 'none' for key name 's'");
    EXPECT(&f, "XGROUP CREATECONSUMER s g c", ":1");
    EXPECT(&f, "XGROUP CREATECONSUMER s g c", ":0");
    EXPECT(&f, "XGROUP DELCONSUMER s g c", ":0");
    EXPECT(&f, "XGROUP DELCONSUMER s g c", ":0");
    EXPECT_LOGGED("XGROUP CREATE s g $ MKSTREAM ENTRIESREAD 3; XGROUP SETID s g +; "
                  "XGROUP SETID s g 1-1 ENTRIESREAD -1; XGROUP CREATECONSUMER s g c; "
                  "XGROUP DELCONSUMER s g c");
    EXPECT_EVENTS(&f, "t:xgroup-create:s t:xgroup-setid:s t:xgroup-setid:s "
                      "t:xgroup-createconsumer:s t:xgroup-delconsumer:s");
    EXPECT(&f, "XGROUP DESTROY s g", ":1");
    EXPECT(&f, "XGROUP DESTROY s g", ":0");
    EXPECT_EVENTS(&f, "t:xgroup-destroy:s");
    EXPECT(&f, "EXISTS s", ":1");
    EXPECT(&f, "XGROUP NOSUCH s g", "-ERR unknown subcommand 'NOSUCH'. Try XGROUP HELP.");
    EXPECT(&f, "SET string v", "+OK");
    EXPECT(&f, "XGROUP CREATE string g 0", WRONG_TYPE);
}

static void test_deliver(void **state)
{
    make();
    EXPECT(&f, "XREADGROUP GROUP g c COUNT 1 STREAMS s >", ONE("1-1"));
    EXPECT_LOGGED("MULTI; XGROUP CREATECONSUMER s g c; "
                  "XCLAIM s g c 0 1-1 TIME T RETRYCOUNT 1 FORCE JUSTID LASTID 1-1; "
                  "XGROUP SETID s g 1-1 ENTRIESREAD 1; EXEC");
    EXPECT_EVENTS(&f, "t:xgroup-createconsumer:s");
    EXPECT(&f, "XREADGROUP GROUP g d NOACK COUNT 2 STREAMS s >",
           "*1\r\n*2\r\n$1\r\ns\r\n*2\r\n" ENTRY("2-1") "\r\n" ENTRY("3-1"));
    EXPECT_LOGGED("MULTI; XGROUP CREATECONSUMER s g d; XGROUP SETID s g 3-1 ENTRIESREAD 3; EXEC");
    EXPECT(&f, "XREADGROUP GROUP g c STREAMS s 0", ONE("1-1"));
    EXPECT_LOGGED("XCLAIM s g c 0 1-1 TIME T RETRYCOUNT 2 FORCE JUSTID LASTID 3-1");
    EXPECT(&f, "XREADGROUP GROUP g c STREAMS s 1-1", "*1\r\n*2\r\n$1\r\ns\r\n*0");
    EXPECT_LOGGED("");
    EXPECT(&f, "XREADGROUP GROUP g d STREAMS s >", ONE("4-1"));
    EXPECT(&f, "XREADGROUP GROUP g e STREAMS s >", "*-1");
    EXPECT(&f, "XREADGROUP GROUP g e STREAMS s 18446744073709551615-18446744073709551615", "*-1");
    EXPECT(&f, "XPENDING s g",
           "*4\r\n:2\r\n" ID("1-1") "\r\n" ID("4-1") "\r\n*2\r\n*2\r\n$1\r\nc\r\n$1\r\n1\r\n"
                                                     "*2\r\n$1\r\nd\r\n$1\r\n1");
    EXPECT(&f, "XDEL s 1-1", ":1");
    quiet();
    EXPECT(&f, "XREADGROUP GROUP g c STREAMS s 0",
           "*1\r\n*2\r\n$1\r\ns\r\n*1\r\n*2\r\n" ID("1-1") "\r\n*-1");
    EXPECT_LOGGED("");
    EXPECT(&f, "XACK s g 1-1 1-1 9-9", ":1");
    EXPECT_DIRTY(&f, 1);
    EXPECT(&f, "XACK s none 1-1", ":0");
    EXPECT(&f, "XACK none g x", ":0");
    EXPECT(&f, "XACK s g x", NOT_AN_ID);
    EXPECT_LOGGED("XACK s g 1-1 1-1 9-9");
}

/* What was delivered to one consumer is delivered again to another if the group is set back. */
static void test_deliver_again(void **state)
{
    make();
    fixture_run(&f, "XREADGROUP GROUP g c STREAMS s >");
    EXPECT(&f, "XGROUP SETID s g 3-1", "+OK");
    EXPECT(&f, "XREADGROUP GROUP g d STREAMS s >", ONE("4-1"));
    quiet();
    EXPECT_LIKE("XPENDING s g - + 10 d", "*1\r\n*4\r\n" ID("4-1") "\r\n$1\r\nd\r\n:?\r\n:1");
}

static void test_read_errors(void **state)
{
    make();
    EXPECT(&f, "XREADGROUP GROUP none c STREAMS s >",
           "-NOGROUP No such key 's' or consumer group 'none' in XREADGROUP with GROUP option");
    EXPECT(&f, "XREADGROUP GROUP g c STREAMS s none > >",
           "-NOGROUP No such key 'none' or consumer group 'g' in XREADGROUP with GROUP option");
    EXPECT(&f, "XREADGROUP COUNT 1 COUNT 1 STREAMS s >",
           "-ERR Missing GROUP option for XREADGROUP");
    EXPECT(&f, "XREADGROUP GROUP g c STREAMS s $",
           "-ERR The $ ID is meaningless in the context of XREADGROUP: you want to read the "
           "history of this consumer by specifying a proper ID, or use the > ID to get new "
           "messages. The $ ID would just return an empty result set.");
    EXPECT(&f, "XREADGROUP GROUP g c STREAMS s t >",
           "-ERR Unbalanced 'xreadgroup' list of streams: for each stream key an ID or '>' must be "
           "specified.");
    EXPECT(&f, "XREADGROUP GROUP g c COUNT 1 STREAMS", SYNTAX);
    EXPECT_LOGGED("");
    /* Names that look like options. */
    EXPECT(&f, "XGROUP CREATE s STREAMS 3-1", "+OK");
    EXPECT(&f, "XREADGROUP COUNT 1 GROUP STREAMS STREAMS STREAMS s >", ONE("4-1"));
}

static void test_claim(void **state)
{
    make();
    fixture_run(&f, "XREADGROUP GROUP g c COUNT 2 STREAMS s >");
    quiet();
    EXPECT(&f, "XCLAIM s g d 0 1-1", "*1\r\n" ENTRY("1-1"));
    EXPECT_LOGGED("MULTI; XGROUP CREATECONSUMER s g d; "
                  "XCLAIM s g d 0 1-1 TIME T RETRYCOUNT 2 FORCE JUSTID LASTID 2-1; EXEC");
    EXPECT(&f, "XCLAIM s g d 0 1-1 2-1 JUSTID", "*2\r\n" ID("1-1") "\r\n" ID("2-1"));
    EXPECT(&f, "XCLAIM s g d 3600000 1-1", "*0");
    EXPECT(&f, "XCLAIM s g d 0 3-1", "*0");
    quiet();
    EXPECT(&f, "XCLAIM s g d 0 3-1 FORCE JUSTID", "*1\r\n" ID("3-1"));
    EXPECT(&f, "XCLAIM s g d 0 4-1 FORCE IDLE 0 RETRYCOUNT 7 LASTID 4-1", "*1\r\n" ENTRY("4-1"));
    EXPECT_LOGGED("XCLAIM s g d 0 3-1 TIME T RETRYCOUNT 1 FORCE JUSTID LASTID 2-1; "
                  "XCLAIM s g d 0 4-1 TIME T RETRYCOUNT 7 FORCE JUSTID LASTID 4-1");
    EXPECT(&f, "XCLAIM s g d 0 9-9 LASTID 5-1", "*0");
    EXPECT_LOGGED("XGROUP SETID s g 5-1 ENTRIESREAD 2");
    EXPECT(&f, "XCLAIM s g d 0 9-9 FORCE", "*0");
    EXPECT(&f, "XDEL s 3-1", ":1");
    quiet();
    EXPECT(&f, "XCLAIM s g c 0 3-1", "*0");
    EXPECT_LOGGED("XCLAIM s g d 0 3-1 TIME T RETRYCOUNT 1 FORCE JUSTID LASTID 5-1");
    EXPECT(&f, "XPENDING s g 3-1 3-1 5", "*0");
    EXPECT(&f, "XCLAIM s g d 0 1-1 FOO", "-ERR Unrecognized XCLAIM option 'FOO'");
    EXPECT(&f, "XCLAIM s g d x 1-1", "-ERR Invalid min-idle-time argument for XCLAIM");
    EXPECT(&f, "XCLAIM s g d 0 1-1 IDLE x", "-ERR Invalid IDLE option argument for XCLAIM");
    EXPECT(&f, "XCLAIM s g d 0 1-1 TIME x", "-ERR Invalid TIME option argument for XCLAIM");
    EXPECT(&f, "XCLAIM s g d 0 1-1 RETRYCOUNT x",
           "-ERR Invalid RETRYCOUNT option argument for XCLAIM");
    EXPECT(&f, "XCLAIM s none d 0 1-1", "-NOGROUP No such key 's' or consumer group 'none'");
    EXPECT(&f, "XCLAIM none g d 0 1-1", "-NOGROUP No such key 'none' or consumer group 'g'");
}

/* Counts end where they could not be logged any more. */
static void test_most_deliveries(void **state)
{
    make();
    EXPECT(&f, "XCLAIM s g c 0 1-1 FORCE JUSTID RETRYCOUNT 9223372036854775806",
           "*1\r\n" ID("1-1"));
    fixture_run(&f, "XCLAIM s g c 0 1-1");
    fixture_run(&f, "XCLAIM s g c 0 1-1");
    quiet();
    fixture_run(&f, "XREADGROUP GROUP g c STREAMS s 0");
    EXPECT_LOGGED("XCLAIM s g c 0 1-1 TIME T RETRYCOUNT 9223372036854775807 FORCE JUSTID LASTID "
                  "0-0");
}

static void test_claim_idle(void **state)
{
    make();
    fixture_run(&f, "XREADGROUP GROUP g c STREAMS s >");
    fixture_run(&f, "XCLAIM s g c 0 2-1 3-1 IDLE 60000 JUSTID");
    EXPECT(&f, "XDEL s 1-1", ":1");
    quiet();
    EXPECT(&f, "XAUTOCLAIM s g d 30000 - COUNT 2 JUSTID",
           "*3\r\n" ID("3-1") "\r\n*1\r\n" ID("2-1") "\r\n*1\r\n" ID("1-1"));
    EXPECT_LOGGED("MULTI; XGROUP CREATECONSUMER s g d; "
                  "XCLAIM s g c 0 1-1 TIME T RETRYCOUNT 1 FORCE JUSTID LASTID 4-1; "
                  "XCLAIM s g d 0 2-1 TIME T RETRYCOUNT 1 FORCE JUSTID LASTID 4-1; EXEC");
    EXPECT(&f, "XAUTOCLAIM s g d 30000 3-1", "*3\r\n" ID("0-0") "\r\n*1\r\n" ENTRY("3-1") "\r\n*0");
    EXPECT(&f, "XAUTOCLAIM s g d 30000 (3-1", "*3\r\n" ID("0-0") "\r\n*0\r\n*0");
    EXPECT(&f, "XAUTOCLAIM s g d 0 - COUNT 0", "-ERR COUNT must be > 0");
    EXPECT(&f, "XAUTOCLAIM s g d 0 - COUNT", SYNTAX);
    EXPECT(&f, "XAUTOCLAIM s g d x -", "-ERR Invalid min-idle-time argument for XAUTOCLAIM");
    EXPECT(&f, "XAUTOCLAIM s g d 0 (18446744073709551615-18446744073709551615",
           "-ERR invalid start ID for the interval");
    EXPECT(&f, "XPENDING s g IDLE 30000 - + 10", "*0");
    EXPECT_LIKE("XPENDING s g - + 1 d", "*1\r\n*4\r\n" ID("2-1") "\r\n$1\r\nd\r\n:?\r\n:1");
    EXPECT(&f, "XPENDING s g - + 10 none", "*0");
    EXPECT(&f, "XPENDING s g IDLE 1 - +", SYNTAX);
    EXPECT(&f, "XPENDING s g - +", SYNTAX);
    EXPECT(&f, "XPENDING s g (4-1 + 5", "*0");
}

/* Ten times as many are looked at as may be claimed. */
static void test_claim_attempts(void **state)
{
    char line[128];
    fixture_reset(&f);
    fixture_run(&f, "XGROUP CREATE s g 0 MKSTREAM");
    for (int i = 10; i < 31; i++) {
        snprintf(line, sizeof line, "XADD s %d-1 f v", i);
        fixture_run(&f, line);
    }
    fixture_run(&f, "XREADGROUP GROUP g c STREAMS s >");
    EXPECT(&f, "XAUTOCLAIM s g d 60000 - COUNT 2", "*3\r\n$4\r\n30-1\r\n*0\r\n*0");
    EXPECT(&f, "XAUTOCLAIM s g d 60000 30 COUNT 2", "*3\r\n" ID("0-0") "\r\n*0\r\n*0");
    EXPECT(&f, "XAUTOCLAIM s g d 0 29 COUNT 576460752303423487 JUSTID",
           "*3\r\n" ID("0-0") "\r\n*2\r\n$4\r\n29-1\r\n$4\r\n30-1\r\n*0");
}

static void test_acknowledge_and_delete(void **state)
{
    make();
    fixture_run(&f, "XGROUP CREATE s h 0");
    fixture_run(&f, "XREADGROUP GROUP g c STREAMS s >");
    fixture_run(&f, "XREADGROUP GROUP h c COUNT 2 STREAMS s >");
    quiet();
    EXPECT(&f, "XACKDEL s g IDS 2 1-1 9-9", "*2\r\n:1\r\n:-1");
    EXPECT_LOGGED("MULTI; XACK s g 1-1; XDEL s 1-1; EXEC");
    EXPECT(&f, "XACKDEL s g DELREF IDS 1 2-1", "*1\r\n:1");
    EXPECT_LOGGED("MULTI; XACK s g 2-1; XACK s h 2-1; XDEL s 2-1; EXEC");
    EXPECT(&f, "XACKDEL s g ACKED IDS 1 3-1", "*1\r\n:2");
    EXPECT_LOGGED("XACK s g 3-1");
    EXPECT_LIKE("XPENDING s h - + 5 c", "*1\r\n*4\r\n" ID("1-1") "\r\n$1\r\nc\r\n:?\r\n:1");
    EXPECT(&f, "XLEN s", ":2");
    EXPECT_EVENTS(&f, "t:xdel:s t:xdel:s");
}

static void test_info(void **state)
{
    make();
    fixture_run(&f, "XREADGROUP GROUP g c COUNT 1 STREAMS s >");
    fixture_run(&f, "XGROUP CREATECONSUMER s g d");
    EXPECT(&f, "XINFO GROUPS s",
           "*1\r\n*12\r\n$4\r\nname\r\n$1\r\ng\r\n$9\r\nconsumers\r\n:2\r\n"
           "$7\r\npending\r\n:1\r\n$17\r\nlast-delivered-id\r\n$3\r\n1-1\r\n"
           "$12\r\nentries-read\r\n:1\r\n$3\r\nlag\r\n:3");
    EXPECT_LIKE("XINFO CONSUMERS s g",
                "*2\r\n*8\r\n$4\r\nname\r\n$1\r\nc\r\n$7\r\npending\r\n:1\r\n"
                "$4\r\nidle\r\n:?\r\n$8\r\ninactive\r\n:?\r\n"
                "*8\r\n$4\r\nname\r\n$1\r\nd\r\n$7\r\npending\r\n:0\r\n"
                "$4\r\nidle\r\n:?\r\n$8\r\ninactive\r\n:-1");
    EXPECT(&f, "XINFO STREAM s",
           "*20\r\n$6\r\nlength\r\n:4\r\n$15\r\nradix-tree-keys\r\n:1\r\n"
           "$16\r\nradix-tree-nodes\r\n:2\r\n$17\r\nlast-generated-id\r\n$3\r\n4-1\r\n"
           "$20\r\nmax-deleted-entry-id\r\n$3\r\n0-0\r\n$13\r\nentries-added\r\n:4\r\n"
           "$23\r\nrecorded-first-entry-id\r\n$3\r\n1-1\r\n$6\r\ngroups\r\n:1\r\n"
           "$11\r\nfirst-entry\r\n*2\r\n$3\r\n1-1\r\n*2\r\n$1\r\nf\r\n$1\r\nv\r\n"
           "$10\r\nlast-entry\r\n*2\r\n$3\r\n4-1\r\n*2\r\n$1\r\nf\r\n$1\r\nv");
    EXPECT(&f, "XGROUP CREATE empty g $ MKSTREAM", "+OK");
    EXPECT(&f, "XINFO STREAM empty FULL COUNT -1",
           "*18\r\n$6\r\nlength\r\n:0\r\n$15\r\nradix-tree-keys\r\n:0\r\n"
           "$16\r\nradix-tree-nodes\r\n:1\r\n$17\r\nlast-generated-id\r\n$3\r\n0-0\r\n"
           "$20\r\nmax-deleted-entry-id\r\n$3\r\n0-0\r\n$13\r\nentries-added\r\n:0\r\n"
           "$23\r\nrecorded-first-entry-id\r\n$3\r\n0-0\r\n$7\r\nentries\r\n*0\r\n"
           "$6\r\ngroups\r\n*1\r\n*14\r\n$4\r\nname\r\n$1\r\ng\r\n"
           "$17\r\nlast-delivered-id\r\n$3\r\n0-0\r\n$12\r\nentries-read\r\n$-1\r\n"
           "$3\r\nlag\r\n:0\r\n$9\r\npel-count\r\n:0\r\n$7\r\npending\r\n*0\r\n"
           "$9\r\nconsumers\r\n*0");
    EXPECT(&f, "XINFO STREAM none", "-ERR no such key");
    EXPECT(&f, "XINFO CONSUMERS s none", "-NOGROUP No such consumer group 'none' for key name 's'");
    EXPECT(&f, "XINFO STREAM s FOO",
           "-ERR unknown subcommand or wrong number of arguments for 'STREAM'. Try XINFO HELP.");
    EXPECT(&f, "XINFO STREAM s FULL COUNT x", NOT_INTEGER);
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
        cmocka_unit_test(test_groups),
        cmocka_unit_test(test_deliver),
        cmocka_unit_test(test_deliver_again),
        cmocka_unit_test(test_read_errors),
        cmocka_unit_test(test_claim),
        cmocka_unit_test(test_most_deliveries),
        cmocka_unit_test(test_claim_idle),
        cmocka_unit_test(test_claim_attempts),
        cmocka_unit_test(test_acknowledge_and_delete),
        cmocka_unit_test(test_info),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
