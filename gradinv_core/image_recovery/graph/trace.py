"""Take any network apart: which operations run, on what, and what shape each leaves behind.

`torch.fx` follows a network's own ``forward``; a run on zeros gives the shapes. Functions and methods turn into the
modules that do the same, so that whoever reads the graph backwards knows one form of each operation.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import fx, nn

from gradinv_core.errors import NoExactRouteError, ShapeError
from gradinv_core.image_recovery.affine import affine_line
from gradinv_core.image_recovery.graph.rules import Reshape, as_module, join
from gradinv_core.twin import private_twin

__all__ = ["Node", "trace_network"]

_SILENT = (nn.Identity, nn.Dropout, nn.Dropout2d)
_BATCH = 2  # two pictures: what mixes them shows
_log = logging.getLogger(__name__)
_tracing = threading.Lock()


@dataclass(frozen=True)
class Node:
    """One operation.

    Attributes:
        name: of the module in the network, such as "layer1.0.conv1"; of a function, the one `torch.fx` gives.
        module: what runs; for a function or method the module that does the same, such as `Add` for a sum of branches.
            None for the picture that goes in.
        inputs: places of the nodes whose outputs it takes, all before its own.
        shape: of its output, without the batch.
    """

    name: str
    module: nn.Module | None
    inputs: tuple[int, ...]
    shape: tuple[int, ...]


def trace_network(model: nn.Module, input_shape: Sequence[int]) -> tuple[Node, ...]:
    """The operations between a picture and the logits, in the order in which they run.

    What changes nothing in evaluation mode is left out, and so is a log-softmax at the end, which the loss takes again
    without any effect.

    Args:
        model: any network that takes one batch of pictures; it is left as it is.
        input_shape: (channels, height, width) of a picture.

    Raises:
        NoExactRouteError: its ``forward`` cannot be followed, or does something that no rule exists for; the message
            names it.
        ShapeError: pictures of this shape do not fit the network.
    """
    twin = private_twin(model)
    try:
        with _tracing:
            graph = _OwnThread().trace(twin)
    except Exception as error:
        _log.info("torch.fx: %s", error)
        raise _no_rule(f"the forward of {type(model).__name__} cannot be followed ({_first_line(error)}).") from error
    inputs = [node.name for node in graph.nodes if node.op == "placeholder" and not node.args]
    if len(inputs) != 1:
        raise _no_rule(f"its forward takes {', '.join(inputs) or 'nothing'}; expected one batch of pictures.")
    return _Reader(model, twin, graph, tuple(input_shape)).read()


class _OwnThread(fx.Tracer):
    """Follows the calls of its own thread alone: `torch.fx` puts itself in front of every module of the process."""

    def __init__(self) -> None:
        super().__init__()
        self._thread = threading.get_ident()

    def call_module(self, m: nn.Module, forward: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Note the call, or just let it happen."""
        if threading.get_ident() != self._thread:
            return forward(*args, **kwargs)
        return super().call_module(m, forward, args, kwargs)

    def getattr(self, attr: str, attr_val: Any, parameter_proxy_cache: dict[str, Any]) -> Any:
        """Note who asks for a parameter, or just hand it over."""
        if threading.get_ident() != self._thread:
            return attr_val
        return super().getattr(attr, attr_val, parameter_proxy_cache)


class _Reader:
    """Turns the nodes of `torch.fx` into ours."""

    def __init__(self, model: nn.Module, twin: nn.Module, graph: fx.Graph, shape: tuple[int, ...]) -> None:
        self._model, self._graph = model, graph
        self._values = _Run(twin, graph, shape).values
        self._nodes: list[Node] = []
        self._place: dict[fx.Node, int] = {}

    def read(self) -> tuple[Node, ...]:
        """All nodes that the logits hang on."""
        for node in self._graph.nodes:
            if node.op == "output":
                result = node.args[0]
                if not isinstance(result, fx.Node) or result not in self._place:
                    raise _no_rule("its forward returns something other than one tensor of logits.")
                return _needed(self._nodes, self._place[result])
            self._take(node)
        raise _no_rule("its forward returns nothing.")

    def _take(self, node: fx.Node) -> None:
        value = self._values.get(node)
        if node.op == "placeholder" and not self._nodes:
            self._keep(node, node.name, None, (), self._shape(node))
        sources = self._sources(node)
        if not sources or not isinstance(value, torch.Tensor):
            return  # a number, a size, or a tensor that no picture has a part in
        places = tuple(self._place[source] for source in sources)
        module = self._module(node, sources)
        if value.shape[:1] != (_BATCH,):
            raise _no_rule(f"{node.name} ({_called(node)}) mixes the pictures of a batch.")
        before, after = self._nodes[places[0]].shape, self._shape(node)
        if isinstance(module, nn.AdaptiveAvgPool2d):
            module = _windows(node, before, after)
            if isinstance(module, nn.AvgPool2d) and len(after) == 1:  # a mean that drops the axes it averages over
                self._keep(node, node.name, module, places, (*after, 1, 1))
                before, places, module = (*after, 1, 1), (len(self._nodes) - 1,), nn.Flatten()
        if isinstance(module, Reshape):
            module = nn.Identity() if before == after else nn.Flatten() if len(after) == 1 else Reshape(after)
        if isinstance(module, _SILENT):
            self._place[node] = places[0]
        else:
            name = str(node.target) if node.op == "call_module" else node.name
            self._keep(node, name, module, places, after)

    def _keep(
        self, node: fx.Node, name: str, module: nn.Module | None, places: tuple[int, ...], shape: tuple[int, ...]
    ) -> None:
        self._place[node] = len(self._nodes)
        self._nodes.append(Node(name, module, places, shape))

    def _sources(self, node: fx.Node) -> list[fx.Node]:
        """The nodes it takes that hang on the picture."""
        return [source for source in node.all_input_nodes if source in self._place]

    def _shape(self, node: fx.Node) -> tuple[int, ...]:
        return tuple(self._values[node].shape[1:])

    def _module(self, node: fx.Node, sources: list[fx.Node]) -> nn.Module:
        made: nn.Module | None = None
        if node.op == "call_module":
            made = self._model.get_submodule(str(node.target))
        elif len(sources) == 1 and not isinstance(node.args[0] if node.args else None, list | tuple):
            options, named = self._known(node.args[1:]), self._known(dict(node.kwargs))
            made = as_module(node.target, options, named) or self._line(node, sources[0])
        elif node.args:
            branches = node.args[0] if isinstance(node.args[0], list | tuple) else node.args[: len(sources)]
            rest = node.args[1:] if isinstance(node.args[0], list | tuple) else node.args[len(sources) :]
            if list(branches) == sources:
                shapes = [self._shape(source) for source in sources]
                made = join(node.target, shapes, self._known(rest), self._known(dict(node.kwargs)))
        if _called(node) == "log_softmax" or isinstance(made, nn.LogSoftmax):
            made = nn.Identity() if all(user.op == "output" for user in node.users) else None
        if made is None:
            raise _no_rule(f"{node.name} ({_called(node)}) is an operation that no rule exists for yet.")
        return made

    def _line(self, node: fx.Node, source: fx.Node) -> nn.Module | None:
        """A straight line entry by entry, with numbers of its own: (picture - mean) / std."""
        others = {other: self._values[other] for other in node.all_input_nodes if other is not source}
        return affine_line(_Once(node, source, others), self._shape(source))

    def _known(self, options: Any) -> Any:
        """Arguments, with all that a run settles filled in."""
        return fx.node.map_arg(options, lambda source: self._values[source])


