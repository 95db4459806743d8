"""Threads that act on a server at random until their time is over, or one of them finds something
wrong, which is raised in the end.
"""
import random
import threading
import time


class Crowd:
    """`seed` decides what the random sources of the threads give; `seconds`: how long they act."""

    def __init__(self, server, seed, seconds):
        self.server, self.seed, self.seconds = server, seed, seconds
        self.wrong, self.threads = [], []
        self.end = time.monotonic() + seconds

    def add(self, count, action, *args):
        for _ in range(count):
            rng = random.Random(self.seed * 1000 + len(self.threads))
            self.threads.append(
                threading.Thread(target=self._run, args=(action, rng, *args), daemon=True)
            )

    def act(self, action, rng, *args):
        """What a thread does from beginning to end."""
        action(self, rng, *args)

    def _run(self, action, rng, *args):
        try:
            self.act(action, rng, *args)
        except BaseException as error:
            self.wrong.append(error)

    def going(self):
        return time.monotonic() < self.end and not self.wrong

    def run(self):
        for thread in self.threads:
            thread.start()
        for thread in self.threads:
            thread.join(self.seconds + 60)
            assert not thread.is_alive(), "a client hangs"
        if self.wrong:
            raise self.wrong[0]
