"""Command lines: errors in one line, explicit options apart from defaults, and derived values."""

from __future__ import annotations

import argparse
import json
import math
import re
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Collection, Sequence
from string import Formatter
from typing import TYPE_CHECKING, Any, NoReturn

from options.arguments import Anything, plain_words
from util import distributed
from util.console import say
from util.errors import UsageError
from util.gpu import ids_as_typed, require_supported
from util.limits import Number
from util.named_values import OpenChoices
from util.option_defaults import NOTES
from util.plugins import did_you_mean
from util.runs import check_inside

if TYPE_CHECKING:  # importing PyTorch would slow --help down
    import torch


class Parser(ArgumentParser):
    """An ArgumentParser that raises UsageError and can separate explicit options from defaults.

    Attributes:
        not_empty: the options whose value may not be "", see :meth:`refuse_empty`; None: all.
        arguments: what is parsed if a method gets no arguments; None: the command line. A model's
            ``modify_commandline_options`` may call ``parser.parse_known_args()``.
    """

    not_empty: set[str] | None = None
    arguments: Sequence[str] | None = None
    saved: Callable[[], dict[str, Any]] = dict  # values of the run that a model's call sees
    before_parsing: Callable[[], Any] = dict  # may refuse an option that was declared meanwhile

    def words(self, args: Sequence[str] | None = None) -> list[str]:
        """Return ``args``, or what is parsed without it, as words that argparse accepts."""
        args = self.arguments if args is None else args
        words = sys.argv[1:] if args is None else args
        return plain_words(words, self._option_string_actions)

    def error(self, message: str) -> NoReturn:
        """Raise UsageError with one line; argparse would print the usage first and exit."""
        # "argument --lr: 7: should be ..." becomes "--lr 7: should be ...".
        name, _, problem = message.removeprefix("argument ").partition(": ")
        if message.startswith("argument "):
            name = name.split("/")[-1]
            message = f"{name}{' ' if ': should be ' in problem else ': '}{problem}"
        if match := re.search(r": invalid choice: '(.*?)' \(choose from (.*)\)$", message):
            message += did_you_mean(match[1], re.findall(r"[\w.-]+", match[2]))
        if match := re.fullmatch(r"\[Errno \d+\] (.*): '(.*)'", message):  # of @FILE
            message = f"@{match[2]}: {match[1]}"
        raise UsageError(message.replace("\n", " "))

    def parse_args(  # type: ignore[override]  # argparse has overloads
        self, args: Sequence[str] | None = None, namespace: Any = None
    ) -> Any:
        """Parse all of ``args``. Raises UsageError: they are not accepted."""
        words = self.words(args)
        try:
            opt, unknown = self.parse_known_args(words, namespace)
        except UsageError as error:
            if "arguments are required" in str(error) and (word := self._unknown_option(words)):
                self.refuse(word)  # more probable than that an argument was forgotten
            raise
        if unknown:
            self.refuse(unknown[0])
        return opt

    def parse_known_args(  # type: ignore[override]  # argparse has overloads
        self, args: Sequence[str] | None = None, namespace: Any = None
    ) -> Any:
        """Parse what is known of ``args``. Raises UsageError: a value is not accepted."""
        if args is None and namespace is None:
            namespace = Namespace(**self.saved())
        words = self.words(args)
        self.refuse_odd(words)
        self.refuse_empty(words)
        return super().parse_known_args(words, namespace)

    def refuse_odd(self, words: Sequence[str]) -> None:
        """Raise UsageError for values that no option takes: no file has a NUL in its name.

        Argparse would drop the value ``--`` of ``--NAME=--`` before Python 3.13.
        """
        self.before_parsing()
        for word in words:
            name, equals, value = word.partition("=")
            if "\0" in word or (name.startswith("-") and equals and value == "--"):
                self.error(f"{word}: no option takes this value")

    def refuse_empty(self, words: Sequence[str]) -> None:
        """Raise UsageError for an empty value: as a path it would mean the working folder.

        Accepted are options that are empty by default, and those that are not in ``not_empty``.
        """
        actions = self._option_string_actions
        flag = ""
        for word in words:
            empty = not word.strip()
            if word.startswith("--"):
                flag, equals, value = word.partition("=")
                known = [name for name in actions if name.startswith(flag)]
                flag = known[0] if len(known) == 1 else flag  # an abbreviation
                empty = bool(equals) and not value.strip()
            action = actions.get(flag)
            if not empty or (flag and action is None):  # an unknown option is refused elsewhere
                continue
            if action and isinstance(action.type, Number):
                continue  # its own error says which numbers are accepted
            checked = self.not_empty is None or action is None or action.dest in self.not_empty
            if checked and not (action and "" in (action.default, action.const)):
                self.error(f"{flag or 'an argument'} '': should not be empty")

    def refuse(self, argument: str) -> NoReturn:
        """Raise UsageError for an unknown argument, with the option that was probably meant."""
        word = argument.split("=")[0]
        # The dashes are left out: they would make short words similar
        known = [option.lstrip("-") for option in self._option_string_actions]
        meant = did_you_mean(word.lstrip("-"), known)
        hint = meant.replace("mean ", "mean --")
        kind = "option" if word.startswith("-") or hint else "argument"
        self.error(f"unknown {kind} {word}{hint} (--help lists all options)")

    def _unknown_option(self, words: Sequence[str]) -> str:
        """Return the first word in ``words`` that looks like an option but is none, or ""."""
        known = self._option_string_actions
        names = (word.split("=")[0] for word in words if re.match(r"--\w", word))
        return next((n for n in names if not any(k.startswith(n) for k in known)), "")

    def check_numbers(self, opt: Namespace) -> None:
        """Check the numbers of ``opt``, also those that no command line gave.

        Options without limits, as in models of users, may have any value but NaN.

        Raises:
            UsageError: a number is outside of its limits.
        """
        for action in self._actions:
            values = getattr(opt, action.dest, None)
            for value in values if isinstance(values, list) else [values]:
                is_nan = isinstance(value, float) and math.isnan(value)
                limits = action.type if isinstance(action.type, Number) else None
                if is_nan or (limits and value is not None and not limits.accepts(value)):
                    self.error(f"--{action.dest} {value}: should be {limits or 'a number'}")

    def print_help(self, file: Any = None) -> None:
        """Print the help; argparse itself would say nothing if stdout cannot be written."""
        self.color = False  # Python 3.14 has colours of its own, which say() would escape
        if file is None:
            say(*self.format_help().splitlines())
        else:
            super().print_help(file)

    def given(self, args: Sequence[str], open_names: Collection[str] = ()) -> dict[str, Any]:
        """The options on the command line, without defaults.

        Values that code may name are checked after ``extend_choices``, which names the code.

        Args:
            open_names: options to leave out, because a model may declare its own of these names.
        """
        strings = self._option_string_actions
        replaced = {word: action for word, action in strings.items() if action.dest in open_names}
        strings.update({word: Anything([word], word, nargs="*") for word in replaced})
        before = [(a, a.default, a.required, a.choices) for a in self._actions]
        defaults, self._defaults = self._defaults, {}
        for action in self._actions:
            action.default, action.required = argparse.SUPPRESS, False
            if isinstance(action.choices, OpenChoices) and not action.choices.named_for:
                action.choices = None
        try:
            self.refuse_odd(args)
            return vars(
                super().parse_known_args(self.words(args))[0]
            )  # without the check: defaults are away
        finally:
            self._defaults = defaults
            strings.update(replaced)
            for action, default, required, choices in before:
                action.default, action.required, action.choices = default, required, choices

    def defaults(self) -> dict[str, Any]:
        """The present default of every option."""
        return {a.dest: self.get_default(a.dest) for a in self._actions if a.dest != "help"}

    def preview(self, given: dict[str, Any]) -> Namespace:
        """The options as they stand so far: the present defaults, replaced by what was given."""
        opt = Namespace(**self.defaults() | given)
        opt.name = full_name(opt)
        return opt


