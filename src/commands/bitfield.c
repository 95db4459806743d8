/* bitfield.c - BITFIELD and BITFIELD_RO: integers of 1 to 64 bits at any bit of a string.
 *
 * Bit 0 is the highest of byte 0; fields are big endian. What lies behind the end of the string
 * reads as zero. The operations are read twice, first to check all of them and to learn how long
 * the string must be, then to run them, so nothing has to be kept between. Sums are made in 128
 * bits, where nothing overflows, and then brought into the range of the field.
 */
#include "commands/bitfield.h"

#include "base/number.h"

enum overflow_rule { OVERFLOW_WRAP, OVERFLOW_SAT, OVERFLOW_FAIL };
enum field_verb { FIELD_GET, FIELD_SET, FIELD_INCRBY };

struct field_op {
    enum field_verb verb;
    enum overflow_rule rule;
    bool is_signed;
    unsigned bits;
    uint64_t offset; /* of its first bit */
    int64_t operand;
};

struct field_reader {
    uint32_t at; /* next argument */
    enum overflow_rule rule;
};

/* "u8", "i64": 1 to 63 bits unsigned, 1 to 64 signed. */
static bool read_type(struct call *call, uint32_t at, struct field_op *op)
{
    struct slice text = call->argv[at];
    int64_t bits = 0;
    op->is_signed = text.len > 0 && text.data[0] == 'i';
    if (text.len > 1 && (op->is_signed || text.data[0] == 'u') &&
        number_parse_i64(slice_of(text.data + 1, text.len - 1), &bits) && bits >= 1 &&
        bits <= (op->is_signed ? 64 : 63)) {
        op->bits = (unsigned)bits;
        return true;
    }
    call_error(call, "ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not "
                     "supported but i64 is.");
    return false;
}

static bool read_rule(struct call *call, uint32_t at, enum overflow_rule *rule)
{
    struct slice word = call->argv[at];
    if (slice_is(word, "wrap"))
        *rule = OVERFLOW_WRAP;
    else if (slice_is(word, "sat"))
        *rule = OVERFLOW_SAT;
    else if (slice_is(word, "fail"))
        *rule = OVERFLOW_FAIL;
    else {
        call_error(call, "ERR Invalid OVERFLOW type specified");
        return false;
    }
    return true;
}

/* The verb at argument `at` if its operands are there too. */
static bool read_verb(const struct call *call, uint32_t at, enum field_verb *verb)
{
    uint32_t left = call->argc - at - 1;
    struct slice word = call->argv[at];
    if (slice_is(word, "get") && left >= 2)
        *verb = FIELD_GET;
    else if (slice_is(word, "set") && left >= 3)
        *verb = FIELD_SET;
    else if (slice_is(word, "incrby") && left >= 3)
        *verb = FIELD_INCRBY;
    else
        return false;
    return true;
}

/* The next operation: 1, 0 at the end, or -1 after replying an error. */
static int next_op(struct call *call, struct field_reader *reader, struct field_op *op)
{
    while (reader->at + 1 < call->argc && slice_is(call->argv[reader->at], "overflow")) {
        if (!read_rule(call, reader->at + 1, &reader->rule))
            return -1;
        reader->at += 2;
    }
    if (reader->at >= call->argc)
        return 0;
    uint32_t at = reader->at;
    if (!read_verb(call, at, &op->verb)) {
        call_syntax_error(call);
        return -1;
    }
    if (!read_type(call, at + 1, op) || !bitmap_read_offset(call, at + 2, op->bits, &op->offset))
        return -1;
    if (op->verb != FIELD_GET && !call_i64(call, at + 3, &op->operand, NULL))
        return -1;
    op->rule = reader->rule;
    reader->at += op->verb == FIELD_GET ? 3 : 4;
    return 1;
}

/* A field lies within nine bytes: eight as one big-endian word, and one. */
static uint64_t word_load(const unsigned char *bytes)
{
    uint64_t word;
    memcpy(&word, bytes, sizeof word);
    return __builtin_bswap64(word);
}

static uint64_t field_load(struct slice s, const struct field_op *op)
{
    unsigned char window[9] = {0};
    size_t first = op->offset >> 3;
    unsigned shift = op->offset & 7;
    if (first < s.len)
        memcpy(window, s.data + first, MIN_OF(sizeof window, s.len - first));
    uint64_t word = word_load(window) << shift | window[8] >> (8 - shift);
    return word >> (64 - op->bits);
}

/* The string, of `len` bytes, reaches over the field. */
static void field_store(unsigned char *data, size_t len, const struct field_op *op, uint64_t value)
{
    unsigned char window[9] = {0};
    size_t first = op->offset >> 3, bytes = MIN_OF(sizeof window, len - first);
    memcpy(window, data + first, bytes);
    unsigned below = 72 - (op->offset & 7) - op->bits; /* bits of the window behind the field */
    unsigned __int128 mask = (unsigned __int128)(UINT64_MAX >> (64 - op->bits)) << below;
    unsigned __int128 all = (unsigned __int128)word_load(window) << 8 | window[8];
    all = (all & ~mask) | ((unsigned __int128)value << below & mask);
    uint64_t word = __builtin_bswap64((uint64_t)(all >> 8));
    memcpy(window, &word, sizeof word);
    window[8] = (unsigned char)all;
    memcpy(data + first, window, bytes);
}

