"""List commands that run aside: what they take out and put in is taken and put in once, whoever comes
between, and the log brings the same lists back.

The lists are of many small nodes, and DEBUG ASIDE-THRESHOLD makes every command one on very many
elements.
"""
import collections
import itertools
import os
import random
import threading
import time
from itertools import product

from crowd import Crowd
from harness import eq, timeout
from test_aside import server_of

SECONDS = float(os.environ.get("ITER", 1000)) / 600  # how long each stress runs
NODES = ("--list-max-listpack-size", "8")
ORDERS = ("OBO", "BULK")
PACKED = ("--list-max-listpack-size", "4", "--list-compress-depth", "1")


def restarts_the_same(server):
    with server.client() as client:
        before = client.must("DEBUG", "DIGEST")
        client.must("DEBUG", "LOADAOF")
        eq(client.must("DEBUG", "DIGEST"), before, "after LOADAOF")


# ---- the same as on a worker ----


def commands(length):
    """On k, a list of so many elements, five more, and to other lists."""
    ends, wheres, some = ("LEFT", "RIGHT"), ("BEFORE", "AFTER"), ["COUNT"]
    values = ("value 1", "value 0", "value 3", "7", "-7", "x", "", "1" * 5000)
    yield from product(("LPOP", "RPOP"), "k", (1, 4, 39, 399, length + 5, 1 << 40))
    yield from product(["LMPOP"], [3], ["none"], "k", "l", ends, some, (1, 50, 999))
    yield from product(["LREM"], "k", (0, 1, -1, 3, -3, 90), values)
    yield from product(["LINSERT"], "k", wheres, values, ("new", "y" * 6000))
    yield from product(["LMOVEM"], "k", "klm", ends, ends, some, (30, 999), ORDERS)
    yield ("LTRIM", "k", 3, -3)
    yield ("LTRIM", "k", 5, 4)


def replies_of(args, threshold):
    replies = []
    with server_of(2, *args, threshold=threshold) as server, server.client() as client:
        for length, depth in product((1, 40, 400), (0, 1)):
            client.must("CONFIG", "SET", "list-compress-depth", depth)
            elements = [f"value {i % 4}" for i in range(length)] + ["a", "", "1" * 5000, 7, -7]
            make = [("DEL", *"klm"), ("RPUSH", "k", *elements), ("RPUSH", "l", *range(9))]
            look = [("LRANGE", key, 0, -1) for key in "klm"]
            for command in commands(length):
                got = client.pipeline([*make, command, *look])
                replies.append((command, got))
        client.must("SET", "s", "x")
        for command in (
            ("LPOP", "s", 5),
            ("LREM", "s", 0, "x"),
            ("LINSERT", "s", "AFTER", 1, 1),
            ("LMPOP", 2, "none", "s", "LEFT"),
            ("LMOVEM", "l", "s", "LEFT", "LEFT", "COUNT", 5, "OBO"),
            ("LMOVEM", "none", "l", "LEFT", "LEFT", "COUNT", 5, "OBO"),
            ("LMOVEM", "l", "k", "LEFT", "LEFT", "EXACTLY", 50, "OBO"),
            ("LPOP", "none", 3),
            ("LPOP", "l", 0),
            ("LMPOP", 1, "none", "LEFT"),
            ("LREM", "none", 0, "x"),
            ("LINSERT", "none", "AFTER", 1, 1),
        ):
            replies.append((command, str(client.command(*command))))
        calls = server.info("commandstats", client)
        for name in ("lpop", "lrem", "linsert", "lmpop", "lmovem"):
            replies.append((name, calls[f"cmdstat_{name}"].split(",")[0]))
        changes = server.info("persistence", client)["rdb_changes_since_last_save"]
        restarts_the_same(server)
        return replies + [("changes", changes)]


def test_as_on_a_worker():
    for args in (NODES, PACKED, ()):
        for aside, here in zip(replies_of(args, 1), replies_of(args, 0), strict=True):
            eq(aside, here, here[0])


def test_who_waits_gets_what_is_inserted():
    with server_of(2, *NODES) as server, server.client() as client, server.client() as waiting:
        client.must("RPUSH", "k", *range(50))
        waiting.send("BLMOVEM", "k", "l", "LEFT", "RIGHT", 0, "EXACTLY", 51, "BULK")
        time.sleep(0.05)
        eq(client.must("LINSERT", "k", "AFTER", 49, 50), 51)
        eq(waiting.read(), [b"%d" % i for i in range(51)])
        eq(client.must("EXISTS", "k"), 0)


def test_what_expires_meanwhile_is_not_popped():
    """Neither half of a command sees another list than the other."""
    with server_of(2, *NODES) as server, server.client() as client:
        for i in range(200):
            client.must("RPUSH", "k", *range(500))
            client.must("PEXPIRE", "k", 1 + i % 3)
            for command in (
                ("LREM", "k", 0, 7),
                ("LINSERT", "k", "AFTER", 400, 7),
                ("LPOP", "k", 600),
            ):
                reply = client.must(*command)
                assert reply in (None, 0, 1, 2, 500, 501) or len(reply) in range(498, 502), reply
        restarts_the_same(server)


