"""CycleGAN (Zhu, Park, Isola, Efros, ICCV 2017)."""

from __future__ import annotations

import functools
import itertools
from argparse import ArgumentParser, Namespace
from pathlib import Path

import torch

from models import networks
from models.base_model import BaseModel
from util import checkpoint
from util.console import say
from util.errors import UserError
from util.image_pool import ImagePool


class CycleGANModel(BaseModel):
    """Two generators and two discriminators, trained on two unpaired sets of images.

    G_A: A -> B is the paper's G, and G_B: B -> A its F. D_A (the paper's D_Y) judges images of
    domain B, and D_B (D_X) images of domain A. x = ``real_A``, y = ``real_B``.

    To add a loss to the generators: compute ``self.loss_NAME`` in :meth:`backward_G`, add it to the
    sum there, and add ``"NAME"`` to ``loss_names`` to have it logged.
    """

    @staticmethod
    def modify_commandline_options(parser: ArgumentParser, is_train: bool = True) -> ArgumentParser:
        parser.set_defaults(no_dropout=True)
        if is_train:
            BaseModel.add_init_options(parser, "G_A", "G_B", "D_A", "D_B")
            add = functools.partial(parser.add_argument, type=float)
            add("--lambda_A", default=10.0, help="weight of the cycle loss A -> B -> A")
            add("--lambda_B", default=10.0, help="weight of the cycle loss B -> A -> B")
            add("--lambda_GAN", default=1.0, help="weight of the adversarial losses; 0: none")
            text = (
                "weight of the identity loss, as a multiple of lambda_A and lambda_B; 0: none "
                "(the paper uses it for paintings -> photos and flowers only)"
            )
            add("--lambda_identity", default=0.5, help=text)
        return parser

    @staticmethod
    def architecture_source(opt: Namespace) -> Path:
        return checkpoint.weights_path(opt, "G_A")

    def __init__(self, opt: Namespace) -> None:
        super().__init__(opt)
        self.loss_names = ["D_A", "G_A", "cycle_A", "idt_A", "D_B", "G_B", "cycle_B", "idt_B"]
        self.model_names = ["G_A", "G_B", "D_A", "D_B"] if self.isTrain else ["G_A", "G_B"]
        visual_names_A = ["real_A", "fake_B", "rec_A"]
        visual_names_B = ["real_B", "fake_A", "rec_B"]
        init = (opt.init_type, opt.init_gain, self.gpu_ids)
        generator = (opt.ngf, opt.netG, opt.norm, not opt.no_dropout, *init)
        self.netG_A = networks.define_G(opt.input_nc, opt.output_nc, *generator)
        self.netG_B = networks.define_G(opt.output_nc, opt.input_nc, *generator)
        if self.isTrain:
            discriminator = (opt.ndf, opt.netD, opt.n_layers_D, opt.norm, *init)
            self.netD_A = networks.define_D(opt.output_nc, *discriminator)
            self.netD_B = networks.define_D(opt.input_nc, *discriminator)
            self.fake_A_pool = ImagePool(opt.pool_size)  # the image history of section 4
            self.fake_B_pool = ImagePool(opt.pool_size)
            self.criterionGAN = networks.GANLoss(opt.gan_mode).to(self.device)
            self.criterionCycle = torch.nn.L1Loss()
            self.criterionIdt = torch.nn.L1Loss()
            generators = itertools.chain(self.netG_A.parameters(), self.netG_B.parameters())
            discriminators = itertools.chain(self.netD_A.parameters(), self.netD_B.parameters())
            adam = functools.partial(torch.optim.Adam, lr=opt.lr, betas=(opt.beta1, 0.999))
            self.optimizer_G, self.optimizer_D = adam(generators), adam(discriminators)
            self.optimizers = [self.optimizer_G, self.optimizer_D]
            self.lambda_GAN = getattr(opt, "lambda_GAN", 1.0)  # not in official subclasses
            self.lambda_identity = identity_weight(opt)
            self.loss_idt_A = self.loss_idt_B = torch.zeros((), device=self.device)
            if self.lambda_identity > 0:
                visual_names_A.append("idt_B")
                visual_names_B.append("idt_A")
        self.visual_names = visual_names_A + visual_names_B

    def set_input(self, input: dict) -> None:
        first, second = ("A", "B") if self.opt.direction == "AtoB" else ("B", "A")
        self.real_A = input[first].to(self.device)
        self.real_B = input[second].to(self.device)
        self.image_paths = input[first + "_paths"]
        self.other_paths = input[second + "_paths"]

    def get_visual_paths(self) -> dict[str, list[str]]:
        # A subclass written for the official code sets image_paths only.
        paths = getattr(self, "other_paths", [])
        return dict.fromkeys(("real_B", "fake_A", "rec_B", "idt_A"), paths) if paths else {}

    def forward(self) -> None:
        """Translate both images and back."""
        self.forward_A()
        self.forward_B()

    def forward_A(self) -> None:
        self.fake_B = self.netG_A(self.real_A)  # G(x)
        self.rec_A = self.netG_B(self.fake_B)  # F(G(x))

    def forward_B(self) -> None:
        self.fake_A = self.netG_B(self.real_B)  # F(y)
        self.rec_B = self.netG_A(self.fake_A)  # G(F(y))

    # For --accumulate: the methods that compute the gradients of each optimizer.
    gradient_methods = {"optimizer_G": "gradients_G", "optimizer_D": "gradients_D"}

    def optimize_parameters(self) -> None:
        """One step of both generators, then one of both discriminators on the same images."""
        self.optimizer_G.zero_grad()
        self.optimizer_D.zero_grad()
        self.gradients_G()
        self.optimizer_G.step()
        self.gradients_D()
        self.optimizer_D.step()

    def gradients_G(self) -> None:
        self.set_requires_grad([self.netD_A, self.netD_B], False)
        model = type(self)
        ours = CycleGANModel.forward, CycleGANModel.backward_G
        if (model.forward, model.backward_G) == ours:
            self.backward_G(by_direction=True)
        else:  # as in the official code, for a subclass whose losses may need all images
            self.forward()
            self.backward_G()

    def gradients_D(self) -> None:
        self.set_requires_grad([self.netD_A, self.netD_B], True)
        self.backward_D_A()
        self.backward_D_B()

    def backward_G(self, by_direction: bool = False) -> None:
        """Gradients of the full objective (Eq. 3) and the identity loss (section 5.2).

        Each backward() frees its activations before the next sum is computed: half the memory. With
        ``by_direction`` the images of each direction are computed here, else by forward() before.
        """
        x, y, lambda_A, lambda_B = self.real_A, self.real_B, self.opt.lambda_A, self.opt.lambda_B
        if by_direction:
            self.forward_A()
        self.loss_G_A = self.criterionGAN(self.netD_A(self.fake_B), True) * self.lambda_GAN  # Eq. 1
        self.loss_cycle_A = self.criterionCycle(self.rec_A, x) * lambda_A  # Eq. 2
        self.backward(self.loss_G_A + self.loss_cycle_A)
        if by_direction:
            self.forward_B()
        self.loss_G_B = self.criterionGAN(self.netD_B(self.fake_A), True) * self.lambda_GAN
        self.loss_cycle_B = self.criterionCycle(self.rec_B, y) * lambda_B
        self.backward(self.loss_G_B + self.loss_cycle_B)
        if self.lambda_identity > 0:
            self.idt_A = self.netG_A(y)  # G(y) should be y
            self.loss_idt_A = self.criterionIdt(self.idt_A, y) * lambda_B * self.lambda_identity
            self.backward(self.loss_idt_A)
            self.idt_B = self.netG_B(x)  # F(x) should be x
            self.loss_idt_B = self.criterionIdt(self.idt_B, x) * lambda_A * self.lambda_identity
            self.backward(self.loss_idt_B)
        loss_A = self.loss_G_A + self.loss_cycle_A + self.loss_idt_A
        self.loss_G = (loss_A + self.loss_G_B + self.loss_cycle_B + self.loss_idt_B).detach()

    def backward_D_A(self) -> None:
        fake_B = self.fake_B_pool.query(self.fake_B)
        self.loss_D_A = self.backward_D_basic(self.netD_A, self.real_B, fake_B)

    def backward_D_B(self) -> None:
        fake_A = self.fake_A_pool.query(self.fake_A)
        self.loss_D_B = self.backward_D_basic(self.netD_B, self.real_A, fake_A)

    def backward_D_basic(
        self, netD: torch.nn.Module, real: torch.Tensor, fake: torch.Tensor
    ) -> torch.Tensor:
        """Gradients of a discriminator's objective, which is halved (section 7.1)."""
        fake = fake.detach()
        real_score, fake_score = networks.forward_pair(netD, real, fake)
        loss = (self.criterionGAN(real_score, True) + self.criterionGAN(fake_score, False)) / 2
        if self.opt.gan_mode == "wgangp":
            loss = loss + networks.cal_gradient_penalty(netD, real, fake, self.device)[0] / 2
        self.backward(loss)
        return loss


def identity_weight(opt: Namespace) -> float:
    """Return ``--lambda_identity``; 0 if it was not given and the domains differ in channels."""
    if opt.lambda_identity == 0 or opt.input_nc == opt.output_nc:
        return opt.lambda_identity
    channels = f"--input_nc {opt.input_nc} and --output_nc {opt.output_nc} differ"
    if "lambda_identity" in opt.explicit_options:
        given = f"--lambda_identity {opt.lambda_identity:g}"
        raise UserError(f"{given}: {channels}, so an image cannot map to itself; give 0")
    say(f"No identity loss: {channels}")
    return 0.0
