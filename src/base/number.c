/* number.c - numbers as text, exactly as Redis reads and prints them.
 *
 * Printing a double looks for the shortest decimal m * 10^-k that reads back as the same bits.
 * While m stays under 10^15 it and 10^k are exact doubles and m / 10^k is rounded once, as a
 * correct reader rounds (Clinger, "How to read floating point numbers accurately", 1990), so one
 * division proves a candidate; scores people choose end there. The rest is tried with 15, 16 and 17
 * digits by the C library, which always suffices.
 */
#include "base/number.h"

#include <ctype.h>
#include <errno.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include "base/panic.h"

static const double power_of_ten[] = {1e0, 1e1, 1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                      1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};

bool number_parse_u64(struct slice s, uint64_t *out)
{
    if (s.len == 0 || s.len > 20 || (s.data[0] == '0' && s.len > 1))
        return false;
    uint64_t value = 0;
    for (size_t i = 0; i < s.len; i++) {
        unsigned digit = (unsigned char)s.data[i] - '0';
        if (digit > 9)
            return false;
        if (i == 19 && (value > UINT64_MAX / 10 || value * 10 > UINT64_MAX - digit))
            return false;
        value = value * 10 + digit;
    }
    *out = value;
    return true;
}

bool number_parse_i64(struct slice s, int64_t *out)
{
    uint64_t size;
    if (s.len == 0)
        return false;
    bool negative = s.data[0] == '-';
    if (!number_parse_u64(slice_of(s.data + negative, s.len - negative), &size))
        return false;
    if (negative ? size == 0 || size > (uint64_t)INT64_MAX + 1 : size > INT64_MAX)
        return false;
    *out = negative ? (int64_t)(0 - size) : (int64_t)size;
    return true;
}

/* Plain decimals of at most 15 digits, exactly; false leaves everything else to the C library. */
static bool parse_short_decimal(struct slice s, double *out)
{
    bool negative = s.len > 0 && s.data[0] == '-', point = false;
    uint64_t digits = 0;
    unsigned count = 0, decimals = 0;

    if (s.len > 17)
        return false;
    for (size_t i = negative; i < s.len; i++) {
        unsigned digit = (unsigned char)s.data[i] - '0';
        if (digit <= 9) {
            digits = digits * 10 + digit;
            count++;
            decimals += point;
        } else if (s.data[i] == '.' && !point) {
            point = true;
        } else {
            return false;
        }
    }
    if (count == 0 || count > 15)
        return false;
    double value = (double)digits / power_of_ten[decimals];
    *out = negative ? -value : value;
    return true;
}

/* A terminated copy for the C library; false if nothing of that length or start is a number. */
static bool copy_for_libc(struct slice s, char *copy, size_t room)
{
    if (s.len == 0 || s.len >= room || isspace((unsigned char)s.data[0]))
        return false;
    memcpy(copy, s.data, s.len);
    copy[s.len] = '\0';
    errno = 0;
    return true;
}

bool number_parse_double(struct slice s, double *out)
{
    char copy[NUMBER_FLOAT_TEXT_MAX], *end;
    if (LIKELY(parse_short_decimal(s, out)))
        return true;
    if (!copy_for_libc(s, copy, sizeof(copy)))
        return false;
    double value = strtod(copy, &end);
    if (end != copy + s.len || isnan(value) || (errno == ERANGE && (isinf(value) || value == 0)))
        return false;
    *out = value;
    return true;
}

bool number_parse_long_double(struct slice s, long double *out)
{
    char copy[NUMBER_FLOAT_TEXT_MAX], *end;
    if (!copy_for_libc(s, copy, sizeof(copy)))
        return false;
    long double value = strtold(copy, &end);
    if (end != copy + s.len || isnan(value) || (errno == ERANGE && (isinf(value) || value == 0)))
        return false;
    *out = value;
    return true;
}

