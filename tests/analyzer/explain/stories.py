"""One story of each kind of failure and of each way to end, told by hand: (incident, board)."""

import math
from dataclasses import replace

from analyzer.records import Cause, Reason
from tests.analyzer.explain.boards import NOW, World


def cpu_runaway():
    w = World().find("search-es-01", "cpu", 0.983, 0.28, 0.6, 1395, "shift", "search")
    w.find("search-es-01", "load", 31.4, 3, 9, 1320).find("search-es-01", "response_time", 0.385, 0.025, 0.07, 1290)
    w.read("search-es-01", "requests", 72, 35, 110, "search").read("search-es-01", "steal", 0.003, 0, 0.02)
    w.read("search-es-01", "disk_time", 0.31, 0.15, 0.5, labels={"device": "sda"})
    w.find("api-gateway-prod", "response_time", 0.233, 0.055, 0.13, 1270, role="gateway").read(
        "api-gateway-prod", "cpu", 0.26, 0.18, 0.42
    )
    w.needs("api-gateway-prod", "search-es-01")
    return w.incident("search-es-01", "cpu", "cpu_runaway", affected=("api-gateway-prod",)), w.board()


def memory_leak():
    w = (
        World()
        .find("queue-kafka-01", "memory", 0.806, 0.52, 0.64, 64800, "limit", "queue")
        .limit("queue-kafka-01", "memory", 43200, 36000, 54000)
    )
    w.read("queue-kafka-01", "requests", 3650, 2000, 5200).read("queue-kafka-01", "connections", 214, 150, 260)
    w.read("queue-kafka-01", "response_time", 0.0088, 0.004, 0.015).read("queue-kafka-01", "cpu", 0.275, 0.15, 0.4)
    return w.needs("mail-01", "queue-kafka-01").incident("queue-kafka-01", "memory", "memory_leak", confidence=0.74), w.board()


def disk_fill():
    var = {"mountpoint": "/var"}
    w = (
        World()
        .find("storage-nas-01", "disk", 0.92, 0.6, 0.7, 21600, "limit", "storage", var)
        .limit("storage-nas-01", "disk", 11000, 9000, 14000)
    )
    w.read("storage-nas-01", "disk", 0.4, 0.3, 0.5, "storage", {"mountpoint": "/"}).read(
        "storage-nas-01", "disk_time", 0.34, 0.1, 0.45
    )
    w.read("monitoring-01", "disk", 0.608, 0.57, 0.66, "monitoring", var)
    return w.incident("storage-nas-01", "disk", "disk_fill", labels=var), w.board()


def disk_slow():
    sda = {"device": "sda"}
    w = (
        World()
        .find("mail-01", "disk_latency", 0.26, 0.002, 0.012, 1290, "shift", "mail", sda)
        .find("mail-01", "iowait", 0.475, 0, 0.04, 1275)
    )
    w.find("mail-01", "disk_time", 0.99, 0.08, 0.4, 1290, labels=sda).read(
        "mail-01", "disk", 0.665, 0.61, 0.7, labels={"mountpoint": "/"}
    )
    w.read("mail-01", "connections", 51, 20, 85).read("mail-01", "requests", 31, 20, 40)
    return w.incident("mail-01", "disk_latency", "disk_slow", labels=sda, confidence=0.69), w.board()


def network_saturation():
    w = World().find("k8s-worker-01", "network_receive", 1.21e8, 5e6, 3e7, 1005, "shift", "k8s-worker")
    w.find("k8s-worker-01", "network_errors", 84, 0, 2, 975).find("k8s-worker-01", "response_time", 0.41, 0.025, 0.08, 960)
    w.read("k8s-worker-01", "requests", 121, 85, 165).read("k8s-worker-01", "cpu", 0.48, 0.25, 0.55)
    w.read("k8s-worker-02", "network_receive", 1.65e7, 5e6, 3e7, "k8s-worker").find(
        "k8s-ingress-01", "errors", 0.023, 0, 0.004, 930
    )
    w.needs("k8s-ingress-01", "k8s-worker-01").needs("k8s-ingress-01", "k8s-worker-02")
    return w.incident("k8s-worker-01", "network_receive", "network_saturation", affected=("k8s-ingress-01",)), w.board()


