"""Who depends on whom, from the labels of one metric: `app_dependency_info{instance="web-01", on="db-01"} 1`."""

from collections.abc import Iterable
from dataclasses import dataclass

from analyzer.identity import Identity
from analyzer.records import Topology
from analyzer.window import Labels


@dataclass(frozen=True, slots=True)
class TopologySettings:
    """The metric, the label that holds the dependent and the one that holds what it needs. No metric: no topology."""

    metric: str = "app_dependency_info"
    dependent: str = "instance"
    on: str = "on"


def edges(identity: Identity, where: TopologySettings, rows: Iterable[Labels]) -> Topology:
    """Both ends named as `identity` names servers, so a cluster's label stands before both."""
    found: dict[tuple[str, str], None] = {}
    name = identity.labels[-1] if identity.labels else "instance"
    for pairs in rows:
        labels = dict(pairs)
        dependent, on = labels.get(where.dependent, ""), labels.get(where.on, "")
        if dependent and on:
            edge = (identity.host(labels | {name: dependent}), identity.host(labels | {name: on}))
            if edge[0] != edge[1]:
                found[edge] = None
    return Topology(tuple(found))
