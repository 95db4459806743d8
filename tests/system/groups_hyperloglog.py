"""Generators for the commands of group hyperloglog."""
from differential import Step, generator


def element(g):
    return b"%d" % g.rng.randrange(0, 3000) if g.chance(0.9) else g.short_value()


def elements(g):
    """A few, or so many that a sparse sketch comes near its bound."""
    count = g.pick(0, 1, 1, 2, 5, 20, 200)
    if count < 200:
        return [element(g) for _ in range(count)]
    start = g.rng.randrange(0, 100000)
    return [b"e%d" % (start + i) for i in range(g.rng.randrange(200, 1200))]


@generator("hyperloglog", 10)
def pfadd(g):
    key = g.key()
    return [Step(b"PFADD", key, *elements(g)), Step(b"GET", key)]


@generator("hyperloglog", 5)
def pfcount(g):
    keys = g.key_list(1, 4) if g.chance(0.5) else [g.key()]
    return [Step(b"PFCOUNT", *keys), Step(b"GET", keys[0])]


@generator("hyperloglog", 4)
def pfmerge(g):
    keys = g.key_list(1, 4)
    return [Step(b"PFMERGE", *keys), Step(b"GET", keys[0])]


@generator("hyperloglog", 2)
def pfdebug(g):
    word = g.pick(b"GETREG", b"DECODE", b"DECODE", b"ENCODING", b"ENCODING", b"TODENSE", b"nosuch")
    return Step(b"PFDEBUG", g.case(word), g.key())


@generator("hyperloglog", 0.7)
def damage(g):
    """Heads that are no heads, and registers that are not what any elements lead to. The key goes at
    once: of a PFADD that finds its sketch corrupt the reference keeps the part before, we nothing.
    """
    key = g.key()
    place = g.pick(b"0", b"3", b"4", b"5", b"15", b"16", b"17", b"40", b"12303", b"12304")
    byte = bytes([g.rng.randrange(256)])
    return [
        Step(b"SETRANGE", key, place, byte, fixed=True),
        Step(b"PFCOUNT", key, fixed=True),
        Step(b"DEL", key, fixed=True),
    ]


@generator("hyperloglog", 0.7)
def remove(g):
    return Step(b"DEL", g.key())
