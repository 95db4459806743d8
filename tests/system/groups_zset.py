"""Generators for the commands of group zset."""
from differential import Step, digest_value, dump, generator, same_kind, scores, set_encoding
from differential import walked

SCORES = (
    b"0", b"-0", b"1", b"1", b"2", b"3", b"-1", b"1.5", b"0.1", b"-2.25", b"1e20", b"1e-7", b"inf",
    b"-inf", b"+inf", b"4611686018427387904", b"-4611686018427387905", b"9007199254740993", b"3.0",
    b"1e300", b"123456789.125",
)  # fmt: skip
MEMBERS = (
    b"a", b"b", b"c", b"d", b"aa", b"ab", b"", b"1", b"-1", b"01", b"4096", b"9223372036854775807",
    b"\0", b"a\0b", b"\xff\xfe", b"x" * 64, b"y" * 65,
)  # fmt: skip
LEX_KEYS = (b"lex0", b"lex1")


def score(g):
    if g.chance(0.95):
        return g.pick(*SCORES)
    return g.float_text() if hasattr(g, "float_text") else g.pick(b"nan", b"", b"x", b"1e400")


def member(g):
    return g.pick(*MEMBERS) if g.chance(0.9) else g.value()


def index(g):
    return b"%d" % g.rng.randrange(-8, 9) if g.chance(0.9) else g.integer_text()


def bound(g):
    text = score(g) if g.chance(0.8) else g.pick(b"-inf", b"+inf", b"nan", b"", b" 1", b"1\0x")
    return b"(" + text if g.chance(0.3) else text


def lex_bound(g):
    if g.chance(0.25):
        return g.pick(b"-", b"+")
    if g.chance(0.05):
        return g.pick(b"", b"a", b"++", b"-x", b"5", b"-5")
    return g.pick(b"[", b"(") + member(g)


def limit(g):
    return [g.case(b"LIMIT"), index(g), index(g)] if g.chance(0.4) else []


@generator("zset", 14)
def zadd(g):
    options = []
    if g.chance(0.4):
        options = [g.case(o) for o in g.some([b"NX", b"XX", b"GT", b"LT", b"CH", b"INCR"], 1, 3)]
    pairs = 1 if b"INCR" in [o.upper() for o in options] and g.chance(0.9) else g.rng.randint(1, 5)
    args = [x for _ in range(pairs) for x in (score(g), member(g))]
    return Step(b"ZADD", g.key(), *options, *args, compare=scores)


@generator("zset", 1)
def zadd_many(g):
    """Past the bounds of the small form and down again."""
    key = g.key()
    count = g.pick(127, 128, 129, 400)
    long_one = b"m" * g.pick(63, 64, 65) if g.chance(0.3) else b"m"
    args = [
        x
        for i in range(count)
        for x in (b"%d" % g.rng.randrange(-5, 6), b"%s%d" % (long_one[: -1 if i else None], i))
    ]
    form = Step(b"OBJECT", b"ENCODING", key, compare=set_encoding)
    steps = [Step(b"ZADD", key, *args, fixed=True), form]
    steps.append(Step(b"ZADD", key, score(g), member(g), compare=scores))
    if g.chance(0.5):
        steps.append(Step(b"ZREMRANGEBYRANK", key, index(g), index(g)))
    if g.chance(0.3):
        steps.append(Step(b"ZRANGESTORE", g.key(), key, b"0", g.pick(b"126", b"127", b"128")))
    if g.chance(0.3):
        steps.append(Step(b"ZUNIONSTORE", g.key(), b"2", key, g.key()))
    return steps + [Step(b"ZCARD", key), form]


@generator("zset", 4)
def zincrby(g):
    return Step(b"ZINCRBY", g.key(), score(g), member(g), compare=scores)


@generator("zset", 4)
def zrem(g):
    return Step(b"ZREM", g.key(), *[member(g) for _ in range(g.rng.randint(1, 4))])


@generator("zset", 6)
def ask(g):
    name = g.pick(b"ZSCORE", b"ZMSCORE", b"ZRANK", b"ZREVRANK", b"ZCARD")
    members = 0 if name == b"ZCARD" else g.rng.randint(1, 4) if name == b"ZMSCORE" else 1
    args = [member(g) for _ in range(members)]
    return Step(name, g.key(), *args, compare=scores, fixed=name.endswith(b"RANK"))


@generator("zset", 10)
def zrange(g):
    by_score = g.chance(0.5)
    args = [bound(g), bound(g), g.case(b"BYSCORE")] if by_score else [index(g), index(g)]
    if g.chance(0.4):
        args.append(g.case(b"REV"))
    args += limit(g) if by_score or g.chance(0.05) else []
    if g.chance(0.1):
        return Step(b"ZRANGESTORE", g.key(), g.key(), *args)
    if g.chance(0.5):
        args.append(g.case(b"WITHSCORES"))
    return Step(b"ZRANGE", g.key(), *args, compare=scores)


@generator("zset", 6)
def old_ranges(g):
    by_score = g.chance(0.6)
    name = g.pick(b"ZRANGEBYSCORE", b"ZREVRANGEBYSCORE") if by_score else b"ZREVRANGE"
    args = [bound(g), bound(g)] if by_score else [index(g), index(g)]
    if g.chance(0.5):
        args.append(g.case(b"WITHSCORES"))
    return Step(name, g.key(), *args, *(limit(g) if by_score else []), compare=scores)


