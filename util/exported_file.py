"""Files of scripts/export.py: one generator as ONNX, TorchScript or safetensors, and what it says.

A file may come from elsewhere. Its description is checked like the options of a run, and nothing in
it chooses code to run. An ONNX or TorchScript file holds a network as a list of operations.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import shutil
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from util import checkpoint, values
from util.errors import UserError, culprit, explain, needs
from util.files import parse_json
from util.values import DomainValues, Values

ENDINGS = {"onnx": ".onnx", "torchscript": ".pt", "safetensors": ".safetensors"}
KIND_OF = {ending: kind for kind, ending in ENDINGS.items()}
KEY = "cyclegan_export"  # of the part of the metadata that :func:`read_description` reads
EXTRA = "metadata.json"  # in a TorchScript file
VERSION = 1
MOST = 1 << 20  # bytes of EXTRA
# What a test takes from the file as from a run
OPTIONS = (
    "direction", "input_nc", "output_nc", "netG", "ngf", "norm", "no_dropout", "preprocess",
    "load_size", "crop_size",
)  # fmt: skip
CONTENT = {
    "version": int,
    "raw": bool,
    "parameters": int,
    "dependence": str,
    "options": {"direction": str, "input_nc": int, "output_nc": int},
    "values": {"A": (dict, None), "B": (dict, None)},
}


class Description(NamedTuple):
    """The part of the metadata that describes the network to :func:`unpack_export`.

    Attributes:
        kind: onnx, torchscript or safetensors.
        raw: True if the network takes and gives values in file units; False: [-1, 1].
        parameters: the number of values in its weights.
        dependence: what makes an image depend on its batch, of ``batch_dependence``.
        options: those of :data:`OPTIONS`.
        domains: the rules of the values of the folders A and B.
    """

    kind: str
    raw: bool
    parameters: int
    dependence: str
    options: dict[str, Any]
    domains: DomainValues

    def record(self) -> str:
        """Return this description as JSON, for a file of ``kind``."""
        rules = {name: rule and rule.record() for name, rule in self.domains.items()}
        content = {"version": VERSION, **self._asdict(), "values": rules}
        return json.dumps({name: content[name] for name in CONTENT})


def find_export(name: str, root: Path) -> Path | None:
    """Return the file that ``name`` names, as a path or in ``root``; None if it is none of these.

    Args:
        root: the value of ``--checkpoints_dir``.
    """
    if Path(name).suffix.lower() in KIND_OF:
        for path in (Path(name), root / name):
            if path.is_file():
                return path
    return None


def read_description(path: Path) -> Description:
    """Return what an exported file says about its network.

    Raises UserError: it is damaged, is not from scripts/export.py, or needs a missing package.
    """
    kind = KIND_OF[path.suffix.lower()]
    with explain(f"cannot read {path} as {kind}"):
        metadata = READERS[kind](path)
    if KEY not in metadata:
        raise UserError(f"{path}: should be a file from scripts/export.py, which describes itself")
    content = parse_json(metadata[KEY], CONTENT, f"the description in {path}")
    if content["version"] != VERSION:
        raise UserError(f"{path}: its description has version {content['version']}, not {VERSION}")
    with explain(f"cannot read the description in {path}"):
        domains = {n: r and Values.from_record(r) for n, r in content["values"].items()}
    options = {name: content["options"][name] for name in OPTIONS if name in content["options"]}
    facts = (content["raw"], content["parameters"], content["dependence"])
    return Description(kind, *facts, options, {"A": domains["A"], "B": domains["B"]})


def _read_onnx(path: Path) -> Mapping[str, str]:
    return open_session(path, optimised=False).get_modelmeta().custom_metadata_map


def open_session(path: Path, optimised: bool = True) -> Any:
    """Return an onnxruntime session for an ONNX file.

    Args:
        optimised: make the network fast, which takes time.

    Raises anything: the file is damaged. Raises UserError: onnxruntime is missing.
    """
    with needs(str(path), "onnxruntime"):
        import onnxruntime
    settings = onnxruntime.SessionOptions()
    if not optimised:
        settings.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    settings.log_severity_level = 4  # an error is raised, and not printed as well
    with contextlib.redirect_stdout(None):  # it prints some errors before it raises them
        return onnxruntime.InferenceSession(str(path), settings, ["CPUExecutionProvider"])


def _read_torchscript(path: Path) -> Mapping[str, str]:
    checkpoint.check_archive(path)
    with zipfile.ZipFile(path) as archive:
        names = [name for name in archive.namelist() if name.endswith(f"/extra/{EXTRA}")]
        if not names or archive.getinfo(names[0]).file_size > MOST:
            return {}
        return parse_json(archive.read(names[0]).decode(), {str: str}, str(path))


def _read_safetensors(path: Path) -> Mapping[str, str]:
    with needs(str(path), "safetensors"):
        from safetensors import safe_open
    with safe_open(path, "pt") as file:
        return file.metadata() or {}


def load_weights(path: Path) -> dict[str, Any]:
    """Return the weights in a safetensors file, those of half precision as float32."""
    from safetensors.torch import load_file

    return {k: v.float() if v.is_floating_point() else v for k, v in load_file(path).items()}


READERS = {
    "onnx": _read_onnx,
    "torchscript": _read_torchscript,
    "safetensors": _read_safetensors,
}


def unpack_export(path: Path, flag: str) -> Path:
    """Write the options and weights of an exported file as a run; return the run's folder.

    Of ONNX and TorchScript files, the network stays in the file (models/translation/exported.py).
    The folder is in a temporary one, which is removed when the program ends.

    Args:
        flag: the option that named the file, for the error.

    Raises UserError: see :func:`read_description`, or the weights cannot be read.
    """
    with culprit(flag):
        described = read_description(path)
        root = Path(tempfile.mkdtemp(prefix="exported_"))
        atexit.register(shutil.rmtree, root, ignore_errors=True)
        folder = root / path.stem
        folder.mkdir()
        (folder / checkpoint.OPTIONS).write_text(json.dumps(described.options), encoding="utf-8")
        values.save(folder, described.domains)
        if described.kind == "safetensors":
            with explain(f"cannot read {path}"):
                state = load_weights(path)
            checkpoint.save_state_dict(state, folder / "latest_net_G.pth")
    return folder
