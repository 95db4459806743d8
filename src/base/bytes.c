/* bytes.c - comparing slices, and the growing buffer. */
#include "base/bytes.h"

#include <stdarg.h>
#include <stdio.h>
#include "base/mem.h"
#include "base/panic.h"

static unsigned char ascii_lower(unsigned char c)
{
    return c >= 'A' && c <= 'Z' ? c | 32 : c;
}

bool slice_is(struct slice s, const char *word)
{
    size_t i = 0;
    for (; i < s.len && word[i] != '\0'; i++)
        if (ascii_lower((unsigned char)s.data[i]) != ascii_lower((unsigned char)word[i]))
            return false;
    return i == s.len && word[i] == '\0';
}

int slice_compare(struct slice a, struct slice b)
{
    size_t common = MIN_OF(a.len, b.len);
    int order = common ? memcmp(a.data, b.data, common) : 0;
    return order ? order : (a.len > b.len) - (a.len < b.len);
}

char *slice_to_str(struct slice s)
{
    char *copy = mem_alloc(s.len + 1);
    if (s.len)
        memcpy(copy, s.data, s.len);
    copy[s.len] = '\0';
    return copy;
}

void bytes_free(struct bytes *b)
{
    mem_free(b->data);
    *b = (struct bytes){0};
}

void bytes_reserve(struct bytes *b, size_t more)
{
    if (LIKELY(b->cap - b->len >= more))
        return;
    size_t wanted = b->len + more;
    ASSERT(wanted >= more);
    wanted = MAX_OF(wanted, b->cap + b->cap / 2);
    wanted = mem_good_size(MAX_OF(wanted, 64u));
    b->data = mem_realloc(b->data, wanted);
    b->cap = wanted;
}

void bytes_append(struct bytes *b, const void *data, size_t len)
{
    if (len == 0)
        return;
    bytes_reserve(b, len);
    memcpy(b->data + b->len, data, len);
    b->len += len;
}

void bytes_append_str(struct bytes *b, const char *s)
{
    bytes_append(b, s, strlen(s));
}

void bytes_append_char(struct bytes *b, char c)
{
    bytes_reserve(b, 1);
    b->data[b->len++] = c;
}

void bytes_printf(struct bytes *b, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    bytes_reserve(b, 64);
    size_t room = b->cap - b->len;
    int need = vsnprintf(b->data + b->len, room, format, args);
    ASSERT(need >= 0);
    if ((size_t)need >= room) {
        bytes_reserve(b, (size_t)need + 1);
        vsnprintf(b->data + b->len, (size_t)need + 1, format, again);
    }
    b->len += (size_t)need;
    va_end(again);
    va_end(args);
}

const char *bytes_str(struct bytes *b)
{
    bytes_reserve(b, 1);
    b->data[b->len] = '\0';
    return b->data;
}
