/* string_increx.c - INCREX: a counter with bounds and a time to live.
 *
 * A sum beyond a bound, or beyond what a number can be, either leaves everything as it is or, with
 * SATURATE, becomes the bound. What changed is logged as a SET.
 */
#include "commands/string.h"

#include <math.h>
#include "base/number.h"
#include "commands/plain.h"

enum expiry { EXPIRY_KEEP, EXPIRY_SET, EXPIRY_PERSIST };

struct options {
    bool saturate, only_new_expiry, real;
    uint32_t by, low, high, time; /* arguments; 0: not given */
    bool seconds, absolute;       /* of the time */
    enum expiry expiry;
    int64_t expire_ms;
};

/* A number of one kind or the other: options.real says which of them counts. */
struct number {
    int64_t integer;
    long double real;
};

struct sum {
    struct number value, step; /* the value in the end, and by how much it has moved */
    bool rejected;
};

/* ---- arguments ---- */

static bool read_time_word(struct slice word, struct options *out)
{
    bool seconds = slice_is(word, "ex") || slice_is(word, "exat");
    bool absolute = slice_is(word, "exat") || slice_is(word, "pxat");
    if (!seconds && !absolute && !slice_is(word, "px"))
        return false;
    out->seconds = seconds;
    out->absolute = absolute;
    return true;
}

/* The option at *at, which is moved to its last argument. False: there is none, or not again, or
 * not together with another. */
static bool read_option(const struct call *call, uint32_t *at, struct options *out)
{
    struct slice word = call->argv[*at];
    uint32_t *number = NULL;
    bool real = slice_is(word, "byfloat");
    if (real || slice_is(word, "byint"))
        number = &out->by;
    else if (slice_is(word, "lbound"))
        number = &out->low;
    else if (slice_is(word, "ubound"))
        number = &out->high;
    else if (read_time_word(word, out))
        number = &out->time;
    if (number != NULL) {
        if (*number != 0 || *at + 1 == call->argc ||
            (number == &out->time && out->expiry != EXPIRY_KEEP))
            return false;
        *number = ++*at;
        out->real |= real;
        if (number == &out->time)
            out->expiry = EXPIRY_SET;
        return true;
    }
    if (slice_is(word, "persist") && out->expiry == EXPIRY_KEEP) {
        out->expiry = EXPIRY_PERSIST;
        return true;
    }
    bool *flag = slice_is(word, "saturate") ? &out->saturate
                 : slice_is(word, "enx")    ? &out->only_new_expiry
                                            : NULL;
    if (flag == NULL || *flag)
        return false;
    *flag = true;
    return true;
}

static bool read_options(struct call *call, struct options *out)
{
    *out = (struct options){.expire_ms = EXPIRE_NONE};
    for (uint32_t at = 2; at < call->argc; at++) {
        if (!read_option(call, &at, out)) {
            call_syntax_error(call);
            return false;
        }
    }
    if (out->only_new_expiry && out->expiry != EXPIRY_SET) {
        call_syntax_error(call);
        return false;
    }
    return out->time == 0 ||
           plain_read_expiry(call, out->time, out->seconds, out->absolute, &out->expire_ms);
}

/* The number at an argument, or `otherwise` if it is not given (0). */
static bool read_number(struct call *call, uint32_t at, bool real, struct number otherwise,
                        struct number *out)
{
    *out = otherwise;
    if (at == 0)
        return true;
    return real ? call_long_double(call, at, &out->real, NULL)
                : call_i64(call, at, &out->integer, NULL);
}

struct numbers {
    struct number by, low, high;
};

static bool read_numbers(struct call *call, const struct options *options, struct numbers *out)
{
    bool real = options->real;
    struct number one = {.integer = 1}, low = {.integer = INT64_MIN}, high = {.integer = INT64_MAX};
    if (real) {
        low.real = -(long double)INFINITY;
        high.real = (long double)INFINITY;
    }
    if (!read_number(call, options->by, real, one, &out->by) ||
        !read_number(call, options->low, real, low, &out->low) ||
        !read_number(call, options->high, real, high, &out->high))
        return false;
    bool crossed = real ? out->low.real > out->high.real : out->low.integer > out->high.integer;
    if (crossed)
        call_error(call, "ERR LBOUND can't be greater than UBOUND");
    return !crossed;
}

/* ---- sums ---- */

