/* stream_deliver.c - what a consumer reads of one stream: XREADGROUP's part of each.
 *
 * A delivery is done at once, under the shards: while an entry is replied it becomes pending. Or it
 * is done apart, by a command that runs aside: while the stream is pinned nothing of it changes,
 * the reply and what is logged are made, new pending entries are put into trees of their own, and
 * what is read again is remembered. Then, under the shards, the trees are joined to those of the
 * group and the consumer, which takes the same time however many entries there are. Of a group that
 * was set back a copy is changed instead, and takes its place.
 */
#include "commands/stream.h"

uint64_t stream_delivery_size(const struct stream_delivery *d)
{
    const struct stream *s = d->of->stream;
    const struct stream_group *g = d->of->group;
    uint64_t size;
    if (d->fresh) {
        int64_t lag = stream_lag(s, g);
        size = lag >= 0 ? (uint64_t)lag : stream_likely_entries(s, g->last_id, STREAM_ID_MAX);
    } else {
        const struct stream_consumer *c = stream_consumer_find(g, d->consumer);
        size = c != NULL ? radix_count(&c->pending) : 0;
    }
    return d->count != 0 ? MIN_OF(size, d->count) : size;
}

/* Whether entries that come next may be pending already, many of them. */
static bool was_set_back(const struct stream_delivery *d)
{
    const struct stream_group *g = d->of->group;
    struct radix_cursor at;
    radix_last(&g->pending, &at);
    const struct stream_nack *last = stream_pending_prev(&at);
    return d->fresh && !d->no_ack && last != NULL &&
           stream_id_compare(stream_nack_id(last), g->last_id) > 0 &&
           stream_worth_copying(g, stream_delivery_size(d));
}

static void begin_apart(struct call *call, struct stream_delivery *d)
{
    const struct stream_of_group *of = d->of;
    d->again = (struct bytes){0};
    if (was_set_back(d)) {
        d->copy = stream_group_copy(of->group, NULL);
        d->group = stream_group_find(d->copy, stream_group_name(of->group));
        d->batch.consumer = stream_consumer_create(d->group, d->consumer, d->now_ms);
        d->batch.is_new = d->batch.consumer != NULL;
        if (!d->batch.is_new)
            d->batch.consumer = stream_consumer_find(d->group, d->consumer);
    } else {
        stream_batch_init(&d->batch, of->group, d->consumer, d->now_ms);
    }
    if (d->batch.is_new)
        stream_log_consumer(call, of, d->consumer);
}

void stream_delivery_begin(struct call *call, struct stream_delivery *d, bool apart)
{
    const struct stream_of_group *of = d->of;
    d->apart = apart;
    d->group = of->group;
    d->copy = NULL;
    d->moved = false;
    d->delivered = 0;
    d->now_ms = call->hold.now_ms;
    if (apart) {
        begin_apart(call, d);
        return;
    }
    stream_edit(call, &of->key, of->entry);
    d->batch.consumer = stream_use_consumer(call, of, d->consumer);
}

/* What changes besides the pending entries. */
static void settle(struct call *call, const struct stream_delivery *d)
{
    struct stream_group *g = d->group;
    if (d->moved) {
        g->last_id = d->last_id;
        g->entries_read = d->entries_read;
    }
    if (d->delivered == 0)
        return;
    if (d->fresh)
        stream_set_active(call, d->batch.consumer, call->hold.now_ms);
    call_changed(call, 1);
}

/* ---- replying ---- */

