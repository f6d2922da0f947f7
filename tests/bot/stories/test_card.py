from datetime import timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from bot.stories import card, notices
from core.actors import Actor, ActorKind, Approvable
from core.gates.policy import GateName
from core.gates.report import Gate, Verdict
from core.receipts.chain import GENESIS, Sealed, seal
from core.receipts.evidence import Checkpoint, Deleted, LedgerArchive, StateCopy
from core.receipts.receipt import Action, Draft, Phase, Result
from core.rollout.approvals import Approval, ApprovalStatus
from tests.bot.views.test_answers import NOW, reasons, showable

actors = st.builds(Actor, kind=st.sampled_from(ActorKind), id=st.text(min_size=1, max_size=40))


def sealed(reason: str, note: str, actor: Actor, **facts: Any) -> Sealed:
    standing = {"id": "a" * 32, "operation": "b" * 32, "ts": NOW, "build": "anr", "host": "host", "runbook_url": ""}
    draft = Draft(**{**standing, "actor": actor, "reason": reason, "note": note, **facts})
    return seal(draft, target="production", seq=1, prev=GENESIS)


def gates(reason: str) -> tuple[Gate, ...]:
    return tuple(
        Gate(name=name, verdict=verdict, value=None, bound=0.0, reason=reason)
        for name, verdict in zip(GateName, list(Verdict) * 2, strict=False)
    )


@given(reasons, reasons, actors, st.sampled_from(Action), st.sampled_from([None, *Result]), st.sampled_from(Phase))
def test_any_story_can_be_shown(
    reason: str, note: str, actor: Actor, action: Action, result: Result | None, phase: Phase
) -> None:
    """Whatever was typed as a reason, and whatever went wrong, the story's message is one that Slack accepts."""
    facts: dict[str, Any] = {"gates": gates(reason[:300]), "stage_before": 10, "stage_after": 25, "pilot_after": note[:20]}
    if phase is not Phase.INTENT and result is not Result.NOT_APPLIED:
        copy = StateCopy(name=note[:100], size=1 << 40, digest="e" * 64)
        archive = LedgerArchive(name=note[:100], lines=1 << 40, size=1 << 40, digest="e" * 64)
        facts |= {"backup": copy, "restored": copy, "archived": (archive,) * 240}
        facts |= {"deleted": Deleted.of([note] * 300), "checkpoint": Checkpoint(last=9, pruned=9, digest="f" * 64, state={})}
    one = sealed(reason, note, actor, action=action, phase=phase, result=result, **facts)
    approval = Approval(
        id="abcdefghjk",
        requester=actor,
        reason=reason,
        from_stage=10,
        to_stage=25,
        revision=1,
        policy_digest="c" * 64,
        verdict_digest="d" * 64,
        asked_at=NOW,
        expires_at=NOW + timedelta(hours=1),
    )
    restore = approval.model_copy(update={"action": Approvable.RESTORE, "subject": (note[:100], "f" * 64)})
    ended = [request.ended(status, NOW, by=actor, note=note) for request in (approval, restore) for status in ApprovalStatus]
    for status in (None, approval, restore, *ended):
        post = card.story((one,), status)
        assert 0 < len(post.text) <= 150
        showable(list(post.blocks))
    told = notices.notice((one,))
    assert 0 < len(told.text) <= 150
    showable(list(told.blocks))
