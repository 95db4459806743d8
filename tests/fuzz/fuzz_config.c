/* fuzz_config.c - a configuration file of any bytes: loading, CONFIG SET and REWRITE hold together.
 *
 * The input is a file. Lines that would read other files or change this process are left out. What
 * was accepted must be shown in a form that CONFIG SET accepts again with the same result, and the
 * rewritten file must load to the same values and rewrite to itself.
 */
#include <stdio.h>

#include "base/mem.h"
#include "base/panic.h"
#include "ops/config_directive.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool accept_all(void *ctx, const struct config_line *line)
{
    (void)ctx;
    ASSERT(line->number > 0 && line->text.len > 0);
    ASSERT(line->verdict != CONFIG_REFUSED || line->reason[0] != '\0');
    return true;
}

/* Leaves out lines that mention include (other files), dir and disk-fault (the process). */
static struct bytes filter(const uint8_t *data, size_t size)
{
    static const char *const words[] = {"include", "dir", "fault"};
    struct bytes out = {0};
    struct slice rest = slice_of(data, size);
    while (rest.len > 0) {
        const char *end = memchr(rest.data, '\n', rest.len);
        size_t len = end != NULL ? (size_t)(end - rest.data) + 1 : rest.len;
        bool kept = memchr(rest.data, '\\', len) == NULL;
        for (size_t i = 0; kept && i < COUNT_OF(words); i++)
            for (size_t at = 0; at + strlen(words[i]) <= len; at++)
                kept &= !slice_is(slice_of(rest.data + at, strlen(words[i])), words[i]);
        if (kept)
            bytes_append(&out, rest.data, len);
        rest = slice_of(rest.data + len, rest.len - len);
    }
    return out;
}

static void assert_same(const struct config *a, const struct config *b)
{
    for (size_t row = 0; row < config_directive_count; row++)
        if (!config_value_eq(&a->rows[row].value, &b->rows[row].value))
            PANIC("%s differs", config_directives[row].name);
}

/* What CONFIG GET shows is accepted and gives the same value. */
static void check_shown(struct config *c)
{
    for (size_t row = 0; row < config_directive_count; row++) {
        const struct config_directive *d = &config_directives[row];
        struct bytes shown = {0}, again = {0};
        struct config_value value = {0};
        char error[CONFIG_ERROR_MAX];
        if (d->flags & (CONFIG_EXTRA | CONFIG_IGNORED))
            continue;
        config_print_value(d, &c->rows[row].value, &shown);
        struct slice word = bytes_slice(&shown);
        struct config_parse in = {.old = &c->rows[row].value,
                                  .from_file = true,
                                  .argc = 1,
                                  .argv = &word,
                                  .error = error};
        if (!config_parse_value(d, &in, &value))
            PANIC("%s '%s': %s", d->name, bytes_str(&shown), error);
        config_print_value(d, &value, &again);
        ASSERT(slice_eq(bytes_slice(&shown), bytes_slice(&again)));
        config_value_free(&value);
        bytes_free(&shown);
        bytes_free(&again);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes text = filter(data, size), first = {0}, second = {0};
    struct config *a = config_new(), *b = config_new();
    ASSERT(config_load_lines(a, "fuzz.conf", bytes_slice(&text), accept_all, NULL));
    check_shown(a);
    config_rewrite_text(a, bytes_slice(&text), &first);
    config_load_lines(b, "again.conf", bytes_slice(&first), accept_all, NULL);
    assert_same(a, b);
    config_rewrite_text(a, bytes_slice(&first), &second);
    ASSERT(slice_eq(bytes_slice(&first), bytes_slice(&second)));
    bytes_free(&text);
    bytes_free(&first);
    bytes_free(&second);
    config_free(a);
    config_free(b);
    return 0;
}
