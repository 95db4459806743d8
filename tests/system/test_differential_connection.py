"""Commands of group connection against redis-server, arities of all groups' commands, and what is
not RESP.
"""
import random
import time

import differential
import groups_connection  # noqa: F401  (registers its generators)
from differential import Pair, Step, client_info, hello, help_text, same_kind
from groups_bitmap import ranged
from harness import Client, Server, Skip, eq, reference

STRING = """APPEND DECR DECRBY GET GETDEL GETEX GETRANGE GETSET INCR INCRBY INCRBYFLOAT LCS MGET
    MSET MSETNX PSETEX SET SETEX SETNX SETRANGE STRLEN SUBSTR""".split()
BITMAP = "BITCOUNT BITFIELD BITFIELD_RO BITOP BITPOS GETBIT SETBIT".split()
LIST = """LINDEX LINSERT LLEN LMOVE LMPOP LPOP LPOS LPUSH LPUSHX LRANGE LREM LSET LTRIM RPOP
    RPOPLPUSH RPUSH RPUSHX""".split()
GENERIC = """COPY DEL DUMP EXISTS EXPIRE EXPIREAT EXPIRETIME KEYS MOVE OBJECT OBJECT|ENCODING
    OBJECT|FREQ OBJECT|HELP OBJECT|IDLETIME OBJECT|REFCOUNT PERSIST PEXPIRE PEXPIREAT PEXPIRETIME
    PTTL RANDOMKEY RENAME RENAMENX RESTORE SCAN TOUCH TTL TYPE UNLINK""".split()
CONNECTION = """AUTH CLIENT CLIENT|GETNAME CLIENT|GETREDIR CLIENT|HELP CLIENT|ID
    CLIENT|INFO CLIENT|KILL CLIENT|LIST CLIENT|NO-EVICT CLIENT|PAUSE CLIENT|REPLY CLIENT|SETNAME
    CLIENT|UNBLOCK CLIENT|UNPAUSE ECHO HELLO PING RESET
    SELECT""".split()
COMPARE = {
    "HELLO": hello,
    "CLIENT|INFO": client_info,
    "CLIENT|LIST": same_kind,
    "CLIENT|ID": same_kind,
    "CLIENT|HELP": help_text,
    "OBJECT|HELP": help_text,
    "BITCOUNT": ranged,
    "BITPOS": ranged,
}


def test_random_resp2():
    differential.run(["connection"], 2)


def test_random_resp3():
    differential.run(["connection"], 3)


def test_random_tracking():
    """CLIENT TRACKING, CACHING and TRACKINGINFO, among the others."""
    with Server() as server:
        if "unknown subcommand" in str(server.client().command("CLIENT", "TRACKINGINFO")):
            raise Skip("no CLIENT TRACKING yet")
    for resp in (2, 3):
        differential.run(["tracking", "connection"], resp)


def test_arities():
    """Every command with none to seven arguments, each a word no command expects."""
    cases = []
    for name in STRING + BITMAP + LIST + GENERIC + CONNECTION:
        words = name.split("|")
        for count in range(8):
            if name == "SCAN" and count == 0:
                continue
            for case in (str.upper, str.lower):
                cases.append(
                    [
                        Step("SET", "x", "v"),
                        Step(
                            *map(case, words),
                            *["x"] * count,
                            compare=COMPARE.get(name, differential.exact),
                        ),
                    ]
                )
    differential.run_cases(cases, 2, at_once=100)
    differential.run_cases(cases, 3, at_once=100)


def both(action):
    """Runs action(client) on a connection to each server; the two results must be equal."""
    with Pair() as pair:
        results = []
        for server in pair.servers:
            client = server.client()
            results.append(action(client))
            client.close()
        eq(results[1], results[0], "subject against reference")
        return results[0]


def test_quit_answers_and_closes():
    def action(client):
        client.send_raw(b"PING\r\nQUIT\r\nPING\r\n")
        return client.read_until_closed()

    eq(both(action), b"+PONG\r\n+OK\r\n")


