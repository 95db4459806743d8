"""Clients that block, in an order that a test decides.

A `Scene` has a controlling connection and as many others as are named. `do(name, *command)` sends a
command and waits until it was answered or its client is counted as blocked, then collects every
answer that it brought to others; `told` is what each step brought, in bytes, to compare two servers
by.
"""
import select
import time

from harness import Closed, wait_until


class Scene:
    def __init__(self, server, resp=2):
        self.server = server
        self.resp = resp
        self.control = server.client()
        self.clients = {}
        self.pending = set()  # names whose command has no answer yet
        self.told = []

    def client(self, name):
        if name not in self.clients:
            self.clients[name] = self.server.client(resp=self.resp)
        return self.clients[name]

    def id_of(self, name):
        if not hasattr(self.client(name), "id"):
            self.client(name).id = self.client(name).command("CLIENT", "ID")
        return self.client(name).id

    def blocked(self):
        text = self.control.command("INFO", "clients").decode()
        return int(text.split("blocked_clients:")[1].split()[0])

    def _readable(self, names, seconds):
        socks = {self.clients[n].sock: n for n in names}
        ready = select.select(list(socks), [], [], seconds)[0] if socks else []
        return sorted(socks[s] for s in ready)

    def _collect(self, answers, seconds):
        for name in self._readable(self.pending, seconds):
            try:
                answers[name] = self.clients[name].read_raw_reply()
            except Closed:
                answers[name] = b"(closed)"
            self.pending.discard(name)

    def settle(self):
        """Answers to whoever is not blocked any more: {name: bytes}."""
        answers = {}
        deadline = time.monotonic() + 20
        while self.blocked() != len(self.pending):
            self._collect(answers, 0.01)
            assert time.monotonic() < deadline, f"{self.pending} wait, {self.blocked()} blocked"
        return answers

    def do(self, name, *command):
        assert name not in self.pending, f"{name} is blocked"
        self.client(name).send(*command)
        self.pending.add(name)
        answers = self.settle()
        self.told.append((name, command, tuple(sorted(answers.items()))))
        return answers

    def one(self, name, *command):
        """The command's own answer; None if it blocks."""
        return self.do(name, *command).get(name)

    def leave(self, name):
        """The client closes its connection; it was blocked or not."""
        was = self.blocked()
        self.clients.pop(name).close()
        if name in self.pending:
            self.pending.discard(name)
            wait_until(lambda: self.blocked() == was - 1, what=f"{name} to be gone")

    def keys(self):
        """Every key of database 0 with its value."""
        out = {}
        for key in sorted(self.control.must("KEYS", "*")):
            kind = self.control.must("TYPE", key)
            read = {
                "list": ("LRANGE", key, 0, -1),
                "zset": ("ZRANGE", key, 0, -1, "WITHSCORES"),
                "string": ("GET", key),
                "stream": ("XRANGE", key, "-", "+"),
                "stream": ("XRANGE", key, "-", "+"),
            }
            out[key] = (kind, self.control.raw(*read[kind]))
        return out
