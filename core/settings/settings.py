"""Every option, with its unit, default and help: the only place that reads the environment.

Options come from `anr.toml` (where it is looked for: core/settings/options.py) and from variables `ANR_…`, which win; nested
options are joined by two underscores: `ANR_TARGET__LEDGER`. What is no option is an error, in the file as in a variable.
"""

import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, SecretStr, ValidationError, model_validator

from core.actors import STANDARD_RULES, AccessPolicy, Approvable, ApprovalRule
from core.errors import ConfigurationError
from core.settings.mistakes import (
    Written,
    described,
    not_json,
    not_toml,
    truths_for_numbers,
    unknown_options,
    unknown_variables,
    wrong_values,
)
from core.settings.options import ValueNotJson, options_of, over, paths_placed, placed, variable_of
from core.settings.options_file import PREFIX, RUN_DIR, Search, find_options, find_text, text_of
from core.settings.secret_files import secrets_read
from core.settings.surfaces import AlertSettings, HttpSettings, SlackSettings
from core.settings.target import TargetSettings

T = TypeVar("T", bound=BaseModel)
_SLACK_ID = re.compile("[UW][A-Z0-9]{2,30}")
_SLACK_GROUP = re.compile("S[A-Z0-9]{2,30}")
_NEVER_ALONE = (Approvable.PROMOTE, Approvable.RESTORE, Approvable.RESET)
_OS_USER = re.compile(r"os:[^\s:][^:]{0,60}")


