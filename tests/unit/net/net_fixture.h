/* net_fixture.h - a server with workers and sockets in this process, with a handful of commands of
 * its own, and blocking clients for it.
 */
#ifndef SPILLWAY_TESTS_NET_FIXTURE_H
#define SPILLWAY_TESTS_NET_FIXTURE_H

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/mem.h"
#include "base/number.h"
#include "base/panic.h"
#include "engine/block.h"
#include "engine/call.h"
#include "engine/hooks.h"
#include "engine/registry.h"
#include "engine/settings.h"
#include "net/net.h"
#include "net/session.h"
#include "ops/config.h"
#include "plog/plog.h"

#define PATIENCE_MS 20000 /* after which a test gives up waiting */

struct net_fixture {
    struct server server;
    struct settings *settings;
    int port;
};

static uint64_t fixture_durable; /* atomic: what the log is said to be durable up to */
static uint32_t fixture_cancelled, fixture_signals; /* atomic */

/* ---- commands ---- */

static void run_ping(struct call *call)
{
    reply_simple(call->reply, "PONG");
}

static void run_echo(struct call *call)
{
    reply_bulk(call->reply, call->argv[1]);
}

static void run_set(struct call *call)
{
    struct key key = call_first_key(call);
    struct entry *entry = keyspace_find(&call->hold, &key, FIND_WRITE);
    keyspace_put_string(&call->hold, &key, entry, call->argv[2], EXPIRE_NONE);
    reply_ok(call->reply);
}

static void run_get(struct call *call)
{
    struct key key = call_first_key(call);
    struct entry *entry = keyspace_find(&call->hold, &key, FIND_READ);
    if (entry == NULL)
        reply_null(call->reply);
    else
        call_reply_string(call, entry);
}

static void run_quit(struct call *call)
{
    reply_ok(call->reply);
    RELAXED_STORE(&call->client->flags, call->client->flags | CLIENT_CLOSE_AFTER_REPLY);
}

/* BUSY ms: the worker does nothing else meanwhile. */
static void run_busy(struct call *call)
{
    int64_t ms;
    if (!call_i64(call, 1, &ms, NULL))
        return;
    clock_sleep_us((uint64_t)ms * 1000);
    reply_ok(call->reply);
}

/* FILL n: a reply of n bytes. */
static void run_fill(struct call *call)
{
    int64_t n;
    if (!call_i64(call, 1, &n, NULL))
        return;
    char *body = mem_zalloc((size_t)n + 1);
    reply_bulk_reference(call->reply, slice_of(body, (size_t)n), mem_free, body);
}

/* GATE offset: +OK that waits for the log. */
static void run_gate(struct call *call)
{
    int64_t offset;
    if (!call_i64(call, 1, &offset, NULL))
        return;
    call->lane->log_gate = MAX_OF(call->lane->log_gate, (uint64_t)offset);
    reply_ok(call->reply);
}

static void cancel_later(struct client *client)
{
    RELAXED_ADD(&fixture_cancelled, 1);
}

/* LATER: no reply until NOW id. */
static void run_later(struct call *call)
{
    call_defer(call, NULL, cancel_later);
}

/* TAKE key: the string, which it removes; waits for it if there is none. */
static void run_take(struct call *call)
{
    struct key key = call_first_key(call);
    struct entry *entry = keyspace_find(&call->hold, &key, FIND_WRITE);
    if (entry == NULL) {
        call_block(call, &(struct block_options){.type = TYPE_STRING});
        return;
    }
    call_reply_string(call, entry);
    keyspace_remove(&call->hold, &key, entry, false);
    call_changed(call, 1);
}

struct tell_message {
    struct lane_message message;
    uint64_t id;
    char text[32];
};

static void take_tell(struct lane *lane, struct lane_message *message)
{
    struct tell_message *tell = CONTAINER_OF(message, struct tell_message, message);
    struct client *client = lane_find_client(lane, tell->id);
    if (client != NULL) {
        reply_simple(&lane->reply, tell->text);
        lane->client_ready(lane, client);
    }
    mem_free(tell);
}

/* TELL id text: the client is sent a text that it did not ask for, whatever it waits for. */
static void run_tell(struct call *call)
{
    int64_t id;
    if (!call_i64(call, 1, &id, NULL))
        return;
    for (unsigned i = 0; i < call->server->lane_count; i++) {
        struct tell_message *tell = mem_zalloc(sizeof *tell);
        tell->message.run = take_tell;
        tell->id = (uint64_t)id;
        memcpy(tell->text, call->argv[2].data, MIN_OF(call->argv[2].len, sizeof tell->text - 1));
        lane_post(call->server->lanes[i], &tell->message);
    }
    reply_ok(call->reply);
}

struct now_message {
    struct lane_message message;
    uint64_t id;
    bool kill;
};