# ---- all at once ----

QUEUES = ("q1", "q2", "q3")


class Queue(Crowd):
    def __init__(self, server, seed):
        super().__init__(server, seed, SECONDS)
        self.numbers = itertools.count(1)
        self.lock = threading.Lock()
        self.pushed, self.taken = collections.Counter(), collections.Counter()
        self.done = collections.Counter()

    def act(self, step, rng):
        with self.server.client() as client:
            while self.going():
                pushed, taken = step(self, client, rng)
                with self.lock:
                    self.pushed.update(pushed)
                    self.taken.update(taken)
                    self.done[step.__name__] += 1


def producer(crowd, client, rng):
    key = rng.choice(QUEUES)
    with crowd.lock:
        values = [b"%d" % next(crowd.numbers) for _ in range(rng.choice((1, 5, 100)))]
    values += [b"junk"] * rng.randrange(20)
    if client.must("LLEN", key) < 5000:
        client.must(rng.choice(("LPUSH", "RPUSH")), key, *values)
        return values, ()
    return (), ()


def inserter(crowd, client, rng):
    with crowd.lock:
        value = b"%d" % next(crowd.numbers)
    where, pivot = rng.choice(("BEFORE", "AFTER")), rng.choice((b"junk", b"nowhere"))
    length = client.must("LINSERT", rng.choice(QUEUES), where, pivot, value)
    assert length in (0, -1) or pivot == b"junk", length
    return ([value] if length > 0 else ()), ()


def taker(crowd, client, rng):
    key, count = rng.choice(QUEUES), rng.choice((1, 10, 300, 100000))
    how = rng.randrange(4)
    if how == 0:
        return (), client.must("LPOP", key, count) or ()
    if how == 1:
        return (), client.must("RPOP", key, count) or ()
    end = rng.choice(("LEFT", "RIGHT"))
    if how == 2:
        reply = client.must("LMPOP", 3, *rng.sample(QUEUES, 3), end, "COUNT", count)
    else:
        reply = client.must("BLMPOP", 0.01, 2, *rng.sample(QUEUES, 2), end, "COUNT", count)
    return (), reply[1] if reply else ()


def sweeper(crowd, client, rng):
    count = rng.choice((0, 0, 1, -1, 5, -5))
    removed = client.must("LREM", rng.choice(QUEUES), count, "junk")
    assert count == 0 or removed <= abs(count)
    return (), [b"junk"] * removed


def mover(crowd, client, rng):
    source, target = (rng.choice(QUEUES) for _ in range(2))
    ends = [rng.choice(("LEFT", "RIGHT")) for _ in range(2)]
    how = rng.randrange(5)
    if how == 0:
        client.must("LMOVE", source, target, *ends)
    elif how == 1:
        order = rng.choice(("OBO", "BULK"))
        client.must("LMOVEM", source, target, *ends, "COUNT", rng.choice((3, 50, 4000)), order)
    elif how == 2:
        client.command("RENAMENX", source, target)
    elif how == 3:
        client.must("LPOS", source, "junk", "COUNT", 0)
    elif client.command("COPY", source, "copy", "REPLACE"):
        client.must("PEXPIRE", "copy", rng.randrange(1, 9))
        client.must("LREM", "copy", 0, "junk")
        client.must("RPOP", "copy", 50)
    return (), ()


def saver(crowd, client, rng):
    client.command(rng.choice(("BGSAVE", "BGREWRITEAOF")))
    time.sleep(0.1)
    return (), ()


def queue_stress(threads, *args):
    seed = int(os.environ.get("SEED", random.randrange(1 << 30)))
    print("seed", seed)
    with server_of(threads, *args) as server, server.client() as client:
        crowd = Queue(server, seed)
        for count, step in (
            (2, producer),
            (1, inserter),
            (3, taker),
            (1, sweeper),
            (2, mover),
            (1, saver),
        ):
            crowd.add(count, step)
        crowd.run()
        print(dict(crowd.done))
        time.sleep(0.05)
        client.must("DEL", "copy")
        restarts_the_same(server)
        for key in QUEUES:
            crowd.taken.update(client.must("LPOP", key, 1 << 40) or ())
        eq(crowd.taken - crowd.pushed, collections.Counter(), "taken too often")
        eq(crowd.pushed - crowd.taken, collections.Counter(), "lost")
        eq(server.info("clients", client)["blocked_clients"], "0")


@timeout(120)
def test_queues_of_one_worker():
    queue_stress(1, *NODES)


@timeout(120)
def test_queues_of_four_workers():
    queue_stress(4, *NODES)


@timeout(120)
def test_packed_queues_of_four_workers():
    queue_stress(4, *PACKED)