class Settings(BaseModel):
    """All options."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, allow_inf_nan=False)

    target: TargetSettings = Field(default_factory=TargetSettings, description="the router that is operated, if there is one")
    targets: dict[str, TargetSettings] = Field(
        default_factory=dict,
        description="several routers by name, in place of `target`: `[targets.staging]` with the same options",
    )
    slack: SlackSettings = Field(default_factory=SlackSettings)
    http: HttpSettings = Field(default_factory=HttpSettings)
    alerts: AlertSettings = Field(default_factory=AlertSettings)
    operators: frozenset[str] = Field(
        frozenset(),
        description="who may ask for promotions and unfreeze: Slack ids of users (`U…`) and groups (`S…`), or `os:<user>`",
    )
    approvers: frozenset[str] = Field(
        frozenset(), description="who may approve: Slack ids of users (`U…`) and groups (`S…`), or `os:<user>`"
    )
    approvals: dict[Approvable, ApprovalRule] = Field(
        default_factory=dict,
        description="approval per action: `[approvals.unfreeze]` with `needed` people and, if not the general list, `approvers`",
    )
    brake_open_to_members: bool = Field(default=True, description="whether every full member may roll back and freeze")
    people: dict[str, str] = Field(
        default_factory=dict, description="Slack user id of each operating-system user, by name or number"
    )
    _unread_secrets: tuple[str, ...] = PrivateAttr(default=())

    @model_validator(mode="before")
    @classmethod
    def _name_targets(cls, options: Any) -> Any:
        """Name each of several targets, and keep their files apart unless the settings say where they are."""
        several = options.get("targets") if isinstance(options, dict) else None
        if not several or not isinstance(several, dict):
            return options
        if options.get("target"):
            raise ValueError("name one router under `target`, or several under `targets`, not both")
        named = {name: _named(name, of_target) for name, of_target in several.items()}
        return {**options, "targets": named}

    @model_validator(mode="after")
    def _targets_are_apart(self) -> Self:
        for what in ("ledger", "settings_file", "state_file", "receipts_dir", "run_dir", "backups_dir", "archive_dir"):
            # by a link, too: who wrote the one would change the other's router
            places = [os.path.realpath(getattr(target, what)) for target in self.every_target]
            if len(set(places)) < len(places):
                raise ValueError(f"two targets have the same {what}; nothing could tell whose it is")
        copied = {target.copies_dir: target.journal for target in self.every_target}
        if any(copied[target.copies_dir] != target.journal for target in self.every_target):
            raise ValueError("two targets have different journals and the same journal_copies_dir; their copies would mix")
        told_by = [
            (target.observe.url, *sorted(target.observe.expressions.items()))
            for target in self.every_target
            if target.observe.url
        ]
        if len(set(told_by)) < len(told_by):
            raise ValueError("two targets have the same observe.url and expressions; one router would be seen for the other")
        return self

    @property
    def every_target(self) -> tuple[TargetSettings, ...]:
        """The routers that are operated, in the order of the settings; at least one."""
        return tuple(self._watched(self._among_others(target)) for target in self.targets.values() or (self.target,))

    def _among_others(self, target: TargetSettings) -> TargetSettings:
        """Tell a target whose ledgers stand beside its own: what rotation leaves of them is not its own."""
        others = tuple(other.ledger for other in self.targets.values() if other.ledger != target.ledger)
        if not others:
            return target
        reading = target.reading.model_copy(update={"other_ledgers": (*target.reading.other_ledgers, *others)})
        return target.model_copy(update={"reading": reading})

    def _watched(self, target: TargetSettings) -> TargetSettings:
        """Demand a living alert path of every target once there is one, unless its own gates say otherwise."""
        minutes = self.alerts.watchdog_minutes
        if not self.alerts.enabled or not minutes or target.gates.alert_path_minutes is not None:
            return target
        return target.model_copy(update={"gates": target.gates.model_copy(update={"alert_path_minutes": minutes})})

    def target_named(self, name: str | None) -> TargetSettings:
        """Return the router of that name; the only one needs no name.

        Raises:
            ConfigurationError: there is none of that name, or there are several and none was named.
        """
        by_name = {target.name: target for target in self.every_target}
        if name is None and len(by_name) == 1:
            return self.every_target[0]
        if name is None or name not in by_name:
            problem = "Several routers are set" if name is None else f"There is no router {name!r}"
            raise ConfigurationError(f"{problem}. Nothing was done; name one with --target: {', '.join(by_name)}.")
        return by_name[name]

    @model_validator(mode="after")
    def _ids_not_names(self) -> Self:
        named = self.operators.union(self.approvers, *(rule.approvers for rule in self.approvals.values()))
        wrong = {name for name in named if not any(kind.fullmatch(name) for kind in (_SLACK_ID, _SLACK_GROUP, _OS_USER))}
        wrong |= {name for name in self.people.values() if not _SLACK_ID.fullmatch(name)}
        if wrong:
            raise ValueError(
                f"{', '.join(sorted(wrong))}: people are named by Slack user id (U…, W…), group (S…) or os:<user>, never by name"
            )
        if unapproved := [action for action in _NEVER_ALONE if self.approvals.get(action, STANDARD_RULES[action]).needed < 1]:
            raise ValueError(f"approvals.{unapproved[0]}.needed: at least one other person has to approve this")
        return self

    @property
    def unread_secrets(self) -> tuple[str, ...]:
        """The secrets of the bot that stand in a file of their own which this account cannot read, each a sentence."""
        return self._unread_secrets

    @property
    def secrets(self) -> frozenset[str]:
        """Every value that must not be seen anywhere, also options of options."""
        return frozenset(_secrets_in(self))

    @property
    def access(self) -> AccessPolicy:
        """Who holds which role."""
        return AccessPolicy(
            operators=self.operators,
            approvers=self.approvers,
            brake_open_to_members=self.brake_open_to_members,
            rules=self.approvals,
            people={name.removeprefix("os:"): slack for name, slack in self.people.items()},
        )


def _secrets_in(options: object) -> Iterator[str]:
    if isinstance(options, SecretStr):
        yield from filter(None, [options.get_secret_value()])
    elif isinstance(options, BaseModel):
        for name in type(options).model_fields:
            yield from _secrets_in(getattr(options, name))
    elif isinstance(options, dict):
        for value in options.values():
            yield from _secrets_in(value)


def _named(name: str, options: Any) -> Any:
    if not isinstance(options, dict):
        return options
    own = {
        "run_dir": f"{RUN_DIR}/{name}",
        "receipts_dir": f"ops/logs/{name}",
        "backups_dir": f"run/anr_state_backups/{name}",
        "archive_dir": f"run/anr_ledger_archive/{name}",
    }
    return {**own, **options, "name": name}


def options_file() -> Path | None:
    """Return the file from which the options are read, or None if there is none."""
    try:
        return find_options(os.environ).file
    except ConfigurationError:
        return None


def stray_router_settings() -> tuple[str, ...]:
    """Return the names of router settings in this process's environment, where no running router ever sees them."""
    return tuple(sorted(name for name in os.environ if name.startswith("NOVA_ANR_")))


