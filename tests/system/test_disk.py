"""Full, read-only and failing volumes: the process starts, answers, deletes and ends whatever the
disk does, and persists by itself when it can again.
"""
import os
import shutil
import subprocess
import time

import harness
from harness import (
    ReplyError,
    Server,
    Skip,
    eq,
    fill,
    mount_ext4,
    mount_tmpfs,
    subject_is_reference,
)
from harness import in_time, wait_until

MB = 1 << 20


def start(volume, *args, **kwargs):
    """A server with its data on the volume and its log elsewhere."""
    if subject_is_reference():
        raise Skip("redis-server does not promise any of this")
    return Server("--dbfilename", "dump.rdb", *args, data=volume, **kwargs)


def serving(client):
    """What must work at every moment: reads, PING, deletes, INFO."""
    eq(client.command("PING"), "PONG")
    assert not isinstance(client.command("GET", "k0"), ReplyError)
    eq(client.command("DEL", "nothing"), 0)
    assert b"rdb_last_bgsave_status" in client.must("INFO", "persistence")


def bgsave(server, client):
    """Runs BGSAVE to its end; "ok" or "err", also for one refused at once."""
    reply = client.command("BGSAVE")
    if isinstance(reply, ReplyError):
        return "err"
    wait_until(lambda: server.info("persistence", client)["rdb_bgsave_in_progress"] == "0", 20)
    return server.info("persistence", client)["rdb_last_bgsave_status"]


def leftovers(volume):
    """Files on the volume besides the ones that belong there."""
    known = {"dump.rdb", "filler", "lost+found"}
    return sorted(n for n in os.listdir(volume) if n not in known and "ballast" not in n)


