"""Each check is made to fail for real: what it looks at is broken, and the check is asked."""

import errno
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from core.actors import UPKEEP
from core.brake import brake
from core.doctor.check import Check, Health, examine
from core.doctor.own_checks import check_up
from core.gates.guard import GuardMode, GuardPolicy, Look, Series
from core.gates.report import Verdict
from core.operations import daily, propose
from core.operations.daily import pause
from core.receipts.receipt import Action
from core.rollout.schedule import PromotionMode, Schedule
from core.router.marks import BrakeNote
from core.target.order import Order
from core.target.target import Target
from core.upkeep import backup
from core.upkeep.journal_copy import copies_of, copy_journal
from core.watch.clock import ClockJump, remember
from tests.core.system.test_files import denied, nobodys_folder
from tests.support.rig import Rig, decision


def well(rig: Rig) -> Rig:
    """The same house with everything in order: guardrails in the settings, a state, room on the disk, today's run made."""
    rig.settings.settings_file.write_text(
        "NOVA_ANR_ENABLED=1\nNOVA_ANR_PILOT=0.10\nNOVA_ANR_KILL=0\nNOVA_ANR_MAX_FAST_PROB=0.15\nNOVA_ANR_STRICT_ON_ANOMALY=1\n",
        encoding="utf-8",
    )
    rig.settings.state_file.write_text("{}", encoding="utf-8")
    stamp = rig.clock.now.timestamp()
    os.utime(rig.settings.state_file, (stamp, stamp))
    target = Target.at(rig.settings.model_copy(update={"reload_command": ("true",)}), rig.target.access, rig.clock)
    propose.init(target, rig.people["olivia"], "begin")
    copy_journal(target)
    return Rig(target, rig.clock, rig.statuses, rig.people)


