"""What each kind of failure looks like: which signals move which way, on the server itself and on those around it.

A table, not code: `causes` turns it into matrices. Weights say how telling a mark is. Signs: `+` above what is expected, `-` below,
`~` either way. `!down`, `!stuck`, `!vanished`, `!restart` stand for findings of those kinds.
"""

from dataclasses import dataclass, field

SPECIAL = ("!down", "!stuck", "!vanished", "!restart")
Marks = dict[str, float]


@dataclass(frozen=True)
class Pattern:
    """Marks of one kind, each `sign + signal` -> weight.

    Attributes
    ----------
    core : without these it is not this kind; weights of those seen add up, 1 is enough.
    usual : what goes with it; missing costs a little.
    may : what may go with it and says nothing.
    against : what speaks against it.
    up : what servers that depend on it show. down : what their other dependencies (and its own) show. peers : what its peers show.
    roles : words of which the role must hold one for the kind to be named so; empty = any.
    """

    core: Marks
    usual: Marks = field(default_factory=dict)
    may: Marks = field(default_factory=dict)
    against: Marks = field(default_factory=dict)
    up: Marks = field(default_factory=dict)
    down: Marks = field(default_factory=dict)
    peers: Marks = field(default_factory=dict)
    roles: tuple[str, ...] = ()


def _all(signs: str, weight: float = 1.0) -> Marks:
    return dict.fromkeys(signs.split(), weight)


SLOWED = _all("+response_time +errors +connections -requests -network_receive -network_transmit -cpu -load ~context_switches"
              " +processes +open_files")  # fmt: skip
STARVED = _all(
    "-requests -cpu -network_receive -network_transmit ~connections -disk_time -load -context_switches -response_time", 0.7
)
PRESSED = _all("+requests +cpu +network_receive +network_transmit +connections +load +context_switches +response_time +errors"
               " +disk_time +iowait +disk_latency +memory ~processes +open_files +replication_lag", 0.8)  # fmt: skip
BUSY = _all("+cpu +load ~context_switches +temperature +response_time +connections +errors ~processes +memory +open_files")
IO = _all("+disk_time +iowait +disk_latency +load")
DATABASE = ("db", "sql", "data", "postgres", "mysql", "mongo", "maria", "oracle")

PATTERNS: dict[str, Pattern] = {
    "cpu_runaway": Pattern(
        core={"+cpu": 1.0, "+load": 0.3},
        usual={"+load": 1.0, "+temperature": 0.3, "~context_switches": 0.3},
        may=BUSY, up=SLOWED, down=STARVED,
        against={"+requests": 1.2, "+disk_time": 0.6, "+iowait": 0.5, "+network_receive": 0.6, "+network_transmit": 0.6,
                 "+steal": 1.0, "-cache_hit": 0.6, "+nice": 2.0},  # what runs away does not give way to others
    ),
    "memory_leak": Pattern(
        core={"+memory": 1.0},
        usual={"+swap": 0.5},
        may=BUSY | IO | _all("~processes +open_files"), up=SLOWED, down=STARVED,
        against={"+requests": 0.8, "+network_receive": 0.3},
    ),
    "disk_fill": Pattern(core={"+disk": 1.0}, may=IO | _all("+inodes +cpu"), up=SLOWED),
    "disk_slow": Pattern(
        core={"+disk_latency": 1.0, "+iowait": 0.7},
        usual={"+disk_time": 0.6, "+load": 0.4, "+response_time": 0.4},
        may=_all("+connections +errors +replication_lag -cpu -disk_time +memory ~context_switches ~processes"),
        up=SLOWED, down=STARVED,
        against={"+requests": 0.5, "+cpu": 0.4},
    ),
    "network_saturation": Pattern(
        core={"+network_transmit": 1.0, "+network_receive": 0.6},
        usual={"+tcp_retransmits": 0.6, "+network_errors": 0.6},
        may=_all("+response_time +connections +errors ~cpu ~context_switches ~load"), up=SLOWED, down=STARVED,
        against={"+requests": 1.2, "+disk_time": 0.7},
    ),
    "packet_loss": Pattern(
        core={"+tcp_retransmits": 1.0, "+network_errors": 0.4},
        usual={"+response_time": 0.3},
        may=_all("-network_receive -network_transmit +connections +errors -requests ~cpu ~load ~context_switches"),
        up=SLOWED, down=STARVED,
        against={"+network_transmit": 1.0, "+network_receive": 1.0, "+requests": 0.5},
    ),
    "steal": Pattern(
        core={"+steal": 1.0},
        usual={"+load": 0.3, "+response_time": 0.3},
        may=BUSY | _all("~cpu ~network_receive ~network_transmit -requests"), up=SLOWED, down=STARVED,
    ),
    "traffic_surge": Pattern(
        core={"+requests": 1.0},
        usual={"+cpu": 0.6, "+network_transmit": 0.6, "+network_receive": 0.6, "+connections": 0.4, "+load": 0.3},
        may=PRESSED, up=PRESSED, down=PRESSED, peers=PRESSED,
        against={"-cache_hit": 1.5, "+errors": 0.4, "+disk": 0.5},
    ),
    "cache_stampede": Pattern(
        core={"-cache_hit": 1.0}, usual={"+response_time": 0.2}, may=PRESSED | SLOWED, up=SLOWED | PRESSED, down=PRESSED
    ),
    "db_slow": Pattern(
        core={"+response_time": 1.0},
        usual={"+connections": 0.6, "+cpu": 0.3, "+disk_time": 0.3, "+iowait": 0.2, "+load": 0.2},
        may=BUSY | IO | _all("-requests +replication_lag"), up=SLOWED, down=STARVED | _all("+replication_lag"), roles=DATABASE,
        against={"+requests": 0.8, "+tcp_retransmits": 0.8, "+steal": 1.0, "+memory": 0.4},
    ),
    "crash": Pattern(
        core={"!down": 1.0, "!restart": 0.7},
        may=_all("!vanished ~uptime ~up ~memory ~cpu ~load ~connections ~requests ~processes +response_time +disk_time"),
        up=SLOWED, down=STARVED | PRESSED, peers=PRESSED,
    ),
    "clock_skew": Pattern(core={"~clock_skew": 1.0}),
    "stuck_metric": Pattern(core={"!stuck": 1.0}),
    "batch_job": Pattern(
        core={"+nice": 1.0, "+cpu": 0.5, "+disk_time": 0.7, "+network_transmit": 0.3, "+network_receive": 0.3},
        usual={"+disk_latency": 0.3, "+iowait": 0.4, "+load": 0.4},
        may=BUSY | IO | _all("~network_receive ~network_transmit"),
        against={"+response_time": 1.0, "+errors": 1.0, "+requests": 1.0, "+memory": 0.5, "+steal": 1.0},
    ),
}  # fmt: skip
UNKNOWN = Pattern(core={}, up=SLOWED, down=STARVED)
SPREADING = frozenset(kind for kind, pattern in PATTERNS.items() if pattern.up or pattern.down)
