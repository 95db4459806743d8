"""Streams on this server alone and passed on: what the log and snapshots bring back, to
redis-server as well, with all that groups have pending; and what commands of Redis 8.2 do.
"""
import os
import random
import shutil
import threading
import time

import groups_stream  # noqa: F401  (registers its generators)
import harness
from differential import GENERATORS, key_spaces_differ, seed
from gen import Gen
from harness import Server, eq, reference, wait_until
from type_tools import DEBUG, comes_back, lazily_freed, rewritten

LOG = ("--appendonly", "yes", "--save", "", "--auto-aof-rewrite-percentage", "0")
SMALL = ("--stream-node-max-entries", "5")
EPHEMERAL = (b"seen-time", b"active-time", b"radix-tree-keys", b"radix-tree-nodes")


def without(value, names):
    """A reply of XINFO in RESP3 without some fields."""
    if isinstance(value, dict):
        return {name: without(inner, names) for name, inner in value.items() if name not in names}
    return [without(inner, names) for inner in value] if isinstance(value, list) else value


def whole(client, names=EPHEMERAL):
    """All that is known of all streams, but when consumers were last seen."""
    client.must("HELLO", "3")
    keys = [key for key in client.must("KEYS", "*") if client.must("TYPE", key) == "stream"]
    state = {key: client.must("XINFO", "STREAM", key, "FULL", "COUNT", 0) for key in sorted(keys)}
    client.must("HELLO", "2")
    return without(state, names)


def busy(state):
    """Whether there is enough in it for a test to mean something."""
    groups = [group for stream in state.values() for group in stream[b"groups"]]
    return len(groups) > 2 and any(group[b"pending"] for group in groups)


# --- what comes back ------------------------------------------------------------------------------


def test_log_brings_streams_back():
    comes_back(["stream"], *SMALL, state=whole)


def test_log_of_commands_brings_streams_back():
    comes_back(["stream"], "--aof-use-rdb-preamble", "no", state=whole)


def traffic(client, number, batches=8):
    """Random commands of streams, none of which are for other types, and some of Redis 8.2."""
    for batch in range(batches):
        gen = Gen(random.Random(f"{number}/{batch}"), 2)
        steps = gen.steps(GENERATORS["stream"], 300)
        client.pipeline([step.args for step in steps])


def newer_traffic(client, number, count=400):
    """XDELEX, XACKDEL, and trims that look at what is pending, among others."""
    rng = random.Random(number)
    for i in range(count):
        key = f"s{rng.randrange(3)}"
        entry = f"{rng.randrange(1, i // 3 + 2)}-0"
        policy = rng.choice(["KEEPREF", "DELREF", "ACKED"])
        length = rng.randrange(12)
        client.command(
            *rng.choice(
                [
                    ("XADD", key, f"{i // 3 + 1}-*", "f", i),
                    ("XADD", key, f"{i // 3 + 1}-*", "f", i),
                    ("XADD", key, policy, "MAXLEN", rng.choice("=~"), length, "*", "f", i),
                    ("XTRIM", key, "MINID", rng.choice("=~"), entry, policy),
                    ("XTRIM", key, policy, "MAXLEN", "~", length, "LIMIT", 3),
                    ("XGROUP", "CREATE", key, rng.choice("gh"), 0),
                    ("XREADGROUP", "GROUP", "g", "c", "COUNT", 3, "STREAMS", key, ">"),
                    ("XREADGROUP", "GROUP", "h", "c", "COUNT", 3, "STREAMS", key, ">"),
                    ("XREADGROUP", "GROUP", "h", "d", "NOACK", "STREAMS", key, ">"),
                    ("XREADGROUP", "GROUP", "g", "c", "COUNT", 2, "STREAMS", key, "0"),
                    ("XDELEX", key, policy, "IDS", 2, entry, "3-0"),
                    ("XACKDEL", key, rng.choice("gh"), policy, "IDS", 1, entry),
                    ("XAUTOCLAIM", key, "g", "e", 0, "-", "COUNT", 2),
                ]
            )
        )


WAITING = (("XREADGROUP", "GROUP", "g", "c1"), ("XREADGROUP", "GROUP", "h", "c2", "COUNT", 1))


