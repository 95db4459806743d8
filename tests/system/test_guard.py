"""The disk-budget guard on small volumes that a neighbour fills: what is refused and what is not,
what is kept, and that everything comes back by itself.
"""
import subprocess
import time

from disk_tools import (
    MB,
    Watcher,
    Writer,
    disk,
    grow_neighbour,
    is_refusal,
    leftovers,
    make_room,
    missing,
    start,
    value_of,
    wait_accepted,
    wait_durable,
    wait_swept,
)
from harness import PATIENCE, ReplyError, eq, fill, in_time, mount_ext4, mount_tmpfs, wait_until

VOLUMES = (mount_tmpfs, mount_ext4)
SHED = ("--appendfsync", "everysec", "--disk-full-policy", "shed")


def load(client, count, prefix="k", size=500):
    """So many keys with the values of value_of; fails if one is refused."""
    for at in range(0, count, 500):
        keys = [f"{prefix}{i}" for i in range(at, min(at + 500, count))]
        replies = client.pipeline([("SET", k, value_of(k, size)) for k in keys])
        assert all(r == "OK" for r in replies), [r for r in replies if r != "OK"][:1]


def works_at_full(client):
    """What must work at any level."""
    eq(client.command("PING"), "PONG")
    assert not isinstance(client.command("GET", "k0"), ReplyError)
    eq(client.command("DEL", "nothing"), 0)
    eq(client.command("CONFIG", "GET", "appendonly"), [b"appendonly", b"yes"])
    assert b"disk_level" in client.must("INFO", "disk")


def knows(client, name):
    return client.command("COMMAND", "INFO", name)[0] is not None


# --- 1, 2: everysec and shed ----------------------------------------------------------------------


def everysec_shed(mount):
    volume = mount(32 * MB)
    with start(volume, *SHED) as server:
        client = server.client()
        load(client, 2000)
        writer = Writer(server)
        writer.stop_at_refusal = True
        with Watcher(server):
            writer.start()
            grow_neighbour(volume, until=lambda: not writer.thread.is_alive())
            wait_until(lambda: not writer.thread.is_alive(), 5, "the first refusal")
            assert is_refusal(writer.first_refusal), writer.first_refusal
            now = disk(server, client)
            eq(now["disk_errors"], 0, "errors before the first refusal")
            assert now["disk_level"] in ("critical", "full"), now
            for word in ("used", "budget", "free", "level critical", "reads", "delete"):
                assert word in writer.first_refusal, f"{word}: {writer.first_refusal}"
            fill(volume)
            works_at_full(client)
            eq(client.command("DEL", "k0", "k1"), 2)
            eq(client.command("UNLINK", "k2"), 1)
            assert is_refusal(client.command("SET", "refused", "x"))
            assert is_refusal(client.command("APPEND", "refused", "x"))
            if knows(client, "multi"):
                client.must("MULTI")
                assert is_refusal(client.command("SET", "refused", "x")), "in MULTI"
                eq(client.command("EXEC").code, "EXECABORT")
        killed = time.monotonic()
        server.kill()
        server.start()
        client = server.client()
        works_at_full(client)
        eq(missing(client, [k for k, at in writer.acked.items() if at < killed - 1]), [])
        eq(client.command("EXISTS", "refused"), 0)
        assert client.command("DBSIZE") >= 1997
        eq(client.command("FLUSHALL"), "OK")
        eq(client.command("DBSIZE"), 0)
        works_at_full(client)


def test_01_neighbour_fills_the_disk_tmpfs():
    """The first refusal comes before any ENOSPC; GET, DEL, FLUSHALL, PING work; kill -9 loses at
    most a second.
    """
    everysec_shed(mount_tmpfs)


def test_01_neighbour_fills_the_disk_ext4():
    everysec_shed(mount_ext4)


def test_02_writes_return_by_themselves():
    """Space returns: writes are accepted within two seconds of the leave mark."""
    for mount in VOLUMES:
        volume = mount(32 * MB)
        with start(volume, *SHED) as server:
            client = server.client()
            load(client, 2000)
            fill(volume)
            wait_until(lambda: is_refusal(client.command("SET", "x", "y" * 1000)), 5, "a refusal")
            time.sleep(1.5)  # longer than the rest a level takes
            assert is_refusal(client.command("SET", "x", "y"))
            make_room(volume)
            took = wait_accepted(client)
            print(f"accepted after {took:.2f} s")
            assert took < 2 * PATIENCE, took
            load(client, 500, "after")
            wait_durable(server, client)
            time.sleep(1.2)
            server.restart(hard=True)
            eq(missing(server.client(), [f"after{i}" for i in range(500)]), [])