def load(*, required: bool = True) -> Settings:
    """Read all options.

    Args:
        required: whether there have to be some: a file, or a variable about a router; else nobody knows which is meant.

    Raises:
        ConfigurationError: there are none, an option is wrong or none of ours, or the file cannot be read; nothing was started.
    """
    written = as_written()
    options, wrong = _as_toml(written), unknown_variables(os.environ, Settings)
    if written.file is not None:
        wrong = (*unknown_options(options, Settings, written), *wrong)
        truths = (described(path, "a number is meant", Settings, written) for path in truths_for_numbers(options, Settings))
        wrong = (*wrong, *truths)
        options = in_place(options, written.file.parent)
    try:
        settings = Settings.model_validate(over(options, options_of(os.environ, Settings)))
    except ValidationError as error:
        told = [message for message in error.errors(include_input=False) if message["type"] != "extra_forbidden"]
        raise _unusable((*wrong, *wrong_values(told, Settings, written))) from None
    except ValueNotJson as error:
        raise _unusable((*wrong, *(not_json(Settings, written) or (str(error),)))) from None
    if wrong:
        raise _unusable(wrong)
    if required:
        _refuse_nothing(find_options(os.environ))
    return _with_secrets(settings, written)


def as_written() -> Written:
    """Return the options as they are written: the file that is read, its text, and the variables.

    Raises:
        ConfigurationError: the file cannot be read.
    """
    found = find_options(os.environ)
    return Written(found.file, text_of(found.file) if found.file is not None else "", os.environ)


def _as_toml(written: Written) -> dict[str, Any]:
    if written.file is None:
        return {}
    try:
        return tomllib.loads(written.text)
    except tomllib.TOMLDecodeError as error:
        raise _unusable((not_toml(error, written.text, written.file),)) from None


def _with_secrets(settings: Settings, written: Written) -> Settings:
    """Return the settings with the secrets that stand in files of their own.

    Raises:
        ConfigurationError: a secret is no such secret, or that of a router cannot be read.
    """
    wrong: list[str] = []
    unread: list[str] = []

    def read(table: T, path: tuple[str, ...]) -> T:
        whole = secrets_read(table)
        wrong.extend(described((*path, name), problem, Settings, written) for name, problem in whole.wrong)
        # what nobody but the bot needs may be closed to whoever looks at a router, or brakes it
        into = wrong if path[0].startswith("target") else unread
        into.extend(described((*path, name), problem, Settings, written) for name, problem in whole.unread)
        return whole.options

    found = settings.model_copy(
        update={
            "slack": read(settings.slack, ("slack",)),
            "alerts": read(settings.alerts, ("alerts",)),
            "target": read(settings.target, ("target",)),
            "targets": {name: read(target, ("targets", name)) for name, target in settings.targets.items()},
        }
    )
    if wrong:
        raise _unusable(tuple(wrong))
    found._unread_secrets = tuple(unread)  # noqa: SLF001 - it is ours
    return found


def for_brake() -> tuple[Written, tuple[str, ...]]:
    """Return the options as a brake reads them: whatever is wrong with them, and from wherever some are.

    Returns:
        The options as they are written, with our variables alone; and what of it is in doubt, sentences.

    Raises:
        ConfigurationError: there are none.
    """
    text, found, doubts = find_text(os.environ)
    try:
        _refuse_nothing(found)
    except ConfigurationError as error:
        raise ConfigurationError(
            f"{' '.join((*doubts, str(error).removesuffix(' Nothing was started.')))} NOTHING WAS DONE, the router goes on as it "
            "was: name the options file with ANR_CONFIG, or write the safe settings by hand, NOVA_ANR_ENABLED=0, "
            "NOVA_ANR_PILOT=0.00 and NOVA_ANR_KILL=1, and restart the router.",
        ) from None
    variables = {name: value for name, value in os.environ.items() if name.upper().startswith(PREFIX)}
    return Written(found.file, text, variables), doubts


def _refuse_nothing(found: Search) -> None:
    about_a_router = variable_of("target")
    if found.file is None and not any(name.upper().startswith(about_a_router) for name in os.environ):
        raise ConfigurationError(
            f"No options were found. Looked for {', '.join(found.looked)}. Name the file with ANR_CONFIG, or go to the site's "
            "folder. Nothing was started.",
        )


def _unusable(wrong: tuple[str, ...]) -> ConfigurationError:
    return ConfigurationError(f"The options cannot be used ({'; '.join(wrong)}). Nothing was started.", mistakes=wrong)


def in_place(options: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Return the options of a file in which every path of its routers, given or by default, begins at the file's folder."""
    several = options.get("targets")
    models: dict[str, type[BaseModel]] = {"slack": SlackSettings, "alerts": AlertSettings}
    tables = {name: table for name in models if isinstance(table := options.get(name), dict)}
    options = {**options, **{name: paths_placed(table, models[name], folder) for name, table in tables.items()}}
    if isinstance(several, dict) and several:
        return {**options, "targets": {name: placed(_named(name, target), folder) for name, target in several.items()}}
    if "target" not in options and any(name.upper().startswith(variable_of("targets")) for name in os.environ):
        return dict(options)
    return {**options, "target": placed(options.get("target", {}), folder)}
