/* test_admit.c - who may run: phases, pauses and their queue, memory and eviction, the disk guard's
 * verdict. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <unistd.h>
#include "commands/commands.h"
#include "engine/admit.h"
#include "engine/memory.h"
#include "feed.h"
#include "guard/guard.h"

#define CLIENTS 5
#define MIB     (1024 * 1024)

static struct engine_fixture f;
static struct client clients[CLIENTS];
static bool is_open[CLIENTS];
static char order[64];       /* letters of the clients that became ready, in that order */
static const char *on_ready; /* "b": what is closed when another is ready */
static char line_of[CLIENTS][32];

static void close_client(unsigned i)
{
    if (!is_open[i])
        return;
    client_free(&clients[i]);
    memset(&clients[i], 0xee, sizeof clients[i]); /* whoever looks at it again is found out */
    is_open[i] = false;
}

static void client_ready(struct lane *lane, struct client *client)
{
    (void)lane;
    unsigned i = (unsigned)(client - clients);
    size_t len = strlen(order);
    order[len] = (char)('a' + i);
    order[len + 1] = '\0';
    for (const char *p = on_ready; p != NULL && *p; p++)
        close_client((unsigned)(*p - 'a'));
    if (is_open[i] && line_of[i][0])
        feed_line(&f, client, line_of[i]);
}

static int setup(void **state)
{
    (void)state;
    const struct command *const families[] = {string_commands,     generic_commands,
                                              connection_commands, client_commands,
                                              debug_commands,      NULL};
    fixture_open(&f, families);
    f.lane.client_ready = client_ready;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    fixture_close(&f);
    return 0;
}

static int each(void **state)
{
    (void)state;
    fixture_reset(&f);
    f.client.flags = 0;
    for (unsigned i = 0; i < CLIENTS; i++) {
        clients[i] = (struct client){.flags = 0};
        client_init(&clients[i], &f.lane);
        is_open[i] = true;
        line_of[i][0] = '\0';
    }
    order[0] = '\0';
    on_ready = NULL;
    return 0;
}

static int each_end(void **state)
{
    (void)state;
    for (unsigned i = 0; i < CLIENTS; i++)
        close_client(i);
    f.settings.maxmemory = 0;
    admit_make_room(&f.lane);
    keyspace_options(f.server.keyspace)->policy = EVICT_NONE;
    f.server.pause_until_ms = 0;
    return f.lane.paused == 0 && f.lane.waiting_first == NULL ? 0 : -1;
}

static void tick(void)
{
    lane_turn(&f.lane);
    f.lane.next_slice_us = 0;
    lane_tick(&f.lane);
}

static void expect_waits(unsigned i, const char *line)
{
    struct fed fed = feed_line(&f, &clients[i], line);
    assert_int_equal(fed.result, FEED_STOPPED);
    assert_int_equal(fed.consumed, 0);
    assert_string_equal(fed.reply, "");
    assert_true(clients[i].flags & CLIENT_PAUSED);
    strcpy(line_of[i], line);
}

static void expect_runs(unsigned i, const char *line, const char *reply)
{
    struct fed fed = feed_line(&f, &clients[i], line);
    assert_string_equal(fed.reply, reply);
    assert_int_equal(fed.result, FEED_MORE);
}

/* ---- phases and protection ---- */

static void test_loading(void **state)
{
    (void)state;
    f.server.phase = SERVER_LOADING;
    EXPECT(&f, "GET a", "-LOADING Redis is loading the dataset in memory");
    EXPECT(&f, "SET a 1", "-LOADING Redis is loading the dataset in memory");
    EXPECT(&f, "CLIENT ID", ":1");
    tick(); /* background work waits */
    f.server.phase = SERVER_READY;
    EXPECT(&f, "GET a", "$-1");
}

