/* scan.c - cursors, options, filters and replies of the commands that walk in parts. */
#include "commands/scan.h"

#include "base/glob.h"
#include "base/number.h"

#define COUNT_DEFAULT 10

bool scan_read_cursor(struct call *call, uint32_t at, uint64_t *cursor)
{
    /* An unsigned number of 64 bits as strtoul reads it: a sign is allowed, nothing at all is 0. */
    struct slice text = call->argv[at];
    uint64_t value = 0;
    bool sign = text.len > 0 && (text.data[0] == '-' || text.data[0] == '+');
    bool valid = !(sign && text.len == 1);
    for (size_t i = sign; i < text.len && valid; i++) {
        unsigned digit = (unsigned char)text.data[i] - (unsigned)'0';
        valid = digit <= 9 && !__builtin_mul_overflow(value, UINT64_C(10), &value) &&
                !__builtin_add_overflow(value, digit, &value);
    }
    *cursor = sign && text.data[0] == '-' ? -value : value;
    if (!valid)
        call_error(call, "ERR invalid cursor");
    return valid;
}

bool scan_read_options(struct call *call, uint32_t at, unsigned allowed, struct scan_options *out)
{
    *out = (struct scan_options){.count = COUNT_DEFAULT};
    for (uint32_t i = at; i < call->argc; i++) {
        struct slice word = call->argv[i];
        bool more = i + 1 < call->argc, known = true;
        if (more && slice_is(word, "count")) {
            if (!call_i64(call, ++i, &out->count, NULL))
                return false;
            known = out->count >= 1;
        } else if (more && slice_is(word, "match")) {
            struct slice pattern = call->argv[++i];
            out->pattern = slice_eq(pattern, SLICE("*")) ? slice_of(NULL, 0) : pattern;
        } else if (more && allowed & SCAN_TYPE && slice_is(word, "type")) {
            out->type = call->argv[++i];
        } else if (allowed & SCAN_NO_VALUES && slice_is(word, "novalues")) {
            out->no_values = true;
        } else if (allowed & SCAN_NO_SCORES && slice_is(word, "noscores")) {
            out->no_values = true;
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

/* As in Redis, no pattern but the empty one matches an empty name. */
bool scan_matches(const struct scan_options *options, struct slice name)
{
    if (options->pattern.data == NULL)
        return true;
    return name.len ? glob_match(options->pattern, name) : options->pattern.len == 0;
}

void scan_begin(struct call *call, struct scan_reply *reply)
{
    reply->count = 0;
    reply_buffer_init(&reply->elements);
    reply->elements.resp3 = call->reply->resp3;
}

void scan_end(struct call *call, struct scan_reply *reply, uint64_t cursor)
{
    char digits[NUMBER_TEXT_MAX];
    reply_array(call->reply, 2);
    reply_bulk(call->reply, slice_of(digits, number_print_u64(digits, cursor)));
    reply_array(call->reply, reply->count);
    reply_raw(call->reply, bytes_slice(&reply->elements.bytes));
    reply_buffer_free(&reply->elements);
}
