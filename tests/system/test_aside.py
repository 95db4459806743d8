"""Commands on very many elements, which run aside: on a thread of their own, without the shards of
their keys. DEBUG ASIDE-THRESHOLD makes every command such a one.

Values are written so that a torn read shows: all elements of a hash or a sorted set are of one
generation, and lists and sets are made of whole blocks.
"""
import collections
import itertools
import os
import random
import socket
import threading
import time

from crowd import Crowd
from harness import Closed, ReplyError, Server, encode, eq, timeout, wait_until

SECONDS = float(os.environ.get("ITER", 1000)) / 600  # how long each stress runs
FIELDS = 200
BLOCK = 5
KEYS = 2  # of a type
TYPES = "hzslx"


def server_of(threads, *args, threshold=1):
    server = Server(
        "--io-threads", threads, "--enable-debug-command", "local", "--appendonly", "yes", *args
    )
    with server.client() as client:
        client.must("DEBUG", "ASIDE-THRESHOLD", threshold)
    return server


# ---- what is written, and what is right to read ----


def write(kind, key, generation):
    """One command that changes a value in place, or makes it."""
    if kind == "h":
        return ("HSET", key, *itertools.chain(*((f"f{i}", generation) for i in range(FIELDS))))
    if kind == "z":
        return ("ZADD", key, *itertools.chain(*((generation, f"m{i}") for i in range(FIELDS))))
    if kind == "s":
        return ("SADD", key, *block(generation))
    if kind == "x":
        return ("XADD", key, "MAXLEN", FIELDS, "*", "f", generation, "g", generation)
    return ("RPUSH", key, *[generation] * BLOCK)


def block(generation):
    return [f"{generation}:{i}" for i in range(BLOCK)]


def same(elements, what):
    if len(set(elements)) > 1:
        raise AssertionError(f"{what}: torn: {collections.Counter(elements).most_common(4)}")


def check_hash(reply):
    same(reply[1::2], "hash")


def check_values(reply):
    same(reply, "values of a hash")


def check_zset(reply):
    assert len(reply) in (0, 2 * FIELDS), len(reply)
    same(reply[1::2], "sorted set")


def check_set(reply):
    blocks = collections.Counter(member.split(b":")[0] for member in reply)
    eq(set(blocks.values()) - {BLOCK}, set(), "parts of blocks of a set")
    eq(len(set(reply)), len(reply))


def check_list(reply):
    eq(len(reply) % BLOCK, 0, "elements of a list")
    for i in range(0, len(reply), BLOCK):
        same(reply[i : i + BLOCK], "list")


def check_popped(reply):
    check_list(reply[1])


def check_sorted(reply):
    eq(set(collections.Counter(reply).values()) - {BLOCK * i for i in range(1, 99)}, set())


def check_scan_of_pairs(reply):
    same(reply[1][1::2], "scan")


def check_entries(entries):
    ids = [tuple(map(int, name.split(b"-"))) for name, _ in entries]
    eq(ids, sorted(set(ids)), "ids of a stream")
    assert len(entries) <= FIELDS, len(entries)
    for _, fields in entries:
        same(fields[1::2], "entry of a stream")


def check_reversed(entries):
    check_entries(entries[::-1])


def check_streams(reply):
    for _, entries in reply:
        check_entries(entries)


def check_delivered(reply):
    """Of a consumer's history those that are deleted come as nulls."""
    for _, entries in reply:
        ids = [tuple(map(int, name.split(b"-"))) for name, _ in entries]
        eq(ids, sorted(set(ids)), "ids of a history")
        check_entries([entry for entry in entries if entry[1] is not None])


def check_pending(reply):
    ids = [tuple(map(int, row[0].split(b"-"))) for row in reply]
    eq(ids, sorted(set(ids)), "pending ids")


def check_nothing(_):
    pass


