"""Commands that wait for a key: who is served, when, with what, and who is not; beside redis-server
where it does the same, with one worker and with several.
"""
import os
import random
import time

import harness
from harness import Server, decode, encode, eq, reference, wait_until
from waiting import Scene

FOUR = ("--io-threads", "4")
ONE = ("--io-threads", "1")
NULL_ARRAY = {2: b"*-1\r\n", 3: b"_\r\n"}


def servers(*args):
    return [reference(*args), Server(*ONE, *args), Server(*FOUR, *args)]


def compare(script, resp=2, setup=()):
    """Runs script(scene) on redis-server and on ours with one and several workers."""
    scenes = []
    for server in servers():
        scene = Scene(server, resp)
        for command in setup:
            scene.control.must(*command)
        script(scene)
        scenes.append(scene)
    want = scenes[0]
    for scene in scenes[1:]:
        for expected, got in zip(want.told, scene.told):
            eq(got, expected, f"of {scene.server.args}")
        eq(scene.keys(), want.keys(), "keys")
    for scene in scenes:
        scene.server.kill()


# --- who is served with what ----------------------------------------------------------------------


def test_first_come_first_served():
    def script(s):
        for name in "abcdef":
            s.do(name, "BLPOP" if name in "ace" else "BRPOP", "k", 0)
        s.do("p", "RPUSH", "k", 1, 2, 3, 4)
        s.do("p", "LPUSH", "k", 5)
        s.do("p", "RPUSH", "k", 6, 7, 8)

    compare(script)
    compare(script, resp=3)


def test_first_key_that_has_something():
    def script(s):
        s.do("a", "BLPOP", "x", "y", "z", 0)
        s.do("b", "BLPOP", "z", "y", 0)
        s.do("p", "RPUSH", "y", 1)
        s.do("p", "RPUSH", "z", 2)
        s.do("p", "RPUSH", "y", 3)
        s.do("a", "BLPOP", "k", "y", 0)
        s.do("b", "BLPOP", "k", "k", "k", 0)
        s.do("p", "RPUSH", "k", 1, 2)

    compare(script)


def test_moves_feed_each_other():
    def script(s):
        s.do("a", "BLMOVE", "k1", "k2", "LEFT", "RIGHT", 0)
        s.do("b", "BRPOPLPUSH", "k2", "k3", 0)
        s.do("c", "BLMOVE", "k3", "k4", "RIGHT", "LEFT", 0)
        s.do("d", "BLPOP", "k4", "k5", 0)
        s.do("p", "RPUSH", "k1", "once")
        s.do("a", "BRPOPLPUSH", "k1", "k2", 0)  # in a circle
        s.do("b", "BRPOPLPUSH", "k2", "k1", 0)
        s.do("p", "RPUSH", "k1", "round")
        s.do("a", "BRPOPLPUSH", "self", "self", 0)
        s.do("b", "BLPOP", "self", 0)
        s.do("p", "RPUSH", "self", 1, 2, 3)

    compare(script)
    compare(script, resp=3)


def test_several_elements_at_once():
    def script(s):
        s.do("a", "BLMPOP", 0, 2, "x", "y", "LEFT", "COUNT", 3)
        s.do("b", "BLMPOP", 0, 1, "y", "RIGHT", "COUNT", 10)
        s.do("c", "BLMPOP", 0, 1, "y", "RIGHT")
        s.do("p", "RPUSH", "y", 1, 2, 3, 4, 5)
        s.do("p", "RPUSH", "y", 6, 7)
        s.do("a", "BZMPOP", 0, 2, "z", "w", "MIN", "COUNT", 2)
        s.do("b", "BZMPOP", 0, 1, "z", "MAX")
        s.do("c", "BZPOPMIN", "w", "z", 0)
        s.do("d", "BZPOPMAX", "z", 0)
        s.do("p", "ZADD", "z", 1, "a", 2.5, "b", "inf", "c", 4, "d", 5, "e", -1, "f")

    compare(script)
    compare(script, resp=3)


