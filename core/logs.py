"""Logs on the error stream: one line per event with its facts as keys, for a person at a terminal and as JSON for a machine.

No secret reaches a line: known ones are cut out by their value, others by their look, after a line was rendered whole with
its trace. Excluded: what is logged.
"""

import json
import logging
import re
import sys
from collections.abc import Collection, MutableMapping
from typing import Any, TextIO

import structlog

HIDDEN = "[hidden]"
_SHORTEST_SECRET = 6
_LOOKS_SECRET = re.compile(
    r"xox[a-z]-[\w-]+|xapp-[\w-]+|xwfp-[\w-]+"  # Slack: types of tokens
    r"|(?<=hooks\.slack\.com/)[\w/-]+"  # Slack: whoever has a response_url may post with it
    r"|(?i:(?<=bearer ))[\w.~+/=-]+"
    r"|(?i:(?<=basic ))[\w+/=]{8,}",
)
_secrets: set[str] = set()

structlog.configure(
    processors=[
        structlog.stdlib.filter_by_level,
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.stdlib.render_to_log_kwargs,  # the standard library's handlers, pytest's too, see plain messages
    ],
    wrapper_class=structlog.stdlib.BoundLogger,
    logger_factory=structlog.stdlib.LoggerFactory(),
)


def logger(name: str) -> structlog.stdlib.BoundLogger:
    """Return the log of a module: `log.info("what happened", key=value)`."""
    log: structlog.stdlib.BoundLogger = structlog.get_logger(name)
    return log


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
    is_terminal = to.isatty()
    # a plain trace: a pretty one shows local values, and its frames could cut a secret in two
    for_people = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    render: Any = for_people if is_terminal else structlog.processors.JSONRenderer(ensure_ascii=False)
    for_machines: list[Any] = [] if is_terminal else [structlog.processors.format_exc_info, _named_message]
    handler = logging.StreamHandler(stream) if stream else _ErrorStream()
    handler.setFormatter(
        Redacting(
            foreign_pre_chain=[
                structlog.contextvars.merge_contextvars,
                structlog.stdlib.add_log_level,
                structlog.stdlib.add_logger_name,
                structlog.stdlib.ExtraAdder(),
                structlog.processors.TimeStamper(fmt="iso", utc=True),
            ],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *for_machines,
                render,
            ],
        ),
    )
    root = logging.getLogger()
    root.handlers = [one for one in root.handlers if not isinstance(one.formatter, Redacting)]
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


class Redacting(structlog.stdlib.ProcessorFormatter):
    """Renders a record, and cuts secrets out of the finished line."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the finished line."""
        return redact(super().format(record))


def _named_message(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Name the event as other tools expect it."""
    event["message"] = event.pop("event", "")
    return event
