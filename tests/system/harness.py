"""What a system test is made of: a RESP client that keeps raw bytes, servers, volumes, process
readers.

A test is a function test_*() in a file test_*.py of this directory; run.py runs each in a process
of its own. A test starts the servers it needs and asserts:

    from harness import Server, eq

    def test_set_get():
        with Server("--appendonly", "yes") as server:
            client = server.client()
            eq(client.command("SET", "k", "v"), "OK")
            eq(client.command("GET", "k"), b"v")

Everything lives in the test's own directory (`test_dir()`) and ends with its process: servers die
with the process that started them, mounts are made in a mount name space of its own. Nothing here
needs cleaning up by hand, though `with` frees things sooner.

Replies as Python values: simple strings are `Status` (a str), bulks are bytes, integers int, nulls
None, arrays list, and of RESP3 doubles float, booleans bool, maps dict (a list of pairs if a key
cannot be one), sets `ReplySet` (a list), big numbers `BigNumber` (an int), verbatim strings
`Verbatim` (bytes, with .format), and error replies `ReplyError` values, which are returned, not
raised.
"""
import atexit
import ctypes
import os
import random
import shlex
import signal
import socket
import subprocess
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
REFERENCE = os.environ.get("REDIS_SERVER", "redis-server")

# A machine may be slow, and busy with something else. So no bound of time is a promise of speed:
# what takes this many times as long as it should is taken for something that does not end.
PATIENCE = 5 * float(os.environ.get("TEST_TIMEOUT_SCALE", "1"))


def subject_binary():
    """The server under test."""
    return os.environ.get("SPILLWAY_SERVER") or os.path.join(ROOT, "build", "spillway")


def subject_is_reference():
    """True when the tests run against redis-server itself (which tests the tests)."""
    return "redis-server" in os.path.basename(subject_binary())


# --- one test's surroundings ----------------------------------------------------------------------


class Skip(Exception):
    """Raised by a test that cannot run here; the text says why."""


def timeout(seconds):
    """Decorator: the test may take so long."""

    def set_it(function):
        function.timeout = seconds
        return function

    return set_it


def alone(function):
    """Decorator: no other test runs beside this one (it measures time or takes much memory)."""
    function.alone = True
    return function


class _Surroundings:
    directory = None  # the test's own, removed by the runner
    servers = []  # started, in order
    namespace = False  # whether the process has its own mount name space


def begin_test(directory):
    """Called by the runner in the test's process."""
    _Surroundings.directory = directory
    _Surroundings.servers = []


def end_test():
    """Called by the runner after the test: stops what is left; returns complaints (a sanitizer's,
    say).
    """
    complaints = []
    for server in _Surroundings.servers:
        server.kill()
        complaints += server.complaints()
    _unmount_all()
    return complaints


def context():
    """What a failed test's report adds: the ends of the logs, of the reference only if it died by
    itself.
    """
    text = ""
    for server in _Surroundings.servers:
        died = server.died()
        if died or server.binary != REFERENCE:
            text += f"--- log of {server.name} (pid {server.pid}{', died' if died else ''})\n"
            text += server.log(tail=60 if died else 12) + "\n"
    return text


def logs_of(directory):
    """The ends of all server logs below a test's directory, for a test that cannot say so itself
    any more.
    """
    text = ""
    for where, _, names in os.walk(directory):
        for name in names:
            if name == "log":
                text += (
                    f"--- {os.path.join(where, name)}\n"
                    + _tail(os.path.join(where, name), 25)
                    + "\n"
                )
    return text


def test_dir(prefix="d"):
    """A new directory of the running test's own."""
    if _Surroundings.directory is None:  # outside the runner: a script or an interactive session
        _Surroundings.directory = tempfile.mkdtemp(prefix="spillway-test-")
        atexit.register(_leave, os.getpid())
    return tempfile.mkdtemp(prefix=prefix + "-", dir=_Surroundings.directory)


test_dir.__test__ = False


def _leave(pid):
    if os.getpid() != pid:
        return
    import shutil

    end_test()
    shutil.rmtree(_Surroundings.directory, ignore_errors=True)


def eq(got, want, what=""):
    """Asserts equality and shows both sides."""
    if got != want or (isinstance(want, bool) != isinstance(got, bool)):
        raise AssertionError(
            f"{what + ': ' if what else ''}got {shorten(got)}, want {shorten(want)}"
        )


