import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
SAYS = """
import os, sys
from core.system import streams
closed = streams.open_missing()
with open(sys.argv[1], "a") as file:
    first = file.fileno() > 2
    reached = streams.written(sys.stdout, lambda: print("heard"))
    file.write(f"{closed} {first} {reached}")
"""


def said(tmp_path: Path, redirections: str) -> tuple[str, int]:
    """What a process found of its streams, and how it ended."""
    place = tmp_path / "found"
    command = f"'{sys.executable}' -c '{SAYS}' '{place}' {redirections}; exit ${{PIPESTATUS[0]}}"
    ended = subprocess.run(["/bin/bash", "-c", command], cwd=ROOT, check=False, capture_output=True)
    return place.read_text(encoding="utf-8"), ended.returncode


@pytest.mark.parametrize(
    ("redirections", "found"),
    [
        pytest.param("", "(False, False) True True", id="as they should be"),
        pytest.param(">&-", "(True, False) True True", id="no output"),
        pytest.param("<&- >&- 2>&-", "(True, True) True True", id="none at all"),
        pytest.param("> /dev/full", "(False, False) True False", id="a full disk"),
    ],
)
def test_whatever_the_streams_are_a_file_is_not_taken_for_one_and_the_process_ends_well(
    tmp_path: Path, redirections: str, found: str
) -> None:
    """What nobody hears is dropped, also at the interpreter's end, and said to whoever wrote it."""
    assert said(tmp_path, redirections) == (found, 0)
