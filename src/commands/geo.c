/* geo.c - places as members of sorted sets: adding them, where they are, how far apart; and the
 * family's rows.
 */
#include "commands/geo.h"

#include "base/mem.h"
#include "base/number.h"
#include "commands/commands.h"
#include "commands/zset.h"

/* ---- what the family shares ---- */

bool geo_read_point(struct call *call, uint32_t at, struct geo_point *out)
{
    if (!call_double(call, at, &out->lon, NULL) || !call_double(call, at + 1, &out->lat, NULL))
        return false;
    bool valid = geo_is_valid(*out);
    if (!valid)
        call_errorf(call, "ERR invalid longitude,latitude pair %f,%f", out->lon, out->lat);
    return valid;
}

bool geo_read_unit(struct call *call, uint32_t at, double *metres)
{
    static const struct {
        const char *name;
        double metres;
    } units[] = {{"m", 1}, {"km", 1000}, {"ft", 0.3048}, {"mi", 1609.34}};
    for (size_t i = 0; i < COUNT_OF(units); i++) {
        if (slice_is(call->argv[at], units[i].name)) {
            *metres = units[i].metres;
            return true;
        }
    }
    call_error(call, "ERR unsupported unit provided. please use M, KM, FT, MI");
    return false;
}

bool geo_point_of(struct value z, struct slice member, struct geo_point *out)
{
    double score;
    bool there = zset_score(z, member, &score);
    if (there)
        *out = geo_decode(score);
    return there;
}

void geo_reply_point(struct call *call, struct geo_point p)
{
    reply_array(call->reply, 2);
    reply_human_double(call->reply, p.lon);
    reply_human_double(call->reply, p.lat);
}

void geo_reply_distance(struct call *call, double distance)
{
    reply_bulkf(call->reply, "%.4f", distance);
}

/* ---- GEOADD ---- */

/* NX, XX and CH from argument 2 on; false after replying what is wrong. *first: argument of the
 * first longitude. */
static bool read_flags(struct call *call, uint32_t *first)
{
    bool nx = false, xx = false;
    uint32_t at = 2;
    for (; at < call->argc; at++) {
        struct slice word = call->argv[at];
        if (slice_is(word, "nx"))
            nx = true;
        else if (slice_is(word, "xx"))
            xx = true;
        else if (!slice_is(word, "ch"))
            break;
    }
    *first = at;
    bool good = (call->argc - at) % 3 == 0 && !(nx && xx);
    if (!good)
        call_syntax_error(call);
    return good;
}

struct score_text {
    char digits[NUMBER_TEXT_MAX];
};

/* The places from argument `first` on as scores and members; false after replying an error. */
static bool read_places(struct call *call, uint32_t first, struct slice *pairs,
                        struct score_text *texts)
{
    for (uint32_t at = first; at < call->argc; at += 3, texts++) {
        struct geo_point p;
        if (!geo_read_point(call, at, &p))
            return false;
        *pairs++ = slice_of(texts->digits, number_print_u64(texts->digits, geo_encode(p)));
        *pairs++ = call->argv[at + 2];
    }
    return true;
}

/* Runs other words in place of the command's own, and logs them. The key is argument 1 in both. */
static void run_zadd(struct call *call, uint32_t argc, const struct slice *argv)
{
    uint32_t own_argc = call->argc;
    const struct slice *own_argv = call->argv;
    call->argc = argc;
    call->argv = argv;
    zset_zadd(call);
    call->argc = own_argc;
    call->argv = own_argv;
    if (call->changes != 0)
        call_effect(call, argc, argv);
}

static void geoadd_command(struct call *call)
{
    uint32_t first;
    if (!read_flags(call, &first))
        return;
    uint32_t places = (call->argc - first) / 3, argc = first + 2 * places;
    struct slice *argv = mem_alloc(argc * sizeof *argv);
    struct score_text *texts = mem_alloc((places + 1) * sizeof *texts);
    argv[0] = SLICE("zadd");
    memcpy(argv + 1, call->argv + 1, (first - 1) * sizeof *argv);
    if (read_places(call, first, argv + first, texts))
        run_zadd(call, argc, argv);
    mem_free(texts);
    mem_free(argv);
}

/* ---- asking by member ---- */

