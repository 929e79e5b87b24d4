"""The clockwork's fixtures."""

from tests.analyzer.worlds import learned, world

__all__ = ["learned", "world"]
