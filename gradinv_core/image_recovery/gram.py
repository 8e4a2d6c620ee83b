"""``A^T P A`` of a convolution A and the precision P of what is believed of its output, patch by patch.

An output reads a small window, so a patch of pixels meets a patch of outputs: there A is small and dense enough for
plain matrix products, which one thread computes several times faster than sparse ones.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy.sparse as sparse
import torch

from gradinv_core.image_recovery.belief import Belief
from gradinv_core.image_recovery.result import Stop
from gradinv_core.image_recovery.stopping import ask

__all__ = ["output_gram"]

_PATCH = 48  # inputs of a patch, of all channels together
_TILE = 256  # entries a side, of what is transposed at a time
_PAUSES = 16  # patches between two questions whether to stop


class _Patch(NamedTuple):
    """Neighbouring pixels in all channels, and the outputs that read them."""

    inputs: torch.Tensor  # (i,) their indices
    outputs: torch.Tensor  # (o,) likewise
    back: torch.Tensor  # (i, o): A^T there


def output_gram(
    forward: sparse.csr_array,
    believed: Belief,
    shape: tuple[int, ...],
    dtype: torch.dtype = torch.float64,
    unit: float = 1.0,
    stop: Stop | None = None,
) -> torch.Tensor:
    """``A^T P A / unit``, (inputs, inputs), symmetric.

    Args:
        forward: A, (outputs, inputs).
        believed: about the outputs; its precision is P.
        shape: (channels, height, width) of the input.
        dtype: of the result, and of the work where P is full.
        unit: what the result is divided by, so that it stays within float32.
        stop: asked on the way.
    """
    if believed.is_diagonal:
        patches = _patches(sparse.csc_array(forward), shape, dtype)
        weighted = sparse.csr_array(sparse.diags_array(believed.precision.numpy() / unit) @ forward)
        gram = _back(patches, torch.from_numpy(weighted.toarray()).to(dtype), stop)
    else:
        parts = believed.parts
        scaled = sparse.csc_array(sparse.diags_array(parts.scale.numpy() * unit**-0.5) @ forward)
        patches = _patches(scaled, shape, dtype)
        half = _back(patches, parts.base.to(dtype), stop)
        gram = _back(patches, half.T.contiguous(), stop)
        _take_out(gram, forward, parts.scale * parts.pull, parts.share / unit)
    if believed.common is not None:
        pull, share = believed.shared_pull
        _take_out(gram, forward, pull, share / unit)
    _mirror(gram)
    return gram


def _mirror(matrix: torch.Tensor) -> None:
    """Copy what is below the diagonal above it: products in another order round differently.

    The next layer multiplies this matrix from both sides, and singular directions survive that only if it is symmetric.
    """
    for start in range(0, len(matrix), _TILE):
        here = slice(start, start + _TILE)
        matrix[here, here] = matrix[here, here].tril() + matrix[here, here].tril(-1).T
        for left in range(0, start, _TILE):
            matrix[left : left + _TILE, here] = matrix[here, left : left + _TILE].T


def _patches(forward: sparse.csc_array, shape: tuple[int, ...], dtype: torch.dtype) -> list[_Patch]:
    """Cut the input into squares."""
    channels, height, width = shape
    side = max(1, round((_PATCH / channels) ** 0.5))
    grid = np.arange(forward.shape[1]).reshape(shape)
    patches: list[_Patch] = []
    for top in range(0, height, side):
        for left in range(0, width, side):
            inputs = grid[:, top : top + side, left : left + side].flatten()
            columns = sparse.csr_array(forward[:, inputs])
            outputs = np.flatnonzero(np.diff(columns.indptr))
            back = torch.from_numpy(columns[outputs].toarray()).T.to(dtype).contiguous()
            patches.append(_Patch(torch.from_numpy(inputs), torch.from_numpy(outputs), back))
    return patches


def _back(patches: list[_Patch], matrix: torch.Tensor, stop: Stop | None) -> torch.Tensor:
    """A^T times a matrix (outputs, k)."""
    inputs = sum(len(patch.inputs) for patch in patches)
    product = torch.empty(inputs, matrix.shape[1], dtype=matrix.dtype)
    for index, patch in enumerate(patches):
        if index % _PAUSES == _PAUSES - 1:
            ask(stop)
        product[patch.inputs] = patch.back @ matrix.index_select(0, patch.outputs)
    return product


def _take_out(gram: torch.Tensor, forward: sparse.csr_array, direction: torch.Tensor, share: float) -> None:
    """What the precision lacks along one direction of the outputs."""
    if share:
        seen = torch.from_numpy(forward.T @ direction.numpy()).to(gram.dtype)
        gram.addr_(seen, seen, alpha=-share)
