"""Generators for the commands of group string."""
from differential import Step, encoding, generator


@generator("string", 8)
def set_(g):
    args = [b"SET", g.key(), g.value()]
    for _ in range(g.rng.choice([0, 0, 0, 1, 1, 2, 3])):
        if g.chance(0.45):
            args += g.expiry_option()
        else:
            args.append(g.pick(b"NX", b"XX", b"GET", b"KEEPTTL"))
    args[3:] = [g.case(a) for a in args[3:]]
    return Step(*args)


@generator("string", 8)
def get(g):
    return Step(g.pick(b"GET", b"STRLEN", b"GETDEL", b"GET"), g.key())


@generator("string", 2)
def set_simple(g):
    return Step(g.pick(b"SETNX", b"GETSET"), g.key(), g.value())


@generator("string", 2)
def set_expiring(g):
    if g.chance(0.5):
        return Step(b"SETEX", g.key(), g.relative_seconds(), g.value())
    return Step(b"PSETEX", g.key(), g.relative_ms(), g.value())


@generator("string", 3)
def getex(g):
    args = [b"GETEX", g.key()]
    for _ in range(g.rng.choice([0, 1, 1, 1, 2])):
        args += g.expiry_option() if g.chance(0.7) else [b"PERSIST"]
    args[2:] = [g.case(a) for a in args[2:]]
    return Step(*args)


@generator("string", 3)
def mget(g):
    return Step(b"MGET", *g.key_list(1, 6))


@generator("string", 3)
def mset(g):
    args = [g.pick(b"MSET", b"MSET", b"MSETNX")]
    for key in g.key_list(1, 5):
        args += [key, g.value()]
    return Step(*args)


@generator("string", 4)
def incr(g):
    if g.chance(0.4):
        return Step(g.pick(b"INCR", b"DECR"), g.key())
    return Step(g.pick(b"INCRBY", b"DECRBY"), g.key(), g.integer_text())


@generator("string", 4)
def incr_chain(g):
    """Sums that meet the bounds of 64 bits."""
    key = g.key()
    steps = [Step(b"SET", key, g.integer_text(), fixed=True)]
    for _ in range(g.rng.randrange(1, 4)):
        steps.append(Step(g.pick(b"INCRBY", b"DECRBY"), key, g.integer_text()))
    return steps + [Step(b"OBJECT", b"ENCODING", key, compare=encoding)]


@generator("string", 4)
def incrbyfloat(g):
    key = g.key()
    steps = [Step(b"SET", key, g.float_text())] if g.chance(0.5) else []
    return steps + [Step(b"INCRBYFLOAT", key, g.float_text()) for _ in range(g.rng.randrange(1, 4))]


@generator("string", 4)
def append(g):
    key = g.key()
    steps = [Step(b"APPEND", key, g.value())]
    if g.chance(0.4):
        steps += [Step(b"STRLEN", key), Step(b"OBJECT", b"ENCODING", key, compare=encoding)]
    return steps


def index(g):
    """An offset within, at the edge of or far beyond a value."""
    roll = g.rng.random()
    if roll < 0.7:
        return b"%d" % g.rng.randrange(-12, 14)
    if roll < 0.85:
        return b"%d" % g.pick(
            -70000, -44, 43, 44, 45, 255, 256, 512, 70000, 1048575, 1048576, 536870911
        )
    return g.integer_text()


@generator("string", 5)
def getrange(g):
    return Step(g.pick(b"GETRANGE", b"GETRANGE", b"SUBSTR"), g.key(), index(g), index(g))


@generator("string", 4)
def setrange(g):
    roll = g.rng.random()
    if roll < 0.75:
        offset = b"%d" % g.rng.randrange(-2, 60)
    elif roll < 0.8:
        offset = b"%d" % g.pick(1048574, 1048575, 1048576, 1048577, 70000, 16383)
    else:
        offset = g.integer_text()
        if offset.isdigit() and 70000 < int(offset) < 1048576:
            offset = b"100"
    return Step(b"SETRANGE", g.key(), offset, g.short_value())


@generator("string", 3)
def lcs(g):
    """Two short values of few letters, which have much in common, and every mix of options."""
    a, b = g.key(), g.key()
    steps = []
    if g.chance(0.8):
        steps = [
            Step(b"SET", a, g.letters(0, 30), fixed=True),
            Step(b"SET", b, g.letters(0, 30), fixed=True),
        ]
    args = [b"LCS", a, b]
    for _ in range(g.rng.choice([0, 1, 1, 2, 3])):
        args += g.rng.choice(
            [
                lambda: [b"LEN"],
                lambda: [b"IDX"],
                lambda: [b"WITHMATCHLEN"],
                lambda: [b"MINMATCHLEN", g.small(-2, 6)],
            ]
        )()
    args[3:] = [g.case(arg) for arg in args[3:]]
    return steps + [Step(*args)]
