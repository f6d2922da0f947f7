"""`anr ledger archive` and `export`."""

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from core.cli.context import AsJson, DryRun, only_here, operating, own_settings
from core.cli.output import out, print_json, working
from core.cli.render import finish
from core.cli.said import NAMED_TARGET
from core.errors import ConfigurationError
from core.system.extras import how_to_add
from core.upkeep import archive as archiving

commands = typer.Typer()
ledger_app = typer.Typer(no_args_is_help=True, help="What is done with the ledger as a whole.")
commands.add_typer(ledger_app, name="ledger")


@ledger_app.command()
def export(
    *,
    parquet: Annotated[Path, typer.Option("--parquet", help="Folder for the files, one folder an hour.")],
    ledger: Annotated[Path | None, typer.Option(help="Another ledger than the target's.")] = None,
    as_json: AsJson = False,
) -> None:
    """Write what is new in the ledger as Parquet, by hour, for engines that read tables. Goes on where it was left."""
    only_here()
    try:
        from core.scan.parquet import export as export_new  # noqa: PLC0415 - an optional extra
    except ModuleNotFoundError as error:
        text = f"Parquet needs {error.name}: {how_to_add('warehouse')} Nothing was exported."
        raise ConfigurationError(text) from error

    target = own_settings(required=ledger is None).target_named(NAMED_TARGET.get())
    with working() as on_progress:
        done = export_new(ledger or target.ledger, parquet, on_progress, target.reading)
    if as_json:
        print_json({"rows": done.rows, "files": done.files})
    else:
        out.print(f"{done.rows:,} rows written in {done.files:,} files under {escape(str(parquet))}.")


@ledger_app.command()
def archive(*, dry_run: DryRun = False, as_json: AsJson = False) -> None:
    """Rotate the ledger monthly, compress what nobody writes to any more, and delete what is too old."""
    with operating() as (me, target):
        result = archiving.archive(target, me, dry_run=dry_run)
    finish(result, as_json=as_json)
