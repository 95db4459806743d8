/* listpack.c - a list of short strings and integers in one block of bytes.
 *
 * Each element is an encoding byte (or two), its data, and behind it its own length without that
 * length ("backlen"), so that the list can be walked from the end:
 *
 *      0vvvvvvv                      integer of 0 to 127
 *      10llllll data                 string of up to 63 bytes
 *      110vvvvv vvvvvvvv             integer of 13 bits, the high ones first, two's complement
 *      1110llll llllllll data        string of up to 4095 bytes, the high bits first
 *      11110000 len:u32le data       longer string
 *      11110001 .. 11110100          integer of 16, 24, 32, 64 bits, little endian
 *      11111111                      the end of the list
 *
 * A backlen is written in groups of 7 bits, the highest first; all but the first have the top bit
 * set. So reading starts at its last byte and goes down until a byte without it. The bounds between
 * its widths are one lower than they had to be (16383 takes three bytes): that is the format.
 *
 * A new value takes the narrowest encoding, as in Redis, so the same list of values gives the same
 * bytes. Bytes that were loaded may be wider than they had to be; that is no error, and they stay
 * so.
 *
 * The count of the head is exact below 65535. From there on it says so and stays, until an edit
 * leaves so few bytes that there must be fewer elements again; then they are counted once.
 *
 * Every change is a splice: some bytes at a position give way to others. edit_begin makes room and
 * moves what follows, the caller writes into the gap, edit_end gives idle memory back.
 */
#include "struct/listpack.h"

#include "base/panic.h"

#define BACKLEN_MAX   5
#define INT_TEXT_MAX  20 /* digits and sign of any int64 */
#define SURELY_COUNTS (LISTPACK_EMPTY + 2 * (size_t)LISTPACK_UNCOUNTED) /* 2: smallest element */

enum { STRING_32 = 0xF0, INT_16 = 0xF1, INT_24 = 0xF2, INT_32 = 0xF3, INT_64 = 0xF4 };

/* ---- One element ------------------------------------------------------------------------- */

static NORETURN NOINLINE void damaged(unsigned char byte)
{
    PANIC("no listpack encoding: %u", byte);
}

/* Bytes of the element at p without its backlen. */
ALWAYS_INLINE size_t body_size(const unsigned char *p)
{
    if (p[0] < 0x80)
        return 1;
    if (p[0] < 0xC0)
        return 1u + (p[0] & 0x3F);
    if (p[0] < 0xE0)
        return 2;
    if (p[0] < 0xF0)
        return 2u + ((p[0] & 0x0Fu) << 8 | p[1]);
    switch (p[0]) {
    case STRING_32:
        return 5 + flat_load(p + 1, 4);
    case INT_16:
        return 3;
    case INT_24:
        return 4;
    case INT_32:
        return 5;
    case INT_64:
        return 9;
    default:
        damaged(p[0]);
    }
}

ALWAYS_INLINE size_t backlen_size(size_t body)
{
    if (LIKELY(body <= 127))
        return 1;
    return body < 16383 ? 2 : body < 2097151 ? 3 : body < 268435455 ? 4 : 5;
}

ALWAYS_INLINE size_t element_size(const unsigned char *p)
{
    size_t body = body_size(p);
    return body + backlen_size(body);
}

static unsigned char *backlen_put(unsigned char *p, size_t body)
{
    size_t size = backlen_size(body);
    for (size_t i = size; i-- > 1; body >>= 7)
        p[i] = (unsigned char)((body & 0x7F) | 0x80);
    p[0] = (unsigned char)body;
    return p + size;
}

/* The length whose last byte is at p. */
static size_t backlen_get(const unsigned char *p)
{
    size_t body = *p & 0x7F;
    for (unsigned shift = 7; *p & 0x80; shift += 7) {
        ASSERT(shift < 7 * BACKLEN_MAX);
        p--;
        body |= (size_t)(*p & 0x7F) << shift;
    }
    return body;
}

static int64_t sign_extend(uint64_t v, unsigned bits)
{
    uint64_t sign = UINT64_C(1) << (bits - 1);
    return (int64_t)((v ^ sign) - sign);
}

ALWAYS_INLINE void decode_string(const unsigned char *data, size_t len, struct listpack_value *out)
{
    out->data = (const char *)data;
    out->len = (uint32_t)len;
}

