"""Endpoints we call: credentials from files, TLS, no redirect followed."""

from __future__ import annotations

import asyncio
import ssl

import aiohttp
import pytest
import trustme
from aiohttp import web
from aiohttp.test_utils import TestServer

from service.httpclient import HttpConfig, HttpConfigError, make_session


@pytest.fixture
async def upstream():
    """A server that shows what it was sent; ``/away`` redirects, ``/hang`` never answers."""

    async def show(request: web.Request) -> web.Response:
        return web.json_response(dict(request.headers))

    async def away(_request: web.Request) -> web.Response:
        return web.Response(status=307, headers={"Location": "/show"})

    async def hang(_request: web.Request) -> web.Response:
        await asyncio.sleep(30)
        return web.Response()

    app = web.Application()
    app.add_routes([web.get("/show", show), web.route("*", "/away", away), web.get("/hang", hang)])
    async with TestServer(app) as server:
        yield server


async def sent(upstream, data) -> dict[str, str]:
    async with make_session(HttpConfig.parse(data)) as session, session.get(upstream.make_url("/show")) as answer:
        return await answer.json()


async def test_basic_auth_is_sent(upstream):
    headers = await sent(upstream, {"basic_auth": {"username": "alice", "password": "p"}})
    assert headers["Authorization"] == "Basic YWxpY2U6cA=="


async def test_tenant_header_and_own_name_are_sent(upstream):
    headers = await sent(upstream, {"headers": {"X-Scope-OrgID": "team-a"}})
    assert headers["X-Scope-OrgID"] == "team-a"
    assert headers["User-Agent"].startswith("openmanager/")


async def test_credentials_file_is_read_again_for_each_request(upstream, tmp_path):
    (tmp_path / "token").write_text("first\n")
    config = HttpConfig.parse({"authorization": {"credentials_file": "token"}}, folder=tmp_path)
    async with make_session(config) as session:
        for token in ("first", "second"):
            (tmp_path / "token").write_text(token + "\n")
            async with session.get(upstream.make_url("/show")) as answer:
                assert (await answer.json())["Authorization"] == f"Bearer {token}"


async def test_redirect_is_returned_and_not_followed(upstream):
    async with make_session(HttpConfig.parse(None)) as session:
        async with session.get(upstream.make_url("/away")) as answer:
            assert answer.status == 307
        async with session.post(upstream.make_url("/away"), data=b"x") as answer:
            assert answer.status == 307


async def test_answer_that_never_comes_ends_in_time(upstream):
    async with make_session(HttpConfig.parse(None), timeout_seconds=0.2) as session:
        with pytest.raises(TimeoutError):
            await session.get(upstream.make_url("/hang"))


async def test_tls_is_verified_against_the_given_authority_and_name(tmp_path):
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("prometheus.internal").configure_cert(context)

    async def hello(_request: web.Request) -> web.Response:
        return web.Response(text="hello")

    app = web.Application()
    app.router.add_get("/", hello)
    server = TestServer(app)
    await server.start_server(ssl=context)
    good = {"tls_config": {"ca_file": "ca.pem", "server_name": "prometheus.internal"}}
    for data, works in ((good, True), ({"tls_config": {"ca_file": "ca.pem"}}, False), ({}, False)):
        async with make_session(HttpConfig.parse(data, folder=tmp_path)) as session:
            if works:
                async with session.get(f"https://127.0.0.1:{server.port}/") as answer:
                    assert await answer.text() == "hello"
            else:
                with pytest.raises(aiohttp.ClientConnectorCertificateError):
                    await session.get(f"https://127.0.0.1:{server.port}/")
    await server.close()


@pytest.mark.parametrize(
    ("data", "key"),
    [
        ({"basic_auth": {"password": "x"}}, "basic_auth.username"),
        ({"basic_auth": {"username": "a", "password": "x", "password_file": "y"}}, "basic_auth.password"),
        ({"basic_auth": {"username": "a"}, "authorization": {"credentials": "x"}}, "authorization"),
        ({"authorization": {"type": "Basic", "credentials": "x"}}, "authorization.type"),
        ({"authorization": {"credentials": "a\r\nX: y"}}, "authorization.credentials"),
        ({"tls_config": {"cert_file": "x"}}, "tls_config.cert_file"),
        ({"tls_config": {"insecure_skip_verify": "no"}}, "tls_config.insecure_skip_verify"),
        ({"tls_config": {"min_version": "TLS10"}}, "tls_config.min_version"),
        ({"headers": {"Authorization": "x"}}, "headers.Authorization"),
        ({"headers": {"X Y": "x"}}, "headers.X Y"),
        ({"follow_redirects": True}, "follow_redirects"),
        ({"proxy_url": "gopher://x"}, "proxy_url"),
        ({"user": "x"}, "user"),
        ([], ""),
    ],
)
def test_bad_http_config_names_its_key(data, key):
    if data == []:
        data = ["x"]
    with pytest.raises(HttpConfigError) as caught:
        HttpConfig.parse(data)
    assert caught.value.key == key


def test_secrets_are_not_shown():
    config = HttpConfig.parse({"basic_auth": {"username": "a", "password": "hunter2"}})
    assert "hunter2" not in repr(config)
