/* stream_read.c - reading several streams from given ids on, or as a consumer of a group, and
 * waiting for what is not there yet: XREAD, XREADGROUP.
 *
 * A handler that waits is run again when something happened to a key, so nothing is kept: it asks
 * for "what is behind this id" each time. "$" would mean another id then and gives way to the one
 * that it meant first. Waiting as a consumer ends with an error when the key goes or becomes
 * something else, or the group goes, because the first thing looked at is whether they are there.
 *
 * XREADGROUP is logged by what it led to, never as itself: the consumer if it is new, each entry
 * that is pending now (as XCLAIM), and how far the group is.
 */
#include "commands/stream.h"

#include "base/mem.h"
#include "engine/aside.h"
#include "engine/block.h"
#include "keyspace/pin.h"
#include "plog/plog.h"

/* ---- arguments ---- */

struct reading {
    bool as_group; /* XREADGROUP */
    bool no_ack, blocks;
    uint64_t until_us;
    uint64_t count;    /* 0: all */
    uint32_t group_at; /* of the group's name, behind which is the consumer's; 0: none yet */
    uint32_t keys_at;  /* 0: no STREAMS yet */
    uint32_t keys;     /* as many ids are behind them */
};

int stream_read_keys(uint32_t argc, const struct slice *argv, uint32_t *positions, uint16_t *flags,
                     uint32_t max)
{
    uint32_t at = 1;
    for (; at < argc && !slice_is(argv[at], "streams"); at++) {
        if (slice_is(argv[at], "block") || slice_is(argv[at], "count"))
            at += 1;
        else if (slice_is(argv[at], "group"))
            at += 2;
        else if (!slice_is(argv[at], "noack"))
            return 0;
    }
    if (at >= argc)
        return 0;
    uint32_t rest = argc - at - 1;
    if (rest == 0 || rest % 2 != 0 || rest / 2 > max)
        return 0;
    for (uint32_t i = 0; i < rest / 2; i++) {
        positions[i] = at + 1 + i;
        if (flags != NULL)
            flags[i] = KEY_RO | KEY_ACCESS;
    }
    return (int)(rest / 2);
}

static bool only_for_groups(struct call *call, const char *option)
{
    call_errorf(call,
                "ERR The %s option is only supported by XREADGROUP. You called XREAD instead.",
                option);
    return false;
}

static bool read_streams(struct call *call, uint32_t at, struct reading *out)
{
    uint32_t rest = call->argc - at - 1;
    if (rest % 2 != 0) {
        call_errorf(call,
                    "ERR Unbalanced '%s' list of streams: for each stream key an ID or '%c' must "
                    "be specified.",
                    call->command->name, out->as_group ? '>' : '$');
        return false;
    }
    out->keys_at = at + 1;
    out->keys = rest / 2;
    return true;
}

/* The options up to STREAMS: false after replying an error. */
static bool read_options(struct call *call, bool as_group, struct reading *out)
{
    *out = (struct reading){.as_group = as_group};
    for (uint32_t at = 1; at < call->argc && out->keys_at == 0; at++) {
        struct slice word = call->argv[at];
        uint32_t more = call->argc - at - 1;
        if (more >= 1 && slice_is(word, "block")) {
            if (!call_block_until(call, call->argv[++at], true, &out->until_us))
                return false;
            out->blocks = true;
        } else if (more >= 1 && slice_is(word, "count")) {
            int64_t count;
            if (!call_i64(call, ++at, &count, NULL))
                return false;
            out->count = (uint64_t)MAX_OF(count, 0);
        } else if (more >= 1 && slice_is(word, "streams")) {
            if (!read_streams(call, at, out))
                return false;
        } else if (more >= 2 && slice_is(word, "group")) {
            if (!as_group)
                return only_for_groups(call, "GROUP");
            out->group_at = at + 1;
            at += 2;
        } else if (slice_is(word, "noack")) {
            if (!as_group)
                return only_for_groups(call, "NOACK");
            out->no_ack = true;
        } else {
            call_syntax_error(call);
            return false;
        }
    }
    if (out->keys_at == 0)
        call_syntax_error(call);
    else if (as_group && out->group_at == 0)
        call_error(call, "ERR Missing GROUP option for XREADGROUP");
    return out->keys_at != 0 && (!as_group || out->group_at != 0);
}

/* ---- where to read ---- */

#define SOURCES_AT_ONCE 8

struct source {
    struct stream_of_group of; /* without a group for XREAD */
    struct stream_id after;
    bool fresh;    /* ">": what was not delivered to the group yet */
    bool was_last; /* "$" */
};

