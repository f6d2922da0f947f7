"""Alerts at one target, on real files: once per cause, whatever is broken."""

import shutil
import sqlite3
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.actors import AccessPolicy
from core.alerts.payload import AlertFacts
from core.brake.alert_memory import AlertMemory, Instance
from core.brake.lift import Unfrozen
from core.brake.respond import AlertResponder
from core.brake.turns import BrakeResult, RecordResult
from core.operations import propose
from core.receipts.receipt import Action, Receipt, Result
from core.rollout.state import RolloutState
from core.router.control import SAFE_SETTINGS
from core.settings.target import TargetSettings
from core.target.order import Order
from core.target.target import Target
from core.watch import recover
from tests.support.alert_payloads import alert, heard
from tests.support.rig import Rig


@pytest.fixture
def responder(begun: Rig) -> Iterator[AlertResponder]:
    made = AlertResponder(begun.target)
    yield made
    made.close()


def take(responder: AlertResponder, facts: tuple[AlertFacts, ...]) -> tuple[BrakeResult, RecordResult]:
    acted = responder.act(facts)
    return acted, responder.note_down(acted)


def is_safe(rig: Rig) -> bool:
    return rig.target.router.settings().carries(SAFE_SETTINGS)


def receipts(rig: Rig) -> list[Receipt]:
    return [sealed.receipt for sealed in rig.target.journal.receipts() if sealed.receipt.action is not Action.INIT]


def state(rig: Rig) -> RolloutState:
    return rig.target.journal.state()


def lift_all(rig: Rig) -> None:
    order = Order(rig.people["olivia"], "looked into it")
    assert isinstance(propose.unfreeze(rig.target, order, while_firing=True), Unfrozen)


def make_live(rig: Rig, pilot: str = "0.25") -> None:
    """Serve traffic again, as a promotion would."""
    text = f"NOVA_ANR_ENABLED=1\nNOVA_ANR_PILOT={pilot}\nNOVA_ANR_KILL=0\n"
    rig.settings.settings_file.write_text(text, encoding="utf-8")


def test_an_alert_freezes_and_its_receipt_names_it(begun: Rig, responder: AlertResponder) -> None:
    """The router is safe, the hold has the alert as its cause, and the receipt keeps what fired."""
    acted, noted = take(responder, heard(alert("ab", start="2026-11-24T08:00:00Z")))
    assert is_safe(begun)
    assert (acted.held, acted.safe, acted.problems, noted.kept) == (True, True, (), True)
    (hold,) = state(begun).holds
    assert (hold.cause, hold.reason) == ("alert:ab:2026-11-24T08:00:00.000000Z", "AnrRsiLow: RSI is 0.71")
    (receipt,) = receipts(begun)
    assert receipt.alert is not None
    assert (receipt.action, receipt.result, receipt.actor.id) == (Action.FREEZE, Result.APPLIED, "alertmanager")
    assert receipt.alert.labels["severity"] == "page"
    assert state(begun).firing == (hold,)


def test_a_repeat_every_second_for_an_hour_is_one_freeze(begun: Rig, responder: AlertResponder) -> None:
    """3,600 repeats leave one receipt and one hold; the router is looked at each time and stays as it is."""
    body = heard(alert())
    for _ in range(3600):
        begun.clock.pass_(seconds=1)
        acted, _ = take(responder, body)
    assert acted.repeated == 1
    assert len(receipts(begun)) == len(state(begun).holds) == 1


def test_a_repeat_puts_a_router_back_that_something_else_raised(begun: Rig, responder: AlertResponder) -> None:
    """While the hold is in force the settings are made safe again, without a second freeze."""
    take(responder, heard(alert()))
    make_live(begun)
    acted, _ = take(responder, heard(alert()))
    assert is_safe(begun)
    assert acted.safe
    assert len(receipts(begun)) == 1