def test_other_types_do_not_wake():
    def script(s):
        s.do("a", "BLPOP", "k", 0)
        s.do("b", "BZPOPMIN", "k", 0)
        s.do("p", "SET", "k", 1)
        s.do("c", "BLPOP", "k", 0)
        s.do("p", "DEL", "k")
        s.do("p", "ZADD", "k", 1, "m", 2, "n")
        s.do("p", "DEL", "k")
        s.do("p", "RPUSH", "k", "element")

    compare(script)


def test_destination_of_another_type():
    """An error for the one who moves; the element is for the next."""

    def script(s):
        s.do("a", "BLMOVE", "k", "string", "LEFT", "LEFT", 0)
        s.do("b", "BRPOPLPUSH", "k", "string", 0)
        s.do("c", "BLPOP", "k", 0)
        s.do("p", "RPUSH", "k", "element")

    compare(script, setup=[("SET", "string", 1)])


def test_a_key_that_was_replaced_by_another_type_is_an_error():
    """As Redis has had it since 7.2: the command is run again, over all of its keys."""
    for args in (ONE, FOUR):
        with Server(*args) as server:
            s = Scene(server)
            eq(s.one("a", "BLPOP", "x", "y", 0), None)
            s.do("p", "SET", "x", 1)
            told = s.do("p", "RPUSH", "y", 1)
            assert told["a"].startswith(b"-WRONGTYPE "), told
            eq(server.client().command("LRANGE", "y", 0, -1), [b"1"])


def test_every_way_for_a_key_to_come_into_being():
    def script(s):
        def waits():
            s.do("a", "BLPOP", "k", 0)

        s.control.must("RPUSH", "list", 1, 2)
        waits()
        s.do("p", "COPY", "list", "k")
        s.control.must("DEL", "k")
        waits()
        s.do("p", "RESTORE", "k", 0, dump)
        s.control.must("DEL", "k")
        waits()
        s.do("p", "LMOVE", "list", "k", "LEFT", "LEFT")
        waits()
        s.do("p", "RENAME", "list", "k")
        s.control.must("RPUSH", "numbers", 3, 1, 2)
        waits()
        s.do("p", "SORT", "numbers", "STORE", "k")
        s.control.must("DEL", "k")
        s.do("p", "SELECT", 1)
        s.do("p", "RPUSH", "k", "of another database")
        waits()
        s.do("p", "MOVE", "k", 0)
        waits()
        s.do("p", "RPUSH", "k", "swapped")
        s.do("p", "SWAPDB", 0, 1)
        s.do("p", "SELECT", 0)
        s.do("b", "BZPOPMIN", "z", 0)
        s.do("p", "ZUNIONSTORE", "z", 1, "other")
        s.do("p", "ZADD", "other", 1, "m")
        s.do("p", "ZUNIONSTORE", "z", 1, "other")
        s.do("b", "BZPOPMIN", "z", 0)
        s.do("p", "ZRANGESTORE", "z", "other", 0, -1)

    with Server() as server:
        client = server.client()
        client.must("RPUSH", "list", "restored", "2")
        dump = client.must("DUMP", "list")
    compare(script)


def test_what_expires_before_it_is_seen_wakes_nobody():
    def script(s):
        s.do("p", "SELECT", 9)
        s.do("p", "RPUSH", "k", "gone")
        s.do("p", "PEXPIRE", "k", 1)
        s.do("a", "BLPOP", "k", 0)
        time.sleep(0.02)
        s.do("p", "SWAPDB", 0, 9)
        s.do("p", "RPUSH", "k", "other database")
        s.do("p", "SELECT", 0)
        s.do("p", "RPUSH", "k", "here")

    for args in (ONE, FOUR):
        with Server(*args, "--enable-debug-command", "yes") as server:
            server.client().must("DEBUG", "SET-ACTIVE-EXPIRE", "0")
            s = Scene(server)
            script(s)
            eq(dict(s.told[-1][2])["a"], b"*2\r\n$1\r\nk\r\n$4\r\nhere\r\n")


