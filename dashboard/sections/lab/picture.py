"""Step 6: the picture, by the exact route where there is one, and by a search for whoever wants to compare."""

from dashboard.background.jobs import Job, JobState
from dashboard.cache import PictureTask
from dashboard.layout.story import formulas, mathematics, step
from dashboard.sections.lab import runs, search, take_along
from dashboard.sections.story import exact, image
from dashboard.sections.story.view import LabView
from gradinv_core.image_recovery import ImageRecovery, Step

__all__ = ["show"]

_SENTENCE = "From the feature, the server tries to walk back through the layers to the pixels."
_EXPLANATION = "Each layer's gradient is a product, too: of what went into the layer, and of what it did to the loss."


def show(view: LabView, task: PictureTask) -> Job[Step, ImageRecovery]:
    """Draw the step; the exact route's job is returned, as far as it is."""
    step(6, "The picture", _SENTENCE, _EXPLANATION)
    job = image.body(view, task)
    recovery = job.result if job.state is JobState.DONE else None
    search.show(view, task, recovery, impossible=job.state in (JobState.FAILED, JobState.STOPPED))
    with mathematics():
        formulas(
            r"\frac{\partial L}{\partial W_\ell} = \delta_\ell\, h_{\ell-1}^{\top}",
            r"h_{\ell-1} = \frac{1}{\lVert \delta_\ell \rVert^2} "
            r"\left(\frac{\partial L}{\partial W_\ell}\right)^{\!\top} \delta_\ell",
        )
        if recovery is not None:
            exact.show_formulas(view, recovery)
        search.show_formulas()
    runs.show(view, recovery)
    take_along.show(view, recovery)
    return job
