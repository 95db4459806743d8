"""Fields of hashes that expire, on this server alone: real times, the log, snapshots, files of
other servers."""
import os
import random
import shutil
import struct
import threading
import time

import harness
from differential import seed
from harness import PATIENCE, ReplyError, Server, eq, in_time, reference, wait_until
from type_tools import DEBUG, LOG, rewritten

FAR = 4102444800000  # ms: the year 2100
SMALL = ("--hash-max-listpack-entries", "2")


def stat(client, name):
    info = client.must("INFO", "stats").decode()
    return int(info.split(f"\r\n{name}:")[1].split("\r\n")[0])


def timed_keys(client):
    """What INFO says of keys with fields that expire, all databases together."""
    lines = client.must("INFO", "keyspace").decode().split("\r\n")
    return sum(int(line.split("subexpiry=")[1]) for line in lines if "subexpiry=" in line)


def contents(client):
    """Every hash: fields with their values and times."""
    result = {}
    for key in sorted(client.must("KEYS", "*")):
        parts = client.must("HGETALL", key)
        names = parts[::2]
        times = client.must("HPEXPIRETIME", key, "FIELDS", len(names), *names) if names else []
        result[key] = sorted(zip(names, parts[1::2], times))
    return result


def gone_in_time(*args):
    with Server(*LOG, *args) as server:
        client = server.client()
        client.must("HSET", "k", "a", 1, "b", 2, "c", 3)
        start = time.monotonic()
        client.must("HSETEX", "all", "PX", 80, "FIELDS", 3, "a", 1, "b", 2, "c", 3)
        eq(client.must("HPEXPIRE", "k", 80, "FIELDS", 2, "a", "b"), [1, 1])
        while True:
            (left,) = client.must("HPTTL", "k", "FIELDS", 1, "a")
            if left < 0:
                break
            assert left in range(81), left
        assert left == -2 and time.monotonic() - start > 0.07
        # Nobody asks for them, and they go.
        wait_until(lambda: client.must("DBSIZE") == 1, 2, "the key whose fields are over")
        wait_until(lambda: client.must("HLEN", "k") == 1, 2, "fields to be removed")
        in_time(start, 1)
        eq(client.must("HGETALL", "k"), [b"c", b"3"])
        wait_until(lambda: timed_keys(client) == 0)
        eq(stat(client, "expired_subkeys"), 5)
        eq(stat(client, "expired_fields"), 5)
        eq(stat(client, "expired_keys"), 0)
        # Somebody asks as soon as they are over.
        client.must("HSETEX", "k", "PX", 20, "FIELDS", 1, "a", 7)
        deadline = time.monotonic() + 0.021
        while time.monotonic() <= deadline:
            pass
        eq(client.must("HGET", "k", "a"), None)
        eq(client.must("HINCRBY", "k", "a", 1), 1)
        eq(client.must("HPTTL", "k", "FIELDS", 1, "a"), [-1])
        before = contents(client)
        eq(client.command("DEBUG", "LOADAOF"), "OK")
        eq(contents(client), before)
        server.kill()
        server.start()
        eq(contents(server.client()), before)


def test_gone_in_time():
    gone_in_time()


def test_gone_in_time_from_tables():
    gone_in_time(*SMALL)


def fill(client, rng, keys=40, times=(FAR, FAR + 1, FAR + 10**9)):
    commands = []
    for key in range(keys):
        for field in range(rng.randrange(1, 30)):
            commands.append(("HSET", f"k{key}", f"f{field}", rng.randrange(10**6)))
            if rng.random() < 0.4:
                when = rng.choice(times)
                commands.append(("HPEXPIREAT", f"k{key}", when, "FIELDS", 1, f"f{field}"))
    replies = client.pipeline(commands)
    assert not any(isinstance(reply, ReplyError) for reply in replies), replies


