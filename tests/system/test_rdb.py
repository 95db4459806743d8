"""RDB files: what one server saved the other loads, both ways, and a restart finds what SAVE left.
"""
import os
import random
import shutil
import threading
import time

import differential
import groups_bitmap  # noqa: F401  (registers its generators)
import groups_generic  # noqa: F401
import groups_string  # noqa: F401
import harness
from differential import GENERATORS, Pair
from gen import Gen
from harness import Server, eq, reference, wait_until

KEPT = ("--dbfilename", "dump.rdb", "--appendonly", "no")


def populate(client, number):
    """A thousand random commands over several databases; replies do not matter here."""
    gen = Gen(random.Random(number), 2)
    entries = [e for group in ("string", "bitmap", "generic") for e in GENERATORS[group]]
    steps = gen.steps(entries, 1000)
    client.exchange(b"".join(differential.encode(*s.args) for s in steps), len(steps))
    commands = [("SELECT", 3)]
    for i in range(500):
        commands.append(("SET", f"i{i}", gen.integer_text()))
        commands.append(("SET", f"v{i}", gen.value()))
        commands.append(("SET", f"t{i}", "x", "PXAT", 5000000000000 + i))
        commands.append(("SET", f"gone{i}", "x", "PXAT", 1000 + i))
    commands += [("SET", "compressible", b"abc" * 30000), ("SET", b"\0binary\xff", b"\0" * 50)]
    client.pipeline(commands)


def save_and_load(writer, reader):
    """Saves the writer's data, starts the reader on the file, and compares the two key spaces."""
    number = differential.seed()
    print(f"SEED={number}")
    with writer(*KEPT) as first:
        client = first.client(timeout=60)
        populate(client, number)
        eq(client.command("SAVE"), "OK")
        directory = harness.test_dir("load")
        shutil.copy(first.path("dump.rdb"), directory)
        with reader(*KEPT, directory=directory) as second:
            sides = (first.client(timeout=60), second.client(timeout=60))
            eq(differential.key_spaces_differ(*sides, encodings=False), None)
            assert int(sides[0].must("DBSIZE")) > 0


def test_reference_loads_what_we_saved():
    save_and_load(Server, reference)


def test_we_load_what_the_reference_saved():
    save_and_load(reference, Server)


def test_we_load_what_we_saved():
    save_and_load(Server, Server)


def test_restart_after_save():
    """SHUTDOWN SAVE, and a stop by SIGTERM with a save point, keep everything; NOSAVE and kill -9
    keep the last save.
    """
    with Server(*KEPT) as server:
        client = server.client()
        client.must("SET", "a", "1")
        client.send("SHUTDOWN", "SAVE")
        server.ended = True
        eq(server.wait(), 0)
        server.start()
        client = server.client()
        eq(client.command("GET", "a"), b"1")
        client.must("SET", "a", "2")
        server.kill()
        server.start()
        client = server.client()
        eq(client.command("GET", "a"), b"1")
    with Server(*KEPT, "--save", "3600 1") as server:
        server.client().must("SET", "a", "3")
        eq(server.stop(), 0)
        server.start()
        eq(server.client().command("GET", "a"), b"3")


def test_bgsave_while_writing():
    """The file holds the data set as it was when BGSAVE was answered: nothing of what came after."""
    count = 50000
    writes = [("SET", f"k{i}", "new") for i in range(count)]
    writes += [("DEL", f"k{i}") for i in range(0, count, 3)]
    writes += [("SET", f"n{i}", "new") for i in range(1000)]
    with Server(*KEPT) as server:
        client = server.client(timeout=60)
        client.pipeline([("SET", f"k{i}", "old") for i in range(count)])
        reply = client.pipeline([("BGSAVE",)] + writes)[0]
        eq(reply, "Background saving started")
        wait_until(
            lambda: server.info("persistence", client)["rdb_bgsave_in_progress"] == "0",
            30,
            "the save",
        )
        eq(server.info("persistence", client)["rdb_last_bgsave_status"], "ok")
        server.kill()
        server.start()
        client = server.client(timeout=60)
        eq(client.command("DBSIZE"), count)
        eq(set(client.must("MGET", *[f"k{i}" for i in range(count)])), {b"old"})


