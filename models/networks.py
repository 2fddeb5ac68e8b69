"""Generators and discriminators, and how they are made and initialised.

Layer positions are those of the official code, so that weights can be exchanged. Images are (N, C, H, W) in [-1, 1].
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence

import torch
from torch import nn
from torch.nn import init
from torch.optim import Optimizer, lr_scheduler
from torch.utils.checkpoint import checkpoint

from models.adversarial_loss import GANLoss, cal_gradient_penalty
from models.network_parts import (
    InstanceNorm,
    ReflectionPad,
    SyncBatchNorm,
    forward_pair,
    reflect_to_multiple,
    samples_independent,
)
from util import schedules
from util.errors import UserError

__all__ = [
    "GANLoss",
    "forward_pair",
    "samples_independent",
    "cal_gradient_penalty",
    "define_D",
    "define_G",
    "get_norm_layer",
    "get_scheduler",
    "init_net",
    "init_weights",
]


def get_norm_layer(norm_type: str = "instance") -> Callable[[int], nn.Module]:
    """``channels -> layer``. Instance norm has neither learned parameters nor running statistics, so it is never synchronised."""
    if norm_type == "batch":
        return functools.partial(nn.BatchNorm2d, affine=True, track_running_stats=True)
    if norm_type == "sync_batch":
        return SyncBatchNorm
    if norm_type in ("instance", "sync_instance"):
        return functools.partial(InstanceNorm, affine=False, track_running_stats=False)
    if norm_type == "none":
        return lambda channels: nn.Identity()
    raise ValueError(f"norm {norm_type}: should be (sync_)batch, (sync_)instance or none")


def init_weights(net: nn.Module, init_type: str = "normal", init_gain: float = 0.02) -> None:
    """Initialise in place: convolutions by ``init_type`` with bias 0, batch norm scales N(1, init_gain) with shift 0."""
    fill = {
        "normal": lambda w: init.normal_(w, 0.0, init_gain),
        "xavier": lambda w: init.xavier_normal_(w, gain=init_gain),
        "kaiming": lambda w: init.kaiming_normal_(w, a=0, mode="fan_in"),
        "orthogonal": lambda w: init.orthogonal_(w, gain=init_gain),
    }
    if init_type not in fill:
        raise ValueError(f"init_type {init_type}: should be one of {', '.join(fill)}")
    for module in net.modules():
        if isinstance(module, (nn.modules.conv._ConvNd, nn.Linear)):
            fill[init_type](module.weight.data)
            if module.bias is not None:
                init.zeros_(module.bias)
        elif isinstance(module, (nn.BatchNorm2d, nn.SyncBatchNorm)):
            init.normal_(module.weight.data, 1.0, init_gain)
            init.zeros_(module.bias)


def init_net(
    net: nn.Module, init_type: str = "normal", init_gain: float = 0.02, gpu_ids: Sequence[int] = ()
) -> nn.Module:
    """Initialise on the CPU, where a seed means the same everywhere, then move to the GPU."""
    init_weights(net, init_type, init_gain)
    return net.to(f"cuda:{gpu_ids[0]}") if gpu_ids else net


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
    """A generator (N, input_nc, H, W) -> (N, output_nc, H, W) in [-1, 1], for any H and W.

    Args:
        netG: resnet_9blocks or resnet_6blocks (Johnson et al.; paper, section 7.2), unet_256 or unet_128 (pix2pix).
    """
    makers: dict[str, Callable[..., Generator]] = {
        "resnet_9blocks": functools.partial(ResnetGenerator, n_blocks=9),
        "resnet_6blocks": functools.partial(ResnetGenerator, n_blocks=6),
        "unet_256": functools.partial(UnetGenerator, num_downs=8),
        "unet_128": functools.partial(UnetGenerator, num_downs=7),
    }
    if netG not in makers:
        raise ValueError(f"netG {netG}: should be one of {', '.join(makers)}")
    net = makers[netG](
        input_nc, output_nc, ngf=ngf, norm_layer=get_norm_layer(norm), use_dropout=use_dropout
    )
    net.samples_independent = "batch" not in norm
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
    """A discriminator (N, input_nc, H, W) -> (N, 1, h, w), one logit per overlapping patch.

    Args:
        netD: basic (patches of 70x70; paper, section 7.2), n_layers (with ``n_layers_D``) or pixel (1x1).
    """
    norm_layer = get_norm_layer(norm)
    makers: dict[str, Callable[[], NLayerDiscriminator | PixelDiscriminator]] = {
        "basic": lambda: NLayerDiscriminator(input_nc, ndf, 3, norm_layer),
        "n_layers": lambda: NLayerDiscriminator(input_nc, ndf, n_layers_D, norm_layer),
        "pixel": lambda: PixelDiscriminator(input_nc, ndf, norm_layer),
    }
    if netD not in makers:
        raise ValueError(f"netD {netD}: should be one of {', '.join(makers)}")
    net = makers[netD]()
    net.samples_independent = "batch" not in norm
    return init_net(net, init_type, init_gain, gpu_ids)


def get_scheduler(
    optimizer: Optimizer, opt
) -> lr_scheduler.LRScheduler | lr_scheduler.ReduceLROnPlateau:
    """A scheduler to step after each epoch, for code that keeps its own; ``BaseModel`` sets rates by the epoch itself."""
    if opt.lr_policy == "plateau":
        return lr_scheduler.ReduceLROnPlateau(
            optimizer, mode="min", factor=0.2, threshold=0.01, patience=5
        )
    return lr_scheduler.LambdaLR(
        optimizer, lambda done: schedules.lr_factor(opt, opt.epoch_count + done)
    )


def _biased(norm_layer: Callable[[int], nn.Module]) -> bool:
    """Whether convolutions before this norm have a bias: officially only with instance norm, which has no shift."""
    return isinstance(norm_layer(1), nn.InstanceNorm2d)


class Generator(nn.Module):
    """Base of the generators: fits images of any size to the strides of ``self.model`` and crops the result back."""

    multiple, least = 1, 1
    model: nn.Module
    samples_independent = False  # whether each image of a batch is treated as if it were alone

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.run(reflect_to_multiple(x, self.multiple, self.least))[
            ..., : x.shape[2], : x.shape[3]
        ]

    def run(self, x: torch.Tensor) -> torch.Tensor:
        return self.model(x)


class ResnetGenerator(Generator):
    """c7s1-64, d128, d256, R256 x n, u128, u64, c7s1-3 with reflection padding (paper, section 7.2)."""

    model: nn.Sequential
    checkpoint_activations = False  # keep what lies between residual blocks; recompute the rest
    multiple, least = 4, 8  # two halvings; a residual block's padding needs 2x2 features

    def __init__(
        self,
        input_nc: int,
        output_nc: int,
        ngf: int = 64,
        norm_layer=nn.BatchNorm2d,
        use_dropout: bool = False,
        n_blocks: int = 6,
    ) -> None:
        super().__init__()
        self.use_dropout = use_dropout
        bias = _biased(norm_layer)
        layers: list[nn.Module] = [
            ReflectionPad(3),
            nn.Conv2d(input_nc, ngf, 7, bias=bias),
            norm_layer(ngf),
            nn.ReLU(True),
        ]
        for c in (ngf, 2 * ngf):
            layers += [
                nn.Conv2d(c, 2 * c, 3, stride=2, padding=1, bias=bias),
                norm_layer(2 * c),
                nn.ReLU(True),
            ]
        layers += [ResnetBlock(4 * ngf, norm_layer, use_dropout, bias) for _ in range(n_blocks)]
        for c in (4 * ngf, 2 * ngf):
            layers += [
                nn.ConvTranspose2d(c, c // 2, 3, stride=2, padding=1, output_padding=1, bias=bias),
                norm_layer(c // 2),
                nn.ReLU(True),
            ]
        self.model = nn.Sequential(
            *layers, ReflectionPad(3), nn.Conv2d(ngf, output_nc, 7), nn.Tanh()
        )

    def run(self, x: torch.Tensor) -> torch.Tensor:
        if not (self.checkpoint_activations and torch.is_grad_enabled()):
            return self.model(x)
        blocks = [i for i, part in enumerate(self.model) if isinstance(part, ResnetBlock)]
        middle = (self.model[i] for i in blocks)
        for part in (self.model[: blocks[0]], *middle, self.model[blocks[-1] + 1 :]):
            x = checkpoint(part, x, use_reentrant=False, preserve_rng_state=self.use_dropout)
        return x


class ResnetBlock(nn.Module):
    """x + two 3x3 convolutions of x, without a ReLU after the sum."""

    def __init__(self, channels: int, norm_layer, use_dropout: bool, bias: bool) -> None:
        super().__init__()

        def conv() -> list[nn.Module]:
            return [
                ReflectionPad(1),
                nn.Conv2d(channels, channels, 3, bias=bias),
                norm_layer(channels),
            ]

        self.conv_block = nn.Sequential(
            *conv(), nn.ReLU(True), *([nn.Dropout(0.5)] if use_dropout else []), *conv()
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.conv_block(x)


class UnetGenerator(Generator):
    """Encoder and decoder with skip connections (pix2pix): ``num_downs`` halvings, so 7 reach 1x1 from 128x128."""

    def __init__(
        self,
        input_nc: int,
        output_nc: int,
        num_downs: int,
        ngf: int = 64,
        norm_layer=nn.BatchNorm2d,
        use_dropout: bool = False,
    ) -> None:
        super().__init__()
        self.multiple = self.least = 2**num_downs
        block = UnetBlock(8 * ngf, 8 * ngf, norm_layer=norm_layer)
        for _ in range(num_downs - 5):
            block = UnetBlock(8 * ngf, 8 * ngf, block, norm_layer, use_dropout)
        for c in (4 * ngf, 2 * ngf, ngf):
            block = UnetBlock(c, 2 * c, block, norm_layer)
        self.model = UnetBlock(output_nc, ngf, block, norm_layer, input_nc=input_nc)


class UnetBlock(nn.Module):
    """Down, the block inside, up; joined with its own input, but for the outermost (the one with ``input_nc``)."""

    def __init__(
        self,
        outer_nc: int,
        inner_nc: int,
        inside: UnetBlock | None = None,
        norm_layer=nn.BatchNorm2d,
        use_dropout: bool = False,
        input_nc: int | None = None,
    ) -> None:
        super().__init__()
        self.outermost = input_nc is not None
        bias = _biased(norm_layer)
        down = nn.Conv2d(input_nc or outer_nc, inner_nc, 4, stride=2, padding=1, bias=bias)
        up = nn.ConvTranspose2d(
            2 * inner_nc if inside else inner_nc,
            outer_nc,
            4,
            stride=2,
            padding=1,
            bias=bias or self.outermost,
        )
        if self.outermost:
            assert inside is not None
            layers: list[nn.Module] = [down, inside, nn.ReLU(True), up, nn.Tanh()]
        elif inside is None:
            layers = [nn.LeakyReLU(0.2), down, nn.ReLU(True), up, norm_layer(outer_nc)]
        else:
            layers = [
                nn.LeakyReLU(0.2),
                down,
                norm_layer(inner_nc),
                inside,
                nn.ReLU(True),
                up,
                norm_layer(outer_nc),
            ]
            layers += [nn.Dropout(0.5)] if use_dropout else []
        self.model = nn.Sequential(*layers)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.model(x) if self.outermost else torch.cat([x, self.model(x)], 1)


class NLayerDiscriminator(nn.Module):
    """PatchGAN C64-C128-C256-C512 (paper, section 7.2); the last two convolutions have stride 1: patches of 70x70."""

    samples_independent = False

    def __init__(
        self, input_nc: int, ndf: int = 64, n_layers: int = 3, norm_layer=nn.BatchNorm2d
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = [
            nn.Conv2d(input_nc, ndf, 4, stride=2, padding=1),
            nn.LeakyReLU(0.2, True),
        ]
        widths = [ndf * min(2**n, 8) for n in range(n_layers + 1)]
        for n in range(1, n_layers + 1):
            layers += [
                nn.Conv2d(
                    widths[n - 1],
                    widths[n],
                    4,
                    stride=2 if n < n_layers else 1,
                    padding=1,
                    bias=_biased(norm_layer),
                ),
                norm_layer(widths[n]),
                nn.LeakyReLU(0.2, True),
            ]
        self.model = nn.Sequential(*layers, nn.Conv2d(widths[-1], 1, 4, padding=1))
        self.least = 3 * 2**n_layers  # smaller images leave nothing to normalise, or to convolve

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if min(x.shape[2:]) < self.least:
            raise UserError(
                f"images of {x.shape[3]}x{x.shape[2]} are too small for this discriminator, which needs "
                f"{self.least}: give a larger --crop_size, --netD n_layers with fewer --n_layers_D, or --netD pixel"
            )
        return self.model(x)


class PixelDiscriminator(nn.Module):
    """Judges each pixel by itself (pix2pix)."""

    samples_independent = False

    def __init__(self, input_nc: int, ndf: int = 64, norm_layer=nn.BatchNorm2d) -> None:
        super().__init__()
        bias = _biased(norm_layer)
        self.net = nn.Sequential(
            nn.Conv2d(input_nc, ndf, 1),
            nn.LeakyReLU(0.2, True),
            nn.Conv2d(ndf, 2 * ndf, 1, bias=bias),
            norm_layer(2 * ndf),
            nn.LeakyReLU(0.2, True),
            nn.Conv2d(2 * ndf, 1, 1, bias=bias),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.net(x)
