from pathlib import Path

import pytest

from core.router.backups import Backups


def backups(folder: Path, keep: int = 7) -> Backups:
    return Backups(folder / "anr_state.json", folder / "backups", keep)


@pytest.fixture
def kept(tmp_path: Path) -> Backups:
    (tmp_path / "anr_state.json").write_text('{"count": 1}', encoding="utf-8")
    return backups(tmp_path)
