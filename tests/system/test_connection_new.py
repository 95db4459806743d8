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
