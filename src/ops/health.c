/* health.c - probes and metrics over HTTP: libmicrohttpd, driven by one thread of ours for each
 * address.
 *
 * The library (and the TLS stack behind it) is opened only by a server that has an http-port. */
#include "ops/health.h"

#include <arpa/inet.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <pthread.h>
#include <string.h>

#include "base/library.h"
#include "base/log.h"
#include "base/mem.h"

#define ADDRESSES_MAX   8
#define CONNECTIONS_MAX 64u
#define CONNECTION_S    10u
#define WAIT_MS         200 /* how soon a stop is noticed */
#define METRICS_TYPE    "text/plain; version=0.0.4; charset=utf-8"
#define PLAIN_TYPE      "text/plain; charset=utf-8"

struct listener {
    struct health *health;
    struct MHD_Daemon *daemon;
    pthread_t thread;
};

struct health {
    struct health_parts parts;
    struct listener listeners[ADDRESSES_MAX];
    size_t count;
    bool stopping; /* atomic */
};

/* ---- the library ---- */

#define LIBRARY "libmicrohttpd.so.12"

DECLARE_SYMBOL(MHD_add_response_header);
DECLARE_SYMBOL(MHD_create_response_from_buffer);
DECLARE_SYMBOL(MHD_destroy_response);
DECLARE_SYMBOL(MHD_get_daemon_info);
DECLARE_SYMBOL(MHD_lookup_connection_value);
DECLARE_SYMBOL(MHD_queue_response);
DECLARE_SYMBOL(MHD_run_wait);
DECLARE_SYMBOL(MHD_start_daemon);
DECLARE_SYMBOL(MHD_stop_daemon);

static bool open_library(void)
{
    static const struct library_symbol symbols[] = {
        SYMBOL(MHD_add_response_header),
        SYMBOL(MHD_create_response_from_buffer),
        SYMBOL(MHD_destroy_response),
        SYMBOL(MHD_get_daemon_info),
        SYMBOL(MHD_lookup_connection_value),
        SYMBOL(MHD_queue_response),
        SYMBOL(MHD_run_wait),
        SYMBOL(MHD_start_daemon),
        SYMBOL(MHD_stop_daemon),
    };
    const char *why;
    if (library_load(LIBRARY, symbols, COUNT_OF(symbols), &why))
        return true;
    LOG_WARNING("HTTP: no probes and metrics without libmicrohttpd: %s", why);
    return false;
}

/* ---- requests ---- */

static enum MHD_Result answer(struct MHD_Connection *connection, unsigned status, const char *type,
                              struct bytes *body)
{
    struct MHD_Response *response = call_MHD_create_response_from_buffer(
        body->len, (void *)(uintptr_t)bytes_str(body), MHD_RESPMEM_MUST_COPY);
    bytes_free(body);
    if (response == NULL)
        return MHD_NO;
    call_MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
    call_MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
        call_MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
    enum MHD_Result result = call_MHD_queue_response(connection, status, response);
    call_MHD_destroy_response(response);
    return result;
}

static bool excludes_disk(struct MHD_Connection *connection)
{
    const char *value =
        call_MHD_lookup_connection_value(connection, MHD_GET_ARGUMENT_KIND, "exclude");
    return value != NULL && strcmp(value, "disk") == 0;
}

static enum MHD_Result answer_check(struct MHD_Connection *connection, bool well, struct bytes *why)
{
    if (why->len == 0)
        bytes_append_str(why, well ? "ok" : "not ok");
    if (why->data[why->len - 1] != '\n')
        bytes_append_char(why, '\n');
    return answer(connection, well ? MHD_HTTP_OK : MHD_HTTP_SERVICE_UNAVAILABLE, PLAIN_TYPE, why);
}

