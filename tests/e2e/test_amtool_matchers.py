"""Our matchers against Alertmanager's own: `amtool config routes test` says which of many routes an alert takes."""

import random
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from core.alerts.matchers import all_match, parse_matchers

pytestmark = pytest.mark.e2e

NAMES = ("a", "severity", "component", "_x:y")
PIECES = (
    *("a", "b", "page", "critical", "anr", "ß", "É", "k", "K", "1", "_", "-", " ", "\n", "'", "`", ",", "}", "="),
    *(
        ".",
        ".*",
        ".+",
        "|",
        "(",
        ")",
        "(?:",
        "(?i)",
        "(?s)",
        "(?m)",
        "(?U)",
        "(?-i)",
        "^",
        "$",
        "*",
        "+",
        "?",
        "??",
        "{2}",
        "{1,3}",
    ),
    *(
        "[a-z]",
        "[^a]",
        "[[:alpha:]]",
        "[[:^digit:]]",
        "[[:word:]]",
        "\\d",
        "\\w",
        "\\W",
        "\\s",
        "\\S",
        "\\b",
        "\\B",
        "\\A",
        "\\z",
    ),
    *("\\pL", "\\p{Greek}", "\\PN", "\\.", "\\Q.\\E", "\\x41", "\\x{e9}", "\\n", "\\t", "\\101", "\\1", "\\Z", "\\C", "(?=a)"),
    *("(?P<n>", "[", "]", "]a", "\\", "**", "{1001}", "(?#", "\\G", "\\h", "\\R", "\\u0041", "a)|(?:b"),
)
VALUES = ("", "a", "b", "ab", "aa", "page", "PAGE", "critical", "anr", "anr1", "1", "ß", "É", "é", "K", "a b", "a\nb", "page\n")
MOST_PAIRS = 2000
ROUTES, LABEL_SETS = 400, 12


def matcher(chosen: random.Random) -> str:
    """A matcher of random pieces, mostly one that can be understood."""
    operator = chosen.choice(("=", "!=", "=~", "=~", "=~", "!~"))
    value = "".join(chosen.choices(PIECES, k=chosen.randint(1, 4))) if operator[-1] == "~" else chosen.choice(VALUES)
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    written = f'"{escaped}"' if chosen.random() < 0.9 else value
    return f"{chosen.choice(NAMES)}{chosen.choice(('', ' '))}{operator}{written}"


def understood(text: str) -> bool:
    try:
        parse_matchers(text)
    except ValueError:
        return False
    return True


def amtool_takes(texts: list[str], folder: Path) -> bool:
    """Whether amtool loads a configuration with these matchers."""
    command = ["amtool", "check-config", str(configuration(texts, folder))]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode == 0


def configuration(texts: list[str], folder: Path) -> Path:
    """A route and a receiver for each matcher; every route lets the next one try, too."""
    routes = [{"matchers": [text], "receiver": f"r{place}", "continue": True} for place, text in enumerate(texts)]
    receivers = [{"name": "none"}, *({"name": f"r{place}"} for place in range(len(texts)))]
    path = folder / "alertmanager.yml"
    path.write_text(yaml.safe_dump({"route": {"receiver": "none", "routes": routes}, "receivers": receivers}), encoding="utf-8")
    return path


def refused_by_amtool(texts: list[str], folder: Path) -> set[str]:
    """Find the texts that amtool refuses, by halves."""
    if not texts or amtool_takes(texts, folder):
        return set()
    if len(texts) == 1:
        return set(texts)
    half = len(texts) // 2
    return refused_by_amtool(texts[:half], folder) | refused_by_amtool(texts[half:], folder)


NAMED_AS_REFUSED = ("'", "`", "\\C")
"""What Alertmanager takes and we refuse by name: quotes that can never match. (And an expression that is too large for us.)"""


def test_amtool_and_we_agree_on_what_is_a_matcher_and_what_it_matches(tmp_path: Path, figure: Callable[[str], None]) -> None:
    """Hundreds of generated matchers, each on a dozen label sets: the same receivers; what only we refuse is refused by name."""
    chosen = random.Random(20261127)
    texts = list(dict.fromkeys(matcher(chosen) for _ in range(2 * ROUTES)))
    ours = [text for text in texts if understood(text)]
    assert refused_by_amtool(ours, tmp_path) == set(), "read by us and refused by amtool"
    strange = [text for text in texts if text not in ours]
    taken = set(strange) - refused_by_amtool(strange, tmp_path)
    assert [text for text in taken if not any(mark in text for mark in NAMED_AS_REFUSED)] == []
    routed = configuration(ours[:ROUTES], tmp_path)
    pairs = 0
    for _ in range(LABEL_SETS):
        labels = {name: chosen.choice(VALUES) for name in chosen.sample(NAMES, 3)}
        given = [f'{name}="{value}"'.replace("\n", "\\n") for name, value in labels.items()]
        command = ["amtool", "config", "routes", "test", f"--config.file={routed}", *given]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
        expected = {f"r{place}" for place, text in enumerate(ours[:ROUTES]) if all_match(parse_matchers(text), labels)}
        assert set(said.split(",")) - {"none"} == expected, labels
        pairs += len(ours[:ROUTES])
    assert pairs >= MOST_PAIRS
    figure(f"matchers: {pairs:,} pairs of a generated matcher and a label set agree with amtool, {len(taken)} refused by name")
