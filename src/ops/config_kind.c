/* config_kind.c - how values of each kind are read, shown, published and written to a file.
 *
 * A value is a number or a text, or both where what was written ("50%") differs from what it comes
 * to. Error texts are Redis's: clients and scripts match them.
 */
#include <limits.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <strings.h>

#include "base/mem.h"
#include "base/number.h"
#include "ops/config_directive.h"

#define WORDS_MAX 1024

bool config_refuse(const struct config_parse *in, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(in->error, CONFIG_ERROR_MAX, format, arguments);
    va_end(arguments);
    return false;
}

static bool is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

size_t config_words(struct slice text, struct slice *words, size_t max)
{
    size_t count = 0, at = 0;
    for (;;) {
        while (at < text.len && is_blank(text.data[at]))
            at++;
        if (at == text.len)
            return count;
        size_t start = at;
        while (at < text.len && !is_blank(text.data[at]))
            at++;
        if (count < max)
            words[count] = slice_of(text.data + start, at - start);
        count++;
    }
}

/* ---- Numbers ---- */

static bool in_bounds(const struct config_directive *d, const struct config_parse *in, int64_t n)
{
    if (n >= d->min && n <= d->max)
        return true;
    if (d->kind == CONFIG_OCTAL)
        return config_refuse(in, "argument must be between %" PRIo64 " and %" PRIo64 " inclusive",
                             (uint64_t)d->min, (uint64_t)d->max);
    return config_refuse(in, "argument must be between %" PRId64 " and %" PRId64 " inclusive",
                         d->min, d->max);
}

static bool parse_int(const struct config_directive *d, const struct config_parse *in, int64_t *out)
{
    struct slice s = in->argv[0];
    if ((d->flags & CONFIG_SECONDS) && s.len > 1 && (s.data[s.len - 1] | 32) == 's')
        s.len--;
    if (!number_parse_i64(s, out))
        return config_refuse(in, "argument couldn't be parsed into an integer");
    if (!in_bounds(d, in, *out))
        return false;
    if (d->flags & CONFIG_CLIP)
        *out = MIN_OF(MAX_OF(*out, d->clip_low), d->clip_high);
    return true;
}

static bool parse_octal(const struct config_directive *d, const struct config_parse *in,
                        int64_t *out)
{
    struct slice s = in->argv[0];
    int64_t n = 0;
    for (size_t i = 0; i < s.len; i++) {
        if (s.data[i] < '0' || s.data[i] > '7' || n > INT32_MAX)
            return config_refuse(in, "argument couldn't be parsed as an octal number");
        n = n * 8 + (s.data[i] - '0');
    }
    if (s.len == 0)
        return config_refuse(in, "argument couldn't be parsed as an octal number");
    *out = n;
    return in_bounds(d, in, n);
}

/* "1", "1.2" or "1.25" in hundredths. */
static bool parse_decimal(const struct config_directive *d, const struct config_parse *in,
                          int64_t *out)
{
    struct slice s = in->argv[0];
    const char *point = s.len > 0 ? memchr(s.data, '.', s.len) : NULL;
    size_t whole_len = point != NULL ? (size_t)(point - s.data) : s.len;
    size_t digits = point != NULL ? s.len - whole_len - 1 : 0;
    uint64_t whole, part = 0;
    if (!number_parse_u64(slice_of(s.data, whole_len), &whole) || whole > 1000000 ||
        (point != NULL && (digits == 0 || digits > 2)))
        return config_refuse(in, "argument must be a number with at most two decimals");
    for (size_t i = 0; i < 2; i++) {
        char c = i < digits ? point[1 + i] : '0';
        if (c < '0' || c > '9')
            return config_refuse(in, "argument must be a number with at most two decimals");
        part = part * 10 + (uint64_t)(c - '0');
    }
    *out = (int64_t)(whole * 100 + part);
    if (*out >= d->min && *out <= d->max)
        return true;
    return config_refuse(in, "argument must be between %.2f and %.2f inclusive",
                         (double)d->min / 100, (double)d->max / 100);
}

