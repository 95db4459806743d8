/* test_geo.c - the geo family: what is logged and notified, limits of arguments, and BYPOLYGON,
 * which the reference does not know.
 *
 * Of Valkey's BYPOLYGON this is assumed: it stands in place of FROMMEMBER or FROMLONLAT and of the
 * other shapes; points are in it by the even-odd rule, with longitude and latitude as if on a flat
 * map; distances are in metres from the mean of the corners.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include "commands/commands.h"
#include "engine_fixture.h"

static struct engine_fixture f;

static void make_places(void)
{
    fixture_reset(&f);
    EXPECT(&f, "GEOADD k 13.361389 38.115556 palermo 15.087269 37.502669 catania", ":2");
}

static void test_add(void **state)
{
    make_places();
    EXPECT_LOG(&f, "zadd k 3479099956230698 palermo 3479447370796909 catania");
    EXPECT_EVENTS(&f, "z:zadd:k");
    EXPECT_DIRTY(&f, 2);
    EXPECT(&f, "GEOADD k nx ch 1 1 palermo", ":0");
    EXPECT_LOG(&f, "");
    EXPECT(&f, "GEOADD k XX CH 13 38 palermo 0 0 new", ":1");
    EXPECT_LOG(&f, "zadd k XX CH 3479065152021743 palermo 3377699720527872 new");
    EXPECT(&f, "GEOADD k NX XX 1 1 a", SYNTAX);
    EXPECT(&f, "GEOADD k 1 1 a 2", SYNTAX);
    EXPECT(&f, "GEOADD k CH CH CH", SYNTAX);
    EXPECT(&f, "GEOADD k 1 1 a 181 0 b",
           "-ERR invalid longitude,latitude pair 181.000000,0.000000");
    EXPECT(&f, "GEOADD k 1 1 a 0 x b", "-ERR value is not a valid float");
    EXPECT(&f, "ZCARD k", ":2");
    EXPECT(&f, "SET s v", "+OK");
    EXPECT(&f, "GEOADD s 1 1 a", WRONG_TYPE);
}

static void test_ask(void **state)
{
    make_places();
    EXPECT_BULK(&f, "GEODIST k palermo catania", "166274.1516");
    EXPECT_BULK(&f, "GEODIST k palermo catania KM", "166.2742");
    EXPECT(&f, "GEODIST k palermo none", "$-1");
    EXPECT(&f, "GEODIST k palermo catania yd",
           "-ERR unsupported unit provided. please use M, KM, FT, MI");
    EXPECT(&f, "GEODIST k palermo catania m x", SYNTAX);
    EXPECT(&f, "GEOHASH k palermo none", "*2\r\n$11\r\nsqc8b49rny0\r\n$-1");
    EXPECT(&f, "GEOPOS k none", "*1\r\n*-1");
    EXPECT(&f, "GEOPOS k", "*0");
    f.client.resp = 3;
    EXPECT(&f, "GEOPOS k palermo", "*1\r\n*2\r\n,13.36138933897018433\r\n,38.11555639549629859");
}

static void test_store(void **state)
{
    make_places();
    fixture_log(&f);
    fixture_events(&f);
    fixture_dirty(&f);
    EXPECT(&f, "GEORADIUS k 15 37 200 km STORE l", ":2");
    EXPECT(&f, "GEOSEARCHSTORE m k FROMMEMBER palermo BYRADIUS 1 m STOREDIST", ":1");
    EXPECT_LOG(&f, "GEORADIUS k 15 37 200 km STORE l; "
                   "GEOSEARCHSTORE m k FROMMEMBER palermo BYRADIUS 1 m STOREDIST");
    EXPECT_EVENTS(&f, "z:georadiusstore:l z:geosearchstore:m");
    EXPECT_DIRTY(&f, 3);
    EXPECT(&f, "ZRANGE m 0 -1 WITHSCORES", "*2\r\n$7\r\npalermo\r\n$1\r\n0");
    /* Under the key that is searched, and the last of several targets. */
    EXPECT(&f, "GEORADIUSBYMEMBER k catania 1 m STORE l STOREDIST k", ":1");
    EXPECT(&f, "ZCARD k", ":1");
    EXPECT(&f, "ZCARD l", ":2");
    EXPECT(&f, "GEORADIUS k 0 0 1 m STORE l", ":0");
    EXPECT(&f, "EXISTS l", ":0");
    EXPECT(&f, "GEORADIUS k 0 0 1 m STORE", SYNTAX);
    EXPECT(&f, "GEORADIUS_RO k 0 0 1 m STORE l", SYNTAX);
    EXPECT(&f, "GEORADIUS k 0 0 1 m STORE l WITHDIST",
           "-ERR STORE option in GEORADIUS is not compatible with WITHDIST, WITHHASH and WITHCOORD "
           "options");
}

