/* geo.c - geohashes, distances on the earth, and covering shapes by cells.
 *
 * A grid of `step` halves each axis so often: 1 to 26. A cell is a column and a row of it. A shape
 * is looked for in the cell of its centre and the eight around it, on a grid that is coarse enough;
 * columns and rows beyond an end go on at the other one, for the earth is round.
 *
 * Where Redis's replies depend on how a number is rounded, the operations stand in its order.
 */
#include "value/geo.h"

#include <math.h>
#include <string.h>
#include "base/common.h"

#define STEP_MAX     26
#define MERCATOR_MAX 20037726.37 /* metres: half of the map's width */
#define RADIAN       (M_PI / 180.0)

struct span {
    double min, max;
};

static const struct span all_lon = {-GEO_LON_MAX, GEO_LON_MAX};
static const struct span all_lat = {-GEO_LAT_MAX, GEO_LAT_MAX};

static double to_radians(double degrees)
{
    return degrees * RADIAN;
}

static double to_degrees(double radians)
{
    return radians / RADIAN;
}

bool geo_is_valid(struct geo_point p)
{
    return p.lon >= -GEO_LON_MAX && p.lon <= GEO_LON_MAX && p.lat >= -GEO_LAT_MAX &&
           p.lat <= GEO_LAT_MAX;
}

/* ---- cells ---- */

struct cell {
    uint32_t column, row; /* below 1 << step; but that itself at the end of an axis */
    unsigned step;
};

struct area {
    struct span lon, lat;
};

/* The bits of v to the even places of the result. */
static uint64_t spread(uint32_t v)
{
    uint64_t x = v;
    x = (x | x << 16) & UINT64_C(0x0000ffff0000ffff);
    x = (x | x << 8) & UINT64_C(0x00ff00ff00ff00ff);
    x = (x | x << 4) & UINT64_C(0x0f0f0f0f0f0f0f0f);
    x = (x | x << 2) & UINT64_C(0x3333333333333333);
    return (x | x << 1) & UINT64_C(0x5555555555555555);
}

/* The bits at even places of x. */
static uint32_t gather(uint64_t x)
{
    x &= UINT64_C(0x5555555555555555);
    x = (x | x >> 1) & UINT64_C(0x3333333333333333);
    x = (x | x >> 2) & UINT64_C(0x0f0f0f0f0f0f0f0f);
    x = (x | x >> 4) & UINT64_C(0x00ff00ff00ff00ff);
    x = (x | x >> 8) & UINT64_C(0x0000ffff0000ffff);
    return (uint32_t)(x | x >> 16);
}

static uint64_t cell_bits(struct cell c)
{
    return spread(c.row) | spread(c.column) << 1;
}

static uint32_t place_on(struct span axis, double degrees, unsigned step)
{
    double share = (degrees - axis.min) / (axis.max - axis.min);
    return (uint32_t)(share * (double)(UINT64_C(1) << step));
}

static struct cell cell_of(struct geo_point p, unsigned step, struct span lat)
{
    return (struct cell){place_on(all_lon, p.lon, step), place_on(lat, p.lat, step), step};
}

static struct span span_of(struct span axis, uint32_t place, unsigned step)
{
    double size = axis.max - axis.min, count = (double)(UINT64_C(1) << step);
    uint32_t next = place + 1;
    return (struct span){axis.min + (place / count) * size, axis.min + (next / count) * size};
}

static struct area area_of(struct cell c)
{
    return (struct area){span_of(all_lon, c.column, c.step), span_of(all_lat, c.row, c.step)};
}

static struct cell neighbour(struct cell c, int east, int north)
{
    uint32_t mask = (UINT32_C(1) << c.step) - 1;
    if (east != 0)
        c.column = (c.column + (uint32_t)east) & mask;
    if (north != 0)
        c.row = (c.row + (uint32_t)north) & mask;
    return c;
}

/* ---- scores and text ---- */

uint64_t geo_encode(struct geo_point p)
{
    return cell_bits(cell_of(p, STEP_MAX, all_lat));
}

/* Scores that are no geohashes are those of members that were added by ZADD. */
static uint64_t score_to_bits(double score)
{
    if (score >= 0x1p64)
        return 0;
    if (score >= 0)
        return (uint64_t)score;
    return score >= -0x1p63 ? (uint64_t)(int64_t)score : UINT64_C(1) << 63;
}

int64_t geo_score_bits(double score)
{
    return score >= -0x1p63 && score < 0x1p63 ? (int64_t)score : INT64_MIN;
}

static double clamp(double v, double most)
{
    return v > most ? most : v < -most ? -most : v;
}

