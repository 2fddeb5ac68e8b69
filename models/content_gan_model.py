"""A GAN that keeps its input's content: SimGAN and "Feature loss + GAN" of the CycleGAN paper.

Two rows of Tables 1 to 3 (section 5.1.2). "Pixel loss + GAN" is the idea of Shrivastava et al.,
"Learning from Simulated and Unsupervised Images through Adversarial Training", CVPR 2017, with
CycleGAN's networks. "Feature loss + GAN" replaces pixels by features of VGG-16.
"""

from __future__ import annotations

import functools
from argparse import ArgumentParser, Namespace
from pathlib import Path

import torch

from models import networks
from models.base_model import BaseModel
from util import checkpoint
from util.errors import UsageError
from util.feature_networks import EFFICIENTNET, VGG, load_differentiable
from util.image.ranges import RANGES
from util.image_pool import ImagePool
from util.limits import WEIGHT, whole
from util.modules import forward_pair, restored_buffers
from util.upsampling import use_upsampling

# Options that only the feature loss reads
OF_FEATURES = (
    "content_features", "content_layer", "content_weights", "content_size", "content_range",
    "released_gradient",
)  # fmt: skip


class ContentGANModel(BaseModel):
    """G_A: A -> B, trained on unpaired images x of A and y of B; D_A judges images of B.

    G_A minimises GAN(D_A(G_A(x)), 1) + lambda_A * |F(G_A(x)) - F(x)|, where F is the identity, a
    feature network, or nothing. One training gives one direction.

    Attributes:
        facts_of_run: what the content loss is, for the log and the page.
    """

    @staticmethod
    def modify_commandline_options(parser: ArgumentParser, is_train: bool = True) -> ArgumentParser:
        parser.set_defaults(no_dropout=True)
        if is_train:
            BaseModel.add_init_options(parser, "G_A", "D_A")
            add = parser.add_argument
            kinds = ("pixel", "features", "vgg", "none")
            text = "distance that keeps the content: L1 of pixels (SimGAN) or features (also vgg)"
            add("--content_loss", choices=kinds, default="pixel", help=text)
            add(
                "--lambda_A",
                type=WEIGHT,
                default=10.0,
                help="weight of the content loss",
                metavar="X",
            )
            text = "feature network: vgg16, efficientnet-lite0, or a TorchScript file"
            add("--content_features", metavar="NETWORK", default=VGG, help=text)
            text = "layer of vgg16, e.g. relu4_2 (default) or conv3_1"
            add("--content_layer", metavar="LAYER", help=text)
            text = "torchvision's weights of vgg16; by default torchvision downloads them"
            add("--content_weights", metavar="FILE", help=text)
            text = "height and width of the input of a TorchScript file"
            add("--content_size", type=whole(8, 4096), default=224, metavar="N", help=text)
            text = "value range of its input"
            add("--content_range", choices=tuple(RANGES), default="imagenet", help=text)
            text = "gradient of the feature loss as the paper's code computes it, with its mistakes"
            add("--released_gradient", action="store_true", help=text)
        return parser

    @staticmethod
    def architecture_source(opt: Namespace) -> Path:
        return checkpoint.weights_path(opt, "G_A")

    def __init__(self, opt: Namespace) -> None:
        super().__init__(opt)
        self.loss_names = ["G", "D", "content"]
        self.visual_names = ["real_A", "fake_B", "real_B"]
        self.model_names = ["G_A", "D_A"] if self.isTrain else ["G_A"]
        if self.isTrain:
            check_options(opt)
        init = (opt.init_type, opt.init_gain)
        generator = (opt.ngf, opt.netG, opt.norm, not opt.no_dropout, *init)
        self.netG_A = networks.define_G(opt.input_nc, opt.output_nc, *generator)
        use_upsampling(opt, self.netG_A)
        if not self.isTrain:
            return
        discriminator = (opt.ndf, opt.netD, opt.n_layers_D, opt.norm, *init)
        self.netD_A = networks.define_D(opt.output_nc, *discriminator)
        self.criterionGAN = networks.GANLoss(opt.gan_mode).to(self.device)
        self.criterionContent = torch.nn.L1Loss()
        self.fake_B_pool = ImagePool(opt.pool_size)
        adam = functools.partial(torch.optim.Adam, lr=opt.lr, betas=(opt.beta1, 0.999))
        self.optimizer_D = adam(self.netD_A.parameters())
        self.optimizer_G = adam(self.netG_A.parameters())
        self.optimizers = [self.optimizer_D, self.optimizer_G]
        kind = {"pixel": "pixels", "none": "none"}.get(opt.content_loss)
        if kind is None:
            layer = (opt.content_layer, opt.content_weights, opt.content_size, opt.content_range)
            self.features = load_differentiable(opt.content_features, *layer, "--content_features")
            self.features.to(self.device)
            kind = self.features.name + ", the released gradient" * opt.released_gradient
        weight = "" if kind == "none" else f", weight {opt.lambda_A:g}"
        self.facts_of_run = [f"Content loss: {kind}{weight}"]

    def set_input(self, input: dict) -> None:
        first, second = ("A", "B") if self.opt.direction == "AtoB" else ("B", "A")
        self.real_A = input[first].to(self.device, non_blocking=True)
        self.real_B = input[second].to(self.device, non_blocking=True)
        self.image_paths = input[first + "_paths"]
        self.visual_paths = {"real_B": input[second + "_paths"]}

    def forward(self) -> None:
        self.fake_B = self.netG_A(self.real_A)

    def optimize_parameters(self) -> None:
        """One step of D_A, then one of G_A on the same images."""
        self.forward()
        self.set_requires_grad(self.netD_A, True)
        self.optimizer_D.zero_grad()
        self.backward_D()
        self.optimizer_D.step()
        self.set_requires_grad(self.netD_A, False)
        self.optimizer_G.zero_grad()
        self.backward_G()
        self.optimizer_G.step()

    gradient_methods = {"optimizer_D": "gradients_D", "optimizer_G": "gradients_G"}

    def gradients_D(self) -> None:
        """For ``--accumulate``: gradients of D_A; batch norm counts only the pass below."""
        self.set_requires_grad(self.netD_A, True)
        with torch.no_grad(), restored_buffers([self.netG_A]):
            self.forward()
        self.backward_D()

    def gradients_G(self) -> None:
        """For ``--accumulate``: gradients of G_A, with a forward pass of its own."""
        self.set_requires_grad(self.netD_A, False)
        self.forward()
        self.backward_G()

    def backward_D(self) -> None:
        """GAN(D(y), 1) + GAN(D(G(x)), 0), with G(x) from the history; the log has half of it."""
        fake = self.fake_B_pool.query(self.fake_B.detach())
        real_score, fake_score = forward_pair(self.netD_A, self.real_B, fake)
        loss = self.criterionGAN(real_score, True) + self.criterionGAN(fake_score, False)
        if self.opt.gan_mode == "wgangp":
            penalty, _ = networks.cal_gradient_penalty(self.netD_A, self.real_B, fake, self.device)
            loss = loss + penalty
        self.backward(loss)
        self.loss_D = loss.detach() / 2

    def backward_G(self) -> None:
        """GAN(D(G(x)), 1) + lambda_A * |F(G(x)) - F(x)|; the log has the two terms."""
        self.loss_G = self.criterionGAN(self.netD_A(self.fake_B), True)
        self.loss_content = self.opt.lambda_A * self.content_distance()
        self.backward(self.loss_G + self.loss_content)

    def content_distance(self) -> torch.Tensor:
        """Return mean |F(G(x)) - F(x)| for the F of ``--content_loss``."""
        if self.opt.content_loss == "none":
            return torch.zeros((), device=self.device)
        if self.opt.content_loss == "pixel":
            return self.criterionContent(self.fake_B, self.real_A)
        if self.opt.released_gradient:
            return self.released_distance()
        with torch.no_grad():
            target = self.features(self.real_A)
        return self.criterionContent(self.features(self.fake_B), target)

    def released_distance(self) -> torch.Tensor:
        """Return the same value, with the gradient of the code that the paper's authors released.

        That code runs F on G(x), then on x, and only then goes back through F: the ReLUs and
        poolings pass the gradient on as they did for x. And where it should multiply by the scale
        of the pixels, 127.5, it divides.
        """
        x = self.real_A.detach().requires_grad_()
        features_x, features_fake = self.features(x), self.features(self.fake_B.detach())
        difference = features_fake - features_x.detach()
        (slope,) = torch.autograd.grad(features_x, x, difference.sign() / difference.numel())
        linear = (self.fake_B * slope / 127.5**2).sum()  # its gradient is slope / 127.5^2
        return difference.abs().mean() + linear - linear.detach()


