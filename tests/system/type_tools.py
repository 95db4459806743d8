"""What the tests of every data type need: random traffic of it, all ways back from the disk, and
values passed between this server and redis-server.
"""
import os
import random
import shutil

from differential import GENERATORS, seed
from gen import Gen
from harness import Server, eq, reference, wait_until

DEBUG = ("--enable-debug-command", "yes", "--save", "")
LOG = DEBUG + ("--appendonly", "yes", "--io-threads", "4")


def traffic(client, groups, number, batches, wanted=None):
    """Random commands of the groups, errors included; `wanted` leaves some out."""
    for batch in range(batches):
        for group in groups:
            gen = Gen(random.Random(f"{number}/{group}/{batch}"), 2)
            commands = [step.args for step in gen.steps(GENERATORS[group], 300)]
            client.pipeline([c for c in commands if wanted is None or wanted(c)])


def rewritten(server, client):
    client.must("BGREWRITEAOF")
    return wait_until(
        lambda: server.info("persistence", client)["aof_rewrite_in_progress"] == "0"
        and server.info("persistence", client)["aof_rewrite_scheduled"] == "0"
    )


def digest_of(client):
    return client.must("DEBUG", "DIGEST")


def comes_back(groups, *args, wanted=None, state=digest_of):
    """After random traffic, also while it is captured: from the log, from a snapshot, and after a
    crash. `state` of a client is what is to be the same."""
    number, batches = seed(), 10 // len(groups)
    print(f"SEED={number}")
    with Server(*LOG, *args) as server:
        client = server.client()
        traffic(client, groups, number, batches, wanted)
        wanted_state = state(client)
        eq(client.command("DEBUG", "LOADAOF"), "OK")
        eq(state(client), wanted_state)
        client.must("BGREWRITEAOF")
        traffic(client, groups, number + 1, batches, wanted)
        wanted_state = state(client)
        eq(client.command("DEBUG", "LOADAOF"), "OK")
        eq(state(client), wanted_state)
        rewritten(server, client)
        eq(client.command("DEBUG", "RELOAD"), "OK")
        eq(state(client), wanted_state)
        server.kill()
        server.start()
        eq(state(server.client()), wanted_state)


def pass_by_restore(make, check=None, *more):
    """Values go by DUMP and RESTORE from each server to the other. `make(client, rng)` builds some
    and answers their names; `check(source, target, name)` looks at each that was passed.
    """
    number = seed()
    print(f"SEED={number}")
    rng = random.Random(number)
    args = ("--enable-debug-command", "yes", *more)
    with reference(*args) as redis, Server(*args) as server:
        ours, theirs = server.client(), redis.client()
        for source, target in ((ours, theirs), (theirs, ours)):
            source.must("FLUSHALL")
            target.must("FLUSHALL")
            for name in make(source, rng):
                target.must("RESTORE", name, 0, source.must("DUMP", name), "REPLACE")
                if check:
                    check(source, target, name)
            assert source.must("DEBUG", "DIGEST") == target.must("DEBUG", "DIGEST")


def pass_by_rdb(make, *args):
    """Each server reads the file that the other has saved."""
    number = seed()
    print(f"SEED={number}")
    rng = random.Random(number)
    with reference(*DEBUG, *args) as redis, Server(*DEBUG, *args) as server:
        for from_, to in ((server, redis), (redis, server)):
            source, target = from_.client(), to.client()
            source.must("FLUSHALL")
            make(source, rng)
            wanted = source.must("DEBUG", "DIGEST")
            source.must("SAVE")
            shutil.copy(os.path.join(from_.dir, "dump.rdb"), os.path.join(to.dir, "dump.rdb"))
            target.must("DEBUG", "RELOAD", "NOSAVE")
            assert target.must("DEBUG", "DIGEST") == wanted


def encoding(client, key):
    return client.must("OBJECT", "ENCODING", key)


def lazily_freed(server, client):
    return int(server.info("memory", client)["lazyfreed_objects"])