struct geo_point geo_decode(double score)
{
    uint64_t bits = score_to_bits(score);
    struct area area = area_of((struct cell){gather(bits >> 1), gather(bits), STEP_MAX});
    return (struct geo_point){clamp((area.lon.min + area.lon.max) / 2, GEO_LON_MAX),
                              clamp((area.lat.min + area.lat.max) / 2, GEO_LAT_MAX)};
}

void geo_hash_text(struct geo_point p, char out[GEO_HASH_TEXT])
{
    static const char digits[] = "0123456789bcdefghjkmnpqrstuvwxyz";
    uint64_t bits = cell_bits(cell_of(p, STEP_MAX, (struct span){-90, 90}));
    for (unsigned i = 0; i + 1 < GEO_HASH_TEXT; i++)
        out[i] = digits[bits >> (52 - 5 * (i + 1)) & 31];
    out[GEO_HASH_TEXT - 1] = digits[0]; /* 52 bits are ten digits and a bit */
}

/* ---- distances ---- */

static double lat_distance(double a, double b)
{
    return GEO_EARTH_RADIUS * fabs(to_radians(b) - to_radians(a));
}

double geo_distance(struct geo_point a, struct geo_point b)
{
    double lat_a = to_radians(a.lat), lat_b = to_radians(b.lat);
    double v = sin((to_radians(b.lon) - to_radians(a.lon)) / 2);
    if (v == 0)
        return lat_distance(a.lat, b.lat);
    double u = sin((lat_b - lat_a) / 2);
    return 2.0 * GEO_EARTH_RADIUS * asin(sqrt(u * u + cos(lat_a) * cos(lat_b) * v * v));
}

/* ---- shapes ---- */

struct geo_point geo_middle(const struct geo_point *corners, size_t count)
{
    struct geo_point sum = {0, 0};
    for (size_t i = 0; i < count; i++) {
        sum.lon += corners[i].lon;
        sum.lat += corners[i].lat;
    }
    return (struct geo_point){sum.lon / (double)count, sum.lat / (double)count};
}

/* Counts the edges that a ray to the east crosses. */
static bool is_in_polygon(const struct geo_shape *shape, struct geo_point p)
{
    bool inside = false;
    struct geo_point a = shape->corners[shape->corner_count - 1];
    for (size_t i = 0; i < shape->corner_count; i++) {
        struct geo_point b = shape->corners[i];
        if ((a.lat > p.lat) != (b.lat > p.lat) &&
            p.lon < (a.lon - b.lon) * (p.lat - b.lat) / (a.lat - b.lat) + b.lon)
            inside = !inside;
        a = b;
    }
    return inside;
}

static bool is_in_box(const struct geo_shape *shape, struct geo_point p)
{
    struct geo_point beside = {shape->centre.lon, p.lat};
    return !(lat_distance(p.lat, shape->centre.lat) > shape->height * shape->unit_m / 2) &&
           !(geo_distance(p, beside) > shape->width * shape->unit_m / 2);
}

bool geo_within(const struct geo_shape *shape, struct geo_point p, double *distance)
{
    if (shape->kind == GEO_BOX && !is_in_box(shape, p))
        return false;
    if (shape->kind == GEO_POLYGON && !is_in_polygon(shape, p))
        return false;
    *distance = geo_distance(shape->centre, p);
    return shape->kind != GEO_CIRCLE || !(*distance > shape->radius * shape->unit_m);
}

/* ---- covering ---- */

/* Degrees around a circle or box: what lies in it has no others. The side that is nearer to a pole
 * takes more of them. */
static struct area bounds_around(const struct geo_shape *shape)
{
    struct geo_point c = shape->centre;
    bool circle = shape->kind == GEO_CIRCLE;
    double height = shape->unit_m * (circle ? shape->radius : shape->height / 2);
    double width = shape->unit_m * (circle ? shape->radius : shape->width / 2);
    double lat = to_degrees(height / GEO_EARTH_RADIUS);
    double nearer = c.lat < 0 ? c.lat - lat : c.lat + lat;
    double lon = to_degrees(width / GEO_EARTH_RADIUS / cos(to_radians(nearer)));
    return (struct area){{c.lon - lon, c.lon + lon}, {c.lat - lat, c.lat + lat}};
}

static struct area bounds_of_corners(const struct geo_shape *shape)
{
    struct geo_point p = shape->corners[0];
    struct area area = {{p.lon, p.lon}, {p.lat, p.lat}};
    for (size_t i = 1; i < shape->corner_count; i++) {
        p = shape->corners[i];
        area.lon = (struct span){MIN_OF(area.lon.min, p.lon), MAX_OF(area.lon.max, p.lon)};
        area.lat = (struct span){MIN_OF(area.lat.min, p.lat), MAX_OF(area.lat.max, p.lat)};
    }
    return area;
}

