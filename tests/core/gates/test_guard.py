from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.gates.guard import GuardMode, GuardPolicy, Look, Series, Trip, after, is_due, judge
from core.gates.policy import GateName
from core.gates.report import Gate, GateReport, Verdict
from tests.support.rig import NOW

ACT = GuardPolicy(mode=GuardMode.ACT)
MINUTE = timedelta(minutes=1)
LETTERS = {"F": Verdict.FAIL, "P": Verdict.PASS, "-": Verdict.NO_DATA}


def report(**changed: Verdict) -> GateReport:
    return GateReport(
        gates=tuple(
            Gate(name=name, verdict=changed.get(name.name, Verdict.PASS), value=1, bound=1, reason=f"this is {name.value}")
            for name in GateName
        )
    )


FAIL, NO_DATA, NA = Verdict.FAIL, Verdict.NO_DATA, Verdict.NOT_APPLICABLE


@pytest.mark.parametrize(
    ("gates", "verdict"),
    [
        pytest.param({}, Verdict.PASS, id="all-pass"),
        pytest.param({"RSI": FAIL}, FAIL, id="a-rate-fails"),
        pytest.param({"RSI": NO_DATA, "ROLLBACKS": NO_DATA}, NO_DATA, id="rates-without-data-are-not-good"),
        pytest.param({"RSI": FAIL, "DECISIONS": FAIL}, NO_DATA, id="a-rate-of-too-few-decisions"),
        pytest.param({"TRI": FAIL, "FRESHNESS": FAIL}, NO_DATA, id="a-median-of-a-ledger-that-stands-still"),
        pytest.param({"FRESHNESS": FAIL}, NO_DATA, id="silence"),
        pytest.param({"READING": NO_DATA}, NO_DATA, id="lines-that-could-not-be-read-clear-nothing"),
        pytest.param({"SPAN": NO_DATA}, NO_DATA, id="a-ledger-that-was-just-rotated-clears-nothing"),
        pytest.param({"READING": NO_DATA, "SPAN": NO_DATA, "ROLLBACKS": FAIL}, FAIL, id="nor-do-they-hide-a-failure"),
        pytest.param({"DECISIONS": NO_DATA}, NO_DATA, id="an-empty-window"),
        pytest.param({"FAST_CAP": FAIL, "DECISIONS": FAIL}, FAIL, id="a-breach-counts-always"),
        pytest.param({"SLOTS": FAIL, "FRESHNESS": FAIL}, FAIL, id="a-sick-slot-counts-always"),
        pytest.param({"SLOTS": NO_DATA}, NO_DATA, id="a-health-endpoint-that-is-silent-is-not-good"),
        pytest.param(dict.fromkeys((name.name for name in GateName), NO_DATA), NO_DATA, id="nothing-at-all"),
        pytest.param({"RSI": NA, "ROLLBACKS": NA}, Verdict.PASS, id="not-applicable"),
    ],
)
def test_a_look_judges_only_what_a_short_window_can_show(gates: dict[str, Verdict], verdict: Verdict) -> None:
    """A quiet hour is no failure, a breach of the cap or a sick slot always is one, and silence is never a pass."""
    look = judge(report(**gates), NOW)
    assert look.verdict is verdict
    assert bool(look.reasons) is (verdict is FAIL)


def watched(letters: str, policy: GuardPolicy = ACT, stage_since: datetime = NOW) -> list[int]:
    """Numbers of the looks at which the guard trips."""
    series, trips = Series(), []
    for number, letter in enumerate(letters):
        look = Look(at=NOW + number * 5 * MINUTE, verdict=LETTERS[letter], reasons=("rsi: low",) if letter == "F" else ())
        series, trip = after(series, look, stage_since, policy)
        if trip:
            trips.append(number)
    return trips


@pytest.mark.parametrize(
    ("letters", "trips"),
    [
        pytest.param("FF", [], id="two-are-not-enough"),
        pytest.param("FFF", [2], id="three-in-a-row"),
        pytest.param("FFPFF", [], id="a-pass-ends-the-row"),
        pytest.param("F-F--F", [5], id="silence-neither-counts-nor-clears"),
        pytest.param("---------", [], id="silence-alone-never-trips"),
        pytest.param("FFFFFFFF", [2], id="once-per-row"),
        pytest.param("FFFPFFF", [2, 6], id="again-after-a-pass"),
        pytest.param("FFF-FFF", [2], id="not-again-after-silence"),
        pytest.param("PFPFPFPF", [], id="flapping"),
    ],
)
def test_only_a_sustained_failure_trips(letters: str, trips: list[int]) -> None:
    """F fails, P passes, - has no data."""
    assert watched(letters) == trips


@given(st.text("FP-", max_size=40), st.integers(1, 5))
def test_the_guard_trips_exactly_at_the_nth_failure_of_a_row(letters: str, failures: int) -> None:
    """A row is what lies between two passes, without its silence; it trips once, at its nth failure."""
    expected, count = [], 0
    for number, letter in enumerate(letters):
        count = 0 if letter == "P" else count + (letter == "F")
        if letter == "F" and count == failures:
            expected.append(number)
    assert watched(letters, GuardPolicy(failures=failures)) == expected


