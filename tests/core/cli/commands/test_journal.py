import json

from core.cli.output import DONE, FAILED
from tests.core.cli.conftest import Anr
from tests.core.journal.copies.test_rebuild import contents, lost
from tests.support.rig import Rig


def test_a_journal_is_copied_lost_and_made_again(anr: Anr, rig: Rig) -> None:
    """The three commands in the order in which somebody needs them; each says what it did, and exits with what it found."""
    assert anr("init").exit_code == DONE
    copied = anr("journal", "backup")
    assert copied.exit_code == DONE, copied.output
    assert "and the copy verifies" in " ".join(copied.output.split())
    checked = anr("journal", "check")
    assert checked.exit_code == DONE
    assert "rows, requests, files and copies say the same" in " ".join(checked.output.split())
    before = contents(rig.settings.journal)
    refused = anr("journal", "rebuild")
    assert refused.exit_code != DONE
    assert contents(rig.settings.journal) == before
    lost(rig)
    anothers = anr("journal", "rebuild")
    assert (anothers.exit_code, rig.settings.journal.exists()) != (DONE, True)  # whoever makes it owns it
    anr.is_used_by_its_account()
    built = anr("journal", "rebuild")
    assert built.exit_code == DONE, built.output
    assert contents(rig.settings.journal) == before


def test_what_is_wrong_with_a_copy_is_an_exit_code(anr: Anr, rig: Rig) -> None:
    """A script sees that a copy could not be put back, and which."""
    assert anr("init").exit_code == DONE
    copy = json.loads(anr("journal", "backup", "--json").stdout)["copy"]
    with open(copy, "wb"):  # noqa: PTH123 - its bytes are thrown away
        pass
    checked = anr("journal", "check", "--json")
    assert checked.exit_code == FAILED
    assert copy in json.loads(checked.stdout)["problems"][0]


def test_a_rebuild_without_files_says_so(anr: Anr, rig: Rig) -> None:
    """Nothing is made where nothing is."""
    built = anr("journal", "rebuild")
    assert built.exit_code != DONE
    assert not rig.settings.journal.exists()
