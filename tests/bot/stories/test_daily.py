"""The daily report can be shown whatever the day was like, and says the same in blocks, in words and in its file."""

import csv
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.blockkit.charts import without_native
from bot.blockkit.post import Post
from bot.playground.workspace.limits import BLOCKS_TEXT_MAX, blocks_text_length, check_message
from bot.stories.chart import Chart
from bot.stories.daily import ReportedDay, alt_text, daily_report, hour_bins, hours_csv, trend
from core.actors import SCHEDULER, Actor, ActorKind
from core.gates.policy import GateName
from core.gates.report import Gate, Verdict
from core.ledger.figures import Counts, LedgerSpan, WindowMetrics, figures_of
from core.ledger.recorded import recorded
from core.ledger.window import Window
from core.receipts.chain import GENESIS, Sealed, seal
from core.receipts.evidence import AlertDrill, Hold
from core.receipts.receipt import Action, Draft, Phase, Result
from core.rollout.timeline import Stretch
from core.text import clean_text

NOW = datetime(2025, 10, 1, 9, 5, tzinfo=UTC)
OLIVIA = Actor(kind=ActorKind.SLACK, id="U0OLIVIA")
reasons = st.text(max_size=1000).map(clean_text)
maybe = st.one_of(st.none(), st.floats(-1e12, 1e12))


def gate(name: GateName, value: float | None, verdict: Verdict = Verdict.PASS, reason: str = "as it should be") -> Gate:
    return Gate(name=name, verdict=verdict, value=value, bound=0.85, reason=reason)


def hour(number: int, **change: Any) -> dict[str, Any]:
    start = (NOW.replace(minute=0) - timedelta(hours=24 - number)).isoformat().replace("+00:00", "Z")
    good = {"rsi": 0.98, "rollbacks": 0, "tri_median": 0.12}
    return {"start": start, **asdict(figures_of(Counts(decisions=1000, live=100), None)), **good, **change}


def metrics(hours: list[dict[str, Any]]) -> dict[str, Any]:
    counted = figures_of(Counts(decisions=25_000, live=2_500), None)
    found = WindowMetrics(Window.ending(NOW, 1440), counted, None, None, {"malformed": 2}, (), LedgerSpan(0, ""))
    return {**found.summary(), "hours": hours}


def sealed(action: Action, seq: int = 1, phase: Phase = Phase.EVENT, **facts: Any) -> Sealed:
    standing = {"id": f"{seq:032x}", "operation": "b" * 32, "ts": NOW, "actor": SCHEDULER, "build": "anr", "host": "host"}
    return seal(Draft(**{**standing, "action": action, "phase": phase, **facts}), target="production", seq=seq, prev=GENESIS)


def run(**facts: Any) -> Sealed:
    good = {"go": True, "stage_before": 25, "stage_after": 25, "metrics": metrics([hour(number) for number in range(25)])}
    gates = tuple(gate(name, 1.0) for name in GateName)
    return sealed(Action.DAILY, **{**good, "gates": gates, "cause": "daily:2025-10-01", **facts})


def moved(phase: Phase, result: Result | None = None, stage: int = 50) -> Sealed:
    return sealed(Action.PROMOTE, 2 + (phase is Phase.OUTCOME), phase, result=result, stage_before=25, stage_after=stage)


def report(*story: Sealed, **facts: Any) -> Post:
    spells = (Stretch(NOW - timedelta(hours=24), NOW, 25, frozen=False),)
    return daily_report(ReportedDay(story or (run(),), None, spells, "UTC", NOW + timedelta(days=1), **facts))


def showable(post: Post) -> None:
    """Slack takes the message and every reply, and no outside text calls anybody or links anywhere."""
    assert 0 < len(post.text) < 4000
    for blocks in (post.blocks, *(reply.blocks for reply in post.replies)):
        assert check_message(list(without_native(blocks))) == []
        assert check_message(list(blocks)) == []
        assert blocks_text_length(list(blocks)) <= BLOCKS_TEXT_MAX
        for trap in ("<!channel", "<!here", "<!everyone", "<http", "<mailto"):
            assert trap not in str(blocks)


