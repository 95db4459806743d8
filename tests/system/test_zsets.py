"""Sorted sets on this server alone: what the log and snapshots bring back, and freeing."""
import groups_zset  # noqa: F401  (registers its generators)
from harness import Server, eq, wait_until
from type_tools import DEBUG, comes_back, lazily_freed


def keeps_zeros(command):
    """Not one that makes a -0, which a large one that has become small loses when it is loaded."""
    return not {b"-0", b"WEIGHTS"} & {arg.upper() for arg in command}


def test_log_brings_sorted_sets_back():
    comes_back(["zset"], wanted=keeps_zeros)


def test_log_brings_large_ones_back():
    comes_back(["zset"], "--zset-max-listpack-entries", "0", wanted=keeps_zeros)


def test_large_ones_are_freed_lazily():
    with Server(*DEBUG) as server:
        client = server.client()
        pairs = [x for i in range(1000) for x in (i, f"m{i}")]
        client.must("ZADD", "many", *pairs[:600])
        client.must("ZADD", "few", *pairs[:200])
        client.must("COPY", "many", "again")
        client.must("DEL", "again")
        client.must("UNLINK", "few")
        eq(lazily_freed(server, client), 0)
        client.must("UNLINK", "many")
        wait_until(lambda: lazily_freed(server, client) == 1)
        client.must("ZADD", "stalls", *pairs)  # large enough to be freed so by any command
        client.must("DEL", "stalls")
        wait_until(lambda: lazily_freed(server, client) == 2)
        eq(client.must("EXISTS", "many", "few", "again", "stalls"), 0)


def test_limits_follow_configuration():
    with Server(*DEBUG) as server:
        client = server.client()
        for entries, value in ((3, 64), (128, 2)):
            client.must("FLUSHALL")
            client.must("CONFIG", "SET", "zset-max-ziplist-entries", entries)
            client.must("CONFIG", "SET", "zset-max-listpack-value", value)
            client.must("ZADD", "k", 1, "aa", 2, "bb", 3, "cc")
            eq(client.must("OBJECT", "ENCODING", "k"), b"listpack")
            client.must("ZADD", "k", 4, "ddd")
            eq(client.must("OBJECT", "ENCODING", "k"), b"skiplist")
            client.must("CONFIG", "SET", "zset-max-ziplist-entries", 4)
            client.must("CONFIG", "SET", "zset-max-listpack-value", 3)
            client.must("ZUNIONSTORE", "k", 1, "k")
            eq(client.must("OBJECT", "ENCODING", "k"), b"listpack")
