"""The entry point of `anr`: a running bot does it, where one is there and may; else this process does.

What does it here is imported only then: who asks a bot for a status does not wait for it.
"""

import gc
import os
import sys

from core.cli.client import hand_over


def main() -> None:
    """Run the command line.

    Raises:
        SystemExit: always, with the exit code.
    """
    gc.disable()  # imports leave no garbage, and looking for it takes a tenth of a short command; `common` goes on with it
    try:
        handed = hand_over(sys.argv[1:], os.environ)
        if handed.code is not None:
            sys.exit(handed.code)
        _done_here(handed.unasked)
    finally:
        gc.freeze()  # the process ends: as much time again to look through all of it for the last time


def _done_here(unasked: str) -> None:
    import bot.cli.table  # noqa: F401, PLC0415 - adds the bot's commands; slow to import
    from core.cli.app import app, run  # noqa: PLC0415 - as above
    from core.cli.said import UNASKED  # noqa: PLC0415 - as above

    UNASKED.set(unasked)
    run(app)
