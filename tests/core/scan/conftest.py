import pytest


@pytest.fixture
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.scan.segments.SEGMENT_BYTES", 2000)
    monkeypatch.setattr("core.scan.parquet.BATCH_SEGMENTS", 3)
