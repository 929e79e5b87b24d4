"""What the embedded source scrapes: targets given by hand, and those that HTTP service discovery names.

In: addresses of the configuration, answers in Prometheus's HTTP SD format. Out: `Target`s with the labels that their series get.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import msgspec
from yarl import URL

from analyzer.window import Labels


@dataclass(frozen=True, slots=True)
class Target:
    """One page to scrape and the labels of what it shows (sorted, `instance` among them)."""

    url: str
    labels: Labels


class _Group(msgspec.Struct):
    targets: list[str]
    labels: dict[str, str] = {}


_GROUPS = msgspec.json.Decoder(list[_Group])


def static_target(url: str, labels: Iterable[tuple[str, str]] = ()) -> Target:
    """A page given by its address; `instance` is host and port unless it is among the labels."""
    at = URL(url)
    if at.scheme not in ("http", "https") or not at.host:
        raise ValueError(f"not an http(s) address: {url!r}")
    return Target(str(at), tuple(sorted(({"instance": at.authority, "job": "openmanager"} | dict(labels)).items())))


def discovered(body: bytes) -> list[Target]:
    """Targets of an HTTP SD answer, each once. Raises ValueError where it is none."""
    try:
        groups = _GROUPS.decode(body)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise ValueError(f"not an answer of service discovery: {str(error)[:120]}") from error
    found = {}
    for group in groups:
        for address in group.targets:
            target = _target(address, group.labels)
            found[target] = target
    return list(found)


def _target(address: str, labels: Mapping[str, str]) -> Target:
    scheme, path = labels.get("__scheme__", "http"), labels.get("__metrics_path__", "/metrics")
    query = {name.removeprefix("__param_"): value for name, value in labels.items() if name.startswith("__param_")}
    if scheme not in ("http", "https"):
        raise ValueError(f"scheme {scheme[:20]!r} of {address[:80]!r} is neither http nor https")
    at = URL(f"{scheme}://{address}")
    if not at.host or at.path not in ("", "/") or at.user:
        raise ValueError(f"not host and port: {address[:80]!r}")
    shown = {name: value for name, value in labels.items() if value and not name.startswith("__")}
    return Target(
        str(at.with_path(path).with_query(query)),
        tuple(sorted(({"instance": address, "job": "openmanager"} | shown).items())),
    )


def with_target(own: Labels, target: Labels) -> Labels:
    """Labels of a series: the target's win, what they hide is kept as `exported_…`."""
    taken = dict(target)
    mine = {(f"exported_{name}" if name in taken else name): value for name, value in own}
    return tuple(sorted((mine | taken).items()))
