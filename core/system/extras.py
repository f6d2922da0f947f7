"""How an extra is added to the anr that runs: from where it came itself. The name `anr` is somebody else's in Python's index.

Excluded: what needs which extra (pyproject.toml).
"""

import json
import sys
from importlib.metadata import PackageNotFoundError, distribution

_FROM_A_WHEEL = "file:///…/anr-VERSION-py3-none-any.whl"


def how_to_add(extra: str) -> str:
    """Return a sentence with the command that adds an extra, from the repository or the wheel that anr was installed from."""
    return f'`{sys.executable} -m pip install "{_requirement(extra)}"` adds it, from where this anr came.'


def _requirement(extra: str) -> str:
    """Return the requirement as pip takes it, by what it noted when it installed anr (the direct_url.json of PEP 610)."""
    try:
        noted = json.loads(distribution("anr").read_text("direct_url.json") or "{}")
    except (PackageNotFoundError, OSError, ValueError):
        noted = {}
    url = noted.get("url") if isinstance(noted, dict) else None
    return f"anr[{extra}] @ {url if isinstance(url, str) else _FROM_A_WHEEL}"
