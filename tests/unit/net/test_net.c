/* Tests of the network side over loopback sockets: whole requests, pieces, pipelines, slow readers,
 * ends of connections, gates, limits, refusals, rebinding, stopping, several workers.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <signal.h>
#include "net_fixture.h"

static struct net_fixture f;

/* Also waits until the connection is served. */
static long long id_of(int fd)
{
    say(fd, "ID\r\n");
    return strtoll(hear_line(fd) + 1, NULL, 10);
}

static void serves_requests(void **state)
{
    net_fixture_open(&f, 1, "");
    int fd = client_of(&f);
    say(fd, "PING\r\n");
    assert_true(hears(fd, "+PONG\r\n"));
    say(fd, "*3\r\n$3\r\nSET\r\n$1\r\na\r\n$5\r\nhello\r\n*2\r\n$3\r\nGET\r\n$1\r\na\r\n");
    assert_true(hears(fd, "+OK\r\n$5\r\nhello\r\n"));
    say(fd, "ABOUT\r\n");
    assert_string_not_equal(hear_line(fd), "");
    char about[256], wanted[64];
    snprintf(about, sizeof about, "%s", hear_line(fd));
    snprintf(wanted, sizeof wanted, " 127.0.0.1:%d ", f.port);
    assert_memory_equal(about, "0 127.0.0.1:", 12);
    assert_non_null(strstr(about, wanted));
    say(fd, "*1\r\n$oops\r\n");
    assert_true(hears(fd, "-ERR Protocol error: invalid bulk length\r\n"));
    assert_true(hears_end(fd));
    close(fd);
    assert_true(fixture_clients_become(&f, 0));
    net_fixture_close(&f);
}

static void serves_byte_by_byte(void **state)
{
    const char *request = "*3\r\n$3\r\nSET\r\n$1\r\na\r\n$5\r\nhello\r\nECHO \"x y\"\r\n";
    net_fixture_open(&f, 1, "");
    int fd = client_of(&f);
    for (const char *at = request; *at != '\0'; at++) {
        give(fd, at, 1);
        if (at - request < 20)
            clock_sleep_us(1000);
    }
    assert_true(hears(fd, "+OK\r\n$3\r\nx y\r\n"));
    say(fd, "ABOUT\r\n");
    hear_line(fd);
    const char *about = hear_line(fd);
    assert_string_equal(about + strlen(about) - 4, " 0 0"); /* no buffers kept */
    close(fd);
    net_fixture_close(&f);
}

static void quit_replies_and_ends(void **state)
{
    net_fixture_open(&f, 1, "");
    int fd = client_of(&f);
    say(fd, "PING\r\nQUIT\r\nPING\r\n");
    assert_true(hears(fd, "+PONG\r\n+OK\r\n"));
    assert_true(hears_end(fd));
    close(fd);
    net_fixture_close(&f);
}

static void a_half_closed_connection_gets_its_replies(void **state)
{
    net_fixture_open(&f, 1, "");
    int fd = client_of(&f);
    say(fd, "FILL 30000000\r\nPING\r\n");
    shutdown(fd, SHUT_WR);
    assert_true(hears(fd, "$30000000\r\n"));
    char *body = mem_alloc(30000000 + 2);
    assert_true(take(fd, body, 30000000 + 2));
    mem_free(body);
    assert_true(hears(fd, "+PONG\r\n"));
    assert_true(hears_end(fd));
    close(fd);
    assert_true(fixture_clients_become(&f, 0));
    net_fixture_close(&f);
}

/* More connections are ready at once than have room for their replies until the end of the turn;
 * some have ended, some wait for the log, some get a long reply, or one by reference. */
