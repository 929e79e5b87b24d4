"""omctl's side of our JSON routes: one request, one answer, and an error a person can act on."""

import http.client
import json
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from typing import Any

TIMEOUT = 15.0
MOST_BYTES = 64 << 20
RUNNING = "is it running, and is this its address?"


class RemoteError(Exception):
    """What went wrong and what to try. `status`: of the answer, 0 where there was none."""

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


class _Stay(urllib.request.HTTPRedirectHandler):
    """Redirects are not followed: the token would go with them."""

    def redirect_request(self, *args: Any) -> None:
        """None: the redirect itself is the answer."""


def quote(part: str) -> str:
    """One path segment."""
    return urllib.parse.quote(part, safe="")


@dataclass(frozen=True, slots=True)
class Remote:
    """A service of ours and how to be let in."""

    url: str
    token: str = ""

    def ask(self, method: str, path: str, *, body: dict[str, Any] | None = None, query: dict[str, str] | None = None) -> Any:
        """The parsed answer. Raises RemoteError."""
        if not self.url.startswith(("http://", "https://")):
            raise RemoteError(f"{self.url}: an address starts with http:// or https://")
        address = self.url.rstrip("/") + path + (f"?{urllib.parse.urlencode(query)}" if query else "")
        try:
            with urllib.request.build_opener(_Stay).open(self._request(method, address, body), timeout=TIMEOUT) as reply:
                return json.loads(reply.read(MOST_BYTES) or b"{}")
        except urllib.error.HTTPError as error:
            with error:
                raise RemoteError(_refused(self.url, error), error.code) from error
        except (OSError, http.client.HTTPException) as error:  # URLError is an OSError
            reason = getattr(error, "reason", None) or error
            raise RemoteError(f"{self.url} does not answer ({reason}); {RUNNING}") from error
        except ValueError as error:
            raise RemoteError(f"{address} did not answer JSON; {RUNNING}") from error

    def _request(self, method: str, address: str, body: dict[str, Any] | None) -> urllib.request.Request:
        headers = {"Accept": "application/json"}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        if body is not None:
            headers["Content-Type"] = "application/json"
        data = None if body is None else json.dumps(body).encode()
        return urllib.request.Request(address, data=data, headers=headers, method=method)  # noqa: S310 - the scheme was checked


def _refused(url: str, error: urllib.error.HTTPError) -> str:
    """What the service said; for what is no service of ours, that it is none."""
    try:
        answer = json.loads(error.read(65536))
        said = f"{error.code} {answer['error']}: {answer['detail']}"
    except (ValueError, KeyError, TypeError, OSError, http.client.HTTPException):
        said = f"{url} answered {error.code} {error.reason}, as no service of ours would; is this its address?"
    return f"{said}; give a token as OMCTL_TOKEN" if error.code == 401 else said
