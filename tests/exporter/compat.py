"""Two pages of the same machine, ours and node_exporter's -> one verdict per series of node_exporter's."""

import math
import re
from dataclasses import dataclass, field

from prometheus_client.parser import text_string_to_metric_families

from exporter.host.machine import ON_BY_DEFAULT

Series = tuple[str, tuple[tuple[str, str], ...]]

# what node_exporter shows and we do not, and why
ABSENT = (
    (r"node_exporter_build_info", "says that node_exporter runs here, and it does not"),
    (r"go_.*", "a Go program's runtime"),
    (r"promhttp_.*", "a Go library's own metrics"),
    (r"node_scrape_collector_.*", "a collector for hardware or software that we do not read"),
    (r"node_(dmi|edac|nvme|infiniband|rapl|xfs|zfs|btrfs|bcache|ipvs|nfs|nfsd|fibrechannel|tapestats)_.*",
     "special hardware or software; no dashboard or alert of the node-mixin uses it"),
    (r"node_power_supply_.*", "details of batteries beyond online and capacity"),
    (r"node_hwmon_.*", "sensor limits that no dashboard uses"),
    (r"node_disk_(ata_.*|device_mapper_info|filesystem_info)", "what udev knows of a disk beyond its name; no dashboard uses it"),
    (r"node_cpu_(core|package)_throttles_total", "no dashboard or alert of the node-mixin uses it"),
    (r"node_systemd_(version|system_running|timer_.*|unit_.*)", "details of systemd that no alert of the node-mixin uses"),
    (r"node_(softnet_backlog_len|filesystem_mount_info|filesystem_purgeable_bytes|watchdog_.*|time_clocksource_.*)",
     "newer than the node_exporter that we follow"),
)  # fmt: skip
OWN_PROCESS = re.compile(r"process_.*|node_scrape_collector_duration_seconds|openmanager_.*")
# readings that jump between two looks because the machine lives, and by how much they may differ
NOISE = 0.10
NOISE_ABSOLUTE = (
    (r".*_bytes", 64 * 2**20),
    (r".*_seconds(_total)?", 2.0),
    (r"node_(netstat|vmstat|softnet|intr|context|network|disk)_.*", 5000.0),
    (r"node_load.*", 0.5),
    (r".*", 50.0),
)


@dataclass
class Page:
    """One page: values by series, types and help by family name as written."""

    values: dict[Series, float] = field(default_factory=dict)
    types: dict[str, str] = field(default_factory=dict)

    @property
    def names(self) -> set[str]:
        return {name for name, _ in self.values}


def parse(text: str) -> Page:
    page = Page()
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            page.values[sample.name, tuple(sorted(sample.labels.items()))] = sample.value
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ", 3)
            page.types[name] = kind
    return page


@dataclass(frozen=True)
class Verdict:
    """`word` is equal, noise, absent (with the reason), missing, type or value."""

    series: Series
    word: str
    detail: str = ""

    @property
    def good(self) -> bool:
        return self.word in ("equal", "noise", "absent", "own")


def reason(name: str) -> str:
    return next((why for pattern, why in ABSENT if re.fullmatch(pattern, name)), "")


def expected(series: Series, ours: Page) -> bool:
    """Whether we show the name, or have the collector, so that leaving out this one series has no excuse."""
    name, labels = series
    if name == "node_scrape_collector_success":
        return dict(labels)["collector"] in ON_BY_DEFAULT
    return name in ours.names


def allowed(name: str, value: float) -> float:
    absolute = next(number for pattern, number in NOISE_ABSOLUTE if re.fullmatch(pattern, name))
    return max(NOISE * abs(value), absolute)


def judge(series: Series, theirs: Page, before: Page, after: Page) -> Verdict:
    """One series of theirs, read between two of our pages."""
    name = series[0]
    if OWN_PROCESS.fullmatch(name):
        return Verdict(series, "own", "each process tells of itself")
    if series not in before.values or series not in after.values:
        why = "" if expected(series, before) else reason(name)
        return Verdict(series, "absent", why) if why else Verdict(series, "missing")
    if theirs.types.get(name) != before.types.get(name):
        return Verdict(series, "type", f"{theirs.types.get(name)} there, {before.types.get(name)} here")
    value, low, high = theirs.values[series], *sorted((before.values[series], after.values[series]))
    if low <= value <= high or math.isclose(value, low, rel_tol=1e-9):
        return Verdict(series, "equal")
    if low - allowed(name, value) <= value <= high + allowed(name, value):
        return Verdict(series, "noise", f"{value:g} there, {low:g} to {high:g} here")
    return Verdict(series, "value", f"{value:g} there, {low:g} to {high:g} here")


RANK = ("equal", "own", "absent", "noise", "type", "missing", "value")


def compare(looks: list[tuple[Page, Page, Page]]) -> list[Verdict]:
    """The best verdict of several looks (before, theirs, after): a machine under load may move between any two readings."""
    best: dict[Series, Verdict] = {}
    for before, theirs, after in looks:
        for series in theirs.values:
            verdict = judge(series, theirs, before, after)
            if series not in best or RANK.index(verdict.word) < RANK.index(best[series].word):
                best[series] = verdict
    return sorted(best.values(), key=lambda it: it.series)
