import hashlib
import stat
from pathlib import Path

from deploy.compose import tokens
from service.webconfig import read_tokens


def made(folder: Path, *, renew: bool = False) -> list[str]:
    return tokens.make(folder, renew=renew, chown=False)


def test_everything_is_made_once_and_kept(tmp_path: Path) -> None:
    assert made(tmp_path) == [secret.file for secret in tokens.SECRETS]
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    assert made(tmp_path) == []
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before


def test_renewing_changes_every_secret(tmp_path: Path) -> None:
    made(tmp_path)
    before = {secret.file: (tmp_path / secret.file).read_text() for secret in tokens.SECRETS}
    made(tmp_path, renew=True)
    assert all((tmp_path / file).read_text() != text for file, text in before.items())


def test_no_two_installations_share_a_secret(tmp_path: Path) -> None:
    made(tmp_path / "one")
    made(tmp_path / "two")
    assert (tmp_path / "one/operator.token").read_text() != (tmp_path / "two/operator.token").read_text()


def test_only_the_owner_can_read_a_file(tmp_path: Path) -> None:
    made(tmp_path)
    assert {stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()} == {0o400}


def test_services_take_the_tokens_that_were_made(tmp_path: Path) -> None:
    made(tmp_path)
    accepted, _ = read_tokens(tmp_path / "exporter-tokens.yml")
    assert set(accepted) == {"prometheus", "operator"}
    assert accepted["prometheus"] == hashlib.sha256((tmp_path / "prometheus.token").read_text().strip().encode()).digest()


def test_a_lost_secret_is_made_anew_and_taken(tmp_path: Path) -> None:
    made(tmp_path)
    (tmp_path / "grafana.token").unlink()
    assert made(tmp_path) == ["grafana.token"]
    accepted, _ = read_tokens(tmp_path / "analyzer-tokens.yml")
    assert accepted["grafana"] == hashlib.sha256((tmp_path / "grafana.token").read_text().strip().encode()).digest()
