"""torchrun with one process trains like a process without torchrun."""

from __future__ import annotations

import subprocess
import sys

import train
from scripts.gpu.checks import ATLAS, FAILED, OK, ROOT, Check, Setup, Verdict
from scripts.gpu.processes import failure, last, run_program
from scripts.maintenance.compare_runs import differences

WORDS = f"""--dataroot {ATLAS} --num_threads 0 --seed 1 --deterministic
    --netG resnet_6blocks --ngf 4 --ndf 4 --load_size 36 --crop_size 32 --max_dataset_size 3
    --n_epochs 1 --n_epochs_decay 0 --display_id 0 --no_html --panel_size 0 --print_freq 1"""


def checks() -> list[Check]:
    return [Check("ranks", "torchrun, one process", compare, (), 80)]


def compare(setup: Setup) -> Verdict:
    """Compare weights and log of a run under torchrun with those of one without it."""
    device = ["--gpu_ids", str(setup.gpu)] if setup.gpu else []  # torchrun counts GPUs from 0
    common = [*WORDS.split(), "--name", "run", *device]
    folders = [setup.folder / name for name in ("alone", "torchrun")]
    commands = [[*common, "--checkpoints_dir", str(folder)] for folder in folders]
    log = setup.folder / "alone.txt"
    if status := run_program(train.main, ["train.py", *commands[0]], log):
        return failure(status, log)
    log = setup.folder / "torchrun.txt"
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=1"]
    with log.open("w") as file:
        command = [*launch, "train.py", *commands[1]]
        status = subprocess.run(command, cwd=ROOT, stdout=file, stderr=file).returncode
    if status:
        return failure(status, log)
    found = differences(*(folder / "run" for folder in folders))
    if wrong := {part: found[part] for part in ("weights", "log") if part in found}:
        text = "; ".join(f"{part}: {difference}" for part, difference in wrong.items())
        return Verdict(FAILED, text)
    return Verdict(OK, f"equal bits; {last(log)}")
