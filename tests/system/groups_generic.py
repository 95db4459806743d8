"""Generators for the commands of group generic, and the database commands that belong to them."""
from differential import (
    Step,
    dump,
    generator,
    help_text,
    idle_time,
    member,
    same_kind,
    set_encoding,
    string_payload,
    unordered,
    with_footer,
)
from gen import near_ms, near_s


@generator("generic", 4)
def keys_of(g):
    return Step(g.pick(b"DEL", b"UNLINK", b"EXISTS", b"TOUCH", b"EXISTS"), *g.key_list(1, 5))


@generator("generic", 4)
def one_key(g):
    return Step(g.pick(b"TYPE", b"PERSIST", b"TYPE"), g.key())


@generator("generic", 4)
def ttl(g):
    name = g.pick(b"TTL", b"PTTL", b"EXPIRETIME", b"PEXPIRETIME")
    return Step(name, g.key(), compare=near_ms if name.startswith(b"P") else near_s)


@generator("generic", 8)
def expire(g):
    name, when = g.rng.choice(
        [
            (b"EXPIRE", g.relative_seconds),
            (b"PEXPIRE", g.relative_ms),
            (b"EXPIREAT", g.absolute_seconds),
            (b"PEXPIREAT", g.absolute_ms),
        ]
    )
    options = g.some([b"NX", b"XX", b"GT", b"LT"], 0, 2) if g.chance(0.6) else []
    if g.chance(0.03):
        options.append(g.pick(b"EX", b"", b"GTE"))
    at = when()
    if b"AT" not in name and (b"GT" in options or b"LT" in options) and at.isdigit() and at != b"0":
        # Equal relative times of two commands are greater, equal or less as the clock ticks
        # between: none equal.
        at = b"%d" % g.rng.randrange(10**6, 10**9)
    return Step(name, g.key(), at, *[g.case(o) for o in options])


@generator("generic", 5)
def rename(g):
    return Step(g.pick(b"RENAME", b"RENAMENX"), g.key(), g.key())


def database(g):
    return (
        g.pick(b"0", b"0", b"1", b"1", b"2", b"15")
        if not g.chance(0.1)
        else g.pick(b"16", b"-1", b"x", b"", b"1.0", b"9223372036854775808", b"4294967296")
    )


@generator("generic", 5)
def copy(g):
    args = [b"COPY", g.key(), g.key()]
    for _ in range(g.rng.choice([0, 1, 1, 2, 3])):
        args += g.rng.choice([lambda: [b"REPLACE"], lambda: [b"DB", database(g)]])()
    args[3:] = [g.case(a) for a in args[3:]]
    return Step(*args)


@generator("generic", 3)
def move(g):
    return Step(b"MOVE", g.key(), database(g))


@generator("generic", 3)
def select(g):
    return Step(b"SELECT", database(g))


@generator("generic", 1)
def swapdb(g):
    return Step(b"SWAPDB", database(g), database(g))


@generator("generic", 0.5)
def flush(g):
    args = [g.pick(b"FLUSHDB", b"FLUSHDB", b"FLUSHALL")]
    if g.chance(0.5):
        args.append(g.case(g.pick(b"ASYNC", b"SYNC", b"NOW")))
    return Step(*args)


@generator("generic", 2)
def dbsize(g):
    """Only the kind counts: keys whose time has passed may be counted until they are met."""
    return Step(b"DBSIZE", compare=same_kind)


@generator("generic", 4)
def keys(g):
    return Step(b"KEYS", g.pattern(), compare=unordered)


@generator("generic", 2)
def randomkey(g):
    return [
        Step(b"KEYS", b"*", compare=unordered, fixed=True),
        Step(b"RANDOMKEY", compare=member, fixed=True),
    ]


@generator("generic", 1)
def scan_errors(g):
    """Calls that fail before they walk; whole walks are compared after each batch."""
    cursor = g.pick(b"x", b" 0", b"0x", b"99999999999999999999999", b"1.5")
    return Step(
        b"SCAN",
        *g.pick(
            [cursor],
            [cursor, b"COUNT", b"5"],
            [b"0", b"COUNT", b"0"],
            [b"0", b"COUNT", b"-1"],
            [b"0", b"COUNT", b"x"],
            [b"0", b"COUNT"],
            [b"0", b"MATCH"],
            [b"0", b"TYPE"],
            [b"0", b"FOO", b"1"],
            [b"0", b"COUNT", b"5", b"NOPE"],
            [b"0", b"COUNT", b"9223372036854775808"],
            [b"0", b"MATCH", b"*", b"COUNT", b"0"],
        ),
        fixed=True
    )


@generator("generic", 3)
def object_(g):
    what = g.pick(b"ENCODING", b"ENCODING", b"IDLETIME", b"FREQ")
    return Step(
        b"OBJECT",
        g.case(what),
        g.key(),
        compare=set_encoding if what == b"ENCODING" else idle_time,
    )


@generator("generic", 0.3)
def object_other(g):
    return g.pick(
        Step(b"OBJECT", b"HELP", compare=help_text, fixed=True),
        Step(b"OBJECT"),
        Step(b"OBJECT", b"NOPE", g.key()),
        Step(b"OBJECT", b"ENCODING", compare=set_encoding),
        Step(b"OBJECT", b"ENCODING", g.key(), g.key(), compare=set_encoding),
    )


@generator("generic", 2)
def dump_(g):
    return Step(b"DUMP", g.key(), compare=dump)


def payload(g):
    """Mostly a good payload of a string (plain, as an integer, compressed), else one broken in some
    way.
    """
    good = g.rng.choice(
        [
            lambda: string_payload(g.value(), g.rng.randrange(1, 11)),
            lambda: with_footer(b"\0\xc0" + g.bytes(1)),
            lambda: with_footer(b"\0\xc1" + g.bytes(2)),
            lambda: with_footer(b"\0\xc2" + g.bytes(4)),
            lambda: with_footer(b"\0\xc3\x05\x40\x64\0a\xe0\x5a\0"),
        ]
    )()
    if g.chance(0.75):
        return good
    return g.rng.choice(
        [
            lambda: b"",
            lambda: good[:-1],
            lambda: good[:9],
            lambda: b"\xff" + good[1:],
            lambda: good[:-3] + bytes([good[-3] ^ 1]) + good[-2:],
            lambda: string_payload(b"v", 9999),
            lambda: with_footer(b"\x63\x01a"),
            lambda: with_footer(b"\0\xc3\x05\x40\x64\xe0\xff\xff\xff\xff"),
            lambda: with_footer(b"\0\xc4a"),
            lambda: with_footer(b"\0\x01ab"),
        ]
    )()


@generator("generic", 5)
def restore(g):
    absolute = g.chance(0.4)
    when = b"0" if g.chance(0.5) else (g.absolute_ms() if absolute else g.relative_ms())
    args = [b"RESTORE", g.key(), when, payload(g)]
    if absolute:
        args.append(b"ABSTTL")
    for _ in range(g.rng.choice([0, 1, 1, 2])):
        args += g.rng.choice(
            [
                lambda: [b"REPLACE"],
                lambda: [b"REPLACE"],
                lambda: [b"IDLETIME", g.small(-1, 100)],
                lambda: [b"FREQ", g.pick(b"0", b"5", b"255", b"256", b"-1", b"x")],
            ]
        )()
    args[4:] = [g.case(a) for a in args[4:]]
    # A relative time made absolute (or the other way) by a mutation could be about now: not
    # mutated.
    return Step(*args, fixed=True)


@generator("generic", 2)
def look(g):
    return Step(g.pick(b"GET", b"STRLEN"), g.key())
