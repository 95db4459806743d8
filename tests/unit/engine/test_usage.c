/* test_usage.c - the lines that say what arguments a command takes: what they mean, and what is
 * wrong with those that mean nothing. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "engine/usage.h"

static const char type_signs[] = {'s', 'i', 'd', 'k', 'p', 'u', 't', '|', '&'};

static void print(struct bytes *out, const struct usage_arg *args, size_t count)
{
    for (const struct usage_arg *arg = args; count-- > 0; arg += arg->size) {
        bytes_printf(out, "%c%.*s", type_signs[arg->type], (int)arg->name.len, arg->name.data);
        if (arg->shown.len != 0 && !slice_eq(arg->shown, arg->name))
            bytes_printf(out, "<%.*s>", (int)arg->shown.len, arg->shown.data);
        if (arg->token.data != NULL)
            bytes_printf(out, "'%.*s'", (int)arg->token.len, arg->token.data);
        if (arg->key_spec >= 0)
            bytes_printf(out, "#%d", arg->key_spec);
        if (arg->since.len != 0)
            bytes_printf(out, "@%.*s", (int)arg->since.len, arg->since.data);
        if (arg->deprecated_since.len != 0)
            bytes_printf(out, "!%.*s", (int)arg->deprecated_since.len, arg->deprecated_since.data);
        bytes_printf(out, "%s%s%s", arg->flags & USAGE_OPTIONAL ? "?" : "",
                     arg->flags & USAGE_MULTIPLE ? "+" : "",
                     arg->flags & USAGE_MULTIPLE_TOKEN ? "T" : "");
        if (arg->children != 0) {
            bytes_append_char(out, '(');
            print(out, arg + 1, arg->children);
            bytes_append_char(out, ')');
        }
        if (count > 0)
            bytes_append_char(out, ' ');
    }
}

/* The line is parsed to what `wanted` shows: of each argument the sign of its type, name, <shown>,
 * 'token', key specification, versions, flags and (children). */
static void means(const char *line, const char *wanted)
{
    struct usage usage;
    struct bytes out = {0};
    size_t at = 0;
    const char *error = usage_parse(line, &usage, &at);
    if (error != NULL)
        fail_msg("%s: %s at %zu", line, error, at);
    print(&out, usage.args, usage.top);
    assert_string_equal(bytes_str(&out), wanted);
    bytes_free(&out);
}

static void fails(const char *line, size_t where, const char *wanted)
{
    struct usage usage;
    size_t at = 12345;
    const char *error = usage_parse(line, &usage, &at);
    if (error == NULL)
        fail_msg("%s was parsed", line);
    if (strcmp(error, wanted) != 0 || at != where)
        fail_msg("%s: %s at %zu", line, error, at);
    assert_string_equal(usage_parse(line, &usage, NULL), wanted);
}

static void test_values(void **state)
{
    (void)state;
    means("", "");
    means("  ", "");
    means("value", "svalue");
    means(" a  b ", "sa sb");
    means("a:string b:integer c:double d:key e:pattern f:unix-time", "sa ib dc kd pe uf");
    means("key#0 key2#1 by:pattern#9", "kkey#0 kkey2#1 pby#9");
    means("key...", "skey+");
    means("key#0...", "kkey#0+");
    means("[key]", "skey?");
    means("[ key... ]", "skey?+");
    means("addr=ip:port:string", "saddr<ip:port>");
    means("by=pattern:pattern#1", "pby<pattern>#1");
    means("yes/no", "syes/no");
}

static void test_tokens(void **state)
{
    (void)state;
    means("GET", "t'GET'");
    means("LIB-NAME X2", "t'LIB-NAME' t'X2'");
    means("NO ONE", "t'NO' t'ONE'");
    means("[change=CH]", "tchange'CH'?");
    means("auto='*' empty=''", "tauto'*' tempty''");
    means("a=B c", "ta'B' sc");
    means("EX seconds:integer", "iseconds'EX'");
    means("EX 'PX'", "t'EX' t'PX'");
    means("'A b' c", "sc'A b'");
    means("[COUNT count:integer] WITH", "icount'COUNT'? t'WITH'");
    means("[WEIGHTS weight:integer...]", "iweight'WEIGHTS'?+");
    means("[GET get=pattern:pattern#1]...", "pget<pattern>'GET'#1?+T");
    means("[LIMIT limit(a b)]", "&limit'LIMIT'?(sa sb)");
}

static void test_groups(void **state)
{
    (void)state;
    means("data(field value)...", "&data+(sfield svalue)");
    means("one(NX|XX)", "|one(t'NX' t'XX')");
    means("one( NX | EX a )", "|one(t'NX' sa'EX')");
    means("one(a(x y) | b(z))", "|one(&a(sx sy) &b(sz))");
    means("[a([b([c(d | e)])])] f", "&a?(&b?(|c?(sd se))) sf");
    means("alias=group(a b)", "&alias(sa sb)");
}