# --- 3: always ------------------------------------------------------------------------------------


def test_03_always_keeps_what_it_acknowledged():
    """Alive, refused before execution, every acknowledged write present after kill -9 at full."""
    for mount in VOLUMES:
        volume = mount(32 * MB)
        with start(volume, "--appendfsync", "always") as server:
            client = server.client()
            eq(disk(server, client)["disk_policy"], "strict")
            load(client, 1000)
            writers = [Writer(server, prefix=f"w{i}-", group=8).start() for i in range(4)]
            with Watcher(server):
                grow_neighbour(volume, pause=0.02)
                wait_until(lambda: all(w.refused for w in writers), 5, "every writer refused")
                time.sleep(0.3)
                works_at_full(client)
                refused = client.command("SET", "k0", value_of("k0") + "more")
                assert is_refusal(refused), refused
                eq(client.command("GET", "k0").decode(), value_of("k0"), "refused before it ran")
                eq(client.command("DEL", "k1"), 1)
            server.kill()
            for writer in writers:
                writer.stop()
                eq(writer.other, None)
            acked = [k for w in writers for k in w.acked]
            assert len(acked) > 100, len(acked)
            server.start()
            client = server.client()
            eq(missing(client, acked), [])
            eq(missing(client, [f"k{i}" for i in range(1000) if i != 1]), [])
            eq(client.command("EXISTS", "k1"), 0, "the deleted key")


# --- 4: memory-only -------------------------------------------------------------------------------


def buffered(server, client):
    return int(server.info("persistence", client)["aof_buffer_length"])


def memory_only(mount):
    volume = mount(48 * MB)
    with start(volume, "--disk-full-policy", "memory-only") as server:
        client = server.client()
        load(client, 2000)
        fill(volume)
        wait_until(
            lambda: disk(server, client)["disk_persistence"] == "suspended", 5, "memory-only"
        )
        with Watcher(server):
            load(client, 10000, "m")
            eq(client.command("DEL", "k0", "k1"), 2)
            now = disk(server, client)
            eq((now["disk_persistence"], now["disk_gap"]), ("suspended", 1))
            eq(now["disk_refused_commands"], 0)
            wait_until(lambda: buffered(server, client) < MB, 1, "the buffer to be given up")
            load(client, 1000, "m")
            assert buffered(server, client) < MB, "log is kept for a disk that is full"
            make_room(volume)
            wait_durable(server, client)
        eq(disk(server, client)["disk_gap"], 0)
        load(client, 100, "later")
        time.sleep(1.2)
        server.restart(hard=True)
        client = server.client()
        for prefix, first, last in (("k", 2, 2000), ("m", 0, 10000), ("later", 0, 100)):
            eq(missing(client, [f"{prefix}{i}" for i in range(first, last)]), [])
        eq(client.command("EXISTS", "k0", "k1"), 0)
        wait_swept(volume)


def test_04_memory_only_tmpfs():
    """10 000 writes accepted while full; space returns, a fresh base is written, kill -9 loses
    none of them.
    """
    memory_only(mount_tmpfs)


def test_04_memory_only_ext4():
    memory_only(mount_ext4)


# --- 6: a neighbour alone -------------------------------------------------------------------------


def test_06_only_a_neighbour_grows():
    """Evicting would not cure it: nothing is evicted, neither while it grows nor when all is full,
    and nothing is when it goes away again.
    """
    for pause in (0.05, 0):
        volume = mount_tmpfs(32 * MB)
        with start(
            volume, "--disk-full-policy", "evict", "--maxmemory-policy", "allkeys-lru"
        ) as server:
            client = server.client()
            load(client, 4000)
            time.sleep(0.3)
            with Watcher(server):
                grow_neighbour(volume, pause=pause)
                time.sleep(1)
                eq(disk(server, client)["disk_evicted_keys"], 0, f"pause {pause}")
                load(client, 1000, "more")
                make_room(volume)
                wait_durable(server, client)
            eq(missing(client, [f"k{i}" for i in range(4000)]), [])
            server.restart(hard=True)
            client = server.client()
            eq(missing(client, [f"k{i}" for i in range(4000)]), [])
            eq(missing(client, [f"more{i}" for i in range(1000)]), [])


# --- 7: deletions ---------------------------------------------------------------------------------


