/* geo_search.c - the places within a shape: GEOSEARCH, GEORADIUS and what is between them.
 *
 * The shape is covered by ranges of scores (geo_cover); what is in them is looked at one by one,
 * and what is found is copied, because it may be stored under the key it was found in.
 */
#include "commands/geo.h"

#include <stdlib.h>
#include "base/mem.h"
#include "commands/plain.h"
#include "commands/zset.h"
#include "engine/aside.h"

struct search_kind {
    bool by_name;    /* GEORADIUS...: the circle comes before the options */
    bool by_member;  /* ... its centre is a member */
    bool read_only;  /* no STORE */
    uint32_t source; /* argument of the sorted set */
    uint32_t options;
};

enum order { UNORDERED, ASCENDING, DESCENDING };

struct search {
    const struct search_kind *kind;
    struct entry *entry; /* the sorted set; NULL: none */
    struct geo_shape shape;
    struct geo_point *corners; /* owned */
    uint32_t store;            /* argument of the target; 0: reply */
    bool store_distance;
    bool with_distance, with_hash, with_point;
    bool from_member, from_point, by_radius, by_box, by_polygon;
    bool any;
    int64_t count; /* 0: all */
    enum order order;
};

/* ---- arguments ---- */

static bool read_circle(struct call *call, uint32_t at, struct geo_shape *shape)
{
    shape->kind = GEO_CIRCLE;
    if (!call_double(call, at, &shape->radius, "ERR need numeric radius"))
        return false;
    if (shape->radius < 0) {
        call_error(call, "ERR radius cannot be negative");
        return false;
    }
    return geo_read_unit(call, at + 1, &shape->unit_m);
}

static bool read_box(struct call *call, uint32_t at, struct geo_shape *shape)
{
    shape->kind = GEO_BOX;
    if (!call_double(call, at, &shape->width, "ERR need numeric width") ||
        !call_double(call, at + 1, &shape->height, "ERR need numeric height"))
        return false;
    if (shape->width < 0 || shape->height < 0) {
        call_error(call, "ERR height or width cannot be negative");
        return false;
    }
    return geo_read_unit(call, at + 2, &shape->unit_m);
}

/* How many corners, and their longitudes and latitudes. *taken: arguments. */
static bool read_polygon(struct call *call, uint32_t at, struct search *s, uint32_t *taken)
{
    int64_t count;
    if (!call_i64(call, at, &count, NULL))
        return false;
    if (count < 3) {
        call_error(call, "ERR GEOSEARCH BYPOLYGON must have at least 3 vertices");
        return false;
    }
    if (count > (call->argc - at - 1) / 2) {
        call_syntax_error(call);
        return false;
    }
    mem_free(s->corners);
    s->corners = mem_alloc((size_t)count * sizeof *s->corners);
    for (uint32_t i = 0; i < count; i++)
        if (!geo_read_point(call, at + 1 + 2 * i, &s->corners[i]))
            return false;
    s->shape.kind = GEO_POLYGON;
    s->shape.corners = s->corners;
    s->shape.corner_count = (size_t)count;
    s->shape.unit_m = 1;
    s->shape.centre = geo_middle(s->corners, (size_t)count);
    *taken = 1 + 2 * (uint32_t)count;
    return true;
}

static bool read_member(struct call *call, uint32_t at, struct search *s)
{
    if (s->entry == NULL || geo_point_of(entry_value(s->entry), call->argv[at], &s->shape.centre))
        return true;
    call_error(call, "ERR could not decode requested zset member");
    return false;
}

/* What stands in fixed places of GEORADIUS and GEORADIUSBYMEMBER. Of a sorted set that is not there
 * the latter does not ask any more. */
static bool read_fixed(struct call *call, struct search *s)
{
    if (!s->kind->by_name)
        return true;
    if (!s->kind->by_member)
        return geo_read_point(call, 2, &s->shape.centre) && read_circle(call, 4, &s->shape);
    return s->entry == NULL || (read_member(call, 2, s) && read_circle(call, 3, &s->shape));
}

enum outcome { NOT_MINE, READ, WRONG };

static enum outcome outcome_of(bool good)
{
    return good ? READ : WRONG;
}

