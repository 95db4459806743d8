/* test_client.c - the CLIENT family: names, replies, pauses, lines and kills across lanes. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <pthread.h>
#include "commands/commands.h"
#include "engine_fixture.h"

static struct engine_fixture f;
static struct lane *far; /* a second lane, with clients of its own */
static struct client *woken[8];
static int woken_count;

static void note_ready(struct lane *lane, struct client *client)
{
    (void)lane;
    assert_true(woken_count < 8);
    woken[woken_count++] = client;
}

static int setup(void **state)
{
    (void)state;
    fixture_open(&f, (const struct command *const[]){connection_commands, client_commands,
                                                     string_commands, NULL});
    far = mem_try_zalloc_aligned(CACHE_LINE, sizeof *far);
    lane_init(far, &f.server, 1);
    far->client_ready = note_ready;
    f.server.lanes[1] = far;
    f.server.lane_count = 2;
    strcpy(f.client.peer, "127.0.0.1:1000");
    strcpy(f.client.local, "127.0.0.1:6379");
    woken_count = 0;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    f.server.lane_count = 1;
    lane_free(far);
    mem_free(far);
    fixture_close(&f);
    return 0;
}

static void connect_far(struct client *client, const char *peer)
{
    *client = (struct client){.descriptor = 9};
    snprintf(client->peer, sizeof client->peer, "%s", peer);
    strcpy(client->local, "127.0.0.1:6380");
    client_init(client, far);
}

/* How many lines CLIENT LIST has with these options. */
static int lines(const char *command)
{
    int count = 0;
    fixture_run(&f, command);
    assert_int_equal(f.reply.data[0], '$');
    for (const char *p = bytes_str(&f.reply); (p = strstr(p, "id=")) != NULL; p++)
        count += p[-1] == '\n';
    return count;
}

#define NAME_ERROR "-ERR Client names cannot contain spaces, newlines or special characters."
#define UNKNOWN(word)                                                                              \
    "-ERR unknown subcommand or wrong number of arguments for '" word "'. Try CLIENT HELP."

static void test_names(void **state)
{
    (void)state;
    EXPECT(&f, "CLIENT ID", ":1");
    EXPECT(&f, "CLIENT GETNAME", "$-1");
    EXPECT(&f, "CLIENT SETNAME \"a b\"", NAME_ERROR);
    EXPECT(&f, "CLIENT SETNAME !~", "+OK");
    EXPECT_BULK(&f, "CLIENT GETNAME", "!~");
    EXPECT(&f, "CLIENT SETNAME \"\"", "+OK");
    EXPECT(&f, "CLIENT GETNAME", "$-1");
    EXPECT(&f, "CLIENT SETINFO lib-name py", "+OK");
    EXPECT(&f, "CLIENT SETINFO LIB-VER 1.0", "+OK");
    EXPECT(&f, "CLIENT SETINFO LIB-NAME \"a b\"",
           "-ERR LIB-NAME cannot contain spaces, newlines or special characters.");
    EXPECT(&f, "CLIENT SETINFO x y", "-ERR Unrecognized option 'x'");
    assert_string_equal(f.client.lib_name, "py");
    assert_string_equal(f.client.lib_version, "1.0");
    EXPECT(&f, "CLIENT GETREDIR", ":-1");
    EXPECT(&f, "CLIENT CAPA redirect other", "+OK");
    EXPECT(&f, "CLIENT UNBLOCK 1", ":0");
    EXPECT(&f, "CLIENT UNBLOCK 1 x", "-ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR");
    EXPECT(&f, "CLIENT UNBLOCK 1 error x", UNKNOWN("UNBLOCK"));
    EXPECT(&f, "CLIENT TRACKING on", "-ERR unknown subcommand 'TRACKING'. Try CLIENT HELP.");
}

static void test_flags(void **state)
{
    (void)state;
    EXPECT(&f, "CLIENT NO-EVICT on", "+OK");
    EXPECT(&f, "CLIENT NO-TOUCH ON", "+OK");
    assert_int_equal(f.client.flags, CLIENT_NO_EVICT | CLIENT_NO_TOUCH);
    assert_non_null(strstr(fixture_run(&f, "CLIENT INFO"), " flags=eT "));
    EXPECT(&f, "CLIENT NO-EVICT off", "+OK");
    EXPECT(&f, "CLIENT NO-TOUCH off", "+OK");
    EXPECT(&f, "CLIENT NO-TOUCH x", SYNTAX);
    EXPECT(&f, "CLIENT IMPORT-SOURCE on", "-ERR Server is not in import mode");
    f.settings.import_mode = true;
    EXPECT(&f, "CLIENT IMPORT-SOURCE on", "+OK");
    assert_non_null(strstr(fixture_run(&f, "CLIENT INFO"), " flags=I "));
    EXPECT(&f, "CLIENT IMPORT-SOURCE off", "+OK");
    assert_non_null(strstr(fixture_run(&f, "CLIENT INFO"), " flags=N "));
    f.settings.import_mode = false;
}

