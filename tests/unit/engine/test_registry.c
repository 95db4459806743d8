/* test_registry.c - finding command rows by name, and what follows from a row's flags. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include "engine/registry.h"

static const struct command subs[] = {{.name = "get", .arity = 3}, {.name = "set"}, {.name = NULL}};
static const struct command rows[] = {
    {.name = "get", .flags = CMD_READONLY | CMD_FAST},
    {.name = "a-name_with.signs"},
    {.name = "abcdefghijklmnopqrstuvwxyz01234", .flags = CMD_WRITE}, /* 31: the longest */
    {.name = "config", .flags = CMD_PARENT, .subcommands = subs},
    {.name = NULL},
};

static const struct command *find(struct registry *r, struct slice name)
{
    uint32_t index = 12345;
    const struct command *row = registry_find(r, name, &index);
    if (row != NULL) {
        const struct command *parent;
        assert_ptr_equal(registry_row(r, index, &parent), row);
        assert_null(parent);
    } else {
        assert_int_equal(index, 12345);
    }
    return row;
}

static void test_names(void **state)
{
    (void)state;
    struct registry *r = registry_new();
    assert_null(find(r, SLICE("get")));
    registry_add(r, rows);
    assert_int_equal(registry_count(r), 4);
    assert_int_equal(registry_rows(r), 6);
    assert_ptr_equal(find(r, SLICE("get")), &rows[0]);
    assert_ptr_equal(find(r, SLICE("GeT")), &rows[0]);
    assert_ptr_equal(find(r, SLICE("A-NAME_WITH.SIGNS")), &rows[1]);
    assert_ptr_equal(find(r, SLICE("abcdefghijklmnopqrstuvwxyz01234")), &rows[2]);
    /* What is near a name is none: shorter, longer, a NUL, another sign with the same low bits. */
    assert_null(find(r, SLICE("")));
    assert_null(find(r, SLICE("ge")));
    assert_null(find(r, SLICE("gets")));
    assert_null(find(r, SLICE("get\0")));
    assert_null(find(r, SLICE("\0get")));
    assert_null(find(r, SLICE("a\rname_with.signs")));
    assert_null(find(r, SLICE("a-name\x7fwith.signs")));
    assert_null(find(r, SLICE("abcdefghijklmnopqrstuvwxyz012345")));
    char huge[1000];
    memset(huge, 'g', sizeof huge);
    assert_null(find(r, slice_of(huge, sizeof huge)));
    registry_free(r);
}

static void test_subcommands(void **state)
{
    (void)state;
    struct registry *r = registry_new();
    registry_add(r, rows);
    uint32_t top, sub;
    const struct command *config = registry_find(r, SLICE("CONFIG"), &top);
    assert_ptr_equal(registry_find_sub(r, config, SLICE("Get"), &sub), &subs[0]);
    const struct command *parent;
    assert_ptr_equal(registry_row(r, sub, &parent), &subs[0]);
    assert_ptr_equal(parent, config);
    assert_null(registry_find_sub(r, config, SLICE("config"), NULL));
    assert_null(registry_find_sub(r, &rows[0], SLICE("get"), NULL));
    assert_null(registry_find(r, SLICE("set"), NULL)); /* only within its container */
    char name[64];
    assert_string_equal(command_full_name(&subs[0], config, name), "config|get");
    assert_string_equal(command_full_name(config, NULL, name), "config");
    registry_free(r);
    registry_free(NULL);
}

static void test_many_rows(void **state)
{
    (void)state;
    static char names[1000][16];
    static struct command many[1001];
    struct registry *r = registry_new();
    for (unsigned i = 0; i < 1000; i++) {
        snprintf(names[i], sizeof names[i], "command%u", i);
        many[i] = (struct command){.name = names[i]};
    }
    registry_add(r, rows); /* the index grows with rows of several arrays in it */
    registry_add(r, many);
    for (unsigned i = 0; i < 1000; i++)
        assert_ptr_equal(find(r, slice_str(names[i])), &many[i]);
    assert_ptr_equal(find(r, SLICE("get")), &rows[0]);
    assert_null(find(r, SLICE("command1000")));
    assert_int_equal(registry_rows(r), 1006);
    registry_free(r);
}

static void test_acl_categories(void **state)
{
    (void)state;
    assert_int_equal(command_acl(&rows[0]), ACL_READ | ACL_FAST);
    assert_int_equal(command_acl(&rows[2]), ACL_WRITE | ACL_SLOW);
    struct command admin = {.flags = CMD_ADMIN, .acl = ACL_KEYSPACE};
    assert_int_equal(command_acl(&admin), ACL_KEYSPACE | ACL_ADMIN | ACL_DANGEROUS | ACL_SLOW);
    struct command blocking = {.flags = CMD_BLOCKING | CMD_PUBSUB | CMD_FAST};
    assert_int_equal(command_acl(&blocking), ACL_BLOCKING | ACL_PUBSUB | ACL_FAST);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_subcommands),
        cmocka_unit_test(test_many_rows),
        cmocka_unit_test(test_acl_categories),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
