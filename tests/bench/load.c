/* load.c - a load generator that costs less than the servers it loads: the server is what is busy.
 *
 * redis-benchmark formats and parses with more work per request than a fast server spends on it. On
 * one processor it falls behind, the server sleeps between requests, and what is measured is partly
 * how it falls asleep and wakes up: the slower of two servers is measured at work, the faster one
 * at waiting. Here a request is sent from a buffer made once, in which only the random numbers are
 * written anew, and of replies only the ends are looked for.
 *
 *   load PORT CLIENTS PIPELINE REQUESTS RANGE WORD...
 *
 * sends the command WORD... REQUESTS times over CLIENTS connections to 127.0.0.1, PIPELINE of them
 * at a time, one pipeline after the other. "__rand_int__" in a word is replaced by 12 digits of a
 * number below RANGE, each time another one. Ends with exit code 1 at the first error reply.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define PLACEHOLDER "__rand_int__"
#define DIGITS      12
#define READ_BYTES  (256 * 1024)
#define LINE_BYTES  64
#define EVENTS      64

/* The bytes of one pipeline and where its random numbers stand. */
struct pipeline {
    char *data;
    size_t len;
    size_t *numbers; /* offsets into data */
    size_t number_count;
};

/* One connection, and how far the reply that comes in has been read. */
struct client {
    int descriptor;
    unsigned due;   /* replies of the pipeline that was sent still to come */
    uint64_t items; /* elements of the current reply still to come, itself included */
    size_t body;    /* bytes of the current bulk string still to come, its line end included */
    char line[LINE_BYTES];
    size_t line_len;
};

static struct pipeline pipeline;
static unsigned depth;      /* requests in a pipeline */
static uint64_t range;      /* random numbers are below */
static uint64_t to_send;    /* requests not sent yet */
static uint64_t to_receive; /* replies not received yet */
static int poller;
static char triples[1000][3];
static char buffer[READ_BYTES];

static void die(const char *what)
{
    fprintf(stderr, "load: %s: %s\n", what, errno != 0 ? strerror(errno) : "unexpected");
    exit(1);
}

/* ---- requests ---- */

static void append(const char *data, size_t len)
{
    pipeline.data = realloc(pipeline.data, pipeline.len + len);
    if (pipeline.data == NULL)
        die("memory");
    memcpy(pipeline.data + pipeline.len, data, len);
    pipeline.len += len;
}

static void append_word(const char *word)
{
    char head[32];
    size_t start, len = strlen(word);
    append(head, (size_t)snprintf(head, sizeof head, "$%zu\r\n", len));
    start = pipeline.len;
    append(word, len);
    append("\r\n", 2);
    for (const char *at = word; (at = strstr(at, PLACEHOLDER)) != NULL; at += DIGITS) {
        pipeline.numbers = realloc(pipeline.numbers, (pipeline.number_count + 1) * sizeof(size_t));
        if (pipeline.numbers == NULL)
            die("memory");
        pipeline.numbers[pipeline.number_count++] = start + (size_t)(at - word);
    }
}

static void make_pipeline(char **words, int count)
{
    char head[32];
    for (unsigned i = 0; i < depth; i++) {
        append(head, (size_t)snprintf(head, sizeof head, "*%d\r\n", count));
        for (int w = 0; w < count; w++)
            append_word(words[w]);
    }
}

static uint64_t random_below(uint64_t limit)
{
    static uint64_t state = 0x9e3779b97f4a7c15u;
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint64_t)(((unsigned __int128)state * limit) >> 64);
}

static void write_numbers(void)
{
    for (size_t i = 0; i < pipeline.number_count; i++) {
        uint64_t number = random_below(range);
        char *at = pipeline.data + pipeline.numbers[i];
        for (int group = DIGITS / 3 - 1; group >= 0; group--, number /= 1000)
            memcpy(at + group * 3, triples[number % 1000], 3);
    }
}

/* A pipeline goes out in one piece, except that of very long requests to a server that rests. */
static void send_pipeline(struct client *client)
{
    if (to_send == 0)
        return;
    to_send -= to_send < depth ? to_send : depth;
    client->due = depth;
    write_numbers();
    for (size_t done = 0; done < pipeline.len;) {
        ssize_t sent = send(client->descriptor, pipeline.data + done, pipeline.len - done, 0);
        if (sent < 0)
            die("send");
        done += (size_t)sent;
    }
}