def wait_until(condition, seconds=10, what="the condition", every=0.02):
    """Waits until condition() is true and returns its value; fails after so many seconds, given
    patience.
    """
    seconds *= PATIENCE
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds:.0f} s in vain for {what}")
        time.sleep(every)


def in_time(began, seconds):
    """Asserts that what began then (time.monotonic()) has not taken longer, given patience; returns
    how long it took.
    """
    took = time.monotonic() - began
    assert took < seconds * PATIENCE, f"took {took:.2f} s, not {seconds} s"
    return took


def shorten(value, limit=600):
    text = value if isinstance(value, str) else repr(value)
    return (
        text
        if len(text) <= limit
        else f"{text[:limit // 2]} ...({len(text)} characters)... {text[-limit // 2:]}"
    )


def free_port():
    """A loopback port nobody listens on now, below the range the kernel hands out by itself."""
    for _ in range(1000):
        port = random.SystemRandom().randrange(18000, 32000)
        with socket.socket() as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                s.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue
    raise AssertionError("no free port")


# --- RESP -----------------------------------------------------------------------------------------


class Status(str):
    """A simple string reply; equal to the same str."""


class ReplyError(str):
    """An error reply, without the leading minus; equal to the same str."""

    @property
    def code(self):
        return self.split(" ", 1)[0]


class ReplySet(list):
    """A RESP3 set, in the order it came."""


class Push(list):
    """A RESP3 push message."""


class BigNumber(int):
    """A RESP3 big number."""


class Verbatim(bytes):
    """A RESP3 verbatim string; .format is its three letters."""

    format = "txt"


def encode(*args):
    """A command as the bytes of a RESP array. Arguments: bytes, str (UTF-8), int or float."""
    parts = [b"*%d\r\n" % len(args)]
    for arg in args:
        data = arg if isinstance(arg, bytes) else str(arg).encode()
        parts.append(b"$%d\r\n%b\r\n" % (len(data), data))
    return b"".join(parts)


class Incomplete(Exception):
    """The buffer ends within a reply."""


class ProtocolError(Exception):
    """The bytes are not RESP."""


def reply_end(buf, pos=0):
    """The position after the reply that begins at pos, attributes before it included. Raises
    Incomplete.
    """
    pending = 1  # replies still to pass
    while pending:
        eol = buf.find(b"\r\n", pos)
        if eol < 0:
            raise Incomplete
        kind, head = buf[pos], bytes(buf[pos + 1 : eol])
        pos = eol + 2
        pending -= 1
        if kind in b"+-:_,#(":
            continue
        try:
            count = int(head)
        except ValueError:
            raise ProtocolError(f"bad reply line {bytes([kind]) + head!r}") from None
        if kind in b"$=!":
            if count >= 0:
                pos += count + 2
                if pos > len(buf):
                    raise Incomplete
        elif kind in b"*~>":
            pending += max(count, 0)
        elif kind == ord("%"):
            pending += 2 * count
        elif kind == ord("|"):
            pending += 2 * count + 1
        else:
            raise ProtocolError(f"bad reply type {bytes([kind]) + head!r}")
    return pos


def decode(raw):
    """The Python value of one whole reply's bytes. Attributes are dropped."""
    value, end = _decode(raw, 0)
    if end != len(raw):
        raise ProtocolError("bytes after the reply")
    return value


def _decode(buf, pos):
    eol = buf.index(b"\r\n", pos)
    kind, head = chr(buf[pos]), bytes(buf[pos + 1 : eol])
    pos = eol + 2
    if kind == "+":
        return Status(head.decode("utf-8", "surrogateescape")), pos
    if kind == "-":
        return ReplyError(head.decode("utf-8", "surrogateescape")), pos
    if kind == ":":
        return int(head), pos
    if kind == "_":
        return None, pos
    if kind == ",":
        return float(head), pos
    if kind == "#":
        return head == b"t", pos
    if kind == "(":
        return BigNumber(head), pos
    count = int(head)
    if kind in "$=!":
        if count < 0:
            return None, pos
        data = bytes(buf[pos : pos + count])
        pos += count + 2
        if kind == "!":
            return ReplyError(data.decode("utf-8", "surrogateescape")), pos
        if kind == "=":
            verbatim = Verbatim(data[4:])
            verbatim.format = data[:3].decode()
            return verbatim, pos
        return data, pos
    if kind in "*~>":
        if count < 0:
            return None, pos
        items = {"*": list, "~": ReplySet, ">": Push}[kind]()
        for _ in range(count):
            item, pos = _decode(buf, pos)
            items.append(item)
        return items, pos
    pairs = []
    for _ in range(count):
        key, pos = _decode(buf, pos)
        value, pos = _decode(buf, pos)
        pairs.append((key, value))
    if kind == "|":
        return _decode(buf, pos)
    try:
        return dict(pairs), pos
    except TypeError:
        return pairs, pos


