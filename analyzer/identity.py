"""Whose a series is: labels -> server, role, and the name that people use.

In: labels as Prometheus gives them. Out: the identity (`instance`, or `cluster/instance`), the role, display names. Floor 0.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from analyzer.window import Labels


@dataclass(frozen=True, slots=True)
class Identity:
    """How labels name a server.

    Attributes
    ----------
    labels : their values, joined by "/", are the identity; one that a series does not have is left out.
    strip_port : `web-01:9100` is `web-01`.
    role_label : the label that holds the role.
    """

    labels: tuple[str, ...] = ("instance",)
    strip_port: bool = True
    role_label: str = "role"

    def host(self, labels: Mapping[str, str]) -> str:
        """The server that a series belongs to; "" where nothing tells."""
        found = (labels.get(name, "") for name in self.labels)
        return "/".join(without_port(value) if self.strip_port else value for value in found if value)

    def role(self, labels: Mapping[str, str]) -> str:
        """The role of that server; "" where nothing tells."""
        return labels.get(self.role_label, "")


def without_port(address: str) -> str:
    """`host:9100` -> `host`, `[::1]:9100` -> `::1`; what is not host and port (a URL, a bare IPv6 address) stays as it is."""
    if address.startswith("["):
        inside, bracket, rest = address[1:].partition("]")
        return inside if bracket and (not rest or _is_port(rest)) else address
    host, colon, _ = address.partition(":")
    return host if host and colon and _is_port(address[len(host) :]) else address


def display_names(identity: Identity, uname: Iterable[Labels]) -> dict[str, str]:
    """Host -> `nodename` from the labels of `node_uname_info`; a name that two hosts share is nobody's."""
    names: dict[str, str] = {}
    for pairs in uname:
        labels = dict(pairs)
        host, name = identity.host(labels), labels.get("nodename", "")
        if host and name:
            names[host] = name
    shared = list(names.values())
    return {host: name for host, name in names.items() if shared.count(name) == 1}


def _is_port(text: str) -> bool:
    return text[:1] == ":" and text[1:].isascii() and text[1:].isdigit() and len(text) <= 6
