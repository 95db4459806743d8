"""Sets and hashes on this server alone: what the log and snapshots bring back, and freeing."""
import random

import groups_hash  # noqa: F401  (registers its generators)
import groups_set  # noqa: F401
from differential import GENERATORS, seed
from gen import Gen
from harness import Server, eq, wait_until

DEBUG = ("--enable-debug-command", "yes", "--save", "")
LOG = DEBUG + ("--appendonly", "yes", "--io-threads", "4")
SMALL = ("--set-max-listpack-entries", "4", "--hash-max-listpack-entries", "4")


def traffic(client, number, batches):
    """Random commands of both groups, errors included."""
    for batch in range(batches):
        for group in ("set", "hash"):
            gen = Gen(random.Random(f"{number}/{group}/{batch}"), 2)
            steps = gen.steps(GENERATORS[group], 300)
            client.pipeline([step.args for step in steps])


def rewritten(server, client):
    client.must("BGREWRITEAOF")
    return wait_until(
        lambda: server.info("persistence", client)["aof_rewrite_in_progress"] == "0"
        and server.info("persistence", client)["aof_rewrite_scheduled"] == "0"
    )


def comes_back(*args):
    number = seed()
    print(f"SEED={number}")
    with Server(*LOG, *args) as server:
        client = server.client()
        traffic(client, number, 5)
        digest = client.must("DEBUG", "DIGEST")
        eq(client.command("DEBUG", "LOADAOF"), "OK")
        eq(client.must("DEBUG", "DIGEST"), digest)
        client.must("BGREWRITEAOF")
        traffic(client, number + 1, 5)  # while values are captured
        digest = client.must("DEBUG", "DIGEST")
        eq(client.command("DEBUG", "LOADAOF"), "OK")
        eq(client.must("DEBUG", "DIGEST"), digest)
        rewritten(server, client)
        eq(client.command("DEBUG", "RELOAD"), "OK")
        eq(client.must("DEBUG", "DIGEST"), digest)
        server.kill()
        server.start()
        eq(server.client().must("DEBUG", "DIGEST"), digest)


def test_log_brings_them_back():
    comes_back()


def test_log_brings_tables_back():
    comes_back(*SMALL)


def test_log_of_commands_brings_them_back():
    comes_back("--aof-use-rdb-preamble", "no")


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


def lazily_freed(server, client):
    return int(server.info("memory", client)["lazyfreed_objects"])


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
