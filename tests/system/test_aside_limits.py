"""Limits of memory, while commands run aside: what a client may be owed, and eviction."""
import threading

from harness import Closed, Server, eq, wait_until

ELEMENTS = 20000  # about two milliseconds aside
COPIES = 4


def server_with_a_hash(*args):
    server = Server("--io-threads", 2, "--enable-debug-command", "local", *args)
    with server.client() as client:
        client.must("DEBUG", "ASIDE-THRESHOLD", 1000)
        for begin in range(0, ELEMENTS, 1000):
            pairs = [(f"field:{i}", "v" * 20) for i in range(begin, begin + 1000)]
            client.must("HSET", "big", *(word for pair in pairs for word in pair))
    return server


def test_a_client_owed_too_much_is_closed():
    limit = 100000  # of some 800 KB
    with server_with_a_hash() as server, server.client() as client:
        client.must("CONFIG", "SET", "client-output-buffer-limit", f"normal {limit} 0 0")
        with server.client() as large:
            large.send("HGETALL", "big")
            large.send("SET", "after", "x")
            try:
                large.read()
            except Closed:
                pass
            else:
                raise AssertionError("the whole reply came")
        wait_until(lambda: server.info("clients", client)["connected_clients"] == "1")
        eq(client.must("EXISTS", "after"), 0)
        eq(len(client.must("HRANDFIELD", "big", 1000)), 1000)


def read_copies(server, done, errors):
    """Has values read and copied that eviction may take at any time."""
    try:
        with server.client() as client:
            i = 0
            while not done.is_set():
                i += 1
                key, to = f"copy:{i % COPIES}", f"copy:{(i + 1) % COPIES}"
                fields = client.must("HGETALL", key)
                if len(fields) not in (0, 2 * ELEMENTS):
                    raise AssertionError(f"{len(fields)} fields of a part of a hash")
                client.must("COPY", key, to, "REPLACE")
                client.must("COPY", "big", key)
    except Exception as error:  # pylint: disable=broad-except
        errors.append(error)


def test_eviction_goes_on_beside():
    with server_with_a_hash() as server, server.client() as client:
        for i in range(COPIES):
            client.must("COPY", "big", f"copy:{i}")
        client.must("PERSIST", "big")
        used = int(server.info("memory", client)["used_memory"])
        room = 1 << 20
        client.must("CONFIG", "SET", "maxmemory-policy", "allkeys-random", "maxmemory", used + room)
        done, errors = threading.Event(), []
        readers = [
            threading.Thread(target=read_copies, args=(server, done, errors)) for _ in range(2)
        ]
        for reader in readers:
            reader.start()
        for i in range(100):
            client.pipeline([("SET", f"key:{i}:{j}", "x" * 1000) for j in range(100)])
        done.set()
        for reader in readers:
            reader.join()
        eq(errors, [])
        assert int(server.info("stats", client)["evicted_keys"]) > 1000
        client.must("SET", "last", "x")
        wait_until(lambda: int(server.info("memory", client)["used_memory"]) <= used + room)