class Closed(Exception):
    """The server closed the connection; .rest is what came before and is no whole reply."""

    def __init__(self, rest=b""):
        super().__init__(
            f"connection closed by the server, {len(rest)} bytes left over: {rest[:80]!r}"
        )
        self.rest = rest


class NoReply(TimeoutError):
    """Too few replies came in time; .replies are the bytes of those that did."""

    def __init__(self, replies, count):
        super().__init__(f"{len(replies)} of {count} replies came")
        self.replies = replies


class Client:
    """One connection. Push messages met while waiting for a reply are collected in .pushes."""

    def __init__(self, port=None, host="127.0.0.1", resp=2, timeout=20, path=None):
        if path:
            self.sock = socket.socket(socket.AF_UNIX)
            self.sock.settimeout(timeout * PATIENCE)
            self.sock.connect(path)
        else:
            self.sock = socket.create_connection((host, port), timeout * PATIENCE)
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buf = bytearray()
        self.pushes = []
        self.resp = resp
        if resp != 2:
            reply = self.command("HELLO", resp)
            if isinstance(reply, ReplyError):
                raise AssertionError(f"HELLO {resp}: {reply}")

    def close(self):
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    # sending

    def send_raw(self, data):
        self.sock.sendall(data)

    def send(self, *args):
        self.sock.sendall(encode(*args))

    # receiving

    def read_some(self):
        """Receives what is there, waiting for at least a byte. Raises Closed at the end."""
        try:
            data = self.sock.recv(1 << 18)
        except ConnectionResetError:
            data = b""
        if not data:
            raise Closed(bytes(self.buf))
        self.buf += data

    def read_raw(self):
        """The bytes of the next reply or push message."""
        while True:
            try:
                end = reply_end(self.buf)
                break
            except Incomplete:
                self.read_some()
        raw = bytes(memoryview(self.buf)[:end])
        del self.buf[:end]
        return raw

    def read_raw_reply(self):
        """The bytes of the next reply; push messages before it are put by."""
        while True:
            raw = self.read_raw()
            if raw[:1] != b">":
                return raw
            self.pushes.append(decode(raw))

    def read(self):
        return decode(self.read_raw_reply())

    def read_until_closed(self, seconds=5):
        """Every byte up to the server's close; fails if it does not close in time."""
        old = self.sock.gettimeout()
        self.sock.settimeout(seconds * PATIENCE)
        try:
            while True:
                self.read_some()
        except Closed as closed:
            self.buf.clear()
            return closed.rest
        finally:
            self.sock.settimeout(old)

    def quiet(self, seconds=0.1):
        """True if nothing arrives within so many seconds (and nothing is waiting)."""
        if self.buf:
            return False
        old = self.sock.gettimeout()
        self.sock.settimeout(seconds)
        try:
            self.read_some()
        except (TimeoutError, socket.timeout):
            return True
        finally:
            self.sock.settimeout(old)
        return False

    def read_push(self, seconds=5):
        """The next push message."""
        if self.pushes:
            return self.pushes.pop(0)
        old = self.sock.gettimeout()
        self.sock.settimeout(seconds * PATIENCE)
        try:
            value = decode(self.read_raw())
        finally:
            self.sock.settimeout(old)
        if not isinstance(value, Push):
            raise AssertionError(f"expected a push message, got {shorten(value)}")
        return value

    # both

    def raw(self, *args):
        """Sends a command and returns its reply's bytes."""
        self.send(*args)
        return self.read_raw_reply()

    def command(self, *args):
        """Sends a command and returns its reply's value."""
        return decode(self.raw(*args))

    def must(self, *args):
        """As command(), but an error reply fails the test."""
        reply = self.command(*args)
        if isinstance(reply, ReplyError):
            raise AssertionError(f"{shorten(args)}: {reply}")
        return reply

    def pipeline_raw(self, commands):
        """Sends all commands (tuples of arguments) at once; the bytes of each reply. A close ends
        the list.
        """
        data = b"".join(encode(*c) for c in commands)
        return self.exchange(data, len(commands))

    def pipeline(self, commands):
        """Sends all commands at once; the value of each reply."""
        return [decode(raw) for raw in self.pipeline_raw(commands)]

    def exchange(self, data, count):
        """Sends bytes, reading meanwhile, until `count` replies came; their bytes. A close ends the
        list.
        """
        replies = []
        view = memoryview(data)
        timeout_s = self.sock.gettimeout()
        deadline = time.monotonic() + (timeout_s or 3600)
        self.sock.setblocking(False)
        try:
            while len(replies) < count or view:
                if view:
                    try:
                        view = view[self.sock.send(view) :]
                    except BlockingIOError:
                        pass
                    except (BrokenPipeError, ConnectionResetError):
                        view = view[len(view) :]
                try:
                    received = self.sock.recv(1 << 18)
                    if not received:
                        break
                    self.buf += received
                    self._take_replies(replies, count)
                except BlockingIOError:
                    if time.monotonic() > deadline:
                        raise NoReply(replies, count) from None
                    _wait_ready(self.sock, bool(view))
                except ConnectionResetError:
                    break
        finally:
            self.sock.settimeout(timeout_s)
        return replies

    def _take_replies(self, replies, count):
        pos = 0
        try:
            while len(replies) < count:
                end = reply_end(self.buf, pos)
                raw = bytes(memoryview(self.buf)[pos:end])
                pos = end
                if raw[:1] == b">":
                    self.pushes.append(decode(raw))
                else:
                    replies.append(raw)
        except Incomplete:
            pass
        del self.buf[:pos]


