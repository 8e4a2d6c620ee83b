"""Where a network cuts its picture into patches and adds a learned position to each: found by what it does.

No class is known by name. A convolution whose kernel is its stride cuts the picture; a probe with a picture of no
importance then shows which parameter is added to what it puts out, and which of its rows to which patch. So class
tokens in front or behind, and any order of the tokens, are read off the network itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

import torch
from torch import nn

from gradinv_core.errors import ShapeError
from gradinv_core.image_recovery.affine import AffineLine, straight_line
from gradinv_core.twin import private_twin

__all__ = ["PatchPositions", "PatchSearch", "find_patches"]

_MOST_EXTRA = 16  # rows of a position embedding beyond the patches': class, distillation and register tokens
_SAME = 1e-3  # relative difference of two gradients that the probe takes for the same
_OF_TOKENS = (nn.LayerNorm, nn.RMSNorm, nn.MultiheadAttention)  # a network without any of these is no transformer
_HOLDERS = (nn.Embedding, nn.ParameterList, nn.ParameterDict)  # PyTorch's own modules whose parameters may be positions


@dataclass(frozen=True)
class PatchPositions:
    """A patch layer and the positions that are added to what it puts out.

    Attributes:
        layer: name of the patch layer, such as "conv_proj".
        module: itself.
        line: from what the network is fed to what the layer is fed.
        grid: patches along the height and along the width.
        positions: name of the parameter, such as "encoder.pos_embedding".
        rows: (N,) the parameter's row for each patch, patches row by row.
        factor: gradient at a patch embedding over that of its position: 1 unless the network scales one of them.
    """

    layer: str
    module: nn.Conv2d
    line: AffineLine
    grid: tuple[int, int]
    positions: str
    rows: torch.Tensor
    factor: float


@dataclass(frozen=True)
class PatchSearch:
    """What was found.

    Attributes:
        found: every place that may be it; mostly one, or none.
        why_not: why this route ends in a transformer that cuts the picture into patches, where nothing is found.
    """

    found: tuple[PatchPositions, ...] = ()
    why_not: str = ""


def find_patches(model: nn.Module, shape: tuple[int, int, int]) -> PatchSearch:
    """Look for patches with learned positions.

    Args:
        model: any network; it is left as it is.
        shape: (channels, height, width) of the picture.

    Raises:
        ShapeError: there are such patches, but the network cannot take pictures of this shape.
    """
    found: list[PatchPositions] = []
    why_not = ""
    with torch.inference_mode(False):
        for name, layer in model.named_modules():
            if not isinstance(layer, nn.Conv2d) or not _cuts_patches(layer, shape[0]):
                continue
            widths = [value for _, value in _learned(model) if value.shape[-1] == layer.out_channels]
            line = _line_before(model, name, shape, complain=bool(widths))
            kernel = layer.kernel_size
            if line is None or shape[1] % kernel[0] or shape[2] % kernel[1]:
                continue
            grid = shape[1] // kernel[0], shape[2] // kernel[1]
            places = _places(model, name, shape, prod(grid))
            found += [PatchPositions(name, layer, line, grid, *place) for place in places]
            why_not = why_not or (
                f"Layer {name} cuts the picture into {prod(grid)} patches, but no learned position was found that is "
                f"added to each of them and to nothing else, so no gradient is that of every patch alone; sinusoidal, "
                f"rotary and relative positions have none."
            )
    tokens = any(isinstance(module, _OF_TOKENS) for module in model.modules())
    return PatchSearch(tuple(found), why_not if tokens and not found else "")


def _cuts_patches(layer: nn.Conv2d, channels: int) -> bool:
    """Whether every pixel goes into one output position, and every position sees a patch of its own."""
    plain = layer.kernel_size == layer.stride and layer.groups == 1 and layer.dilation == (1, 1)
    unpadded = layer.padding == "valid" or (not isinstance(layer.padding, str) and not any(layer.padding))
    return plain and unpadded and layer.in_channels == channels and layer.weight is not None


def _learned(model: nn.Module) -> Iterator[tuple[str, nn.Parameter]]:
    """Parameters that may be positions, (rows, width) or (1, rows, width) or on a grid: those of no ordinary layer."""
    for name, module in model.named_modules():
        if type(module).__module__.startswith("torch.nn.") and not isinstance(module, _HOLDERS):
            continue
        if isinstance(module, nn.Linear | nn.MultiheadAttention):  # somebody's own kind of one
            continue
        for key, value in module._parameters.items():
            if value is not None and (value.ndim == 2 or (value.ndim in (3, 4) and len(value) == 1)):
                yield f"{name}.{key}" if name else key, value


class _ReachedError(Exception):
    """The probe has seen what it came for; nothing behind it needs to be computed."""

    def __init__(self, value: Any) -> None:
        super().__init__()
        self.value = value


def _line_before(model: nn.Module, name: str, shape: tuple[int, int, int], *, complain: bool) -> AffineLine | None:
    """What becomes of the picture before a layer, as straight lines; None where it is anything else."""
    twin = private_twin(model)
    device = next(twin.parameters()).device

    def keep(_: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        raise _ReachedError(inputs[0])

    twin.get_submodule(name).register_forward_pre_hook(keep)
    refusals: list[Exception] = []

    def compute(image: torch.Tensor) -> torch.Tensor:
        try:
            return twin(image)
        except _ReachedError as reached:
            return reached.value
        except Exception as error:
            refusals.append(error)
            raise

    with torch.no_grad():
        line = straight_line(compute, shape, device)
    if line is None and refusals and complain:
        first = (str(refusals[-1]).splitlines() or [type(refusals[-1]).__name__])[0]
        raise ShapeError(f"input_shape: expected an image the network can take, got {shape} ({first}).")
    return line


def _places(
    model: nn.Module, name: str, shape: tuple[int, int, int], patches: int
) -> list[tuple[str, torch.Tensor, float]]:
    """Positions added to a patch layer's output: name, rows and factor of each, as `PatchPositions` has them."""
    width = model.get_submodule(name).get_parameter("weight").shape[0]
    names = [
        key
        for key, value in _learned(model)
        if value.shape[-1] == width and 0 <= value.numel() // width - patches <= _MOST_EXTRA
    ]
    if not names:
        return []
    twin = private_twin(model)
    layer = twin.get_submodule(name)
    kind = next(layer.parameters())
    learned = {key: twin.get_parameter(key) for key in names}  # those that the probe can differentiate by
    probe = _Probe(learned)
    layer.register_forward_hook(probe.cut)
    for other in twin.modules():
        if other is not layer:
            other.register_forward_pre_hook(probe.look, with_kwargs=True)
    try:
        with torch.enable_grad():
            twin(torch.zeros((1, *shape), dtype=kind.dtype, device=kind.device))
    except _ReachedError as reached:
        gradients: dict[str, torch.Tensor] = reached.value
    except Exception:  # whatever a stranger's network does with a black picture, it then shows nothing
        return []
    else:
        return []
    at_patches = _as_rows(gradients.pop("").flatten(2)[0].T)
    places = ((key, _assign(at_patches, _as_rows(value))) for key, value in gradients.items())
    return [(key, *place) for key, place in places if place is not None]


