"""Identify this process, and find out whether another process has ended.

The operating system uses process ids again. Together with its start time, an id identifies one process.
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
_START_TIME = 19  # index in the fields after the name, which is in parentheses: proc(5), /proc/pid/stat


@dataclass(frozen=True)
class Process:
    """A process on any machine.

    Attributes:
        host: the host name. On Linux also the boot and the namespace of `id`, because two containers or two machines
            may have the same host name.
        id: the process id.
        started: the start time in the unit of the operating system.
    """

    host: str
    id: int
    started: str


def this_process() -> Process:
    """Return the process that calls this."""
    return Process(_host(), os.getpid(), _started(os.getpid()))


def is_gone(process: Process) -> bool:
    """Return whether the process ran on this host and has ended. Return False if this cannot be known here."""
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
    """Return the start time. On Linux it is in ticks since the boot, because a time of day changes with the clock."""
    if not _BOOT.exists():
        return f"{psutil.Process(process_id).create_time():.2f}"
    try:
        stat = Path(f"/proc/{process_id}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        raise psutil.NoSuchProcess(process_id) from None
    return stat.rpartition(")")[2].split()[_START_TIME]


def _is_zombie(process_id: int) -> bool:
    return bool(psutil.Process(process_id).status() == psutil.STATUS_ZOMBIE)
