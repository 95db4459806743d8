/* test_manifest.c - manifests: Redis's text both ways, and what is refused. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "persist/manifest.h"

static const char text_of_redis[] = "file appendonly.aof.2.base.rdb seq 2 type b\n"
                                    "file appendonly.aof.1.incr.aof seq 1 type h\n"
                                    "file appendonly.aof.2.incr.aof seq 2 type i\n"
                                    "file appendonly.aof.3.incr.aof seq 3 type i\n";

static bool parse(const char *text, struct manifest *m)
{
    const char *why;
    uint32_t line;
    return manifest_parse(slice_str(text), m, &why, &line);
}

static void the_text_survives_a_round_trip(void **state)
{
    struct manifest m;
    assert_true(parse(text_of_redis, &m));
    assert_int_equal(m.count, 4);
    assert_string_equal(manifest_base(&m)->name, "appendonly.aof.2.base.rdb");
    assert_int_equal(manifest_last_seq(&m, MANIFEST_INCREMENT), 3);
    assert_true(manifest_has(&m, "appendonly.aof.1.incr.aof"));
    assert_false(manifest_has(&m, "appendonly.aof.4.incr.aof"));
    struct bytes out = {0};
    manifest_print(&m, &out);
    assert_string_equal(bytes_str(&out), text_of_redis);
    bytes_free(&out);
    manifest_free(&m);
}

static void names_are_quoted_where_needed(void **state)
{
    struct manifest m = {0}, back;
    manifest_add(&m, "my file \"x\"\n.1.base.rdb", 1, MANIFEST_BASE);
    struct bytes out = {0};
    manifest_print(&m, &out);
    assert_string_equal(bytes_str(&out),
                        "file \"my file \\\"x\\\"\\x0a.1.base.rdb\" seq 1 type b\n");
    assert_true(parse(bytes_str(&out), &back));
    assert_string_equal(back.files[0].name, m.files[0].name);
    bytes_free(&out);
    manifest_free(&m);
    manifest_free(&back);
}

static void retiring_keeps_newer_increments(void **state)
{
    struct manifest m;
    assert_true(parse(text_of_redis, &m));
    manifest_retire(&m, 2);
    manifest_add(&m, "appendonly.aof.3.base.rdb", 3, MANIFEST_BASE);
    struct bytes out = {0};
    manifest_print(&m, &out);
    assert_string_equal(bytes_str(&out), "file appendonly.aof.3.base.rdb seq 3 type b\n"
                                         "file appendonly.aof.2.base.rdb seq 2 type h\n"
                                         "file appendonly.aof.1.incr.aof seq 1 type h\n"
                                         "file appendonly.aof.2.incr.aof seq 2 type h\n"
                                         "file appendonly.aof.3.incr.aof seq 3 type i\n");
    manifest_drop_history(&m);
    assert_int_equal(m.count, 2);
    bytes_free(&out);
    manifest_free(&m);
}

static void comments_and_unknown_words_are_skipped(void **state)
{
    struct manifest m;
    assert_true(parse("# hello\nfile a seq 1 type i colour blue\n", &m));
    assert_int_equal(m.count, 1);
    manifest_free(&m);
}

static void bad_texts_are_refused(void **state)
{
    const char *const bad[] = {
        "",
        "\n",
        "file a seq 1 type i",                        /* no end of line */
        "file a seq 1 type i odd\n",                  /* not in pairs */
        "file a seq x type i\n",                      /* no number */
        "file a seq 1 type z\n",                      /* no type */
        "file a seq 1\n",                             /* too little */
        "file ../a seq 1 type i\n",                   /* a path */
        "file \"a seq 1 type i\n",                    /* quotes */
        "file a seq 1 type b\nfile b seq 2 type b\n", /* two bases */
        "file a seq 2 type i\nfile b seq 2 type i\n", /* out of order */
    };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct manifest m;
        assert_false(parse(bad[i], &m));
        assert_int_equal(m.count, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_text_survives_a_round_trip),
        cmocka_unit_test(names_are_quoted_where_needed),
        cmocka_unit_test(retiring_keeps_newer_increments),
        cmocka_unit_test(comments_and_unknown_words_are_skipped),
        cmocka_unit_test(bad_texts_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
