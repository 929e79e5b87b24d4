"""/proc/net and /sys/class/net -> readings about interfaces, sockets and protocols."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator
from functools import cache

from exporter.host.files import KeptAttributes, NoDataError, Paths, attribute, listing, read, read_number, read_or_none
from exporter.render import Reading

RECEIVE = ("bytes", "packets", "errs", "drop", "fifo", "frame", "compressed", "multicast")
TRANSMIT = ("bytes", "packets", "errs", "drop", "fifo", "colls", "carrier", "compressed")
NETDEV_NAMES = tuple(f"node_network_receive_{column}_total" for column in RECEIVE) + tuple(
    f"node_network_transmit_{column}_total" for column in TRANSMIT
)
NETSTAT_WANTED = re.compile(
    r"^(.*_(InErrors|InErrs)|Ip_Forwarding|Ip(6|Ext)_(InOctets|OutOctets)|Icmp6?_(InMsgs|OutMsgs)"
    r"|TcpExt_(Listen.*|Syncookies.*|TCPSynRetrans|TCPTimeouts|TCPOFOQueue|TCPRcvQDrop)"
    r"|Tcp_(ActiveOpens|InSegs|OutSegs|OutRsts|PassiveOpens|RetransSegs|CurrEstab)"
    r"|Udp6?_(InDatagrams|OutDatagrams|NoPorts|RcvbufErrors|SndbufErrors))$"
)
CLASS_FILES = {
    "addr_assign_type": "node_network_address_assign_type",
    "carrier": "node_network_carrier",
    "carrier_changes": "node_network_carrier_changes_total",
    "carrier_up_count": "node_network_carrier_up_changes_total",
    "carrier_down_count": "node_network_carrier_down_changes_total",
    "dev_id": "node_network_device_id",
    "dormant": "node_network_dormant",
    "flags": "node_network_flags",
    "ifindex": "node_network_iface_id",
    "iflink": "node_network_iface_link",
    "link_mode": "node_network_iface_link_mode",
    "mtu": "node_network_mtu_bytes",
    "name_assign_type": "node_network_name_assign_type",
    "netdev_group": "node_network_net_dev_group",
    "type": "node_network_protocol_type",
    "tx_queue_len": "node_network_transmit_queue_length",
}
TCP_STATES = (
    "established", "syn_sent", "syn_recv", "fin_wait1", "fin_wait2", "time_wait", "close", "close_wait", "last_ack",
    "listen", "closing", "new_syn_recv",
)  # fmt: skip


def netdev(paths: Paths) -> Iterator[Reading]:
    """Traffic counters of every interface except the loopback."""
    nohandler = paths.sys("class/net/{}/statistics/rx_nohandler")
    for line in read(paths.proc("net/dev")).splitlines()[2:]:
        device, _, rest = line.rpartition(":")
        device = device.strip()
        if device == "lo":
            continue
        labels = (("device", device),)
        for name, number in zip(NETDEV_NAMES, rest.split(), strict=False):
            yield name, labels, float(number)
        unhandled = read_number(nohandler.format(device))
        if unhandled is not None:
            yield "node_network_receive_nohandler_total", labels, unhandled


class Interfaces:
    """Properties of every interface: some twenty files each, so they stay open."""

    def __init__(self) -> None:
        self.kept = KeptAttributes()
        self.devices: list[str] = []

    def __call__(self, paths: Paths) -> Iterator[Reading]:
        """node_network_* of sysfs."""
        folder = paths.sys("class/net")
        devices = listing(folder)
        if devices != self.devices:
            self.kept.forget()
            self.devices = devices
        for device in devices:
            operstate = self.kept.read(f"{folder}/{device}/operstate")
            if operstate is None:  # bonding_masters is a file, and an interface may go and come back under its old name
                self.kept.forget(f"{folder}/{device}/")
                operstate = self.kept.read(f"{folder}/{device}/operstate")
            if operstate is not None:
                yield from self.one(device, f"{folder}/{device}/", operstate)

    def one(self, device: str, base: str, operstate: str) -> Iterator[Reading]:
        """The readings of one interface; `base` is its folder."""
        labels = (("device", device),)
        yield "node_network_up", labels, 1.0 if operstate == "up" else 0.0
        described = {key: self.kept.read(base + key) or "" for key in ("address", "broadcast", "duplex", "ifalias")}
        info = tuple(sorted((described | {"device": device, "operstate": operstate}).items()))
        yield "node_network_info", info, 1.0
        for file, name in CLASS_FILES.items():
            value = self.kept.number(base + file)
            if value is not None:
                yield name, labels, value
        megabits = self.kept.number(base + "speed")
        if megabits is not None:
            yield "node_network_speed_bytes", labels, megabits * 1e6 / 8.0


@cache
def netstat_columns(names: str) -> tuple[tuple[int, str], ...]:
    """A line of names -> the columns that somebody looks at, and their metrics; the line stays the same until reboot."""
    protocol, _, fields = names.partition(":")
    found = ((column, netstat_name(protocol, field)) for column, field in enumerate(fields.split()))
    return tuple((column, name) for column, name in found if name is not None)


@cache
def netstat_name(protocol: str, field: str) -> str | None:
    """The metric of a protocol's field, or None for the many that nobody looks at."""
    key = f"{protocol}_{field}"
    return f"node_netstat_{key}" if NETSTAT_WANTED.match(key) else None


@cache
def snmp6_name(key: str) -> str | None:
    """`UdpLite6InErrors` -> node_netstat_UdpLite6_InErrors."""
    protocol, digit, field = key.partition("6")
    return netstat_name(protocol + "6", field) if digit else None


