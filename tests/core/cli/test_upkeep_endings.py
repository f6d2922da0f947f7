"""What came of the upkeep, at a terminal."""

from core.actors import UPKEEP
from core.cli.output import DONE, FAILED
from core.cli.render import ending
from core.receipts.receipt import Action
from core.upkeep import archive, backup, drill, prune
from tests.support.rig import Rig


def test_a_backup_is_told_with_its_name_and_the_mark_of_its_receipt(begun: Rig) -> None:
    """A script finds both among the facts."""
    begun.settings.state_file.write_text('{"count": 1}', encoding="utf-8")
    made = backup.back_up(begun.target, begun.people["olivia"])
    assert isinstance(made, backup.BackedUp)
    (kept,) = begun.target.backups.found()
    told = ending(made)
    assert told.code == DONE
    assert told.said == (f"Backed up: {kept.name}, 12 bytes. {made.sealed.mark}",)
    assert told.facts == {"result": "backed_up", "backup": kept.name, "receipt": made.sealed.mark}


def test_a_backup_that_was_not_made_fails_with_the_reason(begun: Rig) -> None:
    """The state is no JSON: exit code 3, and the receipt that says so is named."""
    begun.settings.state_file.write_text("{", encoding="utf-8")
    made = backup.back_up(begun.target, UPKEEP, cause="backup:2025-10-01")
    assert isinstance(made, backup.BackedUp)
    told = ending(made)
    assert told.code == FAILED
    assert told.said == (f"No backup was made. {made.sealed.mark}",)
    assert told.complaints == (made.sealed.receipt.note,)


def test_a_drill_that_finds_a_problem_fails_and_names_it(begun: Rig) -> None:
    """Each safety net is told with its age, and what is wrong goes to the error stream."""
    held = drill.drill(begun.target, UPKEEP)
    assert isinstance(held, drill.Drilled)
    told = ending(held)
    assert held.problems
    assert (told.code, told.complaints) == (FAILED, held.problems)
    assert told.facts["problems"] == list(held.problems)


def test_nothing_to_prune_and_nothing_to_archive_are_done(begun: Rig) -> None:
    """Exit code 0: there is nothing to mend, and no receipt was written."""
    before = begun.target.journal.receipts()
    begun.settings.ledger.write_bytes(b"")  # no line of a past month
    pruned, archived = prune.prune(begun.target, UPKEEP), archive.archive(begun.target, UPKEEP, dry_run=True)
    assert ending(pruned).facts["result"] == "nothing_to_do"
    assert ending(archived).facts["result"] == "nothing_to_archive"
    assert (ending(pruned).code, ending(archived).code) == (DONE, DONE)
    assert begun.target.journal.receipts() == before
    assert {sealed_receipt.receipt.action for sealed_receipt in before} == {Action.INIT}
