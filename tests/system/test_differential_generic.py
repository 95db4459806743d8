"""Commands of group generic against redis-server: random streams, expiry conditions, globs, SCAN
walks, DUMP and RESTORE.
"""
import itertools
import random

import differential
import groups_generic  # noqa: F401  (registers its generators)
import groups_bitmap  # noqa: F401
import groups_geo
import groups_hash  # noqa: F401
import groups_hyperloglog  # noqa: F401
import groups_list  # noqa: F401
import groups_set  # noqa: F401
import groups_stream  # noqa: F401
import groups_string  # noqa: F401
import groups_zset  # noqa: F401
from differential import Pair, Step, near, unordered
from gen import FAR, Gen
from harness import eq


def test_random_resp2():
    differential.run(["generic"], 2)


def test_random_resp3():
    differential.run(["generic"], 3)


def test_random_with_strings():
    """All groups that touch keys together."""
    differential.run(["generic", "string", "bitmap"], 2)


EVERYTHING = ["generic", "string", "bitmap", "hyperloglog", "list", "set", "hash", "zset", "geo"]
EVERYTHING += ["stream"]  # not sort: one 1e400 spoils all sorting of the reference from then on


def test_random_of_every_type():
    """Values of all types under the same few keys."""
    differential.OLD_FORMS.add(differential.encode_bulk(b"hashtable"))
    groups_geo.shared_places = True
    debug = (*differential.ARGS, "--enable-debug-command", "yes")
    differential.run(EVERYTHING, 2, args=debug)
    differential.run(EVERYTHING, 3, args=debug, commands=10000)


def test_expire_conditions():
    """EXPIRE and its kin: every sequence of up to two conditions, on keys without, with an earlier
    and a later expiry.
    """
    times = {"EXPIRE": 100000, "PEXPIRE": 100000000, "EXPIREAT": FAR, "PEXPIREAT": FAR * 1000}
    states = (
        [],
        [Step("SET", "k", "v")],
        [Step("SET", "k", "v", "EX", 50000)],
        [Step("SET", "k", "v", "PXAT", FAR * 2000)],
    )
    words = ("NX", "XX", "GT", "LT", "nope")
    cases = []
    for (name, when), state, count in itertools.product(times.items(), states, range(4)):
        for options in (
            itertools.product(words, repeat=count)
            if count < 3
            else itertools.permutations(words[:4], 3)
        ):
            for at in (when, -1, 0):
                cases.append(
                    [
                        Step("DEL", "k"),
                        *state,
                        Step(name, "k", at, *options),
                        Step("PEXPIRETIME", "k", compare=near(10000)),
                        Step("EXISTS", "k"),
                    ]
                )
    differential.run_cases(cases, 2, at_once=200)


def test_copy_options():
    words = (["REPLACE"], ["DB", "1"], ["DB", "0"], ["DB", "16"], ["DB", "x"], ["DB"], ["nope"])
    states = (
        [],
        [Step("SET", "a", "1")],
        [Step("SET", "a", "1", "EX", 100000), Step("SET", "b", "2")],
    )
    cases = []
    for state, count in itertools.product(states, range(4)):
        for options in itertools.product(words, repeat=count):
            for target in ("b", "a"):
                cases.append(
                    [
                        Step("FLUSHALL"),
                        *state,
                        Step("COPY", "a", target, *[w for o in options for w in o]),
                        Step("GET", target),
                        Step("TTL", target, compare=near(5)),
                        Step("SELECT", 1),
                        Step("GET", target),
                        Step("SELECT", 0),
                    ]
                )
    differential.run_cases(cases, 2, at_once=150)


def test_restore_options():
    payload = differential.string_payload(b"value")
    words = (
        ["REPLACE"],
        ["ABSTTL"],
        ["IDLETIME", "100"],
        ["FREQ", "7"],
        ["IDLETIME", "-1"],
        ["FREQ", "256"],
        ["FREQ"],
        ["nope"],
    )
    cases = []
    for count in range(4):
        for options in (
            itertools.product(words, repeat=count)
            if count < 3
            else itertools.permutations(words[:5], 3)
        ):
            flat = [w for o in options for w in o]
            for exists, when in itertools.product(
                (False, True),
                (
                    0,
                    FAR * 1000 if "ABSTTL" in flat else 10**9,
                    -1,
                    1 if "ABSTTL" in flat else "x",
                ),
            ):
                cases.append(
                    [Step("DEL", "k")]
                    + ([Step("SET", "k", "old")] if exists else [])
                    + [
                        Step("RESTORE", "k", when, payload, *flat),
                        Step("GET", "k"),
                        Step("PTTL", "k", compare=near(20000)),
                        Step("OBJECT", "IDLETIME", "k", compare=near(5)),
                    ]
                )
    differential.run_cases(cases, 2, at_once=150)


def test_dump_and_restore_across():
    """What one server dumps the other restores, both ways: values of all lengths, integers of all
    widths.
    """
    rng = random.Random(differential.seed())
    values = [
        b"",
        b"a",
        b"0",
        b"-1",
        b"127",
        b"128",
        b"-129",
        b"32768",
        b"-2147483648",
        b"2147483648",
        b"12345678901234567890",
        b"007",
        b"1.5",
    ]
    values += [rng.randbytes(n) for n in (1, 20, 21, 40, 63, 64, 65, 255, 16383, 16384, 70000)]
    values += [(b"abcabcabd" * n)[:n] for n in (19, 20, 21, 30, 63, 64, 100, 5000, 70000)] + [
        b"\0" * 300,
        b"x" * 100000,
    ]
    with Pair() as pair:
        pair.fresh()
        for source, target in (pair.clients, pair.clients[::-1]):
            for index, value in enumerate(values):
                key = b"key:%d" % index
                source.must("SET", key, value)
                payload = source.must("DUMP", key)
                eq(differential.footer_is_good(payload), True, "checksum")
                eq(differential.payload_string(payload), value, "payload")
                # An older server refuses a newer version's payload though a string's bytes are the
                # same.
                payload = differential.with_version(payload, 9)
                eq(
                    target.command("RESTORE", key, 0, payload, "REPLACE"),
                    "OK",
                    f"value of {len(value)} bytes",
                )
                eq(target.command("GET", key), value)
                eq(
                    target.command("OBJECT", "ENCODING", key),
                    source.command("OBJECT", "ENCODING", key),
                    repr(value[:40]),
                )
                broken = bytearray(payload)
                broken[rng.randrange(len(broken))] ^= 1 << rng.randrange(8)
                eq(str(target.command("RESTORE", b"x", 0, bytes(broken), "REPLACE"))[:3], "ERR")


