/* string_edit.c - commands that change strings in place: counters, APPEND, and ranges. */
#include "commands/string.h"

#include <math.h>
#include "base/number.h"
#include "commands/plain.h"

/* ---- counters ---- */

static void increment(struct call *call, int64_t by)
{
    struct key key = call_first_key(call);
    struct entry *entry;
    int64_t value = 0;
    char digits[NUMBER_TEXT_MAX];
    if (!call_find_string(call, &key, FIND_WRITE, &entry))
        return;
    if (entry && UNLIKELY(!number_parse_i64(entry_string(entry), &value))) {
        call_error(call, "ERR value is not an integer or out of range");
        return;
    }
    if (UNLIKELY(__builtin_add_overflow(value, by, &value))) {
        call_error(call, "ERR increment or decrement would overflow");
        return;
    }
    keyspace_put_string(&call->hold, &key, entry, slice_of(digits, number_print_i64(digits, value)),
                        entry ? entry_expire_ms(entry) : EXPIRE_NONE);
    call_changed(call, 1);
    call_notify(call, '$', "incrby", &key);
    reply_int(call->reply, value);
}

void string_incr(struct call *call)
{
    increment(call, 1);
}

void string_decr(struct call *call)
{
    increment(call, -1);
}

void string_incrby(struct call *call)
{
    int64_t by;
    if (call_i64(call, 2, &by, NULL))
        increment(call, by);
}

void string_decrby(struct call *call)
{
    int64_t by;
    if (!call_i64(call, 2, &by, NULL))
        return;
    if (by == INT64_MIN) {
        call_error(call, "ERR decrement would overflow");
        return;
    }
    increment(call, -by);
}

void string_incrbyfloat(struct call *call)
{
    struct key key = call_first_key(call);
    struct entry *entry;
    long double value = 0, by;
    char digits[NUMBER_FLOAT_TEXT_MAX];
    if (!call_find_string(call, &key, FIND_WRITE, &entry))
        return;
    if (entry && !number_parse_long_double(entry_string(entry), &value)) {
        call_error(call, "ERR value is not a valid float");
        return;
    }
    if (!call_long_double(call, 2, &by, NULL))
        return;
    value += by;
    if (isnan(value) || isinf(value)) {
        call_error(call, "ERR increment would produce NaN or Infinity");
        return;
    }
    struct slice text = slice_of(digits, number_print_long_double(digits, value));
    keyspace_put_string_as(&call->hold, &key, entry, text,
                           entry ? entry_expire_ms(entry) : EXPIRE_NONE,
                           text.len <= STRING_EMBSTR_MAX ? ENCODING_EMBSTR : ENCODING_RAW);
    call_changed(call, 1);
    plain_effect_set(call, key.name, text, EXPIRE_NONE, true);
    call_notify(call, '$', "incrbyfloat", &key);
    reply_bulk(call->reply, text);
}

/* ---- parts of strings ---- */

void string_append(struct call *call)
{
    struct key key = call_first_key(call);
    struct slice more = call->argv[2];
    struct entry *entry;
    if (!call_find_string(call, &key, FIND_WRITE, &entry))
        return;
    size_t old = entry ? entry_string(entry).len : 0;
    if (entry == NULL) {
        keyspace_put_string(&call->hold, &key, NULL, more, EXPIRE_NONE);
    } else {
        char *place;
        if (!plain_check_length(call, old, more.len))
            return;
        keyspace_string_edit(&call->hold, &key, entry, old + more.len, &place);
        if (more.len)
            memcpy(place + old, more.data, more.len);
    }
    call_changed(call, 1);
    call_notify(call, '$', "append", &key);
    reply_int(call->reply, (int64_t)(old + more.len));
}

void string_setrange(struct call *call)
{
    struct key key = call_first_key(call);
    struct slice part = call->argv[3];
    struct entry *entry;
    int64_t offset;
    if (!call_i64(call, 2, &offset, NULL))
        return;
    if (offset < 0) {
        call_error(call, "ERR offset is out of range");
        return;
    }
    if (!call_find_string(call, &key, FIND_WRITE, &entry))
        return;
    size_t len = entry ? entry_string(entry).len : 0;
    if (part.len) {
        char *place;
        if (!plain_check_length(call, (uint64_t)offset, part.len))
            return;
        len = MAX_OF(len, (size_t)offset + part.len);
        keyspace_string_edit(&call->hold, &key, entry, len, &place);
        memcpy(place + offset, part.data, part.len);
        call_changed(call, 1);
        call_notify(call, '$', "setrange", &key);
    }
    reply_int(call->reply, (int64_t)len);
}

/* The bytes [start, end] of a string; negative positions count from its end. */
static struct slice sub_slice(struct slice s, int64_t start, int64_t end)
{
    int64_t len = (int64_t)s.len;
    if (start < 0)
        start = MAX_OF(start + len, 0);
    end = end < 0 ? MAX_OF(end + len, 0) : MIN_OF(end, len - 1);
    if (start > end || len == 0)
        return slice_of(s.data, 0);
    return slice_of(s.data + start, (size_t)(end - start) + 1);
}

void string_getrange(struct call *call)
{
    struct key key = call_first_key(call);
    struct entry *entry;
    int64_t start, end;
    if (!call_i64(call, 2, &start, NULL) || !call_i64(call, 3, &end, NULL) ||
        !call_find_string(call, &key, FIND_READ, &entry))
        return;
    if (entry == NULL || (start < 0 && end < 0 && start > end)) {
        reply_bulk(call->reply, SLICE(""));
        return;
    }
    struct slice part = sub_slice(entry_string(entry), start, end);
    if (entry->flags & ENTRY_OUTLINE)
        reply_bulk_reference(call->reply, part, blob_release, blob_share(entry_pointer(entry)));
    else
        reply_bulk(call->reply, part);
}