def test_log_of_newer_commands():
    number = seed()
    print(f"SEED={number}")
    with Server(*LOG, *DEBUG[:2], *SMALL) as server:
        client = server.client()
        newer_traffic(client, number)
        state = whole(client)
        assert busy(state)
        eq(client.command("DEBUG", "LOADAOF"), "OK")
        eq(whole(client), state)


def test_snapshot_keeps_when_consumers_were_seen():
    number = seed()
    print(f"SEED={number}")
    with Server(*DEBUG, *SMALL) as server:
        client = server.client()
        traffic(client, number)
        state = whole(client, EPHEMERAL[1:])
        assert busy(state)
        eq(client.command("DEBUG", "RELOAD"), "OK")
        eq(whole(client, EPHEMERAL[1:]), state)


def many_at_once(aside):
    number = seed()
    print(f"SEED={number}")
    with Server(*LOG, *DEBUG[:2], *SMALL, "--io-threads", "4") as server:
        through = []
        server.client().must("DEBUG", "ASIDE-THRESHOLD", aside)

        def one(name):
            with server.client(timeout=60) as client:
                for batch in range(6):
                    gen = Gen(random.Random(f"{number}/{name}/{batch}"), 2)
                    steps = gen.steps(GENERATORS["stream"], 150)
                    client.pipeline([step.args for step in steps])
                    newer_traffic(client, f"{number}/{name}/{batch}", 60)
                    client.command(*WAITING[batch % 2], "BLOCK", 20, "STREAMS", "s0", "s1", *">>")
                    client.command("XREAD", "BLOCK", 20, "STREAMS", "s0", "s1", "$", "$")
            through.append(name)

        threads = [threading.Thread(target=one, args=(name,), daemon=True) for name in range(6)]
        for thread in threads:
            thread.start()
        client = server.client()
        while any(thread.is_alive() for thread in threads):
            client.command("BGSAVE")
            time.sleep(0.01)
        wait_until(lambda: server.info("persistence", client)["rdb_bgsave_in_progress"] == "0")
        eq(sorted(through), list(range(6)))
        state = whole(client)
        assert busy(state)
        eq(client.command("DEBUG", "LOADAOF"), "OK")
        eq(whole(client), state)


def test_log_of_many_clients_at_once():
    """On four workers, all on the same streams, while snapshots are taken: some wait for entries,
    and are served behind the commands that woke them.
    """
    many_at_once(0)


def test_log_of_many_clients_at_once_aside():
    """The same where all that may runs aside."""
    many_at_once(1)


MANY = 800


