"""Lists on this server alone: what the log and snapshots bring back, their encodings, and freeing."""
import groups_list  # noqa: F401  (registers its generators)
from harness import Server, eq, wait_until
from type_tools import DEBUG, comes_back, encoding, lazily_freed


def test_log_brings_lists_back():
    comes_back(["list"], "--list-max-listpack-size", "4")


def test_log_of_commands_brings_lists_back():
    comes_back(["list"], "--aof-use-rdb-preamble", "no")


def test_encodings():
    """As redis-server from 7.2 on: up past the limit, down below half of it; by count and by bytes."""
    with Server(*DEBUG) as server:
        client = server.client()
        client.must("CONFIG", "SET", "list-max-listpack-size", 10)
        client.must("RPUSH", "k", *range(10))
        eq(encoding(client, "k"), b"listpack")
        client.must("RPUSH", "k", 10)
        eq(encoding(client, "k"), b"quicklist")
        client.must("LTRIM", "k", 0, 5)
        eq(encoding(client, "k"), b"quicklist")
        client.must("LPOP", "k")
        eq(encoding(client, "k"), b"listpack")
        client.must("CONFIG", "SET", "list-max-listpack-size", -1)
        client.must("RPUSH", "b", "x" * 4089)
        eq(encoding(client, "b"), b"listpack")
        client.must("RPUSH", "b", "y")
        eq(encoding(client, "b"), b"quicklist")
        client.must("DEBUG", "QUICKLIST-PACKED-THRESHOLD", 3)
        client.must("RPUSH", "p", "ab")
        eq(encoding(client, "p"), b"listpack")
        client.must("RPUSH", "p", "abc")
        eq(encoding(client, "p"), b"quicklist")
        for key in "kbp":
            payload = client.must("DUMP", key)
            client.must("RESTORE", key + "2", 0, payload)
            eq(client.must("LRANGE", key, 0, -1), client.must("LRANGE", key + "2", 0, -1))
            eq(encoding(client, key), encoding(client, key + "2"), key)
            client.must("COPY", key, key + "3")
            eq(encoding(client, key), encoding(client, key + "3"), key)


def test_large_lists_are_freed_lazily():
    with Server(*DEBUG, "--list-max-listpack-size", "1") as server:
        client = server.client()
        client.must("RPUSH", "few", *range(64))
        client.must("RPUSH", "many", *range(65))
        client.must("COPY", "many", "again")
        client.must("DEL", "again")
        client.must("UNLINK", "few")
        eq(lazily_freed(server, client), 0)
        client.must("UNLINK", "many")
        wait_until(lambda: lazily_freed(server, client) == 1)
        client.must("CONFIG", "SET", "lazyfree-lazy-user-del", "yes")
        client.must("RPUSH", "many", *range(65))
        client.must("DEL", "many")
        wait_until(lambda: lazily_freed(server, client) == 2)


def test_memory_usage_is_sampled():
    with Server(*DEBUG) as server:
        client = server.client()
        for _ in range(50):
            client.must("RPUSH", "k", *["x" * 100] * 100)
        whole = client.must("MEMORY", "USAGE", "k", "SAMPLES", 0)
        assert whole > 50 * 100 * 100
        for samples in (1, 5, 1000):
            usage = client.must("MEMORY", "USAGE", "k", "SAMPLES", samples)
            assert whole * 0.8 < usage < whole * 1.2, (samples, usage, whole)
