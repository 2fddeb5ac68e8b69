"""BiGAN/ALI between two image domains: a prior method in Tables 1 to 3 of the CycleGAN paper.

Donahue, Krähenbühl and Darrell, "Adversarial Feature Learning", ICLR 2017, and Dumoulin et al.,
"Adversarially Learned Inference", ICLR 2017, learn G: z -> x and E: x -> z with a discriminator of
pairs (x, z). The CycleGAN paper (section 5.1.2) takes an image of the other domain for z.
"""

from __future__ import annotations

import functools
from argparse import ArgumentParser, Namespace
from pathlib import Path

import torch

from models import networks
from models.base_model import BaseModel
from util import checkpoint
from util.image_pool import ImagePool
from util.modules import forward_pair, restored_buffers
from util.upsampling import use_upsampling


class BiGANModel(BaseModel):
    """G: A -> B and E: B -> A, trained on unpaired images x of A and y of B.

    D judges pairs of an image of A and an image of B. It should score P = (x, G(x)) as real and
    Q = (E(y), y) as fake. G should make P, and E should make Q, look like the other kind of pair.
    Only D ties an output to its input: there is no cycle, identity or L1 loss.
    """

    generator_prefixes = ("G", "E")

    @staticmethod
    def modify_commandline_options(parser: ArgumentParser, is_train: bool = True) -> ArgumentParser:
        parser.set_defaults(no_dropout=True)
        if is_train:
            BaseModel.add_init_options(parser, "G", "E", "D")
        return parser

    @staticmethod
    def architecture_source(opt: Namespace) -> Path:
        return checkpoint.weights_path(opt, "G")

    def __init__(self, opt: Namespace) -> None:
        super().__init__(opt)
        self.loss_names = ["D", "G", "E"]
        self.visual_names = ["real_A", "fake_B", "real_B", "fake_A"]
        self.model_names = ["G", "E", "D"] if self.isTrain else ["G", "E"]
        init = (opt.init_type, opt.init_gain)
        generator = (opt.ngf, opt.netG, opt.norm, not opt.no_dropout, *init)
        self.netG = networks.define_G(opt.input_nc, opt.output_nc, *generator)
        self.netE = networks.define_G(opt.output_nc, opt.input_nc, *generator)
        use_upsampling(opt, self.netG, self.netE)
        if not self.isTrain:
            return
        discriminator = (opt.ndf, opt.netD, opt.n_layers_D, opt.norm, *init)
        self.netD = networks.define_D(opt.input_nc + opt.output_nc, *discriminator)
        self.criterionGAN = networks.GANLoss(opt.gan_mode).to(self.device)
        self.P_pool, self.Q_pool = ImagePool(opt.pool_size), ImagePool(opt.pool_size)
        adam = functools.partial(torch.optim.Adam, lr=opt.lr, betas=(opt.beta1, 0.999))
        self.optimizer_D = adam(self.netD.parameters())
        self.optimizer_G = adam(self.netG.parameters())
        self.optimizer_E = adam(self.netE.parameters())
        self.optimizers = [self.optimizer_D, self.optimizer_G, self.optimizer_E]

    def set_input(self, input: dict) -> None:
        first, second = ("A", "B") if self.opt.direction == "AtoB" else ("B", "A")
        self.real_A = input[first].to(self.device, non_blocking=True)
        self.real_B = input[second].to(self.device, non_blocking=True)
        self.image_paths = input[first + "_paths"]
        self.visual_paths = dict.fromkeys(("real_B", "fake_A"), input[second + "_paths"])

    def forward(self) -> None:
        self.fake_B = self.netG(self.real_A)  # G(x)
        self.fake_A = self.netE(self.real_B)  # E(y)

    def optimize_parameters(self) -> None:
        """One step of D, then one of G and one of E, all on the same fakes.

        G and E face the D of this step. Neither sees the other's step.
        """
        self.forward()
        self.set_requires_grad(self.netD, True)
        self.optimizer_D.zero_grad()
        self.backward_D()
        self.optimizer_D.step()
        self.set_requires_grad(self.netD, False)
        self.optimizer_G.zero_grad()
        self.backward_G()
        self.optimizer_G.step()
        self.optimizer_E.zero_grad()
        self.backward_E()
        self.optimizer_E.step()

    # With --accumulate, each optimizer steps with the mean of these gradients over micro-batches.
    gradient_methods = {
        "optimizer_D": "gradients_D",
        "optimizer_G": "gradients_G",
        "optimizer_E": "gradients_E",
    }

    def gradients_D(self) -> None:
        """Gradients of D, on fakes without a graph; batch norm counts only the passes below."""
        self.set_requires_grad(self.netD, True)
        with torch.no_grad(), restored_buffers([self.netG, self.netE]):
            self.forward()
        self.backward_D()

    def gradients_G(self) -> None:
        """Gradients of G, with a forward pass of its own."""
        self.set_requires_grad(self.netD, False)
        self.fake_B = self.netG(self.real_A)
        self.backward_G()

    def gradients_E(self) -> None:
        """Gradients of E, with a forward pass of its own."""
        self.set_requires_grad(self.netD, False)
        self.fake_A = self.netE(self.real_B)
        self.backward_E()

    def pair_P(self) -> torch.Tensor:
        return torch.cat([self.real_A, self.fake_B], 1)  # (x, G(x))

    def pair_Q(self) -> torch.Tensor:
        return torch.cat([self.fake_A, self.real_B], 1)  # (E(y), y)

    def backward_D(self) -> None:
        """GAN(D(P), 1) + GAN(D(Q), 0), with P and Q from histories of their own.

        The logged loss is half of this sum.
        """
        P = self.P_pool.query(self.pair_P().detach())
        Q = self.Q_pool.query(self.pair_Q().detach())
        score_P, score_Q = forward_pair(self.netD, P, Q)
        loss = self.criterionGAN(score_P, True) + self.criterionGAN(score_Q, False)
        if self.opt.gan_mode == "wgangp":
            loss = loss + networks.cal_gradient_penalty(self.netD, P, Q, self.device)[0]
        self.backward(loss)
        self.loss_D = loss.detach() / 2

    def backward_G(self) -> None:
        """GAN(D(P), 0): D should take the pair for one of E."""
        self.loss_G = self.criterionGAN(self.netD(self.pair_P()), False)
        self.backward(self.loss_G)

    def backward_E(self) -> None:
        """GAN(D(Q), 1): D should take the pair for one of G."""
        self.loss_E = self.criterionGAN(self.netD(self.pair_Q()), True)
        self.backward(self.loss_E)