static void test_debug_is_protected(void **state)
{
    (void)state;
    strcpy(f.client.peer, "10.0.0.1:1");
    assert_non_null(strstr(fixture_run(&f, "DEBUG SLEEP 0"), "-ERR DEBUG command not allowed."));
    f.settings.enable_debug_command = ACTION_LOCAL;
    assert_non_null(strstr(fixture_run(&f, "DEBUG SLEEP 0"), "-ERR DEBUG command not allowed."));
    strcpy(f.client.peer, "127.0.0.1:1");
    EXPECT(&f, "DEBUG SLEEP 0", "+OK");
    strcpy(f.client.peer, "10.0.0.1:1");
    f.settings.enable_debug_command = ACTION_YES;
    EXPECT(&f, "DEBUG SLEEP 0", "+OK");
    f.settings.enable_debug_command = 0;
    f.client.peer[0] = '\0';
}

/* ---- CLIENT PAUSE ---- */

static void test_pause_of_writes(void **state)
{
    (void)state;
    EXPECT(&f, "CLIENT PAUSE 100000 WRITE", "+OK");
    expect_waits(0, "SET a 1");
    expect_waits(1, "DEL a");
    expect_runs(2, "GET a", "$-1\r\n");
    assert_int_equal(f.lane.paused, 2);
    for (unsigned i = 0; i < 5; i++)
        tick();
    assert_string_equal(order, ""); /* not asked for nothing */
    EXPECT(&f, "CLIENT UNPAUSE", "+OK");
    tick();
    assert_string_equal(order, "ab");
    assert_int_equal(f.lane.paused, 0);
    EXPECT_LOG(&f, "SET a 1; DEL a");
}

static void test_pause_of_all(void **state)
{
    (void)state;
    EXPECT(&f, "CLIENT PAUSE 100000", "+OK");
    expect_waits(2, "GET a");
    expect_waits(0, "PING");
    expect_waits(1, "SET a 1");
    EXPECT(&f, "CLIENT ID", ":1"); /* or nobody could end it */
    f.server.pause_all = 0;
    tick();
    assert_string_equal(order, "ca");
    f.server.pause_until_ms = 1; /* it is over by time */
    tick();
    assert_string_equal(order, "cab");
}

/* What stood in front of a command that waits was run, and only that. */
static void test_pause_within_a_pipeline(void **state)
{
    (void)state;
    EXPECT(&f, "SET a 1", "+OK");
    EXPECT(&f, "CLIENT PAUSE 100000 WRITE", "+OK");
    f.input.len = 0;
    feed_add(&f.input, "GET a");
    size_t front = f.input.len;
    feed_add(&f.input, "SET a 2");
    feed_add(&f.input, "GET a");
    struct fed fed = feed_client(&f, &clients[0], f.input.data, f.input.len);
    assert_int_equal(fed.result, FEED_STOPPED);
    assert_int_equal(fed.consumed, front);
    assert_string_equal(fed.reply, "$1\r\n1\r\n");
    fed = feed_client(&f, &clients[0], f.input.data + front, f.input.len - front);
    assert_int_equal(fed.consumed, 0);
    f.server.pause_until_ms = 0;
    tick();
    fed = feed_client(&f, &clients[0], f.input.data + front, f.input.len - front);
    assert_int_equal(fed.result, FEED_MORE);
    assert_string_equal(fed.reply, "+OK\r\n$1\r\n2\r\n");
}

static void test_a_reply_to_skip_is_skipped_after_a_wait(void **state)
{
    (void)state;
    EXPECT(&f, "CLIENT PAUSE 100000 WRITE", "+OK");
    expect_runs(0, "CLIENT REPLY SKIP", "");
    expect_waits(0, "SET a 1");
    line_of[0][0] = '\0';
    f.server.pause_until_ms = 0;
    tick();
    expect_runs(0, "SET a 1", "");
    expect_runs(0, "GET a", "$1\r\n1\r\n");
}

