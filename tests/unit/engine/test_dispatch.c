/* test_dispatch.c - pipelines: batches and their bounds, commands that change how the rest is run,
 * errors. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include "commands/commands.h"
#include "engine/batch.h"
#include "feed.h"

static struct engine_fixture f;
static unsigned cancelled;

static void cancel(struct client *client)
{
    (void)client;
    cancelled++;
}

static void later_command(struct call *call)
{
    call_defer(call, NULL, cancel);
}

static void big_command(struct call *call)
{
    static char big[100000];
    memset(big, 'b', sizeof big);
    reply_bulk(call->reply, slice_of(big, sizeof big));
}

/* EFFECTS n: says it changed something and logs n commands instead of itself. */
static void effects_command(struct call *call)
{
    int64_t count = 0;
    if (!call_i64(call, 1, &count, NULL))
        return;
    call_changed(call, 1);
    if (count == 0)
        call_effect_none(call);
    struct slice argv[2] = {SLICE("PING"), call->argv[1]};
    for (int64_t i = 0; i < count; i++)
        call_effect(call, 2, argv);
    reply_ok(call->reply);
}

static const struct command own_commands[] = {
    {.name = "later", .run = later_command, .arity = 1},
    {.name = "big", .run = big_command, .arity = 1},
    {.name = "effects", .run = effects_command, .arity = 2, .flags = CMD_WRITE},
    {.name = NULL},
};

static int setup(void **state)
{
    (void)state;
    const struct command *const families[] = {
        string_commands, generic_commands, connection_commands, client_commands,
        set_commands,    zset_commands,    own_commands,        NULL};
    fixture_open(&f, families);
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
    f.client.authenticated = true;
    f.settings.requirepass.text[0] = '\0';
    f.input.len = 0;
    request_parser_free(&f.client.parser);
    request_parser_init(&f.client.parser);
    return 0;
}

static void check_fed(struct fed fed, enum feed_result result, size_t consumed, const char *reply)
{
    assert_string_equal(fed.reply, reply);
    assert_int_equal(fed.result, result);
    assert_int_equal(fed.consumed, consumed);
}

static void test_batch_bounds(void **state)
{
    (void)state;
    static const unsigned counts[] = {1, 2, 63, 64, 65, 127, 128, 129, 1000};
    for (size_t i = 0; i < COUNT_OF(counts); i++) {
        struct bytes replies = {0};
        uint64_t before = f.lane.stats.commands;
        fixture_run(&f, "DEL n");
        f.input.len = 0;
        for (unsigned n = 1; n <= counts[i]; n++) {
            if (n % 3 == 0)
                bytes_append_str(&f.input, "incr n\r\n"); /* inline, in between */
            else
                feed_add(&f.input, "INCR n");
            bytes_printf(&replies, ":%u\r\n", n);
        }
        check_fed(feed(&f, &f.input), FEED_MORE, f.input.len, bytes_str(&replies));
        assert_int_equal(f.lane.stats.commands - before, counts[i] + 1);
        bytes_free(&replies);
    }
}

/* The same bytes in pieces of every size: the same replies. */
static void test_any_pieces(void **state)
{
    (void)state;
    struct bytes input = {0}, replies = {0}, whole = {0};
    bytes_append_str(&input, "\r\n*0\r\nset a 1\r\n");
    feed_add(&input, "APPEND a 23");
    bytes_append_str(&input, "*-1\r\n");
    feed_add(&input, "GET a");
    bytes_append_str(&input, "\r\n");
    for (size_t piece = 1; piece <= input.len; piece++) {
        replies.len = 0;
        size_t kept = 0, end = 0;
        while (end < input.len) {
            end = MIN_OF(end + piece, input.len);
            struct fed fed = feed_client(&f, &f.client, input.data + kept, end - kept);
            assert_int_equal(fed.result, FEED_MORE);
            kept += fed.consumed;
            bytes_append_str(&replies, fed.reply);
        }
        assert_int_equal(kept, input.len);
        assert_string_equal(bytes_str(&replies), "+OK\r\n:3\r\n$3\r\n123\r\n");
    }
    bytes_free(&input);
    bytes_free(&replies);
    bytes_free(&whole);
}

