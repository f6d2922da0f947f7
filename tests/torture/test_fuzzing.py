"""Whatever bytes come from outside, no exception leaves their readers but the documented ones."""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.torture.fuzzing import TARGETS

pytestmark = pytest.mark.torture

RUNS = {
    "ledger_reader": 2500,
    "receipts_verifier": 12000,
    "settings_file": 2000,
    "command_parser": 40000,
    "alert_payloads": 20000,
}
"""How often atheris calls each: a few seconds."""
LONGEST_SECONDS = 120


def varied(examples: tuple[bytes, ...]) -> st.SearchStrategy[bytes]:
    """Examples of which parts are cut, doubled, swapped or replaced, and bytes that are no example at all."""
    piece = st.tuples(st.sampled_from(examples), st.integers(0, 400), st.integers(0, 400))
    cut = piece.map(lambda example_and_ends: example_and_ends[0][min(example_and_ends[1:]) : max(example_and_ends[1:])])
    return st.lists(st.one_of(st.sampled_from(examples), cut, st.binary(max_size=40)), max_size=6).map(b"".join)


@pytest.mark.parametrize("function", TARGETS, ids=lambda function: function.__name__)
def test_hypothesis_finds_no_other_exception(function: Callable[[bytes], None]) -> None:
    """Examples cut to pieces and put together again are read, or refused in the documented way."""

    @settings(max_examples=150)
    @given(varied(TARGETS[function]))
    def holds(data: bytes) -> None:
        function(data)

    holds()


@pytest.mark.parametrize("function", TARGETS, ids=lambda function: function.__name__)
def test_atheris_finds_no_other_exception(
    function: Callable[[bytes], None], tmp_path: Path, figure: Callable[[str], None]
) -> None:
    """Guided by coverage, with a fixed seed and number of runs."""
    runs = RUNS[function.__name__]
    limits = (f"-runs={runs}", "-seed=1", "-max_len=4096", f"-max_total_time={LONGEST_SECONDS}", f"-artifact_prefix={tmp_path}/")
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    command = [sys.executable, "-m", "tests.torture.fuzzing", function.__name__, str(corpus), *limits]
    done = subprocess.run(command, capture_output=True, text=True, timeout=10 * LONGEST_SECONDS, check=False)
    assert done.returncode == 0, done.stderr[-4000:] + done.stdout[-2000:]
    (count,) = re.findall(r"Done (\d+) runs", done.stderr)
    figure(f"atheris: {function.__name__} {int(count):,} runs without an undocumented exception")
