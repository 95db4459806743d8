"""The disk-budget guard against our own growth: a budget is never passed, whatever is written, and
what the policy gives up for that is the least that helps.
"""
import os
import subprocess
import time

from disk_tools import MB, UsedSampler, Watcher, Writer, disk, missing, start, value_of
from disk_tools import wait_accepted, wait_swept
from harness import PATIENCE, ReplyError, Skip, alone, eq, mount_ext4, mount_tmpfs, wait_until


def benchmark(server, count, size=1000, keys=1000000, clients=20):
    """Endless SET of random keys by redis-benchmark; requests per second."""
    try:
        done = subprocess.run(
            ["redis-benchmark", "-p", str(server.port), "-t", "set", "-d", str(size)]
            + ["-r", str(keys), "-n", str(count), "-c", str(clients), "--csv"],
            capture_output=True,
            text=True,
            check=False,
            timeout=60 * PATIENCE,
        )
    except FileNotFoundError:
        raise Skip("redis-benchmark is not installed") from None
    assert "Error" not in done.stdout + done.stderr, done.stdout + done.stderr
    return float(done.stdout.strip().split("\n")[-1].split(",")[1].strip('"'))


EVICT = ("--disk-full-policy", "evict", "--maxmemory-policy", "allkeys-lru")


def evict(mount, volume_bytes, budget):
    volume = mount(volume_bytes)
    with start(mount_tmpfs(256 * MB), *EVICT) as free:
        unconstrained = benchmark(free, 20000)
    args = ("--disk-budget", str(budget)) if budget else ()
    with start(volume, *EVICT, *args) as server:
        client = server.client()
        with UsedSampler(volume) as used, Watcher(server):
            rate = benchmark(server, 72000)
        now = disk(server, client)
        print(
            f"{rate:.0f} requests per second, {unconstrained:.0f} unconstrained; "
            f"{now['disk_compactions']} rewrites, {now['disk_evicted_keys']} keys evicted, "
            f"most used {used.most_volume / MB:.2f} MiB"
        )
        limit = budget or volume_bytes
        assert used.most_files <= limit, (used.most_files, limit)
        assert used.most_volume <= limit * 9 // 8, (used.most_volume, limit)  # removed, still open
        assert used.samples > 20
        eq((now["disk_errors"], now["disk_refused_commands"]), (0, 0))
        assert now["disk_compactions"] >= 2, now
        eq(now["disk_compactions_failed"], 0)
        eq((now["disk_memory_only_entered"], now["disk_gaps"]), (0, 0))
        assert now["disk_evicted_keys"] > 0
        wait_swept(volume)
        time.sleep(1.2)
        size = client.command("DBSIZE")
        server.restart(hard=True)
        left = server.client().command("DBSIZE")
        assert left > 0 and abs(left - size) < size // 4, (size, left)


@alone
def test_05_evict_tmpfs():
    """A data set three times the volume: never over budget, rewrites succeed."""
    evict(mount_tmpfs, 24 * MB, 0)


@alone
def test_05_evict_ext4_with_a_budget():
    evict(mount_ext4, 96 * MB, 24 * MB)


def within_budget(policy, work):
    """Runs the work with a budget of 32 MiB on a large volume, looking at what is used."""
    volume = mount_tmpfs(512 * MB)
    with start(volume, "--disk-budget", "32mb", *policy) as server:
        client = server.client()
        with UsedSampler(volume) as used, Watcher(server):
            kept = work(server, client)
        now = disk(server, client)
        print(
            f"most used {used.most_files / MB:.2f} MiB, with removed files "
            f"{used.most_volume / MB:.2f} MiB, {now['disk_compactions']} rewrites"
        )
        assert used.most_files <= 32 * MB, used.most_files
        # files that have been removed and not been closed yet
        assert used.most_volume <= 36 * MB, used.most_volume
        eq(now["disk_errors"], 0)
        server.kill()
        server.start()
        with UsedSampler(volume) as used:
            client = server.client()
            eq(missing(client, kept), [])
            wait_swept(volume)
            time.sleep(0.5)
        assert used.most_files <= 32 * MB, used.most_files


