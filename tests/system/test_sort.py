"""SORT with patterns while other workers change the keys that the patterns name."""
import threading
import time

from harness import Server, eq

COUNT = 40


def rotate(client, stop):
    """All weights at once, so that they are a rotation of 0, 1, 2 ... at any moment."""
    turn = 0
    while not stop.is_set():
        turn += 1
        pairs = [x for i in range(COUNT) for x in (f"w_{i}", (i + turn) % COUNT)]
        client.must("MSET", *pairs)


def test_weights_are_of_one_moment():
    with Server("--save", "", "--io-threads", "4") as server:
        readers = [server.client() for _ in range(3)]
        writer = server.client()
        writer.must("RPUSH", "l", *range(COUNT))
        writer.must("MSET", *[x for i in range(COUNT) for x in (f"w_{i}", i)])
        stop = threading.Event()
        thread = threading.Thread(target=rotate, args=(writer, stop))
        thread.start()
        wrong, seen, until = [], set(), time.monotonic() + 1.5
        try:
            while not wrong and (time.monotonic() < until or len(seen) < 2):
                for reader in readers:
                    reader.send("SORT", "l", "BY", "w_*", "GET", "w_*", "GET", "#")
                for reader in readers:
                    reply = [int(x) for x in reader.read()]
                    first = reply[1]
                    seen.add(first)
                    want = [x for i in range(COUNT) for x in (i, (first + i) % COUNT)]
                    if reply != want:
                        wrong.append(reply)
        finally:
            stop.set()
            thread.join()
        eq(wrong, [])