def test_a_lifted_hold_stays_lifted_while_its_alert_fires_and_a_new_alert_freezes(begun: Rig, responder: AlertResponder) -> None:
    """The same instance never freezes twice, also for a bot that was started since; a new start or fingerprint does."""
    old, new = heard(alert("ab")), heard(alert("ab", start="2026-11-24T09:00:00Z"))
    take(responder, old)
    lift_all(begun)
    make_live(begun)
    for replica in (responder, AlertResponder(begun.target)):
        acted, noted = take(replica, old)
        assert (acted.held, acted.safe, noted.kept, acted.notes) == (True, True, True, ())
    assert not is_safe(begun)
    assert state(begun).holds == ()
    take(responder, new)
    assert is_safe(begun)
    assert len(state(begun).holds) == 1


def test_resolved_is_noted_and_lifts_nothing(begun: Rig, responder: AlertResponder) -> None:
    """Two alerts, one resolved: one hold still has a firing alert, both are in force, and repeats of it are one receipt."""
    take(responder, heard(alert("a"), alert("b")))
    over = alert("a", status="resolved", end="2026-11-24T08:30:00Z")
    for _ in range(3):
        take(responder, heard(over, alert("b")))
    assert is_safe(begun)
    assert len(state(begun).holds) == 2
    assert [hold.cause for hold in state(begun).firing] == [heard(alert("b"))[0].cause]
    assert [receipt.action for receipt in receipts(begun)] == [Action.FREEZE, Action.FREEZE, Action.ALERT]


def test_a_resolved_payload_of_an_alert_that_was_never_heard_firing_freezes_nothing(
    begun: Rig, responder: AlertResponder
) -> None:
    """It is over; it is noted, so that people see that it fired while nobody listened."""
    _, noted = take(responder, heard(alert(status="resolved", end="2026-11-24T08:30:00Z")))
    assert noted.kept
    assert not is_safe(begun)
    assert [receipt.action for receipt in receipts(begun)] == [Action.ALERT]


def test_firing_that_comes_after_its_resolved_freezes(begun: Rig, responder: AlertResponder) -> None:
    """Out of order, a firing alert that never froze is a firing alert."""
    take(responder, heard(alert(status="resolved", end="2026-11-24T08:30:00Z")))
    take(responder, heard(alert()))
    assert is_safe(begun)
    assert len(state(begun).firing) == 1


def test_an_old_resolved_after_a_new_start_leaves_the_new_one_firing(begun: Rig, responder: AlertResponder) -> None:
    """Each instance has its own end."""
    take(responder, heard(alert("a", start="2026-11-24T09:00:00Z")))
    take(responder, heard(alert("a", status="resolved", end="2026-11-24T08:30:00Z")))
    assert len(state(begun).firing) == 1


def test_an_alert_that_fires_again_with_the_same_start_is_firing_again(begun: Rig, responder: AlertResponder) -> None:
    """Firing, resolved, firing, resolved: each change is noted once, and the hold is one."""
    for status, end in (
        ("firing", ""),
        ("resolved", "2026-11-24T08:30:00Z"),
        ("firing", ""),
        ("resolved", "2026-11-24T08:40:00Z"),
    ):
        for _ in range(2):
            take(responder, heard(alert(status=status, **({"end": end} if end else {}))))
    assert len(state(begun).holds) == 1
    assert state(begun).firing == ()
    assert [receipt.alert.status for receipt in receipts(begun) if receipt.alert] == ["firing", "resolved", "firing", "resolved"]


def test_firing_resolved_firing_resolved_with_one_end_is_resolved(begun: Rig, responder: AlertResponder) -> None:
    """A late replica tells it all again with the same `endsAt`: the last word is resolved, also for a bot started in between."""
    end = {"status": "resolved", "end": "2026-11-24T08:30:00Z"}
    for replica in (responder, AlertResponder(begun.target)):
        take(replica, heard(alert()))
        assert len(state(begun).firing) == 1
        take(replica, heard(alert(**end)))
        assert state(begun).firing == ()
    assert [receipt.alert.status for receipt in receipts(begun) if receipt.alert] == ["firing", "resolved", "firing", "resolved"]
    assert isinstance(propose.unfreeze(begun.target, Order(begun.people["olivia"], "over"), while_firing=False), Unfrozen)