def test_07_deletions_at_full_stay():
    """DEL, UNLINK, EXPIRE, GETDEL, removals and FLUSHALL succeed on a full volume, and what they
    removed stays removed after kill -9 and after a clean stop.
    """
    for mount, fsync in zip(VOLUMES, ("always", "everysec")):
        volume = mount(24 * MB)
        args = ("--appendfsync", fsync, "--disk-full-policy", "shed")
        with start(volume, *args) as server:
            client = server.client()
            load(client, 3000)
            sets = knows(client, "sadd") and knows(client, "rpush")
            if sets:
                client.must("SADD", "set", *range(100))
                client.must("RPUSH", "list", *range(100))
            fill(volume)
            wait_until(lambda: is_refusal(client.command("SET", "x", "y")), 5, "a refusal")
            fill(volume)
            gone = []
            for i, name in enumerate(("DEL", "UNLINK", "GETDEL", "EXPIRE", "PEXPIRE")):
                for at in range(i * 300, (i + 1) * 300):
                    key = f"k{at}"
                    client.must(name, key, *([0] if "EXPIRE" in name else []))
                    gone.append(key)
            if sets:
                eq(client.command("SREM", "set", *range(50)), 50)
                eq(client.command("LTRIM", "list", 0, 9), "OK")
            eq(client.command("EXISTS", *gone), 0)
            time.sleep(1.2)
            for hard in (True, False):
                server.restart(hard=hard)
                client = server.client()
                eq(client.command("EXISTS", *gone), 0, f"after a restart, hard {hard}")
                eq(missing(client, [f"k{i}" for i in range(1500, 3000)]), [])
                if sets:
                    eq(client.command("SCARD", "set"), 50)
                    eq(client.command("LLEN", "list"), 10)
            eq(client.command("FLUSHALL"), "OK")
            time.sleep(1.2)
            server.restart(hard=True)
            eq(server.client().command("DBSIZE"), 0)


# --- 8, 9: start on a full volume -----------------------------------------------------------------


def test_08_first_start_on_a_full_volume():
    """Ready within a second; what the policy allows is done; it persists by itself later."""
    for mount in VOLUMES:
        for policy in ("shed", "memory-only"):
            volume = mount(24 * MB)
            fill(volume)
            with start(volume, "--disk-full-policy", policy, start=False) as server:
                began = time.monotonic()
                server.start()
                in_time(began, 1)
                client = server.client()
                works_at_full(client)
                if policy == "shed":
                    assert is_refusal(client.command("SET", "k", "v"))
                else:
                    load(client, 1000)
                make_room(volume)
                wait_accepted(client, 5)
                wait_durable(server, client)
                load(client, 500, "later")
                time.sleep(1.2)
                server.restart(hard=True)
                client = server.client()
                eq(missing(client, [f"later{i}" for i in range(500)]), [])
                if policy == "memory-only":
                    eq(missing(client, [f"k{i}" for i in range(1000)]), [])


def test_09_start_with_data_on_a_full_volume():
    """After kill -9 and after a clean stop it loads and is ready; no write is needed for that."""
    for mount in VOLUMES:
        volume = mount(24 * MB)
        with start(volume, *SHED) as server:
            client = server.client()
            load(client, 4000)
            time.sleep(1.2)
            for hard in (True, False, True):
                fill(volume)
                if hard:
                    server.kill()
                else:
                    eq(server.stop(), 0)
                fill(volume)
                began = time.monotonic()
                server.start()
                in_time(began, 2)
                client = server.client()
                eq(missing(client, [f"k{i}" for i in range(4000)]), [])
                works_at_full(client)
                assert is_refusal(client.command("SET", "x", "y"))
            make_room(volume)
            wait_accepted(client, 5)
            wait_swept(volume)


# --- 10: read-only --------------------------------------------------------------------------------


def remount(volume, how):
    subprocess.run(["mount", "-o", f"remount,{how}", volume], check=True)


def test_10_read_only_mount():
    """Starts and serves on a read-only mount, and keeps the log again once it is writable."""
    for policy in ("shed", "memory-only"):
        volume = mount_ext4(24 * MB)
        with start(volume, "--disk-full-policy", policy) as server:
            client = server.client()
            load(client, 1000)
            time.sleep(1.2)
            server.kill()
            remount(volume, "ro")
            server.start()
            client = server.client()
            eq(missing(client, [f"k{i}" for i in range(1000)]), [])
            with Watcher(server):
                works_at_full(client)
                now = wait_until(
                    lambda: (lambda d: d["disk_cause"] == "readonly" and d)(disk(server, client)),
                    5,
                    "the cause",
                )
                eq(now["disk_persistence"], "suspended")
                if policy == "memory-only":
                    load(client, 500, "ro")
                else:
                    assert is_refusal(client.command("SET", "x", "y"))
                eq(client.command("DEL", "k0"), 1)
                remount(volume, "rw")
                wait_durable(server, client, 15)
            wait_accepted(client, 5)
            time.sleep(1.2)
            server.restart(hard=True)
            client = server.client()
            eq(missing(client, [f"k{i}" for i in range(1, 1000)]), [])
            eq(client.command("EXISTS", "k0"), 0)
            if policy == "memory-only":
                eq(missing(client, [f"ro{i}" for i in range(500)]), [])


