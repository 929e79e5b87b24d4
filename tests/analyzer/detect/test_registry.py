"""Every detector is one file and one line in the registry."""

import importlib
import inspect
import pkgutil

import pytest

import analyzer.detect
import analyzer.detect.hosts
from analyzer.detect.hosts.members import HostDetector
from analyzer.detect.members import Detector
from analyzer.detect.registry import DETECTORS, HOST_DETECTORS

PLACES = [(analyzer.detect, DETECTORS, Detector), (analyzer.detect.hosts, HOST_DETECTORS, HostDetector)]


def written(package):
    """Every class of a package that measures something and has no kinds of itself."""
    for found in pkgutil.iter_modules(package.__path__):
        module = importlib.import_module(f"{package.__name__}.{found.name}")
        own = [c for _, c in inspect.getmembers(module, inspect.isclass) if c.__module__ == module.__name__]
        measuring = [c for c in own if hasattr(c, "measure") and hasattr(c, "kind")]
        yield from (c for c in measuring if not any(c in other.__bases__ for other in measuring))


@pytest.mark.parametrize(("package", "registry", "protocol"), PLACES)
def test_every_detector_that_is_written_runs(package, registry, protocol):
    assert set(written(package)) == set(registry.values())


@pytest.mark.parametrize(("package", "registry", "protocol"), PLACES)
def test_detectors_are_listed_under_their_kind(package, registry, protocol):
    assert {kind: d.kind for kind, d in registry.items()} == {kind: kind for kind in registry}


@pytest.mark.parametrize(("package", "registry", "protocol"), PLACES)
def test_every_detector_can_do_what_the_protocol_asks(package, registry, protocol):
    asked = [name for name in vars(protocol) if not name.startswith("_") and callable(getattr(protocol, name))]
    assert [(d.__name__, name) for d in registry.values() for name in asked if not callable(getattr(d, name, None))] == []


def test_fields_of_the_detectors_of_servers_are_their_own():
    fields = [name for d in HOST_DETECTORS.values() for name in d.fields(3, 60.0)]
    assert len(fields) == len(set(fields))
