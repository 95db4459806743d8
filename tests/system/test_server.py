"""The process: how it starts, is configured, refuses, expires, keeps within memory, and ends."""
import os
import signal
import subprocess
import time

import harness
from harness import Client, Closed, ReplyError, Server, eq, free_port, in_time, subject_binary
from harness import wait_until


def run_briefly(*args, stdin=None, seconds=10):
    """Runs the server expecting that it ends by itself; (exit code, output)."""
    done = subprocess.run(
        [subject_binary(), *args],
        capture_output=True,
        text=True,
        timeout=seconds,
        input=stdin,
        check=False,
        cwd=harness.test_dir(),
    )
    return done.returncode, done.stdout + done.stderr


def test_sigterm_and_sigint_end_it_well():
    for number in (signal.SIGTERM, signal.SIGINT):
        with Server() as server:
            client = server.client()
            client.must("SET", "k", "v")
            server.ended = True
            server.signal(number)
            eq(server.wait(), 0)


def test_shutdown_command():
    with Server() as server:
        client = server.client()
        client.send("SHUTDOWN", "NOSAVE")
        server.ended = True
        eq(server.wait(), 0)
        eq(client.read_until_closed(), b"")


def test_version_and_help():
    code, text = run_briefly("--version")
    eq(code, 0)
    assert "v=" in text or "version" in text.lower(), text
    code, text = run_briefly("--help")
    assert "Usage" in text or "usage" in text, text


def test_bad_configuration_is_refused():
    """A wrong directive ends the start with a message that names it."""
    for args, word in (
        (("--no-such-directive", "1"), "no-such-directive"),
        (("--port", "hello"), "port"),
        (("--port", "70000"), "port"),
        (("--maxmemory-policy", "sometimes"), "maxmemory-policy"),
        (("/nonexistent/file.conf",), "/nonexistent/file.conf"),
        (("--databases", "0"), "databases"),
        (("--io-threads", "x"), "io-threads"),
    ):
        code, text = run_briefly(*args)
        assert code not in (0, None), f"{args} was accepted"
        assert word in text, f"{args}: {text}"


def test_taken_port_is_refused():
    with Server() as server:
        code, text = run_briefly("--port", str(server.port), "--bind", "127.0.0.1", "--save", "")
        eq(code, 1, text)
        assert "in use" in text, text


def test_who_listens_nowhere_ends():
    for args in (("--port", "0"), ("--bind", "")):
        code, text = run_briefly(*args, "--save", "")
        eq(code, 1, text)
        assert "not listen anywhere" in text, text
    with Server() as server, server.client() as client:
        reply = str(client.command("CONFIG", "SET", "bind", "192.0.2.1"))
        assert "Failed to bind to specified addresses" in reply, reply
        eq(client.command("PING"), "PONG")


def test_dialect_of_fresh_connections():
    with Server("--client-default-resp", "3") as server, server.client() as client:
        client.must("HSET", "h", "f", "v")
        eq(client.must("HGETALL", "h"), {b"f": b"v"})
        client.must("HELLO", 2)
        eq(client.must("HGETALL", "h"), [b"f", b"v"])
        eq(client.command("RESET"), "RESET")
        eq(client.must("HGETALL", "h"), {b"f": b"v"})


def test_configuration_file_and_arguments():
    """Directives of the file count; the command line's come after and win."""
    with Server(
        "--maxclients",
        "77",
        config='maxclients 55\ndatabases 3\n# a comment\nrequirepass "pass word"\n',
    ) as server:
        client = server.client()
        eq(client.command("GET", "k"), "NOAUTH Authentication required.")
        eq(client.command("AUTH", "pass word"), "OK")
        eq(client.command("CONFIG", "GET", "maxclients"), [b"maxclients", b"77"])
        eq(client.command("SELECT", 2), "OK")
        eq(client.command("SELECT", 3), "ERR DB index is out of range")


def test_bind_unix_socket_and_no_port():
    path = os.path.join(harness.test_dir("s"), "sock")
    with Server("--unixsocket", path, "--unixsocketperm", "700") as server:
        eq(os.stat(path).st_mode & 0o777, 0o700)
        with Client(path=path) as client:
            eq(client.command("SET", "k", "v"), "OK")
        with server.client() as client:
            eq(client.command("GET", "k"), b"v")
        eq(server.stop(), 0)
        eq(os.path.exists(path), False, "the socket's file goes with the server")


def test_maxclients():
    with Server("--maxclients", "5") as server:
        clients = []

        def one_more():
            """Connects; the place of an earlier probe may take a moment to be free."""
            client = server.client()
            if client.command("PING") == "PONG":
                clients.append(client)
            return len(clients) == 5

        wait_until(one_more, 10, "five clients to be let in")
        extra = server.client()
        eq(extra.read_until_closed(), b"-ERR max number of clients reached\r\n")
        clients.pop().close()

        def admitted():
            try:
                with server.client() as client:
                    return client.command("PING") == "PONG"
            except (Closed, OSError, harness.ProtocolError):
                return False

        wait_until(admitted, 5, "a place to be free")