def packet_loss():
    w = World().find("api-gateway-prod", "tcp_retransmits", 0.094, 0, 0.003, 960, "shift", "gateway")
    w.find("api-gateway-prod", "network_errors", 175, 0, 1, 960).find("api-gateway-prod", "response_time", 0.78, 0.055, 0.13, 900)
    w.read("api-gateway-prod", "network_receive", 1.7e7, 1e7, 5e7).read("api-gateway-prod", "cpu", 0.24, 0.18, 0.42)
    w.find("web-prod-01", "response_time", 0.93, 0.075, 0.15, 880, role="web").find(
        "web-prod-02", "response_time", 0.915, 0.075, 0.15, 880
    )
    w.read("db-master-01", "response_time", 0.0052, 0.003, 0.011, "db").needs("api-gateway-prod", "db-master-01")
    w.needs("web-prod-01", "api-gateway-prod").needs("web-prod-02", "api-gateway-prod")
    return w.incident("api-gateway-prod", "tcp_retransmits", "packet_loss", affected=("web-prod-01", "web-prod-02")), w.board()


def steal():
    w = (
        World()
        .find("web-prod-02", "steal", 0.446, 0, 0.02, 750, "shift", "web")
        .find("web-prod-02", "response_time", 0.395, 0.075, 0.15, 735)
    )
    w.find("web-prod-02", "load", 12.6, 1, 3.5, 720).read("web-prod-02", "requests", 139, 105, 185).read(
        "web-prod-02", "memory", 0.525, 0.44, 0.58
    )
    w.read("web-prod-01", "steal", 0.004, 0, 0.02, "web")
    rival = Cause("web-prod-02", "cpu_runaway", 0.18, NOW - 750)
    against = (Reason("web-prod-01", "steal", "usual", 0.004, 0.01, 0.05),)
    causes = (Cause("web-prod-02", "steal", 0.71, NOW - 750, (), against), rival)
    return w.incident("web-prod-02", "steal", "steal", confidence=0.71, causes=causes), w.board()


def traffic_surge():
    w = (
        World()
        .find("proxy-nginx-01", "requests", 1940, 280, 650, 1800, "shift", "proxy")
        .find("proxy-nginx-01", "cpu", 0.66, 0.14, 0.38, 1785)
    )
    w.read("proxy-nginx-01", "response_time", 0.091, 0.035, 0.1).read("proxy-nginx-01", "errors", 0.003, 0, 0.005)
    w.find("web-prod-01", "requests", 512, 105, 185, 1785, role="web").needs("proxy-nginx-01", "web-prod-01")
    return w.incident("proxy-nginx-01", "requests", "traffic_surge", affected=("web-prod-01",), severity="info"), w.board()


def cache_stampede():
    w = (
        World()
        .find("cache-redis-01", "cache_hit", 0.55, 0.91, 0.97, 1600, "shift", "cache")
        .find("cache-redis-01", "memory", 0.27, 0.62, 0.76, 1615)
    )
    w.read("cache-redis-01", "uptime", 4147200, 4000000, 5000000).read("cache-redis-01", "requests", 541, 380, 880)
    w.find("db-master-01", "requests", 4350, 780, 1450, 1580, role="db").find("db-master-01", "cpu", 0.81, 0.17, 0.39, 1570)
    w.find("api-gateway-prod", "response_time", 0.69, 0.055, 0.13, 1550, role="gateway").needs("api-gateway-prod", "cache-redis-01")
    return w.incident("cache-redis-01", "cache_hit", "cache_stampede", affected=("api-gateway-prod", "db-master-01")), w.board()


def db_slow():
    w = (
        World()
        .find("db-master-01", "response_time", 0.088, 0.003, 0.011, 1860, "shift", "db")
        .find("db-master-01", "connections", 298, 55, 135, 1840)
    )
    w.read("db-master-01", "cpu", 0.205, 0.17, 0.39).read(
        "db-master-01", "disk_latency", 0.0022, 0.001, 0.006, labels={"device": "sda"}
    )
    w.read("db-master-01", "requests", 1015, 780, 1450)
    w.find("auth-01", "response_time", 0.14, 0.014, 0.032, 1845).needs("auth-01", "db-master-01")
    w.find("api-gateway-prod", "response_time", 0.64, 0.055, 0.13, 1830).needs("api-gateway-prod", "db-master-01")
    w.find("web-prod-01", "response_time", 0.79, 0.075, 0.15, 1815).needs("web-prod-01", "api-gateway-prod")
    w.find("web-prod-02", "response_time", 0.805, 0.075, 0.15, 1815).needs("web-prod-02", "api-gateway-prod")
    hosts = ("auth-01", "api-gateway-prod", "web-prod-01", "web-prod-02")
    return w.incident("db-master-01", "response_time", "db_slow", affected=hosts, severity="critical"), w.board()


def crash():
    w = (
        World()
        .find("k8s-master-01", "up", 0, 1, 1, 660, "down", "k8s-master")
        .find("k8s-master-01", "cpu", math.nan, 0.08, 0.3, 660, "vanished")
    )
    w.read("k8s-worker-01", "response_time", 0.061, 0.025, 0.08, "k8s-worker").needs("k8s-worker-01", "k8s-master-01")
    return w.incident("k8s-master-01", "up", "crash", severity="critical", alertname="OpenManagerDown", confidence=0.97), w.board()