static void decode_integer(const unsigned char *p, struct listpack_value *out)
{
    out->data = NULL;
    out->len = 0;
    if (p[0] < 0x80)
        out->integer = p[0];
    else if (p[0] < 0xE0)
        out->integer = sign_extend((p[0] & 0x1Fu) << 8 | p[1], 13);
    else if (p[0] == INT_16)
        out->integer = sign_extend(flat_load(p + 1, 2), 16);
    else if (p[0] == INT_24)
        out->integer = sign_extend(flat_load(p + 1, 3), 24);
    else if (p[0] == INT_32)
        out->integer = sign_extend(flat_load(p + 1, 4), 32);
    else if (p[0] == INT_64)
        out->integer = (int64_t)flat_load(p + 1, 8);
    else
        damaged(p[0]);
}

ALWAYS_INLINE void decode(const unsigned char *p, struct listpack_value *out)
{
    if (p[0] >= 0x80 && p[0] < 0xC0)
        decode_string(p + 1, p[0] & 0x3F, out);
    else if (p[0] >= 0xE0 && p[0] < 0xF0)
        decode_string(p + 2, (p[0] & 0x0Fu) << 8 | p[1], out);
    else if (p[0] == STRING_32)
        decode_string(p + 5, flat_load(p + 1, 4), out);
    else
        decode_integer(p, out);
}

/* A value about to be written: an integer, or text. */
struct coded {
    struct slice text;
    int64_t integer;
    bool is_integer;
    size_t body;
};

static size_t integer_body(int64_t v)
{
    if (v >= 0 && v <= 127)
        return 1;
    if (v >= -4096 && v <= 4095)
        return 2;
    if (v >= INT16_MIN && v <= INT16_MAX)
        return 3;
    if (v >= -(1 << 23) && v < 1 << 23)
        return 4;
    return v >= INT32_MIN && v <= INT32_MAX ? 5 : 9;
}

static struct coded code_integer(int64_t v)
{
    return (struct coded){.integer = v, .is_integer = true, .body = integer_body(v)};
}

/* Most text is told from integers by its first byte. */
ALWAYS_INLINE bool read_integer(struct slice v, int64_t *integer)
{
    return v.len - 1 < INT_TEXT_MAX && (unsigned char)(v.data[0] - '-') <= '9' - '-' &&
           number_parse_i64(v, integer);
}

ALWAYS_INLINE struct coded code(struct slice v)
{
    int64_t integer = 0;
    bool is_integer = read_integer(v, &integer);
    size_t text_head = v.len < 64 ? 1 : v.len < 4096 ? 2 : 5;
    return (struct coded){.text = v,
                          .integer = integer,
                          .is_integer = is_integer,
                          .body = is_integer ? integer_body(integer) : text_head + v.len};
}

static size_t coded_size(const struct coded *c)
{
    return c->body + backlen_size(c->body);
}

static void put_integer(unsigned char *p, int64_t v, size_t body)
{
    static const unsigned char byte[] = {[3] = INT_16, [4] = INT_24, [5] = INT_32, [9] = INT_64};
    if (body == 1) {
        p[0] = (unsigned char)v;
    } else if (body == 2) {
        p[0] = (unsigned char)(0xC0 | ((uint64_t)v >> 8 & 0x1F));
        p[1] = (unsigned char)v;
    } else {
        p[0] = byte[body];
        for (size_t i = 1; i < body; i++)
            p[i] = (unsigned char)((uint64_t)v >> 8 * (i - 1));
    }
}

static void put_text(unsigned char *p, struct slice text)
{
    if (text.len < 64) {
        *p++ = (unsigned char)(0x80 | text.len);
    } else if (text.len < 4096) {
        *p++ = (unsigned char)(0xE0 | text.len >> 8);
        *p++ = (unsigned char)text.len;
    } else {
        *p++ = STRING_32;
        flat_store(p, text.len, 4);
        p += 4;
    }
    if (text.len)
        memcpy(p, text.data, text.len);
}

/* Writes the element; returns what is behind it. */
ALWAYS_INLINE unsigned char *put(unsigned char *p, const struct coded *c)
{
    if (c->is_integer)
        put_integer(p, c->integer, c->body);
    else
        put_text(p, c->text);
    return backlen_put(p + c->body, c->body);
}

/* ---- The whole --------------------------------------------------------------------------- */

