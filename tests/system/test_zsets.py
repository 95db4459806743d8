"""Sorted sets on this server alone: what the log and snapshots bring back, and freeing."""
import random

import groups_zset  # noqa: F401  (registers its generators)
from differential import GENERATORS, seed
from gen import Gen
from harness import Server, eq, wait_until

DEBUG = ("--enable-debug-command", "yes", "--save", "")
LOG = DEBUG + ("--appendonly", "yes", "--io-threads", "4")


def traffic(client, number, batches):
    """Random commands of sorted sets, errors included, but none that make a -0, which a large one
    that has become small loses when it is loaded.
    """
    for batch in range(batches):
        gen = Gen(random.Random(f"{number}/{batch}"), 2)
        commands = [step.args for step in gen.steps(GENERATORS["zset"], 300)]
        client.pipeline(
            [c for c in commands if not {b"-0", b"WEIGHTS"} & {arg.upper() for arg in c}]
        )


def comes_back(*args):
    number = seed()
    print(f"SEED={number}")
    with Server(*LOG, *args) as server:
        client = server.client()
        traffic(client, number, 10)
        digest = client.must("DEBUG", "DIGEST")
        eq(client.command("DEBUG", "LOADAOF"), "OK")
        eq(client.must("DEBUG", "DIGEST"), digest)
        client.must("BGREWRITEAOF")
        traffic(client, number + 1, 10)  # while sorted sets are captured
        digest = client.must("DEBUG", "DIGEST")
        eq(client.command("DEBUG", "LOADAOF"), "OK")
        eq(client.must("DEBUG", "DIGEST"), digest)
        eq(client.command("DEBUG", "RELOAD"), "OK")
        eq(client.must("DEBUG", "DIGEST"), digest)


def test_log_brings_sorted_sets_back():
    comes_back()


def test_log_brings_large_ones_back():
    comes_back("--zset-max-listpack-entries", "0")


def lazily_freed(server, client):
    return int(server.info("memory", client)["lazyfreed_objects"])


def test_large_ones_are_freed_lazily():
    with Server(*DEBUG) as server:
        client = server.client()
        pairs = [x for i in range(1000) for x in (i, f"m{i}")]
        client.must("ZADD", "many", *pairs)
        client.must("ZADD", "few", *pairs[:200])
        client.must("COPY", "many", "again")
        client.must("DEL", "again")
        client.must("UNLINK", "few")
        eq(lazily_freed(server, client), 0)
        client.must("UNLINK", "many")
        wait_until(lambda: lazily_freed(server, client) == 1)
        eq(client.must("EXISTS", "many", "few", "again"), 0)


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
