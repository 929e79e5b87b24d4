"""omctl's side of our JSON routes: one request, one answer, and an error a person can act on."""

import json
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from typing import Any

TIMEOUT = 15.0
MOST_BYTES = 64 << 20


class RemoteError(Exception):
    """What went wrong and what to try."""


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
        address = self.url.rstrip("/") + path + (f"?{urllib.parse.urlencode(query)}" if query else "")
        if not address.startswith(("http://", "https://")):
            raise RemoteError(f"{self.url}: an address starts with http:// or https://")
        request = urllib.request.Request(address, method=method)  # noqa: S310 - the scheme was checked
        request.add_header("Accept", "application/json")
        if self.token:
            request.add_header("Authorization", f"Bearer {self.token}")
        data = None
        if body is not None:
            data = json.dumps(body).encode()
            request.add_header("Content-Type", "application/json")
        try:
            with urllib.request.urlopen(request, data=data, timeout=TIMEOUT) as reply:  # noqa: S310
                return json.loads(reply.read(MOST_BYTES) or b"{}")
        except urllib.error.HTTPError as error:
            raise RemoteError(_refused(error)) from error
        except (urllib.error.URLError, OSError) as error:
            reason = getattr(error, "reason", error)
            raise RemoteError(f"{self.url} does not answer ({reason}); is it running, and is this its address?") from error
        except ValueError as error:
            raise RemoteError(f"{address} did not answer JSON; is this the right address?") from error


def _refused(error: urllib.error.HTTPError) -> str:
    try:
        answer = json.loads(error.read(65536))
        return f"{error.code} {answer['error']}: {answer['detail']}"
    except (ValueError, KeyError, TypeError):
        return f"{error.code} {error.reason}"