def _wait_ready(sock, writing):
    import select

    select.select([sock], [sock] if writing else [], [], 1)


# --- servers --------------------------------------------------------------------------------------

_LIBC = ctypes.CDLL(None, use_errno=True)
_PR_SET_PDEATHSIG = 1


def _die_with_parent():
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


class Server:
    """A server process in a directory of its own, on a free loopback port, without save points
    unless asked.

    `args` are command line arguments as redis-server takes them; `config` is the text of a
    configuration file to start it with. `binary` is the server under test unless said, `cpus` pins
    it ("0"), `env` adds to the environment. stop() asks it to end (SIGTERM), kill() is kill -9,
    start() starts it again with the same directory and arguments. Its data (--dir) is in `data` if
    that is given, else in `directory`, where its log always is. Attributes: port, pid, dir, data,
    process.
    """

    def __init__(
        self,
        *args,
        config=None,
        binary=None,
        directory=None,
        data=None,
        port=None,
        cpus=None,
        env=None,
        start=True,
        name=None,
        ready_seconds=30,
        defaults=True,
        wait=True,
    ):
        self.binary = binary or subject_binary()
        self.name = name or os.path.basename(self.binary)
        self.dir = directory or test_dir(self.name)
        self.data = data or self.dir
        self.args = [str(a) for a in args]
        if not binary:
            self.args += shlex.split(os.environ.get("SPILLWAY_ARGS", ""))
        self.config = config
        self.cpus = cpus
        self.env = env or {}
        self.fixed_port = port
        self.port = port
        self.ready_seconds = ready_seconds * PATIENCE
        self.defaults = defaults
        self.process = None
        self.ended = False  # by stop() or kill()
        self.pid = None
        self.log_path = os.path.join(self.dir, "log")
        self.log_start = 0  # bytes of the log before the last start
        _Surroundings.servers.append(self)
        if start:
            self.start(wait=wait)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()

    def command_line(self):
        line = ["taskset", "-c", self.cpus] if self.cpus else []
        line.append(self.binary)
        if self.config is not None:
            path = os.path.join(self.dir, "server.conf")
            with open(path, "w", encoding="utf-8") as f:
                f.write(self.config)
            line.append(path)
        line += ["--port", str(self.port), "--bind", "127.0.0.1", "--dir", self.data]
        if self.defaults and "--save" not in self.args and "save " not in (self.config or ""):
            line += ["--save", ""]
        return line + self.args

    def environment(self):
        """A server that ends leaves its data set to the system: that is no leak."""
        env = {**os.environ, **self.env}
        env["ASAN_OPTIONS"] = env.get("ASAN_OPTIONS", "") + ":detect_leaks=0"
        return env

    def start(self, wait=True):
        """Starts the process and, unless told not to, waits until it answers PING."""
        for attempt in range(5):
            if self.fixed_port is None and (attempt or self.port is None):
                self.port = free_port()
            self.log_start = os.path.getsize(self.log_path) if os.path.exists(self.log_path) else 0
            with open(self.log_path, "ab") as log:
                self.process = subprocess.Popen(
                    self.command_line(),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    cwd=self.dir,
                    env=self.environment(),
                    preexec_fn=_die_with_parent,
                )
            self.pid = self.process.pid
            self.ended = False
            if not wait:
                return self
            try:
                self.wait_ready()
                return self
            except AssertionError as error:
                self.kill()
                new = self.log(since=self.log_start)
                if self.fixed_port is None and "in use" in new and attempt < 4:
                    continue
                raise AssertionError(f"{error}\n{new}") from None
        return self

    def wait_ready(self):
        """Waits until PING is answered by PONG, or by a demand for a password when the log says
        that all is loaded.
        """
        deadline = time.monotonic() + self.ready_seconds
        while True:
            if self.process.poll() is not None:
                raise AssertionError(
                    f"{self.name} ended at once with code {self.process.returncode}"
                )
            try:
                with Client(self.port, timeout=5) as client:
                    reply = client.command("PING")
                if reply == "PONG":
                    return
                if str(reply).startswith("NOAUTH") and "Ready to accept" in self.log(
                    since=self.log_start
                ):
                    return
            except (OSError, Closed):
                pass
            if time.monotonic() > deadline:
                raise AssertionError(f"{self.name} was not ready after {self.ready_seconds:.0f} s")
            time.sleep(0.005)

    def client(self, resp=2, timeout=20):
        return Client(self.port, resp=resp, timeout=timeout)

    def alive(self):
        return self.process is not None and self.process.poll() is None

    def died(self):
        """Whether it ended though nobody here ended it."""
        return self.process is not None and self.process.poll() is not None and not self.ended

    def signal(self, number):
        self.process.send_signal(number)

    def stop(self, seconds=20):
        """SIGTERM and wait; returns the exit code."""
        if self.alive():
            self.ended = True
            self.process.terminate()
        return self.wait(seconds)

    def wait(self, seconds=20):
        """Waits for the end of the process; returns the exit code (negative: the signal)."""
        try:
            return self.process.wait(seconds * PATIENCE)
        except subprocess.TimeoutExpired:
            raise AssertionError(
                f"{self.name} did not end within {seconds * PATIENCE:.0f} s\n{self.log(tail=20)}"
            ) from None

    def kill(self):
        """kill -9, if it runs."""
        if self.alive():
            self.ended = True
            self.process.kill()
        if self.process is not None:
            self.process.wait()

    def restart(self, hard=False):
        """Ends it (kill -9 if hard) and starts it again on the same directory."""
        if hard:
            self.kill()
        else:
            self.stop()
        return self.start()

    def log(self, tail=None, since=0):
        """The log's text: from byte `since`, or its last `tail` lines."""
        if tail is not None:
            return _tail(self.log_path, tail)
        try:
            with open(self.log_path, "rb") as f:
                f.seek(since)
                return f.read().decode("utf-8", "backslashreplace")
        except OSError:
            return ""

    def complaints(self):
        """What a sanitizer or a panic wrote to the log."""
        text = self.log()
        for mark in (
            "ERROR: AddressSanitizer",
            "WARNING: ThreadSanitizer",
            "ERROR: LeakSanitizer",
            "runtime error: ",
        ):
            at = text.find(mark)
            if at >= 0:
                return [
                    f"{self.name} (pid {self.pid}) complained:\n{text[max(0, at - 200):at + 6000]}"
                ]
        return []

    def path(self, *names):
        """A path in its data directory."""
        return os.path.join(self.data, *names)

    # readers of the process

    def cpu_ns(self):
        return cpu_ns(self.pid)

    def rss(self):
        return rss(self.pid)

    def info(self, section=None, client=None):
        """INFO as a dict of str."""
        own = client or self.client()
        text = own.must("INFO", *([section] if section else [])).decode()
        if client is None:
            own.close()
        return dict(line.split(":", 1) for line in text.split("\r\n") if ":" in line)


