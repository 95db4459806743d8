#!/usr/bin/env python3
"""Benchmarks of Spillway beside redis-server, in one run on one machine.

    run.py [-l] [-r ROUNDS] [--quick] [NAME ...]

What is measured is the server's CPU time per request, which a noisy machine disturbs far less than
seconds: the server is pinned to CPU 0 and the load generator to CPU 1. The two servers take turns in
short bursts (A B B A ...); what is compared is the median of the ratios of neighbouring bursts, so
that what slows the machine for a while slows both. The generator (load.c) keeps either server busy,
which redis-benchmark does not: a server that is faster than its load is measured falling asleep and
waking up. User and system time are told apart by the proportion the kernel accounts. Memory is
resident bytes over an empty server. Each benchmark prints its rows with the target it is held to;
the exit code is 1 if a target was missed. NAMEs are parts of benchmark names; all run in about ten
minutes.

Environment: SPILLWAY_SERVER and REDIS_SERVER choose other binaries, SPILLWAY_ARGS adds arguments to
the first.
"""
import argparse
import os
import random
import statistics
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(ROOT, "tests", "system"))
from harness import (
    Client,
    Server,
    children,
    cpu_ns,
    cpu_split,
    encode,
    free_port,
    reference,
    rss,
    subject_binary,
)

RANDOM = "__rand_int__"
ELEMENT = f"element:{RANDOM}"
XADD = ("XADD", "events", "*", "sensor", "1234", "temperature", "19.8")
GET = ("GET", f"key:{RANDOM}")
SET = ("SET", f"key:{RANDOM}", "xxx")  # the values of redis-benchmark
HUNDRED = ("-t", "set", "-d", 100)  # redis-benchmark's SET of values of 100 bytes
SERVER_CPU, LOAD_CPU = "0", "1"
ECHO, LOAD = (os.path.join(ROOT, "build", "tests", "bench", name) for name in ("echo", "load"))
BURSTS = 5  # of which a round of a server consists


class Options:
    rounds = 5
    scale = 1.0  # of the number of requests


class Table:
    """Prints rows as they come and remembers missed targets."""

    missed = []

    @staticmethod
    def head():
        print(
            f"{'benchmark':<26} {'spillway':>20} {'redis-server':>20} {'ratio':>7} {'target':>9}",
            flush=True,
        )

    @classmethod
    def row(cls, name, ours, theirs="", ratio="", target="", good=None):
        """One line; good None means there is no target."""
        mark = "" if good is None else ("  ok" if good else "  MISSED")
        print(f"{name:<26} {ours:>20} {theirs:>20} {ratio:>7} {target:>9}{mark}", flush=True)
        if good is False:
            cls.missed.append(name)

    @classmethod
    def compare(cls, name, ours, theirs, unit, target):
        """ours and theirs are medians; the target is the greatest ratio allowed, or None."""
        ratio = ours / theirs
        cls.row(
            name,
            unit(ours),
            unit(theirs),
            f"{ratio:.2f}x",
            f"<={target:.2f}x" if target else "",
            None if target is None else ratio <= target,
        )


def spillway(*args, cpus=SERVER_CPU):
    return Server("--appendonly", "no", *args, cpus=cpus, name="spillway")


def redis(*args, cpus=SERVER_CPU):
    return reference("--appendonly", "no", *args, cpus=cpus)


# --- load -----------------------------------------------------------------------------------------


def redis_benchmark(port, requests, *args, cpus=LOAD_CPU):
    """Its command line; args are its own."""
    words = ["redis-benchmark", "-p", port, "-n", requests, "-q", *args]
    return ["taskset", "-c", cpus, *map(str, words)]


def generator(port, requests, clients, pipeline, span, *words, cpus=LOAD_CPU):
    """The command line of load.c: `words` is the command, `span` what random numbers are below."""
    args = [LOAD, port, clients, pipeline, requests, span, *words]
    return ["taskset", "-c", cpus, *map(str, args)]


