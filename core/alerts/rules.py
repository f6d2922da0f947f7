"""The rules by which alerts are told apart: which freeze, which are only noted, and which target they mean.

Pure. Excluded: Alertmanager's payload (core/alerts/payload.py) and the dialect of matchers (core/alerts/matchers.py).
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from core.alerts.matchers import KnownLabels, judge_all, parse_matchers


class Effect(StrEnum):
    """What an alert asks for."""

    FREEZE = "freeze"
    WOULD_FREEZE = "would_freeze"
    """A rule in mode `observe`: the freeze is shown, not made."""
    NOTIFY = "notify"
    WATCHDOG = "watchdog"
    """The alert that always fires: the alert path is alive."""
    IGNORE = "ignore"

    @property
    def gravity(self) -> int:
        """How much it asks for: the greater, the more."""
        return _BY_GRAVITY.index(self)


_BY_GRAVITY = (Effect.WATCHDOG, Effect.IGNORE, Effect.NOTIFY, Effect.WOULD_FREEZE, Effect.FREEZE)


class AlertRule(BaseModel):
    """Which alerts ask for what. The first rule that an alert meets decides."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    match: str = Field(description="matchers in Alertmanager's syntax, all of which have to hold")
    then: Literal["freeze", "notify", "ignore"] = Field(description="what such an alert asks for")
    mode: Literal["act", "observe"] = Field("act", description="`observe` only says what would have been frozen")

    @field_validator("match")
    @classmethod
    def _is_understood(cls, match: str) -> str:
        parse_matchers(match)
        return match

    @property
    def effect(self) -> Effect:
        """What such an alert asks for."""
        if self.then == "freeze":
            return Effect.FREEZE if self.mode == "act" else Effect.WOULD_FREEZE
        return Effect.NOTIFY if self.then == "notify" else Effect.IGNORE


RUNBOOK_RULES = (
    AlertRule(match='component="anr", severity=~"page|critical"', then="freeze", mode="act"),
    AlertRule(match='component="anr"', then="notify", mode="act"),
)
"""The runbook: if any ANR alert pages, freeze. What no rule names is ignored."""


class AlertPolicy(BaseModel):
    """What alerts ask for, and how the alert that always fires is known."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    rules: tuple[AlertRule, ...] = RUNBOOK_RULES
    watchdog: str = 'alertname="Watchdog"'

    def effect(self, labels: Mapping[str, str]) -> Effect:
        """Return what an alert with exactly these labels asks for."""
        return self.judge(KnownLabels(labels))[0]

    def judge(self, labels: KnownLabels) -> tuple[Effect, bool]:
        """Return the gravest thing that an alert may ask for, and whether it is certain that it asks for that."""
        watchdog = judge_all(parse_matchers(self.watchdog), labels)
        if watchdog:
            return Effect.WATCHDOG, True
        possible: list[Effect] = []
        for rule in self.rules:
            met = judge_all(parse_matchers(rule.match), labels)
            if met is not False:
                possible.append(rule.effect)
            if met:
                break
        else:
            possible.append(Effect.IGNORE)
        return max(possible, key=lambda effect: effect.gravity), watchdog is False and len(set(possible)) == 1
