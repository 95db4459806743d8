/* generic_scan.c - commands that look for keys: KEYS, SCAN, RANDOMKEY.
 *
 * They take one shard at a time while they look at it, so other lanes go on meanwhile. Names are
 * copied to the reply while their shard is held.
 */
#include "commands/generic.h"

#include "base/glob.h"
#include "base/number.h"
#include "engine/call.h"

#define SCAN_COUNT_DEFAULT 10

struct scan_filter {
    struct reply_buffer *reply;
    struct slice pattern; /* data NULL: any name */
    struct slice type;    /* data NULL: any type */
    size_t matches;
};

/* As in Redis, no pattern but the empty one matches an empty name. */
static bool name_matches(struct slice pattern, struct slice name)
{
    return name.len ? glob_match(pattern, name) : pattern.len == 0;
}

static void visit_key(struct hold *hold, const struct key *key, struct entry *entry, void *ctx)
{
    struct scan_filter *filter = ctx;
    (void)hold;
    if (filter->type.data && !slice_is(filter->type, value_type_name(entry_type(entry))))
        return;
    if (filter->pattern.data && !name_matches(filter->pattern, key->name))
        return;
    reply_bulk(filter->reply, key->name);
    filter->matches++;
}

static void set_pattern(struct scan_filter *filter, struct slice pattern)
{
    filter->pattern = slice_eq(pattern, SLICE("*")) ? slice_of(NULL, 0) : pattern;
}

void generic_keys(struct call *call)
{
    struct scan_filter filter = {.reply = call->reply};
    set_pattern(&filter, call->argv[1]);
    size_t mark = reply_array_deferred(call->reply);
    keyspace_scan(&call->hold, call->db, 0, SIZE_MAX, visit_key, &filter);
    reply_array_patch(call->reply, mark, filter.matches);
}

/* An unsigned number of 64 bits as strtoul reads it: a sign is allowed, nothing at all is 0. */
static bool read_cursor(struct slice text, uint64_t *out)
{
    uint64_t value = 0;
    bool sign = text.len > 0 && (text.data[0] == '-' || text.data[0] == '+');
    for (size_t i = sign; i < text.len; i++) {
        unsigned digit = (unsigned char)text.data[i] - (unsigned)'0';
        if (digit > 9 || __builtin_mul_overflow(value, UINT64_C(10), &value) ||
            __builtin_add_overflow(value, digit, &value))
            return false;
    }
    *out = sign && text.data[0] == '-' ? -value : value;
    return !(sign && text.len == 1);
}

static bool read_options(struct call *call, struct scan_filter *filter, int64_t *count)
{
    *count = SCAN_COUNT_DEFAULT;
    for (uint32_t i = 2; i < call->argc; i += 2) {
        struct slice word = call->argv[i];
        bool more = i + 1 < call->argc, known = true;
        if (more && slice_is(word, "count")) {
            if (!call_i64(call, i + 1, count, NULL))
                return false;
            known = *count >= 1;
        } else if (more && slice_is(word, "match")) {
            set_pattern(filter, call->argv[i + 1]);
        } else if (more && slice_is(word, "type")) {
            filter->type = call->argv[i + 1];
        } else {
            known = false;
        }
        if (!known) {
            call_syntax_error(call);
            return false;
        }
    }
    return true;
}

void generic_scan(struct call *call)
{
    struct scan_filter filter = {.reply = call->reply};
    uint64_t cursor;
    int64_t count;
    if (!read_cursor(call->argv[1], &cursor)) {
        call_error(call, "ERR invalid cursor");
        return;
    }
    if (!read_options(call, &filter, &count))
        return;
    /* The next cursor is announced before the names: they go to a buffer of their own first. */
    struct reply_buffer names;
    reply_buffer_init(&names);
    filter.reply = &names;
    cursor = keyspace_scan(&call->hold, call->db, cursor, (size_t)count, visit_key, &filter);
    char digits[NUMBER_TEXT_MAX];
    reply_array(call->reply, 2);
    reply_bulk(call->reply, slice_of(digits, number_print_u64(digits, cursor)));
    reply_array(call->reply, filter.matches);
    reply_raw(call->reply, bytes_slice(&names.bytes));
    reply_buffer_free(&names);
}

void generic_randomkey(struct call *call)
{
    struct bytes name = {0};
    if (keyspace_random(&call->hold, call->db, rand_next(&call->lane->random), &name))
        reply_bulk(call->reply, bytes_slice(&name));
    else
        reply_null(call->reply);
    bytes_free(&name);
}
