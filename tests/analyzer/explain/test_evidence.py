"""What is gathered, and what is left out."""

import math
from dataclasses import replace
from zoneinfo import ZoneInfo

from analyzer.explain.engine import LocalExplainer
from analyzer.explain.evidence import gather
from analyzer.records import Cause, Reason
from tests.analyzer.explain.boards import NOW, World
from tests.analyzer.explain.stories import STORIES


def evidence(name):
    return gather(*STORIES[name]())


def english(name, **options):
    return LocalExplainer(**options).explain(*STORIES[name]()).texts["en"]


def test_lead_is_the_incidents_own_series():
    lead = evidence("disk_fill").lead
    assert (lead.host, lead.signal, lead.labels) == ("storage-nas-01", "disk", (("mountpoint", "/var"),))


def test_moved_signals_come_in_the_order_of_their_onsets():
    assert [f.signal for f in evidence("cpu_runaway").moved] == ["load", "response_time"]


def test_usual_readings_are_kept_to_rule_causes_out():
    assert {f.signal for f in evidence("cpu_runaway").steady} == {"requests", "steal", "disk_time"}


def test_dependants_are_found_through_others():
    assert evidence("db_slow").dependents == ("auth-01", "api-gateway-prod", "web-prod-01", "web-prod-02")


def test_dependants_in_a_ring_end():
    w = World().find("a-01", "cpu", 0.9, 0.1, 0.3, 600).needs("a-01", "b-01").needs("b-01", "a-01")
    assert gather(w.incident("a-01", "cpu", "cpu_runaway"), w.board()).dependents == ("b-01",)


def test_what_users_notice_is_told_of_an_affected_server():
    w = World().find("db-01", "cpu", 0.9, 0.1, 0.3, 900).find("web-01", "load", 30, 1, 3, 700, score=9.0)
    w.find("web-01", "response_time", 0.9, 0.1, 0.2, 690).needs("web-01", "db-01")
    felt = gather(w.incident("db-01", "cpu", "db_slow", affected=("web-01",)), w.board()).felt
    assert [(f.host, f.signal) for f in felt] == [("web-01", "response_time")]


def test_peers_in_the_same_role_are_the_control():
    assert [(f.host, f.bearing) for f in evidence("steal").peers] == [("web-prod-01", "usual")]


def test_limit_has_a_date_and_a_pace():
    limit = evidence("disk_fill").limit
    assert (limit.limit, limit.seconds) == (1.0, 11000)
    assert round(limit.per_hour, 3) == 0.026


def test_restart_within_the_incident_is_seen():
    assert evidence("crash_and_back").restarted == NOW - 225
    assert math.isnan(evidence("cache_stampede").restarted)


def test_doubts_are_named():
    assert [d.what for d in evidence("learning").doubts] == ["learning", "alone", "young"]
    assert [(d.what, d.kind) for d in evidence("steal").doubts] == [("rival", "cpu_runaway")]


def test_what_speaks_against_the_cause_is_said():
    incident, board = STORIES["cpu_runaway"]()
    against = (Reason("search-es-01", "requests", "above", 72.0, 50.0, 0.5),)
    incident = replace(incident, causes=(Cause("search-es-01", "cpu_runaway", 0.6, NOW - 1395, (), against),))
    text = LocalExplainer().explain(incident, board).texts["en"]
    assert "requests on search-es-01 at 72/s speaks against it" in text.sentences[-1]


def test_a_mark_that_is_missing_is_said():
    incident, board = STORIES["cpu_runaway"]()
    missing = (Reason("search-es-01", "steal", "usual", 0.003, 0.01, 0.5),)
    incident = replace(incident, causes=(Cause("search-es-01", "cpu_runaway", 0.6, NOW - 1395, (), missing),))
    assert "CPU steal did not move with it" in LocalExplainer().explain(incident, board).texts["en"].sentences[-1]


def test_the_headline_names_the_kinds_own_signal():
    w = World().find("a-01", "load", 30, 1, 3, 900, score=9.0).find("a-01", "cpu", 0.97, 0.1, 0.3, 890)
    assert gather(w.incident("a-01", "load", "cpu_runaway"), w.board()).lead.signal == "cpu"


def test_a_server_that_answers_again_is_not_called_down():
    w = World().find("a-01", "up", 1, 1, 1, 900, "down").read("a-01", "uptime", 400, 4000, 5000)
    text = LocalExplainer().explain(w.incident("a-01", "up", "crash"), w.board()).texts["en"]
    assert text.headline == "a-01: restarted at 05:38 UTC"
    assert text.sentences[0] == "a-01 was away from 05:30 UTC to 05:38 UTC, for 8 min 20 s, and started anew."


def test_what_lies_inside_its_range_is_not_told_as_moved():
    w = World().find("a-01", "cpu", 0.97, 0.1, 0.3, 900).find("a-01", "memory", 0.553, 0.53, 0.59, 890, "shift")
    text = LocalExplainer().explain(w.incident("a-01", "cpu", "cpu_runaway"), w.board()).texts["en"]
    assert "memory" not in " ".join(text.sentences)


def test_many_dependants_are_counted_and_not_listed():
    w = World().find("db-01", "response_time", 0.9, 0.01, 0.02, 900, role="db")
    for n in range(9):
        w.find(f"web-{n:02d}", "response_time", 0.5, 0.1, 0.2, 800 - n).needs(f"web-{n:02d}", "db-01")
    hosts = tuple(f"web-{n:02d}" for n in range(9))
    texts = LocalExplainer().explain(w.incident("db-01", "response_time", "db_slow", affected=hosts), w.board()).texts
    assert "web-02 (500 ms) and 6 more" in texts["en"].sentences[1]
    assert "web-02(500ms) 외 6대도 영향을 받고 있습니다" in texts["ko"].sentences[1]