def test_a_process_whose_memory_is_old_notes_its_word_after_that_of_another(begun: Rig, responder: AlertResponder) -> None:
    """Two bots hear the same alert in turn: neither swallows what the other does not remember."""
    other, end = AlertResponder(begun.target), {"status": "resolved", "end": "2026-11-24T08:30:00Z"}
    take(responder, heard(alert()))
    take(other, heard(alert()))
    take(responder, heard(alert(**end)))
    take(responder, heard(alert()))
    take(other, heard(alert(**end)))
    assert state(begun).firing == ()


def test_an_instance_is_over_when_the_next_one_of_the_same_alert_is_heard(begun: Rig, responder: AlertResponder) -> None:
    """Alertmanager tells of the newest instance only; a late word on the old one freezes once if it is new, and fires no more."""
    first, second, third = (heard(alert("a", start=f"2026-11-24T0{hour}:00:00Z")) for hour in (7, 8, 9))
    take(responder, second)
    take(responder, third)
    take(responder, second)
    take(responder, first)
    assert [hold.cause for hold in state(begun).firing] == [third[0].cause]
    assert {hold.cause for hold in state(begun).holds} == {facts[0].cause for facts in (first, second, third)}


def test_a_group_is_one_story_until_it_is_over_and_the_next_episode_is_another(begun: Rig, responder: AlertResponder) -> None:
    """Alerts that join while the group fires or is held join its story; once all ended and was lifted a new one begins."""
    take(responder, heard(alert("a")))
    take(responder, heard(alert("a"), alert("b", start="2026-11-24T08:05:00Z")))
    for name in ("a", "b"):
        start = "2026-11-24T08:05:00Z" if name == "b" else alert()["startsAt"]
        take(responder, heard(alert(name, start=start, status="resolved", end="2026-11-24T08:30:00Z")))
    take(AlertResponder(begun.target), heard(alert("c", start="2026-11-24T08:31:00Z")))
    assert len({receipt.operation for receipt in receipts(begun)}) == 1
    take(responder, heard(alert("c", start="2026-11-24T08:31:00Z", status="resolved", end="2026-11-24T08:40:00Z")))
    lift_all(begun)
    take(AlertResponder(begun.target), heard(alert("a", start="2026-11-24T09:00:00Z")))
    stories = [receipt.operation for receipt in receipts(begun) if receipt.alert]
    assert stories[-1] != stories[0]
    assert len(set(stories)) == 2


def test_alerts_that_were_cut_off_hold_until_they_are_shown(begun: Rig, responder: AlertResponder) -> None:
    """The unseen rest is a cause of its own, and is over once the group is shown whole."""
    take(responder, heard(alert("a"), truncatedAlerts=3))
    assert len(state(begun).firing) == 2
    take(responder, heard(alert("a"), alert("b")))
    assert len(state(begun).holds) == 3
    assert len(state(begun).firing) == 2


def test_observed_and_notified_alerts_touch_nothing(begun: Rig, responder: AlertResponder) -> None:
    """They are receipts, so that the channel shows them; the router serves on."""
    _, noted = take(responder, heard(alert("a", severity="warning"), alert("b", component="db")))
    assert [sealed_receipt.receipt.alert.effect for sealed_receipt in noted.sealed if sealed_receipt.receipt.alert] == ["notify"]
    assert not is_safe(begun)
    assert state(begun).holds == ()


def test_with_a_broken_journal_and_no_ledger_the_freeze_is_held_in_the_marks_and_recorded_late(begun: Rig) -> None:
    """Nothing but the router's file and a directory is needed; a repeat does not freeze twice; the story stays one."""
    good = begun.settings.journal.read_bytes()
    begun.settings.journal.write_bytes(b"not a database" * 100)
    for suffix in ("-wal", "-shm"):
        Path(f"{begun.settings.journal}{suffix}").unlink(missing_ok=True)
    begun.settings.ledger.unlink()
    for _ in range(2):  # the second is a bot that was started since
        responder = AlertResponder(Target.at(begun.settings, begun.target.access, begun.clock))
        acted, noted = take(responder, heard(alert("a"), alert("b")))
        assert (acted.held, acted.safe, noted.kept) == (True, True, True)
        assert is_safe(begun)
    assert len(begun.target.brake.read().frozen_by) == 2
    begun.settings.journal.write_bytes(good)
    recover.recover(Target.at(begun.settings, begun.target.access, begun.clock))
    late = receipts(begun)
    assert [(receipt.late, receipt.alert is not None) for receipt in late] == [(True, True), (True, True)]
    assert len({receipt.operation for receipt in late}) == 1
    take(AlertResponder(begun.target), heard(alert("a"), alert("b")))
    assert len(receipts(begun)) == 2


