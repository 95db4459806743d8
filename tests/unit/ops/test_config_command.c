/* test_config_command.c - CONFIG over the wire: replies, errors, REWRITE's late reply. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <unistd.h>

#pragma GCC diagnostic ignored "-Wunused-function"
#include "../commands/engine_fixture.h"
#include "base/file.h"
#include "ops/commands.h"
#include "ops/config.h"
#include "ops/ops.h"

static struct engine_fixture f;

static int setup(void **state)
{
    (void)state;
    fixture_open(&f, (const struct command *const[]){config_commands, NULL});
    f.server.config = config_new();
    ops_install(&f.server);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    ops_uninstall(&f.server);
    fixture_close(&f);
    config_free(f.server.config);
    file_fault_clear();
    return 0;
}

#define assert_reply(line, expected) assert_string_equal(fixture_run(&f, line), expected)

static void test_get(void **state)
{
    (void)state;
    assert_reply("config get port", "*2\r\n$4\r\nport\r\n$4\r\n6379\r\n");
    assert_reply("config get nothing", "*0\r\n");
    assert_reply(
        "CONFIG GET hz timeout PORT",
        "*6\r\n$4\r\nport\r\n$4\r\n6379\r\n$7\r\ntimeout\r\n$1\r\n0\r\n$2\r\nhz\r\n$2\r\n10"
        "\r\n");
    f.client.resp = 3;
    assert_reply("config get list-max-*-size", "%2\r\n$22\r\nlist-max-listpack-size\r\n$2\r\n-2\r\n"
                                               "$21\r\nlist-max-ziplist-size\r\n$2\r\n-2\r\n");
    f.client.resp = 2;
}

static void test_set(void **state)
{
    (void)state;
    assert_reply("config set timeout 5 hz 20", "+OK\r\n");
    assert_int_equal(config_settings(f.server.config)->timeout_s, 5);
    assert_reply("config set timeout",
                 "-ERR wrong number of arguments for 'config|set' command\r\n");
    assert_reply("config set timeout 1 hz", "-ERR syntax error\r\n");
    assert_reply("config set timeout 1 foo 2",
                 "-ERR Unknown option or number of arguments for CONFIG SET - 'foo'\r\n");
    assert_reply(
        "config set timeout 1 hz x",
        "-ERR CONFIG SET failed (possibly related to argument 'hz') - argument couldn't be "
        "parsed into an integer\r\n");
    assert_int_equal(config_settings(f.server.config)->timeout_s, 5);
    f.server.phase = SERVER_LOADING;
    assert_reply("config set appendonly yes",
                 "-LOADING Redis is loading the dataset in memory\r\n");
    f.server.phase = SERVER_READY;
}

static void test_others(void **state)
{
    (void)state;
    assert_reply("config foo", "-ERR unknown subcommand 'foo'. Try CONFIG HELP.\r\n");
    assert_reply("config resetstat", "+OK\r\n");
    assert_non_null(strstr(fixture_run(&f, "config help"), "REWRITE"));
    assert_reply("config rewrite", "-ERR The server is running without a config file\r\n");
}

/* Runs CONFIG REWRITE and waits for its reply. */
static const char *rewrite(void)
{
    size_t consumed, wanted;
    char line[] = "CONFIG REWRITE\r\n";
    reply_buffer_clear(&f.lane.reply);
    enum feed_result result = lane_feed(&f.lane, &f.client, line, strlen(line), &consumed, &wanted);
    assert_int_equal(result, FEED_STOPPED);
    for (int i = 0; i < 5000 && f.lane.reply.bytes.len == 0; i++) {
        clock_sleep_us(1000);
        lane_tick(&f.lane);
    }
    static char text[256];
    snprintf(text, sizeof(text), "%.*s", (int)f.lane.reply.bytes.len, f.lane.reply.bytes.data);
    reply_buffer_clear(&f.lane.reply);
    return text;
}

static void test_rewrite(void **state)
{
    (void)state;
    char dir[] = "/tmp/spillway-command-XXXXXX", path[64], *argv[] = {"spillway", path, NULL};
    struct bytes out = {0};
    struct file_fault full = {.op = FILE_OP_COUNT, .path_part = "x.conf", .error = ENOSPC};
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/x.conf", dir);
    assert_int_equal(file_replace(path, "# mine\nhz 20\n", 13), 0);
    assert_int_equal(config_start(f.server.config, 2, argv, &out), CONFIG_START_RUN);
    assert_reply("config set hz 30", "+OK\r\n");
    assert_string_equal(rewrite(), "+OK\r\n");
    char *text;
    size_t len;
    assert_int_equal(file_read_all(path, 1000, &text, &len), 0);
    assert_true(slice_eq(slice_of(text, len), SLICE("# mine\nhz 30\n")));
    mem_free(text);
    full.op = FILE_OP_WRITE;
    assert_true(file_fault_add(&full) > 0);
    assert_string_equal(rewrite(), "-ERR Rewriting config file: No space left on device\r\n");
    file_fault_clear();
    bytes_free(&out);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(dir), 0);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {T(test_get), T(test_set), T(test_others), T(test_rewrite)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
