"""DEBUG RELOAD and LOADAOF: what comes back from the disk is what was there; and how DEBUG and CLIENT
LIST talk.
"""
import os
import random
import re
import threading

from harness import ReplyError, Server, eq, wait_until

DEBUG = ("--enable-debug-command", "yes", "--save", "")
LOG = DEBUG + ("--appendonly", "yes", "--io-threads", "4")


def fill(client, count=3000):
    rng = random.Random(5)
    commands = []
    for i in range(count):
        commands.append(("SET", f"k{i}", "v" * rng.randrange(300)))
        if i % 3 == 0:
            commands.append(("PEXPIRE", f"k{i}", 10_000_000 + i))
        if i % 7 == 0:
            commands.append(("APPEND", f"k{rng.randrange(i + 1)}", "more"))
        if i % 11 == 0:
            commands.append(("DEL", f"k{rng.randrange(i + 1)}"))
        if i % 500 == 0:
            commands.append(("SELECT", i // 500 % 3))
    replies = client.pipeline(commands)
    assert not any(isinstance(r, ReplyError) for r in replies)
    client.must("SELECT", 0)


def times(client, count=3000):
    return client.pipeline([("PEXPIRETIME", f"k{i}") for i in range(count)])


def test_loadaof_gives_back_everything():
    with Server(*LOG) as server:
        client = server.client()
        fill(client)
        digest, expiry = client.must("DEBUG", "DIGEST"), times(client)
        eq(client.command("DEBUG", "LOADAOF"), "OK")
        eq(client.must("DEBUG", "DIGEST"), digest)
        eq(times(client), expiry)
        # With a base, and records behind it.
        client.must("BGREWRITEAOF")
        client.must("INCR", "after")
        digest = client.must("DEBUG", "DIGEST")
        eq(client.command("DEBUG", "LOADAOF"), "OK")
        eq(client.must("DEBUG", "DIGEST"), digest)
        eq(times(client), expiry)
        # Nothing of this was logged.
        server.kill()
        server.start()
        client = server.client()
        eq(client.must("DEBUG", "DIGEST"), digest)


def test_loadaof_drops_what_was_never_logged():
    with Server(*LOG) as server:
        client = server.client()
        client.must("SET", "logged", "1")
        client.must("DEBUG", "POPULATE", 100)
        eq(client.command("DBSIZE"), 101)
        eq(client.command("DEBUG", "LOADAOF"), "OK")
        eq(client.command("DBSIZE"), 1)
        eq(client.command("GET", "logged"), b"1")


def test_loadaof_while_others_write():
    """Each client counts keys of its own and must find its last answer again, at any moment."""
    with Server(*LOG) as server:
        stop, wrong = threading.Event(), []

        def write(number):
            try:
                with server.client() as client:
                    last = 0
                    while not stop.is_set():
                        replies = client.pipeline([("INCR", f"c{number}")] * 20)
                        eq(replies, list(range(last + 1, last + 21)))
                        last += 20
            except BaseException as error:
                wrong.append(error)

        threads = [threading.Thread(target=write, args=(n,), daemon=True) for n in range(8)]
        for thread in threads:
            thread.start()
        with server.client() as client:
            for round_ in range(15):
                if round_ % 5 == 2:
                    client.must("BGREWRITEAOF")
                eq(client.command("DEBUG", "LOADAOF"), "OK")
        stop.set()
        for thread in threads:
            thread.join(20)
            assert not thread.is_alive(), "a client is still held back"
        if wrong:
            raise wrong[0]
        with server.client() as client:
            digest = client.must("DEBUG", "DIGEST")
            eq(client.command("DEBUG", "LOADAOF"), "OK")
            eq(client.must("DEBUG", "DIGEST"), digest)


def test_loaders_at_once_leave_nobody_paused():
    with Server(*LOG) as server:
        server.client().must("SET", "k", "v")

        def load():
            with server.client() as client:
                for i in range(20):
                    client.command("DEBUG", "LOADAOF" if i % 2 else "RELOAD")

        threads = [threading.Thread(target=load, daemon=True) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
            assert not thread.is_alive(), "a client is still held back"
        eq(server.client().command("GET", "k"), b"v")


def test_loadaof_keeps_a_pause_that_was():
    with Server(*LOG) as server:
        client, other = server.client(), server.client()
        client.must("CLIENT", "PAUSE", 60000, "WRITE")
        eq(client.command("DEBUG", "LOADAOF"), "OK")
        other.send("SET", "k", "v")
        eq(client.command("GET", "k"), None)
        client.must("CLIENT", "UNPAUSE")
        eq(other.read(), "OK")


def test_loadaof_without_the_log():
    with Server(*DEBUG) as server:
        client = server.client()
        client.must("SET", "k", "v")
        reply = client.command("DEBUG", "LOADAOF")
        assert isinstance(reply, ReplyError) and "no append only file" in reply, reply
        eq(client.command("GET", "k"), b"v")
        # Turned on and off: the files it left are loaded.
        client.must("CONFIG", "SET", "appendonly", "yes")
        eq(client.command("DEBUG", "LOADAOF"), "OK")  # waits for the first base
        client.must("CONFIG", "SET", "appendonly", "no")
        wait_until(lambda: "aof_enabled:0" in client.command("INFO", "persistence").decode())
        client.must("SET", "later", "v")
        eq(client.command("DEBUG", "LOADAOF"), "OK")
        eq(client.command("MGET", "k", "later"), [b"v", None])


def test_loadaof_with_a_file_missing_touches_nothing():
    with Server(*LOG) as server:
        client = server.client()
        client.must("SET", "k", "v")
        directory = os.path.join(server.dir, "appendonlydir")
        for name in os.listdir(directory):
            if name.endswith(".incr.aof"):
                os.remove(os.path.join(directory, name))
        assert isinstance(client.command("DEBUG", "LOADAOF"), ReplyError)
        eq(client.command("GET", "k"), b"v")


def test_loadaof_of_a_damaged_log_sets_it_aside():
    with Server(*LOG) as server:
        client = server.client()
        client.must("SET", "first", "v")
        directory = os.path.join(server.dir, "appendonlydir")
        (name,) = [n for n in os.listdir(directory) if n.endswith(".incr.aof")]
        path = os.path.join(directory, name)
        wait_until(lambda: os.path.getsize(path) > 0)
        start = os.path.getsize(path)
        client.must("SET", "second", "v")
        wait_until(lambda: os.path.getsize(path) > start)
        with open(path, "r+b") as f:
            f.seek(start)
            f.write(b"x")
        reply = client.command("DEBUG", "LOADAOF")
        assert isinstance(reply, ReplyError) and "Error trying to load" in reply, reply
        eq(client.command("MGET", "first", "second"), [b"v", None])
        wait_until(lambda: any(".damaged-" in n for n in os.listdir(directory)))
        client.must("SET", "third", "v")
        eq(client.command("DEBUG", "LOADAOF"), "OK")
        eq(client.command("MGET", "first", "second", "third"), [b"v", None, b"v"])


def test_quicklist_packed_threshold():
    with Server(*DEBUG) as server:
        client = server.client()
        for good in ("0", "1", "1k", "1mb", "", "4095mb", "4293918720"):
            eq(client.command("DEBUG", "QUICKLIST-PACKED-THRESHOLD", good), "OK", good)
        for bad in ("4293918721", "4gb", "-1", "1.5", "x", "1 k", "99999999999999999999"):
            eq(
                client.command("DEBUG", "QUICKLIST-PACKED-THRESHOLD", bad),
                "ERR argument must be a memory value bigger than 1 and smaller than 4gb",
                bad,
            )


def test_debug_help_names_what_there_is():
    """Every subcommand that HELP names is one: with no further argument, it is at least not unknown
    to the table with its own count of arguments."""
    arguments = {
        "ASIDE-THRESHOLD": ["0"],
        "DIGEST-VALUE": ["k"],
        "ERROR": ["ERR text"],
        "HTSTATS": ["0"],
        "HTSTATS-KEY": ["k"],
        "LOG": ["text"],
        "OBJECT": ["k"],
        "POPULATE": ["1"],
        "PROTOCOL": ["string"],
        "QUICKLIST-PACKED-THRESHOLD": ["0"],
        "SET-ACTIVE-EXPIRE": ["1"],
        "SLEEP": ["0"],
        "STRINGMATCH-LEN": ["1", "a"],
    }
    with Server(*LOG) as server:
        client = server.client()
        lines = [line for line in client.must("DEBUG", "HELP")][1:]
        names = [line.split()[0] for line in lines if not line.startswith(" ")]
        eq(names.pop(), "HELP")
        eq(names, sorted(names))
        assert set(arguments) <= set(names), set(arguments) - set(names)
        for name in names:
            reply = client.command("DEBUG", name, *arguments.get(name, []))
            assert not (isinstance(reply, ReplyError) and "unknown subcommand" in reply), reply


def test_client_list_fields():
    fields = (
        "id addr laddr fd name age idle flags db sub psub ssub multi qbuf qbuf-free argv-mem "
        "multi-mem rbs rbp obl oll omem tot-mem events cmd user redir resp lib-name lib-ver"
    ).split()
    with Server(*DEBUG) as server:
        client = server.client()
        # whoever asked whether the server is up may not have been seen off yet
        wait_until(lambda: client.must("CLIENT", "LIST").count(b"\n") == 1, 5, "one client")
        for subcommand in ("LIST", "INFO"):
            line = client.must("CLIENT", subcommand).decode().rstrip("\n")
            eq([re.match("[^=]*", word)[0] for word in line.split(" ")], fields, subcommand)
