"""Two applications as their authors write them, over redis-py: a catalog and a job queue.

    python3 application.py catalog PORT SEED
    python3 application.py queue PORT SEED JOBS

The catalog keeps products in hashes, facets in sets and rankings in sorted sets, and checks every
answer against what it did. The queue has producers, delayed jobs in a sorted set, workers that
block on the queue and keep what they work at in a list of their own, and events in a stream with a
consumer group; it goes on through a server that is killed and started again, and in the end tells
as JSON how often each job was done. A program of its own because the client belongs to the
system's Python, which need not be the one that runs the tests.
"""
import json
import random
import sys
import threading
import time

import redis

COLOURS = ["red", "green", "blue", "black", "white"]
BRANDS = ["acme", "globex", "initech", "umbrella"]


def connect(port):
    return redis.Redis(
        port=port, decode_responses=True, socket_timeout=100, health_check_interval=1
    )


# --- the catalog ----------------------------------------------------------------------------------


class Catalog:
    """The application, and beside it the model of what it must answer."""

    def __init__(self, port, seed):
        self.r = connect(port)
        self.random = random.Random(seed)
        self.products, self.sold, self.viewed = {}, {}, {}

    def put(self, number):
        product = {
            "name": f"product {number}",
            "colour": self.random.choice(COLOURS),
            "brand": self.random.choice(BRANDS),
            "price": str(self.random.randrange(100, 99999)),
            "text": "words " * self.random.randrange(40),
        }
        old = self.products.get(number)
        with self.r.pipeline(transaction=False) as p:
            if old:
                p.srem(f"colour:{old['colour']}", number)
                p.srem(f"brand:{old['brand']}", number)
            p.hset(f"product:{number}", mapping=product)
            p.sadd(f"colour:{product['colour']}", number)
            p.sadd(f"brand:{product['brand']}", number)
            p.zadd("price", {str(number): float(product["price"])})
            p.execute()
        self.products[number] = product

    def drop(self, number):
        product = self.products.pop(number)
        with self.r.pipeline(transaction=False) as p:
            p.delete(f"product:{number}")
            p.srem(f"colour:{product['colour']}", number)
            p.srem(f"brand:{product['brand']}", number)
            p.zrem("price", number)
            p.zrem("sold", number)
            p.execute()
        self.sold.pop(number, None)

    def view(self, number):
        assert self.r.hgetall(f"product:{number}") == self.products[number]
        self.viewed[number] = self.viewed.get(number, 0) + 1
        assert self.r.hincrby("views", number, 1) == self.viewed[number]
        self.r.lpush("recent", number)
        self.r.ltrim("recent", 0, 9)
        assert self.r.lindex("recent", 0) == str(number)

    def buy(self, number):
        count = self.random.randrange(1, 4)
        self.sold[number] = self.sold.get(number, 0) + count
        assert self.r.zincrby("sold", count, number) == self.sold[number]

    def browse(self):
        colour, brand = self.random.choice(COLOURS), self.random.choice(BRANDS)
        want = {
            str(n)
            for n, p in self.products.items()
            if p["colour"] == colour and p["brand"] == brand
        }
        assert self.r.sinter(f"colour:{colour}", f"brand:{brand}") == want
        assert self.r.sintercard(2, [f"colour:{colour}", f"brand:{brand}"]) == len(want)
        low, high = sorted(self.random.randrange(100, 99999) for _ in range(2))
        cheap = sorted(
            (float(p["price"]), str(n))
            for n, p in self.products.items()
            if low <= float(p["price"]) <= high
        )
        got = self.r.zrangebyscore("price", low, high, withscores=True)
        assert [(score, member) for member, score in got] == cheap
        best = sorted(((s, str(n)) for n, s in self.sold.items()), reverse=True)[:10]
        assert [(s, m) for m, s in self.r.zrevrange("sold", 0, 9, withscores=True)] == best
        names = self.r.sort(
            f"colour:{colour}", by="product:*->price", get="product:*->name", start=0, num=3
        )
        of_colour = [p for p in self.products.values() if p["colour"] == colour]
        prices = sorted(float(p["price"]) for p in of_colour)[:3]
        by_name = {p["name"]: float(p["price"]) for p in of_colour}
        assert [by_name[name] for name in names] == prices

    def run(self):
        for number in range(400):
            self.put(number)
        for _ in range(1500):
            known = list(self.products)
            step = self.random.random()
            if step < 0.15:
                self.put(self.random.randrange(600))
            elif step < 0.20:
                self.drop(self.random.choice(known))
            elif step < 0.60:
                self.view(self.random.choice(known))
            elif step < 0.85:
                self.buy(self.random.choice(known))
            else:
                self.browse()
        walked = {k for k in self.r.scan_iter(match="product:*", count=50)}
        assert walked == {f"product:{n}" for n in self.products}
        return {"products": len(walked)}


