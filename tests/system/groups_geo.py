"""Generators for the commands of group geo.

Which of several places of the same distance COUNT leaves out is not specified, so every member gets
a place of its own; on the bounds, too, one of the two numbers is drawn from a range. And distances,
which are no geohashes, are stored where nothing is looked for. Where sorted sets of others are
searched too, whose members share places, nothing is counted: see `shared_places`.
"""
from differential import Step, digest_value, dump, generator

LON, LAT = 180.0, 85.05112878
CITIES = ((13.361389, 38.115556), (15.087269, 37.502669), (-122.4, 37.8), (179.99, -16.8), (0, 0))
MEMBERS = [b"m%d" % i for i in range(40)] + [b"", b"1", b"-1", b"a\0b", b"x" * 64, b"y" * 65]
ODD_KEYS = (b"odd0", b"odd1")
DISTANCE_KEYS = (b"dist0", b"dist1")
ODD_SCORES = (
    b"0", b"-1", b"-1.5", b"1e300", b"-1e300", b"inf", b"-inf", b"4503599627370495", b"1e18",
    b"4503599627370496", b"9007199254740992", b"18446744073709551615", b"18446744073709551616",
    b"9223372036854775807", b"9223372036854775808", b"-9223372036854775808", b"0.5",
    b"3479099956230698",
)  # fmt: skip

shared_places = False  # set by a test that mixes groups


def number(value):
    text = repr(float(value))
    return text[:-2].encode() if text.endswith(".0") else text.encode()


def place(g):
    """Anywhere, near a city, or on a bound."""
    lon, lat = g.rng.uniform(-LON, LON), g.rng.uniform(-LAT, LAT)
    roll = g.rng.random()
    if roll < 0.5:
        near = g.pick(*CITIES)
        spread = g.pick(0.0005, 0.01, 0.5, 8)
        lon = min(LON, max(-LON, near[0] + g.rng.uniform(-spread, spread)))
        lat = min(LAT, max(-LAT, near[1] + g.rng.uniform(-spread, spread)))
    elif roll < 0.6:
        lat = g.pick(-LAT, LAT)
    elif roll < 0.7:
        lon = g.pick(-LON, LON)
    elif roll < 0.78:
        lat = g.pick(-1, 1) * (LAT - abs(g.rng.gauss(0, 0.1)))
    elif roll < 0.86:
        lon = g.pick(-1, 1) * (LON - abs(g.rng.gauss(0, 0.1)))
    if g.chance(0.02):
        lon = g.pick(-180.0000001, 180.0000001, 1000, -181)
    if g.chance(0.02):
        lat = g.pick(-85.05112879, 85.05112879, 90, -90)
    if g.chance(0.01):
        return [g.float_text(), g.float_text()]
    return [number(lon), number(lat)]


def unit(g):
    if g.chance(0.96):
        return g.case(g.pick(b"m", b"km", b"ft", b"mi"))
    return g.pick(b"", b"cm", b"kms", b"mile")


def length(g, of_unit):
    """Mostly one that finds some and not all."""
    metres = {b"m": 1, b"km": 1000, b"ft": 0.3048, b"mi": 1609.34}.get(of_unit.lower(), 1)
    roll = g.rng.random()
    if roll < 0.9:
        return number(10 ** g.rng.uniform(1, 7.6) / metres)
    if roll < 0.94:
        return g.pick(b"0", b"1e10", b"inf", b"20037726.37", b"40075016.7")
    return g.float_text()


def member(g):
    return g.pick(*MEMBERS)


def key(g):
    return g.pick(*g.keys[:3]) if g.chance(0.85) else g.key()


@generator("geo", 20)
def geoadd(g):
    options = []
    if g.chance(0.25):
        options = [g.case(o) for o in g.some([b"NX", b"XX", b"CH"], 1, 2)]
    places = [x for _ in range(g.rng.randint(1, 8)) for x in (*place(g), member(g))]
    return Step(b"GEOADD", key(g), *options, *places)


@generator("geo", 2)
def geoadd_many(g):
    """The large form."""
    places = [x for i in range(150) for x in (*place(g), b"many%d" % i)]
    target = key(g)
    return [Step(b"GEOADD", target, *places), Step(b"ZCARD", target)]