def netstat(paths: Paths) -> Iterator[Reading]:
    """Protocol counters that dashboards and alerts use."""
    for file in ("net/netstat", "net/snmp"):
        lines = read(paths.proc(file)).splitlines()
        for names, values in zip(lines[0::2], lines[1::2], strict=False):
            columns = netstat_columns(names)
            numbers = values.split()[1:] if columns else ()
            for column, name in columns:
                yield name, (), float(numbers[column])
    for line in (read_or_none(paths.proc("net/snmp6")) or "").splitlines():
        key, value = line.split()
        wanted = snmp6_name(key)
        if wanted is not None:
            yield wanted, (), float(value)


def sockstat(paths: Paths) -> Iterator[Reading]:
    """Sockets in use, and the memory they hold."""
    page = float(os.sysconf("SC_PAGE_SIZE"))
    text = read(paths.proc("net/sockstat")) + (read_or_none(paths.proc("net/sockstat6")) or "")
    for line in text.splitlines():
        protocol, _, rest = line.partition(":")
        words = rest.split()
        for field, value in zip(words[0::2], words[1::2], strict=True):
            yield f"node_sockstat_{protocol}_{field}", (), float(value)
            if field == "mem":
                yield f"node_sockstat_{protocol}_mem_bytes", (), float(value) * page


def softnet(paths: Paths) -> Iterator[Reading]:
    """Packet processing per CPU; all columns are hexadecimal."""
    for row, line in enumerate(read(paths.proc("net/softnet_stat")).splitlines()):
        columns = [int(word, 16) for word in line.split()]
        # the kernel leaves out CPUs that are offline, and says which CPU a row is about in column 13
        labels = (("cpu", str(columns[12] if len(columns) > 12 else row)),)
        yield "node_softnet_processed_total", labels, float(columns[0])
        yield "node_softnet_dropped_total", labels, float(columns[1])
        yield "node_softnet_times_squeezed_total", labels, float(columns[2])
        if len(columns) > 9:
            yield "node_softnet_received_rps_total", labels, float(columns[9])
        if len(columns) > 10:
            yield "node_softnet_flow_limit_count_total", labels, float(columns[10])


def conntrack(paths: Paths) -> Iterator[Reading]:
    """The connection tracker, where the kernel module is loaded."""
    entries = read_number(paths.proc("sys/net/netfilter/nf_conntrack_count"))
    limit = read_number(paths.proc("sys/net/netfilter/nf_conntrack_max"))
    if entries is None or limit is None:
        raise NoDataError("connections are not tracked")
    yield "node_nf_conntrack_entries", (), entries
    yield "node_nf_conntrack_entries_limit", (), limit
    lines = (read_or_none(paths.proc("net/stat/nf_conntrack")) or "").splitlines()
    if not lines:
        return
    rows = [[int(word, 16) for word in line.split()] for line in lines[1:]]
    totals = dict(zip(lines[0].split(), (sum(column) for column in zip(*rows, strict=True)), strict=False))
    for field in ("found", "invalid", "ignore", "insert", "insert_failed", "drop", "early_drop", "search_restart"):
        if field in totals:
            yield f"node_nf_conntrack_stat_{field}", (), float(totals[field])


def arp(paths: Paths) -> Iterator[Reading]:
    """Neighbours per interface."""
    lines = read(paths.proc("net/arp")).splitlines()[1:]
    for device, count in sorted(Counter(line.split()[-1] for line in lines if line).items()):
        yield "node_arp_entries", (("device", device),), float(count)


def udp_queues(paths: Paths) -> Iterator[Reading]:
    """Bytes waiting in all UDP sockets, by direction."""
    for ip, file in (("v4", "net/udp"), ("v6", "net/udp6")):
        text = read_or_none(paths.proc(file))
        if text is None:
            continue
        send = receive = 0
        for line in text.splitlines()[1:]:
            sending, _, receiving = line.split()[4].partition(":")
            send += int(sending, 16)
            receive += int(receiving, 16)
        yield "node_udp_queues", (("ip", ip), ("queue", "tx")), float(send)
        yield "node_udp_queues", (("ip", ip), ("queue", "rx")), float(receive)


def tcpstat(paths: Paths) -> Iterator[Reading]:
    """TCP connections by state, and bytes waiting in them."""
    states: Counter[str] = Counter()
    waiting = {"rx_queued_bytes": 0, "tx_queued_bytes": 0}
    for file in ("net/tcp", "net/tcp6"):
        for line in (read_or_none(paths.proc(file)) or "").splitlines()[1:]:
            words = line.split()
            code = int(words[3], 16)
            states[TCP_STATES[code - 1] if 1 <= code <= len(TCP_STATES) else "unknown"] += 1
            sending, _, receiving = words[4].partition(":")
            waiting["tx_queued_bytes"] += int(sending, 16)
            waiting["rx_queued_bytes"] += int(receiving, 16)
    for state, count in sorted((states | Counter(waiting)).items()):
        yield "node_tcp_connection_states", (("state", state),), float(count)


def bonding(paths: Paths) -> Iterator[Reading]:
    """Bonded interfaces: how many links there should be, and how many there are."""
    folder = paths.sys("class/net")
    masters = attribute(f"{folder}/bonding_masters")
    if masters is None:
        raise NoDataError("no bonding")
    for master in masters.split():
        links = (attribute(f"{folder}/{master}/bonding/slaves") or "").split()
        states = [
            attribute(f"{folder}/{master}/lower_{link}/bonding_slave/mii_status")
            or attribute(f"{folder}/{master}/slave_{link}/bonding_slave/mii_status")
            for link in links
        ]
        yield "node_bonding_slaves", (("master", master),), float(len(links))
        yield "node_bonding_active", (("master", master),), float(states.count("up"))
