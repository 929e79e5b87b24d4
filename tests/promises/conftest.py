"""The clockwork's fixtures."""

from tests.analyzer.conftest import learned, world

__all__ = ["learned", "world"]
