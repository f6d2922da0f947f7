"""Logs on the error stream: one line per event with its facts as keys, for a person at a terminal and as JSON for a machine.

No secret reaches a line: known ones are cut out by their value, others by their look, after a line was rendered whole with
its trace. Excluded: what is logged, and what a line looks like (core/system/log_format.py).
"""

import json
import logging
import re
import sys
from collections.abc import Collection, MutableMapping
from functools import cached_property
from typing import Any, TextIO

HIDDEN = "[hidden]"
_SHORTEST_SECRET = 6
_LOOKS_SECRET = re.compile(
    r"xox[a-z]-[\w-]+|xapp-[\w-]+|xwfp-[\w-]+"  # Slack: types of tokens
    r"|(?<=hooks\.slack\.com/)[\w/-]+"  # Slack: whoever has a response_url may post with it
    r"|(?i:(?<=bearer ))[\w.~+/=-]+"
    r"|(?i:(?<=basic ))[\w+/=]{8,}",
)
_secrets: set[str] = set()
_about: dict[str, str] = {}


class _Log(logging.LoggerAdapter[logging.Logger]):
    """Takes facts as keywords, as structlog does, and leaves structlog unimported until there is a line to render."""

    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> tuple[Any, MutableMapping[str, Any]]:
        """Hand the facts on as the standard library's handlers, pytest's too, know them."""
        trace = kwargs.pop("exc_info", None)
        return msg, {"exc_info": trace, "extra": kwargs}


def logger(name: str) -> logging.LoggerAdapter[logging.Logger]:
    """Return the log of a module: `log.info("what happened", key=value)`."""
    return _Log(logging.getLogger(name))


def about(**facts: str) -> None:
    """Say what this process is about: its every line has these facts, too."""
    _about.update(facts)


def hide(secrets: Collection[str]) -> None:
    """Cut these values out of every line from now on. Values shorter than 6 characters would cut up words, and stay."""
    long_enough = [secret for secret in secrets if len(secret) >= _SHORTEST_SECRET]
    _secrets.update(long_enough)
    _secrets.update(json.dumps(secret, ensure_ascii=False)[1:-1] for secret in long_enough)  # as a line of JSON has them


def redact(text: str) -> str:
    """Return a text without secrets."""
    for secret in sorted(_secrets, key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    return _LOOKS_SECRET.sub(HIDDEN, text)


def configure(*, verbose: bool, quiet_level: int = logging.ERROR, stream: TextIO | None = None) -> None:
    """Send every log of this process, other libraries' too, to the error stream.

    Args:
        verbose: everything that anr logs, and what its libraries tell; otherwise only `quiet_level` and worse.
        quiet_level: of the standard library.
        stream: where to; lines are JSON unless it is a terminal.
    """
    to = stream or sys.stderr
    handler = logging.StreamHandler(stream) if stream else _ErrorStream()
    handler.setFormatter(Redacting(for_people=to.isatty()))
    root = logging.getLogger()
    root.handlers = [attached for attached in root.handlers if not isinstance(attached.formatter, Redacting)]
    root.addHandler(handler)
    root.setLevel(logging.INFO if verbose else quiet_level)
    for ours in ("core", "bot"):
        logging.getLogger(ours).setLevel(logging.DEBUG if verbose else logging.NOTSET)
    logging.getLogger("apscheduler").setLevel(logging.WARNING)  # it would tell each look at the clock


class _ErrorStream(logging.StreamHandler[TextIO]):
    """Writes to whatever is the error stream at that moment."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> TextIO:  # type: ignore[override]  # as the standard library's own last resort does it
        return sys.stderr


class Redacting(logging.Formatter):
    """Renders a record, and cuts secrets out of the finished line."""

    def __init__(self, *, for_people: bool) -> None:
        super().__init__()
        self._for_people = for_people

    @cached_property
    def _lines(self) -> logging.Formatter:
        from core.system.log_format import formatter  # noqa: PLC0415 - structlog is slow to import, and most commands log nothing

        return formatter(for_people=self._for_people, about=_about)

    def format(self, record: logging.LogRecord) -> str:
        """Return the finished line."""
        return redact(self._lines.format(record))
