"""Commands of group zset against redis-server: random streams, ranges, bounds of the small form,
and sorted sets of both forms passed between the two servers by DUMP and RESTORE and by RDB files.
"""
import itertools

import differential
import groups_zset  # noqa: F401  (registers its generators)
from differential import ARGS, Step, scores
from type_tools import encoding, pass_by_rdb, pass_by_restore

DEBUG = (*ARGS, "--enable-debug-command", "yes")
LARGE = (*DEBUG, "--zset-max-listpack-entries", "3")


def test_random_resp2():
    differential.run(["zset"], 2, args=DEBUG)


def test_random_resp3():
    differential.run(["zset"], 3, args=DEBUG, commands=10000)


def test_random_large_form():
    differential.run(["zset"], 2, args=LARGE, commands=10000)


def test_ranges():
    """Every pair of bounds around few members, in both forms, by rank, score and member."""
    ranks = range(-6, 7)
    values = ("-inf", "(1", "1", "(2", "2", "2.5", "(3", "4", "+inf")
    names = ("-", "(b", "[b", "(c", "[c", "[bb", "(d", "+")
    cases = []
    for length, start, stop in itertools.product((1, 3, 5), ranks, ranks):
        members = [x for i in range(length) for x in (i // 2, "abcde"[i])]
        make = [Step("DEL", "k"), Step("ZADD", "k", *members)]
        cases.append(
            make
            + [Step(name, "k", start, stop) for name in ("ZRANGE", "ZREVRANGE", "ZREMRANGEBYRANK")]
            + [Step("ZRANGE", "k", 0, -1)]
        )
    for low, high in itertools.product(values, values):
        for length in (3, 6):
            members = [x for i in range(length) for x in (1 + i // 2, "abcdef"[i])]
            make = [Step("DEL", "k"), Step("ZADD", "k", *members)]
            steps = [
                Step(name, "k", low, high, "WITHSCORES", *limit)
                for name in ("ZRANGEBYSCORE", "ZREVRANGEBYSCORE")
                for limit in ((), ("LIMIT", 1, 2), ("LIMIT", -1, 5), ("LIMIT", 1, -1))
            ]
            steps += [Step(name, "k", low, high) for name in ("ZCOUNT", "ZREMRANGEBYSCORE")]
            cases.append(make + steps + [Step("ZRANGE", "k", 0, -1)])
    for low, high in itertools.product(names, names):
        for length in (3, 6):
            make = [Step("DEL", "k")] + [Step("ZADD", "k", 0, m) for m in "abcdef"[:length]]
            steps = [
                Step(name, "k", low, high, *limit)
                for name in ("ZRANGEBYLEX", "ZREVRANGEBYLEX")
                for limit in ((), ("LIMIT", 1, 2))
            ]
            steps += [Step(name, "k", low, high) for name in ("ZLEXCOUNT", "ZREMRANGEBYLEX")]
            cases.append(make + steps + [Step("ZRANGE", "k", 0, -1)])
    differential.run_cases(cases, 2, args=LARGE, at_once=200)


def test_zadd_options():
    flags = ("NX", "XX", "GT", "LT", "CH", "INCR")
    cases = []
    for size in range(4):
        for chosen in itertools.combinations(flags, size):
            for pairs in ((1, "a"), (5, "a"), (3, "a"), (1, "new"), (9, "a", 1, "new")):
                make = [Step("DEL", "k"), Step("ZADD", "k", 3, "a", 4, "b")]
                add = Step("ZADD", "k", *chosen, *pairs, compare=scores)
                cases.append(make + [add, Step("ZRANGE", "k", 0, -1, "WITHSCORES")])
                cases.append([Step("DEL", "k"), add, Step("ZRANGE", "k", 0, -1, "WITHSCORES")])
    differential.run_cases(cases, 3, args=DEBUG, at_once=200)


def test_infinities():
    pairs = itertools.product(("inf", "-inf", "0", "1"), repeat=2)
    cases = []
    for a, b in pairs:
        case = [Step("DEL", "k", "l", "m"), Step("ZADD", "k", a, "x"), Step("ZADD", "l", b, "x")]
        case += [Step("ZINCRBY", "k", b, "x"), Step("ZADD", "k", "INCR", b, "x")]
        for how, weights in itertools.product(("SUM", "MIN", "MAX"), ((1, 1), (0, -1), ("inf", 0))):
            options = ("WEIGHTS", *weights, "AGGREGATE", how, "WITHSCORES")
            case += [Step(name, 2, "k", "l", *options) for name in ("ZUNION", "ZINTER")]
        cases.append(case)
    differential.run_cases(cases, 3, args=DEBUG, at_once=20)


def make_zsets(client, rng):
    """Sorted sets of many shapes; answers their names."""
    names = []
    for number in range(60):
        name = b"zset:%d" % number
        for _ in range(rng.choice([1, 3, 10, 100])):
            pairs = []
            for _ in range(5):
                score = rng.choice([rng.randrange(-5, 5), rng.random(), rng.gauss(0, 1e30), "inf"])
                size = rng.choice([0, 3, 50]) if number % 3 else rng.choice([5, 64, 65, 300])
                pairs += [score, rng.randbytes(size)]
            pairs += [1, b"%d" % (rng.randrange(-(1 << 63), 1 << 63) >> rng.randrange(64))]
            client.must("ZADD", name, *pairs)
        names.append(name)
    return names


def same_encoding(source, target, name):
    assert encoding(source, name) == encoding(target, name), name


def test_restore_between_servers():
    pass_by_restore(make_zsets, same_encoding)


def test_rdb_between_servers():
    """Also with a smaller bound of the small form."""
    for entries in ("128", "2"):
        pass_by_rdb(make_zsets, "--zset-max-ziplist-entries", entries)
