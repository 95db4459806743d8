/* test_geo.c - geohashes, distances, and that what covers a shape leaves nothing of it out.
 *
 * SPILLWAY_SEED chooses the random points (printed).
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/rand.h"
#include "value/geo.h"

static struct rand r;

static double between(double low, double high)
{
    return low + (high - low) * ((double)(rand_next(&r) >> 11) * 0x1p-53);
}

static struct geo_point anywhere(void)
{
    return (struct geo_point){between(-GEO_LON_MAX, GEO_LON_MAX),
                              between(-GEO_LAT_MAX, GEO_LAT_MAX)};
}

static void assert_text(struct geo_point p, const char *wanted)
{
    char text[GEO_HASH_TEXT + 1] = {0};
    geo_hash_text(p, text);
    assert_string_equal(text, wanted);
}

/* ---- points and scores ---- */

static void test_bounds(void **state)
{
    assert_true(geo_is_valid((struct geo_point){180, 85.05112878}));
    assert_true(geo_is_valid((struct geo_point){-180, -85.05112878}));
    assert_false(geo_is_valid((struct geo_point){nextafter(180, 181), 0}));
    assert_false(geo_is_valid((struct geo_point){nextafter(-180, -181), 0}));
    assert_false(geo_is_valid((struct geo_point){0, nextafter(85.05112878, 86)}));
    assert_false(geo_is_valid((struct geo_point){0, nextafter(-85.05112878, -86)}));
    assert_false(geo_is_valid((struct geo_point){(double)NAN, 0}));
    assert_false(geo_is_valid((struct geo_point){0, (double)NAN}));
}

static void test_known_places(void **state)
{
    struct geo_point palermo = {13.361389, 38.115556}, catania = {15.087269, 37.502669};
    assert_true(geo_encode(palermo) == UINT64_C(3479099956230698));
    assert_true(geo_encode(catania) == UINT64_C(3479447370796909));
    assert_true(geo_encode((struct geo_point){-GEO_LON_MAX, -GEO_LAT_MAX}) == 0);
    assert_true(geo_encode((struct geo_point){0, 0}) == UINT64_C(3) << 50);
    assert_text(geo_decode(3479099956230698), "sqc8b49rny0");
    assert_text(geo_decode(3479447370796909), "sqdtr74hyu0");
    assert_text((struct geo_point){-5.603, 42.605}, "ezs42s000e0");
    double metres = geo_distance(geo_decode(3479099956230698), geo_decode(3479447370796909));
    assert_true(fabs(metres - 166274.1516) < 0.0001);
}

static void test_points_come_back(void **state)
{
    for (int i = 0; i < 20000; i++) {
        struct geo_point p = anywhere(), q = geo_decode((double)geo_encode(p));
        assert_true(fabs(p.lon - q.lon) <= 180 * 0x1p-26);
        assert_true(fabs(p.lat - q.lat) <= GEO_LAT_MAX * 0x1p-26);
        assert_true(geo_encode(q) == geo_encode(p));
    }
}

static void test_any_score_is_a_valid_point(void **state)
{
    static const double scores[] = {0,      -1,      0.5,      -0.5,   1e300,    -1e300,
                                    0x1p52, 0x1p53,  0x1p63,   0x1p64, 0x1.8p63, -0x1p63,
                                    1e18,   -0x1p64, 0x1p-300, 0x1p62, 0x1.8p52, -3e18};
    for (size_t i = 0; i < COUNT_OF(scores); i++)
        assert_true(geo_is_valid(geo_decode(scores[i])));
    assert_true(geo_is_valid(geo_decode((double)INFINITY)));
    assert_true(geo_is_valid(geo_decode(-(double)INFINITY)));
    assert_true(geo_score_bits(-1.5) == -1);
    assert_true(geo_score_bits(0x1p62) == INT64_C(1) << 62);
    assert_true(geo_score_bits(0x1p63) == INT64_MIN);
    assert_true(geo_score_bits(-(double)INFINITY) == INT64_MIN);
}

/* ---- distances ---- */

