"""Collecting on many machines with Ray: an episode is a task, and its files come back to the machine of the command.

That machine alone writes the data set, so the others need no common file system and the set grows as atomically as on
one machine. Every worker process owns a simulator. When a process or a machine is lost, Ray does its episodes again.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from saom_core.errors import InputError, SaomError

from ..data.shards import FORMAT_VERSION
from .episodes import Episode, make_episode
from .interface import CollectOptions

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # tells nobody anything; Ray reads it when it is imported
import ray  # noqa: E402
from ray.exceptions import RayError  # noqa: E402

MAX_RETRIES = 20  # of one episode, each after the loss of a process or a machine
LOCAL = "local"
CONNECT_TIMEOUT_S = 10.0


def _task(options: CollectOptions, info: Mapping[str, Any], index: int) -> Episode:
    """Runs on any machine; a machine with another version of the code would make other pictures."""
    here = {"format": FORMAT_VERSION, **options.info()}
    if here["version"] != info["version"] or here["format"] != info["format"]:
        raise SaomError(
            f"expected {info['simulator']} version {info['version']} and format {info['format']} on every machine, got "
            f"{here['version']} and {here['format']} on {os.uname().nodename}: install the same saom there"
        )
    return make_episode(options, info, index)


@contextmanager
def _connected(address: str, workers: int) -> Iterator[None]:
    """Join the cluster at `address`, or start one of `workers` processes on this machine, loopback only."""
    try:
        if address == LOCAL:
            ray.init("local", num_cpus=workers, include_dashboard=False, _node_ip_address="127.0.0.1")
        else:
            _check_reachable(address)
            ray.init(address)
    except Exception as error:  # Ray raises that very class when a node does not start in time
        ray.shutdown()
        raise InputError(
            f"expected a Ray cluster at {address!r}, got: {error}: start one with `ray start --head`, "
            "or say --ray local"
        ) from None
    try:
        yield
    finally:
        ray.shutdown()


def _check_reachable(address: str) -> None:
    """Raise OSError where nobody listens at HOST:PORT: Ray itself would ask again for minutes."""
    host, colon, port = address.rpartition(":")
    if colon and port.isdigit() and "://" not in address:
        socket.create_connection((host, int(port)), timeout=CONNECT_TIMEOUT_S).close()


def run_on_ray(
    address: str, workers: int, options: CollectOptions, info: Mapping[str, Any], todo: Sequence[int]
) -> Iterator[Episode]:
    """Yield the episodes of `todo` as they are finished, in any order.

    Args:
        address: Of a running cluster, as `ray.init` takes it, or "local".
        workers: Processes of a local cluster; a running one has as many as it has CPUs.
        options: What to make.
        info: Of the data set's writer.
        todo: Numbers of the episodes.

    Raises:
        InputError: If there is no cluster.
        SaomError: If a simulator fails, or an episode was lost too often.
    """
    with _connected(address, workers):
        task = ray.remote(num_cpus=1, max_retries=MAX_RETRIES)(_task)
        waiting = iter(todo)
        running: list[Any] = []
        while True:
            # two for each CPU keep all busy; machines that join or leave meanwhile are counted
            room = 2 * max(1, int(ray.cluster_resources().get("CPU", 1)))
            while len(running) < room and (index := next(waiting, None)) is not None:
                running.append(task.remote(options, info, index))
            if not running:
                return
            finished, running = ray.wait(running)
            try:
                yield ray.get(finished[0])
            except RayError as error:
                raise SaomError(
                    f"an episode failed on the cluster: {getattr(error, 'cause', error)}: see the messages above, "
                    "then give the same command again; finished episodes are kept"
                ) from None
