"""How far something is that takes long.

Pure. Excluded: showing it (core/cli/progress.py, bot/dispatch/progress.py).
"""

from collections.abc import Callable

OnProgress = Callable[[int, int], None]
"""Told now and then how many bytes of how many were read."""
