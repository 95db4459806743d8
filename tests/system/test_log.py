"""The append-only file of a whole server: kill -9, rewrites under load, on and off, and redis-server
on the other side of the files.
"""
import os
import random
import shutil
import threading
import time

import harness
from harness import PATIENCE, ReplyError, Server, alone, eq, in_time, reference, timeout
from harness import wait_until

LOG = ("--appendonly", "yes", "--save", "")


class Counter(threading.Thread):
    """Counts keys of its own up, one command at a time, until the server goes away. `acked` is what
    the server has answered, per key."""

    def __init__(self, server, number, pipeline=1):
        super().__init__(daemon=True)
        self.server, self.number, self.pipeline = server, number, pipeline
        self.acked = {}
        self.halt = False

    def key(self, i):
        return f"c{self.number}:{i}"

    def run(self):
        random_ = random.Random(self.number)
        try:
            client = self.server.client()
            while not self.halt:
                keys = [self.key(random_.randrange(50)) for _ in range(self.pipeline)]
                replies = client.pipeline([("INCR", k) for k in keys])
                for k, reply in zip(keys, replies):
                    if isinstance(reply, int):
                        self.acked[k] = reply
        except (OSError, harness.Closed, harness.NoReply):
            pass


def count(server, threads, pipeline, seconds):
    """Counters that have run so long, still running."""
    counters = [Counter(server, i, pipeline) for i in range(threads)]
    for counter in counters:
        counter.start()
    time.sleep(seconds)
    return counters


def finish(counters):
    for counter in counters:
        counter.halt = True
    for counter in counters:
        counter.join(20 * PATIENCE)


def check(client, counters, ahead):
    """Everything acknowledged is there, and nothing that was never asked for."""
    total = 0
    for counter in counters:
        for key, acked in counter.acked.items():
            value = int(client.must("GET", key) or 0)
            assert acked <= value <= acked + ahead, (key, acked, value)
            total += value
    assert total > 0


def test_always_keeps_every_acknowledged_write_after_kill():
    with Server(*LOG, "--appendfsync", "always", "--io-threads", "2") as server:
        for round_ in range(4):
            counters = count(server, 6, 1 + 7 * (round_ % 2), 0.4)
            server.kill()
            finish(counters)
            server.start()
            client = server.client()
            check(client, counters, 8)
            client.must("FLUSHALL")


def test_everysec_loses_no_more_than_was_not_yet_written():
    with Server(*LOG, "--io-threads", "2") as server:
        counters = count(server, 4, 16, 1)
        finish(counters)
        time.sleep(0.3)
        server.kill()
        server.start()
        check(server.client(), counters, 0)


@timeout(60)
def test_rewrites_under_load_lose_and_double_nothing():
    with Server(*LOG, "--io-threads", "2") as server:
        client = server.client()
        client.pipeline([("SET", f"filler{i}", "x" * 100) for i in range(50000)])
        counters = count(server, 4, 16, 0)
        for _ in range(5):
            client.must("BGREWRITEAOF")
            wait_until(
                lambda: server.info("persistence", client)["aof_rewrite_in_progress"] == "0", 20
            )
            eq(server.info("persistence", client)["aof_last_bgrewrite_status"], "ok")
        finish(counters)
        eq(server.stop(), 0)
        names = os.listdir(server.path("appendonlydir"))
        eq(len([n for n in names if ".base." in n]), 1, names)
        eq(len([n for n in names if ".incr." in n]), 1, names)
        server.start()
        check(server.client(), counters, 0)
        eq(server.client().must("DBSIZE") >= 50000, True)


