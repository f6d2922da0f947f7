from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.receipts.observation import (
    TOLERANCE,
    UNSEEN_AFTER,
    Evidence,
    Line,
    Observation,
    Sight,
    Status,
    Tail,
    acted,
    is_turn,
    judge,
    to_do,
    told,
)
from tests.support.rig import NOW

SECOND = 1_000_000
NOW_US = int(NOW.timestamp()) * SECOND
BEFORE = tuple(Line(NOW_US - age * SECOND, age % 10 == 0, 0.10 if age % 10 == 0 else None, "R2") for age in range(300, 0, -1))
"""Five minutes at a pilot of 10%, a decision a second, up to the restart at NOW."""
SERVED_ALL = tuple(Line(line.t_us, live=True, pilot=1.0, argmax="R2") for line in BEFORE)


def expecting(stage: int = 0, *, safe: bool = True, **facts: object) -> Observation:
    known = {"stage": stage, "safe": safe and not stage, "since": NOW, "counts_from": NOW + TOLERANCE, "restarted": True}
    return Observation.model_validate({**known, **facts})


def killed(*seconds: int) -> tuple[Line, ...]:
    return tuple(Line(NOW_US + second * SECOND, live=False, argmax="R4") for second in seconds)


def shadow(*seconds: int) -> tuple[Line, ...]:
    return tuple(Line(NOW_US + second * SECOND, live=False, argmax="R2") for second in seconds)


def live(*seconds: int, pilot: float | None = 0.10) -> tuple[Line, ...]:
    return tuple(Line(NOW_US + second * SECOND, live=True, pilot=pilot, argmax="R2") for second in seconds)


def look(asked: Observation, *lines: Line, after_s: float = 60, status: Status | None = None, whole: bool = True) -> Observation:
    return judge(asked, Evidence(NOW + timedelta(seconds=after_s), Tail(lines, whole), status))


def says(after_s: float = 60, **facts: object) -> Status:
    return Status(NOW + timedelta(seconds=after_s), **facts)  # type: ignore[arg-type]  # a table's columns


SAFE, SHADOW, AT_25 = expecting(), expecting(safe=False), expecting(25)


@pytest.mark.parametrize(
    ("asked", "lines", "sight"),
    [
        pytest.param(SAFE, (), Sight.NOT_YET_SEEN, id="an-empty-ledger"),
        pytest.param(SAFE, BEFORE, Sight.NOT_YET_SEEN, id="nothing-newer-than-the-restart"),
        pytest.param(SAFE, (*BEFORE, *live(5)), Sight.STILL_SERVING, id="one-live-line"),
        pytest.param(SAFE, (*BEFORE, *live(5, pilot=None)), Sight.STILL_SERVING, id="a-live-line-without-a-pilot"),
        pytest.param(SAFE, (*BEFORE, *live(5, pilot=0.0)), Sight.STILL_SERVING, id="a-live-route-under-a-pilot-of-zero"),
        pytest.param(SAFE, (*BEFORE, *killed(2, 3), *live(4)), Sight.STILL_SERVING, id="a-live-line-among-R4"),
        pytest.param(SAFE, (*BEFORE, *live(-90), *live(-1)), Sight.NOT_YET_SEEN, id="old-lines-flushed-late"),
        pytest.param(SAFE, (*BEFORE, *live(1)), Sight.NOT_YET_SEEN, id="inside-the-tolerance"),
        pytest.param(SAFE, (*BEFORE, *killed(2)), Sight.NOT_YET_SEEN, id="one-shadow-line-proves-nothing"),
        pytest.param(SAFE, (*BEFORE, *killed(*range(2, 92))), Sight.SEEN_SAFE, id="a-run-of-R4"),
        pytest.param(SAFE, (*BEFORE, *killed(*range(2, 12))), Sight.NOT_YET_SEEN, id="R4-that-a-tenth-of-the-traffic-may-get"),
        pytest.param(SAFE, (*SERVED_ALL, *killed(*range(2, 12))), Sight.NOT_YET_SEEN, id="R4-after-a-pilot-of-a-hundred"),
        pytest.param(SAFE, (*BEFORE, *shadow(*range(2, 12))), Sight.NOT_YET_SEEN, id="ten-shadow-lines-at-a-pilot-of-ten"),
        pytest.param(SAFE, (*BEFORE, *shadow(*range(2, 120))), Sight.NOT_SERVING, id="nothing-live-but-no-KILL"),
        pytest.param(SAFE, (*BEFORE, *shadow(2, 3), *killed(*range(4, 94))), Sight.SEEN_SAFE, id="a-restart-that-came-late"),
        pytest.param(SAFE, (*BEFORE, *live(2, 3), *killed(*range(4, 140))), Sight.SEEN_SAFE, id="an-old-process-that-went-down"),
        pytest.param(SAFE, (*BEFORE, *live(2, 4), *killed(3, 5, 6, 7)), Sight.STILL_SERVING, id="one-worker-of-two"),
        pytest.param(SAFE, (*BEFORE, *live(431)), Sight.NOT_YET_SEEN, id="a-line-of-the-future"),
        pytest.param(SHADOW, (*BEFORE, *shadow(2)), Sight.SEEN_SHADOW, id="shadow-picks-another-route-than-R4"),
        pytest.param(SHADOW, (*BEFORE, *killed(*range(2, 12))), Sight.NOT_YET_SEEN, id="shadow-that-only-picks-R4"),
        pytest.param(SHADOW, (*BEFORE, *killed(*range(2, 120))), Sight.NOT_SERVING, id="KILL-may-still-stand"),
        pytest.param(SHADOW, (*BEFORE, *live(2)), Sight.STILL_SERVING, id="shadow-that-serves"),
        pytest.param(AT_25, (*BEFORE, *live(2, pilot=0.25)), Sight.SEEN_STAGE, id="the-pilot-of-the-stage"),
        pytest.param(AT_25, (*BEFORE, *live(2)), Sight.OTHER_STAGE, id="another-pilot"),
        pytest.param(AT_25, (*BEFORE, *live(2), *live(3, pilot=0.25)), Sight.SEEN_STAGE, id="another-pilot-and-then-its-own"),
        pytest.param(AT_25, (*BEFORE, *live(2, pilot=0.25), *live(9)), Sight.OTHER_STAGE, id="two-pilots"),
        pytest.param(AT_25, (*BEFORE, *live(2, pilot=None)), Sight.SERVING, id="live-and-no-pilot-is-at-most-serving"),
        pytest.param(AT_25, (*BEFORE, *shadow(*range(2, 50))), Sight.NOT_YET_SEEN, id="nothing-live-yet"),
    ],
)
def test_the_ledger_says_what_the_running_router_does(asked: Observation, lines: tuple[Line, ...], sight: Sight) -> None:
    """A live line contradicts, many others support, and what is not newer than the restart says nothing."""
    assert look(asked, *lines, after_s=130).sight is sight


