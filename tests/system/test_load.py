"""A server under everything at once: many clients, administration and connections coming and going,
on four workers, with invariants that hold meanwhile and data that is the same after a restart.

LOAD_SECONDS is how long each test loads the server (1 unless said), SEED what it does.
"""
import os
import random
import threading
import time

import harness
from harness import PATIENCE, Client, Closed, ReplyError, Server, eq, timeout, wait_until

SECONDS = float(os.environ.get("LOAD_SECONDS", "1"))
SEED = int(os.environ.get("SEED", "0")) or random.SystemRandom().randrange(1 << 30)
ARGS = ("--io-threads", "4", "--enable-debug-command", "yes", "--auto-aof-rewrite-percentage", "0")
GONE = (Closed, ConnectionError, OSError, harness.NoReply)


class Load:
    """Threads that run functions of a random generator again and again until stop() is called."""

    def __init__(self, server):
        print(f"SEED={SEED}")
        self.server = server
        self.ending = threading.Event()
        self.wrong = []
        self.threads = []

    def add(self, action, count=1):
        """`action(rng)` is called until the end, or until it raises, which fails the test."""
        for _ in range(count):
            rng = random.Random(f"{SEED}-{len(self.threads)}")
            thread = threading.Thread(target=self._run, args=(action, rng), daemon=True)
            self.threads.append(thread)
            thread.start()

    def _run(self, action, rng):
        try:
            while not self.ending.is_set():
                action(rng)
        except BaseException as error:
            self.wrong.append(error)
            self.ending.set()

    def go_on(self, seconds=SECONDS):
        """Lets it run for a time; returns early if something fails."""
        self.ending.wait(seconds)

    def finish(self):
        """Ends the threads and raises what one of them raised."""
        self.ending.set()
        for thread in self.threads:
            thread.join(30 * PATIENCE)
            assert not thread.is_alive(), "a client hangs"
        if self.wrong:
            raise self.wrong[0]

    def stop(self):
        """The same, of a server that must still be there."""
        self.finish()
        assert self.server.alive(), "the server died"


def good(replies):
    bad = [r for r in replies if isinstance(r, ReplyError)]
    assert not bad, bad[:3]
    return replies


def until_closed(action):
    """The action, to which the server's end is none of its own."""

    def act(rng):
        try:
            action(rng)
        except GONE:
            time.sleep(0.01)

    return act


def connect(server):
    return server.client()


def scan(client):
    cursor, seen = b"0", []
    while True:
        cursor, keys = client.must("SCAN", cursor, "COUNT", 200)
        seen += keys
        if cursor == b"0":
            return seen


def state(client):
    """What a restart must not change: a digest of all, and the size of each database."""
    sizes = []
    for db in range(16):
        client.must("SELECT", db)
        # what expired while the server was down counts until it is found
        wait_until(
            lambda: len(scan(client)) == client.must("DBSIZE"), 5, "the expired to go"
        )
        keys = scan(client)
        eq(len(keys), len(set(keys)), "SCAN of a set at rest shows no key twice")
        eq(len(keys), client.must("DBSIZE"))
        sizes.append(len(keys))
    client.must("SELECT", 0)
    return client.must("DEBUG", "DIGEST"), sizes


# --- what clients do ------------------------------------------------------------------------------


