"""Two decoders of receipts, held against each other: the fast one never takes what the other one refuses."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import AwareDatetime, BaseModel

from core.actors import ALERTMANAGER
from core.canonical import canonical_bytes
from core.receipts.chain import unseal
from core.receipts.plain import _struct, name_of, plain, taken
from core.receipts.receipt import Action, Phase
from tests.core.receipts.test_chain import chained, draft
from tests.support import receipts as said

OLDER = Path(__file__).parents[1] / "journal" / "older_journals"
ALERT = {
    "cause": "0123456789abcdef0123:2025-10-01T09:05:00.000000Z",
    "group": "0" * 20,
    "effect": "freeze",
    "status": "firing",
    "name": "AnrSlow",
    "summary": "p99 is über 2 s\n",
    "labels": {"alertname": "AnrSlow", "Ünïcode": "\u2028", "severity": "page"},
    "whole": True,
    "since": said.AT,
}
SEALED = chained(
    [
        draft(1, Action.FREEZE, Phase.OUTCOME, alert=ALERT, stage_after=0, settings_written=said.SAFE, actor=ALERTMANAGER),
        draft(2, Action.OBSERVED, Phase.EVENT, observation=said.expected_says(0, pilot=0.1, took_s=1.25), stage_after=0),
        draft(3, Action.APPROVE, Phase.EVENT, **said.CONSENT_SAYS),
        draft(4, Action.DAILY, Phase.EVENT, **said.MEASURED_SAYS),
        draft(5, Action.BACKUP, Phase.EVENT, backup=said.COPY_SAYS, late=True, adds_up={"rules": 1, "digest": "0" * 64}),
    ]
)
WRITTEN: list[bytes] = [
    *(sealed.data for sealed in SEALED),
    *(
        text.encode()
        for path in sorted(OLDER.glob("*.json"))
        for *_, text in json.loads(path.read_text(encoding="utf-8"))["receipts"]
    ),
]
LEAVES: list[Any] = [
    0,
    1,
    -1,
    2**70,
    0.0,
    -0.0,
    0.1,
    1e-5,
    1e-3,
    1e16,
    12345678.9,
    True,
    False,
    None,
    "",
    "x",
    '\u007f\u0001\n"\\',
    "\ud7ff",
]
LEAVES += ["2025-10-01T09:05:00.000000Z", "2025-10-01T09:05:00Z", "2025-02-29T09:05:00.000000Z", "2024-02-29T09:05:00.000000Z"]
LEAVES += [
    "0000-01-01T00:00:00.000000Z",
    "2025-10-01T24:00:00.000000Z",
    "2025-10-01T09:05:60.000000Z",
    "2025-04-31T09:05:00.000000Z",
]
LEAVES += ["a" * 64, "0" * 64 + "\n", "z" * 101, "freeze", "event", "slack", [], {}, [None], {"x": "y"}, [{"x": 1}]]


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, part in inner for place in places(part, (*path, key)))]


def changed(value: Any, path: tuple[Any, ...], to: Any) -> Any:
    if not path:
        return to
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = changed(copy[path[0]], path[1:], to)
    return copy


@st.composite
def nearly_receipts(draw: st.DrawFn) -> bytes:
    """A receipt of ours in which something stands that does not belong there, or a byte is another."""
    data: bytes = draw(st.sampled_from(WRITTEN))
    kept = json.loads(data)
    for _ in range(draw(st.integers(0, 2))):
        where = draw(st.sampled_from(places(kept)))
        kept = changed(kept, where, draw(st.sampled_from(LEAVES)))
    try:
        data = canonical_bytes(kept)
    except ValueError:
        return data
    if draw(st.booleans()):
        at, byte = (
            draw(st.integers(0, len(data) - 1)),
            draw(st.sampled_from([b"", b" ", b"0", b"1", b"e", b"E", b"-", b'"', b"\\", b"\n"])),
        )
        data = data[:at] + byte + data[at + draw(st.integers(0, 1)) :]
    return data


@settings(max_examples=400)
@given(nearly_receipts())
@example(WRITTEN[0][:-1])
@example(WRITTEN[0].replace(b'"late":false', b'"late":false,"late":false'))
@example(WRITTEN[1].replace(b"1.25", b"1.250"))
@example(WRITTEN[1].replace(b"1.25", b"0.00001"))
@example(WRITTEN[1].replace(b"1.25", b"1e16"))
def test_what_the_fast_decoder_takes_the_other_reads_alike(data: bytes) -> None:
    """Whatever is altered in a receipt, in its values or its bytes: it is left to `unseal`, or both say the same."""
    fast = taken(data)
    if fast is None:
        return
    receipt = unseal(data).receipt
    assert (fast.seq, fast.prev, fast.target, fast.id, fast.operation) == (
        receipt.seq,
        receipt.prev,
        receipt.target,
        receipt.id,
        receipt.operation,
    )
    assert (fast.action, fast.phase, fast.cause or None) == (receipt.action, receipt.phase, receipt.cause)
    assert (fast.result or None, fast.approval_id or None) == (receipt.result, receipt.approval_id)
    assert (fast.router_version or None, fast.checkpoint or None) == (receipt.router_version, None)
    assert name_of(fast) == unseal(data).file_name


@pytest.mark.parametrize("data", [pytest.param(data, id=f"{json.loads(data)['action']}-{at}") for at, data in enumerate(WRITTEN)])
def test_a_receipt_of_ours_is_read(data: bytes) -> None:
    """Whether by the one or by the other: and the fast one reads all but what carries a report's figures or a checkpoint."""
    receipt = unseal(data).receipt
    assert plain(data).seq == receipt.seq
    left = receipt.metrics is not None or receipt.checkpoint is not None
    assert (taken(data) is None) == left


def test_what_is_no_receipt_is_refused() -> None:
    """As `unseal` refuses it."""
    for data in (b"", b"{}\n", b"[]\n", WRITTEN[0] + b"\n", b"\xff", WRITTEN[0].replace(b"production", b"produ\xffion")):
        with pytest.raises(ValueError, match="bytes are not"):
            plain(data)


def test_a_type_that_no_receipt_had_so_far_is_not_guessed_at() -> None:
    """A field whose type the fast decoder was not told stops the import, and not the reading of some receipts."""

    class Odd(BaseModel):
        at: AwareDatetime
        odd: complex

    with pytest.raises(TypeError, match="is not stated"):
        _struct(Odd)