def test_flushall_and_del_leave_them_waiting():
    def script(s):
        s.do("a", "BLPOP", "k", 0)
        s.do("p", "FLUSHALL")
        s.do("p", "FLUSHDB")
        s.do("p", "DEL", "k")
        s.do("p", "LPUSH", "k", 1)

    compare(script)


def test_databases_are_apart():
    def script(s):
        s.do("a", "BLPOP", "k", 0)
        s.do("b", "SELECT", 3)
        s.do("b", "BLPOP", "k", 0)
        s.do("p", "SELECT", 3)
        s.do("p", "RPUSH", "k", "three")
        s.do("p", "SELECT", 0)
        s.do("p", "RPUSH", "k", "zero")

    compare(script)


def test_random_interleavings():
    """Clients that push, pop, wait, move and are unblocked; every answer, in every step.

    Nobody waits for several keys of which one is filled by serving another waiter: the reference
    takes from the key that became ready, 7.2 and we from the first that has something.
    """
    seed = int(os.environ.get("SEED", random.randrange(1 << 30)))
    steps = int(os.environ.get("ITER", 1000))
    print("seed", seed)
    told, ends = [], []
    for server in servers():
        rng = random.Random(seed)
        s = Scene(server, resp=rng.choice((2, 3)))
        ids = {name: s.id_of(name) for name in "abcdefgh"}
        for step in range(steps):
            free = [n for n in "abcdefgh" if n not in s.pending]
            lists = rng.sample(["l0", "l1", "l2", "l3"], 3)
            moved = rng.sample(["m0", "m1", "m2"], 2)
            zsets = rng.sample(["z0", "z1", "z2"], 2)
            ends_at = rng.choice(("LEFT", "RIGHT")), rng.choice(("LEFT", "RIGHT"))
            some = rng.sample(range(100), rng.randint(1, 3))
            command = rng.choice(
                [
                    ("BLPOP", *lists[: rng.randint(1, 3)], 0),
                    ("BRPOP", moved[0], 0),
                    ("BLMOVE", lists[0], moved[0], *ends_at, 0),
                    ("BLMOVE", *moved, *ends_at, 0),
                    ("BRPOPLPUSH", moved[0], moved[rng.randint(0, 1)], 0),
                    ("BLMPOP", 0, 2, *lists[:2], ends_at[0], "COUNT", rng.randint(1, 3)),
                    ("BZPOPMIN", *zsets, 0),
                    ("BZPOPMAX", zsets[0], 0),
                    ("BZMPOP", 0, 1, zsets[0], rng.choice(("MIN", "MAX")), "COUNT", 2),
                    ("RPUSH", lists[0], *some),
                    ("LPUSH", lists[0], *some),
                    ("LPUSH", moved[0], *some),
                    ("ZADD", zsets[0], *[x for n in some for x in (n % 5, f"m{n}")]),
                    ("RENAME", lists[0], rng.choice((lists[1], moved[0]))),
                    ("DEL", lists[0]),
                    ("DEL", moved[0]),
                    ("LPOP", lists[0], 2),
                    ("CLIENT", "UNBLOCK", rng.choice("abcdefgh"), rng.choice(("TIMEOUT", "ERROR"))),
                ]
            )
            if command[0] == "CLIENT":
                command = (*command[:2], ids[command[2]], command[3])
            who = rng.choice(free or ["p"])
            if len(free) <= 1 and command[0][0] == "B":
                continue
            s.do(who, *command)
        # Ids differ from server to server.
        told.append([(w, c if c[0] != "CLIENT" else c[:2], a) for w, c, a in s.told])
        ends.append(s.keys())
        server.kill()
    for got, end in zip(told[1:], ends[1:]):
        for number, (want_step, got_step) in enumerate(zip(told[0], got)):
            eq(got_step, want_step, f"seed {seed}, step {number}")
        eq(end, ends[0], f"seed {seed}: keys")


