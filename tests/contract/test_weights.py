"""Weight files: the architecture that they show, misfits, damaged and hostile files."""

import io
import itertools
import os
from collections import OrderedDict

import pytest
import torch

from models.networks import define_D, define_G
from util import checkpoint
from util.errors import UserError

NORMS = ("instance", "batch", "none")


def on_paper(make, *args):
    with torch.device("meta"):
        return make(*args)


def serialized(value, zipped=True):
    buffer = io.BytesIO()
    torch.save(value, buffer, _use_new_zipfile_serialization=zipped)
    return buffer.getvalue()


def refused(path, *words):
    """Loading ``path`` gives one readable line that names the file."""
    with pytest.raises(UserError) as error:
        checkpoint.load_state_dict(path)
    message = str(error.value)
    assert "\n" not in message
    assert all(word in message for word in (str(path), *words)), message
    return message


# The architecture that weights show


@pytest.mark.parametrize("netG", ["resnet_9blocks", "resnet_6blocks", "unet_256", "unet_128"])
def test_weights_show_the_architecture_of_a_generator(netG):
    for norm, dropout, (ins, outs), ngf in itertools.product(
        NORMS, (False, True), ((3, 3), (1, 2), (4, 1)), (1, 32, 64)
    ):
        architecture = checkpoint.architecture_of(
            on_paper(define_G, ins, outs, ngf, netG, norm, dropout).state_dict()
        )
        wanted = {"netG": netG, "norm": norm, "ngf": ngf, "input_nc": ins, "output_nc": outs}
        wanted["upsample"] = "transpose"
        if netG.startswith("resnet"):  # the weights of a U-Net do not show its dropout
            wanted["no_dropout"] = not dropout
        assert architecture == wanted


def test_weights_without_values_show_no_architecture() -> None:
    """Otherwise an error would name --ngf 0, which nobody has given."""
    assert checkpoint.architecture_of({"model.1.weight": torch.zeros(0, 3, 7, 7)}) == {}


@pytest.mark.parametrize("norm", NORMS)
def test_weights_show_the_architecture_of_a_discriminator(norm):
    for layers, ndf in itertools.product((1, 2, 3, 4, 5), (2, 64)):
        architecture = checkpoint.architecture_of(
            on_paper(define_D, 3, ndf, "n_layers", layers, norm).state_dict()
        )
        assert (architecture["n_layers_D"], architecture["norm"], architecture["ndf"]) == (
            layers,
            norm,
            ndf,
        )
    architecture = checkpoint.architecture_of(
        on_paper(define_D, 6, 16, "pixel", 3, norm).state_dict()
    )
    assert (architecture["netD"], architecture["norm"], architecture["ndf"]) == ("pixel", norm, 16)


@pytest.mark.parametrize(
    "shapes",
    [
        {},
        {"conv.weight": (4, 3, 3, 3)},
        {"model.1.weight": (4,)},
        {"model.1.weight": (4, 3, 7, 7), "head.c.weight": (4, 4, 1, 1)},
        {"model.model.0.weight": (4, 3, 4, 4)},
        {"model.0.weight": (4, 3, 4, 4)},
        {"net.0.weight": (4, 3, 1, 1)},
    ],
    ids=str,
)
def test_other_networks_are_no_reason_to_crash(shapes):
    """A custom generator may have such keys; its weights go through the same functions."""
    state = {k: torch.zeros(s) for k, s in shapes.items()}
    assert isinstance(checkpoint.architecture_of(state), dict)
    with pytest.raises(UserError):
        checkpoint.fit_state_dict(define_D(3, 4, "basic"), state, "file.pth")


# Weights that fit


def same(net, state):
    return all(torch.equal(v, state[k]) for k, v in net.state_dict().items() if k in state)


