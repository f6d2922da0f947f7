"""What is rendered can be shown by Slack, whatever outside text is in it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot import cards, messages, notices
from bot.blocks import bounded, escape, prose
from bot.commands import parse
from bot.playground.limits import BLOCKS_TEXT_MAX, blocks_text_length, check_message
from bot.posts import Block
from bot.upkeep_cards import backups
from core.actors import Actor, ActorKind, Approvable
from core.approvals import Approval, ApprovalStatus
from core.backups import Backup
from core.brake import BrakeNote
from core.braking import Braked
from core.canonical import MAX_REASON, clean_text
from core.decisions import Code, Refuse
from core.gates import Gate, GateName, Verdict
from core.overview import Overview
from core.receipts import (
    GENESIS,
    Action,
    Checkpoint,
    Deleted,
    Draft,
    Hold,
    LedgerArchive,
    Phase,
    Result,
    Sealed,
    StateCopy,
    seal,
)
from core.rollout import RolloutState
from core.router import RouterSettings

NOW = datetime(2025, 10, 1, 9, 5, tzinfo=UTC)
anything = st.text(max_size=6000)
reasons = anything.map(clean_text)
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


def showable(blocks: list[Block]) -> None:
    """Slack takes these blocks, and nothing in them calls anybody or links anywhere that an outside text asked for."""
    assert check_message(blocks) == []
    assert blocks_text_length(blocks) <= BLOCKS_TEXT_MAX
    for trap in ("<!channel", "<!here", "<!everyone", "<http", "<mailto"):
        assert trap not in str(blocks)


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
    ended = [one.ended(status, NOW, by=actor, note=note) for one in (approval, restore) for status in ApprovalStatus]
    for status in (None, approval, restore, *ended):
        post = cards.story((one,), status)
        assert 0 < len(post.text) <= 150
        showable(list(post.blocks))
    told = notices.notice((one,))
    assert 0 < len(told.text) <= 150
    showable(list(told.blocks))


@given(st.lists(st.tuples(anything, st.one_of(st.none(), anything)), max_size=40))
def test_any_list_of_backups_can_be_shown(drawn: list[tuple[str, str | None]]) -> None:
    """A hundred backups, whatever is wrong with them, are cut and not refused."""
    showable(backups([Backup(name, NOW, 1 << 40, "e" * 64, problem) for name, problem in drawn]))


@given(st.lists(reasons, max_size=60), st.lists(anything, max_size=20), anything)
def test_any_status_can_be_shown(holds: list[str], problems: list[str], pilot: str) -> None:
    """Sixty holds and twenty long problems are cut, not refused."""
    member = Actor(kind=ActorKind.SLACK, id="UMAX")
    held = tuple(
        Hold(id=f"{number:032x}", actor=member, reason=reason, since=NOW, cause=None) for number, reason in enumerate(holds)
    )
    state = RolloutState(holds=held)
    settings = RouterSettings({"NOVA_ANR_PILOT": pilot})
    showable(messages.status(Overview("production", state, (), settings, None, tuple(problems))))


@given(anything, st.lists(anything, max_size=30))
def test_any_answer_can_be_shown(text: str, more: list[str]) -> None:
    """Refusals, failures and brakes that went wrong carry texts from outside."""
    showable(messages.refusal(Refuse(Code.GATES_NOT_PASSED, text, tuple(more))))
    showable(messages.failure(text))
    note = BrakeNote(id="a" * 32, action=Action.FREEZE, actor=Actor(kind=ActorKind.OS, id="x"), reason="", cause=None, at=NOW)
    showable(messages.answer(Braked(note, None, safe=False, problems=tuple(more[:5]))))


@given(anything)
def test_whatever_is_typed_gets_help_or_a_command(text: str) -> None:
    """No text after /anr breaks the parser, and what it says about a mistake can be shown."""
    understood = parse(text)
    if not hasattr(understood, "word"):
        showable(messages.help_text(understood))


@given(anything, st.integers(10, 3000))
def test_bounded_never_cuts_inside_an_escaped_character(text: str, limit: int) -> None:
    """What is left is within the limit, and every ampersand still begins an entity."""
    cut = bounded(escape(text), limit)
    assert len(cut) <= limit
    for part in cut.split("&")[1:]:
        assert part.startswith(("amp;", "lt;", "gt;"))


@pytest.mark.parametrize("text", ["<!channel>", "<@U1>", "<https://evil.example|x>", "a & b", "&lt;"])
def test_escape_disarms(text: str) -> None:
    """What Slack shows is exactly what was typed."""
    shown = escape(text)
    assert "<" not in shown
    assert shown.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&") == text


def test_a_reason_is_cut_where_the_receipt_says() -> None:
    """The cut is marked."""
    assert clean_text("x" * 4000) == "x" * (MAX_REASON - 1) + "…"


@given(st.datetimes(min_value=datetime(1980, 1, 1), max_value=datetime(2090, 1, 1)), anything)  # noqa: DTZ001 - Hypothesis wants it
def test_moments_that_core_writes_are_shown_in_the_readers_zone(moment: datetime, around: str) -> None:
    """A sentence's moment in UTC becomes Slack's date with that fallback, and what stands around it is disarmed as ever."""
    moment = moment.replace(second=0, microsecond=0, tzinfo=UTC)
    written = f"{moment:%Y-%m-%d %H:%M} UTC"
    shown = prose(f"Paused since {written} by <!channel>.")
    assert (
        shown == f"Paused since <!date^{int(moment.timestamp())}^{{date_short_pretty}} {{time}}|{written}> by &lt;!channel&gt;."
    )
    assert escape(around) == prose(around) or "UTC" in around


@pytest.mark.parametrize("text", ["2025-13-45 99:99 UTC", "2025-10-01 09:05 CET", "#2025-10-0109:05 UTC"])
def test_what_only_looks_like_a_moment_stays_as_it_was_written(text: str) -> None:
    """No text makes the rendering fail."""
    assert prose(text) == text