static void test_keys(void **state)
{
    fixture_reset(&f);
    EXPECT(&f, "COMMAND GETKEYS GEORADIUS k 0 0 1 m STORE a storedist b",
           "*3\r\n$1\r\nk\r\n$1\r\na\r\n$1\r\nb");
    EXPECT(&f, "COMMAND GETKEYS GEORADIUSBYMEMBER k store 1 m STORE", "*1\r\n$1\r\nk");
    EXPECT(&f, "COMMAND GETKEYS GEORADIUSBYMEMBER k store 1 m STORE a STORE b",
           "*3\r\n$1\r\nk\r\n$1\r\na\r\n$1\r\nb");
    EXPECT(&f, "COMMAND GETKEYS GEOSEARCHSTORE a k FROMMEMBER m BYRADIUS 1 m",
           "*2\r\n$1\r\na\r\n$1\r\nk");
}

static void test_polygon(void **state)
{
    make_places();
    EXPECT(&f, "GEOSEARCH k BYPOLYGON 4 13 38 14 38 14 39 13 39", "*1\r\n$7\r\npalermo");
    EXPECT(&f, "GEOSEARCH k BYPOLYGON 3 12 37 17 37 14 39 DESC",
           "*2\r\n$7\r\npalermo\r\n$7\r\ncatania");
    EXPECT(&f, "GEOSEARCH k BYPOLYGON 3 12 37 17 37 14 39 ASC",
           "*2\r\n$7\r\ncatania\r\n$7\r\npalermo");
    EXPECT(&f, "GEOSEARCH k ASC bypolygon 3 12 37 17 37 14 39 COUNT 1 WITHDIST",
           "*1\r\n*2\r\n$7\r\ncatania\r\n$10\r\n68910.7771");
    EXPECT(&f, "GEOSEARCHSTORE l k BYPOLYGON 4 13 38 14 38 14 39 13 39 STOREDIST", ":1");
    EXPECT(&f, "GEOSEARCH none BYPOLYGON 3 1 1 2 2 3 1", "*0");
    EXPECT(&f, "GEOSEARCH k BYPOLYGON 2 1 1 2 2",
           "-ERR GEOSEARCH BYPOLYGON must have at least 3 vertices");
    EXPECT(&f, "GEOSEARCH k BYPOLYGON 3 1 1 2 2 3", SYNTAX);
    EXPECT(&f, "GEOSEARCH k BYPOLYGON 9223372036854775807 1 1 2 2", SYNTAX);
    EXPECT(&f, "GEOSEARCH k BYPOLYGON x 1 1 2 2", NOT_INTEGER);
    EXPECT(&f, "GEOSEARCH k BYPOLYGON 3 1 1 2 2 3 91",
           "-ERR invalid longitude,latitude pair 3.000000,91.000000");
    EXPECT(&f, "GEOSEARCH k FROMLONLAT 1 1 BYPOLYGON 3 1 1 2 2 3 1", SYNTAX);
    EXPECT(&f, "GEOSEARCH k BYPOLYGON 3 1 1 2 2 3 1 FROMMEMBER palermo", SYNTAX);
    EXPECT(&f, "GEOSEARCH k BYPOLYGON 3 1 1 2 2 3 1 BYRADIUS 1 m", SYNTAX);
    EXPECT(&f, "GEOSEARCH k BYPOLYGON 3 1 1 2 2 3 1 BYPOLYGON 3 13 38 14 38 13 39", SYNTAX);
}

static int open_fixture(void **state)
{
    static const struct command *const families[] = {
        geo_commands, zset_commands, string_commands, generic_commands, command_commands, NULL};
    fixture_open(&f, families);
    return 0;
}

static int close_fixture(void **state)
{
    fixture_close(&f);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_add),  cmocka_unit_test(test_ask),     cmocka_unit_test(test_store),
        cmocka_unit_test(test_keys), cmocka_unit_test(test_polygon),
    };
    return cmocka_run_group_tests(tests, open_fixture, close_fixture);
}
