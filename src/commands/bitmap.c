/* bitmap.c - commands on the bits of strings: SETBIT, GETBIT, BITCOUNT, BITPOS, BITOP.
 *
 * Bit 0 is the highest of byte 0. Ranges are handled as whole bytes, eight or 32 at once, with the
 * bits before and behind them apart. BITOP goes through its sources in blocks that stay in the
 * first cache.
 */
#include "commands/bitfield.h"
#include "commands/commands.h"
#include "commands/plain.h"

#include "base/mem.h"
#include "base/number.h"
#include "engine/settings.h"

bool bitmap_read_offset(struct call *call, uint32_t at, unsigned field_bits, uint64_t *out)
{
    struct slice text = call->argv[at];
    int64_t offset, limit = RELAXED_LOAD(&call->server->settings->proto_max_bulk_len);
    bool counted = field_bits && text.len > 0 && text.data[0] == '#';
    if (counted)
        text = slice_of(text.data + 1, text.len - 1);
    bool valid = number_parse_i64(text, &offset) &&
                 !(counted && __builtin_mul_overflow(offset, (int64_t)field_bits, &offset)) &&
                 offset >= 0 && ((offset >> 3) < limit || call->client->flags & CLIENT_INTERNAL);
    if (!valid)
        call_error(call, "ERR bit offset is not an integer or out of range");
    *out = valid ? (uint64_t)offset : 0;
    return valid;
}

void bitmap_edit(struct call *call, const struct key *key, struct entry *entry, uint64_t bit,
                 unsigned char **place, bool *grown)
{
    size_t len = entry ? entry_string(entry).len : 0, wanted = (size_t)(bit >> 3) + 1;
    char *data;
    keyspace_string_edit(&call->hold, key, entry, MAX_OF(len, wanted), &data);
    *grown = wanted > len;
    *place = (unsigned char *)data;
}

static void setbit_command(struct call *call)
{
    struct key key = call_first_key(call);
    struct entry *entry;
    uint64_t offset;
    int64_t on;
    if (!bitmap_read_offset(call, 2, 0, &offset) ||
        !call_i64_range(call, 3, 0, 1, &on, "ERR bit is not an integer or out of range") ||
        !call_find_string(call, &key, FIND_WRITE, &entry))
        return;
    unsigned char *place, mask = (unsigned char)(0x80 >> (offset & 7));
    bool grown;
    bitmap_edit(call, &key, entry, offset, &place, &grown);
    unsigned char *byte = place + (offset >> 3);
    bool was = *byte & mask;
    if (grown || was != on) {
        *byte = (unsigned char)((*byte & ~mask) | (on ? mask : 0));
        call_changed(call, 1);
        call_notify(call, '$', "setbit", &key);
    }
    reply_int(call->reply, was);
}

static void getbit_command(struct call *call)
{
    struct key key = call_first_key(call);
    struct entry *entry;
    uint64_t offset;
    if (!bitmap_read_offset(call, 2, 0, &offset) ||
        !call_find_string(call, &key, FIND_READ, &entry))
        return;
    struct slice s = entry ? entry_string(entry) : SLICE("");
    bool on = (offset >> 3) < s.len && (unsigned char)s.data[offset >> 3] & 0x80 >> (offset & 7);
    reply_int(call->reply, on);
}

/* ---- counting and searching ---- */

/* The bits [first, last] of a string that a command was asked for. */
struct bit_range {
    int64_t first, last; /* none if first > last */
};

ALWAYS_INLINE uint64_t load_word(const unsigned char *p)
{
    uint64_t word;
    memcpy(&word, p, sizeof word);
    return word;
}

ALWAYS_INLINE uint64_t count_bytes_inline(const unsigned char *p, size_t len)
{
    uint64_t a = 0, b = 0, c = 0, d = 0;
    for (; len >= 32; p += 32, len -= 32) {
        a += (unsigned)__builtin_popcountll(load_word(p));
        b += (unsigned)__builtin_popcountll(load_word(p + 8));
        c += (unsigned)__builtin_popcountll(load_word(p + 16));
        d += (unsigned)__builtin_popcountll(load_word(p + 24));
    }
    for (; len >= 8; p += 8, len -= 8)
        a += (unsigned)__builtin_popcountll(load_word(p));
    for (; len > 0; p++, len--)
        b += (unsigned)__builtin_popcount(*p);
    return a + b + c + d;
}

static uint64_t count_bytes_anywhere(const unsigned char *p, size_t len)
{
    return count_bytes_inline(p, len);
}

