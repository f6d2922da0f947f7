import os
import traceback
from pathlib import Path

import pytest

from core.errors import ConfigurationError
from core.rollout.schedule import PromotionMode
from core.settings.settings import Settings, load
from core.settings.target import LADDER, TargetSettings
from tests.core.system.test_files import denied, nobodys_folder

SECRET = "4711-very-secret"


@pytest.fixture(autouse=True)
def _nothing_is_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No option comes from whoever runs the tests."""
    for name in list(os.environ):
        if name.upper().startswith("ANR_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file that ANR_CONFIG names, empty as yet."""
    path = tmp_path / "elsewhere" / "bot.toml"
    path.parent.mkdir()
    path.write_bytes(b"")
    monkeypatch.setenv("ANR_CONFIG", str(path))
    return path


def test_without_file_and_variables_the_defaults_hold() -> None:
    """The defaults are the runbook's, nobody holds a role, and Slack is off."""
    found = load(required=False)
    assert found.target == TargetSettings()
    assert (found.target.stages, found.target.window_minutes, found.target.gates.decisions_min) == (LADDER, 1440, 100)
    assert (found.target.schedule.zone, found.target.schedule.at.isoformat(), found.target.schedule.promotion) == (
        "UTC",
        "09:05:00",
        PromotionMode.AUTO,
    )
    assert (found.operators, found.approvers, found.people) == (frozenset(), frozenset(), {})
    assert {getattr(found.slack, name).get_secret_value() for name in ("bot_token", "app_token", "signing_secret")} == {""}


def test_the_file_in_the_working_folder_is_read(tmp_path: Path) -> None:
    """`anr.toml` needs no variable, and every part of it arrives in its type."""
    (tmp_path / "anr.toml").write_text(
        f"""
        operators = ["UOLIVIA", "os:olivia"]
        approvers = ["WAARON"]
        brake_open_to_members = false
        [target]
        name = "staging"
        ledger = "var/ledger.ndjson"
        reload_command = ["systemctl", "reload", "nova router"]
        stages = [0, 5, 100]
        [target.gates]
        rsi_min = 0.9
        [target.schedule]
        zone = "Europe/Zurich"
        at = 07:30:00
        promotion = "approve"
        [slack]
        bot_token = "{SECRET}"
        [people]
        olivia = "UOLIVIA"
        """,
        encoding="utf-8",
    )
    found = load()
    assert (found.operators, found.approvers) == (frozenset({"UOLIVIA", "os:olivia"}), frozenset({"WAARON"}))
    assert (found.target.name, found.target.ledger, found.target.stages) == (
        "staging",
        tmp_path / "var/ledger.ndjson",
        (0, 5, 100),
    )
    assert (found.target.reload_command, found.target.gates.rsi_min) == (("systemctl", "reload", "nova router"), 0.9)
    assert (found.target.schedule.zone, found.target.schedule.at.isoformat(), found.target.schedule.promotion) == (
        "Europe/Zurich",
        "07:30:00",
        "approve",
    )
    assert (found.slack.bot_token.get_secret_value(), found.people) == (SECRET, {"olivia": "UOLIVIA"})
    assert not found.access.brake_open_to_members


def test_the_file_that_is_named_is_read_instead(tmp_path: Path, config: Path) -> None:
    """Of two files only the one that ANR_CONFIG names counts."""
    (tmp_path / "anr.toml").write_text("[target]\nname = 'here'\nwindow_minutes = 60\n", encoding="utf-8")
    config.write_text("[target]\nname = 'there'\n", encoding="utf-8")
    assert (load().target.name, load().target.window_minutes) == ("there", 1440)


