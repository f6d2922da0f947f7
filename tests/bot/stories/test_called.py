"""Who is called, who is told, and what a card shows first."""

from collections.abc import Iterable
from datetime import datetime, time, timedelta

import pytest
from pydantic import ValidationError

from bot.stories import card, notices
from bot.stories.alerts import alert_story
from bot.stories.called import Callers
from bot.stories.card import Beside
from bot.stories.compose import StoryComposer
from core.actors import ALERTMANAGER, AccessPolicy, Actor, ActorKind, Approvable
from core.alerts.payload import AlertFacts, AlertStatus
from core.alerts.rules import Effect
from core.brake import brake
from core.brake.brake import Braked
from core.operations import propose
from core.receipts.chain import Sealed
from core.receipts.evidence import Hold
from core.receipts.observation import Observation, Sight
from core.receipts.receipt import Action, Phase, Result
from core.rollout.approvals import Approval, ApprovalStatus
from core.settings.surfaces import NotifySettings
from core.target.order import Order
from tests.bot.stories.test_card import gates, sealed
from tests.bot.views.test_answers import NOW
from tests.support.rig import Rig, begun, rig, slots  # noqa: F401 - fixtures of the other folder

OLIVIA = Actor(kind=ActorKind.SLACK, id="U0OLIVIA")
AARON = Actor(kind=ActorKind.SLACK, id="U0AARON")
ACCESS = AccessPolicy(approvers=frozenset({"S0APPROVERS", "U0AARON", "U0OLIVIA", "os:aaron"}))


def request(status: ApprovalStatus = ApprovalStatus.PENDING, **changed: object) -> Approval:
    approval = Approval(
        id="abcdefghjk",
        requester=OLIVIA,
        reason="yesterday was good",
        from_stage=10,
        to_stage=25,
        revision=1,
        policy_digest="c" * 64,
        verdict_digest="d" * 64,
        asked_at=NOW,
        expires_at=NOW + timedelta(minutes=58),
    )
    ended = approval if status is ApprovalStatus.PENDING else approval.ended(status, NOW, by=AARON, note="the weekend is near")
    return ended.model_copy(update=changed)


def asked() -> Sealed:
    return sealed("yesterday was good", "", OLIVIA, action=Action.REQUEST, phase=Phase.EVENT, gates=gates("so"))


def done() -> Sealed:
    return sealed("", "", OLIVIA, action=Action.PROMOTE, phase=Phase.OUTCOME, result=Result.APPLIED, stage_after=25)


def texts(blocks: Iterable[dict[str, object]]) -> str:
    return str(list(blocks))


def test_a_request_calls_those_who_may_approve_it_and_nobody_else() -> None:
    """The group and the person are mentioned, in the text that a lock screen shows, too; who asked and the terminal are not."""
    post = card.story((asked(),), request(), Beside(callers=Callers(access=ACCESS)))
    assert post.text == ("⏳ Approval needed: 10% → 25%, asked by <@U0OLIVIA> · <!subteam^S0APPROVERS> <@U0AARON>")
    assert "<!subteam^S0APPROVERS> <@U0AARON>" in texts(post.blocks[:2])


@pytest.mark.parametrize(
    ("named", "called"), [(frozenset({"S0ONDUTY"}), "<!subteam^S0ONDUTY>"), (frozenset[str](), "")], ids=["others", "nobody"]
)
def test_the_settings_say_whom_a_request_calls(named: frozenset[str], called: str) -> None:
    """A group of their own in place of the approvers, or nobody at all."""
    callers = Callers(NotifySettings(approvers=named), ACCESS)
    assert callers.approvers(request()) == called


def test_what_is_decided_comes_first() -> None:
    """Verdict, asker, reason, time left and both buttons, before any gate: the first screen of a telephone holds them."""
    post = card.story((asked(),), request(), Beside(callers=Callers(access=ACCESS)))
    header, decision, buttons = post.blocks[:3]
    assert header["text"]["text"] == "⏳ Approval needed: 10% → 25%"
    said = decision["text"]["text"]
    assert said.splitlines()[0] == "*:x: 4 of 8 gates pass*"
    assert "Asked by <@U0OLIVIA>: “yesterday was good”" in said
    assert "Expires in 58 min" in said
    assert [element["action_id"] for element in buttons["elements"]] == ["approve", "ask_deny"]
    shown = texts(post.blocks)
    assert "FAIL" in shown
    assert ":white_check_mark: PASS" not in shown


