/* listener.c - the front thread: accepts, refuses, hands out; opens and closes listening sockets.
 *
 *   a connection   accept4, checks (maxclients, protected-mode), then a handover is posted to the
 *                  lane of the worker with the fewest connections; equals take turns
 *   socket options are set on the listening socket and inherited by what it accepts (Linux), so a
 *                  new connection costs no setsockopt; tcp-keepalive is set anew when it changes
 *   a request      from another thread (rebind, close, end) is queued and waited for
 *   no descriptors accepting rests for ACCEPT_REST_MS instead of spinning
 */
#include "net/listener.h"

#include <arpa/inet.h>
#include <errno.h>
#include <grp.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/panic.h"
#include "engine/settings.h"
#include "net/session.h"

#define ACCEPT_REST_MS 100
#define WARN_EVERY_MS  1000 /* at most one line about refused connections in so long */

static const char denied[] =
    "-DENIED Redis is running in protected mode: it listens on more than the loopback interface "
    "and "
    "has no password, so only connections from this host are served. To connect from elsewhere: "
    "set "
    "a password (requirepass), or bind to addresses that only trusted hosts reach, then turn "
    "protected mode off: CONFIG SET protected-mode no from this host, or protected-mode no in the "
    "configuration file.\r\n";
static const char too_many[] = "-ERR max number of clients reached\r\n";

struct listener {
    uv_poll_t poll;
    struct front *front;
    struct listener *next;
    int descriptor;
    bool unix_socket;
    int64_t keepalive_s; /* as set on the descriptor */
    bool stale;          /* connections not accepted yet may have inherited an older keepalive */
};

struct front_request {
    struct queue_node node;
    void (*run)(struct front *front, struct front_request *request);
    int result;
    uv_sem_t done;
};

struct front {
    struct net *net;
    struct listener *listeners;
    unsigned turn; /* the worker that is asked first next time */
    char *bound;   /* `bind` as the TCP sockets are open now: what a failed rebind returns to */
    int64_t bound_port;
    bool closed; /* accepts no more */
    uint64_t warned_ms;
    struct queue requests;
    uv_loop_t loop;
    uv_async_t async;
    uv_timer_t rest;
    uv_signal_t signals[NET_SIGNALS_MAX];
    uint32_t signal_count;
    struct net_options options;
    uv_thread_t thread;
    bool started;
};

static struct settings *settings_of(const struct front *front)
{
    return front->net->server->settings;
}

static bool may_warn(struct front *front)
{
    uint64_t now_ms = clock_mono_ms();
    if (front->warned_ms != 0 && now_ms - front->warned_ms < WARN_EVERY_MS)
        return false;
    front->warned_ms = now_ms;
    return true;
}

/* ---- a new connection ---- */

/* Says why and closes. What the client has sent already is read first: closing a socket with unread
 * bytes resets the connection, and the reason would be lost. */
static void refuse(struct front *front, int descriptor, const char *text, size_t len)
{
    char unread[4096];
    struct lane *lane = front->net->server->lanes[0];
    OWNER_ADD(&lane->stats.rejected_connections, 1); /* no worker writes this counter */
    if (send(descriptor, text, len, MSG_NOSIGNAL) < 0 && may_warn(front))
        LOG_VERBOSE("A refused connection could not be told why: %s", strerror(errno));
    shutdown(descriptor, SHUT_WR);
    if (recv(descriptor, unread, sizeof unread, 0) < 0 && errno != EAGAIN && may_warn(front))
        LOG_VERBOSE("A refused connection ended: %s", strerror(errno));
    close(descriptor);
}

static void address_text(const struct sockaddr_storage *address, char out[64])
{
    char host[INET6_ADDRSTRLEN] = "?";
    if (address->ss_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)address;
        inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof host);
        snprintf(out, 64, "[%s]:%u", host, ntohs(in6->sin6_port));
    } else {
        const struct sockaddr_in *in = (const struct sockaddr_in *)address;
        inet_ntop(AF_INET, &in->sin_addr, host, sizeof host);
        snprintf(out, 64, "%s:%u", host, ntohs(in->sin_port));
    }
}