static bool find_source(struct call *call, const struct reading *r, uint32_t i, struct source *out)
{
    out->of.key = call_key(call, r->keys_at + i);
    out->of.stream = NULL;
    out->of.group = NULL;
    if (!stream_find(call, &out->of.key, FIND_READ, &out->of.entry))
        return false;
    if (out->of.entry != NULL)
        out->of.stream = stream_of(entry_value(out->of.entry));
    if (!r->as_group)
        return true;
    struct slice group = call->argv[r->group_at];
    if (out->of.stream != NULL)
        out->of.group = stream_group_find(out->of.stream, group);
    if (out->of.group == NULL)
        call_errorf(call,
                    "NOGROUP No such key '%.*s' or consumer group '%.*s' in XREADGROUP with GROUP "
                    "option",
                    (int)out->of.key.name.len, out->of.key.name.data, (int)group.len, group.data);
    return out->of.group != NULL;
}

static bool meaningless(struct call *call, char id)
{
    call_errorf(call,
                "ERR The %c ID is meaningless in the context of XREADGROUP: you want to read the "
                "history of this consumer by specifying a proper ID, or use the > ID to get new "
                "messages. The %c ID would just return an empty result set.",
                id, id);
    return false;
}

/* The id of a source; the highest there is means ">" to XREADGROUP. */
static bool read_source_id(struct call *call, const struct reading *r, uint32_t i,
                           struct source *out)
{
    struct slice text = call->argv[r->keys_at + r->keys + i];
    const struct stream *s = out->of.stream;
    out->fresh = false;
    out->was_last = slice_eq(text, SLICE("$"));
    out->after = STREAM_ID_MIN;
    if (out->was_last) {
        if (r->as_group)
            return meaningless(call, '$');
        out->after = s != NULL ? s->last_id : STREAM_ID_MIN;
    } else if (slice_eq(text, SLICE(">"))) {
        out->fresh = r->as_group;
        if (!r->as_group)
            call_error(call, "ERR The > ID can be specified only when calling XREADGROUP using the "
                             "GROUP <group> <consumer> option.");
        return r->as_group;
    } else if (slice_eq(text, SLICE("+"))) {
        if (r->as_group)
            return meaningless(call, '+');
        if (s != NULL && stream_edge(s, true, &out->after))
            (void)stream_id_decrement(&out->after);
    } else {
        if (!stream_read_id(call, text, 0, &out->after))
            return false;
        out->fresh = r->as_group && stream_id_compare(out->after, STREAM_ID_MAX) == 0;
    }
    return true;
}

static bool read_sources(struct call *call, const struct reading *r, struct source *sources)
{
    for (uint32_t i = 0; i < r->keys; i++)
        if (!find_source(call, r, i, &sources[i]) || !read_source_id(call, r, i, &sources[i]))
            return false;
    return true;
}

/* Whether a stream is read twice: by the second time the first one has changed it. */
static bool has_twice(const struct reading *r, const struct source *sources)
{
    for (uint32_t i = 0; i < MIN_OF(r->keys, PINS_MAX); i++)
        for (uint32_t j = 0; j < i; j++)
            if (sources[i].of.stream == sources[j].of.stream)
                return true;
    return false;
}

/* Whether the stream has an entry behind that id. */
static bool has_after(const struct stream *s, struct stream_id id)
{
    struct stream_id top;
    return s->length != 0 && stream_id_compare(s->last_id, id) > 0 && stream_edge(s, true, &top) &&
           stream_id_compare(top, id) > 0;
}

/* ---- reading ---- */

/* As what the group's consumer is to get of a source. */
static void delivery_of(const struct call *call, const struct reading *r,
                        const struct source *source, struct stream_delivery *out)
{
    out->of = &source->of;
    out->consumer = call->argv[r->group_at + 1];
    out->after = source->after;
    out->count = r->count;
    out->fresh = source->fresh;
    out->no_ack = r->no_ack;
}

/* One stream's part of the reply: d, if given, is done apart. False: there is nothing to say. */
static bool serve(struct call *call, const struct reading *r, struct source *source,
                  struct stream_delivery *d, bool first, size_t *mark)
{
    const struct stream_of_group *of = &source->of;
    struct stream_delivery at_once;
    bool apart = d != NULL;
    if (of->stream == NULL)
        return false;
    if (r->as_group) {
        d = apart ? d : &at_once;
        delivery_of(call, r, source, d);
        stream_delivery_begin(call, d, apart);
        if (source->fresh && !has_after(of->stream, of->group->last_id))
            return false;
    } else if (!has_after(of->stream, source->after)) {
        return false;
    }
    if (first)
        *mark = reply_array_deferred(call->reply);
    if (!call->reply->resp3)
        reply_array(call->reply, 2);
    reply_bulk(call->reply, of->key.name);
    if (r->as_group) {
        stream_delivery_reply(call, d);
    } else {
        struct stream_id from = source->after;
        stream_id_increment(&from);
        stream_reply_range(call, of->stream, from, STREAM_ID_MAX, r->count, false);
    }
    return true;
}