class Mixed:
    """Writes of every kind to keys that nothing is promised of, in databases 0 to 3."""

    def __init__(self, server, errors=()):
        self.server = server
        self.errors = errors  # codes of errors that may be answered
        self.local = threading.local()

    def one(self, rng):
        key, other = f"k{rng.randrange(2000)}", f"k{rng.randrange(2000)}"
        size = rng.choice([0, 3, 40, 200, 900, 900, 20000])
        value = rng.randbytes(size)
        pick = rng.randrange(27)
        if pick < 5:
            return ("SET", key, value)
        return [
            ("SET", key, value, "PX", rng.randrange(1, 300)),
            ("SET", key, value, "KEEPTTL", "GET"),
            ("GET", key),
            ("GETDEL", key),
            ("GETEX", key, "PX", rng.randrange(1, 3000)),
            ("MSET", key, value, other, value, f"{key}x", b"1"),
            ("MSETNX", key, value, other, value),
            ("MGET", key, other, "k1", "k2"),
            ("EXPIRE", key, rng.randrange(-1, 100)),
            ("PEXPIRE", key, rng.randrange(1, 100)),
            ("PERSIST", key),
            ("DEL", key, other),
            ("UNLINK", key),
            ("RENAME", key, other),
            ("RENAMENX", key, other),
            ("COPY", key, other, "REPLACE"),
            ("COPY", key, other, "DB", rng.randrange(4)),
            ("MOVE", key, rng.randrange(4)),
            ("APPEND", key, value[:100]),
            ("SETRANGE", key, rng.randrange(3000), value[:50]),
            ("SETBIT", key, rng.randrange(9000), 1),
            ("BITOP", "OR", key, other, "k3"),
        ][pick - 5]

    def __call__(self, rng):
        client = getattr(self.local, "client", None)
        if client is None:
            client = self.local.client = connect(self.server)
        commands = [self.one(rng) for _ in range(rng.choice([1, 10, 100]))]
        if rng.randrange(5) == 0:
            commands.append(("SELECT", rng.randrange(4)))
        for command, reply in zip(commands, client.pipeline(commands)):
            if not isinstance(reply, ReplyError) or reply.code in self.errors:
                continue
            text = f"{command[0]}: {reply}"
            same = "source and destination objects are the same" in reply
            assert same or "no such key" in reply, text


class Counters:
    """Pipelines of INCR whose replies only rise; sum() is what they must add up to."""

    KEYS = [f"counter:{i}" for i in range(40)]

    def __init__(self, server):
        self.server = server
        self.local = threading.local()
        self.lock = threading.Lock()
        self.done = 0

    def __call__(self, rng):
        if not hasattr(self.local, "client"):
            self.local.client = connect(self.server)
            self.local.last = {}
        keys = [rng.choice(self.KEYS) for _ in range(60)]
        replies = good(self.local.client.pipeline([("INCR", key) for key in keys]))
        with self.lock:
            self.done += len(replies)
        for key, reply in zip(keys, replies):
            assert reply > self.local.last.get(key, 0), f"{key} fell to {reply}"
            self.local.last[key] = reply
        if len(replies) < len(keys):
            raise Closed

    def check(self, client):
        eq(sum(int(v or 0) for v in client.must("MGET", *self.KEYS)), self.done, "counters")


class Groups:
    """MSET of ten keys that lie in different shards; MGET never sees two values among them."""

    def __init__(self, server):
        self.server = server
        self.local = threading.local()

    def __call__(self, rng):
        client = getattr(self.local, "client", None)
        if client is None:
            client = self.local.client = connect(self.server)
        group = rng.randrange(5)
        keys = [f"group:{group}:{i}" for i in range(10)]
        if rng.randrange(2):
            value = rng.randbytes(rng.choice([8, 8, 8, 700, 17000]))
            client.must("MSET", *[x for key in keys for x in (key, value)])
        else:
            values = set(client.must("MGET", *keys))
            assert len(values) == 1, "an MSET was seen in part"


class Tokens:
    """One key that two names pass to and fro: at every moment exactly one of them exists."""

    NAMES = ("token:here", "token:there")

    def __init__(self, server):
        self.server = server
        self.local = threading.local()
        connect(server).must("SET", self.NAMES[0], b"t" * 1000)

    def __call__(self, rng):
        client = getattr(self.local, "client", None)
        if client is None:
            client = self.local.client = connect(self.server)
        client.command("RENAMENX", *rng.sample(self.NAMES, 2))
        eq(client.must("EXISTS", *self.NAMES), 1)


