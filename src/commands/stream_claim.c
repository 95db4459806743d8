/* stream_claim.c - entries that were delivered and not acknowledged: XPENDING, XCLAIM, XAUTOCLAIM.
 *
 * A claim is logged for each entry by what it led to, whoever had it before and however idle it
 * was, so that it may be loaded any number of times. So is that an entry is pending no more because
 * it was deleted: whoever reads the log finds the same.
 */
#include "commands/stream.h"

#include "engine/aside.h"

/* False after replying `error`. What is negative is 0. */
static bool read_natural(struct call *call, uint32_t at, int64_t *out, const char *error)
{
    if (!call_i64(call, at, out, error))
        return false;
    *out = MAX_OF(*out, 0);
    return true;
}

static int64_t idle_ms(const struct call *call, const struct stream_nack *nack)
{
    return stream_ms_since(call, nack->delivered_ms);
}

/* ---- XPENDING ---- */

static void reply_summary(struct call *call, const struct stream_group *g)
{
    struct radix_cursor at;
    const struct stream_consumer *c;
    reply_array(call->reply, 4);
    reply_int(call->reply, (int64_t)radix_count(&g->pending));
    if (radix_count(&g->pending) == 0) {
        reply_null(call->reply);
        reply_null(call->reply);
        reply_null_array(call->reply);
        return;
    }
    radix_first(&g->pending, &at);
    stream_reply_id(call, stream_nack_id(stream_pending_next(&at)));
    radix_last(&g->pending, &at);
    stream_reply_id(call, stream_nack_id(stream_pending_prev(&at)));
    size_t mark = reply_array_deferred(call->reply), n = 0;
    radix_first(&g->consumers, &at);
    while ((c = stream_consumer_next(&at)) != NULL) {
        if (radix_count(&c->pending) == 0)
            continue;
        reply_array(call->reply, 2);
        reply_bulk(call->reply, stream_consumer_name(c));
        reply_bulk_int(call->reply, (int64_t)radix_count(&c->pending));
        n++;
    }
    reply_array_patch(call->reply, mark, n);
}

struct pending_range {
    struct stream_id from, to;
    int64_t count, min_idle_ms;
    uint32_t consumer_at; /* 0: of all consumers */
};

/* [IDLE ms] from to count [consumer] */
static bool read_range(struct call *call, struct pending_range *out)
{
    uint32_t at = 3;
    *out = (struct pending_range){0};
    if (slice_is(call->argv[3], "idle")) {
        if (!call_i64(call, 4, &out->min_idle_ms, NULL))
            return false;
        if (call->argc < 8) {
            call_syntax_error(call);
            return false;
        }
        at = 5;
    }
    if (!read_natural(call, at + 2, &out->count, NULL) ||
        !stream_read_bound(call, call->argv[at], false, &out->from) ||
        !stream_read_bound(call, call->argv[at + 1], true, &out->to))
        return false;
    if (at + 3 < call->argc)
        out->consumer_at = at + 3;
    return true;
}

/* The pending entries that a range is of; NULL: there is no such consumer. */
static const struct radix *pending_of(const struct call *call, const struct stream_group *g,
                                      const struct pending_range *range)
{
    if (range->consumer_at == 0)
        return &g->pending;
    const struct stream_consumer *c = stream_consumer_find(g, call->argv[range->consumer_at]);
    return c != NULL ? &c->pending : NULL;
}

/* How many are likely to be looked at. */
static uint64_t size_of(const struct radix *pending, const struct pending_range *range)
{
    if (stream_id_compare(range->from, range->to) >= 0)
        return 1;
    uint64_t all = radix_count(pending);
    return range->min_idle_ms != 0 ? all : MIN_OF((uint64_t)range->count, all);
}

static void reply_range(struct call *call, const struct radix *pending,
                        const struct pending_range *range)
{
    struct radix_cursor at;
    const struct stream_nack *nack;
    size_t mark = reply_array_deferred(call->reply);
    int64_t n = 0;
    stream_pending_seek(pending, range->from, &at);
    while (n < range->count && (nack = stream_pending_next(&at)) != NULL &&
           stream_id_compare(stream_nack_id(nack), range->to) <= 0) {
        if (range->min_idle_ms != 0 && idle_ms(call, nack) < range->min_idle_ms)
            continue;
        reply_array(call->reply, 4);
        stream_reply_id(call, stream_nack_id(nack));
        reply_bulk(call->reply, stream_consumer_name(nack->consumer));
        reply_int(call->reply, idle_ms(call, nack));
        reply_int(call->reply, (int64_t)nack->deliveries);
        n++;
    }
    reply_array_patch(call->reply, mark, (size_t)n);
}

