"""omctl's requests: answers parsed, refusals told, tokens kept."""

import socket
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from analyzer.remote import Remote, RemoteError, quote
from service.server import running
from tests.analyzer.stub import plain_app


@asynccontextmanager
async def serving(seen):
    """Routes that answer as they should and as they should not."""

    async def echo(request):
        seen.append((request.method, request.path_qs, request.headers.get("Authorization"), await request.text()))
        return web.json_response({"ok": True})

    async def refuse(request):
        return web.json_response({"error": "schema", "detail": "kind: one of a, b"}, status=422)

    app = plain_app()
    app.router.add_route("*", "/echo", echo)
    app.router.add_get("/refuse", refuse)
    app.router.add_get("/html", answer(text="<html>Prometheus</html>", content_type="text/html"))
    app.router.add_get("/missing", answer(text="404 page not found", status=404))
    app.router.add_get("/closed", answer(text='{"error": "unauthorized", "detail": "no credentials"}', status=401))
    app.router.add_get("/away", answer(status=302, headers={"Location": "http://127.0.0.1:1/steal"}))
    app.router.add_delete("/empty", answer(status=204))
    async with running(app) as server:
        yield server.urls[0]


def answer(**what):
    """A handler that answers always the same."""

    async def handler(_request):
        return web.Response(**what)

    return handler


@pytest.fixture
def seen():
    return []


@pytest.fixture
def url(in_background, seen):
    return in_background(serving(seen))


def test_a_question_and_its_answer(url, seen):
    assert Remote(url + "/", "s3cret").ask("POST", "/echo", body={"a": "가"}, query={"q": "x y"}) == {"ok": True}
    assert seen == [("POST", "/echo?q=x+y", "Bearer s3cret", '{"a": "\\uac00"}')]


def test_without_a_token_none_is_sent(url, seen):
    Remote(url).ask("GET", "/echo")
    assert seen[0][2] is None


def test_an_empty_answer_is_nothing(url):
    assert Remote(url).ask("DELETE", "/empty") == {}


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("/refuse", 422, "422 schema: kind: one of a, b"),
        ("/closed", 401, "401 unauthorized: no credentials; give a token as OMCTL_TOKEN"),
        ("/missing", 404, "as no service of ours would; is this its address?"), ("/html", 0, "did not answer JSON"),
        ("/away", 302, "answered 302"),
    ],
)  # fmt: skip
def test_a_refusal_says_what_to_do(url, path, status, said):
    with pytest.raises(RemoteError) as refused:
        Remote(url, "s3cret").ask("GET", path)
    assert refused.value.status == status
    assert said in str(refused.value)
    assert "s3cret" not in str(refused.value)


def test_a_service_that_is_not_there():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{free.getsockname()[1]}"
        with pytest.raises(RemoteError, match=r"does not answer.*is it running"):
            Remote(address).ask("GET", "/")


@pytest.mark.parametrize("address", ["ftp://x", "file:///etc/passwd", "localhost:10181", ""])
def test_only_web_addresses_are_asked(address):
    with pytest.raises(RemoteError, match="starts with http"):
        Remote(address).ask("GET", "/")


@pytest.mark.parametrize("address", ["http://", "http://[", "http://a b", "http://127.0.0.1:99999", "http://127.0.0.1:port"])
def test_an_address_that_is_none(address):
    with pytest.raises(RemoteError):
        Remote(address).ask("GET", "/")


def test_a_name_becomes_one_segment():
    assert quote("a/b ?#%") == "a%2Fb%20%3F%23%25"