class Cost:
    """CPU per request of one server over some bursts, in nanoseconds."""

    def __init__(self):
        self.totals, self.users, self.rates = [], [], []

    def measure(self, server, requests, *args, cpus=LOAD_CPU, load=generator):
        """One burst: `requests` of what `args` tell the generator; server has a pid and a port."""
        before, split = cpu_ns(server.pid), cpu_split(server.pid)
        began = time.monotonic()
        done = subprocess.run(
            load(server.port, requests, *args, cpus=cpus),
            capture_output=True,
            text=True,
            check=False,
        )
        seconds = time.monotonic() - began
        if done.returncode != 0 or "rror" in done.stdout:
            raise SystemExit(f"the load failed: {done.stdout[-500:]}{done.stderr[-500:]}")
        total = cpu_ns(server.pid) - before
        user, system = (b - a for a, b in zip(split, cpu_split(server.pid)))
        self.totals.append(total / requests)
        self.users.append((user, system))
        self.rates.append(requests / seconds)

    def ratio(self, other):
        """Median of the ratios to the bursts of another that were measured beside them."""
        return statistics.median(a / b for a, b in zip(self.totals, other.totals))

    def text(self):
        total = statistics.median(self.totals) / 1000
        user, system = (sum(part) for part in zip(*self.users))
        share = user / max(user + system, 0.01)
        return f"{total:.2f} us {share * total:.2f}u {(1 - share) * total:.2f}s"