#if defined(__x86_64__)
__attribute__((target("popcnt"))) static uint64_t count_bytes_popcnt(const unsigned char *p,
                                                                     size_t len)
{
    return count_bytes_inline(p, len);
}

static uint64_t count_bytes(const unsigned char *p, size_t len)
{
    return __builtin_cpu_supports("popcnt") ? count_bytes_popcnt(p, len)
                                            : count_bytes_anywhere(p, len);
}
#else
static uint64_t count_bytes(const unsigned char *p, size_t len)
{
    return count_bytes_anywhere(p, len);
}
#endif

static uint64_t count_range(struct slice s, struct bit_range range)
{
    if (range.first > range.last)
        return 0;
    const unsigned char *p = (const unsigned char *)s.data;
    size_t from = (size_t)range.first >> 3, to = (size_t)range.last >> 3;
    unsigned before = p[from] & ~(0xffu >> (range.first & 7)) & 0xff;
    unsigned behind = p[to] & (0xffu >> ((range.last & 7) + 1));
    return count_bytes(p + from, to - from + 1) - (unsigned)__builtin_popcount(before) -
           (unsigned)__builtin_popcount(behind);
}

/* First bit at or behind byte `at` that differs from those of `skip` (0x00 or 0xff), as a bit
 * number; behind the string if there is none. */
static int64_t find_in_bytes(const unsigned char *p, size_t at, size_t len, unsigned char skip)
{
    uint64_t same = skip ? UINT64_MAX : 0;
    while (at + 32 <= len &&
           ((load_word(p + at) ^ same) | (load_word(p + at + 8) ^ same) |
            (load_word(p + at + 16) ^ same) | (load_word(p + at + 24) ^ same)) == 0)
        at += 32;
    while (at + 8 <= len && load_word(p + at) == same)
        at += 8;
    while (at < len && p[at] == skip)
        at++;
    if (at == len)
        return (int64_t)len * 8;
    unsigned differing = (unsigned)(p[at] ^ skip);
    return (int64_t)at * 8 + __builtin_clz(differing) - 24;
}

/* First bit of the range that is `bit`, or -1. */
static int64_t find_bit(struct slice s, struct bit_range range, bool bit)
{
    if (range.first > range.last)
        return -1;
    const unsigned char *p = (const unsigned char *)s.data;
    unsigned char skip = bit ? 0 : 0xff;
    size_t from = (size_t)range.first >> 3;
    unsigned head = (unsigned)(p[from] ^ skip) & 0xff >> (range.first & 7);
    int64_t found = head ? (int64_t)from * 8 + __builtin_clz(head) - 24
                         : find_in_bytes(p, from + 1, (size_t)(range.last >> 3) + 1, skip);
    return found <= range.last ? found : -1;
}

/* Makes [start, end] in bytes or bits, negative from the end, a range of existing bits. */
static struct bit_range clamp_range(int64_t start, int64_t end, size_t len, bool in_bits)
{
    int64_t total = in_bits ? (int64_t)len * 8 : (int64_t)len;
    if (start < 0)
        start = MAX_OF(start + total, 0);
    end = end < 0 ? MAX_OF(end + total, 0) : end;
    end = MIN_OF(end, total - 1);
    if (start > end)
        return (struct bit_range){0, -1};
    return in_bits ? (struct bit_range){start, end} : (struct bit_range){start * 8, end * 8 + 7};
}

/* The unit at argument `at`, if there is one. */
static bool read_unit(struct call *call, uint32_t at, bool *in_bits)
{
    *in_bits = false;
    if (at >= call->argc)
        return true;
    *in_bits = slice_is(call->argv[at], "bit");
    if (*in_bits || slice_is(call->argv[at], "byte"))
        return true;
    call_syntax_error(call);
    return false;
}

static void bitcount_command(struct call *call)
{
    struct key key = call_first_key(call);
    struct entry *entry;
    int64_t start = 0, end = -1;
    bool in_bits = false;
    if (call->argc > 5) {
        call_syntax_error(call);
        return;
    }
    if ((call->argc > 2 && !call_i64(call, 2, &start, NULL)) ||
        (call->argc > 3 && !call_i64(call, 3, &end, NULL)) || !read_unit(call, 4, &in_bits) ||
        !call_find_string(call, &key, FIND_READ, &entry))
        return;
    if (entry == NULL || (start < 0 && end < 0 && start > end)) {
        reply_int(call->reply, 0);
        return;
    }
    struct slice s = entry_string(entry);
    reply_int(call->reply, (int64_t)count_range(s, clamp_range(start, end, s.len, in_bits)));
}

