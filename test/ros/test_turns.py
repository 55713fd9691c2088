"""Workers that share turns: round robin, each on its newest item."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable

from saom_ros.turns import Turns
from saom_ros.worker import NewestWorker


def wait_until(done: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not done():
        assert time.monotonic() < end
        time.sleep(0.001)


class Bench:
    """Some workers whose work in turn ends when it is told to."""

    def __init__(self, names: str) -> None:
        self.turns, self.begun, self.go_on = Turns(), queue.Queue[str](), threading.Semaphore(0)
        self.done: list[str] = []
        self.after = threading.Event()
        self.after.set()
        self.workers = {name: NewestWorker(self._in_turn, self._after, self.turns) for name in names}

    def _in_turn(self, item: str) -> str | None:
        self.begun.put(item)
        assert self.go_on.acquire(timeout=240)
        return None if item.endswith("!") else item

    def _after(self, item: str) -> None:
        assert self.after.wait(240)
        self.done.append(item)

    def submit(self, *items: str) -> None:
        for item in items:
            self.workers[item[0]].submit(item)

    def queue_up(self, item: str) -> None:
        """Hands over an item and waits until its worker stands in line."""
        in_line = self.turns.waiting
        self.submit(item)
        wait_until(lambda: self.turns.waiting == in_line + 1)

    def next(self) -> str:
        return self.begun.get(timeout=240)

    def end(self) -> None:
        self.after.set()
        self.go_on.release(100)
        assert all(worker.stop(240.0) for worker in self.workers.values())


def test_a_worker_that_always_has_an_item_leaves_the_others_one_turn_each() -> None:
    bench = Bench("abc")
    bench.submit("a0")
    order = [bench.next()]
    for k in range(1, 4):
        bench.queue_up(f"b{k}")
        bench.queue_up(f"c{k}")
        bench.submit(f"a{k}")
        for _ in range(3):
            bench.go_on.release()
            order.append(bench.next())
    assert order == ["a0", "b1", "c1", "a1", "b2", "c2", "a2", "b3", "c3", "a3"]
    bench.end()


def test_an_item_that_comes_while_its_worker_stands_in_line_takes_the_place_of_the_older_one() -> None:
    bench = Bench("ab")
    bench.submit("a0")
    assert bench.next() == "a0"
    bench.queue_up("b0")
    bench.submit("b1", "b2")
    bench.go_on.release()
    assert bench.next() == "b2" and bench.workers["b"].replaced == 2
    bench.end()


def test_what_comes_after_the_turn_does_not_hold_up_the_others() -> None:
    bench = Bench("ab")
    bench.after.clear()
    bench.submit("a0")
    bench.next()
    bench.go_on.release()
    bench.submit("b0")
    assert bench.next() == "b0" and bench.done == []
    bench.end()
    assert sorted(bench.done) == ["a0", "b0"]


def test_nothing_comes_after_a_turn_without_result() -> None:
    bench = Bench("a")
    bench.submit("a!")
    bench.next()
    bench.end()
    assert bench.done == []


def test_a_worker_that_is_emptied_or_stopped_while_it_stands_in_line_lets_its_turn_pass() -> None:
    bench = Bench("abc")
    bench.submit("a0")
    assert bench.next() == "a0"
    bench.queue_up("b0")
    bench.queue_up("c0")
    bench.workers["b"].discard()
    assert not bench.workers["c"].stop(0.0)
    bench.go_on.release()
    wait_until(lambda: bench.turns.waiting == 0 and bench.workers["b"].began_s is None)
    bench.submit("a1")
    assert bench.next() == "a1"
    bench.end()
    assert bench.begun.empty()
