from hypothesis import given
from hypothesis import strategies as st

from bot.blockkit.signs import State
from bot.stories.upkeep import backups, upkeep_outcome, upkeep_title
from core.actors import UPKEEP
from core.receipts.drafts.origin import Origin
from core.receipts.drafts.upkeep import archive_failed, ledger_archived
from core.receipts.evidence import Deleted, LedgerArchive
from core.receipts.receipt import Receipt, Statement
from core.router.backups import Backup
from tests.bot.views.test_answers import NOW, anything, showable


@given(st.lists(st.tuples(anything, st.one_of(st.none(), anything)), max_size=40))
def test_any_list_of_backups_can_be_shown(drawn: list[tuple[str, str | None]]) -> None:
    """A hundred backups, whatever is wrong with them, are cut and not refused."""
    showable(backups([Backup(name, NOW, 1 << 40, "e" * 64, problem) for name, problem in drawn]))


def recorded(statement: Statement) -> Receipt:
    return Receipt(**statement.model_dump(), id="r" * 10, target="production", seq=1, prev="0" * 64)


def test_an_archive_says_what_was_renamed_and_compressed_and_is_done_without_either() -> None:
    """A month in which the ledger only got another name, or only old archives went, is no failure; a refused one is."""
    origin = Origin("o" * 10, NOW, UPKEEP)
    packed = LedgerArchive(name="ledger-20250901T000000Z.ndjson.gz", lines=2000, size=9, digest="e" * 64)
    renamed = recorded(ledger_archived(origin, (), None, "Until now it was X."))
    both = recorded(ledger_archived(origin, (packed,), Deleted.of(["old.gz"]), ""))
    failed = recorded(archive_failed(origin, "The disk is full."))
    assert upkeep_title(renamed) == (State.FINE, "Ledger archived")
    assert upkeep_outcome(renamed) == ":card_file_box: Until now it was X."
    assert upkeep_outcome(both) == (
        ":card_file_box: Compressed, each verified:\n• `ledger-20250901T000000Z.ndjson.gz`: 2,000 lines"
        " Deleted: 1 file, listed in the receipt."
    )
    assert upkeep_title(failed) == (State.FAILED, "The ledger could not be archived")
    assert upkeep_outcome(failed) == ":x: Not done. The disk is full."