def test_streams():
    def script(s):
        s.do("a", "XREAD", "BLOCK", 0, "STREAMS", "x", "y", "$", "5-0")
        s.do("b", "XREAD", "COUNT", 1, "BLOCK", 0, "STREAMS", "x", 0)
        s.do("p", "XADD", "x", "1-1", "field", "value")
        s.do("a", "XREAD", "BLOCK", 0, "STREAMS", "x", "y", "$", "5-0")
        s.do("p", "XADD", "y", "4-0", "too", "old")  # it waits on
        s.do("p", "XADD", "y", "5-1", "new", "enough")
        s.do("p", "XGROUP", "CREATE", "x", "group", "$")
        for name in "abc":
            command = ("XREADGROUP", "GROUP", "group", name, "BLOCK", 0, "STREAMS", "x", ">")
            s.do(name, *command)
        s.do("d", "XREAD", "BLOCK", 0, "STREAMS", "x", "$")
        s.do("p", "XADD", "x", "2-1", "to", "a and d")
        s.do("p", "XADD", "x", "2-2", "to", "b")
        s.do("p", "XDEL", "x", "2-2")
        s.do("p", "XADD", "x", "2-3", "to", "c")
        s.do("e", "XREAD", "BLOCK", 0, "STREAMS", "new", 0)
        s.do("p", "XADD", "elsewhere", "1-1", "k", "v")
        s.do("p", "RENAME", "elsewhere", "new")
        s.do("e", "BLPOP", "new2", 0)
        s.do("p", "XADD", "new2", "1-1", "k", "v")
        s.do("p", "XPENDING", "x", "group")

    compare(script)
    compare(script, resp=3)


def test_groups_hear_that_their_stream_goes():
    reading = ("XREADGROUP", "GROUP", "group", "me", "BLOCK", 0, "STREAMS", "x", ">")
    for args in (ONE, FOUR):
        with Server(*args) as server:
            s = Scene(server)
            for way in (
                (("DEL", "x"), b"-NOGROUP "),
                (("FLUSHALL",), b"-NOGROUP "),
                (("XGROUP", "DESTROY", "x", "group"), b"-NOGROUP "),
                (("RENAME", "x", "y"), b"-NOGROUP "),
                (("PEXPIRE", "x", "-1"), b"-NOGROUP "),
                (("SET", "x", "string"), b"-WRONGTYPE "),
            ):
                s.control.must("XGROUP", "CREATE", "x", "group", "$", "MKSTREAM")
                s.do("a", *reading)
                s.do("b", "XREAD", "BLOCK", 0, "STREAMS", "x", "$")
                eq(server.info("clients", s.control)["total_blocking_keys_on_nokey"], "1")
                told = s.do("p", *way[0])
                assert told["a"].startswith(way[1]), (way, told)
                eq(sorted(told), ["a", "p"], "who only reads does not hear of it")
                s.leave("b")
                eq(server.info("clients", s.control)["total_blocking_keys_on_nokey"], "0")
            s.control.must("DEL", "x")
            s.control.must("XGROUP", "CREATE", "x", "group", "$", "MKSTREAM")
            s.control.must("PEXPIRE", "x", 30)
            s.client("a").send(*reading)  # expires while nobody looks
            assert s.client("a").read().startswith("NOGROUP ")