@timeout(60)
def test_kill_within_rewrites():
    with Server(*LOG, "--appendfsync", "always", "--io-threads", "2") as server:
        server.client().pipeline([("SET", f"filler{i}", "x" * 300) for i in range(30000)])
        for round_ in range(4):
            counters = count(server, 4, 8, 0.1)
            server.client().command("BGREWRITEAOF")
            time.sleep(0.02 * round_)
            server.kill()
            finish(counters)
            server.start()
            client = server.client()
            check(client, counters, 8)
            client.must("DEL", *[counter.key(i) for counter in counters for i in range(50)])
            left = [n for n in os.listdir(server.path("appendonlydir")) if "temp" in n]
            eq(left, [])
        assert client.must("DBSIZE") >= 30000


def test_turned_on_and_off_while_it_runs():
    with Server("--appendonly", "no", "--save", "") as server:
        client = server.client()
        client.must("SET", "before", "1")
        client.must("CONFIG", "SET", "appendonly", "yes")
        client.must("SET", "during", "2")
        wait_until(lambda: os.path.exists(server.path("appendonlydir", "appendonly.aof.manifest")))
        wait_until(lambda: server.info("persistence", client)["aof_buffer_length"] == "0")
        client.must("SET", "later", "3")
        client.must("CONFIG", "SET", "appendonly", "no")
        wait_until(lambda: server.info("persistence", client)["aof_enabled"] == "0")
        client.must("SET", "after", "4")
        server.kill()
        shutil.copytree(server.path("appendonlydir"), harness.test_dir("copy") + "/appendonlydir")
        with Server(*LOG, directory=server.path()) as second:
            values = second.client().must("MGET", "before", "during", "later", "after")
            eq(values, [b"1", b"2", b"3", None])


def test_expiry_and_eviction_are_in_the_log():
    with Server(*LOG) as server:
        client = server.client()
        client.must("SET", "short", "1", "PX", "50")
        client.must("SET", "long", "1", "PX", "100000")
        client.must("SET", "gone", "1")
        client.must("EXPIRE", "gone", "-1")
        time.sleep(0.2)
        eq(client.must("GET", "short"), None)
        server.stop()
        server.start()
        client = server.client()
        eq(client.must("MGET", "short", "long", "gone"), [None, b"1", None])
        assert 90000 < client.must("PTTL", "long") <= 100000


def transfer(writer, reader):
    with writer(*LOG) as first:
        client = first.client()
        client.pipeline([("SET", f"k{i}", f"value {i}" * (i % 30)) for i in range(2000)])
        client.must("SELECT", "3")
        client.pipeline([("SET", f"n{i}", i, "PXAT", 4102444800000) for i in range(500)])
        client.must("BGREWRITEAOF")
        wait_until(
            lambda: first.info("persistence", client)["aof_rewrite_in_progress"] == "0", 20
        )
        client.pipeline([("INCR", f"n{i}") for i in range(500)])
        grouped = not isinstance(client.command("MULTI"), ReplyError)
        client.command("SET", "multi", "1")
        client.command("DEL", "n0")
        if grouped:
            client.must("EXEC")
        first.stop()
        directory = harness.test_dir("log")
        shutil.copytree(first.path("appendonlydir"), os.path.join(directory, "appendonlydir"))
        with reader(*LOG, directory=directory) as second:
            client = second.client()
            eq(client.must("DBSIZE"), 2000)
            eq(client.must("GET", "k29"), b"value 29" * 29)
            client.must("SELECT", "3")
            eq(client.must("DBSIZE"), 500)
            eq(client.must("GET", "n499"), b"500")
            eq(client.must("GET", "multi"), b"1")
            eq(client.must("PEXPIRETIME", "n7"), 4102444800000)


def test_reference_loads_our_log():
    transfer(Server, reference)


def test_we_load_the_log_of_the_reference():
    transfer(reference, Server)


@alone
def test_saturating_writers_wait_for_no_disk():
    """With everysec the log is written behind the replies: a client alone is not slowed by it."""
    with Server(*LOG) as server:
        client = server.client()
        began = time.monotonic()
        for i in range(2000):
            client.must("SET", f"k{i}", "x")
        in_time(began, 5)