void listpack_init_in(unsigned char *lp)
{
    flat_store(lp, LISTPACK_EMPTY, 4);
    flat_store(lp + 4, 0, 2);
    lp[LISTPACK_HEAD] = LISTPACK_END;
}

unsigned char *listpack_new(size_t capacity)
{
    unsigned char *lp = mem_alloc(MAX_OF(capacity, LISTPACK_EMPTY));
    listpack_init_in(lp);
    return lp;
}

void listpack_free(unsigned char *lp)
{
    mem_free(lp);
}

unsigned char *listpack_copy(const unsigned char *lp)
{
    return mem_dup(lp, listpack_bytes(lp));
}

void listpack_trim(unsigned char **lp)
{
    size_t bytes = listpack_bytes(*lp);
    if (mem_good_size(bytes) < mem_usable(*lp))
        *lp = mem_realloc(*lp, bytes);
}

static size_t count_from(const unsigned char *p)
{
    size_t count = 0;
    for (; *p != LISTPACK_END; p += element_size(p))
        count++;
    return count;
}

size_t listpack_count(const unsigned char *lp)
{
    uint32_t count = listpack_head_count(lp);
    return LIKELY(count != LISTPACK_UNCOUNTED) ? count : count_from(lp + LISTPACK_HEAD);
}

size_t listpack_memory(const unsigned char *lp)
{
    return mem_usable(lp);
}

/* ---- Going about ------------------------------------------------------------------------- */

uint32_t listpack_next(const unsigned char *lp, uint32_t at)
{
    at += (uint32_t)element_size(lp + at);
    return lp[at] == LISTPACK_END ? 0 : at;
}

uint32_t listpack_prev(const unsigned char *lp, uint32_t at)
{
    if (at <= LISTPACK_HEAD)
        return 0;
    size_t body = backlen_get(lp + at - 1), size = body + backlen_size(body);
    ASSERT(size <= at - LISTPACK_HEAD);
    return at - (uint32_t)size;
}

uint32_t listpack_last(const unsigned char *lp)
{
    return listpack_prev(lp, (uint32_t)listpack_bytes(lp) - 1);
}

uint32_t listpack_seek(const unsigned char *lp, int64_t index)
{
    uint32_t count = listpack_head_count(lp), at;
    if (count != LISTPACK_UNCOUNTED) {
        if (index >= (int64_t)count || index < -(int64_t)count)
            return 0;
        if (index >= 0 && index > count / 2)
            index -= count;
        else if (index < 0 && -index > count / 2)
            index += count;
    }
    if (index >= 0) {
        for (at = listpack_first(lp); at && index > 0; index--)
            at = listpack_next(lp, at);
    } else {
        for (at = listpack_last(lp); at && index < -1; index++)
            at = listpack_prev(lp, at);
    }
    return at;
}

/* Whether the element at p is the value, which is the integer n if is_integer. */
ALWAYS_INLINE bool matches(const unsigned char *p, struct slice value, bool is_integer, int64_t n)
{
    if (p[0] < 0x80)
        return is_integer && n == p[0];
    if (p[0] < 0xC0) /* the first byte tells most strings apart, without a call */
        return value.len == (p[0] & 0x3Fu) &&
               (value.len == 0 || (p[1] == (unsigned char)value.data[0] &&
                                   memcmp(p + 1, value.data, value.len) == 0));
    struct listpack_value own;
    decode(p, &own);
    if (!own.data)
        return is_integer && n == own.integer;
    return own.len == value.len && (own.len == 0 || memcmp(own.data, value.data, own.len) == 0);
}

uint32_t listpack_find(const unsigned char *lp, uint32_t at, struct slice value, uint32_t skip)
{
    int64_t n = 0;
    bool is_integer = read_integer(value, &n);

    if (at == 0)
        return 0;
    for (const unsigned char *p = lp + at; *p != LISTPACK_END; p += element_size(p)) {
        if (matches(p, value, is_integer, n))
            return (uint32_t)(p - lp);
        for (uint32_t i = 0; i < skip; i++) {
            p += element_size(p);
            if (*p == LISTPACK_END)
                return 0;
        }
    }
    return 0;
}

/* ---- Reading an element ------------------------------------------------------------------ */

void listpack_get(const unsigned char *lp, uint32_t at, struct listpack_value *out)
{
    decode(lp + at, out);
}