static bool parse_memory(const struct config_directive *d, const struct config_parse *in,
                         int64_t *out)
{
    uint64_t n;
    if (!number_parse_memory(in->argv[0], &n))
        return config_refuse(in, "argument must be a memory value");
    *out = n > INT64_MAX ? -1 : (int64_t)n;
    return in_bounds(d, in, *out);
}

static bool parse_size(const struct config_directive *d, const struct config_parse *in,
                       int64_t *out)
{
    struct slice s = in->argv[0];
    uint64_t n;
    if (d->kind == CONFIG_SIZE && slice_is(s, "auto")) {
        *out = SETTING_AUTO;
        return true;
    }
    if (s.len > 1 && s.data[s.len - 1] == '%' &&
        number_parse_u64(slice_of(s.data, s.len - 1), &n)) {
        if (n > 100)
            return config_refuse(in, "percentage argument must be less or equal to 100");
        *out = n == 0 ? 0 : -1 - (int64_t)n;
        return true;
    }
    if (number_parse_memory(s, &n) && n <= INT64_MAX) {
        *out = (int64_t)n;
        return in_bounds(d, in, *out);
    }
    return config_refuse(in, d->kind == CONFIG_SIZE
                                 ? "argument must be 'auto', a memory or percent value"
                                 : "argument must be a memory or percent value");
}

/* ---- Words ---- */

static bool refuse_choices(const struct config_directive *d, const struct config_parse *in)
{
    struct bytes text = {0};
    for (const struct config_choice *choice = d->choices; choice->name != NULL; choice++)
        bytes_printf(&text, "%s%s", choice == d->choices ? "" : ", ", choice->name);
    config_refuse(in, "argument(s) must be one of the following: %s", bytes_str(&text));
    bytes_free(&text);
    return false;
}

static const struct config_choice *find_choice(const struct config_choice *choices, struct slice s)
{
    for (; choices->name != NULL; choices++)
        if (slice_is(s, choices->name))
            return choices;
    return NULL;
}

static bool parse_choice(const struct config_directive *d, const struct config_parse *in,
                         int64_t *out)
{
    const struct config_choice *choice = find_choice(d->choices, in->argv[0]);
    if (choice == NULL)
        return refuse_choices(d, in);
    *out = choice->value;
    return true;
}

static bool parse_bool(const struct config_directive *d, const struct config_parse *in,
                       int64_t *out)
{
    if (d->choices != NULL)
        return parse_choice(d, in, out);
    *out = slice_is(in->argv[0], "yes");
    return *out != 0 || slice_is(in->argv[0], "no") ||
           config_refuse(in, "argument must be 'yes' or 'no'");
}

static bool parse_bits(const struct config_directive *d, const struct config_parse *in,
                       int64_t *out)
{
    int64_t bits = 0;
    if (in->argc == 0)
        return refuse_choices(d, in);
    for (size_t i = 0; i < in->argc; i++) {
        const struct config_choice *choice = find_choice(d->choices, in->argv[i]);
        if (choice == NULL)
            return refuse_choices(d, in);
        bits |= choice->value;
    }
    if ((bits & SHUTDOWN_SAVE) && (bits & SHUTDOWN_NOSAVE))
        return config_refuse(in, "shutdown options SAVE and NOSAVE can't be used simultaneously");
    *out = bits;
    return true;
}

static bool parse_text(const struct config_directive *d, const struct config_parse *in, char **out)
{
    struct bytes joined = {0};
    for (size_t i = 0; i < in->argc; i++) {
        if (i > 0)
            bytes_append_char(&joined, ' ');
        bytes_append(&joined, in->argv[i].data, in->argv[i].len);
    }
    struct slice text = bytes_slice(&joined);
    const char *reason = NULL;
    if (text.len > 0 && memchr(text.data, '\0', text.len) != NULL)
        reason = "argument must not contain a NUL byte";
    else if (d->check != NULL)
        reason = d->check(text);
    if (reason == NULL)
        *out = mem_strdup(bytes_str(&joined));
    bytes_free(&joined);
    return reason == NULL || config_refuse(in, "%s", reason);
}

/* ---- All kinds ---- */

