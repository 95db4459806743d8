"""Answers to blocked clients that another worker sends: on connections that are full, to clients
that are killed at that moment, and what CLIENT LIST, CLIENT UNBLOCK and INFO say about them.
"""
import os
import random
import threading
import time

from harness import Closed, Server, eq, timeout, wait_until

SECONDS = float(os.environ.get("ITER", 1000)) / 500


def fields_of(control, identity):
    line = control.must("CLIENT", "LIST", "ID", identity).decode()
    return dict(field.split("=", 1) for field in line.split())


def identity_of(client):
    return client.must("CLIENT", "ID")


def wait_blocked(control, identity):
    wait_until(lambda: "b" in fields_of(control, identity)["flags"], every=0)


def crossed(server):
    """A client and one of another worker."""
    return server.client(), server.client()


@timeout(60)
def test_full_connections():
    """Elements of all sizes to a client that reads late: every byte arrives, in order."""
    seed = int(os.environ.get("SEED", random.randrange(1 << 30)))
    print("seed", seed)
    rng = random.Random(seed)
    with Server("--io-threads", "2") as server:
        reading, pushing = crossed(server)
        identity = identity_of(reading)
        sizes = [0, 1, 16383, 16384, 65000, 65536, 300000]
        for _ in range(8):
            waits = [rng.choice(sizes) + rng.randrange(3) for _ in range(20)]
            # Unread replies fill the buffers on the way, to a point that differs.
            pushing.must("SET", "filler", b"f" * rng.randrange(1, 3000000))
            reading.send("GET", "filler")
            for i, size in enumerate(waits):
                if i == 0:
                    time.sleep(0.02)
                reading.send("BLPOP", "q", 0)
                wait_blocked(pushing, identity)
                pushing.must("RPUSH", "q", bytes([97 + i]) * size)
            eq(len(reading.read()), len(pushing.must("GET", "filler")))
            for i, size in enumerate(waits):
                key, element = reading.read()
                eq(key, b"q")
                assert element == bytes([97 + i]) * size, f"element {i} of {size} bytes"
            eq(reading.command("PING"), "PONG")
        eq(fields_of(pushing, identity)["omem"], "0")


@timeout(60)
def test_what_is_said_of_an_answered_client():
    with Server("--io-threads", "2") as server:
        waiting, pushing = crossed(server)
        identity = identity_of(waiting)
        for turn in range(50):
            if turn % 10 == 0:
                time.sleep(0.3)  # its worker ticks slowly then
            before = int(server.info("stats", pushing)["total_net_output_bytes"])
            waiting.send("BLPOP", "q", 5)
            wait_blocked(pushing, identity)
            eq(server.info("clients", pushing)["blocked_clients"], "1")
            pushing.must("RPUSH", "q", "x" * 1000)
            reply = waiting.read()
            eq(pushing.must("CLIENT", "UNBLOCK", identity), 0)
            eq(fields_of(pushing, identity)["flags"], "N")
            eq(reply, [b"q", b"x" * 1000])
            info = server.info("clients", pushing)
            eq(info["blocked_clients"], "0")
            if turn % 2:  # it goes on, or its worker hears of it by itself
                eq(waiting.command("PING"), "PONG")
            wait_until(
                lambda: server.info("clients", pushing)["clients_in_timeout_table"] == "0", every=0
            )
            after = int(server.info("stats", pushing)["total_net_output_bytes"])
            assert after - before >= 1000, "the answer was not counted"


def test_commands_that_wait_behind():
    """What was sent behind a blocking command goes on at once when that is answered."""
    with Server("--io-threads", "2") as server:
        waiting, pushing = crossed(server)
        identity = identity_of(waiting)
        spent = 0
        for turn in range(6):
            waiting.send_raw(b"BLPOP q 0\r\n" + b"PING\r\n" * turn + b"ECHO done\r\n")
            wait_blocked(pushing, identity)
            time.sleep(0.3)
            began = time.monotonic()
            pushing.must("RPUSH", "q", "x")
            eq(waiting.read(), [b"q", b"x"])
            for _ in range(turn):
                eq(waiting.read(), "PONG")
            eq(waiting.read(), b"done")
            spent += time.monotonic() - began
        print("seconds", spent)
        assert spent < 6 * 0.02, "its worker was not told"


@timeout(120)
def test_killed_while_answered():
    """Kills and answers meet; whoever gets the descriptor next hears nothing that is not for it."""
    with Server("--io-threads", "4") as server:
        end = time.monotonic() + SECONDS
        wrong, lost = [], []

        def run(number, rng):
            control, pushing = server.client(), server.client()
            pushed = 0
            while time.monotonic() < end and not wrong:
                with server.client() as victim:
                    eq(victim.command("ECHO", f"{number}.{pushed}"), b"%d.%d" % (number, pushed))
                    identity = identity_of(victim)
                    for _ in range(rng.randrange(3)):
                        victim.send("BLPOP", f"q{number}", 0)
                        pushing.must("RPUSH", f"q{number}", pushed)
                        eq(victim.read(), [b"q%d" % number, b"%d" % pushed])
                        pushed += 1
                    victim.send("BLPOP", f"q{number}", 0)
                    wait_blocked(control, identity)
                    first, second = (control, pushing) if rng.random() < 0.5 else (pushing, control)
                    for who in (first, second):
                        if who is control:
                            who.send("CLIENT", "KILL", "ID", identity)
                        else:
                            who.send("RPUSH", f"q{number}", pushed)
                    eq(control.read(), 1)
                    pushing.read()
                    try:
                        eq(victim.read(), [b"q%d" % number, b"%d" % pushed])
                    except (Closed, ConnectionError):
                        left = pushing.must("LPOP", f"q{number}")
                        assert left in (None, b"%d" % pushed), left
                        lost.append(left is None)
                    pushed += 1

        def guarded(number, rng):
            try:
                run(number, rng)
            except BaseException as error:
                wrong.append(error)

        threads = [
            threading.Thread(target=guarded, args=(i, random.Random(i)), daemon=True)
            for i in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(SECONDS + 60)
        if wrong:
            raise wrong[0]
        print(len(lost), "killed first,", sum(lost), "answers lost")
        eq(server.info("clients")["blocked_clients"], "0")
        eq(server.stop(), 0)
