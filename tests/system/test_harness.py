"""The tests' own tools: the RESP reader, servers that start, stop and are killed, volumes."""
import os

import harness
from harness import (
    Client,
    Closed,
    Incomplete,
    ReplyError,
    ReplySet,
    Server,
    decode,
    encode,
    eq,
    reply_end,
)


def test_reply_end_needs_every_byte():
    replies = [
        b"+OK\r\n",
        b"-ERR no\r\n",
        b":-5\r\n",
        b"$-1\r\n",
        b"$0\r\n\r\n",
        b"$4\r\na\r\nb\r\n",
        b"*-1\r\n",
        b"*0\r\n",
        b"*2\r\n*1\r\n:1\r\n$1\r\nx\r\n",
        b"_\r\n",
        b",1.5\r\n",
        b"#t\r\n",
        b"(123\r\n",
        b"=7\r\ntxt:abc\r\n",
        b"%1\r\n+a\r\n*1\r\n_\r\n",
        b"~1\r\n:1\r\n",
        b">2\r\n+a\r\n+b\r\n",
        b"!5\r\nERR x\r\n",
        b"|1\r\n+k\r\n+v\r\n*1\r\n:7\r\n",
    ]
    for raw in replies:
        eq(reply_end(raw + b"+more\r\n"), len(raw), repr(raw))
        for cut in range(len(raw)):
            try:
                end = reply_end(raw[:cut])
            except Incomplete:
                continue
            raise AssertionError(f"{raw[:cut]!r} taken for a reply of {end} bytes")


def test_decode():
    eq(decode(b"*3\r\n$3\r\nabc\r\n:1\r\n*-1\r\n"), [b"abc", 1, None])
    eq(
        decode(b"%2\r\n$1\r\na\r\n:1\r\n$1\r\nb\r\n~1\r\n#f\r\n"),
        {b"a": 1, b"b": ReplySet([False])},
    )
    eq(decode(b",inf\r\n"), float("inf"))
    eq(isinstance(decode(b"-ERR x\r\n"), ReplyError), True)
    eq(encode("GET", b"\xff\r\n", 5), b"*3\r\n$3\r\nGET\r\n$3\r\n\xff\r\n\r\n$1\r\n5\r\n")


def test_server_life():
    with Server() as server:
        client = server.client()
        eq(client.command("PING"), "PONG")
        eq(harness.rss(server.pid) > 100000, True)
        before = server.cpu_ns()
        client.pipeline([("PING",)] * 2000)
        eq(server.cpu_ns() > before, True)
        server.kill()
        eq(server.alive(), False)
        try:
            client.command("PING")
            raise AssertionError("a killed server answered")
        except (Closed, OSError):
            pass
        server.start()
        with server.client(resp=3) as again:
            eq(again.command("PING"), "PONG")
        eq(server.stop(), 0)


def test_pipeline_larger_than_socket_buffers():
    with Server() as server:
        client = server.client()
        blob = os.urandom(1 << 20)
        replies = client.pipeline([("ECHO", blob)] * 16)
        eq(len(replies), 16)
        eq(all(reply == blob for reply in replies), True)


def test_volumes():
    for path in (harness.mount_tmpfs(1 << 20), harness.mount_ext4(16 << 20)):
        size = os.statvfs(path).f_blocks * os.statvfs(path).f_frsize
        eq(size < 17 << 20, True, path)
        harness.fill(path)
        eq(os.statvfs(path).f_bavail * os.statvfs(path).f_frsize < 4096, True, path)


def test_unix_socket_and_config_file():
    directory = harness.test_dir("sock")
    path = os.path.join(directory, "s")
    with Server(config=f"unixsocket {path}\n"):
        with Client(path=path) as client:
            eq(client.command("ECHO", "x"), b"x")