def comes_back(*args):
    rng = random.Random(seed())
    with Server(*LOG, *args) as server:
        client = server.client()
        fill(client, rng)
        client.must("HINCRBYFLOAT", "k0", "f0", "1.5")
        client.must("HPEXPIREAT", "k1", FAR, "FIELDS", 1, "f0")
        client.must("HINCRBYFLOAT", "k1", "f0", "1.5")
        client.must("COPY", "k2", "copy")
        client.must("RENAME", "k3", "renamed")
        client.must("RESTORE", "restored", 0, client.must("DUMP", "k1"))
        before, digest = contents(client), client.must("DEBUG", "DIGEST")
        assert timed_keys(client) > 10
        count = timed_keys(client)
        eq(before[b"restored"], before[b"k1"])
        for way in ("LOADAOF", "RELOAD"):
            eq(client.command("DEBUG", way), "OK")
            eq(contents(client), before, way)
            eq(timed_keys(client), count)
            eq(client.must("DEBUG", "DIGEST"), digest)
        wait_until(lambda: "aof_rewrite_in_progress:0" in client.must("INFO").decode())
        rewritten(server, client)
        fill(client, rng, 10)
        client.must("HPERSIST", "k1", "FIELDS", 1, "f0")
        before = contents(client)
        eq(client.command("DEBUG", "LOADAOF"), "OK")
        server.kill()
        server.start()
        client = server.client()
        eq(contents(client), before)
        # What they are worth is known after loading too.
        client.must("HPEXPIRE", "copy", 30, "FIELDS", 1, "f0")
        wait_until(lambda: client.must("HEXISTS", "copy", "f0") == 0, 2)


def test_log_and_snapshots_bring_times_back():
    comes_back()


def test_from_tables():
    comes_back(*SMALL)


def test_log_of_commands():
    comes_back("--aof-use-rdb-preamble", "no")


def test_times_over_while_it_is_down():
    """Fields whose time passes while the server is away are gone when it is back, from the log and
    from a snapshot; a log that touches them later is read as it was written."""
    for args in (LOG + ("--appendfsync", "always"), DEBUG):
        with Server(*args) as server:
            client = server.client()
            client.must("HSET", "k", "stays", 1)
            over = time.time() + 1.5
            when = int(over * 1000)
            client.must("HSETEX", "k", "PXAT", when, "FIELDS", 2, "a", 5, "b", 6)
            client.must("HSETEX", "gone", "PXAT", when, "FIELDS", 1, "a", 5)
            client.must("HINCRBY", "k", "a", 1)
            if args is DEBUG:
                client.must("SAVE")
            server.kill()
            time.sleep(max(0, over + 0.05 - time.time()))
            server.start()
            client = server.client()
            eq(client.must("HGETALL", "k"), [b"stays", b"1"])
            eq(client.must("HLEN", "gone"), 0)
            wait_until(lambda: client.must("DBSIZE") == 1, 2)
            eq(stat(client, "expired_subkeys"), 3)


def header(server):
    with open(os.path.join(server.dir, "dump.rdb"), "rb") as f:
        return f.read(9)


def test_versions_of_files():
    """A file declares what is in it: 7.0 reads one without times of fields, as ever."""
    with Server(*DEBUG) as server:
        client = server.client()
        client.must("HSET", "k", "a", 1, "b", 2)
        client.must("HPEXPIREAT", "k", FAR, "FIELDS", 1, "a")
        client.must("SAVE")
        eq(header(server), b"REDIS0012")
        eq(client.must("DUMP", "k")[-10:-8], b"\x0c\x00")
        client.must("HPERSIST", "k", "FIELDS", 1, "a")
        client.must("SAVE")
        eq(header(server), b"REDIS0010")
        eq(client.must("DUMP", "k")[-10:-8], b"\x0a\x00")
        for i in range(1000):
            client.must("HSETEX", f"k{i}", "PXAT", FAR, "FIELDS", 1, "a", 1)
        client.must("RENAME", "k1", "k2")
        client.must("SWAPDB", 0, 1)
        client.must("SET", "string", "v")
        client.must("SELECT", 1)
        client.must("DEL", "k3")
        eq(timed_keys(client), 998)
        client.must("FLUSHDB")
        client.must("SELECT", 0)
        client.must("HSET", "k", "a", 1, "b", 2)
        client.must("SAVE")
        eq(header(server), b"REDIS0010")
        directory = harness.test_dir()
        shutil.copy(server.path("dump.rdb"), directory)
        with reference("--appendonly", "no", directory=directory) as other:
            eq(other.client().must("HGET", "k", "b"), b"2")


