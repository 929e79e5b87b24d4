"""TLS from the web config: versions, client certificates, and a new certificate under load (promise P13)."""

from __future__ import annotations

import asyncio
import socket
import ssl
import subprocess
import warnings
from pathlib import Path

import aiohttp
import bcrypt
import pytest
import trustme

from deploy.local.servers import need
from service.limits import Limits


class Authority:
    """A certificate authority and the files of a server certificate."""

    def __init__(self, folder: Path) -> None:
        self.ca = trustme.CA()
        self.folder = folder
        self.ca.cert_pem.write_to_path(str(folder / "ca.pem"))

    def issue(self) -> str:
        """Write a fresh certificate and key for localhost; its serial number."""
        made = self.ca.issue_cert("localhost", "127.0.0.1")
        (self.folder / "server.key.new").write_bytes(made.private_key_pem.bytes())
        (self.folder / "server.crt.new").write_bytes(b"".join(blob.bytes() for blob in made.cert_chain_pems))
        (self.folder / "server.key.new").replace(self.folder / "server.key")
        (self.folder / "server.crt.new").replace(self.folder / "server.crt")
        return made.cert_chain_pems[0].bytes().decode()

    def config(self, *lines: str) -> Path:
        path = self.folder / "web.yml"
        path.write_text("\n".join(["tls_server_config:", "  cert_file: server.crt", "  key_file: server.key", *lines]) + "\n")
        return path

    def client(self) -> ssl.SSLContext:
        context = ssl.create_default_context()
        self.ca.configure_trust(context)
        return context


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    made = Authority(tmp_path)
    made.issue()
    return made


def served_certificate(address: tuple[str, int], context: ssl.SSLContext) -> str:
    with socket.create_connection(address) as sock, context.wrap_socket(sock, server_hostname="localhost") as tls:
        return ssl.DER_cert_to_PEM_cert(tls.getpeercert(binary_form=True) or b"")


async def test_https_is_served_with_the_configured_certificate(start, authority):
    kit = await start(web_config=authority.config())
    assert kit.url.startswith("https://")
    reply = await kit.request("GET /-/healthy", tls=authority.client())
    assert reply.body == b"healthy\n"


async def test_plain_http_on_a_tls_port_is_400(start, authority):
    kit = await start(web_config=authority.config())
    reply = await kit.request("GET /-/healthy")
    assert (reply.status, reply.json()["error"]) == (400, "plain_http")


async def test_row_12_tls_handshake_that_never_comes_is_closed(start, authority):
    kit = await start(web_config=authority.config(), limits=Limits(header_seconds=0.3))
    assert (await kit.raw(b"", seconds=3)).closed
    assert (await kit.raw(b"\x16\x03\x01", seconds=3)).closed
    assert kit.server.connections == 0


async def test_p13_tls_below_1_2_is_refused(start, authority):
    kit = await start(web_config=authority.config())
    context = authority.client()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises((ssl.SSLError, ConnectionError)):
        await asyncio.to_thread(served_certificate, kit.address, context)


async def test_min_version_13_refuses_12(start, authority):
    kit = await start(web_config=authority.config("  min_version: TLS13"))
    context = authority.client()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises((ssl.SSLError, ConnectionError)):
        await asyncio.to_thread(served_certificate, kit.address, context)


async def test_client_certificate_is_required_and_verified(start, authority):
    lines = ("  client_auth_type: RequireAndVerifyClientCert", "  client_ca_file: ca.pem")
    kit = await start(web_config=authority.config(*lines), listen=["0.0.0.0:0"])
    own, foreign, none = authority.client(), authority.client(), authority.client()
    authority.ca.issue_cert("client").configure_cert(own)
    trustme.CA().issue_cert("client").configure_cert(foreign)
    assert (await kit.request("POST /change", tls=own)).json() == {"changed": True}
    for context in (foreign, none):
        with pytest.raises((ssl.SSLError, ConnectionError, AssertionError)):
            assert (await kit.request("POST /change", tls=context)).status == 200


async def test_client_certificate_of_another_name_is_refused(start, authority):
    lines = ("  client_auth_type: RequireAndVerifyClientCert", "  client_ca_file: ca.pem", "  client_allowed_sans: [prometheus]")
    kit = await start(web_config=authority.config(*lines))
    right, wrong = authority.client(), authority.client()
    authority.ca.issue_cert("prometheus").configure_cert(right)
    authority.ca.issue_cert("other").configure_cert(wrong)
    assert (await kit.request("GET /-/healthy", tls=right)).status == 200
    assert (await kit.request("GET /-/healthy", tls=wrong)).status == 0


