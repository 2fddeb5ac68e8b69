"""pix2pix (Isola, Zhu, Zhou, Efros, CVPR 2017): a conditional GAN on aligned pairs."""

from __future__ import annotations

import functools
from argparse import ArgumentParser, Namespace
from pathlib import Path

import torch

from models import networks
from models.base_model import BaseModel
from util import checkpoint
from util.image_pool import ImagePool
from util.limits import WEIGHT
from util.modules import forward_pair, restored_buffers
from util.upsampling import use_upsampling


class Pix2PixModel(BaseModel):
    """G maps A to B; D judges pairs (A, B).

    G's objective is a GAN loss plus lambda_L1 times the L1 distance to B.
    """

    @staticmethod
    def modify_commandline_options(parser: ArgumentParser, is_train: bool = True) -> ArgumentParser:
        parser.set_defaults(norm="batch", netG="unet_256", dataset_mode="aligned")
        if is_train:
            parser.set_defaults(pool_size=0, gan_mode="vanilla")
            BaseModel.add_init_options(parser, "G", "D")
            text = "weight of the L1 loss"
            parser.add_argument("--lambda_L1", type=WEIGHT, default=100.0, help=text)
        return parser

    @staticmethod
    def architecture_source(opt: Namespace) -> Path:
        return checkpoint.weights_path(opt, "G")

    def __init__(self, opt: Namespace) -> None:
        super().__init__(opt)
        self.loss_names = ["G_GAN", "G_L1", "D_real", "D_fake"]
        self.visual_names = ["real_A", "fake_B", "real_B"]
        self.model_names = ["G", "D"] if self.isTrain else ["G"]
        init = (opt.init_type, opt.init_gain)
        generator = (opt.ngf, opt.netG, opt.norm, not opt.no_dropout, *init)
        self.netG = networks.define_G(opt.input_nc, opt.output_nc, *generator)
        use_upsampling(opt, self.netG)
        if not self.isTrain:
            return
        discriminator = (opt.ndf, opt.netD, opt.n_layers_D, opt.norm, *init)
        self.netD = networks.define_D(opt.input_nc + opt.output_nc, *discriminator)
        self.criterionGAN = networks.GANLoss(opt.gan_mode).to(self.device)
        self.criterionL1 = torch.nn.L1Loss()
        adam = functools.partial(torch.optim.Adam, lr=opt.lr, betas=(opt.beta1, 0.999))
        self.optimizer_G = adam(self.netG.parameters())
        self.optimizer_D = adam(self.netD.parameters())
        self.optimizers = [self.optimizer_G, self.optimizer_D]
        self.fake_pool = ImagePool(opt.pool_size)

    def set_input(self, input: dict) -> None:
        first, second = ("A", "B") if self.opt.direction == "AtoB" else ("B", "A")
        self.real_A = input[first].to(self.device, non_blocking=True)
        self.real_B = input[second].to(self.device, non_blocking=True)
        self.image_paths = input[first + "_paths"]
        self.visual_paths = {"real_B": input.get(second + "_paths", self.image_paths)}

    def forward(self) -> None:
        self.fake_B = self.netG(self.real_A)

    gradient_methods = {"optimizer_D": "gradients_D", "optimizer_G": "gradients_G"}

    def optimize_parameters(self) -> None:
        """One step of the discriminator, then one of the generator on the same images."""
        self.forward()
        self.set_requires_grad(self.netD, True)
        self.optimizer_D.zero_grad()
        self.backward_D()
        self.optimizer_D.step()
        self.set_requires_grad(self.netD, False)
        self.optimizer_G.zero_grad()
        self.backward_G()
        self.optimizer_G.step()

    def gradients_D(self) -> None:
        """For ``--accumulate``: gradients of D; forward() keeps no graph of G.

        G's batch norm does not count this pass, because :meth:`gradients_G` repeats it with the
        same dropout.
        """
        self.set_requires_grad(self.netD, True)
        self.dropout_seed = int(torch.randint(2**62, ()))
        torch.manual_seed(self.dropout_seed)
        with torch.no_grad(), restored_buffers([self.netG]):
            self.forward()
        self.backward_D()

    def gradients_G(self) -> None:
        """For ``--accumulate``: gradients of G, with a forward() of its own."""
        self.set_requires_grad(self.netD, False)
        torch.manual_seed(self.dropout_seed)
        self.forward()
        self.backward_G()

    def backward_D(self) -> None:
        real = torch.cat([self.real_A, self.real_B], 1)
        fake = self.fake_pool.query(torch.cat([self.real_A, self.fake_B.detach()], 1))
        fake_score, real_score = forward_pair(self.netD, fake, real)
        self.loss_D_fake = self.criterionGAN(fake_score, False)
        self.loss_D_real = self.criterionGAN(real_score, True)
        self.loss_D = (self.loss_D_fake + self.loss_D_real) / 2
        if self.opt.gan_mode == "wgangp":
            penalty, _ = networks.cal_gradient_penalty(self.netD, real, fake, self.device)
            self.loss_D = self.loss_D + penalty / 2
        self.backward(self.loss_D)

    def backward_G(self) -> None:
        fake = torch.cat([self.real_A, self.fake_B], 1)
        self.loss_G_GAN = self.criterionGAN(self.netD(fake), True)
        self.loss_G_L1 = self.criterionL1(self.fake_B, self.real_B) * self.opt.lambda_L1
        self.loss_G = self.loss_G_GAN + self.loss_G_L1
        self.backward(self.loss_G)