def test_arguments():
    """What is said of wrong ones, and what right ones do at once."""

    def script(s):
        for line in """
            BLPOP|BLPOP k|BZPOPMIN k|BLMOVE k j LEFT LEFT|BRPOPLPUSH k j|BLMPOP 0 1 k
            BLMPOP 0 0 k LEFT|BLMPOP 0 -1 k LEFT|BLMPOP 0 99999999999 k LEFT|BLMPOP 0 2 k LEFT
            BLMPOP x 1 k UP|BLMPOP x 1 k LEFT COUNT|BLMPOP x 1 k LEFT COUNT 0|BLMPOP x 1 k LEFT FOO 1
            BZMPOP x 0 k MIN|BZMPOP x 1 k LEFT|BZMPOP x 1 k MIN COUNT 1 COUNT 1|BZMPOP -1 1 k MIN
            BLMOVE k j LEFT FOO x|BLMOVE k j LEFT LEFT x|BRPOPLPUSH k j -1|BZPOPMAX k x
            SET string 1|BLPOP string 0|BLPOP none string 0|BLMOVE string none LEFT LEFT 0
            BZPOPMIN none string 0|BLMPOP 0 2 none string LEFT|BZMPOP 0 1 string MAX
            RPUSH l a b c d|BLMOVE l string LEFT LEFT 0|BLMOVE l l LEFT RIGHT 0
            BLMOVE l m left right 0|BRPOPLPUSH l m 0|LRANGE m 0 -1|BLPOP string2 l m 0
            BLMPOP 0 3 none l m RIGHT COUNT 5|BRPOP m l 0|EXISTS l m
            ZADD z 1 a 2 b 3 c 4.5 d|BZPOPMIN none z 0|BZPOPMAX z 0|BZMPOP 0 2 none z MAX COUNT 9
            COMMAND GETKEYS BLMPOP 0 2 a b LEFT|COMMAND GETKEYS BLPOP a b 0
            COMMAND GETKEYS BLMOVE a b LEFT LEFT 0|COMMAND GETKEYS BZMPOP 0 1 b MIN
        """.replace(
            "\n", "|"
        ).split(
            "|"
        ):
            if line.split():
                assert s.one("a", *line.split()) is not None, line

    compare(script)
    compare(script, resp=3)


# --- the end of the wait --------------------------------------------------------------------------


WAITING = [
    ("BLPOP", "k", "j"),
    ("BRPOP", "k"),
    ("BLMOVE", "k", "j", "LEFT", "LEFT"),
    ("BRPOPLPUSH", "k", "j"),
    ("BZPOPMIN", "k", "j"),
    ("BZPOPMAX", "k"),
]


def test_timeouts():
    """Never before the time is over, and with the reply that says so."""
    for args in (ONE, FOUR):
        with Server(*args) as server:
            for resp in (2, 3):
                with server.client(resp=resp) as client:
                    for i, command in enumerate(WAITING):
                        seconds = (0.001, 0.0101, 0.05, 0.1)[i % 4]
                        start = time.monotonic()
                        eq(client.raw(*command, seconds), NULL_ARRAY[resp], command)
                        assert time.monotonic() - start >= seconds, command
                    for command in (("BLMPOP", "LEFT"), ("BZMPOP", "MIN")):
                        eq(client.raw(command[0], 0.01, 1, "k", command[1]), NULL_ARRAY[resp])
            eq(server.info()["blocked_clients"], "0")
            eq(server.info()["clients_in_timeout_table"], "0")


def test_timeouts_end_in_their_order():
    """On one worker, whatever else it does: each notes when it can go on."""
    with Server(*ONE) as server:
        waits = [0.2, 0.05, 0.15, 0.1, 0.3, 0.25]
        clients = [server.client() for _ in waits]
        for i, (client, wait) in enumerate(zip(clients, waits)):
            client.send_raw(encode("BLPOP", "k", wait) + encode("RPUSH", "order", i))
        for client in clients:
            eq(client.read(), None)
            client.read()
        order = server.client().must("LRANGE", "order", 0, -1)
        eq([int(i) for i in order], sorted(range(len(waits)), key=lambda i: waits[i]))


def test_timeouts_that_are_none():
    wrong = [
        ("x", "not a float or out of range"),
        ("", "not a float or out of range"),
        ("nan", "not a float or out of range"),
        ("-1", "negative"),
        ("-0.1", "negative"),
        ("-inf", "negative"),
        ("inf", "out of range"),
        ("1e20", "out of range"),
        ("9223372036854775.807", "out of range"),
        ("0x7FFFFFFFFFFFFF", "out of range"),
    ]
    with Server() as server:
        client = server.client()
        for text, why in wrong:
            for command in WAITING:
                eq(client.command(*command, text), f"ERR timeout is {why}", (command, text))
            for command in (("BLMPOP", "LEFT"), ("BZMPOP", "MIN")):
                eq(client.command(command[0], text, 1, "k", command[1]), f"ERR timeout is {why}")
        client.send("BLPOP", "k", "-0.0001")  # rounds to 0: for ever
        assert client.quiet(0.05)


