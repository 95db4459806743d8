/* test_server.c - databases emptied, counted and swapped; SHUTDOWN's ways; MEMORY; DEBUG. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include "commands/commands.h"
#include "commands/memory.h"
#include "engine_fixture.h"

static struct engine_fixture f;
static unsigned stopped_how;

static void note_stop(struct server *server, unsigned how)
{
    (void)server;
    stopped_how = how;
}

static int setup(void **state)
{
    (void)state;
    fixture_open(&f, (const struct command *const[]){
                         server_commands, memory_commands, debug_commands, lolwut_commands,
                         string_commands, connection_commands, generic_commands, NULL});
    f.settings.enable_debug_command = ACTION_YES;
    f.settings.dir.text = mem_strdup("/nonexistent");
    f.settings.dbfilename.text = mem_strdup("dump.rdb");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    mem_free(f.settings.dir.text);
    mem_free(f.settings.dbfilename.text);
    fixture_close(&f);
    return 0;
}

static void test_flush_and_count(void **state)
{
    (void)state;
    fixture_reset(&f);
    fixture_run(&f, "MSET a 1 b 2");
    fixture_run(&f, "SELECT 5");
    fixture_run(&f, "SET c 3");
    EXPECT(&f, "DBSIZE", ":1");
    fixture_log(&f);
    fixture_dirty(&f);
    EXPECT(&f, "FLUSHDB x", SYNTAX);
    EXPECT(&f, "FLUSHDB async x", SYNTAX);
    EXPECT(&f, "FLUSHDB ASYNC", "+OK");
    EXPECT_LOG(&f, "FLUSHDB ASYNC");
    EXPECT_DIRTY(&f, 1);
    EXPECT(&f, "DBSIZE", ":0");
    EXPECT(&f, "FLUSHDB", "+OK");
    EXPECT_LOG(&f, "");
    fixture_run(&f, "SELECT 0");
    EXPECT(&f, "DBSIZE", ":2");
    EXPECT(&f, "FLUSHALL sync", "+OK");
    EXPECT(&f, "DBSIZE", ":0");
    EXPECT_DIRTY(&f, 2);
    EXPECT_LOG(&f, "FLUSHALL sync");
}

static void test_swapdb(void **state)
{
    (void)state;
    fixture_reset(&f);
    fixture_run(&f, "SET a 1");
    fixture_log(&f);
    EXPECT(&f, "SWAPDB 0 15", "+OK");
    EXPECT_LOG(&f, "SWAPDB 0 15");
    EXPECT(&f, "EXISTS a", ":0");
    fixture_run(&f, "SELECT 15");
    EXPECT(&f, "EXISTS a", ":1");
    EXPECT(&f, "SWAPDB 15 15", "+OK");
    EXPECT(&f, "EXISTS a", ":1");
    EXPECT(&f, "SWAPDB 0 16", "-ERR DB index is out of range");
    EXPECT(&f, "SWAPDB -1 0", "-ERR DB index is out of range");
    EXPECT(&f, "SWAPDB x 0", "-ERR invalid first DB index");
    EXPECT(&f, "SWAPDB 0 2147483648", "-ERR invalid second DB index");
}

static void test_small_ones(void **state)
{
    (void)state;
    fixture_reset(&f);
    EXPECT(&f, "ROLE", "*3\r\n$6\r\nmaster\r\n:0\r\n*0");
    EXPECT(&f, "MODULE LIST", "*0");
    EXPECT(&f, "MODULE UNLOAD x", "-ERR Error unloading module: no such module with that name");
    assert_memory_equal(fixture_run(&f, "MODULE LOAD x"), "-ERR Error loading the extension", 32);
    assert_memory_equal(fixture_run(&f, "TIME"), "*2\r\n$10\r\n", 9);
    assert_non_null(strstr(fixture_run(&f, "LOLWUT VERSION 5 20 5"), "Redis ver. "));
    EXPECT(&f, "LOLWUT x", NOT_INTEGER);
    EXPECT(&f, "SAVE", "-ERR persistence is not running");
    EXPECT(&f, "BGSAVE x", SYNTAX);
    EXPECT(&f, "LASTSAVE", ":0");
}

/* Without anything to save, SHUTDOWN stops at once and its client waits for the end. */
static void shut_down(const char *line, unsigned how)
{
    char input[64];
    size_t consumed, wanted;
    stopped_how = UINT32_MAX;
    snprintf(input, sizeof input, "%s\r\nPING\r\n", line);
    assert_int_equal(lane_feed(&f.lane, &f.client, input, strlen(input), &consumed, &wanted),
                     FEED_STOPPED);
    assert_int_equal(f.lane.reply.bytes.len, 0);
    assert_int_equal(stopped_how, how);
    client_complete(&f.client);
}

