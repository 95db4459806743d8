"""Commands of group geo against redis-server: random streams, and searches on every scale."""
import random

import differential
import groups_geo  # noqa: F401  (registers its generators)
from differential import ARGS, Step
from harness import Server, decode, eq, reference, reply_end

DEBUG = (*ARGS, "--enable-debug-command", "yes")
LARGE = (*DEBUG, "--zset-max-listpack-entries", "3")


def test_random_resp2():
    differential.run(["geo"], 2, args=DEBUG)


def test_random_resp3():
    differential.run(["geo"], 3, args=DEBUG, commands=10000)


def test_random_large_form():
    differential.run(["geo"], 2, args=LARGE, commands=10000)


def spread_points(rng, count):
    """Longitudes and latitudes: even ones, dense ones around a few places, and bounds."""
    points = []
    for number in range(count):
        lon, lat = rng.uniform(-180, 180), rng.uniform(-85.05, 85.05)
        if number % 3 == 0:
            lon = rng.choice([-180, 180, 0, 13.4]) + rng.gauss(0, 0.2)
            lat = rng.choice([-85.05, 85.05, 0, 52.5, 66, -80]) + rng.gauss(0, 0.2)
        lon, lat = min(180, max(-180, lon)), min(85.05112878, max(-85.05112878, lat))
        if abs(lon) == 180 and abs(lat) == 85.05112878:  # one in each corner is enough
            lat = rng.uniform(-85, 85)
        points.append((lon, lat))
    return points


def test_searches_on_every_scale():
    """The order without ASC and DESC, and what COUNT ANY stops at, show which cells are looked
    through.
    """
    number = differential.seed()
    print(f"SEED={number}")
    rng = random.Random(number)
    points = spread_points(rng, 3000)
    add = [x for i, (lon, lat) in enumerate(points) for x in (repr(lon), repr(lat), f"m{i}")]
    steps = [Step("GEOADD", "k", *add)]
    centres = spread_points(rng, 40) + [
        (lon, lat) for lon in (-180, 0, 180) for lat in (-85.05112878, -66, 0, 66, 80, 85.05112878)
    ]
    for lon, lat in centres:
        for exponent in range(0, 16):
            size = repr(2.0 ** (exponent * 1.7) * rng.uniform(0.7, 1.4))
            by = rng.choice([("BYRADIUS", size), ("BYBOX", size, size), ("BYBOX", size, "5000")])
            search = ("GEOSEARCH", "k", "FROMLONLAT", repr(lon), repr(lat), *by, "m")
            steps.append(Step(*search, "COUNT", "7", "ANY", "WITHDIST"))
            if rng.random() < 0.3:
                steps.append(Step(*search, "COUNT", "60", "ANY"))
                steps.append(Step(*search, "ASC", "COUNT", "5", "WITHDIST"))
    differential.run_cases([steps], 2, args=DEBUG)


def test_arities_and_types():
    cases = [[Step("SET", "s", "v"), Step("GEOADD", "k", 1, 2, "a", 3, 4, "b")]]
    words = ("k", "a", "b", "1", "2", "m", "ASC", "STORE")
    for name in (
        "GEOADD GEODIST GEOHASH GEOPOS GEORADIUS GEORADIUS_RO GEORADIUSBYMEMBER "
        "GEORADIUSBYMEMBER_RO GEOSEARCH GEOSEARCHSTORE"
    ).split():
        for count in range(len(words) + 1):
            cases.append([Step(name, *words[:count]), Step(name, "s", *words[1:count])])
    for search in (
        ("GEORADIUS", "s", 1, 2, 3, "m"),
        ("GEORADIUSBYMEMBER", "s", "a", 3, "m"),
        ("GEOSEARCH", "s", "FROMMEMBER", "a", "BYRADIUS", 1, "m"),
        ("GEOSEARCHSTORE", "k", "s", "FROMMEMBER", "a", "BYRADIUS", 1, "m"),
        ("GEODIST", "s", "a", "b"),
        ("GEOADD", "s", 1, 2, "a"),
        ("GEORADIUSBYMEMBER", "none", "a", "x", "y", "STORE", "k"),
        ("GEORADIUS", "none", 1, 2, 3, "m", "STORE", "s"),
        ("GEOSEARCHSTORE", "k", "none", "FROMMEMBER", "a", "BYRADIUS", 1, "m"),
    ):
        cases.append([Step(*search), Step("EXISTS", "k", "s")])
    differential.run_cases(cases, 2, args=DEBUG)


def logged(server):
    """The commands of the log so far, but for SELECT."""
    with open(server.path("appendonlydir", "appendonly.aof.1.incr.aof"), "rb") as file:
        data = file.read()
    commands = []
    while data:
        end = reply_end(data)
        commands.append(decode(data[:end]))
        data = data[end:]
    return [command for command in commands if command[0].upper() != b"SELECT"]


def test_log_has_the_same_words():
    """What is written to the log, so that each server can read the other's."""
    args = ("--appendonly", "yes", "--appendfsync", "always", "--save", "")
    commands = [
        ("GEOADD", "k", "13.361389", "38.115556", "a", "15.087269", "37.502669", "b"),
        ("GEOADD", "k", "XX", "CH", "13", "38", "a", "1", "1", "new"),
        ("GEOADD", "k", "NX", "1", "1", "a"),
        ("GEOADD", "k", "180", "85.05112878", "corner"),
        ("GEORADIUS", "k", "15", "37", "200", "km", "STORE", "l"),
        ("GEORADIUSBYMEMBER", "k", "a", "200", "km", "STOREDIST", "m"),
        ("GEOSEARCHSTORE", "n", "k", "FROMMEMBER", "a", "BYBOX", "400", "400", "km", "COUNT", "1"),
        ("GEOSEARCH", "k", "FROMMEMBER", "a", "BYBOX", "400", "400", "km"),
        ("GEORADIUS", "k", "0", "0", "1", "m", "STORE", "none"),
    ]
    logs = []
    with reference(*args) as redis, Server(*args) as server:
        for side in (redis, server):
            side.client().pipeline(commands)
            logs.append(logged(side))
    eq(logs[1], logs[0])
    eq(len(logs[0]), 6)