static void replies_of_one_turn(void **state)
{
    enum { CLIENTS = 3 * WORKER_PARKED + 7 };
    int fds[CLIENTS];
    net_fixture_open(&f, 1, "");
    int busy = client_of(&f);
    for (int i = 0; i < CLIENTS; i++) {
        fds[i] = client_of(&f);
        id_of(fds[i]);
    }
    for (int round = 0; round < 3; round++) {
        __atomic_store_n(&fixture_durable, 10, __ATOMIC_RELEASE);
        say(busy, "BUSY 200\r\n");
        clock_sleep_us(20000);
        for (int i = 0; i < CLIENTS; i++) {
            char text[64];
            snprintf(text, sizeof text, "ECHO %d\r\n%s\r\nPING\r\n", i,
                     i % 5 == 1   ? "GATE 11"
                     : i % 5 == 2 ? "FILL 40000"
                     : i % 5 == 3 ? "FILL 100"
                                  : "GATE 9");
            say(fds[i], text);
            if (round == 2 && i % 3 == 0)
                shutdown(fds[i], SHUT_WR);
        }
        assert_true(hears(busy, "+OK\r\n"));
        say(busy, "PING\r\n");
        assert_true(hears(busy, "+PONG\r\n"));
        __atomic_store_n(&fixture_durable, 11, __ATOMIC_RELEASE);
        net_durable_moved(&f.server);
        for (int i = 0; i < CLIENTS; i++) {
            char wanted[64];
            int len = i % 5 == 2 ? 40000 : 100;
            snprintf(wanted, sizeof wanted, "$%d\r\n%d\r\n", i > 99 ? 3 : i > 9 ? 2 : 1, i);
            assert_true(hears(fds[i], wanted));
            if (i % 5 == 2 || i % 5 == 3) {
                char body[40002];
                snprintf(wanted, sizeof wanted, "$%d\r\n", len);
                assert_true(hears(fds[i], wanted));
                assert_true(take(fds[i], body, (size_t)len + 2));
            } else {
                assert_true(hears(fds[i], "+OK\r\n"));
            }
            assert_true(hears(fds[i], "+PONG\r\n"));
        }
    }
    for (int i = 0; i < CLIENTS; i++) {
        assert_true(i % 3 != 0 || hears_end(fds[i]));
        close(fds[i]);
    }
    close(busy);
    assert_true(fixture_clients_become(&f, 0));
    net_fixture_close(&f);
}

static void ten_thousand_commands_in_one_write(void **state)
{
    struct bytes request = {0};
    net_fixture_open(&f, 1, "");
    int fd = client_of(&f);
    for (int i = 0; i < 10000; i++)
        bytes_printf(&request, "*3\r\n$3\r\nSET\r\n$%d\r\nkey%05d\r\n$5\r\n%05d\r\n", 8, i, i);
    give(fd, request.data, request.len);
    for (int i = 0; i < 10000; i++)
        assert_true(hears(fd, "+OK\r\n"));
    request.len = 0;
    for (int i = 0; i < 10000; i++)
        bytes_printf(&request, "GET key%05d\r\n", i);
    give(fd, request.data, request.len);
    for (int i = 0; i < 10000; i++) {
        char wanted[32];
        snprintf(wanted, sizeof wanted, "$5\r\n%05d\r\n", i);
        assert_true(hears(fd, wanted));
    }
    bytes_free(&request);
    close(fd);
    net_fixture_close(&f);
}

static void a_large_value_in_small_pieces(void **state)
{
    const size_t size = (size_t)64 << 20;
    char *value = mem_alloc(size), *got = mem_alloc(size), head[64];
    for (size_t i = 0; i < size; i++)
        value[i] = (char)(i * 31 + (i >> 16));
    net_fixture_open(&f, 1, "");
    int fd = client_of(&f);
    snprintf(head, sizeof head, "*3\r\n$3\r\nSET\r\n$3\r\nbig\r\n$%zu\r\n", size);
    say(fd, head);
    for (size_t at = 0; at < size; at += 7919)
        give(fd, value + at, MIN_OF((size_t)7919, size - at));
    say(fd, "\r\nPING\r\n");
    assert_true(hears(fd, "+OK\r\n+PONG\r\n"));
    say(fd, "GET big\r\n");
    snprintf(head, sizeof head, "$%zu\r\n", size);
    assert_true(hears(fd, head));
    assert_true(take(fd, got, size));
    assert_memory_equal(got, value, size);
    assert_true(hears(fd, "\r\n"));
    say(fd, "ABOUT\r\n");
    hear_line(fd);
    const char *about = hear_line(fd);
    assert_string_equal(about + strlen(about) - 4, " 0 0");
    close(fd);
    net_fixture_close(&f);
    mem_free(value);
    mem_free(got);
}

