"""The networks against the layers of their papers, written out by hand, with the same weights."""

import pytest
import torch
from steps import repeatable  # noqa: F401
from torch.nn import functional as F

from models.networks import define_D, define_G


class Layers:
    """Applies layers whose weights have the official names."""

    def __init__(self, net, norm):
        self.state, self.kind = net.state_dict(), norm

    def conv(self, x, name, **options):
        return F.conv2d(x, self.state[f"{name}.weight"], self.state.get(f"{name}.bias"), **options)

    def up(self, x, name, **options):
        return F.conv_transpose2d(
            x,
            self.state[f"{name}.weight"],
            self.state.get(f"{name}.bias"),
            stride=2,
            padding=1,
            **options,
        )

    def norm(self, x, name):
        """Normalise with the statistics of these images, as in training mode."""
        if self.kind == "none":
            return x
        over = (2, 3) if self.kind == "instance" else (0, 2, 3)
        x = (x - x.mean(over, keepdim=True)) / (
            x.var(over, unbiased=False, keepdim=True) + 1e-5
        ).sqrt()
        if self.kind == "instance":
            assert f"{name}.weight" not in self.state
            return x
        return x * self.state[f"{name}.weight"].view(1, -1, 1, 1) + self.state[f"{name}.bias"].view(
            1, -1, 1, 1
        )


def resnet(layers, x, blocks):
    def at(n):
        return f"model.{n}"

    x = layers.norm(layers.conv(F.pad(x, (3,) * 4, "reflect"), at(1)), at(2)).relu()
    for n in (4, 7):
        x = layers.norm(layers.conv(x, at(n), stride=2, padding=1), at(n + 1)).relu()
    for n in range(10, 10 + blocks):
        y = layers.conv(F.pad(x, (1,) * 4, "reflect"), f"{at(n)}.conv_block.1")
        y = layers.norm(y, f"{at(n)}.conv_block.2").relu()
        y = layers.conv(F.pad(y, (1,) * 4, "reflect"), f"{at(n)}.conv_block.5")
        x = x + layers.norm(y, f"{at(n)}.conv_block.6")
    for n in (10 + blocks, 13 + blocks):
        x = layers.norm(layers.up(x, at(n), output_padding=1), at(n + 1)).relu()
    return layers.conv(F.pad(x, (3,) * 4, "reflect"), at(17 + blocks)).tanh()


def unet(layers, x, depth, path="model.model", level=1):
    """One level of the U: down, the levels inside, up; joined with the input below the top."""
    if level == 1:
        inside = unet(
            layers, layers.conv(x, f"{path}.0", stride=2, padding=1), depth, f"{path}.1.model", 2
        )
        return layers.up(inside.relu(), f"{path}.3").tanh()
    down = layers.conv(F.leaky_relu(x, 0.2), f"{path}.1", stride=2, padding=1)
    if level == depth:
        y = layers.norm(layers.up(down.relu(), f"{path}.3"), f"{path}.4")
    else:
        inside = unet(layers, layers.norm(down, f"{path}.2"), depth, f"{path}.3.model", level + 1)
        y = layers.norm(layers.up(inside.relu(), f"{path}.5"), f"{path}.6")
    return torch.cat([x, y], 1)


def patches(layers, x, n_layers):
    x = F.leaky_relu(layers.conv(x, "model.0", stride=2, padding=1), 0.2)
    for n in range(1, n_layers + 1):
        x = layers.conv(x, f"model.{3 * n - 1}", stride=2 if n < n_layers else 1, padding=1)
        x = F.leaky_relu(layers.norm(x, f"model.{3 * n}"), 0.2)
    return layers.conv(x, f"model.{3 * n_layers + 2}", padding=1)


def pixel(layers, x):
    x = F.leaky_relu(layers.conv(x, "net.0"), 0.2)
    x = F.leaky_relu(layers.norm(layers.conv(x, "net.2"), "net.3"), 0.2)
    return layers.conv(x, "net.5")


NETWORKS = {
    "resnet_9blocks": (
        lambda norm: define_G(3, 2, 4, "resnet_9blocks", norm, init_gain=0.2),
        24,
        lambda *a: resnet(*a, 9),
    ),
    "resnet_6blocks": (
        lambda norm: define_G(3, 2, 4, "resnet_6blocks", norm, init_gain=0.2),
        24,
        lambda *a: resnet(*a, 6),
    ),
    "unet_256": (
        lambda norm: define_G(3, 2, 4, "unet_256", norm, init_gain=0.2),
        256,
        lambda *a: unet(*a, 8),
    ),
    "unet_128": (
        lambda norm: define_G(3, 2, 4, "unet_128", norm, init_gain=0.2),
        128,
        lambda *a: unet(*a, 7),
    ),
    "basic": (
        lambda norm: define_D(3, 4, "basic", norm=norm, init_gain=0.2),
        48,
        lambda *a: patches(*a, 3),
    ),
    "n_layers 1": (
        lambda norm: define_D(3, 4, "n_layers", 1, norm, init_gain=0.2),
        48,
        lambda *a: patches(*a, 1),
    ),
    "n_layers 5": (
        lambda norm: define_D(3, 4, "n_layers", 5, norm, init_gain=0.2),
        160,
        lambda *a: patches(*a, 5),
    ),
    "pixel": (lambda norm: define_D(3, 4, "pixel", norm=norm, init_gain=0.2), 9, pixel),
}


@pytest.mark.parametrize("norm", ["instance", "batch", "none"])
@pytest.mark.parametrize("which", NETWORKS)
def test_forward(which, norm):
    make, size, by_hand = NETWORKS[which]
    net = make(norm).double()
    for name, p in net.named_parameters():  # biases are 0 at first: make them matter
        if name.endswith("bias"):
            p.data.normal_(0, 0.1)
    x = torch.rand(2, 3, size, size, dtype=torch.float64) * 2 - 1
    with torch.no_grad():
        made, wanted = net(x), by_hand(Layers(net, norm), x)
    assert made.shape == wanted.shape and made.std() > 1e-4
    assert torch.allclose(made, wanted, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("which", ["resnet_6blocks", "unet_128", "basic", "pixel"])
def test_evaluation_uses_running_statistics(which):
    make, size, _ = NETWORKS[which]
    net = make("batch").double()
    x = torch.rand(2, 3, size, size, dtype=torch.float64)
    trained = net(x)
    with torch.no_grad():
        one, both = net.eval()(x[:1]), net(x)
    assert torch.allclose(one, both[:1])  # each image alone
    assert not torch.allclose(both, trained, atol=1e-3)