static void geopos_command(struct call *call)
{
    struct key key = call_first_key(call);
    struct entry *entry;
    struct geo_point p;
    if (!zset_find(call, &key, FIND_READ, &entry))
        return;
    reply_array(call->reply, call->argc - 2);
    for (uint32_t i = 2; i < call->argc; i++) {
        if (entry && geo_point_of(entry_value(entry), call->argv[i], &p))
            geo_reply_point(call, p);
        else
            reply_null_array(call->reply);
    }
}

static void geohash_command(struct call *call)
{
    struct key key = call_first_key(call);
    struct entry *entry;
    struct geo_point p;
    char text[GEO_HASH_TEXT];
    if (!zset_find(call, &key, FIND_READ, &entry))
        return;
    reply_array(call->reply, call->argc - 2);
    for (uint32_t i = 2; i < call->argc; i++) {
        if (entry && geo_point_of(entry_value(entry), call->argv[i], &p)) {
            geo_hash_text(p, text);
            reply_bulk(call->reply, slice_of(text, sizeof text));
        } else {
            reply_null(call->reply);
        }
    }
}

static void geodist_command(struct call *call)
{
    struct key key = call_first_key(call);
    struct entry *entry;
    struct geo_point a, b;
    double unit = 1;
    if (call->argc > 5) {
        call_syntax_error(call);
        return;
    }
    if ((call->argc == 5 && !geo_read_unit(call, 4, &unit)) ||
        !zset_find(call, &key, FIND_READ, &entry))
        return;
    if (entry && geo_point_of(entry_value(entry), call->argv[2], &a) &&
        geo_point_of(entry_value(entry), call->argv[3], &b))
        geo_reply_distance(call, geo_distance(a, b) / unit);
    else
        reply_null(call->reply);
}

/* ---- rows ---- */

#define IN_FAMILY .acl = ACL_GEO, .group = GROUP_GEO
#define ONE_READ  .flags = CMD_READONLY, .keys = KEYS_ONE(KEY_RO | KEY_ACCESS), IN_FAMILY
#define SEARCH_COST                                                                                \
    .complexity = "O(N+log(M)) with the members in the cells around the shape, and all of them"
#define RADIUS_KEYS(from)                                                                          \
    .keys = {{.flags = KEY_RO | KEY_ACCESS, .begin = 1, .step = 1},                                \
             {.flags = KEY_OW | KEY_UPDATE, .keyword = "STORE", .begin = (from), .step = 1},       \
             {.flags = KEY_OW | KEY_UPDATE, .keyword = "STOREDIST", .begin = (from), .step = 1}},  \
    .find_keys = geo_radius_keys

