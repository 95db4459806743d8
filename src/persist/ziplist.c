/* ziplist.c - one walk over a ziplist, with every length checked before it is believed.
 *
 * An entry is the length of the one before it (1 byte, or 0xFE and 4 bytes), then one of
 *
 *      00xxxxxx                      string of 6 bits of length
 *      01xxxxxx x                    of 14 bits, big endian
 *      10000000 x x x x              of 32 bits, big endian
 *      0xC0, 0xD0, 0xE0, 0xF0, 0xFE  integer of 2, 4, 8, 3, 1 bytes, little endian
 *      0xF1 to 0xFD                  the integer 0 to 12
 */
#include "persist/ziplist.h"
#include "base/number.h"

#define HEAD_BYTES    10
#define ZIPLIST_END   0xFF
#define LONG_PREVIOUS 0xFE

struct cursor {
    const unsigned char *data;
    size_t at, end; /* end: of the last byte, 0xFF */
};

static uint64_t little(const unsigned char *at, unsigned bytes)
{
    uint64_t v = 0;
    for (unsigned i = 0; i < bytes; i++)
        v |= (uint64_t)at[i] << 8 * i;
    return v;
}

static uint64_t big(const unsigned char *at, unsigned bytes)
{
    uint64_t v = 0;
    for (unsigned i = 0; i < bytes; i++)
        v = v << 8 | at[i];
    return v;
}

static bool has(const struct cursor *c, uint64_t bytes)
{
    return bytes <= c->end - c->at;
}

/* The length field of the entry before; must tell the truth. */
static bool skip_previous(struct cursor *c, size_t previous)
{
    bool wide = c->data[c->at] == LONG_PREVIOUS;
    if (!has(c, wide ? 5 : 1) || c->data[c->at] == ZIPLIST_END)
        return false;
    uint64_t said = wide ? little(c->data + c->at + 1, 4) : c->data[c->at];
    c->at += wide ? 5 : 1;
    return said == previous;
}

static unsigned integer_bytes(unsigned char encoding)
{
    switch (encoding) {
    case 0xC0:
        return 2;
    case 0xD0:
        return 4;
    case 0xE0:
        return 8;
    case 0xF0:
        return 3;
    case 0xFE:
        return 1;
    default:
        return 0;
    }
}

static bool read_integer(struct cursor *c, char room[NUMBER_TEXT_MAX], struct slice *out)
{
    unsigned char encoding = c->data[c->at++];
    unsigned bytes = integer_bytes(encoding);
    int64_t value;
    if (bytes == 0) {
        if (encoding < 0xF1 || encoding > 0xFD)
            return false;
        value = encoding - 0xF1;
    } else {
        if (!has(c, bytes))
            return false;
        unsigned unused = 64 - 8 * bytes;
        value = (int64_t)(little(c->data + c->at, bytes) << unused) >> unused;
        c->at += bytes;
    }
    *out = slice_of(room, number_print_i64(room, value));
    return true;
}

static bool read_string(struct cursor *c, struct slice *out)
{
    unsigned kind = c->data[c->at] >> 6;
    unsigned head = kind == 0 ? 1 : kind == 1 ? 2 : 5;
    if (!has(c, head))
        return false;
    const unsigned char *at = c->data + c->at;
    uint64_t len = kind == 0 ? at[0] : kind == 1 ? big(at, 2) & 0x3FFF : big(at + 1, 4);
    c->at += head;
    if (!has(c, len))
        return false;
    *out = slice_of(c->data + c->at, (size_t)len);
    c->at += (size_t)len;
    return true;
}

bool ziplist_each(struct slice bytes, ziplist_visit_fn visit, void *ctx)
{
    struct cursor c = {(const unsigned char *)bytes.data, HEAD_BYTES, bytes.len - 1};
    if (bytes.len < HEAD_BYTES + 1 || little(c.data, 4) != bytes.len ||
        c.data[c.end] != ZIPLIST_END)
        return false;
    uint64_t said = little(c.data + 8, 2), count = 0;
    for (size_t previous = 0; c.at < c.end; count++) {
        char room[NUMBER_TEXT_MAX];
        struct slice element;
        size_t start = c.at;
        if (!skip_previous(&c, previous) || !has(&c, 1))
            return false;
        bool integer = c.data[c.at] >> 6 == 3;
        if (!(integer ? read_integer(&c, room, &element) : read_string(&c, &element)) ||
            !visit(ctx, element))
            return false;
        previous = c.at - start;
    }
    return said == UINT16_MAX || said == count;
}
