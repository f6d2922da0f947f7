"""`anr rollback` and `anr freeze`: what has to be fast."""

from typing import Annotated

import typer

from core.actors import Approvable
from core.brake import hold
from core.brake.brake import Braked
from core.cli.context import AsJson, Now, Reason, braking
from core.cli.output import err
from core.cli.render import finish
from core.operations import approved_brake
from core.receipts.observation import acted
from core.target.order import Order
from core.target.target import Target
from core.text import parse_span

commands = typer.Typer()


@commands.command()
def rollback(*, reason: Reason = "", now: Now = False, as_json: AsJson = False) -> None:
    """Write the safe settings and restart the router at once, then look whether it follows."""
    with braking() as (me, site):
        result: object = approved_brake.brake(site, Approvable.ROLLBACK, Order(me, reason), at_once=now)
        result = seen_by_terminal(site, result, as_json=as_json)
    finish(result, as_json=as_json)


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
    with braking() as (me, site):
        if keep_stage:
            result = hold.hold_promotions(site, Order(me, reason), lasts=span)
        else:
            order = Order(me, reason)
            result = approved_brake.brake(site, Approvable.FREEZE, order, lasts=span, at_once=now)
            result = seen_by_terminal(site, result, as_json=as_json)
    finish(result, as_json=as_json)


def seen_by_terminal(site: Target, result: object, *, as_json: bool) -> object:
    """Say at once what a brake did, and wait to see whether the running router follows; what acted is over by then."""
    if not isinstance(result, Braked):
        return result
    if result.observation is not None and site.target.observe_timeout_s and not as_json and result.safe:
        err.say(f"{acted(result.observation)} Not yet seen; looking for up to {site.target.observe_timeout_s:g} s …")
    from core.watch.observe import followed  # noqa: PLC0415 - a brake acts before it loads what looks

    return followed(site, result)
