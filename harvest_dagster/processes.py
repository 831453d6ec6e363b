"""Which process this is, and whether another one still lives.

A process id alone is used again; with its start time it names one process for good.
"""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import psutil

_NAMESPACE = Path("/proc/self/ns/pid")
_BOOT = Path("/proc/sys/kernel/random/boot_id")
_START_TIME = 19  # of the fields after the name, which is in brackets: proc(5), /proc/pid/stat


@dataclass(frozen=True)
class Process:
    """A process on some machine.

    Attributes:
        host: the machine, and on Linux which of its boots, and the name space in which `id` counts: two
            containers may share a host name, and so may two machines.
        id: the process id.
        started: when it started, as the operating system counts it.
    """

    host: str
    id: int
    started: str


def this_process() -> Process:
    """The process this is called in."""
    return Process(_host(), os.getpid(), _started(os.getpid()))


def is_gone(process: Process) -> bool:
    """Whether it ran on this host and has ended; False where nobody can tell from here."""
    if process.host != _host():
        return False
    try:
        return _started(process.id) != process.started or _is_zombie(process.id)
    except psutil.NoSuchProcess:
        return True


@cache
def _host() -> str:
    boot = _BOOT.read_text().strip() if _BOOT.exists() else ""
    namespace = str(_NAMESPACE.readlink()) if _NAMESPACE.is_symlink() else ""
    return " ".join(part for part in (socket.gethostname(), boot, namespace) if part)


def _started(process_id: int) -> str:
    """On Linux in ticks since the boot: as a time of day it would change whenever somebody sets the clock."""
    if not _BOOT.exists():
        return f"{psutil.Process(process_id).create_time():.2f}"
    try:
        stat = Path(f"/proc/{process_id}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        raise psutil.NoSuchProcess(process_id) from None
    return stat.rpartition(")")[2].split()[_START_TIME]


def _is_zombie(process_id: int) -> bool:
    return bool(psutil.Process(process_id).status() == psutil.STATUS_ZOMBIE)
