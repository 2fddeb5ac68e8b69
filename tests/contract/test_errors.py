"""Wrong options, files in the way, missing services: one line on stderr, and the right status.

The line names the flag or file and what is accepted. Status 2 is for usage, 1 for other errors.
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from conftest import CPU, ONE_EPOCH, ROOT, TINY, Programs, Result, picture

MODELS = "bigan, cogan, colorization, content_gan, cycle_gan, pix2pix, template, test"
MODES = "aligned, colorization, single, template, unaligned"


def train(run: Programs, data: object, *more: object) -> Result:
    return run.train("--dataroot", data, "--name", "x", *TINY, *ONE_EPOCH, *more)


USAGE = [  # arguments, and words of the message
    ("--model cyclegan", f"--model cyclegan cycle_gan? {MODELS}"),
    ("--model no/such_model.py", "--model no/such_model.py"),
    ("--dataset_mode unalign", f"--dataset_mode unalign unaligned? {MODES}"),
    ("--norm layer", "--norm 'layer' instance batch none"),
    ("--lr_policy exponential", "--lr_policy linear step plateau cosine"),
    ("--netG unet", "--netG resnet_9blocks unet_128"),
    ("--netD patch", "--netD basic n_layers pixel"),
    ("--gan_mode hinge", "--gan_mode lsgan vanilla wgangp"),
    ("--init_type zero", "--init_type kaiming"),
    ("--preprocess squash", "--preprocess resize_and_crop scale_width none"),
    ("--direction BtoC", "--direction AtoB BtoA"),
    ("--n_epochs ten", "--n_epochs ten whole number"),
    ("--lambda_A x", "--lambda_A x finite number"),
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
    ("--name=", "--name empty"),
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
        ("--format gif", "--format png jpg webp tif npy"),
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
        ("--crop_size 1 --netD pixel", "a norm layer --crop_size --norm none"),
    ],
)
def test_combinations(run: Programs, unaligned: Path, args: str, words: str) -> None:
    """Options that cannot work together are refused."""
    result = train(run, unaligned, *args.split())
    result.refused(result.status, *words.split())


def test_norms_without_statistics(run: Programs, unaligned: Path) -> None:
    """check_data.py says that a training on crops of one pixel would stop."""
    args = ("--dataroot", unaligned, *TINY, "--crop_size", "1", "--netD", "pixel")
    assert "problem: a norm layer" in run.check(*args).out


def test_identity_loss_by_default(run: Programs, unaligned: Path) -> None:
    """The default identity loss is switched off with a message if channels differ."""
    assert "No identity loss" in train(run, unaligned, "--input_nc", "1").ok().out


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
    """A run that fails to start leaves no files, and leaves an existing run as it is."""

    def files() -> dict[Path, bytes]:
        return {p: p.read_bytes() for p in run.runs.rglob("*") if p.is_file() and p.name != ".lock"}

    assert train(run, unaligned, *args.split()).status in (1, 2)
    assert files() == {}
    train(run, unaligned).ok()
    before = files()
    assert train(run, unaligned, "--direction", "BtoA", *args.split()).status in (1, 2)
    assert {p.name for p, content in files().items() if before.get(p) != content} == set()


def test_optional_services(run: Programs, unaligned: Path) -> None:
    """Without a visdom server training continues; without wandb the error says what to install."""
    visdom = ("--display_id", "1", "--display_port")
    result = train(run, unaligned, *visdom, "9").ok()
    assert "visdom" in result.out + result.err and "9" in result.out
    train(run, unaligned, *visdom, "65535").ok()
    train(run, unaligned, *visdom, "9", "--display_server", "no-such-host.invalid").ok()
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
    """The shell gets the same line and status; these mistakes are found without torch."""
    for args, status, words in (
        (
            "--continue_train --name none",
            1,
            'error: --continue_train: no run "none", because there is no folder checkpoints',
        ),
        ("--n_epochs many", 2, "error: --n_epochs many: should be a whole number"),
    ):
        command = [sys.executable, ROOT / "train.py", "--dataroot", ".", *CPU, *args.split()]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr.count("\n")) == (status, 1)
        assert done.stderr.startswith(words)
