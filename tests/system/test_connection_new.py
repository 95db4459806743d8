"""Connection commands that the reference here is too old for: CLIENT SETINFO and NO-TOUCH, and
HELLO's name and version.
"""
import time

from harness import ReplyError, Server, Skip, eq, subject_is_reference


def start(*args):
    if subject_is_reference():
        raise Skip("redis-server 7.0 does not have these commands")
    return Server(*args)


def fields(client):
    return dict(f.split("=", 1) for f in client.must("CLIENT", "INFO").decode().split())


def test_client_setinfo():
    with start() as server:
        c = server.client()
        eq(fields(c).get("lib-name"), "")
        eq(c.command("CLIENT", "SETINFO", "LIB-NAME", "my(lib)"), "OK")
        eq(c.command("CLIENT", "SETINFO", "lib-ver", "1.2.3"), "OK")
        eq((fields(c)["lib-name"], fields(c)["lib-ver"]), ("my(lib)", "1.2.3"))
        for wrong in (("LIB-NAME", "a b"), ("LIB-VER", "new\nline"), ("NOPE", "x")):
            eq(isinstance(c.command("CLIENT", "SETINFO", *wrong), ReplyError), True, repr(wrong))
        eq(fields(c)["lib-name"], "my(lib)")
        eq(c.command("CLIENT", "SETINFO", "LIB-NAME", ""), "OK")
        eq(fields(c)["lib-name"], "")


def test_client_no_touch():
    with start() as server:
        c = server.client()
        c.must("SET", "k", "v")
        time.sleep(2.1)
        eq(c.command("CLIENT", "NO-TOUCH", "ON"), "OK")
        c.must("GET", "k")
        eq(
            c.must("OBJECT", "IDLETIME", "k") >= 1,
            True,
            "a read of a no-touch client leaves the idle time",
        )
        eq(c.command("CLIENT", "NO-TOUCH", "off"), "OK")
        c.must("GET", "k")
        eq(c.must("OBJECT", "IDLETIME", "k") <= 1, True)
        eq(c.command("CLIENT", "NO-TOUCH", "maybe"), "ERR syntax error")


def test_hello_names_a_server_that_clients_know():
    with start() as server:
        hello = server.client().must("HELLO", 3)
        eq(list(hello), [b"server", b"version", b"proto", b"id", b"mode", b"role", b"modules"])
        eq(
            (hello[b"server"], hello[b"proto"], hello[b"mode"], hello[b"role"], hello[b"modules"]),
            (b"redis", 3, b"standalone", b"master", []),
        )
        eq(hello[b"version"].count(b"."), 2)


def test_client_list_by_ids_and_more():
    with start() as server, server.client() as c, server.client() as other:
        ids = [c.must("CLIENT", "ID"), other.must("CLIENT", "ID")]

        def listed(*args):
            lines = c.must("CLIENT", "LIST", "ID", *args).decode().splitlines()
            return [int(line.split()[0].removeprefix("id=")) for line in lines]

        eq(listed(ids[1], ids[0]), ids[::-1])
        eq(listed(ids[1], ids[0], "TYPE", "normal"), sorted(ids))
        eq(listed(ids[1], "SKIPME", "no", "TYPE", "normal"), ids[1:])
        eq(listed(*ids, "SKIPME", "yes"), ids[1:])
        eq(listed(*ids, "TYPE", "pubsub"), [])
        for wrong in (("x",), (ids[0], "x"), (ids[0], "TYPE"), (ids[0], "x", "y")):
            eq(str(c.command("CLIENT", "LIST", "ID", *wrong)), "ERR Invalid client ID", wrong)
        eq(str(c.command("CLIENT", "LIST", "ID", 0, "TYPE", "normal")[:3]), "ERR")


def test_hello_tells_the_zone():
    with start("--availability-zone", "eu 1") as server, server.client(resp=3) as c:
        eq(c.must("HELLO", 3)[b"availability_zone"], b"eu 1")
        eq(server.info("server", c)["availability_zone"], "eu 1")
        c.must("CONFIG", "SET", "availability-zone", "")
        eq(b"availability_zone" in c.must("HELLO", 3), False)


def test_restore_of_a_later_version():
    """Only if it is wanted, and only what can be read."""
    payload = b"\0\3bar\xde\0\x0fYUza\xd3\xec\xe0"  # a string, of version 222
    with start() as server, server.client() as c:
        wrong = "ERR DUMP payload version or checksum are wrong"
        eq(str(c.command("RESTORE", "k", 0, payload)), wrong)
        c.must("CONFIG", "SET", "rdb-version-check", "relaxed")
        eq(c.command("RESTORE", "k", 0, payload), "OK")
        eq(c.must("GET", "k"), b"bar")
        eq(str(c.command("RESTORE", "l", 0, payload[:-1] + b"x")), wrong)
        eq(str(c.command("RESTORE", "l", 0, payload[:5])), wrong)