void stream_xpending(struct call *call)
{
    struct stream_of_group of;
    struct pending_range range;
    bool summary = call->argc == 3;
    if (!summary && (call->argc < 6 || call->argc > 9)) {
        call_syntax_error(call);
        return;
    }
    if ((!summary && !read_range(call, &range)) || !stream_need_group(call, 1, FIND_READ, &of))
        return;
    struct value value = stream_value(of.stream);
    const struct radix *pending = summary ? NULL : pending_of(call, of.group, &range);
    if (!summary && pending == NULL) {
        reply_array(call->reply, 0);
        return;
    }
    if (call_aside(call, summary ? radix_count(&of.group->consumers) : size_of(pending, &range)))
        return;
    call_let_go(call, &value, 1);
    if (summary)
        reply_summary(call, of.group);
    else
        reply_range(call, pending, &range);
}

/* ---- what XCLAIM and XAUTOCLAIM share ---- */

/* A consumer claims entries of one stream after the other. */
struct claiming {
    struct stream_of_group of;
    struct stream_consumer *consumer;
    struct stream_claims claims;
    struct stream_iterator it;
    struct stream_entry entry; /* of `it` */
    struct stream_id last;     /* looked for */
    bool only_id;              /* JUSTID */
};

static void claiming_begin(struct call *call, struct claiming *c)
{
    c->consumer = stream_use_consumer(call, &c->of, call->argv[3]);
    c->entry.pairs = 0;
    c->last = STREAM_ID_MIN;
    stream_claims_begin(&c->claims, call, &c->of, &c->of.group->last_id);
}

/* Whether the stream has it; then it is the iterator's. */
static bool find_entry(struct claiming *c, struct stream_id id)
{
    if (stream_id_compare(id, c->last) <= 0)
        c->entry.pairs = 0;
    c->last = id;
    return stream_find_on(c->of.stream, &c->it, id, &c->entry);
}

/* The one that was found, all of it or its id; it is the consumer's now. */
static void reply_claimed(struct call *call, struct claiming *c, const struct stream_nack *nack)
{
    stream_set_active(call, c->consumer, nack->delivered_ms);
    if (c->only_id)
        stream_reply_id(call, c->entry.id);
    else
        stream_reply_entry(call, &c->it, &c->entry);
    stream_claims_add(&c->claims, nack);
    call_changed(call, 1);
}

/* An entry that was deleted is pending no more. */
static void forget(struct call *call, struct claiming *c, struct stream_nack *nack)
{
    stream_claims_add(&c->claims, nack);
    call_changed(call, 1);
    stream_pending_delete(c->of.group, nack);
}

/* ---- XCLAIM ---- */

struct claim {
    int64_t min_idle_ms, time_ms; /* time_ms: when it is to count as delivered */
    int64_t retries;              /* -1: counted on */
    bool force, only_id;
    struct stream_id last_id;
    uint32_t ids_end; /* the ids are the arguments from 5 up to this one */
};

/* An option and its value; *at is left at the last argument that was read. */
static bool read_claim_option(struct call *call, uint32_t *at, struct claim *out, bool *timed)
{
    struct slice word = call->argv[*at];
    bool more = *at + 1 < call->argc;
    if (slice_is(word, "force")) {
        out->force = true;
    } else if (slice_is(word, "justid")) {
        out->only_id = true;
    } else if (more && slice_is(word, "idle")) {
        if (!call_i64(call, ++*at, &out->time_ms, "ERR Invalid IDLE option argument for XCLAIM"))
            return false;
        out->time_ms = (int64_t)((uint64_t)call->hold.now_ms - (uint64_t)out->time_ms);
        *timed = true;
    } else if (more && slice_is(word, "time")) {
        *timed = true;
        return call_i64(call, ++*at, &out->time_ms, "ERR Invalid TIME option argument for XCLAIM");
    } else if (more && slice_is(word, "retrycount")) {
        return call_i64(call, ++*at, &out->retries,
                        "ERR Invalid RETRYCOUNT option argument for XCLAIM");
    } else if (more && slice_is(word, "lastid")) {
        return stream_read_id(call, call->argv[++*at], 0, &out->last_id);
    } else {
        call_errorf(call, "ERR Unrecognized XCLAIM option '%.*s'", (int)word.len, word.data);
        return false;
    }
    return true;
}