def test_client_reply():
    """OFF silences itself and all after it, ON answers, SKIP leaves out one reply."""

    def action(client):
        commands = [
            ("CLIENT", "REPLY", "OFF"),
            ("SET", "a", "1"),
            ("GET", "a"),
            ("NOPE",),
            ("CLIENT", "REPLY", "ON"),
            ("GET", "a"),
            ("CLIENT", "REPLY", "SKIP"),
            ("GET", "a"),
            ("PING", "1"),
            ("CLIENT", "REPLY", "skip"),
            ("CLIENT", "REPLY", "SKIP"),
            ("PING", "2"),
            ("PING", "3"),
            ("CLIENT", "REPLY", "OFF"),
            ("CLIENT", "REPLY", "SKIP"),
            ("PING", "4"),
            ("RESET",),
            ("PING", "5"),
            ("CLIENT", "REPLY", "ON"),
            ("QUIT",),
        ]
        client.send_raw(b"".join(differential.encode(*c) for c in commands))
        return client.read_until_closed()

    both(action)


def test_client_pause_and_unpause():
    """PAUSE WRITE stops writes of others until UNPAUSE, and reads pass; replies come in the end, in
    order.
    """
    with Pair() as pair:
        for server in pair.servers:
            one, two = server.client(), server.client()
            eq(one.command("CLIENT", "PAUSE", "100000", "WRITE"), "OK")
            two.send("GET", "k")
            eq(two.read(), None)
            two.send("SET", "k", "v")
            eq(two.quiet(0.2), True, server.name)
            eq(one.command("CLIENT", "UNPAUSE"), "OK")
            eq(two.read(), "OK")
            eq(one.command("CLIENT", "PAUSE", "150"), "OK")
            eq(two.command("GET", "k"), b"v")


def test_client_kill():
    """Kills by id, address, kind and age of connection; SKIPME decides about oneself."""
    with Pair() as pair:
        for server in pair.servers:
            one, two, three = server.client(), server.client(), server.client()
            number = two.must("CLIENT", "ID")
            eq(one.command("CLIENT", "KILL", "ID", number), 1, server.name)
            eq(two.read_until_closed(), b"")
            host, port = three.sock.getsockname()
            eq(one.command("CLIENT", "KILL", f"{host}:{port}"), "OK", server.name)
            eq(three.read_until_closed(), b"")
            four, five = server.client(), server.client()
            four.must("PING")
            five.must("PING")
            eq(one.command("CLIENT", "KILL", "TYPE", "normal"), 2, server.name)
            eq(four.read_until_closed(), b"")
            eq(one.command("CLIENT", "KILL", "ID", one.must("CLIENT", "ID")), 0, server.name)
            eq(
                one.command("CLIENT", "KILL", "ID", one.must("CLIENT", "ID"), "SKIPME", "no"),
                1,
                server.name,
            )
            eq(one.read_until_closed(), b"", server.name)


def test_client_list():
    """One line per connection, with names; ID chooses."""
    with Pair() as pair:
        for server in pair.servers:
            clients = [server.client() for _ in range(3)]
            for index, client in enumerate(clients):
                eq(client.command("CLIENT", "SETNAME", f"n{index}"), "OK")
                client.must("SELECT", index)
            lines = clients[0].must("CLIENT", "LIST").decode().strip().split("\n")
            eq(len(lines), 3, server.name)
            fields = [dict(f.split("=", 1) for f in line.split()) for line in lines]
            eq(
                sorted((f["name"], f["db"]) for f in fields),
                [("n0", "0"), ("n1", "1"), ("n2", "2")],
                server.name,
            )
            ids = [client.must("CLIENT", "ID") for client in clients]
            eq(sorted(int(f["id"]) for f in fields), sorted(ids), server.name)
            chosen = (
                clients[0]
                .must("CLIENT", "LIST", "ID", ids[1], 999999, ids[2])
                .decode()
                .strip()
                .split("\n")
            )
            eq(
                [dict(f.split("=", 1) for f in line.split())["name"] for line in chosen],
                ["n1", "n2"],
                server.name,
            )


