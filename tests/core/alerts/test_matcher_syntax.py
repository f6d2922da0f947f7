"""Both grammars against the verdicts of Alertmanager's own parsers.

The tables are data from Alertmanager's `pkg/labels/parse_test.go` and `matcher/parse/parse_test.go` (Apache License 2.0, The
Prometheus Authors): each input with the matchers that it is read as, or None where it is refused.
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.alerts.matcher_syntax import MatcherSyntaxError, classic_conditions, conditions, utf8_conditions

Read = list[tuple[str, str, str]] | None

CLASSIC: dict[str, Read] = {
    "{}": [],
    ",": None,
    "{,}": None,
    "{foo='}": [("foo", "=", "'")],
    "{foo=`}": [("foo", "=", "`")],
    '{foo=\\"}': [("foo", "=", '"')],
    "{foo=bar}": [("foo", "=", "bar")],
    '{foo="bar"}': [("foo", "=", "bar")],
    "{foo=~bar.*}": [("foo", "=~", "bar.*")],
    '{foo=~"bar.*"}': [("foo", "=~", "bar.*")],
    "{foo!=bar}": [("foo", "!=", "bar")],
    '{foo!="bar"}': [("foo", "!=", "bar")],
    "{foo!~bar.*}": [("foo", "!~", "bar.*")],
    '{foo!~"bar.*"}': [("foo", "!~", "bar.*")],
    '{foo="bar", baz!="quux"}': [("foo", "=", "bar"), ("baz", "!=", "quux")],
    '{foo="bar", baz!~"quux.*"}': [("foo", "=", "bar"), ("baz", "!~", "quux.*")],
    '{foo="bar",baz!~".*quux", derp="wat"}': [("foo", "=", "bar"), ("baz", "!~", ".*quux"), ("derp", "=", "wat")],
    '{foo="bar", instance=~"some-api.*"}': [("foo", "=", "bar"), ("instance", "=~", "some-api.*")],
    '{foo=""}': [("foo", "=", "")],
    '{foo="bar,quux", job="job1"}': [("foo", "=", "bar,quux"), ("job", "=", "job1")],
    '{foo = "bar", dings != "bums", }': [("foo", "=", "bar"), ("dings", "!=", "bums")],
    "foo=bar,dings!=bums": [("foo", "=", "bar"), ("dings", "!=", "bums")],
    '{quote="She said: \\"Hi, ladies! That\'s gender-neutral…\\""}': [
        ("quote", "=", 'She said: "Hi, ladies! That\'s gender-neutral…"')
    ],
    'statuscode=~"5.."': [("statuscode", "=~", "5..")],
    "tricky=~~~": [("tricky", "=~", "~~")],
    'trickier==\\\\=\\=\\"': [("trickier", "=", '=\\=\\="')],
    'contains_quote != "\\"" , contains_comma !~ "foo,bar" , ': [
        ("contains_quote", "!=", '"'),
        ("contains_comma", "!~", "foo,bar"),
    ],
    "{foo=bar}}": [("foo", "=", "bar}")],
    "{foo=bar}},}": [("foo", "=", "bar}}")],
    "{foo=,bar=}}": [("foo", "=", ""), ("bar", "=", "}")],
    "{foo=bar\\t}": [("foo", "=", "bar\\t")],
    "{foo=bar\\n}": [("foo", "=", "bar\n")],
    "{foo=bar\\}": [("foo", "=", "bar\\")],
    "{foo=bar\\\\}": [("foo", "=", "bar\\")],
    '{foo=bar\\"}': [("foo", "=", 'bar"')],
    "job=": [("job", "=", "")],
    'job="value': None,
    'job=value"': None,
    'trickier==\\\\=\\=\\""': None,
    'contains_unescaped_quote = foo"bar': None,
    '{invalid-name = "valid label"}': None,
    '"{foo=\\"bar"}': None,
    '"foo=\\"bar"': None,
    '"foo=\\"bar\\""': None,
    '"foo=\\"bar\\"': None,
    '"{foo=\\"bar\\"}"': None,
    '"foo="bar""': None,
    "{{foo=": None,
    "{foo=": [("foo", "=", "")],
    "{foo=}b": [("foo", "=", "}b")],
}

UTF8: dict[str, Read] = {
    "": [],
    "{}": [],
    "{foo=bar}": [("foo", "=", "bar")],
    "{foo=bar,}": [("foo", "=", "bar")],
    "{foo!=bar}": [("foo", "!=", "bar")],
    "{foo=~[a-z]+}": [("foo", "=~", "[a-z]+")],
    "{foo!~[a-z]+}": [("foo", "!~", "[a-z]+")],
    "{foo=🙂}": [("foo", "=", "🙂")],
    "{foo=🙂bar}": [("foo", "=", "🙂bar")],
    "foo=bar": [("foo", "=", "bar")],
    "foo=bar,": [("foo", "=", "bar")],
    "foo!=bar": [("foo", "!=", "bar")],
    "foo=~[a-z]+": [("foo", "=~", "[a-z]+")],
    "foo!~[a-z]+": [("foo", "!~", "[a-z]+")],
    '{"foo"="bar"}': [("foo", "=", "bar")],
    '{"foo"="bar",}': [("foo", "=", "bar")],
    '{"foo"!="bar"}': [("foo", "!=", "bar")],
    '{"foo"=~"[a-z]+"}': [("foo", "=~", "[a-z]+")],
    '{"foo"=~"\\\\d+"}': [("foo", "=~", "\\d+")],
    '{"foo"!~"[a-z]+"}': [("foo", "!~", "[a-z]+")],
    '{"foo"="🙂"}': [("foo", "=", "🙂")],
    '{"foo"="\\xf0\\x9f\\x99\\x82"}': [("foo", "=", "🙂")],
    '{"foo"="\\U0001f642"}': [("foo", "=", "🙂")],
    '{"foo"="🙂bar"}': [("foo", "=", "🙂bar")],
    '{"foo"="bar\\n"}': [("foo", "=", "bar\n")],
    '{"foo"="bar\\t"}': [("foo", "=", "bar\t")],
    '{"foo"="\\"bar\\""}': [("foo", "=", '"bar"')],
    '{"foo"="bar\\\\"}': [("foo", "=", "bar\\")],
    '"foo"="bar"': [("foo", "=", "bar")],
    '"foo"="bar",': [("foo", "=", "bar")],
    "{foo=bar,bar!=baz}": [("foo", "=", "bar"), ("bar", "!=", "baz")],
    '{foo="bar",bar!="baz"}': [("foo", "=", "bar"), ("bar", "!=", "baz")],
    "foo=bar,bar!=baz": [("foo", "=", "bar"), ("bar", "!=", "baz")],
    'foo="bar",bar!="baz"': [("foo", "=", "bar"), ("bar", "!=", "baz")],
    ",": None,
    "{,}": None,
    "{": None,
    "}": None,
    "foo=bar}": None,
    "{foo=bar": None,
    '{foo=:"bar"}': None,
    '{foo="bar\\w"}': None,
    '{"foo"=~"\\d+"}': None,
    "{foo=bar\\n}": None,
    '{"foo"="\\xf0\\x9f"}': None,
}


def read(parser: object, text: str) -> Read:
    assert callable(parser)
    try:
        return [(condition.name, condition.operator, condition.value) for condition in parser(text)]
    except MatcherSyntaxError as error:
        refused = error
    assert "column" in str(refused)
    return None


@pytest.mark.parametrize("text", CLASSIC)
def test_the_classic_grammar_is_alertmanagers(text: str) -> None:
    """Every case of `pkg/labels/parse_test.go` has the same verdict, and a refusal names a column."""
    assert read(classic_conditions, text) == CLASSIC[text]


@pytest.mark.parametrize("text", UTF8)
def test_the_utf8_grammar_is_alertmanagers(text: str) -> None:
    """Every case of `matcher/parse/parse_test.go` has the same verdict, and a refusal names a column."""
    assert read(utf8_conditions, text) == UTF8[text]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param('"größe"="ü"', [("größe", "=", "ü")], id="only-utf8-knows-it"),
        pytest.param("foo=bar baz", [("foo", "=", "bar baz")], id="only-the-classic-grammar-knows-it"),
        pytest.param('foo="bar\\t"', [("foo", "=", "bar\\t")], id="the-classic-grammar-counts-where-both-do"),
        pytest.param("5foo=bar", [("5foo", "=", "bar")], id="a-name-that-only-utf8-allows"),
        pytest.param("foo=bar=baz", [("foo", "=", "bar=baz")], id="an-operator-inside"),
    ],
)
def test_of_two_grammars_alertmanagers_default_mode_decides(text: str, expected: Read) -> None:
    """As in `matcher/compat`: what only one knows is read by it, and where they differ the classic one counts."""
    assert read(conditions, text) == expected


@given(text=st.text(st.sampled_from(list("{}=!~,\"\\ \t\nabcx70u'`é")), max_size=30))
def test_each_grammar_reads_or_refuses(text: str) -> None:
    """No text makes a parser fail in another way, and the default mode reads nothing that neither grammar reads."""
    either = [read(classic_conditions, text), read(utf8_conditions, text), None]
    assert read(conditions, text) in either
