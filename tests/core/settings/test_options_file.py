import subprocess
import sys
from pathlib import Path

import pytest

from core.settings.options_file import decides


@pytest.mark.parametrize(
    ("variable", "says"),
    [
        ("ANR_PEOPLE", True),
        ("ANR_TARGET__RUN_DIR", True),
        ("ANR_ALERTS__RULES", True),
        ("ANR_ALERTS__TOKEN", False),
        ("ANR_SLACK__BOT_TOKEN", False),
        ("ANR_CONFIG", False),
        ("NOVA_ANR_PILOT", False),
    ],
)
def test_variables_that_say_something_about_people_gates_and_routers(variable: str, *, says: bool) -> None:
    """Secrets and the place of the file do not."""
    assert decides(variable) == says


def test_finding_the_file_imports_nothing_slow() -> None:
    """Whoever asks a running bot waits for this, and for no model of every option."""
    program = "import sys, core.settings.options_file; print(*{'pydantic', 'typer', 'rich', 'sqlalchemy'} & set(sys.modules))"
    root = str(Path(__file__).parents[3])
    done = subprocess.run([sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
