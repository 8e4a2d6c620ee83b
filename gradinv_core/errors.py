"""Every error a user can cause: one sentence each, saying what was expected, what came, and what to do."""

__all__ = [
    "ClassCountError",
    "DatasetUnavailableError",
    "GradientInversionError",
    "ImageFileError",
    "LabelError",
    "MisfitError",
    "NoExactRouteError",
    "NonFiniteError",
    "OptionError",
    "RankError",
    "ShapeError",
    "TensorFileError",
    "WeightsUnavailableError",
]


class GradientInversionError(ValueError):
    """Base of every error raised on purpose; catch this one to catch them all."""

    @property
    def sentence(self) -> str:
        """The message with a capital letter, to stand by itself."""
        message = str(self)
        return message[:1].upper() + message[1:]


class ShapeError(GradientInversionError):
    """An array or tensor has the wrong number of axes or the wrong size."""


class NonFiniteError(GradientInversionError):
    """An array holds NaN or infinity."""


class RankError(GradientInversionError):
    """The head gradient is not a single outer product: more than one sample, or far too much noise."""


class MisfitError(RankError):
    """A layer's gradient contradicts what the layers above it say of one sample."""


class ClassCountError(GradientInversionError):
    """Too few classes for the label structure asked for."""


class DatasetUnavailableError(GradientInversionError):
    """A dataset has to be downloaded first, and that did not work."""


class WeightsUnavailableError(GradientInversionError):
    """Weights that somebody trained have to be downloaded first, and that did not work."""


class LabelError(GradientInversionError):
    """A soft label is not a point of the probability simplex, or its parameters are out of range."""


class OptionError(GradientInversionError):
    """A named option (dataset, network, solver, format ...) does not exist."""


class NoExactRouteError(GradientInversionError):
    """No exact image recovery is known for this network."""


class ImageFileError(GradientInversionError):
    """A picture file cannot be used: not a picture, too large, too small, damaged."""


class TensorFileError(GradientInversionError):
    """A gradient file cannot be used: unknown kind, missing entry, damaged, or it would need unpickling."""
