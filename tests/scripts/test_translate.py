"""One image from Python or the shell gives the pixels that test.py saves."""

from __future__ import annotations

import io
import random
import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from conftest import CPU, ONE_EPOCH, ROOT, TINY, Programs, Result, picture
from PIL import Image

from models import load_generator
from util.errors import UserError


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Programs:
    """A CycleGAN and a pix2pix with dropout, each trained for one step and tested."""
    run = Programs(tmp_path_factory.mktemp("translate"))
    sizes = {
        "trainA": (40, 40),
        "trainB": (40, 40),
        "testA": (37, 40),
        "testB": (40, 40),
        "train": (80, 40),
        "test": (80, 40),
    }
    for i, (folder, size) in enumerate(sizes.items()):
        for j, name in enumerate("ab"):
            picture(run.folder / "data" / folder / f"{name}.png", 2 * i + j, size)
    shared = ("--dataroot", run.folder / "data")
    for name, flags in (
        ("cycle", ()),
        ("pix", ("--model", "pix2pix", "--netG", "unet_128", "--ngf", "2")),
    ):
        run.train(
            *shared,
            "--name",
            name,
            *TINY,
            *ONE_EPOCH,
            "--no_html",
            "--max_dataset_size",
            "1",
            *flags,
        ).ok()
        run.test(*shared, "--name", name, *CPU, "--preprocess", "none").ok()
    return run


def saved(trained: Programs, name: str, file: str) -> np.ndarray:
    return np.asarray(Image.open(trained.results / name / "test_latest" / "images" / file))


@pytest.mark.parametrize(
    ("direction", "folder", "label"), [("AtoB", "testA", "fake_B"), ("BtoA", "testB", "fake_A")]
)
def test_every_kind_of_image_gives_the_pixels_of_test_py(trained, direction, folder, label):
    translate = load_generator(
        trained.runs / "cycle", direction=direction, preprocess="none", gpu_ids="-1"
    )
    image = Image.open(trained.folder / "data" / folder / "a.png")
    expected = saved(trained, "cycle", f"a_{label}.png")
    assert expected.shape == (image.height, image.width, 3)
    from_picture = translate(image)
    assert isinstance(from_picture, Image.Image)
    assert np.array_equal(np.asarray(from_picture), expected)
    from_array = translate(np.asarray(image))
    assert isinstance(from_array, np.ndarray)
    assert np.array_equal(from_array, expected)
    tensor = torch.from_numpy(np.array(image)).permute(2, 0, 1) / 127.5 - 1
    from_tensor = translate(tensor)
    assert from_tensor.shape == tensor.shape
    assert np.abs((from_tensor.permute(1, 2, 0).numpy() + 1) * 127.5 - expected).max() <= 0.51
    assert translate(torch.stack([tensor, tensor])).shape == (2, *tensor.shape)


def test_dropout_depends_on_the_seed_alone(trained):
    """Noise depends on neither earlier images nor the caller's generators, which stay unchanged."""
    translate = load_generator(trained.runs / "pix", preprocess="none", gpu_ids="-1")
    image = Image.open(trained.folder / "data" / "test" / "b.png").crop((0, 0, 40, 40))
    torch.manual_seed(5)
    random.seed(5)
    before = torch.get_rng_state(), random.getstate()
    assert np.array_equal(np.asarray(translate(image)), saved(trained, "pix", "b_fake_B.png"))
    assert torch.equal(before[0], torch.get_rng_state())
    assert before[1] == random.getstate()
    other = load_generator(trained.runs / "pix", preprocess="none", gpu_ids="-1", seed=1)
    assert not np.array_equal(np.asarray(other(image)), np.asarray(translate(image)))


