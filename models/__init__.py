"""Models by name. To add one, copy ``template_model.py`` to ``models/X_model.py`` with class ``XModel``: ``--model X``."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from util.errors import UserError
from util.plugins import find_class

if TYPE_CHECKING:
    from models.base_model import BaseModel
    from models.translation.translator import Translator


def load_generator(run: str | Path, **options) -> Translator:
    """``load_generator("checkpoints/NAME")(image)`` translates one image with the preprocessing of ``test.py``.

    Args:
        run: the run's folder, e.g. ``checkpoints/horse2zebra``.
        options: any options of ``test.py --model test``: ``direction="BtoA"``, ``epoch=100``, ``preprocess="none"``,
            ``eval=True``, ``gpu_ids="-1"`` ...

    Raises UserError: there are no such weights, or an option does not fit them.
    """
    from models.translation.translator import Translator
    from options.test_options import TestOptions

    folder = Path(run)
    args = [
        "--model",
        "test",
        "--name",
        folder.name,
        "--checkpoints_dir",
        str(folder.parent),
        "--dataroot",
        str(folder),
    ]
    for name, value in options.items():
        args += (
            [f"--{name}"] if value is True else [] if value is False else [f"--{name}", str(value)]
        )
    if not folder.is_dir():
        raise UserError(f"there is no folder {folder}")
    return Translator(TestOptions().parse(args, record=False))


def find_model_using_name(model_name: str) -> type[BaseModel]:
    """The class ``XModel`` in ``models/X_model.py``, or the one in the ``.py`` file that is named."""
    return find_class("model", model_name)


def set_batch(model: BaseModel, batch: dict) -> None:
    """``model.set_input(batch)``. Raises UserError where the dataset does not give what the model takes."""
    try:
        model.set_input(batch)
    except KeyError as error:
        raise UserError(
            f"--dataset_mode {model.opt.dataset_mode} gives {', '.join(batch)}, but --model {model.opt.model} needs "
            f"{error.args[0]}"
        ) from None


def get_option_setter(model_name: str):
    return find_model_using_name(model_name).modify_commandline_options


def create_model(opt: Namespace) -> BaseModel:
    """The model that ``opt`` describes; call ``model.setup(opt)`` before using it."""
    from models.training.memory import without_compiler

    if not getattr(opt, "compile", False):
        without_compiler()
    return find_model_using_name(opt.model)(opt)
