import json
import os
import socket
import sqlite3
import threading
from collections.abc import Callable, Iterator
from datetime import date
from hashlib import sha256
from importlib.metadata import version
from itertools import pairwise

import pytest

from core.brake import brake
from core.errors import AnrError, JournalCorrupt, LedgerUnreadable, OperationTimedOut
from core.operations import daily, propose, requests
from core.operations import results as operation_results
from core.receipts.receipt import Action, Result
from core.rollout.refusals import Code
from core.rollout.schedule import PromotionMode
from core.target.order import Order
from core.target.target import Target
from tests.support.rig import Rig


def ask(rig: Rig, who: str = "olivia", **options: object) -> object:
    return propose.propose(rig.target, Order(rig.people[who], "good day"), **options)  # type: ignore[arg-type]


def asked(rig: Rig) -> operation_results.Asked:
    result = ask(rig)
    assert isinstance(result, operation_results.Asked), result
    return result


def refusal_of(result: object) -> Code:
    assert isinstance(result, operation_results.Refused), result
    return result.refusal.code


def test_a_promotion_needs_a_second_person_and_then_reaches_the_router(begun: Rig) -> None:
    """Asked by one, approved by another: settings written, other lines kept, receipts verify."""
    request = asked(begun)
    assert begun.setting("NOVA_ANR_PILOT") == "0.10"
    moved = requests.approve(begun.target, begun.people["aaron"], request.approval.id)
    assert isinstance(moved, operation_results.Moved)
    assert moved.applied
    text = begun.settings.settings_file.read_text(encoding="utf-8")
    assert text.startswith("# ours\nOTHER='a b'\nNOVA_ANR_ENABLED=1\nNOVA_ANR_PILOT=0.25\n")
    assert moved.sealed.receipt.approvals[0].actor.id == "UAARON"
    assert begun.target.journal.verify()[1] == ()
    assert begun.target.journal.state().stage == 25


def test_the_requester_cannot_approve_even_as_an_approver(begun: Rig) -> None:
    """No sequence of approvals by the requester alone promotes."""
    result = propose.propose(begun.target, Order(begun.people["aaron"]))
    assert isinstance(result, operation_results.Asked)
    for _ in range(3):
        assert refusal_of(requests.approve(begun.target, begun.people["aaron"], result.approval.id)) is Code.SELF_APPROVAL
    assert begun.setting("NOVA_ANR_PILOT") == "0.10"


@pytest.mark.parametrize("who", ["olivia", "max"])
def test_only_an_approver_approves(begun: Rig, who: str) -> None:
    """An operator who asked and a member without the role are refused, and the request still waits."""
    request = asked(begun)
    assert refusal_of(requests.approve(begun.target, begun.people[who], request.approval.id)) in {
        Code.SELF_APPROVAL,
        Code.NOT_APPROVER,
    }
    assert [intent.id for intent in begun.target.journal.pending()] == [request.approval.id]


def drop_rsi(rig: Rig) -> None:
    rig.write_ledger(live={"route": "R1", "pilot": 0.1})


def slot_down(rig: Rig) -> None:
    rig.statuses["slot09"] = "degraded"


def stop_ledger(rig: Rig) -> None:
    rig.clock.pass_(minutes=16)


def empty_ledger(rig: Rig) -> None:
    rig.settings.ledger.write_bytes(b"")


def few_decisions(rig: Rig) -> None:
    rig.write_ledger(99)


def roll_back_one(rig: Rig) -> None:
    rig.write_ledger(rewards={"immediate": {"tri_delta_norm": 0.1}, "deployment": {"rollback": 1}})


def lower_tri(rig: Rig) -> None:
    rig.write_ledger(rewards={"immediate": {"tri_delta_norm": -0.01}})


def lose_tri(rig: Rig) -> None:
    rig.write_ledger(rewards={})


def breach_fast_cap(rig: Rig) -> None:
    rig.write_ledger(anomaly={"engaged": 1}, shadow={"argmax": "R2", "probs": {"R3": 0.16}})


RED = [drop_rsi, slot_down, stop_ledger, empty_ledger, few_decisions, roll_back_one, lower_tri, lose_tri, breach_fast_cap]


@pytest.mark.parametrize("spoil", RED, ids=lambda spoil: spoil.__name__)
def test_a_red_gate_refuses_the_question(begun: Rig, spoil: Callable[[Rig], None]) -> None:
    """No data is as red as bad data."""
    spoil(begun)
    assert refusal_of(ask(begun)) is Code.GATES_NOT_PASSED
    assert begun.target.journal.pending() == ()


