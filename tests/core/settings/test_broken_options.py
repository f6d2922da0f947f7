"""What a brake makes of options that are wrong; how `anr rollback` uses it stands in test_options.py."""

from pathlib import Path

import pytest

from core.errors import ConfigurationError
from core.settings.broken_options import mended

WHOLE = """\
operators = ["os:olivia"]
brake_open_to_members = false
[target]
settings_file = "anr.env"
run_dir = "run/anr"
reload_command = ["/bin/true"]
"""


def test_whole_options_are_taken_as_they_are(tmp_path: Path) -> None:
    """Nothing is guessed: paths begin at the file, and only who is listed may brake."""
    found = mended(WHOLE, tmp_path / "anr.toml", {}, None)
    assert found.doubts == ()
    assert found.settings.target.settings_file == tmp_path / "anr.env"
    assert found.settings.operators == {"os:olivia"}
    assert not found.settings.brake_open_to_members


@pytest.mark.parametrize("line", WHOLE.splitlines()[3:])
def test_a_line_that_cannot_be_understood_leaves_the_others(tmp_path: Path, line: str) -> None:
    """Its option is doubted by name, unless nobody could say which router is meant."""
    option = line.partition(" ")[0]
    found = mended(WHOLE.replace(line, f"{option} = = 1"), tmp_path / "anr.toml", {}, None)
    assert found.doubts == (f"`{option}` may stand in a line that cannot be understood; its default was taken.",)
    assert found.settings.operators == {"os:olivia"}


def test_a_misspelt_option_stands_for_the_one_that_is_missing(tmp_path: Path) -> None:
    """The router is braked, and is not called safe: the settings file was guessed."""
    found = mended(WHOLE.replace("settings_file", "setings_file"), tmp_path / "anr.toml", {}, None)
    assert found.settings.target.settings_file == tmp_path / "anr.env"
    assert found.doubts == ("`setings_file` was taken for `settings_file`.",)


def test_without_a_list_of_operators_that_can_be_read_whoever_stands_there_brakes(tmp_path: Path) -> None:
    """A brake is for everybody rather than for nobody."""
    assert mended(WHOLE.replace('["os:olivia"]', "7"), tmp_path / "anr.toml", {}, None).settings.brake_open_to_members


def test_a_settings_file_that_is_no_path_is_nobodys_guess(tmp_path: Path) -> None:
    """The wrong router could be braked, and the right one called safe: nothing is done, and that is said."""
    with pytest.raises(ConfigurationError, match="NOTHING WAS DONE"):
        mended(WHOLE.replace('"anr.env"', "7"), tmp_path / "anr.toml", {}, None)


def test_a_variable_wins_over_the_file(tmp_path: Path) -> None:
    """As it does when nothing is wrong."""
    environment = {"ANR_TARGET__SETTINGS_FILE": str(tmp_path / "other.env")}
    found = mended(WHOLE + "nonsense = = 1", tmp_path / "anr.toml", environment, None)
    assert found.settings.target.settings_file == tmp_path / "other.env"
    assert found.doubts == ()