async def test_p13_certificate_is_exchanged_under_load_without_a_failed_request(start, authority):
    kit = await start(web_config=authority.config())
    before = await asyncio.to_thread(served_certificate, kit.address, authority.client())
    outcomes: list[int] = []
    stop = asyncio.Event()

    async def load() -> None:
        while not stop.is_set():  # a new connection each time, as a scraper without keep-alive
            connector = aiohttp.TCPConnector(ssl=authority.client(), force_close=True)
            async with aiohttp.ClientSession(connector=connector) as session, session.get(kit.url + "/-/healthy") as answer:
                outcomes.append(answer.status)

    clients = [asyncio.ensure_future(load()) for _ in range(4)]
    for _ in range(5):
        await asyncio.sleep(0.2)
        await asyncio.to_thread(authority.issue)
    await asyncio.sleep(0.2)
    stop.set()
    await asyncio.gather(*clients)
    after = await asyncio.to_thread(served_certificate, kit.address, authority.client())
    assert before != after
    assert len(outcomes) > 20
    assert set(outcomes) == {200}


async def test_p13_broken_certificate_keeps_the_old_one(start, authority, tmp_path):
    kit = await start(web_config=authority.config())
    (tmp_path / "server.crt").write_text("not a certificate")
    assert (await kit.request("GET /-/healthy", tls=authority.client())).status == 200
    assert kit.value("openmanager_web_config_last_reload_successful") == 0


async def test_open_connection_survives_a_new_certificate(start, authority):
    kit = await start(web_config=authority.config())
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=authority.client(), limit=1)) as session:
        for _ in range(2):
            async with session.get(kit.url + "/-/healthy") as answer:
                assert answer.status == 200
            await asyncio.to_thread(authority.issue)


@pytest.mark.servers
def test_standard_parts_are_accepted_by_promtool(authority, tmp_path):
    path = authority.config(
        "  min_version: TLS12",
        "  client_auth_type: RequireAndVerifyClientCert",
        "  client_ca_file: ca.pem",
        "  cipher_suites: [TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256]",
        "http_server_config: {headers: {X-Frame-Options: deny}}",
        "basic_auth_users: {alice: $2y$04$jQ9fZ7tXzZ0gI8mY9b0nJuVY9CwM6lrIroKBdYFRwUyPLY9dTxHOm}",
    )
    done = subprocess.run([need("promtool"), "check", "web-config", str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    from service.webconfig import read_web_config

    assert read_web_config(path).credentials.configured


@pytest.mark.servers
async def test_real_prometheus_scrapes_through_tls_and_basic_auth(start, authority, tmp_path):
    users = "basic_auth_users: {prom: " + bcrypt.hashpw(b"secret", bcrypt.gensalt(4)).decode() + "}"
    kit = await start(web_config=authority.config(users))
    (tmp_path / "prom.yml").write_text(f"""
scrape_configs:
- job_name: kit
  scrape_interval: 200ms
  scheme: https
  basic_auth: {{username: prom, password: secret}}
  tls_config: {{ca_file: {tmp_path}/ca.pem}}
  static_configs: [{{targets: ["127.0.0.1:{kit.address[1]}"]}}]
""")
    binary = need("prometheus")
    port = free_port()
    command = [
        binary,
        f"--config.file={tmp_path}/prom.yml",
        f"--storage.tsdb.path={tmp_path}/data",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    process = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.DEVNULL)
    try:
        assert await answers(f"http://127.0.0.1:{port}/api/v1/query?query=openmanager_build_info", '"version"')
    finally:
        process.terminate()
        await process.wait()
    assert kit.rejected("auth", "unauthorized") == 0


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


async def answers(url: str, words: str, seconds: float = 20) -> bool:
    """Whether `url` says `words` before the time is up."""
    async with aiohttp.ClientSession() as session:
        for _ in range(int(seconds / 0.2)):
            await asyncio.sleep(0.2)
            try:
                async with session.get(url) as answer:
                    if words in await answer.text():
                        return True
            except aiohttp.ClientError:
                continue
    return False
