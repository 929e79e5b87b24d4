"""What the web config and tokens files may say, and how a mistake is reported."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
import trustme

from service.webconfig import read_all, read_tokens, read_web_config
from service.yamltext import ConfigError, parse

HASH = "$2y$04$jQ9fZ7tXzZ0gI8mY9b0nJuVY9CwM6lrIroKBdYFRwUyPLY9dTxHOm"

BAD = {
    "unknown key": ("tls_server: {}", 1, "tls_server", "unknown key"),
    "tokens in the wrong file": ("\nbearer_tokens: {a: b}", 2, "bearer_tokens", "--web.tokens-file"),
    "no key file": ("tls_server_config:\n  cert_file: c.pem", 1, "tls_server_config.key_file", "needed"),
    "no such file": ("tls_server_config:\n  cert_file: x.pem\n  key_file: k.pem", 2, "tls_server_config.cert_file", "no file"),
    "junk key": ("tls_server_config:\n  cert_filee: x", 2, "tls_server_config.cert_filee", "unknown key"),
    "version": ("tls_server_config: {cert_file: c.pem, key_file: c.pem, min_version: TLS111}", 1, "min_version", "TLS12"),
    "old version": ("tls_server_config: {cert_file: c.pem, key_file: c.pem, min_version: TLS10}", 1, "min_version", "broken"),
    "client auth": ("tls_server_config: {cert_file: c.pem, key_file: c.pem, client_auth_type: Foo}", 1, "client_auth_type", "Foo"),
    "any certificate": (
        "tls_server_config: {cert_file: c.pem, key_file: c.pem, client_auth_type: RequireAnyClientCert}", 1, "auth_type", "proves",
    ),
    "CA without a policy": (
        "tls_server_config: {cert_file: c.pem, key_file: c.pem, client_ca_file: c.pem}", 1, "client_ca_file", "client_auth_type",
    ),
    "cipher": ("tls_server_config: {cert_file: c.pem, key_file: c.pem, cipher_suites: [a]}", 1, "cipher_suites", "'a'"),
    "certificate that is none": ("tls_server_config:\n  cert_file: c.pem\n  key_file: c.pem", 2, "cert_file", "certificate"),
    "header": ("http_server_config:\n  headers:\n    X-Foo: a", 3, "http_server_config.headers.X-Foo", "unknown key"),
    "header value": ("http_server_config: {headers: {X-Frame-Options: maybe}}", 1, "X-Frame-Options", "deny"),
    "password in plain": ("basic_auth_users:\n  a: b\n  alice: hello", 2, "basic_auth_users.a", "bcrypt"),
    "user twice": (f"basic_auth_users:\n  a: {HASH}\n  a: {HASH}", 3, "basic_auth_users.a", "twice"),
    "not a mapping": ("basic_auth_users: [a]", 1, "basic_auth_users", "mapping"),
    "not YAML": ("a: [1,", 1, "", ""),
    "python tag": ("a: !!python/object/apply:os.system [id]", 1, "", ""),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_mistake_is_reported_with_line_and_key(name, tmp_path):
    source, line, key, words = BAD[name]
    (tmp_path / "c.pem").write_text("nothing")
    (tmp_path / "web.yml").write_text(source)
    with pytest.raises(ConfigError) as caught:
        read_web_config(tmp_path / "web.yml")
    assert caught.value.line == line
    assert key in caught.value.key
    assert words in caught.value.message
    assert str(caught.value).startswith(f"{tmp_path / 'web.yml'}:{line}: ")


def test_empty_file_asks_for_nothing(tmp_path):
    (tmp_path / "web.yml").write_text("")
    config = read_web_config(tmp_path / "web.yml")
    assert (config.tls, config.credentials.configured, config.headers) == (None, False, {})


def test_missing_file_is_an_error_that_names_it(tmp_path):
    with pytest.raises(ConfigError, match=r"absent\.yml: No such file"):
        read_web_config(tmp_path / "absent.yml")


async def test_configured_headers_are_on_every_answer(start, tmp_path):
    (tmp_path / "web.yml").write_text("http_server_config: {headers: {X-Frame-Options: deny, X-XSS-Protection: 1}}\n")
    kit = await start(web_config=tmp_path / "web.yml")
    for reply in (await kit.request("GET /-/healthy"), await kit.request("GET /nope")):
        assert (reply.headers["x-frame-options"], reply.headers["x-xss-protection"]) == ("deny", "1")
        assert reply.headers["x-content-type-options"] == "nosniff"
        assert "server" not in reply.headers


def test_tls_settings_make_a_context_of_at_least_1_2(tmp_path):
    made = trustme.CA().issue_cert("localhost")
    made.private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "c.pem"))
    (tmp_path / "web.yml").write_text("tls_server_config: {cert_file: c.pem, key_file: c.pem, curve_preferences: [X25519]}")
    config = read_web_config(tmp_path / "web.yml")
    assert config.tls is not None
    assert config.tls.context().minimum_version.name == "TLSv1_2"


def test_tokens_are_kept_as_hashes(tmp_path):
    (tmp_path / "secret").write_text("sixteen-characters\n")
    digest = hashlib.sha256(b"other").hexdigest()
    (tmp_path / "tokens.yml").write_text(f"bearer_tokens: {{a: {digest}}}\nbearer_token_files: {{b: secret}}\n")
    tokens, files = read_tokens(tmp_path / "tokens.yml")
    assert tokens == {"a": bytes.fromhex(digest), "b": hashlib.sha256(b"sixteen-characters").digest()}
    assert len(files) == 2
    assert read_all(None, tmp_path / "tokens.yml").credentials.configured


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("bearer_tokens: {a: plain-token}", "64 hex digits"),
        ("bearer_token_files: {a: short}", "at least 16"),
        ("bearer_token_files: {a: absent}", "no file"),
        ("tokens: {}", "unknown key"),
    ],
)
def test_bad_tokens_file_says_what_is_wrong(source, words, tmp_path):
    (tmp_path / "short").write_text("abc")
    (tmp_path / "tokens.yml").write_text(source)
    with pytest.raises(ConfigError, match=words):
        read_tokens(tmp_path / "tokens.yml")


def test_alias_bomb_is_refused_and_a_plain_alias_is_read():
    bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 10)
    )
    with pytest.raises(ConfigError, match="too large"):
        parse(bomb)
    assert parse("a: &x {b: 1}\nc: *x\nd: {<<: *x, e: 2}\n").data == {"a": {"b": 1}, "c": {"b": 1}, "d": {"b": 1, "e": 2}}


def test_deep_yaml_is_refused():
    with pytest.raises(ConfigError):
        parse("[" * 400 + "]" * 400)


def test_line_of_every_key_is_known():
    document = parse("a: 1\nb:\n  - c: 2\n    d: 3\n", "x.yml")
    assert (document.lines[("b", 0, "d")], str(document.error(("b", 0, "d"), "no"))) == (4, "x.yml:4: b[0].d: no")


def test_relative_files_are_beside_the_file_that_names_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "etc").mkdir()
    trustme.CA().issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "etc" / "c.pem"))
    (tmp_path / "etc" / "web.yml").write_text("tls_server_config: {cert_file: c.pem, key_file: c.pem}")
    monkeypatch.chdir(tmp_path)
    config = read_web_config(Path("etc/web.yml"))
    assert config.tls is not None
    assert config.tls.cert_file == tmp_path / "etc" / "c.pem"
