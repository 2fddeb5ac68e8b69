"""Runs Python programs as forks of one process that has imported PyTorch.

Reads a JSON object per line: ``folder`` (the working folder and first entry of sys.path), ``argv``,
``out`` and ``err`` (files). Writes each exit status as a line. A program imports all modules of its
folder anew, as a process of its own does; only other packages are there already.
"""

from __future__ import annotations

import gc
import json
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


def fork_for_each_job() -> dict:
    """Wait for jobs; returns each in a process of its own."""
    for line in sys.stdin:
        child = os.fork()
        if not child:
            return json.loads(line)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
    os._exit(0)


if __name__ == "__main__":
    import_packages()
    job = fork_for_each_job()
    for number, name in enumerate((os.devnull, job["out"], job["err"])):
        os.dup2(os.open(name, os.O_RDWR | os.O_CREAT, 0o600), number)
    os.chdir(job["folder"])
    sys.path[0], sys.argv = job["folder"], job["argv"]
    # Exceptions and exit handlers are left to the interpreter
    runpy.run_path(os.path.join(job["folder"], job["argv"][0]), run_name="__main__")
