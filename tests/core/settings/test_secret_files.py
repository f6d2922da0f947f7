"""Secrets in files of their own, as systemd's LoadCredential= and docker's secrets lay them out."""

import asyncio
import os
from pathlib import Path

import pytest

from bot.app import running
from core.errors import ConfigurationError
from core.settings.settings import Settings, load

FILES = {
    "slack.bot_token": "xoxb-1",
    "slack.app_token": "xapp-1",
    "slack.signing_secret": "signing",
    "alerts.token": "bearer",
    "alerts.password": "password",
    "target.ledger_table": "sqlite:///x.db?table=t",
}


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The options file, and no variable beside it."""
    for name in list(os.environ):
        if name.upper().startswith("ANR_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("ANR_CONFIG", str(tmp_path / "anr.toml"))
    (tmp_path / "anr.toml").write_text("", encoding="utf-8")
    return tmp_path / "anr.toml"


async def started(settings: Settings) -> None:
    async with running(settings):
        pass


def secret_of(option: str) -> str:
    table, _, name = option.partition(".")
    return str(getattr(getattr(load(), table), name).get_secret_value())


@pytest.mark.parametrize("option", FILES)
@pytest.mark.parametrize("around", ["{}", "{}\n", "\ufeff {}\r\n"], ids=["bare", "a-line", "windows"])
def test_every_secret_may_stand_in_a_file_of_its_own(
    file: Path, monkeypatch: pytest.MonkeyPatch, option: str, around: str
) -> None:
    """Named by a variable or beside the options file; a line feed behind it, or a byte order mark, is no part of it."""
    credential = file.parent / "secret"
    credential.write_text(around.format(FILES[option]), encoding="utf-8")
    table, _, name = option.partition(".")
    file.write_text(f"[{table}]\n{name}_file = 'secret'\n", encoding="utf-8")
    assert secret_of(option) == FILES[option]
    assert FILES[option] in load().secrets
    file.write_text("", encoding="utf-8")
    monkeypatch.setenv(f"ANR_{table}__{name}_FILE".upper(), str(credential))
    assert secret_of(option) == FILES[option]


@pytest.mark.parametrize("option", FILES)
def test_white_space_around_a_secret_comes_off(file: Path, monkeypatch: pytest.MonkeyPatch, option: str) -> None:
    """`$(cat token)` keeps no line feed, but a variable from an env file, or a copied token, may have one."""
    table, _, name = option.partition(".")
    monkeypatch.setenv(f"ANR_{table}__{name}".upper(), f" {FILES[option]}\n")
    assert secret_of(option) == FILES[option]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        pytest.param(b"  \n", "slack.bot_token_file: {secret} is empty (in {file}, line 2", id="empty"),
        pytest.param(b"\xff\xfe", "slack.bot_token_file: {secret} is not text", id="no-text"),
        pytest.param(b"xapp-1", "slack.bot_token: it begins like another kind of token (xapp-…)", id="mixed-up"),
    ],
)
def test_a_file_without_the_secret_is_a_mistake(file: Path, content: bytes, says: str) -> None:
    """The message names the option, the file and the line."""
    (file.parent / "secret").write_bytes(content)
    file.write_text("[slack]\nbot_token_file = 'secret'\n", encoding="utf-8")
    with pytest.raises(ConfigurationError) as caught:
        load()
    assert says.format(secret=file.parent / "secret", file=file) in str(caught.value)


def test_a_secret_that_is_said_twice_is_a_mistake(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody can say which of the two is meant."""
    (file.parent / "secret").write_text("xoxb-1", encoding="utf-8")
    file.write_text("[slack]\nbot_token_file = 'secret'\n", encoding="utf-8")
    monkeypatch.setenv("ANR_SLACK__BOT_TOKEN", "xoxb-2")
    with pytest.raises(ConfigurationError, match=r"slack\.bot_token_file: bot_token is set as well"):
        load()


def test_a_secret_of_the_bot_that_cannot_be_read_stops_the_bot_and_nobody_else(file: Path) -> None:
    """Operators may not read the credentials: their commands work, the gate for the alert path stays; the bot does not start."""
    file.write_text("[slack]\nbot_token_file = 'none'\n[alerts]\ntoken_file = 'none'\n", encoding="utf-8")
    found = load()
    assert found.slack.bot_token.get_secret_value() == ""
    assert found.alerts.enabled
    assert found.every_target[0].gates.alert_path_minutes == 5
    assert [sentence.partition(":")[0] for sentence in found.unread_secrets] == ["slack.bot_token_file", "alerts.token_file"]
    with pytest.raises(ConfigurationError, match=r"slack\.bot_token_file: .*none cannot be read \(No such file"):
        asyncio.run(started(found))


def test_a_table_whose_address_cannot_be_read_is_no_ledger_file(file: Path) -> None:
    """Figures of another ledger would be judged in its place: nothing is."""
    file.write_text("[target]\nledger_table_file = 'none'\n", encoding="utf-8")
    with pytest.raises(ConfigurationError, match=r"target\.ledger_table_file"):
        load()
