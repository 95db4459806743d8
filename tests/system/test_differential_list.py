"""Commands of group list against redis-server: random streams, the bounds of indexes, options, and
lists of every form passed between the two servers by DUMP and RESTORE and by RDB files.
"""
import itertools

import differential
import groups_list  # noqa: F401  (registers its generators)
from differential import ARGS, Step
from type_tools import pass_by_rdb, pass_by_restore

DEBUG = (*ARGS, "--enable-debug-command", "yes")
SMALL_NODES = (*DEBUG, "--list-max-listpack-size", "3")
PACKED = (*DEBUG, "--list-max-listpack-size", "2", "--list-compress-depth", "1")


def test_random_resp2():
    differential.run(["list"], 2, args=DEBUG)


def test_random_resp3():
    differential.run(["list"], 3, args=DEBUG, commands=10000)


def test_random_small_nodes():
    differential.run(["list"], 2, args=SMALL_NODES, commands=10000)


def test_random_packed():
    differential.run(["list"], 2, args=PACKED, commands=20000)


def test_random_packed_plain():
    """Of one element each, packed in the second from the ends."""
    args = (*DEBUG, "--list-max-listpack-size", "1", "--list-compress-depth", "2")
    differential.run(["list"], 3, args=args, commands=10000)


def ranges(text, args):
    """Every pair of indexes around the ends of lists of one node and of several."""
    cases = []
    for length in (1, 2, 5, 9):
        elements = [text + b"%d" % i for i in range(length)]
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
    differential.run_cases(cases, 2, args=args, at_once=300)


def test_ranges():
    ranges(b"", SMALL_NODES)


def test_ranges_packed():
    ranges(b"text " * 20, PACKED)


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
            values += [b"words of text %d " % rng.randrange(9) * rng.choice([1, 9, 90])] * 2
            values += [b"%d" % (rng.randrange(-(1 << 63), 1 << 63) >> rng.randrange(64))]
            if rng.random() < 0.05:
                values.append(b"large" * rng.choice([1000, 2000, 20000]))
            client.must("RPUSH", name, *values)
        names.append(name)
    return names


def same_elements(source, target, name):
    assert source.must("LRANGE", name, 0, -1) == target.must("LRANGE", name, 0, -1), name


def test_restore_between_servers():
    pass_by_restore(make_lists, same_elements)


def test_restore_packed_between_servers():
    args = ("--list-max-listpack-size", "5", "--list-compress-depth", "1")
    pass_by_restore(make_lists, same_elements, *args)


def test_rdb_between_servers():
    """Of nodes of the usual and of small sizes, and packed ones."""
    for args in (
        ("--list-max-listpack-size", "-2"),
        ("--list-max-listpack-size", "5"),
        ("--list-max-listpack-size", "5", "--list-compress-depth", "1"),
        ("--list-compress-depth", "1", "--rdbcompression", "no"),
    ):
        pass_by_rdb(make_lists, *args)