static void bitpos_command(struct call *call)
{
    struct key key = call_first_key(call);
    struct entry *entry;
    int64_t bit, start = 0, end = -1;
    bool in_bits = false;
    if (!call_i64(call, 2, &bit, NULL))
        return;
    if (bit != 0 && bit != 1) {
        call_error(call, "ERR The bit argument must be 1 or 0.");
        return;
    }
    if (call->argc > 6) {
        call_syntax_error(call);
        return;
    }
    if ((call->argc > 3 && !call_i64(call, 3, &start, NULL)) || !read_unit(call, 5, &in_bits) ||
        (call->argc > 4 && !call_i64(call, 4, &end, NULL)) ||
        !call_find_string(call, &key, FIND_READ, &entry))
        return;
    if (entry == NULL) {
        reply_int(call->reply, bit ? -1 : 0);
        return;
    }
    struct slice s = entry_string(entry);
    struct bit_range range = clamp_range(start, end, s.len, in_bits);
    int64_t at = find_bit(s, range, bit);
    /* Without an end the string goes on in zeros for ever. */
    if (at < 0 && !bit && call->argc < 5 && range.first <= range.last)
        at = (int64_t)s.len * 8;
    reply_int(call->reply, at);
}

/* ---- BITOP ---- */

enum bit_operation { OP_AND, OP_OR, OP_XOR, OP_NOT, OP_DIFF, OP_DIFF1, OP_ANDOR, OP_ONE };

static const struct bit_operation_name {
    const char *word;
    bool two_sources; /* at least */
    bool classic;     /* known to servers of before 8.2 */
} operations[] = {
    [OP_AND] = {"and", false, true},     [OP_OR] = {"or", false, true},
    [OP_XOR] = {"xor", false, true},     [OP_NOT] = {"not", false, true},
    [OP_DIFF] = {"diff", true, false},   [OP_DIFF1] = {"diff1", true, false},
    [OP_ANDOR] = {"andor", true, false}, [OP_ONE] = {"one", false, false},
};

#define BLOCK_WORDS 512 /* 4 KiB: three of them fit a first-level cache */
#define BLOCK_BYTES (BLOCK_WORDS * 8)

struct bit_block {
    uint64_t words[BLOCK_WORDS];
};

/* The bytes of `s` from `at` on, as many as a block takes, followed by zeros; `words` of it are
   used. */
static void block_load(struct bit_block *block, struct slice s, size_t at, size_t words)
{
    size_t len = s.len > at ? MIN_OF(s.len - at, words * 8) : 0;
    if (len)
        memcpy(block->words, s.data + at, len);
    memset((char *)block->words + len, 0, words * 8 - len);
}

static void block_and(struct bit_block *to, const struct bit_block *with, size_t words)
{
    for (size_t i = 0; i < words; i++)
        to->words[i] &= with->words[i];
}

static void block_or(struct bit_block *to, const struct bit_block *with, size_t words)
{
    for (size_t i = 0; i < words; i++)
        to->words[i] |= with->words[i];
}

static void block_xor(struct bit_block *to, const struct bit_block *with, size_t words)
{
    for (size_t i = 0; i < words; i++)
        to->words[i] ^= with->words[i];
}

/* Bits set in exactly one so far, and in more than one. */
static void block_one(struct bit_block *once, struct bit_block *more, const struct bit_block *with,
                      size_t words)
{
    for (size_t i = 0; i < words; i++) {
        more->words[i] |= once->words[i] & with->words[i];
        once->words[i] = (once->words[i] ^ with->words[i]) & ~more->words[i];
    }
}

/* `first` combined with `rest`, the union of the other sources, as DIFF, DIFF1 and ANDOR do. */
static void block_finish(enum bit_operation op, struct bit_block *first,
                         const struct bit_block *rest, size_t words)
{
    for (size_t i = 0; i < words; i++) {
        uint64_t x = first->words[i], y = rest->words[i];
        first->words[i] = op == OP_DIFF ? x & ~y : op == OP_DIFF1 ? ~x & y : x & y;
    }
}

static void block_not(struct bit_block *to, size_t words)
{
    for (size_t i = 0; i < words; i++)
        to->words[i] = ~to->words[i];
}