static bool is_loopback(const struct sockaddr_storage *address)
{
    if (address->ss_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)address;
        return ntohl(in->sin_addr.s_addr) >> 24 == 127;
    }
    const struct in6_addr *in6 = &((const struct sockaddr_in6 *)address)->sin6_addr;
    return IN6_IS_ADDR_LOOPBACK(in6) || (IN6_IS_ADDR_V4MAPPED(in6) && in6->s6_addr[12] == 127);
}

static bool is_protected(const struct front *front)
{
    struct settings *settings = settings_of(front);
    return RELAXED_LOAD(&settings->protected_mode) &&
           settings_text_is_empty(settings, &settings->requirepass);
}

static struct worker *choose_worker(struct front *front)
{
    const struct server *server = front->net->server;
    struct worker *best = NULL;
    uint32_t least = UINT32_MAX;
    for (unsigned i = 0; i < server->lane_count; i++) {
        struct worker *worker = worker_of(server->lanes[(front->turn + i) % server->lane_count]);
        uint32_t sessions = RELAXED_LOAD(&worker->sessions);
        if (sessions < least) {
            least = sessions;
            best = worker;
        }
    }
    front->turn = (best->lane.index + 1) % server->lane_count;
    return best;
}

static void hand_over(struct front *front, const struct listener *listener, int descriptor,
                      const struct sockaddr_storage *peer)
{
    struct worker *worker = choose_worker(front);
    struct handover *handover = mem_zalloc(sizeof *handover);
    handover->message.run = session_take;
    handover->descriptor = descriptor;
    handover->unix_socket = listener->unix_socket;
    if (listener->unix_socket) {
        snprintf(handover->peer, sizeof handover->peer, "%.61s:0", settings_of(front)->unixsocket);
        memcpy(handover->local, handover->peer, sizeof handover->local);
    } else {
        struct sockaddr_storage local = {0};
        socklen_t len = sizeof local;
        address_text(peer, handover->peer);
        if (getsockname(descriptor, (struct sockaddr *)&local, &len) == 0)
            address_text(&local, handover->local);
    }
    RELAXED_ADD(&worker->sessions, 1);
    RELAXED_ADD(&front->net->clients, 1);
    lane_post(&worker->lane, &handover->message);
}

static void admit(struct front *front, const struct listener *listener, int descriptor,
                  const struct sockaddr_storage *peer)
{
    int64_t clients = RELAXED_LOAD(&front->net->clients);
    if (clients >= RELAXED_LOAD(&settings_of(front)->maxclients))
        refuse(front, descriptor, too_many, sizeof too_many - 1);
    else if (!listener->unix_socket && !is_loopback(peer) && is_protected(front))
        refuse(front, descriptor, denied, sizeof denied - 1);
    else
        hand_over(front, listener, descriptor, peer);
}

static void set_option(int descriptor, int level, int name, int value)
{
    if (setsockopt(descriptor, level, name, &value, sizeof value) != 0)
        LOG_VERBOSE("Socket option %d/%d could not be set: %s", level, name, strerror(errno));
}

static void set_keepalive(int descriptor, int64_t seconds)
{
    set_option(descriptor, SOL_SOCKET, SO_KEEPALIVE, seconds > 0);
    if (seconds <= 0)
        return;
    set_option(descriptor, IPPROTO_TCP, TCP_KEEPIDLE, (int)seconds);
    set_option(descriptor, IPPROTO_TCP, TCP_KEEPINTVL, (int)MAX_OF(seconds / 3, 1));
    set_option(descriptor, IPPROTO_TCP, TCP_KEEPCNT, 3);
}

/* Connections inherit when the handshake ends, not when they are accepted: after a change those
 * that are waiting already get the option one by one. */
static void follow_keepalive(struct listener *listener)
{
    int64_t seconds = RELAXED_LOAD(&settings_of(listener->front)->tcp_keepalive_s);
    if (LIKELY(listener->unix_socket || listener->keepalive_s == seconds))
        return;
    listener->keepalive_s = seconds;
    listener->stale = true;
    set_keepalive(listener->descriptor, seconds);
}

static void on_acceptable(uv_poll_t *poll, int status, int events);

static void on_rested(uv_timer_t *timer)
{
    struct front *front = CONTAINER_OF(timer, struct front, rest);
    for (struct listener *l = front->listeners; l != NULL; l = l->next)
        uv_poll_start(&l->poll, UV_READABLE, on_acceptable);
}

