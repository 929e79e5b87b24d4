"""A folder of `*.prom` files -> readings: what scripts and cron jobs want to be seen of this machine."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast, get_args

from prometheus_client.parser import text_string_to_metric_families

from exporter.families import FAMILIES, Family, Kind
from exporter.host.files import Paths, modified, names, read
from exporter.render import Reading, series


class Textfile:
    """Reads the folder anew at each scrape.

    A file that cannot be parsed, or that has timestamps, is left out as a whole and `node_textfile_scrape_error` says 1.

    Attributes
    ----------
    families
        What the files declare, or have declared: the page needs it for HELP and TYPE, and may be printed while this is asked
        again, so nothing is taken away.
    errors
        File name -> what is wrong with it.
    """

    def __init__(self, directory: str | None) -> None:
        self.directory = directory
        self.families: dict[str, Family] = {}
        self.errors: dict[str, str] = {}

    def __call__(self, paths: Paths) -> Iterator[Reading]:
        """What the files say, and when they were written."""
        self.errors = {}
        for name in self.files():
            path = f"{self.directory}/{name}"
            try:
                readings = self.parse(read(path))
                changed = modified(path)
            except (OSError, ValueError, KeyError, IndexError) as error:
                self.errors[name] = str(error) or type(error).__name__
                continue
            yield from readings
            yield "node_textfile_mtime_seconds", (("file", path),), changed
        yield "node_textfile_scrape_error", (), 1.0 if self.errors else 0.0

    def files(self) -> list[str]:
        """The files to read; a folder that is missing is an error, none configured is not."""
        if not self.directory:
            return []
        try:
            return [name for name in names(self.directory) if name.endswith(".prom")]
        except OSError as error:
            self.errors[self.directory] = str(error)
            return []

    def parse(self, text: str) -> list[Reading]:
        """All samples of one file; what they declare goes to `families`."""
        readings: list[Reading] = []
        declared: dict[str, Family] = {}
        for parsed in text_string_to_metric_families(text):
            kind = cast(Kind, parsed.type) if parsed.type in get_args(Kind) else "untyped"
            for sample in parsed.samples:
                if sample.timestamp is not None:
                    raise ValueError(f"{sample.name} has a timestamp")
                series(sample.name, sample.labels)  # raises what one bad name would otherwise do to the whole page
                # the parser takes _total off counters' names, which this format wants to keep
                name = sample.name if kind == "counter" else parsed.name
                declared[sample.name] = Family(name, kind, parsed.documentation or "Read from a text file.")
                readings.append((sample.name, tuple(sorted(sample.labels.items())), sample.value))
        self.families.update({name: it for name, it in declared.items() if name not in FAMILIES})
        return readings
