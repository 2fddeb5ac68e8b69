"""Limits of a case, and the end of all its processes (Linux)."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

MEMORY = 3 << 30  # bytes of address space beyond those of the warm process
PROCESSES = 200  # processes and threads beyond those that the user runs already
CPU_SECONDS = 60


def limit(memory: int) -> None:
    """Bound the memory, time, processes and file sizes of this process."""
    with open("/proc/self/statm") as file:
        used = int(file.read().split()[0]) * resource.getpagesize()
    bounds = {
        resource.RLIMIT_AS: used + (memory or MEMORY),
        resource.RLIMIT_CPU: CPU_SECONDS,
        resource.RLIMIT_FSIZE: 256 << 20,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_NPROC: count_tasks() + PROCESSES,
    }
    for kind, bound in bounds.items():
        hard = resource.getrlimit(kind)[1]
        bound = bound if hard == resource.RLIM_INFINITY else min(bound, hard)
        resource.setrlimit(kind, (bound, hard))


def drop_privileges() -> None:
    """Give up root's capabilities, so that permissions and limits apply to root, too."""
    libc = ctypes.CDLL(None)
    for number in (1, 2, 3, 24):  # overriding permissions (three kinds) and limits
        libc.prctl(24, number, 0, 0, 0)  # PR_CAPBSET_DROP: programs started later lack it, too
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)  # _LINUX_CAPABILITY_VERSION_3, this process
    if libc.capset(header, (ctypes.c_uint32 * 6)()):
        raise OSError("capset failed")


def count_tasks() -> int:
    """Return the number of processes and threads of this user."""
    count = 0
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if folder.stat().st_uid == os.geteuid():
                count += len(list((folder / "task").iterdir()))
    return count


def end_all(leader: int, others: set[int]) -> None:
    """Kill the session of the child, and all its orphans, which became children of ours.

    Args:
        others: children to leave alone.
    """
    with suppress(OSError):
        os.killpg(leader, signal.SIGKILL)
    for _ in range(100):
        children = set(own_children()) - others
        if not children:
            return
        for pid in children:
            with suppress(OSError):
                os.kill(pid, signal.SIGKILL)
            with suppress(OSError):
                os.waitpid(pid, 0)


def adopt_orphans() -> None:
    """Let orphaned descendants become children of this process (Linux)."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER


def own_children() -> Iterator[int]:
    path = Path(f"/proc/self/task/{os.getpid()}/children")
    with suppress(OSError):
        yield from map(int, path.read_text().split())
