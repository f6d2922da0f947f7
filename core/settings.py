"""Every option, with its unit, default and help: the only place that reads the environment.

Options come from `anr.toml` (or the file that ANR_CONFIG names) and from variables `ANR_…`, which win; nested options are
joined by two underscores: `ANR_TARGET__LEDGER`.
"""

import os
import re
import sys
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from core.actors import AccessPolicy, Actor, ActorKind
from core.errors import ConfigurationError
from core.schedule import Schedule
from core.target import Target

if sys.platform != "win32":
    import pwd

_SLACK_ID = re.compile("[UW][A-Z0-9]{2,30}")
_OS_USER = re.compile(r"os:[^\s:][^:]{0,60}")


class SlackSettings(BaseModel):
    """How the bot reaches Slack."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    bot_token: SecretStr = Field(SecretStr(""), description="bot token, `xoxb-…`")
    app_token: SecretStr = Field(SecretStr(""), description="app-level token, `xapp-…`: switches Socket Mode on")
    signing_secret: SecretStr = Field(SecretStr(""), description="signing secret: switches HTTP mode on")
    channel: str = Field("", description="id of the channel for reports and approvals, `C…`")
    api_url: str = Field("https://slack.com/api/", pattern=r"^https?://.*/$", description="base URL of Slack's Web API")
    http_host: str = Field("127.0.0.1", description="address on which HTTP mode listens")
    http_port: int = Field(3000, ge=0, le=65535, description="port on which HTTP mode listens")


class Settings(BaseSettings):
    """All options."""

    model_config = SettingsConfigDict(env_prefix="ANR_", env_nested_delimiter="__", frozen=True, extra="forbid")

    target: Target = Field(default_factory=Target)
    schedule: Schedule = Field(default_factory=Schedule)
    slack: SlackSettings = Field(default_factory=SlackSettings)
    operators: frozenset[str] = Field(
        frozenset(), description="who may ask for promotions and unfreeze: Slack user ids or `os:<user>`"
    )
    approvers: frozenset[str] = Field(frozenset(), description="who may approve promotions: Slack user ids or `os:<user>`")
    brake_open_to_members: bool = Field(default=True, description="whether every full member may roll back and freeze")
    people: dict[str, str] = Field(default_factory=dict, description="Slack user id of each operating-system user")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Let variables win over the file."""
        del dotenv_settings, file_secret_settings
        file = Path(os.environ.get("ANR_CONFIG") or "anr.toml")
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, toml_file=file)

    @model_validator(mode="after")
    def _ids_not_names(self) -> Self:
        named = self.operators | self.approvers
        wrong = {name for name in named if not (_SLACK_ID.fullmatch(name) or _OS_USER.fullmatch(name))}
        wrong |= {name for name in self.people.values() if not _SLACK_ID.fullmatch(name)}
        if wrong:
            raise ValueError(
                f"{', '.join(sorted(wrong))}: people are named by Slack user id (U…, W…) or os:<user>, never by name"
            )
        return self

    @property
    def access(self) -> AccessPolicy:
        """Who holds which role."""
        return AccessPolicy(
            operators=self.operators,
            approvers=self.approvers,
            brake_open_to_members=self.brake_open_to_members,
        )

    def terminal_actor(self) -> Actor:
        """Return who sits at the terminal: the operating-system user, as the Slack user that `people` names for them."""
        user = operating_system_user()
        mapped = self.people.get(user)
        identity = mapped or f"os:{user}"
        kind = ActorKind.SLACK if mapped else ActorKind.OS
        return Actor(kind=kind, id=mapped or user, roles=self.access.roles_of(identity, full_member=True))


def operating_system_user() -> str:
    """Return who runs this process, as the operating system says; whoever sets LOGNAME or USER becomes nobody else."""
    if sys.platform == "win32":
        return os.getlogin()
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a container may run an account that has no name
        return str(os.getuid())


def load() -> Settings:
    """Read all options.

    Raises:
        ConfigurationError: an option is wrong, or the file is missing or not TOML; nothing was started.
    """
    named = os.environ.get("ANR_CONFIG")
    try:
        if named and not Path(named).is_file():
            raise ConfigurationError(f"ANR_CONFIG names {named}, which is not a file. Nothing was started.")
        return Settings()
    except ValidationError as error:
        wrong = "; ".join(
            f"{'.'.join(str(part) for part in one['loc'])}: {one['msg']}" for one in error.errors(include_input=False)
        )
        raise ConfigurationError(f"The settings cannot be used ({wrong}). Nothing was started.") from None
    except (ValueError, OSError) as error:
        raise ConfigurationError(f"The settings cannot be read ({error}). Nothing was started.") from error
