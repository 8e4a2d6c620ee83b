"""The privacy budget: what a number of noisy steps spend, as Opacus accounts for it.

The accountant is Opacus' for Renyi differential privacy of the subsampled Gaussian mechanism (Mironov, Talwar, Zhang
2019). No formula of our own stands here: a budget that is subtly wrong is worse than none.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from types import ModuleType

from gradinv_core.arrays import is_number
from gradinv_core.defences.clip import Clip
from gradinv_core.defences.defence import Defence
from gradinv_core.defences.feature import PerturbFeature
from gradinv_core.defences.noise import GaussianNoise
from gradinv_core.defences.pipeline import check_defences
from gradinv_core.defences.quantise import Quantise
from gradinv_core.errors import OptionError

__all__ = ["accountable_multiplier", "privacy_spent"]

_LARGER_ORDERS = (80, 96, 128, 160, 192, 256, 320, 384, 512)
"""Orders beyond Opacus' default ones; few steps with much noise are bounded best there."""


def privacy_spent(noise_multiplier: float, sample_rate: float, steps: int, delta: float) -> float:
    """The epsilon that training spends with every sample's gradient clipped and Gaussian noise added to their sum.

    Args:
        noise_multiplier: standard deviation of the noise in units of the clip norm, above 0.
        sample_rate: probability with which each sample takes part in a step, in (0, 1]; 1 for a client that sends a
            single sample's gradient every time.
        steps: number of steps, a whole number >= 1.
        delta: probability with which the guarantee may fail, in (0, 1); below one over the number of samples.

    Returns:
        Epsilon > 0; infinite if the noise is too small for any of the orders.

    Raises:
        OptionError: an argument is out of range, or Opacus is not installed.
    """
    if not (is_number(noise_multiplier) and noise_multiplier > 0):
        raise OptionError(
            f"noise_multiplier: expected a number above 0, got {noise_multiplier!r}; no noise, no budget."
        )
    if not (is_number(sample_rate) and 0 < sample_rate <= 1):
        raise OptionError(f"sample_rate: expected a number above 0 and at most 1, got {sample_rate!r}.")
    if isinstance(steps, bool) or not isinstance(steps, int) or steps < 1:
        raise OptionError(f"steps: expected a whole number >= 1, got {steps!r}.")
    if not (is_number(delta) and 0 < delta < 1):
        raise OptionError(f"delta: expected a number between 0 and 1, got {delta!r}; 1e-5 is usual.")
    accountant, default_orders = _opacus()
    orders = [*default_orders, *_LARGER_ORDERS]
    with warnings.catch_warnings():
        # At the first or last order the bound still holds; a better one might exist, which is no reason to warn.
        warnings.filterwarnings("ignore", message="Optimal order is the")
        spent = accountant.compute_rdp(q=sample_rate, noise_multiplier=noise_multiplier, steps=steps, orders=orders)
        epsilon, _ = accountant.get_privacy_spent(orders=orders, rdp=spent, delta=delta)
    return max(float(epsilon), 0.0)


def accountable_multiplier(defences: Sequence[Defence]) -> float | None:
    """The noise multiplier an accountant may be told for this pipeline; None if it has no (epsilon, delta).

    Needed are Gaussian noise and a clip before it. In between, nothing may lengthen the gradient, as rounding to a grid
    can. After the noise, nothing may look at the image again, as `PerturbFeature` does; all else is mere processing of
    what is already private.

    Raises:
        OptionError: not a pipeline; see `check_defences`.
    """
    clipped = False
    multiplier: float | None = None
    for defence in check_defences(defences):
        if isinstance(defence, Clip):
            clipped = True
        elif isinstance(defence, Quantise) and multiplier is None:
            clipped = False
        elif isinstance(defence, GaussianNoise) and clipped:
            multiplier = defence.multiplier
        elif isinstance(defence, PerturbFeature) and multiplier is not None:
            return None
    return multiplier


def _opacus() -> tuple[ModuleType, list[float]]:
    """Opacus' module of Renyi accounting and its default orders, imported only when a budget is asked for."""
    try:
        from opacus.accountants import RDPAccountant
        from opacus.accountants.analysis import rdp
    except ImportError as error:
        raise OptionError(
            "privacy budget: expected the package opacus, which is not installed; "
            "install the optional extra with pip install 'gradinv[privacy]'."
        ) from error
    return rdp, list(RDPAccountant.DEFAULT_ALPHAS)