static void an_announced_length_costs_no_memory(void **state)
{
    net_fixture_open(&f, 1, "");
    int fd = client_of(&f), other = client_of(&f);
    uint64_t id = (uint64_t)id_of(fd);
    say(fd, "*2\r\n$4\r\nECHO\r\n$536870912\r\n");
    char some[100000] = {0};
    give(fd, some, sizeof some);
    say(other, "PING\r\n");
    assert_true(hears(other, "+PONG\r\n"));
    clock_sleep_us(100000);
    assert_in_range(fixture_see(&f, id).input_bytes, 65536, 17 << 20);
    close(fd);
    close(other);
    net_fixture_close(&f);
}

static void a_pipeline_is_written_before_it_is_read(void **state)
{
    struct bytes request = {0};
    char body[1000 + 2];
    net_fixture_open(&f, 1, "");
    int fd = client_of(&f);
    for (int i = 0; i < 30000; i++)
        bytes_append_str(&request, "FILL 1000\r\n");
    give(fd, request.data, request.len); /* 30 MB of replies wait meanwhile */
    for (int i = 0; i < 30000; i++) {
        assert_true(hears(fd, "$1000\r\n"));
        assert_true(take(fd, body, sizeof body));
    }
    bytes_free(&request);
    close(fd);
    net_fixture_close(&f);
}

/* A client that asks for more and more and reads nothing is not read any more at some point, and
 * gets everything in order when it reads. */
static void a_slow_reader_is_throttled(void **state)
{
    net_fixture_open(&f, 1, "");
    int fd = client_of(&f), asked = 0;
    struct pollfd poll_fd = {.fd = fd, .events = POLLOUT};
    char request[64 * 10 + 1] = "", *body = mem_alloc(1000000 + 2);
    for (int i = 0; i < 10; i++)
        strcat(request, "FILL 1000000\r\n");
    while (poll(&poll_fd, 1, 300) == 1 && asked < 40000000) {
        ssize_t sent = send(fd, request, 140, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent < 0)
            break;
        asked += (int)sent;
    }
    uint64_t held = fixture_see(&f, 0).output_bytes;
    printf("stopped after %d bytes of requests, %llu bytes of replies held\n", asked,
           (unsigned long long)held);
    assert_true(asked < 40000000);
    /* The bound, and what one batch of commands may still add to it; less what the sockets took. */
    assert_in_range(held, 32 << 20, 192 << 20);
    int other = client_of(&f); /* others are served meanwhile */
    say(other, "PING\r\n");
    assert_true(hears(other, "+PONG\r\n"));
    for (int i = 0; i < 200; i++) {
        assert_true(hears(fd, "$1000000\r\n"));
        assert_true(take(fd, body, 1000000 + 2));
    }
    close(fd);
    close(other);
    assert_true(fixture_clients_become(&f, 0));
    mem_free(body);
    net_fixture_close(&f);
}

static void the_output_limit_closes(void **state)
{
    net_fixture_open(&f, 1, "client-output-buffer-limit normal 20mb 0 0\n");
    int fd = client_of(&f);
    id_of(fd);
    say(fd, "FILL 10000000\r\nFILL 10000000\r\nFILL 10000000\r\nFILL 10000000\r\n");
    assert_true(fixture_clients_become(&f, 0));
    assert_int_equal(RELAXED_LOAD(&f.server.lanes[0]->stats.outputs_too_big), 1);
    close(fd);
    net_fixture_close(&f);
}

static void the_soft_output_limit_closes_in_time(void **state)
{
    net_fixture_open(&f, 1, "client-output-buffer-limit normal 0 5mb 1\n");
    int fd = client_of(&f);
    uint64_t began_ms = clock_mono_ms();
    id_of(fd);
    say(fd, "FILL 20000000\r\n");
    assert_true(fixture_clients_become(&f, 0));
    assert_in_range(clock_mono_ms() - began_ms, 900, 8000);
    close(fd);
    net_fixture_close(&f);
}