def reads(kind, key, other, to):
    """(command, check) of what may be read of a key; some leave something under `to`."""
    everywhere = [
        (("DUMP", key), check_nothing),
        (("COPY", key, to, "REPLACE"), check_nothing),
        (("COPY", key, to), check_nothing),
        (("COPY", key, to, "DB", 1, "REPLACE"), check_nothing),
    ]
    if kind == "h":
        return everywhere * 2 + [
            (("HGETALL", key), check_hash),
            (("HVALS", key), check_values),
            (("HRANDFIELD", key, FIELDS, "WITHVALUES"), check_hash),
            (("HKEYS", key), check_nothing),
            (("HSCAN", key, 0, "COUNT", 10000), check_scan_of_pairs),
        ]
    if kind == "z":
        return everywhere + [
            (("ZRANGE", key, 0, -1, "WITHSCORES"), check_zset),
            (("ZRANGEBYSCORE", key, "-inf", "+inf", "WITHSCORES"), check_zset),
            (("ZUNION", 2, key, other, "WITHSCORES"), check_zset),
            (("ZINTERSTORE", to, 2, key, key), check_nothing),
            (("ZUNIONSTORE", to, 2, key, other), check_nothing),
            (("ZUNIONSTORE", key, 2, key, other, "AGGREGATE", "MAX"), check_nothing),
            (("ZDIFF", 2, key, "none"), check_nothing),
            (("ZRANGESTORE", to, key, 0, -1), check_nothing),
            (("ZRANDMEMBER", key, FIELDS, "WITHSCORES"), check_zset),
            (("ZSCAN", key, 0, "COUNT", 10000), check_scan_of_pairs),
        ]
    if kind == "s":
        return everywhere + [
            (("SMEMBERS", key), check_set),
            (("SUNION", key, other), check_set),
            (("SINTER", key, other), check_set),
            (("SDIFF", key, other), check_set),
            (("SUNIONSTORE", to, key, other), check_nothing),
            (("SUNIONSTORE", key, key, other), check_nothing),
            (("SINTERSTORE", to, key, other), check_nothing),
            (("SDIFFSTORE", to, key, other), check_nothing),
            (("SRANDMEMBER", key, 10000), check_set),
            (("SSCAN", key, 0, "COUNT", 100000), check_nothing),
            (("SINTERCARD", 2, key, other), check_nothing),
        ]
    if kind == "x":
        return everywhere + [
            (("XRANGE", key, "-", "+"), check_entries),
            (("XREVRANGE", key, "+", "-"), check_reversed),
            (("XREAD", "STREAMS", key, 0), check_streams),
            (("XREAD", "COUNT", FIELDS, "STREAMS", key, other, 0, 0), check_streams),
            (("XREAD", "BLOCK", 1, "STREAMS", key, "$"), check_streams),
            (("XREADGROUP", "GROUP", "g", "a", "STREAMS", key, other, ">", ">"), check_delivered),
            (("XREADGROUP", "GROUP", "g", "b", "NOACK", "STREAMS", key, ">"), check_delivered),
            (("XREADGROUP", "GROUP", "g", "b", "STREAMS", key, key, ">", 0), check_delivered),
            (("XREADGROUP", "GROUP", "g", "a", "STREAMS", key, 0), check_delivered),
            (("XPENDING", key, "g", "-", "+", FIELDS), check_pending),
            (("XINFO", "STREAM", key, "FULL", "COUNT", 0), check_nothing),
            (("XAUTOCLAIM", key, "g", "b", 0, 0, "COUNT", FIELDS), check_nothing),
        ]
    return everywhere + [
        (("LRANGE", key, 0, -1), check_list),
        (("LPOS", key, "x", "COUNT", 0), check_nothing),
        (("LPOP", key, 3 * BLOCK), check_list),
        (("RPOP", key, 2 * BLOCK), check_list),
        (("LMPOP", 2, key, other, "LEFT", "COUNT", BLOCK), check_popped),
        (("LREM", key, 0, 7), check_nothing),
        (("LINSERT", key, "AFTER", "x", "y"), check_nothing),
        (("SORT", key), check_sorted),
        (("SORT", key, "BY", "x", "STORE", to), check_nothing),
        (("SORT", key, "STORE", to), check_nothing),
    ]


# ---- who does what ----


class Clients(Crowd):
    """Threads with a connection each, a new one when it was killed, that take steps."""

    def __init__(self, server, seed):
        super().__init__(server, seed, SECONDS)
        self.generations = itertools.count(1)
        self.answered = collections.Counter()
        self.popping, self.popped = threading.Lock(), set()

    def act(self, step, rng, pause=0.0):
        while self.going():
            try:
                with self.server.client() as client:
                    while self.going():
                        step(self, client, rng)
                        time.sleep(pause * rng.random())
            except (Closed, ConnectionError):
                pass  # killed


