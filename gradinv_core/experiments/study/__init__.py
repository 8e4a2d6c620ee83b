"""Studies: a small file says which attacks to play, many are played, every one is a row that can be trusted and told.

``reading`` makes a ``specification`` of the file (`PRESETS` ship with the project), ``plan`` makes samples of that,
``attack`` plays one, ``workers`` plays many on one machine or on a cluster, ``store`` keeps a row for each, ``run``
holds these together, and ``report`` makes the tables. The client's truth is only looked at after a server has answered.
"""

from gradinv_core.experiments.study.plan import Sample, plan
from gradinv_core.experiments.study.reading import PRESETS, read_specification
from gradinv_core.experiments.study.specification import Specification

__all__ = ["PRESETS", "Sample", "Specification", "plan", "read_specification"]
