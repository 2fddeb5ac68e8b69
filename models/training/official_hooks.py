"""CycleGANModel's methods for subclasses that were written for the official code."""

from __future__ import annotations

from typing import Any


class OfficialHooks:
    """A mixin of CycleGANModel that calls ``forward`` and ``backward_G`` of subclasses.

    CycleGANModel itself needs neither in training: to halve the memory, it computes and
    back-propagates one term of the loss after the other. A subclass that overrides one of the two
    methods expects the official order, first forward(), then backward_G(). Its ``gradients_G`` is
    therefore replaced by :meth:`official_gradients_G`, unless it overrides that method, too.
    """

    def __init_subclass__(cls: Any, **options: object) -> None:
        super().__init_subclass__(**options)
        model = next(c for c in cls.__mro__ if OfficialHooks in c.__bases__)  # CycleGANModel
        hooks = ("forward", "backward_G")
        has_hook = any(getattr(cls, name) is not getattr(model, name) for name in hooks)
        if has_hook and cls.gradients_G is model.gradients_G:
            cls.gradients_G = OfficialHooks.official_gradients_G

    def official_gradients_G(self: Any) -> None:
        """Compute all images, then all gradients of G and F."""
        self.set_requires_grad([self.netD_A, self.netD_B], False)
        self.forward()
        self.backward_G()

    def backward_G(self: Any) -> None:
        """All gradients of G and F at once, after forward()."""
        self.loss_G = self.objective_A() + self.objective_B()
        if self.lambda_identity > 0:
            self.loss_G = self.loss_G + self.identity_A() + self.identity_B()
        self.backward(self.loss_G)