def key_of(kind, rng):
    return f"{kind}{rng.randrange(KEYS)}"


def reader(crowd, client, rng):
    kind = rng.choice(TYPES)
    key = rng.choice((key_of(kind, rng), key_of(kind, rng), f"{kind}to"))
    command, check = rng.choice(reads(kind, key, key_of(kind, rng), f"{kind}to"))
    reply = client.command(*command)
    if isinstance(reply, ReplyError):
        strange = "WRONGTYPE" in reply and f"{kind}to" in command  # remover has been there
        strange |= reply.startswith("NOGROUP") or "no such key" in reply
        assert strange or "same" in reply, (command, reply)
        return
    if reply:
        check(reply)
    crowd.answered[command[0]] += 1
    if command[0] == "DUMP" and reply:
        reply = client.command("RESTORE", f"{kind}to", 0, reply, *rng.choice(((), ("REPLACE",))))
        assert reply == "OK" or reply.startswith("BUSYKEY"), reply


def quick(crowd, client, rng):
    """Several at once: order is kept, whatever of them runs aside."""
    key, number = f"own{client.sock.fileno()}", rng.randrange(1 << 30)
    got = client.pipeline(
        [
            ("DEL", key),
            ("SADD", key, 1, 2, 3, number + 10),
            ("SMEMBERS", key),
            ("SUNIONSTORE", key + "b", key),
            ("SREM", key, 1),
            ("SMEMBERS", key),
            ("SINTERCARD", 1, key + "b"),
            ("ECHO", number),
        ]
    )
    if "FLUSH" not in crowd.answered:
        eq([len(got[2]), got[3], len(got[5]), got[6]], [4, 4, 3, 4])
    eq(got[7], b"%d" % number)


def writer(crowd, client, rng):
    kind = rng.choice(TYPES)
    key, generation = key_of(kind, rng), next(crowd.generations)
    client.must(*write(kind, key, generation))
    if kind == "s" and rng.random() < 0.9:
        client.must("SREM", key, *block(max(1, generation - rng.randrange(60))))
    if kind == "l" and rng.random() < 0.5:
        client.must("LTRIM", key, rng.choice((0, BLOCK)), BLOCK * 40 - 1)
    if kind == "x" and rng.random() < 0.1:
        client.must("XTRIM", key, "MAXLEN", rng.randrange(FIELDS))
    if kind == "x" and rng.random() < 0.3:
        client.command("XGROUP", "CREATE", key, "g", 0)
        client.command("XGROUP", "DELCONSUMER", key, "g", rng.choice("abcd"))
        rarely = rng.choice((("DESTROY", key, "g"), ("SETID", key, "g", 0), ("HELP",)))
        client.command("XGROUP", *rarely)
    crowd.answered["write"] += 1


def remover(crowd, client, rng):
    kind = rng.choice(TYPES)
    key, other = key_of(kind, rng), key_of(kind, rng)
    how = rng.randrange(8)
    if how == 0:
        client.must("DEL", key)
    elif how == 1:
        client.must("UNLINK", key)
    elif how == 2:
        client.must("PEXPIRE", key, rng.randrange(1, 20))
    elif how == 3:
        client.command("RENAME", key, other)
    elif how == 4:
        client.must("MOVE", key, 1)
    elif how == 5:
        client.must("HPEXPIRE", key_of("h", rng), rng.randrange(1, 20), "FIELDS", 2, "f3", "f4")
    elif how == 6:
        client.must("SET", f"{kind}to", "x", "PX", 5)
    else:
        client.must("PEXPIRE", f"{kind}to", rng.randrange(0, 5))


def flusher(crowd, client, rng):
    crowd.answered["FLUSH"] += 1
    command = rng.choice(
        (
            ("FLUSHALL",),
            ("FLUSHALL", "ASYNC"),
            ("FLUSHDB", "SYNC"),
            ("SWAPDB", 0, 1),
            ("CONFIG", "SET", "lazyfree-lazy-server-del", rng.choice(("yes", "no"))),
            ("CONFIG", "SET", "lazyfree-lazy-user-del", rng.choice(("yes", "no"))),
            ("CLIENT", "PAUSE", rng.randrange(1, 30), rng.choice(("WRITE", "ALL"))),
        )
    )
    client.must(*command)


def saver(crowd, client, rng):
    client.command(rng.choice(("BGSAVE", "BGREWRITEAOF")))


