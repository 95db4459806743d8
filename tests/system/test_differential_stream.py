"""Commands of group stream against redis-server: random streams of commands with nodes of the usual
and of small sizes, the bounds of ids, and streams passed between the two servers by DUMP and
RESTORE, RDB files and logs.
"""
import differential
import groups_stream  # noqa: F401  (registers its generators)
from differential import ARGS

DEBUG = (*ARGS, "--enable-debug-command", "yes")
SMALL_NODES = (*DEBUG, "--stream-node-max-entries", "4")
TINY_NODES = (*DEBUG, "--stream-node-max-bytes", "60")


def test_random_resp2():
    differential.run(["stream"], 2, args=DEBUG)


def test_random_resp3():
    differential.run(["stream"], 3, args=DEBUG, commands=10000)


def test_random_small_nodes():
    differential.run(["stream"], 2, args=SMALL_NODES, commands=12000)


def test_random_tiny_nodes():
    differential.run(["stream"], 3, args=TINY_NODES, commands=8000)


def test_random_counts():
    differential.run(["streamcount"], 2, args=SMALL_NODES, commands=6000)
