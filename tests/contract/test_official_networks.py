"""Models of users build networks from the parts of networks.py; TorchScript exports them."""

from __future__ import annotations

import functools

import pytest
import torch
from steps import options, repeatable  # noqa: F401
from torch import nn

from models import create_model, networks

SIZES = {"resnet": [(16, 16), (17, 30), (3, 10)], "unet": [(128, 128), (129, 30), (5, 128)]}


NAMES = """
    Identity get_norm_layer get_scheduler init_weights init_net define_G define_D GANLoss
    cal_gradient_penalty ResnetGenerator ResnetBlock UnetGenerator UnetSkipConnectionBlock
    NLayerDiscriminator PixelDiscriminator torch nn init functools lr_scheduler
"""


def scripted_equals_eager(net: nn.Module, sizes: list[tuple[int, int]]) -> None:
    net.eval()
    script = torch.jit.script(net)
    for size in sizes:
        x = torch.rand(1, 3, *size) * 2 - 1
        with torch.no_grad(), torch.jit.optimized_execution(False):
            assert (script(x) - net(x)).abs().max() <= 1e-6


NORMS = ("instance", "batch", "none", "syncbatch")
FAST = {("resnet_6blocks", "instance", True), ("unet_128", "batch", True)}


@pytest.mark.parametrize(
    ("netG", "norm", "dropout"),
    [
        pytest.param(*which, marks=[] if which in FAST else pytest.mark.slow)
        for which in [(g, n, d) for g in networks.GENERATORS for n in NORMS for d in (False, True)]
    ],
)
def test_scripted_generators(netG: str, norm: str, dropout: bool) -> None:
    """A script pads each size as the network does, unlike a trace."""
    net = networks.define_G(3, 3, 2, netG, norm, use_dropout=dropout, init_gain=0.2)
    scripted_equals_eager(net, SIZES[netG.split("_")[0]])


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("netD", networks.DISCRIMINATORS)
def test_scripted_discriminators(netD: str, norm: str) -> None:
    net = networks.define_D(3, 2, netD, norm=norm, init_gain=0.2)
    scripted_equals_eager(net, [(32, 32), (33, 30), (24, 41)])


def has_bias(norm_layer) -> bool:
    """The comparison in networks that forks of the official code wrote themselves."""
    layer = norm_layer.func if type(norm_layer) is functools.partial else norm_layer
    return layer == nn.InstanceNorm2d


@pytest.mark.parametrize("norm", [*NORMS, "sync_batch", "sync_instance"])
def test_networks_of_users_find_the_official_norms(norm: str) -> None:
    norm_layer = networks.get_norm_layer(norm)
    assert has_bias(norm_layer) == ("instance" in norm)
    net = networks.define_D(3, 2, "basic", norm=norm)
    own = networks.NLayerDiscriminator(3, 2, norm_layer=norm_layer)
    assert list(own.state_dict()) == list(net.state_dict())
    assert ("model.2.bias" in own.state_dict()) == ("instance" in norm)
    own.load_state_dict(net.state_dict())
    x = torch.rand(2, 3, 32, 32)
    assert torch.allclose(own(input=x), net(input=x), atol=1e-6)


def test_only_the_official_instance_norm_brings_biases() -> None:
    """Weights of networks with other norms would not fit otherwise."""

    class Mine(nn.InstanceNorm2d):
        pass

    for norm_layer in (Mine, lambda channels: nn.InstanceNorm2d(channels), nn.BatchNorm2d):
        keys = networks.ResnetGenerator(3, 3, 2, norm_layer, n_blocks=1).state_dict()
        assert "model.1.bias" not in keys
    affine = functools.partial(nn.InstanceNorm2d, affine=True)
    assert {"model.1.bias", "model.2.weight"} <= set(
        networks.ResnetGenerator(3, 3, 2, affine, n_blocks=1).state_dict()
    )


@pytest.mark.parametrize(("padding", "last"), [("reflect", 6), ("replicate", 6), ("zero", 4)])
def test_padding_of_a_generator(padding: str, last: int) -> None:
    """Each padding layer counts in the names of the weights."""
    norm_layer = networks.get_norm_layer("instance")
    net = networks.ResnetGenerator(3, 3, 2, norm_layer, True, 2, padding_type=padding)
    first = last - (4 if padding == "zero" else 5)
    weights = [k for k in net.state_dict() if k.startswith("model.10") and k.endswith("weight")]
    assert weights == [f"model.10.conv_block.{n}.weight" for n in (first, last)]
    assert net(torch.rand(1, 3, 14, 9)).shape == (1, 3, 14, 9)
    with pytest.raises(NotImplementedError, match="mirror"):
        networks.ResnetGenerator(3, 3, 2, norm_layer, padding_type="mirror")


def test_a_block_with_its_own_layers() -> None:
    class Dilated(networks.ResnetBlock):
        def build_conv_block(self, dim, padding_type, norm_layer, use_dropout, use_bias):
            layers = super().build_conv_block(dim, padding_type, norm_layer, use_dropout, use_bias)
            dilated = nn.Conv2d(dim, dim, 3, padding=2, dilation=2, bias=use_bias)
            return nn.Sequential(dilated, *layers)

    block = Dilated(4, "zero", nn.BatchNorm2d, False, False)
    x = torch.rand(2, 4, 6, 7)
    assert block.conv_block[0].dilation == (2, 2) and block(x=x).shape == x.shape
    net = networks.define_G(3, 3, 4, "resnet_6blocks", "batch")
    net.model[10] = Dilated(16, "reflect", nn.BatchNorm2d, False, False)
    scripted_equals_eager(net, [(9, 16)])


def test_official_names_of_the_networks_file() -> None:
    """``from models.networks import *`` and attributes of the module serve networks of users."""
    namespace: dict = {}
    exec("from models.networks import *", namespace)
    assert not set(NAMES.split()) - namespace.keys()
    x = torch.rand(1, 2)
    assert networks.get_norm_layer("none")(8).forward(x=x) is x
    assert isinstance(networks.get_norm_layer("none")(8), networks.Identity)


def test_own_layers_are_initialised_by_their_names() -> None:
    class EqualConv(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.zeros(4, 3, 3, 3))
            self.bias = nn.Parameter(torch.ones(4))

    class ConvBlock(nn.Module):
        """Has no weight of its own."""

    plain = nn.BatchNorm2d(4, affine=False)
    net = nn.Sequential(EqualConv(), ConvBlock(), plain, nn.SyncBatchNorm(4), nn.LayerNorm(4))
    networks.init_weights(net, "xavier", init_gain=1.0)
    assert net[0].weight.std() > 0.1 and not net[0].bias.any()
    assert (net[3].weight == 1).all() and (net[4].weight == 1).all()


@pytest.mark.parametrize("model", ["cycle_gan", "pix2pix", "template"])
def test_a_networks_file_of_2025_serves_our_models(
    model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its define_G and define_D have no ``gpu_ids``."""

    def define_G(input_nc, output_nc, ngf, netG, norm, use_dropout, init_type, init_gain):
        return networks.ResnetGenerator(input_nc, output_nc, ngf, n_blocks=1)

    def define_D(input_nc, ndf, netD, n_layers_D, norm, init_type, init_gain):
        return networks.PixelDiscriminator(input_nc, ndf)

    monkeypatch.setattr(networks, "define_G", define_G)
    monkeypatch.setattr(networks, "define_D", define_D)
    made = create_model(options("--model", model, "--netG", "resnet_6blocks", "--ngf", "2"))
    assert all(next(net.parameters()).device == made.device for net in made.get_networks().values())