def test_an_empty_anr_config_names_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable that is set to nothing is like one that is not set: `anr.toml` counts."""
    (tmp_path / "anr.toml").write_text("[target]\nname = 'here'\n", encoding="utf-8")
    monkeypatch.setenv("ANR_CONFIG", "")
    assert load().target.name == "here"


def test_variables_win_over_the_file_option_by_option(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable replaces exactly its option; what stands beside it in the file stays."""
    config.write_text(
        """
        operators = ["UFILE"]
        approvers = ["UFILE"]
        [target]
        name = "file"
        window_minutes = 60
        stages = [0, 50]
        [target.gates]
        rsi_min = 0.5
        fast_cap = 0.5
        [target.schedule]
        zone = "Europe/Zurich"
        grace_hours = 1
        [slack]
        bot_token = "of the file"
        channel = "CFILE"
        """,
        encoding="utf-8",
    )
    monkeypatch.setenv("ANR_TARGET__NAME", "variable")
    monkeypatch.setenv("ANR_TARGET__STAGES", "[0, 10, 20]")
    monkeypatch.setenv("ANR_TARGET__GATES__RSI_MIN", "0.75")
    monkeypatch.setenv("ANR_TARGET__SCHEDULE__ZONE", "America/New_York")
    monkeypatch.setenv("ANR_SLACK__BOT_TOKEN", SECRET)
    monkeypatch.setenv("ANR_OPERATORS", '["UVARIABLE"]')
    found = load()
    assert (found.target.name, found.target.stages, found.target.window_minutes) == ("variable", (0, 10, 20), 60)
    assert (found.target.gates.rsi_min, found.target.gates.fast_cap) == (0.75, 0.5)
    assert (found.target.schedule.zone, found.target.schedule.grace_hours) == ("America/New_York", 1)
    assert (found.slack.bot_token.get_secret_value(), found.slack.channel) == (SECRET, "CFILE")
    assert (found.operators, found.approvers) == (frozenset({"UVARIABLE"}), frozenset({"UFILE"}))


# --- settings that cannot be used -------------------------------------------------------------------------------------


def refused() -> ConfigurationError:
    with pytest.raises(ConfigurationError, match=r"Nothing was started\.$") as caught:
        load()
    return caught.value


@pytest.mark.parametrize("place", ["missing", "directory", "link in a circle"])
def test_a_named_file_that_is_not_there_is_an_error(config: Path, place: str) -> None:
    """Nobody runs on defaults by a slip of the pen, and the message names the file."""
    config.unlink()
    if place == "directory":
        config.mkdir()
    elif place == "link in a circle":
        config.symlink_to(config)
    assert str(refused()) == f"ANR_CONFIG names {config}, which is not a file. Nothing was started."


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        pytest.param(b"[target\nname = 'x'\n", "at line 1", id="broken-toml"),
        pytest.param(b"[target]\nname = 'x'\n[target]\n", "at line 3", id="a-table-twice"),
        pytest.param("name = 'Zürich'\n".encode("latin-1"), "line 1: it is not UTF-8", id="not-utf-8"),
        pytest.param(b"target = 'production'\n", "target: a table is meant", id="a-text-for-a-table"),
        pytest.param(b"[target]\nlegder = 'x'\n", "did you mean target.ledger?", id="misspelt-option"),
        pytest.param(b"[target]\nname = 'Production 1'\n", "target.name: a short name of small letters", id="name-with-capitals"),
        pytest.param(b"[target]\nstages = [10, 25]\n", "stages must begin with 0", id="ladder-without-zero"),
        pytest.param(b"[target]\nstages = [0, 50, 25]\n", "stages must begin with 0", id="ladder-that-falls"),
        pytest.param(b"[target]\nstages = [0, 110]\n", "stages must begin with 0 and rise to at most 100", id="ladder-above-100"),
        pytest.param(b"[target]\nledger = 'a'\njournal = 'a'\n", "must be four different files", id="one-file-for-two"),
        pytest.param(b"[target]\nreload_timeout_s = 0\n", "reload_timeout_s: more than 0 is meant", id="no-time"),
        pytest.param(
            b"[target]\nhealth_url = 'file:///etc/passwd'\n",
            "health_url: an address that begins with http://",
            id="url-of-a-file",
        ),
        pytest.param(
            b"[target]\nreload_command = 'systemctl reload nova'\n",
            "reload_command: a list in square brackets is meant",
            id="command-as-text",
        ),
        pytest.param(b"[target.gates]\nrsi_min = 1.5\n", "gates.rsi_min: at most 1 is meant", id="bound-above-1"),
        pytest.param(
            b"[target.gates]\ncritical_slots = []\n", "gates.critical_slots: at least 1 of them is meant", id="no-critical-slots"
        ),
        pytest.param(
            b"[target.schedule]\nzone = 'Mars/Olympus'\n",
            "schedule.zone: 'Mars/Olympus' is not an IANA",
            id="unknown-zone",
        ),
        pytest.param(b"[target.schedule]\nzone = '../../etc/passwd'\n", "is not an IANA time zone", id="zone-that-is-a-path"),
        pytest.param(b"[target.schedule]\nzone = ''\n", "is not an IANA time zone", id="empty-zone"),
        pytest.param(
            b"[target.schedule]\nat = '25:00'\n", "schedule.at: a local time of day in quotes is meant", id="no-such-hour"
        ),
        pytest.param(
            b"[target.schedule]\npromotion = 'always'\n",
            "schedule.promotion: one of 'auto', 'approve' or 'off' is meant",
            id="mode",
        ),
        pytest.param(b"[http]\nport = 70000\n", "http.port: at most 65535 is meant", id="no-such-port"),
        pytest.param(b"operators = 'UOLIVIA'\n", "operators: a list in square brackets is meant", id="one-person-as-text"),
        pytest.param(b"operators = ['olivia']\n", "olivia: people are named by Slack user id", id="a-name-for-an-id"),
        pytest.param(b"approvers = ['UAARON', '@aaron']\n", "@aaron: people are named by", id="a-handle-for-an-id"),
        pytest.param(b"approvers = ['']\n", "people are named by", id="nobody-for-an-id"),
        pytest.param(
            b"operators = ['Ursula']\n",
            "Ursula: people are named by",
            id="a-name-that-begins-like-an-id",
        ),
        pytest.param(
            b"approvers = ['os:']\n",
            "people are named by",
            id="os-and-nobody",
        ),
        pytest.param(
            b"[people]\nolivia = 'Olivia Smith'\n",
            "people are named by",
            id="a-name-among-the-people",
        ),
        pytest.param(
            b"aprovers = ['UAARON']\n",
            "aprovers",
            id="misspelt-option-at-the-top",
        ),
    ],
)
def test_a_file_that_cannot_be_used_is_an_error(config: Path, content: bytes, problem: str) -> None:
    """The message says what is wrong with which option, and that nothing was started."""
    config.write_bytes(content)
    assert problem in str(refused())


