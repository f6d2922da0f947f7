import json
import sqlite3

from core.cli.output import FAILED
from tests.core.cli.conftest import Anr
from tests.support.rig import Rig


def test_verify_names_an_altered_receipt(anr: Anr, rig: Rig) -> None:
    """A flaw is an exit code that a script can see; a mark that was posted has to be in the chain."""
    assert anr("init").exit_code == 0
    digest = rig.site.journal.receipts()[0].digest
    assert anr("verify", "--expect", f"1:{digest[:12]}").exit_code == 0
    assert anr("verify", "--expect", "9:000000000000").exit_code == FAILED
    with sqlite3.connect(rig.target.journal) as connection:
        connection.execute("UPDATE receipts SET digest = 'x'")
    broken = anr("verify", "--alone", "--json")
    assert broken.exit_code == FAILED
    assert "#1 was altered" in json.loads(broken.stdout)["flaws"][0]
