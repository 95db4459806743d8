/* engine_fixture.h - a server without sockets for tests of commands: lines in, reply bytes out.
 *
 * A line is split as redis-cli does ("\xff" in double quotes is a byte) and fed to the lane as
 * RESP. Besides the reply a test can ask what was logged and which keyspace events were fired since
 * it last asked.
 */
#ifndef SPILLWAY_TESTS_ENGINE_FIXTURE_H
#define SPILLWAY_TESTS_ENGINE_FIXTURE_H

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include "base/clock.h"
#include "base/mem.h"
#include "base/number.h"
#include "base/panic.h"
#include "engine/call.h"
#include "engine/hooks.h"
#include "engine/registry.h"
#include "engine/settings.h"
#include "plog/plog.h"
#include "value/list.h"

struct engine_fixture {
    struct server server;
    struct settings settings;
    struct lane lane;
    struct client client;
    struct plog_reader *log;
    struct bytes input, reply, events, logged;
    uint64_t dirty_seen;
};

static struct engine_fixture *fixture; /* of the running test, for the observers below */

UNUSED static void fixture_on_notify(struct call *call, char class, const char *event,
                                     const struct key *key)
{
    (void)call;
    bytes_printf(&fixture->events, "%s%c:%s:%.*s", fixture->events.len ? " " : "", class, event,
                 (int)key->name.len, key->name.data);
}

UNUSED static void fixture_take(uint64_t mask, void (*run)(struct hold *hold))
{
    struct hold hold = {.keyspace = fixture->server.keyspace,
                        .now_ms = clock_wall_ms(),
                        .stats = &fixture->lane.stats.keyspace,
                        .owner = &fixture->lane};
    hold_take(&hold, mask);
    run(&hold);
    hold_drop(&hold);
}

UNUSED static void fixture_open_log(struct hold *hold)
{
    (void)hold;
    fixture->log = plog_reader_open(fixture->server.plog);
}

UNUSED static void fixture_flush(struct hold *hold)
{
    for (uint32_t db = 0; db < 16; db++)
        keyspace_flush_db(hold, db, false);
}

/* `families`: arrays of rows, ended by NULL. */
UNUSED static void fixture_open(struct engine_fixture *f, const struct command *const *families)
{
    struct keyspace_options options = {.databases = 16,
                                       .policy = EVICT_NONE,
                                       .samples = 5,
                                       .limits = value_limits_default,
                                       .lfu_log_factor = 10,
                                       .lfu_decay_minutes = 1,
                                       .active_expire = true};
    *f = (struct engine_fixture){0};
    fixture = f;
    mem_thread_join();
    f->settings.databases = 16;
    f->settings.proto_max_bulk_len = 512 * 1024 * 1024;
    f->settings.requirepass.text = mem_strdup("");
    f->settings.availability_zone.text = mem_strdup("");
    f->server.settings = &f->settings;
    f->server.keyspace = keyspace_new(&options);
    f->server.seed = keyspace_seed(f->server.keyspace);
    f->server.plog = plog_new(1);
    f->server.registry = registry_new();
    for (; *families; families++)
        registry_add(f->server.registry, *families);
    f->server.phase = SERVER_READY;
    f->server.notify = fixture_on_notify;
    f->server.lanes[0] = &f->lane;
    f->server.lane_count = 1;
    hooks_install(&f->server);
    lane_init(&f->lane, &f->server, 0);
    client_init(&f->client, &f->lane);
    fixture_take(HOLD_ALL, fixture_open_log);
}

UNUSED static void fixture_close(struct engine_fixture *f)
{
    client_free(&f->client);
    plog_reader_close(f->log);
    lane_free(&f->lane);
    registry_free(f->server.registry);
    keyspace_free(f->server.keyspace);
    plog_free(f->server.plog);
    mem_free(f->settings.requirepass.text);
    mem_free(f->settings.availability_zone.text);
    bytes_free(&f->input);
    bytes_free(&f->reply);
    bytes_free(&f->events);
    bytes_free(&f->logged);
    mem_thread_leave();
}

UNUSED static void fixture_append_arg(struct bytes *out, struct slice arg)
{
    bytes_printf(out, "$%zu\r\n", arg.len);
    bytes_append(out, arg.data, arg.len);
    bytes_append_str(out, "\r\n");
}

/* Feeds bytes and collects the reply, references included. */
UNUSED static const char *fixture_feed(struct engine_fixture *f, struct bytes *input)
{
    size_t consumed, wanted, at = 0;
    f->reply.len = 0;
    lane_turn(&f->lane);
    enum feed_result result =
        lane_feed(&f->lane, &f->client, input->data, input->len, &consumed, &wanted);
    if (result != FEED_MORE || consumed != input->len)
        PANIC("input was not run: result %d, %zu of %zu bytes", (int)result, consumed, input->len);
    struct reply_buffer *r = &f->lane.reply;
    for (uint32_t i = 0; i < r->reference_count; i++) {
        bytes_append(&f->reply, r->bytes.data + at, r->references[i].at - at);
        bytes_append(&f->reply, r->references[i].body.data, r->references[i].body.len);
        at = r->references[i].at;
    }
    bytes_append(&f->reply, r->bytes.data + at, r->bytes.len - at);
    reply_buffer_clear(r);
    return bytes_str(&f->reply);
}

/* Runs one command; the reply is valid until the next. */
UNUSED static const char *fixture_run(struct engine_fixture *f, const char *line)
{
    struct slice *args;
    int count = split_line(slice_str(line), &args);
    if (count <= 0)
        PANIC("not a command line: %s", line);
    f->input.len = 0;
    bytes_printf(&f->input, "*%d\r\n", count);
    for (int i = 0; i < count; i++)
        fixture_append_arg(&f->input, args[i]);
    mem_free(args);
    return fixture_feed(f, &f->input);
}

