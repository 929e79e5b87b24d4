"""Every detector that runs, by the kind of finding it makes. Adding one: a file, and a line here.

In: nothing. Out: `DETECTORS` (single series), `HOST_DETECTORS` (whole servers).
"""

from analyzer.detect.fast import Fast
from analyzer.detect.hosts.forest import Forest
from analyzer.detect.hosts.members import HostDetector
from analyzer.detect.hosts.memory import Memory
from analyzer.detect.hosts.quiet import Quiet
from analyzer.detect.hosts.ridge import Far, Near
from analyzer.detect.hosts.seasonal import Change, Seasonal
from analyzer.detect.hosts.states import States
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
    "near": Near,
    "far": Far,
    "memory": Memory,
    "quiet": Quiet,
    "forest": Forest,
    "states": States,
}