def take_turns(servers, requests, *args, **options):
    """The costs of two servers under the same load, measured in bursts by turns."""
    costs = (Cost(), Cost())
    count = max(int(requests * Options.scale) // BURSTS, 1)
    for server in servers:
        Cost().measure(server, count, *args, **options)  # warms up
    for turn in range(Options.rounds * BURSTS):
        for side in (0, 1) if turn % 2 else (1, 0):
            costs[side].measure(servers[side], count, *args, **options)
    return costs


def ratio_row(name, costs, target=None):
    ratio = costs[0].ratio(costs[1])
    Table.row(
        name,
        costs[0].text(),
        costs[1].text(),
        f"{ratio:.2f}x",
        "" if target is None else f"<={target:.2f}x",
        None if target is None else ratio <= target,
    )


def fill_keys(server, count, make, batch=20000):
    """Sends make(i) (bytes of one request) for every i below count and reads the replies."""
    client = server.client(timeout=120)
    for start in range(0, count, batch):
        stop = min(count, start + batch)
        data = b"".join([make(i) for i in range(start, stop)])
        client.exchange(data, stop - start)
    client.close()


def letters(length, seed=7):
    rng = random.Random(seed)
    return bytes(rng.choice(b"abcdefghijklmnopqrstuvwxyz") for _ in range(length))


def set_requests(value_bytes, ttl=False, pool=256):
    """make(i) for fill_keys: SET of redis-benchmark's key names to one of some values."""
    values = [letters(value_bytes, s) for s in range(pool)]
    if ttl:
        return (
            lambda i: b"*5\r\n$3\r\nSET\r\n$16\r\nkey:%012d\r\n$%d\r\n%b\r\n"
            b"$2\r\nEX\r\n$6\r\n%d\r\n" % (i, value_bytes, values[i % pool], 100000 + i % 800000)
        )
    return lambda i: b"*3\r\n$3\r\nSET\r\n$16\r\nkey:%012d\r\n$%d\r\n%b\r\n" % (
        i,
        value_bytes,
        values[i % pool],
    )


def compare(workloads, prepare=None, **options):
    """Measures each workload (name, target, requests a round, arguments of the generator) on both
    servers by turns; prints a row for each.
    """
    servers = (spillway(), redis())
    try:
        for server in servers:
            if prepare:
                prepare(server)
        for name, target, requests, args in workloads:
            ratio_row(name, take_turns(servers, requests, *args, **options), target)
    finally:
        for server in servers:
            server.kill()


# --- the benchmarks -------------------------------------------------------------------------------


def bench_p1():
    """GET and SET without pipelining, 50 clients."""
    compare(
        [
            ("get-p1", 1.00, 150000, (50, 1, 1, *GET)),
            ("set-p1", 1.00, 150000, (50, 1, 1, *SET)),
        ],
    )


def million_keys(server):
    fill_keys(server, 1000000, set_requests(100))


def bench_p16():
    """GET and SET in pipelines of 16 on a million keys of 16 bytes with values of 100."""
    compare(
        [
            ("get-p16", 0.40, 1000000, (50, 16, 1000000, *GET)),
            ("set-p16", 0.45, 1000000, (50, 16, 1000000, *SET[:2], "x" * 100)),
        ],
        million_keys,
    )


def bench_get64k():
    """GET of a value of 64 KiB, by redis-benchmark, to which it costs as much as to a server; and
    by a generator that keeps the server busy.
    """

    def prepare(server):
        with server.client() as client:
            client.must("SET", "big", letters(65536))

    row = ("get-64k", 0.75, 100000, ("-c", 50, "GET", "big"))
    compare([row], prepare, load=redis_benchmark)
    compare([("get-64k busy", None, 100000, (50, 1, 1, "GET", "big"))], prepare)


def bench_mset10():
    """MSET of ten keys of a million."""
    words = ("MSET", *(word for _ in range(10) for word in SET[1:]))
    compare([("mset-10", 0.80, 100000, (50, 1, 1000000, *words))])


def bench_types():
    """Lists, sets, hashes, sorted sets and streams, 50 clients in pipelines of 16.

    LPUSH puts three bytes at one list, SADD and HSET one of 100,000 names into one set and one
    hash, which are full after the first bursts. ZADD gives one of 200,000 members another score.
    The rows "-keys" do the same to one of 100,000 small lists, sets and hashes, as caches have
    them.
    """

    def prepare(server):
        with server.client() as client:
            client.must("RPUSH", "row", *[f"element-{i}" for i in range(300)])
            for start in range(0, 200000, 1000):
                pairs = [
                    x for i in range(start, start + 1000) for x in (i * 7, f"element:{i:012d}")
                ]
                client.must("ZADD", "ranking", *pairs)

    names, members = (50, 16, 100000), (50, 16, 200000)
    compare(
        [
            ("lpush", 0.65, 500000, (*names, "LPUSH", "mylist", "xxx")),
            ("lrange-100", 0.55, 50000, (*names, "LRANGE", "row", "0", "99")),
            ("sadd", 0.50, 1000000, (*names, "SADD", "myset", ELEMENT)),
            ("hset", 0.60, 500000, (*names, "HSET", "myhash", ELEMENT, "xxx")),
            ("lpush-keys", 0.65, 300000, (*names, "LPUSH", f"list:{RANDOM}", "xxx")),
            ("sadd-keys", 0.50, 300000, (*names, "SADD", f"set:{RANDOM}", ELEMENT)),
            ("hset-keys", 0.60, 300000, (*names, "HSET", f"hash:{RANDOM}", "field", "xxx")),
            ("zadd", 0.50, 200000, (*members, "ZADD", "ranking", RANDOM, ELEMENT)),
            ("zrank", 0.50, 200000, (*members, "ZRANK", "ranking", ELEMENT)),
            ("zrange-100", 0.55, 50000, (*names, "ZRANGE", "ranking", "1000", "1099")),
            ("xadd", 0.65, 300000, (*names, *XADD)),
        ],
        prepare,
    )


def bench_redis_benchmark():
    """What redis-benchmark shows in pipelines of 16: it costs more than a server does, so that a
    fast one waits for it; for comparison with what others measure.
    """
    piped = ("-c", 50, "-P", 16)
    compare(
        [
            ("get by redis-benchmark", None, 1000000, (*piped, "-r", 1000000, "-t", "get")),
            ("set by redis-benchmark", None, 1000000, (*piped, "-r", 1000000, *HUNDRED)),
            ("sadd by redis-benchmark", None, 500000, (*piped, "-r", 100000, "-t", "sadd")),
        ],
        million_keys,
        load=redis_benchmark,
    )


def bench_echo():
    """The floor: a bare libuv echo and redis-server, 50 clients, no pipelining."""
    port = free_port()
    echo = subprocess.Popen(["taskset", "-c", SERVER_CPU, ECHO, str(port)], stdout=subprocess.PIPE)
    echo.stdout.readline()
    echo.port = port
    with redis() as server:
        try:
            costs = take_turns((echo, server), 150000, 50, 1, 1, *GET)
        finally:
            echo.kill()
            echo.wait()
    ratio_row("libuv echo (floor)", costs)


def bench_workers():
    """CPU per request of two workers on both CPUs against one, GET and SET of 100,000 keys by
    redis-benchmark; in pipelines of 16 also the rate.
    """
    # One worker has both CPUs to itself with the load as two have: only the number of workers
    # differs. A load that kept two workers busy would need a processor more than there are.
    both = f"{SERVER_CPU},{LOAD_CPU}"
    how = {"cpus": both, "load": redis_benchmark}
    sides = [spillway("--io-threads", str(n), cpus=both) for n in (2, 1)]
    print(f"{'':<26} {'two workers':>20} {'one worker':>20}")
    try:
        for test in ("get", "set"):
            args = ("-c", 50, "-r", 100000, "-t", test)
            ratio_row(f"workers-{test}", take_turns(sides, 150000, *args, **how), 1.15)
            two, one = take_turns(sides, 1000000, *args, "-P", 16, **how)
            ratio_row(f"workers-{test}-p16", (two, one), 1.15)
            rates = [f"{statistics.median(cost.rates) / 1000:.0f} k/s" for cost in (two, one)]
            kept = statistics.median(a / b for a, b in zip(two.rates, one.rates))
            Table.row(f"workers-{test}-p16 rate", *rates, f"{kept:.2f}x")
    finally:
        for server in sides:
            server.kill()


def hand_over_us(server, count):
    """Median microseconds from a push to the reply of the client that waited for it in BLPOP."""
    waiting, pushing = server.client(), server.client()  # connections go to workers in turns
    times = []
    for _ in range(count):
        waiting.send("BLPOP", "queue", 0)
        pushing.command("PING")  # behind it, if both are on one worker
        time.sleep(0.0003)
        began = time.perf_counter_ns()
        pushing.send("LPUSH", "queue", "element")
        waiting.read_raw_reply()
        times.append((time.perf_counter_ns() - began) / 1000)
        pushing.read_raw_reply()
    for client in (waiting, pushing):
        client.close()
    return statistics.median(times)


def bench_blpop():
    """From LPUSH to the reply of a BLPOP that waited, on one worker and from one to another."""
    sides = (
        redis(cpus="0,1"),
        spillway("--io-threads", "1", cpus="0,1"),
        spillway("--io-threads", "2", cpus="0,1"),
    )
    times = [[], [], []]
    for _ in range(Options.rounds + 1):
        for side, server in enumerate(sides):
            times[side].append(hand_over_us(server, int(2000 * Options.scale)))
    for server in sides:
        server.kill()
    theirs, one, two = (statistics.median(t[1:]) for t in times)
    for name, ours in (("blpop one worker", one), ("blpop across workers", two)):
        Table.compare(name, ours, theirs, lambda us: f"{us:.0f} us", 1.3)


def settled_rss(server):
    """Resident bytes once they stand still."""
    last = rss(server.pid)
    for _ in range(20):
        time.sleep(0.1)
        now = rss(server.pid)
        if abs(now - last) < 65536:
            return now
        last = now
    return last


MEMORY_CASES = [
    ("memory-8", 8, False, 0.40),
    ("memory-32", 32, False, 0.48),
    ("memory-100", 100, False, 0.65),
    ("memory-8-ttl", 8, True, 0.45),
]


def bench_memory():
    """Resident bytes per key over an empty server: a million keys of 16 bytes, values of 8, 32,
    100, and 8 with a TTL.
    """
    count = int(1000000 * max(Options.scale, 0.2))
    for name, value_bytes, ttl, target in MEMORY_CASES:
        make = set_requests(value_bytes, ttl)
        per_key = []
        for start in (spillway, redis):
            with start() as server:
                empty = settled_rss(server)
                fill_keys(server, count, make)
                with server.client() as client:
                    assert client.must("DBSIZE") == count, "not all keys are there"
                per_key.append((settled_rss(server) - empty) / count)
        Table.compare(name, *per_key, lambda v: f"{v:.1f} B/key", target)


NUMBER = "#" * 12


def template(*words):
    """make(i) for fill_keys: one command, in which NUMBER becomes i in twelve digits."""
    parts = encode(*words).split(NUMBER.encode())
    return lambda i: (b"%012d" % i).join(parts)


# Members, fields and keys have the form of redis-benchmark's names. The small hashes are what an
# application keeps of one object; both servers make a listpack of each.
MEMBER = f"element:{NUMBER}"
OBJECT = [part for i in range(8) for part in (f"field{i}", f"val-{i:04d}")]
COLLECTION_CASES = [
    ("memory-set", 0.55, 1000000, template("SADD", "all", MEMBER)),
    ("memory-zset", 0.50, 1000000, template("ZADD", "all", NUMBER, MEMBER)),
    ("memory-hash", 0.65, 1000000, template("HSET", "all", MEMBER, "value678")),
    ("memory-hashes", 0.85, 1000000, template("HSET", f"key:{NUMBER}", *OBJECT)),
]


def bench_memory_types():
    """Resident bytes per item over an empty server: a set, a sorted set and a hash of a million
    members of 20 bytes, and a million hashes of 8 short fields.
    """
    for name, target, items, make in COLLECTION_CASES:
        count = int(items * max(Options.scale, 0.2))
        per_item = []
        for start in (spillway, redis):
            with start() as server:
                empty = settled_rss(server)
                fill_keys(server, count, make)
                per_item.append((settled_rss(server) - empty) / count)
        Table.compare(name, *per_item, lambda v: f"{v:.1f} B/item", target)


def tree_pss(pid):
    """Proportional bytes of a process and its children: what the machine has to give for them."""
    total = 0
    for one in [pid] + children(pid):
        try:
            with open(f"/proc/{one}/smaps_rollup", encoding="ascii") as f:
                total += next(int(line.split()[1]) for line in f if line.startswith("Pss:")) * 1024
        except (OSError, StopIteration):
            pass
    return total


class Prober(threading.Thread):
    """GETs a key again and again and remembers the worst time a reply took, in milliseconds."""

    def __init__(self, port):
        super().__init__(daemon=True)
        self.client = Client(port)
        self.worst_ms = 0.0
        self.running = True

    def run(self):
        try:
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), -20)
        except OSError:
            pass
        request = encode("GET", "key:000000000007")
        while self.running:
            began = time.perf_counter()
            self.client.send_raw(request)
            self.client.read_raw()
            self.worst_ms = max(self.worst_ms, (time.perf_counter() - began) * 1000)
            time.sleep(0.001)

    def take(self):
        worst, self.worst_ms = self.worst_ms, 0.0
        return worst


