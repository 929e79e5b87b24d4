"""Families of what runs on the simulated servers, in the table shape of `exporter.families`."""

from __future__ import annotations

from exporter.families import Family, table

_ANSWERS = Family("app_request_duration_seconds", "summary", "Time that answering requests took, in seconds.")

APPLICATION: dict[str, Family] = {
    "app_request_duration_seconds_sum": _ANSWERS,
    "app_request_duration_seconds_count": _ANSWERS,
    **table("app_", "counter", {
        "requests_total": "Requests that the server's program has answered.",
        "request_errors_total": "Requests that the server's program has answered with an error.",
        "cache_hits_total": "Look-ups that the cache could answer.",
        "cache_misses_total": "Look-ups that the cache could not answer.",
    }),
    **table("app_", "gauge", {
        "connections": "Connections that clients hold open.",
        "replication_lag_seconds": "How far the replica is behind its primary, in seconds.",
        "dependency_info": "1 for each server that this one calls; its name is the label on.",
    }),
}  # fmt: skip
