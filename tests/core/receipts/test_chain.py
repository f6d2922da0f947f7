from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from core.actors import Actor, ActorKind
from core.receipts.chain import GENESIS, Sealed, flaws_in_chain, seal, unseal
from core.receipts.receipt import Action, Draft, Phase

MOMENT = datetime(2025, 10, 1, 9, 5, tzinfo=UTC)
PERSON = Actor(kind=ActorKind.SLACK, id="UOLIVIA")


def draft(number: int, action: Action, phase: Phase, **facts: object) -> Draft:
    standing = {"id": f"r{number}", "operation": f"o{number}", "ts": MOMENT, "actor": PERSON}
    return Draft.model_validate({**standing, "action": action, "phase": phase, **facts})


def chained(drafts: list[Draft]) -> list[Sealed]:
    sealed: list[Sealed] = []
    for number, unsealed in enumerate(drafts, 1):
        sealed.append(seal(unsealed, target="production", seq=number, prev=sealed[-1].digest if sealed else GENESIS))
    return sealed


def rows(sealed: list[Sealed]) -> list[tuple[int, bytes, str]]:
    return [(sealed_receipt.receipt.seq, sealed_receipt.data, sealed_receipt.digest) for sealed_receipt in sealed]


CHAIN = chained([draft(number, Action.DAILY, Phase.EVENT, note=f"day {number} ü") for number in range(1, 6)])


def test_an_untouched_chain_has_no_flaw() -> None:
    """What was sealed verifies, and reads back as what it was."""
    assert flaws_in_chain(rows(CHAIN), target="production") == []
    assert [unseal(sealed.data) for sealed in CHAIN] == CHAIN


@given(st.integers(0, 4), st.data())
def test_any_single_flipped_byte_in_any_receipt_breaks_the_chain(which: int, data: st.DataObject) -> None:
    """Whichever byte changes, into whatever, verification names the receipt."""
    broken = rows(CHAIN)
    seq, content, digest = broken[which]
    at = data.draw(st.integers(0, len(content) - 1))
    flip = data.draw(st.integers(1, 255))
    broken[which] = (seq, content[:at] + bytes([content[at] ^ flip]) + content[at + 1 :], digest)
    assert seq in {flaw.seq for flaw in flaws_in_chain(broken, target="production")}


@given(st.integers(0, 3))
def test_a_deleted_receipt_breaks_the_chain(which: int) -> None:
    """Whatever is missing before the tail is missed."""
    assert flaws_in_chain([row for number, row in enumerate(rows(CHAIN)) if number != which], target="production")


def test_two_swapped_receipts_break_the_chain() -> None:
    """Receipts that changed places, digests and all, do not fit their neighbours."""
    swapped = rows(CHAIN)
    (one, *first), (two, *second) = swapped[1], swapped[2]
    swapped[1], swapped[2] = (one, *second), (two, *first)  # type: ignore[assignment]
    assert flaws_in_chain(swapped, target="production")


def test_a_receipt_altered_with_its_digest_breaks_the_next_one() -> None:
    """Who rewrites a receipt and its recorded digest is betrayed by the receipt after it."""
    forged = rows(CHAIN)
    again = seal(draft(2, Action.DAILY, Phase.EVENT, note="nothing"), target="production", seq=2, prev=CHAIN[0].digest)
    forged[1] = (2, again.data, again.digest)
    assert [flaw.seq for flaw in flaws_in_chain(forged, target="production")] == [3]


def test_a_receipt_of_another_target_does_not_belong() -> None:
    """Chains of two routers cannot be mixed."""
    assert flaws_in_chain(rows(CHAIN), target="staging")
