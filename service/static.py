"""Files of one folder, and of no other.

In: a folder that belongs to the service. Out: a handler for ``/prefix/{path}``; a path that leaves the folder, by dots or by a
symbolic link, is 404 bad_path, as if nothing were there.
"""

from __future__ import annotations

import mimetypes
from pathlib import Path

from aiohttp import web

from service.guard import Handler, check_path
from service.problems import Problem


def static_files(folder: Path, *, cache_seconds: int = 3600) -> Handler:
    """A handler that serves regular files below `folder`; the route has to name its tail ``path``."""
    root = folder.resolve(strict=True)

    async def handler(request: web.Request) -> web.StreamResponse:
        path = _inside(root, request.match_info["path"])
        kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        return web.FileResponse(path, headers={"Content-Type": kind, "Cache-Control": f"public, max-age={cache_seconds}"})

    return handler


def _inside(root: Path, tail: str) -> Path:
    check_path("/" + tail)
    missing = Problem(404, "bad_path", "no such file", entry="path")
    try:
        path = (root / tail.lstrip("/")).resolve(strict=True)  # follows links, so what they point to is what is judged
    except (OSError, ValueError, RuntimeError):
        raise Problem(404, "not_found", "no such file") from None
    if not path.is_relative_to(root):
        raise missing
    if not path.is_file():
        raise Problem(404, "not_found", "no such file")
    return path