class Passing:
    """Connections that come, ask for something and go, often without waiting for the answer."""

    def __init__(self, server):
        self.server = server

    def __call__(self, rng):
        try:
            with connect(self.server) as client:
                how = rng.randrange(6)
                if how == 0:
                    client.command("PING")
                elif how == 1:
                    client.send_raw(harness.encode("MGET", *Counters.KEYS) * 300)
                elif how == 2:
                    client.send_raw(b"*3\r\n$3\r\nSET\r\n$5\r\nhalf!\r\n$90000\r\nnothing more")
                elif how == 3:
                    client.send("CLIENT", "KILL", "ID", client.must("CLIENT", "ID"))
                elif how == 4:
                    client.command("HELLO", 3, "SETNAME", "passing")
                    client.command("QUIT")
                else:
                    client.send_raw(rng.randbytes(200))
        except GONE:
            pass


class Asking:
    """What operators and their tools ask all the time."""

    QUESTIONS = """
        INFO;INFO everything;CLIENT LIST;CLIENT INFO;SLOWLOG GET;SLOWLOG RESET;MEMORY STATS;
        MEMORY DOCTOR;MEMORY USAGE k1;DISK STATUS;DISK PLAN;DISK SIMULATE 1gb;CONFIG GET *;
        LASTSAVE;DBSIZE;RANDOMKEY;KEYS k1?;SCAN 0;LATENCY LATEST;LATENCY DOCTOR;
        COMMAND COUNT;ROLE;TIME;CLIENT SETNAME asking;CLIENT NO-TOUCH ON;CLIENT NO-EVICT ON;
        OBJECT FREQ k2;OBJECT ENCODING k1;DEBUG OBJECT k1;CONFIG RESETSTAT;
        LATENCY HISTOGRAM;CLIENT KILL ID 999999999;CLIENT UNPAUSE;DEBUG HTSTATS 0;
        DEBUG DIGEST;SLOWLOG LEN;TTL k3;CLIENT LIST TYPE normal
    """.split(";")

    def __init__(self, server):
        self.server = server
        self.local = threading.local()

    def __call__(self, rng):
        client = getattr(self.local, "client", None)
        if client is None:
            client = self.local.client = connect(self.server)
        client.command(*rng.choice(self.QUESTIONS).split())
        time.sleep(0.002)


class Saving:
    """Snapshots, rewrites of the log, and directives of persistence changed on the way."""

    ACTS = """
        BGSAVE;BGSAVE SCHEDULE;BGREWRITEAOF;CONFIG SET appendfsync always;
        CONFIG SET appendfsync everysec;CONFIG SET appendfsync no;CONFIG SET save 1-1;
        CONFIG SET save -;CONFIG SET slowlog-log-slower-than 0;
        CONFIG SET slowlog-log-slower-than 10000;CLIENT PAUSE 20;CLIENT PAUSE 20 WRITE;SAVE;
        DISK COMPACT;CONFIG SET hz 100;CONFIG SET rdbcompression no;
        CONFIG SET rdbcompression yes;CONFIG SET active-expire-effort 10;
        CONFIG SET aof-use-rdb-preamble yes
    """.split(";")

    def __init__(self, server, more=""):
        self.server = server
        self.acts = self.ACTS + [act for act in more.split(";") if act]
        self.local = threading.local()

    def __call__(self, rng):
        client = getattr(self.local, "client", None)
        if client is None:
            client = self.local.client = connect(self.server)
        words = rng.choice(self.acts).split()
        client.command(*[{"-": "", "1-1": "1 1"}.get(w, w) for w in words])
        time.sleep(0.02)


# --- the tests ------------------------------------------------------------------------------------


def settle(client):
    """No keys that expire by themselves, nothing paused, no pass over the data going on."""
    client.must("CLIENT", "UNPAUSE")
    client.must("CONFIG", "SET", "save", "")
    client.must("DEBUG", "SET-ACTIVE-EXPIRE", 1)

    def idle():
        text = client.must("INFO", "persistence").decode()
        return all(
            f"{field}:0" in text
            for field in (
                "rdb_bgsave_in_progress",
                "aof_rewrite_in_progress",
                "aof_rewrite_scheduled",
            )
        )

    wait_until(idle, 20, "the end of saves and rewrites")
    for db in range(4):
        client.must("SELECT", db)
        keys = scan(client)
        for at in range(0, len(keys), 1000):
            good(client.pipeline([("PERSIST", key) for key in keys[at : at + 1000]]))
    client.must("SELECT", 0)
    time.sleep(0.3)