@settings(deadline=None)
@given(
    st.lists(reasons, max_size=30),
    reasons,
    st.lists(maybe, min_size=len(GateName), max_size=len(GateName)),
    st.lists(st.sampled_from(Verdict), min_size=len(GateName), max_size=len(GateName)),
    st.integers(0, 800),
    st.booleans(),
)
def test_any_day_can_be_shown(
    holds: list[str],
    note: str,
    values: list[float | None],
    verdicts: list[Verdict],
    hours: int,
    details: bool,  # noqa: FBT001 - drawn
) -> None:
    """Thirty holds, any figures, a month of hours: cut, never refused."""
    gates = tuple(gate(name, value, verdict, note) for name, value, verdict in zip(GateName, values, verdicts, strict=True))
    held = tuple(
        Hold(id=f"{number:032x}", actor=OLIVIA, reason=reason, since=NOW - timedelta(days=number))
        for number, reason in enumerate(holds)
    )
    counted = metrics([hour(number, rsi=values[0], tri_median=values[1]) for number in range(hours)])
    first = run(gates=gates, note=note, holds_in_force=held, metrics=counted, go=False)
    showable(report(first, details=details))


@pytest.mark.parametrize(
    ("story", "title", "promotes"),
    [
        ((run(),), "GO at 25%, approval asked for", False),
        ((run(note="A person must ask."),), "GO at 25%, nothing is promoted", True),
        ((run(go=False, note="NO-GO"),), "NO-GO at 25%, nothing is promoted", False),
        ((run(), moved(Phase.INTENT)), "GO at 25%, going to 50%", False),
        ((run(), moved(Phase.INTENT), moved(Phase.OUTCOME, Result.APPLIED)), "GO at 25%, promoted to 50%", False),
        ((run(), moved(Phase.INTENT), moved(Phase.OUTCOME, Result.OVERTAKEN, 0)), "GO at 25%, overtaken by a brake", False),
        ((run(), moved(Phase.INTENT), moved(Phase.OUTCOME, Result.NOT_APPLIED, 25)), "GO at 25%, the promotion failed", False),
    ],
    ids=["approval", "go-but-not-promoted", "no-go", "under-way", "promoted", "overtaken", "failed"],
)
def test_the_headline_says_the_verdict_the_stage_and_what_came_of_it(
    story: tuple[Sealed, ...],
    title: str,
    promotes: bool,  # noqa: FBT001 - of the table
) -> None:
    """And the button to promote is there exactly if a person could."""
    post = report(*story)
    sign = "🔴" if "NO-GO" in title else "🟢"
    assert post.blocks[0]["text"]["text"] == post.text == f"{sign} Daily report: {title}"
    assert ("ask_promote" in str(post.blocks)) == promotes
    showable(post)


def test_a_report_that_a_later_one_replaced_has_only_what_shows_more() -> None:
    """Nothing can be decided on yesterday's report; its details can still be read."""
    shown = str(report(run(note="A person must ask."), superseded=True, runbook_url="https://wiki.example/anr").blocks)
    assert "ask_promote" not in shown
    assert "show_why" not in shown
    assert "'details'" in shown
    assert "https://wiki.example/anr" in shown


@pytest.mark.parametrize(
    ("name", "before", "now", "said"),
    [
        (GateName.RSI, 0.97, 0.981, "↑ from 97.0%, better"),
        (GateName.RSI, 0.97, 0.96, "↓ from 97.0%, worse"),
        (GateName.RSI, 0.97001, 0.97002, "→ same"),
        (GateName.ROLLBACKS, 0.0, 0.2, "↑ from 0, worse"),
        (GateName.FRESHNESS, 9.0, 1.0, "↓ from 9.0 min, better"),
        (GateName.FAST_CAP, 3.0, 0.0, "↓ from 3, better"),
        (GateName.DECISIONS, 900.0, 1200.0, "↑ from 900, better"),
        (GateName.RSI, None, 0.97, "was no data"),
        (GateName.RSI, 0.97, None, "was 97.0%"),
        (GateName.RSI, None, None, "no data on either day"),
    ],
)
def test_the_trend_says_the_direction_and_whether_it_is_good(
    name: GateName, before: float | None, now: float | None, said: str
) -> None:
    """Against yesterday's value of the same gate; more is not always better."""
    assert trend(gate(name, now), {name: gate(name, before)}) == said


