from typing import Any

import pytest

from bot.playground.workspace.limits import check_message, check_view

Json = dict[str, Any]
CELL: Json = {"type": "raw_text", "text": "x"}
NUMBER: Json = {"type": "raw_number", "value": 1.5, "text": "1.5"}


def chart(kind: str = "line", *, title: int = 1, series: int = 1, categories: int = 1, label: int = 3, **change: Any) -> Json:
    names = [f"{number}".rjust(label, "0") for number in range(categories)]
    points = [{"label": name, "value": number} for number, name in enumerate(names)]
    lines = [{"name": f"s{number}", "data": points, **change} for number in range(series)]
    plot = {"type": kind, "series": lines, "axis_config": {"categories": names}}
    return {"type": "data_visualization", "title": "t" * title, "chart": plot}


def pie(segments: int) -> Json:
    plot = {"type": "pie", "segments": [{"label": "x" * 20, "value": 1}] * segments}
    return {"type": "data_visualization", "title": "t", "chart": plot}


def table(count: int = 2, columns: int = 1, **rest: Any) -> Json:
    return {"type": "data_table", "caption": "c", "rows": [[CELL] * columns for _ in range(count)], **rest}


@pytest.mark.parametrize(
    "blocks",
    [
        pytest.param([chart("line", title=50, series=6, categories=20, label=20)], id="largest line chart"),
        pytest.param([chart("bar"), chart("area")], id="two charts"),
        pytest.param([pie(6)], id="pie"),
        pytest.param([table(101, 20, page_size=100)], id="largest table"),
        pytest.param([table(rows=[[CELL], [NUMBER]])], id="numbers"),
    ],
)
def test_data_at_the_limit_is_accepted(blocks: list[Json]) -> None:
    """What is exactly as much as Slack allows passes."""
    assert check_message(blocks) == []


@pytest.mark.parametrize(
    ("blocks", "problem"),
    [
        pytest.param([chart(title=51)], "must be less than 51 characters [json-pointer:/blocks/0/title]", id="title"),
        pytest.param([chart(series=7)], "no more than 6 items allowed [json-pointer:/blocks/0/chart/series]", id="7 series"),
        pytest.param([pie(7)], "no more than 6 items allowed [json-pointer:/blocks/0/chart/segments]", id="7 segments"),
        pytest.param([chart("radar")], "unsupported type: radar [json-pointer:/blocks/0/chart/type]", id="kind"),
        pytest.param(
            [chart(categories=2, data=[{"label": "000", "value": 1}])],
            "must have one value for every category [json-pointer:/blocks/0/chart/series/0/data]",
            id="a category without its value",
        ),
        pytest.param(
            [chart(data=[{"label": "000", "value": float("nan")}])],
            "must be a finite number [json-pointer:/blocks/0/chart/series/0/data/0/value]",
            id="no number",
        ),
        pytest.param([chart()] * 3, "no more than 2 data_visualization blocks allowed [json-pointer:/blocks]", id="three charts"),
        pytest.param([table(1)], "must have at least 2 items [json-pointer:/blocks/0/rows]", id="only a heading"),
        pytest.param([table(102)], "no more than 101 items allowed [json-pointer:/blocks/0/rows]", id="rows"),
        pytest.param([table(page_size=101)], "must be between 1 and 100 [json-pointer:/blocks/0/page_size]", id="page size"),
        pytest.param([table(caption="")], "must be more than 0 characters [json-pointer:/blocks/0/caption]", id="no caption"),
        pytest.param(
            [table(rows=[[CELL, CELL], [CELL]])],
            "must have as many cells as the first row [json-pointer:/blocks/0/rows/1]",
            id="ragged",
        ),
        pytest.param(
            [table(rows=[[CELL], [{"type": "raw_number", "value": 1}]])],
            "must be a string [json-pointer:/blocks/0/rows/1/0/text]",
            id="number without its text",
        ),
        pytest.param(
            [table(rows=[[{"type": "rich_text", "elements": []}], [CELL]])],
            "unsupported type: rich_text [json-pointer:/blocks/0/rows/0/0/type]",
            id="rich text in the heading",
        ),
    ],
)
def test_data_past_the_limit_names_the_place(blocks: list[Json], problem: str) -> None:
    """What is one too many is refused with a pointer to the part."""
    assert check_message(blocks) == [problem]


def test_charts_and_tables_are_for_messages_only() -> None:
    """A home that shows one is refused whole."""
    refused = "unsupported type: data_visualization [json-pointer:/view/blocks/0/type]"
    assert check_view({"type": "home", "blocks": [chart()]}) == [refused]
