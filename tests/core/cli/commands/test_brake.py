import json
from pathlib import Path

import pytest

from core.cli.output import FAILED, REFUSED
from core.receipts.receipt import Result
from core.router.control import SAFE_SETTINGS
from tests.core.cli.conftest import Anr
from tests.support.rig import Rig


def test_rollback_freeze_and_unfreeze(anr: Anr, rig: Rig) -> None:
    """The brake needs nothing; unfreezing leaves the router where it is."""
    assert anr("rollback", "--reason", "errors").exit_code == 0
    assert rig.site.router.settings().carries(SAFE_SETTINGS)
    assert anr("freeze").exit_code == 0
    assert anr("promote", "10").exit_code == REFUSED
    assert "1 lifted" in anr("unfreeze").output
    assert rig.site.router.settings().carries(SAFE_SETTINGS)
    assert anr("verify", "--alone").exit_code == 0
    assert [one["action"] for one in json.loads(anr("receipts", "--json").stdout)] == ["rollback", "freeze", "unfreeze"]


def test_what_the_brake_noticed_is_said_at_the_terminal_and_kept_in_the_receipt(anr: Anr, rig: Rig) -> None:
    """A file in another encoding was kept beside itself, and nobody can tell whether the router's account reads it."""
    rig.target.settings_file.write_bytes("NOVA_ANR_ENABLED=1\nNOVA_ANR_PILOT=0.10\n".encode("utf-16"))
    found = anr("rollback", "--json")
    assert found.exit_code == 0
    remarks = json.loads(found.stdout)["remarks"]
    assert [" is as it was." in remarks[0], "cannot be told" in remarks[1]] == [True, True]
    assert rig.site.journal.receipts(last=1)[0].receipt.note == " ".join(remarks)
    shown = " ".join(anr("freeze").output.split())
    assert "Whether the router's account can read the settings file cannot be told" in shown


def test_with_guessed_options_the_receipt_says_what_the_exit_code_says(
    anr: Anr, rig: Rig, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A name that was spelt wrong was taken for the settings file: nobody knows whether that is the router that is meant."""
    anr.options["target"]["setings_file"] = anr.options["target"].pop("settings_file")
    anr.write()
    found = anr("rollback", "--json")
    assert found.exit_code == FAILED
    assert rig.site.router.settings().carries(SAFE_SETTINGS)
    receipt = rig.site.journal.receipts(last=1)[0].receipt
    assert receipt.result is Result.UNKNOWN
    assert "`setings_file` was taken for `settings_file`." in receipt.note
    assert json.loads(found.stdout[found.stdout.index("{") :])["result"] == "not_safe"
