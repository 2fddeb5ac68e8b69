"""Runs Python programs as forks of one process that has imported PyTorch.

Reads a JSON object per line: ``folder`` (the working folder), ``argv``, ``out`` and ``err``
(files). Writes each exit status as a line. A program imports all modules of its folder anew, as a
process of its own does; only other packages are there already.
"""

from __future__ import annotations

import gc
import json
import multiprocessing
import os
import runpy
import sys
from pathlib import Path

import torch
import torchvision.transforms  # noqa: F401  # some forks import it
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent


def import_packages() -> None:
    """Import the packages that our programs need, and nothing of ours."""
    sys.path[0] = str(ROOT)
    import models.training.run
    import models.translation.results  # noqa: F401

    for name, module in list(sys.modules.items()):
        file = Path(getattr(module, "__file__", None) or "/")
        if ROOT in file.parents and "site-packages" not in file.parts:
            del sys.modules[name]
    Image.init()
    torch.set_num_threads(1)
    gc.freeze()


def run(folder: str, argv: list[str], out: str, err: str) -> None:
    """Run a program in this process; its exceptions and exit status are left to multiprocessing."""
    for number, name in enumerate((os.devnull, out, err)):
        os.dup2(os.open(name, os.O_RDWR | os.O_CREAT, 0o600), number)
    os.chdir(folder)
    program = os.path.join(folder, argv[0])
    sys.path[0], sys.argv = os.path.dirname(program), argv
    runpy.run_path(program, run_name="__main__")


if __name__ == "__main__":
    import_packages()
    for line in sys.stdin:
        # Such a child ends without taking the interpreter down, and so copies hardly any memory.
        # It calls no functions of atexit; test_fresh_processes does.
        child = multiprocessing.get_context("fork").Process(target=run, kwargs=json.loads(line))
        child.start()
        child.join()
        print(child.exitcode, flush=True)
    os._exit(0)