unsigned number_digits_u64(uint64_t v)
{
    /* The least number of so many digits and one; none is below that of one digit. */
    static const uint64_t least[] = {0,
                                     UINT64_C(10),
                                     UINT64_C(100),
                                     UINT64_C(1000),
                                     UINT64_C(10000),
                                     UINT64_C(100000),
                                     UINT64_C(1000000),
                                     UINT64_C(10000000),
                                     UINT64_C(100000000),
                                     UINT64_C(1000000000),
                                     UINT64_C(10000000000),
                                     UINT64_C(100000000000),
                                     UINT64_C(1000000000000),
                                     UINT64_C(10000000000000),
                                     UINT64_C(100000000000000),
                                     UINT64_C(1000000000000000),
                                     UINT64_C(10000000000000000),
                                     UINT64_C(100000000000000000),
                                     UINT64_C(1000000000000000000),
                                     UINT64_C(10000000000000000000)};
    unsigned bits = 64 - (unsigned)__builtin_clzll(v | 1);
    unsigned digits = bits * 1233 >> 12; /* times log10(2): that many or one more */
    return digits + (v >= least[digits]);
}

size_t number_print_u64(char *out, uint64_t v)
{
    static const char pairs[] =
        "00010203040506070809101112131415161718192021222324252627282930313233"
        "34353637383940414243444546474849505152535455565758596061626364656667"
        "6869707172737475767778798081828384858687888990919293949596979899";
    size_t len = number_digits_u64(v);
    char *at = out + len;
    for (; v >= 100; v /= 100)
        memcpy(at -= 2, pairs + v % 100 * 2, 2);
    if (v >= 10)
        memcpy(at - 2, pairs + v * 2, 2);
    else
        at[-1] = (char)('0' + v);
    return len;
}

size_t number_print_i64(char *out, int64_t v)
{
    if (v >= 0)
        return number_print_u64(out, (uint64_t)v);
    *out = '-';
    return 1 + number_print_u64(out + 1, 0 - (uint64_t)v);
}

/* A positive number: digits without trailing zeros, times ten to the power. */
struct decimal {
    char digits[NUMBER_TEXT_MAX];
    int count, power;
};

static bool decimal_find_short(double v, struct decimal *out)
{
    if (v >= 1e15 || v < 1e-15)
        return false;
    for (unsigned k = 0; k < COUNT_OF(power_of_ten); k++) {
        double scaled = v * power_of_ten[k];
        if (scaled >= 1e15)
            return false;
        uint64_t whole = (uint64_t)(scaled + 0.5);
        if ((double)whole / power_of_ten[k] == v) {
            out->count = (int)number_print_u64(out->digits, whole);
            out->power = -(int)k;
            return true;
        }
    }
    return false;
}

/* Subnormal numbers have fewer than 15 digits of precision, so theirs is sought from the first. */
static void decimal_find_long(double v, struct decimal *out)
{
    char text[NUMBER_TEXT_MAX];
    for (int precision = v < DBL_MIN ? 1 : 15; precision <= 17; precision++) {
        snprintf(text, sizeof(text), "%.*e", precision - 1, v);
        if (precision == 17 || strtod(text, NULL) == v)
            break;
    }
    const char *at = text;
    out->count = 0;
    for (; *at != 'e'; at++)
        if (*at != '.')
            out->digits[out->count++] = *at;
    out->power = atoi(at + 1) - (out->count - 1);
    while (out->count > 1 && out->digits[out->count - 1] == '0') {
        out->count--;
        out->power++;
    }
}

static char *put(char *out, const char *data, int len)
{
    memcpy(out, data, (size_t)len);
    return out + len;
}

static char *put_zeros(char *out, int count)
{
    memset(out, '0', (size_t)count);
    return out + count;
}

/* Where Redis's printer (fpconv) changes to an exponent: an integer with more than 7 zeros to add,
 * or more than 6 decimals on a number that is not within four places of the point. */
