/* stream_add.c - adding to streams and trimming them: XADD, XTRIM.
 *
 * What is logged names the id that an entry was given, and how much was left by a trim that was not
 * exact, so that whoever reads the log comes to the same stream. A trim that looks at what groups
 * have pending (DELREF, ACKED) is logged by its results, in commands that older readers know: XTRIM
 * and XACK, or XDEL.
 */
#include "commands/stream.h"

#include "base/mem.h"
#include "base/number.h"
#include "engine/block.h"

/* ---- arguments ---- */

struct addition {
    bool auto_id, auto_seq; /* "*", "ms-*" */
    bool no_mkstream;
    bool trims, limited, has_policy;
    struct stream_trim trim;
    struct slice threshold; /* as it was given */
    struct stream_id id;
    uint32_t id_at;
};

static bool fail(struct call *call, const char *text)
{
    call_error(call, text);
    return false;
}

static const struct value_limits *limits_of(const struct call *call)
{
    return &keyspace_options(call->hold.keyspace)->limits;
}

/* MAXLEN or MINID at *at, with its sign and threshold; *at is left at the last of them. */
static bool read_threshold(struct call *call, bool by_id, uint32_t *at, struct addition *out)
{
    if (out->trims)
        return fail(call, "ERR syntax error, MAXLEN and MINID options at the same time are not "
                          "compatible");
    bool sign_possible = *at + 2 < call->argc;
    out->trim.approximate = sign_possible && slice_eq(call->argv[*at + 1], SLICE("~"));
    if (out->trim.approximate || (sign_possible && slice_eq(call->argv[*at + 1], SLICE("="))))
        ++*at;
    ++*at;
    out->trims = true;
    out->trim.by_id = by_id;
    out->threshold = call->argv[*at];
    if (by_id)
        return stream_read_id(call, out->threshold, 0, &out->trim.min_id);
    int64_t length;
    if (!call_i64(call, *at, &length, NULL))
        return false;
    if (length < 0)
        return fail(call, "ERR The MAXLEN argument must be >= 0.");
    out->trim.max_length = (uint64_t)length;
    return true;
}

static bool read_limit(struct call *call, uint32_t at, struct addition *out)
{
    int64_t limit;
    if (!call_i64(call, at, &limit, NULL))
        return false;
    if (limit < 0)
        return fail(call, "ERR The LIMIT argument must be >= 0.");
    out->trim.limit = (uint64_t)limit;
    out->limited = true;
    return true;
}

/* The id of the new entry, which is what ends XADD's options. */
static bool read_new_id(struct call *call, uint32_t at, struct addition *out)
{
    out->id_at = at;
    out->auto_id = slice_eq(call->argv[at], SLICE("*"));
    if (out->auto_id)
        return true;
    enum stream_id_form form = stream_id_parse(call->argv[at], 0, true, &out->id);
    out->auto_seq = form == STREAM_ID_MS_AND_ANY;
    return form != STREAM_ID_BAD ||
           fail(call, "ERR Invalid stream ID specified as stream command argument");
}

/* A trim that is not exact stops in time, unless it was told where. From the log it is exact, and
 * what Redis has left of the option there does not count. */
static bool check_limit(struct call *call, bool adds, struct addition *out)
{
    if (out->trim.limit != 0 && !out->trims)
        return fail(call, "ERR syntax error, LIMIT cannot be used without specifying a trimming "
                          "strategy");
    if (!adds && !out->trims)
        return fail(call, "ERR syntax error, XTRIM must be called with a trimming strategy");
    if (call->client->flags & CLIENT_INTERNAL) {
        out->trim.limit = 0;
    } else if (out->limited) {
        if (!out->trim.approximate)
            return fail(call, "ERR syntax error, LIMIT cannot be used without the special ~ "
                              "option");
    } else if (out->trim.approximate) {
        int64_t per_node = RELAXED_LOAD(&limits_of(call)->stream_node_max_entries);
        per_node = MIN_OF(per_node, 10000);
        out->trim.limit = per_node > 0 ? (uint64_t)per_node * 100 : 10000;
    }
    return true;
}

/* Options, and of XADD the id: false after replying an error. */
static bool read_options(struct call *call, bool adds, struct addition *out)
{
    *out = (struct addition){0};
    for (uint32_t at = 2; at < call->argc; at++) {
        struct slice word = call->argv[at];
        bool more = at + 1 < call->argc, by_id = false;
        if (adds && slice_eq(word, SLICE("*")))
            return read_new_id(call, at, out) && check_limit(call, adds, out);
        if (more && (slice_is(word, "maxlen") || (by_id = slice_is(word, "minid")))) {
            if (!read_threshold(call, by_id, &at, out))
                return false;
        } else if (more && slice_is(word, "limit")) {
            if (!read_limit(call, ++at, out))
                return false;
        } else if (adds && slice_is(word, "nomkstream")) {
            out->no_mkstream = true;
        } else if (!out->has_policy && stream_read_references(word, &out->trim.references)) {
            out->has_policy = true;
        } else if (adds) {
            return read_new_id(call, at, out) && check_limit(call, adds, out);
        } else {
            call_syntax_error(call);
            return false;
        }
    }
    return check_limit(call, adds, out);
}

