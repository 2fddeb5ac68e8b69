"""Starting the worker processes of a DataLoader, and PyTorch's errors about them in one line."""

from __future__ import annotations

import errno
import multiprocessing
import sys
import traceback
import warnings
from collections.abc import Iterator

from torch.utils.data import DataLoader

from util.errors import UserError, first_line, reason_of

ADVICE = "give a smaller --num_threads, or 0 to load images in the main process"

NO_SHARED_MEMORY = (errno.ENOSPC, errno.EROFS, errno.EACCES, errno.ENOENT, errno.ENOSYS)


def start(batches: DataLoader) -> Iterator:
    """Return ``iter(batches)``, which starts the worker processes in its first call.

    Raises:
        UserError: they cannot be started: a limit of processes, memory or open files, a read-only
            or full /dev/shm, or a dataset that cannot be sent to them.
    """
    if not batches.num_workers:
        return iter(batches)
    before = multiprocessing.active_children()
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Got pickle error")  # PyTorch raises it, too
            return iter(batches)
    except Exception as error:  # of the system, of pickle, or of threads
        reason = reason_of(error)
        if getattr(error, "errno", None) in NO_SHARED_MEMORY:
            reason += "; they need a writable /dev/shm"
        for process in multiprocessing.active_children():
            if process not in before:
                process.kill()
        _drop_frames(error)
    raise UserError(
        f"--num_threads {batches.num_workers}: the processes that load images cannot be started "
        f"({reason}); {ADVICE}"
    )


def _drop_frames(error: Exception) -> None:
    """Free PyTorch's half-made iterator now; its clean-up fails and would print a traceback."""
    hook, sys.unraisablehook = sys.unraisablehook, lambda unraisable: None
    traceback.clear_frames(error.__traceback__)
    sys.unraisablehook = hook


def worker_error(error: Exception, num_threads: int) -> UserError | None:
    """Return the message for the user if a worker process died or cannot send, else None.

    PyTorch raises such errors wherever the main process happens to be. An exception of a custom
    dataset, which PyTorch forwards from a worker, is none of them.
    """
    text = str(error)
    if "Too many open files" in text:
        return UserError(
            f"--num_threads {num_threads}: too many open files; raise the limit (ulimit -n), or "
            f"{ADVICE}"
        )
    if "DataLoader worker (pid" not in text:
        return None
    cause = error.__cause__ if isinstance(error.__cause__, RuntimeError) else error
    return UserError(
        "a process that loads images has died (out of memory, or of shared memory in /dev/shm? "
        f"--num_threads {num_threads}): {first_line(cause)}"
    )
