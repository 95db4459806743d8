/* Splitting of lines into words: blanks, both kinds of quotes, escapes, and what is refused. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include "base/mem.h"
#include "proto/split.h"

/* Splits `line` from an exact-size copy, so that a sanitizer sees every read beyond it. */
static int split(struct slice line, struct slice **args)
{
    char *copy = malloc(line.len ? line.len : 1);
    memcpy(copy, line.data, line.len);
    int count = split_line(slice_of(copy, line.len), args);
    free(copy);
    return count;
}

static void expect_words(struct slice line, int count, const struct slice *words)
{
    struct slice *args;
    assert_int_equal(split(line, &args), count);
    for (int i = 0; i < count; i++) {
        assert_true(slice_eq(args[i], words[i]));
        assert_int_equal(args[i].data[args[i].len], '\0');
    }
    mem_free(args);
}

#define EXPECT(line, ...)                                                                          \
    do {                                                                                           \
        const struct slice words_[] = {__VA_ARGS__};                                               \
        expect_words(SLICE(line), (int)COUNT_OF(words_), words_);                                  \
    } while (0)

static void bare_words(void **state)
{
    EXPECT("PING", SLICE("PING"));
    EXPECT("  set \t k\v\f  v \r\n", SLICE("set"), SLICE("k\v\f"), SLICE("v"));
    EXPECT("a\nb\rc", SLICE("a"), SLICE("b"), SLICE("c"));
    EXPECT("back\\slash\\n", SLICE("back\\slash\\n"));
    EXPECT("nul\0inside", SLICE("nul\0inside"));
    EXPECT("\xff\x80", SLICE("\xff\x80"));
}

static void no_words(void **state)
{
    struct slice *args = (struct slice *)state;
    assert_int_equal(split_line(SLICE(""), &args), 0);
    assert_null(args);
    assert_int_equal(split_line(SLICE(" \t\v\f\r\n"), &args), 0);
    assert_null(args);
}

static void double_quotes(void **state)
{
    EXPECT("\"\"", SLICE(""));
    EXPECT("\"a b\" c", SLICE("a b"), SLICE("c"));
    EXPECT("\"\\n\\r\\t\\b\\a\\\\\\\"\\q\"", SLICE("\n\r\t\b\a\\\"q"));
    EXPECT("\"\\x00\\xfF\\x4a\"", SLICE("\0\xff\x4a"));
    EXPECT("\"\\x4\" \"\\xg0\" \"\\x\"", SLICE("x4"), SLICE("xg0"), SLICE("x"));
    EXPECT("\"it's\"", SLICE("it's"));
    EXPECT("foo\"bar baz\"", SLICE("foobar baz"));
    EXPECT("\"a\"\vb", SLICE("a"), SLICE("b"));
}

static void single_quotes(void **state)
{
    EXPECT("''", SLICE(""));
    EXPECT("'a b' c", SLICE("a b"), SLICE("c"));
    EXPECT("'\\n\\x41\\\\\"'", SLICE("\\n\\x41\\\\\""));
    EXPECT("'it\\'s'", SLICE("it's"));
    EXPECT("a'b'", SLICE("ab"));
}

static void unbalanced(void **state)
{
    static const char *const lines[] = {"\"",     "'",     "\"a",     "'a",    "a \"b",
                                        "\"a\"b", "'a'b",  "\"a\\\"", "'a\\'", "\"a\"\"b\"",
                                        "'a''b'", "\"a\\", "'a\\",    "\"\\x4"};
    for (size_t i = 0; i < COUNT_OF(lines); i++) {
        struct slice *args;
        assert_int_equal(split(slice_str(lines[i]), &args), -1);
        assert_null(args);
    }
}

/* Undoing quotes in place never writes where it has yet to read. */
static void in_place(void **state)
{
    char line[] = "  \"a\\x41\\n\" '\\'' \"\" plain";
    const char *at = line, *end = line + sizeof line - 1;
    static const struct slice words[] = {{"aA\n", 3}, {"'", 1}, {"", 0}, {"plain", 5}};
    struct slice got[4];
    for (int i = 0; i < 4; i++) {
        char *out = line + (at - line);
        assert_int_equal(split_next(&at, end, out, &got[i].len), 1);
        got[i].data = out;
    }
    size_t len;
    assert_int_equal(split_next(&at, end, NULL, &len), 0);
    for (int i = 0; i < 4; i++)
        assert_true(slice_eq(got[i], words[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bare_words),    cmocka_unit_test(no_words),
        cmocka_unit_test(double_quotes), cmocka_unit_test(single_quotes),
        cmocka_unit_test(unbalanced),    cmocka_unit_test(in_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
