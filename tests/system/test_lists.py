"""Lists on this server alone: what the log and snapshots bring back, their encodings, and freeing."""
import random
import re
import threading
import time

import groups_list  # noqa: F401  (registers its generators)
from differential import seed, with_footer
from harness import Server, eq, reference, wait_until
from type_tools import DEBUG, LOG, comes_back, digest_of, encoding, lazily_freed


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
        client.must("CONFIG", "SET", "list-compress-depth", 2)
        client.must("RESTORE", "packed", 0, client.must("DUMP", "k"))
        whole = client.must("MEMORY", "USAGE", "packed", "SAMPLES", 0)
        for samples in (3, 5, 1000):
            usage = client.must("MEMORY", "USAGE", "packed", "SAMPLES", samples)
            assert whole * 0.8 < usage < whole * 1.2, (samples, usage, whole)


def test_debug_object_says_the_nodes():
    """As redis-server says them, whose nodes are of the same size for elements of one size."""
    args = (*DEBUG, "--list-max-listpack-size", "4", "--list-compress-depth", "2")
    with Server(*args) as server, reference(*args) as redis:
        said = []
        for client in (server.client(), redis.client()):
            client.must("RPUSH", "k", *["many words, many words"] * 99)
            said.append(re.findall(r" (ql_\w+:\S+)", client.must("DEBUG", "OBJECT", "k")))
        eq(said[0], said[1])
        eq(said[0][3], "ql_compressed:1")


PACKED = ("--list-max-listpack-size", "4", "--list-compress-depth", "1")


def test_log_brings_packed_lists_back():
    comes_back(["list"], *PACKED)


def test_log_of_commands_brings_packed_lists_back():
    comes_back(["list"], *PACKED, "--aof-use-rdb-preamble", "no")


def usage(client, key):
    return client.must("MEMORY", "USAGE", key, "SAMPLES", 0)


def test_depth_is_of_the_list():
    """A list keeps the depth it had when it grew past one node or was loaded, and so do copies."""
    with Server(*DEBUG, "--list-max-listpack-size", "1") as server:
        client = server.client()
        value, raw, packed = "x" * 1000, 10 * 1000, 3 * 1000
        client.must("RPUSH", "plain", *[value] * 10)
        client.must("CONFIG", "SET", "list-compress-depth", 1)
        eq(client.must("CONFIG", "GET", "list-compress-depth"), [b"list-compress-depth", b"1"])
        client.must("RPUSH", "packed", *[value] * 10)
        client.must("RPUSH", "plain", value)
        client.must("COPY", "plain", "plain2")
        assert usage(client, "plain") > raw and usage(client, "plain2") > raw
        assert 2 * 1000 < usage(client, "packed") < packed + 10 * 64
        client.must("CONFIG", "SET", "list-compress-depth", 0)
        client.must("COPY", "packed", "packed2")
        client.must("LPUSH", "packed", value)
        assert usage(client, "packed") < packed + 11 * 64
        assert usage(client, "packed2") < packed + 10 * 64
        client.must("RESTORE", "packed3", 0, client.must("DUMP", "packed"))
        assert usage(client, "packed3") > raw
        client.must("CONFIG", "SET", "list-compress-depth", 3)
        client.must("DEBUG", "RELOAD")
        for key in ("plain", "packed", "packed3"):
            assert 6 * 1000 < usage(client, key) < 7 * 1000 + 11 * 64, key


def test_memory_of_packed_lists_is_counted():
    """What reads and changes them leaves no more behind than the list is said to take."""
    with Server(*DEBUG, "--list-compress-depth", "1") as server:
        client = server.client()

        def used():
            return int(server.info("memory", client)["used_memory"])

        empty = used()
        for i in range(200):
            client.must("RPUSH", "k", *[b"text and more text, number %d" % i] * 50)
        assert abs(used() - empty - usage(client, "k")) < 100 * 1024
        before, size = used(), usage(client, "k")
        assert size < 10000 * 29 / 3
        for i in range(0, 10000, 97):
            client.must("LINDEX", "k", i)
            client.must("LPOS", "k", b"text and more text, number %d" % (i // 50))
            client.must("LRANGE", "k", i, i + 500)
            client.must("LSET", "k", i, client.must("LINDEX", "k", i))
        eq(usage(client, "k"), size)
        assert abs(used() - before) < 100 * 1024, (used(), before)


def test_packed_lists_are_saved_while_they_change():
    """Clients on several threads read, change and free packed lists while snapshots are written."""
    number = seed()
    print(f"SEED={number}")
    with Server(*LOG, *PACKED) as server:
        client = server.client()

        def work(who):
            rng, mine = random.Random(number + who), server.client()
            for _ in range(15):
                batch = []
                for _ in range(60):
                    key, index = "list:%d" % rng.randrange(4), rng.randrange(-300, 300)
                    word = "a text of words, " * rng.randrange(1, 9)
                    batch += rng.choice(
                        [
                            [["RPUSH", key, *[word] * 30], ["LRANGE", key, index, -1]],
                            [["LPUSH", key, *[word] * 5], ["LSET", key, index, word]],
                            [["LPOS", key, word, "RANK", -1], ["LINSERT", key, "AFTER", word, "x"]],
                            [["LREM", key, 3, word], ["LMOVE", key, "list:0", "LEFT", "RIGHT"]],
                            [["LTRIM", key, 2, 400], ["LINDEX", key, index], ["DUMP", key]],
                            [["COPY", key, "list:4", "REPLACE"], ["UNLINK", "list:4"]],
                        ]
                    )
                mine.pipeline(batch)

        threads = [threading.Thread(target=work, args=(who,)) for who in range(4)]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            client.command("BGSAVE")
            time.sleep(0.02)
        for thread in threads:
            thread.join()
        wait_until(lambda: server.info("persistence", client)["rdb_bgsave_in_progress"] == "0")
        wanted = digest_of(client)
        client.must("DEBUG", "RELOAD")
        eq(digest_of(client), wanted)
        server.kill()
        server.start()
        eq(digest_of(server.client()), wanted)


def test_damaged_packed_nodes_are_refused():
    """What a payload unpacks to is looked at, and so is what does not unpack."""
    with Server(*DEBUG, *PACKED) as server:
        client = server.client()
        client.must("RPUSH", "k", *["some words, some words, some words"] * 20)
        payload = client.must("DUMP", "k")
        wanted = client.must("LRANGE", "k", 0, -1)
        refused = 0
        for at in range(1, len(payload) - 10):
            for flip in (1, 0x40, 0x80):
                changed = bytearray(payload[:-10])
                changed[at] ^= flip
                reply = client.command("RESTORE", "r", 0, with_footer(bytes(changed)), "REPLACE")
                refused += reply != "OK"
                if reply == "OK":
                    client.must("LRANGE", "r", 0, -1)
                    client.must("LSET", "r", client.must("LLEN", "r") // 2, "changed")
        assert refused > len(payload)
        client.must("RESTORE", "r", 0, payload, "REPLACE")
        eq(client.must("LRANGE", "r", 0, -1), wanted)
