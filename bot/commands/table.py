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
    lines = [row.help for row in TABLE if row.help is not None]
    return answers.help_text(lines, problem.problem, problem.nearest) if problem else answers.help_text(lines)


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
        help=("why", "everything that stands in the way of the next promotion, with its owner and how to lift it"),
    ),
    Row(
        kind=Next,
        word="next",
        handle=looks.insight,
        view=outlook.ahead,
        help=("next", "the earliest possible promotion, and what the next scheduled run will do"),
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
        help=("promote [stage] [reason]", "ask for the next stage, or a lower one; `--dry-run` only decides"),
        may_ask=True,
    ),
    Row(
        kind=Approve,
        word="approve",
        parse=requests.parse_approve,
        handle=requests.approve,
        view=answers.answer,
        buttons={"approve": lambda value: Approve(operation=value)},
        help=("approve ID · deny ID [reason]", "answer a request, as its buttons do"),
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
        help=("rollback [reason]", "router to its safe settings, at once"),
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
        help=("freeze [for 4h] [reason]", "roll back, and hold every promotion; `--keep-stage` only holds"),
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
        help=("unfreeze [hold …] [what was found]", "lift the holds that are named, or all; the stage stays as it is"),
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
        help=("shadow [reason]", "let a router that was rolled back learn again; it serves nothing"),
        role=Role.OPERATE,
    ),
    Row(
        kind=Schedule,
        word="schedule",
        parse=schedule.parse_schedule,
        handle=schedule.schedule,
        view=answers.answer,
        help=("schedule pause · resume [reason]", "the daily run only reports, or goes on"),
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
        help=("drift reapply · accept [reason]", "end a difference between router and journal; for approvers"),
        role=Role.APPROVE,
    ),
    Row(
        kind=Receipts,
        word="receipts",
        parse=looks.parse_receipts,
        handle=looks.receipts,
        view=answers.receipts,
        buttons={"show_receipts": lambda _: Receipts()},
        help=("receipts [number] [@person]", "the last receipts, five or as many as you say"),
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
        help=("doctor", "examine everything that operating the router depends on, Slack too"),
    ),
    Row(
        kind=Backups,
        word="backups",
        handle=upkeep.backups,
        view=upkeep_stories.backups,
        help=("backups", "the backups of the bandit's state, each checked"),
    ),
    Row(
        kind=Backup,
        word="backup",
        handle=upkeep.backup,
        view=answers.answer,
        help=("backup", "back the bandit's state up now"),
        role=Role.OPERATE,
    ),
    Row(
        kind=Restore,
        word="restore",
        parse=upkeep.parse_restore,
        handle=upkeep.restore,
        view=answers.answer,
        modal=Modal(modals.RESTORE, upkeep.ask_restore, upkeep.read_restore, refused="ask for a restore"),
        help=("restore NAME [reason]", "ask for a backup to be put back; the rollout is then frozen"),
        role=Role.OPERATE,
        may_ask=True,
    ),
    Row(
        kind=ResetState,
        word="state",
        parse=upkeep.parse_state,
        handle=upkeep.reset_state,
        view=answers.answer,
        help=("state reset [reason]", "ask for the bandit's state to be removed, the last resort; it is backed up first"),
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
            "try out whether backups and journal would hold, or whether an alert arrives; nothing live is touched",
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
"""Every command, in the order of `/anr help`."""
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
