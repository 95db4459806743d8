/* stream.c - streams: what their commands share, and XLEN, XRANGE, XREVRANGE, XSETID. */
#include "commands/stream.h"

#include "base/mem.h"
#include "base/number.h"
#include "engine/aside.h"
#include "plog/plog.h"

/* ---- finding and changing ---- */

struct stream *stream_edit(struct call *call, const struct key *key, struct entry *entry)
{
    struct value value = keyspace_edit_value(&call->hold, key, entry);
    keyspace_value_edited(entry, value);
    return stream_of(value);
}

bool stream_find_group(struct call *call, uint32_t at, unsigned how, struct stream_of_group *out)
{
    out->key = call_key(call, at);
    out->stream = NULL;
    out->group = NULL;
    if (!stream_find(call, &out->key, how, &out->entry))
        return false;
    if (out->entry != NULL) {
        out->stream = stream_of(entry_value(out->entry));
        out->group = stream_group_find(out->stream, call->argv[at + 1]);
    }
    return true;
}

bool stream_need_group(struct call *call, uint32_t at, unsigned how, struct stream_of_group *out)
{
    if (!stream_find_group(call, at, how, out))
        return false;
    if (out->group != NULL)
        return true;
    call_errorf(call, "NOGROUP No such key '%.*s' or consumer group '%.*s'",
                (int)call->argv[at].len, call->argv[at].data, (int)call->argv[at + 1].len,
                call->argv[at + 1].data);
    return false;
}

void stream_wrong_subcommand(struct call *call)
{
    bool info = slice_is(call->argv[0], "xinfo");
    call_errorf(call,
                "ERR unknown subcommand or wrong number of arguments for '%.*s'. Try %s HELP.",
                (int)MIN_OF(call->argv[1].len, 128), call->argv[1].data, info ? "XINFO" : "XGROUP");
}

/* ---- ids ---- */

static bool not_an_id(struct call *call)
{
    call_error(call, "ERR Invalid stream ID specified as stream command argument");
    return false;
}

bool stream_read_id(struct call *call, struct slice text, uint64_t missing_seq,
                    struct stream_id *out)
{
    return stream_id_parse(text, missing_seq, false, out) != STREAM_ID_BAD || not_an_id(call);
}

bool stream_read_id_or_end(struct call *call, struct slice text, uint64_t missing_seq,
                           struct stream_id *out)
{
    bool lowest = slice_is(text, "-"), highest = slice_is(text, "+");
    if (!lowest && !highest)
        return stream_read_id(call, text, missing_seq, out);
    *out = lowest ? STREAM_ID_MIN : STREAM_ID_MAX;
    return true;
}

bool stream_read_bound(struct call *call, struct slice text, bool upper, struct stream_id *out)
{
    uint64_t missing_seq = upper ? UINT64_MAX : 0;
    if (text.len <= 1 || text.data[0] != '(')
        return stream_read_id_or_end(call, text, missing_seq, out);
    if (!stream_read_id(call, slice_of(text.data + 1, text.len - 1), missing_seq, out))
        return false;
    if (upper ? stream_id_decrement(out) : stream_id_increment(out))
        return true;
    call_error(call, upper ? "ERR invalid end ID for the interval"
                           : "ERR invalid start ID for the interval");
    return false;
}

bool stream_read_ids(struct call *call, uint32_t at, struct stream_ids *out)
{
    out->count = call->argc - at;
    out->items = out->room;
    if (out->count > STREAM_IDS_AT_ONCE)
        out->items = mem_alloc(out->count * sizeof *out->items);
    for (uint32_t i = 0; i < out->count; i++) {
        if (!stream_read_id(call, call->argv[at + i], 0, &out->items[i])) {
            stream_free_ids(out);
            return false;
        }
    }
    return true;
}

void stream_free_ids(struct stream_ids *ids)
{
    if (ids->items != ids->room)
        mem_free(ids->items);
}

/* ---- replies ---- */

void stream_reply_id(struct call *call, struct stream_id id)
{
    char text[STREAM_ID_TEXT];
    reply_bulk(call->reply, slice_of(text, stream_id_print(text, id)));
}

void stream_reply_entry(struct call *call, struct stream_iterator *it,
                        const struct stream_entry *entry)
{
    reply_array(call->reply, 2);
    stream_reply_id(call, entry->id);
    reply_array(call->reply, entry->pairs * 2);
    for (size_t i = 0; i < entry->pairs; i++) {
        struct slice field, value;
        stream_pair(it, &field, &value);
        reply_bulk(call->reply, field);
        reply_bulk(call->reply, value);
    }
}