class _Probe:
    """Follows the patches to the first module that gets them with learned positions in them."""

    def __init__(self, learned: Mapping[str, nn.Parameter]) -> None:
        self._learned = learned
        self._patches: torch.Tensor | None = None

    def cut(self, _: nn.Module, __: object, output: torch.Tensor) -> torch.Tensor:
        """Where the patches come out, the computation to differentiate begins."""
        self._patches = output.detach().requires_grad_(True)
        return self._patches

    def look(self, _: nn.Module, inputs: tuple[object, ...], named: Mapping[str, object]) -> None:
        """Differentiate what a module is given; the gradients by the patches ("") and by what was added end the run."""
        if self._patches is None:
            return
        for given in (*inputs, *named.values()):
            if not isinstance(given, torch.Tensor) or not given.requires_grad or not given.is_floating_point():
                continue
            generator = torch.Generator().manual_seed(0)
            way = torch.randn(given.shape, generator=generator).to(given)
            leaves = [self._patches, *self._learned.values()]
            found = torch.autograd.grad(given, leaves, way, retain_graph=True, allow_unused=True)
            added = {key: slope for key, slope in zip(self._learned, found[1:], strict=True) if slope is not None}
            if found[0] is not None and added:
                raise _ReachedError({"": found[0], **added})


def _as_rows(gradient: torch.Tensor) -> torch.Tensor:
    """(rows, width) float64 on the CPU."""
    return gradient.reshape(-1, gradient.shape[-1]).double().cpu()


def _assign(at_patches: torch.Tensor, at_rows: torch.Tensor) -> tuple[torch.Tensor, float] | None:
    """The row of each patch and their common factor; None where the gradients are not each other's."""
    rows = (at_patches @ at_rows.T).abs().argmax(1)
    chosen = at_rows[rows]
    size = float(chosen.square().sum())
    if size == 0 or len(rows.unique()) < len(rows):
        return None
    factor = float((at_patches * chosen).sum()) / size
    off = float((at_patches - factor * chosen).norm())
    return (rows, factor) if factor != 0 and off <= _SAME * float(at_patches.norm()) else None
