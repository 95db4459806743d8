"""What the tests of the disk-budget guard share: a watcher of reads, a writer that remembers what
was acknowledged, a sampler of the disk, a neighbour.
"""
import os
import threading
import time

from harness import (
    PATIENCE,
    Closed,
    NoReply,
    ReplyError,
    Server,
    Skip,
    eq,
    fill,
    subject_is_reference,
    wait_until,
)

MB = 1 << 20

# A level is left after so short a rest here, so that tests are short; what must hold holds for any.
QUICK = ("--appendonly", "yes", "--disk-dwell-seconds", "1", "--disk-log-seconds", "0")


def start(volume, *args, **kwargs):
    """A server with its data on the volume and its log elsewhere."""
    if subject_is_reference():
        raise Skip("redis-server does not promise any of this")
    return Server(*QUICK, *args, data=volume, **kwargs)


def disk(server, client=None):
    """INFO's disk section, numbers as int."""
    found = server.info("disk", client)
    return {
        k: int(v) if v.lstrip("-").isdigit() else v
        for k, v in found.items()
        if k.startswith("disk_")
    }


def is_refusal(reply):
    return isinstance(reply, ReplyError) and reply.startswith("MISCONF disk budget:")


def value_of(key, size=500):
    """What a key holds in these tests: told by its name, not compressible by much."""
    seed = hash_of(key)
    return (seed * (size // len(seed) + 1))[:size]


def hash_of(key):
    import hashlib

    return hashlib.sha256(key.encode()).hexdigest() * 2


class Watcher:
    """Reads and PING all along, as fast as they are answered (with pauses of a millisecond).

    Leaving the context fails the test if one was answered by an error or not at all; what the
    latencies were is printed, and bounded generously (other tests run on the same machine).
    """

    def __init__(self, server, limit_s=2.0):
        self.server = server
        self.limit_s = limit_s * PATIENCE
        self.latencies = []
        self.wrong = None
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)

    def run(self):
        client = self.server.client()
        commands = (("PING",), ("GET", "watched"), ("EXISTS", "watched"), ("TTL", "watched"))
        i = 0
        try:
            while not self.ended.is_set():
                began = time.monotonic()
                reply = client.command(*commands[i % len(commands)])
                self.latencies.append(time.monotonic() - began)
                if isinstance(reply, ReplyError):
                    self.wrong = f"{commands[i % len(commands)]}: {reply}"
                    return
                i += 1
                time.sleep(0.001)
        except (Closed, NoReply, OSError, ValueError) as error:
            if not self.ended.is_set():
                self.wrong = repr(error)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, kind, *_):
        self.ended.set()
        self.thread.join(10)
        ordered = sorted(self.latencies)
        if ordered:
            p99 = ordered[int(len(ordered) * 0.99)] * 1000
            print(f"reads: {len(ordered)}, p99 {p99:.2f} ms, max {ordered[-1] * 1000:.1f} ms")
        if kind is None:
            eq(self.wrong, None, "a read")
            assert ordered and ordered[-1] < self.limit_s, f"a read took {ordered[-1]:.2f} s"


class Writer:
    """Sets new keys one group after the other and remembers when each was acknowledged."""

    def __init__(self, server, prefix="w", size=500, group=50):
        self.server = server
        self.prefix = prefix
        self.size = size
        self.group = group
        self.acked = {}  # key: monotonic time of the reply
        self.refused = 0
        self.first_refusal = None
        self.other = None  # an error that is no refusal
        self.next = 0
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.stop_at_refusal = False

    def some(self, client):
        """One group; False if any of it was refused."""
        keys = [f"{self.prefix}{self.next + i}" for i in range(self.group)]
        self.next += self.group
        replies = client.pipeline([("SET", k, value_of(k, self.size)) for k in keys])
        now = time.monotonic()
        fine = len(replies) == len(keys)
        for key, reply in zip(keys, replies):
            if reply == "OK":
                self.acked[key] = now
                continue
            fine = False
            self.refused += 1
            self.first_refusal = self.first_refusal or reply
            if not is_refusal(reply):
                self.other = self.other or reply
        return fine

    def run(self):
        try:
            client = self.server.client()
            while not self.ended.is_set():
                if not self.some(client):
                    if self.stop_at_refusal:
                        return
                    time.sleep(0.005)
        except (Closed, NoReply, OSError, ValueError):
            pass  # killed

    def start(self):
        self.thread.start()
        return self

    def stop(self):
        self.ended.set()
        self.thread.join(10)


def missing(client, keys, size=500):
    """Those of the keys that do not hold what value_of says."""
    keys = list(keys)
    lost = []
    for at in range(0, len(keys), 1000):
        part = keys[at : at + 1000]
        for key, got in zip(part, client.command("MGET", *part)):
            if got is None or got.decode() != value_of(key, size):
                lost.append(key)
    return lost


class UsedSampler:
    """The most that was ever in use on a volume of its own (open files without a name included) and
    below a directory, looked at every few milliseconds.
    """

    def __init__(self, volume, every=0.02):
        self.volume = volume
        self.every = every
        self.most_volume = self.most_files = self.samples = 0
        before = os.statvfs(volume)
        self.empty = (before.f_blocks - before.f_bfree) * before.f_frsize
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)

    def run(self):
        while not self.ended.is_set():
            now = os.statvfs(self.volume)
            used = (now.f_blocks - now.f_bfree) * now.f_frsize - self.empty
            self.most_volume = max(self.most_volume, used)
            self.most_files = max(self.most_files, du(self.volume))
            self.samples += 1
            time.sleep(self.every)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.thread.join(10)


def du(directory):
    """Bytes of blocks of the files below a directory."""
    total = 0
    for where, _, names in os.walk(directory):
        for name in names:
            try:
                total += os.lstat(os.path.join(where, name)).st_blocks * 512
            except OSError:
                pass
    return total


def free(volume):
    now = os.statvfs(volume)
    return now.f_bavail * now.f_frsize


def grow_neighbour(volume, leave=0, step=256 << 10, pause=0.01, until=None, name="filler"):
    """A neighbour's file grows bit by bit until so much is left, or until() is true."""
    while free(volume) > leave and not (until and until()):
        before = free(volume)
        fill(volume, max(leave, before - step), name)
        if pause:
            time.sleep(pause)


def make_room(volume, name="filler"):
    os.remove(os.path.join(volume, name))


def leftovers(volume):
    """Temporary files of ours anywhere on the volume."""
    found = []
    for where, _, names in os.walk(volume):
        found += [
            os.path.join(where, n)
            for n in names
            if n.startswith("temp") or n.endswith((".tmp", ".temp"))
        ]
    return sorted(found)


def wait_swept(volume):
    """Waits until there are no temporary files of ours: a running server may be writing one."""
    wait_until(lambda: not leftovers(volume), 10, "temporary files to go")


def wait_durable(server, client, seconds=10):
    wait_until(
        lambda: disk(server, client)["disk_persistence"] == "durable",
        seconds,
        "persistence to be durable again",
        0.05,
    )


def wait_accepted(client, seconds=10, key="probe"):
    """Waits until a growing write is accepted; returns after how many seconds."""
    began = time.monotonic()
    wait_until(lambda: client.command("SET", key, "x" * 100) == "OK", seconds, "a write", 0.01)
    return time.monotonic() - began