/* All of the reply, unless there is nothing: false. */
static bool serve_all(struct call *call, const struct reading *r, struct source *sources,
                      struct stream_delivery *apart)
{
    size_t served = 0, mark = 0;
    for (uint32_t i = 0; i < r->keys; i++)
        served += serve(call, r, &sources[i], apart != NULL ? &apart[i] : NULL, served == 0, &mark);
    if (served != 0 && call->reply->resp3)
        reply_map_patch(call->reply, mark, served);
    else if (served != 0)
        reply_array_patch(call->reply, mark, served);
    return served != 0;
}

/* ---- very many entries ---- */

/* How many entries are likely to be read of it. */
static uint64_t size_of(const struct call *call, const struct reading *r,
                        const struct source *source)
{
    if (r->as_group) {
        struct stream_delivery d;
        delivery_of(call, r, source, &d);
        return stream_delivery_size(&d);
    }
    uint64_t all = stream_likely_entries(source->of.stream, source->after, STREAM_ID_MAX);
    return r->count != 0 ? MIN_OF(r->count, all) : all;
}

/* What is read of very many entries runs aside: true if it was sent there. With BLOCK it does not:
 * it might find nothing there, and could not wait. */
static bool read_aside(struct call *call, const struct reading *r, const struct source *sources)
{
    uint64_t enough = RELAXED_LOAD(&call->server->aside_from);
    if (r->blocks || (!call->aside && r->count != 0 && r->count < enough / r->keys))
        return false;
    struct value values[PINS_MAX];
    uint32_t count = 0;
    uint64_t entries = 0;
    for (uint32_t i = 0; i < r->keys; i++) {
        const struct stream_of_group *of = &sources[i].of;
        if (of->stream == NULL || (!r->as_group && !has_after(of->stream, sources[i].after)))
            continue;
        entries += size_of(call, r, &sources[i]);
        if (count < PINS_MAX)
            values[count] = entry_value(of->entry);
        count++;
    }
    if (count == 0)
        return false;
    if (call_aside(call, entries))
        return true;
    if (call->aside && !(r->as_group && has_twice(r, sources)))
        call_let_go(call, values, count);
    return false;
}

/* As a consumer, while the shards are let go; what it changes is put in when they are held again.
 */
static void deliver_apart(struct call *call, const struct reading *r, struct source *sources)
{
    struct stream_delivery *apart = mem_alloc(r->keys * sizeof *apart);
    bool logged = plog_is_active(call->server->plog);
    bool any = serve_all(call, r, sources, apart), same = call_take_back(call);
    bool again = same && !logged && plog_is_active(call->server->plog); /* the log begins */
    for (uint32_t i = 0; i < r->keys; i++) {
        if (same && !again)
            stream_delivery_apply(call, &apart[i]);
        else
            stream_delivery_free(&apart[i]);
    }
    if (again) {
        reply_buffer_clear(call->reply);
        any = read_sources(call, r, sources) && serve_all(call, r, sources, NULL);
    }
    if (same && !any && !call->failed)
        reply_null_array(call->reply);
    mem_free(apart);
}

/* Waits until something happens to one of the streams. */
static void wait_for_more(struct call *call, const struct reading *r, const struct source *sources)
{
    struct block_options options = {
        .type = TYPE_STREAM, .on_removal = r->as_group, .until_us = r->until_us};
    bool last = false;
    for (uint32_t i = 0; i < r->keys; i++)
        last |= sources[i].was_last;
    struct slice *argv = NULL;
    if (last) {
        argv = mem_alloc(call->argc * (sizeof *argv + STREAM_ID_TEXT));
        char *text = (char *)(argv + call->argc);
        memcpy(argv, call->argv, call->argc * sizeof *argv);
        for (uint32_t i = 0; i < r->keys; i++, text += STREAM_ID_TEXT)
            if (sources[i].was_last)
                argv[r->keys_at + r->keys + i] =
                    slice_of(text, stream_id_print(text, sources[i].after));
        options.argv = argv;
    }
    call_block(call, &options);
    mem_free(argv);
}

static void serve_nothing(struct call *call, const struct reading *r, const struct source *sources)
{
    if (r->blocks && call_may_block(call))
        wait_for_more(call, r, sources);
    else
        reply_null_array(call->reply);
}

static void read_command(struct call *call, bool as_group)
{
    struct reading r;
    if (!read_options(call, as_group, &r))
        return;
    struct source room[SOURCES_AT_ONCE], *sources = room;
    if (r.keys > SOURCES_AT_ONCE)
        sources = mem_alloc(r.keys * sizeof *sources);
    if (read_sources(call, &r, sources) && !read_aside(call, &r, sources)) {
        if (as_group)
            call_effect_none(call);
        if (as_group && call->aside == ASIDE_LET_GO)
            deliver_apart(call, &r, sources);
        else if (!serve_all(call, &r, sources, NULL))
            serve_nothing(call, &r, sources);
    }
    if (sources != room)
        mem_free(sources);
}

void stream_xread(struct call *call)
{
    read_command(call, false);
}

void stream_xreadgroup(struct call *call)
{
    read_command(call, true);
}
