"""/proc/diskstats, mounts, mdstat, file-nr -> readings about disks and file systems."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from functools import lru_cache, partial

from exporter.host.files import NoDataError, Paths, read, read_or_none
from exporter.host.limited import Limited
from exporter.render import Labels, Reading

IGNORED_DEVICES = re.compile(r"^(ram|loop|fd|(h|s|v|xv)d[a-z]|nvme\d+n\d+p)\d+$")
IGNORED_MOUNTS = re.compile(r"^/(dev|proc|run|sys|mnt|media|var/lib/docker/.+|var/lib/containers/storage/.+)($|/)")
IGNORED_TYPES = re.compile(
    r"^(autofs|binfmt_misc|bpf|cgroup2?|configfs|debugfs|devpts|devtmpfs|fusectl|hugetlbfs|iso9660|mqueue|nsfs|overlay|proc"
    r"|procfs|pstore|rpc_pipefs|securityfs|selinuxfs|squashfs|sysfs|tracefs)$"
)
LOCAL_TYPES = frozenset({"btrfs", "exfat", "ext2", "ext3", "ext4", "f2fs", "jfs", "ramfs", "tmpfs", "vfat", "xfs", "zfs"})
SECTOR = 512.0
# columns of /proc/diskstats after the device's name, and what one unit of each is in base units
DISK_COLUMNS = (
    ("node_disk_reads_completed_total", 1.0),
    ("node_disk_reads_merged_total", 1.0),
    ("node_disk_read_bytes_total", SECTOR),
    ("node_disk_read_time_seconds_total", 0.001),
    ("node_disk_writes_completed_total", 1.0),
    ("node_disk_writes_merged_total", 1.0),
    ("node_disk_written_bytes_total", SECTOR),
    ("node_disk_write_time_seconds_total", 0.001),
    ("node_disk_io_now", 1.0),
    ("node_disk_io_time_seconds_total", 0.001),
    ("node_disk_io_time_weighted_seconds_total", 0.001),
    ("node_disk_discards_completed_total", 1.0),
    ("node_disk_discards_merged_total", 1.0),
    ("node_disk_discarded_sectors_total", 1.0),
    ("node_disk_discard_time_seconds_total", 0.001),
    ("node_disk_flush_requests_total", 1.0),
    ("node_disk_flush_requests_time_seconds_total", 0.001),
)
UDEV_LABELS = (
    ("model", "ID_MODEL"),
    ("path", "ID_PATH"),
    ("revision", "ID_REVISION"),
    ("serial", "ID_SERIAL_SHORT"),
    ("wwn", "ID_WWN"),
)


def diskstats(paths: Paths) -> Iterator[Reading]:
    """Counters of every block device that is not a partition or a loop device."""
    for line in read(paths.proc("diskstats")).splitlines():
        major, minor, device, *numbers = line.split()
        if IGNORED_DEVICES.match(device):
            continue
        labels = (("device", device),)
        yield "node_disk_info", disk_info(paths, device, major, minor), 1.0
        for (name, unit), number in zip(DISK_COLUMNS, numbers, strict=False):
            # int / 1000 rounds once where int * 0.001 rounds twice: prints 4.404, not 4.4040000000000004
            yield name, labels, int(number) / 1000.0 if unit == 0.001 else int(number) * unit


def disk_info(paths: Paths, device: str, major: str, minor: str) -> Labels:
    """What udev knows about the device; empty labels where it knows nothing."""
    text = read_or_none(f"{paths.udev}/b{major}:{minor}") or ""
    known = dict(line[2:].split("=", 1) for line in text.splitlines() if line.startswith("E:") and "=" in line)
    rest = tuple((label, known.get(key, "")) for label, key in UDEV_LABELS)
    return (("device", device), ("major", major), ("minor", minor), *rest)


def filefd(paths: Paths) -> Iterator[Reading]:
    """File handles of the whole machine."""
    allocated, _, maximum = read(paths.proc("sys/fs/file-nr")).split()
    yield "node_filefd_allocated", (), float(allocated)
    yield "node_filefd_maximum", (), float(maximum)


def mounts(paths: Paths) -> tuple[tuple[str, str, str, bool], ...]:
    """(device, mountpoint, fstype, read-only) of what init sees mounted, without what is not a disk."""
    return parse_mounts(read_or_none(paths.proc("1/mounts")) or read(paths.proc("mounts")), paths.rootfs)


@lru_cache(maxsize=1)  # the table seldom changes between two scrapes
def parse_mounts(text: str, rootfs: str) -> tuple[tuple[str, str, str, bool], ...]:
    """The lines of a mount table that stand for disks, mount points as the machine itself names them."""
    found = []
    seen = set()
    for line in text.splitlines():
        device, seen_at, fstype, options = (unescape(word) for word in line.split(" ")[:4])
        mountpoint = below(seen_at, rootfs)
        ignored = IGNORED_MOUNTS.match(mountpoint) or IGNORED_TYPES.match(fstype)
        if not ignored and (device, mountpoint, fstype) not in seen:
            seen.add((device, mountpoint, fstype))
            found.append((device, mountpoint, fstype, "ro" in options.split(",")))
    return tuple(found)


def below(mountpoint: str, rootfs: str) -> str:
    """A mount point without the prefix under which a container sees the machine's root."""
    if rootfs != "/" and (mountpoint == rootfs or mountpoint.startswith(rootfs + "/")):
        return mountpoint[len(rootfs) :] or "/"
    return mountpoint


