"""Clients that break the rules: whatever their bytes and however they leave, the server answers
others, gives their memory back and ends in order.
"""
import os
import random
import socket
import struct
import threading
import time

import harness
from harness import Closed, Server, encode, eq, wait_until

SEED = int(os.environ.get("SEED", "0")) or random.SystemRandom().randrange(1 << 30)
FOUR = ("--io-threads", "4")
MB = 1 << 20


def connect(server):
    sock = socket.create_connection(("127.0.0.1", server.port))
    sock.settimeout(30)
    return sock


def receive(sock):
    """Every byte up to the close."""
    data = bytearray()
    try:
        while received := sock.recv(1 << 18):
            data += received
    except ConnectionResetError:
        pass
    return bytes(data)


def clients(client):
    return client.must("CLIENT", "LIST").count(b"\n")


def test_half_closed_connections_are_answered():
    """What was sent before the end of a client's sending is run and answered, also more than fits
    the socket's buffers.
    """
    with Server(*FOUR) as server:
        with connect(server) as sock:
            sock.sendall(b"PING\r\n" * 1000 + encode("SET", "big", b"y" * 4 * MB))
            sock.shutdown(socket.SHUT_WR)
            eq(receive(sock), b"+PONG\r\n" * 1000 + b"+OK\r\n")
        with connect(server) as sock:
            sock.sendall(encode("GET", "big") * 8)
            sock.shutdown(socket.SHUT_WR)
            eq(len(receive(sock)), 8 * (4 * MB + len(b"$4194304\r\n\r\n")))


def test_announced_lengths_cost_nothing():
    """Hundreds of clients announce a million arguments and half a gigabyte, and send neither."""
    with Server(*FOUR) as server:
        client = server.client()
        before = server.rss()
        socks = [connect(server) for _ in range(300)]
        for sock in socks:
            sock.sendall(b"*1048576\r\n$3\r\nSET\r\n$536870912\r\nabc")
        wait_until(lambda: clients(client) == 301)
        eq(client.command("PING"), "PONG")
        assert server.rss() - before < 100 * MB, f"{(server.rss() - before) >> 20} MB"
        for sock in socks:
            sock.close()
        wait_until(lambda: clients(client) == 1)


def test_buffer_limits_close():
    """Replies that are not read, and a request that does not end, are bounded by directives."""
    with Server(*FOUR) as server:
        client = server.client()
        client.must("SET", "big", b"y" * 8 * MB)
        for limit in ("normal 1mb 0 0", "normal 0 1mb 1"):
            client.must("CONFIG", "SET", "client-output-buffer-limit", limit)
            with connect(server) as sock:
                wait_until(lambda: clients(client) == 2)
                sock.sendall(encode("GET", "big") * 20)
                wait_until(lambda: clients(client) == 1, 10, limit)
                assert len(receive(sock)) < 20 * 8 * MB
        client.must("CONFIG", "SET", "client-query-buffer-limit", "1mb")
        with connect(server) as sock:
            try:
                sock.sendall(b"*2\r\n$4\r\nECHO\r\n$5000000\r\n" + b"z" * 4000000)
                eq(receive(sock), b"")
            except ConnectionError:
                pass
        wait_until(lambda: clients(client) == 1)


def test_replies_above_the_limit_are_not_sent():
    """Nothing of them, though the socket would take all; of replies at once 16 KiB are free."""
    limit, free = 100000, 16384
    with Server(*FOUR) as server:
        client = server.client()
        for over in (False, True):
            client.must("CONFIG", "SET", "client-output-buffer-limit", "normal 0 0 0")
            value = b"y" * (limit + free - len(b"$116384\r\n\r\n") - (not over))
            client.must("SET", "big", value)
            client.must("CONFIG", "SET", "client-output-buffer-limit", f"normal {limit} 0 0")
            with server.client() as other:
                other.send("GET", "big")
                if over:
                    eq(other.read_until_closed(), b"")
                else:
                    eq(other.read(), value)
        assert "above client-output-buffer-limit" in server.log()


def test_garbage():
    """Random bytes, and good requests with some bytes changed and cut anywhere."""
    print(f"SEED={SEED}")
    rng = random.Random(SEED)
    good = (
        encode("SET", "k", "v" * 300)
        + encode("GET", "k")
        + encode("MSET", "a", "1", "b", "2")
        + b"PING\r\nSET 'a b' \"\\x00\"\r\n"
        + encode("CONFIG", "GET", "a*")
    )
    with Server(*FOUR) as server:
        for turn in range(300):
            data = bytearray(good * rng.randrange(1, 4))
            if turn % 5 == 0:
                data = bytearray(rng.randbytes(rng.randrange(1, 3000)))
            for _ in range(rng.randrange(6)):
                data[rng.randrange(len(data))] = rng.choice(b"*$0123456789-\r\n\0 \"'")
            with connect(server) as sock:
                if rng.randrange(4) == 0:  # leave by a reset
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                try:
                    while data:
                        cut = rng.randrange(1, len(data) + 1)
                        sock.sendall(data[:cut])
                        del data[:cut]
                except ConnectionError:
                    pass
        client = server.client()
        eq(client.command("PING"), "PONG")
        wait_until(lambda: clients(client) == 1)


def test_everybody_kills_everybody():
    """CLIENT KILL from all sides while connections come, ask for much and go."""
    with Server(*FOUR) as server:
        server.client().must("SET", "big", b"y" * MB)
        until = time.monotonic() + 1

        def come_and_go(number):
            while time.monotonic() < until:
                try:
                    with server.client() as client:
                        if number % 2:
                            client.command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
                        client.send_raw(encode("GET", "big") * 3)
                        client.command("CLIENT", "LIST")
                except (Closed, OSError):
                    pass

        threads = [threading.Thread(target=come_and_go, args=(n,)) for n in range(8)]
        idle = [connect(server) for _ in range(200)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
            assert not thread.is_alive(), "a client hangs"
        client = server.client()
        eq(client.command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes") >= 0, True)
        wait_until(lambda: clients(client) == 1)
        eq(harness.decode(client.raw("STRLEN", "big")), MB)
        for sock in idle:
            eq(receive(sock), b"")
        eq(server.stop(), 0)
