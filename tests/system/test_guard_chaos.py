"""Random faults, fills, frees and kills: no exit, no failed start, reads all along, promises kept,
everything back by itself when the disk is well again.

SEED repeats a run, CHAOS_SECONDS makes it longer (12 unless said).
"""
import os
import random
import threading
import time

from disk_tools import MB, disk, is_refusal, make_room, start, wait_swept
from harness import Closed, NoReply, ReplyError, eq, fill, mount_ext4, mount_tmpfs, timeout
from harness import wait_until

KEYS = 1500
SECONDS = float(os.environ.get("CHAOS_SECONDS", "12"))
EVERYSEC_S = 1.3  # what everysec may lose, and a little for the clocks of two processes

ERRORS = ("ENOSPC", "EIO", "EDQUOT", "EROFS", "EACCES", "ENOENT")
OPERATIONS = (
    "write",
    "sync",
    "create",
    "open",
    "rename",
    "truncate",
    "allocate",
    "sync_dir",
    "remove",
    "statvfs",
    "any",
)
PLACES = ("", ".incr", ".base", "manifest", "temp", "ballast", "appendonlydir")


# By kind of value: how version `n`, with the bytes `v`, is written to key k, and how it is read.
KINDS = (
    (lambda k, n, v: ("SET", k, v), lambda k: ("GET", k)),
    (lambda k, n, v: ("HSET", k, "version", v, v[-9:], n), lambda k: ("HGET", k, "version")),
    (lambda k, n, v: ("LPUSH", k, v), lambda k: ("LINDEX", k, 0)),
    (lambda k, n, v: ("ZADD", k, n, "version", 1, v), lambda k: ("ZSCORE", k, "version")),
    (lambda k, n, v: ("XADD", k, "MAXLEN", 3, "*", "version", v), lambda k: ("XREVRANGE", k, "+", "-")),
)


def version_in(reply):
    """The version that a key has, or None."""
    if isinstance(reply, list):
        reply = reply[0][1][1] if reply else None
    return None if reply is None else int(reply.split(b":", 1)[0])


class Model:
    """What was written: versions of each key, sent and acknowledged, with times.

    A record of a key's history is (time of acknowledgement, version); version 0 is "absent".
    """

    def __init__(self, rng):
        self.rng = rng
        self.version = 0
        self.sent = {}  # key: list of versions, in order; negative: a deletion
        self.acked = {}  # key: list of (time, version)
        self.refused = 0

    def group(self, size):
        commands, plan = [], []
        for _ in range(self.rng.randint(1, 40)):
            number = self.rng.randrange(KEYS)
            key = f"c{number}"
            self.version += 1
            if self.rng.random() < 0.2:
                commands.append(("DEL", key))
                plan.append((key, -self.version))
            else:
                write = KINDS[number % len(KINDS)][0]
                commands.append(write(key, self.version, self.value(size)))
                plan.append((key, self.version))
            self.sent.setdefault(key, []).append(plan[-1][1])
        return commands, plan

    def value(self, size):
        count = self.rng.randint(1, size)
        body = os.urandom(count) if self.rng.random() < 0.7 else b"x" * count
        return b"%d:%b" % (self.version, body)

    def reply(self, plan, replies):
        now = time.monotonic()
        for (key, version), reply in zip(plan, replies):
            if not isinstance(reply, ReplyError):
                self.acked.setdefault(key, []).append((now, version))
            elif is_refusal(reply):
                self.refused += 1
                self.sent[key].remove(version)  # it did not run
            else:
                raise AssertionError(f"an error that is no refusal: {reply}")

    def check(self, client, until):
        """What was acknowledged up to a time must be there, or something newer that was sent."""
        for at in range(0, KEYS, 500):
            keys = {f"c{i}": i for i in range(at, min(at + 500, KEYS))}
            replies = client.pipeline([KINDS[i % len(KINDS)][1](key) for key, i in keys.items()])
            for key, reply in zip(keys, replies):
                self.check_key(key, version_in(reply), until)

    def check_key(self, key, found, until):
        if until < 0:  # the log itself was removed or turned off: anything may be there
            now = found if found is not None else -1
            self.sent[key], self.acked[key] = [now], [(0, now)]
            return
        history = self.sent.get(key, [])
        kept = [v for t, v in self.acked.get(key, []) if t <= until]
        floor = history.index(kept[-1]) if kept else -1
        allowed = history[floor:] if floor >= 0 else [-1] + history
        fine = found in allowed if found is not None else any(v < 0 for v in allowed)
        if not fine:
            when = [(round(t - until, 2), v) for t, v in self.acked.get(key, [])][-4:]
            raise AssertionError(f"{key} has {found}, allowed {allowed[:5]}; acknowledged {when}")
        # what the server has now is where the history goes on
        now = [found] if found is not None else [v for v in allowed if v < 0]
        self.sent[key] = now[-1:] if now else []
        self.acked[key] = [(0, now[-1])] if now and now[-1] in history else []


