/* test_rows.c - what every command row says of itself, those of all families: its line of
 * arguments parses and agrees with its arity and its key specifications; its history is in order.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include "commands/commands.h"
#include "engine/usage.h"
#include "ops/commands.h"
#include "ops/ops.h"

/* How many arguments there can be: at least, and whether more. */
struct extent {
    int least;
    bool more;
};

static struct extent extent_of(const struct usage_arg *args, size_t count, bool one)
{
    struct extent sum = {0, false};
    bool first = true;
    for (const struct usage_arg *arg = args; count-- > 0; arg += arg->size) {
        struct extent e = {1, false};
        if (arg->children != 0)
            e = extent_of(arg + 1, arg->children, arg->type == USAGE_ONEOF);
        if (arg->token.data != NULL && arg->type != USAGE_PURE_TOKEN)
            e.least++;
        if (arg->flags & USAGE_MULTIPLE)
            e.more = true;
        if (arg->flags & USAGE_OPTIONAL)
            e = (struct extent){0, true};
        if (!one) {
            sum.least += e.least;
            sum.more |= e.more;
        } else if (first) {
            sum = e;
        } else {
            sum.more |= e.more || e.least != sum.least;
            sum.least = e.least < sum.least ? e.least : sum.least;
        }
        first = false;
    }
    return sum;
}

/* Rows whose arity says less, or more, than their arguments do: as in redis-server, arguments are
 * ignored, told by HELP only, or all optional in one of several forms. */
static bool arity_is_loose(const char *name)
{
    static const char *const names[] = {"quit", "debug", "client|kill", NULL};
    for (size_t i = 0; names[i] != NULL; i++)
        if (strcmp(names[i], name) == 0)
            return true;
    return false;
}

static size_t key_specs(const struct command *row)
{
    size_t count = 0;
    while (count < KEY_SPECS_MAX && row->keys[count].flags != 0)
        count++;
    return count;
}

static void check_usage(const struct command *row, const char *name, bool is_sub)
{
    struct usage usage;
    size_t at = 0, specs = key_specs(row);
    unsigned named = 0;
    const char *error = usage_parse(row->usage != NULL ? row->usage : "", &usage, &at);
    if (error != NULL)
        fail_msg("%s: %s: %s", name, error, row->usage + at);
    for (size_t i = 0; i < usage.count; i++) {
        const struct usage_arg *arg = &usage.args[i];
        if (arg->key_spec >= (int)specs)
            fail_msg("%s has no key specification %d", name, arg->key_spec);
        if (arg->type == USAGE_KEY && arg->key_spec < 0)
            fail_msg("%s: no key specification finds %.*s", name, (int)arg->name.len,
                     arg->name.data);
        if (arg->key_spec >= 0)
            named |= 1u << arg->key_spec;
    }
    if (named != (1u << specs) - 1)
        fail_msg("%s: its arguments do not name every key specification", name);
    struct extent extent = extent_of(usage.args, usage.top, false);
    int arity = extent.least + 1 + is_sub;
    if (row->subcommands == NULL && row->arity != (extent.more ? -arity : arity) &&
        !arity_is_loose(name))
        fail_msg("%s: arity %d, arguments of %d", name, row->arity, extent.more ? -arity : arity);
}

static void check_history(const struct command *row, const char *name)
{
    int before[3] = {0, 0, 0}, now[3], len;
    for (const char *line = row->history; line != NULL; line = strchr(line, '\n')) {
        line += line[0] == '\n';
        if (sscanf(line, "%d.%d.%d %n", &now[0], &now[1], &now[2], &len) != 3 || line[len] == '\0')
            fail_msg("%s: no line of history: %s", name, line);
        if (memcmp(now, before, sizeof now) != 0 &&
            (now[0] * 10000 + now[1] * 100 + now[2] <
             before[0] * 10000 + before[1] * 100 + before[2]))
            fail_msg("%s: history out of order: %s", name, line);
        memcpy(before, now, sizeof now);
    }
}

static void test_rows(void **state)
{
    (void)state;
    struct registry *r = registry_new();
    commands_register(r);
    ops_register(r);
    assert_true(registry_rows(r) > 0);
    for (uint32_t i = 0; i < registry_rows(r); i++) {
        char name[64];
        const struct command *parent, *row = registry_row(r, i, &parent);
        command_full_name(row, parent, name);
        check_usage(row, name, parent != NULL);
        check_history(row, name);
        if (row->since == NULL || row->summary == NULL)
            fail_msg("%s: since or summary is missing", name);
    }
    registry_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rows)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
