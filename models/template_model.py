"""A small model to copy: one network that learns A -> B by regression.

``--model template`` trains it unchanged. To write a model, copy this file to
``models/NAME_model.py``, rename the class to ``NameModel``, and run ``python train.py --model
name``. Four lists name what is logged, saved, shown and stepped.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

import torch

from models import networks
from models.base_model import BaseModel
from util.limits import WEIGHT
from util.upsampling import use_upsampling


class TemplateModel(BaseModel):
    """Regression with an L1 loss."""

    @staticmethod
    def modify_commandline_options(parser: ArgumentParser, is_train: bool = True) -> ArgumentParser:
        """Change defaults and add options; ``train.py --model template --help`` lists them."""
        parser.set_defaults(dataset_mode="aligned")
        if is_train:
            text = "weight of the regression loss"
            parser.add_argument("--lambda_regression", type=WEIGHT, default=1.0, help=text)
        return parser

    def __init__(self, opt: Namespace) -> None:
        super().__init__(opt)  # self.device, self.isTrain, self.save_dir, ...
        self.loss_names = ["G"]  # logs self.loss_G
        self.visual_names = ["data_A", "data_B", "output"]  # shows self.data_A, ...
        self.model_names = ["G"]  # saves self.netG as latest_net_G.pth
        init = (opt.init_type, opt.init_gain)
        generator = (opt.ngf, opt.netG, opt.norm, not opt.no_dropout, *init)
        self.netG = networks.define_G(opt.input_nc, opt.output_nc, *generator)
        use_upsampling(opt, self.netG)
        if self.isTrain:
            self.criterionLoss = torch.nn.L1Loss()
            adam = {"lr": opt.lr, "betas": (opt.beta1, 0.999)}
            self.optimizer = torch.optim.Adam(self.netG.parameters(), **adam)
            self.optimizers = [self.optimizer]  # their learning rate follows --lr_policy

    def set_input(self, input: dict) -> None:
        """Move a batch from the dataset to the device."""
        A, B = ("A", "B") if self.opt.direction == "AtoB" else ("B", "A")
        self.data_A = input[A].to(self.device, non_blocking=True)
        self.data_B = input[B].to(self.device, non_blocking=True)
        self.image_paths = input[A + "_paths"]

    def forward(self) -> None:
        self.output = self.netG(self.data_A)

    gradient_methods = {"optimizer": "compute_gradients"}  # for --accumulate

    def optimize_parameters(self) -> None:
        """One step of training."""
        self.optimizer.zero_grad()
        self.compute_gradients()
        self.optimizer.step()

    def compute_gradients(self) -> None:
        """Compute the loss and the gradients of the optimizer's parameters."""
        self.forward()
        self.loss_G = self.criterionLoss(self.output, self.data_B) * self.opt.lambda_regression
        self.backward(self.loss_G)