/* ---- trimming ---- */

/* What is logged as the threshold of a trim that was not exact. */
static struct slice threshold_reached(const struct stream *s, bool by_id, char room[STREAM_ID_TEXT])
{
    struct stream_id first;
    if (!by_id)
        return slice_of(room, number_print_u64(room, s->length));
    if (!stream_edge(s, false, &first))
        first = STREAM_ID_MAX;
    return slice_of(room, stream_id_print(room, first));
}

static void log_trim(struct call *call, struct slice key, const struct stream *s,
                     const struct addition *args)
{
    char room[STREAM_ID_TEXT];
    struct slice argv[] = {
        SLICE("XTRIM"), key, args->trim.by_id ? SLICE("MINID") : SLICE("MAXLEN"), SLICE("="),
        args->trim.approximate ? threshold_reached(s, args->trim.by_id, room) : args->threshold};
    call_effect(call, COUNT_OF(argv), argv);
}

/* A trim that looks at what groups have pending. */
struct careful_trim {
    struct call *call;
    struct slice key;
    struct stream *stream;
    enum stream_references references;
    struct bytes gone; /* ids, with ACKED */
};

static void entry_goes(void *ctx, struct stream_id id)
{
    struct careful_trim *t = ctx;
    if (t->references == STREAM_DELETE_REFERENCES)
        stream_acknowledge_all(t->call, t->key, t->stream, id);
    else
        bytes_append(&t->gone, &id, sizeof id);
}

/* Trims and logs what became of it, and nothing else. With ACKED entries may stay before some that
 * go, so these count as deleted by id, here and where the log is read. */
static uint64_t trim_carefully(struct call *call, struct slice key, struct stream *s,
                               struct addition *args)
{
    struct careful_trim t = {call, key, s, args->trim.references, {0}};
    args->trim.going = entry_goes;
    args->trim.ctx = &t;
    uint64_t removed = stream_trim(s, &args->trim);
    if (t.gone.len != 0) {
        const struct stream_id *ids = (const struct stream_id *)(void *)t.gone.data;
        size_t count = t.gone.len / sizeof *ids;
        if (stream_id_compare(ids[count - 1], s->max_deleted_id) > 0)
            s->max_deleted_id = ids[count - 1];
        stream_log_delete(call, key, ids, count);
    } else if (removed != 0) {
        log_trim(call, key, s, args);
    }
    bytes_free(&t.gone);
    return removed;
}

/* ---- XADD ---- */

#define ARGS_AT_ONCE 32

/* Logs the entry with its id; of a trim that looks at no references, what it led to as well. */
static void log_entry(struct call *call, const struct stream *s, const struct addition *args,
                      bool with_trim)
{
    char id[STREAM_ID_TEXT], threshold[STREAM_ID_TEXT];
    struct slice room[ARGS_AT_ONCE], *argv = room;
    uint32_t argc = 0, rest = call->argc - args->id_at - 1;
    if (rest + 7 > ARGS_AT_ONCE)
        argv = mem_alloc((rest + 7) * sizeof *argv);
    argv[argc++] = SLICE("XADD");
    argv[argc++] = call->argv[1];
    if (args->no_mkstream)
        argv[argc++] = SLICE("NOMKSTREAM");
    if (with_trim) {
        argv[argc++] = args->trim.by_id ? SLICE("MINID") : SLICE("MAXLEN");
        argv[argc++] = SLICE("=");
        argv[argc++] = args->trim.approximate ? threshold_reached(s, args->trim.by_id, threshold)
                                              : args->threshold;
    }
    argv[argc++] = slice_of(id, stream_id_print(id, args->id));
    memcpy(argv + argc, call->argv + args->id_at + 1, rest * sizeof *argv);
    call_effect(call, argc + rest, argv);
    if (argv != room)
        mem_free(argv);
}

static bool too_low(struct call *call)
{
    return fail(call, "ERR The ID specified in XADD is equal or smaller than the target stream top "
                      "item");
}

