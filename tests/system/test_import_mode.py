"""Import mode: nothing expires or is evicted by itself, and the client that feeds the data sees
what has expired; and what SCAN and RANDOMKEY remove without it.
"""
import time

from harness import ReplyError, Server, eq, wait_until


def without_cycle(*args):
    server = Server("--enable-debug-command", "local", "--appendonly", "yes", *args)
    with server.client() as client:
        client.must("DEBUG", "SET-ACTIVE-EXPIRE", 0)
    return server


def test_what_expires_stays():
    with Server("--appendonly", "yes", "--enable-debug-command", "local") as server:
        with server.client() as client, server.client() as source:
            client.must("CONFIG", "SET", "import-mode", "yes")
            source.must("CLIENT", "IMPORT-SOURCE", "ON")
            client.must("SET", "s", 1, "PX", 1)
            client.must("HSETEX", "h", "PX", 1, "FIELDS", 1, "f", "v")
            client.must("RPUSH", "l", "a")
            eq(client.must("PEXPIREAT", "l", 5), 1)
            time.sleep(0.3)
            eq(client.must("DBSIZE"), 3)
            for command, gone, there in (
                (("GET", "s"), None, b"1"),
                (("TTL", "s"), -2, 0),
                (("HGETALL", "h"), [], [b"f", b"v"]),
                (("HGET", "h", "f"), None, b"v"),
                (("LLEN", "l"), 0, 1),
                (("EXISTS", "s", "l"), 0, 2),
                (("RANDOMKEY",), None, None),
            ):
                if command[0] != "RANDOMKEY":
                    eq(client.must(*command), gone, f"{command} of others")
                    eq(source.must(*command), there, f"{command} of the source")
                else:
                    assert source.must(*command) is not None
            eq(sorted(source.must("KEYS", "*")), [b"h", b"l", b"s"])
            eq(sorted(source.must("SCAN", 0, "COUNT", 1000)[1]), [b"h", b"l", b"s"])
            eq(client.must("SCAN", 0, "COUNT", 1000, "TYPE", "string")[1], [])
            eq(client.must("DBSIZE"), 3)
            eq(source.must("INCR", "s"), 2)
            eq(source.must("RPUSH", "l", "b"), 2)
            client.must("DEBUG", "LOADAOF")
            eq(source.must("GET", "s"), b"2")
            # Who writes without being the source finds nothing there.
            eq(client.must("RPUSH", "l", "c"), 1)
            client.must("CONFIG", "SET", "import-mode", "no")
            wait_until(lambda: client.must("DBSIZE") == 1)
            eq(client.must("LRANGE", "l", 0, -1), [b"c"])


def test_nothing_is_evicted():
    with Server("--maxmemory-policy", "allkeys-lru") as server, server.client() as client:
        client.pipeline([("SET", f"key:{i}", "x" * 1000) for i in range(1000)])
        client.must("CONFIG", "SET", "import-mode", "yes")
        client.must("CONFIG", "SET", "maxmemory", "100kb")
        time.sleep(0.3)
        eq(client.must("DBSIZE"), 1000)
        reply = client.command("SET", "more", "x")
        assert isinstance(reply, ReplyError) and str(reply).startswith("OOM"), reply
        client.must("CONFIG", "SET", "import-mode", "no")
        wait_until(lambda: client.must("DBSIZE") < 100)


def test_only_in_import_mode():
    with Server() as server, server.client() as client:
        reply = client.command("CLIENT", "IMPORT-SOURCE", "ON")
        assert isinstance(reply, ReplyError), reply
        client.must("CONFIG", "SET", "import-mode", "yes")
        client.must("CLIENT", "IMPORT-SOURCE", "ON")
        assert b" flags=I " in client.must("CLIENT", "INFO")
        eq(client.command("RESET"), "RESET")
        assert b" flags=N " in client.must("CLIENT", "INFO")


def test_scan_removes_what_passes():
    """Of what has expired; KEYS removes nothing."""
    with without_cycle() as server, server.client() as client:
        client.must("SET", "one", 1, "PX", 1)
        client.must("SET", "two", 1, "PX", 1)
        client.must("RPUSH", "three", 1)
        client.must("PEXPIRE", "three", 1)
        client.must("SET", "stays", 1)
        time.sleep(0.05)
        eq(client.must("KEYS", "*"), [b"stays"])
        eq(client.must("DBSIZE"), 4)
        eq(client.must("SCAN", 0, "COUNT", 1000, "MATCH", "t*", "TYPE", "string"), [b"0", []])
        eq(client.must("DBSIZE"), 3)
        eq(client.must("SCAN", 0, "COUNT", 1000)[1], [b"stays"])
        eq(client.must("DBSIZE"), 1)
        eq(server.info("stats", client)["expired_keys"], "3")
        client.must("PEXPIRE", "stays", 1)
        time.sleep(0.05)
        eq(client.must("RANDOMKEY"), None)
        eq(client.must("DBSIZE"), 0)
        client.must("DEBUG", "LOADAOF")
        eq(client.must("DBSIZE"), 0)
