"""Reads the archives of scripts/pack_run.py: a run with its weights and options in one zip file.

An archive may come from elsewhere. It is unpacked with the bounds of :func:`unpack`, its weights
and options are read like those of any run, and nothing in it is executed.
"""

from __future__ import annotations

import atexit
import shutil
import tempfile
from pathlib import Path

from util.download.unpack import unpack
from util.errors import UserError, culprit

ENDING = ".zip"


def find_archive(name: str, root: Path) -> Path | None:
    """Return the archive that ``name`` names, as a path or in ``root``; None if there is none.

    Args:
        root: the value of ``--checkpoints_dir``.
    """
    if Path(name).suffix.lower() == ENDING:
        for path in (Path(name), root / name):
            if path.is_file():
                return path
    return None


def unpack_run(archive: Path, flag: str, root: Path) -> Path:
    """Unpack a packed run into the existing folder ``root``; return the run's folder there.

    Args:
        flag: the option that named the archive, for the error.

    Raises UserError: it is damaged or too large, or holds no weights; see :func:`unpack`.
    """
    with culprit(f"{flag} {archive}"):
        unpack(archive, root / "unpacked")
        folders = sorted({path.parent for path in root.glob("unpacked/**/*_net_*.pth")})
        if len(folders) != 1:
            found = "holds weights in several folders" if folders else "holds no weights"
            raise UserError(f"should be a run from scripts/pack_run.py, but {found}")
    return folders[0].replace(root / archive.stem)


def unpack_until_exit(archive: Path, flag: str) -> Path:
    """Call :func:`unpack_run` with a temporary folder that is removed when the program ends."""
    root = tempfile.mkdtemp(prefix="packed_run_")
    atexit.register(shutil.rmtree, root, ignore_errors=True)
    return unpack_run(archive, flag, Path(root))
