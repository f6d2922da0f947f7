from collections.abc import Callable
from typing import Any

import pytest

from bot.http.metrics import rest_after
from bot.http.samples import STALE_SECONDS, Measured
from core.target.overview import look
from core.upkeep.journal_copy import copies_of, copy_journal
from tests.support.rig import Rig


def gauges(rig: Rig, age_s: float = 0.0) -> dict[str, float]:
    """What a scrape would tell of the router so long after a look, by name, with the gate behind it where there is one."""
    measured = Measured(
        at=rig.clock.now,
        seconds=0.1,
        overview=look(rig.target),
        pilot=None,
        drift=None,
        unshown=None,
        watchdog=None,
        due=rig.clock.now,
        bounds={},
        parked=None,
        refused=None,
        unmatched=None,
        state_age=None,
        copied=next((copy.made_at for copy in copies_of(rig.target).found()), None),
        ready=True,
    )
    told = measured.samples(rig.clock.now.timestamp() + age_s)
    return {f"{name}:{labels['gate']}" if set(labels) == {"gate"} else name: value for name, _, labels, value in told}


COVERAGE = ("anr_coverage_ratio:rollbacks_per_1k", "anr_coverage_ratio:tri_median", "anr_coverage_ratio:fast_cap")


def test_a_ledger_that_tells_everything_is_told_whole(begun: Rig) -> None:
    """Full coverage, nothing skipped, entries from one end of the window to the other, and each gate's figure."""
    told = gauges(begun)
    assert [told[name] for name in COVERAGE] == [1.0, 1.0, 1.0]
    assert told["anr_ledger_skipped_ratio"] == 0.0
    assert told["anr_ledger_span_ratio"] == pytest.approx(299 * 4.75 / 1440)
    figures = {name: told[name] for name in ("anr_rsi", "anr_rollbacks_per_1k", "anr_tri_median", "anr_fast_cap_breaches")}
    assert figures == {"anr_rsi": 1.0, "anr_rollbacks_per_1k": 0.0, "anr_tri_median": 0.12, "anr_fast_cap_breaches": 0.0}


def silent(**change: Any) -> Callable[[Rig], None]:
    return lambda rig: rig.write_ledger(**change)


def two_in_three(rig: Rig) -> None:
    """Every third line is none."""
    rig.write_ledger()
    lines = rig.settings.ledger.read_text(encoding="utf-8").splitlines()
    spoiled = ["garbage" if number % 3 == 1 else line for number, line in enumerate(lines)]
    rig.settings.ledger.write_text("\n".join(spoiled) + "\n", encoding="utf-8")


def few(rig: Rig) -> None:
    rig.write_ledger(29)


def none(rig: Rig) -> None:
    rig.settings.ledger.write_bytes(b"")


@pytest.mark.parametrize(
    ("spoil", "shown", "missing"),
    [
        pytest.param(
            silent(rewards={"immediate": {"tri_delta_norm": 0.1}}),
            {COVERAGE[0]: 0.0, COVERAGE[1]: 1.0},
            {"anr_rollbacks_per_1k"},
            id="no-feedback",
        ),
        pytest.param(silent(rewards={"deployment": {"rollback": 0}}), {COVERAGE[1]: 0.0}, {"anr_tri_median"}, id="no-tri"),
        pytest.param(silent(anomaly={}), {COVERAGE[2]: 0.0}, {"anr_fast_cap_breaches"}, id="no-anomaly"),
        pytest.param(few, {"anr_window_live_decisions": 29.0}, {"anr_rsi", "anr_rollbacks_per_1k"}, id="29-live-decisions"),
        pytest.param(two_in_three, {"anr_ledger_skipped_ratio": 1 / 3, "anr_ledger_malformed_ratio": 1 / 3}, set(), id="garbage"),
        pytest.param(
            none,
            {"anr_window_decisions": 0.0},
            {*COVERAGE, "anr_rsi", "anr_rollbacks_per_1k", "anr_tri_median", "anr_ledger_skipped_ratio", "anr_ledger_span_ratio"},
            id="nothing",
        ),
    ],
)
def test_a_figure_is_left_out_while_its_gate_has_no_data(
    begun: Rig, spoil: Callable[[Rig], None], shown: dict[str, float], missing: set[str]
) -> None:
    """An alert on a figure of three decisions would page for nothing; how much is told is a gauge of its own."""
    spoil(begun)
    told = gauges(begun)
    assert {name: told[name] for name in shown} == pytest.approx(shown)
    assert missing & told.keys() == set()
    assert told["anr_go"] == 0.0


def test_a_failing_gate_keeps_its_figure(begun: Rig) -> None:
    """What is seen to be bad is told, and is what the alerts are for."""
    begun.write_ledger(rewards={"immediate": {"tri_delta_norm": -0.5}, "deployment": {"rollback": -1.0}})
    told = gauges(begun)
    assert (told["anr_rollbacks_per_1k"], told["anr_tri_median"]) == (1000.0, -0.5)


def test_figures_that_grew_old_are_left_out_and_their_age_is_told(begun: Rig) -> None:
    """A GO of an hour ago is no GO; what a scrape still tells is how old the look is."""
    fresh, old = gauges(begun, STALE_SECONDS), gauges(begun, STALE_SECONDS + 1)
    assert (fresh["anr_go"], fresh["anr_stage_ratio"], fresh["anr_measured_age_seconds"]) == (1.0, 0.1, STALE_SECONDS)
    assert old == {
        "anr_measured_timestamp_seconds": begun.clock.now.timestamp(),
        "anr_measured_age_seconds": STALE_SECONDS + 1,
        "anr_measure_duration_seconds": 0.1,
    }


@pytest.mark.parametrize(("took_s", "rest_s"), [(0.01, 15.0), (3.0, 30.0), (60.0, 120.0), (1e6, 120.0)])
def test_measuring_rests_never_so_long_that_its_figures_grow_old(took_s: float, rest_s: float) -> None:
    """Ten times as long as it took was half an hour on a busy machine; the alert that they are old comes after five minutes."""
    assert rest_after(took_s, 15.0) == rest_s


def test_when_the_journal_was_copied_is_told_and_never_is_missing(begun: Rig) -> None:
    """No copy is no time, so that nobody reads 1970."""
    assert "anr_journal_copy_timestamp_seconds" not in gauges(begun)
    copy_journal(begun.target)
    assert gauges(begun)["anr_journal_copy_timestamp_seconds"] == begun.clock.now.timestamp()
