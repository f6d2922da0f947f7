"""The command line: `anr …`. The same operations and the same policy as in Slack; the operating-system user acts.

A command's module is imported when the command is called: a brake does not wait for what a report needs.

Exit codes: 0 done, 1 refused by gates or policy, 2 wrong usage or settings, 3 the operation failed.
"""

import gc
import platform
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.metadata import version
from typing import Annotated, Any, NamedTuple

import typer
from typer import TyperException
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command, get_group

from core.cli import protocol
from core.cli.output import DONE, FAILED, USAGE, err, out
from core.cli.said import CALLER, NAMED_TARGET, UNASKED, VERBOSE, OnlyHere
from core.errors import AnrError, ConfigurationError
from core.system import logs, streams
from core.system.logs import logger

log = logger(__name__)

EXIT_CODES = "Exit codes: 0 done · 1 refused by gates or policy · 2 wrong usage or settings · 3 the operation failed."


class Listed(NamedTuple):
    """What is known of a command before it is imported.

    Attributes:
        module: where it is; it stands in the module's `commands`.
        summary: its docstring, as `--help` lists it.
    """

    module: str
    summary: str


COMMANDS: dict[str, Listed] = {
    "init": Listed(
        "core.cli.commands.rollout", "Record the stage that the router's settings show, as the journal's first receipt."
    ),
    "report": Listed(
        "core.cli.commands.report",
        "Print the go/no-go report. With the same ledger and the same --now it is the same to the byte.",
    ),
    "status": Listed(
        "core.cli.commands.status",
        "Print stage, holds, requests and gates; a part that cannot be read says so and hides nothing else.",
    ),
    "promote": Listed(
        "core.cli.commands.rollout", "Ask for a move on the ladder: a step up waits for an approval, a move down happens at once."
    ),
    "approve": Listed("core.cli.commands.rollout", "Approve a request and carry it out, after checking everything again."),
    "deny": Listed("core.cli.commands.rollout", "End a request with a no."),
    "rollback": Listed(
        "core.cli.commands.brake", "Write the safe settings and restart the router at once, then look whether it follows."
    ),
    "freeze": Listed(
        "core.cli.commands.brake", "Roll back at once, and hold every promotion until the hold is lifted or its time is over."
    ),
    "unfreeze": Listed(
        "core.cli.commands.rollout", "Lift holds; the router stays as it is, unless it is to observe in shadow again."
    ),
    "shadow": Listed("core.cli.commands.rollout", "Let a router that was rolled back learn in shadow again; it serves nothing."),
    "receipts": Listed("core.cli.commands.records", "Print the last receipts, or export them all."),
    "verify": Listed(
        "core.cli.commands.records",
        "Check everything that is believed of the receipts: rows, requests, files, the chain, and the marks outside of it.",
    ),
    "recover": Listed(
        "core.cli.commands.records", "Settle what died half-way: late records, an intent without an outcome, missing files."
    ),
    "daily": Listed(
        "core.cli.commands.schedule",
        "Make the scheduled run that is due: report, and promote when GO. Once per local date, by the account that runs anr.",
    ),
}
"""The commands, in the order of `--help`."""
FURTHER_COMMANDS: dict[str, Listed] = {
    "why": Listed(
        "core.cli.commands.status",
        "List everything that stands in the way of the next promotion, with its owner and how to lift it.",
    ),
    "next": Listed("core.cli.commands.status", "Say the earliest possible promotion, and what the next scheduled run will do."),
    "watch": Listed(
        "core.cli.commands.watch",
        "Look once as the bot does every minute: expired holds, the running router, drift, guard. For machines without the bot.",
    ),
    "schedule": Listed("core.cli.commands.schedule", "Pause the daily run, or let it go on."),
    "drift": Listed("core.cli.commands.watch", "End a difference between router and journal; for approvers."),
    "skip": Listed(
        "core.cli.commands.schedule",
        "Veto the next scheduled run: it reports and promotes nothing. The runs after it go on as always.",
    ),
    "break-glass": Listed(
        "core.cli.commands.emergency",
        "Promote alone against gates that fail; REASON says why. For approvers; somebody else reviews it afterwards.",
    ),
    "review": Listed(
        "core.cli.commands.emergency",
        "Say that you have looked at the last break-glass of somebody else, so that the next one is possible.",
    ),
    "backup": Listed("core.cli.commands.upkeep", "Back the bandit's state up, and delete the backups that are one too many."),
    "backups": Listed(
        "core.cli.commands.upkeep", "List the backups of the bandit's state, the newest first, each checked; or take one on."
    ),
    "restore": Listed(
        "core.cli.commands.upkeep",
        "Ask for a backup to be put back; NAME is one that `anr backups` lists. Somebody else has to approve it.",
    ),
    "state": Listed("core.cli.commands.upkeep", "Reset the bandit's state, the last resort."),
    "drill": Listed(
        "core.cli.commands.upkeep",
        "Try the safety nets out: back up, restore into a scratch folder, verify the journal and a copy. Touches nothing live.",
    ),
    "journal": Listed("core.cli.commands.journal", "Copy the journal, check it with its copies, or make it again from receipts."),
    "prune": Listed(
        "core.cli.commands.upkeep",
        "Delete receipts that are older than they are kept, and seal them in a checkpoint, so that `anr verify` still holds.",
    ),
    "backtest": Listed(
        "core.cli.commands.backtest",
        "Judge past days by the gates: which would have been GO, and on which the guard would have frozen.",
    ),
    "ledger": Listed("core.cli.commands.ledger", "What is done with the ledger as a whole."),
    "config": Listed("core.cli.commands.config", "Look at the options that are in force."),
}
"""Those that came later: `PANELS` says where `--help` lists which."""
PANELS: dict[str, tuple[str, ...]] = {
    "Brake": ("rollback", "freeze"),
    "Look": ("status", "why", "next", "report", "receipts", "verify", "doctor", "config", "docs"),
    "Roll out": ("promote", "approve", "deny", "unfreeze", "shadow", "break-glass", "review", "drift"),
    "Schedule": ("daily", "schedule", "skip"),
    "Upkeep": ("recover", "backup", "backups", "restore", "state", "drill", "prune", "ledger", "journal", "backtest"),
    "Set up and run": ("init", "manifest", "bot", "watch", "demo"),
}
"""The groups of `--help`, in order: what has to be found at night comes first."""


