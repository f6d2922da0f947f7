"""What came of the upkeep, at a terminal: of a backup, a drill, a prune and an archive.

Excluded: every other result (core/cli/render.py), which is told without loading any of the upkeep.
"""

from typing import Any

from core.brake import alert_drill
from core.canonical import MARK_DIGITS
from core.cli.output import DONE, FAILED
from core.cli.render import Ending, recorded
from core.upkeep import archive, backup, drill, prune


def upkeep_ending(result: object) -> Ending:
    """Return what a result of the upkeep means at a terminal. Pure.

    Raises:
        TypeError: it is no such result.
    """
    facts: dict[str, Any]
    match result:
        case backup.BackedUp(sealed=sealed):
            copy, note = sealed.receipt.backup, sealed.receipt.note
            line = f"Backed up: {copy.name}, {copy.size:,} bytes. {sealed.mark}" if copy else f"No backup was made. {sealed.mark}"
            facts = {"result": "backed_up" if copy else "failed", "backup": copy.name if copy else None, **recorded(sealed)}
            return Ending(DONE if copy else FAILED, (line,), (note,) if note else (), facts)
        case backup.Adopted(copy=adopted, routes=routes, sealed=sealed):
            size, digest = f"{adopted.size:,} bytes", f"sha256 {adopted.digest[:MARK_DIGITS]}"
            line = f"Adopted: {adopted.name}, {size}, {digest}, routes {routes}. {sealed.mark}"
            return Ending(
                DONE, (line,), facts={"result": "adopted", "backup": adopted.name, "routes": routes, **recorded(sealed)}
            )
        case drill.Drilled(sealed=sealed, nets=nets, problems=problems):
            line = f"Drill: {'the safety nets hold' if not problems else 'NOT ALL SAFETY NETS HOLD'}. {sealed.mark}"
            ages = [f"{net.name}: {net.told}" for net in nets]
            facts = {
                "result": "failed" if problems else "held",
                "nets": {net.name: net.hours for net in nets},
                "problems": list(problems),
                **recorded(sealed),
            }
            return Ending(FAILED if problems else DONE, (line, *ages), problems, facts)
        case alert_drill.AlertDrilled(sealed=sealed, legs=legs, recorded_s=recorded_s, problem=problem):
            found = "the alert path is alive" if not problem else "THE DRILL ALERT DID NOT ARRIVE"
            line = f"Drill: {found}; a drill freezes nothing. {sealed.mark}"
            facts = {
                "result": "failed" if problem else "proven",
                "legs": {**legs.model_dump(mode="json"), "recorded_s": recorded_s},
                "problem": problem,
                **recorded(sealed),
            }
            return Ending(FAILED if problem else DONE, (line, result.told), (problem,) if problem else (), facts)
        case prune.Pruning(count=count, through=through, held_back_by=held_back_by, sealed=pruned):
            what = f"{count:,} receipts, up to #{through}" if count else "No receipt"
            line = f"{what} {'pruned' if pruned or not count else 'would be pruned'}. {pruned.mark if pruned else ''}".rstrip()
            ended = "pruned" if pruned else "would_prune" if count else "nothing_to_do"
            facts = {"result": ended, "count": count, "through": through, **recorded(pruned)}
            return Ending(DONE, (line, *([held_back_by] if held_back_by else ())), facts={**facts, "held_back_by": held_back_by})
        case archive.Archived(archives=archives, expired=expired, sealed=written, renamed=renamed, waiting=waiting):
            verb = "archived" if written else "would be archived" if archives or expired or renamed else "nothing to archive"
            said = (
                f"{verb}. {written.mark if written else ''}".strip().capitalize(),
                *(f"{name}: what was the ledger until now" for name in renamed),
                *(
                    f"{ledger_archive.name}: {ledger_archive.lines:,} lines, {ledger_archive.size:,} bytes"
                    for ledger_archive in archives
                ),
                *(f"{name}: deleted, too old" for name in expired),
                *(f"{name}: compressed once nobody writes to it any more" for name in waiting),
            )
            facts = {
                "result": verb.replace(" ", "_"),
                "archives": [ledger_archive.name for ledger_archive in archives],
                "expired": list(expired),
                "renamed": list(renamed),
                "waiting": list(waiting),
                **recorded(written),
            }
            return Ending(DONE, said, facts=facts)
        case _:
            raise TypeError(f"nothing says how to end with {type(result).__name__}")
