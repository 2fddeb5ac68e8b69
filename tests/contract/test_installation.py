"""pyproject.toml: it lists the packages of the requirements files, and no wheel is made."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT

BUILD = "import sys; sys.path.insert(0, 'scripts/maintenance'); import build_in_place as b; "


def requirements(name: str) -> set[str]:
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    return {line.strip() for line in lines if line.strip() and line[0] != "#"}


@pytest.fixture
def project() -> dict[str, Any]:
    tomllib = pytest.importorskip("tomllib")  # since Python 3.11
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def test_the_lists_of_packages_agree(project: dict[str, Any]) -> None:
    extras = project["project"]["optional-dependencies"]
    required = set(project["project"]["dependencies"])
    assert required | set(extras["visdom"]) == requirements("requirements.txt")
    others = [package for name, part in extras.items() if name != "visdom" for package in part]
    assert set(others) == requirements("requirements-extra.txt")
    named = {package: re.split("[<>=]", package)[0] for package in others}
    assert len(set(named.values())) == len(named)  # what two extras need, they need alike
    assert set(project["dependency-groups"]["dev"]) == requirements("requirements-dev.txt")


def test_the_extras_are_documented(project: dict[str, Any]) -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for name in project["project"]["optional-dependencies"]:
        assert f"`{name}`" in text, name


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Copy the files that a build reads, because a build leaves files in its folder."""
    pytest.importorskip("setuptools")
    for file in ("pyproject.toml", "README.md", "LICENSE", "scripts/maintenance/build_in_place.py"):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / file, tmp_path / file)
    for package in ("data", "models", "options", "util"):
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").touch()
    return tmp_path


def build(copy: Path, code: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-c", BUILD + code]
    return subprocess.run(command, cwd=copy, capture_output=True, text=True)


def test_an_installation_in_place(copy: Path) -> None:
    """``pip install -e .`` and ``uv sync`` install only a pointer to the packages in the folder."""
    done = build(copy, "b.build_editable('.')")
    assert done.returncode == 0, done.stderr
    place = copy / "site"
    with zipfile.ZipFile(next(copy.glob("*.whl"))) as wheel:
        names = [name for name in wheel.namelist() if ".dist-info/" not in name]
        assert names and all(name.startswith("__editable__") for name in names), names
        wheel.extractall(place)
    code = f"import site; site.addsitedir({str(place)!r}); import models; print(models.__file__)"
    # -S: this project may be installed in place in the environment of the tests, too
    command = [sys.executable, "-I", "-S", "-c", code]
    done = subprocess.run(command, cwd=place, capture_output=True, text=True)
    assert Path(done.stdout.strip()) == copy / "models" / "__init__.py", done.stderr


@pytest.mark.parametrize("hook", ["get_requires_for_build_wheel", "build_wheel", "build_sdist"])
def test_no_wheel(copy: Path, hook: str) -> None:
    done = build(copy, f"b.{hook}('.')")
    assert done.returncode == 1 and "pip install -e ." in done.stderr
    assert done.stderr.count("\n") == 1 and done.stdout == ""


@pytest.mark.slow
def test_pip_says_so(copy: Path) -> None:
    """``pip install .`` fails with that line before it builds anything."""
    options = ["--no-build-isolation", "--no-deps", "--disable-pip-version-check"]
    command = [sys.executable, "-m", "pip", "install", *options, "."]
    done = subprocess.run(command, cwd=copy, capture_output=True, text=True)
    assert done.returncode == 1
    assert re.search(r"used in its own folder.*: pip install -e \.", done.stdout + done.stderr)
    assert not list(copy.glob("build")) and "Traceback" not in done.stderr