static void test_auth_in_the_middle(void **state)
{
    (void)state;
    static char secret[] = "pw";
    char *before = f.settings.requirepass.text;
    f.settings.requirepass.text = secret;
    f.client.authenticated = false;
    feed_add(&f.input, "SET a 1");
    feed_add(&f.input, "AUTH wrong");
    feed_add(&f.input, "AUTH pw");
    feed_add(&f.input, "SET a 2");
    feed_add(&f.input, "RESET");
    feed_add(&f.input, "SET a 3");
    feed_add(&f.input, "NOSUCH");
    feed_add(&f.input, "AUTH pw");
    feed_add(&f.input, "GET a");
    struct fed fed = feed(&f, &f.input);
    f.settings.requirepass.text = before;
    check_fed(fed, FEED_MORE, f.input.len,
              "-NOAUTH Authentication required.\r\n"
              "-WRONGPASS invalid username-password pair or user is disabled.\r\n"
              "+OK\r\n+OK\r\n+RESET\r\n-NOAUTH Authentication required.\r\n"
              "-ERR unknown command 'NOSUCH', with args beginning with: \r\n"
              "+OK\r\n$1\r\n2\r\n");
}

static void test_select_in_the_middle(void **state)
{
    (void)state;
    feed_add(&f.input, "SET a zero");
    feed_add(&f.input, "SELECT 1");
    feed_add(&f.input, "GET a");
    feed_add(&f.input, "SET a one");
    feed_add(&f.input, "SELECT 0");
    feed_add(&f.input, "GET a");
    check_fed(feed(&f, &f.input), FEED_MORE, f.input.len,
              "+OK\r\n+OK\r\n$-1\r\n+OK\r\n+OK\r\n$4\r\nzero\r\n");
    EXPECT_LOG(&f, "SET a zero; SET a one");
}

static void test_quit_in_the_middle(void **state)
{
    (void)state;
    feed_add(&f.input, "SET a 1");
    feed_add(&f.input, "QUIT");
    feed_add(&f.input, "SET a 2");
    struct fed fed = feed(&f, &f.input);
    assert_int_equal(fed.result, FEED_CLOSE);
    assert_string_equal(fed.reply, "+OK\r\n+OK\r\n");
    f.client.flags = 0;
    EXPECT_BULK(&f, "GET a", "1");
}

static uint64_t error_count(const char *code)
{
    const struct lane_errors *e = &f.lane.stats.by_code;
    for (uint32_t i = 0; i < e->used; i++)
        if (strcmp(e->codes[i].code, code) == 0)
            return e->codes[i].count;
    return 0;
}

static void test_protocol_errors_behind_good_commands(void **state)
{
    (void)state;
    uint64_t errors = f.lane.stats.errors, by_code = error_count("ERR");
    for (unsigned good = 1; good <= 65; good += 32) {
        struct bytes replies = {0};
        f.input.len = 0;
        for (unsigned i = 0; i < good; i++) {
            feed_add(&f.input, "SET a 1");
            bytes_append_str(&replies, "+OK\r\n");
        }
        bytes_append_str(&f.input, "*2\r\n$3\r\nGET\r\n!1\r\n");
        feed_add(&f.input, "SET a 2");
        bytes_append_str(&replies, "-ERR Protocol error: expected '$', got '!'\r\n");
        struct fed fed = feed(&f, &f.input);
        assert_int_equal(fed.result, FEED_CLOSE);
        assert_string_equal(fed.reply, bytes_str(&replies));
        bytes_free(&replies);
        each(NULL);
    }
    assert_int_equal(f.lane.stats.errors - errors, 3);
    assert_int_equal(error_count("ERR") - by_code, 3);
}

/* What follows a deferred command is kept, wherever the input ends. */
static void test_deferred(void **state)
{
    (void)state;
    struct bytes input = {0};
    feed_add(&input, "SET a 1");
    feed_add(&input, "LATER");
    size_t stop = input.len;
    feed_add(&input, "GET a");
    for (size_t len = stop; len <= input.len; len++) {
        struct fed fed = feed_client(&f, &f.client, input.data, len);
        check_fed(fed, FEED_STOPPED, stop, "+OK\r\n");
        assert_true(f.client.flags & CLIENT_DEFERRED);
        if (len > stop) { /* asked too early: nothing happens */
            fed = feed_client(&f, &f.client, input.data + stop, len - stop);
            check_fed(fed, FEED_STOPPED, 0, "");
        }
        client_complete(&f.client);
        fed = feed_client(&f, &f.client, input.data + stop, input.len - stop);
        check_fed(fed, FEED_MORE, input.len - stop, "$1\r\n1\r\n");
    }
    struct client *gone = mem_zalloc(sizeof *gone);
    client_init(gone, &f.lane);
    feed_line(&f, gone, "LATER");
    assert_int_equal(cancelled, 0);
    client_free(gone);
    assert_int_equal(cancelled, 1);
    mem_free(gone);
    bytes_free(&input);
}