def option_values(opt: Namespace) -> dict[str, Any]:
    """The values of ``opt`` without its notes."""
    return {k: v for k, v in vars(opt).items() if k not in NOTES}


def dump(opt: Namespace) -> str:
    """``opt`` as JSON; paths and other objects become text. ``given`` lists explicit options."""
    values = option_values(opt) | {"given": getattr(opt, "explicit_options", [])}
    if own := getattr(opt, "framework_options", None):
        values["framework_options"] = own
    return json.dumps(values, indent=1, sort_keys=True, default=str)


def full_name(opt: Namespace) -> str:
    """``--name`` with ``--suffix``.

    Raises UsageError: the name leaves --checkpoints_dir, braces in the suffix name no option, or
        their format asks for a width of 100 or more characters, or for one that is itself in
        braces.
    """
    check_inside(f"--name {opt.name}", opt.name, "--checkpoints_dir")
    if not getattr(opt, "suffix", ""):  # options files of 2017 have no suffix
        return opt.name
    name = f"{opt.name}_{_formatted_suffix(opt)}"
    check_inside(f"--suffix {opt.suffix}", name, "--checkpoints_dir")
    return name


def _formatted_suffix(opt: Namespace) -> str:
    try:
        for _, field, layout, _ in Formatter().parse(opt.suffix):
            if re.search(r"[.\[]", field or ""):
                raise KeyError(field)  # an attribute or an item of a value, not an option
            if re.search(r"\{|\d{3}", layout or ""):
                raise ValueError(f"the format {layout} is too long")
        return opt.suffix.format(**vars(opt))
    except KeyError as error:
        reason = f"{error} is no option"
    except (ValueError, IndexError, AttributeError, TypeError) as error:
        reason = f"should have names of options in braces, such as {{netG}} ({error})"
    raise UsageError(f"--suffix {opt.suffix}: {reason}")


