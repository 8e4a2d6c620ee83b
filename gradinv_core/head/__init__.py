"""The last fully connected layer: where it is, what its gradient says, and how labels are read off it."""

from gradinv_core.head.factors import ObservedHead, factor_heads
from gradinv_core.head.search import find_head
from gradinv_core.head.view import HeadView, observe_head, view_head

__all__ = ["HeadView", "ObservedHead", "factor_heads", "find_head", "observe_head", "view_head"]