/* Options of GEOSEARCH and GEOSEARCHSTORE alone. *at: of the option, then of its last argument. */
static enum outcome read_search_option(struct call *call, uint32_t *at, struct search *s)
{
    struct slice word = call->argv[*at];
    uint32_t left = call->argc - *at - 1, i = *at + 1, taken = 0;
    if (s->kind->by_name)
        return NOT_MINE;
    if (left >= 1 && !s->from_point && !s->by_polygon && slice_is(word, "frommember")) {
        s->from_member = true;
        *at += 1;
        return outcome_of(read_member(call, i, s));
    }
    if (left >= 2 && !s->from_member && !s->by_polygon && slice_is(word, "fromlonlat")) {
        s->from_point = true;
        *at += 2;
        return outcome_of(geo_read_point(call, i, &s->shape.centre));
    }
    if (left >= 2 && !s->by_box && !s->by_polygon && slice_is(word, "byradius")) {
        s->by_radius = true;
        *at += 2;
        return outcome_of(read_circle(call, i, &s->shape));
    }
    if (left >= 3 && !s->by_radius && !s->by_polygon && slice_is(word, "bybox")) {
        s->by_box = true;
        *at += 3;
        return outcome_of(read_box(call, i, &s->shape));
    }
    bool centred = s->from_member || s->from_point;
    if (left >= 1 && !s->by_radius && !s->by_box && !s->by_polygon && !centred &&
        slice_is(word, "bypolygon")) {
        s->by_polygon = true;
        bool good = read_polygon(call, i, s, &taken);
        *at += taken;
        return outcome_of(good);
    }
    if (s->store != 0 && slice_is(word, "storedist")) {
        s->store_distance = true;
        return READ;
    }
    return NOT_MINE;
}

/* STORE and STOREDIST of GEORADIUS and GEORADIUSBYMEMBER. */
static enum outcome read_store_option(struct call *call, uint32_t *at, struct search *s)
{
    struct slice word = call->argv[*at];
    if (!s->kind->by_name || s->kind->read_only || *at + 1 == call->argc)
        return NOT_MINE;
    bool distance = slice_is(word, "storedist");
    if (!distance && !slice_is(word, "store"))
        return NOT_MINE;
    s->store = ++*at;
    s->store_distance = distance;
    return READ;
}

static bool read_count(struct call *call, uint32_t at, struct search *s)
{
    if (!call_i64(call, at, &s->count, NULL))
        return false;
    if (s->count <= 0)
        call_error(call, "ERR COUNT must be > 0");
    return s->count > 0;
}

static enum outcome read_option(struct call *call, uint32_t *at, struct search *s)
{
    struct slice word = call->argv[*at];
    if (slice_is(word, "withdist"))
        s->with_distance = true;
    else if (slice_is(word, "withhash"))
        s->with_hash = true;
    else if (slice_is(word, "withcoord"))
        s->with_point = true;
    else if (slice_is(word, "any"))
        s->any = true;
    else if (slice_is(word, "asc"))
        s->order = ASCENDING;
    else if (slice_is(word, "desc"))
        s->order = DESCENDING;
    else if (slice_is(word, "count") && *at + 1 < call->argc)
        return outcome_of(read_count(call, ++*at, s));
    else
        return NOT_MINE;
    return READ;
}

static bool read_options(struct call *call, struct search *s)
{
    for (uint32_t at = s->kind->options; at < call->argc; at++) {
        enum outcome outcome = read_option(call, &at, s);
        if (outcome == NOT_MINE)
            outcome = read_store_option(call, &at, s);
        if (outcome == NOT_MINE)
            outcome = read_search_option(call, &at, s);
        if (outcome == NOT_MINE)
            call_syntax_error(call);
        if (outcome != READ)
            return false;
    }
    return true;
}