def test_bgsave_cuts_at_one_moment_of_another_client():
    """Of the writes of another client, sent in order while the save begins, the file has the first so
    many and none of the others.
    """
    count = 100000
    with Server(*KEPT, "--io-threads", "2") as server:
        client, other = server.client(timeout=60), server.client(timeout=60)
        client.pipeline([("SET", f"k{i}", "old") for i in range(count)])
        data = b"".join(differential.encode("SET", f"k{i}", "new") for i in range(count))
        writer = threading.Thread(target=other.exchange, args=(data, count))
        writer.start()
        time.sleep(0.05)
        eq(client.command("BGSAVE"), "Background saving started")
        writer.join()
        wait_until(
            lambda: server.info("persistence", client)["rdb_bgsave_in_progress"] == "0",
            30,
            "the save",
        )
        server.restart(hard=True)
        values = server.client(timeout=60).must("MGET", *[f"k{i}" for i in range(count)])
        done = values.index(b"old") if b"old" in values else count
        eq(set(values[:done]) - {b"new"}, set())
        eq(set(values[done:]) - {b"old"}, set(), f"after {done} writes")
        print(f"the cut was after {done} of {count} writes")


def test_broken_files_are_not_taken_for_whole_ones():
    """A file cut short or changed: the start fails, or the file is set aside untouched, which the
    log says, and what was loaded of it is true.
    """
    with Server(*KEPT) as server:
        client = server.client()
        client.pipeline([("SET", f"k{i}", "v" * 50) for i in range(200)])
        eq(client.command("SAVE"), "OK")
        with open(server.path("dump.rdb"), "rb") as f:
            good = f.read()
    for what, data in (
        ("cut", good[: len(good) // 2]),
        ("no end", good[:-9]),
        ("bad sum", good[:-1] + bytes([good[-1] ^ 1])),
        ("bad magic", b"NOTREDIS" + good[8:]),
        ("future version", b"REDIS9999" + good[9:]),
        ("empty", b""),
    ):
        directory = harness.test_dir("broken")
        with open(os.path.join(directory, "dump.rdb"), "wb") as f:
            f.write(data)
        server = Server(*KEPT, directory=directory, start=False)
        try:
            server.start()
        except AssertionError:
            continue
        with server.client() as client:
            keys = client.must("KEYS", "*")
            assert not keys or set(client.must("MGET", *keys)) == {b"v" * 50}, what
        server.stop()
        kept = [n for n in os.listdir(directory) if n.startswith("dump.rdb")]
        contents = [open(os.path.join(directory, n), "rb").read() for n in kept]
        assert data in contents, f"{what}: the damaged file is gone; there are {kept}"
        assert "damaged" in server.log() or not data, f"{what}: the log does not say so"


def test_a_slowed_save_is_given_up_at_once():
    """rdb-key-save-delay: hours for all keys. Writes go on meanwhile, and so does a shutdown."""
    with Server("--appendonly", "no") as server, server.client() as client:
        client.pipeline([("SET", f"key:{i}", i) for i in range(1000)])
        eq(client.must("CONFIG", "GET", "rdb-key-*"), [])
        eq(client.must("CONFIG", "GET", "rdb-key-save-delay")[1], b"0")
        client.must("CONFIG", "SET", "rdb-key-save-delay", 10000000)
        client.must("BGSAVE")
        client.pipeline([("SET", f"key:{i}", "x") for i in range(1000)])
        eq(server.info("persistence", client)["rdb_bgsave_in_progress"], "1")
        client.send("SHUTDOWN", "NOSAVE")
        eq(server.wait(), 0)
        eq([name for name in os.listdir(server.dir) if name.endswith(".rdb")], [])


def test_a_slowed_load_is_seen_and_can_be_hurried():
    """key-load-delay, which may be changed meanwhile: minutes for all keys, then none."""
    with Server("--appendonly", "no") as server, server.client() as client:
        client.pipeline([("SET", f"key:{i}", i) for i in range(1000)])
        client.must("SAVE")
        server.stop()
        server.args += ("--key-load-delay", "100000")
        server.start(wait=False)
        wait_until(lambda: loading(server) == "1")
        with server.client() as other:
            assert str(other.command("GET", "key:1")).startswith("LOADING"), "not loading"
            other.must("CONFIG", "SET", "key-load-delay", 0)
            wait_until(lambda: loading(server) == "0")
            eq(other.must("DBSIZE"), 1000)


def loading(server):
    try:
        with server.client() as client:
            return server.info("persistence", client)["loading"]
    except OSError:
        return None
