"""Commands of group string against redis-server: random streams, and every mix of SET's, GETEX's
and LCS's options.
"""
import itertools

import differential
import groups_string  # noqa: F401  (registers its generators)
from differential import Step
from gen import FAR, FLOATS, NOT_INTEGERS

TIMES = {b"EX": b"100000", b"PX": b"100000000", b"EXAT": b"%d" % FAR, b"PXAT": b"%d" % (FAR * 1000)}
STATES = (
    [],
    [Step("SET", "k", "old")],
    [Step("SET", "k", "old", "PXAT", FAR * 1000 - 7)],
    [Step("SET", "k", "12")],
)
AFTER = [Step("GET", "k"), Step("PEXPIRETIME", "k", compare=differential.near(10000))]


def test_random_resp2():
    differential.run(["string"], 2)


def test_random_resp3():
    differential.run(["string"], 3)


def mixes(words, most, before):
    """Every sequence of up to `most` options, on every state of the key."""
    for count in range(most + 1):
        for options in itertools.product(words, repeat=count):
            args = []
            for word in options:
                args += [word, TIMES[word]] if word in TIMES else [word]
            for state in STATES:
                yield [Step("DEL", "k"), *state, Step(*before, *args)] + AFTER


def test_set_options():
    words = [b"NX", b"XX", b"GET", b"KEEPTTL", b"EX", b"PX", b"EXAT", b"PXAT"]
    differential.run_cases(mixes(words, 3, [b"SET", b"k", b"new"]), 2, at_once=200)


def test_getex_options():
    words = [b"PERSIST", b"EX", b"PX", b"EXAT", b"PXAT", b"NX"]
    differential.run_cases(mixes(words, 2, [b"GETEX", b"k"]), 3, at_once=100)


def test_expiry_bounds():
    """Each command that takes a time, with every number at a bound."""
    texts = NOT_INTEGERS + [
        b"%d" % n
        for n in (
            0,
            -1,
            9223372036854775807,
            -9223372036854775808,
            9223372036854775,
            9223372036854776,
            9223370000000000,
            9223372036854774,
            9223372036854775806,
            10**18,
        )
    ]
    cases = []
    for text in texts:
        for args in (
            [b"SET", b"k", b"v", b"EX", text],
            [b"SET", b"k", b"v", b"PX", text],
            [b"SET", b"k", b"v", b"EXAT", text],
            [b"SET", b"k", b"v", b"PXAT", text],
            [b"SETEX", b"k", text, b"v"],
            [b"PSETEX", b"k", text, b"v"],
            [b"GETEX", b"k", b"EX", text],
            [b"GETEX", b"k", b"PX", text],
            [b"GETEX", b"k", b"EXAT", text],
            [b"GETEX", b"k", b"PXAT", text],
        ):
            if args[-1] == b"v" and text in (b"-0", b"00"):
                pass
            cases.append([Step("SET", "k", "old"), Step(*args)] + AFTER)
    differential.run_cases([c for c in cases if not about_now(c[1].args)], 2)


def about_now(args):
    """Times of a few seconds, which would pass meanwhile."""
    return any(a in (b"1", b"01", b"+1") for a in args)


def test_integers():
    """INCRBY and DECRBY of every interesting number on every interesting value."""
    numbers = [
        b"0",
        b"1",
        b"-1",
        b"9223372036854775807",
        b"-9223372036854775808",
        b"9223372036854775806",
        b"-9223372036854775807",
        b"4611686018427387904",
        b"-4611686018427387905",
        b"10000",
        b"9999",
    ] + NOT_INTEGERS
    cases = []
    for value, number in itertools.product(numbers, numbers):
        for name in ("INCRBY", "DECRBY"):
            cases.append(
                [
                    Step("SET", "k", value),
                    Step(name, "k", number),
                    Step("OBJECT", "ENCODING", "k"),
                    Step("GET", "k"),
                ]
            )
    differential.run_cases(cases, 2, at_once=300)


def test_floats():
    """INCRBYFLOAT of every interesting number on every interesting value."""
    cases = []
    for value, number in itertools.product(FLOATS + NOT_INTEGERS, repeat=2):
        cases.append([Step("SET", "k", value), Step("INCRBYFLOAT", "k", number), Step("GET", "k")])
    differential.run_cases(cases, 2, at_once=300)


def test_ranges():
    """GETRANGE and SETRANGE with every pair of offsets around a value's ends."""
    cases = []
    for value in (b"", b"a", b"hello", b"1234567"):
        make = [Step("DEL", "k")] + ([Step("SET", "k", value)] if value else [])
        offsets = list(range(-9, 10)) + [-9223372036854775808, 9223372036854775807, 4294967296]
        cases.append(make + [Step("GETRANGE", "k", a, b) for a in offsets for b in offsets])
        cases += [
            make
            + [
                Step("SETRANGE", "k", a, text),
                Step("GET", "k"),
                Step("OBJECT", "ENCODING", "k"),
                Step("EXISTS", "k"),
            ]
            for a in range(-2, 10)
            for text in (b"", b"x", b"xyz")
        ]
    differential.run_cases(cases, 2)


