"""SAVE, DEBUG RELOAD and SHUTDOWN with a disk that works, fails and stalls."""
import time

from harness import Server, eq, wait_until

DEBUG = ("--enable-debug-command", "yes")
FAILS = (*DEBUG, "--disk-fault", "op=write,path=.rdb,errno=EIO")
STALLS = (*DEBUG, "--disk-fault", "op=write,path=.rdb,stall=5000,times=1")
POINTS = ("--save", "3600 1")
SHUTDOWN_FAILED = "ERR Errors trying to SHUTDOWN. Check logs."


def gone(server):
    wait_until(lambda: not server.alive(), 10, "the end of the process")


def test_save_and_reload():
    """What DEBUG RELOAD read back is what there was; NOSAVE brings the file's state."""
    with Server("--save", "", *DEBUG) as server:
        client = server.client()
        client.must("DEBUG", "POPULATE", 1000)
        client.must("SET", "e", "v", "EX", 1000)
        before = client.must("DEBUG", "DIGEST")
        eq(client.command("DEBUG", "RELOAD"), "OK")
        eq(client.must("DEBUG", "DIGEST"), before)
        client.must("SET", "later", "v")
        eq(client.command("DEBUG", "RELOAD", "NOSAVE"), "OK")
        eq(client.must("DEBUG", "DIGEST"), before)
        eq(client.command("SAVE"), "OK")
        assert abs(client.must("LASTSAVE") - time.time()) < 5


def test_failed_save():
    with Server(*POINTS, *FAILS) as server:
        client = server.client()
        client.must("SET", "k", "v")
        eq(str(client.command("SAVE")), "ERR The data set could not be saved: Input/output error")
        eq(str(client.command("DEBUG", "RELOAD")), "ERR")
        eq(client.command("GET", "k"), b"v")


def test_shutdown_that_cannot_save():
    """It is refused and the server goes on, writes included; FORCE and NOSAVE are not."""
    for last in (("SHUTDOWN", "SAVE", "FORCE"), ("SHUTDOWN", "NOSAVE")):
        with Server(*POINTS, *FAILS, "--stop-writes-on-bgsave-error", "no") as server:
            client, other = server.client(), server.client()
            eq(str(client.command("SHUTDOWN")), SHUTDOWN_FAILED)
            eq(other.command("SET", "k", "v"), "OK")
            eq(str(client.command("SHUTDOWN", "SAVE", "NOW")), SHUTDOWN_FAILED)
            client.send(*last)
            eq(client.read_until_closed(), b"")
            gone(server)


def test_signal_ends_a_server_that_cannot_save():
    with Server(*POINTS, *FAILS) as server:
        server.client().must("SET", "k", "v")
        server.process.terminate()
        eq(server.wait(10), 0)


def test_shutdown_holds_writes_back():
    """While the last snapshot is written reads pass, writes wait; ABORT lets them go on at once."""
    with Server(*POINTS, *STALLS) as server:
        one, two, three = server.client(), server.client(), server.client()
        three.must("SET", "k", "v")
        one.send("SHUTDOWN")
        time.sleep(0.2)
        two.send("SET", "k", "w")
        eq(two.quiet(0.2), True)
        eq(three.command("GET", "k"), b"v")
        eq(three.command("SHUTDOWN", "ABORT"), "OK")
        eq(two.read(), "OK")
        eq(one.quiet(0.01), True, "the snapshot is still written")
        eq(str(one.read()), SHUTDOWN_FAILED)
        eq(str(one.command("SHUTDOWN", "ABORT")), "ERR No shutdown in progress.")
        one.send("SHUTDOWN")
        gone(server)
        server.start()
        eq(server.client().command("GET", "k"), b"w")