static void the_query_limit_closes(void **state)
{
    net_fixture_open(&f, 1, "client-query-buffer-limit 1mb\n");
    int fd = client_of(&f);
    char *piece = mem_zalloc(1 << 20);
    id_of(fd);
    say(fd, "*2\r\n$4\r\nECHO\r\n$10000000\r\n");
    (void)!send(fd, piece, 1 << 20, MSG_NOSIGNAL);
    (void)!send(fd, piece, 1 << 20, MSG_NOSIGNAL);
    assert_true(fixture_clients_become(&f, 0));
    assert_int_equal(RELAXED_LOAD(&f.server.lanes[0]->stats.queries_too_big), 1);
    mem_free(piece);
    close(fd);
    net_fixture_close(&f);
}

static void idle_clients_time_out(void **state)
{
    net_fixture_open(&f, 1, "timeout 1\n");
    int idle = client_of(&f), busy = client_of(&f);
    for (int i = 0; i < 18; i++) {
        say(busy, "PING\r\n");
        assert_true(hears(busy, "+PONG\r\n"));
        clock_sleep_us(100000);
    }
    assert_true(hears_end(idle));
    assert_int_equal(fixture_clients(&f), 1);
    close(idle);
    close(busy);
    net_fixture_close(&f);
}

static void gated_replies_wait_for_the_log(void **state)
{
    net_fixture_open(&f, 2, "");
    int fd = client_of(&f);
    __atomic_store_n(&fixture_durable, 5, __ATOMIC_RELEASE);
    say(fd, "GATE 5\r\n");
    assert_true(hears(fd, "+OK\r\n"));
    say(fd, "PING\r\nGATE 6\r\nPING\r\n");
    assert_true(hears_nothing(fd, 50));
    say(fd, "ECHO later\r\n");
    assert_true(hears_nothing(fd, 50));
    __atomic_store_n(&fixture_durable, 6, __ATOMIC_RELEASE);
    net_durable_moved(&f.server);
    assert_true(hears(fd, "+PONG\r\n+OK\r\n+PONG\r\n$5\r\nlater\r\n"));
    say(fd, "GATE 7\r\nQUIT\r\n");
    assert_true(hears_nothing(fd, 50));
    __atomic_store_n(&fixture_durable, 7, __ATOMIC_RELEASE);
    net_durable_moved(&f.server);
    assert_true(hears(fd, "+OK\r\n+OK\r\n"));
    assert_true(hears_end(fd));
    close(fd);
    net_fixture_close(&f);
}

static void *move_the_log(void *stop)
{
    while (!__atomic_load_n((bool *)stop, __ATOMIC_ACQUIRE)) {
        __atomic_fetch_add(&fixture_durable, 3, __ATOMIC_ACQ_REL);
        net_durable_moved(&f.server);
    }
    return NULL;
}

static void no_move_of_the_log_is_lost(void **state)
{
    pthread_t mover;
    bool stop = false;
    net_fixture_open(&f, 2, "");
    int a = client_of(&f), b = client_of(&f);
    __atomic_store_n(&fixture_durable, 0, __ATOMIC_RELEASE);
    pthread_create(&mover, NULL, move_the_log, &stop);
    for (int i = 0; i < 2000; i++) {
        char request[64];
        uint64_t durable = __atomic_load_n(&fixture_durable, __ATOMIC_ACQUIRE);
        snprintf(request, sizeof request, "GATE %llu\r\n", (unsigned long long)durable + 2);
        say(a, request);
        say(b, request);
        assert_true(hears(a, "+OK\r\n"));
        assert_true(hears(b, "+OK\r\n"));
    }
    __atomic_store_n(&stop, true, __ATOMIC_RELEASE);
    pthread_join(mover, NULL);
    close(a);
    close(b);
    net_fixture_close(&f);
}