static void test_large_replies_stop_between_batches(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 100; i++)
        feed_add(&f.input, "BIG");
    struct fed fed = feed(&f, &f.input);
    assert_int_equal(fed.result, FEED_FULL);
    assert_int_equal(fed.consumed, f.input.len / 100 * 64);
    fed = feed_client(&f, &f.client, f.input.data + fed.consumed, f.input.len - fed.consumed);
    assert_int_equal(fed.result, FEED_MORE); /* full as well, but all was run */
}

/* ---- errors ---- */

static void test_unknown_commands(void **state)
{
    (void)state;
    EXPECT(&f, "nosuch", "-ERR unknown command 'nosuch', with args beginning with: ");
    EXPECT(&f, "NoSuch a \"b c\"",
           "-ERR unknown command 'NoSuch', with args beginning with: 'a' 'b c' ");
    EXPECT(&f, "\"a\\r\\nb\"", "-ERR unknown command 'a  b', with args beginning with: ");
    /* The name is cut at 128 bytes, and so are the arguments together. */
    char line[1000], wanted[1000];
    char many[401];
    memset(many, 'x', 400);
    many[400] = '\0';
    snprintf(line, sizeof line, "%s %s b", many, many);
    snprintf(wanted, sizeof wanted,
             "-ERR unknown command '%.128s', with args beginning with: '%.128s' ", many, many);
    EXPECT(&f, line, wanted);
    snprintf(line, sizeof line, "x %.120s %.50s c", many, many);
    snprintf(wanted, sizeof wanted,
             "-ERR unknown command 'x', with args beginning with: '%.120s' '%.5s' ", many, many);
    EXPECT(&f, line, wanted);
}

static void test_browsers_are_turned_away(void **state)
{
    (void)state;
    struct fed fed = feed_text(&f, "POST / HTTP/1.1\r\nset a 1\r\n");
    assert_int_equal(fed.result, FEED_CLOSE);
    assert_string_equal(fed.reply, "");
    assert_true(f.client.flags & CLIENT_CLOSE_NOW);
    f.client.flags = 0;
    EXPECT(&f, "GET a", "$-1");
}

static void test_error_counters(void **state)
{
    (void)state;
    uint32_t get, incr;
    registry_find(f.server.registry, SLICE("get"), &get);
    registry_find(f.server.registry, SLICE("incr"), &incr);
    struct command_stats get_before = f.lane.command_stats[get],
                         incr_before = f.lane.command_stats[incr];
    uint64_t err = error_count("ERR"), wrong = error_count("WRONGTYPE");
    fixture_make_list(&f, "l");
    EXPECT(&f, "GET", "-ERR wrong number of arguments for 'get' command");
    EXPECT(&f, "GET a b", "-ERR wrong number of arguments for 'get' command");
    EXPECT(&f, "CLIENT nosuch", "-ERR unknown subcommand 'nosuch'. Try CLIENT HELP.");
    EXPECT(&f, "CLIENT", "-ERR wrong number of arguments for 'client' command");
    EXPECT(&f, "CLIENT ID x", "-ERR wrong number of arguments for 'client|id' command");
    EXPECT(&f, "GET l", WRONG_TYPE);
    EXPECT(&f, "GET a", "$-1");
    EXPECT(&f, "INCR l", WRONG_TYPE);
    struct command_stats *g = &f.lane.command_stats[get], *i = &f.lane.command_stats[incr];
    assert_int_equal(g->calls - get_before.calls, 2);
    assert_int_equal(g->failed - get_before.failed, 1);
    assert_int_equal(g->rejected - get_before.rejected, 2);
    assert_int_equal(i->calls - incr_before.calls, 1);
    assert_int_equal(i->failed - incr_before.failed, 1);
    assert_int_equal(error_count("ERR") - err, 5);
    assert_int_equal(error_count("WRONGTYPE") - wrong, 2);
}

/* ---- replies that are not wanted ---- */

