"""The window's figures from a table, in whatever engine has it: one query, written once with Ibis.

The table has the columns of core/scan/parquet.py. Only counts and the two middle values leave the engine; shares and medians
are made of them by the same code as for a ledger file (core/ledger/figures.py), so that the numbers are the same to the last
digit.

- `duckdb:///lake/**/*.parquet`, `duckdb://s3://bucket/…`: files, read by DuckDB inside this process;
- `spark://local/lake`, `spark://host:7077/lake`: the same files, read by Spark on this machine or on a cluster;
- any other backend of Ibis by its URL, with `table=NAME` among its parameters.

Needs the extra `warehouse`; imported only where a ledger is a table.
"""

from datetime import UTC
from functools import cache
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import ibis
import ibis.expr.types as ir

from core.canonical import canonical_bytes
from core.errors import LedgerUnreadable
from core.ledger.figures import COUNTED, Counts, HourMetrics, LedgerSpan, WindowMetrics, figures_of, middle
from core.ledger.window import FUTURE_US, HOUR_US, Window, moment_of

_KINDS = {"malformed": "malformed", "undated": "undated", "future": "entry"}
"""As what rows of a kind are counted that are not of the window."""
_ERROR_CHARACTERS = 300
"""How much of an engine's own message is kept."""


def measure_table(url: str, window: Window, fast_cap: float) -> WindowMetrics:
    """Measure a window of the table at a URL.

    Raises:
        LedgerUnreadable: the engine cannot be reached, there is no such table, or it has other columns.
    """
    try:
        return _measured(_table(url), window, fast_cap)
    except Exception as error:  # each engine has errors of its own; the message keeps what a person needs
        shown = _without_secrets(url)
        text = (
            f"The ledger table {shown} cannot be read ({type(error).__name__}). Nothing was measured. {_first_line(error, url)}"
        )
        raise LedgerUnreadable(text.rstrip()) from error


def _without_secrets(url: str) -> str:
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def _first_line(error: Exception, url: str) -> str:
    """Return what the engine says, if the URL holds no secret that it might repeat."""
    parts = urlsplit(url)
    has_secrets = "@" in parts.netloc or bool(set(dict(parse_qsl(parts.query))) - {"table"})
    return "" if has_secrets else str(error).strip().partition("\n")[0][:_ERROR_CHARACTERS]


def _table(url: str) -> ir.Table:
    scheme, _, rest = url.partition("://")
    if scheme == "duckdb" and rest.endswith(".parquet"):
        return ibis.duckdb.connect().read_parquet(rest, hive_partitioning=True)
    if scheme == "spark":
        host, _, path = rest.partition("/")
        path = path if "://" in path else f"/{path}"
        return _spark(f"spark://{host}" if ":" in host else "local[*]").read_parquet(path)
    parts = urlsplit(url)
    parameters = dict(parse_qsl(parts.query))
    name = parameters.pop("table", "decisions")
    return ibis.connect(urlunsplit(parts._replace(query=urlencode(parameters)))).table(name)


@cache
def _spark(master: str) -> Any:
    from pyspark.sql import SparkSession  # noqa: PLC0415 - only for ledgers that are read by Spark

    builder = SparkSession.builder.master(master).appName("anr").config("spark.ui.enabled", "false")
    if master.startswith("local"):
        builder = builder.config("spark.driver.bindAddress", "127.0.0.1").config("spark.driver.host", "127.0.0.1")
        builder = builder.config("spark.sql.shuffle.partitions", "2")
    session = builder.config("spark.ui.showConsoleProgress", "false").getOrCreate()
    session.sparkContext.setLogLevel("ERROR")
    return ibis.pyspark.connect(session)


