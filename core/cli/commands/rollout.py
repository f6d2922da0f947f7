"""`anr init`, `promote`, `approve`, `deny` and `unfreeze`."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from core.actors import Actor
from core.cli.context import BEGINS, AsJson, Reason, Request, only_here, operating
from core.cli.render import finish
from core.cli.said import VERBOSE
from core.errors import ConfigurationError
from core.gates.report import Report
from core.operations import propose, requests
from core.operations import shadow as shadowing
from core.operations.results import Refused, WouldMove
from core.rollout.refusals import Code, Refuse
from core.settings.terminal import who_may_begin
from core.system.files import read_bounded
from core.target.order import Order
from core.target.target import Target
from core.watch.observe import followed

commands = typer.Typer()
_REPORT_BYTES_MAX = 4 << 20


@commands.command()
def init(reason: Reason = "") -> None:
    """Record the stage that the router's settings show, as the journal's first receipt."""
    with operating() as (me, target):
        result = propose.init(target, me, reason) if BEGINS.get() else _not_the_account(me, target)
    finish(result)


def _not_the_account(me: Actor, target: Target) -> Refused:
    """Refuse to begin a journal that would be somebody's own: who owns it is the account that runs anr from then on."""
    text = (
        f"You are {me.id} here, and not the account that runs anr for this router: the journal would be yours. Nothing was "
        f"recorded. {who_may_begin(target.settings)}"
    )
    return Refused(Refuse(Code.NOT_THE_ACCOUNT, text))


@commands.command()
def promote(
    stage: Annotated[int | None, typer.Argument(help="Stage in percent; the next one if it is left out.")] = None,
    *,
    reason: Reason = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Decide, but change nothing.")] = False,
    report: Annotated[
        Path | None, typer.Option(help="Of a dry run: judge the figures of this report (JSON) in place of the ledger's.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Ask for a move on the ladder: a step up waits for an approval, a move down happens at once."""
    if report is not None:
        only_here()
    if report is not None and not dry_run:
        raise ConfigurationError(
            "--report goes with --dry-run: nothing is promoted on the figures of a file. Nothing was changed."
        )
    with operating() as (me, target):
        judged = None if report is None else _judged(target, report)
        order = Order(me, reason)
        result = followed(target, propose.propose(target, order, wanted=stage, dry_run=dry_run, judged=judged))
    found = result.report if isinstance(result, WouldMove | Refused) else None
    if dry_run and VERBOSE.get() and not as_json and found is not None:
        from core.cli.tables import print_gates  # noqa: PLC0415 - rich's tables are slow to import, and few look at them

        print_gates(found.gates.gates, title="GO" if found.gates.go else "NO-GO")
    finish(result, as_json=as_json)


def _judged(target: Target, path: Path) -> Callable[[bool], Report]:
    """Return what holds the figures of a report that somebody kept against the gates, with the slots as they are now.

    Raises:
        ConfigurationError: it cannot be read, is no report, or looks at another window than the gates.
    """
    from core.gates.reported import judge_reported  # noqa: PLC0415 - only a dry run of a file needs any of these
    from core.ledger.reported import reported  # noqa: PLC0415 - as above
    from core.router.health import ask_slots  # noqa: PLC0415 - as above
    from core.target.alert_path import alert_path  # noqa: PLC0415 - as above

    options = target.settings
    try:
        told = json.loads(read_bounded(path, _REPORT_BYTES_MAX).decode("utf-8-sig"))
        if not isinstance(told, dict):
            raise ValueError("it is not a JSON object")  # noqa: TRY301, TRY004 - one sentence for all that is no report
        found = reported(told, target.clock())
    except (OSError, ValueError, RecursionError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise ConfigurationError(f"{path} cannot be read as a report ({reason}). Nothing was judged.") from error
    if found.metrics.window.minutes != options.window_minutes:
        raise ConfigurationError(
            f"{path} reports on {found.metrics.window.minutes:,} minutes, and the gates look at {options.window_minutes:,}. "
            "Nothing was judged."
        )
    slots, heard = ask_slots(options), alert_path(options.run_dir)
    return lambda leaving_zero: judge_reported(found, slots, options.gates, alert_path=heard, leaving_zero=leaving_zero)


@commands.command()
def approve(request: Request, *, as_json: AsJson = False) -> None:
    """Approve a request and carry it out, after checking everything again."""
    with operating() as (me, target):
        result = followed(target, requests.approve(target, me, request))
    finish(result, as_json=as_json)


@commands.command()
def deny(request: Request, *, reason: Reason = "", as_json: AsJson = False) -> None:
    """End a request with a no."""
    with operating() as (me, target):
        result = requests.deny(target, me, request, reason)
    finish(result, as_json=as_json)


@commands.command()
def unfreeze(
    holds: Annotated[list[str] | None, typer.Argument(help="Ids of holds, or their first characters; all if left out.")] = None,
    *,
    reason: Reason = "",
    while_firing: Annotated[bool, typer.Option(help="Although an alert still fires; needs a reason.")] = False,
    in_shadow: Annotated[bool, typer.Option("--shadow", help="Then let the router observe in shadow again.")] = False,
    as_json: AsJson = False,
) -> None:
    """Lift holds; the router stays as it is, unless it is to observe in shadow again."""
    with operating() as (me, target):
        order = Order(me, reason)
        lift = shadowing.unfreeze_in_shadow if in_shadow else propose.unfreeze
        result = followed(target, lift(target, order, frozenset(holds or ()), while_firing=while_firing))
    finish(result, as_json=as_json)


@commands.command()
def shadow(*, reason: Reason = "", as_json: AsJson = False) -> None:
    """Let a router that was rolled back learn in shadow again; it serves nothing."""
    with operating() as (me, target):
        result = followed(target, shadowing.shadow(target, Order(me, reason)))
    finish(result, as_json=as_json)
