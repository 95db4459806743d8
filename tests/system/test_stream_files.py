"""Streams on their way to disk and back, through either server: payloads, RDB files, the AOF; and
what happens to large ones.
"""
import os
import random
import shutil
import subprocess
import time

import differential
import harness
from harness import ReplyError, Server, eq, reference, timeout, wait_until
from type_tools import lazily_freed

DEBUG = ("--enable-debug-command", "yes")
PARTS = (b"a", b"temperature", b"", b"7", b"-12345", b"x" * 70)


def random_entry(rng):
    """Fields and values: mostly the same fields, so that nodes can leave them out."""
    fields = (
        [b"sensor", b"value"] if rng.random() < 0.7 else rng.choices(PARTS, k=rng.randint(1, 4))
    )
    value = lambda: rng.choice([*PARTS, b"%d" % rng.getrandbits(rng.choice([3, 12, 40, 60]))])
    return [part for field in fields for part in (field, value())]


def stream_commands(rng, key, count):
    """Commands that leave a stream with tombstones and trimmed nodes; the same on any server."""
    made, ms = [], 1
    for _ in range(count):
        ms += rng.choice([0, 0, 1, 5, 10**9])
        made.append(b"%d-%d" % (ms, len(made)))
        yield ("XADD", key, made[-1], *random_entry(rng))
        if rng.random() < 0.2:
            yield ("XDEL", key, *rng.choices(made, k=3))
        if rng.random() < 0.02:
            about = rng.choice(["=", "~"])
            yield ("XTRIM", key, "MAXLEN", about, rng.randint(len(made) // 2, len(made)))
        if rng.random() < 0.01:
            yield ("XTRIM", key, "MINID", "=", rng.choice(made[-20:]))


def group_commands(rng, key, ids):
    """Groups with entries pending, acknowledged, deleted while they are pending, and claimed."""
    for group in range(rng.randint(0, 3)):
        name = f"group{group}"
        yield ("XGROUP", "CREATE", key, name, rng.choice(["0", "$", rng.choice(ids)]))
        for consumer in range(rng.randint(0, 3)):
            count = rng.randint(1, 80)
            yield ("XREADGROUP", "GROUP", name, f"c{consumer}", "COUNT", count, "STREAMS", key, ">")
        yield ("XACK", key, name, *rng.choices(ids, k=len(ids) // 3 + 1))
        yield ("XDEL", key, *rng.choices(ids, k=len(ids) // 9 + 1))
        yield ("XCLAIM", key, name, "claimer", 0, *rng.choices(ids, k=9), "RETRYCOUNT", 7)
    yield ("XGROUP", "CREATECONSUMER", key, "group0", "idle one")


def fill(client, rng, keys):
    for number in range(keys):
        key = f"s{number}"
        client.pipeline(list(stream_commands(rng, key, rng.choice([1, 20, 150, 600]))))
        ids = [entry[0] for entry in client.must("XRANGE", key, "-", "+")] or [b"1-1"]
        client.pipeline(list(group_commands(rng, key, ids)))


def pairs_of(reply):
    return dict(zip(reply[::2], reply[1::2]))


def state(client, key):
    """All that a stream is, without times that pass and nodes of trees."""
    full = pairs_of(client.must("XINFO", "STREAM", key, "FULL", "COUNT", 0))
    full.pop(b"radix-tree-keys")
    full.pop(b"radix-tree-nodes")
    for number, group in enumerate(full[b"groups"]):
        full[b"groups"][number] = pairs_of(group)
        full[b"groups"][number].pop(b"lag")  # is counted otherwise in 7.0
        for consumer in full[b"groups"][number][b"consumers"]:
            consumer[:] = sorted(
                pair for pair in pairs_of(consumer).items() if pair[0] != b"active-time"
            )
    return full


def same_streams(one, other):
    keys = sorted(one.must("KEYS", "*"))
    eq(sorted(other.must("KEYS", "*")), keys)
    for key in keys:
        eq(state(other, key), state(one, key), key)
        eq(other.must("DEBUG", "DIGEST-VALUE", key), one.must("DEBUG", "DIGEST-VALUE", key), key)


def seeded():
    number = differential.seed()
    print(f"SEED={number}")
    return random.Random(number)


def node_count(info):
    """Of a reply to XINFO STREAM; None while there is no stream."""
    return None if isinstance(info, ReplyError) else pairs_of(info)[b"radix-tree-keys"]


def test_payloads_are_the_same_bytes():
    """After the same commands DUMP answers what redis-server's does, at any bounds of nodes."""
    rng = seeded()
    with Server() as ours, reference() as theirs:
        sides = ours.client(), theirs.client()
        compared = 0
        for number in range(40):
            entries, size = rng.choice([(100, 4096), (1, 0), (7, 0), (0, 200), (0, 0), (30, 1)])
            commands = [
                ("CONFIG", "SET", "stream-node-max-entries", entries),
                ("CONFIG", "SET", "stream-node-max-bytes", size),
                *stream_commands(rng, "s", rng.choice([1, 5, 60, 400])),
            ]
            looked = [x for command in commands for x in (command, ("XINFO", "STREAM", "s"))]
            replies = [side.pipeline(looked) for side in sides]
            eq(replies[0][::2], replies[1][::2])
            nodes = [[node_count(reply) for reply in side[1::2]] for side in replies]
            if nodes[0] == nodes[1]:  # else one of the reference's held tombstones only
                eq(sides[0].must("DUMP", "s"), sides[1].must("DUMP", "s"), f"round {number}")
                compared += 1
            for side in sides:
                side.must("DEL", "s")
        assert compared > 15, compared


def test_payloads_travel():
    """RESTORE of what the other server has dumped, groups and all."""
    with Server(*DEBUG) as ours, reference(*DEBUG) as theirs:
        ours, theirs = ours.client(), theirs.client()
        for one, other in ((ours, theirs), (theirs, ours)):
            fill(one, seeded(), 25)
            for key in one.must("KEYS", "*"):
                eq(other.must("RESTORE", key, 0, one.must("DUMP", key)), "OK")
            same_streams(one, other)
            one.must("FLUSHALL"), other.must("FLUSHALL")


def through_a_file(writer, reader):
    kept = ("--dbfilename", "dump.rdb", "--appendonly", "no", *DEBUG)
    with writer(*kept) as first:
        client = first.client()
        fill(client, seeded(), 30)
        eq(client.must("SAVE"), "OK")
        directory = harness.test_dir("load")
        shutil.copy(first.path("dump.rdb"), directory)
        if shutil.which("redis-check-rdb"):
            subprocess.run(
                ["redis-check-rdb", first.path("dump.rdb")], check=True, stdout=subprocess.DEVNULL
            )
        with reader(*kept, directory=directory) as second:
            same_streams(client, second.client())


def test_reference_loads_our_file():
    through_a_file(Server, reference)


def test_we_load_the_references_file():
    through_a_file(reference, Server)


def test_reload_and_copy():
    with Server(*DEBUG) as server:
        client = server.client()
        fill(client, seeded(), 25)
        before = {key: state(client, key) for key in client.must("KEYS", "*")}
        eq(client.must("DEBUG", "RELOAD"), "OK")
        for key, was in before.items():
            eq(state(client, key), was, key)
            eq(client.must("OBJECT", "ENCODING", key), b"stream")
            eq(client.must("COPY", key, "copy", "REPLACE"), 1)
            eq(state(client, "copy"), was, key)
            eq(client.must("DUMP", "copy"), client.must("DUMP", key))


def test_the_aof_is_read_by_either():
    """A base with streams and commands behind it: both servers come to the same."""
    kept = ("--appendonly", "yes", *DEBUG)
    with Server(*kept) as server:
        client = server.client()
        rng = seeded()
        fill(client, rng, 8)
        client.must("BGREWRITEAOF")
        wait_until(lambda: server.info("persistence", client)["aof_rewrite_in_progress"] == "0", 30)
        for key in client.must("KEYS", "*"):
            ids = [entry[0] for entry in client.must("XRANGE", key, "-", "+")] or [b"1-1"]
            client.pipeline([("XADD", key, "*", *random_entry(rng)) for _ in range(20)])
            client.pipeline(list(group_commands(rng, key, ids)))
        before = {key: state(client, key) for key in client.must("KEYS", "*")}
        digest = client.must("DEBUG", "DIGEST")
        server.stop()
        directory = harness.test_dir("load")
        shutil.copytree(server.path("appendonlydir"), os.path.join(directory, "appendonlydir"))
        for start in (Server, reference):
            copy = harness.test_dir("copy")
            shutil.copytree(directory, copy, dirs_exist_ok=True)
            with start(*kept, directory=copy) as second:
                eq(second.client().must("DEBUG", "DIGEST"), digest)
                if start is Server:
                    for key, was in before.items():
                        loaded = state(second.client(), key)
                        eq(loaded[b"entries-added"], was[b"entries-added"])
                        eq(loaded[b"last-generated-id"], was[b"last-generated-id"])
                        eq(loaded[b"entries"], was[b"entries"])
                        for group, had in zip(loaded[b"groups"], was[b"groups"], strict=True):
                            eq(group[b"last-delivered-id"], had[b"last-delivered-id"])
                            eq(group[b"pel-count"], had[b"pel-count"])


BIG = 60000


def add_many(client, count, key="big"):
    for start in range(0, count, 5000):
        client.pipeline([("XADD", key, "*", "n", i) for i in range(start, start + 5000)])


@timeout(120)
def test_large_ones_are_freed_by_the_thread():
    """A large stream is handed over, however it goes, and so is what a large group has pending."""
    with Server() as server:
        client = server.client(timeout=60)
        client.must("CONFIG", "SET", "lazyfree-lazy-user-del", "yes")
        add_many(client, BIG)
        client.must("XGROUP", "CREATE", "big", "g", "0")
        client.must("XREADGROUP", "GROUP", "g", "c", "COUNT", 20000, "STREAMS", "big", ">")
        used = client.must("MEMORY", "USAGE", "big")
        assert BIG * 10 < used < BIG * 60, used
        exact = client.must("MEMORY", "USAGE", "big", "SAMPLES", 0)
        assert abs(used - exact) < exact / 6, (used, exact)
        payload_len = len(client.must("DUMP", "big"))
        assert payload_len > BIG * 2, payload_len
        commands = ("XGROUP", "DESTROY", "big", "g"), ("UNLINK", "big"), ("DEL", "big")
        for command in (*commands, ("SET", "big", "x")):
            if not client.must("EXISTS", "big"):
                add_many(client, BIG // 2)
            before = lazily_freed(server, client)
            begin = time.monotonic()
            client.must(*command)
            took = time.monotonic() - begin
            print(command[0], f"{took * 1000:.1f} ms")
            wait_until(lambda: lazily_freed(server, client) > before, 20, "the lazy thread")


def test_a_save_holds_the_cut():
    """What is added, deleted, read and acknowledged after BGSAVE began is not in the file, also of a
    stream that is captured in many slices.
    """

    def content(client, key):
        return client.must("DUMP", key) if key == b"big" else state(client, key)

    with Server("--dbfilename", "dump.rdb", "--appendonly", "no", *DEBUG) as server:
        client = server.client(timeout=60)
        fill(client, seeded(), 12)
        add_many(client, 50000)
        client.must("XGROUP", "CREATE", "big", "g", "0")
        client.must("XREADGROUP", "GROUP", "g", "c", "COUNT", 20000, "STREAMS", "big", ">")
        keys = sorted(client.must("KEYS", "*"))
        before = {key: content(client, key) for key in keys}
        changes = [("BGSAVE",)]
        for key in keys:
            ids = [entry[0] for entry in client.must("XRANGE", key, "-", "+", "COUNT", 300)]
            changes += [("XADD", key, "*", "f", "v"), ("XTRIM", key, "MAXLEN", 30)]
            changes += [("XDEL", key, *ids[:5])] if ids else []
            changes += [("XREADGROUP", "GROUP", "g", "d", "COUNT", 9, "STREAMS", key, ">")]
            changes += [("XACK", key, "g", *ids)] if ids else []
            changes += [("XGROUP", "DESTROY", key, "group0")]
        eq(client.pipeline(changes)[0], "Background saving started")
        wait_until(lambda: server.info("persistence", client)["rdb_bgsave_in_progress"] == "0", 30)
        eq(server.info("persistence", client)["rdb_last_bgsave_status"], "ok")
        assert client.must("XLEN", "big") < 40
        server.restart(hard=True)
        client = server.client(timeout=60)
        eq(sorted(client.must("KEYS", "*")), keys)
        for key in keys:
            eq(content(client, key), before[key], key)
