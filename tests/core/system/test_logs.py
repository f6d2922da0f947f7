"""Logs as a process writes them: parsed from its real error stream."""

import io
import json
import logging
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from core.settings.settings import Settings
from core.system import logs
from core.system.logs import HIDDEN, configure, hide, logger, redact


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_machine_reads_every_fact_as_a_key() -> None:
    """One JSON object a line: message, level, logger, time in UTC, the event's facts, and what the whole operation is about."""
    stream = io.StringIO()
    configure(verbose=True, stream=stream)
    structlog.contextvars.bind_contextvars(command="promote")
    logger("core.anything").info("recorded", receipt="#1 abc", stage=25)
    logging.getLogger("urllib3").warning("a library says %s", "so")
    ours, theirs = lines(stream)
    assert ours["timestamp"].endswith("Z")
    del ours["timestamp"]
    assert ours == {
        "message": "recorded",
        "level": "info",
        "logger": "core.anything",
        "command": "promote",
        "receipt": "#1 abc",
        "stage": 25,
    }
    assert (theirs["message"], theirs["command"]) == ("a library says so", "promote")


def test_a_person_reads_one_plain_line() -> None:
    """At a terminal an event is a sentence with its facts, not JSON."""
    stream = Terminal()
    configure(verbose=True, stream=stream)
    logger("core.anything").info("recorded", stage=25)
    (line,) = stream.getvalue().splitlines()
    assert "recorded" in line
    assert "25" in line
    assert not line.startswith("{")


@pytest.mark.parametrize(("verbose", "told"), [(False, ["error"]), (True, ["debug", "info", "error"])])
def test_only_who_asks_for_it_is_told_everything(verbose: bool, told: list[str]) -> None:  # noqa: FBT001 - a column
    """Without --verbose only what went wrong is logged."""
    stream = io.StringIO()
    configure(verbose=verbose, stream=stream)
    for level in ("debug", "info", "error"):
        getattr(logger("core.anything"), level)("said")
    assert [line["level"] for line in lines(stream)] == told


SECRETS = [
    pytest.param("xoxb-12345-67890-abcDEF", id="bot-token"),
    pytest.param("xapp-1-A0123-456-abcdef", id="app-token"),
    pytest.param("Authorization: Bearer s3cr3t.token/with+signs=", id="bearer"),
    pytest.param("https://hooks.slack.com/commands/T0/123/abcDEF", id="response-url"),
]


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("terminal", [False, True], ids=["json", "terminal"])
def test_what_looks_like_a_secret_is_cut_out_wherever_it_stands(secret: str, terminal: bool) -> None:  # noqa: FBT001 - a column
    """In the message, in its arguments, in a key, in a trace."""
    stream = Terminal() if terminal else io.StringIO()
    configure(verbose=True, stream=stream)
    log = logger("core.anything")
    log.info(secret)
    log.info("it is %s", secret)
    log.info("it is", value=secret, nested={"headers": [secret]})
    try:
        int(secret)
    except ValueError:
        log.exception("it broke")
    bare = secret.rpartition(" ")[2].removeprefix("https://hooks.slack.com/")
    assert bare not in stream.getvalue()
    assert stream.getvalue().count(HIDDEN) >= 4


def test_known_secrets_are_cut_out_by_their_value_whatever_they_look_like() -> None:
    """A signing secret is plain hexadecimal: only the settings tell that it is one."""
    options = Settings(slack={"signing_secret": "8f742231b10e8888abcd99yyyzzz85a5", "bot_token": "word"})
    assert options.secrets == {"8f742231b10e8888abcd99yyyzzz85a5", "word"}
    hide(options.secrets)
    assert redact("signed with 8f742231b10e8888abcd99yyyzzz85a5, in a word") == f"signed with {HIDDEN}, in a word"


@given(st.text('abc123"\\é\n', min_size=6, max_size=40))
def test_a_known_secret_is_found_in_json_too(secret: str) -> None:
    """Quotes and backslashes in it are written differently there, and it is cut out all the same."""
    hide({secret})
    stream = io.StringIO()
    configure(verbose=True, stream=stream)
    logger("core.anything").info("it is", value="<" + secret + ">")
    assert lines(stream)[0]["value"] == f"<{HIDDEN}>"
    logs._secrets.clear()


@pytest.mark.parametrize(
    "words",
    [
        pytest.param(["--verbose", "init"], id="before-the-command"),
        pytest.param(["init", "--verbose"], id="after-the-command"),
        pytest.param(["schedule", "pause", "--verbose"], id="after-a-command-of-a-command"),
    ],
)
def test_verbose_may_stand_anywhere_and_says_what_was_done(tmp_path: Path, words: list[str]) -> None:
    """The output is for scripts and stays clean; the error stream tells each receipt, as JSON, and no secret."""
    (tmp_path / "anr.env").write_text("NOVA_ANR_ENABLED=1\nNOVA_ANR_PILOT=0.10\n", encoding="utf-8")
    (tmp_path / "anr.toml").write_text(
        'brake_open_to_members = true\n[slack]\nsigning_secret = "0123456789abcdef"\n', encoding="utf-8"
    )
    script = (
        "import sys, json; from core.settings.account import operating_system_user; import os;"
        "os.environ['ANR_OPERATORS'] = json.dumps([f'os:{operating_system_user()}']);"
        "from core.cli.app import app, run; run(app)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *words],
        cwd=tmp_path,
        env={"PATH": "", "PYTHONPATH": str(Path(__file__).parents[3]), "ANR_CONFIG": "anr.toml"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    told = [json.loads(line) for line in done.stderr.splitlines() if line.startswith("{")]
    recorded = [message for message in told if message["message"] == "recorded"]
    command = next(word for word in words if not word.startswith("-"))
    assert [(receipt["action"], receipt["command"]) for receipt in recorded] == [
        ({"schedule": "pause"}.get(command, command), command)
    ]
    assert "{" not in done.stdout
    assert "0123456789abcdef" not in done.stderr + done.stdout


def test_a_quiet_process_imports_what_renders_lines_only_for_an_error() -> None:
    """What nobody hears costs no import; an error is told in full, with what the process is about."""
    script = (
        "import sys; from core.system import logs; logs.configure(verbose=False); logs.about(command='status');"
        "log = logs.logger('core.anything'); log.info('not heard'); print('structlog' in sys.modules);"
        "log.error('it %s', 'broke', stage=25); print('structlog' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout.split() == ["False", "True"]
    told = json.loads(done.stderr)
    assert (told["message"], told["level"], told["command"], told["stage"]) == ("it broke", "error", "status", 25)
