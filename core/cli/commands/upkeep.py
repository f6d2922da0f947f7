"""`anr backup`, `backups`, `restore`, `state`, `drill` and `prune`."""

from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from core.brake.alert_drill import WAIT_SECONDS, drill_alerts
from core.canonical import MARK_DIGITS
from core.cli.context import AsJson, DryRun, Reason, operating
from core.cli.output import out, print_json
from core.cli.render import finish
from core.operations import propose
from core.router.backups import Backup
from core.target.order import Order
from core.upkeep import backup as backing_up
from core.upkeep import prune as pruning
from core.upkeep.drill import drill as hold_drill

commands = typer.Typer()
_backups = typer.Typer(help="List the backups of the bandit's state, the newest first, each checked; or take one on.")
_state = typer.Typer(no_args_is_help=True, help="Reset the bandit's state, the last resort.")
commands.add_typer(_backups, name="backups")
commands.add_typer(_state, name="state")
_DRILL_HELP = (
    "Try the safety nets out: back up, restore into a scratch folder, verify the journal and a copy. Touches nothing live."
)
_drills = typer.Typer(help=_DRILL_HELP)
commands.add_typer(_drills, name="drill")


@commands.command()
def backup(*, as_json: AsJson = False) -> None:
    """Back the bandit's state up, and delete the backups that are one too many."""
    with operating() as (me, target):
        result = backing_up.back_up(target, me)
    finish(result, as_json=as_json)


@_backups.callback(invoke_without_command=True)
def backups(context: typer.Context, *, as_json: AsJson = False) -> None:
    """List the backups of the bandit's state, the newest first, each checked; or take one on."""
    if context.invoked_subcommand is not None:
        return
    with operating() as (_, target):
        found, now = target.backups.found(), target.clock()
    if as_json:
        print_json([_facts(found_backup) for found_backup in found])
        return
    if not found:
        out.say(f"There are no backups in {target.settings.backups_dir}. `anr backup` makes one, and the bot one a day.")
        return
    table = Table("backup", "age", "size", "sha256", "valid")
    for found_backup in found:
        age = f"{max(0.0, (now - found_backup.made_at).total_seconds()) / 3600:.1f} h"
        valid = "yes" if found_backup.valid else f"no: {found_backup.problem}"
        table.add_row(
            *(
                escape(cell)
                for cell in (found_backup.name, age, f"{found_backup.size:,}", found_backup.digest[:MARK_DIGITS], valid)
            )
        )
    out.print(table)


@_backups.command()
def adopt(name: str, *, as_json: AsJson = False) -> None:
    """Take on a backup that has no checksum: validate it and write its checksum. From then on it counts and can be restored."""
    with operating() as (me, target):
        result = backing_up.adopt(target, me, name)
    finish(result, as_json=as_json)


@commands.command()
def restore(
    name: str,
    *,
    reason: Reason = "",
    other_routes: Annotated[
        bool, typer.Option("--other-routes", help="Also if the backup has other routes than the newest valid one.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Ask for a backup to be put back; NAME is one that `anr backups` lists. Somebody else has to approve it."""
    with operating() as (me, target):
        result = propose.restore(target, Order(me, reason), name, other_routes=other_routes)
    finish(result, as_json=as_json)


@_state.callback()
def state() -> None:
    """Reset the bandit's state, the last resort."""


@_state.command()
def reset(*, reason: Reason = "", as_json: AsJson = False) -> None:
    """Ask for the state to be removed, so that the router begins anew. It is backed up first; somebody else has to approve."""
    with operating() as (me, target):
        result = propose.reset_state(target, Order(me, reason))
    finish(result, as_json=as_json)


@_drills.callback(invoke_without_command=True, help=_DRILL_HELP)
def drill(context: typer.Context, *, as_json: AsJson = False) -> None:
    """Hold the drill of the safety nets, unless another is named."""
    if context.invoked_subcommand is not None:
        return
    with operating() as (me, target):
        result = hold_drill(target, me)
    finish(result, as_json=as_json)


@_drills.command()
def alerts(
    *,
    wait: Annotated[float, typer.Option("--wait", min=0, max=600, help="Seconds that the webhook is waited for.")] = WAIT_SECONDS,
    as_json: AsJson = False,
) -> None:
    """Try the alert path out: post an alert to Alertmanager and wait for it at the bot's webhook. It freezes nothing."""
    with operating() as (me, target):
        result = drill_alerts(target, me, wait_s=wait)
    finish(result, as_json=as_json)


@commands.command()
def prune(*, dry_run: DryRun = False, as_json: AsJson = False) -> None:
    """Delete receipts that are older than they are kept, and seal them in a checkpoint, so that `anr verify` still holds."""
    with operating() as (me, target):
        result = pruning.prune(target, me, dry_run=dry_run)
    finish(result, as_json=as_json)


def _facts(one: Backup) -> dict[str, object]:
    return {"name": one.name, "made_at": one.made_at.isoformat(), "size": one.size, "sha256": one.digest, "problem": one.problem}
