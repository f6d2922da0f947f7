"""The limits of the blocks that show data: charts and tables that sort and filter themselves.

Sources: https://docs.slack.dev/reference/block-kit/blocks/data-visualization-block and …/data-table-block.
"""

import math
from typing import Any, Final

from bot.playground.workspace.problems import Json, Problems, kind_of

CHARTS_MAX: Final = 2
"""Charts in a message."""
TITLE_MAX: Final = 50
LABEL_MAX: Final = 20
SERIES_MAX: Final = 6
CATEGORIES_MAX: Final = 20
DATA_ROWS_MAX: Final = 101
COLUMNS_MAX: Final = 20
_PLOTS: Final = ("bar", "area", "line")
_CELLS: Final = ("raw_text", "raw_number", "rich_text")


def data_visualization(problems: Problems, block: Json, at: str) -> None:
    """Check a chart: every series has one finite value for every category."""
    problems.length(block.get("title"), TITLE_MAX, f"{at}/title", shortest=1)
    chart, here = block.get("chart"), f"{at}/chart"
    if not isinstance(chart, dict):
        problems.add("must provide an object", here)
    elif kind_of(chart) == "pie":
        for index, segment in enumerate(problems.count(chart.get("segments"), SERIES_MAX, f"{here}/segments")):
            _point(problems, segment, f"{here}/segments/{index}")
    elif kind_of(chart) in _PLOTS:
        _plot(problems, chart, here)
    else:
        problems.add(f"unsupported type: {kind_of(chart)}", f"{here}/type", ("pie", *_PLOTS))


def _plot(problems: Problems, chart: Json, at: str) -> None:
    axes = chart.get("axis_config")
    if not isinstance(axes, dict):
        problems.add("must provide an object", f"{at}/axis_config")
        return
    categories = problems.count(axes.get("categories"), CATEGORIES_MAX, f"{at}/axis_config/categories")
    for index, category in enumerate(categories):
        problems.length(category, LABEL_MAX, f"{at}/axis_config/categories/{index}", shortest=1)
    for name in ("x_label", "y_label"):
        if axes.get(name) is not None:
            problems.length(axes[name], TITLE_MAX, f"{at}/axis_config/{name}")
    names: list[Any] = []
    for index, series in enumerate(problems.count(chart.get("series"), SERIES_MAX, f"{at}/series")):
        here = f"{at}/series/{index}"
        if not isinstance(series, dict):
            problems.add("must provide an object", here)
            continue
        problems.length(series.get("name"), LABEL_MAX, f"{here}/name", shortest=1)
        if series.get("name") in names:
            problems.add(f"name already exists: {series.get('name')}", f"{here}/name")
        names.append(series.get("name"))
        points = problems.count(series.get("data"), CATEGORIES_MAX, f"{here}/data")
        for number, point in enumerate(points):
            _point(problems, point, f"{here}/data/{number}")
        if [point.get("label") for point in points if isinstance(point, dict)] != categories:
            problems.add("must have one value for every category", f"{here}/data")


def _point(problems: Problems, point: object, at: str) -> None:
    if not isinstance(point, dict):
        problems.add("must provide an object", at)
        return
    problems.length(point.get("label"), LABEL_MAX, f"{at}/label", shortest=1)
    value = point.get("value")
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        problems.add("must be a finite number", f"{at}/value")


def data_table(problems: Problems, block: Json, at: str) -> None:
    """Check a table: a heading without rich text, and rows that are all as long as it."""
    problems.length(block.get("caption"), 2_000, f"{at}/caption", shortest=1)
    if block.get("page_size") is not None:
        problems.number(block["page_size"], 1, 100, f"{at}/page_size")
    rows = problems.count(block.get("rows"), DATA_ROWS_MAX, f"{at}/rows", least=2)
    for index, row in enumerate(rows):
        here = f"{at}/rows/{index}"
        cells = problems.count(row, COLUMNS_MAX, here)
        if isinstance(rows[0], list) and len(cells) != len(rows[0]):
            problems.add("must have as many cells as the first row", here)
        for column, cell in enumerate(cells):
            _cell(problems, cell, f"{here}/{column}", _CELLS if index else _CELLS[:2])


def _cell(problems: Problems, cell: object, at: str, allowed: tuple[str, ...]) -> None:
    kind = kind_of(cell)
    if not isinstance(cell, dict) or kind not in allowed:
        problems.add(f"unsupported type: {kind}", f"{at}/type", allowed)
    elif kind == "raw_number":
        if isinstance(cell.get("value"), bool) or not isinstance(cell.get("value"), int | float):
            problems.add("must be a number", f"{at}/value")
        problems.length(cell.get("text"), 3_000, f"{at}/text", shortest=1)
    elif kind == "raw_text":
        problems.length(cell.get("text"), 3_000, f"{at}/text", shortest=1)
