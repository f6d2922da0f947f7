"""Which files to delete and which to move, given names, ages and policy.

Pure. Excluded: the files themselves (core/router/backups.py, core/upkeep/archive.py) and receipts (core/rollout/pruning.py).
"""

import json
from collections.abc import Mapping
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from core.canonical import canonical_bytes
from core.gates.guard import GuardPolicy
from core.gates.policy import GatePolicy
from core.rollout.schedule import Schedule
from core.settings.options_file import RUN_DIR


class Retention(BaseModel):
    """How much of what is kept, and for how long."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    backups: int = Field(7, ge=1, le=1000, description="how many valid backups of the bandit's state are kept")
    journal_copies: int = Field(7, ge=1, le=1000, description="how many copies of the journal are kept")
    receipts_days: int = Field(90, ge=7, le=3650, description="how long receipts are kept, in days")
    ledger_days: int = Field(
        35, ge=2, le=3650, description="how long decisions stay beside the ledger at least, where reports find them, in days"
    )
    archives_months: int = Field(12, ge=1, le=240, description="how many months back archives of the ledger are kept")


LADDER = (0, 10, 25, 50, 75, 100)
"""The runbook's stages, in percent of live traffic."""
_PATH_CHARACTERS_MAX, _PATH_CHARACTERS_SHOWN = 300, 60


SOAK_HOURS = 23.0
"""How long a stage soaks if nothing else is said: an hour less than a day, so that a daily run finds it over."""


class LedgerOptions(BaseModel):
    """How the ledger is read; none of this changes a figure as long as the slack is true."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    slack_minutes: int = Field(
        15, ge=0, le=1440, description="how much older than a line before it a ledger line may be, in minutes"
    )
    rotated: bool = Field(
        default=True, description="whether rotated ledgers beside the ledger are read where the window reaches into them"
    )
    other_ledgers: tuple[Path, ...] = Field(
        (), description="ledgers in the same folder that belong to routers which are not among `targets`"
    )
    index: bool = Field(default=True, description="whether what was read of the ledger is kept for the next report, in `run_dir`")
    parallel_mb: int = Field(48, ge=1, description="from how many unread megabytes on other processes help to read the ledger")
    processes: int = Field(0, ge=0, le=256, description="how many processes read a ledger at once; 0 for one on each processor")


def _said_of_nothing(expression: str) -> Any:
    """Return what an expression says of an answer with nothing in it: a constant, a default or a comparison says something."""
    import jmespath  # noqa: PLC0415 - few sites have expressions of their own
    from jmespath.exceptions import JMESPathError  # noqa: PLC0415 - as above

    try:
        return jmespath.search(expression, {})
    except (JMESPathError, RecursionError, ValueError, TypeError, ArithmeticError):
        return None


class HealthOptions(BaseModel):
    """Where in the router's answer the health of each critical slot stands, for builds of the router that tell it otherwise."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    urls: tuple[Annotated[str, Field(pattern=r"^https?://")], ...] = Field(
        (),
        max_length=8,
        description="addresses tried in turn for the health of slots, where nobody listens or there is no such page; "
        "empty for `target.health_url` alone",
    )
    slots: Mapping[str, str] = Field(
        default_factory=dict,
        description="JMESPath of the status of each critical slot in the answer; `slots.<slot>.status` where left out",
    )
    healthy: frozenset[Annotated[str, Field(min_length=1, max_length=60)]] = Field(
        frozenset({"healthy"}), min_length=1, description="the words that mean healthy; every other one does not"
    )

    @field_validator("slots")
    @classmethod
    def _paths_are_jmespath(cls, slots: Mapping[str, str]) -> Mapping[str, str]:
        import jmespath  # noqa: PLC0415 - only a site with paths of its own needs it
        from jmespath.exceptions import JMESPathError  # noqa: PLC0415 - as jmespath

        for slot, path in slots.items():
            try:
                jmespath.compile(path[:_PATH_CHARACTERS_MAX])
            except (JMESPathError, RecursionError) as error:
                said = str(error).splitlines()[0] if str(error) else type(error).__name__
                raise ValueError(f"{slot}: {path[:_PATH_CHARACTERS_SHOWN]!r} is no JMESPath expression ({said})") from error
            if len(path) > _PATH_CHARACTERS_MAX:
                raise ValueError(f"{slot}: a JMESPath expression has at most {_PATH_CHARACTERS_MAX} characters")
        return slots

    @model_validator(mode="after")
    def _nothing_is_not_healthy(self) -> Self:
        for slot, path in self.slots.items():
            said = _said_of_nothing(path)
            if isinstance(said, str) and said in self.healthy:
                raise ValueError(
                    f"{slot}: {path!r} says {said!r} of an answer that has nothing in it, so that any answer would do"
                )
        return self


