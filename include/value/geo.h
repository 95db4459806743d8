/* geo.h - places on the earth: kept as scores of sorted sets, measured, and looked for by shape.
 *
 * A score is a geohash of 52 bits: 26 bits of latitude and 26 of longitude, interleaved, the lowest
 * bit one of latitude. So what lies in one cell of a coarser grid has scores next to each other,
 * and a shape is covered by at most nine ranges of scores. Numbers agree with redis-server to the
 * last bit: the same grid, the same earth, the same order of operations.
 *
 * Pure functions of their arguments: no keys, no locks, nothing allocated. All O(1) but where a
 * polygon is looked at: O(its corners).
 *
 * Sources: Niemeyer's geohash (http://geohash.org), Morton order, the haversine formula, and the
 * even-odd rule for polygons.
 */
#ifndef SPILLWAY_VALUE_GEO_H
#define SPILLWAY_VALUE_GEO_H

#include "base/common.h"

#define GEO_LON_MAX      180.0       /* degrees east or west */
#define GEO_LAT_MAX      85.05112878 /* degrees north or south: where the Mercator map is square */
#define GEO_EARTH_RADIUS 6372797.560856 /* metres */
#define GEO_HASH_TEXT    11             /* characters of a geohash as text */

struct geo_point { /* degrees */
    double lon, lat;
};

/* Within the bounds above, which are part of it. */
bool geo_is_valid(struct geo_point p);
/* The geohash of a valid point. More than 52 bits at 180 degrees east, as in redis-server. */
uint64_t geo_encode(struct geo_point p);
/* The middle of the cell that a score names, within the bounds whatever the score. */
struct geo_point geo_decode(double score);
/* A score as an integer, whatever it is: out of range as the machine would convert it. */
int64_t geo_score_bits(double score);
/* The text of a point as geohash.org has it, whose grid goes to the poles; no NUL. */
void geo_hash_text(struct geo_point p, char out[GEO_HASH_TEXT]);
double geo_distance(struct geo_point a, struct geo_point b); /* metres, along a great circle */

enum geo_kind { GEO_CIRCLE, GEO_BOX, GEO_POLYGON };

struct geo_shape {
    enum geo_kind kind;
    struct geo_point centre; /* of a polygon: what distances are measured from */
    double unit_m;           /* metres of one unit of the three below, which are not negative */
    double radius;
    double width, height;
    const struct geo_point *corners; /* of a polygon, borrowed; 3 and more, valid, in order */
    size_t corner_count;
};

/* The mean of the corners of a polygon. */
struct geo_point geo_middle(const struct geo_point *corners, size_t count);
/* Whether a point is in the shape, and then its distance from the centre in metres. A circle and a
 * box own their edges; on the edge of a polygon either answer may come. */
bool geo_within(const struct geo_shape *shape, struct geo_point p, double *distance);

/* Scores from min on, and below max. */
struct geo_range {
    double min, max;
};

/* Ranges of scores that together have every point of the shape, in the order in which they are
 * looked through. None twice, but two of them may name the same scores if not next to each other.
 * Returns how many. */
#define GEO_RANGES 9
unsigned geo_cover(const struct geo_shape *shape, struct geo_range ranges[GEO_RANGES]);

#endif