def test_auth():
    """requirepass: nothing but the few allowed commands before AUTH, by AUTH and by HELLO."""
    args = ("--requirepass", "secret")
    results = []
    for start in (reference, Server):
        with start(*args) as server:
            replies = []
            for commands in (
                [
                    ("PING",),
                    ("GET", "k"),
                    ("NOPE",),
                    ("GET",),
                    ("AUTH", "wrong"),
                    ("AUTH", "default", "wrong"),
                    ("AUTH", "nobody", "secret"),
                    ("AUTH", "secret"),
                    ("PING",),
                    ("AUTH", "wrong"),
                    ("PING",),
                    ("RESET",),
                    ("PING",),
                ],
                [
                    ("HELLO", "3"),
                    ("HELLO", "3", "AUTH", "default", "wrong"),
                    ("GET", "k"),
                    ("HELLO", "3", "AUTH", "default", "secret"),
                    ("GET", "k"),
                    ("AUTH", "default", "secret"),
                    ("CLIENT", "GETNAME"),
                ],
                [
                    ("AUTH",),
                    ("AUTH", "a", "b", "c"),
                    ("HELLO",),
                    ("HELLO", "2"),
                    ("SELECT", "1"),
                    ("CLIENT", "ID"),
                    ("ECHO", "x"),
                    ("QUIT",),
                ],
            ):
                client = Client(server.port)
                replies.append(
                    [r if b"version" not in r else r[:20] for r in client.pipeline_raw(commands)]
                )
                client.close()
            results.append(replies)
    for want_all, got_all in zip(*results):
        for want, got in zip(want_all, got_all):
            eq(got, want, "subject against reference")
        eq(len(got_all), len(want_all))


def test_select_is_per_connection_and_reset_restores_it():
    def action(client):
        return client.pipeline_raw(
            [
                ("SELECT", 5),
                ("SET", "k", "v"),
                ("CLIENT", "SETNAME", "me"),
                ("HELLO", 3, "SETNAME", "you"),
                ("RESET",),
                ("GET", "k"),
                ("CLIENT", "GETNAME"),
                ("SELECT", 5),
                ("GET", "k"),
            ]
        )[4:]

    both(action)