@pytest.mark.parametrize(
    ("variable", "value", "problem"),
    [
        pytest.param("ANR_TARGET__SCHEDULE__ZONE", "Mars/Olympus", "'Mars/Olympus' is not an IANA time zone", id="unknown-zone"),
        pytest.param(
            "ANR_OPERATORS",
            "UOLIVIA",
            'operators: the value is not JSON (variable ANR_OPERATORS; for example ANR_OPERATORS=["U012',
            id="not-json",
        ),
        pytest.param("ANR_OPERATORS", '["olivia"]', "olivia: people are named by Slack user id", id="a-name-for-an-id"),
        pytest.param(
            "ANR_TARGET__RELOAD_COMMAND",
            "systemctl reload",
            "target.reload_command: the value is not JSON (variable ANR_TARGET__RELOAD_COMMAND; for",
            id="command-as-text",
        ),
        pytest.param("ANR_TARGET__WINDOW_MINUTES", "a day", "target.window_minutes: a whole number is meant", id="not-a-number"),
        pytest.param(
            "ANR_BRAKE_OPEN_TO_MEMBERS", "perhaps", "brake_open_to_members: true or false is meant", id="neither-yes-nor-no"
        ),
    ],
)
def test_a_variable_that_cannot_be_used_is_an_error(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, problem: str
) -> None:
    """Variables are checked like the file."""
    monkeypatch.setenv(variable, value)
    assert problem in str(refused())


@pytest.mark.parametrize("mode", [0o000, 0o700], ids=["folder-closed", "file-closed"])
def test_a_file_that_may_not_be_read_is_an_error_of_ours(monkeypatch: pytest.MonkeyPatch, mode: int) -> None:
    """Missing rights are told like any other mistake in the settings."""
    with nobodys_folder() as folder:
        path = folder / "anr.toml"
        path.write_bytes(b"")
        path.chmod(0o000)
        monkeypatch.setenv("ANR_CONFIG", str(path))
        with denied(folder, mode):
            refused()


