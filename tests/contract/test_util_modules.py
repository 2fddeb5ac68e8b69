"""The official modules of ``util``: their functions on real tensors, arrays and files."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pytest
import torch
from displays import fake
from downloads import files, item, serving  # noqa: F401
from flaky_server import Server
from PIL import Image

from util import get_data, html, util
from util.errors import UserError
from util.get_data import GetData
from util.image_pool import ImagePool
from util.paths import PathText
from util.visualizer import save_images

BATCH = torch.linspace(-1, 1, 2 * 3 * 4 * 5).view(2, 3, 4, 5)
SQUARE = np.full((8, 8, 3), 200, np.uint8)
WIDE = np.full((6, 10, 3), 200, np.uint8)


@pytest.mark.parametrize("channels", [1, 2, 3])
def test_tensor2im_takes_the_first_image(channels: int) -> None:
    batch = BATCH[:, :channels].clone().requires_grad_()
    values = (batch[0].detach().numpy() + 1) * 127.5
    expected = np.repeat(values, 3, axis=0) if channels == 1 else values
    exact = util.tensor2im(batch, imtype=np.float32)
    assert exact.dtype == np.float32
    assert np.array_equal(exact, expected.transpose(1, 2, 0))
    assert np.array_equal(util.tensor2im(batch), exact.round().astype(np.uint8))
    for same in (batch.double(), batch.detach().numpy()[:1]):
        assert util.tensor2im(same).dtype == np.uint8
    assert np.abs(util.tensor2im(batch.half(), np.float64) - exact).max() < 0.1


def test_tensor2im_limits_values_to_the_type() -> None:
    batch = torch.tensor([-3.0, -1.01, 1.01, 3.0, torch.nan]).view(1, 1, 1, 5)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # of NumPy, about casts
        assert util.tensor2im(batch)[0, :, 0].tolist() == [0, 0, 255, 255, 0]
    assert util.tensor2im(batch, np.int32)[0, :, 0].tolist() == [-255, -1, 256, 510, 0]


def test_tensor2im_of_anything_else() -> None:
    image = Image.new("RGB", (4, 4))
    assert util.tensor2im(image) is image and util.tensor2im(None) is None
    array = util.tensor2im(SQUARE)
    assert array is not SQUARE and np.array_equal(array, SQUARE)
    assert util.tensor2im(np.array([[1.6, 300.0]])).tolist() == [[2, 255]]
    with pytest.raises(ValueError, match=r"batch \(N, C, H, W\), found the shape \(3, 4, 5\)"):
        util.tensor2im(BATCH[0])


@pytest.mark.parametrize(
    ("array", "aspect_ratio", "size"),
    [
        (SQUARE, 1.0, (8, 8)),
        (SQUARE, 1.5, (8, 12)),
        (SQUARE, 0.5, (16, 8)),
        (WIDE, 2.0, (10, 12)),
        (WIDE, 0.5, (20, 6)),
        (WIDE[..., 0], 1.0, (10, 6)),
    ],
)
def test_save_image(tmp_path: Path, array: np.ndarray, aspect_ratio: float, size: tuple) -> None:
    for name in ("x.png", "x.jpg", "x.bmp"):
        util.save_image(array, str(tmp_path / name), aspect_ratio=aspect_ratio)
        with Image.open(tmp_path / name) as saved:
            assert saved.size == size
            assert np.abs(np.asarray(saved).astype(int) - 200).max() <= 1


def test_folders(tmp_path: Path) -> None:
    for _ in range(2):  # they may exist
        util.mkdir(tmp_path / "a" / "b")
        util.mkdirs(str(tmp_path / "c"))
        util.mkdirs([str(tmp_path / "d" / "e"), tmp_path / "f"])
    assert sorted(str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*")) == [
        "a", "a/b", "c", "d", "d/e", "f",
    ]  # fmt: skip


def test_statistics_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    util.print_numpy(np.array([[0, 1], [2, 5]]), shp=True)
    util.print_numpy(np.zeros(3), val=False)
    assert capsys.readouterr().out.splitlines() == [
        "shape, (2, 2)",
        "mean = 2.000, min = 0.000, max = 5.000, median = 1.500, std=1.871",
    ]
    net = torch.nn.Linear(2, 1)
    util.diagnose_network(net)
    net(torch.tensor([[1.0, -3.0]])).sum().backward()  # gradients: 1 and -3, and 1 of the bias
    util.diagnose_network(net, "net")
    assert capsys.readouterr().out.split() == ["network", "0.0", "net", "tensor(1.5000)"]


def test_a_single_process_needs_no_group() -> None:
    device = util.init_ddp()
    assert isinstance(device, torch.device)
    assert device.type == ("cuda" if torch.cuda.is_available() else "cpu")
    assert not torch.distributed.is_initialized()
    util.cleanup_ddp()


@pytest.mark.parametrize("kind", [str, Path])
def test_page(tmp_path: Path, kind: type) -> None:
    page = html.HTML(kind(tmp_path / "a" / "web"), "Title <1>", refresh=5)
    folder = page.get_image_dir()
    assert folder == os.path.join(page.web_dir, "images") and os.path.isdir(folder)
    assert folder / "x.png" == tmp_path / "a/web/images/x.png"
    page.add_header("cat & dog")
    with page.doc:
        html.tags.h1("from a fork")
    page.add_images(["a b#1.png", Path("c.png")], ["A", "C"], ["a b#1.png", "d.png"], width=99)
    page.save()
    text = (tmp_path / "a" / "web" / "index.html").read_text(encoding="utf-8")
    for part in ("Title &lt;1&gt;", "cat &amp; dog", "from a fork", 'content="5"', "width:99px"):
        assert part in text
    sources = [unquote(part.split('"')[0]) for part in text.split('src="')[1:]]
    links = [unquote(part.split('"')[0]) for part in text.split('href="')[1:]]
    assert sources == ["images/a b#1.png", "images/c.png"]
    assert links == ["images/a b#1.png", "images/d.png"]


def test_save_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wandb, _ = fake(monkeypatch)
    wandb.Image = lambda image: image.shape  # type: ignore[assignment]
    page = html.HTML(tmp_path, "x")
    visuals = {"real_A": BATCH, "fake_B": BATCH[:, :1], "mask": WIDE}
    paths = ["/data/x.y.jpg", "/data/second.jpg"]
    save_images(page, visuals, paths, 2.0, 128, use_wandb=True)
    page.save()
    sizes = {}
    for file in (tmp_path / "images").iterdir():
        with Image.open(file) as image:
            sizes[file.name] = image.size
    assert sizes == {"x.y_real_A.png": (5, 8), "x.y_fake_B.png": (5, 8), "x.y_mask.png": (10, 12)}
    text = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert "<h3>x.y</h3>" in text and text.count("width:128px") == 3
    logged = {"real_A": (4, 5, 3), "fake_B": (4, 5, 3), "mask": (6, 10, 3)}
    assert wandb.named("log") == [("log", logged, {})]


class Page2025:
    """A fork's own page, in the style of 2025."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.rows = folder, []

    def get_image_dir(self) -> Path:
        return self.folder

    def add_header(self, text: str) -> None:
        self.rows.append(text)

    def add_images(self, ims: list, txts: list, links: list, width: int) -> None:
        self.rows.append((ims, txts, links, width))


