"""The figures of a window, from a file or from a table, as the settings say.

Excluded: how either is read (core/scan/scan.py, core/scan/table.py).
"""

from core.errors import ConfigurationError
from core.ledger.figures import WindowMetrics
from core.ledger.window import Window
from core.scan.index import IndexPlace
from core.scan.scan import scan
from core.settings.target import TargetSettings
from core.system.extras import how_to_add
from core.system.progress import OnProgress


def measure(target: TargetSettings, window: Window, on_progress: OnProgress | None = None) -> WindowMetrics:
    """Measure a window of a target's own ledger, file or table, in the way that its settings say.

    Raises:
        LedgerUnreadable: the ledger is missing, no regular file, or cannot be read.
        ConfigurationError: it is a table, and what reads tables is not installed.
    """
    if url := target.ledger_table.get_secret_value():
        return _measure_table(url, window, target.gates.fast_cap)
    index = IndexPlace(target.ledger_index, target.window_minutes) if target.reading.index else None
    return scan(target.ledger, window, target.gates.fast_cap, options=target.reading, index=index, on_progress=on_progress)


def _measure_table(url: str, window: Window, fast_cap: float) -> WindowMetrics:
    try:
        from core.scan.table import measure_table  # noqa: PLC0415 - an optional extra, for ledgers that are tables
    except ModuleNotFoundError as error:
        text = f"A ledger that is a table needs {error.name}: {how_to_add('warehouse')} Nothing was measured."
        raise ConfigurationError(text) from error
    return measure_table(url, window, fast_cap)
