from tests.scenarios.conftest import scene

__all__ = ["scene"]  # the fixture