struct slice listpack_text(const unsigned char *lp, uint32_t at, char room[LISTPACK_TEXT])
{
    struct listpack_value v;
    decode(lp + at, &v);
    return v.data ? slice_of(v.data, v.len) : slice_of(room, number_print_i64(room, v.integer));
}

bool listpack_integer(const unsigned char *lp, uint32_t at, int64_t *out)
{
    struct listpack_value v;
    decode(lp + at, &v);
    if (v.data)
        return number_parse_i64(slice_of(v.data, v.len), out);
    *out = v.integer;
    return true;
}

int64_t listpack_take_any_integer(const unsigned char *lp, uint32_t *at)
{
    int64_t v = 0;
    bool ok = listpack_integer(lp, *at, &v);
    ASSERT(ok);
    *at += (uint32_t)element_size(lp + *at);
    return v;
}

bool listpack_equals(const unsigned char *lp, uint32_t at, struct slice value)
{
    int64_t n = 0;
    bool is_integer = read_integer(value, &n);
    return matches(lp + at, value, is_integer, n);
}

size_t listpack_size_at(const unsigned char *lp, uint32_t at)
{
    return element_size(lp + at);
}

size_t listpack_size_of(struct slice value)
{
    struct coded c = code(value);
    return coded_size(&c);
}

size_t listpack_size_of_integer(int64_t value)
{
    struct coded c = code_integer(value);
    return coded_size(&c);
}

/* ---- Edits ------------------------------------------------------------------------------- */

struct edit {
    uint32_t at;
    size_t old_bytes, new_bytes; /* of the elements that go and come */
    size_t removed, added;       /* elements; added LISTPACK_UNCOUNTED: as many or more */
};

static size_t edit_total(const unsigned char *lp, const struct edit *e)
{
    return listpack_bytes(lp) - e->old_bytes + e->new_bytes;
}

/* Opens the gap, in a place that has room; returns it. */
static unsigned char *edit_open(unsigned char *lp, const struct edit *e)
{
    size_t bytes = listpack_bytes(lp), total = edit_total(lp, e);
    unsigned char *gap = lp + e->at;
    ASSERT(total <= UINT32_MAX && e->at >= LISTPACK_HEAD && e->at + e->old_bytes < bytes);
    if (e->new_bytes != e->old_bytes) {
        size_t tail = bytes - e->at - e->old_bytes;
        if (tail == 1)
            gap[e->new_bytes] = LISTPACK_END;
        else
            memmove(gap + e->new_bytes, gap + e->old_bytes, tail);
        flat_store(lp, total, 4);
    }
    return gap;
}

/* Brings the count up to date; the gap is filled. */
ALWAYS_INLINE void edit_count(unsigned char *lp, const struct edit *e)
{
    size_t count = listpack_head_count(lp);
    if (LIKELY(count != LISTPACK_UNCOUNTED))
        count = count - e->removed + e->added;
    else if (listpack_bytes(lp) < SURELY_COUNTS)
        count = count_from(lp + LISTPACK_HEAD);
    flat_store(lp + 4, MIN_OF(count, LISTPACK_UNCOUNTED), 2);
}

static unsigned char *edit_begin(unsigned char **lp, const struct edit *e)
{
    if (e->new_bytes > e->old_bytes)
        *lp = flat_grow(*lp, edit_total(*lp, e));
    return edit_open(*lp, e);
}

static void edit_end(unsigned char **lp, const struct edit *e)
{
    edit_count(*lp, e);
    if (e->new_bytes < e->old_bytes)
        *lp = flat_shrink(*lp, listpack_bytes(*lp));
}

static uint32_t end_of(const unsigned char *lp)
{
    return (uint32_t)listpack_bytes(lp) - 1;
}

static UNUSED bool lies_inside(const unsigned char *lp, const char *data)
{
    return (const unsigned char *)data >= lp &&
           (const unsigned char *)data < lp + listpack_bytes(lp);
}

/* One value in the place of `removed` (0 or 1) elements. */
static uint32_t put_one(unsigned char **lp, uint32_t at, size_t removed, const struct coded *c)
{
    struct edit e = {.at = at,
                     .old_bytes = removed ? element_size(*lp + at) : 0,
                     .new_bytes = coded_size(c),
                     .removed = removed,
                     .added = 1};
    DEBUG_ASSERT(c->is_integer || c->text.len == 0 || !lies_inside(*lp, c->text.data));
    put(edit_begin(lp, &e), c);
    edit_end(lp, &e);
    return at;
}

