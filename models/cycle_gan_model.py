"""CycleGAN (Zhu, Park, Isola, Efros, ICCV 2017)."""

from __future__ import annotations

import itertools
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Any

import torch

from models import networks
from models.base_model import BaseModel
from util import checkpoint
from util.console import say
from util.errors import UserError
from util.image_pool import ImagePool


class CycleGANModel(BaseModel):
    """Two generators and two discriminators, trained on two unpaired sets of images.

    G_A: A -> B is the paper's G, G_B: B -> A its F. D_A judges images of domain B (the paper's D_Y), D_B those of A (D_X).
    """

    @staticmethod
    def modify_commandline_options(parser: ArgumentParser, is_train: bool = True) -> ArgumentParser:
        parser.set_defaults(no_dropout=True)
        if is_train:
            BaseModel.add_init_options(parser, "G_A", "G_B", "D_A", "D_B")
            parser.add_argument(
                "--lambda_A", type=float, default=10.0, help="weight of the cycle loss A -> B -> A"
            )
            parser.add_argument(
                "--lambda_B", type=float, default=10.0, help="weight of the cycle loss B -> A -> B"
            )
            parser.add_argument(
                "--lambda_GAN",
                type=float,
                default=1.0,
                help="weight of the adversarial losses; 0: cycle alone",
            )
            parser.add_argument(
                "--lambda_identity",
                type=float,
                default=0.5,
                help="weight of the identity loss, as a multiple of lambda_A and lambda_B; 0: none "
                "(the paper uses it for paintings -> photos and flowers only)",
            )
        return parser

    @staticmethod
    def architecture_source(opt: Namespace) -> Path:
        return checkpoint.weights_path(opt, "G_A")

    def __init__(self, opt: Namespace) -> None:
        super().__init__(opt)
        self.loss_names = ["D_A", "G_A", "cycle_A", "idt_A", "D_B", "G_B", "cycle_B", "idt_B"]
        self.model_names = ["G_A", "G_B", "D_A", "D_B"] if self.isTrain else ["G_A", "G_B"]
        generator = (
            opt.ngf,
            opt.netG,
            opt.norm,
            not opt.no_dropout,
            opt.init_type,
            opt.init_gain,
            self.gpu_ids,
        )
        self.netG_A = networks.define_G(opt.input_nc, opt.output_nc, *generator)
        self.netG_B = networks.define_G(opt.output_nc, opt.input_nc, *generator)
        self.visual_names = ["real_A", "fake_B", "rec_A", "real_B", "fake_A", "rec_B"]
        if not self.isTrain:
            return
        self.lambda_identity = self._identity_weight(opt)
        self.lambda_GAN = getattr(
            opt, "lambda_GAN", 1.0
        )  # subclasses of users may declare options of their own
        if self.lambda_identity > 0:
            self.visual_names = [
                "real_A",
                "fake_B",
                "rec_A",
                "idt_B",
                "real_B",
                "fake_A",
                "rec_B",
                "idt_A",
            ]
        discriminator = (
            opt.ndf,
            opt.netD,
            opt.n_layers_D,
            opt.norm,
            opt.init_type,
            opt.init_gain,
            self.gpu_ids,
        )
        self.netD_A = networks.define_D(opt.output_nc, *discriminator)
        self.netD_B = networks.define_D(opt.input_nc, *discriminator)
        self.fake_A_pool = ImagePool(opt.pool_size)
        self.fake_B_pool = ImagePool(opt.pool_size)
        self.criterionGAN = networks.GANLoss(opt.gan_mode).to(self.device)
        self.criterionCycle = torch.nn.L1Loss()
        self.criterionIdt = torch.nn.L1Loss()
        adam = {"lr": opt.lr, "betas": (opt.beta1, 0.999)}
        self.optimizer_G = torch.optim.Adam(
            itertools.chain(self.netG_A.parameters(), self.netG_B.parameters()), **adam
        )
        self.optimizer_D = torch.optim.Adam(
            itertools.chain(self.netD_A.parameters(), self.netD_B.parameters()), **adam
        )
        self.optimizers = [self.optimizer_G, self.optimizer_D]
        self.idt_A: torch.Tensor | None = None
        self.idt_B: torch.Tensor | None = None
        self.loss_G: torch.Tensor | float = 0.0

    @staticmethod
    def _identity_weight(opt: Namespace) -> float:
        if opt.lambda_identity == 0 or opt.input_nc == opt.output_nc:
            return opt.lambda_identity
        channels = f"--input_nc {opt.input_nc} and --output_nc {opt.output_nc} differ"
        if "lambda_identity" in opt.explicit_options:
            raise UserError(
                f"--lambda_identity {opt.lambda_identity:g}: {channels}, so no image can stay as it is; give 0"
            )
        say(f"No identity loss: {channels}")
        return 0.0

    def set_input(self, input: dict) -> None:
        first, second = ("A", "B") if self.opt.direction == "AtoB" else ("B", "A")
        self.real_A = input[first].to(self.device)
        self.real_B = input[second].to(self.device)
        self.image_paths = input[first + "_paths"]
        self.other_paths = input[second + "_paths"]

    def get_visual_paths(self) -> dict[str, list[str]]:
        paths = getattr(
            self, "other_paths", []
        )  # which the set_input of an official subclass does not know
        return dict.fromkeys(("real_B", "fake_A", "rec_B", "idt_A"), paths) if paths else {}

    def forward(self) -> None:
        self.fake_B = self.netG_A(self.real_A)  # G(x)
        self.rec_A = self.netG_B(self.fake_B)  # F(G(x))
        self.fake_A = self.netG_B(self.real_B)  # F(y)
        self.rec_B = self.netG_A(self.fake_A)  # G(F(y))

    gradient_methods = {"optimizer_G": "gradients_G", "optimizer_D": "gradients_D"}

    def optimize_parameters(self) -> None:
        self.optimizer_D.zero_grad()
        self.optimizer_G.zero_grad()
        self.gradients_G()
        self.optimizer_G.step()
        self.gradients_D()
        self.optimizer_D.step()

    def gradients_G(self) -> None:
        """Gradients of both generators; the discriminators are frozen."""
        self.set_requires_grad([self.netD_A, self.netD_B], False)
        if self.overrides(
            CycleGANModel, "forward", "backward_G"
        ):  # which may count on all images being there before any loss
            self.forward()
            self.backward_G()
        else:
            self.backward_G_in_parts()

    def gradients_D(self) -> None:
        """Gradients of both discriminators, for the images of :meth:`gradients_G`."""
        self.set_requires_grad([self.netD_A, self.netD_B], True)
        self.backward_D_A()
        self.backward_D_B()

    def backward_G(self) -> None:
        """Gradients of the full objective (paper, Eq. 3, and the identity loss of section 5.2) for both generators."""
        self.loss_G = 0.0
        if self.lambda_identity > 0:
            self.idt_A = self.netG_A(self.real_B)  # G(y)
            self.idt_B = self.netG_B(self.real_A)  # F(x)
        self._backward(self.objective_A() + self.objective_B())

    def backward_G_in_parts(self) -> None:
        """The same for a fraction of the memory: each part of the sum is back-propagated before the next is computed.

        Where no image sees the others of a batch, the identity loss needs no passes of its own.
        """
        x, y = self.real_A, self.real_B
        small = (
            x.is_cuda or x[0, 0].numel() <= 128 * 128
        )  # else a larger batch takes memory, and no CPU is faster at it
        pair = (
            self.lambda_identity > 0
            and small
            and networks.samples_independent(self.netG_A)
            and networks.samples_independent(self.netG_B)
        )
        self.loss_G = 0.0
        self.fake_B, self.idt_A = (
            networks.forward_pair(self.netG_A, x, y) if pair else (self.netG_A(x), None)
        )  # G(x), G(y)
        self.rec_A = self.netG_B(self.fake_B)  # F(G(x))
        self._backward(self.objective_A())
        self.fake_A, self.idt_B = (
            networks.forward_pair(self.netG_B, y, x) if pair else (self.netG_B(y), None)
        )  # F(y), F(x)
        self.rec_B = self.netG_A(self.fake_A)  # G(F(y))
        self._backward(self.objective_B())
        if self.lambda_identity > 0 and not pair:
            self.idt_A = self.netG_A(y)
            self._backward(self.identity_A())
            self.idt_B = self.netG_B(x)
            self._backward(self.identity_B())

    def _backward(self, part: torch.Tensor) -> None:
        self.backward(part)
        self.loss_G = self.loss_G + part.detach()

    def objective_A(self) -> torch.Tensor:
        """The terms of direction A -> B -> A."""
        self.loss_G_A = (
            self.criterionGAN(self.netD_A(self.fake_B), True) * self.lambda_GAN
        )  # Eq. 1 for G and D_Y
        self.loss_cycle_A = (
            self.criterionCycle(self.rec_A, self.real_A) * self.opt.lambda_A
        )  # Eq. 2, forward
        return self.loss_G_A + self.loss_cycle_A + self.identity_A()

    def objective_B(self) -> torch.Tensor:
        """The terms of direction B -> A -> B."""
        self.loss_G_B = (
            self.criterionGAN(self.netD_B(self.fake_A), True) * self.lambda_GAN
        )  # Eq. 1 for F and D_X
        self.loss_cycle_B = (
            self.criterionCycle(self.rec_B, self.real_B) * self.opt.lambda_B
        )  # Eq. 2, backward
        return self.loss_G_B + self.loss_cycle_B + self.identity_B()

    def identity_A(self) -> Any:
        """Section 5.2 for G; 0 without an identity loss, or where it is computed later."""
        self.loss_idt_A = (
            0.0
            if self.idt_A is None
            else self.criterionIdt(self.idt_A, self.real_B)
            * (self.opt.lambda_B * self.lambda_identity)
        )
        return self.loss_idt_A

    def identity_B(self) -> Any:
        """Section 5.2 for F."""
        self.loss_idt_B = (
            0.0
            if self.idt_B is None
            else self.criterionIdt(self.idt_B, self.real_A)
            * (self.opt.lambda_A * self.lambda_identity)
        )
        return self.loss_idt_B

    def backward_D_A(self) -> None:
        self.loss_D_A = self.backward_D_basic(
            self.netD_A, self.real_B, self.fake_B_pool.query(self.fake_B)
        )

    def backward_D_B(self) -> None:
        self.loss_D_B = self.backward_D_basic(
            self.netD_B, self.real_A, self.fake_A_pool.query(self.fake_A)
        )

    def backward_D_basic(
        self, netD: torch.nn.Module, real: torch.Tensor, fake: torch.Tensor
    ) -> torch.Tensor:
        """Gradients for a discriminator; its objective is halved (section 7.1)."""
        fake = fake.detach()
        real_score, fake_score = networks.forward_pair(netD, real, fake)
        loss = (self.criterionGAN(real_score, True) + self.criterionGAN(fake_score, False)) / 2
        if self.opt.gan_mode == "wgangp":
            loss = loss + networks.cal_gradient_penalty(netD, real, fake, self.device)[0] / 2
        self.backward(loss)
        return loss
