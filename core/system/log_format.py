"""What a line of the log looks like: for a person at a terminal, or as JSON for a machine.

Excluded: where lines go, and secrets, which are cut out of the finished line (core/system/logs.py).
"""

import logging
from collections.abc import Mapping, MutableMapping
from typing import Any

import structlog


def formatter(*, for_people: bool, about: Mapping[str, str]) -> logging.Formatter:
    """Return what renders a record with its facts, those of the context, and what the process is `about`."""
    # a plain trace: a pretty one shows local values, and its frames could cut a secret in two
    person = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    machine = (structlog.processors.format_exc_info, _named_message, structlog.processors.JSONRenderer(ensure_ascii=False))

    def with_subject(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        return {**about, **event}

    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[
            structlog.contextvars.merge_contextvars,
            with_subject,
            structlog.stdlib.add_log_level,
            structlog.stdlib.add_logger_name,
            structlog.stdlib.ExtraAdder(),
            structlog.processors.TimeStamper(fmt="iso", utc=True),
        ],
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *((person,) if for_people else machine)],
    )


def _named_message(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Name the event as other tools expect it."""
    event["message"] = event.pop("event", "")
    return event
