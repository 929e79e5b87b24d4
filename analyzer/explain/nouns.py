"""How people call the signals, in both languages, and which of them say that somebody suffers.

In: an alias with its labels and the signal's declaration. Out: a noun for the middle of a sentence.
"""

from collections.abc import Mapping

from analyzer.explain.safe import plain
from analyzer.explain.units import Shown
from analyzer.signals import Signal
from analyzer.window import Labels

NOUNS: Mapping[str, Shown] = {
    "cpu": Shown("CPU use", "CPU 사용률"),
    "steal": Shown("CPU steal", "CPU steal"),
    "iowait": Shown("iowait", "iowait"),
    "nice": Shown("CPU use of background jobs", "백그라운드 작업의 CPU 사용률"),
    "memory": Shown("memory use", "메모리 사용률"),
    "swap": Shown("swap use", "스왑 사용률"),
    "disk": Shown("disk use", "디스크 사용률"),
    "inodes": Shown("inode use", "inode 사용률"),
    "disk_time": Shown("disk busy time", "디스크 I/O 점유율"),
    "disk_latency": Shown("disk latency", "디스크 지연 시간"),
    "network_receive": Shown("inbound traffic", "네트워크 수신량"),
    "network_transmit": Shown("outbound traffic", "네트워크 송신량"),
    "network_errors": Shown("network errors", "네트워크 오류"),
    "tcp_retransmits": Shown("TCP retransmits", "TCP 재전송"),
    "load": Shown("load per core", "코어당 부하"),
    "context_switches": Shown("context switches", "컨텍스트 스위치"),
    "processes": Shown("the run queue", "실행 대기 프로세스 수"),
    "open_files": Shown("open files", "열린 파일 수"),
    "temperature": Shown("temperature", "온도"),
    "uptime": Shown("uptime", "가동 시간"),
    "up": Shown("reachability", "스크레이프 응답"),
    "clock_skew": Shown("clock offset", "시계 오차"),
    "requests": Shown("requests", "요청"),
    "errors": Shown("the error rate", "오류율"),
    "response_time": Shown("response time", "응답 시간"),
    "connections": Shown("connections", "연결 수"),
    "replication_lag": Shown("replication lag", "복제 지연"),
    "cache_hit": Shown("the cache hit ratio", "캐시 적중률"),
}
SUFFERING = ("response_time", "errors", "replication_lag")  # what users of a server notice, clearest first

# The signals that a kind is about: what the headline names, whichever of them was strange first.
LEADING: Mapping[str, tuple[str, ...]] = {
    "cpu_runaway": ("cpu",),
    "memory_leak": ("memory",),
    "disk_fill": ("disk", "inodes"),
    "disk_slow": ("disk_latency", "disk_time", "iowait"),
    "network_saturation": ("network_transmit", "network_receive"),
    "packet_loss": ("tcp_retransmits", "network_errors"),
    "steal": ("steal",),
    "traffic_surge": ("requests",),
    "cache_stampede": ("cache_hit",),
    "db_slow": ("response_time",),
    "clock_skew": ("clock_skew",),
    "crash": ("up", "uptime"),
    "batch_job": ("cpu", "nice", "disk_time"),
}


def noun(alias: str, signal: Signal | None, labels: Labels) -> Shown:
    """The noun of a series: the known word, else the signal's own title, else its alias; with its mountpoint or device."""
    known = NOUNS.get(alias)
    if known is None:
        title = signal.title if signal is not None else {}
        word = plain(title.get("en") or alias)
        known = Shown(word, plain(title.get("ko") or word))
    if not labels:
        return known
    which = " ".join(plain(value) for _, value in labels)
    return Shown(f"{known.en} of {which}", f"{which} {known.ko}")


def own_labels(signal: Signal | None, labels: Labels) -> Labels:
    """Those labels that tell a series from its sisters on the same server."""
    names = signal.labels if signal is not None and signal.labels else ("mountpoint", "device")
    return tuple((name, value) for name, value in labels if name in names)