static bool parse_kind(const struct config_directive *d, const struct config_parse *in,
                       struct config_value *out)
{
    switch (d->kind) {
    case CONFIG_BOOL:
        return parse_bool(d, in, &out->number);
    case CONFIG_INT:
        return parse_int(d, in, &out->number);
    case CONFIG_OCTAL:
        return parse_octal(d, in, &out->number);
    case CONFIG_DECIMAL:
        return parse_decimal(d, in, &out->number);
    case CONFIG_MEMORY:
        return parse_memory(d, in, &out->number);
    case CONFIG_MEMORY_OR_PERCENT:
    case CONFIG_SIZE:
        return parse_size(d, in, &out->number);
    case CONFIG_ENUM:
        return parse_choice(d, in, &out->number);
    case CONFIG_BITS:
        return parse_bits(d, in, &out->number);
    case CONFIG_STRING:
    case CONFIG_TEXT:
        return parse_text(d, in, &out->text);
    case CONFIG_SPECIAL:
        return d->special->parse(d, in, out);
    }
    return false;
}

/* A directive that takes several arguments: their words are its arguments, however they were
 * quoted, so that CONFIG SET with one argument means the same as a line of a file. */
static NOINLINE bool parse_words(const struct config_directive *d, const struct config_parse *in,
                                 struct config_value *out)
{
    struct config_parse words_in = *in;
    struct slice words[WORDS_MAX];
    words_in.argc = 0;
    words_in.argv = words;
    for (size_t i = 0; i < in->argc; i++) {
        size_t room = WORDS_MAX - words_in.argc;
        size_t count = config_words(in->argv[i], words + words_in.argc, room);
        if (count > room)
            return config_refuse(in, "too many arguments");
        words_in.argc += count;
    }
    return parse_kind(d, &words_in, out);
}

bool config_parse_value(const struct config_directive *d, const struct config_parse *in,
                        struct config_value *out)
{
    struct config_value parsed = {0};
    bool multi = (d->flags & CONFIG_MULTI) != 0;
    if (!multi && in->argc != 1)
        return config_refuse(in, "wrong number of arguments");
    bool fine = multi ? parse_words(d, in, &parsed) : parse_kind(d, in, &parsed);
    if (!fine) {
        mem_free(parsed.text);
        return false;
    }
    *out = parsed;
    return true;
}

static void print_choice(const struct config_choice *choices, int64_t number, struct bytes *out)
{
    for (; choices->name != NULL; choices++)
        if (choices->value == number) {
            bytes_append_str(out, choices->name);
            return;
        }
}

static void print_bits(const struct config_choice *choices, int64_t number, struct bytes *out)
{
    size_t start = out->len;
    if (number == 0)
        print_choice(choices, 0, out);
    for (; choices->name != NULL; choices++)
        if (choices->value != 0 && (number & choices->value) != 0)
            bytes_printf(out, "%s%s", out->len > start ? " " : "", choices->name);
}

static void print_size(int64_t number, struct bytes *out)
{
    if (number == SETTING_AUTO)
        bytes_append_str(out, "auto");
    else if (setting_is_percent(number))
        bytes_printf(out, "%" PRId64 "%%", -1 - number);
    else
        bytes_printf(out, "%" PRId64, number);
}

static void print_decimal(int64_t number, struct bytes *out)
{
    bytes_printf(out, "%" PRId64, number / 100);
    if (number % 100 != 0)
        bytes_printf(out, number % 10 != 0 ? ".%02" PRId64 : ".%" PRId64,
                     number % 10 != 0 ? number % 100 : number % 100 / 10);
}

void config_print_value(const struct config_directive *d, const struct config_value *v,
                        struct bytes *out)
{
    if (d->kind == CONFIG_SPECIAL && d->special->print != NULL)
        d->special->print(v, out);
    else if (d->kind == CONFIG_BOOL && d->choices == NULL)
        bytes_append_str(out, v->number ? "yes" : "no");
    else if (d->kind == CONFIG_BOOL || d->kind == CONFIG_ENUM)
        print_choice(d->choices, v->number, out);
    else if (d->kind == CONFIG_BITS)
        print_bits(d->choices, v->number, out);
    else if (d->kind == CONFIG_OCTAL)
        bytes_printf(out, "%" PRIo64, (uint64_t)v->number);
    else if (d->kind == CONFIG_DECIMAL)
        print_decimal(v->number, out);
    else if (d->kind == CONFIG_MEMORY_OR_PERCENT || d->kind == CONFIG_SIZE)
        print_size(v->number, out);
    else if (d->kind == CONFIG_INT || d->kind == CONFIG_MEMORY)
        bytes_printf(out, "%" PRId64, v->number);
    else if (v->text != NULL)
        bytes_append_str(out, v->text);
}

