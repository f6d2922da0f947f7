"""The command line: `anr …`. The same operations and the same policy as in Slack; the operating-system user acts.

A command's module is imported when the command is called: a brake does not wait for what a report needs.

Exit codes: 0 done, 1 refused by gates or policy, 2 wrong usage or settings, 3 the operation failed.
"""

import gc
import sys
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperGroup
from typer.main import get_group

from core.cli.context import NAMED_TARGET, VERBOSE
from core.cli.output import FAILED, USAGE, err
from core.errors import AnrError, ConfigurationError
from core.system import logs
from core.system.logs import logger

log = logger(__name__)

EXIT_CODES = "Exit codes: 0 done · 1 refused by gates or policy · 2 wrong usage or settings · 3 the operation failed."
COMMANDS = {
    "init": "core.cli.commands.rollout",
    "report": "core.cli.commands.report",
    "status": "core.cli.commands.status",
    "promote": "core.cli.commands.rollout",
    "approve": "core.cli.commands.rollout",
    "deny": "core.cli.commands.rollout",
    "rollback": "core.cli.commands.brake",
    "freeze": "core.cli.commands.brake",
    "unfreeze": "core.cli.commands.rollout",
    "shadow": "core.cli.commands.rollout",
    "receipts": "core.cli.commands.records",
    "verify": "core.cli.commands.records",
    "recover": "core.cli.commands.records",
    "daily": "core.cli.commands.schedule",
}
"""The module of each command, in the order of `--help`; it has them in `commands`."""
FURTHER_COMMANDS = {
    "why": "core.cli.commands.status",
    "next": "core.cli.commands.status",
    "watch": "core.cli.commands.watch",
    "schedule": "core.cli.commands.schedule",
    "drift": "core.cli.commands.watch",
    "skip": "core.cli.commands.schedule",
    "break-glass": "core.cli.commands.emergency",
    "review": "core.cli.commands.emergency",
    "backup": "core.cli.commands.upkeep",
    "backups": "core.cli.commands.upkeep",
    "restore": "core.cli.commands.upkeep",
    "state": "core.cli.commands.upkeep",
    "drill": "core.cli.commands.upkeep",
    "prune": "core.cli.commands.upkeep",
    "backtest": "core.cli.commands.backtest",
    "ledger": "core.cli.commands.ledger",
}
"""Those that `--help` lists after all others."""


class _Group(TyperGroup):
    """The commands; `--verbose` may stand anywhere, as in the runbook's scripts."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        names = (*COMMANDS, *FURTHER_COMMANDS)
        self.commands = dict.fromkeys(names)  # type: ignore[assignment]  # all that help and "did you mean" look at

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Import the command's module."""
        del ctx
        module = {**COMMANDS, **FURTHER_COMMANDS}.get(cmd_name)
        return None if module is None else get_group(import_module(module).commands).commands[cmd_name]

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Move `--verbose` to the front, unless it comes after `--`."""
        end = args.index("--") if "--" in args else len(args)
        said = [word for word in args[:end] if word != "--verbose"]
        moved = ["--verbose"] * (len(said) < end)
        return super().parse_args(ctx, [*moved, *said, *args[end:]])


app = typer.Typer(cls=_Group, no_args_is_help=True, add_completion=False)


def run(application: typer.Typer) -> None:
    """Run the command line; errors that are foreseen become a sentence and an exit code.

    Raises:
        SystemExit: always, with the exit code.
    """
    try:
        application()
    except ConfigurationError as error:
        err.say(str(error))
        sys.exit(USAGE)
    except AnrError as error:
        err.say(str(error))
        sys.exit(FAILED)
    except Exception:  # the top of every command: the trace is shown, and the exit code is not that of a refusal
        log.exception("this was not foreseen")
        err.say("Something went wrong inside anr. Look at `anr status` before you go on; `anr recover` settles what was begun.")
        sys.exit(FAILED)


@app.callback(epilog=EXIT_CODES)
def common(
    context: typer.Context,
    *,
    target: Annotated[str | None, typer.Option("--target", "-t", help="Name of the router, where there are several.")] = None,
    verbose: Annotated[bool, typer.Option("--verbose", help="Log what happens, on the error stream.")] = False,
) -> None:
    """Operate the progressive rollout of the ANR router."""
    if not gc.isenabled():  # the command is imported, and what that made stays
        gc.freeze()
        gc.enable()
    NAMED_TARGET.set(target)
    logs.configure(verbose=verbose)
    VERBOSE.set(verbose)
    logs.about(command=context.invoked_subcommand or "")
