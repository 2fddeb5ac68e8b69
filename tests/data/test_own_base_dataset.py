"""A project's own data/base_dataset.py in place of ours: its transforms are used everywhere."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT

OWN_FILE = """
import torch
from torch.utils.data import Dataset
from torchvision import transforms


class BaseDataset(Dataset):
    def __init__(self, opt):
        self.opt = opt

    @staticmethod
    def modify_commandline_options(parser, is_train):
        return parser


def get_params(opt, size):
    return {}


def get_transform(opt, params=None, grayscale=False):
    return transforms.Compose([transforms.ToTensor(), lambda image: image * 0 + 0.25])
"""
USE = """
import importlib.util, sys
spec = importlib.util.spec_from_file_location("data.base_dataset", sys.argv[1])
module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
from data import create_dataset
from options.train_options import TrainOptions

for mode in ("unaligned", "aligned"):
    arguments = ["--dataroot", sys.argv[2], "--gpu_ids", "-1", "--num_threads", "0"]
    opt = TrainOptions().parse([*arguments, "--dataset_mode", mode], record=False)
    for batch in create_dataset(opt):
        assert batch["A"].unique().tolist() == batch["B"].unique().tolist() == [0.25], batch
"""


@pytest.mark.slow
def test_our_datasets_use_the_transforms_of_a_projects_file(
    unaligned: Path, aligned: Path, tmp_path: Path
) -> None:
    own = tmp_path / "base_dataset.py"
    own.write_text(OWN_FILE)
    for folder in (*unaligned.iterdir(), aligned / "train"):
        (tmp_path / folder.name).symlink_to(folder)
    subprocess.run([sys.executable, "-c", USE, own, tmp_path], cwd=ROOT, check=True)


def test_our_files_need_only_official_names_of_the_files_that_projects_replace() -> None:
    files = [path for room in ("data", "models", "scripts") for path in (ROOT / room).rglob("*.py")]
    used: dict[str, set[str]] = {"data.base_dataset": set(), "data.image_folder": set()}
    for path in files:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module in used:
                used[node.module] |= {alias.name for alias in node.names}
    assert used["data.base_dataset"] <= {"BaseDataset", "get_params", "get_transform"}
    assert used["data.image_folder"] <= {"is_image_file", "make_dataset"}