uint32_t listpack_append(unsigned char **lp, struct slice value)
{
    struct coded c = code(value);
    return put_one(lp, end_of(*lp), 0, &c);
}

uint32_t listpack_append_integer(unsigned char **lp, int64_t value)
{
    struct coded c = code_integer(value);
    return put_one(lp, end_of(*lp), 0, &c);
}

uint32_t listpack_prepend(unsigned char **lp, struct slice value)
{
    struct coded c = code(value);
    return put_one(lp, LISTPACK_HEAD, 0, &c);
}

uint32_t listpack_prepend_integer(unsigned char **lp, int64_t value)
{
    struct coded c = code_integer(value);
    return put_one(lp, LISTPACK_HEAD, 0, &c);
}

uint32_t listpack_insert_before(unsigned char **lp, uint32_t at, struct slice value)
{
    struct coded c = code(value);
    return put_one(lp, at ? at : end_of(*lp), 0, &c);
}

uint32_t listpack_insert_after(unsigned char **lp, uint32_t at, struct slice value)
{
    struct coded c = code(value);
    return put_one(lp, at + (uint32_t)element_size(*lp + at), 0, &c);
}

void listpack_replace(unsigned char **lp, uint32_t at, struct slice value)
{
    struct coded c = code(value);
    put_one(lp, at, 1, &c);
}

void listpack_replace_integer(unsigned char **lp, uint32_t at, int64_t value)
{
    struct coded c = code_integer(value);
    put_one(lp, at, 1, &c);
}

/* The edit that a splice of these elements and values is. */
static struct edit edit_of(const unsigned char *lp, uint32_t at, size_t removed,
                           const struct slice *values, size_t added)
{
    struct edit e = {.at = at ? at : end_of(lp), .added = added};
    const unsigned char *p = lp + e.at;
    for (; e.removed < removed && *p != LISTPACK_END; e.removed++)
        p += element_size(p);
    e.old_bytes = (size_t)(p - lp) - e.at;
    for (size_t i = 0; i < added; i++) {
        DEBUG_ASSERT(values[i].len == 0 || !lies_inside(lp, values[i].data));
        e.new_bytes += listpack_size_of(values[i]);
    }
    return e;
}

static void put_all(unsigned char *p, const struct slice *values, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct coded c = code(values[i]);
        p = put(p, &c);
    }
}

static uint32_t unless_end(const unsigned char *lp, uint32_t at)
{
    return lp[at] == LISTPACK_END ? 0 : at;
}

uint32_t listpack_splice(unsigned char **lp, uint32_t at, size_t removed,
                         const struct slice *values, size_t added)
{
    struct edit e = edit_of(*lp, at, removed, values, added);
    put_all(edit_begin(lp, &e), values, added);
    edit_end(lp, &e);
    return unless_end(*lp, e.at);
}

size_t listpack_splice_size(const unsigned char *lp, uint32_t at, size_t removed,
                            const struct slice *values, size_t added)
{
    struct edit e = edit_of(lp, at, removed, values, added);
    return edit_total(lp, &e);
}

uint32_t listpack_splice_in(unsigned char *lp, uint32_t at, size_t removed,
                            const struct slice *values, size_t added)
{
    struct edit e = edit_of(lp, at, removed, values, added);
    put_all(edit_open(lp, &e), values, added);
    edit_count(lp, &e);
    return unless_end(lp, e.at);
}

unsigned char *listpack_prepend_in(unsigned char *lp, size_t room, struct slice value)
{
    struct coded c = code(value);
    struct edit e = {.at = LISTPACK_HEAD, .new_bytes = coded_size(&c), .added = 1};
    size_t total = edit_total(lp, &e);
    unsigned char *begin = lp - e.new_bytes;
    if (e.new_bytes > room)
        return NULL;
    ASSERT(total <= UINT32_MAX);
    memmove(begin, lp, LISTPACK_HEAD);
    flat_store(begin, total, 4);
    put(begin + LISTPACK_HEAD, &c);
    edit_count(begin, &e);
    return begin;
}

unsigned char *listpack_drop_in(unsigned char *lp, size_t count)
{
    struct edit e = edit_of(lp, LISTPACK_HEAD, count, NULL, 0);
    size_t total = edit_total(lp, &e);
    unsigned char *begin = lp + e.old_bytes;
    memmove(begin, lp, LISTPACK_HEAD);
    flat_store(begin, total, 4);
    edit_count(begin, &e);
    return begin;
}