def _tail(path, lines):
    try:
        with open(path, "rb") as f:
            return "\n".join(f.read().decode("utf-8", "backslashreplace").split("\n")[-lines:])
    except OSError:
        return ""


def reference(*args, **kwargs):
    """A Server of Debian's redis-server."""
    kwargs.setdefault("name", "redis-server")
    return Server(*args, binary=REFERENCE, **kwargs)


# --- a process's use of the machine ---------------------------------------------------------------


def cpu_ns(pid):
    """CPU time of the living threads of a process, in nanoseconds."""
    total = 0
    for thread in os.listdir(f"/proc/{pid}/task"):
        try:
            with open(f"/proc/{pid}/task/{thread}/schedstat", encoding="ascii") as f:
                total += int(f.read().split()[0])
        except (FileNotFoundError, ProcessLookupError):
            pass
    return total


def cpu_split(pid):
    """(user, system) CPU seconds of a process, ended threads included; in steps of a clock tick."""
    with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    tick = os.sysconf("SC_CLK_TCK")
    return int(fields[11]) / tick, int(fields[12]) / tick


def rss(pid):
    """Resident bytes of a process."""
    with open(f"/proc/{pid}/statm", encoding="ascii") as f:
        return int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def children(pid):
    """The pids of a process's children."""
    found = []
    for thread in os.listdir(f"/proc/{pid}/task"):
        try:
            with open(f"/proc/{pid}/task/{thread}/children", encoding="ascii") as f:
                found += [int(p) for p in f.read().split()]
        except OSError:
            pass
    return found