def leaver(crowd, client, rng):
    """Does not wait for its answer, or is killed before it."""
    kind = rng.choice(TYPES)
    own = client.must("CLIENT", "ID")
    for _ in range(rng.randrange(1, 4)):
        client.send(*rng.choice(reads(kind, key_of(kind, rng), key_of(kind, rng), f"{kind}to"))[0])
    if rng.random() < 0.5:
        with crowd.server.client() as other:
            other.must("CLIENT", "KILL", "ID", own)
    raise Closed


def mover(crowd, client, rng):
    """Those who wait for a key edit what is read aside."""
    which = rng.randrange(5)
    if which == 0:
        client.must("RPUSH", "b0", *range(20))
    elif which == 1:
        client.command("BLMOVE", "b0", "b1", "LEFT", "LEFT", 0.01)
    elif which == 2:
        client.must("LRANGE", "b1", 0, -1)
    elif which == 3:
        client.must("SORT", "b1", "STORE", "b0")
    else:
        client.must("LTRIM", "b1", 0, 50)


def settle(client):
    """Waits for the commands of those who have left: they run one after the other."""
    client.must("CLIENT", "UNPAUSE")
    for i in range(10):
        client.must("RPUSH", "last", i)
        eq(len(client.must("LRANGE", "last", 0, -1)), i + 1)
        time.sleep(0.02)
    client.must("DEL", "last")

def popper(crowd, client, rng):
    """Members are added once, so nobody may be given one that anybody was given before."""
    key, other, number = key_of("p", rng), key_of("p", rng), next(crowd.generations)
    zset, names = rng.random() < 0.5, [f"{number}:{i}" for i in range(rng.choice((3, 100, 700)))]
    if zset:
        key, other = "z" + key, "z" + other
        client.must("ZADD", key, *itertools.chain(*((number, name) for name in names)))
    else:
        client.must("SADD", key, *names)
    how = rng.randrange(20)
    if how == 0:
        client.must("DEL", key)
    elif how == 1:
        client.must("PEXPIRE", key, rng.randrange(1, 20))
    elif how == 2:
        client.command("RENAME", key, other)
    elif how == 3:
        client.must("PERSIST", key)
    count = rng.choice((1, 10, 50, 300, 600, 10000))
    if not zset:
        taken = client.must("SPOP", key, count)
    else:
        command = rng.choice(
            (
                ("ZPOPMIN", key, count),
                ("ZPOPMAX", key, count),
                ("ZMPOP", 2, key, other, rng.choice(("MIN", "MAX")), "COUNT", count),
                ("ZREMRANGEBYRANK", key, rng.randrange(count), count),
                ("BZMPOP", 0.001, 2, key, other, "MIN", "COUNT", count),
            )
        )
        taken = client.must(*command)
        if command[0].endswith("MPOP"):
            taken = [part for pair in taken[1] for part in pair] if taken else []
        if command[0] == "ZREMRANGEBYRANK":
            return
        scores = [float(score) for score in taken[1::2]]
        eq(scores, sorted(scores, reverse="MAX" in (command[0][-3:], command[-3])), command)
        taken = taken[::2]
    with crowd.popping:
        assert len(taken) == len(set(taken)) and not crowd.popped & set(taken), "popped twice"
        crowd.popped.update(taken)
    crowd.answered["pops"] += len(taken)


def digest(client):
    settle(client)
    wait_until(lambda: all("expires=0" in v for k, v in info_of(client)), what="no key expires")
    return client.must("DEBUG", "DIGEST"), sorted(info_of(client))


def info_of(client):
    text = client.must("INFO", "keyspace").decode()
    pairs = [line.split(":", 1) for line in text.split("\r\n") if ":" in line]
    return [(k, v.split(",avg_ttl")[0]) for k, v in pairs if k.startswith("db")]


