"""What stands in for Slack's own charts and tables where a workspace does not take them."""

from bot.blockkit.charts import data_table, has_native, line_chart, without_native
from bot.playground.workspace.limits import check_message


def test_a_workspace_without_them_gets_a_plain_table_and_no_chart() -> None:
    """Every cell is there as it was written; the chart's place is the picture's."""
    table = data_table("By the hour", ("Hour", "Decisions"), [("1 Oct 09:00", (1000.0, "1,000")), ("1 Oct 10:00", "no data")])
    chart = line_chart("RSI", ("09:00", "10:00"), {"RSI": (1.0, 2.0)}, below="from", beside="%")
    assert has_native([table])
    assert has_native([chart])
    (plain,) = without_native([chart, table])
    assert check_message([plain]) == []
    assert [[cell["text"] for cell in row] for row in plain["rows"]] == [
        ["Hour", "Decisions"],
        ["1 Oct 09:00", "1,000"],
        ["1 Oct 10:00", "no data"],
    ]
    assert [column["align"] for column in plain["column_settings"]] == ["left", "right"]
    assert not has_native([plain])