/* Chooses the id where that is left to us. False after replying that it is none to add. */
static bool choose_id(struct call *call, const struct stream *s, struct addition *args)
{
    bool good = args->auto_id    ? stream_next_id(s, (uint64_t)call->hold.now_ms, &args->id)
                : args->auto_seq ? stream_next_seq(s, args->id.ms, &args->id)
                                 : stream_id_compare(args->id, s->last_id) > 0;
    return good || too_low(call);
}

/* Adds the entry: false after replying an error. */
static bool add(struct call *call, struct stream *s, const struct addition *args)
{
    uint32_t first = args->id_at + 1;
    switch (stream_add(s, limits_of(call), args->id, call->argv + first, call->argc - first)) {
    case STREAM_ADDED:
        return true;
    case STREAM_NOT_ABOVE:
        return too_low(call);
    case STREAM_TOO_LARGE:
        break;
    }
    return fail(call, "ERR Elements are too large to be stored");
}

/* The stream with the entry added, made and filed if there was none; NULL after another reply. */
static struct stream *add_to(struct call *call, const struct key *key, struct entry *entry,
                             struct addition *args)
{
    if (entry == NULL && args->no_mkstream) {
        reply_null(call->reply);
        return NULL;
    }
    if (entry == NULL) {
        struct stream *fresh = stream_new();
        if (choose_id(call, fresh, args) && add(call, fresh, args)) {
            keyspace_put_value(&call->hold, key, NULL, stream_value(fresh), EXPIRE_NONE);
            return fresh;
        }
        value_free(stream_value(fresh));
        return NULL;
    }
    struct stream *s = stream_of(entry_value(entry));
    if (stream_id_compare(s->last_id, STREAM_ID_MAX) == 0) {
        call_error(call, "ERR The stream has exhausted the last possible ID, unable to add more "
                         "items");
        return NULL;
    }
    if (!choose_id(call, s, args))
        return NULL;
    s = stream_edit(call, key, entry);
    return add(call, s, args) ? s : NULL;
}

/* Trims the stream if that was asked for, and logs what was done. */
static void trim_added(struct call *call, const struct key *key, struct stream *s,
                       struct addition *args)
{
    bool careful = args->trim.references != STREAM_KEEP_REFERENCES;
    uint64_t removed = 0;
    if (careful)
        log_entry(call, s, args, false);
    if (args->trims)
        removed = careful ? trim_carefully(call, key->name, s, args) : stream_trim(s, &args->trim);
    if (removed != 0)
        call_notify(call, 't', "xtrim", key);
    if (!careful && (args->auto_id || args->auto_seq || args->has_policy || args->trim.approximate))
        log_entry(call, s, args, args->trims);
}

void stream_xadd(struct call *call)
{
    struct key key = call_first_key(call);
    struct entry *entry;
    struct addition args;
    if (!read_options(call, true, &args))
        return;
    uint32_t rest = args.id_at != 0 ? call->argc - args.id_at - 1 : 0;
    if (rest < 2 || rest % 2 != 0) {
        call_wrong_arity(call);
        return;
    }
    if (!args.auto_id && !args.auto_seq && stream_id_is_zero(args.id)) {
        call_error(call, "ERR The ID specified in XADD must be greater than 0-0");
        return;
    }
    if (!stream_find(call, &key, FIND_WRITE, &entry))
        return;
    struct stream *s = add_to(call, &key, entry, &args);
    if (s == NULL)
        return;
    stream_reply_id(call, args.id);
    call_changed(call, 1);
    call_notify(call, 't', "xadd", &key);
    trim_added(call, &key, s, &args);
    if (entry != NULL)
        call_ready(call, &key);
}

/* ---- XTRIM ---- */

/* False: nothing would go. */
static bool may_trim(const struct stream *s, const struct stream_trim *how)
{
    return how->by_id ? stream_id_compare(s->first_id, how->min_id) < 0 && s->length != 0
                      : s->length > how->max_length;
}

void stream_xtrim(struct call *call)
{
    struct key key = call_first_key(call);
    struct entry *entry;
    struct addition args;
    if (!read_options(call, false, &args) || !stream_find(call, &key, FIND_WRITE, &entry))
        return;
    uint64_t removed = 0;
    if (entry != NULL) {
        struct stream *s = stream_of(entry_value(entry));
        if (may_trim(s, &args.trim))
            stream_edit(call, &key, entry);
        bool careful = args.trim.references != STREAM_KEEP_REFERENCES;
        removed = careful ? trim_carefully(call, key.name, s, &args) : stream_trim(s, &args.trim);
        if (!careful && (args.has_policy || args.trim.approximate))
            log_trim(call, key.name, s, &args);
        if (removed != 0) {
            call_changed(call, removed);
            call_notify(call, 't', "xtrim", &key);
        }
    }
    reply_int(call->reply, (int64_t)removed);
}
