"""Who the servers are: a size in, the catalogue out (order of deployment, role, services, place, hardware, dependencies).

The first twenty are fixed; a bigger fleet repeats the pattern with numbers that go on (web-prod-03, db-master-02, …),
each further twenty depending on its own twenty.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass

GIB = 2**30


@dataclass(frozen=True)
class Mount:
    """One file system: where it is mounted, its size in bytes, its usual fill 0..1 and what it grows in a week."""

    mountpoint: str
    device: str
    size_bytes: int
    fill: float
    weekly_growth: float
    files: int


@dataclass(frozen=True)
class Service:
    """One thing that listens on a server."""

    name: str
    port: int


@dataclass(frozen=True)
class Server:
    """One simulated server; `index` is its place in the order of deployment, from 0."""

    index: int
    hostname: str
    name: str
    role: str
    environment: str
    location: str
    provider: str
    ip: str
    cores: int
    memory_bytes: int
    swap_bytes: int
    services: tuple[Service, ...]
    mounts: tuple[Mount, ...]
    depends_on: tuple[str, ...]
    serves: bool  # False: no requests reach it, so it has no app_* request metrics

    @property
    def id(self) -> str:
        """Identity in the JSON API, as srv_001."""
        return f"srv_{self.index + 1:03d}"


@dataclass(frozen=True)
class Edge:
    """One dependency, by member number (0..19): `caller` calls `on`.

    `fanout` is calls per request of the caller, `wait` how many of them the answer waits for, `need` the share of the
    caller's requests that fail while the dependency is down.
    """

    caller: int
    on: int
    fanout: float
    wait: float
    need: float


# hostname, shown name, role, cores, GiB, place, services, data mount (mountpoint, GiB, fill, growth in a week)
_MEMBERS: tuple[tuple[str, str, str, int, int, str, str, tuple[str, int, float, float] | None], ...] = (
    ("web-prod-01", "Web 1", "web", 2, 8, "AWS/ap-northeast-2a", "nginx:443 app:8080", None),
    ("db-master-01", "Database primary", "db-master", 4, 32, "AWS/ap-northeast-2a", "postgresql:5432",
     ("/var/lib/postgresql", 500, 0.58, 0.02)),
    ("api-gateway-prod", "API gateway", "api-gateway", 2, 8, "AWS/ap-northeast-2a", "kong:8000 kong-admin:8001", None),
    ("k8s-master-01", "Kubernetes control plane", "k8s-master", 2, 8, "AWS/ap-northeast-2b", "kube-apiserver:6443 etcd:2379", None),
    ("k8s-worker-01", "Kubernetes worker 1", "k8s-worker", 4, 16, "AWS/ap-northeast-2a", "kubelet:10250 containerd:1338", None),
    ("k8s-worker-02", "Kubernetes worker 2", "k8s-worker", 4, 16, "AWS/ap-northeast-2b", "kubelet:10250 containerd:1338", None),
    ("cache-redis-01", "Cache", "cache", 2, 16, "AWS/ap-northeast-2a", "redis:6379", None),
    ("k8s-ingress-01", "Kubernetes ingress", "k8s-ingress", 2, 4, "AWS/ap-northeast-2b", "ingress-nginx:443", None),
    ("proxy-nginx-01", "Edge proxy", "proxy", 2, 4, "AWS/ap-northeast-2a", "nginx:80 nginx-tls:443", None),
    ("analytics-01", "Analytics", "analytics", 4, 32, "GCP/asia-northeast3-a", "spark:7077 jupyter:8888", None),
    ("monitoring-01", "Monitoring", "monitoring", 2, 8, "On-premise/Seoul-DC1", "prometheus:9090 grafana:3000", None),
    ("backup-01", "Backup", "backup", 2, 4, "On-premise/Seoul-DC2", "restic:8000", ("/backup", 4000, 0.61, 0.05)),
    ("mail-01", "Mail", "mail", 2, 8, "On-premise/Seoul-DC1", "postfix:25 dovecot:993", None),
    ("db-replica-01", "Database replica", "db-replica", 2, 32, "AWS/ap-northeast-2b", "postgresql:5432",
     ("/var/lib/postgresql", 500, 0.57, 0.02)),
    ("web-prod-02", "Web 2", "web", 2, 8, "AWS/ap-northeast-2b", "nginx:443 app:8080", None),
    ("storage-nas-01", "Network storage", "storage", 2, 8, "On-premise/Seoul-DC1", "nfs:2049 smb:445",
     ("/srv/nas", 8000, 0.66, 0.03)),
    ("ci-runner-01", "CI runner", "ci", 2, 8, "GCP/asia-northeast3-b", "gitlab-runner:9252", None),
    ("search-es-01", "Search", "search", 2, 16, "AWS/ap-northeast-2b", "elasticsearch:9200",
     ("/var/lib/elasticsearch", 300, 0.49, 0.04)),
    ("queue-kafka-01", "Queue", "queue", 2, 16, "AWS/ap-northeast-2a", "kafka:9092 zookeeper:2181",
     ("/var/lib/kafka", 400, 0.52, 0.06)),
    ("auth-01", "Login", "auth", 2, 4, "AWS/ap-northeast-2a", "keycloak:8443", None),
)  # fmt: skip

_CALLS: dict[str, tuple[tuple[str, float, float, float], ...]] = {
    "proxy-nginx-01": (
        ("web-prod-01", 0.36, 0.36, 0.06),
        ("web-prod-02", 0.36, 0.36, 0.06),
        ("k8s-ingress-01", 0.28, 0.28, 0.28),
    ),
    "web-prod-01": (("api-gateway-prod", 1.2, 1.2, 0.85), ("cache-redis-01", 0.4, 0.4, 0.04), ("storage-nas-01", 0.03, 0.03, 0.03)),
    "web-prod-02": (("api-gateway-prod", 1.2, 1.2, 0.85), ("cache-redis-01", 0.4, 0.4, 0.04), ("storage-nas-01", 0.03, 0.03, 0.03)),
    "api-gateway-prod": (
        ("auth-01", 0.25, 0.25, 0.25),
        ("db-master-01", 0.5, 0.5, 0.6),
        ("db-replica-01", 0.3, 0.3, 0.15),
        ("cache-redis-01", 2.0, 2.0, 0.06),
        ("search-es-01", 0.15, 0.15, 0.15),
        ("queue-kafka-01", 0.3, 0.1, 0.12),
    ),
    "auth-01": (("db-master-01", 0.4, 0.4, 0.5), ("cache-redis-01", 0.6, 0.6, 0.05)),
    "k8s-ingress-01": (("k8s-worker-01", 0.5, 0.5, 0.08), ("k8s-worker-02", 0.5, 0.5, 0.08)),
    "k8s-worker-01": (
        ("db-master-01", 0.35, 0.35, 0.35),
        ("cache-redis-01", 0.8, 0.8, 0.05),
        ("queue-kafka-01", 0.6, 0.2, 0.2),
        ("k8s-master-01", 0.02, 0.0, 0.01),
    ),
    "k8s-worker-02": (
        ("db-master-01", 0.35, 0.35, 0.35),
        ("cache-redis-01", 0.8, 0.8, 0.05),
        ("queue-kafka-01", 0.6, 0.2, 0.2),
        ("k8s-master-01", 0.02, 0.0, 0.01),
    ),
    "analytics-01": (("db-replica-01", 2.0, 1.0, 0.4), ("queue-kafka-01", 0.5, 0.1, 0.2), ("storage-nas-01", 0.3, 0.2, 0.2)),
    "backup-01": (("storage-nas-01", 0.0, 0.0, 0.3), ("db-replica-01", 0.0, 0.0, 0.2)),
    "mail-01": (("auth-01", 0.3, 0.3, 0.3),),
    "db-replica-01": (("db-master-01", 0.0, 0.0, 0.0),),
    "ci-runner-01": (("k8s-master-01", 0.5, 0.1, 0.2), ("storage-nas-01", 1.0, 0.5, 0.3)),
}

SIZE = len(_MEMBERS)
MEMBERS = tuple(row[0] for row in _MEMBERS)
MEMBER = {hostname: number for number, hostname in enumerate(MEMBERS)}
ROLES = tuple(row[2] for row in _MEMBERS)
EDGES = tuple(
    Edge(MEMBER[caller], MEMBER[on], fanout, wait, need) for caller, calls in _CALLS.items() for on, fanout, wait, need in calls
)
PEERS = (("web-prod-01", "web-prod-02"), ("k8s-worker-01", "k8s-worker-02"))
_WITHOUT_REQUESTS = frozenset({"backup", "ci"})


def topological() -> tuple[int, ...]:
    """Member numbers, callers always before what they call."""
    waiting = Counter(edge.on for edge in EDGES)
    ready = [m for m in range(SIZE) if not waiting[m]]
    order: list[int] = []
    while ready:
        member = ready.pop(0)
        order.append(member)
        for edge in EDGES:
            if edge.caller == member:
                waiting[edge.on] -= 1
                if not waiting[edge.on]:
                    ready.append(edge.on)
    return tuple(order)


def _numbered(hostname: str, group: int) -> str:
    """Name of a member's copy in a further twenty; pairs such as web-prod-01 and -02 go on as 03 and 04."""
    if group == 0:
        return hostname
    found = re.fullmatch(r"(.*-)(\d\d)", hostname)
    if not found:
        return f"{hostname}-{group + 1:02d}"
    stem, number = found[1], int(found[2])
    step = sum(1 for other in MEMBERS if re.fullmatch(re.escape(stem) + r"\d\d", other))
    return f"{stem}{number + group * step:02d}"


