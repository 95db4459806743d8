"""Sets and hashes on this server alone: what the log and snapshots bring back, and freeing."""
import groups_hash  # noqa: F401  (registers its generators)
import groups_set  # noqa: F401
from harness import Server, eq, wait_until
from type_tools import DEBUG, comes_back, lazily_freed

GROUPS = ["set", "hash"]
SMALL = ("--set-max-listpack-entries", "4", "--hash-max-listpack-entries", "4")


def test_log_brings_them_back():
    comes_back(GROUPS)


def test_log_brings_tables_back():
    comes_back(GROUPS, *SMALL)


def test_log_of_commands_brings_them_back():
    comes_back(GROUPS, "--aof-use-rdb-preamble", "no")


def test_limits_follow_config_set():
    with Server(*DEBUG) as server:
        client = server.client()

        def form(*command):
            client.must("DEL", "k")
            client.must(*command)
            return client.must("OBJECT", "ENCODING", "k")

        client.must("CONFIG", "SET", "set-max-intset-entries", 2)
        client.must("CONFIG", "SET", "set-max-listpack-entries", 3)
        client.must("CONFIG", "SET", "set-max-listpack-value", 4)
        client.must("CONFIG", "SET", "hash-max-ziplist-entries", 2)
        client.must("CONFIG", "SET", "hash-max-ziplist-value", 4)
        eq(form("SADD", "k", 1, 2), b"intset")
        eq(form("SADD", "k", 1, 2, 3), b"listpack")
        eq(form("SADD", "k", 1, 2, 3, 4), b"hashtable")
        eq(form("SADD", "k", "abcd"), b"listpack")
        eq(form("SADD", "k", "abcde"), b"hashtable")
        eq(form("HSET", "k", "f", "abcd", "g", 1), b"listpack")
        eq(form("HSET", "k", "f", "abcde"), b"hashtable")
        eq(form("HSET", "k", "f", 1, "g", 2, "h", 3), b"hashtable")


def test_large_ones_are_freed_lazily():
    with Server(*DEBUG, *SMALL) as server:
        client = server.client()
        client.must("SADD", "few", *["m%d" % i for i in range(64)])
        client.must("SADD", "set", *["m%d" % i for i in range(65)])
        client.must("HSET", "hash", *["m%d" % i for i in range(130)])
        client.must("COPY", "set", "again")
        client.must("DEL", "again")
        client.must("UNLINK", "few")
        eq(lazily_freed(server, client), 0)
        client.must("UNLINK", "set")
        wait_until(lambda: lazily_freed(server, client) == 1)
        client.must("UNLINK", "hash")
        wait_until(lambda: lazily_freed(server, client) == 2)


def test_statistics_of_tables():
    """DEBUG HTSTATS-KEY tells of values that have a table, and only of those."""
    with Server("--enable-debug-command", "local") as server, server.client() as client:
        long = "x" * 100
        client.must("SADD", "s", "a", long)
        client.must("HSET", "h", "a", 1, "b", 2, "c", long)
        client.must("ZADD", "z", 1, long)
        for key, count in (("s", 2), ("h", 3), ("z", 1)):
            text = client.must("DEBUG", "HTSTATS-KEY", key).decode()
            assert f"number of elements: {count}\n" in text, text
        client.must("SADD", "few", "a")
        client.must("SET", "string", "a")
        client.must("RPUSH", "list", "a")
        client.must("XADD", "stream", "*", "a", "b")
        for key in ("few", "string", "list", "stream"):
            reply = str(client.command("DEBUG", "HTSTATS-KEY", key))
            assert reply.startswith("ERR The value stored at the specified key is not"), reply
        eq(str(client.command("DEBUG", "HTSTATS-KEY", "none")), "ERR no such key")


def test_what_was_freed_lazily_is_counted_anew():
    with Server() as server, server.client() as client:
        client.must("SADD", "s", *range(5000), "x")
        client.must("UNLINK", "s")
        wait_until(lambda: lazily_freed(server, client) > 0)
        client.must("CONFIG", "RESETSTAT")
        eq(lazily_freed(server, client), 0)