static void rest(struct front *front, int error)
{
    if (may_warn(front))
        LOG_WARNING("Connections cannot be accepted: %s", strerror(error));
    for (struct listener *l = front->listeners; l != NULL; l = l->next)
        uv_poll_stop(&l->poll);
    uv_timer_start(&front->rest, on_rested, ACCEPT_REST_MS, 0);
}

static void on_acceptable(uv_poll_t *poll, int status, int events)
{
    struct listener *listener = CONTAINER_OF(poll, struct listener, poll);
    struct front *front = listener->front;
    follow_keepalive(listener);
    int64_t most = MAX_OF(RELAXED_LOAD(&settings_of(front)->max_new_connections_per_cycle), 1);
    for (int64_t i = 0; i < most; i++) {
        struct sockaddr_storage peer = {0};
        socklen_t len = sizeof peer;
        int descriptor = accept4(listener->descriptor, (struct sockaddr *)&peer, &len,
                                 SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (descriptor >= 0) {
            if (UNLIKELY(listener->stale))
                set_keepalive(descriptor, listener->keepalive_s);
            admit(front, listener, descriptor, &peer);
        } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            rest(front, errno);
            return;
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            listener->stale = false;
            return;
        } /* else this one connection went wrong: on to the next */
    }
}

/* ---- listening sockets ---- */

static void on_listener_closed(uv_handle_t *handle)
{
    mem_free(CONTAINER_OF((uv_poll_t *)handle, struct listener, poll));
}

static int add_listener(struct front *front, int descriptor, bool unix_socket)
{
    struct listener *l = mem_zalloc(sizeof *l);
    int error = uv_poll_init(&front->loop, &l->poll, descriptor);
    if (error != 0) {
        mem_free(l);
        return error;
    }
    l->front = front;
    l->descriptor = descriptor;
    l->unix_socket = unix_socket;
    if (!unix_socket) {
        set_option(descriptor, IPPROTO_TCP, TCP_NODELAY, 1);
        l->keepalive_s = RELAXED_LOAD(&settings_of(front)->tcp_keepalive_s);
        set_keepalive(descriptor, l->keepalive_s);
    }
    l->next = front->listeners;
    front->listeners = l;
    return uv_poll_start(&l->poll, UV_READABLE, on_acceptable);
}

static void close_listeners(struct front *front, bool unix_too)
{
    struct listener **at = &front->listeners;
    while (*at != NULL) {
        struct listener *l = *at;
        if (l->unix_socket && !unix_too) {
            at = &l->next;
            continue;
        }
        *at = l->next;
        uv_close((uv_handle_t *)&l->poll, on_listener_closed);
        close(l->descriptor);
        if (!l->unix_socket)
            continue;
        int error = file_remove(settings_of(front)->unixsocket);
        if (error != 0 && error != -ENOENT)
            LOG_VERBOSE("The unix socket could not be removed: %s", strerror(-error));
    }
}

