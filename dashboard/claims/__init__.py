"""The page's sentences about how an attack ended, each made from a computed status; sections only place them.

What the server says rests on `Server`, its own results. What compares with the client also takes `Truth`. Every claim
has a kind, and for every kind a test knows how to check it.
"""

from dashboard.claims.claim import Claim, Kind
from dashboard.claims.server import Server
from dashboard.claims.truth import Truth

__all__ = ["Claim", "Kind", "Server", "Truth"]