static void test_nothing_is_removed_during_a_pause(void **state)
{
    (void)state;
    EXPECT(&f, "SET a 1 PX 1", "+OK");
    EXPECT(&f, "SET b 1 PX 1", "+OK");
    EXPECT(&f, "CLIENT PAUSE 100000 WRITE", "+OK");
    fixture_log(&f);
    usleep(200 * 1000);
    tick();
    EXPECT(&f, "GET a", "$-1"); /* invisible, but there */
    EXPECT_LOG(&f, "");
    assert_int_equal(keyspace_size(f.server.keyspace, 0), 2);
    EXPECT(&f, "CLIENT UNPAUSE", "+OK");
    EXPECT(&f, "GET a", "$-1");
    tick();
    EXPECT_LOG(&f, "DEL a; DEL b");
}

/* ---- the queue ---- */

static void test_waiting_clients_may_leave(void **state)
{
    (void)state;
    EXPECT(&f, "CLIENT PAUSE 100000", "+OK");
    for (unsigned i = 0; i < CLIENTS; i++)
        expect_waits(i, "PING");
    close_client(2);
    close_client(0);
    close_client(4);
    assert_int_equal(f.lane.paused, 2);
    f.server.pause_until_ms = 0;
    tick();
    assert_string_equal(order, "bd");
}

static void test_a_ready_client_closes_others(void **state)
{
    (void)state;
    EXPECT(&f, "CLIENT PAUSE 100000", "+OK");
    for (unsigned i = 0; i < CLIENTS; i++)
        expect_waits(i, "PING");
    on_ready = "bd"; /* the next one, and one further on */
    f.server.pause_until_ms = 0;
    tick();
    assert_string_equal(order, "ace");
    assert_int_equal(f.lane.paused, 0);
}

static void test_a_ready_client_closes_itself_and_all(void **state)
{
    (void)state;
    EXPECT(&f, "CLIENT PAUSE 100000", "+OK");
    for (unsigned i = 0; i < CLIENTS; i++)
        expect_waits(i, "PING");
    on_ready = "abcde";
    f.server.pause_until_ms = 0;
    tick();
    assert_string_equal(order, "a");
    assert_int_equal(f.lane.paused, 0);
}

static void test_who_must_wait_on_keeps_the_order(void **state)
{
    (void)state;
    EXPECT(&f, "CLIENT PAUSE 100000", "+OK");
    expect_waits(0, "SET a 1");
    expect_waits(1, "GET a");
    expect_waits(2, "SET a 2");
    f.server.pause_all = 0;
    tick();
    f.server.pause_until_ms = 0;
    tick();
    assert_string_equal(order, "bac");
}

/* ---- memory ---- */

static void test_out_of_memory(void **state)
{
    (void)state;
    static const char oom[] = "-OOM command not allowed when used memory > 'maxmemory'.";
    EXPECT(&f, "SET a 1", "+OK");
    uint64_t refused = f.lane.stats.refused_memory;
    f.settings.maxmemory = 1;
    EXPECT(&f, "SET a 2", oom);
    EXPECT(&f, "APPEND a 2", oom);
    EXPECT_BULK(&f, "GET a", "1");
    EXPECT(&f, "EXPIRE a 100", ":1");
    EXPECT(&f, "DEL a", ":1");
    assert_int_equal(f.lane.stats.refused_memory - refused, 2);
    f.settings.maxmemory = (int64_t)server_used_memory(&f.server) + MIB;
    EXPECT(&f, "SET a 2", "+OK");
    f.settings.maxmemory = 0;
    EXPECT(&f, "SET a 3", "+OK");
}