static void test_reply_modes(void **state)
{
    (void)state;
    assert_string_equal(fixture_run(&f, "CLIENT REPLY OFF"), "");
    assert_string_equal(fixture_run(&f, "PING"), "");
    assert_string_equal(fixture_run(&f, "CLIENT REPLY SKIP"), "");
    assert_string_equal(fixture_run(&f, "PING"), "");
    EXPECT(&f, "CLIENT REPLY ON", "+OK");
    EXPECT(&f, "PING", "+PONG");
    assert_string_equal(fixture_run(&f, "CLIENT REPLY SKIP"), "");
    assert_string_equal(fixture_run(&f, "PING"), "");
    EXPECT(&f, "PING", "+PONG");
    EXPECT(&f, "CLIENT REPLY x", SYNTAX);
}

/* A pause under way only grows, in time and in what it stops. */
static void test_pause(void **state)
{
    (void)state;
    struct server *s = &f.server;
    EXPECT(&f, "CLIENT PAUSE x", "-ERR timeout is not an integer or out of range");
    EXPECT(&f, "CLIENT PAUSE -1", "-ERR timeout is negative");
    EXPECT(&f, "CLIENT PAUSE 9223372036854775807", "-ERR timeout is out of range");
    EXPECT(&f, "CLIENT PAUSE 1 x", "-ERR CLIENT PAUSE mode must be WRITE or ALL");
    EXPECT(&f, "CLIENT PAUSE 1 WRITE x", UNKNOWN("PAUSE"));
    assert_int_equal(s->pause_until_ms, 0);
    EXPECT(&f, "CLIENT PAUSE 100000 WRITE", "+OK");
    assert_int_equal(s->pause_until_ms, f.lane.now_ms + 100000);
    assert_int_equal(s->pause_all, 0);
    EXPECT(&f, "PING", "+PONG");
    EXPECT(&f, "CLIENT PAUSE 10", "+OK");
    assert_true(s->pause_until_ms > (uint64_t)f.lane.now_ms + 90000);
    assert_int_equal(s->pause_all, 1);
    EXPECT(&f, "CLIENT PAUSE 10 WRITE", "+OK");
    assert_int_equal(s->pause_all, 1);
    EXPECT(&f, "CLIENT UNPAUSE", "+OK");
    assert_int_equal(s->pause_until_ms, 0);
    EXPECT(&f, "CLIENT PAUSE 0 WRITE", "+OK");
    assert_int_equal(s->pause_all, 0);
    EXPECT(&f, "CLIENT UNPAUSE", "+OK");
}

static void test_lines(void **state)
{
    (void)state;
    struct client other, third;
    connect_far(&other, "10.0.0.1:5");
    connect_far(&third, "10.0.0.1:6");
    fixture_run(&f, "CLIENT SETNAME me");
    fixture_run(&f, "SELECT 3");
    static const char *const wanted[] = {
        "id=1 addr=127.0.0.1:1000 laddr=127.0.0.1:6379 fd=0 name=me age=0 idle=0 flags=N db=3 "
        "sub=0 psub=0 ssub=0 multi=-1 qbuf=0 qbuf-free=0 argv-mem=0 multi-mem=0 rbs=0 rbp=0 obl=0 "
        "oll=0 omem=0 tot-mem=",
        " events=r cmd=client|list user=default redir=-1 resp=2 lib-name= lib-ver=\n",
        "id=2 addr=10.0.0.1:5 laddr=127.0.0.1:6380 fd=9 name= age=", " cmd=NULL user=default",
        "\nid=3 addr=10.0.0.1:6"};
    const char *at = fixture_run(&f, "CLIENT LIST");
    for (size_t i = 0; i < COUNT_OF(wanted); i++) {
        at = strstr(at, wanted[i]);
        assert_non_null(at);
    }
    assert_int_equal(lines("CLIENT LIST"), 3);
    assert_int_equal(lines("CLIENT LIST TYPE normal"), 3);
    assert_int_equal(lines("CLIENT LIST TYPE pubsub"), 0);
    assert_int_equal(lines("CLIENT LIST ADDR 10.0.0.1:6"), 1);
    assert_int_equal(lines("CLIENT LIST LADDR 127.0.0.1:6380"), 2);
    assert_int_equal(lines("CLIENT LIST SKIPME yes"), 2);
    assert_int_equal(lines("CLIENT LIST NAME me USER default"), 1);
    assert_int_equal(lines("CLIENT LIST ID 3 9 1 3"), 3);
    assert_int_equal(lines("CLIENT LIST ID 9"), 0);
    assert_int_equal(lines("CLIENT LIST LADDR 127.0.0.1:6380 ID 1 2"), 1);
    EXPECT(&f, "CLIENT LIST ID x", "-ERR Invalid client ID");
    EXPECT(&f, "CLIENT LIST TYPE x", "-ERR Unknown client type 'x'");
    EXPECT(&f, "CLIENT LIST x", SYNTAX);
    other.created_ms -= 5000;
    assert_int_equal(lines("CLIENT LIST MAXAGE 5"), 1);
    assert_int_equal(lines("CLIENT LIST MAXAGE 6"), 0);
    f.client.resp = 3;
    assert_memory_equal(fixture_run(&f, "CLIENT INFO"), "=", 1);
    f.client.resp = 2;
    client_free(&other);
    client_free(&third);
}

