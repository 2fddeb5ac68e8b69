"""The parts of a packed run: weights, options without private paths, samples, and a model card."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from options.flags import display
from options.flags.speed import FLAGS as SPEED
from util.checkpoint import load_state_dict, require_numbers
from util.errors import UserError
from util.files import read_json
from util.pages.data_file import Panel, read_panel
from util.values import DomainValues

# Options that say how and where the training ran, rather than what was trained.
LEFT_OUT = {
    "accept_new_data", "cache_images", "checkpoints_dir", "continue_train", "device", "dry_run",
    "given", "gpu_ids", "note", "num_threads", "stall_timeout", "use_wandb", "verbose",
    "wandb_project_name", *(flag.name for flag in (*display.FLAGS, *SPEED)),
}  # fmt: skip
SHOWN = (
    "model", "netG", "ngf", "norm", "no_dropout", "upsample", "upsample_B",
    "input_nc", "output_nc", "direction", "dataroot", "preprocess", "load_size", "crop_size",
    "batch_size", "n_epochs", "n_epochs_decay", "lr", "gan_mode", "lambda_A", "lambda_B",
    "lambda_identity", "lambda_L1", "pool_size", "ema", "seed",
)  # fmt: skip
BEST = {"epoch": int, "metric": str, "value": float}  # content of best.json
INPUT = {"fake_B": "real_A", "fake_A": "real_B", "fake": "real"}


class Weights(NamedTuple):
    """A file of weights.

    Attributes:
        name: in the archive.
        parameters: number of values.
    """

    name: str
    content: bytes
    parameters: int

    @property
    def network(self) -> str:
        return self.name.removeprefix("latest_net_").removesuffix(".pth")


def read_weights(folder: Path, epoch: str, discriminators: bool) -> list[Weights]:
    """Return the weights of an epoch. In the archive, their epoch is called latest.

    Args:
        discriminators: include those of discriminators.

    Raises UserError: there are none, or they are damaged or hold code.
    """
    found = []
    for path in sorted(folder.glob(f"{epoch}_net_*.pth")):
        network = path.name.removeprefix(f"{epoch}_net_").removesuffix(".pth")
        if network.startswith("D") and not discriminators:
            continue
        state = load_state_dict(path)
        if sum(t.numel() * t.element_size() for t in state.values()) > path.stat().st_size:
            raise UserError(f"{path}: its tensors are larger than the file")
        require_numbers(state, str(path))
        count = sum(math.prod(tensor.shape) for tensor in state.values())
        found.append(Weights(f"latest_net_{network}.pth", path.read_bytes(), count))
    if not found:
        present = sorted({path.name.split("_net_")[0] for path in folder.glob("*_net_*.pth")})
        raise UserError(
            f"--epoch {epoch}: {folder} has no weights of generators from it; there are: "
            f"{', '.join(present) or 'none at all'}"
        )
    return found


def public_options(options: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Return the options of a run for others, and the names of those with a shortened path.

    Where and how the training ran is left out. Of a path only its last part stays.
    """
    kept = {k: v for k, v in options.items() if k not in LEFT_OUT and not k.startswith("init_")}
    kept |= {k: options[k] for k in ("init_type", "init_gain") if k in options}
    public = {name: _shortened(value) for name, value in kept.items()}
    return public, sorted(name for name in public if public[name] != kept[name])


def _shortened(value: Any) -> Any:
    """Return ``value`` with only the last part of each path in it."""
    if isinstance(value, str) and re.search(r"[/\\]", value):
        return re.split(r"[/\\]", value.rstrip("/\\"))[-1]
    if isinstance(value, list):
        return [_shortened(item) for item in value]
    if isinstance(value, dict):
        return {_shortened(key): _shortened(item) for key, item in value.items()}
    return value


def samples_of(folder: Path, epoch: str, most: int) -> dict[str, Path]:
    """Return validation images of the run's page, name in the archive -> file.

    Each input is followed by its translation.

    Args:
        epoch: whose images to take: a number, latest or best. If the page has none from that
            epoch, those of the last one before it.
        most: rows of the page.
    """
    page = folder / "web"
    panel: Panel = read_panel(page) if most and (page / "data.js").is_file() else {}
    number = math.inf
    if epoch == "best":
        number = read_json(folder / "best.json", BEST, {"epoch": math.inf})["epoch"]
    elif epoch.isdecimal():
        number = int(epoch)
    epochs = [e for e in panel if e <= number and panel[e]]
    rows = list(panel[max(epochs)].values())[:most] if epochs else []
    samples = {}
    for i, row in enumerate(rows, 1):
        for fake, real in INPUT.items():
            if fake in row and real in row:
                for label in (real, fake):
                    samples[f"samples/{i}_{label}{row[label].suffix}"] = row[label]
    return samples


