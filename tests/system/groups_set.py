"""Generators for the commands of group set."""
from differential import (
    Step,
    digest_value,
    dump,
    generator,
    member,
    same_kind,
    set_encoding,
    unordered,
    unordered_deep,
)


def element(g):
    """Few different ones, so that sets have some in common; now and then any value."""
    if g.chance(0.75):
        return g.pick(
            b"a", b"b", b"c", b"1", b"2", b"-1", b"70000", b"", b"9223372036854775807", b"01"
        )
    return g.value()


def integer_element(g):
    return b"%d" % g.integer() if g.chance(0.5) else b"%d" % g.rng.randrange(-5, 6)


def elements(g, most=6):
    make = integer_element if g.chance(0.4) else element
    return [make(g) for _ in range(g.rng.randint(1, most))]


@generator("set", 12)
def sadd(g):
    return Step(b"SADD", g.key(), *elements(g))


@generator("set", 2)
def sadd_many(g):
    """Around the limits of the forms, and down again."""
    key = g.key()
    count = g.pick(127, 128, 129, 511, 512, 513, 600)
    first = g.rng.randrange(-300, 70000)
    steps = [Step(b"DEL", key)] if g.chance(0.7) else []
    many = [b"%d" % (first + i) for i in range(count)]
    if g.chance(0.3):
        many = [b"m" + m for m in many]
    while many:
        size = g.pick(1000, 100, 50)
        steps.append(Step(b"SADD", key, *many[:size], fixed=True))
        many = many[size:]
    steps.append(Step(b"OBJECT", b"ENCODING", key, compare=set_encoding))
    if g.chance(0.3):
        steps.append(Step(b"SADD", key, b"x" * g.pick(63, 64, 65)))
    if g.chance(0.5):
        steps.append(Step(b"SREM", key, *[b"%d" % (first + i) for i in range(count)][: count - 3]))
    return steps + [
        Step(b"SCARD", key),
        Step(b"OBJECT", b"ENCODING", key, compare=set_encoding),
    ]


@generator("set", 4)
def srem(g):
    return Step(b"SREM", g.key(), *elements(g))


@generator("set", 4)
def ask(g):
    name = g.pick(b"SISMEMBER", b"SMISMEMBER")
    return Step(name, g.key(), *elements(g, 1 if name == b"SISMEMBER" else 5))


@generator("set", 2)
def whole(g):
    if g.chance(0.4):
        return Step(b"SCARD", g.key())
    return Step(b"SMEMBERS", g.key(), compare=unordered)


@generator("set", 5)
def smove(g):
    return Step(b"SMOVE", g.key(), g.key(), element(g))


@generator("set", 4)
def spop(g):
    """What chance takes differs: only all of a set, or the one member it has."""
    key = g.key()
    roll = g.rng.random()
    if roll < 0.4:
        return Step(
            b"SPOP", key, g.pick(b"10000", b"9223372036854775807"), compare=unordered, fixed=True
        )
    if roll < 0.7:
        return [
            Step(b"DEL", key, fixed=True),
            Step(b"SADD", key, element(g), fixed=True),
            Step(b"SPOP", key, *g.some([b"1"], 0, 1), fixed=True),
            Step(b"EXISTS", key),
        ]
    if roll < 0.9:
        return Step(
            b"SPOP", key, g.pick(b"0", b"-1", b"x", b"", b"-9223372036854775808"), fixed=True
        )
    return Step(b"SPOP", key, b"1", b"2", fixed=True)


@generator("set", 4)
def srandmember(g):
    key = g.key()
    roll = g.rng.random()
    if roll < 0.4:
        return [
            Step(b"SMEMBERS", key, compare=unordered, fixed=True),
            Step(b"SRANDMEMBER", key, compare=member, fixed=True),
        ]
    if roll < 0.6:
        return Step(b"SRANDMEMBER", key, b"10000", compare=unordered, fixed=True)
    if roll < 0.8:
        count = g.pick(b"-3", b"2", b"-1", b"0")
        return Step(b"SRANDMEMBER", key, count, compare=same_kind, fixed=True)
    return Step(
        b"SRANDMEMBER", key, *g.some([b"0", b"x", b"", b"9223372036854775808"], 1, 2), fixed=True
    )


@generator("set", 8)
def combine(g):
    name = g.pick(b"SINTER", b"SUNION", b"SDIFF")
    return Step(name, *g.key_list(1, 4), compare=unordered)


@generator("set", 8)
def combine_and_store(g):
    name = g.pick(b"SINTERSTORE", b"SUNIONSTORE", b"SDIFFSTORE")
    target = g.key()
    return [
        Step(name, target, *g.key_list(1, 4)),
        Step(b"OBJECT", b"ENCODING", target, compare=set_encoding),
    ]


@generator("set", 4)
def sintercard(g):
    keys = g.key_list(1, 4)
    count = b"%d" % len(keys) if g.chance(0.9) else g.small(-1, 6)
    args = [b"SINTERCARD", count, *keys]
    for _ in range(g.rng.choice([0, 0, 1, 1, 2])):
        args += [g.case(b"LIMIT"), g.small(-1, 4)]
    if g.chance(0.05):
        args.append(g.pick(b"LIMIT", b"x"))
    return Step(*args)


@generator("set", 3)
def sscan(g):
    """A small set is one part. (Larger ones have cursors of their own: see the test.)"""
    key = g.key()
    args = [b"SSCAN", key, b"0", b"COUNT", b"100000"]
    if g.chance(0.4):
        args += [g.case(b"MATCH"), g.pick(b"*", b"[a-c]", b"1*", b"", b"?", b"*0*")]
    if g.chance(0.1):
        args += [g.pick(b"TYPE", b"NOVALUES", b"COUNT", b"x"), g.pick(b"0", b"-1", b"set", b"x")]
    if g.chance(0.1):
        args[2] = g.pick(b"x", b"-", b"18446744073709551616", b"1.0")
    return Step(*args, compare=unordered_deep, fixed=True)


@generator("set", 2)
def copy_and_rename(g):
    name = g.pick(b"COPY", b"RENAME", b"RENAMENX")
    args = [name, g.key(), g.key()]
    if name == b"COPY" and g.chance(0.5):
        args.append(b"REPLACE")
    return Step(*args)


@generator("set", 2)
def digest_and_dump(g):
    key = g.key()
    return [
        *digest_value(key),
        Step(b"DUMP", key, compare=dump, fixed=True),
        Step(b"MEMORY", b"USAGE", key, compare=same_kind, fixed=True),
    ]
