"""Health check of a container: exit 0 when a URL of ours answers 200. `python alive.py URL [TOKEN_FILE]`, standard library only."""

import sys
import urllib.request
from pathlib import Path


def main(arguments: list[str]) -> int:
    """Ask once, with the token where there is one."""
    url, *token_file = arguments
    headers = {"Authorization": f"Bearer {Path(token_file[0]).read_text('ascii').strip()}"} if token_file else {}
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=5) as reply:
            return 0 if reply.status == 200 else 1
    except OSError as error:
        print(error, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
