/* test_slowlog.c - SLOWLOG, COMMANDLOG and LATENCY: what is kept, cut, hidden, and how much of
 * it. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include "../commands/engine_fixture.h"
#include "commands/commands.h"
#include "ops/commands.h"
#include "ops/config.h"
#include "ops/ops.h"
#include "ops/state.h"

static struct engine_fixture f;

static int setup(void **state)
{
    (void)state;
    fixture_open(&f, (const struct command *const[]){slowlog_commands, latency_commands,
                                                     config_commands, string_commands,
                                                     connection_commands, NULL});
    f.server.config = config_new();
    f.settings.slowlog_log_slower_than_us = 0;
    f.settings.slowlog_max_len = 4;
    f.settings.commandlog_request_larger_than = 1000;
    f.settings.commandlog_reply_larger_than = 1000;
    f.settings.commandlog_large_request_max_len = 2;
    f.settings.commandlog_large_reply_max_len = 2;
    ops_install(&f.server);
    strcpy(f.client.peer, "1.2.3.4:5");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    ops_uninstall(&f.server);
    fixture_close(&f);
    config_free(f.server.config);
    return 0;
}

/* The arguments of the newest entry, as a reply has them. */
static void expect_newest(const char *arguments)
{
    const char *reply = fixture_run(&f, "SLOWLOG GET 1");
    for (int i = 0; i < 4; i++)
        reply = strchr(reply, '\n') + 1; /* the array, the entry, id, time */
    reply = strchr(reply, '\n') + 1;
    assert_memory_equal(reply, arguments, strlen(arguments));
    fixture_run(&f, "SLOWLOG RESET");
}

static void test_entries(void **state)
{
    (void)state;
    char line[1024], wanted[2048];
    fixture_run(&f, "SET k v");
    expect_newest("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n$9\r\n1.2.3.4:5\r\n$0\r\n\r\n");

    /* 128 bytes are kept whole, of 129 one is cut off. */
    char value[130];
    memset(value, 'z', 129);
    value[128] = '\0';
    snprintf(line, sizeof line, "SET k %s", value);
    fixture_run(&f, line);
    snprintf(wanted, sizeof wanted, "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$128\r\n%s\r\n", value);
    expect_newest(wanted);
    snprintf(line, sizeof line, "SET k %sz", value);
    fixture_run(&f, line);
    snprintf(wanted, sizeof wanted,
             "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$146\r\n%s... (1 more bytes)\r\n", value);
    expect_newest(wanted);

    /* 32 arguments are kept, of 33 31 and how many more. */
    strcpy(line, "MGET");
    for (int i = 1; i < 32; i++)
        strcat(line, " a");
    fixture_run(&f, line);
    expect_newest("*32\r\n$4\r\nMGET\r\n");
    strcat(line, " a");
    fixture_run(&f, line);
    assert_non_null(
        strstr(fixture_run(&f, "SLOWLOG GET 1"), "$1\r\na\r\n$22\r\n... (2 more arguments)"));
}

static void test_secrets(void **state)
{
    (void)state;
    fixture_run(&f, "AUTH secret");
    expect_newest("*2\r\n$4\r\nAUTH\r\n$10\r\n(redacted)\r\n");
    fixture_run(&f, "HELLO 2 SETNAME me AUTH user secret");
    expect_newest(
        "*7\r\n$5\r\nHELLO\r\n$1\r\n2\r\n$7\r\nSETNAME\r\n$2\r\nme\r\n$4\r\nAUTH\r\n$10\r\n"
        "(redacted)\r\n$10\r\n(redacted)\r\n");
    fixture_run(&f, "CONFIG SET masterauth secret maxmemory 0");
    expect_newest(
        "*6\r\n$6\r\nCONFIG\r\n$3\r\nSET\r\n$10\r\nmasterauth\r\n$10\r\n(redacted)\r\n$9\r\n"
        "maxmemory\r\n$1\r\n0\r\n");
}

static void test_length(void **state)
{
    (void)state;
    fixture_run(&f, "SLOWLOG RESET");
    EXPECT(&f, "SLOWLOG LEN", ":1"); /* the RESET itself */
    for (int i = 0; i < 10; i++)
        fixture_run(&f, "PING");
    EXPECT(&f, "SLOWLOG LEN", ":4");
    assert_memory_equal(fixture_run(&f, "SLOWLOG GET 3"), "*3\r\n", 4);
    assert_memory_equal(fixture_run(&f, "SLOWLOG GET"), "*4\r\n", 4);
    assert_memory_equal(fixture_run(&f, "SLOWLOG GET -1"), "*4\r\n", 4);
    EXPECT(&f, "SLOWLOG GET 0", "*0");
    EXPECT(&f, "SLOWLOG GET -2", "-ERR count should be greater than or equal to -1");
    f.settings.slowlog_max_len = 0;
    fixture_run(&f, "PING");
    EXPECT(&f, "SLOWLOG LEN", ":0");
    f.settings.slowlog_max_len = 4;
}