def failing(minute: int) -> Look:
    return Look(at=NOW + minute * MINUTE, verdict=FAIL, reasons=("rsi: low", "slots: slot09 is sick"))


def test_a_row_belongs_to_its_stage() -> None:
    """What failed before a step, a rollback or an unfreeze says nothing about the stage after it."""
    series, _ = after(Series(), failing(0), NOW, ACT)
    series, _ = after(series, failing(5), NOW, ACT)
    series, trip = after(series, failing(10), NOW + 9 * MINUTE, ACT)
    assert trip is None
    assert len(series.failing) == 1


def test_a_row_that_was_only_observed_acts_when_the_guard_may() -> None:
    """Somebody who switches the guard to `act` while the gates fail does not have to wait for a pass first."""
    series = Series()
    for minute in (0, 5, 10):
        series, _ = after(series, failing(minute), NOW, GuardPolicy(mode=GuardMode.OBSERVE))
    series, trip = after(series, failing(15), NOW, ACT)
    assert isinstance(trip, Trip)
    _, again = after(series, failing(20), NOW, ACT)
    assert again is None


def test_a_trip_says_how_often_since_when_and_why() -> None:
    """The text is the hold's reason: whoever is woken sees what failed."""
    trip = Trip((failing(0), failing(5), failing(10)))
    assert trip.text == "3 looks in a row failed, the first at 09:05 UTC: rsi: low; slots: slot09 is sick"


@pytest.mark.parametrize(
    ("mode", "minutes", "due"),
    [
        pytest.param(GuardMode.ACT, None, True, id="never-looked"),
        pytest.param(GuardMode.ACT, 4.9, False, id="too-early"),
        pytest.param(GuardMode.OBSERVE, 5, True, id="after-five-minutes"),
        pytest.param(GuardMode.ACT, -60, True, id="the-clock-was-set-back-an-hour"),
        pytest.param(GuardMode.OFF, None, False, id="switched-off"),
    ],
)
def test_the_guard_looks_every_five_minutes(mode: GuardMode, minutes: float | None, due: bool) -> None:  # noqa: FBT001 - a column
    """Also after a restart, and also when the clock was set back."""
    last = None if minutes is None else failing(0)
    assert is_due(Series(last=last), NOW + (minutes or 0) * MINUTE, GuardPolicy(mode=mode)) is due


def test_a_series_survives_being_written_down() -> None:
    """What is kept over a restart is the same series."""
    series, _ = after(Series(), failing(0), NOW, ACT)
    assert Series.model_validate_json(series.model_dump_json()) == series


def test_a_dead_alert_path_is_no_failure_of_the_router() -> None:
    """It refuses promotion; the guard does not roll a healthy router back for it."""
    names = (GateName.RSI, GateName.DECISIONS, GateName.FRESHNESS)
    good = [Gate(name=name, verdict=Verdict.PASS, value=1, bound=1, reason="good") for name in names]
    dead = Gate(name=GateName.ALERT_PATH, verdict=Verdict.FAIL, value=99, bound=5, reason="silent")
    assert judge(GateReport(gates=(*good, dead)), NOW).verdict is Verdict.PASS


@pytest.mark.parametrize(
    ("between", "trips"),
    [
        pytest.param({"RSI": NO_DATA, "ROLLBACKS": NO_DATA}, True, id="too-few-live-decisions-to-say"),
        pytest.param({"RSI": NO_DATA}, True, id="no-shadow-argmax-in-the-ledger"),
        pytest.param({"FRESHNESS": FAIL}, True, id="the-ledger-stands-still"),
        pytest.param({"READING": NO_DATA}, True, id="lines-that-cannot-be-read"),
        pytest.param({"ROLLBACKS": NO_DATA, "SLOTS": NO_DATA}, False, id="what-failed-is-seen-to-pass-though-others-are-silent"),
        pytest.param({}, False, id="everything-passes"),
    ],
)
def test_a_look_that_says_nothing_of_what_failed_does_not_end_the_row(between: dict[str, Verdict], trips: bool) -> None:  # noqa: FBT001 - a column
    """RSI fails twice; a look that cannot say whether it is good again neither clears that nor adds to it."""
    series, trip = Series(), None
    for number, gates in enumerate(({"RSI": FAIL}, {"RSI": FAIL}, between, {"RSI": FAIL})):
        assert trip is None
        series, trip = after(series, judge(report(**gates), NOW + number * 5 * MINUTE), NOW, ACT)
    assert (trip is not None) is trips


def test_sick_slots_weeks_apart_do_not_add_up_where_too_few_decisions_are_live_for_rates() -> None:
    """A small site never has its rates: what failed and is seen to be well again ends the row all the same."""
    quiet = {"RSI": NO_DATA, "ROLLBACKS": NO_DATA}
    series = Series()
    for week in range(5):
        for minute, gates in enumerate((quiet, {**quiet, "SLOTS": FAIL}, {**quiet, "SLOTS": NO_DATA}, quiet)):
            look = judge(report(**gates), NOW + timedelta(weeks=week, minutes=5 * minute))
            series, trip = after(series, look, NOW, ACT)
            assert trip is None
    assert series.failing == ()