def overwrite(server, client):
    """The same 4000 keys over and over: the log grows, the data set does not."""
    keys = [f"o{i}" for i in range(4000)]
    began = time.monotonic()
    written = 0
    while written < 80 * MB or time.monotonic() < began + 5:
        for at in range(0, len(keys), 100):
            part = keys[at : at + 100]
            replies = client.pipeline([("SET", k, value_of(k)) for k in part])
            assert all(r == "OK" for r in replies), [r for r in replies if r != "OK"][:1]
            written += len(part) * 550
    time.sleep(1.2)
    return keys


def test_34_budget_overwrites_shed():
    """du is never above the budget though several times as much is written, and as every rewrite
    makes room nothing is refused.
    """
    within_budget(("--disk-full-policy", "shed"), overwrite)


def fill_up(server, client):
    """New keys until all is refused; snapshots and rewrites asked for all the while."""
    writer = Writer(server, group=20).start()
    wait_until(lambda: writer.refused, 15, "a refusal")
    for _ in range(10):
        client.command("BGSAVE")
        client.command("BGREWRITEAOF")
        time.sleep(0.15)
    writer.stop()
    eq(writer.other, None)
    eq(client.command("PING"), "PONG")
    gone = sorted(writer.acked)[: len(writer.acked) // 2]
    for at in range(0, len(gone), 100):
        client.must("DEL", *gone[at : at + 100])
    wait_accepted(client, 75)  # a level that was left and entered again rests for a minute
    time.sleep(1.2)
    deleted = set(gone)
    return [k for k in writer.acked if k not in deleted]


def test_34_budget_new_keys_shed():
    """Filled to the brim, du is never above; deletions bring the writes back."""
    within_budget(("--disk-full-policy", "shed"), fill_up)


def keep_writing(server, client):
    """New keys for some seconds whatever the disk says; nothing may be refused."""
    writer = Writer(server, size=1000, group=20).start()
    time.sleep(4)
    writer.stop()
    eq((writer.refused, writer.other), (0, None))
    assert not isinstance(client.command("GET", "x"), ReplyError)
    return []


def test_34_budget_memory_only():
    within_budget(("--disk-full-policy", "memory-only"), keep_writing)


def test_34_budget_evict():
    within_budget(EVICT, keep_writing)


def values_that_compress_no_more(*args):
    volume = mount_tmpfs(96 * MB)  # were a base of 16 MB not foreseen, 10 would be left for it
    with start(volume, "--disk-full-policy", "shed", *args) as server:
        client = server.client()
        values = [lambda: b"x" * 2000] + [lambda: os.urandom(2000)] * 4
        for turn, value in enumerate(values):
            for at in range(0, 8000, 100):
                replies = client.pipeline([("SET", f"k{at + i}", value()) for i in range(100)])
                assert all(r == "OK" for r in replies), [r for r in replies if r != "OK"][:1]
                # What is written during a rewrite needs room as well: little, however slow it is.
                if at % 1000 == 0:
                    wait_until(
                        lambda: server.info("persistence")["aof_rewrite_in_progress"] == "0",
                        30,
                        "the rewrite to end",
                    )
            if turn == 0:
                client.must("BGREWRITEAOF")
                wait_until(lambda: disk(server, client)["disk_compactions"] == 1, 30, "a base")
        wait_until(lambda: disk(server, client)["disk_compactions"] > 1, 30, "another base")
        now = disk(server, client)
        eq((now["disk_compactions_failed"], now["disk_gaps"]), (0, 0))


def test_values_that_compress_no_more():
    """The ratio of base to data was learnt from values that compress well; then the same keys get
    values that do not. Every rewrite still fits, and nothing is refused or left out of the log.
    """
    values_that_compress_no_more()


def test_values_that_compress_no_more_on_a_slow_disk():
    """The same where allocating a base takes long, and removing an old one: what has been allocated
    by then is not taken for a neighbour's, on top of what was reserved, nor what is still going.
    """
    values_that_compress_no_more(
        *("--enable-debug-command", "yes"),
        *("--disk-fault", "op=allocate,stall=5", "op=remove,stall=150"),
    )