def choose_device(gpu_ids: str | list[int]) -> tuple[list[int], torch.device]:
    """``--gpu_ids`` as a list with this process's GPU, and the device.

    Returns:
        For example ``([0], torch.device("cuda:0"))`` or ``([], torch.device("cpu"))``.

    Raises:
        UsageError: the text is not a list of numbers, the number of GPUs differs from the number of
            processes on this machine, or a GPU does not exist or is unknown to this PyTorch.
    """
    import torch

    if not isinstance(gpu_ids, str):  # as the official code parses them
        gpu_ids = ids_as_typed(gpu_ids)
    processes = distributed.local_world_size()
    if gpu_ids == "auto":
        if torch.cuda.is_available():
            gpu_ids = ",".join(map(str, range(processes)))
        elif torch.backends.mps.is_available() and distributed.world_size() == 1:
            return [], torch.device("mps")
        else:
            return [], torch.device("cpu")
    try:
        ids = [i for i in map(int, gpu_ids.split(",")) if i >= 0]
    except ValueError:
        accepted = "should be the number of a GPU such as 0, or -1 for the CPU"
        raise UsageError(f"--gpu_ids {gpu_ids}: {accepted}") from None
    if not ids:
        return [], torch.device("cpu")
    if len(ids) != processes:
        raise UsageError(
            f"--gpu_ids {gpu_ids}: each process uses one GPU, and {processes} run here; start "
            f"torchrun --nproc_per_node {len(ids)} train.py --gpu_ids {gpu_ids} ... "
            "(docs/several_gpus.md)"
        )
    if max(ids) >= torch.cuda.device_count():
        fewer = ", or start fewer processes (--nproc_per_node)" if processes > 1 else ""
        raise UsageError(
            f"--gpu_ids {gpu_ids}: {torch.cuda.device_count()} CUDA GPUs are visible; leave the "
            f"option out to choose a device, or give -1 for the CPU{fewer}"
        )
    gpu = ids[distributed.local_rank()]
    require_supported(gpu)
    return [gpu], torch.device("cuda", gpu)