static struct sum add_integers(int64_t value, const struct numbers *n, bool saturate)
{
    int64_t by = n->by.integer, low = n->low.integer, high = n->high.integer, total;
    bool above = by > 0, wide = __builtin_add_overflow(value, by, &total);
    if (wide ? above : total > high)
        total = high;
    else if (wide || total < low)
        total = low;
    else
        return (struct sum){{.integer = total}, {.integer = by}, false};
    if (!saturate)
        return (struct sum){{.integer = value}, {.integer = 0}, true};
    int64_t step; /* of a value that was far outside it may be more than can be said */
    if (__builtin_sub_overflow(total, value, &step))
        step = total > value ? INT64_MAX : INT64_MIN;
    return (struct sum){{.integer = total}, {.integer = step}, false};
}

static struct sum add_reals(long double value, const struct numbers *n, bool saturate)
{
    long double total = value + n->by.real;
    long double bound = total > n->high.real  ? n->high.real
                        : total < n->low.real ? n->low.real
                                              : total;
    if (bound == total || isnan(total))
        return (struct sum){{.real = total}, {.real = n->by.real}, false};
    if (!saturate)
        return (struct sum){{.real = value}, {.real = 0}, true};
    return (struct sum){{.real = bound}, {.real = bound - value}, false};
}

/* False after replying that the string is no number, or that the sum would be none. */
static bool add(struct call *call, const struct options *options, const struct numbers *n,
                const struct entry *entry, struct sum *out)
{
    long double real = 0;
    int64_t integer = 0;
    if (options->real) {
        if (entry && !number_parse_long_double(entry_string(entry), &real)) {
            call_error(call, "ERR value is not a valid float");
            return false;
        }
        *out = add_reals(real, n, options->saturate);
        if (isfinite(out->value.real))
            return true;
        call_error(call, "ERR increment would produce NaN or Infinity");
        return false;
    }
    if (entry && !number_parse_i64(entry_string(entry), &integer)) {
        call_error(call, "ERR value is not an integer or out of range");
        return false;
    }
    *out = add_integers(integer, n, options->saturate);
    return true;
}

/* ---- the command ---- */

/* When the key expires in the end. */
static int64_t new_expiry(const struct options *options, const struct entry *entry)
{
    int64_t old = entry ? entry_expire_ms(entry) : EXPIRE_NONE;
    if (options->expiry == EXPIRY_SET)
        return options->only_new_expiry && old != EXPIRE_NONE ? old : options->expire_ms;
    return options->expiry == EXPIRY_PERSIST ? EXPIRE_NONE : old;
}

static void put(struct call *call, const struct key *key, struct entry *entry,
                const struct options *options, struct number value)
{
    char digits[NUMBER_FLOAT_TEXT_MAX];
    int64_t old = entry ? entry_expire_ms(entry) : EXPIRE_NONE;
    int64_t expire_ms = new_expiry(options, entry);
    if (expire_ms != old && expire_ms != EXPIRE_NONE && plain_is_past(call, expire_ms)) {
        if (entry)
            plain_remove(call, key, entry, false);
        return;
    }
    size_t len = options->real ? number_print_long_double(digits, value.real)
                               : number_print_i64(digits, value.integer);
    struct slice text = slice_of(digits, len);
    if (options->real)
        keyspace_put_string_as(&call->hold, key, entry, text, expire_ms,
                               len <= STRING_EMBSTR_MAX ? ENCODING_EMBSTR : ENCODING_RAW);
    else
        keyspace_put_string(&call->hold, key, entry, text, expire_ms);
    call_changed(call, 1);
    plain_effect_set(call, key->name, text, expire_ms, false);
    call_notify(call, '$', options->real ? "incrbyfloat" : "incrby", key);
    if (expire_ms != old)
        call_notify(call, 'g', expire_ms != EXPIRE_NONE ? "expire" : "persist", key);
}

void string_increx(struct call *call)
{
    struct key key = call_first_key(call);
    struct options options;
    struct numbers numbers;
    struct entry *entry;
    struct sum sum;
    if (!read_options(call, &options) || !read_numbers(call, &options, &numbers) ||
        !call_find_string(call, &key, FIND_WRITE, &entry) ||
        !add(call, &options, &numbers, entry, &sum))
        return;
    if (!sum.rejected)
        put(call, &key, entry, &options, sum.value);
    reply_array(call->reply, 2);
    if (options.real) {
        reply_human_double(call->reply, sum.value.real);
        reply_human_double(call->reply, sum.step.real);
    } else {
        reply_int(call->reply, sum.value.integer);
        reply_int(call->reply, sum.step.integer);
    }
}
