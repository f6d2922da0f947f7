"""The whole story's stage, as the scenarios have it."""

from tests.scenarios.conftest import _no_proxy, played, scene, target

__all__ = ["_no_proxy", "played", "scene", "target"]