# --- 16, 22 ---------------------------------------------------------------------------------------


def rewriting(server, client):
    return server.info("persistence", client)["aof_rewrite_in_progress"] == "1"


def test_16_fill_during_a_rewrite():
    """A neighbour takes all space while a rewrite runs: the old log stands, nothing is left over,
    no write is lost, and a rewrite succeeds once there is room.
    """
    for mount in VOLUMES:
        volume = mount(48 * MB)
        args = (*SHED, "--enable-debug-command", "yes", "--rdbcompression", "no")
        with start(volume, *args) as server:
            client = server.client()
            load(client, 12000, size=1000)
            # the base is written slowly, so that the neighbour is faster
            client.must("CONFIG", "SET", "disk-fault", "op=write,path=temp-rewriteaof,stall=20")
            with Watcher(server):
                client.must("BGREWRITEAOF")
                wait_until(lambda: rewriting(server, client), 5, "the rewrite to begin", 0.002)
                fill(volume)
                wait_until(lambda: not rewriting(server, client), 20, "the rewrite to end")
                fill(volume)
                works_at_full(client)
                eq(client.command("DEL", "k0"), 1)
                wait_swept(volume)
            client.must("CONFIG", "SET", "disk-fault", "")
            time.sleep(1.2)
            server.restart(hard=True)
            client = server.client()
            eq(missing(client, [f"k{i}" for i in range(1, 12000)], 1000), [])
            eq(client.command("EXISTS", "k0"), 0)
            wait_swept(volume)
            make_room(volume)
            wait_accepted(client, 5)
            before = disk(server, client)["disk_compactions"]
            client.command("BGREWRITEAOF")
            wait_until(
                lambda: disk(server, client)["disk_compactions"] > before, 15, "a rewrite", 0.05
            )
            server.restart(hard=True)
            eq(missing(server.client(), [f"k{i}" for i in range(1, 12000)], 1000), [])
            wait_swept(volume)


def test_22_sigterm_at_full():
    """Ends with code 0 in time, log and save points or not, and leaves no temporary file."""
    for mount in VOLUMES:
        for more in (("--save", "3600 1"), ("--disk-full-policy", "memory-only"), SHED):
            volume = mount(24 * MB)
            with start(volume, *more) as server:
                client = server.client()
                load(client, 4000)
                time.sleep(1.2)
                fill(volume)
                writer = Writer(server).start()
                time.sleep(0.4)
                began = time.monotonic()
                eq(server.stop(), 0)
                in_time(began, 12)
                writer.stop()
                eq(leftovers(volume), [])
                server.start()
                eq(missing(server.client(), [f"k{i}" for i in range(4000)]), [])


# --- 27: the disk does not answer -----------------------------------------------------------------


def test_27_write_of_the_log_hangs():
    """As a sync that hangs: reads go on, writes are refused or kept in memory after the stall
    timeout, and all is well again by itself when the disk answers.
    """
    stall = ("--disk-lag-seconds", "1", "--disk-stall-timeout", "2")
    for policy in ("shed", "memory-only"):
        args = ("--disk-full-policy", policy, "--enable-debug-command", "yes", *stall)
        with start(mount_tmpfs(48 * MB), *args) as server:
            client = server.client()
            load(client, 1000)
            time.sleep(1.2)
            client.must("CONFIG", "SET", "disk-fault", "op=write,path=.incr,stall=7000,times=1")
            with Watcher(server):
                load(client, 10, "hangs")
                wait_until(
                    lambda: disk(server, client)["disk_cause"] == "stall", 2.5, "a cause", 0.05
                )
                want = "refused" if policy == "shed" else "free"
                wait_until(lambda: disk(server, client)["disk_growth"] == want, 3, want, 0.05)
                if policy == "shed":
                    assert is_refusal(client.command("SET", "x", "y"))
                else:
                    load(client, 1000, "meanwhile")
                eq(client.command("DEL", "k0"), 1)
                wait_durable(server, client, 10)
            wait_accepted(client, 5)
            time.sleep(1.2)
            server.restart(hard=True)
            client = server.client()
            eq(missing(client, [f"k{i}" for i in range(1, 1000)]), [])
            eq(missing(client, [f"hangs{i}" for i in range(10)]), [])
            if policy == "memory-only":
                eq(missing(client, [f"meanwhile{i}" for i in range(1000)]), [])
            eq(client.command("EXISTS", "k0"), 0)