@pytest.mark.parametrize("spoil", RED, ids=lambda spoil: spoil.__name__)
def test_a_gate_that_turned_red_makes_the_approval_stale(begun: Rig, spoil: Callable[[Rig], None]) -> None:
    """Everything is measured again at the click; the request ends and is never carried out later."""
    request = asked(begun)
    spoil(begun)
    ended = requests.approve(begun.target, begun.people["aaron"], request.approval.id)
    assert isinstance(ended, operation_results.Ended)
    assert ended.approval.status == "stale"
    assert begun.setting("NOVA_ANR_PILOT") == "0.10"
    begun.write_ledger()
    begun.statuses["slot09"] = "healthy"
    assert refusal_of(requests.approve(begun.target, begun.people["aaron"], request.approval.id)) is Code.APPROVAL_OVER


def test_an_expired_request_is_not_carried_out(begun: Rig) -> None:
    """A click one minute late ends the request."""
    request = asked(begun)
    begun.clock.pass_(minutes=60)
    begun.write_ledger()
    ended = requests.approve(begun.target, begun.people["aaron"], request.approval.id)
    assert isinstance(ended, operation_results.Ended)
    assert ended.approval.status == "expired"
    assert begun.setting("NOVA_ANR_PILOT") == "0.10"


def test_a_request_is_stale_after_the_stage_moved(begun: Rig) -> None:
    """A rollback between question and answer ends the question, also by itself."""
    request = asked(begun)
    brake.rollback(begun.target, begun.people["max"], "errors")
    (ended,) = requests.sweep(begun.target)
    assert (ended.approval.id, ended.approval.status) == (request.approval.id, "stale")
    assert begun.setting("NOVA_ANR_KILL") == "1"