def test_results_that_depend_on_the_batch_size(trained):
    """One line says so, and the page too; not with --eval, nor for a model without batch norm."""
    shared = ("--dataroot", trained.folder / "data", *CPU, "--results_dir", "other")
    page = trained.folder / "other" / "pix" / "test_latest" / "index.html"
    for name, flags, expected in (
        ("pix", ("--batch_size", "2"), "because of batch statistics and dropout"),
        ("pix", ("--batch_size", "2", "--no_dropout"), "because of batch statistics"),
        ("pix", ("--batch_size", "2", "--eval"), ""),
        ("pix", (), ""),
        ("cycle", ("--batch_size", "2"), ""),
    ):
        lines = trained.test(*shared, "--name", name, *flags).ok().out.splitlines()
        said = [line for line in lines if "--batch_size 2 changes the results" in line]
        assert [line.endswith(expected) for line in said] == [True] * bool(expected)
        assert name == "cycle" or ("changes the results" in page.read_text()) == bool(expected)
    for options, times in (({}, 1), ({"eval": True}, 0)):
        translate = load_generator(trained.runs / "pix", gpu_ids="-1", **options)
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            for _ in range(2):
                translate(torch.zeros(2, 3, 40, 40))
        assert [str(w.message).count("influence each other") for w in said] == [1] * times


def draws() -> list:
    """Numbers from all generators of the process."""
    return [random.random(), np.random.rand(), torch.rand(()).item(), torch.get_rng_state().sum()]


@pytest.mark.parametrize("name", ["cycle", "pix"])
def test_threads_get_their_own_images(trained, name):
    """One object serves four threads, while another one draws random numbers."""
    translate = load_generator(trained.runs / name, preprocess="none", gpu_ids="-1")
    weights = {key: value.clone() for key, value in translate.model.netG.state_dict().items()}
    sizes = [(40, 40), (40, 40), (24, 40), (33, 17)]
    images = [np.asarray(Image.effect_noise(size, 90).convert("RGB")) for size in sizes]
    wanted = [translate(image) for image in images]
    assert not np.array_equal(wanted[0], wanted[1])

    def check(image: np.ndarray, result: np.ndarray) -> bool:
        return all(np.array_equal(translate(image), result) for _ in range(10))

    def seed_all() -> None:
        for seed in (random.seed, np.random.seed, torch.manual_seed):
            seed(3)

    seed_all()
    expected = [draws() for _ in range(200)]
    seed_all()
    with ThreadPoolExecutor(4) as pool:
        checks = list(map(pool.submit, [check] * 4, images, wanted))
        drawn = [draws() for _ in range(100)]
        right = [future.result() for future in checks]
    drawn += [draws() for _ in range(100)]
    assert all(right), right
    assert drawn == expected
    after = translate.model.netG.state_dict()
    assert all(torch.equal(after[key], value) for key, value in weights.items())


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((4, 4, 7), np.uint8),
        np.zeros((4, 4), np.uint16),
        np.zeros((4, 4), np.int32),
        Image.new("I", (4, 4)),
        np.zeros((0, 3, 3), np.uint8),
        [np.zeros((4, 4, 3), np.uint8), 3],
        torch.zeros(1, 4, 4),
        torch.zeros(4, 4),
        torch.zeros(3, 4, 4, dtype=torch.uint8),
        torch.zeros(3, 0, 4),
        torch.full((3, 4, 4), 255.0),
        torch.full((3, 4, 4), torch.nan),
        torch.zeros(3, 4, 4).to_sparse(),
        torch.zeros(3, 4, 4, device="meta"),
        torch.nested.nested_tensor([torch.zeros(3, 4, 4)]),
        np.uint8(3),
    ],
    ids=lambda x: type(x).__name__,
)
def test_what_is_not_an_image_is_refused(trained, image):
    with pytest.raises(UserError, match="should (be|have)"):
        load_generator(trained.runs / "cycle", preprocess="none", gpu_ids="-1")(image)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_tensors_of_other_floats(trained, dtype):
    translate = load_generator(trained.runs / "cycle", gpu_ids="-1")
    x = torch.linspace(-1, 1, 768).view(3, 16, 16)
    result = translate(x.to(dtype))
    assert result.dtype == dtype and torch.allclose(
        result.float(), translate(x.to(dtype).float()), atol=1e-2
    )
    assert translate(torch.zeros(0, 3, 8, 8)).shape == (0, 3, 8, 8)


