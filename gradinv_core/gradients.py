"""The one door for gradients: whatever a client sends, paired with the parameters it belongs to.

Every public function that takes gradients reads them here first. Reading twice changes nothing and costs little.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, ValuesView
from typing import TypeAlias

import numpy as np
import torch
from torch import nn

from gradinv_core.arrays import keep_type
from gradinv_core.errors import NonFiniteError, OptionError, ShapeError
from gradinv_core.gradient_names import fit_names

__all__ = ["GradientsLike", "gradient_entry", "read_gradients"]

GradientsLike: TypeAlias = Mapping[str, object] | list | tuple | ValuesView | Iterator
"""What `read_gradients` takes: ``{parameter name: gradient}``, or gradients in the order of the parameters."""

_ASK = "pass {parameter name: gradient}, or a list in the order of the network's parameters"


def read_gradients(model: nn.Module, gradients: GradientsLike) -> dict[str, torch.Tensor]:
    """Pair gradients with the parameters of a network.

    Example:
        >>> import torch
        >>> model = torch.nn.Linear(2, 3, bias=False)
        >>> list(read_gradients(torch.nn.DataParallel(model), {"weight": torch.ones(1, 3, 2)}))
        ['module.weight']

    Args:
        model: the network, with or without wrappers around it.
        gradients: ``{name: gradient}``, such as a state dict, of any part of the parameters; or gradients in the order
            of ``model.parameters()`` (or of its state dict, or of those parameters that are not frozen). Each may be a
            tensor, a numpy array or nested lists, with or without a leading axis of one sample. None, where a frozen
            layer sends nothing, and what belongs to buffers is left out.

    Returns:
        ``{name in the model: gradient}`` in the order in which they came, detached, each in the shape of its parameter.
        A tensor keeps its memory, type and device. Whether it is finite is not looked at here.

    Raises:
        OptionError: not such a collection, or a name belongs to nothing.
        ShapeError: a list of the wrong length, or an entry that is no array of the parameter's shape.
    """
    known: dict[str, torch.Tensor] = dict(model.named_parameters(remove_duplicate=False))
    if not isinstance(gradients, Mapping):
        return _read_list(model, known, gradients)
    if all(
        name in known and isinstance(value, torch.Tensor) and _is_plain(value, known[name])
        for name, value in gradients.items()
    ):
        return dict(gradients)  # type: ignore[arg-type]
    sent = {name: value for name, value in gradients.items() if value is not None}
    wrong = next((name for name in sent if not isinstance(name, str)), None)
    if wrong is not None:
        raise OptionError(f"gradients: expected parameter names as keys, got {wrong!r}; {_ASK}.")
    buffers = dict(model.named_buffers(remove_duplicate=False))
    shapes = {name: tuple(getattr(value, "shape", ())) for name, value in sent.items()}
    fitted = fit_names(shapes, known | buffers)
    return {full: _as_gradient(sent[name], full, known[full].shape) for name, full in fitted.items() if full in known}


def _is_plain(value: torch.Tensor, parameter: torch.Tensor) -> bool:
    """Whether an entry may be used as it came."""
    return (
        value.shape == parameter.shape
        and value.is_floating_point()
        and not value.requires_grad
        and value.layout is torch.strided
    )


def _read_list(model: nn.Module, known: dict[str, torch.Tensor], gradients: object) -> dict[str, torch.Tensor]:
    """Gradients without names, in order."""
    if not isinstance(gradients, list | tuple | ValuesView | Iterator):
        raise OptionError(f"gradients: expected a mapping or a list, got {type(gradients).__name__}; {_ASK}.")
    values = list(gradients)
    if values and all(isinstance(pair, tuple) and len(pair) == 2 and isinstance(pair[0], str) for pair in values):
        return read_gradients(model, dict(values))
    parameters = dict(model.named_parameters())
    trained = [name for name, parameter in parameters.items() if parameter.requires_grad]
    orders = (list(parameters), list(model.state_dict()), trained)
    names = next((order for order in orders if len(order) == len(values)), None)
    if names is None:
        raise ShapeError(
            f"gradients: expected a list of {len(parameters)}, one for each parameter in order, got {len(values)}; "
            f"put None where a frozen layer sends nothing, or pass {{parameter name: gradient}}."
        )
    return {
        name: _as_gradient(value, name, known[name].shape)
        for name, value in zip(names, values, strict=True)
        if value is not None and name in known
    }


def _as_gradient(value: object, name: str, shape: torch.Size) -> torch.Tensor:
    """One entry as a tensor in its parameter's shape, without a leading axis of one sample.

    Raises:
        ShapeError: it is no array of real numbers, or of another shape.
    """
    gradient = _as_tensor(value, name)
    if gradient.shape == shape:
        return gradient
    if gradient.shape == (1, *shape):  # as Opacus keeps the gradient of each sample
        return gradient[0]
    came = tuple(gradient.shape)
    if gradient.shape[1:] == shape:
        help_ = f"those are {came[0]} gradients of one sample each, so pass one of them"
    elif len(shape) == 2 and came == tuple(shape)[::-1]:
        help_ = "that is its transpose, as a kernel stored (features, classes) has it, so pass its .T"
    elif len(shape) == 4 and came == (*shape[2:], shape[1], shape[0]):
        help_ = "that is a kernel stored (height, width, in, out), so pass its .permute(3, 2, 0, 1)"
    else:
        help_ = "gradient and network must belong together"
    raise ShapeError(f"gradient {name}: expected shape {tuple(shape)}, got {came}; {help_}.")


def _as_tensor(value: object, name: str) -> torch.Tensor:
    if isinstance(value, torch.Tensor):
        tensor = value.detach()
        tensor = tensor if tensor.layout is torch.strided else tensor.to_dense()
    else:
        array = np.asarray(keep_type(value, f"gradient {name}"))  # type: ignore[arg-type]
        if array.dtype.kind not in "fiub":
            raise ShapeError(
                f"gradient {name}: expected a tensor, a numpy array or nested lists of real numbers, got "
                f"{type(value).__name__}."
            )
        if isinstance(value, list | tuple) and np.array_equal(array, array.astype(np.float32), equal_nan=True):
            array = array.astype(np.float32)  # lists know no types; these numbers are float32's
        # A copy: tensors know neither foreign byte orders nor memory that may not be written to.
        tensor = torch.from_numpy(np.array(array, dtype=array.dtype.newbyteorder("=")))
    if tensor.is_complex():
        raise ShapeError(f"gradient {name}: expected real numbers, got complex ones.")
    return tensor if tensor.is_floating_point() else tensor.double()


def gradient_entry(gradients: Mapping[str, torch.Tensor], name: str, shape: torch.Size) -> torch.Tensor:
    """The gradient of the parameter of this name, looked at as closely as a computation needs it.

    Args:
        gradients: as from `read_gradients`.
        name: of the parameter.
        shape: of the parameter.

    Raises:
        OptionError: it is missing.
        ShapeError, NonFiniteError: it is of another shape, or not finite.
    """
    if name not in gradients:
        raise OptionError(
            f"gradients: expected an entry {name}, got {', '.join(gradients) or 'none'}; "
            f"send the gradient of every parameter under its name in the network."
        )
    gradient = _as_gradient(gradients[name], name, shape)
    # The sum is finite where every entry is, and costs no mask as large as the gradient; it may overflow.
    if not torch.isfinite(gradient.sum()) and not torch.isfinite(gradient).all():
        raise NonFiniteError(f"gradient {name}: expected finite numbers, got NaN or infinity.")
    return gradient
