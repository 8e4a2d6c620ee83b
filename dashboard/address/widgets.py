"""Where the values of widgets live: one group of session keys for each dataclass of settings."""

from collections.abc import Callable
from dataclasses import fields
from typing import Any, Generic, TypeVar

import streamlit as st

from dashboard.address.classroom_settings import classroom
from dashboard.address.search_settings import SearchSettings
from dashboard.address.sweep_settings import SweepSettings
from gradinv_core.experiments.scenario import Scenario
from gradinv_core.experiments.settings import settings_of

__all__ = ["SCENARIO", "SEARCH", "SWEEP", "Widgets"]

Settings = TypeVar("Settings")


class Widgets(Generic[Settings]):
    """The widgets that hold one dataclass of settings, whether or not they are on the page.

    Args:
        kind: the dataclass, each field declared by `gradinv_core.experiments.settings.setting`.
        prefix: of the session keys.
        locked: whether the visitor may not change them.
    """

    def __init__(self, kind: type[Settings], prefix: str, locked: Callable[[], bool] = lambda: False) -> None:
        self._kind, self._prefix, self._declared, self._locked = kind, prefix, settings_of(kind), locked

    def key(self, field: str) -> str:
        """Session key of the widget that holds a field."""
        return f"{self._prefix}_{field}"

    def named(self, field: str, explanation: str = "", *, disabled: bool = False) -> dict[str, Any]:
        """Label, key, help and state of a field's widget, as it was declared.

        Args:
            field: which.
            explanation: in place of the declared one, where it depends on more than the field.
            disabled: whether it makes no sense now; a teacher's link may lock it besides.
        """
        declared = self._declared[field]
        return {
            "label": declared.title,
            "key": self.key(field),
            "help": explanation or declared.help or None,
            "disabled": disabled or self._locked(),
        }

    def get(self, field: str) -> Any:
        """Current value of a field."""
        return st.session_state[self.key(field)]

    def set(self, field: str, value: Any) -> None:
        """Change a field; call it before its widget is drawn, or from a callback."""
        st.session_state[self.key(field)] = value

    @property
    def here(self) -> bool:
        """Whether all values are known: a run that was cut short before its widgets were drawn loses them."""
        return all(self.key(field) in st.session_state for field in self._declared)

    def current(self) -> Settings:
        """What the widgets describe."""
        return self._kind(**{field: self.get(field) for field in self._declared})

    def fill(self, settings: Settings) -> None:
        """Give every widget its value; call it before they are drawn, or from a callback."""
        for field in fields(settings):  # type: ignore[arg-type]
            self.set(field.name, getattr(settings, field.name))


SCENARIO = Widgets(Scenario, "scenario", locked=lambda: classroom().locked)
SEARCH = Widgets(SearchSettings, "search")
SWEEP = Widgets(SweepSettings, "sweep")
