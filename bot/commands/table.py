"""The table of commands: a row for each, which says everything about it.

Who adds a command writes its class, handler, parser and modal into a file of its own (or one about the same subject), puts a
row here, and adds the class to `Command`. What core returns is shown by `answers.answer`; a result of a new kind needs its
arm there, and mypy says so. Excluded: who asks, and where (bot/dispatch/dispatcher.py).
"""

from collections.abc import Callable, Mapping
from typing import Any

from bot.blockkit.post import Block
from bot.commands import alerts, brake, looks, requests, rollout, schedule, upkeep
from bot.commands.alerts import Acknowledge, Silence
from bot.commands.brake import Freeze, Hold, Rollback, Unfreeze
from bot.commands.command import Addressed, Misunderstood, Modal, Row
from bot.commands.looks import Details, Doctor, Help, Next, Receipts, Report, Status, Verify, Why
from bot.commands.requests import Approve, Deny
from bot.commands.rollout import BreakGlass, Drift, Promote, Review, Shadow
from bot.commands.schedule import Schedule, Skip
from bot.commands.upkeep import Backup, Backups, Drill, ResetState, Restore
from bot.stories import upkeep as upkeep_stories
from bot.views import answers, modals, outlook
from core.actors import Role

Command = (
    Help
    | Status
    | Why
    | Next
    | Report
    | Promote
    | Approve
    | Deny
    | Rollback
    | Freeze
    | Hold
    | Unfreeze
    | Shadow
    | Schedule
    | Skip
    | Drift
    | Receipts
    | Verify
    | Doctor
    | Backups
    | Backup
    | Restore
    | ResetState
    | Drill
    | Details
    | BreakGlass
    | Review
    | Acknowledge
    | Silence
)
"""Whatever can be asked for in Slack, typed or clicked."""


def explained(problem: Misunderstood | None = None) -> list[Block]:
    """Return the commands, after what was not understood."""
    groups = {group: [row.help for row in rows if row.help is not None] for group, rows in GROUPS.items()}
    return answers.help_text(groups, problem.problem, problem.nearest) if problem else answers.help_text(groups)


def _help(_: None) -> list[Block]:
    return explained()


