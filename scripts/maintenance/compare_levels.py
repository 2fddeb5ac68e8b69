"""Train CycleGAN on the same slices as floats in HU and as 256 levels, and compare both in HU.

    python scripts/maintenance/compare_levels.py OUT

There are six runs of about five minutes of a core each. datasets/make_phantoms.py draws the slices,
from -1024 to 3071 HU, twice: as float TIFF, and as 8-bit PNG, whose levels are 16 HU apart. Both
are trained with the same options and seeds. Test images are compared with the true slice, which is
not quantised, in both directions: PSNR with a peak of 4095 HU, the mean absolute difference in soft
tissue, and the contrast of lesions in the liver, which is -11 HU in domain A and -39 HU in domain
B. A third row is the float run with its outputs rounded to 256 levels. Finished trainings are not
repeated.

Writes OUT/scores.json, OUT/scores.md and OUT/slices.png.
"""

from __future__ import annotations

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from data.image_file import read_image
from options.flags.flag import Flag
from scripts.arguments import Arguments, Output
from scripts.maintenance.calls import call
from util.console import run_main, say
from util.errors import needs
from util.files import write_atomically
from util.image.metrics import psnr
from util.image.preview import preview
from util.limits import whole

LOW, HIGH = -1024, 3071  # HU of the darkest and the brightest of 256 levels
STEP = (HIGH - LOW) / 255
KINDS = {"float": ".tif", "256": ".png"}  # --levels of make_phantoms.py, and its files
SIZE, TRAIN, TEST = 64, 300, 60
SOFT = (-200, 300)  # HU of the true slice in which it counts as soft tissue
WINDOW = (-60, 200)  # HU shown from black to white
SHOWN = (0, 1, 3)  # test slices in the picture
OPTIONS = (
    *("--input_nc", 1, "--output_nc", 1, "--netG", "resnet_6blocks", "--ngf", 8, "--ndf", 8),
    *("--preprocess", "none", "--no_flip", "--num_threads", 0, "--gpu_ids", -1),
    *("--display_id", 0, "--panel_size", 0, "--print_freq", 300),
)
FLAGS = (
    Flag("seeds", whole(1, 100), 3, "seeds of each kind (default: 3)"),
    Flag("epochs", whole(1, 10**4), 5, "epochs at the full rate, and as many more (default: 5)"),
    Flag("jobs", whole(1, 64), 2, "trainings at the same time (default: 2)"),
)


def build_parser() -> Arguments:
    parser = Arguments(__doc__, FLAGS)
    parser.add_argument("out", type=Output(folder=True), help="folder for data and runs")
    return parser


def make_data(out: Path) -> None:
    for kind in KINDS:
        if not (out / kind).is_dir():
            words = ("--levels", kind, "--size", SIZE, "--train", TRAIN, "--test", TEST)
            call(out / "data.txt", "datasets/make_phantoms.py", out / kind, *words)


def train_and_test(out: Path, kind: str, seed: int, epochs: int) -> None:
    """Train a run, unless it has been trained, and translate the test images."""
    name, log = f"{kind}_{seed}", out / f"{kind}_{seed}.txt"
    where = ("--dataroot", out / kind, "--name", name, "--checkpoints_dir", out / "runs")
    if not (out / "runs" / name / f"{2 * epochs}_net_G_A.pth").is_file():
        length = ("--n_epochs", epochs, "--n_epochs_decay", epochs, "--save_epoch_freq", 2 * epochs)
        values = ("--value_range", LOW, HIGH) if kind == "float" else ()
        call(log, "train.py", *where, *OPTIONS, *length, *values, "--seed", seed)
    call(log, "test.py", *where, "--results_dir", out / "results", "--gpu_ids", -1)
    say(f"{name} is trained and tested")


def read(path: Path) -> np.ndarray:
    """Return a slice in HU, float64 (H, W), from a TIFF in HU or a PNG with 256 levels."""
    if path.suffix == ".png":
        return np.asarray(read_image(str(path)).convert("L")) * STEP + LOW
    with needs("compare_levels.py", "tifffile"):
        import tifffile
    return tifffile.imread(path).astype(np.float64).reshape(SIZE, SIZE)


def images(folder: Path, label: str, suffix: str) -> np.ndarray:
    """Return the test images of a label, or of a folder if the label is "", as (N, H, W) in HU."""
    names = [f"{i:05d}{label}{suffix}" for i in range(TEST)]
    return np.stack([read(folder / name) for name in names])


