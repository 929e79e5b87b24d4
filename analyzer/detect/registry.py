"""Every detector that runs, by the kind of finding it makes. Adding one: a file, and a line here.

In: nothing. Out: `DETECTORS` (single series), `HOST_DETECTORS` (whole servers).
"""

from analyzer.detect.fast import Fast
from analyzer.detect.hosts.forest import Forest
from analyzer.detect.hosts.members import HostDetector
from analyzer.detect.hosts.memory import MemoryLong, MemoryShort
from analyzer.detect.hosts.ridge import RidgeQuick, RidgeSlow
from analyzer.detect.hosts.seasonal import Change, Seasonal
from analyzer.detect.hosts.states import States
from analyzer.detect.hosts.window import Windowed
from analyzer.detect.level import Level
from analyzer.detect.members import Detector
from analyzer.detect.peer import Peer
from analyzer.detect.shift import Shift
from analyzer.detect.stuck import Stuck
from analyzer.detect.vanished import Vanished

DETECTORS: dict[str, type[Detector]] = {
    "level": Level,
    "shift": Shift,
    "fast": Fast,
    "stuck": Stuck,
    "vanished": Vanished,
    "peer": Peer,
}

HOST_DETECTORS: dict[str, type[HostDetector]] = {
    "seasonal": Seasonal,
    "change": Change,
    "ridge_quick": RidgeQuick,
    "ridge_slow": RidgeSlow,
    "windowed": Windowed,
    "memory_short": MemoryShort,
    "memory_long": MemoryLong,
    "forest": Forest,
    "states": States,
}