# --- secrets ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "variables"),
    [
        pytest.param(f"[slack]\nbot_token = '{SECRET}'\n[http]\nport = -1\n", {}, id="beside-a-mistake"),
        pytest.param(f"[slack]\nbot_token = '{SECRET}\n", {}, id="in-broken-toml"),
        pytest.param(f"[slack]\nbot_token = {SECRET}\n", {}, id="without-quotes"),
        pytest.param(f"[slack]\nbot_token = ['{SECRET}']\n", {}, id="in-a-list"),
        pytest.param(f"[slack]\nbot_token = {{ value = '{SECRET}' }}\n", {}, id="in-a-table"),
        pytest.param(f"[slack]\nbot_tokne = '{SECRET}'\n", {}, id="under-a-misspelt-name"),
        pytest.param(f"[http]\nport = '{SECRET}'\n", {}, id="under-another-name"),
        pytest.param(f"[slack]\napi_url = 'https://{SECRET}'\n", {}, id="in-an-address"),
        pytest.param(f"slack = '{SECRET}'\n", {}, id="in-place-of-the-table"),
        pytest.param("", {"ANR_SLACK": f'{{"bot_token": "{SECRET}"'}, id="in-broken-json"),
        pytest.param("", {"ANR_SLACK": SECRET}, id="in-place-of-json"),
        pytest.param("", {"ANR_SLACK__BOT_TOKEN": SECRET, "ANR_SLACK__HTTP_PORT": "no"}, id="variable-beside-a-mistake"),
        pytest.param("", {"ANR_SLACK__SIGNING_SECRET": SECRET, "ANR_OPERATORS": "no"}, id="variable-beside-broken-json"),
        pytest.param("", {"ANR_SLACK__APP_TOKEN": SECRET, "ANR_OPERATORS": '["olivia"]'}, id="variable-beside-a-name"),
    ],
)
def test_no_error_tells_a_secret(config: Path, monkeypatch: pytest.MonkeyPatch, content: str, variables: dict[str, str]) -> None:
    """Neither the message nor the traceback has it, whatever is wrong with the settings around it."""
    config.write_text(content, encoding="utf-8")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    error = refused()
    told = "".join([str(error), repr(error), *traceback.format_exception(error)])
    assert "Nothing was started" in told
    assert SECRET not in told


def test_no_text_of_the_settings_tells_a_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    """Printed, logged or put in JSON, the settings show stars, while the code that asks gets the token."""
    for name in ("BOT_TOKEN", "APP_TOKEN", "SIGNING_SECRET"):
        monkeypatch.setenv(f"ANR_SLACK__{name}", SECRET)
    found = load(required=False)
    for told in (repr(found), str(found), repr(found.slack), str(found.slack), found.model_dump_json(), str(found.model_dump())):
        assert "**********" in told
        assert SECRET not in told
    assert found.slack.signing_secret.get_secret_value() == SECRET


SEVERAL = """
[slack]
channel = "C0OPS"
[targets.production]
ledger = "prod.ndjson"
settings_file = "prod.env"
state_file = "prod.json"
[targets.staging]
ledger = "staging.ndjson"
settings_file = "staging.env"
state_file = "staging.json"
channel = "C0STAGING"
[targets.staging.schedule]
zone = "Europe/Zurich"
[targets.staging.gates]
rsi_min = 0.7
"""


def test_several_routers_are_named_and_their_files_kept_apart(config: Path) -> None:
    """Each has its name, gates, schedule and channel, and journals that share a database never share a folder."""
    config.write_text(SEVERAL, encoding="utf-8")
    production, staging = load().every_target
    assert (production.name, staging.name, staging.channel) == ("production", "staging", "C0STAGING")
    assert (production.gates.rsi_min, staging.gates.rsi_min) == (0.85, 0.7)
    assert (production.schedule.zone, staging.schedule.zone) == ("UTC", "Europe/Zurich")
    places = [(target.run_dir, target.receipts_dir) for target in (production, staging)]
    here = config.parent
    assert places == [
        (here / "run/anr/production", here / "ops/logs/production"),
        (here / "run/anr/staging", here / "ops/logs/staging"),
    ]


