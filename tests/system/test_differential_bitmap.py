"""Commands of group bitmap against redis-server: random streams, and ranges, units and fields in
every combination.
"""
import itertools

import differential
import groups_bitmap  # noqa: F401  (registers its generators)
from differential import Step


def test_random_resp2():
    differential.run(["bitmap"], 2)


def test_random_resp3():
    differential.run(["bitmap"], 3)


VALUES = (
    b"",
    b"\0",
    b"\xff",
    b"\x80",
    b"\x01",
    b"\xff\xff\xff",
    b"\0\0\0",
    b"\xff\xf0\0",
    b"\0\xff\xf0",
    b"foobar",
    b"\xff" * 9,
    b"\0" * 8 + b"\x10",
    b"\xff" * 17 + b"\x7f",
)
EDGES = (-200, -9, -8, -3, -2, -1, 0, 1, 2, 3, 7, 8, 9, 23, 24, 63, 64, 65, 200)


def test_bitcount_ranges():
    cases = []
    for value in VALUES:
        steps = [Step("SET", "k", value), Step("BITCOUNT", "k")]
        for first, last in itertools.product(EDGES, repeat=2):
            steps += [
                Step("BITCOUNT", "k", first, last),
                Step("BITCOUNT", "k", first, last, "BYTE"),
                Step("BITCOUNT", "k", first, last, "bit"),
            ]
        cases.append(steps)
    differential.run_cases(cases, 2, at_once=3)


def test_bitpos_ranges():
    cases = []
    for value in VALUES:
        steps = [Step("SET", "k", value)]
        for bit in (0, 1):
            steps.append(Step("BITPOS", "k", bit))
            steps += [Step("BITPOS", "k", bit, first) for first in EDGES]
            for first, last in itertools.product(EDGES, repeat=2):
                steps += [
                    Step("BITPOS", "k", bit, first, last),
                    Step("BITPOS", "k", bit, first, last, "BIT"),
                ]
        cases.append(steps)
    cases.append(
        [Step("DEL", "k")]
        + [
            Step("BITPOS", "k", bit, *rest)
            for bit in (0, 1, 2)
            for rest in ((), (0,), (0, -1), (5, 2, "BIT"))
        ]
    )
    differential.run_cases(cases, 2, at_once=3)


def test_bitop():
    """Every operation on sources of different lengths, missing ones and the target itself among
    them.
    """
    cases = []
    for operation in ("AND", "OR", "XOR", "NOT", "not", "NAND"):
        for sources in itertools.chain(*(itertools.product("abcmt", repeat=n) for n in (1, 2, 3))):
            cases.append(
                [
                    Step("SET", "a", b"foobar\xff"),
                    Step("SET", "b", b"\x0f" * 40),
                    Step("SET", "c", ""),
                    Step("SET", "t", "12"),
                    Step("BITOP", operation, "t", *sources),
                    Step("GET", "t"),
                    Step("OBJECT", "ENCODING", "t"),
                ]
            )
    differential.run_cases(cases, 2, at_once=100)


def test_bitop_lengths():
    """Sources as long as the strides an implementation may work in, and one byte around them."""
    lengths = (1, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 129, 1000)
    cases = []
    for first, second in itertools.product(lengths, repeat=2):
        a = bytes((i * 37 + 11) & 255 for i in range(first))
        b = bytes((i * 101 + 7) & 255 for i in range(second))
        cases.append(
            [Step("SET", "a", a), Step("SET", "b", b)]
            + [
                s
                for op in ("AND", "OR", "XOR")
                for s in (Step("BITOP", op, "t", "a", "b", "a"), Step("GET", "t"))
            ]
            + [Step("BITOP", "NOT", "t", "a"), Step("GET", "t"), Step("BITCOUNT", "t")]
        )
    differential.run_cases(cases, 2, at_once=100)


def test_bitfield_types():
    """Every width and sign at aligned and odd offsets: what was set is read, and counted past its
    bounds in each way.
    """
    cases = []
    for sign, width in itertools.product("ui", range(0, 67)):
        kind = f"{sign}{width}"
        steps = [Step("DEL", "k")]
        for offset in ("0", "3", "7", "#1", "#2", "61"):
            for value in (
                0,
                1,
                -1,
                (1 << max(width - 1, 0)) - 1,
                1 << max(width - 1, 0),
                (1 << width) - 1,
                1 << width,
            ):
                if not -(1 << 63) <= value < 1 << 63:
                    continue
                steps.append(
                    Step(
                        "BITFIELD",
                        "k",
                        "SET",
                        kind,
                        offset,
                        value,
                        "GET",
                        kind,
                        offset,
                        "OVERFLOW",
                        "SAT",
                        "INCRBY",
                        kind,
                        offset,
                        value,
                        "OVERFLOW",
                        "FAIL",
                        "INCRBY",
                        kind,
                        offset,
                        1,
                        "OVERFLOW",
                        "WRAP",
                        "INCRBY",
                        kind,
                        offset,
                        1,
                    )
                )
        cases.append(steps + [Step("GET", "k")])
    differential.run_cases(cases, 2, at_once=10)


def test_bitfield_bounds():
    """Increments at the very ends of 64 bits, and offsets at the value's greatest length."""
    edge = (0, 1, -1, (1 << 63) - 1, -(1 << 63), 1 << 62, -(1 << 62))
    cases = []
    for kind, mode in itertools.product(
        ("i64", "u63", "i63", "i1", "u1", "i2"), ("WRAP", "SAT", "FAIL")
    ):
        cases.append(
            [
                step
                for start in edge
                for by in edge
                for step in (
                    Step("BITFIELD", "k", "SET", kind, 0, start),
                    Step("BITFIELD", "k", "OVERFLOW", mode, "INCRBY", kind, 0, by, "GET", kind, 0),
                )
            ]
        )
    last = 1048576 * 8
    cases.append(
        [
            Step("BITFIELD", "big", "SET", "u8", last - 8, 255),
            Step("STRLEN", "big"),
            Step("BITFIELD", "big", "SET", "u8", last - 7, 1),
            Step("BITFIELD", "big", "SET", "u1", last, 1),
            Step("BITFIELD", "big", "GET", "u8", last * 4),
            Step("DEL", "big"),
            Step("BITFIELD", "none", "GET", "u8", 0),
            Step("EXISTS", "none"),
            Step("BITFIELD", "none", "INCRBY", "u8", 100, 0),
            Step("STRLEN", "none"),
            Step("BITFIELD", "none"),
            Step("BITFIELD_RO", "none"),
        ]
    )
    differential.run_cases(cases, 3, at_once=6)