/* The finest grid of which three cells in a row are likely to be wider than two radii. */
static unsigned step_for(double radius_m, double lat)
{
    if (radius_m == 0)
        return STEP_MAX;
    int step = 1;
    for (; radius_m < MERCATOR_MAX; radius_m *= 2)
        step++;
    step -= 2;
    step -= fabs(lat) > 66;
    step -= fabs(lat) > 80;
    return step < 1 ? 1 : step > STEP_MAX ? STEP_MAX : (unsigned)step;
}

/* From the outer side of the cell in the west to that of the one in the east, and so on. */
static struct area around(struct cell c)
{
    return (struct area){
        {area_of(neighbour(c, -1, 0)).lon.min, area_of(neighbour(c, 1, 0)).lon.max},
        {area_of(neighbour(c, 0, -1)).lat.min, area_of(neighbour(c, 0, 1)).lat.max}};
}

/* The area with another one, side by side: neighbours beyond the end of an axis are far away. */
static struct area joined(struct area a, struct area b)
{
    return (struct area){{MIN_OF(a.lon.min, b.lon.min), MAX_OF(a.lon.max, b.lon.max)},
                         {MIN_OF(a.lat.min, b.lat.min), MAX_OF(a.lat.max, b.lat.max)}};
}

/* Bounds that are no numbers, of circles larger than the earth, are within anything. */
static bool is_within(const struct area *bounds, struct area area)
{
    return !(area.lat.max < bounds->lat.max || area.lat.min > bounds->lat.min ||
             area.lon.max < bounds->lon.max || area.lon.min > bounds->lon.min);
}

/* The cell in the middle of a polygon: the finest that holds it together with its neighbours. */
static struct cell polygon_cell(const struct area *bounds)
{
    struct geo_point middle = {(bounds->lon.min + bounds->lon.max) / 2,
                               (bounds->lat.min + bounds->lat.max) / 2};
    unsigned step = STEP_MAX;
    struct cell c = cell_of(middle, step, all_lat);
    while (step > 1 && !is_within(bounds, joined(area_of(c), around(c))))
        c = cell_of(middle, --step, all_lat);
    return c;
}

/* That of a circle or box. Its grid is made coarser once at most, even if that were not enough. */
static struct cell centre_cell(const struct geo_shape *shape, const struct area *bounds)
{
    double w = shape->width / 2, h = shape->height / 2;
    double radius = shape->kind == GEO_CIRCLE ? shape->radius : sqrt(w * w + h * h);
    unsigned step = step_for(radius * shape->unit_m, shape->centre.lat);
    struct cell c = cell_of(shape->centre, step, all_lat);
    return step > 1 && !is_within(bounds, around(c)) ? cell_of(shape->centre, step - 1, all_lat)
                                                     : c;
}

static struct geo_range range_of(struct cell c)
{
    unsigned shift = 52 - 2 * c.step;
    uint64_t bits = cell_bits(c);
    return (struct geo_range){(double)(bits << shift), (double)((bits + 1) << shift)};
}

unsigned geo_cover(const struct geo_shape *shape, struct geo_range ranges[GEO_RANGES])
{
    static const struct {
        int east, north;
    } order[GEO_RANGES] = {{0, 0}, {0, 1},  {0, -1}, {1, 0},  {-1, 0},
                           {1, 1}, {-1, 1}, {1, -1}, {-1, -1}};
    bool polygon = shape->kind == GEO_POLYGON;
    struct area bounds = polygon ? bounds_of_corners(shape) : bounds_around(shape);
    struct cell middle = polygon ? polygon_cell(&bounds) : centre_cell(shape, &bounds);
    struct area own = area_of(middle);
    bool fine = middle.step >= 2; /* else what is north may be south as well */
    unsigned count = 0;
    for (unsigned i = 0; i < GEO_RANGES; i++) {
        int east = order[i].east, north = order[i].north;
        bool needless = (north < 0 && own.lat.min < bounds.lat.min) ||
                        (north > 0 && own.lat.max > bounds.lat.max) ||
                        (east < 0 && own.lon.min < bounds.lon.min) ||
                        (east > 0 && own.lon.max > bounds.lon.max);
        if (fine && needless)
            continue;
        struct geo_range range = range_of(neighbour(middle, east, north));
        if (count > 1 && range.min == ranges[count - 1].min && range.max == ranges[count - 1].max)
            continue; /* on a coarse grid */
        ranges[count++] = range;
    }
    return count;
}
