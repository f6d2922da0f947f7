import errno
import json
import os
import threading
import uuid
from pathlib import Path

import pytest

from core.cli.output import FAILED, REFUSED
from core.receipts.receipt import Result
from core.router.control import SAFE_SETTINGS
from tests.core.cli.conftest import Anr
from tests.support.rig import Rig
from tests.support.terminal import ME, toml


def test_rollback_freeze_and_unfreeze(anr: Anr, rig: Rig) -> None:
    """The brake needs nothing; unfreezing leaves the router where it is."""
    anr("init")
    assert anr("rollback", "--reason", "errors").exit_code == 0
    assert rig.target.router.settings().carries(SAFE_SETTINGS)
    assert anr("freeze").exit_code == 0
    assert anr("promote", "10").exit_code == REFUSED
    assert "1 lifted" in anr("unfreeze").output
    assert rig.target.router.settings().carries(SAFE_SETTINGS)
    assert anr("verify", "--alone").exit_code == 0
    actions = [receipt["action"] for receipt in json.loads(anr("receipts", "--json").stdout)]
    assert actions == ["init", "rollback", "freeze", "unfreeze"]


def test_what_the_brake_noticed_is_said_at_the_terminal_and_kept_in_the_receipt(anr: Anr, rig: Rig) -> None:
    """A file in another encoding was kept beside itself, and nobody can tell whether the router's account reads it."""
    anr("init")
    rig.settings.settings_file.write_bytes("NOVA_ANR_ENABLED=1\nNOVA_ANR_PILOT=0.10\n".encode("utf-16"))
    found = anr("rollback", "--json")
    assert found.exit_code == 0
    remarks = json.loads(found.stdout)["remarks"]
    assert [" is as it was." in remarks[0], "cannot be told" in remarks[1]] == [True, True]
    assert rig.target.journal.receipts(last=1)[0].receipt.note == " ".join(remarks)
    shown = " ".join(anr("freeze").output.split())
    assert "Whether the router's account can read the settings file cannot be told" in shown


def test_a_mark_that_cannot_be_written_is_a_sentence_and_no_trace(anr: Anr, rig: Rig) -> None:
    """Something else has the marks' name, and the spare's: the router is safe, and whoever braked reads what is missing."""
    anr("init")
    rig.settings.run_dir.mkdir(exist_ok=True)
    for place in (rig.settings.run_dir / "brake", rig.settings.settings_file.with_name("anr.env.brake")):
        place.write_text("in the way", encoding="utf-8")
    found = anr("freeze", "--reason", "errors")
    said = " ".join(found.output.split())
    assert (found.exit_code, rig.target.router.settings().carries(SAFE_SETTINGS)) == (FAILED, True)
    assert "The brake's mark could not be written (File exists); a promotion under way may not see it." in said
    assert ("Traceback" in said, '"level"' in said) == (False, False)