bool config_value_eq(const struct config_value *a, const struct config_value *b)
{
    return a->number == b->number &&
           strcmp(a->text != NULL ? a->text : "", b->text != NULL ? b->text : "") == 0;
}

struct config_value config_value_copy(const struct config_value *v)
{
    return (struct config_value){v->number, v->text != NULL ? mem_strdup(v->text) : NULL};
}

void config_value_free(struct config_value *v)
{
    mem_free(v->text);
    *v = (struct config_value){0};
}

void config_publish_value(const struct config_directive *d, const struct config_value *v,
                          struct settings *s)
{
    char *field = (char *)s + (d->field == CONFIG_NO_FIELD ? 0 : d->field);
    if (d->kind == CONFIG_SPECIAL) {
        d->special->publish(v, s);
    } else if (d->field == CONFIG_NO_FIELD) {
        return;
    } else if (d->kind == CONFIG_BOOL) {
        RELAXED_STORE((bool *)(void *)field, v->number != 0);
    } else if (d->kind == CONFIG_ENUM || d->kind == CONFIG_BITS) {
        RELAXED_STORE((int *)(void *)field, (int)v->number);
    } else if (d->kind == CONFIG_STRING) {
        *(const char **)(void *)field = v->text;
    } else if (d->kind == CONFIG_TEXT) {
        struct setting_text *text = (struct setting_text *)(void *)field;
        mem_free(text->text);
        text->text = mem_strdup(v->text);
    } else {
        RELAXED_STORE((int64_t *)(void *)field, v->number);
    }
}

/* ---- Lines of a file ---- */

void config_print_quoted(struct slice text, struct bytes *out)
{
    static const char codes[] = "\n\r\t\a\b", letters[] = "nrtab";
    bytes_append_char(out, '"');
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.data[i];
        const char *code = c != 0 ? strchr(codes, c) : NULL;
        if (c == '"' || c == '\\')
            bytes_printf(out, "\\%c", c);
        else if (code != NULL)
            bytes_printf(out, "\\%c", letters[code - codes]);
        else if (c < ' ' || c > '~')
            bytes_printf(out, "\\x%02x", c);
        else
            bytes_append_char(out, (char)c);
    }
    bytes_append_char(out, '"');
}

static void print_units(int64_t number, struct bytes *out)
{
    static const char *const units[] = {"", "kb", "mb", "gb"};
    size_t unit = 0;
    while (unit < 3 && number != 0 && number % 1024 == 0) {
        number /= 1024;
        unit++;
    }
    bytes_printf(out, "%" PRId64 "%s", number, units[unit]);
}

void config_print_lines(const struct config_directive *d, const struct config_value *v,
                        struct bytes *out)
{
    if (d->kind == CONFIG_SPECIAL && d->special->lines != NULL) {
        d->special->lines(v, out);
        return;
    }
    bytes_printf(out, "%s ", d->name);
    size_t start = out->len;
    bool text_kind = d->kind == CONFIG_STRING || d->kind == CONFIG_TEXT;
    if (text_kind && !(d->flags & CONFIG_MULTI))
        config_print_quoted(slice_str(v->text), out);
    else if (d->kind == CONFIG_SPECIAL && v->text != NULL && v->text[0] != '\0')
        bytes_append_str(out, v->text);
    else if (d->kind >= CONFIG_MEMORY && d->kind <= CONFIG_SIZE && v->number >= 0)
        print_units(v->number, out);
    else
        config_print_value(d, v, out);
    if (out->len == start)
        bytes_append_str(out, "\"\"");
    bytes_append_char(out, '\n');
}
