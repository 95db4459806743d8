/* stream_id.c - the ids of streams: as text, as keys, and which one comes next. */
#include "value/stream.h"

#define TEXT_MAX 127 /* bytes: longer text is no id */

bool stream_id_increment(struct stream_id *id)
{
    if (id->seq != UINT64_MAX) {
        id->seq++;
        return true;
    }
    if (id->ms == UINT64_MAX)
        return false;
    *id = (struct stream_id){id->ms + 1, 0};
    return true;
}

bool stream_id_decrement(struct stream_id *id)
{
    if (id->seq != 0) {
        id->seq--;
        return true;
    }
    if (id->ms == 0)
        return false;
    *id = (struct stream_id){id->ms - 1, UINT64_MAX};
    return true;
}

size_t stream_id_print(char out[STREAM_ID_TEXT], struct stream_id id)
{
    size_t len = number_print_u64(out, id.ms);
    out[len++] = '-';
    return len + number_print_u64(out + len, id.seq);
}

/* Digits, of which the first may be zeros, behind blanks and a plus that do not count. */
static bool parse_part(struct slice text, uint64_t *out)
{
    uint64_t v = 0;
    size_t i = 0;
    while (i < text.len && (text.data[i] == ' ' || (text.data[i] >= '\t' && text.data[i] <= '\r')))
        i++;
    i += i < text.len && text.data[i] == '+';
    bool some = i < text.len;
    for (; i < text.len; i++) {
        unsigned digit = (unsigned)(unsigned char)text.data[i] - '0';
        if (digit > 9 || v > UINT64_MAX / 10 || v * 10 > UINT64_MAX - digit)
            return false;
        v = v * 10 + digit;
    }
    *out = v;
    return some;
}

enum stream_id_form stream_id_parse(struct slice text, uint64_t missing_seq, bool allow_any,
                                    struct stream_id *out)
{
    if (text.len == 0 || text.len > TEXT_MAX)
        return STREAM_ID_BAD;
    text.len = strnlen(text.data, text.len); /* what follows a NUL does not count */
    const char *dash = memchr(text.data, '-', text.len);
    struct stream_id id = {.seq = missing_seq};
    enum stream_id_form form = STREAM_ID_ONLY_MS;
    struct slice ms = text;
    if (dash != NULL) {
        size_t before = (size_t)(dash - text.data);
        struct slice seq = slice_of(dash + 1, text.len - before - 1);
        ms = slice_of(text.data, before);
        form = STREAM_ID_FULL;
        if (allow_any && seq.len == 1 && seq.data[0] == '*') {
            form = STREAM_ID_MS_AND_ANY;
            id.seq = 0;
        } else if (!parse_part(seq, &id.seq)) {
            return STREAM_ID_BAD;
        }
    }
    if (!parse_part(ms, &id.ms))
        return STREAM_ID_BAD;
    *out = id;
    return form;
}

void stream_id_to_bytes(unsigned char out[STREAM_ID_BYTES], struct stream_id id)
{
    uint64_t ms = __builtin_bswap64(id.ms), seq = __builtin_bswap64(id.seq);
    memcpy(out, &ms, 8);
    memcpy(out + 8, &seq, 8);
}

struct stream_id stream_id_of_bytes(const unsigned char bytes[STREAM_ID_BYTES])
{
    uint64_t ms, seq;
    memcpy(&ms, bytes, 8);
    memcpy(&seq, bytes + 8, 8);
    return (struct stream_id){__builtin_bswap64(ms), __builtin_bswap64(seq)};
}
