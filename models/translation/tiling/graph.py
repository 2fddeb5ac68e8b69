"""The layers of a network and their connections, found by tracing it."""

from __future__ import annotations

from fractions import Fraction
from typing import NamedTuple

from torch import fx, nn

from models.translation.tiling.layers import Layer, Norm, Pair, Span
from models.translation.tiling.lowering import (
    NotUnderstood,
    function_layer,
    is_known,
    lowered,
)
from models.translation.unpadded import unpadded
from util.errors import UserError, first_line

Spans = list["Span | None"]  # for each step; None: the step is not needed


class Step(NamedTuple):
    """A layer and the numbers of the steps whose outputs are its inputs."""

    layer: Layer
    inputs: tuple[int, ...]


class Graph:
    """A network as steps. Step 0 is the image, the last one the output.

    Attributes:
        pads: multiple and minimum of the height and width to which images are padded before the
            first step, see :func:`util.reflection.reflect_to_multiple`; (1, 1): they are not.
        norms: the steps that need statistics of the whole image, in order.
        stride: pixels of the image for each position of the smallest features.
    """

    def __init__(self, network: nn.Module) -> None:
        """Trace a network. Raises UserError: it has a layer that is not understood."""
        self.pads, layers = unpadded(network)
        self.steps = steps_of(layers)
        self.norms = [i for i, step in enumerate(self.steps) if isinstance(step.layer, Norm)]
        scales = [Fraction(1)]
        for step in self.steps[1:]:
            scales.append(max(scales[i] for i in step.inputs) * step.layer.scale)
        self.stride = int(max(scales))

    @property
    def output(self) -> int:
        """The number of the last step."""
        return len(self.steps) - 1

    def sizes(self, height: int, width: int) -> list[Pair]:
        """Return height and width of the output of each step for an image, after its padding."""
        found = [(height, width)]
        for layer, inputs in self.steps[1:]:
            before = found[inputs[0]]
            found.append((layer.size(before[0], 0), layer.size(before[1], 1)))
        return found

    def channels(self, image: int) -> list[int]:
        """Return the channels of the output of each step for an image with so many."""
        found = [image]
        for layer, inputs in self.steps[1:]:
            given = [found[i] for i in inputs]
            found.append(layer.channels or (sum(given) if layer.joins else given[0]))
        return found

    def needs(self, target: int, span: Span, sizes: list[Pair], dim: int) -> Spans:
        """Return what each step has to compute so that step ``target`` has ``span``."""
        found: Spans = [None] * len(self.steps)
        found[target] = span
        for i in range(target, 0, -1):
            wanted = found[i]
            if wanted is not None:
                layer, inputs = self.steps[i]
                for j in inputs:
                    found[j] = layer.source(wanted, sizes[j][dim], dim).union(found[j])
        return found

    def halo(self) -> int:
        """Return how many pixels of the image around a pixel its output may depend on."""
        period, length = self.stride, self.stride
        while True:  # until the image is so large that its borders are far from its middle
            sizes, length = self.sizes(length, length), 2 * length
            middle = sizes[0][0] // 2 // period * period
            pixels = range(middle, middle + period)
            found = [(x, self.needs(self.output, Span(x, x + 1), sizes, 0)[0]) for x in pixels]
            spans = [(x, span) for x, span in found if span]
            if all(span.start > 0 and span.stop < sizes[0][0] for _, span in spans):
                return max(max(x - span.start, span.stop - 1 - x) for x, span in spans)


class _Tracer(fx.Tracer):
    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return is_known(m) or super().is_leaf_module(m, module_qualified_name)


def steps_of(network: nn.Module) -> list[Step]:
    """Return the steps of a module. Raises UserError: it does something that is not understood."""
    kind = type(getattr(network, "generator", network)).__name__
    try:
        nodes = list(_Tracer().trace(network).nodes)
    except fx.proxy.TraceError:
        reason = "what it computes depends on the size or the values of the image"
        raise refused(kind, reason) from None
    except Exception as error:  # the code of a custom network may raise anything
        raise refused(kind, first_line(error)) from None
    steps, numbers = [Step(Layer(), ())], dict[fx.Node, int]()
    for node in nodes:
        if node.op == "placeholder" and not numbers:
            numbers[node] = 0
        elif node.op == "output" and node.args[0] in numbers:
            return steps[: numbers[node.args[0]] + 1]  # type: ignore[index]
        else:
            try:
                layers = layers_of(node, network)
            except NotUnderstood as error:
                raise refused(kind, str(error)) from None
            inputs = tuple(numbers[parent] for parent in parents_of(node))
            for layer in layers:
                steps.append(Step(layer, inputs))
                inputs = (len(steps) - 1,)
            numbers[node] = len(steps) - 1
            if changes_input(node, network):  # layers that follow get the changed features
                numbers[parents_of(node)[0]] = numbers[node]
    raise refused(kind, "its output is no single tensor")


def layers_of(node: fx.Node, network: nn.Module) -> list[Layer]:
    """Return the layers of a node. Raises NotUnderstood: there are none that do the same."""
    if node.op == "call_module" and len(node.args) == 1 and not node.kwargs:
        return lowered(network.get_submodule(str(node.target)))
    if node.op == "call_function" and parents_of(node):
        args = tuple(None if isinstance(arg, fx.Node) else arg for arg in node.args)
        if layer := function_layer(node.target, args, dict(node.kwargs)):
            return [layer]
    raise NotUnderstood(f"{getattr(node.target, '__name__', node.target)}")


def parents_of(node: fx.Node) -> list[fx.Node]:
    """Return the nodes that a node takes, one as often as it is taken, in order."""
    first = node.args[0] if node.args else ()
    args = first if isinstance(first, (list, tuple)) else node.args
    return [arg for arg in args if isinstance(arg, fx.Node)]


def changes_input(node: fx.Node, network: nn.Module) -> bool:
    """True if a module writes its output over its input."""
    module = network.get_submodule(str(node.target)) if node.op == "call_module" else None
    return bool(getattr(module, "inplace", node.kwargs.get("inplace", False)))


def refused(kind: str, reason: str) -> UserError:
    return UserError(f"--tile: the network {kind} cannot be computed in tiles: {reason}")