static void test_reply_off_and_skip(void **state)
{
    (void)state;
    feed_add(&f.input, "CLIENT REPLY SKIP");
    feed_add(&f.input, "SET a 1");
    feed_add(&f.input, "GET a");
    feed_add(&f.input, "CLIENT REPLY OFF");
    feed_add(&f.input, "SET a 2");
    feed_add(&f.input, "NOSUCH");
    feed_add(&f.input, "CLIENT REPLY ON");
    feed_add(&f.input, "GET a");
    check_fed(feed(&f, &f.input), FEED_MORE, f.input.len, "$1\r\n1\r\n+OK\r\n$1\r\n2\r\n");
}

/* ---- the log ---- */

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

static void test_records(void **state)
{
    (void)state;
    EXPECT(&f, "SET first 1", "+OK"); /* brings SELECT */
    fixture_log(&f);
    feed_text(&f, "*3\r\n$3\r\nsEt\r\n$1\r\na\r\n$4\r\n\r\n\r\n\r\n");
    expect_raw_log("*3\r\n$3\r\nsEt\r\n$1\r\na\r\n$4\r\n\r\n\r\n\r\n"); /* as it came */
    feed_text(&f, "set   b  'x y'\r\n");
    expect_raw_log("*3\r\n$3\r\nset\r\n$1\r\nb\r\n$3\r\nx y\r\n");
    feed_text(&f, "get a\r\nset a 1 xx get ex\r\ndel none\r\n");
    expect_raw_log("");
    EXPECT(&f, "EFFECTS 0", "+OK");
    expect_raw_log("");
    EXPECT(&f, "EFFECTS 1", "+OK");
    expect_raw_log("*2\r\n$4\r\nPING\r\n$1\r\n1\r\n");
    EXPECT(&f, "EFFECTS 2", "+OK");
    expect_raw_log("*1\r\n$5\r\nMULTI\r\n*2\r\n$4\r\nPING\r\n$1\r\n2\r\n"
                   "*2\r\n$4\r\nPING\r\n$1\r\n2\r\n*1\r\n$4\r\nEXEC\r\n");
    EXPECT(&f, "SET c 1", "+OK"); /* what was replaced before is forgotten */
    expect_raw_log("*3\r\n$3\r\nSET\r\n$1\r\nc\r\n$1\r\n1\r\n");
}

static void test_replies_wait_for_the_log(void **state)
{
    (void)state;
    f.lane.log_gate = 0;
    EXPECT(&f, "SET a 1", "+OK");
    assert_int_equal(f.lane.log_gate, 0); /* nobody asked for it */
    f.server.gate_replies = 1;
    EXPECT(&f, "SET b 1", "+OK");
    uint64_t after_b = plog_end(f.server.plog);
    assert_true(f.lane.log_gate == after_b);
    f.lane.log_gate = 0;
    EXPECT_BULK(&f, "GET b", "1"); /* what was read is not durable yet */
    assert_true(f.lane.log_gate == after_b);
    f.lane.log_gate = 0;
    EXPECT(&f, "PING", "+PONG");
    assert_int_equal(f.lane.log_gate, 0);
    EXPECT(&f, "EXISTS a", ":1");
    assert_true(f.lane.log_gate <= after_b);
    EXPECT(&f, "SET c 1", "+OK");
    f.lane.log_gate = 0;
    fixture_run(&f, "KEYS *"); /* shows c, wherever that is */
    assert_true(f.lane.log_gate == plog_end(f.server.plog));
    f.lane.log_gate = 0;
    EXPECT(&f, "MGET a b c", "*3\r\n$1\r\n1\r\n$1\r\n1\r\n$1\r\n1");
    assert_true(f.lane.log_gate == plog_end(f.server.plog));
    f.server.gate_replies = 0;
    f.lane.log_gate = 0;
}

/* ---- the loader's way in ---- */

static bool execute(struct client *loader, uint32_t db, const char *line, const char **why)
{
    struct slice *argv;
    int argc = split_line(slice_str(line), &argv);
    bool good = lane_execute(&f.lane, loader, db, (uint32_t)argc, argv, why);
    mem_free(argv);
    return good;
}

/* Elements are prefetched for runs of commands on one key: whatever the commands are, and whatever
 * becomes of the value meanwhile, they run as they would one by one. */