static void test_eviction_keeps_the_limit(void **state)
{
    (void)state;
    keyspace_options(f.server.keyspace)->policy = EVICT_ALLKEYS_LRU;
    size_t limit = server_used_memory(&f.server) + 4 * MIB;
    f.settings.maxmemory = (int64_t)limit;
    char line[1100];
    for (unsigned i = 0; i < 10000; i++) {
        snprintf(line, sizeof line, "SET key:%u %01000d", i, 7);
        EXPECT(&f, line, "+OK");
    }
    size_t counted = server_used_memory(&f.server) - plog_memory(f.server.plog);
    if (counted >= limit + MIB / 2)
        fail_msg("%zu bytes, the limit is %zu; %llu evicted", counted, limit,
                 (unsigned long long)f.lane.stats.keyspace.evicted);
    assert_true(f.lane.stats.keyspace.evicted > 4000);
    const char *log = fixture_log(&f);
    assert_non_null(strstr(log, "; DEL key:")); /* whoever reads the log loses them too */
    f.settings.maxmemory = 1;
    for (unsigned i = 0; i < 100 && keyspace_size(f.server.keyspace, 0) != 0; i++)
        admit_make_room(&f.lane);
    assert_int_equal(keyspace_size(f.server.keyspace, 0), 0);
    admit_make_room(&f.lane);
    assert_true(f.lane.over_memory);
}

/* A few bytes of input may ask for much: the limit holds within one read, too. */
static void test_the_limit_holds_within_a_pipeline(void **state)
{
    (void)state;
    char line[64];
    for (unsigned round = 0; round < 2; round++) {
        keyspace_options(f.server.keyspace)->policy = round ? EVICT_ALLKEYS_RANDOM : EVICT_NONE;
        f.input.len = 0;
        for (unsigned i = 0; i < 400; i++) {
            snprintf(line, sizeof line, "SETRANGE key:%u 299999 x", i);
            feed_add(&f.input, line);
        }
        size_t before = server_used_memory(&f.server), limit = before + 10 * MIB;
        f.settings.maxmemory = (int64_t)limit;
        struct fed fed = feed(&f, &f.input);
        assert_int_equal(fed.result, FEED_MORE);
        unsigned refused = 0;
        for (const char *p = fed.reply; (p = strstr(p, "-OOM")) != NULL; p++)
            refused++;
        if (round == 0)
            assert_in_range(refused, 360, 370);
        else
            assert_int_equal(refused, 0);
        assert_true(server_used_memory(&f.server) < limit + 2 * MIB);
        assert_true(server_used_memory(&f.server) > limit - 3 * MIB);
        fixture_reset(&f);
    }
}

static void test_the_peak_is_noted(void **state)
{
    (void)state;
    f.settings.maxmemory = (int64_t)server_used_memory(&f.server) + 100 * MIB;
    f.server.peak_memory = 0;
    EXPECT(&f, "PING", "+PONG");
    assert_true(f.server.peak_memory > 0);
    assert_true(f.server.peak_memory <= server_used_memory(&f.server) + MIB);
}

/* ---- the disk ---- */

static struct guard_verdict *open_guard(void)
{
    struct guard_options options;
    guard_options_default(&options);
    options.dir = "/tmp";
    f.server.guard = guard_create(&options, &(struct guard_hooks){0}); /* never started: ours */
    f.lane.purse = (struct guard_purse){0};
    return guard_verdict(f.server.guard);
}

static void close_guard(void)
{
    guard_destroy(f.server.guard);
    f.server.guard = NULL;
}

static void test_disk_refused(void **state)
{
    (void)state;
    EXPECT(&f, "MSET a 1 b 2", "+OK");
    struct guard_verdict *v = open_guard();
    v->growth = GUARD_GROWTH_REFUSED;
    uint64_t refused = f.lane.stats.refused_disk;
    assert_true(strncmp(fixture_run(&f, "SET a 2"), "-MISCONF disk budget", 20) == 0);
    assert_true(strncmp(fixture_run(&f, "APPEND c 2"), "-MISCONF disk budget", 20) == 0);
    EXPECT_BULK(&f, "GET a", "1");
    EXPECT(&f, "RENAME a c", "+OK"); /* neutral */
    EXPECT(&f, "EXPIRE c 100", ":1");
    EXPECT(&f, "PERSIST c", ":1");
    EXPECT(&f, "DEL b c", ":2"); /* shrinks */
    EXPECT(&f, "PING", "+PONG");
    EXPECT(&f, "SET", "-ERR wrong number of arguments for 'set' command");
    assert_int_equal(f.lane.stats.refused_disk - refused, 2);
    assert_int_equal(v->refused, 2);
    v->growth = GUARD_GROWTH_FREE;
    EXPECT(&f, "SET a 2", "+OK");
    close_guard();
}