/* ---- replies ---- */

/* What a line, which ends an item or begins one, says. */
static void take_line(struct client *client)
{
    int64_t number = 0;
    switch (client->line[0]) {
    case '$':
        number = strtoll(client->line + 1, NULL, 10);
        if (number >= 0)
            client->body = (size_t)number + 2;
        else
            client->items--;
        break;
    case '*':
        number = strtoll(client->line + 1, NULL, 10);
        client->items += (uint64_t)(number > 0 ? number : 0) - 1;
        break;
    case '+':
    case ':':
        client->items--;
        break;
    default:
        errno = 0;
        die(client->line);
    }
    client->line_len = 0;
}

static const char *read_line(struct client *client, const char *at, const char *end)
{
    const char *stop = memchr(at, '\n', (size_t)(end - at));
    size_t len = (size_t)((stop != NULL ? stop + 1 : end) - at);
    size_t kept = len < LINE_BYTES - 1 - client->line_len ? len : LINE_BYTES - 1 - client->line_len;
    memcpy(client->line + client->line_len, at, kept);
    client->line_len += kept;
    client->line[client->line_len] = '\0';
    if (stop != NULL)
        take_line(client);
    return at + len;
}

static const char *skip_body(struct client *client, const char *at, const char *end)
{
    size_t len = client->body < (size_t)(end - at) ? client->body : (size_t)(end - at);
    client->body -= len;
    if (client->body == 0)
        client->items--;
    return at + len;
}

static void take_replies(struct client *client, const char *at, const char *end)
{
    while (at < end) {
        at = client->body > 0 ? skip_body(client, at, end) : read_line(client, at, end);
        if (client->items == 0 && client->body == 0) {
            client->items = 1;
            client->due--;
            to_receive -= to_receive > 0;
        }
    }
}

static void receive(struct client *client)
{
    ssize_t len = recv(client->descriptor, buffer, sizeof buffer, 0);
    if (len <= 0)
        die("recv");
    take_replies(client, buffer, buffer + len);
    if (client->due == 0)
        send_pipeline(client);
}

/* ---- connections ---- */

static void connect_client(struct client *client, uint16_t port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = client};
    int on = 1;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    client->descriptor = socket(AF_INET, SOCK_STREAM, 0);
    client->items = 1;
    if (client->descriptor < 0 ||
        connect(client->descriptor, (struct sockaddr *)&address, sizeof address) != 0)
        die("connect");
    setsockopt(client->descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (epoll_ctl(poller, EPOLL_CTL_ADD, client->descriptor, &event) != 0)
        die("epoll");
}

static void run(struct client *clients, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        send_pipeline(&clients[i]);
    while (to_receive > 0) {
        struct epoll_event events[EVENTS];
        int ready = epoll_wait(poller, events, EVENTS, 60000);
        if (ready <= 0)
            die("no reply for a minute");
        for (int i = 0; i < ready; i++)
            receive(events[i].data.ptr);
    }
}

int main(int argc, char **argv)
{
    if (argc < 7) {
        fprintf(stderr, "usage: load PORT CLIENTS PIPELINE REQUESTS RANGE WORD...\n");
        return 2;
    }
    unsigned count = (unsigned)atoi(argv[2]);
    depth = (unsigned)atoi(argv[3]);
    /* whole pipelines only */
    to_send = to_receive = strtoull(argv[4], NULL, 10) / depth * depth;
    range = strtoull(argv[5], NULL, 10);
    for (int i = 0; i < 1000; i++)
        memcpy(triples[i],
               (char[]){(char)('0' + i / 100), (char)('0' + i / 10 % 10), (char)('0' + i % 10)}, 3);
    make_pipeline(argv + 6, argc - 6);
    poller = epoll_create1(0);
    struct client *clients = calloc(count, sizeof *clients);
    if (poller < 0 || clients == NULL)
        die("set-up");
    for (unsigned i = 0; i < count; i++)
        connect_client(&clients[i], (uint16_t)atoi(argv[1]));
    run(clients, count);
    return 0;
}