# --- the queue ------------------------------------------------------------------------------------


AWAY = (redis.ConnectionError, redis.TimeoutError, redis.exceptions.BusyLoadingError)


def patiently(step):
    """Does one step of the application, again if the server went away in its middle."""
    while True:
        try:
            return step()
        except AWAY:
            time.sleep(0.02)


class Queue:
    def __init__(self, port, seed, jobs):
        self.port, self.seed, self.jobs = port, seed, jobs
        self.done = {}
        self.events = set()
        self.lock = threading.Lock()
        self.over = threading.Event()

    def produce(self, share):
        r, chance = connect(self.port), random.Random(f"{self.seed}/{share}")
        for job in range(share, self.jobs, 2):
            fields = {"payload": job * 7, "tries": 0}
            patiently(lambda job=job, fields=fields: r.hset(f"job:{job}", mapping=fields))
            if chance.random() < 0.3:
                due = time.time() + chance.random() / 5
                patiently(lambda job=job, due=due: r.zadd("delayed", {str(job): due}))
            else:
                patiently(lambda job=job: r.lpush("waiting", job))

    def promote(self):
        """Jobs whose time has come. Pushed before they are removed: twice is better than never."""
        r = connect(self.port)
        while not self.over.is_set():
            for job in patiently(lambda: r.zrangebyscore("delayed", 0, time.time())):
                patiently(lambda job=job: r.lpush("waiting", job))
                patiently(lambda job=job: r.zrem("delayed", job))
            time.sleep(0.01)

    def work(self, number):
        r, mine = connect(self.port), f"working:{number}"
        while not self.over.is_set():
            job = patiently(lambda: r.blmove("waiting", mine, 0.2, src="RIGHT", dest="LEFT"))
            for job in patiently(lambda: r.lrange(mine, 0, -1)):
                fields = patiently(lambda job=job: r.hgetall(f"job:{job}"))
                assert fields.get("payload") == str(int(job) * 7), (job, fields)
                patiently(lambda job=job: r.hincrby(f"job:{job}", "tries", 1))
                patiently(lambda job=job: r.xadd("events", {"job": job, "worker": number}))
                with self.lock:
                    self.done[job] = self.done.get(job, 0) + 1
                patiently(lambda job=job: r.lrem(mine, 1, job))

    def listen(self, name):
        r = connect(self.port)
        start = "0"  # first what was delivered to this name before, then what is new
        while not self.over.is_set():
            try:
                got = r.xreadgroup("audit", name, {"events": start}, count=20, block=200)
            except AWAY:
                start = "0"  # it may have been delivered and not have arrived
                continue
            entries = [entry for _, batch in got for entry in batch]
            for at, fields in entries:
                with self.lock:
                    self.events.add(fields["job"])
                patiently(lambda at=at: r.xack("events", "audit", at))
            start = ">" if not entries else start

    def make_group(self):
        try:
            connect(self.port).xgroup_create("events", "audit", id="0", mkstream=True)
        except redis.ResponseError as e:
            assert "BUSYGROUP" in str(e)

    def run(self):
        patiently(self.make_group)
        parts = [(self.produce, 0), (self.produce, 1), (self.promote,)]
        parts += [(self.work, n) for n in range(4)] + [(self.listen, f"l{n}") for n in range(2)]
        failures = []

        def guarded(function, *args):
            try:
                function(*args)
            except BaseException as e:  # noqa: B902 (reported below)
                failures.append(repr(e))

        threads = [threading.Thread(target=guarded, args=part) for part in parts]
        for thread in threads:
            thread.start()
        deadline = time.time() + 300
        while time.time() < deadline and not failures:
            with self.lock:
                if len(self.done) == self.jobs and len(self.events) == self.jobs:
                    break
            time.sleep(0.02)
        self.over.set()
        for thread in threads:
            thread.join()
        r = connect(self.port)
        left = [r.llen("waiting"), r.zcard("delayed")]
        left += [r.llen(f"working:{n}") for n in range(4)]
        pending = r.xpending("events", "audit")["pending"]
        return {
            "failures": failures,
            "done": len(self.done),
            "events": len(self.events),
            "twice": sum(n > 1 for n in self.done.values()),
            "left": sum(left),
            "pending": pending,
        }


def main():
    what, port, seed = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    run = Catalog(port, seed) if what == "catalog" else Queue(port, seed, int(sys.argv[4]))
    print(json.dumps(run.run()))


main()