static int listen_on(struct front *front, const struct addrinfo *info)
{
    struct settings *settings = settings_of(front);
    int descriptor = socket(info->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (descriptor < 0)
        return -errno;
    set_option(descriptor, SOL_SOCKET, SO_REUSEADDR, 1);
    if (info->ai_family == AF_INET6)
        set_option(descriptor, IPPROTO_IPV6, IPV6_V6ONLY, 1);
    if (settings->socket_mark_id > 0)
        set_option(descriptor, SOL_SOCKET, SO_MARK, (int)settings->socket_mark_id);
    int error = 0;
    if (bind(descriptor, info->ai_addr, info->ai_addrlen) != 0 ||
        listen(descriptor, (int)RELAXED_LOAD(&settings->tcp_backlog)) != 0)
        error = -errno;
    if (error == 0)
        error = add_listener(front, descriptor, false);
    if (error != 0)
        close(descriptor);
    return error;
}

/* Errors that mean "this host has no such address or protocol": forgiven after a '-'. */
static bool is_missing(int error)
{
    return error == -EADDRNOTAVAIL || error == -EAFNOSUPPORT || error == -EPROTONOSUPPORT ||
           error == -ESOCKTNOSUPPORT || error == -EPFNOSUPPORT || error == -ENOPROTOOPT;
}

/* One word of `bind`. Returns 1 if it listens, 0 if it is missing and may be, or a negative
 * errno. */
static int bind_address(struct front *front, const char *word, int64_t port)
{
    bool optional = word[0] == '-';
    const char *address = optional ? word + 1 : word;
    bool any4 = strcmp(address, "*") == 0, any6 = strcmp(address, "::*") == 0;
    struct addrinfo hints = {.ai_family = strchr(address, ':') != NULL ? AF_INET6 : AF_INET,
                             .ai_socktype = SOCK_STREAM,
                             .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *list = NULL;
    char service[16];
    snprintf(service, sizeof service, "%lld", (long long)port);
    int failed = getaddrinfo(any4 || any6 ? NULL : address, service, &hints, &list);
    int error = failed == EAI_SYSTEM ? -errno : -EADDRNOTAVAIL;
    const char *why = failed != 0 ? gai_strerror(failed) : NULL;
    for (const struct addrinfo *info = list; info != NULL; info = info->ai_next) {
        error = listen_on(front, info);
        if (error == 0)
            break;
    }
    if (list != NULL)
        freeaddrinfo(list);
    if (error == 0)
        return 1;
    if (optional && is_missing(error))
        return 0;
    LOG_WARNING("Could not create server TCP listening socket %s:%lld: %s", address,
                (long long)port, why != NULL ? why : strerror(-error));
    return error;
}

/* Opens the TCP sockets for the addresses; all or none. */
static int bind_all(struct front *front, const char *addresses, int64_t port)
{
    char *words = mem_strdup(addresses), *rest_of = NULL;
    int opened = 0, error = 0;
    for (char *word = strtok_r(words, " \t", &rest_of); word != NULL && error == 0;
         word = strtok_r(NULL, " \t", &rest_of)) {
        int one = bind_address(front, word, port);
        if (one < 0)
            error = one;
        else
            opened += one;
    }
    if (error == 0 && opened == 0 && words[0] != '\0') {
        LOG_WARNING("None of the addresses of `bind` can be listened on");
        error = -EADDRNOTAVAIL;
    }
    mem_free(words);
    if (error != 0)
        close_listeners(front, false);
    return error;
}

/* The settings' TCP sockets. On success they are what a later failure returns to. */
static int bind_tcp(struct front *front)
{
    struct settings *settings = settings_of(front);
    int64_t port = RELAXED_LOAD(&settings->port);
    char *addresses = settings_text_copy(settings, &settings->bind);
    int error = port == 0 ? 0 : bind_all(front, addresses, port);
    if (error != 0) {
        mem_free(addresses);
        return error;
    }
    mem_free(front->bound);
    front->bound = addresses;
    front->bound_port = port;
    return 0;
}

static int set_unix_access(const struct settings *settings)
{
    const char *path = settings->unixsocket, *name = settings->unixsocketgroup;
    if (settings->unixsocketperm != 0 && chmod(path, (mode_t)settings->unixsocketperm) != 0)
        return -errno;
    if (name == NULL || name[0] == '\0')
        return 0;
    char buffer[4096];
    struct group group, *found = NULL;
    int error = getgrnam_r(name, &group, buffer, sizeof buffer, &found);
    if (found == NULL)
        return error != 0 ? -error : -EINVAL;
    return chown(path, (uid_t)-1, found->gr_gid) == 0 ? 0 : -errno;
}

static int bind_unix(struct front *front)
{
    const struct settings *settings = settings_of(front);
    const char *path = settings->unixsocket;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (path == NULL || path[0] == '\0')
        return 0;
    int error = strlen(path) < sizeof address.sun_path ? file_remove(path) : -ENAMETOOLONG;
    int descriptor = -1;
    if (error == 0 || error == -ENOENT) {
        memcpy(address.sun_path, path, strlen(path));
        descriptor = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        error = descriptor < 0 ||
                        bind(descriptor, (struct sockaddr *)&address, sizeof address) != 0 ||
                        listen(descriptor, (int)RELAXED_LOAD(&settings->tcp_backlog)) != 0
                    ? -errno
                    : set_unix_access(settings);
    }
    if (error == 0)
        error = add_listener(front, descriptor, true);
    if (error == 0)
        return 0;
    LOG_WARNING("Failed opening Unix socket %s: %s", path, strerror(-error));
    if (descriptor >= 0)
        close(descriptor);
    return error;
}

int front_bind(struct front *front)
{
    int error = bind_tcp(front);
    if (error == 0)
        error = bind_unix(front);
    if (error == 0 && front->listeners == NULL) {
        LOG_WARNING("Configured to not listen anywhere, exiting.");
        error = -EINVAL;
    }
    return error;
}

/* ---- requests of other threads ---- */

static void on_async(uv_async_t *async)
{
    struct front *front = CONTAINER_OF(async, struct front, async);
    struct queue_node *node;
    while ((node = queue_pop(&front->requests)) != NULL) {
        struct front_request *request = CONTAINER_OF(node, struct front_request, node);
        request->run(front, request);
        uv_sem_post(&request->done);
    }
}

static int ask(struct front *front, void (*run)(struct front *, struct front_request *))
{
    struct front_request request = {.run = run};
    if (!front->started) {
        run(front, &request);
        return request.result;
    }
    if (uv_sem_init(&request.done, 0) != 0)
        return -ENOMEM;
    queue_push(&front->requests, &request.node);
    uv_async_send(&front->async);
    uv_sem_wait(&request.done);
    uv_sem_destroy(&request.done);
    return request.result;
}

static void run_rebind(struct front *front, struct front_request *request)
{
    if (front->closed) {
        request->result = -ECANCELED;
        return;
    }
    /* The old sockets go first: the new addresses may include the old ones. */
    close_listeners(front, false);
    request->result = bind_tcp(front);
    if (request->result != 0 && front->bound_port != 0 &&
        bind_all(front, front->bound, front->bound_port) != 0)
        LOG_WARNING("The former listening sockets could not be opened again: no TCP connection is "
                    "accepted until `bind` or `port` is set");
}

static void run_close(struct front *front, struct front_request *request)
{
    front->closed = true;
    uv_timer_stop(&front->rest);
    close_listeners(front, true);
}

static void run_end(struct front *front, struct front_request *request)
{
    run_close(front, request);
    uv_stop(&front->loop);
}

int front_rebind(struct front *front)
{
    return ask(front, run_rebind);
}

void front_close(struct front *front)
{
    (void)ask(front, run_close);
}

/* ---- the thread ---- */

static void on_signal(uv_signal_t *signal, int number)
{
    struct front *front = signal->data;
    front->options.on_signal(front->net->server, number);
}

int front_new(struct net *net, const struct net_options *options, struct front **out)
{
    struct front *front = mem_zalloc(sizeof *front);
    int error = uv_loop_init(&front->loop);
    if (error == 0 && (error = uv_async_init(&front->loop, &front->async, on_async)) != 0)
        uv_loop_close(&front->loop);
    if (error != 0) {
        mem_free(front);
        return error;
    }
    front->net = net;
    queue_init(&front->requests);
    uv_timer_init(&front->loop, &front->rest);
    if (options != NULL)
        front->options = *options;
    while (front->signal_count < NET_SIGNALS_MAX &&
           front->options.signals[front->signal_count] != 0) {
        uv_signal_t *signal = &front->signals[front->signal_count];
        uv_signal_init(&front->loop, signal);
        signal->data = front;
        uv_signal_start(signal, on_signal, front->options.signals[front->signal_count++]);
    }
    *out = front;
    return 0;
}

static void run(void *context)
{
    struct front *front = context;
    mem_thread_join();
    pthread_setname_np(pthread_self(), "front");
    uv_run(&front->loop, UV_RUN_DEFAULT);
    mem_thread_leave();
}

int front_start(struct front *front)
{
    front->started = true; /* before the thread brings clients, whose workers read it */
    int error = uv_thread_create(&front->thread, run, front);
    if (error != 0)
        front->started = false;
    return error;
}

void front_free(struct front *front)
{
    (void)ask(front, front->started ? run_end : run_close);
    if (front->started)
        uv_thread_join(&front->thread);
    for (uint32_t i = 0; i < front->signal_count; i++)
        uv_close((uv_handle_t *)&front->signals[i], NULL);
    uv_close((uv_handle_t *)&front->async, NULL);
    uv_close((uv_handle_t *)&front->rest, NULL);
    uv_run(&front->loop, UV_RUN_DEFAULT);
    int error = uv_loop_close(&front->loop);
    ASSERT(error == 0);
    mem_free(front->bound);
    mem_free(front);
}