def check_options(opt: Namespace) -> None:
    """Raise UsageError for options of the content loss that exclude or need each other."""
    explicit, loss = getattr(opt, "explicit_options", ()), opt.content_loss
    unused = [name for name in OF_FEATURES if name in explicit and getattr(opt, name)]
    if loss in ("pixel", "none") and unused:
        raise UsageError(f"--{unused[0]} needs --content_loss features, not {loss}")
    if loss == "vgg" and opt.content_features != VGG:
        raise UsageError(f"--content_loss vgg means {VGG}, not {opt.content_features}")
    of_vgg = [name for name in ("content_layer", "content_weights") if getattr(opt, name)]
    of_script = [name for name in ("content_size", "content_range") if name in explicit]
    if opt.content_features != VGG and of_vgg:
        raise UsageError(
            f"--{of_vgg[0]} is an option of {VGG}; of --content_features {opt.content_features} "
            "the output is used"
        )
    if opt.content_features in (VGG, EFFICIENTNET) and of_script:
        raise UsageError(
            f"--{of_script[0]} is an option of TorchScript files, not of "
            f"--content_features {opt.content_features}"
        )
    is_file = opt.content_features not in (VGG, EFFICIENTNET)
    if getattr(opt, "continue_train", False) and is_file and "content_features" not in explicit:
        raise UsageError(
            "--continue_train takes no network file from a run's folder, which may come from "
            f"elsewhere: give --content_features {opt.content_features} again"
        )
    channels = f"--input_nc {opt.input_nc} and --output_nc {opt.output_nc}"
    if (loss == "pixel" or opt.released_gradient) and opt.input_nc != opt.output_nc:
        needed = "--released_gradient" if opt.released_gradient else "--content_loss pixel"
        raise UsageError(f"{needed} needs as many channels in as out, not {channels}")
    if loss in ("features", "vgg") and not {opt.input_nc, opt.output_nc} <= {1, 3}:
        raise UsageError(f"--content_loss {loss} needs images with 1 or 3 channels, not {channels}")
