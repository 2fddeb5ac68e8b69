"""docs/cyclegan.ipynb: it stays small, and runs from the first to the last cell on the CPU."""

from __future__ import annotations

import ast
import functools
import json
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch
from conftest import ROOT

from models import networks

NOTEBOOK = ROOT / "docs" / "cyclegan.ipynb"


def test_the_committed_notebook() -> None:
    """No output is committed, each code cell is Python, and Colab is said to be untried."""
    text = NOTEBOOK.read_text(encoding="utf-8")
    cells = json.loads(text)["cells"]
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    assert len(text) < 300_000 and not any(cell.get("outputs") for cell in cells)
    assert len(code) > 6 and all(ast.parse(cell) for cell in code)
    assert "nobody has tried it there" in text


def test_the_address_to_clone_from_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Outside of a clone, as on Colab, the first cell says which variable to fill in."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CYCLEGAN_REPOSITORY", raising=False)
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    first = next("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    with pytest.raises(RuntimeError, match="into REPOSITORY"):
        exec(first, {})


@pytest.fixture
def mirror(tmp_path: Path) -> Iterator[str]:
    """The address of a server that has a file with the layout of the official horse2zebra."""
    file = tmp_path / "host" / "cyclegan" / "pretrained_models" / "horse2zebra.pth"
    file.parent.mkdir(parents=True)
    generator = networks.define_G(3, 3, 64, "resnet_9blocks", "instance")
    torch.save(generator.state_dict(), file)
    handler = functools.partial(SimpleHTTPRequestHandler, directory=str(tmp_path / "host"))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.slow
def test_the_notebook_runs(tmp_path: Path, mirror: str, monkeypatch: pytest.MonkeyPatch) -> None:
    nbformat = pytest.importorskip("nbformat")
    nbclient = pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    monkeypatch.setenv("CYCLEGAN_MIRROR", mirror)
    monkeypatch.setenv("CYCLEGAN_NOTEBOOK_FOLDER", str(tmp_path))
    monkeypatch.setenv("CYCLEGAN_NOTEBOOK_IMAGES", "2")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    place = {"metadata": {"path": str(NOTEBOOK.parent)}}
    nbclient.NotebookClient(notebook, timeout=600, resources=place).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    pictures = [o for o in outputs if "image/png" in o.get("data", {})]
    texts = "".join(o.get("text", "") + o.get("data", {}).get("text/plain", "") for o in outputs)
    assert len(pictures) == 6  # two of the panel, three photos, one horse
    assert "<Translator AtoB of" in texts and "latest_net_G.pth" in texts
    assert "(64, 64, 3) float64" in texts
    assert not [o for o in outputs if o.get("name") == "stderr"]
