"""The overview: what is wrong now, what is coming, why, and a way down to one server's signals.

`python -m grafana.dashboards.build` writes it as JSON; every panel asks Prometheus or one of the analyzer's /grafana/ routes.
"""

from grafana_foundation_sdk.builders import dashboard as dashboards
from grafana_foundation_sdk.builders import logs, stat, table, text, timeseries
from grafana_foundation_sdk.models import common, dashboard

from grafana.dashboards import parts
from grafana.dashboards.parts import (
    BLUE,
    GREEN,
    GREY,
    INFINITY,
    ORANGE,
    PROMETHEUS,
    RED,
    SEVERITIES,
    YELLOW,
    Infinity,
    at,
    by_query,
    by_regex,
    link,
    now,
    props,
    series,
    steps,
)

UID = "openmanager-overview"
TO_SERVER = f"/d/{UID}/overview?var-instance=${{__value.raw}}&${{__url_time_range}}"
TILE_TO_SERVER = f"/d/{UID}/overview?var-instance=${{__field.labels.instance}}&${{__url_time_range}}"
SHARES = "cpu|steal|iowait|memory|swap|disk|inodes|disk_time|tcp_retransmits|errors|cache_hit"
SECONDS = "disk_latency|response_time|replication_lag|clock_skew|uptime"
WORST = 40  # tiles; more cannot be told apart
HERE = 'instance=~"$instance(:[0-9]+)?"'  # servers are known without their port, their series keep it


def build() -> dashboard.Dashboard:
    """The whole dashboard."""
    board = (
        dashboards.Dashboard("openmanager: overview")
        .uid(UID)
        .description("What is wrong now, what is coming, and why.")
        .tags(["openmanager"])
        .refresh("30s")
        .time("now-3h", "now")
        .timezone("browser")
        .editable()
        .tooltip(dashboard.DashboardCursorSync.CROSSHAIR)
        .link(dashboards.DashboardLink("Runbooks").type(dashboard.DashboardLinkType.LINK).target_blank(True).url(RUNBOOKS))
    )
    for variable in (instance_variable(), signal_variable(), part_variable(), language_variable()):
        board = board.with_variable(variable)
    panels = (*at_a_glance(), *now_and_next(), *over_time(), *one_server(), *the_analyzer())
    for number_, panel in enumerate(panels, 1):
        board = board.with_panel(panel.id(number_))
    return board.build()


RUNBOOKS = "https://github.com/openmanager/openmanager/blob/main/docs/runbooks.md"


# ---- variables ----