# --- volumes --------------------------------------------------------------------------------------

_MOUNTS = []
_CLONE_NEWNS = 0x00020000


def _own_namespace():
    """Mounts made from now on are this process's and its children's, and vanish with them."""
    if _Surroundings.namespace:
        return
    if os.geteuid() != 0:
        raise Skip("mounting needs root")
    if _LIBC.unshare(_CLONE_NEWNS) != 0:
        raise Skip(f"no mount name space: {os.strerror(ctypes.get_errno())}")
    _mount("--make-rprivate", "/")
    _Surroundings.namespace = True


def _mount(*args):
    try:
        done = subprocess.run(["mount", *args], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise Skip("mount is not installed") from None
    if done.returncode != 0:
        raise Skip(f"mount is not permitted here: {done.stderr.strip()}")


def _unmount_all():
    while _MOUNTS:
        subprocess.run(["umount", "-l", _MOUNTS.pop()], capture_output=True, check=False)


def mount_tmpfs(size_bytes, inodes=None):
    """A directory on a tmpfs of so many bytes. Skips the test where mounting is not permitted."""
    _own_namespace()
    path = test_dir("tmpfs")
    options = f"size={size_bytes}" + (f",nr_inodes={inodes}" if inodes else "")
    _mount("-t", "tmpfs", "-o", options, "tmpfs", path)
    _MOUNTS.append(path)
    return path


def mount_ext4(size_bytes, mkfs_args=("-m", "0")):
    """A directory on an ext4 file system in a file of so many bytes. Skips where mounting is not
    permitted.
    """
    _own_namespace()
    path = test_dir("ext4")
    image = path + ".img"
    with open(image, "wb") as f:
        f.truncate(size_bytes)
    env = {**os.environ, "PATH": os.environ.get("PATH", "") + ":/usr/sbin:/sbin"}
    done = subprocess.run(
        ["mkfs.ext4", "-q", "-F", *mkfs_args, image],
        capture_output=True,
        text=True,
        env=env,
        check=False,
    )
    if done.returncode != 0:
        raise Skip(f"mkfs.ext4: {done.stderr.strip()}")
    _mount("-o", "loop", image, path)
    _MOUNTS.append(path)
    return path


def fill(directory, leave_bytes=0, name="filler"):
    """Fills a volume with one file until so many bytes are left (by statvfs); returns the file's
    path.
    """
    path = os.path.join(directory, name)
    block = bytes(1 << 16)
    with open(path, "ab", buffering=0) as f:
        while True:
            volume = os.statvfs(directory)
            room = volume.f_bavail * volume.f_frsize - leave_bytes
            if room <= 0:
                return path
            try:
                if f.write(block[: min(len(block), room)]) == 0:
                    return path
            except OSError:
                return path