static void test_large_calls(void **state)
{
    (void)state;
    char line[1100];
    memset(line, 'x', sizeof line);
    memcpy(line, "SET k ", 6);
    line[1024] = '\0';
    for (int i = 0; i < 3; i++)
        fixture_run(&f, line);
    fixture_run(&f, "GET k");
    EXPECT(&f, "COMMANDLOG LEN large-request", ":2");
    EXPECT(&f, "COMMANDLOG LEN LARGE-REPLY", ":1");
    const char *bytes = fixture_run(&f, "COMMANDLOG GET -1 large-reply");
    assert_non_null(
        strstr(bytes, ":1027\r\n*2\r\n$3\r\nGET\r\n$1\r\nk\r\n")); /* "$1018\r\n" ... "\r\n" */
    EXPECT(&f, "COMMANDLOG RESET large-reply", "+OK");
    EXPECT(&f, "COMMANDLOG LEN large-reply", ":0");
    EXPECT(&f, "COMMANDLOG LEN x",
           "-ERR type should be one of the following: slow, large-request, large-reply");
    EXPECT(&f, "COMMANDLOG GET x slow", "-ERR count should be greater than or equal to -1");
}

static void test_thresholds(void **state)
{
    (void)state;
    struct settings *s = config_settings(f.server.config);
    f.server.settings = s;
    EXPECT(&f, "CONFIG SET slowlog-log-slower-than -1", "+OK");
    assert_int_equal(f.server.notable_us, UINT64_MAX);
    EXPECT(&f, "CONFIG SET latency-monitor-threshold 3", "+OK");
    assert_int_equal(f.server.notable_us, 3000);
    EXPECT(&f, "CONFIG SET slowlog-log-slower-than 100", "+OK");
    assert_int_equal(f.server.notable_us, 100);
    EXPECT(&f, "CONFIG SET latency-monitor-threshold 0 commandlog-reply-larger-than -1", "+OK");
    assert_int_equal(f.server.notable_reply_bytes, UINT64_MAX);
    EXPECT(&f, "CONFIG SET commandlog-request-larger-than 7", "+OK");
    assert_int_equal(f.server.notable_request_bytes, 7);
    f.server.settings = &f.settings;
}

/* ---- latency ---- */

static void test_latency_samples(void **state)
{
    (void)state;
    struct latency *l = &f.server.ops->latency;
    EXPECT(&f, "LATENCY LATEST", "*0");
    latency_add(l, "one", 100, 7);
    latency_add(l, "one", 100, 5);
    latency_add(l, "one", 100, 9);
    EXPECT(&f, "LATENCY HISTORY one", "*1\r\n*2\r\n:100\r\n:9");
    latency_add(l, "one", 101, 3);
    EXPECT(&f, "LATENCY LATEST", "*1\r\n*4\r\n$3\r\none\r\n:101\r\n:3\r\n:9");
    for (int i = 0; i < LATENCY_SAMPLES; i++)
        latency_add(l, "one", 200 + i, 20);
    assert_memory_equal(fixture_run(&f, "LATENCY HISTORY one"), "*160\r\n*2\r\n:200\r\n:20\r\n",
                        21);
    EXPECT(&f, "LATENCY HISTORY none", "*0");
    assert_non_null(strstr(fixture_run(&f, "LATENCY GRAPH one"),
                           "one - high 20 ms, low 20 ms (all time high 20 ms)\n"));
    EXPECT(&f, "LATENCY GRAPH none", "-ERR No samples available for event 'none'");
    EXPECT(&f, "LATENCY RESET none", ":0");
    EXPECT(&f, "LATENCY RESET one", ":1");
    EXPECT(&f, "LATENCY RESET", ":0");
}

/* As many kinds of event as there is room for; the next is not kept, the others are. */
static void test_latency_events(void **state)
{
    (void)state;
    static char names[LATENCY_EVENTS_MAX + 1][16];
    for (int i = 0; i <= LATENCY_EVENTS_MAX; i++) {
        snprintf(names[i], sizeof names[i], "e%d", i);
        latency_add(&f.server.ops->latency, names[i], 1, 1);
    }
    EXPECT(&f, "LATENCY RESET e16", ":0");
    EXPECT(&f, "LATENCY RESET e0 e15 e0", ":2");
    EXPECT(&f, "LATENCY RESET", ":14");
}

static void test_histogram(void **state)
{
    (void)state;
    uint32_t row;
    registry_find(f.server.registry, SLICE("getdel"), &row);
    EXPECT(&f, "LATENCY HISTOGRAM getdel nosuch", "*0");
    f.lane.command_stats[row].by_time[0] = 2;
    f.lane.command_stats[row].by_time[4] = 1;
    EXPECT(&f, "LATENCY HISTOGRAM GETDEL",
           "*2\r\n$6\r\ngetdel\r\n*4\r\n$5\r\ncalls\r\n:3\r\n$14\r\nhistogram_usec\r\n*4\r\n:1\r\n:"
           "2\r\n"
           ":16\r\n:3");
    assert_non_null(strstr(fixture_run(&f, "LATENCY HISTOGRAM latency"), "latency|history"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_entries),        cmocka_unit_test(test_secrets),
        cmocka_unit_test(test_length),         cmocka_unit_test(test_large_calls),
        cmocka_unit_test(test_thresholds),     cmocka_unit_test(test_latency_samples),
        cmocka_unit_test(test_latency_events), cmocka_unit_test(test_histogram)};
    return cmocka_run_group_tests(tests, setup, teardown);
}