static void test_shutdown(void **state)
{
    (void)state;
    f.server.stop = note_stop;
    EXPECT(&f, "SHUTDOWN x", SYNTAX);
    EXPECT(&f, "SHUTDOWN save nosave", SYNTAX);
    EXPECT(&f, "SHUTDOWN abort now", SYNTAX);
    EXPECT(&f, "SHUTDOWN abort", "-ERR No shutdown in progress.");
    shut_down("SHUTDOWN", STOP_DEFAULT);
    shut_down("SHUTDOWN nosave NOW force", STOP_NOSAVE | STOP_NOW | STOP_FORCE);
    shut_down("SHUTDOWN save", STOP_SAVE);
    f.server.phase = SERVER_LOADING;
    shut_down("SHUTDOWN save", STOP_SAVE | STOP_NOSAVE);
    f.server.phase = SERVER_READY;
}

static void test_memory(void **state)
{
    (void)state;
    fixture_reset(&f);
    EXPECT(&f, "MEMORY USAGE k", "$-1");
    fixture_run(&f, "SET k v");
    const char *reply = fixture_run(&f, "MEMORY USAGE k SAMPLES 0");
    assert_in_range(atoi(reply + 1), 8, 200);
    fixture_run(&f, "SETRANGE big 100000 x");
    assert_in_range(atoi(fixture_run(&f, "MEMORY USAGE big") + 1), 100001, 200000);
    EXPECT(&f, "MEMORY USAGE k SAMPLES -1", SYNTAX);
    EXPECT(&f, "MEMORY USAGE k SAMPLES", SYNTAX);
    EXPECT(&f, "MEMORY USAGE k x 1", SYNTAX);
    EXPECT(&f, "MEMORY PURGE", "+OK");
    assert_non_null(strstr(fixture_run(&f, "MEMORY STATS"), "$4\r\ndb.0\r\n"));
    assert_memory_equal(fixture_run(&f, "MEMORY STATS"), "*56\r\n", 5);
    struct hold hold = {.keyspace = f.server.keyspace, .stats = &f.lane.stats.keyspace};
    struct memory_report report;
    memory_report(&f.server, &hold, &report);
    assert_int_equal(report.keys, 2);
    assert_true(report.dataset >= 100000 && report.dataset <= report.used);
    assert_int_equal(report.used, report.dataset + report.overhead);
}

static void test_debug_keys(void **state)
{
    (void)state;
    fixture_reset(&f);
    EXPECT(&f, "DEBUG POPULATE 3 k 10", "+OK");
    EXPECT_LOG(&f, "");
    EXPECT(&f, "DBSIZE", ":3");
    EXPECT(&f, "STRLEN k:2", ":10");
    EXPECT_BULK(&f, "GETRANGE k:2 0 6", "value:2");
    fixture_run(&f, "SET key:0 mine");
    EXPECT(&f, "DEBUG POPULATE 2", "+OK");
    EXPECT_BULK(&f, "GET key:0", "mine");
    EXPECT_BULK(&f, "GET key:1", "value:1");
    EXPECT(&f, "DEBUG POPULATE 0", "+OK");
    EXPECT(&f, "DEBUG POPULATE -1", "-ERR value is out of range, must be positive");
    EXPECT(&f, "DEBUG OBJECT none", "-ERR no such key");
    assert_non_null(strstr(fixture_run(&f, "DEBUG OBJECT key:0"),
                           "refcount:1 encoding:embstr serializedlength:5 lru:"));
    assert_non_null(strstr(fixture_run(&f, "DEBUG HTSTATS 0"), "number of elements: 5"));
    EXPECT(&f, "DEBUG HTSTATS 16", "-ERR Out of range database");
    EXPECT(&f, "DEBUG RELOAD NOSAVE", "-ERR Error trying to load the RDB dump");
    EXPECT(&f, "DBSIZE", ":5"); /* nothing was dropped for a file that cannot be read */
    assert_int_equal(f.server.pause_until_ms, 0);
    EXPECT(&f, "DEBUG STRINGMATCH-LEN 100000 *a*b", ":0");
    EXPECT(&f, "DEBUG STRINGMATCH-LEN 3 a?a", ":1");
    EXPECT(&f, "DEBUG x",
           "-ERR unknown subcommand or wrong number of arguments for 'x'. Try DEBUG HELP.");
}