/* A time in the future, or before 1970, is now: clients count back from clocks of their own. While
 * loading the log's clock counts. */
static bool read_claim(struct call *call, struct claim *out)
{
    struct stream_id id;
    uint32_t at = 5;
    bool timed = false;
    int64_t now = call->hold.now_ms;
    *out = (struct claim){.retries = -1};
    if (!read_natural(call, 4, &out->min_idle_ms, "ERR Invalid min-idle-time argument for XCLAIM"))
        return false;
    while (at < call->argc && stream_id_parse(call->argv[at], 0, false, &id) != STREAM_ID_BAD)
        at++;
    out->ids_end = at;
    for (; at < call->argc; at++)
        if (!read_claim_option(call, &at, out, &timed))
            return false;
    bool loading = (call->client->flags & CLIENT_INTERNAL) != 0;
    if (!timed || out->time_ms < 0 || (out->time_ms > now && !loading))
        out->time_ms = now;
    return true;
}

static bool is_idle_enough(const struct call *call, const struct stream_nack *nack,
                           int64_t min_idle_ms)
{
    return min_idle_ms == 0 || idle_ms(call, nack) >= min_idle_ms;
}

/* True: the consumer has it now, and it was replied. */
static bool claim_one(struct call *call, struct claiming *c, const struct claim *claim,
                      struct stream_id id)
{
    struct stream_nack *nack = stream_pending_find(c->of.group, id);
    if (!find_entry(c, id)) {
        if (nack != NULL)
            forget(call, c, nack);
        return false;
    }
    if (nack == NULL && claim->force) {
        nack = stream_pending_create(c->of.group, c->consumer, id, call->hold.now_ms);
        nack->deliveries = 1;
    } else if (nack == NULL || !is_idle_enough(call, nack, claim->min_idle_ms)) {
        return false;
    }
    stream_claim(nack, c->consumer);
    nack->delivered_ms = claim->time_ms;
    if (claim->retries >= 0)
        nack->deliveries = (uint64_t)claim->retries;
    else if (!claim->only_id)
        stream_count_delivery(nack);
    reply_claimed(call, c, nack);
    return true;
}

void stream_xclaim(struct call *call)
{
    struct claiming c;
    struct claim claim;
    if (!stream_need_group(call, 1, FIND_WRITE, &c.of) || !read_claim(call, &claim))
        return;
    stream_edit(call, &c.of.key, c.of.entry);
    call_effect_none(call);
    bool moved = stream_id_compare(claim.last_id, c.of.group->last_id) > 0;
    if (moved)
        c.of.group->last_id = claim.last_id;
    c.only_id = claim.only_id;
    claiming_begin(call, &c);
    uint64_t before = call->changes;
    size_t mark = reply_array_deferred(call->reply), n = 0;
    for (uint32_t at = 5; at < claim.ids_end; at++) {
        struct stream_id id;
        if (stream_id_parse(call->argv[at], 0, false, &id) != STREAM_ID_BAD)
            n += claim_one(call, &c, &claim, id);
    }
    reply_array_patch(call->reply, mark, n);
    stream_claims_end(&c.claims);
    if (moved && call->changes == before) {
        stream_log_group_id(call, &c.of, c.of.group->last_id, c.of.group->entries_read);
        call_changed(call, 1);
    }
}

/* ---- XAUTOCLAIM ---- */

#define ATTEMPTS_PER_ENTRY 10 /* pending entries looked at, for each that may be claimed */
#define AUTOCLAIM_COUNT    100

struct autoclaim {
    int64_t min_idle_ms;
    int64_t count;
    struct stream_id from;
    bool only_id;
};

static bool read_autoclaim(struct call *call, struct autoclaim *out)
{
    *out = (struct autoclaim){.count = AUTOCLAIM_COUNT};
    if (!read_natural(call, 4, &out->min_idle_ms,
                      "ERR Invalid min-idle-time argument for XAUTOCLAIM") ||
        !stream_read_bound(call, call->argv[5], false, &out->from))
        return false;
    for (uint32_t at = 6; at < call->argc; at++) {
        if (at + 1 < call->argc && slice_is(call->argv[at], "count")) {
            if (!call_i64_range(call, ++at, 1, INT64_MAX / STREAM_ID_BYTES, &out->count,
                                "ERR COUNT must be > 0"))
                return false;
        } else if (slice_is(call->argv[at], "justid")) {
            out->only_id = true;
        } else {
            call_syntax_error(call);
            return false;
        }
    }
    return true;
}