def stress(threads, *args):
    seed = int(os.environ.get("SEED", random.randrange(1 << 30)))
    print("seed", seed)
    with server_of(threads, *args) as server:
        crowd = Clients(server, seed)
        crowd.add(5, reader)
        crowd.add(2, writer, 0.002)
        crowd.add(1, remover, 0.01)
        crowd.add(1, quick)
        crowd.add(1, flusher, 0.2)
        crowd.add(1, saver, 0.2)
        crowd.add(2, leaver)
        crowd.add(2, mover)
        crowd.add(2, popper)
        crowd.run()
        print(dict(crowd.answered))
        assert sum(crowd.answered.values()) > 50, "little was done"
        with server.client(timeout=60) as client:
            time.sleep(0.05)
            before = digest(client)
            stats = server.info("stats", client)
            assert int(stats["expired_keys"]) > 0
            eq(server.info("clients", client)["blocked_clients"], "0")
            client.must("DEBUG", "LOADAOF")
            eq(digest(client), before, "after LOADAOF")
        eq(server.stop(), 0)
        server.start()
        with server.client() as client:
            eq(digest(client), before, "after a restart")
        eq(server.stop(), 0)


@timeout(180)
def test_stress_of_one_worker():
    stress(1)


@timeout(180)
def test_stress_of_four_workers():
    stress(4)


@timeout(180)
def test_stress_with_every_reply_durable():
    stress(4, "--appendfsync", "always")


# ---- one at a time ----


def fill(client, elements):
    """A set, a list, a sorted set and a hash of so many."""
    for begin in range(0, elements, 10000):
        part = range(begin, min(begin + 10000, elements))
        client.must("SADD", "s", *part)
        client.must("RPUSH", "l", *part)
        client.must("ZADD", "z", *itertools.chain(*((i, i) for i in part)))
        client.must("HSET", "h", *itertools.chain(*((i, i) for i in part)))


def all_of(sock):
    parts = []
    while part := sock.recv(1 << 20):
        parts.append(part)
    return b"".join(parts)


def test_who_sends_no_more_is_answered():
    """The whole pipeline, before the commands that ran aside and behind them."""
    with server_of(2) as server, server.client() as client:
        fill(client, 5000)
        commands = [("SMEMBERS", "s"), ("SUNIONSTORE", "t", "s"), ("PING",), ("SCARD", "t")]
        sent = b"".join(encode(*c) for c in commands)
        with socket.create_connection(("127.0.0.1", server.port)) as sock:
            sock.sendall(sent)
            sock.shutdown(socket.SHUT_WR)
            got = all_of(sock)
        assert got.startswith(b"*5000\r\n"), got[:40]
        assert got.endswith(b"\r\n:5000\r\n+PONG\r\n:5000\r\n"), got[-40:]
        with socket.create_connection(("127.0.0.1", server.port)) as sock:
            many = [("COPY", "s", "t", "REPLACE")] + [("SET", "k", "x" * 1000)] * 300
            sock.sendall(b"".join(encode(*c) for c in many + [("INCR", "end")]))
            sock.shutdown(socket.SHUT_WR)
            eq(all_of(sock), b":1\r\n" + b"+OK\r\n" * 300 + b":1\r\n")


def test_a_write_runs_though_its_client_has_left():
    with server_of(2) as server, server.client() as client:
        fill(client, 5000)
        for i in range(20):
            with server.client() as leaving:
                leaving.send("SUNIONSTORE", f"t{i}", "s")
                leaving.send("INCR", "count")
        wait_until(lambda: client.must("GET", "count") == b"20")
        eq([client.must("SCARD", f"t{i}") for i in range(20)], [5000] * 20)


def test_counted_once():
    with server_of(2) as server, server.client() as client:
        fill(client, 300)
        client.must("CONFIG", "SET", "slowlog-log-slower-than", 0)
        client.must("CONFIG", "RESETSTAT")
        client.must("SLOWLOG", "RESET")
        client.must("SMEMBERS", "s")
        client.must("SUNIONSTORE", "t", "s", "none")
        client.command("SORT", "letters")
        client.must("RPUSH", "letters", "a", "b")
        assert isinstance(client.command("SORT", "letters"), ReplyError)
        stats = server.info("commandstats", client)
        for name, failed in (("smembers", 0), ("sunionstore", 0), ("sort", 1)):
            row = dict(pair.split("=") for pair in stats[f"cmdstat_{name}"].split(","))
            eq((row["calls"], row["failed_calls"]), ("2" if failed else "1", str(failed)), name)
        stats = server.info("stats", client)
        eq((stats["keyspace_hits"], stats["keyspace_misses"]), ("3", "2"))
        eq(server.info("errorstats", client)["errorstat_ERR"], "count=1")
        slow = [entry[3][0] for entry in client.must("SLOWLOG", "GET", 100)]
        eq([slow.count(name) for name in (b"SMEMBERS", b"SUNIONSTORE", b"SORT")], [1, 1, 2])
        eq(server.info("clients", client)["blocked_clients"], "0")


