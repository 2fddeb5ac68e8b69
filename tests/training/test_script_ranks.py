"""A training script in the style of 2025 under torchrun: what init_ddp() makes of the ranks."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from conftest import ROOT, TINY

from util.sinks.base import read_metrics

SCRIPT = """
import sys
from pathlib import Path
import torch
from data import create_dataset
from models import create_model
from options.train_options import TrainOptions
from util.util import cleanup_ddp, init_ddp
from util.visualizer import Visualizer

opt = TrainOptions().parse()
opt.device = init_ddp()
loader, model = create_dataset(opt), create_model(opt)
model.setup(opt)
show, total, paths = Visualizer(opt), 0, []
for epoch in (1, 2):
    show.reset()
    for number, batch in enumerate(loader, 1):
        model.set_input(batch)
        model.optimize_parameters()
        total, paths = total + 1, paths + model.get_image_paths()
        show.print_current_losses(epoch, number, model.get_current_losses(), 0.1, 0.1)
        show.plot_current_losses(total, model.get_current_losses())
    model.save_networks("latest")
weights = {name: net.state_dict() for name, net in model.get_networks().items()}
rank = torch.distributed.get_rank()
torch.save({"weights": weights, "paths": paths}, Path(opt.checkpoints_dir) / f"{rank}.pt")
cleanup_ddp()
assert not torch.distributed.is_initialized()
"""


@pytest.mark.slow
def test_ranks_train_one_model(unaligned: Path, tmp_path: Path) -> None:
    """Without the mean of gradients, or equal initial weights, the weights would differ."""
    (tmp_path / "train.py").write_text(f"import sys; sys.path.insert(0, {str(ROOT)!r})\n{SCRIPT}")
    flags = ["--dataroot", unaligned, "--name", "x", "--checkpoints_dir", tmp_path, *TINY]
    flags += ["--max_dataset_size", "4", "--pool_size", "0"]
    run = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2", "--standalone"]
    subprocess.run([*run, tmp_path / "train.py", *map(str, flags)], cwd=tmp_path, check=True)
    first, second = (torch.load(tmp_path / f"{rank}.pt") for rank in (0, 1))
    for name, weights in first["weights"].items():
        saved = torch.load(tmp_path / "x" / f"latest_net_{name}.pth")
        for key, value in weights.items():
            assert torch.equal(value, second["weights"][name][key])
            assert torch.equal(value, saved[key])
    for epoch in (slice(0, 2), slice(2, 4)):  # each image once
        assert len({*first["paths"][epoch], *second["paths"][epoch]}) == 4
    entries = read_metrics(tmp_path / "x")
    assert [(entry["share"], entry["total"]) for entry in entries] == [
        (0.5, 1), (1.0, 2), (0.5, 3), (1.0, 4),
    ]  # fmt: skip