def test_unblock():
    for args in (ONE, FOUR):
        with Server(*args) as server:
            s = Scene(server)
            unblocked = b"-UNBLOCKED client unblocked via CLIENT UNBLOCK\r\n"
            for how, want in (
                ((), b"*-1\r\n"),
                (("TIMEOUT",), b"*-1\r\n"),
                (("ERROR",), unblocked),
            ):
                for name in "abcd":
                    identity = s.id_of(name)
                    s.do(name, "BLMOVE", "k", "j", "LEFT", "LEFT", 0)
                    told = s.do("p", "CLIENT", "UNBLOCK", identity, *how)
                    eq(told, {"p": b":1\r\n", name: want})
                    eq(s.one("p", "CLIENT", "UNBLOCK", identity), b":0\r\n")
            eq(s.do("p", "RPUSH", "k", 1), {"p": b":1\r\n"})
            eq(s.one("p", "CLIENT", "UNBLOCK", "x")[:5], b"-ERR ")
            eq(s.one("p", "CLIENT", "UNBLOCK", 1, "SOON")[:5], b"-ERR ")
            eq(s.one("p", "CLIENT", "UNBLOCK", -1), b":0\r\n")
            eq(s.one("p", "CLIENT", "UNBLOCK", 1 << 60), b":0\r\n")


def test_a_client_that_left_takes_nothing():
    for args in (ONE, FOUR):
        with Server(*args) as server:
            s = Scene(server)
            for name in "abcd":
                s.do(name, "BLPOP", "k", "j", 0)
            s.leave("a")
            s.leave("c")
            told = s.do("p", "RPUSH", "k", 1, 2, 3)
            eq(sorted(told), ["b", "d", "p"])
            eq(s.control.command("LRANGE", "k", 0, -1), [b"3"])
            eq(server.info()["total_blocking_keys"], "0")


def test_killed_while_blocked():
    for args in (ONE, FOUR):
        with Server(*args) as server:
            s = Scene(server)
            identity = s.id_of("a")
            s.do("a", "BLPOP", "k", 0)
            s.do("b", "BLPOP", "k", 0)
            eq(s.control.command("CLIENT", "KILL", "ID", identity), 1)
            eq(s.clients["a"].read_until_closed(), b"")
            s.pending.discard("a")
            told = s.do("p", "RPUSH", "k", 1)
            eq(sorted(told), ["b", "p"])


def test_half_closed_is_gone():
    """A client that will send nothing more is closed, as in Redis, and takes nothing."""
    with Server(*FOUR) as server:
        s = Scene(server)
        s.do("a", "BLPOP", "k", 0)
        s.clients["a"].sock.shutdown(1)
        eq(s.clients["a"].read_until_closed(), b"")
        wait_until(lambda: s.blocked() == 0)
        s.pending.discard("a")
        eq(s.do("p", "RPUSH", "k", 1), {"p": b":1\r\n"})


def test_shutdown_with_blocked_clients():
    for args in (ONE, FOUR):
        with Server(*args) as server:
            clients = [server.client() for _ in range(10)]
            for i, client in enumerate(clients):
                client.send("BLPOP", f"k{i % 3}", "other", 0 if i % 2 else 100)
            wait_until(lambda: server.info()["blocked_clients"] == "10")
            eq(server.stop(), 0)
            for client in clients:
                eq(client.read_until_closed(), b"")


# --- what else the client says --------------------------------------------------------------------


