"""Generators for SORT and SORT_RO.

In which order elements come that are equal to what is asked for, or that a set has of itself, is
not specified. So what is sorted as text by other keys is compared as a bag unless it is a list, and
such commands are sent as they are made. After a number too large or too small (a key like any other
may hold one) redis-server takes all that it sorts for none, until a command reads a good one: one
such goes before. And it leaves sorted sets in their large form: they are made anew.
"""
from differential import Step, generator, unordered

LISTS, SETS, ZSETS = (b"list0", b"list1"), (b"set0", b"set1"), (b"zset0", b"zset1")
TARGETS = (b"to0", b"to1", b"list1", b"set1")
NUMBERS = (
    b"0", b"1", b"2", b"3", b"-1", b"10", b"9", b"1.5", b"-0.5", b"1e3", b"1e-3", b"inf", b"-inf",
    b"9223372036854775807", b"9007199254740993", b"9007199254740992", b"007", b"+4", b" 5", b"0x10",
)  # fmt: skip
WORDS = (b"a", b"b", b"ab", b"B", b"aa", b"", b"\xff", b"\xc3\xa9", b"z" * 70, b"nan", b"1x", b"5 ")
BAD_NUMBERS = (b"x", b"nan", b"1 ", b"--1")
PATTERNS = (
    b"w_*", b"w_*", b"w_*", b"h_*->f", b"h_*->f", b"h_*->g", b"h_*->", b"*", b"none_*", b"w_*->f",
    b"h_*", b"*_w", b"w_*->f->g", b"h_*\0x->f", b"w\0_*",
)  # fmt: skip


def element(g, words):
    if words and g.chance(0.4):
        return g.pick(*WORDS)
    return g.pick(*NUMBERS)


def sort(name, key, args, **how):
    good_number = Step(b"ZADD", b"absent", b"XX", b"1", b"x", fixed=True)
    steps = [good_number, Step(name, key, *args, **how)]
    if key not in LISTS + SETS:
        steps[1].fixed = True
        steps.append(Step(b"ZRANGESTORE", key, key, b"0", b"-1", fixed=True))
    return steps


def source(g):
    if g.chance(0.04):
        return g.key()
    return g.pick(*LISTS, *SETS, *ZSETS)


@generator("sort", 14)
def fill(g):
    """Most keys have numbers only, or nothing could be sorted by number."""
    name = source(g)
    words = name.endswith(b"1")
    items = [element(g, words) for _ in range(g.rng.randint(1, 7))]
    steps = [Step(b"DEL", name, fixed=True)] if g.chance(0.15) else []
    if name in ZSETS:
        pairs = [x for item in items for x in (b"%d" % g.rng.randrange(-5, 6), item)]
        return steps + [Step(b"ZADD", name, *pairs, fixed=True)]
    add = b"SADD" if name in SETS else b"RPUSH"
    if name in LISTS and g.chance(0.02):
        items *= 60
    return steps + [Step(add, name, *items, fixed=True)]


@generator("sort", 14)
def weigh(g):
    item = g.pick(*NUMBERS, *WORDS)
    weight = g.pick(*NUMBERS) if g.chance(0.93) else g.pick(*WORDS, *BAD_NUMBERS)
    if g.chance(0.3):
        return Step(b"DEL", g.pick(b"w_", b"h_") + item, fixed=True)
    if g.chance(0.4):
        return Step(b"HSET", b"h_" + item, g.pick(b"f", b"f", b"g"), weight, fixed=True)
    if g.chance(0.05):
        return Step(b"RPUSH", b"w_" + item, weight, fixed=True)
    name = g.pick(b"w_" + item, b"w_" + item, b"w_" + item, item + b"_w", item)
    if name in LISTS + SETS + ZSETS or not name:
        name = b"w_1"
    if len(weight) < 3 and g.chance(0.1):
        weight *= 60
    return Step(b"SET", name, weight, fixed=True)


def bound(g):
    return b"%d" % g.rng.randrange(-3, 10) if g.chance(0.97) else g.integer_text()


def limit(g):
    return [g.case(b"LIMIT"), bound(g), bound(g)] if g.chance(0.4) else []


def direction(g):
    return [g.case(g.pick(b"ASC", b"DESC"))] if g.chance(0.6) else []


def gets(g):
    patterns = [g.pick(*PATTERNS, b"#", b"#", b"const") for _ in range(g.rng.choice([0, 0, 1, 2]))]
    return [x for pattern in patterns for x in (g.case(b"GET"), pattern)]


def shuffled(g, *parts):
    parts = [part for part in parts if part]
    g.rng.shuffle(parts)
    return [x for part in parts for x in part]


def name_and_store(g):
    if g.chance(0.3):
        return b"SORT_RO", []
    return b"SORT", [g.case(b"STORE"), g.pick(*TARGETS)] if g.chance(0.35) else []


@generator("sort", 14)
def by_itself(g):
    name, store = name_and_store(g)
    alpha = [g.case(b"ALPHA")] if g.chance(0.5) else []
    return sort(name, source(g), shuffled(g, alpha, limit(g), direction(g), gets(g), store))


@generator("sort", 14)
def by_numbers_of_keys(g):
    name, store = name_and_store(g)
    by = [g.case(b"BY"), g.pick(*PATTERNS[:-1])]
    args = shuffled(g, by, limit(g), direction(g), gets(g), store)
    return sort(name, source(g), args, fixed=True)


@generator("sort", 8)
def by_text_of_keys(g):
    """Of lists all of it is specified if there is no LIMIT."""
    parts = [[g.case(b"ALPHA")], [g.case(b"BY"), g.pick(*PATTERNS[:-1])], direction(g)]
    if g.chance(0.5):
        name, store = name_and_store(g)
        return Step(name, g.pick(*LISTS), *shuffled(g, *parts, gets(g), store), fixed=True)
    name = g.pick(b"SORT", b"SORT_RO")
    args = shuffled(g, *parts, gets(g))
    return sort(name, source(g), args, compare=unordered, fixed=True)


@generator("sort", 10)
def in_own_order(g):
    """BY a pattern without a star."""
    name, store = name_and_store(g)
    by = [g.case(b"BY"), g.pick(b"nosort", b"nosort", b"#", b"", b"w\0_*")]
    if g.chance(0.1):
        by += [g.case(b"BY"), b"w_*"]
    alpha = [g.case(b"ALPHA")] if g.chance(0.3) else []
    key = g.pick(*LISTS, *ZSETS) if g.chance(0.7) else g.pick(*SETS)
    parts = [by, alpha, direction(g), gets(g), store]
    if key in SETS and not store:
        return Step(name, key, *shuffled(g, *parts), compare=unordered, fixed=True)
    return sort(name, key, shuffled(g, *parts, limit(g)), fixed=True)


@generator("sort", 3)
def mistakes(g):
    """On lists, whatever comes of it."""
    words = [b"ASC", b"LIMIT", b"0", b"STORE", b"to0", b"GET", b"w_*", b"x", b"-1", b"ALPHA", b"#"]
    args = [g.case(g.pick(*words)) for _ in range(g.rng.randint(0, 5))]
    return sort(g.pick(b"SORT", b"SORT_RO"), g.pick(*LISTS), args)