def test_no_digest_and_no_settings_name_is_outside_the_thread() -> None:
    """What a machine checks is in the thread, where whoever looks for it finds it."""
    promoted = done()
    written = sealed(
        "",
        "",
        OLIVIA,
        action=Action.ROLLBACK,
        phase=Phase.OUTCOME,
        result=Result.APPLIED,
        settings_written={"NOVA_ANR_KILL": "1"},
    )
    for story in (
        card.story((asked(), promoted), request(ApprovalStatus.APPROVED)),
        card.story((written,), None),
        notices.notice((sealed("", "x", OLIVIA, action=Action.PAUSE, phase=Phase.EVENT),)),
    ):
        assert "NOVA_ANR" not in texts(story.blocks)
        assert promoted.digest[:12] not in texts(story.blocks)
        assert story.replies
    assert "NOVA_ANR_KILL=1" in str(card.story((written,), None).replies)


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (ApprovalStatus.APPROVED, "<@U0OLIVIA>: promoted to 25% by <@U0AARON>"),
        (ApprovalStatus.DENIED, "<@U0OLIVIA>: denied by <@U0AARON>: “the weekend is near”"),
        (ApprovalStatus.STALE, "<@U0OLIVIA>: not carried out. the weekend is near"),
    ],
)
def test_who_asked_is_told_what_came_of_it(status: ApprovalStatus, said: str) -> None:
    """As a reply, which calls them: a message that changes calls nobody."""
    replies = card.story((asked(), done()), request(status)).replies
    assert [reply.text for reply in replies if reply.key.startswith("decided")] == [said]


def test_nobody_is_told_before_it_is_carried_out_or_what_they_did_themselves() -> None:
    """An approval that is being carried out may still fail; who takes a request back knows."""
    begun_only = sealed("", "", OLIVIA, action=Action.PROMOTE, phase=Phase.INTENT)
    for story, approval in (
        ((asked(), begun_only), request(ApprovalStatus.APPROVED)),
        ((asked(),), request(ApprovalStatus.DENIED, decided_by=OLIVIA)),
        ((asked(),), request()),
    ):
        assert "decided" not in str([reply.key for reply in card.story(story, approval).replies])


def test_in_quiet_hours_news_call_nobody_and_requests_do() -> None:
    """A decision at 09:05 UTC is 11:05 in Zurich; the quiet hours reach over midnight."""
    quiet = NotifySettings(quiet_from=time(22), quiet_until=time(11, 30))
    callers = Callers(quiet, ACCESS, "Europe/Zurich")
    replies = card.story((asked(), done()), request(ApprovalStatus.APPROVED), Beside(callers=callers)).replies
    assert replies[-1].text == "promoted to 25% by <@U0AARON>"
    assert "<@U0AARON>" in card.story((asked(),), request(), Beside(callers=callers)).text


@pytest.mark.parametrize(
    ("at", "is_quiet"), [(time(21, 59), False), (time(22), True), (time(3), True), (time(7), False), (time(12), False)]
)
def test_quiet_hours_reach_over_midnight(at: time, is_quiet: bool) -> None:  # noqa: FBT001 - a table
    """From is within them, until is not."""
    settings = NotifySettings(quiet_from=time(22), quiet_until=time(7))
    assert settings.is_quiet(datetime.combine(NOW.date(), at, NOW.tzinfo), "UTC") is is_quiet


@pytest.mark.parametrize("wrong", [{"on_call": ["@sre"]}, {"approvers": ["os:aaron"]}, {"quiet_from": "22:00"}])
def test_settings_that_could_call_nobody_are_refused(wrong: dict[str, object]) -> None:
    """A name is no id, a terminal has no telephone, and hours have two ends."""
    with pytest.raises(ValidationError):
        NotifySettings.model_validate(wrong)


def test_a_brake_that_did_not_work_calls_those_on_call(begun: Rig) -> None:  # noqa: F811 - the fixture's name
    """The card changes to the sign of danger, which tells nobody; the reply does."""
    braked = brake.freeze(begun.target, begun.people["max"], "errors")
    assert isinstance(braked, Braked)
    assert braked.sealed is not None
    receipt = braked.sealed.receipt
    seen = Observation(stage=0, safe=True, since=receipt.ts, counts_from=receipt.ts, restarted=True, sight=Sight.STILL_SERVING)
    callers = Callers(NotifySettings(on_call=frozenset({"S0SRE"})))
    post = card.story((braked.sealed,), None, Beside(seen=seen, holds=True, callers=callers))
    assert post.text == "🚨 Frozen, but the router is STILL SERVING"
    assert [reply.text for reply in post.replies if reply.key == "called-danger"] == [f"<!subteam^S0SRE> {post.text}"]
    assert "ask_unfreeze" in texts(post.blocks)


