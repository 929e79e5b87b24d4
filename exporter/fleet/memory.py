"""Planted faults across restarts: counters hold what a fault added, so a fleet that forgot it would look as if it had restarted.

In: faults. Out: a JSON file, written whole or not at all; what is no such file is an error that names it.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

from exporter.fleet.faults import HIDDEN, KINDS, Fault


def save(path: Path, faults: Iterable[Fault]) -> None:
    """Write all of them. Raises OSError; the file before it stays."""
    rows = [{k: v for k, v in asdict(f).items() if v != math.inf} for f in faults]
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    beside.write_text(json.dumps(rows, indent=1, allow_nan=False), encoding="utf-8")
    beside.replace(path)


def load(path: Path) -> tuple[Fault, ...]:
    """What was saved; none where there is no file. Raises ValueError where it holds something else."""
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
        faults = tuple(Fault(**row) for row in rows)
        if any(f.kind not in KINDS and f.kind not in HIDDEN for f in faults):
            raise ValueError("unknown kind")
        if not all(math.isfinite(v) for f in faults for v in (f.start, f.duration_seconds, f.severity)):
            raise ValueError("a time or a severity is not a number")
    except FileNotFoundError:
        return ()
    except (ValueError, TypeError) as error:
        raise ValueError(f"{path} holds no faults of a fleet ({error}); remove it to begin without") from error
    return faults
