"""Generators and discriminators.

Layers stand where the official code has them, so weights can be exchanged. Images are
(N, C, H, W) in [-1, 1]. Norm layers come from models/network_parts.py. ReflectionPad is
nn.ReflectionPad2d, with a reproducible gradient on GPUs if ``--deterministic`` is given.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence

import torch
from torch import nn

from models.network_parts import Norm, conv_needs_bias, fast_norm_layer
from util.errors import UserError
from util.init_weights import init_net
from util.modules import recompute_in_backward
from util.reflection import ReflectionPad, reflect_to_multiple

# isort: split
# Official names that models import from networks.py
from torch.nn import init  # noqa: F401
from torch.optim import lr_scheduler  # noqa: F401

from models.adversarial_loss import GANLoss  # noqa: F401
from models.network_parts import Identity, get_norm_layer  # noqa: F401
from util.gradient_penalty import cal_gradient_penalty  # noqa: F401
from util.init_weights import init_weights  # noqa: F401
from util.schedules import get_scheduler  # noqa: F401


def define_G(
    input_nc: int,
    output_nc: int,
    ngf: int,
    netG: str,
    norm: str = "batch",
    use_dropout: bool = False,
    init_type: str = "normal",
    init_gain: float = 0.02,
    gpu_ids: Sequence[int] = (),
) -> nn.Module:
    """A generator (N, input_nc, H, W) -> (N, output_nc, H, W), for any H and W.

    The default of ``norm`` is the official one; models pass ``--norm``, by default "instance".
    """
    if netG not in GENERATORS:
        raise NotImplementedError(f"netG {netG}: should be one of {', '.join(GENERATORS)}")
    options = {"norm_layer": fast_norm_layer(norm), "use_dropout": use_dropout}
    net = GENERATORS[netG](input_nc, output_nc, ngf=ngf, **options)
    return init_net(net, init_type, init_gain, gpu_ids)


def define_D(
    input_nc: int,
    ndf: int,
    netD: str,
    n_layers_D: int = 3,
    norm: str = "batch",
    init_type: str = "normal",
    init_gain: float = 0.02,
    gpu_ids: Sequence[int] = (),
) -> nn.Module:
    """A discriminator (N, input_nc, H, W) -> (N, 1, h, w): a score for each overlapping patch."""
    if netD not in DISCRIMINATORS:
        raise NotImplementedError(f"netD {netD}: should be one of {', '.join(DISCRIMINATORS)}")
    depth = {"n_layers": n_layers_D} if netD == "n_layers" else {}
    net = DISCRIMINATORS[netD](input_nc, ndf, norm_layer=fast_norm_layer(norm), **depth)
    # With (sync_)batch norm, images of a batch influence each other. forward_pair() then makes two
    # passes for real and fake images, and --accumulate does not equal one large batch.
    net.can_join_batches = "batch" not in norm  # type: ignore[assignment]
    return init_net(net, init_type, init_gain, gpu_ids)


class Generator(nn.Module):
    """Base of the generators: pads images to a size that their layers accept, and crops after.

    Subclasses implement ``apply_layers``, which gets images whose height and width are multiples of
    ``multiple`` and at least ``minimum``.
    """

    multiple, minimum = 1, 1  # pixels
    __constants__ = ["multiple", "minimum"]  # for torch.jit.script

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        padded = reflect_to_multiple(input, self.multiple, self.minimum)
        return self.apply_layers(padded)[..., : input.shape[2], : input.shape[3]]

    def apply_layers(self, x: torch.Tensor) -> torch.Tensor:
        raise NotImplementedError


class ResnetGenerator(Generator):
    """c7s1-64, d128, d256, n_blocks times R256, u128, u64, c7s1-3 (section 7.2; Johnson et al.)."""

    multiple = 4  # d128 and d256 halve the height and width
    minimum = 8  # gives the residual blocks 2x2 features, the smallest that can be reflected
    checkpoint_activations = False  # set by models/training/step.py
    __constants__ = [*Generator.__constants__, "checkpoint_activations"]

    def __init__(
        self,
        input_nc: int,
        output_nc: int,
        ngf: int = 64,
        norm_layer: Norm = nn.BatchNorm2d,
        use_dropout: bool = False,
        n_blocks: int = 6,
        padding_type: str = "reflect",
    ) -> None:
        super().__init__()
        self.use_dropout = use_dropout
        bias = conv_needs_bias(norm_layer)

        def stage(conv: nn.Module, channels: int) -> list[nn.Module]:
            return [conv, norm_layer(channels), nn.ReLU(True)]

        layers = [ReflectionPad(3), *stage(nn.Conv2d(input_nc, ngf, 7, bias=bias), ngf)]
        for c in (ngf, 2 * ngf):
            layers += stage(nn.Conv2d(c, 2 * c, 3, stride=2, padding=1, bias=bias), 2 * c)
        for _ in range(n_blocks):
            layers.append(ResnetBlock(4 * ngf, padding_type, norm_layer, use_dropout, bias))
        up = functools.partial(
            nn.ConvTranspose2d, kernel_size=3, stride=2, padding=1, output_padding=1, bias=bias
        )
        for c in (4 * ngf, 2 * ngf):
            layers += stage(up(c, c // 2), c // 2)
        layers += [ReflectionPad(3), nn.Conv2d(ngf, output_nc, 7), nn.Tanh()]
        self.model = nn.Sequential(*layers)

    def apply_layers(self, x: torch.Tensor) -> torch.Tensor:
        """Return ``model(x)``.

        With ``--checkpoint_activations``, the layers before the blocks, each block, and the layers
        after them keep only their inputs. backward() computes all other features again: same
        gradients, a third slower. Refused with other generators, and with batch norm, whose running
        statistics would be updated twice.
        """
        if self.checkpoint_activations and torch.is_grad_enabled():
            return recompute_in_backward(self.model, ResnetBlock, x, preserve_rng=self.use_dropout)
        return self.model(x)


class ResnetBlock(nn.Module):
    """x + two 3x3 convolutions of x, without a ReLU after the sum."""

    def __init__(
        self, dim: int, padding_type: str, norm_layer: Norm, use_dropout: bool, use_bias: bool
    ) -> None:
        super().__init__()
        self.conv_block = self.build_conv_block(
            dim, padding_type, norm_layer, use_dropout, use_bias
        )

    def build_conv_block(
        self, dim: int, padding_type: str, norm_layer: Norm, use_dropout: bool, use_bias: bool
    ) -> nn.Sequential:
        pads = {"reflect": ReflectionPad, "replicate": nn.ReplicationPad2d, "zero": None}
        if padding_type not in pads:
            raise NotImplementedError(f"padding_type {padding_type}: not one of {', '.join(pads)}")
        pad = pads[padding_type]

        def conv() -> list[nn.Module]:
            layer = nn.Conv2d(dim, dim, 3, padding=0 if pad else 1, bias=use_bias)
            return [*([pad(1)] if pad else []), layer, norm_layer(dim)]

        dropout = [nn.Dropout(0.5)] if use_dropout else []
        return nn.Sequential(*conv(), nn.ReLU(True), *dropout, *conv())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.conv_block(x)


class UnetGenerator(Generator):
    """Encoder and decoder with skip connections (pix2pix); halves the image ``num_downs`` times."""

    def __init__(
        self,
        input_nc: int,
        output_nc: int,
        num_downs: int,
        ngf: int = 64,
        norm_layer: Norm = nn.BatchNorm2d,
        use_dropout: bool = False,
    ) -> None:
        super().__init__()
        self.multiple = self.minimum = 2**num_downs
        block = functools.partial(UnetSkipConnectionBlock, norm_layer=norm_layer)
        unet = block(8 * ngf, 8 * ngf, innermost=True)
        for _ in range(num_downs - 5):  # 5: the innermost, three after this loop, the outermost
            unet = block(8 * ngf, 8 * ngf, submodule=unet, use_dropout=use_dropout)
        for c in (4 * ngf, 2 * ngf, ngf):
            unet = block(c, 2 * c, submodule=unet)
        self.model = block(output_nc, ngf, input_nc=input_nc, submodule=unet, outermost=True)

    def apply_layers(self, x: torch.Tensor) -> torch.Tensor:
        return self.model(x)


class UnetSkipConnectionBlock(nn.Module):
    """Down, ``submodule``, up; all blocks but the outermost also pass on their input."""

    def __init__(
        self,
        outer_nc: int,
        inner_nc: int,
        input_nc: int | None = None,
        submodule: nn.Module | None = None,
        outermost: bool = False,
        innermost: bool = False,
        norm_layer: Norm = nn.BatchNorm2d,
        use_dropout: bool = False,
    ) -> None:
        super().__init__()
        self.outermost = outermost
        bias = conv_needs_bias(norm_layer)
        halve = functools.partial(nn.Conv2d, kernel_size=4, stride=2, padding=1)
        double = functools.partial(nn.ConvTranspose2d, kernel_size=4, stride=2, padding=1)
        features = inner_nc if innermost else 2 * inner_nc  # a submodule also returns its input
        down = halve(input_nc or outer_nc, inner_nc, bias=bias)
        up = double(features, outer_nc, bias=bias or outermost)  # outermost: no norm follows
        layers: list[nn.Module | None]
        if outermost:
            layers = [down, submodule, nn.ReLU(True), up, nn.Tanh()]
        elif innermost:
            layers = [nn.LeakyReLU(0.2), down, nn.ReLU(True), up, norm_layer(outer_nc)]
        else:
            dropout = [nn.Dropout(0.5)] if use_dropout else []
            layers = [nn.LeakyReLU(0.2), down, norm_layer(inner_nc), submodule]
            layers += [nn.ReLU(True), up, norm_layer(outer_nc), *dropout]
        self.model = nn.Sequential(*(layer for layer in layers if layer is not None))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.model(x) if self.outermost else torch.cat([x, self.model(x)], 1)


# --netG -> constructor(input_nc, output_nc, ngf=, norm_layer=, use_dropout=). To add one:
# 1. Derive a class from Generator, with an apply_layers() of its own, and add a row here.
#    functools.partial sets further arguments. Those of new options pass through define_G.
# 2. Add its name to NET_G in options/flags/model.py: --help reads it without importing PyTorch.
# 3. To recognise such weights without their options, extend util/weight_shapes.py.
# For --upsample resize, util/upsampling.py replaces the transposed convolutions of any generator.
GENERATORS: dict[str, Callable[..., Generator]] = {
    "resnet_9blocks": functools.partial(ResnetGenerator, n_blocks=9),
    "resnet_6blocks": functools.partial(ResnetGenerator, n_blocks=6),
    "unet_256": functools.partial(UnetGenerator, num_downs=8),
    "unet_128": functools.partial(UnetGenerator, num_downs=7),
}


class NLayerDiscriminator(nn.Module):
    """PatchGAN C64-C128-C256-C512 (section 7.2); 3 layers: 70x70 patches."""

    def __init__(
        self, input_nc: int, ndf: int = 64, n_layers: int = 3, norm_layer: Norm = nn.BatchNorm2d
    ) -> None:
        super().__init__()
        conv = functools.partial(nn.Conv2d, kernel_size=4, padding=1)
        bias = conv_needs_bias(norm_layer)
        layers: list[nn.Module] = [conv(input_nc, ndf, stride=2), nn.LeakyReLU(0.2, True)]
        widths = [ndf * min(2**n, 8) for n in range(n_layers + 1)]
        for n in range(1, n_layers + 1):
            stride = 2 if n < n_layers else 1
            layers += [conv(widths[n - 1], widths[n], stride=stride, bias=bias)]
            layers += [norm_layer(widths[n]), nn.LeakyReLU(0.2, True)]
        self.model = nn.Sequential(*layers, conv(widths[-1], 1))
        # After n_layers halvings this gives 3x3 features; the last two layers make 2x2 and 1x1.
        self.minimum = 3 * 2**n_layers

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        height, width = input.shape[2], input.shape[3]
        if min(height, width) < self.minimum:
            raise UserError(
                f"images of {width}x{height} are too small for this discriminator, which needs "
                f"{self.minimum}: larger --crop_size, --netD n_layers with fewer layers, or pixel"
            )
        return self.model(input)


class PixelDiscriminator(nn.Module):
    """Judges each pixel separately (pix2pix)."""

    def __init__(self, input_nc: int, ndf: int = 64, norm_layer: Norm = nn.BatchNorm2d) -> None:
        super().__init__()
        conv, bias = functools.partial(nn.Conv2d, kernel_size=1), conv_needs_bias(norm_layer)
        layers = [conv(input_nc, ndf), nn.LeakyReLU(0.2, True)]
        layers += [conv(ndf, 2 * ndf, bias=bias), norm_layer(2 * ndf), nn.LeakyReLU(0.2, True)]
        self.net = nn.Sequential(*layers, conv(2 * ndf, 1, bias=bias))  # bias: as in official code

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        return self.net(input)


DISCRIMINATORS: dict[str, Callable[..., nn.Module]] = {  # --netD; the names: NET_D in model.py
    "basic": NLayerDiscriminator,
    "n_layers": NLayerDiscriminator,
    "pixel": PixelDiscriminator,
}
