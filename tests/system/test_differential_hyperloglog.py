"""Commands of group hyperloglog against redis-server: random streams with the strings' bytes
compared after each change, the bound between the two forms, and sketches passed from one server to
the other.
"""
import random

import differential
import groups_hyperloglog  # noqa: F401  (registers its generators)
from differential import ARGS, Step
from harness import Server, reference


def bounded(limit):
    return (*ARGS, "--hll-sparse-max-bytes", str(limit))


def test_random_resp2():
    differential.run(["hyperloglog"], 2, commands=4000)


def test_random_resp3():
    differential.run(["hyperloglog"], 3, commands=2000)


def test_random_small_bound():
    differential.run(["hyperloglog"], 2, args=bounded(60), commands=4000)


def test_random_no_sparse():
    differential.run(["hyperloglog"], 2, args=bounded(0), commands=2000)


def test_growth():
    """Sketches grown from nothing until far beyond the bound, their bytes compared all along."""
    number = differential.seed()
    print(f"SEED={number}")
    rng = random.Random(number)
    for limit in (0, 60, 3000, 15000):
        cases = []
        for name in ("a", "b"):
            for count in [1] * 30 + [7] * 30 + [400] * 20:
                added = (b"%d" % rng.getrandbits(40) for _ in range(count))
                steps = [Step("PFADD", name, *added), Step("GET", name), Step("PFCOUNT", name)]
                cases.append(steps + [Step("GET", name)])
            cases += [[Step("PFMERGE", "m", "a", "b"), Step("GET", "m"), Step("PFCOUNT", "m", "a")]]
        differential.run_cases(cases, 2, args=bounded(limit), at_once=1000)


def test_wrong_values():
    cases = []
    sparse = b"HYLL\1" + bytes(10) + b"\x80"
    dense = b"HYLL" + bytes(11) + b"\x80"
    bodies = [
        b"",
        b"abc",
        b"HYLL",
        sparse[:15],
        b"HYLl" + sparse[4:] + b"\x7f\xff",
        b"HYLL\2" + sparse[5:] + b"\x7f\xff",
        sparse + b"\x7f\xfe",
        sparse + b"\x7f\xff\x00",
        sparse + b"\x7f\xfe\x81",
        sparse + b"\xff" * 5000,
        sparse + b"\xff" * 4096,
        dense + bytes(12287),
        dense + bytes(12289),
        dense + bytes(12288),
        dense + b"\xff" * 12288,
        dense + b"\x41\x10\x04" * 4096,
    ]
    for body in bodies:
        make = [Step("DEL", "k", "m"), Step("SET", "k", body)]
        for use in (
            ("PFCOUNT", "k"),
            ("PFCOUNT", "none", "k"),
            ("PFMERGE", "m", "k"),
            ("PFMERGE", "k"),
            ("PFDEBUG", "GETREG", "k"),
            ("PFDEBUG", "TODENSE", "k"),
            ("PFDEBUG", "ENCODING", "k"),
            ("PFADD", "k"),
        ):
            cases.append([*make, Step(*use), Step("GET", "k"), Step("GET", "m")])
    for args in (["PFADD"], ["PFCOUNT"], ["PFMERGE"], ["PFDEBUG"], ["PFSELFTEST", "x"]):
        cases.append([Step(*args)])
    cases.append([Step("PFDEBUG", "nosuch", "k"), Step("PFDEBUG", "nosuch", "none")])
    cases.append([Step("PFSELFTEST"), Step("PFADD", "k", "a"), Step("OBJECT", "ENCODING", "k")])
    differential.run_cases(cases, 2, at_once=40)


def test_other_types():
    make = [Step("DEL", "l", "h"), Step("RPUSH", "l", "a"), Step("PFADD", "h", "a")]
    uses = [
        ("PFADD", "l", "a"),
        ("PFCOUNT", "l"),
        ("PFCOUNT", "h", "l"),
        ("PFMERGE", "l", "h"),
        ("PFMERGE", "h", "l"),
        ("PFDEBUG", "GETREG", "l"),
    ]
    differential.run_cases([[*make, Step(*use), Step("GET", "h")] for use in uses], 3)


def test_restore_between_servers():
    """A sketch that is passed on by DUMP and RESTORE, or by SET, counts and goes on the same."""
    number = differential.seed()
    print(f"SEED={number}")
    rng = random.Random(number)
    with reference() as redis, Server() as server:
        ours, theirs = server.client(), redis.client()
        for source, target in ((ours, theirs), (theirs, ours)):
            for size in (0, 1, 10, 500, 5000, 100000):
                source.must("DEL", "k")
                for start in range(0, size + 1, 1000):
                    added = (rng.randbytes(rng.randrange(40)) for _ in range(min(size, 1000)))
                    source.must("PFADD", "k", *added)
                target.must("RESTORE", "k", 0, source.must("DUMP", "k"), "REPLACE")
                target.must("SET", "copy", source.must("GET", "k"))
                count = source.must("PFCOUNT", "k")
                assert target.must("PFCOUNT", "k") == target.must("PFCOUNT", "copy") == count
                for client in (source, target):
                    client.must("PFADD", "k", "one", "more", b"%d" % size)
                assert source.must("GET", "k") == target.must("GET", "k")
