/* test_sha1.c - the vectors of FIPS 180 and RFC 3174, and every length around a block however
 * cut. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include "base/sha1.h"

static const char *hex_of(const void *data, size_t len)
{
    static char hex[SHA1_SIZE * 2 + 1];
    unsigned char digest[SHA1_SIZE];
    sha1_bytes(data, len, digest);
    sha1_hex(digest, hex);
    return hex;
}

static void test_vectors(void **state)
{
    (void)state;
    assert_string_equal(hex_of("", 0), "da39a3ee5e6b4b0d3255bfef95601890afd80709");
    assert_string_equal(hex_of("abc", 3), "a9993e364706816aba3e25717850c26c9cd0d89d");
    const char *two = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
    assert_string_equal(hex_of(two, strlen(two)), "84983e441c3bd26ebaae4aa1f95129e5e54670f1");
    static char million[1000000];
    memset(million, 'a', sizeof million);
    assert_string_equal(hex_of(million, sizeof million),
                        "34aa973cd4c4daa4f61eeb2bdbad27316534016f");
}

/* One digest over the digests of all lengths 0 to 200, each fed in two pieces at every place. */
static void test_lengths_and_pieces(void **state)
{
    (void)state;
    unsigned char data[200], whole[SHA1_SIZE], pieces[SHA1_SIZE];
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (unsigned char)(i * 7);
    for (size_t len = 0; len <= sizeof data; len++) {
        sha1_bytes(data, len, whole);
        for (size_t cut = 0; cut <= len; cut++) {
            struct sha1 s;
            sha1_init(&s);
            sha1_update(&s, data, cut);
            sha1_update(&s, data + cut, len - cut);
            sha1_final(&s, pieces);
            assert_memory_equal(whole, pieces, SHA1_SIZE);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_vectors),
                                       cmocka_unit_test(test_lengths_and_pieces)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
