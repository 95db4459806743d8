/* split.c - words out of a line, quoting undone. */
#include "proto/split.h"

#include "base/mem.h"

/* What stands between words; inside a bare word \v and \f are ordinary bytes, as in Redis. */
static bool is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool ends_bare_word(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The byte that the escape at **at stands for; moves *at to the escape's last byte. */
static char unescape(const char **at, const char *end)
{
    const char *in = *at + 1;
    if (end - in >= 3 && *in == 'x' && hex_value(in[1]) >= 0 && hex_value(in[2]) >= 0) {
        *at = in + 2;
        return (char)(hex_value(in[1]) * 16 + hex_value(in[2]));
    }
    *at = in;
    switch (*in) {
    case 'n':
        return '\n';
    case 'r':
        return '\r';
    case 't':
        return '\t';
    case 'b':
        return '\b';
    case 'a':
        return '\a';
    default:
        return *in;
    }
}

int split_next(const char **at, const char *end, char *out, size_t *len)
{
    const char *in = *at;
    while (in < end && is_blank(*in))
        in++;
    *at = in;
    if (in == end)
        return 0;

    size_t n = 0;
    char quote = 0;
    for (; in < end; in++) {
        char c = *in;
        if (quote == 0 && (c == '"' || c == '\'')) {
            quote = c;
            continue;
        }
        if (quote == 0 && ends_bare_word(c))
            break;
        if (quote != 0 && c == quote) {
            in++;
            if (in < end && !is_blank(*in))
                return -1;
            quote = 0;
            break;
        }
        if (quote == '"' && c == '\\' && in + 1 < end)
            c = unescape(&in, end);
        else if (quote == '\'' && c == '\\' && in + 1 < end && in[1] == '\'')
            c = *++in;
        if (out)
            out[n] = c;
        n++;
    }
    if (quote)
        return -1;
    *at = in;
    *len = n;
    return 1;
}

int split_line(struct slice line, struct slice **args)
{
    const char *end = line.data + line.len;
    const char *at = line.data;
    size_t bytes = 0, len;
    int count = 0, more;

    *args = NULL;
    while ((more = split_next(&at, end, NULL, &len)) > 0) {
        bytes += len + 1;
        count++;
    }
    if (more < 0 || count == 0)
        return more < 0 ? -1 : 0;

    *args = mem_alloc((size_t)count * sizeof **args + bytes);
    char *out = (char *)(*args + count);
    at = line.data;
    for (int i = 0; split_next(&at, end, out, &len) > 0; i++) {
        out[len] = '\0';
        (*args)[i] = slice_of(out, len);
        out += len + 1;
    }
    return count;
}
