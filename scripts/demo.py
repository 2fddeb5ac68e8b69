"""The demo: train a small CycleGAN, translate the test images, and measure the results.

    python scripts/demo.py

The images are satellite photos and maps (datasets/atlas). Further options but --model go to
train.py and take the place of the demo's. To see within a minute that everything works (averages
need more steps, hence --ema 0):

    python scripts/demo.py --name try --n_epochs 1 --max_dataset_size 20 --ema 0
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from options.flags.flag import Flag
from scripts.arguments import SEED, Arguments, Output
from util.console import run_main, say
from util.files import real_path
from util.limits import real

ROOT = Path(__file__).resolve().parents[1]
# docs/demo.md explains these values.
DATA = "./datasets/atlas"
TRAIN = f"""
    --dataroot {DATA} --model cycle_gan --netG resnet_6blocks --ngf 16 --ndf 64
    --load_size 64 --crop_size 64 --batch_size 2 --lr 0.001 --lr_policy cosine --n_epochs 12
    --n_epochs_decay 0 --upsample_B resize
    --lambda_A 3 --lambda_identity 2 --num_threads 1 --display_id 0 --display_freq 100
    --update_html_freq 100
"""
EMA = 0.998
TEST = f"--dataroot {DATA} --model cycle_gan"
EVALUATE = f"""
    --fake IMAGES:fake_B --real {DATA}/testB --baseline_input {DATA}/testA --name "photo to map"
    --palette 144,202,228 242,239,233 255,255,255 --page
    --fake IMAGES:fake_A --real {DATA}/testA --baseline_input {DATA}/testB --name "map to photo"
    --page
"""
# On Linux CPUs, glibc keeps freed tensors below 16 MiB for the next step instead of returning them
# to the system.
MEMORY = {"MALLOC_MMAP_THRESHOLD_": "16777216", "MALLOC_TRIM_THRESHOLD_": "1073741824"}
FLAGS = (
    Flag("seed", SEED, 1, "seed of the training (default: 1)"),
    Flag("ema", real(0, below=1), EMA, "decay of averaged generators, 0: none (default: 0.998)"),
    Flag("name", str, "atlas", "name of the run (default: atlas)"),
    Flag("folder", Output(folder=True), None, "folder of the runs and results (default: this one)"),
)


def run(program: str, *words: str) -> None:
    """Print and run a command; if it fails or is interrupted, exit with its status."""
    say(f"$ {shlex.join(['python', program, *words])}")
    process = subprocess.Popen([sys.executable, program, *words], cwd=ROOT)
    while process.returncode is None:
        try:
            process.wait()
        except KeyboardInterrupt:  # the program has received Ctrl-C, too, and saves before it ends
            continue
    if process.returncode:
        sys.exit(process.returncode if process.returncode > 0 else 128 - process.returncode)


def build_parser() -> Arguments:
    return Arguments(__doc__, FLAGS, allow_abbrev=False)


def main() -> None:
    opt, others = build_parser().parse_known_args()
    folder, images = real_path(opt.folder or ROOT), f"./results/{opt.name}/test_latest/images"
    common, results = ["--name", opt.name], []
    if folder != ROOT:
        common += ["--checkpoints_dir", str(folder / "checkpoints")]
        results = ["--results_dir", str(folder / "results")]
        images = str(folder / images)
    os.environ.update(MEMORY | os.environ)
    say("== training (10 to 15 minutes on 2 CPU cores)")
    choices = ["--ema", str(opt.ema), "--seed", str(opt.seed)]
    run("train.py", *shlex.split(TRAIN), *common, *choices, *others)
    say("", "== translating the test images")
    run("test.py", *shlex.split(TEST), *common, *results, *(["--ema"] if opt.ema else []))
    say("", "== measuring them against the true pairs")
    words = shlex.split(EVALUATE)
    run("scripts/evaluate.py", *(word.replace("IMAGES", images) for word in words))
    say("", f"Training page: {folder / 'checkpoints' / opt.name / 'web' / 'index.html'}")
    say(f"Results page:  {folder / 'results' / opt.name / 'test_latest' / 'index.html'}")


if __name__ == "__main__":
    run_main(main)
