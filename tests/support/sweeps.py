"""How long a sweep is: short where everybody runs it, long with the torture. CI runs both."""

import pytest


def sweep(short: int, long: int) -> pytest.MarkDecorator:
    """Run a test with `rounds` of both lengths; the long one carries the torture's marker."""
    return pytest.mark.parametrize("rounds", [short, pytest.param(long, marks=pytest.mark.torture)])