def test_sixteen_bits_that_would_be_black(trained, tmp_path):
    """The rule of folders holds for single images, too, if their mode or file shows 16 bits."""
    translate = load_generator(trained.runs / "cycle", preprocess="none", gpu_ids="-1")
    for highest in (4095, 4352):
        ramp = np.linspace(0, highest, 600).astype(np.uint16).reshape(20, 30)
        ppm = b"P6 30 20 65535\n" + np.dstack([ramp] * 3).astype(">u2").tobytes()
        for image in (Image.fromarray(ramp), Image.open(io.BytesIO(ppm))):
            if highest > 4095:
                assert translate(image).size == (30, 20)
            else:
                with pytest.raises(UserError, match="image cannot be used: .* above 4095"):
                    translate(image)


def test_an_image_that_is_read_too_late(trained):
    half = (trained.folder / "data" / "testA" / "a.png").read_bytes()[:900]
    translate = load_generator(trained.runs / "cycle", gpu_ids="-1")
    with pytest.raises(UserError, match="cannot read the image: .*truncated"):
        translate(Image.open(io.BytesIO(half)))


def test_mistakes_are_user_errors(trained):
    for wrong in (None, 3, b"x", ""):
        with pytest.raises(UserError, match=r"load_generator\(.*should be the folder of a run"):
            load_generator(wrong)
    for options in (
        {"direction": "up"},
        {"no_such_option": 1},
        {"epoch": 99},
        {"netG": "unet_128"},
        {"model": "cycle_gan"},
    ):
        with pytest.raises(UserError):
            load_generator(trained.runs / "cycle", **options)
    with pytest.raises(UserError, match="nowhere"):
        load_generator(trained.runs / "nowhere")


def run_translate(trained: Programs, source: object, target: object, *more: object) -> Result:
    from scripts import translate

    options = ("--name", "cycle", *CPU, "--preprocess", "none", *more)
    files = ("--input", source, "--output", target)
    return trained.call(translate.main, "translate.py", *options, *files)


def test_one_image_from_the_shell(trained):
    image = trained.folder / "data" / "testA" / "a.png"
    run_translate(trained, image, "one.png").ok()
    expected = saved(trained, "cycle", "a_fake_B.png")
    assert np.array_equal(np.asarray(Image.open(trained.folder / "one.png")), expected)
    (trained.folder / "existing").mkdir()
    for output in "existing", "existing/one.JPEG":
        run_translate(trained, image, output).ok()
    names = {path.name for path in (trained.folder / "existing").iterdir()}
    assert names == {"a.png", "one.JPEG"}
    run_translate(trained, image, "existing/wide.jpeg", "--aspect_ratio", 2).ok()
    assert Image.open(trained.folder / "existing" / "wide.jpeg").size == (37, 80)
    for output in "existing/one", "existing/one.xyz":
        result = run_translate(trained, image, output)
        result.refused(1, f"--output {output}", ".png, .jpg, .webp, .tif or .npy")


def test_a_folder_from_the_shell(trained):
    """Sub-folders are kept, images with one stem get two outputs, and no input is replaced."""
    run_translate(trained, trained.folder / "data", "all").ok()
    expected = saved(trained, "cycle", "a_fake_B.png")
    translated = Image.open(trained.folder / "all" / "testA" / "a.png")
    assert np.array_equal(np.asarray(translated), expected)
    assert len(list((trained.folder / "all").rglob("*.png"))) == 12
    for name in ("twin.png", "twin.bmp"):
        picture(trained.folder / "twins" / name, len(name))
    run_translate(trained, "twins", "out").ok()
    names = {path.name for path in (trained.folder / "out").iterdir()}
    assert names == {"twin.png", "twin_png.png"}
    result = run_translate(trained, "twins", "twins")
    result.refused(1, "--output twins would replace", "twins/twin.png")
    part = trained.folder / "x.tif.part"  # the name of x.tif until it is whole
    part.write_bytes((trained.folder / "twins" / "twin.png").read_bytes())
    run_translate(trained, part, "x.tif").refused(1, "--output x.tif would replace", "x.tif.part")


def test_the_program_ends_with_one_line(trained):
    program = ROOT / "scripts" / "translate.py"
    command = [sys.executable, program, "--name", "cycle", "--input", "no.jpg", "--output", "x.png"]
    done = subprocess.run(command, cwd=trained.folder, capture_output=True, text=True)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "no.jpg" in done.stderr
