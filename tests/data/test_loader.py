"""Order and augmentation depend only on (seed, epoch, index); errors in worker processes."""

import itertools
import random
import shutil

import numpy as np
import pytest
import torch
from conftest import picture, pictures
from samples import options

from data import create_dataset
from data.base_dataset import BaseDataset
from data.pipeline.loader import Loader
from util.errors import UserError


@pytest.fixture
def load(unaligned):
    def make(**changes):
        return create_dataset(options(**{"dataroot": str(unaligned), **changes}))

    return make


def epoch(loader):
    """The batches of one pass as plain values."""
    return [
        (batch["A_paths"], batch["B_paths"], batch["A"].tolist(), batch["B"].tolist())
        for batch in loader
    ]


def test_workers_change_nothing_and_epochs_differ(load):
    passes = {}
    for threads, size in ((0, 1), (2, 1), (0, 2), (2, 2)):
        loader = load(num_threads=threads, batch_size=size)
        passes[threads, size] = [epoch(loader) for _ in range(3)]
    assert passes[0, 1] == passes[2, 1] and passes[0, 2] == passes[2, 2]
    for size in (1, 2):
        for one, other in itertools.combinations(passes[0, size], 2):
            assert [b[0] for b in one] != [b[0] for b in other] or [b[1] for b in one] != [
                b[1] for b in other
            ]
    by_path = [
        {
            path: image
            for paths, _, images, _ in batches
            for path, image in zip(paths, images, strict=True)
        }
        for batches in passes[0, 1]
    ]
    assert all(
        by_path[0][path] != by_path[1][path] for path in by_path[0]
    )  # each image gets another crop or flip
    flat = [
        [image for _, _, images, _ in batches for image in images]
        for batches in (passes[0, 1][0], passes[0, 2][0])
    ]
    assert flat[0] == flat[1]  # the batch size only groups


def test_serial_batches_keep_the_order_but_not_the_crops(load):
    loader = load(serial_batches=True)
    first, second = epoch(loader), epoch(loader)
    assert [b[:2] for b in first] == [b[:2] for b in second]
    assert [b[2:] for b in first] != [b[2:] for b in second]


@pytest.mark.parametrize("threads", [0, 2])
def test_a_later_epoch_can_be_entered_directly(load, threads):
    through, direct = load(num_threads=threads), load(num_threads=threads)
    passes = [epoch(through) for _ in range(3)]
    direct.epoch = 3
    assert epoch(direct) == passes[2]
    assert direct.epoch == 4
    direct.epoch = 2  # back again, with the same workers
    assert epoch(direct) == passes[1]
    assert epoch(load(epoch_count=3)) == passes[2]


@pytest.mark.parametrize("threads", [0, 2])
def test_an_epoch_can_be_entered_in_its_middle(load, threads):
    loader = load(num_threads=threads)
    whole = [epoch(loader) for _ in range(2)]
    loader.epoch, loader.start = 1, 2
    assert [epoch(loader), epoch(loader)] == [whole[0][2:], whole[1]]


def test_the_seed_decides(load):
    assert epoch(load(seed=1)) == epoch(load(seed=1)) != epoch(load(seed=2))


def test_every_image_of_the_larger_domain_once_an_epoch(load):
    for batch_size in (1, 2, 9):
        loader = load(batch_size=batch_size)
        paths = [path for batch in loader for path in batch["A_paths"]]
        assert len(loader) == len(paths) == 5  # the last, short batch is kept
        assert sorted(path[-5] for path in paths) == sorted("01230")
    orders = {str([batch["A_paths"] for batch in loader]) for _ in range(20)}
    assert len(orders) > 10


def test_overlapping_passes_do_not_disturb_each_other(load):
    undisturbed = epoch(load())
    loader = load()
    first = iter(loader)
    started = [next(first)]
    next(iter(loader))
    assert epoch([*started, *first]) == undisturbed


@pytest.mark.parametrize("threads", [0, 2])
def test_loading_does_not_draw_from_the_models_generators(load, threads):
    """Otherwise dropout would depend on --num_threads."""
    loader = load(num_threads=threads)
    for _ in range(3):
        before = (
            random.getstate(),
            np.random.get_state()[1].tolist(),
            torch.get_rng_state().tolist(),
        )
        for _ in loader:
            pass
        assert (
            random.getstate(),
            np.random.get_state()[1].tolist(),
            torch.get_rng_state().tolist(),
        ) == before


