"""`anr rollback` and `anr freeze`: what has to be fast."""

from dataclasses import replace
from typing import Annotated

import typer

from core.actors import Approvable
from core.brake import hold
from core.brake.brake import Braked
from core.cli.context import AsJson, Now, Reason, braking
from core.cli.output import err
from core.cli.render import finish
from core.operations import approved_brake
from core.target.order import Order
from core.text import parse_span

commands = typer.Typer()


@commands.command()
def rollback(*, reason: Reason = "", now: Now = False, as_json: AsJson = False) -> None:
    """Put the router in its safe settings at once."""
    with braking() as (settings, site, doubts):
        result = approved_brake.brake(site, Approvable.ROLLBACK, Order(settings.terminal_actor(), reason), at_once=now)
    finish(_doubted(result, doubts), as_json=as_json)


@commands.command()
def freeze(
    *,
    reason: Reason = "",
    keep_stage: Annotated[bool, typer.Option("--keep-stage", help="Only hold promotions; leave the router as it is.")] = False,
    lasts: Annotated[str, typer.Option("--for", help="How long, as 90m, 2h or 3d; until it is lifted if left out.")] = "",
    now: Now = False,
    as_json: AsJson = False,
) -> None:
    """Roll back at once, and hold every promotion until the hold is lifted or its time is over."""
    span = parse_span(lasts)
    if lasts and span is None:  # a brake is not refused for a word: it acts, and lasts until somebody lifts it
        err.say(f"{lasts!r} is no length of time such as 90m, 2h or 3d (at most 30d): the freeze has no end.")
    result: object
    with braking() as (settings, site, doubts):
        if keep_stage:
            result = hold.hold_promotions(site, Order(settings.terminal_actor(), reason), lasts=span)
        else:
            order = Order(settings.terminal_actor(), reason)
            result = approved_brake.brake(site, Approvable.FREEZE, order, lasts=span, at_once=now)
    finish(_doubted(result, doubts), as_json=as_json)


def _doubted(result: object, doubts: tuple[str, ...]) -> object:
    """Call no router safe that may be another than the one that is meant."""
    if not doubts or not isinstance(result, Braked):
        return result
    return replace(result, safe=False, problems=(*result.problems, *doubts))
