"""Readings -> metric families: the one place that knows names, types, units and help.

In: a metric name as a collector or the fleet writes it. Out: its `Family`. Names, types and labels are those of
node_exporter, so that dashboards and rules written for it work here; the help texts are our own.

Families whose names follow the kernel's own field names (`/proc/meminfo`, `/proc/vmstat`, `/proc/net/snmp`, ...) are not
listed one by one: `PATTERNS` derives them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Kind = Literal["counter", "gauge", "untyped", "histogram", "summary"]

NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*", re.ASCII)
UNITS = ("seconds", "bytes", "celsius", "volts", "amps", "watts", "joules", "hertz", "ratio", "rpm", "bits", "info")


@dataclass(frozen=True, slots=True)
class Family:
    """What Prometheus is told once about all series of one name.

    Attributes
    ----------
    name
        As exposed, with unit suffix and with `_total` for counters.
    kind
        The word after `# TYPE`.
    help
        One sentence for people.
    """

    name: str
    kind: Kind
    help: str

    @property
    def unit(self) -> str:
        """The base unit that the name states, or an empty string for counts of things."""
        stem = self.name.removesuffix("_total")
        return next((unit for unit in UNITS if stem.endswith("_" + unit)), "")


def table(prefix: str, kind: Kind, helps: Mapping[str, str]) -> dict[str, Family]:
    """Families that share a prefix and a kind; keys of `helps` are the rest of the name."""
    return {prefix + rest: Family(prefix + rest, kind, text) for rest, text in helps.items()}


CPU = {
    **table("node_cpu_", "counter", {
        "seconds_total": "Time that each CPU spent in each mode, in seconds.",
        "guest_seconds_total": "Time that each CPU spent running virtual machines, in seconds; also part of user or nice.",
    }),
    **table("node_cpu_", "gauge", {
        "scaling_frequency_hertz": "Clock frequency that the scaling governor chose now.",
        "scaling_frequency_min_hertz": "Lowest clock frequency that the scaling governor may choose.",
        "scaling_frequency_max_hertz": "Highest clock frequency that the scaling governor may choose.",
        "frequency_min_hertz": "Lowest clock frequency that the CPU supports.",
        "frequency_max_hertz": "Highest clock frequency that the CPU supports.",
    }),
    **table("node_schedstat_", "counter", {
        "running_seconds_total": "Time that tasks ran on this CPU, in seconds.",
        "waiting_seconds_total": "Time that runnable tasks waited for this CPU, in seconds.",
        "timeslices_total": "Time slices that this CPU gave to tasks.",
    }),
    **table("node_", "gauge", {
        "load1": "Tasks running or waiting, averaged over 1 minute.",
        "load5": "Tasks running or waiting, averaged over 5 minutes.",
        "load15": "Tasks running or waiting, averaged over 15 minutes.",
        "procs_running": "Processes that can run now.",
        "procs_blocked": "Processes that wait for I/O now.",
        "boot_time_seconds": "When this machine started, in unix seconds.",
        "entropy_available_bits": "Random bits that the kernel has collected.",
        "entropy_pool_size_bits": "Random bits that the kernel's pool can hold.",
    }),
    **table("node_", "counter", {
        "context_switches_total": "Switches from one task to another, over all CPUs.",
        "forks_total": "Processes and threads started since boot.",
        "intr_total": "Interrupts serviced since boot.",
        "interrupts_total": "Interrupts serviced, by CPU and source.",
    }),
}  # fmt: skip

PROCESSES = table("node_processes_", "gauge", {
    "pids": "Processes that exist now.",
    "threads": "Threads that exist now.",
    "max_processes": "Highest process number that the kernel gives out.",
    "max_threads": "Most threads that the kernel allows.",
    "state": "Processes by state.",
})  # fmt: skip

DISK = {
    **table("node_disk_", "counter", {
        "reads_completed_total": "Reads that the device finished.",
        "reads_merged_total": "Reads that were merged with a neighbour before they reached the device.",
        "read_bytes_total": "Bytes read from the device.",
        "read_time_seconds_total": "Time that all reads took together, in seconds.",
        "writes_completed_total": "Writes that the device finished.",
        "writes_merged_total": "Writes that were merged with a neighbour before they reached the device.",
        "written_bytes_total": "Bytes written to the device.",
        "write_time_seconds_total": "Time that all writes took together, in seconds.",
        "io_time_seconds_total": "Time during which the device had something to do, in seconds.",
        "io_time_weighted_seconds_total": "Time weighted by the number of requests in progress, in seconds.",
        "discards_completed_total": "Discards that the device finished.",
        "discards_merged_total": "Discards that were merged with a neighbour.",
        "discarded_sectors_total": "Sectors (512 bytes) discarded.",
        "discard_time_seconds_total": "Time that all discards took together, in seconds.",
        "flush_requests_total": "Flushes that the device finished.",
        "flush_requests_time_seconds_total": "Time that all flushes took together, in seconds.",
    }),
    **table("node_disk_", "gauge", {
        "io_now": "Requests in progress now.",
        "info": "Constant 1; labels say which device this is.",
    }),
    **table("node_filesystem_", "gauge", {
        "size_bytes": "Size of the file system.",
        "free_bytes": "Free space, including what is reserved for root.",
        "avail_bytes": "Free space for users other than root.",
        "files": "Inodes that the file system has.",
        "files_free": "Inodes still free.",
        "readonly": "1 when mounted read-only.",
        "device_error": "1 when the file system could not be asked.",
    }),
    **table("node_filefd_", "gauge", {
        "allocated": "File handles in use over the whole machine.",
        "maximum": "File handles that the kernel allows.",
    }),
    **table("node_md_", "gauge", {
        "disks": "Member disks of the software RAID by state.",
        "disks_required": "Member disks that the software RAID needs to be complete.",
        "blocks": "Size of the software RAID in blocks.",
        "blocks_synced": "Blocks of the software RAID that are in sync.",
        "state": "1 for the state that the software RAID is in.",
    }),
}  # fmt: skip

NETWORK = {
    **table("node_network_", "gauge", {
        "address_assign_type": "How the hardware address was assigned (kernel code).",
        "carrier": "1 when a link is detected.",
        "device_id": "Device number among interfaces that share one address.",
        "dormant": "1 when the interface waits for something outside to bring it up.",
        "flags": "Interface flags (kernel bit mask).",
        "iface_id": "Interface index.",
        "iface_link": "Index of the interface underneath.",
        "iface_link_mode": "Link mode (kernel code).",
        "info": "Constant 1; labels describe the interface.",
        "mtu_bytes": "Largest packet.",
        "name_assign_type": "How the name was assigned (kernel code).",
        "net_dev_group": "Device group.",
        "protocol_type": "Hardware type (kernel code).",
        "speed_bytes": "Speed of the link in bytes per second; negative when unknown.",
        "transmit_queue_length": "Packets that the send queue holds.",
        "up": "1 when the interface's operational state is up.",
    }),
    **table("node_network_", "counter", {
        "carrier_changes_total": "Times that the link went up or down.",
        "carrier_up_changes_total": "Times that the link went up.",
        "carrier_down_changes_total": "Times that the link went down.",
        "receive_bytes_total": "Bytes received.",
        "receive_packets_total": "Packets received.",
        "receive_errs_total": "Packets received with an error.",
        "receive_drop_total": "Packets received and dropped.",
        "receive_fifo_total": "Packets lost because the receive queue was full.",
        "receive_frame_total": "Packets received with broken frames.",
        "receive_compressed_total": "Compressed packets received.",
        "receive_multicast_total": "Multicast packets received.",
        "receive_nohandler_total": "Packets received that no protocol wanted.",
        "transmit_bytes_total": "Bytes sent.",
        "transmit_packets_total": "Packets sent.",
        "transmit_errs_total": "Packets whose sending failed.",
        "transmit_drop_total": "Packets dropped before sending.",
        "transmit_fifo_total": "Packets lost because the send queue failed.",
        "transmit_colls_total": "Collisions while sending.",
        "transmit_carrier_total": "Losses of carrier while sending.",
        "transmit_compressed_total": "Compressed packets sent.",
    }),
    **table("node_softnet_", "counter", {
        "processed_total": "Packets that this CPU processed.",
        "dropped_total": "Packets dropped because this CPU's backlog was full.",
        "times_squeezed_total": "Times that this CPU ran out of budget with packets left.",
        "received_rps_total": "Times that this CPU was woken to take packets over from another.",
        "flow_limit_count_total": "Times that the flow limit was reached.",
    }),
    **table("node_bonding_", "gauge", {
        "slaves": "Interfaces that belong to the bond.",
        "active": "Interfaces of the bond that have a link.",
    }),
    **table("node_", "gauge", {
        "arp_entries": "Neighbours in the ARP table.",
        "udp_queues": "Bytes waiting in UDP sockets.",
        "tcp_connection_states": "TCP connections by state.",
        "nf_conntrack_entries": "Connections that are tracked now.",
        "nf_conntrack_entries_limit": "Connections that may be tracked.",
    }),
}  # fmt: skip

PRESSURE = table("node_pressure_", "counter", {
    "cpu_waiting_seconds_total": "Time during which some task waited for a CPU, in seconds.",
    "io_waiting_seconds_total": "Time during which some task waited for I/O, in seconds.",
    "io_stalled_seconds_total": "Time during which every task waited for I/O, in seconds.",
    "memory_waiting_seconds_total": "Time during which some task waited for memory, in seconds.",
    "memory_stalled_seconds_total": "Time during which every task waited for memory, in seconds.",
    "irq_stalled_seconds_total": "Time during which every task waited for interrupts, in seconds.",
})  # fmt: skip

CLOCK = {
    **table("node_", "gauge", {
        "time_seconds": "This machine's clock, in unix seconds.",
        "time_zone_offset_seconds": "Distance of local time from UTC.",
        "time_clocksource_available_info": "Constant 1 for each clock source that the kernel can use.",
        "time_clocksource_current_info": "Constant 1 for the clock source in use.",
    }),
    **table("node_timex_", "gauge", {
        "offset_seconds": "Distance from the reference clock.",
        "frequency_adjustment_ratio": "How much faster than its own rate the clock is made to run.",
        "maxerror_seconds": "Largest possible distance from the reference clock.",
        "estimated_error_seconds": "Estimated distance from the reference clock.",
        "status": "Status bits of the kernel's clock discipline.",
        "loop_time_constant": "Time constant of the phase-locked loop.",
        "tick_seconds": "Length of a clock tick.",
        "pps_frequency_hertz": "Frequency of the pulse-per-second signal.",
        "pps_jitter_seconds": "Jitter of the pulse-per-second signal.",
        "pps_shift_seconds": "Interval over which the pulse-per-second signal is averaged.",
        "pps_stability_hertz": "Stability of the pulse-per-second signal.",
        "tai_offset_seconds": "Distance between international atomic time and UTC.",
        "sync_status": "1 when the clock is synchronised to a reliable server.",
    }),
    **table("node_timex_", "counter", {
        "pps_jitter_total": "Pulses that came with too much jitter.",
        "pps_calibration_total": "Calibration intervals of the pulse-per-second signal.",
        "pps_error_total": "Calibration errors of the pulse-per-second signal.",
        "pps_stability_exceeded_total": "Times that the pulse-per-second signal was too unstable.",
    }),
}  # fmt: skip

HARDWARE = {
    **table("node_", "gauge", {
        "cooling_device_cur_state": "Current step of the cooling device.",
        "cooling_device_max_state": "Highest step of the cooling device.",
        "thermal_zone_temp": "Temperature of the thermal zone in degrees Celsius.",
        "power_supply_online": "1 when the power supply is connected.",
        "power_supply_capacity": "Charge of the battery in percent.",
        "kernel_hung_tasks": "Tasks that the kernel found hung.",
        "selinux_enabled": "1 when SELinux is enabled.",
        "uname_info": "Constant 1; labels are what uname says.",
        "os_info": "Constant 1; labels are what os-release says.",
        "os_version": "Major and minor version of the operating system.",
    }),
    **table("node_hwmon_", "gauge", {
        "chip_names": "Constant 1; the readable name of a sensor chip.",
        "sensor_label": "Constant 1; the readable name of a sensor.",
        "temp_celsius": "Temperature.",
        "temp_max_celsius": "Temperature that should not be passed.",
        "temp_crit_celsius": "Temperature at which damage is near.",
        "temp_crit_hyst_celsius": "Temperature at which the critical state ends.",
        "temp_crit_alarm_celsius": "1 when the critical temperature was passed.",
        "fan_rpm": "Speed of the fan in turns per minute.",
        "fan_min_rpm": "Lowest speed that the fan should have.",
        "in_volts": "Voltage.",
        "curr_amps": "Current.",
        "power_average_watt": "Power, averaged by the chip.",
    }),
}  # fmt: skip

SYSTEMD = {
    **table("node_systemd_", "gauge", {
        "unit_state": "1 for the state that the unit is in.",
        "units": "Units by state.",
        "socket_current_connections": "Connections that the socket unit has now.",
    }),
    **table("node_systemd_", "counter", {
        "service_restart_total": "Times that systemd restarted the service.",
        "socket_accepted_connections_total": "Connections that the socket unit accepted.",
        "socket_refused_connections_total": "Connections that the socket unit refused.",
    }),
}  # fmt: skip

OWN = {
    **table("node_", "gauge", {
        "scrape_collector_duration_seconds": "Time that the collector took in this scrape.",
        "scrape_collector_success": "1 when the collector gave readings in this scrape.",
        "textfile_scrape_error": "1 when a text file could not be read, otherwise 0.",
        "textfile_mtime_seconds": "When the text file was last changed, in unix seconds.",
    }),
    **table("openmanager_exporter_", "gauge", {
        "collectors_in_flight": "Collector calls that have not come back yet, hung ones included.",
        "gpu_info": "Constant 1; labels say which GPU this is.",
        "gpu_utilization_ratio": "Share of time during which the GPU computed.",
        "gpu_memory_used_bytes": "GPU memory in use.",
        "gpu_memory_size_bytes": "GPU memory that there is.",
        "gpu_temperature_celsius": "Temperature of the GPU.",
        "gpu_power_watts": "Power that the GPU draws.",
    }),
    **table("openmanager_exporter_", "counter", {
        "collector_timeouts_total": "Collector calls given up because they took too long.",
    }),
    **table("process_", "gauge", {
        "virtual_memory_max_bytes": "Largest address space that this process may have; 2^64 - 1 where there is no limit.",
    }),
    **table("openmanager_fleet_", "gauge", {
        "fault_active": "1 while a planted fault leaves marks on a server; root is the server where it began.",
        "servers": "Simulated servers that are deployed.",
    }),
}  # fmt: skip

FAMILIES: dict[str, Family] = (
    CPU | PROCESSES | DISK | NETWORK | PRESSURE | CLOCK | HARDWARE | SYSTEMD | OWN
)  # fmt: skip

# prefix, kind, help with the kernel's field name in it
PATTERNS: tuple[tuple[str, Kind, str], ...] = (
    ("node_memory_", "gauge", "Field {} of /proc/meminfo."),
    ("node_netstat_", "untyped", "Field {} of the kernel's network statistics."),
    ("node_vmstat_", "untyped", "Field {} of /proc/vmstat."),
    ("node_sockstat_", "gauge", "Field {} of the kernel's socket statistics."),
    ("node_nf_conntrack_stat_", "gauge", "Field {} of the connection tracker's statistics."),
)


def family(name: str, extra: Mapping[str, Family] | None = None) -> Family:
    """The family of a name; `extra` is a table that is looked at first.

    Raises
    ------
    KeyError
        When nobody has declared the name.
    """
    found = (extra or {}).get(name) or FAMILIES.get(name)
    if found is not None:
        return found
    for prefix, kind, text in PATTERNS:
        if name.startswith(prefix):
            return Family(name, kind, text.format(name.removeprefix(prefix)))
    raise KeyError(f"no family is declared for {name}")