static void test_disk_metered(void **state)
{
    (void)state;
    struct guard_verdict *v = open_guard();
    v->growth = GUARD_GROWTH_METERED;
    v->largest = 1000000;
    v->epoch = 1;
    v->retry_ms = 500;
    v->credit = 0;
    expect_waits(0, "SET a 1");
    expect_waits(1, "SET b 1");
    expect_runs(2, "GET a", "$-1\r\n");
    expect_runs(2, "DEL a", ":0\r\n");
    tick(); /* too early */
    assert_string_equal(order, "");
    usleep(510 * 1000);
    tick();
    assert_string_equal(order, "ab"); /* asked once each, and sent back */
    assert_int_equal(f.lane.paused, 2);
    v->epoch = 2;
    v->credit = 1;
    usleep(510 * 1000);
    tick();
    assert_string_equal(order, "abab"); /* the first draws a purse for both */
    assert_int_equal(f.lane.paused, 0);
    assert_true(v->credit < 0);
    v->largest = 100; /* what can never fit is not kept waiting */
    f.lane.purse.left = 0;
    assert_true(strncmp(fixture_run(&f, "SET a 0123456789012345678901234567890123456789"),
                        "-MISCONF", 8) == 0);
    close_guard();
}

/* An inline command costs what its record will, not what it is raw. */
static void test_disk_metering_of_inline_commands(void **state)
{
    (void)state;
    struct guard_verdict *v = open_guard();
    v->growth = GUARD_GROWTH_METERED;
    v->largest = UINT64_MAX;
    v->epoch = 1;
    v->credit = MIB;
    char line[2100];
    snprintf(line, sizeof line, "set a %02000d\r\n", 1);
    f.lane.purse = (struct guard_purse){100000, 1};
    feed_text(&f, line);
    assert_in_range(100000 - f.lane.purse.left, 2000, 2200);
    close_guard();
}

/* A command that waits for something else pays once, when it runs. */
static void test_disk_is_paid_once(void **state)
{
    (void)state;
    struct guard_verdict *v = open_guard();
    v->growth = GUARD_GROWTH_METERED;
    v->largest = UINT64_MAX;
    v->epoch = 1;
    f.lane.purse = (struct guard_purse){100000, 1};
    EXPECT(&f, "CLIENT PAUSE 100000 WRITE", "+OK");
    expect_waits(0, "SET a 1");
    assert_int_equal(f.lane.purse.left, 100000);
    f.server.pause_until_ms = 0;
    tick();
    assert_in_range(100000 - f.lane.purse.left, 50, 150);
    EXPECT_BULK(&f, "GET a", "1");
    close_guard();
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, each, each_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_loading),
        TEST(test_debug_is_protected),
        TEST(test_pause_of_writes),
        TEST(test_pause_of_all),
        TEST(test_pause_within_a_pipeline),
        TEST(test_a_reply_to_skip_is_skipped_after_a_wait),
        TEST(test_nothing_is_removed_during_a_pause),
        TEST(test_waiting_clients_may_leave),
        TEST(test_a_ready_client_closes_others),
        TEST(test_a_ready_client_closes_itself_and_all),
        TEST(test_who_must_wait_on_keeps_the_order),
        TEST(test_out_of_memory),
        TEST(test_eviction_keeps_the_limit),
        TEST(test_the_limit_holds_within_a_pipeline),
        TEST(test_the_peak_is_noted),
        TEST(test_disk_refused),
        TEST(test_disk_metered),
        TEST(test_disk_metering_of_inline_commands),
        TEST(test_disk_is_paid_once),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
