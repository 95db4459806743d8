/* test_config_table.c - the table is sound, and conf/spillway.conf says what it says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/mem.h"
#include "ops/config_directive.h"

#define CONF "conf/spillway.conf" /* tests run in the root of the project */

static void test_names_are_unique(void **state)
{
    (void)state;
    for (size_t row = 0; row < config_directive_count; row++) {
        const struct config_directive *d = &config_directives[row];
        bool by_alias;
        assert_int_equal(config_find(slice_str(d->name), &by_alias), row);
        assert_false(by_alias);
        if (d->alias != NULL)
            assert_int_equal(config_find(slice_str(d->alias), &by_alias), row);
    }
}

static void test_fields_are_unique(void **state)
{
    (void)state;
    for (size_t a = 0; a < config_directive_count; a++)
        for (size_t b = 0; b < a; b++)
            if (config_directives[a].field != CONFIG_NO_FIELD &&
                config_directives[a].field == config_directives[b].field)
                fail_msg("%s and %s fill the same field", config_directives[a].name,
                         config_directives[b].name);
}

static void test_rows_are_whole(void **state)
{
    (void)state;
    for (size_t row = 0; row < config_directive_count; row++) {
        const struct config_directive *d = &config_directives[row];
        bool words = d->kind == CONFIG_ENUM || d->kind == CONFIG_BITS;
        if (d->initial == NULL || (words && d->choices == NULL) ||
            (d->kind == CONFIG_SPECIAL) != (d->special != NULL) ||
            ((d->flags & CONFIG_UNSUPPORTED) && d->note == NULL) ||
            (d->kind == CONFIG_STRING && !(d->flags & CONFIG_IMMUTABLE)) || d->min > d->max)
            fail_msg("the row of %s is not whole", d->name);
    }
}

static bool note_line(void *ctx, const struct config_line *line)
{
    size_t *honoured = ctx;
    if (line->verdict != CONFIG_HONOURED)
        fail_msg("line %d: %.*s: %s", line->number, (int)line->text.len, line->text.data,
                 line->reason);
    ++*honoured;
    return true;
}

/* The file's lines are the defaults, and each has an effect. */
static void test_conf_is_the_defaults(void **state)
{
    (void)state;
    char *text;
    size_t len, honoured = 0;
    assert_int_equal(config_read_file(CONF, &text, &len), 0);
    struct config *c = config_new();
    assert_true(config_load_lines(c, CONF, slice_of(text, len), note_line, &honoured));
    assert_true(honoured > 50);
    for (size_t row = 0; row < config_directive_count; row++)
        if (!config_value_eq(&c->rows[row].value, &c->rows[row].initial))
            fail_msg("%s is not the default", config_directives[row].name);
    config_free(c);
    mem_free(text);
}

/* Whether a line begins with the name, commented out or not. */
static bool mentions(const char *text, const char *name)
{
    size_t len = strlen(name);
    for (const char *at = strstr(text, name); at != NULL; at = strstr(at + 1, name)) {
        bool start =
            at == text || at[-1] == '\n' || (at - text >= 3 && memcmp(at - 3, "\n# ", 3) == 0);
        if (start && (at[len] == ' ' || at[len] == '\n'))
            return true;
    }
    return false;
}

static void test_conf_shows_every_effect(void **state)
{
    (void)state;
    char *text;
    size_t len;
    unsigned skipped =
        CONFIG_EFFECTLESS | CONFIG_UNSUPPORTED | CONFIG_IGNORED | CONFIG_EXTRA | CONFIG_HIDDEN;
    assert_int_equal(config_read_file(CONF, &text, &len), 0);
    char *all = slice_to_str(slice_of(text, len));
    for (size_t row = 0; row < config_directive_count; row++) {
        const struct config_directive *d = &config_directives[row];
        bool shown = !(d->flags & skipped);
        if (shown != mentions(all, d->name))
            fail_msg("%s is %s the file", d->name,
                     shown ? "missing from" : "without effect but in");
    }
    mem_free(all);
    mem_free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_are_unique),        cmocka_unit_test(test_fields_are_unique),
        cmocka_unit_test(test_rows_are_whole),          cmocka_unit_test(test_conf_is_the_defaults),
        cmocka_unit_test(test_conf_shows_every_effect),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