def save_under_load(start):
    """(extra bytes / bytes before, write rate kept, worst GET ms before, worst during, seconds of
    the save)
    """
    with start("--dbfilename", "bench.rdb") as server:
        fill_keys(server, 1000000, set_requests(100))
        client = server.client(timeout=60)
        load = subprocess.Popen(
            generator(
                server.port, 1000000000, 20, 16, 1000000, "SET", f"key:{RANDOM}", "x" * 100
            ),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        prober = Prober(server.port)
        try:
            time.sleep(0.5)
            prober.start()

            def commands():
                return int(server.info("stats", client)["total_commands_processed"])

            prober.take()
            at, before = time.monotonic(), commands()
            time.sleep(1.5)
            rate = (commands() - before) / (time.monotonic() - at)
            worst_before = prober.take()
            resident = peak = tree_pss(server.pid)
            at, before = time.monotonic(), commands()
            client.must("BGSAVE")
            while True:
                peak = max(peak, tree_pss(server.pid))  # walks the page tables: not too often
                if server.info("persistence", client)["rdb_bgsave_in_progress"] == "0":
                    break
                if time.monotonic() - at > 60:
                    raise SystemExit("BGSAVE did not end within 60 s")
                time.sleep(0.1)
            seconds = time.monotonic() - at
            kept = (commands() - before) / seconds / rate
            worst = prober.take()
            if server.info("persistence", client)["rdb_last_bgsave_status"] != "ok":
                raise SystemExit("BGSAVE failed")
        finally:
            prober.running = False
            load.kill()
            load.wait()
            prober.join()
        client.close()
        return (peak - resident) / resident, kept, worst_before, worst, seconds


def element_requests(kind, count, batch=1000):
    """Requests that make a value of `count` elements under "big"."""
    for at in range(0, count, batch):
        names = [f"element:{i}" for i in range(at, at + batch)]
        if kind == "set":
            yield encode("SADD", "big", *names)
        elif kind == "list":
            yield encode("RPUSH", "big", *names)
        elif kind == "hash":
            yield encode("HSET", "big", *[part for name in names for part in (name, "value")])
        else:
            yield encode("ZADD", "big", *[part for name in names for part in (len(name), name)])


def run_to_end(client, command):
    """Sends a command and reads its reply without parsing it, which would keep the prober waiting."""
    end = encode("ECHO", "end of reply")[14:]  # as it is replied
    client.send_raw(encode(*command) + encode("ECHO", "end of reply"))
    tail = b""
    while not tail.endswith(end):
        tail = (tail + client.sock.recv(1 << 20))[-64:]


def worst_while(start, kind, count, *command):
    """Worst GET in milliseconds while a command (or the save it begins) works on a large value:
    the best of some tries, because others may disturb any of them.
    """
    worst = []
    for _ in range(max(2, Options.rounds // 2)):
        with start("--dbfilename", "bench.rdb") as server:
            client = server.client(timeout=120)
            for request in element_requests(kind, count):
                client.send_raw(request)
                client.read_raw()
            prober = Prober(server.port)
            prober.start()
            time.sleep(0.3)
            prober.take()
            run_to_end(client, command)
            while server.info("persistence", client)["rdb_bgsave_in_progress"] == "1":
                time.sleep(0.02)
            time.sleep(0.3)
            worst.append(prober.take())
            prober.running = False
            prober.join()
            client.close()
    return min(worst)


def bench_large():
    """Worst GET of another key while a value of a million elements is removed, saved, read, copied
    or combined.
    """
    count = int(1000000 * max(Options.scale, 0.2))
    for kind in ("set", "hash", "zset", "list"):
        sides = [worst_while(start, kind, count, "DEL", "big") for start in (spillway, redis)]
        target = None if kind == "list" else 0.5
        Table.compare(f"del-{kind} worst GET", *sides, lambda v: f"{v:.1f} ms", target)
    for kind in ("set", "hash", "zset", "list"):
        sides = [worst_while(start, kind, count, "BGSAVE") for start in (spillway, redis)]
        Table.compare(f"save-{kind} worst GET", *sides, lambda v: f"{v:.1f} ms", None)
    for name, kind, command in (
        ("hgetall", "hash", ("HGETALL", "big")),
        ("smembers", "set", ("SMEMBERS", "big")),
        ("lrange", "list", ("LRANGE", "big", 0, -1)),
        ("zrange", "zset", ("ZRANGE", "big", 0, -1, "WITHSCORES")),
        ("copy", "hash", ("COPY", "big", "other")),
        ("dump", "zset", ("DUMP", "big")),
        ("sunionstore", "set", ("SUNIONSTORE", "other", "big")),
        ("sort", "list", ("SORT", "big", "ALPHA", "LIMIT", 0, 10)),
    ):
        sides = [worst_while(start, kind, count, *command) for start in (spillway, redis)]
        Table.compare(f"{name} worst GET", *sides, lambda v: f"{v:.1f} ms", 0.5)


def bench_bgsave():
    """BGSAVE of a million keys while 20 clients write at full rate: extra memory, writes kept,
    worst GET: medians of some saves by turns.
    """
    runs = [(save_under_load(spillway), save_under_load(redis)) for _ in range(Options.rounds)]
    ours, theirs = (
        [statistics.median(column) for column in zip(*side)] for side in zip(*runs)
    )

    def row(name, at, shown, target="", good=None):
        Table.row(f"bgsave {name}", shown(ours[at]), shown(theirs[at]), "", target, good)

    def percent(share):
        return f"{share * 100:.1f} %"

    def ms(time):
        return f"{time:.1f} ms"

    row("extra memory", 0, percent, "<=10 %", ours[0] <= 0.10)
    row("write rate kept", 1, lambda v: f"{v:.2f}", ">=0.70", ours[1] >= 0.70)
    row("worst GET", 3, ms, "<=redis", ours[3] <= theirs[3])
    row("worst GET before", 2, ms)
    row("duration", 4, lambda v: f"{v:.2f} s")


def start_once(start):
    """(milliseconds from the start of the process to its first PONG, resident bytes then)"""
    os.sched_setaffinity(0, range(os.cpu_count() or 1))
    server = start()
    server.kill()
    began = time.perf_counter()
    server.start(wait=False)
    while True:
        try:
            with Client(server.port, timeout=5) as client:
                if client.command("PING") == "PONG":
                    break
        except OSError:
            time.sleep(0.0002)
    elapsed = (time.perf_counter() - began) * 1000
    time.sleep(0.2)
    resident = rss(server.pid)
    server.kill()
    return elapsed, resident


def bench_start():
    """Time from the start of the process to its first PONG; resident bytes of an empty server."""
    ours, theirs = [], []
    for _ in range(5):
        ours.append(start_once(lambda: spillway(cpus=None)))
        theirs.append(start_once(lambda: redis(cpus=None)))
    (ms, resident), (their_ms, their_resident) = (
        [statistics.median(x) for x in zip(*side)] for side in (ours, theirs)
    )
    Table.row(
        "start", f"{ms:.1f} ms", f"{their_ms:.1f} ms", f"{ms / their_ms:.2f}x", "<=15 ms", ms <= 15
    )
    Table.row(
        "empty rss",
        f"{resident / 1e6:.1f} MB",
        f"{their_resident / 1e6:.1f} MB",
        f"{resident / their_resident:.2f}x",
        "<=8 MB",
        resident <= 8e6,
    )


BENCHMARKS = {
    name[6:]: function for name, function in list(globals().items()) if name.startswith("bench_")
}


def main():
    parser = argparse.ArgumentParser(description="Benchmarks Spillway beside redis-server.")
    parser.add_argument("-l", "--list", action="store_true", help="list the benchmarks")
    parser.add_argument("-r", "--rounds", type=int, default=5, help="rounds (5), each of some bursts")
    parser.add_argument(
        "--quick",
        action="store_true",
        help="a quarter of the requests: for trying, not for numbers",
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="parts of names; none: all")
    options = parser.parse_args()
    if options.list:
        for name, function in BENCHMARKS.items():
            print(f"{name:<10} {function.__doc__}")
        return 0
    Options.rounds = options.rounds
    Options.scale = 0.25 if options.quick else 1.0
    chosen = [
        n for n in BENCHMARKS if not options.names or any(part in n for part in options.names)
    ]
    if not chosen:
        print(f"no benchmark is named so; there are: {' '.join(BENCHMARKS)}", file=sys.stderr)
        return 2
    if not os.path.exists(LOAD):
        print(f"{LOAD} is not there: make bench builds it", file=sys.stderr)
        return 2
    if (os.cpu_count() or 1) < 2:
        print("warning: one CPU only; server and load share it", file=sys.stderr)
    print(
        f"{subject_binary()}; CPU per request as total, user and system; "
        f"medians of {Options.rounds * BURSTS} bursts"
    )
    os.sched_setaffinity(0, {int(LOAD_CPU)})  # what measures must not disturb what is measured
    Table.head()
    for name in chosen:
        BENCHMARKS[name]()
    if Table.missed:
        print(f"{len(Table.missed)} targets missed: {', '.join(Table.missed)}")
    return 1 if Table.missed else 0


if __name__ == "__main__":
    sys.exit(main())