PROTOCOL = [
    b"PING\r\n",
    b"PING\n",
    b"\r\nPING\r\n",
    b"\n\n\r\nPING\r\n",
    b"  PING  \r\n",
    b"ping hello\r\n",
    b'SET k "a b\\x41\\n\\""\r\nGET k\r\n',
    b"SET k 'single \\' quote\\x41'\r\nGET k\r\n",
    b'ECHO "unbalanced\r\n',
    b"ECHO 'unbalanced\r\n",
    b'ECHO "a"b\r\n',
    b"ECHO 'a'b\r\n",
    b'ECHO ""\r\n',
    b"ECHO ''\r\n",
    b'ECHO "\\xzz\\t\\a\\b\\q"\r\n',
    b'ECHO a"b"\r\n',
    b"GET\tk\r\n",
    b"ECHO \xff\xfe\r\n",
    b"*0\r\nPING\r\n",
    b"*-1\r\nPING\r\n",
    b"*1\r\n$4\r\nPING\r\n",
    b"*1\r\n$4\r\nPINGxxPING\r\n",
    b"*x\r\n",
    b"*\r\n",
    b"* 1\r\n$4\r\nPING\r\n",
    b"*1\r\nPING\r\n",
    b"*1\r\n+PING\r\n",
    b"*1\r\n:1\r\n",
    b"*1\r\n$\r\n",
    b"*1\r\n$-1\r\n",
    b"*1\r\n$x\r\n",
    b"*1\r\n$4x\r\nPING\r\n",
    b"*1\r\n$1048577\r\n",
    b"*1\r\n$536870913\r\n",
    b"*1\r\n$9999999999999999999\r\n",
    b"*1048577\r\n",
    b"*2147483648\r\n",
    b"*1025\r\n$1\r\n",
    b"*9999999999999999999\r\n",
    b"*-2\r\nPING\r\n",
    b"*1\r\n$0\r\n\r\n",
    b"*2\r\n$4\r\nECHO\r\n$0\r\n\r\n",
    b"*2\r\n$4\r\nECHO\r\n$04\r\nabcd\r\n",
    b"*01\r\n$4\r\nPING\r\n",
    b"*+1\r\n$4\r\nPING\r\n",
    b"*1\r\n$+4\r\nPING\r\n",
    b"*1\n$4\nPING\n",
    b"*2\r\n$4\r\nECHO\r\n$3\r\nabc\r\n*1\r\n$x\r\n",
    b"x" * 70000,
    b"*" + b"1" * 70000,
    b"*1\r\n$" + b"1" * 70000,
    b"ECHO " + b"y" * 60000 + b"\r\n",
    b"$4\r\nPING\r\n",
    b"+OK\r\n",
    b"GET k\r\nNOPE x\r\n",
    b"POST / HTTP/1.1\r\n",
    b"Host: x\r\n",
    b"post x\r\n",
    b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n+PING\r\n",
]


def test_protocol_bytes():
    """Inline commands and malformed requests: the same answer, and the same decision to close."""
    with Pair() as pair:
        wrong = []
        for data in PROTOCOL:
            answers = []
            for server in pair.servers:
                answers.append(exchange_bytes(server, data))
            if answers[0] != answers[1]:
                # A busy machine may be late: before it counts, both are asked again with patience.
                answers = [exchange_bytes(server, data, patience=3) for server in pair.servers]
            if answers[0] != answers[1]:
                wrong.append(
                    f"{differential.shorten(data, 80)}: want {answers[0]}, got {answers[1]}"
                )
            for server in pair.servers:
                assert server.alive(), f"{server.name} died of {data[:80]!r}"
        assert not wrong, "\n".join(wrong)


def exchange_bytes(server, data, patience=0.08):
    """What a new connection answers to these bytes followed by a PING, and whether it closed."""
    client = Client(server.port)
    try:
        try:
            client.send_raw(data)
            if len(data) > 16384:
                time.sleep(
                    0.05
                )  # what a server says of a line too long depends on whether its end has come
            client.send_raw(b"*2\r\n$4\r\nPING\r\n$4\r\nlast\r\n")
        except (BrokenPipeError, ConnectionResetError):
            pass
        client.sock.settimeout(patience)
        try:
            while not client.buf.endswith(b"$4\r\nlast\r\n"):
                client.read_some()
            return bytes(client.buf), "open"
        except TimeoutError:
            return bytes(client.buf), "waiting"
        except differential.Closed:
            return bytes(client.buf), "closed"
    finally:
        client.close()


def test_requests_in_pieces():
    """Requests cut at random places are answered as whole ones are."""
    rng = random.Random(differential.seed())
    commands = [
        ("SET", b"k%d" % rng.randrange(5), rng.randbytes(rng.choice([0, 3, 50, 20000])))
        if rng.random() < 0.5
        else ("GET", b"k%d" % rng.randrange(5))
        for _ in range(200)
    ]
    data = b"".join(differential.encode(*c) for c in commands)
    with Pair() as pair:
        pair.fresh()
        whole = pair.clients[0].exchange(data, len(commands))
        client, at = pair.clients[1], 0
        while at < len(data):
            size = rng.choice([1, 1, 2, 3, 7, 100, 1000, 16384])
            client.send_raw(data[at : at + size])
            at += size
        eq([client.read_raw_reply() for _ in commands] == whole, True)