class _Group(TyperGroup):
    """The commands; `--verbose` and `--target` may stand anywhere, as in the runbook's scripts."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._listing = False
        self._typed: list[str] = []
        names = dict.fromkeys((*(name for group in PANELS.values() for name in group), *COMMANDS, *FURTHER_COMMANDS))
        names = {name: None for name in names if name in {**COMMANDS, **FURTHER_COMMANDS}}
        self.commands = dict.fromkeys(names)  # type: ignore[assignment]  # all that help and "did you mean" look at

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Import the command's module; for the list of all commands, its summary is enough."""
        del ctx
        listed = {**COMMANDS, **FURTHER_COMMANDS}.get(cmd_name)
        if listed is None:
            return None
        if self._listing:
            return TyperCommand(cmd_name, short_help=listed.summary)
        return get_group(import_module(listed.module).commands).commands[cmd_name]

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the list of all commands without importing any."""
        self._listing = True
        try:
            super().format_help(ctx, formatter)
        finally:
            self._listing = False

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the commands in their groups."""
        del ctx
        listed = {**COMMANDS, **FURTHER_COMMANDS}
        for panel, names in PANELS.items():
            with formatter.section(panel):
                formatter.write_dl([(name, listed[name].summary) for name in names if name in listed])

    def main(self, args: Sequence[str] | None = None, *rest: Any, **options: Any) -> Any:
        """Run what was typed."""
        self._typed = list(sys.argv[1:] if args is None else args)
        return super().main(args, *rest, **options)

    def _main_shell_completion(self, *rest: Any, **options: Any) -> None:
        """Complete for a shell, which types nothing: a stray `_ANR_COMPLETE` in the environment keeps no brake from acting."""
        if not self._typed:
            super()._main_shell_completion(*rest, **options)

    def shell_complete(self, ctx: Any, incomplete: str) -> Any:
        """Complete the name of a command without importing any."""
        self._listing = True
        try:
            return super().shell_complete(ctx, incomplete)
        finally:
            self._listing = False

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Move `--verbose` and `--target NAME` to the front, unless they come after `--`."""
        end = args.index("--") if "--" in args else len(args)
        moved, stayed, words = [], [], iter(args[:end])
        for word in words:
            if word == "--verbose" or word.startswith("--target="):
                moved.append(word)
            elif word == "--target":
                moved += [word, *([name] if (name := next(words, None)) is not None else [])]
            else:
                stayed.append(word)
        return super().parse_args(ctx, [*moved, *stayed, *args[end:]])


app = typer.Typer(cls=_Group, no_args_is_help=True, rich_markup_mode=None)


def _print_version(wanted: bool) -> None:  # noqa: FBT001 - typer hands the option's value over by its place
    if wanted:
        out.write(f"anr {version('anr')}, Python {platform.python_version()}\n")
        raise typer.Exit


def run(application: typer.Typer) -> None:
    """Run the command line; errors that are foreseen become a sentence and an exit code.

    Raises:
        SystemExit: always, with the exit code.
    """
    out.lost, err.lost = streams.open_missing()
    try:
        ended = _ended(application)
    except SystemExit as error:
        ended = error.code if isinstance(error.code, int) else FAILED if error.code else DONE
    if not ended and out.lost:  # a brake says by its exit code what it did; everything else was asked for its words
        err.say("What was to be said could not be written to the output.")
        ended = FAILED
    if ended == FAILED and (unasked := UNASKED.get()):
        err.say(unasked)
    sys.exit(ended)


def _ended(work: Callable[[], object]) -> int:
    """Do what was typed, and return the exit code; errors that are foreseen become a sentence.

    Raises:
        SystemExit: the command line ended by itself.
    """
    try:
        code = work()
    except ConfigurationError as error:
        err.say(str(error))
        return USAGE
    except OnlyHere:
        raise
    except AnrError as error:
        err.say(str(error))
        return FAILED
    except TyperException:
        raise
    except Exception:  # the top of every command: the trace is shown, and the exit code is not that of a refusal
        log.exception("this was not foreseen")
        err.say("Something went wrong inside anr. Look at `anr status` before you go on; `anr recover` settles what was begun.")
        return FAILED
    return code if isinstance(code, int) else DONE


def carried_out(words: Sequence[str]) -> int | None:
    """Carry a command out for somebody else (`CALLER`, `ELSEWHERE`) and return its exit code.

    Returns:
        None if nothing was done, because it is not understood, or is not for a bot: whoever typed it is told so by their own
        command line.
    """
    try:
        # not the application's own call: that would hang a handler for errors into the whole process
        return _ended(lambda: get_command(app).main(list(words), prog_name="anr", standalone_mode=False))
    except (OnlyHere, TyperException):
        return None
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else FAILED


@app.callback(epilog=EXIT_CODES)
def _common(
    context: typer.Context,
    *,
    target: Annotated[str | None, typer.Option("--target", "-t", help="Name of the router, where there are several.")] = None,
    verbose: Annotated[bool, typer.Option("--verbose", help="Log what happens, on the error stream.")] = False,
    show_version: Annotated[
        bool, typer.Option("--version", help="Print the version, and end.", is_eager=True, callback=_print_version)
    ] = False,
) -> None:
    """Operate the progressive rollout of the ANR router."""
    del show_version  # it has ended before
    NAMED_TARGET.set(target)
    VERBOSE.set(verbose)
    if CALLER.get() is not None:
        if context.invoked_subcommand not in protocol.BY_BOT:
            raise OnlyHere("No bot does this for anybody. Nothing was done.")
        return  # garbage and logs are the bot's
    if not gc.isenabled():  # the command is imported, and what that made stays
        gc.freeze()
        gc.enable()
    logs.configure(verbose=verbose)
    logs.about(command=context.invoked_subcommand or "")
