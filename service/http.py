"""What a handler needs: errors, strict JSON in and out, query arguments, and the mark of routes that change something."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from service import text
from service.args import (
    Range,
    bool_arg,
    choice_arg,
    duration_arg,
    float_arg,
    int_arg,
    parse_time,
    range_args,
    text_arg,
    time_arg,
)
from service.body import check_schema, limits_of, read_body, read_json, unsnappy
from service.guard import PRINCIPAL, changes, trusted
from service.problems import Problem, problem_body, reject
from service.text import rfc3339

__all__ = [
    "PRINCIPAL",
    "REQUEST_ID",
    "Problem",
    "Range",
    "bool_arg",
    "changes",
    "check_schema",
    "choice_arg",
    "duration_arg",
    "float_arg",
    "int_arg",
    "json_response",
    "limits_of",
    "parse_time",
    "problem_response",
    "range_args",
    "read_body",
    "read_json",
    "reject",
    "rfc3339",
    "text_arg",
    "time_arg",
    "trusted",
    "unsnappy",
]

REQUEST_ID = web.RequestKey("request_id", str)


def json_response(data: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    """Strict JSON; a NaN in `data` raises here rather than reaching a client."""
    return web.Response(body=text.dumps(data), status=status, headers=headers, content_type="application/json")


def problem_response(problem: Problem, request_id: str) -> web.Response:
    """The answer that a :class:`Problem` stands for."""
    response = web.Response(
        body=problem_body(problem.error, problem.detail, request_id),
        status=problem.status,
        headers=problem.headers,
        content_type="application/json",
    )
    if problem.close:
        response.force_close()
    return response
