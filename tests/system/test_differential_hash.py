"""Commands of group hash against redis-server: random streams, and hashes passed between the two
servers by DUMP and RESTORE and by RDB files. And what redis-server 7.0 cannot be asked: old and
damaged payloads, chance, whole walks.
"""

import differential
import groups_hash  # noqa: F401  (registers its generators)
from differential import ARGS, Step, with_footer
from harness import Server
from type_tools import pass_by_rdb, pass_by_restore

DEBUG = (*ARGS, "--enable-debug-command", "yes")
SMALL = (*DEBUG, "--hash-max-ziplist-entries", "4", "--hash-max-listpack-value", "10")


def test_random_resp2():
    differential.run(["hash"], 2, args=DEBUG)


def test_random_resp3():
    differential.run(["hash"], 3, args=DEBUG, commands=10000)


def test_random_small_limits():
    differential.run(["hash"], 2, args=SMALL, commands=10000)


def test_numbers_at_their_bounds():
    cases = []
    values = [0, 1, -1, (1 << 63) - 1, -(1 << 63), "1.5", "", " 1", "01", "x", "1e400", "inf"]
    for there in values:
        case = []
        for by in values:
            case += [Step("HSET", "k", "f", there), Step("HINCRBY", "k", "f", by)]
            case += [Step("HSET", "k", "f", there)]
            case += [Step("HINCRBYFLOAT", "k", "f", by, compare=groups_hash.increment)]
            case += [Step("HGET", "k", "f")]
        cases.append(case)
    differential.run_cases(cases, 3, args=DEBUG)


def make_hashes(client, rng):
    """Hashes of both forms; answers their names."""
    names = []
    for number in range(60):
        name = b"hash:%d" % number
        count = rng.choice([1, 3, 100, 511, 512, 513, 2000])
        parts = []
        for i in range(count):
            number = rng.randrange(-(1 << 63), 1 << 63) >> rng.randrange(64)
            parts += [b"f%d" % i, b"%d" % number]
        if rng.random() < 0.5:
            parts += [rng.randbytes(rng.choice([0, 3, 64, 65, 500, 70000])) for _ in range(6)]
        client.must("HSET", name, *parts)
        names.append(name)
    return names


def test_restore_between_servers():
    pass_by_restore(make_hashes)


def test_rdb_between_servers():
    pass_by_rdb(make_hashes)


def listpack(*texts):
    body = b""
    for text in texts:
        element = bytes([0x80 | len(text)]) + text
        body += element + bytes([len(element)])
    head = (len(body) + 7).to_bytes(4, "little") + len(texts).to_bytes(2, "little")
    return head + body + b"\xff"


def payload(kind, body):
    return with_footer(bytes([kind]) + differential.rdb_length(len(body)) + body)


def test_old_and_damaged_payloads():
    zipmap = b"\x02\x01a\x03\x00one\x02bb\x03\x02two..\xff"
    with Server() as server:
        client = server.client()
        client.must("RESTORE", "zipmap", 0, payload(9, zipmap))
        assert client.must("HGETALL", "zipmap") == [b"a", b"one", b"bb", b"two"]
        assert client.must("OBJECT", "ENCODING", "zipmap") == b"listpack"
        many = [b"%c%c" % (65 + i // 26, 65 + i % 26) for i in range(40)]
        client.must("RESTORE", "many", 0, payload(16, listpack(*many)))
        assert client.must("HLEN", "many") == 20
        bad = [payload(9, zipmap[:n]) for n in range(len(zipmap))]
        bad.append(payload(9, zipmap + b"\xff"))
        bad.append(payload(9, zipmap.replace(b"bb", b"a").replace(b"\x02a", b"\x01a")))
        bad.append(payload(9, b"\x01\xfe\xff\xff\xff\xffa\xff"))
        bad.append(payload(16, listpack()))
        bad.append(payload(16, listpack(b"a")))
        bad.append(payload(16, listpack(b"a", b"1", b"b", b"2", b"a", b"3")))
        bad.append(payload(16, listpack(*many, many[7 * 2], b"x")))
        bad.append(payload(16, listpack(b"a", b"1")[:-1]))
        bad.append(with_footer(b"\x04\x00"))
        bad.append(with_footer(b"\x04\x02\x01a\x011\x01a\x012"))
        for number, bytes_ in enumerate(bad):
            reply = client.command("RESTORE", "bad", 0, bytes_)
            assert str(reply) == "ERR Bad data format", (number, reply)
        assert client.must("EXISTS", "bad") == 0


def test_chance_and_walks():
    with Server() as server:
        client = server.client()
        for count in (10, 3000):
            whole = {b"f%d" % i: b"v%d" % i for i in range(count)}
            client.must("DEL", "k")
            client.must("HSET", "k", *[part for pair in whole.items() for part in pair])
            some = client.must("HRANDFIELD", "k", 7)
            assert len(set(some)) == 7 and set(some) <= set(whole)
            some = client.must("HRANDFIELD", "k", 7, "WITHVALUES")
            assert len(some) == 14 and all(whole[f] == v for f, v in zip(some[::2], some[1::2]))
            some = client.must("HRANDFIELD", "k", -5000, "WITHVALUES")
            assert len(some) == 10000 and all(whole[f] == v for f, v in zip(some[::2], some[1::2]))
            for options, step in (((), 2), (("NOVALUES",), 1)):
                seen, cursor = [], b"0"
                while True:
                    cursor, part = client.must("HSCAN", "k", cursor, "COUNT", 50, *options)
                    seen += part
                    if cursor == b"0":
                        break
                assert len(seen) == count * step and set(seen[::step]) == set(whole)


def test_floats_are_logged_as_their_result():
    with Server("--appendonly", "yes", "--enable-debug-command", "yes") as server:
        client = server.client()
        for i in range(100):
            client.must("HINCRBYFLOAT", "k", "f", "0.1")
            client.must("HINCRBY", "k", "n", i)
        wanted = client.must("HGETALL", "k")
        client.must("DEBUG", "LOADAOF")
        assert client.must("HGETALL", "k") == wanted
