"""Many connections on two workers at once: nothing is lost, torn or reordered, and nobody waits for
a slow one.
"""
import random
import threading
import time

import harness
from harness import PATIENCE, Client, ReplyError, Server, eq, wait_until

TWO = ("--io-threads", "2")


def together(count, action):
    """Runs action(number) in so many threads; the first exception of any is raised here."""
    wrong = []

    def guarded(number):
        try:
            action(number)
        except BaseException as error:
            wrong.append(error)

    threads = [threading.Thread(target=guarded, args=(n,), daemon=True) for n in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive(), "a client hangs"
    if wrong:
        raise wrong[0]


def test_increments_add_up():
    with Server(*TWO) as server:

        def count(number):
            with server.client() as client:
                for _ in range(20):
                    replies = client.pipeline(
                        [("INCR", f"c{i % 7}") for i in range(100)] + [("INCRBY", "one", 3)] * 50
                    )
                    assert not any(isinstance(r, ReplyError) for r in replies)

        together(8, count)
        client = server.client()
        eq(sum(int(v) for v in client.must("MGET", *[f"c{i}" for i in range(7)])), 8 * 20 * 100)
        eq(client.command("GET", "one"), b"%d" % (8 * 20 * 50 * 3))


def test_replies_keep_their_order():
    """Pipelines of many clients over many keys: each reply belongs to its request."""
    with Server(*TWO) as server:

        def talk(number):
            rng = random.Random(number)
            with server.client() as client:
                for turn in range(10):
                    sizes = [rng.choice([0, 5, 100, 3000, 20000]) for _ in range(60)]
                    values = [
                        b"%d-%d-%d-" % (number, turn, i) + b"v" * size
                        for i, size in enumerate(sizes)
                    ]
                    commands = []
                    for i, value in enumerate(values):
                        commands += [
                            ("SET", f"{number}:{i}", value),
                            ("GET", f"{number}:{i}"),
                            ("ECHO", value[:50]),
                        ]
                    replies = client.pipeline(commands)
                    for i, value in enumerate(values):
                        eq(replies[3 * i : 3 * i + 3], ["OK", value, value[:50]])

        together(6, talk)


def test_multi_key_commands_are_atomic():
    """MSET over many shards is seen whole or not at all by MGET; RENAME and COPY never show both or
    neither.
    """
    keys = [f"key:{i}" for i in range(20)]
    with Server(*TWO) as server:
        stop = threading.Event()
        setup = server.client()
        setup.must("MSET", *[x for key in keys for x in (key, "start")])
        setup.must("SET", "here", "v")

        def act(number):
            with server.client() as client:
                if number < 2:
                    for i in range(300):
                        client.must("MSET", *[x for key in keys for x in (key, f"{number}-{i}")])
                    stop.set()
                elif number == 2:
                    while not stop.is_set():
                        client.command("RENAME", "here", "there")
                        client.command("RENAME", "there", "here")
                else:
                    while not stop.is_set():
                        values = set(client.must("MGET", *keys))
                        assert len(values) == 1, f"torn MSET: {values}"
                        eq(client.must("EXISTS", "here", "there"), 1)

        together(6, act)


def test_whole_key_space_commands_under_load():
    """FLUSHALL, SWAPDB, KEYS, DBSIZE and SCAN while others write: no error, no crash, and the end
    is consistent.
    """
    with Server(*TWO) as server:
        stop = threading.Event()

        def act(number):
            rng = random.Random(number)
            with server.client() as client:
                if number == 0:
                    for i in range(60):
                        client.must(
                            *rng.choice(
                                [
                                    ("FLUSHDB",),
                                    ("FLUSHALL", "ASYNC"),
                                    ("SWAPDB", 0, 1),
                                    ("KEYS", "k*1"),
                                    ("DBSIZE",),
                                    ("RANDOMKEY",),
                                ]
                            )
                        )
                        cursor = client.must("SCAN", 0, "COUNT", 100)[0]
                        client.must("SCAN", cursor, "COUNT", 50)
                        time.sleep(0.005)
                    stop.set()
                while not stop.is_set():
                    client.must("SELECT", rng.randrange(2))
                    replies = client.pipeline(
                        [
                            rng.choice(
                                [
                                    ("SET", f"k{rng.randrange(3000)}", "v" * rng.randrange(200)),
                                    ("DEL", f"k{rng.randrange(3000)}"),
                                    ("APPEND", f"k{rng.randrange(3000)}", "x"),
                                    ("EXPIRE", f"k{rng.randrange(3000)}", 1000),
                                    ("SET", f"k{rng.randrange(3000)}", "v", "PX", 1),
                                    ("GET", f"k{rng.randrange(3000)}"),
                                ]
                            )
                            for _ in range(100)
                        ]
                    )
                    assert not any(isinstance(r, ReplyError) for r in replies), [
                        r for r in replies if isinstance(r, ReplyError)
                    ][:3]

        together(6, act)
        client = server.client()
        for db in (0, 1):
            client.must("SELECT", db)
            time.sleep(0.01)
            eq(len(client.must("KEYS", "*")), len(set(scan(client))))
        client.must("FLUSHALL")
        eq(client.command("DBSIZE"), 0)


def scan(client):
    cursor, seen = b"0", []
    while True:
        cursor, keys = client.must("SCAN", cursor, "COUNT", 100)
        seen += keys
        if cursor == b"0":
            return seen


def test_slow_reader_stops_nobody():
    """A client that asks for 64 MiB and reads nothing keeps its worker serving others, and gets all
    in the end.
    """
    with Server(*TWO) as server:
        client = server.client()
        value = b"x" * (1 << 20)
        client.must("SET", "big", value)
        slow = [server.client() for _ in range(2)]
        for one in slow:
            one.send_raw(harness.encode("GET", "big") * 64)
        others = [server.client() for _ in range(4)]
        worst = 0.0
        for _ in range(50):
            for one in others:
                began = time.monotonic()
                eq(one.command("PING"), "PONG")
                worst = max(worst, time.monotonic() - began)
        assert worst < PATIENCE, f"a PING took {worst:.3f} s"
        for one in slow:
            eq(all(one.read() == value for _ in range(64)), True)
            eq(one.command("PING"), "PONG")


def test_client_that_goes_away_midway():
    """Connections closed with replies unread or requests half sent leave the server as it was."""
    with Server(*TWO) as server:
        client = server.client()
        client.must("SET", "big", b"x" * 500000)
        for i in range(60):
            one = Client(server.port)
            if i % 3 == 0:
                one.send_raw(harness.encode("GET", "big") * 20)
            elif i % 3 == 1:
                one.send_raw(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$100000\r\nhalf")
            else:
                one.send_raw(b"*1\r\n$4\r\nPI")
            one.close()
        wait_until(
            lambda: len(client.must("CLIENT", "LIST").decode().strip().split("\n")) == 1,
            10,
            "the others to be gone",
        )
        eq(client.command("STRLEN", "big"), 500000)
        eq(client.command("EXISTS", "k"), 0)


def test_many_connections():
    with Server(*TWO) as server:
        clients = [server.client() for _ in range(400)]
        for client in clients:
            client.send("INCR", "n")
        eq(sorted(client.read() for client in clients), list(range(1, 401)))
        eq(len(clients[0].must("CLIENT", "LIST").decode().strip().split("\n")), 400)
        eq(len({client.must("CLIENT", "ID") for client in clients}), 400)
        for client in clients[1:]:
            client.close()
        wait_until(
            lambda: len(clients[0].must("CLIENT", "LIST").decode().strip().split("\n")) == 1,
            10,
            "the others to be gone",
        )


def test_large_values():
    with Server(*TWO) as server:
        client = server.client(timeout=60)
        for size in (1 << 20, 16 << 20, 64 << 20):
            value = random.Random(size).randbytes(1 << 20) * (size >> 20)
            eq(client.command("SET", "k", value), "OK")
            eq(client.command("STRLEN", "k"), size)
            eq(client.command("GET", "k") == value, True, f"{size} bytes")
            eq(client.command("GETRANGE", "k", -10, -1), value[-10:])
        eq(client.command("DEL", "k"), 1)


def test_databases_are_flushed_beside_others():
    """Two databases, each filled with many keys and flushed again and again while the other is
    used: a third is left alone, and what was written behind a flush is there.
    """
    with Server(*TWO, "--enable-debug-command", "yes", "--appendonly", "yes") as server:
        with server.client() as client:
            client.must("SELECT", 2)
            client.must("DEBUG", "POPULATE", 10000, "kept")
            before = client.must("DEBUG", "DIGEST")

        def use(number):
            rng = random.Random(number)
            db = number % 2
            with server.client() as client:
                client.must("SELECT", db)
                for turn in range(8):
                    keys = [f"{number}:{i}" for i in range(10000)]
                    many = [("SET", key, "x" * rng.choice((3, 30, 600))) for key in keys]
                    replies = client.pipeline(
                        [
                            *many,
                            ("HSET", "h", *range(2000)),
                            ("FLUSHDB", "ASYNC" if turn % 2 else "SYNC"),
                        ]
                        + many[:100]
                    )
                    assert not any(isinstance(r, ReplyError) for r in replies)
                    got = client.pipeline([("GET", key) for _, key, _ in many[:100]])
                    eq(got, [value.encode() for _, _, value in many[:100]])
                    client.command("BGSAVE")

        together(2, use)
        with server.client() as client:
            eq([client.must("FLUSHDB") for db in (0, 1) if client.must("SELECT", db)], ["OK"] * 2)
            eq(client.must("DEBUG", "DIGEST"), before)
            eq(server.info("keyspace", client), {"db2": "keys=10000,expires=0,avg_ttl=0"})
            wait_until(
                lambda: server.info("memory", client)["lazyfree_pending_objects"] == "0",
                what="all is freed",
            )
            client.must("FLUSHALL")
        eq(server.stop(), 0)
