"""Models by name. To add one, copy ``template_model.py`` to ``models/X_model.py`` with class ``XModel``: ``--model X``."""
from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from util.console import UserError
from util.plugins import find_class

if TYPE_CHECKING:
    from models.base_model import BaseModel
    from models.translator import Translator


def load_generator(run: str | Path, **options) -> Translator:
    """``load_generator("checkpoints/NAME")(image)`` translates one image; see :mod:`models.translator`."""
    from models.translator import load_generator
    return load_generator(run, **options)


def find_model_using_name(model_name: str) -> type[BaseModel]:
    """The class ``XModel`` in ``models/X_model.py``, or the one in the ``.py`` file that is named."""
    from models.base_model import BaseModel
    return find_class("model", model_name, BaseModel)


def feed(model: BaseModel, batch: dict) -> None:
    """``model.set_input(batch)``. Raises UserError where the dataset does not give what the model takes."""
    try:
        model.set_input(batch)
    except KeyError as error:
        raise UserError(f"--dataset_mode {model.opt.dataset_mode} gives {', '.join(batch)}, but --model {model.opt.model} needs "
                        f"{error.args[0]}") from None


def get_option_setter(model_name: str):
    return find_model_using_name(model_name).modify_commandline_options


def create_model(opt: Namespace) -> BaseModel:
    """The model that ``opt`` describes; call ``model.setup(opt)`` before using it."""
    return find_model_using_name(opt.model)(opt)