def test_the_verdict_comes_first_and_the_buttons_before_the_table() -> None:
    """How many gates pass, why nothing is promoted, what comes next; then what can be done; then the figures."""
    gates = (gate(GateName.RSI, 0.7, Verdict.FAIL, "too low"), gate(GateName.TRI, 0.1))
    post = report(run(go=False, note="The gates do not pass.", gates=gates))
    kinds = [block["type"] for block in post.blocks]
    assert kinds[:4] == ["header", "section", "actions", "table"]
    assert post.blocks[1]["text"]["text"].startswith("*:x: 1 of 2 gates pass*\n*Why:* The gates do not pass.\n*Next:*")
    assert post.text == "🔴 Daily report: NO-GO at 25%, nothing is promoted: RSI 70.0% (≥ 85%)"


def test_the_table_has_short_names_and_no_column_without_a_word() -> None:
    """Without a report of yesterday nothing is compared; a name fits a telephone beside its value and its bound."""
    (table,) = (block for block in report().blocks if block["type"] == "table")
    assert [cell["text"] for cell in table["rows"][0]] == ["Gate", "Value", "Bound"]
    assert [cell["text"] for cell in table["rows"][1]] == ["✅ RSI", "100.0%", "≥ 85%"]
    assert max(len(row[0]["text"]) for row in table["rows"]) <= 18
    compared = daily_report(ReportedDay((run(),), run().receipt, (), "UTC", NOW))
    (table,) = (block for block in compared.blocks if block["type"] == "table")
    assert [cell["text"] for cell in table["rows"][1]] == ["✅ RSI", "100.0%", "≥ 85%", "→ same"]


def test_the_day_is_drawn_by_slack_with_its_bounds_in_local_time() -> None:
    """Twelve points, each the share of its hours' live decisions together; the bound is a line of its own."""
    hours = metrics([hour(number, rsi=0.8 if number == 0 else 1.0) for number in range(24)])
    gates = (gate(GateName.RSI, 1.0), gate(GateName.TRI, 1.0))
    spells = (Stretch(NOW - timedelta(hours=24), NOW, 25, frozen=False),)
    post = daily_report(ReportedDay((run(metrics=hours, gates=gates),), None, spells, "Europe/Zurich", NOW))
    rsi, tri = (block for block in post.blocks if block["type"] == "data_visualization")
    axes = rsi["chart"]["axis_config"]
    assert axes["categories"][:3] == ["11:00", "13:00", "15:00"]
    assert (len(axes["categories"]), axes["x_label"]) == (12, "from, Europe/Zurich")
    drawn = {series["name"]: [point["value"] for point in series["data"]] for series in rsi["chart"]["series"]}
    assert drawn == {"RSI": [90.0, *[100.0] * 11], "gate: ≥ 85%": [85.0] * 12}
    assert [series["name"] for series in tri["chart"]["series"]] == ["lowest hour", "gate: ≥ 0.85"]
    showable(post)


def test_hours_without_data_have_no_point() -> None:
    """A chart of Slack's own takes no gap, and what is not known is not drawn as anything."""
    hours = metrics([hour(number, rsi=None if number < 4 else 1.0, tri_median=None) for number in range(24)])
    (rsi,) = (block for block in report(run(metrics=hours)).blocks if block["type"] == "data_visualization")
    assert rsi["chart"]["axis_config"]["categories"][0] == "13:00"
    assert len(rsi["chart"]["axis_config"]["categories"]) == 10


@pytest.mark.parametrize("zone", ["Europe/Zurich", "America/St_Johns", "Australia/Lord_Howe"])
@pytest.mark.parametrize("count", [1, 11, 12, 13, 24, 25, 49, 168])
def test_every_hour_is_in_one_bin_and_no_two_bins_have_one_name(zone: str, count: int) -> None:
    """Also over the night in which clocks go back, when a local time comes twice."""
    hours = recorded(metrics([hour(number + 24 * 25) for number in range(count)])).hours  # until the end of October
    bins = hour_bins(hours, zone)
    assert [hour for together in bins.values() for hour in together] == list(hours)
    assert len(bins) == min(12, count)


def test_a_hold_has_its_age_its_owner_and_its_way_out() -> None:
    """As the on-call person needs it."""
    held = Hold(id="ab12cd34" + "0" * 24, actor=OLIVIA, reason="p99 <is> high", since=NOW - timedelta(days=3, hours=4))
    shown = str(report(run(go=False, note="frozen", holds_in_force=(held,))).blocks)
    assert "for 3 d 4 h by <@U0OLIVIA>: “p99 &lt;is&gt; high” · `/anr unfreeze ab12cd34` lifts it" in shown