def loaded(*args, extra=""):
    """Loads a server with promises, checks them, and returns it with its state."""
    server = Server(*ARGS, *args)
    load = Load(server)
    counters = Counters(server)
    load.add(Mixed(server), 3)
    load.add(counters, 2)
    load.add(Groups(server), 2)
    load.add(Tokens(server), 2)
    load.add(Passing(server))
    load.add(Asking(server))
    load.add(Saving(server, extra))
    load.go_on()
    load.stop()
    client = connect(server)
    settle(client)
    counters.check(client)
    eq(client.must("EXISTS", *Tokens.NAMES), 1)
    return server, client, state(client)


@timeout(60 + SECONDS)
def test_append_only():
    """Nothing is lost or torn, and a stop, a kill -9 and a rewrite leave the data as it was."""
    server, client, before = loaded("--appendonly", "yes")
    client.must("CONFIG", "SET", "appendfsync", "always")
    client.must("SET", "the last", "write")
    client.must("DEL", "the last")
    server.restart(hard=True)
    client = connect(server)
    eq(state(client), before, "after kill -9")
    client.must("BGREWRITEAOF")
    settle(client)
    server.restart()
    client = connect(server)
    eq(state(client), before, "after a rewrite and a clean stop")


@timeout(60 + SECONDS)
def test_snapshots():
    """The same without a log: SAVE holds everything, and so does the snapshot of SHUTDOWN SAVE."""
    server, client, before = loaded("--dbfilename", "dump.rdb")
    client.must("SAVE")
    server.restart(hard=True)
    client = connect(server)
    eq(state(client), before, "after SAVE and kill -9")
    client.must("SET", "one", "more")
    before = state(client)
    client.send("SHUTDOWN", "SAVE")
    server.ended = True
    eq(server.wait(20), 0)
    server.start()
    eq(state(connect(server)), before, "after SHUTDOWN SAVE")


@timeout(60 + SECONDS)
def test_killed_in_the_middle():
    """kill -9 under load: a snapshot, and a log with its base, hold one moment of all clients'
    writes, and with appendfsync always every write that was answered.
    """
    logged = ("--appendonly", "yes", "--appendfsync")
    for args in (("--dbfilename", "dump.rdb"), (*logged, "everysec"), (*logged, "always")):
        with Server(*ARGS, *args) as server:
            load = Load(server)
            counters = Counters(server)
            load.add(until_closed(Mixed(server)), 2)
            load.add(until_closed(counters), 2)
            load.add(until_closed(Groups(server)), 2)
            load.add(until_closed(Tokens(server)), 2)
            client = connect(server)
            began = time.monotonic()
            while time.monotonic() - began < SECONDS / 2 and not load.wrong:
                client.command("BGSAVE" if "--dbfilename" in args else "BGREWRITEAOF")
                load.go_on(0.1)
            wait_until(lambda: "DB saved" in server.log() or args[0] != "--dbfilename", 10)
            server.kill()
            load.finish()
            server.start()
            client = connect(server)
            what = " ".join(args)
            eq(client.must("EXISTS", *Tokens.NAMES), 1, what)
            for group in range(5):
                values = set(client.must("MGET", *[f"group:{group}:{i}" for i in range(10)]))
                eq(len(values), 1, f"{what}: values of an MSET")
            counted = sum(int(v or 0) for v in client.must("MGET", *Counters.KEYS))
            if "always" in args:
                assert counted >= counters.done, f"{counters.done} answered, {counted} kept"


@timeout(60 + SECONDS)
def test_log_switched_on_and_off():
    """appendonly toggled under load; on at the end, the log holds everything."""
    server, client, before = loaded(
        extra="CONFIG SET appendonly yes;CONFIG SET appendonly no;CONFIG SET appendonly yes"
    )
    client.must("CONFIG", "SET", "appendonly", "yes")
    client.must("CONFIG", "SET", "appendfsync", "always")
    settle(client)
    client.must("SET", "the last", "write")
    client.must("DEL", "the last")
    server.args += ["--appendonly", "yes"]
    server.restart(hard=True)
    eq(state(connect(server)), before)