def _mounts(role: str, data: tuple[str, int, float, float] | None) -> tuple[Mount, ...]:
    size = {"ci": 120, "monitoring": 200, "analytics": 200, "mail": 160}.get(role, 60)
    fill = {"ci": 0.45, "monitoring": 0.52, "mail": 0.56, "k8s-worker": 0.47}.get(role, 0.36)
    root = Mount("/", "/dev/sda1", size * GIB, fill, 0.03, size * 65_536)
    if data is None:
        return (root,)
    path, gib, data_fill, growth = data
    return (root, Mount(path, "/dev/sda2", gib * GIB, data_fill, growth, gib * 65_536))


def _server(index: int) -> Server:
    group, member = divmod(index, SIZE)
    hostname, name, role, cores, gib, place, services, data = _MEMBERS[member]
    provider, location = place.split("/")
    listening = tuple(Service(s.partition(":")[0], int(s.partition(":")[2])) for s in services.split())
    return Server(
        index=index,
        hostname=_numbered(hostname, group),
        name=name if group == 0 else f"{name} ({group + 1})",
        role=role,
        environment="production" if role != "ci" else "development",
        location=location,
        provider=provider,
        ip=f"10.{10 + index // 62_500}.{index // 250 % 250}.{index % 250 + 1}",
        cores=cores,
        memory_bytes=gib * GIB,
        swap_bytes=2 * GIB,
        services=listening,
        mounts=_mounts(role, data),
        depends_on=tuple(_numbered(on, group) for on, *_ in _CALLS.get(hostname, ())),
        serves=role not in _WITHOUT_REQUESTS,
    )


def build(size: int = SIZE) -> tuple[Server, ...]:
    """Catalogue of `size` servers in the order of deployment.

    Raises
    ------
    ValueError
        When the size is outside 1..10,000.
    """
    if not 1 <= size <= 10_000:
        raise ValueError(f"fleet size {size} is outside 1..10000")
    return tuple(_server(index) for index in range(size))