class Chaos:
    def __init__(self, volume, seed, strict, args):
        self.rng = random.Random(seed)
        self.volume = volume
        self.strict = strict
        self.model = Model(random.Random(seed + 1))
        self.server = start(
            volume, "--enable-debug-command", "yes", "--disk-dwell-seconds", "0", *args
        )
        self.client = self.server.client()
        self.durable_at = time.monotonic()
        self.blind_until = 0  # "durable" means nothing before the server has looked at its log
        self.wrong = None
        self.done = []
        self.begin()

    # the writer and the one who looks at the health

    def begin(self):
        self.client = self.server.client()
        self.ended = threading.Event()
        self.killed = False
        self.threads = [threading.Thread(target=f, daemon=True) for f in (self.write, self.look)]
        for thread in self.threads:
            thread.start()

    def end(self):
        self.ended.set()
        for thread in self.threads:
            thread.join(15)
            assert not thread.is_alive(), "a thread hangs: no answer"
        if self.wrong:
            raise AssertionError(f"{self.wrong} after {self.done[-12:]}")

    def guarded(self, work):
        try:
            client = self.server.client()
            while not self.ended.is_set() and not self.wrong:
                work(client)
        except (Closed, NoReply, OSError, ValueError) as error:
            if not self.killed:
                self.wrong = f"connection lost: {error!r}"
        except AssertionError as error:
            self.wrong = str(error)

    def write(self):
        size = self.rng.choice((200, 1000, 3000))

        def once(client):
            commands, plan = self.model.group(size)
            self.model.reply(plan, client.pipeline(commands))
            time.sleep(0.002 if self.model.refused % 2 else 0.0005)

        self.guarded(once)

    def look(self):
        def once(client):
            now = disk(self.server, client)
            durable = now["disk_persistence"] == "durable" and now["disk_cause"] != "config"
            at = time.monotonic() - 0.05
            if durable and now["disk_gap"] == 0 and at > self.blind_until:
                self.durable_at = at
            for command in (("PING",), ("EXISTS", "c0")):
                reply = client.command(*command)
                assert not isinstance(reply, ReplyError), f"{command}: {reply}"
            time.sleep(0.02)

        self.guarded(once)

    # what happens

    def fault(self):
        rules = []
        for _ in range(self.rng.randint(1, 2)):
            rule = f"op={self.rng.choice(OPERATIONS)},path={self.rng.choice(PLACES)}"
            rule += f",skip={self.rng.choice((0, 0, 1, 3, 20))}"
            rule += f",times={self.rng.choice((1, 1, 2, 5, 50, 1000000))}"
            kind = self.rng.random()
            if kind < 0.15:
                rule += f",stall={self.rng.choice((20, 200))}"
            else:
                rule += f",errno={self.rng.choice(ERRORS)}"
            if "op=write" in rule and kind > 0.6:
                rule += f",short={self.rng.choice((1, 7, 100))}"
            rules.append(rule)
        return self.client.command("CONFIG", "SET", "disk-fault", " ".join(rules)), rules

    def clear_faults(self):
        self.client.must("CONFIG", "SET", "disk-fault", "")

    def fill_some(self):
        room = os.statvfs(self.volume).f_bavail * 4096
        fill(self.volume, self.rng.choice((0, 0, 50000, 500000, room // 2)))

    def free_space(self):
        if os.path.exists(os.path.join(self.volume, "filler")):
            make_room(self.volume)

    def restart(self, hard):
        self.killed = True
        at = self.durable_at
        if hard:
            self.server.kill()
        else:
            code = self.server.stop()
            eq(code, 0, "exit code")
        killed = time.monotonic()
        self.end()
        until = killed if self.strict else min(at, killed) - EVERYSEC_S
        # Stopped in order while all was well, also since somebody looked: nothing may be lost.
        suspended = "The log is suspended" in self.server.log(since=self.server.log_start)
        if not self.strict and not hard and killed - at < 0.3 and not suspended:
            until = killed
        if until <= self.blind_until:
            until = -1
        self.server.start()
        self.model.check(self.server.client(), until)
        self.durable_at = 0
        self.begin()

    def remove_log(self):
        """Somebody removes the log under the server, which notices within two seconds."""
        directory = os.path.join(self.volume, "appendonlydir")
        self.blind_until = time.monotonic() + 2.5
        self.durable_at = 0
        for name in os.listdir(directory):
            if name.endswith(".incr.aof"):
                os.remove(os.path.join(directory, name))

    def toggle(self):
        """The log is turned off and on again."""
        self.blind_until = time.monotonic() + 2.5
        self.durable_at = 0
        off = self.client.command("CONFIG", "SET", "appendonly", "no")
        time.sleep(self.rng.choice((0, 0.05, 0.3)))
        return off, self.client.command("CONFIG", "SET", "appendonly", "yes")

    def step(self):
        actions = (
            (self.fault, 5),
            (self.clear_faults, 4),
            (self.fill_some, 4),
            (self.free_space, 4),
            (lambda: self.client.command("BGREWRITEAOF"), 3),
            (lambda: self.client.command("BGSAVE"), 1),
            (lambda: self.restart(True), 2),
            (lambda: self.restart(False), 1),
            (self.remove_log, 0 if self.strict else 1),
            (self.toggle, 0 if self.strict else 1),
        )
        names = ("fault", "clear", "fill", "free", "rewrite", "save", "kill", "stop")
        names += ("remove the log", "log off and on")
        chosen = self.rng.choices(range(len(actions)), [w for _, w in actions])[0]
        self.done.append((round(time.monotonic(), 2), names[chosen]))
        told = actions[chosen][0]()
        if told:
            self.done[-1] += (told,)
        if os.environ.get("CHAOS_VERBOSE"):
            print(self.done[-1], flush=True)
        time.sleep(self.rng.choice((0.02, 0.1, 0.3, 1.5)))
        assert not self.server.died(), f"the server ended after {self.done[-6:]}"
        if self.wrong:
            raise AssertionError(f"{self.wrong} after {self.done[-12:]}")

    def recovers(self):
        self.clear_faults()
        self.free_space()
        began = time.monotonic()

        def well():
            now = disk(self.server, self.client)
            self.last = {k: now[k] for k in list(now)[:14]}
            return now["disk_persistence"] == "durable" and now["disk_growth"] != "refused"

        try:
            wait_until(well, 20, "recovery", 0.05)
        except AssertionError:
            raise AssertionError(f"no recovery: {self.last} after {self.done[-8:]}") from None
        print(f"well again after {time.monotonic() - began:.2f} s")
        wait_until(lambda: self.client.command("SET", "other", "x") == "OK", 10, "a write")
        time.sleep(EVERYSEC_S + 0.2)
        self.end()
        self.killed = True
        until = time.monotonic() - EVERYSEC_S
        time.sleep(EVERYSEC_S)
        self.server.kill()
        self.server.start()
        self.model.check(self.server.client(), until)
        wait_swept(self.volume)


def chaos(mount, strict, *args):
    seed = int(os.environ.get("SEED", random.SystemRandom().randrange(1 << 30)))
    print(f"SEED={seed}", flush=True)
    volume = mount(32 * MB)
    run = Chaos(volume, seed, strict, args)
    until = time.monotonic() + SECONDS
    try:
        while time.monotonic() < until:
            run.step()
        run.recovers()
    except AssertionError:
        print(f"SEED={seed}; did {run.done[-12:]}")
        raise
    print(f"{len(run.done)} actions, {run.model.version} writes, {run.model.refused} refused")
    assert run.server.rss() < 300 * MB, run.server.rss()


@timeout(60 + 20 * SECONDS)
def test_36_chaos_shed():
    chaos(mount_tmpfs, False, "--disk-full-policy", "shed")


@timeout(60 + 20 * SECONDS)
def test_36_chaos_strict():
    chaos(mount_ext4, True, "--appendfsync", "always")


@timeout(60 + 20 * SECONDS)
def test_36_chaos_memory_only():
    chaos(mount_ext4, False, "--disk-full-policy", "memory-only")