/* Replies and gives to the consumer what was idle for long enough; ids of what was deleted are
 * appended to `gone`. Answers where to go on, or 0-0. */
static struct stream_id claim_idle(struct call *call, struct claiming *c,
                                   const struct autoclaim *claim, size_t *claimed,
                                   struct bytes *gone)
{
    struct radix_cursor at;
    struct stream_nack *nack;
    const struct radix *pending = &c->of.group->pending;
    int64_t left = claim->count, attempts = claim->count > INT64_MAX / ATTEMPTS_PER_ENTRY
                                                ? INT64_MAX
                                                : claim->count * ATTEMPTS_PER_ENTRY;
    stream_pending_seek(pending, claim->from, &at);
    while ((nack = stream_pending_next(&at)) != NULL) {
        struct stream_id id = stream_nack_id(nack);
        if (left == 0 || attempts-- == 0)
            return id;
        if (!find_entry(c, id)) {
            forget(call, c, nack);
            bytes_append(gone, &id, sizeof id);
            stream_pending_seek(pending, id, &at);
            left--;
            continue;
        }
        if (!is_idle_enough(call, nack, claim->min_idle_ms))
            continue;
        stream_claim(nack, c->consumer);
        nack->delivered_ms = call->hold.now_ms;
        if (!claim->only_id)
            stream_count_delivery(nack);
        reply_claimed(call, c, nack);
        ++*claimed;
        left--;
    }
    return STREAM_ID_MIN;
}

/* Where to go on comes first in the reply and is known last: the entries wait elsewhere. */
static void reply_autoclaim(struct call *call, struct claiming *c, const struct autoclaim *claim)
{
    struct reply_buffer entries, *reply = call->reply;
    struct bytes gone = {0};
    size_t claimed = 0;
    claiming_begin(call, c);
    reply_buffer_init(&entries);
    entries.resp3 = reply->resp3;
    entries.muted = reply->muted;
    call->reply = &entries;
    struct stream_id next = claim_idle(call, c, claim, &claimed, &gone);
    stream_claims_end(&c->claims);
    call->reply = reply;
    reply_array(reply, 3);
    stream_reply_id(call, next);
    reply_array(reply, claimed);
    reply_raw(reply, bytes_slice(&entries.bytes));
    reply_array(reply, gone.len / sizeof next);
    for (size_t i = 0; i < gone.len; i += sizeof next) {
        memcpy(&next, gone.data + i, sizeof next);
        stream_reply_id(call, next);
    }
    reply_buffer_free(&entries);
    bytes_free(&gone);
}

/* True: it was done in a copy of the group, or will be done again. */
static bool autoclaim_apart(struct call *call, struct claiming *c, const struct autoclaim *claim)
{
    struct stream_apart apart;
    stream_apart_begin(call, &c->of, NULL, &apart);
    reply_autoclaim(call, c, claim);
    return stream_apart_end(call, &c->of, &apart) != STREAM_APART_AGAIN;
}

void stream_xautoclaim(struct call *call)
{
    struct claiming c;
    struct autoclaim claim;
    if (!read_autoclaim(call, &claim) || !stream_need_group(call, 1, FIND_WRITE, &c.of))
        return;
    struct value value = stream_value(c.of.stream);
    uint64_t most = MIN_OF((uint64_t)claim.count, radix_count(&c.of.group->pending));
    uint64_t looked_at = claim.min_idle_ms != 0 ? most * ATTEMPTS_PER_ENTRY : most;
    if (call_aside(call, MIN_OF(looked_at, radix_count(&c.of.group->pending))))
        return;
    if (stream_worth_copying(c.of.group, most))
        call_let_go(call, &value, 1);
    call_effect_none(call);
    c.only_id = claim.only_id;
    if (call->aside == ASIDE_LET_GO && autoclaim_apart(call, &c, &claim))
        return;
    call_effect_none(call);
    stream_edit(call, &c.of.key, c.of.entry);
    reply_autoclaim(call, &c, &claim);
}
