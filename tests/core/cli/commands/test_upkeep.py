import io
import json

import pytest

from core.cli.output import FAILED, REFUSED
from core.operations import propose
from tests.core.cli.conftest import Anr
from tests.support.rig import Rig


def test_backups_are_made_listed_and_asked_for_at_the_terminal(anr: Anr, rig: Rig) -> None:
    """The list shows what is valid and what is not, and a restore waits for somebody else."""
    anr("init")
    rig.settings.state_file.write_text('{"count": 1}', encoding="utf-8")
    made = json.loads(anr("backup", "--json").stdout)
    assert (made["result"], made["exit_code"]) == ("backed_up", 0)
    (found,) = json.loads(anr("backups", "--json").stdout)
    assert (found["name"], found["size"], found["problem"]) == (made["backup"], 12, None)
    asked = json.loads(anr("restore", made["backup"], "--reason", "went wrong", "--json").stdout)
    assert asked["result"] == "asked"
    refused = anr("approve", asked["request"])
    assert refused.exit_code == REFUSED
    assert "somebody else has to approve" in " ".join(refused.stderr.split())
    (rig.settings.backups_dir / made["backup"]).write_text("{}", encoding="utf-8")
    assert "no: its bytes do not" in " ".join(anr("backups").stdout.split())
    assert anr("restore", "../../etc/passwd").exit_code == REFUSED


def test_without_a_state_a_backup_fails_with_what_to_do(anr: Anr, rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """The exit code says that it failed, and the message which option may be wrong."""
    anr("init")
    monkeypatch.setattr("sys.stderr", io.StringIO())
    failed = anr("backup")
    assert failed.exit_code == 1
    assert "`state_file` in the settings" in str(failed.exception)


def test_a_prune_tells_what_it_would_do_and_what_it_did(anr: Anr, rig: Rig) -> None:
    """A dry run changes nothing; afterwards the chain verifies, and the mark of the last receipt that went still does."""
    rig.clock.pass_(days=-1000)
    propose.init(rig.target, rig.people["olivia"], "long ago")
    last = rig.target.journal.receipts()[-1]
    assert json.loads(anr("prune", "--dry-run", "--json").stdout) == {
        "count": 1,
        "exit_code": 0,
        "held_back_by": None,
        "receipt": None,
        "result": "would_prune",
        "through": 1,
    }
    assert json.loads(anr("prune", "--json").stdout)["result"] == "pruned"
    assert anr("verify", "--alone").exit_code == 0
    assert anr("verify", "--alone", "--expect", f"1:{last.digest[:12]}").exit_code == 0
    assert anr("verify", "--alone", "--expect", "1:000000000000").exit_code == FAILED
    assert "No receipt pruned" in anr("prune").stdout


def test_no_backups_are_a_sentence_and_no_empty_table(anr: Anr, rig: Rig) -> None:
    """Whoever lists what is not there is told so, where it would be, and how it comes to be."""
    said = "".join(anr("backups").stdout.split())
    expected = f"There are no backups in {rig.settings.backups_dir}. `anr backup` makes one, and the bot one a day."
    assert said == expected.replace(" ", "")
    assert anr("backups", "--json").stdout == "[]\n"
