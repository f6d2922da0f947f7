"""What is remembered of alert instances, so that a repeat every second asks neither the journal nor the disk.

One lock owns it: the thread that brakes walks through it while the thread that records adds to it. Instances are frozen, and
what is handed out is a copy of the moment, so that nobody walks under somebody else's change.

Excluded: what was done about an instance that is not remembered (core/brake/respond.py asks the journal and the brake's marks).
"""

import threading
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace

from core.alerts.payload import AlertFacts, AlertStatus

MAX_INSTANCES = 5000
"""How many instances are remembered; the journal knows the others."""


@dataclass(frozen=True, slots=True)
class Instance:
    """What is remembered of one alert instance.

    Attributes:
        operation: the story that it belongs to.
        hold: id of its hold and of its mark; empty if it never froze.
        noted: the facts that its story shows, or will show from its mark.
        changes: how often its story shows another status than before.
        lifted: a person lifted its hold.
    """

    operation: str
    hold: str = ""
    noted: AlertFacts | None = None
    changes: int = 0
    lifted: bool = False

    def changes_with(self, facts: AlertFacts) -> int:
        """How often the status will have changed once these facts are noted."""
        return self.changes + int(self.noted is not None and self.noted.status is not facts.status)


class AlertMemory:
    """The instances of one target, the newest last. Safe to use from several threads."""

    def __init__(self, max_instances: int = MAX_INSTANCES) -> None:
        self._max_instances = max_instances
        self._lock = threading.Lock()
        self._instances: dict[str, Instance] = {}
        self._unseen: set[str] = set()
        self._causes: dict[str, set[str]] = {}

    def find(self, cause: str) -> Instance | None:
        """Return what is remembered of an instance, or None."""
        with self._lock:
            return self._instances.get(cause)

    def causes(self) -> frozenset[str]:
        """Return the causes of all instances that are remembered at this moment."""
        with self._lock:
            return frozenset(self._instances)

    def holds(self) -> frozenset[str]:
        """Return the ids of the holds of all instances that are remembered at this moment."""
        with self._lock:
            return frozenset(instance.hold for instance in self._instances.values() if instance.hold)

    def remember(self, operation: str, facts: AlertFacts, hold: str = "") -> None:
        """Note what an instance's story shows; it keeps the story and the hold that it has.

        Args:
            operation: the story of an instance that is new.
            facts: what was heard of it.
            hold: id of its hold, if it has one now.
        """
        with self._lock:
            while len(self._instances) >= self._max_instances:
                self._forget(next(iter(self._instances)))
            known = self._instances.get(facts.cause, Instance(operation))
            changes = known.changes_with(facts)
            self._instances[facts.cause] = replace(known, noted=facts, changes=changes, hold=hold or known.hold)
            self._causes.setdefault(facts.fingerprint, set()).add(facts.cause)
            (self._unseen.add if facts.is_unseen else self._unseen.discard)(facts.cause)

    def lift(self, cause: str, hold: str) -> None:
        """Note that a person lifted this hold of an instance."""
        with self._lock:
            known = self._instances.get(cause)
            if known is not None and known.hold == hold:
                self._instances[cause] = replace(known, lifted=True)

    def of_alert(self, fingerprint: str) -> tuple[AlertFacts, ...]:
        """Return what was noted of each instance of one alert."""
        with self._lock:
            noted = [self._instances[cause].noted for cause in self._causes.get(fingerprint, ())]
        return tuple(facts for facts in noted if facts is not None)

    def of_group(self, group: str) -> Iterator[tuple[str, Instance]]:
        """Yield cause and memory of each instance whose story is one of this group's, as of this moment, the newest first."""
        with self._lock:
            known = tuple(self._instances.items())
        return ((cause, instance) for cause, instance in reversed(known) if instance.operation.startswith(group))

    def unseen(self, groups: Collection[str], heard: Collection[str]) -> tuple[AlertFacts, ...]:
        """Return what stands for alerts of these groups that were cut off and are firing, except what was `heard` just now."""
        with self._lock:
            noted = [self._instances[cause].noted for cause in self._unseen if cause not in heard]
        return tuple(facts for facts in noted if facts and facts.group in groups and facts.status is AlertStatus.FIRING)

    def _forget(self, cause: str) -> None:
        instance = self._instances.pop(cause)
        self._unseen.discard(cause)
        if instance.noted is not None:
            causes = self._causes[instance.noted.fingerprint]
            causes.discard(cause)
            if not causes:
                del self._causes[instance.noted.fingerprint]