static char *decimal_print(const struct decimal *d, char *out)
{
    int exponent = d->power + d->count - 1;
    int whole = d->count + d->power; /* digits before the point */

    if (d->power >= 0 && exponent < d->count + 7)
        return put_zeros(put(out, d->digits, d->count), d->power);
    if (d->power < 0 && (d->power > -7 || abs(exponent) < 4)) {
        if (whole <= 0)
            return put(put_zeros(put(out, "0.", 2), -whole), d->digits, d->count);
        out = put(put(out, d->digits, whole), ".", 1);
        return put(out, d->digits + whole, d->count - whole);
    }
    *out++ = d->digits[0];
    if (d->count > 1)
        out = put(put(out, ".", 1), d->digits + 1, d->count - 1);
    *out++ = 'e';
    *out++ = exponent < 0 ? '-' : '+';
    return out + number_print_u64(out, (uint64_t)abs(exponent));
}

static size_t put_word(char *out, const char *word)
{
    return (size_t)(put(out, word, (int)strlen(word)) - out);
}

size_t number_print_double(char out[NUMBER_TEXT_MAX + 8], double v)
{
    const double integer_limit = (double)(INT64_MAX / 2);
    char *at = out;

    if (isnan(v))
        return put_word(out, "nan");
    if (isinf(v))
        return put_word(out, v < 0 ? "-inf" : "inf");
    if (v == 0)
        return put_word(out, signbit(v) ? "-0" : "0");
    if (fabs(v) <= integer_limit && (double)(int64_t)v == v)
        return number_print_i64(out, (int64_t)v);

    struct decimal d;
    if (v < 0)
        *at++ = '-';
    if (!decimal_find_short(fabs(v), &d))
        decimal_find_long(fabs(v), &d);
    return (size_t)(decimal_print(&d, at) - out);
}

size_t number_print_long_double(char out[NUMBER_FLOAT_TEXT_MAX], long double v)
{
    if (isnan(v))
        return put_word(out, "nan");
    if (isinf(v))
        return put_word(out, v < 0 ? "-inf" : "inf");
    int len = snprintf(out, NUMBER_FLOAT_TEXT_MAX, "%.17Lf", v);
    ASSERT(len > 0 && len < NUMBER_FLOAT_TEXT_MAX);
    while (out[len - 1] == '0')
        len--;
    if (out[len - 1] == '.')
        len--;
    if (len == 2 && out[0] == '-' && out[1] == '0')
        return put_word(out, "0");
    return (size_t)len;
}

bool number_parse_memory(struct slice s, uint64_t *out)
{
    static const struct {
        const char *name;
        uint64_t bytes;
    } units[] = {{"", 1},
                 {"b", 1},
                 {"k", 1000},
                 {"kb", 1024},
                 {"m", 1000 * 1000},
                 {"mb", 1024 * 1024},
                 {"g", 1000 * 1000 * 1000},
                 {"gb", 1024 * 1024 * 1024},
                 {"t", UINT64_C(1000) * 1000 * 1000 * 1000},
                 {"tb", UINT64_C(1024) * 1024 * 1024 * 1024}};
    uint64_t value = 0;
    size_t digits = 0;

    for (; digits < s.len && s.data[digits] >= '0' && s.data[digits] <= '9'; digits++)
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, (unsigned)(s.data[digits] - '0'), &value))
            return false;
    if (digits == 0)
        return false;
    for (size_t i = 0; i < COUNT_OF(units); i++)
        if (slice_is(slice_of(s.data + digits, s.len - digits), units[i].name))
            return !__builtin_mul_overflow(value, units[i].bytes, out);
    return false;
}

void number_print_human(char out[32], uint64_t bytes)
{
    static const char units[] = "KMGTPE";
    double scaled = (double)bytes;
    if (bytes < 1024) {
        snprintf(out, 32, "%uB", (unsigned)bytes);
        return;
    }
    int unit = -1;
    for (uint64_t left = bytes; left >= 1024; left /= 1024) {
        scaled /= 1024;
        unit++;
    }
    snprintf(out, 32, "%.2f%c", scaled, units[unit]);
}
