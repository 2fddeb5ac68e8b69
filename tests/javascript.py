"""Runs functions of the pages' scripts in Node.js, without a browser."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

NODE = shutil.which("node")
PAGES = Path(__file__).parent.parent / "util" / "pages"
needs_node = pytest.mark.skipif(NODE is None, reason="Node.js is not installed")

RUNNER = """
const fs = require("fs"), vm = require("vm");
const { scripts, code } = JSON.parse(fs.readFileSync(0, "utf8"));
const context = vm.createContext({});
for (const path of scripts) vm.runInContext(fs.readFileSync(path, "utf8"), context, path);
// JSON has no NaN: it becomes the text "NaN"
const keepNaN = (key, value) => (Number.isNaN(value) ? "NaN" : value);
console.log(JSON.stringify(vm.runInContext(`(() => { ${code} })()`, context), keepNaN));
"""


def evaluate(scripts: str, code: str) -> Any:
    """Load files of ``util/pages`` and run the body of a function; returns what it returns.

    Args:
        scripts: their names, separated by spaces.
    """
    job = json.dumps({"scripts": [str(PAGES / name) for name in scripts.split()], "code": code})
    done = subprocess.run(
        [str(NODE), "-e", RUNNER], input=job, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