const struct command geo_commands[] = {
    {.name = "geoadd",
     .run = geoadd_command,
     .arity = -5,
     .flags = CMD_WRITE | CMD_DENYOOM,
     .keys = KEYS_ONE(KEY_RW | KEY_UPDATE),
     .usage = "key#0 [condition(NX | XX)@6.2.0] [change=CH@6.2.0] "
              "data(longitude:double latitude:double member)...",
     .history = "6.2.0 The options CH, NX and XX.",
     .since = "3.2.0",
     .summary = "Adds places to a sorted set, or moves them.",
     .complexity = "O(log(N)) for each place",
     IN_FAMILY},
    {.name = "geodist",
     .run = geodist_command,
     .arity = -4,
     .usage = "key#0 member1 member2 [unit(M | KM | FT | MI)]",
     .since = "3.2.0",
     .summary = "Answers how far apart two places are.",
     .complexity = "O(1)",
     ONE_READ},
    {.name = "geohash",
     .run = geohash_command,
     .arity = -2,
     .usage = "key#0 [member...]",
     .since = "3.2.0",
     .summary = "Answers the geohashes of places as text.",
     .complexity = "O(1) for each place",
     ONE_READ},
    {.name = "geopos",
     .run = geopos_command,
     .arity = -2,
     .usage = "key#0 [member...]",
     .since = "3.2.0",
     .summary = "Answers longitudes and latitudes of places.",
     .complexity = "O(1) for each place",
     ONE_READ},
    {.name = "georadius",
     .run = geo_georadius,
     .arity = -6,
     .flags = CMD_WRITE | CMD_DENYOOM | CMD_MOVABLEKEYS,
     RADIUS_KEYS(6),
     .usage = "key#0 longitude:double latitude:double radius:double unit(M | KM | FT | MI) "
              "[WITHCOORD] [WITHDIST] [WITHHASH] [count-block(COUNT count:integer [ANY@6.2.0])] "
              "[order(ASC | DESC)] [store(STORE storekey=key#1 | STOREDIST storedistkey=key#2)]",
     .history = "6.2.0 COUNT with ANY.\n"
                "7.0.0 Units in capitals.",
     .since = "3.2.0",
     .summary = "Answers or stores the places within a circle around a point.",
     SEARCH_COST,
     .deprecated_since = "6.2.0",
     .replaced_by = "`GEOSEARCH` and `GEOSEARCHSTORE` with the `BYRADIUS` argument",
     IN_FAMILY},
    {.name = "georadius_ro",
     .run = geo_georadius_ro,
     .arity = -6,
     .usage =
         "key#0 longitude:double latitude:double radius:double unit(M | KM | FT | MI) [WITHCOORD] "
         "[WITHDIST] [WITHHASH] [count-block(COUNT count:integer [ANY@6.2.0])] [order(ASC | DESC)]",
     .history = "6.2.0 COUNT with ANY.",
     .since = "3.2.10",
     .summary = "Answers the places within a circle around a point.",
     SEARCH_COST,
     .deprecated_since = "6.2.0",
     .replaced_by = "`GEOSEARCH` with the `BYRADIUS` argument",
     ONE_READ},
    {.name = "georadiusbymember",
     .run = geo_georadiusbymember,
     .arity = -5,
     .flags = CMD_WRITE | CMD_DENYOOM | CMD_MOVABLEKEYS,
     RADIUS_KEYS(5),
     .usage = "key#0 member radius:double unit(M | KM | FT | MI) [WITHCOORD] [WITHDIST] "
              "[WITHHASH] [count-block(COUNT count:integer [ANY])] [order(ASC | DESC)] "
              "[store(STORE storekey=key#1 | STOREDIST storedistkey=key#2)]",
     .history = "7.0.0 Units in capitals.",
     .since = "3.2.0",
     .summary = "Answers or stores the places within a circle around one of them.",
     SEARCH_COST,
     .deprecated_since = "6.2.0",
     .replaced_by =
         "`GEOSEARCH` and `GEOSEARCHSTORE` with the `BYRADIUS` and `FROMMEMBER` arguments",
     IN_FAMILY},
    {.name = "georadiusbymember_ro",
     .run = geo_georadiusbymember_ro,
     .arity = -5,
     .usage = "key#0 member radius:double unit(M | KM | FT | MI) [WITHCOORD] [WITHDIST] "
              "[WITHHASH] [count-block(COUNT count:integer [ANY])] [order(ASC | DESC)]",
     .since = "3.2.10",
     .summary = "Answers the places within a circle around one of them.",
     SEARCH_COST,
     .deprecated_since = "6.2.0",
     .replaced_by = "`GEOSEARCH` with the `BYRADIUS` and `FROMMEMBER` arguments",
     ONE_READ},
    {.name = "geosearch",
     .run = geo_geosearch,
     .arity = -7,
     .usage = "key#0 from(FROMMEMBER member | "
              "FROMLONLAT fromlonlat(longitude:double latitude:double)) "
              "by(circle(BYRADIUS radius:double unit(M | KM | FT | MI)) | "
              "box(BYBOX width:double height:double unit(M | KM | FT | MI))) [order(ASC | DESC)] "
              "[count-block(COUNT count:integer [ANY])] [WITHCOORD] [WITHDIST] [WITHHASH]",
     .history = "7.0.0 Units in capitals.",
     .since = "6.2.0",
     .summary = "Answers the places within a circle, a box or a polygon.",
     SEARCH_COST,
     ONE_READ},
    {.name = "geosearchstore",
     .run = geo_geosearchstore,
     .arity = -8,
     .flags = CMD_WRITE | CMD_DENYOOM,
     .keys = {{.flags = KEY_OW | KEY_UPDATE, .begin = 1, .step = 1},
              {.flags = KEY_RO | KEY_ACCESS, .begin = 2, .step = 1}},
     .usage = "destination#0 source#1 from(FROMMEMBER member | "
              "FROMLONLAT fromlonlat(longitude:double latitude:double)) "
              "by(circle(BYRADIUS radius:double unit(M | KM | FT | MI)) | "
              "box(BYBOX width:double height:double unit(M | KM | FT | MI))) [order(ASC | DESC)] "
              "[count-block(COUNT count:integer [ANY])] [STOREDIST]",
     .history = "7.0.0 Units in capitals.",
     .since = "6.2.0",
     .summary = "Stores the places within a circle, a box or a polygon.",
     SEARCH_COST,
     IN_FAMILY},
    {.name = NULL}};
