/* test_hooks.c - what the keyspace removes by itself is told to the log and to whoever asked. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <unistd.h>
#include "commands/commands.h"
#include "feed.h"

static struct engine_fixture f;
static struct bytes told;

static void removed(struct server *server, const struct key *key, const char *event)
{
    assert_ptr_equal(server, &f.server);
    bytes_printf(&told, "%s:%.*s@%u ", event, (int)key->name.len, key->name.data, key->db);
}

static int setup(void **state)
{
    (void)state;
    const struct command *const families[] = {string_commands, generic_commands,
                                              connection_commands, NULL};
    fixture_open(&f, families);
    f.server.removed = removed;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    fixture_close(&f);
    bytes_free(&told);
    return 0;
}

static void expect_told(const char *wanted)
{
    assert_string_equal(bytes_str(&told), wanted);
    told.len = 0;
}

static void expect_raw_log(const char *wanted)
{
    struct bytes raw = {0};
    struct slice part;
    while ((part = plog_peek(f.log)).len) {
        bytes_append(&raw, part.data, part.len);
        plog_advance(f.log, part.len);
    }
    assert_string_equal(bytes_str(&raw), wanted);
    bytes_free(&raw);
}

/* Found expired by a command: the removal is logged before what the command does, in its
 * database. */
static void test_expired(void **state)
{
    (void)state;
    EXPECT(&f, "SET a 1 PX 1", "+OK");
    EXPECT(&f, "SELECT 5", "+OK");
    EXPECT(&f, "SET \"b \\xff\\r\\n\" 1 PX 1", "+OK");
    usleep(5000);
    fixture_log(&f);
    EXPECT(&f, "APPEND \"b \\xff\\r\\n\" 2", ":1");
    expect_raw_log("*2\r\n$3\r\nDEL\r\n$5\r\nb \xff\r\n\r\n"
                   "*3\r\n$6\r\nAPPEND\r\n$5\r\nb \xff\r\n\r\n$1\r\n2\r\n");
    expect_told("expired:b \xff\r\n@5 ");
    EXPECT(&f, "SELECT 0", "+OK");
    EXPECT(&f, "GET a", "$-1");
    expect_raw_log("*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n*2\r\n$3\r\nDEL\r\n$1\r\na\r\n");
    expect_told("expired:a@0 ");
    EXPECT(&f, "DEL a", ":0"); /* gone once */
    expect_told("");
}

static void test_a_removal_gates_the_reply(void **state)
{
    (void)state;
    EXPECT(&f, "SET a 1 PX 1", "+OK");
    usleep(5000);
    f.server.gate_replies = 1;
    f.lane.log_gate = 0;
    EXPECT(&f, "GET a", "$-1");
    assert_true(f.lane.log_gate == plog_end(f.server.plog));
    f.server.gate_replies = 0;
    f.lane.log_gate = 0;
    fixture_log(&f);
    told.len = 0;
}

static void test_evicted(void **state)
{
    (void)state;
    fixture_reset(&f);
    told.len = 0;
    EXPECT(&f, "SET victim 1", "+OK");
    fixture_log(&f);
    keyspace_options(f.server.keyspace)->policy = EVICT_ALLKEYS_LRU;
    struct hold hold = {.keyspace = f.server.keyspace, .now_ms = clock_wall_ms()};
    assert_true(keyspace_evict(&hold, &f.lane.random, 1, 1, REMOVED_EVICTED) > 0);
    expect_raw_log("*2\r\n$3\r\nDEL\r\n$6\r\nvictim\r\n");
    expect_told("evicted:victim@0 ");
    EXPECT(&f, "SET another 1", "+OK");
    fixture_log(&f);
    assert_true(keyspace_evict(&hold, &f.lane.random, 1, 1, REMOVED_EVICTED_DISK) > 0);
    expect_raw_log("*2\r\n$3\r\nDEL\r\n$7\r\nanother\r\n");
    expect_told("evicted:another@0 ");
    keyspace_options(f.server.keyspace)->policy = EVICT_NONE;
}

static void test_nobody_reads_the_log(void **state)
{
    (void)state;
    EXPECT(&f, "SET a 1 PX 1", "+OK");
    usleep(5000);
    plog_reader_close(f.log);
    uint64_t end = plog_end(f.server.plog);
    EXPECT(&f, "GET a", "$-1");
    EXPECT(&f, "SET a 1", "+OK");
    assert_true(plog_end(f.server.plog) == end);
    expect_told("expired:a@0 "); /* who listens to events hears of it all the same */
    fixture_take(HOLD_ALL, fixture_open_log);
    EXPECT(&f, "SET a 2", "+OK");
    expect_raw_log("*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\n2\r\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_expired),
        cmocka_unit_test(test_a_removal_gates_the_reply),
        cmocka_unit_test(test_evicted),
        cmocka_unit_test(test_nobody_reads_the_log),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