/* The length of the reply is known before if all of the stream is in the range. */
size_t stream_reply_range(struct call *call, const struct stream *s, struct stream_id from,
                          struct stream_id to, uint64_t count, bool reverse)
{
    struct stream_iterator it;
    struct stream_entry entry;
    uint64_t most = count != 0 ? MIN_OF(count, s->length) : s->length, n = 0;
    bool whole =
        stream_id_compare(from, s->first_id) <= 0 && stream_id_compare(to, s->last_id) >= 0;
    size_t mark = 0;
    if (whole)
        reply_array(call->reply, most);
    else
        mark = reply_array_deferred(call->reply);
    stream_seek(s, from, to, reverse, &it);
    for (; n < most && stream_next(&it, &entry); n++)
        stream_reply_entry(call, &it, &entry);
    if (!whole)
        reply_array_patch(call->reply, mark, n);
    return n;
}

/* ---- consumers ---- */

static bool is_logging(const struct call *call)
{
    return plog_is_active(call->server->plog);
}

struct stream_consumer *stream_use_consumer(struct call *call, const struct stream_of_group *of,
                                            struct slice name)
{
    struct stream_consumer *c = stream_consumer_find(of->group, name);
    if (c != NULL) {
        c->seen_ms = call->hold.now_ms;
        return c;
    }
    c = stream_consumer_create(of->group, name, call->hold.now_ms);
    stream_log_consumer(call, of, name);
    if (call->aside != ASIDE_LET_GO)
        stream_tell_consumer(call, &of->key);
    return c;
}

void stream_tell_consumer(struct call *call, const struct key *key)
{
    call_changed(call, 1);
    call_notify(call, 't', "xgroup-createconsumer", key);
}

/* No more than can be replied and logged. */
void stream_count_delivery(struct stream_nack *nack)
{
    nack->deliveries += nack->deliveries < INT64_MAX;
}

/* While loading it is the log that tells when. */
void stream_set_active(struct call *call, struct stream_consumer *c, int64_t delivered_ms)
{
    bool loading = (call->client->flags & CLIENT_INTERNAL) != 0;
    c->active_ms = loading ? delivered_ms : call->hold.now_ms;
    if (loading)
        c->seen_ms = delivered_ms;
}

/* ---- groups that are changed apart ---- */

#define COPIED_A_CHANGE 64 /* pending entries that are copied for each that changes, at most */

bool stream_worth_copying(const struct stream_group *g, uint64_t changes)
{
    return changes >= radix_count(&g->pending) / COPIED_A_CHANGE;
}

void stream_apart_begin(struct call *call, struct stream_of_group *of,
                        const struct stream_consumer *without, struct stream_apart *apart)
{
    apart->logged = is_logging(call);
    apart->copy = stream_group_copy(of->group, without);
    of->group = stream_group_find(apart->copy, stream_group_name(of->group));
}

struct entry *stream_entry_again(struct call *call, const struct key *key)
{
    return keyspace_find(&call->hold, key, FIND_PEEK);
}

enum stream_apart_end stream_apart_end(struct call *call, struct stream_of_group *of,
                                       struct stream_apart *apart)
{
    struct slice name = stream_group_name(of->group);
    bool same = call_take_back(call), again = same && !apart->logged && is_logging(call);
    if (!same) {
        value_free(stream_value(apart->copy));
        call->changes = 0;
        return STREAM_APART_VOID;
    }
    of->entry = stream_entry_again(call, &of->key);
    if (again) {
        of->group = stream_group_find(of->stream, name);
        keyspace_discard(&call->hold, stream_value(apart->copy), false);
        call->changes = 0;
        reply_buffer_clear(call->reply);
        return STREAM_APART_AGAIN;
    }
    stream_edit(call, &of->key, of->entry);
    stream_group_exchange(of->stream, apart->copy, name);
    const struct stream_group *before = stream_group_find(apart->copy, name);
    if (radix_count(&of->group->consumers) > radix_count(&before->consumers))
        stream_tell_consumer(call, &of->key);
    keyspace_discard(&call->hold, stream_value(apart->copy), false);
    return STREAM_APART_DONE;
}

/* ---- what is logged ---- */

void stream_log_consumer(struct call *call, const struct stream_of_group *of, struct slice name)
{
    struct slice argv[] = {SLICE("XGROUP"), SLICE("CREATECONSUMER"), of->key.name,
                           stream_group_name(of->group), name};
    if (is_logging(call))
        call_effect(call, COUNT_OF(argv), argv);
}

void stream_claims_begin(struct stream_claims *claims, struct call *call,
                         const struct stream_of_group *of, const struct stream_id *last_id)
{
    claims->call = is_logging(call) ? call : NULL;
    claims->of = of;
    claims->last_id = last_id;
    claims->count = 0;
}

