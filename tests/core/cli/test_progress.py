import io
import time

import pytest
from rich.console import Console

from core.cli.progress import showing


def test_work_that_lasts_a_second_shows_that_it_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """A person sees how much of the ledger was read, and that something is done after that."""
    monkeypatch.setattr("core.cli.progress.PATIENCE_SECONDS", 0.0)
    console = Console(file=(shown := io.StringIO()), force_terminal=True, width=100)
    ends = time.monotonic() + 120
    with showing(console) as on_progress:
        for read, words in (500_000, "Reading, 500.0 kB of 2.0 MB"), (2_000_000, "Working"):
            shown.seek(0)
            shown.truncate()
            on_progress(read, 2_000_000)
            while words not in shown.getvalue():
                assert time.monotonic() < ends


@pytest.mark.parametrize(("person", "patience"), [(True, 60.0), (False, 0.0)], ids=["a-quick-one", "nobody-looks"])
def test_quick_work_and_scripts_see_no_progress(monkeypatch: pytest.MonkeyPatch, *, person: bool, patience: float) -> None:
    """Nothing flickers for what takes no time, and a pipe gets no control characters."""
    monkeypatch.setattr("core.cli.progress.PATIENCE_SECONDS", patience)
    console = Console(file=(shown := io.StringIO()), force_terminal=person, width=100)
    with showing(console) as on_progress:
        on_progress(500_000, 2_000_000)
        console.print("half-way")
        on_progress(2_000_000, 2_000_000)
    assert "Reading" not in shown.getvalue()
    assert "Working" not in shown.getvalue()
    assert person or shown.getvalue() == "half-way\n"