def of_many(key):
    """Commands on very many entries of a stream, as (command, whether times are in the reply)."""
    mine = ("XREADGROUP", "GROUP", "g", "mine")
    return [
        (mine + ("COUNT", MANY // 2, "STREAMS", key, ">"), False),
        (("XADD", key, "99999-1", "f", "v"), False),
        (("XREADGROUP", "GROUP", "g", "others", "STREAMS", key, ">"), False),
        (("XDEL", key, *[f"{i}-1" for i in range(100, MANY, 7)]), False),
        (("XTRIM", key, "MAXLEN", MANY - 200), False),
        (mine + ("STREAMS", key, "0"), False),
        (mine + ("STREAMS", key, "300"), False),
        (("XPENDING", key, "g"), False),
        (("XPENDING", key, "g", "IDLE", 0, "-", "+", MANY, "mine"), True),
        (("XINFO", "STREAM", key, "FULL", "COUNT", 0), True),
        (("XAUTOCLAIM", key, "g", "new", 0, 0, "COUNT", MANY // 4), False),
        (("XAUTOCLAIM", key, "g", "mine", 0, "(250-1", "COUNT", MANY, "JUSTID"), False),
        (("XGROUP", "SETID", key, "g", "500-1"), False),
        (mine + ("STREAMS", key, ">"), False),
        (("XGROUP", "SETID", key, "g", "500-1"), False),
        (("XREADGROUP", "GROUP", "g", "late", "NOACK", "STREAMS", key, ">"), False),
        (("XGROUP", "SETID", key, "g", "500-1"), False),
        (("XREADGROUP", "GROUP", "g", "late", "STREAMS", key, ">"), False),
        (("XREADGROUP", "GROUP", "g", "c", "STREAMS", key, key, ">", 0), False),
        (("XGROUP", "DELCONSUMER", key, "g", "late"), False),
        (("XREADGROUP", "GROUP", "h", "x", "STREAMS", key, ">"), False),
        (("XGROUP", "DELCONSUMER", key, "h", "x"), False),
        (("XREADGROUP", "GROUP", "h", "x", "STREAMS", key, ">"), False),
    ]


def untimed(stream):
    """What is known of one, but when entries were delivered."""
    for group in stream[b"groups"]:
        for holder in (group, *group[b"consumers"]):
            holder[b"pending"] = [row[:-2] + row[-1:] for row in holder[b"pending"]]
    return stream


def test_very_many_entries():
    """Aside and at once, while the log is written and while it is not: the same replies, and the
    same state, which the log brings back.
    """
    for log in LOG, ("--save", ""):
        with Server(*log, *DEBUG[:2], "--io-threads", "2") as server, server.client() as client:
            for key in "ab":
                client.pipeline([("XADD", key, f"{i + 1}-1", "f", i) for i in range(MANY)])
                client.must("XGROUP", "CREATE", key, "g", 0)
                client.must("XGROUP", "CREATE", key, "h", 0)
            for (aside, timed), (at_once, _) in zip(of_many("a"), of_many("b")):
                client.must("DEBUG", "ASIDE-THRESHOLD", MANY // 10)
                got = client.must(*aside)
                client.must("DEBUG", "ASIDE-THRESHOLD", 1 << 40)
                want = client.must(*at_once)
                if aside[0] == "XREADGROUP" and want is not None:
                    want = [[b"a", entries] for _, entries in want]
                if not timed:
                    eq(got, want, str(aside[:8]))
                state = whole(client)
                eq(untimed(state[b"a"]), untimed(state[b"b"]), str(aside[:8]))
            if log is LOG:
                state = whole(client)
                eq(client.command("DEBUG", "LOADAOF"), "OK")
                eq(whole(client), state)


# --- between the servers --------------------------------------------------------------------------

COUNTS = (b"lag", b"active-time")  # redis-server 7.0 takes the first for other, and has no second


def pass_log(writer, reader, rewrite, aside=False):
    number = seed()
    print(f"SEED={number}")
    debug = DEBUG[:2] if aside else ()
    with writer(*LOG, *SMALL, *debug, "--aof-use-rdb-preamble", "yes") as first:
        client = first.client()
        if aside:
            client.must("DEBUG", "ASIDE-THRESHOLD", 1)
        traffic(client, number)
        if rewrite:
            rewritten(first, client)
            traffic(client, number + 1)
        if writer is Server:
            newer_traffic(client, number)
        state = whole(client, EPHEMERAL + COUNTS)
        assert busy(state)
        first.stop()
        directory = harness.test_dir("log")
        shutil.copytree(first.path("appendonlydir"), os.path.join(directory, "appendonlydir"))
        with reader(*LOG, *SMALL, directory=directory) as second:
            eq(whole(second.client(), EPHEMERAL + COUNTS), state)
            first.start()
            wrong = key_spaces_differ(first.client(), second.client(), encodings=False)
            assert wrong is None, wrong


def test_reference_loads_our_log():
    pass_log(Server, reference, False)
    pass_log(Server, reference, True)
    pass_log(Server, reference, False, aside=True)


def test_we_load_the_log_of_the_reference():
    """What it counts and does not log (deliveries when a consumer reads again, say) it does not get
    back itself: ours is compared with the reference after a restart.
    """
    number = seed()
    print(f"SEED={number}")
    with reference(*LOG, *SMALL) as first:
        client = first.client()
        traffic(client, number)
        first.stop()
        directory = harness.test_dir("log")
        shutil.copytree(first.path("appendonlydir"), os.path.join(directory, "appendonlydir"))
        first.start()
        state = whole(first.client(), EPHEMERAL + COUNTS)
        assert busy(state)
        with Server(*LOG, *SMALL, directory=directory) as second:
            eq(whole(second.client(), EPHEMERAL + COUNTS), state)


# --- commands of Redis 8.2 ------------------------------------------------------------------------


def scene(client):
    """Entries 1-0 to 6-0. Group g was given four and has acknowledged 1 and 2; h was given two, and
    has acknowledged 1.
    """
    client.must("DEL", "s")
    for i in range(1, 7):
        client.must("XADD", "s", f"{i}-0", "f", i)
    for name, count, acknowledged in (("g", 4, ("1", "2")), ("h", 2, ("1",))):
        client.must("XGROUP", "CREATE", "s", name, 0)
        client.must("XREADGROUP", "GROUP", name, "c", "COUNT", count, "STREAMS", "s", ">")
        client.must("XACK", "s", name, *acknowledged)


def ids(client):
    return [entry[0].decode() for entry in client.must("XRANGE", "s", "-", "+")]


def pending(client, group):
    return [entry[0].decode() for entry in client.must("XPENDING", "s", group, "-", "+", 10)]


def test_xdelex():
    with Server() as server:
        client = server.client()
        eq(client.must("XDELEX", "none", "IDS", 2, "1-0", "2-0"), [-1, -1])
        scene(client)
        eq(client.must("XDELEX", "s", "IDS", 3, "3-0", "3-0", "9-0"), [1, -1, -1])
        eq(pending(client, "g"), ["3-0", "4-0"])
        eq(client.must("XDELEX", "s", "delref", "IDS", 2, "4-0", "3-0"), [1, -1])
        eq(pending(client, "g"), [])
        eq(client.must("XDELEX", "s", "ACKED", "IDS", 4, "1-0", "2-0", "5-0", "7-0"), [1, 2, 2, -1])
        eq(ids(client), ["2-0", "5-0", "6-0"])
        eq(client.must("XDELEX", "s", "IDS", 1, "2-0"), [1])
        eq(pending(client, "h"), ["2-0"])
        client.must("DEL", "s")
        client.must("XADD", "s", "1-0", "f", "v")
        eq(client.must("XDELEX", "s", "ACKED", "IDS", 1, "1"), [1])
        eq(client.must("EXISTS", "s"), 1)


def test_xackdel():
    with Server() as server:
        client = server.client()
        eq(client.must("XACKDEL", "none", "g", "IDS", 1, "1-0"), [-1])
        scene(client)
        eq(client.must("XACKDEL", "s", "none", "IDS", 1, "3-0"), [-1])
        eq(client.must("XACKDEL", "s", "g", "IDS", 3, "3-0", "1-0", "9-0"), [1, -1, -1])
        eq(ids(client), ["1-0", "2-0", "4-0", "5-0", "6-0"])
        eq(client.must("XACKDEL", "s", "g", "ACKED", "IDS", 1, "4-0"), [2])
        eq(client.must("XACKDEL", "s", "h", "ACKED", "IDS", 1, "2-0"), [1])
        eq(ids(client), ["1-0", "4-0", "5-0", "6-0"])
        client.must("XREADGROUP", "GROUP", "g", "c", "STREAMS", "s", ">")
        client.must("XREADGROUP", "GROUP", "h", "d", "STREAMS", "s", ">")
        eq(client.must("XACKDEL", "s", "g", "KEEPREF", "IDS", 1, "5-0"), [1])
        eq(pending(client, "h"), ["4-0", "5-0", "6-0"])
        eq(client.must("XACKDEL", "s", "g", "DELREF", "IDS", 1, "6-0"), [1])
        eq(pending(client, "h"), ["4-0", "5-0"])
        eq(client.must("XACKDEL", "s", "h", "IDS", 1, "5-0"), [1])
        eq(ids(client), ["1-0", "4-0"])


def test_errors_of_newer_commands():
    with Server() as server:
        client = server.client()
        client.must("SET", "string", "v")
        for command in (("XDELEX", "s"), ("XACKDEL", "s", "g")):
            for args, error in (
                (("IDS", 0, "1-0"), "ERR Number of IDs must be a positive integer"),
                (("IDS", "x", "1-0"), "ERR Number of IDs must be a positive integer"),
                (
                    ("IDS", 2, "1-0"),
                    "ERR The `numids` parameter must match the number of arguments",
                ),
                (("KEEPREF", "ACKED", "IDS", 1, "1-0"), "ERR syntax error"),
                (("1-0", "2-0", "3-0"), "ERR syntax error"),
                (("IDS", 1, "x"), "ERR Invalid stream ID specified as stream command argument"),
            ):
                eq(client.command(*command, *args), error, f"{command} {args}")
            wrong = (command[0], "string", *command[2:], "IDS", 1, "1-0")
            assert client.command(*wrong).startswith("WRONGTYPE ")
        for args in (("KEEPREF", "DELREF", "*", "f", "v"), ("DELREF", "DELREF", "1-0", "f", "v")):
            error = "ERR Invalid stream ID specified as stream command argument"
            eq(client.command("XADD", "s", *args), error)
        eq(client.command("XTRIM", "s", "MAXLEN", 0, "ACKED", "ACKED"), "ERR syntax error")


def test_trims_that_look_at_what_is_pending():
    with Server() as server:
        client = server.client()
        scene(client)
        eq(client.must("XTRIM", "s", "MAXLEN", 0, "ACKED"), 1)
        eq(ids(client), ["2-0", "3-0", "4-0", "5-0", "6-0"])
        client.must("XACK", "s", "h", "2-0")
        client.must("XGROUP", "SETID", "s", "h", "4-0")
        eq(client.must("XTRIM", "s", "ACKED", "MINID", "7-0"), 1)
        client.must("XACK", "s", "g", "4-0")
        eq(client.must("XTRIM", "s", "MAXLEN", "=", 2, "ACKED"), 1)
        eq(ids(client), ["3-0", "5-0", "6-0"])  # not the first, which is pending
        eq(client.must("XADD", "s", "KEEPREF", "MAXLEN", 3, "7-0", "f", "v"), b"7-0")
        eq(ids(client), ["5-0", "6-0", "7-0"])
        eq(pending(client, "g"), ["3-0"])
        client.must("XREADGROUP", "GROUP", "g", "c", "STREAMS", "s", ">")
        eq(client.must("XADD", "s", "DELREF", "MINID", "7-0", "8-0", "f", "v"), b"8-0")
        eq(ids(client), ["7-0", "8-0"])
        eq(pending(client, "g"), ["3-0", "7-0"])
        eq(client.must("XADD", "s", "MAXLEN", "~", 0, "ACKED", "9-0", "f", "v"), b"9-0")
        eq(ids(client), ["7-0", "8-0", "9-0"])


# --- the rest -------------------------------------------------------------------------------------


def test_large_streams_are_freed_lazily():
    with Server(*DEBUG, *SMALL) as server:
        client = server.client()
        for name, count in (("few", 20), ("many", 2000)):
            client.pipeline([("XADD", name, f"{i + 1}-0", "f", i) for i in range(count)])
        client.must("UNLINK", "few")
        eq(lazily_freed(server, client), 0)
        client.must("UNLINK", "many")
        wait_until(lambda: lazily_freed(server, client) == 1)


def test_memory_usage_counts_groups():
    with Server(*DEBUG) as server:
        client = server.client()
        client.pipeline([("XADD", "s", f"{i + 1}-0", "f", "x" * 100) for i in range(1000)])
        alone = client.must("MEMORY", "USAGE", "s", "SAMPLES", 0)
        assert 100000 < alone < 200000, alone
        client.must("XGROUP", "CREATE", "s", "g", 0)
        client.must("XREADGROUP", "GROUP", "g", "c", "STREAMS", "s", ">")
        delivered = client.must("MEMORY", "USAGE", "s", "SAMPLES", 0)
        assert alone + 30000 < delivered < alone + 200000, (alone, delivered)


def test_ids_made_from_the_clock_rise():
    """Also where clients on several workers, with clocks of their own, add to one stream."""
    with Server("--io-threads", "4") as server:
        clients = [server.client() for _ in range(8)]
        before = 0
        for i in range(200):
            ms, seq = clients[i % 8].must("XADD", "s", "*", "f", "v").split(b"-")
            assert (int(ms), int(seq)) > (before, -1)
            before = int(ms)
        now = clients[0].must("TIME")
        assert abs(before - int(now[0]) * 1000) < 5000
        eq(clients[0].must("XADD", "s", "99999999999999-5", "f", "v"), b"99999999999999-5")
        eq(clients[1].must("XADD", "s", "*", "f", "v"), b"99999999999999-6")