/* Removes from `text` what a reader of a test need not see: RESP's frame around each word. */
UNUSED static void fixture_append_log(struct bytes *out, const char *p, const char *end)
{
    while (p < end) {
        long count = strtol(p + 1, (char **)&p, 10);
        size_t start = out->len;
        p += 2;
        for (long i = 0; i < count; i++) {
            long len = strtol(p + 1, (char **)&p, 10);
            bytes_append_str(out, i ? " " : out->len ? "; " : "");
            bytes_append(out, p + 2, (size_t)len);
            p += 2 + len + 2;
        }
        if (out->len - start >= 6 && strstr(bytes_str(out) + start, "SELECT "))
            out->len = start;
    }
}

/* What was logged since the last time: "SET a 1; DEL b". SELECT is left out. */
UNUSED static const char *fixture_log(struct engine_fixture *f)
{
    struct bytes raw = {0};
    struct slice part;
    while ((part = plog_peek(f->log)).len) {
        bytes_append(&raw, part.data, part.len);
        plog_advance(f->log, part.len);
    }
    f->logged.len = 0;
    fixture_append_log(&f->logged, raw.data, raw.data + raw.len);
    bytes_free(&raw);
    return bytes_str(&f->logged);
}

/* Events since the last time: "$:set:a g:expire:a". */
UNUSED static const char *fixture_events(struct engine_fixture *f)
{
    static char copy[4096];
    snprintf(copy, sizeof copy, "%.*s", (int)f->events.len, f->events.len ? f->events.data : "");
    f->events.len = 0;
    return copy;
}

/* What Redis calls dirty, since the last time. */
UNUSED static uint64_t fixture_dirty(struct engine_fixture *f)
{
    uint64_t before = f->dirty_seen;
    f->dirty_seen = f->lane.stats.dirty;
    return f->dirty_seen - before;
}

/* An empty keyspace, nothing logged, no events. */
UNUSED static void fixture_reset(struct engine_fixture *f)
{
    fixture_take(HOLD_ALL, fixture_flush);
    fixture_log(f);
    fixture_events(f);
    fixture_dirty(f);
    f->settings.proto_max_bulk_len = 512 * 1024 * 1024;
    f->client.resp = 2;
    f->client.db = 0;
}

/* What OBJECT ENCODING would say of a key in database 0, or "none". */
UNUSED static const char *fixture_encoding(struct engine_fixture *f, const char *name)
{
    struct key key = keyspace_key(f->server.seed, 0, slice_str(name));
    struct hold hold = {.keyspace = f->server.keyspace,
                        .now_ms = clock_wall_ms(),
                        .stats = &f->lane.stats.keyspace,
                        .owner = &f->lane};
    hold_take(&hold, shard_bit(key.hash));
    const struct entry *e = keyspace_find(&hold, &key, FIND_PEEK);
    const char *encoding = e ? value_encoding_name(entry_encoding(e)) : "none";
    hold_drop(&hold);
    return encoding;
}

/* A key of another type as far as string commands can see: none of them looks into it. */
UNUSED static void fixture_make_list(struct engine_fixture *f, const char *name)
{
    struct key key = keyspace_key(f->server.seed, 0, slice_str(name));
    struct hold hold = {.keyspace = f->server.keyspace,
                        .now_ms = clock_wall_ms(),
                        .stats = &f->lane.stats.keyspace,
                        .owner = &f->lane};
    hold_take(&hold, shard_bit(key.hash));
    struct value list = list_new();
    list_push(&list, &value_limits_default, &SLICE("x"), 1, false);
    keyspace_put_value(&hold, &key, keyspace_find(&hold, &key, FIND_PEEK), list, EXPIRE_NONE);
    hold_drop(&hold);
}

/* Checks of one command. Reply texts are written without the last CR LF: "+OK", "$-1", ":1". */
UNUSED static bool fixture_replies(struct engine_fixture *f, const char *line, const char *wanted)
{
    const char *reply = fixture_run(f, line);
    size_t len = strlen(wanted);
    return f->reply.len == len + 2 && memcmp(reply, wanted, len) == 0 &&
           memcmp(reply + len, "\r\n", 2) == 0;
}

#define EXPECT(f, line, wanted)                                                                    \
    do {                                                                                           \
        if (!fixture_replies(f, line, wanted))                                                     \
            fail_msg("%s\nwanted %s\ngot    %s", line, wanted, bytes_str(&(f)->reply));            \
    } while (0)
/* The value of a bulk string. */
#define EXPECT_BULK(f, line, value)                                                                \
    do {                                                                                           \
        char wanted_bulk[4096];                                                                    \
        snprintf(wanted_bulk, sizeof wanted_bulk, "$%zu\r\n%s", strlen(value), value);             \
        EXPECT(f, line, wanted_bulk);                                                              \
    } while (0)
#define EXPECT_LOG(f, wanted)    assert_string_equal(fixture_log(f), wanted)
#define EXPECT_EVENTS(f, wanted) assert_string_equal(fixture_events(f), wanted)
#define EXPECT_DIRTY(f, wanted)  assert_int_equal(fixture_dirty(f), wanted)

#define WRONG_TYPE  "-WRONGTYPE Operation against a key holding the wrong kind of value"
#define NOT_INTEGER "-ERR value is not an integer or out of range"
#define SYNTAX      "-ERR syntax error"

#endif