TABLE: tuple[Row[Any, Any], ...] = (
    Row(
        kind=Help,
        word="help",
        synonyms=("", "?"),
        handle=looks.nothing,
        view=_help,
        buttons={"show_help": lambda _: Help()},
    ),
    Row(
        kind=Status,
        word="status",
        handle=looks.overview,
        view=answers.status,
        buttons={"show_status": lambda _: Status()},
        help=("status", "stage, holds, gates and open requests"),
    ),
    Row(
        kind=Why,
        word="why",
        handle=looks.insight,
        view=outlook.why,
        buttons={"show_why": lambda _: Why()},
        help=("why", "what stands in the way of the next promotion, and who can lift it"),
    ),
    Row(
        kind=Next,
        word="next",
        handle=looks.insight,
        view=outlook.ahead,
        help=("next", "when a promotion is possible, and what the next daily run will do"),
    ),
    Row(
        kind=Report,
        word="report",
        handle=looks.overview,
        view=answers.report,
        buttons={"show_report": lambda _: Report()},
        help=("report", "the gates over the last 24 hours"),
    ),
    Row(
        kind=Promote,
        word="promote",
        synonyms=("go",),
        parse=rollout.parse_promote,
        handle=rollout.promote,
        view=answers.answer,
        modal=Modal(modals.PROMOTE, rollout.ask_promote, rollout.read_promote, refused="ask for a promotion"),
        help=("promote [stage] [reason]", "ask for the next stage, or go to a lower one; `--dry-run` changes nothing"),
        may_ask=True,
    ),
    Row(
        kind=Approve,
        word="approve",
        parse=requests.parse_approve,
        handle=requests.approve,
        view=answers.answer,
        buttons={"approve": lambda value: Approve(operation=value)},
        help=("approve ID · deny ID [reason]", "answer a request"),
        answers_request=True,
    ),
    Row(
        kind=Deny,
        word="deny",
        synonyms=("reject",),
        parse=requests.parse_deny,
        handle=requests.deny,
        view=answers.answer,
        modal=Modal(modals.DENY, requests.ask_deny, requests.read_deny),
        answers_request=True,
    ),
    Row(
        kind=Rollback,
        word="rollback",
        synonyms=("stop", "abort", "revert", "roll"),
        parse=brake.parse_rollback,
        handle=brake.rollback,
        view=answers.answer,
        buttons={"rollback_now": lambda value: Rollback(at_once=True, operation=value)},
        help=("rollback [reason]", "0% at once: ANR off, guardrail route forced"),
        brakes=True,
    ),
    Row(
        kind=Freeze,
        word="freeze",
        parse=brake.parse_freeze,
        handle=brake.freeze,
        view=answers.answer,
        modal=Modal(modals.FREEZE, brake.ask_freeze, brake.read_freeze, at_once=modals.freeze, refused="freeze"),
        buttons={"freeze_now": lambda value: Freeze(at_once=True, operation=value)},
        help=("freeze [for 4h] [reason]", "roll back and hold promotions; `--keep-stage` only holds them"),
        brakes=True,
    ),
    Row(
        kind=Hold,
        word="freeze",
        typed=False,  # `freeze --keep-stage`
        handle=brake.hold,
        view=answers.answer,
        brakes=True,
        waits=True,
    ),
    Row(
        kind=Unfreeze,
        word="unfreeze",
        synonyms=("thaw",),
        parse=brake.parse_unfreeze,
        handle=brake.unfreeze,
        view=answers.answer,
        modal=Modal(modals.UNFREEZE, brake.ask_unfreeze, brake.read_unfreeze, refused="unfreeze"),
        help=("unfreeze [hold …] [what was found]", "lift holds, all unless you name some; the stage stays"),
        role=Role.OPERATE,
        may_ask=True,
    ),
    Row(
        kind=Shadow,
        word="shadow",
        parse=rollout.parse_shadow,
        handle=rollout.shadow,
        view=answers.answer,
        modal=Modal(modals.SHADOW, rollout.ask_shadow, rollout.read_shadow),
        help=("shadow [reason]", "after a rollback: learn again, serve nothing"),
        role=Role.OPERATE,
    ),
    Row(
        kind=Schedule,
        word="schedule",
        parse=schedule.parse_schedule,
        handle=schedule.schedule,
        view=answers.answer,
        help=("schedule pause · resume [reason]", "let the daily run only report, or promote again"),
    ),
    Row(
        kind=Skip,
        word="skip",
        parse=schedule.parse_skip,
        handle=schedule.skip,
        view=answers.answer,
        modal=Modal(modals.SKIP, schedule.ask_skip, schedule.read_skip, refused="skip the scheduled run"),
        help=("skip [today|tomorrow] [reason]", "the next daily run, or that day's, promotes nothing"),
        role=Role.OPERATE,
    ),
    Row(
        kind=Drift,
        word="drift",
        parse=rollout.parse_drift,
        handle=rollout.drift,
        may_ask=True,
        view=answers.answer,
        buttons={
            "reapply": lambda value: Drift("reapply", operation=value),
            "accept": lambda value: Drift("accept", operation=value),
        },
        help=("drift reapply · accept [reason]", "router and journal differ: put it back, or accept it"),
        role=Role.APPROVE,
    ),
    Row(
        kind=Receipts,
        word="receipts",
        parse=looks.parse_receipts,
        handle=looks.receipts,
        view=answers.receipts,
        buttons={"show_receipts": lambda _: Receipts()},
        help=("receipts [number] [@person]", "what was done last, by whom"),
    ),
    Row(
        kind=Verify,
        word="verify",
        parse=looks.parse_verify,
        handle=looks.verify,
        view=answers.verification,
        help=("verify", "check that no receipt was altered"),
    ),
    Row(
        kind=Doctor,
        word="doctor",
        handle=looks.doctor,
        view=outlook.examined,
        help=("doctor", "check everything anr depends on"),
    ),
    Row(
        kind=Backups,
        word="backups",
        handle=upkeep.backups,
        view=upkeep_stories.backups,
        help=("backups", "backups of the learned state"),
    ),
    Row(
        kind=Backup,
        word="backup",
        handle=upkeep.backup,
        view=answers.answer,
        help=("backup", "back the learned state up now"),
        role=Role.OPERATE,
    ),
    Row(
        kind=Restore,
        word="restore",
        parse=upkeep.parse_restore,
        handle=upkeep.restore,
        view=answers.answer,
        modal=Modal(modals.RESTORE, upkeep.ask_restore, upkeep.read_restore, refused="ask for a restore"),
        help=("restore NAME [reason]", "ask to put a backup back; freezes the rollout"),
        role=Role.OPERATE,
        may_ask=True,
    ),
    Row(
        kind=ResetState,
        word="state",
        parse=upkeep.parse_state,
        handle=upkeep.reset_state,
        view=answers.answer,
        help=("state reset [reason]", "last resort: ask to forget what was learned"),
        role=Role.OPERATE,
        may_ask=True,
    ),
    Row(
        kind=Drill,
        word="drill",
        parse=upkeep.parse_drill,
        handle=upkeep.drill,
        view=answers.answer,
        help=(
            "drill [alerts]",
            "test backups and journal, or whether an alert arrives; touches nothing live",
        ),
        role=Role.OPERATE,
    ),
    Row(
        kind=Details,
        word="details",
        typed=False,
        handle=looks.details,
        view=answers.details,
        buttons={"details": lambda value: Details(operation=value)},
    ),
    Row(
        kind=BreakGlass,
        word="break-glass",
        typed=False,
        handle=rollout.break_glass,
        view=answers.answer,
        modal=Modal(modals.BREAK_GLASS, rollout.ask_break_glass, rollout.read_break_glass),
        role=Role.APPROVE,
    ),
    Row(
        kind=Review,
        word="review",
        typed=False,
        handle=rollout.review,
        view=answers.answer,
        modal=Modal(modals.REVIEW, rollout.ask_review, rollout.read_review),
        role=Role.APPROVE,
    ),
    Row(
        kind=Acknowledge,
        word="acknowledge",
        typed=False,
        handle=alerts.acknowledge,
        view=answers.answer,
        buttons={"acknowledge": lambda value: Acknowledge(operation=value)},
    ),
    Row(
        kind=Silence,
        word="silence",
        typed=False,
        handle=alerts.silence,
        view=answers.answer,
        modal=Modal(modals.SILENCE, alerts.ask_silence, alerts.read_silence, refused="silence alerts"),
        role=Role.OPERATE,
    ),
)
"""Every command."""
_EMERGENCY = frozenset({"rollback", "freeze", "unfreeze", "shadow"})
_LOOK = frozenset({"status", "why", "next", "report", "receipts", "verify", "doctor", "backups"})
_CHANGE = frozenset({"promote", "approve", "schedule", "skip", "drift"})


