"""Bad input: one line on stderr that names the flag or file and what is accepted; status 2 for usage, 1 for the rest."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from conftest import CPU, ONE_EPOCH, ROOT, TINY, Programs, Result, picture, pictures

MODELS = "colorization, cycle_gan, pix2pix, template, test"
MODES = "aligned, colorization, single, template, unaligned"


def train(run: Programs, data: object, *more: object) -> Result:
    return run.train("--dataroot", data, "--name", "x", *TINY, *ONE_EPOCH, *more)


@pytest.fixture
def copy(unaligned: Path, tmp_path: Path) -> Path:
    """A copy of the unaligned set, to be damaged."""
    return Path(shutil.copytree(unaligned, tmp_path / "copy"))


USAGE = [  # arguments after the defaults; words of the message
    ("--model cyclegan", f"--model cyclegan cycle_gan? {MODELS}"),
    ("--model no/such_model.py", "--model no/such_model.py"),
    ("--dataset_mode unalign", f"--dataset_mode unalign unaligned? {MODES}"),
    ("--norm layer", "--norm 'layer' instance batch none"),
    ("--lr_policy exponential", "--lr_policy linear step plateau cosine"),
    ("--netG unet", "--netG resnet_9blocks unet_128"),
    ("--netD patch", "--netD basic n_layers pixel"),
    ("--gan_mode hinge", "--gan_mode lsgan vanilla wgangp"),
    ("--init_type zero", "--init_type kaiming"),
    ("--preprocess resize", "--preprocess resize_and_crop scale_width none"),
    ("--direction BtoC", "--direction AtoB BtoA"),
    ("--n_epochs ten", "--n_epochs 'ten' int"),
    ("--lambda_A x", "--lambda_A 'x' float"),
    ("--n_epochs", "--n_epochs"),
    ("stray", "stray"),
    ("--model test", "--model test cannot be trained"),
    ("--batch_size 0", "--batch_size 0 1"),
    ("--crop_size -3", "--crop_size -3"),
    ("--num_threads -1", "--num_threads -1 0"),
    ("--input_nc 0", "--input_nc 0"),
    ("--ngf 0", "--ngf"),
    ("--max_dataset_size 0", "--max_dataset_size 0"),
    ("--print_freq 0", "--print_freq 0"),
    ("--save_epoch_freq 0", "--save_epoch_freq"),
    ("--pool_size -1", "--pool_size"),
    ("--n_epochs 0 --n_epochs_decay 0", "--n_epochs --n_epochs_decay"),
    ("--n_epochs -5", "--n_epochs"),
    ("--epoch_count 2", "--epoch_count 2 --n_epochs"),
    ("--epoch_count 0", "--epoch_count 0"),
    ("--load_size 16", "--load_size 16 --crop_size 32"),
    ("--lr -1", "--lr -1"),
    ("--lr nan", "--lr nan"),
    ("--beta1 1.5", "--beta1 1.5"),
    ("--init_gain -1", "--init_gain -1"),
    ("--seed 99999999999999999999999", "--seed"),
    ("--suffix {bogus}", "--suffix bogus"),
    ("--suffix {", "--suffix"),
    ("--gpu_ids x", "--gpu_ids x -1"),
    ("--gpu_ids 0,99", "--gpu_ids 0,99"),
    ("--gpu_ids 99", "--gpu_ids 99 -1"),
    ("--name=", "--name folder"),
    ("--name ..", "--name .."),
]


@pytest.mark.parametrize(("args", "words"), USAGE, ids=[args for args, _ in USAGE])
def test_usage(run: Programs, unaligned: Path, args: str, words: str) -> None:
    train(run, unaligned, *args.split()).refused(2, *words.split())
    assert run.files() == set()


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ("--num_test -1", "--num_test -1"),
        ("--aspect_ratio 0", "--aspect_ratio 0"),
        ("--aspect_ratio -2", "--aspect_ratio -2"),
        ("--format gif", "--format png jpg webp"),
        ("--model cyclegan", "cycle_gan?"),
    ],
)
def test_usage_of_test(run: Programs, unaligned: Path, args: str, words: str) -> None:
    train(run, unaligned).ok()
    before = run.files()
    run.test("--dataroot", unaligned, "--name", "x", *CPU, *args.split()).refused(2, *words.split())
    assert run.files() == before


def test_dataroot(run: Programs, tmp_path: Path) -> None:
    for program in (run.train, run.test):
        program(*CPU).refused(2, "--dataroot")
        program("--dataroot", *CPU).refused(2, "--dataroot")
        program("--dataroot", "/no/such/folder", *CPU).refused(
            2, "--dataroot /no/such/folder", "no such folder"
        )
        program("--dataroot", picture(tmp_path / "a.png"), *CPU).refused(2, "a.png")
    assert run.files() == set()


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ("--input_nc 1 --lambda_identity 0.5", "--lambda_identity --input_nc --output_nc"),
        ("--lr_policy plateau", "--lr_policy plateau metric linear"),
        ("--dataset_mode single", "--dataset_mode single cycle_gan"),
        ("--model pix2pix --dataset_mode single", "--dataset_mode single pix2pix"),
        ("--input_nc 5 --output_nc 5", "--input_nc 5"),
        ("--model colorization --input_nc 3", "--input_nc 1"),
    ],
)
def test_combinations(run: Programs, unaligned: Path, args: str, words: str) -> None:
    """What cannot work together is refused."""
    result = train(run, unaligned, *args.split())
    result.refused(result.status, *words.split())


def test_identity_loss_by_default(run: Programs, unaligned: Path) -> None:
    """Where only the default asks for it, it is switched off, and said."""
    assert "No identity loss" in train(run, unaligned, "--input_nc", "1").ok().out


@pytest.mark.parametrize(
    ("have", "say"),
    [
        (("sub/trainA", "sub/trainB"), "sub/ --dataroot {root}/sub"),  # one level too high
        (("TrainA", "TrainB"), "TrainA case"),
        (("train_A", "train_B"), "train_A/ mean"),
        (("train", "test"), "train/ test/ aligned"),  # pairs: another --dataset_mode
        (("testA", "testB"), "testA/ testB/"),
        ((), "nothing"),
    ],
)
def test_missing_folder(run: Programs, tmp_path: Path, have: tuple[str, ...], say: str) -> None:
    """What is expected, what is there instead, and what may have been meant."""
    root = tmp_path / "data"
    for folder in (".", *have):
        (root / folder).mkdir(parents=True)
    train(run, root).refused(1, str(root), "trainA", *say.format(root=root).split())


def test_one_level_too_deep(run: Programs, unaligned: Path, aligned: Path) -> None:
    train(run, unaligned / "trainA").refused(1, "trainA", f"--dataroot {unaligned}")
    train(run, unaligned, "--model", "pix2pix").refused(1, "train", "trainA/", "unaligned")
    run.test("--dataroot", aligned, "--model", "cycle_gan", *CPU).refused(1, "testA", "test/")


def test_empty_folders(run: Programs, copy: Path) -> None:
    for folder in ("trainB", "testB"):
        for file in (copy / folder).iterdir():
            file.rename(file.with_suffix(".txt"))
    train(run, copy).refused(1, str(copy / "trainB"), "no images", "png")
    run.test("--dataroot", copy, "--model", "cycle_gan", *CPU).refused(
        1, str(copy / "testB"), "no images"
    )
    run.test("--dataroot", copy / "testB", *CPU).refused(1, str(copy / "testB"), "no images")


def damaged(kind: str, whole: bytes) -> bytes:
    return {
        "text": b"this is no image",
        "empty": b"",
        "truncated": whole[: len(whole) // 2],
        "header": whole[:20],
    }[kind]


@pytest.mark.parametrize("threads", [0, 2])
@pytest.mark.parametrize("kind", ["text", "empty", "truncated", "header"])
@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_unreadable_images(run: Programs, copy: Path, kind: str, threads: int, suffix: str) -> None:
    bad = copy / "trainB" / f"bad{suffix}"
    bad.write_bytes(damaged(kind, picture(bad, size=(64, 64)).read_bytes()))
    train(run, copy, "--num_threads", threads, "--serial_batches").refused(1, str(bad))


def test_unreadable_test_images(run: Programs, copy: Path) -> None:
    train(run, copy).ok()
    (copy / "testA" / "a1.png").write_bytes(b"")
    run.test("--dataroot", copy, "--name", "x", *CPU).refused(1, copy / "testA" / "a1.png")
    run.test("--dataroot", copy / "testA", "--name", "x", *CPU).refused(
        1, copy / "testA" / "a1.png"
    )


@pytest.mark.parametrize("preprocess", ["crop", "scale_width_and_crop"])
@pytest.mark.parametrize("model", ["cycle_gan", "pix2pix"])
def test_crop_larger_than_images(
    run: Programs, unaligned: Path, aligned: Path, preprocess: str, model: str
) -> None:
    data = aligned if model == "pix2pix" else unaligned
    result = train(run, data, "--model", model, "--preprocess", preprocess, "--crop_size", "64")
    result.refused(1, "--crop_size 64", ".png", "x40", "resize_and_crop")


@pytest.mark.parametrize(("preprocess", "fits"), [("scale_width_and_crop", True), ("crop", False)])
def test_pairs_are_measured_by_their_halves(
    run: Programs, tmp_path: Path, preprocess: str, fits: bool
) -> None:
    """Files of 60x40 hold images of 30x40: scaled to a width of 34 they take crops of 32, as they are they do not."""
    pictures(tmp_path / "pairs" / "train", ["p0.png", "p1.png"], size=(60, 40))
    result = train(
        run, tmp_path / "pairs", "--model", "pix2pix", "--preprocess", preprocess, "--no_html"
    )
    if fits:
        result.ok()
    else:
        result.refused(1, "--crop_size 32", "30x40", "p0.png")


def test_image_sizes(run: Programs, unaligned: Path, copy: Path) -> None:
    """Images too small for the discriminator; batches of several sizes."""
    pictures(copy / "trainA", ["wide.png"], size=(64, 40))
    train(run, copy, "--preprocess", "none", "--batch_size", "5").refused(
        1, "--batch_size 5", "64x40", "40x40"
    )
    train(run, unaligned, "--load_size", "16", "--crop_size", "16").refused(1, "16", "--netD")


def test_unwritable_folders(run: Programs, unaligned: Path) -> None:
    (run.folder / "file").write_text("")
    train(run, unaligned, "--checkpoints_dir", "file").refused(1, "--checkpoints_dir", "file")
    train(run, unaligned, "--checkpoints_dir", "/proc/runs").refused(
        1, "--checkpoints_dir", "/proc/runs"
    )
    train(run, unaligned).ok()
    run.test("--dataroot", unaligned, "--name", "x", *CPU, "--results_dir", "file").refused(
        1, "--results_dir", "file"
    )
    (run.folder / "results" / "x" / "test_latest" / "images" / "a0_fake_B.png").mkdir(parents=True)
    run.test("--dataroot", unaligned, "--name", "x", *CPU).refused(1, "a0_fake_B.png")


@pytest.mark.parametrize("name", ["loss_log.txt", "web", "latest_net_G_A.pth"])
def test_files_in_the_way(run: Programs, unaligned: Path, name: str) -> None:
    path = run.runs / "x" / name
    path.parent.mkdir(parents=True)
    path.write_text("") if name == "web" else path.mkdir()
    train(run, unaligned).refused(1, name)


def test_nothing_to_continue(run: Programs, unaligned: Path) -> None:
    train(run, unaligned, "--continue_train").refused(1, "no run")


NO_START = [
    "--phase missing",
    "--lr_policy plateau",
    "--preprocess crop --crop_size 99",
    "--input_nc 1 --lambda_identity 1",
    *([] if importlib.util.find_spec("wandb") else ["--use_wandb"]),
    "--init_G_A no.pth",
    "--continue_train --epoch 7",
]


@pytest.mark.parametrize("args", NO_START)
def test_failed_start_leaves_nothing(run: Programs, unaligned: Path, args: str) -> None:
    """No record of a training that never was; and one that is there, which test.py reads, is not replaced."""

    def files() -> dict[Path, bytes]:
        return {p: p.read_bytes() for p in run.runs.rglob("*") if p.is_file() and p.name != ".lock"}

    assert train(run, unaligned, *args.split()).status in (1, 2)
    assert files() == {}
    train(run, unaligned).ok()
    before = files()
    assert train(run, unaligned, "--direction", "BtoA", *args.split()).status in (1, 2)
    assert {p.name for p, content in files().items() if before.get(p) != content} == set()


def test_optional_services(run: Programs, unaligned: Path) -> None:
    """Without a visdom server: one line, and the training goes on. Without wandb: an error that says what to install."""
    result = train(run, unaligned, "--display_id", "1", "--display_port", "9").ok()
    assert "visdom" in result.out + result.err and "9" in result.out
    train(run, unaligned, "--display_id", "1", "--display_port", "99999").ok()
    train(
        run,
        unaligned,
        "--display_id",
        "1",
        "--display_port",
        "9",
        "--display_server",
        "no-such-host.invalid",
    ).ok()
    if not importlib.util.find_spec("wandb"):
        train(run, unaligned, "--use_wandb").refused(1, "--use_wandb", "pip install")


def test_unknown_labels(run: Programs, unaligned: Path) -> None:
    train(run, unaligned).ok()
    run.test("--dataroot", unaligned, "--name", "x", *CPU, "--save", "fake_C").refused(
        1, "--save fake_C", "fake_B, rec_A"
    )


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_no_gpu(run: Programs, unaligned: Path) -> None:
    for program in (run.train, run.test):
        program("--dataroot", unaligned, "--gpu_ids", "0").refused(2, "--gpu_ids 0", "-1")
    assert run.files() == set()


def test_as_a_process(tmp_path: Path) -> None:
    """What the shell sees is what the other tests see; these mistakes are found before PyTorch is imported."""
    for args, status, words in (
        (
            "--continue_train --name none",
            1,
            "error: --continue_train: there is no run checkpoints/none",
        ),
        ("--n_epochs many", 2, "error: argument --n_epochs: invalid int value: 'many'"),
    ):
        command = [sys.executable, ROOT / "train.py", "--dataroot", ".", *CPU, *args.split()]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr.count("\n")) == (status, 1)
        assert done.stderr.startswith(words)
