"""An application of the kit with nothing on it."""

from prometheus_client import CollectorRegistry

from service.app import create_app


def plain_app(name="stub"):
    """Routes may be added."""
    return create_app(name=name, registry=CollectorRegistry())
