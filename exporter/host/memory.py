"""/proc/meminfo, /proc/vmstat -> readings about memory and paging."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

from exporter.host.files import Paths, read
from exporter.render import Reading

WANTED = re.compile(r"^((?:oom_kill|pgpg|pswp|pg\w*fault)\w*) (\d+)$", re.MULTILINE)


@cache
def memory_name(field: str, in_bytes: bool) -> str:
    """`Active(anon)` -> node_memory_Active_anon_bytes."""
    plain = field.replace("(", "_").replace(")", "")
    return f"node_memory_{plain}_bytes" if in_bytes else f"node_memory_{plain}"


def meminfo(paths: Paths) -> Iterator[Reading]:
    """Every field of /proc/meminfo; kB become bytes."""
    for line in read(paths.proc("meminfo")).splitlines():
        field, _, rest = line.partition(":")
        words = rest.split()
        if words:
            in_bytes = len(words) > 1
            yield memory_name(field, in_bytes), (), float(words[0]) * (1024.0 if in_bytes else 1.0)


def vmstat(paths: Paths) -> Iterator[Reading]:
    """The paging fields of /proc/vmstat."""
    for field, value in WANTED.findall(read(paths.proc("vmstat"))):
        yield "node_vmstat_" + field, (), float(value)