def string(text):
    return bytes([len(text)]) + text


def made_file(magic, body):
    """A dump file with one hash "k" in database 0; without a check sum."""
    return magic + b"\xfe\x00" + body[:1] + string(b"k") + body[1:] + b"\xff" + bytes(8)


def loads(data):
    directory = harness.test_dir()
    with open(os.path.join(directory, "dump.rdb"), "wb") as f:
        f.write(data)
    return Server(*DEBUG, directory=directory)


def test_files_of_other_servers():
    ms = struct.Struct("<q").pack
    valkey = b"\x16\x02" + string(b"a") + string(b"1") + ms(FAR)
    valkey += string(b"b") + string(b"2") + ms(-1)
    redis = b"\x18" + ms(FAR) + b"\x02" + b"\x01" + string(b"a") + string(b"1")
    redis += b"\x00" + string(b"b") + string(b"2")
    for magic, body in ((b"VALKEY080", valkey), (b"REDIS0012", redis)):
        with loads(made_file(magic, body)) as server:
            client = server.client()
            eq(contents(client), {b"k": [(b"a", b"1", FAR), (b"b", b"2", -1)]})
            client.must("SAVE")
            eq(header(server), b"REDIS0012")
    # What only prereleases of Redis wrote under that number is not guessed at.
    with Server(*DEBUG) as server:
        client = server.client()
        with open(os.path.join(server.dir, "dump.rdb"), "wb") as f:
            f.write(made_file(b"REDIS0012", valkey))
        reply = client.command("DEBUG", "RELOAD", "NOSAVE")
        assert isinstance(reply, ReplyError), reply
        wait_until(lambda: "prereleases of Redis 7.4" in server.log())


def test_paused_clients_keep_what_is_over():
    with Server(*DEBUG) as server:
        client = server.client()
        client.must("HSET", "k", "a", 1, "b", 2)
        client.must("HPEXPIRE", "k", 1500, "FIELDS", 1, "a")
        client.must("CLIENT", "PAUSE", 60000, "WRITE")
        time.sleep(1.8)
        eq(client.must("HGETALL", "k"), [b"b", b"2"])
        eq(client.must("HPTTL", "k", "FIELDS", 2, "a", "b"), [-2, -1])
        eq(stat(client, "expired_subkeys"), 0)
        client.must("CLIENT", "UNPAUSE")
        wait_until(lambda: stat(client, "expired_subkeys") == 1, 2)


def test_active_expire_can_be_turned_off():
    with Server(*DEBUG) as server:
        client = server.client()
        client.must("DEBUG", "SET-ACTIVE-EXPIRE", 0)
        client.must("HSETEX", "k", "PX", 1, "FIELDS", 1, "a", 1)
        time.sleep(0.3)
        eq(client.must("DBSIZE"), 1)
        eq(client.must("HGET", "k", "a"), None)
        eq(client.must("DBSIZE"), 0)


