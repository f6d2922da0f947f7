"""What was seen of the running router since its settings were written: a closed set of answers, with their evidence.

Written, restarted and seen are three facts. The router reads its settings once, when its process starts, so that a settings file
and a restart command that ended with 0 prove nothing: only the lines that it appends to its ledger do, or an endpoint if one is
configured. A live decision that is newer than the restart contradicts the safe settings; decisions of which none is live support
them once they are too many to be chance: at a pilot of 10%, nine in ten lines of a router that still serves are shadow-only.

Lines are nearly in time order, and are flushed up to minutes late: a line counts by its own `t`, and one that is not newer than
the restart says nothing.

Pure. Excluded: reading the ledger (core/scan/tail.py), asking the endpoint (core/router/endpoint.py), and recording what was seen
(core/watch/observe.py).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from pydantic import BaseModel, ConfigDict

from core.canonical import Moment

TOLERANCE = timedelta(seconds=1)
"""How far the router's clock may be ahead of ours unnoticed: lines of the first second after a restart say nothing. A clock that
is further ahead is noticed by the lines that are there at the restart; one that is behind only delays what is seen."""
UNSEEN_AFTER = timedelta(minutes=5)
"""After how long a router that showed nothing is no longer only late."""
FUTURE = timedelta(minutes=5)
"""A line that is dated further ahead of now is not counted (domain: reading rules)."""
LINGERING = timedelta(seconds=10)
"""A live line that is older than this when the endpoint says otherwise belongs to a process that was still going down."""
ONE_PROCESS = timedelta(seconds=4)
"""An endpoint answers for one process, and another worker may have been passed over by the restart. So where live lines stood in
the ledger just before, its good word waits this long for lines that contradict it. A worker that holds its lines back for longer,
or serves so little that none falls into these seconds, is noticed when its lines come."""
_JUST_BEFORE = timedelta(seconds=10)
GUARDRAIL = "R4"
"""The route that `NOVA_ANR_KILL=1` forces, in shadow too."""

_LEAST_PILOT, _MOST_PILOT = 0.10, 0.50
"""What a router that goes on is assumed to serve where nothing was live before, and at most: a few lines prove nothing."""
_LEAST_GUARDRAIL = 0.20
"""The share of R4 that a router which was not killed is assumed to pick at least."""
_BY_CHANCE, _BY_CHANCE_AFTER_ALL = 1e-4, 1e-6
"""How likely a router that goes on serving may look like one that stopped; after a contradiction, and there for hours."""
_NEWEST_PILOTS = 20
"""How many of the newest live lines are looked at for a second pilot: one of several workers may not have been restarted."""
_RECENT = 20
"""From how many lines on their share of live decisions counts."""


class Sight(StrEnum):
    """What was seen of the running router."""

    NOT_YET_SEEN = "not_yet_seen"
    UNSEEN_TIMEOUT = "unseen_timeout"
    """Nothing was seen for minutes: nobody knows what the router does."""
    SEEN_SAFE = "seen_safe"
    SEEN_SHADOW = "seen_shadow"
    """It serves nothing and learns: stage 0 as `anr shadow` writes it."""
    SEEN_STAGE = "seen_stage"
    SERVING = "serving"
    """It serves live traffic, and its lines do not say at which pilot."""
    NOT_SERVING = "not_serving"
    """It serves nothing, but it does not run with the settings that were written."""
    STILL_SERVING = "still_serving"
    OTHER_STAGE = "other_stage"

    @property
    def is_seen(self) -> bool:
        """Whether the router was seen to do what was written."""
        return self in {Sight.SEEN_SAFE, Sight.SEEN_SHADOW, Sight.SEEN_STAGE}

    @property
    def contradicts(self) -> bool:
        """Whether the router was seen to do something else, with live traffic."""
        return self in {Sight.STILL_SERVING, Sight.OTHER_STAGE}

    @property
    def is_open(self) -> bool:
        """Whether nothing was seen yet."""
        return self in {Sight.NOT_YET_SEEN, Sight.UNSEEN_TIMEOUT}


class Observation(BaseModel):
    """What was expected of the running router since when, and what was seen.

    Attributes:
        stage: percent of live traffic that it should serve.
        safe: it should run with the safe settings: off, and R4 forced.
        since: when the restart had ended, or the settings were written where nothing restarts the router. By our clock.
        counts_from: the time in the router's lines from which they count: `since`, a tolerance, and how far its clock is ahead.
        restarted: whether a command restarted the router, and ended with success.
        took_s: how long that took, in seconds.
        sight: what was seen.
        source: what it was seen by, `ledger` or `endpoint`; empty if nothing could be read.
        at: when what was seen last happened.
        live: live decisions that count.
        shadow: decisions that count and were not live.
        at_least: there may be more than `live` and `shadow`: what was read of the ledger does not reach back far enough.
        pilot: share of live traffic that it showed last; None if it did not say.
        version: of the router, as its endpoint says.
        why: what kept it from being seen, or what is odd, as a sentence; empty if nothing did.
        turn: how often what was seen has changed since the settings were written.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    stage: int
    safe: bool
    since: Moment
    counts_from: Moment
    restarted: bool = False
    took_s: float | None = None
    sight: Sight = Sight.NOT_YET_SEEN
    source: str = ""
    at: Moment | None = None
    live: int = 0
    shadow: int = 0
    at_least: bool = False
    pilot: float | None = None
    version: str | None = None
    why: str = ""
    turn: int = 0

    def shows(self, stage: int) -> bool:
        """Whether the pilot that was seen is that of a stage in percent."""
        return _shows(self.pilot, stage)

    @property
    def serves_too_much(self) -> bool:
        """Whether the router was seen to serve more live traffic than it should."""
        if self.sight is Sight.STILL_SERVING:
            return True
        return self.sight is Sight.OTHER_STAGE and (self.pilot is None or self.pilot * 100 > self.stage + 1e-6)


