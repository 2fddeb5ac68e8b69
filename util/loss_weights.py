"""Weights of losses that depend on other options."""

from __future__ import annotations

from argparse import Namespace

from util.console import say
from util.errors import UserError


def identity_weight(opt: Namespace) -> float:
    """Return ``--lambda_identity``; 0 by default if the domains differ in channels.

    Raises UserError: the domains differ, and the option is given and not 0.
    """
    if opt.lambda_identity == 0 or opt.input_nc == opt.output_nc:
        return opt.lambda_identity
    if "lambda_identity" in opt.explicit_options:
        raise UserError("--lambda_identity should be 0 if --input_nc and --output_nc differ")
    say("No identity loss, because --input_nc and --output_nc differ")
    return 0.0