/* Whether the options go together; false after replying what does not. */
static bool check_options(struct call *call, const struct search *s)
{
    bool shown = s->with_distance || s->with_hash || s->with_point;
    bool search = !s->kind->by_name;
    int name_len = (int)MIN_OF(call->argv[0].len, 64);
    if (s->store != 0 && shown)
        call_errorf(call, "ERR %s is not compatible with WITHDIST, WITHHASH and WITHCOORD options",
                    search ? "GEOSEARCHSTORE" : "STORE option in GEORADIUS");
    else if (search && !s->from_member && !s->from_point && !s->by_polygon)
        call_errorf(call, "ERR exactly one of FROMMEMBER or FROMLONLAT can be specified for %.*s",
                    name_len, call->argv[0].data);
    else if (search && !s->by_radius && !s->by_box && !s->by_polygon)
        call_errorf(call, "ERR exactly one of BYRADIUS and BYBOX can be specified for %.*s",
                    name_len, call->argv[0].data);
    else if (s->any && s->count == 0)
        call_error(call, "ERR the ANY argument requires COUNT argument");
    else
        return true;
    return false;
}

/* ---- finding ---- */

struct found {
    size_t name, len; /* of the member, in names */
    double score, distance;
    struct geo_point point;
    size_t order; /* in which they were found */
};

struct finds {
    struct found *all;
    size_t count, cap;
    struct bytes names;
};

static struct slice name_of(const struct finds *finds, const struct found *f)
{
    return slice_of(bytes_slice(&finds->names).data + f->name, f->len);
}

static void add_found(struct finds *finds, const struct zset_item *item, struct geo_point p,
                      double distance)
{
    if (finds->count == finds->cap) {
        finds->cap = finds->cap * 2 + 16;
        finds->all = mem_realloc(finds->all, finds->cap * sizeof *finds->all);
    }
    finds->all[finds->count] = (struct found){.name = finds->names.len,
                                              .len = item->member.len,
                                              .score = item->score,
                                              .distance = distance,
                                              .point = p,
                                              .order = finds->count};
    finds->count++;
    bytes_append(&finds->names, item->member.data, item->member.len);
}

/* The places of one range; false: there are `most`, which is enough. */
static bool find_in(struct value z, const struct geo_shape *shape, struct geo_range range,
                    uint64_t most, struct finds *finds)
{
    struct zset_at at;
    struct zset_item item;
    double distance;
    zset_seek(z, zset_below_score(z, range.min, false), &at);
    while (zset_next(z, &at, &item) && item.score < range.max) {
        struct geo_point p = geo_decode(item.score);
        if (geo_within(shape, p, &distance))
            add_found(finds, &item, p, distance);
        if (finds->count >= most)
            return false;
    }
    return true;
}

static int by_distance(const void *a, const void *b)
{
    const struct found *x = a, *y = b;
    if (x->distance != y->distance)
        return x->distance < y->distance ? -1 : 1;
    return x->order < y->order ? -1 : 1;
}

static int by_distance_down(const void *a, const void *b)
{
    const struct found *x = a, *y = b;
    if (x->distance != y->distance)
        return x->distance > y->distance ? -1 : 1;
    return x->order < y->order ? -1 : 1;
}

/* How many places have to be looked at. */
static uint64_t count_near(struct value z, const struct geo_shape *shape)
{
    struct geo_range ranges[GEO_RANGES];
    unsigned count = geo_cover(shape, ranges);
    uint64_t places = 0;
    for (unsigned i = 0; i < count; i++)
        places +=
            zset_below_score(z, ranges[i].max, false) - zset_below_score(z, ranges[i].min, false);
    return places;
}

static void find(const struct search *s, struct value z, struct finds *finds)
{
    struct geo_range ranges[GEO_RANGES];
    uint64_t most = s->any ? (uint64_t)s->count : UINT64_MAX;
    unsigned count = geo_cover(&s->shape, ranges);
    for (unsigned i = 0; i < count; i++)
        if (!find_in(z, &s->shape, ranges[i], most, finds))
            break;
    /* The nearest ones are meant, unless any are. */
    enum order order = s->order == UNORDERED && s->count != 0 && !s->any ? ASCENDING : s->order;
    if (order != UNORDERED && finds->count > 1)
        qsort(finds->all, finds->count, sizeof *finds->all,
              order == ASCENDING ? by_distance : by_distance_down);
}

/* ---- answers ---- */

