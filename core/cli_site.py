"""The site that a command operates.

Excluded: the commands (core/cli.py and the files beside it).
"""

from collections.abc import Iterator
from contextlib import contextmanager

from core import logs
from core.cli_options import NAMED_TARGET
from core.settings import Settings, load
from core.site import Site
from core.terminal import working


@contextmanager
def operating() -> Iterator[tuple[Settings, Site]]:
    """Yield the settings and the site that they describe; long reading shows its progress."""
    settings = load()
    logs.hide(settings.secrets)
    target = settings.target_named(NAMED_TARGET.get())
    with working() as on_progress:
        site = Site.at(target, settings.access, on_progress=on_progress)
        try:
            yield settings, site
        finally:
            site.journal.close()