/* Entries that were not delivered to the group yet: they are pending now, unless no_ack. */
static void reply_new(struct call *call, struct stream_delivery *d)
{
    struct stream_iterator it;
    struct stream_entry entry;
    struct stream_claims claims;
    const struct stream_of_group *of = d->of;
    struct stream_group now = {.last_id = of->group->last_id,
                               .entries_read = of->group->entries_read};
    struct stream_id from = now.last_id;
    size_t mark = reply_array_deferred(call->reply);
    stream_claims_begin(&claims, call, of, &now.last_id);
    stream_id_increment(&from);
    stream_seek(of->stream, from, STREAM_ID_MAX, false, &it);
    while ((d->count == 0 || d->delivered < d->count) && stream_next(&it, &entry)) {
        d->moved |= stream_group_advance(of->stream, &now, entry.id);
        stream_reply_entry(call, &it, &entry);
        d->delivered++;
        if (d->no_ack)
            continue;
        const struct stream_nack *nack =
            d->apart && d->copy == NULL
                ? stream_batch_deliver(&d->batch, entry.id, d->now_ms)
                : stream_deliver(d->group, d->batch.consumer, entry.id, d->now_ms);
        stream_claims_add(&claims, nack);
    }
    reply_array_patch(call->reply, mark, d->delivered);
    stream_claims_end(&claims);
    d->last_id = now.last_id;
    d->entries_read = now.entries_read;
    if (d->moved)
        stream_log_group_id(call, of, now.last_id, now.entries_read);
}

static void deliver_again(struct stream_nack *nack, int64_t now_ms)
{
    nack->delivered_ms = now_ms;
    stream_count_delivery(nack);
}

/* Entries that the consumer has pending. What was deleted is answered as a null. */
static void reply_history(struct call *call, struct stream_delivery *d)
{
    struct radix_cursor at;
    struct stream_iterator it;
    struct stream_entry entry = {.pairs = 0};
    struct stream_nack *nack;
    struct stream_claims claims;
    const struct radix *pending = &d->batch.consumer->pending;
    struct stream_id after = d->after;
    uint64_t n = 0;
    size_t mark = reply_array_deferred(call->reply);
    stream_claims_begin(&claims, call, d->of, &d->of->group->last_id);
    if (stream_id_increment(&after))
        stream_pending_seek(pending, after, &at);
    else
        radix_last(pending, &at);
    for (; (d->count == 0 || n < d->count) && (nack = stream_pending_next(&at)) != NULL; n++) {
        struct stream_nack now = *nack;
        struct stream_id id = stream_nack_id(nack);
        if (!stream_find_on(d->of->stream, &it, id, &entry)) {
            reply_array(call->reply, 2);
            stream_reply_id(call, id);
            reply_null_array(call->reply);
            continue;
        }
        stream_reply_entry(call, &it, &entry);
        deliver_again(&now, d->now_ms);
        stream_claims_add(&claims, &now);
        d->delivered++;
        if (d->apart)
            bytes_append(&d->again, &nack, sizeof nack);
        else
            *nack = now;
    }
    reply_array_patch(call->reply, mark, n);
    stream_claims_end(&claims);
}

void stream_delivery_reply(struct call *call, struct stream_delivery *d)
{
    if (d->fresh)
        reply_new(call, d);
    else
        reply_history(call, d);
    if (!d->apart)
        settle(call, d);
}

/* ---- what was done apart ---- */

void stream_delivery_apply(struct call *call, struct stream_delivery *d)
{
    const struct stream_of_group *of = d->of;
    stream_edit(call, &of->key, stream_entry_again(call, &of->key));
    if (d->batch.is_new)
        stream_tell_consumer(call, &of->key);
    else
        d->batch.consumer->seen_ms = call->hold.now_ms;
    if (d->copy != NULL) {
        stream_group_exchange(of->stream, d->copy, stream_group_name(d->group));
        keyspace_discard(&call->hold, stream_value(d->copy), false);
    } else {
        stream_batch_attach(&d->batch, d->group);
    }
    for (size_t at = 0; at < d->again.len; at += sizeof(struct stream_nack *)) {
        struct stream_nack *nack;
        memcpy(&nack, d->again.data + at, sizeof nack);
        deliver_again(nack, d->now_ms);
    }
    settle(call, d);
    bytes_free(&d->again);
}

void stream_delivery_free(struct stream_delivery *d)
{
    if (d->copy != NULL)
        value_free(stream_value(d->copy));
    else
        stream_batch_free(&d->batch);
    bytes_free(&d->again);
}
