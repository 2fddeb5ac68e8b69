"""--upsample resize: the layers, the weights that show it, and what is refused."""

from __future__ import annotations

import json
from argparse import Namespace
from pathlib import Path

import pytest
import torch
from conftest import CPU, ONE_EPOCH, TINY, Programs
from torch import nn

from models import create_model, load_generator, networks
from options.test_options import TestOptions
from options.train_options import TrainOptions
from util.checkpoint import fit_state_dict, load_state_dict
from util.errors import UsageError, UserError
from util.upsampling import ResizeConv2d, use_upsampling
from util.weight_shapes import architecture_of

NETS = ("resnet_6blocks", "resnet_9blocks", "unet_128", "unet_256")
OPT = Namespace(upsample="resize", netG="x", init_type="normal", init_gain=0.02)


def resized(netG: str, ins: int = 3, outs: int = 3, ngf: int = 2, norm: str = "instance"):
    net = networks.define_G(ins, outs, ngf, netG, norm)
    use_upsampling(OPT, net)
    return net


def test_a_uniform_image_stays_uniform() -> None:
    """A transposed convolution of the same image has a pattern with a period of 2 pixels."""
    torch.manual_seed(0)
    image = torch.ones(1, 3, 6, 6)
    official = nn.ConvTranspose2d(3, 4, 3, stride=2, padding=1, output_padding=1)
    with torch.no_grad():
        result, pattern = ResizeConv2d(3, 4)(image), official(image)[..., 2:-2, 2:-2]
    assert result.shape == (1, 4, 12, 12) and result.std((2, 3)).max() < 1e-6
    assert pattern.std((2, 3)).min() > 0.01


@pytest.mark.parametrize(
    "netG", ["resnet_6blocks", pytest.param("unet_128", marks=pytest.mark.slow)]
)
def test_layers_are_replaced(netG: str) -> None:
    """All of them, with weights of --init_gain; any size is translated, also in TorchScript."""
    torch.manual_seed(0)
    net, official = resized(netG), networks.define_G(3, 3, 2, netG, "instance")
    count = 2 if netG == "resnet_6blocks" else 7
    layers = [layer for layer in net.modules() if isinstance(layer, ResizeConv2d)]
    assert len(layers) == count
    assert not any(isinstance(layer, nn.ConvTranspose2d) for layer in net.modules())
    assert net.state_dict().keys() == official.state_dict().keys()
    values = torch.cat([layer.weight.flatten() for layer in layers])
    assert 0.018 < values.std() < 0.022
    script = torch.jit.script(net)
    for size in ((128, 128), (37, 50)):
        image = torch.rand(1, 3, *size) * 2 - 1
        with torch.no_grad(), torch.jit.optimized_execution(False):
            result = net(image)
            assert result.shape == image.shape
            torch.testing.assert_close(script(image), result)


@pytest.mark.parametrize("netG", NETS)
def test_weights_show_it(netG: str) -> None:
    for ins, outs, ngf, norm in ((3, 3, 4, "instance"), (1, 2, 1, "batch"), (4, 1, 8, "none")):
        found = architecture_of(resized(netG, ins, outs, ngf, norm).state_dict())
        wanted = {"netG": netG, "norm": norm, "ngf": ngf, "input_nc": ins, "output_nc": outs}
        assert wanted.items() <= found.items() and found["upsample"] == "resize"


@pytest.mark.parametrize("netG", NETS[::2])
def test_weights_of_the_other_kind_are_refused(netG: str) -> None:
    net, official = resized(netG), networks.define_G(3, 3, 2, netG, "instance")
    for built, other, words in ((net, official, "resize, found transpose"),
                                (official, net, "transpose, found resize")):  # fmt: skip
        with pytest.raises(
            UserError, match=f"do not fit .*: --upsample .--upsample_B for G_B. is {words}$"
        ):
            fit_state_dict(built, other.state_dict(), Path("x.pth"))


def test_a_run_is_trained_resumed_tested_and_loaded(run: Programs, unaligned: Path) -> None:
    """The option is read from the run, or from the weights if nothing else is left."""
    flags = ("--dataroot", unaligned, "--name", "r", "--max_dataset_size", "2", "--panel_size", "0")
    run.train(*flags, *TINY, *ONE_EPOCH, "--upsample", "resize").ok()
    run.train("--continue_train", "--name", "r", "--n_epochs", "2", *CPU).ok()
    weights = run.runs / "r" / "latest_net_G_A.pth"
    assert architecture_of(load_state_dict(weights))["upsample"] == "resize"
    image = torch.rand(3, 32, 32) * 2 - 1
    translated = load_generator(run.runs / "r", gpu_ids="-1")(image)
    (run.runs / "r" / "train_opt.json").unlink()
    assert (load_generator(run.runs / "r", gpu_ids="-1")(image) == translated).all()
    run.test("--dataroot", unaligned, "--name", "r", "--model", "cycle_gan", *CPU).ok()
    tested = ("--dataroot", unaligned / "testA", "--name", "r", *CPU)
    run.test(*tested, "--upsample", "transpose").refused(
        1,
        "latest_net_G_A.pth do not fit the network: --upsample (--upsample_B for G_B) is transpose",
    )
    new = (*flags[:2], "--name", "new", *TINY, *ONE_EPOCH, "--init_G_A", weights)
    run.train(*new).refused(1, "--init_G_A", "is transpose, found resize")
    run.train(*new, *flags[4:], "--upsample", "resize").ok()


