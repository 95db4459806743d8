"""Generators for the commands of group hash."""
from differential import (
    Step,
    digest_value,
    dump,
    encoding,
    generator,
    member,
    normalised,
    same_kind,
    unordered,
    unordered_deep,
)

# An increment that is no finite number has a text of its own from 7.2 on.
increment = normalised(
    (rb"^-ERR value is NaN or Infinity", b"-ERR increment would produce NaN or Infinity")
)


def field(g):
    """Few different ones, so that they meet; now and then any value."""
    if g.chance(0.85):
        return g.pick(b"f", b"g", b"h", b"1", b"-1", b"", b"9223372036854775807", b"01")
    return g.value()


def fields(g, most=5):
    return [field(g) for _ in range(g.rng.randint(1, most))]


def pairs(g, most=4):
    return [part for name in fields(g, most) for part in (name, g.value())]


@generator("hash", 12)
def hset(g):
    args = [g.pick(b"HSET", b"HSET", b"HMSET"), g.key(), *pairs(g)]
    if g.chance(0.05):
        args.pop()
    return Step(*args)


@generator("hash", 1)
def hset_many(g):
    """Around the limits of the small form, and down again."""
    key = g.key()
    count = g.pick(511, 512, 513)
    names = [b"n%d" % i for i in range(count)]
    steps = [Step(b"DEL", key)] if g.chance(0.7) else []
    for start in range(0, count, 100):
        parts = [part for name in names[start : start + 100] for part in (name, b"v" + name)]
        steps.append(Step(b"HSET", key, *parts, fixed=True))
    steps.append(Step(b"OBJECT", b"ENCODING", key, compare=encoding))
    if g.chance(0.5):
        steps.append(Step(b"HDEL", key, *names[: count - 3]))
    return steps + [Step(b"HLEN", key), Step(b"OBJECT", b"ENCODING", key, compare=encoding)]


@generator("hash", 3)
def hset_long(g):
    """A field or value at the limit of the small form's."""
    key = g.key()
    long = b"x" * g.pick(63, 64, 65)
    args = g.pick((long, b"1"), (b"f", long), (long, long))
    name = g.pick(b"HSET", b"HSETNX")
    return [
        Step(b"DEL", key),
        Step(b"HSET", key, b"a", b"1", fixed=True),
        Step(name, key, *args),
        Step(b"HSTRLEN", key, args[0]),
        Step(b"OBJECT", b"ENCODING", key, compare=encoding),
    ]


@generator("hash", 3)
def hsetnx(g):
    return Step(b"HSETNX", g.key(), field(g), g.value())


@generator("hash", 6)
def get(g):
    name = g.pick(b"HGET", b"HMGET", b"HEXISTS", b"HSTRLEN")
    return Step(name, g.key(), *fields(g, 5 if name == b"HMGET" else 1))


@generator("hash", 5)
def whole(g):
    name = g.pick(b"HGETALL", b"HKEYS", b"HVALS", b"HLEN")
    if name == b"HLEN":
        return Step(name, g.key())
    # A map's order says nothing either: its pairs are compared, whichever way they are framed.
    return Step(name, g.key(), compare=unordered_deep if name == b"HGETALL" else unordered)


@generator("hash", 4)
def hdel(g):
    return Step(b"HDEL", g.key(), *fields(g))


@generator("hash", 5)
def hincrby(g):
    return Step(b"HINCRBY", g.key(), field(g), g.integer_text())


@generator("hash", 5)
def hincrbyfloat(g):
    return Step(b"HINCRBYFLOAT", g.key(), field(g), g.float_text(), compare=increment)


@generator("hash", 4)
def hrandfield(g):
    key = g.key()
    roll = g.rng.random()
    if roll < 0.3:
        return [
            Step(b"HKEYS", key, compare=unordered, fixed=True),
            Step(b"HRANDFIELD", key, compare=member, fixed=True),
        ]
    if roll < 0.5:
        return Step(b"HRANDFIELD", key, b"10000", compare=unordered, fixed=True)
    if roll < 0.65:
        words = [b"HRANDFIELD", key, b"10000", g.case(b"WITHVALUES")]
        return Step(*words, compare=unordered_deep, fixed=True)
    if roll < 0.8:
        count = g.pick(b"-3", b"2", b"-1", b"0")
        words = [b"HRANDFIELD", key, count, *g.some([b"WITHVALUES"], 0, 1)]
        return Step(*words, compare=same_kind, fixed=True)
    count = g.pick(b"0", b"x", b"", b"9223372036854775808", b"-9223372036854775808")
    return Step(b"HRANDFIELD", key, count, *g.some([b"WITHVALUES", b"x"], 0, 2), fixed=True)


@generator("hash", 3)
def hscan(g):
    """A small hash is one part. (Larger ones have cursors of their own: see the test.)"""
    args = [b"HSCAN", g.key(), b"0", b"COUNT", b"100000"]
    if g.chance(0.4):
        args += [g.case(b"MATCH"), g.pick(b"*", b"[f-g]", b"1*", b"", b"?", b"n*0")]
    if g.chance(0.1):
        args += [g.pick(b"TYPE", b"COUNT", b"x"), g.pick(b"0", b"-1", b"hash", b"x")]
    if g.chance(0.1):
        args[2] = g.pick(b"x", b"-", b"18446744073709551616", b"1.0")
    return Step(*args, compare=unordered_deep, fixed=True)


@generator("hash", 2)
def copy_and_rename(g):
    name = g.pick(b"COPY", b"RENAME", b"RENAMENX")
    args = [name, g.key(), g.key()]
    if name == b"COPY" and g.chance(0.5):
        args.append(b"REPLACE")
    return Step(*args)


@generator("hash", 2)
def digest_and_dump(g):
    key = g.key()
    return [
        *digest_value(key),
        Step(b"DUMP", key, compare=dump, fixed=True),
        Step(b"MEMORY", b"USAGE", key, compare=same_kind, fixed=True),
    ]