@dataclass(frozen=True, slots=True)
class Line:
    """What one ledger line says about the process that wrote it.

    Attributes:
        t_us: its time, in microseconds since 1970.
        live: it names a live route.
        pilot: share of live traffic, if a live line says it.
        argmax: the route that shadow picked; None if it does not say.
    """

    t_us: int
    live: bool
    pilot: float | None = None
    argmax: str | None = None


@dataclass(frozen=True, slots=True)
class Tail:
    """The newest lines of a ledger, in the order of the file.

    Attributes:
        whole: it is all that the ledger has.
    """

    lines: tuple[Line, ...]
    whole: bool = True


@dataclass(frozen=True, slots=True)
class Status:
    """What a router's endpoint says of it; None where it does not, or was not asked.

    Attributes:
        at: when it was asked.
        pilot: share of live traffic.
        uptime_s: for how long the process has run, in seconds.
    """

    at: datetime
    enabled: bool | None = None
    pilot: float | None = None
    kill: bool | None = None
    version: str | None = None
    uptime_s: float | None = None

    @property
    def serves(self) -> bool | None:
        """Whether it serves live traffic; None if that cannot be told."""
        if self.enabled is False or self.kill is True or self.pilot == 0:
            return False
        return True if self.enabled is True or (self.pilot or 0) > 0 else None


@dataclass(frozen=True, slots=True)
class Evidence:
    """What could be looked at, at one moment. A part is None, and its problem a sentence, if it could not be read.

    Attributes:
        status: None also if no endpoint is configured.
        version: of the router, as the configured command tells it; only who is about to record a move asks for it.
    """

    now: datetime
    tail: Tail | None
    status: Status | None = None
    problems: tuple[str, ...] = ()
    version: str | None = None


