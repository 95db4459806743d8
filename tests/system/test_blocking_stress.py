"""Many pushers and poppers on several workers, with timeouts, clients that leave, that are killed
and that are unblocked: every element goes to exactly one.
"""
import os
import random
import subprocess
import threading
import time

from crowd import Crowd
from harness import Closed, Server, Skip, eq, timeout, wait_until

SECONDS = float(os.environ.get("ITER", 1000)) / 500  # how long each runs
QUEUES = [f"q{i}" for i in range(6)]


class Users(Crowd):
    """... of queues: what they pushed and got."""

    def __init__(self, server, seed):
        super().__init__(server, seed, SECONDS)
        self.lock = threading.Lock()
        self.pushed, self.got, self.ids = [], [], []


def pusher(crowd, rng):
    """Elements have numbers that grow; now and then a bunch, by a way other than a push."""
    name, number, mine = f"{rng.randrange(1 << 40):x}", 0, []
    with crowd.server.client() as client:
        while crowd.going():
            elements = [f"{name}.{number + i:09}" for i in range(rng.choice((1, 1, 1, 2, 5)))]
            number += len(elements)
            mine += elements
            queue = rng.choice(QUEUES)
            how = rng.random()
            if how < 0.8:
                client.must(rng.choice(("RPUSH", "LPUSH")), queue, *elements)
            elif how < 0.9:
                client.must("RPUSH", f"own{name}", *elements)
                while client.must("LMOVE", f"own{name}", queue, "LEFT", "RIGHT"):
                    pass
            else:
                client.pipeline([("RPUSH", queue, e) for e in elements])
            if rng.random() < 0.2:
                time.sleep(rng.random() / 100)
    with crowd.lock:
        crowd.pushed += mine


def elements_of(reply):
    """What a pop of any kind answered."""
    if not reply:
        return []
    return reply[1] if isinstance(reply[1], list) else [reply[1]]


def popper(crowd, rng):
    """Never leaves; times out, and may be unblocked by others."""
    mine = []
    with crowd.server.client() as client:
        with crowd.lock:
            crowd.ids.append(client.must("CLIENT", "ID"))
        while crowd.going():
            queues = rng.sample(QUEUES, rng.randint(1, 3))
            seconds = rng.choice((0.001, 0.003, 0.01, 0.05))
            command = rng.choice(
                (
                    ("BLPOP", *queues, seconds),
                    ("BRPOP", *queues, seconds),
                    ("BLMPOP", seconds, len(queues), *queues, "LEFT", "COUNT", 3),
                    ("LPOP", queues[0], 2),
                )
            )
            reply = client.command(*command)
            if isinstance(reply, str):
                assert reply.startswith("UNBLOCKED"), reply
            else:
                mine += reply or [] if command[0] == "LPOP" else elements_of(reply)
    with crowd.lock:
        crowd.got += mine


def mover(crowd, rng):
    """Moves to a list of its own, so that what it was given is kept when it leaves or is killed."""
    kept = f"kept{rng.randrange(1 << 40):x}"
    while crowd.going():
        with crowd.server.client() as client:
            with crowd.lock:
                crowd.ids.append(client.must("CLIENT", "ID"))
            try:
                for _ in range(rng.randint(1, 20)):
                    client.command("BLMOVE", rng.choice(QUEUES), kept, "LEFT", "LEFT", 0.02)
                client.send("BLMOVE", rng.choice(QUEUES), kept, "LEFT", "LEFT", 0)
                time.sleep(rng.choice((0, 0.001, 0.01)))
            except Closed:
                pass  # killed


def between(crowd, rng):
    """Elements go from queue to queue while others wait for both."""
    with crowd.server.client() as client:
        while crowd.going():
            client.command("BRPOPLPUSH", *rng.sample(QUEUES, 2), 0.01)


def unblocker(crowd, rng):
    with crowd.server.client() as client:
        while crowd.going():
            with crowd.lock:
                some = rng.sample(crowd.ids, min(4, len(crowd.ids)))
                crowd.ids = crowd.ids[-200:]
            for identity in some:
                client.must("CLIENT", "UNBLOCK", identity, rng.choice(("ERROR", "TIMEOUT")))
            time.sleep(0.002)


def killer(crowd, rng):
    """Of movers only: they are the ones who come and go."""
    with crowd.server.client() as client:
        while crowd.going():
            for line in client.must("CLIENT", "LIST").decode().splitlines():
                fields = dict(f.split("=", 1) for f in line.split(" "))
                if fields["cmd"] == "blmove" and rng.random() < 0.2:
                    client.must("CLIENT", "KILL", "ID", fields["id"])
            time.sleep(0.01)


def saver(crowd, rng):
    """Passes over the data set, one after the other."""
    with crowd.server.client() as client:
        while crowd.going():
            client.command(rng.choice(("BGSAVE", "BGREWRITEAOF")))
            time.sleep(0.1)


