"""The options of Slack, of the HTTP server and of alerts.

Excluded: reading them (core/settings/settings.py).
"""

import re
from datetime import datetime, time
from typing import Self
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from core.alerts.matchers import parse_matchers
from core.alerts.rules import RUNBOOK_RULES, AlertPolicy, AlertRule

_CALLABLE = re.compile("[USW][A-Z0-9]{2,30}")


class NotifySettings(BaseModel):
    """Whom messages call: only a mention in a new message makes a telephone ring.

    Attributes:
        approvers: None for those who may approve what is asked for.
        on_call: also called when a router was braked and is not safe.
        quiet_from, quiet_until: both or neither; may reach over midnight.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    approvers: frozenset[str] | None = Field(
        None,
        description="whom a request for an approval calls: ids of users (`U…`) and groups (`S…`); not set: those who may approve "
        "it; empty: nobody",
    )
    on_call: frozenset[str] = Field(
        frozenset(),
        description="whom the card of an alert, and of a brake that did not work, calls: ids of users (`U…`) and groups (`S…`)",
    )
    quiet_from: time | None = Field(
        None, description="from when on mere news call nobody, in the zone of the schedule; alerts and requests always call"
    )
    quiet_until: time | None = Field(None, description="until when; may be the next morning")

    @model_validator(mode="after")
    def _can_be_called(self) -> Self:
        if wrong := sorted(name for name in {*(self.approvers or ()), *self.on_call} if not _CALLABLE.fullmatch(name)):
            raise ValueError(f"{', '.join(wrong)}: whom messages call is named by Slack user id (U…, W…) or group (S…)")
        if (self.quiet_from is None) != (self.quiet_until is None):
            raise ValueError("quiet hours need both quiet_from and quiet_until")
        return self

    def is_quiet(self, at: datetime, zone: str) -> bool:
        """Whether mere news call nobody at a moment.

        Args:
            at: the moment, with an offset.
            zone: IANA name of the zone of the quiet hours.
        """
        if self.quiet_from is None or self.quiet_until is None:
            return False
        local = at.astimezone(ZoneInfo(zone)).time()
        if self.quiet_from <= self.quiet_until:
            return self.quiet_from <= local < self.quiet_until
        return local >= self.quiet_from or local < self.quiet_until


class SlackSettings(BaseModel):
    """How the bot reaches Slack."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    bot_token: SecretStr = Field(SecretStr(""), description="bot token, `xoxb-…`")
    app_token: SecretStr = Field(SecretStr(""), description="app-level token, `xapp-…`: switches Socket Mode on")
    signing_secret: SecretStr = Field(SecretStr(""), description="signing secret: switches HTTP mode on")
    channel: str = Field("", description="id of the channel for reports and approvals, `C…`")
    fallback_channel: str = Field("", description="id of the channel for messages whose own channel is archived or missing")
    allowed_channels: frozenset[str] = Field(
        frozenset(), description="ids of the channels where anr may be operated; empty for all. The brake works everywhere"
    )
    notify: NotifySettings = Field(default_factory=NotifySettings)
    api_url: str = Field("https://slack.com/api/", pattern=r"^https?://.*/$", description="base URL of Slack's Web API")


class HttpSettings(BaseModel):
    """Where the bot listens: Alertmanager's webhook, metrics, health, and Slack in HTTP mode."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str = Field("127.0.0.1", description="address on which the bot listens")
    port: int = Field(3000, ge=0, le=65535, description="port on which the bot listens; 0 takes any free one")
    measure_seconds: float = Field(15, gt=0, description="how often the figures at `/metrics` are measured anew, in seconds")


class AlertSettings(BaseModel):
    """How Alertmanager reaches the bot, and what its alerts ask for."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    token: SecretStr = Field(SecretStr(""), description="bearer token of the webhook: switches it on")
    username: str = Field("", max_length=200, description="user of basic authentication, in place of a token")
    password: SecretStr = Field(SecretStr(""), description="password of basic authentication: switches the webhook on")
    rules: tuple[AlertRule, ...] = Field(
        (),
        description="alerts and what they ask for: `match`, `then` (`freeze`, `notify`, `ignore`), `mode` (`act`, `observe`); "
        "the first that matches decides; none set: an ANR alert that pages freezes, other ANR alerts notify",
    )
    watchdog: str = Field('alertname="Watchdog"', description="matchers of the alert that always fires")
    watchdog_minutes: float = Field(
        5, ge=0, description="silence of the Watchdog after which promotion is refused, in minutes; 0 does not ask for it"
    )

    @field_validator("token", "password")
    @classmethod
    def _has_no_space_around(cls, secret: SecretStr) -> SecretStr:
        # a secret that was kept in a file has a line feed behind it, which nobody sends
        return SecretStr(secret.get_secret_value().strip())

    @model_validator(mode="after")
    def _watchdog_is_understood(self) -> Self:
        parse_matchers(self.watchdog)
        return self

    @property
    def enabled(self) -> bool:
        """Whether anybody can reach the webhook."""
        return bool(self.token.get_secret_value() or self.password.get_secret_value())

    @property
    def policy(self) -> AlertPolicy:
        """What alerts ask for."""
        return AlertPolicy(rules=self.rules or RUNBOOK_RULES, watchdog=self.watchdog)
