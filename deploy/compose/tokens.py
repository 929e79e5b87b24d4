"""Makes the secrets of one installation: a token for each that asks, a password for Grafana's first user. Nothing is a default.

In: a folder. Out: one file a secret, readable by the user who needs it and nobody else, and for each service a list of the tokens
that it takes, as hashes. What is there already stays, so that running it again changes nothing; `--renew` makes all anew.
Only the standard library: it runs before anything else.
"""

import argparse
import hashlib
import os
import secrets
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

OPENMANAGER, GRAFANA, NOBODY = 10180, 472, 65534  # users inside the images; Prometheus and Alertmanager run as nobody


@dataclass(frozen=True, slots=True)
class Secret:
    """A file: its name, the user that may read it, and the services that take what is in it."""

    file: str
    owner: int
    opens: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Who asks with it."""
        return self.file.removesuffix(".token")


SECRETS = (
    Secret("prometheus.token", NOBODY, ("exporter", "analyzer")),
    Secret("alertmanager.token", NOBODY, ("analyzer",)),
    Secret("grafana.token", GRAFANA, ("analyzer",)),
    Secret("operator.token", OPENMANAGER, ("exporter", "analyzer")),
    Secret("grafana-admin.password", GRAFANA),
)


def token_list(folder: Path, service: str) -> str:
    """The tokens that a service takes, in the form of --web.tokens-file."""
    lines = ["bearer_tokens:"]
    for secret in SECRETS:
        if service in secret.opens:
            text = (folder / secret.file).read_text("ascii").strip()
            lines.append(f"  {secret.name}: {hashlib.sha256(text.encode()).hexdigest()}")
    return "\n".join(lines) + "\n"


def write(file: Path, text: str, owner: int, *, chown: bool) -> None:
    """Whole or not at all, and never readable by others, not even for a moment."""
    fresh = file.with_name(file.name + ".new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o400), "w") as out:
        out.write(text)
    if chown:
        os.chown(fresh, owner, owner)
    fresh.replace(file)


def make(folder: Path, *, renew: bool, chown: bool) -> list[str]:
    """Make what is missing. Returns the names of what was made."""
    folder.mkdir(parents=True, exist_ok=True)
    made = []
    for secret in SECRETS:
        file = folder / secret.file
        if renew or not file.exists():
            write(file, secrets.token_urlsafe(32) + "\n", secret.owner, chown=chown)
            made.append(secret.file)
    for service in services(SECRETS):
        write(folder / f"{service}-tokens.yml", token_list(folder, service), OPENMANAGER, chown=chown)
    return made


def services(known: Iterable[Secret]) -> list[str]:
    """Every service that takes tokens."""
    return sorted({service for secret in known for service in secret.opens})


def main(arguments: list[str]) -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description="Make the tokens and passwords of one installation.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--renew", action="store_true", help="make all of them anew")
    parser.add_argument("--no-chown", action="store_true", help="leave the files with whoever runs this")
    chosen = parser.parse_args(arguments)
    made = make(chosen.folder, renew=chosen.renew, chown=not chosen.no_chown)
    print(f"made {', '.join(made)}" if made else "all there already")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