/* The victim of another lane is hidden at once and closed by its own lane. */
static void test_kill(void **state)
{
    (void)state;
    struct client other, third;
    connect_far(&other, "10.0.0.1:5");
    connect_far(&third, "10.0.0.1:6");
    uint64_t id = other.id;
    char command[64];
    EXPECT(&f, "CLIENT KILL 1.1.1.1:1", "-ERR No such client");
    EXPECT(&f, "CLIENT KILL ID 0", "-ERR client-id should be greater than 0");
    EXPECT(&f, "CLIENT KILL ID x y z", "-ERR client-id should be greater than 0");
    EXPECT(&f, "CLIENT KILL MAXAGE 0", "-ERR maxage should be greater than 0");
    EXPECT(&f, "CLIENT KILL MAXAGE x", "-ERR maxage is not an integer or out of range");
    EXPECT(&f, "CLIENT KILL USER x", "-ERR No such user 'x'");
    EXPECT(&f, "CLIENT KILL SKIPME x", SYNTAX);
    EXPECT(&f, "CLIENT KILL ID 1 SKIPME", SYNTAX);
    EXPECT(&f, "CLIENT KILL ID 1", ":0");
    snprintf(command, sizeof command, "CLIENT KILL ID %llu", (unsigned long long)id);
    EXPECT(&f, command, ":1");
    EXPECT(&f, command, ":0");
    assert_int_equal(lines("CLIENT LIST"), 2);
    assert_int_equal(other.flags & CLIENT_CLOSE_NOW, 0);
    lane_tick(far);
    assert_int_equal(woken_count, 1);
    assert_ptr_equal(woken[0], &other);
    assert_int_equal(other.flags & CLIENT_CLOSE_NOW, CLIENT_CLOSE_NOW);
    client_free(&other);
    EXPECT(&f, "CLIENT KILL 10.0.0.1:6", "+OK");
    client_free(&third); /* gone before its lane hears of it */
    lane_tick(far);
    assert_int_equal(woken_count, 1);
}

/* One's own connection is closed behind the reply. */
static void test_kill_myself(void **state)
{
    (void)state;
    char input[] = "CLIENT KILL TYPE normal SKIPME no\r\nPING\r\n";
    size_t consumed, wanted;
    assert_int_equal(lane_feed(&f.lane, &f.client, input, strlen(input), &consumed, &wanted),
                     FEED_CLOSE);
    assert_memory_equal(f.lane.reply.bytes.data, ":1\r\n", 4);
    assert_int_equal(f.lane.reply.bytes.len, 4);
    reply_buffer_clear(&f.lane.reply);
    f.client.flags = 0;
}

/* ---- two threads ---- */

static uint32_t stop; /* atomic */

static void *live_on_far_lane(void *ctx)
{
    (void)ctx;
    mem_thread_join();
    while (!RELAXED_LOAD(&stop)) {
        struct client client;
        char input[] = "CLIENT SETNAME x\r\nSELECT 2\r\nCLIENT SETINFO lib-name y\r\n";
        size_t consumed, wanted;
        connect_far(&client, "10.0.0.1:5");
        for (int i = 0; i < 3; i++) {
            lane_turn(far);
            lane_feed(far, &client, input, sizeof input - 1, &consumed, &wanted);
            reply_buffer_clear(&far->reply);
            lane_tick(far);
        }
        client_free(&client);
    }
    lane_tick(far);
    mem_thread_leave();
    return NULL;
}

static void ignore_ready(struct lane *lane, struct client *client)
{
    (void)lane, (void)client;
}

static void test_looking_at_a_busy_lane(void **state)
{
    (void)state;
    pthread_t thread;
    stop = 0;
    far->client_ready = ignore_ready;
    pthread_create(&thread, NULL, live_on_far_lane, NULL);
    for (int i = 0; i < 300; i++) {
        int count = lines("CLIENT LIST");
        assert_in_range(count, 1, 2);
        fixture_run(&f, "CLIENT KILL LADDR 127.0.0.1:6380");
        fixture_run(&f, "CLIENT KILL NAME x");
    }
    RELAXED_STORE(&stop, 1);
    pthread_join(thread, NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_names),       TEST(test_flags),
        TEST(test_reply_modes), TEST(test_pause),
        TEST(test_lines),       TEST(test_kill),
        TEST(test_kill_myself), TEST(test_looking_at_a_busy_lane),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
