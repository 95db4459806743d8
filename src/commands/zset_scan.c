/* zset_scan.c - ZSCAN: members with scores in parts, without an order.
 *
 * A small one is a single part. A large one is walked by its table of members, so that who is there
 * from the first call to the last is seen exactly once.
 */
#include "commands/scan.h"
#include "commands/zset.h"
#include "engine/aside.h"

#define BUCKETS_PER_ITEM 10 /* looked at where members are sparse */

struct scanning {
    struct scan_reply reply;
    const struct scan_options *options;
};

/* Scores in the large form have 17 digits here, as in redis-server. */
static void reply_found(struct scanning *scanning, struct slice member, double score, bool large)
{
    char text[ZSET_SCORE_TEXT];
    if (!scan_matches(scanning->options, member))
        return;
    struct reply_buffer *r = &scanning->reply.elements;
    scanning->reply.count++;
    reply_bulk(r, member);
    if (scanning->options->no_values)
        return;
    scanning->reply.count++;
    if (large)
        reply_bulkf(r, "%.17g", score);
    else
        reply_bulk(r, slice_of(text, zset_print_score(text, score)));
}

static void visit_record(struct member *record, void *ctx)
{
    reply_found(ctx, member_name(record), member_score(record), true);
}

static uint64_t scan_value(struct scanning *scanning, struct value z, uint64_t cursor)
{
    struct zset_at at;
    struct zset_item item;
    uint64_t count = (uint64_t)scanning->options->count;
    if (z.encoding != ENCODING_LISTPACK) {
        if (cursor >= MEMBERS_END)
            return 0;
        const struct zset *large = z.pointer;
        uint64_t buckets;
        if (__builtin_mul_overflow(count, (uint64_t)BUCKETS_PER_ITEM, &buckets))
            buckets = UINT64_MAX;
        uint64_t next =
            members_scan(large->members, cursor, count, buckets, visit_record, scanning);
        return next == MEMBERS_END ? 0 : next;
    }
    zset_seek(z, 0, &at);
    while (zset_next(z, &at, &item))
        reply_found(scanning, item.member, item.score, false);
    return 0;
}

void zset_zscan(struct call *call)
{
    struct key key = call_first_key(call);
    struct scanning scanning;
    struct scan_options options;
    struct entry *entry;
    uint64_t cursor;
    if (!scan_read_cursor(call, 2, &cursor) || !zset_find(call, &key, FIND_READ, &entry))
        return;
    if (entry != NULL && !scan_read_options(call, 3, SCAN_NO_SCORES, &options))
        return;
    struct value z = {0};
    if (entry != NULL) {
        z = entry_value(entry);
        if (call_aside(call, MIN_OF((uint64_t)options.count, zset_count(z))))
            return;
        call_let_go(call, &z, 1);
    }
    scanning.options = &options;
    scan_begin(call, &scanning.reply);
    cursor = entry != NULL ? scan_value(&scanning, z, cursor) : 0;
    scan_end(call, &scanning.reply, cursor);
}