ON = {"enabled": True, "pilot": 0.10, "kill": False}
OFF = {"enabled": False, "pilot": 0.0, "kill": True}


@pytest.mark.parametrize(
    ("asked", "lines", "status", "sight"),
    [
        pytest.param(SAFE, BEFORE, says(**ON), Sight.STILL_SERVING, id="enabled"),
        pytest.param(SAFE, BEFORE, says(enabled=True), Sight.STILL_SERVING, id="enabled-and-no-more"),
        pytest.param(SAFE, BEFORE, says(pilot=0.1), Sight.STILL_SERVING, id="a-pilot-and-no-more"),
        pytest.param(SAFE, BEFORE, says(**OFF), Sight.SEEN_SAFE, id="safe-while-the-ledger-is-silent"),
        pytest.param(SAFE, BEFORE, says(enabled=False), Sight.SEEN_SAFE, id="off"),
        pytest.param(SAFE, BEFORE, says(**{**OFF, "kill": False}), Sight.NOT_SERVING, id="off-and-not-killed"),
        pytest.param(SAFE, BEFORE, says(**{**ON, "kill": True}), Sight.NOT_SERVING, id="killed-and-enabled"),
        pytest.param(SAFE, BEFORE, says(version="1"), Sight.NOT_YET_SEEN, id="nothing-that-tells"),
        pytest.param(SAFE, (*BEFORE, *live(55)), says(**OFF), Sight.STILL_SERVING, id="the-worker-that-answers-is-another"),
        pytest.param(SAFE, (*BEFORE, *live(5)), says(**OFF), Sight.SEEN_SAFE, id="the-live-line-is-older-than-the-answer"),
        pytest.param(SAFE, (*BEFORE, *killed(*range(2, 22))), says(**ON), Sight.STILL_SERVING, id="enabled-beside-R4"),
        pytest.param(AT_25, BEFORE, says(enabled=True, kill=False, pilot=0.25), Sight.SEEN_STAGE, id="the-stage"),
        pytest.param(AT_25, BEFORE, says(**ON), Sight.OTHER_STAGE, id="another-stage"),
        pytest.param(AT_25, BEFORE, says(**OFF), Sight.OTHER_STAGE, id="a-stage-that-is-off"),
        pytest.param(AT_25, BEFORE, says(enabled=True), Sight.SERVING, id="a-stage-without-a-pilot"),
        pytest.param(SHADOW, BEFORE, says(enabled=True, pilot=0.0, kill=False), Sight.SEEN_SHADOW, id="in-shadow"),
        pytest.param(SHADOW, BEFORE, says(**OFF), Sight.NOT_SERVING, id="in-shadow-and-killed"),
    ],
)
def test_an_endpoint_is_newer_evidence_and_what_serves_wins(
    asked: Observation, lines: tuple[Line, ...], status: Status, sight: Sight
) -> None:
    """The endpoint is believed when it says that the router serves, and otherwise unless a live line is as new."""
    assert look(asked, *lines, status=status).sight is sight


