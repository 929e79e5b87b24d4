"""Small kernel files -> text and numbers, under roots that a test can move."""

from __future__ import annotations

import os
from dataclasses import dataclass


class NoDataError(Exception):
    """This machine has nothing of the kind, so there is nothing to show; not a failure to be logged."""


@dataclass(frozen=True, slots=True)
class Paths:
    """Where the machine's files are mounted; a container sees the host's under other roots."""

    procfs: str = "/proc"
    sysfs: str = "/sys"
    rootfs: str = "/"
    udev: str = "/run/udev/data"

    def proc(self, name: str) -> str:
        """A path below procfs."""
        return f"{self.procfs}/{name}"

    def sys(self, name: str) -> str:
        """A path below sysfs."""
        return f"{self.sysfs}/{name}"

    def root(self, path: str) -> str:
        """An absolute path of the host as seen from here."""
        return path if self.rootfs == "/" else self.rootfs + path


def read(path: str) -> str:
    """The whole file; bytes that are not UTF-8 become surrogates, as in file names."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        chunks = []
        while chunk := os.read(descriptor, 65536):
            chunks.append(chunk)
    finally:
        os.close(descriptor)
    return b"".join(chunks).decode("utf-8", "surrogateescape")


def read_or_none(path: str) -> str | None:
    """The stripped text, or None where the file is missing or cannot be read."""
    try:
        return read(path).strip()
    except OSError:
        return None


def attribute(path: str) -> str | None:
    """The stripped text of a file in sysfs, or None where it is missing or the driver refuses to answer."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        return os.read(descriptor, 4096).decode("utf-8", "surrogateescape").strip()  # never longer than a page
    except OSError:
        return None
    finally:
        os.close(descriptor)


class KeptAttributes:
    """Attributes of sysfs through descriptors that stay open: opening a file there costs ten times as much as reading it.

    Parameters
    ----------
    most
        Descriptors to keep; further files are opened each time.
    """

    def __init__(self, most: int = 256) -> None:
        self.most = most
        self.descriptors: dict[str, int | None] = {}

    def read(self, path: str) -> str | None:
        """As `attribute`; a file that was missing is looked for again after `forget`."""
        descriptor = self.descriptors.get(path, -1)
        if descriptor is None:
            return None
        if descriptor < 0:
            if len(self.descriptors) >= self.most:
                return attribute(path)
            try:
                descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            except FileNotFoundError:
                self.descriptors[path] = None
                return None
            except OSError:
                return None
            self.descriptors[path] = descriptor
        try:
            return os.pread(descriptor, 4096, 0).decode("utf-8", "surrogateescape").strip()
        except OSError:
            return None

    def number(self, path: str) -> float | None:
        """As `read_number`."""
        return to_number(self.read(path))

    def forget(self, prefix: str = "") -> None:
        """Close what is kept below a path: the device is another one now, or gone."""
        for path in [path for path in self.descriptors if path.startswith(prefix)]:
            descriptor = self.descriptors.pop(path)
            if descriptor is not None:
                os.close(descriptor)


def read_number(path: str) -> float | None:
    """The number in the file (decimal, or hexadecimal with 0x), or None."""
    return to_number(attribute(path))


def to_number(text: str | None) -> float | None:
    """The number that the text is, or None."""
    if not text:
        return None
    try:
        return float(int(text, 16)) if text.startswith("0x") else float(text)
    except ValueError:
        return None


# Plain strings and os calls: a Path object for each of some 200 small files a scrape costs more than reading them.


def names(path: str) -> list[str]:
    """Sorted names in a folder."""
    return sorted(os.listdir(path))  # noqa: PTH208  see above


def exists(path: str) -> bool:
    """Whether there is a file or folder."""
    return os.path.exists(path)  # noqa: PTH110  see above


def modified(path: str) -> float:
    """When the file was last changed, in unix seconds."""
    return os.stat(path).st_mtime  # noqa: PTH116  see above


def listing(path: str) -> list[str]:
    """Sorted names in a folder; raises NoDataError where there is no such folder."""
    try:
        return names(path)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise NoDataError(f"{path} is not there") from error
