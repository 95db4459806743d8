/* test_health.c - the HTTP probes over real sockets. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "ops/health.h"

static struct {
    bool live, started, ready, disk;
} says;

static bool live(void *ctx, struct bytes *why)
{
    return says.live;
}

static bool started(void *ctx, struct bytes *why)
{
    if (!says.started)
        bytes_append_str(why, "loading the data\n");
    return says.started;
}

static bool ready(void *ctx, bool exclude_disk, struct bytes *why)
{
    return says.ready && (exclude_disk || says.disk);
}

static void metrics(void *ctx, struct bytes *out)
{
    assert_ptr_equal(ctx, &says);
    bytes_append_str(out, "spillway_up 1\n");
}

static const struct health_parts parts = {
    .ctx = &says, .live = live, .started = started, .ready = ready, .metrics = metrics};

/* Sends text to the port and returns all that comes back. */
static const char *talk(uint16_t port, const char *text)
{
    static char reply[8192];
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    size_t len = 0;
    ssize_t got;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    inet_pton(AF_INET, "127.0.0.1", &address.sin_addr);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    while (len < sizeof(reply) - 1 && (got = read(fd, reply + len, sizeof(reply) - 1 - len)) > 0)
        len += (size_t)got;
    reply[len] = '\0';
    close(fd);
    return reply;
}

static int ask(struct health *h, const char *path, const char *body)
{
    char request[256];
    int status = 0;
    snprintf(request, sizeof(request),
             "GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", path);
    const char *reply = talk(health_port(h), request);
    assert_int_equal(sscanf(reply, "HTTP/1.1 %d", &status), 1);
    assert_non_null(strstr(reply, body));
    return status;
}

static void each_path_answers_its_question(void **state)
{
    struct health *h = health_start("127.0.0.1", 0, &parts);
    assert_non_null(h);
    memset(&says, 0, sizeof(says));
    assert_int_equal(ask(h, "/livez", "\r\n\r\nnot ok\n"), 503);
    assert_int_equal(ask(h, "/startupz", "loading the data\n"), 503);
    assert_int_equal(ask(h, "/readyz", "not ok"), 503);
    says.live = says.started = says.ready = true;
    assert_int_equal(ask(h, "/livez", "\r\n\r\nok\n"), 200);
    assert_int_equal(ask(h, "/startupz", "ok"), 200);
    assert_int_equal(ask(h, "/readyz", "not ok"), 503);
    assert_int_equal(ask(h, "/readyz?exclude=disk", "ok"), 200);
    assert_int_equal(ask(h, "/readyz?exclude=tape", "not ok"), 503);
    says.disk = true;
    assert_int_equal(ask(h, "/readyz", "ok"), 200);
    assert_int_equal(ask(h, "/metrics", "text/plain; version=0.0.4"), 200);
    assert_int_equal(ask(h, "/metrics", "spillway_up 1\n"), 200);
    assert_int_equal(ask(h, "/", "/readyz"), 404);
    health_stop(h);
}

static void other_methods_and_rubbish_are_refused(void **state)
{
    struct health *h = health_start("127.0.0.1", 0, &parts);
    assert_non_null(h);
    const char *post = talk(health_port(h), "POST /livez HTTP/1.1\r\nHost: a\r\nConnection: "
                                            "close\r\nContent-Length: 0\r\n\r\n");
    assert_non_null(strstr(post, " 405 "));
    assert_null(strstr(talk(health_port(h), "PING\r\n\r\n"), " 200 "));
    const char *head =
        talk(health_port(h), "HEAD /metrics HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    assert_non_null(strstr(head, " 200 "));
    assert_null(strstr(head, "spillway_up"));
    health_stop(h);
}

static void addresses_that_fail_are_left_out(void **state)
{
    log_set_level(LOG_LEVEL_NOTHING);
    assert_null(health_start("256.0.0.1 nowhere", 0, &parts));
    assert_null(health_start("", 0, &parts));
    struct health *h = health_start("nowhere 127.0.0.1", 0, &parts);
    assert_non_null(h);
    assert_true(health_port(h) != 0);
    says.live = true;
    assert_int_equal(ask(h, "/livez", "ok"), 200);
    health_stop(h);
    health_stop(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_path_answers_its_question),
        cmocka_unit_test(other_methods_and_rubbish_are_refused),
        cmocka_unit_test(addresses_that_fail_are_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
