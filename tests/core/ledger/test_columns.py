from core.ledger.columns import Columns
from core.ledger.decode import decode
from tests.core.ledger.test_decode import as_lists


def test_packed_columns_of_nothing_are_columns() -> None:
    """A segment in which no line begins has columns too."""
    assert as_lists(Columns.unpacked(decode(b"").packed())) == as_lists(decode(b""))