def test_a_bug_in_what_is_remembered_keeps_no_alert_from_braking(
    begun: Rig, responder: AlertResponder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What nobody foresaw while an alert is compared with those before: it freezes, as if nothing were known of it."""

    def broken(*_: object) -> Instance | None:
        raise TypeError("startswith first arg must be bytes")

    monkeypatch.setattr(AlertMemory, "find", broken)
    acted = responder.act(heard(alert("ab", start="2026-11-24T08:00:00Z"), alert("cd", status="resolved")))
    assert (is_safe(begun), acted.safe, acted.held, len(acted.notes)) == (True, True, True, 1)
    monkeypatch.undo()
    assert responder.note_down(acted).kept
    assert [hold.cause for hold in state(begun).holds] == ["alert:ab:2026-11-24T08:00:00.000000Z"]


def test_a_freeze_that_could_not_be_recorded_is_recorded_at_the_next_chance(begun: Rig, responder: AlertResponder) -> None:
    """Whoever holds the journal does not have to be waited for, nobody has to run `recover`, and repeats add nothing."""
    holder = sqlite3.connect(begun.settings.journal, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    try:
        acted, noted = take(responder, heard(alert()))
    finally:
        holder.execute("ROLLBACK")
        holder.close()
    assert (acted.held, acted.safe, noted.kept, noted.sealed) == (True, True, True, ())
    begun.clock.pass_(minutes=10)
    take(responder, heard(alert()))
    recover.record_waiting(begun.target)
    take(responder, heard(alert()))
    assert [receipt.late for receipt in receipts(begun)] == [True]
    assert begun.target.brake.unrecorded() == ()


def test_what_only_has_to_be_shown_is_not_kept_while_the_journal_is_away(begun: Rig) -> None:
    """Alertmanager is told to come again, so that nothing is lost."""
    begun.settings.journal.write_bytes(b"not a database" * 100)
    target = Target.at(begun.settings, begun.target.access, begun.clock)
    _, noted = take(AlertResponder(target), heard(alert(severity="warning")))
    assert not noted.kept
    assert "is not recorded" in noted.problems[0]


def test_a_router_that_cannot_be_made_safe_is_no_success_and_is_tried_again(begun: Rig, responder: AlertResponder) -> None:
    """The hold is there, but the answer is an error until the router is safe."""
    kept = begun.settings.settings_file.read_bytes()
    begun.settings.settings_file.unlink()
    begun.settings.settings_file.mkdir()
    acted, _ = take(responder, heard(alert()))
    assert not acted.safe
    assert len(begun.target.brake.read().frozen_by) == 1
    begun.settings.settings_file.rmdir()
    begun.settings.settings_file.write_bytes(kept)
    acted, _ = take(responder, heard(alert()))
    assert acted.safe
    assert is_safe(begun)
    assert len(state(begun).holds) == 1


def test_a_reload_that_failed_is_tried_again_at_the_repeat(begun: Rig, tmp_path: Path) -> None:
    """The file says safe, but the router may not have read it: that is not yet safe."""
    flag = tmp_path / "works"
    command = ("python3", "-c", f"import os, sys; sys.exit(0 if os.path.exists({str(flag)!r}) else 1)")
    target = begun.settings.model_copy(update={"reload_command": command})
    responder = AlertResponder(Target.at(target, begun.target.access, begun.clock))
    assert not take(responder, heard(alert()))[0].safe
    assert not take(responder, heard(alert()))[0].safe
    flag.touch()
    assert take(responder, heard(alert()))[0].safe


def test_a_storm_of_new_alerts_reloads_the_router_once(begun: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each cause has its mark, its hold and its receipt; what was written since, or long ago, makes the router reload again."""
    monkeypatch.setattr("core.brake.respond.TRUST_SECONDS", 60.0)
    reloads = tmp_path / "reloads"
    command = ("python3", "-c", f"open({str(reloads)!r}, 'a').write('x')")
    target = begun.settings.model_copy(update={"reload_command": command})
    responder = AlertResponder(Target.at(target, begun.target.access, begun.clock))
    for number in range(5):
        acted, noted = take(responder, heard(alert(f"a{number}")))
        assert (acted.held, acted.safe, noted.kept) == (True, True, True)
    assert reloads.read_text() == "x"
    assert len(begun.target.brake.read().frozen_by) == len(state(begun).holds) == len(receipts(begun)) == 5
    settings, again = begun.settings.settings_file, begun.settings.settings_file.with_name("again")
    again.write_bytes(settings.read_bytes())
    again.replace(settings)  # as safe as before, but nobody knows what the router has read
    assert take(responder, heard(alert("a5")))[0].safe
    make_live(begun)
    assert take(responder, heard(alert("a6")))[0].safe
    assert is_safe(begun)
    assert reloads.read_text() == "xxx"
    monkeypatch.setattr("core.brake.respond.TRUST_SECONDS", 1e-9)  # another process's reload may have come after ours by now
    assert take(responder, heard(alert("a7")))[0].safe
    assert reloads.read_text() == "xxxx"
    assert take(responder, heard(alert("a7")))[0].repeated == 1
    assert reloads.read_text() == "xxxx"
    responder.close()


def test_payloads_that_wait_share_one_file_of_marks_and_each_mark_is_its_own(begun: Rig, responder: AlertResponder) -> None:
    """Forty groups at once: every cause has its mark and its receipt, lifting one takes that one mark, and the chain holds."""
    payloads = [heard(alert(f"a{number:02x}"), groupKey=f"group {number}") for number in range(40)]
    acted = responder.act_on_all(payloads)
    assert [(result.held, result.safe, len(result.notes)) for result in acted] == [(True, True, 1)] * 40
    folder = begun.settings.run_dir / "brake"
    shared = {path.stat().st_ino for path in folder.glob("note-*.json")}
    assert len(shared) < 10  # in as many files as their bound asks for, and not in forty
    marks = {mark.cause: mark for mark in begun.target.brake.freezes()}
    assert set(marks) == {facts.cause for (facts,) in payloads}
    assert all(mark.alert == facts for (facts,) in payloads for mark in [marks[facts.cause]])
    assert len(begun.target.brake.unrecorded()) == 40
    gone = marks[payloads[7][0].cause]
    begun.target.brake.release((gone.id,))
    assert {mark.id for mark in begun.target.brake.freezes()} == {mark.id for mark in marks.values()} - {gone.id}
    assert all(noted.kept and len(noted.sealed) == 1 for noted in responder.note_down_all(acted))
    assert {receipt.cause for receipt in receipts(begun)} == set(marks)
    assert begun.target.brake.unrecorded() == ()
    assert begun.target.journal.verify()[1] == ()


def test_a_file_of_marks_that_cannot_be_read_freezes_under_all_its_names(begun: Rig, responder: AlertResponder) -> None:
    """What a crash of the machine leaves of it is a hold for every name that it had."""
    acted = responder.act_on_all([heard(alert(f"a{number}"), groupKey=f"group {number}") for number in range(3)])
    names = {note.id for result in acted for note in result.notes}
    for name in names:
        (begun.settings.run_dir / "brake" / f"note-{name}.json").write_bytes(b"\0" * 900)
    assert set(begun.target.brake.read().frozen_by) == names


def test_marks_that_waited_are_recorded_with_one_reload(begun: Rig, tmp_path: Path) -> None:
    """However many brakes could not be recorded when they acted, the router is not restarted for each."""
    reloads = tmp_path / "reloads"
    command = ("python3", "-c", f"open({str(reloads)!r}, 'a').write('x')")
    options = begun.settings.model_copy(update={"reload_command": command})
    target = Target.at(options, begun.target.access, begun.clock)
    responder = AlertResponder(target)
    responder.act_on_all([heard(alert(f"a{number}"), groupKey=f"group {number}") for number in range(5)])
    responder.close()
    assert reloads.read_text() == "x"
    begun.clock.pass_(minutes=1)
    assert len(recover.record_waiting(target)) == 5
    assert reloads.read_text() == "xx"
    assert [receipt.late for receipt in receipts(begun)] == [True] * 5


def test_marks_that_cannot_be_written_are_no_success_unless_the_journal_has_the_hold(begun: Rig) -> None:
    """Durable is either the mark or the receipt; with neither Alertmanager has to come again, and the router is safe already."""
    for brake in begun.target.brake._directories:
        shutil.rmtree(brake, ignore_errors=True)
        brake.parent.mkdir(parents=True, exist_ok=True)
        brake.write_text("in the way", encoding="utf-8")
    responder = AlertResponder(begun.target)
    acted, noted = take(responder, heard(alert("a")))
    assert is_safe(begun)
    assert not acted.held
    assert noted.kept
    begun.settings.journal.write_bytes(b"not a database" * 100)
    acted, noted = take(AlertResponder(Target.at(begun.settings, begun.target.access, begun.clock)), heard(alert("b")))
    assert is_safe(begun)
    assert (acted.held, noted.kept) == (False, False)


def test_thirty_deliveries_at_once_are_one_freeze(begun: Rig, responder: AlertResponder) -> None:
    """However they interleave, also with a second bot on the same files."""
    other = AlertResponder(Target.at(begun.settings, begun.target.access, begun.clock))
    start = threading.Barrier(6)

    def deliver(one: AlertResponder) -> None:
        start.wait()
        for _ in range(5):
            take(one, heard(alert()))

    with ThreadPoolExecutor(6) as pool:
        for done in [pool.submit(deliver, replica) for replica in (responder, other) * 3]:
            done.result()
    assert is_safe(begun)
    assert len(receipts(begun)) == len(state(begun).holds) == 1
    assert begun.target.brake.read().frozen_by == (state(begun).holds[0].id,)


def test_a_cause_whose_hold_was_lifted_while_nobody_could_know_it_is_a_hold_anew(begun: Rig) -> None:
    """A bot that was started with the journal away freezes again; that is safe, and it is recorded, not dropped."""
    before = AlertResponder(begun.target)
    take(before, heard(alert()))
    before.close()
    lift_all(begun)
    make_live(begun)
    good = begun.settings.journal.read_bytes()
    for suffix in ("-wal", "-shm"):
        Path(f"{begun.settings.journal}{suffix}").unlink(missing_ok=True)
    begun.settings.journal.write_bytes(b"not a database" * 100)
    take(AlertResponder(Target.at(begun.settings, begun.target.access, begun.clock)), heard(alert()))
    assert is_safe(begun)
    begun.settings.journal.write_bytes(good)
    recover.recover(Target.at(begun.settings, begun.target.access, begun.clock))
    assert len(state(begun).holds) == 1
    assert state(begun).stage == 0


def site_in(folder: Path) -> Target:
    """A router at 10% whose journal has not begun."""
    target = TargetSettings(
        ledger=folder / "l",
        settings_file=folder / "anr.env",
        journal=folder / "j.sqlite",
        receipts_dir=folder / "logs",
        run_dir=folder / "run",
    )
    target.settings_file.write_text("NOVA_ANR_ENABLED=1\nNOVA_ANR_PILOT=0.10\n", encoding="utf-8")
    return Target.at(target, AccessPolicy())


deliveries = st.lists(
    st.tuples(st.sampled_from("abc"), st.sampled_from(["firing", "resolved"]), st.sampled_from(["page", "warning"])),
    min_size=1,
    max_size=12,
)


def take_in_turns(target: Target, payloads: list[tuple[AlertFacts, ...]], turns: set[int], restarts: set[int]) -> None:
    """Act on payloads together until a turn ends, at these places; the process is another one from each of `restarts` on."""
    responder, waiting = AlertResponder(target), list[tuple[AlertFacts, ...]]()
    for place, payload in enumerate([*payloads, None]):
        if place in turns | restarts or payload is None:
            responder.note_down_all(responder.act_on_all(waiting))
            waiting.clear()
        if place in restarts:
            responder.close()
            responder = AlertResponder(target)
        if payload is not None:
            waiting.append(payload)
    responder.close()


@settings(max_examples=25)
@given(
    order=deliveries,
    turns=st.sets(st.integers(0, 12)),
    restarts=st.sets(st.integers(0, 12), max_size=4),
    groups=st.integers(1, 3),
)
def test_any_order_of_deliveries_ends_as_the_causes_say(
    tmp_path_factory: pytest.TempPathFactory,
    order: list[tuple[str, str, str]],
    turns: set[int],
    restarts: set[int],
    groups: int,
) -> None:
    """The holds are exactly the causes that ever paged, and each has one; turns and restarts change nothing."""
    target = site_in(tmp_path_factory.mktemp("orders"))
    payloads = []
    for name, status, severity in order:
        end = {"end": "2026-11-24T08:30:00Z"} if status == "resolved" else {}
        group = f"group-{ord(name) % groups}"
        payloads.append(heard(alert(name, status=status, severity=severity, **end), groupKey=group))
    take_in_turns(target, payloads, turns, restarts)
    paged = {heard(alert(name))[0].cause for name, status, severity in order if (status, severity) == ("firing", "page")}
    assert {hold.cause for hold in target.journal.state().holds} == paged
    assert len(target.journal.state().holds) == len(paged)
    assert target.router.settings().carries(SAFE_SETTINGS) == bool(paged)
    last = {
        sealed.receipt.alert.cause: sealed.receipt.alert.status for sealed in target.journal.receipts() if sealed.receipt.alert
    }
    assert last == {heard(alert(name))[0].cause: status for name, status, _ in order}
    assert target.brake.unrecorded() == ()
    target.journal.close()


@st.composite
def interleaved(draw: st.DrawFn) -> tuple[list[tuple[int, str]], tuple[int, str]]:
    """What two replicas deliver of one alert, mixed, and the last word: each tells in order, may leave out, and ends with it."""
    words = [(start, status) for start in range(draw(st.integers(1, 3))) for status in draw(st.sampled_from(STATUSES))]
    replicas = [[*(word for word in words[:-1] if draw(st.booleans())), words[-1]] for _ in range(2)]
    mixed = []
    while replicas[0] or replicas[1]:
        turn = draw(st.sampled_from([replica for replica in replicas if replica]))
        mixed.append(turn.pop(0))
    return mixed, words[-1]


STATUSES = (["firing"], ["firing", "resolved"], ["firing", "resolved", "firing"], ["firing", "resolved", "firing", "resolved"])


@settings(max_examples=40)
@given(told=interleaved(), turns=st.sets(st.integers(0, 20)), restarts=st.sets(st.integers(0, 20), max_size=6))
def test_however_two_replicas_interleave_the_last_word_is_right(
    tmp_path_factory: pytest.TempPathFactory,
    told: tuple[list[tuple[int, str]], tuple[int, str]],
    turns: set[int],
    restarts: set[int],
) -> None:
    """Exactly the newest instance fires, if its last word says so; every instance that was heard firing has one hold."""
    target = site_in(tmp_path_factory.mktemp("replicas"))
    words, (newest, status) = told
    payloads = []
    for start, said in words:
        end = {"end": f"2026-11-24T0{start}:30:00Z"} if said == "resolved" else {}
        payloads.append(heard(alert(status=said, start=f"2026-11-24T0{start}:00:00Z", **end)))
    take_in_turns(target, payloads, turns, restarts)
    causes = {start: f"alert:0123456789abcdef:2026-11-24T0{start}:00:00.000000Z" for start, _ in words}
    firing = {hold.cause for hold in target.journal.state().firing}
    assert firing == ({causes[newest]} if status == "firing" else set())
    # an instance that was over before anybody heard it fire has no hold
    assert len(target.journal.state().holds) == len({hold.cause for hold in target.journal.state().holds})
    last = {sealed.receipt.alert.cause: sealed.receipt.alert for sealed in target.journal.receipts() if sealed.receipt.alert}
    assert {cause for cause, facts in last.items() if facts.status == "firing"} == firing
    target.journal.close()