def put(client, count, size=1000, prefix="k"):
    replies = client.pipeline(
        [("SET", f"{prefix}{i}", os.urandom(size // 2).hex()) for i in range(count)]
    )
    assert all(r == "OK" for r in replies), [r for r in replies if r != "OK"][:1]


def volumes(size):
    return (mount_tmpfs(size), mount_ext4(size))


def test_first_start_on_a_full_volume():
    """Ready within a second though nothing can be written, and it persists once there is room."""
    for volume in volumes(16 * MB):
        fill(volume)
        began = time.monotonic()
        with start(volume) as server:
            in_time(began, 1.5)
            client = server.client()
            put(client, 100)
            serving(client)
            os.remove(os.path.join(volume, "filler"))
            wait_until(lambda: bgsave(server, client) == "ok", 15, "a save after room came", 0.3)
            server.kill()
            server.start()
            eq(server.client().command("DBSIZE"), 100)


def test_start_with_data_on_a_full_volume():
    """After a clean stop and after kill -9 the data is loaded; no write is needed."""
    for volume in volumes(16 * MB):
        with start(volume) as server:
            client = server.client()
            put(client, 500)
            eq(client.command("SAVE"), "OK")
            fill(volume)
            for hard in (False, True):
                server.restart(hard=hard)
                client = server.client()
                eq(client.command("DBSIZE"), 500)
                serving(client)


def test_save_that_does_not_fit():
    """BGSAVE fails, the old file stays whole, nothing is left behind, and the next save with room
    succeeds.
    """
    for volume in volumes(16 * MB):
        with start(volume) as server:
            client = server.client()
            put(client, 1000)
            eq(client.command("SAVE"), "OK")
            with open(server.path("dump.rdb"), "rb") as f:
                old = f.read()
            put(client, 8000)
            fill(volume, leave_bytes=1 * MB)
            eq(bgsave(server, client), "err")
            serving(client)
            eq(isinstance(client.command("SAVE"), ReplyError), True)
            serving(client)
            with open(server.path("dump.rdb"), "rb") as f:
                eq(f.read() == old, True, "the old file is whole")
            eq(leftovers(volume), [])
            os.remove(os.path.join(volume, "filler"))
            wait_until(lambda: bgsave(server, client) == "ok", 15, "a save after room came", 0.3)
            server.restart(hard=True)
            eq(server.client().command("DBSIZE"), 8000)


def test_deletes_work_at_full():
    with start(mount_tmpfs(8 * MB), "--save", "3600 1") as server:
        client = server.client()
        put(client, 3000)
        fill(server.data)
        bgsave(server, client)
        for commands in (("DEL", "k1"), ("UNLINK", "k2"), ("EXPIRE", "k3", 0), ("GETDEL", "k4")):
            assert not isinstance(client.command(*commands), ReplyError), commands
        eq(client.command("EXISTS", "k1", "k2", "k3", "k4"), 0)
        eq(client.command("FLUSHALL"), "OK")
        eq(client.command("DBSIZE"), 0)
        serving(client)


def test_sigterm_at_full():
    """It ends in time with code 0 although the final save cannot succeed, and leaves no temporary
    file.
    """
    for volume in volumes(16 * MB):
        with start(volume, "--save", "3600 1") as server:
            client = server.client()
            put(client, 6000)
            fill(volume)
            began = time.monotonic()
            eq(server.stop(), 0)
            in_time(began, 10)
            eq(leftovers(volume), [])
            eq(os.path.exists(server.path("dump.rdb")), False, "no half a file")


def test_read_only_volume():
    """Start and run on a read-only mount; when it is writable again, saves succeed without a
    restart.
    """
    volume = mount_ext4(16 * MB)
    with start(volume) as server:
        client = server.client()
        put(client, 100)
        eq(client.command("SAVE"), "OK")
        server.kill()
        subprocess.run(["mount", "-o", "remount,ro", volume], check=True)
        server.start()
        client = server.client()
        eq(client.command("DBSIZE"), 100)
        serving(client)
        put(client, 150)
        eq(bgsave(server, client), "err")
        serving(client)
        subprocess.run(["mount", "-o", "remount,rw", volume], check=True)
        wait_until(
            lambda: bgsave(server, client) == "ok", 15, "a save after it was writable again", 0.3
        )
        server.restart(hard=True)
        eq(server.client().command("DBSIZE"), 150)


def test_out_of_inodes():
    volume = mount_tmpfs(16 * MB, inodes=20)
    with start(volume) as server:
        client = server.client()
        put(client, 100)
        made = 0
        try:
            while True:
                with open(os.path.join(volume, f"f{made}"), "w", encoding="ascii"):
                    made += 1
        except OSError:
            pass
        eq(bgsave(server, client), "err")
        serving(client)
        for i in range(made):
            os.remove(os.path.join(volume, f"f{i}"))
        wait_until(lambda: bgsave(server, client) == "ok", 15, "a save after inodes came", 0.3)


def test_directory_removed_under_the_server():
    volume = harness.test_dir("data")
    with start(volume, "--save", "3600 1") as server:
        client = server.client()
        put(client, 100)
        shutil.rmtree(volume)
        eq(bgsave(server, client), "err")
        serving(client)
        eq(server.stop(), 0)


def test_log_file_on_a_full_volume():
    volume = mount_tmpfs(8 * MB)
    fill(volume)
    with start(volume, "--logfile", os.path.join(volume, "server.log")) as server:
        client = server.client()
        put(client, 100)
        serving(client)
        eq(server.stop(), 0)


def test_unwritable_pid_file_and_directory():
    """Each is one warning, no reason not to start."""
    with start(
        harness.test_dir(), "--pidfile", "/nonexistent/dir/pid", "--logfile", "/nonexistent/log"
    ) as server:
        serving(server.client())


def test_kill_within_a_save_leaves_nothing_for_long():
    """kill -9 during BGSAVE: the next start removes what was left of ours and nothing of others."""
    volume = mount_tmpfs(64 * MB)
    with start(volume) as server:
        client = server.client()
        put(client, 20000)
        eq(client.command("SAVE"), "OK")
        for name in ("temp-of-mine.txt", "temp-123.notes"):
            with open(os.path.join(volume, name), "w", encoding="ascii") as f:
                f.write("keep")
        client.command("BGSAVE")
        time.sleep(0.005)
        server.kill()
        server.start()
        client = server.client()
        eq(client.command("DBSIZE"), 20000)
        wait_until(
            lambda: leftovers(volume) == ["temp-123.notes", "temp-of-mine.txt"],
            5,
            f"leftovers to go: {leftovers(volume)}",
        )