static void test_distances(void **state)
{
    struct geo_point origin = {0, 0}, east = {90, 0}, west = {-180, 0}, north = {0, 45};
    double quarter = GEO_EARTH_RADIUS * M_PI / 2;
    assert_true(geo_distance(origin, origin) == 0);
    assert_true(fabs(geo_distance(origin, east) - quarter) < 1e-6);
    assert_true(fabs(geo_distance(origin, west) - 2 * quarter) < 1e-6);
    assert_true(fabs(geo_distance(origin, north) - quarter / 2) < 1e-6);
    for (int i = 0; i < 1000; i++) {
        struct geo_point a = anywhere(), b = anywhere(), c = anywhere();
        assert_true(fabs(geo_distance(a, b) - geo_distance(b, a)) < 1e-3);
        assert_true(geo_distance(a, c) <= geo_distance(a, b) + geo_distance(b, c) + 1e-3);
    }
    /* Across the line where days change. */
    assert_true(geo_distance((struct geo_point){179.99, 0}, (struct geo_point){-179.99, 0}) < 3000);
}

/* ---- shapes ---- */

static bool is_covered(const struct geo_shape *shape, double score)
{
    struct geo_range ranges[GEO_RANGES];
    unsigned count = geo_cover(shape, ranges);
    assert_in_range(count, 1, GEO_RANGES);
    for (unsigned i = 0; i < count; i++)
        if (score >= ranges[i].min && score < ranges[i].max)
            return true;
    return false;
}

static struct geo_point near(struct geo_point p, double degrees)
{
    struct geo_point q = {p.lon + between(-degrees, degrees), p.lat + between(-degrees, degrees)};
    q.lon = fmax(-GEO_LON_MAX, fmin(q.lon, GEO_LON_MAX - 1e-6));
    q.lat = fmax(-GEO_LAT_MAX, fmin(q.lat, GEO_LAT_MAX - 1e-6));
    return q;
}

/* Points around a shape: those in it are in a range. *inside: how many there were. What lies at the
 * very end of an axis has a cell of its own, in which redis-server does not look either. */
static void check_cover(const struct geo_shape *shape, double degrees, unsigned *inside)
{
    double distance;
    for (int i = 0; i < 40; i++) {
        double score = (double)geo_encode(near(shape->centre, degrees));
        if (!geo_within(shape, geo_decode(score), &distance))
            continue;
        ++*inside;
        assert_true(is_covered(shape, score));
    }
}

/* Away from the poles, where the grid of Redis's choice is enough. */
static void test_circles_and_boxes_are_covered(void **state)
{
    unsigned inside = 0;
    for (int i = 0; i < 3000; i++) {
        struct geo_shape shape = {.centre = {between(-180, 180), between(-60, 60)}, .unit_m = 1};
        double degrees = exp2(between(-17, 4)), metres = degrees * 111000;
        shape.kind = rand_below(&r, 2) ? GEO_CIRCLE : GEO_BOX;
        shape.radius = metres * between(0.3, 1);
        shape.width = metres * between(0.3, 2);
        shape.height = metres * between(0.3, 2);
        check_cover(&shape, degrees, &inside);
    }
    assert_true(inside > 10000);
}

static void test_polygons_are_covered(void **state)
{
    unsigned inside = 0;
    for (int i = 0; i < 3000; i++) {
        struct geo_point corners[8], middle = anywhere();
        double degrees = exp2(between(-17, 6));
        struct geo_shape shape = {.kind = GEO_POLYGON, .unit_m = 1, .corners = corners};
        shape.corner_count = 3 + rand_below(&r, 6);
        for (size_t c = 0; c < shape.corner_count; c++)
            corners[c] = near(middle, degrees);
        shape.centre = geo_middle(corners, shape.corner_count);
        check_cover(&shape, degrees, &inside);
    }
    assert_true(inside > 10000);
}

/* A small polygon is not looked for everywhere, at the ends of the map neither. */
static void test_small_polygons_have_small_covers(void **state)
{
    static const struct geo_point places[] = {{0, 0},      {179.99, 0}, {-179.99, 10},
                                              {13, 85.04}, {0, -85.04}, {179.99, -85.04}};
    for (size_t i = 0; i < COUNT_OF(places); i++) {
        struct geo_point p = places[i];
        struct geo_point corners[] = {p, {p.lon + 0.01, p.lat}, {p.lon, p.lat + 0.01}};
        struct geo_shape shape = {
            .kind = GEO_POLYGON, .unit_m = 1, .corners = corners, .corner_count = 3};
        struct geo_range ranges[GEO_RANGES];
        double scores = 0;
        unsigned count = geo_cover(&shape, ranges);
        for (unsigned k = 0; k < count; k++)
            scores += ranges[k].max - ranges[k].min;
        assert_true(scores < 0x1p52 / 1e6);
    }
}

