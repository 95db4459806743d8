"""Applications over a real client, redis-py: a catalog, and a job queue that outlives a crash."""
import json
import os
import subprocess
import time

from differential import seed
from harness import PATIENCE, Server, Skip, eq, timeout

PYTHON = "/usr/bin/python3"  # the one that Debian's python3-redis belongs to
APPLICATION = os.path.join(os.path.dirname(os.path.abspath(__file__)), "application.py")
DURABLE = ("--appendonly", "yes", "--appendfsync", "always", "--save", "")


def begin(what, server, *args):
    if subprocess.run([PYTHON, "-c", "import redis"], capture_output=True).returncode:
        raise Skip("redis-py is not installed: python3-redis")
    number = seed()
    print(f"SEED={number}")
    return subprocess.Popen(
        [PYTHON, APPLICATION, what, str(server.port), str(number), *map(str, args)],
        stdout=subprocess.PIPE,
        text=True,
    )


def result(application):
    out, _ = application.communicate(timeout=90 * PATIENCE)
    eq(application.returncode, 0)
    return json.loads(out)


@timeout(120)
def test_catalog():
    with Server("--io-threads", "2", "--save", "") as server:
        assert result(begin("catalog", server))["products"] > 100
        assert server.client().must("DBSIZE") > 100


def check_queue(got, jobs):
    eq(got["failures"], [])
    eq(got["done"], jobs)
    eq(got["events"], jobs)
    eq(got["left"], 0)
    eq(got["pending"], 0)


@timeout(120)
def test_queue():
    with Server("--io-threads", "2", "--save", "") as server:
        got = result(begin("queue", server, 1000))
        check_queue(got, 1000)
        eq(got["twice"], 0)


@timeout(120)
def test_queue_outlives_crashes():
    """Nothing is lost; what was being done when the server died may be done twice."""
    with Server("--io-threads", "2", *DURABLE) as server:
        application = begin("queue", server, 1500)
        for _ in range(3):
            time.sleep(0.4)
            server.kill()
            server.start()
        check_queue(result(application), 1500)