def test_idle_timeout():
    with Server("--timeout", "1") as server:
        idle = server.client()
        eq(idle.command("PING"), "PONG")
        began = time.monotonic()
        eq(idle.read_until_closed(8), b"")
        assert in_time(began, 6) > 0.5


def test_expiry_is_exact_on_access():
    """A key is there until its millisecond and never after, whatever command looks."""
    with Server() as server:
        client = server.client()
        for commands in (
            ("GET", "k"),
            ("EXISTS", "k"),
            ("PTTL", "k"),
            ("STRLEN", "k"),
            ("KEYS", "k"),
            ("TYPE", "k"),
        ):
            began = time.monotonic()
            client.must("SET", "k", "v", "PX", 300)
            there = client.command(*commands) not in (None, 0, -2, [], "none")
            assert there or time.monotonic() - began > 0.29, commands
            time.sleep(0.35)
            assert client.command(*commands) in (None, 0, -2, [], "none"), commands
        client.must("SET", "k", "v", "PX", 300)
        time.sleep(0.35)
        eq(client.command("SET", "k", "w", "NX"), "OK")
        eq(client.command("TTL", "k"), -1)


def test_expired_keys_go_without_being_touched():
    with Server() as server:
        client = server.client()
        client.pipeline([("SET", f"k{i}", "v", "PX", 50 + i % 200) for i in range(20000)])
        client.must("SET", "stay", "v")
        wait_until(lambda: client.must("DBSIZE") == 1, 15, "20000 expired keys to be gone")


def used_memory(server, client):
    return int(server.info("memory", client)["used_memory"])


def test_noeviction_refuses_writes_and_nothing_else():
    with Server("--maxmemory", "20mb", "--maxmemory-policy", "noeviction") as server:
        client = server.client()
        refused = 0
        for i in range(400):
            reply = client.command("SET", f"k{i}", b"x" * 100000)
            if isinstance(reply, ReplyError):
                eq(reply, "OOM command not allowed when used memory > 'maxmemory'.")
                refused += 1
        assert refused > 100, refused
        eq(client.command("STRLEN", "k0"), 100000)
        eq(client.command("DEL", "k0", "k1", "k2", "k3", "k4"), 5)
        eq(client.command("SET", "new", "v"), "OK")


def test_eviction_keeps_within_maxmemory():
    for policy in ("allkeys-lru", "allkeys-lfu", "allkeys-random", "volatile-ttl"):
        with Server("--maxmemory", "20mb", "--maxmemory-policy", policy) as server:
            client = server.client()
            extra = ("EX", 100000) if policy.startswith("volatile") else ()
            for start in range(0, 60000, 2000):
                replies = client.pipeline(
                    [("SET", f"key:{i}", b"x" * 1000, *extra) for i in range(start, start + 2000)]
                )
                assert all(
                    r == "OK" for r in replies
                ), f"{policy}: {[r for r in replies if r != 'OK'][:1]}"
            assert client.must("DBSIZE") < 25000, policy
            assert used_memory(server, client) < 24 << 20, policy
            assert int(server.info("stats", client)["evicted_keys"]) > 30000, policy


def test_lru_keeps_what_is_used():
    with Server("--maxmemory", "20mb", "--maxmemory-policy", "allkeys-lru") as server:
        client = server.client()
        hot = [f"hot:{i}" for i in range(200)]
        client.pipeline([("SET", key, b"x" * 1000) for key in hot])
        for start in range(0, 40000, 1000):
            time.sleep(0.1)  # the clock of recency ticks in seconds
            client.pipeline([("SET", f"cold:{i}", b"x" * 1000) for i in range(start, start + 1000)])
            client.pipeline([("GET", key) for key in hot])
        kept = client.must("EXISTS", *hot)
        assert kept > 150, f"only {kept} of 200 keys in use were kept"


def test_port_zero_needs_another_way_in():
    path = os.path.join(harness.test_dir("s"), "sock")
    port = free_port()
    process = subprocess.Popen(
        [subject_binary(), "--port", "0", "--unixsocket", path, "--save", ""],
        stdout=subprocess.DEVNULL,
        cwd=harness.test_dir(),
    )
    try:

        def answers():
            try:
                with Client(path=path) as client:
                    return client.command("PING") == "PONG"
            except OSError:
                return False

        wait_until(answers, 10, "an answer on the unix socket")
        try:
            Client(port).close()
            raise AssertionError("somebody listens on the port")
        except OSError:
            pass
    finally:
        process.terminate()
        eq(process.wait(10 * harness.PATIENCE), 0)