def test_save_images_on_the_page_of_a_fork(tmp_path: Path) -> None:
    page = Page2025(tmp_path)
    save_images(page, {"fake": BATCH}, [Path("a") / "n1.png"])  # type: ignore[arg-type]
    assert page.rows == ["n1", (["n1_fake.png"], ["fake"], ["n1_fake.png"], 256)]
    assert (tmp_path / "n1_fake.png").is_file()


@pytest.fixture
def offered(server: Server, monkeypatch: pytest.MonkeyPatch) -> Server:
    """The server is asked first, and its archive is listed."""
    monkeypatch.setenv("CYCLEGAN_MIRROR", server.url)
    monkeypatch.setattr(get_data, "ALL_DATASETS", [item()])
    return server


@pytest.mark.parametrize("name", ["horse2zebra.zip", "horse2zebra"])
def test_get_data(
    offered: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    getter = GetData(technique="CycleGAN", verbose=False)
    path = getter.get(str(tmp_path / "datasets"), dataset=name)
    assert path == str(tmp_path / "datasets" / "horse2zebra")
    assert files(tmp_path / "datasets") == ["horse2zebra"]
    assert len(os.listdir(path / "trainA")) == 3
    with pytest.warns(UserWarning, match="exists already"):
        assert getter.get(tmp_path / "datasets", dataset=name) == path
    assert len(offered.ranges) == 1 and capsys.readouterr().out == ""


def test_get_data_asks_for_a_number(offered: Server, tmp_path: Path, monkeypatch) -> None:
    answers = iter(["1", "0"])
    monkeypatch.setattr("builtins.input", lambda prompt: next(answers))
    with pytest.raises(UserError, match="expected a number from 0 to 0: 1"):
        GetData().get(tmp_path)
    assert GetData().get(tmp_path) == str(tmp_path / "horse2zebra")
    with pytest.raises(UserError, match="there is no zebra.zip; the datasets are horse2zebra.zip"):
        GetData().get(tmp_path, "zebra.zip")
    with pytest.raises(UserError, match="technique should be"):
        GetData("gan")


def test_get_data_knows_the_datasets_of_both_papers() -> None:
    assert GetData("pix2pix").url == "http://efrosgans.eecs.berkeley.edu/pix2pix/datasets"
    for name, kind in [("maps", "pix2pix"), ("maps.zip", "cyclegan"), ("maps.tar.gz", "pix2pix")]:
        assert GetData("pix2pix")._find(name).kind == kind


class CountingPool(ImagePool):
    """A pool whose ``query`` keeps the count itself, as those of forks do."""

    def query(self, images: torch.Tensor) -> torch.Tensor:
        if self.num_imgs < self.pool_size:
            self.num_imgs = self.num_imgs + 1
            self.images.append(images)
        return images


@pytest.mark.parametrize("kind", [ImagePool, CountingPool])
def test_number_of_images_in_a_pool(kind: type[ImagePool]) -> None:
    pool = kind(2)
    counts = [pool.num_imgs]
    for _ in range(3):
        pool.query(torch.zeros(1, 3, 2, 2))
        counts.append(pool.num_imgs)
    assert counts == [0, 1, 2, 2]


def test_text_that_is_also_a_path(tmp_path: Path) -> None:
    path = PathText(tmp_path / "a")
    assert isinstance(path, str) and path == str(tmp_path / "a")
    assert path + "/b" == os.path.join(path, "b") == str(path / "b")
    path.mkdir()
    assert path.is_dir() and path.name == "a" and path.parent == tmp_path
    assert path.replace("a", "b") == str(tmp_path / "a").replace("a", "b")
    with pytest.raises(AttributeError):
        _ = path.nothing