static void deferred_replies_keep_the_order(void **state)
{
    net_fixture_open(&f, 2, "");
    int fd = client_of(&f), other = client_of(&f);
    char request[64];
    snprintf(request, sizeof request, "NOW %lld\r\n", id_of(fd));
    say(fd, "PING\r\nLATER\r\nPING\r\n");
    say(fd, "ECHO behind\r\n");
    assert_true(hears(fd, "+PONG\r\n"));
    assert_true(hears_nothing(fd, 50));
    say(other, request);
    assert_true(hears(other, "+OK\r\n"));
    assert_true(hears(fd, "+LATE\r\n+PONG\r\n$6\r\nbehind\r\n"));
    say(fd, "LATER\r\nLATER\r\nECHO \"a \\x62\"\r\n"); /* parsed ahead, and again */
    assert_true(hears_nothing(fd, 20));
    say(other, request);
    assert_true(hears(fd, "+LATE\r\n"));
    say(other, request);
    assert_true(hears(fd, "+LATE\r\n$3\r\na b\r\n"));
    close(fd);
    close(other);
    net_fixture_close(&f);
}

static void a_stalled_client_is_not_read_without_bound(void **state)
{
    struct bytes request = {0};
    char line[64];
    net_fixture_open(&f, 1, "");
    int fd = client_of(&f), other = client_of(&f);
    uint64_t id = (uint64_t)id_of(fd);
    snprintf(line, sizeof line, "NOW %llu\r\n", (unsigned long long)id);
    say(fd, "LATER\r\n");
    for (int i = 0; i < 20000; i++)
        bytes_printf(&request, "ECHO %05d\r\n", i);
    give(fd, request.data, request.len); /* 240 kB: the rest waits in the sockets */
    clock_sleep_us(50000);
    assert_in_range(fixture_see(&f, id).input_bytes, 65536, 256 * 1024);
    say(other, line);
    assert_true(hears(fd, "+LATE\r\n"));
    for (int i = 0; i < 20000; i++) {
        char wanted[32];
        snprintf(wanted, sizeof wanted, "$5\r\n%05d\r\n", i);
        assert_true(hears(fd, wanted));
    }
    bytes_free(&request);
    close(fd);
    close(other);
    net_fixture_close(&f);
}

static void a_stalled_client_that_leaves_is_noticed(void **state)
{
    net_fixture_open(&f, 1, "");
    int few = client_of(&f), many = client_of(&f);
    char *zeros = mem_zalloc(90000);
    id_of(few);
    id_of(many);
    say(few, "LATER\r\n");
    say(many, "LATER\r\n");
    memset(zeros, '\n', 90000);
    give(many, zeros, 90000); /* more than is read, and all in the receiver's buffer */
    clock_sleep_us(20000);
    close(few);
    assert_true(fixture_clients_become(&f, 1));
    close(many);
    assert_true(fixture_clients_become(&f, 0));
    assert_int_equal(RELAXED_LOAD(&fixture_cancelled), 2);
    mem_free(zeros);
    net_fixture_close(&f);
}

static void clients_are_killed_from_other_workers(void **state)
{
    net_fixture_open(&f, 2, "");
    int fd = client_of(&f), other = client_of(&f);
    char request[64];
    snprintf(request, sizeof request, "KILL %lld\r\n", id_of(fd));
    say(other, request);
    assert_true(hears(other, "+OK\r\n"));
    assert_true(hears_end(fd));
    assert_true(fixture_clients_become(&f, 1));
    close(fd);
    close(other);
    net_fixture_close(&f);
}

static void connections_are_spread(void **state)
{
    int fds[40];
    unsigned per_lane[4] = {0};
    net_fixture_open(&f, 4, "");
    for (int i = 0; i < 40; i++) {
        fds[i] = client_of(&f);
        say(fds[i], "ABOUT\r\n");
        hear_line(fds[i]);
        per_lane[atoi(hear_line(fds[i])) & 3]++;
    }
    for (int i = 0; i < 4; i++)
        assert_int_equal(per_lane[i], 10);
    for (int i = 0; i < 40; i++)
        close(fds[i]);
    assert_true(fixture_clients_become(&f, 0));
    net_fixture_close(&f);
}