class _Run(fx.Interpreter):
    """What every node gives for a batch of black pictures.

    Attributes:
        values: by node.
    """

    def __init__(self, twin: nn.Module, graph: fx.Graph, shape: tuple[int, ...]) -> None:
        super().__init__(fx.GraphModule(twin, graph), garbage_collect_values=False)
        self.values: dict[fx.Node, Any] = {}
        first = next(twin.parameters())
        black = torch.zeros((_BATCH, *shape), dtype=first.dtype, device=first.device)
        try:
            with torch.inference_mode(False), torch.no_grad():
                self.run(black)
        except (RuntimeError, ValueError, IndexError, TypeError) as error:
            raise ShapeError(
                f"input_shape: expected an image the network can take, got {shape} ({_first_line(error)})."
            ) from error
        of_graph = dict(zip(self.graph.nodes, graph.nodes, strict=True))
        self.values = {of_graph[node]: value for node, value in self.env.items()}


class _Once(nn.Module):
    """One function of the graph, for whoever wants to ask it."""

    def __init__(self, node: fx.Node, source: fx.Node, others: Mapping[fx.Node, Any]) -> None:
        super().__init__()
        self._node, self._source, self._others = node, source, dict(others)

    def __deepcopy__(self, memo: Any) -> _Once:
        return self

    def forward(self, value: torch.Tensor) -> torch.Tensor:
        """Of one tensor, with everything else as it is in the network."""

        def filled(options: Any) -> Any:
            return fx.node.map_arg(options, lambda each: value if each is self._source else self._others[each])

        options, named = filled(self._node.args), filled(dict(self._node.kwargs))
        if isinstance(self._node.target, str):
            result: torch.Tensor = getattr(options[0], self._node.target)(*options[1:], **named)
        else:
            result = self._node.target(*options, **named)
        return result


def _windows(node: fx.Node, before: tuple[int, ...], after: tuple[int, ...]) -> nn.Module:
    """Adaptive pooling as pooling with windows of one size, which must not overlap."""
    counts = after[1:3] or (1, 1)
    if any(size % count for size, count in zip(before[1:], counts, strict=True)):
        raise _no_rule(f"{node.name} ({_called(node)}) averages windows that overlap, from {before} to {after}.")
    window = tuple(size // count for size, count in zip(before[1:], counts, strict=True))
    return Reshape(after) if window == (1, 1) else nn.AvgPool2d(window)  # type: ignore[arg-type]


def _needed(nodes: list[Node], last: int) -> tuple[Node, ...]:
    """Those that the last one hangs on, numbered anew."""
    wanted, waiting = set(), [last]
    while waiting:
        place = waiting.pop()
        if place not in wanted:
            wanted.add(place)
            waiting += nodes[place].inputs
    number = {place: index for index, place in enumerate(sorted(wanted))}
    return tuple(replace(nodes[place], inputs=tuple(number[each] for each in nodes[place].inputs)) for place in number)


def _called(node: fx.Node) -> str:
    """What a node runs, as a user wrote it."""
    return str(node.target) if isinstance(node.target, str) else str(getattr(node.target, "__name__", node.target))


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)


def _no_rule(why: str) -> NoExactRouteError:
    return NoExactRouteError(
        f"no exact route to the image is known for this network yet: {why} Label and feature are recovered all the "
        f"same."
    )