static void test_versions(void **state)
{
    (void)state;
    means("[GET@6.2.0]", "t'GET'@6.2.0?");
    means("[ID id:integer@2.8.12...]", "iid'ID'@2.8.12?+");
    means("old!2.8.12", "sold!2.8.12");
    means("[one(NX@1.0.0 | XX)@2.0.0!3.0.0...]", "|one@2.0.0!3.0.0?+(t'NX'@1.0.0 t'XX')");
}

static void test_errors(void **state)
{
    (void)state;
    fails("a b:", 4, "there is no such type");
    fails("a:strin", 7, "there is no such type");
    fails("ip:port", 7, "there is no such type");
    fails("key#", 4, "the number of a key specification is missing");
    fails("key#x", 4, "the number of a key specification is missing");
    fails("a@", 2, "a version is missing");
    fails("a@...", 2, "a version is missing");
    fails("a!x", 2, "a version is missing");
    fails("=a", 0, "a name is missing");
    fails("a=", 2, "a name is missing");
    fails("[]", 1, "a name is missing");
    fails("[a", 2, "a bracket is not closed");
    fails("[a b]", 3, "a bracket is not closed");
    fails("[a]...", 6, "there is no token to repeat");
    fails("[A b...]...", 11, "there is no token to repeat");
    fails("a]", 1, "a bracket or bar has no beginning");
    fails("a)", 1, "a bracket or bar has no beginning");
    fails("a | b", 2, "a bracket or bar has no beginning");
    fails("g()", 3, "a group is empty");
    fails("g(a", 3, "a name is missing");
    fails("g(a b | c)", 8, "there is not one item before each bar");
    fails("g(a | b c)", 10, "there is not one item before each bar");
    fails("g(| a)", 4, "there is not one item before each bar");
    fails("g(a ||b)", 5, "a name is missing");
    fails("'x", 1, "a quote is not closed");
    fails("'*'", 3, "a token that is no word needs a name");
    fails("A b=C", 5, "a name begins with a small letter");
    fails("8a", 2, "a name begins with a small letter");
    fails("a=(b)", 2, "a name is missing");
    fails("a[b]", 1, "something stands too close behind an argument");
    fails("a...b", 4, "something stands too close behind an argument");
    fails("a.b", 1, "something stands too close behind an argument");
}

static void test_bound(void **state)
{
    (void)state;
    struct usage usage;
    struct bytes line = {0};
    for (int i = 0; i < USAGE_ARGS_MAX; i++)
        bytes_append_str(&line, "a ");
    assert_null(usage_parse(bytes_str(&line), &usage, NULL));
    assert_int_equal(usage.count, USAGE_ARGS_MAX);
    bytes_append_str(&line, "a");
    fails(bytes_str(&line), 2 * USAGE_ARGS_MAX, "there are too many arguments");
    line.len = 0;
    for (int i = 0; i < USAGE_ARGS_MAX + 1; i++) /* nothing nests deeper than there are nodes */
        bytes_append_str(&line, "a(");
    fails(bytes_str(&line), 2 * USAGE_ARGS_MAX, "there are too many arguments");
    bytes_free(&line);
}

/* Whatever a line is made of, the parser ends within it, with sizes that add up or an error. */
static void test_any_signs(void **state)
{
    (void)state;
    static const char *const pieces[] = {"a", "A", " ", "(", ")", "[", "]", "|",    "...",  "=",
                                         ":", "#", "1", "@", "!", "'", "*", ":key", "key#0"};
    const char *seed_text = getenv("SEED");
    unsigned seed = seed_text != NULL ? (unsigned)strtoul(seed_text, NULL, 10) : 7;
    print_message("SEED=%u\n", seed);
    for (int i = 0; i < 50000; i++) {
        struct usage usage;
        struct bytes line = {0};
        size_t at = 0, sum = 0;
        for (int n = rand_r(&seed) % 14; n > 0; n--)
            bytes_append_str(&line, pieces[(unsigned)rand_r(&seed) % COUNT_OF(pieces)]);
        if (usage_parse(bytes_str(&line), &usage, &at) != NULL) {
            assert_true(at <= line.len);
        } else {
            for (const struct usage_arg *arg = usage.args; sum < usage.count; arg += arg->size)
                sum += arg->size;
            assert_int_equal(sum, usage.count);
        }
        bytes_free(&line);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),   cmocka_unit_test(test_tokens),
        cmocka_unit_test(test_groups),   cmocka_unit_test(test_versions),
        cmocka_unit_test(test_errors),   cmocka_unit_test(test_bound),
        cmocka_unit_test(test_any_signs)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