/* What was loaded from elsewhere may be beyond what the options take. */
void stream_claims_end(struct stream_claims *claims)
{
    uint32_t argc = 0;
    struct slice argv[STREAM_CLAIMS_AT_ONCE + 13];
    char ids[STREAM_CLAIMS_AT_ONCE][STREAM_ID_TEXT], last_id[STREAM_ID_TEXT];
    char time[NUMBER_TEXT_MAX], count[NUMBER_TEXT_MAX];
    if (claims->call == NULL || claims->count == 0)
        return;
    argv[argc++] = SLICE("XCLAIM");
    argv[argc++] = claims->of->key.name;
    argv[argc++] = stream_group_name(claims->of->group);
    argv[argc++] = stream_consumer_name(claims->consumer);
    argv[argc++] = SLICE("0");
    for (uint32_t i = 0; i < claims->count; i++)
        argv[argc++] = slice_of(ids[i], stream_id_print(ids[i], claims->ids[i]));
    argv[argc++] = SLICE("TIME");
    argv[argc++] = slice_of(time, number_print_i64(time, MAX_OF(claims->delivered_ms, 0)));
    argv[argc++] = SLICE("RETRYCOUNT");
    argv[argc++] = slice_of(count, number_print_u64(count, MIN_OF(claims->deliveries, INT64_MAX)));
    argv[argc++] = SLICE("FORCE");
    argv[argc++] = SLICE("JUSTID");
    argv[argc++] = SLICE("LASTID");
    argv[argc++] = slice_of(last_id, stream_id_print(last_id, *claims->last_id));
    call_effect(claims->call, argc, argv);
    claims->count = 0;
}

void stream_claims_add_slow(struct stream_claims *claims, const struct stream_nack *nack)
{
    if (claims->count == STREAM_CLAIMS_AT_ONCE ||
        (claims->count != 0 &&
         (claims->consumer != nack->consumer || claims->delivered_ms != nack->delivered_ms ||
          claims->deliveries != nack->deliveries)))
        stream_claims_end(claims);
    claims->consumer = nack->consumer;
    claims->delivered_ms = nack->delivered_ms;
    claims->deliveries = nack->deliveries;
    claims->ids[claims->count++] = stream_nack_id(nack);
}

void stream_log_group_id(struct call *call, const struct stream_of_group *of,
                         struct stream_id last_id, int64_t entries_read)
{
    char id[STREAM_ID_TEXT], read[NUMBER_TEXT_MAX];
    struct slice argv[] = {
        SLICE("XGROUP"),
        SLICE("SETID"),
        of->key.name,
        stream_group_name(of->group),
        slice_of(id, stream_id_print(id, last_id)),
        SLICE("ENTRIESREAD"),
        slice_of(read, number_print_i64(read, MAX_OF(entries_read, STREAM_UNKNOWN)))};
    if (is_logging(call))
        call_effect(call, COUNT_OF(argv), argv);
}

void stream_log_ack(struct call *call, struct slice key, struct slice group, struct stream_id id)
{
    char text[STREAM_ID_TEXT];
    struct slice argv[] = {SLICE("XACK"), key, group, slice_of(text, stream_id_print(text, id))};
    call_effect(call, COUNT_OF(argv), argv);
}

void stream_log_delete(struct call *call, struct slice key, const struct stream_id *ids,
                       size_t count)
{
    if (count == 0 || !is_logging(call))
        return;
    struct slice *argv = mem_alloc((count + 2) * (sizeof *argv + STREAM_ID_TEXT));
    char *text = (char *)(argv + count + 2);
    argv[0] = SLICE("XDEL");
    argv[1] = key;
    for (size_t i = 0; i < count; i++, text += STREAM_ID_TEXT)
        argv[i + 2] = slice_of(text, stream_id_print(text, ids[i]));
    call_effect(call, (uint32_t)count + 2, argv);
    mem_free(argv);
}

/* ---- XLEN, XRANGE, XREVRANGE ---- */

void stream_xlen(struct call *call)
{
    struct key key = call_first_key(call);
    struct entry *entry;
    if (stream_find(call, &key, FIND_READ, &entry))
        reply_int(call->reply, entry ? (int64_t)stream_of(entry_value(entry))->length : 0);
}

uint64_t stream_likely_entries(const struct stream *s, struct stream_id from, struct stream_id to)
{
    uint64_t first = MAX_OF(from.ms, s->first_id.ms), last = MIN_OF(to.ms, s->last_id.ms);
    if (first > last)
        return 0;
    if (from.ms == to.ms && from.seq == to.seq)
        return 1;
    double all = (double)(s->last_id.ms - s->first_id.ms) + 1;
    return (uint64_t)((double)s->length * (((double)(last - first) + 1) / all));
}