def counting_from(since: datetime, now: datetime, tail: Tail | None) -> datetime:
    """Return from which time in the router's lines on they count.

    Lines that are dated after now say how far the router's clock is ahead of ours, by the median of the newest few: one line that
    is badly dated moves it nowhere.
    """
    newest = sorted(line.t_us for line in tail.lines[-5:]) if tail else []
    shown = _moment(newest[len(newest) // 2]) if newest else now
    ahead = shown - now
    return since + TOLERANCE + (ahead if timedelta() < ahead <= FUTURE else timedelta())


def judge(asked: Observation, evidence: Evidence) -> Observation:
    """Return what was seen. The newest evidence counts; what says that the router serves too much wins over what says otherwise.

    Args:
        asked: what is expected since when, with what was seen of it before.
        evidence: what can be looked at now.
    """
    counts_from = max(asked.counts_from, counting_from(asked.since, evidence.now, evidence.tail))
    nothing = {"sight": Sight.NOT_YET_SEEN, "source": "", "at": None, "live": 0, "shadow": 0, "at_least": False, "why": ""}
    fresh = asked.model_copy(update={**nothing, "counts_from": counts_from})
    by_ledger = _by_ledger(fresh, evidence, doubted=asked.sight.contradicts) if evidence.tail is not None else fresh
    status = evidence.status
    if status is not None and status.at < asked.since:
        status = None  # who looked before the settings were written has seen the process before
    by_endpoint = _by_endpoint(fresh, status) if status is not None else fresh
    if by_endpoint.sight.is_seen and by_ledger.sight.is_open and _others_may_serve(fresh, evidence):
        by_endpoint = fresh.model_copy(update={"why": "Its endpoint says so for one process; the ledger's lines are waited for."})
    found = _newer(by_ledger, by_endpoint, evidence.now)
    why = " ".join(dict.fromkeys(filter(None, (found.why, *evidence.problems))))
    found = found.model_copy(update={"why": why[:400]})
    if found.sight is Sight.NOT_YET_SEEN:
        return _still_open(asked, found, evidence.now)
    return found


def is_turn(before: Observation, after: Observation) -> bool:
    """Whether what was seen has changed so that it has to be told: counts that grow are no news."""
    return after.sight is not before.sight


def _others_may_serve(asked: Observation, evidence: Evidence) -> bool:
    """Whether live lines stood in the ledger until the restart, and too little time has gone by for more of them to show."""
    if evidence.tail is None or evidence.now - asked.since >= ONE_PROCESS:
        return False
    until = _micros(asked.counts_from)
    return any(line.live and until - _span(_JUST_BEFORE) < line.t_us <= until for line in evidence.tail.lines)


def _still_open(asked: Observation, found: Observation, now: datetime) -> Observation:
    """What was seen once stays so until something else is seen: silence is no evidence."""
    if not asked.sight.is_open:
        return asked.model_copy(update={"counts_from": found.counts_from})
    late = not -TOLERANCE <= now - asked.since < UNSEEN_AFTER  # a clock that was set back makes nobody wait
    return found.model_copy(update={"sight": Sight.UNSEEN_TIMEOUT}) if late else found


def _newer(by_ledger: Observation, by_endpoint: Observation, now: datetime) -> Observation:
    if by_endpoint.sight.is_open:
        return by_ledger.model_copy(update={"why": " ".join(filter(None, (by_ledger.why, by_endpoint.why)))})
    if by_ledger.sight.is_open:
        return by_endpoint
    lingers = by_ledger.at is not None and now - by_ledger.at > LINGERING
    if by_ledger.sight.contradicts and not by_endpoint.sight.contradicts and not lingers:
        return by_ledger
    counts = {"live": by_ledger.live, "shadow": by_ledger.shadow, "at_least": by_ledger.at_least}
    return by_endpoint.model_copy(update=counts)


def _by_ledger(asked: Observation, evidence: Evidence, *, doubted: bool) -> Observation:
    lines = evidence.tail.lines if evidence.tail else ()
    begins, latest = _micros(asked.counts_from), _micros(evidence.now + FUTURE)
    newer = sorted((line for line in lines if begins < line.t_us <= latest), key=lambda line: line.t_us)
    before = [line for line in lines if line.t_us <= begins]
    if not newer:
        why = "The ledger has no line that is newer than the restart." if lines else "The ledger has no line that can be read."
        return asked.model_copy(update={"why": why})
    live = [line for line in newer if line.live]
    found = asked.model_copy(
        update={
            "live": len(live),
            "shadow": len(newer) - len(live),
            "at_least": not before and evidence.tail is not None and not evidence.tail.whole,
            "source": "ledger",
            "at": _moment((live or newer)[-1].t_us),
            "pilot": next((line.pilot for line in reversed(live) if line.pilot is not None), None),
        }
    )
    seen = _at_zero(found, before, newer, doubted=doubted) if asked.stage == 0 else _at_stage(found, live)
    return seen.model_copy(update={"at": _moment(newer[-1].t_us)}) if not seen.sight.contradicts else seen


def _at_zero(found: Observation, before: Sequence[Line], newer: Sequence[Line], *, doubted: bool) -> Observation:
    """Judge a router that should serve nothing by lines in order of time."""
    last_live = max((place for place, line in enumerate(newer) if line.live), default=-1)
    quiet = newer[last_live + 1 :]
    pilot = _pilot_if_unchanged(before, newer[: last_live + 1])
    bound = _BY_CHANCE_AFTER_ALL if doubted or last_live >= 0 else _BY_CHANCE
    if not found.safe and last_live < 0 and any(_learns(line) for line in quiet):
        return found.model_copy(update={"sight": Sight.SEEN_SHADOW})  # under KILL no other route than R4 is picked
    free = max((place for place, line in enumerate(quiet) if _learns(line)), default=-1)
    forced = len(quiet) - free - 1
    # R4 alone proves that KILL stands, not that nothing is served: a launcher may export ENABLED=1 and a pilot of its own,
    # which beat the file, and then live traffic is sent to R4. So both are asked for, at the least pilot that may be exported.
    if found.safe and _guardrail_share(before) ** forced <= bound and (1 - _LEAST_PILOT) ** forced <= bound:
        return found.model_copy(update={"sight": Sight.SEEN_SAFE})
    if (1 - pilot) ** len(quiet) <= bound and not found.safe:
        why = "" if free >= 0 else "Its shadow picks nothing but R4: KILL may still stand."
        return found.model_copy(update={"sight": Sight.SEEN_SHADOW if free >= 0 else Sight.NOT_SERVING, "why": why})
    if (1 - pilot) ** len(quiet) <= bound and free >= 0:
        why = "Its shadow picks other routes than R4, so that KILL is not in force: it was not restarted with its settings."
        return found.model_copy(update={"sight": Sight.NOT_SERVING, "why": why})
    if last_live >= 0:
        return found.model_copy(update={"sight": Sight.STILL_SERVING})
    return found.model_copy(update={"why": "None of the decisions is live so far; they are too few to tell."})


def _at_stage(found: Observation, live: Sequence[Line]) -> Observation:
    said = [line for line in live if line.pilot is not None]
    if not said:
        why = "" if live else "No decision is live so far."
        return found.model_copy(update={"sight": Sight.SERVING if live else Sight.NOT_YET_SEEN, "why": why})
    wanted = [line for line in said if _shows(line.pilot, found.stage)]
    others = [line for line in said[-_NEWEST_PILOTS:] if not _shows(line.pilot, found.stage)]
    if wanted:
        others = [line for line in others if line.t_us > wanted[0].t_us + _span(TOLERANCE)]
    if not others:
        return found.model_copy(update={"sight": Sight.SEEN_STAGE, "pilot": wanted[-1].pilot})
    why = "Some of its live decisions show the stage: not every worker was restarted." if wanted else ""
    return found.model_copy(
        update={"sight": Sight.OTHER_STAGE, "pilot": others[-1].pilot, "at": _moment(others[-1].t_us), "why": why}
    )


def _by_endpoint(asked: Observation, status: Status) -> Observation:
    said = {"source": "endpoint", "at": status.at, "pilot": status.pilot, "version": status.version}
    found = asked.model_copy(update={**said, "why": _age(asked, status)})
    serves = status.serves
    if serves is None:
        return asked.model_copy(update={"why": "The endpoint does not say whether the router serves live traffic."})
    sight = _sight_at_zero(asked, status) if asked.stage == 0 else _sight_at_stage(asked, status, serves=serves)
    if sight.is_seen and found.why and (asked.restarted or asked.safe):
        return asked.model_copy(update={"why": found.why})  # who answers never read what was written, and may be another process
    return found.model_copy(update={"sight": sight, "pilot": status.pilot if serves or asked.stage == 0 else 0.0})


def _sight_at_stage(asked: Observation, status: Status, *, serves: bool) -> Sight:
    if not serves:
        return Sight.OTHER_STAGE
    if status.pilot is None:
        return Sight.SERVING
    return Sight.SEEN_STAGE if _shows(status.pilot, asked.stage) else Sight.OTHER_STAGE


def _sight_at_zero(asked: Observation, status: Status) -> Sight:
    if status.serves:
        return Sight.STILL_SERVING
    if asked.safe:
        as_written = status.enabled is not True and status.kill is not False
        return Sight.SEEN_SAFE if as_written and not (status.pilot or 0) else Sight.NOT_SERVING
    return Sight.SEEN_SHADOW if status.enabled is not False and status.kill is not True else Sight.NOT_SERVING


def _age(asked: Observation, status: Status) -> str:
    if status.uptime_s is None:
        return ""
    began = status.at - timedelta(seconds=status.uptime_s)
    if began + TOLERANCE >= asked.since - timedelta(seconds=asked.took_s or 0):
        return ""
    return f"Its process runs since {began:%Y-%m-%d %H:%M:%S} UTC: it was not restarted."


def _pilot_if_unchanged(before: Sequence[Line], served: Sequence[Line]) -> float:
    """Return the share of live decisions of a router that goes on as it was."""
    known = [lines for lines in (before, served) if len(lines) >= _RECENT]
    shares = [share for lines in known if (share := sum(line.live for line in lines) / len(lines)) > 0]
    return min(_MOST_PILOT, *shares) if shares else _LEAST_PILOT


def _guardrail_share(before: Sequence[Line]) -> float:
    picks = [line.argmax for line in before if line.argmax is not None]
    return max(_LEAST_GUARDRAIL, (picks.count(GUARDRAIL) + 1) / (len(picks) + 2))


def _learns(line: Line) -> bool:
    return line.argmax is not None and line.argmax != GUARDRAIL


def _shows(pilot: float | None, stage: int) -> bool:
    return pilot is not None and abs(pilot - stage / 100) < 1e-6


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _span(span: timedelta) -> int:
    return span // timedelta(microseconds=1)


def _micros(moment: datetime) -> int:
    return _span(moment - _EPOCH)


def _moment(t_us: int) -> datetime:
    return _EPOCH + timedelta(microseconds=t_us)


# -- in words


def acted(seen: Observation) -> str:
    """Say what was done, and no more: that settings were written, and whether the router was restarted."""
    if not seen.restarted:
        return "Settings written and synced. NOTHING RESTARTED THE ROUTER: it runs the settings with which it was started."
    took = f" in {seen.took_s:.1f} s" if seen.took_s is not None else ""
    return f"Settings written and synced, router restarted{took}."


def told(seen: Observation) -> str:
    """Say what was seen of the running router, with counts, source and time, and what speaks against it, as sentences."""
    return f"{found(seen)} {seen.why}".rstrip()


def found(seen: Observation) -> str:
    """Say what was seen of the running router, with counts, source and time, as one sentence."""
    at = f" ({seen.source}, {seen.at:%H:%M:%S} UTC)" if seen.at is not None and seen.source else ""
    least = "at least " if seen.at_least else ""
    since = f"since {seen.since:%H:%M:%S} UTC"
    none_live = f"{least}{_count(seen.live + seen.shadow, 'decision')} {since}, the last {seen.shadow} not live"
    by_lines = none_live if seen.live else f"{least}{_count(seen.shadow, 'decision')} {since}, none live"
    by_ledger = seen.source == "ledger"
    match seen.sight:
        case Sight.SEEN_SAFE:
            text = f"Seen safe{f': {by_lines}' if by_ledger else ''}{at}."
        case Sight.SEEN_SHADOW:
            text = f"Seen to serve nothing and to learn{f': {by_lines}' if by_ledger else ''}{at}."
        case Sight.SEEN_STAGE:
            text = f"Seen at {seen.stage}%{at}."
        case Sight.SERVING:
            text = f"Seen to serve, at which pilot nobody says: {_live(seen, least, since)}{at}."
        case Sight.NOT_SERVING:
            text = f"No live traffic is seen{f': {by_lines}' if by_ledger else ''}{at}."
        case Sight.STILL_SERVING:
            text = f"STILL SERVING: {_live(seen, least, since)}{at}."
        case Sight.OTHER_STAGE:
            shown = "another pilot" if seen.pilot is None else f"{seen.pilot:.0%}"
            text = f"NOT FOLLOWING: the running router shows {shown}, not {seen.stage}%{at}."
        case Sight.UNSEEN_TIMEOUT:
            text = f"NOT SEEN {since}: nobody knows what the router does."
        case _:
            text = "Not yet seen."
    return text


def to_do(seen: Observation) -> str:
    """Say what somebody has to do about what was seen; empty if there is nothing to do."""
    if seen.sight is Sight.STILL_SERVING or seen.serves_too_much:
        return (
            "Restart the router by hand now, every worker of it; stop it if it goes on. What its launcher exports beats the "
            "settings file."
        )
    if seen.sight in {Sight.OTHER_STAGE, Sight.NOT_SERVING}:
        return "See whether every worker was restarted; what its launcher exports beats the settings file."
    if seen.sight is Sight.UNSEEN_TIMEOUT:
        return "See whether the router runs and writes its ledger; until then take it for a router that serves."
    return ""


def _live(seen: Observation, least: str, since: str) -> str:
    if seen.live:
        return f"{least}{_count(seen.live, 'live decision')} {since}"
    return "the running router is enabled" if seen.pilot is None else f"the running router serves {seen.pilot:.0%}"


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
