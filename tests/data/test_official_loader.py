"""The official loader: ``dataset.dataloader``, collation, limits, and changes between passes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import ROOT, TINY, picture
from PIL import Image
from samples import official_opt
from torch.utils.data import DataLoader
from torchvision import transforms

import data
from data import create_dataset
from util.errors import UserError


class Items(data.BaseDataset):
    """Seven items with everything that PyTorch collates."""

    factor = 1

    def __len__(self) -> int:
        return 7

    def __getitem__(self, index: int) -> dict:
        return {
            "number": index * self.factor,
            "real": index / 2,
            "array": np.full(2, index),
            "byte": torch.full((1, 2), index, dtype=torch.uint8),
            "text": str(index),
            "list": [index, str(index)],
            "dict": {"x": index},
        }


@pytest.fixture
def items(monkeypatch: pytest.MonkeyPatch):
    """``create_dataset`` for :class:`Items` with some official options."""
    monkeypatch.setattr(data, "find_dataset_using_name", lambda name: Items)

    def create(**changes):
        return create_dataset(official_opt(dataset_mode="items", dataroot="x", **changes))

    return create


def numbers(batches) -> list[list[int]]:
    return [batch["number"].tolist() for batch in batches]


def test_collation(items) -> None:
    batch = next(iter(items(batch_size=2)))
    assert batch["number"].tolist() == [0, 1] and batch["number"].dtype == torch.int64
    assert batch["real"].tolist() == [0, 0.5] and batch["real"].dtype == torch.float64
    assert batch["array"].tolist() == [[0, 0], [1, 1]]
    assert batch["byte"].dtype == torch.uint8 and batch["byte"].shape == (2, 1, 2)
    assert batch["text"] == ["0", "1"]
    assert batch["list"][0].tolist() == [0, 1] and list(batch["list"][1]) == ["0", "1"]
    assert batch["dict"]["x"].tolist() == [0, 1]


@pytest.mark.parametrize("item", [None, {"mask": None}, {"image": Image.new("RGB", (2, 2))}])
def test_what_cannot_be_collated_is_an_error(item, items, monkeypatch) -> None:
    monkeypatch.setattr(Items, "__getitem__", lambda self, index: item)
    with pytest.raises(UserError, match="None|cannot be stacked"):
        list(items())


def test_the_loader_holds_dataset_and_dataloader(items) -> None:
    loader = items(batch_size=3)
    assert (len(loader), len(loader.dataset), len(loader.dataloader)) == (7, 7, 3)
    assert isinstance(loader.dataloader, DataLoader)
    assert loader.dataloader.dataset is loader.dataset and loader.dataloader.batch_size == 3
    expected = [[0, 1, 2], [3, 4, 5], [6]]
    assert numbers(loader) == numbers(loader.dataloader) == expected
    assert next(iter(loader))["number"].tolist() == [0, 1, 2]
    torch.manual_seed(5)
    shuffled = numbers(items(serial_batches=False).dataloader)
    torch.manual_seed(5)
    assert numbers(DataLoader(loader.dataset, shuffle=True)) == shuffled


@pytest.mark.parametrize(("limit", "batches"), [(3, 2), (4, 2), (5, 3), (7, 4), (9, 4)])
def test_max_dataset_size_ends_the_pass(limit: int, batches: int, items) -> None:
    """A dataset may ignore the option: no batch begins after that number of items."""
    loader = items(batch_size=2, max_dataset_size=limit)
    assert len(loader) == min(7, limit)
    assert numbers(loader) == [[0, 1], [2, 3], [4, 5], [6]][:batches]
    seen = {i for _ in range(20) for i in sum(numbers(items_of(loader, limit)), [])}
    assert seen == set(range(7))  # each pass takes others of all items


def items_of(loader, limit: int):
    loader.order.shuffle = True
    return loader


def test_dataset_and_dataloader_may_be_replaced(items) -> None:
    loader = items(batch_size=2, max_dataset_size=3)
    loader.dataloader = DataLoader(loader.dataset, 2, sampler=[6, 5, 4, 3, 2], drop_last=True)
    assert numbers(loader) == [[6, 5], [4, 3]]
    loader.dataset = torch.utils.data.Subset(loader.dataset, [0, 1])
    assert len(loader) == 2


def test_set_epoch_chooses_the_order(items) -> None:
    loader = items(serial_batches=False)
    first, second = numbers(loader), numbers(loader)
    loader.set_epoch(1)
    assert loader.sampler is None
    assert first != second and first == numbers(loader)


def test_a_dataset_may_change_between_passes(items) -> None:
    """Workers get the changed dataset, and a pass inside a pass has workers of its own."""
    loader = items(num_threads=1, batch_size=4)
    assert numbers(loader) == [[0, 1, 2, 3], [4, 5, 6]]
    loader.dataset.factor = 10
    inner = [numbers([batch, next(iter(loader))]) for batch in loader]
    assert inner == [[[0, 10, 20, 30], [0, 10, 20, 30]], [[40, 50, 60], [0, 10, 20, 30]]]
    loader.close()


def test_our_datasets_may_change_between_passes(tmp_path: Path) -> None:
    for folder in ("trainA", "trainB"):
        picture(tmp_path / folder / "x.png")
    opt = official_opt(dataroot=str(tmp_path), dataset_mode="unaligned", num_threads=1)
    loader = create_dataset(opt)
    [kept] = [worker_pids(loader) for _ in loader]
    assert [worker_pids(loader) for _ in loader] == [kept]
    loader.dataset.transform_A = transforms.Lambda(lambda image: torch.zeros(1))
    assert [batch["A"].tolist() for batch in loader] == [[[0]]]
    loader.close()


def worker_pids(loader) -> list[int]:
    return [worker.pid for worker in loader.batches._iterator._workers]


SCRIPT = """
import os
from pathlib import Path
from options.train_options import TrainOptions
from data import create_dataset
from util.util import cleanup_ddp, init_ddp

opt = TrainOptions().parse()
opt.device = init_ddp()
dataset = create_dataset(opt)
dataset.set_epoch(3)
for name, loader in (("own", dataset), ("official", dataset.dataloader)):
    names = [Path(path).stem for batch in loader for path in batch["A_paths"]]
    Path(f"{name}_{os.environ['RANK']}.txt").write_text(" ".join(names))
cleanup_ddp()
"""


@pytest.mark.slow
def test_a_script_under_torchrun(tmp_path: Path) -> None:
    """The ranks share one order, though each process of a script draws a seed."""
    for name in "abcd":
        picture(tmp_path / "data" / "trainA" / f"{name}.png")
        picture(tmp_path / "data" / "trainB" / f"{name}.png")
    (tmp_path / "script.py").write_text(SCRIPT)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    command += [str(tmp_path / "script.py"), "--dataroot", "data", *TINY]
    subprocess.run(
        command, cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT)}, check=True, timeout=120
    )
    for name in ("own", "official"):
        parts = [file.read_text().split() for file in tmp_path.glob(f"{name}*.txt")]
        assert sorted(sum(parts, [])) == list("abcd") and len(parts) == 2