@generator("zset", 6)
def lex(g):
    """All scores are equal under these keys, or the answers are not specified."""
    key = g.pick(*LEX_KEYS)
    add = [x for _ in range(g.rng.randint(1, 4)) for x in (b"0", member(g))]
    steps = [Step(b"ZADD", key, *add, fixed=True)] if g.chance(0.7) else []
    name = g.pick(
        b"ZRANGE", b"ZRANGE", b"ZRANGEBYLEX", b"ZREVRANGEBYLEX", b"ZLEXCOUNT", b"ZREMRANGEBYLEX"
    )
    args = [lex_bound(g), lex_bound(g)]
    if name == b"ZRANGE":
        args += [b"BYLEX"] + ([b"REV"] if g.chance(0.4) else [])
        if g.chance(0.05):
            args.append(b"WITHSCORES")
    if name not in (b"ZLEXCOUNT", b"ZREMRANGEBYLEX"):
        args += limit(g)
    if name == b"ZRANGE" and g.chance(0.2) and b"WITHSCORES" not in args:
        return steps + [Step(b"ZRANGESTORE", g.pick(*LEX_KEYS), key, *args, fixed=True)]
    return steps + [Step(name, key, *args, fixed=True)]


@generator("zset", 3)
def count_and_remove(g):
    name = g.pick(b"ZCOUNT", b"ZREMRANGEBYSCORE", b"ZREMRANGEBYRANK")
    read = index if name.endswith(b"RANK") else bound
    return Step(name, g.key(), read(g), read(g))


@generator("zset", 4)
def pop(g):
    args = [g.pick(b"ZPOPMIN", b"ZPOPMAX"), g.key()]
    if g.chance(0.5):
        args.append(b"%d" % g.rng.randrange(0, 6) if g.chance(0.85) else g.integer_text())
    return Step(*args, compare=scores)


@generator("zset", 3)
def zmpop(g):
    keys = g.key_list(1, 4)
    count = b"%d" % len(keys) if g.chance(0.93) else index(g)
    args = [b"ZMPOP", count, *keys, g.case(g.pick(b"MIN", b"MAX"))]
    for _ in range(g.rng.choice([0, 0, 1, 1, 1, 2])):
        args += [g.case(b"COUNT"), b"%d" % g.rng.randrange(1, 6) if g.chance(0.9) else index(g)]
    if g.chance(0.03):
        args.append(b"COUNT")
    return Step(*args, compare=scores)


@generator("zset", 2)
def sadd(g):
    """Sets are sources too."""
    return Step(b"SADD", g.key(), *[member(g) for _ in range(g.rng.randint(1, 5))], fixed=True)


@generator("zset", 8)
def combine(g):
    name = g.pick(b"ZUNION", b"ZINTER", b"ZDIFF", b"ZINTERCARD")
    keys = g.key_list(1, 4)
    args = [b"%d" % len(keys) if g.chance(0.95) else index(g), *keys]
    if name == b"ZINTERCARD":
        args += [g.case(b"LIMIT"), index(g)] if g.chance(0.5) else []
        return Step(name, *args)
    if name != b"ZDIFF" or g.chance(0.03):
        args += [g.case(b"WEIGHTS"), *[score(g) for _ in keys]] if g.chance(0.4) else []
        if g.chance(0.4):
            args += [g.case(b"AGGREGATE"), g.case(g.pick(b"SUM", b"MIN", b"MAX"))]
    if g.chance(0.5):
        return Step(name + b"STORE", g.key(), *args)
    if g.chance(0.6):
        args.append(g.case(b"WITHSCORES"))
    return Step(name, *args, compare=scores)


@generator("zset", 3)
def zscan(g):
    """Whole walks in one call: cursors and orders are each server's own."""
    args = [g.case(b"COUNT"), b"10000"] if g.chance(0.9) else [b"COUNT", index(g)]
    args += [g.case(b"MATCH"), g.pattern()] if g.chance(0.4) else []
    if args[1] != b"10000" and not args[1].startswith(b"-"):
        args = [b"MATCH", b"*", b"COUNT"]
    return Step(b"ZSCAN", g.key(), b"0", *args, compare=walked, fixed=True)


@generator("zset", 2)
def any_member(g):
    args = []
    if g.chance(0.7):
        args = [b"%d" % g.rng.randrange(-5, 6)]
        if g.chance(0.5):
            args.append(g.case(b"WITHSCORES"))
    return Step(b"ZRANDMEMBER", g.key(), *args, compare=same_kind, fixed=True)


@generator("zset", 2)
def copy_and_rename(g):
    name = g.pick(b"COPY", b"RENAME", b"RENAMENX")
    args = [name, g.key(), g.key()]
    if name == b"COPY" and g.chance(0.5):
        args.append(b"REPLACE")
    return Step(*args)


@generator("zset", 2)
def digest_and_dump(g):
    key = g.key()
    return [
        *digest_value(key),
        Step(b"DUMP", key, compare=dump, fixed=True),
        Step(b"MEMORY", b"USAGE", key, compare=same_kind, fixed=True),
    ]
