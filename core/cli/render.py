"""What a result means at a terminal: sentences, facts for scripts, and the exit code."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import typer

from core.brake import brake, lift
from core.brake import hold as holding
from core.cli.context import DISTRUST
from core.cli.output import DONE, FAILED, REFUSED, err, out, print_json
from core.errors import AnrError
from core.operations import break_glass, daily, restore, results
from core.operations import shadow as shadowing
from core.receipts.chain import Sealed
from core.receipts.observation import Observation, acted, to_do, told
from core.receipts.receipt import Action
from core.rollout.approvals import ApprovalStatus
from core.rollout.decisions import NeedsApproval
from core.rollout.refusals import Code, Refuse
from core.text import written

_ROLES = frozenset({Code.NOT_ALLOWED, Code.NOT_APPROVER, Code.NO_PERSON})
"""Refusals of somebody without the role, which the options may have given to them in vain."""


@dataclass(frozen=True, slots=True)
class Ending:
    """How a command ended.

    Attributes:
        code: the exit code.
        said: sentences for the output.
        complaints: sentences for the error stream.
        facts: the same for scripts.
    """

    code: int
    said: tuple[str, ...] = ()
    complaints: tuple[str, ...] = ()
    facts: dict[str, Any] = field(default_factory=dict)


def finish(result: object, *, as_json: bool = False) -> None:
    """Say how it ended, and end with the exit code that means it.

    Raises:
        typer.Exit: it was refused or failed.
    """
    ended = ending(result)
    if ended.facts.get("code") in _ROLES and (distrust := DISTRUST.get()):
        text = f"Your options do not count for this: {distrust}"
        ended = replace(ended, complaints=(text, *ended.complaints), facts={**ended.facts, "options": distrust})
    if as_json:
        print_json({**ended.facts, "exit_code": ended.code})
    else:
        _say(ended)
    if ended.code:
        raise typer.Exit(ended.code)


def finish_all(ended: Mapping[str, Ending], unclear: Sequence[str] = (), *, as_json: bool = False) -> None:
    """Say how it ended for each of several routers, by their names, and end with the worst exit code.

    Args:
        ended: how, by the routers' names.
        unclear: what could not be done at all for want of options that can be understood, each a sentence.
        as_json: as one object.

    Raises:
        typer.Exit: one of them was refused or failed.
    """
    worst = max((FAILED if unclear else DONE), *(outcome.code for outcome in ended.values()))
    if as_json:
        facts = {name: {**outcome.facts, "exit_code": outcome.code} for name, outcome in ended.items()}
        print_json({"targets": facts, "unclear": list(unclear), "exit_code": worst})
    else:
        for name, outcome in ended.items():
            out.say(f"{name}:")
            _say(outcome)
        for sentence in unclear:
            err.say(sentence)
    if worst:
        raise typer.Exit(worst)


def _say(ended: Ending) -> None:
    for sentence in ended.said:
        out.say(sentence)
    for sentence in (*(ended.said if out.lost else ()), *ended.complaints):
        err.say(sentence)


def ending(result: object) -> Ending:  # noqa: C901, PLR0912 - one arm a result
    """Return what a result means at a terminal. Pure."""
    match result:
        case AnrError():
            return Ending(FAILED, complaints=(str(result),), facts={"result": "failed", "reason": str(result)})
        case results.Refused(refusal=refusal):
            return ending(refusal)
        case Refuse(code=code, text=text, blockers=blockers):
            facts = {"result": "refused", "code": code, "reason": text, "blockers": list(blockers)}
            return Ending(REFUSED, complaints=(text, *(f"  {blocker}" for blocker in blockers)), facts=facts)
        case results.Asked(approval=approval, sealed=sealed):
            line = f"Asked: {approval.what}. Somebody else runs `anr approve {approval.id}`."
            return Ending(DONE, (line,), facts={"result": "asked", "request": approval.id, **recorded(sealed)})
        case results.WouldMove(decision=decision):
            stages = {"from": decision.from_stage, "to": decision.to_stage}
            comes = "would wait for an approval" if isinstance(decision, NeedsApproval) else "would happen at once"
            line = f"Dry run: {decision.from_stage}% → {decision.to_stage}% {comes}. Nothing was changed."
            return Ending(DONE, (line,), facts={"result": "would_move", **stages})
        case results.Moved(sealed=sealed):
            return _moved(result)
        case results.Signed(approval=approval, sealed=sealed):
            line = f"Approved: {approval.what}. {approval.missing} more approval(s) needed before it is done. {sealed.mark}"
            return Ending(DONE, (line,), facts={"result": "signed", "request": approval.id, **recorded(sealed)})
        case results.Ended(approval=approval, sealed=sealed):
            denied = approval.status is ApprovalStatus.DENIED
            line = f"Request {approval.id} is {approval.status}. {approval.note}".rstrip()
            facts = {"result": approval.status, "request": approval.id, **recorded(sealed)}
            return Ending(DONE, (line,), facts=facts) if denied else Ending(REFUSED, complaints=(line,), facts=facts)
        case holding.Held(sealed=sealed, stage=stage):
            at = "an unknown stage" if stage is None else f"{stage}%"
            line = f"Promotions are held. The router was not touched and stays at {at}. {sealed.mark}"
            return Ending(DONE, (line,), facts={"result": "held", "stage": stage, **recorded(sealed)})
        case brake.Braked():
            return _braked(result)
        case lift.Unfrozen(lifted=lifted, left=left, sealed=sealed):
            line = f"{len(lifted)} lifted, {len(left)} left. The router's settings stay as they are."
            facts = {"result": "unfrozen", "lifted": [hold.id for hold in lifted], "left": [hold.id for hold in left]}
            return Ending(DONE, (line,), facts={**facts, **recorded(sealed)})
        case shadowing.UnfrozenInShadow(unfrozen=unfrozen, shadow=observing):
            first, then = ending(unfrozen), ending(observing)
            said, complaints = (*first.said, *then.said), (*first.complaints, *then.complaints)
            return Ending(then.code, said, complaints, {**then.facts, "unfrozen": first.facts, "result": then.facts["result"]})
        case daily.Skipped(day=day, sealed=sealed):
            line = f"The run of {day} reports and promotes nothing. Receipt {sealed.mark}."
            return Ending(DONE, said=(line,), facts={"result": "skipped", "day": day.isoformat(), "receipt": sealed.receipt.seq})
        case break_glass.Reviewed(sealed=sealed):
            line = f"Reviewed; the next break-glass is possible again. Receipt {sealed.mark}."
            return Ending(DONE, said=(line,), facts={"result": "reviewed", "receipt": sealed.receipt.seq})
        case daily.Scheduled(paused=paused, sealed=sealed):
            line = "The schedule is paused: the daily run reports and promotes nothing." if paused else "The schedule goes on."
            facts = {"result": "paused" if paused else "resumed", **recorded(sealed)}
            return Ending(DONE, (f"{line} {sealed.mark}",), facts=facts)
        case restore.Restored():
            return _restored(result)
        case _:
            from core.cli.upkeep_endings import upkeep_ending  # noqa: PLC0415 - a brake loads nothing of the upkeep

            return upkeep_ending(result)


def _moved(result: results.Moved) -> Ending:
    """Say "applied" only of what was seen: settings that were written are written."""
    receipt, seen = result.sealed.receipt, result.seen
    word = str(receipt.result or "recorded")
    facts = {"result": word, **_observed(seen), **recorded(result.sealed)}
    if receipt.result is None or not result.applied or seen is None:
        line = f"{receipt.action}: {word}, stage {receipt.stage_after}%. {result.sealed.mark}"
        failed = receipt.result is not None and not result.applied
        return Ending(FAILED if failed else DONE, (line, *([receipt.note] if receipt.note else ())), facts=facts)
    word = "applied" if seen.sight.is_seen else "written, not followed" if seen.sight.contradicts else "written, not seen"
    lines = (f"{receipt.action}: {word}, stage {receipt.stage_after}%. {result.sealed.mark}", acted(seen), told(seen))
    said = (*lines, *filter(None, (receipt.note, "" if seen.sight.contradicts else to_do(seen))))
    facts = {**facts, "result": "applied" if seen.sight.is_seen else "not_followed" if seen.sight.contradicts else "written"}
    return Ending(FAILED, said, (to_do(seen),), facts) if seen.sight.contradicts else Ending(DONE, said, facts=facts)


def _braked(result: brake.Braked) -> Ending:
    seen, problems = result.observation, result.problems
    said: tuple[str, ...]
    if not result.safe:
        said, word = ("THE ROUTER MAY NOT BE SAFE.",), "not_safe"
    elif seen is None:
        said, word = ("The safe settings were written.",), "written"
    else:
        said, word = (acted(seen), told(seen)), str(seen.sight)
    contradicted = seen is not None and seen.sight.contradicts
    if not result.safe and seen is not None and not seen.sight.is_open:
        said = (*said, told(seen))
    step = to_do(seen) if seen is not None else ""
    complaints = (*problems, *([step] if step else ()))
    facts = {"result": word, "problems": list(problems), "remarks": list(result.remarks)}
    facts = {**facts, **_observed(seen), **recorded(result.sealed)}
    said = (*said, *_what_holds(result), *result.remarks, result.sealed.mark if result.sealed else "Not recorded yet.")
    return Ending(FAILED if problems or contradicted else DONE, said, complaints, facts)


def _what_holds(result: brake.Braked) -> tuple[str, ...]:
    """Say which stage was written, and of a freeze, until when it holds promotions back."""
    stage = ("Written: 0% of live traffic, ANR off, the guardrail route forced.",) if result.safe else ()
    if result.note.action is not Action.FREEZE:
        return stage
    if result.note.expires_at is None:
        return (*stage, "Promotions are held until somebody lifts the hold with `anr unfreeze`.")
    return (*stage, f"The hold ends by itself {written(result.note.expires_at)}; the router stays as it is then.")


def _restored(result: restore.Restored) -> Ending:
    receipt, change = result.sealed.receipt, result.sealed.receipt.state_change
    line = f"{receipt.action}: {receipt.result}. The rollout is frozen. {result.sealed.mark}"
    facts = {
        "result": receipt.result,
        "state": change.model_dump(mode="json") if change else None,
        "restored": receipt.restored.name if receipt.restored else None,
        **recorded(result.sealed),
    }
    return Ending(DONE if result.applied else FAILED, (line, *([receipt.note] if receipt.note else ())), facts=facts)


def _observed(seen: Observation | None) -> dict[str, Any]:
    return {} if seen is None else {"observation": seen.model_dump(mode="json")}


def recorded(sealed: Sealed | None) -> dict[str, Any]:
    """Return the fact that tells a script which receipt a result has: its mark, or None where nothing was recorded."""
    return {"receipt": sealed.mark if sealed else None}