def test_scan_with_fields_going():
    """Who stays is visited, whoever goes meanwhile."""
    with Server(*DEBUG) as server:
        client = server.client()
        names = [f"s{i}" for i in range(3000)]
        client.must("HSET", "k", *[part for name in names for part in (name, 1)])
        for start in range(0, 9000, 1000):
            pairs = [part for i in range(start, start + 1000) for part in (f"t{i}", 1)]
            client.must("HSETEX", "k", "PX", 100 + start // 50, "FIELDS", 1000, *pairs)
        cursor, seen = b"0", []
        while True:
            cursor, part = client.must("HSCAN", "k", cursor, "COUNT", 50, "NOVALUES")
            seen += part
            if cursor == b"0":
                break
            time.sleep(0.004)
        stayed = [name for name in seen if name.startswith(b"s")]
        eq(sorted(stayed), sorted(name.encode() for name in names))
        wait_until(lambda: client.must("HLEN", "k") == 3000, 3)


def test_many_at_once():
    """A large hash whose fields are all over at the same moment does not stop the server."""
    with Server(*DEBUG) as server:
        client = server.client()
        for start in range(0, 100000, 10000):
            pairs = [part for i in range(start, start + 10000) for part in (f"f{i}", "v")]
            client.must("HSETEX", "k", "PXAT", FAR, "FIELDS", 10000, *pairs)
        names = client.must("HKEYS", "k")
        when = int(time.time() * 1000) + 1500
        count = 0
        for start in range(0, len(names), 20000):
            some = names[start : start + 20000]
            count += client.must("HPEXPIREAT", "k", when, "FIELDS", len(some), *some).count(1)
        worst = 0
        while client.must("EXISTS", "k"):
            begin = time.monotonic()
            client.must("PING")
            worst = max(worst, time.monotonic() - begin)
        eq(stat(client, "expired_subkeys"), count)
        assert worst < 0.5 * PATIENCE, worst


def test_workers_share_hashes():
    """Four workers, fields that go by themselves, rewrites and snapshots in between: what is left
    in the end is what a crash brings back."""
    number = seed()
    print(f"SEED={number}")
    keys = 6
    with Server(*LOG, "--hash-max-listpack-entries", "16") as server:
        stop, wrong = threading.Event(), []

        def write(worker):
            rng = random.Random(f"{number}/{worker}")
            try:
                with server.client() as client:
                    while not stop.is_set():
                        replies = client.pipeline([step(rng) for _ in range(40)])
                        errors = [r for r in replies if isinstance(r, ReplyError)]
                        assert not errors, errors[:3]
            except BaseException as error:
                wrong.append(error)

        def step(rng):
            key = f"k{rng.randrange(keys)}"
            names = [f"f{rng.randrange(60)}" for _ in range(rng.randrange(1, 4))]
            pairs = [part for name in names for part in (name, rng.randrange(100))]
            ttl = rng.choice((1, 5, 20, 60, 10**9))
            return rng.choice(
                (
                    ("HSET", key, *pairs),
                    ("HSETEX", key, "PX", ttl, "FIELDS", len(names), *pairs),
                    ("HSETEX", key, "KEEPTTL", "FIELDS", len(names), *pairs),
                    ("HPEXPIRE", key, ttl, "FIELDS", len(names), *names),
                    ("HGETEX", key, "PX", ttl, "FIELDS", len(names), *names),
                    ("HINCRBY", key, names[0], 1),
                    ("HPERSIST", key, "FIELDS", len(names), *names),
                    ("HGETDEL", key, "FIELDS", len(names), *names),
                    ("HGETALL", key),
                    ("HRANDFIELD", key, 5),
                    ("COPY", key, f"k{rng.randrange(keys, 2 * keys)}", "REPLACE"),
                )
            )

        threads = [threading.Thread(target=write, args=(n,), daemon=True) for n in range(4)]
        for thread in threads:
            thread.start()
        with server.client() as client:
            for _ in range(6):
                time.sleep(0.15)
                client.command("BGREWRITEAOF")
                client.command("BGSAVE")
        stop.set()
        for thread in threads:
            thread.join(20)
        if wrong:
            raise wrong[0]
        client = server.client()
        time.sleep(0.5)  # what is short is over then, and removed
        before, count = contents(client), timed_keys(client)
        assert before and count
        server.kill()
        server.start()
        client = server.client()
        eq(contents(client), before)
        eq(timed_keys(client), count)
        eq(client.command("DEBUG", "RELOAD"), "OK")
        eq(contents(client), before)


def test_snapshot_is_of_its_moment():
    """Fields that go while a snapshot is written are in it: it shows the moment it began."""
    with Server(*DEBUG) as server:
        client = server.client()
        for key in range(300):
            pairs = [part for i in range(100) for part in (f"f{i}", "v" * 50)]
            client.must("HSETEX", f"k{key}", "PX", 400, "FIELDS", 100, *pairs)
            client.must("HSET", f"k{key}", "stays", 1)
        client.must("SAVE")
        eq(header(server), b"REDIS0012")
        wait_until(lambda: stat(client, "expired_subkeys") == 30000, 5)
        client.must("SAVE")
        eq(header(server), b"REDIS0010")
        eq(client.command("DEBUG", "RELOAD"), "OK")
        eq(client.must("DBSIZE"), 300)
        eq(client.must("HGETALL", "k7"), [b"stays", b"1"])
