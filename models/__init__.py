"""Models by name: ``--model X`` is class ``XModel`` in ``models/X_model.py``.

To add a model, copy ``template_model.py``.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import traceback
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path

from data.image_file import limit_pixels
from models.base_model import BaseModel
from models.translation.translator import Translator
from options.stages import Options
from util.console import quiet
from util.errors import UserError
from util.exported_file import find_export
from util.option_defaults import add_missing, theirs
from util.packed_run import find_archive, unpack_run
from util.plugins import find_class
from util.runs import no_run
from util.seeds import preserve_rng
from util.upsampling import require_upsampling


class _TestOptions(Options):
    """The options of test.py, also where a fork's own options files replace ours."""

    isTrain = False


def load_generator(run: str | Path, **options) -> Translator:
    """Return a function that translates images like ``test.py``: ``load_generator(run)(image)``.

    It prints nothing and leaves all generators of random numbers as they were. Its ``repr`` says
    what was loaded, and its attribute ``messages`` holds what ``test.py`` would have printed.

    Args:
        run: the run's folder, e.g. ``checkpoints/horse2zebra``, or an archive of
            ``scripts/pack_run.py``, e.g. ``horse2zebra.zip``, or a file of ``scripts/export.py``,
            e.g. ``horse2zebra.onnx``.
        options: any options of ``test.py --model test``, e.g. ``direction="BtoA"``, ``epoch=100``,
            ``preprocess="none"``, ``eval=True``, ``gpu_ids="-1"``.

    Raises:
        UserError: there are no such weights, an option does not fit them, or the archive is
            damaged.
    """
    if not isinstance(run, str | os.PathLike) or not str(run):
        raise UserError(f"load_generator({run!r}): should be the folder of a run")
    if archive := find_archive(str(run), Path()):
        with tempfile.TemporaryDirectory() as root:
            translator = load_generator(
                unpack_run(archive, "load_generator", Path(root)), **options
            )
        translator.origin = str(run)
        return translator
    folder = Path(os.path.abspath(run))
    file = find_export(str(run), Path())
    if not folder.is_dir() and not file:
        raise no_run(Path(run).parent, folder.name, f"load_generator({str(run)!r})")
    name = f"--name={folder if file else folder.name}"
    args = ["--model", "test", name, "--checkpoints_dir", str(folder.parent)]
    args += ["--dataroot", str(folder)]
    for name, value in options.items():
        if value is not False:
            values = value if isinstance(value, list | tuple) else () if value is True else (value,)
            args += [f"--{name}", *map(str, values)]
    with quiet() as messages, preserve_rng():
        opt = _TestOptions().parse(args, record=False)
        translator = Translator(opt, silent=True)
    if file:  # all of it is in memory
        shutil.rmtree(opt.checkpoints_dir, ignore_errors=True)
    if "max_pixels" in options:
        limit_pixels(opt.max_pixels)  # for images that are given as paths
    translator.origin, translator.messages = str(run), messages
    return translator


def find_model_using_name(model_name: str) -> type[BaseModel]:
    """Return class ``XModel`` of ``models/X_model.py``, or of the ``.py`` file that is named."""
    return find_class("model", model_name)


def get_option_setter(model_name: str):
    """Return the function that adds the model's options to a parser."""
    return find_model_using_name(model_name).modify_commandline_options


def create_model(opt: Namespace) -> BaseModel:
    """Return the model of ``--model``; call ``model.setup(opt)`` before using it."""
    opt = add_missing(opt)
    model = find_model_using_name(opt.model)(theirs(opt))
    require_upsampling(opt, model)
    return model


def set_batch(model: BaseModel, batch: dict) -> None:
    """Call ``model.set_input(batch)``; raise UserError if it needs what the dataset lacks."""
    with explain_missing_images(model, batch):
        model.set_input(batch)


@contextlib.contextmanager
def explain_missing_images(model: BaseModel, batch: dict) -> Iterator[None]:
    """Turn the KeyError of a ``set_input`` that needs what ``batch`` lacks into a UserError."""
    try:
        yield
    except KeyError as error:
        functions = [frame.name for frame in traceback.extract_tb(error.__traceback__)]
        if "set_input" not in functions:  # an error in the model itself
            raise
        raise UserError(
            f"--dataset_mode {model.opt.dataset_mode} gives {', '.join(batch)}, "
            f"but --model {model.opt.model} needs {error.args[0]}"
        ) from None