def test_pipelined_input_waits():
    for args in (ONE, FOUR):
        with Server(*args) as server:
            control, client, other = (server.client() for _ in range(3))
            client.send_raw(
                b"".join(
                    encode(*c)
                    for c in (
                        ("ECHO", "before"),
                        ("BLPOP", "k", 0),
                        ("ECHO", "between"),
                        ("BLPOP", "k", 0),
                        ("SET", "done", 1),
                        ("RESET",),
                        ("ECHO", "after"),
                    )
                )
            )
            eq(client.read(), b"before")
            wait_until(lambda: server.info(client=control)["blocked_clients"] == "1")
            eq(control.command("RPUSH", "k", 1), 1)
            eq(client.read(), [b"k", b"1"])
            eq(client.read(), b"between")
            eq(control.command("EXISTS", "done"), 0)
            eq(other.command("RPUSH", "k", 2), 1)
            eq([client.read() for _ in range(4)], [[b"k", b"2"], "OK", "RESET", b"after"])


def test_a_pusher_that_waits_behind_its_push():
    """In one packet: whoever waited already comes first."""
    for args in (ONE, FOUR):
        with Server(*args) as server:
            s = Scene(server)
            s.do("a", "BLPOP", "k", 0)
            pusher = server.client()
            pusher.send_raw(encode("LPUSH", "k", 1) + encode("BLPOP", "k", 0))
            eq(s.clients["a"].read(), [b"k", b"1"])
            eq(pusher.read(), 1)
            assert pusher.quiet(0.05)


def test_replies_that_are_off():
    for args in (ONE, FOUR):
        with Server(*args) as server:
            s = Scene(server)
            client = s.client("a")
            client.send("CLIENT", "REPLY", "SKIP")
            client.send("BLPOP", "k", 0)
            client.send("ECHO", "heard")
            wait_until(lambda: s.blocked() == 1)
            s.do("p", "RPUSH", "k", 1, 2)
            eq(client.read(), b"heard")
            client.send("CLIENT", "REPLY", "OFF")
            client.send("BLPOP", "none", 0.01)
            client.send("BLPOP", "k", 0.01)
            client.send("CLIENT", "REPLY", "ON")
            eq(client.read(), "OK")
            eq(s.control.command("EXISTS", "k"), 0)


def test_values_of_all_sizes():
    with Server(*FOUR) as server:
        s = Scene(server)
        for size in (0, 1, 1000, 16383, 16384, 100_000, 3_000_000):
            value = os.urandom(size)
            for name in "abcd":
                s.do(name, "BLPOP", "k", 0)
                told = s.do("p", "RPUSH", "k", value)
                eq(decode(told[name]), [b"k", value])


def test_paused_writes():
    """Who waits goes on waiting and times out; who comes is not blocked but paused."""
    with Server(*FOUR) as server:
        s = Scene(server)
        waiting, late, pusher = (server.client() for _ in range(3))
        late_id = late.command("CLIENT", "ID")
        waiting.send("BLPOP", "k", 1)
        wait_until(lambda: s.blocked() == 1)
        s.control.must("CLIENT", "PAUSE", 100000, "WRITE")
        eq(waiting.read(), None)
        late.send("BLPOP", "k", 0)
        pusher.send("RPUSH", "k", 1)
        assert late.quiet(0.05) and pusher.quiet(0.01)
        eq(s.blocked(), 0)
        eq(s.control.command("CLIENT", "UNBLOCK", late_id), 0)
        s.control.must("CLIENT", "UNPAUSE")
        eq(pusher.read(), 1)
        eq(late.read(), [b"k", b"1"])


