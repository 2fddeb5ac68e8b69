"""Datasets whose transform was changed by a subclass, and items that cannot be stacked."""

import random

import pytest
import torch
from conftest import picture
from samples import dataset, options
from torchvision import transforms as v1

from data import create_dataset
from data.base_dataset import BaseDataset, get_transform
from data.image_to_tensor import Compose, to_tensor
from util.errors import UserError
from util.image.lab import rgb_to_lab


def first(image):
    return torch.zeros(1)


def second(image):
    return torch.ones(1)


@pytest.mark.parametrize("wrapper", [v1.RandomChoice, v1.RandomOrder, v1.RandomApply])
def test_only_a_compose_is_taken_apart(wrapper, unaligned):
    """The others have ``transforms`` too, but do not call all of them in order."""
    data = dataset("unaligned", unaligned)
    calls = []
    data.transform_A = wrapper([lambda image: calls.append(1) or image] * 2)
    random.seed(1)
    torch.manual_seed(1)
    data[0]
    expected = len(calls)
    calls.clear()
    random.seed(1)
    torch.manual_seed(1)
    data.transform_A(data.read(data.A_paths[0]))
    assert len(calls) == expected
    data.transform_A = v1.RandomChoice([first, second])
    assert {data[0]["A"].item() for _ in range(20)} == {0, 1}


@pytest.mark.parametrize("compose", [Compose, v1.Compose])
def test_any_number_of_steps(compose, unaligned):
    data = dataset("unaligned", unaligned, preprocess="none", no_flip=True)
    image = data.read(data.A_paths[0])
    for steps in ([], get_transform(data.opt, convert=False).transforms):
        assert data.image(data.A_paths[0], 3, compose(steps)).tobytes() == image.tobytes()
    assert data.image(data.A_paths[0], 3, compose([to_tensor])).dtype == torch.uint8


def test_colorization_of_other_values_than_bytes(aligned):
    data = dataset("colorization", aligned, input_nc=1, output_nc=2, preprocess="none")
    data.opt.no_flip = True
    data.transform = get_transform(data.opt)
    plain = data[0]
    L, ab = rgb_to_lab(data.image(data.AB_paths[0], 3, data.transform) / 255)
    assert torch.equal(plain["A"], L) and torch.equal(plain["B"], ab)
    data.transform.transforms.append(lambda image: image)  # floats in [-1, 1] reach this step
    for key, value in data[0].items():
        same = (
            value == plain[key] if isinstance(value, str) else value.allclose(plain[key], atol=1e-4)
        )
        assert same, key
    data.transform = get_transform(data.opt, convert=False)  # of the official class
    assert torch.equal(data[0]["A"], plain["A"])


class Items(BaseDataset):
    """Two items with the tensors ``values``."""

    values: list

    def __len__(self):
        return 2

    def __getitem__(self, index):
        return {"x": self.values[index]}


@pytest.mark.parametrize(
    ("shapes", "sizes"),
    [
        ([(3, 8, 9), (3, 7, 9)], "9x8, 9x7"),
        ([(1, 8, 8), (3, 8, 8)], "(1, 8, 8), (3, 8, 8)"),
        ([(3, 2), (5, 2)], "(3, 2), (5, 2)"),
        ([(3,), (4,)], "(3,), (4,)"),
        ([(), (4,)], "(), (4,)"),
    ],
    ids=str,
)
def test_items_of_different_shapes(shapes, sizes, tmp_path, monkeypatch):
    monkeypatch.setattr("data.find_dataset_using_name", lambda name: Items)
    monkeypatch.setattr(Items, "values", [torch.zeros(shape) for shape in shapes], raising=False)
    loader = create_dataset(options(dataroot=str(tmp_path), batch_size=2, serial_batches=True))
    with pytest.raises(UserError) as error:
        list(loader)
    assert f"x has {sizes}: give --batch_size 1" in str(error.value)


def test_channels_of_pairs_are_attributes(tmp_path):
    """The official names, for subclasses."""
    picture(tmp_path / "train" / "x.png", size=(64, 32))
    data = dataset("aligned", tmp_path, input_nc=1, direction="BtoA")
    assert (data.input_nc, data.output_nc) == (3, 1)


def test_torchvision_takes_our_transforms_as_a_list(unaligned):
    data = dataset("unaligned", unaligned)
    transform = get_transform(options(no_flip=True, preprocess="resize"))
    image = data.read(data.A_paths[0])
    assert torch.equal(v1.Compose(transform)(image), transform(image))
