"""What every detector looks like to the engine.

A detector is a small class with its own state fields. `measure` says how far a column is from normal, before learning; `learn`
moves its state where that is allowed. No labels, no clock, no configuration file.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from analyzer.detect.columns import Columns, Field
from analyzer.detect.frame import Frame
from analyzer.detect.settings import DetectionSettings
from analyzer.window import Bools, Floats


@dataclass(frozen=True, slots=True, eq=False)
class Measure:
    """One detector's view of one column.

    Attributes
    ----------
    value : float64 [series], signed and in its own unit where the engine learns the edge of normal, otherwise 0..1.. ready to use.
    size : float64 [series], the deviation in the series' unit, for the minimal deviation; inf = not measured in it.
    since : float64 [series], when it began where the detector knows; NaN otherwise.
    """

    value: Floats
    size: Floats
    since: Floats


class Detector(Protocol):
    """Something that finds one kind of strangeness in many series at once."""

    kind: str
    calibrated: bool  # the engine learns where its edge of normal lies; otherwise `value` is the score
    floor: float  # the edge is never below

    def __init__(self, columns: Columns, settings: DetectionSettings) -> None:
        """Bind to the state that holds this detector's fields."""
        ...

    @classmethod
    def fields(cls) -> Mapping[str, Field]:
        """State arrays by name."""
        ...

    def measure(self, f: Frame) -> Measure:
        """How far from normal each series is now."""
        ...

    def learn(self, f: Frame, mask: Bools) -> None:
        """Move the state where `mask`."""
        ...
