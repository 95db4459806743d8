"""Commands of group list against redis-server: random streams, the bounds of indexes, options, and
lists of every form passed between the two servers by DUMP and RESTORE and by RDB files.
"""
import itertools
import os
import random
import shutil

import differential
import groups_list  # noqa: F401  (registers its generators)
from differential import ARGS, Step
from harness import Server, reference

DEBUG = (*ARGS, "--enable-debug-command", "yes")
SMALL_NODES = (*DEBUG, "--list-max-listpack-size", "3")


def test_random_resp2():
    differential.run(["list"], 2, args=DEBUG)


def test_random_resp3():
    differential.run(["list"], 3, args=DEBUG, commands=10000)


def test_random_small_nodes():
    differential.run(["list"], 2, args=SMALL_NODES, commands=10000)


def test_ranges():
    """Every pair of indexes around the ends of lists of one node and of several."""
    cases = []
    for length in (1, 2, 5, 9):
        elements = [b"%d" % i for i in range(length)]
        make = [Step("DEL", "k"), Step("RPUSH", "k", *elements)]
        for start, stop in itertools.product(range(-11, 12, 1), repeat=2):
            cases.append(
                [
                    *make,
                    Step("LRANGE", "k", start, stop),
                    Step("LTRIM", "k", start, stop),
                    Step("LRANGE", "k", 0, -1),
                ]
            )
    differential.run_cases(cases, 2, args=SMALL_NODES, at_once=300)


def test_lpos_options():
    make = [Step("DEL", "k"), Step("RPUSH", "k", *b"abcabbcaab".decode())]
    cases = [make]
    for rank, count, most in itertools.product(
        (None, 1, 2, 4, 5, -1, -2, -5, 0), (None, 0, 1, 2, 9, -1), (None, 0, 1, 5, 20, -1)
    ):
        args = ["LPOS", "k", "a"]
        for name, value in (("RANK", rank), ("COUNT", count), ("MAXLEN", most)):
            args += [name, value] if value is not None else []
        cases.append([Step(*args), Step(args[0], "none", *args[2:])])
    differential.run_cases(cases, 3, args=SMALL_NODES, at_once=200)


def test_move_within_and_between():
    cases = []
    for length, there, ends in itertools.product(
        (1, 2, 7), (0, 1, 7), itertools.product(("LEFT", "RIGHT"), repeat=2)
    ):
        for target in ("k", "l"):
            case = [Step("DEL", "k", "l"), Step("RPUSH", "k", *range(length))]
            if there:
                case.append(Step("RPUSH", "l", *range(there)))
            case += [Step("LMOVE", "k", target, *ends), Step("RPOPLPUSH", target, "k")]
            cases.append(case + [Step("LRANGE", key, 0, -1) for key in ("k", "l")])
    differential.run_cases(cases, 2, args=SMALL_NODES, at_once=50)


def make_lists(client, rng):
    """Lists of many shapes; answers their names."""
    names = []
    for number in range(60):
        name = b"list:%d" % number
        for _ in range(rng.choice([1, 3, 10, 100])):
            values = [rng.randbytes(rng.choice([0, 3, 50, 500])) for _ in range(5)]
            values += [b"%d" % (rng.randrange(-(1 << 63), 1 << 63) >> rng.randrange(64))]
            if rng.random() < 0.05:
                values.append(b"large" * rng.choice([1000, 2000, 20000]))
            client.must("RPUSH", name, *values)
        names.append(name)
    return names


def pass_by_restore(source, target, names):
    for name in names:
        target.must("RESTORE", name, 0, source.must("DUMP", name), "REPLACE")
        assert source.must("LRANGE", name, 0, -1) == target.must("LRANGE", name, 0, -1), name
    assert source.must("DEBUG", "DIGEST") == target.must("DEBUG", "DIGEST")


def test_restore_between_servers():
    number = differential.seed()
    print(f"SEED={number}")
    rng = random.Random(number)
    args = ("--enable-debug-command", "yes")
    with reference(*args) as redis, Server(*args) as server:
        ours, theirs = server.client(), redis.client()
        for source, target in ((ours, theirs), (theirs, ours)):
            source.must("FLUSHALL")
            target.must("FLUSHALL")
            pass_by_restore(source, target, make_lists(source, rng))


def test_rdb_between_servers():
    """Each reads what the other has saved, of nodes of the usual and of small sizes."""
    number = differential.seed()
    print(f"SEED={number}")
    rng = random.Random(number)
    for size in ("-2", "5"):
        args = ("--enable-debug-command", "yes", "--list-max-listpack-size", size, "--save", "")
        with reference(*args) as redis, Server(*args) as server:
            ours, theirs = server.client(), redis.client()
            for source, target, from_, to in (
                (ours, theirs, server, redis),
                (theirs, ours, redis, server),
            ):
                source.must("FLUSHALL")
                make_lists(source, rng)
                wanted = source.must("DEBUG", "DIGEST")
                source.must("SAVE")
                shutil.copy(os.path.join(from_.dir, "dump.rdb"), os.path.join(to.dir, "dump.rdb"))
                target.must("DEBUG", "RELOAD", "NOSAVE")
                assert target.must("DEBUG", "DIGEST") == wanted
