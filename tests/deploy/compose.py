"""docker-compose.yml against everything that it names: schema, files, users, ports, variables, real programs' flags.

No container is started: there may be no engine. Each function takes the parsed file and returns what is wrong with it, so that a
test can hand in a spoilt one.
"""

import json
import re
import subprocess
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any

import click
import jsonschema
import yaml

from deploy.compose.tokens import OPENMANAGER, SECRETS, services
from deploy.local.servers import need

ROOT = Path(__file__).resolve().parents[2]
SECRET_FOLDER = "/run/openmanager/"
DEFAULT_PORTS = {"prometheus": 9090, "alertmanager": 9093, "grafana": 3000}
CONFIGS = ("prometheus.yml", "alertmanager.yml", "analyzer.yml")
Compose = Mapping[str, Any]


def load() -> dict[str, Any]:
    """The file as YAML reads it, merges done."""
    parsed: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
    return parsed


def schema(compose: Compose) -> list[str]:
    """Only keys that the Compose Specification has, with values that it takes, and of those only what is wanted here."""
    rules = json.loads((ROOT / "tests/deploy/compose.schema.json").read_text(encoding="utf-8"))
    found = jsonschema.Draft202012Validator(rules).iter_errors(compose)
    return [f"{'.'.join(map(str, error.absolute_path))}: {error.message[:200]}" for error in found]


def mounts(compose: Compose) -> list[str]:
    """Every mounted file is in the repository, every volume declared and used, every file that a command names is mounted."""
    wrong, used = [], set()
    for name, service in compose["services"].items():
        targets = []
        for volume in service.get("volumes", ()):
            source, target = volume.split(":")[:2]
            targets.append(target)
            used.add(source)
            if source.startswith("./") and not (ROOT / source).exists():
                wrong.append(f"{name}: {source} is not in the repository")
            if not source.startswith("./") and source not in compose["volumes"]:
                wrong.append(f"{name}: volume {source} is not declared")
        for path in paths(service):
            if not any(PurePosixPath(path).is_relative_to(target) for target in targets):
                wrong.append(f"{name}: {path} is not mounted")
    return wrong + [f"volume {volume} is not used" for volume in compose["volumes"] if volume not in used]


def paths(service: Mapping[str, Any]) -> Iterator[str]:
    """Absolute paths that a service is told, programs and URLs apart."""
    told = [*service.get("command", ()), *service.get("healthcheck", {}).get("test", ()), *service.get("entrypoint", ())[2:]]
    told += map(str, service.get("environment", {}).values())
    for word in told:
        for path in re.findall(r"(?:(?<=^)|(?<==)|(?<=[ (]))(/[\w./-]+)", word):
            if path not in ("/run.sh", "/bin/sh"):
                yield path


def secrets(compose: Compose) -> list[str]:
    """Every secret that a service or its configuration names is made, and its owner is the user that reads it."""
    owners = {secret.file: secret.owner for secret in SECRETS} | {f"{s}-tokens.yml": OPENMANAGER for s in services(SECRETS)}
    wrong = []
    for name, service in compose["services"].items():
        text = json.dumps({key: service.get(key) for key in ("command", "environment", "healthcheck", "entrypoint")})
        config = ROOT / f"deploy/compose/{name}.yml"
        text += config.read_text(encoding="utf-8") if config.exists() else ""
        user = int(service["user"].split(":")[0])
        for file in re.findall(re.escape(SECRET_FOLDER) + r"([\w.-]+)", text):
            if file not in owners:
                wrong.append(f"{name}: nobody makes {file}")
            elif owners[file] != user:
                wrong.append(f"{name}: runs as {user} and cannot read {file}, which is for {owners[file]}")
    return wrong


def listening(compose: Compose) -> dict[str, int]:
    """Service -> the port it listens on, from its flags, its configuration or its own default."""
    ports = dict(DEFAULT_PORTS)
    for name, service in compose["services"].items():
        config = ROOT / f"deploy/compose/{name}.yml"
        text = " ".join(service.get("command", ())) + (config.read_text(encoding="utf-8") if config.exists() else "")
        found = re.search(r"(?:listen-address=|listen: \[\")0\.0\.0\.0:(\d+)", text)
        if found:
            ports[name] = int(found[1])
    return ports


def ports(compose: Compose) -> list[str]:
    """Published ports, health checks and every address in every file lead to where somebody listens."""
    known, wrong = listening(compose), []
    for name, service in compose["services"].items():
        for published in service.get("ports", ()):
            if int(published.rpartition(":")[2]) != known.get(name):
                wrong.append(f"{name}: publishes {published} and listens on {known.get(name)}")
        for port in re.findall(r"127\.0\.0\.1:(\d+)", " ".join(service.get("healthcheck", {}).get("test", ()))):
            if int(port) != known.get(name):
                wrong.append(f"{name}: its health check asks port {port}, it listens on {known.get(name)}")
    outside = {int(p.split(":")[1]): name for name, s in compose["services"].items() for p in s.get("ports", ())}
    texts = {file: (ROOT / "deploy/compose" / file).read_text(encoding="utf-8") for file in CONFIGS}
    texts["docker-compose.yml"] = json.dumps(compose)
    for file, text in texts.items():
        for host, port in re.findall(r"\b([a-z]+):(\d{4,5})\b", text):
            if host in known and known[host] != int(port):
                wrong.append(f"{file}: {host}:{port}, but {host} listens on {known[host]}")
            if host == "localhost" and int(port) not in outside:
                wrong.append(f"{file}: localhost:{port} is not published")
        for host in re.findall(r"https?://([a-z]+)[:/]", text):
            if host != "localhost" and host not in compose["services"]:
                wrong.append(f"{file}: no service {host}")
    return wrong