def test_lengths_and_encodings():
    """OBJECT ENCODING, STRLEN and round trips at the lengths where encodings and buffers change."""
    lengths = [
        0,
        1,
        19,
        20,
        21,
        39,
        40,
        43,
        44,
        45,
        63,
        64,
        100,
        127,
        128,
        255,
        256,
        500,
        511,
        512,
        513,
        1023,
        1024,
        1025,
        4095,
        4096,
        16383,
        16384,
        16385,
        32768,
        65535,
        65536,
        70000,
        131072,
        262144,
    ]
    cases = [
        [
            Step("SET", "k", b"x" * n),
            Step("STRLEN", "k"),
            Step("OBJECT", "ENCODING", "k"),
            Step("GET", "k"),
            Step("GETRANGE", "k", -2, -1),
            Step("APPEND", "k", "y"),
            Step("OBJECT", "ENCODING", "k"),
            Step("GETRANGE", "k", -3, -1),
            Step("GETSET", "k", "z"),
            Step("APPEND", "m", b"q" * n),
            Step("OBJECT", "ENCODING", "m"),
            Step("MGET", "k", "none", "m"),
            Step("DEL", "k", "m"),
        ]
        for n in lengths
    ]
    for number in (
        0,
        1,
        -1,
        9999,
        10000,
        10001,
        1 << 31,
        -(1 << 31) - 1,
        (1 << 63) - 1,
        -(1 << 63),
        1 << 63,
        10**19,
        10**20,
    ):
        cases.append(
            [
                Step("SET", "k", number),
                Step("OBJECT", "ENCODING", "k"),
                Step("STRLEN", "k"),
                Step("APPEND", "k", ""),
                Step("OBJECT", "ENCODING", "k"),
                Step("GETSET", "k", number),
                Step("GETRANGE", "k", 0, 0),
                Step("SETRANGE", "k", 1, "5"),
                Step("OBJECT", "ENCODING", "k"),
                Step("DEL", "k"),
            ]
        )
    differential.run_cases(cases, 2)


def test_value_size_bound():
    """Values may grow to proto-max-bulk-len (1 MiB here) and not beyond."""
    limit = 1048576
    make = [Step("SET", "k", b"x" * 100)]
    cases = [
        make + [Step("SETRANGE", "k", offset, text), Step("STRLEN", "k")]
        for offset, text in (
            (limit - 1, b"y"),
            (limit, b"y"),
            (limit - 2, b"yyy"),
            (limit, b""),
            (limit + 1, b""),
            (2**31, b"y"),
            (2**63 - 1, b"y"),
            (2**63 - 1, b""),
            (2**62, b"yy"),
        )
    ]
    cases.append(
        [
            Step("SETRANGE", "k", limit - 10, b"0123456789"),
            Step("APPEND", "k", "y"),
            Step("STRLEN", "k"),
            Step("APPEND", "k", ""),
            Step("APPEND", "none", b"z" * 70000),
            Step("STRLEN", "none"),
        ]
    )
    cases.append(
        [
            Step("SETRANGE", "new", limit, b"y"),
            Step("EXISTS", "new"),
            Step("SETRANGE", "new", 5, b""),
            Step("EXISTS", "new"),
        ]
    )
    differential.run_cases(cases, 2, at_once=1)


def test_lcs_options():
    """Every sequence of up to three options, on pairs that share nothing, all or a part."""
    pairs = [
        (b"", b""),
        (b"abc", b""),
        (b"abc", b"abc"),
        (b"abc", b"xyz"),
        (b"ohmytext", b"mynewtext"),
        (b"aXbXcXd", b"abcd"),
        (b"aaaa", b"aa"),
        (b"12345", b"24"),
    ]
    words = [
        [b"LEN"],
        [b"IDX"],
        [b"WITHMATCHLEN"],
        [b"MINMATCHLEN", b"2"],
        [b"MINMATCHLEN", b"-1"],
        [b"MINMATCHLEN", b"x"],
        [b"MINMATCHLEN"],
        [b"NOPE"],
    ]
    cases = []
    for a, b in pairs:
        make = [Step("SET", "a", a), Step("SET", "b", b)]
        steps = [
            Step("LCS", "a", "b", *[w for option in options for w in option])
            for count in range(4)
            for options in itertools.product(words, repeat=count)
        ]
        cases.append(make + steps)
    cases.append(
        [
            Step("SET", "a", "x"),
            Step("LCS", "a", "none"),
            Step("LCS", "none", "a", "IDX"),
            Step("LCS", "none", "none", "LEN"),
            Step("LCS", "a", "a", "IDX", "WITHMATCHLEN"),
        ]
    )
    differential.run_cases(cases, 2, at_once=1)
    differential.run_cases(cases[4:6], 3, at_once=1)
