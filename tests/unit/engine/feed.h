/* feed.h - bytes for a lane as they come from a connection, and all that lane_feed says about
 * them. */
#ifndef SPILLWAY_TESTS_ENGINE_FEED_H
#define SPILLWAY_TESTS_ENGINE_FEED_H

#include "../commands/engine_fixture.h"

struct fed {
    enum feed_result result;
    size_t consumed, wanted;
    const char *reply; /* until the next feed */
};

/* Appends a command line as RESP. */
UNUSED static void feed_add(struct bytes *input, const char *line)
{
    struct slice *args;
    int count = split_line(slice_str(line), &args);
    assert_true(count > 0);
    bytes_printf(input, "*%d\r\n", count);
    for (int i = 0; i < count; i++)
        fixture_append_arg(input, args[i]);
    mem_free(args);
}

UNUSED static struct fed feed_client(struct engine_fixture *f, struct client *client,
                                     const char *data, size_t len)
{
    struct fed fed;
    char *copy = mem_alloc(len + 1); /* the reader's own buffer: overruns are noticed */
    memcpy(copy, data, len);
    lane_turn(&f->lane);
    fed.result = lane_feed(&f->lane, client, copy, len, &fed.consumed, &fed.wanted);
    f->reply.len = 0;
    bytes_append(&f->reply, f->lane.reply.bytes.data, f->lane.reply.bytes.len);
    fed.reply = bytes_str(&f->reply);
    reply_buffer_clear(&f->lane.reply);
    mem_free(copy);
    return fed;
}

UNUSED static struct fed feed(struct engine_fixture *f, const struct bytes *input)
{
    return feed_client(f, &f->client, input->data, input->len);
}

UNUSED static struct fed feed_text(struct engine_fixture *f, const char *text)
{
    return feed_client(f, &f->client, text, strlen(text));
}

/* One command of a client, which may have to wait. */
UNUSED static struct fed feed_line(struct engine_fixture *f, struct client *client,
                                   const char *line)
{
    f->input.len = 0;
    feed_add(&f->input, line);
    return feed_client(f, client, f->input.data, f->input.len);
}

#endif