static void reply_found(struct call *call, const struct search *s, const struct finds *finds,
                        size_t count)
{
    unsigned more = (unsigned)s->with_distance + s->with_hash + s->with_point;
    reply_array(call->reply, count);
    for (size_t i = 0; i < count; i++) {
        const struct found *f = &finds->all[i];
        if (more != 0)
            reply_array(call->reply, 1 + more);
        reply_bulk(call->reply, name_of(finds, f));
        if (s->with_distance)
            geo_reply_distance(call, f->distance / s->shape.unit_m);
        if (s->with_hash)
            reply_int(call->reply, geo_score_bits(f->score));
        if (s->with_point)
            geo_reply_point(call, f->point);
    }
}

static void store_found(struct call *call, const struct search *s, const struct finds *finds,
                        size_t count)
{
    struct key target = call_key(call, s->store);
    struct value z = zset_new_large();
    size_t longest = 0;
    for (size_t i = 0; i < count; i++) {
        const struct found *f = &finds->all[i];
        longest = MAX_OF(longest, f->len);
        zset_add(&z, NULL, name_of(finds, f),
                 s->store_distance ? f->distance / s->shape.unit_m : f->score);
    }
    zset_settle(&z, zset_limits_of(call), longest);
    if (!call_take_back(call)) {
        value_free(z);
        return;
    }
    zset_store(call, &target, z, s->kind->by_name ? "georadiusstore" : "geosearchstore");
    if (count > 1)
        call_changed(call, count - 1); /* one for each in all */
}

static void answer(struct call *call, const struct search *s)
{
    struct finds finds = {0};
    if (s->entry != NULL) {
        struct value z = entry_value(s->entry);
        if (call_aside(call, count_near(z, &s->shape)))
            return;
        call_let_go(call, &z, 1);
        find(s, z, &finds);
    }
    size_t count = s->count != 0 ? (size_t)MIN_OF((uint64_t)s->count, finds.count) : finds.count;
    if (s->store != 0)
        store_found(call, s, &finds, count);
    else
        reply_found(call, s, &finds, count);
    bytes_free(&finds.names);
    mem_free(finds.all);
}

static void run(struct call *call, const struct search_kind *kind)
{
    struct search s = {.kind = kind, .store = kind->source == 2 ? 1 : 0};
    struct key source = call_key(call, kind->source);
    if (!zset_find(call, &source, FIND_READ, &s.entry))
        return;
    if (read_fixed(call, &s) && read_options(call, &s) && check_options(call, &s))
        answer(call, &s);
    mem_free(s.corners);
}

/* ---- commands ---- */

void geo_georadius(struct call *call)
{
    static const struct search_kind kind = {.by_name = true, .source = 1, .options = 6};
    run(call, &kind);
}

void geo_georadius_ro(struct call *call)
{
    static const struct search_kind kind = {
        .by_name = true, .read_only = true, .source = 1, .options = 6};
    run(call, &kind);
}

void geo_georadiusbymember(struct call *call)
{
    static const struct search_kind kind = {
        .by_name = true, .by_member = true, .source = 1, .options = 5};
    run(call, &kind);
}

void geo_georadiusbymember_ro(struct call *call)
{
    static const struct search_kind kind = {
        .by_name = true, .by_member = true, .read_only = true, .source = 1, .options = 5};
    run(call, &kind);
}

void geo_geosearch(struct call *call)
{
    static const struct search_kind kind = {.source = 1, .options = 2};
    run(call, &kind);
}

void geo_geosearchstore(struct call *call)
{
    static const struct search_kind kind = {.source = 2, .options = 3};
    run(call, &kind);
}

/* Several STORE and STOREDIST may be given, of which the last one counts. None can hide behind
 * COUNT, which wants a number. */
int geo_radius_keys(uint32_t argc, const struct slice *argv, uint32_t *positions, uint16_t *flags,
                    uint32_t max)
{
    int count = 0;
    for (uint32_t i = 1; i < argc && (uint32_t)count < max; i++) {
        bool source = i == 1;
        if (!source && (i < 5 || i + 1 == argc ||
                        !(slice_is(argv[i], "store") || slice_is(argv[i], "storedist"))))
            continue;
        i += !source;
        positions[count] = i;
        if (flags != NULL)
            flags[count] = source ? KEY_RO | KEY_ACCESS : KEY_OW | KEY_UPDATE;
        count++;
    }
    return count;
}