def test_a_frozen_reading_has_no_forecast():
    w = World().find("a-01", "memory", 0.49, 0.4, 0.6, 900, "stuck").limit("a-01", "memory", 39600)
    assert gather(w.incident("a-01", "memory", "stuck_metric"), w.board()).limit is None


def test_gathering_does_not_need_findings():
    incident, board = STORIES["cpu_runaway"]()
    bare = LocalExplainer().explain(replace(incident, findings=(), affected=()), board).texts["en"]
    assert bare.headline == "search-es-01: CPU use 98.3% since 05:21 UTC (usually 28 to 60%)"


def test_a_server_that_the_board_does_not_know_is_still_explained():
    incident, board = STORIES["cpu_runaway"]()
    text = LocalExplainer().explain(replace(incident, host="elsewhere-01", findings=(), causes=(), affected=()), board).texts["en"]
    assert text.headline == "elsewhere-01: CPU use unusual since 05:21 UTC"


def test_a_signal_without_a_declaration_goes_by_its_name():
    w = World().find("a-01", "queue_depth", 900, 1, 30, 600)
    text = LocalExplainer().explain(w.incident("a-01", "queue_depth", "unknown"), w.board()).texts["ko"]
    assert text.headline == "a-01: 05:35 UTC부터 queue_depth 900(평소 1~30)"


def test_times_are_told_in_the_readers_zone():
    assert english("cpu_runaway", zone=ZoneInfo("Asia/Seoul")).headline.startswith("search-es-01: CPU use 98.3% since 14:21 KST")


def test_benign_is_told_calmly():
    text = english("traffic_surge")
    assert text.headline.endswith(": demand, not a fault")
    assert "users are served as well as ever" in " ".join(text.sentences)


def test_served_is_not_claimed_where_users_suffer():
    w = World().find("proxy-01", "requests", 1940, 280, 650, 900).find("proxy-01", "response_time", 0.9, 0.03, 0.1, 890)
    text = LocalExplainer().explain(w.incident("proxy-01", "requests", "traffic_surge"), w.board()).texts["en"]
    assert "served" not in " ".join(text.sentences)


def test_unknown_says_so_and_names_no_confidence():
    last = english("unknown").sentences[-1]
    assert last == "The cause cannot be told from these metrics: the pattern fits none of the known failures."


def test_weak_signs_are_called_a_guess():
    assert "take this as a guess" in english("learning").sentences[-1]


def test_down_is_not_called_zero():
    text = english("crash")
    assert text.headline == "k8s-master-01: down or unreachable since 05:34 UTC"
    assert text.actions[0].startswith("See whether it is gone or only unreachable: `ping k8s-master-01`")


def test_frozen_is_not_called_fine():
    text = english("stuck_metric")
    assert text.headline == "web-prod-02: response time frozen at 118 ms since 04:40 UTC"
    assert "says nothing about now" in text.sentences[0]


def test_new_normal_says_what_counts_as_usual_now():
    assert english("new_normal").headline == "k8s-worker-01: inbound traffic 121 MB/s is now taken as usual"


def test_gone_does_not_claim_recovery():
    assert "whether it recovered is not known" in english("gone").sentences[0]


def test_an_early_mark_is_told_as_earlier():
    w = World().find("db-01", "connections", 90, 1, 30, 1500).find("db-01", "response_time", 0.9, 0.01, 0.02, 900)
    text = LocalExplainer().explain(w.incident("db-01", "response_time", "db_slow"), w.board()).texts["en"]
    assert "Before it, at 05:20 UTC, connections rose to 90 (usually 1 to 30)" in text.sentences[1]


def test_a_long_name_leaves_the_range_out_of_the_headline():
    host = "postgres-primary-0001.database.eu-central-1.internal.example.com"
    w = World().find(host, "network_receive", 1.21e8, 5e6, 3e7, 86400 * 3)
    text = LocalExplainer().explain(w.incident(host, "network_receive", "unknown"), w.board()).texts["en"]
    assert text.headline == f"{host}: inbound traffic 121 MB/s since 2027-01-09 05:45 UTC"


def test_a_suffering_peer_is_not_called_fine():
    w = World().find("web-01", "cpu", 0.9, 0.1, 0.3, 900, role="web").find("web-02", "errors", 0.2, 0, 0.01, 890, role="web")
    w.read("web-03", "cpu", 0.2, 0.1, 0.3, "web")
    text = LocalExplainer().explain(w.incident("web-01", "cpu", "cpu_runaway", affected=("web-02",)), w.board()).texts["en"]
    assert "alone" not in " ".join(text.sentences)


def test_the_end_is_that_of_the_headlines_own_series():
    w = World().find("a-01", "cpu", 0.2, 0.1, 0.3, 3600, state="resolved", ended=NOW - 900).find("a-01", "load", 30, 1, 3, 4200)
    incident = w.incident("a-01", "cpu", "cpu_runaway", state="resolved", ended=NOW - 60, closed_because="recovered")
    text = LocalExplainer().explain(incident, w.board()).texts["en"]
    assert text.headline == "a-01: CPU use back to usual at 05:30 UTC, after 45 min"
    assert "45" in gather(incident, w.board()).numbers()
