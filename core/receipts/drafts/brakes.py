"""What receipts state about brakes: a rollback, a freeze, a hold that keeps the stage, holds lifted, what the guard would do.

Pure. Excluded: alerts that change nothing (core/receipts/drafts/alerts.py).
"""

from collections.abc import Mapping
from dataclasses import dataclass

from core.alerts.payload import AlertFacts
from core.gates.report import Report
from core.receipts.drafts.origin import Consent, Origin, consented, measured, pilot_in, read_back, unmoved
from core.receipts.evidence import BreakGlass, Hold
from core.receipts.observation import Observation
from core.receipts.receipt import Action, Phase, Result, Statement
from core.text import clean_text


@dataclass(frozen=True, slots=True)
class BrakeAsked:
    """What a brake was asked to do.

    Attributes:
        action: a rollback or a freeze.
        hold: what a freeze holds the rollout with; a rollback leaves it out.
        alert: the alert that asked for it.
        break_glass: whose approval was not waited for, where one was wanted.
        pilot_before: the pilot that stood in the router's settings before, as it was written.
    """

    action: Action
    hold: Hold
    alert: AlertFacts | None = None
    break_glass: BreakGlass | None = None
    pilot_before: str | None = None


@dataclass(frozen=True, slots=True)
class BrakeActed:
    """What a brake did.

    Attributes:
        safe: the router was put in its safe settings.
        stage_before: percent of live traffic before; None if nobody knows.
        written: the safe settings, by name.
        settings: what the settings file said afterwards, by name; None if it could not be read.
        stage_shown: percent that those serve; None if nobody can say.
        expected: what is expected of the running router from then on.
        late: it is recorded later than it acted.
        doubts: what had to be guessed of the target because its options are broken, each a sentence.
        remarks: what else there is to say of the settings file, each a sentence.
        router_version: as the journal knew it; a brake asks nobody.
    """

    safe: bool
    stage_before: int | None
    written: Mapping[str, str]
    settings: Mapping[str, str] | None
    stage_shown: int | None
    expected: Observation
    late: bool = False
    doubts: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    router_version: str | None = None

    @property
    def result(self) -> Result:
        """How it ended: a router that had to be guessed is not known to be the one that is meant."""
        if not self.safe:
            return Result.NOT_APPLIED
        return Result.UNKNOWN if self.doubts else Result.APPLIED


def brake_outcome(origin: Origin, asked: BrakeAsked, acted: BrakeActed) -> Statement:
    """A rollback or a freeze has acted."""
    return Statement(
        action=asked.action,
        phase=Phase.OUTCOME,
        alert=asked.alert,
        note=clean_text(" ".join((*acted.doubts, *acted.remarks))),
        result=acted.result,
        stage_before=acted.stage_before,
        # a promotion that is being put back may show for a moment: what was read back under the brake counts
        stage_after=0 if acted.result is Result.APPLIED else acted.stage_shown,
        pilot_before=asked.pilot_before,
        holds_added=(asked.hold,) if asked.action is Action.FREEZE else (),
        break_glass=asked.break_glass,
        settings_written=dict(acted.written),
        observation=acted.expected,
        router_version=acted.router_version,
        late=acted.late,
        **read_back(acted.settings),
        **origin.facts,
    )


def made_safe(
    origin: Origin,
    stage_before: int | None,
    written: Mapping[str, str],
    settings: Mapping[str, str] | None,
    expected: Observation,
    doubts: tuple[str, ...] = (),
) -> Statement:
    """The safe settings, which a brake before it had not brought to the router or which did not stay, were written once more.

    Args:
        origin: who wrote them; the story of the brake, if it is known.
        stage_before: percent of live traffic as the journal said; None if nobody knows.
        written: the safe settings, by name.
        settings: what the settings file said afterwards, by name; None if it could not be read.
        expected: what is expected of the running router from then on.
        doubts: what had to be guessed of the target because its options are broken, each a sentence.
    """
    return Statement(
        action=Action.ROLLBACK,
        phase=Phase.OUTCOME,
        note=clean_text(" ".join(doubts)),
        result=Result.UNKNOWN if doubts else Result.APPLIED,
        stage_before=stage_before,
        stage_after=0,
        settings_written=dict(written),
        observation=expected,
        **read_back(settings),
        **origin.facts,
    )


def hold_placed(origin: Origin, hold: Hold, stage: int | None, settings: Mapping[str, str] | None) -> Statement:
    """Promotions are held, and the router was left at its stage.

    Args:
        origin: who holds them.
        hold: with what.
        stage: percent of live traffic that goes on; None if nobody knows.
        settings: the router's settings, by name; None if they could not be read.
    """
    return Statement(
        action=Action.HOLD,
        phase=Phase.EVENT,
        pilot_before=pilot_in(settings),
        holds_added=(hold,),
        **unmoved(stage),
        **read_back(settings),
        **origin.facts,
    )


def holds_lifted(
    origin: Origin, stage: int | None, lifted: tuple[str, ...], left: tuple[Hold, ...], consent: Consent | None = None
) -> Statement:
    """Holds were lifted; the router was not touched.

    Args:
        origin: who lifted them.
        stage: percent of live traffic, which stays.
        lifted: ids of the holds.
        left: what still holds the rollout.
        consent: the request that allowed it; None if none was needed.
    """
    return Statement(
        action=Action.UNFREEZE,
        phase=Phase.EVENT,
        holds_lifted=lifted,
        holds_in_force=left,
        **unmoved(stage),
        **consented(consent),
        **origin.facts,
    )


def guard_would_freeze(origin: Origin, stage: int | None, why: str, report: Report) -> Statement:
    """The guard would have frozen, if the settings let it act.

    Args:
        origin: the guard.
        stage: percent of live traffic, which stays.
        why: the looks that failed, a sentence.
        report: the last of them.
    """
    return Statement(
        action=Action.GUARD, phase=Phase.EVENT, note=clean_text(why), **unmoved(stage), **measured(report), **origin.facts
    )
