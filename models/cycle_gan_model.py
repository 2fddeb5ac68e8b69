"""CycleGAN (Zhu, Park, Isola, Efros, ICCV 2017). Sections and equations are those of the paper."""

from __future__ import annotations

import functools
import itertools
from argparse import ArgumentParser, Namespace
from pathlib import Path

import torch

from models import networks
from models.base_model import BaseModel
from models.training.official_hooks import OfficialHooks
from options.flags.model import UPSAMPLE
from util import checkpoint
from util.image_pool import ImagePool
from util.limits import WEIGHT  # the type of an option: a number >= 0
from util.loss_weights import identity_weight
from util.modules import forward_pair
from util.upsampling import use_upsampling


class CycleGANModel(OfficialHooks, BaseModel):
    """Two generators and two discriminators, trained on two unpaired sets of images x and y.

    netG_A: A -> B is the paper's G, and netG_B: B -> A its F. netD_A is D_Y: it judges images of
    domain B. netD_B is D_X. x = real_A, y = real_B. Here A is the source and B the target: with
    ``--direction BtoA``, real_A is an image of the folder B. OfficialHooks (official_hooks.py) only
    serves subclasses that were written for the official code.

    To add a loss to the generators, for example a perceptual loss:

    1. Compute ``self.loss_perceptual_A`` in :meth:`objective_A`, from fake_B and rec_A, and
       ``self.loss_perceptual_B`` in :meth:`objective_B`, from fake_A and rec_B. Add each to the sum
       that is returned there. One name for both directions would log only the second value.
    2. Add "perceptual_A" and "perceptual_B" to ``loss_names``, so that both are logged.
    3. Add an option for the weight in ``modify_commandline_options``, like ``--lambda_A``.
    4. Create a fixed network in ``__init__`` if ``self.isTrain``, on ``self.device``, with
       ``.eval().requires_grad_(False)``. Leave it out of ``model_names``: networks named there are
       saved, and run in low precision with ``--amp``. The fixed network gets float32 images in
       [-1, 1]; rescale them if it expects other values.

    To add a network that is trained, for example a third discriminator netD_C:

    1. Create it in ``__init__``, and add "D_C" to ``model_names``: it is then moved to the device,
       saved and resumed. Append its optimizer to ``optimizers``, which gives it the learning rates
       of ``--lr_policy`` and the function that models/training/step.py runs before each step.
    2. Add a method like :meth:`gradients_D`, and its row to ``gradient_methods``.
    3. Add its GAN loss to :meth:`objective_A` or :meth:`objective_B`, as a loss above, and freeze
       it in :meth:`gradients_G`.
    """

    @staticmethod
    def modify_commandline_options(parser: ArgumentParser, is_train: bool = True) -> ArgumentParser:
        parser.set_defaults(no_dropout=True)
        other = "--upsample of G_B, from the target back to the source (default: the same)"
        parser.add_argument("--upsample_B", choices=UPSAMPLE, help=other)
        if is_train:
            BaseModel.add_init_options(parser, "G_A", "G_B", "D_A", "D_B")  # --init_G_A FILE, ...
            add = functools.partial(parser.add_argument, type=WEIGHT)
            add("--lambda_A", default=10.0, help="weight of the cycle loss A -> B -> A")
            add("--lambda_B", default=10.0, help="weight of the cycle loss B -> A -> B")
            add("--lambda_GAN", default=1.0, help="weight of the generators' GAN losses")
            identity = "weight of the identity loss, times lambda_A or lambda_B (paper: mostly 0)"
            add("--lambda_identity", default=0.5, help=identity)
        return parser

    @staticmethod
    def architecture_source(opt: Namespace) -> Path:
        """The weights by which test.py recognises netG, ngf, norm, ..."""
        return checkpoint.weights_path(opt, "G_A")

    def __init__(self, opt: Namespace) -> None:
        super().__init__(opt)
        self.loss_names = ["D_A", "G_A", "cycle_A", "idt_A", "D_B", "G_B", "cycle_B", "idt_B"]
        self.model_names = ["G_A", "G_B", "D_A", "D_B"] if self.isTrain else ["G_A", "G_B"]
        visual_names_A = ["real_A", "fake_B", "rec_A"]
        visual_names_B = ["real_B", "fake_A", "rec_B"]
        common = {key: getattr(opt, key) for key in ("norm", "init_type", "init_gain")}
        options_G = {"ngf": opt.ngf, "netG": opt.netG, "use_dropout": not opt.no_dropout, **common}
        self.netG_A = networks.define_G(opt.input_nc, opt.output_nc, **options_G)
        self.netG_B = networks.define_G(opt.output_nc, opt.input_nc, **options_G)
        use_upsampling(opt, self.netG_A)  # --upsample resize
        use_upsampling(opt, self.netG_B, option="upsample_B")
        if self.isTrain:
            options_D = {"ndf": opt.ndf, "netD": opt.netD, "n_layers_D": opt.n_layers_D, **common}
            self.netD_A = networks.define_D(opt.output_nc, **options_D)
            self.netD_B = networks.define_D(opt.input_nc, **options_D)
            self.fake_A_pool = ImagePool(opt.pool_size)  # the image history of section 4
            self.fake_B_pool = ImagePool(opt.pool_size)
            self.criterionGAN = networks.GANLoss(opt.gan_mode).to(self.device)
            self.criterionCycle = torch.nn.L1Loss()
            self.criterionIdt = torch.nn.L1Loss()
            weights_G = itertools.chain(self.netG_A.parameters(), self.netG_B.parameters())
            weights_D = itertools.chain(self.netD_A.parameters(), self.netD_B.parameters())
            adam = functools.partial(torch.optim.Adam, lr=opt.lr, betas=(opt.beta1, 0.999))
            self.optimizer_G, self.optimizer_D = adam(weights_G), adam(weights_D)
            self.optimizers = [self.optimizer_G, self.optimizer_D]
            # 1 for subclasses that declare only the official options, which lack --lambda_GAN
            self.lambda_GAN = getattr(opt, "lambda_GAN", 1.0)
            self.lambda_identity = identity_weight(opt)  # --lambda_identity, 0 if channels differ
            self.loss_idt_A = self.loss_idt_B = torch.zeros(())  # logged as 0 if the loss is off
            if self.lambda_identity > 0:
                visual_names_A.append("idt_B")
                visual_names_B.append("idt_A")
        self.visual_names = visual_names_A + visual_names_B

    def set_input(self, input: dict) -> None:
        x, y = ("A", "B") if self.opt.direction == "AtoB" else ("B", "A")
        self.real_A = input[x].to(self.device, non_blocking=True)
        self.real_B = input[y].to(self.device, non_blocking=True)
        # test.py names outputs after x's file, except the images that are computed from y.
        self.image_paths = input[x + "_paths"]
        from_y = ("real_B", "fake_A", "rec_B", "idt_A")
        self.visual_paths = dict.fromkeys(from_y, input[y + "_paths"])

    def forward(self) -> None:
        """Translate x and y, and both back. Training calls only the two halves."""
        self.forward_A()
        self.forward_B()

    def forward_A(self) -> None:
        self.fake_B = self.netG_A(self.real_A)  # G(x)
        self.rec_A = self.netG_B(self.fake_B)  # F(G(x))

    def forward_B(self) -> None:
        self.fake_A = self.netG_B(self.real_B)  # F(y)
        self.rec_B = self.netG_A(self.fake_A)  # G(F(y))

    # A step, in this order: each optimizer, and the method that computes the gradients for it
    gradient_methods = {"optimizer_G": "gradients_G", "optimizer_D": "gradients_D"}

    def optimize_parameters(self) -> None:
        """One step of G and F, then one step of D_X and D_Y.

        The fakes for D_X and D_Y come from the image history, which the fakes of this step enter
        first: those that G and F generated before their weights changed.

        With --accumulate N, train.py calls step.accumulate() instead. For each row, it calls the
        method once for each of N micro-batches of --batch_size images, then steps the optimizer
        with the mean gradients. Each micro-batch has its own real_A, fake_B, ... in a shallow copy
        of this model; networks and image pools are shared. The logged losses are means. It refuses
        a subclass with another optimize_parameters() that has no rows of its own.

        models/training/step.py has registered a function with both optimizers that runs at the
        beginning of each ``step()``. It averages the gradients over several GPUs, and divides them
        by the loss scale of --amp fp16. If one is not finite, the weights stay as they are, and
        training ends (--on_nonfinite skip: continues; fp16: continues with a lower scale).
        """
        for name, gradients in self.gradient_methods.items():
            optimizer, compute_gradients = getattr(self, name), getattr(self, gradients)
            optimizer.zero_grad()
            compute_gradients()
            optimizer.step()

    def gradients_G(self) -> None:
        """Gradients of G and F, with D_X and D_Y fixed. Their loss is the sum of these terms:

        lambda_GAN * GAN(D_Y(G(x))) + lambda_A * |F(G(x)) - x|    objective_A: Eq. 1 and 2
        lambda_GAN * GAN(D_X(F(y))) + lambda_B * |G(F(y)) - y|    objective_B: Eq. 1 and 2
        lambda_identity * lambda_B * |G(y) - y|                   identity_A: section 5.2
        lambda_identity * lambda_A * |F(x) - x|                   identity_B: section 5.2

        GAN is the least-squares loss of section 4, or that of --gan_mode.
        """
        self.set_requires_grad([self.netD_A, self.netD_B], False)
        self.loss_G = torch.zeros(())  # the sum, an official attribute; its terms are logged
        self.forward_A()
        self.backward_term(self.objective_A())
        self.forward_B()
        self.backward_term(self.objective_B())
        if self.lambda_identity > 0:
            self.backward_term(self.identity_A())
            self.backward_term(self.identity_B())

    def backward_term(self, term: torch.Tensor) -> None:
        """Add the gradients of one term, and its value to ``loss_G``.

        This frees the term's activations before the next term is computed. One backward pass of the
        sum would give the same gradients, but needs the activations of all terms at the same time.
        """
        self.backward(term)  # term.backward(); --amp fp16 scales the term
        self.loss_G = self.loss_G + term.detach()

    def objective_A(self) -> torch.Tensor:
        """G(x) should fool D_Y, and F(G(x)) should be x."""
        self.loss_G_A = self.criterionGAN(self.netD_A(self.fake_B), True) * self.lambda_GAN
        self.loss_cycle_A = self.criterionCycle(self.rec_A, self.real_A) * self.opt.lambda_A
        return self.loss_G_A + self.loss_cycle_A

    def objective_B(self) -> torch.Tensor:
        """F(y) should fool D_X, and G(F(y)) should be y."""
        self.loss_G_B = self.criterionGAN(self.netD_B(self.fake_A), True) * self.lambda_GAN
        self.loss_cycle_B = self.criterionCycle(self.rec_B, self.real_B) * self.opt.lambda_B
        return self.loss_G_B + self.loss_cycle_B

    def identity_A(self) -> torch.Tensor:
        """G(y) should be y; the weight is relative to that of y's cycle loss.

        G(y) is a pass of its own: joined with G(x), both would fill the memory at the same time.
        """
        self.idt_A = self.netG_A(self.real_B)
        weight = self.lambda_identity * self.opt.lambda_B
        self.loss_idt_A = self.criterionIdt(self.idt_A, self.real_B) * weight
        return self.loss_idt_A

    def identity_B(self) -> torch.Tensor:
        """F(x) should be x; the same with the directions exchanged."""
        self.idt_B = self.netG_B(self.real_A)
        weight = self.lambda_identity * self.opt.lambda_A
        self.loss_idt_B = self.criterionIdt(self.idt_B, self.real_A) * weight
        return self.loss_idt_B

    def gradients_D(self) -> None:
        """Gradients of D_Y and D_X, on new or older fakes from the image history (section 4)."""
        self.set_requires_grad([self.netD_A, self.netD_B], True)
        self.backward_D_A()
        self.backward_D_B()

    def backward_D_A(self) -> None:
        fake_B = self.fake_B_pool.query(self.fake_B)
        self.loss_D_A = self.backward_D_basic(self.netD_A, self.real_B, fake_B)

    def backward_D_B(self) -> None:
        fake_A = self.fake_A_pool.query(self.fake_A)
        self.loss_D_B = self.backward_D_basic(self.netD_B, self.real_A, fake_A)

    def backward_D_basic(
        self, netD: torch.nn.Module, real: torch.Tensor, fake: torch.Tensor
    ) -> torch.Tensor:
        """Gradients of a discriminator's objective (Eq. 1), which is halved (section 7.1)."""
        fake = fake.detach()
        # netD(real) and netD(fake), computed as one batch if netD.can_join_batches, which is True
        # without batch norm (networks.define_D), and if both images have the same size.
        real_score, fake_score = forward_pair(netD, real, fake)
        loss = (self.criterionGAN(real_score, True) + self.criterionGAN(fake_score, False)) / 2
        if self.opt.gan_mode == "wgangp":  # GANLoss does not include its gradient penalty
            penalty, _ = networks.cal_gradient_penalty(netD, real, fake, self.device)
            loss = loss + penalty / 2
        self.backward(loss)
        return loss