def _measured(table: ir.Table, window: Window, fast_cap: float) -> WindowMetrics:
    near = _pruned(table, window)
    inside = near.filter(near.kind == "entry", near.t_us.between(window.start_us, window.end_us))
    hours = {int(row["hour"]): row for row in _rows(_counted(inside, fast_cap))}
    valued = inside.filter(inside.tri_delta_norm.notnull()).group_by(["hour", "tri_delta_norm"]).agg(n=lambda t: t.count())
    by_hour = _middles(_rows(_around_the_middle(valued)))
    total = valued.group_by("tri_delta_norm").agg(n=valued.n.sum()).mutate(hour=ibis.literal(0))
    median = _middles(_rows(_around_the_middle(total))).get(0)
    lost = near.filter(near.t_us >= window.start_us, (near.kind != "entry") | (near.t_us > window.end_us + FUTURE_US))
    by_kind = {row["kind"]: row for row in _rows(_lines_by_kind(lost, window))}
    counts, series = Counts(), []
    for number in range(window.start_us // HOUR_US, window.end_us // HOUR_US + 1):
        name = _hour(number * HOUR_US)
        row = hours.get(name, {})
        of_hour = Counts(*(int(row.get(count, 0)) for count in COUNTED))
        counts += of_hour
        series.append(HourMetrics(number * HOUR_US, figures_of(of_hour, by_hour.get(name))))
    return WindowMetrics(
        window=window,
        figures=figures_of(counts, median),
        oldest_us=min((int(row["oldest"]) for row in hours.values()), default=None),
        newest_us=max((int(row["newest"]) for row in hours.values()), default=None),
        skipped={name: int(by_kind.get(kind, {}).get("lines", 0)) for name, kind in _KINDS.items()},
        hours=tuple(series),
        span=LedgerSpan(counts.decisions, sha256(canonical_bytes([hours[name] for name in sorted(hours)])).hexdigest()),
        later={name: int(by_kind.get(kind, {}).get("later", 0)) for name, kind in _KINDS.items()},
    )


def _lines_by_kind(lost: ir.Table, window: Window) -> ir.Table:
    return lost.group_by("kind").agg(lines=lost.count(), later=lost.count(where=lost.t_us > window.end_us))


def _pruned(table: ir.Table, window: Window) -> ir.Table:
    """Leave out the partitions before the window, so that no engine opens their files."""
    hour = table.hour.cast("int64")
    return table.mutate(hour=hour).filter(hour >= _hour(window.start_us))


def _counted(inside: ir.Table, fast_cap: float) -> ir.Table:
    live = inside.live_route.notnull()
    return inside.group_by("hour").agg(
        decisions=inside.count(),
        live=inside.count(where=live),
        matching=inside.count(where=live & (inside.live_route == inside.shadow_argmax)),
        rollbacks=inside.count(where=inside.rolled_back),
        breaches=inside.count(where=inside.anomaly_engaged & (inside.r3 > fast_cap)),
        rollbacks_known=inside.count(where=live & inside.rolled_back.notnull()),
        tri_known=inside.count(where=inside.tri_delta_norm.notnull()),
        anomalies_known=inside.count(where=inside.anomaly_engaged.notnull()),
        engaged=inside.count(where=inside.anomaly_engaged),
        r3_known=inside.count(where=inside.anomaly_engaged & inside.r3.notnull()),
        oldest=inside.t_us.min(),
        newest=inside.t_us.max(),
    )


def _around_the_middle(valued: ir.Table) -> ir.Table:
    """Keep of each hour the values that stand in the middle: exact, and no more rows than there are different values."""
    order = ibis.window(group_by="hour", order_by="tri_delta_norm", preceding=None, following=0)
    ranked = valued.mutate(upto=valued.n.sum().over(order), all=valued.n.sum().over(ibis.window(group_by="hour")))
    before = ranked.upto - ranked.n
    every = ranked["all"]
    low = (2 * before < every) & (every <= 2 * ranked.upto)  # it holds rank (all + 1) // 2, counted from one
    high = (2 * before <= every) & (every < 2 * ranked.upto)  # and it rank all // 2 + 1
    return ranked.filter(low | high)


def _middles(rows: list[dict[str, Any]]) -> dict[int, float]:
    found: dict[int, list[float]] = {}
    for row in rows:
        found.setdefault(int(row["hour"]), []).append(row["tri_delta_norm"])
    return {hour: middle(min(values), max(values)) for hour, values in found.items()}


def _rows(expression: ir.Table) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = expression.to_pyarrow().to_pylist()
    return rows


def _hour(t_us: int) -> int:
    return int(moment_of(t_us).astimezone(UTC).strftime("%Y%m%d%H"))