def test_a_router_whose_clock_is_ahead_is_not_accused_of_what_it_did_before() -> None:
    """Lines are dated half a minute ahead: those of before the restart do not count, those after it do."""
    ahead = tuple(Line(line.t_us + 30 * SECOND, line.live, line.pilot, line.argmax) for line in BEFORE)
    first = look(SAFE, *ahead, after_s=0.5)
    assert first.sight is Sight.NOT_YET_SEEN
    later = look(first, *ahead, *killed(*range(32, 122)), after_s=95)
    assert later.sight is Sight.SEEN_SAFE
    assert look(first, *ahead, *live(32), after_s=3).sight is Sight.STILL_SERVING


def test_one_line_that_is_badly_dated_hides_nothing() -> None:
    """A line four minutes ahead does not move the time from which lines count."""
    assert look(SAFE, *BEFORE, *shadow(240), *live(2), after_s=4).sight is Sight.STILL_SERVING


def test_what_was_seen_stays_until_something_else_is_seen() -> None:
    """A ledger that was rotated away, or fell silent, takes back neither of the two."""
    safe = look(SAFE, *BEFORE, *killed(*range(2, 92)), after_s=95)
    assert look(safe, after_s=7200).sight is Sight.SEEN_SAFE
    serving = look(SAFE, *BEFORE, *live(5))
    again = look(serving, after_s=7200)
    assert (again.sight, again.live) == (Sight.STILL_SERVING, 1)
    assert look(safe, *live(4000), after_s=7200).sight is Sight.STILL_SERVING
    assert not is_turn(serving, look(serving, *BEFORE, *live(5, 6, 7)))


def test_after_minutes_without_a_sign_nobody_knows() -> None:
    """Not seen is said of a ledger that is silent, and of one that cannot be read, with the reason."""
    late = UNSEEN_AFTER.total_seconds()
    assert look(SAFE, *BEFORE, after_s=late - 1).sight is Sight.NOT_YET_SEEN
    assert look(SAFE, *BEFORE, after_s=late).sight is Sight.UNSEEN_TIMEOUT
    unreadable = judge(SAFE, Evidence(NOW + UNSEEN_AFTER, None, None, ("The ledger x cannot be read.",)))
    assert unreadable.sight is Sight.UNSEEN_TIMEOUT
    assert "cannot be read" in told(unreadable)
    assert "take it for a router that serves" in to_do(unreadable)


def test_a_process_that_was_not_restarted_is_told_by_its_age() -> None:
    """Its uptime reaches back before the restart."""
    seen = look(SAFE, *BEFORE, status=says(**ON, uptime_s=3600.0))
    assert "it was not restarted" in told(seen)
    assert "it was not restarted" not in told(look(SAFE, *BEFORE, status=says(**ON, uptime_s=59.0)))


def test_the_sentences_say_counts_source_and_time_and_no_more_than_was_seen() -> None:
    """What was done, what was seen, what to do: three sentences."""
    assert acted(expecting(took_s=0.83)) == "Settings written and synced, router restarted in 0.8 s."
    assert "NOTHING RESTARTED THE ROUTER" in acted(expecting(restarted=False))
    serving = look(SAFE, *BEFORE, *live(*range(2, 38)))
    assert told(serving) == "STILL SERVING: 36 live decisions since 09:05:00 UTC (ledger, 09:05:37 UTC)."
    assert to_do(serving).startswith("Restart the router by hand now")
    assert "at least 36 live decisions" in told(look(SAFE, *live(*range(2, 38)), whole=False))
    safe = look(SAFE, *BEFORE, *killed(*range(2, 92)), after_s=95)
    assert told(safe) == "Seen safe: 90 decisions since 09:05:00 UTC, none live (ledger, 09:06:31 UTC)."
    assert told(look(SAFE, *BEFORE)) == "Not yet seen. The ledger has no line that is newer than the restart."


lines_of_any_kind = st.lists(
    st.builds(
        Line,
        t_us=st.integers(NOW_US - 900 * SECOND, NOW_US + 60 * SECOND),
        live=st.booleans(),
        pilot=st.sampled_from((None, 0.0, 0.1, 0.25)),
        argmax=st.sampled_from((None, "R1", "R4")),
    ),
    max_size=40,
).map(tuple)


