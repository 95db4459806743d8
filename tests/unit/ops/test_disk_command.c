/* test_disk_command.c - DISK on a server without sockets, with and without a guard. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#pragma GCC diagnostic ignored "-Wunused-function"
#include "../commands/engine_fixture.h"
#include "base/file.h"
#include "base/log.h"
#include "guard/guard.h"
#include "ops/commands.h"

static struct engine_fixture f;
static char dir[] = "/tmp/spillway-disk-XXXXXX";

static void ignore_client(struct lane *lane, struct client *client)
{
    (void)lane, (void)client;
}

static int setup(void **state)
{
    struct guard_options options;
    log_set_level(LOG_LEVEL_NOTHING);
    strcpy(dir + sizeof(dir) - 7, "XXXXXX");
    assert_non_null(mkdtemp(dir));
    guard_options_default(&options);
    options.dir = dir;
    options.appendonly = true;
    options.budget_bytes = 64 * 1024 * 1024;
    fixture_open(&f, (const struct command *const[]){disk_commands, NULL});
    f.settings.appendonly = true;
    f.client.authenticated = true;
    f.lane.client_ready = ignore_client;
    f.server.guard = guard_create(&options, NULL);
    guard_start(f.server.guard);
    return 0;
}

static int remove_one(const char *name, void *ctx)
{
    char path[512];
    snprintf(path, sizeof(path), "%s/%s", (const char *)ctx, name);
    return unlink(path);
}

static int teardown(void **state)
{
    file_fault_clear();
    guard_stop(f.server.guard);
    guard_destroy(f.server.guard);
    f.server.guard = NULL;
    fixture_close(&f);
    assert_int_equal(file_list(dir, remove_one, dir), 0);
    return rmdir(dir);
}

static void assert_says(const char *line, const char *part)
{
    const char *reply = fixture_run(&f, line);
    if (strstr(reply, part) == NULL)
        fail_msg("%s\nwanted %s\ngot    %s", line, part, reply);
}

static void texts(void **state)
{
    assert_says("disk status", "level: ok");
    assert_says("disk plan", "What to do: nothing to do.");
    assert_says("disk simulate 65mb", "level full");
    assert_says("disk simulate 65mb own", "written by this server");
    assert_says("disk simulate 1kb neighbour", "written by neighbours");
    assert_says("disk help", "SIMULATE <bytes>");
    assert_says("disk compact", "+Compaction starts as soon as it fits");
    f.client.resp = 3;
    assert_says("disk status", "txt:level: ok");
}

static void bad_input(void **state)
{
    assert_says("disk simulate many", "-ERR value is not a memory size");
    assert_says("disk simulate 1 us", "-ERR syntax error");
    assert_says("disk simulate 1 own own", "-ERR syntax error");
    assert_says("disk simulate", "-ERR wrong number of arguments for 'disk|simulate' command");
    assert_says("disk nothing", "-ERR unknown subcommand 'nothing'. Try DISK HELP.");
    f.settings.appendonly = false;
    assert_says("disk compact", "-ERR There is no append only file");
    struct guard *guard = f.server.guard;
    f.server.guard = NULL;
    assert_says("disk status", "-ERR This server runs without a disk guard");
    f.server.guard = guard;
}

/* Runs DISK PROBE and turns the lane until the answer has come. */
static const char *probe(void)
{
    static char request[] = "*2\r\n$4\r\ndisk\r\n$5\r\nprobe\r\n";
    size_t consumed, wanted;
    lane_turn(&f.lane);
    assert_int_equal(
        lane_feed(&f.lane, &f.client, request, sizeof(request) - 1, &consumed, &wanted),
        FEED_STOPPED);
    for (int i = 0; i < 3000 && f.client.deferred != NULL; i++) {
        clock_sleep_us(2000);
        lane_turn(&f.lane);
        lane_tick(&f.lane);
    }
    f.reply.len = 0;
    bytes_append(&f.reply, f.lane.reply.bytes.data, f.lane.reply.bytes.len);
    reply_buffer_clear(&f.lane.reply);
    return bytes_str(&f.reply);
}

static void a_probe_tells_what_the_disk_does(void **state)
{
    struct file_fault fault;
    assert_non_null(strstr(probe(), "written and synced in "));
    assert_true(file_fault_parse(SLICE("op=sync,path=probe,errno=EIO,times=1"), &fault));
    assert_true(file_fault_add(&fault) > 0);
    assert_non_null(strstr(probe(), "-ERR The probe failed: Input/output error"));
    assert_non_null(strstr(probe(), "written and synced in "));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {TEST(texts), TEST(bad_input),
                                       TEST(a_probe_tells_what_the_disk_does)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