class ObserveOptions(BaseModel):
    """The router's own endpoint, where it has one: it tells at once what the running process does."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: str = Field("", pattern=r"^(https?://\S+)?$", description="where the running router tells its settings, if it does")
    enabled: str = Field("", description="JMESPath of whether it is enabled in the answer: `anr.enabled`")
    pilot: str = Field("", description="JMESPath of the share of live traffic, 0 to 1")
    kill: str = Field("", description="JMESPath of whether R4 is forced")
    version: str = Field("", description="JMESPath of the router's version")
    uptime: str = Field("", description="JMESPath of how long its process has run, in seconds")
    timeout_s: float = Field(2.0, gt=0, le=30, description="time limit for the whole answer, in seconds")

    @property
    def expressions(self) -> dict[str, str]:
        """The expressions that are set, by what they find."""
        found = {name: getattr(self, name) for name in ("enabled", "pilot", "kill", "version", "uptime")}
        return {name: expression for name, expression in found.items() if expression}

    @model_validator(mode="after")
    def _expressions_are_understood(self) -> Self:
        if not self.url and not self.expressions:
            return self
        import jmespath  # noqa: PLC0415 - few sites have an endpoint, and a brake reads the settings
        from jmespath.exceptions import JMESPathError  # noqa: PLC0415 - as above

        for name, expression in self.expressions.items():
            try:
                jmespath.compile(expression)
            except JMESPathError as error:
                raise ValueError(f"observe.{name}: {expression!r} is no JMESPath expression") from error
            if name in {"enabled", "pilot", "kill"} and (said := _said_of_nothing(expression)) is not None:
                raise ValueError(
                    f"observe.{name}: {expression!r} says {json.dumps(said)} of an answer that has nothing in it, so that any "
                    "answer would do; name the field alone, or ask for it first: `mode && mode == 'live'`"
                )
        if self.url and not {"enabled", "pilot"} & set(self.expressions):
            raise ValueError("observe: where `url` is set, `enabled` or `pilot` has to say where the answer tells it")
        return self


class TargetSettings(BaseModel):
    """A router: where its files are, how it is reloaded, and which rules hold for it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field("production", pattern=r"^[a-z][a-z0-9-]{0,30}$", description="name of the router in messages and receipts")
    ledger: Path = Field(Path("run/anr_ledger.ndjson"), description="the router's decision ledger")
    ledger_reopened_by_reload: bool = Field(
        default=False,
        description="whether `reload_command` is run when the ledger was renamed, for a router that keeps it open",
    )
    archive_dir: Path = Field(
        Path("run/anr_ledger_archive"),
        description="where archives of the ledger go once they are older than `retention.ledger_days`",
    )
    state_file: Path = Field(Path("run/anr_state.json"), description="the bandit's state, which the router writes")
    backups_dir: Path = Field(Path("run/anr_state_backups"), description="where backups of the bandit's state are kept")
    ledger_table: SecretStr = Field(
        SecretStr(""),
        description="a table to take the figures from instead, by its URL; a URL that is given as `ledger` is this",
    )
    settings_file: Path = Field(Path("anr.env"), description="the dotenv file from which the router reads its settings")
    router_account: str = Field(
        "",
        pattern=r"^[^\s:]{0,60}$",
        description="account under which the router runs, by name or number: whether it may read its settings file is looked at",
    )
    health_url: str = Field(
        "http://127.0.0.1:8000/health/slots",
        pattern=r"^https?://",
        description="where the router tells the health of its slots",
    )
    alertmanager_url: str = Field(
        "",
        pattern=r"^(https?://[^\s]*[^/\s])?$",
        description="base URL of the Alertmanager where this router's alerts can be silenced; without it there is no button",
    )
    drill_alertmanager_url: str = Field(
        "",
        pattern=r"^(https?://[^\s]*[^/\s])?$",
        description="base URL of the Alertmanager to which `anr drill alerts` posts; `alertmanager_url` if left out",
    )
    health_timeout_s: float = Field(
        3.0, gt=0, le=10, description="time limit for the health of slots, all in all, in seconds; an operation waits that long"
    )
    health: HealthOptions = Field(default_factory=HealthOptions, description="where in the answer the health of the slots is")
    reload_command: tuple[str, ...] = Field(
        (),
        description="argument list that restarts the router, so that it starts with its settings file (`restart_command` too)",
    )
    reload_timeout_s: float = Field(
        20.0, gt=0, le=600, description="time limit for the reload command and all that it starts, in seconds"
    )
    stop_command: tuple[str, ...] = Field(
        (),
        description="argument list that stops the router and waits until it has ended; a restore and a reset need it",
    )
    start_command: tuple[str, ...] = Field(
        (),
        description="argument list that starts the router with its settings file, and does nothing if it runs; for "
        "a restore and a reset, within `reload_timeout_s` as `stop_command`",
    )
    observe_timeout_s: float = Field(
        5.0,
        ge=0,
        le=300,
        description="how long the command line waits to see the running router follow what was written, in seconds",
    )
    observe: ObserveOptions = Field(default_factory=ObserveOptions, description="the router's own endpoint, if it has one")
    version_command: tuple[str, ...] = Field(
        (),
        description="argument list that prints the router's version (a git SHA) for the receipts, within `observe.timeout_s`; "
        "where `observe.version` tells none",
    )
    journal: Path = Field(Path("ops/anr_journal.sqlite"), description="the journal of receipts and approvals (SQLite)")
    journal_copies_dir: Path | None = Field(
        None,
        description="where a copy of the journal is kept each day, best on another disk; a folder beside the journal if left out",
    )
    receipts_dir: Path = Field(Path("ops/logs"), description="where each receipt is also kept as a file")
    witness_command: tuple[str, ...] = Field(
        (),
        description="argument list that is given the mark of each receipt as a line of JSON and keeps it in other hands: "
        '`["systemd-cat", "-t", "anr"]`',
    )
    witness_read_command: tuple[str, ...] = Field(
        (), description='argument list that writes those lines back: `["journalctl", "-t", "anr", "-o", "cat"]`'
    )
    signed_heads: Path | None = Field(
        None, description="file of signed heads (`anr receipts export --sign`) that the journal is compared with"
    )
    signing_public_key: str = Field(
        "", pattern=r"^([A-Za-z0-9+/]{43}=)?$", description="Ed25519 key that the signed heads are checked with, in base64"
    )
    signing_command: tuple[str, ...] = Field(
        (), description="argument list that is given a head's bytes and writes their Ed25519 signature"
    )
    signing_key_file: Path | None = Field(
        None, description="Ed25519 key in PEM that signs instead, of an account that does not write the journal"
    )
    run_dir: Path = Field(Path(RUN_DIR), description="the operation lock and the brake's marks")
    stages: tuple[int, ...] = Field(LADDER, description="the ladder of stages, in percent of live traffic")
    soak_hours: float | Mapping[int, float] = Field(
        SOAK_HOURS,
        description="how long a stage has to be served before the next step up, in hours (0: not at all); or by stage, "
        "`{ 10 = 48, 25 = 72 }`, where 23 is asked of each that is not named",
    )
    window_minutes: int = Field(1440, ge=1, le=44640, description="length of the window that the gates look at, in minutes")
    approval_minutes: int = Field(60, ge=1, le=1440, description="how long an approval may be given, in minutes")
    recheck_minutes: float = Field(
        5, ge=0.05, le=60, description="how often the gates of a promotion that waits for approval are asked again, in minutes"
    )
    runbook_url: str = Field("", max_length=500, description="link to the runbook, shown on messages and kept in receipts")
    channel: str = Field("", max_length=30, description="id of the channel for this router; `slack.channel` if left out")
    reading: LedgerOptions = Field(default_factory=LedgerOptions, description="how the ledger is read")
    gates: GatePolicy = Field(default_factory=GatePolicy, description="the bounds of the gates")
    schedule: Schedule = Field(default_factory=Schedule, description="when the daily run is made")
    guard: GuardPolicy = Field(default_factory=GuardPolicy, description="how the gates are watched between daily runs")
    retention: Retention = Field(default_factory=Retention, description="what is kept, and for how long")

    @model_validator(mode="before")
    @classmethod
    def _a_url_is_a_table(cls, options: Any) -> Any:
        if isinstance(options, dict) and "://" in str(options.get("ledger", "")):
            rest = {name: value for name, value in options.items() if name != "ledger"}
            return {**rest, "ledger_table": str(options["ledger"])}
        return options

    @model_validator(mode="before")
    @classmethod
    def _a_restart_is_what_the_reload_command_does(cls, options: Any) -> Any:
        if not isinstance(options, dict) or "restart_command" not in options:
            return options
        if "reload_command" in options:
            raise ValueError("restart_command and reload_command are one option; set one of them")
        rest = {name: value for name, value in options.items() if name != "restart_command"}
        return {**rest, "reload_command": options["restart_command"]}

    @field_validator("*")
    @classmethod
    def _names_can_be_used(cls, value: Any) -> Any:
        """Refuse a zero byte: the system raises no OSError for it, and a brake that meets one would end before the router."""
        if any("\0" in str(part) for part in (value if isinstance(value, tuple) else (value,)) if isinstance(part, str | Path)):
            raise ValueError("a zero byte can stand in no path and no command")
        return value

    @field_validator("stages")
    @classmethod
    def _is_a_ladder(cls, stages: tuple[int, ...]) -> tuple[int, ...]:
        rising = all(low < high for low, high in pairwise(stages))
        if len(stages) < 2 or stages[0] != 0 or stages[-1] > 100 or not rising:
            raise ValueError("stages must begin with 0 and rise to at most 100, for example [0, 10, 25, 50, 75, 100]")
        return stages

    @model_validator(mode="after")
    def _soaks_are_of_stages(self) -> Self:
        named = self.soak_hours if isinstance(self.soak_hours, Mapping) else dict.fromkeys(self.stages, self.soak_hours)
        if wrong := [stage for stage, hours in named.items() if stage not in self.stages or not 0 <= hours <= 8760]:
            raise ValueError(f"soak_hours.{wrong[0]}: a soak belongs to one of the stages, and lasts 0 to 8760 hours")
        return self

    @model_validator(mode="after")
    def _health_is_of_critical_slots(self) -> Self:
        critical = self.gates.critical_slots
        if unknown := [slot for slot in self.health.slots if slot not in critical]:
            raise ValueError(f"health.slots.{unknown[0]}: it is none of gates.critical_slots ({', '.join(critical)})")
        return self

    @property
    def ledger_is_a_table(self) -> bool:
        """Whether the figures come from a table; a file at `ledger` is then of something else, or of before."""
        return bool(self.ledger_table.get_secret_value())

    @property
    def health_urls(self) -> tuple[str, ...]:
        """The addresses at which the router is asked for the health of its slots, in their order."""
        return self.health.urls or (self.health_url,)

    @property
    def slot_paths(self) -> dict[str, str]:
        """The JMESPath of each critical slot's status."""
        return {slot: self.health.slots.get(slot, f"slots.{json.dumps(slot)}.status") for slot in self.gates.critical_slots}

    @model_validator(mode="after")
    def _files_differ(self) -> Self:
        if len({self.ledger, self.settings_file, self.journal, self.state_file}) < 4:
            raise ValueError("ledger, settings_file, journal and state_file must be four different files")
        return self

    @model_validator(mode="after")
    def _gates_see_their_window(self) -> Self:
        if self.retention.ledger_days * 24 * 60 < self.window_minutes + 24 * 60:
            raise ValueError("retention.ledger_days must be longer by a day than window_minutes, which the gates look at")
        return self

    @model_validator(mode="after")
    def _drills_have_an_alertmanager(self) -> Self:
        if self.schedule.drill_alerts and not self.drill_url:
            raise ValueError("schedule.drill_alerts needs alertmanager_url, or drill_alertmanager_url")
        return self

    @property
    def drill_url(self) -> str:
        """Base URL of the Alertmanager to which a drill of the alert path posts; empty if none is set."""
        return self.drill_alertmanager_url or self.alertmanager_url

    @property
    def copies_dir(self) -> Path:
        """Where copies of the journal are kept."""
        return self.journal_copies_dir or self.journal.with_name(f"{self.journal.stem}_copies")

    @property
    def ledger_index(self) -> Path:
        """What was read of the ledger, kept for the next report: a SQLite database, with SQLite's own files beside it."""
        return self.run_dir / "ledger_index.sqlite"

    @property
    def soaks(self) -> Mapping[int, float]:
        """How long each stage has to be served before the next step up, in hours."""
        if isinstance(self.soak_hours, Mapping):
            return {stage: self.soak_hours.get(stage, SOAK_HOURS) for stage in self.stages}
        return dict.fromkeys(self.stages, self.soak_hours)

    @property
    def policy_digest(self) -> str:
        """Digest of the rules by which a promotion is judged; an approval is bound to it."""
        rules = {
            "gates": self.gates.model_dump(mode="json"),
            "health": {"paths": self.slot_paths, "healthy": sorted(self.health.healthy)},
            "stages": self.stages,
            "window_minutes": self.window_minutes,
            "soak_hours": {str(stage): hours for stage, hours in sorted(self.soaks.items())},
        }
        return sha256(canonical_bytes(rules)).hexdigest()
