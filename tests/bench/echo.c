/* echo.c - a bare libuv server that sends back what it reads: the floor under any server built on
 * that loop.
 *
 * A RESP request is itself a valid RESP array, so a load generator takes its echo for the reply.
 * One thread, no parsing, no allocation while running; replies go out by uv_try_write in the read
 * callback, as a server's would. Usage: echo PORT. It prints "ready" when it listens and runs until
 * it is killed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#define BUFFER_BYTES (64 * 1024)

/* What did not fit into the socket at once; owned by the write request. */
struct late_write {
    uv_write_t request;
    char data[];
};

static char buffer[BUFFER_BYTES];

static void give_buffer(uv_handle_t *handle, size_t suggested, uv_buf_t *out)
{
    *out = uv_buf_init(buffer, sizeof buffer);
}

static void free_handle(uv_handle_t *handle)
{
    free(handle);
}

static void free_late(uv_write_t *request, int status)
{
    free(request);
}

static void send_back(uv_stream_t *stream, const char *data, size_t len)
{
    uv_buf_t whole = uv_buf_init((char *)data, (unsigned)len);
    int sent = uv_try_write(stream, &whole, 1);
    size_t done = sent > 0 ? (size_t)sent : 0;
    if (done == len)
        return;
    struct late_write *late = malloc(sizeof *late + (len - done));
    if (!late)
        abort();
    memcpy(late->data, data + done, len - done);
    uv_buf_t rest = uv_buf_init(late->data, (unsigned)(len - done));
    if (uv_write(&late->request, stream, &rest, 1, free_late) != 0)
        free(late);
}

static void on_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *data)
{
    if (count < 0) {
        uv_close((uv_handle_t *)stream, free_handle);
        return;
    }
    if (count > 0)
        send_back(stream, data->base, (size_t)count);
}

static void on_connection(uv_stream_t *listener, int status)
{
    uv_tcp_t *client = malloc(sizeof *client);
    if (!client)
        abort();
    uv_tcp_init(listener->loop, client);
    if (status < 0 || uv_accept(listener, (uv_stream_t *)client) != 0) {
        uv_close((uv_handle_t *)client, free_handle);
        return;
    }
    uv_tcp_nodelay(client, 1);
    uv_read_start((uv_stream_t *)client, give_buffer, on_read);
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: %s PORT\n", argv[0]);
        return 2;
    }
    uv_loop_t loop;
    uv_tcp_t listener;
    struct sockaddr_in address;
    uv_loop_init(&loop);
    uv_tcp_init(&loop, &listener);
    if (uv_ip4_addr("127.0.0.1", atoi(argv[1]), &address) != 0 ||
        uv_tcp_bind(&listener, (const struct sockaddr *)&address, 0) != 0 ||
        uv_listen((uv_stream_t *)&listener, 511, on_connection) != 0) {
        fprintf(stderr, "cannot listen on port %s\n", argv[1]);
        return 1;
    }
    puts("ready");
    fflush(stdout);
    return uv_run(&loop, UV_RUN_DEFAULT);
}