static void take_now(struct lane *lane, struct lane_message *message)
{
    struct now_message *now = CONTAINER_OF(message, struct now_message, message);
    struct client *client = lane_find_client(lane, now->id);
    if (client != NULL && now->kill) {
        RELAXED_STORE(&client->flags, client->flags | CLIENT_CLOSE_NOW);
        lane->client_ready(lane, client);
    } else if (client != NULL && client->flags & CLIENT_DEFERRED) {
        reply_simple(&lane->reply, "LATE");
        client_complete(client);
    }
    mem_free(now);
}

static void post_to_client(struct call *call, bool kill)
{
    int64_t id;
    if (!call_i64(call, 1, &id, NULL))
        return;
    for (unsigned i = 0; i < call->server->lane_count; i++) {
        struct now_message *now = mem_alloc(sizeof *now);
        now->message.run = take_now;
        now->id = (uint64_t)id;
        now->kill = kill;
        lane_post(call->server->lanes[i], &now->message);
    }
    reply_ok(call->reply);
}

static void run_now(struct call *call)
{
    post_to_client(call, false);
}

static void run_kill(struct call *call)
{
    post_to_client(call, true);
}

static void run_id(struct call *call)
{
    reply_int(call->reply, (int64_t)call->client->id);
}

/* ABOUT: lane, peer, local, bytes in, memory of the buffers. */
static void run_about(struct call *call)
{
    const struct client *c = call->client;
    reply_bulkf(call->reply, "%u %s %s %llu %llu %llu", call->lane->index, c->peer, c->local,
                (unsigned long long)c->bytes_in, (unsigned long long)c->input_bytes,
                (unsigned long long)c->output_bytes);
}

static void run_rebind(struct call *call)
{
    int64_t port, before = call->server->settings->port;
    if (!call_i64(call, 1, &port, NULL))
        return;
    RELAXED_STORE(&call->server->settings->port, port);
    if (net_rebind(call->server) == 0) {
        reply_ok(call->reply);
        return;
    }
    RELAXED_STORE(&call->server->settings->port, before);
    call_error(call, "ERR cannot listen");
}

#define ROW(word, fn, args)                                                                        \
    {                                                                                              \
        .name = word, .run = fn, .arity = args, .flags = CMD_READONLY | CMD_NO_HOLD                \
    }
static const struct command fixture_rows[] = {
    ROW("ping", run_ping, 1),
    ROW("echo", run_echo, 2),
    {.name = "set", .run = run_set, .arity = 3, .flags = CMD_WRITE, .keys = KEYS_ONE(KEY_OW)},
    {.name = "get", .run = run_get, .arity = 2, .flags = CMD_READONLY, .keys = KEYS_ONE(KEY_RO)},
    {.name = "take",
     .run = run_take,
     .arity = 2,
     .flags = CMD_WRITE | CMD_BLOCKING,
     .keys = KEYS_ONE(KEY_RW)},
    ROW("tell", run_tell, 3),
    ROW("quit", run_quit, 1),
    ROW("busy", run_busy, 2),
    ROW("fill", run_fill, 2),
    ROW("gate", run_gate, 2),
    ROW("later", run_later, 1),
    ROW("now", run_now, 2),
    ROW("kill", run_kill, 2),
    ROW("id", run_id, 1),
    ROW("about", run_about, 1),
    ROW("rebind", run_rebind, 2),
    {0},
};

/* ---- the server ---- */

static uint64_t durable_of_fixture(const struct server *server)
{
    return __atomic_load_n(&fixture_durable, __ATOMIC_ACQUIRE);
}

static void on_fixture_signal(struct server *server, int signal)
{
    RELAXED_ADD(&fixture_signals, 1);
    net_wake(server);
}

static int free_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(fd, (struct sockaddr *)&address, len) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &len) != 0)
        PANIC("no free port");
    close(fd);
    return ntohs(address.sin_port);
}

/* `more`: lines of configuration. Everything but the network. */
static void net_fixture_prepare(struct net_fixture *f, unsigned workers, const char *more)
{
    struct keyspace_options options = {.databases = 16,
                                       .policy = EVICT_NONE,
                                       .samples = 5,
                                       .limits = value_limits_default,
                                       .active_expire = true};
    struct bytes text = {0};
    mem_thread_join();
    *f = (struct net_fixture){.port = free_port()};
    fixture_durable = UINT64_MAX;
    fixture_cancelled = fixture_signals = 0;
    f->server.config = config_new();
    bytes_printf(&text, "port %d\nbind 127.0.0.1\nio-threads %u\nloglevel warning\n%s", f->port,
                 workers, more);
    if (!config_load_text(f->server.config, "test", bytes_slice(&text)) ||
        !config_finish(f->server.config))
        PANIC("%s", config_error(f->server.config));
    bytes_free(&text);
    f->settings = f->server.settings = config_settings(f->server.config);
    f->server.keyspace = keyspace_new(&options);
    f->server.seed = keyspace_seed(f->server.keyspace);
    f->server.plog = plog_new(1);
    f->server.registry = registry_new();
    registry_add(f->server.registry, fixture_rows);
    hooks_install(&f->server);
    f->server.phase = SERVER_READY;
    struct net_options net = {
        .signals = {SIGUSR2}, .on_signal = on_fixture_signal, .durable = durable_of_fixture};
    if (net_new(&f->server, &net) != 0)
        PANIC("net_new");
}

