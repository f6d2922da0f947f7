"""What people write wrongly: each message says what is wrong, where it stands, and what to write."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel, ValidationError

from core.errors import ConfigurationError
from core.settings.mistakes import Written
from core.settings.options import model_of
from core.settings.settings import Settings, load


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The options file, and no variable beside it."""
    for name in list(os.environ):
        if name.upper().startswith("ANR_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("ANR_CONFIG", str(tmp_path / "anr.toml"))
    return tmp_path / "anr.toml"


def refusal() -> ConfigurationError:
    with pytest.raises(ConfigurationError) as caught:
        load()
    return caught.value


IN_SINGLE_QUOTES = "write a path in single quotes, 'C:\\nova\\anr.env', or C:/nova/anr.env"
TIME = "target.schedule.at: a local time of day in quotes is meant, hours and minutes; its time zone is `schedule.zone`"
CHANNEL = "a channel is named by its id (C…), which stands at the end of its details in Slack, never by its name"

MISTAKES = [
    pytest.param(
        "[target]\nsetings_file = 'x'\n",
        "target.setings_file: no such option (in {file}, line 2; did you mean target.settings_file?)",
        id="misspelt",
    ),
    pytest.param(
        "ledger = 'x'\n", "ledger: no such option (in {file}, line 1; did you mean target.ledger?)", id="not-in-its-table"
    ),
    pytest.param(
        "[slack]\n\noperators = ['U1']\n",
        "slack.operators: no such option (in {file}, line 3; did you mean operators? It stands above the first [table]",
        id="behind-a-table-that-had-begun",
    ),
    pytest.param("[target.gate]\nrsi_min = 1\n", "target.gate: no such option (in {file}, line 1", id="misspelt-table"),
    pytest.param(
        "[targets.b.gates]\nrsi = 1\n", "targets.b.gates.rsi: no such option (in {file}, line 2; did you mean", id="of-several"
    ),
    pytest.param("[target.schedule]\nat = 905\n", TIME + ' (in {file}, line 2; for example at = "09:05")', id="time-as-a-number"),
    pytest.param('[target.schedule]\nat = "09:05+05:30"\n', TIME + " (in {file}, line 2", id="time-with-an-offset"),
    pytest.param('[target.schedule]\nat = "9 o\'clock"\n', TIME + " (in {file}, line 2", id="time-in-words"),
    pytest.param(
        "# daily\n[target.schedule]\nat = 09:05\n",
        "{file}, line 3: it is not TOML: Expected newline or end of document after a statement (at line 3, column 7). "
        'A time of day is written in quotes: at = "09:05".',
        id="time-without-quotes",
    ),
    pytest.param(
        '[target.schedule]\nzone = "Zurich"\n',
        "target.schedule.zone: 'Zurich' is not an IANA time zone; did you mean Europe/Zurich? (in {file}, line 2",
        id="a-city-for-a-zone",
    ),
    pytest.param(
        'operators = "U1"\n',
        'operators: a list in square brackets is meant (in {file}, line 1; for example operators = ["U012ABCDEF", "os:olivia"])',
        id="one-person-without-a-list",
    ),
    pytest.param('operators = ["Olivia"]\n', "Olivia: people are named by Slack user id (U…, W…)", id="a-name-for-a-person"),
    pytest.param(
        'people = ["olivia"]\n',
        'people: a table is meant (in {file}, line 1; for example people = {{ olivia = "U012ABCDEF" }})',
        id="a-list-for-a-table",
    ),
    pytest.param(
        "[people]\nolivia = 5\n",
        'people.olivia: text in quotes is meant (in {file}, line 2; for example olivia = "U012ABCDEF")',
        id="a-number-for-a-person",
    ),
    pytest.param(
        '[slack]\nchannel = "#anr-ops"\n',
        "slack.channel: " + CHANNEL + ' (in {file}, line 2; for example channel = "C012ABCDEF")',
        id="a-channels-name",
    ),
    pytest.param(
        '[slack]\nallowed_channels = ["C1", "anr-ops"]\n',
        "slack.allowed_channels.1: " + CHANNEL + ' (in {file}, line 2; for example allowed_channels = ["C012ABCDEF"])',
        id="a-channels-name-in-a-list",
    ),
    pytest.param('[target]\nchannel = "anr-ops"\n', "target.channel: " + CHANNEL, id="a-channels-name-for-a-router"),
    pytest.param(
        '[slack]\nbot_token = "xapp-1-A1"\n',
        'slack.bot_token: it begins like another kind of token (xapp-…) (in {file}, line 2; for example bot_token = "xoxb-…")',
        id="two-tokens-mixed-up",
    ),
    pytest.param(
        "[target.gates]\nrsi_min = 85\n",
        "target.gates.rsi_min: at most 1 is meant (in {file}, line 2; for example rsi_min = 0.85)",
        id="percent-for-a-share",
    ),
    pytest.param(
        "[target.gates]\nrollbacks_per_1k_max = inf\n",
        "target.gates.rollbacks_per_1k_max: a finite number is meant, neither inf nor nan (in {file}, line 2; for example",
        id="a-bound-that-nothing-reaches",
    ),
    pytest.param(
        "[target.gates]\ntri_median_min = -inf\n", "tri_median_min: a finite number is meant", id="a-bound-that-everything-passes"
    ),
    pytest.param("[target]\nsoak_hours = nan\n", "soak_hours: a finite number is meant", id="no-number"),
    pytest.param(
        '[target]\nsoak_hours = "23h"\n',
        "target.soak_hours: a number is meant (in {file}, line 2; for example soak_hours = 23)",
        id="a-number-with-its-unit",
    ),
    pytest.param(
        "[http]\nport = true\n",
        "http.port: a number is meant (in {file}, line 2; for example port = 3000)",
        id="true-for-a-number",
    ),
    pytest.param(
        "[target]\nstages = [0, 0.1, 0.25]\n",
        "target.stages.1: a whole number is meant (in {file}, line 2; for example stages = [0, 10, 25, 50, 75, 100])",
        id="shares-for-stages",
    ),
    pytest.param(
        '[target]\nreload_command = "systemctl restart nova"\n',
        "target.reload_command: a list in square brackets is meant (in {file}, line 2; for example reload_command = "
        '["systemctl", "restart", "nova-router"])',
        id="a-command-as-text",
    ),
    pytest.param(
        '[target]\nhealth_url = "127.0.0.1:8000"\n',
        "target.health_url: an address that begins with http:// or https:// is meant (in {file}, line 2; for example health_url",
        id="an-address-without-its-scheme",
    ),
    pytest.param(
        '[target]\nname = "Nova Prod"\n', "target.name: a short name of small letters, digits and hyphens is meant", id="a-name"
    ),
    pytest.param(
        '[target]\nsettings_file = "C:\\nova\\anr.env"\n', "{file}, line 2: it is not TOML: Unescaped '\\' in", id="a-backslash"
    ),
    pytest.param('[target]\nsettings_file = "C:\\Users\\nova.env"\n', IN_SINGLE_QUOTES, id="a-backslash-says-how"),
    pytest.param(
        '[target]\nsettings_file = "C:\\temp\\new.env"\n',
        "target.settings_file: a control character stands in it, as TOML reads a backslash in double quotes; " + IN_SINGLE_QUOTES,
        id="a-backslash-that-toml-understands",
    ),
    pytest.param(
        '[target]\n\ufeffname = "a"\n',
        "{file}, line 2: it is not TOML: Invalid statement (at line 2, column 1). A byte order mark stands there",
        id="a-byte-order-mark-in-the-middle",
    ),
    pytest.param("[target]\nname = “production”\n", "These are printed quotation marks", id="printed-quotes"),
    pytest.param("target:\n  name: x\n", "An option is written with an equals sign: name = value.", id="yaml"),
    pytest.param("brake_open_to_members = True\n", "true and false are written without quotes, in small letters.", id="python"),
    pytest.param("[target]\n[target]\n", "{file}, line 2: it is not TOML: Cannot declare ('target',) twice", id="a-table-twice"),
    pytest.param(
        '[target.guard]\nmode = "on"\n',
        "target.guard.mode: one of 'off', 'observe' or 'act' is meant (in {file}, line 2; for example mode = \"observe\")",
        id="a-word-that-is-none-of-them",
    ),
    pytest.param(
        '[[alerts.rules]]\nmatch = "a=b"\nthen = "notify"\n[[alerts.rules]]\nmatch = "c=d"\nthen = "kill"\n',
        "alerts.rules.1.then: one of 'freeze', 'notify' or 'ignore' is meant (in {file}, line 6",
        id="in-the-second-of-a-list-of-tables",
    ),
    pytest.param("slack = 3\n", "slack: a table is meant (in {file}, line 1; for example slack = ", id="no-table"),
]


@pytest.mark.parametrize(("text", "says"), MISTAKES)
def test_a_mistake_is_told_with_the_option_the_line_and_what_to_write(file: Path, text: str, says: str) -> None:
    """Nothing starts, nobody has to guess, and no command is more than one message away from running."""
    file.write_text(text, encoding="utf-8")
    assert says.format(file=file) in str(refusal())


@pytest.mark.parametrize(
    ("data", "says"),
    [
        pytest.param(
            '[target]\nname = "a"\n'.encode("utf-16"),
            "line 1: it is UTF-16, as PowerShell's `>` and Notepad's \"Unicode\" write it; save it as UTF-8",
            id="utf-16",
        ),
        pytest.param(b'[target]\nname = "a"\n# Z\xfcrich\n', "line 3: it is not UTF-8; save it as UTF-8", id="latin-1"),
    ],
)
def test_a_file_in_another_encoding_is_told_with_its_line(file: Path, data: bytes, says: str) -> None:
    """A byte that is not UTF-8 has a place, as every other mistake has."""
    file.write_bytes(data)
    assert says in str(refusal())
    assert str(file) in str(refusal())


def test_a_byte_order_mark_before_the_text_is_none_of_it(file: Path) -> None:
    """Windows' editors write one, and the file says what it says."""
    file.write_bytes(b'\xef\xbb\xbf[target]\nname = "a"\n')
    assert load().target.name == "a"


@pytest.mark.parametrize(
    ("variable", "value", "says"),
    [
        pytest.param(
            "ANR_TARGET__LEGDER",
            "x",
            "ANR_TARGET__LEGDER: no such option (a variable; did you mean ANR_TARGET__LEDGER?)",
            id="misspelt",
        ),
        pytest.param(
            "ANR_APROVERS", "x", "ANR_APROVERS: no such option (a variable; did you mean ANR_APPROVERS?)", id="at-the-top"
        ),
        pytest.param(
            "ANR_LEDGER",
            "x",
            "ANR_LEDGER: no such option (a variable; did you mean ANR_TARGET__LEDGER?)",
            id="without-its-table",
        ),
        pytest.param("ANR_QQ", "x", "ANR_QQ: no such option (a variable; docs/configuration.md", id="like-nothing"),
        pytest.param(
            "ANR_TARGET__GATES__RSI_MIN",
            "high",
            "target.gates.rsi_min: a number is meant (variable ANR_TARGET__GATES__RSI_MIN; for example "
            "ANR_TARGET__GATES__RSI_MIN=0.85)",
            id="words-for-a-number",
        ),
        pytest.param("ANR_HTTP__MEASURE_SECONDS", "inf", "http.measure_seconds: a finite number is meant", id="inf"),
        pytest.param(
            "ANR_TARGET__SCHEDULE__AT",
            "905",
            TIME + " (variable ANR_TARGET__SCHEDULE__AT; for example ANR_TARGET__SCHEDULE__AT=09:05)",
            id="time-as-a-number",
        ),
        pytest.param(
            "ANR_OPERATORS",
            "U1",
            'operators: the value is not JSON (variable ANR_OPERATORS; for example ANR_OPERATORS=["U012ABCDEF", "os:olivia"])',
            id="not-json",
        ),
    ],
)
def test_a_mistake_in_a_variable_is_told_with_the_variable(
    file: Path, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, says: str
) -> None:
    """The example is what to write in its place there, and not in the file."""
    file.write_text("", encoding="utf-8")
    monkeypatch.setenv(variable, value)
    assert says in str(refusal())


def test_all_that_is_wrong_is_said_at_once(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody corrects one option after the other; each is a sentence of its own for whoever lists them."""
    file.write_text("aprovers = []\n[target]\nwindow_minutes = 0\n", encoding="utf-8")
    monkeypatch.setenv("ANR_OPERATOR", "[]")
    found = refusal()
    assert [sentence.partition(":")[0] for sentence in found.mistakes] == ["aprovers", "ANR_OPERATOR", "target.window_minutes"]
    assert all(sentence in str(found) for sentence in found.mistakes)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("'9:05'", "09:05:00"),
        ("'09:05'", "09:05:00"),
        ("'21:00:30'", "21:00:30"),
        ("'9:00:30.25'", "09:00:30.250000"),
        ("09:05:00", "09:05:00"),
    ],
)
def test_a_time_of_day_is_understood_as_people_write_it(file: Path, written: str, meant: str) -> None:
    """With and without seconds or the first zero, in quotes or as TOML's own local time."""
    file.write_text(f"[target.schedule]\nat = {written}\n", encoding="utf-8")
    assert load().target.schedule.at.isoformat() == meant


def models(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    yield model
    for field in model.model_fields.values():
        inner, _ = model_of(field)
        if inner is not None:
            yield from models(inner)


def test_no_option_is_infinite() -> None:
    """A bound of inf or nan switches its gate off, or never lets it pass, and nobody sees it."""
    numbers = 0
    for model in {*models(Settings)}:
        for name, field in model.model_fields.items():
            for value in (float("inf"), float("-inf"), float("nan")) if "float" in str(field.annotation) else ():
                numbers += 1
                with pytest.raises(ValidationError) as caught:
                    model.model_validate({name: value})
                assert caught.value.errors()[0]["loc"][0] == name
    assert numbers > 40


def test_a_line_is_found_whatever_form_its_table_has() -> None:
    """Tables, dotted and quoted keys, inline tables, lists of tables: the deepest line that says the option counts."""
    text = """# a = 1
[target]
"ledger" = 'x'
gates.rsi_min = 1
people = { olivia = "U1" } # people.olivia = 2
[targets . b . gates] # c
rsi_min = 2
[[alerts.rules]]
then = 1
[[alerts.rules]]
then = 2
"""
    written = Written(Path("f"), text, {})
    lines = {
        "target.ledger": 3,
        "target.gates.rsi_min": 4,
        "target.people.olivia": 5,
        "target.unknown": 2,
        "targets.b.gates.rsi_min": 7,
        "alerts.rules.0.then": 9,
        "alerts.rules.1.then": 11,
        "http.port": None,
    }
    assert {name: written.line(tuple(name.split("."))) for name in lines} == lines


def test_no_example_is_wrong_itself(file: Path) -> None:
    """Whoever copies an example of a message has no message about it any more."""
    copied = 0
    for case in MISTAKES:
        text = str(case.values[0])
        file.write_text(text, encoding="utf-8")
        for sentence in refusal().mistakes:
            if (found := re.search(r"line (\d+); for example (.*)\)$", sentence)) is None:
                continue
            lines = text.splitlines()
            lines[int(found.group(1)) - 1] = found.group(2)
            file.write_text("\n".join(lines), encoding="utf-8")
            load()
            copied += 1
    assert copied > 20