static __int128 field_value(uint64_t raw, const struct field_op *op)
{
    if (op->is_signed)
        return (int64_t)(raw << (64 - op->bits)) >> (64 - op->bits);
    return raw;
}

/* In a signed field of less than 64 bits Redis takes a number to be SET that lies more than
 * INT64_MAX below the highest one for an overflow upwards. */
static bool overflows_upwards(__int128 value, __int128 high, const struct field_op *op)
{
    return value > high ||
           (op->verb == FIELD_SET && op->is_signed && op->bits < 64 && high - value > INT64_MAX);
}

/* Brings `value` into the field's range by its rule. False: the rule is FAIL and it does not
 * fit. */
static bool field_fit(__int128 *value, const struct field_op *op)
{
    __int128 high = ((__int128)1 << (op->bits - op->is_signed)) - 1;
    __int128 low = op->is_signed ? -high - 1 : 0;
    if (*value >= low && *value <= high)
        return true;
    if (op->rule == OVERFLOW_FAIL)
        return false;
    if (op->rule == OVERFLOW_SAT)
        *value = overflows_upwards(*value, high, op) ? high : low;
    else
        *value = field_value((uint64_t)*value & (UINT64_MAX >> (64 - op->bits)), op);
    return true;
}

/* Runs SET or INCRBY on bytes that reach over the field; true if it changed them. */
static bool run_write(struct call *call, unsigned char *data, size_t len, const struct field_op *op)
{
    __int128 old = field_value(field_load(slice_of(data, len), op), op), value = op->operand;
    if (op->verb == FIELD_INCRBY)
        value += old;
    else if (!op->is_signed && value < 0)
        value += (__int128)1 << 64; /* SET takes the operand's bits */
    if (!field_fit(&value, op)) {
        reply_null(call->reply);
        return false;
    }
    field_store(data, len, op, (uint64_t)value);
    reply_int(call->reply, (int64_t)(op->verb == FIELD_SET ? old : value));
    return value != old;
}

/* What the operations ask for, after a first reading of all of them. */
struct field_plan {
    size_t count;
    bool writes;
    uint64_t last_bit; /* highest one written */
};

static bool make_plan(struct call *call, struct field_plan *plan)
{
    struct field_reader reader = {.at = 2};
    struct field_op op;
    int more;
    *plan = (struct field_plan){0};
    while ((more = next_op(call, &reader, &op)) > 0) {
        plan->count++;
        if (op.verb == FIELD_GET)
            continue;
        plan->writes = true;
        plan->last_bit = MAX_OF(plan->last_bit, op.offset + op.bits - 1);
    }
    return more == 0;
}

/* The second reading: runs and replies every operation; returns how many changed something. */
static size_t run_plan(struct call *call, const struct field_plan *plan, struct slice s,
                       unsigned char *place)
{
    struct field_reader reader = {.at = 2};
    struct field_op op;
    size_t changed = 0;
    reply_array(call->reply, plan->count);
    while (next_op(call, &reader, &op) > 0) {
        if (op.verb == FIELD_GET)
            reply_int(call->reply, (int64_t)field_value(field_load(s, &op), &op));
        else
            changed += run_write(call, place, s.len, &op);
    }
    return changed;
}

static void run_bitfield(struct call *call, bool read_only)
{
    struct key key = call_first_key(call);
    struct field_plan plan;
    struct entry *entry;
    if (!make_plan(call, &plan))
        return;
    if (read_only && plan.writes) {
        call_error(call, "ERR BITFIELD_RO only supports the GET subcommand");
        return;
    }
    if (!call_find_string(call, &key, plan.writes ? FIND_WRITE : FIND_READ, &entry))
        return;
    size_t len = entry ? entry_string(entry).len : 0;
    if (!plan.writes) {
        run_plan(call, &plan, entry ? entry_string(entry) : SLICE(""), NULL);
        return;
    }
    unsigned char *place;
    bool grown;
    bitmap_edit(call, &key, entry, plan.last_bit, &place, &grown);
    len = MAX_OF(len, (size_t)(plan.last_bit >> 3) + 1);
    size_t changed = run_plan(call, &plan, slice_of(place, len), place);
    if (changed || grown) {
        call_changed(call, MAX_OF(changed, 1u));
        call_notify(call, '$', "setbit", &key);
    }
}

void bitfield_command(struct call *call)
{
    run_bitfield(call, false);
}

void bitfield_ro_command(struct call *call)
{
    run_bitfield(call, true);
}