def test_saved_weights_load_strictly_and_with_weights_only(tmp_path):
    net, other = (define_G(3, 3, 4, "unet_128", "batch") for _ in range(2))
    path = tmp_path / "deep" / "latest_net_G.pth"
    checkpoint.save_state_dict(net.state_dict(), path)
    plain = torch.load(path, weights_only=True)  # as the official code reads it
    assert type(plain) is OrderedDict and list(plain) == list(net.state_dict())
    assert {(type(v), v.device.type) for v in plain.values()} == {(torch.Tensor, "cpu")}
    checkpoint.fit_state_dict(other, checkpoint.load_state_dict(path), path)
    assert same(other, plain)
    assert [p.name for p in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("zipped", [False, True])
def test_weights_from_before_pytorch_0_4_load(zipped, tmp_path):
    stale = (
        "running_mean",
        "running_var",
        *["num_batches_tracked"][:zipped],
    )  # the last since 0.4.1
    net, path = define_G(3, 3, 4, "resnet_6blocks", "instance"), tmp_path / "x.pth"
    old = OrderedDict(net.state_dict())
    for name, module in net.named_modules():
        if isinstance(module, torch.nn.InstanceNorm2d):
            old |= {f"{name}.{key}": torch.ones(4) for key in stale}
    assert len(old) > len(net.state_dict())
    path.write_bytes(serialized(old, zipped))
    fresh = define_G(3, 3, 4, "resnet_6blocks", "instance")
    checkpoint.fit_state_dict(fresh, checkpoint.load_state_dict(path), path)
    assert same(fresh, old)
    assert checkpoint.architecture_of(old) == checkpoint.architecture_of(net.state_dict())


def test_batch_norm_weights_from_before_pytorch_0_4_1_load():
    """The files lack num_batches_tracked, which PyTorch adds when it loads them."""
    net, fresh = (define_G(3, 3, 4, "unet_128", "batch") for _ in range(2))
    old = {k: v for k, v in net.state_dict().items() if not k.endswith("num_batches_tracked")}
    checkpoint.fit_state_dict(fresh, old, "file.pth")
    assert same(fresh, old)


def test_weights_of_a_data_parallel_network_load(tmp_path):
    net, fresh, path = define_D(3, 4, "basic"), define_D(3, 4, "basic"), tmp_path / "x.pth"
    path.write_bytes(serialized(torch.nn.DataParallel(net).state_dict()))
    checkpoint.fit_state_dict(fresh, checkpoint.load_state_dict(path), path)
    assert same(fresh, net.state_dict())


def test_a_custom_network_with_a_part_called_module_keeps_its_names(tmp_path):
    net, path = torch.nn.ModuleDict({"module": torch.nn.Conv2d(1, 1, 1)}), tmp_path / "x.pth"
    checkpoint.save_state_dict(net.state_dict(), path)
    checkpoint.fit_state_dict(net, checkpoint.load_state_dict(path), path)


# Weights that do not fit


@pytest.mark.parametrize(
    ("built", "found", "words"),
    [
        (
            ("resnet_6blocks", "instance"),
            ("resnet_6blocks", "batch"),
            "--norm is instance, found batch",
        ),
        (("resnet_6blocks", "batch"), ("resnet_6blocks", "none"), "--norm is batch, found none"),
        (
            ("resnet_9blocks", "batch"),
            ("resnet_6blocks", "batch"),
            "--netG is resnet_9blocks, found resnet_6blocks",
        ),
        (
            ("unet_256", "batch"),
            ("resnet_9blocks", "batch"),
            "--netG is unet_256, found resnet_9blocks",
        ),
        (("unet_256", "batch"), ("unet_128", "batch"), "--netG is unet_256, found unet_128"),
        (
            ("resnet_6blocks", "batch", True),
            ("resnet_6blocks", "batch"),
            "--no_dropout is False, found True",
        ),
        (
            (3, 3, 4, "unet_128"),
            (3, 1, 8, "unet_128"),
            "--ngf is 4, found 8; --output_nc is 3, found 1",
        ),
        ((1, 3, 4, "unet_128"), (4, 3, 4, "unet_128"), "--input_nc is 1, found 4"),
    ],
)
def test_misfitting_generators_name_flag_given_and_found(built, found, words):
    built, found = (
        args if isinstance(args[0], int) else (3, 3, 4, *args) for args in (built, found)
    )
    with pytest.raises(UserError) as error:
        checkpoint.fit_state_dict(
            on_paper(define_G, *built), on_paper(define_G, *found).state_dict(), "dir/file.pth"
        )
    assert str(error.value) == f"the weights in dir/file.pth do not fit the network: {words}"


@pytest.mark.parametrize(
    ("built", "found", "words"),
    [
        ((3, 4, "basic"), (3, 8, "basic"), ["--ndf is 4, found 8"]),
        ((3, 4, "basic"), (3, 4, "n_layers", 5), ["--n_layers_D is 3, found 5"]),
        (
            (3, 4, "basic", 3, "batch"),
            (3, 4, "basic", 3, "instance"),
            ["--norm is batch, found instance"],
        ),
        ((3, 4, "basic"), (3, 4, "pixel"), ["--netD", "found pixel"]),
        ((3, 4, "pixel"), (3, 4, "basic"), ["--netD is pixel"]),
        ((6, 4, "basic"), (3, 4, "basic"), ["model.0.weight", "(4, 6, 4, 4)", "(4, 3, 4, 4)"]),
    ],
)
def test_misfitting_discriminators_name_flag_given_and_found(built, found, words):
    with pytest.raises(UserError) as error:
        checkpoint.fit_state_dict(
            on_paper(define_D, *built), on_paper(define_D, *found).state_dict(), "dir/file.pth"
        )
    assert all(word in str(error.value) for word in words), str(error.value)


# Damaged, hostile and missing files


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("keep", [0, 1, 50, 1000, 0.5, -10])
def test_truncated_files_are_refused(zipped, keep, tmp_path):
    whole, path = (
        serialized(define_D(3, 4, "basic").state_dict(), zipped),
        tmp_path / "latest_net_G.pth",
    )
    path.write_bytes(whole[: int(keep * len(whole)) if isinstance(keep, float) else keep])
    refused(path)


class Hostile(str):
    def __reduce__(self):
        return os.mkdir, (str(self),)


@pytest.mark.parametrize(
    "content",
    [
        b"<html>404</html>",
        serialized([torch.zeros(2)]),
        serialized({"a": 1}),
        serialized({"model": {"a": torch.zeros(2)}}),
        serialized(Hostile("/never/made")),
    ],
    ids=["html", "list", "number", "nested", "code"],
)
def test_other_files_are_refused(content, tmp_path):
    path = tmp_path / "latest_net_G.pth"
    path.write_bytes(content)
    # PyTorch advises to switch weights_only off, which users must not do.
    assert "weights_only" not in refused(path)


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("hidden", [False, True])
def test_code_in_a_file_does_not_run(zipped, hidden, tmp_path):
    path, marker = tmp_path / "latest_net_G.pth", tmp_path / "ran"
    path.write_bytes(
        serialized(
            {"model.1.weight": torch.zeros(1), "x": Hostile(str(marker))}
            if hidden
            else Hostile(str(marker)),
            zipped,
        )
    )
    refused(path)
    assert not marker.exists()


def test_the_error_of_a_missing_file_lists_the_folder(tmp_path):
    refused(tmp_path / "none" / "5_net_G.pth", "no such folder")
    refused(tmp_path / "5_net_G.pth", "no .pth files")
    (tmp_path / "latest_net_G_A.pth").touch()
    refused(tmp_path / "5_net_G.pth", "latest_net_G_A.pth")


def test_options_of_a_run(tmp_path):
    assert checkpoint.saved_options(tmp_path) == {}
    (tmp_path / "train_opt.json").write_text('{"ngf": 32}')
    assert checkpoint.saved_options(tmp_path) == {"ngf": 32}
    for broken in ('{"ngf": 3', "[]", "\0"):
        (tmp_path / "train_opt.json").write_text(broken)
        with pytest.raises(UserError, match="train_opt.json"):
            checkpoint.saved_options(tmp_path)