/* One block of the result, at byte `at`, into blocks[0]. blocks[1] and [2] are scratch. */
static void combine_block(enum bit_operation op, const struct slice *sources, size_t count,
                          size_t at, size_t words, struct bit_block blocks[3])
{
    struct bit_block *first = &blocks[0], *with = &blocks[1], *more = &blocks[2];
    bool apart = operations[op].two_sources;
    block_load(first, sources[0], at, words);
    if (apart || op == OP_ONE)
        memset(more->words, 0, words * 8);
    for (size_t i = 1; i < count; i++) {
        block_load(with, sources[i], at, words);
        if (apart)
            block_or(more, with, words);
        else if (op == OP_AND)
            block_and(first, with, words);
        else if (op == OP_OR)
            block_or(first, with, words);
        else if (op == OP_XOR)
            block_xor(first, with, words);
        else
            block_one(first, more, with, words);
    }
    if (apart)
        block_finish(op, first, more, words);
    else if (op == OP_NOT)
        block_not(first, words);
}

static void combine(enum bit_operation op, const struct slice *sources, size_t count, char *out,
                    size_t len)
{
    struct bit_block blocks[3];
    for (size_t at = 0; at < len; at += BLOCK_BYTES) {
        size_t bytes = MIN_OF(len - at, (size_t)BLOCK_BYTES);
        combine_block(op, sources, count, at, (bytes + 7) / 8, blocks);
        memcpy(out + at, blocks[0].words, bytes);
    }
}

/* Puts the result under the key, whatever is there; the encoding is raw for any length. */
static void put_result(struct call *call, const struct key *key, enum bit_operation op,
                       const struct slice *sources, size_t count, size_t len)
{
    struct entry *entry = keyspace_find(&call->hold, key, FIND_WRITE);
    if (len > ENTRY_INLINE_MAX) {
        struct blob *blob = blob_new(NULL, len, len);
        combine(op, sources, count, blob->data, len);
        keyspace_put_blob(&call->hold, key, entry, blob, EXPIRE_NONE);
        return;
    }
    char result[ENTRY_INLINE_MAX];
    combine(op, sources, count, result, len);
    keyspace_put_string_as(&call->hold, key, entry, slice_of(result, len), EXPIRE_NONE,
                           ENCODING_RAW);
}

/* The strings of the source keys; an absent key is an empty one. False after an error. */
static bool read_sources(struct call *call, struct slice *sources, size_t *longest)
{
    *longest = 0;
    for (uint32_t i = 3; i < call->argc; i++) {
        struct key key = plain_key(call, i - 2); /* the first is the target */
        struct entry *entry;
        if (!call_find_string(call, &key, FIND_READ, &entry))
            return false;
        struct slice s = entry ? entry_string(entry) : SLICE("");
        sources[i - 3] = s;
        *longest = MAX_OF(*longest, s.len);
    }
    return true;
}

static void run_bitop(struct call *call, enum bit_operation op, struct slice *sources)
{
    size_t len;
    if (!read_sources(call, sources, &len))
        return;
    struct key key = plain_key(call, 0);
    if (len) {
        put_result(call, &key, op, sources, call->argc - 3, len);
        call_changed(call, 1);
        call_notify(call, '$', "set", &key);
        if (!operations[op].classic) {
            const struct entry *entry = keyspace_find(&call->hold, &key, FIND_PEEK);
            plain_effect_set(call, key.name, entry_string(entry), EXPIRE_NONE, false);
        }
    } else {
        struct entry *entry = keyspace_find(&call->hold, &key, FIND_WRITE);
        if (entry)
            plain_remove(call, &key, entry, false);
    }
    reply_int(call->reply, (int64_t)len);
}

static bool read_operation(struct call *call, enum bit_operation *op)
{
    size_t i = 0;
    while (i < COUNT_OF(operations) && !slice_is(call->argv[1], operations[i].word))
        i++;
    *op = (enum bit_operation)i;
    if (i == COUNT_OF(operations)) {
        call_syntax_error(call);
    } else if (i == OP_NOT && call->argc != 4) {
        call_error(call, "ERR BITOP NOT must be called with a single source key.");
    } else if (operations[i].two_sources && call->argc < 5) {
        static const char *const upper[] = {
            [OP_DIFF] = "DIFF", [OP_DIFF1] = "DIFF1", [OP_ANDOR] = "ANDOR"};
        call_errorf(call, "ERR BITOP %s must be called with at least two source keys.", upper[i]);
    } else {
        return true;
    }
    return false;
}

static void bitop_command(struct call *call)
{
    enum bit_operation op;
    struct slice few[16], *sources = few;
    if (!read_operation(call, &op))
        return;
    if (call->argc - 3 > COUNT_OF(few))
        sources = mem_alloc((call->argc - 3) * sizeof *sources);
    run_bitop(call, op, sources);
    if (sources != few)
        mem_free(sources);
}

