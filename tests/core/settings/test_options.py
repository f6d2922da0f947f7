"""Where options are found, what their paths mean, and what in them is an error; a brake runs all the same."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from core.cli.app import app
from core.cli.output import FAILED
from core.errors import ConfigurationError
from core.settings.broken_options import load_for_brake
from core.settings.options import ValueNotJson, options_of, over
from core.settings.options_file import find_options
from core.settings.settings import Settings, load
from tests.core.router.test_control import AT_10, SAFE_BYTES
from tests.core.system.test_files import NOBODY, names_in


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without any options, and a working folder two below the site's."""
    for name in list(os.environ):
        if name.upper().startswith("ANR_"):
            monkeypatch.delenv(name)
    below = tmp_path / "site" / "a" / "b"
    below.mkdir(parents=True)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.chdir(below)
    return tmp_path


def options(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def refusal() -> str:
    with pytest.raises(ConfigurationError) as caught:
        load()
    return str(caught.value)


# --- where they are found ---------------------------------------------------------------------------------------------

PLACES = ["elsewhere/named.toml", "site/a/b/anr.toml", "site/a/anr.toml", "site/anr.toml", "config/anr/anr.toml"]


@pytest.mark.parametrize("place", PLACES)
def test_the_first_place_that_has_options_counts(home: Path, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    """`ANR_CONFIG`, the working folder, those above it, the user's folder: whatever is further away is not read."""
    for further in PLACES[PLACES.index(place) :]:
        options(home / further, f"[target]\nname = 'at-{PLACES.index(further)}'\n")
    if place == PLACES[0]:
        monkeypatch.setenv("ANR_CONFIG", str(home / place))
    assert load().target.name == f"at-{PLACES.index(place)}"


def test_the_machines_options_are_the_last_place(home: Path) -> None:
    """Every place is named in order, the machine's own at the end."""
    looked = find_options(os.environ).looked
    assert looked[0] == str(home / "site/a/b/anr.toml")
    assert looked[-2:] == (str(home / "config/anr/anr.toml"), "/etc/anr/anr.toml")
    assert "/anr.toml" in looked


def test_without_xdg_the_users_folder_is_the_standard_one(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`~/.config` is where it is by the XDG base directory specification; a relative XDG_CONFIG_HOME does not count."""
    options(home / "home/.config/anr/anr.toml", "[target]\nname = 'mine'\n")
    monkeypatch.delenv("XDG_CONFIG_HOME")
    assert load().target.name == "mine"


def test_appdata_is_looked_at(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On Windows the user's options are under %APPDATA%."""
    options(home / "AppData/anr/anr.toml", "[target]\nname = 'windows'\n")
    monkeypatch.setenv("APPDATA", str(home / "AppData"))
    assert load().target.name == "windows"


def test_no_options_are_an_error_that_says_where_it_looked(home: Path) -> None:
    """Nobody runs on defaults in a folder where nothing is: exit 2, the places, and nothing made."""
    for words in (["rollback"], ["freeze"], ["status"], ["report"], ["promote"]):
        result = CliRunner().invoke(app, words)
        assert isinstance(result.exception, ConfigurationError), words
        assert "No options were found. Looked for" in str(result.exception)
        assert str(home / "site/anr.toml") in str(result.exception)
    assert names_in(home / "site/a/b") == []


def test_a_token_in_the_shell_is_no_router(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Variables that name no router do not make the working folder the site's."""
    monkeypatch.setenv("ANR_SLACK__BOT_TOKEN", "xoxb-1")
    assert "No options were found" in refusal()
    monkeypatch.setenv("ANR_TARGET__SETTINGS_FILE", "anr.env")
    assert load().target.settings_file == Path("anr.env")
    assert names_in(home / "site/a/b") == []


def test_a_file_that_anybody_could_have_put_there_is_not_taken(home: Path) -> None:
    """Options name a command that is run: a stranger's file in a folder that is open to all is left aside, and that is said."""
    planted = options(home / "site/a/anr.toml", "[target]\nname = 'planted'\nreload_command = ['/tmp/evil']\n")
    planted.parent.chmod(0o1777)
    os.chown(planted, NOBODY, NOBODY)
    assert f"{planted} (left aside: everybody may put a file there" in refusal()
    options(home / "site/anr.toml", "[target]\nname = 'ours'\n")
    assert load().target.name == "ours"
    (home / "site/anr.toml").chmod(0o666)
    assert "(left aside: everybody may write it)" in refusal()


def test_whoever_may_sudo_as_the_account_chooses_no_options_for_it(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`cd` to a folder of one's own, then `sudo -u anr anr rollback`: its file would name the command that anr's account runs."""
    planted = options(home / "site" / "anr.toml", "[target]\nreload_command = ['sh', '-c', 'echo mine']\n")
    monkeypatch.setattr(os, "geteuid", lambda: NOBODY)
    assert find_options({}).file == find_options({"SUDO_UID": "40007"}).file == planted
    for place in (planted, planted.parent):
        os.chown(place, 40007, -1)
        found = find_options({"SUDO_UID": "40007"})
        assert found.file is None
        assert any("belongs to whoever called this by `sudo`" in looked for looked in found.looked)
        os.chown(place, 0, -1)
    os.chown(planted, 40007, -1)
    assert find_options({"SUDO_UID": "40007", "ANR_CONFIG": str(planted)}).file == planted
    monkeypatch.setattr(os, "geteuid", lambda: 40007)
    assert find_options({"SUDO_UID": "40007"}).file == planted


# --- what their paths mean --------------------------------------------------------------------------------------------


def test_paths_of_a_file_begin_at_the_file_whatever_folder_one_is_in(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given or by default each path is the same from every folder; absolute ones and addresses stay."""
    options(
        home / "site/anr.toml",
        "[target]\nsettings_file = 'etc/anr.env'\njournal = '/var/lib/anr/journal.sqlite'\n"
        "reload_command = ['./restart.sh', 'x/y']\n",
    )
    found = load().target
    assert (found.settings_file, found.journal) == (home / "site/etc/anr.env", Path("/var/lib/anr/journal.sqlite"))
    assert (found.ledger, found.run_dir) == (home / "site/run/anr_ledger.ndjson", home / "site/run/anr")
    assert found.reload_command == (str(home / "site/restart.sh"), "x/y")
    monkeypatch.chdir(home)
    monkeypatch.setenv("ANR_CONFIG", "site/anr.toml")
    assert load().target == found


def test_a_command_of_the_path_and_a_table_stay(home: Path) -> None:
    """`systemctl` is looked for in PATH, and a ledger that is an address is no path."""
    options(home / "site/anr.toml", "[target]\nledger = 'sqlite:///x.db?table=t'\nreload_command = ['systemctl', 'restart']\n")
    found = load().target
    assert found.reload_command == ("systemctl", "restart")
    assert found.ledger_table.get_secret_value() == "sqlite:///x.db?table=t"


def test_paths_of_variables_begin_at_the_working_folder(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is said in a shell means what it means there, beside a file as without one."""
    options(home / "site/anr.toml", "[target]\nsettings_file = 'anr.env'\n")
    monkeypatch.setenv("ANR_TARGET__SETTINGS_FILE", "here.env")
    assert load().target.settings_file.absolute() == home / "site/a/b/here.env"


# --- what is no option ------------------------------------------------------------------------------------------------


def test_every_option_has_its_variable(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No variable of an option, nested or of several routers, counts as a typo."""
    options(home / "site/anr.toml", "[targets.b]\n")
    monkeypatch.setenv("ANR_TARGETS__B__GATES__RSI_MIN", "0.5")
    monkeypatch.setenv("ANR_PEOPLE", json.dumps({"olivia": "UOLIVIA"}))
    monkeypatch.setenv("anr_http__port", "0")
    assert load().every_target[0].gates.rsi_min == 0.5


# --- a brake with broken options --------------------------------------------------------------------------------------

Anr = Callable[..., Result]
ROUTER = "settings_file = 'nova.env'\nreload_command = ['touch', '{home}/reloaded']\nobserve_timeout_s = 0\n"
BROKEN = [
    pytest.param("[target]\n{router}[target.gates]\nrsi_min = 7\n", id="a-bound-that-cannot-be"),
    pytest.param("aprovers = ['UAARON']\n[target]\n{router}", id="a-misspelt-list"),
    pytest.param("operators = ['olivia']\n[target]\n{router}", id="a-name-for-an-id"),
    pytest.param("[target]\nstages = [10, 5]\n{router}", id="a-ladder-that-falls"),
    pytest.param("[target]\n{router}ledger = 'nova.env'\n", id="two-files-are-one"),
    pytest.param("[target]\n{router}ledger = 3\nwindowminutes = 3\n", id="a-number-for-a-path"),
    pytest.param("[target]\n{router}run_dir = 'run'\n[slack\nbot_token = 'x\n", id="broken-toml-behind"),
    pytest.param("[slack]\nbot_token = 'x\n[target]\nrun_dir = 'run'\n{router}", id="broken-toml-before"),
    pytest.param("[approvals.rollback]\nneeded = -3\n[target]\n{router}", id="an-approval-that-cannot-be"),
]


def target(home: Path, text: str) -> None:
    options(home / "site/anr.toml", text.format(router=ROUTER.format(home=home), home=home))
    (home / "site/nova.env").write_bytes(AT_10)


@pytest.mark.parametrize("words", [["rollback"], ["freeze", "--reason", "stop"]], ids=["rollback", "freeze"])
@pytest.mark.parametrize("text", BROKEN)
def test_the_brake_runs_with_broken_options_and_says_what_is_wrong(home: Path, text: str, words: list[str]) -> None:
    """The settings file and the reload command are understood: the router is made safe, and the mistake is told."""
    target(home, text)
    with pytest.raises(ConfigurationError):
        load()
    result = CliRunner().invoke(app, words)
    assert (home / "site/nova.env").read_bytes() == SAFE_BYTES
    assert (home / "reloaded").exists()
    assert result.exit_code == 0, result.output
    told = "".join(result.stderr.split())  # the terminal wraps it
    assert str(home / "site/anr.toml") in told
    assert "Thebrakerunsonwhatcanbeunderstood" in told


@pytest.mark.parametrize("text", BROKEN)
@pytest.mark.parametrize("words", ["status", "promote", "unfreeze", "why", "backup", "receipts"])
def test_every_other_command_refuses_broken_options(home: Path, text: str, words: str) -> None:
    """Nothing but a brake goes on with options that are partly understood."""
    target(home, text)
    result = CliRunner().invoke(app, words.split())
    assert isinstance(result.exception, ConfigurationError)
    assert (home / "site/nova.env").read_bytes() == AT_10
    assert names_in(home / "site") == ["a", "anr.toml", "nova.env"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        pytest.param(
            "[target]\nsetings_file = 'nova.env'\n", "`setings_file` was taken for `settings_file`.", id="misspelt-file"
        ),
        pytest.param(
            "[target]\nsettings_file = 'nova.env'\nreload_comand = ['true']\n",
            "`reload_comand` was taken for",
            id="misspelt-command",
        ),
        pytest.param(
            "[target]\nsettings_file = 'nova.env'\nreload_command = 'systemctl restart'\n",
            "`reload_command` cannot be understood.",
            id="command-as-text",
        ),
        pytest.param(
            "[target]\nsettings_file = 'nova.env'\nreload_command = ['a\n",
            "`reload_command` may stand in a line",
            id="command-in-a-broken-line",
        ),
    ],
)
def test_what_had_to_be_guessed_is_never_called_safe(home: Path, text: str, says: str) -> None:
    """The brake acts on the guess, ends with 3, and says what it does not know."""
    target(home, text)
    result = CliRunner().invoke(app, ["rollback"])
    assert (home / "site/nova.env").read_bytes() == SAFE_BYTES
    assert result.exit_code == 3
    assert "".join(says.split()) in "".join(result.output.split())
    assert "MAY NOT BE SAFE" in result.output


def test_a_brake_without_a_settings_file_to_name_says_that_nothing_was_done(home: Path) -> None:
    """If nobody can say which file is meant, exit 2, and by hand is the only way."""
    target(home, "[target]\nsettings_file = 3\n")
    result = CliRunner().invoke(app, ["rollback"])
    assert isinstance(result.exception, ConfigurationError)
    assert "NOTHING WAS DONE" in str(result.exception)
    assert (home / "site/nova.env").read_bytes() == AT_10


def test_of_several_routers_the_one_that_is_named_is_braked(home: Path) -> None:
    """A mistake in one router's options does not reach the other, and nobody guesses which is meant."""
    text = "[targets.a]\nsettings_file = 'a.env'\nwindow_minutes = 0\n[targets.b]\nsettings_file = 'nova.env'\nname = 'b'\n"
    target(home, text)
    (home / "site/a.env").write_bytes(AT_10)
    result = CliRunner().invoke(app, ["--target", "b", "rollback"])
    assert result.exit_code == 0, result.output
    assert ((home / "site/nova.env").read_bytes(), (home / "site/a.env").read_bytes()) == (SAFE_BYTES, AT_10)
    result = CliRunner().invoke(app, ["rollback"])
    assert result.exit_code == 0, result.output
    assert ((home / "site/nova.env").read_bytes(), (home / "site/a.env").read_bytes()) == (SAFE_BYTES, SAFE_BYTES)


def test_with_broken_options_every_router_is_braked_that_can_be_understood(home: Path) -> None:
    """One of two names no settings file that can be understood: the other one is braked, and the exit code is a failure."""
    target(home, "[targets.a]\nsettings_file = 7\n[targets.b]\nsettings_file = 'nova.env'\n")
    result = CliRunner().invoke(app, ["rollback"])
    assert result.exit_code == FAILED, result.output
    assert "a IS NOT BRAKED" in result.output
    assert (home / "site/nova.env").read_bytes() == SAFE_BYTES


def test_broken_variables_do_not_stop_the_brake(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable that wins over the file wins here, too, and one that is wrong is left aside."""
    target(home, "[target]\nsettings_file = 'other.env'\n")
    monkeypatch.setenv("ANR_TARGET__SETTINGS_FILE", "../../nova.env")
    monkeypatch.setenv("ANR_TARGET__WINDOW_MINUTES", "many")
    found = load_for_brake(None)
    ((settings, doubts),) = ((known.settings, known.doubts) for known in found.meant)
    assert settings.target.settings_file.resolve() == home / "site/nova.env"
    assert ("ANR_TARGET__WINDOW_MINUTES" in found.wrong, doubts) == (True, ())


def test_an_approval_that_the_brake_would_wait_for_does_not_hold_it_up(home: Path) -> None:
    """With broken options nobody can approve anything, so that the brake acts at once."""
    target(home, "brake_open_to_members = false\noperators = 7\n[approvals.rollback]\nneeded = 1\n[target]\n{router}")
    assert CliRunner().invoke(app, ["rollback"]).exit_code == 0
    assert (home / "site/nova.env").read_bytes() == SAFE_BYTES


def test_a_missing_settings_file_is_never_safe(home: Path) -> None:
    """Options that name a file which is not there: exit 3, and nothing is made where they say it is."""
    options(home / "site/anr.toml", "[target]\nsettings_file = 'nova.env'\n")
    result = CliRunner().invoke(app, ["rollback"])
    assert result.exit_code == 3
    assert "does not exist" in result.output
    assert not (home / "site/nova.env").exists()


# --- a brake whose options are not where they should be ---------------------------------------------------------------


@pytest.mark.parametrize("words", [["rollback"], ["freeze", "--reason", "stop"]], ids=["rollback", "freeze"])
@pytest.mark.parametrize("named", ["gone.toml", "site", "closed/anr.toml"], ids=["missing", "a-folder", "a-loop"])
def test_a_brake_whose_options_cannot_be_read_takes_those_that_it_finds(
    home: Path, monkeypatch: pytest.MonkeyPatch, named: str, words: list[str]
) -> None:
    """ANR_CONFIG leads nowhere: the router of the working folder is braked, and nobody calls it safe: it may be another."""
    target(home, "[target]\n{router}")
    (home / "closed").symlink_to("closed")
    monkeypatch.setenv("ANR_CONFIG", str(home / named))
    with pytest.raises(ConfigurationError, match="which is not a file"):
        load()
    result = CliRunner().invoke(app, words)
    assert (home / "site/nova.env").read_bytes() == SAFE_BYTES
    assert (home / "reloaded").exists()
    assert result.exit_code == FAILED, result.output
    told = "".join(result.output.split())
    assert f"ANR_CONFIGnames{home / named},whichcannotberead" in told
    assert f"Theoptionsof{home / 'site/anr.toml'}weretakeninitsplace." in told
    assert "MAYNOTBESAFE" in told


def test_variables_about_a_router_are_enough_for_a_brake(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """ANR_CONFIG leads nowhere and there is no other file: what the variables say of the router is acted on."""
    (home / "site/nova.env").write_bytes(AT_10)
    monkeypatch.setenv("ANR_CONFIG", str(home / "gone.toml"))
    monkeypatch.setenv("ANR_TARGET__SETTINGS_FILE", str(home / "site/nova.env"))
    assert CliRunner().invoke(app, ["rollback"]).exit_code == FAILED
    assert (home / "site/nova.env").read_bytes() == SAFE_BYTES


def test_where_a_brake_finds_no_options_at_all_it_says_what_to_write_by_hand(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody could say which router is meant: exit 2, and the three lines that make one safe."""
    monkeypatch.setenv("ANR_CONFIG", str(home / "gone.toml"))
    result = CliRunner().invoke(app, ["rollback"])
    assert isinstance(result.exception, ConfigurationError)
    told = str(result.exception)
    assert told.startswith(f"ANR_CONFIG names {home / 'gone.toml'}, which cannot be read (No such file or directory).")
    assert "NOTHING WAS DONE" in told
    assert all(line in told for line in ("NOVA_ANR_ENABLED=0", "NOVA_ANR_PILOT=0.00", "NOVA_ANR_KILL=1", "restart the router"))
    assert names_in(home / "site/a/b") == []


@pytest.mark.parametrize("encoding", ["utf-16", "latin-1"])
def test_a_brake_reads_options_in_another_encoding(home: Path, encoding: str) -> None:
    """PowerShell's `>` writes UTF-16: the brake guesses, says so, and calls nothing safe."""
    target(home, "# Z\u00fcrich\n[target]\n{router}")
    text = (home / "site/anr.toml").read_text(encoding="utf-8")
    (home / "site/anr.toml").write_bytes(text.encode(encoding))
    result = CliRunner().invoke(app, ["rollback"])
    assert (home / "site/nova.env").read_bytes() == SAFE_BYTES
    assert (result.exit_code, "isnotUTF-8,andwasguessedat" in "".join(result.output.split())) == (FAILED, True), result.output


@pytest.mark.parametrize(
    "name",
    [pytest.param("C:\\nova\\anr.env", id="no-toml"), pytest.param("C:\\temp\\new.env", id="toml-that-says-another-thing")],
)
def test_a_brake_takes_a_path_of_windows_in_double_quotes_as_it_stands(home: Path, name: str) -> None:
    """What TOML takes for escapes was a path: that file is written, and nobody calls a guess safe."""
    (home / "site" / name).write_bytes(AT_10)
    options(home / "site/anr.toml", f'[target]\nsettings_file = "{name}"\nobserve_timeout_s = 0\n')
    result = CliRunner().invoke(app, ["rollback"])
    assert (home / "site" / name).read_bytes() == SAFE_BYTES
    assert result.exit_code == FAILED, result.output
    told = "".join(result.output.split())
    assert "`settings_file`hasbackslashesindoublequotes;theyweretakenastheystand." in told


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        pytest.param({"ANR_TARGET__LEDGER": "a b"}, {"target": {"ledger": "a b"}}, id="a-text-as-it-is"),
        pytest.param({"anr_target__Soak_Hours": "0"}, {"target": {"soak_hours": 0}}, id="names-in-any-case"),
        pytest.param({"ANR_OPERATORS": '["U1"]'}, {"operators": ["U1"]}, id="a-list-is-json"),
        pytest.param(
            {"ANR_TARGET__LEDGER": "own", "ANR_TARGET": '{"ledger": "x", "name": "n"}'},
            {"target": {"ledger": "own", "name": "n"}},
            id="one-option-of-a-table-wins",
        ),
        pytest.param(
            {"ANR_TARGETS__STAGING__GATES__RSI_MIN": "0.7", "ANR_TARGETS__STAGING": '{"ledger": "l"}'},
            {"targets": {"staging": {"ledger": "l", "gates": {"rsi_min": "0.7"}}}},
            id="a-table-by-name",
        ),
        pytest.param({"ANR_PEOPLE__OLIVIA": "0123"}, {"people": {"olivia": "0123"}}, id="a-text-by-name"),
        pytest.param({"ANR_TARGET__SOAK_HOURS": '{"10": 48}'}, {"target": {"soak_hours": {"10": 48}}}, id="either-a-table"),
        pytest.param({"ANR_TARGET__SOAK_HOURS": "a day"}, {"target": {"soak_hours": "a day"}}, id="or-a-text"),
        pytest.param({"ANR_TARGET__LEDGR": "x", "ANR_NOTHING": "x", "PATH": "x"}, {}, id="no-options"),
    ],
)
def test_variables_say_what_a_file_would(variables: dict[str, str], said: dict[str, object]) -> None:
    """Tables in tables, in whatever order the variables come."""
    for order in (variables, dict(reversed(variables.items()))):
        assert options_of(order, Settings) == said


@pytest.mark.parametrize("name", ["ANR_OPERATORS", "ANR_TARGET", "ANR_TARGETS__STAGING", "ANR_TARGET__RELOAD_COMMAND"])
def test_a_list_that_is_not_json_is_no_text(name: str) -> None:
    """Nobody guesses what was meant; the value is told to nobody."""
    with pytest.raises(ValueNotJson, match=f"^{name} is not JSON$"):
        options_of({name: "U1, U2"}, Settings)


def test_of_two_tables_the_upper_one_wins_and_the_rest_stays() -> None:
    """However deep; what is no table is replaced as a whole."""
    below = {"target": {"ledger": "a", "gates": {"rsi_min": 1}, "list": [1, 2]}, "only": 1}
    above = {"target": {"gates": {"tri_min": 2}, "list": [3]}}
    assert over(below, above) == {"target": {"ledger": "a", "gates": {"rsi_min": 1, "tri_min": 2}, "list": [3]}, "only": 1}
