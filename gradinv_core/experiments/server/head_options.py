"""With which assumptions the server asks the last layer."""

from dataclasses import dataclass

__all__ = ["HeadOptions"]


@dataclass(frozen=True)
class HeadOptions:
    """What the server knows of the head's gradient when it looks for lambda: one set for every page.

    Attributes:
        gradient_scale: "unknown" if it may have been shortened, as far as the server knows.
        noise_std: of the noise on each entry; None to measure it.
        hidden: whether more than lambda is open, such as the share of a class without a row.
    """

    gradient_scale: str
    noise_std: float | None
    hidden: bool
