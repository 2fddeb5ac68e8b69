"""A small model to copy: one network that learns A -> B by regression. ``--model template`` trains it as it stands.

For a model of your own, copy this file to ``models/NAME_model.py``, call the class ``NameModel``, and run
``python train.py --model name``. Four lists tell the rest of the program what to log, save, show and step.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

import torch

from models import networks
from models.base_model import BaseModel


class TemplateModel(BaseModel):
    @staticmethod
    def modify_commandline_options(parser: ArgumentParser, is_train: bool = True) -> ArgumentParser:
        """Change defaults, and add options; ``train.py --model template --help`` shows them."""
        parser.set_defaults(dataset_mode="aligned")
        if is_train:
            parser.add_argument(
                "--lambda_regression", type=float, default=1.0, help="weight of the regression loss"
            )
        return parser

    def __init__(self, opt: Namespace) -> None:
        super().__init__(opt)  # self.device, self.isTrain, self.save_dir, ...
        self.loss_names = ["G"]  # logs self.loss_G
        self.visual_names = ["data_A", "data_B", "output"]  # shows self.data_A, ...
        self.model_names = ["G"]  # saves self.netG as latest_net_G.pth
        self.netG = networks.define_G(
            opt.input_nc,
            opt.output_nc,
            opt.ngf,
            opt.netG,
            opt.norm,
            not opt.no_dropout,
            opt.init_type,
            opt.init_gain,
            self.gpu_ids,
        )
        if self.isTrain:
            self.criterionLoss = torch.nn.L1Loss()
            self.optimizer = torch.optim.Adam(
                self.netG.parameters(), lr=opt.lr, betas=(opt.beta1, 0.999)
            )
            self.optimizers = [self.optimizer]  # their learning rate follows --lr_policy

    def set_input(self, input: dict) -> None:
        """Take a batch from the dataset and put it on the device."""
        A, B = ("A", "B") if self.opt.direction == "AtoB" else ("B", "A")
        self.data_A = input[A].to(self.device)
        self.data_B = input[B].to(self.device)
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
        """Losses, and gradients of the optimizer's parameters."""
        self.forward()
        self.loss_G = self.criterionLoss(self.output, self.data_B) * self.opt.lambda_regression
        self.backward(self.loss_G)
