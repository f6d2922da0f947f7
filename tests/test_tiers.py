"""Which tests `make test` runs, and that they need nothing but Python, make and git."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import tiers

ROOT = Path(__file__).parents[1]


def markers(item: pytest.Item) -> set[str]:
    return {marker.name for marker in item.iter_markers()}


def sources(path: Path, known: set[Path]) -> set[Path]:
    """A test module, what it imports of the tests, and the conftest files above it."""
    if path in known or not path.is_file():
        return known
    known.add(path)
    for name in imported(path):
        if name.startswith("tests."):
            sources(ROOT / f"{name.replace('.', '/')}.py", known)
    for folder in path.parents[: len(path.relative_to(ROOT).parts) - 1]:
        sources(folder / "conftest.py", known)
    return known


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def wants(path: Path) -> set[str]:
    """The libraries that a module imports anywhere, and the programs that it names."""
    texts = {
        node.value
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    return {name.partition(".")[0] for name in imported(path)} & tiers.LIBRARIES | texts & set(tiers.PROGRAMS)


def test_no_test_of_the_first_tier_needs_a_browser_java_prometheus_or_a_database_server(request: pytest.FixtureRequest) -> None:
    """Neither it nor what it imports of the tests names such a program or imports the library that drives one."""
    first = {item.path for item in request.session.items if not markers(item) & set(tiers.FURTHER)} - {Path(__file__)}
    here: set[Path] = set()
    for path in first:
        sources(path, here)
    assert {str(path.relative_to(ROOT)): wants(path) for path in here - {ROOT / "tests" / "tiers.py"} if wants(path)} == {}


def test_whatever_stands_in_a_folder_of_a_tier_carries_its_marker(request: pytest.FixtureRequest) -> None:
    """A new file in tests/e2e or tests/torture cannot slip into `make test`."""
    for item in request.session.items:
        for tier in {"e2e", "torture"} & set(item.path.parts):
            assert tier in markers(item), item.nodeid


def test_make_and_pytest_know_the_same_tiers(pytestconfig: pytest.Config) -> None:
    """Each marker is declared, and `make test` leaves out exactly what the rest runs."""
    declared = {line.partition(":")[0] for line in pytestconfig.getini("markers")}
    assert set(tiers.FURTHER) <= declared
    (expression,) = re.findall(r"^FURTHER\s*:= (.*)$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert expression.split(" or ") == list(tiers.FURTHER)


def test_what_is_missing_is_said_with_the_one_command_that_installs_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """On a machine without any of it each package is named once, and `make test-all` goes no further."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(tiers, "_POSTGRESQL", tmp_path)
    monkeypatch.setattr(tiers, "_ROOTS", tmp_path)
    assert tiers.main([]) > 0
    said = capsys.readouterr().out
    (command,) = [line.strip() for line in said.splitlines() if "apt-get install" in line]
    packages = command.partition("--no-install-recommends ")[2].split()
    assert packages == list(dict.fromkeys(" ".join(tiers.PROGRAMS.values()).split()))
    assert all(program in said for program in tiers.PROGRAMS)
    assert tiers.main(["--packages"]) == 0
    assert capsys.readouterr().out.split() == packages


def test_where_everything_is_here_nothing_is_said(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """PostgreSQL's programs and root's are found beside the path, where Debian puts them."""
    beside = {"initdb": tmp_path / "15" / "bin", "logrotate": tmp_path / "sbin"}
    for program in tiers.PROGRAMS:
        folder = beside.get(program, tmp_path)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / program).touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(tiers, "_POSTGRESQL", tmp_path)
    monkeypatch.setattr(tiers, "_ROOTS", tmp_path / "sbin")
    assert tiers.main([]) == 0
    assert capsys.readouterr().out == ""