static void reply_entries(struct call *call, struct value value, struct stream_id from,
                          struct stream_id to, uint64_t count, bool reverse)
{
    const struct stream *s = stream_of(value);
    if (call_aside(call, MIN_OF(count, stream_likely_entries(s, from, to))))
        return;
    call_let_go(call, &value, 1);
    stream_reply_range(call, s, from, to, MIN_OF(count, s->length), reverse);
}

static void range(struct call *call, bool reverse)
{
    struct key key = call_first_key(call);
    struct entry *entry;
    struct stream_id from, to;
    int64_t count = -1;
    if (!stream_read_bound(call, call->argv[reverse ? 3 : 2], false, &from) ||
        !stream_read_bound(call, call->argv[reverse ? 2 : 3], true, &to))
        return;
    for (uint32_t at = 4; at < call->argc; at += 2) {
        if (at + 1 == call->argc || !slice_is(call->argv[at], "count")) {
            call_syntax_error(call);
            return;
        }
        if (!call_i64(call, at + 1, &count, NULL))
            return;
        count = MAX_OF(count, 0);
    }
    if (!stream_find(call, &key, FIND_READ, &entry))
        return;
    if (entry == NULL)
        reply_array(call->reply, 0);
    else if (count == 0)
        reply_null_array(call->reply);
    else
        reply_entries(call, entry_value(entry), from, to, count < 0 ? UINT64_MAX : (uint64_t)count,
                      reverse);
}

void stream_xrange(struct call *call)
{
    range(call, false);
}

void stream_xrevrange(struct call *call)
{
    range(call, true);
}

/* ---- XSETID ---- */

struct setid {
    struct stream_id last, max_deleted; /* 0-0: not given */
    int64_t added;                      /* -1: not given */
};

static bool read_setid(struct call *call, struct setid *out)
{
    *out = (struct setid){.added = -1};
    if (!stream_read_id(call, call->argv[2], 0, &out->last))
        return false;
    for (uint32_t at = 3; at < call->argc; at += 2) {
        bool more = at + 1 < call->argc;
        if (more && slice_is(call->argv[at], "entriesadded")) {
            if (!call_i64(call, at + 1, &out->added, NULL))
                return false;
            if (out->added < 0) {
                call_error(call, "ERR entries_added must be positive");
                return false;
            }
        } else if (more && slice_is(call->argv[at], "maxdeletedid")) {
            if (!stream_read_id(call, call->argv[at + 1], 0, &out->max_deleted))
                return false;
            if (stream_id_compare(out->last, out->max_deleted) < 0) {
                call_error(call, "ERR The ID specified in XSETID is smaller than the provided "
                                 "max_deleted_entry_id");
                return false;
            }
        } else {
            call_syntax_error(call);
            return false;
        }
    }
    return true;
}

/* What is wrong with these for the stream, or NULL. Redis before 7.2 logs what it did not compare
 * with the highest deleted id. */
static const char *setid_error(const struct stream *s, const struct setid *new, bool loading)
{
    struct stream_id top;
    if (stream_id_compare(new->last, s->max_deleted_id) < 0 && !loading)
        return "ERR The ID specified in XSETID is smaller than current max_deleted_entry_id";
    if (!stream_edge(s, true, &top))
        return NULL;
    if (stream_id_compare(new->last, top) < 0)
        return "ERR The ID specified in XSETID is smaller than the target stream top item";
    if (new->added >= 0 && s->length > (uint64_t) new->added)
        return "ERR The entries_added specified in XSETID is smaller than the target stream length";
    return NULL;
}

void stream_xsetid(struct call *call)
{
    struct key key = call_first_key(call);
    struct entry *entry;
    struct setid new;
    if (!read_setid(call, &new) || !stream_find(call, &key, FIND_WRITE, &entry))
        return;
    bool loading = (call->client->flags & CLIENT_INTERNAL) != 0;
    const char *error = entry == NULL ? "ERR no such key"
                                      : setid_error(stream_of(entry_value(entry)), &new, loading);
    if (error != NULL) {
        call_error(call, error);
        return;
    }
    struct stream *s = stream_edit(call, &key, entry);
    s->last_id = new.last;
    if (new.added >= 0)
        s->entries_added = (uint64_t) new.added;
    if (!stream_id_is_zero(new.max_deleted))
        s->max_deleted_id = new.max_deleted;
    reply_ok(call->reply);
    call_changed(call, 1);
    call_notify(call, 't', "xsetid", &key);
}
