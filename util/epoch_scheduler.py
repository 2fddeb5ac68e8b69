"""Schedulers of learning rates that may be stepped at the start or at the end of each epoch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler, ReduceLROnPlateau


class WatchedOptimizer:
    """Part of a scheduler: reads the rates of its optimizer and records whether it has stepped.

    Attributes:
        optimizer_stepped: True once the optimizer has stepped.
    """

    optimizer: Optimizer

    def watch(self) -> None:
        """Set ``optimizer_stepped`` after the next step of the optimizer."""
        self.optimizer_stepped = False

        def after_step(*unused: Any) -> None:
            self.optimizer_stepped = True

        self.optimizer.register_step_post_hook(after_step)

    def get_last_lr(self) -> list[Any]:
        """Return the learning rate of each parameter group."""
        return [group["lr"] for group in self.optimizer.param_groups]


class EpochScheduler(WatchedOptimizer, LambdaLR):
    """Rates that are a function of the epoch alone: the initial rate times ``factor(epoch)``.

    The constructor sets the rates of the first epoch. A first ``step()`` before any step
    of the optimizer keeps them. So the rates are right in scripts that call ``step()`` at the start
    of each epoch, as the official train.py of 2022 does, and in those that call it at the end of
    each epoch, as in 2025.

    Attributes:
        last_epoch: the epoch of the present rates minus the first epoch.
    """

    def __init__(
        self, optimizer: Optimizer, factor: Callable[[int], float], first_epoch: int
    ) -> None:
        self.first_epoch = first_epoch
        super().__init__(optimizer, lambda passed: factor(first_epoch + passed))
        self.watch()

    def set_epoch(self, epoch: int) -> None:
        """Set the rates of ``epoch``, counted from 1."""
        self.last_epoch, self.stepped = epoch - self.first_epoch, True
        for group, rate in zip(self.optimizer.param_groups, self.get_lr(), strict=True):
            group["lr"] = rate

    def set_next_epoch(self, epoch: int) -> None:
        """Make the next ``step()`` set the rates of ``epoch``, counted from 1."""
        self.last_epoch, self.stepped = epoch - 1 - self.first_epoch, True

    def step(self, epoch: int | None = None) -> None:
        """Set the rates of the next epoch, or keep those of the first epoch; see the class.

        Args:
            epoch: the new ``last_epoch``, as in PyTorch.
        """
        first = self.last_epoch < 0  # the constructor calls this method
        if epoch is None:
            epoch = 0 if first else self.last_epoch + (self.stepped or self.optimizer_stepped)
        self.set_epoch(self.first_epoch + epoch)
        self.stepped = not first

    def get_lr(self) -> list[Any]:
        """Return the rates of ``last_epoch``, computed from the initial rate of each group."""
        groups = self.optimizer.param_groups
        initial = [group.setdefault("initial_lr", group["lr"]) for group in groups]
        factor = self.lr_lambdas[0](self.last_epoch)
        return [rate * factor for rate in initial]


class PlateauScheduler(WatchedOptimizer, ReduceLROnPlateau):
    """Multiplies the rates by 0.2 if the metric has not improved by 1 % for over five epochs."""

    def __init__(self, optimizer: Optimizer) -> None:
        super().__init__(optimizer, factor=0.2, threshold=0.01, patience=5)
        self.watch()


def has_stepped(scheduler: LRScheduler) -> bool:
    """True if the optimizer of ``scheduler`` has stepped.

    For schedulers of other modules, this is inferred from the state of the optimizer, which is
    always empty for plain SGD.
    """
    return getattr(scheduler, "optimizer_stepped", bool(scheduler.optimizer.state))


def set_rates(
    schedulers: Sequence[LRScheduler], epoch: int, metric: float | None, later: bool
) -> None:
    """Set the rates of ``epoch``, counted from 1.

    Args:
        metric: for schedulers that need one; without it, they are not stepped.
        later: True if ``epoch`` comes after the one of the present rates; only then, schedulers
            of other classes than EpochScheduler step.
    """
    for scheduler in schedulers:
        if isinstance(scheduler, EpochScheduler):
            scheduler.set_epoch(epoch)
        elif isinstance(scheduler, ReduceLROnPlateau):
            if later and metric is not None:
                scheduler.step(metric)
        elif later:
            scheduler.step()
