import pytest

from core.cli.app import COMMANDS, FURTHER_COMMANDS
from core.cli.protocol import BRAKES, BY_BOT, understood

FOR_A_BOT = {
    "status": ("status", None),
    "--target staging status --json": ("status", "staging"),
    "-t staging freeze": ("freeze", "staging"),
    "-tstaging freeze": ("freeze", "staging"),
    "--target=staging freeze": ("freeze", "staging"),
    "freeze --verbose -r export": ("freeze", None),
    "--verbose rollback": ("rollback", None),
    "promote 25 --dry-run": ("promote", None),
    "drift reapply": ("drift", None),
    "ledger archive": ("ledger", None),
    "break-glass because": ("break-glass", None),
}


@pytest.mark.parametrize("typed", FOR_A_BOT)
def test_what_a_bot_may_do_for_whoever_types_it(typed: str) -> None:
    """The command and the router are found wherever Click finds them, too."""
    said = understood(typed.split())
    assert ((said.command, said.target), said.is_for_bot) == (FOR_A_BOT[typed], True)


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "--help",
        "status --help",
        "--version",
        "--target",
        "bot",
        "report --csv /etc/passwd",
        "promote --dry-run --report /etc/shadow",
        "promote --dry-run --report=/etc/shadow",
        "receipts export --sign",
        "receipts --last 3 export",
        "ledger export --parquet /tmp",
        "ledger",
        "drift",
        "backtest /etc/shadow",
        "doctor",
        "verify",
        "manifest",
        "nothing",
    ],
)
def test_what_reads_or_writes_files_of_whoever_types_no_bot_does(typed: str) -> None:
    """It would read and write them with the rights of the account that runs anr."""
    assert not understood(typed.split()).is_for_bot


def test_every_command_that_a_bot_does_is_one() -> None:
    """No name is misspelt, and the brakes are among them."""
    assert {*COMMANDS, *FURTHER_COMMANDS} >= BY_BOT
    assert BRAKES <= BY_BOT
