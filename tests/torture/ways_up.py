"""What one person alone can try to raise live traffic after a brake that half failed, and what the running router loaded then.

Excluded: how the brake was made to fail.
"""

import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from core.actors import AccessPolicy, Actor, ActorKind
from core.errors import AnrError
from core.operations import end_drift, propose, requests, results, shadow
from core.rollout.blockers import Blocker
from core.router.control import SAFE_SETTINGS
from core.settings.target import TargetSettings
from core.target.order import Order
from core.target.overview import look
from core.target.target import Target
from core.watch import recover, watch
from tests.support.rig import Clock, Rig
from tests.support.simulated_routers import Routers

ACCESS = AccessPolicy(operators=frozenset({"UOLIVIA", "UAARON"}), approvers=frozenset({"UAARON", "UPRIYA"}))
ALONE = Actor(kind=ActorKind.SLACK, id="UAARON", roles=ACCESS.roles_of("UAARON", full_member=True))
"""May ask, approve, lift holds and end drifts: whoever may do all that may still not raise traffic alone."""
PRIYA = Actor(kind=ActorKind.SLACK, id="UPRIYA", roles=ACCESS.roles_of("UPRIYA", full_member=True))
OLIVIA = Actor(kind=ActorKind.SLACK, id="UOLIVIA", roles=ACCESS.roles_of("UOLIVIA", full_member=True))


@dataclass(frozen=True)
class Field:
    """A router at a stage, begun, with its files kept so that each attack begins alike."""

    settings: TargetSettings
    clock: Clock
    routers: Routers
    kept: Path

    @classmethod
    def of(cls, rig: Rig, routers: Routers, kept: Path, pilot: str = "0.25") -> "Field":
        """Begin the journal at a pilot, with a good day behind it, and keep every file."""
        folder = rig.settings.journal.parent
        settings = folder / "env" / "anr.env"
        settings.parent.mkdir()
        settings.write_text(f"# ours\nOTHER=a\nNOVA_ANR_ENABLED=1\nNOVA_ANR_PILOT={pilot}\nNOVA_ANR_KILL=0\n", encoding="utf-8")
        changed = {"settings_file": settings, "reload_command": routers.reload_command(settings), "reload_timeout_s": 20}
        target = rig.settings.model_copy(update=changed)
        rig.target = Target.at(target, ACCESS, rig.clock)
        rig.write_ledger()
        routers.start(settings)
        propose.init(rig.target, OLIVIA, "begin")
        rig.target.journal.close()
        shutil.copytree(folder, kept)
        return cls(target, rig.clock, routers, kept)

    def kept_as_it_is(self) -> "Field":
        """Begin each attack from here."""
        kept = self.kept.with_name("later")
        shutil.copytree(self.settings.journal.parent, kept)
        return replace(self, kept=kept)

    def again(self) -> None:
        """Bring every file back, and start the router with it."""
        folder = self.settings.journal.parent
        for path in folder.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        shutil.copytree(self.kept, folder, dirs_exist_ok=True)
        self.routers.start(self.settings.settings_file)

    def target(self) -> Target:
        """The target as a process sees it that knows only what is on disk."""
        return Target.at(self.settings, ACCESS, self.clock)

    @property
    def serves(self) -> float:
        """What the running router serves."""
        return self.routers.serves(self.settings.settings_file)


def nobody_raises(field: Field, where: str) -> None:
    """Law: whatever one person tries after a brake, the running router never serves more than before the attempt."""
    for name, way in WAYS.items():
        before = field.serves
        target = field.target()
        try:
            way(target)
        except AnrError:
            pass  # whoever may not is told so
        finally:
            target.journal.close()
        assert field.serves <= before, f"{name} raised live traffic from {before} to {field.serves}: {where}"


def _answers_alone(target: Target) -> None:
    asked = propose.propose(target, Order(ALONE, "up"))
    if isinstance(asked, results.Asked):
        requests.approve(target, ALONE, asked.approval.id)


WAYS: dict[str, Callable[[Target], object]] = {
    "promote and approve alone": _answers_alone,
    "drift reapply": lambda target: end_drift.reapply(target, Order(ALONE, "again")),
    "drift accept": lambda target: end_drift.accept(target, Order(ALONE, "as it is")),
    "step down to a stage that is more than is loaded": lambda target: propose.propose(target, Order(ALONE, "down"), wanted=10),
    "watch": watch.watch,
    "unfreeze": lambda target: propose.unfreeze(target, Order(ALONE, "found it")),
    "shadow": lambda target: shadow.shadow(target, Order(ALONE, "learn")),
    "drift reapply after unfreezing": lambda target: end_drift.reapply(target, Order(ALONE, "again")),
    "drift accept after unfreezing": lambda target: end_drift.accept(target, Order(ALONE, "as it is")),
    "a step down after unfreezing": lambda target: propose.propose(target, Order(ALONE, "down"), wanted=10),
    "promote and approve alone after unfreezing": _answers_alone,
}
"""In this order: what one attempt changes is there for the next."""


def settled_safe(field: Field, where: str, *, tried: bool = False) -> None:
    """Law: after `recover` the record says what the router has loaded, and nobody is told to put the old stage back.

    Args:
        field: where it happened.
        where: how the brake was made to fail.
        tried: somebody has tried every way up before: they may have let the router observe in shadow, at stage 0.
    """
    target = field.target()
    try:
        recover.recover(target)
        state, seen = target.journal.state(), look(target)
        flaws = target.journal.verify()[1]
        settings = target.router.settings()
    finally:
        target.journal.close()
    assert flaws == (), where
    loaded = field.routers.loaded(field.settings.settings_file)
    assert loaded is not None, where
    assert (settings.stage, loaded["pilot"]) == (0, 0.0), where
    assert tried or settings.carries(SAFE_SETTINGS), where
    assert tried or loaded == {"enabled": False, "pilot": 0.0, "kill": True}, f"{loaded}: {where}"
    assert (state.stage, state.unsettled, state.overtaken, state.brake_failed) == (0, None, (), False), where
    assert seen.drift is None, where
    assert not advised("reapply", seen.blockers, seen.problems), where


def advised(word: str, blockers: tuple[Blocker, ...], problems: tuple[str, ...]) -> bool:
    """Whether a status tells people to do something."""
    return any(word in text for blocker in blockers for text in (blocker.text, blocker.lift)) or any(
        word in problem for problem in problems
    )