def test_globs():
    """KEYS with thousands of random patterns over names of few letters."""
    rng = random.Random(differential.seed())
    gen = Gen(rng, 2)
    names = [
        b"",
        b"a",
        b"b",
        b"-",
        b"]",
        b"[",
        b"^",
        b"\\",
        b"*",
        b"?",
        b"aa",
        b"ab",
        b"ba",
        b"a-b",
        b"a]b",
        b"[a]",
        b"^a",
        b"a\\b",
        b"a*b",
        b"abab",
        b"aaaa",
        b"bbbbbbbb",
        b"a" * 50,
        b"\xff",
        b"\0",
        b"a\nb",
        b"A",
        b"Ab",
    ]
    make = [Step("SET", name, "v") for name in names]
    patterns = [
        Step("KEYS", gen.letters(0, 9, b"ab*?[]^-\\A"), compare=unordered)
        for _ in range(differential.iterations(3000))
    ]
    patterns += [
        Step("KEYS", p, compare=unordered)
        for p in (
            b"[a-b]",
            b"[b-a]",
            b"[a-",
            b"[-a]",
            b"[a-]",
            b"[^]",
            b"[^a]",
            b"[]]",
            b"[\\]]",
            b"[^\\]]",
            b"[a\\-b]",
            b"\\*",
            b"\\",
            b"a\\",
            b"**",
            b"*?*",
            b"[\0-\xff]",
            b"[!a]",
            b"[^^]",
            b"[^-a]",
        )
    ]
    differential.run_cases(
        [make + patterns[i : i + 500] for i in range(0, len(patterns), 500)], 2, at_once=1
    )


def test_many_databases():
    """MOVE, COPY, SWAPDB and the flushes over all sixteen databases."""
    rng = random.Random(differential.seed())
    steps = []
    for _ in range(1500):
        key, db = b"k%d" % rng.randrange(6), rng.randrange(17)
        steps.append(
            rng.choice(
                [
                    lambda: Step("SELECT", db),
                    lambda: Step("SET", key, rng.randrange(100)),
                    lambda: Step("MOVE", key, db),
                    lambda: Step("COPY", key, key, "DB", db),
                    lambda: Step("COPY", key, key, "DB", db, "REPLACE"),
                    lambda: Step("SWAPDB", rng.randrange(16), db),
                    lambda: Step("DBSIZE"),
                    lambda: Step("GET", key),
                    lambda: Step("EXPIRE", key, 100000),
                    lambda: Step("RENAME", key, "k0"),
                    lambda: Step("TTL", key, compare=near(5)),
                ]
            )()
        )
        if rng.random() < 0.004:
            steps.append(
                Step(rng.choice(["FLUSHDB", "FLUSHALL"]), *rng.choice([[], ["ASYNC"], ["SYNC"]]))
            )
    differential.run_cases([steps], 2)


def test_scan_walks():
    """Whole walks with COUNT, MATCH and TYPE over a key space of some thousand keys; every key is
    seen.
    """
    with Pair() as pair:
        pair.fresh()
        for client in pair.clients:
            client.pipeline(
                [("SET", b"key:%d" % i, i) for i in range(3000)]
                + [("SET", b"other:%d" % i, i, "EX", 100000) for i in range(500)]
            )
        scans = [
            (),
            ("COUNT", 1),
            ("COUNT", 7),
            ("COUNT", 100000),
            ("MATCH", "key:1*"),
            ("MATCH", "nothing"),
            ("MATCH", "other:?", "COUNT", 50),
            ("TYPE", "string", "COUNT", 100),
            ("TYPE", "list"),
            ("type", "STRING", "match", "*9", "count", 10),
            ("COUNT", 10, "COUNT", 500),
            ("MATCH", "key:*", "MATCH", "*:77"),
        ]
        wrong = pair.key_space_difference(scans)
        eq(wrong, None)
        for options in ((), ("COUNT", 3)):
            seen = differential.scan_all(pair.clients[1], *options)
            eq(len(set(seen)), 3500)


def test_scan_guarantee_while_keys_come_and_go():
    """Keys there during the whole walk are seen though thousands of others come and go."""
    with Pair() as pair:
        pair.fresh()
        client = pair.clients[1]
        stay = {b"stay:%d" % i for i in range(500)}
        client.pipeline([("SET", key, 1) for key in stay])
        seen, cursor, turn = set(), b"0", 0
        while True:
            cursor, keys = client.must("SCAN", cursor, "COUNT", 20)
            seen.update(keys)
            if cursor == b"0":
                break
            if turn < 30:
                client.pipeline([("SET", b"come:%d:%d" % (turn, i), 1) for i in range(400)])
            else:
                client.pipeline([("DEL", b"come:%d:%d" % (turn - 30, i)) for i in range(400)])
            turn += 1
            assert turn < 5000, "SCAN does not end"
        eq(stay - seen, set())