class Drawing(BaseDataset):
    """A custom dataset that draws from all three generators."""

    def __len__(self):
        return 4

    def __getitem__(self, index):
        return {
            "A": torch.tensor([random.random(), np.random.rand(), torch.rand(1).item()]),
            "A_paths": str(index),
        }


def test_custom_datasets_draw_repeatably():
    def draws(**changes):
        opt = options(dataroot="", **changes)
        loader = Loader(Drawing(opt), opt)
        return [[batch["A"].tolist() for batch in loader] for _ in range(2)]

    once = draws()
    assert once == draws(num_threads=2)
    flat = [value for batches in once for image in batches for value in image[0]]
    assert len(set(flat)) == len(flat) == 24


def test_a_pass_can_be_left_and_the_next_one_is_whole(load):
    for threads in (0, 2):
        loader = load(num_threads=threads)
        wanted = [epoch(loader) for _ in range(2)]
        loader.epoch = 1
        for _ in loader:
            break
        assert epoch(loader) == wanted[1]


# Errors


@pytest.mark.parametrize("threads", [0, 2])
def test_a_damaged_image_is_one_line_that_names_it(tmp_path, threads):
    pictures(tmp_path / "trainA", ["a.png", "b.png"])
    pictures(tmp_path / "trainB", ["a.png"])
    (tmp_path / "trainA" / "b.png").write_bytes(b"nothing")
    with pytest.raises(UserError, match=r"^cannot read the image .*trainA/b\.png: ") as error:
        list(create_dataset(options(dataroot=str(tmp_path), num_threads=threads)))
    assert "\n" not in str(error.value)


def test_unreadable_images_are_replaced(load, unaligned, tmp_path, capsys):
    """Every batch is full, whatever the number of workers, and each item left out is counted."""
    shutil.copytree(unaligned, tmp_path / "x")
    for name in ("trainA/a1.png", "trainA/a2.png", "trainB/b0.png"):
        (tmp_path / "x" / name).write_bytes(b"")
    passes = []
    for threads in (0, 2):
        loader = load(
            dataroot=str(tmp_path / "x"), num_threads=threads, batch_size=2, on_bad_image="skip"
        )
        passes.append([epoch(loader) for _ in range(3)])
        assert [len(paths) for paths, *_ in passes[-1][0]] == [2, 2, 1]
        assert capsys.readouterr().err.count("left out: cannot read") == loader.skipped >= 6
    assert passes[0] == passes[1]
    taken = {
        path[-6:] for batches in passes[0] for batch in batches for path in batch[0] + batch[1]
    }
    assert not taken & {"a1.png", "a2.png", "b0.png"}


def test_few_readable_partners_are_found(load, unaligned, tmp_path):
    shutil.copytree(unaligned, tmp_path / "x")
    for i in range(4):
        (tmp_path / "x" / "trainB" / f"b{i}.png").write_bytes(b"")
    for _ in range(3):
        loader = load(dataroot=str(tmp_path / "x"), on_bad_image="skip", max_dataset_size=5)
        assert {batch["B_paths"][0][-6:] for batch in loader} == {"b4.png"}


@pytest.mark.parametrize("threads", [0, 2])
def test_images_of_several_sizes_in_a_batch(tmp_path, threads):
    for domain in "AB":
        picture(tmp_path / f"train{domain}" / "x.png", size=(10, 20))
        picture(tmp_path / f"train{domain}" / "y.png", size=(30, 20))
    changes = {
        "dataroot": str(tmp_path),
        "preprocess": "none",
        "serial_batches": True,
        "num_threads": threads,
    }
    with pytest.raises(UserError, match=r"--batch_size 2 .*10x20, 30x20"):
        list(create_dataset(options(**changes, batch_size=2)))
    assert [batch["A"].shape[3] for batch in create_dataset(options(**changes))] == [10, 30]


def test_idle_processes_are_not_started(load) -> None:
    """No more processes than an epoch has batches, whatever --num_threads says."""
    loader = load(num_threads=200, batch_size=4)
    assert loader.batches.num_workers == -(-len(loader) // 4) < 200
