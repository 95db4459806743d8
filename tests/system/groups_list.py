"""Generators for the commands of group list."""
from differential import Step, digest_value, dump, encoding, exact, generator, same_kind

BOUND = b"-ERR value is out of range, value must between -9223372036854775807 "


def not_the_least(want, got, notes):
    """The least integer is no rank for redis-server from 7.2 on; before, it was."""
    return None if got.startswith(BOUND) else exact(want, got, notes)


ENDS = (b"LEFT", b"RIGHT")


def element(g):
    """Few different ones, so that they repeat in a list; now and then any value."""
    if g.chance(0.6):
        return g.pick(b"a", b"b", b"c", b"1", b"-1", b"128", b"", b"9223372036854775807", b"01")
    if g.chance(0.3):
        return g.pick(b"some words " * 5, b"other words, " * 30, b"many of them " * 800)
    return g.value()


def elements(g, most=6):
    return [element(g) for _ in range(g.rng.randint(1, most))]


def index(g):
    if g.chance(0.85):
        return b"%d" % g.rng.randrange(-8, 9)
    return g.integer_text()


@generator("list", 10)
def push(g):
    return Step(g.pick(b"LPUSH", b"RPUSH", b"RPUSH"), g.key(), *elements(g))


@generator("list", 1)
def push_many(g):
    """Past the limits of one node, up and down again."""
    key = g.key()
    value = b"x" * g.pick(1, 30, 300, 3000, 8186, 8187, 8190, 20000)
    count = g.pick(5, 100, 300) if len(value) < 1000 else g.pick(1, 2, 4)
    steps = [Step(g.pick(b"LPUSH", b"RPUSH"), key, *[value] * count, fixed=True)]
    if g.chance(0.5):
        middle = b"%d" % (count // 2)
        steps += [Step(b"LSET", key, middle, element(g)), Step(b"LINDEX", key, middle)]
    if g.chance(0.5):
        steps.append(Step(b"LINSERT", key, g.pick(b"BEFORE", b"AFTER"), value, element(g)))
    if g.chance(0.3):
        steps.append(Step(b"LREM", key, g.pick(b"1", b"-1", b"-3", b"0"), value))
    if g.chance(0.6):
        steps.append(Step(b"LTRIM", key, b"1", g.pick(b"3", b"-2", b"50")))
    return steps + [Step(b"LLEN", key), Step(b"OBJECT", b"ENCODING", key, compare=encoding)]


@generator("list", 3)
def push_existing(g):
    return Step(g.pick(b"LPUSHX", b"RPUSHX"), g.key(), *elements(g))


@generator("list", 5)
def pop(g):
    args = [g.pick(b"LPOP", b"RPOP"), g.key()]
    if g.chance(0.5):
        args.append(b"%d" % g.rng.randrange(0, 6) if g.chance(0.85) else g.integer_text())
    return Step(*args)


@generator("list", 3)
def lindex(g):
    return Step(b"LINDEX", g.key(), index(g))


@generator("list", 1)
def llen(g):
    return Step(b"LLEN", g.key())


@generator("list", 4)
def lset(g):
    return Step(b"LSET", g.key(), index(g), element(g))


@generator("list", 4)
def linsert(g):
    where = g.pick(b"BEFORE", b"AFTER") if g.chance(0.97) else g.pick(b"", b"LEFT")
    return Step(b"LINSERT", g.key(), g.case(where), element(g), element(g))


@generator("list", 4)
def lrange(g):
    return Step(b"LRANGE", g.key(), index(g), index(g))


@generator("list", 2)
def ltrim(g):
    return Step(b"LTRIM", g.key(), index(g), index(g))


@generator("list", 4)
def lrem(g):
    return Step(b"LREM", g.key(), index(g), element(g))


@generator("list", 5)
def lpos(g):
    args = [b"LPOS", g.key(), element(g)]
    for _ in range(g.rng.choice([0, 1, 1, 2, 3])):
        args += [g.case(g.pick(b"RANK", b"COUNT", b"MAXLEN")), index(g)]
    if g.chance(0.03):
        args.append(g.pick(b"RANK", b"x"))
    return Step(*args, compare=not_the_least)


@generator("list", 5)
def move(g):
    if g.chance(0.3):
        return Step(b"RPOPLPUSH", g.key(), g.key())
    ends = [g.case(g.pick(*ENDS) if g.chance(0.97) else b"MIDDLE") for _ in range(2)]
    return Step(b"LMOVE", g.key(), g.key(), *ends)


@generator("list", 4)
def lmpop(g):
    keys = g.key_list(1, 4)
    count = b"%d" % len(keys) if g.chance(0.93) else index(g)
    args = [b"LMPOP", count, *keys, g.case(g.pick(*ENDS))]
    for _ in range(g.rng.choice([0, 0, 1, 1, 1, 2])):
        args += [g.case(b"COUNT"), b"%d" % g.rng.randrange(1, 6) if g.chance(0.9) else index(g)]
    if g.chance(0.03):
        args.append(b"COUNT")
    return Step(*args)


@generator("list", 2)
def copy_and_rename(g):
    name = g.pick(b"COPY", b"RENAME", b"RENAMENX")
    args = [name, g.key(), g.key()]
    if name == b"COPY" and g.chance(0.5):
        args.append(b"REPLACE")
    return Step(*args)


@generator("list", 2)
def digest_and_dump(g):
    key = g.key()
    return [
        *digest_value(key),
        Step(b"DUMP", key, compare=dump, fixed=True),
        Step(b"MEMORY", b"USAGE", key, compare=same_kind, fixed=True),
    ]
