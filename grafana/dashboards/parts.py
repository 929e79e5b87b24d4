"""Small builders that every dashboard shares: targets, thresholds, overrides, links. Grafana's vocabulary, our defaults."""

from collections.abc import Mapping, Sequence

from grafana_foundation_sdk.builders import common as common_builders
from grafana_foundation_sdk.builders import dashboard as dashboards
from grafana_foundation_sdk.builders import prometheus
from grafana_foundation_sdk.cog.runtime import UnknownDataquery
from grafana_foundation_sdk.models import common, dashboard

PROMETHEUS = common.DataSourceRef(type_val="prometheus", uid="om-prometheus")
INFINITY = common.DataSourceRef(type_val="yesoreyeram-infinity-datasource", uid="om-infinity")
GREEN, YELLOW, ORANGE, RED, BLUE, GREY = "green", "yellow", "orange", "red", "blue", "#8e8e8e"
SEVERITIES = {"critical": RED, "warning": ORANGE, "info": BLUE}


class Infinity:
    """A query of the Infinity data source: a flat JSON array of one of the analyzer's /grafana/ routes."""

    def __init__(self, path: str, columns: Mapping[str, tuple[str, str]], *, ref: str = "A", shape: str = "table") -> None:
        """`columns`: field -> (title, type); `shape`: table, logs, dataframe, timeseries."""
        self._query: dict[str, object] = {
            "refId": ref,
            "datasource": {"type": INFINITY.type_val, "uid": INFINITY.uid},
            "type": "json",
            "source": "url",
            "parser": "backend",
            "format": shape,
            "url": path,
            "url_options": {"method": "GET", "data": ""},
            "root_selector": "",
            "columns": [{"selector": field, "text": title, "type": kind} for field, (title, kind) in columns.items()],
            "filters": [],
        }

    def build(self) -> UnknownDataquery:
        """The query as it stands in the file."""
        return UnknownDataquery(self._query)


def series(expr: str, legend: str = "__auto", ref: str = "A") -> prometheus.Dataquery:
    """A range query."""
    return prometheus.Dataquery().datasource(PROMETHEUS).expr(expr).legend_format(legend).ref_id(ref).range()


def now(expr: str, legend: str = "__auto", ref: str = "A") -> prometheus.Dataquery:
    """An instant query."""
    return prometheus.Dataquery().datasource(PROMETHEUS).expr(expr).legend_format(legend).ref_id(ref).instant()


def steps(base: str, *above: tuple[float, str]) -> dashboards.ThresholdsConfig:
    """Colours by value: `base` below the first step."""
    found = [dashboard.Threshold(value=None, color=base)]
    found += [dashboard.Threshold(value=value, color=color) for value, color in above]
    return dashboards.ThresholdsConfig().mode(dashboard.ThresholdsMode.ABSOLUTE).steps(found)


def props(**values: object) -> list[dashboard.DynamicConfigValue]:
    """Override properties; `custom__width=80` stands for `custom.width`."""
    return [dashboard.DynamicConfigValue(name.replace("__", "."), value) for name, value in values.items()]


def by_regex(pattern: str) -> dashboard.MatcherConfig:
    """Fields whose name matches."""
    return dashboard.MatcherConfig("byRegexp", f"/{pattern}/")


def by_query(ref: str) -> dashboard.MatcherConfig:
    """Fields of one query."""
    return dashboard.MatcherConfig("byFrameRefID", ref)


def link(title: str, url: str) -> list[dict[str, object]]:
    """Where a click leads, as the `links` property of a field."""
    return [{"title": title, "url": url, "targetBlank": False}]


def texts(colors: Mapping[str, str]) -> list[dashboard.ValueMap]:
    """Colours for words."""
    results = {word: dashboard.ValueMappingResult(color=color, index=at) for at, (word, color) in enumerate(colors.items())}
    return [dashboard.ValueMap(results)]


def last() -> common_builders.ReduceDataOptions:
    """The newest value of every series."""
    return common_builders.ReduceDataOptions().calcs(["lastNotNull"]).values(False)


def legend(calcs: Sequence[str] = (), *, right: bool = False) -> common_builders.VizLegendOptions:
    """A list below, or a table beside the graph."""
    built = common_builders.VizLegendOptions().show_legend(True).calcs(list(calcs))
    if right:
        built = built.display_mode(common.LegendDisplayMode.TABLE).placement(common.LegendPlacement.RIGHT)
        return built.sort_by("Last *").sort_desc(True)
    return built.display_mode(common.LegendDisplayMode.LIST).placement(common.LegendPlacement.BOTTOM)


def dashed_line() -> common_builders.GraphThresholdsStyleConfig:
    """Thresholds of a graph as dashed lines."""
    return common_builders.GraphThresholdsStyleConfig().mode(common.GraphThresholdsStyleMode.DASHED)


def all_values() -> common_builders.VizTooltipOptions:
    """Every series under the cursor, largest first."""
    return common_builders.VizTooltipOptions().mode(common.TooltipDisplayMode.MULTI).sort(common.SortOrder.DESCENDING)


def at(x: int, y: int, w: int, h: int) -> dashboard.GridPos:
    """Place on the 24-column grid."""
    return dashboard.GridPos(x=x, y=y, w=w, h=h)
