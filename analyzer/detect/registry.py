"""Every detector that runs, by the kind of finding it makes. Adding one: a file, and a line here.

In: nothing. Out: `DETECTORS`.
"""

from analyzer.detect.fast import Fast
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
