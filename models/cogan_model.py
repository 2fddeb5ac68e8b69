"""CoGAN (Liu and Tuzel, NIPS 2016), the baseline of the CycleGAN paper's section 5.1.2."""

from __future__ import annotations

import functools
from argparse import ArgumentParser, Namespace
from pathlib import Path

import torch

from models.adversarial_loss import GANLoss
from models.base_model import BaseModel
from models.coupled_networks import LATENT, SIZES, CoupledDiscriminator, CoupledGenerator
from models.translation.latent_search import (
    OTHER,
    RECONSTRUCTION,
    Latent,
    LatentCache,
    add_search_options,
    describe,
    evaluating,
    find_latent,
    require_size,
)
from util import checkpoint
from util.console import say
from util.errors import UsageError
from util.init_weights import init_weights
from util.limits import WEIGHT, whole
from util.modules import restored_buffers

OWN_NETWORKS = ("netG", "netD", "n_layers_D", "no_dropout", "pool_size")  # options of other models


class CoGANModel(BaseModel):
    """Two GANs, one for each domain, that are coupled by shared layers and by nothing else.

    netG has g1 and g2, which draw a pair of images from one random z, and netD has f1 and f2, which
    judge domain A and domain B. There are no pairs of images and no cycle loss. After the training,
    :meth:`test` translates x by the z that generates it: g1(z) is nearly x, and g2(z) the answer.

    Losses: D_A and G_A are of domain A (f1 and g1), D_B and G_B of domain B.
    """

    validation_limit = 8  # images, because each takes a search

    @staticmethod
    def modify_commandline_options(parser: ArgumentParser, is_train: bool = True) -> ArgumentParser:
        parser.set_defaults(norm="batch", crop_size=64)
        text = "layers that the generators share, counted from z (default: all but the last)"
        parser.add_argument("--shared_G", type=whole(0, 7), help=text)
        add_search_options(parser, is_train)
        if not is_train:
            parser.set_defaults(eval=True, load_size=64)
            return parser
        BaseModel.add_init_options(parser, "G", "D")
        parser.set_defaults(batch_size=64, min_batch=2, load_size=66, gan_mode="vanilla")
        parser.set_defaults(n_epochs=200, n_epochs_decay=0, pool_size=0)
        parser.set_defaults(panel_size=1)  # each of its images takes a search after every epoch
        text = "layers that the discriminators share, the last (default: all but the first two)"
        parser.add_argument("--shared_D", type=whole(0, 8), help=text)
        text = "weight decay of all weights, but not of shifts and slopes"
        parser.add_argument("--weight_decay", type=WEIGHT, default=1e-4, help=text)
        return parser

    @staticmethod
    def architecture_source(opt: Namespace) -> Path:
        return checkpoint.weights_path(opt, "G")

    def __init__(self, opt: Namespace) -> None:
        super().__init__(opt)
        check_options(opt)
        self.loss_names = ["D_A", "G_A", "D_B", "G_B"]
        self.model_names = ["G", "D"] if self.isTrain else ["G"]
        self.visual_names = ["real_A", "pair_A", "pair_B", "real_B"]  # of a training step
        channels, init = (opt.input_nc, opt.output_nc), (opt.init_type, opt.init_gain)
        self.netG = CoupledGenerator(*channels, opt.crop_size, opt.ngf, opt.shared_G)
        init_weights(self.netG, *init)
        self.starts = 1
        self.cache: LatentCache | None = None
        if not self.isTrain:
            self.visual_names = [label for labels in self.test_labels() for label in labels]
            self.starts = opt.latent_starts
            opt.netG = "coupled"  # test_opt.txt and the page name it
            say(describe(self.starts, opt.latent_steps))
            return
        self.netD = CoupledDiscriminator(*channels, opt.crop_size, opt.ndf, opt.shared_D)
        init_weights(self.netD, *init)
        self.criterionGAN = GANLoss(opt.gan_mode).to(self.device)
        adam = functools.partial(torch.optim.Adam, lr=opt.lr, betas=(opt.beta1, 0.999))
        self.optimizer_G = adam(decayed(self.netG, opt.weight_decay))
        self.optimizer_D = adam(decayed(self.netD, opt.weight_decay))
        self.optimizers = [self.optimizer_G, self.optimizer_D]

    def set_input(self, input: dict) -> None:
        first, second = ("A", "B") if self.opt.direction == "AtoB" else ("B", "A")
        self.real_A = input[first].to(self.device, non_blocking=True)
        self.real_B = input[second].to(self.device, non_blocking=True)
        self.image_paths = input[first + "_paths"]
        made_of_B = ("real_B", "fake_A", "rec_B")
        self.visual_paths = dict.fromkeys(made_of_B, input[second + "_paths"])
        for images in (self.real_A, self.real_B):
            require_size(images, self.opt.crop_size)
        if self.isTrain:  # here, so that each micro-batch of --accumulate keeps its z
            self.z = self.real_A.new_empty(len(self.real_A), LATENT).uniform_(-1, 1)

    def forward(self) -> None:
        """Draw g1(z) and g2(z) of a random z: what a training step does, and not :meth:`test`."""
        channels = [self.opt.input_nc, self.opt.output_nc]
        self.pair_A, self.pair_B = self.netG(self.z).split(channels, 1)

    gradient_methods = {"optimizer_D": "gradients_D", "optimizer_G": "gradients_G"}

    def optimize_parameters(self) -> None:
        """One step of f1 and f2, then one of g1 and g2 with the same z."""
        self.forward()
        self.optimizer_D.zero_grad()
        self.backward_D()
        self.optimizer_D.step()
        self.optimizer_G.zero_grad()
        self.backward_G()
        self.optimizer_G.step()

    def gradients_D(self) -> None:
        """For ``--accumulate``: gradients of f1 and f2."""
        with torch.no_grad(), restored_buffers([self.netG]):  # gradients_G repeats this pass
            self.forward()
        self.backward_D()

    def gradients_G(self) -> None:
        """For ``--accumulate``: gradients of g1 and g2, with a forward() of their own."""
        self.forward()
        self.backward_G()

    def scores(self, pair_A: torch.Tensor, pair_B: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Return the logits of real_A, ``pair_A``, real_B and ``pair_B``.

        They pass through D in one batch, so batch norm sees the mixture of real and generated
        images, in the step of G as well.
        """
        A, B = torch.cat([self.real_A, pair_A]), torch.cat([self.real_B, pair_B])
        return self.netD(A, B).chunk(4)

    def backward_D(self) -> None:
        """Gradients of f1 and f2; each domain's loss is the mean of its two halves."""
        self.set_requires_grad(self.netD, True)
        real_A, fake_A, real_B, fake_B = self.scores(self.pair_A.detach(), self.pair_B.detach())
        gan = self.criterionGAN
        self.loss_D_A = (gan(real_A, True) + gan(fake_A, False)) / 2
        self.loss_D_B = (gan(real_B, True) + gan(fake_B, False)) / 2
        self.backward(self.loss_D_A + self.loss_D_B)

    def backward_G(self) -> None:
        """Gradients of g1 and g2, whose images should pass for real."""
        self.set_requires_grad(self.netD, False)
        _, fake_A, _, fake_B = self.scores(self.pair_A, self.pair_B)
        self.loss_G_A = self.criterionGAN(fake_A, True)
        self.loss_G_B = self.criterionGAN(fake_B, True)
        self.backward(self.loss_G_A + self.loss_G_B)

    def test(self) -> None:
        """Translate by searching z, which needs gradients; --save may leave a domain out.

        rec_A is g1(z*) for the z* of real_A, and fake_B is g2(z*). Likewise rec_B and fake_A.
        """
        self.visual_names = [label for labels in self.test_labels() for label in labels]
        self.image_metrics: dict[str, dict[str, list[float]]] = {}
        with torch.no_grad(), evaluating(self.netG):
            for real, rec, fake in self.test_labels():
                self.translate(real[-1], rec, fake)

    def test_labels(self) -> list[tuple[str, str, str]]:
        """Return the labels of the images that :meth:`test` makes, for each domain."""
        labels = [("real_A", "rec_A", "fake_B"), ("real_B", "rec_B", "fake_A")]
        saved = set(getattr(self.opt, "save", None) or labels[0] + labels[1])
        return [of_domain for of_domain in labels if saved & set(of_domain)] or labels

    def translate(self, domain: str, rec: str, fake: str) -> None:
        """Set the attributes ``rec`` and ``fake`` for the real images of ``domain``."""
        latents = [self.find(x, domain) for x in getattr(self, f"real_{domain}").split(1)]
        z = torch.cat([latent.z for latent in latents])
        setattr(self, rec, self.netG.generate(z, domain))
        setattr(self, fake, self.netG.generate(z, OTHER[domain]))
        self.image_metrics[fake] = {RECONSTRUCTION: [latent.psnr for latent in latents]}

    def find(self, x: torch.Tensor, domain: str) -> Latent:
        """Return the :class:`Latent` of an image (1, C, H, W), from the cache if it is there."""
        settings = (self.starts, self.opt.latent_steps, self.opt.seed)
        if not self.isTrain and self.cache is None:
            self.cache = LatentCache(self.save_dir / "latents", self.netG, *settings)
        latent = self.cache.load(x, domain) if self.cache else None
        if latent is None:
            latent = find_latent(self.netG, x, domain, *settings)
            if self.cache:
                self.cache.save(x, domain, latent)
        return latent

    # Health: CoGAN has no input whose change a check could follow, so inversion, unchanged images
    # and hidden information cannot be measured. Collapse and a discriminator that has won can.

    health_texts = {
        "dependence": "{G} has collapsed: its images for different z hardly differ. Try another "
        "--seed, a lower --lr, or more images",
        "loss": "{D} has won: its loss has long been near 0, so {G} learns little from it. Try a "
        "smaller --ndf, or more images",
    }

    def measure_health(self) -> list[tuple[str, str, dict[str, float]]]:
        """Return, for each domain, the names of its losses, and how far two images are apart."""

        def spread(images: torch.Tensor) -> float:
            return (images - images.roll(1, 0)).detach().abs().mean().item()

        A = {"output_varies": spread(self.pair_A), "variety": spread(self.real_A)}
        B = {"output_varies": spread(self.pair_B), "variety": spread(self.real_B)}
        return [("G_A", "D_A", A), ("G_B", "D_B", B)]


def decayed(net: torch.nn.Module, weight_decay: float) -> list[dict]:
    """Return two groups of parameters: weights, which decay, and shifts and slopes, which do not.

    In the released code, too, only the weights of convolutions and full connections decay.
    """
    parameters = list(net.parameters())
    weights = [p for p in parameters if p.dim() > 1]
    others = [p for p in parameters if p.dim() == 1]
    return [{"params": weights, "weight_decay": weight_decay}, {"params": others}]


def check_options(opt: Namespace) -> None:
    """Raise UsageError for options that CoGAN does not have; name those without an effect."""
    stages = SIZES.index(opt.crop_size) + 4 if opt.crop_size in SIZES else 0  # of a generator
    limits = {"shared_G": stages + 1, "shared_D": stages + 2}
    reasons = {
        f"--crop_size {opt.crop_size}: CoGAN generates 64, 128 or 256 pixels": not stages,
        f"--preprocess {opt.preprocess}: CoGAN needs images of one size; use resize_and_crop": (
            opt.preprocess in ("none", "scale_width")
        ),
        f"--norm {opt.norm}: CoGAN has batch norm": opt.norm != "batch",
    }
    if opt.isTrain:
        reasons |= {
            "--batch_size 1: CoGAN's batch norm needs at least 2 images (default: 64)": (
                opt.batch_size < 2
            ),
            "--gan_mode wgangp: CoGAN has no gradient penalty; use vanilla or lsgan": (
                opt.gan_mode == "wgangp"
            ),
        }
    for name, limit in limits.items():
        value = getattr(opt, name, None)
        reasons[f"--{name} {value}: should be at most {limit} of {limit + 1} layers"] = (
            value is not None and value > limit
        )
    if broken := [reason for reason, is_broken in reasons.items() if is_broken]:
        raise UsageError(broken[0])
    without_effect = [f"--{name}" for name in OWN_NETWORKS if name in opt.explicit_options]
    if without_effect and opt.isTrain:
        say(f"Without effect on CoGAN, which has its own networks: {', '.join(without_effect)}")