uint32_t listpack_append_many(unsigned char **lp, const struct slice *values, size_t count)
{
    return listpack_splice(lp, 0, 0, values, count);
}

static struct coded code_value(const struct listpack_value *v)
{
    return v->data != NULL ? code(slice_of(v->data, v->len)) : code_integer(v->integer);
}

uint32_t listpack_append_values(unsigned char **lp, const struct listpack_value *values,
                                size_t count)
{
    struct edit e = {.at = end_of(*lp), .added = count};
    for (size_t i = 0; i < count; i++) {
        struct coded c = code_value(&values[i]);
        DEBUG_ASSERT(c.is_integer || c.text.len == 0 || !lies_inside(*lp, c.text.data));
        e.new_bytes += coded_size(&c);
    }
    unsigned char *p = edit_begin(lp, &e);
    for (size_t i = 0; i < count; i++) {
        struct coded c = code_value(&values[i]);
        p = put(p, &c);
    }
    edit_end(lp, &e);
    return unless_end(*lp, e.at);
}

uint32_t listpack_delete(unsigned char **lp, uint32_t at)
{
    return listpack_splice(lp, at, 1, NULL, 0);
}

uint32_t listpack_delete_many(unsigned char **lp, uint32_t at, size_t count)
{
    return listpack_splice(lp, at, count, NULL, 0);
}

size_t listpack_delete_range(unsigned char **lp, int64_t index, size_t count)
{
    uint32_t at = listpack_seek(*lp, index);
    if (at == 0 || count == 0)
        return 0;
    struct edit e = edit_of(*lp, at, count, NULL, 0);
    edit_begin(lp, &e);
    edit_end(lp, &e);
    return e.removed;
}

void listpack_merge(unsigned char **lp, const unsigned char *other, bool in_front)
{
    struct edit e = {.at = in_front ? LISTPACK_HEAD : end_of(*lp),
                     .new_bytes = listpack_bytes(other) - LISTPACK_EMPTY,
                     .added = listpack_head_count(other)};
    ASSERT(*lp != other);
    memcpy(edit_begin(lp, &e), other + LISTPACK_HEAD, e.new_bytes);
    edit_end(lp, &e);
}

unsigned char *listpack_split(unsigned char **lp, uint32_t at)
{
    struct edit e = edit_of(*lp, at, SIZE_MAX, NULL, 0);
    unsigned char *tail = listpack_new(LISTPACK_EMPTY + e.old_bytes);
    struct edit fill = {.at = LISTPACK_HEAD, .new_bytes = e.old_bytes, .added = e.removed};
    memcpy(edit_open(tail, &fill), *lp + e.at, e.old_bytes);
    edit_count(tail, &fill);
    edit_begin(lp, &e);
    edit_end(lp, &e);
    return tail;
}

/* ---- Bytes from outside ------------------------------------------------------------------ */

/* Bytes of the element at p, of which `room` may be read; 0 if it is no element or does not fit. */
static size_t validate_element(const unsigned char *p, size_t room)
{
    size_t head = p[0] == STRING_32 ? 5 : p[0] >= 0xE0 && p[0] < 0xF0 ? 2 : 1;
    if (p[0] > INT_64 || head > room)
        return 0;
    size_t body = body_size(p), back = backlen_size(body);
    if (body + back > room)
        return 0;
    unsigned char expected[BACKLEN_MAX];
    backlen_put(expected, body);
    return memcmp(p + body, expected, back) == 0 ? body + back : 0;
}

bool listpack_validate(const unsigned char *bytes, size_t len, bool deep, listpack_check *check,
                       void *context)
{
    if (len < LISTPACK_EMPTY || listpack_bytes(bytes) != len || bytes[len - 1] != LISTPACK_END)
        return false;
    if (!deep)
        return true;

    size_t at = LISTPACK_HEAD, end = len - 1, count = 0, size;
    for (; at < end; at += size, count++) {
        size = validate_element(bytes + at, end - at);
        if (size == 0 || (check && !check(context, bytes, (uint32_t)at, count)))
            return false;
    }
    uint32_t said = listpack_head_count(bytes);
    return said == LISTPACK_UNCOUNTED || said == count;
}