def variables(compose: Compose) -> list[str]:
    """Every variable has a default in the compose file, and is set for the service whose files take it."""
    wrong = []
    for variable, default in re.findall(r"(?<!\$)\$\{(\w+)(:-[^}]*)?\}", json.dumps(compose)):
        if not default:
            wrong.append(f"docker-compose.yml: {variable} has no default")
    provisioning = sorted((ROOT / "grafana/provisioning").rglob("*.yml"))
    takers = {"grafana": provisioning, "analyzer": [ROOT / "deploy/compose/analyzer.yml"]}
    for name, files in takers.items():
        service = compose["services"][name]
        entry = re.findall(r"(\w+)=", " ".join(service.get("entrypoint", ())))
        given = {*service.get("environment", {}), *entry}
        for file in files:
            text = re.sub(r"#.*", "", file.read_text(encoding="utf-8"))
            wrong += [f"{file.name}: {v} is not set for {name}" for v in re.findall(r"\$\{?([A-Z_]+)", text) if v not in given]
    return wrong


def flags(compose: Compose) -> list[str]:
    """Every flag of every command and health check is one that the real program knows."""
    wrong = []
    for name, service in compose["services"].items():
        for words in (service.get("command", ()), service.get("healthcheck", {}).get("test", ())[1:]):
            wrong += [f"{name}: {said}" for said in unknown_flags(name, list(words))]
    return wrong


def unknown_flags(service: str, words: list[str]) -> list[str]:
    """Flags that the program of a command line has not."""
    given = {word.split("=")[0] for word in words if word.startswith("--")}
    if not words or words[0] == "wget":
        return []
    if service in ("prometheus", "alertmanager"):
        program = words[0] if words[0] in ("promtool", "amtool") else service
        known = program_flags(program, " ".join(w for w in words[1:3] if w.isalpha()) if program == "promtool" else "")
    elif words[0] == "python":
        known = module_flags(words[2])
    else:
        known = script_flags(words[0])
    return [f"{words[0]} has no {flag}" for flag in sorted(given - known)]


@cache
def program_flags(program: str, command: str) -> frozenset[str]:
    """Flags in a server's --help."""
    done = subprocess.run([need(program), *command.split(), "--help"], capture_output=True, text=True, timeout=30, check=False)
    return frozenset(re.findall(r"--[a-z][\w.-]*", done.stdout + done.stderr))


@cache
def module_flags(module: str) -> frozenset[str]:
    """Flags of one of our small programs."""
    import importlib
    import inspect

    loaded = importlib.import_module(module)
    if isinstance(loaded.main, click.Command):
        return command_flags(loaded.main)
    return frozenset(re.findall(r'"(--[\w-]+)"', inspect.getsource(loaded)))


@cache
def script_flags(script: str) -> frozenset[str]:
    """Flags of a console script of ours."""
    from analyzer.__main__ import main as analyzer
    from exporter.__main__ import main as exporter

    return command_flags({"openmanager-analyzer": analyzer, "openmanager-exporter": exporter}[script])


def command_flags(command: click.Command) -> frozenset[str]:
    """All options of a command."""
    return frozenset(option for p in command.params for option in (*p.opts, *p.secondary_opts))


def image(compose: Compose) -> list[str]:
    """The Dockerfile copies what is there, what .dockerignore lets through, and runs as the user that the secrets are for."""
    text = (ROOT / "deploy/Dockerfile").read_text(encoding="utf-8")
    allowed = [line[1:] for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines() if line.startswith("!")]
    wrong = []
    for words in re.findall(r"^COPY (?!--from)(.+)$", text, re.MULTILINE):
        for source in words.split()[:-1]:
            if not (ROOT / source).exists():
                wrong.append(f"Dockerfile: no {source}")
            if not any(PurePosixPath(source).is_relative_to(a) for a in allowed):
                wrong.append(f".dockerignore: keeps {source} out")
    if not re.search(rf"^USER {OPENMANAGER}:{OPENMANAGER}$", text, re.MULTILINE):
        wrong.append(f"Dockerfile: does not run as {OPENMANAGER}")
    ours = [s for s in compose["services"].values() if s["image"].startswith("openmanager:")]
    wrong += [f"user {s['user']} is not the image's" for s in ours if s["user"] not in (f"{OPENMANAGER}:{OPENMANAGER}", "0:0")]
    return wrong


ALL = (schema, mounts, secrets, ports, variables, flags, image)