static void socket_options_are_inherited(void **state)
{
    int value;
    socklen_t len = sizeof value;
    net_fixture_open(&f, 1, "tcp-keepalive 111\n");
    int fd = client_of(&f);
    say(fd, "PING\r\n");
    assert_true(hears(fd, "+PONG\r\n"));
    int served = fixture_see(&f, 0).descriptor;
    assert_int_equal(getsockopt(served, IPPROTO_TCP, TCP_NODELAY, &value, &len), 0);
    assert_int_not_equal(value, 0);
    assert_int_equal(getsockopt(served, SOL_SOCKET, SO_KEEPALIVE, &value, &len), 0);
    assert_int_equal(value, 1);
    assert_int_equal(getsockopt(served, IPPROTO_TCP, TCP_KEEPIDLE, &value, &len), 0);
    assert_int_equal(value, 111);
    close(fd);
    assert_true(fixture_clients_become(&f, 0));
    RELAXED_STORE(&f.settings->tcp_keepalive_s, 0);
    fd = client_of(&f);
    say(fd, "PING\r\n");
    assert_true(hears(fd, "+PONG\r\n"));
    served = fixture_see(&f, 0).descriptor;
    assert_int_equal(getsockopt(served, SOL_SOCKET, SO_KEEPALIVE, &value, &len), 0);
    assert_int_equal(value, 0);
    close(fd);
    net_fixture_close(&f);
}

static void maxclients_refuses(void **state)
{
    net_fixture_open(&f, 2, "maxclients 2\n");
    int a = client_of(&f), b = client_of(&f);
    id_of(a);
    id_of(b);
    int c = client_of(&f);
    assert_true(hears(c, "-ERR max number of clients reached\r\n"));
    assert_true(hears_end(c));
    close(c);
    close(a);
    assert_true(fixture_clients_become(&f, 1));
    a = client_of(&f);
    say(a, "PING\r\n");
    assert_true(hears(a, "+PONG\r\n"));
    assert_int_equal(RELAXED_LOAD(&f.server.lanes[0]->stats.rejected_connections), 1);
    close(a);
    close(b);
    net_fixture_close(&f);
}

/* An address of this host that is not loopback, or false. */
static bool outer_address(struct sockaddr_in *out)
{
    struct sockaddr_in far = {
        .sin_family = AF_INET, .sin_port = htons(9), .sin_addr = {htonl(UINT32_C(0xC0000201))}};
    socklen_t len = sizeof *out;
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    bool good = connect(fd, (struct sockaddr *)&far, sizeof far) == 0 &&
                getsockname(fd, (struct sockaddr *)out, &len) == 0 &&
                ntohl(out->sin_addr.s_addr) >> 24 != 127;
    close(fd);
    return good;
}

static void protected_mode_refuses_others(void **state)
{
    struct sockaddr_in address;
    if (!outer_address(&address))
        skip();
    net_fixture_open(&f, 1, "bind * -::*\n");
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    address.sin_port = htons((uint16_t)f.port);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_memory_equal(hear_line(fd), "-DENIED Redis is running in protected mode", 42);
    assert_true(hears_end(fd));
    close(fd);
    int local = client_of(&f);
    say(local, "PING\r\n");
    assert_true(hears(local, "+PONG\r\n"));
    close(local);
    RELAXED_STORE(&f.settings->protected_mode, false);
    fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    say(fd, "PING\r\n");
    assert_true(hears(fd, "+PONG\r\n"));
    close(fd);
    net_fixture_close(&f);
}