@given(lines_of_any_kind, st.sampled_from((SAFE, SHADOW, AT_25)), st.randoms(use_true_random=False))
def test_the_order_in_which_lines_were_flushed_changes_nothing(lines: tuple[Line, ...], asked: Observation, rng: object) -> None:
    """Writers flush late: what counts is when a decision was made."""
    shuffled = list(lines)
    rng.shuffle(shuffled)  # type: ignore[attr-defined]  # a random.Random
    assert look(asked, *BEFORE, *lines, after_s=60).sight is look(asked, *BEFORE, *shuffled, after_s=60).sight


@given(lines_of_any_kind, st.sampled_from((SAFE, SHADOW, AT_25)))
def test_lines_that_are_not_newer_than_the_restart_change_no_sight(lines: tuple[Line, ...], asked: Observation) -> None:
    """Whatever they say, they were written by the process before: without newer ones nothing is seen."""
    old = tuple(line for line in lines if line.t_us <= NOW_US)
    assert look(asked, *old).sight is Sight.NOT_YET_SEEN


@given(lines_of_any_kind, st.sampled_from((SAFE, SHADOW)))
def test_a_router_whose_newest_line_is_live_is_never_seen_safe(lines: tuple[Line, ...], asked: Observation) -> None:
    """At zero, a live line with nothing after it is STILL SERVING, whatever came before."""
    assert look(asked, *BEFORE, *lines, *live(61), after_s=62).sight is Sight.STILL_SERVING


@given(st.integers(0, 60), st.sampled_from((0.10, 0.25, 0.50, 1.0)), st.randoms(use_true_random=False))
def test_a_router_that_goes_on_serving_is_not_seen_safe(count: int, pilot: float, rng: object) -> None:
    """At any stage, by any number of its lines, at most "nothing was live so far" is said."""
    goes_on = [
        Line(NOW_US + (2 + second) * SECOND, live=is_live, pilot=pilot if is_live else None, argmax="R2")
        for second in range(count)
        if (is_live := rng.random() < pilot) is not None  # type: ignore[attr-defined]  # a random.Random
    ]
    before = tuple(Line(line.t_us, place % round(1 / pilot) == 0, None, "R2") for place, line in enumerate(BEFORE))
    seen = look(SAFE, *before, *goes_on, after_s=120).sight
    assert seen in {Sight.STILL_SERVING, Sight.NOT_YET_SEEN}


@pytest.mark.parametrize(
    ("asked", "said"), [(SAFE, OFF), (AT_25, {"enabled": True, "kill": False, "pilot": 0.25})], ids=["safe", "25"]
)
def test_a_process_that_was_not_restarted_confirms_nothing(asked: Observation, said: dict[str, Any]) -> None:
    """It is another than the one that was restarted; what it says against the settings counts all the same."""
    old = look(asked, *BEFORE, status=says(**said, uptime_s=3600.0))
    assert (old.sight, "it was not restarted" in old.why) == (Sight.NOT_YET_SEEN, True)
    assert look(asked, *BEFORE, status=says(**said, uptime_s=30.0)).sight.is_seen
    assert look(asked, *BEFORE, status=says(enabled=True, kill=False, pilot=0.5, uptime_s=3600.0)).sight.contradicts


@pytest.mark.parametrize("asked", [SAFE, SHADOW, AT_25], ids=["safe", "shadow", "at-25"])
def test_an_endpoint_that_answers_for_one_of_two_workers_waits_for_the_others_lines(asked: Observation) -> None:
    """The restart passed one worker over, which serves on: what the new one says is not said of the router before that shows."""
    word = {"safe": OFF, "shadow": {"enabled": True, "pilot": 0.0, "kill": False}, "at-25": {**ON, "pilot": 0.25}}
    said = word["at-25" if asked.stage else "safe" if asked.safe else "shadow"]
    busy = tuple(Line(NOW_US - age * SECOND // 10, age % 10 == 0, None, "R2") for age in range(300, 0, -1))
    early = look(asked, *busy, after_s=1, status=says(1, **said, uptime_s=0.5))
    assert (early.sight, "for one process" in early.why) == (Sight.NOT_YET_SEEN, True)
    if not asked.stage:
        assert look(asked, *busy, *live(2), after_s=2.5, status=says(2.5, **said)).sight is Sight.STILL_SERVING
    assert look(asked, *busy, after_s=4, status=says(4, **said, uptime_s=3.5)).sight.is_seen


@pytest.mark.parametrize("lines", [(), BEFORE[:-20], shadow(*range(-60, 0))], ids=["no-ledger-lines", "quiet-since", "not-live"])
def test_where_nothing_was_live_just_before_an_endpoint_is_believed_at_once(lines: tuple[Line, ...]) -> None:
    """There is no line to wait for: a quiet router is seen safe within a second."""
    assert look(SAFE, *lines, after_s=0.5, status=says(0.5, **OFF)).sight is Sight.SEEN_SAFE