static void remember_digest(char out[64])
{
    snprintf(out, 64, "%s", fixture_run(&f, "DEBUG DIGEST"));
    assert_int_equal(strlen(out), 43);
}

/* The same keys in whatever order: the same digest; anything else: another. */
static void test_digest(void **state)
{
    (void)state;
    char one[64], two[64];
    fixture_reset(&f);
    EXPECT(&f, "DEBUG DIGEST", "+0000000000000000000000000000000000000000");
    EXPECT(&f, "DEBUG DIGEST-VALUE none", "*1\r\n+0000000000000000000000000000000000000000");
    fixture_run(&f, "MSET a 1 b 2 c 3");
    remember_digest(one);
    fixture_reset(&f);
    fixture_run(&f, "MSET c 3 a 1 b 9");
    remember_digest(two);
    assert_string_not_equal(one, two);
    fixture_run(&f, "SET b 2");
    remember_digest(two);
    assert_string_equal(one, two);
    fixture_run(&f, "EXPIRE b 1000");
    remember_digest(two);
    assert_string_not_equal(one, two);
    fixture_run(&f, "PERSIST b");
    fixture_run(&f, "SWAPDB 0 1");
    remember_digest(two);
    assert_string_not_equal(one, two);
    fixture_reset(&f);
    fixture_run(&f, "SET a 1"); /* as redis-server has it */
    EXPECT(&f, "DEBUG DIGEST", "+943d800368fb9c0e951138f1bc0e313ac769d91f");
}

static void test_debug_others(void **state)
{
    (void)state;
    fixture_reset(&f);
    EXPECT(&f, "DEBUG ERROR \"X y  z\"", "-X y  z");
    EXPECT(&f, "DEBUG SET-ACTIVE-EXPIRE 0", "+OK");
    assert_false(keyspace_options(f.server.keyspace)->active_expire);
    EXPECT(&f, "DEBUG SET-ACTIVE-EXPIRE 1", "+OK");
    assert_true(keyspace_options(f.server.keyspace)->active_expire);
    char before[41];
    memcpy(before, f.server.repl_id, sizeof before);
    EXPECT(&f, "DEBUG CHANGE-REPL-ID", "+OK");
    assert_string_not_equal(before, f.server.repl_id);
    assert_int_equal(strlen(f.server.repl_id), 40);
    EXPECT(&f, "DEBUG SLEEP 0.001", "+OK");
    EXPECT(&f, "DEBUG SLEEP -5", "+OK");
    EXPECT(&f, "DEBUG SLEEP nan", "+OK");
    f.settings.enable_debug_command = ACTION_NO;
    assert_memory_equal(fixture_run(&f, "DEBUG SLEEP 0"), "-ERR DEBUG command not allowed.", 31);
    f.settings.enable_debug_command = ACTION_YES;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_flush_and_count), cmocka_unit_test(test_swapdb),
        cmocka_unit_test(test_small_ones),      cmocka_unit_test(test_shutdown),
        cmocka_unit_test(test_memory),          cmocka_unit_test(test_debug_keys),
        cmocka_unit_test(test_digest),          cmocka_unit_test(test_debug_others)};
    return cmocka_run_group_tests(tests, setup, teardown);
}
