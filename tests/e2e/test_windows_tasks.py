"""The tasks of ops/windows against Microsoft's published schema, by libxml2's xmllint. No Windows runs here."""

import shutil
import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).parents[2]
SCHEMA = ROOT / "tests" / "published_schemas" / "task_scheduler" / "task.xsd"
TASKS = sorted((ROOT / "ops" / "windows").glob("*.xml"))


def problems(task: Path) -> str:
    """Return what xmllint finds wrong with a task; empty if it validates."""
    command = [shutil.which("xmllint") or "xmllint", "--noout", "--nonet", "--schema", str(SCHEMA), str(task)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else done.stderr


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.stem)
def test_a_task_is_one_by_microsofts_schema(task: Path, tmp_path: Path) -> None:
    """It validates; the same task with an element that the schema does not know does not."""
    assert problems(task) == ""
    wrong = tmp_path / task.name
    wrong.write_text(task.read_text(encoding="utf-8").replace("<Triggers>", "<Triggers><Whenever/>"), encoding="utf-8")
    assert "Whenever" in problems(wrong)