class Card(NamedTuple):
    """The content of the model card.

    Attributes:
        name: of the run, and of the archive without ``.zip``.
        options: those in the archive.
        best: content of ``best.json``, {} without one.
        domains: the rules of the values of the folders A and B.
    """

    name: str
    epoch: str
    options: dict[str, Any]
    weights: list[Weights]
    samples: list[str]
    best: dict[str, Any]
    note: str
    license: str
    domains: DomainValues

    def text(self) -> str:
        """Return the card as Markdown, with a head of YAML as model hubs read it."""
        head = {"library_name": "pytorch", "pipeline_tag": "image-to-image"}
        head |= {"license": self.license} if self.license else {}
        lines = ["---", *(f"{key}: {json.dumps(value)}" for key, value in head.items())]
        lines += ["tags:", "- image-to-image", f"- {self.options.get('model', 'generator')}", "---"]
        lines += ["", f"# {self.name}", "", *([self.note, ""] if self.note else [])]
        lines += [*self._use(), *self._samples(), *self._training(), *self._files()]
        stated = f"Licence: {self.license}." if self.license else "No licence has been stated."
        return "\n".join([*lines, "## Licence", "", stated, ""])

    def _use(self) -> list[str]:
        networks = {weights.network for weights in self.weights}
        both = {"G_A", "G_B"} <= networks or {"G", "E"} <= networks
        more = ', direction="BtoA"' if both else ""
        back = f"\nback = load_generator({self.name + '.zip'!r}{more})" if both else ""
        command = f"python test.py --dataroot FOLDER --name {self.name}.zip --model test"
        turned = f"\n{command} --direction BtoA" if both else ""
        return [
            "## Use",
            "",
            "```python",
            "from models import load_generator",
            "",
            f"translate = load_generator({self.name + '.zip'!r}){back}",
            *self._example(),
            "```",
            "",
            "```bash",
            f"{command}{turned}",
            "```",
            "",
            "The files of weights are state dicts in the layout of the official PyTorch code.",
            "",
        ]

    def _example(self) -> list[str]:
        """Return lines that translate an image."""
        if any(self.domains.values()):
            return ['output = translate("input.tif")  # an array in the values of the other domain']
        return ['translate("input.jpg").save("output.png")']

    def _samples(self) -> list[str]:
        if not self.samples:
            return []
        lines = ["## Samples", "", "| input | translation |", "|---|---|"]
        for real, fake in zip(self.samples[::2], self.samples[1::2], strict=True):
            lines.append(f"| ![{Path(real).stem}]({real}) | ![{Path(fake).stem}]({fake}) |")
        return [
            *lines,
            "",
            "These are held-out or test images as the page of the training shows them.",
            "",
        ]

    def _training(self) -> list[str]:
        rows = [("epoch of the weights", self.epoch)]
        rows += [(name, self.options[name]) for name in SHOWN if self.options.get(name) is not None]
        for name, rule in self.domains.items():
            if rule:
                nodata = "" if rule.nodata is None else f", no data: {rule.nodata:g}"
                bands = f", bands {' '.join(map(str, rule.bands))}" if rule.bands else ""
                text = f"{rule.dtype}, {rule.limits}{bands}{nodata}"
                rows.append((f"values of {name}", text))
        if {"epoch", "metric", "value"} <= self.best.keys():
            best = f"{self.best['metric']} {self.best['value']:.4g} in epoch {self.best['epoch']}"
            rows.append(("best validation result", best))
        lines = [f"| {name} | {str(value).replace('|', '/')} |" for name, value in rows]
        return ["## Training", "", "| | |", "|---|---|", *lines, ""]

    def _files(self) -> list[str]:
        lines = ["## Files", "", "| file | parameters | SHA-256 |", "|---|---|---|"]
        for weights in self.weights:
            digest = hashlib.sha256(weights.content).hexdigest()
            lines.append(f"| {weights.name} | {weights.parameters:,} | `{digest}` |")
        return [*lines, ""]