def _group(word: str) -> str:
    named = {"Emergency": _EMERGENCY, "Look": _LOOK, "Change": _CHANGE}
    return next((group for group, words in named.items() if word in words), "Upkeep")


GROUPS: Mapping[str, tuple[Row[Any, Any], ...]] = {
    group: tuple(row for row in TABLE if _group(row.word) == group and row.help)
    for group in ("Emergency", "Look", "Change", "Upkeep")
}
"""The commands by what they are for, in the order of `/anr help`."""
WORDS: Mapping[str, Row[Any, Any]] = {row.word: row for row in TABLE if row.typed}
"""By every word that can follow `/anr`, its command."""
SYNONYMS: Mapping[str, str] = {synonym: row.word for row in TABLE for synonym in row.synonyms}
MODALS: Mapping[str, Row[Any, Any]] = {row.modal.form.name: row for row in TABLE if row.modal is not None}
"""By the name of each modal (its `callback_id`; `ask_<name>` is the action of the button that opens it), its command."""
BUTTONS: Mapping[str, Callable[[str], Command]] = {name: means for row in TABLE for name, means in row.buttons.items()}
"""By the action id of each button that stands for a command, what a click means."""
_ROWS: Mapping[type[Addressed], Row[Any, Any]] = {row.kind: row for row in TABLE}


def row_of(command: Command) -> Row[Any, Any]:
    """Return everything about a command's kind."""
    return _ROWS[type(command)]