static bool is_in(const struct geo_shape *shape, double lon, double lat)
{
    double distance;
    return geo_within(shape, (struct geo_point){lon, lat}, &distance);
}

static void test_polygons_of_many_forms(void **state)
{
    /* A square with a bay, and one whose edges cross. */
    static const struct geo_point bay[] = {{0, 0}, {10, 0}, {10, 10}, {5, 2}, {0, 10}};
    static const struct geo_point bow[] = {{0, 0}, {10, 10}, {10, 0}, {0, 10}};
    struct geo_shape shape = {
        .kind = GEO_POLYGON, .unit_m = 1, .corners = bay, .corner_count = COUNT_OF(bay)};
    shape.centre = geo_middle(bay, COUNT_OF(bay));
    assert_true(shape.centre.lon == 5 && fabs(shape.centre.lat - 4.4) < 1e-12);
    assert_true(is_in(&shape, 1, 5));
    assert_true(is_in(&shape, 9, 5));
    assert_true(is_in(&shape, 5, 1));
    assert_false(is_in(&shape, 5, 5));
    assert_false(is_in(&shape, -1, 5));
    assert_false(is_in(&shape, 11, 5));
    assert_false(is_in(&shape, 5, 11));
    shape.corners = bow;
    shape.corner_count = COUNT_OF(bow);
    assert_true(is_in(&shape, 1, 5));
    assert_true(is_in(&shape, 9, 5));
    assert_false(is_in(&shape, 5, 9));
    assert_false(is_in(&shape, 5, 1));
}

static void test_edges_belong_to_circles_and_boxes(void **state)
{
    struct geo_shape shape = {.kind = GEO_CIRCLE, .unit_m = 1000};
    struct geo_point north = {0, 1};
    double distance, metres = geo_distance(shape.centre, north);
    shape.radius = metres / 1000;
    if (shape.radius * 1000 < metres)
        shape.radius = nextafter(shape.radius, (double)INFINITY);
    assert_true(geo_within(&shape, north, &distance));
    assert_true(distance == metres);
    shape.radius = shape.radius * (1 - 1e-15);
    assert_false(geo_within(&shape, north, &distance));
    shape = (struct geo_shape){.kind = GEO_BOX, .unit_m = 1, .height = 2 * metres};
    assert_true(geo_within(&shape, north, &distance));
    assert_false(geo_within(&shape, (struct geo_point){0.001, 1}, &distance));
    assert_false(geo_within(&shape, (struct geo_point){0, 1.001}, &distance));
}

/* Numbers that no place is given in do no harm. */
static void test_endless_shapes(void **state)
{
    struct geo_shape shape = {.kind = GEO_CIRCLE, .unit_m = 1, .radius = (double)INFINITY};
    assert_true(is_covered(&shape, (double)geo_encode((struct geo_point){179, 80})));
    assert_true(is_covered(&shape, 0));
    shape.centre = (struct geo_point){180, GEO_LAT_MAX};
    shape.radius = 0;
    assert_true(is_covered(&shape, (double)geo_encode(shape.centre)));
    shape.radius = 0x1p-1074;
    assert_true(is_covered(&shape, (double)geo_encode(shape.centre)));
    shape = (struct geo_shape){
        .kind = GEO_BOX, .unit_m = 1, .width = (double)INFINITY, .height = (double)INFINITY};
    assert_true(is_covered(&shape, 0));
}

int main(void)
{
    const char *given = getenv("SPILLWAY_SEED");
    uint64_t seed = given ? strtoull(given, NULL, 0) : rand_system();
    print_message("SPILLWAY_SEED=%llu\n", (unsigned long long)seed);
    rand_seed(&r, seed);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_known_places),
        cmocka_unit_test(test_points_come_back),
        cmocka_unit_test(test_any_score_is_a_valid_point),
        cmocka_unit_test(test_distances),
        cmocka_unit_test(test_circles_and_boxes_are_covered),
        cmocka_unit_test(test_polygons_are_covered),
        cmocka_unit_test(test_small_polygons_have_small_covers),
        cmocka_unit_test(test_polygons_of_many_forms),
        cmocka_unit_test(test_edges_belong_to_circles_and_boxes),
        cmocka_unit_test(test_endless_shapes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