static enum MHD_Result handle(void *ctx, struct MHD_Connection *connection, const char *url,
                              const char *method, const char *version, const char *upload,
                              size_t *upload_size, void **state)
{
    const struct health_parts *parts = &((struct health *)ctx)->parts;
    struct bytes body = {0};
    (void)version, (void)upload, (void)upload_size, (void)state;
    if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0) {
        bytes_append_str(&body, "only GET and HEAD\n");
        return answer(connection, MHD_HTTP_METHOD_NOT_ALLOWED, PLAIN_TYPE, &body);
    }
    if (strcmp(url, "/livez") == 0) {
        bool well = parts->live(parts->ctx, &body);
        return answer_check(connection, well, &body);
    }
    if (strcmp(url, "/startupz") == 0) {
        bool well = parts->started(parts->ctx, &body);
        return answer_check(connection, well, &body);
    }
    if (strcmp(url, "/readyz") == 0) {
        bool well = parts->ready(parts->ctx, excludes_disk(connection), &body);
        return answer_check(connection, well, &body);
    }
    if (strcmp(url, "/metrics") == 0) {
        parts->metrics(parts->ctx, &body);
        return answer(connection, MHD_HTTP_OK, METRICS_TYPE, &body);
    }
    bytes_append_str(&body, "/livez /startupz /readyz /metrics\n");
    return answer(connection, MHD_HTTP_NOT_FOUND, PLAIN_TYPE, &body);
}

/* ---- listening ---- */

static void *serve(void *ctx)
{
    struct listener *listener = ctx;
    mem_thread_join();
    pthread_setname_np(pthread_self(), "http");
    while (!RELAXED_LOAD(&listener->health->stopping))
        (void)call_MHD_run_wait(listener->daemon, WAIT_MS);
    mem_thread_leave();
    return NULL;
}

static bool parse_address(const char *text, uint16_t port, struct sockaddr_storage *out)
{
    struct sockaddr_in *v4 = (struct sockaddr_in *)out;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)out;
    memset(out, 0, sizeof(*out));
    if (strcmp(text, "*") == 0)
        text = "0.0.0.0";
    if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons(port);
        return true;
    }
    if (inet_pton(AF_INET6, text, &v6->sin6_addr) == 1) {
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons(port);
        return true;
    }
    return false;
}

static struct MHD_Daemon *open_daemon(struct health *h, const char *text, uint16_t port)
{
    struct sockaddr_storage address;
    if (!parse_address(text, port, &address))
        return NULL;
    unsigned flags = MHD_USE_EPOLL | (address.ss_family == AF_INET6 ? MHD_USE_IPv6 : 0u);
    return call_MHD_start_daemon(flags, port, NULL, NULL, handle, h, MHD_OPTION_SOCK_ADDR, &address,
                                 MHD_OPTION_CONNECTION_LIMIT, CONNECTIONS_MAX,
                                 MHD_OPTION_CONNECTION_TIMEOUT, CONNECTION_S,
                                 MHD_OPTION_LISTENING_ADDRESS_REUSE, 1u, MHD_OPTION_END);
}

static void listen_on(struct health *h, const char *text, uint16_t port)
{
    if (h->count == ADDRESSES_MAX)
        return;
    struct listener *listener = &h->listeners[h->count];
    listener->health = h;
    listener->daemon = open_daemon(h, text, port);
    if (listener->daemon == NULL) {
        LOG_WARNING("HTTP: could not listen on %s port %u", text, port);
        return;
    }
    if (pthread_create(&listener->thread, NULL, serve, listener) != 0) {
        call_MHD_stop_daemon(listener->daemon);
        LOG_WARNING("HTTP: no thread for %s port %u", text, port);
        return;
    }
    h->count++;
}

struct health *health_start(const char *bind, uint16_t port, const struct health_parts *parts)
{
    if (!open_library())
        return NULL;
    struct health *h = mem_zalloc(sizeof(*h));
    char *addresses = mem_strdup(bind), *rest = addresses, *word;
    h->parts = *parts;
    while ((word = strtok_r(rest, " \t", &rest)) != NULL)
        listen_on(h, word, port);
    mem_free(addresses);
    if (h->count != 0)
        return h;
    mem_free(h);
    return NULL;
}

uint16_t health_port(const struct health *h)
{
    const union MHD_DaemonInfo *info =
        call_MHD_get_daemon_info(h->listeners[0].daemon, MHD_DAEMON_INFO_BIND_PORT);
    return info != NULL ? info->port : 0;
}

void health_stop(struct health *h)
{
    if (h == NULL)
        return;
    RELAXED_STORE(&h->stopping, true);
    for (size_t i = 0; i < h->count; i++) {
        pthread_join(h->listeners[i].thread, NULL);
        call_MHD_stop_daemon(h->listeners[i].daemon);
    }
    mem_free(h);
}