def contrast(slices: np.ndarray, out: Path) -> float:
    """Return the mean HU of lesions minus that of the liver around, over slices (N, H, W)."""
    with np.load(out / "float" / "tissues.npz") as tissues:
        masks = tissues["lesion"], tissues["liver"]
    found = [
        image[lesion].mean() - image[liver].mean()
        for image, lesion, liver in zip(slices, *masks, strict=True)
        if lesion.any() and liver.any()
    ]
    return float(np.mean(found))


def score(fakes: np.ndarray, truth: np.ndarray, out: Path) -> dict[str, float]:
    """Return the scores of translated slices, see the top of this file."""
    errors = fakes - truth
    pairs = zip(fakes[..., None], truth[..., None], strict=True)
    peaks = [psnr(fake, true, HIGH - LOW) for fake, true in pairs]
    soft = (truth > SOFT[0]) & (truth < SOFT[1])
    return {
        "psnr": float(np.mean(peaks)),
        "soft_l1": float(np.abs(errors[soft]).mean()),
        "contrast": contrast(fakes, out),
    }


def scores(out: Path, seeds: int) -> dict[str, dict[str, list[dict[str, float]]]]:
    """Return the scores: kind -> domain of the outputs -> one entry per seed."""
    found: dict[str, dict[str, list[dict[str, float]]]] = {}
    for domain in "AB":
        truth = images(out / "float" / f"test{domain}", "", ".tif")
        found.setdefault("truth", {})[domain] = [{"contrast": contrast(truth, out)}]
        for seed in range(1, seeds + 1):
            for kind, suffix in KINDS.items():
                folder = out / "results" / f"{kind}_{seed}" / "test_latest" / "images"
                fakes = images(folder, f"_fake_{domain}", suffix)
                found.setdefault(kind, {}).setdefault(domain, []).append(score(fakes, truth, out))
                if kind == "float":
                    rounded = LOW + np.round((fakes - LOW) / STEP) * STEP
                    entries = found.setdefault("float, rounded", {}).setdefault(domain, [])
                    entries.append(score(rounded, truth, out))
    return found


def table(found: dict[str, dict[str, list[dict[str, float]]]]) -> str:
    """Return the scores as a Markdown table: mean ± standard deviation over seeds."""
    keys = {"psnr": "PSNR (dB)", "soft_l1": "soft tissue, L1 (HU)", "contrast": "lesions (HU)"}
    lines = [f"| Training on | direction | {' | '.join(keys.values())} |", "|---|---|---|---|---|"]
    for domain, direction in (("B", "A → B"), ("A", "B → A")):
        for kind, domains in found.items():
            cells = []
            for key in keys:
                values = [entry[key] for entry in domains[domain] if key in entry]
                spread = f" ± {np.std(values, ddof=1):.2f}" if len(values) > 1 else ""
                cells.append(f"{np.mean(values):.2f}{spread}" if values else "-")
            lines.append(f"| {kind} | {direction} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def picture(out: Path) -> None:
    """Write OUT/slices.png: rows are test slices, columns inputs, outputs of seed 1, and truth."""
    columns = []
    for kind, suffix in KINDS.items():
        columns.append(images(out / kind / "testA", "", suffix))
    for kind, suffix in KINDS.items():
        folder = out / "results" / f"{kind}_1" / "test_latest" / "images"
        columns.append(images(folder, "_fake_B", suffix))
    columns.append(images(out / "float" / "testB", "", ".tif"))
    rows = [np.hstack([column[i] for column in columns]) for i in SHOWN]
    unit = (np.vstack(rows)[..., None] - WINDOW[0]) / (WINDOW[1] - WINDOW[0]) * 2 - 1
    shown = Image.fromarray(preview(unit))
    shown = shown.resize((3 * shown.width, 3 * shown.height), Image.Resampling.NEAREST)
    shown.convert("L").save(out / "slices.png", optimize=True)


def main() -> None:
    args = build_parser().parse_args()
    out = args.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    make_data(out)
    runs = [(kind, seed) for seed in range(1, args.seeds + 1) for kind in KINDS]
    with ThreadPoolExecutor(args.jobs) as pool:
        list(pool.map(lambda run: train_and_test(out, run[0], run[1], args.epochs), runs))
    found = scores(out, args.seeds)
    write_atomically(out / "scores.json", json.dumps(found, indent=1).encode())
    write_atomically(out / "scores.md", table(found).encode())
    picture(out)
    say(*table(found).splitlines())


if __name__ == "__main__":
    run_main(main)