def test_a_frozen_card_offers_to_unfreeze_until_it_is_lifted_and_both_are_linked(begun: Rig) -> None:  # noqa: F811 - the fixture's name
    """The freeze links to its unfreeze, and back; then the card says who lifted it, and nothing can be clicked."""
    begun.target.journal.state()
    braked = brake.freeze(begun.target, begun.people["max"], "errors")
    assert isinstance(braked, Braked)
    assert braked.sealed is not None
    frozen = braked.sealed.receipt.operation
    composer = StoryComposer(begun.target, link=lambda operation: f"https://x.slack.com/archives/C1/p{operation[:4]}")
    journal = begun.target.journal
    before = composer.post_of(journal.of_operation(frozen))
    assert before is not None
    assert "ask_unfreeze" in texts(before.blocks)
    begun.clock.pass_(minutes=5)
    unfrozen = propose.unfreeze(begun.target, Order(begun.people["olivia"], "a bad deploy"), frozenset())
    lifting = begun.target.journal.receipts(last=1)[0].receipt
    assert lifting.action is Action.UNFREEZE, unfrozen
    after, there = (composer.post_of(journal.of_operation(name)) for name in (frozen, lifting.operation))
    assert after is not None
    assert there is not None
    assert after.text == "🔓 Frozen, unfrozen since"
    assert "ask_unfreeze" not in texts(after.blocks)
    assert "*Unfrozen* by <@UOLIVIA>" in texts(after.blocks)
    assert f"p{lifting.operation[:4]}|the unfreeze>" in texts(after.blocks)
    assert f"p{frozen[:4]}|what was unfrozen>" in texts(there.blocks)
    assert composer.related(frozen) == (lifting.operation,)


def test_a_brake_that_anr_has_no_receipt_of_cannot_be_undone_from_its_alarm() -> None:
    """Re-apply would be refused: the alarm offers no button, and says what records the brake."""
    safe = {"NOVA_ANR_KILL": "1", "NOVA_ANR_ENABLED": "0"}
    other = {"NOVA_ANR_KILL": "0", "NOVA_ANR_ENABLED": "1"}
    braked, moved = (
        notices.notice(
            (sealed("", "They differ.", OLIVIA, action=Action.DRIFT, phase=Phase.EVENT, settings_observed=found, stage_after=25),)
        )
        for found in (safe, other)
    )
    assert braked.text == "⚠️ Braked outside of anr"
    assert "reapply" not in texts(braked.blocks)
    assert "`/anr rollback` records it" in texts(braked.blocks)
    assert "reapply" in texts(moved.blocks)


def test_every_question_before_a_change_says_who_asks_for_what_and_why() -> None:
    """The button's own question is the last thing read before the router moves; what loses something is red."""
    (promote, _) = card.answer_buttons(request())["elements"]
    assert promote["confirm"]["title"]["text"] == "Promote to 25%?"
    assert "from 10% to 25% at once. Asked by <@U0OLIVIA>: “yesterday was good”" in promote["confirm"]["text"]["text"]
    assert "style" not in promote["confirm"]
    reset = request(action=Approvable.RESET, reason="x" * 500)
    (approve, deny) = card.answer_buttons(reset)["elements"]
    assert approve["confirm"]["style"] == "danger"
    assert len(approve["confirm"]["text"]["text"]) <= 300
    assert deny.get("style") is None


def alerted(seq: int) -> Sealed:
    """A freeze by an alert."""
    facts = AlertFacts(
        cause="alertmanager:1:x",
        group="0" * 20,
        effect=Effect.FREEZE,
        status=AlertStatus.FIRING,
        name="AnrRsiLow",
        summary="RSI is 0.71",
        labels={},
        whole=True,
        since=NOW,
    )
    hold = Hold(id="f" * 32, actor=ALERTMANAGER, reason="AnrRsiLow", since=NOW)
    frozen = {"action": Action.FREEZE, "phase": Phase.OUTCOME, "result": Result.APPLIED, "stage_before": 25}
    one = sealed("", "", ALERTMANAGER, alert=facts, holds_added=(hold,), settings_written={"NOVA_ANR_KILL": "1"}, **frozen)
    return Sealed(one.receipt.model_copy(update={"seq": seq}), one.data, one.digest)


def test_the_card_of_an_alert_calls_those_on_call_first_and_again_when_it_freezes_again() -> None:
    """What was done to the router stands before the alert's own words, and no setting's name is outside the thread."""
    callers = Callers(NotifySettings(on_call=frozenset({"U0SRE"}), quiet_from=time(0), quiet_until=time(23, 59)))
    post = alert_story((alerted(1),), {}, silences=False, callers=callers)
    assert post.text == "🛑 Frozen by alert: AnrRsiLow · <@U0SRE>"
    assert "It served 25% before, 0% now." in post.blocks[1]["text"]["text"]
    assert "NOVA_ANR" not in texts(post.blocks)
    assert "called" not in str([reply.key for reply in post.replies])
    again = alert_story((alerted(1), alerted(2)), {}, silences=False, callers=callers)
    assert [reply.text for reply in again.replies if reply.key == "called-2"] == ["<@U0SRE> 🛑 Frozen by alert: AnrRsiLow"]
