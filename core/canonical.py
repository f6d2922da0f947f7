"""The canonical form of JSON and of times, in which receipts and digests are made.

Canonical JSON: sorted keys, no spaces, UTF-8, one trailing newline, so that the digest of a receipt is the digest of its
file and `sha256sum` with `jq .prev` can follow the chain.
"""

import json
from datetime import UTC, datetime
from operator import methodcaller
from typing import Annotated, Any

from pydantic import AfterValidator, AwareDatetime, PlainSerializer


def canonical_bytes(value: Any) -> bytes:
    """Return the canonical form of a JSON value.

    Raises:
        ValueError: NaN, an infinity or a lone surrogate, which are not JSON in UTF-8.
    """
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode("utf-8") + b"\n"


def rfc3339(moment: datetime) -> str:
    """Return a moment in UTC with microseconds, as RFC 3339 writes it: `2025-10-01T09:05:00.000000Z`."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ").rjust(27, "0")


def parse_moment(text: str) -> datetime:
    """Return the moment that an RFC 3339 text names, in UTC.

    Raises:
        ValueError: not a date-time, or one without an offset.
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} has no offset; write for example 2025-10-01T09:05:00Z")
    return moment.astimezone(UTC)


Moment = Annotated[
    AwareDatetime,
    AfterValidator(methodcaller("astimezone", UTC)),  # in C: a receipt has several, and a journal thousands of receipts
    PlainSerializer(rfc3339, return_type=str, when_used="json"),
]
"""A point in time in UTC, read with its offset and never without; in JSON always with microseconds."""
