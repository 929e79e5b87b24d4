"""The document and the routes are the same API."""

import yaml
from openapi_spec_validator import validate

from analyzer.api.app import OPENAPI
from tests.analyzer.api.test_analyze import spiked

METHODS = {"get", "post", "put", "delete", "patch"}


def document():
    return yaml.safe_load(OPENAPI.read_text())


def test_the_document_is_openapi():
    validate(document())


async def test_every_route_is_in_the_document_and_the_other_way_round(api):
    routes = {(r.method.lower(), r.resource.canonical) for r in api.app.router.routes() if r.method != "HEAD"}
    written = {(method, path) for path, item in document()["paths"].items() for method in METHODS & set(item)}
    assert written == routes


async def test_it_is_served(api):
    async with api.session.get("/api/v1/openapi.yaml") as reply:
        assert (reply.content_type, await reply.text()) == ("application/yaml", OPENAPI.read_text())


async def test_answers_have_the_fields_that_it_promises(told):
    for name, body in {
        "Incident": (await told.get("/api/v1/incidents/inc1"))[1],
        "Finding": (await told.get("/api/v1/findings"))[1]["findings"][0],
        "Server": (await told.get("/api/v1/servers/web-01"))[1],
        "Analysis": (await told.post("/analyze", {"metrics": spiked()}))[1],
        "Error": (await told.get("/api/v1/incidents/nobody"))[1],
    }.items():
        schema = document()["components"]["schemas"][name]
        assert set(body) <= set(schema["properties"]), name
        assert set(schema["required"]) <= set(body), name
