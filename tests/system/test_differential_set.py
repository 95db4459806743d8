"""Commands of group set against redis-server: random streams, operations on sets of every form, and
sets passed between the two servers by DUMP and RESTORE and by RDB files. And what redis-server 7.0
cannot be asked: the forms of 7.2, SPOP's share of chance, whole walks.
"""
import itertools

import differential
import groups_set  # noqa: F401  (registers its generators)
from differential import ARGS, Step, set_encoding, unordered
from harness import Server
from type_tools import pass_by_rdb, pass_by_restore

DEBUG = (*ARGS, "--enable-debug-command", "yes")


def test_random_resp2():
    differential.run(["set"], 2, args=DEBUG)


def test_random_resp3():
    differential.run(["set"], 3, args=DEBUG, commands=10000)


OPERANDS = {
    b"none": [],
    b"one": [b"1"],
    b"ints": [b"%d" % i for i in range(20)],
    b"wide": [b"%d" % (i << 40) for i in range(-5, 6)],
    b"mixed": [b"a", b"b", b"1", b"2", b"19"],
    b"large": [b"%d" % i for i in range(0, 900, 3)] + [b"x%d" % i for i in range(300)],
    b"many": [b"%d" % i for i in range(700)],
}


def test_operations_on_every_form():
    make = [Step("SADD", key, *values) for key, values in OPERANDS.items() if values]
    cases = [make]
    for count in (1, 2, 3):
        for keys in itertools.product(OPERANDS, repeat=count):
            case = []
            for name in ("SINTER", "SUNION", "SDIFF"):
                case.append(Step(name, *keys, compare=unordered))
                case.append(Step(name + "STORE", "to", *keys))
                case.append(Step("OBJECT", "ENCODING", "to", compare=set_encoding))
                case.append(Step("SMEMBERS", "to", compare=unordered))
            case.append(Step("SINTERCARD", count, *keys))
            case.append(Step("SINTERCARD", count, *keys, "LIMIT", 3))
            cases.append(case)
    differential.run_cases(cases, 3, args=DEBUG, at_once=1000)


def make_sets(client, rng):
    """Sets of every form; answers their names."""
    names = []
    for number in range(60):
        name = b"set:%d" % number
        count = rng.choice([1, 3, 100, 128, 129, 512, 513, 2000])
        shift = rng.choice([0, 20, 50])
        members = [b"%d" % (rng.randrange(-count * 4, count * 4) << shift) for _ in range(count)]
        if rng.random() < 0.5:
            members += [rng.randbytes(rng.choice([0, 3, 64, 65, 500, 70000])) for _ in range(3)]
        client.must("SADD", name, *members)
        names.append(name)
    return names


def test_restore_between_servers():
    pass_by_restore(make_sets)


def test_rdb_between_servers():
    pass_by_rdb(make_sets)


def test_forms_at_their_bounds():
    with Server() as server:
        client = server.client()

        def form(*members):
            client.must("DEL", "k")
            for member in members:
                client.must("SADD", "k", member)
            return client.must("OBJECT", "ENCODING", "k")

        assert form(*range(512)) == b"intset"
        assert form(*range(513)) == b"hashtable"
        assert form(*range(127), "a") == b"listpack"
        assert form(*range(128), "a") == b"hashtable"
        assert form("a", *range(127)) == b"listpack"
        assert form("a", *range(128)) == b"hashtable"
        assert form("x" * 64) == b"listpack"
        assert form("x" * 65) == b"hashtable"
        assert form(1, "x" * 65) == b"hashtable"
        client.must("DEL", "k")
        client.must("SADD", "k", *[f"m{i}" for i in range(128)])
        assert client.must("OBJECT", "ENCODING", "k") == b"listpack"
        client.must("DEL", "k")
        client.must("SADD", "k", *["m"] * 129)
        assert client.must("OBJECT", "ENCODING", "k") == b"hashtable"


def test_listpack_of_72_is_read():
    """A payload as redis-server 7.2 writes it, from the format's description."""
    with Server() as server:
        client = server.client()
        body = b"\x81a\x02" + b"\x05\x01"
        listpack = (6 + len(body) + 1).to_bytes(4, "little") + (2).to_bytes(2, "little") + body
        listpack += b"\xff"
        value = b"\x14" + bytes([len(listpack)]) + listpack
        client.must("RESTORE", "k", 0, differential.with_footer(value, 11))
        assert sorted(client.must("SMEMBERS", "k")) == [b"5", b"a"]
        assert client.must("OBJECT", "ENCODING", "k") == b"listpack"


def test_spop_takes_what_it_says():
    """Of every form: what is popped was there, is gone, and the log repeats it."""
    with Server("--appendonly", "yes", "--enable-debug-command", "yes") as server:
        client = server.client()
        for number, count in enumerate((12, 120, 500, 5000)):
            for kind in ("", "m"):
                key = f"k{number}{kind}"
                left = {f"{kind}{i}".encode() for i in range(count)}
                client.must("SADD", key, *left)
                for many in (1, 3, count // 2):
                    taken = client.must("SPOP", key, many)
                    assert len(taken) == many == len(set(taken)) and set(taken) <= left
                    left -= set(taken)
                one = client.must("SPOP", key)
                assert one in left
                left.discard(one)
                assert set(client.must("SMEMBERS", key)) == left
                sample = client.must("SRANDMEMBER", key, 4)
                assert len(set(sample)) == min(4, len(left)) and set(sample) <= left
                assert len(client.must("SRANDMEMBER", key, -2000)) == 2000
        wanted = client.must("DEBUG", "DIGEST")
        client.must("DEBUG", "LOADAOF")
        assert client.must("DEBUG", "DIGEST") == wanted


def test_sscan_sees_everything_once():
    with Server() as server:
        client = server.client()
        members = {b"m%d" % i for i in range(5000)}
        client.must("SADD", "k", *members)
        seen, cursor = [], b"0"
        while True:
            cursor, part = client.must("SSCAN", "k", cursor, "COUNT", 50)
            seen += part
            if cursor == b"0":
                break
        assert len(seen) == 5000 and set(seen) == members
        assert client.must("SSCAN", "k", 1 << 63) == [b"0", []]
