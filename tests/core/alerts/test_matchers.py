"""Matchers in Alertmanager's syntax. The tables are those of Alertmanager's own pkg/labels/parse_test.go, where they apply."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.alerts.matchers import MAX_SEARCHED, KnownLabels, Matcher, all_match, judge_all, parse_matchers


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("foo=bar", [("foo", "=", "bar")], id="bare"),
        pytest.param('{foo="bar"}', [("foo", "=", "bar")], id="braces-and-quotes"),
        pytest.param(
            '{foo = "bar", dings != "bums", }', [("foo", "=", "bar"), ("dings", "!=", "bums")], id="spaces-and-last-comma"
        ),
        pytest.param("foo=bar,dings!=bums", [("foo", "=", "bar"), ("dings", "!=", "bums")], id="two-bare"),
        pytest.param('severity=~"page|critical"', [("severity", "=~", "page|critical")], id="regular-expression"),
        pytest.param('severity!~"page|critical"', [("severity", "!~", "page|critical")], id="negated-expression"),
        pytest.param(
            '{quote="She said: \\"Hi, ladies! That\'s gender-neutral…\\""}',
            [("quote", "=", 'She said: "Hi, ladies! That\'s gender-neutral…"')],
            id="escaped-quotes-and-commas",
        ),
        pytest.param('foo="bar\\nbaz"', [("foo", "=", "bar\nbaz")], id="escaped-line-feed"),
        pytest.param("foo=bar\\d", [("foo", "=", "bar\\d")], id="spurious-escape"),
        pytest.param("foo=", [("foo", "=", "")], id="empty-value"),
        pytest.param('a=~"[*+]x"', [("a", "=~", "[*+]x")], id="characters-of-a-class"),
    ],
)
def test_a_list_of_matchers_is_read_as_alertmanager_reads_it(text: str, expected: list[tuple[str, str, str]]) -> None:
    """Braces, quotes, spaces and a last comma are optional; escapes are OpenMetrics'."""
    assert [(matcher.name, matcher.operator, matcher.value) for matcher in parse_matchers(text)] == expected


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="nothing"),
        pytest.param("{}", id="nothing-in-braces"),
        pytest.param("foo", id="no-operator"),
        pytest.param("foo bar=baz", id="bad-name"),
        pytest.param("foo=bar,,dings=bums", id="empty-part"),
        pytest.param('foo="bar', id="open-quote"),
        pytest.param('foo=b"ar', id="quote-inside"),
        pytest.param('foo=bar"', id="only-a-closing-quote"),
        pytest.param('foo=~"("', id="not-an-expression"),
        pytest.param('foo=~"(?=a)"', id="looks-ahead"),
        pytest.param('foo=~"(a)\\\\1"', id="refers-back"),
        pytest.param("foo=" + "x" * 2001, id="too-long"),
    ],
)
def test_what_alertmanager_would_refuse_is_refused(text: str) -> None:
    """A rule that cannot be understood is an error at the start, not a rule that never matches."""
    with pytest.raises(ValueError, match=r"\S"):
        parse_matchers(text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("component='anr'", "column 11", id="single-quotes"),
        pytest.param("a=b, component = `anr`", "column 18", id="back-quotes"),
        pytest.param("component=“anr”", "column 11", id="curly-quotes"),
        pytest.param('{"a"="b", "c"=d e}', "column 17", id="two-words"),
        pytest.param('a="x", b=~"("', "column 11", id="the-expression-that-is-none"),
        pytest.param('a=~"\\C"', "\\C", id="what-only-the-engine-here-knows"),
        pytest.param("a=\ud800", "column 3", id="a-lone-surrogate"),
    ],
)
def test_a_refusal_says_where(text: str, said: str) -> None:
    """Quotes that can never match, and everything else that is refused at the start, come with the place."""
    with pytest.raises(ValueError, match=re.escape(said)):
        parse_matchers(text)


