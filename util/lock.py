"""Guard the folder of a run: against a second training, links, and being moved or removed."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import socket
import stat
from pathlib import Path
from typing import IO

from util import distributed
from util.console import warn
from util.errors import UserError
from util.files import make_folder, no_link, read_json, real_path, remove_empty

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]
try:
    import msvcrt
except ImportError:  # other systems than Windows
    msvcrt = None  # type: ignore[assignment]

WINDOWS = os.name == "nt"
FAR = 1 << 30  # place of the locked byte: Windows lets nobody else read what is locked
# Names that a training writes in its folder. Files with other names may be anything, links too.
WRITTEN = re.compile(
    r"\.lock|\.saving\.json|loss_log\.txt|metrics\.jsonl|train_opt\.\w+|best\.json|stall.*\.log"
    r"|.*\.pth|web|tensorboard"
)


class Lock:
    """A lock on a run's folder, held by rank 0.

    The operating system releases it when the process ends, also when the process is killed.

    Attributes:
        begun: set it to True once the folder holds something worth keeping. A folder that this
            lock has created is removed in :meth:`close` if the training never began.
    """

    def __init__(self, folder: Path) -> None:
        """Create the folder if it is missing, and take the lock.

        Raises UserError: another process trains in ``folder``, it has links in place of files that
            a training writes, or it cannot be written.
        """
        self.folder, self.path, self.begun = folder, folder / ".lock", False
        self.file: IO[str] | None = None
        self.created: list[Path] = []
        if not distributed.is_main():
            return
        refuse_links(folder)
        if folder.exists() and not folder.is_dir():
            raise UserError(f"--name: {folder} is a file; choose another --name")
        try:
            self.created = make_folder(folder)
            self.stat = folder.stat()
            self.file = self._open()
            self.file.truncate(0)
            self.file.write(json.dumps({"pid": os.getpid(), "host": socket.gethostname()}))
            self.file.flush()
        except OSError as error:
            self.close()
            raise UserError(
                f"--checkpoints_dir: cannot write {self.path}: {error.strerror}"
            ) from None

    def _open(self) -> IO[str]:
        """Open and lock ``.lock``, and return the file.

        A training that ends removes its ``.lock``. If that happens between opening and locking, the
        locked file is no longer the one at the path, and the loop tries again.
        """
        while True:
            # Open until close()
            file = open(self.path, "a+", encoding="utf-8", opener=no_link)  # noqa: SIM115
            try:
                _take(file)
            except (BlockingIOError, PermissionError):
                file.close()
                raise UserError(
                    f"another training runs in {self.folder}{self._owner()}; choose another "
                    "--name, or stop that process"
                ) from None
            except OSError:  # the file system has no locks
                warn(
                    f"{self.folder} cannot be locked; make sure that no other training writes there"
                )
            if _is_at(self.path, os.fstat(file.fileno())):
                return file
            file.close()

    def _owner(self) -> str:
        """Return ": process PID on HOST" of the training that holds the lock, or "" if unknown."""
        try:
            owner = read_json(self.path, {"pid": int, "host": str})
        except UserError:  # the file is not written yet, or is no lock of a training
            return ""
        return f": process {owner['pid']} on {owner['host']}"

    def check(self) -> None:
        """Check that the folder of this training is still the one at its path.

        Raises UserError: the folder was moved or removed, or another training has taken it.
        """
        if not self.file:
            return
        if not _is_at(self.folder, self.stat):
            if not self.begun:
                raise UserError(
                    f"{self.folder} was {self._new_place()} before the training began; start again"
                )
            raise UserError(
                f"{self.folder} was {self._new_place()} during the training; nothing more is "
                "written, so that the run stays in one piece. Move it back, and --continue_train "
                "resumes from its last save"
            )
        if self.path.exists() and not _is_at(self.path, os.fstat(self.file.fileno())):
            raise UserError(
                f"another training runs in {self.folder} since its .lock was removed"
                f"{self._owner()}; this one ends and writes nothing more"
            )

    def _new_place(self) -> str:
        """Return "moved to PATH", or "removed or moved elsewhere" if the path is not known."""
        assert self.file
        place = ""
        with contextlib.suppress(OSError):
            place = os.readlink(f"/proc/self/fd/{self.file.fileno()}")  # on Linux
        if fcntl and hasattr(fcntl, "F_GETPATH"):  # on macOS
            name = fcntl.fcntl(self.file, fcntl.F_GETPATH, bytes(1024))
            place = os.fsdecode(name.rstrip(b"\0"))
        if not place or place.endswith(" (deleted)") or not Path(place).exists():
            return "removed or moved elsewhere"
        return f"moved to {Path(place).parent}"

    def close(self) -> None:
        """Release the lock and remove its file.

        If the training never began, also remove the folders that this lock has created.
        """
        if not self.file:
            return
        with contextlib.suppress(OSError):
            is_ours = _is_at(self.path, os.fstat(self.file.fileno()))
            if WINDOWS:  # it does not remove open files
                self.file.close()
            if is_ours:
                self.path.unlink()
                if self.created and not self.begun:
                    shutil.rmtree(self.folder)
        if distributed.world_size() > 1 and not self.created:
            self.created = [self.folder]  # another rank may have created it
        if not self.begun:
            remove_empty(self.created)  # parents too
        self.file.close()
        self.file = None


def _take(file: IO[str]) -> None:
    """Lock an open file. Raises BlockingIOError or PermissionError: another process holds it."""
    if fcntl:
        # Not flock: DataLoader workers would inherit that lock and keep it after a kill
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    elif msvcrt:
        os.lseek(file.fileno(), FAR, os.SEEK_SET)
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
        os.lseek(file.fileno(), 0, os.SEEK_SET)


def _is_at(path: Path, status: os.stat_result) -> bool:
    """True if the file or folder with this ``status`` is the one at ``path``."""
    try:
        return os.path.samestat(path.stat(), status)
    except OSError:
        return False


def refuse_links(folder: Path) -> None:
    """Check that no file or folder that a training writes is a link or a device.

    Through a link, the training would overwrite a file elsewhere. The folder itself may be a link.

    Raises UserError: the folder has a link or a device, which the message names.
    """
    for path in folder.iterdir() if folder.is_dir() else ():
        if not WRITTEN.fullmatch(path.name):
            continue
        inside = [Path(top, name) for top, *names in os.walk(path) for name in sum(names, [])]
        for part in (path, *inside):
            try:
                mode = part.lstat().st_mode
            except FileNotFoundError:  # written by another training: taking the lock will fail
                continue
            if stat.S_ISLNK(mode):
                raise UserError(
                    f"{part} is a link to {real_path(part)}; a training writes only into its own "
                    "folder, so remove the link or put the file in its place"
                )
            if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
                raise UserError(f"{part} is not a regular file; remove it to train here")
