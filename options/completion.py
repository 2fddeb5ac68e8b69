"""Completes an ``opt`` that classes of another project have parsed, or parts of such classes."""

from __future__ import annotations

import copy
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from options.parser import Parser, choose_device
from options.rules import OWN, Rules, draw_seed, words_of
from options.testing import TestingRules
from options.training import TrainingRules
from util import plugins
from util.gpu import ids_as_typed
from util.named_values import extend_choices
from util.option_defaults import OLD_NAMES, adopt_old_names, ours


def rules_of(is_train: bool) -> Rules:
    """The rules of training, or those of testing."""
    return TrainingRules() if is_train else TestingRules()


def _changes(opt: Namespace, defaults: dict[str, Any]) -> dict[str, Any]:
    """Return name -> default of the options whose value is another one."""
    return {
        name: default
        for name, default in defaults.items()
        if str(getattr(opt, name, default)) != str(default)
    }


@contextmanager
def command_line(words: list[str]) -> Iterator[None]:
    """Inside, ``words`` are the arguments in ``sys.argv``."""
    before, sys.argv = sys.argv, [sys.argv[0], *words]
    try:
        yield
    finally:
        sys.argv = before


def find_run(other: Any, words: list[str]) -> tuple[Rules, list[str], Namespace]:
    """Find the run to resume or test.

    Args:
        other: a new object of the options class.
        words: the command line.

    Returns:
        The rules, with the run; words that choose its model and dataset, and the CPU if there is no
        GPU; and the options as far as they have been declared.
    """
    import inspect  # not at the top: it would slow --help down

    probe = Parser(add_help=False, conflict_handler="resolve")
    if not inspect.signature(other.initialize).parameters:  # in options files of 2017
        other.initialize()
        probe = Parser(parents=[other.parser], add_help=False, conflict_handler="resolve")
    else:
        other.initialize(probe)
    rules, probe.arguments = rules_of(other.isTrain), words
    before = probe.defaults()
    if not {"checkpoints_dir", "name"} <= before.keys():  # parse() sets the folder
        return rules, [], Namespace(**{"dataroot": None} | before | probe.given(words, OWN))
    given = probe.given(words, OWN)
    given |= {new: given[old] for old, new in OLD_NAMES.items() if old in given}
    unpacked = rules.unpack_run(probe.defaults() | given)
    given |= unpacked
    added = words_of(unpacked)
    rules.find_run(probe, given)
    if rules.run.has("model", probe.preview(given).model):
        rules.run.default_plugin(probe, "dataset_mode", given)
    for name in ("model", "dataset_mode"):
        if probe.get_default(name) != before.get(name):
            added += [f"--{name}", probe.get_default(name)]
    if "gpu_ids" in before.keys() - given.keys():
        import torch

        if before["gpu_ids"] == "auto":
            added += ["--gpu_ids", ids_as_typed(choose_device("auto")[0])]
        elif not torch.cuda.is_available():
            added += ["--gpu_ids", "-1"]
    return rules, added, probe.preview(given)


def complete(
    opt: Namespace,
    parser: ArgumentParser | None,
    rules: Rules,
    words: list[str],
    draw: bool = True,
) -> None:
    """Make ``opt``, parsed by a class of a fork, what :meth:`Options.parse` returns.

    Args:
        parser: what the class has parsed with, if known.
        rules: with the run that is resumed or tested.
        words: the command line.
        draw: also draw a seed.
    """
    parents = [copy.deepcopy(parser)] if parser else []
    mine = Parser(parents=parents, add_help=False, conflict_handler="resolve")
    taken = vars(opt).keys() - {action.dest for action in mine._actions}
    rules.declare(mine)
    model = plugins.find_class("model", opt.model)
    given = mine.given(words)
    adopt_old_names(opt, given)
    given |= {new: getattr(opt, new) for old, new in OLD_NAMES.items() if old in given}
    defaults = mine.defaults()
    parsed = {name: getattr(opt, name, default) for name, default in defaults.items()}
    mine.set_defaults(**parsed | {"name": defaults["name"]})  # opt.name has its suffix already
    before = mine.defaults()
    mine.set_defaults(**rules.fixed)
    extend_choices(mine._actions, opt.model, opt.dataset_mode)
    rules.apply_run_defaults(mine, given, model)
    for name, value in mine.defaults().items():
        changed = value != before[name] and name not in given
        if changed or not hasattr(opt, name):
            setattr(opt, name, value)
    mine.check_numbers(opt)
    opt.model, opt.dataset_mode = map(plugins.absolute, (opt.model, opt.dataset_mode))
    opt.explicit_options = sorted(given.keys() - {"help"})
    rules.note_own_options(opt, mine, taken)
    _add_plugin_options(opt, model)
    check_and_derive(opt, rules, defaults, "gpu_ids" in given, draw)


def _add_plugin_options(opt: Namespace, model: type[Any]) -> None:
    """Add the options of the model and the dataset to ``opt`` if it lacks them.

    Options files of 2017 do not ask models and datasets for their options.
    """
    parser = Parser(add_help=False, conflict_handler="resolve")
    rules_of(opt.isTrain).declare(parser)
    for plugin in (model, plugins.find_class("dataset", opt.dataset_mode)):
        parser = plugin.modify_commandline_options(parser, opt.isTrain) or parser
    for name, value in parser.defaults().items():
        if not hasattr(opt, name):
            setattr(opt, name, value)


def check_and_derive(
    opt: Namespace, rules: Rules, defaults: dict[str, Any], gpu_given: bool, draw: bool
) -> None:
    """Check the options, then set the values of :meth:`Options.parse` that follow from others.

    Args:
        defaults: value of every option without any flag.
        gpu_given: True if ``--gpu_ids`` is not a default that is replaced by a choice.
        draw: also draw a seed.
    """
    rules.check(ours(opt))
    _derive_device(opt, gpu_given)
    if opt.gpu_ids:  # "cuda" without a number means this GPU, as in the official code
        import torch

        torch.cuda.set_device(opt.gpu_ids[0])
    if opt.seed is None and draw:
        opt.seed = draw_seed(opt.isTrain)
    opt.changed = _changes(opt, defaults)
    rules.finish(opt)


def _derive_device(opt: Namespace, explicit: bool) -> None:
    """Set ``opt.gpu_ids`` and ``opt.device``, or our own device if ``--device`` is text.

    Args:
        explicit: True if the command line has ``--gpu_ids``; a default is replaced by a choice.
    """
    opt.gpu_ids, device = choose_device(opt.gpu_ids if explicit else "auto")
    if not hasattr(opt, "device"):
        opt.device = device
        return
    import torch

    with suppress(RuntimeError, TypeError):  # of torch.device
        wanted = torch.device(opt.device)
        if wanted.type != device.type and (wanted.type != "cuda" or torch.cuda.is_available()):
            device = wanted
            opt.gpu_ids = [] if wanted.type != "cuda" else opt.gpu_ids
    if isinstance(opt.device, torch.device):
        opt.device = device
    else:
        opt.framework_options["device"] = device