def test_the_receipt_is_named_by_number_and_hash_in_the_thread() -> None:
    """So that Slack witnesses the chain, and nobody has to read it."""
    one = run()
    assert f"Receipt `#1 {one.digest[:12]}`" in str(report(one).replies[0].blocks)
    assert one.digest[:12] not in str(report(one).blocks)


def test_the_picture_is_described_in_words() -> None:
    """The same figures: lowest and highest, how often below the bound, stages."""
    shown = metrics([hour(0, rsi=0.8, rollbacks=2), hour(1, tri_median=-0.5), hour(2)])
    post = report(run(metrics=shown))
    assert post.picture is not None
    assert post.picture.title.startswith("Chart by the hour, 2025-09-30 09:00 to 2025-09-30 11:00 UTC")
    for words in ("between 80.0% and 98.0%, 1 hours below 85%", "2 rollbacks", "-0.500 and +0.120", "3,000 decisions", "25%"):
        assert words in post.picture.title
    assert post.picture.data().startswith(b"\x89PNG")
    assert any(block["type"] == "image" and block["alt_text"] == post.picture.title for block in post.blocks)


def test_a_chart_without_data_is_described_too() -> None:
    """Nobody is left with an empty alt text."""
    hours = report(run(metrics=metrics([hour(0, rsi=None, tri_median=None)]))).picture
    assert hours is not None
    assert "no route selection index" in hours.title
    assert alt_text.__doc__
    assert Chart.__doc__


def test_the_file_has_every_hour_in_full() -> None:
    """Also those that the table leaves out, and numbers as they are in the receipt."""
    hours = [hour(number, rsi=0.9812345678901234 if number else None) for number in range(150)]
    typed = recorded(metrics(hours)).hours
    read = list(csv.DictReader(hours_csv(typed).splitlines()))
    assert len(read) == 150
    assert (read[0]["rsi"], read[1]["rsi"], read[1]["decisions"]) == ("", "0.9812345678901234", "1000")
    (_, reply) = report(run(metrics=metrics(hours)), details=True).replies
    (table,) = (block for block in reply.blocks if block["type"] == "data_table")
    assert len(table["rows"]) == 101
    assert table["rows"][1][1] == {"type": "raw_number", "value": 1000, "text": "1,000"}
    assert "The last 100 of 150 hours" in str(reply.blocks)
    assert reply.attachment is not None
    assert reply.attachment.data() == hours_csv(typed).encode()


def test_without_somebody_asking_the_thread_has_no_table() -> None:
    """Details come when somebody wants them."""
    assert [reply.key for reply in report().replies] == ["receipt-1"]


@pytest.mark.parametrize(
    ("result", "told"), [(Result.APPLIED, "the safety nets hold"), (Result.NOT_APPLIED, "not all safety nets hold")]
)
def test_the_newest_drill_has_its_line(result: Result, told: str) -> None:
    """Whether the safety nets hold, since when that is known, and how old each was; without a drill there is no line."""
    note = "Before it: newest valid backup: 1 d old; last drill: 7 d old."
    drill = sealed(Action.DRILL, 7, ts=NOW - timedelta(days=2), result=result, note=note).receipt
    post = report(drill=drill)
    showable(post)
    assert f"*Drill:* {told}" in str(post.blocks).replace(":rotating_light: ", "")
    assert "2 d ago (#7)" in str(post.blocks)
    assert "newest valid backup: 1 d old" in str(post.blocks)
    assert "*Drill:*" not in str(report().blocks)


@pytest.mark.parametrize(
    ("legs", "told"),
    [
        pytest.param(AlertDrill(accepted_s=0.1, heard_s=4.0), "proven 3 d ago in 4.1 s (#7)", id="arrived"),
        pytest.param(AlertDrill(accepted_s=0.1), "the drill alert of 3 d ago did not arrive (#7). look at the route", id="lost"),
    ],
)
def test_the_newest_drill_of_the_alert_path_has_its_line(legs: AlertDrill, told: str) -> None:
    """When an alert last arrived and how long it took, or that it did not; without a drill there is no line."""
    result = Result.NOT_APPLIED if legs.total_s is None else Result.APPLIED
    facts: dict[str, Any] = {"ts": NOW - timedelta(days=3), "result": result, "note": "look at the route", "alert_drill": legs}
    post = report(alert_drill=sealed(Action.ALERT_DRILL, 7, **facts).receipt)
    showable(post)
    assert f"*Alert path:* {told}" in str(post.blocks).replace(":rotating_light: ", "")
    assert "*Alert path:*" not in str(report().blocks)