def check_sum(crowd):
    client = crowd.server.client()
    wait_until(lambda: crowd.server.info("clients", client)["blocked_clients"] == "0")
    left = []
    for key in client.must("KEYS", "*"):
        left += client.must("LRANGE", key, 0, -1)
    got = [e.decode() for e in crowd.got + left]
    eq(len(got), len(set(got)), "elements that were given twice")
    eq(len(got), len(crowd.pushed), "elements")
    eq(sorted(got), sorted(crowd.pushed))
    clients = crowd.server.info("clients", client)
    eq(clients["total_blocking_keys"], "0")
    eq(clients["clients_in_timeout_table"], "0")
    assert crowd.server.alive()


@timeout(180)
def test_every_element_goes_to_one():
    seed = int(os.environ.get("SEED", random.randrange(1 << 30)))
    print("seed", seed)
    for args in (("--io-threads", "4"), ("--io-threads", "1")):
        with Server(*args) as server:
            crowd = Users(server, seed)
            crowd.add(3, pusher)
            crowd.add(6, popper)
            crowd.add(3, mover)
            crowd.add(1, between)
            crowd.add(1, unblocker)
            crowd.add(1, killer)
            crowd.run()
            check_sum(crowd)
            assert len(crowd.got) > 10, "nobody got anything"
            eq(server.stop(), 0)


@timeout(180)
def test_the_order_of_one_queue():
    """One pusher, many who wait on other workers for that key alone: served as they came, and each
    of them sees the elements in the order in which they were pushed.
    """
    with Server("--io-threads", "4") as server:
        pushing = server.client()
        clients = [server.client() for _ in range(16)]
        rounds = 20
        for turn in range(rounds):
            for i, client in enumerate(clients):
                client.send("BLPOP", "k", 0)
                wait_until(
                    lambda n=i + 1: server.info("clients", pushing)["blocked_clients"] == str(n),
                    every=0,
                )
            base = turn * len(clients)
            if turn % 2:
                pushing.must("RPUSH", "k", *range(base, base + len(clients)))
            else:
                pushing.pipeline([("RPUSH", "k", base + i) for i in range(len(clients))])
            eq([int(c.read()[1]) for c in clients], list(range(base, base + len(clients))))


def steal(server, key):
    """A process that pops from the key all the time."""
    line = ["redis-benchmark", "-p", str(server.port), "-c", "4", "-P", "20", "-l", "-q"]
    try:
        return subprocess.Popen([*line, "LPOP", key], stdout=subprocess.DEVNULL)
    except FileNotFoundError:
        raise Skip("redis-benchmark is not installed") from None


@timeout(180)
def test_nobody_comes_between():
    """Clients that never wait take what they can all the time; whoever waited gets it nevertheless,
    even if to serve it takes keys of other shards, or a chain of waiters.
    """
    with Server("--io-threads", "4") as server:
        control, pushing, *waiting = (server.client() for _ in range(6))
        thieves = [steal(server, key) for key in ("k", "j", "i")]
        waits = [
            [("BLPOP", "a", "k", "b", "c", 0)],
            [("BLMOVE", "k", "j", "LEFT", "LEFT", 0), ("BLPOP", "j", "d", 0)],
            [
                ("BLMOVE", "k", "j", "LEFT", "LEFT", 0),
                ("BRPOPLPUSH", "j", "i", 0),
                ("BLPOP", "e", "i", 0),
            ],
        ]
        try:
            for turn in range(int(100 * SECONDS)):
                chain = waits[turn % 3]
                for i, command in enumerate(chain):
                    waiting[i].send(*command)
                    wait_until(
                        lambda n=i + 1: server.info("clients", control)["blocked_clients"]
                        == str(n),
                        every=0,
                    )
                pushing.must("RPUSH", "k", turn)
                for i, command in enumerate(chain):
                    reply = waiting[i].read()
                    got = reply[1] if command[0] == "BLPOP" else reply
                    eq(got, b"%d" % turn, command)
        finally:
            for thief in thieves:
                thief.kill()
                thief.wait()


@timeout(180)
def test_the_log_replays_to_the_same():
    """With an append-only file, rewritten under the same stress: a restart finds what was there."""
    seed = int(os.environ.get("SEED", random.randrange(1 << 30)))
    print("seed", seed)
    with Server("--io-threads", "4", "--appendonly", "yes") as server:
        crowd = Users(server, seed)
        crowd.add(2, pusher)
        crowd.add(4, popper)
        crowd.add(2, mover)
        crowd.add(1, between)
        crowd.add(1, saver)
        crowd.run()
        check_sum(crowd)

        def keys():
            client = server.client()
            names = sorted(client.must("KEYS", "*"))
            return {name: client.must("LRANGE", name, 0, -1) for name in names}

        before = keys()
        eq(server.stop(), 0)
        server.start()
        eq(keys(), before)