def test_a_disk_that_fails_under_a_brake_is_a_failure_and_no_remark(anr: Anr, rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """The safe settings stand in the file and may not outlive the machine: exit code 3, said, and kept in the receipt."""
    fsync = os.fsync

    def dying(descriptor: int) -> None:
        if Path(f"/proc/self/fd/{descriptor}").readlink().name.startswith(".anr.env."):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        fsync(descriptor)

    anr("init")
    monkeypatch.setattr(os, "fsync", dying)
    found = anr("rollback", "--json")
    facts = json.loads(found.stdout)
    assert (found.exit_code, rig.target.router.settings().carries(SAFE_SETTINGS)) == (FAILED, True)
    assert "could not be synced (Input/output error): a crash of the machine may bring the old ones back" in facts["problems"][0]
    receipt = rig.target.journal.receipts(last=1)[0].receipt
    assert (receipt.result, "could not be synced" in receipt.note) == (Result.APPLIED, True)


def test_with_guessed_options_the_receipt_says_what_the_exit_code_says(
    anr: Anr, rig: Rig, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A name that was spelt wrong was taken for the settings file: nobody knows whether that is the router that is meant."""
    anr("init")
    anr.options["target"]["setings_file"] = anr.options["target"].pop("settings_file")
    anr.write()
    found = anr("rollback", "--json")
    assert found.exit_code == FAILED
    assert rig.target.router.settings().carries(SAFE_SETTINGS)
    receipt = rig.target.journal.receipts(last=1)[0].receipt
    assert receipt.result is Result.UNKNOWN
    assert "`setings_file` was taken for `settings_file`." in receipt.note
    assert json.loads(found.stdout[found.stdout.index("{") :])["result"] == "not_safe"


def test_who_cannot_be_told_who_they_are_brakes_all_the_same(anr: Anr, rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the system does not answer who somebody is, a brake acts for whoever stands there, and no promotion does."""

    def down() -> list[int]:
        raise OSError(5, "the directory of accounts is down")

    anr("init")
    monkeypatch.setattr(os, "getgroups", down)
    assert anr("rollback").exit_code == 0
    assert rig.target.router.settings().carries(SAFE_SETTINGS)
    assert rig.target.journal.receipts(last=1)[0].receipt.actor.id == "unknown"
    assert anr("promote").exit_code != 0


def test_a_zero_byte_in_a_path_stops_no_brake(anr: Anr, rig: Rig) -> None:
    """A path that the system refuses without an OSError is one nobody understands: the brake acts, and calls nothing safe."""
    anr.write(target={"run_dir": "run\0"})
    found = anr("rollback")
    assert found.exit_code == FAILED
    assert "`run_dir` cannot be understood." in " ".join(found.output.split())
    assert rig.target.router.settings().carries(SAFE_SETTINGS)


def two_routers(folder: Path, rig: Rig, anr: Anr) -> dict[str, Path]:
    """Set two routers in place of one; return the settings file of each."""
    files = {name: folder / name / "anr.env" for name in ("one", "two")}
    options = {}
    for name, file in files.items():
        file.parent.mkdir()
        file.write_text("NOVA_ANR_ENABLED=1\nNOVA_ANR_PILOT=0.10\n", encoding="utf-8")
        own = {
            key: str(file.parent / key) for key in ("ledger", "journal", "receipts_dir", "run_dir", "state_file", "backups_dir")
        }
        options[name] = {**own, "settings_file": str(file), "health_url": rig.settings.health_url, "observe_timeout_s": 0}
    anr.options = {"targets": options, "operators": [ME]}
    lines = [f"{name} = {toml(value)}" for name, value in anr.options.items()]
    anr.file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    for name in files:
        assert anr("--target", name, "init").exit_code == 0
    return files


def test_several_routers_are_braked_where_no_thread_is_to_be_had(
    tmp_path: Path, rig: Rig, anr: Anr, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An account that may have no more processes (RLIMIT_NPROC counts threads) brakes them one after another."""

    def no_thread(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    files = two_routers(tmp_path, rig, anr)
    monkeypatch.setattr(threading.Thread, "start", no_thread)
    assert anr("rollback").exit_code == 0
    for file in files.values():
        assert "NOVA_ANR_KILL=1" in file.read_text(encoding="utf-8")


def test_a_bug_at_one_router_hides_nothing_of_another(
    tmp_path: Path, rig: Rig, anr: Anr, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With several routers a brake that breaks at one acts at the other, and says what came of both."""
    files = two_routers(tmp_path, rig, anr)
    real, broken = uuid.uuid4, iter(["a bug"])

    def breaks_once() -> uuid.UUID:
        if (bug := next(broken, None)) is not None:
            raise RuntimeError(bug)
        return real()

    monkeypatch.setattr(uuid, "uuid4", breaks_once)
    found = anr("rollback", "--json")
    assert found.exit_code == FAILED
    shown = json.loads(found.stdout[found.stdout.index("{") :])["targets"]
    assert sorted("a bug" in json.dumps(shown[name]) for name in files) == [False, True]
    left = [file for file in files.values() if "NOVA_ANR_PILOT=0.10" in file.read_text(encoding="utf-8")]
    assert len(left) == 1
    assert left[0].parent.name in [name for name in files if "a bug" in json.dumps(shown[name])]