static void listens_on_a_unix_socket(void **state)
{
    char dir[] = "/tmp/spillway-net-XXXXXX", more[256];
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    assert_non_null(mkdtemp(dir));
    snprintf(address.sun_path, sizeof address.sun_path, "%s/s", dir);
    snprintf(more, sizeof more, "unixsocket %s\nunixsocketperm 700\nport 0\n", address.sun_path);
    net_fixture_open(&f, 1, more);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    say(fd, "PING\r\nABOUT\r\n");
    assert_true(hears(fd, "+PONG\r\n"));
    hear_line(fd);
    assert_non_null(strstr(hear_line(fd), "/s:0"));
    assert_true(fixture_see(&f, 0).flags & CLIENT_UNIX_SOCKET);
    assert_int_equal(client_to(f.port), -1);
    close(fd);
    net_fixture_close(&f);
    assert_int_equal(access(address.sun_path, F_OK), -1);
    rmdir(dir);
}

static void rebinds_while_serving(void **state)
{
    net_fixture_open(&f, 2, "");
    int fd = client_of(&f), second = free_port();
    char request[64];
    snprintf(request, sizeof request, "REBIND %d\r\n", second);
    say(fd, request);
    assert_true(hears(fd, "+OK\r\n"));
    assert_int_equal(client_to(f.port), -1);
    int other = client_to(second);
    say(other, "PING\r\n");
    assert_true(hears(other, "+PONG\r\n"));

    /* A port that is taken: the old one stays. */
    int blocker = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof address;
    assert_int_equal(bind(blocker, (struct sockaddr *)&address, len), 0);
    assert_int_equal(listen(blocker, 1), 0);
    getsockname(blocker, (struct sockaddr *)&address, &len);
    snprintf(request, sizeof request, "REBIND %d\r\n", ntohs(address.sin_port));
    say(fd, request);
    assert_true(hears(fd, "-ERR cannot listen\r\n"));
    int third = client_to(second);
    say(third, "PING\r\n");
    assert_true(hears(third, "+PONG\r\n"));
    close(blocker);
    close(fd);
    close(other);
    close(third);
    net_fixture_close(&f);
}

static void a_taken_port_fails_the_start(void **state)
{
    struct net_fixture g;
    char more[64];
    net_fixture_open(&f, 1, "");
    snprintf(more, sizeof more, "port %d\n", f.port);
    net_fixture_prepare(&g, 2, more);
    assert_int_equal(net_start(&g.server), -EADDRINUSE);
    net_fixture_close(&g);
    net_fixture_close(&f);
}

static void missing_addresses_are_forgiven_after_a_dash(void **state)
{
    net_fixture_open(&f, 1, "bind -192.0.2.77 127.0.0.1\n");
    int fd = client_of(&f);
    say(fd, "PING\r\n");
    assert_true(hears(fd, "+PONG\r\n"));
    close(fd);
    net_fixture_close(&f);
    net_fixture_prepare(&f, 1, "bind 192.0.2.77 127.0.0.1\n");
    assert_int_equal(net_start(&f.server), -EADDRNOTAVAIL);
    net_fixture_close(&f);
}

static void signals_reach_the_callback(void **state)
{
    net_fixture_open(&f, 1, "");
    kill(getpid(), SIGUSR2);
    net_wait(&f.server);
    assert_int_equal(RELAXED_LOAD(&fixture_signals), 1);
    net_fixture_close(&f);
}

static void *stop_slowly(void *unused)
{
    net_stop(&f.server, 5000);
    return NULL;
}

static void stopping_sends_what_is_owed(void **state)
{
    pthread_t stopper;
    net_fixture_open(&f, 2, "");
    int owed = client_of(&f), idle = client_of(&f);
    char *body = mem_alloc(20000000 + 2);
    say(owed, "FILL 20000000\r\n");
    assert_true(hears(owed, "$20000000\r\n"));
    id_of(idle);
    pthread_create(&stopper, NULL, stop_slowly, NULL);
    assert_true(hears_end(idle));
    assert_true(take(owed, body, 20000000 + 2));
    assert_true(hears_end(owed));
    pthread_join(stopper, NULL);
    mem_free(body);
    close(owed);
    close(idle);
    net_fixture_close(&f);
}

