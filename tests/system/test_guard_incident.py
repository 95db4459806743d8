"""The incident this server exists for: a full disk, a probe that restarts what does not answer
PING, and an application that waits for PONG before it starts.
"""
import http.client
import threading
import time

from disk_tools import MB, free, is_refusal, make_room, missing, start, value_of
from disk_tools import wait_accepted, wait_durable
from harness import PATIENCE, Closed, NoReply, eq, fill, free_port, mount_ext4, wait_until


class Probe:
    """PING as a liveness probe does it: a new connection each time, and some patience. It counts
    what would have restarted the server.
    """

    def __init__(self, server):
        self.server = server
        self.asked = self.failed = 0
        self.paused = False
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)

    def ask(self):
        try:
            client = self.server.client(timeout=1)
            try:
                return client.command("PING") == "PONG"
            finally:
                client.close()
        except (Closed, NoReply, OSError):
            return False

    def run(self):
        while not self.ended.is_set():
            if not self.paused:
                self.asked += 1
                self.failed += not self.ask() and not self.paused
            time.sleep(0.05)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.thread.join(5 * PATIENCE)


def status_of(port, path):
    """Status code of one of our HTTP paths, "" if there was no answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2 * PATIENCE)
    try:
        connection.request("GET", path)
        return str(connection.getresponse().status)
    except OSError:
        return ""
    finally:
        connection.close()


def test_35_the_incident():
    """The volume fills up; nothing restarts the server. It is redeployed all the same while the
    volume is full: it stops in time, starts without a write, is alive and answers PONG, and serves
    what it had. Then the volume is grown: writes come back without another restart.
    """
    volume = mount_ext4(64 * MB)
    fill(volume, leave_bytes=20 * MB, name="later")  # what the volume will be grown by
    port = free_port()
    args = ("--save", "3600 1", "--http-port", str(port), "--disk-full-policy", "shed")
    with start(volume, *args) as server, Probe(server) as probe:
        client = server.client()
        keys = []
        while True:  # the catalog grows until the disk has no more
            key = f"item{len(keys)}"
            reply = client.command("SET", key, value_of(key, 2000))
            if reply != "OK":
                assert is_refusal(reply), reply
                break
            keys.append(key)
        fill(volume)
        assert len(keys) > 500 and free(volume) == 0
        time.sleep(1)
        for path, want in (
            ("/livez", "200"),
            ("/startupz", "200"),
            ("/readyz?exclude=disk", "200"),
        ):
            eq(status_of(port, path), want, path)
        eq(status_of(port, "/readyz"), "503", "what may say that it is not well")
        eq(client.command("DEL", keys.pop()), 1)
        eq(probe.failed, 0, "probes that would have restarted it")

        time.sleep(1.2)
        probe.paused = True  # a redeploy
        began = time.monotonic()
        eq(server.stop(), 0)
        stopped = time.monotonic()
        server.start()
        started = time.monotonic()
        probe.paused = False
        print(f"stopped in {stopped - began:.2f} s, started in {started - stopped:.2f} s")
        assert started - stopped < 2 * PATIENCE

        client = server.client()  # the application waits for PONG, reads, and starts
        eq(client.command("PING"), "PONG")
        eq(missing(client, keys, 2000), [])
        assert is_refusal(client.command("SET", "order", "1"))
        eq(status_of(port, "/livez"), "200")

        make_room(volume, "later")  # the volume is grown; what filled it stays
        took = wait_accepted(client, 5)
        wait_durable(server, client)
        print(f"writes accepted {took:.2f} s after space came")
        pid = server.pid
        wait_until(lambda: status_of(port, "/readyz") == "200", 10, "ready again", 0.1)
        eq(client.command("SET", "order", "1"), "OK")
        eq(probe.failed, 0, "probes that would have restarted it")
        assert probe.asked > 10
        time.sleep(1.2)
        server.restart(hard=True)
        assert server.pid != pid
        client = server.client()
        eq(client.command("GET", "order"), b"1")
        eq(missing(client, keys, 2000), [])