def test_what_the_server_tells_of_them():
    for args in (ONE, FOUR):
        with Server(*args, "--slowlog-log-slower-than", "0") as server:
            s = Scene(server)
            control = s.control

            def info(section, field):
                return server.info(section, control).get(field)

            def calls(command):
                line = info("commandstats", f"cmdstat_{command}")
                return line and dict(part.split("=") for part in line.split(","))["calls"]

            def slow(command):
                return sum(entry[3][0] == command for entry in control.must("SLOWLOG", "GET", -1))

            s.client("a").must("CLIENT", "SETNAME", "waiter")
            identity = s.id_of("b")
            s.do("a", "BLPOP", "k", "j", 0)
            s.do("b", "BLPOP", "k", 1000)
            s.do("c", "BZPOPMIN", "z", 0)
            eq(info("clients", "blocked_clients"), "3")
            eq(info("clients", "total_blocking_keys"), "3")
            eq(info("clients", "total_blocking_keys_on_nokey"), "0")
            eq(info("clients", "clients_in_timeout_table"), "1")
            lines = control.must("CLIENT", "LIST").decode().splitlines()
            mine = [line for line in lines if "cmd=blpop" in line or "cmd=bzpopmin" in line]
            eq(len(mine), 3)
            assert all(" flags=b " in line and " argv-mem=0 " not in line for line in mine), mine
            eq(calls("blpop"), None)
            eq(slow(b"BLPOP"), 0)
            s.do("p", "RPUSH", "k", 1)
            eq(calls("blpop"), "1")
            entry = next(e for e in control.must("SLOWLOG", "GET", -1) if e[3][0] == b"BLPOP")
            eq(entry[3], [b"BLPOP", b"k", b"j", b"0"])
            eq(entry[5], b"waiter")
            s.do("p", "CLIENT", "UNBLOCK", identity)
            eq(calls("blpop"), "2")
            eq(info("clients", "blocked_clients"), "1")


# --- the log --------------------------------------------------------------------------------------


def logged(server):
    """The commands of the append-only file's increment."""
    directory = server.path("appendonlydir")
    name = next(n for n in sorted(os.listdir(directory)) if n.endswith(".incr.aof"))
    with open(os.path.join(directory, name), "rb") as f:
        data = f.read()
    out, at = [], 0
    while at < len(data):
        end = harness.reply_end(data, at)
        out.append([x.lower() for x in decode(data[at:end])])
        at = end
    return out


def log_script(s):
    s.do("p", "RPUSH", "direct", 1, 2, 3)
    s.do("a", "BLPOP", "none", "direct", 0)
    s.do("a", "BLMOVE", "direct", "other", "LEFT", "RIGHT", 0)
    s.do("a", "BRPOPLPUSH", "direct", "other", 0)
    s.do("a", "BLMPOP", 0, 2, "none", "other", "LEFT", "COUNT", 5)
    s.do("a", "BLPOP", "k", "j", 0)
    s.do("b", "BRPOP", "k", 0)
    s.do("c", "BLMOVE", "k", "moved", "LEFT", "RIGHT", 0)
    s.do("d", "BRPOPLPUSH", "moved", "again", 0)
    s.do("e", "BLMPOP", 0, 1, "k", "RIGHT", "COUNT", 2)
    s.do("p", "RPUSH", "k", 1, 2, 3, 4, 5, 6)
    s.do("a", "BZPOPMIN", "z", 0)
    s.do("b", "BZPOPMAX", "z", 0)
    s.do("c", "BZMPOP", 0, 1, "z", "MAX", "COUNT", 2)
    s.do("p", "ZADD", "z", 1, "a", 2, "b", 3, "c", 4, "d", 5, "e")
    s.control.command("BLPOP", "none", 0.01)
    s.do("p", "SET", "string", 1)
    s.do("a", "BLMOVE", "k2", "string", "LEFT", "LEFT", 0)
    s.do("p", "RPUSH", "k2", "stays")


def test_logged_as_what_they_did():
    logs, values = [], []
    for server in servers("--appendonly", "yes"):
        s = Scene(server)
        log_script(s)
        values.append(s.keys())
        server.stop()
        logs.append(logged(server))
        server.start()
        eq(Scene(server).keys(), values[-1], "after a restart")
        server.kill()
    for log, value in zip(logs[1:], values[1:]):
        eq(log, logs[0])
        eq(value, values[0])


def test_gated_replies():
    """appendfsync always: what a waiter is told is on disk."""
    with Server(*FOUR, "--appendonly", "yes", "--appendfsync", "always") as server:
        s = Scene(server)
        log_script(s)
        values = s.keys()
        server.kill()
        server.start()
        eq(Scene(server).keys(), values)
