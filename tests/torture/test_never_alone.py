"""The ways in which one person alone got live traffic raised, each as a test: none of them raises it any more."""

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from core.actors import AccessPolicy, Actor, ActorKind, Approvable, ApprovalRule
from core.errors import PersonUnknown
from core.operations import daily, end_drift, propose, requests
from core.operations.results import Asked, Ended, Moved, Refused, Signed
from core.receipts.receipt import Action
from core.rollout.approvals import ApprovalStatus
from core.rollout.refusals import Code
from core.rollout.schedule import PromotionMode, Schedule
from core.settings import account
from core.target.order import Order
from core.target.target import Target
from tests.support.rig import Rig
from tests.support.terminal import ANOTHER, ME, OTHER, PERSON, Terminal

pytestmark = pytest.mark.torture

FORGED_PEOPLE = {"ANR_PEOPLE": json.dumps({str(PERSON): "UAARON"})}
BY_VARIABLE = [
    pytest.param(FORGED_PEOPLE, id="people"),
    pytest.param({"ANR_APPROVERS": json.dumps([ME])}, id="approvers"),
    pytest.param({"ANR_APPROVALS": json.dumps({"promote": {"needed": 1, "approvers": [ME]}})}, id="approvals"),
    pytest.param({"ANR_TARGET__GATES__TRI_MEDIAN_MIN": "-9"}, id="gates"),
    pytest.param({"ANR_TARGET__SOAK_HOURS": "0"}, id="soak"),
    pytest.param({"ANR_TARGET__STAGES": "[0, 100]"}, id="stages"),
    pytest.param({"ANR_TARGET__SCHEDULE__ZONE": "Etc/GMT+12"}, id="zone"),
    pytest.param({"ANR_TARGET__LEDGER": "/dev/null"}, id="ledger"),
    pytest.param({"ANR_TARGET__HEALTH_URL": "http://127.0.0.1:9/"}, id="health"),
    pytest.param({"anr_operators": json.dumps([ME])}, id="in-small-letters"),
]


@pytest.fixture
def typed(begun: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """A site of this moment with Olivia and Aaron at the terminal: she operates, he approves, both by their accounts' numbers."""
    begun.clock.now = datetime.now(UTC)
    begun.write_ledger()
    schedule = {"at": f"{datetime.now(UTC) - timedelta(minutes=1):%H:%M:%S}"}
    typed = Terminal(begun, tmp_path, monkeypatch, operators=[ME], approvers=[OTHER])
    typed.write(target={"schedule": schedule})
    return typed


def request_of(typed: Terminal) -> str:
    return str(json.loads(typed("promote", "--json").stdout)["request"])


def code(result: object) -> Code:
    assert isinstance(result, Refused), result
    return result.refusal.code


def stays(rig: Rig, stage: int = 10) -> None:
    """Neither the file nor the chain has risen."""
    assert rig.setting("NOVA_ANR_PILOT") == f"{stage / 100:.2f}"
    assert rig.target.journal.state().stage == stage


# --- at the terminal --------------------------------------------------------------------------------------------------


def test_two_people_with_accounts_of_their_own_do(typed: Terminal, begun: Rig) -> None:
    """What the others try alone: the receipts say which account asked and which approved."""
    request = request_of(typed)
    assert typed("approve", request).exit_code == 1
    stays(begun)
    typed.is_used_by(ANOTHER)
    assert typed("approve", request).exit_code == 0
    stays(begun, 25)
    accounts = {
        sealed_receipt.receipt.action: sealed_receipt.receipt.account
        for sealed_receipt in begun.target.journal.of_request(request)
    }
    assert (accounts[Action.REQUEST], accounts[Action.PROMOTE]) == (str(PERSON), str(ANOTHER))


@pytest.mark.parametrize("variables", BY_VARIABLE)
@pytest.mark.parametrize("words", [["approve"], ["daily"], ["break-glass", "the customer waits for it"], ["drift", "accept"]])
def test_variables_of_ones_own(
    typed: Terminal, begun: Rig, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], words: list[str]
) -> None:
    """Whoever calls themselves an approver, or the day good, in their environment has asked for nothing and approved nothing."""
    named = [request_of(typed)] if words == ["approve"] else []
    if words[0] == "drift":
        begun.settings.settings_file.write_text("NOVA_ANR_ENABLED=1\nNOVA_ANR_PILOT=0.25\n", encoding="utf-8")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert typed(*words, *named).exit_code != 0
    assert begun.target.journal.state().stage == 10