def crash_and_back():
    w = World().find("queue-kafka-01", "uptime", 225, 5184000, 6000000, 540, "restart", "queue")
    w.find("queue-kafka-01", "disk_time", 0.93, 0.12, 0.4, 200).find("mail-01", "errors", 0.044, 0, 0.005, 525, role="mail")
    w.needs("mail-01", "queue-kafka-01")
    return w.incident("queue-kafka-01", "uptime", "crash", affected=("mail-01",)), w.board()


def clock_skew():
    w = (
        World()
        .find("auth-01", "clock_skew", -312, -0.01, 0.01, 840, "shift", "auth")
        .find("auth-01", "errors", 0.063, 0, 0.005, 825)
    )
    w.read("auth-01", "cpu", 0.2, 0.11, 0.28).read("auth-01", "requests", 97, 55, 130).read(
        "auth-01", "response_time", 0.0205, 0.014, 0.032
    )
    w.find("api-gateway-prod", "errors", 0.058, 0, 0.005, 810, role="gateway").needs("api-gateway-prod", "auth-01")
    return w.incident("auth-01", "clock_skew", "clock_skew", affected=("api-gateway-prod",)), w.board()


def stuck_metric():
    w = (
        World()
        .find("web-prod-02", "response_time", 0.118, 0.075, 0.15, 3900, "stuck", "web")
        .read("web-prod-02", "requests", 147, 105, 185)
    )
    w.read("web-prod-02", "cpu", 0.345, 0.22, 0.46).read("web-prod-01", "response_time", 0.121, 0.075, 0.15, "web")
    return w.incident("web-prod-02", "response_time", "stuck_metric", severity="info"), w.board()


def batch_job():
    w = (
        World()
        .find("analytics-01", "cpu", 0.865, 0.28, 0.66, 2400, role="analytics")
        .find("analytics-01", "memory", 0.715, 0.44, 0.6, 2400)
    )
    w.read("analytics-01", "response_time", 0.42, 0.21, 0.88)
    return w.incident("analytics-01", "cpu", "batch_job", severity="info", confidence=0.9), w.board()


def unknown():
    w = World().find("ci-runner-01", "load", 23.5, 2, 9, 2010, role="ci").read("ci-runner-01", "cpu", 0.41, 0.3, 0.85)
    w.read("ci-runner-01", "steal", 0.005, 0, 0.03).read("ci-runner-01", "iowait", 0.012, 0, 0.05).read(
        "ci-runner-01", "processes", 224, 180, 260
    )
    w.read("ci-runner-01", "memory", 0.615, 0.45, 0.72).read("storage-nas-01", "response_time", 0.0084, 0.003, 0.014)
    w.needs("ci-runner-01", "storage-nas-01")
    return w.incident("ci-runner-01", "load", "unknown", confidence=0.2, causes=()), w.board()


def vanished():
    w = (
        World()
        .find("db-replica-01", "replication_lag", math.nan, 0, 2, 1500, "vanished", "db")
        .read("db-replica-01", "cpu", 0.2, 0.1, 0.3)
    )
    return w.incident("db-replica-01", "replication_lag", "unknown", causes=(), alertname="OpenManagerSeriesVanished"), w.board()


def learning():
    w = World().find("web-prod-01", "cpu", 0.91, math.nan, math.nan, 100, "peer", "web", ready=0.4, z=6.0)
    w.read("web-prod-02", "cpu", 0.31, 0.22, 0.46, "web")
    return w.incident("web-prod-01", "cpu", "cpu_runaway", confidence=0.35), w.board()


def ended(story, because):
    """The same story, over since ten minutes."""
    incident, board = story()
    findings = tuple(
        replace(f, state="resolved", ended=NOW - 600, closed_because=because, observed=f.observed) for f in incident.findings
    )
    return replace(incident, state="resolved", ended=NOW - 600, closed_because=because, findings=findings), board


TOLD = (
    cpu_runaway, memory_leak, disk_fill, disk_slow, network_saturation, packet_loss, steal, traffic_surge, cache_stampede, db_slow,
    crash, crash_and_back, clock_skew, stuck_metric, batch_job, unknown, vanished, learning,
)  # fmt: skip
STORIES = {story.__name__: story for story in TOLD}
STORIES |= {
    "recovered": lambda: ended(cpu_runaway, "recovered"),
    "new_normal": lambda: ended(network_saturation, "new_normal"),
    "gone": lambda: ended(vanished, "gone"),
    "maintenance": lambda: ended(cpu_runaway, "maintenance"),
    "up_again": lambda: ended(crash, "recovered"),
}