@timeout(60 + SECONDS)
def test_everything_goes():
    """Data vanish all the time: flushes, eviction, databases swapped. No errors but the expected
    ones, DBSIZE and SCAN agree at the end, and a log written meanwhile loads to the same.
    """
    with Server(*ARGS, "--appendonly", "yes", "--maxmemory-samples", "5") as server:
        load = Load(server)
        load.add(Mixed(server, errors=("OOM",)), 4)
        load.add(Passing(server))
        load.add(Asking(server))
        load.add(
            Saving(
                server,
                "FLUSHALL;FLUSHALL ASYNC;FLUSHDB ASYNC;FLUSHDB;SWAPDB 0 1;SWAPDB 1 2;SWAPDB 0 3;"
                "CONFIG SET maxmemory 2mb;CONFIG SET maxmemory 5mb;CONFIG SET maxmemory 1;"
                "CONFIG SET maxmemory 0;CONFIG SET maxmemory-policy allkeys-lru;"
                "CONFIG SET maxmemory-policy allkeys-lfu;CONFIG SET maxmemory-policy volatile-ttl;"
                "CONFIG SET maxmemory-policy volatile-lfu;CONFIG SET maxmemory-policy noeviction;"
                "CONFIG SET maxmemory-policy allkeys-random;CLIENT KILL LADDR 1.2.3.4:5;"
                "DEBUG SET-ACTIVE-EXPIRE 0;DEBUG SET-ACTIVE-EXPIRE 1;CONFIG REWRITE",
            ),
            2,
        )
        load.go_on()
        load.stop()
        client = connect(server)
        client.must("CONFIG", "SET", "maxmemory", 0)
        settle(client)
        before = state(client)
        client.must("CONFIG", "SET", "appendfsync", "always")
        client.must("SET", "the last", "write")
        client.must("DEL", "the last")
        server.restart(hard=True)
        eq(state(connect(server)), before)


@timeout(60 + SECONDS)
def test_stopped_in_the_middle():
    """SHUTDOWN, SIGTERM and a storm of CLIENT KILL while everything runs: the process ends in
    order, with everything it acknowledged.
    """
    for turn, how in enumerate(("NOSAVE", "SIGTERM", "SAVE")):
        with Server(*ARGS, "--appendonly", "yes", "--appendfsync", "always") as server:
            load = Load(server)
            acknowledged = {}

            def write(rng, acknowledged=acknowledged, server=server):
                mine = threading.get_ident()
                try:
                    with connect(server) as client:
                        while not load.ending.is_set():
                            first = acknowledged.get(mine, 0)
                            batch = [("SET", f"{mine}:{i}", i) for i in range(first, first + 20)]
                            replies = client.pipeline(batch)
                            acknowledged[mine] = first + len(replies)
                            if len(replies) < len(batch):
                                return
                except GONE:
                    time.sleep(0.01)

            def kill(rng, server=server):
                try:
                    with connect(server) as client:
                        client.command("CLIENT", "KILL", "TYPE", "normal")
                except GONE:
                    pass
                time.sleep(0.1)

            load.add(write, 5)
            load.add(Passing(server))
            load.add(kill)
            load.go_on(SECONDS / 4)
            server.ended = True
            if how == "SIGTERM":
                server.process.terminate()
            else:
                while server.alive():
                    try:
                        with connect(server) as client:
                            client.send("SHUTDOWN", how)
                            client.read_until_closed(10)
                    except GONE:
                        pass
            eq(server.wait(20), 0, how)
            load.finish()
            server.start()
            client = connect(server)
            assert acknowledged, "nothing was written"
            for mine, count in acknowledged.items():
                values = client.must("MGET", *[f"{mine}:{i}" for i in range(count)], "none")
                eq(values[:-1], [b"%d" % i for i in range(count)], f"turn {turn}")