def test_a_pause_holds_what_runs_aside():
    with server_of(2) as server, server.client() as client, server.client() as other:
        fill(client, 300)
        other.must("CLIENT", "PAUSE", 100000, "WRITE")
        client.send("SUNIONSTORE", "t", "s")
        eq(len(other.must("SMEMBERS", "s")), 300)
        eq(other.must("EXISTS", "t"), 0)
        other.must("CLIENT", "UNPAUSE")
        eq(client.read(), 300)


def test_replies_off_and_dialect():
    with server_of(2) as server, server.client(resp=3) as client:
        fill(client, 300)
        eq(client.must("HGETALL", "h")[b"7"], b"7")
        client.send("CLIENT", "REPLY", "OFF")
        client.send("SUNIONSTORE", "t", "s")
        client.send("SMEMBERS", "s")
        client.send("CLIENT", "REPLY", "ON")
        eq(client.read(), "OK")
        client.send("CLIENT", "REPLY", "SKIP")
        client.send("SMEMBERS", "s")
        eq(client.must("SCARD", "t"), 300)


@timeout(120)
def test_what_is_popped_and_what_stays_are_the_whole():
    """Of every form; the log brings back what stays, and its time to live."""
    rng = random.Random(int(os.environ.get("SEED", 0)))
    with server_of(2) as server, server.client() as client:
        for number, size in enumerate([20, 100, 200, 2000] * 10):
            key, zset = f"k{number}", rng.random() < 0.4
            whole = {f"{rng.choice(('', 'm'))}{i}".encode() for i in range(size)}
            if size <= 200 and rng.random() < 0.5:
                whole = {b"%d" % i for i in range(size)}
            if zset:
                client.must("ZADD", key, *itertools.chain(*((1, member) for member in whole)))
            else:
                client.must("SADD", key, *whole)
            if rng.random() < 0.5:
                client.must("PEXPIREAT", key, 9999999999999)
            ttl, kind = client.must("PEXPIRETIME", key), client.must("OBJECT", "ENCODING", key)
            while whole:
                count = int(len(whole) ** rng.random()) + rng.randrange(2)
                if zset:
                    taken = client.must(rng.choice(("ZPOPMIN", "ZPOPMAX")), key, count)[::2]
                else:
                    taken = client.must("SPOP", key, count)
                eq((len(taken), len(set(taken))), (min(count, len(whole)),) * 2)
                assert set(taken) <= whole
                whole -= set(taken)
                left = client.must(*(("ZRANGE", key, 0, -1) if zset else ("SMEMBERS", key)))
                eq((len(left), set(left)), (len(whole), whole))
                if whole:
                    eq(client.must("PEXPIRETIME", key), ttl)
                    eq(client.must("OBJECT", "ENCODING", key), kind)
                if number % 4 == rng.randrange(30):
                    break
        assert client.must("DBSIZE") > 3
        before = client.must("DEBUG", "DIGEST")
        client.must("DEBUG", "LOADAOF")
        eq(client.must("DEBUG", "DIGEST"), before)


@timeout(120)
def test_others_are_answered_while_a_large_value_is_read():
    elements = int(os.environ.get("ELEMENTS", 100000))
    with server_of(1, threshold=0) as server, server.client() as client:
        fill(client, elements)
        with server.client() as other, server.client(timeout=100) as large:
            for command in (
                ("SORT", "l", "ALPHA", "DESC", "STORE", "lt"),
                ("ZUNIONSTORE", "zt", 2, "z", "z"),
                ("COPY", "h", "ht"),
                ("HGETALL", "h"),
                ("ZPOPMIN", "zt", elements // 3),
                ("SPOP", "s", elements // 3),
            ):
                done, answered = threading.Event(), 0
                reading = threading.Thread(target=lambda: (large.read_raw_reply(), done.set()))
                large.send(*command)
                reading.start()
                while not done.is_set():
                    number = answered % elements
                    eq(other.must("HGET", "h", number), b"%d" % number)
                    answered += 1
                reading.join()
                print(command[0], answered)
                assert answered > 10, command
        eq(client.must("HLEN", "ht"), elements)
        eq(client.must("LLEN", "lt"), elements)