@pytest.mark.parametrize("other", ["resize", "transpose"])
def test_the_other_direction_may_differ(
    run: Programs, unaligned: Path, other: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """--upsample_B is for G_B alone; test.py reads it from the run, or from the weights."""
    first = "transpose" if other == "resize" else "resize"
    flags = ("--dataroot", unaligned, "--name", "r", "--max_dataset_size", "2", "--panel_size", "0")
    kinds = ("--upsample", first, "--upsample_B", other)
    run.train(*flags, *TINY, *ONE_EPOCH, *kinds).ok()
    run.train("--continue_train", "--name", "r", "--n_epochs", "2", *CPU).ok()
    files = [run.runs / "r" / f"latest_net_G_{x}.pth" for x in "AB"]
    assert [architecture_of(load_state_dict(file))["upsample"] for file in files] == [first, other]
    both = ("--dataroot", unaligned, "--name", "r", "--model", "cycle_gan", *CPU)
    both += ("--preprocess", "none")
    one = ("--dataroot", unaligned / "testB", "--name", "r", "--direction", "BtoA", *CPU)
    one += ("--preprocess", "none")
    run.test(*both, "--results_dir", "by_options").ok()
    with monkeypatch.context() as patch:  # weights of a network that is not ours show nothing
        patch.setattr("util.checkpoint.architecture_of", lambda state: {})
        words = ["--checkpoints_dir", str(run.runs), *map(str, both)]
        assert TestOptions().parse(words).upsample_B == other
    (run.runs / "r" / "train_opt.json").unlink()
    run.test(*both, "--results_dir", "by_weights").ok()
    run.test(*one, "--results_dir", "one").ok()
    labels = {"by_options": "fake_A", "by_weights": "fake_A", "one": "fake"}
    page = "r/test_latest/images"
    images = [sorted((run.folder / x / page).glob(f"*_{labels[x]}.png"))[0] for x in labels]
    assert len({image.read_bytes() for image in images}) == 1
    run.test(*both, "--upsample_B", first).refused(
        1,
        f"latest_net_G_B.pth do not fit the network: --upsample (--upsample_B for G_B) is {first}",
        "an option is wrong, or one of the files is of another run",
    )


@pytest.mark.parametrize("model", ["pix2pix", "bigan", "content_gan", "colorization", "template"])
def test_every_model_of_image_generators_has_it(model: str, tmp_path: Path) -> None:
    words = ["--dataroot", str(tmp_path), "--checkpoints_dir", str(tmp_path), "--model", model]
    words += ["--netG", "resnet_6blocks", "--ngf", "1", "--ndf", "1", *CPU, "--seed", "1"]
    net = create_model(TrainOptions().parse([*words, "--upsample", "resize"], record=False))
    layers = [m for g in net.get_networks().values() for m in g.modules()]
    assert any(isinstance(layer, ResizeConv2d) for layer in layers)
    updated = {id(p) for o in net.optimizers for group in o.param_groups for p in group["params"]}
    made = [layer.weight for layer in layers if isinstance(layer, ResizeConv2d)]
    assert {id(weight) for weight in made} <= updated, "the optimizer has the new weights"


def test_a_subclass_that_ignores_it_is_refused(run: Programs, unaligned: Path) -> None:
    """One with networks of its own would silently train with transposed convolutions."""
    code = (
        "from models import networks",
        "from models.cycle_gan_model import CycleGANModel",
        "class MineModel(CycleGANModel):",
        "    def __init__(self, opt):",
        "        super().__init__(opt)",
        "        self.netG_B = networks.define_G(3, 3, opt.ngf, opt.netG, opt.norm)",
    )
    (run.folder / "mine_model.py").write_text("\n".join(code))
    flags = ("--dataroot", unaligned, "--name", "r", *TINY, *ONE_EPOCH, "--upsample_B", "resize")
    run.train(*flags, "--model", run.folder / "mine_model.py").refused(
        2, "--upsample_B resize: --model", "mine_model.py does not support it"
    )


def test_models_without_it_are_refused(run: Programs, unaligned: Path) -> None:
    flags = ("--dataroot", unaligned, "--name", "r", *CPU, "--upsample", "resize")
    words = ("--upsample resize", "--model cogan does not support it")
    run.train(*flags, "--model", "cogan", "--load_size", "64", "--crop_size", "64").refused(
        2, *words
    )


def test_networks_without_such_layers_are_refused() -> None:
    """A project's own networks may enlarge by something else, or not at all."""
    for layer in (nn.Conv2d(3, 3, 1), nn.ConvTranspose2d(3, 3, 4, stride=4)):
        net = nn.Sequential(layer)
        with pytest.raises(UsageError, match="--netG x has (none|one that does not double)"):
            use_upsampling(OPT, net)
        use_upsampling(Namespace(), net)  # an opt without the option changes nothing
        use_upsampling(Namespace(upsample="transpose"), net)
        assert net[0] is layer


def test_the_option_of_other_code_is_left_alone() -> None:
    """A fork's --upsample may mean something else; opt.framework_options then has our default."""
    net = networks.define_G(3, 3, 1, "resnet_6blocks", "instance")
    other = Namespace(upsample="resize", framework_options={"upsample": "transpose"})
    use_upsampling(other, net)
    assert any(isinstance(layer, nn.ConvTranspose2d) for layer in net.modules())
    assert json.dumps(architecture_of(net.state_dict())).count("transpose") == 1