static void net_fixture_open(struct net_fixture *f, unsigned workers, const char *more)
{
    net_fixture_prepare(f, workers, more);
    if (net_start(&f->server) != 0)
        PANIC("net_start");
}

static void net_fixture_close(struct net_fixture *f)
{
    net_stop(&f->server, 1000);
    net_free(&f->server);
    registry_free(f->server.registry);
    keyspace_free(f->server.keyspace);
    plog_free(f->server.plog);
    config_free(f->server.config);
    mem_thread_leave();
}

static uint64_t fixture_clients(const struct net_fixture *f)
{
    return RELAXED_LOAD(&net_of(&f->server)->clients);
}

/* What others may see of a client of lane 0: by id, or (0) the newest. */
struct seen {
    uint64_t input_bytes, output_bytes;
    uint32_t flags;
    int descriptor;
};

static struct seen fixture_see(const struct net_fixture *f, uint64_t id)
{
    struct lane *lane = f->server.lanes[0];
    struct seen seen = {0};
    lock_take(&lane->registry);
    const struct client *client = lane->clients;
    while (client != NULL && id != 0 && client->id != id)
        client = client->next;
    if (client != NULL)
        seen = (struct seen){.input_bytes = RELAXED_LOAD(&client->input_bytes),
                             .output_bytes = RELAXED_LOAD(&client->output_bytes),
                             .flags = RELAXED_LOAD(&client->flags),
                             .descriptor = client->descriptor};
    lock_drop(&lane->registry);
    return seen;
}

/* Waits until so many connections are left. */
static bool fixture_clients_become(const struct net_fixture *f, uint64_t wanted)
{
    for (int i = 0; i < PATIENCE_MS; i++) {
        if (fixture_clients(f) == wanted)
            return true;
        clock_sleep_us(1000);
    }
    return false;
}

/* ---- clients ---- */

static int client_to(int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)port),
                                  .sin_addr = {htonl(INADDR_LOOPBACK)}};
    struct timeval patience = {.tv_sec = PATIENCE_MS / 1000};
    int one = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0)
        return fd;
    close(fd);
    return -1;
}

static int client_of(const struct net_fixture *f)
{
    int fd = client_to(f->port);
    if (fd < 0)
        PANIC("cannot connect: %d", errno);
    return fd;
}

static void give(int fd, const void *data, size_t len)
{
    const char *at = data;
    while (len != 0) {
        ssize_t sent = send(fd, at, len, MSG_NOSIGNAL);
        if (sent <= 0)
            PANIC("send: %d", errno);
        at += sent;
        len -= (size_t)sent;
    }
}

static void say(int fd, const char *text)
{
    give(fd, text, strlen(text));
}

/* Reads exactly len bytes; false if the connection ends before. */
static bool take(int fd, void *out, size_t len)
{
    char *at = out;
    while (len != 0) {
        ssize_t got = recv(fd, at, len, 0);
        if (got <= 0)
            return false;
        at += got;
        len -= (size_t)got;
    }
    return true;
}

static bool hears(int fd, const char *wanted)
{
    char got[1024] = {0};
    size_t len = strlen(wanted);
    if (len >= sizeof got)
        PANIC("too long");
    if (take(fd, got, len) && memcmp(got, wanted, len) == 0)
        return true;
    printf("wanted \"%s\", got \"%s\"\n", wanted, got);
    return false;
}

/* A line without its CR LF. */
static const char *hear_line(int fd)
{
    static _Thread_local char line[1024];
    size_t len = 0;
    while (len < sizeof line - 1 && take(fd, &line[len], 1)) {
        if (line[len++] == '\n')
            break;
    }
    while (len != 0 && (line[len - 1] == '\n' || line[len - 1] == '\r'))
        len--;
    line[len] = '\0';
    return line;
}

static UNUSED bool hears_end(int fd)
{
    char byte;
    return recv(fd, &byte, 1, 0) <= 0 && errno != EAGAIN;
}

static UNUSED bool hears_nothing(int fd, int ms)
{
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
    return poll(&poll_fd, 1, ms) == 0;
}

#endif