def unescape(word: str) -> str:
    """The kernel writes blanks and backslashes in mount tables as octal."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), word) if "\\" in word else word


class Filesystems:
    """Size and free space of mounted file systems.

    What is not a disk of this machine is asked with a time limit: a dead network mount must not hide the others, and shows as
    `device_error` 1 until its call comes back. A disk that hangs costs the whole collector, whose own limit then holds.
    """

    def __init__(self, limit_seconds: float) -> None:
        self.limited: Limited[os.statvfs_result] = Limited(limit_seconds, "statvfs")

    def __call__(self, paths: Paths) -> Iterator[Reading]:
        """node_filesystem_*."""
        found = mounts(paths)
        calls = {it[1]: partial(os.statvfs, paths.root(it[1])) for it in found if it[2] not in LOCAL_TYPES}
        remote = self.limited.run(calls) if calls else {}
        for device, mountpoint, fstype, readonly in found:
            labels = (("device", device), ("fstype", fstype), ("mountpoint", mountpoint))
            stat = remote[mountpoint].value if mountpoint in remote else local(paths.root(mountpoint))
            yield "node_filesystem_device_error", labels, 1.0 if stat is None else 0.0
            if stat is None:
                continue
            yield "node_filesystem_size_bytes", labels, float(stat.f_blocks * stat.f_frsize)
            yield "node_filesystem_free_bytes", labels, float(stat.f_bfree * stat.f_frsize)
            yield "node_filesystem_avail_bytes", labels, float(stat.f_bavail * stat.f_frsize)
            yield "node_filesystem_files", labels, float(stat.f_files)
            yield "node_filesystem_files_free", labels, float(stat.f_ffree)
            yield "node_filesystem_readonly", labels, 1.0 if readonly or stat.f_flag & os.ST_RDONLY else 0.0

    @property
    def stuck(self) -> list[str]:
        """Mount points whose call has not come back."""
        return sorted(self.limited.stuck)

    def close(self) -> None:
        """Lets the idle thread end."""
        self.limited.close()


def local(path: str) -> os.statvfs_result | None:
    """What the file system says of itself, or None."""
    try:
        return os.statvfs(path)
    except OSError:
        return None


MD_STATES = ("active", "inactive", "recovering", "resync", "check")


def mdadm(paths: Paths) -> Iterator[Reading]:
    """Software RAIDs from /proc/mdstat."""
    try:
        lines = read(paths.proc("mdstat")).splitlines()
    except FileNotFoundError as error:
        raise NoDataError("no software RAID in this kernel") from error
    for row, line in enumerate(lines):
        match = re.match(r"^(md\S*) : (\w+)(.*)", line)
        if match is not None:
            details = " ".join(lines[row + 1 : row + 3]) if row + 1 < len(lines) else ""
            yield from raid(match[1], match[2], match[3], details)


def raid(device: str, state: str, members: str, details: str) -> Iterator[Reading]:
    """The readings of one software RAID: its line, and the two lines under it."""
    failed, spare = members.count("(F)"), members.count("(S)")
    total = len(re.findall(r"\[\d+\]", members))
    health = re.search(r"\[(\d+)/(\d+)\]", details)
    required = int(health[1]) if health else total - failed - spare
    active = int(health[2]) if health else (total - failed - spare if state == "active" else 0)
    work = re.search(r"(recovery|resync|check|reshape)\s*=", details)
    state = {"recovery": "recovering", "reshape": "recovering"}.get(work[1], work[1]) if work else state
    size = re.search(r"(\d+) blocks", details)
    blocks = float(size[1]) if size else 0.0
    synced = re.search(r"\((\d+)/\d+\)", details)
    labels = (("device", device),)
    for name, count in (("active", active), ("failed", failed), ("spare", spare)):
        yield "node_md_disks", (*labels, ("state", name)), float(count)
    yield "node_md_disks_required", labels, float(required)
    yield "node_md_blocks", labels, blocks
    yield "node_md_blocks_synced", labels, float(synced[1]) if synced else blocks
    for name in MD_STATES:
        yield "node_md_state", (*labels, ("state", name)), 1.0 if name == state else 0.0
