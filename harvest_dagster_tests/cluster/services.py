"""The broker of a cluster: a Redis server of its own on a unix socket."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import redis

from harvest_dagster_tests.daemon import wait_until

QUEUE = "dagster"  # of dagster-celery
# Celery keeps a list for each of four priorities.
_LISTS = (QUEUE, *(f"{QUEUE}\x06\x16{step}" for step in (3, 6, 9)))


@dataclass(frozen=True)
class Broker:
    """A running Redis server.

    Attributes:
        socket: its unix socket.
    """

    socket: str

    @property
    def url(self) -> str:
        """The URL for Celery."""
        return f"redis+socket://{self.socket}"

    def waiting(self) -> int:
        """Return the number of ops that no worker has taken."""
        with redis.Redis(unix_socket_path=self.socket) as client:
            return sum(int(client.llen(name)) for name in _LISTS)

    def clear(self) -> None:
        """Remove the ops that no worker has taken."""
        with redis.Redis(unix_socket_path=self.socket) as client:
            client.delete(*_LISTS)

    def answers(self) -> bool:
        """Return whether the server accepts connections."""
        try:
            with redis.Redis(unix_socket_path=self.socket) as client:
                return bool(client.ping())
        except redis.ConnectionError:
            return False


@contextmanager
def started_broker(program: str) -> Iterator[Broker]:
    """Start a server that keeps nothing on disk, and end it afterwards."""
    folder = tempfile.mkdtemp(prefix="redis_")  # the path of a socket has at most 107 bytes
    broker = Broker(f"{folder}/redis")
    process = subprocess.Popen(
        [program, "--port", "0", "--unixsocket", broker.socket, "--save", "", "--dir", folder],
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        wait_until(broker.answers)
        yield broker
    finally:
        process.kill()
        process.wait()
        shutil.rmtree(folder)