@pytest.mark.parametrize("variables", BY_VARIABLE)
def test_variables_beside_the_accounts_own_run(
    typed: Terminal, begun: Rig, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]
) -> None:
    """`sudo -u anr` with a variable makes no scheduled run by other gates or at another time."""
    typed.is_used_by_its_account()
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert json.loads(typed("daily", "--json").stdout)["code"] == Code.NOT_THE_ACCOUNT
    stays(begun)


def test_options_of_ones_own_in_the_working_folder(
    typed: Terminal, begun: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that the caller could have written names nobody, however it is found."""
    request = request_of(typed)
    own = tmp_path / "mine"
    own.mkdir(mode=0o777)
    own.chmod(0o777)
    text = typed.file.read_text(encoding="utf-8").replace(f'approvers = ["{OTHER}"]', f'approvers = ["{ME}"]')
    (own / "anr.toml").write_text(text, encoding="utf-8")
    (own / "anr.toml").chmod(0o646)
    monkeypatch.setenv("ANR_CONFIG", str(own / "anr.toml"))
    for words in (["approve", request], ["daily"], ["promote"], ["break-glass", "the customer waits for it"], ["unfreeze"]):
        assert typed(*words).exit_code != 0
    stays(begun)


def test_a_user_namespace(typed: Terminal, begun: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`unshare -U --map-user` gives the number of the approver's account, and nothing that goes with it."""
    request = request_of(typed)
    mapped = tmp_path / "mapped"
    mapped.write_text(f"{ANOTHER} {PERSON} 1\n", encoding="ascii")
    monkeypatch.setattr(account, "UID_MAP", mapped)
    typed.is_used_by(ANOTHER)
    assert typed("approve", request).exit_code == 1
    stays(begun)
    assert typed("rollback").exit_code == 0


@pytest.mark.parametrize(
    "words", [["promote"], ["approve", "x"], ["unfreeze"], ["drift", "accept"], ["break-glass", "the customer waits"], ["review"]]
)
def test_the_account_that_runs_anr_is_nobodys_hand(typed: Terminal, begun: Rig, words: list[str]) -> None:
    """Whoever gets a shell there asks for nothing and signs nothing, also where a list names it."""
    user = account.account_here
    typed.is_used_by_its_account()
    typed.write(operators=[f"os:{user().name}"], approvers=[f"os:{user().name}", OTHER])
    assert typed(*words).exit_code == 1
    stays(begun)


# --- the scheduled run ------------------------------------------------------------------------------------------------


@pytest.fixture
def learned(begun: Rig) -> Rig:
    """A house whose last step a person asked for, so that the schedule may take the next one."""
    asked = propose.propose(begun.target, Order(begun.people["olivia"]))
    assert isinstance(asked, Asked)
    assert isinstance(requests.approve(begun.target, begun.people["aaron"], asked.approval.id), Moved)
    return begun


def scheduled(rig: Rig, **schedule: Any) -> Target:
    return replace(rig.target, settings=rig.settings.model_copy(update={"schedule": Schedule(**schedule)}))


def test_a_run_before_its_time_or_of_another_date(learned: Rig) -> None:
    """Not earlier than it is due, not later than its grace, and not tomorrow's today."""
    today = learned.clock.now.date()
    for at, day in (
        ("09:06", today),
        ("02:00", today),
        ("09:05", today + timedelta(days=1)),
        ("09:05", today - timedelta(days=1)),
    ):
        assert code(daily.daily(scheduled(learned, at=at), day, PromotionMode.AUTO)) is Code.NOT_DUE
    stays(learned, 25)


@pytest.mark.parametrize("zone", ["Etc/GMT+12", "Etc/GMT-14", "Pacific/Auckland", "Europe/Zurich"])
def test_a_second_run_in_another_zone(learned: Rig, zone: str) -> None:
    """Whatever the zone calls the date, what was due within twenty hours was made."""
    made = daily.daily(learned.target, learned.clock.now.date(), PromotionMode.AUTO)
    assert isinstance(made, daily.DailyRun)
    stays(learned, 50)
    for _ in range(20):
        learned.clock.pass_(hours=1)
        learned.write_ledger()
        for ahead in (-1, 0, 1):
            target = scheduled(learned, zone=zone, at=f"{learned.clock.now:%H:%M}", grace_hours=23)
            day = learned.clock.now.date() + timedelta(days=ahead)
            assert code(daily.daily(target, day, PromotionMode.AUTO)) in {Code.NOT_DUE, Code.ALREADY_DONE}
    stays(learned, 50)


def test_a_run_by_another_account(learned: Rig) -> None:
    """Its process knows that it is not the account's."""
    target = replace(learned.target, not_its_run="This is not the account that runs anr.")
    assert code(daily.daily(target, learned.clock.now.date(), PromotionMode.AUTO)) is Code.NOT_THE_ACCOUNT
    stays(learned, 25)


def test_nobody_but_the_scheduler_goes_on_without_an_approval(begun: Rig) -> None:
    """Whatever is no person and not the schedule gets no step up by asking for one."""
    for kind in (ActorKind.ACCOUNT, ActorKind.RECOVERY, ActorKind.GUARD, ActorKind.ALERT, ActorKind.SCHEDULER):
        some = Actor(kind=kind, id="daily", roles=begun.people["aaron"].roles)
        assert not isinstance(propose.propose(begun.target, Order(some)), Moved)
    stays(begun)


# --- drift ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("pilot", ["0.25", "0.50", "1.00"])
def test_an_approver_who_edits_the_file_and_accepts_it(begun: Rig, pilot: str) -> None:
    """What the file says more than the journal is nobody's to accept alone."""
    begun.settings.settings_file.write_text(f"NOVA_ANR_ENABLED=1\nNOVA_ANR_PILOT={pilot}\n", encoding="utf-8")
    for name in ("aaron", "priya"):
        done = end_drift.accept(begun.target, Order(begun.people[name]))
        assert not isinstance(done, Moved)
    for waiting in begun.target.journal.pending():
        assert code(requests.approve(begun.target, begun.people["aaron"], waiting.id)) is Code.SELF_APPROVAL
    assert begun.target.journal.state().stage == 10


@pytest.mark.parametrize("taken_down", ["NOVA_ANR_PILOT=0.10", "NOVA_ANR_KILL=1", "NOVA_ANR_ENABLED=0"])
def test_an_approver_who_puts_back_what_somebody_took_down_by_hand(learned: Rig, taken_down: str) -> None:
    """KILL, ENABLED or the pilot set by hand is a brake of its own kind: the way up from there needs a second person."""
    name, value = taken_down.split("=")
    lines = {"NOVA_ANR_ENABLED": "1", "NOVA_ANR_PILOT": "0.25", "NOVA_ANR_KILL": "0", name: value}
    learned.settings.settings_file.write_text("".join(f"{key}={setting}\n" for key, setting in lines.items()), encoding="utf-8")
    assert not isinstance(end_drift.reapply(learned.target, Order(learned.people["aaron"])), Moved)
    for waiting in learned.target.journal.pending():
        assert code(requests.approve(learned.target, learned.people["aaron"], waiting.id)) is Code.SELF_APPROVAL
    assert (learned.target.router.settings().stage or 0) < 25


# --- at the click -----------------------------------------------------------------------------------------------------


def asked_of(rig: Rig) -> str:
    asked = propose.propose(rig.target, Order(rig.people["olivia"], "good"))
    assert isinstance(asked, Asked)
    return asked.approval.id


PRIYA = {"kind": "slack", "id": "UPRIYA"}
SIGNED = [{"actor": PRIYA, "at": "2025-10-01T09:05:00.000000Z", "decision": "approved"}]


@pytest.mark.parametrize(
    "change",
    [
        {"requester": PRIYA},
        {"to_stage": 100},
        {"from_stage": 0},
        {"needed": 2, "signatures": SIGNED},
        {"subject": ["accept", "25"]},
        {"action": "unfreeze"},
        {"revision": 0},
        {"expires_at": "2035-10-01T09:05:00.000000Z"},
        {"policy_digest": "c" * 64},
        {"id": "another"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_row_changed_beside_the_chain(begun: Rig, change: dict[str, Any]) -> None:
    """The requester's row names somebody else, and they approve their own request: it is the chain's that counts."""
    request = asked_of(begun)
    alter(begun, request, lambda told: told | change)
    for name in ("aaron", "priya", "olivia"):
        assert code(requests.approve(begun.target, begun.people[name], request)) in {Code.TAMPERED, Code.APPROVAL_UNKNOWN}
    stays(begun)


def test_a_request_that_was_denied_and_waits_again(begun: Rig) -> None:
    """Its row says pending, its receipts say no."""
    request = asked_of(begun)
    requests.deny(begun.target, begun.people["priya"], request, "no")
    alter(begun, request, lambda told: told | {"status": "pending", "signatures": []})
    assert code(requests.approve(begun.target, begun.people["aaron"], request)) is Code.TAMPERED
    stays(begun)


def alter(rig: Rig, request: str, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    with closing(sqlite3.connect(rig.settings.journal)) as database:
        (data,) = database.execute("SELECT data FROM approvals WHERE id = ?", (request,)).fetchone()
        told = change(json.loads(data))
        data = json.dumps(told, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"
        database.execute("UPDATE approvals SET data = ?, status = ? WHERE id = ?", (data, told["status"], request))
        database.commit()


def by(rig: Rig, **lists: Any) -> Target:
    return replace(rig.target, access=rig.target.access.model_copy(update=lists))


def test_a_requester_who_lost_the_role(begun: Rig) -> None:
    """Who may not ask by now has asked for nothing; the request ends."""
    ended = requests.approve(by(begun, operators=frozenset()), begun.people["aaron"], asked_of(begun))
    assert isinstance(ended, Ended)
    assert ended.approval.status is ApprovalStatus.STALE
    stays(begun)


def test_a_signer_who_lost_the_role_and_a_rule_that_asks_for_more(begun: Rig) -> None:
    """Of two that are needed one has signed and left: another one is still missing. Where three are needed now, three are."""
    two = {Approvable.PROMOTE: ApprovalRule(needed=2)}
    request = asked_of(begun)
    assert isinstance(requests.approve(by(begun, rules=two), begun.people["aaron"], request), Signed)
    left = by(begun, rules=two, approvers=frozenset({"UPRIYA", "UMAX"}))
    signed = requests.approve(left, begun.people["priya"], request)
    assert isinstance(signed, Signed)
    assert [signature.actor.id for signature in signed.approval.signatures] == ["UPRIYA"]
    stays(begun)


def test_one_person_under_two_names(begun: Rig) -> None:
    """`people` says by now that the terminal's account is the approver's: they have asked for it themselves."""
    lists: dict[str, Any] = {"operators": frozenset({"os:aaron"}), "approvers": frozenset({"UAARON", "os:priya", "UPRIYA"})}
    target = by(begun, **lists)
    asked = propose.propose(target, Order(target.access.as_now(Actor(kind=ActorKind.OS, id="aaron"))))
    assert isinstance(asked, Asked)
    named = by(begun, **lists, people={"aaron": "UAARON"})
    assert code(requests.approve(named, begun.people["aaron"], asked.approval.id)) is Code.SELF_APPROVAL
    stays(begun)


def test_a_member_of_a_group_whom_nobody_can_ask_of(begun: Rig) -> None:
    """Whether the requester is still in the group only Slack knows: without its answer nothing is approved, and nothing ends."""
    request = asked_of(begun)
    grouped = by(begun, operators=frozenset({"S0OPERATORS"}))
    with pytest.raises(PersonUnknown):
        requests.approve(grouped, begun.people["aaron"], request)
    assert begun.target.journal.pending()[0].id == request

    def gone(actor: Actor) -> Actor:
        return actor

    ended = requests.approve(replace(grouped, asked_of=gone), begun.people["aaron"], request)
    assert isinstance(ended, Ended)
    stays(begun)


def test_every_list_of_the_policy_is_asked_at_the_click() -> None:
    """A policy that gets a further list gets a test here."""
    assert set(AccessPolicy.model_fields) == {"operators", "approvers", "brake_open_to_members", "rules", "people"}
