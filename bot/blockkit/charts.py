"""Figures as Slack's own blocks, which follow the reader's theme: line charts and tables that sort; and what stands in for them.

Pure. Limits: Slack's documentation of the data visualization and data table blocks (a chart's title 50 characters, 6 series with
one finite value for each of 20 categories, labels of 20 characters, 2 charts a message; a table's heading and 100 rows, 20
columns). They are being rolled out: a workspace that does not take them yet gets a picture and a plain table
(bot/slack/outbox.py).
"""

from collections.abc import Iterable, Mapping, Sequence

from bot.blockkit.post import Block

BINS = 12
"""Points of a chart: as many as a telephone shows with their labels."""
_TITLE, _LABEL, _AXIS = 50, 20, 50
MOST_ROWS = 100
"""Rows that a table takes beside its heading."""
_NATIVE = frozenset({"data_visualization", "data_table"})


def line_chart(title: str, categories: Sequence[str], series: Mapping[str, Sequence[float]], *, below: str, beside: str) -> Block:
    """Return a line chart.

    Args:
        title: what it shows; 50 characters are.
        categories: the labels of the points, at most 20, each once and of at most 20 characters.
        series: by its name of at most 20 characters, a finite value for each category.
        below: what the categories are.
        beside: what the values are, with their unit.
    """
    drawn = [
        {
            "name": name[:_LABEL],
            "data": [{"label": category[:_LABEL], "value": value} for category, value in zip(categories, values, strict=True)],
        }
        for name, values in series.items()
    ]
    axes = {"categories": [category[:_LABEL] for category in categories], "x_label": below[:_AXIS], "y_label": beside[:_AXIS]}
    return {
        "type": "data_visualization",
        "title": title[:_TITLE],
        "chart": {"type": "line", "series": drawn, "axis_config": axes},
    }


Cell = str | tuple[float, str]
"""A text, or a number with how it is written."""


def data_table(caption: str, heading: Sequence[str], rows: Sequence[Sequence[Cell]]) -> Block:
    """Return a table that the reader sorts and filters; numbers sort as numbers.

    Args:
        caption: what it shows, also for those who hear it.
        heading: a text for each column.
        rows: at least one; at most 100 are shown.
    """
    cells = [[_cell(cell) for cell in row] for row in (heading, *rows[:MOST_ROWS])]
    return {"type": "data_table", "caption": caption, "rows": cells, "page_size": 24}


def _cell(cell: Cell) -> Block:
    if isinstance(cell, str):
        return {"type": "raw_text", "text": cell or "–"}
    return {"type": "raw_number", "value": cell[0], "text": cell[1]}


def has_native(blocks: Iterable[Block]) -> bool:
    """Whether there are blocks among these that a workspace may not take yet."""
    return any(block["type"] in _NATIVE for block in blocks)


def without_native(blocks: Iterable[Block]) -> tuple[Block, ...]:
    """Return the blocks as every workspace takes them: tables that do not sort, and no charts, for which a picture stands."""
    return tuple(_plain_table(block) if block["type"] == "data_table" else block for block in blocks if not _is_chart(block))


def _is_chart(block: Block) -> bool:
    return bool(block["type"] == "data_visualization")


def _plain_table(block: Block) -> Block:
    rows = [[{"type": "raw_text", "text": cell["text"]} for cell in row] for row in block["rows"][:MOST_ROWS]]
    numbers = [cell["type"] == "raw_number" for cell in block["rows"][1]]
    return {"type": "table", "column_settings": [{"align": "right" if number else "left"} for number in numbers], "rows": rows}
