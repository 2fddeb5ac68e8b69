"""The trainings that check_resume.py interrupts."""

from __future__ import annotations

import shutil
from pathlib import Path

ATLAS = Path(__file__).resolve().parents[2] / "datasets" / "atlas"
COMMON = f"""--dataroot {ATLAS} --gpu_ids -1 --display_id 0 --num_threads 0 --seed 1 --ngf 4 --ndf 4
    --netG resnet_6blocks --load_size 34 --crop_size 32 --max_dataset_size 8 --n_epochs 2
    --n_epochs_decay 2 --print_freq 1 --display_freq 4 --update_html_freq 6 --save_latest_freq 3
    --save_epoch_freq 2"""
PIX2PIX = f"--model pix2pix --dataset_mode template --dataroot {ATLAS / 'trainA'} --netG unet_128"
VARIANTS = {
    "cycle_gan": "",
    "threads": "--num_threads 2",
    "batch": "--batch_size 3 --max_dataset_size 10",
    "dropout": PIX2PIX,
    "pool": "--pool_size 3",
    "linear": "--n_epochs 1 --n_epochs_decay 3",
    "step": "--lr_policy step --lr_decay_iters 2",
    "cosine": "--lr_policy cosine",
    "by_iter": "--save_by_iter",
    "accumulate": "--accumulate 2 --max_dataset_size 10",
    "ema": "--ema 0.9",
    "val": "--val_freq 1 --val_share 0.2 --max_dataset_size 10",
    "amp": "--amp bf16",
    "skip": "--on_bad_image skip --dataroot FOLDER/images",
    "custom": "--model FOLDER/noisy_model.py",
    "colorization": "--model colorization --dataset_mode colorization --phase trainA",
    "plateau": """--lr_policy plateau --val_freq 1 --val_share 0.2 --lr 1e-7 --max_dataset_size 5
        --n_epochs 7 --n_epochs_decay 2""",
    "pairs": f"""{PIX2PIX} --netG resnet_6blocks --norm instance --gan_mode lsgan --pool_size 3
        --lambda_L1 10 --no_dropout""",
    "bigan": "--model bigan --pool_size 3 --ema 0.9",
    "cogan": "--model cogan --load_size 66 --crop_size 64 --batch_size 3 --max_dataset_size 10",
    "content_gan": "--model content_gan --pool_size 3",
    "two_ranks": "--pool_size 3",
}
TWO_RANKS = ("two_ranks",)
# A model with noise of its own, and with state of its own that a step changes: a tensor, and an
# optimizer with its scheduler and a parameter, in attributes only.
NOISY_MODEL = """
import torch
from models.cycle_gan_model import CycleGANModel


class NoisyModel(CycleGANModel):
    def __init__(self, opt):
        super().__init__(opt)
        self.level = torch.ones(1)
        if self.isTrain:
            self.shift = torch.nn.Parameter(torch.zeros(1))
            self.optimizer_shift = torch.optim.Adam([self.shift], lr=0.01)
            self.scheduler_shift = torch.optim.lr_scheduler.MultiStepLR(
                self.optimizer_shift, [2, 3], 0.5
            )

    def update_learning_rate(self):
        super().update_learning_rate()
        self.scheduler_shift.step()

    def optimize_parameters(self):
        self.optimizer_shift.zero_grad()
        ((self.real_A.mean() - self.shift) ** 2).sum().backward()
        self.optimizer_shift.step()
        super().optimize_parameters()

    def set_input(self, input):
        super().set_input(input)
        self.level *= 0.9
        self.real_A = self.real_A + self.level * 0.1 * torch.randn_like(self.real_A)
        if self.isTrain:
            self.real_A = self.real_A + self.shift.detach()

    def training_state(self):
        return {**super().training_state(), "level": self.level}

    def load_training_state(self, state):
        super().load_training_state(state)
        self.level = state["level"].clone()
"""


def arguments(variant: str, folder: Path) -> list[str]:
    """Return the options of train.py for ``variant``; write the files it needs into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    if variant == "skip":
        for name in ("trainA", "trainB"):
            (folder / "images" / name).mkdir(parents=True)
            for file in sorted((ATLAS / name).iterdir())[:8]:
                shutil.copy(file, folder / "images" / name)
        sorted((folder / "images" / "trainA").iterdir())[3].write_bytes(b"damaged")
    if variant == "custom":
        (folder / "noisy_model.py").write_text(NOISY_MODEL)
    return f"{COMMON} {VARIANTS[variant]}".replace("FOLDER", str(folder)).split()