def query_variable(name: str, label: str, query: str) -> dashboards.QueryVariable:
    """One value out of Prometheus."""
    return (
        dashboards.QueryVariable(name)
        .label(label)
        .datasource(PROMETHEUS)
        .query({"query": query, "refId": name})
        .refresh(dashboard.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(dashboard.VariableSort.ALPHABETICAL_ASC)
    )


def instance_variable() -> dashboards.QueryVariable:
    """Whose signals are shown below."""
    return query_variable("instance", "Server", "label_values(openmanager_health_score, instance)")


def signal_variable() -> dashboards.QueryVariable:
    """Which of them."""
    chosen = dashboard.VariableOption(selected=True, text="cpu", value="cpu")
    return query_variable("signal", "Signal", 'label_values(openmanager_y{instance=~"$instance(:[0-9]+)?"}, for)').current(chosen)


def part_variable() -> dashboards.QueryVariable:
    """Mount point or device, for signals that have one."""
    return query_variable("part", "Mount or device", f"query_result({with_part('y')})").regex('/part="([^"]+)"/')


def language_variable() -> dashboards.CustomVariable:
    """What the analyzer's sentences are written in."""
    english = dashboard.VariableOption(selected=True, text="English", value="en")
    return dashboards.CustomVariable("lang").label("Language").values("English : en,한국어 : ko").current(english)


# ---- first row: numbers ----


def number(title: str, expr: str, x: int, about: str) -> stat.Panel:
    """A number with a colour."""
    return (
        stat.Panel()
        .title(title)
        .description(about)
        .datasource(PROMETHEUS)
        .grid_pos(at(x, 0, 4, 4))
        .with_target(now(expr))
        .reduce_options(parts.last())
        .color_mode(common.BigValueColorMode.VALUE)
        .graph_mode(common.BigValueGraphMode.NONE)
        .justify_mode(common.BigValueJustifyMode.CENTER)
        .decimals(0)
    )


def at_a_glance() -> list[stat.Panel]:
    """Six numbers."""
    paging = "sum(openmanager_incident_active) or vector(0)"
    soon = "count(openmanager_seconds_until_limit < 86400) or vector(0)"
    age = "time() - max(timestamp(openmanager_health_score))"  # needs no scrape of the analyzer
    return [
        number("Servers watched", "count(openmanager_health_score)", 0, "Servers with a health score in the newest cycle.")
        .thresholds(steps(BLUE)),
        number("Worst health", "min(openmanager_health_score)", 4, "0 to 100 of the server that is off worst.")
        .thresholds(steps(RED, (50, ORANGE), (80, GREEN))),
        number("Open incidents", paging, 8, "Incidents that reach people. Noted ones are in the table below as well.")
        .thresholds(steps(GREEN, (1, ORANGE))),
        number("Run out within a day", soon, 12, "Disks, inodes, memory and swap that will be full within 24 hours.")
        .thresholds(steps(GREEN, (1, ORANGE))),
        number("Age of the newest cycle", age, 16, "Beyond five minutes nothing is being watched.")
        .unit("s").thresholds(steps(GREEN, (180, ORANGE), (300, RED))),
        number("Ready to judge", "avg(openmanager_series_ready) by ()", 20, "Share of the series whose usual course is known.")
        .unit("percentunit").thresholds(steps(ORANGE, (0.8, GREEN))),
    ]  # fmt: skip


# ---- second row: now and next ----


def now_and_next() -> list[stat.Panel | table.Panel]:
    """Tiles, incidents, limits."""
    return [health_tiles(), incidents(), limits()]


def health_tiles() -> stat.Panel:
    """One tile a server, worst first."""
    return (
        stat.Panel()
        .title("Health by server, worst first")
        .description(f"The {WORST} servers that are off worst. A click shows the server below.")
        .datasource(PROMETHEUS)
        .grid_pos(at(0, 4, 24, 6))
        .with_target(now(f"sort(bottomk({WORST}, openmanager_health_score))", "{{instance}}"))
        .reduce_options(parts.last())
        .color_mode(common.BigValueColorMode.BACKGROUND)
        .graph_mode(common.BigValueGraphMode.NONE)
        .text_mode(common.BigValueTextMode.VALUE_AND_NAME)
        .justify_mode(common.BigValueJustifyMode.CENTER)
        .decimals(0)
        .min(0)
        .max(100)
        .thresholds(steps(RED, (50, ORANGE), (80, YELLOW), (90, GREEN)))
        .with_override(by_regex(".*"), props(links=link("Show its signals", TILE_TO_SERVER)))
    )


def incidents() -> table.Panel:
    """What is open, in words."""
    columns = {
        "started": ("Since", "timestamp"),
        "severity": ("Severity", "string"),
        "hostname": ("Server", "string"),
        "headline": ("What happens", "string"),
        "kind": ("Likely cause", "string"),
        "confidence": ("Confidence", "number"),
        "pages": ("Sent", "boolean"),
    }
    return (
        table.Panel()
        .title("Open incidents")
        .description("What is open now and the likeliest cause. Not sent: kept from people for a reason that omctl findings names.")
        .datasource(INFINITY)
        .grid_pos(at(0, 10, 15, 8))
        .with_target(Infinity("/grafana/incidents?state=open&lang=$lang&limit=50", columns))
        .no_value("No open incidents")
        .override_by_name("Since", props(unit="dateTimeFromNow", custom__width=130))
        .override_by_name(
            "Severity", props(mappings=parts.texts(SEVERITIES), custom__width=75, custom__cellOptions={"type": "color-text"})
        )
        .override_by_name("Server", props(links=link("Show its signals", TO_SERVER), custom__width=125))
        .override_by_name("What happens", props(custom__cellOptions={"type": "auto", "wrapText": True}))
        .override_by_name("Likely cause", props(custom__width=110))
        .override_by_name("Confidence", props(unit="percentunit", decimals=0, custom__width=90))
        .override_by_name("Sent", props(custom__width=50))
    )


def limits() -> table.Panel:
    """What runs out next, and when."""
    columns = {
        "hostname": ("Server", "string"),
        "signal": ("Runs out", "string"),
        "labels": ("Of", "string"),
        "seconds": ("In", "number"),
        "seconds_low": ("Earliest", "number"),
    }
    return (
        table.Panel()
        .title("What runs out next")
        .description("Soonest first: when a limit is reached if it goes on like this, and the early edge of that estimate.")
        .datasource(INFINITY)
        .grid_pos(at(15, 10, 9, 8))
        .with_target(Infinity("/grafana/forecasts", columns))
        .no_value("Nothing runs out in sight")
        .override_by_name("Server", props(links=link("Show its signals", TO_SERVER), custom__width=120))
        .override_by_name("Runs out", props(custom__width=80))
        .override_by_name("Of", props(noValue="-"))
        .override_by_name("In", props(unit="dtdurations", custom__cellOptions={"type": "color-text"}, custom__width=95))
        .override_by_name("Earliest", props(unit="dtdurations", custom__width=95))
        .thresholds(steps(RED, (3600, ORANGE), (86400, GREEN)))
    )


# ---- third row: over time ----


def over_time() -> list[timeseries.Panel | logs.Panel]:
    """How it came about, and the analyzer's words."""
    return [scores(), alerts(), words()]


def graph(title: str, about: str, place: dashboard.GridPos) -> timeseries.Panel:
    """Lines."""
    return (
        timeseries.Panel()
        .title(title)
        .description(about)
        .datasource(PROMETHEUS)
        .grid_pos(place)
        .line_width(1)
        .fill_opacity(0)
        .show_points(common.VisibilityMode.NEVER)
        .tooltip(parts.all_values())
        .legend(parts.legend())
    )


def scores() -> timeseries.Panel:
    """The ten servers that were strangest in the chosen span."""
    strangest = "topk(10, max_over_time(openmanager_server_anomaly_score[$__range] @ end()))"
    return (
        graph(
            "Anomaly score: the ten strangest servers",
            "0 is as expected, 1 the edge of the usual, above is anomalous.",
            at(0, 18, 16, 9),
        )
        .with_target(series(f"openmanager_server_anomaly_score and on (instance) {strangest}", "{{instance}}"))
        .legend(parts.legend(["max", "lastNotNull"], right=True))
        .decimals(2)
        .min(0)
        .axis_soft_max(1.5)
        .thresholds(steps("transparent", (1, ORANGE)))
        .thresholds_style(parts.dashed_line())
    )


def alerts() -> timeseries.Panel:
    """Incidents that reached people."""
    panel = (
        graph("Incidents by severity", "Open incidents that reach people; 0 is a quiet time.", at(16, 18, 8, 9))
        .with_target(series("sum by (severity) (openmanager_incident_active)", "{{severity}}"))
        .with_target(series("(count(openmanager_incident_active) or vector(0)) * 0", "none", "B"))
        .draw_style(common.GraphDrawStyle.LINE)
        .line_interpolation(common.LineInterpolation.STEP_AFTER)
        .fill_opacity(40)
        .decimals(0)
        .min(0)
        .axis_soft_max(3)
        .with_override(by_query("B"), props(custom__hideFrom={"legend": True, "tooltip": True, "viz": False}, color=fixed(GREY)))
    )
    for severity, color in SEVERITIES.items():
        panel = panel.override_by_name(severity, props(color=fixed(color)))
    return panel


def fixed(color: str) -> dict[str, object]:
    """One colour."""
    return {"mode": "fixed", "fixedColor": color}


def words() -> logs.Panel:
    """The explanations, newest first."""
    columns = {
        "timestamp": ("timestamp", "timestamp"),
        "body": ("body", "string"),
        "level": ("level", "string"),
        "id": ("id", "string"),
    }
    return (
        logs.Panel()
        .title("What happened, in words")
        .description("Each incident of the chosen span as the analyzer explains it.")
        .datasource(INFINITY)
        .grid_pos(at(0, 27, 24, 7))
        .with_target(Infinity("/grafana/explanations?lang=$lang&limit=20", columns, shape="logs"))
        .show_time(True)
        .wrap_log_message(True)
        .sort_order(common.LogsSortOrder.DESCENDING)
        .enable_log_details(False)
    )


# ---- fourth row: one server ----


def one_server() -> list[text.Panel | timeseries.Panel]:
    """Observed against expected, and every signal's score."""
    return [band(), server_scores()]


def with_part(name: str) -> str:
    """A derived series of the chosen server and signal; its label `part` is the mount or device, or "whole"."""
    joined = f'label_join(openmanager_{name}{{{HERE}, for="$signal"}}, "part", "", "mountpoint", "device")'
    return f'label_replace({joined}, "part", "whole", "part", "")'


def part_of(name: str) -> str:
    """That, of the chosen mount or device."""
    return f'{with_part(name)} and on (part) label_replace(vector(1), "part", "$part", "", "")'


def band() -> timeseries.Panel:
    """Observed, expected, and what is usual."""
    lowest = "usual, lowest"
    return (
        graph(
            "$instance: $signal ($part)",
            "Observed against what was expected; the band is what is usual at that hour.",
            at(0, 34, 14, 10),
        )
        .with_target(series(part_of("y"), "{{for}} observed"))
        .with_target(series(part_of("yhat"), "{{for}} expected", "B"))
        .with_target(series(part_of("yhat_upper"), "{{for}} usual, highest", "C"))
        .with_target(series(part_of("yhat_lower"), "{{for}} usual, lowest", "D"))
        .with_override(by_regex(f"^({SHARES}) "), props(unit="percentunit"))
        .with_override(by_regex(f"^({SECONDS}) "), props(unit="s"))
        .with_override(by_regex("^network_(receive|transmit) "), props(unit="Bps"))
        .with_override(by_regex("^temperature "), props(unit="celsius"))
        .with_override(by_regex("^(requests|network_errors|context_switches) "), props(unit="cps"))
        .with_override(by_query("A"), props(displayName="observed", custom__lineWidth=2, color=fixed(BLUE)))
        .with_override(
            by_query("B"), props(displayName="expected", custom__lineStyle={"fill": "dash", "dash": [6, 4]}, color=fixed(GREY))
        )
        .with_override(
            by_query("C"),
            props(
                displayName="usual, highest",
                custom__fillBelowTo=lowest,
                custom__fillOpacity=18,
                custom__lineWidth=0,
                color=fixed(GREEN),
            ),
        )
        .with_override(by_query("D"), props(displayName=lowest, custom__lineWidth=0, color=fixed(GREEN)))
    )


def server_scores() -> timeseries.Panel:
    """Which signals of the chosen server are strange."""
    strangest = f"topk(8, max_over_time(openmanager_anomaly_score{{{HERE}}}[$__range] @ end()))"
    same = "instance, for, mountpoint, device"
    return (
        graph("$instance: its strangest signals", "Anomaly score of each signal; above 1 is anomalous.", at(14, 34, 10, 10))
        .with_target(
            series(
                f"openmanager_anomaly_score{{{HERE}}} and on ({same}) {strangest}",
                "{{for}} {{mountpoint}}{{device}}",
            )
        )
        .legend(parts.legend(["max", "lastNotNull"], right=True))
        .decimals(2)
        .min(0)
        .axis_soft_max(1.5)
        .thresholds(steps("transparent", (1, ORANGE)))
        .thresholds_style(parts.dashed_line())
    )


# ---- fifth row: the analyzer itself ----


def the_analyzer() -> list[timeseries.Panel]:
    """Whether what is above can be trusted."""
    return [cycle_time(), samples(), withheld()]


def cycle_time() -> timeseries.Panel:
    """How long each stage takes."""
    spent = "histogram_quantile(0.95, sum by (le, stage) (rate(openmanager_cycle_duration_seconds_bucket[$__rate_interval])))"
    about = "95th percentile by stage; beyond the interval, cycles are skipped."
    return graph("Analyzer: time of a cycle", about, at(0, 44, 8, 8)).with_target(series(spent, "{{stage}}")).unit("s").min(0)


def samples() -> timeseries.Panel:
    """Whether what is derived arrives."""
    sent = "sum(rate(openmanager_analyzer_writer_datapoints_sent_total[$__rate_interval]))"
    refused = "sum(rate(openmanager_analyzer_writer_datapoints_refused_total[$__rate_interval])) or vector(0)"
    return (
        graph("Analyzer: samples", "Derived samples written, refused and waiting.", at(8, 44, 8, 8))
        .with_target(series(sent, "written per second"))
        .with_target(series(refused, "refused per second", "B"))
        .with_target(series("sum(openmanager_analyzer_writer_queue_samples)", "waiting", "C"))
        .with_override(by_query("B"), props(color=fixed(RED)))
        .min(0)
    )


def withheld() -> timeseries.Panel:
    """Whether it gets data, and what it did not say."""
    about = "1 while the source answers; findings withheld in 5 minutes, by reason."
    return (
        graph("Analyzer: source and what was kept back", about, at(16, 44, 8, 8))
        .with_target(series("min(openmanager_analyzer_source_up)", "source answers"))
        .with_target(series("sum by (reason) (increase(openmanager_suppressed_total[5m]))", "{{reason}}", "B"))
        .with_override(by_query("A"), props(color=fixed(GREEN), custom__fillOpacity=10))
        .min(0)
        .decimals(0)
    )