def test_of_several_routers_one_must_be_named(config: Path) -> None:
    """Nobody guesses which router is meant; the only one needs no name."""
    only = Settings()
    assert only.target_named(None) == only.target_named("production") == only.target
    config.write_text(SEVERAL, encoding="utf-8")
    found = load()
    assert found.target_named("staging").name == "staging"
    for wrong in (None, "stagin"):
        with pytest.raises(ConfigurationError, match="name one with --target: production, staging"):
            found.target_named(wrong)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        pytest.param(
            SEVERAL.replace("staging.env", "prod.env"), "two targets have the same settings_file", id="one-settings-file-for-both"
        ),
        pytest.param("[target]\nname = 'a'\n[targets.b]\n", "one router under `target`, or several under `targets`", id="both"),
        pytest.param("[targets.'../../etc']\n", "targets.../../etc.name: a short name", id="a-name-that-is-a-path"),
        pytest.param("targets = 3\n", "targets: a table is meant", id="no-table"),
        pytest.param(
            "[approvals.promote]\nneeded = 0\n", "approvals.promote.needed: at least one", id="promotion-without-approval"
        ),
        pytest.param("[approvals.promote]\nneeded = 1\napprovers = ['olivia']\n", "never by name", id="approver-by-name"),
        pytest.param("[approvals.verify]\nneeded = 1\n", "approvals.verify", id="what-needs-no-approval"),
    ],
)
def test_routers_and_approvals_that_cannot_be_told_apart_or_trusted_are_errors(config: Path, text: str, says: str) -> None:
    """A mistake in the settings starts nothing, and says which option it is in."""
    config.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigurationError) as error:
        load()
    assert says in str(error.value)


def test_two_routers_whose_settings_files_are_one_by_a_link_are_an_error(config: Path) -> None:
    """Whoever promotes the one would promote the other, and its brake would be undone by the first's next step."""
    (config.parent / "prod.env").write_text("NOVA_ANR_PILOT=0.10\n", encoding="utf-8")
    (config.parent / "linked").symlink_to(config.parent)
    for place in ("staging.env", "linked/prod.env"):
        if place == "staging.env":
            (config.parent / place).symlink_to("prod.env")
        config.write_text(SEVERAL.replace("staging.env", place), encoding="utf-8")
        with pytest.raises(ConfigurationError, match="two targets have the same settings_file"):
            load()


def test_one_endpoint_is_not_taken_for_two_routers(config: Path) -> None:
    """A copied address would show one for the other; where one answer tells of both, its fields keep them apart."""
    observed = "[targets.{}.observe]\nurl = 'http://127.0.0.1:8000/status'\nenabled = '{}'\n"
    config.write_text(SEVERAL + observed.format("production", "anr") + observed.format("staging", "anr"), encoding="utf-8")
    with pytest.raises(ConfigurationError, match="one router would be seen for the other"):
        load()
    config.write_text(SEVERAL + observed.format("production", "anr.p") + observed.format("staging", "anr.s"), encoding="utf-8")
    assert len(load().every_target) == 2


@pytest.mark.parametrize(
    ("given", "soaks"),
    [
        pytest.param("", dict.fromkeys(LADDER, 23.0), id="nothing-said"),
        pytest.param("soak_hours = 0", dict.fromkeys(LADDER, 0.0), id="switched-off"),
        pytest.param("soak_hours = { 10 = 48, 25 = 0 }", {0: 23, 10: 48, 25: 0, 50: 23, 75: 23, 100: 23}, id="by-stage"),
    ],
)
def test_every_stage_soaks_unless_something_else_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str, soaks: dict[int, float]
) -> None:
    """One number is for every stage; a table names stages, and the others soak as always."""
    (tmp_path / "anr.toml").write_text(f"[target]\n{given}\n", encoding="utf-8")
    monkeypatch.setenv("ANR_CONFIG", str(tmp_path / "anr.toml"))
    assert load().target.soaks == soaks


@pytest.mark.parametrize(
    "wrong", ["soak_hours = -1", "soak_hours = { 30 = 5 }", "gates.coverage_min = 2", "gates.coverage_min = { rsi = 0.5 }"]
)
def test_a_soak_or_a_coverage_that_makes_no_sense_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wrong: str) -> None:
    """A stage that is not on the ladder, a share above 1, or a gate without coverage: nothing starts on it."""
    (tmp_path / "anr.toml").write_text(f"[target]\n{wrong}\n", encoding="utf-8")
    monkeypatch.setenv("ANR_CONFIG", str(tmp_path / "anr.toml"))
    with pytest.raises(ConfigurationError):
        load()