@pytest.mark.parametrize(
    ("value", "actual", "expected"),
    [
        pytest.param("[[:alpha:]]+", "page", True, id="posix-class"),
        pytest.param("(?i)PAGE", "page", True, id="flag"),
        pytest.param("^page$", "page", True, id="anchors"),
        pytest.param("page", "page\n", False, id="nothing-before-a-last-line-feed"),
        pytest.param("a.b", "a\nb", False, id="a-dot-is-no-line-feed"),
        pytest.param("(?s)a.b", "a\nb", True, id="unless-it-is-asked-for"),
        pytest.param("x)|(?:y", "xz", True, id="whoever-closes-the-group-loosens-the-anchors"),
        pytest.param(r"\pL+", "größe", True, id="unicode-class"),
        pytest.param(r"\d", "٣", False, id="digits-are-ascii"),
        pytest.param("(a*)*b", "a" * 50_000, False, id="nothing-is-tried-again-and-again"),
    ],
)
def test_an_expression_means_what_it_means_to_alertmanager(value: str, actual: str, *, expected: bool) -> None:
    """RE2's dialect, anchored by `^(?:…)$`, in a time that grows with the text."""
    assert Matcher("a", "=~", value).matches({"a": actual}) is expected


EQUAL, MORE = Matcher("a", "=", "x"), Matcher("b", "=~", "x|y")


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        pytest.param(KnownLabels({"a": "x", "b": "y"}), True, id="both"),
        pytest.param(KnownLabels({"a": "x"}), False, id="absent-is-empty"),
        pytest.param(KnownLabels({"a": "x"}, whole=False), None, id="absent-may-be-anything"),
        pytest.param(KnownLabels({"a": "z"}, whole=False), False, id="one-that-fails-decides"),
        pytest.param(KnownLabels({"a": "x", "b": ""}, frozenset({"b"})), None, id="unread"),
        pytest.param(KnownLabels({"a": "x", "b": "y" * (MAX_SEARCHED + 1)}), None, id="too-long-to-search"),
    ],
)
def test_what_is_not_known_may_match(known: KnownLabels, *, expected: bool | None) -> None:
    """Three answers: yes, no, and nobody knows."""
    assert judge_all((EQUAL, MORE), known) is expected


def test_an_expression_has_to_match_the_whole_value() -> None:
    """`page` does not match `homepage`, and the alternatives of an expression are anchored together."""
    (matcher,) = parse_matchers('severity=~"page|critical"')
    assert [value for value in ("page", "critical", "homepage", "critical!", "") if matcher.matches({"severity": value})] == [
        "page",
        "critical",
    ]


def test_a_label_that_is_missing_counts_as_empty() -> None:
    """`a!="x"` and `a=~".*"` match an alert without the label, `a=~".+"` does not."""
    assert all_match(parse_matchers('a!="x", a=~".*", a=""'), {})
    assert not all_match(parse_matchers('a=~".+"'), {})


values = st.text(st.characters(codec="utf-8"), max_size=20)


@given(name=st.from_regex(r"[a-zA-Z_:][a-zA-Z0-9_:]{0,8}", fullmatch=True), operator=st.sampled_from(["=", "!="]), value=values)
def test_a_matcher_reads_back_as_it_is_written(name: str, operator: str, value: str) -> None:
    """Writing and reading are inverse, whatever the value holds."""
    matcher = Matcher(name, operator, value)  # type: ignore[arg-type]  # one of two operators
    assert parse_matchers("{" + str(matcher) + "}") == (matcher,)


@given(value=values, actual=values)
def test_a_negated_matcher_is_the_opposite(value: str, actual: str) -> None:
    """No label value meets both a matcher and its negation, and none meets neither."""
    labels = {"a": actual}
    assert Matcher("a", "=", value).matches(labels) != Matcher("a", "!=", value).matches(labels)
    literal = re.escape(value)
    assert Matcher("a", "=~", literal).matches(labels) == (actual == value)
    assert Matcher("a", "=~", literal).matches(labels) != Matcher("a", "!~", literal).matches(labels)


@given(text=st.text(max_size=60))
def test_any_text_is_understood_or_refused(text: str) -> None:
    """No text makes the parser fail in another way, and what is understood reads back."""
    try:
        matchers = parse_matchers(text)
    except ValueError:
        return
    assert parse_matchers(",".join(map(str, matchers))) == matchers
