"""What the tests of every data type need: random traffic of it, and all ways back from the disk."""
import random

from differential import GENERATORS, seed
from gen import Gen
from harness import Server, eq, wait_until

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


def encoding(client, key):
    return client.must("OBJECT", "ENCODING", key)


def lazily_freed(server, client):
    return int(server.info("memory", client)["lazyfreed_objects"])