static void stopping_does_not_wait_for_ever(void **state)
{
    net_fixture_open(&f, 1, "");
    int fd = client_of(&f);
    say(fd, "FILL 50000000\r\n");
    assert_true(hears(fd, "$50000000\r\n"));
    uint64_t began_ms = clock_mono_ms();
    net_stop(&f.server, 200);
    assert_in_range(clock_mono_ms() - began_ms, 150, 5000);
    assert_int_equal(fixture_clients(&f), 0);
    close(fd);
    net_fixture_close(&f);
}

static void *come_and_go(void *seed_of)
{
    uint64_t seed = (uint64_t)(uintptr_t)seed_of;
    struct rand random;
    rand_seed(&random, seed);
    for (int i = 0; i < 150; i++) {
        char request[256], wanted[64];
        int fd = client_of(&f), n = (int)rand_below(&random, 1000000);
        int len = snprintf(request, sizeof request, "SET k%d %d\r\nECHO %d\r\nLATER\r\n", n, n, n);
        switch (rand_below(&random, 4)) {
        case 0: /* leave in the middle of a request */
            give(fd, request, rand_below(&random, (uint64_t)len));
            break;
        case 1: /* leave without reading */
            say(fd, "FILL 3000000\r\n");
            break;
        case 2: /* leave while a reply is awaited */
            give(fd, request, (size_t)len);
            hears(fd, "+OK\r\n");
            break;
        default:
            snprintf(wanted, sizeof wanted, "%d", n);
            snprintf(request, sizeof request, "ECHO %d\r\nQUIT\r\n", n);
            say(fd, request);
            hear_line(fd);
            if (strcmp(hear_line(fd), wanted) != 0)
                PANIC("wrong echo");
            break;
        }
        close(fd);
    }
    return NULL;
}

static void many_come_and_go_on_four_workers(void **state)
{
    const char *given = getenv("SEED");
    uint64_t seed = given != NULL ? strtoull(given, NULL, 10) : 7;
    pthread_t threads[4];
    printf("seed %llu\n", (unsigned long long)seed);
    net_fixture_open(&f, 4, "");
    for (uint64_t i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, come_and_go, (void *)(uintptr_t)(seed * 4 + i));
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    assert_true(fixture_clients_become(&f, 0));
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(RELAXED_LOAD(&worker_of(f.server.lanes[i])->sessions), 0);
        assert_int_equal(RELAXED_LOAD(&f.server.lanes[i]->client_count), 0);
    }
    net_fixture_close(&f);
}

static int close_after_failure(void **state)
{
    if (f.server.lane_count != 0)
        net_fixture_close(&f);
    return 0;
}

#define TEST(function) cmocka_unit_test_teardown(function, close_after_failure)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(serves_requests),
        TEST(serves_byte_by_byte),
        TEST(quit_replies_and_ends),
        TEST(a_half_closed_connection_gets_its_replies),
        TEST(replies_of_one_turn),
        TEST(ten_thousand_commands_in_one_write),
        TEST(a_large_value_in_small_pieces),
        TEST(an_announced_length_costs_no_memory),
        TEST(a_pipeline_is_written_before_it_is_read),
        TEST(a_slow_reader_is_throttled),
        TEST(the_output_limit_closes),
        TEST(the_soft_output_limit_closes_in_time),
        TEST(the_query_limit_closes),
        TEST(idle_clients_time_out),
        TEST(gated_replies_wait_for_the_log),
        TEST(no_move_of_the_log_is_lost),
        TEST(deferred_replies_keep_the_order),
        TEST(a_stalled_client_is_not_read_without_bound),
        TEST(a_stalled_client_that_leaves_is_noticed),
        TEST(clients_are_killed_from_other_workers),
        TEST(connections_are_spread),
        TEST(socket_options_are_inherited),
        TEST(maxclients_refuses),
        TEST(protected_mode_refuses_others),
        TEST(listens_on_a_unix_socket),
        TEST(rebinds_while_serving),
        TEST(a_taken_port_fails_the_start),
        TEST(missing_addresses_are_forgiven_after_a_dash),
        TEST(signals_reach_the_callback),
        TEST(stopping_sends_what_is_owed),
        TEST(stopping_does_not_wait_for_ever),
        TEST(many_come_and_go_on_four_workers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
