"""The network as a strip of layers: solved where there is an exact route, counted where there is none."""

import streamlit as st

from dashboard.claims.picture import Rebuilt
from dashboard.drawing.number_text import plain
from dashboard.figures import StripLayer, convergence, layer_strip
from dashboard.layout.story import chart
from dashboard.sections.story.view import LabView
from gradinv_core.experiments.public_network import PublicNetwork
from gradinv_core.head import find_head
from gradinv_core.image_recovery import ImageRecovery, Leak
from gradinv_core.image_recovery.budget import LayerBudget

__all__ = ["show_budget", "show_layers"]

_EXPLANATION = (
    "A layer's input is a list of unknown numbers. Every weight's gradient is an equation for them, and so is every "
    "output that is known already. The rank counts the equations that say something new."
)
_SOLVED = (
    "The picture is on top, and each row is one layer: its equations for its unknowns. A filled outline means that all "
    "of the layer's input follows; the thin line under it is as long as there are equations."
)
_CHANGED = (
    "The picture is on top, and each row is one layer: its equations for its unknowns. They are those of the untouched "
    "gradient of one picture. What they lead to here is not what was there."
)
_SKIPPED = (
    "The layers in between are not needed: each patch of the picture has a learned position, and its gradient is what "
    "all those layers together hand down to that patch."
)
_COUNTED = (
    "The picture is on top, and each row is one layer: its equations for its unknowns. They are only counted here: "
    "enough equations are necessary, not sufficient, because equations may repeat each other."
)
_COMPLETED = (
    "Where equations run out, bounds help: pixels lie between 0 and 1, a silent ReLU had a negative input, and "
    "neighbouring pixels are alike. Fitting all of that at once is a convex problem, solved round by round."
)


def show_layers(view: LabView, network: PublicNetwork, recovery: ImageRecovery, *, exact: bool) -> None:
    """Draw the layers of an attack; the head is added, which the label's part of the story has solved.

    Args:
        view: the solved scenario.
        network: that was attacked.
        recovery: what the attack found.
        exact: whether what the equations determine is what really was there.
    """
    layers = recovery.layers
    rows = [
        StripLayer(
            layer.name,
            layer.kind,
            layer.unknowns,
            layer.equations,
            str(layer.leak),
            min(layer.rank, layer.unknowns),
            layer.residual,
            layer.error,
        )
        for layer in reversed(layers)
    ]
    rows.append(_head_row(view, network, recovery))
    chart(layer_strip(rows, exact=exact, dark=view.dark), "layers", _EXPLANATION)
    st.caption(_SOLVED if exact else _CHANGED)
    if not recovery.rests_on_label:
        st.caption(_SKIPPED)
    with st.expander("Layer by layer, in numbers"):
        _table(rows, [*(layer.seconds for layer in reversed(layers)), view.attack.recovery.seconds])
        open_layers = {layer.name: layer.convergence for layer in layers if layer.convergence}
        if open_layers:
            chart(convergence(open_layers, dark=view.dark), "convergence", _COMPLETED)


def _head_row(view: LabView, network: PublicNetwork, recovery: ImageRecovery) -> StripLayer:
    """The last layer: all of its input leaks, or all but its size."""
    classes, features = view.attack.head.weight.shape
    settled = Rebuilt(view.server, recovery).label_settled
    feature = recovery.steps[0]
    size = float(feature.value.norm())
    return StripLayer(
        find_head(network.model),
        f"head, {features} to {classes}",
        features,
        classes * features,
        "exact" if settled else "almost",
        features if settled else features - 1,
        float(view.attack.head.residual[0]),
        None if feature.std is None or size == 0 else float(feature.std.norm()) / size,
    )


def show_budget(layers: tuple[LayerBudget, ...], dark: bool) -> None:
    """Draw the layers of a network that nothing was solved for, from the picture to the head."""
    rows = [
        StripLayer(
            layer.name,
            f"{layer.kind}, {' x '.join(map(str, layer.input_shape))}",
            layer.unknowns,
            layer.output_equations + layer.gradient_equations,
            str(Leak.of(layer.output_equations + layer.gradient_equations, layer.unknowns)),
        )
        for layer in layers
    ]
    if rows:
        chart(layer_strip(rows, dark=dark), "layers", _EXPLANATION)
        st.caption(_COUNTED)


def _table(rows: list[StripLayer], seconds: list[float]) -> None:
    columns = [
        {
            "layer": f"{row.name}: {row.kind}",
            "unknowns": row.unknowns,
            "equations": row.equations,
            "rank": row.rank,
            "residual": _short(row.residual),
            "error bar": _short(row.error),
            "seconds": time,
        }
        for row, time in zip(rows, seconds, strict=True)
    ]
    number, text = st.column_config.NumberColumn, st.column_config.TextColumn
    st.dataframe(
        columns,
        hide_index=True,
        column_config={
            "layer": text(width="large"),
            "unknowns": number(format="localized", help="Numbers that went into the layer."),
            "equations": number(format="localized", help="What the gradient and the layer's output say about them."),
            "rank": number(format="localized", help="How many of the unknowns the equations determine."),
            "residual": text(help="What of the layer's gradient the answer does not explain."),
            "error bar": text(help="The server's own standard deviation, over the input's size."),
            "seconds": number(format="%.2f"),
        },
    )


def _short(value: float | None) -> str:
    """Few digits, and a power of ten as people write it, which no format of a number column does."""
    return "" if value is None else plain(value, 2)