@pytest.fixture(autouse=True)
def _room(monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk with room, and a machine in UTC, whatever this one has."""
    usage = shutil.disk_usage("/")
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage._replace(free=50 << 30))
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()


def found(rig: Rig, name: str, **options: Any) -> Check:
    """The worst of what the checks of that name found."""
    order = [Health.FAIL, Health.WARN, Health.OK]
    return min(
        (check for check in check_up(rig.target, **options) if check.name == name),
        key=lambda found_check: order.index(found_check.health),
    )


def changed(rig: Rig, **facts: Any) -> Rig:
    target = rig.settings.model_copy(update=facts)
    return Rig(Target.at(target, rig.target.access, rig.clock), rig.clock, rig.statuses, rig.people)


def test_a_house_in_order_is_ok_throughout(rig: Rig) -> None:
    """No check complains about a good day, so that a complaint means something."""
    rig = well(rig)
    daily.daily(rig.target, rig.clock.now.date(), PromotionMode.OFF)
    rig.clock.pass_(minutes=5)
    rig.write_ledger()
    assert [(check.name, check.text) for check in check_up(rig.target) if check.health is not Health.OK] == []
    assert len({check.name for check in check_up(rig.target)}) == 21


Break = Callable[[Rig], Any]


def corrupt_journal(rig: Rig) -> None:
    with sqlite3.connect(rig.settings.journal) as connection:
        connection.execute("UPDATE receipts SET data = replace(data, 'begin', 'bogus')")


def cut_tail(rig: Rig) -> None:
    pause(rig.target, Order(rig.people["olivia"]))
    with sqlite3.connect(rig.settings.journal) as connection:
        connection.execute("DELETE FROM receipts WHERE seq = 2")


def unrecorded_brake(rig: Rig) -> None:
    note = BrakeNote(id="abc", action=Action.ROLLBACK, actor=rig.people["max"], reason="", cause=None, at=rig.clock.now)
    rig.target.brake.engage(note)


def malformed(rig: Rig, count: int) -> None:
    with rig.settings.ledger.open("a", encoding="utf-8") as stream:
        stream.write("garbage\n" * count)


def remembers_failures(rig: Rig) -> None:
    look = Look(at=rig.clock.now, verdict=Verdict.FAIL, reasons=("rsi: low",))
    rig.settings.run_dir.mkdir(parents=True, exist_ok=True)
    (rig.settings.run_dir / "guard.json").write_text(Series(last=look, failing=(look,)).model_dump_json(), encoding="utf-8")


BROKEN: list[tuple[str, Break, str, Health, str, str]] = [
    (
        "missing-settings-file",
        lambda h: h.settings.settings_file.unlink(),
        "settings file",
        Health.FAIL,
        "does not exist",
        "repair",
    ),
    (
        "settings-that-are-no-dotenv",
        lambda h: h.settings.settings_file.write_text("a line without a sign, 'unclosed\n", encoding="utf-8"),
        "settings file",
        Health.FAIL,
        "not KEY=value",
        "repair",
    ),
    (
        "a-pilot-that-nobody-understands",
        lambda h: h.settings.settings_file.write_text("NOVA_ANR_ENABLED=1\nNOVA_ANR_PILOT=lots\n", encoding="utf-8"),
        "settings file",
        Health.FAIL,
        "cannot be understood",
        "NOVA_ANR_PILOT",
    ),
    (
        "missing-guardrails",
        lambda h: h.settings.settings_file.write_text("NOVA_ANR_ENABLED=1\nNOVA_ANR_PILOT=0.10\n", encoding="utf-8"),
        "settings file",
        Health.WARN,
        "NOVA_ANR_MAX_FAST_PROB",
        "next promotion",
    ),
    (
        "drift",
        lambda h: h.settings.settings_file.write_text("NOVA_ANR_ENABLED=1\nNOVA_ANR_PILOT=0.50\n", encoding="utf-8"),
        "observed router",
        Health.FAIL,
        "50%",
        "drift reapply",
    ),
    (
        "a-router-that-was-never-seen",
        lambda h: h.write_ledger(live=None),
        "observed router",
        Health.WARN,
        "not seen",
        "reloaded",
    ),
    ("sick-slot", lambda h: h.statuses.update(slot09="sick"), "slots", Health.FAIL, "slot09 is sick", "healthy"),
    ("missing-slot", lambda h: h.statuses.pop("slot10"), "slots", Health.FAIL, "slot10 is missing", "healthy"),
    ("missing-ledger", lambda h: h.settings.ledger.unlink(), "ledger", Health.FAIL, "cannot be read", "repair"),
    ("empty-ledger", lambda h: h.settings.ledger.write_bytes(b""), "ledger", Health.FAIL, "without data", "writes its ledger"),
    ("stale-ledger", lambda h: h.clock.pass_(minutes=16), "ledger", Health.FAIL, "16 min old", "writes its ledger"),
    ("some-malformed-lines", lambda h: malformed(h, 2), "ledger lines", Health.WARN, "2 lines", "crash"),
    ("many-malformed-lines", lambda h: malformed(h, 50), "ledger lines", Health.FAIL, "50 lines", "Find out"),
    ("entries-of-tomorrow", lambda h: h.clock.pass_(hours=-2), "ledger lines", Health.FAIL, "dated more than", "clock"),
    ("missing-state", lambda h: h.settings.state_file.unlink(), "state file", Health.WARN, "does not exist", "state_file"),
    ("corrupt-state", lambda h: h.settings.state_file.write_bytes(b"{"), "state file", Health.FAIL, "corrupt", "anr restore"),
    (
        "an-all-nul-state",
        lambda h: h.settings.state_file.write_bytes(b"\0" * 99),
        "state file",
        Health.FAIL,
        "corrupt",
        "restore",
    ),
    ("a-state-of-last-week", lambda h: os.utime(h.settings.state_file, (0, 0)), "state file", Health.WARN, "old", "learns"),
    ("an-altered-receipt", corrupt_journal, "journal", Health.FAIL, "flaw(s)", "anr verify"),
    ("a-cut-tail", cut_tail, "journal", Health.FAIL, "tail was cut off", "anr verify"),
    (
        "a-journal-of-garbage",
        lambda h: h.settings.journal.write_bytes(b"garbage" * 999),
        "journal",
        Health.FAIL,
        "cannot be read",
        "repair",
    ),
    (
        "a-missing-receipt-file",
        lambda h: next(h.settings.receipts_dir.iterdir()).unlink(),
        "journal",
        Health.WARN,
        "1 receipt file(s) missing",
        "anr recover",
    ),
    ("a-brake-without-its-receipt", unrecorded_brake, "journal", Health.WARN, "1 brake(s)", "anr recover"),
    ("a-copy-of-three-days-ago", lambda h: h.clock.pass_(hours=72), "journal copies", Health.WARN, "is 3 d old", "anr bot"),
    (
        "a-copy-that-was-altered",
        lambda h: copies_of(h.target).found()[0].path.write_bytes(b"x"),
        "journal copies",
        Health.FAIL,
        "no good one",
        "anr journal backup",
    ),
    (
        "no-copy-of-the-journal",
        lambda h: shutil.rmtree(h.settings.copies_dir),
        "journal copies",
        Health.WARN,
        "There is no copy",
        "anr journal backup",
    ),
    ("a-clock-set-back", lambda h: h.clock.pass_(hours=-1), "clock", Health.FAIL, "was set back", "NTP"),
    (
        "a-clock-that-the-bot-saw-set-back",
        lambda h: remember(h.settings.run_dir, ClockJump(noticed=h.clock.now, by_s=-7200)),
        "clock",
        Health.WARN,
        "was set back by 2 h",
        "NTP",
    ),
    ("a-paused-schedule", lambda h: pause(h.target, Order(h.people["olivia"])), "schedule", Health.WARN, "Paused", "resume"),
    ("a-run-that-was-not-made", lambda h: h.clock.pass_(hours=1), "schedule", Health.FAIL, "was not made", "anr bot"),
    (
        "drift-in-the-way",
        lambda h: h.settings.settings_file.write_text("NOVA_ANR_ENABLED=1\nNOVA_ANR_PILOT=0.50\n", encoding="utf-8"),
        "promotion",
        Health.WARN,
        "drift",
        "`why`",
    ),
    ("a-guard-that-sees-failures", remembers_failures, "guard", Health.WARN, "1 of 3 looks", "Look at the router"),
]


@pytest.mark.parametrize(("spoil", "name", "health", "text", "remedy"), [pytest.param(*row, id=key) for key, *row in BROKEN])
def test_what_is_broken_is_named_with_what_to_do_next(
    rig: Rig, spoil: Break, name: str, health: Health, text: str, remedy: str
) -> None:
    """Broken for real, found, and told with a remedy; before it was broken the same check had nothing to say."""
    well(rig)
    assert found(rig, name).health is Health.OK
    spoil(rig)
    check = found(rig, name)
    assert check.health is health, check
    assert text in check.text
    assert remedy in check.remedy


def test_a_journal_that_has_not_begun_says_how_to_begin(rig: Rig) -> None:
    """The first thing that a new installation is told."""
    check = found(rig, "journal")
    assert (check.health, check.remedy) == (Health.WARN, "Run `anr init` once.")


def test_a_fault_in_one_check_hides_no_other(rig: Rig) -> None:
    """Journal and ledger lost at once: both are told, and everything else is looked at all the same."""
    well(rig)
    rig.settings.journal.write_bytes(b"garbage" * 999)
    rig.settings.ledger.unlink()
    names = {check.name for check in check_up(rig.target) if check.health is Health.FAIL}
    assert {"journal", "ledger"} <= names
    assert found(rig, "settings file").health is Health.OK
    assert found(rig, "slots").health is Health.OK


def test_a_check_that_breaks_is_itself_a_finding(begun: Rig, caplog: pytest.LogCaptureFixture) -> None:
    """What nobody foresaw fails visibly, with its trace in the log, and the rest is still examined."""

    def breaks(_target: Target, _now: object) -> Iterator[Check]:
        raise ZeroDivisionError("nobody foresaw this")

    def works(_target: Target, _now: object) -> Iterator[Check]:
        yield Check("well", Health.OK, "well")

    first, second = examine(begun.target, (("odd", breaks), ("well", works)))
    assert (first.name, first.health) == ("odd", Health.FAIL)
    assert "nobody foresaw this" in first.text
    assert second.health is Health.OK
    assert "ZeroDivisionError" in caplog.text


@contextmanager
def held_by_another_process(rig: Rig, since: timedelta) -> Iterator[int]:
    """Another live process holds the operation lock, as it says since then."""
    script = (
        "import sys; from datetime import datetime; from pathlib import Path; from core.target.lock import operation_lock\n"
        "with operation_lock(Path(sys.argv[1]), 'promote', datetime.fromisoformat(sys.argv[2])):\n"
        "    print('held', flush=True); sys.stdin.read()\n"
    )
    began = (rig.clock.now - since).isoformat()
    arguments = [sys.executable, "-c", script, str(rig.settings.run_dir), began]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        try:
            yield process.pid
        finally:
            process.communicate("")


@pytest.mark.parametrize(
    ("minutes", "health"), [pytest.param(1, Health.WARN, id="under-way"), pytest.param(31, Health.FAIL, id="stuck")]
)
def test_a_lock_held_by_a_live_process_is_named_with_its_holder(begun: Rig, minutes: int, health: Health) -> None:
    """Operation, process and since when; past 30 minutes it is stuck. Free again, there is nothing to say."""
    with held_by_another_process(begun, timedelta(minutes=minutes)) as pid:
        check = found(begun, "operation lock")
        assert check.health is health
        assert f"promote (process {pid} on " in check.text
        assert "`rollback` and `freeze` do not need it" in check.remedy
    assert found(begun, "operation lock").health is Health.OK


def test_a_router_that_keeps_its_state_locked_is_named(rig: Rig) -> None:
    """No backup can be made while somebody sits on the router's own lock."""
    import fcntl  # noqa: PLC0415 - POSIX

    well(rig)
    with rig.settings.state_file.with_name(rig.settings.state_file.name + ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        check = found(rig, "state file")
    assert check.health is Health.FAIL
    assert "lock" in check.text


def test_a_folder_that_cannot_be_written_is_named(begun: Rig) -> None:
    """Receipts would find no place; the folder and what it is for are told."""
    with nobodys_folder() as folder:
        (folder / "logs").mkdir()
        rig = changed(begun, receipts_dir=folder / "logs")
        assert found(rig, "permissions").health is Health.OK
        with denied(folder / "logs", 0o500):
            check = found(rig, "permissions")
    assert check.health is Health.FAIL
    assert f"{(folder / 'logs').resolve()} (receipts): Permission denied" in check.text


def test_a_full_disk_is_named(begun: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel has no room for the probe: permission bits would not tell."""

    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    check = found(begun, "permissions")
    assert check.health is Health.FAIL
    assert "No space left on device" in check.text
    assert list(begun.settings.run_dir.glob(".anr-doctor-*")) == []


@pytest.mark.parametrize(("free", "health"), [(50 << 20, Health.FAIL), (500 << 20, Health.WARN), (2 << 30, Health.OK)])
def test_little_room_is_told_before_there_is_none(begun: Rig, monkeypatch: pytest.MonkeyPatch, free: int, health: Health) -> None:
    """Below 100 MB fails, below 1 GB warns."""
    usage = shutil.disk_usage("/")
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage._replace(free=free))
    assert found(begun, "disk space").health is health


def test_a_zone_that_is_not_the_machines_is_told(begun: Rig) -> None:
    """Both times are shown, so that whoever set the wrong zone sees it."""
    rig = changed(begun, schedule=Schedule(zone="Asia/Tokyo"))
    check = found(rig, "zone")
    assert check.health is Health.WARN
    assert "Asia/Tokyo, where it is 18:05 now; on this machine it is 09:05" in check.text


def test_router_settings_in_the_shell_are_told(begun: Rig) -> None:
    """The old scripts set them there, where no running router sees them."""
    check = found(begun, "environment", stray=("NOVA_ANR_PILOT",))
    assert check.health is Health.WARN
    assert "NOVA_ANR_PILOT" in check.text


def test_secrets_that_others_may_read_are_told(begun: Rig, tmp_path: Path) -> None:
    """The file is named, never what is in it."""
    options = tmp_path / "anr.toml"
    options.write_text('[slack]\nbot_token = "xoxb-very-secret"\n', encoding="utf-8")
    options.chmod(0o644)
    check = found(begun, "secrets", secrets_in=options)
    assert check.health is Health.WARN
    assert "chmod 600" in check.remedy
    assert "very-secret" not in check.text + check.remedy
    options.chmod(0o600)
    assert "secrets" not in {found_check.name for found_check in check_up(begun.target, secrets_in=options)}


def test_a_guard_that_is_off_is_told(begun: Rig) -> None:
    """Nobody should believe to be guarded."""
    rig = changed(begun, guard=GuardPolicy(mode=GuardMode.OFF))
    assert found(rig, "guard").health is Health.WARN


def named(rig: Rig, state_path: str) -> Check:
    """What the doctor says of the state file if the router's settings name this path."""
    well(rig)
    with rig.settings.settings_file.open("a", encoding="utf-8") as stream:
        stream.write(f"NOVA_ANR_STATE_PATH={state_path}\n")
    return found(rig, "state file")


@pytest.mark.parametrize(
    "path", ["{folder}/anr_state.json", "anr_state.json", "./run/../anr_state.json", "{folder}/./anr_state.json"]
)
def test_settings_that_name_our_state_file_are_in_order(rig: Rig, tmp_path: Path, path: str) -> None:
    """A whole path, or one that is ours from the folder of the settings file."""
    (tmp_path / "run").mkdir()
    assert named(rig, path.format(folder=tmp_path)).health is Health.OK


@pytest.mark.parametrize("path", ["{folder}/other.json", "./state/anr_linucb.json", "/srv/nova/run/anr_state.json"])
def test_settings_that_name_another_state_file_fail(rig: Rig, tmp_path: Path, path: str) -> None:
    """We would back up, and restore, a file in which nobody learns: both are named, and how a relative path was taken."""
    check = named(rig, path.format(folder=tmp_path))
    assert check.health is Health.FAIL
    assert path.format(folder=tmp_path) in check.text
    assert str(rig.settings.state_file) in check.text
    assert ("working folder is not known" in check.text) == path.startswith(".")
    assert "NOVA_ANR_STATE_PATH" in check.remedy


def test_a_link_to_our_state_file_is_our_state_file(rig: Rig, tmp_path: Path) -> None:
    """Paths are compared behind their links."""
    (tmp_path / "link.json").symlink_to(rig.settings.state_file)
    assert named(rig, f"{tmp_path}/link.json").health is Health.OK


def test_a_state_with_other_routes_than_its_newest_backup_is_a_warning(rig: Rig) -> None:
    """Somebody changed the router, or it wrote another state: both lists are named."""
    well(rig)
    rig.settings.state_file.write_text('{"R1": 1, "R2": 1}', encoding="utf-8")
    backup.back_up(rig.target, UPKEEP)
    stamp = rig.clock.now.timestamp()
    os.utime(rig.settings.state_file, (stamp, stamp))
    assert found(rig, "state file").health is Health.OK
    rig.settings.state_file.write_text('{"R1": 1, "R2": 1, "R6": 1}', encoding="utf-8")
    check = found(rig, "state file")
    assert check.health is Health.WARN
    assert "R1, R2, R6" in check.text
    assert "has R1, R2." in check.text


@pytest.mark.parametrize(
    ("command", "health", "says"),
    [
        pytest.param((), Health.WARN, "when somebody restarts it", id="none"),
        pytest.param(("systemctl", "reload", "nova"), Health.WARN, "does not restart it", id="reload"),
        pytest.param(("kill", "-HUP", "1"), Health.WARN, "does not restart it", id="hup"),
        pytest.param(("systemctl", "restart", "nova"), Health.OK, "is run to restart the router", id="restart"),
        pytest.param(("systemctl", "reload-or-restart", "nova"), Health.OK, "not tried by this check", id="another"),
    ],
)
def test_a_command_that_only_reloads_is_named(rig: Rig, command: tuple[str, ...], health: Health, says: str) -> None:
    """A running process never reads its settings again: whoever set a reload learns it before the brake is needed."""
    check = found(changed(rig, reload_command=command), "restart")
    assert check.health is health
    assert says in check.text


@pytest.mark.parametrize(
    ("command", "cause"),
    [
        pytest.param(("true",), "its launcher may export NOVA_ANR_… itself", id="restarted"),
        pytest.param((), "Nothing restarted it", id="not-restarted"),
    ],
)
def test_a_router_that_differs_from_its_file_has_its_cause_named(rig: Rig, command: tuple[str, ...], cause: str) -> None:
    """After a restart what the launcher exports is suspected, without one that nothing restarted it."""
    rig = changed(well(rig), reload_command=command)
    brake.rollback(rig.target, rig.people["max"], "errors")
    rig.clock.pass_(minutes=1)
    rig.settings.ledger.write_text(json.dumps({**decision(rig.clock.now), "live": {"route": "R2"}}) + "\n", encoding="utf-8")
    check = found(rig, "observed router")
    assert check.health is Health.FAIL
    assert "serves live traffic" in check.text
    assert cause in check.remedy
