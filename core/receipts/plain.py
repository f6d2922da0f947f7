"""Receipts read without building them, for whoever walks a whole journal: as strict as `unseal`, at ten times its speed.

The same models are read by another decoder (msgspec), which is told each field, its type and its bounds. What it reads and
writes again to the same bytes is a receipt in canonical form. What it does not take (a figure that not every encoder writes
alike, the figures of a report) is neither right nor wrong, and is read by `unseal`.

Pure. Excluded: what a chain of them says (core/receipts/chain.py).
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import Enum
from functools import reduce
from operator import or_
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Protocol, Union, get_args, get_origin

import msgspec
from annotated_types import Ge, MaxLen, MinLen
from pydantic import AwareDatetime, BaseModel

from core.canonical import rfc3339
from core.receipts.chain import MAX_RECEIPT_BYTES, file_name, unseal
from core.receipts.evidence import AddedUp, Checkpoint
from core.receipts.receipt import Receipt

_MOMENT = (  # a 29th of February is left to `unseal`
    r"\A[12]\d{3}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12]\d|3[01])|(?:0[469]|11)-(?:0[1-9]|[12]\d|30)|02-(?:0[1-9]|1\d|2[0-8]))"
    r"T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d\.\d{6}Z\Z"
)
_LEAST, _MOST = 1e-3, 1e6
"""Figures beyond these are written with an exponent by the one encoder and without by the other."""


class PlainReceipt(Protocol):
    """What is asked of every receipt of a journal: the fields of `Receipt` with these names, as both decoders have them.

    A field that an older receipt does not have is None, or msgspec's UNSET.
    """

    @property
    def seq(self) -> int: ...  # noqa: D102 - as Receipt has them
    @property
    def prev(self) -> str: ...  # noqa: D102
    @property
    def target(self) -> str: ...  # noqa: D102
    @property
    def id(self) -> str: ...  # noqa: D102
    @property
    def cause(self) -> str | None: ...  # noqa: D102
    @property
    def operation(self) -> str: ...  # noqa: D102
    @property
    def ts(self) -> datetime | str: ...  # noqa: D102
    @property
    def action(self) -> str: ...  # noqa: D102
    @property
    def holds_added(self) -> Sequence[Any]: ...  # noqa: D102
    @property
    def phase(self) -> str: ...  # noqa: D102
    @property
    def result(self) -> str | None: ...  # noqa: D102
    @property
    def approval_id(self) -> str | None: ...  # noqa: D102
    @property
    def router_version(self) -> str | None: ...  # noqa: D102
    @property
    def observation(self) -> Any: ...  # noqa: D102
    @property
    def checkpoint(self) -> Checkpoint | None: ...  # noqa: D102
    @property
    def adds_up(self) -> AddedUp | None: ...  # noqa: D102


class _Figure(float):
    """A number that every encoder writes alike."""

    __slots__ = ()


def _figure(wanted: type, value: object) -> object:
    if wanted is _Figure and isinstance(value, float) and (value == 0 or _LEAST < abs(value) < _MOST):
        return _Figure(value)
    raise ValueError("not every encoder writes it alike")


def _struct(model: type[BaseModel]) -> Any:
    """Return what decodes a model's JSON."""
    known = [(name, field) for name, field in sorted(model.model_fields.items()) if not field.exclude]
    fields: list[Any] = []
    for name, field in known:
        read = _bounded(_type(field.annotation), field.metadata)
        fields.append((name, read) if field.is_required() else (name, read | msgspec.UnsetType, msgspec.UNSET))
    return msgspec.defstruct(model.__name__, fields, kw_only=True, gc=False, forbid_unknown_fields=True)


def _type(annotation: Any) -> Any:
    """Return what decodes a field.

    Raises:
        TypeError: a type that no receipt had so far: say here how it is read.
    """
    if isinstance(annotation, type):
        return _named_type(annotation)
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _type(inner[0])
    if origin in {Union, UnionType}:
        return reduce(or_, map(_type, inner))
    if origin is tuple and inner[1:] == (...,):
        return tuple[_type(inner[0]), ...]  # type: ignore[misc]
    if origin in {dict, Mapping}:
        return dict[str, str] if inner == (str, str) else NoneType
    if origin is Literal:
        return annotation
    raise TypeError(f"how {annotation!r} of a receipt is decoded is not stated")


def _named_type(annotation: type) -> Any:
    if annotation is AwareDatetime:
        return Annotated[str, msgspec.Meta(pattern=_MOMENT)]
    if annotation is float:
        return _Figure
    if issubclass(annotation, BaseModel):
        return _struct(annotation)
    if issubclass(annotation, Enum):
        return Literal[*(member.value for member in annotation)]
    if annotation in {str, int, bool, NoneType}:
        return annotation
    raise TypeError(f"how {annotation!r} of a receipt is decoded is not stated")


def _bounded(read: Any, bounds: list[Any]) -> Any:
    """Return a type with a field's bounds; of a moment they are in its pattern."""
    for bound in bounds:
        match bound:
            case Ge(ge=int(least)):
                read = Annotated[read, msgspec.Meta(ge=least)]
            case MinLen(min_length=least):
                read = Annotated[read, msgspec.Meta(min_length=least)]
            case MaxLen(max_length=most):
                read = Annotated[read, msgspec.Meta(max_length=most)]
            case _ if pattern := getattr(bound, "pattern", None):
                read = Annotated[read, msgspec.Meta(pattern=pattern.replace("$", r"\Z"))]
    return read


_DECODER: msgspec.json.Decoder[Any] = msgspec.json.Decoder(_struct(Receipt), dec_hook=_figure)
_ENCODER = msgspec.json.Encoder(order="deterministic", enc_hook=float)


def taken(data: bytes) -> PlainReceipt | None:
    """Return what a receipt says; None if that is left to `unseal`."""
    if len(data) > MAX_RECEIPT_BYTES:
        return None
    try:
        found = _DECODER.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    return found if _ENCODER.encode(found) + b"\n" == data else None


def plain(data: bytes) -> PlainReceipt:
    """Return what a receipt says.

    Raises:
        ValueError: the bytes are no receipt, or not in canonical form.
    """
    return taken(data) or unseal(data).receipt


def time_of(receipt: PlainReceipt) -> str:
    """Return when a receipt was written, in RFC 3339: in this form times are in the order of their texts."""
    return receipt.ts if isinstance(receipt.ts, str) else rfc3339(receipt.ts)


def name_of(receipt: PlainReceipt) -> str:
    """Return the name of a receipt's file."""
    return file_name(receipt.seq, time_of(receipt), receipt.action)