@generator("geo", 8)
def ask(g):
    name = g.pick(b"GEOPOS", b"GEOHASH", b"GEODIST")
    if name == b"GEODIST":
        args = [member(g), member(g)] + ([unit(g)] if g.chance(0.6) else [])
    else:
        args = [member(g) for _ in range(g.rng.randint(0, 5))]
    return Step(name, key(g), *args)


def shown(g):
    words = [b"WITHDIST", b"WITHHASH", b"WITHCOORD"]
    return [g.case(w) for w in words if g.chance(0.35)]


def order(g):
    return [g.case(g.pick(b"ASC", b"DESC"))] if g.chance(0.5) else []


def how_many(g):
    if g.chance(0.5) or shared_places:
        return []
    count = b"%d" % g.rng.randint(1, 12) if g.chance(0.95) else g.integer_text()
    words = [g.case(b"COUNT"), count]
    return words + ([g.case(b"ANY")] if g.chance(0.5) else [])


def mixed(g, *parts):
    """The parts in any order, rarely one of them twice or not at all."""
    parts = [list(part) for part in parts if part]
    g.rng.shuffle(parts)
    if parts and g.chance(0.04):
        parts.append(g.rng.choice(parts))
    if parts and g.chance(0.03):
        parts.pop(g.rng.randrange(len(parts)))
    return [x for part in parts for x in part]


def target(g, of_distances=False):
    if of_distances:
        return g.pick(*DISTANCE_KEYS)
    return g.key() if g.chance(0.7) else key(g)


def shape(g):
    of = unit(g)
    if g.chance(0.5):
        return [g.case(b"BYRADIUS"), length(g, of), of]
    return [g.case(b"BYBOX"), length(g, of), length(g, of), of]


def centre(g):
    if g.chance(0.45):
        return [g.case(b"FROMMEMBER"), member(g)]
    return [g.case(b"FROMLONLAT"), *place(g)]


@generator("geo", 30)
def geosearch(g):
    options = [centre(g), shape(g), order(g), how_many(g)]
    if g.chance(0.3):
        distances = g.chance(0.4)
        options += [[g.case(b"STOREDIST")] if distances else [], shown(g) if g.chance(0.03) else []]
        args = [b"GEOSEARCHSTORE", target(g, distances), key(g)]
        return Step(*args, *mixed(g, *options), fixed=distances)
    return Step(b"GEOSEARCH", key(g), *mixed(g, *options, shown(g)))


@generator("geo", 22)
def georadius(g):
    of = unit(g)
    if g.chance(0.5):
        args = [b"GEORADIUS", key(g), *place(g), length(g, of), of]
    else:
        args = [b"GEORADIUSBYMEMBER", key(g), member(g), length(g, of), of]
    options = [order(g), how_many(g)]
    if g.chance(0.3):
        args[0] += b"_RO"
    elif g.chance(0.3):
        distances = g.chance(0.4)
        options.append([g.case(b"STOREDIST" if distances else b"STORE"), target(g, distances)])
        if g.chance(0.1):
            options.append([g.case(b"STORE"), g.pick(*DISTANCE_KEYS)])
        if g.chance(0.05):
            options.append(shown(g))
        return Step(*args, *mixed(g, *options), fixed=distances)
    return Step(*args, *mixed(g, *options, shown(g)))


@generator("geo", 3)
def odd_scores(g):
    """Scores that are no geohashes. Many of them are the same place, so nothing is counted."""
    target = g.pick(*ODD_KEYS)
    pairs = [x for i in range(4) for x in (g.pick(*ODD_SCORES), b"m%d" % g.rng.randrange(8))]
    steps = [Step(b"ZADD", target, *pairs, fixed=True)]
    steps.append(Step(b"GEOPOS", target, *MEMBERS[:8], fixed=True))
    steps.append(Step(b"GEOHASH", target, *MEMBERS[:8], fixed=True))
    of = unit(g)
    search = [b"GEOSEARCH", target, b"FROMLONLAT", *place(g), b"BYRADIUS", length(g, of), of]
    return steps + [Step(*search, *shown(g), fixed=True)]


@generator("geo", 2)
def look(g):
    target = key(g)
    return [
        *digest_value(target),
        Step(b"DUMP", target, compare=dump, fixed=True),
        Step(b"ZREM", target, member(g)),
    ]
