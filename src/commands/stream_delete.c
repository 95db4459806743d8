/* stream_delete.c - removing entries, and what groups have pending of them: XDEL, XDELEX, XACK,
 * XACKDEL.
 *
 * XDELEX and XACKDEL are logged by what they did, as XDEL and XACK, which older readers know and
 * which may be repeated.
 */
#include "commands/stream.h"

#include "base/mem.h"

bool stream_read_references(struct slice word, enum stream_references *out)
{
    if (slice_is(word, "keepref"))
        *out = STREAM_KEEP_REFERENCES;
    else if (slice_is(word, "delref"))
        *out = STREAM_DELETE_REFERENCES;
    else if (slice_is(word, "acked"))
        *out = STREAM_ACKNOWLEDGED_ONLY;
    else
        return false;
    return true;
}

/* ---- XDEL ---- */

void stream_xdel(struct call *call)
{
    struct key key = call_first_key(call);
    struct entry *entry;
    struct stream_ids ids;
    uint64_t deleted = 0;
    if (!stream_find(call, &key, FIND_WRITE, &entry))
        return;
    if (entry != NULL) {
        if (!stream_read_ids(call, 2, &ids))
            return;
        struct stream *s = stream_of(entry_value(entry));
        for (uint32_t i = 0; i < ids.count; i++) {
            if (deleted == 0 && stream_has(s, ids.items[i]))
                stream_edit(call, &key, entry); /* not unless something changes */
            deleted += stream_delete(s, ids.items[i]);
        }
        stream_free_ids(&ids);
    }
    if (deleted != 0) {
        call_changed(call, deleted);
        call_notify(call, 't', "xdel", &key);
    }
    reply_int(call->reply, (int64_t)deleted);
}

/* ---- XACK ---- */

void stream_xack(struct call *call)
{
    struct stream_of_group of;
    struct stream_ids ids;
    int64_t acknowledged = 0;
    if (!stream_find_group(call, 1, FIND_WRITE, &of))
        return;
    if (of.group != NULL) {
        if (!stream_read_ids(call, 3, &ids))
            return;
        for (uint32_t i = 0; i < ids.count; i++) {
            if (acknowledged == 0 && stream_pending_find(of.group, ids.items[i]) != NULL)
                stream_edit(call, &of.key, of.entry);
            acknowledged += stream_acknowledge(of.group, ids.items[i]);
        }
        stream_free_ids(&ids);
        call_changed(call, (uint64_t)acknowledged);
    }
    reply_int(call->reply, acknowledged);
}

/* ---- XDELEX, XACKDEL ---- */

/* [KEEPREF | DELREF | ACKED] IDS count id ...: options in any order, the ids last. */
static bool read_removal(struct call *call, uint32_t at, enum stream_references *references,
                         struct stream_ids *ids)
{
    bool has_policy = false;
    *references = STREAM_KEEP_REFERENCES;
    for (; at < call->argc; at++) {
        if (!has_policy && stream_read_references(call->argv[at], references)) {
            has_policy = true;
            continue;
        }
        int64_t count;
        if (at + 1 >= call->argc || !slice_is(call->argv[at], "ids"))
            break;
        if (!call_i64_range(call, at + 1, 1, INT64_MAX, &count,
                            "ERR Number of IDs must be a positive integer"))
            return false;
        if (count != call->argc - at - 2) {
            call_error(call, "ERR The `numids` parameter must match the number of arguments");
            return false;
        }
        return stream_read_ids(call, at + 2, ids);
    }
    call_syntax_error(call);
    return false;
}

uint64_t stream_acknowledge_all(struct call *call, struct slice key, struct stream *s,
                                struct stream_id id)
{
    uint64_t had = 0;
    struct radix_cursor at;
    struct stream_group *g;
    radix_first(&s->groups, &at);
    while ((g = stream_group_next(&at)) != NULL) {
        if (stream_acknowledge(g, id)) {
            stream_log_ack(call, key, stream_group_name(g), id);
            had++;
        }
    }
    return had;
}

/* What was done to the stream by one of these commands. */
struct removed {
    enum stream_references references;
    struct stream_id *deleted;
    size_t count;
    uint64_t changes;
};

static enum stream_deleted remove_entry(struct call *call, struct slice key, struct stream *s,
                                        struct stream_id id, struct removed *done)
{
    if (done->references == STREAM_DELETE_REFERENCES)
        done->changes += stream_acknowledge_all(call, key, s, id);
    enum stream_deleted result = stream_delete_with(
        s, id,
        done->references == STREAM_DELETE_REFERENCES ? STREAM_KEEP_REFERENCES : done->references);
    if (result == STREAM_DELETED)
        done->deleted[done->count++] = id;
    return result;
}

static void removal_begin(struct call *call, const struct stream_ids *ids, struct removed *done)
{
    call_effect_none(call);
    done->deleted = mem_alloc(ids->count * sizeof *done->deleted);
    done->count = 0;
    done->changes = 0;
}

static void removal_end(struct call *call, const struct key *key, struct removed *done)
{
    stream_log_delete(call, key->name, done->deleted, done->count);
    call_changed(call, done->changes + done->count);
    if (done->count != 0)
        call_notify(call, 't', "xdel", key);
    mem_free(done->deleted);
}

static int64_t result_number(enum stream_deleted result)
{
    return result == STREAM_DELETED ? 1 : result == STREAM_REFERENCED ? 2 : -1;
}

static void reply_none(struct call *call, const struct stream_ids *ids)
{
    reply_array(call->reply, ids->count);
    for (uint32_t i = 0; i < ids->count; i++)
        reply_int(call->reply, -1);
}

void stream_xdelex(struct call *call)
{
    struct key key = call_first_key(call);
    struct entry *entry;
    struct stream_ids ids;
    struct removed done;
    if (!stream_find(call, &key, FIND_WRITE, &entry) ||
        !read_removal(call, 2, &done.references, &ids))
        return;
    if (entry == NULL) {
        reply_none(call, &ids);
    } else {
        struct stream *s = stream_edit(call, &key, entry);
        removal_begin(call, &ids, &done);
        reply_array(call->reply, ids.count);
        for (uint32_t i = 0; i < ids.count; i++)
            reply_int(call->reply,
                      result_number(remove_entry(call, key.name, s, ids.items[i], &done)));
        removal_end(call, &key, &done);
    }
    stream_free_ids(&ids);
}

/* Whatever was acknowledged and is not kept for others counts as deleted, also if the entry has
 * gone before. */
static int64_t acknowledge_and_remove(struct call *call, const struct stream_of_group *of,
                                      struct stream_id id, struct removed *done)
{
    if (!stream_acknowledge(of->group, id))
        return -1;
    stream_log_ack(call, of->key.name, stream_group_name(of->group), id);
    done->changes++;
    return remove_entry(call, of->key.name, of->stream, id, done) == STREAM_REFERENCED ? 2 : 1;
}

void stream_xackdel(struct call *call)
{
    struct stream_of_group of;
    struct stream_ids ids;
    struct removed done;
    if (!stream_find_group(call, 1, FIND_WRITE, &of) ||
        !read_removal(call, 3, &done.references, &ids))
        return;
    if (of.group == NULL) {
        reply_none(call, &ids);
    } else {
        stream_edit(call, &of.key, of.entry);
        removal_begin(call, &ids, &done);
        reply_array(call->reply, ids.count);
        for (uint32_t i = 0; i < ids.count; i++)
            reply_int(call->reply, acknowledge_and_remove(call, &of, ids.items[i], &done));
        removal_end(call, &of.key, &done);
    }
    stream_free_ids(&ids);
}