static void test_runs_on_one_key(void **state)
{
    (void)state;
    struct bytes wanted = {0};
    char line[128];
    for (unsigned i = 0; i < 3 * BATCH_MAX; i++) {
        snprintf(line, sizeof line, "SADD k member:%u again", i);
        feed_add(&f.input, line);
        bytes_printf(&wanted, ":%u\r\n", i == 0 ? 2 : 1);
    }
    static const char *const lines[][2] = {
        {"SADD k", "-ERR wrong number of arguments for 'sadd' command\r\n"},
        {"SISMEMBER k member:7", ":1\r\n"},
        {"ZADD k XX 1 a", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"},
        {"SREM k member:7", ":1\r\n"},
        {"NOSUCH k member:7", "-ERR unknown command 'NOSUCH', with args beginning with: 'k' "
                              "'member:7' \r\n"},
        {"SISMEMBER k member:7", ":0\r\n"},
        {"SMOVE k k2 member:8", ":1\r\n"},
        {"DEL k", ":1\r\n"},
        {"SREM k member:9", ":0\r\n"},
        {"SET k v", "+OK\r\n"},
        {"SADD k a", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"},
        {"PEXPIREAT k 1", ":1\r\n"},
        {"ZADD k NX CH 1 a 2 b", ":2\r\n"},
        {"ZSCORE k b", "$1\r\n2\r\n"},
    };
    for (size_t i = 0; i < COUNT_OF(lines); i++) {
        feed_add(&f.input, lines[i][0]);
        bytes_append(&wanted, lines[i][1], strlen(lines[i][1]));
    }
    check_fed(feed(&f, &f.input), FEED_MORE, f.input.len, bytes_str(&wanted));
    bytes_free(&wanted);
}

static void test_execute(void **state)
{
    (void)state;
    struct client loader = {.flags = CLIENT_INTERNAL};
    const char *why = NULL;
    client_init(&loader, &f.lane);
    /* Nothing that stops clients stops the loader. */
    f.server.phase = SERVER_LOADING;
    f.server.pause_all = 1;
    f.server.pause_until_ms = UINT64_MAX;
    f.lane.over_memory = true;
    assert_true(execute(&loader, 3, "SET a 1", &why));
    assert_true(execute(&loader, 3, "SET past v PXAT 1", &why));
    assert_true(execute(&loader, 3, "APPEND past w", &why)); /* nothing expires while loading */
    assert_false(execute(&loader, 3, "NOSUCH x", &why));
    assert_string_equal(why, "ERR unknown command 'NOSUCH', with args beginning with: 'x' ");
    assert_false(execute(&loader, 3, "GET", &why));
    assert_string_equal(why, "ERR wrong number of arguments for 'get' command");
    assert_false(execute(&loader, 3, "INCR past", &why));
    assert_int_equal(f.lane.reply.bytes.len, 0);
    f.server.phase = SERVER_READY;
    f.server.pause_until_ms = 0;
    f.server.pause_all = 0;
    f.lane.over_memory = false;
    assert_true(execute(&loader, 3, "SET a 2", &why));
    EXPECT_LOG(&f, "");
    EXPECT(&f, "SELECT 3", "+OK");
    EXPECT_BULK(&f, "GET a", "2");
    EXPECT(&f, "DBSIZE", "-ERR unknown command 'DBSIZE', with args beginning with: ");
    EXPECT(&f, "GET past", "$-1");
    EXPECT_LOG(&f, "DEL past");
    client_free(&loader);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_batch_bounds, each),
        cmocka_unit_test_setup(test_any_pieces, each),
        cmocka_unit_test_setup(test_auth_in_the_middle, each),
        cmocka_unit_test_setup(test_select_in_the_middle, each),
        cmocka_unit_test_setup(test_quit_in_the_middle, each),
        cmocka_unit_test_setup(test_protocol_errors_behind_good_commands, each),
        cmocka_unit_test_setup(test_deferred, each),
        cmocka_unit_test_setup(test_large_replies_stop_between_batches, each),
        cmocka_unit_test_setup(test_unknown_commands, each),
        cmocka_unit_test_setup(test_browsers_are_turned_away, each),
        cmocka_unit_test_setup(test_error_counters, each),
        cmocka_unit_test_setup(test_reply_off_and_skip, each),
        cmocka_unit_test_setup(test_records, each),
        cmocka_unit_test_setup(test_replies_wait_for_the_log, each),
        cmocka_unit_test_setup(test_runs_on_one_key, each),
        cmocka_unit_test_setup(test_execute, each),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
