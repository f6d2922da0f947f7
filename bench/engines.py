"""The same report by other means, each run as a process of its own: `python -m bench.engines ENGINE LEDGER NOW`.

`base` is what people run today, re-implemented: a Python loop, `json.loads` on each line, the whole file. The others stand for
what a user might pick instead. Each prints its figures as JSON; whether they are right on a dirty ledger is part of the result.
"""

import json
import statistics
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

Figures = dict[str, Any]


def loop(loads: Callable[[bytes], Any], path: Path, now: datetime) -> Figures:
    """Read every line, keep what is in the window: with hourly medians, as the report has them."""
    begin = now - timedelta(hours=24)
    decisions = live = matching = rollbacks = 0
    tri: list[float] = []
    hours: dict[datetime, list[float]] = {}
    with path.open("rb") as stream:
        for line in stream:
            try:
                entry = loads(line)
                at = datetime.fromisoformat(entry["t"])
                if not begin <= at <= now:
                    continue
                route = (entry.get("live") or {}).get("route")
                rewards = entry.get("rewards") or {}
                value = (rewards.get("immediate") or {}).get("tri_delta_norm")
                rolled_back = (rewards.get("deployment") or {}).get("rollback", 0) > 0
                decisions += 1
                rollbacks += rolled_back
                if isinstance(route, str) and route:
                    live += 1
                    matching += route == entry["shadow"]["argmax"]
                if isinstance(value, (int, float)):
                    tri.append(value)
                    hours.setdefault(at.replace(minute=0, second=0), []).append(value)
            except (ValueError, KeyError, TypeError, AttributeError):
                continue
    series = [statistics.median(values) for values in hours.values()]
    return figures(decisions, live, matching, rollbacks, statistics.median(tri) if tri else None, series)


def figures(decisions: int, live: int, matching: int, rollbacks: int, tri: float | None, hours: list[float]) -> Figures:
    """Return the figures that are compared; the hours' medians are made by all and compared by count."""
    counts = {"decisions": decisions, "live": live, "matching": matching, "rollbacks": rollbacks}
    return {**counts, "tri_median": tri, "hours": len(hours)}


def base(path: Path, now: datetime) -> Figures:
    """Use the standard library."""
    return loop(json.loads, path, now)


def orjson(path: Path, now: datetime) -> Figures:
    """Use the fastest parser in the same loop."""
    import orjson as parser  # noqa: PLC0415 - each process imports its own engine

    return loop(parser.loads, path, now)


def duckdb(path: Path, now: datetime) -> Figures:
    """Use DuckDB's JSON reader with the needed columns, ignoring lines that it cannot read."""
    import duckdb as engine  # noqa: PLC0415

    columns = (
        "{t: 'VARCHAR', live: 'STRUCT(route VARCHAR)', shadow: 'STRUCT(argmax VARCHAR)', "
        "rewards: 'STRUCT(immediate STRUCT(tri_delta_norm DOUBLE), deployment STRUCT(rollback DOUBLE))'}"
    )
    source = f"read_json('{path}', format='newline_delimited', columns={columns}, ignore_errors=true)"
    query = f"""
        WITH w AS (SELECT try_cast(t AS TIMESTAMPTZ) AS moment, live.route AS route, shadow.argmax AS argmax,
                          rewards.immediate.tri_delta_norm AS tri, rewards.deployment.rollback AS rollback
                   FROM {source}),
             d AS (SELECT * FROM w WHERE moment BETWEEN '{(now - timedelta(hours=24)).isoformat()}' AND '{now.isoformat()}'),
             h AS (SELECT date_trunc('hour', moment), median(tri) AS m FROM d GROUP BY 1)
        SELECT count(*), count(route), count(*) FILTER (route = argmax), count(*) FILTER (rollback > 0), median(tri),
               (SELECT list(m) FROM h)
        FROM d"""  # noqa: S608 - a path and a time of our own
    return figures(*engine.execute(query).fetchall()[0])


def polars(path: Path, now: datetime) -> Figures:
    """Use Polars' lazy reader with the needed columns."""
    import polars as pl  # noqa: PLC0415

    schema = pl.Schema(
        {
            "t": pl.String(),
            "live": pl.Struct({"route": pl.String()}),
            "shadow": pl.Struct({"argmax": pl.String()}),
            "rewards": pl.Struct(
                {"immediate": pl.Struct({"tri_delta_norm": pl.Float64()}), "deployment": pl.Struct({"rollback": pl.Float64()})}
            ),
        }
    )
    route, tri = pl.col("live").struct.field("route"), pl.col("rewards").struct.field("immediate").struct.field("tri_delta_norm")
    rollback = pl.col("rewards").struct.field("deployment").struct.field("rollback")
    inside = (
        pl.scan_ndjson(path, schema=schema, ignore_errors=True)
        .with_columns(at=pl.col("t").str.to_datetime("%Y-%m-%dT%H:%M:%SZ", strict=False, time_zone="UTC"))
        .filter(pl.col("at").is_between(now - timedelta(hours=24), now))
    )
    sums = inside.select(
        decisions=pl.len(),
        live=route.count(),
        matching=(route == pl.col("shadow").struct.field("argmax")).sum(),
        rollbacks=(rollback > 0).sum(),
        tri=tri.median(),
    )
    hours = inside.group_by(pl.col("at").dt.truncate("1h")).agg(tri.median())
    totals, by_hour = pl.collect_all([sums, hours])
    decisions, live, matching, rollbacks, median = totals.row(0)
    return figures(decisions, live, matching, rollbacks, median, by_hour.to_series(1).to_list())


def ours(path: Path, now: datetime) -> Figures:
    """Use the ledger's reader alone, without the command line around it."""
    from core.ledger.window import Window  # noqa: PLC0415
    from core.scan.scan import scan  # noqa: PLC0415

    metrics = scan(path, Window.ending(now, 1440), 0.15)
    found, hours = metrics.figures, [hour.figures.tri_median for hour in metrics.hours]
    medians = [median for median in hours if median is not None]
    return figures(found.decisions, found.live, round((found.rsi or 0) * found.live), found.rollbacks, found.tri_median, medians)


ENGINES = {"base": base, "orjson": orjson, "duckdb": duckdb, "polars": polars, "ours": ours}


if __name__ == "__main__":
    name, ledger, moment = sys.argv[1:]
    sys.stdout.write(json.dumps(ENGINES[name](Path(ledger), datetime.fromisoformat(moment).astimezone(UTC))) + "\n")