def test_two_simultaneous_approvals_promote_once(begun: Rig) -> None:
    """Two people who click in the same moment have one effect."""
    request = asked(begun)
    results: list[object] = []
    threads = [
        threading.Thread(
            target=lambda who=who: results.append(requests.approve(begun.target, begun.people[who], request.approval.id))
        )
        for who in ("aaron", "priya")
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(type(result).__name__ for result in results) == ["Moved", "Refused"]
    assert [sealed.receipt.result for sealed in begun.target.journal.receipts() if sealed.receipt.result] == [Result.APPLIED]


def test_the_same_cause_asks_once(begun: Rig) -> None:
    """A redelivered command has no second effect."""
    order = Order(begun.people["olivia"], cause="slash:1")
    assert isinstance(propose.propose(begun.target, order), operation_results.Asked)
    assert refusal_of(propose.propose(begun.target, Order(begun.people["olivia"], cause="slash:1"))) is Code.ALREADY_DONE


@pytest.mark.parametrize(
    ("stage", "code"),
    [(30, Code.NOT_ON_LADDER), (50, Code.NOT_NEXT_STAGE), (10, Code.ALREADY_THERE)],
)
def test_a_stage_that_is_not_next_is_refused(begun: Rig, stage: int, code: Code) -> None:
    """One stage at a time, and only stages of the ladder."""
    assert refusal_of(ask(begun, wanted=stage)) is code


def test_a_step_down_happens_at_once_without_gates(begun: Rig) -> None:
    """It reduces exposure: no ledger is needed and no approval."""
    begun.settings.ledger.unlink()
    moved = ask(begun, who="max", wanted=0)
    assert isinstance(moved, operation_results.Moved)
    assert begun.setting("NOVA_ANR_PILOT") == "0.00"
    assert begun.target.journal.state().person_required


def test_drift_refuses_promotion(begun: Rig) -> None:
    """Settings that somebody changed by hand are never adopted silently."""
    begun.settings.settings_file.write_text("NOVA_ANR_ENABLED=1\nNOVA_ANR_PILOT=0.50\n", encoding="utf-8")
    assert refusal_of(ask(begun)) is Code.DRIFT


def test_without_approvers_nothing_is_promoted(begun: Rig) -> None:
    """The refusal says what to set."""
    from dataclasses import replace  # noqa: PLC0415 - beside its only use

    from core.actors import AccessPolicy  # noqa: PLC0415 - beside its only use

    target = replace(begun.target, access=AccessPolicy(operators=frozenset({"UOLIVIA"})))
    result = propose.propose(target, Order(begun.people["olivia"]))
    assert refusal_of(result) is Code.NO_APPROVERS
    assert isinstance(result, operation_results.Refused)
    assert "`approvers`" in result.refusal.text


def test_leaving_stage_zero_needs_a_person_and_no_live_figures(begun: Rig) -> None:
    """From 0% RSI and rollbacks do not apply, the daily run does not leave it, a person may ask."""
    brake.rollback(begun.target, begun.people["max"], "")
    begun.write_ledger(live={})
    run = daily.daily(begun.target, date(2025, 10, 1), PromotionMode.AUTO)
    assert isinstance(run, daily.DailyRun)
    assert refusal_of(run.outcome) is Code.PERSON_MUST_ASK
    assert asked(begun).approval.to_stage == 10


def test_after_a_rollback_old_bad_traffic_still_counts(begun: Rig) -> None:
    """A failure seen inside the window is not cleared by silence: leaving 0% with a bad RSI is refused."""
    brake.rollback(begun.target, begun.people["max"], "")
    drop_rsi(begun)
    assert refusal_of(ask(begun)) is Code.GATES_NOT_PASSED


def test_the_daily_run_promotes_once_per_date(begun: Rig) -> None:
    """A second run of the same date has no effect; the receipts say so."""
    request = asked(begun)
    requests.approve(begun.target, begun.people["aaron"], request.approval.id)
    first = daily.daily(begun.target, date(2025, 10, 1), PromotionMode.AUTO)
    assert isinstance(first, daily.DailyRun)
    assert isinstance(first.outcome, operation_results.Moved)
    assert begun.setting("NOVA_ANR_PILOT") == "0.50"
    assert refusal_of(daily.daily(begun.target, date(2025, 10, 1), PromotionMode.AUTO)) is Code.ALREADY_DONE
    assert begun.setting("NOVA_ANR_PILOT") == "0.50"


def test_the_daily_run_waits_until_a_person_has_asked(begun: Rig) -> None:
    """A journal that has just begun does not promote by itself."""
    run = daily.daily(begun.target, date(2025, 10, 1), PromotionMode.AUTO)
    assert isinstance(run, daily.DailyRun)
    assert refusal_of(run.outcome) is Code.PERSON_MUST_ASK


def test_an_operation_that_would_outlast_its_time_is_given_up(begun: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading may take what 30 minutes leave beside reload, health and read-back; then the request goes on waiting."""
    request = asked(begun).approval
    monkeypatch.setattr(
        "core.target.target.MAX_OPERATION_SECONDS", 2 * begun.settings.reload_timeout_s + begun.settings.health_timeout_s
    )
    with pytest.raises(OperationTimedOut, match="Nothing was changed"):
        requests.approve(begun.target, begun.people["aaron"], request.id)
    assert [intent.id for intent in begun.target.journal.pending()] == [request.id]
    assert begun.setting("NOVA_ANR_PILOT") == "0.10"


def test_a_missing_ledger_is_an_error_and_promotes_nothing(begun: Rig) -> None:
    """The message says what was not done."""
    begun.settings.ledger.unlink()
    with pytest.raises(LedgerUnreadable, match="Nothing was measured"):
        ask(begun)


@pytest.fixture
def unprivileged(begun: Rig) -> Iterator[Rig]:
    """The house as an account that is not root sees it: permissions count."""
    root = hasattr(os, "geteuid") and os.geteuid() == 0
    folder = begun.settings.ledger.parent
    if root:
        for path in (folder, *folder.rglob("*")):
            os.chown(path, 65534, 65534)
        for above in folder.parents[:3]:
            above.chmod(above.stat().st_mode | 0o011)
        os.seteuid(65534)
    yield begun
    if root:
        os.seteuid(0)
    folder.chmod(0o700)


def test_a_ledger_without_permission_is_an_error_and_asks_for_nothing(unprivileged: Rig) -> None:
    """The message names the file and the reason."""
    unprivileged.settings.ledger.chmod(0)
    with pytest.raises(LedgerUnreadable, match="Permission denied"):
        ask(unprivileged)
    assert unprivileged.target.journal.pending() == ()


def test_a_folder_that_cannot_be_written_promotes_nothing_and_says_so(unprivileged: Rig) -> None:
    """The settings file stays as it is, the outcome is recorded as not applied, and recovery has nothing to settle."""
    request = asked(unprivileged)
    folder = unprivileged.settings.ledger.parent / "router"
    folder.mkdir()
    moved = folder / "anr.env"
    unprivileged.settings.settings_file.rename(moved)
    unprivileged.target = Target.at(
        unprivileged.settings.model_copy(update={"settings_file": moved}), unprivileged.target.access, unprivileged.clock
    )
    moved.chmod(0o444)
    folder.chmod(0o500)
    result = requests.approve(unprivileged.target, unprivileged.people["aaron"], request.approval.id)
    folder.chmod(0o700)
    assert isinstance(result, operation_results.Moved)
    assert result.sealed.receipt.result is Result.NOT_APPLIED
    assert "is read-only for the account that runs anr" in result.sealed.receipt.note
    assert "NOVA_ANR_PILOT=0.10" in moved.read_text(encoding="utf-8")
    state = unprivileged.target.journal.state()
    assert (state.stage, state.unsettled) == (10, None)


def test_an_altered_journal_refuses_promotion(begun: Rig) -> None:
    """A row that was changed by hand does not mean another stage; it means that nobody knows."""
    with sqlite3.connect(begun.settings.journal) as connection:
        connection.execute("UPDATE receipts SET data = replace(data, '\"stage_after\":10', '\"stage_after\":75')")
    with pytest.raises(JournalCorrupt, match="does not verify"):
        ask(begun)


def test_a_lost_journal_does_not_mean_a_fresh_start(begun: Rig) -> None:
    """An empty journal beside receipt files is a lost one."""
    begun.target.journal.close()
    for file in begun.settings.journal.parent.glob("journal.sqlite*"):
        file.unlink()
    lost = Rig.__new__(Rig)
    lost.__dict__.update(begun.__dict__)
    from core.target.target import Target  # noqa: PLC0415 - beside its only use

    lost.target = Target.at(begun.settings, begun.target.access, begun.clock)
    with pytest.raises(JournalCorrupt, match="was lost or moved"):
        ask(lost)


def test_a_failed_reload_puts_the_settings_back(begun: Rig) -> None:
    """A router that could not be told goes no further up."""
    from core.target.target import Target  # noqa: PLC0415 - beside its only use

    request = asked(begun)
    target = begun.settings.model_copy(update={"reload_command": ("false",)})
    broken = Target.at(target, begun.target.access, begun.clock)
    moved = requests.approve(broken, begun.people["aaron"], request.approval.id)
    assert isinstance(moved, operation_results.Moved)
    assert moved.sealed.receipt.result is Result.NOT_APPLIED
    assert begun.setting("NOVA_ANR_PILOT") == "0.00"


def test_a_promotions_receipts_say_all_that_the_architecture_asks_for(begun: Rig) -> None:
    """Who asked and approved, from where to where, on which evidence, what was written and observed, by which build, where."""
    request = asked(begun).approval
    begun.clock.pass_(minutes=1)
    begun.write_ledger()
    requests.approve(begun.target, begun.people["aaron"], request.id)
    question, intent, outcome = (json.loads(sealed.data) for sealed in begun.target.journal.of_operation(request.id))
    assert [receipt["phase"] for receipt in (question, intent, outcome)] == ["event", "intent", "outcome"]
    assert [receipt["seq"] for receipt in (question, intent, outcome)] == [2, 3, 4]
    for receipt in (question, intent, outcome):
        assert (receipt["actor"]["kind"], receipt["actor"]["id"]) == ("slack", "UOLIVIA")
        assert (receipt["reason"], receipt["stage_before"], receipt["stage_after"]) == ("good day", 10, 25)
        assert (receipt["pilot_before"], receipt["build"], receipt["host"]) == (
            "0.10",
            f"anr {version('anr')}",
            socket.gethostname(),
        )
        assert receipt["ts"].endswith("Z")
        assert len(receipt["ts"]) == len("2025-10-01T09:05:00.000000Z")
        assert {"id", "cause", "runbook_url"} <= set(receipt)
    assert [gate["verdict"] for gate in intent["gates"]] == ["PASS"] * 9
    assert len(intent["metrics"]["ledger"]["sha256"]) == 64
    assert intent["approvals"] == [
        {"actor": {"kind": "slack", "id": "UAARON"}, "at": intent["approvals"][0]["at"], "decision": "approved"}
    ]
    assert intent["settings_written"]["NOVA_ANR_PILOT"] == outcome["settings_observed"]["NOVA_ANR_PILOT"] == "0.25"
    assert (intent["pilot_after"], outcome["pilot_after"], outcome["result"]) == ("0.25", "0.25", "applied")
    chain = begun.target.journal.receipts()
    for before, after in pairwise(chain):
        assert after.receipt.prev == sha256(before.data).hexdigest()


def test_every_receipt_has_its_file_and_a_lost_one_is_named(begun: Rig) -> None:
    """`verify` compares the journal with the files beside it."""
    files = sorted(path.name for path in begun.settings.receipts_dir.iterdir())
    assert files == ["anr_20251001T090500Z_000001_init.json"]
    (begun.settings.receipts_dir / files[0]).unlink()
    assert [flaw.seq for flaw in begun.target.journal.verify()[1]] == [1]
    assert begun.target.journal.recreate_files() == 1
    assert begun.target.journal.verify()[1] == ()


def test_a_cut_tail_is_betrayed_by_its_file(begun: Rig) -> None:
    """Who deletes the newest receipt from the journal leaves its file behind."""
    brake.rollback(begun.target, begun.people["max"], "")
    with sqlite3.connect(begun.settings.journal) as connection:
        connection.execute("DELETE FROM receipts WHERE seq = 2")
    assert any("tail was cut off" in flaw.problem for flaw in begun.target.journal.verify()[1])


def test_actions_are_a_closed_set() -> None:
    """Receipt file names are made of actions, so that no outside text reaches a path."""
    assert all(action.isalpha() for action in Action)
    assert issubclass(JournalCorrupt, AnrError)
