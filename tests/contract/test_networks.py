"""Networks: the official layout, the paper's geometry, initialisation and images of any size."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from steps import repeatable  # noqa: F401
from torch import nn

from models import networks
from models.networks import define_D, define_G, get_norm_layer
from options.flags.model import NET_D, NET_G
from util.errors import UserError

# Made by the official code at da39a52: key -> shape, at the default widths with 3 channels.
LAYOUTS = json.loads(
    (Path(__file__).parents[1] / "fixtures" / "state_dict_layouts.json").read_text()
)
GENERATORS = ("resnet_9blocks", "resnet_6blocks", "unet_256", "unet_128")
NORMS = ("instance", "batch", "none")


def on_meta(make, *args, **options):
    """Return a network on the meta device, which has shapes but no memory."""
    with torch.device("meta"):
        return make(*args, **options)


@pytest.mark.parametrize("key", LAYOUTS)
def test_state_dict_is_the_official_one(key):
    kind, net, norm, *dropout = key.split("/")
    if kind == "G":
        made = on_meta(define_G, 3, 3, 64, net, norm, use_dropout=dropout == ["dropout"])
    else:
        made = on_meta(define_D, 3, 64, net, n_layers_D=4, norm=norm)
    state = {k: list(v.shape) for k, v in made.state_dict().items()}
    assert state == LAYOUTS[key]
    assert list(state) == list(LAYOUTS[key])  # in this order


# Parameters and state-dict entries with instance, batch and no norm.
COUNTS = {
    "resnet_9blocks": ((11378179, 48), (11383427, 140), (11372931, 25)),
    "resnet_6blocks": ((7837699, 36), (7841411, 104), (7833987, 19)),
    "unet_256": ((54409603, 32), (54413955, 82), (54404099, 17)),
    "unet_128": ((41825667, 28), (41828995, 70), (41821187, 15)),
    ("basic", 3, 3): ((2764737, 10), (2765633, 22), (2763841, 7)),
    ("basic", 6, 3): ((2767809, 10), (2768705, 22), (2766913, 7)),
    ("n_layers", 3, 1): ((136385, 6), (136513, 10), (136257, 5)),
    ("n_layers", 3, 2): ((662977, 8), (663361, 16), (662593, 6)),
    ("n_layers", 3, 3): ((2764737, 10), (2765633, 22), (2763841, 7)),
    ("n_layers", 3, 4): ((6959553, 12), (6960961, 28), (6958145, 8)),
    ("n_layers", 3, 5): ((11154369, 14), (11156289, 34), (11152449, 9)),
    ("pixel", 3, 3): ((8705, 6), (8832, 9), (8576, 4)),
}


@pytest.mark.parametrize("which", COUNTS, ids=str)
def test_sizes(which):
    for norm, counts in zip(NORMS, COUNTS[which], strict=True):
        for dropout in (False, True) if isinstance(which, str) else (False,):
            if isinstance(which, str):
                net = on_meta(define_G, 3, 3, 64, which, norm, use_dropout=dropout)
            else:
                netD, input_nc, layers = which
                net = on_meta(define_D, input_nc, 64, netD, n_layers_D=layers, norm=norm)
            assert (sum(p.numel() for p in net.parameters()), len(net.state_dict())) == counts, norm


@pytest.mark.parametrize(
    ("netD", "layers", "field"),
    [
        ("basic", 3, 70),
        ("basic", 5, 70),
        ("n_layers", 1, 16),
        ("n_layers", 2, 34),
        ("n_layers", 3, 70),
        ("n_layers", 4, 142),
        ("n_layers", 5, 286),
        ("pixel", 3, 1),
    ],
)
def test_one_logit_sees_a_patch_of_this_size(netD, layers, field):
    net = define_D(3, 1, netD, n_layers_D=layers, norm="none")
    for p in net.parameters():  # all positive: no gradient cancels or vanishes
        p.data.fill_(0.05)
    x = torch.ones(1, 3, 400, 400, requires_grad=True)
    out = net(x)
    out[0, 0, out.shape[2] // 2, out.shape[3] // 2].backward()
    seen = x.grad[0].abs().sum(0).nonzero()
    assert (seen.max(0).values - seen.min(0).values + 1).tolist() == [field, field]


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize(("size", "grid"), [(70, 6), (128, 14), (256, 30), (286, 33)])
def test_grid_of_the_basic_discriminator(size, grid, norm):
    assert define_D(3, 2, "basic", norm=norm)(torch.rand(2, 3, size, size)).shape == (
        2,
        1,
        grid,
        grid,
    )


def test_grid_of_the_pixel_discriminator_and_no_sigmoid():
    net = define_D(3, 2, "pixel", norm="instance", init_gain=5.0)
    out = net(torch.rand(1, 3, 7, 9))
    assert out.shape == (1, 1, 7, 9)
    assert out.min() < 0 or out.max() > 1
    assert not any(isinstance(m, nn.Sigmoid) for m in net.modules())


@pytest.mark.parametrize("layers", [1, 2, 3, 4])
def test_the_smallest_image_a_discriminator_takes(layers):
    net, least = define_D(3, 1, "n_layers", n_layers_D=layers, norm="instance"), 3 * 2**layers
    assert net(torch.rand(1, 3, least, least)).shape == (1, 1, 1, 1)
    with pytest.raises(UserError, match=f"{least}x{least - 1}.*--crop_size"):
        net(torch.rand(1, 3, least - 1, least))


# Norms


def test_instance_norm_treats_each_channel_of_each_image_alone():
    norm = get_norm_layer("instance")(3)
    x = torch.rand(2, 3, 8, 8) * 5 + 1
    y = norm(x)
    assert not norm.state_dict()
    assert torch.allclose(y.mean((2, 3)), torch.zeros(2, 3), atol=1e-5)
    assert torch.allclose(y.var((2, 3), unbiased=False), torch.ones(2, 3), atol=1e-3)
    assert torch.equal(norm.eval()(x), y)
    assert torch.allclose(norm(x[1:]), y[1:])


def test_batch_norm_mixes_the_batch_and_learns():
    norm = get_norm_layer("batch")(3)
    x = torch.rand(2, 3, 8, 8) * 5 + 1
    y = norm(x)
    assert set(norm.state_dict()) == {
        "weight",
        "bias",
        "running_mean",
        "running_var",
        "num_batches_tracked",
    }
    assert torch.allclose(y.mean((0, 2, 3)), torch.zeros(3), atol=1e-5)
    assert not torch.allclose(norm(x[1:]), y[1:], atol=1e-3)
    assert torch.allclose(
        norm.running_mean, 0.1 * x[1:].mean((0, 2, 3)) + 0.9 * 0.1 * x.mean((0, 2, 3)), atol=1e-5
    )


def test_no_norm():
    x = torch.rand(2, 3, 8, 8)
    assert torch.equal(get_norm_layer("none")(3)(x), x)


# Images of any size


@pytest.mark.parametrize(("height", "width"), [(1, 1), (3, 500), (257, 255), (1000, 37), (2, 9)])
@pytest.mark.parametrize("netG", GENERATORS)
def test_any_size_goes_in_and_comes_out(netG, height, width):
    norm = "batch" if netG.startswith("unet") else "instance"
    net = define_G(
        3, 2, 2, netG, norm, use_dropout=True
    )  # in training mode, as in test.py without --eval
    with torch.no_grad():
        out = net(torch.rand(1, 3, height, width) * 2 - 1)
    assert out.shape == (1, 2, height, width)
    assert out.isfinite().all() and out.abs().max() <= 1


@pytest.mark.parametrize(
    ("netG", "fits", "other"),
    [
        ("resnet_9blocks", (8, 12), (7, 3)),
        ("resnet_6blocks", (64, 36), (33, 50)),
        ("unet_256", (256, 512), (100, 300)),
        ("unet_128", (128, 384), (129, 5)),
    ],
)
def test_padding_is_a_reflection_and_absent_where_the_size_fits(netG, fits, other):
    net = define_G(3, 3, 2, netG, "instance", init_gain=0.3).eval()
    with torch.no_grad():
        x = torch.rand(2, 3, *fits) * 2 - 1
        assert torch.equal(net(x), net.model(x))
        x = torch.rand(2, 3, *other) * 2 - 1
        step = int(netG[5:]) if netG.startswith("unet") else 4
        missing = [
            max(8 if step == 4 else step, math.ceil(side / step) * step) - side for side in other
        ]
        padded = np.pad(
            x.numpy(), ((0, 0), (0, 0), (0, missing[0]), (0, missing[1])), mode="reflect"
        )
        assert torch.allclose(
            net(x), net.model(torch.from_numpy(padded))[..., : other[0], : other[1]], atol=1e-6
        )


# Dropout


def test_dropout_moves_the_second_convolution_of_a_residual_block():
    keys = {
        dropout: set(
            on_meta(
                define_G, 3, 3, 4, "resnet_6blocks", "instance", use_dropout=dropout
            ).state_dict()
        )
        for dropout in (False, True)
    }
    assert {k for k in keys[False] if "conv_block.5" in k} == {
        f"model.{n}.conv_block.5.{p}" for n in range(10, 16) for p in ("weight", "bias")
    }
    assert keys[True] == {k.replace("conv_block.5", "conv_block.6") for k in keys[False]}


@pytest.mark.parametrize(
    ("netG", "count"),
    [("resnet_9blocks", 9), ("resnet_6blocks", 6), ("unet_256", 3), ("unet_128", 2)],
)
def test_where_dropout_stands(netG, count):
    def dropouts(use):
        net = on_meta(define_G, 3, 3, 4, netG, "batch", use_dropout=use)
        return [(name, m.p) for name, m in net.named_modules() if isinstance(m, nn.Dropout)]

    assert dropouts(False) == []
    index = "4" if netG.startswith("resnet") else "7"
    assert len(dropouts(True)) == count
    assert {(name.rpartition(".")[2], p) for name, p in dropouts(True)} == {(index, 0.5)}


# Mistakes


@pytest.mark.parametrize(
    ("make", "args", "words"),
    [
        (define_G, (3, 3, 4, "resnet_7blocks"), ("resnet_7blocks", *GENERATORS)),
        (define_G, (3, 3, 4, "unet_128", "layer"), ("layer", *NORMS)),
        (
            define_G,
            (3, 3, 4, "unet_128", "batch", False, "zeros"),
            ("zeros", "normal", "xavier", "kaiming", "orthogonal"),
        ),
        (define_D, (3, 4, "patch"), ("patch", "basic", "n_layers", "pixel")),
        (define_D, (3, 4, "basic", 3, "layer"), ("layer", *NORMS)),
        (networks.GANLoss, ("hinge",), ("hinge", "lsgan", "vanilla", "wgangp")),
    ],
)
def test_unknown_names_are_refused_with_the_known_ones(make, args, words):
    with pytest.raises(NotImplementedError, match=words[0]) as error:
        make(*args)
    assert all(word in str(error.value) for word in words)


# Parts with official signatures, for models that use them directly


@pytest.mark.parametrize(("padding", "last"), [("reflect", 5), ("replicate", 5), ("zero", 3)])
def test_a_residual_block_by_its_official_signature(padding, last):
    block = networks.ResnetBlock(
        4, padding_type=padding, norm_layer=nn.BatchNorm2d, use_dropout=False, use_bias=False
    )
    x = torch.rand(1, 4, 6, 7)
    assert block(x).shape == x.shape
    convolutions = [k for k, v in block.state_dict().items() if v.dim() == 4]
    first = 0 if padding == "zero" else 1
    assert convolutions == [f"conv_block.{first}.weight", f"conv_block.{last}.weight"]


def test_unet_blocks_by_their_official_signature():
    block = networks.UnetSkipConnectionBlock
    inner = block(8, 8, input_nc=None, submodule=None, norm_layer=nn.BatchNorm2d, innermost=True)
    middle = block(4, 8, input_nc=None, submodule=inner, use_dropout=True)
    net = block(2, 4, input_nc=3, submodule=middle, outermost=True, norm_layer=nn.BatchNorm2d)
    x = torch.rand(2, 3, 16, 24)
    assert net(x).shape == (2, 2, 16, 24)
    assert torch.equal(networks.Identity()(x), x)


def test_the_options_offer_every_network() -> None:
    assert set(NET_G) == set(networks.GENERATORS)
    assert set(NET_D) == set(networks.DISCRIMINATORS)