/* ---- rows ---- */

#define IN_FAMILY .acl = ACL_BITMAP, .group = GROUP_BITMAP

const struct command bitmap_commands[] = {
    {.name = "bitcount",
     .run = bitcount_command,
     .arity = -2,
     .flags = CMD_READONLY,
     .keys = KEYS_ONE(KEY_RO | KEY_ACCESS),
     .usage = "key#0 [range(start:integer [end-unit-block(end:integer "
              "[unit(BYTE | BIT)@7.0.0])@8.0.0])]",
     .history = "7.0.0 The range in bits or bytes.\n8.0.0 A range without an end.",
     .since = "2.6.0",
     .summary = "Counts the bits that are set in a string or a part of it.",
     .complexity = "O(N) with the length of the part",
     IN_FAMILY},
    {.name = "bitfield",
     .run = bitfield_command,
     .arity = -2,
     .flags = CMD_WRITE | CMD_DENYOOM,
     .keys = KEYS_ONE(KEY_RW | KEY_ACCESS | KEY_UPDATE | KEY_VARIABLE_FLAGS),
     .usage = "key#0 [operation(GET get-block(encoding offset:integer) | "
              "write([OVERFLOW overflow-block(WRAP | SAT | FAIL)] "
              "write-operation(SET set-block(encoding offset:integer value:integer) | "
              "INCRBY increment-block(encoding offset:integer increment:integer))))...]",
     .since = "3.2.0",
     .summary = "Reads and writes integers of any width inside a string.",
     .complexity = "O(1) for each operation",
     IN_FAMILY},
    {.name = "bitfield_ro",
     .run = bitfield_ro_command,
     .arity = -2,
     .flags = CMD_READONLY | CMD_FAST,
     .keys = KEYS_ONE(KEY_RO | KEY_ACCESS),
     .usage = "key#0 [GET get-block(encoding offset:integer)]...",
     .since = "6.0.0",
     .summary = "Reads integers of any width inside a string.",
     .complexity = "O(1) for each operation",
     IN_FAMILY},
    {.name = "bitop",
     .run = bitop_command,
     .arity = -4,
     .flags = CMD_WRITE | CMD_DENYOOM,
     .keys = {{.flags = KEY_OW | KEY_UPDATE, .begin = 2, .step = 1},
              {.flags = KEY_RO | KEY_ACCESS, .begin = 3, .last = -1, .step = 1}},
     .usage = "operation(AND | OR | XOR | NOT | DIFF@8.2.0 | DIFF1@8.2.0 | ANDOR@8.2.0 | "
              "ONE@8.2.0) destkey#0 key#1...",
     .history = "8.2.0 The operations DIFF, DIFF1, ANDOR and ONE.",
     .since = "2.6.0",
     .summary = "Combines strings bit by bit and stores the result.",
     .complexity = "O(N) with the bytes of all sources",
     IN_FAMILY},
    {.name = "bitpos",
     .run = bitpos_command,
     .arity = -3,
     .flags = CMD_READONLY,
     .keys = KEYS_ONE(KEY_RO | KEY_ACCESS),
     .usage = "key#0 bit:integer [range(start:integer "
              "[end-unit-block(end:integer [unit(BYTE | BIT)@7.0.0])])]",
     .history = "7.0.0 The range in bits or bytes.",
     .since = "2.8.7",
     .summary = "Finds the first bit that is set, or that is clear, in a string or a part of it.",
     .complexity = "O(N) with the length of the part",
     IN_FAMILY},
    {.name = "getbit",
     .run = getbit_command,
     .arity = 3,
     .flags = CMD_READONLY | CMD_FAST,
     .keys = KEYS_ONE(KEY_RO | KEY_ACCESS),
     .usage = "key#0 offset:integer",
     .since = "2.2.0",
     .summary = "Answers one bit of a string.",
     .complexity = "O(1)",
     IN_FAMILY},
    {.name = "setbit",
     .run = setbit_command,
     .arity = 4,
     .flags = CMD_WRITE | CMD_DENYOOM,
     .keys = KEYS_ONE(KEY_RW | KEY_ACCESS | KEY_UPDATE),
     .usage = "key#0 offset:integer value:integer",
     .since = "2.2.0",
     .summary = "Sets or clears one bit of a string, which grows as needed.",
     .complexity = "O(1), or O(N) with the bytes it grows by",
     IN_FAMILY},
    {.name = NULL}};
