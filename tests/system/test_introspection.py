"""What a server says of itself: INFO's fields, CONFIG's parameters and COMMAND's rows, as tools of
redis-server expect them."""
from harness import ReplyError, Server, Skip, decode, eq, reference

SECTIONS = "server clients memory persistence stats replication cpu keyspace".split()

# Parameters whose values are each server's own.
OWN_VALUES = set(
    "syslog-ident port bind dir logfile pidfile save io-threads proc-title-template".split()
)


def both():
    return reference(), Server()


def info(client, *sections):
    text = client.must("INFO", *sections)
    lines = [line for line in text.decode().split("\r\n") if line]
    return lines


def test_info_fields():
    """Every field of the reference's sections is there, under the same headings."""
    servers = both()
    clients = [server.client() for server in servers]
    for client in clients:
        client.must("SET", "k", "v", "EX", 1000)
    missing = []
    for section in SECTIONS:
        want, got = (info(client, section) for client in clients)
        if not got or want[0] != got[0]:
            missing.append(f"heading {want[0]}")
        names = {line.split(":")[0] for line in got}
        missing += [
            f"{section}: {n}" for n in (line.split(":")[0] for line in want[1:]) if n not in names
        ]
    assert not missing, "missing: " + ", ".join(missing)


def test_info_sections_and_forms():
    """INFO of several sections, of all, of none known; a verbatim string in RESP3."""
    with Server() as server:
        client = server.client()
        eq([l for l in info(client, "server", "cpu") if l[0] == "#"], ["# Server", "# CPU"])
        eq([l for l in info(client, "CPU") if l[0] == "#"], ["# CPU"])
        eq(client.command("INFO", "nosuch"), b"")
        for every in ("all", "everything", "default"):
            headings = [l for l in info(client, every) if l[0] == "#"]
            for wanted in ("# Server", "# Memory", "# Persistence", "# Stats", "# Keyspace"):
                assert wanted in headings, f"INFO {every} has no {wanted}: {headings}"
        with server.client(resp=3) as three:
            eq(three.raw("INFO", "cpu")[:1], b"=")
            eq(decode(three.raw("INFO", "cpu")).format, "txt")


def test_info_counts():
    """Numbers that a test can know."""
    with Server() as server:
        client = server.client()
        other = server.client()
        other.must("PING")
        before = server.info(client=client)
        client.pipeline([("SET", f"k{i}", "v") for i in range(10)])
        client.pipeline([("GET", f"k{i}") for i in range(15)])
        client.must("SET", "gone", "v", "PX", "1")
        client.must("EXPIRE", "k1", 1000)
        client.must("SELECT", 2)
        client.must("SET", "k", "v")
        client.command("NOPE")
        after = server.info(client=client)

        def grown(name):
            return int(after[name]) - int(before[name])

        eq((grown("keyspace_hits"), grown("keyspace_misses")), (10, 5))
        eq(after["connected_clients"], "2")
        eq(grown("total_connections_received"), 0)
        assert 29 <= grown("total_commands_processed") <= 31, grown("total_commands_processed")
        eq(grown("total_error_replies"), 1)
        assert grown("total_net_input_bytes") > 500 and grown("total_net_output_bytes") > 100
        fields = dict(f.split("=") for f in after["db0"].split(","))
        assert fields["keys"] in ("10", "11") and fields["expires"] in ("1", "2"), fields
        eq(after["db2"].split(",")[0], "keys=1")
        assert int(after["used_memory"]) > 0 and int(after["used_memory_rss"]) > 1 << 20


def test_config_parameters():
    """CONFIG GET * knows every parameter of the reference and has its default values."""
    servers = both()
    want, got = (
        dict(zip(*[iter(server.client().must("CONFIG", "GET", "*"))] * 2)) for server in servers
    )
    missing = sorted(n.decode() for n in want if n not in got)
    assert not missing, f"unknown parameters: {missing}"
    different = [
        (n.decode(), want[n], got[n])
        for n in sorted(want)
        if want[n] != got[n] and n.decode() not in OWN_VALUES
    ]
    assert not different, f"defaults differ (name, want, got): {different}"


def test_config_get_patterns():
    servers = both()
    clients = [server.client() for server in servers]
    for patterns in (
        ("maxmemory*",),
        ("MAXMEMORY",),
        ("nosuch",),
        ("*lru*", "lfu-*"),
        ("appendfsync", "appendfsync"),
        ("hz", "save*"),
    ):
        want, got = (client.must("CONFIG", "GET", *patterns) for client in clients)
        names = [{name.lower() for name in reply[::2]} for reply in (want, got)]
        eq(names[0] - names[1], set(), repr(patterns))
    for wrong in (
        (),
        ("GET",),
        ("SET",),
        ("SET", "maxmemory"),
        ("NOPE",),
        ("SET", "nosuch", "1"),
        ("SET", "maxmemory", "x"),
        ("SET", "maxmemory", "1", "maxmemory", "2"),
        ("SET", "port"),
        ("SET", "databases", "4"),
        ("SET", "appendonly", "maybe"),
        ("SET", "maxmemory-policy", "x"),
        ("SET", "hz", "-"),
        ("SET", "maxmemory", "100", "nosuch", "1"),
        ("RESETSTAT", "x"),
        ("SET", "maxclients", "0"),
        ("SET", "timeout", "-1"),
    ):
        want, got = (client.raw("CONFIG", *wrong) for client in clients)
        eq(got, want, f"CONFIG {wrong}")


def test_config_set_takes_effect():
    with Server() as server:
        client = server.client()
        eq(
            client.command(
                "CONFIG", "SET", "maxmemory", "100mb", "maxmemory-policy", "allkeys-lru"
            ),
            "OK",
        )
        eq(client.command("CONFIG", "GET", "maxmemory"), [b"maxmemory", b"104857600"])
        eq(client.command("CONFIG", "SET", "requirepass", "x"), "OK")
        eq(server.client().command("GET", "k"), "NOAUTH Authentication required.")
        eq(client.command("GET", "k"), None, "who is in stays in")
        eq(client.command("CONFIG", "SET", "requirepass", ""), "OK")
        eq(server.client().command("GET", "k"), None)
        eq(client.command("CONFIG", "RESETSTAT"), "OK")


def rows(client, names):
    """name -> (arity, flags, first, last, step, categories) of COMMAND INFO."""
    reply = client.command("COMMAND", "INFO", *names)
    if isinstance(reply, ReplyError):
        raise Skip(f"no COMMAND INFO: {reply}")
    out = {}
    for row in reply:
        if row:
            out[row[0].decode()] = (row[1], set(row[2]), row[3], row[4], row[5], set(row[6]))
    return out


# What differs in 7.2 from the reference, 7.0.
NEWER = {("zrank", "arity"), ("zrevrank", "arity")} | {
    (name, "flags")
    for name in ("blmove", "blpop", "brpop", "brpoplpush", "bzpopmax", "bzpopmin", "select")
}


def test_command_rows():
    """Arity, flags, keys and categories of each command that both have."""
    servers = both()
    clients = [server.client() for server in servers]
    names = [row[0] for row in clients[0].must("COMMAND")]
    want, got = (rows(client, names) for client in clients)
    assert len(got) > 50, f"only {len(got)} commands are known"
    wrong = []
    for name, row in sorted(got.items()):
        for what, a, b in zip(
            ("arity", "flags", "first", "last", "step", "categories"), want[name], row
        ):
            if a != b and (name, what) not in NEWER:
                wrong.append(f"{name} {what}: want {a}, got {b}")
    assert not wrong, "\n".join(wrong)
